"""IP tunnels: IP packets in IP packets (iptun(4D), libdladm's libdliptun).

Packets go between two hosts whose tunnels have each other's ends. Those of a 6to4 tunnel go nowhere.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from illumos_lab import linkname
from illumos_lab.links import properties, status
from illumos_lab.links.model import IPTUN, Link, Tunnel
from illumos_lab.links.status import DladmError, machine

if TYPE_CHECKING:
    from illumos_lab.host import Host
    from illumos_lab.links.table import LinkTable

KINDS = ("ipv4", "ipv6", "6to4")
_MAC_PREFIX = [0x02, 0x08, 0x20]


def end(kind: str, text: str, failure: str) -> str:
    """The address of an end, in one spelling.

    Raises:
        DladmError: no address, one of another version, or one that no host has.
    """
    try:
        address = ip_address(text)
    except ValueError as error:
        raise DladmError(failure) from error
    if address.version != (6 if kind == "ipv6" else 4):
        raise DladmError(failure)
    if address.is_unspecified or address.is_multicast:
        raise DladmError(status.NOT_AVAILABLE)
    return str(address)


class Tunnels:
    """What can be done with IP tunnels, besides what all links have in common."""

    def __init__(self, links: LinkTable, host: Host) -> None:
        self._links = links
        self._host = host

    def create(self, name: str, tunnel: Tunnel, *, temporary: bool) -> None:
        """Make a tunnel.

        Raises:
            DladmError: an end is wrong, another tunnel has the same, or as for every link.
        """
        if self._links.get(name) or self._links.get_record(name):
            raise DladmError(status.EXISTS)
        checked = self._checked(name, tunnel)
        link = Link(name, IPTUN, mac=linkname.random_mac(_MAC_PREFIX), mac_type="fixed", tunnel=checked)
        link.mtu = properties.mtu_range(link)[1]
        self._links.add(link, temporary=temporary)

    def modify(self, name: str, local: str, remote: str, *, temporary: bool) -> None:
        """Change the ends of a tunnel; an empty one stays as it is.

        Raises:
            DladmError: no such tunnel, or as `create`.
        """
        link = self._links.get(name) or self._links.get_record(name)
        if link is None:
            raise DladmError(status.NOT_FOUND)
        if not local and not remote:
            raise DladmError(status.INVALID_ARGUMENT)
        if link.tunnel is None:
            raise DladmError(status.NOT_FOUND if temporary else status.INVALID_LINK)
        if self._links.get(name) is None or (not temporary and self._links.get_record(name) is None):
            raise DladmError(status.NOT_FOUND)

        def changed(old: Tunnel) -> Tunnel:
            return self._checked(name, Tunnel(old.kind, local or old.local, remote or old.remote))

        def update(target: Link) -> None:
            if target.tunnel is not None:
                target.tunnel = changed(target.tunnel)

        changed(link.tunnel)
        self._links.change(name, update, temporary=temporary)
        with machine():
            self.follow(link)

    def _checked(self, name: str, tunnel: Tunnel) -> Tunnel:
        local = tunnel.local and end(tunnel.kind, tunnel.local, status.INVALID_TUNNEL_LOCAL)
        remote = tunnel.remote and end(tunnel.kind, tunnel.remote, status.INVALID_TUNNEL_REMOTE)
        if tunnel.kind == "6to4" and remote:
            # Where it sends to is in the addresses that it carries.
            raise DladmError(status.INVALID_ARGUMENT)
        checked = Tunnel(tunnel.kind, local, remote)
        if checked.complete and any(
            link.tunnel == checked for link in self._links.all() if link.name != name
        ):
            raise DladmError(status.ADDRESS_IN_USE)
        return checked

    def follow(self, link: Link) -> None:
        """Make the ends of a tunnel true on the wire."""
        if link.tunnel is not None:
            self._host.kernel.set_tunnel(link.name, link.tunnel.local, link.tunnel.remote)

    def delete(self, name: str, *, temporary: bool) -> None:
        """Remove a tunnel.

        Raises:
            DladmError: not there, no tunnel, or in use.
        """
        link = self._links.get(name) or self._links.get_record(name)
        if link is None:
            raise DladmError(status.NOT_FOUND)
        if link.tunnel is None:
            raise DladmError(status.INVALID_LINK)
        self._links.delete(name, temporary=temporary)
