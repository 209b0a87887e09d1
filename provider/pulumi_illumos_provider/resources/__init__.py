"""The resources: each observes a host and plans the steps to what is wanted. No SSH, no gRPC."""

from __future__ import annotations

from typing import Any

from pulumi_illumos_provider.resources.etherstub import EtherstubKind
from pulumi_illumos_provider.resources.ingress import IngressKind
from pulumi_illumos_provider.resources.kind import Kind
from pulumi_illumos_provider.resources.port_forward import PortForwardKind
from pulumi_illumos_provider.resources.router_zone import RouterZoneKind
from pulumi_illumos_provider.resources.zone import ZoneKind

KINDS: dict[str, Kind[Any, Any]] = {
    kind.token: kind
    for kind in (EtherstubKind(), RouterZoneKind(), ZoneKind(), PortForwardKind(), IngressKind())
}
"""Every kind of resource, by Pulumi type token."""
