"""Whether a zone is up."""

from __future__ import annotations

from pydantic import Field

from pulumi_illumos_provider.model.base import Properties, prop
from pulumi_illumos_provider.model.common import ZoneState


class LifecycleInputs(Properties):
    """What state a zone shall be in."""

    state: ZoneState = prop("Whether the zone is up.", default=ZoneState.RUNNING)


class LifecycleState(Properties):
    """The state of a zone."""

    state: ZoneState = Field(description="Whether the zone is up.")
    status: str = Field(description="State of the zone as zoneadm tells it, such as `installed`.")
