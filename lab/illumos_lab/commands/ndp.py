"""ndp(8): the hardware addresses of IPv6 neighbours, to look at."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

from illumos_lab.commands import netstat
from illumos_lab.deferred import deferred_output
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip import parse
from illumos_lab.linkname import parse_mac

_USAGE = """\
Usage: ndp [-n] [-i iface] hostname
       ndp [-n] [-i iface] -s nodeaddr etheraddr [temp] [proxy]
       ndp [-n] [-i iface] -d nodeaddr
       ndp [-n] [-i iface] -f filename
       ndp [-n] -a
       ndp [-n] -A period
"""


def main(host: Host, run: Invocation) -> int:
    """Show all entries, or those of one host; exit status 0 or 1."""
    try:
        pairs, operands = getopt(run.argv, "ani:sdfA", permute=False)
    except (UnknownOptionError, MissingValueError):
        pairs, operands = [("?", "")], []
    options = dict(pairs)
    if refused := options.keys() & set("sdfA"):
        run.err(f"ndp: -{min(refused)}: not emulated by the lab\n")
        return 1
    if "a" in options and not operands:
        return netstat.main(host, replace(run, argv=["-np" if "n" in options else "-p", "-f", "inet6"]))
    if options.keys() - {"n", "i"} or len(operands) != 1:
        run.err(_USAGE)
        return 1
    with deferred_output(run) as later, host.lock:
        return _show(host, later, operands[0], options)


def _show(host: Host, run: Invocation, text: str, options: dict[str, str]) -> int:
    name, _, zone = text.partition("%")
    address = parse.resolve(host.zone_root(run.zone), name)
    if not isinstance(address, IPv6Address):
        run.err(f"ndp: Unable to lookup {text}: node name or service name not known\n")
        return 1
    interface = options.get("i") or zone
    if address.is_link_local and not interface:
        run.err("ndp: Link-scope addresses should specify an interface with a zone ID, or with -i.\n")
        return 1
    shown = str(address)
    if "n" not in options:
        shown = parse.host_name(host.zone_root(run.zone), shown) or shown
    known = host.kernel.neighbours(run.zone if run.zone in host.stacks else "global")
    for each in known:
        if each.address == address and interface in ("", each.link) and (mac := parse_mac(each.mac)):
            run.out(f"{address} ({shown}) at {mac}{'' if each.static else ' temp'}\n")
            return 0
    run.out(f"{address} ({shown}) -- no entry\n")
    return 1
