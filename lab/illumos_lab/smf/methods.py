"""Methods of services that manifests deliver: programs that really run (smf_method(7))."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from illumos_lab import accounts
from illumos_lab.host import Runtime
from illumos_lab.service import Context, Method, MethodError, Service
from illumos_lab.smf import fmri as names
from illumos_lab.smf.manifest import Delivered

_SEARCH_PATH = "/usr/sbin:/usr/bin"
_RESTARTER = "svc:/system/svc/restarter:default"
_NODAEMON = 94
_TIMED_OUT = 1
_POLL = 0.02


class Contract:
    """The processes that a start method has left, told by the environment that they inherit from it.

    Args:
        runtime: of the host.
        zone: where they run.
        fmri: the instance.
        leader: the method's own process, where that is the daemon.
        pid: number by which the contract is known.
    """

    def __init__(
        self,
        runtime: Runtime,
        zone: str,
        fmri: str,
        pid: int,
        leader: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.pid = pid
        self._runtime = runtime
        self._zone = zone
        self._marks = {f"SMF_FMRI={fmri}".encode(), b"SMF_METHOD=start"}
        self._leader = leader
        self._known: list[int] = []

    def members(self) -> list[int]:
        """Ids of its processes, as the machine underneath counts them."""
        return [pid for pid in self._runtime.processes(self._zone) if self._has(pid)]

    def _has(self, pid: int) -> bool:
        # A process may end while it is looked at; one that waits to be waited for has no environment.
        try:
            words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False
        return self._marks <= set(words)

    def poll(self) -> int | None:
        """None while a process is left, afterwards the exit status of the daemon, if that is known."""
        if self._leader is not None:
            return self._leader.poll()
        if not any(map(self._has, self._known)):
            self._known = self.members()
        return None if self._known else 0

    def wait(self) -> int:
        """Wait until no process is left."""
        while (status := self.poll()) is None:
            time.sleep(_POLL)
        return status

    def terminate(self) -> None:
        """Ask all processes to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End all processes."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int, /) -> None:
        """Send a signal to all processes."""
        for pid in self.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def family(pid: int) -> list[int]:
    """A process and its descendants, as the machine underneath counts them."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{each}/task/{each}/children").read_text().split()
            found += map(int, children)
    return found


def service(delivered: Delivered) -> Service:
    """The service of an instance that a manifest delivers."""
    given = delivered.properties

    def text(method: str) -> str:
        found = given.get(f"{method}/exec")
        return found.values[0] if found and found.values else ""

    return Service(
        delivered.fmri,
        delivered.title or names.service_name(delivered.fmri),
        enabled=delivered.enabled,
        dependencies=delivered.dependencies,
        start=_method("start"),
        stop=None if text("stop") in ("", ":kill", ":true") else _method("stop"),
        refresh=_method("refresh") if text("refresh") not in ("", ":true") else None,
        exec=text("start") or ":true",
    )


def _environment(context: Context, name: str) -> str:
    """Variables of a method, else those of its instance."""
    return context.get(f"{name}/environment") or context.get("method_context/environment") or ""


def _method(name: str) -> Method:
    def run(context: Context) -> None:
        command = context.get(f"{name}/exec") or ":true"
        if command == ":true":
            return
        if command.startswith(":"):
            raise MethodError(_TIMED_OUT, f"{command}: not emulated by illumos-lab for a {name} method")
        process = _start(context, name, _expanded(command, name, context))
        duration = context.get("startd/duration") or "contract"
        contract = Contract(context.host.runtime, context.zone, context.fmri, process.pid)
        if name == "start" and duration in ("child", "wait"):
            context.process = Contract(
                context.host.runtime, context.zone, context.fmri, process.pid, process
            )
            return
        status = _wait(process, context, name)
        if status not in (0, _NODAEMON):
            raise MethodError(status)
        if name == "start" and duration == "contract" and status == 0:
            context.process = contract

    return run


def _start(context: Context, name: str, command: str) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": _SEARCH_PATH,
        "SMF_FMRI": context.fmri,
        "SMF_METHOD": name,
        "SMF_RESTARTER": _RESTARTER,
        "SMF_ZONENAME": context.zone,
        **dict(_assignments(_environment(context, name))),
    }
    user = context.get(f"{name}/user") or "root"
    account = accounts.by_name(context.host.zone_root(context.zone), user)
    if account is None:
        raise MethodError(_TIMED_OUT, f"Could not set context for method: no user {user}")
    return context.host.runtime.start(
        context.zone,
        ["/sbin/sh", "-c", f"exec {command}"],
        context.log,
        uid=account.uid,
        env=environment,
        cwd=context.get(f"{name}/working_directory") or "/",
    )


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"(\w+)=(.*?)(?= \w+=|$)", text):
        yield match[1], match[2]


def _expanded(command: str, name: str, context: Context) -> str:
    """The command with its tokens replaced: ``%m``, ``%f``, ``%i``, ``%s``, ``%{group/property}``."""
    tokens = {
        "m": name,
        "f": context.fmri,
        "i": names.split(context.fmri)[1],
        "s": names.service_name(context.fmri),
        "r": "svc.startd",
        "%": "%",
    }

    def replaced(match: re.Match[str]) -> str:
        if match[1]:
            return context.get(match[1]) or ""
        return tokens.get(match[2], match[0])

    return re.sub(r"%(?:\{([^}]+)\}|(.))", replaced, command)


def _wait(process: subprocess.Popen[bytes], context: Context, name: str) -> int:
    limit = int(context.get(f"{name}/timeout_seconds") or 0)
    try:
        status = process.wait(limit or None)
    except subprocess.TimeoutExpired:
        context.note("Method or service exit timed out.  Killing contract.")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return _TIMED_OUT
    return status if status >= 0 else 128 - status
