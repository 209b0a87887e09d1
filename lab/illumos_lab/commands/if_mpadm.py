"""if_mpadm(8): take an interface of an IPMP group out of service, and back into it."""

from __future__ import annotations

from illumos_lab.deferred import deferred_output
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip import IpStack, ipmp


class _Refused(Exception):
    """The interface stays as it is; the text is the message after ``fatal: ``."""


def main(host: Host, run: Invocation) -> int:
    """Run if_mpadm; exit status 0 or 1."""
    try:
        options, _ = getopt(run.argv, "d:r:", permute=False)
    except (UnknownOptionError, MissingValueError):
        options = []
    if not options:
        run.err(f"Usage: {run.name} [-d | -r] <interface>\n")
        return 1
    letter, name = options[-1]
    with deferred_output(run) as later, host.lock:
        stack = host.stacks.get(run.zone) or host.stacks["global"]
        try:
            _change(stack, name, offline=letter == "d", privileged=run.privileged)
        except _Refused as error:
            later.err(f"{run.name}: fatal: {error}\n")
            return 1
    return 0


def _change(stack: IpStack, name: str, *, offline: bool, privileged: bool) -> None:
    """Take an interface out of service, or back.

    Raises:
        _Refused: it is in no group, the last of its group, or so already.
    """
    interface = stack.interfaces.get(name)
    if interface is None:
        raise _Refused(f"cannot get interface flags on {name}: No such device or address")
    if interface.offline == offline:
        raise _Refused(f"interface {name} is {'already' if offline else 'not'} offline")
    verb = "offline" if offline else "undo-offline"
    group = ipmp.find(stack, interface.group) if interface.underlying else None
    if group is None:
        raise _Refused(f"cannot {verb} {name}: not a physical interface or not in an IPMP group")
    if not privileged:
        raise _Refused(f"cannot {verb} {name}: Permission denied")
    others = [each for each in ipmp.members(stack, group) if each is not interface]
    if offline and not any(map(ipmp.usable, others)):
        raise _Refused(f"cannot {verb} {name}: no other functioning interfaces are in its IPMP group")
    ipmp.set_offline(stack, interface, offline)
