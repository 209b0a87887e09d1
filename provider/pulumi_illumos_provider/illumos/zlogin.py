"""zlogin(1), and how programs of the global zone act on a zone, which may be the global zone itself."""

from __future__ import annotations

import re

from pulumi_illumos_provider.plan import Command

GLOBAL = "global"
"""Name of the global zone."""

REACH = r"""
if [ "$zone" = global ]; then on=; else on="-z $zone"; fi
inside() {
    if [ "$zone" = global ]; then /bin/sh -c "$1"; else /usr/sbin/zlogin -S "$zone" "$1"; fi
}
"""
"""For shell scripts, once ``$zone`` is set: ``$on``, the options by which svcs(1), svcadm(8), svccfg(8),
svcprop(1), ipnat(8) and ipfstat(8) act on that zone (none for the global one), and ``inside SCRIPT``."""

_PLAIN = re.compile(r"[A-Za-z0-9_.,:/@%+=-]+")


def inside(zone: str, script: str, *args: str) -> Command:
    """Run a POSIX shell script in a running zone, or in the global one; ``args`` are its ``$1``, ``$2`` ...

    The script travels on standard input. zlogin gives its words to a shell in the zone, joined by blanks:
    so only words that no shell changes are allowed.

    Raises:
        ValueError: an argument has other characters.
    """
    for word in args:
        if not _PLAIN.fullmatch(word):
            raise ValueError(f"{word!r} cannot be handed to a shell inside a zone")
    enter = () if zone == GLOBAL else ("/usr/sbin/zlogin", "-S", zone)
    return Command((*enter, "/bin/sh", "-s", "--", *args), stdin=script)


def script_of(command: Command) -> tuple[str, ...]:
    """A command of the global zone as a shell script and its arguments, to be run with `inside`."""
    if command.argv[0] == "/bin/sh":
        _, _, script, _, *args = command.argv
        return (script, *args)
    return ('"$@"', *command.argv)
