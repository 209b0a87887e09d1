"""Value types: each reads every spelling that users write and compares by meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

LINK_NAME_LIMIT = 31
ZONE_NAME_LIMIT = 63

_LINK_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9_.]*[A-Za-z_.])?(?:0|[1-9][0-9]*)")
_ZONE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([KMGTkmgt]?)(?:i?[Bb])?\s*")
_BANDWIDTH = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGkmg]?)\s*")
_BITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3}
_LEAST_BANDWIDTH = 1_200_000
_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_MAC_OCTET = re.compile(r"[0-9A-Fa-f]{1,2}")
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")


# Names -------------------------------------------------------------------------------------------


def link_name_fault(name: str) -> str | None:
    """Why a name cannot be that of a datalink, or None (dladm(8), libdladm's link name rules)."""
    if len(name) > LINK_NAME_LIMIT:
        return f"{name!r} has {len(name)} characters; a link name has at most {LINK_NAME_LIMIT}: shorten it"
    if not _LINK_NAME.fullmatch(name):
        return (
            f"{name!r} is not a link name: it starts with a letter, has letters, digits, '_' and '.', "
            "and ends in a number without leading zero, as in lan0 or web_1"
        )
    return None


def zone_name_fault(name: str) -> str | None:
    """Why a name cannot be that of a zone we make, or None (zonecfg(8))."""
    if name == "global" or name.startswith("SUNW"):
        return f"{name!r} is reserved by the system: choose another zone name"
    if len(name) > ZONE_NAME_LIMIT:
        return f"{name!r} has {len(name)} characters; a zone name has at most {ZONE_NAME_LIMIT}: shorten it"
    if not _ZONE_NAME.fullmatch(name):
        return (
            f"{name!r} is not a zone name: it starts with a letter or digit, then has letters, "
            "digits, '-', '_' and '.'"
        )
    return None


def _link_name(value: Any) -> str:
    text = _string(value)
    if fault := link_name_fault(text):
        raise ValueError(fault)
    return text


def _zone_name(value: Any) -> str:
    text = _string(value)
    if fault := zone_name_fault(text):
        raise ValueError(fault)
    return text


def _absolute_path(value: Any) -> str:
    text = _string(value)
    if not text.startswith("/") or text.rstrip("/") == "":
        raise ValueError(f"{text!r} must be an absolute path other than /")
    if fault := zonecfg_fault(text):
        raise ValueError(fault)
    return "/" + "/".join(part for part in text.split("/") if part)


def zonecfg_fault(text: str) -> str | None:
    """zonecfg cannot express a double quote or a line break, and drops such a command silently."""
    if any(character in text for character in '"\n\r\0'):
        return f"{text!r} must not contain a double quote or a line break: zonecfg cannot store it"
    return None


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} must be a string")
    return value


# Sizes and shares --------------------------------------------------------------------------------


def parse_size(value: Any) -> int:
    """Bytes from ``1G``, ``1024M``, ``1.5g``, ``1073741824``; powers of 1024.

    Raises:
        ValueError: not a size.
    """
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"{value!r} is not a size: write a number with K, M, G or T, as in 512M")
    return int(Decimal(match[1]) * 1024 ** _UNITS[match[2].upper()])


def format_size(size: int) -> str:
    """The shortest exact spelling of a number of bytes: ``1G``, ``1536M``."""
    for unit in "TGMK":
        factor = 1024 ** _UNITS[unit]
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def _cpus(value: Any) -> float:
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise ValueError(f"{value!r} is not a number of CPUs: write a number such as 1.5")
    if number < Decimal("0.01") or number != number.quantize(Decimal("0.01")):
        raise ValueError(f"{value!r} is not a CPU cap: it is at least 0.01 and has at most two decimals")
    return float(number)


# Addresses ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HostAddress:
    """An IPv4 address of one host, with the prefix length of its network if that was given.

    Attributes:
        address: the address.
        prefix: 0 to 32, or None when the network decides.
    """

    address: IPv4Address
    prefix: int | None = None

    def __str__(self) -> str:
        return str(self.address) if self.prefix is None else f"{self.address}/{self.prefix}"

    def matches(self, other: HostAddress) -> bool:
        """Same address; and same prefix where both have one."""
        return self.address == other.address and (
            None in (self.prefix, other.prefix) or self.prefix == other.prefix
        )

    def interface(self, prefix: int) -> IPv4Interface:
        """The address with its own prefix, else with the given one."""
        return IPv4Interface((self.address, prefix if self.prefix is None else self.prefix))


def parse_host_address(value: Any) -> HostAddress:
    """Read ``192.0.2.10``, ``192.0.2.10/24`` or ``192.0.2.10/255.255.255.0``.

    Raises:
        ValueError: not such an address.
    """
    if isinstance(value, HostAddress):
        return value
    text = _string(value).strip()
    try:
        if "/" not in text:
            return HostAddress(IPv4Address(text))
        interface = IPv4Interface(text)
    except ValueError:
        raise ValueError(f"{value!r} is not an IPv4 address: write 192.0.2.10 or 192.0.2.10/24") from None
    return HostAddress(interface.ip, interface.network.prefixlen)


def parse_address(value: Any) -> IPv4Address:
    """Read an IPv4 address without prefix.

    Raises:
        ValueError: not such an address.
    """
    if isinstance(value, IPv4Address):
        return value
    try:
        return IPv4Address(_string(value).strip())
    except ValueError:
        raise ValueError(f"{value!r} is not an IPv4 address: write 192.0.2.1") from None


def parse_further_address(value: Any) -> HostAddress | IPv6Interface:
    """Read a further address of an interface: IPv4 as `parse_host_address` does, or IPv6 with its prefix.

    Raises:
        ValueError: not such an address.
    """
    if isinstance(value, HostAddress | IPv6Interface):
        return value
    text = _string(value).strip()
    if ":" not in text:
        return parse_host_address(text)
    try:
        if "/" not in text:
            raise ValueError
        return IPv6Interface(text)
    except ValueError:
        raise ValueError(f"{value!r} is not an IPv6 address with prefix: write 2001:db8::10/64") from None


def parse_bandwidth(value: Any) -> int:
    """Bits a second from ``100M``, ``1.5G``, ``1200K``, ``100000000``; powers of 1000.

    Raises:
        ValueError: not a bandwidth that dladm(8) takes: it counts in kilobits, from 1200 on.
    """
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    match = _BANDWIDTH.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"{value!r} is not a bandwidth: write bits a second with K, M or G, as in 100M")
    bits = Decimal(match[1]) * _BITS[match[2].upper()]
    if bits % 1000 or bits < _LEAST_BANDWIDTH:
        raise ValueError(f"{value!r} is not a bandwidth cap: it is whole kilobits a second, at least 1200K")
    return int(bits)


def format_bandwidth(bits: int) -> str:
    """The shortest exact spelling of a bandwidth: ``100M``, ``1500K``."""
    unit = next(unit for unit in ("G", "M", "K", "") if bits % _BITS[unit] == 0)
    return f"{bits // _BITS[unit]}{unit}"


def parse_subnet(value: Any) -> IPv4Network:
    """Read an IPv4 network in CIDR or dotted mask spelling.

    Raises:
        ValueError: not a network, or an address inside one.
    """
    if isinstance(value, IPv4Network):
        return value
    text = _string(value).strip()
    try:
        if "/" not in text:
            raise ValueError
        network = IPv4Network(text, strict=False)
    except ValueError:
        raise ValueError(f"{value!r} is not an IPv4 network: write 10.10.0.0/24") from None
    if network.network_address != IPv4Interface(text).ip:
        raise ValueError(f"{value!r} is an address inside {network}: write {network}")
    if network.prefixlen > 30:
        raise ValueError(f"{network} has no room for hosts: use a prefix of /30 or shorter")
    return network


def parse_mac(value: Any) -> str:
    """A MAC address as two lower-case hexadecimal digits an octet, from any usual spelling.

    Raises:
        ValueError: not a unicast MAC address.
    """
    octets = _string(value).strip().replace("-", ":").split(":")
    if len(octets) != 6 or not all(_MAC_OCTET.fullmatch(octet) for octet in octets):
        raise ValueError(f"{value!r} is not a MAC address: write 02:08:20:0a:b0:0c")
    mac = ":".join(f"{int(octet, 16):02x}" for octet in octets)
    if int(octets[0], 16) & 1 or mac == "00:00:00:00:00:00":
        raise ValueError(f"{value!r} is not a unicast MAC address: its first octet must be even")
    return mac


def _attributes(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} must be a map of strings")
    for name, text in value.items():
        if not _ATTRIBUTE_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is not an attribute name: letters, digits, '-' and '.', "
                "starting with a letter or digit"
            )
        if name.startswith("pulumi-"):
            raise ValueError(f"{name!r} is kept for the provider: choose another attribute name")
        if not isinstance(text, str):
            raise ValueError(f"the value of {name!r} must be a string, found {text!r}")
        if len(text) > 255:
            raise ValueError(f"the value of {name!r} is longer than 255 characters")
        if not text:
            raise ValueError(f"the value of {name!r} is empty: zonecfg stores no empty attribute")
        if fault := zonecfg_fault(text):
            raise ValueError(f"the value of {name!r}: {fault}")
    return dict(value)


_DOMAIN = re.compile(
    r"(?=.{1,60}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


def _domain(value: Any) -> str:
    text = _string(value).rstrip(".")
    if not _DOMAIN.fullmatch(text):
        raise ValueError(f"{value!r} is not a domain name of at most 60 characters, such as lan.example")
    return text


def _ssh_key(value: Any) -> str:
    text = _string(value).strip()
    if "\n" in text or len(text.split()) < 2:
        raise ValueError(
            "is not a public SSH key: write one line as in an .pub file, such as 'ssh-ed25519 AAAA...'"
        )
    if "PRIVATE KEY" in text:
        raise ValueError("is a private key: give the public one")
    return text


_TEXT = WithJsonSchema({"type": "string"})
_NUMBER = WithJsonSchema({"type": "number"})
_AS_TEXT = PlainSerializer(str, return_type=str)

LinkName = Annotated[str, BeforeValidator(_link_name), _TEXT]
ZoneName = Annotated[str, BeforeValidator(_zone_name), _TEXT]
AbsolutePath = Annotated[str, BeforeValidator(_absolute_path), _TEXT]
Size = Annotated[int, BeforeValidator(parse_size), PlainSerializer(format_size, return_type=str), _TEXT]
Cpus = Annotated[float, BeforeValidator(_cpus), _NUMBER]
Address = Annotated[IPv4Address, BeforeValidator(parse_address), _AS_TEXT, _TEXT]
AddressMaybePrefix = Annotated[HostAddress, BeforeValidator(parse_host_address), _AS_TEXT, _TEXT]
FurtherAddress = Annotated[
    HostAddress | IPv6Interface, BeforeValidator(parse_further_address), _AS_TEXT, _TEXT
]
Bandwidth = Annotated[
    int, BeforeValidator(parse_bandwidth), PlainSerializer(format_bandwidth, return_type=str), _TEXT
]
Subnet = Annotated[IPv4Network, BeforeValidator(parse_subnet), _AS_TEXT, _TEXT]
Mac = Annotated[str, BeforeValidator(parse_mac), _TEXT]
Domain = Annotated[str, BeforeValidator(_domain), _TEXT]
SshKey = Annotated[str, BeforeValidator(_ssh_key), _TEXT]
Attributes = Annotated[
    dict[str, str],
    BeforeValidator(_attributes),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
