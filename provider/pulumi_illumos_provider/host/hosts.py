"""All hosts of one process: one connection each, many channels, scripts and their answers."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from pulumi_illumos_provider.errors import HostError
from pulumi_illumos_provider.host import script
from pulumi_illumos_provider.host.connection import Connection, connect
from pulumi_illumos_provider.host.errors import (
    ConnectionLost,
    NotPrivileged,
    StepFailed,
    TimedOut,
    Unintelligible,
    Unreachable,
)
from pulumi_illumos_provider.host.settings import ConnectionSettings, Elevate
from pulumi_illumos_provider.plan import Completed, Probes, Results, Step

CHANNELS = 4
"""Channels that are open at once on one host: well below OpenSSH's own limit of ten."""

READ_LIMIT = 120.0
_SLACK = 30.0
_ENDED_BY_WATCHDOG = (128 + 15, 256 + 15)  # as POSIX shells and ksh93 tell of SIGTERM


@dataclass(frozen=True)
class StepEvent:
    """What happens to a step: ``started``, then ``skipped`` (it was done already) or ``done``."""

    kind: str
    step: Step


class _Entry:
    """A host's connection, and who may use it."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self.settings = settings
        self.connection: Connection | None = None
        self.connecting = asyncio.Lock()
        self.channels = asyncio.Semaphore(CHANNELS)


class Hosts:
    """Every host that a process talks to.

    Args:
        default: the way to the host that is used when none is named; its other settings are used for
            all hosts.

    Attributes:
        connections, channels: how many were opened so far.
    """

    def __init__(self, default: ConnectionSettings) -> None:
        self._default = default
        self._entries: dict[str | None, _Entry] = {}
        self.connections = 0
        self.channels = 0

    async def __aenter__(self) -> Hosts:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def read(self, host: str | None, probes: Probes, *, limit: float = READ_LIMIT) -> Results:
        """Run read-only commands in one channel. A lost connection is made again once.

        Args:
            limit: seconds that each of them may take.

        Raises:
            HostError: see `pulumi_illumos_provider.host.errors`.
        """
        try:
            return await self._read(host, probes, limit)
        except ConnectionLost:
            return await self._read(host, probes, limit)

    async def _read(self, host: str | None, probes: Probes, limit: float) -> Results:
        marker = script.new_marker()
        numbers = dict(enumerate(probes))
        results: dict[str, Completed] = {}
        async with self._session(host) as session:
            text = script.reading(probes, marker, limit)
            async for frame in session.run(text, marker, limit + _SLACK):
                if frame.word == "end":
                    number, status = frame.numbers
                    results[numbers[int(number)]] = session.completed(number, status)
        if len(results) != len(numbers):
            raise Unintelligible(f"{session.name} answered {len(results)} of {len(numbers)} questions")
        return results

    async def apply(
        self, host: str | None, steps: Sequence[Step], progress: Callable[[StepEvent], None]
    ) -> None:
        """Carry out steps in order, in one channel, until one fails.

        When the task is cancelled, the channel is closed: the running command is ended, and no further
        step begins.

        Raises:
            StepFailed: a step failed; those before it were carried out.
            HostError: see `pulumi_illumos_provider.host.errors`.
        """
        if not steps:
            return
        marker = script.new_marker()
        limit = max(step.timeout * step.attempts + 120 for step in steps)
        async with self._session(host) as session:
            last: Completed | None = None
            async for frame in session.run(script.applying(steps, marker), marker, limit):
                match frame.word:
                    case "start":
                        last = None
                        progress(StepEvent("started", steps[int(frame.numbers[0])]))
                    case "skip":
                        progress(StepEvent("skipped", steps[int(frame.numbers[0])]))
                    case "end":
                        last = session.completed(*frame.numbers)
                    case "finish":
                        number, status = frame.numbers
                        step = steps[int(number)]
                        if status == "0":
                            progress(StepEvent("done", step))
                        else:
                            raise _failure(session.name, step, last, int(status))

    async def close(self) -> None:
        """Close all connections."""
        for entry in self._entries.values():
            if entry.connection is not None:
                await entry.connection.close()
        self._entries.clear()

    @contextlib.asynccontextmanager
    async def _session(self, host: str | None) -> AsyncIterator[_Session]:
        entry = self._entries.get(host)
        if entry is None:
            settings = self._default if host is None else self._at(host)
            entry = self._entries.setdefault(host, _Entry(settings))
        async with entry.channels:
            async with entry.connecting:
                if entry.connection is None or entry.connection.closed:
                    if entry.connection is not None:
                        await entry.connection.close()
                    entry.connection = await connect(entry.settings)
                    self.connections += 1
            self.channels += 1
            yield _Session(entry)

    def _at(self, host: str) -> ConnectionSettings:
        try:
            return self._default.at(host)
        except ValueError as error:
            raise Unreachable(str(error)) from None


class _Session:
    """One script over one channel."""

    def __init__(self, entry: _Entry) -> None:
        assert entry.connection is not None
        self.name = entry.settings.host
        self._connection = entry.connection
        self._out = self._err = script.Unframer("")
        self._noise = ""

    def completed(self, number: str, status: str) -> Completed:
        """A command's end; both streams are complete up to it."""
        return script.completed(number, status, self._out, self._err)

    async def run(self, text: str, marker: str, silence: float) -> AsyncIterator[script.Frame]:
        """Send a script; its frames as they come.

        Args:
            silence: seconds without a frame after which the host is given up.
        """
        self._out, self._err = script.Unframer(marker), script.Unframer(marker)
        process = await self._connection.shell()
        queue: asyncio.Queue[tuple[str, script.Frame | None]] = asyncio.Queue()
        readers = [
            asyncio.ensure_future(_pump(process.stdout, self._out, "out", queue)),
            asyncio.ensure_future(_pump(process.stderr, self._err, "err", queue)),
        ]
        writer = asyncio.ensure_future(_send(process, text))
        greeted = finished = False
        try:
            async for frame in _paired(queue, silence, self.name):
                if frame.word == "hello":
                    greeted = True
                    self._require_root(frame.numbers)
                elif frame.word == "bye":
                    finished = True
                    break
                else:
                    yield frame
            if not finished:
                await process.wait_closed()
                raise self._broken(process.exit_status, greeted)
        finally:
            for task in (*readers, writer):
                task.cancel()
            if not finished:
                # sshd tells nobody when a channel without terminal is closed. The script ends its command
                # when it gets the signal; where signals are not passed on, it ends at its next frame.
                with contextlib.suppress(OSError):
                    process.terminate()
            process.close()

    def _require_root(self, numbers: tuple[str, ...]) -> None:
        if numbers[:1] == ("0",):
            return
        user, elevate = self._connection.user, self._connection.elevate
        if elevate is Elevate.PFEXEC:
            raise NotPrivileged(
                f"{user} on {self.name} does not get the rights of root from pfexec: give the user the "
                "profile 'Primary Administrator' (usermod -P 'Primary Administrator' USER), or log in as "
                "root"
            )
        raise NotPrivileged(
            f"{user} on {self.name} does not have the rights of root (elevate: {elevate}): log in as root, "
            "or set elevate to pfexec or sudo"
        )

    def _broken(self, status: int | None, greeted: bool) -> HostError:
        if greeted or self._connection.closed or status is None:
            return ConnectionLost(f"the connection to {self.name} ended in the middle")
        said = self._err._rest.strip()[-300:]
        if self._connection.elevate is not Elevate.NONE:
            return NotPrivileged(
                f"{self._connection.elevate} on {self.name} refused to run a shell for "
                f"{self._connection.user} (exit status {status}): {said or 'no message'}"
            )
        return Unintelligible(
            f"{self.name} did not run our shell (exit status {status}): {said or 'no message'}"
        )


async def _send(process: object, text: str) -> None:
    with contextlib.suppress(OSError):
        process.stdin.write(text.encode())  # type: ignore[attr-defined]
        await process.stdin.drain()  # type: ignore[attr-defined]
        process.stdin.write_eof()  # type: ignore[attr-defined]


async def _pump(
    stream: object,
    unframer: script.Unframer,
    name: str,
    queue: asyncio.Queue[tuple[str, script.Frame | None]],
) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    try:
        while data := await stream.read(65536):  # type: ignore[attr-defined]
            for frame in unframer.feed(decoder.decode(data)):
                await queue.put((name, frame))
    finally:
        await queue.put((name, None))


async def _paired(
    queue: asyncio.Queue[tuple[str, script.Frame | None]], silence: float, host: str
) -> AsyncIterator[script.Frame]:
    """Frames that have come on both streams: what stands before them is complete on both."""
    waiting: dict[str, list[script.Frame]] = {"out": [], "err": []}
    ended: set[str] = set()
    while True:
        while waiting["out"] and waiting["err"]:
            frame = waiting["out"].pop(0)
            waiting["err"].pop(0)
            yield frame
        if len(ended) == 2:
            return
        try:
            async with asyncio.timeout(silence):
                name, found = await queue.get()
        except TimeoutError:
            raise TimedOut(
                f"{host} said nothing for {silence:g} s, longer than any command may take"
            ) from None
        if found is None:
            ended.add(name)
        else:
            waiting[name].append(found)


def _failure(host: str, step: Step, last: Completed | None, status: int) -> HostError:
    completed = last or Completed(status, "", "")
    if status == script.NO_EFFECT and completed.status == 0:
        return StepFailed(host, step, completed, "the command reported success, but had no effect")
    if completed.status in _ENDED_BY_WATCHDOG:
        return StepFailed(host, step, completed, f"it took longer than {step.timeout:g} s and was ended")
    return StepFailed(host, step, completed)
