"""What of the files inside a zone is ours: a record on the host, out of reach of the zone.

One line a thing: ``file PATH`` for a file that we made, ``changed PATH`` for one that was there before,
``user NAME``, and ``first-boot`` where a script is to run at the zone's first boot. A thing is noted before
it is made: so one whose making was cut off is known as ours.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from pulumi_illumos_provider.illumos import first_boot
from pulumi_illumos_provider.illumos.files import PLAIN, write_file
from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.plan import Command, sh

DIRECTORY = "/etc/pulumi-illumos/zones"


@dataclass(frozen=True)
class Belongings:
    """What is recorded for a zone.

    Attributes:
        files: absolute paths, as the zone sees them, of files that we made.
        changed: of files that were there before.
        users: names.
        first_boot: a script was asked for when the zone was made.
    """

    files: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    first_boot: bool = False

    @property
    def lines(self) -> list[str]:
        """The record."""
        return [
            *(["first-boot"] if self.first_boot else []),
            *(f"user {name}" for name in self.users),
            *(f"file {path}" for path in self.files),
            *(f"changed {path}" for path in self.changed),
        ]


def record(zone: str) -> str:
    """Path of a zone's record."""
    return f"{DIRECTORY}/{zone}"


def parse(text: str) -> Belongings:
    """Read a record."""
    found: dict[str, list[str]] = {}
    for line in split_lines(text):
        kind, _, what = line.partition(" ")
        found.setdefault(kind, []).append(what)
    return Belongings(
        tuple(found.get("file", ())),
        tuple(found.get("changed", ())),
        tuple(found.get("user", ())),
        "first-boot" in found,
    )


def add(zone: str, root: str, new: Belongings) -> Command:
    """Note what is about to be made. Files of it that are there already are noted as changed."""
    script = """
mkdir -p "$1" || exit
record=$1/$2
touch "$record" || exit
new=$(
    while IFS= read -r line; do
        path=${line#file }
        grep -F -x -e "$line" -e "changed $path" "$record" >/dev/null && continue
        [ "$path" = "$line" ] || [ ! -e "$3$path" ] || line="changed $path"
        printf '%s\\n' "$line"
    done
)
[ -n "$new" ] || exit 0
{ cat "$record" && printf '%s\\n' "$new"; } >"$record.new" && mv -f "$record.new" "$record"
"""
    return sh(script, DIRECTORY, zone, root, stdin=_text(new.lines))


def keep(zone: str, left: Belongings) -> Command:
    """Have nothing else in the record any more."""
    return write_file(record(zone), _text(left.lines)) if left.lines else forget(zone)


def forget(zone: str) -> Command:
    """Remove the record, and its directories when they are empty."""
    return sh('rm -f "$1/$2" && { rmdir "$1" "${1%/*}" 2>/dev/null; :; }', DIRECTORY, zone)


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


# Reading -----------------------------------------------------------------------------------------

SHOW = f"""{PLAIN}
show_inside() {{
    for file in etc/inet/hosts etc/default/init etc/passwd etc/group etc/user_attr; do
        ! plain "$file" || show "$file"
    done
    if plain {first_boot.STATUS} && [ -f {first_boot.STATUS} ]; then
        printf '#live first-boot\\n'
        sed 's/^/\t/' {first_boot.STATUS}
        printf '\\n'
    elif [ -f {first_boot.STARTER} ]; then
        printf '#live first-boot\\n\t{first_boot.WAITING}\\n'
    fi
    [ -f "$1" ] || return 0
    printf '#live belongings\\n'
    sed 's/^/\t/' "$1"
    while read -r what name; do
        case $what in
        file | changed) show_kept "${{name#/}}" ;;
        user) show_user "$name" ;;
        esac
    done <"$1"
}}
show_kept() {{
    plain "$1" && [ -f "$1" ] || return 0
    printf '#kept /%s\\n' "$1"
    {{ ls -ldn "./$1"; /usr/bin/digest -a sha256 <"$1"; }} | sed 's/^/\t/'
}}
show_user() {{
    plain etc/shadow && plain etc/passwd || return 0
    hash=$(sed -n "s/^$1:\\([^:]*\\):.*/\\1/p" etc/shadow)
    [ -z "$hash" ] || printf '#kept password:%s\\n\t%s\\n' \
        "$1" "$(printf %s "$hash" | /usr/bin/digest -a sha256)"
    home=$(sed -n "s/^$1:[^:]*:[^:]*:[^:]*:[^:]*:\\([^:]*\\):.*/\\1/p" etc/passwd)
    keys=${{home#/}}/.ssh/authorized_keys
    ! plain "$keys" || show "$keys"
}}
"""
"""Shell function ``show_inside RECORD``: what of the root in the working directory concerns us.

Of a file that is ours it tells mode, owner and digest, of a password's hash the digest: never a content
that may be secret. Symbolic links are not followed. It needs the function ``show``, and ``$root``, which is
``.``.
"""

_LISTED = re.compile(r"-([r-][w-][xsS-][r-][w-][xsS-][r-][w-][xtT-])[+.@]? +\d+ +(\d+) +(\d+) ")


@dataclass(frozen=True)
class Kept:
    """A file that is ours, as it was found.

    Attributes:
        mode: octal digits, without leading zeros.
        uid, gid: of its owner and group.
        sha256: digest of its content, in hexadecimal digits.
    """

    mode: str
    uid: int
    gid: int
    sha256: str


def parse_kept(text: str) -> Kept | None:
    """Read what `SHOW` tells of a file; None when that cannot be understood."""
    line, _, digest = text.strip().partition("\n")
    listed = _LISTED.match(line)
    if listed is None:
        return None
    return Kept(octal(listed[1]), int(listed[2]), int(listed[3]), digest.strip())


def octal(letters: str) -> str:
    """``4755`` for ``rwsr-xr-x``."""
    value = 0
    for place, letter in enumerate(letters):
        if letter not in "-ST":
            value |= 1 << (8 - place)
        if letter in "sStT":
            value |= {2: stat.S_ISUID, 5: stat.S_ISGID, 8: stat.S_ISVTX}[place]
    return f"{value:o}"
