"""zonecfg(8): set up the configuration of a zone."""

from __future__ import annotations

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.zonecfg import usage, values
from illumos_lab.zonecfg.store import Store
from illumos_lab.zonecfg.subcommands import Zonecfg, main_usage

_OK, _ERROR, _USAGE = range(3)
_ZONENAME_MAX = 63

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
    root = options.get("R", "")
    if root:
        if not root.startswith("/"):
            run.err(f"root path must be absolute: {root}\n")
            return _USAGE
        if not host.path("global", root).is_dir():
            run.err(f"root path must be a directory: {root}\n")
            return _USAGE
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
        if words[:1] == ["help"]:
            return Zonecfg(host, run, "").run_arguments(words)
        return _wrong_usage(run, "")
    if zone != "global" and not _acceptable(zone):
        run.err(f"{zone}: Bogus zone name\n\n{usage.ZONE_SYNTAX}")
        return _USAGE
    session = Zonecfg(host, run, zone, root)
    if words:
        return session.run_arguments(words)
    if "f" not in options:
        return session.run_stdin(named=False)
    if options["f"] == "-":
        return session.run_stdin(named=True)
    return session.run_file(options["f"])


def _acceptable(zone: str) -> bool:
    # Templates may be looked at, so their reserved prefix is no reason to refuse a name here.
    return values.valid_zonename(zone.removeprefix("SUNW")) and len(zone) <= _ZONENAME_MAX


def _wrong_usage(run: Invocation, text: str) -> int:
    run.err(text + usage.INVOCATION)
    return _USAGE
