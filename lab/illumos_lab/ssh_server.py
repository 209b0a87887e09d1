"""The sshd of a host and of its zones: real SSH, with sessions that run in the emulated zone.

What sshd(8) does and programs rely on is kept: a command goes to the user's login shell, a channel
ends when the command has ended *and* its output is closed, and a command without a terminal goes on
when its connection is lost, until it writes to the closed pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import asyncssh
from asyncssh.stream import SSHTCPStreamSession

from illumos_lab import accounts
from illumos_lab.conffile import default
from illumos_lab.faults import Faults, Login, MaxStartups
from illumos_lab.journal import Journal
from illumos_lab.linux import LinuxKernel, LinuxRuntime
from illumos_lab.sshline import Line
from illumos_lab.zone_states import GLOBAL

_log = logging.getLogger(__name__)

_SFTP_SERVER = "/usr/lib/ssh/sftp-server"


@dataclass(frozen=True)
class Channel:
    """A channel that a command came by.

    Attributes:
        connection, number: see `illumos_lab.journal.Entry`.
        drop: cuts the whole connection off, without a goodbye.
        freeze: lets nothing through any more on the whole connection.
        frozen: whether nothing goes through now.
        lost: whether the connection has ended.
    """

    connection: int
    number: int
    drop: Callable[[], None]
    freeze: Callable[[], None]
    frozen: Callable[[], bool]
    lost: Callable[[], bool]


_MANY_CHANNELS = 500
_PORT = 22
_HOST_KEY = "etc/ssh/ssh_host_ed25519_key"


@dataclass
class _Place:
    """A zone to log in to.

    Attributes:
        zone: its name.
        root: its root directory, seen from outside.
        faults: what may go wrong; in zones nothing does.
        host_key: its sshd's key; None for what the host shows now.
        startups: connections that have not logged in yet.
    """

    zone: str
    root: Path
    faults: Faults | None = None
    host_key: asyncssh.SSHKey | None = None
    startups: int = 0

    @property
    def login(self) -> Login:
        return Login() if self.faults is None else self.faults.login


@dataclass(frozen=True)
class _Listener:
    """What accepts the connections of a place."""

    socket: socket.socket
    task: asyncio.Task[None]


class SshServer:
    """Serves one host and its zones; runs an event loop in a thread of its own.

    Args:
        runtime, kernel: the host's machine.
        faults: what may go wrong.
        journal: where connections and channels are counted.
        search_path: ``PATH`` of a login where /etc/default/login has none.
        user_key: public key, in OpenSSH form, that may log in as anybody.
        host_key: file of the host's private key, made when absent.
    """

    def __init__(
        self,
        runtime: LinuxRuntime,
        kernel: LinuxKernel,
        faults: Faults,
        journal: Journal,
        search_path: str,
        user_key: str,
        host_key: Path,
    ) -> None:
        self.runtime = runtime
        self.kernel = kernel
        self.faults = faults
        self.journal = journal
        self.search_path = search_path
        self.user_key = asyncssh.import_public_key(user_key)
        self._channels: dict[int, Channel] = {}
        self.loop = asyncio.new_event_loop()
        self._own_host_key = self._host_key = _kept_key(host_key)
        self._lines: set[Line] = set()
        self._listeners: dict[str, _Listener] = {}
        self._zone_connections: dict[str, set[_Server]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="sshd", daemon=True)

    @property
    def public_host_key(self) -> str:
        """The host's public key in OpenSSH form, without comment."""
        words = self._host_key.export_public_key().decode().split()
        return " ".join(words[:2])

    def change_host_key(self) -> None:
        """Show another key to new connections, as a host does that was installed afresh."""
        self._host_key = asyncssh.generate_private_key("ssh-ed25519")

    def restore_host_key(self) -> None:
        """Show the host's own key again."""
        self._host_key = self._own_host_key

    def faults_changed(self, *, thaw: bool = False) -> None:
        """Let go what need not wait any more.

        Args:
            thaw: also what a fault of a command has frozen.
        """

        def release() -> None:
            for line in self._lines:
                if thaw:
                    line.thaw()
                else:
                    line.flush()

        self.loop.call_soon_threadsafe(release)

    def start(self, port: int) -> int:
        """Listen on the machine's loopback, and on port 22 of the host itself.

        Args:
            port: port on 127.0.0.1; 0 lets the system choose.

        Returns:
            The port.

        Raises:
            OSError: the port is taken.
        """
        outer = socket.create_server(("127.0.0.1", port))
        inner = self._bind(GLOBAL)
        self._thread.start()
        place = _Place(GLOBAL, self.runtime.root, self.faults)
        for listener in (outer, inner):
            asyncio.run_coroutine_threadsafe(self._listen(listener, place), self.loop).result()
        return int(outer.getsockname()[1])

    def listen(self, zone: str, root: Path) -> None:
        """Let users log in to a zone that runs, by its own addresses and with keys of its own.

        Args:
            zone: the zone.
            root: its root directory, seen from outside.

        Raises:
            OSError: its port is taken.
        """
        place = _Place(zone, root, host_key=_kept_key(root / _HOST_KEY))
        listener = self._bind(zone)
        work = asyncio.run_coroutine_threadsafe(self._listen(listener, place), self.loop)
        self._listeners[zone] = work.result()

    def leave(self, zone: str) -> None:
        """Accept no more connections to a zone; no-op where nothing listens."""
        listener = self._listeners.pop(zone, None)
        if listener is not None:
            self.loop.call_soon_threadsafe(listener.task.cancel)

    def end(self, zone: str) -> None:
        """Cut off all connections to a zone, and accept no more."""
        self.leave(zone)
        for server in self._zone_connections.pop(zone, set()):
            server.drop()

    def _bind(self, zone: str) -> socket.socket:
        return self.kernel.netns(zone).call(lambda: socket.create_server(("0.0.0.0", _PORT)))

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    async def _listen(self, listener: socket.socket, place: _Place) -> _Listener:
        listener.setblocking(False)
        return _Listener(listener, self._keep(self._accept(listener, place)))

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, listener: socket.socket, place: _Place) -> None:
        with listener:
            while True:
                client, _ = await self.loop.sock_accept(listener)
                if MaxStartups.parse(place.login.max_startups).refuses(place.startups):
                    with client, contextlib.suppress(OSError):
                        client.send(b"Exceeded MaxStartups\r\n")
                    continue
                place.startups += 1
                self._keep(self._serve(client, place))

    async def _serve(self, client: socket.socket, place: _Place) -> None:
        """Take a connection through login; what comes after that is up to its callbacks."""
        try:
            peer = (*client.getpeername(), *client.getsockname())
            line = Line(lambda: place.login.latency, lambda: place.login.frozen)
            inner = await line.open(client)
            self._lines = {line, *(old for old in self._lines if not old.closed)}
            await asyncssh.run_server(
                inner,
                server_factory=lambda: _Server(self, place, line, peer),
                server_host_keys=[place.host_key or self._host_key],
                encoding=None,
                line_editor=False,
                server_version="OpenSSH_9.6",
                allow_scp=False,
                keepalive_interval=0,
            )
        except (OSError, asyncssh.Error) as error:
            _log.info("a connection did not log in: %s", error)
        finally:
            place.startups -= 1

    def opened(self, server: _Server) -> None:
        """Remember a connection to a zone, which ends with the zone."""
        if server.place.zone != GLOBAL:
            self._zone_connections.setdefault(server.place.zone, set()).add(server)

    def closed(self, server: _Server) -> None:
        """Forget a connection."""
        self._zone_connections.get(server.place.zone, set()).discard(server)

    def channel_of(self, session: int) -> Channel | None:
        """The channel whose session a process belongs to."""
        return self._channels.get(session)

    def add_channel(self, session: int, channel: Channel | None) -> None:
        """Remember which channel a new session came by, or that it came by none."""
        if channel is None:
            self._channels.pop(session, None)
            return
        if len(self._channels) >= _MANY_CHANNELS:
            self._channels = {
                leader: old
                for leader, old in list(self._channels.items())
                if not old.lost() or Path(f"/proc/{leader}").exists()
            }
        self._channels[session] = channel


class _Server(asyncssh.SSHServer):
    """One connection.

    Args:
        owner: the host's sshd.
        place: where it leads to.
        line: what lies between it and the client.
        peer: client address and port, server address and port.
    """

    def __init__(
        self, owner: SshServer, place: _Place, line: Line, peer: tuple[str, int, str, int]
    ) -> None:
        self.owner = owner
        self.place = place
        self.line = line
        self.peer = peer
        self.lost = False
        self.sessions: set[_Session] = set()
        self.number = 0
        self.connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connection = conn
        self.owner.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.owner.closed(self)

    def begin_auth(self, username: str) -> bool:
        banner = self.place.login.banner
        if banner and self.connection is not None:
            self.connection.send_auth_banner(banner)
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        account = accounts.by_name(self.place.root, username)
        if account is None or (account.uid == 0 and not self._lets_root_in()):
            return False
        if key == self.owner.user_key and self.place.zone == GLOBAL:
            return True
        return key in self._authorized_keys(account)

    def _lets_root_in(self) -> bool:
        """Whether sshd_config(5) allows root to log in by key; here it is read at each login."""
        with contextlib.suppress(OSError):
            text = (self.place.root / "etc/ssh/sshd_config").read_text(errors="replace")
            for line in text.splitlines():
                words = line.lower().split()
                if words[:1] == ["permitrootlogin"]:
                    return words[1:] not in (["no"], ["forced-commands-only"])
        return True

    def _authorized_keys(self, account: accounts.Account) -> list[asyncssh.SSHKey]:
        file = self.place.root / account.home.lstrip("/") / ".ssh/authorized_keys"
        keys = []
        with contextlib.suppress(OSError):
            for line in file.read_text(errors="replace").splitlines():
                with contextlib.suppress(asyncssh.KeyImportError):
                    keys.append(asyncssh.import_public_key(line))
        return keys

    def auth_completed(self) -> None:
        if self.place.zone == GLOBAL:
            self.number = self.owner.journal.connection_opened()

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        if len(self.sessions) >= self.place.login.max_sessions:
            # What OpenSSH says beyond MaxSessions.
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "open failed")
        session = _Session(self)
        self.sessions.add(session)
        return session

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        return self._forward(dest_host, dest_port)

    async def _forward(self, host: str, port: int) -> Any:
        """Port forwarding goes out from the zone's own network."""
        try:
            netns = self.owner.kernel.netns(self.place.zone)
            outgoing = netns.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            outgoing.setblocking(False)
            await asyncio.get_running_loop().sock_connect(outgoing, (host, port))
        except OSError as error:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_CONNECT_FAILED, error.strerror or str(error)
            ) from None
        reader, writer = await asyncio.open_connection(sock=outgoing)

        async def relay(inward: asyncssh.SSHReader[bytes], outward: asyncssh.SSHWriter[bytes]) -> None:
            await asyncio.gather(_copy(inward, writer), _copy(reader, outward))
            outward.close()
            writer.close()

        return SSHTCPStreamSession(relay)

    def drop(self) -> None:
        """Cut the connection off; may be called from any thread."""
        if self.connection is not None:
            self.owner.loop.call_soon_threadsafe(self.connection.abort)

    def channel(self) -> Channel | None:
        """A new channel of this connection, counted; None for one to another zone than the global one."""
        if self.place.zone != GLOBAL:
            return None
        number = self.owner.journal.channel_opened()
        return Channel(
            self.number,
            number,
            drop=self.drop,
            freeze=self.line.freeze,
            frozen=lambda: self.line.frozen,
            lost=lambda: self.lost,
        )

    @property
    def user(self) -> str:
        """Name of the user who logged in."""
        assert self.connection is not None
        return cast(str, self.connection.get_extra_info("username"))


def _kept_key(file: Path) -> asyncssh.SSHKey:
    """The private key of a file, made when there is none."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(file))
        file.chmod(0o600)
        key.write_public_key(f"{file}.pub")
    return asyncssh.read_private_key(str(file))


def _same(protocol: _Output) -> _Output:
    return protocol


async def _copy(source: Any, target: Any) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        target.write_eof()


class _Session(asyncssh.SSHServerSession[bytes]):
    """One session channel and the process behind it."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._owner = server.owner
        self._place = server.place
        self._command: str | None = None
        self._subsystem = False
        self._terminal: tuple[str, tuple[int, int, int, int]] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._early = bytearray()
        self._eof = False
        self._outputs: list[asyncio.ReadTransport] = []
        self._open_outputs = 0
        self._master: int | None = None
        self._exited = False
        self._gone = False

    # Requests ------------------------------------------------------------------------------------
    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def pty_requested(
        self,
        term_type: str | None,
        term_size: tuple[int, int, int, int],
        term_modes: Mapping[int, int],
    ) -> bool:
        self._terminal = (term_type or "dumb", term_size)
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        self._subsystem = True
        self._command = _SFTP_SERVER
        return subsystem == "sftp" and self._place.root.joinpath(_SFTP_SERVER.lstrip("/")).exists()

    def session_started(self) -> None:
        self._start_task = self._owner.loop.create_task(self._start())

    # The process ---------------------------------------------------------------------------------
    async def _start(self) -> None:
        login = self._place.login
        # sftp is played by sshd itself (internal-sftp): no shell reads its start-up files.
        if not self._subsystem:
            self._channel.write(login.noise.encode())
            self._channel.write_stderr(login.noise_stderr.encode())
        try:
            await self._spawn()
        except OSError as error:
            self._channel.write_stderr(f"{error.strerror or error}\n".encode())
            self._channel.exit(127)

    async def _spawn(self) -> None:
        account = accounts.by_name(self._place.root, self._server.user)
        if account is None:
            raise OSError("the user has gone")
        shell = self._place.login.shells.get(account.name, account.shell)
        argv = [shell, "-l"] if self._command is None else [shell, "-c", self._command]
        env = self._environment(account, shell)
        theirs, ours = self._files(account)
        channel = self._server.channel()

        def start() -> subprocess.Popen[bytes]:
            process = self._owner.runtime.popen(
                self._place.zone,
                argv,
                uid=account.uid,
                env=env,
                cwd=account.home,
                stdin=theirs[0],
                stdout=theirs[1],
                stderr=theirs[2],
                terminal=self._terminal is not None,
            )
            self._owner.add_channel(process.pid, channel)
            return process

        try:
            self._process = await asyncio.to_thread(start)
        except OSError:
            for fd in ours:
                os.close(fd)
            raise
        finally:
            for fd in set(theirs):
                os.close(fd)
        await self._connect(ours)

    def _environment(self, account: accounts.Account, shell: str) -> dict[str, str]:
        client, client_port, server, server_port = self._server.peer
        env = {
            "USER": account.name,
            "LOGNAME": account.name,
            "HOME": account.home,
            "PATH": self._search_path(account),
            "MAIL": f"/var/mail/{account.name}",
            "SHELL": shell,
            "TZ": default(self._place.root / "etc/default/init", "TZ") or "UTC",
            "SSH_CLIENT": f"{client} {client_port} {server_port}",
            "SSH_CONNECTION": f"{client} {client_port} {server} {server_port}",
        }
        if self._terminal is not None:
            env["TERM"] = self._terminal[0]
        for name, value in self._channel.get_environment().items():
            if name == "LANG" or name.startswith("LC_"):
                env[name] = value
        return env | self._place.login.env

    def _search_path(self, account: accounts.Account) -> str:
        """``PATH``, or for root ``SUPATH``, of /etc/default/login."""
        file = self._place.root / "etc/default/login"
        return default(file, "PATH" if account.uid else "SUPATH") or self._owner.search_path

    def _files(self, account: accounts.Account) -> tuple[list[int], list[int]]:
        """Descriptors 0, 1, 2 for the process, and our ends of them."""
        if self._terminal is not None:
            master, slave = self._open_terminal(account)
            return [slave, slave, slave], [os.dup(master), master]
        pairs = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
        return (
            [pairs[0][0], pairs[1][1], pairs[2][1]],
            [pairs[0][1], pairs[1][0], pairs[2][0]],
        )

    def _open_terminal(self, account: accounts.Account) -> tuple[int, int]:
        terminal = self._owner.runtime.open_terminal(self._place.zone)
        os.fchown(terminal.slave, account.uid, -1)
        self._master = terminal.master
        assert self._terminal is not None
        self._resize(*self._terminal[1])
        return terminal.master, terminal.slave

    def _resize(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self._master is not None:
            size = struct.pack("HHHH", height, width, pixwidth, pixheight)
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    async def _connect(self, ours: list[int]) -> None:
        assert self._process is not None
        loop = self._owner.loop
        writer = os.fdopen(ours[0], "wb", 0)
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, writer)
        for index, fd in enumerate(ours[1:]):
            extended = asyncssh.EXTENDED_DATA_STDERR if index else None
            self._open_outputs += 1
            reader = os.fdopen(fd, "rb", 0)
            protocol = _Output(self, extended)
            output, _ = await loop.connect_read_pipe(partial(_same, protocol), reader)
            self._outputs.append(output)
        # Only now: what has come in the meantime goes first.
        self._stdin = transport
        self._stdin.write(bytes(self._early))
        self._early.clear()
        if self._eof:
            self.eof_received()
        pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(pidfd, self._process_ended, pidfd)
        if self._gone:
            self._release()

    def _process_ended(self, pidfd: int) -> None:
        self._owner.loop.remove_reader(pidfd)
        os.close(pidfd)
        assert self._process is not None
        self._process.wait()
        self._exited = True
        if self._terminal is not None:
            self._master = None
        self._finish_when_done()

    def output(self, data: bytes, extended: int | None) -> None:
        """The process has written something."""
        with contextlib.suppress(OSError, asyncssh.Error):
            self._channel.write(data, extended)

    def output_closed(self) -> None:
        """One of the process's output files is closed."""
        self._open_outputs -= 1
        self._finish_when_done()

    def _finish_when_done(self) -> None:
        if self._gone or not self._exited or self._open_outputs or self._process is None:
            return
        status = self._process.returncode
        with contextlib.suppress(OSError, asyncssh.Error):
            if status < 0:
                name = signal.Signals(-status).name.removeprefix("SIG")
                self._channel.exit_with_signal(name)
            else:
                self._channel.exit(status)

    # From the client -----------------------------------------------------------------------------
    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._stdin is None:
            self._early += data
        elif not self._stdin.is_closing():
            self._stdin.write(data)

    def eof_received(self) -> bool:
        self._eof = True
        # A terminal has no end of file of its own.
        if self._stdin is not None and self._terminal is None:
            self._stdin.close()
        return True

    def signal_received(self, signal: str) -> None:
        self._kill(signal)

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        self._resize(width, height, pixwidth, pixheight)

    def _kill(self, name: str) -> None:
        number = getattr(signal, f"SIG{name}", None)
        if number is not None and self._process is not None and not self._exited:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    # Flow control and end ------------------------------------------------------------------------
    def pause_writing(self) -> None:
        for output in self._outputs:
            if not output.is_closing():
                output.pause_reading()

    def resume_writing(self) -> None:
        for output in self._outputs:
            if not output.is_closing():
                output.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        self._server.sessions.discard(self)
        self._release()

    def _release(self) -> None:
        # Closing the terminal hangs up its session; closing pipes does what closed pipes do.
        self._master = None
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.abort()
        for output in self._outputs:
            output.close()


class _Output(asyncio.Protocol):
    """Carries one output file of a process to its channel."""

    def __init__(self, session: _Session, extended: int | None) -> None:
        self._session = session
        self._extended = extended

    def data_received(self, data: bytes) -> None:
        self._session.output(data, self._extended)

    def connection_lost(self, exc: Exception | None) -> None:
        self._session.output_closed()
