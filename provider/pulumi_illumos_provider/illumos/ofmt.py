"""The parseable output that dladm and ipadm share (illumos libinetutil, ofmt)."""

from __future__ import annotations

from pulumi_illumos_provider.illumos.lines import split_lines


def split(line: str) -> list[str]:
    """Fields of one line of ``-p`` output with two or more fields: ``\\`` protects the next character."""
    fields = [""]
    characters = iter(line)
    for character in characters:
        if character == "\\":
            fields[-1] += next(characters, "")
        elif character == ":":
            fields.append("")
        else:
            fields[-1] += character
    return fields


def rows(text: str, width: int) -> list[list[str]]:
    """Rows of ``width`` fields; lines of another shape (noise of login files) are left out."""
    found = (split(line) for line in split_lines(text))
    return [fields for fields in found if len(fields) == width and fields[0]]
