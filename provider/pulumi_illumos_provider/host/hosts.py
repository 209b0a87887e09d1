"""All hosts of one process: a connection each, many channels, scripts and their answers."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pulumi_illumos_provider.errors import HostError
from pulumi_illumos_provider.host import script
from pulumi_illumos_provider.host.connection import CHANNELS, Connection, Conversation, Keepalive
from pulumi_illumos_provider.host.errors import (
    ConnectionLost,
    Misconfigured,
    NotPrivileged,
    StepFailed,
    TimedOut,
    Unintelligible,
    ineffective,
    took_too_long,
)
from pulumi_illumos_provider.host.openssh import hop_settings
from pulumi_illumos_provider.host.script import Cut, Damaged, Mark, Script
from pulumi_illumos_provider.host.settings import ConnectionSettings, Elevate
from pulumi_illumos_provider.plan import Completed, Probes, Results, Step

READ_LIMIT: Final = 120.0
"""Seconds that a read may take on the host, when nothing else is said."""

STOP_WAIT: Final = 15.0
"""Seconds to wait, after a task was cancelled, for the command that runs on the host to end."""

_HELLO_LIMIT: Final = 60.0
"""Seconds for a login shell with its start-up files, pfexec or sudo, and our shell to begin."""

_SLACK: Final = 20.0
"""Seconds by which our own time limits are longer than those that the host keeps itself."""

_RECONNECT_PAUSE: Final = 0.5

_PREFIX: Final = {Elevate.NONE: "", Elevate.PFEXEC: "/usr/bin/pfexec ", Elevate.SUDO: "sudo -n "}


class EventKind(enum.StrEnum):
    """What happens to a step."""

    STARTED = "started"
    SKIPPED = "skipped"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class StepEvent:
    """A host's report on one step of a plan.

    Attributes:
        kind: an `EventKind`: ``started`` and later ``done`` or ``failed``; or ``skipped`` alone when the
            step was done already.
        step: the step.
        completed: how its command ended; its stderr may hold warnings. None where no command of the step
            has run.
    """

    kind: str
    step: Step
    completed: Completed | None = None


@dataclass
class _Course:
    """How far a plan has come, over all connections that it took.

    Attributes:
        position: number of the first step of which we do not know that it is done.
        begun: that step was started.
        cut: the script that was cut off.
        run, asked: how the step's command ended, and how the last command of the step ended.
    """

    position: int = 0
    begun: bool = False
    cut: Cut | None = None
    run: Completed | None = field(default=None, repr=False)
    asked: Completed | None = field(default=None, repr=False)

    def advance(self, number: int) -> None:
        """A step is behind us."""
        self.position = number + 1
        self.begun = False
        self.run = self.asked = None


class Hosts:
    """Every host that a process talks to. Nothing is connected before it is needed.

    Args:
        default: the way to the host that is used when none is named. Its other settings hold for all
            hosts, but for ``host_key`` where it has a host of its own.
        channels: channels that are open at once on one host.
        keepalive: how a frozen host is noticed.

    Attributes:
        connections, channels: how many were opened so far, jump hosts included.
    """

    def __init__(
        self,
        default: ConnectionSettings,
        *,
        channels: int = CHANNELS,
        keepalive: Keepalive | None = None,
    ) -> None:
        self.connections = 0
        self.channels = 0
        self._default = default
        self._limit = channels
        self._keepalive = keepalive or Keepalive()
        self._connections: dict[object, Connection] = {}

    async def __aenter__(self) -> Hosts:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def read(self, host: str | None, probes: Probes, *, timeout: float = READ_LIMIT) -> Results:  # noqa: ASYNC109
        """Run read-only commands, one after the other, in one channel.

        That a command fails is no error: its exit status is part of the answer.

        When the connection is lost, it is made again once and all are run again. When the task is
        cancelled, the command that runs on the host is ended.

        Args:
            host: which one: an alias or address, as `parse_destination` reads it; None for the default.
            timeout: seconds for all of them together, once the channel is open.

        Raises:
            TimedOut: they took longer.
            HostError: see `pulumi_illumos_provider.host.errors`.
        """
        connection = self._connection(host)
        if not probes:
            return {}
        try:
            return await self._read(connection, probes, timeout)
        except ConnectionLost:
            return await self._read(connection, probes, timeout)

    async def apply(
        self,
        host: str | None,
        steps: Sequence[Step],
        progress: Callable[[StepEvent], None],
        *,
        reconnect: bool = True,
    ) -> None:
        """Carry out steps in their order, in one channel, until one fails.

        A step whose ``done`` succeeds is skipped. After its command, ``done`` is asked again: the step has
        failed when it still does not succeed, whatever the command says. Of a step with several attempts
        ``done`` is also asked before each. The step's time limit holds for each of its commands.

        When the task is cancelled, no further step starts. The command that runs gets two seconds to end
        by itself, then a TERM and, after five seconds, a KILL, with all its descendants; the call returns
        when it has ended, after `STOP_WAIT` seconds at most. When the connection goes away instead, the
        host does the same by itself, but gives the command `script.ORPHAN_GRACE` seconds.

        Args:
            host: see `read`.
            steps: what to do.
            progress: called for each event, as it happens.
            reconnect: go on over a new connection, once, when the connection is lost. The steps that are
                known to be done are not run again; the others tell by ``done``. It is not tried when a
                step had been started that has no ``done``.

        Raises:
            StepFailed: a step failed; those before it were carried out.
            TimedOut: a command took longer than its limit, and was ended.
            HostError: see `pulumi_illumos_provider.host.errors`.
        """
        connection = self._connection(host)
        course = _Course()
        while course.position < len(steps):
            try:
                await self._apply(connection, steps, progress, course)
                return
            except ConnectionLost as lost:
                error = _lost_in_plan(lost, steps, course)
                if not reconnect or (course.begun and steps[course.position].done is None):
                    raise error from None
            reconnect = False
            await asyncio.sleep(_RECONNECT_PAUSE)
            try:
                await connection.open()
            except HostError as again:
                raise ConnectionLost(f"{error}. Connecting again failed: {again}") from None

    async def close(self) -> None:
        """Close all connections."""
        connections = list(self._connections.values())
        self._connections.clear()
        for connection in sorted(connections, key=lambda connection: connection.depth):
            await connection.close()

    # Connections ---------------------------------------------------------------------------------

    def _connection(self, host: str | None) -> Connection:
        settings = self._settings(host)
        return self._shared((settings.host, settings.user, settings.port), settings)

    def _settings(self, host: str | None) -> ConnectionSettings:
        if host is None:
            if not self._default.host:
                raise Misconfigured("no host is named: set illumos:host, or name one in the resource")
            return self._default
        try:
            settings = self._default.at(host)
        except ValueError as error:
            raise Misconfigured(str(error)) from None
        if self._default.host and settings.host != self._default.host:
            settings = replace(settings, host_key=None)
        return settings

    def _jump(self, jumps: tuple[str, ...], origin: Connection) -> Connection:
        settings = hop_settings(origin.settings, jumps[-1])
        depth = origin.depth + 1
        # With the depth in the key no connection can wait for itself, however jump hosts refer to
        # each other.
        key = ("jump", depth, jumps, settings.ssh_config)
        return self._shared(key, settings, hop=True, before=jumps[:-1] or None, depth=depth)

    def _shared(
        self,
        key: object,
        settings: ConnectionSettings,
        *,
        hop: bool = False,
        before: tuple[str, ...] | None = None,
        depth: int = 0,
    ) -> Connection:
        connection = self._connections.get(key)
        if connection is None:
            connection = self._connections[key] = Connection(
                settings,
                jump=self._jump,
                opened=self._count,
                keepalive=self._keepalive,
                channels=self._limit,
                hop=hop,
                before=before,
                depth=depth,
            )
        return connection

    def _count(self) -> None:
        self.connections += 1

    # Scripts -------------------------------------------------------------------------------------

    async def _read(self, connection: Connection, probes: Probes, limit: float) -> Results:
        names = list(probes)
        results: dict[str, Completed] = {}
        elevate = await self._elevate(connection)
        text = _render(lambda: script.read_script(probes, limit=limit, root=elevate is not Elevate.NONE))
        async with connection.converse(_command(elevate, text), text, STOP_WAIT) as conversation:
            self.channels += 1
            speaker = _Speaker(connection, conversation, elevate, len(names))
            await speaker.greet()
            while mark := await speaker.next(limit + script.KILL_GRACE + _SLACK, "answer"):
                if mark.word == "end" and mark.completed is not None:
                    results[names[mark.number]] = mark.completed
                elif mark.word == "late":
                    running = names[min(len(results), len(names) - 1)]
                    raise TimedOut(
                        f"reading from {connection.where} took longer than its limit of {limit:g} s, and "
                        f"was ended at {running!r}: see whether the host is overloaded"
                    )
        if len(results) < len(names):
            raise Unintelligible(
                f"{connection.where} answered {len(results)} of {len(names)} questions: see whether "
                "somebody ended our commands there, and run again"
            )
        return results

    async def _apply(
        self,
        connection: Connection,
        steps: Sequence[Step],
        progress: Callable[[StepEvent], None],
        course: _Course,
    ) -> None:
        elevate = await self._elevate(connection)
        text = _render(
            lambda: script.apply_script(
                steps, first=course.position, root=elevate is not Elevate.NONE, cut=course.cut
            )
        )
        patience = script.TAKEOVER_WAIT + _SLACK if course.cut else 0.0
        async with connection.converse(_command(elevate, text), text, STOP_WAIT) as conversation:
            self.channels += 1
            course.cut = Cut(text.token, None)
            speaker = _Speaker(connection, conversation, elevate, len(steps))
            course.cut = Cut(text.token, await speaker.greet())
            while True:
                step = steps[min(course.position, len(steps) - 1)]
                limit = patience + step.timeout + step.pause + script.KILL_GRACE + _SLACK
                patience = 0.0
                mark = await speaker.next(limit, f"finish {step.say}")
                if mark is None:
                    return
                _follow(mark, steps[mark.number], progress, course, connection.name)

    async def _elevate(self, connection: Connection) -> Elevate:
        """How to get the rights of root; that depends on the login, which OpenSSH's configuration tells."""
        if connection.settings.elevate is not None:
            return Elevate(connection.settings.elevate)
        await connection.open()
        return Elevate.NONE if connection.user == "root" else Elevate.PFEXEC


class _Speaker:
    """Reads a script's marks, and tells what it means when they do not come."""

    def __init__(
        self, connection: Connection, conversation: Conversation, elevate: Elevate, count: int
    ) -> None:
        self._connection = connection
        self._conversation = conversation
        self._elevate = elevate
        self._count = count

    async def greet(self) -> int:
        """Wait for the script to begin, with the rights that it needs; its process."""
        where, user = self._connection.where, self._connection.user
        mark = await self._next(_HELLO_LIMIT, "start a shell")
        if mark is None:
            raise self._no_shell()
        uid, pid = mark.args if mark.word == "hello" else ("", "")
        if not pid.isdecimal():
            raise self._damaged(mark.word)
        if self._elevate is not Elevate.NONE and uid != "0":
            raise NotPrivileged(
                f"{user} does not get the rights of root on {where} from {self._elevate}: commands run "
                f"with user id {uid}. {_remedy(self._elevate, user)}"
            )
        return int(pid)

    async def next(self, limit: float, what: str) -> Mark | None:
        """The next mark; None when the script is over.

        Args:
            limit: seconds that it may take.
            what: what it is that the host does not do in that time.
        """
        where = self._connection.where
        mark = await self._next(limit, what)
        if mark is None or mark.word == "stopped":
            raise Unintelligible(
                f"the shell on {where} ended early (exit status {self._conversation.status}): see whether "
                "somebody ended it, or the host was going down"
            )
        if mark.word == "unfit":
            raise Unintelligible(
                f"/bin/sh on {where} has no {mark.args[0]} of its own: what is written to files would "
                "show in the list of processes there"
            )
        if mark.number >= self._count:
            raise self._damaged(f"{mark.word} {mark.number}")
        return None if mark.word == "over" else mark

    async def _next(self, limit: float, what: str) -> Mark | None:
        where = self._connection.where
        try:
            mark = await self._conversation.next(limit)
        except TimeoutError:
            raise TimedOut(
                f"{where} did not {what} within {limit:g} s: see whether the host is overloaded"
            ) from None
        except Damaged as damage:
            raise self._damaged(str(damage)) from None
        if mark is None and (self._conversation.error is not None or self._connection.lost):
            reason = self._conversation.error or "it was closed"
            raise ConnectionLost(f"the connection to {where} was lost: {reason}")
        return mark

    def _damaged(self, text: str) -> Unintelligible:
        return Unintelligible(
            f"the answer of {self._connection.where} is damaged at {text[:200]!r}: run again"
        )

    def _no_shell(self) -> HostError:
        where, user = self._connection.where, self._connection.user
        noise = self._conversation.noise.strip()
        answer = f"exit status {self._conversation.status}" + (f": {noise[-500:]}" if noise else "")
        if self._elevate is Elevate.NONE:
            return Unintelligible(
                f"{where} did not run /bin/sh for {user} ({answer}): see that its login shell runs commands"
            )
        return NotPrivileged(
            f"{self._elevate} did not run /bin/sh for {user} on {where} ({answer}). "
            f"{_remedy(self._elevate, user)}"
        )


def _follow(
    mark: Mark, step: Step, progress: Callable[[StepEvent], None], course: _Course, where: str
) -> None:
    """Take in what a script says of a step."""
    match mark.word:
        case "end":
            course.asked = mark.completed
            if mark.args[0] == "run":
                course.run = mark.completed
        case "started":
            course.position = mark.number
            course.begun = True
            progress(StepEvent(EventKind.STARTED, step))
        case "skipped":
            course.advance(mark.number)
            progress(StepEvent(EventKind.SKIPPED, step))
        case "done":
            run = course.run
            course.advance(mark.number)
            progress(StepEvent(EventKind.DONE, step, run))
        case "failed":
            progress(StepEvent(EventKind.FAILED, step, course.run))
            raise _failure(mark, step, course, where)


def _failure(mark: Mark, step: Step, course: _Course, where: str) -> HostError:
    nothing = Completed(0, "", "")
    why, purpose = mark.args
    if why == "late":
        command = step.run if purpose == "run" or step.done is None else step.done
        return took_too_long(where, step, command, course.asked or nothing)
    if why == "effect":
        return ineffective(where, step, course.run or nothing)
    return StepFailed(where, step, course.run or nothing)


def _lost_in_plan(lost: ConnectionLost, steps: Sequence[Step], course: _Course) -> ConnectionLost:
    step = steps[course.position]
    if course.begun:
        return ConnectionLost(f"{lost}, while {step.say}; whether that was completed is not known")
    return ConnectionLost(f"{lost}, before {step.say}")


def _render(render: Callable[[], Script]) -> Script:
    try:
        return render()
    except ValueError as error:
        raise Misconfigured(f"a command cannot be sent to the host: {error}") from None


def _command(elevate: Elevate, text: Script) -> str:
    return f"exec {_PREFIX[elevate]}/bin/sh -s {text.token}"


def _remedy(elevate: Elevate, user: str) -> str:
    if elevate is Elevate.PFEXEC:
        return (
            f"Give the login the rights profile Primary Administrator (usermod -P 'Primary Administrator' "
            f"{user}), or log in as root"
        )
    return f"Let sudo run /bin/sh for {user} without a password (NOPASSWD in sudoers), or log in as root"
