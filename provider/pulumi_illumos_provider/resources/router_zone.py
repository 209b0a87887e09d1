"""RouterZone: observe and plan."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import (
    fragments,
    names,
    records,
    zoneadm,
)
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen, probes
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
from pulumi_illumos_provider.plan import Probes, Step
from pulumi_illumos_provider.resources import etherstub, zap
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.kind import Claim, Difference, Kind, Owner, Plan
from pulumi_illumos_provider.resources.router import (
    drift,
    global_zone,
    links,
    services,
)
from pulumi_illumos_provider.resources.router.design import (
    Net,
    recorded,
    work_out,
)
from pulumi_illumos_provider.resources.router.work import Work
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
    serves: ClassVar[bool] = True
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
        return Work(design, retired, job).plan()

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
        plan += zap.router_removal_steps(name, now)
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
