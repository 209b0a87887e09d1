"""Things that go wrong on a host, on order: failing commands, dropped connections, noisy logins."""

from __future__ import annotations

import re
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

_WRAPPERS = ("pfexec", "zlogin", "su")


@dataclass
class Fault:
    """What happens to commands that match.

    A command that another one runs (``pfexec``, ``zlogin``, ``su``) is matched itself; the outer one only
    by a pattern that names it.

    Attributes:
        pattern: regular expression, searched in the command line with its full path,
            such as ``/usr/sbin/zoneadm -z web install``.
        nth: number of the first matching command that is hit, counted from 1.
        times: how many are hit; None for all that follow.
        status: exit status to give instead of running the command; None runs it.
        stdout, stderr: text to write instead of, or before, running it.
        delay: seconds to wait first.
        drop: ``before`` or ``after``: drop the SSH connection then.
    """

    pattern: str
    nth: int = 1
    times: int | None = 1
    status: int | None = None
    stdout: str = ""
    stderr: str = ""
    delay: float = 0.0
    drop: str | None = None
    seen: int = 0

    def hits(self, command_line: str) -> bool:
        """Count a command, and tell whether it is one to hit."""
        program = command_line.partition(" ")[0].rpartition("/")[2]
        if program in _WRAPPERS and program not in self.pattern:
            return False
        if not re.search(self.pattern, command_line):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.times is None or self.seen < self.nth + self.times)


@dataclass
class Login:
    """How the host greets who logs in.

    Attributes:
        noise: text on standard output of every channel before the command's own.
        banner: text shown before authentication.
        shells: login shell by user name, in place of the one in passwd.
        latency: seconds that every channel waits before its command starts.
        max_sessions: channels open at once on one connection (``MaxSessions``).
    """

    noise: str = ""
    banner: str = ""
    shells: dict[str, str] = field(default_factory=dict)
    latency: float = 0.0
    max_sessions: int = 10


class Faults:
    """The faults that are set on a host."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.login = Login()

    def add(self, fault: Fault) -> None:
        """Set a fault.

        Raises:
            ValueError: the pattern is no regular expression, or ``drop`` is something else.
        """
        try:
            re.compile(fault.pattern)
        except re.error as error:
            raise ValueError(f"bad pattern {fault.pattern!r}: {error}") from error
        if fault.drop not in (None, "before", "after"):
            raise ValueError(f"drop must be before or after, not {fault.drop!r}")
        with self._lock:
            self._faults.append(fault)

    def match(self, command_line: str) -> Fault | None:
        """The first fault that hits a command; all matching ones count it."""
        with self._lock:
            hit = [fault for fault in self._faults if fault.hits(command_line)]
        return hit[0] if hit else None

    def clear(self) -> None:
        """Remove all faults and make logins quiet again."""
        with self._lock:
            self._faults.clear()
            self.login = Login()

    def as_json(self) -> dict[str, Any]:
        """All faults, with how many commands each has matched."""
        with self._lock:
            return {
                "faults": [asdict(fault) for fault in self._faults],
                "login": asdict(self.login),
            }
