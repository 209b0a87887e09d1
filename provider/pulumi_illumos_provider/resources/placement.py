"""Where a zone's nics go: the network is found from the address alone when nothing else is said."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import names, records, zap_records, zonecfg
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.common import IpType, LinkPriority, address_fault
from pulumi_illumos_provider.model.values import HostAddress
from pulumi_illumos_provider.model.zone import Nic, ZoneInputs
from pulumi_illumos_provider.model.zone.network import AUTO

Interface = IPv4Interface | IPv6Interface
"""An address with its prefix length."""


@dataclass(frozen=True)
class Placed:
    """A nic with everything worked out.

    Attributes:
        vnic: the zone's link; for a shared-ip zone the vnic in the global zone.
        over: link under the vnic; empty when the brand finds it.
        address: with prefix length; with ``dhcp`` the reserved address; None when DHCP alone decides.
        dhcp: the zone asks for its address.
        gateway: default route through this nic.
        vid: VLAN tag; 0 is untagged.
        mac: MAC address that was asked for.
        protected: it has an allowed-address.
        router: the router zone whose network it is on.
        network: that network.
        shared: the zone uses the global zone's IP stack.
        path: property that placed it, for messages.
        further: further addresses.
        addrconf: the zone takes an IPv6 address from router advertisements.
        mtu: bytes; None leaves what the link underneath has.
        max_bandwidth: bits a second; None for no cap.
        priority: of its packets.
        global_nic: the link over which the brand makes the vnic, or ``auto``; None when we make it.
        properties: further properties of the net resource; None keeps the present ones.
        whole: the zone gets the link ``over`` itself.
    """

    vnic: str
    over: str
    address: IPv4Interface | None
    dhcp: bool
    gateway: IPv4Address | None
    vid: int
    mac: str | None
    protected: bool
    router: ZoneSeen | None
    network: records.Network | None
    shared: bool
    path: str
    further: tuple[Interface, ...] = ()
    addrconf: bool = False
    mtu: int | None = None
    max_bandwidth: int | None = None
    priority: LinkPriority = LinkPriority.HIGH
    global_nic: str | None = None
    properties: dict[str, str] | None = field(default=None, hash=False)
    whole: bool = False

    @property
    def statics(self) -> tuple[Interface, ...]:
        """Its addresses, the first one first; those that DHCP gives left out."""
        first = () if self.address is None or self.dhcp else (self.address,)
        return (*first, *self.further)

    @property
    def asking(self) -> bool:
        """Whether its link is protected as that of a DHCP client.

        The protection learns addresses from DHCP alone: an IPv6 address that the zone finds by itself
        would be dropped.
        """
        return self.dhcp and not (self.protected or self.shared or self.addrconf)

    @property
    def made(self) -> bool:
        """Whether its link is a vnic that we make, and that is there while the zone is not."""
        return not (self.shared or self.whole or self.global_nic)


def place(wanted: ZoneInputs, now: Snapshot) -> list[Placed]:
    """Work out every nic of a zone.

    Raises:
        Refused: an address fits nowhere, is taken or cannot work; names the property.
    """
    zone = wanted.name or ""
    if wanted.address is not None:
        nics = [_by_address(wanted.address, wanted.router, now)]
        paths = ["address"]
    else:
        nics = wanted.nics or []
        paths = [f"nics[{i}]" for i in range(len(nics))]
    vnics = _link_names(zone, nics, wanted.ip_type, now)
    placed: list[Placed] = []
    routed = False
    for nic, path, vnic in zip(nics, paths, vnics, strict=True):
        found = _place_nic(zone, vnic, nic, path, wanted, now, routed)
        routed = routed or found.gateway is not None or found.dhcp
        placed.append(found)
    for one in placed:
        _refuse_taken(zone, one, now)
    return placed


def _link_names(zone: str, nics: list[Nic], ip_type: IpType, now: Snapshot) -> list[str]:
    """The name of each nic's link: as asked, else the present one of the same place, else one of ours.

    So the nics of a zone that somebody else made keep their names.
    """
    seen = now.zones.get(zone)
    present = links_of(seen.config) if seen and seen.listed.exclusive else []
    asked = {nic.vnic for nic in nics if nic.vnic}
    found: list[str] = []
    for number, nic in enumerate(nics):
        kept = present[number] if number < len(present) else None
        if nic.vnic is None and kept is not None and (kept in asked or _is_whole(kept, now)):
            kept = None
        name = nic.vnic or kept or names.vnic(zone, number)
        if name in found:
            name = names.vnic(zone, number)
        found.append(name)
    return found if ip_type is IpType.EXCLUSIVE else ["" for _ in nics]


def links_of(config: zonecfg.ZoneConfig) -> list[str]:
    """The links of a zone, each once, in the order of its configuration."""
    return list(dict.fromkeys(net.values.get("physical", "") for net in config.of_kind("net")))


def _is_whole(name: str, now: Snapshot) -> bool:
    """Whether a link is one of the host's own, which a vnic cannot be called like."""
    link = now.links.get(name)
    return link is not None and link.link_class != "vnic"


def _by_address(address: HostAddress, router: str | None, now: Snapshot) -> Nic:
    if router is not None:
        return Nic(router=router, address=address)
    holders = [zone for zone in now.serving if zone.network_of(address.address)]
    if len(holders) > 1:
        raise Refused(
            f"{address.address} lies in a network of several router zones "
            f"({', '.join(zone.name for zone in holders)}): say which one with router",
            "router",
        )
    if holders:
        return Nic(router=holders[0].name, address=address)
    for routed in zap_records.routed(now.zap):
        if routed.router == "global" and address.address in routed.subnet:
            return Nic(etherstub=routed.etherstub, address=address, gateway=routed.gateway)
    if found := now.link_of_network(address.address):
        return Nic(link=found[0], address=address)
    raise Refused(
        f"no network on the host holds {address.address}. {_known_networks(now)} "
        "If its router zone is made in the same program, say so with router=, or describe the nic",
        "address",
    )


def _known_networks(now: Snapshot) -> str:
    known = [f"{n.subnet} (router zone {zone.name})" for zone in now.serving for n in zone.networks]
    known += [f"{a.network} ({link})" for link, own in now.addresses.items() for a in own]
    return f"Known networks: {', '.join(known)}." if known else "It has no network yet."


def _place_nic(
    zone: str,
    vnic: str,
    nic: Nic,
    path: str,
    wanted: ZoneInputs,
    now: Snapshot,
    routed: bool,
) -> Placed:
    router, network = _router_network(nic, path, wanted.host, now)
    shared = wanted.ip_type is IpType.SHARED
    if network is not None:
        over = network.etherstub
        subnet: IPv4Network | None = network.subnet
        gateway: IPv4Address | None = network.address
    else:
        over = _require_place(nic, path, now)
        subnet = _subnet_of_link(over, nic.address, nic.vlan_id, now)
        gateway = _host_gateway(subnet, now)
    if nic.vnic is not None and not nic.whole:
        _require_free_name(zone, nic.vnic, path, now)
    address = _interface(nic, subnet, path)
    if nic.dhcp and router is not None and network is not None:
        if not network.dhcp:
            raise Refused(
                f"router zone {router.name} serves no DHCP on {network.subnet}: "
                "switch dhcp on in its networks, or give a static address",
                f"{path}.dhcp",
            )
        address = address or _free_address(zone, vnic, router, network, now)
    return Placed(
        vnic=_shared_link(network, over, now, path) if shared else vnic,
        over=over,
        address=address,
        dhcp=nic.dhcp,
        gateway=None if shared else _gateway(nic, address, gateway, routed, path),
        vid=nic.vlan_id or 0,
        mac=nic.mac,
        protected=nic.protected and not shared,
        router=router,
        network=network,
        shared=shared,
        path=path,
        further=_further(nic, address, path),
        addrconf=nic.addrconf,
        mtu=nic.mtu,
        max_bandwidth=nic.max_bandwidth,
        priority=nic.priority,
        global_nic=nic.global_nic,
        properties=nic.properties,
        whole=nic.whole,
    )


def _gateway(
    nic: Nic, address: IPv4Interface | None, usual: IPv4Address | None, routed: bool, path: str
) -> IPv4Address | None:
    """The default route of a nic: what was asked for, else the usual one for the first static nic."""
    chosen = nic.gateway if isinstance(nic.gateway, IPv4Address) else None
    if nic.gateway is None and not routed and not nic.dhcp and address is not None:
        chosen = usual
    if chosen is not None and address is not None and chosen not in address.network:
        raise Refused(
            f"the gateway {chosen} is outside the network {address.network} of the nic",
            f"{path}.gateway",
        )
    return chosen


def _router_network(
    nic: Nic, path: str, host: str | None, now: Snapshot
) -> tuple[ZoneSeen | None, records.Network | None]:
    if nic.router is None:
        return _network_of_stub(nic, now)
    where = "router" if path == "address" else f"{path}.router"
    elsewhere, _, name = nic.router.rpartition("/")
    if elsewhere and host and elsewhere != host:
        raise Refused(
            f"router zone {name} is on host {elsewhere}, and the zone on {host}: a network does not reach "
            "beyond its host; name a router zone of the same host",
            where,
        )
    router = now.zones.get(name)
    if router is None or not router.networks:
        known = ", ".join(zone.name for zone in now.serving) or "none"
        raise Refused(f"there is no router zone {name} on the host (known: {known})", where)
    if nic.address is None:
        if len(router.networks) > 1:
            raise Refused(
                f"router zone {name} serves several networks: give an address to choose one",
                f"{path}.address",
            )
        return router, router.networks[0]
    network = router.network_of(nic.address.address)
    if network is None:
        served = ", ".join(str(n.subnet) for n in router.networks)
        raise Refused(
            f"{nic.address.address} is in no network of router zone {name} ({served})",
            _address_path(path),
        )
    return router, network


def _network_of_stub(nic: Nic, now: Snapshot) -> tuple[ZoneSeen | None, records.Network | None]:
    for zone in now.serving:
        for network in zone.networks:
            held = nic.address is None or nic.address.address in network.subnet
            if network.etherstub == nic.etherstub and held and not nic.vlan_id:
                return zone, network
    return None, None


def _require_place(nic: Nic, path: str, now: Snapshot) -> str:
    """The link that a nic is put on. Raises Refused when it is none for that."""
    if nic.global_nic is not None:
        return _require_on_demand(nic, path, now)
    over = nic.link or nic.etherstub or ""
    what = "link" if nic.link else "etherstub"
    link = now.links.get(over)
    if link is None:
        raise Refused(f"there is no {what} {over} on the host", f"{path}.{what}")
    if what == "etherstub" and link.link_class != "etherstub":
        raise Refused(
            f"{over} is not an etherstub but a link of class {link.link_class}: use link",
            f"{path}.etherstub",
        )
    if what == "link" and link.link_class in ("vnic", "vlan") and not nic.whole:
        raise Refused(
            f"{over} is a {link.link_class}: a vnic cannot be put over it; "
            f"name the link underneath ({link.over})",
            f"{path}.link",
        )
    return over


def _require_on_demand(nic: Nic, path: str, now: Snapshot) -> str:
    """The link over which the brand is going to make a vnic; empty when it is not known before."""
    if not now.distribution.net_properties:
        raise Refused(
            f"zones on {now.distribution.name} have no global-nic (OmniOS has it): use link",
            f"{path}.globalNic",
        )
    over = nic.global_nic or ""
    if over == AUTO:
        held = now.link_of_network(nic.address.address) if nic.address else None
        return held[0] if held else ""
    if over not in now.links:
        raise Refused(f"there is no link {over} on the host", f"{path}.globalNic")
    return over


def _require_free_name(zone: str, vnic: str, path: str, now: Snapshot) -> None:
    """Refuse a link name that was asked for and is somebody else's."""
    if now.link_of(zone, vnic) is None:
        return
    seen = now.zones.get(zone)
    if seen is None or vnic not in links_of(seen.config):
        user = now.user_of_link(vnic)
        whose = f"of zone {user}" if user else "of the global zone"
        raise Refused(f"{vnic} is a link {whose} already: choose another name", f"{path}.vnic")


def _subnet_of_link(
    over: str, address: HostAddress | None, vlan_id: int | None, now: Snapshot
) -> IPv4Network | None:
    """The host's own network on a link that holds an address; none is known of a VLAN."""
    if address is None or vlan_id:
        return None
    networks = (own.network for own in now.addresses.get(over, []))
    return next((network for network in networks if address.address in network), None)


def _host_gateway(subnet: IPv4Network | None, now: Snapshot) -> IPv4Address | None:
    default = now.default_route
    return default.gateway if default and subnet and default.gateway in subnet else None


def usual_gateway(
    over: str, address: HostAddress, vlan_id: int | None, now: Snapshot
) -> IPv4Address | None:
    """The default route of a nic that asks for none: the router of its network, or the host's own."""
    for zone in now.serving:
        for network in zone.networks:
            if network.etherstub == over and address.address in network.subnet and not vlan_id:
                return network.address
    return _host_gateway(_subnet_of_link(over, address, vlan_id, now), now)


def _address_path(path: str) -> str:
    return path if path == "address" else f"{path}.address"


def _interface(nic: Nic, subnet: IPv4Network | None, path: str) -> IPv4Interface | None:
    return None if nic.address is None else _within(nic.address, subnet, _address_path(path))


def _within(address: HostAddress, subnet: IPv4Network | None, where: str) -> IPv4Interface:
    """An address with the prefix length of its network, or with its own where that is not known."""
    if subnet is None:
        if address.prefix is None:
            raise Refused(
                f"no network is known on that link: write {address} with its prefix length, "
                f"as in {address}/24",
                where,
            )
        subnet = address.interface(0).network
    if fault := address_fault(address, subnet):
        raise Refused(fault, where)
    return IPv4Interface((address.address, subnet.prefixlen))


def _further(nic: Nic, first: IPv4Interface | None, path: str) -> tuple[Interface, ...]:
    """Further addresses; those of the first one's network take its prefix length."""
    found: list[Interface] = []
    for index, address in enumerate(nic.addresses or []):
        if isinstance(address, IPv6Interface):
            found.append(address)
            continue
        inside = first is not None and address.address in first.network
        subnet = first.network if first is not None and inside else None
        found.append(_within(address, subnet, f"{path}.addresses[{index}]"))
    return tuple(found)


def _shared_link(network: records.Network | None, over: str, now: Snapshot, path: str) -> str:
    if network is not None and network.shared:
        return network.shared
    if over in now.interfaces:
        return over
    raise Refused(
        f"a shared-ip zone needs an interface that is plumbed in the global zone, and {over} has none: "
        "use the network of a router zone, or ipType exclusive",
        path,
    )


def _free_address(
    zone: str, vnic: str, router: ZoneSeen, network: records.Network, now: Snapshot
) -> IPv4Interface:
    """An address to reserve for a DHCP client that did not ask for one.

    The search starts at a place that follows from the zone's name, so that zones created at the same
    moment do not meet. A reservation that the zone has already is kept.
    """
    for reservation in router.reservations:
        if reservation.vnic == vnic and reservation.address in network.subnet:
            return IPv4Interface((reservation.address, network.subnet.prefixlen))
    room = network.subnet.num_addresses - 2
    start = int.from_bytes(hashlib.sha256(zone.encode()).digest()[:4], "big") % room
    for offset in range(room):
        address = network.subnet.network_address + 1 + (start + offset) % room
        if address != network.address and not user_of_address(address, network.etherstub, now, zone):
            return IPv4Interface((address, network.subnet.prefixlen))
    raise Refused(f"no address is free in {network.subnet}")


def user_of_address(address: IPv4Address | IPv6Address, over: str, now: Snapshot, zone: str) -> str | None:
    """Who else has an address on the network that a link carries, in words; None when it is free."""
    for other in now.zones.values():
        serves = any(n.etherstub == over for n in other.networks)
        for reservation in other.reservations:
            if serves and reservation.address == address and reservation.name != zone:
                return f"zone {reservation.name} (reserved in router zone {other.name})"
        if other.name == zone:
            continue
        if any(n.etherstub == over and n.address == address for n in other.networks):
            return f"router zone {other.name}"
        if other.public and other.public.link == over and address in [a.ip for a in other.public.addresses]:
            return f"router zone {other.name}"
        for net in other.config.of_kind("net"):
            if address in addresses_of(net) and over in _carriers(other.name, net, now):
                return f"zone {other.name}"
    for interface, own in now.addresses.items():
        if interface == over and any(a.ip == address for a in own):
            return "the host itself"
    return None


def _carriers(zone: str, net: zonecfg.Resource, now: Snapshot) -> Iterable[str]:
    """The links whose network a net resource is on: the link itself, and the one underneath."""
    name = net.values.get("physical", "")
    link = now.link_of(zone, name) or now.links.get(name)
    return (name, link.over if link else net.values.get("global-nic", ""))


def addresses_of(net: zonecfg.Resource) -> list[IPv4Address | IPv6Address]:
    """The addresses that a net resource gives to its zone."""
    words = [net.values.get("allowed-address", ""), net.values.get("address", "")]
    words += net_properties(net).get("ips", "").split(",")
    found: list[IPv4Address | IPv6Address] = []
    for word in words:
        for kind in (IPv4Address, IPv6Address):
            try:
                found.append(kind(word.split("/")[0]))
            except ValueError:
                continue
    return found


def net_properties(net: zonecfg.Resource) -> dict[str, str]:
    """The free properties of a net resource, ``add property (name=N,value="V")``."""
    found = {}
    for kind, text in net.lists:
        if kind == "property" and text.startswith("(name=") and ",value=" in text:
            name, _, value = text[len("(name=") : -1].partition(",value=")
            found[name.strip('"')] = value.strip('"')
    return found


def _refuse_taken(zone: str, nic: Placed, now: Snapshot) -> None:
    paths = [f"{nic.path}.addresses[{index}]" for index in range(len(nic.further))]
    addresses = [(address.ip, path) for address, path in zip(nic.further, paths, strict=True)]
    if nic.address is not None:
        addresses.insert(0, (nic.address.ip, _address_path(nic.path)))
    for address, where in addresses:
        user = user_of_address(address, nic.over, now, zone)
        if user:
            raise Refused(f"{address} is taken by {user}: choose another address", where)
        default = now.default_route
        if default and default.gateway == address and nic.router is None:
            raise Refused(f"{address} is the host's gateway: choose another address", where)
