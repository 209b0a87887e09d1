"""What a zone may use: CPU, memory and swap."""

from __future__ import annotations

from pydantic import Field

from pulumi_illumos_provider.model.base import Change, Faults, Properties, prop
from pulumi_illumos_provider.model.values import Cpus, Size

MINIMUM_MEMORY = 1024**2
MINIMUM_SWAP = 50 * 1024**2


class LimitsInputs(Properties):
    """Limits on the resources of a zone."""

    cpus: Cpus | None = prop(
        "CPU cap in CPUs, such as `1.5`. Default: no cap.", change=Change.REBOOT, default=None
    )
    memory: Size | None = prop(
        "Cap on physical memory, such as `512M` or `2G`. Default: no cap.",
        change=Change.REBOOT,
        default=None,
    )
    swap: Size | None = prop(
        "Cap on swap (virtual memory), at least `50M`. Default: no cap.",
        change=Change.REBOOT,
        default=None,
    )

    def examine_limits(self, faults: Faults, known: bool) -> None:
        """Rules across these properties."""
        if self.memory is not None and self.memory < MINIMUM_MEMORY:
            faults.add("memory", "is too small: it must be at least 1M")
        if self.swap is not None and self.swap < MINIMUM_SWAP:
            faults.add("swap", "is too small: it must be at least 50M")


class LimitsState(Properties):
    """Limits as the host has them."""

    cpus: Cpus | None = Field(None, description="CPU cap.")
    memory: Size | None = Field(None, description="Cap on physical memory.")
    swap: Size | None = Field(None, description="Cap on swap.")
