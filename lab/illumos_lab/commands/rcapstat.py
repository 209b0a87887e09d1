"""rcapstat(1): what rcapd knows of the memory of capped zones."""

from __future__ import annotations

import time

from illumos_lab.commands.rcapadm import RCAP
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.memory import resident_bytes, virtual_bytes

_OK, _ERROR, _USAGE = range(3)
_USAGE_TEXT = "usage: rcapstat [-g] [-p | -z] [-T d|u] [interval [count]]\n"
_DEFAULT_INTERVAL = 5


def main(host: Host, run: Invocation) -> int:
    """Print a line for each capped zone at every interval; returns 0, 1 for an error, 2 for wrong usage."""
    try:
        pairs, operands = getopt(run.argv, "gpzT:", permute=False)
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE_TEXT)
        return _USAGE
    letters = {letter for letter, _ in pairs}
    if {"p", "z"} <= letters or len(operands) > 2 or not all(word.isdigit() for word in operands):
        run.err(_USAGE_TEXT)
        return _USAGE
    if letters != {"z"}:
        run.err(f"{run.name}: only -z is emulated by the lab\n")
        return _ERROR
    if not host.smf.enabled(run.zone, RCAP):
        run.err(f"{run.name}: rcapd is not active\n")
        return _ERROR
    interval = int(operands[0]) if operands else _DEFAULT_INTERVAL
    count = int(operands[1]) if len(operands) == 2 else None
    rounds = 0
    while count is None or rounds < count:
        if rounds:
            time.sleep(interval)
        run.out(_report(host))
        rounds += 1
    return _OK


def _report(host: Host) -> str:
    heading = ("id", "zone", "nproc", "vm", "rss", "cap", "at", "avgat", "pg", "avgpg")
    lines = [_line(*heading)]
    for zone in host.zones.all_active():
        if zone.memory_cap is None:
            continue
        pids = host.runtime.processes(zone.name)
        sizes = (virtual_bytes(pids), resident_bytes(pids), zone.memory_cap, 0, 0, 0, 0)
        lines.append(_line(str(zone.zone_id), zone.name, str(len(pids)), *map(_size, sizes)))
    return "".join(lines)


def _line(number: str, zone: str, *columns: str) -> str:
    return f"{number:>6} {zone:<15} " + " ".join(f"{column:>5}" for column in columns) + "\n"


def _size(number: int) -> str:
    size, unit = number // 1024, "K"
    for larger in "MG":
        if size >= 10000:
            size, unit = (size + 512) // 1024, larger
    return f"{size:4d}{unit}"
