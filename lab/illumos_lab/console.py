"""The consoles of zones: what zoneadmd(8), ttymon(8) and login(1) do with them.

A console is there as long as its zone is installed, and so is its connection. A zone that runs has a
pseudo terminal as /dev/console; what it writes there goes to the one who is connected, and is lost when
nobody is. A zone that is not running has only zoneadmd, which says what becomes of the zone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import subprocess
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any

from illumos_lab import accounts, accounts_passwords
from illumos_lab.conffile import default
from illumos_lab.console_terminal import Terminal, open_again, set_echo

if TYPE_CHECKING:
    from illumos_lab.host import Host
    from illumos_lab.service import Daemon

_log = logging.getLogger(__name__)

_CHUNK = 4096
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class ConsoleBusyError(Exception):
    """Somebody else is connected.

    Attributes:
        pid: process id of that zlogin.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(f"in use by process {pid}")
        self.pid = pid


class _Reader(Enum):
    """Who reads what is typed on a console."""

    NOBODY = auto()
    NAME = auto()
    PASSWORD = auto()
    SESSION = auto()
    QUESTION = auto()


@dataclass
class _Client:
    """The one who is connected.

    Attributes:
        link: our end of the connection.
        pid: process id of the zlogin.
        disconnect: leave when the zone halts (``-d``).
        pending: what the client is too slow for; the console waits meanwhile.
    """

    link: socket.socket
    pid: int
    disconnect: bool
    pending: bytes = b""


@dataclass
class _Console:
    """One zone's console.

    Attributes:
        zone: its zone.
        terminal: /dev/console of the running zone.
        modes: the terminal's modes when nobody has changed them.
        client: who is connected.
        reader: who reads what is typed.
        ttymon: the process that has to be there for somebody to log in.
        user: who is asked for a password.
        question: what the zone wants to know before it goes on.
        session: the login shell.
    """

    zone: str
    terminal: Terminal | None = None
    modes: list[Any] = field(default_factory=list)
    client: _Client | None = None
    reader: _Reader = _Reader.NOBODY
    ttymon: Daemon | None = None
    user: str = ""
    question: str = ""
    session: subprocess.Popen[bytes] | None = None


class Consoles:
    """All consoles of a host; one thread of its own listens to them."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._consoles: dict[str, _Console] = {}
        self._lock = threading.RLock()
        self._selector: selectors.BaseSelector | None = None

    # zlogin ------------------------------------------------------------------------------------
    def attach(self, zone: str, pid: int, *, disconnect: bool = False) -> socket.socket:
        """Connect to a console; the caller ends the connection by closing the socket.

        Args:
            zone: an installed zone.
            pid: the caller's process id.
            disconnect: end the connection when the zone halts.

        Raises:
            ConsoleBusyError: there can be only one.
        """
        with self._lock:
            console = self._consoles.setdefault(zone, _Console(zone))
            if console.client is not None:
                raise ConsoleBusyError(console.client.pid)
            theirs, ours = socket.socketpair()
            ours.setblocking(False)
            console.client = _Client(ours, pid, disconnect)
            self._watch(ours.fileno(), partial(self._client_ready, console))
            return theirs

    # zoneadmd ----------------------------------------------------------------------------------
    def notice(self, zone: str, text: str, *, last: bool = False, halted: bool = False) -> None:
        """Tell who is connected what becomes of the zone.

        Args:
            zone: the zone.
            text: the message, such as ``Zone booting up``.
            last: the connection ends with it.
            halted: the zone does not run; who has asked for it leaves.
        """
        with self._lock:
            console = self._consoles.get(zone)
            if console is None or console.client is None:
                return
            leaves = last or (halted and console.client.disconnect)
            if leaves and not last:
                text += ".  Disconnecting..."
            self._send(console, f"\r\n[NOTICE: {text}]\r\n".encode())
            if leaves:
                self._detach(console)

    def start(self, zone: str) -> None:
        """Give a zone its /dev/console, before its first program runs."""
        with self._lock:
            console = self._consoles.setdefault(zone, _Console(zone))
            try:
                terminal = self._host.runtime.open_console(zone)
            except OSError as error:
                _log.warning("zone %s has no console: %s", zone, error)
                return
            for fd in (terminal.master, terminal.slave):
                os.set_blocking(fd, False)
            console.terminal = terminal
            console.modes = termios.tcgetattr(terminal.slave)
            self._watch(terminal.master, partial(self._terminal_ready, console))

    def stop(self, zone: str) -> None:
        """Take the console of a zone away whose processes are gone."""
        with self._lock:
            console = self._consoles.get(zone)
            if console is None or console.terminal is None:
                return
            self._read_by(console, _Reader.NOBODY)
            self._terminal_ready(console, _READ)
            self._unwatch(console.terminal.master)
            console.terminal.close()
            console.terminal = console.ttymon = console.session = None
            console.question = ""
            if console.client is None:
                del self._consoles[zone]

    # The zone ----------------------------------------------------------------------------------
    def write(self, zone: str, text: str) -> None:
        """Write on a zone's /dev/console; what does not fit is lost."""
        with self._lock:
            console = self._consoles.get(zone)
            if console is not None and console.terminal is not None:
                with contextlib.suppress(BlockingIOError):
                    os.write(console.terminal.slave, text.encode())

    def ask(self, zone: str, question: str) -> None:
        """Show a question, again whenever something is typed, until somebody may log in."""
        with self._lock:
            console = self._consoles.get(zone)
            if console is not None and console.terminal is not None:
                console.question = question
                self._read_by(console, _Reader.QUESTION)
                self.write(zone, question)

    def listen(self, zone: str, ttymon: Daemon) -> None:
        """Let users log in as long as this ttymon runs."""
        with self._lock:
            console = self._consoles.get(zone)
            if console is not None and console.terminal is not None:
                console.ttymon = ttymon
                if console.session is None:
                    self._prompt(console)

    # Logging in --------------------------------------------------------------------------------
    def _prompt(self, console: _Console) -> None:
        assert console.terminal is not None
        termios.tcsetattr(console.terminal.slave, termios.TCSANOW, console.modes)
        if console.ttymon is None or console.ttymon.poll() is not None:
            self._read_by(console, _Reader.NOBODY)
            return
        self._read_by(console, _Reader.NAME)
        self.write(console.zone, f"\n{self._host.nodename(console.zone)} console login: ")

    def _read_by(self, console: _Console, reader: _Reader) -> None:
        """Let somebody else read what is typed; a session reads for itself."""
        assert console.terminal is not None
        listening = (_Reader.NAME, _Reader.PASSWORD, _Reader.QUESTION)
        if (reader in listening) != (console.reader in listening):
            if reader in listening:
                self._watch(console.terminal.slave, partial(self._line_ready, console))
            else:
                self._unwatch(console.terminal.slave)
        console.reader = reader

    def _line_ready(self, console: _Console, events: int) -> None:
        assert console.terminal is not None
        try:
            line = os.read(console.terminal.slave, _CHUNK).decode(errors="replace").rstrip("\n")
        except OSError:
            return
        match console.reader:
            case _Reader.QUESTION:
                self.write(console.zone, f"not emulated by illumos-lab: answers\n{console.question}")
            case _Reader.NAME if line:
                self._named(console, line)
            case _Reader.PASSWORD:
                self.write(console.zone, "\n")
                self._authenticate(console, line)
            case _:
                self._prompt(console)

    def _named(self, console: _Console, name: str) -> None:
        assert console.terminal is not None
        console.user = name
        root = self._host.zone_root(console.zone)
        if accounts_passwords.shadowed(root, name) == "":
            self._authenticate(console, "")
            return
        set_echo(console.terminal.slave, False)
        self._read_by(console, _Reader.PASSWORD)
        self.write(console.zone, "Password: ")

    def _authenticate(self, console: _Console, password: str) -> None:
        root = self._host.zone_root(console.zone)
        account = accounts.by_name(root, console.user)
        encrypted = accounts_passwords.shadowed(root, console.user)
        right = encrypted == "" or (encrypted and accounts_passwords.matches(password, encrypted))
        if account is None or not right:
            self.write(console.zone, "Login incorrect\n")
            self._prompt(console)
            return
        try:
            self._start_session(console, account)
        except OSError as error:
            self.write(console.zone, f"{account.shell}: {error.strerror}\n")
            self._prompt(console)

    def _start_session(self, console: _Console, account: accounts.Account) -> None:
        assert console.terminal is not None
        termios.tcsetattr(console.terminal.slave, termios.TCSANOW, console.modes)
        env = {
            "HOME": account.home,
            "LOGNAME": account.name,
            "MAIL": f"/var/mail/{account.name}",
            "PATH": self._host.profile.search_path,
            "SHELL": account.shell,
            "TERM": "sun",
            "TZ": default(self._host.path(console.zone, "/etc/default/init"), "TZ") or "UTC",
        }
        # Its modes are the terminal's, but whether it blocks is its own matter.
        fd = open_again(console.terminal.path)
        try:
            session = self._host.runtime.popen(
                console.zone,
                (account.shell, "-l"),
                uid=account.uid,
                env=env,
                cwd=account.home,
                stdin=fd,
                stdout=fd,
                stderr=fd,
                terminal=True,
            )
        finally:
            os.close(fd)
        self._read_by(console, _Reader.SESSION)
        console.session = session
        pidfd = os.pidfd_open(session.pid)
        self._watch(pidfd, partial(self._session_ended, console, session, pidfd))

    def _session_ended(
        self, console: _Console, session: subprocess.Popen[bytes], pidfd: int, events: int
    ) -> None:
        self._unwatch(pidfd)
        os.close(pidfd)
        session.wait()
        # The zone may have halted meanwhile, and be up again.
        if console.session is session:
            console.session = None
            self._prompt(console)

    # Carrying ----------------------------------------------------------------------------------
    def _terminal_ready(self, console: _Console, events: int) -> None:
        assert console.terminal is not None
        try:
            data = os.read(console.terminal.master, _CHUNK)
        except OSError:
            return
        self._send(console, data)

    def _client_ready(self, console: _Console, events: int) -> None:
        client = console.client
        if client is None:
            return
        if events & _WRITE:
            pending, client.pending = client.pending, b""
            self._modify(client.link.fileno(), _READ)
            if console.terminal is not None:
                self._watch(console.terminal.master, partial(self._terminal_ready, console))
            self._send(console, pending)
        if events & _READ and console.client is client:
            self._typed(console, client)

    def _typed(self, console: _Console, client: _Client) -> None:
        try:
            data = client.link.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._detach(console)
        elif console.terminal is not None:
            # As with a real line, what nobody reads is lost in the end.
            with contextlib.suppress(BlockingIOError):
                os.write(console.terminal.master, data)

    def _send(self, console: _Console, data: bytes) -> None:
        client = console.client
        if client is None or not data:
            return
        try:
            sent = 0 if client.pending else client.link.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._detach(console)
            return
        if sent < len(data):
            if not client.pending:
                self._modify(client.link.fileno(), _READ | _WRITE)
                if console.terminal is not None:
                    self._unwatch(console.terminal.master)
            client.pending += data[sent:]

    def _detach(self, console: _Console) -> None:
        client, console.client = console.client, None
        assert client is not None
        self._unwatch(client.link.fileno())
        client.link.close()
        if console.terminal is None:
            self._consoles.pop(console.zone, None)
        elif client.pending:
            self._watch(console.terminal.master, partial(self._terminal_ready, console))

    # The thread --------------------------------------------------------------------------------
    def _watch(self, fd: int, ready: Callable[[int], None]) -> None:
        if self._selector is None:
            self._selector = selectors.DefaultSelector()
            threading.Thread(target=self._run, args=(self._selector,), name="consoles", daemon=True).start()
        # A slow client has the console already waiting.
        with contextlib.suppress(KeyError):
            self._selector.unregister(fd)
        self._selector.register(fd, _READ, ready)

    def _modify(self, fd: int, events: int) -> None:
        assert self._selector is not None
        self._selector.modify(fd, events, self._selector.get_key(fd).data)

    def _unwatch(self, fd: int) -> None:
        assert self._selector is not None
        with contextlib.suppress(KeyError):
            self._selector.unregister(fd)

    def _run(self, selector: selectors.BaseSelector) -> None:
        while True:
            for key, events in selector.select():
                with self._lock:
                    # It may have gone while the lock was waited for, and its number be another's.
                    known = selector.get_map().get(key.fd)
                    if known is not None and known.data is key.data:
                        self._dispatch(key.data, events)

    def _dispatch(self, ready: Callable[[int], None], events: int) -> None:
        try:
            ready(events)
        except Exception:
            # One zone's console must not take the others with it.
            _log.exception("a console failed")
