"""Steps that zones and router zones share: configuration, links, installation, files, start and stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import dladm, files, records, smf, zoneadm, zonecfg
from pulumi_illumos_provider.illumos.brands import words
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.plan import Command, Step
from pulumi_illumos_provider.resources.kind import Owner

INSTALL_LIMIT = 3600.0
BOOT_LIMIT = 600.0
WAIT_MARGIN = 60.0
"""How much longer a step may take than the waiting that it counts itself."""
STOP_LIMIT = 2000.0  # A bhyve guest may take half an hour to power off.

MEMORY_CAP = "zone.max-physical-memory"


# Who owns it -------------------------------------------------------------------------------------


def refuse_foreign(zone: ZoneSeen, owner: Owner, token: str) -> None:
    """Refuse to take over a zone that this resource did not begin to make."""
    if zone.owner == records.owner_value(owner.urn):
        return
    made = f"it belongs to {zone.owner}" if zone.owner else "this provider did not make it"
    if zone.listed.state == zoneadm.INCOMPLETE:
        raise Refused(
            f"zone {zone.name} exists already, and is incomplete; {made}: remove it with "
            f"zoneadm -z {zone.name} uninstall -F, or choose another name",
            "name",
        )
    raise Refused(
        f"zone {zone.name} exists already; {made}: choose another name, or take it over with: "
        f"pulumi import {token} NAME HOST/{zone.name}",
        "name",
    )


def refuse_incomplete(zone: ZoneSeen) -> None:
    """Refuse to import a zone that is not whole: it is never shown as healthy."""
    if zone.listed.state == zoneadm.INCOMPLETE:
        raise Refused(
            f"zone {zone.name} is incomplete (its installation failed): "
            f"remove what is left with zoneadm -z {zone.name} uninstall -F first"
        )


def refuse_router_of_zap(zone: ZoneSeen) -> None:
    """Refuse to import a router that zap made: what it needs to go on working is written by zap."""
    if zone.networks and not zone.is_router:
        raise Refused(
            f"zone {zone.name} is a router that zap made, and stays in its hands: zones are put behind it "
            f"by their address, or with router: {zone.name}"
        )


def refuse_unknown_state(zone: ZoneSeen) -> None:
    """Refuse to change a zone in a state of which we do not know what it means."""
    if not zone.listed.understood:
        raise Refused(
            f"zone {zone.name} is in state {zone.listed.state}, which this provider does not know: see "
            f"zoneadm -z {zone.name} list -v, and bring it to installed or running first"
        )


def choose_brand(asked: str | None, default: str, now: Snapshot) -> str:
    """The brand to use. Raises Refused when the host does not have it."""
    brand = asked or default
    if brand not in now.brands:
        brings = now.distribution.known(brand).brought_by
        remedy = f"; {brings} brings it" if brings else ""
        raise Refused(
            f"brand {brand} is not installed on this {now.distribution.name} host: it has "
            f"{words(now.brands)}{remedy}",
            "brand",
        )
    return brand


def choose_zonepath(asked: str | None, name: str, now: Snapshot) -> str:
    """The zonepath to use. Raises Refused when its parent cannot hold zones."""
    path = asked or f"{now.distribution.zones}/{name}"
    parent = path.rsplit("/", 1)[0] or "/"
    if now.distribution.zones_need_dataset and parent not in now.mountpoints:
        raise Refused(
            f"{parent} is not the mountpoint of a ZFS dataset, as zones on {now.distribution.name} "
            f"need: create one with zfs create -o mountpoint={parent} rpool/zones, "
            "or choose another zonepath",
            "zonepath",
        )
    return path


# Configuration -----------------------------------------------------------------------------------


def configure_steps(
    name: str, wanted: zonecfg.Draft, template: str | None, zone: ZoneSeen | None
) -> list[Step]:
    """Create the configuration, or edit it to what is wanted; nothing when it says so already.

    Args:
        template: what to create it from; None for a blank one.
    """
    if zone is not None:
        lines = zonecfg.changes(zone.config, wanted)
        say = f"changing the configuration of zone {name}"
        return [Step(say, zonecfg.edit(name, lines))] if lines else []
    lines = [f"create -t {template}" if template else "create -b"]
    # The owner comes first: if a later line is refused, what was saved is known as ours.
    # Resource controls come last: capped-memory cannot be added beside those that it shows.
    resources = sorted(
        wanted.resources, key=lambda r: ((r.kind, r.key) != ("attr", records.OWNER), r.kind == "rctl")
    )
    for resource in resources[:1]:
        lines += zonecfg.add_resource(resource)
    for key, value in wanted.properties.items():
        if value and not (template and key == "brand"):
            lines += zonecfg.set_property(key, value)
    for resource in resources[1:]:
        lines += zonecfg.add_resource(resource)
    return [
        Step(
            f"configuring zone {name}",
            zonecfg.edit(name, lines),
            done=zonecfg.holds(name, *_expected(wanted)),
        )
    ]


def _expected(wanted: zonecfg.Draft) -> list[tuple[str, str]]:
    """What ``info`` must say of a configuration that was made."""
    expected = [("autoboot", f"autoboot: {wanted.properties.get('autoboot', 'false')}")]
    for resource in wanted.resources:
        values = resource.values
        if resource.kind == "attr":
            expected.append((f"attr name={values['name']}", zonecfg.info_line("value", values["value"])))
        elif resource.kind == "net":
            name = "allowed-address" if "allowed-address" in values else "physical"
            expected.append((f"net physical={values['physical']}", zonecfg.info_line(name, values[name])))
    return expected


def memory_cap(zone: ZoneSeen) -> int | None:
    """Physical memory cap in bytes, wherever the distribution keeps it."""
    return zone.memory if zone.memory is not None else zone.config.rctl_limit(MEMORY_CAP)


def net(
    physical: str, *, address: str | None = None, allowed: str | None = None, gateway: str | None = None
) -> zonecfg.Resource:
    """A ``net`` resource."""
    values = {
        "physical": physical,
        "address": address,
        "allowed-address": allowed,
        "defrouter": gateway,
    }
    return zonecfg.Resource("net", {name: value for name, value in values.items() if value is not None})


def boolean(value: bool) -> str:
    """A truth value as zonecfg writes it."""
    return "true" if value else "false"


# Links -------------------------------------------------------------------------------------------


def vnic_steps(
    name: str,
    over: str,
    now: Snapshot,
    *,
    mac: str | None = None,
    vid: int = 0,
    dhcp_protection: bool = False,
    zone: str = "",
) -> list[Step]:
    """Make a vnic as wanted. One that is over another link, or has another tag or MAC, is made anew.

    Link protection for DHCP is set on it; any other is taken off, because zoneadm refuses to boot a
    zone with an allowed-address when protection is set already, and a router does not forward with it.

    Args:
        zone: whose link is meant, where several zones have one of that name.
    """
    steps: list[Step] = []
    link = now.link_of(zone, name) if zone else now.links.get(name)
    if link and (link.over not in ("", over) or link.vid != vid or (mac and link.mac != mac)):
        steps += delete_vnic_steps(name)
        link = None
    if link is None:
        steps.append(
            Step(
                f"creating vnic {name} over {over}",
                dladm.create_vnic(name, over, mac, vid),
                done=dladm.link_exists(name, "vnic"),
            )
        )
    wanted = dladm.DHCP_PROTECTION if dhcp_protection else ()
    has = set(link.protection) if link else set()
    lent = bool(link and link.zone)
    if dhcp_protection and has != set(wanted):
        steps.append(protect_step(name))
    elif not dhcp_protection and has and not (lent and link and link.allowed_ips):
        steps.append(
            Step(
                f"taking link protection off vnic {name}",
                dladm.reset_property(name, "protection"),
            )
        )
    return steps


def protect_step(name: str) -> Step:
    """Link protection for a zone that asks for its address."""
    return Step(
        f"protecting vnic {name} for DHCP",
        dladm.set_property(name, "protection", *dladm.DHCP_PROTECTION),
        done=dladm.has_property(name, "protection", ",".join(dladm.DHCP_PROTECTION)),
    )


def delete_vnic_steps(name: str) -> list[Step]:
    """Delete a vnic; it may be busy for a moment after its zone halted."""
    return [
        Step(
            f"deleting vnic {name}",
            dladm.delete_vnic(name),
            done=dladm.link_absent(name),
            attempts=20,
            remedy=f"see what holds it with dladm show-linkprop -p zone {name} and ipadm show-if {name}",
        )
    ]


# Installation, start and stop --------------------------------------------------------------------


def clear_incomplete_steps(name: str, zone: ZoneSeen | None) -> list[Step]:
    """Remove what a failed installation left, so that it is never used as if it were good."""
    if zone is None or zone.listed.state != zoneadm.INCOMPLETE:
        return []
    return [uninstall_step(name)]


def install_steps(
    name: str,
    zone: ZoneSeen | None,
    options: tuple[str, ...] = (),
    *,
    command: Command | None = None,
    verb: str = "installing",
) -> list[Step]:
    """Install a zone that is not installed yet.

    Args:
        options: of ``zoneadm install``.
        command: what gives it its files instead of that.
    """
    if is_installed(zone):
        return []
    return [
        Step(
            f"{verb} zone {name}",
            command or zoneadm.install(name, options),
            done=zoneadm.in_state(name, zoneadm.INSTALLED, zoneadm.RUNNING),
            timeout=INSTALL_LIMIT,
        )
    ]


def uninstall_step(name: str) -> Step:
    """Remove a zone's files."""
    return Step(
        f"uninstalling zone {name}",
        zoneadm.uninstall(name),
        done=zoneadm.in_state(name, zoneadm.CONFIGURED),
        timeout=INSTALL_LIMIT,
    )


def report_leftovers_step(zone: ZoneSeen) -> Step:
    """Tell the user of files that an uninstallation left: what the installer did not make, it leaves."""
    return Step(
        f"looking for what is left of zone {zone.name}",
        zoneadm.report_leftovers(zone.listed.zonepath),
        warns=True,
    )


def is_installed(zone: ZoneSeen | None) -> bool:
    """Whether the zone has files that may be used."""
    return zone is not None and zone.listed.state not in (zoneadm.CONFIGURED, zoneadm.INCOMPLETE)


def unfinished(name: str, status: str) -> list[str]:
    """Why a zone in this state is not complete."""
    if status == zoneadm.INCOMPLETE:
        return [f"zone {name} is incomplete: its installation failed or was cut off"]
    if status == zoneadm.CONFIGURED:
        return [f"zone {name} is configured, and not installed"]
    return []


def is_running(zone: ZoneSeen | None) -> bool:
    """Whether the zone is up."""
    return zone is not None and zone.listed.state == zoneadm.RUNNING


def stop_steps(name: str, zone: ZoneSeen | None, limit: int | None = None) -> list[Step]:
    """Stop a zone that exists in the kernel: gracefully, else by halting it.

    Args:
        limit: seconds that the shutdown may take; None for as long as the host allows.
    """
    if zone is None or not zone.listed.active:
        return []
    return [
        Step(
            f"shutting down zone {name}",
            zoneadm.stop(name, limit),
            done=zoneadm.in_state(name, zoneadm.INSTALLED, zoneadm.CONFIGURED),
            timeout=STOP_LIMIT + (limit or 0),
        )
    ]


def boot_steps(name: str, native: bool) -> list[Step]:
    """Boot a zone and wait until it is up; of other brands we only know that they were started."""
    return [boot_step(name), *([wait_multi_user_step(name)] if native else [])]


def boot_step(name: str) -> Step:
    """Boot a zone; its init is started when this is done, its services are not up."""
    return Step(
        f"booting zone {name}",
        zoneadm.boot(name),
        done=zoneadm.in_state(name, zoneadm.RUNNING),
        timeout=BOOT_LIMIT,
    )


def wait_running_step(name: str, limit: int | None = None) -> Step:
    """See that a zone that was booted runs."""
    limit = limit or int(BOOT_LIMIT)
    return Step(
        f"waiting for zone {name} to run",
        zoneadm.wait_running(name, limit),
        done=zoneadm.in_state(name, zoneadm.RUNNING),
        timeout=limit + WAIT_MARGIN,
        remedy=f"see its console with zlogin -C {name}",
    )


def wait_multi_user_step(name: str, limit: int | None = None) -> Step:
    """Wait until the services of a zone are up.

    Args:
        limit: seconds.
    """
    limit = limit or int(BOOT_LIMIT)
    return Step(
        f"waiting for zone {name} to be up",
        smf.wait_online(name, smf.MULTI_USER, limit),
        done=smf.online(name, smf.MULTI_USER),
        timeout=limit + WAIT_MARGIN,
        remedy=f"look for the service that hinders it with svcs -z {name} -xv",
    )


def move_steps(name: str, zone: ZoneSeen | None, zonepath: str) -> list[Step]:
    """Give a halted zone the directory that is wanted, when it has another one."""
    if zone is None or not is_installed(zone) or zone.listed.zonepath == zonepath:
        return []
    return [
        Step(
            f"moving zone {name} to {zonepath}",
            zoneadm.move(name, zonepath),
            done=zoneadm.is_at(name, zonepath),
            timeout=INSTALL_LIMIT,
        )
    ]


def unconfigure_steps(name: str) -> list[Step]:
    """Delete a zone's configuration: the last step, since it names everything else."""
    return [
        Step(
            f"deleting the configuration of zone {name}",
            zonecfg.delete(name),
            done=zoneadm.absent(name),
        )
    ]


# Files -------------------------------------------------------------------------------------------


def file_steps(name: str, root: str, wanted: Mapping[str, str | None], zone: ZoneSeen | None) -> list[Step]:
    """Write (or remove, for None) files of a zone's root where they differ from what is there."""
    present = zone.files if zone is not None and is_installed(zone) else {}
    steps = []
    for path, text in wanted.items():
        if text is None:
            if path in present:
                steps.append(
                    Step(
                        f"removing /{path} from zone {name}",
                        files.remove_zone_file(root, path),
                        done=files.zone_file_absent(root, path),
                    )
                )
        elif present.get(path) != text:
            mode = "600" if path.endswith("authorized_keys") else "644"
            steps.append(
                Step(
                    f"writing /{path} in zone {name}",
                    files.write_zone_file(root, path, text, mode),
                    done=files.zone_file_is(root, path, text),
                )
            )
    return steps


def resolv_conf(servers: Iterable[object], domain: str | None = None, search: Iterable[str] = ()) -> str:
    """Content of ``/etc/resolv.conf``."""
    searched = " ".join(search)
    lines = [f"domain {domain}"] if domain else []
    lines += [f"search {searched}"] if searched else []
    return "".join(f"{line}\n" for line in [*lines, *(f"nameserver {server}" for server in servers)])
