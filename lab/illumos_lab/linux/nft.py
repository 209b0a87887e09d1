"""Text of nft(8) rules for what illumos' NAT, forwarding and link protection do to packets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_interface

from illumos_lab.kernel import NatRule

NAT_TABLE = "ip lab_nat"
FORWARD_TABLE = "inet lab_forward"


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
    for rule in rules:
        name = linux_name.get(rule.interface)
        if name is None:
            continue
        if rule.kind in ("map", "bimap"):
            after.extend(_map(rule, name))
        if rule.kind in ("rdr", "bimap"):
            before.extend(_redirect(rule, name))
    chains = {
        "prerouting": ("prerouting priority dstnat", before),
        "postrouting": ("postrouting priority srcnat", after),
    }
    body = ""
    for chain, (hook, lines) in chains.items():
        body += f"chain {chain} {{\ntype nat hook {hook}; policy accept;\n"
        body += "".join(line + "\n" for line in lines) + "}\n"
    return replace_table(NAT_TABLE, body)


def _match(rule: NatRule) -> str:
    text = ""
    if rule.source is not None and rule.source.prefixlen:
        text += f" ip saddr {rule.source}"
    if rule.destination is not None and rule.destination.prefixlen:
        text += f" ip daddr {rule.destination}"
    return text


def _range(ports: tuple[int, int] | None) -> str:
    if ports is None:
        return ""
    low, high = ports
    return f"{low}" if low == high else f"{low}-{high}"


def _protocol(rule: NatRule) -> str:
    if not rule.protocols:
        return ""
    return " meta l4proto { " + ", ".join(rule.protocols) + " }"


def _target(rule: NatRule, ports: tuple[int, int] | None) -> str:
    suffix = f":{_range(ports)}" if ports else ""
    address = rule.to_address
    if address is None:
        return f"masquerade to {suffix}" if suffix else "masquerade"
    if "/" in address:
        network = ip_interface(address).network
        if network.prefixlen == network.max_prefixlen:
            address = str(network[0])
        else:
            address = f"{network[0]}-{network[-1]}"
    return f"snat to {address}{suffix}"


def _map(rule: NatRule, name: str) -> list[str]:
    ports = rule.ports
    # A port range needs a protocol that has ports; ipnat drops portmap without one as well.
    if ports and not rule.protocols:
        ports = None
    return [f'oifname "{name}"{_match(rule)}{_protocol(rule)} {_target(rule, ports)}']


def _redirect(rule: NatRule, name: str) -> list[str]:
    if rule.kind == "bimap":
        # Inbound half: what comes for the outer address goes to the inner one.
        if rule.source is None or rule.to_address is None:
            return []
        outer = str(ip_interface(rule.to_address).ip)
        return [f'iifname "{name}" ip daddr {outer} dnat to {rule.source.network_address}']
    if rule.to_address is None:
        return []
    inner = str(ip_interface(rule.to_address).ip)
    match = _match(rule)
    if rule.match_ports is None:
        return [f'iifname "{name}"{match}{_protocol(rule)} dnat to {inner}']
    lines = []
    for protocol in rule.protocols or ("tcp",):
        start = f'iifname "{name}"{match} {protocol} dport '
        low, high = rule.match_ports
        if rule.ports is None:
            lines.append(f"{start}{_range(rule.match_ports)} dnat to {inner}")
        elif low == high or rule.ports[0] == rule.ports[1]:
            lines.append(f"{start}{_range(rule.match_ports)} dnat to {inner}:{rule.ports[0]}")
        else:
            # port a-b -> ip port p maps a to p, a+1 to p+1 and so on.
            shift = rule.ports[0] - low
            pairs = ", ".join(f"{port} : {port + shift}" for port in range(low, high + 1))
            lines.append(f"{start}{low}-{high} dnat to {inner} : {protocol} dport map {{ {pairs} }}")
    return lines


# Forwarding --------------------------------------------------------------------------------------


def forward_table(linux_names: Iterable[str]) -> str:
    """Packets may leave by the named interfaces only.

    illumos forwards between two interfaces only when both have forwarding on; Linux asks just
    the one that a packet came in by.
    """
    names = ", ".join(f'"{name}"' for name in sorted(linux_names))
    accept = f"oifname {{ {names} }} accept\n" if names else ""
    body = f"chain forward {{\ntype filter hook forward priority filter; policy drop;\n{accept}}}\n"
    return replace_table(FORWARD_TABLE, body)


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
