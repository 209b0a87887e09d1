"""Zone: a zone on one or more networks.

Its properties are declared in one module for each side of it.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, ValidationInfo, model_validator

from pulumi_illumos_provider.model import examples
from pulumi_illumos_provider.model.base import Faults, Inputs, Outputs, Self, all_known
from pulumi_illumos_provider.model.common import host_property, zone_name_property
from pulumi_illumos_provider.model.examples import Example
from pulumi_illumos_provider.model.values import ZoneName
from pulumi_illumos_provider.model.zone.inside import InsideInputs, InsideState
from pulumi_illumos_provider.model.zone.installation import InstallationInputs, InstallationState
from pulumi_illumos_provider.model.zone.lifecycle import LifecycleInputs, LifecycleState
from pulumi_illumos_provider.model.zone.limits import LimitsInputs, LimitsState
from pulumi_illumos_provider.model.zone.machine import MachineInputs, MachineOutputs
from pulumi_illumos_provider.model.zone.network import NetworkInputs, NetworkState, Nic, NicState
from pulumi_illumos_provider.model.zone.settings import SettingsInputs, SettingsState
from pulumi_illumos_provider.model.zone.storage import StorageInputs, StorageState


class _Identity(Inputs):
    host: str | None = host_property()
    name: ZoneName | None = zone_name_property()


# The properties stand in the order of the bases from the last to the first.
class ZoneInputs(
    LifecycleInputs,
    MachineInputs,
    InsideInputs,
    StorageInputs,
    LimitsInputs,
    SettingsInputs,
    NetworkInputs,
    InstallationInputs,
    _Identity,
):
    """A zone."""

    DESCRIPTION: ClassVar[str] = (
        "A zone. Its network is found from its address alone: the router zone on the host whose "
        "subnet contains the address, else the physical link whose subnet does; or each nic is "
        "described."
    )
    EXAMPLES: ClassVar[tuple[Example, ...]] = examples.ZONE

    @model_validator(mode="after")
    def _makes_sense(self, info: ValidationInfo) -> Self:
        faults = Faults()
        known = all_known(info)
        self.examine_installation(faults, known)
        self.examine_network(faults, known)
        self.examine_settings(faults, known)
        self.examine_limits(faults, known)
        self.examine_storage(faults, known)
        self.examine_inside(faults, known)
        self.examine_machine(faults, known)
        self.examine_lifecycle(faults, known)
        faults.raise_if_any()
        return self


class _Place(Outputs):
    host: str = Field(description="The host that the zone is on.")
    name: str = Field(description="Name of the zone.")


class ZoneOutputs(
    LifecycleState,
    MachineOutputs,
    InsideState,
    StorageState,
    LimitsState,
    SettingsState,
    NetworkState,
    InstallationState,
    _Place,
):
    """A zone as the host has it."""


__all__ = ["Nic", "NicState", "ZoneInputs", "ZoneOutputs"]
