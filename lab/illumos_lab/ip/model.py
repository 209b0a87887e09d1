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
        group: name of the IPMP group that it is, or belongs to; empty without.
        ipmp: it is the interface of an IPMP group itself, not one below.
        members: names of the interfaces below an IPMP interface, as they joined.
        offline: taken out of service with if_mpadm(8).
        failed: found not to work.
    """

    name: str
    index: int
    v4: bool = True
    v6: bool = True
    persistent: bool = False
    from_gz: bool = False
    properties: dict[tuple[str, str], str] = field(default_factory=dict)
    group: str = ""
    ipmp: bool = False
    members: list[str] = field(default_factory=list)
    offline: bool = False
    failed: bool = False

    @property
    def underlying(self) -> bool:
        """It is one of the interfaces below an IPMP interface."""
        return bool(self.group) and not self.ipmp

    @property
    def standby(self) -> bool:
        """It is to carry traffic only when another one of its group cannot."""
        return self.properties.get(("ip", "standby")) == "on"


@dataclass
class Address:
    """An address object.

    Attributes:
        interface: name of the interface.
        name: part after the slash; empty when it was not made by ipadm.
        kind: ``static``, ``dhcp``, ``addrconf`` or ``from-gz``.
        address: address with prefix; None for DHCP, whose lease the kernel knows, and for a logical
            interface of ifconfig(8) that has none yet.
        peer: the address at the other end of a point-to-point link; empty elsewhere.
        up: it is marked up.
        persistent: ipadm.conf has it.
        duplicate: another stack on the same link had it first.
        zone: shared-ip zone that a logical interface belongs to; empty otherwise.
        text: the address as it was given.
        lif: number of the logical interface (``IF:1``); 0 is the interface itself.
        primary: the DHCP interface is the primary one.
        properties: address properties that were set.
        interface_id: what an addrconf address ends in, as ``::1a:2b:3c:4d``; empty for the link's own.
        stateless, stateful: how an addrconf object finds addresses beside its link-local one.
        test: it stays on its interface when that one belongs to an IPMP group (``-failover``).
        carrier: interface below an IPMP interface that has the address now; empty for none.
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
    interface_id: str = ""
    stateless: bool = True
    stateful: bool = True
    test: bool = False
    carrier: str = ""
    peer: str = ""

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
        link: link behind ``ifp`` while the route works.
        discard: ``reject`` or ``blackhole``: packets are dropped, with or without an ICMP error.
    """

    destination: Network
    gateway: str
    ifp: str | None = None
    interface: str = ""
    discard: str = ""
    link: str | None = field(default=None, compare=False)

    @property
    def is_default(self) -> bool:
        """It is a default route."""
        return self.destination.prefixlen == 0

    @property
    def is_host(self) -> bool:
        """Its destination is one host."""
        return self.destination.prefixlen == self.destination.max_prefixlen
