"""Names of datalinks, and the MAC addresses printed beside them.

Rests on the rules of libdladm: at most 31 characters, no digit first, a decimal number
without leading zeros last.
"""

from __future__ import annotations

import random
import re

MAX_LENGTH = 31
"""Longest name of a datalink."""

MAX_NUMBER = 4294967294
"""Largest number that a name may end in."""

_NAME = re.compile(r"[A-Za-z_.](?:[A-Za-z0-9_.]*[A-Za-z_.])?(0|[1-9][0-9]*)")
_OCTET = re.compile(r"[0-9A-Fa-f]{1,2}")


def too_long(name: str) -> bool:
    """Whether the name exceeds the buffer that dladm has for it."""
    return len(name.encode("utf-8", "surrogateescape")) > MAX_LENGTH


def valid(name: str) -> bool:
    """Whether a datalink may have this name."""
    match = _NAME.fullmatch(name)
    return match is not None and not too_long(name) and int(match[1]) <= MAX_NUMBER


def split(name: str) -> tuple[str, int]:
    """The driver part and the number of a valid name: ``e1000g0`` is ("e1000g", 0)."""
    digits = re.search(r"[0-9]+$", name)
    if digits is None:
        raise ValueError(name)
    return name[: digits.start()], int(digits[0])


def parse_mac(text: str) -> str | None:
    """A MAC address in illumos' own spelling (``2:8:20:0:1:f``), or None when it is none."""
    octets = text.split(":")
    if len(octets) != 6 or not all(_OCTET.fullmatch(octet) for octet in octets):
        return None
    return ":".join(f"{int(octet, 16):x}" for octet in octets)


def octets(mac: str) -> tuple[int, ...]:
    """The octets of a MAC address, by which addresses are sorted; none of an empty text."""
    return tuple(int(octet, 16) for octet in mac.split(":") if octet)


def parse_mac_prefix(text: str) -> list[int] | None:
    """The octets of a prefix for random addresses (``2:8:20``); None when it is malformed."""
    octets = text.split(":")
    if not 1 <= len(octets) <= 6 or not all(_OCTET.fullmatch(octet) for octet in octets):
        return None
    return [int(octet, 16) for octet in octets]


def random_mac(prefix: list[int]) -> str:
    """A MAC address that begins with the given octets, printed without leading zeros."""
    octets = [*prefix, *(random.randrange(256) for _ in range(6 - len(prefix)))]
    return ":".join(f"{octet:x}" for octet in octets)
