"""Tables as zfs, zpool and pkg print them: aligned for people, tab-separated for programs."""

from __future__ import annotations

from collections.abc import Sequence


def format_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    scripted: bool,
    right: frozenset[int] = frozenset(),
    widths: Sequence[int] = (),
) -> str:
    """Lay out a table.

    Args:
        header: titles of the columns.
        rows: the cells.
        scripted: no header, cells joined by tabs (option -H).
        right: numbers of the columns that are set to the right.
        widths: least widths, by column.
    """
    if scripted:
        return "".join("\t".join(row) + "\n" for row in rows)
    lines = [list(header), *map(list, rows)]
    columns = range(len(header))
    wide = [max([len(line[n]) for line in lines] + [widths[n] if n < len(widths) else 0]) for n in columns]
    text = ""
    for line in lines:
        cells = [line[n].rjust(wide[n]) if n in right else line[n].ljust(wide[n]) for n in columns]
        text += "  ".join(cells).rstrip() + "\n"
    return text
