"""logins(8): the users of the caller's zone, in a table or between colons."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from illumos_lab.accounts_files import GROUP, PASSWD, SHADOW, Line, Table, number_of
from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_USAGE = "usage: logins [-admopstux] [-g groups] [-l logins]"
_HIGHEST_SYSTEM = 99
_INDENT = " " * 24


def main(host: Host, run: Invocation) -> int:
    """List users by user id; 1 for wrong usage."""
    try:
        options = Options(*getopt(run.argv, "adg:l:mopstux", permute=False))
    except (UnknownOptionError, MissingValueError):
        run.err(f"UX:logins: {_USAGE}\n")
        return 1
    if options.operands:
        run.err(f"UX:logins: {_USAGE}\n")
        return 1
    for letter in "adg":
        if letter in options:
            run.err(f"logins: -{letter}: not emulated by illumos-lab\n")
            return 1
    root = host.zone_root(run.zone)
    users = [line for line in Table(root, PASSWD).entries() if _is_wanted(root, line, options)]
    users.sort(key=lambda line: (line[0] if "t" in options else "", number_of(line)))
    for line in users:
        run.out(_shown(root, line, options))
    return 0


def _is_wanted(root: Path, line: Line, options: Options) -> bool:
    system = number_of(line) <= _HIGHEST_SYSTEM
    if "p" in options:
        entry = Table(root, SHADOW).find(line[0])
        if entry is None or entry[1]:
            return False
    named = options.get("l")
    if named is not None:
        return line[0] in named.split(",")
    if "u" in options or "s" in options:
        return ("s" in options) if system else ("u" in options)
    return True


def _shown(root: Path, line: Line, options: Options) -> str:
    name, _, number, group, comment, home, shell = line
    groups = Table(root, GROUP).entries()
    primary = next((each[0] for each in groups if each[2] == group), "")
    others = [each for each in groups if name in each[3].split(",") and each[2] != group]
    others = others if "m" in options else []
    status, changed, days = _aging(root, name)
    if "o" in options:
        words = [
            name,
            number,
            primary,
            group,
            comment,
            *(word for each in others for word in (each[0], each[2])),
        ]
        words += [home, shell, status, changed, *days] if "x" in options else []
        return ":".join(words) + "\n"
    text = f"{name:<14}  {number:<6}  {primary:<14}  {group:<6}  {comment}\n"
    text += "".join(f"{_INDENT}{each[0]:<14}  {each[2]:<6}\n" for each in others)
    if "x" in options:
        text += f"{_INDENT}{home}\n{_INDENT}{shell}\n{_INDENT}{status} {changed} {' '.join(days)}\n"
    return text


def _aging(root: Path, name: str) -> tuple[str, str, list[str]]:
    """Status of a password, the day of its last change, and days until it can, must and will change."""
    entry = Table(root, SHADOW).find(name)
    if entry is None:
        return "LK", "010170", ["0", "0", "0"]
    status = "NP" if not entry[1] else "PS" if len(entry[1]) == 13 and entry[1].isalnum() else "LK"
    changed = "000000"
    if entry[2]:
        changed = datetime.fromtimestamp(int(entry[2]) * 86400, UTC).strftime("%m%d%y")
    return status, changed, [days or "-1" for days in entry[3:6]]
