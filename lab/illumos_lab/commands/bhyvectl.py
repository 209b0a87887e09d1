"""bhyvectl(8): control a virtual machine from outside."""

from __future__ import annotations

from collections.abc import Callable

from illumos_lab import zone_life
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.zone_states import RUNNING

_USAGE = "Usage: bhyvectl --vm=<vmname>\n       [--force-reset]\n       [--force-poweroff]\n"
_ACTIONS: dict[str, Callable[[Host, str], None]] = {
    "--force-poweroff": zone_life.halt,
    "--force-reset": zone_life.reboot,
}
"""How bhyve ends by each, so the zone that has nothing but its process."""


def main(host: Host, run: Invocation) -> int:
    """Switch a zone's virtual machine off or reset it; returns 0, or 1 when that cannot be."""
    words = iter(run.argv)
    machine = ""
    actions = []
    for word in words:
        option, equals, value = word.partition("=")
        if option == "--vm":
            machine = value if equals else next(words, "")
        elif word in _ACTIONS:
            actions.append(word)
        else:
            run.err(f"bhyvectl: {word}: not emulated by illumos-lab\n")
            return 1
    if not machine:
        run.err(_USAGE)
        return 1
    active = host.zones.active(machine)
    running = active is not None and active.state == RUNNING and active.configuration.brand == "bhyve"
    if run.zone != "global" or not run.privileged or not running:
        run.err(f"VM:{machine} is not created.\n")
        return 1
    for action in actions:
        _ACTIONS[action](host, machine)
    return 0
