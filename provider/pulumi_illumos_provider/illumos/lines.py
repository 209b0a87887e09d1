"""Lines of a text as the host's programs count them."""

from __future__ import annotations


def split_lines(text: str) -> list[str]:
    """The lines of a text, without the line feeds that end them.

    `str.splitlines` would end a line at other characters as well, such as a form feed: then whoever may
    write a file in a zone could make one of its lines look like something that the host has said.
    """
    found = text.split("\n")
    return found if found[-1] else found[:-1]
