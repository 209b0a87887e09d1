"""Brand, directory and installation of a zone."""

from __future__ import annotations

from typing import Any

from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.zone.installation import InstallationInputs, InstallationState
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.side import Side


class Installation(Side[InstallationInputs, InstallationState]):
    """How a zone gets its files. Brand and directory were chosen when the job was made."""

    inputs: type[InstallationInputs] = InstallationInputs
    outputs: type[InstallationState] = InstallationState

    def plan(self, wanted: InstallationInputs, job: Job) -> None:
        if job.zone is None:
            job.properties["brand"] = job.brand
            job.properties["zonepath"] = job.zonepath

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        listed = zone.listed
        return {"uuid": listed.uuid or None, "brand": listed.brand, "zonepath": listed.zonepath}

    def satisfied(self, field: str, wanted: InstallationInputs, state: InstallationState) -> bool:
        value = getattr(wanted, field)
        return value is None or value == getattr(state, field)

    def spell(self, state: InstallationState) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        if state.brand:
            spelled["brand"] = state.brand
        spelled["zonepath"] = state.zonepath
        return spelled
