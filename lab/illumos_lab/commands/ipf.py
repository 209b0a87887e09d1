"""ipf(8): switch IPFilter of a stack on and off. Filter rules are not emulated and refused.

Options act in the order in which they stand. The zone of -z and -G is the operand.
"""

from __future__ import annotations

from dataclasses import dataclass

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ipfilter.call import (
    DeviceError,
    ZoneError,
    check_device,
    read_file,
    system_error,
    target_zone,
)
from illumos_lab.ipfilter.state import filters

_USAGE = (
    "usage: ipf [-6AdDEInoPrRsvVyzZ] [-l block|pass|nomatch|state|nat] [-cc] [-F i|o|a|s|S|u]"
    " [-f filename] [-T <tuneopts>] [-G] [zonename]\n"
)
_VERSION = "v4.1.9 (592)"
_NOT_REVISION = "User/kernel version check failed\n"


@dataclass
class _Call:
    """One call of ipf.

    Attributes:
        host, run: machine and caller.
        operand: the zone named last.
        from_global: option -G.
        nothing: option -n has been seen.
    """

    host: Host
    run: Invocation
    operand: str | None
    from_global: bool = False
    nothing: bool = False

    def open(self) -> str | None:
        """The zone to act on; None, after a message, when the device cannot be opened."""
        try:
            check_device(self.host, self.run)
            return target_zone(self.host, self.run, self.operand, self.from_global)
        except ZoneError as error:
            self.run.err(str(error))
        except DeviceError as error:
            self.run.err(f"open device: {error}\n")
        return None

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
        options, operands = getopt(run.argv, "6AdDEf:F:GIl:noPrRsT:vVyzZ", permute=False)
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
        case "n":
            call.nothing = True
        case "E" | "D":
            return _enable(call, letter == "E")
        case "F":
            return _flush(call, value)
        case "f":
            return _file(call, value)
        case "V":
            return _version(call)
        case "y":
            if not call.nothing and (zone := call.open()) is not None and not call.from_global:
                filters(call.host).apply(zone)
            call.run.out("filter sync'd\n")
        case "6" | "A" | "G" | "I" | "v" | "d" | "R":
            pass
        case _:
            call.run.err(f"{call.run.name}: -{letter}: not emulated by illumos-lab\n")
            return 1
    return 0


def _enable(call: _Call, on: bool) -> int:
    if call.nothing:
        return 0
    zone = call.open()
    if zone is not None:
        filters(call.host).set_enabled(zone, on, call.from_global)
    elif not call.zone_fails:
        call.run.err("SIOCFRENB: Bad file number\n")
    return 0


def _flush(call: _Call, what: str) -> int:
    if what[:1] not in "iaosSu" or not what:
        call.run.err(_USAGE)
        return 1
    if call.nothing:
        return 1
    zone = call.open()
    if zone is None:
        return 1
    if not filters(call.host).plane(zone, call.from_global).enabled:
        call.run.err("ioctl(SIOCIPFFL): I/O error\n")
        return 1
    return 0


def _file(call: _Call, name: str) -> int:
    """A file without rules is read; rules would have to be obeyed, so they are refused."""
    try:
        text = read_file(call.host, call.run, name)
    except OSError as error:
        call.run.err(f"fopen({name}) failed: {system_error(error)}\n")
        return 1
    rules = [line for line in text.splitlines() if line.split("#")[0].strip()]
    if not call.nothing:
        zone = call.open()
        if zone is None:
            if not call.zone_fails:
                call.run.err(_NOT_REVISION + "1:ioctl(add/insert rule): Bad file number\n")
            return 0
    if rules:
        call.run.err(f"{call.run.name}: filter rules: not emulated by illumos-lab\n")
        return 1
    return 0


def _version(call: _Call) -> int:
    call.run.out(f"ipf: IP Filter: {_VERSION}\n")
    zone = call.open()
    if zone is None:
        return 1
    running = "yes" if filters(call.host).plane(zone, call.from_global).enabled else "no"
    call.run.out(
        f"Kernel: IP Filter: {_VERSION:<16}\nRunning: {running}\n"
        "Log Flags: 0 = none set\nDefault: pass all, Logging: available\nActive list: 0\n"
        "Feature mask: 0x107\n"
    )
    return 0
