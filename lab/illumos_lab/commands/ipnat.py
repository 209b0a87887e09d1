"""ipnat(8): NAT rules of a zone's stack.

The order of the options does not matter: sessions are flushed, then rules, then the file is read, then
lists are printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
from illumos_lab.ipfilter.load import load_text
from illumos_lab.ipfilter.rules import Rule
from illumos_lab.ipfilter.sessions import session_text
from illumos_lab.ipfilter.state import Plane, filters
from illumos_lab.ipfilter.statistics import nat_statistics
from illumos_lab.kernel import Count, NatSession

_USAGE = "Usage:\tipnat [-CdFhlnrRsv] [-G|-z zonename] [-f filename]\n"


def main(host: Host, run: Invocation) -> int:
    """Run ipnat; exit status 0 or 1. Rules that the kernel refuses do not make it fail."""
    try:
        options, _ = getopt(run.argv, "CdFf:G:hlnrRsvz:", permute=False)
    except (UnknownOptionError, MissingValueError) as error:
        run.err(f"{run.name}: illegal option -- {str(error).lstrip('-')}\n{_USAGE}")
        return 1
    given = dict(options)
    if not given:
        run.err(_USAGE)
        return 1
    if "z" in given and "G" in given:
        run.err("Only one of -G and -z may be set\n")
        return 1
    plane = Plane()
    zone, from_global = run.zone, "G" in given
    if "n" not in given:
        try:
            check_device(host, run)
            zone = target_zone(host, run, given.get("z", given.get("G")), from_global)
        except ZoneError as error:
            run.err(str(error))
            return 1
        except DeviceError as error:
            run.err(f"open device: {error}\nUser/kernel version check failed\n")
            return 1
        plane = filters(host).plane(zone, from_global)
        if not plane.enabled:
            run.err("ioctl(SIOCGNATS): I/O error\n")
            return 1
    status = _act(host, run, given, plane, "" if "n" in given or from_global else zone)
    if given.keys() & {"C", "f"} and "n" not in given and not from_global:
        filters(host).apply(zone)
    return status


def _act(host: Host, run: Invocation, given: dict[str, str], plane: Plane, zone: str) -> int:
    """Do what the options say; without a zone only the books are kept, and no packets are touched."""
    resolve_ports = "R" not in given
    only_read = "n" in given
    listed = list(plane.rules)
    if "F" in given:
        flushed = host.kernel.flush_nat_sessions(zone) if zone else int(only_read)
        run.out(f"{flushed} entries flushed from NAT table\n")
    if "C" in given:
        with host.lock:
            run.out(f"{len(plane.rules)} entries flushed from NAT list\n")
            plane.rules.clear()
            listed = []
    if "f" in given:
        try:
            text = read_file(host, run, given["f"])
        except OSError as error:
            run.err(f"fopen({given['f']}) failed: {system_error(error)}\n")
        else:
            with host.lock:
                result = load_text(
                    None if only_read else plane.rules,
                    text,
                    delete="r" in given,
                    show=(lambda rule: rule.text(resolve_ports)) if "v" in given else None,
                    resolve=resolver(host, run.zone),
                )
            run.out(result.stdout)
            run.err(result.stderr)
            if result.status:
                return result.status
    counts = filters(host).counts(zone) if zone and given.keys() & {"s", "h"} else {}
    if "s" in given:
        sessions = host.kernel.nat_sessions(zone) if zone else ()
        run.out(nat_statistics(counts, len(plane.rules), len(sessions)))
    if "l" in given:
        # The list was fetched first: rules appended to an empty one are not seen.
        sessions = host.kernel.nat_sessions(zone) if zone else ()
        _list(run, plane.rules if listed else [], sessions, given, counts)
    return 0


def _list(
    run: Invocation,
    rules: list[Rule],
    sessions: Iterable[NatSession],
    given: dict[str, str],
    counts: Mapping[str, Count],
) -> None:
    text = "List of active MAP/Redirect filters:\n"
    for rule in rules:
        hits = f"{counts.get(rule.counter, Count()).packets} " if "h" in given else ""
        text += f"{hits}{rule.text('R' not in given)}\n"
    text += "\nList of active sessions:\n"
    text += "".join(f"{session_text(rules, session)}\n" for session in sessions)
    if "v" in given:
        text += "\nList of active host mappings:\n"
    run.out(text)
