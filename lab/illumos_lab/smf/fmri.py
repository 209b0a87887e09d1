"""Names of service instances, whole, abbreviated or as patterns (smf(7), svcs(1))."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from enum import Enum

SCHEME = "svc:/"
LOCAL_SCHEME = "svc://localhost/"
_MILESTONES = tuple(
    f"svc:/milestone/{name}:default" for name in ("single-user", "multi-user", "multi-user-server")
)


class PatternKind(Enum):
    """How an operand names instances."""

    FULL = "a full FMRI"
    PARTIAL = "an abbreviation"
    GLOB = "a pattern"


def split(fmri: str) -> tuple[str, str]:
    """Service FMRI and instance name of an instance FMRI."""
    service, _, instance = fmri.rpartition(":")
    return service, instance


def service_name(fmri: str) -> str:
    """Name of the service without scheme and instance: ``network/ipfilter``."""
    return split(fmri)[0].removeprefix(SCHEME)


def log_name(fmri: str) -> str:
    """Name of an instance's log file below /var/svc/log."""
    return fmri.removeprefix(SCHEME).replace("/", "-") + ".log"


def kind(pattern: str) -> PatternKind:
    """What sort of operand this is."""
    if any(character in pattern for character in "*?["):
        return PatternKind.GLOB
    if pattern.startswith(("svc:", "lrc:")):
        return PatternKind.FULL
    return PatternKind.PARTIAL


def milestone(name: str) -> str | None:
    """FMRI of a major milestone that is named whole or in part, ``all`` or ``none``; None for others."""
    if name in ("all", "none"):
        return name
    for fmri in _MILESTONES:
        before, found, after = fmri.partition(name or fmri)
        if name and found and before[-1:] in ("", "/") and after[:1] in ("", ":"):
            return fmri
    return None


def match(pattern: str, fmris: Iterable[str]) -> list[str]:
    """The instances that an operand names, in their own order.

    A full FMRI without an instance names all instances of the service. An abbreviation is an instance
    name, or the last components of a service's name, with or without an instance. A glob that has no
    scheme is anchored at ``svc:/``.
    """
    pattern = pattern.replace(LOCAL_SCHEME, SCHEME, 1)
    tests = {
        PatternKind.FULL: _matches_full,
        PatternKind.PARTIAL: _matches_partial,
        PatternKind.GLOB: _matches_glob,
    }
    matches = tests[kind(pattern)]
    return [fmri for fmri in fmris if matches(pattern, fmri)]


def _matches_full(pattern: str, fmri: str) -> bool:
    return pattern in (fmri, split(fmri)[0])


def _matches_partial(pattern: str, fmri: str) -> bool:
    name, instance = service_name(fmri), split(fmri)[1]
    service, colon, wanted = pattern.rpartition(":")
    if not colon:
        return instance == pattern or f"/{name}".endswith(f"/{pattern.lstrip('/')}")
    return instance == wanted and (not service or f"/{name}".endswith(f"/{service.lstrip('/')}"))


def _matches_glob(pattern: str, fmri: str) -> bool:
    if not pattern.startswith(("svc:", "lrc:")):
        pattern = SCHEME + pattern
    return any(fnmatch.fnmatchcase(name, pattern) for name in (fmri, split(fmri)[0]))
