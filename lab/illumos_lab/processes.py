"""Waiting for programs that belong to a caller on a socket."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess


def wait_or_end(process: subprocess.Popen[bytes], caller: int) -> int:
    """Wait for a session leader; when its caller's socket closes first, end its process group."""
    pidfd = os.pidfd_open(process.pid)
    try:
        ready = select.select([pidfd, caller], [], [])[0]
        if pidfd not in ready:
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                if select.select([pidfd], [], [], 1.0)[0]:
                    break
        return process.wait()
    finally:
        os.close(pidfd)
