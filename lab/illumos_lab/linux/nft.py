"""Text of nft(8) rules for what illumos' filter, NAT, forwarding and link protection do to packets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_interface

from illumos_lab.kernel import (
    NAT_COUNTERS,
    PACKET_COUNTERS,
    STATE_COUNTERS,
    Count,
    NatRule,
    PacketRule,
    PortRange,
)
from illumos_lab.linux.share import DOOR

NAT_TABLE = "ip lab_nat"
FILTER_TABLE = "inet lab_filter"
ANY_INTERFACE = "*"
"""The interface of a NAT rule that is for all of them."""

_LARGEST_SEGMENT = 65535
FORWARD_TABLE = "inet lab_forward"
OFFER_TABLE = "ip lab_offer"


def replace_table(table: str, body: str) -> str:
    """A script that puts a table in place of whatever was there under its name."""
    return f"table {table}\ndelete table {table}\ntable {table} {{\n{body}}}\n"


def delete_table(table: str) -> str:
    """A script that removes a table, present or not."""
    return f"table {table}\ndelete table {table}\n"


LIST_COUNTERS = ("nft", "-j", "list", "counters")
"""The command that shows all counters, for `counts`."""


def counts(listing: str) -> dict[str, Count]:
    """The counters in what `LIST_COUNTERS` shows, by name."""
    found = (each.get("counter") for each in json.loads(listing)["nftables"])
    return {each["name"]: Count(each["packets"], each["bytes"]) for each in found if each}


@dataclass(frozen=True)
class Table:
    """A table that goes on counting when its rules change.

    Attributes:
        name: family and name.
        chains: lines of each chain; of a base chain the first one tells its hook.
        counters: names of counters.
    """

    name: str
    chains: dict[str, str]
    counters: frozenset[str]

    def script(self, previous: Table | None) -> str:
        """A script that puts the table in the place of the previous one. Counters of both go on."""
        text = f"table {self.name}\nflush table {self.name}\n"
        if previous is not None:
            gone = [("chain", name) for name in previous.chains if name not in self.chains]
            gone += [("counter", name) for name in sorted(previous.counters - self.counters)]
            text += "".join(f"delete {kind} {self.name} {name}\n" for kind, name in gone)
        text += f"table {self.name} {{\n"
        text += "".join(f"counter {name} {{ }}\n" for name in sorted(self.counters))
        text += "".join(f"chain {name} {{\n{lines}}}\n" for name, lines in self.chains.items())
        return text + "}\n"


def _counter(name: str) -> str:
    return f" counter name {name}" if name else ""


# NAT ---------------------------------------------------------------------------------------------


def nat_table(
    rules: Iterable[NatRule], linux_name: dict[str, str], counters: frozenset[str] = frozenset()
) -> Table:
    """The NAT table of a zone's stack for its ipnat rules, in their order (ipnat(5)).

    A rule for an interface that is not there is left out, as ipnat leaves it inactive; its counter stays.
    """
    before = after = clamped = ""
    for rule in rules:
        name = linux_name.get(rule.interface)
        if name is None and rule.interface != ANY_INTERFACE:
            continue
        if rule.kind in ("map", "bimap"):
            after += _map(rule, name)
        if rule.kind in ("rdr", "bimap"):
            before += _redirect(rule, name)
        if 0 < rule.mssclamp < _LARGEST_SEGMENT:
            clamped += _clamp(rule, name)
    chains = {
        "prerouting": "type nat hook prerouting priority dstnat; policy accept;\n" + before,
        "postrouting": "type nat hook postrouting priority srcnat; policy accept;\n" + after,
        "clamp": "type filter hook postrouting priority mangle; policy accept;\n" + clamped,
        # A table of NAT sees the first packet of a connection, these see all. They also make that
        # connections are tracked as long as somebody asks about them, even when no rule is left.
        "mapped_in": "type filter hook prerouting priority dstnat + 5; policy accept;\n"
        "ct status snat ct direction reply counter name mapped_in\n"
        "ct status dnat ct direction original counter name mapped_in\n",
        "mapped_out": "type filter hook postrouting priority srcnat + 5; policy accept;\n"
        "ct status snat ct direction original counter name mapped_out\n"
        "ct status dnat ct direction reply counter name mapped_out\n",
    }
    return Table(NAT_TABLE, chains, counters | NAT_COUNTERS)


def _interface(word: str, name: str | None) -> str:
    return f'{word} != "lo"' if name is None else f'{word} "{name}"'


def _match(rule: NatRule) -> str:
    text = ""
    if rule.source is not None and (rule.source.prefixlen or rule.not_source):
        text += f" ip saddr {_unless(rule.not_source)}{rule.source}"
    if rule.destination is not None and (rule.destination.prefixlen or rule.not_destination):
        text += f" ip daddr {_unless(rule.not_destination)}{rule.destination}"
    if rule.protocols:
        text += " meta l4proto { " + ", ".join(rule.protocols) + " }"
    if rule.source_port is not None:
        text += f" th sport {_ports(rule.source_port)}"
    if rule.destination_port is not None:
        text += f" th dport {_ports(rule.destination_port)}"
    return text


def _unless(negated: bool) -> str:
    return "!= " if negated else ""


def _ports(ports: PortRange) -> str:
    return _unless(ports.outside) + _range((ports.low, ports.high))


def _range(ports: tuple[int, int] | None) -> str:
    if ports is None:
        return ""
    low, high = ports
    return f"{low}" if low == high else f"{low}-{high}"


def _map(rule: NatRule, name: str | None) -> str:
    # A port range needs a protocol that has ports; ipnat drops portmap without one as well.
    ports = f":{_range(rule.ports)}" if rule.ports and rule.protocols else ""
    address = rule.to_address
    if rule.unchanged:
        target = "accept"
    elif address is None:
        target = f"masquerade to {ports}" if ports else "masquerade"
    elif rule.kind == "bimap" and rule.source is not None and rule.source.prefixlen < 32:
        target = f"snat ip prefix to ip saddr map {{ {rule.source} : {ip_interface(address).network} }}"
    else:
        if "/" in address:
            network = ip_interface(address).network
            single = network.prefixlen == network.max_prefixlen
            address = str(network[0]) if single else f"{network[0]}-{network[-1]}"
        target = f"snat to {address}{ports}"
    return f"{_interface('oifname', name)}{_match(rule)}{_translated(rule)} {target}\n"


def _translated(rule: NatRule) -> str:
    """Leave some connections to the rules that take turns with this one, and count the others."""
    turn = f" numgen inc mod {rule.turns} 0" if rule.turns > 1 else ""
    return f"{turn} counter name added{_counter(rule.counter)}"


def _redirect(rule: NatRule, name: str | None) -> str:
    start = _interface("iifname", name)
    if rule.kind == "bimap":
        # Inbound half: what comes for the outer address goes to the inner one.
        if rule.source is None or rule.to_address is None:
            return ""
        outer = ip_interface(rule.to_address).network
        start += f" ip daddr {outer}{_translated(rule)}"
        if rule.source.prefixlen == 32:
            return f"{start} dnat to {rule.source.network_address}\n"
        return f"{start} dnat ip prefix to ip daddr map {{ {outer} : {rule.source} }}\n"
    if rule.to_address is None and not rule.unchanged:
        return ""
    addresses = [] if rule.to_address is None else [rule.to_address, *rule.alternatives]
    inner = [str(ip_interface(address).ip) for address in addresses]
    start += _match(rule)
    if rule.match_ports is None:
        start += _translated(rule)
        return f"{start} accept\n" if rule.unchanged else f"{start} dnat to {_in_turn(inner, rule.ports)}\n"
    start += f" th dport {_range(rule.match_ports)}{_translated(rule)}"
    low, high = rule.match_ports
    if rule.ports is None or low == high or rule.ports[0] == rule.ports[1]:
        port = None if rule.ports is None else (rule.ports[0], rule.ports[0])
        return f"{start} dnat to {_in_turn(inner, port)}\n"
    # port a-b -> ip port p maps a to p, a+1 to p+1 and so on.
    shift = rule.ports[0] - low
    pairs = ", ".join(f"{port} : {port + shift}" for port in range(low, high + 1))
    return f"{start} dnat to {_in_turn(inner, None)} : th dport map {{ {pairs} }}\n"


def _in_turn(addresses: list[str], ports: tuple[int, int] | None) -> str:
    """The target of a redirection: one address, or each in its turn; none keeps the address."""
    suffix = f":{_range(ports)}" if ports else ""
    if len(addresses) < 2:
        return "".join(addresses) + suffix
    choices = ", ".join(f"{place} : {address}" for place, address in enumerate(addresses))
    return f"numgen inc mod {len(addresses)} map {{ {choices} }}{suffix}"


def _clamp(rule: NatRule, name: str | None) -> str:
    limit = f"tcp flags syn tcp option maxseg size > {rule.mssclamp}"
    start = f"{_interface('oifname', name)}{_match(rule)}"
    return f"{start} {limit} tcp option maxseg size set {rule.mssclamp}\n"


# Filter ------------------------------------------------------------------------------------------

# A packet carries the number of the last rule that matched in its mark; in the end that decides. Inbound
# it has been through NAT, outbound it has not yet. What does not leave anyway is not seen by the filter,
# nor what passes between the zones of a stack.
_HOOKS = {
    "prerouting": "type filter hook prerouting priority dstnat + 10; policy accept;\n"
    f'iifname != "lo" iifname != "{DOOR}*" goto in\n',
    "output": "type filter hook output priority filter + 10; policy accept;\n"
    f'oifname != "lo" oifname != "{DOOR}*" goto out\n',
    "forward": "type filter hook forward priority filter + 10; policy accept;\n"
    f'oifname != "{DOOR}*" goto out\n',
}

ICMP_ANSWERS = {
    0: "net-unreachable",
    1: "host-unreachable",
    2: "prot-unreachable",
    3: "port-unreachable",
    9: "net-prohibited",
    10: "host-prohibited",
    13: "admin-prohibited",
}
"""Codes of ICMP unreachable messages with which a packet can be refused."""

_CONDITIONS = {
    "ipopts": ("ip hdrlength > 5", "ip hdrlength 5"),
    "mcast": ("meta pkttype multicast", "meta pkttype != multicast"),
    "bcast": ("meta pkttype broadcast", "meta pkttype != broadcast"),
    "mbcast": ("meta pkttype { multicast, broadcast }", "meta pkttype != { multicast, broadcast }"),
    "opt rr": ("ip option rr exists", "ip option rr missing"),
    "opt lsrr": ("ip option lsrr exists", "ip option lsrr missing"),
    "opt ssrr": ("ip option ssrr exists", "ip option ssrr missing"),
    "opt rtralrt": ("ip option ra exists", "ip option ra missing"),
}
CONDITIONS = frozenset(_CONDITIONS)
"""What can be asked of a packet besides addresses and ports."""


def filter_table(
    rules: Sequence[PacketRule] | None,
    linux_name: dict[str, str],
    generation: int,
    counters: frozenset[str] = frozenset(),
    stateful: bool = True,
) -> Table:
    """The filter table of a zone's stack for its ipf rules (ipf(5)).

    A rule for an interface that is not there is left out. A connection that was let through with
    ``keep state`` carries the generation in its mark.

    Args:
        rules: both directions; None to see no packets.
        linux_name: names of interfaces, by link.
        generation: mark of connections.
        counters: those of rules.
        stateful: there may be connections that were let through.
    """
    if rules is None:
        return Table(FILTER_TABLE, {}, counters | PACKET_COUNTERS | STATE_COUNTERS)
    lines = [
        _Line(number, rule, "" if rule.interface is None else linux_name[rule.interface])
        for number, rule in enumerate(rules, 1)
        if rule.interface is None or rule.interface in linux_name
    ]
    counting = {line.rule.direction for line in lines if line.rule.verdict == "count"}
    chains = dict(_HOOKS)
    # Outbound only those packets are counted that leave.
    accept = {"in": "accept", "out": "goto pass_out" if "out" in counting else "accept"}
    deciding = [line for line in lines if line.rule.verdict in ("pass", "block")]
    for line in deciding:
        chains[f"verdict_{line.number}"] = _verdict(line.rule, accept[line.rule.direction])
    numbers = ", ".join(f"{line.number} : goto verdict_{line.number}" for line in deciding)
    chains["decide"] = f"meta mark vmap {{ {numbers} }}\n" if numbers else ""
    chains["keep"] = f"ct mark set {generation}\n" + "".join(
        f"meta l4proto {protocols} counter name kept_{name}\n"
        for name, protocols in (("tcp", "tcp"), ("udp", "udp"), ("icmp", "{ icmp, ipv6-icmp }"))
    )
    for direction in ("in", "out"):
        start = f"counter name {direction}_seen\nmeta nfproto ipv6 counter name {direction}_ipv6\n"
        if direction in counting:
            own = [line for line in lines if line.of(direction) and line.rule.verdict == "count"]
            chains |= _chains(f"count_{direction}", own, "meta mark set 0\n", "goto counted")
            start += "jump count_in\n" if direction == "in" else ""
        if stateful:
            start += f"ct mark {generation} counter name hits {accept[direction]}\ncounter name misses\n"
        own = [line for line in lines if line.of(direction) and line.rule.verdict != "count"]
        end = f"meta mark 0 counter name {direction}_nomatch {accept[direction]}\n"
        chains |= _chains(direction, own, start + "meta mark set 0\n", "goto decide", end)
    if counting:
        chains["counted"] = "meta mark != 0 counter name counted\n"
    if "out" in counting:
        chains["pass_out"] = "jump count_out\naccept\n"
    return Table(FILTER_TABLE, chains, counters | PACKET_COUNTERS | STATE_COUNTERS)


@dataclass(frozen=True)
class _Line:
    """A rule with its place and what Linux calls its interface; no name is for all interfaces."""

    number: int
    rule: PacketRule
    interface: str

    def of(self, direction: str) -> bool:
        return self.rule.direction == direction

    def text(self, head_chain: str, done: str) -> str:
        rule = self.rule
        line = _packet_match(rule, self.interface) + _counter(rule.counter)
        if not rule.verdict:
            # A rule that only logs decides nothing, quick or not.
            line += _counter(f"{rule.direction}_logged")
            return line + (f" jump {head_chain}\n" if rule.head else "\n")
        line += f" meta mark set {self.number}"
        if rule.head:
            # Quick holds when no rule of the group matched.
            return f"{line} jump {head_chain}\n" + (
                f"meta mark {self.number} {done}\n" if rule.quick else ""
            )
        return line + (f" {done}\n" if rule.quick else "\n")


def _chains(name: str, lines: list[_Line], start: str, done: str, end: str = "") -> dict[str, str]:
    """A chain for a list of rules, and one for each of its groups.

    Args:
        name: name of the first chain.
        lines: the rules.
        start: lines that come before them.
        done: where a packet goes that has been through the list, or matched a quick rule.
        end: lines that come after the rules.
    """
    groups = {"": name}
    for line in lines:
        if line.rule.head:
            groups.setdefault(line.rule.head, f"{name}_{len(groups)}")
    chains = {}
    for group, chain in groups.items():
        text = "".join(
            line.text(groups.get(line.rule.head, ""), done) for line in lines if line.rule.group == group
        )
        chains[chain] = text if group else f"{start}{text}{end}{done}\n"
    return chains


def _packet_match(rule: PacketRule, name: str) -> str:
    family = "ip" if rule.version == 4 else "ip6"
    parts = [f"meta nfproto ipv{rule.version}"]
    if name:
        parts.append(f'{"i" if rule.direction == "in" else "o"}ifname "{name}"')
    if rule.protocols:
        parts.append("meta l4proto { " + ", ".join(map(str, rule.protocols)) + " }")
    for side, network, negated in (
        ("saddr", rule.source, rule.not_source),
        ("daddr", rule.destination, rule.not_destination),
    ):
        if network is not None:
            parts.append(f"{family} {side} {_unless(negated)}{network}")
    for side, port in (("sport", rule.source_port), ("dport", rule.destination_port)):
        if port is not None:
            parts.append(f"th {side} {_ports(port)}")
    if any(rule.flags):
        wanted, mask = rule.flags
        parts.append(f"tcp flags & {mask} == {wanted}")
    if rule.icmp is not None:
        # Type and code stand at the same place in both versions of ICMP.
        kind, code = rule.icmp
        parts.append(f"@th,0,8 {kind}" + ("" if code is None else f" @th,8,8 {code}"))
    if rule.tos is not None:
        parts.append(f"@nh,8,8 {rule.tos}")
    if rule.ttl is not None:
        parts.append(f"ip ttl {rule.ttl}" if rule.version == 4 else f"ip6 hoplimit {rule.ttl}")
    for condition in rule.conditions:
        plain = condition.removeprefix("not ")
        parts.append(_CONDITIONS[plain][plain != condition])
    return " ".join(parts)


def _verdict(rule: PacketRule, accept: str) -> str:
    side = rule.direction
    blocked = f"counter name {side}_blocked"
    text = ""
    if rule.per_second:
        text += f"limit rate over {rule.per_second}/second burst {rule.per_second} packets {blocked} drop\n"
    if rule.keep_frags and not rule.keep_state:
        text += f"counter name {side}_whole\n"
    if rule.logged:
        text += f"counter name {side}_logged_{'passed' if rule.verdict == 'pass' else 'blocked'}\n"
    if rule.verdict == "pass":
        return text + (f"counter name {side}_kept jump keep\n" if rule.keep_state else "") + f"{accept}\n"
    text += f"{blocked}\n"
    if rule.answer == "rst":
        counted = " counter name resets" if side == "in" else ""
        return f"{text}meta l4proto tcp{counted} reject with tcp reset\ndrop\n"
    if rule.answer == "icmp":
        text += "counter name unreachables\n" if side == "in" else ""
        if rule.version == 6:
            return f"{text}reject with icmpx type port-unreachable\n"
        return f"{text}reject with icmp type {ICMP_ANSWERS[rule.answer_code]}\n"
    return f"{text}drop\n"


# Forwarding --------------------------------------------------------------------------------------


def forward_table(v4_names: Iterable[str], v6_names: Iterable[str], shared: bool = False) -> str:
    """Packets may pass between the named interfaces only, and to and from zones that share the stack.

    illumos forwards between two interfaces only when both have forwarding on; Linux asks just
    the one that a packet came in by, and for IPv6 one switch for all.
    """
    accept = "".join(f'{side}ifname "{DOOR}*" accept\n' for side in "io") if shared else ""
    for version, linux_names in ((4, v4_names), (6, v6_names)):
        names = ", ".join(f'"{name}"' for name in sorted(linux_names))
        if names:
            both = f"iifname {{ {names} }} oifname {{ {names} }}"
            accept += f"meta nfproto ipv{version} {both} accept\n"
    body = f"chain forward {{\ntype filter hook forward priority filter; policy drop;\n{accept}}}\n"
    return replace_table(FORWARD_TABLE, body)


# DHCP --------------------------------------------------------------------------------------------


def offer_table() -> str:
    """DHCP servers reach clients that have no address by broadcast only."""
    # ciaddr, the address that a client has, stands 12 bytes into the BOOTP message, 20 into the datagram.
    line = "udp sport 67 udp dport 68 @th,160,32 0 ip daddr != 255.255.255.255 drop"
    body = f"chain output {{\ntype filter hook output priority filter; policy accept;\n{line}\n}}\n"
    return replace_table(OFFER_TABLE, body)


# Link protection ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Protection:
    """What a link may send (dladm(8), property ``protection``).

    Attributes:
        kinds: ``mac-nospoof``, ``ip-nospoof``, ``dhcp-nospoof``, ``restricted``.
        allowed: entries of ``allowed-ips``: addresses, IPv4 ones with or without prefix length.
        mac: the link's own address, padded.
        learned: IPv4 address that the link got by DHCP.
    """

    kinds: frozenset[str]
    allowed: tuple[str, ...]
    mac: str
    learned: str | None = None


def protection_table(port: str, protection: Protection) -> str:
    """The bridge table that filters what comes in by one bridge port."""
    lines = []
    kinds = protection.kinds
    if "restricted" in kinds:
        lines.append("ether type != { ip, ip6, arp } drop")
    if "mac-nospoof" in kinds:
        lines.append(f"ether saddr != {protection.mac} drop")
        lines.append(f"ether type arp arp saddr ether != {protection.mac} drop")
    if "dhcp-nospoof" in kinds:
        # chaddr stands 28 bytes into the BOOTP message, 36 into the UDP datagram.
        chaddr = protection.mac.replace(":", "")
        lines.append(f"udp sport 68 udp dport 67 @th,288,48 != 0x{chaddr} drop")
    if "ip-nospoof" in kinds:
        lines.extend(_no_ip_spoofing(protection))
    body = "chain ingress {\ntype filter hook prerouting priority -300; policy accept;\n"
    body += "".join(f'iifname "{port}" {line}\n' for line in lines) + "}\n"
    return replace_table(protection_table_name(port), body)


def protection_table_name(port: str) -> str:
    """Name of the table that protects a bridge port."""
    return f"bridge protect_{port}"


def _no_ip_spoofing(protection: Protection) -> list[str]:
    allowed4 = [entry for entry in protection.allowed if ":" not in entry]
    allowed6 = [entry for entry in protection.allowed if ":" in entry]
    lines = []
    if allowed4:
        # mac_protect drops every DHCP packet, asked or answered, once an address is prescribed.
        lines.append("udp sport { 67, 68 } drop")
        lines.append("udp dport { 67, 68 } drop")
        sources = ["0.0.0.0", *allowed4]
    else:
        sources = ["0.0.0.0", *([protection.learned] if protection.learned else [])]
    listed = ", ".join(sources)
    lines.append(f"ether type ip ip saddr != {{ {listed} }} drop")
    lines.append(f"ether type arp arp saddr ip != {{ {listed} }} drop")
    listed = ", ".join(["::", "fe80::/10", *allowed6])
    lines.append(f"ether type ip6 ip6 saddr != {{ {listed} }} drop")
    return lines
