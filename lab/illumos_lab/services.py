"""The services that a host and its zones have, for every distribution, and their methods.

What a service is follows the manifests of illumos and of the distributions' packages. A service that does
nothing in the lab is there because scripts and people look at it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from illumos_lab import bridging, first_boot, haproxy
from illumos_lab.dnsmasq import start_dnsmasq
from illumos_lab.ip import ndpd
from illumos_lab.ipfilter import method as ipfilter
from illumos_lab.profile import Profile
from illumos_lab.service import (
    Context,
    Dependency,
    MethodError,
    Service,
)

IPFILTER = "svc:/network/ipfilter:default"


# Methods -----------------------------------------------------------------------------------------


def _start_physical(context: Context) -> None:
    """net-physical: bring up the stack. A shared-ip zone has none of its own."""
    stack = context.host.stacks.get(context.zone)
    if stack is not None:
        stack.boot()
    _run_deferred(context, "/var/svc/profile/upgrade_datalink")


def _start_varpd(context: Context) -> None:
    with context.host.lock:
        context.host.links.reread_overlays()


def _run_deferred(context: Context, script: str) -> None:
    """Commands that were called with ``-R`` for this root wait here for its next boot."""
    file = context.host.path(context.zone, script)
    if file.exists():
        context.run(["/sbin/sh", script])
        file.unlink()


def _set_forwarding(on: bool, protocol: str, context: Context) -> None:
    stack = context.host.stacks.get(context.zone)
    if stack is not None:
        stack.set_forwarding(on, protocol)


def _forwarding(protocol: str, title: str) -> Service:
    """The service that switches forwarding of an IP version for the whole stack."""
    start = partial(_set_forwarding, True, protocol)
    return Service(
        f"svc:/network/{protocol}-forwarding:default",
        title,
        enabled=False,
        dependencies=(Dependency(("svc:/network/routing-setup",), restart_on="refresh"),),
        start=start,
        stop=partial(_set_forwarding, False, protocol),
        refresh=start,
        exec="/lib/svc/method/svc-forwarding start",
    )


def _import_manifests(context: Context) -> None:
    _run_deferred(context, "/var/svc/profile/upgrade")
    context.host.smf.import_directories(context.zone, context.note)


def _start_zones(context: Context) -> None:
    context.host.zones.boot()


def _stop_zones(context: Context) -> None:
    context.host.zones.shut_down_all()


def _start_console_login(context: Context) -> None:
    """ttymon on the console, under the name and arguments by which scripts look for it."""
    prompt = f"{context.host.nodename(context.zone)} console login: "
    line = f"/usr/lib/saf/ttymon -g -d /dev/console -l console -m ldterm,ttcompat -h -p {prompt}"
    argv = ["/usr/bin/bash", "-c", 'exec -a "$0" /usr/lib/saf/ttymon infinity', line]
    context.process = context.host.runtime.start(context.zone, argv, context.log)
    context.host.consoles.listen(context.zone, context.process)


def _start_sshd(context: Context) -> None:
    if context.zone == "global":
        return
    try:
        context.host.sshd.listen(context.zone, context.host.zone_root(context.zone))
    except OSError as error:
        raise MethodError(255, f"Bind to port 22 on 0.0.0.0 failed: {error.strerror}.") from error


def _stop_sshd(context: Context) -> None:
    context.host.sshd.leave(context.zone)


def _set_nodename(context: Context) -> None:
    context.host.consoles.write(context.zone, f"Hostname: {context.host.nodename(context.zone)}\n")


def _run_scripts(context: Context, directory: str) -> None:
    """What /sbin/rc2 and /sbin/rc3 do: the scripts K* with ``stop``, then S* with ``start``."""
    place = context.host.path(context.zone, directory)
    scripts = sorted(path.name for path in place.glob("[KS]*"))
    for letter, word in (("K", "stop"), ("S", "start")):
        for name in scripts:
            script = f"{directory}/{name}"
            if not name.startswith(letter) or not context.host.path(context.zone, script).is_file():
                continue
            context.note(f'Executing legacy init script "{script}".')
            status = context.run(["/sbin/sh", script, word])
            context.note(f'Legacy init script "{script}" exited with return code {status}.')
            if letter == "S":
                context.legacy(script)


def _start_multi_user(context: Context) -> None:
    _run_scripts(context, "/etc/rc2.d")


def _start_multi_user_server(context: Context) -> None:
    _run_scripts(context, "/etc/rc3.d")


# Delivered services ------------------------------------------------------------------------------


def _needs(*fmris: str, restart_on: str = "none") -> tuple[Dependency, ...]:
    return (Dependency(tuple(f"svc:/{fmri}" for fmri in fmris), restart_on=restart_on),)


def _plain(fmri: str, title: str, *needs: str, enabled: bool = True) -> Service:
    return Service(f"svc:/{fmri}", title, enabled=enabled, dependencies=_needs(*needs) if needs else ())


_SINGLE_USER = "milestone/single-user"
_MULTI_USER = "milestone/multi-user"
_LOCAL = "system/filesystem/local"

_BASE = (
    _plain("system/svc/restarter:default", "master restarter"),
    _plain("system/early-manifest-import:default", "early manifest import"),
    _plain("system/filesystem/root:default", "root file system mount"),
    _plain("system/filesystem/usr:default", "read/write root file systems mounts"),
    _plain("system/filesystem/minimal:default", "minimal file system mounts"),
    replace(
        _plain("network/loopback:default", "loopback network interface"),
        exec="/lib/svc/method/net-loopback",
    ),
    _plain("network/ip-interface-management:default", "IP interface management"),
    _plain("network/datalink-management:default", "data-link management daemon"),
    _plain("system/rmtmpfiles:default", "remove temporary files"),
    Service(
        "svc:/network/physical:default",
        "physical network interface configuration",
        dependencies=_needs("network/loopback", "network/datalink-management"),
        start=_start_physical,
        exec="/lib/svc/method/net-physical",
        properties={"general/action_authorization": ("astring", "solaris.smf.manage.network")},
    ),
    replace(
        _plain("system/identity:node", "system identity (nodename)", "network/physical:default"),
        start=_set_nodename,
        exec="/lib/svc/method/identity-node",
    ),
    _plain("system/identity:domain", "system identity (domainname)", "network/physical:default"),
    Service(
        "svc:/system/manifest-import:default",
        "service manifest import",
        start=_import_manifests,
        exec="/lib/svc/method/manifest-import",
    ),
    _plain("milestone/devices:default", "device configuration milestone"),
    _plain("milestone/unconfig:default", "unconfiguration milestone"),
    _plain("milestone/config:default", "configuration milestone", "milestone/unconfig"),
    Service(
        "svc:/milestone/network:default",
        "Network milestone",
        dependencies=(
            *_needs("network/loopback", "network/physical:default"),
            Dependency((IPFILTER,), "optional_all"),
        ),
    ),
    _plain(
        f"{_SINGLE_USER}:default",
        "single-user milestone",
        *("system/identity:node", "system/filesystem/minimal", "system/manifest-import"),
        *("milestone/devices", "milestone/network"),
    ),
    _plain(f"{_LOCAL}:default", "local file system mounts", _SINGLE_USER),
    _plain("milestone/name-services:default", "name services milestone"),
    Service(
        "svc:/milestone/sysconfig:default",
        "Basic system configuration milestone",
        dependencies=(*_needs(_SINGLE_USER), first_boot.BEFORE_SYSCONFIG),
    ),
    replace(
        _plain(
            "network/routing-setup:default",
            "Initial routing-related configuration",
            "network/physical:default",
        ),
        exec="/lib/svc/method/svc-routing-setup",
    ),
    _plain("network/initial:default", "initial network services", "milestone/network"),
    _plain("network/service:default", "layered network services", "network/initial"),
    _plain("network/iptun:default", "IP tunnel configuration"),
    _plain("network/ipsec/policy:default", "IPsec policy initialization"),
    _plain("network/netmask:default", "dynamic network mask configuration"),
    _plain("network/netcfg:default", "Network configuration data management"),
    _forwarding("ipv4", "IPv4 forwarding"),
    _forwarding("ipv6", "IPv6 forwarding"),
    _plain("network/routing/route:default", "in.routed network routing daemon", enabled=False),
    Service(
        "svc:/network/routing/ndp:default",
        "in.ndpd IPv6 neighbour discovery daemon",
        dependencies=(Dependency(("svc:/network/routing-setup",), restart_on="refresh"),),
        start=ndpd.start,
        stop=ndpd.stop,
        exec="/lib/svc/method/svc-ndp",
    ),
    _plain("network/dns/client:default", "DNS resolver", _LOCAL),
    _plain("network/inetd:default", "inetd", _LOCAL),
    _plain("network/rpc/bind:default", "RPC bindings", enabled=False),
    _plain("network/nfs/server:default", "NFS server", enabled=False),
    _plain("network/nfs/client:default", "NFS client", enabled=False),
    Service(
        "svc:/network/ssh:default",
        "SSH server",
        dependencies=(
            *_needs(_LOCAL, "milestone/network"),
            Dependency((IPFILTER,), "optional_all"),
        ),
        start=_start_sshd,
        stop=_stop_sshd,
        exec="/lib/svc/method/sshd start",
    ),
    _plain("system/name-service-cache:default", "name service cache", _LOCAL),
    _plain("system/cron:default", "clock daemon (cron)", _LOCAL),
    _plain("system/system-log:default", "system log daemon", _LOCAL),
    _plain("system/utmp:default", "utmpx monitoring", _LOCAL),
    _plain("system/sac:default", "SAF service access controller", _LOCAL),
    Service(
        "svc:/system/console-login:default",
        "Console login",
        dependencies=_needs(_MULTI_USER),
        start=_start_console_login,
        exec="/lib/svc/method/console-login",
    ),
    _plain("system/auditd:default", "illumos audit daemon", enabled=False),
    Service(
        f"svc:/{_MULTI_USER}:default",
        "multi-user milestone",
        dependencies=(
            *_needs(_SINGLE_USER, _LOCAL, "milestone/name-services", "milestone/sysconfig"),
            Dependency(("svc:/network/ssh", "svc:/system/system-log"), "optional_all"),
        ),
        start=_start_multi_user,
        exec="/sbin/rc2",
    ),
    Service(
        "svc:/milestone/multi-user-server:default",
        "multi-user plus exports milestone",
        dependencies=(
            *_needs(_MULTI_USER),
            Dependency(("svc:/network/ssh",), "optional_all"),
        ),
        start=_start_multi_user_server,
        exec="/sbin/rc3",
    ),
)

_GLOBAL_ONLY = (
    _plain("system/boot-archive:default", "check boot archive content"),
    _plain("system/device/local:default", "Standard Solaris device configuration"),
    _plain("system/fmd:default", "Fault manager"),
    _plain("system/pfexec:default", "pfexec policy server"),
    _plain("system/power:default", "power management"),
    _plain("system/dbus:default", "D-BUS message bus"),
    _plain("system/zones-monitoring:default", "zone statistics monitoring"),
    Service(
        "svc:/network/varpd:default",
        "virtual ARP daemon",
        enabled=False,
        dependencies=_needs("network/loopback", "network/datalink-management"),
        start=_start_varpd,
        exec="/usr/lib/varpd/varpd",
    ),
    Service(
        "svc:/system/rcap:default",
        "resource cap daemon",
        enabled=False,
        properties={
            "config/pressure": ("count", "0"),
            "config/reconfig_interval": ("count", "60"),
            "config/walk_interval": ("count", "15"),
            "config/report_interval": ("count", "5"),
            "config/rss_sample_interval": ("count", "5"),
        },
    ),
    Service(
        "svc:/system/zones:default",
        "Zones autoboot and graceful shutdown",
        dependencies=_needs("milestone/multi-user-server"),
        start=_start_zones,
        stop=_stop_zones,
        exec="/lib/svc/method/svc-zones start",
        properties={"stop/timeout_seconds": ("count", "100")},
    ),
)

_NWAM = Service(
    "svc:/network/physical:nwam",
    "physical network interface autoconfiguration",
    enabled=False,
    in_zones=False,
)


_CREDENTIAL = {
    "omnios": {"privileges": "basic,net_privaddr"},
    "openindiana": {"privileges": "basic,net_privaddr,net_icmpaccess"},
    "smartos": {},
}
"""What dnsmasq may do where SMF starts it as a user of its own."""


def _method(name: str, command: str, **properties: str) -> dict[str, tuple[str, str]]:
    """The property group of a method (smf_method(7))."""
    group = {"exec": command, "type": "method", **properties}
    return {
        f"{name}/{key}": ("count" if key == "timeout_seconds" else "astring", value)
        for key, value in group.items()
    }


def _from_packages(profile: Profile) -> tuple[Service, ...]:
    restarting = Dependency(
        ("svc:/network/physical", "svc:/system/identity:node", "svc:/system/identity:domain"),
        "require_any",
        "restart",
    )
    dnsmasq = profile.dnsmasq
    needs: tuple[Dependency, ...]
    match profile.name:
        case "tribblix":
            path = Dependency((f"file://localhost{dnsmasq.config}",))
            needs = (*_needs(_LOCAL), path)
        case "openindiana":
            rivals = ("network/dns/server", "network/dhcp/relay", "network/dhcp/server")
            exclude = Dependency(tuple(f"svc:/{name}" for name in rivals), "exclude_all")
            needs = (*_needs(_MULTI_USER), exclude)
        case _:
            needs = _needs("milestone/network", _LOCAL)
    return (
        Service(
            IPFILTER,
            "IP Filter",
            enabled=False,
            package=profile.ipfilter_package,
            dependencies=(*_needs("system/filesystem/minimal"), restarting),
            start=ipfilter.start,
            stop=ipfilter.stop,
            refresh=ipfilter.start,
            exec="/lib/svc/method/ipfilter start",
            properties={
                **ipfilter.PROPERTIES,
                **_method("start", "/lib/svc/method/ipfilter start", timeout_seconds="120"),
                **_method("stop", "/lib/svc/method/ipfilter stop", timeout_seconds="60"),
                **_method("refresh", "/lib/svc/method/ipfilter reload", timeout_seconds="120"),
            },
        ),
        Service(
            dnsmasq.fmri,
            "dnsmasq",
            enabled=False,
            package=dnsmasq.package,
            dependencies=needs,
            start=start_dnsmasq,
            exec=f"{dnsmasq.binary} -C {dnsmasq.config}",
            properties=_method(
                "start",
                f"{dnsmasq.binary} -C {dnsmasq.config}",
                **({} if dnsmasq.starts_as_root else _CREDENTIAL[profile.name] | {"user": dnsmasq.user}),
            ),
        ),
        Service(
            profile.haproxy.fmri,
            "HAProxy",
            enabled=False,
            package=profile.haproxy.package,
            dependencies=_needs("milestone/network", _LOCAL),
            start=haproxy.start,
            refresh=haproxy.REFRESH[profile.haproxy.refresh],
            exec=f"{profile.haproxy.binary} -f {profile.haproxy.config}",
        ),
    )


def catalogue(profile: Profile) -> tuple[Service, ...]:
    """Every service that the distribution has, installed or not."""
    own: tuple[Service, ...] = (first_boot.INITIAL_BOOT,) if profile.name == "omnios" else (_NWAM,)
    if any(brand.name == "solaris10" for brand in profile.brands):
        own = (*own, first_boot.SYSIDTOOL)
    only_global = tuple(replace(each, in_zones=False) for each in _GLOBAL_ONLY)
    return (*_BASE, *own, *only_global, *_from_packages(profile))


def by_fmri(profile: Profile, fmri: str) -> Service:
    """A service of the catalogue.

    Raises:
        KeyError: the distribution has no such instance.
    """
    if fmri.startswith(bridging.SERVICE):
        return bridging.service(fmri)
    for service in catalogue(profile):
        if service.fmri == fmri:
            return service
    raise KeyError(fmri)


def delivered(profile: Profile, zone: str, installed: Iterable[str]) -> list[Service]:
    """The services of a zone: those of the base system, and those that its packages brought."""
    wanted = frozenset(installed)
    own = [
        service
        for service in catalogue(profile)
        if service.fmri in wanted
        or (not service.package and (service.in_global if zone == "global" else service.in_zones))
    ]
    return [*own, *(bridging.service(fmri) for fmri in sorted(wanted) if fmri.startswith(bridging.SERVICE))]
