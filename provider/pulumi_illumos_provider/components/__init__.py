"""Component resources: each declares several resources as one. They know Pulumi's values, and no gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pulumi_illumos_provider.components.component import Component
from pulumi_illumos_provider.components.virtual_datacenter import VirtualDatacenter

COMPONENTS: Final[Mapping[str, Component]] = MappingProxyType(
    {component.token: component for component in (VirtualDatacenter(),)}
)
"""Every component, by Pulumi type token."""
