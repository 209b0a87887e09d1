"""zonecfg(8): set up the configuration of a zone."""

from __future__ import annotations

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.zonecfg import usage, values
from illumos_lab.zonecfg.store import Store
from illumos_lab.zonecfg.subcommands import Zonecfg, main_usage

_OK, _ERROR, _USAGE = range(3)

SUBCOMMANDS = usage.COMMANDS
"""What the lab emulates."""

SYNOPSES = usage.SHORT
"""How each is called."""


def main(host: Host, run: Invocation) -> int:
    """Run zonecfg; returns 0, 1 for any flagged error, or 2 for wrong usage."""
    if run.zone != "global":
        run.err("zonecfg can only be run from the global zone.\n")
        return _ERROR
    words = list(run.argv)
    if not words:
        run.err(usage.INVOCATION + "Commands:\n\n" + "".join(usage.SHORT.values()))
        return _USAGE
    if words[0] == "help":
        Zonecfg(host, run, "").run_arguments(words)
        return _OK
    options: dict[str, str] = {}
    while words and words[0].startswith("-") and len(words[0]) > 1:
        word = words.pop(0)
        if word == "--":
            break
        letter, rest = word[1], word[2:]
        if letter == "?":
            run.out(main_usage())
            return _USAGE
        if letter not in ("fRuz" if host.profile.smartos_zonecfg else "fRz"):
            return _wrong_usage(run, f"{run.path}: illegal option -- {letter}\n")
        if not rest and not words:
            return _wrong_usage(run, f"{run.path}: option requires an argument -- {letter}\n")
        options[letter] = rest or words.pop(0)
        problem = _problem(host, letter, options)
        if problem:
            run.err(problem)
            return _USAGE
    root = options.get("R", "")
    zone = options.get("z")
    if "u" in options:
        if zone is not None:
            return _wrong_usage(run, "")
        entries = Store(host, root).index.entries()
        zone = next((entry.name for entry in entries if entry.uuid == options["u"].lower()), None)
        if zone is None:
            run.err(f"{options['u']}: No such zone configured\n")
            return _ERROR
    if zone is None:
        return _wrong_usage(run, "")
    session = Zonecfg(host, run, zone, root)
    if words:
        return session.run_arguments(words, options.get("f"))
    session.warn_of_read_only()
    if "f" not in options:
        return session.run_stdin(named=False)
    if options["f"] == "-":
        return session.run_stdin(named=True)
    return session.run_file(options["f"])


def _problem(host: Host, letter: str, options: dict[str, str]) -> str:
    """What is wrong with the value of an option; the options before it have been accepted."""
    value = options[letter]
    # A file that has been named is told as the place of the problem, although nothing has been read of it.
    file = options.get("f", "-")
    where = "" if "f" not in options else "On line 0:\n" if file == "-" else f"On line 0 of {file}:\n"
    match letter:
        case "R" if not value.startswith("/"):
            return f"{where}root path must be absolute: {value}\n"
        case "R" if not host.path("global", value).is_dir():
            return f"{where}root path must be a directory: {value}\n"
        case "z" if value != "global" and not values.wellformed_zonename(value):
            return f"{where}{value}: Bogus zone name\n\n{usage.ZONE_SYNTAX}"
    return ""


def _wrong_usage(run: Invocation, text: str) -> int:
    run.err(text + usage.INVOCATION)
    return _USAGE
