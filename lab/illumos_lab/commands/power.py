"""shutdown(8), init(8), reboot(8), halt(8), poweroff(8): end or restart a zone or the machine."""

from __future__ import annotations

import threading

from illumos_lab import zone_life
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_REBOOT, _OFF = "reboot", "off"
_BY_STATE = {"0": _OFF, "5": _OFF, "6": _REBOOT}
_BY_NAME = {"reboot": _REBOOT, "halt": _OFF, "poweroff": _OFF}


def main(host: Host, run: Invocation) -> int:
    """Ask the machine, or the zone that the caller is in, to change its state."""
    if run.uid != 0:
        run.err(f"{run.name}: permission denied\n")
        return 1
    if run.name in _BY_NAME:
        if [word for word in run.argv if word not in ("-n", "-l", "-q", "-y", "-f", "-p")]:
            run.err(f"{run.name}: arguments are not emulated by illumos-lab: {run.argv}\n")
            return 1
        action = _BY_NAME[run.name]
    else:
        state = _state(run)
        if state not in _BY_STATE:
            run.err(f"{run.name}: state {state} is not emulated by illumos-lab\n")
            return 1
        action = _BY_STATE[state]
    if run.zone == "global":
        host.power(action)
        return 0
    # The zone's end is the caller's end too: it cannot wait for it.
    act = zone_life.reboot if action == _REBOOT else zone_life.halt
    threading.Thread(target=act, args=(host, run.zone), daemon=True).start()
    return 0


def _state(run: Invocation) -> str:
    if run.name == "init":
        return run.argv[0] if run.argv else "none"
    words = list(run.argv)
    state = "s"
    while words:
        word = words.pop(0)
        if word.startswith("-i"):
            state = word[2:] or (words.pop(0) if words else "")
        elif word == "-g" and words:
            words.pop(0)
    return state
