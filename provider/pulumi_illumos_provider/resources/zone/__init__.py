"""Zone: observe and plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import machines, names, pending, records, zoneadm, zonecfg
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.base import Change
from pulumi_illumos_provider.model.common import IpType, ZoneState
from pulumi_illumos_provider.model.zone import ZoneInputs, ZoneOutputs
from pulumi_illumos_provider.model.zone.lifecycle import RebootPolicy
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.kind import Claim, Difference, Kind, Owner, Plan
from pulumi_illumos_provider.resources.placement import place
from pulumi_illumos_provider.resources.zone.inside import Inside
from pulumi_illumos_provider.resources.zone.installation import Installation
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.lifecycle import Lifecycle, postponing_steps, waiting_steps
from pulumi_illumos_provider.resources.zone.limits import Limits
from pulumi_illumos_provider.resources.zone.machine import Guest
from pulumi_illumos_provider.resources.zone.network import Network, claims, protecting_steps
from pulumi_illumos_provider.resources.zone.settings import Settings
from pulumi_illumos_provider.resources.zone.side import Side
from pulumi_illumos_provider.resources.zone.storage import Storage

_SIDES: tuple[Side[Any, Any], ...] = (
    Installation(),
    Settings(),
    Limits(),
    Storage(),
    Network(),
    Inside(),
    Guest(),
    Lifecycle(),
)
"""In the order of planning and reading: the guest's own ways come after those of the zone's files."""

_NEXT_BOOT = frozenset(
    ZoneInputs.property_name(field)
    for field in ZoneInputs.model_fields
    if ZoneInputs.change(field) is Change.REBOOT
)


class ZoneKind(Kind[ZoneInputs, ZoneOutputs]):
    """A zone, put together from its sides; what concerns it as a whole is here."""

    token: ClassVar[str] = "illumos:index:Zone"
    inputs: type[ZoneInputs] = ZoneInputs
    outputs: type[ZoneOutputs] = ZoneOutputs
    uncertain: ClassVar[frozenset[str]] = frozenset({"router"})
    follows: ClassVar[dict[str, frozenset[str]]] = {
        "pendingReboot": _NEXT_BOOT | {"rebootPolicy", "state", "pendingReboot"},
        **{output: inputs for side in _SIDES for output, inputs in side.follows.items()},
    }

    def autoname(self, name: str, suffix: str) -> str:
        return names.automatic_zone(name, suffix)

    def paths(self, wanted: ZoneInputs) -> list[str]:
        return [path for side in _SIDES for path in side.paths(wanted)]

    def claims(self, wanted: ZoneInputs) -> list[Claim]:
        return claims(wanted)

    # Planning ------------------------------------------------------------------------------------

    def plan(self, wanted: ZoneInputs, now: Snapshot, owner: Owner, state: ZoneOutputs | None) -> Plan:
        job = self._job(wanted, now, owner, state)
        for side in _SIDES:
            side.plan(wanted, job)
        job.want("attr", records.OWNER, zonecfg.attribute(records.OWNER, records.owner_value(owner.urn)))
        return Plan(tuple(_in_order(wanted, job)), tuple(job.warnings))

    def _job(self, wanted: ZoneInputs, now: Snapshot, owner: Owner, state: ZoneOutputs | None) -> Job:
        name = wanted.name or ""
        zone = now.zones.get(name)
        if zone is not None:
            if state is None:
                steps.refuse_foreign(zone, owner, self.token)
            steps.refuse_unknown_state(zone)
        brand = steps.choose_brand(
            wanted.brand or (zone.listed.brand if zone else None), now.distribution.brand, now
        )
        if now.distribution.known(brand).exclusive_only and wanted.ip_type is not IpType.EXCLUSIVE:
            raise Refused(f"zones of brand {brand} have an IP stack of their own: use exclusive", "ipType")
        return Job(
            name=name,
            brand=brand,
            zonepath=_zonepath(wanted.zonepath, name, now),
            owner=owner,
            zone=zone,
            now=now,
            placed=place(wanted, now),
        )

    def plan_delete(self, name: str, now: Snapshot, state: ZoneOutputs) -> Plan:
        zone = now.own_zone(name)
        plan: list[Step] = []
        if zone is not None:
            steps.refuse_unknown_state(zone)
            plan += steps.stop_steps(name, zone, state.shutdown_timeout)
            if zone.listed.state != zoneadm.CONFIGURED:
                plan += [steps.uninstall_step(name), steps.report_leftovers_step(zone)]
        for side in _SIDES:
            plan += side.removal(name, zone, now, state)
        if zone is not None:
            plan += steps.unconfigure_steps(name)
        return Plan(tuple(plan))

    # Reading -------------------------------------------------------------------------------------

    def read(self, host: str, name: str, now: Snapshot) -> ZoneOutputs | None:
        zone = now.own_zone(name)
        if zone is None:
            return None
        # What the guest's properties say is not said once more as attributes, devices and file systems.
        rest = machines.without_own(zone.config, now.distribution.known(zone.listed.brand))
        values: dict[str, Any] = {}
        for side in _SIDES:
            seen = zone if isinstance(side, Guest) else replace(zone, config=rest)
            values |= side.read(seen, now)
        return ZoneOutputs(host=host, name=name, **values)

    def unfinished(self, state: ZoneOutputs) -> list[str]:
        return steps.unfinished(state.name, state.status)

    def importable(self, name: str, now: Snapshot) -> None:
        if name == "global":
            raise Refused("global is the host itself: it cannot be imported as a zone")
        zone = now.zones.get(name)
        if zone is None:
            return
        if zone.is_router:
            raise Refused(f"zone {name} is a router zone: import it as illumos:index:RouterZone")
        steps.refuse_router_of_zap(zone)
        steps.refuse_incomplete(zone)

    def differences(self, wanted: ZoneInputs, state: ZoneOutputs) -> list[Difference]:
        found = super().differences(wanted, state)
        if wanted.reboot_policy is RebootPolicy.NEVER:
            found = [replace(d, change=Change.LIVE) if d.change is Change.REBOOT else d for d in found]
        elif state.pending_reboot:
            found.append(Difference("pendingReboot", Change.REBOOT))
        found += [difference for side in _SIDES for difference in side.drift(state)]
        if state.status in (zoneadm.CONFIGURED, zoneadm.INCOMPLETE):
            found.append(Difference("status", Change.LIVE))
        return found

    def satisfied(self, field: str, wanted: ZoneInputs, state: ZoneOutputs) -> bool:
        for side in _SIDES:
            if field in side.fields:
                return side.satisfied(field, wanted, state)
        value = getattr(wanted, field)  # Host and name, which belong to no side.
        return value is None or bool(value == getattr(state, field))

    def change(self, field: str, wanted: ZoneInputs, state: ZoneOutputs) -> Change:
        for side in _SIDES:
            if field in side.fields:
                return side.change(field, wanted, state)
        return super().change(field, wanted, state)

    def spell(self, state: ZoneOutputs) -> dict[str, Any]:
        spelled: dict[str, Any] = {"name": state.name}
        for side in _SIDES:
            spelled |= side.spell(state)
        return spelled


def _zonepath(asked: str | None, name: str, now: Snapshot) -> str:
    """The directory that the zone is to have. Raises Refused when it cannot be there."""
    zone = now.zones.get(name)
    if zone is not None and asked in (None, zone.listed.zonepath):
        return zone.listed.zonepath
    path = steps.choose_zonepath(asked, name, now)
    for other in now.zones.values():
        theirs = other.listed.zonepath
        if other.name != name and (f"{path}/".startswith(f"{theirs}/") or theirs.startswith(f"{path}/")):
            raise Refused(
                f"{path} and {theirs}, the directory of zone {other.name}, overlap: choose another",
                "zonepath",
            )
    return path


def _in_order(wanted: ZoneInputs, job: Job) -> list[Step]:
    """The steps of a job in the order in which the host allows them."""
    name, zone = job.name, job.zone
    run = wanted.state is ZoneState.RUNNING
    undisturbed = run and job.running and wanted.reboot_policy is RebootPolicy.NEVER
    plan: list[Step] = [*steps.clear_incomplete_steps(name, zone), *job.before]
    if undisturbed:
        plan += postponing_steps(job)
    plan += steps.configure_steps(name, job.draft, job.kind.template, zone)
    stop = zone is not None and zone.listed.active and not undisturbed and _must_stop(zone, job, run)
    if stop:
        plan += steps.stop_steps(name, zone, wanted.shutdown_timeout)
    plan += job.links
    plan += steps.move_steps(name, zone, job.zonepath)
    plan += steps.install_steps(name, zone, command=job.files, verb=job.filing)
    plan += job.inside
    plan += job.attached
    if run and (stop or not job.running):
        plan += protecting_steps(job)
        plan += [steps.boot_step(name), *waiting_steps(name, wanted, job)]
        if zone is not None and "pending" in zone.live:
            plan.append(Step(f"forgetting what waited for a reboot of zone {name}", pending.forget(name)))
    elif job.running and not stop:
        plan += job.live
    return plan


def _must_stop(zone: ZoneSeen, job: Job, run: bool) -> bool:
    """Whether a zone that is in the kernel has to leave it."""
    on_its_way = zone.listed.state in (zoneadm.RUNNING, zoneadm.READY)
    return not run or bool(job.links or job.reboot or job.moves) or not on_its_way
