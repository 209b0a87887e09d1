"""prctl(1) and rcapadm(8): the limits that are in force in a running zone."""

from __future__ import annotations

from collections.abc import Sequence

from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.plan import Command, sh

PRCTL = "/usr/bin/prctl"
RCAPADM = "/usr/sbin/rcapadm"

_VALUES = f"""
zone=$1 control=$2
shift 2
values() {{
    {PRCTL} -P -t privileged -n "$control" -i zone "$zone" 2>/dev/null |
        while read -r name privilege limit rest; do
            [ "$privilege" != privileged ] || printf '%s ' "$limit"
        done
}}
"""

_SET = """
action=$1
shift
wanted="$* "
have=$(values)
[ "$have" != "$wanted" ] || exit 0
if [ "$(echo $have | wc -w)" -eq 1 ] && [ $# -eq 1 ]; then
    # One value that takes the place of another: the zone is never without its limit.
    exec @PRCTL@ -n "$control" -t privileged -r -v "$1" -i zone "$zone"
fi
for limit in $have; do
    @PRCTL@ -n "$control" -t privileged -x -v "$limit" -i zone "$zone" || exit
done
for limit; do
    @PRCTL@ -n "$control" -t privileged -s -v "$limit" $action -i zone "$zone" || exit
done
""".replace("@PRCTL@", PRCTL)


def parse(text: str) -> dict[str, list[int]]:
    """The privileged values of each resource control, from ``prctl -P -i zone NAME``."""
    found: dict[str, list[int]] = {}
    for line in split_lines(text):
        words = line.split()
        if len(words) >= 3 and words[1] == "privileged" and words[2].isdigit():
            found.setdefault(words[0], []).append(int(words[2]))
    return {control: sorted(values) for control, values in found.items()}


def set_limits(zone: str, control: str, limits: Sequence[int], *, deny: bool = True) -> Command:
    """Have exactly these privileged values of a resource control in a running zone."""
    action = "-e deny" if deny else ""
    return sh(_VALUES + _SET, zone, control, action, *map(str, sorted(limits)))


def has_limits(zone: str, control: str, limits: Sequence[int]) -> Command:
    """Succeeds when a running zone has exactly these privileged values of a resource control."""
    return sh(_VALUES + '[ "$(values)" = "$1" ]', zone, control, "".join(f"{n} " for n in sorted(limits)))


def cap_memory(zone: str, size: int) -> Command:
    """Cap the physical memory of a running zone in bytes, where the cap is rcapd's and no resource control.

    The daemon is switched on, as zoneadmd does when a zone with a cap boots.
    """
    return sh(f'{RCAPADM} -E && {RCAPADM} -z "$1" -m "$2"', zone, str(size))
