"""The line between an SSH client and the host's sshd, where bytes take their time or get stuck."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable

_IN_FLIGHT = 4 << 20
"""Bytes that a direction holds at most; a sender then waits, as for the window of TCP."""


class Line:
    """One connection: carries bytes both ways between the client's socket and a socket for sshd.

    Everything arrives in order, half a round trip after it was sent; the kernel has already answered the
    client's SYN, so the first bytes also wait for the round trip which that takes. The methods belong to
    the event loop's thread, except where they say otherwise.

    Args:
        latency: the round trip in seconds, asked anew for all that is sent.
        held: whether all lines are frozen now.
    """

    def __init__(self, latency: Callable[[], float], held: Callable[[], bool]) -> None:
        self._latency = latency
        self._held = held
        self._frozen = False
        self._client = _End(self)
        self._server = _End(self)
        self._client.other, self._server.other = self._server, self._client
        self.loop = asyncio.get_running_loop()
        self._opened = self.loop.time()

    async def open(self, client: socket.socket) -> socket.socket:
        """Take over the client's socket; the socket for sshd."""
        ours, theirs = socket.socketpair()
        for end in (client, ours, theirs):
            end.setblocking(False)
        await self.loop.create_connection(lambda: self._server, sock=ours)
        await self.loop.create_connection(lambda: self._client, sock=client)
        return theirs

    @property
    def frozen(self) -> bool:
        """Nothing goes through; what was sent waits, and nobody is told."""
        return self._frozen or self._held()

    @property
    def closed(self) -> bool:
        """Everything has been delivered, and both ends are closed."""
        return self._client.closed and self._server.closed

    def freeze(self) -> None:
        """Let nothing through until `thaw`; may be called from any thread."""
        self._frozen = True

    def thaw(self) -> None:
        """Let everything through that has been waiting."""
        self._frozen = False
        self.flush()

    def flush(self) -> None:
        """Deliver what is due, if nothing is frozen."""
        for end in (self._client, self._server):
            end.flush()

    def due(self) -> float:
        """When something that is sent now arrives, in the loop's time."""
        latency = self._latency()
        return max(self.loop.time(), self._opened + latency) + latency / 2


class _End(asyncio.Protocol):
    """One end of a line, with what is on its way from here to the other."""

    other: _End

    def __init__(self, line: Line) -> None:
        self._line = line
        self._transport: asyncio.Transport | None = None
        # None is the end of file.
        self._queue: deque[tuple[float, bytes | None]] = deque()
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        # No more comes from here; no more goes out here.
        self._ended = False
        self._finished = False
        self._other_is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._send(data)

    def eof_received(self) -> bool:
        self._send(None)
        # The other end may still have something for this one.
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._send(None)

    def pause_writing(self) -> None:
        self.other._other_is_full = True
        self.other._watch_size()

    def resume_writing(self) -> None:
        self.other._other_is_full = False
        self.other._watch_size()

    @property
    def closed(self) -> bool:
        """Nothing comes from here or goes out here any more."""
        return self._transport is not None and self._transport.is_closing()

    def _send(self, data: bytes | None) -> None:
        if self._ended:
            return
        self._ended = data is None
        self._queue.append((self._line.due(), data))
        self._size += len(data or b"")
        self.flush()

    def flush(self) -> None:
        """Deliver what is due, if nothing is frozen."""
        now = self._line.loop.time()
        while self._queue and not self._line.frozen:
            due, data = self._queue[0]
            if due > now:
                if self._timer is None:
                    self._timer = self._line.loop.call_at(due, self._timer_rang)
                break
            self._queue.popleft()
            self._size -= len(data or b"")
            self.other.deliver(data)
        self._close_if_done()
        self._watch_size()

    def _timer_rang(self) -> None:
        self._timer = None
        self.flush()

    def _watch_size(self) -> None:
        """Read on only while there is room for more."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._other_is_full or self._size >= _IN_FLIGHT:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def deliver(self, data: bytes | None) -> None:
        """Write what has come over the line."""
        if self._transport is None or self._transport.is_closing():
            return
        if data is not None:
            self._transport.write(data)
            return
        with contextlib.suppress(OSError):
            self._transport.write_eof()
        self._finished = True
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._finished and self._ended and not self._queue and self._transport is not None:
            self._transport.close()
