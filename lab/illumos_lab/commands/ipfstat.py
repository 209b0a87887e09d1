"""ipfstat(8): the lists of filter rules, and what is known without counting packets."""

from __future__ import annotations

from collections.abc import Iterator

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ipfilter.call import DeviceError, ZoneError, check_device, target_zone
from illumos_lab.ipfilter.filter_rules import FilterRule
from illumos_lab.ipfilter.state import Plane, filters

_USAGE = """\
Usage: {0} [-6aAdfghIilnoRsv]
       {0} [-M corefile] [-N symbol-list]
       {0} -t [-6C] [-G|-z zonename] [-D destination address] [-P protocol] [-S source address]\
 [-T refresh time]
"""
_OPTIONS = "6aACdfgG:hIilnostvD:M:N:P:RS:T:z:"
_FAILED = 255
_GROUPS = ("Filter", "Accounting", "Authentication")
_AUTHENTICATION = """\
Authorisation hits: 0\tmisses 0
nospace 0
added 0
sendfail 0
sendok 0
queok 0
quefail 0
expire 0
"""
"""There are no rules of ``auth`` that could count anything."""


def main(host: Host, run: Invocation) -> int:
    """Run ipfstat; the lists can be read while the filter is off."""
    try:
        options, _ = getopt(run.argv, _OPTIONS, permute=False)
    except (UnknownOptionError, MissingValueError) as error:
        run.err(f"{run.name}: illegal option -- {str(error).lstrip('-')}\n{_USAGE.format(run.name)}")
        return 1
    given = dict(options)
    if "z" in given and "G" in given:
        run.err("Only one of -G and -z may be set\n")
        return _FAILED
    try:
        check_device(host, run)
        zone = target_zone(host, run, given.get("z", given.get("G")), "G" in given)
    except ZoneError as error:
        run.err(str(error))
        return _FAILED
    except DeviceError as error:
        run.err(f"open(IPSTATE_NAME): {error}\n")
        return _FAILED
    letters = given.keys()
    lists = bool(letters & set("aiol"))
    plane = filters(host).plane(zone, "G" in given)
    if letters & set("dsvMN") or (not lists and letters & set("ft")):
        return _refuse(run)
    if lists:
        _lists(run, plane, given)
    elif "A" in letters:
        run.out(_AUTHENTICATION)
    elif "g" in letters and not any(rule.head for each in plane.filter_sets for rule in each):
        run.out(
            "".join(f"{kind} groups ({state}):\n" for kind in _GROUPS for state in ("active", "inactive"))
        )
    else:
        return _refuse(run)
    return 0


def _refuse(run: Invocation) -> int:
    """Packets are not counted, so zeros would be no answer."""
    run.err(f"{run.name}: statistics: not emulated by illumos-lab\n")
    return 1


def _lists(run: Invocation, plane: Plane, given: dict[str, str]) -> None:
    inactive = "I" in given
    table, name = ("account", "ipacct") if "a" in given else ("filter", "ipfilter")
    if "a" in given and not given.keys() & {"i", "o"}:
        run.err("No -i or -o given with -a\n")
    version = 6 if "6" in given else 4
    rules = [rule for rule in plane.filter_set(inactive) if (rule.table, rule.version) == (table, version)]
    for letter, direction in (("o", "out"), ("i", "in")):
        if letter not in given:
            continue
        found = [rule for rule in rules if rule.direction == direction]
        if not found:
            run.err(f"empty list for {'inactive ' if inactive else ''}{name}({direction})\n")
            continue
        hits = ("0 " if "h" in given else "") + ("0 " if "a" in given else "")
        for number, rule in _in_order(found, ""):
            place = f"@{number} " if "n" in given else ""
            run.out(f"{hits}{place}{rule.text('R' not in given)}\n")


def _in_order(rules: list[FilterRule], group: str) -> Iterator[tuple[int, FilterRule]]:
    """The rules of a group with their numbers, and then those of the groups that they head."""
    members = [rule for rule in rules if rule.group == group]
    yield from enumerate(members, 1)
    for rule in members:
        if rule.head:
            yield from _in_order(rules, rule.head)
