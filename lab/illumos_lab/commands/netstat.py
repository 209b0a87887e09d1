"""netstat(8): sockets, routes, interfaces and neighbours of the caller's stack.

Windows of TCP are not those of the machine underneath, and routes are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from illumos_lab.deferred import deferred_output
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip import IpStack, parse
from illumos_lab.ip.model import LOOPBACK
from illumos_lab.kernel import IpAddress, Neighbour, Socket

_USAGE = """\
usage: netstat [-anv] [-f address_family]
       netstat [-n] [-f address_family] [-P protocol] [-g | -p | -s [interval [count]]]
       netstat -m [-v] [interval [count]]
       netstat -i [-I interface] [-an] [-f address_family] [interval [count]]
       netstat -r [-anv] [-f address_family|filter]
       netstat -M [-ns] [-f address_family]
       netstat -D [-I interface] [-f address_family]
"""
_PROTOCOLS = frozenset({"ip", "ipv6", "icmp", "icmpv6", "igmp", "udp", "tcp", "sctp", "raw", "rawip"})
_V4_HEADER = """
Routing Table: IPv4
  Destination           Gateway           Flags  Ref     Use     Interface 
-------------------- -------------------- ----- ----- ---------- --------- 
"""  # noqa: W291
_V6_HEADER = """
Routing Table: IPv6
  Destination/Mask            Gateway                   Flags Ref   Use    If   
--------------------------- --------------------------- ----- --- ------- ----- 
"""  # noqa: W291
_V4_VERBOSE_HEADER = """
IRE Table: IPv4
  Destination             Mask           Gateway          Device  MTU  Ref Flg  Out  In/Fwd 
-------------------- --------------- -------------------- ------ ----- --- --- ----- ------ 
"""  # noqa: W291
_V6_VERBOSE_HEADER = """
IRE Table: IPv6
  Destination/Mask            Gateway                    If    MTU  Ref Flags  Out   In/Fwd 
--------------------------- --------------------------- ----- ----- --- ----- ------ ------ 
"""  # noqa: W291
_LOOPBACK_MTU_V6 = 8252
_UDP_V4_HEADER = """
UDP: IPv4
   Local Address        Remote Address      State
-------------------- -------------------- ----------
"""
_UDP_V6_HEADER = """
UDP: IPv6
   Local Address                     Remote Address                   State      If
--------------------------------- --------------------------------- ---------- -----
"""
_TCP_V4_HEADER = """
TCP: IPv4
   Local Address        Remote Address    Swind Send-Q Rwind Recv-Q    State
-------------------- -------------------- ----- ------ ----- ------ -----------
"""
_TCP_V6_HEADER = """
TCP: IPv6
   Local Address                     Remote Address                 Swind Send-Q Rwind Recv-Q   State      If
--------------------------------- --------------------------------- ----- ------ ----- ------ ----------- -----
"""  # noqa: E501
_UNIX_HEADER = """
Active UNIX domain sockets
Address          Type       Vnode            Conn             Local Addr      Remote Addr
"""
_ARP_HEADER = """\
Net to Media Table: IPv4
Device   IP Address               Mask      Flags      Phys Addr
------ -------------------- --------------- -------- ---------------
"""
_NDP_HEADER = """
Net to Media Table: IPv6
 If   Physical Address    Type      State      Destination/Mask
----- -----------------  ------- ------------ ---------------------------
"""
_WINDOW = 128000
"""Window of a TCP socket that nobody tuned."""
_UNCONNECTED = frozenset({"LISTEN", "SYN_SENT", "SYN_RECEIVED", "CLOSED"})
_IF_HEADER = "Name  Mtu  Net/Dest      Address        Ipkts  Ierrs Opkts  Oerrs Collis Queue \n"
_IF_V6_HEADER = f"Name  Mtu  {'Net/Dest':<27} {'Address':<27} Ipkts  Ierrs Opkts  Oerrs Collis\n"


@dataclass(frozen=True)
class _Call:
    """A call of netstat: its options, and the stack that it looks at."""

    host: Host
    run: Invocation
    stack: IpStack
    options: dict[str, str]

    @property
    def zone(self) -> str:
        return self.stack.zone

    def selected(self, version: int) -> bool:
        """Whether a family of addresses is asked for."""
        return self.options.get("f") in (None, "inet" if version == 4 else "inet6")

    def name(self, address: str) -> str:
        """An address as it is shown: by its name in the hosts file, but with ``-n``."""
        if "n" in self.options:
            return address
        return parse.host_name(self.host.zone_root(self.run.zone), address) or address


def main(host: Host, run: Invocation) -> int:
    """Run netstat; exit status 0 or 1."""
    try:
        pairs, operands = getopt(run.argv, "rianvf:I:P:smgxpDMduT:R", permute=False)
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE)
        return 1
    options = dict(pairs)
    if (
        operands
        or options.keys() & set("smgxDMduTR")
        or ("v" in options and "r" not in options)
        or ":" in options.get("f", "")
    ):
        run.err(f"{run.name}: not emulated by the lab: {' '.join(run.argv)}\n")
        return 1
    if options.get("f", "inet") not in ("inet", "inet6", "unix"):
        run.err(f"{options['f']}: unknown address family.\n")
        return 1
    if options.get("P", "tcp") not in _PROTOCOLS:
        run.err(f"{options['P']}: unknown protocol.\n")
        return 1
    with deferred_output(run) as later, host.lock:
        shared = run.zone not in host.stacks
        stack = host.stacks["global" if shared else run.zone]
        stack.routes.follow_addresses()
        call = _Call(host, later, stack, options)
        if not options.keys() & set("iIrp"):
            _sockets(call)
        if options.keys() & set("iI"):
            _interfaces(call)
        if "r" in options:
            _routing_tables(call)
        if "p" in options:
            _neighbours(call)
    return 0


# Sockets -----------------------------------------------------------------------------------------


def _sockets(call: _Call) -> None:
    found = call.host.kernel.sockets(call.run.zone)
    asked = call.options.get("P")
    # A socket of IPv6 that IPv4 can reach as well stands in both tables.
    own_v4 = {(each.protocol, each.local[1]) for each in found if each.local[0].version == 4}
    both = [
        replace(each, local=(IPv4Address(0), each.local[1]), remote=(IPv4Address(0), 0))
        for each in found
        if each.local[0] == IPv6Address(0)
        and each.state in _UNCONNECTED
        and (each.protocol, each.local[1]) not in own_v4
    ]
    for protocol, version in (("udp", 4), ("udp", 6), ("tcp", 4), ("tcp", 6)):
        if not call.selected(version) or asked not in (None, protocol):
            continue
        rows = [
            each
            for each in (*found, *both)
            if (each.protocol, each.local[0].version) == (protocol, version)
            and ("a" in call.options or each.state not in _UNCONNECTED)
        ]
        if rows:
            header, line = _SOCKET_TABLES[protocol, version]
            call.run.out(header + "".join(line(call, each) for each in rows))
    if call.options.get("f") in (None, "unix") and asked is None:
        call.run.out(_UNIX_HEADER)


def _end(call: _Call, protocol: str, end: tuple[IpAddress, int]) -> str:
    address, port = end
    where = "      *" if address.is_unspecified else call.name(str(address))
    return f"{where}.{_port_name(call, protocol, port)}"


def _port_name(call: _Call, protocol: str, port: int) -> str:
    if port == 0:
        return "*"
    if "n" in call.options:
        return str(port)
    path = call.host.path(call.run.zone, "/etc/services")
    for line in path.read_text().splitlines() if path.exists() else ():
        words = line.partition("#")[0].split()
        if words[1:2] == [f"{port}/{protocol}"]:
            return words[0]
    return str(port)


def _udp_line(call: _Call, each: Socket, width: int) -> str:
    connected = each.state == "ESTABLISHED"
    remote = _end(call, "udp", each.remote) if connected else ""
    state = "Connected" if connected else "Idle" if each.local[1] else "Unbound"
    return f"{_end(call, 'udp', each.local):<{width}} {remote:<{width}} {state}"


def _tcp_line(call: _Call, each: Socket, width: int) -> str:
    ends = f"{_end(call, 'tcp', each.local):<{width}} {_end(call, 'tcp', each.remote):<{width}}"
    window = 0 if each.state == "LISTEN" else _WINDOW
    return f"{ends} {window:5d} {each.sending:6d} {_WINDOW:5d} {each.received:6d} {each.state}"


_SOCKET_TABLES: dict[tuple[str, int], tuple[str, Callable[[_Call, Socket], str]]] = {
    ("udp", 4): (_UDP_V4_HEADER, lambda call, each: _udp_line(call, each, 20) + "\n"),
    ("udp", 6): (_UDP_V6_HEADER, lambda call, each: f"{_udp_line(call, each, 33):<78} \n"),
    ("tcp", 4): (_TCP_V4_HEADER, lambda call, each: _tcp_line(call, each, 20) + "\n"),
    ("tcp", 6): (_TCP_V6_HEADER, lambda call, each: f"{_tcp_line(call, each, 33):<105} \n"),
}


# Neighbours --------------------------------------------------------------------------------------


def _neighbours(call: _Call) -> None:
    known = call.host.kernel.neighbours(call.zone)
    if call.selected(4):
        lines = [
            _arp_line(call, each.link, str(each.address), _arp_flags(each), each.mac)
            for each in known
            if each.address.version == 4
        ]
        for connected in call.stack.connected():
            if connected.address.version == 4 and (mac := _mac(call, connected.interface)):
                lines.append(_arp_line(call, connected.interface, str(connected.address.ip), "SPLA", mac))
        for name, interface in call.stack.interfaces.items():
            if interface.v4 and name != LOOPBACK:
                lines.append(_arp_line(call, name, "224.0.0.0", "SM", "01:00:5e:00:00:00", "240.0.0.0"))
        call.run.out((_ARP_HEADER if lines else "") + "".join(lines))
    if call.selected(6):
        lines = [
            _ndp_line(call, each.link, each.mac, "static" if each.static else "dynamic", each)
            for each in known
            if each.address.version == 6
        ]
        for connected in call.stack.connected():
            if connected.address.version == 6 and (mac := _mac(call, connected.interface)):
                own = Neighbour(connected.interface, connected.address.ip, mac, "REACHABLE")
                lines.append(_ndp_line(call, own.link, mac, "local", own))
        call.run.out((_NDP_HEADER if lines else "") + "".join(lines) + "\n")


def _mac(call: _Call, interface: str) -> str:
    """The hardware address of an interface with two digits an octet; empty for the loopback."""
    link = call.stack.link(interface)
    return ":".join(f"{int(octet, 16):02x}" for octet in link.mac.split(":")) if link else ""


def _arp_flags(each: Neighbour) -> str:
    flags = "S" if each.static else ""
    if not each.mac:
        return flags + "U"
    return flags + ("" if each.state == "REACHABLE" else "o")


def _arp_line(
    call: _Call, link: str, address: str, flags: str, mac: str, mask: str = "255.255.255.255"
) -> str:
    return f"{link:<6} {call.name(address):<20} {mask:<15} {flags:<8} {mac}\n"


def _ndp_line(call: _Call, link: str, mac: str, kind: str, each: Neighbour) -> str:
    return f"{link:<5} {mac:<17}  {kind:<7} {each.state:<12} {call.name(str(each.address)):<27}\n"


# Routes ------------------------------------------------------------------------------------------


def _routing_tables(call: _Call) -> None:
    verbose = "v" in call.options
    headers = (_V4_VERBOSE_HEADER, _V6_VERBOSE_HEADER) if verbose else (_V4_HEADER, _V6_HEADER)
    for version, header in zip((4, 6), headers, strict=True):
        if call.selected(version):
            call.run.out(header + _table(call, version, verbose))


@dataclass(frozen=True)
class _Row:
    """A line of the routing table; the interface is empty where the route is not bound to one."""

    destination: IPv4Network | IPv6Network
    gateway: str
    flags: str
    interface: str

    @property
    def is_default(self) -> bool:
        return self.destination.prefixlen == 0

    def name(self) -> str:
        """The destination as it is shown: without its mask for IPv4."""
        if self.is_default:
            return "default"
        host = "H" in self.flags
        short = isinstance(self.destination, IPv4Network) or (host and self.interface == LOOPBACK)
        return str(self.destination.network_address if short else self.destination)


def _table(call: _Call, version: int, verbose: bool) -> str:
    rows = sorted(_rows(call, version), key=lambda row: not row.is_default)
    if verbose:
        return "".join(_verbose_line(call.stack, row) for row in rows)
    line = _v4_line if version == 4 else _v6_line
    return "".join(line(row) for row in rows)


def _rows(call: _Call, version: int) -> Iterator[_Row]:
    stack = call.stack
    local = {str(connected.address.ip) for connected in stack.connected()}
    for route in stack.all_routes():
        if route.destination.version == version:
            flags = "U" + ("G" if route.discard or route.gateway not in local else "")
            flags += ("H" if route.is_host else "") + {"reject": "R", "blackhole": "B"}.get(
                route.discard, ""
            )
            # Only a route bound with -ifp names its interface, connected ones always do.
            yield _Row(route.destination, route.gateway, flags, route.ifp or "")
    for connected in stack.connected():
        address = connected.address
        if address.version != version:
            continue
        own, interface = str(address.ip), connected.interface
        if interface == LOOPBACK:
            yield _Row(ip_network(address.ip), own, "UH", LOOPBACK)
            continue
        yield _Row(connected.network, own, "UH" if connected.peer else "U", interface)
        if "a" in call.options:
            yield _Row(ip_network(address.ip), own, "UHL", interface)
            if isinstance(connected.network, IPv4Network) and connected.network.prefixlen < 31:
                for end in (connected.network.network_address, connected.network.broadcast_address):
                    yield _Row(ip_network(end), own, "UHb", interface)


def _v4_line(row: _Row) -> str:
    return f"{row.name():<20} {row.gateway:<20} {row.flags:<5} {1:>5} {0:>10} {row.interface:<9} \n"


def _v6_line(row: _Row) -> str:
    return f"{row.name():<27} {row.gateway:<27} {row.flags:<5} {1:>3} {0:>7} {row.interface:<5} \n"


def _verbose_line(stack: IpStack, row: _Row) -> str:
    mtu = stack.mtu(row.interface) if row.interface else 0
    if row.interface == LOOPBACK and row.destination.version == 6:
        mtu = _LOOPBACK_MTU_V6
    if isinstance(row.destination, IPv4Network):
        mask = str(row.destination.netmask)
        where = f"{row.name():<20} {mask:<15} {row.gateway:<20} {row.interface:<6}"
        return f"{where} {mtu:>5} {1:>3} {row.flags:<4}{0:>6} {0:>6} \n"
    where = f"{row.name():<27} {row.gateway:<27} {row.interface:<5}"
    return f"{where} {mtu:>5} {1:>3} {row.flags:<5} {0:>6} {0:>6} \n"


# Interfaces --------------------------------------------------------------------------------------


def _interfaces(call: _Call) -> None:
    tables = []
    for version, header in ((4, _IF_HEADER), (6, _IF_V6_HEADER)):
        lines = _interface_lines(call, version) if call.selected(version) else []
        if lines:
            tables.append(header + "".join(lines))
    call.run.out("\n".join(tables))


def _interface_lines(call: _Call, version: int) -> list[str]:
    wanted = call.options.get("I")
    each_count = f"{0:<6} {'N/A':<5} {0:<6} {'N/A':<5} {'N/A':<6}"
    lines = []
    for name, interface in call.stack.interfaces.items():
        if not (interface.v4 if version == 4 else interface.v6):
            continue
        mtu = call.stack.mtu(name, v4=version == 4)
        carried = call.host.kernel.traffic(name, call.zone)
        counts = (
            f"{carried.ipackets:<6} {carried.ierrors:<5} {carried.opackets:<6} {carried.oerrors:<5} {0:<6}"
        )
        for position, (logical, net, address) in enumerate(_logical_interfaces(call, name, version)):
            if wanted not in (None, name, logical):
                continue
            columns = f"{net:<13} {address:<14}" if version == 4 else f"{net:<27} {address:<27}"
            queue = f" {0:<6}" if version == 4 else ""
            if position == 0:
                lines.append(f"{name:<5} {mtu:<5}{columns} {counts}{queue}\n")
            if "a" in call.options:
                lines.append(f"{logical:<5} {mtu:<5}{columns} {each_count}{queue}\n")
    return lines


def _logical_interfaces(call: _Call, name: str, version: int) -> Iterator[tuple[str, str, str]]:
    """Name, network and address of each logical interface; one without address has zeros."""
    none = ("default", "0.0.0.0") if version == 4 else ("default", "::")
    found = [
        (address.lif, current)
        for address in call.stack.on(name)
        if (current := call.stack.current(address)) is not None and current.version == version
    ]
    for lif, current in sorted(found, key=lambda each: each[0]):
        net = str(current.network.network_address)
        if version == 6:
            full = current.network.prefixlen == current.max_prefixlen
            net = str(current.ip) if full else str(current)
        yield f"{name}:{lif}" if lif else name, net, call.name(str(current.ip))
    if not found:
        yield name, *none
