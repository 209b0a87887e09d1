"""Address translation with IPFilter: the rules of ``/etc/ipf/ipnat.conf`` (ipnat(5))."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

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


def config(link: str, address: IPv4Address, subnets: Iterable[IPv4Network]) -> str:
    """The whole file; it ends with a line feed, without which the last word would be lost."""
    return "".join(f"{rule}\n" for rule in nat_rules(link, address, subnets))
