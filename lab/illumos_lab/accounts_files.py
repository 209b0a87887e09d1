"""Changes of the files that users and groups are kept in: passwd(5), shadow(5), group(5), user_attr(5)."""

from __future__ import annotations

import time
from pathlib import Path

from illumos_lab.conffile import replace_file

PASSWD, SHADOW, GROUP, USER_ATTR = "etc/passwd", "etc/shadow", "etc/group", "etc/user_attr"

_BACKUPS = {PASSWD: "etc/opasswd", SHADOW: "etc/oshadow", USER_ATTR: "etc/ouser_attr"}
"""Where the programs leave what a file was before."""
_WIDTHS = {PASSWD: 7, SHADOW: 9, GROUP: 4, USER_ATTR: 5}
_HIGHEST_RESERVED = 99
_NOT_GIVEN = (60001, 60002, 65534)
"""Ids of nobody, noaccess and nobody4, which are never given to anybody else."""

Line = list[str]


class Table:
    """One file, its lines split at colons; what is no entry is kept as it is.

    Args:
        root: root directory of the zone, seen from outside.
        path: one of the files above.
    """

    def __init__(self, root: Path, path: str) -> None:
        self._root = root
        self._path = path
        self._width = _WIDTHS[path]
        try:
            text = (root / path).read_text(errors="surrogateescape")
        except FileNotFoundError:
            text = ""
        self._lines = [line.split(":", self._width - 1) for line in text.splitlines()]

    def entries(self) -> list[Line]:
        """All entries, which may be changed in place."""
        return [line for line in self._lines if len(line) == self._width and not line[0].startswith("#")]

    def find(self, name: str) -> Line | None:
        """The entry of that name."""
        return next((line for line in self.entries() if line[0] == name), None)

    def add(self, line: Line) -> None:
        """Append an entry."""
        self._lines.append(line)

    def remove(self, name: str) -> None:
        """Remove the entry of that name, if there is one."""
        self._lines = [line for line in self._lines if line is not self.find(name)]

    def save(self) -> None:
        """Write the file, with the mode that it had, and keep what was there.

        Raises:
            OSError: it cannot be written.
        """
        file = self._root / self._path
        before = file.read_bytes() if file.exists() else b""
        mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
        if self._path in _BACKUPS:
            backup = self._root / _BACKUPS[self._path]
            backup.unlink(missing_ok=True)
            backup.write_bytes(before)
            backup.chmod(mode)
        replace_file(file, "".join(":".join(line) + "\n" for line in self._lines))
        file.chmod(mode)


def number_of(line: Line) -> int:
    """Third field of an entry of passwd or group; -1 when it is no number."""
    return int(line[2]) if line[2].isdigit() else -1


def next_number(table: Table) -> int:
    """The id that a new entry of passwd or group gets: one above the highest, and above the reserved."""
    taken = [number_of(line) for line in table.entries() if number_of(line) not in _NOT_GIVEN]
    number = max([_HIGHEST_RESERVED, *taken]) + 1
    while number in _NOT_GIVEN:
        number += 1
    return number


def is_reserved(number: int) -> bool:
    """Whether an id is one of those that the system keeps for itself."""
    return number <= _HIGHEST_RESERVED


def set_memberships(
    root: Path, user: str, groups: list[int], *, name: str = "", keep: bool = False
) -> None:
    """Make a user a member of the groups with these ids.

    Args:
        root: root directory of the zone.
        user: the user.
        groups: ids of the groups.
        name: the name by which the user is a member, when it changes.
        keep: stay a member of others.

    Raises:
        OSError: the file cannot be written.
    """
    table = Table(root, GROUP)
    for line in table.entries():
        members = [member for member in line[3].split(",") if member]
        if not keep:
            members = [member for member in members if member != user]
        if number_of(line) in groups:
            members.append(name or user)
        line[3] = ",".join(members)
    table.save()


def attributes(line: Line | None) -> dict[str, str]:
    """The attributes of an entry of user_attr, in their order."""
    pairs = (item.partition("=") for item in (line[4].split(";") if line else []))
    return {key: value for key, equals, value in pairs if equals}


def set_attributes(root: Path, user: str, values: dict[str, str], *, name: str = "") -> None:
    """Give a user these attributes; a normal user without any has no entry.

    Args:
        root: root directory of the zone.
        user: the user.
        values: attributes; an empty one is left out.
        name: the user's new name, when it changes.

    Raises:
        OSError: the file cannot be written.
    """
    table = Table(root, USER_ATTR)
    values = {key: value for key, value in values.items() if value}
    text = ";".join(f"{key}={value}" for key, value in values.items())
    line = table.find(user)
    if values in ({}, {"type": "normal"}):
        table.remove(user)
    elif line is None:
        table.add([name or user, "", "", "", text])
    else:
        line[0], line[4] = name or user, text
    table.save()


def today() -> int:
    """Days since 1970, in which shadow(5) counts."""
    return int(time.time() // 86400)
