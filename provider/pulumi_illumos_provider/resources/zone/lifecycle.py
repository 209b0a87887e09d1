"""Whether a zone is up, and how it is stopped and removed."""

from __future__ import annotations

from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import brands, pending, records, zonecfg
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.common import ZoneState
from pulumi_illumos_provider.model.zone.lifecycle import (
    LifecycleInputs,
    LifecycleState,
    RebootPolicy,
    WaitFor,
)
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.side import Side

_OURS_ALONE = frozenset({"wait_for", "wait_timeout", "reboot_policy"})
"""What only says how the program's changes are carried out: nothing on a host shows it."""


class Lifecycle(Side[LifecycleInputs, LifecycleState]):
    """The zone's state. What the removal has to know is recorded with the zone."""

    inputs: type[LifecycleInputs] = LifecycleInputs
    outputs: type[LifecycleState] = LifecycleState
    follows: ClassVar[dict[str, frozenset[str]]] = {"status": frozenset({"state", "status"})}

    def plan(self, wanted: LifecycleInputs, job: Job) -> None:
        if wanted.wait_for is WaitFor.MULTI_USER and not job.kind.has_smf:
            able = brands.words(
                name for name, brand in job.now.distribution.brands.items() if brand.has_smf
            )
            raise Refused(
                f"zones of brand {job.brand} have no services to wait for: use running or none, or one of "
                f"the brands {able}",
                "waitFor",
            )
        record = records.Lifecycle(wanted.shutdown_timeout, wanted.retain_data)
        noted = record != records.Lifecycle()
        job.want(
            "attr",
            records.LIFECYCLE,
            *([zonecfg.attribute(records.LIFECYCLE, record.encode())] if noted else []),
        )
        if job.zone is not None and wanted.reboot_policy is RebootPolicy.ALWAYS:
            for name in job.zone.pending_reboot:
                job.reboot_for(name)

    def removal(self, name: str, zone: ZoneSeen | None, now: Snapshot, state: LifecycleState) -> list[Step]:
        if zone is None or "pending" not in zone.live:
            return []
        return [Step(f"forgetting what waited for a reboot of zone {name}", pending.forget(name))]

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        record = records.Lifecycle.decode(zone.config.attributes.get(records.LIFECYCLE, ""))
        return {
            "state": ZoneState.RUNNING if steps.is_running(zone) else ZoneState.HALTED,
            "status": zone.listed.state,
            "pending_reboot": zone.pending_reboot,
            "shutdown_timeout": record.shutdown_timeout,
            "retain_data": record.retain_data,
        }

    def satisfied(self, field: str, wanted: LifecycleInputs, state: LifecycleState) -> bool:
        return field in _OURS_ALONE or bool(getattr(wanted, field) == getattr(state, field))

    def spell(self, state: LifecycleState) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        if state.state is not ZoneState.RUNNING:
            spelled["state"] = state.state.value
        if state.shutdown_timeout is not None:
            spelled["shutdownTimeout"] = state.shutdown_timeout
        if state.retain_data:
            spelled["retainData"] = True
        return spelled


def waiting_steps(name: str, wanted: LifecycleInputs, job: Job) -> list[Step]:
    """What comes after the boot: waiting for what is asked, and then what needs the zone to be up."""
    default = WaitFor.MULTI_USER if job.kind.has_smf else WaitFor.RUNNING
    match wanted.wait_for or default:
        case WaitFor.NONE:
            return []
        case WaitFor.RUNNING:
            return [steps.wait_running_step(name, wanted.wait_timeout)]
        case WaitFor.MULTI_USER:
            return [steps.wait_multi_user_step(name, wanted.wait_timeout), *job.booted]


def postponing_steps(job: Job) -> list[Step]:
    """Leave a zone running under the policy ``never``, and note what waits for its next boot.

    Raises:
        Refused: a change cannot wait: the zone has to be down for it.
    """
    zone = job.zone
    assert zone is not None
    if job.links or job.moves:
        what = "its links are" if job.links else "its directory is"
        raise Refused(
            f"{what} changed, for which the zone must not run: set rebootPolicy to always, or halt the "
            "zone with state halted first",
            "rebootPolicy",
        )
    waiting = list(dict.fromkeys([*zone.pending_reboot, *job.reboot]))
    if not job.reboot:
        return []
    job.warnings.append(
        f"zone {job.name} goes on running as it is (rebootPolicy never); this waits for its next boot: "
        f"{', '.join(waiting)}"
    )
    if waiting == zone.pending_reboot:
        return []
    say = f"noting what waits for a reboot of zone {job.name}"
    return [Step(say, pending.note(job.name, zone.listed.id, waiting))]
