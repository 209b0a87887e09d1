"""Text of nft(8) rules for what illumos' filter, NAT, forwarding and link protection do to packets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_interface

from illumos_lab.kernel import NatRule, PacketRule, PortRange

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


# NAT ---------------------------------------------------------------------------------------------


def nat_table(rules: Iterable[NatRule], linux_name: dict[str, str]) -> str:
    """The NAT table of a zone's stack for its ipnat rules, in their order (ipnat(5)).

    A rule for an interface that is not there is left out, as ipnat leaves it inactive.
    """
    before: list[str] = []
    after: list[str] = []
    clamped: list[str] = []
    for rule in rules:
        name = linux_name.get(rule.interface)
        if name is None and rule.interface != ANY_INTERFACE:
            continue
        if rule.kind in ("map", "bimap"):
            after.append(_map(rule, name))
        if rule.kind in ("rdr", "bimap"):
            before.extend(_redirect(rule, name))
        if 0 < rule.mssclamp < _LARGEST_SEGMENT:
            clamped.extend(_clamp(rule, name))
    chains = {
        "prerouting": ("nat hook prerouting priority dstnat", before),
        "postrouting": ("nat hook postrouting priority srcnat", after),
        "clamp": ("filter hook postrouting priority mangle", clamped),
        # Connections are tracked as long as somebody asks about them, even when no rule is left.
        "track": ("filter hook prerouting priority mangle", ["ct state untracked accept"]),
    }
    body = ""
    for chain, (hook, lines) in chains.items():
        body += f"chain {chain} {{\ntype {hook}; policy accept;\n"
        body += "".join(line + "\n" for line in lines) + "}\n"
    return replace_table(NAT_TABLE, body)


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
    return f"{_interface('oifname', name)}{_match(rule)} {target}"


def _redirect(rule: NatRule, name: str | None) -> list[str]:
    start = _interface("iifname", name)
    if rule.kind == "bimap":
        # Inbound half: what comes for the outer address goes to the inner one.
        if rule.source is None or rule.to_address is None:
            return []
        outer = ip_interface(rule.to_address).network
        text = f"{start} ip daddr {outer}"
        if rule.source.prefixlen == 32:
            return [f"{text} dnat to {rule.source.network_address}"]
        return [f"{text} dnat ip prefix to ip daddr map {{ {outer} : {rule.source} }}"]
    if rule.to_address is None and not rule.unchanged:
        return []
    addresses = [] if rule.to_address is None else [rule.to_address, *rule.alternatives]
    inner = [str(ip_interface(address).ip) for address in addresses]
    start += _match(rule)
    if rule.match_ports is None:
        if rule.unchanged:
            return [f"{start} accept"]
        return [f"{start} dnat to {_in_turn(inner, rule.ports)}"]
    start += f" th dport {_range(rule.match_ports)}"
    low, high = rule.match_ports
    if rule.ports is None or low == high or rule.ports[0] == rule.ports[1]:
        port = None if rule.ports is None else (rule.ports[0], rule.ports[0])
        return [f"{start} dnat to {_in_turn(inner, port)}"]
    # port a-b -> ip port p maps a to p, a+1 to p+1 and so on.
    shift = rule.ports[0] - low
    pairs = ", ".join(f"{port} : {port + shift}" for port in range(low, high + 1))
    return [f"{start} dnat to {_in_turn(inner, None)} : th dport map {{ {pairs} }}"]


def _in_turn(addresses: list[str], ports: tuple[int, int] | None) -> str:
    """The target of a redirection: one address, or each in its turn; none keeps the address."""
    suffix = f":{_range(ports)}" if ports else ""
    if len(addresses) < 2:
        return "".join(addresses) + suffix
    choices = ", ".join(f"{place} : {address}" for place, address in enumerate(addresses))
    return f"numgen inc mod {len(addresses)} map {{ {choices} }}{suffix}"


def _clamp(rule: NatRule, name: str | None) -> list[str]:
    limit = f"tcp flags syn tcp option maxseg size > {rule.mssclamp}"
    start = f"{_interface('oifname', name)}{_match(rule)}"
    return [f"{start} {limit} tcp option maxseg size set {rule.mssclamp}"]


# Filter ------------------------------------------------------------------------------------------

# A packet carries the number of the last rule that matched in its mark; in the end that decides. Inbound
# it has been through NAT, outbound it has not yet.
_HOOKS = """\
chain prerouting {
type filter hook prerouting priority dstnat + 10; policy accept;
iifname != "lo" goto in
}
chain output {
type filter hook output priority filter - 10; policy accept;
oifname != "lo" goto out
}
chain forward {
type filter hook forward priority filter - 10; policy accept;
goto out
}
"""

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


def filter_table(rules: Sequence[PacketRule], linux_name: dict[str, str], generation: int) -> str:
    """The filter table of a zone's stack for its ipf rules (ipf(5)).

    A rule for an interface that is not there is left out. A connection that was let through with
    ``keep state`` carries the generation in its mark.
    """
    numbered = [
        (number, rule)
        for number, rule in enumerate(rules, 1)
        if rule.interface is None or rule.interface in linux_name
    ]
    body = _HOOKS
    verdicts = []
    for number, rule in numbered:
        if rule.verdict:
            body += f"chain verdict_{number} {{\n{_verdict(rule, generation)}}}\n"
            verdicts.append(f"{number} : goto verdict_{number}")
    body += "chain decide {\n"
    body += f"meta mark vmap {{ {', '.join(verdicts)} }}\n" if verdicts else ""
    body += "}\n"
    groups: dict[tuple[str, str], str] = {("in", ""): "in", ("out", ""): "out"}
    for _, rule in numbered:
        if rule.head:
            groups.setdefault((rule.direction, rule.head), f"group_{len(groups)}")
    for (direction, group), chain in groups.items():
        body += f"chain {chain} {{\n"
        if not group:
            body += f"ct mark {generation} accept\nmeta mark set 0\n"
        for number, rule in numbered:
            if (rule.direction, rule.group) == (direction, group):
                name = None if rule.interface is None else linux_name[rule.interface]
                body += _filter_lines(rule, number, name, groups.get((direction, rule.head), ""))
        body += "goto decide\n" if not group else ""
        body += "}\n"
    return replace_table(FILTER_TABLE, body)


def _filter_lines(rule: PacketRule, number: int, name: str | None, head_chain: str) -> str:
    match = _packet_match(rule, name)
    mark = f" meta mark set {number}" if rule.verdict else ""
    if rule.head:
        lines = f"{match}{mark} jump {head_chain}\n"
        # Quick holds when no rule of the group matched.
        return lines + (f"meta mark {number} goto decide\n" if rule.quick and mark else "")
    if not mark:
        return ""
    return f"{match}{mark}{' goto decide' if rule.quick else ''}\n"


def _packet_match(rule: PacketRule, name: str | None) -> str:
    family = "ip" if rule.version == 4 else "ip6"
    parts = [f"meta nfproto ipv{rule.version}"]
    if name is not None:
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
    if rule.per_second:
        parts.append(f"limit rate {rule.per_second}/second")
    return " ".join(parts)


def _verdict(rule: PacketRule, generation: int) -> str:
    if rule.verdict == "pass":
        return f"ct mark set {generation} accept\n" if rule.keep_state else "accept\n"
    if rule.answer == "rst":
        return "meta l4proto tcp reject with tcp reset\ndrop\n"
    if rule.answer == "icmp":
        if rule.version == 6:
            return "reject with icmpx type port-unreachable\n"
        return f"reject with icmp type {ICMP_ANSWERS[rule.answer_code]}\n"
    return "drop\n"


# Forwarding --------------------------------------------------------------------------------------


def forward_table(v4_names: Iterable[str], v6_names: Iterable[str]) -> str:
    """Packets may pass between the named interfaces only.

    illumos forwards between two interfaces only when both have forwarding on; Linux asks just
    the one that a packet came in by, and for IPv6 one switch for all.
    """
    accept = ""
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
