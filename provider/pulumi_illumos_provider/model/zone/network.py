"""A zone's network interfaces, and where they are plugged in."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Interface
from typing import Annotated, Any, Final

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from pulumi_illumos_provider.model.base import Change, Faults, Properties, Self, all_known, prop
from pulumi_illumos_provider.model.common import IpType, LinkPriority
from pulumi_illumos_provider.model.values import (
    Address,
    AddressMaybePrefix,
    Bandwidth,
    FurtherAddress,
    HostAddress,
    LinkName,
    Mac,
    link_name_fault,
    parse_address,
)

AUTO: Final = "auto"
"""Value of ``global-nic`` that lets the brand find the link by the address."""


NO_GATEWAY: Final = "none"
"""Value of ``gateway`` for no default route."""


def host_of(address: HostAddress | IPv6Interface) -> IPv4Address | IPv6Address:
    """An address without its prefix length."""
    return address.address if isinstance(address, HostAddress) else address.ip


def _global_nic(value: Any) -> str:
    if value != AUTO and (not isinstance(value, str) or link_name_fault(value)):
        raise ValueError(f"{value!r} is neither a link name, such as igb0, nor auto")
    return str(value)


def _net_property(value: Any) -> str:
    if not isinstance(value, str) or not value or any(c in value for c in '"\n\r\0'):
        raise ValueError(f"{value!r} must be a string without double quotes and line breaks, and not empty")
    return value


def _gateway(value: Any) -> IPv4Address | str:
    return NO_GATEWAY if value == NO_GATEWAY else parse_address(value)


_TEXT = WithJsonSchema({"type": "string"})
Gateway = Annotated[
    IPv4Address | str, BeforeValidator(_gateway), PlainSerializer(str, return_type=str), _TEXT
]
GlobalNic = Annotated[str, BeforeValidator(_global_nic), _TEXT]
NetProperty = Annotated[str, BeforeValidator(_net_property), _TEXT]


class Nic(Properties):
    """A network interface of a zone, plugged into one link, etherstub or router's network."""

    link: LinkName | None = prop(
        "A physical link of the host to put the vnic on.", change=Change.REBOOT, default=None
    )
    etherstub: LinkName | None = prop(
        "An etherstub to plug the vnic into.", change=Change.REBOOT, default=None
    )
    router: str | None = prop(
        "Name or id of the router zone whose network the nic is on.",
        change=Change.REBOOT,
        default=None,
        min_length=1,
    )
    global_nic: GlobalNic | None = prop(
        "A link of the host over which the zone's brand makes the vnic at each boot and removes it at "
        "halt; `auto` finds the link by the address. OmniOS only.",
        change=Change.REBOOT,
        default=None,
    )
    vnic: LinkName | None = prop(
        "Name of the zone's link. The name of `link` itself gives the zone that link, without a vnic. "
        "Default: the present one, else one that follows from the zone's name.",
        change=Change.REBOOT,
        default=None,
    )
    address: AddressMaybePrefix | None = prop(
        "IPv4 address. With `dhcp` behind a router: the reserved address.",
        change=Change.REBOOT,
        default=None,
    )
    addresses: list[FurtherAddress] | None = prop(
        "Further addresses: IPv4, or IPv6 with prefix length.", change=Change.REBOOT, default=None
    )
    dhcp: bool = prop(
        "Whether the zone asks for its address by DHCP.",
        change=Change.REBOOT,
        default=False,
        strict=True,
    )
    addrconf: bool = prop(
        "Whether the zone takes an IPv6 address from router advertisements. It excludes `allowedAddress`, "
        "and the link protection that `dhcp` has otherwise.",
        change=Change.REBOOT,
        default=False,
        strict=True,
    )
    gateway: Gateway | None = prop(
        "Default route, or `none`. Default: the router's address, or the host's own default route on a "
        "physical link, for the first nic with a static address.",
        change=Change.REBOOT,
        default=None,
    )
    vlan_id: int | None = prop(
        "VLAN tag (1 to 4094).", change=Change.REBOOT, default=None, ge=1, le=4094, strict=True
    )
    mac: Mac | None = prop(
        "MAC address. Default: chosen by the host and kept.", change=Change.REBOOT, default=None
    )
    mtu: int | None = prop(
        "Largest packet in bytes. Default: what the link underneath has.",
        change=Change.REBOOT,
        default=None,
        ge=576,
        le=65535,
        strict=True,
    )
    max_bandwidth: Bandwidth | None = prop(
        "Cap in bits a second, such as `100M`; at least `1200K`. Default: none.", default=None
    )
    priority: LinkPriority = prop(
        "How the host schedules the nic's packets against those of others.", default=LinkPriority.HIGH
    )
    allowed_address: bool | None = prop(
        "Whether the host lets the zone send from its own addresses only. It excludes `addrconf`, and "
        "`dhcp`, which has link protection of its own. Default: yes for static addresses.",
        change=Change.REBOOT,
        default=None,
        strict=True,
    )
    properties: dict[str, NetProperty] | None = prop(
        "Further properties of the zone's net resource, such as `promiscphys`; what they mean is up to "
        "the brand. OmniOS only. Default: the present ones are kept.",
        change=Change.REBOOT,
        default=None,
    )

    @property
    def protected(self) -> bool:
        """Whether the nic has an allowed-address."""
        if self.allowed_address is not None:
            return self.allowed_address
        return self.static and not self.dhcp and not self.addrconf

    @property
    def static(self) -> bool:
        """Whether it has addresses that are given here."""
        return self.address is not None or bool(self.addresses)

    @property
    def whole(self) -> bool:
        """Whether the zone gets the link itself."""
        return self.link is not None and self.vnic == self.link

    @model_validator(mode="after")
    def _makes_sense(self, info: ValidationInfo) -> Self:
        if not all_known(info):
            return self
        faults = Faults()
        places = [p for p in ("link", "etherstub", "router", "global_nic") if getattr(self, p) is not None]
        if len(places) != 1:
            found = " and ".join(self.property_name(place) for place in places) or "none"
            faults.add("", f"has exactly one of link, etherstub, router and globalNic (found {found})")
        self._examine_addresses(faults)
        if self.dhcp:
            self._examine_dhcp(faults)
        if self.global_nic is not None:
            self._examine_on_demand(faults)
        if self.addrconf and self.allowed_address:
            faults.add(
                "allowedAddress",
                "excludes addrconf: the host would drop packets from the address that the zone finds; "
                "leave allowedAddress out",
            )
        if self.whole:
            for name, value in (("vlanId", self.vlan_id), ("mac", self.mac)):
                if value is not None:
                    faults.add(name, "needs a vnic: leave vnic out, or name it otherwise than the link")
        faults.raise_if_any()
        return self

    def _examine_addresses(self, faults: Faults) -> None:
        if self.allowed_address and not self.static:
            faults.add("allowedAddress", "needs an address")
        if self.address is None:
            if self.gateway is not None:
                faults.add("gateway", "needs an address")
            if self.router is not None and not self.dhcp:
                faults.add("address", "a nic behind a router needs an address, or dhcp: true")
        seen: set[IPv4Address | IPv6Address] = {self.address.address} if self.address else set()
        for index, further in enumerate(self.addresses or []):
            if host_of(further) in seen:
                faults.add(f"addresses[{index}]", f"{host_of(further)} is given twice")
            seen.add(host_of(further))

    def _examine_dhcp(self, faults: Faults) -> None:
        if self.allowed_address:
            faults.add(
                "allowedAddress",
                "excludes dhcp: an allowed address makes the host drop all DHCP packets; "
                "leave allowedAddress out",
            )
        if self.gateway is not None:
            faults.add("gateway", "comes from DHCP: leave it out, or give a static address")
        if self.addresses:
            faults.add("addresses", "exclude dhcp: give all addresses here, or ask for one")
        if self.address is not None and self.router is None:
            faults.add(
                "address",
                "goes with dhcp only behind a router, where it is reserved: "
                "use router, or leave address or dhcp out",
            )

    def _examine_on_demand(self, faults: Faults) -> None:
        if self.global_nic == AUTO and not (self.address and self.protected):
            faults.add("globalNic", "auto finds the link by the allowed address: give a static address")
        if self.addresses:
            faults.add("addresses", "exclude globalNic, whose brand allows one address: use link")
        for name, value in (("mtu", self.mtu), ("maxBandwidth", self.max_bandwidth)):
            if value is not None:
                faults.add(name, "excludes globalNic, whose vnic comes and goes with the zone: use link")
        if self.priority is not LinkPriority.HIGH:
            faults.add("priority", "excludes globalNic, whose vnic comes and goes with the zone: use link")


class NicState(Properties):
    """A network interface as the host has it."""

    vnic: str = Field(description="The zone's link.")
    link: str | None = Field(None, description="The physical link under the vnic.")
    etherstub: str | None = Field(None, description="The etherstub under the vnic.")
    router: str | None = Field(None, description="The router zone whose network the nic is on.")
    global_nic: str | None = Field(
        None, description="The link over which the zone's brand makes the vnic at boot."
    )
    address: AddressMaybePrefix | None = Field(None, description="IPv4 address with prefix length.")
    addresses: list[FurtherAddress] = Field(description="Further addresses.")
    dhcp: bool = Field(description="Whether the zone asks for its address by DHCP.")
    addrconf: bool = Field(description="Whether the zone takes an IPv6 address from router advertisements.")
    gateway: Address | None = Field(None, description="Default route.")
    default_gateway: Address | None = Field(
        None, description="The default route that the nic has when none is asked for."
    )
    vlan_id: int | None = Field(None, description="VLAN tag.")
    mac: Mac | None = Field(None, description="MAC address.")
    mtu: int | None = Field(None, description="Largest packet in bytes.")
    max_bandwidth: Bandwidth | None = Field(None, description="Cap in bits a second.")
    priority: LinkPriority = Field(description="How the host schedules the nic's packets.")
    allowed_address: bool = Field(
        description="Whether the host lets the zone send from its own addresses only."
    )
    properties: dict[str, str] = Field(description="Further properties of the zone's net resource.")


class NetworkInputs(Properties):
    """The networks of a zone."""

    address: AddressMaybePrefix | None = prop(
        "IPv4 address; the network is found from it. Excludes `nics`.",
        change=Change.REBOOT,
        default=None,
    )
    router: str | None = prop(
        "Name or id of the router zone whose network the address is on; only needed to say that "
        "the zone comes after its router, or when several networks hold the address.",
        change=Change.REBOOT,
        default=None,
        min_length=1,
    )
    nics: list[Nic] | None = prop(
        "The zone's network interfaces, when `address` alone does not say it. An empty list makes "
        "a zone without network.",
        change=Change.REBOOT,
        default=None,
    )
    ip_type: IpType = prop(
        "Whether the zone has an IP stack of its own.",
        change=Change.REBOOT,
        default=IpType.EXCLUSIVE,
    )

    def examine_network(self, faults: Faults, known: bool) -> None:
        """Rules across these properties."""
        if not known:
            return
        if self.address is not None and self.nics is not None:
            faults.add("nics", "excludes address: put the address into the nic")
        if self.address is None and self.nics is None:
            faults.add("address", "give an address, or nics (an empty list makes a zone without network)")
        if self.router is not None and self.address is None:
            faults.add("router", "goes with address; in nics, each nic has its own router")
        taken: set[IPv4Address | IPv6Address] = set()
        for index, nic in enumerate(self.nics or []):
            path = f"nics[{index}]"
            for place, address in _placed_addresses(nic):
                if address in taken:
                    faults.add(f"{path}.{place}", f"{address} is used by another nic")
            taken.update(address for _, address in _placed_addresses(nic))
            if self.ip_type is IpType.SHARED:
                _check_shared(nic, path, faults)
        _check_names(self.nics or [], faults)


def _placed_addresses(nic: Nic) -> list[tuple[str, IPv4Address | IPv6Address]]:
    """The addresses of a nic, each with the property that gives it."""
    first: list[tuple[str, IPv4Address | IPv6Address]] = []
    if nic.address is not None:
        first.append(("address", nic.address.address))
    return first + [(f"addresses[{i}]", host_of(a)) for i, a in enumerate(nic.addresses or [])]


def _check_names(nics: list[Nic], faults: Faults) -> None:
    names = [nic.vnic for nic in nics]
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            faults.add(f"nics[{index}].vnic", f"{name} is used by another nic: name each otherwise")


def _check_shared(nic: Nic, path: str, faults: Faults) -> None:
    if nic.address is None:
        faults.add(f"{path}.address", "is required in a shared-ip zone")
    for field in _EXCLUSIVE_ONLY:
        if getattr(nic, field) not in (None, False, LinkPriority.HIGH):
            faults.add(
                f"{path}.{Nic.property_name(field)}",
                "needs ipType exclusive: a shared-ip zone has no link and no routes of its own",
            )


_EXCLUSIVE_ONLY: Final = (
    "dhcp",
    "addrconf",
    "mac",
    "vlan_id",
    "mtu",
    "max_bandwidth",
    "priority",
    "gateway",
    "allowed_address",
    "global_nic",
    "vnic",
    "properties",
)
"""What a nic of a shared-ip zone cannot have."""


class NetworkState(Properties):
    """The networks of a zone as the host has them."""

    address: AddressMaybePrefix | None = Field(
        None, description="Address of the first nic, with prefix length."
    )
    router: str | None = Field(None, description="The router zone of the first nic.")
    nics: list[NicState] = Field(description="The zone's network interfaces.")
    ip_type: IpType = Field(description="Whether the zone has an IP stack of its own.")
    unprotected_links: list[str] = Field(
        description="Links of a running zone that asks for its addresses by DHCP and that the host does "
        "not protect from forged addresses: the system takes the protection off when a zone halts, also "
        "when it reboots by itself or by hand. It comes back when an update boots the zone."
    )
