"""A zone's global settings: the properties and attributes of its configuration."""

from __future__ import annotations

from pydantic import Field

from pulumi_illumos_provider.model.base import Faults, Properties, prop
from pulumi_illumos_provider.model.common import autoboot_property
from pulumi_illumos_provider.model.values import Attributes


class SettingsInputs(Properties):
    """Settings of a zone as a whole."""

    autoboot: bool = autoboot_property()
    attributes: Attributes = prop(
        "Attributes stored with the zone (zonecfg `attr`, type string).", default={}
    )

    def examine_settings(self, faults: Faults, known: bool) -> None:
        """Rules across these properties."""


class SettingsState(Properties):
    """Settings as the host has them."""

    autoboot: bool = Field(description="Whether the zone boots with the host.")
    attributes: dict[str, str] = Field(description="Attributes stored with the zone.")
