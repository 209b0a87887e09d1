"""A zone's network interfaces."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any, ClassVar

from pulumi_illumos_provider.illumos import dladm, names, zonecfg
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.common import IpType
from pulumi_illumos_provider.model.values import HostAddress, parse_host_address
from pulumi_illumos_provider.model.zone.network import NetworkInputs, NetworkState, Nic, NicState
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.attachment import release_steps, reservation_steps
from pulumi_illumos_provider.resources.kind import local_name
from pulumi_illumos_provider.resources.placement import Placed
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.side import Side


_KNOWN = frozenset({"physical", "address", "allowed-address", "defrouter"})
"""Properties of a ``net`` resource that the nic decides about; others stay as they are."""


class Network(Side[NetworkInputs, NetworkState]):
    """Where a zone is plugged in. Its nics were placed when the job was made."""

    inputs: type[NetworkInputs] = NetworkInputs
    outputs: type[NetworkState] = NetworkState
    follows: ClassVar[dict[str, frozenset[str]]] = {
        "address": frozenset({"nics"}),
        "router": frozenset({"address", "nics"}),
        "nics": frozenset({"address", "router", "ipType"}),
    }

    def plan(self, wanted: NetworkInputs, job: Job) -> None:
        exclusive = wanted.ip_type is IpType.EXCLUSIVE
        job.properties["ip-type"] = wanted.ip_type.value
        present = job.config.of_kind("net")
        nets = [zonecfg.keeping(_net(nic), present, _KNOWN) for nic in job.placed]
        job.want_all("net", *nets)
        if job.zone is not None:
            moved = len(present) != len(nets) or any(
                not any(zonecfg.same(net, other) for other in present) for net in nets
            )
            if moved or job.zone.listed.exclusive != exclusive:
                job.reboot_for("nics")
        job.links += _link_steps(job, exclusive)
        job.attached += release_steps(job.name, job.now, keep=job.placed)
        job.attached += reservation_steps(job.name, job.placed, job.now)

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        nics = [_read_nic(net, zone, now) for net in zone.config.of_kind("net")]
        return {
            "address": nics[0].address if nics else None,
            "router": nics[0].router if nics else None,
            "nics": nics,
            "ip_type": IpType.EXCLUSIVE if zone.listed.exclusive else IpType.SHARED,
        }

    def satisfied(self, field: str, wanted: NetworkInputs, state: NetworkState) -> bool:
        value = getattr(wanted, field)
        match field:
            case "router":
                return value is None or local_name(value) == state.router
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

    def spell(self, state: NetworkState) -> dict[str, Any]:
        spelled = _spell_network(state)
        if state.ip_type is not IpType.EXCLUSIVE:
            spelled["ipType"] = state.ip_type.value
        return spelled


# What it takes -----------------------------------------------------------------------------------


def _net(nic: Placed) -> zonecfg.Resource:
    address = str(nic.address) if nic.address else None
    if nic.shared:
        return steps.net(nic.vnic, address=address)
    if nic.protected and address:
        return steps.net(nic.vnic, allowed=address, gateway=str(nic.gateway) if nic.gateway else None)
    return steps.net(nic.vnic)


def _link_steps(job: Job, exclusive: bool) -> list[Step]:
    found: list[Step] = []
    kept = set()
    for nic in job.placed if exclusive else ():
        kept.add(nic.vnic)
        found += steps.vnic_steps(
            nic.vnic,
            nic.over,
            job.now,
            mac=nic.mac,
            vid=nic.vid,
            dhcp_protection=nic.dhcp and not nic.protected,
        )
    for vnic in own_vnics(job.name, job.zone, job.now):
        if vnic not in kept:
            found += steps.delete_vnic_steps(vnic)
    return found


def own_names(name: str, zone: ZoneSeen | None) -> set[str]:
    """The names that we give to this zone's vnics."""
    nets = zone.config.of_kind("net") if zone else []
    return {names.vnic(name, number) for number in range(len(nets) + 16)}


def own_vnics(name: str, zone: ZoneSeen | None, now: Snapshot) -> list[str]:
    """Vnics that carry the names we give to this zone's nics and that no other zone uses."""
    return [
        vnic
        for vnic in sorted(own_names(name, zone))
        if (link := now.links.get(vnic)) and link.link_class == "vnic" and now.user_of_link(vnic) == name
    ]


# What is there -----------------------------------------------------------------------------------


def _read_nic(net: zonecfg.Resource, zone: ZoneSeen, now: Snapshot) -> NicState:
    values = net.values
    vnic = values.get("physical", "")
    link = now.link_of(zone.name, vnic) or dladm.Link(vnic, "", 0)
    over = now.links.get(link.over)
    text = values.get("allowed-address") or values.get("address") or ""
    dhcp = f"etc/dhcp.{vnic}" in zone.files
    gateway = values.get("defrouter")
    if not text and not dhcp:
        text = zone.files.get(f"etc/hostname.{vnic}", "").split("\n")[0].strip()
        gateway = zone.files.get("etc/defaultrouter", "").strip().split("\n")[0]
    address = _parsed(text)
    router = None
    for candidate in now.routers:
        for network in candidate.networks:
            if network.etherstub != link.over:
                continue
            reserved = [r for r in candidate.reservations if r.file.endswith(f"-{vnic}")]
            if address is None and reserved:
                address = HostAddress(reserved[0].address, network.subnet.prefixlen)
            if address is None or address.address in network.subnet:
                router = candidate.name
    is_stub = over is not None and over.link_class == "etherstub"
    return NicState(
        vnic=vnic,
        link=link.over if link.over and not is_stub else None,
        etherstub=link.over if is_stub else None,
        router=router,
        address=address,
        dhcp=dhcp,
        gateway=IPv4Address(gateway) if gateway and _parsed(gateway) else None,
        vlan_id=link.vid or None,
        mac=link.mac or None,
        allowed_address="allowed-address" in values,
    )


def _parsed(text: str) -> HostAddress | None:
    try:
        return parse_host_address(text)
    except ValueError:
        return None


def _address_satisfied(value: HostAddress, state: NetworkState) -> bool:
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
    if nic.router is not None and local_name(nic.router) != actual.router:
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


def _spell_network(state: NetworkState) -> dict[str, Any]:
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
