"""prctl(1): show and change resource controls of running zones."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, replace

from illumos_lab import rctls
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.memory import resident_bytes
from illumos_lab.rctls import PRIVILEGED, SYSTEM, Rctl, Value
from illumos_lab.zone_states import RUNNING

_OK, _ERROR, _USAGE = range(3)
_USAGE_TEXT = """\
usage:
    Report resource control values and actions:
\tprctl [-P] [-t [basic | privileged | system]
\t[-n name] [-i process | task | project | zone] id ...
\t-P space delimited output
\t-t privilege level of rctl values to get
\t-n name of resource control values to get
\t-i idtype of operand list
    Manipulate resource control values:
\tprctl [-t [basic | privileged | system]
\t-n name [-srx] [-v value] [-p pid ] [-e | -d action]
\t[-i process | task | project | zone] id ...
\t-t privilege level of rctl value to set/replace/delete/modify
\t-n name of resource control to set/replace/delete/modify
\t-s set new resource control value
\t-r replace first rctl value of matching privilege
\t-x delete first rctl value of matching privilege, value, and\x20
\t   recipient pid
\t-v value of rctl to set/replace/delete/modify
\t-p recipient pid of rctl to set/replace/delete/modify
\t-e enable action of first rctl value of matching privilege,
\t   value, and recipient pid
\t-d disable action of first rctl value of matching privilege,
\t   value, and recipient pid
\t-i idtype of operand list
"""
_HEADING = f"{'NAME':<8}{'PRIVILEGE':<16}{'VALUE':<9}{'FLAG':<7}{'ACTION':<28}{'RECIPIENT':>10}\n"
_ENTITIES = {
    "process": "process", "pid": "process", "task": "task", "taskid": "task",
    "project": "project", "projid": "project", "zone": "zone", "zoneid": "zone",
}  # fmt: skip
_PRIVILEGES = {"basic": "basic", "privileged": PRIVILEGED, "priv": PRIVILEGED, "system": SYSTEM}
_SUFFIXES = "KMGTPE"


class _WrongUsage(Exception):
    """The call is wrong; the text explains, the usage follows."""


class _Failed(Exception):
    """The change cannot be made; the text tells why."""


class _UnknownRctl(Exception):
    """There is no such resource control; the text says so."""


@dataclass(frozen=True)
class _Request:
    """What was asked for.

    Attributes:
        operation: ``s``, ``r``, ``x``, or empty to list (or only to change an action).
        change: ``e`` or ``d`` with an action to enable or disable; empty for none.
        action: that action: ``deny``, ``all``, ``signal`` or ``signal=NAME``.
        name: resource control; None for all.
        privilege: of the values; empty for all.
        value: text of ``-v``.
        parseable: one line a value, blanks between its fields.
    """

    operation: str
    change: str
    action: str
    name: str | None
    privilege: str
    value: str | None
    parseable: bool


def main(host: Host, run: Invocation) -> int:
    """Run prctl; returns 0, 1 for an error, or 2 for wrong usage."""
    try:
        request, entity, zones = _parse(host, run)
    except _WrongUsage as error:
        run.err("".join(f"{run.name}: {line}\n" for line in str(error).splitlines()) + _USAGE_TEXT)
        return _USAGE
    if entity != "zone":
        run.err(f"{run.name}: -i {entity}: not emulated by the lab\n")
        return _ERROR
    status = _OK
    for number, operand in enumerate(zones):
        zone = _zone(host, run, operand)
        if zone is None:
            status = _ERROR
            continue
        status = _OK
        try:
            with host.lock:
                text = _carry_out(host, run, zone, request)
        except _UnknownRctl as error:
            run.err(f"{run.name}: {error}\n\n")
            return _ERROR
        except _Failed as error:
            run.err(f"1:\t/sbin/init\n{run.name}: {error}\n\n")
            return _ERROR
        if text:
            run.out(("\n" if number else "") + text)
    return status


def _carry_out(host: Host, run: Invocation, zone: str, request: _Request) -> str:
    """List or change the values of a zone; what is to be printed."""
    if not request.operation and not request.change:
        return _listing(host, zone, request)
    _change(host, run, zone, request)
    return ""


def _parse(host: Host, run: Invocation) -> tuple[_Request, str, list[str]]:
    try:
        pairs, operands = getopt(run.argv, "sPp:Fd:e:i:n:rt:v:x", permute=False)
    except (UnknownOptionError, MissingValueError) as error:
        raise _WrongUsage("unknown option") from error
    options = dict(pairs)
    letters = [letter for letter, _ in pairs]
    entity = options.get("i", "process")
    problems = []
    if entity not in _ENTITIES:
        problems.append(f"unknown idtype {entity}")
    if options.get("t", "basic") not in _PRIVILEGES:
        problems.append(f"unknown privilege {options['t']}")
    if not operands:
        problems.append("no arguments specified")
    if problems:
        raise _WrongUsage("\n".join(problems))
    operations = [letter for letter in "srx" if letter in letters]
    changes = [letter for letter in "ed" if letter in letters]
    if "v" in options and not operations and not changes:
        operations = ["s"]
    request = _Request(
        operation="".join(operations[:1]),
        change="".join(changes[:1]),
        action=options[changes[0]] if changes else "",
        name=options.get("n"),
        privilege=_PRIVILEGES[options["t"]] if "t" in options else "",
        value=options.get("v"),
        parseable="P" in letters,
    )
    if operations or changes:
        _check_change(host, request, len(operations) > 1, len(changes) > 1, options.get("p", "-"))
    elif options.get("p", "-") != "-":
        raise _WrongUsage("-p pid requires -s, -r, -x, -e, or -d")
    return request, _ENTITIES[entity], operands


def _check_change(host: Host, request: _Request, operations: bool, changes: bool, pid: str) -> None:
    """The rules for a change, in the order in which prctl tries them.

    Raises:
        _WrongUsage: one of them is broken.
    """
    rctl = rctls.known(host.profile).get(request.name or "")
    problem = None
    if request.name is None:
        problem = "-n is required with -s, -r, -x, -e, or -d"
    elif changes:
        problem = "options -d and -e are exclusive"
    elif operations:
        problem = "options -s, -r, and -x are exclusive"
    elif request.operation in ("r", "s") and request.value is None:
        problem = f"option -{request.operation} requires use of option -v"
    elif pid != "-" and request.privilege in (PRIVILEGED, SYSTEM):
        problem = "option -p not allowed on non-basic rctl"
    elif request.parseable:
        problem = "-P not valid when manipulating resource control values"
    elif rctl is None:
        problem = f"failed to get resource control for {request.name}: Invalid argument"
    if problem is not None or rctl is None:
        raise _WrongUsage(problem or "")
    if request.value is not None and amount(request.value, rctl) > rctl.most:
        raise _WrongUsage(
            f"-v value {request.value} exceeds system limit for resource control: {rctl.name}"
        )
    if request.change:
        _check_action(request, rctl)
    if request.privilege == SYSTEM:
        raise _WrongUsage("cannot modify system values")
    # Values of zones are never basic, and basic is what -s means when nothing is said.
    if request.privilege == "basic":
        raise _WrongUsage(f"basic values not allowed on rctl {rctl.name}")
    if request.operation == "s" and not request.privilege and pid == "-":
        raise _WrongUsage("-p pid required when setting or replacing task or project rctl")


def _check_action(request: _Request, rctl: Rctl) -> None:
    word, _, name = request.action.partition("=")
    enable = request.change == "e"
    if word in ("signal", "sig"):
        if enable and not name:
            raise _WrongUsage("signal name or number must be specified with -e")
        if name and _signal(name) is None:
            raise _WrongUsage("signal invalid")
        if enable and not rctl.signals:
            raise _WrongUsage("unable to enable signal on rctl with global flag 'no-signal'")
    elif word == "deny":
        if enable and rctl.deny == "never":
            raise _WrongUsage("unable to enable deny on rctl with global flag 'no-deny'")
        if not enable and rctl.deny == "always":
            raise _WrongUsage("unable to disable deny on rctl with global flag 'deny'")
    elif word == "all":
        if enable:
            raise _WrongUsage("cannot use action 'all' with -e")
    else:
        raise _WrongUsage("action invalid")


def _signal(text: str) -> str | None:
    """Name of a signal that is given by name or number; None when there is no such signal."""
    names = {item.name.removeprefix("SIG"): item.value for item in signal.Signals}
    name = text.upper().removeprefix("SIG")
    if name.isdigit():
        return next((known for known, number in names.items() if number == int(name)), None)
    return name if name in names else None


def amount(text: str, rctl: Rctl) -> int:
    """The number that a text means for a resource control: decimal, with a suffix, or hexadecimal.

    Raises:
        _WrongUsage: it is no number.
    """
    base = 1024 if rctl.in_bytes else 1000
    found = re.fullmatch(r"(?i)(\d+(?:\.\d*)?)([KMGTPE])" + ("B?" if rctl.in_bytes else ""), text)
    if found:
        return int(float(found[1]) * base ** (_SUFFIXES.index(found[2].upper()) + 1))
    found = re.fullmatch(r"(?i)(0x[0-9a-f]+|\d+)" + ("B?" if rctl.in_bytes else ""), text)
    if not found:
        raise _WrongUsage(f"invalid -v value {text}")
    return int(found[1], 16) if found[1][:2].lower() == "0x" else int(found[1])


def scaled(number: int, in_bytes: bool) -> str:
    """A number as prctl shows it: at most four characters and a suffix."""
    base = 1024 if in_bytes else 1000
    if number < base:
        return str(number)
    power = 1
    while power < len(_SUFFIXES) and number >= base ** (power + 1):
        power += 1
    value = number / base**power
    decimals = 0
    while len(f"{value:.{decimals + 1}f}") <= 4:
        decimals += 1
    return f"{value:.{decimals}f}{_SUFFIXES[power - 1]}"


def _zone(host: Host, run: Invocation, operand: str) -> str | None:
    """The zone of a name or number; says why it cannot be used."""
    zones = host.zones
    names = ["global", *(zone.name for zone in zones.all_active())]
    if run.zone != "global":
        names = [run.zone]
    found = next((name for name in names if operand in (name, str(zones.zone_id(name)))), None)
    if found is None:
        run.err(f"{run.name}: {operand}: unknown zone\n")
    elif zones.kernel_state(found) != RUNNING or not run.privileged:
        run.err(f"{run.name}: {operand}: No controllable process found in task, project, or zone.\n")
        return None
    return found


# Listing -----------------------------------------------------------------------------------------


def _listing(host: Host, zone: str, request: _Request) -> str:
    known = rctls.known(host.profile)
    if request.name is not None and request.name not in known:
        kind = request.name.partition(".")[0]
        what = "not emulated by the lab" if kind in ("process", "task", "project") else "Invalid argument"
        raise _UnknownRctl(f"failed to get resource control for {request.name}: {what}")
    values = rctls.of_zone(host, zone)
    text = ""
    for rctl in [known[request.name]] if request.name else known.values():
        shown = [
            value
            for value in [*values.get(rctl.name, []), rctl.system]
            if request.privilege in ("", value.privilege)
        ]
        if shown:
            usage = _usage(host, zone, rctl, values)
            text += _parseable(rctl, shown, usage) if request.parseable else _human(rctl, shown, usage)
    if not text:
        return ""
    heading = f"zone: {host.zones.zone_id(zone)}: {zone:.70}\n"
    return heading + ("" if request.parseable else _HEADING) + text


def _human(rctl: Rctl, values: list[Value], usage: int) -> str:
    unit = "B" if rctl.in_bytes else ""
    lines = [rctl.name, f"{'':8}{'usage':<16}{scaled(usage, rctl.in_bytes):>5}{unit:<4}"]
    for value in values:
        lines.append(
            f"{'':8}{value.privilege:<16}{scaled(value.limit, rctl.in_bytes):>5}{unit:<4}"
            f"{_flag(rctl, value):>4}{'':3}{value.action:<28}{'-':>10}"
        )
    return "".join(line + "\n" for line in lines)


def _parseable(rctl: Rctl, values: list[Value], usage: int) -> str:
    lines = [f"{rctl.name} usage {usage} - - -\n"]
    for value in values:
        flag = _flag(rctl, value)
        lines.append(f"{rctl.name} {value.privilege} {value.limit} {flag} {value.action} -\n")
    return "".join(lines)


def _flag(rctl: Rctl, value: Value) -> str:
    if not value.maximal:
        return "-"
    return "inf" if rctl.infinite else "max"


def _usage(host: Host, zone: str, rctl: Rctl, values: rctls.Values) -> int:
    match rctl.name:
        case "zone.max-processes" | "zone.max-lwps":
            return len(host.runtime.processes(zone))
        case "zone.max-swap" | "zone.max-physical-memory":
            return resident_bytes(host.runtime.processes(zone))
        case "zone.cpu-shares" | "zone.zfs-io-priority":
            return values[rctl.name][0].limit if values.get(rctl.name) else 0
    return 0


# Changing ----------------------------------------------------------------------------------------


def _change(host: Host, run: Invocation, zone: str, request: _Request) -> None:
    rctl = rctls.known(host.profile)[request.name or ""]
    values = rctls.of_zone(host, zone)
    own = values.setdefault(rctl.name, [])
    limit = amount(request.value, rctl) if request.value is not None else None
    if run.zone != "global":
        verb = {"s": "create", "x": "delete"}.get(request.operation, "delete")
        raise _Failed(f"failed to {verb} resource control {rctl.name} for pid 1: Not owner")
    matching = [value for value in own if limit is None or value.limit == limit]
    match request.operation:
        case "x":
            if not matching:
                raise _Failed("no matching resource control found for deletion")
            own.remove(matching[0])
        case "r":
            if not own:
                # The first value that matches is then the system's own.
                missing = request.privilege == PRIVILEGED
                raise _Failed(
                    "no matching resource control to replace" if missing else "cannot modify system values"
                )
            if matching and limit != own[0].limit:
                raise _Failed("replacement resource control already exists")
            own[0] = _acted(replace(own[0], limit=limit or 0), rctl, request)
        case "s":
            if matching:
                raise _Failed("resource control already exists")
            own.append(_acted(Value(request.privilege, limit or 0, deny=False), rctl, request))
        case _:
            if not matching:
                raise _Failed("-p required when setting basic rctls")
            own[own.index(matching[0])] = _acted(matching[0], rctl, request)
    values[rctl.name] = rctls.in_order(own)


def _acted(value: Value, rctl: Rctl, request: _Request) -> Value:
    """A value after -e or -d."""
    word, _, name = request.action.partition("=")
    enable = request.change == "e"
    if word in ("deny", "all"):
        value = replace(value, deny=enable)
    if word in ("signal", "sig", "all"):
        named = _signal(name) if name else ""
        if not enable and named and named != value.signal:
            raise _Failed("signal name or number does not match existing action")
        value = replace(value, signal=(named or "") if enable else "")
    return rctls.enforced(value, rctl)
