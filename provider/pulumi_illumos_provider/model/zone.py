"""Zone: a zone on one or more networks."""

from __future__ import annotations

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
    IpType,
    ZoneState,
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
    Attributes,
    Cpus,
    LinkName,
    Mac,
    Size,
    SshKey,
    ZoneName,
)

MINIMUM_MEMORY = 1024**2
MINIMUM_SWAP = 50 * 1024**2


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


class ZoneInputs(Inputs):
    """A zone."""

    DESCRIPTION: ClassVar[str] = (
        "A zone. Its network is found from its address alone: the router zone on the host whose "
        "subnet contains the address, else the physical link whose subnet does; or each nic is "
        "described."
    )
    EXAMPLES: ClassVar[tuple[Example, ...]] = examples.ZONE

    host: str | None = host_property()
    name: ZoneName | None = zone_name_property()
    brand: str | None = brand_property()
    zonepath: AbsolutePath | None = zonepath_property()
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
    cpus: Cpus | None = prop(
        "CPU cap in CPUs, such as `1.5`. Default: no cap.", change=Change.REBOOT, default=None
    )
    memory: Size | None = prop(
        "Cap on physical memory, such as `512M` or `2G`. Default: no cap.",
        change=Change.REBOOT,
        default=None,
    )
    swap: Size | None = prop(
        "Cap on swap (virtual memory), at least `50M`. Default: no cap.",
        change=Change.REBOOT,
        default=None,
    )
    autoboot: bool = autoboot_property()
    dns_servers: list[Address] | None = prop(
        "Name servers. Default: the router's address behind a router, else the host's.",
        default=None,
    )
    hostname: str | None = prop(
        "Host name inside the zone. Default: the zone's name.",
        change=Change.REBOOT,
        default=None,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$",
    )
    ssh_authorized_keys: list[SshKey] | None = prop(
        "Public SSH keys that may log in as root. Default: the file is left alone.", default=None
    )
    attributes: Attributes = prop(
        "Attributes stored with the zone (zonecfg `attr`, type string).", default={}
    )
    state: ZoneState = prop("Whether the zone is up.", default=ZoneState.RUNNING)

    @model_validator(mode="after")
    def _makes_sense(self, info: ValidationInfo) -> Self:
        faults = Faults()
        if self.memory is not None and self.memory < MINIMUM_MEMORY:
            faults.add("memory", "is too small: it must be at least 1M")
        if self.swap is not None and self.swap < MINIMUM_SWAP:
            faults.add("swap", "is too small: it must be at least 50M")
        if all_known(info):
            self._check_network(faults)
        faults.raise_if_any()
        return self

    def _check_network(self, faults: Faults) -> None:
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


class ZoneOutputs(Outputs):
    """A zone as the host has it."""

    host: str = Field(description="The host that the zone is on.")
    name: str = Field(description="Name of the zone.")
    uuid: str | None = Field(None, description="The zone's UUID, once it is installed.")
    brand: str = Field(description="Zone brand.")
    zonepath: str = Field(description="Directory of the zone.")
    address: AddressMaybePrefix | None = Field(
        None, description="Address of the first nic, with prefix length."
    )
    router: str | None = Field(None, description="The router zone of the first nic.")
    nics: list[NicState] = Field(description="The zone's network interfaces.")
    ip_type: IpType = Field(description="Whether the zone has an IP stack of its own.")
    cpus: Cpus | None = Field(None, description="CPU cap.")
    memory: Size | None = Field(None, description="Cap on physical memory.")
    swap: Size | None = Field(None, description="Cap on swap.")
    autoboot: bool = Field(description="Whether the zone boots with the host.")
    dns_servers: list[Address] = Field(description="Name servers.")
    hostname: str = Field(description="Host name inside the zone.")
    ssh_authorized_keys: list[str] = Field(description="Public SSH keys that may log in as root.")
    attributes: dict[str, str] = Field(description="Attributes stored with the zone.")
    state: ZoneState = Field(description="Whether the zone is up.")
    status: str = Field(description="State of the zone as zoneadm tells it, such as `installed`.")
