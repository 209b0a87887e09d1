"""A zone's network interfaces as the host has them: read, compared with what is wanted, and spelled."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Interface
from typing import Any, Final

from pulumi_illumos_provider.illumos import dladm, names, records, zonecfg
from pulumi_illumos_provider.illumos.brands import Family
from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.common import IpType, LinkPriority
from pulumi_illumos_provider.model.values import HostAddress, parse_further_address
from pulumi_illumos_provider.model.zone.network import (
    AUTO,
    NO_GATEWAY,
    NetworkInputs,
    NetworkState,
    Nic,
    NicState,
    host_of,
)
from pulumi_illumos_provider.resources.kind import local_name
from pulumi_illumos_provider.resources.placement import links_of, net_properties, usual_gateway

Spelled = HostAddress | IPv6Interface
"""An address as the model has it."""

LX_PROPERTIES: Final = ("ips", "gateway", "primary")
"""The net properties by which a zone of brand lx is told its addresses."""


# Reading -----------------------------------------------------------------------------------------


def read(zone: ZoneSeen, now: Snapshot) -> list[NicState]:
    """The nics of a zone, in the order of its configuration. A nic is identified by zone and link."""
    nets = zone.config.of_kind("net")
    found: list[NicState] = []
    for vnic in links_of(zone.config):
        mine = [net for net in nets if net.values.get("physical", "") == vnic]
        nic = _read(vnic, mine, zone, now)
        routed = any(other.gateway or other.dhcp for other in found)
        if zone.listed.exclusive and nic.address and not nic.dhcp and not routed:
            below = nic.etherstub or nic.link or ""
            usual = usual_gateway(below, nic.address, nic.vlan_id, now)
            nic = nic.model_copy(update={"default_gateway": usual})
        found.append(nic)
    return found


def _read(vnic: str, nets: list[zonecfg.Resource], zone: ZoneSeen, now: Snapshot) -> NicState:
    values = nets[0].values
    global_nic = values.get("global-nic")
    link = now.link_of(zone.name, vnic) or dladm.Link(vnic, "", 0)
    family = now.distribution.known(zone.listed.brand).family
    addresses, dhcp, addrconf = _told(vnic, nets, link, zone, family)
    first, further = _first(addresses)
    below = link.over or _on_demand(global_nic, first, now)
    over = now.links.get(below)
    is_stub = over is not None and over.link_class == "etherstub"
    whole = link.link_class not in ("", "vnic") and not below
    properties = net_properties(nets[0])
    vid = link.vid or int(values.get("vlan-id") or 0)
    router, reserved = (None, None) if vid else _behind(vnic, below, first, zone, now)
    mac = link.mac or values.get("mac-addr")
    return NicState(
        vnic=vnic,
        link=(vnic if whole else below or None) if not is_stub else None,
        etherstub=below if is_stub else None,
        router=router,
        global_nic=global_nic,
        address=first or reserved,
        addresses=further,
        dhcp=dhcp,
        addrconf=addrconf,
        gateway=_gateway(first, nets, properties, zone, family, dhcp),
        default_gateway=None,
        vlan_id=vid or None,
        mac=mac or None,
        mtu=link.mtu or None,
        max_bandwidth=link.max_bandwidth,
        priority=LinkPriority(link.priority),
        allowed_address=any("allowed-address" in net.values for net in nets),
        properties={
            n: v for n, v in properties.items() if family is not Family.LX or n not in LX_PROPERTIES
        },
    )


def unprotected(found: list[NicState], zone: ZoneSeen, now: Snapshot) -> list[str]:
    """The links of a running zone that asks for its addresses, and has no protection for that in force."""
    return [
        nic.vnic
        for nic in found
        if zone.listed.active and nic.dhcp and not (nic.addrconf or nic.allowed_address or nic.global_nic)
        if (link := now.link_of(zone.name, nic.vnic)) and link.over
        if not set(dladm.DHCP_PROTECTION) <= set(link.protection)
    ]


def addresses(nic: NicState) -> list[IPv4Address | IPv6Address]:
    """All addresses of a nic."""
    return [host_of(address) for address in ([nic.address] if nic.address else []) + nic.addresses]


def _on_demand(global_nic: str | None, address: HostAddress | None, now: Snapshot) -> str:
    """The link over which the brand makes a vnic; empty when it is not known before the zone boots."""
    if global_nic != AUTO:
        return global_nic or ""
    held = now.link_of_network(address.address) if address else None
    return held[0] if held else ""


def _told(
    vnic: str, nets: list[zonecfg.Resource], link: dladm.Link, zone: ZoneSeen, family: Family
) -> tuple[list[Spelled], bool, bool]:
    """The addresses that a nic is given, whether it asks for one by DHCP, and whether by addrconf."""
    words = net_properties(nets[0]).get("ips", "").split(",") if family is Family.LX else []
    given = [net.values.get("allowed-address") or net.values.get("address") or "" for net in nets]
    addresses = _parsed([word for word in words if word] or given)
    dhcp = f"etc/dhcp.{vnic}" in zone.files or "dhcp" in words
    addrconf = "addrconf" in words
    if addresses:
        return addresses, dhcp, addrconf
    if family is Family.NATIVE:
        old, new = zone.files.get(f"etc/hostname.{vnic}"), zone.files.get(f"etc/hostname6.{vnic}")
        six = addresses_of_file(new or "")
        addresses = [] if dhcp else addresses_of_file(old or "")
        return [*addresses, *six], dhcp, new is not None and not six
    if family is Family.LX:
        return [], dhcp, addrconf
    # A guest's files say nothing: what asks by DHCP was recorded, or has a link that lets it, or one that
    # is made for it.
    recorded = zone.config.attributes.get(records.DHCP, "").split(",")
    asks = vnic in recorded or "dhcp-nospoof" in link.protection or "global-nic" in nets[0].values
    return [], dhcp or asks, addrconf


def addresses_of_file(text: str) -> list[Spelled]:
    """Addresses of a hostname file: each line has words of ifconfig(8)."""
    found: list[Spelled] = []
    for line in split_lines(text):
        words = line.split("#")[0].split()
        mask = words[words.index("netmask") + 1 :][:1] if "netmask" in words else []
        for word in words:
            suffix = "".join(f"/{m}" for m in mask if m != "+" and "/" not in word)
            if parsed := _parsed([word + suffix]):
                found += parsed
                break
    return found


def _parsed(texts: Iterable[str]) -> list[Spelled]:
    found: list[Spelled] = []
    for text in texts:
        try:
            found.append(parse_further_address(text))
        except ValueError:
            continue
    return found


def _first(addresses: list[Spelled]) -> tuple[HostAddress | None, list[Spelled]]:
    """The first IPv4 address, and the others."""
    first = next((address for address in addresses if isinstance(address, HostAddress)), None)
    return first, [address for address in addresses if address is not first]


def _behind(
    vnic: str, below: str, address: HostAddress | None, zone: ZoneSeen, now: Snapshot
) -> tuple[str | None, HostAddress | None]:
    """The router zone whose network a nic is on, and the address that is reserved for it there."""
    for candidate in now.serving:
        for network in candidate.networks:
            if network.etherstub != below:
                continue
            reserved = _reserved(vnic, zone, candidate, network)
            known = address or reserved
            if known is None or known.address in network.subnet:
                return candidate.name, reserved
    return None, None


def _reserved(vnic: str, zone: ZoneSeen, router: ZoneSeen, network: records.Network) -> HostAddress | None:
    for reservation in router.reservations:
        mine = reservation.vnic == vnic or (not reservation.vnic and reservation.name == zone.name)
        if mine and reservation.address in network.subnet:
            return HostAddress(reservation.address, network.subnet.prefixlen)
    return None


def _gateway(
    address: HostAddress | None,
    nets: list[zonecfg.Resource],
    properties: dict[str, str],
    zone: ZoneSeen,
    family: Family,
    dhcp: bool,
) -> IPv4Address | None:
    texts = [net.values["defrouter"] for net in nets if "defrouter" in net.values]
    if family is Family.LX and "ips" in properties:
        texts = properties.get("gateway", "").split(",")
    elif not texts and not dhcp and not any("allowed-address" in net.values for net in nets):
        texts = zone.files.get("etc/defaultrouter", "").split()
    known = [found.address for found in _parsed(texts) if isinstance(found, HostAddress)]
    if address is not None and address.prefix is not None:
        network = address.interface(address.prefix).network
        known = [gateway for gateway in known if gateway in network or "defrouter" in nets[0].values]
    return known[0] if known else None


# Comparing ---------------------------------------------------------------------------------------


def has_address(value: HostAddress, state: NetworkState) -> bool:
    """Whether the first nic has an address as `address` alone gives it."""
    if state.address is None or not value.matches(state.address):
        return False
    nic = state.nics[0]
    return not nic.dhcp and (nic.allowed_address or state.ip_type is IpType.SHARED)


def satisfied(wanted: NetworkInputs, state: NetworkState) -> bool:
    """Whether the nics are as wanted; with `address` alone there is one, and nothing more is said of it."""
    if wanted.nics is None:
        return wanted.address is None or (_is_plain(state) and all(map(_untuned, state.nics)))
    return _plugged(wanted.nics, state) and all(map(_tuned, wanted.nics, state.nics))


def differ_in_tuning_only(wanted: NetworkInputs, state: NetworkState) -> bool:
    """Whether all that differs can be changed while the zone runs."""
    if wanted.nics is None:
        return _is_plain(state)
    return _plugged(wanted.nics, state)


def _is_plain(state: NetworkState) -> bool:
    if len(state.nics) != 1:
        return False
    nic = state.nics[0]
    as_usual = nic.gateway == nic.default_gateway or state.ip_type is IpType.SHARED or is_somewhere(nic)
    return as_usual and not (nic.addresses or nic.addrconf or nic.vlan_id or nic.global_nic)


def _untuned(actual: NicState) -> bool:
    return actual.max_bandwidth is None and actual.priority is LinkPriority.HIGH


def _tuned(nic: Nic, actual: NicState) -> bool:
    return nic.max_bandwidth == actual.max_bandwidth and nic.priority is actual.priority


def _plugged(wanted: list[Nic], state: NetworkState) -> bool:
    return len(wanted) == len(state.nics) and all(
        _in_place(nic, actual, state.ip_type)
        and _addressed(nic, actual)
        and _routed(nic, actual, state.ip_type)
        and _linked(nic, actual, state.ip_type)
        for nic, actual in zip(wanted, state.nics, strict=True)
    )


def is_somewhere(actual: NicState) -> bool:
    """Whether a nic has a link of which dladm does not tell what is underneath."""
    return bool(actual.mac) and not (actual.link or actual.etherstub or actual.global_nic)


def _in_place(nic: Nic, actual: NicState, ip_type: IpType) -> bool:
    if is_somewhere(actual):
        return nic.global_nic is None and nic.vnic in (None, actual.vnic)
    if nic.link is not None and nic.link != (
        actual.link or (actual.vnic if ip_type is IpType.SHARED else None)
    ):
        return False
    if nic.etherstub is not None and nic.etherstub != actual.etherstub:
        return False
    if nic.router is not None and local_name(nic.router) != actual.router:
        return False
    return nic.global_nic == actual.global_nic and nic.vnic in (None, actual.vnic)


def _addressed(nic: Nic, actual: NicState) -> bool:
    if nic.address is not None and not (actual.address and nic.address.matches(actual.address)):
        return False
    if nic.address is None and not nic.dhcp and actual.address is not None:
        return False
    further = nic.addresses or []
    return (
        nic.dhcp == actual.dhcp
        and nic.addrconf == actual.addrconf
        and len(further) == len(actual.addresses)
        and all(any(_same(one, other) for other in actual.addresses) for one in further)
    )


def _routed(nic: Nic, actual: NicState, ip_type: IpType) -> bool:
    """Whether the default route is as asked; of DHCP, and of the global zone's, nothing is asked."""
    if nic.dhcp or nic.address is None or ip_type is IpType.SHARED:
        return True
    if nic.gateway == NO_GATEWAY:
        return actual.gateway is None
    if nic.gateway is None and is_somewhere(actual):
        return True
    return (nic.gateway or actual.default_gateway) == actual.gateway


def _same(one: Spelled, other: Spelled) -> bool:
    if isinstance(one, HostAddress) and isinstance(other, HostAddress):
        return one.matches(other)
    return one == other


def _linked(nic: Nic, actual: NicState, ip_type: IpType) -> bool:
    return (
        nic.vlan_id == actual.vlan_id
        and nic.mac in (None, actual.mac)
        and nic.mtu in (None, actual.mtu)
        and (ip_type is IpType.SHARED or nic.protected == actual.allowed_address)
        and (nic.properties is None or nic.properties == actual.properties)
    )


# Spelling ----------------------------------------------------------------------------------------


def spell(state: NetworkState) -> dict[str, Any]:
    """Inputs for the nics: `address` alone where it says everything."""
    if len(state.nics) == 1:
        nic = state.nics[0]
        spelled = _spell(nic, 0, state)
        if nic.router and nic.allowed_address and not set(spelled) - {"router", "address", "vnic"}:
            return {"address": str(nic.address)}
    return {"nics": [_spell(nic, number, state) for number, nic in enumerate(state.nics)]}


def _spell(nic: NicState, number: int, state: NetworkState) -> dict[str, Any]:
    spelled = _spell_place(nic)
    if state.ip_type is IpType.EXCLUSIVE:
        if nic.vnic != names.vnic(getattr(state, "name", "") or "z", number):
            spelled["vnic"] = nic.vnic
        spelled |= _spell_link(nic)
    if nic.address and not (nic.dhcp and not nic.router):
        spelled["address"] = str(nic.address)
    if nic.addresses:
        spelled["addresses"] = [str(address) for address in nic.addresses]
    return spelled


def _spell_place(nic: NicState) -> dict[str, Any]:
    if nic.global_nic:
        return {"globalNic": nic.global_nic}
    if nic.router and (nic.address or nic.dhcp):
        return {"router": nic.router}
    if nic.etherstub:
        return {"etherstub": nic.etherstub}
    return {"link": nic.link or nic.vnic}


def _spell_link(nic: NicState) -> dict[str, Any]:
    """What only a nic of an exclusive-ip zone can have, where it is not the default."""
    static = (nic.address is not None or nic.addresses) and not nic.dhcp and not nic.addrconf
    given = {
        "dhcp": nic.dhcp or None,
        "addrconf": nic.addrconf or None,
        "gateway": _spell_gateway(nic),
        "vlanId": nic.vlan_id,
        "maxBandwidth": None,
        "priority": nic.priority.value if nic.priority is not LinkPriority.HIGH else None,
        "allowedAddress": False if static and not nic.allowed_address else None,
        "properties": nic.properties or None,
    }
    if nic.max_bandwidth is not None:
        given["maxBandwidth"] = nic.wire()["maxBandwidth"]
    return {name: value for name, value in given.items() if value is not None}


def _spell_gateway(nic: NicState) -> str | None:
    if nic.dhcp or nic.address is None or nic.gateway == nic.default_gateway:
        return None
    return str(nic.gateway) if nic.gateway else NO_GATEWAY
