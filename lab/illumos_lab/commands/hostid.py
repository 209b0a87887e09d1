"""hostid(1): the identifier of the caller's host, or of its zone where that has one of its own."""

from __future__ import annotations

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_MACHINE = "00a1b2c3"


def main(host: Host, run: Invocation) -> int:
    """Print eight hexadecimal digits; returns 0."""
    active = host.zones.active(run.zone)
    own = active.configuration.get("hostid") if active is not None else ""
    run.out(f"{own.lower().removeprefix('0x').rjust(8, '0') if own else _MACHINE}\n")
    return 0
