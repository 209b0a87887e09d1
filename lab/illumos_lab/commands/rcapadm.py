"""rcapadm(8): set up memory caps. The settings are properties of svc:/system/rcap:default."""

from __future__ import annotations

from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.smf.repository import Property
from illumos_lab.zone_states import RUNNING
from illumos_lab.zonecfg.values import size_to_bytes

RCAP = "svc:/system/rcap:default"
_OK, _ERROR, _USAGE = range(3)
_USAGE_TEXT = """\
usage: rcapadm
               [-E|-D]                                # enable/disable rcapd
               [-n]                                   # don't start/stop rcapd
               [-i <scan|sample|report|config>=value] # set intervals
               [-c <percent>]                         # set memory cap
                                                      # enforcement threshold
               [-z <zonename> -m <max-rss>]               # update zone memory cap
"""
_INTERVALS = {
    "scan": ("config/walk_interval", 1),
    "sample": ("config/rss_sample_interval", 1),
    "report": ("config/report_interval", 0),
    "config": ("config/reconfig_interval", 0),
}
"""Intervals by their name here: property, and least value."""
_PRESSURE = "config/pressure"


class _WrongUsage(Exception):
    """The call is wrong."""


def main(host: Host, run: Invocation) -> int:
    """Run rcapadm; returns 0, 1 for an error, or 2 for wrong usage."""
    try:
        pairs, operands = getopt(run.argv, "DEc:i:m:nz:", permute=False)
        options = Options(pairs, operands)
        settings = _settings(options)
        modified = bool(settings) or "E" in options or "D" in options
        refresh = "z" in options
        if operands or refresh != ("m" in options) or (refresh and (modified or "n" in options)):
            raise _WrongUsage
    except (UnknownOptionError, MissingValueError, _WrongUsage):
        run.err(_USAGE_TEXT)
        return _USAGE
    if refresh:
        return _set_cap(host, run, options.get("z") or "", options.get("m") or "")
    if modified:
        return _modify(host, run, options, settings)
    run.out(_shown(host, run.zone))
    return _OK


def _settings(options: Options) -> dict[str, int]:
    settings = {}
    for text in options.all("c"):
        settings[_PRESSURE] = _number(text, 0, 100)
    for text in options.all("i"):
        for word in text.split(","):
            name, equals, value = word.partition("=")
            if name not in _INTERVALS or not equals:
                raise _WrongUsage
            prop, least = _INTERVALS[name]
            settings[prop] = _number(value, least, 2**31 - 1)
    return settings


def _number(text: str, low: int, high: int) -> int:
    if not text.isdigit() or not low <= int(text) <= high:
        raise _WrongUsage
    return int(text)


def _modify(host: Host, run: Invocation, options: Options, settings: dict[str, int]) -> int:
    if not run.privileged:
        run.err(f"{run.name}: cannot modify configuration: Permission denied.\n")
        return _ERROR
    restarter = host.smf.restarter(run.zone)
    with restarter.changed:
        own = restarter.repository.properties.setdefault(RCAP, {})
        own |= {name: Property("count", (str(value),)) for name, value in settings.items()}
        if options.get("n") is not None and ("E" in options or "D" in options):
            # At the next boot only: the instance keeps running, or not, as it does now.
            instance = restarter.instances[RCAP]
            instance.temporary = restarter.is_enabled(instance)
            restarter.repository.enabled[RCAP] = _enables(options)
        restarter.repository.save()
    restarter.request(RCAP, refresh=True)
    if "n" not in options and ("E" in options or "D" in options):
        restarter.set_enabled(RCAP, _enables(options))
    return _OK


def _enables(options: Options) -> bool:
    return next(letter for letter, _ in reversed(options.pairs) if letter in "DE") == "E"


def _set_cap(host: Host, run: Invocation, zone: str, text: str) -> int:
    if run.zone != "global":
        return _OK
    active = host.zones.active(zone)
    if active is None or active.state != RUNNING:
        run.err(f"zone '{zone}' must be running\n")
        return _ERROR
    limit = size_to_bytes(text)
    if limit is None:
        run.err("invalid max-rss value\n")
        return _ERROR
    if not run.privileged:
        run.err(f"could not set memory cap for zone '{zone}'\n")
        return _ERROR
    with host.lock:
        active.memory_cap = limit
    return _OK


def _shown(host: Host, zone: str) -> str:
    restarter = host.smf.restarter(zone)
    with restarter.changed:
        instance = restarter.instances[RCAP]
        composed = restarter.composed(RCAP)
        persistent = composed["general/enabled"].values[0] == "true"
        now = restarter.is_enabled(instance)
    words = {True: "enabled", False: "disabled"}
    state = words[now]
    if now != persistent:
        state += f" ({words[persistent]} at next boot)"

    def value(name: str) -> str:
        return composed[name].values[0]

    return (
        f"{'state':>43}: {state}\n"
        f"{'memory cap enforcement threshold':>43}: {value(_PRESSURE)}%\n"
        f"{'process scan rate (sec)':>43}: {value('config/walk_interval')}\n"
        f"{'reconfiguration rate (sec)':>43}: {value('config/reconfig_interval')}\n"
        f"{'report rate (sec)':>43}: {value('config/report_interval')}\n"
        f"{'RSS sampling rate (sec)':>43}: {value('config/rss_sample_interval')}\n"
    )
