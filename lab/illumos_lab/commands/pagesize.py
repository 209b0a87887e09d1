"""pagesize(1): sizes of memory pages."""

from __future__ import annotations

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.memory import PAGE_BYTES

_LARGE = 2 * 1024 * 1024


def main(host: Host, run: Invocation) -> int:
    """Print the size in bytes, with -a of large pages as well; returns 0, or 1 for wrong usage."""
    try:
        pairs, _ = getopt(run.argv, "a", permute=False)
    except (UnknownOptionError, MissingValueError) as error:
        run.err(f"pagesize: illegal option -- {str(error)[1:]}\nusage: pagesize [-a]\n")
        return 1
    run.out(f"{PAGE_BYTES}\n" + (f"{_LARGE}\n" if pairs else ""))
    return 0
