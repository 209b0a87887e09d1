"""The output engine that dladm, ipadm and flowadm share: columns for people, fields for programs.

Human output is padded, repeats its header as a terminal fills, and breaks long lists at commas
where the command asks for that. Parseable output has one object a line, fields joined by ``:`` and
escaped when there are two or more. Rests on the behaviour of libinetutil's ofmt.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from illumos_lab.invocation import Invocation

UNDEFINED = "--"
"""What people see for an empty value."""

UNKNOWN = "?"
"""A value that could not be obtained; the same in both modes."""

FALLBACK_ROWS = 24
"""Window size when standard output is no terminal: the header comes again before row 24, 47 ..."""


@dataclass(frozen=True)
class Field:
    """A column: its name in upper case, and its width in human output."""

    name: str
    width: int


class OfmtError(Exception):
    """The requested fields cannot be printed; the text is the message after the program's name."""


def fields(*columns: tuple[str, int]) -> tuple[Field, ...]:
    """Build a table of columns from (name, width) pairs."""
    return tuple(Field(name, width) for name, width in columns)


def escape(value: str) -> str:
    """Make a value safe between ``:`` separators."""
    return value.replace("\\", "\\\\").replace(":", "\\:")


def split_line(line: str) -> list[str]:
    """Take a line of two or more parseable fields apart again."""
    values = [""]
    characters = iter(line)
    for character in characters:
        if character == "\\":
            values[-1] += next(characters, "")
        elif character == ":":
            values.append("")
        else:
            values[-1] += character
    return values


class Output:
    """Prints objects of one listing, each given as a mapping from field name to value.

    Args:
        run: the caller, whose standard output is written.
        columns: every field that the command knows.
        wanted: the ``-o`` argument; None means ``default`` or, without that, all columns.
        parseable: one line an object, nothing padded.
        warn: called with the text of a warning about an unknown field (human mode only).
        default: names of the columns shown without ``-o``.
        wrap: break long comma-separated values (human mode only).
        right: set columns to the right (human mode only).

    Raises:
        OfmtError: the fields asked for are not known, or must be named.
    """

    def __init__(
        self,
        run: Invocation,
        columns: Sequence[Field],
        wanted: str | None,
        *,
        parseable: bool,
        warn: Callable[[str], None],
        default: Sequence[str] | None = None,
        wrap: bool = False,
        right: bool = False,
    ) -> None:
        self._run = run
        self._parseable = parseable
        self._wrap = wrap
        self._right = right
        self._fields = _choose(columns, wanted, parseable, warn, default)
        self._rows = 0
        try:
            self._window = os.get_terminal_size(run.stdout).lines or FALLBACK_ROWS
        except OSError:
            self._window = FALLBACK_ROWS

    def print(self, values: Mapping[str, str]) -> None:
        """Print one object; fields that it lacks are empty."""
        texts = [values.get(field.name, "") for field in self._fields]
        if self._parseable:
            if len(texts) > 1:
                texts = [escape(text) for text in texts]
            self._run.out(":".join(texts) + "\n")
            return
        lines = []
        if self._rows % max(self._window - 1, 1) == 0:
            lines.append(self._line([field.name for field in self._fields]))
        self._rows += 1
        lines += map(self._line, self._wrapped([text or UNDEFINED for text in texts]))
        self._run.out("".join(lines))

    def _line(self, texts: Sequence[str]) -> str:
        return self._line_to_the_right(texts) if self._right else self._line_to_the_left(texts)

    def _line_to_the_right(self, texts: Sequence[str]) -> str:
        line = ""
        overflow = 0
        for field, text in zip(self._fields[:-1], texts[:-1], strict=True):
            # As to the left, but the blank after a column is not of its width.
            if len(text) + overflow >= field.width:
                overflow += len(text) - field.width + 1
                width = field.width
            else:
                width = field.width - min(overflow, field.width - len(text))
                overflow -= field.width - width
            line += f"{text:>{width}} "
        return line + f"{texts[-1]:>{self._fields[-1].width}}\n"

    def _line_to_the_left(self, texts: Sequence[str]) -> str:
        line = ""
        overflow = 0
        for field, text in zip(self._fields[:-1], texts[:-1], strict=True):
            # A value that does not fit pushes the later columns; their padding gives the room back.
            width = max(len(text) + 1, field.width - overflow)
            line += text.ljust(width)
            overflow += width - field.width
        return line + texts[-1] + "\n"

    def _wrapped(self, texts: list[str]) -> list[list[str]]:
        if not self._wrap:
            return [texts]
        parts = [
            _break_at_commas(text, field.width) for field, text in zip(self._fields, texts, strict=True)
        ]
        height = max(map(len, parts))
        return [[part[n] if n < len(part) else "" for part in parts] for n in range(height)]


def _break_at_commas(text: str, width: int) -> list[str]:
    if len(text) < width or "," not in text:
        return [text]
    lines = [""]
    pieces = text.split(",")
    for number, piece in enumerate(pieces):
        with_comma = piece + ("," if number < len(pieces) - 1 else "")
        if lines[-1] and len(lines[-1] + with_comma) >= width:
            lines.append("")
        lines[-1] += with_comma
    return lines


def _choose(
    columns: Sequence[Field],
    wanted: str | None,
    parseable: bool,
    warn: Callable[[str], None],
    default: Sequence[str] | None,
) -> list[Field]:
    known = {field.name: field for field in columns}
    if parseable:
        if wanted is None:
            raise OfmtError("output fields must be specified in parsable mode")
        if wanted.lower() == "all":
            raise OfmtError("output field `all' invalid in parsable mode")
    if wanted is None:
        return [known[name] for name in default or known]
    if wanted.lower() == "all":
        return list(columns)
    # Fields are cut as strtok does: empty ones vanish.
    names = [name for name in wanted.split(",") if name]
    chosen = [known[name.upper()] for name in names if name.upper() in known]
    unknown = [name for name in names if name.upper() not in known]
    if len(chosen) > len(columns):
        raise OfmtError("insufficient memory")
    if unknown:
        listed = " ".join(f"`{name}'" for name in unknown)
        noun = "field" if len(unknown) == 1 else "fields"
        if parseable:
            raise OfmtError(f"unknown output {noun}: {listed}")
        warn(f"ignoring unknown output {noun}: {listed}")
    if not chosen:
        raise OfmtError("no valid output fields")
    return chosen
