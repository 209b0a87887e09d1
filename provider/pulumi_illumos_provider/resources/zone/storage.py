"""What a zone has of the host's file systems, datasets and devices."""

from __future__ import annotations

from typing import Any

from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.zone.storage import StorageInputs, StorageState
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.side import Side


class Storage(Side[StorageInputs, StorageState]):
    """File systems, datasets and devices."""

    inputs: type[StorageInputs] = StorageInputs
    outputs: type[StorageState] = StorageState

    def plan(self, wanted: StorageInputs, job: Job) -> None:
        pass

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        return {}

    def spell(self, state: StorageState) -> dict[str, Any]:
        return {}
