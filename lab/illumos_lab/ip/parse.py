"""Addresses, prefixes and host names as illumos' commands read them."""

from __future__ import annotations

import socket
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    ip_address,
    ip_interface,
)
from pathlib import Path

from illumos_lab.kernel import Interface

IpAddress = IPv4Address | IPv6Address


def lookup_host(root: Path, name: str) -> list[str]:
    """Addresses of a name in a zone's /etc/inet/hosts."""
    path = root / "etc/inet/hosts"
    found = []
    if path.exists():
        for line in path.read_text().splitlines():
            words = line.partition("#")[0].split()
            if name in words[1:]:
                found.append(words[0])
    return found


def host_name(root: Path, address: str) -> str | None:
    """The first name that /etc/inet/hosts gives an address."""
    path = root / "etc/inet/hosts"
    if path.exists():
        for line in path.read_text().splitlines():
            words = line.partition("#")[0].split()
            if len(words) > 1 and words[0] == address:
                return words[1]
    return None


def resolve(root: Path, text: str) -> IpAddress | None:
    """An address, or a name of /etc/inet/hosts; None when it is neither."""
    for candidate in (text, *lookup_host(root, text)):
        try:
            return ip_address(candidate)
        except ValueError:
            continue
    return None


def classful_prefix(address: IPv4Address) -> int:
    """Prefix length of the address's class."""
    first = int(address) >> 24
    return 8 if first < 128 else 16 if first < 192 else 24


def default_prefix(root: Path, address: IpAddress) -> int:
    """Prefix length for an address given without one: /etc/inet/netmasks, else its class."""
    if isinstance(address, IPv6Address):
        return 10 if address.is_link_local else 64
    return known_prefix(root, address) or classful_prefix(address)


def known_prefix(root: Path, address: IPv4Address) -> int | None:
    """Prefix length that /etc/inet/netmasks has for an address.

    It is that of the smallest network with its own mask, else of the address's class, which may stand
    without its trailing zeros (getnetmaskbyaddr in libsocket).
    """
    known = _netmasks(root / "etc/inet/netmasks")
    for length in range(32, 0, -1):
        network = int(address) >> 32 - length << 32 - length
        if known.get(network) == length:
            return length
    host_bits = 32 - classful_prefix(address)
    number = int(address) >> host_bits
    return known.get(number << host_bits, known.get(number))


def _netmasks(path: Path) -> dict[int, int]:
    """Prefix lengths by network number; of two lines about one the first counts."""
    known: dict[int, int] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        words = line.partition("#")[0].split()
        try:
            number, mask = (int.from_bytes(socket.inet_aton(word)) for word in words)
            known.setdefault(number, mask.bit_count())
        except (ValueError, OSError):
            continue
    return known


def with_prefix(root: Path, text: str) -> Interface | None:
    """``ADDR[/[LEN]]`` or ``HOST[/[LEN]]``; None when it is no address."""
    host, _, length = text.partition("/")
    address = resolve(root, host)
    if address is None:
        return None
    # A slash with nothing behind it is read as no prefix; zap writes such addresses.
    if not length:
        return ip_interface(f"{address}/{default_prefix(root, address)}")
    if not length.isdigit() or int(length) > address.max_prefixlen:
        return None
    return ip_interface(f"{address}/{int(length)}")


def interface_id(text: str) -> str | None:
    """An interface identifier ``::1a:2b:3c:4d/64`` without its length; None when it is none."""
    address, slash, length = text.partition("/")
    if not slash or not length.isdigit() or int(length) > 128:
        return None
    try:
        return str(IPv6Address(address))
    except ValueError:
        return None


def link_local_with(identifier: str) -> Interface:
    """The link-local address that an interface identifier gives."""
    return ip_interface(f"{IPv6Address((0xFE80 << 112) | int(IPv6Address(identifier)))}/10")


def link_local(mac: str) -> Interface:
    """The link-local address that a MAC address gives (EUI-64)."""
    octets = [int(octet, 16) for octet in mac.split(":")]
    octets[0] ^= 2
    octets[3:3] = [0xFF, 0xFE]
    identifier = int.from_bytes(bytes(octets))
    return ip_interface(f"{IPv6Address((0xFE80 << 112) | identifier)}/10")


def netmask_hex(address: IPv4Interface) -> str:
    """A netmask as ifconfig prints it."""
    return f"{int(address.netmask):x}"
