"""groupadd(8), groupmod(8), groupdel(8): the groups of the caller's zone."""

from __future__ import annotations

from pathlib import Path

from illumos_lab.accounts_files import GROUP, Table, is_reserved, next_number, number_of
from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_SYNTAX, _BAD_ARGUMENT, _ID_EXISTS, _NO_SUCH_NAME, _NAME_EXISTS, _NOT_UPDATED = 2, 3, 4, 6, 9, 10
_HIGHEST = 2147483647
_LONGEST = 8

SUBCOMMANDS = {"groupadd": "g:o", "groupmod": "g:on:", "groupdel": ""}
"""Options of each program."""
SYNOPSES = {
    "groupadd": "groupadd [-g gid [-o]] group",
    "groupmod": "groupmod -g gid [-o] | -n name group",
    "groupdel": "groupdel group",
}


class _Failed(Exception):
    """The program ends; the text is what it says behind its name."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def main(host: Host, run: Invocation) -> int:
    """Add, change or remove a group; exit statuses are those of the manual pages."""
    try:
        options = Options(*getopt(run.argv, SUBCOMMANDS[run.name], permute=False))
    except UnknownOptionError as error:
        return _wrong_usage(run, f"{run.name}: illegal option -- {str(error)[1:]}\n")
    except MissingValueError as error:
        return _wrong_usage(run, f"{run.name}: option requires an argument -- {str(error)[1:]}\n")
    if len(options.operands) != 1 or ("o" in options and "g" not in options):
        return _wrong_usage(run)
    work = {"groupadd": _add, "groupmod": _modify, "groupdel": _delete}[run.name]
    try:
        with host.lock:
            work(host.zone_root(run.zone), run, options)
    except _Failed as failure:
        _say(run, f"ERROR: {failure}")
        return failure.status
    return 0


def _wrong_usage(run: Invocation, text: str = "") -> int:
    # groupdel counts its arguments and reads no options.
    run.err(text if run.name != "groupdel" else "")
    _say(run, f"ERROR: invalid syntax.\nusage: {SYNOPSES[run.name]}")
    return _SYNTAX


def _say(run: Invocation, text: str) -> None:
    run.err(f"UX: {run.name}: {text}\n")


def _add(root: Path, run: Invocation, options: Options) -> None:
    table = Table(root, GROUP)
    name = options.operands[0]
    _check_name(run, table, name)
    number = _number(run, table, options)
    table.add([name, "", str(next_number(table) if number is None else number), ""])
    _save(run, table, "created")


def _modify(root: Path, run: Invocation, options: Options) -> None:
    table = Table(root, GROUP)
    number = _number(run, table, options)
    name = options.get("n")
    if name is not None:
        _check_name(run, table, name)
    group = options.operands[0]
    line = table.find(group)
    if line is None:
        raise _Failed(_NO_SUCH_NAME, f"{group} does not exist.")
    line[0] = line[0] if name is None else name
    line[2] = line[2] if number is None else str(number)
    _save(run, table, "modified")


def _delete(root: Path, run: Invocation, options: Options) -> None:
    table = Table(root, GROUP)
    group = options.operands[0]
    if table.find(group) is None:
        raise _Failed(_NO_SUCH_NAME, f"{group} does not exist.")
    table.remove(group)
    _save(run, table, "deleted")


def _check_name(run: Invocation, table: Table, name: str) -> None:
    if not name or not name.isprintable() or ":" in name:
        raise _Failed(_BAD_ARGUMENT, f"{name} is not a valid group name.  Choose another.")
    if table.find(name) is not None:
        raise _Failed(_NAME_EXISTS, f"{name} is already in use.  Choose another.")
    for warning in name_warnings(name):
        _say(run, warning)


def name_warnings(name: str) -> list[str]:
    """What the programs dislike in the name of a group."""
    warnings = []
    if len(name) > _LONGEST:
        warnings.append(f"{name} name too long.")
    if not all(each.isdigit() or each.islower() for each in name):
        warnings.append(f"{name} name should be all lower case or numeric.")
    return warnings


def _number(run: Invocation, table: Table, options: Options) -> int | None:
    text = options.get("g")
    if text is None:
        return None
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise _Failed(_BAD_ARGUMENT, f"{text} is not a valid group id.  Choose another.")
    if number > _HIGHEST:
        raise _Failed(_BAD_ARGUMENT, f"Group id {number} is too big.  Choose another.")
    taken = any(number_of(line) == number for line in table.entries())
    if taken and "o" not in options:
        raise _Failed(_ID_EXISTS, f"{text} is already in use.  Choose another.")
    if not taken and is_reserved(number):
        _say(run, f"WARNING: gid {number} is reserved.")
    return number


def _save(run: Invocation, table: Table, done: str) -> None:
    failure = _Failed(_NOT_UPDATED, f"Cannot update system files - group cannot be {done}.")
    if not run.privileged:
        raise failure
    try:
        table.save()
    except OSError as error:
        raise failure from error
