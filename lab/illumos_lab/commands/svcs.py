"""svcs(1): states of services."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.smf import NoRepositoryError
from illumos_lab.smf import fmri as names
from illumos_lab.smf.methods import Contract, family
from illumos_lab.smf.restarter import UP, Instance, Restarter

_OK, _ERROR, _USAGE = 0, 1, 2
_LEGACY = "legacy_run"
_DAY = 24 * 3600

_USAGE_TEXT = """\
Usage: svcs [-aHpv] [-o col[,col ... ]] [-R restarter] [-sS col] [-Z | -z zone]
            [<service> ...]
       svcs -d | -D [-Hpv] [-o col[,col ... ]] [-sS col] [-Z | -z zone]
            [<service> ...]
       svcs [-l | -L] [-Z | -z zone] <service> ...
       svcs -x [-v] [-Z | -z zone] [<service> ...]
       svcs -?
"""


@dataclass(frozen=True)
class _Row:
    """One line: an instance, or a legacy script."""

    fmri: str
    zone: str
    since: float
    instance: Instance | None = None

    @property
    def state(self) -> str:
        return self.instance.state if self.instance else _LEGACY

    @property
    def next_state(self) -> str:
        found = self.instance.next_state if self.instance else "none"
        return "-" if found == "none" else found


@dataclass(frozen=True)
class _Column:
    width: int
    value: Callable[[_Row, bool], str]


def _starred(row: _Row, with_next: bool) -> str:
    """The state; a star tells of a transition unless the next state has a column of its own."""
    return row.state + ("*" if row.next_state != "-" and not with_next else "")


def _short_state(state: str) -> str:
    known = {
        "online": "ON", "disabled": "DIS", "offline": "OFF", "maintenance": "MNT", "degraded": "DGD",
        "uninitialized": "UN", _LEGACY: "LRC", "-": "-",
    }  # fmt: skip
    return known[state]


def _stime(row: _Row, with_next: bool) -> str:
    return _stime_of(row.since)


def _stime_of(since: float) -> str:
    moment = time.localtime(since)
    if time.time() - since < _DAY:
        return time.strftime("%H:%M:%S", moment)
    if time.time() - since < 365 * _DAY:
        return time.strftime("%b_%d", moment)
    return time.strftime("%Y", moment)


def _ctid(row: _Row, with_next: bool) -> str:
    process = row.instance.process if row.instance else None
    return str(process.pid) if process is not None else "-"


def _description(row: _Row, with_next: bool) -> str:
    return row.instance.service.title if row.instance else "-"


_COLUMNS = {
    "ctid": _Column(6, _ctid),
    "desc": _Column(60, _description),
    "fmri": _Column(50, lambda row, _: row.fmri),
    "inst": _Column(16, lambda row, _: names.split(row.fmri)[1] if row.instance else "-"),
    "nsta": _Column(4, lambda row, _: _short_state(row.next_state)),
    "nstate": _Column(14, lambda row, _: row.next_state),
    "scope": _Column(10, lambda row, _: "localhost"),
    "sta": _Column(4, lambda row, n: _short_state(row.state) + _starred(row, n)[len(row.state) :]),
    "state": _Column(14, _starred),
    "stime": _Column(8, _stime),
    "svc": _Column(30, lambda row, _: names.service_name(row.fmri) if row.instance else row.fmri),
    "zone": _Column(20, lambda row, _: row.zone),
}
_HEADERS = {"sta": "STA", "nsta": "NSTA"}
_STATE_ORDER = (*(_LEGACY, "disabled", "online", "degraded", "offline", "uninitialized", "maintenance"),)


class _WrongUsage(Exception):
    """The text is a message, or empty when the usage says it all."""


def main(host: Host, run: Invocation) -> int:
    """Run svcs; exit status 0, 1 when something cannot be found or reached, 2 for wrong usage."""
    try:
        options, patterns = getopt(run.argv, "aHpvo:R:s:S:Zz:dDlLx?", permute=True)
        return _run(host, run, options, patterns)
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE_TEXT)
        return _USAGE
    except _WrongUsage as error:
        run.err(f"svcs: {error}\n" if str(error) else _USAGE_TEXT)
        return _USAGE
    except NoRepositoryError as error:
        run.err(f"svcs: {error}\n")
        return _ERROR


def _run(host: Host, run: Invocation, options: list[tuple[str, str]], patterns: list[str]) -> int:
    given = dict(options)
    if "?" in given:
        run.err(_USAGE_TEXT)
        return _USAGE
    if unsupported := given.keys() & {"R"}:
        run.err(f"svcs: -{min(unsupported)}: not emulated by illumos-lab\n")
        return _ERROR
    if len(given.keys() & set("dDlLx")) > 1 or ("Z" in given and "z" in given):
        raise _WrongUsage("")
    if run.zone != "global" and given.keys() & {"z", "Z"}:
        run.err("svcs: -z and -Z may only be used from the global zone\n")
        return _ERROR
    zones = host.smf.zones() if "Z" in given else [given.get("z", run.zone)]
    restarters = [host.smf.restarter(zone) for zone in zones]
    if "x" in given:
        return _explain(run, restarters, patterns)
    if "l" in given or "L" in given:
        if not patterns:
            raise _WrongUsage("")
        show = _show_long if "l" in given else _show_log
        return _each(run, restarters, patterns, show)
    if "d" in given or "D" in given:
        if not patterns:
            raise _WrongUsage("")
        rows, status = _related(run, restarters, patterns, "d" in given)
    else:
        rows, status = _rows(run, restarters, patterns, "a" in given)
    _print(host, run, rows, options, given)
    return status


def _rows(
    run: Invocation, restarters: Sequence[Restarter], patterns: list[str], everything: bool
) -> tuple[list[_Row], int]:
    rows = []
    for restarter in restarters:
        with restarter.changed:
            rows += [
                _Row(each.fmri, restarter.zone, each.since, each)
                for each in restarter.instances.values()
                if patterns
                or everything
                or each.state in ("online", "degraded", "offline", "maintenance")
                or restarter.is_enabled(each)
            ]
            rows += [_Row(fmri, restarter.zone, since) for fmri, since in restarter.legacy.items()]
    if not patterns:
        return rows, _OK
    chosen: list[_Row] = []
    status = _OK
    for pattern in patterns:
        found = set(names.match(pattern, [row.fmri for row in rows]))
        if not found:
            run.err(f"svcs: Pattern '{pattern}' doesn't match any instances\n")
            status = _ERROR
        chosen += [row for row in rows if row.fmri in found and row not in chosen]
    return chosen, status


def _related(
    run: Invocation, restarters: Sequence[Restarter], patterns: list[str], dependencies: bool
) -> tuple[list[_Row], int]:
    """The instances that some depend on, or that depend on them."""
    chosen, status = _rows(run, restarters, patterns, True)
    rows = []
    for restarter in restarters:
        wanted = [row.instance for row in chosen if row.zone == restarter.zone and row.instance]
        every = list(restarter.instances.values())
        for each in every:
            pairs = [(one, each) if dependencies else (each, one) for one in wanted]
            if any(_depends(one, other) for one, other in pairs):
                rows.append(_Row(each.fmri, restarter.zone, each.since, each))
    return rows, status


def _depends(one: Instance, other: Instance) -> bool:
    wanted = [fmri for dependency in one.service.dependencies for fmri in dependency.fmris]
    return any(names.match(fmri, [other.fmri]) for fmri in wanted)


def _print(
    host: Host, run: Invocation, rows: list[_Row], options: list[tuple[str, str]], given: dict[str, str]
) -> None:
    default = "state,nstate,stime,ctid,fmri" if "v" in given else "state,stime,fmri"
    if "Z" in given:
        default = f"zone,{default}"
    columns = ",".join(value for letter, value in options if letter == "o") or default
    wanted = [name.lower() for name in columns.split(",")]
    for name in wanted:
        if name not in _COLUMNS:
            raise _WrongUsage(f"Unknown column '{name}'.\n{_columns_text()}")
    with_next = bool({"nstate", "nsta"} & set(wanted))
    keys = [(letter, value) for letter, value in options if letter in "sS"]
    for _, name in keys:
        if name.lower() not in _COLUMNS:
            raise _WrongUsage(f"Unrecognized sort column '{name}'.\n{_columns_text()}")
    rows.sort(key=lambda row: (_STATE_ORDER.index(row.state), row.since, row.fmri))
    for letter, name in reversed(keys):
        rows.sort(key=lambda row: _sort_value(row, name.lower()), reverse=letter == "S")
    lines = [] if "H" in given else [[name.upper() for name in wanted]]
    widths = [_COLUMNS[name].width for name in wanted]

    def line(cells: list[str]) -> str:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        return " ".join(padded).rstrip() + "\n"

    text = "".join(map(line, lines))
    for row in rows:
        text += line([_COLUMNS[name].value(row, with_next) for name in wanted])
        if "p" in given and row.instance is not None:
            text += _processes(host, run, row)
    run.out(text)


def _processes(host: Host, run: Invocation, row: _Row) -> str:
    """The processes of an instance, each with its start, id and name."""
    daemon = row.instance.process if row.instance else None
    if daemon is None:
        return ""
    outer = daemon.members() if isinstance(daemon, Contract) else family(daemon.pid)
    level = -1 if run.zone == row.zone else 1
    text = ""
    for pid in outer:
        # A process may end while it is looked at.
        with contextlib.suppress(OSError, IndexError):
            status = Path(f"/proc/{pid}/status").read_text().splitlines()
            fields = dict(line.split(":", 1) for line in status if ":" in line)
            shown = fields["NSpid"].split()[level]
            began = _stime_of(Path(f"/proc/{pid}").stat().st_ctime)
            text += f"{'':15}{began:<8} {shown:>8} {fields['Name'].strip()}\n"
    return text


def _columns_text() -> str:
    return "Valid columns are: " + ", ".join(sorted(_COLUMNS))


def _sort_value(row: _Row, name: str) -> tuple[float, str]:
    if name == "stime":
        return row.since, ""
    if name in ("state", "sta"):
        return _STATE_ORDER.index(row.state), ""
    return 0, _COLUMNS[name].value(row, True)


# Long listings -----------------------------------------------------------------------------------


def _each(
    run: Invocation,
    restarters: Sequence[Restarter],
    patterns: list[str],
    show: Callable[[Restarter, Instance], str],
) -> int:
    rows, status = _rows(run, restarters, patterns, True)
    texts = []
    for restarter in restarters:
        texts += [
            show(restarter, row.instance)
            for row in rows
            if row.instance is not None and row.zone == restarter.zone
        ]
    separator = "\n" if show is _show_long else ""
    run.out(separator.join(texts))
    return status


def _log_path(instance: Instance) -> str:
    return f"/var/svc/log/{names.log_name(instance.fmri)}"


def _show_log(restarter: Restarter, instance: Instance) -> str:
    return _log_path(instance) + "\n"


def _show_long(restarter: Restarter, instance: Instance) -> str:
    enabled = str(restarter.is_enabled(instance)).lower()
    if restarter.is_temporary(instance):
        enabled += " (temporary)"
    lines = [
        ("fmri", instance.fmri),
        ("name", instance.service.title),
        ("enabled", enabled),
        ("state", instance.state),
        ("next_state", instance.next_state),
        ("state_time", time.strftime("%B %e, %Y at %I:%M:%S %p %Z", time.localtime(instance.since))),
        ("logfile", _log_path(instance)),
        ("restarter", "svc:/system/svc/restarter:default"),
    ]
    if instance.process is not None:
        lines.append(("contract_id", f"{instance.process.pid} "))
    for dependency in instance.service.dependencies:
        parts = [f"{fmri} ({_state_of(restarter, fmri)})" for fmri in dependency.fmris]
        text = f"{dependency.grouping}/{dependency.restart_on} {' '.join(parts)}"
        lines.append(("dependency", text))
    return "".join(f"{name:<12} {value}\n" for name, value in lines)


def _state_of(restarter: Restarter, fmri: str) -> str:
    if fmri.startswith("file:"):
        return "online" if restarter.has_file(fmri) else "absent"
    found = names.match(fmri, restarter.instances)
    if not found:
        return "absent"
    return restarter.instances[found[0]].state if len(found) == 1 else "multiple"


# Explanations ------------------------------------------------------------------------------------


def _explain(run: Invocation, restarters: Sequence[Restarter], patterns: list[str]) -> int:
    rows, status = _rows(run, restarters, patterns, True)
    texts = []
    for restarter in restarters:
        with restarter.changed:
            for row in rows:
                if row.instance is None or row.zone != restarter.zone:
                    continue
                if patterns or _is_trouble(restarter, row.instance):
                    texts.append(_explanation(restarter, row.instance))
    run.out("\n".join(texts))
    return status


def _is_trouble(restarter: Restarter, instance: Instance) -> bool:
    """Enabled and yet not running."""
    return instance.state == "maintenance" or (restarter.is_enabled(instance) and instance.state not in UP)


def _explanation(restarter: Restarter, instance: Instance) -> str:
    since = time.strftime("%B %e, %Y at %I:%M:%S %p %Z", time.localtime(instance.since))
    lines = [f"{instance.fmri} ({instance.service.title})", f" State: {instance.state} since {since}"]
    if instance.state in UP:
        lines += [f"   See: {_log_path(instance)}", "Impact: None."]
        return "\n".join(lines) + "\n"
    lines.append(f"Reason: {_reason(restarter, instance)}")
    lines += [f"   See: {_log_path(instance)}", "Impact: This service is not running."]
    return "\n".join(lines) + "\n"


def _reason(restarter: Restarter, instance: Instance) -> str:
    if instance.state == "maintenance":
        return instance.reason or "Maintenance requested by an administrator."
    if instance.state == "disabled":
        return "Disabled by an administrator."
    if instance.busy:
        return "Start method is running."
    for dependency in instance.service.dependencies:
        for fmri in dependency.fmris:
            if fmri.startswith("file:"):
                if not restarter.has_file(fmri):
                    return f"Dependency {fmri} is absent."
                continue
            state = _state_of(restarter, fmri)
            if state not in UP and state != "multiple" and dependency.grouping == "require_all":
                return f"Dependency {fmri} is {state}."
    return "Unknown."
