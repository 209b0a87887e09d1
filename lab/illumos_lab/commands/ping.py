"""ping(8): does an address answer?"""

from __future__ import annotations

import re

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_PING = "/system/lab/linux/bin/ping"
_USAGE = "usage: ping host [timeout]\nusage: ping -s [-n] [-I interval] host [data_size] [npackets]\n"


def main(host: Host, run: Invocation) -> int:
    """``ping [-n] host [timeout]``, and ``ping -s`` with a number of packets."""
    statistics = False
    interval = "1"
    words = list(run.argv)
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-s", "-ns", "-sn"):
            statistics = True
        elif option == "-I" and words:
            interval = words.pop(0)
        elif option != "-n":
            run.err(f"ping: option {option} is not emulated by illumos-lab\n{_USAGE}")
            return 1
    if not words or len(words) > 3:
        run.err(_USAGE)
        return 1
    target = words.pop(0)
    if any(not word.isdigit() for word in words):
        run.err(_USAGE)
        return 1
    if statistics:
        return _statistics(host, run, target, interval, words)
    seconds = words[0] if words else "20"
    done = host.runtime.run(run.zone, [_PING, "-n", "-c", "1", "-w", seconds, target])
    if _unknown(run, target, done.stderr):
        return 1
    if done.returncode == 0:
        run.out(f"{target} is alive\n")
        return 0
    run.out(f"no answer from {target}\n")
    return 1


def _unknown(run: Invocation, target: str, stderr: str) -> bool:
    if "not known" in stderr or "name resolution" in stderr or "No address" in stderr:
        run.err(f"ping: unknown host {target}\n")
        return True
    if "unreachable" in stderr and "From" not in stderr:
        run.err("ping: sendto Network is unreachable\n")
        return True
    return False


def _statistics(host: Host, run: Invocation, target: str, interval: str, words: list[str]) -> int:
    size = int(words[0]) if words else 56
    if len(words) < 2:
        run.err("ping: without a number of packets -s runs for ever: not emulated by illumos-lab\n")
        return 1
    argv = [_PING, "-n", "-i", interval, "-c", words[1], "-s", str(size), "-W", "1", target]
    done = host.runtime.run(run.zone, argv)
    if _unknown(run, target, done.stderr):
        return 1
    run.out(f"PING {target}: {size} data bytes\n")
    for answer in re.finditer(r"(\d+) bytes from (\S+): icmp_seq=(\d+) .*time=([\d.]+) ms", done.stdout):
        length, source, number, time = answer.groups()
        sequence = int(number) - 1
        run.out(f"{length} bytes from {source}: icmp_seq={sequence}. time={float(time):.3f} ms\n")
    sent, received = re.findall(r"(\d+) packets transmitted, (\d+) received", done.stdout)[0]
    loss = round(100 * (int(sent) - int(received)) / int(sent))
    run.out(f"\n----{target} PING Statistics----\n")
    run.out(f"{sent} packets transmitted, {received} packets received, {loss}% packet loss\n")
    times = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+) ms", done.stdout)
    if times:
        low, mean, high, spread = times.groups()
        run.out(f"round-trip (ms)  min/avg/max/stddev = {low}/{mean}/{high}/{spread}\n")
    return 0 if int(received) else 1
