"""zlogin(1): enter a zone, or connect to its console."""

from __future__ import annotations

import os
import subprocess
import termios
from dataclasses import dataclass
from pathlib import Path

from illumos_lab import accounts
from illumos_lab.console import ConsoleBusyError
from illumos_lab.console_terminal import Escape, copy_window, raw, relay
from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.image import LINUX_BRANDS, VIRTUAL_BRANDS
from illumos_lab.invocation import Invocation, Spawn
from illumos_lab.zone_states import GLOBAL, RUNNING

_OK, _ERROR, _USAGE = 0, 1, 2
# Statuses of an interactive login, numbers of illumos' errors: its shell goes on, or ended by a signal.
_ECHILD, _ECONNABORTED = 10, 130
_GRACE = 1.0
_SEARCH_PATH = "/usr/sbin:/usr/bin"
_LX_SEARCH_PATH = "/bin:/usr/sbin:/usr/bin"
_SAFE_SHELL = "/sbin/sh"

# Those who run zones of Linux have a zlogin with more options.
_LETTERS = "dnECR:Se:l:Q"
_FORKED_LETTERS = "diNnECIR:Se:l:Q"
_SYNOPSIS = "[ -dnQCES ] [ -e cmdchar ] [-l user]"
_FORKED_SYNOPSIS = "[-dinCEINQS] [-e cmdchar] [-l user]"

SUBCOMMANDS = ("login", "command", "console")
SYNOPSES = {
    "login": "[-EQS] [-e c] [-l user] ZONE",
    "command": "[-nQS] [-l user] ZONE COMMAND...",
    "console": "-C [-dEQ] [-e c] ZONE",
}
"""Ways to call it."""

# What may not be given with -C, in the order in which it is noticed.
_NOT_WITH_CONSOLE = (
    ("l", "-l may not be specified for console login"),
    ("n", "-n may not be specified for console login"),
    ("S", "-S may not be specified for console login"),
)


class _Refused(Exception):
    """zlogin ends; the text is what it says, without its name in front."""

    def __init__(self, text: str, status: int = _ERROR) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class _Call:
    """One zlogin, options and operands read.

    Attributes:
        escape: the escape character; None when there is none.
    """

    host: Host
    run: Invocation
    options: Options
    escape: int | None

    @property
    def zone(self) -> str:
        return self.options.operands[0]

    @property
    def command(self) -> list[str]:
        return self.options.operands[1:]

    @property
    def brand(self) -> str:
        return self.host.zones.store.brand_of(self.host.zones.config(self.zone))


def main(host: Host, run: Invocation) -> int | Spawn:
    """Run a command or a shell in a zone; 1 for zlogin's own failures, 2 for wrong usage."""
    letters = _FORKED_LETTERS if host.profile.forked_zonecfg else _LETTERS
    try:
        options = Options(*getopt(run.argv, letters, permute=False))
    except UnknownOptionError as error:
        return _wrong_usage(host, run, f"{run.path}: illegal option -- {str(error)[1:]}\n")
    except MissingValueError as error:
        return _wrong_usage(host, run, f"{run.path}: option requires an argument -- {str(error)[1:]}\n")
    try:
        call = _Call(host, run, options, _escape(options))
        _check_options(options)
        _check_caller(call)
        if "C" in options or "I" in options:
            return _console(call)
        _check_running(call)
        interactive = run.stdin_isatty() and ("i" in options or not call.command)
        return _interactive(call) if interactive else _login(call)
    except _Refused as refusal:
        text = f"zlogin: {refusal}\n" if str(refusal) else ""
        if refusal.status == _USAGE:
            return _wrong_usage(host, run, text)
        run.err(text)
        return refusal.status


def _wrong_usage(host: Host, run: Invocation, text: str) -> int:
    synopsis = _FORKED_SYNOPSIS if host.profile.forked_zonecfg else _SYNOPSIS
    run.err(f"{text}usage: zlogin {synopsis} zonename [command [args ...] ]\n")
    return _USAGE


# Checks ------------------------------------------------------------------------------------------


def _escape(options: Options) -> int | None:
    """The escape character: given as itself, or in octal behind a backslash."""
    if "E" in options:
        return None
    given = (options.get("e") or "~").encode("utf-8", "surrogateescape")
    if given[:1] != b"\\":
        return given[0]
    if given[1:2] in (b"", b"\\"):
        return ord("\\")
    digits = given[1:].decode(errors="replace")
    number = next((end for end, each in enumerate(digits) if each not in "01234567"), len(digits))
    if not number:
        raise _Refused(f"Unrecognized escape character option \\{digits}", _USAGE)
    if int(digits[:number], 8) > 255:
        raise _Refused(f"Octal escape character '\\{digits}' too large", _USAGE)
    return int(digits[:number], 8)


def _check_options(options: Options) -> None:
    console = "C" in options or "I" in options
    if "R" in options:
        raise _Refused("alternate roots are not emulated by illumos-lab")
    if console:
        for letter, text in _NOT_WITH_CONSOLE:
            if letter in options:
                raise _Refused(text, _USAGE)
    if "i" in options and "n" in options:
        raise _Refused("-i and -n flags are incompatible", _USAGE)
    if "S" in options and "l" in options:
        raise _Refused("-l may not be specified for failsafe login", _USAGE)
    if not console and "d" in options:
        raise _Refused("-d may only be specified with console login", _USAGE)
    if "N" in options and "I" not in options:
        raise _Refused("-N may only be specified with -I", _USAGE)
    match len(options.operands):
        case 0:
            raise _Refused("", _USAGE)
        case 1 if "n" in options:
            raise _Refused("-n may not be specified for interactive login", _USAGE)
        case count if count > 1 and console:
            raise _Refused("Commands may not be specified for console login.", _USAGE)


def _check_caller(call: _Call) -> None:
    """Whether the caller may have anything to do with the zone."""
    host, zone = call.host, call.zone
    if call.run.zone != GLOBAL:
        raise _Refused("'zlogin' may only be used from the global zone")
    if zone == GLOBAL:
        raise _Refused("'zlogin' not applicable to the global zone")
    if not host.zones.exists(zone):
        raise _Refused(f"zone '{zone}' unknown")
    state = host.zones.state(zone)
    if state in ("configured", "incomplete"):
        raise _Refused(f"cannot login to a zone which is '{state}'")
    if not call.run.privileged:
        raise _Refused("You lack sufficient privilege to run this command (all privs required)")


def _check_running(call: _Call) -> None:
    state = call.host.zones.state(call.zone)
    if state != RUNNING:
        raise _Refused(f"login allowed only to running zones ({call.zone} is '{state}').")
    if call.brand in VIRTUAL_BRANDS:
        raise _Refused(f"could not enter zone {call.zone}: its brand has no login command")


# The console -------------------------------------------------------------------------------------


def _console(call: _Call) -> int:
    host, run, zone = call.host, call.run, call.zone
    if "I" in call.options:
        if "zlog-mode" not in host.zones.config(zone).attrs():
            raise _Refused("'zlog-mode' is not configured on the zone")
        raise _Refused("standalone interactive mode is not emulated by illumos-lab")
    if call.brand in VIRTUAL_BRANDS:
        raise _Refused("the console of a virtual machine is not emulated by illumos-lab")
    try:
        # Whoever has to start a zoneadmd takes the zone's lock.
        with host.zones.locked(zone):
            link = host.consoles.attach(zone, run.pid, disconnect="d" in call.options)
    except ConsoleBusyError as error:
        what = "Zone" if host.profile.forked_zonecfg else "Console"
        raise _Refused(f"{what} is already in use by process ID {error.pid}.") from error
    with link:
        if _join(call, link.fileno(), "console") is None:
            return _ERROR
    if "Q" not in call.options:
        run.out(f"\n[Connection to zone '{zone}' console closed]\n")
    return _OK


def _join(call: _Call, far: int, name: str) -> bool | None:
    """Join the caller's terminal to the far side of that name, see `relay`; None without a terminal."""
    run = call.run
    greeting = "" if "Q" in call.options else f"[Connected to zone '{call.zone}' {name}]"
    try:
        with raw(run.stdin) as modes:
            # What comes after this is the zone's, so who waits for it can type at once.
            run.out(f"{greeting}\r\n" if greeting else "")
            return relay(run, far, Escape(call.escape, modes))
    except termios.error as error:
        reason = error.args[1]
        run.out(f"{greeting}\n" if greeting else "")
        run.err(f"zlogin: failed to get user terminal settings: {reason}\n")
        run.err(f"zlogin: failed to set stdin pty to raw mode: {reason}\n")
        return None


# Logins ------------------------------------------------------------------------------------------


def _login(call: _Call) -> int | Spawn:
    """Run a command, or a shell that reads it, on the caller's own files."""
    run, command = call.run, call.command
    account, shell, home, env = _identity(call)
    login = ("-l",) if account is not None and (account.name != "root" or not command) else ()
    return Spawn(
        argv=(shell, *login, *(("-c", " ".join(command)) if command else ())),
        zone=call.zone,
        uid=account.uid if account else 0,
        env=env,
        cwd=_directory(call.host.zone_root(call.zone), run, account, home),
        stdin_null="n" in call.options,
        # zlogin passes on the exit part of the wait status alone, which is 0 after a signal.
        signal_status=0,
    )


def _identity(call: _Call) -> tuple[accounts.Account | None, str, str, dict[str, str]]:
    """Who logs in (nobody with ``-S``), with what shell, home directory and environment."""
    host, zone = call.host, call.zone
    linux = call.brand in LINUX_BRANDS
    env = {"PATH": _LX_SEARCH_PATH if linux else _SEARCH_PATH}
    env |= _locale(host.path(zone, "/etc/default/init"))
    if "TERM" in call.run.env:
        env["TERM"] = call.run.env["TERM"]
    if "S" in call.options:
        shell = "/bin/sh" if linux else _SAFE_SHELL
        return None, shell, "/", env | {"HOME": "/", "SHELL": shell}
    name = call.options.get("l") or "root"
    account = accounts.by_name(host.zone_root(zone), name)
    if account is None:
        call.run.err(f"su: Unknown id: {name}\n")
        raise _Refused("")
    env |= {
        "HOME": account.home,
        "LOGNAME": name,
        "MAIL": f"/var/mail/{name}",
        "SHELL": account.shell,
    }
    return account, account.shell, account.home, env


def _directory(root: Path, run: Invocation, account: accounts.Account | None, home: str) -> str:
    if account is not None and not (root / home.lstrip("/")).is_dir():
        run.err(f"zlogin: Could not chdir to home directory {home}: No such file or directory\n")
        return "/"
    return home


def _interactive(call: _Call) -> int:
    """Give the caller's terminal a shell, or with ``-i`` a program, on a terminal of the zone."""
    run, zone = call.run, call.zone
    account, shell, home, env = _identity(call)
    argv = tuple(call.command) or (shell, *(("-l",) if account else ()))
    terminal = call.host.runtime.open_terminal(zone)
    copy_window(run.stdin, terminal.slave)
    quiet = "Q" in call.options
    try:
        process = call.host.runtime.popen(
            zone,
            argv,
            uid=account.uid if account else 0,
            env=env,
            cwd=home,
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
            terminal=True,
        )
    except OSError as error:
        terminal.close()
        raise _Refused(f"exec failure: {error.strerror}") from error
    # Only the zone's side is left, so that its end is seen here.
    os.close(terminal.slave)
    try:
        ended = _join(call, terminal.master, terminal.name)
    finally:
        os.close(terminal.master)
    if not quiet:
        run.err(f"\n[Connection to zone '{zone}' {terminal.name} closed]\n")
    if not ended:
        return _ECHILD
    try:
        status = process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        return _ECHILD
    return status if status >= 0 else _ECONNABORTED


def _locale(init: Path) -> dict[str, str]:
    """Time zone and locale that every process of a zone starts with."""
    try:
        lines = init.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return {name: value for name, _, value in pairs if name in ("TZ", "LANG") or name.startswith("LC_")}
