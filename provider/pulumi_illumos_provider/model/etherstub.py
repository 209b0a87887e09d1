"""Etherstub: a virtual switch inside one host."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pulumi_illumos_provider.model import examples
from pulumi_illumos_provider.model.base import Change, Inputs, Outputs, prop
from pulumi_illumos_provider.model.common import host_property
from pulumi_illumos_provider.model.examples import Example
from pulumi_illumos_provider.model.values import LinkName

DEFAULT_MTU = 9000


class EtherstubInputs(Inputs):
    """A virtual switch inside one host (``dladm create-etherstub``)."""

    DESCRIPTION: ClassVar[str] = (
        "A virtual switch inside one host: vnics of router zones and zones are plugged into it.\n\n"
        "An etherstub that still carries vnics is not deleted; the error names them and their zones."
    )
    EXAMPLES: ClassVar[tuple[Example, ...]] = examples.ETHERSTUB

    host: str | None = host_property()
    name: LinkName | None = prop(
        "Name of the link: at most 31 characters, letters, digits, `_` and `.`, ending in a number. "
        "Default: derived from the resource's name.",
        change=Change.REPLACE,
        default=None,
    )
    mtu: int = prop(
        "Largest frame that the switch carries, in bytes (576 to 9000).",
        default=DEFAULT_MTU,
        ge=576,
        le=9000,
        strict=True,
    )


class EtherstubOutputs(Outputs):
    """An etherstub as the host has it."""

    host: str = Field(description="The host that the etherstub is on.")
    name: str = Field(description="Name of the link.")
    mtu: int = Field(description="Largest frame that the switch carries, in bytes.")
