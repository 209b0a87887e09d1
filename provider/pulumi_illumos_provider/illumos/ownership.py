"""Who made an etherstub: a record beside it, since a link has no room for a label.

The record is written before the etherstub is created, so that a create that was cut off is known as ours.
"""

from __future__ import annotations

from pulumi_illumos_provider.illumos.files import write_file
from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.plan import Command, sh

DIRECTORY = "/etc/pulumi-illumos/links"

LIST = sh(
    f"cd {DIRECTORY} 2>/dev/null || exit 0\n"
    'for file in *; do [ ! -f "$file" ] || printf "%s %s\\n" "$file" "$(cat "$file")"; done'
)


def parse(text: str) -> dict[str, str]:
    """Owners by link name."""
    pairs = (line.partition(" ") for line in split_lines(text))
    return {link: owner for link, blank, owner in pairs if blank}


def record(link: str, owner: str) -> Command:
    """Note who makes a link."""
    return write_file(f"{DIRECTORY}/{link}", f"{owner}\n")


def forget(link: str) -> Command:
    """Remove the note, and its directories when they are empty."""
    return sh(
        'rm -f "$1/$2" && { rmdir "$1" "${1%/*}" 2>/dev/null; :; }',
        DIRECTORY,
        link,
    )
