"""A Linux network namespace without a name, held by a file descriptor."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from illumos_lab.kernel import Traffic
from illumos_lab.linux import syscalls
from illumos_lab.linux.threads import in_thread

T = TypeVar("T")

_SIOCGIFFLAGS = 0x8913
_IFF_RUNNING = 0x40
_RUNNING_SECONDS = 1.0


class Netns:
    """An anonymous network namespace; it lives as long as the descriptor or a process in it.

    Attributes:
        fd: descriptor of the namespace.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def create(cls) -> Netns:
        """A fresh namespace with nothing in it but a loopback interface that is down."""

        def make() -> int:
            syscalls.unshare(syscalls.CLONE_NEWNET)
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

        return cls(in_thread(make))

    @property
    def path(self) -> str:
        """A path by which other programs of this machine can open the namespace."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def call(self, work: Callable[[], T]) -> T:
        """Call a function in this namespace; sockets and processes that it makes belong there."""

        def work_inside() -> T:
            syscalls.setns(self.fd, syscalls.CLONE_NEWNET)
            return work()

        return in_thread(work_inside)

    def run(self, argv: Sequence[str], input: str = "") -> str:
        """Run a program of this machine in the namespace and return its output.

        Raises:
            OSError: it is missing, or it failed; the text is its standard error.
        """
        done = self.call(
            lambda: subprocess.run(argv, input=input, capture_output=True, text=True, check=False)
        )
        if done.returncode != 0:
            raise command_error(argv[0], done.stderr)
        return done.stdout

    def ip(self, *lines: str) -> None:
        """Carry out lines of iproute2, such as ``link set x up``, in one process.

        Raises:
            OSError: a line failed; those before it have been done.
        """
        self.run(["ip", "-batch", "-"], "".join(line + "\n" for line in lines))

    def nft(self, script: str) -> None:
        """Apply a script of nft(8) as one transaction."""
        self.run(["nft", "-f", "-"], script)

    def sysctl(self, values: dict[str, str]) -> None:
        """Set values below /proc/sys/net; one that the kernel lacks or refuses is passed over."""

        def write() -> None:
            for name, value in values.items():
                with contextlib.suppress(OSError):
                    Path("/proc/sys/net", name).write_text(value)

        self.call(write)

    def traffic(self, interfaces: Sequence[str]) -> Traffic:
        """What interfaces of the namespace have carried together; one that is gone has carried nothing."""
        table = self.call(lambda: Path("/proc/thread-self/net/dev").read_text())
        lines = dict(line.split(":", 1) for line in table.splitlines() if ":" in line)
        sums = [0] * 16
        for name, counts in lines.items():
            if name.strip() in interfaces:
                sums = [one + int(other) for one, other in zip(sums, counts.split(), strict=True)]
        return Traffic(sums[1], sums[0], sums[2], sums[9], sums[8], sums[10])

    def await_running(self, interface: str) -> None:
        """Wait until an interface that has just been connected carries packets.

        Linux says so a little later than the command that connected it; a switch drops what comes before.
        """
        with self.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
            request = struct.pack("16sH14x", interface.encode(), 0)
            deadline = time.monotonic() + _RUNNING_SECONDS
            while time.monotonic() < deadline:
                flags = struct.unpack("16xH14x", fcntl.ioctl(probe, _SIOCGIFFLAGS, request))[0]
                if flags & _IFF_RUNNING:
                    return
                time.sleep(0.0005)

    def close(self) -> None:
        """Let go of the namespace."""
        os.close(self.fd)


_ERRORS = {
    "File exists": 17,
    "No such file or directory": 2,
    "No such device": 19,
    "Cannot find device": 19,
    "No such process": 3,
    "Network is unreachable": 101,
    "invalid gateway": 101,
    "Device or resource busy": 16,
    "Operation not permitted": 1,
    "Cannot assign requested address": 99,
    "Invalid argument": 22,
}


def command_error(program: str, stderr: str) -> OSError:
    """The OSError behind the error text of ip(8) or nft(8)."""
    text = " ".join(stderr.split())
    number = next((code for phrase, code in _ERRORS.items() if phrase in text), 5)
    return OSError(number, f"{program}: {text}")
