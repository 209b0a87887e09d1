"""The one place where values are quoted for a host's shell, and where command lines are put in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

SHOWN_LIMIT: Final = 300
"""Characters of a command line that a message shows."""

_SCRIPT_LINES: Final = 4
"""Lines of a script that a message shows; the step says what a longer one is for."""

_CHUNK: Final = 4096
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")


def quote(text: str) -> str:
    """A word that a POSIX shell takes for exactly ``text``, whatever its characters.

    Raises:
        ValueError: the text has a NUL or half of a surrogate pair, which no argument can carry.
    """
    if "\0" in text:
        raise ValueError("a NUL character cannot be passed to a command")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half of a surrogate pair cannot be passed to a command")
    return "'" + text.replace("'", "'\\''") + "'"


def command_line(argv: Sequence[str]) -> str:
    """A program and its arguments as a simple command.

    Raises:
        ValueError: see `quote`; or the program is not an absolute path, and could be a word of the
            shell's own.
    """
    if not argv or not argv[0].startswith("/"):
        raise ValueError(f"the program of {list(argv)!r} must be an absolute path")
    return " ".join(quote(word) for word in argv)


def feed(text: str) -> str:
    """A command that writes exactly ``text``: no newline is added, nothing is interpreted.

    The shell's own printf does it: so the text is in no argument list, and, unlike a here-document, in no
    temporary file. It is cut into pieces, as some shells have a limit for a word.

    Raises:
        ValueError: see `quote`.
    """
    pieces = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
    return "{ " + " ".join(f"printf %s {quote(piece)};" for piece in pieces) + " } 2>/dev/null"


def shown(argv: Sequence[str]) -> str:
    """A command line for people: on one line, quoted where needed, cut where it is long."""
    line = " ".join(map(_shown, argv))
    return line if len(line) <= SHOWN_LIMIT else line[: SHOWN_LIMIT - 3] + "..."


def _shown(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    lines = len(word.strip().splitlines())
    if lines > _SCRIPT_LINES:
        return f"'(a script of {lines} lines)'"
    return "'" + " ".join(word.split()).replace("'", "'\\''") + "'"
