"""One SSH connection to a host, made when it is needed, and the channels over it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import asyncssh

from pulumi_illumos_provider.errors import HostError
from pulumi_illumos_provider.host.errors import (
    AuthenticationFailed,
    ConnectionLost,
    HostKeyRefused,
    Misconfigured,
    SessionRefused,
    Unreachable,
)
from pulumi_illumos_provider.host.host_keys import refusal
from pulumi_illumos_provider.host.openssh import Route, find_route
from pulumi_illumos_provider.host.script import STOP, Damaged, Decoder, Mark, Script
from pulumi_illumos_provider.host.settings import ConnectionSettings

CHANNELS: Final = 4
"""Channels open at once over one connection: well below the ten that OpenSSH's MaxSessions allows."""

SESSION_PATIENCE: Final = 60.0
"""Seconds for which a server that opens no channel, though none of ours is open, is asked again."""

_ROUTE_LIMIT: Final = 60.0
_CLOSE_LIMIT: Final = 5.0
_LAST_WORDS: Final = 2.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_JUMPS_LIMIT: Final = 8
_DROPPED_ATTEMPTS: Final = 4

logging.getLogger("asyncssh").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Keepalive:
    """How a host that froze is noticed; a command that is silent for hours is not cut off by it.

    Attributes:
        interval: seconds between two questions to the SSH server, which answers by itself.
        count: unanswered questions after which the connection is lost, one interval later.
    """

    interval: float = 15.0
    count: int = 3


class Connection:
    """A destination, and the one connection to it.

    Args:
        settings: with a host.
        jump: finds the connection to the last of several jump hosts, that goes through those before.
        opened: called for each connection that was made.
        keepalive: how a frozen host is noticed.
        channels: channels open at once.
        hop: this is a jump host itself.
        before: jump hosts on the way to this one; None where its own configuration says.
        depth: number of jump hosts from here to the destination of it all.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        jump: Callable[[tuple[str, ...], Connection], Connection],
        opened: Callable[[], None],
        keepalive: Keepalive,
        channels: int = CHANNELS,
        hop: bool = False,
        before: tuple[str, ...] | None = None,
        depth: int = 0,
    ) -> None:
        self.settings = settings
        self.depth = depth
        self._jump = jump
        self._opened = opened
        self._keepalive = keepalive
        self._hop = hop
        self._before = before
        self._gate = _Gate(channels)
        self._route: Route | None = None
        self._ssh: asyncssh.SSHClientConnection | None = None
        self._client: _Client | None = None
        self._attempt: asyncio.Task[asyncssh.SSHClientConnection] | None = None

    @property
    def where(self) -> str:
        """The host for people: with its address, as is fit for messages about connections."""
        return self._route.where if self._route else self.settings.host

    @property
    def name(self) -> str:
        """The host for people: its name, or what stands for one."""
        return self.settings.host if self._route is None or self._route.aliased else self._route.where

    @property
    def user(self) -> str:
        """The login; known once `open` was called."""
        return self._route.user if self._route else self.settings.user or ""

    @property
    def lost(self) -> bool:
        """Whether there was a connection, and it has ended."""
        return self._client is not None and self._client.lost

    # Connecting ----------------------------------------------------------------------------------

    async def open(self) -> asyncssh.SSHClientConnection:
        """The open connection. Tasks that ask at the same time get the same one, or the same error.

        Raises:
            Misconfigured, Unreachable, HostKeyRefused, AuthenticationFailed: see
                `pulumi_illumos_provider.host.errors`.
        """
        if self._ssh is not None and not self.lost:
            return self._ssh
        if self._attempt is None:
            self._attempt = asyncio.ensure_future(self._connect())
            self._attempt.add_done_callback(self._attempted)
        return await asyncio.shield(self._attempt)

    def _attempted(self, attempt: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
        self._attempt = None
        if not attempt.cancelled():
            attempt.exception()

    async def _connect(self) -> asyncssh.SSHClientConnection:
        # Looked up anew each time: the user may have mended the file, or accepted the key, meanwhile.
        self._route = route = await self._find_route()
        jumps = route.jumps if self._before is None else self._before
        via: Connection | None = None
        tunnel: asyncssh.SSHClientConnection | None = None
        if jumps:
            if self.depth >= _JUMPS_LIMIT:
                raise Misconfigured(
                    f"there are more than {_JUMPS_LIMIT} jump hosts on the way: does ProxyJump of "
                    f"{self.settings.host} lead back to where it came from?"
                )
            via = self._jump(jumps, self)
            try:
                tunnel = await via.open()
            except (Misconfigured, Unreachable, HostKeyRefused, AuthenticationFailed) as error:
                raise _on_the_way(error, via, route) from None
        self._ssh, self._client = await self._dial(route, via, tunnel)
        self._opened()
        return self._ssh

    async def _find_route(self) -> Route:
        try:
            async with asyncio.timeout(_ROUTE_LIMIT):
                return await asyncio.to_thread(find_route, self.settings, hop=self._hop)
        except TimeoutError:
            raise Misconfigured(
                f"the SSH settings for {self.settings.host} could not be read within {_ROUTE_LIMIT:g} s: "
                "see whether a command of Match exec, or the file system of the keys, hangs"
            ) from None

    async def _dial(
        self, route: Route, via: Connection | None, tunnel: asyncssh.SSHClientConnection | None
    ) -> tuple[asyncssh.SSHClientConnection, _Client]:
        limit = self.settings.connect_timeout
        client = _Client()
        left = _DROPPED_ATTEMPTS
        try:
            async with asyncio.timeout(limit):
                while True:
                    client = _Client()
                    left -= 1
                    try:
                        return await self._dial_once(route, client, tunnel), client
                    except (asyncssh.ConnectionLost, ConnectionResetError):
                        # An SSH server with many logins in progress drops some at random (MaxStartups).
                        if not left or client.greeted or route.proxy_command:
                            raise
                    await asyncio.sleep(_FIRST_PAUSE * 2 ** (_DROPPED_ATTEMPTS - left))
        except TimeoutError:
            raise Unreachable(_timeout_text(route, client, via, limit)) from None
        except asyncssh.HostKeyNotVerifiable as error:
            text = refusal(route.trust, client.offered, route.where, route.login, str(error), hop=self._hop)
            raise HostKeyRefused(text) from None
        except asyncssh.PermissionDenied:
            raise AuthenticationFailed(_login_text(route)) from None
        except asyncssh.ChannelOpenError as error:
            raise Unreachable(_forward_text(route, via, error)) from None
        except asyncssh.DisconnectError as error:
            if "authentication" in error.reason.lower():
                raise AuthenticationFailed(f"{_login_text(route)} ({error.reason})") from None
            raise Unreachable(_broken_text(route, client, via, error.reason)) from None
        except ConnectionError as error:
            text = _unreachable_text(route, via, error)
            if client.connected:
                text = _broken_text(route, client, via, error.strerror or str(error))
            raise Unreachable(text) from None
        except (asyncssh.Error, OSError) as error:
            raise Unreachable(_unreachable_text(route, via, error)) from None
        except ValueError as error:
            raise Misconfigured(f"the SSH settings for {route.name} cannot be used: {error}") from None

    async def _dial_once(
        self, route: Route, client: _Client, tunnel: asyncssh.SSHClientConnection | None
    ) -> asyncssh.SSHClientConnection:
        trust = route.trust

        def trusted(host: str, addr: str, port: int | None) -> tuple[Any, ...]:
            return trust.keys, trust.authorities, trust.revoked

        ssh, _ = await asyncssh.create_connection(
            lambda: client,
            route.name,
            tunnel=tunnel,
            proxy_command=None if tunnel else (),
            known_hosts=trusted,
            keepalive_interval=self._keepalive.interval,
            keepalive_count_max=self._keepalive.count,
            connect_timeout=None,
            login_timeout=0,
            agent_forwarding=False,
            request_pty=False,
            **route.options,
        )
        return ssh

    async def close(self) -> None:
        """End the connection, and an attempt to make one."""
        if self._attempt is not None:
            self._attempt.cancel()
        ssh, self._ssh = self._ssh, None
        if ssh is not None:
            ssh.close()
            try:
                async with asyncio.timeout(_CLOSE_LIMIT):
                    await ssh.wait_closed()
            except TimeoutError:
                ssh.abort()

    # Channels ------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def converse(self, command: str, script: Script, stop_wait: float) -> AsyncIterator[Conversation]:
        """Run a script in a channel of its own.

        A server that has no channel left (MaxSessions) is asked again until it has. At the end the channel
        is closed; a script that is not over by then is told to stop first.

        Args:
            command: command line that starts a shell; it must be one for every login shell.
            script: what the shell gets to read.
            stop_wait: seconds to wait for a script that was told to stop.

        Raises:
            ConnectionLost: the connection ended while the channel was opened.
            SessionRefused: the server opens no channel, or runs no command.
            HostError: see `open`.
        """
        conversation = await self._begin(command, script)
        try:
            yield conversation
        finally:
            try:
                await conversation.end(stop_wait)
            finally:
                self._gate.leave()

    async def _begin(self, command: str, script: Script) -> Conversation:
        # First of all: those who wait for a host that does not answer are to hear of it together.
        await self.open()
        while True:
            await self._gate.enter()
            try:
                conversation = await self._ask(command, script)
            except BaseException:
                self._gate.leave()
                raise
            if conversation is not None:
                return conversation
            # Refused while other channels of ours are open: wait until one of them is closed.
            self._gate.leave()

    async def _ask(self, command: str, script: Script) -> Conversation | None:
        """Open a channel; None when there is none left beside the others of ours."""
        pause = _FIRST_PAUSE
        loop = asyncio.get_running_loop()
        until = loop.time() + SESSION_PATIENCE
        while True:
            try:
                return await self._open_channel(command, script)
            except asyncssh.ChannelOpenError as error:
                await asyncio.sleep(0)  # Lets the connection tell of its end, if that is why.
                if self.lost:
                    raise ConnectionLost(f"the connection to {self.where} ended: {error.reason}") from None
                if error.code == asyncssh.OPEN_REQUEST_SESSION_FAILED:
                    raise SessionRefused(
                        f"{self.where} does not let {self.user} run commands: see ForceCommand and "
                        "restrictions of the key in the server's configuration"
                    ) from None
                if self._gate.narrow():
                    return None
                if loop.time() > until:
                    raise SessionRefused(
                        f"{self.where} opens no session for {self.user}, for {SESSION_PATIENCE:g} s now: "
                        f"{error.reason}. See MaxSessions in the server's configuration"
                    ) from None
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _open_channel(self, command: str, script: Script) -> Conversation:
        ssh = await self.open()
        opening = asyncio.ensure_future(
            ssh.create_session(lambda: Conversation(script.nonce), command, encoding=None)
        )
        try:
            channel, conversation = await asyncio.shield(opening)
            channel.write(script.text.encode())
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late_channel)
            raise
        except (OSError, asyncssh.DisconnectError) as error:
            raise ConnectionLost(f"the connection to {self.where} ended: {error}") from None
        assert isinstance(conversation, Conversation)
        conversation.channel = channel
        return conversation


class Conversation(asyncssh.SSHClientSession[bytes]):
    """What a script and we say to each other over a channel.

    Args:
        nonce: the script's.

    Attributes:
        status: exit status of the shell, or the signal that ended it, once known.
        error: what ended the connection, if that ended.
    """

    def __init__(self, nonce: str) -> None:
        self.channel: asyncssh.SSHClientChannel[bytes] | None = None
        self.status: int | str | None = None
        self.error: Exception | None = None
        self._decoder = Decoder(nonce)
        self._damage: Damaged | None = None
        self._marks: deque[Mark] = deque()
        self._news = asyncio.Event()
        self._ended = False  # Nothing more is to be expected.
        self._heard = 0.0  # When something came, by the loop's clock.
        self._over = False  # The script said that it has ended.

    @property
    def noise(self) -> str:
        """What came from outside of the script, such as the words of a login shell that did not run it."""
        return self._decoder.noise

    async def next(self, limit: float) -> Mark | None:
        """The script's next mark; None when the channel was closed instead.

        Raises:
            TimeoutError: none came within so many seconds.
            Damaged: what came is not a mark.
        """
        async with asyncio.timeout(limit):
            while True:
                if self._marks:
                    mark = self._marks.popleft()
                    self._over = self._over or mark.word in ("over", "stopped")
                    return mark
                if self._damage:
                    raise self._damage
                if self._ended:
                    return None
                self._news.clear()
                await self._news.wait()

    async def end(self, stop_wait: float) -> None:
        """Stop the script if it still runs, wait for its end, and close the channel."""
        if self.channel is None:
            return
        try:
            if not self._ended:
                if not self._over:
                    with contextlib.suppress(OSError):
                        self.channel.write(STOP)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.0 if self._over else stop_wait):
                        await self._wait_over()
        finally:
            self.channel.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_LIMIT):
                await self.channel.wait_closed()

    async def _wait_over(self) -> None:
        while not self._ended:
            self._marks.clear()
            self._news.clear()
            await self._news.wait()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Called by asyncssh."""
        self._heard = asyncio.get_running_loop().time()
        if self._damage is None:
            try:
                self._marks += self._decoder.feed(data, stderr=datatype is not None)
            except Damaged as damage:
                self._damage = damage
        self._news.set()

    def exit_status_received(self, status: int) -> None:
        """Called by asyncssh."""
        self._exited(status)

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        """Called by asyncssh."""
        self._exited(signal)

    def _exited(self, status: int | str) -> None:
        """The shell has ended: its last words may be on the way, or a child keep the channel open."""
        self.status = status
        self._give_up()

    def _give_up(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._heard + _LAST_WORDS - loop.time()
        if left > 0:
            loop.call_later(left, self._give_up)
        else:
            self._ended = True
            self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncssh when the channel is closed."""
        self._ended = True
        self.error = exc
        self._news.set()


def _close_late_channel(opening: asyncio.Future[Any]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].close()


class _Client(asyncssh.SSHClient):
    """Watches a connection come up, and go down."""

    def __init__(self) -> None:
        self.offered: asyncssh.SSHKey | None = None
        self.lost = False
        self._connection: asyncssh.SSHClientConnection | None = None

    @property
    def connected(self) -> bool:
        """Whether something accepted the connection."""
        return self._connection is not None

    @property
    def greeted(self) -> bool:
        """Whether an SSH server said who it is."""
        return bool(self._connection and self._connection.get_extra_info("server_version"))

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Asked for keys that are not trusted."""
        self.offered = key
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


class _Gate:
    """Lets so many through at once, and fewer once a server refused."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Wait for a place."""
        while self.inside >= self.limit:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._next()
                raise
        self.inside += 1

    def leave(self) -> None:
        """Give the place back."""
        self.inside -= 1
        self._next()

    def narrow(self) -> bool:
        """Refused inside: from now on one fewer. False for the only one inside, who must go on asking."""
        if self.inside <= 1:
            return False
        self.limit = min(self.limit, self.inside - 1)
        return True

    def _next(self) -> None:
        while self._waiting and self.inside < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return


# Messages ----------------------------------------------------------------------------------------


def _on_the_way(error: HostError, via: Connection, route: Route) -> HostError:
    return type(error)(f"jump host {via.settings.host} on the way to {route.name}: {error}")


def _behind(via: Connection | None) -> str:
    return f" through jump host {via.where}" if via else ""


def _timeout_text(route: Route, client: _Client, via: Connection | None, limit: float) -> str:
    if client.greeted:
        what, remedy = "did not finish the login", "see that the host is not overloaded"
    elif client.connected:
        what = "accepted the connection but gave no SSH greeting"
        remedy = "see that an SSH server answers at this port, and that the host is not overloaded"
    else:
        what = "did not answer"
        remedy = "see that the host is up, that name and port are right, and that no firewall is between"
    return (
        f"{route.where}{_behind(via)} {what} within {limit:g} s: {remedy} (connectTimeout sets the limit)"
    )


def _login_text(route: Route) -> str:
    return (
        f"{route.where} refused the login of {route.user}: see that {route.login} works without a "
        "password, set privateKey, or load the key into your SSH agent"
    )


def _forward_text(route: Route, via: Connection | None, error: asyncssh.ChannelOpenError) -> str:
    assert via is not None
    if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
        return (
            f"jump host {via.where} refuses to forward to {route.host} port {route.port} ({error.reason}): "
            f"see AllowTcpForwarding and PermitOpen in its SSH server's configuration"
        )
    return (
        f"{route.where} cannot be reached from jump host {via.where}: {error.reason}. See that the host is "
        "up, and that name and port are right as seen from there"
    )


def _broken_text(route: Route, client: _Client, via: Connection | None, reason: str) -> str:
    if route.proxy_command and not client.greeted:
        return (
            f"{route.where} cannot be reached through ProxyCommand {route.proxy_command!r}: {reason}. "
            f"See what {route.login} says"
        )
    stage = "before the login was finished" if client.greeted else "before an SSH greeting"
    return (
        f"{route.where}{_behind(via)} ended the connection {stage}: {reason}. See that an SSH server "
        "answers at this port, and what its log says"
    )


def _unreachable_text(route: Route, via: Connection | None, error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        reason, remedy = f"its name is not known ({error.strerror})", "see that the name is right"
    elif isinstance(error, ConnectionRefusedError):
        reason = "connection refused"
        remedy = "see that its SSH server runs and that the port is right"
    else:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        remedy = "see that the host is up and that name and port are right"
    return f"{route.where}{_behind(via)} cannot be reached: {reason}; {remedy}"
