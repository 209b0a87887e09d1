"""What is set up inside a zone before it boots for the first time."""

from __future__ import annotations

from pydantic import Field

from pulumi_illumos_provider.model.base import Change, Faults, Properties, prop
from pulumi_illumos_provider.model.values import Address, SshKey


class InsideInputs(Properties):
    """Host name, name servers, keys."""

    dns_servers: list[Address] | None = prop(
        "Name servers. Default: the router's address behind a router, else the host's.",
        default=None,
    )
    hostname: str | None = prop(
        "Host name inside the zone. Default: the zone's name.",
        change=Change.REBOOT,
        default=None,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$",
    )
    ssh_authorized_keys: list[SshKey] | None = prop(
        "Public SSH keys that may log in as root. Default: the file is left alone.", default=None
    )

    def examine_inside(self, faults: Faults, known: bool) -> None:
        """Rules across these properties."""


class InsideState(Properties):
    """What is set up inside, as the host has it."""

    dns_servers: list[Address] = Field(description="Name servers.")
    hostname: str = Field(description="Host name inside the zone.")
    ssh_authorized_keys: list[str] = Field(description="Public SSH keys that may log in as root.")
