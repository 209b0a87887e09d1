"""Whether a zone is up, what is waited for, and how it is stopped and removed."""

from __future__ import annotations

import enum

from pydantic import Field

from pulumi_illumos_provider.model.base import Faults, Properties, prop
from pulumi_illumos_provider.model.common import ENUM_VALUES, ZoneState


class WaitFor(enum.StrEnum):
    """What is waited for after a zone was booted."""

    NONE = "none"
    RUNNING = "running"
    MULTI_USER = "multiUser"


class RebootPolicy(enum.StrEnum):
    """What is done when a change needs a zone that runs to boot again."""

    ALWAYS = "always"
    NEVER = "never"


ENUM_VALUES[WaitFor] = {
    "none": "Nothing: the zone was told to boot.",
    "running": "The zone runs; nothing is known of what goes on inside.",
    "multiUser": "The services of the zone have reached the multi-user milestone.",
}
ENUM_VALUES[RebootPolicy] = {
    "always": "The zone is rebooted.",
    "never": "The configuration is changed and the zone goes on running as it is; what waits for its "
    "next boot is shown in `pendingReboot`.",
}


class LifecycleInputs(Properties):
    """What state a zone shall be in, and how it gets there."""

    state: ZoneState = prop("Whether the zone is up.", default=ZoneState.RUNNING)
    wait_for: WaitFor | None = prop(
        "What to wait for after the zone was booted. Default: `multiUser` where the brand runs "
        "illumos or Solaris, else `running`.",
        default=None,
    )
    wait_timeout: int | None = prop(
        "How long to wait for it, in seconds. Default: 600.", default=None, ge=1, strict=True
    )
    reboot_policy: RebootPolicy = prop(
        "What to do when a change needs the running zone to boot again.", default=RebootPolicy.ALWAYS
    )
    shutdown_timeout: int | None = prop(
        "How long the zone may take to shut down, in seconds, before it is halted. Default: as long "
        "as the host's zones service allows.",
        default=None,
        ge=1,
        strict=True,
    )
    retain_data: bool = prop(
        "Whether the datasets and volumes that were made for the zone stay when the zone is removed.",
        default=False,
        strict=True,
    )

    def examine_lifecycle(self, faults: Faults, known: bool) -> None:
        """Rules across these properties."""
        if known and self.wait_for is WaitFor.NONE and self.wait_timeout is not None:
            faults.add(
                "waitTimeout", "goes with waitFor running or multiUser: there is nothing to wait for"
            )


class LifecycleState(Properties):
    """The state of a zone."""

    state: ZoneState = Field(description="Whether the zone is up.")
    status: str = Field(description="State of the zone as zoneadm tells it, such as `installed`.")
    pending_reboot: list[str] = Field(
        [], description="Properties whose change waits for the next boot of the zone."
    )
    shutdown_timeout: int | None = Field(
        None, description="How long the zone may take to shut down, in seconds, before it is halted."
    )
    retain_data: bool = Field(
        False,
        description="Whether the datasets and volumes that were made for the zone stay when it is removed.",
    )
