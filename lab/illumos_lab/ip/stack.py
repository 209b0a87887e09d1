"""The IP stack of the global zone or of an exclusive-ip zone: interfaces, addresses, routes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Interface, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from illumos_lab.ip import ipmp, parse, props, routing_conf, status
from illumos_lab.ip.boot import boot
from illumos_lab.ip.conf import IpadmConf
from illumos_lab.ip.model import (
    ADDRCONF,
    DEFAULT_V4,
    DEFAULT_V6,
    DHCP,
    FROM_GZ,
    LOOPBACK,
    STATIC,
    Address,
    IpInterface,
    Route,
)
from illumos_lab.ip.routes import Connected, RouteTable
from illumos_lab.ip.status import IpadmError
from illumos_lab.kernel import Interface
from illumos_lab.links import Link, LinkError
from illumos_lab.links.model import Tunnel

if TYPE_CHECKING:
    from illumos_lab.host import Host

LOOPBACK_MTU = {True: 8232, False: 8252}
"""MTU of lo0, for IPv4 and IPv6."""


@runtime_checkable
class DhcpDetails(Protocol):
    """A kernel that can tell more about a lease than its address."""

    def dhcp_info(self, zone: str, link: str) -> DhcpLease | None: ...


class DhcpLease(Protocol):
    """What a lease says.

    Attributes:
        options: everything that came, by the numbers of RFC 2132.
    """

    options: dict[int, bytes]

    @property
    def routers(self) -> tuple[str, ...]: ...

    @property
    def dns_servers(self) -> tuple[str, ...]: ...


class IpStack:
    """Active IP state of one stack; what persists is in the files of its zone.

    Attributes:
        zone: ``global``, or the exclusive-ip zone.
        from_gz: addresses with prefix that zoneadmd hands in, by link; set before `boot`.
        from_gz_router: default router that zoneadmd hands in.
        interfaces: what is plumbed, by name.
        addresses: address objects that are active.
        routes: the routing table.
        props: protocol properties that were set, by (protocol, name).
    """

    def __init__(self, host: Host, zone: str) -> None:
        self.host = host
        self.zone = zone
        self.from_gz: dict[str, list[str]] = {}
        self.from_gz_router: str | None = None
        self.interfaces: dict[str, IpInterface] = {}
        self.addresses: list[Address] = []
        self.props: dict[tuple[str, str], str] = {}
        self.routes = RouteTable(host.kernel, zone, self.connected, self.carrier)
        self._next_index = 1

    # Boot and halt -------------------------------------------------------------------------------

    def boot(self) -> list[str]:
        """Configure the stack as network/physical and routing-setup do.

        Returns:
            What these would have said on the console.
        """
        with self.host.lock:
            console = boot(self)
        # Services have locks of their own: not while holding the host's.
        routing_conf.apply(self.host, self.zone)
        return console

    def halt(self) -> None:
        """Forget the active state; the stack itself ends with the zone."""
        for address in self.addresses:
            if address.kind == DHCP:
                self.host.kernel.stop_dhcp_client(self.zone, address.interface)
        self.interfaces.clear()
        self.addresses.clear()
        self.props.clear()
        self.routes.forget()
        self._next_index = 1

    @property
    def root(self) -> Path:
        """Root directory of the zone."""
        return self.host.zone_root(self.zone)

    def conf(self) -> IpadmConf:
        """The persistent configuration as it stands in the zone's file."""
        return IpadmConf.load(self.root)

    # Reading -------------------------------------------------------------------------------------

    def is_plumbed(self, link: str) -> bool:
        """Whether an IP interface is on a link."""
        return link in self.interfaces

    def link(self, name: str) -> Link | None:
        """The datalink behind an interface name, when this stack has it."""
        link = self.host.links.get(name)
        owner = link.zone or "global" if link else None
        return link if owner == self.zone else None

    def mtu(self, interface: str, *, v4: bool = True) -> int:
        """MTU of an interface."""
        if interface == LOOPBACK:
            return LOOPBACK_MTU[v4]
        own = self.interfaces[interface].properties.get(("ipv4" if v4 else "ipv6", "mtu"))
        if self.interfaces[interface].ipmp:
            below = self.interfaces[interface].members
            return min((self.mtu(name, v4=v4) for name in below), default=ipmp.EMPTY_MTU[v4])
        link = self.link(interface)
        return int(own) if own else link.mtu if link else 1500

    def find(self, interface: str, name: str) -> Address | None:
        """The active address object of that name."""
        return next(
            (item for item in self.addresses if (item.interface, item.name) == (interface, name)),
            None,
        )

    def on(self, interface: str) -> list[Address]:
        """The active address objects of an interface."""
        return [address for address in self.addresses if address.interface == interface]

    def carrier(self, interface: str) -> str:
        """The link that an interface sends through now: itself, or an active one of an IPMP group."""
        found = self.interfaces.get(interface)
        if found is None or not found.ipmp:
            return interface
        return next((each.name for each in ipmp.active(self, found)), interface)

    def _carrier_of(self, address: Address) -> str:
        """The link that has an address; empty while no interface of its group can have it."""
        interface = self.interfaces.get(address.interface)
        return address.carrier if interface is not None and interface.ipmp else address.interface

    def current(self, address: Address) -> Interface | None:
        """The address that an object has now; for DHCP that of the lease."""
        if address.kind == DHCP:
            return self.host.kernel.dhcp_lease(self.zone, address.interface)
        return address.address

    def connected(self) -> list[Connected]:
        """The networks that the stack is on, in the order of its addresses."""
        found = []
        for address in self.addresses:
            current = self.current(address)
            if current is not None and address.effective and self._carrier_of(address):
                found.append(Connected(current, address.interface, address.peer))
                found += [Connected(each, address.interface) for each in self.autoconf(address)]
        return found

    def autoconf(self, address: Address) -> tuple[Interface, ...]:
        """The addresses that an addrconf object has beside its link-local one."""
        if address.kind != ADDRCONF or not address.effective:
            return ()
        return self.host.kernel.autoconf_addresses(self.zone, address.interface)

    def all_routes(self) -> list[Route]:
        """Routes that were added, and the default routes that came with DHCP or from routers."""
        routes = []
        kernel = self.host.kernel
        for address in self.addresses:
            if address.kind == ADDRCONF:
                routes += [
                    Route(DEFAULT_V6, router, address.interface, address.interface)
                    for router in kernel.autoconf_routers(self.zone, address.interface)
                ]
        if isinstance(kernel, DhcpDetails):
            for address in self.addresses:
                lease = kernel.dhcp_info(self.zone, address.interface)
                if address.kind == DHCP and lease is not None:
                    routes += [
                        Route(DEFAULT_V4, router, address.interface, address.interface)
                        for router in lease.routers
                    ]
        return routes + self.routes.all()

    # Interfaces ----------------------------------------------------------------------------------

    def create_interface(self, name: str, *, temporary: bool) -> None:
        """Plumb an interface for both families (``ipadm create-if``).

        Raises:
            IpadmError: it exists, or there is no such link in this stack.
        """
        self._refuse_taken(name)
        self.plumb(name, persistent=not temporary)
        if not temporary:
            conf = self.conf()
            conf.interfaces.append(name)
            try:
                conf.write()
            except IpadmError:
                self.unplumb(name)
                raise

    def _refuse_taken(self, name: str) -> None:
        if name in self.interfaces:
            raise IpadmError(status.IF_EXISTS)
        if name in self.conf().interfaces:
            raise IpadmError(status.DISABLED_OBJECT)

    def plumb(
        self, name: str, *, v4: bool = True, v6: bool = True, persistent: bool = False
    ) -> IpInterface:
        """Make an interface active, or add a family to it.

        Raises:
            IpadmError: there is no such link in this stack, or none that carries IP.
        """
        if name == LOOPBACK:
            interface = IpInterface(name, self._next_index)
        else:
            link = self.link(name)
            if link is None and self.zone == "global" and self.host.links.get(name):
                # A zone has it.
                raise IpadmError(status.IF_IN_USE)
            if link is None or not self.host.links.carries_ip(link):
                raise IpadmError(status.NO_DLPI)
            if persistent and self.zone == "global" and not link.persistent:
                raise IpadmError(status.TEMPORARY_OBJECT)
            interface = self.interfaces.get(name) or IpInterface(name, self._next_index, v4=False, v6=False)
        if name not in self.interfaces:
            with _machine():
                self.host.kernel.plumb(self.zone, name)
            self._appear(interface)
        interface.v4 |= v4
        interface.v6 |= v6
        interface.persistent |= persistent
        return interface

    def plumb_group(
        self, name: str, group: str, *, v4: bool = True, v6: bool = True, persistent: bool = False
    ) -> IpInterface:
        """Make an IPMP interface, with nothing below it yet."""
        interface = IpInterface(
            name, self._next_index, v4=v4, v6=v6, persistent=persistent, group=group, ipmp=True
        )
        self._appear(interface)
        return interface

    def _appear(self, interface: IpInterface) -> None:
        self._next_index += 1
        self.interfaces[interface.name] = interface
        for protocol in ("ipv4", "ipv6"):
            if self.props.get((protocol, "forwarding")) == "on":
                interface.properties[protocol, "forwarding"] = "on"

    def create_group(self, name: str, *, temporary: bool) -> None:
        """Make an IPMP interface for both families (``ipadm create-ipmp``).

        Raises:
            IpadmError: there is an interface of that name.
        """
        conf = self.conf()
        self._refuse_taken(name)
        if ipmp.find(self, name):
            raise IpadmError(status.EXISTS)
        self.plumb_group(name, name, persistent=not temporary)
        if not temporary:
            conf.interfaces.append(name)
            conf.groups[name] = []
            try:
                conf.write()
            except IpadmError:
                self.unplumb(name)
                raise

    def delete_interface(self, name: str) -> None:
        """Unplumb an interface and forget it, its addresses too (``ipadm delete-if``).

        Raises:
            IpadmError: it does not exist, or is not ours to remove.
        """
        conf = self.conf()
        interface = self.interfaces.get(name)
        if name == LOOPBACK or (interface is None and name not in conf.interfaces):
            raise IpadmError(status.NO_IF)
        if interface is not None:
            if interface.from_gz:
                raise IpadmError(status.FROM_GZ)
            if any(address.zone for address in self.on(name)):
                raise IpadmError(status.IF_IN_USE)
            self.unplumb(name)
        if name in conf.interfaces:
            conf.forget_interface(name)
            conf.write()

    def unplumb(self, name: str) -> None:
        """Make an interface inactive, with everything on it.

        Raises:
            IpadmError: it is an IPMP interface, and others are below it.
        """
        interface = self.interfaces[name]
        if interface.members:
            raise IpadmError(status.GROUP_NOT_EMPTY)
        if interface.underlying:
            ipmp.leave(self, interface)
        self.routes.forget_interface(name)
        for address in self.on(name):
            self._take_down(address)
            self.addresses.remove(address)
        if not interface.ipmp:
            with _machine():
                self.host.kernel.unplumb(self.zone, name)
        del self.interfaces[name]
        self.routes.follow_addresses()

    def enable_interface(self, name: str) -> None:
        """Make a persistent interface active with its addresses (``ipadm enable-if -t``).

        Raises:
            IpadmError: it is active already, not persistent, or its link is missing.
        """
        conf = self.conf()
        if name in self.interfaces:
            raise IpadmError(status.IF_EXISTS)
        if name not in conf.interfaces:
            raise IpadmError(status.NO_IF)
        if name in conf.groups:
            interface = self.plumb_group(name, name, persistent=True)
        else:
            interface = self.plumb(name, persistent=True)
        for address in conf.addresses:
            if address.interface == name:
                self.activate(replace(address, properties=dict(address.properties)))
        for (owner, protocol, prop), value in conf.ifprops.items():
            if owner == name:
                self._apply_ifprop(interface, protocol, prop, value)
        ipmp.restore(self, name)

    # Addresses -----------------------------------------------------------------------------------

    def create_address(self, address: Address) -> None:
        """Make an address object, active and (as it says itself) persistent.

        A missing interface is plumbed first.

        Raises:
            IpadmError: see the statuses of `illumos_lab.ip.status`.
        """
        conf = self.conf()
        interface = self.interfaces.get(address.interface)
        name = (address.interface, address.name)
        if self.find(*name) or conf.address(*name):
            raise IpadmError(status.ADDROBJ_EXISTS)
        if address.persistent and interface is not None and not interface.persistent:
            failure = status.FROM_GZ if interface.from_gz else status.TEMPORARY_OBJECT
            raise IpadmError(failure)
        if address.kind == DHCP and any(a.kind == DHCP for a in self.on(address.interface)):
            raise IpadmError(status.EXISTS)
        if address.kind in (DHCP, ADDRCONF) and address.interface == LOOPBACK:
            raise IpadmError(status.NOT_SUPPORTED)
        if interface is None and address.interface in conf.interfaces:
            raise IpadmError(status.DISABLED_OBJECT)
        if interface is None:
            self.plumb(address.interface, persistent=address.persistent)
        try:
            self.activate(address)
            if address.persistent:
                if address.interface not in conf.interfaces:
                    conf.interfaces.append(address.interface)
                conf.addresses.append(address)
                conf.write()
        except IpadmError:
            if interface is None:
                self.unplumb(address.interface)
            elif address in self.on(address.interface):
                self.deactivate(address)
            raise

    def activate(self, address: Address, lif: int | None = None) -> None:
        """Give an interface an address.

        Args:
            address: the address.
            lif: number of the logical interface, by default the first free one.

        Raises:
            IpadmError: the address is taken, needs another one first, or the machine refuses.
        """
        interface = self.interfaces[address.interface]
        if address.kind == ADDRCONF:
            link = self.link(address.interface)
            if link is None:
                raise IpadmError(status.NO_DLPI)
            identifier = address.interface_id
            own = parse.link_local_with(identifier) if identifier else parse.link_local(link.mac)
            address.address = own
            if any(other.kind == ADDRCONF and self._same_ip(other, own) for other in self.on(link.name)):
                raise IpadmError(status.ADDRCONF_EXISTS)
        new = address.address
        self._check_peer(address)
        address.test |= address.kind != DHCP and interface.underlying and bool(address.name)
        if new is not None and address.interface != LOOPBACK:
            if any(self._same_ip(other, new) for other in self.addresses):
                raise IpadmError(status.ADDR_IN_USE)
            if self._needs_link_local(address, new):
                raise IpadmError(status.NOT_AVAILABLE)
        # An address brings the family that it needs.
        interface.v4 |= address.is_v4
        interface.v6 |= not address.is_v4
        taken = {a.lif for a in self.on(interface.name) if a.is_v4 == address.is_v4}
        first = 1 if address.zone else 0
        address.lif = lif or next(n for n in range(first, len(taken) + 2) if n not in taken)
        self._bring_up(address)
        self.addresses.append(address)
        self.routes.follow_addresses()

    def tunnel(self, interface: str) -> Tunnel | None:
        """The IP tunnel that an interface is on."""
        link = self.link(interface)
        return link.tunnel if link else None

    def _check_peer(self, address: Address) -> None:
        """A tunnel with two ends wants both addresses; nothing else has another end.

        Raises:
            IpadmError: that is not so, or the other end is the unspecified address.
        """
        if address.kind != STATIC or address.address is None:
            return
        tunnel = self.tunnel(address.interface)
        if tunnel is None or not tunnel.point_to_point:
            if address.peer or (tunnel is not None and address.is_v4):
                raise IpadmError(status.INVALID_ARGUMENT)
            return
        if not address.peer or (ip_address(address.peer).version == 4) != address.is_v4:
            raise IpadmError(status.INVALID_ARGUMENT)
        if ip_address(address.peer).is_unspecified:
            raise IpadmError(status.INVALID_ADDRESS)

    def _same_ip(self, other: Address, new: Interface) -> bool:
        current = self.current(other)
        return current is not None and current.ip == new.ip

    def _needs_link_local(self, address: Address, new: Interface) -> bool:
        """A static IPv6 address needs a link-local one on the interface first."""
        if address.kind != STATIC or isinstance(new, IPv4Interface) or new.ip.is_link_local:
            return False
        return not any(
            other.address is not None and other.address.ip.is_link_local
            for other in self.on(address.interface)
        )

    def _bring_up(self, address: Address) -> None:
        kernel, interface = self.host.kernel, self.interfaces[address.interface]
        with _machine():
            if address.kind == DHCP:
                kernel.start_dhcp_client(self.zone, address.interface)
            elif address.address is not None and address.up:
                address.duplicate = self._is_duplicate(address.interface, address.address)
                if interface.ipmp and not address.duplicate:
                    address.carrier = ipmp.choose(self, interface)
                link = self._carrier_of(address)
                if link and not address.duplicate:
                    if address.kind == ADDRCONF and address.stateless:
                        identifier = [address.interface_id] if address.interface_id else []
                        kernel.set_autoconf(self.zone, link, True, *identifier)
                    kernel.add_address(address.zone or self.zone, link, address.address, address.peer)

    def _take_down(self, address: Address) -> None:
        link = self._carrier_of(address)
        with _machine():
            if address.kind == DHCP:
                self.host.kernel.stop_dhcp_client(self.zone, address.interface)
            elif address.address is not None and address.effective and link:
                owner = address.zone or self.zone
                self.host.kernel.delete_address(owner, link, address.address, address.peer)
                if address.kind == ADDRCONF and address.stateless:
                    self.host.kernel.set_autoconf(self.zone, link, False)
        address.duplicate, address.carrier = False, ""

    def _is_duplicate(self, interface: str, new: Interface) -> bool:
        """Duplicate address detection among the stacks of this host."""
        wire = self._wire(interface)
        return wire is not None and any(
            stack._wire(address.interface) == wire and stack._same_ip(address, new)
            for stack in self.host.stacks.values()
            if stack is not self
            for address in stack.addresses
            if address.effective
        )

    def _wire(self, interface: str) -> tuple[str, int] | None:
        """What an interface is on: the lowest link and the VLAN."""
        link = self.link(self.carrier(interface))
        return (link.over or link.name, link.vid) if link else None

    def delete_address(self, interface: str, name: str) -> None:
        """Remove an address object, active and persistent.

        Raises:
            IpadmError: it does not exist, or is not ours to remove.
        """
        conf = self.conf()
        active, kept = self.find(interface, name), conf.address(interface, name)
        if active is None and kept is None:
            raise IpadmError(status.NO_OBJECT)
        if active is not None:
            if active.kind == FROM_GZ:
                raise IpadmError(status.FROM_GZ)
            self.deactivate(active)
        if kept is not None:
            conf.addresses.remove(kept)
            conf.write()

    def deactivate(self, address: Address) -> None:
        """Take an address off its interface."""
        self._take_down(address)
        self.addresses.remove(address)
        self.routes.follow_addresses()

    def set_up(self, address: Address, up: bool) -> None:
        """Mark an address up or down."""
        if address.up != up:
            if not up:
                self._take_down(address)
            address.up = up
            if up:
                self._bring_up(address)
            self.routes.follow_addresses()

    def change_address(self, address: Address, new: Interface, peer: str | None = None) -> None:
        """Replace the address of an object (``ifconfig IF ADDR``, or another prefix length).

        Args:
            address: the object.
            new: its new address.
            peer: the address at the other end; None leaves it as it is.

        Raises:
            IpadmError: the address is taken, or the machine refuses.
        """
        if any(other is not address and self._same_ip(other, new) for other in self.addresses):
            raise IpadmError(status.ADDR_IN_USE)
        peer = address.peer if peer is None else peer
        self._check_peer(replace(address, address=new, peer=peer))
        self._set_aside(address)
        # One that was worked out has been replaced by hand.
        address.kind = STATIC if address.kind == ADDRCONF else address.kind
        address.address, address.peer = new, peer
        self._bring_up(address)
        self.routes.follow_addresses()

    def put_again(self, address: Address) -> None:
        """Take an address of an IPMP group off its interface, and put it on one that is active."""
        self._set_aside(address)
        self._bring_up(address)
        self.routes.follow_addresses()

    def _set_aside(self, address: Address) -> None:
        self._take_down(address)
        # The machine underneath drops routes with the address; illumos keeps those that lead somewhere.
        up, address.up = address.up, False
        self.routes.follow_addresses()
        address.up = up

    # Properties ----------------------------------------------------------------------------------

    def set_ifprop(self, name: str, prop: props.Property, value: str | None, *, temporary: bool) -> None:
        """Set or (None) reset a property of an interface.

        Raises:
            IpadmError: no such interface, a bad value, or a temporary interface.
        """
        conf = self.conf()
        interface = self.interfaces.get(name)
        if interface is None:
            raise IpadmError(status.DISABLED_OBJECT if name in conf.interfaces else status.NO_IF)
        if not temporary and not interface.persistent:
            raise IpadmError(status.FROM_GZ if interface.from_gz else status.TEMPORARY_OBJECT)
        if value is not None and not prop.accepts(value, self.possible(interface, prop)):
            raise IpadmError(status.INVALID_ARGUMENT)
        if prop.name == "group":
            self._set_group(interface, value, temporary=temporary)
            return
        self._apply_ifprop(interface, prop.protocol, prop.name, value)
        if not temporary:
            key = (name, prop.protocol, prop.name)
            conf.ifprops.pop(key, None)
            if value is not None:
                conf.ifprops[key] = value
            conf.write()

    def _set_group(self, interface: IpInterface, value: str | None, *, temporary: bool) -> None:
        if interface.ipmp:
            raise IpadmError(status.NOT_SUPPORTED)
        present = ipmp.find(self, interface.group) if interface.group else None
        if present is not None:
            ipmp.remove(self, present.name, interface.name, temporary=temporary)
        if value:
            owner = ipmp.find(self, value)
            if owner is None:
                raise IpadmError(status.NO_OBJECT)
            ipmp.add(self, owner.name, interface.name, temporary=temporary)

    def ifprop(self, interface: IpInterface, prop: props.Property) -> str:
        """The value that a property of an interface has now."""
        if prop.name == "group":
            return interface.group
        return interface.properties.get((prop.protocol, prop.name), self.default(interface, prop))

    def _apply_ifprop(self, interface: IpInterface, protocol: str, name: str, value: str | None) -> None:
        if name == "standby":
            ipmp.set_standby(self, interface, value)
            return
        if name == "forwarding":
            for link in interface.members if interface.ipmp else [interface.name]:
                self._forward(link, protocol, value == "on")
        interface.properties.pop((protocol, name), None)
        if value is not None:
            interface.properties[protocol, name] = value

    def possible(self, interface: IpInterface, prop: props.Property) -> str:
        """The values that a property of an interface may have."""
        if prop.name != "mtu":
            return prop.possible
        low = prop.possible.partition("-")[0]
        v4 = prop.protocol == "ipv4"
        link = self.link(interface.name)
        return f"{low}-{link.mtu if link else LOOPBACK_MTU[v4]}"

    def default(self, interface: IpInterface, prop: props.Property) -> str:
        """The value of a property that was never set."""
        if prop.name != "mtu":
            return prop.default
        return self.possible(interface, prop).partition("-")[2]

    def set_prop(self, prop: props.Property, value: str | None, *, temporary: bool) -> None:
        """Set or (None) reset a protocol property.

        Raises:
            IpadmError: a bad value.
        """
        if value is not None and not prop.accepts(value, prop.possible):
            numeric = prop.ranged and all(each.isdigit() for each in value.split(","))
            raise IpadmError(status.OUT_OF_RANGE if numeric else status.INVALID_ARGUMENT)
        self.apply_prop(prop.protocol, prop.name, value)
        if not temporary:
            conf = self.conf()
            conf.props.pop((prop.protocol, prop.name), None)
            if value is not None:
                conf.props[prop.protocol, prop.name] = value
            conf.write()

    def apply_prop(self, protocol: str, name: str, value: str | None) -> None:
        """Set or (None) reset a protocol property that is known to be good, active only."""
        self.props.pop((protocol, name), None)
        if value is not None:
            self.props[protocol, name] = value
        if name == "forwarding":
            # The switch of the whole stack sets that of every interface.
            for interface in self.interfaces.values():
                interface.properties[protocol, name] = value or "off"
            self._forward(None, protocol, value == "on")

    def forward_below(self, group: IpInterface) -> None:
        """Let the interfaces below an IPMP interface forward as that one does."""
        for protocol in ("ipv4", "ipv6"):
            if group.properties.get((protocol, "forwarding")) == "on":
                for name in group.members:
                    self._forward(name, protocol, True)

    def _forward(self, interface: str | None, protocol: str, on: bool) -> None:
        with _machine():
            if protocol == "ipv4":
                self.host.kernel.set_forwarding(self.zone, interface, on)
            elif protocol == "ipv6":
                self.host.kernel.set_forwarding(self.zone, interface, on, 6)

    def set_forwarding(self, on: bool, protocol: str = "ipv4") -> None:
        """What the methods of svc:/network/ipv4-forwarding and ipv6-forwarding do."""
        with self.host.lock:
            self.apply_prop(protocol, "forwarding", "on" if on else "off")

    # Shared-ip zones -----------------------------------------------------------------------------

    def add_logical(self, link: str, address: str, zone: str = "") -> str:
        """Put a shared-ip zone's address on an interface of the global zone.

        Args:
            link: interface, which must be plumbed.
            address: with or without prefix length.
            zone: the zone that it belongs to.

        Returns:
            Name of the logical interface, ``IF:N``.

        Raises:
            LinkError: the interface is not plumbed, or the address is taken.
        """
        if link not in self.interfaces:
            raise LinkError(
                f"WARNING: skipping network interface '{link}' which may not be"
                " present/plumbed in the global zone."
            )
        parsed = parse.with_prefix(self.root, address)
        if parsed is None:
            raise LinkError(f"WARNING: skipping network interface '{link}': invalid address")
        logical = Address(link, "", STATIC, parsed, zone=zone or "?")
        try:
            self.activate(logical)
        except IpadmError as error:
            raise LinkError(
                f"WARNING: unable to add address '{address}' to network interface '{link}': {error.status}"
            ) from error
        return f"{link}:{logical.lif}"

    def remove_logical(self, link: str, address: str) -> None:
        """Take a shared-ip zone's address off again; no-op when it is gone."""
        parsed = parse.with_prefix(self.root, address)
        for logical in self.on(link):
            if parsed and logical.zone and logical.address and logical.address.ip == parsed.ip:
                self.deactivate(logical)
                return


@contextmanager
def _machine() -> Iterator[None]:
    """Turn a refusal of the machine underneath into a status."""
    try:
        yield
    except OSError as error:
        raise status.from_oserror(error) from error
