"""What an emulated command costs over a real program, both run by a shell in the same host.

    python bench/command_overhead.py [--times 200]

Prints a small table of medians. The shell forks for each of them; the clock is the shell's own, so that
no client of the lab is measured with them.
"""

from __future__ import annotations

import argparse
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from illumos_lab.testing import Host, Lab

_REAL = "/usr/bin/true"
_COMMANDS = (
    "/sbin/zonename",
    "/usr/sbin/zoneadm list -cp",
    "/usr/sbin/dladm show-link -p -o link",
    "/usr/sbin/ipadm show-addr -p -o addrobj",
    "/usr/bin/svcs -H -o state network/physical",
    "/usr/sbin/zonecfg -z none info",
    "/usr/bin/pfexec /usr/bin/true",
)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=200)
    times = parser.parse_args().times
    table = Table("command", "median", "90 %", "over a real one", "ratio", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    with Lab.start(time_scale=0) as lab:
        real = median(measure(lab.host, _REAL, times))
        for command in (_REAL, *_COMMANDS):
            taken = measure(lab.host, command, times)
            middle = median(taken)
            table.add_row(
                command,
                milliseconds(middle),
                milliseconds(quantiles(taken, n=10)[-1]),
                milliseconds(middle - real),
                f"{middle / real:.1f}",
            )
    Console().print(table)


def measure(host: Host, command: str, times: int) -> list[float]:
    """Seconds of each run."""
    script = (
        f"for ((n = 0; n < {times + 5}; n++)); do a=$EPOCHREALTIME; {command} >/dev/null 2>&1;"
        " b=$EPOCHREALTIME; echo $a $b; done"
    )
    lines = host.run(["/usr/bin/bash", "-c", script]).check().stdout.splitlines()[5:]
    return [float(end) - float(start) for start, end in (line.split() for line in lines)]


def milliseconds(value: float) -> str:
    return f"{value * 1000:.1f} ms"


if __name__ == "__main__":
    main()
