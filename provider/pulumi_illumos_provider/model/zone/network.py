"""A zone's network interfaces, and where they are plugged in."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, model_validator

from pulumi_illumos_provider.model.base import Change, Faults, Properties, Self, all_known, prop
from pulumi_illumos_provider.model.common import IpType
from pulumi_illumos_provider.model.values import Address, AddressMaybePrefix, LinkName, Mac


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
    address: AddressMaybePrefix | None = prop(
        "IPv4 address. With `dhcp` behind a router: the reserved address.",
        change=Change.REBOOT,
        default=None,
    )
    dhcp: bool = prop(
        "Whether the zone asks for its address by DHCP.",
        change=Change.REBOOT,
        default=False,
        strict=True,
    )
    gateway: Address | None = prop(
        "Default route. Default: the router's address, or the host's own default route on a "
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
    allowed_address: bool | None = prop(
        "Whether the host lets the zone send from its own address only. Default: yes for a static "
        "address; it excludes DHCP, which has link protection of its own.",
        change=Change.REBOOT,
        default=None,
        strict=True,
    )

    @property
    def protected(self) -> bool:
        """Whether the nic has an allowed-address."""
        if self.allowed_address is not None:
            return self.allowed_address
        return self.address is not None and not self.dhcp

    @model_validator(mode="after")
    def _makes_sense(self, info: ValidationInfo) -> Self:
        if not all_known(info):
            return self
        faults = Faults()
        places = [p for p in ("link", "etherstub", "router") if getattr(self, p) is not None]
        if len(places) != 1:
            found = " and ".join(places) or "none"
            faults.add("", f"has exactly one of link, etherstub and router (found {found})")
        if self.address is None:
            if self.allowed_address:
                faults.add("allowedAddress", "needs an address")
            if self.gateway is not None:
                faults.add("gateway", "needs an address")
            if self.router is not None and not self.dhcp:
                faults.add("address", "a nic behind a router needs an address, or dhcp: true")
        if self.dhcp:
            if self.allowed_address:
                faults.add(
                    "allowedAddress",
                    "excludes dhcp: an allowed address makes the host drop all DHCP packets; "
                    "leave allowedAddress out",
                )
            if self.gateway is not None:
                faults.add("gateway", "comes from DHCP: leave it out, or give a static address")
            if self.address is not None and self.router is None:
                faults.add(
                    "address",
                    "goes with dhcp only behind a router, where it is reserved: "
                    "use router, or leave address or dhcp out",
                )
        faults.raise_if_any()
        return self


class NicState(Properties):
    """A network interface as the host has it."""

    vnic: str = Field(description="The zone's link.")
    link: str | None = Field(None, description="The physical link under the vnic.")
    etherstub: str | None = Field(None, description="The etherstub under the vnic.")
    router: str | None = Field(None, description="The router zone whose network the nic is on.")
    address: AddressMaybePrefix | None = Field(None, description="IPv4 address with prefix length.")
    dhcp: bool = Field(description="Whether the zone asks for its address by DHCP.")
    gateway: Address | None = Field(None, description="Default route.")
    vlan_id: int | None = Field(None, description="VLAN tag.")
    mac: Mac | None = Field(None, description="MAC address.")
    allowed_address: bool = Field(
        description="Whether the host lets the zone send from its own address only."
    )


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
        taken = set()
        for index, nic in enumerate(self.nics or []):
            if nic.address and nic.address.address in taken:
                faults.add(f"nics[{index}].address", f"{nic.address} is used by another nic")
            taken.add(nic.address and nic.address.address)
            if self.ip_type is IpType.SHARED:
                _check_shared(nic, f"nics[{index}]", faults)


def _check_shared(nic: Nic, path: str, faults: Faults) -> None:
    if nic.address is None:
        faults.add(f"{path}.address", "is required in a shared-ip zone")
    for name, value in (
        ("dhcp", nic.dhcp),
        ("mac", nic.mac),
        ("vlanId", nic.vlan_id),
        ("gateway", nic.gateway),
        ("allowedAddress", nic.allowed_address),
    ):
        if value:
            faults.add(
                f"{path}.{name}",
                "needs ipType exclusive: a shared-ip zone has no link and no routes of its own",
            )


class NetworkState(Properties):
    """The networks of a zone as the host has them."""

    address: AddressMaybePrefix | None = Field(
        None, description="Address of the first nic, with prefix length."
    )
    router: str | None = Field(None, description="The router zone of the first nic.")
    nics: list[NicState] = Field(description="The zone's network interfaces.")
    ip_type: IpType = Field(description="Whether the zone has an IP stack of its own.")
