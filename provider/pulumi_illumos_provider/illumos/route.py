"""route(8): the way to the world."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from pulumi_illumos_provider.plan import Command

GET_DEFAULT = Command(("/usr/sbin/route", "-n", "get", "-inet", "default"))


@dataclass(frozen=True)
class DefaultRoute:
    """Where the host sends what is for the world.

    Attributes:
        gateway: next hop.
        interface: link; empty when the route is not bound to one.
    """

    gateway: IPv4Address
    interface: str


def parse_default(text: str) -> DefaultRoute | None:
    """Read the answer to `GET_DEFAULT`; None without a default route."""
    values = {}
    for line in text.splitlines():
        label, colon, value = line.partition(": ")
        if colon:
            values[label.strip()] = value.strip()
    try:
        return DefaultRoute(IPv4Address(values["gateway"]), values.get("interface", ""))
    except (KeyError, ValueError):
        return None
