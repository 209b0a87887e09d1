"""RouterZone: the zone that joins private networks to the world."""

from __future__ import annotations

from ipaddress import IPv4Address
from itertools import combinations
from typing import ClassVar

from pydantic import Field, ValidationInfo, model_validator

from pulumi_illumos_provider.model import examples
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
    autoboot_property,
    brand_property,
    host_property,
    zone_name_property,
    zonepath_property,
)
from pulumi_illumos_provider.model.examples import Example
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


class RouterNetwork(Properties):
    """A private network that a router zone serves: an etherstub and a subnet."""

    etherstub: LinkName | None = prop(
        "The etherstub that carries the network. Default: the router zone makes and owns one.",
        change=Change.REBOOT,
        default=None,
    )
    subnet: Subnet = prop("The network's addresses, such as `10.10.0.0/24`.", change=Change.REBOOT)
    address: Address | None = prop(
        "The router's own address on the network. Default: the first host address.",
        change=Change.REBOOT,
        default=None,
    )
    dhcp: bool = prop(
        "Whether the router answers DHCP requests of attached zones.", default=True, strict=True
    )
    domain: Domain | None = prop("Domain name given to DHCP clients of the network.", default=None)

    @property
    def router_address(self) -> IPv4Address:
        """The router's address, worked out when it was not given."""
        return self.address or self.subnet.network_address + 1


class RouterNetworkState(Properties):
    """A network as a router zone serves it."""

    etherstub: str = Field(description="The etherstub that carries the network.")
    subnet: Subnet = Field(description="The network's addresses.")
    address: Address = Field(description="The router's own address on the network.")
    dhcp: bool = Field(description="Whether the router answers DHCP requests.")
    domain: str | None = Field(None, description="Domain name given to DHCP clients.")
    vnic: str = Field(description="The router's vnic on the network.")
    shared_vnic: str = Field(
        description="The vnic plumbed in the global zone for shared-ip zones on the network."
    )
    owns_etherstub: bool = Field(
        description="Whether the etherstub was made by the router zone and goes with it."
    )


class RouterZoneInputs(Inputs):
    """A zone that forwards, translates addresses and serves DHCP."""

    DESCRIPTION: ClassVar[str] = (
        "A zone that joins private networks to the world: one vnic on a public link, one on each "
        "network's etherstub, IPv4 forwarding, address translation (IPFilter) and DHCP (dnsmasq).\n\n"
        "A name, a public address and one subnet are enough; what was worked out is stored with the "
        "zone, so that zones attach to it by their address alone."
    )
    EXAMPLES: ClassVar[tuple[Example, ...]] = examples.ROUTER_ZONE

    host: str | None = host_property()
    name: ZoneName | None = zone_name_property()
    public_address: AddressMaybePrefix = prop(
        "The router's address to the world, with or without prefix length. Without it, the prefix of "
        "the host's own network on the public link is taken.",
        change=Change.REBOOT,
    )
    public_link: LinkName | None = prop(
        "The link that leads to the world. Default: the link that routes to the public address.",
        change=Change.REBOOT,
        default=None,
    )
    gateway: Address | None = prop(
        "Where the router sends what is for the world. Default: the host's own default route.",
        change=Change.REBOOT,
        default=None,
    )
    networks: list[RouterNetwork] = prop(
        "The private networks that the router serves.", change=Change.REBOOT, min_length=1
    )
    brand: str | None = brand_property()
    zonepath: AbsolutePath | None = zonepath_property()
    autoboot: bool = autoboot_property()
    dns_servers: list[Address] | None = prop(
        "Name servers that the router asks. Default: the host's.", default=None
    )

    @model_validator(mode="after")
    def _networks_fit(self, info: ValidationInfo) -> Self:
        if not all_known(info):
            return self
        faults = Faults()
        for index, network in enumerate(self.networks):
            fault = address_fault(HostAddress(network.router_address), network.subnet)
            if fault:
                faults.add(f"networks[{index}].address", fault)
            if self.public_address.address in network.subnet:
                faults.add(
                    f"networks[{index}].subnet",
                    f"{network.subnet} contains the public address {self.public_address.address}: "
                    "choose another subnet",
                )
        for (i, one), (j, two) in combinations(enumerate(self.networks), 2):
            if one.subnet.overlaps(two.subnet):
                faults.add(
                    f"networks[{j}].subnet",
                    f"{two.subnet} overlaps networks[{i}] ({one.subnet}): "
                    "give each network addresses of its own",
                )
            if one.etherstub and one.etherstub == two.etherstub:
                faults.add(
                    f"networks[{j}].etherstub",
                    f"{two.etherstub} already carries networks[{i}]: use one etherstub for each network",
                )
        faults.raise_if_any()
        return self


class RouterZoneOutputs(Outputs):
    """A router zone as the host has it."""

    host: str = Field(description="The host that the zone is on.")
    name: str = Field(description="Name of the zone.")
    public_address: AddressMaybePrefix = Field(
        description="The router's address to the world, with prefix length."
    )
    public_link: str = Field(description="The link that leads to the world.")
    public_vnic: str = Field(description="The router's vnic on the public link.")
    gateway: Address | None = Field(None, description="Where the router sends what is for the world.")
    networks: list[RouterNetworkState] = Field(description="The networks that the router serves.")
    brand: str = Field(description="Zone brand.")
    zonepath: str = Field(description="Directory of the zone.")
    autoboot: bool = Field(description="Whether the zone boots with the host.")
    dns_servers: list[Address] = Field(description="Name servers that the router asks.")
    state: ZoneState = Field(description="Whether the zone is up.")
    status: str = Field(description="State of the zone as zoneadm tells it, such as `installed`.")
    services: dict[str, str] = Field(description="State of each service that the router needs, by name.")
    link_protection: list[str] = Field(
        description="Vnics of the router on which link protection is on; it stops forwarding."
    )
