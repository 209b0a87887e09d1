"""uname(1): name of the system."""

from __future__ import annotations

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_ORDER = "snrvmpio"


def main(host: Host, run: Invocation) -> int:
    """Print the values asked for in their fixed order; without options the system's name."""
    letters = ""
    for word in run.argv:
        if not word.startswith("-") or len(word) < 2:
            run.err("usage: uname [-aimnoprsvX]\n       uname [-S system_name]\n")
            return 1
        for letter in word[1:]:
            if letter not in _ORDER + "aX":
                run.err(f"uname: illegal option -- {letter}\n")
                run.err("usage: uname [-aimnoprsvX]\n       uname [-S system_name]\n")
                return 1
            letters += letter
    values = {
        "s": "SunOS",
        "n": host.nodename(run.zone),
        "r": "5.11",
        "v": host.profile.uname_version,
        "m": "i86pc",
        "p": "i386",
        "i": "i86pc",
        "o": "illumos",
    }
    active = host.zones.active(run.zone)
    if active is not None and active.configuration.brand == "solaris10":
        values |= {"r": "5.10", "v": "Generic_Virtual"}
    if "X" in letters:
        run.out(
            f"System = {values['s']}\nNode = {values['n']}\nRelease = {values['r']}\n"
            f"KernelID = {values['v']}\nMachine = {values['m']}\nBusType = <unknown>\n"
            "Serial = <unknown>\nUsers = <unknown>\nOEM# = 0\nOrigin# = 1\nNumCPU = 2\n"
        )
        return 0
    if "a" in letters:
        letters = _ORDER
    wanted = letters or "s"
    run.out(" ".join(values[letter] for letter in _ORDER if letter in wanted) + "\n")
    return 0
