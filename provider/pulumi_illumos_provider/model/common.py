"""Properties that several resources share."""

from __future__ import annotations

import enum
from ipaddress import IPv4Network
from typing import Any

from pulumi_illumos_provider.model.base import Change, prop
from pulumi_illumos_provider.model.values import HostAddress


class ZoneState(enum.StrEnum):
    """Whether a zone is up."""

    RUNNING = "running"
    HALTED = "halted"


class IpType(enum.StrEnum):
    """Whose IP stack a zone uses."""

    EXCLUSIVE = "exclusive"
    SHARED = "shared"


class LinkPriority(enum.StrEnum):
    """How the host schedules a link's packets against those of others."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


ENUM_VALUES: dict[type[enum.StrEnum], dict[str, str]] = {
    ZoneState: {
        "running": "The zone is booted.",
        "halted": "The zone is installed and not running.",
    },
    LinkPriority: {
        "low": "After the others.",
        "medium": "Between the others.",
        "high": "Before the others.",
    },
    IpType: {
        "exclusive": "The zone has an IP stack and links of its own.",
        "shared": "The zone uses the global zone's IP stack, over a shared vnic.",
    },
}
"""What each value of each enum means, for the schema."""


def host_property() -> Any:
    """The host of a resource."""
    return prop(
        "The host to make it on: an alias from the SSH configuration, `name` or `user@name:port`. "
        "Default: the provider's host.",
        change=Change.REPLACE,
        default=None,
        min_length=1,
        pattern=r"^[^\s/]+$",
    )


def zone_name_property() -> Any:
    """The name of a zone."""
    return prop(
        "Name of the zone. Default: derived from the resource's name.",
        change=Change.REPLACE,
        default=None,
    )


def brand_property() -> Any:
    """The brand of a zone."""
    return prop(
        "Zone brand. Default: the usual one of the host's distribution.",
        change=Change.REPLACE,
        default=None,
    )


def zonepath_property() -> Any:
    """The directory of a zone."""
    return prop(
        "Directory of the zone. Default: the usual place of the host's distribution.",
        change=Change.REPLACE,
        default=None,
    )


def autoboot_property() -> Any:
    """Whether a zone boots with its host."""
    return prop("Whether the zone boots with the host.", default=True, strict=True)


def address_fault(address: HostAddress, network: IPv4Network) -> str | None:
    """Why a zone cannot have an address on a network, or None."""
    if address.address not in network:
        return f"{address.address} is outside {network}: choose an address inside it"
    if address.prefix is not None and address.prefix != network.prefixlen:
        return (
            f"{address} has another prefix length than its network {network}: "
            f"write {address.address} or {address.address}/{network.prefixlen}"
        )
    if network.prefixlen > 30:
        return None
    if address.address == network.network_address:
        return f"{address.address} is the network address of {network}: choose another"
    if address.address == network.broadcast_address:
        return f"{address.address} is the broadcast address of {network}: choose another"
    return None
