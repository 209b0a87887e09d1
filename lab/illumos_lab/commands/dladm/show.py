"""dladm show-link and show-phys."""

from __future__ import annotations

from illumos_lab.commands.dladm.call import Call, Fatal, Options
from illumos_lab.links import PHYS, SIMNET, Link, status
from illumos_lab.ofmt import fields

LINK_FIELDS = fields(("LINK", 12), ("CLASS", 10), ("MTU", 7), ("STATE", 9), ("BRIDGE", 11), ("OVER", 30))
PERSISTENT_LINK_FIELDS = ("LINK", "CLASS", "BRIDGE", "OVER")
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
    options = call.options(":pPsSi:o:", once="pPsi")
    if "i" in options and "s" not in options:
        raise Fatal("the option -i can be used only with -s")
    require_fields(options)
    if "s" in options or "S" in options:
        call.not_emulated("show-link -s")
    persistent = "P" in options
    links = select(call, options.operand(), persistent)
    output = call.output(
        LINK_FIELDS, options, default=PERSISTENT_LINK_FIELDS if persistent else None, wrap=True
    )
    for link in links:
        values = {
            "LINK": link.name,
            "CLASS": link.link_class,
            "OVER": link.peer if link.link_class == SIMNET else call.over(link),
        }
        if not persistent:
            values |= {"MTU": str(link.mtu), "STATE": "up"}
        output.print(values)
    return 0


def show_phys(call: Call) -> int:
    """dladm show-phys [-P | -m | -H] [[-p] -o field,...] [LINK]"""
    options = call.options(":pPmHo:", once="pPmH")
    if "m" in options and "H" in options:
        raise Fatal("-m cannot combine with -H")
    if "m" in options and "P" in options:
        raise Fatal("-m not compatible with -P")
    if "p" in options and "o" not in options:
        raise Fatal("-p requires -o")
    if "H" in options:
        call.not_emulated("show-phys -H")
    persistent = "P" in options
    links = select(call, options.operand(), persistent)
    if "m" in options:
        output = call.output(PHYS_MAC_FIELDS, options)
    else:
        default = PHYS_PERSISTENT if persistent else PHYS_DEFAULT
        output = call.output(PHYS_FIELDS, options, default=default)
    for link in links:
        if link.link_class == PHYS:
            output.print(_mac_row(call, link) if "m" in options else _phys_row(link, persistent))
    return 0


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
