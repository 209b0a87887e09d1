"""Carrying out a plan: progress, time limits, and stopping on request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from pulumi_illumos_provider.engine.failing import Interrupted, TimedOut
from pulumi_illumos_provider.engine.listening import Listener
from pulumi_illumos_provider.plan import Completed, Probes, Results, Step

TICK: Final = 3.0
"""Seconds between two notes on a step that runs."""

STOP_LIMIT: Final = 30.0
"""Seconds that a running step gets to end after it was told to stop."""


class StepEvent(Protocol):
    """A host's report on one step of a plan."""

    @property
    def kind(self) -> str:
        """``started``, and later ``done`` or ``failed``; or ``skipped`` alone when it was done already."""

    @property
    def step(self) -> Step:
        """The step."""

    @property
    def completed(self) -> Completed | None:
        """How its command ended, when it was run."""


class HostAccess(Protocol):
    """The hosts, as `pulumi_illumos_provider.host.Hosts` reaches them."""

    async def read(self, host: str | None, probes: Probes) -> Results:
        """Answers to probes."""

    async def apply(self, host: str | None, steps: Sequence[Step], progress: Callable[[Any], None]) -> None:
        """Carry out steps in order."""

    async def close(self) -> None:
        """Close all connections."""


class Deadline:
    """When an operation must be over."""

    def __init__(self, timeout: float | None, what: str) -> None:
        self._timeout = timeout
        self._what = what
        self._end = None if timeout is None else time.monotonic() + timeout

    def remaining(self) -> float | None:
        """Seconds left; None for no limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def error(self, doing: str) -> TimedOut:
        """The error to raise when it is over."""
        return TimedOut(
            f"{self._what} took longer than the {self._timeout:g} s that the program allows "
            f"(customTimeouts), and was stopped while {doing}"
        )


@dataclass
class Outcome:
    """How far a plan got; a host's progress callback while it runs.

    Attributes:
        error: what stopped it.
        begun: a step was started.
        changed: a step that changes something was carried out.
        doing: what was going on last, to follow "while".
    """

    listener: Listener
    error: Exception | None = None
    begun: bool = False
    changed: bool = False
    doing: str = "beginning"
    _step: Step | None = field(default=None, repr=False)
    _since: float = field(default=0.0, repr=False)

    def __call__(self, event: StepEvent) -> None:
        if event.kind == "started":
            self.begun = True
            self.doing = event.step.say
            self._step, self._since = event.step, time.monotonic()
            self.listener.status(event.step.say)
            return
        self._step = None
        if event.kind == "done":
            self.changed = self.changed or not event.step.asks
            if event.step.warns and event.completed is not None and event.completed.stderr.strip():
                self.listener.warn(event.completed.stderr.strip())

    async def tick(self) -> None:
        """Tell every few seconds how long the step at hand has been running."""
        while True:
            await asyncio.sleep(TICK)
            if self._step is not None:
                elapsed = int(time.monotonic() - self._since)
                self.listener.status(f"{self._step.say} ({elapsed} s)")


class Executor:
    """Applies plans on hosts, side by side, until it is told to stop.

    Args:
        hosts: access to them.
    """

    def __init__(self, hosts: HostAccess) -> None:
        self._hosts = hosts
        self._running: set[asyncio.Task[None]] = set()
        self.interrupted = False
        """Whether it was told to stop."""

    def interrupt(self) -> None:
        """Start no new step; tell the running ones to stop."""
        self.interrupted = True
        for task in self._running:
            task.cancel()

    async def apply(
        self, host: str | None, steps: Sequence[Step], listener: Listener, deadline: Deadline
    ) -> Outcome:
        """Carry out steps. Errors are part of the answer: what was begun matters to the caller."""
        outcome = Outcome(listener)
        if not steps:
            return outcome
        if self.interrupted:
            outcome.error = Interrupted("cancelled before its first step")
            return outcome
        task = asyncio.ensure_future(self._hosts.apply(host, steps, outcome))
        ticker = asyncio.ensure_future(outcome.tick())
        self._running.add(task)
        try:
            done, _ = await asyncio.wait({task}, timeout=deadline.remaining())
            if done:
                task.result()
            else:
                await _stop(task)
                outcome.error = deadline.error(outcome.doing)
        except asyncio.CancelledError:
            if not task.cancelled():
                await _stop(task)
                raise
            outcome.error = Interrupted(f"cancelled while {outcome.doing}")
        except Exception as error:
            outcome.error = error
        finally:
            ticker.cancel()
            self._running.discard(task)
        return outcome


async def _stop(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait, within limits, for it to end in its own way."""
    task.add_done_callback(_forget_error)
    task.cancel()
    await asyncio.wait({task}, timeout=STOP_LIMIT)


def _forget_error(task: asyncio.Task[None]) -> None:
    """What a stopped task ends with is told to nobody: asyncio would print it, with whatever is in it."""
    if not task.cancelled():
        task.exception()
