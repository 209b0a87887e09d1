"""What can go wrong between us and a host; each text is complete.

errors.HostError
 +-- Unreachable            no connection: name, network, port, time limit
 +-- HostKeyRefused         the host key is unknown or another one
 +-- AuthenticationFailed   the login was refused
 +-- NotPrivileged          the login has not the rights of root
 +-- ConnectionLost         the connection ended or froze in the middle
 +-- TimedOut               a command took longer than its limit
 +-- Unintelligible         the answer is not one
 +-- StepFailed             a step of a plan failed; has ``step`` and ``completed``
"""

from __future__ import annotations

from pulumi_illumos_provider.errors import HostError
from pulumi_illumos_provider.host.quoting import words
from pulumi_illumos_provider.plan import Completed, Step

_SHOWN = 600


class Unreachable(HostError):
    """No connection could be made."""


class HostKeyRefused(HostError):
    """The host key is unknown, or not the one that is known."""


class AuthenticationFailed(HostError):
    """The login was refused."""


class NotPrivileged(HostError):
    """The login does not have the rights of root."""


class ConnectionLost(HostError):
    """The connection ended, or froze, in the middle."""


class TimedOut(HostError):
    """A command took longer than its limit."""


class Unintelligible(HostError):
    """The host answered with something else than was asked."""


class StepFailed(HostError):
    """A step of a plan failed.

    Attributes:
        step: the step.
        completed: exit status and output of its command.
    """

    def __init__(self, host: str, step: Step, completed: Completed, reason: str = "") -> None:
        self.step = step
        self.completed = completed
        said = (completed.stderr.strip() or completed.stdout.strip()).strip("\n")
        if not reason:
            reason = f"exit status {completed.status}"
        parts = [f"{step.say} on {host} failed: {reason}", f"command: {shown(step.run.argv)}"]
        if said:
            parts.append(f"it said: {said[-_SHOWN:]}")
        if step.remedy:
            parts.append(f"what to do: {step.remedy}")
        super().__init__("\n".join(parts))


def shown(argv: tuple[str, ...]) -> str:
    """A command line for messages. A script of ours is named by its first line; input is never shown."""
    if argv[:2] == ("/bin/sh", "-c"):
        script = " ".join(argv[2].split())
        short = script if len(script) <= 160 else f"{script[:157]}..."
        return words(("/bin/sh", "-c", short, *argv[3:]))
    return words(argv)
