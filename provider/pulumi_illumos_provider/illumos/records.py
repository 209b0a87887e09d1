"""What we store with zones (zonecfg ``attr``) so that later runs and other stacks know it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

PREFIX = "pulumi-"
OWNER = "pulumi-owner"
PUBLIC = "pulumi-public"
NETWORK = "pulumi-network-"

_VALUE_LIMIT = 255


def owner_value(urn: str) -> str:
    """An owner as an attribute value: the URN itself, or its digest when it is too long for zonecfg."""
    if len(urn) <= _VALUE_LIMIT and not any(c in urn for c in '"\n'):
        return urn
    return "sha256:" + hashlib.sha256(urn.encode()).hexdigest()


@dataclass(frozen=True)
class Public:
    """A router zone's side to the world.

    Attributes:
        link: the public link.
        vnic: the router's vnic over it.
        address: with prefix length.
        gateway: default route, if there is one.
    """

    link: str
    vnic: str
    address: IPv4Interface
    gateway: IPv4Address | None

    def encode(self) -> str:
        """The attribute value."""
        return _encode(link=self.link, vnic=self.vnic, address=self.address, gateway=self.gateway or "-")

    @classmethod
    def decode(cls, text: str) -> Public:
        """Read the attribute value. Raises ValueError or KeyError when it is damaged."""
        v = _decode(text)
        gateway = None if v["gateway"] == "-" else IPv4Address(v["gateway"])
        return cls(v["link"], v["vnic"], IPv4Interface(v["address"]), gateway)


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


def _encode(**values: object) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


def _decode(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in text.split())
