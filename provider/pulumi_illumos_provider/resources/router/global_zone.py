"""A router in the global zone, for a host that has a single public address.

It is no zone: it has a name, records in a file on the host (`records.DIRECTORY`), a vnic with an address
in the global zone for each network, and the global zone's own forwarding, IPFilter and dnsmasq. The host's
packet filter is left alone, so that nobody is locked out. What was switched off before is noted, and
switched off again when the router goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import (
    dnsmasq,
    files,
    fragments,
    ipadm,
    records,
    smf,
    zap_records,
)
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.illumos.zlogin import GLOBAL
from pulumi_illumos_provider.model.router_zone import RouterZoneInputs, RouterZoneOutputs
from pulumi_illumos_provider.plan import Step, sh
from pulumi_illumos_provider.resources import etherstub
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.kind import Owner, Plan
from pulumi_illumos_provider.resources.router import drift, equipment, links, render, services
from pulumi_illumos_provider.resources.router.design import (
    SETTINGS,
    Design,
    Net,
    attributes,
    work_out_networks,
)

NWAM = "svc:/network/physical:nwam"


# Working out -------------------------------------------------------------------------------------


def work_out(wanted: RouterZoneInputs, zone: ZoneSeen | None, now: Snapshot) -> Design:
    """Work a router in the global zone out.

    Raises:
        Refused: it does not fit the host; names the property.
    """
    seen = _seen(now)
    _refuse_second(wanted.name or "", now)
    if seen.services.get(NWAM, "disabled") != "disabled":
        raise Refused(
            f"the host's network is configured by {NWAM}, which takes down what it does not know: give the "
            f"host a static address (on Tribblix: zap staticnet -y), with svcadm disable {NWAM} and "
            "svcadm enable svc:/network/physical:default",
            "globalZone",
        )
    if zone is None:
        _refuse_own_filter(seen)
    _refuse_own_name_server(seen, now.distribution)
    public = _public(wanted, now)
    return Design(
        name=wanted.name or "",
        brand=seen.listed.brand,
        zonepath=seen.listed.zonepath,
        public=public,
        networks=tuple(map(_without_shared, work_out_networks(wanted, zone, public, now))),
        servers=tuple(wanted.dns_servers if wanted.dns_servers is not None else now.resolvers),
        settings=wanted.settings,
    )


def _seen(now: Snapshot) -> ZoneSeen:
    assert now.global_zone is not None, "the probes of a router in the global zone ask for it"
    return now.global_zone


def _without_shared(net: Net) -> Net:
    """Shared-ip zones have their addresses on the router's own vnic, which is in the same IP stack."""
    return replace(net, record=replace(net.record, shared=net.record.vnic))


def _public(wanted: RouterZoneInputs, now: Snapshot) -> records.Public:
    route = now.default_route
    link = wanted.public_link or (route.interface if route else "")
    if not link:
        raise Refused("the host has no default route: name the link to the world", "publicLink")
    addresses = now.addresses.get(link, [])
    if not addresses:
        raise Refused(
            f"the host has no IPv4 address on {link}: give it one with ipadm create-addr -T static, or "
            "name another link with publicLink",
            "publicLink",
        )
    usual = [a for a in addresses if route and route.gateway in a.network]
    address = (usual or addresses)[0]
    if address.ip in now.dhcp_addresses:
        raise Refused(
            f"DHCP gives the host its address {address.ip} on {link}, and rules with it would be wrong "
            "when it changes: make it static with ipadm delete-addr and ipadm create-addr -T static, and "
            "keep the default route with route -p add",
            "globalZone",
        )
    return records.Public(link, link, address, route.gateway if route and usual else None)


# Planning ----------------------------------------------------------------------------------------


def plan(
    design: Design,
    retired: tuple[records.Network, ...],
    zone: ZoneSeen | None,
    now: Snapshot,
    owner: Owner,
) -> Plan:
    """From a design and what is there to steps.

    Args:
        retired: networks that the router has, and that go.
        zone: the router as it is.
    """
    seen, distribution = _seen(now), now.distribution
    kept = _kept(design, zone, seen, owner, distribution)
    found = _record_steps(design, attributes(design, retired) | kept, zone)
    found += equipment.ipfilter_steps(now)
    found += _dnsmasq_steps(design, seen, distribution)
    found += links.etherstub_steps(design, zone, now, owner)
    found += _link_steps(design, now)
    contents = {dnsmasq.RECORDS.lstrip("/"): render.files(design)[dnsmasq.RECORDS.lstrip("/")]}
    found += steps.file_steps(GLOBAL, design.root, contents, seen)
    found += equipment.rules_steps(
        fragments.NAT, "address translation", render.nat_rules(design), design, seen
    )
    # Its configuration comes first: on some systems the service waits for the file.
    found += services.name_server_steps(design, seen, distribution)
    found += services.mend_steps(design, seen, distribution)
    found += _retire_steps(retired, now)
    if retired:
        found += _record_steps(design, attributes(design) | kept, None)
    found += steps.file_steps(GLOBAL, design.root, {SETTINGS: design.stored}, seen)
    return Plan(tuple(found))


def _kept(
    design: Design, zone: ZoneSeen | None, seen: ZoneSeen, owner: Owner, distribution: Distribution
) -> dict[str, str]:
    """What is recorded beside the design."""
    if zone is not None:
        switched = zone.config.attributes.get(records.SWITCHED_ON, "")
    else:
        needed = services.fmris(design, distribution)
        off = [service for service, fmri in needed.items() if not _is_on(service, fmri, seen)]
        switched = " ".join(off)
    return {
        records.OWNER: records.owner_value(owner.urn),
        records.SERVERS: " ".join(map(str, design.servers)),
        records.SWITCHED_ON: switched,
    }


def _is_on(service: str, fmri: str, seen: ZoneSeen) -> bool:
    """Whether the host does already what a service is for."""
    if service == "forwarding" and not services.forwarding_is_off(seen):
        return True
    return seen.services.get(fmri, "disabled") != "disabled"


def _record_steps(design: Design, wanted: dict[str, str], zone: ZoneSeen | None) -> list[Step]:
    if zone is not None and zone.config.attributes == wanted:
        return []
    text = records.router_file(wanted)
    return [
        Step(
            f"recording router {design.name} of the global zone",
            files.write_file(f"{records.DIRECTORY}/{design.name}", text),
            done=files.zone_file_is(records.DIRECTORY, design.name, text),
        )
    ]


def _dnsmasq_steps(design: Design, seen: ZoneSeen, distribution: Distribution) -> list[Step]:
    """Have dnsmasq in the global zone, and keep the configuration that came with it."""
    package = distribution.dnsmasq
    present = seen.files.get(package.config.lstrip("/"), "")
    if present == render.name_server(design, distribution):
        return []
    if dnsmasq.HEADER in split_lines(present):
        return equipment.directory_steps(design, distribution)
    keep = f"""
[ ! -f "$1" ] || grep -F -x -e '{dnsmasq.HEADER}' "$1" >/dev/null || [ -f "$1.before" ] ||
    cp -p "$1" "$1.before"
"""
    return [
        Step(
            f"installing package {package.package} in the global zone",
            distribution.install_package(package.package),
            done=sh('[ -x "$1" ]', package.program),
            timeout=steps.INSTALL_LIMIT,
            remedy=f"see that the host's package repositories offer {package.package}, then run again",
        ),
        Step("keeping the configuration that dnsmasq came with", sh(keep, package.config)),
        *equipment.directory_steps(design, distribution),
    ]


def _link_steps(design: Design, now: Snapshot) -> list[Step]:
    found = []
    for net in design.networks:
        vnic, interface = net.record.vnic, net.interface
        made = steps.vnic_steps(vnic, net.record.etherstub, now)
        link = now.links.get(vnic)
        if link is not None and link.over != net.record.etherstub:
            found += _unplumb_steps(vnic)
        found += made
        if made or interface not in now.addresses.get(vnic, []):
            found.append(
                Step(
                    f"giving {vnic} of the global zone the address {interface}",
                    ipadm.set_address(_address_object(vnic), interface),
                    done=ipadm.has_address(_address_object(vnic), interface),
                )
            )
    return found


def _address_object(vnic: str) -> str:
    return f"{vnic}/router"


def _unplumb_steps(vnic: str) -> list[Step]:
    return [Step(f"unplumbing {vnic}", ipadm.delete_interface(vnic), done=ipadm.interface_absent(vnic))]


def _retire_steps(networks: Iterable[records.Network], now: Snapshot) -> list[Step]:
    found = []
    for network in networks:
        found += links.delete_shared_steps(network.vnic, now)
        if network.owned:
            found += etherstub.delete_steps(network.etherstub)
    return found


# Removing ----------------------------------------------------------------------------------------


def plan_delete(name: str, zone: ZoneSeen | None, now: Snapshot, state: RouterZoneOutputs) -> Plan:
    """Steps that remove the router; what the host did before, it does afterwards.

    Args:
        zone: the router; None when its record is gone, and with it everything but links.
    """
    found = _quiet_steps(name, zone, now.distribution) if zone is not None else []
    networks = zone.networks if zone is not None else ()
    vnics = [n.vnic for n in networks] + [n.vnic for n in state.networks]
    for vnic in dict.fromkeys(vnics):
        found += links.delete_shared_steps(vnic, now)
    owned = [n.etherstub for n in networks if n.owned]
    owned += [n.etherstub for n in state.networks if n.owns_etherstub]
    for stub in dict.fromkeys(owned):
        found += etherstub.delete_steps(stub)
    found.append(
        Step(
            f"forgetting router {name} of the global zone",
            sh(
                'rm -f "$2" "$1/$3" && { rmdir "$1" "${1%/*}" 2>/dev/null; :; }',
                records.DIRECTORY,
                f"/{SETTINGS}",
                name,
            ),
            done=sh('[ ! -f "$1" ] && [ ! -f "$2" ]', f"{records.DIRECTORY}/{name}", f"/{SETTINGS}"),
        )
    )
    return Plan(tuple(found))


def _quiet_steps(name: str, zone: ZoneSeen, distribution: Distribution) -> list[Step]:
    """Let the host's services be as they were before."""
    switched = zone.config.attributes.get(records.SWITCHED_ON, "").split()
    package, rules = distribution.dnsmasq, (fragments.NAT, GLOBAL, zone.root, fragments.ROUTER)
    ours = (dnsmasq.HOSTS_DIRECTORY, dnsmasq.NAMES_DIRECTORY, dnsmasq.RECORDS.rpartition("/")[0])
    leases = [package.lease_file] if "dnsmasq" in switched else []
    restore = """
config=$1
shift
if [ -f "$config.before" ]; then
    mv -f "$config.before" "$config"
else
    ! grep -F -x -e "$1" "$config" >/dev/null 2>&1 || rm -f "$config"
fi || exit
rm -f "$config.old"
shift
for directory in "$1" "$2" "$3"; do
    rm -f "$directory"/* && { rmdir "$directory" 2>/dev/null || [ ! -d "$directory" ]; } || exit
done
shift 3
rm -f "$@"
"""
    return [
        *_off_step("dnsmasq", package.fmri, switched),
        Step(
            "removing the configuration of dnsmasq in the global zone",
            sh(restore, package.config, dnsmasq.HEADER, *ours, f"{package.lease_file}.new", *leases),
        ),
        *([] if "dnsmasq" in switched else [_restart_step(package.fmri)]),
        *_off_step("forwarding", smf.FORWARDING, switched),
        Step(
            f"removing the rules of router {name} in the global zone",
            fragments.remove(*rules),
            done=fragments.absent(*rules),
            timeout=equipment.RULES_LIMIT,
        ),
        *_off_step("ipfilter", smf.IPFILTER, switched),
    ]


def _off_step(service: str, fmri: str, switched: Iterable[str]) -> list[Step]:
    if service not in switched:
        return []
    return [
        Step(
            f"switching {service} off in the global zone, as it was",
            smf.disable(GLOBAL, fmri),
            done=smf.disabled(GLOBAL, fmri),
            timeout=services.LIMIT,
            remedy=f"look at it with svcs -xv {fmri}",
        )
    ]


def _restart_step(fmri: str) -> Step:
    return Step(
        "letting dnsmasq of the global zone have its own configuration again",
        smf.restart(GLOBAL, fmri),
        timeout=services.LIMIT,
        remedy=f"look at it with svcs -xv {fmri}",
    )


# Reading -----------------------------------------------------------------------------------------


def deviations(design: Design, zone: ZoneSeen, now: Snapshot) -> Iterator[str]:
    """What is not as the router's own records say, in words."""
    config = now.distribution.dnsmasq.config.lstrip("/")
    wanted = render.files(design)
    wanted = {path: wanted[path] for path in (SETTINGS, dnsmasq.RECORDS.lstrip("/"))}
    for path, text in (wanted | {config: render.name_server(design, now.distribution)}).items():
        if zone.files.get(path) != text:
            yield f"/{path} was changed" if path in zone.files else f"/{path} is missing"
    if f"{config}.old" in zone.files:
        yield f"a change of /{config} was cut off"
    yield from drift.rules(fragments.NAT, render.nat_rules(design), zone)
    if services.forwarding_is_off(zone):
        yield "forwarding is off"
    public = design.public
    if public.address not in now.addresses.get(public.link, []):
        yield f"the host does not have {public.address} on {public.link} any more"
    for net in design.networks:
        vnic = net.record.vnic
        if vnic not in now.links:
            yield f"there is no vnic {vnic}"
        elif net.interface not in now.addresses.get(vnic, []):
            yield f"{vnic} has other addresses"


# Refusals ----------------------------------------------------------------------------------------


def _refuse_second(name: str, now: Snapshot) -> None:
    others = [router.name for router in now.routers if router.listed.is_global and router.name != name]
    if any(routed.router == GLOBAL for routed in zap_records.routed(now.zap)):
        others.append("one that zap made")
    if others:
        raise Refused(
            f"the global zone has a router already ({', '.join(others)}): add networks to that one, or "
            "make a router zone",
            "globalZone",
        )


def _refuse_own_filter(seen: ZoneSeen) -> None:
    """Refuse to let rules count that an administrator wrote and did not switch on."""
    if seen.services.get(smf.IPFILTER, "disabled") != "disabled":
        return
    asleep = [line for line in split_lines(seen.files.get(fragments.FILTER.config, "")) if _says(line)]
    policy = seen.live.get("policy", "").strip()
    if asleep or policy not in ("none", ""):
        what = f"/{fragments.FILTER.config} has rules" if asleep else f"its policy is {policy}"
        raise Refused(
            f"IPFilter is off in the global zone, and {what}: address translation would switch it on, and "
            f"that could lock you out. See that they are right, and enable {smf.IPFILTER} yourself first",
            "globalZone",
        )


def _refuse_own_name_server(seen: ZoneSeen, distribution: Distribution) -> None:
    path = distribution.dnsmasq.config
    lines = split_lines(seen.files.get(path.lstrip("/"), ""))
    if dnsmasq.HEADER not in lines and any(_says(line) for line in lines):
        raise Refused(
            f"dnsmasq of the global zone has a configuration of its own ({path}), which a router there "
            "would replace: move it away, or make a router zone",
            "globalZone",
        )


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.strip().startswith("#")


def refuse_other_kind(wanted: RouterZoneInputs, zone: ZoneSeen | None) -> None:
    """Refuse a name that a router of the other kind has: in the global zone, or in a zone of its own."""
    if zone is not None and zone.listed.is_global != wanted.global_zone:
        what = "a router in the global zone" if zone.listed.is_global else "a zone"
        raise Refused(f"{zone.name} is {what} already: choose another name", "name")


def refuse_own_login(zone: ZoneSeen, protocol: str, first: int, last: int, property: str) -> None:
    """Refuse to forward the port by which the host itself is reached."""
    if not zone.listed.is_global or protocol != "tcp":
        return
    for port in {"22", zone.live.get("ssh", "").strip()}:
        if port.isdigit() and first <= int(port) <= last:
            raise Refused(
                f"tcp port {port} of the global zone is the host's own SSH, and its administrator would be "
                "locked out: choose another port",
                property,
            )
