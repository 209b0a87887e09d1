"""A script that runs once in a zone, at its first boot.

Every native brand runs the scripts of ``/etc/rc3.d`` when it reaches the multi-user milestone (init.d(5)):
one of ours runs the script, once. What the script prints goes to a log; its exit status is noted.
"""

from __future__ import annotations

import re

from pulumi_illumos_provider.illumos.files import below
from pulumi_illumos_provider.plan import Command

SCRIPT = "etc/pulumi-illumos/first-boot"
STATUS = "etc/pulumi-illumos/first-boot.status"
STARTER = "etc/rc3.d/S99pulumi-illumos-first-boot"
LOG = "var/log/pulumi-illumos-first-boot.log"
"""Paths below the zone's root."""

WAITING = "waiting"
"""Instead of a status: it has not begun."""
RUNNING = "running"
"""Instead of a status: it has begun."""

# It takes itself away before it begins: a script that reboots the zone is not run again.
STARTER_TEXT = f"""\
#!/sbin/sh
# Made by pulumi-illumos: runs a script once, at the first boot of this zone.
[ "$1" = start ] && [ -f /{SCRIPT} ] || exit 0
rm -f "/{STARTER}"
echo {RUNNING} >/{STATUS}
(
    umask 077
    exec </dev/null >/{LOG} 2>&1
    umask 022
    cd / && /{SCRIPT}
)
status=$?
rm -f /{SCRIPT}
echo $status >/{STATUS}
"""

_WAIT = """
left=$(($3 * 5))
while status=$(cat "$root/$path" 2>/dev/null); [ "${status:-@RUNNING@}" = @RUNNING@ ] && [ $left -gt 0 ]; do
    sleep 0.2 2>/dev/null || { sleep 1; left=$((left - 4)); }
    left=$((left - 1))
done
case $status in
0) exit 0 ;;
"" | @RUNNING@) echo "the script has not ended within $3 s" >&2 ;;
*) echo "the script ended with status $status" >&2 ;;
esac
if plain @LOG@ && [ -s "$root/@LOG@" ]; then
    echo "the end of /@LOG@ in the zone:" >&2
    tail -20 "$root/@LOG@" >&2
fi
exit 1
""".replace("@RUNNING@", RUNNING).replace("@LOG@", LOG)


_CLEAR = f"""
for path in {SCRIPT} {STATUS}; do
    refuse_links "$path"
    rm -f "$root/$path" || exit
done
"""


def parse_status(text: str) -> int | None:
    """The script's exit status from `STATUS`; None while it has not ended."""
    return int(text) if re.fullmatch(r"\s*[0-9]{1,3}\s*", text) else None


def clear(root: str) -> Command:
    """Remove a script and its status, which a zone has from the one that it is a copy of."""
    return below(root, STARTER, 'rm -f "$root/$path"' + _CLEAR)


def cleared(root: str) -> Command:
    """Succeeds when there is nothing to `clear`."""
    return below(
        root, STARTER, f'[ ! -f "$root/$path" ] && [ ! -f "$root/{SCRIPT}" ] && [ ! -f "$root/{STATUS}" ]'
    )


def wait(root: str, limit: int) -> Command:
    """Wait until the script has ended; fail, with the end of what it printed, unless it ended well.

    Args:
        limit: seconds.
    """
    return below(root, STATUS, _WAIT, str(limit))
