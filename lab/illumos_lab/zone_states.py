"""The states of a zone, and a zone as it exists in the kernel."""

from __future__ import annotations

from dataclasses import dataclass, field

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
        lent: links that were given to it.
        logical: logical interfaces of the global zone that carry its addresses, as (interface, address).
        made_links: vnics that were made for it and go when it halts.
    """

    name: str
    zone_id: int
    configuration: Configuration
    state: str = READY
    lent: list[str] = field(default_factory=list)
    logical: list[tuple[str, str]] = field(default_factory=list)
    made_links: list[str] = field(default_factory=list)


class ZoneadmdError(Exception):
    """zoneadmd failed; the lines are what it says, each without the zone's name in front."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines
