"""Where a zone's nics go: the network is found from the address alone when nothing else is said."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import names, records
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.common import IpType, address_fault
from pulumi_illumos_provider.model.values import HostAddress
from pulumi_illumos_provider.model.zone import Nic, ZoneInputs
from pulumi_illumos_provider.resources.kind import local_name


@dataclass(frozen=True)
class Placed:
    """A nic with everything worked out.

    Attributes:
        vnic: the zone's link; for a shared-ip zone the vnic in the global zone.
        over: link under the vnic.
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
    placed: list[Placed] = []
    routed = False
    for number, (nic, path) in enumerate(zip(nics, paths, strict=True)):
        found = _place_nic(zone, number, nic, path, wanted, now, routed)
        routed = routed or found.gateway is not None or found.dhcp
        placed.append(found)
    for one in placed:
        _refuse_taken(zone, one, now)
    return placed


def _by_address(address: HostAddress, router: str | None, now: Snapshot) -> Nic:
    if router is not None:
        return Nic(router=router, address=address)
    holders = [zone for zone in now.routers if zone.network_of(address.address)]
    if len(holders) > 1:
        raise Refused(
            f"{address.address} lies in a network of several router zones "
            f"({', '.join(zone.name for zone in holders)}): say which one with router",
            "router",
        )
    if holders:
        return Nic(router=holders[0].name, address=address)
    if found := now.link_of_network(address.address):
        return Nic(link=found[0], address=address)
    raise Refused(
        f"no network on the host holds {address.address}. {_known_networks(now)} "
        "If its router zone is made in the same program, say so with router=, or describe the nic",
        "address",
    )


def _known_networks(now: Snapshot) -> str:
    known = [f"{n.subnet} (router zone {zone.name})" for zone in now.routers for n in zone.networks]
    known += [f"{a.network} ({link})" for link, own in now.addresses.items() for a in own]
    return f"Known networks: {', '.join(known)}." if known else "It has no network yet."


def _place_nic(
    zone: str,
    number: int,
    nic: Nic,
    path: str,
    wanted: ZoneInputs,
    now: Snapshot,
    routed: bool,
) -> Placed:
    router, network = _router_network(nic, path, now)
    shared = wanted.ip_type is IpType.SHARED
    if network is not None:
        over = network.etherstub
        subnet: IPv4Network | None = network.subnet
        gateway: IPv4Address | None = network.address
    else:
        over = nic.link or nic.etherstub or ""
        _require_link(over, nic, path, now)
        subnet = _subnet_of_link(over, nic, now)
        gateway = _host_gateway(over, subnet, now)
    address = _interface(nic, subnet, path)
    if nic.dhcp and router is not None and network is not None:
        if not network.dhcp:
            raise Refused(
                f"router zone {router.name} serves no DHCP on {network.subnet}: "
                "switch dhcp on in its networks, or give a static address",
                f"{path}.dhcp",
            )
        address = address or _free_address(zone, number, router, network, now)
    chosen: IPv4Address | None = nic.gateway
    if chosen is None and not routed and not nic.dhcp and address is not None:
        chosen = gateway
    if chosen is not None and address is not None and chosen not in address.network:
        raise Refused(
            f"the gateway {chosen} is outside the network {address.network} of the nic",
            f"{path}.gateway",
        )
    return Placed(
        vnic=_shared_link(network, over, now, path) if shared else names.vnic(zone, number),
        over=over,
        address=address,
        dhcp=nic.dhcp,
        gateway=None if shared else chosen,
        vid=nic.vlan_id or 0,
        mac=nic.mac,
        protected=nic.protected and not shared,
        router=router,
        network=network,
        shared=shared,
        path=path,
    )


def _router_network(nic: Nic, path: str, now: Snapshot) -> tuple[ZoneSeen | None, records.Network | None]:
    if nic.router is not None:
        where = "router" if path == "address" else f"{path}.router"
        name = local_name(nic.router)
        router = now.zones.get(name)
        if router is None or not router.is_router:
            known = ", ".join(zone.name for zone in now.routers) or "none"
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
                path if path == "address" else f"{path}.address",
            )
        return router, network
    for zone in now.routers:
        for network in zone.networks:
            held = nic.address is None or nic.address.address in network.subnet
            if network.etherstub == nic.etherstub and held:
                return zone, network
    return None, None


def _require_link(over: str, nic: Nic, path: str, now: Snapshot) -> None:
    what = "link" if nic.link else "etherstub"
    link = now.links.get(over)
    if link is None:
        raise Refused(f"there is no {what} {over} on the host", f"{path}.{what}")
    if what == "etherstub" and link.link_class != "etherstub":
        raise Refused(
            f"{over} is not an etherstub but a link of class {link.link_class}: use link",
            f"{path}.etherstub",
        )
    if what == "link" and link.link_class in ("vnic", "vlan"):
        raise Refused(
            f"{over} is a {link.link_class}: a vnic cannot be put over it; "
            f"name the link underneath ({link.over})",
            f"{path}.link",
        )


def _subnet_of_link(over: str, nic: Nic, now: Snapshot) -> IPv4Network | None:
    if nic.vlan_id or nic.address is None:
        return None
    for own in now.addresses.get(over, []):
        if nic.address.address in own.network:
            return own.network
    return None


def _host_gateway(over: str, subnet: IPv4Network | None, now: Snapshot) -> IPv4Address | None:
    default = now.default_route
    if default and subnet and default.gateway in subnet:
        return default.gateway
    return None


def _interface(nic: Nic, subnet: IPv4Network | None, path: str) -> IPv4Interface | None:
    if nic.address is None:
        return None
    where = path if path == "address" else f"{path}.address"
    if subnet is None:
        if nic.address.prefix is None:
            raise Refused(
                f"no network is known on that link: write {nic.address} with its prefix length, "
                f"as in {nic.address}/24",
                where,
            )
        subnet = nic.address.interface(0).network
    if fault := address_fault(nic.address, subnet):
        raise Refused(fault, where)
    return IPv4Interface((nic.address.address, subnet.prefixlen))


def _shared_link(network: records.Network | None, over: str, now: Snapshot, path: str) -> str:
    if network is not None:
        return network.shared
    if over in now.interfaces:
        return over
    raise Refused(
        f"a shared-ip zone needs an interface that is plumbed in the global zone, and {over} has none: "
        "use the network of a router zone, or ipType exclusive",
        path,
    )


def _free_address(
    zone: str, number: int, router: ZoneSeen, network: records.Network, now: Snapshot
) -> IPv4Interface:
    """An address to reserve for a DHCP client that did not ask for one.

    The search starts at a place that follows from the zone's name, so that zones created at the same
    moment do not meet. A reservation that the zone has already is kept.
    """
    vnic = names.vnic(zone, number)
    for reservation in router.reservations:
        if reservation.file.endswith(vnic) and reservation.address in network.subnet:
            return IPv4Interface((reservation.address, network.subnet.prefixlen))
    room = network.subnet.num_addresses - 2
    start = int.from_bytes(hashlib.sha256(zone.encode()).digest()[:4], "big") % room
    for offset in range(room):
        address = network.subnet.network_address + 1 + (start + offset) % room
        if address != network.address and not user_of_address(address, network.etherstub, now, zone):
            return IPv4Interface((address, network.subnet.prefixlen))
    raise Refused(f"no address is free in {network.subnet}")


def user_of_address(address: IPv4Address, over: str, now: Snapshot, zone: str) -> str | None:
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
        if other.public and other.public.link == over and other.public.address.ip == address:
            return f"router zone {other.name}"
        for net in other.config.of_kind("net"):
            text = net.values.get("allowed-address") or net.values.get("address") or ""
            link = now.links.get(net.values.get("physical", ""))
            if text.split("/")[0] == str(address) and link and over in (link.over, link.name):
                return f"zone {other.name}"
    for interface, own in now.addresses.items():
        if interface == over and any(a.ip == address for a in own):
            return "the host itself"
    return None


def _refuse_taken(zone: str, nic: Placed, now: Snapshot) -> None:
    if nic.address is None:
        return
    where = nic.path if nic.path == "address" else f"{nic.path}.address"
    user = user_of_address(nic.address.ip, nic.over, now, zone)
    if user:
        raise Refused(f"{nic.address.ip} is taken by {user}: choose another address", where)
    default = now.default_route
    if default and default.gateway == nic.address.ip and nic.router is None:
        raise Refused(f"{nic.address.ip} is the host's gateway: choose another address", where)
