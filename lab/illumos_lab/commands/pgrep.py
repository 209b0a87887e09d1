"""pgrep(1) and pkill(1): find processes by name, also by zone, and signal them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from illumos_lab import accounts
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_WITH_VALUE = "uzPGgsdU"
_FLAGS = "fxnovl"


@dataclass(frozen=True)
class _Process:
    """A process as the caller's zone sees it."""

    outer: int
    pid: int
    name: str
    command: str
    uid: int
    parent: int


def main(host: Host, run: Invocation) -> int:
    """Exit 0 when a process matched, 1 when none, 2 on usage errors."""
    killing = run.name == "pkill"
    number = int(signal.SIGTERM)
    options: dict[str, str] = {}
    words = list(run.argv)
    if killing and words and re.fullmatch(r"-([A-Z][A-Z0-9]*|\d+)", words[0]):
        found = _signal(words[0][1:])
        if found is None:
            run.err(f"pkill: Unknown signal: {words[0][1:]}\n")
            return 2
        number = found
        words.pop(0)
    while words and words[0].startswith("-") and words[0] != "-":
        word = words.pop(0)
        if word == "--":
            break
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in _FLAGS:
                options[letter] = ""
            elif letter in _WITH_VALUE and (letters or words):
                options[letter] = letters or words.pop(0)
                letters = ""
            else:
                return _usage(run, killing, letter)
    refused = set(options) - set("fxnovluzP")
    if refused:
        run.err(f"{run.name}: option -{min(refused)} is not emulated by illumos-lab\n")
        return 2
    if len(words) > 1 or (not words and not options):
        return _usage(run, killing, None)
    zones = named_zones(host, run, options.get("z"))
    if zones is None:
        run.err(f"{run.name}: invalid zone name -- {options['z']}\n")
        return 2
    chosen = _choose(host, run, zones, options, words[0] if words else "")
    for process in chosen:
        if killing:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.outer, number)
        else:
            run.out(f"{process.pid:5d} {process.name}\n" if "l" in options else f"{process.pid}\n")
    return 0 if chosen else 1


def _usage(run: Invocation, killing: bool, letter: str | None) -> int:
    if letter is not None:
        run.err(f"{run.name}: illegal option -- {letter}\n")
    first = "[-signal] " if killing else "[-l] [-d delim] "
    run.err(f"Usage: {run.name} {first}[-fnovx] [-P ppidlist] [-u euidlist] [-z zonelist] [pattern]\n")
    return 2


def _signal(name: str) -> int | None:
    if name.isdigit():
        return int(name)
    found = getattr(signal, f"SIG{name.removeprefix('SIG')}", None)
    return int(found) if isinstance(found, signal.Signals) else None


def named_zones(host: Host, run: Invocation, listed: str | None) -> list[str] | None:
    """The zones of a list of names and ids that the caller sees; None when one does not exist.

    Without a list: all. In a zone there is only that.
    """
    if run.zone != "global":
        return [run.zone]
    everything = ["global", *host.zones.names()]
    if listed is None:
        return everything
    chosen = []
    for name in listed.split(","):
        match = [zone for zone in everything if name == zone or name == _zone_id(host, zone)]
        if not match:
            return None
        chosen += match
    return chosen


def _zone_id(host: Host, zone: str) -> str:
    return "0" if zone == "global" else str(host.zones.zone_id(zone))


def _choose(
    host: Host, run: Invocation, zones: list[str], options: dict[str, str], pattern: str
) -> list[_Process]:
    depth = 1 if run.zone == "global" else 2
    root = host.zone_root(run.zone)
    uids: set[int] | None = None
    if "u" in options:
        uids = set()
        for name in options["u"].split(","):
            account = accounts.by_name(root, name)
            uids.add(account.uid if account else int(name) if name.isdigit() else -1)
    expression = re.compile(pattern)
    chosen = []
    for outer in (pid for zone in dict.fromkeys(zones) for pid in host.runtime.processes(zone)):
        process = _read(outer, depth)
        if process is None:
            continue
        text = process.command if "f" in options else process.name
        matches = expression.fullmatch(text) if "x" in options else expression.search(text)
        wanted = bool(matches)
        wanted &= uids is None or process.uid in uids
        wanted &= "P" not in options or str(process.parent) in options["P"].split(",")
        if wanted != ("v" in options):
            chosen.append(process)
    chosen.sort(key=lambda process: process.pid)
    if "n" in options:
        return chosen[-1:]
    return chosen[:1] if "o" in options else chosen


def _read(outer: int, depth: int) -> _Process | None:
    try:
        status = Path(f"/proc/{outer}/status").read_text()
        command = Path(f"/proc/{outer}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    pids = fields["NSpid"].split()
    return _Process(
        outer=outer,
        pid=int(pids[min(depth, len(pids) - 1)]),
        name=fields["Name"].strip(),
        command=command.strip(),
        uid=int(fields["Uid"].split()[1]),
        parent=_inner_pid(int(fields["PPid"]), depth),
    )


def _inner_pid(outer: int, depth: int) -> int:
    try:
        status = Path(f"/proc/{outer}/status").read_text()
    except OSError:
        return 0
    line = next(line for line in status.splitlines() if line.startswith("NSpid:"))
    pids = line.split()[1:]
    return int(pids[depth]) if depth < len(pids) else 0
