"""shutdown(8), init(8), reboot(8), halt(8), poweroff(8): end or restart a zone or the machine."""

from __future__ import annotations

import contextlib
import threading

from illumos_lab import zone_life
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.zone_states import ZoneadmdError

_FOR_EVER = threading.TIMEOUT_MAX
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
    graceful = run.name not in _BY_NAME
    threading.Thread(target=_end, args=(host, run.zone, action, graceful), daemon=True).start()
    return 0


def _end(host: Host, zone: str, action: str, graceful: bool) -> None:
    """End a zone, its services first unless they are to be killed, and boot it again if that is asked."""
    with contextlib.suppress(ZoneadmdError):
        if graceful:
            zone_life.shutdown(host, zone, _FOR_EVER)
        if action == _OFF:
            zone_life.halt(host, zone)
        elif graceful:
            zone_life.boot(host, zone)
        else:
            zone_life.reboot(host, zone)


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
