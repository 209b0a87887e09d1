"""ps(1): processes, also of other zones."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from illumos_lab import accounts
from illumos_lab.commands.kstat import booted
from illumos_lab.commands.pgrep import named_zones
from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_USAGE = """\
usage: ps [ -aAdefHlcjLPyZ ] [ -o format ] [ -t termlist ]
	[ -u userlist ] [ -U userlist ] [ -G grouplist ]
	[ -p proclist ] [ -g pgrplist ] [ -s sidlist ] [ -z zonelist ] [-h lgrplist]
  'format' is one or more of:
	user ruser group rgroup uid ruid gid rgid pid ppid pgid sid taskid ctid
	pri opri pcpu pmem vsz rss osz nice class time etime stime zone zoneid
	f s c lwp nlwp psr tty addr wchan fname comm args projid project pset lgrp
"""
_LETTERS = "aAdefHlcjLPyZo:t:u:U:G:p:g:s:z:n:h:"
_NOT_EMULATED = "HLPchny"
_SELECTORS = "tuUGpgsz"
_TICKS = os.sysconf("SC_CLK_TCK")
_DAY = 24 * 3600
_PTS_MAJOR = range(136, 144)


@dataclass(frozen=True)
class _Process:
    """A process as the caller's zone sees it; times in seconds, sizes in KiB."""

    zone: str
    zone_id: str
    pid: int
    parent: int
    group: int
    session: int
    uids: tuple[int, int]
    gids: tuple[int, int]
    name: str
    path: str
    args: str
    state: str
    priority: int
    nice: int
    threads: int
    size: int
    resident: int
    used: float
    started: float
    tty: str


@dataclass(frozen=True)
class _Field:
    """A field of -o: header, least width, and whether it is set to the left."""

    header: str
    width: int
    value: Callable[[_Process, Path], str]
    left: bool = False


def main(host: Host, run: Invocation) -> int:
    """List processes; exit status 0, or 1 when none was found or the call is wrong."""
    try:
        options = Options(*getopt(run.argv, _LETTERS, permute=False))
    except (UnknownOptionError, MissingValueError) as error:
        missing = isinstance(error, MissingValueError)
        text = "option requires an argument" if missing else "illegal option"
        run.err(f"ps: {text} -- {str(error).lstrip('-')}\n{_USAGE}")
        return 1
    if options.operands:
        run.err("ps: options without a dash are not emulated by illumos-lab\n")
        return 1
    refused = next((letter for letter in _NOT_EMULATED if letter in options), None)
    if refused:
        run.err(f"ps: option -{refused} is not emulated by illumos-lab\n")
        return 1
    fields: list[tuple[str, _Field]] = []
    for text in options.all("o"):
        for name, header in _asked(text):
            if name not in _FIELDS:
                run.err(f"ps: unknown output format: -o {name}\n{_USAGE}")
                return 1
            fields.append((_FIELDS[name].header if header is None else header, _FIELDS[name]))
    zones = named_zones(host, run, options.get("z"))
    if zones is None:
        run.err(f"ps: unknown zone {options.get('z')}\n")
        return 1
    root = host.zone_root(run.zone)
    chosen = [each for each in _processes(host, run) if _is_chosen(each, options, run, root, zones)]
    run.out(_free_form(chosen, fields, root) if fields else _table(chosen, options, root))
    return 0 if chosen else 1


def _asked(text: str) -> list[tuple[str, str | None]]:
    """Fields of one -o: names divided by commas or blanks; a header after ``=`` takes all the rest."""
    names, equals, header = text.partition("=")
    words = names.replace(",", " ").split()
    pairs: list[tuple[str, str | None]] = [(word, None) for word in words]
    if equals and pairs:
        pairs[-1] = (words[-1], header)
    return pairs


def _is_chosen(
    process: _Process, options: Options, run: Invocation, root: Path, zones: Sequence[str]
) -> bool:
    if "e" in options or "A" in options:
        return True
    if "d" in options and process.pid != process.session:
        return True
    if "a" in options and process.pid != process.session and process.tty != "?":
        return True
    if not any(letter in options for letter in _SELECTORS + "da"):
        return process.uids[1] == run.uid and process.tty == _own_tty(run)
    facts: dict[str, set[str]] = {
        "t": {process.tty, process.tty.removeprefix("pts/")},
        "u": {str(process.uids[1]), _user(root, process.uids[1])},
        "U": {str(process.uids[0]), _user(root, process.uids[0])},
        "G": {str(process.gids[0])},
        "p": {str(process.pid)},
        "g": {str(process.group)},
        "s": {str(process.session)},
    }
    for letter, own in facts.items():
        if own & {word for text in options.all(letter) for word in text.replace(",", " ").split()}:
            return True
    return "z" in options and process.zone in zones


def _own_tty(run: Invocation) -> str:
    for descriptor in (run.stdin, run.stdout, run.stderr):
        if os.isatty(descriptor):
            return _tty(os.fstat(descriptor).st_rdev)
    return "?"


# Reading -----------------------------------------------------------------------------------------


def _processes(host: Host, run: Invocation) -> list[_Process]:
    inside = run.zone != "global"
    zones = [run.zone] if inside else ["global", *host.zones.names()]
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    found = [_init(host, run.zone)]
    for zone in zones:
        for outer in host.runtime.processes(zone):
            process = _read(outer, host, zone, boot, depth=2 if inside else 1)
            if process is not None:
                found.append(process)
    return sorted(found, key=lambda process: process.pid)


def _zone_id(host: Host, zone: str) -> str:
    return "0" if zone == "global" else str(host.zones.zone_id(zone))


def _init(host: Host, zone: str) -> _Process:
    return _Process(
        zone, _zone_id(host, zone), 1, 0, 0, 0, (0, 0), (0, 0), "init", "/sbin/init", "/sbin/init",
        "S", 59, 20, 1, 2700, 1900, 0.0, booted(), "?",
    )  # fmt: skip


def _read(outer: int, host: Host, zone: str, boot: float, depth: int) -> _Process | None:
    place = Path("/proc", str(outer))
    try:
        name, _, rest = (place / "stat").read_text().partition("(")[2].rpartition(")")
        lines = (place / "status").read_text().splitlines()
        words = (place / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return None
    stat = rest.split()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    def inner(key: str) -> int:
        numbers = status[key].split()
        return int(numbers[min(depth, len(numbers) - 1)])

    uids, gids = (status[key].split() for key in ("Uid", "Gid"))
    if words[1:2] == ["-IS"]:
        # An emulated program: what runs is its stub.
        words = words[2:]
    args = " ".join(words)
    if len(words) == 2 and words[1] == "infinity" and name != "sleep":
        # A daemon that only sleeps in the lab, under its own name and arguments.
        args = words[0]
    return _Process(
        zone=zone,
        zone_id=_zone_id(host, zone),
        pid=inner("NSpid"),
        parent=_parent(int(stat[1]), depth),
        group=inner("NSpgid"),
        session=inner("NSsid"),
        uids=(int(uids[0]), int(uids[1])),
        gids=(int(gids[0]), int(gids[1])),
        name=name[:8],
        path=args.split(" ", 1)[0] or name,
        args=args or name,
        state={"R": "O", "Z": "Z", "T": "T", "t": "T"}.get(stat[0], "S"),
        priority=59,
        nice=20 + int(stat[16]),
        threads=int(stat[17]),
        size=int(stat[20]) // 1024,
        resident=int(stat[21]) * (os.sysconf("SC_PAGESIZE") // 1024),
        used=(int(stat[11]) + int(stat[12])) / _TICKS,
        started=boot + int(stat[19]) / _TICKS,
        tty=_tty(int(stat[4])),
    )


def _parent(outer: int, depth: int) -> int:
    """The parent's number in the zone; a parent outside of it is its init."""
    try:
        lines = Path(f"/proc/{outer}/status").read_text().splitlines()
    except OSError:
        return 1
    numbers = next(line for line in lines if line.startswith("NSpid:")).split()[1:]
    return int(numbers[depth]) if depth < len(numbers) else 1


def _tty(device: int) -> str:
    major, minor = os.major(device), os.minor(device)
    return f"pts/{(major - _PTS_MAJOR.start) * 256 + minor}" if major in _PTS_MAJOR else "?"


# Printing ----------------------------------------------------------------------------------------


def _user(root: Path, uid: int) -> str:
    account = accounts.by_uid(root, uid)
    return account.name if account else str(uid)


def _group(root: Path, gid: int) -> str:
    try:
        lines = (root / "etc/group").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":")[0] for line in lines if line.split(":")[2:3] == [str(gid)]]
    return names[0] if names else str(gid)


def _start(process: _Process) -> str:
    now = time.time()
    form = "%H:%M:%S" if now - process.started < _DAY else "%b %d"
    return time.strftime(form, time.gmtime(process.started))


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _clock(seconds: float) -> str:
    days, rest = divmod(int(seconds), _DAY)
    hours, rest = divmod(rest, 3600)
    text = f"{rest // 60:02d}:{rest % 60:02d}"
    if days:
        return f"{days}-{hours:02d}:{text}"
    return f"{hours:02d}:{text}" if hours else text


def _table(chosen: Sequence[_Process], options: Options, root: Path) -> str:
    full, long, zones, jobs = (letter in options for letter in "flZj")
    text = ("    ZONE" if zones else "") + (" F S" if long else "")
    if full:
        text += (" " if long else "") + "     UID"
    elif long:
        text += "    UID"
    text += "   PID" + ("  PPID" if long or full else "") + ("  PGID   SID" if jobs else "")
    text += "   C" if long or full else ""
    text += " PRI NI     ADDR     SZ    WCHAN" if long else ""
    text += ("    STIME" if full else "") + " TTY         TIME CMD\n"
    for each in chosen:
        line = f" {each.zone[:7]:>7}" if zones else ""
        line += f" 0 {each.state}" if long else ""
        if full:
            line += (" " if long else "") + f"{_user(root, each.uids[1])[:8]:>8}"
        elif long:
            line += f" {each.uids[1]:6d}"
        line += f" {each.pid:5d}" + (f" {each.parent:5d}" if long or full else "")
        line += f" {each.group:5d} {each.session:5d}" if jobs else ""
        line += "   0" if long or full else ""
        line += f" {each.priority:3d} {each.nice:2d}        ? {each.size // 4:6d}        ?" if long else ""
        line += f" {_start(each):>8}" if full else ""
        line += f" {each.tty:<8} {_minutes(each.used):>7} {each.args[:80] if full else each.name}\n"
        text += line
    return text


def _free_form(chosen: Sequence[_Process], fields: Sequence[tuple[str, _Field]], root: Path) -> str:
    rows = [[field.value(each, root) for _, field in fields] for each in chosen]
    if any(header for header, _ in fields):
        rows.insert(0, [header for header, _ in fields])
    text = ""
    for row in rows:
        cells = []
        for number, (cell, (header, field)) in enumerate(zip(row, fields, strict=True)):
            width = max(field.width, len(header))
            last = number == len(fields) - 1
            cells.append((cell if last else cell.ljust(width)) if field.left else cell.rjust(width))
        text += " ".join(cells) + "\n"
    return text


_FIELDS = {
    "user": _Field("USER", 8, lambda each, root: _user(root, each.uids[1])),
    "ruser": _Field("RUSER", 8, lambda each, root: _user(root, each.uids[0])),
    "group": _Field("GROUP", 8, lambda each, root: _group(root, each.gids[1])),
    "rgroup": _Field("RGROUP", 8, lambda each, root: _group(root, each.gids[0])),
    "uid": _Field("UID", 5, lambda each, _: str(each.uids[1])),
    "ruid": _Field("RUID", 5, lambda each, _: str(each.uids[0])),
    "gid": _Field("GID", 5, lambda each, _: str(each.gids[1])),
    "rgid": _Field("RGID", 5, lambda each, _: str(each.gids[0])),
    "pid": _Field("PID", 5, lambda each, _: str(each.pid)),
    "ppid": _Field("PPID", 5, lambda each, _: str(each.parent)),
    "pgid": _Field("PGID", 5, lambda each, _: str(each.group)),
    "sid": _Field("SID", 5, lambda each, _: str(each.session)),
    "pri": _Field("PRI", 3, lambda each, _: str(each.priority)),
    "nice": _Field("NI", 2, lambda each, _: str(each.nice)),
    "nlwp": _Field("NLWP", 4, lambda each, _: str(each.threads)),
    "class": _Field("CLS", 4, lambda each, _: "TS"),
    "s": _Field("S", 1, lambda each, _: each.state),
    "vsz": _Field("VSZ", 4, lambda each, _: str(each.size)),
    "rss": _Field("RSS", 4, lambda each, _: str(each.resident)),
    "time": _Field("TIME", 11, lambda each, _: _clock(each.used)),
    "etime": _Field("ELAPSED", 11, lambda each, _: _clock(time.time() - each.started)),
    "stime": _Field("STIME", 8, lambda each, _: _start(each)),
    "zone": _Field("ZONE", 8, lambda each, _: each.zone),
    "zoneid": _Field("ZONEID", 5, lambda each, _: each.zone_id),
    "tty": _Field("TT", 7, lambda each, _: each.tty, left=True),
    "fname": _Field("COMMAND", 8, lambda each, _: each.name, left=True),
    "comm": _Field("COMMAND", 80, lambda each, _: each.path, left=True),
    "args": _Field("COMMAND", 80, lambda each, _: each.args[:80], left=True),
}
