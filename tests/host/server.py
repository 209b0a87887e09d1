"""An SSH server in this process, whose commands are run by this machine's shells.

It behaves as OpenSSH's where that matters: a command goes to the login shell; when the connection goes
away, the command is not killed, but its input ends and its output has nowhere to go.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import asyncssh

KEY = asyncssh.generate_private_key("ssh-ed25519")
HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")
USER = "root"


def public(key: asyncssh.SSHKey) -> str:
    """A public key as it stands in files."""
    return " ".join(key.export_public_key().decode().split()[:2])


@dataclass
class Conduct:
    """How a server behaves.

    Attributes:
        shell: login shell and its options.
        noise, error_noise: what start-up files write before each command.
        substitutes: texts to replace in command lines: programs that this machine lacks.
        max_sessions: channels at once.
        path: the login's search path.
        forwards: names that may be forwarded to, with the port that is there; None forbids all.
    """

    shell: tuple[str, ...] = ("/bin/sh", "-c")
    noise: str = ""
    error_noise: str = ""
    banner: str = ""
    substitutes: dict[str, str] = field(default_factory=dict)
    max_sessions: int = 10
    path: str = "/usr/bin:/bin"
    forwards: dict[str, int] | None = None
    keys: tuple[asyncssh.SSHKey, ...] = (KEY,)
    host_key: asyncssh.SSHKey = HOST_KEY


class Server:
    """A server on loopback, and what it has seen."""

    def __init__(self, conduct: Conduct) -> None:
        self.conduct = conduct
        self.port = 0
        self.logins: list[str] = []
        self.commands: list[str] = []
        self.open: set[_Session] = set()
        self.most_sessions = 0
        self.refused = 0
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.processes: list[asyncio.SubprocessTransport] = []
        self.exits: list[asyncio.Event] = []
        self._listener: asyncssh.SSHAcceptor | None = None

    async def __aenter__(self) -> Self:
        self._listener = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Login(self),
            server_host_keys=[self.conduct.host_key],
            encoding=None,
            line_editor=False,
        )
        self.port = self._listener.get_port()
        return self

    def close(self) -> None:
        """Accept no more connections."""
        assert self._listener is not None
        self._listener.close()

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self.close()
        for connection in self.connections:
            connection.abort()
        await self._listener.wait_closed()
        for process in self.processes:
            if process.get_returncode() is None:
                process.kill()
        for exited in self.exits:
            await exited.wait()
        for process in self.processes:
            process.close()

    @property
    def tokens(self) -> list[str]:
        """The words by which the processes of scripts are told apart."""
        return [command.split()[-1] for command in self.commands]

    async def all_ended(self) -> None:
        """Wait until no process of any script is left."""
        for token in self.tokens:
            await none_left(token)

    async def all_closed(self) -> None:
        """Wait until no session is open: the client hears of the end of its own before the server does."""
        await self._closed(self.open)

    async def _closed(self, sessions: set[_Session]) -> None:
        async with asyncio.timeout(60):
            while sessions & self.open:  # noqa: ASYNC110 - sessions end in several ways
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.02)  # Their pipes are closed one turn of the loop later.

    async def drop(self) -> None:
        """Cut all connections off, without a goodbye; what ran over them has nobody to talk to any more."""
        sessions = set(self.open)
        for connection in self.connections:
            connection.abort()
        await self._closed(sessions)


class _Login(asyncssh.SSHServer):
    def __init__(self, server: Server) -> None:
        self.server = server

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.server.connections.append(conn)
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        if self.server.conduct.banner:
            self._connection.send_auth_banner(self.server.conduct.banner)
        self.user = username
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return any(key == known.convert_to_public() for known in self.server.conduct.keys)

    def auth_completed(self) -> None:
        self.server.logins.append(self.user)

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        server = self.server
        if len(server.open) >= server.conduct.max_sessions:
            server.refused += 1
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "open failed")
        session = _Session(server)
        server.open.add(session)
        server.most_sessions = max(server.most_sessions, len(server.open))
        return session

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        forwards = self.server.conduct.forwards
        if forwards is None:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "administratively prohibited"
            )
        if dest_host not in forwards:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Name or service not known")
        return self._forward(forwards[dest_host])

    async def _forward(self, port: int) -> Any:
        try:
            return await self._connection.forward_connection("127.0.0.1", port)
        except OSError:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Connection refused") from None


class _Session(asyncssh.SSHServerSession[bytes]):
    def __init__(self, server: Server) -> None:
        self.server = server
        self._transport: asyncio.SubprocessTransport | None = None
        self._early: list[bytes] = []
        self._input_ended = False
        self._gone = False
        self._open = {1, 2}
        self._exited = False

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self.channel = chan

    def exec_requested(self, command: str) -> bool:
        self.command = command
        return True

    def session_started(self) -> None:
        self.server.commands.append(self.command)
        self._task = asyncio.ensure_future(self._start())

    async def _start(self) -> None:
        conduct = self.server.conduct
        command = self.command
        for old, new in conduct.substitutes.items():
            command = command.replace(old, new)
        self.channel.write(conduct.noise.encode())
        self.channel.write_stderr(conduct.error_noise.encode())
        session = self
        exited = asyncio.Event()

        class Watch(asyncio.SubprocessProtocol):
            def pipe_data_received(self, fd: int, data: bytes) -> None:
                with contextlib.suppress(OSError):
                    if fd == 1:
                        session.channel.write(data)
                    else:
                        session.channel.write_stderr(data)

            def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
                session._open.discard(fd)
                session._perhaps_exit()

            def process_exited(self) -> None:
                exited.set()
                session._exited = True
                session._perhaps_exit()

        transport, _ = await asyncio.get_running_loop().subprocess_exec(
            Watch,
            *conduct.shell,
            command,
            env={"PATH": conduct.path, "HOME": "/", "LANG": "C.UTF-8", "ENV": "/nonexistent"},
            start_new_session=True,
        )
        self._transport = transport
        self.server.processes.append(transport)
        self.server.exits.append(exited)
        for data in self._early:
            self._stdin.write(data)
        if self._input_ended:
            self._stdin.close()
        if self._gone:
            self._close_pipes()

    @property
    def _stdin(self) -> Any:
        assert self._transport is not None
        return self._transport.get_pipe_transport(0)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._transport is None:
            self._early.append(data)
        elif not self._stdin.is_closing():
            self._stdin.write(data)

    def eof_received(self) -> bool:
        self._input_ended = True
        if self._transport is not None:
            self._stdin.close()
        return True

    def _perhaps_exit(self) -> None:
        if self._exited and not self._open and not self._gone:
            assert self._transport is not None
            with contextlib.suppress(OSError):
                self.channel.exit((self._transport.get_returncode() or 0) & 0xFF)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.open.discard(self)
        self._gone = True
        if self._transport is not None:
            self._close_pipes()

    def _close_pipes(self) -> None:
        assert self._transport is not None
        for fd in (0, 1, 2):
            pipe = self._transport.get_pipe_transport(fd)
            if pipe is not None:
                pipe.close()


class Relay:
    """Passes connections on to a server; those that are open at a moment can be made to freeze."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self._target = port
        self._open: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze(self) -> None:
        """The connections of now stay open, and nothing gets through. New ones work."""
        for flowing in self._open:
            flowing.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flowing = asyncio.Event()
        flowing.set()
        self._open.append(flowing)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            self._tasks.append(asyncio.ensure_future(self._copy(source, target, flowing)))

    async def _copy(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, flowing: asyncio.Event
    ) -> None:
        try:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    await flowing.wait()
                    target.write(data)
                    await target.drain()
                await flowing.wait()
        finally:
            target.close()


def processes_with(text: str) -> list[str]:
    """Command lines of this machine's processes that hold a text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if text in line:
                    found.append(line)
    return found


async def none_left(text: str, seconds: float = 60) -> None:
    """Wait until no process has a text in its command line."""
    until = time.monotonic() + seconds
    while found := processes_with(text):
        assert time.monotonic() < until, found
        await asyncio.sleep(0.1)
