"""routeadm(8): IP forwarding of the caller's zone.

``-e`` and ``-d`` say what is wanted from the next boot on; ``-u`` makes it so now, by enabling or
disabling the service behind the option.
"""

from __future__ import annotations

import contextlib

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip import routing_conf
from illumos_lab.ip.routing_conf import FORWARDING, OPTIONS
from illumos_lab.smf import NoRepositoryError

_VARIABLES = {
    "ipv4-routing-daemon": "",
    "ipv4-routing-daemon-args": "",
    "ipv4-routing-stop-cmd": "",
    "ipv6-routing-daemon": "",
    "ipv6-routing-daemon-args": "",
    "ipv6-routing-stop-cmd": "",
    "routing-svcs": "route:default ripng:default",
}
"""What ``-s`` could set, and the defaults."""

_USAGE = f"""\
usage: routeadm [-p] [-R <root-dir>]
       routeadm [-e <option>] [-d <option>] [-r <option>]
           [-l <FMRI>] [-m <FMRI> key=value [...]]
           [-s <var>=<val>] [-R <root-dir>]
       routeadm -u

       <option> is one of:
{"".join(f"       {name}{chr(10)}" for name in sorted(OPTIONS))}
       <var> is one of:
{"".join(f"       {name}{chr(10)}" for name in _VARIABLES)}"""
_TABLE_HEADER = """\
              Configuration   Current              Current
                     Option   Configuration        System State
---------------------------------------------------------------
"""
_DAEMONS = (
    "svc:/network/routing/ripng:default",
    "svc:/network/routing/route:default",
    "svc:/network/routing/rdisc:default",
    "svc:/network/routing/ndp:default",
    "svc:/network/routing/legacy-routing:ipv4",
    "svc:/network/routing/legacy-routing:ipv6",
)
"""The services that can do routing; a host shows those that it has."""

_LABELS = {
    "ipv4-routing": "IPv4 routing",
    "ipv6-routing": "IPv6 routing",
    "ipv4-forwarding": "IPv4 forwarding",
    "ipv6-forwarding": "IPv6 forwarding",
}


def main(host: Host, run: Invocation) -> int:
    """Run routeadm; exit status 0 or 1."""
    try:
        options, operands = getopt(run.argv, "e:d:r:upR:s:m:l:", permute=False)
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE)
        return 1
    given = dict(options)
    if refused := given.keys() & set("Rsml"):
        return _fail(run, f"-{min(refused)}: not emulated by the lab")
    if not options and not operands:
        _show(host, run)
        return 0
    if "p" in given:
        return _show_parseable(host, run, operands)
    if operands:
        run.err(_USAGE)
        return 1
    return _change(host, run, options)


def _fail(run: Invocation, text: str) -> int:
    run.err(f"{run.name}: {text}\n")
    return 1


def _change(host: Host, run: Invocation, options: list[tuple[str, str]]) -> int:
    if not run.privileged or run.zone not in host.stacks:
        return _fail(run, "insufficient privileges")
    root = host.zone_root(run.zone)
    wanted = routing_conf.read(root)
    for letter, name in options:
        if letter == "u":
            continue
        if name not in OPTIONS:
            _fail(run, f"invalid option: {name}")
            run.err(_USAGE)
            return 1
        if name not in FORWARDING and letter == "e":
            return _fail(run, f"-e {name}: not emulated by the lab")
        if letter == "r":
            # Every option is off by default.
            wanted[name] = False
        else:
            wanted[name] = letter == "e"
    with host.lock:
        routing_conf.write(root, wanted)
    if any(letter == "u" for letter, _ in options):
        routing_conf.apply(host, run.zone)
        for name in wanted.keys() & FORWARDING.keys():
            states = ("online", "maintenance") if wanted[name] else ("disabled",)
            host.smf.wait(run.zone, FORWARDING[name], states)
    return 0


def _states(host: Host, run: Invocation, name: str) -> tuple[bool, bool]:
    """Whether an option is on persistently, and whether it is on now."""
    fmri = FORWARDING.get(name)
    enabled = fmri is not None and host.smf.enabled(run.zone, fmri)
    wanted = routing_conf.read(host.zone_root(run.zone)).get(name, enabled)
    stack = host.stacks.get(run.zone)
    protocol, _, kind = name.partition("-")
    current = kind == "forwarding" and stack is not None
    return wanted, current and _forwards(host, run.zone, protocol)


def _forwards(host: Host, zone: str, protocol: str) -> bool:
    return host.stacks[zone].props.get((protocol, "forwarding")) == "on"


def _word(on: bool) -> str:
    return "enabled" if on else "disabled"


def _show(host: Host, run: Invocation) -> None:
    run.out(_TABLE_HEADER)
    for name in OPTIONS:
        persistent, current = _states(host, run, name)
        run.out(f"{_LABELS[name]:>27}   {_word(persistent):<21}{_word(current)}\n")
    run.out(f'\n{"Routing services":>27}   "{_VARIABLES["routing-svcs"]}"\n')
    run.out(f"\nRouting daemons:\n\n{'STATE':>27}   FMRI\n")
    for fmri in _DAEMONS:
        with contextlib.suppress(NoRepositoryError, KeyError):
            run.out(f"{host.smf.state(run.zone, fmri):>27}   {fmri}\n")


def _show_parseable(host: Host, run: Invocation, operands: list[str]) -> int:
    if len(operands) > 1:
        run.err(_USAGE)
        return 1
    if operands and operands[0] not in (*OPTIONS, *_VARIABLES):
        return _fail(run, f"no such option/variable {operands[0]}")
    for name in (name for name in OPTIONS if name in operands or not operands):
        persistent, current = _states(host, run, name)
        prefix = "" if operands else f"{name} "
        run.out(f"{prefix}persistent={_word(persistent)} default=disabled current={_word(current)}\n")
    for name, value in _VARIABLES.items():
        if name in operands or not operands:
            prefix = "" if operands else f"{name} "
            run.out(f'{prefix}persistent="{value}" default="{value}" \n')
    return 0
