"""RouterZone: observe and plan."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import (
    files,
    fragments,
    ipfilter,
    names,
    ndpd,
    records,
    zap_records,
    zoneadm,
    zonecfg,
)
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen, probes
from pulumi_illumos_provider.illumos.zlogin import inside, script_of
from pulumi_illumos_provider.model.base import Change, Properties
from pulumi_illumos_provider.model.common import ZoneState
from pulumi_illumos_provider.model.router_zone import (
    NetworkSettings,
    RouterNetwork,
    RouterNetworkState,
    RouterSettings,
    RouterZoneInputs,
    RouterZoneOutputs,
)
from pulumi_illumos_provider.model.values import HostAddress
from pulumi_illumos_provider.plan import Probes, Step, sh
from pulumi_illumos_provider.resources import etherstub
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.kind import Claim, Difference, Kind, Owner, Plan
from pulumi_illumos_provider.resources.router import (
    drift,
    equipment,
    global_zone,
    links,
    render,
    routes,
    services,
)
from pulumi_illumos_provider.resources.router.design import (
    SETTINGS,
    Design,
    Net,
    attributes,
    recorded,
    work_out,
)
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.limits import Limits
from pulumi_illumos_provider.resources.zone.settings import Settings
from pulumi_illumos_provider.resources.zone.side import Side

_SIDES: tuple[Side[Any, Any], ...] = (Settings(), Limits())


class RouterZoneKind(Kind[RouterZoneInputs, RouterZoneOutputs]):
    """A zone that joins private networks to the world."""

    token: ClassVar[str] = "illumos:index:RouterZone"
    inputs: type[RouterZoneInputs] = RouterZoneInputs
    outputs: type[RouterZoneOutputs] = RouterZoneOutputs
    follows: ClassVar[dict[str, frozenset[str]]] = {
        "gateway": frozenset({"publicAddress"}),
        "publicLink": frozenset({"publicAddress"}),
        "status": frozenset({"status", "state"}),
        "state": frozenset({"status"}),
        "services": frozenset({"status", "state", "services", "networks"}),
        "drift": frozenset({"drift", "status"}),
        "linkProtection": frozenset({"linkProtection"}),
        **{output: inputs for side in _SIDES for output, inputs in side.follows.items()},
    }

    def autoname(self, name: str, suffix: str) -> str:
        return names.automatic_zone(name, suffix)

    def claims(self, wanted: RouterZoneInputs) -> list[Claim]:
        found = []
        if wanted.global_zone:
            found.append(Claim("router in the global zone", 0, 0, "the global zone", "globalZone"))
        for index, public in enumerate(wanted.all_public):
            where = "publicAddress" if index == 0 else f"publicAddresses[{index - 1}]"
            number = int(public.address)
            found.append(Claim("address", number, number, str(public.address), where))
        for index, network in enumerate(wanted.networks):
            path, number = f"networks[{index}]", int(network.router_address)
            found.append(Claim("address", number, number, str(network.router_address), f"{path}.address"))
            first, last = int(network.subnet.network_address), int(network.subnet.broadcast_address)
            found.append(Claim("network", first, last, str(network.subnet), f"{path}.subnet"))
        return found

    def probes(self, name: str, wanted: RouterZoneInputs | None = None) -> Probes:
        return probes(name, global_zone=wanted is not None and wanted.global_zone)

    # Planning ------------------------------------------------------------------------------------

    def plan(
        self,
        wanted: RouterZoneInputs,
        now: Snapshot,
        owner: Owner,
        state: RouterZoneOutputs | None,
    ) -> Plan:
        name = wanted.name or ""
        zone = now.zones.get(name)
        if zone is not None and state is None:
            steps.refuse_foreign(zone, owner, self.token)
        global_zone.refuse_other_kind(wanted, zone)
        design = (global_zone.work_out if wanted.global_zone else work_out)(wanted, zone, now)
        retired = links.retired(design, zone)
        if zone is not None and retired:
            _refuse_served(name, zone, retired, now)
        if wanted.global_zone:
            return global_zone.plan(design, retired, zone, now, owner)
        job = Job(design.name, design.brand, design.zonepath, owner, zone, now)
        for side in _SIDES:
            side.plan(wanted, job)
        if zone is None:
            job.properties |= {"brand": design.brand, "zonepath": design.zonepath}
        job.properties["ip-type"] = "exclusive"
        return _Work(design, retired, job).plan()

    def plan_delete(self, name: str, now: Snapshot, state: RouterZoneOutputs) -> Plan:
        zone = now.zones.get(name)
        networks = zone.networks if zone else ()
        if zone is not None:
            _refuse_attached(zone, now)
        if state.global_zone:
            return global_zone.plan_delete(name, zone, now, state)
        plan: list[Step] = steps.stop_steps(name, zone)
        if zone is not None and zone.listed.state != zoneadm.CONFIGURED:
            plan.append(steps.uninstall_step(name))
        vnics = [state.public_vnic, *(n.vnic for n in state.networks)]
        if zone is not None and zone.public:
            vnics += [zone.public.vnic, *(n.vnic for n in networks)]
        for vnic in dict.fromkeys(vnics):
            if vnic in now.links and now.user_of_link(vnic) in (None, name):
                plan += steps.delete_vnic_steps(vnic)
        shared = [n.shared_vnic for n in state.networks] + [n.shared for n in networks]
        for vnic in dict.fromkeys(shared):
            plan += links.delete_shared_steps(vnic, now)
        owned = [n.etherstub for n in state.networks if n.owns_etherstub]
        owned += [n.etherstub for n in networks if n.owned]
        for stub in dict.fromkeys(owned):
            plan += etherstub.delete_steps(stub)
        plan += zap_records.router_removal_steps(name, now)
        if zone is not None:
            plan += steps.unconfigure_steps(name)
        return Plan(tuple(plan))

    # Reading -------------------------------------------------------------------------------------

    def read(self, host: str, name: str, now: Snapshot) -> RouterZoneOutputs | None:
        zone = now.zones.get(name)
        design = recorded(zone) if zone else None
        if zone is None or design is None:
            return None
        public = design.public
        values: dict[str, Any] = {
            name: getattr(design.settings, name) for name in RouterSettings.model_fields
        }
        in_global_zone = zone.listed.is_global
        for side in _SIDES:
            values |= side.read(zone, now)
        if in_global_zone:
            values |= {"autoboot": True}
        found = global_zone.deviations if in_global_zone else drift.found
        return RouterZoneOutputs(
            host=host,
            name=name,
            global_zone=in_global_zone,
            public_address=_read_public_address(zone, public),
            public_addresses=[_host_address(other) for other in public.others],
            public_link=_read_over(public.vnic, public.link, now),
            public_vnic=public.vnic,
            gateway=public.gateway if in_global_zone else _read_gateway(zone, public),
            networks=[_read_network(net, now) for net in design.networks],
            dns_servers=list(design.servers),
            brand=zone.listed.brand,
            zonepath=zone.listed.zonepath,
            state=ZoneState.RUNNING if steps.is_running(zone) else ZoneState.HALTED,
            status=zone.listed.state,
            services=dict(services.states(design, zone, now.distribution)),
            link_protection=[
                vnic for vnic in design.vnics if vnic in now.links and now.links[vnic].protection
            ],
            drift=list(found(design, zone, now)),
            **values,
        )

    def unfinished(self, state: RouterZoneOutputs) -> list[str]:
        return steps.unfinished(state.name, state.status)

    def importable(self, name: str, now: Snapshot) -> None:
        if name == "global":
            raise Refused("global is the host itself: it cannot be imported as a router zone")
        zone = now.zones.get(name)
        if zone is None:
            return
        steps.refuse_router_of_zap(zone)
        if not zone.is_router:
            raise Refused(
                f"zone {name} is not a router zone of this provider: it has no {records.PUBLIC} "
                "attribute; import it as illumos:index:Zone"
            )
        steps.refuse_incomplete(zone)

    def differences(self, wanted: RouterZoneInputs, state: RouterZoneOutputs) -> list[Difference]:
        found = super().differences(wanted, state)
        if state.status in (zoneadm.CONFIGURED, zoneadm.INCOMPLETE):
            found.append(Difference("status", Change.LIVE))
        elif state.state is not ZoneState.RUNNING:
            found.append(Difference("state", Change.LIVE))
        elif any(value != "online" for value in state.services.values()):
            found.append(Difference("services", Change.LIVE))
        if state.drift:
            found.append(Difference("drift", Change.LIVE, "delete"))
        if state.link_protection:
            found.append(Difference("linkProtection", Change.REBOOT, "delete"))
        return found

    def satisfied(self, field: str, wanted: RouterZoneInputs, state: RouterZoneOutputs) -> bool:
        for side in _SIDES:
            if field in side.fields:
                return side.satisfied(field, wanted, state)
        value = getattr(wanted, field)
        match field:
            case "public_address":
                return value is None or bool(value.matches(state.public_address))
            case "firewall":
                return wanted.settings.firewall == state.firewall
            case "public_addresses":
                return len(value) == len(state.public_addresses) and all(
                    one.matches(other) for one, other in zip(value, state.public_addresses, strict=True)
                )
            case "networks":
                return len(value) == len(state.networks) and all(
                    any(_network_satisfied(network, actual) for actual in state.networks)
                    for network in value
                )
            case _:
                return value is None or bool(value == getattr(state, field))

    def change(self, field: str, wanted: RouterZoneInputs, state: RouterZoneOutputs) -> Change:
        change = super().change(field, wanted, state)
        return Change.LIVE if change.stops and wanted.global_zone else change

    def spell(self, state: RouterZoneOutputs) -> dict[str, Any]:
        spelled: dict[str, Any] = {
            "name": state.name,
            "publicAddress": str(state.public_address),
            "publicLink": state.public_link,
            "networks": [_spell_network(network) for network in state.networks],
            "brand": state.brand,
            "zonepath": state.zonepath,
        }
        if state.public_addresses:
            spelled["publicAddresses"] = [str(address) for address in state.public_addresses]
        if state.gateway is not None:
            spelled["gateway"] = str(state.gateway)
        if state.dns_servers:
            spelled["dnsServers"] = [str(server) for server in state.dns_servers]
        spelled |= _spell(RouterSettings, state)
        if state.global_zone:
            of_zones = ("publicAddress", "gateway", "brand", "zonepath", "firewall")
            spelled = {"globalZone": True} | {k: v for k, v in spelled.items() if k not in of_zones}
        for side in _SIDES:
            spelled |= side.spell(state)
        return spelled


# Planning ----------------------------------------------------------------------------------------


class _Work:
    """From a design and what is there to steps."""

    def __init__(self, design: Design, retired: tuple[records.Network, ...], job: Job) -> None:
        self._design = design
        self._retired = retired
        self._job = job
        self._now = job.now
        self._zone = job.zone
        self._vnics = links.vnic_steps(design, job.now)
        self._stops = job.zone is not None and job.zone.listed.active and self._must_stop(job.zone)
        self._live = job.running and not self._stops

    def _must_stop(self, zone: ZoneSeen) -> bool:
        """A link that the zone has cannot be made anew under it; a new one can be lent to it."""
        present = {net.values.get("physical") for net in zone.config.of_kind("net")}
        changed = any(needed for vnic, needed in self._vnics.items() if vnic in present)
        return changed or bool(self._job.reboot) or not steps.is_running(zone)

    def plan(self) -> Plan:
        """Everything in order."""
        job, design, zone = self._job, self._design, self._zone
        plan: list[Step] = [
            *equipment.ipfilter_steps(self._now),
            *steps.clear_incomplete_steps(design.name, zone),
        ]
        plan += job.before
        # What goes stays in the configuration until it is gone: a run that is cut off knows of it.
        plan += self._configure(self._retired, zone)
        if self._stops:
            plan += steps.stop_steps(design.name, zone)
        plan += links.etherstub_steps(design, zone, self._now, job.owner)
        plan += [step for needed in self._vnics.values() for step in needed]
        plan += links.shared_steps(design, self._now)
        plan += job.links
        plan += self._install()
        plan += self._write()
        plan += self._run() if self._live else self._boot()
        plan += self._retire()
        plan += zap_records.router_steps(
            design.name,
            [n.record for n in design.networks],
            [address.ip for address in design.public.addresses],
            self._now,
        )
        # What was done before is known by this file: so it comes last.
        plan += steps.file_steps(design.name, design.root, {SETTINGS: design.stored}, zone)
        return Plan(tuple(plan), self._warnings())

    def _warnings(self) -> tuple[str, ...]:
        warnings = list(self._job.warnings)
        if self._stops and self._job.running:
            warnings.append(f"router zone {self._design.name} will be rebooted")
        return tuple(warnings)

    def _configure(self, also: tuple[records.Network, ...], present: ZoneSeen | None) -> list[Step]:
        job, design = self._job, self._design
        own = attributes(design, also)
        own[records.OWNER] = records.owner_value(job.owner.urn)
        vnics = [*design.vnics, *(n.vnic for n in also)]
        draft = zonecfg.Draft(
            job.properties,
            (
                *links.nets(vnics, job.config),
                *job.resources,
                *(zonecfg.attribute(*attribute) for attribute in own.items()),
            ),
            frozenset(job.scope | {("net", None), ("attr", None)}),
        )
        template = job.kind.template
        return steps.configure_steps(design.name, draft, template, present)

    def _install(self) -> list[Step]:
        design, zone, distribution = self._design, self._zone, self._now.distribution
        if self._live:
            return equipment.directory_steps(design, distribution) if self._serves_anew() else []
        packages = (distribution.ipfilter_package, distribution.dnsmasq.package)
        options = distribution.router_install((*packages, *design.settings.packages))
        return [
            *steps.install_steps(design.name, zone, options),
            *_equipment_steps(design, distribution),
        ]

    def _serves_anew(self) -> bool:
        zone, distribution = self._zone, self._now.distribution
        path = distribution.dnsmasq.config.lstrip("/")
        return zone is not None and zone.files.get(path) != render.name_server(self._design, distribution)

    def _write(self) -> list[Step]:
        """Write what the zone reads when it boots."""
        design, zone, distribution = self._design, self._zone, self._now.distribution
        contents = {path: text for path, text in render.files(design).items() if path != SETTINGS}
        if not self._live:
            contents[distribution.dnsmasq.config.lstrip("/")] = render.name_server(design, distribution)
            contents[f"{distribution.dnsmasq.config.lstrip('/')}.old"] = None
            contents[ndpd.FORMER] = None
        else:
            del contents[ndpd.CONFIG]
        kept = {f"etc/{kind}.{n.vnic}" for n in self._retired for kind in ("hostname", "hostname6")}
        for path in zone.files if zone else ():
            if path.startswith(("etc/hostname.", "etc/hostname6.")) and path not in kept:
                contents.setdefault(path, None)
        return steps.file_steps(design.name, design.root, contents, zone)

    def _boot(self) -> list[Step]:
        design = self._design
        return [
            *self._rules(),
            *routes.route_steps(design, self._zone, live=False),
            *self._job.inside,
            *steps.boot_steps(design.name, native=True),
            _device_step(design.name, self._now.distribution),
            *services.enable_steps(design, self._now.distribution),
            *self._packages(),
            *self._job.booted,
        ]

    def _run(self) -> list[Step]:
        """Let the running zone follow; rules after links, because they are bound to the links' names."""
        design, zone, distribution = self._design, self._zone, self._now.distribution
        assert zone is not None
        return [
            *links.live_steps(design, zone, self._now),
            *routes.default_steps(design, zone),
            *routes.route_steps(design, zone, live=True),
            *self._packages(),
            *self._rules(),
            *services.mend_steps(design, zone, distribution),
            *services.advertisement_steps(design, zone),
            *services.name_server_steps(design, zone, distribution),
            *self._job.live,
        ]

    def _packages(self) -> list[Step]:
        zone = self._zone
        if zone is None or not steps.is_installed(zone):
            return []
        return _package_steps(self._design, zone, self._now.distribution)

    def _rules(self) -> list[Step]:
        design, zone = self._design, self._zone
        found = [] if zone is None else _former_rules_steps(design, zone)
        for kind, what, rules in (
            (fragments.NAT, "address translation", render.nat_rules(design)),
            (fragments.FILTER, "packet filter", render.filter_rules(design)),
            (fragments.FILTER6, "packet filter for IPv6", render.filter6_rules(design)),
        ):
            found += equipment.rules_steps(kind, what, rules, design, zone)
        return found

    def _retire(self) -> list[Step]:
        if self._zone is None or not self._retired:
            return []
        name, first = self._design.name, len(self._design.networks)
        networks = [f"{records.NETWORK}{first + number}" for number in range(len(self._retired))]
        gone = [zonecfg.attribute(network, "") for network in networks]
        gone += [steps.net(n.vnic) for n in self._retired]
        subnets = ", ".join(str(n.subnet) for n in self._retired)
        return [
            *links.retire_steps(self._retired, self._zone, self._now, self._live),
            Step(
                f"removing {subnets} from the configuration of zone {name}",
                zonecfg.edit(name, map(zonecfg.remove_resource, gone)),
                done=zonecfg.lacks(
                    name,
                    *(f"set name={network}" for network in networks),
                    *(f"set physical={n.vnic}" for n in self._retired),
                ),
            ),
        ]


def _equipment_steps(design: Design, distribution: Distribution) -> list[Step]:
    """Never trust a package manager's exit status: look whether the programs are there."""
    package = distribution.dnsmasq
    script = """
root=$1
shift
while [ $# -ge 2 ]; do
    [ -x "$root$1" ] || { echo "package $2 is missing in the zone: there is no $1" >&2; exit 1; }
    shift 2
done
"""
    words = ("/usr/sbin/ipnat", distribution.ipfilter_package, package.program, package.package)
    return [
        Step(
            f"looking for IPFilter and dnsmasq in zone {design.name}",
            sh(script, design.root, *words),
            remedy="see that the host's package repositories offer the package, then run again",
        ),
        *equipment.directory_steps(design, distribution),
        Step(f"letting zone {design.name} use DNS", files.use_dns(design.root)),
    ]


def _device_step(zone: str, distribution: Distribution) -> Step:
    """A zone gets copies of the devices that the global zone had when the zone was booted."""
    script = """
[ -e /dev/ipnat ] || {
    echo "there is no /dev/ipnat: package $1 was not in the global zone when the zone was booted" >&2
    exit 1
}
"""
    return Step(
        f"looking for IPFilter's devices in zone {zone}",
        inside(zone, script, distribution.ipfilter_package),
        remedy=f"install {distribution.ipfilter_package} in the global zone, and reboot the zone",
    )


def _package_steps(design: Design, zone: ZoneSeen, distribution: Distribution) -> list[Step]:
    """Install packages that are wanted since the zone was installed; none is ever removed."""
    before = recorded(zone)
    had = before.settings.packages if before else []
    return [
        Step(
            f"installing package {package} in zone {design.name}",
            inside(design.name, *script_of(distribution.install_package(package))),
            done=inside(design.name, *script_of(distribution.has_package(package))),
            timeout=steps.INSTALL_LIMIT,
            remedy=f"see that the host's package repositories offer {package}, then run again",
        )
        for package in design.settings.packages
        if package not in had
    ]


def _former_rules_steps(design: Design, zone: ZoneSeen) -> list[Step]:
    """Take away a file that an earlier version wrote as a whole: its rules come back as a fragment."""
    text = zone.files.get(fragments.NAT.config, "")
    before = recorded(zone)
    if before is None or fragments.ROUTER in fragments.read(zone.files, fragments.NAT):
        return []
    former = ipfilter.nat_rules(
        before.public.vnic, before.public.address.ip, (n.record.subnet for n in before.networks)
    )
    if text.splitlines() != former:
        return []
    path = fragments.NAT.config
    return [
        Step(
            f"making room for the rules of several owners in zone {design.name}",
            files.remove_zone_file(design.root, path),
        )
    ]


# Refusals ----------------------------------------------------------------------------------------


def _users(zone: ZoneSeen, networks: tuple[records.Network, ...], now: Snapshot) -> set[str]:
    """The zones on some of a router's networks."""
    own = {n.vnic for n in networks} | {n.shared for n in networks}
    users = {r.name for r in zone.reservations if any(r.address in network.subnet for network in networks)}
    for network in networks:
        for link in now.links_over(network.etherstub):
            user = now.user_of_link(link.name)
            if link.name not in own and user and user != zone.name:
                users.add(user)
        for other in now.zones.values():
            if any(n.values.get("physical") == network.shared for n in other.config.of_kind("net")):
                users.add(other.name)
    return users & set(now.zones) - {zone.name}


def _refuse_served(name: str, zone: ZoneSeen, retired: tuple[records.Network, ...], now: Snapshot) -> None:
    """Refuse to take down a network that still serves zones, naming them."""
    for network in retired:
        users = _users(zone, (network,), now)
        if users:
            raise Refused(
                f"{network.subnet} of router zone {name} still serves {', '.join(sorted(users))}: move "
                "them to another network or delete them first, and remove the network in a later run",
                "networks",
            )


def _refuse_attached(zone: ZoneSeen, now: Snapshot) -> None:
    """Refuse to delete a router that still serves zones, or has rules of others, naming them."""
    users = sorted(_users(zone, zone.networks, now) | {r.name for r in zone.reservations} & set(now.zones))
    users += fragments.attached_fragments(zone.files)
    if users:
        raise Refused(f"router zone {zone.name} still serves {', '.join(users)}: delete them first")


# What is there -----------------------------------------------------------------------------------


def _read_public_address(zone: ZoneSeen, public: records.Public) -> HostAddress:
    lines = zone.files.get(f"etc/hostname.{public.vnic}", "").split()
    try:
        address = IPv4Interface(lines[0]) if lines else public.address
    except ValueError:
        address = public.address
    return _host_address(address)


def _host_address(address: IPv4Interface) -> HostAddress:
    return HostAddress(address.ip, address.network.prefixlen)


def _read_gateway(zone: ZoneSeen, public: records.Public) -> IPv4Address | None:
    if not zone.files:
        return public.gateway
    lines = zone.files.get("etc/defaultrouter", "").split()
    try:
        return IPv4Address(lines[0]) if lines else None
    except ValueError:
        return public.gateway


def _read_over(vnic: str, recorded: str, now: Snapshot) -> str:
    link = now.links.get(vnic)
    return link.over if link and link.over else recorded


def _read_network(net: Net, now: Snapshot) -> RouterNetworkState:
    record, settings = net.record, net.settings
    return RouterNetworkState(
        etherstub=_read_over(record.vnic, record.etherstub, now),
        subnet=record.subnet,
        address=record.address,
        dhcp=record.dhcp,
        domain=record.domain,
        vnic=record.vnic,
        shared_vnic=record.shared,
        owns_etherstub=record.owned,
        **{field: getattr(settings, field) for field in NetworkSettings.model_fields},
    )


def _network_satisfied(network: RouterNetwork, actual: RouterNetworkState) -> bool:
    return (
        network.subnet == actual.subnet
        and network.router_address == actual.address
        and network.dhcp == actual.dhcp
        and network.domain == actual.domain
        and network.etherstub in (None, actual.etherstub)
        and all(getattr(network, n) == getattr(actual, n) for n in NetworkSettings.model_fields)
    )


def _spell_network(network: RouterNetworkState) -> dict[str, Any]:
    spelled: dict[str, Any] = {"subnet": str(network.subnet)}
    if not network.owns_etherstub:
        spelled["etherstub"] = network.etherstub
    if network.address != network.subnet.network_address + 1:
        spelled["address"] = str(network.address)
    if not network.dhcp:
        spelled["dhcp"] = False
    if network.domain:
        spelled["domain"] = network.domain
    return spelled | _spell(NetworkSettings, network)


def _spell(model: type[Properties], state: Properties) -> dict[str, Any]:
    """The properties of a model that a state has other than by default, as a user writes them."""
    written = state.wire()
    return {
        name: written[name]
        for field, info in model.model_fields.items()
        if (name := model.property_name(field)) in written and getattr(state, field) != info.default
    }
