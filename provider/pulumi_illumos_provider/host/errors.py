"""What can go wrong between us and a host; each text is complete.

errors.HostError
 +-- Misconfigured          the settings or an OpenSSH file cannot be used
 +-- Unreachable            no connection: name, network, port, jump host, time limit
 +-- HostKeyRefused         the host key is unknown, or not the known one
 +-- AuthenticationFailed   the login was refused
 +-- NotPrivileged          the login does not get the rights of root
 +-- SessionRefused         the server does not let the login run anything
 +-- ConnectionLost         the connection ended or froze in the middle
 +-- TimedOut               commands took longer than their limit
 +-- Unintelligible         the answer is damaged, or is none
 +-- StepFailed             a step of a plan failed
"""

from __future__ import annotations

from typing import Final

from pulumi_illumos_provider.errors import HostError
from pulumi_illumos_provider.host.quoting import shown
from pulumi_illumos_provider.plan import Command, Completed, Step

_SAID_LIMIT: Final = 1500


class Misconfigured(HostError):
    """The settings, or an OpenSSH file, cannot be used."""


class Unreachable(HostError):
    """No connection could be made."""


class HostKeyRefused(HostError):
    """The host key is unknown, or not the one that is known."""


class AuthenticationFailed(HostError):
    """The login was refused."""


class NotPrivileged(HostError):
    """The login does not get the rights of root."""


class SessionRefused(HostError):
    """The server does not let the login run anything."""


class ConnectionLost(HostError):
    """The connection ended, or froze, in the middle."""


class TimedOut(HostError):
    """Commands took longer than their limit.

    Attributes:
        step: the step whose command it was; None for a read.
    """

    def __init__(self, message: str, step: Step | None = None) -> None:
        super().__init__(message)
        self.step = step


class Unintelligible(HostError):
    """The host answered with something else than what was asked."""


class StepFailed(HostError):
    """A step of a plan failed; those before it were carried out.

    Attributes:
        host: where.
        step: the step.
        completed: how its command ended.
    """

    def __init__(self, host: str, step: Step, completed: Completed, reason: str = "") -> None:
        self.host = host
        self.step = step
        self.completed = completed
        what = f"{reason}:" if reason else f"exit status {completed.status} from"
        text = f"{step.say} on {host} failed: {what} {shown(step.run.argv)}{said(completed)}"
        super().__init__(with_remedy(text, step))


def ineffective(host: str, step: Step, completed: Completed) -> StepFailed:
    """The failure of a step whose command succeeds, and whose ``done`` still says that it is not done."""
    return StepFailed(host, step, completed, "the command reported success but had no effect")


def took_too_long(host: str, step: Step, command: Command, completed: Completed) -> TimedOut:
    """The failure of a step whose command was ended by its time limit."""
    text = (
        f"{step.say} on {host} took longer than its limit of {step.timeout:g} s, and was ended: "
        f"{shown(command.argv)}{said(completed)}"
    )
    return TimedOut(with_remedy(text, step), step)


def said(completed: Completed) -> str:
    """What a command wrote, to follow a sentence about it: its errors, or else its output."""
    text = completed.stderr.strip() or completed.stdout.strip()
    if not text:
        return ""
    if len(text) > _SAID_LIMIT:
        text = "... " + text[-_SAID_LIMIT:]
    return f":\n{text}" if "\n" in text else f": {text}"


def with_remedy(text: str, step: Step) -> str:
    """A message, followed by what the step says that the user can do."""
    return f"{text}\nWhat to do: {step.remedy}" if step.remedy else text
