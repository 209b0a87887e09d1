"""Names of links that follow from the zone that they belong to, so that no probing is needed."""

from __future__ import annotations

import hashlib
import re

_LIMIT = 31
_ILLEGAL = re.compile(r"[^A-Za-z0-9_]")


def vnic(zone: str, number: int) -> str:
    """The zone's vnic number N: ``web_0``."""
    return _link(zone, f"_{number}")


def shared_vnic(router: str, number: int) -> str:
    """The vnic in the global zone for shared-ip zones on network N of a router: ``gw_s0``."""
    return _link(router, f"_s{number}")


def owned_etherstub(router: str, number: int) -> str:
    """The etherstub that a router zone makes for its network N: ``gw_lan0``."""
    return _link(router, f"_lan{number}")


def automatic_link(name: str, suffix: str) -> str:
    """A link name from a Pulumi name and a random hexadecimal suffix: ``lan_4213567``."""
    return _legal(name, f"_{int(suffix or '0', 16) % 10**7}")


def automatic_zone(name: str, suffix: str) -> str:
    """A zone name from a Pulumi name and a random hexadecimal suffix: ``web-3fa9c1d``."""
    stem = re.sub(r"[^A-Za-z0-9_.-]", "-", name).lstrip("-_.") or "zone"
    if stem.startswith("SUNW"):
        stem = f"z{stem}"
    return f"{stem[: 63 - 1 - len(suffix)]}-{suffix}"


def _link(zone: str, tail: str) -> str:
    stem = _ILLEGAL.sub("_", zone)
    if not stem[0].isalpha():
        stem = f"z{stem}"
    if stem != zone or len(stem + tail) > _LIMIT:
        # A name that had to be changed could meet another one that was changed alike.
        tail = f"_{hashlib.sha256(zone.encode()).hexdigest()[:6]}{tail}"
    return stem[: _LIMIT - len(tail)] + tail


def _legal(name: str, tail: str) -> str:
    stem = _ILLEGAL.sub("_", name)
    if not stem[:1].isalpha():
        stem = f"l{stem}"
    return stem[: _LIMIT - len(tail)] + tail
