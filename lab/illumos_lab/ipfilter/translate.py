"""Rules of ipnat and ipf as the kernel underneath applies them.

What makes no difference to which packets pass, and whereto, is left out: time-outs, logging, and the order
in which an address or port of a range is chosen. Application proxies translate addresses, not what
is said inside of a connection. The kernel underneath puts fragments together and drops cut-off headers
before any rule sees them, so ``short``, ``frag`` and ``frag-body`` never hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Network

from illumos_lab.ipfilter import names
from illumos_lab.ipfilter.filter_rules import BOTH_PROTOCOLS, FilterRule, Side
from illumos_lab.ipfilter.rules import BOTH, Address, Flags, PortTest, Rule
from illumos_lab.kernel import NatRule, Network, PacketRule, PortRange
from illumos_lab.linux.nft import ANY_INTERFACE, CONDITIONS, ICMP_ANSWERS

_OWN = IPv4Network("0.0.0.0/32")
_NEVER = frozenset(("short", "frag", "frag-body"))
_NAMED = ("tcp", "udp", "icmp")

Primary = Callable[[str], IPv4Interface | None]
"""The primary address that an interface has now, with its prefix length."""


class _MatchesNothing(Exception):
    """No packet can match the rule."""


# NAT ---------------------------------------------------------------------------------------------


def nat_obstacle(rule: Rule) -> str:
    """What the kernel underneath cannot do for a rule; empty when it can do all."""
    if 6 in (rule.source.family, rule.destination.family, rule.target.family):
        return "NAT of IPv6"
    for address in (rule.source, rule.destination):
        if not _contiguous(address):
            return "a mask with holes"
    if Flags.RANGE in rule.flags and rule.target.value > rule.target.mask:
        return "a range that ends before it begins"
    if rule.kind == "bimap" and Flags.FROM_TO in rule.flags:
        return "bimap with from and to"
    if rule.kind == "bimap" and rule.source.mask != rule.target.mask:
        return "bimap between networks of different size"
    return ""


def to_kernel(rules: Iterable[Rule], primary: Primary) -> tuple[NatRule, ...]:
    """The rules that can take effect, in order.

    Left out are rules that match no packet of IPv4, and those for an interface's own address while
    there is none.

    Args:
        rules: the table.
        primary: tells the address that ``0/32`` stands for on the left of an rdr, and as its target.
    """
    sets: list[list[NatRule]] = []
    in_turn: dict[NatRule, list[NatRule]] = {}
    for rule in rules:
        try:
            nat = _translate(rule, primary)
        except _MatchesNothing:
            continue
        if nat is None:
            continue
        if rule.kind == "rdr" and Flags.ROUND_ROBIN in rule.flags:
            # Redirections of the same packets take turns.
            packets = replace(nat, to_address="", alternatives=())
            if packets in in_turn:
                in_turn[packets].append(nat)
                continue
            in_turn[packets] = members = [nat]
        else:
            members = [nat]
        sets.append(members)
    return tuple(
        replace(nat, turns=len(members) - place) for members in sets for place, nat in enumerate(members)
    )


def _contiguous(address: Address) -> bool:
    return "." not in str(address).rpartition("/")[2]


def _network(address: Address) -> IPv4Network | None:
    """The network; None for all addresses."""
    if not address.mask:
        return None
    return IPv4Network((address.value, address.mask.bit_count()))


def _translate(rule: Rule, primary: Primary) -> NatRule | None:
    if nat_obstacle(rule) or rule.protocol == -1:
        return None
    if rule.kind == "rdr":
        return _redirection(rule, primary)
    ports = None
    if (rule.low or rule.high) and rule.kind == "map":
        ports = (rule.low, rule.high)
    elif rule.kind == "map-block" and rule.flags & BOTH:
        ports = (1024, 65535)
    destination = _network(rule.destination) if Flags.FROM_TO in rule.flags else None
    return NatRule(
        kind="bimap" if rule.kind == "bimap" else "map",
        interface=rule.interfaces[0],
        source=_network(rule.source),
        destination=destination,
        to_address=_target(rule, primary),
        ports=ports,
        protocols=("icmp",) if Flags.ICMP_ID in rule.flags else _protocols(rule),
        not_source=Flags.NOT_SOURCE in rule.flags,
        not_destination=Flags.NOT_DESTINATION in rule.flags,
        source_port=_port_range(rule.source_port),
        destination_port=_port_range(rule.destination_port),
        unchanged=not rule.target.value and not rule.target.mask,
        mssclamp=rule.mssclamp,
        counter=rule.counter,
    )


def _redirection(rule: Rule, primary: Primary) -> NatRule | None:
    destination = _network(rule.destination)
    target: str | None = rule.target.host()
    found = primary(rule.interfaces[0])
    own: IPv4Address | None = None if found is None else found.ip
    unchanged = False
    if destination == _OWN:
        if own is None:
            return None
        destination = IPv4Network(own)
    if not rule.target.value:
        unchanged = not rule.target.mask
        if own is None and not unchanged:
            return None
        target = None if unchanged else str(own)
    ported = bool(rule.flags & BOTH)
    match_ports = (rule.low, rule.high) if ported and rule.low else None
    if match_ports is not None and rule.low > rule.high and Flags.FROM_TO not in rule.flags:
        raise _MatchesNothing
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
        not_source=Flags.NOT_SOURCE in rule.flags,
        not_destination=Flags.NOT_DESTINATION in rule.flags,
        source_port=_port_range(rule.source_port),
        destination_port=None if match_ports else _port_range(rule.destination_port),
        unchanged=unchanged,
        alternatives=(rule.target2.host(),) if rule.target2 is not None else (),
        mssclamp=rule.mssclamp,
        counter=rule.counter,
    )


def _target(rule: Rule, primary: Primary) -> str | None:
    """The right side of a map: None for the interface's own address, whichever that will be."""
    if rule.kind == "bimap" and rule.target.mask and not rule.target.value:
        own = primary(rule.interfaces[0])
        if own is None:
            raise _MatchesNothing
        return f"{own.ip}/32"
    if Flags.RANGE in rule.flags:
        last = Address(rule.target.mask, 0)
        return f"{rule.target.host()}-{last.host()}"
    # 0/32 is the interface's own address, 0/0 leaves the packet as it is.
    return str(rule.target) if rule.target.value else None


def _exact(test: PortTest | None) -> tuple[int, int] | None:
    return (test.low, test.low) if test is not None and test.operator == "eq" else None


def _protocols(rule: Rule) -> tuple[str, ...]:
    if rule.flags & BOTH == BOTH:
        return ("tcp", "udp")
    if not rule.protocol:
        # Packets without ports do not match a rule that asks for one.
        return ("tcp", "udp") if rule.source_port or rule.destination_port else ()
    name = names.protocol_name(rule.protocol)
    return (name if name in _NAMED else str(rule.protocol),)


def _port_range(test: PortTest | None) -> PortRange | None:
    """A condition on a port as a range."""
    if test is None:
        return None
    low, high, outside = {
        "eq": (test.low, test.low, False),
        "ne": (test.low, test.low, True),
        "lt": (0, test.low - 1, False),
        "le": (0, test.low, False),
        "gt": (test.low + 1, 65535, False),
        "ge": (test.low, 65535, False),
        "><": (test.low + 1, test.high - 1, False),
        "<>": (test.low, test.high, True),
        ":": (test.low, test.high, False),
    }[test.operator]
    if low > high:
        if not outside:
            raise _MatchesNothing
        return None
    return PortRange(low, high, outside)


# Filter ------------------------------------------------------------------------------------------


def filter_obstacle(rule: FilterRule) -> str:
    """What the kernel underneath cannot do for a rule; empty when it can do all."""
    obstacles = {
        rule.command: rule.command in ("auth", "preauth", "skip", "call"),
        "dup-to": rule.duplicate,
        "to": rule.route,
        "reply-to": rule.reply,
        "fastroute": rule.fast_route,
        "in-via" if rule.direction == "out" else "out-via": rule.via,
        "set-tag": rule.nat_tag,
        "limit": rule.state_limit,
        "a security class": rule.classes,
        "a mask with holes": not all(
            side.table or _contiguous(side.address) for side in (rule.source, rule.destination)
        ),
        "with ipopts in IPv6": rule.version == 6 and "ipopts" in rule.properties,
        "IPv6 address of an interface": rule.version == 6
        and (rule.source.dynamic or rule.destination.dynamic),
        "peer": "peer" in (rule.source.dynamic, rule.destination.dynamic),
    }
    for word in ("strict", "no-icmp-err"):
        obstacles[f"keep state ({word})"] = word in rule.state_options
    for condition in _conditions(rule):
        plain = condition.removeprefix("not ")
        obstacles[f"with {condition}"] = plain not in CONDITIONS | _NEVER
    if rule.answer.startswith("return-icmp"):
        obstacles[f"ICMP code {rule.icmp_code}"] = rule.icmp_code not in ICMP_ANSWERS
    return next((word for word, found in obstacles.items() if found), "")


def _conditions(rule: FilterRule) -> tuple[str, ...]:
    word = "opt" if rule.version == 4 else "v6hdrs"
    asked = [(name, name in rule.wanted) for name in sorted(rule.properties)]
    asked += [(f"{word} {name}", name in rule.wanted_options) for name in sorted(rule.options)]
    return tuple(name if wanted else f"not {name}" for name, wanted in asked)


def filter_to_kernel(rules: Iterable[FilterRule], primary: Primary) -> tuple[PacketRule, ...]:
    """The rules that can take effect, in order. Those that match no packet are left out.

    Args:
        rules: the active set, both directions.
        primary: tells the addresses of interfaces.
    """
    return tuple(_packet_rules(rules, primary))


def _packet_rules(rules: Iterable[FilterRule], primary: Primary) -> Iterator[PacketRule]:
    for rule in rules:
        try:
            if not filter_obstacle(rule):
                yield _packet_rule(rule, primary)
        except _MatchesNothing:
            continue


def _packet_rule(rule: FilterRule, primary: Primary) -> PacketRule:
    named = rule.interfaces and rule.interfaces[0] != ANY_INTERFACE
    interface = rule.interfaces[0] if named else None
    conditions = []
    for condition in _conditions(rule):
        if condition in _NEVER:
            raise _MatchesNothing
        if condition.removeprefix("not ") not in _NEVER:
            conditions.append(condition)
    ported = rule.source.port is not None or rule.destination.port is not None
    protocols: tuple[int, ...] = ()
    if rule.protocol == BOTH_PROTOCOLS or (rule.protocol is None and ported):
        protocols = (names.TCP, names.UDP)
    elif rule.protocol is not None:
        protocols = (rule.protocol,)
    if ported and not set(protocols) & {names.TCP, names.UDP}:
        raise _MatchesNothing
    icmp = None
    if rule.icmp_mask and protocols in ((names.ICMP,), (names.ICMP6,)):
        icmp = (rule.icmp >> 8, rule.icmp & 0xFF if rule.icmp_mask & 0xFF else None)
    answers = {"return-rst": "rst", "return-icmp": "icmp", "return-icmp-as-dest": "icmp"}
    return PacketRule(
        direction=rule.direction,
        verdict=rule.command if rule.command in ("pass", "block", "count") else "",
        interface=interface,
        quick=rule.quick,
        keep_state=rule.keep_state,
        keep_frags=rule.keep_frags,
        logged=rule.log is not None,
        answer=answers.get(rule.answer, ""),
        answer_code=rule.icmp_code,
        version=rule.version,
        protocols=protocols,
        source=_side(rule.source, interface, primary),
        destination=_side(rule.destination, interface, primary),
        not_source=rule.source.negated,
        not_destination=rule.destination.negated,
        source_port=_port_range(rule.source.port),
        destination_port=_port_range(rule.destination.port),
        flags=rule.flags if protocols == (names.TCP,) else (0, 0),
        icmp=icmp,
        tos=rule.tos,
        ttl=rule.ttl,
        conditions=tuple(conditions),
        per_second=rule.pps,
        head=rule.head,
        group=rule.group,
        counter=rule.counter,
    )


def _side(side: Side, interface: str | None, primary: Primary) -> Network | None:
    if side.dynamic:
        own = primary(interface or "")
        if own is None:
            raise _MatchesNothing
        if side.dynamic == "bcast":
            return IPv4Network(own.network.broadcast_address)
        return own.network if side.dynamic == "net" else IPv4Network(own.ip)
    if not side.address.mask and not side.negated:
        return None
    length = side.address.mask.bit_count()
    if side.address.family == 6:
        return IPv6Network((side.address.value, length), strict=False)
    return IPv4Network((side.address.value, length), strict=False)
