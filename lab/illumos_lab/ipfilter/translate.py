"""Rules of ipnat as the kernel underneath applies them."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

from illumos_lab.ipfilter import names
from illumos_lab.ipfilter.rules import BOTH, Address, Flags, PortTest, Rule
from illumos_lab.kernel import NatRule


def to_kernel(rules: Iterable[Rule]) -> tuple[NatRule, ...]:
    """The rules that can take effect, in order; those that match no packet of IPv4 are left out."""
    return tuple(translated for rule in rules if (translated := _translate(rule)) is not None)


def _network(address: Address) -> IPv4Network | None:
    """The network; None for all addresses."""
    if not address.mask:
        return None
    return IPv4Network((address.value, address.mask.bit_count()))


def _translate(rule: Rule) -> NatRule | None:
    if 6 in (rule.source.family, rule.destination.family, rule.target.family):
        return None
    if rule.protocol == -1:
        return None
    if rule.kind == "rdr":
        return _redirection(rule)
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
        match_ports=_exact(rule.destination_port),
        protocols=_protocols(rule),
    )


def _redirection(rule: Rule) -> NatRule:
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
        destination=_destination(rule),
        to_address=rule.target.host() if rule.target.value else None,
        ports=(rule.target_port, last) if ported and rule.target_port else None,
        match_ports=match_ports,
        protocols=_protocols(rule),
    )


def _destination(rule: Rule) -> IPv4Network | None:
    """What an rdr matches: ``0/32`` is the interface's own address, as 0.0.0.0/32."""
    return _network(rule.destination)


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
