"""RouterZone: observe and plan."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import (
    dnsmasq,
    files,
    ipadm,
    ipfilter,
    names,
    records,
    smf,
    zoneadm,
    zonecfg,
)
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen, parse_resolvers
from pulumi_illumos_provider.model.base import Change
from pulumi_illumos_provider.model.common import ZoneState, address_fault
from pulumi_illumos_provider.model.router_zone import (
    RouterNetwork,
    RouterNetworkState,
    RouterZoneInputs,
    RouterZoneOutputs,
)
from pulumi_illumos_provider.model.values import HostAddress
from pulumi_illumos_provider.plan import Step, sh
from pulumi_illumos_provider.resources import etherstub
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.kind import Difference, Kind, Owner, Plan
from pulumi_illumos_provider.resources.placement import user_of_address

SERVICE_LIMIT = 180.0


@dataclass(frozen=True)
class Design:
    """A router zone with everything worked out."""

    name: str
    brand: str
    zonepath: str
    public: records.Public
    networks: tuple[records.Network, ...]
    servers: tuple[IPv4Address, ...]

    @property
    def root(self) -> str:
        """Its root directory, seen from the global zone."""
        return f"{self.zonepath}/root"

    @property
    def vnics(self) -> dict[str, str]:
        """The zone's own vnics, and what each is over."""
        return {self.public.vnic: self.public.link} | {n.vnic: n.etherstub for n in self.networks}


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
        "services": frozenset({"status", "state"}),
    }

    def autoname(self, name: str, suffix: str) -> str:
        return names.automatic_zone(name, suffix)

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
        design = _design(wanted, zone, now)
        config = _configuration(design, wanted, zone, owner)
        package = now.distribution.dnsmasq
        contents = _files(design, zone, now.distribution)
        live = {"etc/resolv.conf", package.config.lstrip("/")}
        links = _own_etherstub_steps(design, zone, now, owner)
        for vnic, over in design.vnics.items():
            links += steps.vnic_steps(vnic, over, now)
        links += _retired_vnic_steps(design, zone, now)
        boot_contents = {path: text for path, text in contents.items() if path not in live}
        nets_changed = zone is not None and {net.key for net in zone.config.of_kind("net")} != set(
            design.vnics
        )
        must_stop = bool(links or nets_changed or steps.file_steps(name, design.root, boot_contents, zone))
        stop = zone is not None and zone.listed.active and must_stop
        boots = stop or not steps.is_running(zone)
        writes = steps.file_steps(name, design.root, contents, zone)

        plan: list[Step] = _ipfilter_steps(now)
        plan += steps.clear_incomplete_steps(name, zone)
        plan += steps.configure_steps(name, config, now.distribution.templates.get(design.brand), zone)
        if stop:
            plan += steps.stop_steps(name, zone)
        plan += links
        plan += _shared_steps(design, zone, now)
        plan += _retired_etherstub_steps(design, zone)
        if not steps.is_installed(zone):
            options = now.distribution.router_install((now.distribution.ipfilter_package, package.package))
            plan += steps.install_steps(name, zone, options)
            plan += _equipment_steps(design, now.distribution)
        plan += writes
        if boots:
            plan += steps.boot_steps(name, native=True)
        plan += _service_steps(name, zone, boots, bool(writes) and not boots, now.distribution)
        return Plan(tuple(plan))

    def plan_delete(self, name: str, now: Snapshot, state: RouterZoneOutputs) -> Plan:
        zone = now.zones.get(name)
        networks = zone.networks if zone else ()
        _refuse_attached(name, zone, networks, now)
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
            plan += _delete_shared_steps(vnic, now)
        owned = [n.etherstub for n in state.networks if n.owns_etherstub]
        owned += [n.etherstub for n in networks if n.owned]
        for stub in dict.fromkeys(owned):
            plan += etherstub.delete_steps(stub)
        if zone is not None:
            plan += steps.unconfigure_steps(name)
        return Plan(tuple(plan))

    # Reading -------------------------------------------------------------------------------------

    def read(self, host: str, name: str, now: Snapshot) -> RouterZoneOutputs | None:
        zone = now.zones.get(name)
        if zone is None or zone.public is None:
            return None
        public = zone.public
        return RouterZoneOutputs(
            host=host,
            name=name,
            public_address=_read_public_address(zone, public),
            public_link=_read_over(public.vnic, public.link, now),
            public_vnic=public.vnic,
            gateway=_read_gateway(zone, public),
            networks=[
                RouterNetworkState(
                    etherstub=_read_over(n.vnic, n.etherstub, now),
                    subnet=n.subnet,
                    address=n.address,
                    dhcp=n.dhcp,
                    domain=n.domain,
                    vnic=n.vnic,
                    shared_vnic=n.shared,
                    owns_etherstub=n.owned,
                )
                for n in zone.networks
            ],
            brand=zone.listed.brand,
            zonepath=zone.listed.zonepath,
            autoboot=zone.config.properties.get("autoboot") == "true",
            dns_servers=parse_resolvers(zone.files.get("etc/resolv.conf", "")),
            state=ZoneState.RUNNING if steps.is_running(zone) else ZoneState.HALTED,
            status=zone.listed.state,
            services=_services(zone, now.distribution),
            link_protection=[
                vnic
                for vnic in (public.vnic, *(n.vnic for n in zone.networks))
                if vnic in now.links and now.links[vnic].protection
            ],
        )

    def unfinished(self, state: RouterZoneOutputs) -> list[str]:
        return steps.unfinished(state.name, state.status)

    def importable(self, name: str, now: Snapshot) -> None:
        if name == "global":
            raise Refused("global is the host itself: it cannot be imported as a router zone")
        zone = now.zones.get(name)
        if zone is None:
            return
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
        if state.link_protection:
            found.append(Difference("linkProtection", Change.REBOOT, "delete"))
        return found

    def satisfied(self, field: str, wanted: RouterZoneInputs, state: RouterZoneOutputs) -> bool:
        value = getattr(wanted, field)
        match field:
            case "public_address":
                return bool(value.matches(state.public_address))
            case "networks":
                return len(value) == len(state.networks) and all(
                    any(_network_satisfied(network, actual) for actual in state.networks)
                    for network in value
                )
            case _:
                return value is None or bool(value == getattr(state, field))

    def spell(self, state: RouterZoneOutputs) -> dict[str, Any]:
        spelled: dict[str, Any] = {
            "name": state.name,
            "publicAddress": str(state.public_address),
            "publicLink": state.public_link,
            "networks": [_spell_network(network) for network in state.networks],
            "brand": state.brand,
            "zonepath": state.zonepath,
        }
        if state.gateway is not None:
            spelled["gateway"] = str(state.gateway)
        if not state.autoboot:
            spelled["autoboot"] = False
        if state.dns_servers:
            spelled["dnsServers"] = [str(server) for server in state.dns_servers]
        return spelled


# Working out -------------------------------------------------------------------------------------


def _design(wanted: RouterZoneInputs, zone: ZoneSeen | None, now: Snapshot) -> Design:
    name = wanted.name or ""
    brand = steps.choose_brand(
        wanted.brand or (zone.listed.brand if zone else None), now.distribution.router_brand, now
    )
    if brand not in now.distribution.native_brands:
        raise Refused(
            f"a router zone needs a brand with illumos services, and {brand} has none: use one of "
            f"{', '.join(sorted(now.distribution.native_brands & now.brands))}",
            "brand",
        )
    zonepath = zone.listed.zonepath if zone else steps.choose_zonepath(wanted.zonepath, name, now)
    public = _public(wanted, now)
    return Design(
        name=name,
        brand=brand,
        zonepath=zonepath,
        public=public,
        networks=_networks(wanted, zone, public, now),
        servers=tuple(wanted.dns_servers if wanted.dns_servers is not None else now.resolvers),
    )


def _public(wanted: RouterZoneInputs, now: Snapshot) -> records.Public:
    asked = wanted.public_address
    held = now.link_of_network(asked.address)
    link = wanted.public_link or (held[0] if held else None)
    if link is None and now.default_route:
        link = now.default_route.interface or None
    if link is None:
        raise Refused(
            f"no link of the host leads to {asked.address}: name one with publicLink",
            "publicAddress",
        )
    if link not in now.links:
        raise Refused(f"there is no link {link} on the host", "publicLink")
    if now.links[link].link_class in ("vnic", "vlan"):
        raise Refused(f"{link} is a {now.links[link].link_class}: no vnic can be over it", "publicLink")
    own = [a.network for a in now.addresses.get(link, []) if asked.address in a.network]
    if asked.prefix is None and not own:
        raise Refused(
            f"{asked.address} is in no network of the host on {link}: "
            f"write it with its prefix length, as in {asked.address}/24",
            "publicAddress",
        )
    address = asked.interface(own[0].prefixlen if own else 32)
    if fault := address_fault(HostAddress(address.ip, address.network.prefixlen), address.network):
        raise Refused(fault, "publicAddress")
    if now.default_route and now.default_route.gateway == address.ip:
        raise Refused(f"{address.ip} is the host's gateway: choose another", "publicAddress")
    user = user_of_address(address.ip, link, now, wanted.name or "")
    if user:
        raise Refused(f"{address.ip} is taken by {user}: choose another address", "publicAddress")
    gateway = wanted.gateway
    if gateway is None and now.default_route and now.default_route.gateway in address.network:
        gateway = now.default_route.gateway
    if gateway is not None and (gateway not in address.network or gateway == address.ip):
        raise Refused(
            f"the gateway {gateway} must be another address of {address.network}, "
            "the network of the public address",
            "gateway",
        )
    return records.Public(link, names.vnic(wanted.name or "", 0), address, gateway)


def _networks(
    wanted: RouterZoneInputs, zone: ZoneSeen | None, public: records.Public, now: Snapshot
) -> tuple[records.Network, ...]:
    name = wanted.name or ""
    # A network that stays keeps its links: their names follow from a number that is never moved.
    present = {n.subnet: n for n in zone.networks} if zone else {}
    numbers = iter(
        number
        for number in range(len(wanted.networks) + len(present) + 1)
        if names.shared_vnic(name, number) not in {n.shared for n in present.values()}
    )
    found = []
    for index, network in enumerate(wanted.networks):
        path = f"networks[{index}]"
        _refuse_overlap(network, path, public, name, now)
        kept = present.get(network.subnet)
        if kept is not None and network.etherstub not in (None, kept.etherstub):
            kept = None
        number = 0 if kept else next(numbers)
        owned = network.etherstub is None
        stub = network.etherstub or (kept.etherstub if kept else names.owned_etherstub(name, number))
        if not owned:
            _require_etherstub(stub, path, name, now)
        found.append(
            records.Network(
                etherstub=stub,
                subnet=network.subnet,
                address=network.router_address,
                vnic=kept.vnic if kept else names.vnic(name, number + 1),
                shared=kept.shared if kept else names.shared_vnic(name, number),
                dhcp=network.dhcp,
                domain=network.domain,
                owned=kept.owned if kept and owned else owned,
            )
        )
    return tuple(found)


def _refuse_overlap(
    network: RouterNetwork, path: str, public: records.Public, name: str, now: Snapshot
) -> None:
    for router in now.routers:
        for other in router.networks:
            if router.name != name and other.subnet.overlaps(network.subnet):
                raise Refused(
                    f"{network.subnet} overlaps {other.subnet} of router zone {router.name}: "
                    "choose other addresses",
                    f"{path}.subnet",
                )
    for link, addresses in now.addresses.items():
        for own in addresses:
            if own.network.overlaps(network.subnet):
                raise Refused(
                    f"{network.subnet} overlaps {own.network}, the host's own network on {link}: "
                    "choose other addresses",
                    f"{path}.subnet",
                )
    if public.address.network.overlaps(network.subnet):
        raise Refused(
            f"{network.subnet} overlaps {public.address.network}, the network of the public "
            "address: choose other addresses",
            f"{path}.subnet",
        )


def _require_etherstub(stub: str, path: str, name: str, now: Snapshot) -> None:
    where = f"{path}.etherstub"
    link = now.links.get(stub)
    if link is None:
        raise Refused(
            f"there is no etherstub {stub} on the host: make it with an Etherstub resource, "
            "or leave it out and the router zone makes one",
            where,
        )
    if link.link_class != "etherstub":
        raise Refused(f"{stub} is not an etherstub but a link of class {link.link_class}", where)
    for router in now.routers:
        if router.name != name and any(n.etherstub == stub for n in router.networks):
            raise Refused(f"etherstub {stub} carries a network of router zone {router.name}", where)


def _records(design: Design, owner: Owner) -> dict[str, str]:
    own = {
        records.OWNER: records.owner_value(owner.urn),
        records.PUBLIC: design.public.encode(),
    }
    for number, network in enumerate(design.networks):
        own[f"{records.NETWORK}{number}"] = network.encode()
    return own


def _configuration(
    design: Design, wanted: RouterZoneInputs, zone: ZoneSeen | None, owner: Owner
) -> zonecfg.Draft:
    properties = {"autoboot": steps.boolean(wanted.autoboot), "ip-type": "exclusive"}
    if zone is None:
        properties |= {"brand": design.brand, "zonepath": design.zonepath}
    kept = [
        attribute
        for attribute in (zone.config.of_kind("attr") if zone else [])
        if not attribute.key.startswith(records.PREFIX)
    ]
    own = [zonecfg.attribute(*record) for record in _records(design, owner).items()]
    # No allowed-address: the host would drop every packet that the router forwards inwards.
    present = zone.config.of_kind("net") if zone else []
    nets = [
        zonecfg.keeping(steps.net(vnic), present, frozenset({"address", "allowed-address", "defrouter"}))
        for vnic in design.vnics
    ]
    scope: set[tuple[str, str | None]] = {("attr", None), ("net", None)}
    return zonecfg.Draft(properties, (*nets, *own, *kept), frozenset(scope))


# Steps -------------------------------------------------------------------------------------------


def _ipfilter_steps(now: Snapshot) -> list[Step]:
    """A zone gets copies of the global zone's devices: the package must be there before it boots."""
    if now.ipfilter_installed:
        return []
    package = now.distribution.ipfilter_package
    return [
        Step(
            f"installing package {package} in the global zone",
            now.distribution.install_package(package),
            done=sh("[ -x /usr/sbin/ipnat ]"),
            timeout=steps.INSTALL_LIMIT,
        )
    ]


def _own_etherstub_steps(design: Design, zone: ZoneSeen | None, now: Snapshot, owner: Owner) -> list[Step]:
    found: list[Step] = []
    before = {n.etherstub for n in zone.networks if n.owned} if zone else set()
    for network in design.networks:
        if not network.owned:
            continue
        link = now.links.get(network.etherstub)
        if link is None:
            found += etherstub.create_steps(network.etherstub, owner)
        elif network.etherstub not in before:
            etherstub.refuse_foreign(link, now, owner)
    return found


def _shared_steps(design: Design, zone: ZoneSeen | None, now: Snapshot) -> list[Step]:
    """A plumbed vnic without address over each etherstub: shared-ip zones get theirs on it."""
    found: list[Step] = []
    for network in design.networks:
        link = now.links.get(network.shared)
        if link and link.over != network.etherstub:
            found += _delete_shared_steps(network.shared, now)
            link = None
        if link is None:
            found += steps.vnic_steps(network.shared, network.etherstub, now)
        if link is None or network.shared not in now.interfaces:
            found.append(
                Step(
                    f"plumbing {network.shared} for shared-ip zones",
                    ipadm.create_interface(network.shared),
                    done=ipadm.interface_exists(network.shared),
                )
            )
    kept = {network.shared for network in design.networks}
    for network in zone.networks if zone else ():
        if network.shared not in kept:
            found += _delete_shared_steps(network.shared, now)
    return found


def _delete_shared_steps(vnic: str, now: Snapshot) -> list[Step]:
    if vnic not in now.links:
        return []
    return [
        Step(
            f"unplumbing {vnic}",
            ipadm.delete_interface(vnic),
            done=ipadm.interface_absent(vnic),
        ),
        *steps.delete_vnic_steps(vnic),
    ]


def _retired_vnic_steps(design: Design, zone: ZoneSeen | None, now: Snapshot) -> list[Step]:
    found: list[Step] = []
    for network in zone.networks if zone else ():
        if network.vnic not in design.vnics and network.vnic in now.links:
            found += steps.delete_vnic_steps(network.vnic)
    return found


def _retired_etherstub_steps(design: Design, zone: ZoneSeen | None) -> list[Step]:
    kept = {network.etherstub for network in design.networks if network.owned}
    found: list[Step] = []
    for network in zone.networks if zone else ():
        if network.owned and network.etherstub not in kept:
            found += etherstub.delete_steps(network.etherstub)
    return found


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
    directory = package.lease_file.rsplit("/", 1)[0]
    return [
        Step(
            f"looking for IPFilter and dnsmasq in zone {design.name}",
            sh(script, design.root, *words),
            remedy="see that the host's package repositories offer the package, then run again",
        ),
        Step(
            f"preparing the directories of dnsmasq in zone {design.name}",
            sh(
                'mkdir -p "$1$2" && { [ -d "$1$3" ] || { mkdir -p "$1$3" && chown "$4" "$1$3"; }; }',
                design.root,
                dnsmasq.HOSTS_DIRECTORY,
                directory,
                str(package.uid),
            ),
            done=sh('[ -d "$1$2" ] && [ -d "$1$3" ]', design.root, dnsmasq.HOSTS_DIRECTORY, directory),
        ),
        Step(f"letting zone {design.name} use DNS", files.use_dns(design.root)),
    ]


def _files(design: Design, zone: ZoneSeen | None, distribution: Distribution) -> dict[str, str | None]:
    public = design.public
    contents: dict[str, str | None] = {
        "etc/nodename": f"{design.name}\n",
        "etc/resolv.conf": steps.resolv_conf(design.servers),
        f"etc/hostname.{public.vnic}": f"{public.address}\n",
        "etc/defaultrouter": f"{public.gateway}\n" if public.gateway else None,
        ipfilter.CONFIG.lstrip("/"): ipfilter.config(
            public.vnic, public.address.ip, (n.subnet for n in design.networks)
        ),
        distribution.dnsmasq.config.lstrip("/"): dnsmasq.config(
            distribution.dnsmasq,
            [dnsmasq.Served(n.vnic, n.subnet, n.address, n.dhcp, n.domain) for n in design.networks],
            design.servers,
        ),
    }
    for network in design.networks:
        contents[f"etc/hostname.{network.vnic}"] = f"{network.address}/{network.subnet.prefixlen}\n"
    for path in zone.files if zone else ():
        if path.startswith("etc/hostname.") and path not in contents:
            contents[path] = None
    return contents


def _service_fmris(distribution: Distribution) -> dict[str, str]:
    return {
        "forwarding": smf.FORWARDING,
        "ipfilter": smf.IPFILTER,
        "dnsmasq": distribution.dnsmasq.fmri,
    }


def _service_steps(
    name: str,
    zone: ZoneSeen | None,
    boots: bool,
    reload_dnsmasq: bool,
    distribution: Distribution,
) -> list[Step]:
    """Enable the services persistently: they come back after a reboot of the zone and of the host."""
    found: list[Step] = []
    for service, fmri in _service_fmris(distribution).items():
        remedy = f"look at it with svcs -z {name} -xv {fmri}"
        if boots or zone is None or zone.services.get(fmri) != "online":
            found.append(
                Step(
                    f"enabling {service} in zone {name}",
                    smf.enable(name, fmri),
                    done=smf.online(name, fmri),
                    timeout=SERVICE_LIMIT,
                    remedy=remedy,
                )
            )
        elif service == "dnsmasq" and reload_dnsmasq:
            found.append(
                Step(
                    f"restarting dnsmasq in zone {name}",
                    smf.restart(name, fmri),
                    timeout=SERVICE_LIMIT,
                    remedy=remedy,
                )
            )
    return found


def _refuse_attached(
    name: str, zone: ZoneSeen | None, networks: tuple[records.Network, ...], now: Snapshot
) -> None:
    """Refuse to delete a router that still serves zones, naming them."""
    own = {n.vnic for n in networks} | {n.shared for n in networks}
    attached = {r.name for r in zone.reservations} if zone else set()
    for network in networks:
        for link in now.links_over(network.etherstub):
            user = now.user_of_link(link.name)
            if link.name not in own and user and user != name:
                attached.add(user)
        for other in now.zones.values():
            if any(n.values.get("physical") == network.shared for n in other.config.of_kind("net")):
                attached.add(other.name)
    attached &= set(now.zones)
    if attached:
        raise Refused(f"router zone {name} still serves {', '.join(sorted(attached))}: delete them first")


# What is there -----------------------------------------------------------------------------------


def _services(zone: ZoneSeen, distribution: Distribution) -> dict[str, str]:
    if not steps.is_running(zone):
        return {}
    return {
        service: zone.services.get(fmri, "absent") for service, fmri in _service_fmris(distribution).items()
    }


def _read_public_address(zone: ZoneSeen, public: records.Public) -> HostAddress:
    text = zone.files.get(f"etc/hostname.{public.vnic}", "").strip() or str(public.address)
    try:
        address = IPv4Interface(text)
    except ValueError:
        address = public.address
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


def _network_satisfied(network: RouterNetwork, actual: RouterNetworkState) -> bool:
    return (
        network.subnet == actual.subnet
        and network.router_address == actual.address
        and network.dhcp == actual.dhcp
        and network.domain == actual.domain
        and network.etherstub in (None, actual.etherstub)
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
    return spelled
