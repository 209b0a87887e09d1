"""What a zone may use of the host: caps are changed in its configuration and, while it runs, in force."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pulumi_illumos_provider.illumos import prctl, zonecfg
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.base import Change
from pulumi_illumos_provider.model.values import format_size
from pulumi_illumos_provider.model.zone.limits import (
    PROPERTIES_OF_CONTROLS,
    DedicatedCpus,
    LimitsInputs,
    LimitsState,
    ResourceControl,
)
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources.kind import Difference
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.side import Side
from pulumi_illumos_provider.resources.zone_steps import MEMORY_CAP, memory_cap


@dataclass(frozen=True)
class Control:
    """A resource control with a property of its own.

    Attributes:
        field: python name of the property.
        name: the resource control.
        factor: units of the control in one of the property.
        deny: whether it refuses; shares only count.
    """

    field: str
    name: str
    factor: int = 1
    deny: bool = True


CONTROLS: Final = (
    Control("cpus", "zone.cpu-cap", factor=100),
    Control("cpu_shares", "zone.cpu-shares", deny=False),
    Control("swap", "zone.max-swap"),
    Control("locked_memory", "zone.max-locked-memory"),
    Control("max_lwps", "zone.max-lwps"),
    Control("max_processes", "zone.max-processes"),
    Control("max_shm_memory", "zone.max-shm-memory"),
    Control("max_shm_ids", "zone.max-shm-ids"),
    Control("max_msg_ids", "zone.max-msg-ids"),
    Control("max_sem_ids", "zone.max-sem-ids"),
)
_MEMORY: Final = Control("memory", MEMORY_CAP)
_SIZES: Final = frozenset({"memory", "swap", "locked_memory", "max_shm_memory"})
_INITIAL: Final = {"zone.cpu-shares": 1, "zone.zfs-io-priority": 1}
"""Values that the system gives every zone."""
_ENTRY = re.compile(r"(priv|limit|action)=([^,)]*)")


class Limits(Side[LimitsInputs, LimitsState]):
    """Caps; written as resource controls, which are exact."""

    inputs: type[LimitsInputs] = LimitsInputs
    outputs: type[LimitsState] = LimitsState

    def plan(self, wanted: LimitsInputs, job: Job) -> None:
        for control in CONTROLS:
            _control(job, control, _amount(wanted, control))
        if job.now.distribution.memory_is_rctl:
            _control(job, _MEMORY, wanted.memory)
        else:
            _capped_memory(job, wanted.memory)
        _dedicated_cpus(job, wanted.dedicated_cpus)
        if wanted.resource_controls is not None:
            _others(job, wanted.resource_controls)

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        config = zone.config
        values: dict[str, Any] = {}
        for control in CONTROLS:
            limit = config.rctl_limit(control.name)
            amount = limit if limit is None or control.factor == 1 else limit / control.factor
            values[control.field] = amount
        dedicated = config.resource("dedicated-cpu")
        return {
            **values,
            "memory": memory_cap(zone),
            "dedicated_cpus": _read_dedicated(dedicated) if dedicated else None,
            "resource_controls": [
                entry
                for resource in config.of_kind("rctl")
                if resource.key not in PROPERTIES_OF_CONTROLS
                for entry in _entries(resource)
            ],
            "live_limits": _live_limits(zone),
        }

    def satisfied(self, field: str, wanted: LimitsInputs, state: LimitsState) -> bool:
        value, has = getattr(wanted, field), getattr(state, field)
        if field == "resource_controls":
            return value is None or _sorted(value) == _sorted(has)
        if field == "dedicated_cpus" and value is not None and has is not None:
            return bool(value.count == has.count and (value.importance or 1) == (has.importance or 1))
        return bool(value == has)

    def drift(self, state: LimitsState) -> list[Difference]:
        return [Difference("liveLimits", Change.LIVE)] if state.live_limits else []

    def spell(self, state: LimitsState) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        for field in LimitsInputs.model_fields:
            value = getattr(state, field)
            if value in (None, []):
                continue
            name = LimitsInputs.property_name(field)
            if field == "resource_controls":
                spelled[name] = [_spell_control(entry) for entry in value]
            elif isinstance(value, DedicatedCpus):
                spelled[name] = value.wire()
            else:
                spelled[name] = format_size(value) if field in _SIZES else value
        return spelled


def _amount(wanted: LimitsInputs, control: Control) -> int | None:
    value = getattr(wanted, control.field)
    return None if value is None else round(value * control.factor)


def _control(job: Job, control: Control, limit: int | None) -> None:
    """Have a limit in the configuration and, while the zone runs, in force."""
    wanted = [] if limit is None else [zonecfg.rctl(control.name, limit, deny=control.deny)]
    job.want("rctl", control.name, *wanted)
    _live(job, control.name, [] if limit is None else [limit], deny=control.deny)


def _live(job: Job, name: str, wanted: list[int], *, deny: bool) -> None:
    limits = _or_initial(name, wanted)
    if not job.running or job.zone is None or prctl_values(job.zone, name) == limits:
        return
    amount = ", ".join(map(str, limits)) or "no limit"
    job.live.append(
        Step(
            f"setting {name} of the running zone {job.name} to {amount}",
            prctl.set_limits(job.name, name, limits, deny=deny),
            done=prctl.has_limits(job.name, name, limits),
        )
    )


def prctl_values(zone: ZoneSeen, name: str) -> list[int]:
    """The values of a resource control that are in force; those of the configuration when not known."""
    if "rctls" in zone.live:
        return prctl.parse(zone.live["rctls"]).get(name, [])
    resource = zone.config.resource("rctl", name)
    limits = sorted(entry.limit for entry in _entries(resource)) if resource else []
    return _or_initial(name, limits)


def _or_initial(name: str, limits: list[int]) -> list[int]:
    """Limits, or the one that the system gives every zone where there are none."""
    return limits or ([_INITIAL[name]] if name in _INITIAL else [])


def _capped_memory(job: Job, size: int | None) -> None:
    """The physical memory cap where rcapd keeps it: an element of its own in the configuration."""
    present = job.config.resource("capped-memory")
    if job.zone is not None and memory_cap(job.zone) == size:
        # The same size may be written in another way.
        job.want("capped-memory", "", *([present] if present else []))
        return
    wanted = [] if size is None else [zonecfg.Resource("capped-memory", {"physical": str(size)})]
    job.want("capped-memory", "", *wanted)
    if size is None:
        job.reboot_for("memory")  # rcapd has no way to forget a cap.
    elif job.running:
        job.live.append(
            Step(
                f"capping the memory of the running zone {job.name} at {format_size(size)}",
                prctl.cap_memory(job.name, size),
            )
        )


def _dedicated_cpus(job: Job, wanted: DedicatedCpus | None) -> None:
    present = job.config.resource("dedicated-cpu")
    if wanted is None:
        job.want("dedicated-cpu", "")
    else:
        values = {"ncpus": wanted.count}
        if wanted.importance is not None:
            values["importance"] = str(wanted.importance)
        job.want("dedicated-cpu", "", zonecfg.Resource("dedicated-cpu", values))
    if (wanted and wanted.count) != (present and present.values.get("ncpus")):
        job.reboot_for("dedicatedCpus")


def _read_dedicated(resource: zonecfg.Resource) -> DedicatedCpus:
    importance = resource.values.get("importance")
    return DedicatedCpus(
        count=resource.values.get("ncpus", "1"), importance=int(importance) if importance else None
    )


def _others(job: Job, wanted: list[ResourceControl]) -> None:
    """The resource controls without a property of their own; exactly the wanted ones are left."""
    present = {r.key for r in job.config.of_kind("rctl")} - set(PROPERTIES_OF_CONTROLS)
    names = list(dict.fromkeys([*sorted(present), *(control.name for control in wanted)]))
    for name in names:
        entries = [control for control in wanted if control.name == name]
        job.want("rctl", name, *([_resource(name, entries)] if entries else []))
        limits = sorted(entry.limit for entry in entries)
        _live(job, name, limits, deny=all(entry.deny for entry in entries))


def _resource(name: str, entries: list[ResourceControl]) -> zonecfg.Resource:
    values = tuple(
        ("value", f"(priv=privileged,limit={e.limit},action={'deny' if e.deny else 'none'})")
        for e in entries
    )
    return zonecfg.Resource("rctl", {"name": name}, values)


def _entries(resource: zonecfg.Resource) -> list[ResourceControl]:
    found = []
    for what, text in resource.lists:
        words = dict(_ENTRY.findall(text))
        if what == "value" and words.get("limit", "").isdigit():
            found.append(
                ResourceControl(
                    name=resource.key, limit=int(words["limit"]), deny=words.get("action") != "none"
                )
            )
    return found


def _live_limits(zone: ZoneSeen) -> dict[str, str]:
    """Where a running zone has other limits in force than its configuration says."""
    if "rctls" not in zone.live:
        return {}
    live = prctl.parse(zone.live["rctls"])
    names = {r.key for r in zone.config.of_kind("rctl")} | {control.name for control in CONTROLS}
    configured = ZoneSeen(zone.listed, zone.config)
    return {
        name: ", ".join(map(str, live.get(name, []))) or "none"
        for name in sorted(names)
        if live.get(name, []) != prctl_values(configured, name)
    }


def _sorted(controls: list[ResourceControl]) -> list[tuple[str, int, bool]]:
    return sorted((c.name, c.limit, c.deny) for c in controls)


def _spell_control(control: ResourceControl) -> dict[str, Any]:
    spelled: dict[str, Any] = {"name": control.name, "limit": control.limit}
    if not control.deny:
        spelled["deny"] = False
    return spelled
