"""ipfstat(8): the lists of filter rules, which are always empty in the lab."""

from __future__ import annotations

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ipfilter.call import DeviceError, ZoneError, check_device, target_zone
from illumos_lab.ipfilter.state import filters

_USAGE = "Usage:\tipfstat [-6aAdfghIilnoRsv] [-G|-z zonename]\n"


def main(host: Host, run: Invocation) -> int:
    """Run ipfstat with -i, -o or both."""
    try:
        options, _ = getopt(run.argv, "6aAdfgG:hIilnoRsvz:", permute=False)
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE)
        return 1
    given = dict(options)
    if "z" in given and "G" in given:
        run.err("Only one of -G and -z may be set\n")
        return 1
    try:
        check_device(host, run)
        zone = target_zone(host, run, given.get("z", given.get("G")), "G" in given)
    except ZoneError as error:
        run.err(str(error))
        return 1
    except DeviceError as error:
        run.err(f"open device: {error}\n")
        return 1
    if not filters(host).plane(zone, "G" in given).enabled:
        run.err("ioctl(SIOCGETFS): I/O error\n")
        return 1
    if not given.keys() & {"i", "o"}:
        run.err(f"{run.name}: statistics: not emulated by illumos-lab\n")
        return 1
    if "o" in given:
        run.out("empty list for ipfilter(out)\n")
    if "i" in given:
        run.out("empty list for ipfilter(in)\n")
    return 0
