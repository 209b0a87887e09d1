"""ipmpstat(8): show IPMP groups, the interfaces below them, and who has which data address.

Failures are detected by the link only: nothing is probed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from illumos_lab.deferred import deferred_output
from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip import IpStack, ipmp, parse
from illumos_lab.ip.model import Address, IpInterface
from illumos_lab.ofmt import Field, OfmtError, Output, fields

_USAGE = """\
usage: ipmpstat [-n] [-o <field> [-P]] -a|-g|-i|-p|-t

  output modes:\t -a  display IPMP data address information
\t\t -g  display IPMP group information
\t\t -i  display IPMP-related IP interface information
\t\t -p  display IPMP probe information
\t\t -t  display IPMP target information

       options:\t -n  display IP addresses numerically
\t\t -o  display only the specified fields, in order
\t\t -P  display using parsable output mode
"""

_FIELDS: dict[str, tuple[Field, ...]] = {
    "a": fields(("ADDRESS", 26), ("STATE", 7), ("GROUP", 12), ("INBOUND", 12), ("OUTBOUND", 23)),
    "g": fields(("GROUP", 12), ("GROUPNAME", 12), ("STATE", 10), ("FDT", 10), ("INTERFACES", 30)),
    "i": fields(
        ("INTERFACE", 12),
        ("ACTIVE", 8),
        ("GROUP", 12),
        ("FLAGS", 10),
        ("LINK", 10),
        ("PROBE", 10),
        ("STATE", 10),
    ),
    "t": fields(("INTERFACE", 12), ("MODE", 10), ("TESTADDR", 20), ("TARGETS", 38)),
    "p": fields(
        ("TIME", 10),
        ("INTERFACE", 12),
        ("PROBE", 7),
        ("NETRTT", 10),
        ("RTT", 10),
        ("RTTAVG", 10),
        ("TARGET", 20),
        ("RTTDEV", 10),
    ),
}


def main(host: Host, run: Invocation) -> int:
    """Run ipmpstat; exit status 0 or 1."""
    try:
        options = Options(*getopt(run.argv, "nLPo:agipt", permute=False))
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE)
        return 1
    modes = [letter for letter, _ in options.pairs if letter in _FIELDS]
    if len(modes) > 1:
        run.err(f"{run.name}: only one output format may be specified\n")
        return 1
    if options.operands or not modes:
        run.err(_USAGE)
        return 1
    with deferred_output(run) as later, host.lock:
        stack = host.stacks.get(run.zone) or host.stacks["global"]
        try:
            output = Output(
                later,
                _FIELDS[modes[0]],
                options.get("o"),
                parseable="P" in options,
                warn=lambda text: later.err(f"{run.name}: warning: {text}\n"),
            )
        except OfmtError as error:
            later.err(f"{run.name}: {error}\n")
            return 1
        if modes == ["p"]:
            later.err(f"{run.name}: probe-based failure detection is disabled\n")
            return 1
        for row in _rows(stack, modes[0], numeric="n" in options):
            output.print(row)
    return 0


def _rows(stack: IpStack, mode: str, *, numeric: bool) -> Iterator[dict[str, str]]:
    # in.mpathd puts what is new at the head of its lists.
    groups = [each for each in stack.interfaces.values() if each.ipmp][::-1]
    for group in groups:
        below = ipmp.members(stack, group)[::-1]
        if mode == "g":
            yield _group_row(stack, group, below)
        elif mode == "a":
            yield from _address_rows(stack, group, below, numeric=numeric)
        else:
            for interface in below:
                unprobed = {"INTERFACE": interface.name, "MODE": "disabled"}
                yield unprobed if mode == "t" else _interface_row(stack, group, interface)


def _group_row(stack: IpStack, group: IpInterface, below: list[IpInterface]) -> dict[str, str]:
    active = ipmp.active(stack, group)
    working = [each for each in below if each in active]
    spare = [each for each in below if ipmp.usable(each) and each not in active]
    unusable = [each for each in below if not ipmp.usable(each)]
    listed = [
        " ".join(each.name for each in working),
        f"({' '.join(each.name for each in spare)})" if spare else "",
        f"[{' '.join(each.name for each in unusable)}]" if unusable else "",
    ]
    return {
        "GROUP": group.name,
        "GROUPNAME": group.group,
        "STATE": "failed" if not active else "degraded" if unusable else "ok",
        "INTERFACES": " ".join(filter(None, listed)),
    }


def _interface_row(stack: IpStack, group: IpInterface, interface: IpInterface) -> dict[str, str]:
    active = ipmp.active(stack, group)
    # One of the active interfaces gets what is for every station.
    nominated = bool(active) and interface is active[0]
    flags = (
        ("i", ipmp.is_inactive(stack, interface)),
        ("s", interface.standby),
        ("m", nominated and group.v4),
        ("b", nominated and group.v4),
        ("M", nominated and group.v6),
        ("d", interface.offline),
        ("h", False),
    )
    return {
        "INTERFACE": interface.name,
        "ACTIVE": "yes" if interface in active else "no",
        "GROUP": group.name,
        "FLAGS": "".join(letter if on else "-" for letter, on in flags),
        "LINK": "down" if interface.failed else "up",
        "PROBE": "disabled",
        "STATE": "offline" if interface.offline else "failed" if interface.failed else "ok",
    }


def _address_rows(
    stack: IpStack, group: IpInterface, below: list[IpInterface], *, numeric: bool
) -> Iterator[dict[str, str]]:
    active = ipmp.active(stack, group)
    outbound = " ".join(each.name for each in below if each in active)
    for v4 in (False, True):
        if not (group.v4 if v4 else group.v6):
            continue
        addresses: Sequence[Address | None] = [a for a in stack.on(group.name) if a.is_v4 == v4]
        for address in addresses[::-1] or [None]:
            up = address is not None and address.effective
            carrier = address.carrier if address is not None else ""
            yield {
                "ADDRESS": _shown(stack, address, v4, numeric),
                "STATE": "up" if up else "down",
                "GROUP": group.name,
                "INBOUND": carrier,
                "OUTBOUND": outbound if up and carrier else "",
            }


def _shown(stack: IpStack, address: Address | None, v4: bool, numeric: bool) -> str:
    """An address, or its name; an interface without one has that which is none."""
    value = address.address if address is not None else None
    if value is None:
        return "0.0.0.0" if v4 else "::"
    text = str(value.ip)
    return text if numeric else parse.host_name(stack.root, text) or text
