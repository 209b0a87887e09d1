"""What an IP interface, an address object and a route are."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Interface, ip_network

from illumos_lab.kernel import Interface, Network

LOOPBACK = "lo0"
STATIC = "static"
DHCP = "dhcp"
ADDRCONF = "addrconf"
FROM_GZ = "from-gz"

DEFAULT_V4 = ip_network("0.0.0.0/0")
DEFAULT_V6 = ip_network("::/0")


@dataclass
class IpInterface:
    """A plumbed interface.

    Attributes:
        name: that of its datalink, or ``lo0``.
        index: interface index.
        v4, v6: plumbed for that family.
        persistent: ipadm.conf has it.
        from_gz: its addresses are handed in by the global zone.
        properties: interface properties that differ from the default, by (protocol, name).
    """

    name: str
    index: int
    v4: bool = True
    v6: bool = True
    persistent: bool = False
    from_gz: bool = False
    properties: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass
class Address:
    """An address object.

    Attributes:
        interface: name of the interface.
        name: part after the slash; empty when it was not made by ipadm.
        kind: ``static``, ``dhcp``, ``addrconf`` or ``from-gz``.
        address: address with prefix; None for DHCP, whose lease the kernel knows.
        up: it is marked up.
        persistent: ipadm.conf has it.
        duplicate: another stack on the same link had it first.
        zone: shared-ip zone that a logical interface belongs to; empty otherwise.
        text: the address as it was given.
        lif: number of the logical interface (``IF:1``); 0 is the interface itself.
        primary: the DHCP interface is the primary one.
        properties: address properties that were set.
    """

    interface: str
    name: str
    kind: str
    address: Interface | None = None
    up: bool = True
    persistent: bool = False
    duplicate: bool = False
    zone: str = ""
    text: str = ""
    lif: int = 0
    primary: bool = False
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def addrobj(self) -> str:
        """The ADDROBJ column."""
        return f"{self.interface}/{self.name or '?'}"

    @property
    def is_v4(self) -> bool:
        """It belongs to IPv4; DHCP always does here."""
        return self.address is None or isinstance(self.address, IPv4Interface)

    @property
    def effective(self) -> bool:
        """The address works: up, and nobody else has it."""
        return self.up and not self.duplicate


def show_address(address: Interface, interface: str) -> str:
    """``address/length`` as ipadm prints it: a link-local one has its scope."""
    if address.ip.is_link_local and address.version == 6:
        return f"{address.ip}%{interface}/{address.network.prefixlen}"
    return str(address)


@dataclass
class Route:
    """A route that was added.

    Attributes:
        destination: network, or a host with a full-length prefix.
        gateway: next hop; for an interface route one of the stack's own addresses.
        ifp: interface that it was bound to with ``-ifp``.
        interface: interface that it leaves by now; empty while its gateway is out of reach.
    """

    destination: Network
    gateway: str
    ifp: str | None = None
    interface: str = ""

    @property
    def is_default(self) -> bool:
        """It is a default route."""
        return self.destination.prefixlen == 0

    @property
    def is_host(self) -> bool:
        """Its destination is one host."""
        return self.destination.prefixlen == self.destination.max_prefixlen
