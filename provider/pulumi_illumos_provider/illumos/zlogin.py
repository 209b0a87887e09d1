"""zlogin(1): scripts run inside a zone."""

from __future__ import annotations

import re

from pulumi_illumos_provider.plan import Command

_PLAIN = re.compile(r"[A-Za-z0-9_.,:/@%+=-]+")


def inside(zone: str, script: str, *args: str) -> Command:
    """Run a POSIX shell script in a running zone; ``args`` are its ``$1``, ``$2`` ...

    The script travels on standard input. zlogin gives its words to a shell in the zone, joined by blanks:
    so only words that no shell changes are allowed.

    Raises:
        ValueError: an argument has other characters.
    """
    for word in args:
        if not _PLAIN.fullmatch(word):
            raise ValueError(f"{word!r} cannot be handed to a shell inside a zone")
    return Command(("/usr/sbin/zlogin", "-S", zone, "/bin/sh", "-s", "--", *args), stdin=script)
