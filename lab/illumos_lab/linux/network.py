"""The network of one host: bridges for etherstubs and physical links, veth pairs for vnics.

Each host has a hidden *fabric*, a network namespace that holds the switches. A vnic is a veth pair:
one end is a port of a switch in the fabric, the other stands in the stack of the zone that has it.
Link protection acts at the port, where the zone cannot touch it. There is one switch for each lower
link and VLAN identifier, so that VLANs are apart without tagging. The switch of a physical link has an
uplink to the lab's wire.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, ip_address

from illumos_lab.kernel import (
    Advertisement,
    Count,
    Interface,
    IpAddress,
    NatRule,
    NatSession,
    Neighbour,
    Network,
    OverlayTarget,
    PacketRule,
    Socket,
    Traffic,
)
from illumos_lab.linux import arp, autoconf, conntrack, neighbours, nft, sockets
from illumos_lab.linux.dhcp_client import DhcpClient, Lease
from illumos_lab.linux.netns import Netns
from illumos_lab.linux.router_advertisement import RouterAdvertiser
from illumos_lab.linux.share import Share

LOOPBACK = "lo0"
BRIDGE_OPTIONS = "stp_state 0 forward_delay 0 mcast_snooping 0"
_LINUX_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,14}")

STACK_SYSCTLS = {
    "ipv4/ip_forward": "0",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    # An address belongs to its interface, as on illumos: answer and ask ARP there only.
    "ipv4/conf/all/arp_ignore": "1",
    "ipv4/conf/all/arp_announce": "2",
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
    # An address that goes leaves the others of its network alone.
    "ipv4/conf/all/promote_secondaries": "1",
    "ipv4/conf/default/promote_secondaries": "1",
    "ipv4/ping_group_range": "0 2147483647",
    # Link-local addresses are ipadm's to make.
    "ipv6/conf/all/addr_gen_mode": "1",
    "ipv6/conf/default/addr_gen_mode": "1",
    "ipv6/conf/all/disable_ipv6": "1",
    "ipv6/conf/default/disable_ipv6": "1",
    # Only an interface with an addrconf address listens to routers.
    "ipv6/conf/default/accept_ra": "0",
    "ipv6/conf/default/autoconf": "0",
    # A switch is no router: what it carries is not for the filters of IP.
    "bridge/bridge-nf-call-iptables": "0",
    "bridge/bridge-nf-call-ip6tables": "0",
    "bridge/bridge-nf-call-arptables": "0",
}

# A connection whose translation was forgotten does not find a new one by itself.
_NAT_SYSCTLS = {"netfilter/nf_conntrack_tcp_loose": "0"}

# Interfaces get numbers that differ from their peer's: for a pair with one number on both sides Linux
# takes up to a second to notice that it is connected.
_FIRST_INDEX = 1000
_INDEXES_PER_HOST = 1_000_000

_LEAST_BURST = 32768

JOINT_MTU = 9000
"""Largest frame between two switches."""

TUNNEL_PORT = 4
"""UDP port that stands for the protocol IP in IP between two hosts."""

_TUNNEL_MTU = 1400


@dataclass
class _Forwarding:
    """Which interfaces forward packets of one IP version: by Linux name, and all others."""

    everywhere: bool = False
    own: dict[str, bool] = field(default_factory=dict)

    def names(self, interfaces: Iterable[str]) -> set[str]:
        """Those that forward."""
        return {name for name in interfaces if self.own.get(name, self.everywhere)}


@dataclass
class _Stack:
    """The IP stack of a zone."""

    netns: Netns
    forwarding: dict[int, _Forwarding] = field(default_factory=lambda: {4: _Forwarding(), 6: _Forwarding()})
    addresses: dict[str, str] = field(default_factory=dict)
    filtered: bool = False
    nat: nft.Table | None = None
    filter: nft.Table | None = None
    stateful: bool = False


@dataclass
class _Link:
    """A datalink with an end in some zone's stack.

    Attributes:
        kilobits: most that goes through in a second, each way; 0 for no limit.
    """

    name: str
    linux_name: str
    port: str
    mac: str
    zone: str = "global"
    kilobits: int = 0


@dataclass
class _Switch:
    """The bridges of an etherstub or physical link, by VLAN identifier (0 is untagged).

    Attributes:
        uplinks: a network card's ports on the lab's wire.
        tunnel: the device that carries an overlay or an IP tunnel to other hosts.
    """

    mtu: int
    physical: bool
    bridges: dict[int, str] = field(default_factory=dict)
    uplinks: list[str] = field(default_factory=list)
    tunnel: str = ""


class LinuxKernel:
    """`illumos_lab.kernel.Kernel` made with Linux network namespaces.

    Args:
        wire: namespace of the lab's wire, with a bridge ``wire0``.
        host_number: tells this host's ports on the wire from those of other hosts.
    """

    def __init__(self, wire: Netns, host_number: int) -> None:
        self._wire = wire
        self._host_number = host_number
        self._fabric = Netns.create()
        self._fabric.sysctl(STACK_SYSCTLS)
        self._fabric.ip("link set lo up")
        self._stacks: dict[str, _Stack] = {}
        self._shares: dict[str, Share] = {}
        self._routes_for_shares: list[tuple[str, str]] = []
        self._switches: dict[str, _Switch] = {}
        self._links: dict[str, _Link] = {}
        # Ports between the switches of two links, by VLAN identifier; the first of them asked for it.
        self._joints: dict[tuple[str, str], dict[int, str]] = {}
        self._protection: dict[str, nft.Protection] = {}
        self._dhcp: dict[tuple[str, str], DhcpClient] = {}
        self._advertisers: dict[tuple[str, str], RouterAdvertiser] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self.create_stack("global")

    # Stacks --------------------------------------------------------------------------------------
    def create_stack(self, zone: str) -> None:
        """Make the stack of a zone, with a loopback interface."""
        netns = Netns.create()
        netns.sysctl(STACK_SYSCTLS)
        netns.ip("link set lo up")
        self._stacks[zone] = _Stack(netns)

    def destroy_stack(self, zone: str) -> None:
        """Forget a stack; links still in it cease to exist."""
        for key in [key for key in self._dhcp if key[0] == zone]:
            self._dhcp.pop(key).stop()
        self.set_advertisements(zone, ())
        stack = self._stacks.pop(zone, None)
        if stack is not None:
            stack.netns.close()

    def create_share(self, zone: str) -> None:
        """Let a shared-ip zone take part in the global zone's stack."""
        with self._lock:
            stack = self._stacks["global"]
            self._shares[zone] = Share(
                stack.netns, next(self._numbers), STACK_SYSCTLS, self._routes_for_shares
            )
            self._apply_forwarding(stack)

    def destroy_share(self, zone: str) -> None:
        """Take a shared-ip zone out of the global zone's stack again."""
        with self._lock:
            share = self._shares.pop(zone, None)
            if share is not None:
                share.close()
                self._apply_forwarding(self._stacks["global"])

    def has_stack(self, zone: str) -> bool:
        """Whether the zone has a stack of its own now."""
        return zone in self._stacks

    def netns(self, zone: str) -> Netns:
        """The network namespace of a zone's processes."""
        share = self._shares.get(zone)
        return share.netns if share is not None else self._stack(zone).netns

    def linux_name(self, link: str) -> str:
        """What Linux programs call a link: its own name where that is legal and short enough."""
        if link == LOOPBACK:
            return "lo"
        return self._link(link).linux_name

    def _stack(self, zone: str) -> _Stack:
        return self._stacks.get(zone) or self._stacks["global"]

    def _link(self, name: str) -> _Link:
        link = self._links.get(name)
        if link is None:
            raise FileNotFoundError(2, "no such link", name)
        return link

    # Datalinks -----------------------------------------------------------------------------------
    def create_physical(self, name: str, mac: str, mtu: int) -> None:
        """A physical link: a switch with an uplink to the wire, and the host's own port on it."""
        with self._lock:
            self._switches[name] = _Switch(mtu, physical=True)
            self._create_port(name, name, mac, 0, mtu)

    def create_etherstub(self, name: str, mtu: int) -> None:
        with self._lock:
            self._switches[name] = _Switch(mtu, physical=False)
            self._bridge(name, 0)

    def create_overlay(
        self, name: str, mtu: int, vnetid: int, listen: tuple[str, int], targets: tuple[OverlayTarget, ...]
    ) -> None:
        with self._lock:
            switch = self._switches[name] = _Switch(mtu, physical=False)
            bridge = self._bridge(name, 0)
            tunnel = f"x{next(self._numbers)}"
            address, port = listen
            local = "" if ip_address(address).is_unspecified else f"local {address}"
            # Who is asked by broadcast answers by itself when all goes to one host; else nobody hears it.
            proxy = "" if any(not target.mac for target in targets) else "proxy"
            # It is made in the global zone's stack, which keeps its UDP socket, and used in the fabric.
            try:
                self._stacks["global"].netns.ip(
                    f"link add {tunnel} mtu {mtu} type vxlan id {vnetid} {local} dstport {port}"
                    f" nolearning {proxy}",
                    f"link set {tunnel} netns {self._fabric.path}",
                )
            except OSError:
                self.delete_link(name)
                raise
            switch.tunnel = tunnel
            # It answers NDP only with IPv6 on.
            self._fabric.sysctl({f"ipv6/conf/{tunnel}/disable_ipv6": "0"})
            self._fabric.ip(f"link set {tunnel} master {bridge} up")
            for target in targets:
                # What is on this host is not sent anywhere.
                if target.address != address:
                    self._add_target(tunnel, target)

    def set_overlay_target(self, name: str, target: OverlayTarget) -> None:
        with self._lock:
            tunnel = self._switches[name].tunnel
            with contextlib.suppress(OSError):
                self._fabric.run(["bridge", "fdb", "del", pad_mac(target.mac), "dev", tunnel])
            self._add_target(tunnel, target)

    def _add_target(self, tunnel: str, target: OverlayTarget) -> None:
        mac = pad_mac(target.mac) if target.mac else "00:00:00:00:00:00"
        if target.address and target.port:
            where = ["dst", target.address, "port", str(target.port)]
            self._fabric.run(["bridge", "fdb", "append", mac, "dev", tunnel, *where])
        for own in filter(None, (target.ip, target.ip6)):
            self._fabric.ip(f"neigh replace {own} lladdr {mac} dev {tunnel} nud permanent")

    def create_card(self, name: str, mac: str, mtu: int) -> None:
        with self._lock:
            self._switches[name] = _Switch(mtu, physical=False)
            self._create_port(name, name, mac, 0, mtu)

    def set_mac(self, name: str, mac: str) -> None:
        with self._lock:
            link = self._link(name)
            link.mac = pad_mac(mac)
            stack = self._stack(link.zone)
            stack.netns.ip(f"link set {link.linux_name} address {link.mac}")
            for address, interface in stack.addresses.items():
                if interface == link.linux_name and "." in address:
                    arp.announce(stack.netns, interface, link.mac, IPv4Address(address))

    def connect(self, name: str, others: tuple[str, ...]) -> None:
        with self._lock:
            self._separate(name, kept=others)
            for other in others:
                key = (name, other)
                if key not in self._joints:
                    self._joints[key] = {}
                    for vid in self._switches[name].bridges.keys() | self._switches[other].bridges.keys():
                        self._join(key, vid)

    def _join(self, key: tuple[str, str], vid: int) -> None:
        ends = [self._bridge(each, vid) for each in key]
        # A bridge that was missing has been joined as it was made.
        if vid in self._joints[key]:
            return
        joint = self._joints[key][vid] = f"j{next(self._numbers)}"
        self._fabric.ip(
            f"link add {joint} mtu {JOINT_MTU} type veth peer name {_far(joint)} mtu {JOINT_MTU}",
            f"link set {joint} master {ends[0]} up",
            f"link set {_far(joint)} master {ends[1]} up",
        )
        self._fabric.await_running(joint)
        self._fabric.await_running(_far(joint))

    def _separate(self, name: str, kept: tuple[str, ...] = ()) -> None:
        for key in [key for key in self._joints if key[0] == name and key[1] not in kept]:
            self._fabric.ip(*(f"link del {joint}" for joint in self._joints.pop(key).values()))

    def learned(self, name: str) -> tuple[tuple[str, str], ...]:
        with self._lock:
            bridge = self._bridge(name, 0)
            joints = {joints[0]: key[1] for key, joints in self._joints.items() if key[0] == name}
            lines = self._fabric.run(["bridge", "fdb", "show", "br", bridge]).splitlines()
            found = [line.split() for line in lines if "permanent" not in line and "self" not in line]
            return tuple((_short_mac(words[0]), joints[words[2]]) for words in found if words[2] in joints)

    def traffic(self, link: str, zone: str = "global") -> Traffic:
        with self._lock:
            if link == LOOPBACK:
                return self._stack(zone).netns.traffic(["lo"])
            if (switch := self._switches.get(link)) is not None and switch.physical:
                return self._fabric.traffic(switch.uplinks)
            if link not in self._links:
                return Traffic()
            port = self._links[link]
            return self._stack(port.zone).netns.traffic([port.linux_name])

    def create_tunnel(self, name: str, mac: str, mtu: int) -> None:
        with self._lock:
            self._switches[name] = _Switch(_TUNNEL_MTU, physical=False)
            self._create_port(name, name, mac, 0, _TUNNEL_MTU)

    def set_tunnel(self, name: str, local: str, remote: str) -> None:
        with self._lock:
            switch = self._switches[name]
            if switch.tunnel:
                self._fabric.ip(f"link del {switch.tunnel}")
                switch.tunnel = ""
            if not (local and remote):
                return
            tunnel = f"x{next(self._numbers)}"
            # Both ends work out the same identifier.
            vnetid = zlib.crc32(" ".join(sorted((local, remote))).encode()) & 0xFFFFFF
            self._stacks["global"].netns.ip(
                f"link add {tunnel} mtu {_TUNNEL_MTU} type vxlan id {vnetid} local {local} remote {remote}"
                f" dstport {TUNNEL_PORT}",
                f"link set {tunnel} netns {self._fabric.path}",
            )
            switch.tunnel = tunnel
            self._fabric.ip(f"link set {tunnel} master {self._bridge(name, 0)} up")

    def create_vnic(self, name: str, over: str, mac: str, vid: int, mtu: int) -> None:
        with self._lock:
            if over not in self._switches:
                raise OSError(22, "vnic over a link that is no switch", over)
            self._create_port(name, over, mac, vid, mtu)

    def _create_port(self, name: str, over: str, mac: str, vid: int, mtu: int) -> None:
        bridge = self._bridge(over, vid)
        linux_name = name
        if not _LINUX_NAME.fullmatch(name) or self._linux_name_taken(name):
            linux_name = f"link{next(self._numbers)}"
        number = next(self._numbers)
        port = f"p{number}"
        index = _FIRST_INDEX + 2 * number
        padded = pad_mac(mac)
        stack = self._stacks["global"].netns
        self._fabric.ip(
            f"link add {port} index {index} mtu {mtu} type veth peer name {linux_name}"
            f" index {index + 1} address {padded} mtu {mtu} netns {stack.path}",
            f"link set {port} master {bridge} up",
        )
        self._links[name] = _Link(name, linux_name, port, padded)

    def _linux_name_taken(self, name: str) -> bool:
        return any(link.linux_name == name for link in self._links.values())

    def _bridge(self, over: str, vid: int) -> str:
        switch = self._switches[over]
        bridge = switch.bridges.get(vid)
        if bridge is not None:
            return bridge
        bridge = f"b{next(self._numbers)}"
        self._fabric.ip(
            f"link add {bridge} mtu {switch.mtu} type bridge {BRIDGE_OPTIONS}",
            f"link set {bridge} up",
        )
        if switch.physical:
            switch.uplinks.append(self._connect_to_wire(bridge, vid, switch.mtu))
        switch.bridges[vid] = bridge
        for key in [key for key in self._joints if over in key]:
            self._join(key, vid)
        return bridge

    def _connect_to_wire(self, bridge: str, vid: int, mtu: int) -> str:
        number = next(self._numbers)
        index = _FIRST_INDEX + 2 * number
        uplink = f"u{number}"
        far_end = f"h{self._host_number}{uplink}"
        wire = f"wire{vid}"
        if vid:
            with contextlib.suppress(FileExistsError):
                self._wire.ip(f"link add {wire} type bridge {BRIDGE_OPTIONS}")
        self._fabric.ip(
            f"link add {uplink} index {index} mtu {mtu} type veth peer name {far_end}"
            f" index {self._host_number * _INDEXES_PER_HOST + number} mtu {mtu}"
            f" netns {self._wire.path}",
            f"link set {uplink} master {bridge} up",
        )
        self._wire.ip(f"link set {far_end} master {wire} up", f"link set {wire} up")
        self._wire.await_running(far_end)
        self._fabric.await_running(uplink)
        return uplink

    def delete_link(self, name: str) -> None:
        with self._lock:
            if name not in self._links and name not in self._switches:
                raise FileNotFoundError(2, "no such link", name)
            link = self._links.pop(name, None)
            if link is not None:
                self._unprotect(link)
                self._fabric.ip(f"link del {link.port}")
            for one, other in [key for key in self._joints if name in key]:
                kept = tuple(last for first, last in self._joints if first == one and last != other)
                self._separate(one, kept)
            switch = self._switches.pop(name, None)
            if switch is not None:
                devices = [*([switch.tunnel] if switch.tunnel else []), *switch.bridges.values()]
                self._fabric.ip(*(f"link del {device}" for device in devices))

    def rename_link(self, old: str, new: str) -> None:
        with self._lock:
            if old in self._switches:
                self._switches[new] = self._switches.pop(old)
            for one, other in [key for key in self._joints if old in key]:
                key = (new if one == old else one, new if other == old else other)
                self._joints[key] = self._joints.pop((one, other))
            if old not in self._links:
                return
            link = self._links.pop(old)
            link.name = new
            self._links[new] = link
            if _LINUX_NAME.fullmatch(new) and not self._linux_name_taken(new):
                self._stack(link.zone).netns.ip(
                    f"link set {link.linux_name} down", f"link set {link.linux_name} name {new}"
                )
                link.linux_name = new

    def set_mtu(self, name: str, mtu: int) -> None:
        with self._lock:
            switch = self._switches.get(name)
            if switch is not None:
                switch.mtu = mtu
                self._fabric.ip(*(f"link set {bridge} mtu {mtu}" for bridge in switch.bridges.values()))
            if name in self._links:
                link = self._links[name]
                self._fabric.ip(f"link set {link.port} mtu {mtu}")
                self._stack(link.zone).netns.ip(f"link set {link.linux_name} mtu {mtu}")

    def set_protection(
        self, name: str, protection: frozenset[str], allowed_ips: tuple[str, ...], mac: str
    ) -> None:
        with self._lock:
            link = self._link(name)
            if not protection:
                self._unprotect(link)
                return
            self._protection[name] = nft.Protection(
                protection, allowed_ips, pad_mac(mac), self._leased_address(name)
            )
            self._fabric.nft(nft.protection_table(link.port, self._protection[name]))

    def set_bandwidth(self, name: str, kilobits: int) -> None:
        with self._lock:
            link = self._link(name)
            link.kilobits = kilobits
            _limit(self._fabric, link.port, kilobits)
            _limit(self._stack(link.zone).netns, link.linux_name, kilobits)

    def _unprotect(self, link: _Link) -> None:
        if self._protection.pop(link.name, None) is not None:
            self._fabric.nft(nft.delete_table(nft.protection_table_name(link.port)))

    def _leased_address(self, name: str) -> str | None:
        for (_, link), client in self._dhcp.items():
            if link == name and client.lease is not None:
                return str(client.lease.address.ip)
        return None

    def move_link(self, name: str, zone: str) -> None:
        with self._lock:
            link = self._link(name)
            if zone not in self._stacks:
                raise FileNotFoundError(2, "no IP stack", zone)
            if link.zone == zone:
                return
            self._forget_interface(link.zone, link)
            source, target = self._stack(link.zone).netns, self._stacks[zone].netns
            source.ip(f"link set {link.linux_name} netns {target.path}")
            link.zone = zone
            if link.kilobits:
                _limit(target, link.linux_name, link.kilobits)

    def _forget_interface(self, zone: str, link: _Link) -> None:
        client = self._dhcp.pop((zone, link.name), None)
        if client is not None:
            client.stop()
        advertiser = self._advertisers.pop((zone, link.name), None)
        if advertiser is not None:
            advertiser.stop()
        stack = self._stack(zone)
        for forwarding in stack.forwarding.values():
            forwarding.own.pop(link.linux_name, None)
        stack.addresses = {
            address: name for address, name in stack.addresses.items() if name != link.linux_name
        }

    # IP, in the stack of a zone ------------------------------------------------------------------
    def plumb(self, zone: str, link: str) -> None:
        with self._lock:
            name = self.linux_name(link)
            stack = self._stack(zone)
            stack.netns.ip(f"link set {name} up")
            if link in self._links:
                self._fabric.await_running(self._links[link].port)
            if self._shares or any(each.everywhere for each in stack.forwarding.values()):
                self._apply_forwarding(stack)

    def unplumb(self, zone: str, link: str) -> None:
        with self._lock:
            stack = self._stack(zone)
            name = self.linux_name(link)
            if link in self._links:
                self._forget_interface(zone, self._links[link])
            stack.netns.ip(f"addr flush dev {name}", f"link set {name} down")

    def add_address(self, zone: str, link: str, address: Interface, peer: str = "") -> None:
        stack = self._stack(zone)
        name = self.linux_name(link)
        if link == LOOPBACK and address.ip.is_loopback:
            return
        share = self._shares.get(zone)
        if share is not None:
            share.add(address, name)
            if isinstance(address, IPv4Interface):
                arp.announce(stack.netns, name, self._link(link).mac, address.ip)
            return
        stack.addresses[str(address.ip)] = name
        if isinstance(address, IPv4Interface):
            stack.netns.ip(f"addr add {_shown(address, peer)} broadcast + dev {name}")
            if link != LOOPBACK:
                arp.announce(stack.netns, name, self._link(link).mac, address.ip)
        else:
            stack.netns.sysctl({f"ipv6/conf/{name}/disable_ipv6": "0"})
            stack.netns.ip(f"addr add {_shown(address, peer)} dev {name} nodad")
        if peer:
            stack.netns.ip(f"route add {peer} dev {name} src {address.ip}")

    def delete_address(self, zone: str, link: str, address: Interface, peer: str = "") -> None:
        if link == LOOPBACK and address.ip.is_loopback:
            return
        name = self.linux_name(link)
        share = self._shares.get(zone)
        if share is not None:
            share.delete(address, name)
            return
        stack = self._stack(zone)
        stack.addresses.pop(str(address.ip), None)
        if peer:
            stack.netns.ip(f"route del {peer} dev {name}")
        stack.netns.ip(f"addr del {_shown(address, peer)} dev {name}")

    def add_route(
        self, zone: str, destination: Network, gateway: str, link: str | None = None, discard: str = ""
    ) -> None:
        # illumos lets several routes to one destination stand side by side.
        route = self._route(zone, destination, gateway, link, discard)
        shares = self._shares.values() if zone == "global" else ()
        try:
            self._stack(zone).netns.ip(f"route append {route}")
        except OSError:
            # What only zones reach that share the stack, they alone use.
            if not any(share.reaches(gateway) for share in shares):
                raise
            self._routes_for_shares.append((str(destination), gateway))
        for share in shares:
            share.follow_routes()

    def delete_route(
        self, zone: str, destination: Network, gateway: str, link: str | None = None, discard: str = ""
    ) -> None:
        shares = self._shares.values() if zone == "global" else ()
        if shares and (str(destination), gateway) in self._routes_for_shares:
            self._routes_for_shares.remove((str(destination), gateway))
        else:
            self._stack(zone).netns.ip(
                f"route del {self._route(zone, destination, gateway, link, discard)}"
            )
        for share in shares:
            share.follow_routes()

    def _route(self, zone: str, destination: Network, gateway: str, link: str | None, discard: str) -> str:
        if discard:
            return f"{'unreachable' if discard == 'reject' else 'blackhole'} {destination}"
        own = self._stack(zone).addresses.get(str(ip_address(gateway)))
        if own is not None:
            return f"{destination} dev {own}"
        return f"{destination} via {gateway}" + (f" dev {self.linux_name(link)}" if link else "")

    def sockets(self, zone: str) -> tuple[Socket, ...]:
        found = sockets.read(self.netns(zone))
        if zone != "global":
            return found
        # The global zone sees those of the zones that share its stack.
        return sum((sockets.read(share.netns) for share in self._shares.values()), found)

    def neighbours(self, zone: str) -> tuple[Neighbour, ...]:
        stack = self._stack(zone)
        links = {linux: link for link, linux in self._linux_names(stack).items()}
        return neighbours.read(stack.netns, links)

    def put_neighbour(self, zone: str, link: str, address: IpAddress, mac: str, static: bool) -> None:
        neighbours.put(self._stack(zone).netns, self.linux_name(link), address, mac, static)

    def forget_neighbour(self, zone: str, link: str, address: IpAddress) -> None:
        neighbours.forget(self._stack(zone).netns, self.linux_name(link), address)

    def set_forwarding(self, zone: str, link: str | None, on: bool, version: int = 4) -> None:
        with self._lock:
            stack = self._stack(zone)
            forwarding = stack.forwarding[version]
            if link is None:
                forwarding.everywhere = on
                forwarding.own.clear()
            else:
                forwarding.own[self.linux_name(link)] = on
            self._apply_forwarding(stack)

    def _apply_forwarding(self, stack: _Stack) -> None:
        names = {link.linux_name for link in self._links.values() if self._stack(link.zone) is stack}
        on = {version: forwarding.names(names) for version, forwarding in stack.forwarding.items()}
        # What comes for a zone that shares the stack is passed on to it, by whichever interface it comes.
        doors = [share.door for share in self._shares.values() if stack is self._stacks["global"]]
        passing = {4: names if doors else on[4], 6: on[6]}
        switches = {"ipv6/conf/all/forwarding": "1" if on[6] or doors else "0"}
        for version, forwards in passing.items():
            for name in [*names, *doors]:
                forward = name in forwards or name in doors
                switches[f"ipv{version}/conf/{name}/forwarding"] = "1" if forward else "0"
        stack.netns.sysctl(switches)
        stack.netns.nft(nft.forward_table(on[4], on[6], bool(doors)))

    # IPv6 autoconfiguration ----------------------------------------------------------------------
    def set_autoconf(self, zone: str, link: str, on: bool, identifier: str = "") -> None:
        name = self.linux_name(link)
        switch = "1" if on else "0"
        if not on:
            autoconf.use_identifier(self._stack(zone).netns, name, "::")
        self._stack(zone).netns.sysctl(
            {
                f"ipv6/conf/{name}/accept_ra": switch,
                f"ipv6/conf/{name}/autoconf": switch,
                # Whether somebody else has an address is looked up among the stacks of the host.
                f"ipv6/conf/{name}/dad_transmits": "0",
                f"ipv6/conf/{name}/disable_ipv6": "0",
            }
        )
        if not on:
            autoconf.forget(self._stack(zone).netns, name)
        elif identifier:
            autoconf.use_identifier(self._stack(zone).netns, name, identifier)

    def autoconf_addresses(self, zone: str, link: str) -> tuple[Interface, ...]:
        return autoconf.addresses(self._stack(zone).netns, self.linux_name(link))

    def autoconf_routers(self, zone: str, link: str) -> tuple[str, ...]:
        return autoconf.routers(self._stack(zone).netns, self.linux_name(link))

    def set_advertisements(self, zone: str, advertisements: tuple[Advertisement, ...]) -> None:
        with self._lock:
            for key in [key for key in self._advertisers if key[0] == zone]:
                self._advertisers.pop(key).stop()
            for each in advertisements:
                link = self._link(each.interface)
                netns = self._stack(zone).netns
                self._advertisers[zone, link.name] = RouterAdvertiser(
                    netns, link.linux_name, link.mac, each
                )

    def set_nat(
        self, zone: str, rules: tuple[NatRule, ...], counters: frozenset[str] = frozenset()
    ) -> None:
        with self._lock:
            stack = self._stack(zone)
            # Connections are translated as long as there is a table, even one without rules.
            if not rules and stack.nat is None:
                return
            table = nft.nat_table(rules, self._linux_names(stack), counters)
            if table != stack.nat:
                stack.netns.nft(table.script(stack.nat))
            if stack.nat is None:
                stack.netns.sysctl(_NAT_SYSCTLS)
            stack.nat = table

    def nat_sessions(self, zone: str) -> tuple[NatSession, ...]:
        stack = self._stack(zone)
        if stack.nat is None:
            return ()
        return tuple(
            session for each in conntrack.translated(stack.netns) for session in _nat_sessions(each)
        )

    def flush_nat_sessions(self, zone: str) -> int:
        stack = self._stack(zone)
        if stack.nat is None:
            return 0
        connections = conntrack.translated(stack.netns)
        conntrack.forget(stack.netns, connections)
        return sum(len(_nat_sessions(each)) for each in connections)

    def set_filter(
        self,
        zone: str,
        rules: tuple[PacketRule, ...] | None,
        generation: int,
        counters: frozenset[str] = frozenset(),
    ) -> None:
        with self._lock:
            stack = self._stack(zone)
            if rules is None and stack.filter is None:
                return
            stack.stateful |= any(rule.keep_state for rule in rules or ())
            names = self._linux_names(stack)
            table = nft.filter_table(rules, names, generation, counters, stack.stateful)
            if table != stack.filter:
                stack.netns.nft(table.script(stack.filter))
                stack.filter = table

    def counts(self, zone: str) -> dict[str, Count]:
        stack = self._stack(zone)
        if stack.filter is None and stack.nat is None:
            return {}
        return nft.counts(stack.netns.run(nft.LIST_COUNTERS))

    def kept_states(self, zone: str, generation: int) -> int:
        stack = self._stack(zone)
        return conntrack.marked(stack.netns, generation) if stack.stateful else 0

    def _linux_names(self, stack: _Stack) -> dict[str, str]:
        """What Linux calls the links in a stack, by their own names."""
        return {
            link.name: link.linux_name for link in self._links.values() if self._stack(link.zone) is stack
        }

    # DHCP ----------------------------------------------------------------------------------------
    def set_unicast_offers(self, zone: str, possible: bool) -> None:
        table = nft.delete_table(nft.OFFER_TABLE) if possible else nft.offer_table()
        self._stack(zone).netns.nft(table)

    def start_dhcp_client(self, zone: str, link: str) -> None:
        with self._lock:
            if (zone, link) in self._dhcp:
                return
            found = self._link(link)
            netns = self._stack(zone).netns
            netns.ip(f"link set {found.linux_name} up")
            self._dhcp[zone, link] = DhcpClient(
                netns,
                found.linux_name,
                found.mac,
                lambda lease: self._lease_bound(zone, link, lease),
                lambda lease: self._lease_lost(zone, link, lease),
            )

    def renew_dhcp_lease(self, zone: str, link: str) -> None:
        with self._lock:
            client = self._dhcp.get((zone, link))
        if client is not None:
            client.renew()

    def stop_dhcp_client(self, zone: str, link: str) -> None:
        with self._lock:
            client = self._dhcp.pop((zone, link), None)
        if client is not None:
            client.stop()

    def dhcp_lease(self, zone: str, link: str) -> Interface | None:
        lease = self.dhcp_info(zone, link)
        return lease.address if lease else None

    def dhcp_info(self, zone: str, link: str) -> Lease | None:
        """The whole lease, with routers and name servers (what dhcpinfo(1) tells)."""
        client = self._dhcp.get((zone, link))
        return client.lease if client else None

    def _lease_bound(self, zone: str, link: str, lease: Lease) -> None:
        self._learn(link, str(lease.address.ip))
        netns = self._stack(zone).netns
        name = self.linux_name(link)
        self._stack(zone).addresses[str(lease.address.ip)] = name
        netns.ip(
            f"addr replace {lease.address} broadcast + dev {name}",
            *(f"route append default via {router} dev {name}" for router in lease.routers),
        )
        arp.announce(netns, name, self._link(link).mac, lease.address.ip)

    def _lease_lost(self, zone: str, link: str, lease: Lease) -> None:
        self._learn(link, None)
        stack = self._stacks.get(zone)
        if stack is not None and link in self._links:
            stack.addresses.pop(str(lease.address.ip), None)
            name = self.linux_name(link)
            for router in lease.routers:
                # An administrator may have deleted it.
                with contextlib.suppress(OSError):
                    stack.netns.ip(f"route del default via {router} dev {name}")
            stack.netns.ip(f"addr del {lease.address} dev {name}")

    def _learn(self, link: str, address: str | None) -> None:
        """Link protection without allowed-ips lets out what DHCP has granted."""
        known = self._protection.get(link)
        if known is None:
            return
        learned = nft.Protection(known.kinds, known.allowed, known.mac, address)
        self._protection[link] = learned
        self._fabric.nft(nft.protection_table(self._links[link].port, learned))

    def close(self) -> None:
        """Let go of everything; the namespaces take interfaces and rules with them."""
        for zone in list(self._shares):
            self.destroy_share(zone)
        for zone in list(self._stacks):
            self.destroy_stack(zone)
        self._fabric.close()


def _nat_sessions(connection: conntrack.Connection) -> list[NatSession]:
    """The sessions of a connection: one for each side that is translated."""
    original, reply = connection.original, connection.reply
    begun_by = (original.source, original.source_port)
    asked = (original.destination, original.destination_port)
    answered_by = (reply.source, reply.source_port)
    seen_as = (reply.destination, reply.destination_port)
    sessions = []
    if connection.destination_changed:
        sessions.append(NatSession("rdr", connection.protocol, answered_by, asked, begun_by))
    if connection.source_changed:
        sessions.append(NatSession("map", connection.protocol, begun_by, seen_as, answered_by))
    return sessions


def _limit(netns: Netns, interface: str, kilobits: int) -> None:
    """Limit what an interface sends; a machine without a token bucket filter does not."""
    command = ["tc", "qdisc"]
    # Without a limit nothing may be there to be deleted.
    with contextlib.suppress(OSError):
        if kilobits:
            # A hundredth of a second at full speed, and at least the largest packets.
            burst = max(_LEAST_BURST, kilobits * 1000 // 8 // 100)
            bucket = ["tbf", "rate", f"{kilobits}kbit", "burst", f"{burst}", "latency", "100ms"]
            netns.run([*command, "replace", "dev", interface, "root", *bucket])
        else:
            netns.run([*command, "delete", "dev", interface, "root"])


def _far(joint: str) -> str:
    """The other end of a connection between two switches."""
    return f"k{joint}"


def _shown(address: Interface, peer: str) -> str:
    # Linux would not answer ARP for the near end of a pair of addresses: the far one has a route instead.
    return str(address.ip if peer else address)


def _short_mac(mac: str) -> str:
    """A MAC address as illumos prints it."""
    return ":".join(f"{int(octet, 16):x}" for octet in mac.split(":"))


def pad_mac(mac: str) -> str:
    """A MAC address in the form that Linux wants, from illumos' without leading zeros."""
    return ":".join(f"{int(octet, 16):02x}" for octet in mac.split(":"))
