"""Rules that publish a port of a zone behind a router, as they are written and as the system lists them.

Only forms that ipnat(8) and ipf(8) read as they are written: full lengths, ports as numbers, the protocol
at the end, no word that could be taken for another one. So a rule that comes back otherwise is not ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

LAST_PORT = 65535

_ADDRESS = r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+"
_LINK = r"[A-Za-z][A-Za-z0-9_.]*[0-9]"
_REDIRECT = re.compile(
    rf"rdr (?P<link>{_LINK}) (?P<address>{_ADDRESS})/32 port (?P<first>[0-9]+)(-(?P<last>[0-9]+))?"
    rf" -> (?P<target>{_ADDRESS}) port (?P<port>[0-9]+) (?P<protocol>tcp|udp)"
)
_MAP = re.compile(
    rf"map {_LINK} ({_ADDRESS}/[0-9]+|from {_ADDRESS}/[0-9]+ to {_ADDRESS}/[0-9]+( port {{TEST}})?)"
    rf" -> {_ADDRESS}/32( portmap (tcp|udp|tcp/udp) (?P<low>[0-9]+):(?P<high>[0-9]+))?".replace(
        "{TEST}", r"((=|<=|>=) [0-9]+|[0-9]+ >< [0-9]+)"
    )
)
_NETWORK = re.compile(rf"{_ADDRESS}(?:/[0-9]+)?")


@dataclass(frozen=True)
class Published:
    """Ports of an address to the world, and who gets what arrives there.

    Attributes:
        protocol: ``tcp`` or ``udp``.
        address: the router's address to the world.
        first, last: its ports, both included.
        target: the address behind the router.
        port: the target's port for the first one; the others follow in order.
    """

    protocol: str
    address: IPv4Address
    first: int
    last: int
    target: IPv4Address
    port: int

    @property
    def last_port(self) -> int:
        """The target's port for the last one."""
        return self.port + self.last - self.first


def redirect(link: str, published: Published) -> str:
    """Sends on what arrives on a link for the published ports."""
    p = published
    ports = str(p.first) if p.first == p.last else f"{p.first}-{p.last}"
    return f"rdr {link} {p.address}/32 port {ports} -> {p.target} port {p.port} {p.protocol}"


def way_back(link: str, network: IPv4Network, router: IPv4Address, published: Published) -> str:
    """Lets the target answer a zone of its own network through the router.

    Otherwise the target would answer from its own address, which the zone did not ask. Only traffic to the
    target's ports is meant: the router's own, such as DHCP, leaves as it is.
    """
    p = published
    ports = _test(p.port, p.last_port)
    own_ports = f"{_WAY_BACK[0]}:{_WAY_BACK[1]}"
    return (
        f"map {link} from {network} to {p.target}/32 port {ports}"
        f" -> {router}/32 portmap {p.protocol} {own_ports}"
    )


_WAY_BACK = (10000, 32767)
"""Ports on the router for these connections: below its own anonymous ports, which start at 32768."""


def admit(link: str, published: Published) -> str:
    """Lets what was sent on pass the filter, which sees translated addresses and ports, and the answers."""
    p = published
    state = "flags S/SA keep state" if p.protocol == "tcp" else "keep state"
    return (
        f"pass in quick on {link} proto {p.protocol} from any to {p.target}/32"
        f" port {_test(p.port, p.last_port)} {state}"
    )


def listed(rules: Sequence[str]) -> str | None:
    """How ``ipnat -lR`` lists NAT rules, one a line; None when one of them has another form than ours."""
    lines = [_listed(rule) for rule in rules]
    known = [line for line in lines if line is not None]
    return "\n".join(known) if len(known) == len(lines) else None


def _listed(rule: str) -> str | None:
    """The rule itself, when it is one that the system lists as it is written."""
    if match := _REDIRECT.fullmatch(rule):
        first, last, port = int(match["first"]), int(match["last"] or match["first"]), int(match["port"])
        ranges = [(first, last), (port, port + last - first)]
    elif match := _MAP.fullmatch(rule):
        ranges = [(int(match["low"]), int(match["high"]))] if match["low"] else []
    else:
        return None
    in_order = all(0 < low <= high <= LAST_PORT for low, high in ranges)
    return rule if in_order and all(map(_exact, _NETWORK.findall(rule))) else None


def _exact(text: str) -> bool:
    """Whether an address, or a network without host bits, is written in full."""
    try:
        IPv4Network(text)
    except ValueError:
        return False
    return True


def _test(first: int, last: int) -> str:
    """Ports as a condition of ipnat(5) and ipf(5); the ends of ``><`` do not belong to it."""
    if first == last:
        return f"= {first}"
    if last == LAST_PORT:
        return f">= {first}"
    if first == 1:
        return f"<= {last}"
    return f"{first - 1} >< {last + 1}"
