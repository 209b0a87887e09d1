"""tzreload(8): have what runs read its time zone again, here or with ``-a`` in all zones.

Nothing that runs here keeps one.
"""

from __future__ import annotations

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation


def main(host: Host, run: Invocation) -> int:
    """Notify what runs; exit status 0, or 1 for wrong usage and without privileges."""
    try:
        getopt(run.argv, "a", permute=False)
    except (UnknownOptionError, MissingValueError):
        run.err("Usage: tzreload [-a]\n")
        return 1
    if run.privileged:
        return 0
    run.err("Can't open file /var/run/tzsync\n")
    return 1
