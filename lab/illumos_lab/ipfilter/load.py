"""Loading rules into a table and taking them out, as ipnat does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from illumos_lab.ipfilter.parser import ParseError, Resolver, localhost_only, parse
from illumos_lab.ipfilter.rules import Rule


@dataclass
class LoadResult:
    """What reading a file came to.

    Attributes:
        stdout: the rules, when they were to be shown.
        stderr: complaints.
        status: exit status; refused rules do not count, syntax errors do.
    """

    stdout: str = ""
    stderr: str = ""
    status: int = 0


def add(table: list[Rule], rule: Rule) -> str | None:
    """Append a rule; the system error when the kernel refuses it."""
    if (refusal := rule.refusal()) is not None:
        return refusal
    if any(other.key() == rule.key() for other in table):
        return "File exists"
    table.append(rule)
    return None


def remove(table: list[Rule], rule: Rule) -> str | None:
    """Take out the rule that is the same; the system error when there is none."""
    for place, other in enumerate(table):
        if other.key() == rule.key():
            del table[place]
            return None
    return "No such process"


def load_text(
    table: list[Rule] | None,
    text: str,
    *,
    delete: bool = False,
    show: Callable[[Rule], str] | None = None,
    resolve: Resolver = localhost_only,
) -> LoadResult:
    """Read rules and add them to a table, or remove them from it.

    Args:
        table: the table; None only reads (option -n).
        text: the file.
        delete: remove instead of adding.
        show: how to print each rule (option -v).
        resolve: finds the addresses of host names.
    """
    result = LoadResult()
    apply, what = (remove, "delete") if delete else (add, "add/insert")
    try:
        for parsed in parse(text, resolve):
            result.stderr += parsed.warning
            if show is not None:
                result.stdout += show(parsed.rule) + "\n"
            if table is None:
                continue
            refusal = apply(table, parsed.rule)
            if refusal is not None:
                result.stderr += f"{parsed.line}:ioctl({what} nat rule): {refusal}\n"
    except ParseError as error:
        result.stderr += str(error)
        result.status = 1
    return result
