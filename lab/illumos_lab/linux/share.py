"""What a shared-ip zone has of the global zone's IP stack.

The zone sends from its own addresses only, its sockets have ports of their own, and of the stack's routes
it uses those whose gateway is in a network that it has an address in (``ire_match_args`` in illumos-gate).
So its processes are in a network namespace behind that of the global zone, which answers ARP for the
zone's addresses and passes its packets on; a packet has made one hop more than on illumos.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from illumos_lab.kernel import Interface
from illumos_lab.linux.netns import Netns

DOOR = "zone-"
"""Names of the interfaces that lead to zones begin so; no datalink can have such a name."""

_INSIDE = "net0"
# Both ends of the pair have it, so that they find each other without ARP.
_MAC = "02:00:00:00:00:01"
_MTU = 9000

# The routes to zones are for everybody in the stack, and come before its own; each zone has a table of the
# routes that its packets may take.
_ZONES_TABLE = 100
_FIRST_TABLE = 1000
_LAST_METRIC = 2**31
_EVERYWHERE = {"-4": "0.0.0.0/0", "-6": "::/0"}


class Share:
    """A shared-ip zone's part of a stack.

    Attributes:
        netns: where the zone's processes are.
        door: the stack's interface that leads there.

    Args:
        stack: namespace of the stack.
        number: tells this share from others of the stack.
        sysctls: settings of every stack.
        others: routes, destination and gateway, that the stack has for such zones only.
    """

    def __init__(
        self, stack: Netns, number: int, sysctls: dict[str, str], others: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.netns = Netns.create()
        self.door = f"{DOOR}{number}"
        self._stack = stack
        self._table = _FIRST_TABLE + number
        self._others = others
        self._addresses: list[tuple[Interface, str]] = []
        self.netns.sysctl(sysctls)
        pipe = f"address {_MAC} mtu {_MTU}"
        peer = f"peer name {_INSIDE} {pipe} netns {self.netns.path}"
        stack.ip(f"link add {self.door} {pipe} type veth {peer}")
        for netns, end in ((stack, self.door), (self.netns, _INSIDE)):
            netns.sysctl({f"ipv6/conf/{end}/disable_ipv6": "0"})
            netns.ip(f"link set {end} arp off up")
        stack.sysctl({f"ipv{version}/conf/{self.door}/forwarding": "1" for version in (4, 6)})
        self.netns.ip("link set lo up")
        for option in ("-4", "-6"):
            with contextlib.suppress(FileExistsError):
                self._run(stack, option, f"rule add pref {_ZONES_TABLE} lookup {_ZONES_TABLE}")
            self._run(stack, option, f"rule add pref {self._table} iif {self.door} lookup {self._table}")
            self._follow(option)

    def add(self, address: Interface, interface: str) -> None:
        """Give the zone an address on an interface of the stack, whose Linux name is told.

        The interface has it too, so that neighbours are asked from it, but does not take its packets.
        """
        option = f"-{address.version}"
        quiet = " nodad" if address.version == 6 else ""
        if address.version == 6:
            self._stack.sysctl({f"ipv6/conf/{interface}/disable_ipv6": "0"})
        # Without the rest of its network it stands beside the others there, and brings no route.
        self._stack.ip(f"addr add {address.ip} dev {interface}{quiet}")
        if address.version == 4:
            self._stack.sysctl({f"ipv4/neigh/{interface}/proxy_delay": "0"})
            self._stack.ip(f"neigh add proxy {address.ip} dev {interface}")
        self._run(self._stack, option, f"route del local {address.ip} dev {interface} table local")
        self._run(self._stack, option, f"route add {self._way_in(address)}")
        self.netns.ip(f"addr add {address.ip} dev {_INSIDE}{quiet}")
        self._addresses.append((address, interface))
        self._follow(option)

    def delete(self, address: Interface, interface: str) -> None:
        """Take an address from the zone."""
        option = f"-{address.version}"
        self._addresses.remove((address, interface))
        self.netns.ip(f"addr del {address.ip} dev {_INSIDE}")
        lines = [f"route del {self._way_in(address)}", f"addr del {address.ip} dev {interface}"]
        if address.version == 4:
            lines.append(f"neigh del proxy {address.ip} dev {interface}")
        for line in lines:
            # The interface may have lost what it had.
            with contextlib.suppress(OSError):
                self._run(self._stack, option, line)
        self._follow(option)

    def follow_routes(self) -> None:
        """Routes of the stack have come or gone."""
        for option in ("-4", "-6"):
            self._follow(option)

    def close(self) -> None:
        """Let go of it, and of what the stack has for it."""
        for address, interface in list(self._addresses):
            self.delete(address, interface)
        for option in ("-4", "-6"):
            self._run(self._stack, option, f"rule del pref {self._table}")
            self._run(self._stack, option, f"route flush table {self._table}")
        self._stack.ip(f"link del {self.door}")
        self.netns.close()

    def _way_in(self, address: Interface) -> str:
        return f"{address.ip} dev {self.door} table {_ZONES_TABLE}"

    def _follow(self, option: str) -> None:
        """Lay down the ways that the zone's packets take, and the address that each begins with."""
        own = [(address, link) for address, link in self._addresses if f"-{address.version}" == option]
        ways = {str(address.network): (f"dev {link}", address.ip) for address, link in reversed(own)}
        for destination, gateway, interface in self._gateways(option):
            for address, link in own:
                if ip_address(gateway) in address.network and interface in ("", link):
                    ways.setdefault(destination, (f"via {gateway} dev {link} onlink", address.ip))
                    break
        outward = [f"add {destination} {way}" for destination, (way, _) in ways.items()]
        outward.append(f"add unreachable default metric {_LAST_METRIC}")
        self._lay(self._stack, option, f"table {self._table}", outward)
        sources = {_EVERYWHERE[option]: ""}
        sources |= {destination: f"src {address}" for destination, (_, address) in ways.items()}
        inside = [f"add {destination} dev {_INSIDE} {source}" for destination, source in sources.items()]
        self._lay(self.netns, option, "proto static", inside)

    def reaches(self, gateway: str) -> bool:
        """Whether the zone has an address in the network of a router."""
        return any(ip_address(gateway) in address.network for address, _ in self._addresses)

    def _gateways(self, option: str) -> Iterable[tuple[str, str, str]]:
        """Routes that have a gateway: destination, gateway, interface if that is known."""
        for line in self._stack.run(["ip", option, "route", "show", "table", "main"]).splitlines():
            words = line.split()
            if words[1:2] == ["via"] and words[3:4] == ["dev"]:
                yield _EVERYWHERE[option] if words[0] == "default" else words[0], words[2], words[4]
        for destination, gateway in self._others:
            if f"-{ip_address(gateway).version}" == option:
                yield destination, gateway, ""

    def _lay(self, netns: Netns, option: str, which: str, lines: list[str]) -> None:
        """Put routes in the place of those that were there."""
        # A table that has never had a route is none.
        with contextlib.suppress(OSError):
            self._run(netns, option, f"route flush {which}")
        self._run(netns, option, *(f"route {line} {which}" for line in lines))

    @staticmethod
    def _run(netns: Netns, option: str, *lines: str) -> None:
        netns.run(["ip", option, "-batch", "-"], "".join(f"{line}\n" for line in lines))
