"""How a zone is installed: brand, place and what its brand needs."""

from __future__ import annotations

from pydantic import Field

from pulumi_illumos_provider.model.base import Faults, Properties
from pulumi_illumos_provider.model.common import brand_property, zonepath_property
from pulumi_illumos_provider.model.values import AbsolutePath


class InstallationInputs(Properties):
    """Brand, directory and installation of a zone."""

    brand: str | None = brand_property()
    zonepath: AbsolutePath | None = zonepath_property()

    def examine_installation(self, faults: Faults, known: bool) -> None:
        """Rules across these properties."""


class InstallationState(Properties):
    """Brand, directory and installation as the host has them."""

    uuid: str | None = Field(None, description="The zone's UUID, once it is installed.")
    brand: str = Field(description="Zone brand.")
    zonepath: str = Field(description="Directory of the zone.")
