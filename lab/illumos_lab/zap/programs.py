"""Running the host's own programs, as a script in the global zone does."""

from __future__ import annotations

from dataclasses import dataclass

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin"


@dataclass(frozen=True)
class Programs:
    """The programs of a host's global zone, with the streams of the one who called zap."""

    host: Host
    call: Invocation

    def run(self, *argv: str) -> int:
        """Run a program whose output the caller sees; its exit status."""
        done = self.host.runtime.run("global", argv, env={"PATH": _SEARCH_PATH})
        self.call.out(done.stdout)
        self.call.err(done.stderr)
        return done.returncode

    def succeeds(self, *argv: str) -> bool:
        """Whether a program ends well; nobody sees its output."""
        return self.host.runtime.run("global", argv, env={"PATH": _SEARCH_PATH}).returncode == 0

    def output(self, *argv: str) -> str:
        """Standard output of a program, whether it ends well or not; the caller sees its errors."""
        done = self.host.runtime.run("global", argv, env={"PATH": _SEARCH_PATH})
        self.call.err(done.stderr)
        return done.stdout

    def say(self, text: str) -> None:
        """Tell the caller something, on a line of its own."""
        self.call.out(f"{text}\n")

    def first_free(self, show: str, prefix: str, number: int) -> int:
        """The first number from ``number`` upward for which ``dladm SHOW`` knows no link PREFIXnumber."""
        while self.succeeds("/usr/sbin/dladm", show, f"{prefix}{number}"):
            number += 1
        return number
