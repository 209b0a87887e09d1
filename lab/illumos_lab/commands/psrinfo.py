"""psrinfo(8): the processors of the machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

PROCESSORS = 2
"""Virtual processors of the emulated machine, all of one physical processor."""

_MEGAHERTZ = 2400
_USAGE = (
    "usage: \n\tpsrinfo -p [-v] [processor_id ...]\n\tpsrinfo [-v] [-p] [processor_id ...]\n"
    "\tpsrinfo -s [-p] processor_id\n\tpsrinfo -t [-S state | -c | -p]\n"
)


def main(host: Host, run: Invocation) -> int:
    """Print the state of processors; returns 0, 1 when one does not exist, 2 for wrong usage."""
    try:
        pairs, operands = getopt(run.argv, "pvstcS:", permute=False)
    except (UnknownOptionError, MissingValueError) as error:
        run.err(f"psrinfo: illegal option -- {str(error)[1:]}\n{_USAGE}")
        return 2
    letters = {letter for letter, _ in pairs}
    if letters & set("tcS"):
        return _total(run, dict(pairs), operands)
    if {"s", "v"} <= letters or ("s" in letters and len(operands) != 1):
        run.err(_USAGE)
        return 2
    wanted = []
    status = 0
    for operand in operands:
        if operand.isdigit() and int(operand) < PROCESSORS:
            wanted.append(int(operand))
        else:
            bad = "No such device or address" if operand.isdigit() else "Invalid argument"
            run.err(f"psrinfo: processor {operand}: {bad}\n")
            status = 2
    if not operands:
        wanted = list(range(PROCESSORS))
    if "s" in letters:
        run.out("1\n" if wanted else "")
    elif "p" in letters:
        run.out(_physical(wanted, "v" in letters) if wanted else "")
    else:
        run.out("".join(_virtual(number, "v" in letters) for number in wanted))
    return status


def _total(run: Invocation, options: dict[str, str], operands: list[str]) -> int:
    """``-t``: the number of processors, of those in a state, of cores or of physical processors."""
    given = options.keys()
    kinds = {"c": PROCESSORS, "p": 1}
    if "t" not in given:
        wrong = "cannot specify -S or -c without -t"
    elif operands:
        wrong = "cannot specify CPUs with -t"
    elif given & {"s", "v"}:
        wrong = "cannot specify -s or -v with -t"
    elif "S" in given and given & kinds.keys():
        wrong = "cannot specify CPU state with -c or -p"
    elif given >= kinds.keys():
        wrong = "cannot specify -c and -p"
    else:
        states = {"on-line": PROCESSORS, "all": PROCESSORS}
        kind = next(iter(given & kinds.keys()), None)
        run.out(f"{kinds[kind] if kind else states.get(options.get('S', 'all'), 0)}\n")
        return 0
    run.err(f"psrinfo: {wrong}\n{_USAGE}")
    return 2


def _boot_time() -> float:
    """When the host booted: the start of its daemon, in seconds since the epoch."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time() - up + ticks / os.sysconf("SC_CLK_TCK")


def _moment(seconds: float) -> str:
    return time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime(seconds))


def _virtual(number: int, verbose: bool) -> str:
    if not verbose:
        return f"{number}\ton-line   since {_moment(_boot_time())}\n"
    return (
        f"Status of virtual processor {number} as of: {_moment(time.time())}\n"
        f"  on-line since {_moment(_boot_time())}.\n"
        f"  The i386 processor operates at {_MEGAHERTZ} MHz,\n"
        "\tand has an i387 compatible floating point processor.\n"
    )


def _physical(wanted: list[int], verbose: bool) -> str:
    if not verbose:
        return "1\n"
    noun = "processors" if len(wanted) > 1 else "processor"
    span = f"{wanted[0]}-{wanted[-1]}" if len(wanted) > 1 else str(wanted[0])
    return (
        f"The physical processor has {len(wanted)} virtual {noun} ({span})\n"
        f"  x86 (GenuineIntel 306F2 family 6 model 63 step 2 clock {_MEGAHERTZ} MHz)\n"
        f"\tIntel(r) Xeon(r) CPU E5-2676 v3 @ {_MEGAHERTZ / 1000:.2f}GHz\n"
    )
