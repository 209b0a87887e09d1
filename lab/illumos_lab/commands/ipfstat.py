"""ipfstat(8): the lists of filter rules, and what they have counted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ipfilter.call import DeviceError, ZoneError, check_device, target_zone
from illumos_lab.ipfilter.filter_rules import FilterRule
from illumos_lab.ipfilter.state import Plane, filters
from illumos_lab.ipfilter.statistics import FRAGMENT_STATISTICS, packet_statistics, state_statistics
from illumos_lab.kernel import Count

_USAGE = """\
Usage: {0} [-6aAdfghIilnoRsv]
       {0} [-M corefile] [-N symbol-list]
       {0} -t [-6C] [-G|-z zonename] [-D destination address] [-P protocol] [-S source address]\
 [-T refresh time]
"""
_OPTIONS = "6aACdfgG:hIilnostvD:M:N:P:RS:T:z:"
_FAILED = 255
_LISTS = frozenset("aiol")
_NO_MEMORY = "openkmem:open: No such file or directory\n"
"""A zone has no device that shows the kernel's memory."""

_GROUPS = {"Filter": "filter", "Accounting": "account", "Authentication": ""}
"""Lists of groups, and the table of rules that has them."""

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
    if letters & set("dtvMN"):
        return _refuse(run)
    plane = filters(host).plane(zone, "G" in given)
    plain_lists = letters & _LISTS and not letters & set("has")
    counts = {} if plain_lists else filters(host).counts(zone, "G" in given)
    if not plane.enabled and (failing := _needs_filter(letters)):
        run.err(f"ioctl({failing}): I/O error\n")
        return _FAILED
    if "s" in letters:
        # The buckets, and with them whether there are any states to be listed, are read from memory.
        if run.zone != "global":
            run.err(_NO_MEMORY)
        elif letters & _LISTS:
            return _refuse(run)
        else:
            active = 0 if "G" in given else host.kernel.kept_states(zone, plane.generation)
            run.out(state_statistics(counts, active))
    elif letters & _LISTS:
        _lists(run, plane, given, counts)
    elif "f" in letters:
        run.out(FRAGMENT_STATISTICS)
        if run.zone == "global":
            run.out("\n")
        else:
            run.err(_NO_MEMORY)
    elif "A" in letters:
        run.out(_AUTHENTICATION)
    elif "g" in letters:
        _groups(run, plane)
    else:
        run.out(packet_statistics(counts, plane.ticks))
    return 0


def _needs_filter(letters: Collection[str]) -> str:
    """The request that the kernel refuses while the filter is off; empty when there is none."""
    requests = {"s": "state:SIOCGETFS", "f": "SIOCGFRST", "A": "SIOCATHST"}
    return next((request for letter, request in requests.items() if letter in letters), "")


def _refuse(run: Invocation) -> int:
    """What shows the kernel's memory, or moves on a screen, has nothing behind it here."""
    run.err(f"{run.name}: that option: not emulated by illumos-lab\n")
    return 1


def _groups(run: Invocation, plane: Plane) -> None:
    """The names of groups, which the program reads from the kernel's memory."""
    for title, table in _GROUPS.items():
        for state, rules in (("active", plane.filter_set()), ("inactive", plane.filter_set(inactive=True))):
            run.out(f"{title} groups ({state}):\n")
            # A name is there once, for all directions and versions.
            heads = dict.fromkeys(rule.head for rule in rules if rule.head and rule.table == table)
            if run.zone == "global":
                run.out("".join(f"{head}\n" for head in heads))
            elif heads:
                run.err(_NO_MEMORY)


def _lists(run: Invocation, plane: Plane, given: dict[str, str], counts: Mapping[str, Count]) -> None:
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
        for number, rule in _in_order(found, ""):
            count = counts.get(rule.counter, Count())
            start = f"{count.packets} " if "h" in given else ""
            start += f"{count.bytes} " if "a" in given else ""
            start += f"@{number} " if "n" in given else ""
            run.out(f"{start}{rule.text('R' not in given)}\n")


def _in_order(rules: list[FilterRule], group: str) -> Iterator[tuple[int, FilterRule]]:
    """The rules of a group with their numbers, and then those of the groups that they head."""
    members = [rule for rule in rules if rule.group == group]
    yield from enumerate(members, 1)
    for rule in members:
        if rule.head:
            yield from _in_order(rules, rule.head)
