"""What the emulated commands may ask of the machine underneath; realised with Linux namespaces.

The commands keep illumos' state and rules; the kernel only makes them true on the wire. Everything is
named as illumos names it: a link by its link name, a zone by its zone name (``global`` included).
A test can give the commands a `Kernel` that records calls instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Protocol

Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network
IpAddress = IPv4Address | IPv6Address


@dataclass(frozen=True)
class PortRange:
    """A condition on a port: from ``low`` to ``high``, or anything else when ``outside``."""

    low: int
    high: int
    outside: bool = False


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
        not_source, not_destination: the packet must not match these.
        source_port, destination_port: further conditions.
        unchanged: the address stays as it is.
        alternatives: more addresses of an ``rdr``, which take turns with the first.
        turns: the rule takes one in so many connections, and leaves the others to the rules behind it.
        mssclamp: largest TCP segment size that passes; 0 for any.
        counter: name of the counter of connections that the rule translated; empty for none.
    """

    kind: str
    interface: str
    source: IPv4Network | None = None
    destination: IPv4Network | None = None
    to_address: str | None = None
    ports: tuple[int, int] | None = None
    match_ports: tuple[int, int] | None = None
    protocols: tuple[str, ...] = ()
    not_source: bool = False
    not_destination: bool = False
    source_port: PortRange | None = None
    destination_port: PortRange | None = None
    unchanged: bool = False
    alternatives: tuple[str, ...] = ()
    turns: int = 1
    mssclamp: int = 0
    counter: str = field(default="", compare=False)


@dataclass(frozen=True)
class NatSession:
    """A connection that NAT translates; ports are 0 where the protocol has none.

    Attributes:
        kind: ``map`` or ``rdr``.
        protocol: number of the IP protocol.
        inside: address and port of the side whose address is translated, as it knows itself.
        outside: address and port that stand for it on the other side.
        peer: address and port of the other side.
    """

    kind: str
    protocol: int
    inside: tuple[IPv4Address, int]
    outside: tuple[IPv4Address, int]
    peer: tuple[IPv4Address, int]


@dataclass(frozen=True)
class PacketRule:
    """One rule of ipf as far as packets are concerned.

    Attributes:
        direction: ``in`` or ``out``.
        verdict: ``pass`` or ``block``; ``count`` for one of the rules that only count, which are looked at
            apart; empty for a rule that decides nothing.
        interface: link name that the rule is bound to.
        quick: no later rule is looked at.
        keep_state: everything that belongs to the connection passes.
        keep_frags: fragments of the packet pass.
        logged: what it decides is logged.
        answer: ``rst`` or ``icmp``: what the sender of a blocked packet gets.
        answer_code: code of the ICMP answer.
        version: 4 or 6.
        protocols: numbers; empty means all.
        source, destination, not_source, not_destination, source_port, destination_port: what the packet
            must match.
        flags: TCP flags that must be set, of those in the mask.
        icmp: type and code; no code means all.
        tos, ttl: values in the header.
        conditions: ``ipopts``, ``mcast``, ``opt lsrr`` and the like, or ``not`` and one of these.
        per_second: packets that it lets through in a second; 0 for all.
        head, group: names of groups: rules of a group are looked at when its head matches.
        counter: name of the counter of packets that match; empty for none.
    """

    direction: str
    verdict: str
    interface: str | None = None
    quick: bool = False
    keep_state: bool = False
    keep_frags: bool = False
    logged: bool = False
    answer: str = ""
    answer_code: int = 0
    version: int = 4
    protocols: tuple[int, ...] = ()
    source: Network | None = None
    destination: Network | None = None
    not_source: bool = False
    not_destination: bool = False
    source_port: PortRange | None = None
    destination_port: PortRange | None = None
    flags: tuple[int, int] = (0, 0)
    icmp: tuple[int, int | None] | None = None
    tos: int | None = None
    ttl: int | None = None
    conditions: tuple[str, ...] = ()
    per_second: int = 0
    head: str = ""
    group: str = ""
    counter: str = field(default="", compare=False)


@dataclass(frozen=True)
class Count:
    """What a counter has seen."""

    packets: int = 0
    bytes: int = 0

    def since(self, earlier: Count) -> Count:
        """What came after an earlier count."""
        return Count(self.packets - earlier.packets, self.bytes - earlier.bytes)


_BY_DIRECTION = "seen ipv6 blocked nomatch kept whole logged logged_passed logged_blocked"
PACKET_COUNTERS = frozenset(
    ("counted", "resets", "unreachables", *(f"in_{each}" for each in _BY_DIRECTION.split())),
).union(f"out_{each}" for each in _BY_DIRECTION.split())
"""Counters that a filter has besides those of its rules: packets by direction, and those it answered."""

STATE_COUNTERS = frozenset(("hits", "misses", "kept_tcp", "kept_udp", "kept_icmp"))
"""Counters of packets that belong to a connection that was let through or not, and that began one."""

NAT_COUNTERS = frozenset(("mapped_in", "mapped_out", "added"))
"""Counters of NAT besides those of its rules: packets that were translated, and connections."""


@dataclass(frozen=True)
class AdvertisedPrefix:
    """A prefix in a router advertisement (RFC 4861); life times in seconds."""

    network: IPv6Network
    valid: int = 2592000
    preferred: int = 604800
    on_link: bool = True
    autonomous: bool = True


@dataclass(frozen=True)
class Advertisement:
    """What a router tells the hosts of a link (RFC 4861).

    Attributes:
        interface: link name.
        prefixes: networks of the link.
        lifetime: seconds for which this is a default router; 0 if it is none.
        interval: seconds between two advertisements that nobody asked for.
        managed, other: DHCPv6 gives addresses, or other configuration.
        mtu, hop_limit: what hosts are to use; 0 says nothing.
    """

    interface: str
    prefixes: tuple[AdvertisedPrefix, ...] = ()
    lifetime: int = 1800
    interval: int = 600
    managed: bool = False
    other: bool = False
    mtu: int = 0
    hop_limit: int = 0


@dataclass(frozen=True)
class Socket:
    """A socket of TCP or UDP.

    Attributes:
        protocol: ``tcp`` or ``udp``.
        local, remote: addresses and ports; unspecified and 0 where not bound or connected.
        state: as netstat(8) names TCP's; a UDP socket is ``ESTABLISHED`` or ``CLOSED``.
        sending, received: bytes that wait.
    """

    protocol: str
    local: tuple[IpAddress, int]
    remote: tuple[IpAddress, int]
    state: str
    sending: int = 0
    received: int = 0


@dataclass(frozen=True)
class Neighbour:
    """What a stack knows of another one on a link of its.

    Attributes:
        link: name of the link.
        address: whose hardware address this is about.
        mac: the hardware address with two digits an octet; empty when nobody has answered.
        state: as RFC 4861 names it.
        static: set by hand.
    """

    link: str
    address: IpAddress
    mac: str
    state: str
    static: bool = False


@dataclass(frozen=True)
class Traffic:
    """What a link has carried since it was made, in packets and bytes."""

    ipackets: int = 0
    rbytes: int = 0
    ierrors: int = 0
    opackets: int = 0
    obytes: int = 0
    oerrors: int = 0


@dataclass(frozen=True)
class OverlayTarget:
    """Where frames of an overlay go.

    Attributes:
        mac: receiver on the overlay, without leading zeros; empty means every receiver.
        address, port: host and UDP port to send them to; an empty address drops them.
        ip, ip6: the receiver's own addresses, for which ARP and NDP are answered; empty when not known.
    """

    mac: str
    address: str
    port: int
    ip: str = ""
    ip6: str = ""


class Kernel(Protocol):
    """Network operations on one emulated host. All raise OSError when the machine refuses."""

    # Datalinks -----------------------------------------------------------------------------------
    def create_etherstub(self, name: str, mtu: int) -> None: ...
    def create_vnic(self, name: str, over: str, mac: str, vid: int, mtu: int) -> None:
        """A vnic over an etherstub or a physical link; it appears in the global zone's stack."""
        ...

    def create_overlay(
        self, name: str, mtu: int, vnetid: int, listen: tuple[str, int], targets: tuple[OverlayTarget, ...]
    ) -> None:
        """A network across hosts, for vnics to stand over; its traffic is the global zone's."""
        ...

    def set_overlay_target(self, name: str, target: OverlayTarget) -> None:
        """Put a target in place of what was known of its receiver."""
        ...

    def create_card(self, name: str, mac: str, mtu: int) -> None:
        """A network card that leads nowhere until `connect`; it appears in the global zone's stack."""
        ...

    def set_mac(self, name: str, mac: str) -> None: ...
    def connect(self, name: str, others: tuple[str, ...]) -> None:
        """Let frames pass between a link and others, and no more those of an earlier call."""
        ...

    def learned(self, name: str) -> tuple[tuple[str, str], ...]:
        """The MAC addresses behind what a link is connected to, each with the link that leads there."""
        ...

    def traffic(self, link: str, zone: str = "global") -> Traffic:
        """What a link has carried; of a network card what went over the wire, of a switch nothing.

        Args:
            link: name of the link, or the loopback interface.
            zone: whose loopback interface.
        """
        ...

    def create_tunnel(self, name: str, mac: str, mtu: int) -> None:
        """An IP tunnel without ends; it appears in the global zone's stack."""
        ...

    def set_tunnel(self, name: str, local: str, remote: str) -> None:
        """Give a tunnel both ends, or with an empty one none; its traffic is the global zone's."""
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

    def set_bandwidth(self, name: str, kilobits: int) -> None:
        """Limit what goes through a link in a second, each way; 0 is no limit."""
        ...

    def move_link(self, name: str, zone: str) -> None:
        """Lend a link to an exclusive-ip zone's stack, or return it to ``global``."""
        ...

    # IP, in the stack of a zone ------------------------------------------------------------------
    def plumb(self, zone: str, link: str) -> None:
        """Bring an interface up without an address."""
        ...

    def unplumb(self, zone: str, link: str) -> None: ...
    def add_address(self, zone: str, link: str, address: Interface, peer: str = "") -> None:
        """Give an interface an address; with ``peer`` nobody but that address is on its other side.

        Of a shared-ip zone, the interface is the global zone's and the address only that zone's.
        """
        ...

    def delete_address(self, zone: str, link: str, address: Interface, peer: str = "") -> None: ...
    def add_route(
        self, zone: str, destination: Network, gateway: str, link: str | None = None, discard: str = ""
    ) -> None:
        """Send packets by a gateway, or with ``reject`` or ``blackhole`` nowhere."""
        ...

    def delete_route(
        self, zone: str, destination: Network, gateway: str, link: str | None = None, discard: str = ""
    ) -> None: ...
    def sockets(self, zone: str) -> tuple[Socket, ...]:
        """The TCP and UDP sockets of a zone; of the global zone with those of all that share its stack."""
        ...

    def neighbours(self, zone: str) -> tuple[Neighbour, ...]:
        """The hardware addresses that a stack has learnt or was told, in the order of addresses."""
        ...

    def put_neighbour(self, zone: str, link: str, address: IpAddress, mac: str, static: bool) -> None:
        """Tell a stack the hardware address behind an address."""
        ...

    def forget_neighbour(self, zone: str, link: str, address: IpAddress) -> None: ...
    def set_forwarding(self, zone: str, link: str | None, on: bool, version: int = 4) -> None:
        """Forwarding of an IP version for one interface, or for the whole stack when link is None."""
        ...

    def set_nat(
        self, zone: str, rules: tuple[NatRule, ...], counters: frozenset[str] = frozenset()
    ) -> None:
        """Replace all NAT rules of a zone's stack; sessions are kept.

        Args:
            zone: whose stack.
            rules: the first one that matches decides.
            counters: names of those that are there or go on.
        """
        ...

    def nat_sessions(self, zone: str) -> tuple[NatSession, ...]:
        """The connections that are translated now in a zone's stack."""
        ...

    def flush_nat_sessions(self, zone: str) -> int:
        """Forget how connections are translated, which ends those of TCP; their number."""
        ...

    def set_filter(
        self,
        zone: str,
        rules: tuple[PacketRule, ...] | None,
        generation: int,
        counters: frozenset[str] = frozenset(),
    ) -> None:
        """Replace all filter rules of a zone's stack.

        Args:
            zone: whose stack.
            rules: both directions; the last one that matches decides. None: nothing is filtered.
            generation: connections that were let through in the same generation stay so.
            counters: names of those that are there or go on.
        """
        ...

    def counts(self, zone: str) -> dict[str, Count]:
        """What the counters of a stack's filter and NAT have seen, by name.

        These are counters of rules, `PACKET_COUNTERS`, `STATE_COUNTERS` and `NAT_COUNTERS`; one that
        nothing could count on yet may be left out.
        """
        ...

    def kept_states(self, zone: str, generation: int) -> int:
        """How many connections that were let through in a generation are known."""
        ...

    def set_autoconf(self, zone: str, link: str, on: bool, identifier: str = "") -> None:
        """Whether an interface takes addresses and default routes from router advertisements.

        Args:
            zone: whose stack.
            link: the interface.
            on: it does.
            identifier: what the addresses end in, as ``::1a:2b:3c:4d``; by default the link decides.
        """
        ...

    def autoconf_addresses(self, zone: str, link: str) -> tuple[Interface, ...]:
        """The addresses that an interface has got so."""
        ...

    def autoconf_routers(self, zone: str, link: str) -> tuple[str, ...]:
        """The default routers that an interface has got so."""
        ...

    def set_advertisements(self, zone: str, advertisements: tuple[Advertisement, ...]) -> None:
        """Advertise this, and nothing else, on the links of a zone."""
        ...

    def set_unicast_offers(self, zone: str, possible: bool) -> None:
        """Whether a DHCP server of the zone reaches clients without an address by unicast, too."""
        ...

    def start_dhcp_client(self, zone: str, link: str) -> None:
        """Ask for a lease in the background; `dhcp_lease` tells when it is there."""
        ...

    def renew_dhcp_lease(self, zone: str, link: str) -> None:
        """Ask the server at once to extend the lease."""
        ...

    def stop_dhcp_client(self, zone: str, link: str) -> None: ...
    def dhcp_lease(self, zone: str, link: str) -> Interface | None: ...
