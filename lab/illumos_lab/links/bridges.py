"""Bridges between network cards (IEEE 802.1D, bridged(8), libdladm's libdlbridge).

A bridge NAME is the link ``NAME0``. There is no spanning tree protocol: what it would come to is
worked out from the connections that the lab knows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from illumos_lab import bridging
from illumos_lab.links import status
from illumos_lab.links.model import BRIDGE, Bridging, Link
from illumos_lab.links.status import DladmError, machine

if TYPE_CHECKING:
    from illumos_lab.host import Host
    from illumos_lab.links.table import LinkTable

MAX_NAME = 30
_NAME = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_]*[A-Za-z_])?")


def valid_name(name: str) -> bool:
    """Whether a bridge may have this name."""
    return len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None


class Bridges:
    """What can be done with bridges, besides what all links have in common."""

    def __init__(self, links: LinkTable, host: Host) -> None:
        self._links = links
        self._host = host
        self._forwarding: dict[str, tuple[str, ...]] = {}
        self._stopped: set[str] = set()

    def boot(self) -> None:
        """Begin as the services of the bridges will be, and let the bridges forward."""
        names = (bridge.name[:-1] for bridge in self.all())
        self._stopped = {
            name for name in names if not self._host.smf.enabled("global", f"{bridging.SERVICE}{name}")
        }
        self.follow()

    def run(self, name: str, running: bool) -> None:
        """Let a bridge work, or (its daemon has ended) pass nothing."""
        if running:
            self._stopped.discard(name)
        else:
            self._stopped.add(name)
        self.follow()

    def all(self) -> list[Link]:
        """The bridges."""
        return [link for link in self._links.all() if link.link_class == BRIDGE]

    def ports(self, bridge: str) -> list[Link]:
        """The links that a bridge connects."""
        return [link for link in self._links.all() if link.bridge == bridge]

    def forwards(self, port: Link) -> bool:
        """A port lets frames pass; one that would close a ring does not."""
        return port.name in self._forwarding.get(port.bridge, ())

    def create(self, name: str, settings: Bridging, ports: list[Link]) -> None:
        """Make a bridge.

        Raises:
            DladmError: the name is taken, or the machine refuses.
        """
        # It passes whatever its ports carry.
        link = Link(
            f"{name}0", BRIDGE, bridging=settings, mtu=max((port.mtu for port in ports), default=1500)
        )
        self._links.add(link, temporary=False)

    def modify(self, name: str, settings: Bridging) -> None:
        """Change the parameters of a bridge.

        Raises:
            DladmError: there is none.
        """
        self._get(name)

        def update(target: Link) -> None:
            target.bridging = settings

        self._links.change(f"{name}0", update, temporary=False)

    def get(self, name: str) -> Link | None:
        """The bridge of that name."""
        link = self._links.get(f"{name}0")
        return link if link and link.link_class == BRIDGE else None

    def _get(self, name: str) -> Link:
        link = self.get(name)
        if link is None:
            raise DladmError(status.NOT_FOUND)
        return link

    def delete(self, name: str) -> None:
        """Remove a bridge without ports.

        Raises:
            DladmError: it is none, or it has ports.
        """
        if not valid_name(name):
            raise DladmError(status.INVALID_LINK)
        if self.get(name) is None:
            raise DladmError(status.INVALID_ARGUMENT)
        if any(record.bridge == name for record in self._links.all_records()):
            raise DladmError(status.BUSY)
        self._links.delete(f"{name}0", temporary=False)
        self._forwarding.pop(name, None)
        self._stopped.discard(name)

    def set_port(self, port: str, bridge: str) -> None:
        """Make a link a port of a bridge, or (empty) of none.

        Raises:
            DladmError: the link is temporary, or belongs to a bridge.
        """
        record = self._links.get_record(port)
        if record is None:
            raise DladmError(status.NOT_FOUND)
        if record.bridge and bridge:
            raise DladmError(status.EXISTS)

        def update(target: Link) -> None:
            target.bridge = bridge

        self._links.change(port, update, temporary=False)
        self.follow()

    def follow(self) -> None:
        """Let bridges forward between their ports as the connections of the links are now."""
        known: dict[str, str] = {}

        def root(name: str) -> str:
            while name in known:
                name = known[name]
            return name

        def connect(one: str, other: str) -> bool:
            first, second = root(one), root(other)
            if first != second:
                known[second] = first
            return first != second

        for link in self._links.all():
            for other in (link.peer, *link.ports[:1]):
                if other:
                    connect(link.name, other)
        for bridge in self.all():
            name = bridge.name[:-1]
            able = () if name in self._stopped else self.ports(name)
            ports = tuple(port.name for port in able if connect(bridge.name, port.name))
            if self._forwarding.get(name, ()) != ports:
                with machine():
                    self._host.kernel.connect(bridge.name, ports)
                self._forwarding[name] = ports
