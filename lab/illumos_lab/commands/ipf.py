"""ipf(8): switch IPFilter of a stack on and off, and load its filter rules.

Options act in the order in which they stand. The zone of -z and -G is the operand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ipfilter.call import (
    DeviceError,
    ZoneError,
    check_device,
    read_file,
    resolver,
    system_error,
    target_zone,
)
from illumos_lab.ipfilter.filter_rules import FilterRule
from illumos_lab.ipfilter.load import FilterLoad
from illumos_lab.ipfilter.state import Plane, filters
from illumos_lab.ipfilter.statistics import zeroed_statistics
from illumos_lab.ipfilter.tunables import TUNABLES
from illumos_lab.kernel import PACKET_COUNTERS, Count

_USAGE = (
    "usage: ipf [-6AdDEInoPrRsvVyzZ] [-l block|pass|nomatch|state|nat] [-cc] [-F i|o|a|s|S|u]"
    " [-f filename] [-T <tuneopts>] [-G] [zonename]\n"
)
_VERSION = "v4.1.9 (592)"
_NOT_REVISION = "User/kernel version check failed\n"

# The switches are bits of one number, to which every -v adds one of them: two make a -n.
_REMOVE, _VERBOSE, _NOTHING = 0x01, 0x40, 0x80
_ZERO, _NO_NAMES, _INACTIVE = 0x1000, 0x2000, 0x4000
_TOGGLES = {"n": _NOTHING, "I": _INACTIVE, "r": _REMOVE, "R": _NO_NAMES, "z": _ZERO}

_DIRECTIONS = {"in": 0x8000, "out": 0x4000}


@dataclass
class _Call:
    """One call of ipf.

    Attributes:
        host, run: machine and caller.
        operand: the zone named last.
        from_global: option -G.
        switches: bits of the options seen so far.
        version: 6 after -6.
    """

    host: Host
    run: Invocation
    operand: str | None
    from_global: bool = False
    switches: int = 0
    version: int = 4

    def has(self, switch: int) -> bool:
        """A switch is on."""
        return bool(self.switches & switch)

    def open(self) -> Plane | None:
        """The plane to act on; None, after a message, when the device cannot be opened."""
        try:
            check_device(self.host, self.run)
            return filters(self.host).plane(self.zone(), self.from_global)
        except ZoneError as error:
            self.run.err(str(error))
        except DeviceError as error:
            self.run.err(f"open device: {error}\n")
        return None

    def zone(self) -> str:
        """The zone to act on."""
        return target_zone(self.host, self.run, self.operand, self.from_global)

    def open_checked(self) -> Plane | None:
        """As `open`, for what needs a kernel of the right version besides: None after another message."""
        if self.has(_NOTHING):
            return None
        plane = self.open()
        if plane is None and not self.zone_fails:
            self.run.err(_NOT_REVISION)
        return plane

    def reset(self, rule: FilterRule) -> Count:
        """Let the counter of a rule start again; what it had counted."""
        return filters(self.host).reset(self.zone(), [rule.counter], self.from_global)[rule.counter]

    def apply(self) -> None:
        """Make the rules true on the wire. Those set from the global zone are only kept in the books."""
        if not self.from_global:
            filters(self.host).apply(self.zone())

    @property
    def zone_fails(self) -> bool:
        """It is the zone that cannot be found, not the device."""
        try:
            check_device(self.host, self.run)
        except DeviceError:
            return False
        return True


def main(host: Host, run: Invocation) -> int:
    """Run ipf. Most failures leave the exit status at 0, as the real program does."""
    try:
        options, operands = getopt(run.argv, "6Ac:dDEf:F:GIl:noPrRsT:vVyzZ", permute=False)
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE)
        return 1
    if not options:
        run.err(_USAGE)
        return 1
    letters = [letter for letter, _ in options]
    call = _Call(host, run, operands[-1] if operands else None, "G" in letters)
    if call.from_global and call.operand is None:
        return 0
    for letter, value in options:
        status = _option(call, letter, value)
        if status:
            return status
    return 0


def _option(call: _Call, letter: str, value: str) -> int:
    match letter:
        case "n" | "I" | "r" | "R" | "z":
            call.switches ^= _TOGGLES[letter]
        case "v":
            call.switches += _VERBOSE
        case "A":
            call.switches &= ~_INACTIVE
        case "6":
            call.version = 6
        case "E" | "D":
            _enable(call, letter == "E")
        case "F":
            return _flush(call, value)
        case "f":
            return _file(call, value)
        case "s":
            _swap(call)
        case "V":
            return _version(call)
        case "y":
            _resynchronize(call)
        case "Z":
            return _zero(call)
        case "T":
            return _tune(call, value)
        case "c" if value != "c":
            # Only cc makes anything.
            pass
        case "G" | "o":
            pass
        case _:
            call.run.err(f"{call.run.name}: -{letter}: not emulated by illumos-lab\n")
            return 1
    return 0


def _enable(call: _Call, on: bool) -> None:
    if call.has(_NOTHING):
        return
    if call.open() is not None:
        filters(call.host).set_enabled(call.zone(), on, call.from_global)
    elif not call.zone_fails:
        call.run.err("SIOCFRENB: Bad file number\n")


def _flush(call: _Call, what: str) -> int:
    """Remove rules, or with s and S the states of connections."""
    if not what:
        return 0
    plane = call.open_checked()
    if plane is None:
        return 1
    if not plane.enabled:
        call.run.err(f"ioctl({'SIOCIPFL6' if call.version == 6 else 'SIOCIPFFL'}): I/O error\n")
        return 1
    directions = frozenset[str]()
    if what in ("s", "S"):
        # -Fs is for half-closed connections, which are not told apart here.
        if what == "S":
            plane.generation += 1
        count = 0
        shown = f"{what} ({1 if what == 's' else 2})"
    elif what == "u":
        return 0
    else:
        lower = what.lower()
        directions = frozenset(name for name in _DIRECTIONS if name[0] in lower or "a" in lower)
        with call.host.lock:
            count = plane.flush(directions, call.has(_INACTIVE), call.version)
        bits = sum(_DIRECTIONS[name] for name in directions)
        letters = ("I" if "in" in directions else "") + ("O" if "out" in directions else "")
        shown = f"{letters} ({bits - (1 << 31) if call.has(_INACTIVE) else bits})"
    if call.has(_VERBOSE):
        call.run.out(f"remove flags {shown}\nremoved {count} filter rules\n")
    call.apply()
    return 0


def _file(call: _Call, name: str) -> int:
    plane = call.open_checked()
    pretend = call.has(_NOTHING)
    try:
        text = read_file(call.host, call.run, name)
    except OSError as error:
        call.run.err(f"fopen({name}) failed: {system_error(error)}\n")
        return 0
    refused = ""
    if plane is None and not pretend:
        refused = "Bad file number"
        if call.zone_fails:
            return 0
    elif plane is not None and not plane.enabled:
        refused = "I/O error"
    load = FilterLoad(
        [] if plane is None else plane.filter_set(call.has(_INACTIVE)),
        refused,
        pretend=pretend,
        delete=call.has(_REMOVE),
        reset=call.reset if call.has(_ZERO) else None,
        verbose=call.has(_VERBOSE),
        resolve_ports=not call.has(_NO_NAMES),
    )
    with call.host.lock:
        result = load.read(text, call.version, resolver(call.host, call.run.zone))
    call.run.out(result.stdout)
    call.run.err(result.stderr)
    if plane is not None and not pretend:
        call.apply()
    return result.status


def _swap(call: _Call) -> None:
    plane = call.open_checked()
    shown = 2
    if plane is not None:
        if not plane.enabled:
            call.run.err("ioctl(SIOCSWAPA): I/O error\n")
            return
        shown = plane.active
        plane.active ^= 1
        call.apply()
    call.run.out(f"Set {shown} now inactive\n")


def _resynchronize(call: _Call) -> None:
    plane = call.open_checked()
    if plane is not None:
        if not plane.enabled:
            call.run.err("SIOCFRSYN: I/O error\n")
            return
        call.apply()
    call.run.out("filter sync'd\n")


def _zero(call: _Call) -> int:
    """Show the totals and let them start again; those of rules go on."""
    plane = call.open_checked()
    if plane is None:
        return 0
    if not plane.enabled:
        call.run.err("ioctl(SIOCFRZST): I/O error\n")
        return 255
    counts = filters(call.host).reset(call.zone(), PACKET_COUNTERS, call.from_global)
    call.run.out(zeroed_statistics(counts))
    return 0


def _tune(call: _Call, what: str) -> int:
    """Show parameters; a new value would have no effect here, and is refused."""
    plane = call.open_checked()
    if plane is None:
        return 0
    for word in filter(None, what.split(",")):
        name, assigned, value = word.partition("=")
        tunable, number = TUNABLES.get(name), None
        if word == "list":
            call.run.out("".join(each.text(plane) for each in TUNABLES.values()))
        elif assigned and (number := re.match(r"\s*(\d+)", value)) is None:
            call.run.err(f"invalid value '{name}'\n")
            return 0
        elif tunable is None:
            call.run.err(f"ioctl({'SIOCIPFSET' if assigned else 'SIOCIPFGET'}): No such process\n")
            return 0
        elif not assigned:
            call.run.out(tunable.text(plane))
        elif tunable.locked and plane.enabled:
            call.run.err("ioctl(SIOCIPFSET): Device busy\n")
            return 0
        elif number is not None and not tunable.low <= int(number[1]) <= tunable.high:
            call.run.err("ioctl(SIOCIPFSET): Invalid argument\n")
            return 0
        else:
            call.run.err(f"{call.run.name}: -T {word}: not emulated by illumos-lab\n")
            return 1
    return 0


def _version(call: _Call) -> int:
    call.run.out(f"ipf: IP Filter: {_VERSION}\n")
    plane = call.open()
    if plane is None:
        return 1
    call.run.out(
        f"Kernel: IP Filter: {_VERSION:<16}\nRunning: {'yes' if plane.enabled else 'no'}\n"
        "Log Flags: 0 = none set\nDefault: pass all, Logging: available\n"
        f"Active list: {plane.active}\nFeature mask: 0x107\n"
    )
    return 0
