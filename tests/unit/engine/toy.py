"""A kind of resource that is easy to see through, and hosts that keep such objects in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.host import StepEvent
from pulumi_illumos_provider.host.errors import ConnectionLost, StepFailed, Unreachable
from pulumi_illumos_provider.model.base import Change, Inputs, Outputs, Properties, prop
from pulumi_illumos_provider.model.values import LinkName, Size
from pulumi_illumos_provider.plan import Command, Completed, Probes, Results, Step
from pulumi_illumos_provider.resources.kind import Kind, Owner, Plan


class Port(Properties):
    """A port of a box."""

    number: int = prop("Its number.", ge=1, le=9)
    label: str | None = prop("What is written on it.", default=None)


class PortState(Properties):
    """A port as the host has it."""

    number: int = prop("Its number.")
    label: str | None = prop("What is written on it.", default=None)
    mac: str = prop("Its address.")


class BoxInputs(Inputs):
    """A box."""

    host: str | None = prop("Where it is.", change=Change.REPLACE, default=None)
    name: LinkName | None = prop("Its name.", change=Change.REPLACE, default=None)
    size: Size = prop("How much goes in.", default=1024)
    memory: Size | None = prop("How much it remembers.", change=Change.REBOOT, default=None)
    brand: str = prop("Who made it.", change=Change.REPLACE, default="acme")
    peer: str | None = prop("Name or id of the box beside it.", default=None)
    token: str | None = prop("Opens it.", secret=True, default=None)
    ports: list[Port] = prop("Its ports.", default=[])


class BoxOutputs(Outputs):
    """A box as the host has it."""

    host: str = prop("Where it is.")
    name: str = prop("Its name.")
    size: Size = prop("How much goes in.")
    memory: Size | None = prop("How much it remembers.", default=None)
    brand: str = prop("Who made it.")
    peer: str | None = prop("The box beside it.", default=None)
    token: str | None = prop("Opens it.", default=None)
    ports: list[PortState] = prop("Its ports.")
    serial: str = prop("Chosen by the host.")
    sealed: bool = prop("Whether it is finished.")


World = dict[str, dict[str, Any]]
"""Objects on a host, by name."""


class BoxKind(Kind[BoxInputs, BoxOutputs]):
    """Boxes: made in two steps, so that one can fail in between."""

    token: ClassVar[str] = "illumos:index:Box"
    inputs = BoxInputs
    outputs = BoxOutputs

    def autoname(self, name: str, suffix: str) -> str:
        return f"{name}_{int(suffix, 16) % 1000}"

    def probes(self, name: str, wanted: object = None) -> Probes:
        return {"world": Command(("/usr/bin/list",))}

    def observe(self, name: str, results: Results) -> Any:
        return json.loads(results["world"].stdout)

    def plan(self, wanted: BoxInputs, now: Any, owner: Owner, state: BoxOutputs | None) -> Plan:
        name = wanted.name or ""
        box = now.get(name)
        if box and state is None and box["owner"] != owner.urn:
            raise Refused(f"box {name} exists already and is not this resource's", "name")
        if wanted.brand == "nobody":
            raise Refused("the host has no brand nobody; it has acme", "brand")
        if wanted.peer and wanted.peer.rsplit("/", 1)[-1] not in now:
            raise Refused(f"there is no box {wanted.peer.rsplit('/', 1)[-1]} on the host", "peer")
        if wanted.peer and now[wanted.peer.rsplit("/", 1)[-1]].get("size", 0) < wanted.size:
            raise Refused(f"box {wanted.peer.rsplit('/', 1)[-1]} is smaller than that", "size")
        steps = []
        if wanted.memory is not None and (box is None or box.get("memory") != wanted.memory):
            steps.append(Step(f"looking for room for box {name}", Command(("/usr/bin/look",)), asks=True))
        if box is None:
            steps.append(_step(f"making box {name}", name, {"owner": owner.urn, "sealed": False}))
        fields = {
            "size": wanted.size,
            "memory": wanted.memory,
            "brand": wanted.brand,
            "peer": wanted.peer,
            "token": wanted.token,
            "ports": [{**port.wire(), "mac": f"2:0:{port.number}"} for port in wanted.ports],
        }
        if box is None or any(box.get(key) != value for key, value in fields.items()):
            steps.append(_step(f"filling box {name}", name, fields))
        if box is None or not box["sealed"]:
            steps.append(_step(f"sealing box {name}", name, {"sealed": True}))
        warnings = ("box is very large",) if wanted.size >= 1024**4 else ()
        return Plan(tuple(steps), warnings)

    def plan_delete(self, name: str, now: Any, state: BoxOutputs) -> Plan:
        users = [other for other, box in now.items() if box.get("peer") == name]
        if users:
            raise Refused(f"box {name} is still used by {', '.join(users)}")
        if name not in now:
            return Plan()
        return Plan((Step(f"removing box {name}", Command(("/usr/bin/remove", name))),))

    def read(self, host: str, name: str, now: Any) -> BoxOutputs | None:
        box = now.get(name)
        if box is None:
            return None
        return BoxOutputs(
            host=host,
            name=name,
            size=box.get("size", 0),
            memory=box.get("memory"),
            brand=box.get("brand", ""),
            peer=box.get("peer"),
            token=box.get("token"),
            ports=[PortState.model_validate(port) for port in box.get("ports", [])],
            serial=f"S-{name}",
            sealed=box["sealed"],
        )

    def unfinished(self, state: BoxOutputs) -> list[str]:
        return [] if state.sealed else [f"box {state.name} is not sealed"]

    def importable(self, name: str, now: Any) -> None:
        if name == "global":
            raise Refused("global is the host itself: it cannot be imported")

    def satisfied(self, field: str, wanted: BoxInputs, state: BoxOutputs) -> bool:
        value = getattr(wanted, field)
        if field in ("host", "name"):
            return value is None or value == getattr(state, field)
        if field == "ports":
            return [p.wire() for p in value] == [_without_mac(p) for p in state.ports]
        return bool(value == getattr(state, field))

    def spell(self, state: BoxOutputs) -> dict[str, Any]:
        spelled: dict[str, Any] = {"name": state.name}
        if state.size != 1024:
            spelled["size"] = state.wire()["size"]
        if state.memory is not None:
            spelled["memory"] = state.wire()["memory"]
        if state.brand != "acme":
            spelled["brand"] = state.brand
        if state.peer:
            spelled["peer"] = state.peer
        if state.ports:
            spelled["ports"] = [_without_mac(port) for port in state.ports]
        return spelled


def _without_mac(port: PortState) -> dict[str, Any]:
    return {key: value for key, value in port.wire().items() if key != "mac"}


def _step(say: str, name: str, fields: Mapping[str, Any]) -> Step:
    return Step(say, Command(("/usr/bin/set", name), json.dumps(fields)))


class RouterBoxKind(BoxKind):
    """A box that others are attached to by their address alone."""

    token: ClassVar[str] = "illumos:index:RouterZone"
    serves: ClassVar[bool] = True


BOX = BoxKind()
KINDS: dict[str, Kind[Any, Any]] = {BOX.token: BOX, RouterBoxKind.token: RouterBoxKind()}


@dataclass
class FakeHosts:
    """Hosts in memory, with faults.

    Attributes:
        worlds: objects by host; None stands for the provider's own host.
        unreachable: whether no host answers.
        fail, lose, hang: a step whose text contains this fails, loses the connection after it was carried
            out, or never ends.
        silent_loss: no host answers after the connection was lost.
        leak: text for the error of a failing step.
        reads, applied: what was asked for, in order.
    """

    worlds: dict[str | None, World] = field(default_factory=lambda: {None: {}})
    unreachable: bool = False
    fail: str | None = None
    lose: str | None = None
    hang: str | None = None
    silent_loss: bool = False
    leak: str = "disk full"
    reads: list[str | None] = field(default_factory=list)
    applied: list[str] = field(default_factory=list)
    closed: bool = False
    hanging: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def world(self) -> World:
        """The objects on the provider's own host."""
        return self.worlds[None]

    async def read(self, host: str | None, probes: Probes) -> Results:
        self.reads.append(host)
        if self.unreachable:
            raise Unreachable(f"{host or 'gz1'} port 22: connection refused")
        text = json.dumps(self.worlds.setdefault(host, {}))
        return {name: Completed(0, text, "") for name in probes}

    async def apply(
        self, host: str | None, steps: Sequence[Step], progress: Callable[[StepEvent], None]
    ) -> None:
        for step in steps:
            progress(StepEvent("started", step))
            if self.hang and self.hang in step.say:
                self.hanging.set()
                await asyncio.Event().wait()
            await asyncio.sleep(0)
            if self.fail and self.fail in step.say:
                raise StepFailed(host or "gz1", step, Completed(1, "", self.leak))
            self._carry_out(self.worlds.setdefault(host, {}), step.run)
            self.applied.append(step.say)
            if self.lose and self.lose in step.say:
                self.unreachable = self.silent_loss
                raise ConnectionLost("the connection to gz1 ended in the middle")
            progress(StepEvent("done", step))

    def _carry_out(self, world: World, command: Command) -> None:
        if command.argv[0] == "/usr/bin/remove":
            world.pop(command.argv[1], None)
        elif command.argv[0] == "/usr/bin/set":
            world.setdefault(command.argv[1], {}).update(json.loads(command.stdin or "{}"))

    async def close(self) -> None:
        self.closed = True


@dataclass
class Ear:
    """A listener that remembers."""

    statuses: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def status(self, text: str) -> None:
        self.statuses.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)
