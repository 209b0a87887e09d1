"""VirtualDatacenter: a switch, a router to the world, and the zones behind it, declared as one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from pulumi_illumos_provider.components import addressing
from pulumi_illumos_provider.components.component import Child, Children, Component
from pulumi_illumos_provider.components.given import Given, listed, record
from pulumi_illumos_provider.errors import Failure
from pulumi_illumos_provider.model import examples
from pulumi_illumos_provider.model.base import Faults, Properties, Self, all_known, prop
from pulumi_illumos_provider.model.common import address_fault, autoboot_property, host_property
from pulumi_illumos_provider.model.examples import Example
from pulumi_illumos_provider.model.values import (
    Address,
    AddressMaybePrefix,
    Cpus,
    Domain,
    LinkName,
    Size,
    SshKey,
    Subnet,
    parse_host_address,
    parse_subnet,
)

DEFAULT_SUBNET: Final = "10.10.0.0/24"

_ETHERSTUB: Final = "illumos:index:Etherstub"
_ROUTER_ZONE: Final = "illumos:index:RouterZone"
_ZONE: Final = "illumos:index:Zone"

_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")

_COPIED: Final = ("brand", "cpus", "memory", "autoboot", "sshAuthorizedKeys")
"""What a zone of the list says of the zone itself."""


def _label(value: Any) -> str:
    if not isinstance(value, str) or not _LABEL.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a host name: it has letters, digits and '-' (at most 63), and starts and "
            "ends with a letter or digit"
        )
    return value


Label = Annotated[str, BeforeValidator(_label), WithJsonSchema({"type": "string"})]


class VirtualDatacenterZone(Properties):
    """A zone of a virtual datacenter."""

    name: Label = prop(
        "Name of the zone inside the datacenter, and its host name. The resource is called "
        "`DATACENTER-NAME`, and the zone on the host after it."
    )
    address: AddressMaybePrefix | None = prop(
        "IPv4 address on the datacenter's network. Default: one that follows from the zone's name, and "
        "stays when other zones come and go. Only if two names lead to the same address has the first "
        "of the list it; an address that is given comes before one that is not.",
        default=None,
    )
    brand: str | None = prop("Zone brand. Default: the usual one of the host's distribution.", default=None)
    cpus: Cpus | None = prop("CPU cap in CPUs, such as `1.5`. Default: no cap.", default=None)
    memory: Size | None = prop(
        "Cap on physical memory, such as `512M` or `2G`. Default: no cap.", default=None
    )
    autoboot: bool = autoboot_property()
    ssh_authorized_keys: list[SshKey] | None = prop(
        "Public SSH keys that may log in as root. Default: the file is left alone.", default=None
    )
    hostname: str | None = prop(
        "Host name inside the zone. Default: the zone's name in this list.",
        default=None,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$",
    )


class VirtualDatacenterInputs(Properties):
    """An etherstub, a router zone and the zones behind it, declared as one."""

    DESCRIPTION: ClassVar[str] = (
        "A virtual datacenter in one host: an etherstub, a router zone that joins it to the world, and "
        "the zones behind it, from a short list. A public address is all that must be given.\n\n"
        "Its children are resources of their own in the stack: `NAME-lan` (Etherstub), `NAME-gw` "
        "(RouterZone) and `NAME-ZONE` (Zone) for every zone of the list. `protect`, `dependsOn`, "
        "`customTimeouts` and the provider of the component hold for them as well.\n\n"
        "A preview shows the zones whose names it knows: keep `zones` free of what is only known once "
        "other resources are made, but for the properties beside `name`."
    )
    EXAMPLES: ClassVar[tuple[Example, ...]] = examples.VIRTUAL_DATACENTER

    host: str | None = host_property()
    public_address: AddressMaybePrefix = prop(
        "The router's address to the world, with or without prefix length. Without it, the prefix of "
        "the host's own network on the public link is taken."
    )
    public_link: LinkName | None = prop(
        "The link that leads to the world. Default: the link that routes to the public address.",
        default=None,
    )
    gateway: Address | None = prop(
        "Where the router sends what is for the world. Default: the host's own default route.",
        default=None,
    )
    subnet: Subnet = prop(
        f"The network of the zones. The router has its first address. Default: `{DEFAULT_SUBNET}`.",
        default=IPv4Network(DEFAULT_SUBNET),
    )
    domain: Domain | None = prop("Domain name given to DHCP clients of the network.", default=None)
    dns_servers: list[Address] | None = prop(
        "Name servers that the router asks. Default: the host's.", default=None
    )
    dhcp: bool = prop(
        "Whether the router answers DHCP requests of zones that are attached to it besides.",
        default=True,
        strict=True,
    )
    zones: list[VirtualDatacenterZone] = prop("The zones.", default=[])

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Self:
        faults = Faults()
        self._check_names(faults)
        if all_known(info):
            self._check_addresses(faults)
        faults.raise_if_any()
        return self

    def _check_names(self, faults: Faults) -> None:
        first: dict[str, int] = {}
        for index, zone in enumerate(self.zones):
            earlier = first.setdefault(zone.name.lower(), index)
            if earlier != index:
                faults.add(
                    f"zones[{index}].name",
                    f"{zone.name!r} is the name of zones[{earlier}] already: choose another",
                )

    def _check_addresses(self, faults: Faults) -> None:
        if self.public_address.address in self.subnet:
            faults.add(
                "subnet",
                f"{self.subnet} contains the public address {self.public_address.address}: "
                "choose another subnet",
            )
        users = {addressing.router_address(self.subnet): "the router"}
        for index, zone in enumerate(self.zones):
            if zone.address is None:
                continue
            path = f"zones[{index}].address"
            if fault := address_fault(zone.address, self.subnet):
                faults.add(path, fault)
            elif user := users.get(zone.address.address):
                faults.add(path, f"{zone.address.address} is the address of {user}: choose another")
            users.setdefault(zone.address.address, f"zones[{index}]")
        chosen = choose_addresses(
            self.subnet,
            [(zone.name, zone.address.address if zone.address else None) for zone in self.zones],
        )
        for index, address in enumerate(chosen):
            if address is None:
                faults.add(
                    f"zones[{index}].name",
                    f"no address is left in {self.subnet} for {self.zones[index].name!r}: "
                    "choose a larger subnet",
                )


class VirtualDatacenterOutputs(Properties):
    """What a virtual datacenter tells."""

    router: str = Field(description="Id of the router zone; a zone is attached by it.")
    etherstub: str = Field(description="Name of the etherstub that carries the network.")
    public_address: str = Field(description="The router's address to the world, with prefix length.")
    addresses: dict[str, str] = Field(description="Address of each zone, by its name in the list.")
    zone_ids: dict[str, str] = Field(description="Id of each zone, by its name in the list.")


def choose_addresses(
    subnet: IPv4Network, zones: Sequence[tuple[str, IPv4Address | None]]
) -> list[IPv4Address | None]:
    """The address of each zone: the given one, else a chosen one; None where the subnet is full."""
    given = [address for _, address in zones if address is not None]
    nameless = [name for name, address in zones if address is None]
    chosen = iter(addressing.choose(subnet, nameless, given))
    return [next(chosen) if address is None else address for _, address in zones]


class VirtualDatacenter(Component):
    """The component."""

    token = "illumos:index:VirtualDatacenter"
    inputs = VirtualDatacenterInputs
    outputs = VirtualDatacenterOutputs

    def faults(self, given: Given) -> list[Failure]:
        """A zone's name shows in the names of resources, so it cannot be secret."""
        return [
            Failure(
                f"zones[{index}].name",
                "is secret, and would show in the name of a resource: make only those properties secret "
                "that are",
            )
            for index, zone in enumerate(given.get("zones").parts)
            if zone.get("name").secret
        ]

    async def compose(self, name: str, given: Given, children: Children) -> Mapping[str, Given]:
        """Declare the switch, then the router, then all zones at once."""
        lan = await children.declare(_ETHERSTUB, f"{name}-lan", {"host": given.get("host")})
        gw = await children.declare(_ROUTER_ZONE, f"{name}-gw", _router(given, lan))
        places = _places(given)
        named = [place for place in places if place.name.known]
        zones = await _all(
            children.declare(_ZONE, f"{name}-{place.name.value}", _zone(given, place, gw))
            for place in named
        )
        outputs = {
            "router": gw.id,
            "etherstub": lan.outputs.get("name"),
            "publicAddress": gw.outputs.get("publicAddress"),
            "addresses": Given(known=False),
            "zoneIds": Given(known=False),
        }
        if given.get("zones").known and len(named) == len(places):
            made = [(place, zone) for place, zone in zip(named, zones, strict=True)]
            outputs["addresses"] = record(
                **{place.name.value: place.bare_address.after(zone.id) for place, zone in made}
            )
            outputs["zoneIds"] = record(**{place.name.value: zone.id for place, zone in made})
        return outputs


@dataclass(frozen=True)
class _Place:
    """A zone of the list, and its address."""

    zone: Given
    address: Given

    @property
    def name(self) -> Given:
        """Its name in the list."""
        return self.zone.get("name")

    @property
    def bare_address(self) -> Given:
        """Its address without prefix length."""
        address = self.address
        return replace(address, value=address.value.partition("/")[0]) if address.known else address


def _places(given: Given) -> list[_Place]:
    """The zones with their addresses.

    As long as something is unknown that may decide about addresses, none is chosen.
    """
    subnet = given.get("subnet").or_else(DEFAULT_SUBNET)
    zones = given.get("zones").parts
    names = [zone.get("name") for zone in zones]
    addresses = [zone.get("address") for zone in zones]
    if not all(value.known for value in (subnet, *names, *addresses)):
        unsure = replace(subnet, value=None, known=False)
        return [
            _Place(zone, unsure if address.absent else address)
            for zone, address in zip(zones, addresses, strict=True)
        ]
    wishes = [
        (name.value, None if address.absent else parse_host_address(address.value).address)
        for name, address in zip(names, addresses, strict=True)
    ]
    chosen = choose_addresses(parse_subnet(subnet.value), wishes)
    return [
        _Place(zone, replace(subnet, value=str(own)) if address.absent else address)
        for zone, address, own in zip(zones, addresses, chosen, strict=True)
    ]


def _router(given: Given, lan: Child) -> dict[str, Given]:
    """Inputs of the router zone."""
    network = record(
        etherstub=lan.outputs.get("name"),
        subnet=given.get("subnet").or_else(DEFAULT_SUBNET),
        domain=given.get("domain"),
        dhcp=given.get("dhcp"),
    )
    own = {
        name: given.get(name) for name in ("host", "publicAddress", "publicLink", "gateway", "dnsServers")
    }
    return {**own, "networks": listed([network])}


def _zone(given: Given, place: _Place, gw: Child) -> dict[str, Given]:
    """Inputs of a zone. It names its router, whose name a preview knows, other than its id."""
    hostname = place.zone.get("hostname")
    return {
        "host": given.get("host"),
        "address": place.address,
        "router": gw.outputs.get("name"),
        "hostname": place.name if hostname.absent else hostname,
        **{name: place.zone.get(name) for name in _COPIED},
    }


async def _all(made: Iterable[Awaitable[Child]]) -> list[Child]:
    """Wait until all are through, so that nothing goes on behind a failure; then raise the first one."""
    results = await asyncio.gather(*made, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if isinstance(result, Child)]
