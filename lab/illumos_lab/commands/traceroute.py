"""traceroute(8): by which routers packets go. Each probe is an ICMP echo request."""

from __future__ import annotations

import re
import time

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip import parse

_PING = "/system/lab/linux/bin/ping"
_USAGE = """\
Usage: traceroute [-adFIlnSvx] [-A addr_family] [-c traffic_class] [-f first_hop] [-g gateway]
\t[-i iface] [-L flow_label] [-m max_hop] [-P pause_sec] [-p port] [-Q max_timeout]
\t[-q nqueries] [-s src_addr] [-t tos] [-w wait_time] host [packetlen]
"""
_FROM = re.compile(r"(?:From|bytes from) ([\da-fA-F:.]*[\da-fA-F])[: ]")
_NUMBERS = {"f": "first hop", "m": "max hop", "q": "nqueries", "w": "wait time"}


def main(host: Host, run: Invocation) -> int:
    """Print a line for each router on the way; exit status 0 or 1."""
    try:
        pairs, operands = getopt(run.argv, "adFIlnSvxA:c:f:g:i:L:m:P:p:Q:q:s:t:w:", permute=False)
    except (UnknownOptionError, MissingValueError):
        pairs, operands = [], []
    if not operands or len(operands) > 2:
        run.err(_USAGE)
        return 1
    numbers = {"f": 1, "m": 30, "q": 3, "w": 5}
    given = dict(pairs)
    for letter, value in given.items():
        if letter in numbers:
            if not value.isdigit() or int(value) < 1:
                run.err(f"traceroute: bad {_NUMBERS[letter]}: {value}\n")
                return 1
            numbers[letter] = int(value)
        elif letter not in "nIA":
            run.err(f"traceroute: option -{letter} is not emulated by illumos-lab\n")
            return 1
    target = operands[0]
    v6 = given.get("A") == "inet6"
    address = _address(host, run, target, v6)
    if address is None:
        run.err(f"traceroute: unknown host {target}\n")
        return 1
    run.err(
        f"traceroute to {target} ({address}), {numbers['m']} hops max, {60 if v6 else 40} byte packets\n"
    )
    for hop in range(numbers["f"], numbers["m"] + 1):
        run.out(f"{hop:2d} ")
        if _hop(host, run, address, hop, numbers["q"], numbers["w"], "n" in given):
            break
    return 0


def _address(host: Host, run: Invocation, target: str, v6: bool) -> str | None:
    found = parse.resolve(host.zone_root(run.zone), target)
    if found is not None:
        return str(found) if (found.version == 6) == v6 else None
    argv = ["/system/lab/linux/bin/getent", "ahostsv6" if v6 else "ahostsv4", target]
    words = host.runtime.run(run.zone, argv).stdout.split()
    return words[0] if words else None


def _hop(
    host: Host, run: Invocation, address: str, hop: int, queries: int, seconds: int, numeric: bool
) -> bool:
    """Print what answers at a distance; whether it is the target."""
    last = ""
    for _ in range(queries):
        began = time.monotonic()
        argv = [_PING, "-n", "-c", "1", "-t", str(hop), "-W", str(seconds), address]
        found = _FROM.search(host.runtime.run(run.zone, argv).stdout)
        milliseconds = (time.monotonic() - began) * 1000
        if found is None:
            run.out(" *")
            continue
        if found[1] != last:
            last = found[1]
            name = parse.host_name(host.zone_root(run.zone), last) or last
            run.out(f" {last}" if numeric else f" {name} ({last})")
        run.out(f"  {milliseconds:.3f} ms")
    run.out("\n")
    return last == address
