"""The names of attached zones: one file for each zone in every router zone of ours that it is behind."""

from __future__ import annotations

from pulumi_illumos_provider.illumos import dnsmasq, files
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources.placement import Placed
from pulumi_illumos_provider.resources.zone_steps import is_installed


def name_steps(zone: str, placed: list[Placed], now: Snapshot) -> dict[str, list[Step]]:
    """Let every router that a zone is behind know it by its name, static and shared-ip zones included.

    Returns:
        The steps by router zone; its DHCP and DNS server has to be told after them.
    """
    found: dict[str, list[Step]] = {}
    for router in now.routers:
        own = [nic for nic in placed if nic.router is not None and nic.router.name == router.name]
        text = dnsmasq.names_file(
            zone,
            [(nic.address.ip, nic.network.domain) for nic in own if nic.address and nic.network],
        )
        path = _path(zone)
        if text and is_installed(router) and router.files.get(path) != text:
            step = Step(
                f"naming zone {zone} in router zone {router.name}",
                files.write_zone_file(router.root, path, text),
                done=files.zone_file_is(router.root, path, text),
            )
            found[router.name] = [step]
    return found


def forget_steps(zone: str, router: ZoneSeen, keep: list[Placed] | None) -> list[Step]:
    """Let a router forget a zone's names, unless one of the kept nics is behind it."""
    path = _path(zone)
    behind = any(nic.router is not None and nic.router.name == router.name for nic in keep or [])
    if behind or path not in router.files:
        return []
    return [
        Step(
            f"forgetting the name of zone {zone} in router zone {router.name}",
            files.remove_zone_file(router.root, path),
            done=files.zone_file_absent(router.root, path),
        )
    ]


def _path(zone: str) -> str:
    return f"{dnsmasq.NAMES_DIRECTORY.lstrip('/')}/{zone}"
