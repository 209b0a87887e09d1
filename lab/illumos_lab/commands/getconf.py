"""getconf(1): limits of the system."""

from __future__ import annotations

import os
from pathlib import Path

from illumos_lab.commands.psrinfo import PROCESSORS
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.memory import PAGE_BYTES

_USAGE = (
    "usage:\tgetconf [-v specification] system_var\n"
    "\tgetconf [-v specification] path_var pathname\n"
    "\tgetconf -a\n"
)
_MACHINE = {
    "NPROCESSORS_CONF": PROCESSORS,
    "NPROCESSORS_ONLN": PROCESSORS,
    "PAGESIZE": PAGE_BYTES,
    "PAGE_SIZE": PAGE_BYTES,
}
"""What the emulated machine has of its own; of the rest this machine's values stand in."""


def main(host: Host, run: Invocation) -> int:
    """Print one variable; returns 0, 1 for failures, 2 for wrong usage."""
    try:
        pairs, operands = getopt(run.argv, "av:", permute=False)
    except (UnknownOptionError, MissingValueError) as error:
        run.err(f"getconf: illegal option -- {str(error)[1:]}\n{_USAGE}")
        return 2
    if any(letter == "a" for letter, _ in pairs):
        if operands:
            run.err(_USAGE)
            return 2
        run.err("getconf: -a: not emulated by illumos-lab\n")
        return 1
    if not operands:
        run.err(_USAGE)
        return 2
    name, *paths = operands
    is_of_path = f"PC_{name}" in os.pathconf_names
    if not is_of_path and name not in _MACHINE and f"SC_{name}" not in os.sysconf_names:
        run.err(f"getconf: Invalid argument ({name})\n")
        return 1
    if len(paths) != is_of_path:
        run.err(_USAGE)
        return 2
    if is_of_path:
        try:
            value = os.pathconf(host.path(run.zone, str(Path(run.cwd, paths[0]))), f"PC_{name}")
        except OSError:
            run.out(paths[0])
            return 1
    else:
        value = _MACHINE[name] if name in _MACHINE else os.sysconf(f"SC_{name}")
    run.out("undefined\n" if value == -1 else f"{value}\n")
    return 0
