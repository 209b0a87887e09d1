"""The haproxy service: the real program, started the way each distribution's method starts it.

The program is this machine's, whatever version the distribution has. It stays in the foreground, which
the configuration cannot change, so that the service knows its process.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from illumos_lab import accounts
from illumos_lab.dnsmasq import can_change_user
from illumos_lab.service import EXIT_ERR_CONFIG, Context, MethodError

PROGRAM = "/system/lab/linux/sbin/haproxy"
"""The real program, in every zone."""

_SETPRIV = "/system/lab/linux/bin/setpriv"
_COPY = "/var/run/lab-haproxy.cfg"
_START_SECONDS = 0.15
_ACCOUNT_OPTION = re.compile(r"^\s*(user|group|uid|gid|chroot)\s")


def start(context: Context) -> None:
    """Start the daemon; where the method checks the file first, a bad one is a configuration error."""
    profile = context.host.profile.haproxy
    if profile.checks:
        _check(context)
    argv = [profile.binary, "-db", "-f", _configuration(context)]
    if profile.master_socket:
        argv = [profile.binary, "-W", *argv[1:], "-S", profile.master_socket]
    _run(context, [*_as_user(context), *argv], _old_process(context) if profile.pid_file else "")


def refresh_by_takeover(context: Context) -> None:
    """Check the file, and start a new process that takes the listening sockets over from the old one."""
    _check(context)
    profile = context.host.profile.haproxy
    argv = [profile.binary, "-db", "-f", _configuration(context)]
    _run(context, argv, _old_process(context))


def refresh_by_signal(context: Context) -> None:
    """Check the file, and let the master process start new workers."""
    _check(context)
    _configuration(context)
    if context.daemon is not None:
        context.daemon.send_signal(signal.SIGUSR2)


REFRESH: dict[str, Callable[[Context], None] | None] = {
    "": None,
    "takeover": refresh_by_takeover,
    "signal": refresh_by_signal,
}
"""Refresh methods, by their names in a profile."""


def _as_user(context: Context) -> list[str]:
    """What to put in front of the command where SMF starts it as another account than root.

    That account may read less than root, but use the ports below 1024 (privilege net_privaddr).
    """
    profile = context.host.profile.haproxy
    account = accounts.by_name(context.host.zone_root(context.zone), profile.user)
    if not profile.starts_as_user or account is None or not can_change_user():
        return []
    kept = "=-all,+net_bind_service"
    return [
        *(_SETPRIV, f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"),
        *(f"--inh-caps{kept}", f"--ambient-caps{kept}", "--"),
    ]


def _configuration(context: Context) -> str:
    """The file to start with: a copy without accounts where this machine has none to give."""
    path = context.host.profile.haproxy.config
    file = context.host.path(context.zone, path)
    if can_change_user() or not file.is_file():
        return path
    lines = file.read_text(errors="surrogateescape").splitlines(keepends=True)
    copy = context.host.path(context.zone, _COPY)
    text = "".join("\n" if _ACCOUNT_OPTION.match(line) else line for line in lines)
    copy.write_text(text, errors="surrogateescape")
    return _COPY


def _check(context: Context) -> None:
    profile = context.host.profile.haproxy
    done = context.host.runtime.run(context.zone, [profile.binary, "-c", "-f", _configuration(context)])
    if done.returncode != 0:
        raise MethodError(EXIT_ERR_CONFIG, f"{profile.config}: configuration check failed")


def _old_process(context: Context) -> str:
    file = context.host.path(context.zone, context.host.profile.haproxy.pid_file)
    with contextlib.suppress(OSError):
        return file.read_text().strip()
    return ""


def _run(context: Context, argv: list[str], old: str) -> None:
    profile = context.host.profile.haproxy
    if old:
        argv = [*argv, "-sf", old]
    process = context.host.runtime.start(context.zone, argv, context.log)
    if not _survives(process):
        raise MethodError(process.returncode if process.returncode > 0 else 1)
    context.process = process
    if profile.pid_file:
        pid_file = context.host.path(context.zone, profile.pid_file)
        pid_file.parent.mkdir(parents=True, exist_ok=True)
        pid_file.write_text(f"{_pid_in_zone(process.pid)}\n")


def _survives(process: subprocess.Popen[bytes]) -> bool:
    """Whether it is still there after the time in which it would have found something wrong."""
    until = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    return process.poll() is None


def _pid_in_zone(pid: int) -> int:
    """What the zone calls a process."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return pid
