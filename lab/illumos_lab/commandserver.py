"""Answers the stubs: runs emulated commands for processes of the host's zones."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import socket
import struct
import subprocess
import threading
import time
import traceback
from pathlib import Path, PurePosixPath

from illumos_lab import commands, protocol
from illumos_lab.faults import Fault, Faults
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation, Spawn
from illumos_lab.journal import Entry, Journal
from illumos_lab.linux import LinuxRuntime
from illumos_lab.processes import number_inside, wait_or_end, wait_readable
from illumos_lab.ssh_server import Channel, SshServer

_log = logging.getLogger(__name__)

_SOCKET = "system/lab/command"
_HANG_POLL = 0.1
_CREDENTIALS = struct.Struct("iII")


class CommandServer:
    """Listens in every running zone and runs each command in a thread of its own."""

    def __init__(
        self, host: Host, runtime: LinuxRuntime, ssh: SshServer, faults: Faults, journal: Journal
    ) -> None:
        self._host = host
        self._runtime = runtime
        self._ssh = ssh
        self._faults = faults
        self._journal = journal
        self._listeners: dict[str, socket.socket] = {}

    def open_zone(self, zone: str, root: Path) -> None:
        """Start to answer the commands of a zone."""
        listener = protocol.listen(root / _SOCKET)
        (root / _SOCKET).chmod(0o666)
        self._listeners[zone] = listener
        threading.Thread(
            target=self._accept, args=(zone, listener), name=f"commands {zone}", daemon=True
        ).start()

    def close_zone(self, zone: str) -> None:
        """Stop answering; the zone's processes have ended."""
        listener = self._listeners.pop(zone, None)
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, zone: str, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(zone, connection), daemon=True).start()

    def _serve(self, zone: str, connection: socket.socket) -> None:
        with connection:
            fds: list[int] = []
            try:
                invocation, pid, fds = _receive(zone, connection)
            except (OSError, ValueError) as error:
                _log.warning("bad request from zone %s: %s", zone, error)
                for fd in fds:
                    os.close(fd)
                return
            status = self._run_recorded(invocation, pid, connection)
            with contextlib.suppress(OSError):
                connection.sendall(status.to_bytes(4, "big", signed=True))

    def _run_recorded(self, run: Invocation, pid: int, connection: socket.socket) -> int:
        channel = self._channel_of(pid)
        started = time.time()
        clock = time.monotonic()
        try:
            status = self._run_with_faults(run, channel, connection)
        except BrokenPipeError:
            status = -signal.SIGPIPE
        except Exception as error:
            with contextlib.suppress(OSError):
                run.err(f"{run.name}: {_complaint(run, error)}\n")
            status = 1
        finally:
            for fd in (run.stdin, run.stdout, run.stderr):
                os.close(fd)
        self._journal.add(
            Entry(
                argv=[run.path, *run.argv],
                zone=run.zone,
                uid=run.uid,
                started=started,
                seconds=time.monotonic() - clock,
                status=status,
                connection=channel.connection if channel else None,
                channel=channel.number if channel else None,
            )
        )
        return status

    def _channel_of(self, pid: int) -> Channel | None:
        try:
            return self._ssh.channel_of(os.getsid(pid))
        except ProcessLookupError:
            return None

    def _run_with_faults(self, run: Invocation, channel: Channel | None, connection: socket.socket) -> int:
        fault = self._faults.match(" ".join([run.path, *run.argv]))
        if fault is None:
            return self._run(run, channel, connection)
        # A caller that goes away meanwhile has been interrupted: the command has not run.
        if fault.delay and wait_readable([connection.fileno()], fault.delay):
            return -signal.SIGINT
        if channel is not None:
            if fault.freeze == "before" and not _hang(channel, connection):
                return -signal.SIGHUP
            if fault.drop == "before":
                channel.drop()
        status = self._faulty(run, fault, channel, connection)
        if channel is not None:
            if fault.freeze == "after":
                channel.freeze()
            if fault.drop == "after":
                channel.drop()
        return status

    def _faulty(
        self, run: Invocation, fault: Fault, channel: Channel | None, connection: socket.socket
    ) -> int:
        if fault.stdout:
            run.out(fault.stdout)
        if fault.stderr:
            run.err(fault.stderr)
        if fault.status is not None:
            return fault.status
        if fault.drop == "before":
            return -signal.SIGHUP
        return self._run(run, channel, connection)

    def _run(self, run: Invocation, channel: Channel | None, connection: socket.socket) -> int:
        try:
            command = commands.find(run.path)
        except (LookupError, ImportError) as error:
            _log.warning("%s: %s", run.path, error)
            run.err(f"{run.name}: not emulated by illumos-lab\n")
            return 1
        result = command(self._host, run)
        if isinstance(result, Spawn):
            return self._spawn(run, result, channel, connection)
        return result

    def _spawn(
        self,
        run: Invocation,
        spawn: Spawn,
        channel: Channel | None,
        connection: socket.socket,
    ) -> int:
        """Run a program in the caller's place; it ends when the caller goes away."""
        try:
            process = self._runtime.popen(
                spawn.zone,
                spawn.argv,
                uid=spawn.uid,
                env=spawn.env,
                cwd=spawn.cwd,
                stdin=subprocess.DEVNULL if spawn.stdin_null else run.stdin,
                stdout=run.stdout,
                stderr=run.stderr,
            )
        except OSError as error:
            run.err(f"{run.name}: {spawn.argv[0]}: {error.strerror}\n")
            return 127 if isinstance(error, FileNotFoundError) else 126
        self._ssh.add_channel(process.pid, channel)
        status = wait_or_end(process, connection.fileno())
        if status < 0 and spawn.signal_status is not None:
            return spawn.signal_status
        return status


def _complaint(run: Invocation, error: Exception) -> str:
    """What a command says that came to grief in a way that its module does not foresee."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        # Any of them may meet a full disk.
        return os.strerror(error.errno)
    _log.exception("%s %s", run.path, run.argv)
    return f"illumos-lab failed: {traceback.format_exception_only(error)[-1].strip()}"


def _hang(channel: Channel, connection: socket.socket) -> bool:
    """Freeze a connection and wait until it is thawed; False when the caller has gone meanwhile."""
    channel.freeze()
    while not wait_readable([connection.fileno()], _HANG_POLL):
        if not channel.frozen():
            return True
    return False


def _receive(zone: str, connection: socket.socket) -> tuple[Invocation, int, list[int]]:
    """The invocation that a stub sends, and the stub's process id (see stub.py)."""
    header, fds, _, _ = socket.recv_fds(connection, 4, 3)
    if len(header) != 4 or len(fds) != 3:
        raise ValueError("not a stub")
    size = int.from_bytes(header, "big")
    data = b""
    while len(data) < size:
        chunk = connection.recv(min(1 << 20, size - len(data)))
        if not chunk:
            raise ValueError("cut off")
        data += chunk
    words = [word.decode("utf-8", "surrogateescape") for word in data.split(b"\0")]
    cwd, count = words[0], int(words[1])
    argv = words[2 : 2 + count]
    env = dict(word.split("=", 1) for word in words[2 + count :] if "=" in word)
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(credentials)
    path = os.path.normpath(PurePosixPath(cwd, argv[0]))
    return (
        Invocation(
            path=path,
            argv=argv[1:],
            env=env,
            cwd=cwd,
            uid=uid,
            zone=zone,
            stdin=fds[0],
            stdout=fds[1],
            stderr=fds[2],
            privileged=uid == 0,
            pid=number_inside(pid),
            caller=connection.fileno(),
        ),
        pid,
        list(fds),
    )
