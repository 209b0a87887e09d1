"""The life of a zone: ready, boot, halt, reboot, shutdown; what zoneadmd(8) does."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from ipaddress import ip_interface
from typing import TYPE_CHECKING

from illumos_lab import boot_arguments, guests, lx, sysidcfg, zone_mounts
from illumos_lab.boot_arguments import DEFAULT_INIT, BootArguments
from illumos_lab.image import LINUX_BRANDS, VIRTUAL_BRANDS
from illumos_lab.ip import IpStack
from illumos_lab.ipfilter import zone_files
from illumos_lab.ipfilter.state import filters
from illumos_lab.links import DladmError, LinkError
from illumos_lab.zone_brands import BRANDS
from illumos_lab.zone_states import (
    DOWN,
    GLOBAL,
    RUNNING,
    SHUTTING_DOWN,
    ActiveZone,
    ZoneadmdError,
)
from illumos_lab.zonecfg.model import Net
from illumos_lab.zonecfg.xmlfile import render, write_atomically

if TYPE_CHECKING:
    from illumos_lab.host import Host

Warn = Callable[[str], None]
"""Told what zoneadmd says although it goes on."""

_SHUTDOWN_SECONDS = 0.5
_DOWN_SECONDS = 0.2
_BOOT_SECONDS = 0.3


def _say_nothing(text: str) -> None:
    pass


def pause(host: Host, seconds: float) -> None:
    """Let a slow operation take its time, scaled by the host's factor."""
    if host.time_scale > 0:
        time.sleep(seconds * host.time_scale)


def ready(host: Host, zone: str) -> None:
    """Make a zone's kernel part: IP stack, links, addresses; no processes.

    Raises:
        ZoneadmdError: it cannot be made; nothing is left of it.
    """
    with host.zones.locked(zone):
        _make_ready(host, zone)
        host.consoles.notice(zone, "Zone readied")


def _make_ready(host: Host, zone: str) -> None:
    configuration = host.zones.config(zone)
    name = host.zones.store.brand_of(configuration)
    if name not in BRANDS:
        raise ZoneadmdError(f"zones of brand {name} are not emulated by illumos-lab")
    try:
        host.runtime.mount_zone_root(configuration.zonepath)
    except OSError as error:
        raise ZoneadmdError(f"could not mount {configuration.zonepath}/root") from error
    active = host.zones.enter_kernel(zone, configuration)
    try:
        _write_snapshot(host, active)
        zone_mounts.mount_filesystems(host, active)
        if configuration.exclusive_ip:
            _ready_exclusive(host, active)
        else:
            _ready_shared(host, active)
        if host.profile.name == "omnios":
            zone_files.load(host, active)
    except BaseException:
        _release(host, active)
        raise


def _write_snapshot(host: Host, active: ActiveZone) -> None:
    directory = host.root / "var/run/zones"
    directory.mkdir(parents=True, exist_ok=True)
    # The file that zoneadmd hangs its door on, which stays when zoneadmd goes.
    (directory / f"{active.name}.zoneadmd_door").touch(0o600)
    write_atomically(directory / f"{active.name}.snapshot.xml", render(active.configuration.document))


def _ready_exclusive(host: Host, active: ActiveZone) -> None:
    zone = active.name
    host.runtime.create_stack(zone)
    stack = IpStack(host, zone)
    host.stacks[zone] = stack
    nets: dict[str, list[Net]] = {}
    for net in active.configuration.nets():
        if net.global_nic:
            _make_vnic(host, active, net)
        nets.setdefault(net.physical, []).append(net)
    for physical, group in nets.items():
        allowed = [net.allowed_address for net in group if net.allowed_address]
        try:
            with host.lock:
                host.links.lend(physical, zone, allowed)
        except LinkError as error:
            raise ZoneadmdError(error.message, error.failure) from error
        active.lent.append(physical)
        if allowed:
            stack.from_gz[physical] = allowed
        router = next((net.defrouter for net in group if net.defrouter), None)
        if router:
            stack.from_gz_router = router.partition("/")[0]


def _make_vnic(host: Host, active: ActiveZone, net: Net) -> None:
    """OmniOS' brands make the vnic of a net with ``global-nic`` unless it exists; it goes at halt."""
    active.made_links.append(net.physical)
    if host.links.get(net.physical) is not None:
        return
    over = net.global_nic
    if over == "auto":
        over = _global_nic_towards(host, net)
    if host.links.get(over) is None:
        raise ZoneadmdError(f"Could not create VNIC {net.physical}/{over}")
    try:
        with host.lock:
            host.links.create_vnic(net.physical, over, mac=net.mac_addr or None, vid=int(net.vlan_id or 0))
    except DladmError as error:
        raise ZoneadmdError(f"Could not create VNIC {net.physical}/{over}") from error
    made = host.links.get(net.physical)
    if not net.mac_addr and made is not None:
        _record_mac(host, active.name, net.physical, made.mac)


def _global_nic_towards(host: Host, net: Net) -> str:
    """The link by which the global zone reaches the address that a net is confined to."""
    if not net.allowed_address:
        raise ZoneadmdError("Cannot use 'auto' global NIC without allowed-address.")
    address = ip_interface(net.allowed_address).ip
    stack = host.stacks[GLOBAL]
    for network in stack.connected():
        if address in network.network:
            return network.interface
    for route in stack.routes.all():
        if address in route.destination:
            return route.interface
    raise ZoneadmdError(f"Could not determine global-nic for {net.physical}")


def _record_mac(host: Host, zone: str, physical: str, mac: str) -> None:
    """Write the address of a vnic back into the configuration, as OmniOS' brands do."""
    configuration = host.zones.config(zone)
    elements = [e for e in configuration.resources("net") if e.get("physical") == physical]
    if len(elements) == 1:
        octets = (f"{int(octet, 16):02x}" for octet in mac.split(":"))
        elements[0].attributes["mac-addr"] = ":".join(octets)
        host.zones.store.save(configuration, zone)


def _ready_shared(host: Host, active: ActiveZone) -> None:
    host.runtime.create_share(active.name)
    stack = host.stacks[GLOBAL]
    for net in active.configuration.nets():
        try:
            with host.lock:
                stack.add_logical(net.physical, net.address, active.name)
        except LinkError as error:
            raise ZoneadmdError(error.message, error.failure) from error
        active.logical.append((net.physical, net.address))
        if net.defrouter:
            everywhere = ip_interface(f"{net.defrouter.partition('/')[0]}/0").network
            # A default route that is there already will do.
            with host.lock, contextlib.suppress(OSError):
                stack.routes.add(everywhere, net.defrouter.partition("/")[0], net.physical)


def boot(host: Host, zone: str, text: str = "", warn: Warn = _say_nothing) -> None:
    """Boot a zone that is installed or ready; returns when its init has been started.

    Args:
        host: the machine.
        zone: the zone.
        text: boot arguments in place of those in its configuration.
        warn: told what zoneadmd warns of.

    Raises:
        ZoneadmdError: it cannot be booted; it is as it was before.
    """
    with host.zones.locked(zone):
        arguments = _boot_arguments(host, zone, text, warn)
        host.consoles.notice(zone, "Zone booting up" + _told(arguments))
        _boot(host, zone, arguments)


def _boot_arguments(host: Host, zone: str, text: str, warn: Warn) -> BootArguments:
    arguments = boot_arguments.parse(text or host.zones.config(zone).get("bootargs"))
    if arguments.unused:
        warn(f"WARNING: Unused or invalid boot arguments `{arguments.unused}'.")
    return arguments


def _told(arguments: BootArguments) -> str:
    """What messages say of the arguments that a zone boots with."""
    return f" with arguments: {arguments.text}" if arguments.text else ""


def _boot(host: Host, zone: str, arguments: BootArguments) -> None:
    try:
        active = host.zones.active(zone)
        if active is None:
            _make_ready(host, zone)
            active = host.zones.active(zone)
        assert active is not None
        pause(host, _BOOT_SECONDS)
        try:
            _check_init(host, active, arguments)
            _start(host, active)
        except OSError as error:
            _abandon(host, active)
            raise ZoneadmdError(f"could not start zone: {error.strerror}") from error
        except ZoneadmdError:
            _abandon(host, active)
            raise
    except ZoneadmdError:
        host.consoles.notice(zone, "Zone boot failed", halted=True)
        raise
    active.state = RUNNING
    zone_mounts.add_devices(host, active)
    host.smf.start(zone, arguments.milestone)


def _check_init(host: Host, active: ActiveZone, arguments: BootArguments) -> None:
    """The program that a zone is to start must be there; another than its own does not run here."""
    init = arguments.init
    if init == DEFAULT_INIT:
        return
    program = host.path(active.name, init)
    if not program.exists():
        raise ZoneadmdError(f"could not stat {program.parent}/{program.name}: No such file or directory")
    if not program.stat().st_mode & 0o100:
        raise ZoneadmdError(f"{init} is not executable")
    raise ZoneadmdError(f"starting {init}: not emulated by illumos-lab")


def _start(host: Host, active: ActiveZone) -> None:
    """Start what the brand runs in the zone."""
    brand = host.zones.store.brand_of(active.configuration)
    if brand in VIRTUAL_BRANDS:
        guests.start(host, active)
        return
    if brand in LINUX_BRANDS:
        lx.write_files(host, active)
    else:
        _write_dns(host, active)
    if BRANDS[brand].sysidcfg and host.path(active.name, sysidcfg.UNCONFIGURED).exists():
        # What the file does not say is asked on the console, by a service of the zone.
        with contextlib.suppress(sysidcfg.SysidcfgError):
            sysidcfg.configure(host, active.name, active.configuration)
    host.runtime.start_zone(active.name, host.zone_root(active.name), active.configuration.exclusive_ip)
    host.consoles.start(active.name)
    if brand in LINUX_BRANDS:
        lx.set_kernel_version(host, active)
        lx.configure_network(host, active)
        return
    solaris10 = BRANDS[brand].sysidcfg
    release, version = ("5.10", "Generic_Virtual") if solaris10 else ("5.11", host.profile.uname_version)
    host.consoles.write(active.name, f"SunOS Release {release} Version {version} 64-bit\n")


def _abandon(host: Host, active: ActiveZone) -> None:
    """Take a zone that did not come up out of the kernel again."""
    host.runtime.stop_zone(active.name)
    host.consoles.stop(active.name)
    _release(host, active)


def _write_dns(host: Host, active: ActiveZone) -> None:
    """The scripts of OmniOS' brands rewrite /etc/resolv.conf at every boot from two attributes."""
    configuration = active.configuration
    brand = BRANDS.get(host.zones.store.brand_of(configuration))
    attrs = configuration.attrs()
    if brand is None or not brand.ipkg_family or not host.profile.forked_zonecfg:
        return
    lines = []
    if attrs.get("dns-domain"):
        lines.append(f"domain {attrs['dns-domain']}\n")
    lines += [f"nameserver {word}\n" for word in attrs.get("resolvers", "").split(",") if word]
    if not lines:
        return
    etc = host.path(active.name, "/etc")
    (etc / "resolv.conf").write_text("".join(lines))
    switch, dns = etc / "nsswitch.conf", etc / "nsswitch.dns"
    if dns.exists() and (not switch.exists() or "files dns" not in switch.read_text()):
        switch.write_text(dns.read_text())


def halt(host: Host, zone: str) -> None:
    """Halt a zone: end its processes, and give back what it was lent. Nothing happens when it is down."""
    with host.zones.locked(zone):
        if host.zones.active(zone) is not None:
            _halt(host, zone)
            host.consoles.notice(zone, "Zone halted", halted=True)


def _halt(host: Host, zone: str) -> None:
    active = host.zones.active(zone)
    if active is None:
        return
    if active.state == RUNNING:
        active.state = SHUTTING_DOWN
        host.smf.stop(zone)
        pause(host, _SHUTDOWN_SECONDS)
        host.runtime.stop_zone(zone)
        host.consoles.stop(zone)
    active.state = DOWN
    pause(host, _DOWN_SECONDS)
    _release(host, active)


def _release(host: Host, active: ActiveZone) -> None:
    zone = active.name
    stack = host.stacks.pop(zone, None)
    if stack is not None:
        stack.halt()
    with host.lock:
        for link in active.lent:
            host.links.take_back(link)
        host.links.take_back_all(zone)
        for link in active.made_links:
            if host.links.get(link) is not None:
                host.links.delete(link, temporary=False)
        for interface, address in active.logical:
            host.stacks[GLOBAL].remove_logical(interface, address)
    if stack is not None:
        filters(host).forget(zone)
        host.runtime.destroy_stack(zone)
    else:
        host.runtime.destroy_share(zone)
    zone_mounts.unmount_all(host, active)
    (host.root / f"var/run/zones/{zone}.snapshot.xml").unlink(missing_ok=True)
    host.zones.leave_kernel(zone)


def shutdown(host: Host, zone: str, limit: float | None = None) -> None:
    """Shut a running zone down in an orderly way: its services stop before it is halted.

    Args:
        host: the machine.
        zone: the zone.
        limit: seconds to wait for it; by default as long as svc:/system/zones:default may take to stop.

    Raises:
        ZoneadmdError: somebody does that already, or it takes too long; it still goes down then.
    """
    with host.zones.locked(zone):
        active = host.zones.active(zone)
        if active is None:
            return
        if active.shutting_down:
            raise ZoneadmdError("shutdown already in progress")
        active.shutting_down = True

    def go_down() -> None:
        host.smf.shut_down(zone)
        with host.zones.locked(zone):
            if host.zones.active(zone) is active:
                halt(host, zone)

    # The zone shuts itself down; who asked for it only looks on.
    thread = threading.Thread(target=go_down, name=f"{zone} shutdown", daemon=True)
    thread.start()
    thread.join(host.smf.shutdown_limit() if limit is None else limit)
    if thread.is_alive():
        raise ZoneadmdError("unable to shutdown zone")


def reboot(host: Host, zone: str, text: str = "", warn: Warn = _say_nothing) -> None:
    """Halt a zone and boot it with its present configuration; see `boot`.

    Raises:
        ZoneadmdError: it does not come up again; it stays halted.
    """
    with host.zones.locked(zone):
        arguments = _boot_arguments(host, zone, text, warn)
        host.consoles.notice(zone, "Zone rebooting" + _told(arguments))
        _halt(host, zone)
        _boot(host, zone, arguments)
