"""The rules of a router with IPFilter: address translation (ipnat(5)) and packet filter (ipf(5))."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Network

CONFIG = "/etc/ipf/ipnat.conf"

PORTS = (10000, 32767)
"""Ports for translated connections: below the zone's own anonymous ports, which start at 32768."""


def nat_rules(link: str, address: IPv4Address, subnets: Iterable[IPv4Network]) -> list[str]:
    """Rules that let each subnet out through the link under the public address.

    The address is written out, not as ``0/32``, and the ports are a range, not ``auto``: so the kernel
    tries again when a port is taken, and each host may use all ports.
    """
    low, high = PORTS
    rules = []
    for subnet in subnets:
        rules.append(f"map {link} {subnet} -> {address}/32 portmap tcp/udp {low}:{high}")
        rules.append(f"map {link} {subnet} -> {address}/32")
    return rules


@dataclass(frozen=True)
class Side:
    """One of the router's networks, for the filter.

    Attributes:
        link: the router's link on it.
        isolated: it is kept apart from the others.
        subnet6: its IPv6 addresses.
    """

    link: str
    subnet: IPv4Network
    isolated: bool = False
    subnet6: IPv6Network | None = None


@dataclass(frozen=True)
class Rule:
    """A rule of a user: the first that fits decides.

    Attributes:
        action, direction: as ipf(5) writes them.
        link: on this link only.
        source, destination: None is any.
        protocol: as ipf(5) writes it.
        ports: first and last destination port.
    """

    action: str
    direction: str
    link: str | None = None
    source: IPv4Network | None = None
    destination: IPv4Network | None = None
    protocol: str | None = None
    ports: tuple[int, int] | None = None

    def __str__(self) -> str:
        words = [self.action, self.direction, "quick"]
        if self.link:
            words += ["on", self.link]
        if self.protocol:
            words += ["proto", self.protocol]
        words += ["from", _end(self.source), "to", _end(self.destination)]
        if self.ports:
            words += ["port", _ports(*self.ports)]
        if self.action == "pass":
            words += ["keep", "state"]
        return " ".join(words)


@dataclass(frozen=True)
class Inbound:
    """What may reach the router itself.

    Attributes:
        protocol: ``tcp``, ``udp`` or ``icmp``.
        ports: first and last port.
        source: None is anywhere.
    """

    protocol: str
    ports: tuple[int, int] | None = None
    source: IPv4Network | None = None


@dataclass(frozen=True)
class Wall:
    """A router's packet filter.

    Attributes:
        link, addresses: the side to the world.
        sides: the networks.
        inbound: what may reach the router itself.
        rules, raw: the user's own.
    """

    link: str
    addresses: Sequence[IPv4Address]
    sides: Sequence[Side]
    inbound: Sequence[Inbound] = ()
    rules: Sequence[Rule] = ()
    raw: Sequence[str] = field(default=())


def filter_rules(wall: Wall) -> list[str]:
    """The rules of a router's packet filter.

    What comes from the world is blocked unless it answers something that went out. The blocks are not
    ``quick``: of such rules the last that fits decides, so that rules of other owners, which come later,
    let in what they are for. The user's own rules are ``quick``, and so decide at once.
    """
    world = wall.link
    rules = [
        f"block in on {world} from any to any",
        f"pass out quick on {world} from any to any keep state keep frags",
    ]
    rules += [f"block in on {one.link} from any to {other.subnet}" for one, other in _kept_apart(wall)]
    rules += [str(rule) for rule in wall.rules]
    rules.append(f"pass in quick on {world} proto icmp from any to any icmp-type echo keep state")
    for entry in wall.inbound:
        rules += [
            str(Rule("pass", "in", world, entry.source, IPv4Network(address), entry.protocol, entry.ports))
            for address in wall.addresses
        ]
    return [*dict.fromkeys(rules), *wall.raw]


def filter6_rules(wall: Wall) -> list[str]:
    """The rules for IPv6: the same defaults, and those rules of the user that name no address.

    What the neighbours of a link tell each other (neighbour discovery, router advertisements) always
    passes: IPv6 does not work without it.
    """
    world = wall.link
    rules = [
        f"block in on {world} from any to any",
        f"pass out quick on {world} from any to any keep state",
    ]
    rules += [
        f"block in on {one.link} from any to {other.subnet6}"
        for one, other in _kept_apart(wall)
        if other.subnet6
    ]
    general = [r for r in wall.rules if not (r.source or r.destination) and r.protocol != "icmp"]
    if general:
        rules += [
            f"pass {direction} quick proto ipv6-icmp from {source} to {destination}"
            for direction in ("in", "out")
            for source, destination in (("fe80::/10", "any"), ("any", "fe80::/10"), ("any", "ff02::/16"))
        ]
    rules += map(str, general)
    rules.append(f"pass in quick on {world} proto ipv6-icmp from any to any")
    return list(dict.fromkeys(rules))


def _kept_apart(wall: Wall) -> list[tuple[Side, Side]]:
    """Each network, and every other one that it must not reach."""
    return [
        (one, other)
        for one in wall.sides
        for other in wall.sides
        if one != other and (one.isolated or other.isolated)
    ]


def _end(network: IPv4Network | None) -> str:
    return "any" if network is None else str(network)


def _ports(first: int, last: int) -> str:
    # "a >< b" leaves out both ends.
    return f"= {first}" if first == last else f"{first - 1} >< {last + 1}"
