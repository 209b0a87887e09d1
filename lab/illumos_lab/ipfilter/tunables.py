"""Parameters of the filter in the kernel, which ``ipf -T`` shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from illumos_lab.ipfilter.state import Plane

_TIME = 0x7FFFFFFF
_WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class Tunable:
    """One parameter.

    Attributes:
        name: its name.
        low, high: values that it can have.
        current: value that it has in a stack whose filter was never switched on.
        running: value that it gets when the filter is switched on.
        locked: it cannot be changed while the filter is on.
    """

    name: str
    low: int
    high: int
    current: int
    running: int | None = None
    locked: bool = False

    def value(self, plane: Plane) -> int:
        """The value that the parameter has now."""
        if self.name == "fr_active":
            return plane.active
        if self.locked and self.running is not None:
            return self.running if plane.enabled else self.current
        return self.current if self.running is None or plane.since is None else self.running

    def text(self, plane: Plane) -> str:
        """The line that shows it."""
        low, high = (f"{bound:#x}" if bound else "0" for bound in (self.low, self.high))
        return f"{self.name}\tmin {low}\tmax {high}\tcurrent {self.value(plane)}\n"


def _times(**values: int) -> Iterator[Tunable]:
    """Time-outs in half seconds."""
    return (Tunable(name, 1, _TIME, value, locked=True) for name, value in values.items())


# The default is to pass, and that no rule has matched.
_PASS = 0x8000002

TUNABLES = {
    each.name: each
    for each in (
        Tunable("fr_flags", 0, _WORD, 0),
        Tunable("fr_active", 0, 0, 0),
        Tunable("fr_control_forwarding", 0, 1, 0),
        Tunable("fr_update_ipid", 0, 1, 0),
        Tunable("fr_chksrc", 0, 1, 0),
        Tunable("fr_minttl", 0, 1, 0, 4),
        Tunable("fr_icmpminfragmtu", 0, 1, 0, 68),
        Tunable("fr_pass", 0, _WORD, 0, _PASS),
        Tunable("ipf_loopback", 0, 1, 0, locked=True),
        *_times(fr_tcpidletimeout=864000, fr_tcpclosewait=240, fr_tcplastack=240, fr_tcptimeout=240),
        *_times(fr_tcpclosed=120, fr_tcphalfclosed=14400, fr_udptimeout=240, fr_udpacktimeout=24),
        *_times(fr_icmptimeout=120, fr_icmpacktimeout=12, fr_iptimeout=120),
        Tunable("fr_statemax", 1, _TIME, 50000),
        Tunable("fr_statesize", 1, _TIME, 5737, locked=True),
        Tunable("fr_state_lock", 0, 1, 0),
        Tunable("fr_state_maxbucket", 1, _TIME, 0, 26, locked=True),
        Tunable("fr_state_maxbucket_reset", 0, 1, 1, locked=True),
        Tunable("ipstate_logging", 0, 1, 1),
        Tunable("state_flush_level_hi", 1, 100, 95),
        Tunable("state_flush_level_lo", 1, 100, 75),
        Tunable("fr_nat_lock", 0, 1, 0),
        Tunable("ipf_nattable_sz", 1, _TIME, 2047, locked=True),
        Tunable("ipf_nattable_max", 1, _TIME, 30000),
        Tunable("ipf_natrules_sz", 1, _TIME, 127, locked=True),
        Tunable("ipf_rdrrules_sz", 1, _TIME, 127, locked=True),
        Tunable("ipf_hostmap_sz", 1, _TIME, 2047, locked=True),
        Tunable("fr_nat_maxbucket", 1, _TIME, 0, 22, locked=True),
        Tunable("fr_nat_maxbucket_reset", 0, 1, 1, locked=True),
        Tunable("nat_logging", 0, 1, 1),
        *_times(fr_defnatage=1200, fr_defnatipage=120, fr_defnaticmpage=6),
        Tunable("nat_flush_level_hi", 1, 100, 95),
        Tunable("nat_flush_level_lo", 1, 100, 75),
        Tunable("ipfr_size", 1, _TIME, 257, locked=True),
        Tunable("fr_ipfrttl", 1, _TIME, 120, locked=True),
        Tunable("ipl_suppress", 0, 1, 1),
        Tunable("ipl_buffer_sz", 0, 0, 0),
        Tunable("ipl_logmax", 0, _TIME, 7, locked=True),
        Tunable("ipl_logall", 0, 1, 0),
        Tunable("ipl_logsize", 0, 0x80000, 8192),
    )
}
"""All of them, in the kernel's order."""
