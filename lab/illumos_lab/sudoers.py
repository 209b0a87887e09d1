"""sudoers(5): who may run what as whom through sudo, as far as one line says it for itself."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from illumos_lab.accounts import Account

_INCLUDE = re.compile(r"[@#]include(dir)?\s+(\S+)")
_SPECIFICATION = re.compile(r"(\S+)\s+([^\s=]+)\s*=\s*(.+)")
_RUN_AS = re.compile(r"\(([^:)]*)(?::[^)]*)?\)\s*")
_TAG = re.compile(r"([A-Z_]+):\s*")


class UnknownRuleError(Exception):
    """A line that the lab does not read; the text is the line."""


@dataclass(frozen=True)
class Rule:
    """One command that somebody may run.

    Attributes:
        who: a user, ``%group``, ``#uid`` or ``ALL``.
        run_as: users as whom it may be run, between commas.
        command: path, with arguments or without, directory ending in a slash, or ``ALL``; after ``!``
            what may not be run.
        password: the caller's password is asked for.
    """

    who: str
    run_as: str
    command: str
    password: bool

    def is_for(self, account: Account, groups: Sequence[str]) -> bool:
        """Whether the rule is about a user, who is in these groups."""
        return self.who in ("ALL", account.name, f"#{account.uid}", *(f"%{name}" for name in groups))

    def covers(self, user: str, argv: Sequence[str]) -> bool:
        """Whether the rule is about a command, run as a user; its program is an absolute path."""
        if not {"ALL", user} & set(self.run_as.split(",")):
            return False
        program, _, arguments = self.command.removeprefix("!").partition(" ")
        if program == "ALL":
            return True
        if program.endswith("/"):
            return posixpath.dirname(argv[0]) == program.rstrip("/")
        if not fnmatch.fnmatchcase(argv[0], program):
            return False
        return not arguments or fnmatch.fnmatchcase(" ".join(argv[1:]), arguments.strip('"'))


@dataclass(frozen=True)
class Sudoers:
    """All that a zone's sudoers files say.

    Attributes:
        rules: in order; the last one that covers a command decides.
        secure_path: ``PATH`` for every command; empty for the caller's own.
    """

    rules: tuple[Rule, ...]
    secure_path: str = ""


def read(root: Path) -> Sudoers:
    """Read /etc/sudoers below a root directory, and what it includes.

    Raises:
        OSError: there is none.
        UnknownRuleError: a line is neither blank, nor a comment, default, or rule.
    """
    rules: list[Rule] = []
    secure_path = ""
    for line in _lines(root, root / "etc/sudoers"):
        if line.startswith("Defaults"):
            _, found, value = line.partition("secure_path")
            secure_path = value.strip(' ="') if found else secure_path
            continue
        rules += _rules(line)
    return Sudoers(tuple(rules), secure_path)


def _lines(root: Path, file: Path) -> Iterator[str]:
    text = file.read_text(errors="replace").replace("\\\n", " ")
    for line in map(str.strip, text.splitlines()):
        include = _INCLUDE.fullmatch(line)
        if include is None:
            if line and (not line.startswith("#") or re.match(r"#\d", line)):
                yield line
            continue
        place = root / include[2].lstrip("/")
        if not include[1]:
            yield from _lines(root, place)
            continue
        # Names with a dot, or that end in a tilde, are not read.
        names = [path for path in sorted(place.glob("*")) if "." not in path.name]
        for path in names:
            if not path.name.endswith("~"):
                yield from _lines(root, path)


def _rules(line: str) -> Iterator[Rule]:
    match = _SPECIFICATION.fullmatch(line)
    if match is None or match[1].endswith("_Alias"):
        raise UnknownRuleError(line)
    who, host, commands = match.groups()
    if host != "ALL":
        raise UnknownRuleError(line)
    run_as, password = "root", True
    for item in commands.split(","):
        command = item.strip()
        if named := _RUN_AS.match(command):
            run_as, command = named[1].strip() or "root", command[named.end() :]
        while tag := _TAG.match(command):
            command = command[tag.end() :]
            if tag[1].endswith("PASSWD"):
                password = tag[1] == "PASSWD"
        yield Rule(who, run_as, command, password)
