"""netstat(8): the routing table and the interfaces of the caller's stack."""

from __future__ import annotations

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
_IF_HEADER = "Name  Mtu  Net/Dest      Address        Ipkts  Ierrs Opkts  Oerrs Collis Queue \n"


def main(host: Host, run: Invocation) -> int:
    """Run netstat; exit status 0 or 1."""
    try:
        options, operands = getopt(run.argv, "rianvf:I:P:smgxpDMduT:R", permute=False)
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE)
        return 1
    given = dict(options)
    if operands or not given.keys() & {"r", "i"} or given.keys() & set("vsmgxpDMduTRP"):
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
            if family != "inet6":
                later.out(_V4_HEADER + "".join(_routes(stack, 4)))
            if family != "inet":
                later.out(_V6_HEADER + "".join(_routes(stack, 6)))
        else:
            later.out(_IF_HEADER + "".join(_interfaces(stack, given.get("I"))))
    return 0


def _routes(stack: IpStack, version: int) -> list[str]:
    local = {str(connected.address.ip) for connected in stack.connected()}
    rows = []
    for route in stack.all_routes():
        if route.destination.version == version:
            flags = "U" + ("G" if route.gateway not in local else "")
            flags += "H" if route.is_host else ""
            network = route.destination
            name = (
                "default" if route.is_default else str(network.network_address if version == 4 else network)
            )
            # Only a route bound with -ifp names its interface, connected ones always do.
            rows.append((name, route.gateway, flags, route.ifp or ""))
    for connected in stack.connected():
        address = connected.address
        if address.version != version:
            continue
        if connected.interface == LOOPBACK:
            rows.append((str(address.ip), str(address.ip), "UH", LOOPBACK))
        else:
            network = connected.network
            shown = str(network.network_address if version == 4 else network)
            rows.append((shown, str(address.ip), "U", connected.interface))
    line = _v4_line if version == 4 else _v6_line
    return [line(*row) for row in sorted(rows, key=lambda row: row[0] != "default")]


def _v4_line(destination: str, gateway: str, flags: str, interface: str) -> str:
    return f"{destination:<20} {gateway:<20} {flags:<5} {1:>5} {0:>10} {interface:<9} \n"


def _v6_line(destination: str, gateway: str, flags: str, interface: str) -> str:
    return f"{destination:<27} {gateway:<27} {flags:<5} {1:>3} {0:>7} {interface:<5} \n"


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
