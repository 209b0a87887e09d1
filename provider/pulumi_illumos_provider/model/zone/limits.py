"""What a zone may use: CPUs, memory, processes and other resource controls."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from pulumi_illumos_provider.model.base import Change, Faults, Properties, prop
from pulumi_illumos_provider.model.values import Cpus, Size

MINIMUM_MEMORY = 1024**2
MINIMUM_SWAP = 50 * 1024**2
MINIMUM_TASKS = 100

PROPERTIES_OF_CONTROLS = {
    "zone.cpu-cap": "cpus",
    "zone.cpu-shares": "cpuShares",
    "zone.max-physical-memory": "memory",
    "zone.max-swap": "swap",
    "zone.max-locked-memory": "lockedMemory",
    "zone.max-lwps": "maxLwps",
    "zone.max-processes": "maxProcesses",
    "zone.max-shm-memory": "maxShmMemory",
    "zone.max-shm-ids": "maxShmIds",
    "zone.max-msg-ids": "maxMsgIds",
    "zone.max-sem-ids": "maxSemIds",
}
"""The resource controls that have a property of their own."""

_RANGE = re.compile(r"([1-9][0-9]*)(?:-([1-9][0-9]*))?")


def _cpu_range(value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(value, float) and value.is_integer():
        text = str(int(value))
    match = _RANGE.fullmatch(text.replace(" ", "")) if isinstance(text, str) else None
    if not match or int(match[2] or match[1]) < int(match[1]):
        raise ValueError(f"{value!r} is not a number of CPUs: write 2, or a range such as 1-4")
    # zonecfg prints a range of one number as that number.
    return match[1] if match[2] in (None, match[1]) else f"{match[1]}-{match[2]}"


CpuRange = Annotated[str, BeforeValidator(_cpu_range), WithJsonSchema({"type": "string"})]


class DedicatedCpus(Properties):
    """CPUs that only this zone uses while it runs (zonecfg `dedicated-cpu`)."""

    count: CpuRange = prop("How many: `2`, or a range such as `1-4`.", change=Change.REBOOT)
    importance: int | None = prop(
        "Importance of the zone's pool where CPUs are scarce. Default: 1.",
        change=Change.REBOOT,
        default=None,
        ge=0,
        strict=True,
    )


class ResourceControl(Properties):
    """One value of a resource control (zonecfg `rctl`, resource_controls(7))."""

    name: str = prop("Name of the resource control, such as `zone.max-lofi`.", pattern=r"^zone\.[a-z-]+$")
    limit: int = prop("The limit.", ge=0, strict=True)
    deny: bool = prop(
        "Whether what goes beyond the limit is refused; else it only counts.", default=True, strict=True
    )


def _count(description: str, minimum: int = 0) -> Any:
    return prop(f"{description} Default: no limit.", default=None, ge=minimum, strict=True)


class LimitsInputs(Properties):
    """Limits on what a zone uses; most are changed while it runs."""

    cpus: Cpus | None = prop("CPU cap in CPUs, such as `1.5`. Default: no cap.", default=None)
    cpu_shares: int | None = prop(
        "CPU shares for the fair share scheduler. Default: the system's, one share.",
        default=None,
        ge=1,
        le=65535,
        strict=True,
    )
    dedicated_cpus: DedicatedCpus | None = prop(
        "CPUs that only this zone uses. Excludes `cpus`, `cpuShares` and `pool`.",
        change=Change.REBOOT,
        default=None,
    )
    memory: Size | None = prop(
        "Cap on physical memory, such as `512M` or `2G`. Default: no cap.", default=None
    )
    swap: Size | None = prop("Cap on swap (virtual memory), at least `50M`. Default: no cap.", default=None)
    locked_memory: Size | None = prop("Cap on locked memory. Default: no cap.", default=None)
    max_lwps: int | None = _count("Most threads (lightweight processes), at least 100.", MINIMUM_TASKS)
    max_processes: int | None = _count("Most processes, at least 100.", MINIMUM_TASKS)
    max_shm_memory: Size | None = prop(
        "Most shared memory (System V), such as `1G`. Default: no limit.", default=None
    )
    max_shm_ids: int | None = _count("Most shared memory segments (System V).")
    max_msg_ids: int | None = _count("Most message queues (System V).")
    max_sem_ids: int | None = _count("Most semaphore sets (System V).")
    resource_controls: list[ResourceControl] | None = prop(
        "Other resource controls; one entry for each value. Default: those that the zone's "
        "configuration has are left alone.",
        default=None,
    )

    def examine_limits(self, faults: Faults, known: bool) -> None:
        """Rules across these properties."""
        if self.memory is not None and self.memory < MINIMUM_MEMORY:
            faults.add("memory", "is too small: it must be at least 1M")
        if self.swap is not None and self.swap < MINIMUM_SWAP:
            faults.add("swap", "is too small: it must be at least 50M")
        if known and None not in (self.memory, self.locked_memory) and self.locked_memory > self.memory:  # type: ignore[operator]
            faults.add("lockedMemory", "is more than memory: it must not exceed it")
        if self.dedicated_cpus is not None:
            for name, value in (("cpus", self.cpus), ("cpuShares", self.cpu_shares)):
                if value is not None:
                    faults.add(name, "excludes dedicatedCpus: leave one of them out")
        seen = set()
        for index, control in enumerate(self.resource_controls or []):
            own = PROPERTIES_OF_CONTROLS.get(control.name)
            if own:
                faults.add(f"resourceControls[{index}].name", f"{control.name} has a property: use {own}")
            if (control.name, control.limit) in seen:
                faults.add(
                    f"resourceControls[{index}].limit",
                    f"{control.name} has the value {control.limit} already: leave one of them out",
                )
            seen.add((control.name, control.limit))


class LimitsState(Properties):
    """Limits as the host has them."""

    cpus: Cpus | None = Field(None, description="CPU cap.")
    cpu_shares: int | None = Field(None, description="CPU shares for the fair share scheduler.")
    dedicated_cpus: DedicatedCpus | None = Field(None, description="CPUs that only this zone uses.")
    memory: Size | None = Field(None, description="Cap on physical memory.")
    swap: Size | None = Field(None, description="Cap on swap.")
    locked_memory: Size | None = Field(None, description="Cap on locked memory.")
    max_lwps: int | None = Field(None, description="Most threads (lightweight processes).")
    max_processes: int | None = Field(None, description="Most processes.")
    max_shm_memory: Size | None = Field(None, description="Most shared memory (System V).")
    max_shm_ids: int | None = Field(None, description="Most shared memory segments (System V).")
    max_msg_ids: int | None = Field(None, description="Most message queues (System V).")
    max_sem_ids: int | None = Field(None, description="Most semaphore sets (System V).")
    resource_controls: list[ResourceControl] = Field([], description="Other resource controls.")
    live_limits: dict[str, str] = Field(
        {},
        description="Resource controls that have another value in the running zone than in its "
        "configuration, with that value; they show as a change.",
    )
