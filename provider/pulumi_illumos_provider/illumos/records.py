"""What we store with zones (zonecfg ``attr``) so that later runs and other stacks know it.

The global zone has no attributes: a router in it has a file of its own, with the same names and values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from pulumi_illumos_provider.illumos.lines import split_lines

PREFIX = "pulumi-"
OWNER = "pulumi-owner"
PUBLIC = "pulumi-public"
ADDRESS = "pulumi-address-"
NETWORK = "pulumi-network-"
INSTALL = "pulumi-install"
LIFECYCLE = "pulumi-lifecycle"
SERVERS = "pulumi-servers"
SWITCHED_ON = "pulumi-switched-on"
DHCP = "pulumi-dhcp"
"""The links, joined by commas, of a guest that asks for its addresses; its files do not say so."""

DIRECTORY = "/etc/pulumi-illumos/routers"
"""One file for each router in the global zone, called like it: a line ``NAME=VALUE`` for each attribute."""

_VALUE_LIMIT = 255


def owner_value(urn: str) -> str:
    """An owner as an attribute value."""
    return bounded(urn)


def bounded(text: str) -> str:
    """A text as an attribute value: itself, or its digest when it is too long for zonecfg."""
    if len(text) <= _VALUE_LIMIT and not any(c in text for c in '"\n'):
        return text
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Lifecycle:
    """How a zone is to be removed, known also to whoever does not have the program.

    Attributes:
        shutdown_timeout: seconds; None for the host's own limit.
        retain_data: its datasets and volumes stay.
    """

    shutdown_timeout: int | None = None
    retain_data: bool = False

    def encode(self) -> str:
        """The attribute value."""
        return _encode(shutdown=self.shutdown_timeout or "-", data="keep" if self.retain_data else "remove")

    @classmethod
    def decode(cls, text: str) -> Lifecycle:
        """Read the attribute value; one that is damaged says nothing."""
        try:
            v = _decode(text)
            limit = None if v["shutdown"] == "-" else int(v["shutdown"])
            return cls(limit, v["data"] == "keep")
        except (KeyError, ValueError):
            return cls()


@dataclass(frozen=True)
class Public:
    """A router zone's side to the world.

    Attributes:
        link: the public link.
        vnic: the router's vnic over it.
        address: with prefix length.
        gateway: default route, if there is one.
        others: further addresses; each is in an attribute of its own, whose value is the address.
    """

    link: str
    vnic: str
    address: IPv4Interface
    gateway: IPv4Address | None
    others: tuple[IPv4Interface, ...] = ()

    @property
    def addresses(self) -> tuple[IPv4Interface, ...]:
        """Every address, the first one first."""
        return (self.address, *self.others)

    def encode(self) -> str:
        """The attribute value."""
        return _encode(link=self.link, vnic=self.vnic, address=self.address, gateway=self.gateway or "-")

    @classmethod
    def decode(cls, text: str, others: Iterable[str] = ()) -> Public:
        """Read the attribute value, and those of further addresses.

        Raises:
            ValueError, KeyError: one of them is damaged.
        """
        v = _decode(text)
        gateway = None if v["gateway"] == "-" else IPv4Address(v["gateway"])
        further = tuple(IPv4Interface(other) for other in others)
        return cls(v["link"], v["vnic"], IPv4Interface(v["address"]), gateway, further)


@dataclass(frozen=True)
class Network:
    """A network that a router zone serves.

    Attributes:
        etherstub: the switch that carries it.
        subnet, address: the network, and the router's address on it.
        vnic: the router's vnic on it.
        shared: vnic plumbed in the global zone for shared-ip zones.
        dhcp: DHCP is served.
        domain: domain name for DHCP clients.
        owned: the etherstub was made by the router zone.
    """

    etherstub: str
    subnet: IPv4Network
    address: IPv4Address
    vnic: str
    shared: str
    dhcp: bool
    domain: str | None
    owned: bool

    def encode(self) -> str:
        """The attribute value."""
        return _encode(
            etherstub=self.etherstub,
            subnet=self.subnet,
            address=self.address,
            vnic=self.vnic,
            shared=self.shared,
            dhcp="on" if self.dhcp else "off",
            domain=self.domain or "-",
            owned="yes" if self.owned else "no",
        )

    @classmethod
    def decode(cls, text: str) -> Network:
        """Read the attribute value. Raises ValueError or KeyError when it is damaged."""
        v = _decode(text)
        return cls(
            etherstub=v["etherstub"],
            subnet=IPv4Network(v["subnet"]),
            address=IPv4Address(v["address"]),
            vnic=v["vnic"],
            shared=v["shared"],
            dhcp=v["dhcp"] == "on",
            domain=None if v["domain"] == "-" else v["domain"],
            owned=v["owned"] == "yes",
        )


def router_file(attributes: Mapping[str, str]) -> str:
    """The file in `DIRECTORY` that describes a router in the global zone."""
    return "".join(f"{name}={value}\n" for name, value in attributes.items())


def parse_router_file(text: str) -> dict[str, str]:
    """The attributes that such a file holds."""
    pairs = (line.partition("=") for line in split_lines(text))
    return {name: value for name, equals, value in pairs if equals}


def _encode(**values: object) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


def _decode(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in text.split())
