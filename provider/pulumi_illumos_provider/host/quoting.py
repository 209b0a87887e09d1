"""Quoting for the shell: the only place where a value becomes part of a script."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


def quote(value: str) -> str:
    """A value as one word of a POSIX shell, whatever characters it has.

    Raises:
        ValueError: it contains a NUL character, which no argument can hold.
    """
    if "\0" in value:
        raise ValueError("a NUL character cannot be part of a command")
    if _PLAIN.fullmatch(value):
        return value
    return "'" + value.replace("'", "'\\''") + "'"


def words(argv: tuple[str, ...]) -> str:
    """A command line from its words."""
    return " ".join(quote(word) for word in argv)
