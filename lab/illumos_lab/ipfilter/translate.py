"""Rules of ipnat as the kernel underneath applies them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network

from illumos_lab.ipfilter import names
from illumos_lab.ipfilter.rules import BOTH, Address, Flags, PortTest, Rule
from illumos_lab.kernel import NatRule

_OWN = IPv4Network("0.0.0.0/32")

Primary = Callable[[str], IPv4Address | None]
"""The primary address that an interface has now."""


def to_kernel(rules: Iterable[Rule], primary: Primary) -> tuple[NatRule, ...]:
    """The rules that can take effect, in order.

    Left out are rules that match no packet of IPv4, and those with conditions that the kernel underneath
    cannot be asked for: negations, ports of the source, and comparisons other than with one port of an
    rdr. Of a set of targets the first one gets everything. A rule for an interface's own address is left
    out while there is none.

    Args:
        rules: the table.
        primary: tells the address that ``0/32`` stands for on the left of an rdr, and as its target.
    """
    translated = (_translate(rule, primary) for rule in rules)
    return tuple(rule for rule in translated if rule is not None)


def _network(address: Address) -> IPv4Network | None:
    """The network; None for all addresses."""
    if not address.mask:
        return None
    return IPv4Network((address.value, address.mask.bit_count()))


def _translate(rule: Rule, primary: Primary) -> NatRule | None:
    if 6 in (rule.source.family, rule.destination.family, rule.target.family):
        return None
    if rule.protocol == -1 or not _expressible(rule):
        return None
    if rule.kind == "rdr":
        return _redirection(rule, primary)
    ports = None
    if (rule.low or rule.high) and rule.kind == "map" and Flags.ICMP_ID not in rule.flags:
        ports = (rule.low, rule.high)
    return NatRule(
        kind="bimap" if rule.kind == "bimap" else "map",
        interface=rule.interfaces[0],
        source=_network(rule.source),
        destination=_network(rule.destination) if Flags.FROM_TO in rule.flags else None,
        to_address=_target(rule),
        ports=ports,
        protocols=_protocols(rule),
    )


def _expressible(rule: Rule) -> bool:
    """Whether a `NatRule` can carry the rule's conditions."""
    if rule.flags & (Flags.NOT_SOURCE | Flags.NOT_DESTINATION) or rule.source_port is not None:
        return False
    test = rule.destination_port
    return test is None or (rule.kind == "rdr" and test.operator == "eq")


def _redirection(rule: Rule, primary: Primary) -> NatRule | None:
    destination = _network(rule.destination)
    target: str | None = rule.target.host()
    own = primary(rule.interfaces[0])
    if destination == _OWN:
        if own is None:
            return None
        destination = IPv4Network(own)
    if not rule.target.value:
        if own is None or not rule.target.mask:
            return None
        target = str(own)
    ported = bool(rule.flags & BOTH)
    match_ports = (rule.low, rule.high) if ported and rule.low else None
    if Flags.FROM_TO in rule.flags:
        match_ports = _exact(rule.destination_port)
    last = rule.target_port
    if Flags.FIXED_PORT not in rule.flags and match_ports is not None:
        last += match_ports[1] - match_ports[0]
    return NatRule(
        kind="rdr",
        interface=rule.interfaces[0],
        source=_network(rule.source),
        destination=destination,
        to_address=target,
        ports=(rule.target_port, last) if ported and rule.target_port else None,
        match_ports=match_ports,
        protocols=_protocols(rule),
    )


def _target(rule: Rule) -> str | None:
    """The right side of a map: None for the interface's own address."""
    if Flags.RANGE in rule.flags:
        last = Address(rule.target.mask, 0)
        return f"{rule.target.host()}-{last.host()}"
    if not rule.target.value:
        # 0/0 leaves the packet as it is.
        return None if rule.target.mask else "0.0.0.0/0"
    return str(rule.target)


def _exact(test: PortTest | None) -> tuple[int, int] | None:
    return (test.low, test.low) if test is not None and test.operator == "eq" else None


def _protocols(rule: Rule) -> tuple[str, ...]:
    if rule.flags & BOTH == BOTH:
        return ("tcp", "udp")
    return (names.protocol_name(rule.protocol),) if rule.protocol else ()
