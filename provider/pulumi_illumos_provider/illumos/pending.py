"""What waits for the next boot of a running zone: a note that does not outlive the host's own boot.

The note holds the zone's number in the kernel, which is another one after each boot of the zone: so it
stops to count by itself, whoever reboots the zone.
"""

from __future__ import annotations

from collections.abc import Iterable

from pulumi_illumos_provider.illumos.files import write_file
from pulumi_illumos_provider.plan import Command, sh

DIRECTORY = "/var/run/pulumi-illumos/pending"


def note(zone: str, number: str, properties: Iterable[str]) -> Command:
    """Write down what waits, for the zone that has this number in the kernel."""
    text = "".join(f"{line}\n" for line in (number, *properties))
    return write_file(f"{DIRECTORY}/{zone}", text)


def forget(zone: str) -> Command:
    """Remove the note, and its directories when they are empty."""
    return sh('rm -f "$1/$2" && { rmdir "$1" "${1%/*}" 2>/dev/null; :; }', DIRECTORY, zone)


def parse(text: str, number: str) -> list[str]:
    """The properties that wait, from the note; none when it is about an earlier boot of the zone."""
    lines = text.split("\n")
    return [line for line in lines[1:] if line] if number != "-" and lines[0] == number else []
