"""Users and groups of a zone, from its own /etc/passwd and /etc/group."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    """A line of passwd(5) with the groups that the user belongs to."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    groups: tuple[int, ...]


def by_name(root: Path, name: str) -> Account | None:
    """The account of that name in the zone with this root."""
    return next((account for account in _accounts(root) if account.name == name), None)


def by_uid(root: Path, uid: int) -> Account | None:
    """The first account with that user id in the zone with this root."""
    return next((account for account in _accounts(root) if account.uid == uid), None)


def _accounts(root: Path) -> list[Account]:
    memberships: list[tuple[int, list[str]]] = []
    for fields in _lines(root / "etc/group", 4):
        memberships.append((int(fields[2]), fields[3].split(",")))
    accounts = []
    for name, _, uid, gid, _, home, shell in _lines(root / "etc/passwd", 7):
        groups = tuple(number for number, members in memberships if name in members)
        accounts.append(Account(name, int(uid), int(gid), home or "/", shell or "/usr/bin/sh", groups))
    return accounts


def _lines(path: Path, fields: int) -> list[list[str]]:
    try:
        text = path.read_text(errors="surrogateescape")
    except OSError:
        return []
    split = [line.split(":") for line in text.splitlines()]
    return [line for line in split if len(line) == fields and line[2].isdigit()]
