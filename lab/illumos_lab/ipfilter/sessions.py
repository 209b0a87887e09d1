"""Sessions of NAT as ``ipnat -l`` lists them."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from illumos_lab.ipfilter import names
from illumos_lab.ipfilter.rules import Flags, Rule
from illumos_lab.kernel import NatSession

_TYPES = {"map": "MAP", "rdr": "RDR", "bimap": "BIMAP", "map-block": "MAP-BLOCK"}
_PORTED = frozenset((names.TCP, names.UDP))


def session_text(rules: Iterable[Rule], session: NatSession) -> str:
    """The line of a session: what is inside, what stands for it outside, and in brackets the other side.

    Args:
        rules: the table; it tells a map from a bimap and a map-block.
        session: what the machine underneath translates.
    """
    ported = session.protocol in _PORTED

    def shown(end: tuple[IPv4Address, int]) -> str:
        return f"{end[0]!s:<15}" + (f" {end[1]:<5}" if ported else "")

    address, port = session.peer
    peer = f"{address} {port}" if ported else f"{address}"
    kind = _TYPES[_kind(rules, session)]
    return f"{kind} {shown(session.inside)} <- -> {shown(session.outside)} [{peer}]"


def _kind(rules: Iterable[Rule], session: NatSession) -> str:
    """The kind of the first rule that can have made the session."""
    inside = int(session.inside[0])
    other_way = session.kind == "rdr"
    for rule in rules:
        covers = Flags.FROM_TO in rule.flags or inside & rule.source.mask == rule.source.value
        if covers and rule.kind == "bimap":
            return rule.kind
        if covers and rule.kind in ("map", "map-block") and not other_way:
            return rule.kind
    return session.kind
