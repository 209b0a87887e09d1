"""zlogin(1): enter a zone."""

from __future__ import annotations

from pathlib import Path

from illumos_lab import accounts
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.image import LINUX_BRANDS, VIRTUAL_BRANDS
from illumos_lab.invocation import Invocation, Spawn
from illumos_lab.zone_states import GLOBAL, RUNNING

_ERROR, _USAGE = 1, 2
_USAGE_TEXT = "usage: zlogin [ -dnQCES ] [ -e cmdchar ] [-l user] zonename [command [args ...] ]\n"
_SEARCH_PATH = "/usr/sbin:/usr/bin"


def main(host: Host, run: Invocation) -> int | Spawn:
    """Run a command or a shell in a zone; 1 for zlogin's own failures, 2 for wrong usage."""
    try:
        found, operands = getopt(run.argv, "dnECR:Se:l:Q", permute=False)
    except UnknownOptionError as error:
        return _wrong_usage(run, f"{run.path}: illegal option -- {str(error)[1:]}\n")
    except MissingValueError as error:
        return _wrong_usage(run, f"{run.path}: option requires an argument -- {str(error)[1:]}\n")
    options = dict(found)
    if not operands or ("S" in options and "l" in options):
        return _wrong_usage(run, "")
    zone, command = operands[0], operands[1:]
    if "n" in options and not command:
        return _fail(run, "-n may not be specified for interactive login", _USAGE)
    if "C" in options:
        return _fail(run, "the console is not emulated by illumos-lab")
    problem = _problem(host, run, zone)
    if problem is not None:
        return _fail(run, problem)
    return _login(host, run, zone, options, command)


def _problem(host: Host, run: Invocation, zone: str) -> str | None:
    """Why the caller cannot enter the zone."""
    if run.zone != GLOBAL:
        return "'zlogin' may only be used from the global zone"
    if zone == GLOBAL:
        return "'zlogin' not applicable to the global zone"
    if not run.privileged:
        return "You lack sufficient privilege to run this command (all privs required)"
    if not host.zones.exists(zone):
        return f"zone '{zone}' unknown"
    state = host.zones.state(zone)
    if state in ("configured", "incomplete"):
        return f"cannot login to a zone which is '{state}'"
    if state != RUNNING:
        return f"login allowed only to running zones ({zone} is '{state}')."
    if host.zones.store.brand_of(host.zones.config(zone)) in VIRTUAL_BRANDS:
        return f"could not enter zone {zone}: its brand has no login command"
    return None


def _login(
    host: Host, run: Invocation, zone: str, options: dict[str, str], command: list[str]
) -> int | Spawn:
    name = options.get("l", "root")
    account = accounts.by_name(host.zone_root(zone), name)
    failsafe = "S" in options
    if account is None and not failsafe:
        run.err(f"su: Unknown id: {name}\n")
        return _ERROR
    brand = host.zones.store.brand_of(host.zones.config(zone))
    plain_shell = "/bin/sh" if brand in LINUX_BRANDS else "/sbin/sh"
    shell = plain_shell if failsafe or account is None else account.shell
    home = "/" if failsafe or account is None else account.home
    env = {
        "PATH": _SEARCH_PATH,
        "HOME": home,
        "LOGNAME": name,
        "MAIL": f"/var/mail/{name}",
        "SHELL": shell,
    }
    env |= _locale(host.path(zone, "/etc/default/init"))
    if "TERM" in run.env:
        env["TERM"] = run.env["TERM"]
    login = ("-l",) if "l" in options or not command else ()
    if not (host.zone_root(zone) / home.lstrip("/")).is_dir():
        run.err(f"Could not chdir to home directory {home}: No such file or directory\n")
        home = "/"
    if not command and run.stdin_isatty() and "Q" not in options:
        run.out(f"[Connected to zone '{zone}' pts/2]\n")
    return Spawn(
        argv=(shell, *login, *(("-c", " ".join(command)) if command else ())),
        zone=zone,
        uid=account.uid if account else 0,
        env=env,
        cwd=home,
        stdin_null="n" in options,
        # zlogin passes on the exit part of the wait status alone, which is 0 after a signal.
        signal_status=0,
    )


def _locale(init: Path) -> dict[str, str]:
    """Time zone and locale that every process of a zone starts with."""
    try:
        lines = init.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return {name: value for name, _, value in pairs if name in ("TZ", "LANG") or name.startswith("LC_")}


def _wrong_usage(run: Invocation, text: str) -> int:
    run.err(text + _USAGE_TEXT)
    return _USAGE


def _fail(run: Invocation, text: str, status: int = _ERROR) -> int:
    run.err(f"zlogin: {text}\n")
    return status
