"""Value types of a router zone: each reads every spelling that users write and compares by meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from pulumi_illumos_provider.model.values import parse_address

_LEASE = re.compile(r"infinite|[1-9][0-9]*[smhdw]?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SHORTEST_LEASE = 120
_OPTION = re.compile(r"[a-z][a-z0-9-]*|[1-9][0-9]{0,2}")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,:/@%+=-]*")
_RAW_RULE = re.compile(r"(pass|block|log|count|skip)\b[^\n\r\0;#]*")


@dataclass(frozen=True)
class AddressRange:
    """Addresses from the first to the last, both included."""

    first: IPv4Address
    last: IPv4Address

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True)
class Ports:
    """One port, or all from the first to the last, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def parse_network(value: Any) -> IPv4Network:
    """Read any IPv4 network, or a single address as the network of itself.

    Raises:
        ValueError: not a network, or an address inside one.
    """
    if isinstance(value, IPv4Network):
        return value
    try:
        return IPv4Network(value.strip() if isinstance(value, str) else None)
    except (TypeError, ValueError):
        raise ValueError(
            f"{value!r} is not an IPv4 network: write 10.20.0.0/16, or 192.0.2.7 for one address"
        ) from None


def parse_address_range(value: Any) -> AddressRange:
    """Read ``10.10.0.100-10.10.0.199``.

    Raises:
        ValueError: not such a range, or the wrong way round.
    """
    if isinstance(value, AddressRange):
        return value
    parts = value.split("-") if isinstance(value, str) else []
    if len(parts) != 2:
        raise ValueError(f"{value!r} is not a range of addresses: write 10.10.0.100-10.10.0.199")
    found = AddressRange(parse_address(parts[0]), parse_address(parts[1]))
    if found.last < found.first:
        raise ValueError(f"{value!r} ends before it begins: write the smaller address first")
    return found


def parse_ports(value: Any) -> Ports:
    """Read ``80``, ``"80"`` or ``"8000-8010"``.

    Raises:
        ValueError: not a port from 1 to 65535, or a range the wrong way round.
    """
    if isinstance(value, Ports):
        return value
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    numbers = [part.strip().removesuffix(".0") for part in text.split("-")]
    if len(numbers) not in (1, 2) or not all(n.isdecimal() and 1 <= int(n) <= 65535 for n in numbers):
        raise ValueError(
            f"{value!r} is not a port: write a number from 1 to 65535, or 8000-8010 for several"
        )
    found = Ports(int(numbers[0]), int(numbers[-1]))
    if found.last < found.first:
        raise ValueError(f"{value!r} ends before it begins: write the smaller port first")
    return found


def parse_subnet6(value: Any) -> IPv6Network:
    """Read an IPv6 network whose hosts configure themselves: its prefix length is 64.

    Raises:
        ValueError: not such a network.
    """
    if isinstance(value, IPv6Network):
        return value
    try:
        network = IPv6Network(value.strip() if isinstance(value, str) else None)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not an IPv6 network: write 2001:db8:10::/64") from None
    if network.prefixlen != 64:
        raise ValueError(
            f"{network} has another prefix length than /64, with which hosts give themselves addresses"
        )
    if network.is_link_local or network.is_multicast:
        raise ValueError(f"{network} is not a network that hosts can have addresses in")
    return network


def _lease_time(value: Any) -> str:
    """Seconds as text, or ``infinite``."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not _LEASE.fullmatch(text):
        raise ValueError(f"{value!r} is not a lease time: write seconds, 45m, 12h, 1d or infinite")
    if text == "infinite":
        return text
    number, unit = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "s")
    seconds = int(number) * _SECONDS[unit]
    if seconds < _SHORTEST_LEASE:
        raise ValueError(f"{value!r} is too short: a lease lasts at least two minutes")
    return str(seconds)


def _dhcp_options(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} must be a map of strings")
    for name, text in value.items():
        if not _OPTION.fullmatch(name):
            raise ValueError(
                f"{name!r} is not a DHCP option: write its name as dnsmasq knows it, such as ntp-server, "
                "or its number"
            )
        if not isinstance(text, str) or any(character in text for character in '\n\r\0"#'):
            raise ValueError(f"the value of option {name} must be a string of one line without quotes or #")
    return dict(value)


def _raw_rule(value: Any) -> str:
    text = " ".join(value.split()) if isinstance(value, str) and "\n" not in value else ""
    if not _RAW_RULE.fullmatch(text):
        raise ValueError(
            f"{value!r} is not a rule of ipf(5): write one rule on one line, as in "
            "'block in quick from 198.51.100.7 to any'"
        )
    return text


def _package(value: Any) -> str:
    if not isinstance(value, str) or not _PACKAGE.fullmatch(value):
        raise ValueError(f"{value!r} is not the name of a package, such as diagnostic/top")
    return value


_TEXT = WithJsonSchema({"type": "string"})
_AS_TEXT = PlainSerializer(str, return_type=str)

AnyNetwork = Annotated[IPv4Network, BeforeValidator(parse_network), _AS_TEXT, _TEXT]
Subnet6 = Annotated[IPv6Network, BeforeValidator(parse_subnet6), _AS_TEXT, _TEXT]
DhcpRange = Annotated[AddressRange, BeforeValidator(parse_address_range), _AS_TEXT, _TEXT]
PortOrRange = Annotated[Ports, BeforeValidator(parse_ports), _AS_TEXT, _TEXT]
LeaseTime = Annotated[str, BeforeValidator(_lease_time), _TEXT]
PackageName = Annotated[str, BeforeValidator(_package), _TEXT]
RawRule = Annotated[str, BeforeValidator(_raw_rule), _TEXT]
DhcpOptions = Annotated[
    dict[str, str],
    BeforeValidator(_dhcp_options),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
