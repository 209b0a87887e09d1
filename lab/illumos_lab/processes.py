"""Waiting for programs that belong to a caller on a socket."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

_GRACE = 1.0


def number_inside(pid: int) -> int:
    """The id that a process has in its own zone; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return int(next(line for line in lines if line.startswith("NSpid:")).split()[-1])


def wait_readable(descriptors: Iterable[int], seconds: float | None = None) -> list[int]:
    """Wait until a descriptor can be read, or is closed at its far end; none when time is up.

    Unlike select(2), poll(2) takes any descriptor: a host with many zones has more than a thousand.
    """
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    timeout = None if seconds is None else max(0.0, seconds * 1000)
    return [descriptor for descriptor, _ in poll.poll(timeout)]


def wait_or_end(process: subprocess.Popen[bytes], caller: int) -> int:
    """Wait for a session leader; when its caller's socket closes first, end its process group."""
    pidfd = os.pidfd_open(process.pid)
    try:
        if pidfd not in wait_readable([pidfd, caller]):
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                if wait_readable([pidfd], _GRACE):
                    break
        return process.wait()
    finally:
        os.close(pidfd)
