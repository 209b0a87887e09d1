"""How the lab grows: ten hosts at once, a thousand configured zones on a host, a hundred running ones.

    python bench/lab_scale.py [--hosts 10] [--configured 1000] [--running 100]

Prints a small table. Memory is what the processes have for themselves (USS), plus, for the files of zones,
what lies in memory file systems where the lab keeps them there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from illumos_lab.testing import Host, Lab

_KIB = 1024


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--configured", type=int, default=1000)
    parser.add_argument("--running", type=int, default=100)
    options = parser.parse_args()
    table = Table("what", "figure", box=None)
    table.columns[1].justify = "right"
    for measure, count in (
        (one_host, 1),
        (many_hosts, options.hosts),
        (configured_zones, options.configured),
        (running_zones, options.running),
    ):
        for what, figure in measure(count):
            table.add_row(what, figure)
    Console().print(table)


Figures = Iterator[tuple[str, str]]


def one_host(_count: int) -> Figures:
    """What a single host costs."""
    times = []
    for _ in range(5):
        with timed() as taken, Lab.start(time_scale=0) as lab:
            times.append(taken())
            memory = memory_of(lab)
    yield "a lab of one host: start", seconds(median(times))
    yield "a lab of one host: memory", mebibytes(memory)


def many_hosts(count: int) -> Figures:
    """What many hosts of one lab cost."""
    names = [f"gz{number}" for number in range(1, count + 1)]
    with timed() as taken, Lab.start(hosts=names, time_scale=0) as lab:
        start = taken()
        memory = memory_of(lab)
        with timed() as answered:
            for host in lab.hosts.values():
                host.ssh("zoneadm list").check()
        answer = answered()
        with timed() as taken:
            lab.stop()
        stop = taken()
    yield f"{count} hosts: start, all", seconds(start)
    yield f"{count} hosts: start, for each", seconds(start / count)
    yield f"{count} hosts: memory for each", mebibytes(memory / count)
    yield f"{count} hosts: ssh login and zoneadm list, for each", seconds(answer / count)
    yield f"{count} hosts: stop, all", seconds(stop)


def configured_zones(count: int) -> Figures:
    """What zones cost that are only configured."""
    with Lab.start(time_scale=0) as lab:
        host = lab.host
        before = memory_of(lab)
        script = "".join(
            f"zonecfg -z web{number} 'create -b; set zonepath=/zones/web{number}; set brand=sparse;"
            " set ip-type=exclusive; add net; set physical=web0; end'\n"
            for number in range(count)
        )
        with timed() as taken:
            host.run("/usr/bin/sh -e", input=script).check()
        yield f"{count} zones: zonecfg, for each", seconds(taken() / count)
        last = f"web{count - 1}"
        yield f"{count} zones: zoneadm list -cp", seconds(time_of(host, "zoneadm list -cp"))
        yield f"{count} zones: zoneadm list -cv", seconds(time_of(host, "zoneadm list -cv"))
        yield f"{count} zones: zonecfg info", seconds(time_of(host, f"zonecfg -z {last} info"))
        yield f"{count} zones: zonecfg export", seconds(time_of(host, f"zonecfg -z {last} export"))
        yield f"{count} zones: memory for each", kibibytes((memory_of(lab) - before) / count)
        with timed() as taken:
            host.reboot()
        yield f"{count} zones: reboot of the host", seconds(taken())


def running_zones(count: int) -> Figures:
    """What zones cost that run, each with a vnic of its own."""
    with Lab.start(time_scale=0) as lab:
        host = lab.host
        host.run("dladm create-etherstub lan0").check()
        before = memory_of(lab)
        times: dict[str, list[float]] = {"install": [], "boot": []}
        for number in range(count):
            zone, link = f"web{number}", f"net{number}"
            host.run(f"dladm create-vnic -l lan0 {link}").check()
            host.run(
                f"zonecfg -z {zone} 'create -b; set zonepath=/zones/{zone}; set brand=sparse;"
                f" set ip-type=exclusive; add net; set physical={link}; end'"
            ).check()
            for subcommand, taken_times in times.items():
                with timed() as taken:
                    host.run(f"zoneadm -z {zone} {subcommand}").check()
                taken_times.append(taken())
        until(lambda: len(host.run("svcs -Z -H -o zone,state milestone/multi-user").stdout) > 0)
        for subcommand, taken_times in times.items():
            yield f"{count} running zones: zoneadm {subcommand}, median", seconds(median(taken_times))
            yield f"{count} running zones: zoneadm {subcommand}, last", seconds(taken_times[-1])
        yield f"{count} running zones: memory for each", mebibytes((memory_of(lab) - before) / count)
        last = f"web{count - 1}"
        yield f"{count} running zones: zoneadm list -cp", seconds(time_of(host, "zoneadm list -cp"))
        yield f"{count} running zones: zlogin true", seconds(time_of(host, f"zlogin {last} true"))
        yield f"{count} running zones: svcs -Z", seconds(time_of(host, "svcs -Z"))
        with timed() as taken:
            host.run(f"zoneadm -z {last} halt").check()
        yield f"{count} running zones: zoneadm halt", seconds(taken())
        with timed() as taken:
            lab.stop()
        yield f"{count} running zones: power off", seconds(taken())


# Measuring ---------------------------------------------------------------------------------------


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """Gives a function that tells the seconds since the beginning."""
    start = time.perf_counter()
    yield lambda: time.perf_counter() - start


def time_of(host: Host, command: str, times: int = 5) -> float:
    """Median seconds of a command that succeeds."""
    taken = []
    for _ in range(times):
        with timed() as clock:
            host.run(command).check()
        taken.append(clock())
    return median(taken)


def until(done: Callable[[], bool], limit: float = 30.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + limit
    while not done() and time.monotonic() < deadline:
        time.sleep(0.1)


def memory_of(lab: Lab) -> float:
    """Bytes that all processes of a lab have for themselves."""
    found = processes_below(str(lab.directory))
    return sum(private_bytes(pid) for pid in found)


def processes_below(directory: str) -> set[int]:
    """The lab's own processes and all their descendants."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if "illumos_lab.world" in words and directory in words:
            found.add(int(entry.name))
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found


def private_bytes(pid: int) -> int:
    """The unique set size of a process."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * _KIB


def seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def mebibytes(value: float) -> str:
    return f"{value / _KIB / _KIB:.1f} MiB"


def kibibytes(value: float) -> str:
    return f"{value / _KIB:.1f} KiB"


if __name__ == "__main__":
    main()
