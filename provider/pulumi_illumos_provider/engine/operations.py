"""What both front doors do with a resource: create, read, update, delete, and preview these.

No gRPC here, and no knowledge of illumos: a kind of resource says what to ask a host and which steps to
take, `HostAccess` asks and takes them, and this module puts the two together so that the state handed
to the engine always is what the host says. The Pulumi provider protocol's rules on preview, unknown
values, partial failure and refresh are kept here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from pydantic import ValidationError

from pulumi_illumos_provider.engine.comparing import Diff, diff
from pulumi_illumos_provider.engine.execution import Deadline, Executor, HostAccess, Outcome
from pulumi_illumos_provider.engine.failing import Interrupted, NoEffect, PartialFailure, describe
from pulumi_illumos_provider.engine.foresight import (
    echo,
    expected,
    filled,
    read_state,
)
from pulumi_illumos_provider.engine.listening import SILENT, Discreet, Listener
from pulumi_illumos_provider.engine.program import Program
from pulumi_illumos_provider.engine.properties import COMPUTED, Bag
from pulumi_illumos_provider.engine.target import Target
from pulumi_illumos_provider.errors import Failure, ProviderError, Refused
from pulumi_illumos_provider.illumos.snapshot import Snapshot
from pulumi_illumos_provider.model.base import Inputs, Outputs, check
from pulumi_illumos_provider.resources.kind import Kind, Owner, Plan

AnyKind = Kind[Any, Any]


@dataclass(frozen=True)
class Made:
    """A resource as it is after an operation, or as it will be as far as one can tell.

    Attributes:
        id: its id; None when it is not known yet (preview).
        outputs: its outputs; `COMPUTED` stands for what is not known yet.
    """

    id: str | None
    outputs: dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A resource that was read.

    Attributes:
        id: its id.
        outputs: its outputs.
        inputs: its inputs, in the user's own spelling where that still holds.
        reasons: why it is not finished; empty when it is.
    """

    id: str
    outputs: dict[str, Any]
    inputs: dict[str, Any]
    reasons: tuple[str, ...] = ()


class Operations:
    """The operations on resources of one configured provider.

    Args:
        hosts: access to hosts; None while the settings are not known (preview).
        default_host: the provider's own host, for resources that name none.
    """

    def __init__(self, hosts: HostAccess | None, default_host: str | None) -> None:
        self.default_host = default_host
        self._hosts = hosts
        self._executor = None if hosts is None else Executor(hosts)
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._program = Program()

    def interrupt(self) -> None:
        """Start no new step; tell the running ones to stop. Reading back is still allowed."""
        if self._executor is not None:
            self._executor.interrupt()

    async def close(self) -> None:
        """Close the connections to all hosts."""
        if self._hosts is not None:
            await self._hosts.close()

    def diff(
        self,
        kind: AnyKind,
        olds: Bag,
        news: Bag,
        *,
        old_inputs: Bag | None = None,
        ignore: Iterable[str] = (),
    ) -> Diff:
        """Compare what the user wants with the recorded state; see `comparing.diff`."""
        return diff(
            kind,
            olds,
            news,
            old_inputs=old_inputs,
            default_host=self.default_host,
            ignore=ignore,
        )

    # Create

    async def create(
        self,
        kind: AnyKind,
        news: Bag,
        owner: Owner,
        *,
        listener: Listener = SILENT,
        within: float | None = None,
    ) -> Made:
        """Make the object, or finish making it after a create that was cut off.

        Args:
            within: seconds that the program allows.

        Raises:
            PartialFailure: it exists, but is not finished.
            ProviderError: nothing was made.
        """
        listener = Discreet(listener, news)
        wanted, target = self._wanted(kind, news)
        deadline = Deadline(within, f"creating {target}")
        async with self._alone(target):
            now = await self._observe(kind, target, deadline, wanted)
            plan = kind.plan(wanted, now, owner, None)
            _warn(listener, plan.warnings)
            outcome = await self._reach().apply(target.key, plan.steps, listener, deadline)
            if outcome.error is None:
                try:
                    return Made(target.id, await self._read_back(kind, target, wanted))
                except ProviderError as error:
                    outcome.error = error
            guess = expected(kind, target.host, target.own_name, news)
            raise await self._half_made(kind, target, news, wanted, owner, outcome, guess)

    async def _half_made(
        self,
        kind: AnyKind,
        target: Target,
        news: Bag,
        wanted: Inputs,
        owner: Owner,
        outcome: Outcome,
        guess: Mapping[str, Any],
    ) -> Exception:
        """The error to raise after a create stopped on its way."""
        error = outcome.error
        assert error is not None
        reasons = [news.redact(describe(error))]
        try:
            after = await self._look(kind, target, wanted)
            state = kind.read(target.host, target.name, after)
        except ProviderError as lost:
            if not outcome.begun:
                return error
            if str(lost) != str(error):
                reasons.append(news.redact(f"what is on the host could not be read back: {lost}"))
            return PartialFailure(target.id, guess, news.known, reasons)
        if state is None:
            # Parts of it may be there all the same; with a record of it, they are found again.
            return PartialFailure(target.id, guess, news.known, reasons) if outcome.changed else error
        try:
            kind.plan(wanted, after, owner, None)
        except Refused as refusal:
            # Somebody else made an object of that name in the meantime: it is not ours to record.
            if not outcome.changed or refusal.property == "name":
                return error
        return PartialFailure(target.id, state.wire(), news.known, reasons)

    async def preview_create(
        self,
        kind: AnyKind,
        news: Bag,
        owner: Owner,
        *,
        listener: Listener = SILENT,
        within: float | None = None,
        replacing: bool = False,
    ) -> Made:
        """What `create` would do, as far as one can tell without doing it.

        Args:
            replacing: an object of that name is on the host and will be gone by then.
        """
        listener = Discreet(listener, news)
        outputs = echo(kind, news, self.default_host)
        if news.unknown or self._hosts is None:
            self._program.promise(kind, outputs["host"], outputs["name"])
            return Made(None, outputs)
        wanted, target = self._wanted(kind, news)
        with _about(target):
            self._program.claim(target, kind.claims(wanted))
        if not replacing:
            deadline = Deadline(within, f"previewing {target}")
            with _about(target):
                now = await self._observe(kind, target, deadline, wanted)
                try:
                    plan = kind.plan(wanted, now, owner, None)
                except Refused as refusal:
                    self._program.excuse(kind, refusal, target, news, listener)
                else:
                    _warn(listener, plan.warnings)
                    await self._ask(target, plan, listener, deadline)
        self._program.promise(kind, target.host, target.name)
        return Made(target.id, outputs)

    # Read

    async def read(
        self,
        kind: AnyKind,
        id: str,
        *,
        inputs: Bag | None = None,
        within: float | None = None,
    ) -> Found | None:
        """Read an object back; None when it is gone.

        Args:
            inputs: recorded inputs (refresh); None for an import.

        Raises:
            Refused: it must not be imported.
            ProviderError: the host could not be asked, which never means that the object is gone.
        """
        target = self.parse_id(kind, id)
        now = await self._observe(kind, target, Deadline(within, f"reading {target}"))
        if inputs is None:
            with _about(target):
                kind.importable(target.name, now)
        state = kind.read(target.host, target.name, now)
        if state is None:
            return None
        reasons = tuple(kind.unfinished(state))
        if reasons and inputs is not None:
            # What the user wants is not there yet; that does not make it drift.
            return Found(id, state.wire(), inputs.known, reasons)
        return Found(id, state.wire(), self._spell(kind, target, state, inputs), reasons)

    def _spell(self, kind: AnyKind, target: Target, state: Outputs, inputs: Bag | None) -> dict[str, Any]:
        old = None if inputs is None else inputs.known
        try:
            spelled = kind.respell(state, old)
        except ValidationError:  # recorded by another version of the provider
            spelled = kind.respell(state, None)
        spelled["name"] = target.own_name
        spelled.pop("host", None)
        if old is not None and "host" in old:
            spelled["host"] = old["host"]
        elif target.host != self.default_host:
            spelled["host"] = target.host
        return spelled

    # Update

    async def update(
        self,
        kind: AnyKind,
        id: str,
        olds: Bag,
        news: Bag,
        owner: Owner,
        *,
        listener: Listener = SILENT,
        within: float | None = None,
    ) -> Made:
        """Bring the object to what is wanted now.

        Raises:
            PartialFailure: it was not, or not wholly; the state tells what it is now.
            ProviderError: nothing was done, or the host cannot be asked what was.
        """
        listener = Discreet(listener, news)
        target = self.parse_id(kind, id)
        wanted = self._wanted_at(kind, news, target)
        deadline = Deadline(within, f"updating {target}")
        async with self._alone(target):
            now = await self._observe(kind, target, deadline, wanted)
            plan = kind.plan(wanted, now, owner, read_state(kind, olds.known))
            _warn(listener, plan.warnings)
            outcome = await self._reach().apply(target.key, plan.steps, listener, deadline)
            error = outcome.error
            if error is None:
                try:
                    return Made(id, await self._read_back(kind, target, wanted))
                except NoEffect as left:
                    error = left
            if not outcome.begun:
                raise error
            try:
                state = await self._read_back(kind, target)
            except ProviderError:
                raise error from None
            raise PartialFailure(id, state, news.known, [news.redact(describe(error))])

    async def preview_update(
        self,
        kind: AnyKind,
        id: str,
        olds: Bag,
        news: Bag,
        owner: Owner,
        *,
        old_inputs: Bag | None = None,
        ignore: Iterable[str] = (),
        listener: Listener = SILENT,
        within: float | None = None,
    ) -> Made:
        """What `update` would do, as far as one can tell without doing it."""
        listener = Discreet(listener, news)
        target = self.parse_id(kind, id)
        changes = self.diff(kind, olds, news, old_inputs=old_inputs, ignore=ignore)
        outputs = self._changed_outputs(kind, olds, news, changes)
        warnings: Sequence[str] = ()
        if not news.unknown and self._hosts is not None:
            wanted = self._wanted_at(kind, news, target)
            with _about(target):
                self._program.claim(target, kind.claims(wanted))
                deadline = Deadline(within, f"previewing {target}")
                now = await self._observe(kind, target, deadline, wanted)
                try:
                    plan = kind.plan(wanted, now, owner, read_state(kind, olds.known))
                except Refused as refusal:
                    self._program.excuse(kind, refusal, target, news, listener)
                else:
                    warnings = plan.warnings
                    await self._ask(target, plan, listener, deadline)
        _warn(listener, warnings)
        if changes.properties:
            self._program.promise(kind, target.host, target.name, exists=True)
        reboots = [change.property for change in changes.properties if change.reboot]
        if reboots and not any("reboot" in warning for warning in warnings):
            listener.note(f"{target.noun} {target.name} will be rebooted: {', '.join(reboots)}")
        return Made(id, outputs)

    def _changed_outputs(self, kind: AnyKind, olds: Bag, news: Bag, changes: Diff) -> dict[str, Any]:
        """The recorded outputs, with what the changed inputs tell in its place."""
        outputs = dict(olds.known)
        told = echo(kind, news, self.default_host)
        changed = {change.property for change in changes.properties}
        outputs.update({name: told[name] for name in changed if name in told})
        outputs.update(
            {name: COMPUTED for name, sources in kind.follows.items() if changed.intersection(sources)}
        )
        return outputs

    # Delete

    async def delete(
        self,
        kind: AnyKind,
        id: str,
        olds: Bag,
        *,
        listener: Listener = SILENT,
        within: float | None = None,
    ) -> None:
        """Remove the object and all that belongs to it; what is gone counts as removed."""
        listener = Discreet(listener, olds)
        target = self.parse_id(kind, id)
        deadline = Deadline(within, f"deleting {target}")
        async with self._alone(target):
            now = await self._observe(kind, target, deadline)
            state = (
                read_state(kind, olds.known)
                or kind.read(target.host, target.name, now)
                or filled(kind.outputs, {**olds.known, "host": target.host, "name": target.own_name})
            )
            plan = kind.plan_delete(target.name, now, state)
            if not plan.steps:
                return
            _warn(listener, plan.warnings)
            outcome = await self._reach().apply(target.key, plan.steps, listener, deadline)
            if outcome.error is not None:
                raise outcome.error
            after = await self._look(kind, target)
            if kind.read(target.host, target.name, after) is not None:
                raise ProviderError(
                    f"{target} is still there after all steps of its deletion succeeded: "
                    "look at the host, then destroy again"
                )

    # Parts

    def parse_id(self, kind: AnyKind, id: str) -> Target:
        """``HOST/NAME`` (or ``HOST/ROUTER/NAME``) as a target.

        Raises:
            Refused: it is not of that form.
        """
        host, *names = id.split("/")
        if not host or len(names) != len(kind.parts) or not all(names) or re.search(r"\s", id):
            form = "/".join(part.upper() for part in ("host", *kind.parts))
            example = "/".join((self.default_host or "gz1", *("gw",) * (len(kind.parts) - 1), "web0"))
            raise Refused(f"{id!r} is not the id of a {_noun(kind)}: write {form}, as in {example}")
        return self._target(kind, host, "/".join(names))

    def _target(self, kind: AnyKind, host: str, name: str) -> Target:
        return Target(_noun(kind), host, name, None if host == self.default_host else host)

    def _wanted(self, kind: AnyKind, news: Bag) -> tuple[Inputs, Target]:
        """Inputs of an object that is to be made, and where."""
        wanted = _valid(kind, news)
        host = wanted.host or self.default_host
        if wanted.name is None:
            raise Refused(f"{_noun(kind)} without a name: the engine must call Check first", "name")
        if host is None:
            raise Refused(
                f"no host for {_noun(kind)} {wanted.name}: give it one, or give the provider one "
                "(pulumi config set illumos:host NAME, or ILLUMOS_HOST)",
                "host",
            )
        return wanted.model_copy(update={"host": host}), self._target(kind, host, kind.identity(wanted))

    def _wanted_at(self, kind: AnyKind, news: Bag, target: Target) -> Inputs:
        """Inputs of an object that exists."""
        place = {"host": target.host, "name": target.own_name}
        return _valid(kind, news).model_copy(update=place)

    @contextlib.asynccontextmanager
    async def _alone(self, target: Target) -> AsyncIterator[None]:
        """One operation at a time on one object; different objects go side by side."""
        lock = self._locks.get((target.host, target.name))
        if lock is None:
            lock = self._locks[target.host, target.name] = asyncio.Lock()
        with _about(target):
            async with lock:
                yield

    def _reach(self) -> Executor:
        if self._executor is None:
            raise Refused(
                "the provider's settings are not known yet, so that no host can be reached: "
                "run pulumi up, which makes what they come from first"
            )
        return self._executor

    async def _ask(self, target: Target, plan: Plan, listener: Listener, deadline: Deadline) -> None:
        """Take the steps of a plan that change nothing. Raises what a step fails with."""
        questions = [step for step in plan.steps if step.asks]
        outcome = await self._reach().apply(target.key, questions, listener, deadline)
        if outcome.error is not None:
            raise outcome.error

    async def _observe(
        self, kind: AnyKind, target: Target, deadline: Deadline, wanted: Inputs | None = None
    ) -> Snapshot:
        if self._reach().interrupted:
            raise Interrupted(f"{target}: cancelled before anything was done")
        try:
            async with asyncio.timeout(deadline.remaining()):
                return await self._look(kind, target, wanted)
        except TimeoutError:
            raise deadline.error("asking the host") from None

    async def _look(self, kind: AnyKind, target: Target, wanted: Inputs | None = None) -> Snapshot:
        assert self._hosts is not None
        results = await self._hosts.read(target.key, kind.probes(target.name, wanted))
        return kind.observe(target.name, results)

    async def _read_back(
        self, kind: AnyKind, target: Target, wanted: Inputs | None = None
    ) -> dict[str, Any]:
        """The outputs as the host has them.

        Args:
            wanted: what the host must have by now. Some commands refuse with success: so the result is
                compared, and never taken for granted.

        Raises:
            NoEffect: it has something else.
        """
        now = await self._look(kind, target)
        state: Outputs | None = kind.read(target.host, target.name, now)
        if state is None:
            raise ProviderError(
                f"{target} is not there after all steps succeeded: look at the host, then run "
                "pulumi up again"
            )
        left = [] if wanted is None else kind.differences(wanted, state)
        if left:
            raise NoEffect(
                f"all steps for {target} succeeded, and yet the host has another value for "
                f"{', '.join(found.property for found in left)}: look at the host, then run pulumi up again"
            )
        return state.wire()


@contextlib.contextmanager
def _about(target: Target) -> Iterator[None]:
    """Say of a refusal which object, and which property of it, is meant."""
    try:
        yield
    except Refused as refusal:
        place = f"{target}: {refusal.property}" if refusal.property else str(target)
        raise Refused(f"{place}: {refusal}", refusal.property) from None


def _noun(kind: AnyKind) -> str:
    """``router zone`` for ``illumos:index:RouterZone``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", kind.token.rsplit(":", 1)[-1]).lower()


def _valid(kind: AnyKind, news: Bag) -> Inputs:
    wanted, failures = check(kind.inputs, news.known, news.unknown)
    if isinstance(wanted, Inputs):
        return wanted
    told = [news.redact_failure(failure) for failure in failures]
    told += [Failure(path, "is not known") for path in sorted(news.unknown)]
    raise Refused("; ".join(f"{failure.property} {failure.reason}" for failure in told))


def _warn(listener: Listener, warnings: Iterable[str]) -> None:
    for warning in warnings:
        listener.warn(warning)
