"""Zone: observe and plan."""

from __future__ import annotations

from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import names, records, zoneadm, zonecfg
from pulumi_illumos_provider.illumos.snapshot import Snapshot
from pulumi_illumos_provider.model.base import Change
from pulumi_illumos_provider.model.common import IpType, ZoneState
from pulumi_illumos_provider.model.zone import ZoneInputs, ZoneOutputs
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.attachment import release_steps
from pulumi_illumos_provider.resources.kind import Difference, Kind, Owner, Plan
from pulumi_illumos_provider.resources.placement import place
from pulumi_illumos_provider.resources.zone.inside import Inside
from pulumi_illumos_provider.resources.zone.installation import Installation
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.limits import Limits
from pulumi_illumos_provider.resources.zone.network import Network, own_vnics
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
)


class ZoneKind(Kind[ZoneInputs, ZoneOutputs]):
    """A zone, put together from its sides; what concerns it as a whole is here."""

    token: ClassVar[str] = "illumos:index:Zone"
    inputs: type[ZoneInputs] = ZoneInputs
    outputs: type[ZoneOutputs] = ZoneOutputs
    uncertain: ClassVar[frozenset[str]] = frozenset({"router"})
    follows: ClassVar[dict[str, frozenset[str]]] = {
        "status": frozenset({"state", "status"}),
        **{output: inputs for side in _SIDES for output, inputs in side.follows.items()},
    }

    def autoname(self, name: str, suffix: str) -> str:
        return names.automatic_zone(name, suffix)

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
        if zone is not None and state is None:
            steps.refuse_foreign(zone, owner, self.token)
        asked = wanted.brand or (zone.listed.brand if zone else None)
        return Job(
            name=name,
            brand=steps.choose_brand(asked, now.distribution.brand, now),
            zonepath=zone.listed.zonepath if zone else steps.choose_zonepath(wanted.zonepath, name, now),
            owner=owner,
            zone=zone,
            now=now,
            placed=place(wanted, now),
        )

    def plan_delete(self, name: str, now: Snapshot, state: ZoneOutputs) -> Plan:
        zone = now.zones.get(name)
        plan: list[Step] = steps.stop_steps(name, zone)
        if zone is not None and zone.listed.state != zoneadm.CONFIGURED:
            plan.append(steps.uninstall_step(name))
        recorded = [nic.vnic for nic in state.nics if state.ip_type is IpType.EXCLUSIVE]
        for vnic in dict.fromkeys([*own_vnics(name, zone, now), *recorded]):
            if vnic in now.links and now.user_of_link(vnic) in (None, name):
                plan += steps.delete_vnic_steps(vnic)
        plan += release_steps(name, now)
        if zone is not None:
            plan += steps.unconfigure_steps(name)
        return Plan(tuple(plan))

    # Reading -------------------------------------------------------------------------------------

    def read(self, host: str, name: str, now: Snapshot) -> ZoneOutputs | None:
        zone = now.zones.get(name)
        if zone is None:
            return None
        values: dict[str, Any] = {}
        for side in _SIDES:
            values |= side.read(zone, now)
        return ZoneOutputs(
            host=host,
            name=name,
            state=ZoneState.RUNNING if steps.is_running(zone) else ZoneState.HALTED,
            status=zone.listed.state,
            **values,
        )

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
        steps.refuse_incomplete(zone)

    def differences(self, wanted: ZoneInputs, state: ZoneOutputs) -> list[Difference]:
        found = super().differences(wanted, state)
        if state.status in (zoneadm.CONFIGURED, zoneadm.INCOMPLETE):
            found.append(Difference("status", Change.LIVE))
        return found

    def satisfied(self, field: str, wanted: ZoneInputs, state: ZoneOutputs) -> bool:
        for side in _SIDES:
            if field in side.fields:
                return side.satisfied(field, wanted, state)
        value = getattr(wanted, field)
        if field in ("host", "name"):
            return value is None or bool(value == getattr(state, field))
        return bool(value == getattr(state, field))

    def spell(self, state: ZoneOutputs) -> dict[str, Any]:
        spelled: dict[str, Any] = {"name": state.name}
        for side in _SIDES:
            spelled |= side.spell(state)
        if state.state is not ZoneState.RUNNING:
            spelled["state"] = state.state.value
        return spelled


def _in_order(wanted: ZoneInputs, job: Job) -> list[Step]:
    """The steps of a job in the order in which the host allows them."""
    name, zone = job.name, job.zone
    must_stop = bool(job.links or job.reboot)
    run = wanted.state is ZoneState.RUNNING
    stop = zone is not None and zone.listed.active and (must_stop or not run)
    boots = run and (stop or not job.running)
    plan: list[Step] = [*steps.clear_incomplete_steps(name, zone), *job.before]
    plan += steps.configure_steps(name, job.draft, job.now.distribution.templates.get(job.brand), zone)
    if stop:
        plan += steps.stop_steps(name, zone)
    plan += job.links
    plan += steps.install_steps(name, zone, job.install_options)
    plan += job.inside
    plan += job.attached
    if boots:
        plan += [*steps.boot_steps(name, job.native), *job.booted]
    elif job.running and not stop:
        plan += job.live
    return plan
