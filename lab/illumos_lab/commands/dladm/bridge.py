"""dladm's subcommands for bridges."""

from __future__ import annotations

from dataclasses import replace

from illumos_lab import bridging
from illumos_lab.commands.dladm.call import Call, Options, UsageError
from illumos_lab.links import AGGR, ETHERSTUB, PHYS, SIMNET, DladmError, Link, bridges, status
from illumos_lab.links.model import Bridging
from illumos_lab.ofmt import Output, fields
from illumos_lab.subcommand import Fatal

FIELDS = fields(
    ("BRIDGE", 12),
    ("PROTECT", 8),
    ("ADDRESS", 19),
    ("PRIORITY", 9),
    ("BMAXAGE", 8),
    ("BHELLOTIME", 11),
    ("BFWDDELAY", 10),
    ("FORCEPROTO", 11),
    ("TCTIME", 10),
    ("TCCOUNT", 10),
    ("TCHANGE", 10),
    ("DESROOT", 23),
    ("ROOTCOST", 11),
    ("ROOTPORT", 11),
    ("MAXAGE", 8),
    ("HELLOTIME", 10),
    ("FWDDELAY", 9),
    ("HOLDTIME", 9),
)
DEFAULT = ("BRIDGE", "PROTECT", "ADDRESS", "PRIORITY", "DESROOT")
PORT_FIELDS = fields(
    ("LINK", 12),
    ("INDEX", 8),
    ("STATE", 12),
    ("UPTIME", 8),
    ("OPERCOST", 9),
    ("OPERP2P", 8),
    ("OPEREDGE", 9),
    ("DESROOT", 22),
    ("DESCOST", 11),
    ("DESBRIDGE", 22),
    ("DESPORT", 8),
    ("TCACK", 6),
)
PORT_DEFAULT = ("LINK", "STATE", "UPTIME", "DESROOT")
FORWARDING_FIELDS = fields(("DEST", 17), ("AGE", 7), ("FLAGS", 6), ("OUTPUT", 12))
HOLD_TIME = "6"
MAX_PORTS = 256
LONG = {
    "protect": "P",
    "root-dir": "R",
    "forward-delay": "d",
    "force-protocol": "f",
    "hello-time": "h",
    "link": "l",
    "max-age": "m",
    "priority": "p",
}
SHOW_LONG = {
    "forwarding": "f",
    "interval": "i",
    "link": "l",
    "output": "o",
    "parsable": "p",
    "parseable": "p",
    "statistics": "s",
    "trill": "t",
}
_BRIDGED = (PHYS, AGGR, ETHERSTUB, SIMNET)
_NUMBERS = {
    # The attribute, its name in messages, its least and greatest value.
    "d": ("forward_delay", "forwarding delay", 4, 30),
    "f": ("force_protocol", "force protocol", 0, 2**31 - 1),
    "h": ("hello_time", "hello time", 1, 10),
    "m": ("max_age", "max age", 6, 40),
    "p": ("priority", "priority", 0, 61440),
}


# What the options say ----------------------------------------------------------------------------


def _settings(options: Options, base: Bridging) -> Bridging:
    seen = set()
    changes: dict[str, int] = {}
    for letter, text in options.pairs:
        if letter == "P":
            if text not in ("stp", "trill"):
                raise Fatal(f"protection {text}: {status.INVALID_ARGUMENT}")
        elif letter in _NUMBERS:
            attribute, what, low, high = _NUMBERS[letter]
            if letter in seen:
                raise Fatal(f"{what} set more than once")
            seen.add(letter)
            if not text.isdigit() or not low <= int(text) <= high:
                raise Fatal(f"incorrect {what}")
            changes[attribute] = int(text) & 0xF000 if letter == "p" else int(text)
    settings = replace(base, protect=options.get("P") or base.protect)
    return replace(settings, **changes)  # type: ignore[arg-type]


def _check_times(call: Call, own: Bridging) -> None:
    """The relations between the times (IEEE 802.1D-2004, 17.14)."""
    least, greatest = 2 * (own.hello_time + 1), 2 * (own.forward_delay - 1)
    if least <= own.max_age <= greatest:
        return
    call.warn("illegal forward delay / max age / hello time combination")
    if least > greatest:
        raise Fatal(
            f"no max age possible: need forward delay >= {own.hello_time + 2} or "
            f"hello time <= {own.forward_delay - 2}"
        )
    if own.max_age < least:
        limit = f" and <= {greatest}" if greatest < _NUMBERS["m"][3] else ""
        raise Fatal(
            f"max age too small: need age >= {least}{limit} or hello time <= {own.max_age // 2 - 1}"
        )
    floor = f">= {least} and " if least > _NUMBERS["m"][2] else ""
    raise Fatal(
        f"max age too large: need age {floor}<= {greatest} or forward delay >= {(own.max_age + 1) // 2 + 1}"
    )


def _name(options: Options) -> str:
    name = options.required_operand()
    if not bridges.valid_name(name):
        raise Fatal(f"invalid bridge name '{name}'")
    return name


def _ports(call: Call, options: Options) -> list[Link]:
    """The links that ``-l`` names.

    Raises:
        Fatal: one does not exist, or is of a kind that cannot be bridged.
    """
    found = []
    for name in options.all("l"):
        link = call.find(name) or call.find_record(name)
        if link is None:
            raise Fatal(f"invalid link name '{name}'")
        if link.link_class not in _BRIDGED:
            raise Fatal(f"{link.link_class} {name} cannot be bridged")
        if link.media != "Ethernet":
            raise Fatal(f"{link.media} interface {name} cannot be bridged")
        found.append(link)
    if len(found) > MAX_PORTS:
        raise Fatal("too many links specified")
    return found


# Changing ----------------------------------------------------------------------------------------


def create_bridge(call: Call) -> int:
    """dladm create-bridge [-R root-dir] [-P protect] [-{p|m|h|d|f} NUMBER]... [-l LINK]... NAME"""
    options = call.options(":P:R:d:f:h:l:m:p:", long=LONG)
    settings = _settings(options, Bridging())
    name = _name(options)
    _check_times(call, settings)
    if call.deferred(options):
        return 0
    ports = _ports(call, options)
    with call.failing_as("create operation failed"):
        call.require_privilege()
        _check_trill(settings)
        call.links.bridges.create(name, settings, ports)
    try:
        _add(call, name, ports)
    except Fatal:
        call.links.bridges.delete(name)
        raise
    _set_service(call, name, settings)
    return 0


def _set_service(call: Call, name: str, settings: Bridging) -> None:
    fmri = f"{bridging.SERVICE}{name}"
    call.afterwards.append(lambda: call.host.smf.set_instance(fmri, bridging.properties(settings)))


def _check_trill(settings: Bridging) -> None:
    """The daemon of TRILL is a package of its own, which no distribution has any more."""
    if settings.protect == "trill":
        raise DladmError(status.OPTION_MISSING)


def _add(call: Call, name: str, ports: list[Link]) -> None:
    """Make links ports of a bridge: all of them, or none."""
    done: list[Link] = []
    for port in ports:
        try:
            call.links.bridges.set_port(port.name, name)
        except DladmError as error:
            for other in done:
                call.links.bridges.set_port(other.name, "")
            raise Fatal(f"unable to add link {port.name} to bridge {name}: {error.status}") from error
        done.append(port)


def modify_bridge(call: Call) -> int:
    """dladm modify-bridge [-R root-dir] [-P protect] [-{p|m|h|d|f} NUMBER]... NAME"""
    options = call.options(":P:R:d:f:h:m:p:", long=LONG)
    _settings(options, Bridging())
    name = _name(options)
    bridge = call.links.bridges.get(name)
    settings = _settings(options, (bridge and bridge.bridging) or Bridging())
    _check_times(call, settings)
    if call.deferred(options):
        return 0
    # The message is the one of create-bridge.
    with call.failing_as("create operation failed"):
        call.require_privilege()
        _check_trill(settings)
        call.links.bridges.modify(name, settings)
    _set_service(call, name, settings)
    return 0


def delete_bridge(call: Call) -> int:
    """dladm delete-bridge [-R root-dir] NAME"""
    options = call.options(":R:", long=LONG)
    name = options.required_operand()
    if call.deferred(options):
        return 0
    with call.failing_as("delete operation failed"):
        call.require_privilege()
        call.links.bridges.delete(name)
    call.afterwards.append(lambda: call.host.smf.delete_instance(f"{bridging.SERVICE}{name}"))
    return 0


def add_bridge(call: Call) -> int:
    """dladm add-bridge [-R root-dir] -l LINK [-l LINK]... NAME"""
    options = call.options(":R:l:", long=LONG)
    name = _name(options)
    if call.deferred(options):
        return 0
    ports = _ports(call, options)
    with call.failing_as(f"unable to add link {next(iter(options.all('l')), '')} to bridge {name}"):
        call.require_privilege()
    _add(call, name, ports)
    return 0


def remove_bridge(call: Call) -> int:
    """dladm remove-bridge [-R root-dir] -l LINK [-l LINK]... NAME"""
    options = call.options(":R:l:", long=LONG)
    if "l" not in options:
        raise UsageError
    name = options.required_operand()
    if call.deferred(options):
        return 0
    for port in options.all("l"):
        record = call.find_record(port)
        if record is None and call.find(port) is None:
            raise Fatal(f"invalid link name '{port}'")
        if record is None or record.bridge != name:
            raise Fatal(f"link {port} is not on bridge {name}")
    removed = False
    for port in options.all("l"):
        try:
            call.require_privilege()
            call.links.bridges.set_port(port, "")
            removed = True
        except DladmError as error:
            call.warn(f"cannot remove link {port} from bridge {name}: {error.status}")
    if not removed:
        raise Fatal(f"unable to remove any links from bridge {name}")
    return 0


# Showing -----------------------------------------------------------------------------------------


def show_bridge(call: Call) -> int:
    """dladm show-bridge [-flt] [-s [-i secs]] [[-p] -o field,...] [NAME]"""
    options = call.options(":fi:lo:pst", once="ps", long=SHOW_LONG)
    mode = _mode(options)
    name = options.operand()
    bridge = None if name is None else _shown(call, name)
    if bridge is None and mode:
        raise Fatal("bridge name required for -l, -f, or -t")
    if "s" in options:
        call.not_emulated("show-bridge -s")
    if mode == "t":
        raise Fatal(f"bridge {name} is not running TRILL")
    if bridge is not None and mode == "l":
        output = call.output(PORT_FIELDS, options, default=PORT_DEFAULT)
        for number, port in enumerate(call.links.bridges.ports(bridge.name[:-1]), 1):
            output.print(_port_row(call, bridge, port, number))
    elif bridge is not None and mode == "f":
        _print_forwarding(call, call.output(FORWARDING_FIELDS, options), bridge)
    else:
        output = call.output(FIELDS, options, default=DEFAULT)
        for link in [bridge] if bridge else call.links.bridges.all():
            output.print(_row(call, link, link.bridging or Bridging()))
    return 0


def _mode(options: Options) -> str:
    """``l``, ``f``, ``t`` or nothing."""
    mode = ""
    for letter, _ in options.pairs:
        if letter in "flt":
            if mode not in ("", letter):
                others = [f"-{other}" for other in "flt" if other != letter]
                raise Fatal(f"-{letter} is incompatible with {' or '.join(others)}")
            mode = letter
        elif letter == "i":
            text = options.get("i") or ""
            if not text.isdigit() or int(text) == 0:
                raise Fatal(f"invalid interval value '{text}'")
    if "i" in options and "s" not in options:
        raise Fatal("the -i option can be used only with -s")
    if mode in ("f", "t") and "s" in options:
        raise Fatal("the -f/-t and -s options cannot be used together")
    return mode


def _shown(call: Call, name: str) -> Link:
    link = call.find(f"{name}0")
    if link is None:
        raise Fatal(f"bridge {name} is not valid: {status.NOT_FOUND}")
    if link.bridging is None:
        raise Fatal(f"{name} is not a bridge")
    return link


def _identifier(call: Call, bridge: Link, own: Bridging) -> str:
    """Priority and address of a bridge, which is that of its first port."""
    ports = call.links.bridges.ports(bridge.name[:-1])
    address = next((port.mac for port in ports if port.mac), "0:0:0:0:0:0")
    return f"{own.priority}/{address}"


def _row(call: Call, link: Link, own: Bridging) -> dict[str, str]:
    identifier = _identifier(call, link, own)
    return {
        "BRIDGE": link.name[:-1],
        "PROTECT": own.protect,
        "ADDRESS": identifier,
        "PRIORITY": str(own.priority),
        "BMAXAGE": str(own.max_age),
        "BHELLOTIME": str(own.hello_time),
        "BFWDDELAY": str(own.forward_delay),
        "FORCEPROTO": str(own.force_protocol),
        "TCTIME": "0",
        "TCCOUNT": "0",
        "TCHANGE": "0",
        # No other bridge speaks to it: it is the root itself.
        "DESROOT": identifier,
        "ROOTCOST": "0",
        "ROOTPORT": "0",
        "MAXAGE": str(own.max_age),
        "HELLOTIME": str(own.hello_time),
        "FWDDELAY": str(own.forward_delay),
        "HOLDTIME": HOLD_TIME,
    }


def _port_row(call: Call, bridge: Link, port: Link, number: int) -> dict[str, str]:
    identifier = _identifier(call, bridge, bridge.bridging or Bridging())
    return {
        "LINK": port.name,
        "INDEX": str(number),
        "STATE": "forwarding" if call.links.bridges.forwards(port) else "discarding",
        "UPTIME": "0",
        "OPERCOST": "20000",
        "OPERP2P": "yes",
        "OPEREDGE": "no",
        "DESROOT": identifier,
        "DESCOST": "0",
        "DESBRIDGE": identifier,
        "DESPORT": str(number),
        "TCACK": "no",
    }


def _print_forwarding(call: Call, output: Output, bridge: Link) -> None:
    ports = call.links.bridges.ports(bridge.name[:-1])
    own = {port.mac for port in ports}
    for port in ports:
        if port.mac:
            output.print({"DEST": port.mac, "FLAGS": "L", "OUTPUT": port.name})
    for mac, port_name in sorted(call.host.kernel.learned(bridge.name)):
        if mac not in own:
            output.print({"DEST": mac, "AGE": " 0.000", "OUTPUT": port_name})
