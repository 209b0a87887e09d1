"""RouterZone: the zone that joins private networks to the world."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import combinations
from typing import ClassVar

from pydantic import Field, ValidationInfo, model_validator

from pulumi_illumos_provider.model import common, examples
from pulumi_illumos_provider.model.base import (
    Change,
    Faults,
    Inputs,
    Outputs,
    Properties,
    Self,
    all_known,
    prop,
)
from pulumi_illumos_provider.model.common import (
    ZoneState,
    address_fault,
    brand_property,
    host_property,
    zone_name_property,
    zonepath_property,
)
from pulumi_illumos_provider.model.examples import Example
from pulumi_illumos_provider.model.router_values import (
    AnyNetwork,
    DhcpOptions,
    DhcpRange,
    LeaseTime,
    PackageName,
    PortOrRange,
    RawRule,
    Subnet6,
)
from pulumi_illumos_provider.model.values import (
    AbsolutePath,
    Address,
    AddressMaybePrefix,
    Domain,
    HostAddress,
    LinkName,
    Subnet,
    ZoneName,
)
from pulumi_illumos_provider.model.zone.limits import LimitsInputs, LimitsState
from pulumi_illumos_provider.model.zone.settings import SettingsInputs, SettingsState

PUBLIC_LINK = "public"
"""What `FirewallRule.on` calls the public link."""


class FirewallAction(enum.StrEnum):
    """What a rule does with a packet."""

    PASS = "pass"
    BLOCK = "block"


class FirewallDirection(enum.StrEnum):
    """Which way a packet goes, seen from the router zone."""

    IN = "in"
    OUT = "out"


class FirewallProtocol(enum.StrEnum):
    """A protocol that a rule is about."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"


common.ENUM_VALUES.update(
    {
        FirewallAction: {"pass": "The packet passes.", "block": "The packet is dropped."},
        FirewallDirection: {
            "in": "Packets that come into the router.",
            "out": "Packets that leave the router.",
        },
        FirewallProtocol: {"tcp": "TCP.", "udp": "UDP.", "icmp": "ICMP, such as ping."},
    }
)


# Networks ----------------------------------------------------------------------------------------


class NetworkSettings(Properties):
    """How a router zone serves one of its networks."""

    nat: bool = prop(
        "Whether the network's addresses are translated to the public address. Without it the network "
        "is routed: the world must know the way to it.",
        default=True,
        strict=True,
    )
    isolated: bool = prop(
        "Whether the network is kept apart from the router's other networks. It still reaches the world.",
        default=False,
        strict=True,
    )
    mtu: int | None = prop(
        "Largest packet on the network, in bytes (576 to 9000). Default: that of the etherstub.",
        default=None,
        ge=576,
        le=9000,
        strict=True,
    )
    dhcp_range: DhcpRange | None = prop(
        "Addresses that DHCP gives to clients without a reservation, such as `10.10.0.100-10.10.0.199`. "
        "Default: none; only attached zones get an address.",
        default=None,
    )
    dhcp_options: DhcpOptions = prop(
        "Further DHCP options by their name in dnsmasq or by number, such as `ntp-server`.", default={}
    )
    lease_time: LeaseTime | None = prop(
        "How long clients keep an address of the range: seconds, `45m`, `12h`, `1d` or `infinite`. "
        "Default: one hour.",
        default=None,
    )
    subnet6: Subnet6 | None = prop(
        "The network's IPv6 addresses (a /64), announced by router advertisements. Default: none.",
        default=None,
    )


class RouterNetwork(NetworkSettings):
    """A private network that a router zone serves: an etherstub and a subnet."""

    etherstub: LinkName | None = prop(
        "The etherstub that carries the network. Default: the router zone makes and owns one.",
        default=None,
    )
    subnet: Subnet = prop("The network's addresses, such as `10.10.0.0/24`.")
    address: Address | None = prop(
        "The router's own address on the network. Default: the first host address.",
        default=None,
    )
    dhcp: bool = prop(
        "Whether the router answers DHCP requests of attached zones.", default=True, strict=True
    )
    domain: Domain | None = prop(
        "Domain of the network: attached zones are known as `NAME.DOMAIN`, and DHCP clients are told it.",
        default=None,
    )

    @property
    def router_address(self) -> IPv4Address:
        """The router's address, worked out when it was not given."""
        return self.address or self.subnet.network_address + 1

    @property
    def settings(self) -> NetworkSettings:
        """The part that is not in the zone's attributes."""
        return NetworkSettings.model_validate(
            {name: getattr(self, name) for name in NetworkSettings.model_fields}
        )


class RouterNetworkState(NetworkSettings):
    """A network as a router zone serves it."""

    etherstub: str = Field(description="The etherstub that carries the network.")
    subnet: Subnet = Field(description="The network's addresses.")
    address: Address = Field(description="The router's own address on the network.")
    dhcp: bool = Field(description="Whether the router answers DHCP requests.")
    domain: str | None = Field(None, description="Domain of the network.")
    vnic: str = Field(description="The router's vnic on the network.")
    shared_vnic: str = Field(
        description="The vnic plumbed in the global zone for shared-ip zones on the network; of a router "
        "in the global zone the router's own one."
    )
    owns_etherstub: bool = Field(
        description="Whether the etherstub was made by the router zone and goes with it."
    )


# Ways, rules and names ---------------------------------------------------------------------------


class Route(Properties):
    """A static route of a router zone."""

    destination: AnyNetwork = prop("The network that the route leads to, such as `10.50.0.0/16`.")
    gateway: Address = prop("The next hop: an address on one of the router's networks.")


class FirewallInbound(Properties):
    """What may reach the router zone itself from the world."""

    protocol: FirewallProtocol = prop("The protocol.", default=FirewallProtocol.TCP)
    port: PortOrRange | None = prop(
        "The port, or a range such as `8000-8010`. Default: every port.", default=None
    )
    source: AnyNetwork | None = prop(
        "Where it may come from: a network or an address. Default: from anywhere.", default=None
    )


class FirewallRule(Properties):
    """A rule of a router zone's firewall; the first one that fits a packet decides."""

    action: FirewallAction = prop("What happens to the packet.")
    direction: FirewallDirection = prop(
        "Whether it is about packets that come in or that leave.", default=FirewallDirection.IN
    )
    on: str | None = prop(
        "The link: `public`, or the subnet of one of the router's networks. Default: every link.",
        default=None,
    )
    source: AnyNetwork | None = prop("Source of the packet. Default: any.", default=None)
    destination: AnyNetwork | None = prop(
        "Destination of the packet; for what a port forward sends on, the forward's target. Default: any.",
        default=None,
    )
    protocol: FirewallProtocol | None = prop("The protocol. Default: any.", default=None)
    port: PortOrRange | None = prop(
        "Destination port, or a range such as `8000-8010`. Default: any.", default=None
    )


class Firewall(Properties):
    """The packet filter of a router zone."""

    enabled: bool = prop(
        "Whether packets are filtered. When they are, only answers, pings, port forwards and ingress come "
        "in from the world, beside what is let in here.",
        default=True,
        strict=True,
    )
    inbound: list[FirewallInbound] = prop(
        "What may reach the router zone itself from the world. Default: ping only.", default=[]
    )
    rules: list[FirewallRule] = prop(
        "Further rules, in order. Those that name no address hold for IPv6 too. Default: none.", default=[]
    )
    raw_rules: list[RawRule] = prop(
        "Further rules for IPv4 as ipf(5) writes them, after the others: of those without `quick` the last "
        "one that fits decides.",
        default=[],
    )


class DnsRecord(Properties):
    """A name that a router zone's DNS server knows."""

    name: Domain = prop("The name, such as `www.example.com`.")
    address: Address | None = prop("The address that it has. Give this or an alias.", default=None)
    alias: Domain | None = prop(
        "The name that it stands for: one that the DNS server knows itself, such as an attached zone's.",
        default=None,
    )


class DnsForward(Properties):
    """Name servers that are asked for the names of one domain."""

    domain: Domain = prop("The domain.")
    servers: list[Address] = prop("Its name servers.", min_length=1)


class RouterSettings(Properties):
    """What a router zone's own files say, beside the attributes of its configuration."""

    routes: list[Route] = prop("Static routes, beside the default route.", default=[])
    firewall: Firewall = prop("The packet filter. Default: the safe one.", default=Firewall())
    dns_records: list[DnsRecord] = prop(
        "Names beside those of the attached zones: also public names that have another address inside.",
        default=[],
    )
    dns_forward: list[DnsForward] = prop(
        "Domains whose names are asked of their own name servers.", default=[]
    )
    packages: list[PackageName] = prop(
        "Further packages for the router zone, under the names of the host's distribution. "
        "One that is taken out of the list stays installed.",
        default=[],
    )


# The resource ------------------------------------------------------------------------------------


class _Place(Inputs):
    host: str | None = host_property()
    name: ZoneName | None = zone_name_property()
    global_zone: bool = prop(
        "Whether the router is in the global zone, for a host that has a single public address: it "
        "translates to the host's own address, and no zone is made. The host needs static networking.",
        change=Change.REPLACE,
        default=False,
        strict=True,
    )
    public_address: AddressMaybePrefix | None = prop(
        "The router's address to the world, with or without prefix length. Without it, the prefix of "
        "the host's own network on the public link is taken. Required unless `globalZone` is true.",
        default=None,
    )
    public_addresses: list[AddressMaybePrefix] = prop(
        "Further addresses of the router to the world, for port forwards and ingress.", default=[]
    )
    public_link: LinkName | None = prop(
        "The link that leads to the world. Default: the link that routes to the public address; in the "
        "global zone that of the default route.",
        change=Change.REBOOT,
        default=None,
    )
    gateway: Address | None = prop(
        "Where the router sends what is for the world. Default: the host's own default route.",
        default=None,
    )
    networks: list[RouterNetwork] = prop("The private networks that the router serves.", min_length=1)
    dns_servers: list[Address] | None = prop(
        "Name servers that the router asks. Default: the host's.", default=None
    )
    brand: str | None = brand_property()
    zonepath: AbsolutePath | None = zonepath_property()


_ZONE_ONLY = "says something of a zone, and no zone is made with globalZone: leave it out"

_ONLY_IN_ZONES = {
    "public_address": "is the host's own address with globalZone: leave it out",
    "public_addresses": "are the host's own with globalZone: leave them out",
    "gateway": "is that of the host with globalZone: leave it out",
    "brand": _ZONE_ONLY,
    "zonepath": _ZONE_ONLY,
    **dict.fromkeys([*SettingsInputs.model_fields, *LimitsInputs.model_fields], _ZONE_ONLY),
    "routes": "are those of the host with globalZone: add them with route -p add, and leave them out here",
    "firewall": "would filter the host itself, and could lock its administrator out: leave it out, and "
    "write the host's own rules to /etc/ipf/ipf.conf",
    "packages": "are those of the host with globalZone: install them there, and leave them out here",
}
"""The properties that a router in the global zone does not have, and why."""


# The properties stand in the order of the bases from the last to the first.
class RouterZoneInputs(LimitsInputs, SettingsInputs, RouterSettings, _Place):
    """A zone that forwards, translates addresses, filters and serves DHCP and DNS."""

    DESCRIPTION: ClassVar[str] = (
        "A zone that joins private networks to the world: one vnic on a public link, one on each "
        "network's etherstub, IPv4 forwarding, address translation and a packet filter (IPFilter), DHCP "
        "and DNS (dnsmasq).\n\n"
        "A name, a public address and one subnet are enough; what was worked out is stored with the "
        "zone, so that zones attach to it by their address alone. Networks, rules, names and addresses "
        "are changed while traffic flows."
    )
    EXAMPLES: ClassVar[tuple[Example, ...]] = examples.ROUTER_ZONE

    @model_validator(mode="after")
    def _makes_sense(self, info: ValidationInfo) -> Self:
        faults = Faults()
        known = all_known(info)
        self.examine_settings(faults, known)
        self.examine_limits(faults, known)
        if known:
            self._examine_place(faults)
            self._examine_networks(faults)
            self._examine_public(faults)
            self._examine_routes(faults)
            self._examine_firewall(faults)
            self._examine_names(faults)
        faults.raise_if_any()
        return self

    @property
    def settings(self) -> RouterSettings:
        """The part that is not in the zone's attributes."""
        values = {name: getattr(self, name) for name in RouterSettings.model_fields}
        if self.global_zone:
            values["firewall"] = Firewall(enabled=False)
        return RouterSettings.model_validate(values)

    @property
    def all_public(self) -> list[HostAddress]:
        """Every public address, the first one first; none in the global zone, which has the host's."""
        return [*([self.public_address] if self.public_address else []), *self.public_addresses]

    def _examine_place(self, faults: Faults) -> None:
        if not self.global_zone:
            if self.public_address is None:
                faults.add("publicAddress", "is required, unless globalZone is true")
            return
        for field, reason in _ONLY_IN_ZONES.items():
            value, default = getattr(self, field), type(self).model_fields[field].default
            if value != default and (field, value) != ("firewall", Firewall(enabled=False)):
                faults.add(self.property_name(field), reason)
        for index, network in enumerate(self.networks):
            if network.isolated:
                faults.add(
                    f"networks[{index}].isolated",
                    "needs the packet filter, which is left alone in the global zone: leave it out",
                )
            if network.subnet6:
                faults.add(
                    f"networks[{index}].subnet6",
                    "is not served by a router in the global zone: leave it out",
                )
        if not any(network.nat for network in self.networks):
            faults.add(
                "networks", "need at least one with nat: without any, the host just forwards packets"
            )

    def _examine_networks(self, faults: Faults) -> None:
        for index, network in enumerate(self.networks):
            _examine_network(network, f"networks[{index}]", faults)
            for public in self.all_public:
                if public.address in network.subnet:
                    faults.add(
                        f"networks[{index}].subnet",
                        f"{network.subnet} contains the public address {public.address}: "
                        "choose another subnet",
                    )
        for (i, one), (j, two) in combinations(enumerate(self.networks), 2):
            if one.subnet.overlaps(two.subnet):
                faults.add(
                    f"networks[{j}].subnet",
                    f"{two.subnet} overlaps networks[{i}] ({one.subnet}): "
                    "give each network addresses of its own",
                )
            if one.subnet6 and one.subnet6 == two.subnet6:
                faults.add(f"networks[{j}].subnet6", f"{two.subnet6} is that of networks[{i}] already")
            if one.etherstub and one.etherstub == two.etherstub:
                faults.add(
                    f"networks[{j}].etherstub",
                    f"{two.etherstub} already carries networks[{i}]: use one etherstub for each network",
                )

    def _examine_public(self, faults: Faults) -> None:
        seen: set[IPv4Address] = {self.public_address.address} if self.public_address else set()
        for index, public in enumerate(self.public_addresses):
            if public.address in seen:
                faults.add(
                    f"publicAddresses[{index}]",
                    f"{public.address} is a public address already: leave it out",
                )
            seen.add(public.address)

    def _examine_routes(self, faults: Faults) -> None:
        for index, route in enumerate(self.routes):
            path = f"routes[{index}]"
            if route.destination.prefixlen == 0:
                faults.add(f"{path}.destination", "is the default route: use gateway for it")
            if any(route.gateway == n.router_address for n in self.networks) or any(
                route.gateway == public.address for public in self.all_public
            ):
                faults.add(f"{path}.gateway", f"{route.gateway} is the router itself: name the next hop")
            for network in self.networks:
                if route.destination.subnet_of(network.subnet):
                    faults.add(
                        f"{path}.destination",
                        f"{route.destination} is in {network.subnet}, which the router is on: "
                        "it needs no route",
                    )

    def _examine_firewall(self, faults: Faults) -> None:
        served = {str(network.subnet) for network in self.networks}
        for index, inbound in enumerate(self.firewall.inbound):
            if inbound.port and inbound.protocol is FirewallProtocol.ICMP:
                faults.add(f"firewall.inbound[{index}].port", "has no meaning with icmp: leave it out")
        for index, rule in enumerate(self.firewall.rules):
            path = f"firewall.rules[{index}]"
            if rule.port and rule.protocol not in (FirewallProtocol.TCP, FirewallProtocol.UDP):
                faults.add(f"{path}.port", "needs the protocol tcp or udp")
            if rule.on is not None and rule.on not in served | {PUBLIC_LINK}:
                faults.add(
                    f"{path}.on",
                    f"{rule.on!r} is no link of the router: write {PUBLIC_LINK} or one of "
                    f"{', '.join(sorted(served))}",
                )

    def _examine_names(self, faults: Faults) -> None:
        for index, record in enumerate(self.dns_records):
            if (record.address is None) == (record.alias is None):
                faults.add(f"dnsRecords[{index}]", "needs either an address or an alias")


def _examine_network(network: RouterNetwork, path: str, faults: Faults) -> None:
    if fault := address_fault(HostAddress(network.router_address), network.subnet):
        faults.add(f"{path}.address", fault)
    pool = network.dhcp_range
    if pool is not None:
        for end in (pool.first, pool.last):
            if fault := address_fault(HostAddress(end), network.subnet):
                faults.add(f"{path}.dhcpRange", fault)
                break
        if pool.first <= network.router_address <= pool.last:
            faults.add(
                f"{path}.dhcpRange", f"{pool} holds the router's own address {network.router_address}"
            )
    if not network.dhcp:
        for name, value in _dhcp_only(network):
            if value:
                faults.add(f"{path}.{name}", "has no meaning without dhcp: leave it out, or switch dhcp on")
    if network.subnet6 and network.mtu is not None and network.mtu < 1280:
        faults.add(f"{path}.mtu", f"{network.mtu} is too small for IPv6: it needs at least 1280")


def _dhcp_only(network: RouterNetwork) -> Iterator[tuple[str, object]]:
    yield "dhcpRange", network.dhcp_range
    yield "dhcpOptions", network.dhcp_options
    yield "leaseTime", network.lease_time


class _State(Outputs):
    host: str = Field(description="The host that the zone is on.")
    name: str = Field(description="Name of the zone.")
    global_zone: bool = Field(False, description="Whether the router is in the global zone.")
    public_address: AddressMaybePrefix = Field(
        description="The router's address to the world, with prefix length."
    )
    public_addresses: list[AddressMaybePrefix] = Field(
        [], description="Further addresses of the router to the world."
    )
    public_link: str = Field(description="The link that leads to the world.")
    public_vnic: str = Field(
        description="The router's vnic on the public link; in the global zone the link itself."
    )
    gateway: Address | None = Field(None, description="Where the router sends what is for the world.")
    networks: list[RouterNetworkState] = Field(description="The networks that the router serves.")
    dns_servers: list[Address] = Field(description="Name servers that the router asks.")
    brand: str = Field(description="Zone brand.")
    zonepath: str = Field(description="Directory of the zone.")
    state: ZoneState = Field(description="Whether the zone is up.")
    status: str = Field(description="State of the zone as zoneadm tells it, such as `installed`.")
    services: dict[str, str] = Field(description="State of each service that the router needs, by name.")
    link_protection: list[str] = Field(
        description="Vnics of the router on which link protection is on; it stops forwarding."
    )
    drift: list[str] = Field(
        [], description="What was changed on the host by others, and is put right by the next update."
    )


class RouterZoneOutputs(LimitsState, SettingsState, RouterSettings, _State):
    """A router zone as the host has it."""
