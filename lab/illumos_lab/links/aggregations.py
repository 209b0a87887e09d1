"""Aggregations: several links to one switch that work as one (IEEE 802.1AX, libdladm's libdlaggr).

Whoever is at the other end of the ports is taken to speak LACP. One port carries all packets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from illumos_lab.links import status
from illumos_lab.links.model import AGGR, PHYS, SIMNET, VLAN, Aggregation, Link
from illumos_lab.links.status import DladmError, machine

if TYPE_CHECKING:
    from illumos_lab.host import Host
    from illumos_lab.links.table import LinkTable

MAX_KEY = 999
POLICIES = ("L2", "L3", "L4")
LACP_MODES = ("off", "active", "passive")
LACP_TIMERS = ("short", "long")
AUTO = "auto"
"""The address is that of the first port."""
FIXED = "fixed"


class Aggregations:
    """What can be done with aggregations, besides what all links have in common."""

    def __init__(self, links: LinkTable, host: Host) -> None:
        self._links = links
        self._host = host

    def of_port(self, name: str) -> Link | None:
        """The active aggregation that a link is a port of."""
        return next((link for link in self._links.all() if name in link.ports), None)

    def by_key(self, key: int) -> Link | None:
        """The persistent aggregation that was made by a number."""
        records = self._links.all_records()
        return next((link for link in records if link.aggregation and link.aggregation.key == key), None)

    def create(self, name: str, wanted: Aggregation, mac: str | None, *, temporary: bool) -> None:
        """Make an aggregation; without ``mac`` it has the address of its first port.

        Raises:
            DladmError: a port cannot be one or is in use, or as for every link.
        """
        if wanted.key > MAX_KEY:
            raise DladmError(status.INVALID_KEY)
        ports = self._checked(wanted.ports)
        self._check_free(ports, temporary)
        if self._links.get(name) or self._links.get_record(name):
            raise DladmError(status.EXISTS)
        link = Link(
            name, AGGR, mac=mac or ports[0].mac, mac_type=FIXED if mac else AUTO, aggregation=wanted
        )
        link.mtu = min(port.mtu for port in ports)
        self._links.add(link, temporary=temporary)
        self._links.bridges.follow()

    def _checked(self, names: tuple[str, ...]) -> list[Link]:
        """Links that can be ports, active or not: network cards only."""
        links = [self._links.get(name) or self._links.get_record(name) for name in names]
        cards = [link for link in links if link and link.link_class in (PHYS, SIMNET)]
        if len(cards) < len(links) or any(link.media != "Ethernet" for link in cards):
            raise DladmError(status.INVALID_ARGUMENT)
        return cards

    def _check_free(self, ports: list[Link], temporary: bool) -> None:
        """An aggregation wants its ports for itself."""
        names = [port.name for port in ports]
        if len(set(names)) < len(names):
            raise DladmError(status.BUSY)
        for port in ports:
            if self._links.get(port.name) is None:
                raise DladmError(status.NOT_FOUND)
            if self._links.in_use(port) or self._links.users(port.name) or port.bridge:
                raise DladmError(status.BUSY)
            if not temporary and not port.persistent:
                raise DladmError(status.OVER_TEMPORARY)

    def settle(self, link: Link) -> None:
        """Let an aggregation that comes up at boot make do with the ports that are there."""
        if link.aggregation is None:
            return
        ports = [port for port in map(self._links.get, link.ports) if port is not None]
        link.aggregation = replace(link.aggregation, ports=tuple(port.name for port in ports))
        if link.mac_type == AUTO:
            link.mac = ports[0].mac
        self._give_mtu(link, ports)

    def _give_mtu(self, link: Link, ports: list[Link]) -> None:
        with machine():
            for port in ports:
                if port.mtu != link.mtu:
                    self._host.kernel.set_mtu(port.name, link.mtu)
                    port.mtu = link.mtu

    def _existing(self, name: str, temporary: bool) -> list[Link]:
        """What a change is about: the record unless ``temporary``, then the active link.

        Raises:
            DladmError: one of them is missing, or it is no aggregation.
        """
        links = [self._links.get(name)]
        if not temporary:
            links.insert(0, self._links.get_record(name))
        found = [link for link in links if link is not None and link.aggregation is not None]
        if len(found) < len(links):
            raise DladmError(status.NOT_FOUND)
        return found

    def add_ports(self, name: str, names: tuple[str, ...], *, temporary: bool) -> None:
        """Give an aggregation more ports.

        Raises:
            DladmError: no aggregation, or a link that cannot be a port or is in use.
        """
        ports = self._checked(names)
        link = self._existing(name, temporary)[-1]
        self._check_free(ports, temporary)
        self._give_mtu(link, ports)
        self._set_ports(link, lambda old: (*old, *names), temporary)

    def remove_ports(self, name: str, names: tuple[str, ...], *, temporary: bool) -> None:
        """Take ports from an aggregation, which keeps at least one.

        Raises:
            DladmError: no aggregation, not ports of it, or all of them.
        """
        self._checked(names)
        for link in self._existing(name, temporary):
            if len(names) >= len(link.ports):
                raise DladmError(status.INVALID_ARGUMENT)
            if not set(names) <= set(link.ports):
                active = link is self._links.get(name)
                raise DladmError(status.NOT_FOUND if active else status.INVALID_LINK)
        self._set_ports(link, lambda old: tuple(port for port in old if port not in names), temporary)

    def _set_ports(
        self, link: Link, ports: Callable[[tuple[str, ...]], tuple[str, ...]], temporary: bool
    ) -> None:
        self._change(link, lambda own: replace(own, ports=ports(own.ports)), temporary)
        with machine():
            self._host.kernel.connect(link.name, link.ports[:1])
        if link.mac_type == AUTO:
            self._set_mac(link, AUTO, self._card(link.ports[0]).mac, temporary)
        self._links.bridges.follow()

    def modify(
        self, name: str, change: Callable[[Aggregation], Aggregation], mac: str | None, *, temporary: bool
    ) -> None:
        """Change how an aggregation works; ``mac`` may be ``auto``.

        Raises:
            DladmError: there is no such aggregation.
        """
        link = self._existing(name, temporary)[-1]
        self._change(link, change, temporary)
        if mac == AUTO:
            self._set_mac(link, AUTO, self._card(link.ports[0]).mac, temporary)
        elif mac is not None:
            self._set_mac(link, FIXED, mac, temporary)

    def _change(self, link: Link, change: Callable[[Aggregation], Aggregation], temporary: bool) -> None:
        def update(target: Link) -> None:
            if target.aggregation is not None:
                target.aggregation = change(target.aggregation)

        self._links.change(link.name, update, temporary=temporary)

    def _card(self, name: str) -> Link:
        (link,) = self._checked((name,))
        return link

    def _set_mac(self, link: Link, mac_type: str, mac: str, temporary: bool) -> None:
        if (link.mac_type, link.mac) == (mac_type, mac):
            return

        def update(target: Link) -> None:
            target.mac = mac
            if target.name == link.name:
                target.mac_type = mac_type

        # A VLAN has the address of what it is over.
        vlans = [user for user in self._links.users(link.name) if user.link_class == VLAN]
        for each in (link, *vlans):
            self._links.change(each.name, update, temporary=temporary)
            with machine():
                self._host.kernel.set_mac(each.name, mac)

    def delete(self, name: str, *, temporary: bool) -> None:
        """Remove an aggregation.

        Raises:
            DladmError: not there, no aggregation, in use, or a persistent VLAN is over it.
        """
        link = self._links.get(name) or self._links.get_record(name)
        if link is None:
            raise DladmError(status.NOT_FOUND)
        if link.aggregation is None:
            raise DladmError(status.INVALID_ARGUMENT)
        held = [record for record in self._links.all_records() if record.over == name]
        if not temporary and any(record.link_class == VLAN for record in held):
            raise DladmError(status.BUSY)
        self._links.delete(name, temporary=temporary)
        self._links.bridges.follow()
