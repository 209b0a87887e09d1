"""What a zone may use of the host's CPUs and memory."""

from __future__ import annotations

from typing import Any

from pulumi_illumos_provider.illumos import zonecfg
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.values import format_size
from pulumi_illumos_provider.model.zone.limits import LimitsInputs, LimitsState
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.side import Side
from pulumi_illumos_provider.resources.zone_steps import CPU_CAP, MEMORY_CAP, SWAP_CAP, memory_cap


class Limits(Side[LimitsInputs, LimitsState]):
    """Caps; written as resource controls, which are exact."""

    inputs: type[LimitsInputs] = LimitsInputs
    outputs: type[LimitsState] = LimitsState

    def plan(self, wanted: LimitsInputs, job: Job) -> None:
        _rctl(job, "cpus", CPU_CAP, round(wanted.cpus * 100) if wanted.cpus else None)
        _rctl(job, "swap", SWAP_CAP, wanted.swap)
        if job.now.distribution.memory_is_rctl:
            _rctl(job, "memory", MEMORY_CAP, wanted.memory)
        else:
            _capped_memory(job, wanted.memory)

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        cap = zone.config.rctl_limit(CPU_CAP)
        return {
            "cpus": None if cap is None else cap / 100,
            "memory": memory_cap(zone),
            "swap": zone.config.rctl_limit(SWAP_CAP),
        }

    def spell(self, state: LimitsState) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        if state.cpus is not None:
            spelled["cpus"] = state.cpus
        if state.memory is not None:
            spelled["memory"] = format_size(state.memory)
        if state.swap is not None:
            spelled["swap"] = format_size(state.swap)
        return spelled


def _rctl(job: Job, name: str, control: str, limit: int | None) -> None:
    if job.config.rctl_limit(control) != limit:
        job.reboot_for(name)
    job.want("rctl", control, *([] if limit is None else [zonecfg.rctl(control, limit)]))


def _capped_memory(job: Job, size: int | None) -> None:
    present = job.config.resource("capped-memory")
    if job.zone is not None and memory_cap(job.zone) == size:
        # The same size may be written in another way.
        job.want("capped-memory", "", *([present] if present else []))
        return
    job.reboot_for("memory")
    wanted = [] if size is None else [zonecfg.Resource("capped-memory", {"physical": str(size)})]
    job.want("capped-memory", "", *wanted)
