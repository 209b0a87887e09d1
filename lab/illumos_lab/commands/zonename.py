"""zonename(1): print the name of the current zone."""

from __future__ import annotations

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation


def main(_host: Host, run: Invocation) -> int:
    """Print the caller's zone; the program takes no arguments."""
    run.out(f"{run.zone}\n")
    return 0
