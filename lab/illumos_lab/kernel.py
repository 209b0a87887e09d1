"""What the emulated commands may ask of the machine underneath; realised with Linux namespaces.

The commands keep illumos' state and rules; the kernel only makes them true on the wire. Everything is
named as illumos names it: a link by its link name, a zone by its zone name (``global`` included).
A test can give the commands a `Kernel` that records calls instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import Protocol

Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class NatRule:
    """One rule of ipnat as far as packets are concerned.

    Attributes:
        kind: ``map``, ``rdr`` or ``bimap``.
        interface: link name that the rule is bound to.
        source, destination: what the packet must match before translation.
        to_address: address or network that replaces it; None means the interface's own address.
        ports: translated port range (low, high) of ``portmap``, or target port of ``rdr``.
        match_ports: original port range of ``rdr``.
        protocols: ``("tcp",)``, ``("tcp", "udp")``; empty means all.
    """

    kind: str
    interface: str
    source: IPv4Network | None = None
    destination: IPv4Network | None = None
    to_address: str | None = None
    ports: tuple[int, int] | None = None
    match_ports: tuple[int, int] | None = None
    protocols: tuple[str, ...] = ()


class Kernel(Protocol):
    """Network operations on one emulated host. All raise OSError when the machine refuses."""

    # Datalinks -----------------------------------------------------------------------------------
    def create_etherstub(self, name: str, mtu: int) -> None: ...
    def create_vnic(self, name: str, over: str, mac: str, vid: int, mtu: int) -> None:
        """A vnic over an etherstub or a physical link; it appears in the global zone's stack."""
        ...

    def delete_link(self, name: str) -> None: ...
    def rename_link(self, old: str, new: str) -> None: ...
    def set_mtu(self, name: str, mtu: int) -> None: ...
    def set_protection(
        self, name: str, protection: frozenset[str], allowed_ips: tuple[str, ...], mac: str
    ) -> None:
        """Filter what the link may send.

        Kinds are ``mac-nospoof``, ``ip-nospoof``, ``dhcp-nospoof``, ``restricted``.
        """
        ...

    def move_link(self, name: str, zone: str) -> None:
        """Lend a link to an exclusive-ip zone's stack, or return it to ``global``."""
        ...

    # IP, in the stack of a zone ------------------------------------------------------------------
    def plumb(self, zone: str, link: str) -> None:
        """Bring an interface up without an address."""
        ...

    def unplumb(self, zone: str, link: str) -> None: ...
    def add_address(self, zone: str, link: str, address: Interface) -> None: ...
    def delete_address(self, zone: str, link: str, address: Interface) -> None: ...
    def add_route(self, zone: str, destination: Network, gateway: str, link: str | None = None) -> None: ...
    def delete_route(
        self, zone: str, destination: Network, gateway: str, link: str | None = None
    ) -> None: ...
    def set_forwarding(self, zone: str, link: str | None, on: bool) -> None:
        """IPv4 forwarding for one interface, or for the whole stack when link is None."""
        ...

    def set_nat(self, zone: str, rules: tuple[NatRule, ...]) -> None:
        """Replace all NAT rules of a zone's stack; sessions of rules that stay are kept."""
        ...

    def start_dhcp_client(self, zone: str, link: str) -> None:
        """Ask for a lease in the background; `dhcp_lease` tells when it is there."""
        ...

    def stop_dhcp_client(self, zone: str, link: str) -> None: ...
    def dhcp_lease(self, zone: str, link: str) -> Interface | None: ...
