"""Things that go wrong on a host, on order: failing commands, bad connections, unusual logins."""

from __future__ import annotations

import random
import re
import threading
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

_WRAPPERS = ("pfexec", "zlogin", "su")
_WHEN = (None, "before", "after")


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
        drop: ``before`` or ``after``: drop the SSH connection then; before means that it does not run.
        freeze: ``before`` or ``after``: freeze the SSH connection then, with no reset and no answer any
            more. Before means that the command hangs, too; it runs when the faults are cleared.
    """

    pattern: str
    nth: int = 1
    times: int | None = 1
    status: int | None = None
    stdout: str = ""
    stderr: str = ""
    delay: float = 0.0
    drop: str | None = None
    freeze: str | None = None
    seen: int = 0

    def check(self) -> None:
        """Make sure that it makes sense.

        Raises:
            ValueError: it does not.
        """
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"bad pattern {self.pattern!r}: {error}") from error
        for name, value in (("drop", self.drop), ("freeze", self.freeze)):
            if value not in _WHEN:
                raise ValueError(f"{name} must be before or after, not {value!r}")
        if self.delay < 0:
            raise ValueError(f"the delay cannot be {self.delay}")
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError("nth and times count from 1")

    def hits(self, command_line: str) -> bool:
        """Count a command, and tell whether it is one to hit."""
        program = command_line.partition(" ")[0].rpartition("/")[2]
        if program in _WRAPPERS and program not in self.pattern:
            return False
        if not re.search(self.pattern, command_line):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.times is None or self.seen < self.nth + self.times)


@dataclass(frozen=True)
class MaxStartups:
    """Limit of connections that have not logged in yet, ``MaxStartups`` of sshd_config(5).

    Attributes:
        begin: from so many on, connections are refused at random.
        rate: in percent, how many of them then; it rises until ``full``.
        full: from so many on, all are.
    """

    begin: int
    rate: int
    full: int

    @classmethod
    def parse(cls, text: str) -> MaxStartups:
        """Read ``10:30:100``, or a single number.

        Raises:
            ValueError: it is not of that form.
        """
        if re.fullmatch(r"\d+", text):
            return cls(int(text), 100, int(text))
        match = re.fullmatch(r"(\d+):(\d+):(\d+)", text)
        if match is None:
            raise ValueError(f"max_startups is START:RATE:FULL or a number, not {text!r}")
        limit = cls(*map(int, match.groups()))
        if not (1 <= limit.begin <= limit.full and 1 <= limit.rate <= 100):
            raise ValueError(f"max_startups {text!r} is out of range")
        return limit

    def refuses(self, startups: int) -> bool:
        """Whether one more is refused when so many have not logged in."""
        if startups < self.begin:
            return False
        if startups >= self.full or self.rate == 100:
            return True
        rising = (100 - self.rate) * (startups - self.begin) // (self.full - self.begin)
        return random.randrange(100) < self.rate + rising


@dataclass(frozen=True)
class Login:
    """How the host's sshd and its line behave, and what meets those who log in.

    Attributes:
        noise, noise_stderr: text on standard output and on standard error of every shell and command
            channel before the command's own, as a careless start-up file of a shell writes it.
        banner: text shown before authentication.
        shells: login shell by user name, in place of the one in passwd.
        env: environment of logins, such as ``PATH`` or ``LANG``, over what they would have.
        latency: seconds of a round trip between client and sshd.
        frozen: all connections are frozen: accepted, never reset, never answered.
        max_sessions: channels open at once on one connection (``MaxSessions``).
        max_startups: connections that have not logged in yet (``MaxStartups``).
    """

    noise: str = ""
    noise_stderr: str = ""
    banner: str = ""
    shells: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    latency: float = 0.0
    frozen: bool = False
    max_sessions: int = 10
    max_startups: str = "10:30:100"

    def check(self) -> None:
        """Make sure that it makes sense.

        Raises:
            ValueError: it does not.
        """
        MaxStartups.parse(self.max_startups)
        if self.latency < 0:
            raise ValueError(f"the latency cannot be {self.latency}")
        if self.max_sessions < 0:
            raise ValueError(f"max_sessions cannot be {self.max_sessions}")


class Faults:
    """The faults that are set on a host."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.login = Login()

    def add(self, fault: Fault) -> None:
        """Set a fault.

        Raises:
            ValueError: it makes no sense.
        """
        fault.check()
        with self._lock:
            self._faults.append(fault)

    def set_login(self, changes: dict[str, Any]) -> None:
        """Change attributes of `login`; shells and environment are added to those set before.

        Raises:
            ValueError: there is no such attribute, or its value makes no sense.
        """
        unknown = changes.keys() - {each.name for each in fields(Login)}
        if unknown:
            raise ValueError(f"logins have no {', '.join(sorted(unknown))}")
        with self._lock:
            merged: dict[str, Any] = {
                name: {**getattr(self.login, name), **value} if isinstance(value, dict) else value
                for name, value in changes.items()
            }
            changed = replace(self.login, **merged)
            changed.check()
            self.login = changed

    def match(self, command_line: str) -> Fault | None:
        """The first fault that hits a command; all matching ones count it."""
        if not self._faults:
            return None
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
