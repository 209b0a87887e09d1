"""Steps and commands as data: what resources plan, and what a host carries out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One program run on a host.

    Attributes:
        argv: program (absolute path) and arguments; quoted for the shell in one place only.
        stdin: text for its standard input. File contents and secrets travel here and are never
            shown; None gives an empty input.
    """

    argv: tuple[str, ...]
    stdin: str | None = None


@dataclass(frozen=True)
class Step:
    """One change of a host.

    Attributes:
        say: what it does, for the user: "creating vnic web_0 over lan0".
        run: the command.
        done: succeeds when the step is already done. It is asked before the command, which is then
            skipped, and again after it, because some illumos commands refuse with exit status 0.
        timeout: seconds that the command may take.
        attempts: how often to try while the command fails; for things that clear by themselves,
            such as a link that is still busy after its zone halted.
        pause: seconds between two attempts.
        remedy: what the user can do when the step fails.
        warns: what its command writes to its standard error is for the user, although it succeeds.
        asks: it changes nothing, and only fails when the host is not fit: a preview takes it, too.
    """

    say: str
    run: Command
    done: Command | None = None
    timeout: float = 60.0
    attempts: int = 1
    pause: float = 1.0
    remedy: str = ""
    warns: bool = False
    asks: bool = False


@dataclass(frozen=True)
class Completed:
    """How a command ended.

    Attributes:
        status: exit status.
        stdout, stderr: its two output streams, apart.
    """

    status: int
    stdout: str
    stderr: str


Probes = Mapping[str, Command]
"""Read-only commands by name, sent together and answered together."""

Results = Mapping[str, Completed]
"""The answers to probes, by the same names."""


def sh(script: str, *args: str, stdin: str | None = None) -> Command:
    """A small POSIX shell script as a command; ``args`` are its ``$1``, ``$2`` ... and need no quoting."""
    return Command(("/bin/sh", "-c", script, "sh", *args), stdin)
