"""A zone's global settings."""

from __future__ import annotations

from typing import Any

from pulumi_illumos_provider.illumos import records, zonecfg
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.zone.settings import SettingsInputs, SettingsState
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.side import Side
from pulumi_illumos_provider.resources.zone_steps import boolean


class Settings(Side[SettingsInputs, SettingsState]):
    """Properties and attributes of the configuration."""

    inputs: type[SettingsInputs] = SettingsInputs
    outputs: type[SettingsState] = SettingsState

    def plan(self, wanted: SettingsInputs, job: Job) -> None:
        job.properties["autoboot"] = boolean(wanted.autoboot)
        job.want_all("attr", *(zonecfg.attribute(*item) for item in wanted.attributes.items()))

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        return {
            "autoboot": zone.config.properties.get("autoboot") == "true",
            "attributes": {
                key: value
                for key, value in zone.config.attributes.items()
                if not key.startswith(records.PREFIX)
            },
        }

    def spell(self, state: SettingsState) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        if not state.autoboot:
            spelled["autoboot"] = False
        if state.attributes:
            spelled["attributes"] = dict(state.attributes)
        return spelled
