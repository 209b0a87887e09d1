"""Programs that an illumos system has and the lab does not play: refused, never passed over."""

from __future__ import annotations

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation


def main(host: Host, run: Invocation) -> int:
    """Say that the program is not emulated."""
    run.err(f"{run.name}: not emulated by illumos-lab\n")
    return 1
