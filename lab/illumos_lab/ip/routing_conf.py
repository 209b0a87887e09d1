"""What routeadm(8) was told and is not true yet: /etc/inet/routing.conf of a zone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from illumos_lab.conffile import replace_file

if TYPE_CHECKING:
    from illumos_lab.host import Host

PATH = "etc/inet/routing.conf"
OPTIONS = ("ipv4-routing", "ipv6-routing", "ipv4-forwarding", "ipv6-forwarding")
FORWARDING = {
    "ipv4-forwarding": "svc:/network/ipv4-forwarding:default",
    "ipv6-forwarding": "svc:/network/ipv6-forwarding:default",
}
"""The services that make an option true."""


def read(root: Path) -> dict[str, bool]:
    """The options that wait to be applied, and whether each is to be on."""
    path = root / PATH
    if not path.exists():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return {name: value == "enabled" for name, _, value in pairs if name in OPTIONS}


def write(root: Path, wanted: dict[str, bool]) -> None:
    """Replace the file."""
    lines = [f"{name}={'enabled' if on else 'disabled'}\n" for name, on in wanted.items()]
    replace_file(root / PATH, "".join(lines))


def apply(host: Host, zone: str) -> None:
    """Make what was asked for true through the services, which remember it from then on."""
    root = host.zone_root(zone)
    pending = read(root)
    for name, on in pending.items():
        fmri = FORWARDING.get(name)
        if fmri is not None and host.smf.enabled(zone, fmri) != on:
            host.smf.set_enabled(zone, fmri, on)
    if pending:
        write(root, {})
