"""One run of an emulated command: who called it, with what, and where its output goes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

if TYPE_CHECKING:
    from illumos_lab.host import Host


@dataclass(frozen=True)
class Spawn:
    """A command's answer when a real program must run in its place.

    The host starts ``argv`` in ``zone`` with the caller's own standard streams, waits for it, and the
    caller exits with its status. This is how zlogin, pfexec and the like are made.

    Attributes:
        argv: program and arguments; the program is looked up inside the zone.
        zone: name of the zone whose namespaces it runs in; ``global`` for the global zone.
        uid: user id to run as.
        env: its whole environment.
        cwd: working directory inside the zone.
        stdin_null: give it an empty standard input instead of the caller's.
        signal_status: exit status when a signal ends it; by default the caller ends by that signal.
    """

    argv: tuple[str, ...]
    zone: str = "global"
    uid: int = 0
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = "/"
    stdin_null: bool = False
    signal_status: int | None = None


@dataclass
class Invocation:
    """The caller's side of one emulated command.

    Attributes:
        path: absolute path that the command was started by, such as ``/usr/sbin/dladm``.
        argv: arguments after the program name.
        env: the caller's environment.
        cwd: the caller's working directory, inside its zone.
        uid: the caller's user id.
        privileged: the caller holds all privileges (root, or through pfexec with a full profile).
        zone: name of the zone that the caller runs in; ``global`` for the global zone.
        stdin, stdout, stderr: the caller's own file descriptors.
        pid: the caller's process id, as its own zone counts.
        caller: a descriptor that can be read as soon as the caller has gone; None when nobody knows.
    """

    path: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    uid: int
    zone: str
    stdin: int
    stdout: int
    stderr: int
    privileged: bool = True
    pid: int = 0
    caller: int | None = None

    @property
    def name(self) -> str:
        """The program's name as invoked, the prefix of most messages."""
        return self.path.rpartition("/")[2]

    def out(self, text: str) -> None:
        """Write text to the caller's standard output, unbuffered, byte for byte."""
        self.out_bytes(text.encode("utf-8", "surrogateescape"))

    def out_bytes(self, data: bytes) -> None:
        """Write bytes to the caller's standard output, unbuffered."""
        _write_all(self.stdout, data)

    def err(self, text: str) -> None:
        """Write text to the caller's standard error, unbuffered, byte for byte."""
        _write_all(self.stderr, text.encode("utf-8", "surrogateescape"))

    def read_stdin(self) -> str:
        """Everything on the caller's standard input up to end of file."""
        chunks = []
        while chunk := os.read(self.stdin, 65536):
            chunks.append(chunk)
        return b"".join(chunks).decode("utf-8", "surrogateescape")

    def descriptor(self, path: str) -> int | None:
        """The caller's own descriptor that a path such as ``/dev/stdout`` or ``/dev/fd/1`` names."""
        streams = (("stdin", self.stdin), ("stdout", self.stdout), ("stderr", self.stderr))
        for number, (name, descriptor) in enumerate(streams):
            if path in (f"/dev/{name}", f"/dev/fd/{number}"):
                return descriptor
        return None

    def open(self, name: str, behind: Path, mode: Literal["rb", "wb"]) -> BinaryIO:
        """Open a file that the caller names.

        Args:
            name: as the caller wrote it; it may name one of the caller's own descriptors.
            behind: the file itself, seen from outside.
            mode: read or write bytes.

        Raises:
            OSError: it cannot be opened.
        """
        descriptor = self.descriptor(name)
        return behind.open(mode) if descriptor is None else os.fdopen(os.dup(descriptor), mode)

    def stdin_isatty(self) -> bool:
        """Whether the caller's standard input is a terminal."""
        return os.isatty(self.stdin)


Command = Callable[["Host", Invocation], "int | Spawn"]
"""An emulated program: returns its exit status, or what to run in its place."""


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
