"""Guests of virtual machines: a Linux system in the zone's stack that does as a cloud image would.

A guest with a network configuration in its seed has the addresses, routes and name servers that stand
there; without one it asks for a lease on every interface. Its file system is a fresh one at each boot.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import TYPE_CHECKING

from illumos_lab import cloud_init, iso9660, virtual_machine
from illumos_lab.cloud_init import Seed
from illumos_lab.image import VIRTUAL_BRANDS
from illumos_lab.ip.model import DEFAULT_V4, DEFAULT_V6
from illumos_lab.ip.stack import DhcpDetails
from illumos_lab.virtual_machine import Machine, MachineError
from illumos_lab.zone_states import RUNNING, ActiveZone, ZoneadmdError

if TYPE_CHECKING:
    from illumos_lab.host import Host

SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a guest looks for programs."""

_LEASE_POLL = 0.05


def is_guest(host: Host, zone: str) -> bool:
    """Whether a zone runs a virtual machine now."""
    active = host.zones.active(zone)
    if active is None or active.state != RUNNING:
        return False
    return host.zones.store.brand_of(active.configuration) in VIRTUAL_BRANDS


def start(host: Host, active: ActiveZone) -> None:
    """Do what the brand's boot script does, and start the guest.

    Raises:
        ZoneadmdError: the script fails.
        OSError: the guest cannot be started.
    """
    try:
        machine = virtual_machine.read(host, active)
    except MachineError as error:
        raise ZoneadmdError(str(error)) from error
    _write_machine(host, active.name, machine)
    _forget_boot_next(host, active.name)
    seed = machine.seed
    hostname = seed.hostname if seed else "localhost"
    root = host.runtime.start_guest(active.name, hostname)
    etc = root / "etc"
    (etc / "hostname").write_text(f"{hostname}\n")
    if seed is not None:
        _keep_seed(root, seed)
    if seed is not None and seed.nics:
        _configure(host, active.name, seed)
        _write_resolv_conf(root, seed.resolvers, seed.domain)
    else:
        _ask_for_leases(host, active, root, [nic.name for nic in machine.nics])


def _write_machine(host: Host, zone: str, machine: Machine) -> None:
    """bhyve's configuration and the CD with the seed, both made anew at each boot."""
    settings = list(machine.settings)
    image = host.path(zone, f"/{cloud_init.IMAGE}")
    image.unlink(missing_ok=True)
    if machine.seed is not None:
        files = machine.seed.files(gateway4=host.profile.package_manager == "zap")
        image.write_bytes(iso9660.build(cloud_init.LABEL, files))
        settings += ["pci.0.31.0.device=ahci-cd", f"pci.0.31.0.path=/{cloud_init.IMAGE}"]
    etc = host.path(zone, "/etc")
    etc.mkdir(exist_ok=True)
    (etc / "bhyve.cfg").write_text("".join(f"{line}\n" for line in settings))


def _forget_boot_next(host: Host, zone: str) -> None:
    """What to boot from next counts once."""
    configuration = host.zones.config(zone)
    used = [each for each in configuration.resources("attr") if each.get("name") == "bootnext"]
    if used:
        configuration.remove(used)
        host.zones.store.save(configuration, zone)


def _keep_seed(root: Path, seed: Seed) -> None:
    """What cloud-init remembers of its data source."""
    cloud = root / "var/lib/cloud"
    for place, text in (
        ("data/instance-id", f"{seed.instance}\n"),
        ("instance/user-data.txt", seed.user_data),
    ):
        (cloud / place).parent.mkdir(parents=True, exist_ok=True)
        (cloud / place).write_text(text)


def _configure(host: Host, zone: str, seed: Seed) -> None:
    for nic in seed.nics:
        host.kernel.plumb(zone, nic.name)
        for text in nic.addresses:
            # What is no address, or has a prefix that is none, is passed over.
            with contextlib.suppress(ValueError, OSError):
                host.kernel.add_address(zone, nic.name, ip_interface(text.rstrip("/")))
        with contextlib.suppress(ValueError, OSError):
            router = ip_address(nic.router.partition("/")[0])
            everywhere = DEFAULT_V4 if router.version == 4 else DEFAULT_V6
            host.kernel.add_route(zone, everywhere, str(router), nic.name)


def _write_resolv_conf(root: Path, servers: Iterable[str], domain: str = "") -> None:
    lines = [f"search {domain}\n"] if domain else []
    lines += [f"nameserver {server}\n" for server in servers]
    (root / "etc/resolv.conf").write_text("".join(lines))


def _ask_for_leases(host: Host, active: ActiveZone, root: Path, links: list[str]) -> None:
    for link in links:
        host.kernel.plumb(active.name, link)
        host.kernel.start_dhcp_client(active.name, link)
    if links and isinstance(host.kernel, DhcpDetails):
        name = f"{active.name} resolver"
        threading.Thread(
            target=_learn_resolvers, args=(host, active, root, links), name=name, daemon=True
        ).start()


def _learn_resolvers(host: Host, active: ActiveZone, root: Path, links: list[str]) -> None:
    """Write down the name servers of the first lease that comes."""
    kernel = host.kernel
    assert isinstance(kernel, DhcpDetails)
    while host.zones.active(active.name) is active:
        leases = [kernel.dhcp_info(active.name, link) for link in links]
        servers = [server for lease in leases if lease is not None for server in lease.dns_servers]
        if any(lease is not None for lease in leases):
            # The guest may be gone by now.
            with contextlib.suppress(OSError):
                _write_resolv_conf(root, servers)
            return
        time.sleep(_LEASE_POLL)
