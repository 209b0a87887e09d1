"""What Linux has taken from router advertisements, read from /proc of a network namespace."""

from __future__ import annotations

import contextlib
from ipaddress import IPv6Address, IPv6Interface
from pathlib import Path

from illumos_lab.linux.netns import Netns

_PROC = Path("/proc/thread-self/net")
_PERMANENT = 0x80
_FROM_ADVERTISEMENT = 0x40000
_NONE = "0" * 32


def addresses(netns: Netns, interface: str) -> tuple[IPv6Interface, ...]:
    """The addresses of an interface that nobody gave it by hand, oldest last."""
    lines = netns.call((_PROC / "if_inet6").read_text).splitlines()
    found = []
    for address, _, length, _, flags, name in map(str.split, lines):
        if name == interface and not int(flags, 16) & _PERMANENT:
            found.append(IPv6Interface(f"{_address(address)}/{int(length, 16)}"))
    return tuple(found)


def routers(netns: Netns, interface: str) -> tuple[str, ...]:
    """The default routers that have advertised themselves on an interface."""
    lines = netns.call((_PROC / "ipv6_route").read_text).splitlines()
    found = []
    for destination, length, _, _, gateway, _, _, _, flags, name in map(str.split, lines):
        is_default = destination == _NONE and int(length, 16) == 0
        if is_default and name == interface and int(flags, 16) & _FROM_ADVERTISEMENT:
            found.append(str(_address(gateway)))
    return tuple(found)


def use_identifier(netns: Netns, interface: str, identifier: str) -> None:
    """Let the addresses from advertisements end in an interface identifier; ``::`` for the link's own.

    An interface that does not listen to advertisements, as that of a router, has no use for it.
    """
    with contextlib.suppress(OSError):
        netns.run(["ip", "token", "set", identifier, "dev", interface])


def forget(netns: Netns, interface: str) -> None:
    """Take away what an interface has from advertisements.

    Raises:
        OSError: there is no such interface.
    """
    netns.run(["ip", "-6", "address", "flush", "dev", interface, "dynamic"])
    netns.run(["ip", "-6", "route", "flush", "dev", interface, "proto", "ra"])


def _address(digits: str) -> IPv6Address:
    return IPv6Address(bytes.fromhex(digits))
