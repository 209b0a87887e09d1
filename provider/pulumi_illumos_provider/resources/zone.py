"""Zone: observe and plan."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import dladm, files, names, records, zoneadm
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen, parse_resolvers
from pulumi_illumos_provider.model.base import Change
from pulumi_illumos_provider.model.common import IpType, ZoneState
from pulumi_illumos_provider.model.values import (
    HostAddress,
    format_size,
    parse_host_address,
)
from pulumi_illumos_provider.model.zone import Nic, NicState, ZoneInputs, ZoneOutputs
from pulumi_illumos_provider.plan import Step, sh
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.attachment import release_steps, reservation_steps
from pulumi_illumos_provider.resources.kind import Difference, Kind, Owner, Plan
from pulumi_illumos_provider.resources.placement import Placed, place, router_name

_KEYS = "root/.ssh/authorized_keys"


class ZoneKind(Kind[ZoneInputs, ZoneOutputs]):
    """A zone."""

    token: ClassVar[str] = "illumos:index:Zone"
    inputs: type[ZoneInputs] = ZoneInputs
    outputs: type[ZoneOutputs] = ZoneOutputs
    uncertain: ClassVar[frozenset[str]] = frozenset({"router"})
    follows: ClassVar[dict[str, frozenset[str]]] = {
        "address": frozenset({"nics"}),
        "router": frozenset({"address", "nics"}),
        "nics": frozenset({"address", "router", "ipType"}),
        "dnsServers": frozenset({"address", "router", "nics"}),
        "status": frozenset({"state", "status"}),
    }

    def autoname(self, name: str, suffix: str) -> str:
        return names.automatic_zone(name, suffix)

    # Planning ------------------------------------------------------------------------------------

    def plan(self, wanted: ZoneInputs, now: Snapshot, owner: Owner, state: ZoneOutputs | None) -> Plan:
        name = wanted.name or ""
        zone = now.zones.get(name)
        if zone is not None and state is None:
            steps.refuse_foreign(zone, owner, self.token)
        brand = steps.choose_brand(
            wanted.brand or (zone.listed.brand if zone else None), now.distribution.brand, now
        )
        native = brand in now.distribution.native_brands
        zonepath = zone.listed.zonepath if zone else steps.choose_zonepath(wanted.zonepath, name, now)
        placed = place(wanted, now)
        config = steps.Wanted(
            brand=brand,
            zonepath=zonepath,
            autoboot=wanted.autoboot,
            exclusive=wanted.ip_type is IpType.EXCLUSIVE,
            nets=tuple(_net(nic) for nic in placed),
            attributes=wanted.attributes,
            own={records.OWNER: records.owner_value(owner.urn)},
            rctls={
                steps.CPU_CAP: round(wanted.cpus * 100) if wanted.cpus else None,
                steps.SWAP_CAP: wanted.swap,
            },
            memory=wanted.memory,
        )
        configure = steps.configure_steps(name, config, zone, now)
        links = self._link_steps(wanted, placed, zone, now)
        root = f"{zonepath}/root"
        contents = _files(wanted, placed, zone, now) if native else {}
        boot_contents = {p: t for p, t in contents.items() if p not in ("etc/resolv.conf", _KEYS)}
        writes = steps.file_steps(name, root, contents, zone)
        if native and not steps.is_installed(zone):
            writes.append(Step(f"letting zone {name} use DNS", files.use_dns(root)))
        if native and wanted.ssh_authorized_keys:
            writes += _allow_root_login(name, root, zone, writes)
        must_stop = bool(
            links
            or steps.file_steps(name, root, boot_contents, zone)
            or (zone is not None and _needs_reboot(config, zone))
        )
        run = wanted.state is ZoneState.RUNNING
        stop = zone is not None and zone.listed.active and (must_stop or not run)
        plan: list[Step] = [*steps.clear_incomplete_steps(name, zone), *configure]
        if stop:
            plan += steps.stop_steps(name, zone)
        plan += links
        plan += steps.install_steps(name, zone)
        plan += writes
        plan += release_steps(name, now, keep=placed)
        plan += reservation_steps(name, placed, now)
        if run and (stop or not steps.is_running(zone)):
            plan += steps.boot_steps(name, native)
        return Plan(tuple(plan))

    def _link_steps(
        self, wanted: ZoneInputs, placed: list[Placed], zone: ZoneSeen | None, now: Snapshot
    ) -> list[Step]:
        name = wanted.name or ""
        found: list[Step] = []
        kept = set()
        if wanted.ip_type is IpType.EXCLUSIVE:
            for nic in placed:
                kept.add(nic.vnic)
                found += steps.vnic_steps(
                    nic.vnic,
                    nic.over,
                    now,
                    mac=nic.mac,
                    vid=nic.vid,
                    dhcp_protection=nic.dhcp and not nic.protected,
                )
        for vnic in _own_vnics(name, zone, now):
            if vnic not in kept:
                found += steps.delete_vnic_steps(vnic)
        return found

    def plan_delete(self, name: str, now: Snapshot, state: ZoneOutputs) -> Plan:
        zone = now.zones.get(name)
        plan: list[Step] = steps.stop_steps(name, zone)
        if zone is not None and zone.listed.state != zoneadm.CONFIGURED:
            plan.append(steps.uninstall_step(name))
        recorded = [nic.vnic for nic in state.nics if state.ip_type is IpType.EXCLUSIVE]
        for vnic in dict.fromkeys([*_own_vnics(name, zone, now), *recorded]):
            if vnic in now.links and now.user_of_link(vnic) in (None, name):
                plan += steps.delete_vnic_steps(vnic)
        plan += release_steps(name, now)
        if zone is not None:
            plan += steps.unconfigure_steps(name)
        return Plan(tuple(plan))

    # Reading -------------------------------------------------------------------------------------

    def read(self, host: str, name: str, now: Snapshot) -> ZoneOutputs | None:
        zone = now.zones.get(name)
        if zone is None:
            return None
        nics = [_read_nic(net, zone, now) for net in map(steps.net_of, zone.config.of_kind("net"))]
        listed = zone.listed
        cap = zone.config.rctl_limit(steps.CPU_CAP)
        attributes = zone.config.attributes
        return ZoneOutputs(
            host=host,
            name=name,
            uuid=listed.uuid or None,
            brand=listed.brand,
            zonepath=listed.zonepath,
            address=nics[0].address if nics else None,
            router=nics[0].router if nics else None,
            nics=nics,
            ip_type=IpType.EXCLUSIVE if listed.exclusive else IpType.SHARED,
            cpus=None if cap is None else cap / 100,
            memory=steps.memory_cap(zone),
            swap=zone.config.rctl_limit(steps.SWAP_CAP),
            autoboot=zone.config.properties.get("autoboot") == "true",
            dns_servers=parse_resolvers(zone.files.get("etc/resolv.conf", "")),
            hostname=zone.files.get("etc/nodename", "").strip() or name,
            ssh_authorized_keys=[
                line.strip()
                for line in zone.files.get(_KEYS, "").splitlines()
                if line.strip() and not line.startswith("#")
            ],
            attributes={
                key: value for key, value in attributes.items() if not key.startswith(records.PREFIX)
            },
            state=ZoneState.RUNNING if steps.is_running(zone) else ZoneState.HALTED,
            status=listed.state,
        )

    def unfinished(self, state: ZoneOutputs) -> list[str]:
        return steps.unfinished(state.name, state.status)

    def importable(self, name: str, now: Snapshot) -> None:
        if name == "global":
            raise Refused("global is the host itself: it cannot be imported as a zone")
        zone = now.zones.get(name)
        if zone is None:
            return
        if zone.is_router:
            raise Refused(f"zone {name} is a router zone: import it as illumos:index:RouterZone")
        steps.refuse_incomplete(zone)

    def differences(self, wanted: ZoneInputs, state: ZoneOutputs) -> list[Difference]:
        found = super().differences(wanted, state)
        if state.status in (zoneadm.CONFIGURED, zoneadm.INCOMPLETE):
            found.append(Difference("status", Change.LIVE))
        return found

    def satisfied(self, field: str, wanted: ZoneInputs, state: ZoneOutputs) -> bool:
        value = getattr(wanted, field)
        match field:
            case "host" | "name" | "brand" | "zonepath" | "dns_servers":
                return value is None or value == getattr(state, field)
            case "hostname":
                return bool((value or wanted.name or state.name) == state.hostname)
            case "ssh_authorized_keys":
                return value is None or set(value) == set(state.ssh_authorized_keys)
            case "router":
                return value is None or router_name(value) == state.router
            case "address":
                return value is None or _address_satisfied(value, state)
            case "nics":
                if value is None:
                    return len(state.nics) == 1 or wanted.address is None
                return len(value) == len(state.nics) and all(
                    _nic_satisfied(nic, actual, wanted.ip_type)
                    for nic, actual in zip(value, state.nics, strict=True)
                )
            case _:
                return bool(value == getattr(state, field))

    def spell(self, state: ZoneOutputs) -> dict[str, Any]:
        spelled: dict[str, Any] = {"name": state.name}
        if state.brand:
            spelled["brand"] = state.brand
        spelled["zonepath"] = state.zonepath
        spelled.update(_spell_network(state))
        if state.ip_type is not IpType.EXCLUSIVE:
            spelled["ipType"] = state.ip_type.value
        if state.cpus is not None:
            spelled["cpus"] = state.cpus
        if state.memory is not None:
            spelled["memory"] = format_size(state.memory)
        if state.swap is not None:
            spelled["swap"] = format_size(state.swap)
        if not state.autoboot:
            spelled["autoboot"] = False
        if state.dns_servers:
            spelled["dnsServers"] = [str(server) for server in state.dns_servers]
        if state.hostname != state.name:
            spelled["hostname"] = state.hostname
        if state.ssh_authorized_keys:
            spelled["sshAuthorizedKeys"] = list(state.ssh_authorized_keys)
        if state.attributes:
            spelled["attributes"] = dict(state.attributes)
        if state.state is not ZoneState.RUNNING:
            spelled["state"] = state.state.value
        return spelled


# What it takes -----------------------------------------------------------------------------------


def _needs_reboot(config: steps.Wanted, zone: ZoneSeen) -> bool:
    """Whether a running zone has to boot again before the configuration is in force."""
    present = {steps.net_of(resource) for resource in zone.config.of_kind("net")}
    return (
        present != set(config.nets)
        or zone.listed.exclusive != config.exclusive
        or steps.memory_cap(zone) != config.memory
        or any(zone.config.rctl_limit(name) != limit for name, limit in config.rctls.items())
    )


def _net(nic: Placed) -> steps.Net:
    address = str(nic.address) if nic.address else None
    if nic.shared:
        return steps.Net(nic.vnic, address=address)
    if nic.protected and address:
        gateway = str(nic.gateway) if nic.gateway else None
        return steps.Net(nic.vnic, allowed_address=address, defrouter=gateway)
    return steps.Net(nic.vnic)


def _files(
    wanted: ZoneInputs, placed: list[Placed], zone: ZoneSeen | None, now: Snapshot
) -> dict[str, str | None]:
    """Files of the zone's root, by path; None for those that must not be there."""
    servers = wanted.dns_servers
    if servers is None:
        routed = [nic.network.address for nic in placed if nic.network]
        servers = routed[:1] or list(now.resolvers)
    contents: dict[str, str | None] = {
        "etc/nodename": f"{wanted.hostname or wanted.name}\n",
        "etc/resolv.conf": steps.resolv_conf(servers),
    }
    if wanted.ssh_authorized_keys is not None:
        keys = wanted.ssh_authorized_keys
        contents[_KEYS] = "".join(f"{key}\n" for key in keys) if keys else None
    gateway: IPv4Address | None = None
    if wanted.ip_type is IpType.EXCLUSIVE:
        for nic in placed:
            hostname, dhcp = f"etc/hostname.{nic.vnic}", f"etc/dhcp.{nic.vnic}"
            # An allowed-address is configured from the global zone, and wins over these files.
            contents[hostname] = contents[dhcp] = None
            if nic.dhcp:
                contents[hostname] = contents[dhcp] = ""
            elif nic.address and not nic.protected:
                contents[hostname] = f"{nic.address}\n"
                gateway = gateway or nic.gateway
    contents["etc/defaultrouter"] = f"{gateway}\n" if gateway else None
    mine = {path for path in contents if path.startswith(("etc/hostname.", "etc/dhcp."))}
    for path in zone.files if zone else ():
        link = path.rsplit(".", 1)[-1]
        stale = path.startswith(("etc/hostname.", "etc/dhcp.")) and path not in mine
        if stale and link in _own_names(wanted.name or "", zone):
            contents[path] = None
    return contents


def _allow_root_login(name: str, root: str, zone: ZoneSeen | None, writes: list[Step]) -> list[Step]:
    """Let root log in with a key, never with a password: some distributions refuse root altogether."""
    if steps.is_installed(zone) and not any(_KEYS in step.say for step in writes):
        return []
    script = """
cd "$1/etc/ssh" 2>/dev/null && grep '^PermitRootLogin no' sshd_config >/dev/null || exit 0
sed 's/^PermitRootLogin no.*/PermitRootLogin without-password/' sshd_config >sshd_config.new &&
    cat sshd_config.new >sshd_config && rm -f sshd_config.new
"""
    return [Step(f"letting root log into zone {name} with a key", sh(script, root))]


def _own_names(name: str, zone: ZoneSeen | None) -> set[str]:
    nets = zone.config.of_kind("net") if zone else []
    return {names.vnic(name, number) for number in range(len(nets) + 16)}


def _own_vnics(name: str, zone: ZoneSeen | None, now: Snapshot) -> list[str]:
    """Vnics that carry the names we give to this zone's nics and that no other zone uses."""
    return [
        vnic
        for vnic in sorted(_own_names(name, zone))
        if (link := now.links.get(vnic)) and link.link_class == "vnic" and now.user_of_link(vnic) == name
    ]


# What is there -----------------------------------------------------------------------------------


def _read_nic(net: steps.Net, zone: ZoneSeen, now: Snapshot) -> NicState:
    link = now.link_of(zone.name, net.physical) or dladm.Link(net.physical, "", 0)
    over = now.links.get(link.over)
    text = net.allowed_address or net.address or ""
    dhcp = f"etc/dhcp.{net.physical}" in zone.files
    gateway = net.defrouter
    if not text and not dhcp:
        text = zone.files.get(f"etc/hostname.{net.physical}", "").split("\n")[0].strip()
        gateway = zone.files.get("etc/defaultrouter", "").strip().split("\n")[0]
    address = _parsed(text)
    router = None
    for candidate in now.routers:
        for network in candidate.networks:
            if network.etherstub != link.over:
                continue
            reserved = [r for r in candidate.reservations if r.file.endswith(f"-{net.physical}")]
            if address is None and reserved:
                address = HostAddress(reserved[0].address, network.subnet.prefixlen)
            if address is None or address.address in network.subnet:
                router = candidate.name
    is_stub = over is not None and over.link_class == "etherstub"
    return NicState(
        vnic=net.physical,
        link=link.over if link.over and not is_stub else None,
        etherstub=link.over if is_stub else None,
        router=router,
        address=address,
        dhcp=dhcp,
        gateway=IPv4Address(gateway) if gateway and _parsed(gateway) else None,
        vlan_id=link.vid or None,
        mac=link.mac or None,
        allowed_address=net.allowed_address is not None,
    )


def _parsed(text: str) -> HostAddress | None:
    try:
        return parse_host_address(text)
    except ValueError:
        return None


def _address_satisfied(value: HostAddress, state: ZoneOutputs) -> bool:
    if state.address is None or not value.matches(state.address):
        return False
    nic = state.nics[0]
    return not nic.dhcp and (nic.allowed_address or state.ip_type is IpType.SHARED)


def _nic_satisfied(nic: Nic, actual: NicState, ip_type: IpType) -> bool:
    shared = ip_type is IpType.SHARED
    if nic.link is not None and nic.link != (actual.link or (actual.vnic if shared else None)):
        return False
    if nic.etherstub is not None and nic.etherstub != actual.etherstub:
        return False
    if nic.router is not None and router_name(nic.router) != actual.router:
        return False
    if nic.address is not None and not (actual.address and nic.address.matches(actual.address)):
        return False
    if nic.address is None and not nic.dhcp and actual.address is not None:
        return False
    return (
        nic.dhcp == actual.dhcp
        and (nic.gateway is None or nic.gateway == actual.gateway)
        and nic.vlan_id == actual.vlan_id
        and (nic.mac is None or nic.mac == actual.mac)
        and (shared or nic.protected == actual.allowed_address)
    )


def _spell_network(state: ZoneOutputs) -> dict[str, Any]:
    shared = state.ip_type is IpType.SHARED
    if len(state.nics) == 1:
        nic = state.nics[0]
        plain = nic.address and not nic.dhcp and not nic.vlan_id and nic.allowed_address
        if plain and nic.router:
            return {"address": str(nic.address)}
    nics = []
    for nic in state.nics:
        spelled: dict[str, Any] = {}
        if nic.router:
            spelled["router"] = nic.router
        elif nic.etherstub:
            spelled["etherstub"] = nic.etherstub
        else:
            spelled["link"] = nic.link or nic.vnic
        if nic.address and not (nic.dhcp and not nic.router):
            spelled["address"] = str(nic.address)
        if nic.dhcp:
            spelled["dhcp"] = True
        if not shared:
            if nic.gateway and not nic.dhcp and not nic.router:
                spelled["gateway"] = str(nic.gateway)
            if nic.vlan_id:
                spelled["vlanId"] = nic.vlan_id
            if nic.address and not nic.dhcp and not nic.allowed_address:
                spelled["allowedAddress"] = False
        nics.append(spelled)
    return {"nics": nics}
