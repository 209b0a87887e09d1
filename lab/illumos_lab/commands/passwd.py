"""passwd(1): passwords of the users of the caller's zone, and whether and how long they are good."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from illumos_lab import accounts
from illumos_lab.accounts_files import PASSWD, SHADOW, Line, Table, today
from illumos_lab.accounts_passwords import encrypt, matches
from illumos_lab.console_terminal import set_echo
from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_LOCKED, _NO_LOGIN = "*LK*", "NP"
_NO_PERMISSION, _COMBINATION, _SYNTAX, _NO_AGING = 1, 2, 6, 7
_TEXTS = {
    _NO_PERMISSION: "Permission denied",
    _COMBINATION: "Invalid combination of options",
    _SYNTAX: "Invalid argument to option",
    _NO_AGING: "Password aging is disabled",
}
"""What is said last, by exit status."""
_USAGE = """\
usage:
\tpasswd [-r files | -r nis | -r ldap] [name]
\tpasswd [-r files] [-egh] [name]
\tpasswd [-r files] -sa
\tpasswd [-r files] -s [name]
\tpasswd [-r files] [-d|-l|-N|-u] [-f] [-n min] [-w warn] [-x max] name
\tpasswd -r nis [-eg] [name]
\t\t[-x max] name
\tpasswd -r ldap [-egh] [name]
\tpasswd -r ldap -sa
\tpasswd -r ldap -s [name]
\tpasswd -r ldap [-l|-N|-u] [-f] [-n min] [-w warn] [-x max] name
"""
_AGING = {"n": 3, "x": 4, "w": 5}
"""Fields of shadow(5) that hold days, by option."""
_TRIES = 3


class _Failed(Exception):
    """passwd ends; the text comes before what every such end says."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status


def main(host: Host, run: Invocation) -> int:
    """Change or show passwords; exit statuses are those of the manual page."""
    try:
        try:
            options = Options(*getopt(run.argv, "r:aldefghsux:n:w:N", permute=False))
        except UnknownOptionError as error:
            raise _Failed(_COMBINATION, f"passwd: illegal option -- {str(error)[1:]}\n{_USAGE}") from error
        except MissingValueError as error:
            text = f"passwd: option requires an argument -- {str(error)[1:]}\n{_USAGE}"
            raise _Failed(_COMBINATION, text) from error
        return _work(host, run, options)
    except _Failed as failure:
        run.err(f"{failure}{_TEXTS[failure.status]}\n")
        return failure.status


def _work(host: Host, run: Invocation, options: Options) -> int:
    letters = {letter for letter, _ in options.pairs}
    repository = options.get("r")
    if repository not in (None, "files", "nis", "ldap"):
        raise _Failed(_SYNTAX, f"invalid repository: {repository}\n{_USAGE}")
    for unknown in ("nis", "ldap"):
        if repository == unknown:
            run.err(f"passwd: -r {unknown}: not emulated by illumos-lab\n")
            return _NO_PERMISSION
    letters.discard("r")
    if letters and run.uid != 0:
        raise _Failed(_NO_PERMISSION)
    if letters & set("egh"):
        run.err("passwd: -e, -g and -h: not emulated by illumos-lab\n")
        return _NO_PERMISSION
    _check_combination(options, letters)
    root = host.zone_root(run.zone)
    if "s" in letters:
        users = [line[0] for line in Table(root, PASSWD).entries()]
        shadow = Table(root, SHADOW)
        for name in users if "a" in letters else options.operands or [_caller(host, run)]:
            run.out(_shown(name, _entry(shadow, name)))
        return 0
    name = options.operands[0] if options.operands else _caller(host, run)
    if not letters:
        if not options.operands:
            run.err(f"passwd: Changing password for {name}\n")
        encrypted = _new_password(host, run, name)
    with host.lock:
        shadow = Table(root, SHADOW)
        entry = _entry(shadow, name)
        if letters:
            _change(entry, options)
        else:
            entry[1], entry[2] = encrypted, str(today())
        shadow.save()
    what = "password information changed" if letters else "password successfully changed"
    run.out(f"passwd: {what} for {name}\n")
    return 0


def _check_combination(options: Options, letters: set[str]) -> None:
    if len(options.operands) > 1:
        raise _Failed(_SYNTAX, _USAGE)
    given = [letter for letter, _ in options.pairs if letter in "dlNu"]
    if len(given) > 1 or (given and letters & set("sa")):
        raise _Failed(_COMBINATION, _USAGE)
    if "s" in letters and letters - set("sa"):
        raise _Failed(_COMBINATION)
    if letters == {"a"} or (letters == {"s", "a"} and options.operands):
        raise _Failed(_SYNTAX, _USAGE)
    if letters and "s" not in letters and not options.operands:
        raise _Failed(_SYNTAX, _USAGE)
    for letter in _AGING:
        value = options.get(letter)
        lowest = -1 if letter == "x" else 0
        if value is not None and not (value.removeprefix("-").isdigit() and int(value) >= lowest):
            raise _Failed(_SYNTAX, f"passwd: Invalid argument to option -{letter}\n")
    if options.get("x") == "-1" and "n" in letters:
        raise _Failed(_COMBINATION, "passwd: Invalid argument to option -n\n")


def _caller(host: Host, run: Invocation) -> str:
    account = accounts.by_uid(host.zone_root(run.zone), run.uid)
    if account is None:
        raise _Failed(_NO_PERMISSION, _USAGE)
    return account.name


def _entry(shadow: Table, name: str) -> Line:
    entry = shadow.find(name)
    if entry is None:
        raise _Failed(_NO_PERMISSION, f"passwd: User unknown: {name}\n")
    return entry


def _change(entry: Line, options: Options) -> None:
    """Do to an entry of shadow(5) what the options ask for; what expires the password comes last."""
    for letter, _ in options.pairs:
        match letter:
            case "d":
                entry[1] = ""
            case "N":
                entry[1] = _NO_LOGIN
            case "l" if not entry[1].startswith(_LOCKED):
                entry[1] = _LOCKED + entry[1]
            case "u":
                entry[1] = entry[1].removeprefix(_LOCKED)
        if letter in "dNlu":
            entry[2] = str(today())
    for letter in "xnw":
        value = options.get(letter)
        if value is None:
            continue
        if letter != "x" and not entry[4]:
            raise _Failed(_NO_AGING)
        if value == "-1":
            entry[3] = entry[4] = entry[5] = ""
            continue
        if letter == "x":
            entry[3] = entry[3] or "0"
            entry[2] = entry[2] or (str(today()) if entry[1] else "")
        entry[_AGING[letter]] = value
    if "f" in options:
        entry[2] = "0"


def _shown(name: str, entry: Line) -> str:
    password = entry[1]
    if not password:
        status = "NP"
    elif password.startswith(_LOCKED):
        status = "LK"
    elif password.startswith(_NO_LOGIN):
        status = "NL"
    elif password.startswith("$") or len(password) == 13:
        status = "PS"
    else:
        status = "UN"
    shown = f"{name:<8}  {status:<4}  "
    if entry[4]:
        changed = datetime.fromtimestamp(int(entry[2] or "0") * 86400, UTC)
        shown += changed.strftime("%m/%d/%y  ") if entry[2] not in ("", "0") else "00/00/00  "
        shown += f"{int(entry[3] or '0'):4}  {int(entry[4]):4}  "
        shown += f"{int(entry[5]):4}  " if entry[5] not in ("", "0") else "      "
    return shown + "\n"


# Asking ------------------------------------------------------------------------------------------


def _new_password(host: Host, run: Invocation, name: str) -> str:
    """Ask for a new password on the caller's terminal, and encrypt it."""
    root = host.zone_root(run.zone)
    entry = _entry(Table(root, SHADOW), name)
    if run.uid != 0 and name != _caller(host, run):
        raise _Failed(_NO_PERMISSION)
    if not run.stdin_isatty():
        # There is nobody to ask.
        raise _Failed(_NO_PERMISSION)
    if run.uid != 0 and entry[1]:
        old = _ask(run, "Enter existing login password: ")
        if not matches(old, entry[1]):
            raise _Failed(_NO_PERMISSION, "passwd: Sorry, wrong passwd\n")
    for attempt in range(_TRIES):
        if attempt:
            run.out("\nPlease try again\n")
        new = _ask(run, "New Password: ")
        if _ask(run, "Re-enter new Password: ") == new:
            return encrypt(new)
        run.err("passwd: They don't match.\n")
    raise _Failed(_NO_PERMISSION)


def _ask(run: Invocation, prompt: str) -> str:
    """A line that is typed unseen."""
    set_echo(run.stdin, False)
    try:
        os.write(run.stdin, prompt.encode())
        line = os.read(run.stdin, 1024)
        os.write(run.stdin, b"\n")
    finally:
        set_echo(run.stdin, True)
    return line.decode("utf-8", "surrogateescape").rstrip("\n")
