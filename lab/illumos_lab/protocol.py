"""How the lab's own processes talk: one JSON line each way over a unix socket, files passed along."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Message = dict[str, Any]

_MAX_FDS = 3


class LabError(Exception):
    """Something that the lab cannot do, said to its user in one line."""


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for a socket's path that fits the 107 bytes of a unix address."""
    directory = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def listen(path: Path) -> socket.socket:
    """A listening unix socket at a path; one left there by an earlier process is replaced."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_path(path) as name:
        server.bind(name)
    server.listen(128)
    return server


class Caller:
    """The far end of a request that is being answered.

    Attributes:
        fds: descriptors that came with the request; the handler owns them.
    """

    def __init__(self, connection: socket.socket, fds: list[int]) -> None:
        self._connection = connection
        self.fds = fds

    def fileno(self) -> int:
        """Readable as soon as the caller has gone away."""
        return self._connection.fileno()


Handler = Callable[[Message, Caller], Message]


def serve(server: socket.socket, handler: Handler) -> threading.Thread:
    """Answer requests until the socket is shut down, each in a thread of its own.

    A handler raises `LabError` to refuse; the caller's `request` raises it again.
    """

    def loop() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        fds: list[int] = []
        with connection, contextlib.suppress(OSError):
            try:
                message, fds = _receive(connection)
                reply = handler(message, Caller(connection, fds))
            except LabError as error:
                reply = {"error": str(error)}
            connection.sendall(json.dumps(reply).encode() + b"\n")
        for fd in fds:
            os.close(fd)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    return thread


def request(path: Path, message: Message, fds: Sequence[int] = ()) -> Message:
    """Send a request to the process behind a socket and wait for its answer.

    Raises:
        LabError: the process refuses, or ended without an answer.
        OSError: nobody listens there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        with short_path(path) as name:
            connection.connect(name)
        data = json.dumps(message).encode() + b"\n"
        socket.send_fds(connection, [data], list(fds))
        reply, _ = _receive(connection)
    if "error" in reply:
        raise LabError(reply["error"])
    return reply


def _receive(connection: socket.socket) -> tuple[Message, list[int]]:
    data, fds, _, _ = socket.recv_fds(connection, 65536, _MAX_FDS)
    chunks = [data]
    while data and not data.endswith(b"\n"):
        data = connection.recv(65536)
        chunks.append(data)
    text = b"".join(chunks)
    if not text.endswith(b"\n"):
        raise LabError("the other side ended without an answer")
    message: Message = json.loads(text)
    return message, list(fds)
