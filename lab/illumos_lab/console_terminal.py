"""Terminals: pseudo terminals of a zone, and how zlogin(1) joins one to the terminal of its caller."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from illumos_lab.invocation import Invocation
from illumos_lab.processes import wait_readable

_TIOCSPTLCK = 0x40045431
_TIOCGPTN = 0x80045430
_FLAGS = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK = 1024
_INPUT, _OUTPUT, _LOCAL, _CHARACTERS = 0, 1, 3, 6
"""Places in what `termios.tcgetattr` gives."""


@dataclass(frozen=True)
class Terminal:
    """A pseudo terminal that is open on both sides.

    Attributes:
        master, slave: descriptors; whoever opened the terminal closes them.
        path: the slave's device, seen from outside.
    """

    master: int
    slave: int
    path: Path

    @property
    def name(self) -> str:
        """Its name below /dev of the zone, such as ``pts/3``."""
        return f"pts/{self.path.name}"

    def close(self) -> None:
        """Close both sides, which hangs up whoever uses the terminal."""
        for fd in (self.master, self.slave):
            os.close(fd)


def open_terminal(devices: Path) -> Terminal:
    """Open a new terminal of an instance of devpts.

    Raises:
        OSError: there is none left.
    """
    master = os.open(devices / "ptmx", _FLAGS)
    try:
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        number = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, struct.pack("i", 0)))[0]
        path = devices / str(number)
        return Terminal(master, os.open(path, _FLAGS), path)
    except BaseException:
        os.close(master)
        raise


def open_again(path: Path) -> int:
    """A descriptor of its own for a terminal's device."""
    return os.open(path, _FLAGS)


def copy_window(source: int, target: int) -> None:
    """Give a terminal the size of another one's window."""
    with contextlib.suppress(OSError):
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(target, termios.TIOCSWINSZ, size)


def set_echo(terminal: int, on: bool) -> None:
    """Let a terminal show what is typed, or not."""
    modes = termios.tcgetattr(terminal)
    modes[_LOCAL] = modes[_LOCAL] | termios.ECHO if on else modes[_LOCAL] & ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, modes)


class Escape:
    """Looks for the sequence that ends a session: the escape character and a dot, first on a line.

    An escape character there is swallowed whatever follows, so a real one has to be typed twice.

    Args:
        character: the escape character; None when there is none.
        modes: of the caller's terminal, for its characters that end a line or the input.
    """

    def __init__(self, character: int | None, modes: list[Any]) -> None:
        names = (termios.VKILL, termios.VEOL, termios.VSUSP, termios.VINTR)
        self._character = character
        self._ends = {ord("."), _special(modes, termios.VEOF)}
        self._lines = {*b"\r\n", *(_special(modes, name) for name in names)}
        self._first = True
        self._escaped = False

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """What of some input goes on, and what to show when it ended the session (None when not)."""
        passed = bytearray()
        for byte in data:
            if self._first and self._character is not None:
                self._first = False
                if byte == self._character:
                    self._escaped = True
                    continue
            elif self._escaped:
                self._escaped = False
                if byte in self._ends:
                    return bytes(passed), bytes([self._character or 0]) + _visible(byte)
            passed.append(byte)
            self._first = byte in self._lines
        return bytes(passed), None


def _special(modes: list[Any], name: int) -> int:
    """A special character of a terminal; -1 when it has none of that name."""
    value = modes[_CHARACTERS][name]
    return ord(value) if isinstance(value, bytes) and value != b"\0" else -1


def _visible(byte: int) -> bytes:
    if byte < 32:
        return bytes([ord("^"), byte + ord("@")])
    return bytes([byte]) if byte < 127 else b"\\%03o" % byte


@contextmanager
def raw(terminal: int) -> Iterator[list[Any]]:
    """Hand every character on as it is typed; gives the modes that come back afterwards.

    Raises:
        termios.error: it is no terminal.
    """
    before = termios.tcgetattr(terminal)
    modes = termios.tcgetattr(terminal)
    modes[_INPUT] &= ~(
        termios.ISTRIP | termios.IXON | termios.IXANY | termios.INLCR | termios.ICRNL | termios.IGNCR
    )
    modes[_OUTPUT] &= ~termios.OPOST
    modes[_LOCAL] &= ~(termios.ICANON | termios.ISIG | termios.ECHO | termios.IEXTEN)
    modes[_CHARACTERS] = list(modes[_CHARACTERS])
    modes[_CHARACTERS][termios.VMIN] = 1
    modes[_CHARACTERS][termios.VTIME] = 0
    # The real one drops what has been typed so far, which only makes scripts fail now and then.
    termios.tcsetattr(terminal, termios.TCSADRAIN, modes)
    try:
        yield before
    finally:
        # It may have gone with its user.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def relay(run: Invocation, far: int, escape: Escape) -> bool:
    """Carry everything between the caller's terminal and the far side.

    Args:
        run: the caller, whose terminal is in raw mode.
        far: descriptor of a socket, or the master of a terminal.
        escape: reads what is typed.

    Returns:
        True at the end of the far side; False when the caller has typed the escape sequence or gone.
    """
    watched = [run.stdin, far, *([run.caller] if run.caller is not None else [])]
    while True:
        ready = wait_readable(watched)
        if run.caller in ready:
            return False
        if far in ready:
            data = _read(far)
            if not data:
                return True
            run.out_bytes(data)
        if run.stdin in ready:
            data = _read(run.stdin)
            if not data:
                return False
            copy_window(run.stdin, far)
            passed, ended = escape.feed(data)
            with contextlib.suppress(BrokenPipeError):
                _write(far, passed)
            if ended is not None:
                run.out_bytes(ended)
                return False


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _CHUNK)
    except OSError:
        # The far side of a terminal is closed.
        return b""


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
