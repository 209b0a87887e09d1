"""The records that zap, Tribblix' administration tool, keeps of zones and routed networks.

They are text files in ``/var/zap/zones``: ``rconfig.10.1.2`` for the network 10.1.2.0/24, and for a zone
``zconfig.ZONE`` (what it is) and ``destroy.ZONE`` (a script that ends what was made for it). zap attaches
zones to a network by its rconfig, and refuses to destroy a zone that another zconfig names as parent. Lines
are ``key: value``; their order in an rconfig matters to zap, which searches it without anchors.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from pulumi_illumos_provider.illumos import files, names
from pulumi_illumos_provider.illumos.distribution import TRIBBLIX
from pulumi_illumos_provider.plan import Command, Step, sh

if TYPE_CHECKING:
    from pulumi_illumos_provider.illumos.records import Network
    from pulumi_illumos_provider.illumos.snapshot import Snapshot

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
    for line in text.splitlines():
        name, colon, content = line.partition(":")
        if colon:
            found.setdefault(name, []).append(f"{content}\n")
    return {name: "".join(lines) for name, lines in found.items()}


def routed(records: Mapping[str, str]) -> list[Routed]:
    """The networks that the rconfigs describe; one that lacks something needed is left out."""
    found = []
    for name, text in records.items():
        kind, _, short = name.partition(".")
        values = _values(text)
        try:
            if kind == "rconfig":
                found.append(
                    Routed(
                        subnet=_subnet(short),
                        etherstub=values["interface"],
                        shared=values.get("shared-interface", ""),
                        gateway=IPv4Address(values["gateway"]),
                        router=values["zone"],
                    )
                )
        except (KeyError, ValueError):
            continue
    return found


def _values(text: str) -> dict[str, str]:
    """The last value of each key; blanks around it do not count."""
    pairs = (line.partition(":") for line in text.splitlines())
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


def kept(now: Snapshot) -> bool:
    """Whether the host has zap, and with it these records."""
    return now.distribution is TRIBBLIX


def zone_steps(record: ZoneRecord, now: Snapshot) -> list[Step]:
    """Let zap describe and destroy a zone, and know whom it depends on."""
    if not kept(now):
        return []
    found = _write_steps(f"zconfig.{record.zone}", record.description, "644", record.zone, now)
    return found + _write_steps(f"destroy.{record.zone}", record.script, "755", record.zone, now)


def zone_removal_steps(name: str, now: Snapshot) -> list[Step]:
    """Let zap forget a zone."""
    return _remove_steps([f"destroy.{name}", f"zconfig.{name}"], name, now)


def router_steps(
    name: str,
    networks: Iterable[Network],
    public_addresses: Iterable[IPv4Address],
    now: Snapshot,
) -> list[Step]:
    """Let zap attach zones to a router zone, describe and destroy it; nothing where there is no zap.

    A network that zap cannot describe has no record. To be done once the zone is installed.

    Args:
        name: name of the router zone.
        networks: the networks that it serves.
        public_addresses: its addresses to the world.
    """
    if not kept(now):
        return []
    networks, public = list(networks), [str(address) for address in public_addresses]
    rconfigs = {
        f"rconfig.{short}": _rconfig(name, network, public)
        for network in networks
        if (short := short_name(network.subnet, network.address))
    }
    stale = [file for file in _rconfigs_of(name, now) if file not in rconfigs]
    found: list[Step] = []
    for file, text in rconfigs.items():
        found += _write_steps(file, text, "644", name, now)
    found += _remove_steps(stale, name, now)
    seen = now.zones.get(name)
    vnic = seen.public.vnic if seen and seen.public else names.vnic(name, 0)
    record = ZoneRecord(name, "TRIBwhole", True, public, (), _router_cleanup(vnic, networks, rconfigs))
    return found + zone_steps(record, now)


def router_removal_steps(name: str, now: Snapshot) -> list[Step]:
    """Let zap forget a router zone and its networks."""
    return _remove_steps(_rconfigs_of(name, now), name, now) + zone_removal_steps(name, now)


def _rconfig(router: str, network: Network, public: Sequence[str]) -> str:
    return (
        f"interface: {network.etherstub}\n"
        f"shared-interface: {network.shared}\n"
        f"gateway: {network.address}\n"
        f"zone: {router}\n"
        f"public-ip:  {' '.join(public)}\n"
    )


def _router_cleanup(vnic: str, networks: Iterable[Network], rconfigs: Iterable[str]) -> list[str]:
    lines = [delete_vnic(vnic)]
    for network in networks:
        lines += [
            delete_vnic(network.vnic),
            f"/usr/sbin/ipadm delete-if {network.shared}",
            delete_vnic(network.shared),
        ]
        if network.owned:
            lines.append(f"/usr/sbin/dladm delete-etherstub {network.etherstub}")
    return [*lines, *(f"/usr/bin/rm -f {PLACE}/{file}" for file in rconfigs)]


def delete_vnic(name: str) -> str:
    """A line of a destroy script."""
    return f"/usr/sbin/dladm delete-vnic {name}"


def remove_file(path: str) -> str:
    """A line of a destroy script."""
    return f"/usr/bin/rm -f {shlex.quote(path)}"


def _rconfigs_of(router: str, now: Snapshot) -> list[str]:
    return [
        file
        for file, text in now.zap.items()
        if file.startswith("rconfig.") and _values(text).get("zone") == router
    ]


def _write_steps(file: str, text: str, mode: str, zone: str, now: Snapshot) -> list[Step]:
    if now.zap.get(file) == text:
        return []
    return [
        Step(
            f"telling zap about zone {zone}: {file}",
            files.write_file(f"{PLACE}/{file}", text, mode),
            done=files.zone_file_is(PLACE, file, text),
        )
    ]


def _remove_steps(found: Iterable[str], zone: str, now: Snapshot) -> list[Step]:
    return [
        Step(
            f"letting zap forget zone {zone}: {file}",
            files.remove_zone_file(PLACE, file),
            done=files.zone_file_absent(PLACE, file),
        )
        for file in found
        if file in now.zap
    ]
