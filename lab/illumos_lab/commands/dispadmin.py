"""dispadmin(8): the default scheduling class, which is kept in /etc/dispadmin.conf and has no effect."""

from __future__ import annotations

from illumos_lab.conffile import replace_file
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_CONFIGURATION = "/etc/dispadmin.conf"
_KEY = "DEFAULT_SCHEDULER"
_CLASSES = {
    "TS": "Time Sharing",
    "IA": "Interactive",
    "FSS": "Fair Share",
    "FX": "Fixed Priority",
    "RT": "Real Time",
}


def main(host: Host, run: Invocation) -> int:
    """Print (-d) or set (-d class) the default class; returns 0, or 1 for any failure."""
    try:
        pairs, operands = getopt(run.argv, "lc:dgr:s:u", permute=False)
    except (UnknownOptionError, MissingValueError) as error:
        run.err(f"dispadmin: illegal option -- {str(error)[1:]}\n")
        return 1
    letters = [letter for letter, _ in pairs]
    if letters != ["d"]:
        what = next((f"-{letter}" for letter in letters if letter != "d"), "no option")
        run.err(f"dispadmin: {what}: not emulated by illumos-lab\n")
        return 1
    if run.zone != "global":
        run.err("dispadmin: Operation not supported in non-global zones\n")
        return 1
    file = host.path(run.zone, _CONFIGURATION)
    match operands:
        case [] if not file.exists():
            run.err("dispadmin: Default scheduling class is not set\n")
            return 1
        case []:
            name = file.read_text().rpartition("=")[2].strip()
            run.out(f"{name}\t({_CLASSES.get(name, name)})\n")
            return 0
        case [name] if name not in _CLASSES:
            run.err(f"dispadmin: Invalid or unconfigured class {name}\n")
            return 1
        case [name] if not run.privileged:
            run.err(f"dispadmin: Failed to open {_CONFIGURATION} (Permission denied)\n")
            return 1
        case [name]:
            replace_file(file, f"#\n# {_CONFIGURATION}\n#\n{_KEY}={name}\n")
            return 0
        case _:
            run.err("dispadmin: one class at a time: not emulated by illumos-lab\n")
            return 1
