"""The records of zap in /var/zap/zones, and what it concludes from them.

A value is looked up as zap does: in every line that contains the key anywhere, the last word. So
``interface:`` finds the line of ``shared-interface:`` as well, and has two values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from illumos_lab.zap.programs import Programs

PLACE = "/var/zap/zones"
"""The directory of the records."""

_PREFIXES = (24, 16, 8)


def short_network(address: str, prefix: int) -> str:
    """The octets of an address that a prefix of 8, 16 or 24 covers: what rconfig files are named by."""
    return ".".join(address.split(".")[: prefix // 8])


@dataclass(frozen=True)
class Records:
    """The records of one host."""

    programs: Programs

    def file(self, kind: str, name: str) -> Path:
        """The file behind a record, such as ``zconfig`` of a zone or ``rconfig`` of a network."""
        return self.programs.host.path("global", f"{PLACE}/{kind}.{name}")

    def append(self, kind: str, name: str, *lines: str) -> None:
        """Add lines to a record; a new ``destroy`` record is an executable script."""
        path = self.file(kind, name)
        if kind == "destroy" and not path.exists():
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)
        with path.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def values(self, network: str, key: str) -> list[str]:
        """The values of a key in the record of a routed network."""
        lines = self.file("rconfig", network).read_text().splitlines()
        return [line.split()[-1] for line in lines if key in line]

    def routed_network(self, address: str) -> tuple[str, int] | None:
        """Short name and prefix of the routed network that holds an address."""
        for prefix in _PREFIXES:
            network = short_network(address, prefix)
            if self.file("rconfig", network).is_file():
                return network, prefix
        return None

    def router_of(self, address: str) -> str:
        """The zone that routes for an address; empty when none does."""
        found = self.routed_network(address)
        return "\n".join(self.values(found[0], "zone:")) if found else ""

    def gateway_of(self, address: str) -> str:
        """The default router for a zone with an address: its network's, or else the global zone's own."""
        found = self.routed_network(address)
        if found:
            return "\n".join(self.values(found[0], "gateway:"))
        return self._route("default").get("gateway", "")

    def link_below(self, address: str, key: str) -> tuple[str, str]:
        """The link that a zone's address goes over, and its prefix length.

        The length is missing when the key has two values: the reader takes only the first line.

        Args:
            address: of the zone.
            key: ``interface:`` for exclusive-ip zones, ``shared-interface:`` for the others.
        """
        found = self.routed_network(address)
        if found is None:
            route = self._route(address)
            return route.get("interface", ""), str(_length(route.get("mask", "")))
        words = "\n".join([*self.values(found[0], key)]) + f" {found[1]}"
        link, _, length = words.splitlines()[0].strip().partition(" ")
        return link, length

    def children(self, router: str) -> Iterator[str]:
        """The zones that a zone routes for."""
        for path in sorted(self.file("zconfig", "x").parent.glob("zconfig.*")):
            lines = path.read_text().splitlines()
            if f"parent_zone: {router}" in lines:
                yield from (line.split()[-1] for line in lines if line.startswith("zone:"))

    def _route(self, destination: str) -> dict[str, str]:
        """What ``route -n get`` says, by label."""
        text = self.programs.output("/usr/sbin/route", "-n", "get", "-inet", destination)
        pairs = (line.partition(":") for line in text.splitlines())
        return {label.strip(): value.strip() for label, colon, value in pairs if colon}


def _length(mask: str) -> int:
    """Prefix length of a dotted mask; 0 for what is none, such as ``default``."""
    try:
        return int(IPv4Address(mask)).bit_count()
    except ValueError:
        return 0
