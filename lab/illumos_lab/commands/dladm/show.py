"""dladm show-link, show-phys, show-ether and show-linkmap."""

from __future__ import annotations

from dataclasses import asdict

from illumos_lab.commands.dladm.call import Call, Options
from illumos_lab.links import BRIDGE, PHYS, SIMNET, Link, status
from illumos_lab.ofmt import fields
from illumos_lab.subcommand import Fatal

LINK_FIELDS = fields(("LINK", 12), ("CLASS", 10), ("MTU", 7), ("STATE", 9), ("BRIDGE", 11), ("OVER", 30))
PERSISTENT_LINK_FIELDS = ("LINK", "CLASS", "BRIDGE", "OVER")
TRAFFIC_FIELDS = fields(
    ("LINK", 15),
    ("IPACKETS", 10),
    ("RBYTES", 8),
    ("IERRORS", 10),
    ("OPACKETS", 12),
    ("OBYTES", 12),
    ("OERRORS", 8),
)
PHYS_FIELDS = fields(
    ("LINK", 13),
    ("MEDIA", 21),
    ("STATE", 11),
    ("SPEED", 9),
    ("DUPLEX", 9),
    ("DEVICE", 13),
    ("FLAGS", 7),
)
PHYS_DEFAULT = ("LINK", "MEDIA", "STATE", "SPEED", "DUPLEX", "DEVICE")
PHYS_PERSISTENT = ("LINK", "DEVICE", "MEDIA", "FLAGS")
ETHER_FIELDS = fields(
    ("LINK", 16),
    ("PTYPE", 9),
    ("STATE", 9),
    ("AUTO", 6),
    ("SPEED-DUPLEX", 32),
    ("PAUSE", 7),
    ("REM_FAULT", 17),
)
ETHER_DEFAULT = ("LINK", "PTYPE", "STATE", "AUTO", "SPEED-DUPLEX", "PAUSE")
PHYS_GROUP_FIELDS = fields(("LINK", 13), ("RINGTYPE", 9), ("RINGS", 21), ("CLIENTS", 24))
PHYS_MAC_FIELDS = fields(("LINK", 13), ("SLOT", 9), ("ADDRESS", 19), ("INUSE", 5), ("CLIENT", 13))


def select(call: Call, name: str | None, persistent: bool) -> list[Link]:
    """The links that a listing is about: all, or the one named.

    Raises:
        Fatal: it does not exist, or not in the form asked for.
    """
    if name is None:
        return call.records() if persistent else call.visible()
    active, record = call.find(name), call.find_record(name)
    if active is None and record is None:
        raise Fatal(f"link {name} is not valid: {status.NOT_FOUND}")
    if persistent:
        if record is None:
            raise Fatal(f"link {name} is a temporary link: {status.INVALID_ARGUMENT}")
        return [record]
    if active is None:
        raise Fatal(f"link {name} is temporarily removed: {status.INVALID_ARGUMENT}")
    return [active]


def require_fields(options: Options) -> None:
    """The test that show-link and show-phys make before the output engine's own.

    Raises:
        Fatal: parseable output without named fields.
    """
    if "p" in options and "o" not in options:
        raise Fatal("-p requires -o")
    if "p" in options and (options.get("o") or "").lower() == "all":
        raise Fatal('"-o all" is invalid with -p')


def show_link(call: Call) -> int:
    """dladm show-link [-P] [-s [-i secs]] [[-p] -o field,...] [LINK]"""
    options = call.options(":pPsi:o:", once="pPsi")
    check_interval(call, options)
    if "s" in options and "P" in options:
        raise Fatal("the option -P cannot be used with -s")
    persistent = "P" in options
    links = select(call, options.operand(), persistent)
    require_fields(options)
    if "s" in options:
        output = call.output(TRAFFIC_FIELDS, options)
        for link in links:
            output.print(traffic_row(call, link))
        return 0
    output = call.output(
        LINK_FIELDS, options, default=PERSISTENT_LINK_FIELDS if persistent else None, wrap=True
    )
    for link in links:
        values = {
            "LINK": link.name,
            "CLASS": link.link_class,
            "BRIDGE": "" if link.link_class == SIMNET else link.bridge,
            "OVER": _over(call, link),
        }
        if not persistent:
            values |= {"MTU": str(link.mtu), "STATE": link.state}
        output.print(values)
    return 0


def check_interval(call: Call, options: Options) -> None:
    """The interval of ``-i`` at which statistics come again.

    Raises:
        Fatal: it is no number of seconds, stands without ``-s``, or would be kept.
    """
    interval = options.get("i")
    if interval is not None and (not interval.isdigit() or int(interval) == 0):
        raise Fatal(f"invalid interval value '{interval}'")
    if interval is not None and "s" not in options:
        raise Fatal("the option -i can be used only with -s")
    if interval is not None:
        call.not_emulated(f"{call.subcommand} -i")


def traffic_row(call: Call, link: Link) -> dict[str, str]:
    """What a link has carried, by field."""
    row = {name.upper(): str(count) for name, count in asdict(call.host.kernel.traffic(link.name)).items()}
    return {"LINK": link.name} | row


def _over(call: Call, link: Link) -> str:
    if link.link_class == BRIDGE:
        return ",".join(port.name for port in call.links.bridges.ports(link.name[:-1]))
    if link.link_class == SIMNET:
        return link.peer
    return ",".join(link.ports) or call.over(link)


def show_phys(call: Call) -> int:
    """dladm show-phys [-P | -m | -H] [[-p] -o field,...] [LINK]"""
    options = call.options(":pPmHo:", once="pP")
    require_fields(options)
    if "m" in options and "H" in options:
        raise Fatal("-m cannot combine with -H")
    persistent = "P" in options
    name = options.operand()
    links = call.records() if persistent else call.visible()
    if name is not None:
        links = [_physical(call, name)]
    if "m" in options and persistent:
        raise Fatal("-m not compatible with -P")
    if "m" in options:
        output = call.output(PHYS_MAC_FIELDS, options)
    elif "H" in options:
        output = call.output(PHYS_GROUP_FIELDS, options)
    else:
        default = PHYS_PERSISTENT if persistent else PHYS_DEFAULT
        output = call.output(PHYS_FIELDS, options, default=default)
    for link in links:
        if link.link_class == PHYS and "m" in options:
            output.print(_mac_row(call, link))
        elif link.link_class == PHYS and "H" in options:
            output.print(_group_row(call, link))
        elif link.link_class == PHYS:
            output.print(_phys_row(link, persistent))
    return 0


def _physical(call: Call, name: str) -> Link:
    """The network card of that name; it is always there, and always remembered."""
    link = call.find(name) or call.find_record(name)
    if link is None:
        raise Fatal(f"link {name} is not valid: {status.NOT_FOUND}")
    if link.link_class != PHYS:
        raise Fatal(f"failed to show physical link {name}: {status.INVALID_ARGUMENT}")
    return link


def show_ether(call: Call) -> int:
    """dladm show-ether [-x] [[-p] -o field,...] [LINK]"""
    options = call.options(
        ":o:px", long={"parsable": "p", "parseable": "p", "extended": "x", "output": "o"}
    )
    if "x" in options:
        call.not_emulated("show-ether -x")
    output = call.output(ETHER_FIELDS, options, default=ETHER_DEFAULT)
    links = [link for link in call.visible() if link.link_class == PHYS]
    if len(options.operands) == 1:
        links = [link for link in links if link.name == options.operands[0]]
        if not links:
            raise Fatal("invalid link specified")
    for link in links:
        output.print(
            {
                "LINK": link.name,
                "PTYPE": "current",
                "STATE": "up",
                "AUTO": "yes",
                "SPEED-DUPLEX": "1G-f",
                "PAUSE": "bi",
                "REM_FAULT": "none",
            }
        )
    return 0


def show_linkmap(call: Call) -> int:
    """dladm show-linkmap"""
    if call.argv:
        raise Fatal("invalid arguments")
    call.run.out(f"{'NAME':<12}{'LINKID':>8}  {'CLASS':<12}{'MEDIA':<20} {'FLAGS':>6}\n")
    active, records = call.visible(), call.records()
    names = {link.linkid: link for link in (*records, *active)}
    for linkid, link in sorted(names.items()):
        flags = (link in active) + 2 * any(record.name == link.name for record in records)
        media = f"{_TUNNEL_MEDIA[link.tunnel.kind]} Tunnel" if link.tunnel else link.media
        call.run.out(f"{link.name:<12}{linkid:>8}  {link.link_class:<12}{media:<20} {flags:>6}\n")
    return 0


_TUNNEL_MEDIA = {"ipv4": "IPv4", "ipv6": "IPv6", "6to4": "6to4"}


def _group_row(call: Call, link: Link) -> dict[str, str]:
    """The card has one ring, which all share; the driver shows no rings for sending."""
    stack = call.host.stacks[link.zone or "global"]
    clients = [link.name] if stack.is_plumbed(link.name) else []
    clients += [user.name for user in call.links.users(link.name)]
    aggregation = call.links.aggregations.of_port(link.name)
    clients += [f"{aggregation.name}-{link.name}"] if aggregation else []
    # The blank at the end is dladm's.
    shared = f"<default,mcast>{','.join(clients)} "
    return {"LINK": link.name, "RINGTYPE": "RX", "RINGS": "0", "CLIENTS": shared}


def _mac_row(call: Call, link: Link) -> dict[str, str]:
    stack = call.host.stacks[link.zone or "global"]
    plumbed = stack.is_plumbed(link.name) or bool(call.links.users(link.name))
    return {
        "LINK": link.name,
        "SLOT": "primary",
        "ADDRESS": link.mac,
        "INUSE": "yes" if plumbed else "no",
        "CLIENT": link.name if plumbed else "",
    }


def _phys_row(link: Link, persistent: bool) -> dict[str, str]:
    values = {"LINK": link.name, "MEDIA": "Ethernet", "DEVICE": link.device, "FLAGS": "-----"}
    if not persistent:
        values |= {"STATE": "up", "SPEED": "1000", "DUPLEX": "full"}
    return values
