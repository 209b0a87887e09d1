"""ping(8): does an address answer?"""

from __future__ import annotations

import itertools
import math
import re
import select
import time
from dataclasses import dataclass, field

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip import parse

_PING = "/system/lab/linux/bin/ping"
_USAGE = """\
usage: ping host [timeout]
usage: ping -s [-l | U] [adLnRrv] [-A addr_family] [-c traffic_class]
\t[-g gateway [-g gateway ...]] [-F flow_label] [-I interval]
\t[-i interface] [-P tos] [-p port] [-t ttl] host [data_size] [npackets]
"""
_REPLY = re.compile(r"(\d+) bytes from (?:\S+ \()?([^\s():]*[\da-f:]+)\)?: icmp_seq=\d+ .*time=([\d.]+) ms")
_TIMEVAL = 16
"""Octets of data that a time stamp takes: with less there is no time."""


class _Failed(Exception):
    """The command ends with exit status 1; the text is its message after the program's name."""


@dataclass
class _Probes:
    """What to send, and what came back.

    Attributes:
        target: the host as typed.
        size: octets of data.
        interval: seconds between two probes.
        numeric: no names for addresses.
        linux: options of the machine's own ping.
        sent: number of probes so far.
        times: milliseconds of each answer.
    """

    target: str
    size: int = 56
    interval: float = 1.0
    numeric: bool = False
    linux: list[str] = field(default_factory=list)
    sent: int = 0
    times: list[float] = field(default_factory=list)


def main(host: Host, run: Invocation) -> int:
    """``ping host [timeout]``, and ``ping -s``, which without a number of packets ends with its caller."""
    try:
        pairs, operands = getopt(run.argv, "aA:c:dF:G:g:I:i:LlnP:p:rRSsTt:UvX:x:Y0123", permute=False)
    except (UnknownOptionError, MissingValueError):
        pairs, operands = [], []
    if not operands:
        run.err(_USAGE)
        return 1
    try:
        probes = _Probes(operands[0])
        statistics = _read_options(host, run, probes, pairs)
        numbers = operands[1:]
        if not statistics:
            return _once(host, run, probes, _number(numbers[0], "timeout") if numbers else 20)
        count = None
        if numbers:
            probes.size = _number(numbers[0], "data size")
        if len(numbers) > 1:
            count = _number(numbers[1], "packet count")
            if count < 1:
                raise _Failed(f"packet count {count} out of range")
        return _series(host, run, probes, count)
    except _Failed as error:
        run.err(f"ping: {error}\n")
        return 1


def _number(text: str, what: str) -> int:
    try:
        number = int(text, 16 if text[:2].lower() == "0x" else 10)
    except ValueError:
        number = -1
    if number < 0:
        raise _Failed(f"bad {what}: {text}")
    return number


def _read_options(host: Host, run: Invocation, probes: _Probes, pairs: list[tuple[str, str]]) -> bool:
    """Take the options over; whether statistics are asked for."""
    statistics = False
    for letter, value in pairs:
        match letter:
            case "s":
                statistics = True
            case "I":
                statistics = True
                try:
                    probes.interval = float(value)
                except ValueError as error:
                    raise _Failed(f"bad interval: {value}") from error
            case "n":
                probes.numeric = True
            case "A":
                if value not in ("inet", "inet6"):
                    raise _Failed(f"unknown address family {value}")
                probes.linux.append("-4" if value == "inet" else "-6")
            case "t":
                ttl = _number(value, "ttl")
                if ttl > 255:
                    raise _Failed(f"ttl {ttl} out of range")
                probes.linux += ["-t", str(ttl)]
            case "i":
                probes.linux += ["-I", _source(host, run, value)]
            case _:
                raise _Failed(f"option -{letter} is not emulated by illumos-lab")
    return statistics


def _source(host: Host, run: Invocation, value: str) -> str:
    """An own address of an interface that was given by name or address."""
    stack = host.stacks["global" if run.zone not in host.stacks else run.zone]
    for connected in stack.connected():
        if value in (connected.interface, str(connected.address.ip)):
            return str(connected.address.ip)
    raise _Failed(f"{value} is an invalid interface")


def _send(host: Host, run: Invocation, probes: _Probes, *options: str) -> str:
    """Let the machine's ping send; its answers."""
    done = host.runtime.run(run.zone, [_PING, "-n", *probes.linux, *options, probes.target])
    if any(text in done.stderr for text in ("not known", "name resolution", "No address")):
        raise _Failed(f"unknown host {probes.target}")
    if "unreachable" in done.stderr and "From" not in done.stderr:
        raise _Failed("sendto Network is unreachable")
    return done.stdout


def _once(host: Host, run: Invocation, probes: _Probes, seconds: int) -> int:
    # One answer is enough, whichever probe it belongs to.
    if " bytes from " in _send(host, run, probes, "-c", "1", "-w", str(seconds)):
        run.out(f"{probes.target} is alive\n")
        return 0
    run.out(f"no answer from {probes.target}\n")
    return 1


def _series(host: Host, run: Invocation, probes: _Probes, count: int | None) -> int:
    title = probes.target
    if probes.numeric and (address := parse.resolve(host.zone_root(run.zone), probes.target)):
        title += f" ({address})"
    heading = f"PING {title}: {probes.size} data bytes\n"
    for number in itertools.count() if count is None else range(count):
        began = time.monotonic()
        answer = _REPLY.search(_send(host, run, probes, "-c", "1", "-W", "1", "-s", str(probes.size)))
        run.out(heading)
        heading = ""
        probes.sent += 1
        if answer:
            _tell(host, run, probes, number, answer)
        last = count is not None and number == count - 1
        if not last and _caller_gone(run, probes.interval - (time.monotonic() - began)):
            break
    _summary(run, probes)
    return 0 if probes.times else 1


def _tell(host: Host, run: Invocation, probes: _Probes, number: int, answer: re.Match[str]) -> None:
    length, address, milliseconds = answer.groups()
    probes.times.append(float(milliseconds))
    source = address
    if not probes.numeric and (name := parse.host_name(host.zone_root(run.zone), address)):
        source = f"{name} ({address})"
    text = f"{length} bytes from {source}: icmp_seq={number}. "
    run.out(text + (f"time={float(milliseconds):.3f} ms\n" if probes.size >= _TIMEVAL else "\n"))


def _caller_gone(run: Invocation, seconds: float) -> bool:
    """Wait, but not longer than there is somebody to answer to."""
    waited = max(seconds, 0)
    if run.caller is None:
        time.sleep(waited)
        return False
    return bool(select.select([run.caller], [], [], waited)[0])


def _summary(run: Invocation, probes: _Probes) -> None:
    received = len(probes.times)
    loss = 100 * (probes.sent - received) // probes.sent
    run.out(f"\n----{probes.target} PING Statistics----\n")
    run.out(f"{probes.sent} packets transmitted, {received} packets received, {loss}% packet loss\n")
    if not received or probes.size < _TIMEVAL:
        return
    digits = 3 if received < 10 else 4 if received < 100 else 5
    mean = sum(probes.times) / received
    # The original divides by zero for a single answer.
    spread = "-NaN"
    if received > 1:
        square = sum((each - mean) ** 2 for each in probes.times) / (received - 1)
        spread = f"{math.sqrt(square):.{digits - 1}f}"
    low, high = min(probes.times), max(probes.times)
    run.out(f"round-trip (ms)  min/avg/max/stddev = {low:.3f}/{mean:.{digits}f}/{high:.3f}/{spread}\n")
