"""The states of a zone, and a zone as it exists in the kernel."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from illumos_lab.rctls import Values
from illumos_lab.zonecfg.model import Configuration

GLOBAL = "global"
CONFIGURED, INCOMPLETE, INSTALLED = "configured", "incomplete", "installed"
READY, RUNNING, SHUTTING_DOWN, DOWN = "ready", "running", "shutting_down", "down"


@dataclass
class ActiveZone:
    """A zone that exists in the kernel.

    Attributes:
        name: its name.
        zone_id: its number, unique since the host booted.
        configuration: the configuration that it was made with; later edits do not touch it.
        state: ``ready``, ``running``, ``shutting_down`` or ``down``.
        shutting_down: somebody has asked it to shut itself down.
        lent: links that were given to it.
        logical: logical interfaces of the global zone that carry its addresses, as (interface, address).
        made_links: vnics that were made for it and go when it halts.
        mounts: directories and devices that were mounted into it, seen from outside, in order.
        datasets: where the file systems are mounted that are its own, by name of the dataset.
        rctls: its resource controls.
        memory_cap: bytes of memory that rcapd lets it have; None for all.
    """

    name: str
    zone_id: int
    configuration: Configuration
    state: str = READY
    shutting_down: bool = False
    lent: list[str] = field(default_factory=list)
    logical: list[tuple[str, str]] = field(default_factory=list)
    made_links: list[str] = field(default_factory=list)
    mounts: list[Path] = field(default_factory=list)
    datasets: dict[str, Path] = field(default_factory=dict)
    rctls: Values = field(default_factory=dict)
    memory_cap: int | None = None


class ZoneadmdError(Exception):
    """zoneadmd failed; the lines are what it says, each without the zone's name in front."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines
