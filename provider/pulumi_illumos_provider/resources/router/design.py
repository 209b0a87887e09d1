"""A router zone with everything worked out, from what is wanted and from what a host has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface

from pydantic import Field, ValidationError

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import names, records
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen, parse_resolvers
from pulumi_illumos_provider.illumos.zlogin import GLOBAL
from pulumi_illumos_provider.model.base import Properties
from pulumi_illumos_provider.model.common import address_fault
from pulumi_illumos_provider.model.router_zone import (
    NetworkSettings,
    RouterNetwork,
    RouterSettings,
    RouterZoneInputs,
)
from pulumi_illumos_provider.model.values import HostAddress
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.placement import user_of_address

SETTINGS = "etc/pulumi-illumos/router.json"
"""File below the zone's root that holds what zonecfg attributes are too short for."""


class Stored(Properties):
    """The content of `SETTINGS`."""

    networks: dict[str, NetworkSettings] = Field(default={})
    router: RouterSettings = Field(default=RouterSettings())

    @classmethod
    def read(cls, zone: ZoneSeen) -> Stored:
        """What a zone has; a file that is missing or damaged says nothing."""
        try:
            return cls.model_validate_json(zone.files.get(SETTINGS, "{}"))
        except ValidationError:
            return cls()


@dataclass(frozen=True)
class Net:
    """A network of a router zone.

    Attributes:
        record: what is stored with the zone, for every attached zone to see.
        settings: how it is served.
    """

    record: records.Network
    settings: NetworkSettings

    @property
    def interface(self) -> IPv4Interface:
        """The router's address on it."""
        return IPv4Interface((self.record.address, self.record.subnet.prefixlen))

    @property
    def interface6(self) -> IPv6Interface | None:
        """The router's IPv6 address on it: the first one."""
        subnet = self.settings.subnet6
        return None if subnet is None else IPv6Interface((subnet.network_address + 1, subnet.prefixlen))


@dataclass(frozen=True)
class Design:
    """A router zone with everything worked out."""

    name: str
    brand: str
    zonepath: str
    public: records.Public
    networks: tuple[Net, ...]
    servers: tuple[IPv4Address, ...]
    settings: RouterSettings

    @property
    def in_global_zone(self) -> bool:
        """Whether it is no zone of its own."""
        return self.zonepath == "/"

    @property
    def zone(self) -> str:
        """The zone that it is, or that it is in."""
        return GLOBAL if self.in_global_zone else self.name

    @property
    def root(self) -> str:
        """Its root directory, seen from the global zone."""
        return "" if self.in_global_zone else f"{self.zonepath}/root"

    @property
    def vnics(self) -> dict[str, str]:
        """The router's own vnics, and what each is over."""
        public = {} if self.in_global_zone else {self.public.vnic: self.public.link}
        return public | {n.record.vnic: n.record.etherstub for n in self.networks}

    @property
    def has_ipv6(self) -> bool:
        """Whether any network has IPv6 addresses."""
        return any(n.settings.subnet6 for n in self.networks)

    @property
    def addresses(self) -> dict[str, tuple[IPv4Interface | IPv6Interface, ...]]:
        """The addresses of each vnic, the main one first."""
        found: dict[str, tuple[IPv4Interface | IPv6Interface, ...]] = {
            self.public.vnic: self.public.addresses
        }
        for net in self.networks:
            six = net.interface6
            found[net.record.vnic] = (net.interface, *([six] if six else []))
        return found

    @property
    def stored(self) -> str:
        """The content of `SETTINGS`."""
        stored = Stored(
            networks={str(n.record.subnet): n.settings for n in self.networks}, router=self.settings
        )
        return json.dumps(stored.wire(), sort_keys=True) + "\n"


def recorded(zone: ZoneSeen) -> Design | None:
    """The design that a router zone was built to; None when it has no records of ours."""
    if zone.public is None:
        return None
    stored = Stored.read(zone)
    return Design(
        name=zone.name,
        brand=zone.listed.brand,
        zonepath=zone.listed.zonepath,
        public=zone.public,
        networks=tuple(
            Net(n, stored.networks.get(str(n.subnet), NetworkSettings())) for n in zone.networks
        ),
        servers=_servers(zone),
        settings=stored.router,
    )


def _servers(zone: ZoneSeen) -> tuple[IPv4Address, ...]:
    if zone.listed.is_global:
        return tuple(map(IPv4Address, zone.config.attributes.get(records.SERVERS, "").split()))
    return tuple(parse_resolvers(zone.files.get("etc/resolv.conf", "")))


def attributes(design: Design, retired: tuple[records.Network, ...] = ()) -> dict[str, str]:
    """The zonecfg attributes that describe a router zone.

    Args:
        retired: networks that it had, which are on the host until they are taken down.
    """
    own = {records.PUBLIC: design.public.encode()}
    for number, other in enumerate(design.public.others):
        own[f"{records.ADDRESS}{number}"] = str(other)
    for number, network in enumerate((*(n.record for n in design.networks), *retired)):
        own[f"{records.NETWORK}{number}"] = network.encode()
    return own


# Working out -------------------------------------------------------------------------------------


def work_out(wanted: RouterZoneInputs, zone: ZoneSeen | None, now: Snapshot) -> Design:
    """Work a router zone out.

    Raises:
        Refused: it does not fit the host; names the property.
    """
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
    public = _public(wanted, now)
    networks = work_out_networks(wanted, zone, public, now)
    _refuse_lost_gateways(wanted, public)
    return Design(
        name=name,
        brand=brand,
        zonepath=zone.listed.zonepath if zone else steps.choose_zonepath(wanted.zonepath, name, now),
        public=public,
        networks=networks,
        servers=tuple(wanted.dns_servers if wanted.dns_servers is not None else now.resolvers),
        settings=wanted.settings,
    )


def _public(wanted: RouterZoneInputs, now: Snapshot) -> records.Public:
    link = _public_link(wanted, now)
    asked, *others = wanted.all_public
    address = _public_address(asked, "publicAddress", link, wanted, now)
    further = tuple(
        _public_address(other, f"publicAddresses[{index}]", link, wanted, now)
        for index, other in enumerate(others)
    )
    gateway = wanted.gateway
    if gateway is None and now.default_route and now.default_route.gateway in address.network:
        gateway = now.default_route.gateway
    if gateway is not None and (gateway not in address.network or gateway == address.ip):
        raise Refused(
            f"the gateway {gateway} must be another address of {address.network}, "
            "the network of the public address",
            "gateway",
        )
    return records.Public(link, names.vnic(wanted.name or "", 0), address, gateway, further)


def _public_link(wanted: RouterZoneInputs, now: Snapshot) -> str:
    asked = wanted.all_public[0].address
    held = now.link_of_network(asked)
    link = wanted.public_link or (held[0] if held else None)
    if link is None and now.default_route:
        link = now.default_route.interface or None
    if link is None:
        raise Refused(
            f"no link of the host leads to {asked}: name one with publicLink",
            "publicAddress",
        )
    if link not in now.links:
        raise Refused(f"there is no link {link} on the host", "publicLink")
    if now.links[link].link_class in ("vnic", "vlan"):
        raise Refused(f"{link} is a {now.links[link].link_class}: no vnic can be over it", "publicLink")
    return link


def _public_address(
    asked: HostAddress, where: str, link: str, wanted: RouterZoneInputs, now: Snapshot
) -> IPv4Interface:
    own = [a.network for a in now.addresses.get(link, []) if asked.address in a.network]
    if asked.prefix is None and not own:
        raise Refused(
            f"{asked.address} is in no network of the host on {link}: "
            f"write it with its prefix length, as in {asked.address}/24",
            where,
        )
    address = asked.interface(own[0].prefixlen if own else 32)
    if fault := address_fault(HostAddress(address.ip, address.network.prefixlen), address.network):
        raise Refused(fault, where)
    if now.default_route and now.default_route.gateway == address.ip:
        raise Refused(f"{address.ip} is the host's gateway: choose another", where)
    user = user_of_address(address.ip, link, now, wanted.name or "")
    if user:
        raise Refused(f"{address.ip} is taken by {user}: choose another address", where)
    return address


def work_out_networks(
    wanted: RouterZoneInputs, zone: ZoneSeen | None, public: records.Public, now: Snapshot
) -> tuple[Net, ...]:
    """Work the networks of a router out; those that stay keep their links.

    Raises:
        Refused: one does not fit the host; names the property.
    """
    name = wanted.name or ""
    kept = _kept(wanted.networks, zone)
    # A network that stays keeps its links: their names follow from a number that is never moved.
    present = zone.networks if zone else ()
    numbers = iter(
        number
        for number in range(len(wanted.networks) + len(present) + 1)
        if names.vnic(name, number + 1) not in {n.vnic for n in present}
    )
    found = []
    for index, network in enumerate(wanted.networks):
        path = f"networks[{index}]"
        _refuse_overlap(network, path, public, name, now)
        record = kept.get(index) or _new_record(network, name, next(numbers))
        if network.etherstub is not None:
            _require_etherstub(network.etherstub, path, name, now)
        _refuse_mtu(network, record, path, now)
        found.append(
            Net(
                records.Network(
                    etherstub=record.etherstub,
                    subnet=network.subnet,
                    address=network.router_address,
                    vnic=record.vnic,
                    shared=record.shared,
                    dhcp=network.dhcp,
                    domain=network.domain,
                    owned=record.owned and network.etherstub is None,
                ),
                network.settings,
            )
        )
    return tuple(found)


def _kept(networks: list[RouterNetwork], zone: ZoneSeen | None) -> dict[int, records.Network]:
    """For each wanted network (by its place) the present one that it goes on from.

    It is known by its subnet, or by its etherstub when it gets other addresses.
    """
    present = list(zone.networks) if zone else []
    found = {}
    for index, network in enumerate(networks):
        for old in present:
            if old.subnet == network.subnet and network.etherstub in (None, old.etherstub):
                found[index] = old
    taken = {old.vnic for old in found.values()}
    for index, network in enumerate(networks):
        for old in present:
            if index not in found and old.etherstub == network.etherstub and old.vnic not in taken:
                found[index] = old
                taken.add(old.vnic)
    return found


def _new_record(network: RouterNetwork, name: str, number: int) -> records.Network:
    return records.Network(
        etherstub=network.etherstub or names.owned_etherstub(name, number),
        subnet=network.subnet,
        address=network.router_address,
        vnic=names.vnic(name, number + 1),
        shared=names.shared_vnic(name, number),
        dhcp=network.dhcp,
        domain=network.domain,
        owned=network.etherstub is None,
    )


def _refuse_overlap(
    network: RouterNetwork, path: str, public: records.Public, name: str, now: Snapshot
) -> None:
    for router in now.routers:
        if router.name == name:
            continue
        for other in router.networks:
            _refuse_common(
                network.subnet, other.subnet, f"{other.subnet} of router zone {router.name}", path
            )
        for address in router.public.addresses if router.public else ():
            _refuse_common(
                network.subnet,
                address.network,
                f"{address.network}, the public network of router zone {router.name}",
                path,
            )
    served = {n.vnic for n in now.zones[name].networks} if name in now.zones else set()
    for link, addresses in now.addresses.items():
        for own in addresses if link not in served else ():
            what = f"{own.network}, the host's own network on {link}"
            _refuse_common(network.subnet, own.network, what, path)
    for address in public.addresses:
        what = f"{address.network}, the network of the public address"
        _refuse_common(network.subnet, address.network, what, path)


def _refuse_common(subnet: IPv4Network, other: IPv4Network, what: str, path: str) -> None:
    if subnet.overlaps(other):
        raise Refused(f"{subnet} overlaps {what}: choose other addresses", f"{path}.subnet")


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


def _refuse_mtu(network: RouterNetwork, record: records.Network, path: str, now: Snapshot) -> None:
    """Every vnic takes its MTU from the etherstub when it is made: it cannot be changed under them."""
    link = now.links.get(record.etherstub)
    if network.mtu is None or link is None or link.mtu == network.mtu:
        return
    if network.etherstub is not None:
        how = f"set mtu of the Etherstub resource of {record.etherstub} before vnics are on it"
    else:
        how = "remove the network, and add it again with the other MTU"
    raise Refused(
        f"the network's vnics have the MTU {link.mtu} of their etherstub {record.etherstub}: {how}",
        f"{path}.mtu",
    )


def _refuse_lost_gateways(wanted: RouterZoneInputs, public: records.Public) -> None:
    reached = [n.subnet for n in wanted.networks] + [a.network for a in public.addresses]
    for index, route in enumerate(wanted.routes):
        if not any(route.gateway in network for network in reached):
            raise Refused(
                f"the router is on no network with {route.gateway}: name a next hop in one of "
                f"{', '.join(map(str, reached))}",
                f"routes[{index}].gateway",
            )
