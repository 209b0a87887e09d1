"""The memory of the emulated machine, and how much of it processes use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

MEMORY_MEGABYTES = 8192
"""Physical memory that the emulated machine claims to have."""

PAGE_BYTES = 4096
"""Size of a page of it."""


def resident_bytes(pids: Iterable[int]) -> int:
    """Memory that processes occupy, given their ids as the machine underneath counts them."""
    return _sum(pids, "VmRSS:")


def virtual_bytes(pids: Iterable[int]) -> int:
    """Address space of processes, given their ids as the machine underneath counts them."""
    return _sum(pids, "VmSize:")


def _sum(pids: Iterable[int], key: str) -> int:
    total = 0
    for pid in pids:
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(key):
                    total += int(line.split()[1]) * 1024
    return total
