"""The records that zap, Tribblix' administration tool, keeps of zones and routed networks.

They are text files in ``/var/zap/zones``: ``rconfig.10.1.2`` for the network 10.1.2.0/24, and for a zone
``zconfig.ZONE`` (what it is) and ``destroy.ZONE`` (a script that ends what was made for it). zap attaches
zones to a network by its rconfig, and refuses to destroy a zone that another zconfig names as parent. Lines
are ``key: value``; their order in an rconfig matters to zap, which searches it without anchors.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.illumos.records import Network
from pulumi_illumos_provider.plan import Command, sh

PLACE = "/var/zap/zones"
FRAGMENTS = "/etc/dnsmasq.d"
"""Where the DHCP server of a router that zap made reads fragments, when it starts."""

# Of the scripts, which are many, only those of one zone.
_LIST = f"""
cd {PLACE} 2>/dev/null || exit 0
grep '^' /dev/null [rz]config.* [!rz]*."$1" 2>/dev/null
:
"""


def list_records(focus: str) -> Command:
    """Print every line of the records, behind its file's name and a colon; of scripts, one zone's only."""
    return sh(_LIST, focus)


@dataclass(frozen=True)
class Routed:
    """A network as an rconfig describes it.

    Attributes:
        subnet: told by the name of the file: 8, 16 or 24 bits.
        etherstub: the switch that carries it.
        shared: vnic in the global zone for shared-ip zones; empty when there is none.
        gateway: the router's address on it.
        router: the zone that serves it, or ``global``.
    """

    subnet: IPv4Network
    etherstub: str
    shared: str
    gateway: IPv4Address
    router: str


@dataclass(frozen=True)
class ZoneRecord:
    """What zap has to know of a zone that it did not make.

    Attributes:
        zone: zone name.
        brand: name of the template that it was made from, as zap calls brands.
        exclusive: whether it has an IP stack of its own.
        addresses: without prefix lengths.
        parents: the zones that route for it.
        cleanup: shell commands that remove what belongs to it, once it is gone.
    """

    zone: str
    brand: str
    exclusive: bool
    addresses: Sequence[str]
    parents: Sequence[str]
    cleanup: Sequence[str]

    @property
    def description(self) -> str:
        """Content of its zconfig."""
        lines = [
            f"brand: {self.brand}",
            f"zone: {self.zone}",
            f"ip-type: {'exclusive' if self.exclusive else 'shared'}",
            *(f"address: {address}" for address in self.addresses),
            *(f"parent_zone: {parent}" for parent in self.parents),
        ]
        return "".join(f"{line}\n" for line in lines)

    @property
    def script(self) -> str:
        """Content of its destroy script."""
        lines = ["#!/bin/sh", f"/usr/bin/rm -f {PLACE}/zconfig.{self.zone}", *self.cleanup]
        return "".join(f"{line}\n" for line in lines)


# Reading -----------------------------------------------------------------------------------------


def parse(text: str) -> dict[str, str]:
    """The records by file name, from what `list_records` prints."""
    found: dict[str, list[str]] = {}
    for line in split_lines(text):
        name, colon, content = line.partition(":")
        if colon:
            found.setdefault(name, []).append(f"{content}\n")
    return {name: "".join(lines) for name, lines in found.items()}


def routed(records: Mapping[str, str]) -> list[Routed]:
    """The networks that the rconfigs describe; one that lacks something needed is left out."""
    found = []
    for name, text in records.items():
        kind, _, short = name.partition(".")
        said = values(text)
        try:
            if kind == "rconfig":
                found.append(
                    Routed(
                        subnet=_subnet(short),
                        etherstub=said["interface"],
                        shared=said.get("shared-interface", ""),
                        gateway=IPv4Address(said["gateway"]),
                        router=said["zone"],
                    )
                )
        except (KeyError, ValueError):
            continue
    return found


def values(text: str) -> dict[str, str]:
    """The last value of each key of a record; blanks around it do not count."""
    pairs = (line.partition(":") for line in split_lines(text))
    return {key.strip(): value.strip() for key, colon, value in pairs if colon and value.strip()}


def _subnet(short: str) -> IPv4Network:
    octets = short.split(".")
    if not 1 <= len(octets) <= 3:
        raise ValueError(short)
    return IPv4Network((".".join([*octets, *["0"] * (4 - len(octets))]), 8 * len(octets)))


def short_name(subnet: IPv4Network, gateway: IPv4Address) -> str | None:
    """What zap calls a network; None for one unknown to it: it has 8, 16 and 24 bits, and .1."""
    if subnet.prefixlen not in (8, 16, 24) or gateway != subnet.network_address + 1:
        return None
    return ".".join(str(subnet.network_address).split(".")[: subnet.prefixlen // 8])


# Writing -----------------------------------------------------------------------------------------


def rconfig(router: str, network: Network, public: Sequence[str]) -> str:
    """Content of the rconfig of a network that a router zone serves."""
    return (
        f"interface: {network.etherstub}\n"
        f"shared-interface: {network.shared}\n"
        f"gateway: {network.address}\n"
        f"zone: {router}\n"
        f"public-ip:  {' '.join(public)}\n"
    )


def delete_vnic(name: str) -> str:
    """A line of a destroy script."""
    return f"/usr/sbin/dladm delete-vnic {name}"


def remove_file(path: str) -> str:
    """A line of a destroy script."""
    return f"/usr/bin/rm -f {shlex.quote(path)}"
