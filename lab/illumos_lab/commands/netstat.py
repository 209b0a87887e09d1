"""netstat(8): the routing table and the interfaces of the caller's stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from illumos_lab.deferred import deferred_output
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip import IpStack
from illumos_lab.ip.model import LOOPBACK

_USAGE = "usage: netstat -r [-anv] [-f address_family]\n       netstat -i [-an] [-I interface]\n"
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
_IF_HEADER = "Name  Mtu  Net/Dest      Address        Ipkts  Ierrs Opkts  Oerrs Collis Queue \n"


def main(host: Host, run: Invocation) -> int:
    """Run netstat; exit status 0 or 1."""
    try:
        options, operands = getopt(run.argv, "rianvf:I:P:smgxpDMduT:R", permute=False)
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE)
        return 1
    given = dict(options)
    if (
        operands
        or not given.keys() & {"r", "i"}
        or given.keys() & set("smgxpDMduTRP")
        or given.keys() >= {"i", "v"}
    ):
        run.err(f"{run.name}: not emulated by the lab: {' '.join(run.argv)}\n")
        return 1
    family = given.get("f")
    if family not in (None, "inet", "inet6"):
        run.err(f"{run.name}: unknown address family {family}\n")
        return 1
    with deferred_output(run) as later, host.lock:
        shared = run.zone not in host.stacks
        stack = host.stacks["global" if shared else run.zone]
        stack.routes.follow_addresses()
        if "r" in given:
            verbose = "v" in given
            if family != "inet6":
                later.out((_V4_VERBOSE_HEADER if verbose else _V4_HEADER) + _table(stack, 4, verbose))
            if family != "inet":
                later.out((_V6_VERBOSE_HEADER if verbose else _V6_HEADER) + _table(stack, 6, verbose))
        else:
            later.out(_IF_HEADER + "".join(_interfaces(stack, given.get("I"))))
    return 0


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


def _table(stack: IpStack, version: int, verbose: bool) -> str:
    rows = sorted(_routes(stack, version), key=lambda row: not row.is_default)
    if verbose:
        return "".join(_verbose_line(stack, row) for row in rows)
    line = _v4_line if version == 4 else _v6_line
    return "".join(line(row) for row in rows)


def _routes(stack: IpStack, version: int) -> Iterator[_Row]:
    local = {str(connected.address.ip) for connected in stack.connected()}
    for route in stack.all_routes():
        if route.destination.version == version:
            flags = "U" + ("G" if route.gateway not in local else "")
            flags += "H" if route.is_host else ""
            # Only a route bound with -ifp names its interface, connected ones always do.
            yield _Row(route.destination, route.gateway, flags, route.ifp or "")
    for connected in stack.connected():
        address = connected.address
        if address.version != version:
            continue
        if connected.interface == LOOPBACK:
            yield _Row(ip_network(address.ip), str(address.ip), "UH", LOOPBACK)
        else:
            yield _Row(connected.network, str(address.ip), "U", connected.interface)


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


def _interfaces(stack: IpStack, wanted: str | None) -> list[str]:
    lines = []
    for name in stack.interfaces:
        if wanted not in (None, name):
            continue
        address = next((stack.current(a) for a in stack.on(name) if a.is_v4), None)
        network = str(address.network.network_address) if address else "default"
        shown = str(address.ip) if address else "0.0.0.0"
        lines.append(
            f"{name:<5} {stack.mtu(name):<4} {network:<13} {shown:<14} "
            f"{0:<6} {0:<5} {0:<6} {0:<5} {0:<6} {0:<6}\n"
        )
    return lines
