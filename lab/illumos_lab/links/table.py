"""The datalinks of a host: what is active, what datalink.conf remembers, and the rules."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

from illumos_lab import linkname
from illumos_lab.conffile import replace_file
from illumos_lab.kernel import OverlayTarget
from illumos_lab.links import overlays, properties, status
from illumos_lab.links.aggregations import Aggregations
from illumos_lab.links.bridges import Bridges
from illumos_lab.links.flows import FlowTable
from illumos_lab.links.model import (
    AGGR,
    BRIDGE,
    ETHERSTUB,
    ETHERSTUB_MTU,
    IPTUN,
    OVERLAY,
    PHYS,
    SIMNET,
    VLAN,
    VNIC,
    Link,
)
from illumos_lab.links.properties import Property, Values
from illumos_lab.links.status import DladmError, machine
from illumos_lab.links.tunnels import Tunnels

if TYPE_CHECKING:
    from illumos_lab.host import Host

CONF = "/etc/dladm/datalink.conf"
_HEADER = "# Kept by dlmgmtd. Do not edit.\n"
DEFAULT_MAC_PREFIX = [0x02, 0x08, 0x20]

_NO_IP = (ETHERSTUB, OVERLAY, BRIDGE)
_LAYERS = {PHYS: 0, SIMNET: 0, ETHERSTUB: 0, AGGR: 1}
"""Classes that others stand on, from the lowest up."""


class LinkError(Exception):
    """zoneadmd could not give a link to a zone.

    Attributes:
        message: the warning, as zoneadmd words it.
        failure: the failure that follows it and ends the boot.
    """

    def __init__(self, message: str, failure: str = "failed to add network device") -> None:
        super().__init__(message)
        self.message = message
        self.failure = failure


class LinkTable:
    """All datalinks of one host.

    Active links and persistent records share one namespace and one numbering; a link can be active
    only (made with ``-t``), persistent only (deleted with ``-t``), or both.

    Attributes:
        flows: the flows over these links.
        aggregations, bridges, tunnels: what can be done with links of these classes only.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._active: dict[str, Link] = {}
        self._records: dict[str, Link] = {}
        self._next_id = 1
        self._targets: dict[str, overlays.TargetTable] = {}
        self.flows = FlowTable(host)
        self.aggregations = Aggregations(self, host)
        self.bridges = Bridges(self, host)
        self.tunnels = Tunnels(self, host)

    # Reading -------------------------------------------------------------------------------------

    def get(self, name: str) -> Link | None:
        """The active link of that name."""
        return self._active.get(name)

    def all(self) -> list[Link]:
        """The active links, in link-id order."""
        return sorted(self._active.values(), key=lambda link: link.linkid)

    def get_record(self, name: str) -> Link | None:
        """The persistent record of that name."""
        return self._records.get(name)

    def all_records(self) -> list[Link]:
        """The persistent records, in link-id order."""
        return sorted(self._records.values(), key=lambda link: link.linkid)

    def users(self, name: str) -> list[Link]:
        """The active vnics and vlans over a link."""
        return [link for link in self.all() if link.over == name]

    def carries_ip(self, link: Link) -> bool:
        """An IP interface can stand on a link: it is no switch, and not the port of an aggregation."""
        return link.link_class not in _NO_IP and self.aggregations.of_port(link.name) is None

    # Boot ----------------------------------------------------------------------------------------

    def add_physical(self, name: str, mac: str, mtu: int) -> None:
        """A network card was found; called before `boot`. Its MAC may have leading zeros."""
        self._active[name] = Link(
            name,
            PHYS,
            self._take_id(),
            mac=linkname.parse_mac(mac) or mac,
            mac_type="fixed",
            mtu=mtu,
            persistent=True,
            device=name,
        )
        self._records[name] = replace(self._active[name], properties={})

    def boot(self) -> None:
        """Make the persistent links active, as ``dladm up-vnic`` and its like do at host boot.

        A link that cannot be made (its lower link is gone) stays a persistent record.
        """
        path = self._host.path("global", CONF)
        if not path.exists():
            self._write()
            return
        lines = path.read_text().splitlines()
        for line in lines:
            if not line.startswith("#"):
                link = Link.from_record(json.loads(line), 0)
                if link.link_class == PHYS:
                    self._boot_physical(link)
                else:
                    link.linkid = self._take_id()
                    self._records[link.name] = link
        for record in sorted(self.all_records(), key=lambda link: _LAYERS.get(link.link_class, 2)):
            if record.link_class != PHYS:
                self._boot_virtual(record)
        for link in self.all():
            if link.peer and link.peer in self._active and link.name < link.peer:
                self._host.kernel.connect(link.name, (link.peer,))
        self.bridges.boot()
        self.flows.boot()

    def _boot_physical(self, record: Link) -> None:
        old = next((link for link in self._active.values() if link.device == record.device), None)
        if old is None:
            return
        if old.name != record.name:
            self._host.kernel.rename_link(old.name, record.name)
        del self._active[old.name], self._records[old.name]
        link = replace(record, linkid=old.linkid, mac=old.mac, mac_type=old.mac_type)
        if link.mtu != old.mtu:
            self._host.kernel.set_mtu(link.name, link.mtu)
        self._active[link.name] = replace(link, properties=_active_properties(link))
        self._records[link.name] = link

    def _boot_virtual(self, record: Link) -> None:
        if record.over and record.over not in self._active:
            return
        if record.aggregation is not None and not set(record.ports) & self._active.keys():
            return
        if record.link_class == OVERLAY and not self._host.smf.enabled("global", overlays.VARPD):
            return
        link = replace(record, properties=_active_properties(record))
        self.aggregations.settle(link)
        try:
            self._realise(link)
            self._active[link.name] = link
            for name in link.properties.keys() & {"protection", "maxbw"}:
                self._apply_property(link, name)
        except DladmError:
            return

    # Making and removing -------------------------------------------------------------------------

    def add(self, link: Link, *, temporary: bool) -> None:
        """Make a link that is whole.

        Raises:
            DladmError: the name is taken or malformed, or the machine refuses.
        """
        if not linkname.valid(link.name):
            raise DladmError(status.INVALID_ARGUMENT)
        self._create(link, temporary)

    def change(self, name: str, update: Callable[[Link], None], *, temporary: bool) -> None:
        """Change an active link, and unless ``temporary`` its record.

        Raises:
            DladmError: the configuration cannot be written; nothing has changed then.
        """
        targets = [self._active[name]] if name in self._active else []
        if not temporary and name in self._records:
            targets.append(self._records[name])
        before = [dict(vars(target)) for target in targets]
        for target in targets:
            update(target)
        try:
            self._write()
        except DladmError:
            for target, values in zip(targets, before, strict=True):
                vars(target).update(values)
            raise

    def create_etherstub(self, name: str, *, temporary: bool) -> None:
        """Make a virtual switch.

        Raises:
            DladmError: the name is taken, or the machine refuses.
        """
        self._create(Link(name, ETHERSTUB, mtu=ETHERSTUB_MTU), temporary)

    def create_overlay(self, link: Link, *, temporary: bool) -> None:
        """Make a network across hosts.

        Raises:
            DladmError: the name is taken, its targets cannot be read, or the machine refuses.
        """
        self._create(link, temporary)

    def overlay_targets(self, link: Link) -> list[OverlayTarget]:
        """Where the frames of an overlay go, in the order of the receivers' addresses."""
        return self._targets[link.name].sorted()

    def set_overlay_target(self, link: Link, target: OverlayTarget) -> None:
        """Change what an overlay knows of a receiver, until it is made anew or forgets."""
        sent = self._targets[link.name].put(target)
        with machine():
            self._host.kernel.set_overlay_target(link.name, sent)

    def forget_overlay_target(self, link: Link, mac: str) -> None:
        """Let an overlay look a receiver up again.

        Raises:
            DladmError: it knows nothing of it.
        """
        found = self._targets[link.name].forget(mac)
        with machine():
            self._host.kernel.set_overlay_target(link.name, found)

    def reload_overlay(self, link: Link) -> None:
        """Let an overlay look every receiver up again."""
        for target in self.overlay_targets(link):
            self.forget_overlay_target(link, target.mac)

    def reread_overlays(self) -> None:
        """The daemon of the search plugins has started: they read their files again."""
        for link in self.all():
            if link.link_class == OVERLAY:
                # A plugin that fails to start answers nothing; what is known stays.
                with contextlib.suppress(DladmError), machine():
                    read = overlays.targets(link, self._host.path("global", "/"))
                    for target in self._targets[link.name].reread(read):
                        self._host.kernel.set_overlay_target(link.name, target)

    def create_simnet(self, name: str, *, mac: str | None, media: str, temporary: bool) -> None:
        """Make a simulated network card.

        Raises:
            DladmError: the name is taken, or the machine refuses.
        """
        address = mac or linkname.random_mac(DEFAULT_MAC_PREFIX)
        link = Link(name, SIMNET, mac=address, mac_type="fixed", media=media)
        self._create(link, temporary)

    def create_vnic(
        self,
        name: str,
        over: str,
        *,
        mac: str | None = None,
        mac_prefix: list[int] | None = None,
        vid: int = 0,
        vrrp: str = "",
        temporary: bool = False,
    ) -> None:
        """Make a vnic over an active link; without ``mac`` it gets a random one.

        Args:
            name: its name.
            over: the lower link.
            mac: its address.
            mac_prefix: octets that a random address begins with.
            vid: VLAN identifier.
            vrrp: virtual router whose address ``mac`` is, as ``VRID/inet``.
            temporary: it goes at the next boot.

        Raises:
            DladmError: the name or address is taken, the lower link cannot carry it, it is
                persistent over a temporary link, or the machine refuses.
        """
        lower = self._active[over]
        taken = {link.mac for link in self.users(over)} | {lower.mac}
        if mac is not None:
            mac = linkname.parse_mac(mac) or mac
        address = mac or linkname.random_mac(mac_prefix or DEFAULT_MAC_PREFIX)
        while mac is None and address in taken:
            address = linkname.random_mac(mac_prefix or DEFAULT_MAC_PREFIX)
        link = Link(
            name,
            VNIC,
            over=over,
            mac=address,
            mac_type=f"vrrp, {vrrp}" if vrrp else "fixed" if mac else "random",
            vid=vid,
            mtu=lower.mtu,
        )
        self._check_lower(lower, link, temporary)
        if address in taken:
            raise DladmError(status.MAC_IN_USE)
        if lower.link_class == OVERLAY and not self._can_listen(lower):
            raise DladmError(status.NOT_AVAILABLE)
        self._create(link, temporary)

    def create_vlan(self, name: str, over: str, vid: int, *, temporary: bool) -> None:
        """Make a VLAN link, which shares its lower link's address.

        Raises:
            DladmError: as `create_vnic`; or the VLAN exists already.
        """
        lower = self._active[over]
        link = Link(name, VLAN, over=over, mac=lower.mac, mac_type="fixed", vid=vid, mtu=lower.mtu)
        self._check_lower(lower, link, temporary)
        if any(user.link_class == VLAN and user.vid == vid for user in self.users(over)):
            raise DladmError(status.EXISTS)
        self._create(link, temporary)

    def _can_listen(self, overlay: Link) -> bool:
        """The global zone has the address at which an overlay takes its traffic."""
        address = ip_address(overlays.listen(overlay)[0])
        return address.is_unspecified or any(
            network.address.ip == address for network in self._host.stacks["global"].connected()
        )

    def _check_lower(self, lower: Link, link: Link, temporary: bool) -> None:
        if link.name in self._active or link.name in self._records:
            raise DladmError(status.EXISTS)
        if lower.link_class in (VNIC, VLAN, BRIDGE) or (
            link.link_class == VLAN and lower.link_class == ETHERSTUB
        ):
            raise DladmError(status.INVALID_ARGUMENT)
        if lower.link_class == IPTUN or (lower.link_class == SIMNET and lower.media != "Ethernet"):
            raise DladmError(status.NOT_SUPPORTED)
        if self.aggregations.of_port(lower.name) is not None:
            raise DladmError(status.BUSY)
        if not temporary and not lower.persistent:
            raise DladmError(status.OVER_TEMPORARY)

    def _create(self, link: Link, temporary: bool) -> None:
        if link.name in self._active or link.name in self._records:
            raise DladmError(status.EXISTS)
        link.linkid = self._take_id()
        link.persistent = not temporary
        self._realise(link)
        self._active[link.name] = link
        if not temporary:
            self._records[link.name] = replace(link, properties={})
            try:
                self._write()
            except DladmError:
                # Nothing may stay behind that a reboot would forget.
                del self._active[link.name], self._records[link.name]
                self._host.kernel.delete_link(link.name)
                raise

    def _realise(self, link: Link) -> None:
        with machine():
            if link.link_class in (ETHERSTUB, BRIDGE):
                self._host.kernel.create_etherstub(link.name, link.mtu)
            elif link.link_class == OVERLAY:
                self._realise_overlay(link)
            elif link.link_class in (SIMNET, AGGR):
                self._host.kernel.create_card(link.name, link.mac, link.mtu)
                # The lab's Linux has no bonding: one port of an aggregation carries all.
                self._host.kernel.connect(link.name, link.ports[:1])
            elif link.link_class == IPTUN:
                self._host.kernel.create_tunnel(link.name, link.mac, link.mtu)
                self.tunnels.follow(link)
            else:
                self._host.kernel.create_vnic(link.name, link.over, link.mac, link.vid, link.mtu)

    def _realise_overlay(self, link: Link) -> None:
        targets = overlays.targets(link, self._host.path("global", "/"))
        vnetid = int(link.overlay["vnetid"])
        self._host.kernel.create_overlay(link.name, link.mtu, vnetid, overlays.listen(link), targets)
        self._targets[link.name] = overlays.TargetTable(targets)

    def delete(self, name: str, *, temporary: bool) -> None:
        """Remove a link; with ``temporary`` its persistent record stays.

        Raises:
            DladmError: in use, or not there.
        """
        link = self._active.get(name)
        if link is None and (temporary or name not in self._records):
            raise DladmError(status.NOT_FOUND)
        if link is not None:
            if self.in_use(link) or self.users(name) or link.bridge:
                raise DladmError(status.BUSY)
            if link.peer:
                self.pair(name, "", temporary=temporary)
            if self.flows.over(name):
                raise DladmError(status.HAS_FLOWS)
            with machine():
                self._host.kernel.delete_link(name)
            del self._active[name]
            self._targets.pop(name, None)
        if not temporary and name in self._records:
            del self._records[name]
            self._write()

    def rename(self, old: str, new: str) -> None:
        """Give a link another name, now and after a reboot; vnics over it follow.

        Raises:
            DladmError: not there, in use, or the new name is taken or malformed.
        """
        link = self._active.get(old)
        if link is None:
            raise DladmError(status.NOT_FOUND)
        if not linkname.valid(new):
            raise DladmError(status.INVALID_ARGUMENT)
        if new in self._active or new in self._records:
            raise DladmError(status.EXISTS)
        if self.in_use(link) or link.link_class == BRIDGE:
            raise DladmError(status.BUSY)
        with machine():
            self._host.kernel.rename_link(old, new)
        for links in (self._active, self._records):
            if old in links:
                links[new] = links.pop(old)
                links[new].name = new
                if old in self._targets:
                    self._targets[new] = self._targets.pop(old)
            for other in links.values():
                if other.over == old:
                    other.over = new
                if other.peer == old:
                    other.peer = new
        self.bridges.follow()
        self._write()

    def pair(self, name: str, peer: str, *, temporary: bool) -> None:
        """Connect two simnets; either leaves the one that it was connected to. No peer: only that."""
        kept = (self._active,) if temporary else (self._active, self._records)
        for links in kept:
            for link in links.values():
                if link.link_class == SIMNET and {link.name, link.peer} & ({name, peer} - {""}):
                    self._separate(link, active=links is self._active)
            if peer and name in links and peer in links:
                links[name].peer, links[peer].peer = peer, name
        if peer:
            with machine():
                self._host.kernel.connect(name, (peer,))
        self.bridges.follow()
        self._write()

    def _separate(self, link: Link, *, active: bool) -> None:
        if active and link.peer:
            with machine():
                self._host.kernel.connect(link.name, ())
        link.peer = ""

    def in_use(self, link: Link) -> bool:
        """A zone has a link, an IP interface is on it, or it is the port of an aggregation."""
        if link.zone or self.aggregations.of_port(link.name) is not None:
            return True
        stack = self._host.stacks.get("global")
        return stack is not None and stack.is_plumbed(link.name)

    # Properties ----------------------------------------------------------------------------------

    def set_property(self, name: str, prop: Property, values: Values, *, temporary: bool) -> None:
        """Set a link property, now and (unless ``temporary``) after a reboot.

        Raises:
            DladmError: the value, the link or the moment does not allow it.
        """
        link = self._active[name]
        if prop not in properties.of(link):
            raise DladmError(status.NOT_SUPPORTED)
        values = prop.validated(values)
        if prop.name == "zone":
            self._set_zone(link, values[0], temporary)
            return
        if not temporary and name not in self._records:
            raise DladmError(status.NOT_PERSISTENT)
        if prop.name == "mtu":
            self._set_mtu(link, values[0], temporary)
        else:
            if prop.name in ("cpus", "pool"):
                other = "pool" if prop.name == "cpus" else "cpus"
                if other in link.properties:
                    raise DladmError(status.POOL_AND_CPUS)
            link.properties[prop.name] = values
            if not temporary:
                self._records[name].properties[prop.name] = values
        self._apply_property(link, prop.name)
        if not temporary:
            self._write()

    def reset_property(self, name: str, prop: Property, *, temporary: bool) -> None:
        """Return a link property to its default.

        Raises:
            DladmError: read-only, or the moment does not allow it.
        """
        link = self._active[name]
        if prop not in properties.of(link):
            raise DladmError(status.NOT_SUPPORTED)
        if not prop.settable:
            raise DladmError(status.READ_ONLY)
        if prop.name == "zone":
            if not temporary:
                raise DladmError(status.NOT_PERSISTENT)
            self._check_idle(link)
            self._move(link, "")
            return
        if prop.name == "mtu":
            default = self._active[link.over].mtu if link.over else int(prop.default(link))
            self._set_mtu(link, str(default), temporary or name not in self._records)
        link.properties.pop(prop.name, None)
        self._apply_property(link, prop.name)
        if not temporary and name in self._records:
            self._records[name].properties.pop(prop.name, None)
            self._write()

    def _set_zone(self, link: Link, zone: str, temporary: bool) -> None:
        if not temporary:
            raise DladmError(status.NOT_PERSISTENT)
        if zone != "global" and zone not in self._host.stacks:
            raise DladmError(status.INVALID_VALUE)
        if self.users(link.name):
            raise DladmError(status.BUSY)
        if zone != (link.zone or "global"):
            self._check_idle(link)
            if self.aggregations.of_port(link.name) is not None:
                raise DladmError(status.BUSY)
        self._move(link, "" if zone == "global" else zone)

    def _check_idle(self, link: Link) -> None:
        """A link changes its zone only while no IP interface is on it.

        Raises:
            DladmError: there is one.
        """
        stack = self._host.stacks.get(link.zone or "global")
        if stack is not None and stack.is_plumbed(link.name):
            raise DladmError(status.BUSY)

    def _set_mtu(self, link: Link, text: str, temporary: bool) -> None:
        if not text.isdigit():
            raise DladmError(status.INVALID_VALUE)
        mtu = int(text)
        low, high = properties.mtu_range(link)
        if link.over:
            high = min(high, self._active[link.over].mtu)
        if not low <= mtu <= high:
            raise DladmError(status.MTU_RANGE)
        if mtu != link.mtu:
            # Drivers of real cards take a new MTU only while nothing is plumbed on them.
            if link.link_class in (PHYS, AGGR) and self.in_use(link):
                raise DladmError(status.BUSY)
            with machine():
                for each in (self._active[name] for name in (*link.ports, link.name)):
                    self._host.kernel.set_mtu(each.name, mtu)
                    each.mtu = mtu
        if not temporary:
            record = self._records[link.name]
            record.mtu = mtu
            record.properties["mtu"] = [text]

    def _apply_property(self, link: Link, name: str) -> None:
        """Make a property true on the wire, if it is one that shows there."""
        if name in ("protection", "allowed-ips"):
            self._apply_protection(link)
        elif name == "maxbw" and link.link_class not in (ETHERSTUB, OVERLAY):
            with machine():
                self._host.kernel.set_bandwidth(link.name, int(link.properties.get(name, ["0"])[0]))

    def _apply_protection(self, link: Link) -> None:
        if link.link_class == ETHERSTUB:
            return
        with machine():
            self._host.kernel.set_protection(
                link.name,
                frozenset(link.properties.get("protection", ())),
                tuple(link.properties.get("allowed-ips", ())),
                link.mac,
            )

    # Zones ---------------------------------------------------------------------------------------

    def lend(self, name: str, zone: str, allowed: list[str]) -> None:
        """Give a link to a zone that becomes ready, as zoneadmd does.

        With ``allowed`` (addresses; a prefix length is dropped) the link may send from these only.

        Raises:
            LinkError: missing, in use in the global zone, or protected by hand beforehand.
        """
        link = self._active.get(name)
        if link is None:
            raise LinkError(f"WARNING: skipping network interface '{name}': {status.NOT_FOUND}")
        if link.zone and link.zone != zone:
            raise LinkError(f"WARNING: unable to add network interface '{name}': {status.BUSY}")
        if not link.zone and self.in_use(link):
            raise LinkError(
                f"WARNING: skipping network interface '{name}' which is used in the global zone"
            )
        if allowed:
            self._check_unprotected(link)
        try:
            self._move(link, zone)
            if allowed:
                link.properties["protection"] = ["ip-nospoof"]
                link.properties["allowed-ips"] = [text.partition("/")[0] for text in allowed]
                self._apply_protection(link)
        except DladmError as error:
            raise LinkError(f"WARNING: unable to add network interface '{name}': {error.status}") from error

    @staticmethod
    def _check_unprotected(link: Link) -> None:
        if link.properties.get("protection"):
            raise LinkError("Protection is already set", "failed to add address")
        if link.properties.get("allowed-ips"):
            raise LinkError("allowed-ips is already set", "failed to add address")

    def take_back(self, name: str) -> None:
        """Return a link to the global zone at halt, its protection reset; no-op when it is gone."""
        link = self._active.get(name)
        if link is None:
            return
        self._move(link, "")
        if link.properties.pop("protection", None) or link.properties.get("allowed-ips"):
            link.properties.pop("allowed-ips", None)
            self._apply_protection(link)

    def take_back_all(self, zone: str) -> None:
        """Return every link that a zone still has, also those given to it by hand."""
        for link in self.all():
            if link.zone == zone:
                self._move(link, "")

    def _move(self, link: Link, zone: str) -> None:
        if link.zone != zone:
            with machine():
                self._host.kernel.move_link(link.name, zone or "global")
            link.zone = zone

    # Files ---------------------------------------------------------------------------------------

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _write(self) -> None:
        lines = [json.dumps(link.record()) + "\n" for link in self.all_records()]
        with machine():
            replace_file(self._host.path("global", CONF), _HEADER + "".join(lines))


def _active_properties(record: Link) -> dict[str, Values]:
    """The properties that a record gives its link at boot; the MTU is a field of its own."""
    return {name: list(values) for name, values in record.properties.items() if name != "mtu"}
