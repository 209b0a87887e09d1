"""dladm's subcommands for aggregations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from illumos_lab import linkname
from illumos_lab.commands.dladm.call import Call, Options, UsageError
from illumos_lab.commands.dladm.show import check_interval
from illumos_lab.links import PHYS, DladmError, Link, aggregations, properties, status
from illumos_lab.links.model import Aggregation
from illumos_lab.ofmt import Output, fields
from illumos_lab.subcommand import Fatal

FIELDS = fields(
    ("LINK", 16), ("POLICY", 9), ("ADDRPOLICY", 21), ("LACPACTIVITY", 14), ("LACPTIMER", 12), ("FLAGS", 8)
)
PORT_FIELDS = fields(
    ("LINK", 12),
    ("PORT", 15),
    ("SPEED", 5),
    ("DUPLEX", 10),
    ("STATE", 10),
    ("ADDRESS", 19),
    ("PORTSTATE", 16),
)
TRAFFIC_FIELDS = fields(
    ("LINK", 12),
    ("PORT", 10),
    ("IPACKETS", 8),
    ("RBYTES", 8),
    ("OPACKETS", 8),
    ("OBYTES", 8),
    ("IPKTDIST", 9),
    ("OPKTDIST", 15),
)
LACP_FIELDS = fields(
    ("LINK", 12),
    ("PORT", 13),
    ("AGGREGATABLE", 13),
    ("SYNC", 5),
    ("COLL", 5),
    ("DIST", 5),
    ("DEFAULTED", 10),
    ("EXPIRED", 15),
)
MAX_PORTS = 256
LONG = {
    "dev": "d",
    "policy": "P",
    "lacp-mode": "L",
    "lacp-timer": "T",
    "unicast": "u",
    "temporary": "t",
    "root-dir": "R",
    "link": "l",
    "forcible": "f",
}


def _number(text: str) -> int | None:
    """A key, or None for a name."""
    return int(text) if text.lstrip("+-").isdigit() else None


# What the options say ----------------------------------------------------------------------------


def _word(words: tuple[str, ...], text: str, what: str) -> str:
    """The word that a text begins with; dladm does not look at what follows."""
    for word in words:
        if text.lower().startswith(word):
            return word
    raise Fatal(f"invalid {what} '{text}'")


def _policy(text: str) -> tuple[str, ...]:
    given = {part.upper() for part in text.split(",") if part}
    if not given <= set(aggregations.POLICIES):
        raise Fatal(f"invalid policy '{text}'")
    return tuple(policy for policy in aggregations.POLICIES if policy in given)


def _mac(text: str) -> str:
    mac = linkname.parse_mac(text)
    if text == aggregations.AUTO:
        return text
    if mac is None or int(mac.split(":")[0], 16) & 1 or set(mac) <= set("0:"):
        raise Fatal(f"invalid MAC address '{text}'")
    return mac


def _settings(options: Options, base: Aggregation, mode_letters: str) -> tuple[Aggregation, str | None]:
    """The aggregation that ``-P``, ``-L``, ``-T`` and ``-u`` make of another, and its address."""
    mac = None
    for letter, text in options.pairs:
        if letter == "P":
            base = replace(base, policy=_policy(text))
        elif letter == "u":
            mac = _mac(text)
        elif letter in mode_letters:
            base = replace(base, lacp=_word(aggregations.LACP_MODES, text, "LACP mode"))
        elif letter == "T":
            base = replace(base, timer=_word(aggregations.LACP_TIMERS, text, "LACP timer value"))
    return base, mac


def _ports(call: Call, options: Options, links: list[str], device: str, link: str) -> tuple[str, ...]:
    """The names behind ``-d`` and ``-l``; devices come first.

    Raises:
        Fatal: there is no such device or link.
    """
    found = []
    for name in options.all("d"):
        known = next((each.name for each in call.visible() if each.device == name), None)
        if known is None:
            raise Fatal(f"invalid {device} '{name}': {status.NOT_FOUND}")
        found.append(known)
    for name in links:
        if call.find(name) is None and call.find_record(name) is None:
            raise Fatal(f"invalid {link} '{name}': {status.NOT_FOUND}")
        found.append(name)
    return tuple(found)


def _check_count(options: Options, links: list[str]) -> None:
    count = len(options.all("d")) + len(links)
    if count > MAX_PORTS:
        raise Fatal("too many ports specified")
    if count == 0:
        raise UsageError


# Changing ----------------------------------------------------------------------------------------


def create_aggr(call: Call) -> int:
    """dladm create-aggr [-t] [-R root-dir] [-P policy] [-L mode] [-T time] [-u address] -l LINK... NAME"""
    options = call.options(":d:l:L:P:R:tfu:T:p:", once="PuLT", long=LONG)
    # Before there was -L, the mode was given with -l; a link's name ends in a digit.
    links = [text for text in options.all("l") if text[-1:].isdigit()]
    modes = [(letter, text) for letter, text in options.pairs if letter in "lL" and text not in links]
    if len(modes) > 1:
        raise Fatal(f"the option -{modes[1][0]} cannot be specified more than once")
    kept = [pair for pair in options.pairs if pair[0] not in "lL"]
    given = Options(kept + [("L", text) for _, text in modes], options.operands)
    wanted, mac = _settings(given, Aggregation(()), "L")
    _check_count(options, links)
    name, wanted = _named(call, options.required_operand(), wanted)
    if call.deferred(options):
        return 0
    ports = _ports(call, options, links, "dev name", "link name")
    wanted = replace(wanted, ports=ports, force="f" in options)
    temporary = "t" in options
    with call.failing_as("create operation failed"):
        call.require_privilege()
        call.links.aggregations.create(
            name, wanted, None if mac == aggregations.AUTO else mac, temporary=temporary
        )
    _set_properties(call, name, ",".join(options.all("p")), temporary)
    return 0


def _named(call: Call, text: str, wanted: Aggregation) -> tuple[str, Aggregation]:
    key = _number(text)
    if key is None:
        return call.checked_name(text), wanted
    return f"aggr{key}", replace(wanted, key=key)


def _set_properties(call: Call, name: str, text: str, temporary: bool) -> None:
    """The aggregation is there already; it stays when a property fails."""
    try:
        wanted = properties.parse_list(text) if text else []
    except ValueError as error:
        raise Fatal("invalid aggregation property") from error
    for key, values in wanted:
        with call.failing_as(f"aggr creation succeeded but could not set property '{key}'"):
            call.set_property(name, key, values, temporary)


def _target(call: Call, text: str) -> str:
    """The aggregation that a name or key stands for.

    Raises:
        DladmError: there is none.
    """
    key = _number(text)
    if key == 0:
        raise DladmError(status.INVALID_LINK)
    if key is None:
        if call.find(text) is None and call.find_record(text) is None:
            raise DladmError(status.NOT_FOUND)
        return text
    link = call.links.aggregations.by_key(key)
    if link is None:
        raise DladmError(status.NOT_FOUND)
    return link.name


def delete_aggr(call: Call) -> int:
    """dladm delete-aggr [-t] [-R root-dir] NAME"""
    options = call.options(":R:t", long=LONG)
    text = options.required_operand()
    if call.deferred(options):
        return 0
    with call.failing_as("delete operation failed"):
        name = _target(call, text)
        call.require_privilege()
        call.links.aggregations.delete(name, temporary="t" in options)
    return 0


def add_aggr(call: Call) -> int:
    """dladm add-aggr [-t] [-R root-dir] -l LINK [-l LINK]... NAME"""
    return _change_ports(call, ":d:l:R:tf", "add", call.links.aggregations.add_ports)


def remove_aggr(call: Call) -> int:
    """dladm remove-aggr [-t] [-R root-dir] -l LINK [-l LINK]... NAME"""
    return _change_ports(call, ":d:l:R:t", "remove", call.links.aggregations.remove_ports)


def _change_ports(call: Call, letters: str, operation: str, change: Callable[..., None]) -> int:
    options = call.options(letters, long=LONG)
    links = options.all("l")
    _check_count(options, links)
    text = options.required_operand()
    if call.deferred(options):
        return 0
    with call.failing_as(f"{operation} operation failed"):
        name = _target(call, text)
        ports = _ports(call, options, links, "<dev>", "<link>")
        call.require_privilege()
        change(name, ports, temporary="t" in options)
    return 0


def modify_aggr(call: Call) -> int:
    """dladm modify-aggr [-t] [-R root-dir] [-P policy] [-L mode] [-T time] [-u address] NAME"""
    options = call.options(":L:l:P:R:tu:T:", once="PuLlT", long=LONG)
    if len(options.all("l")) + len(options.all("L")) > 1:
        raise Fatal("the option -L cannot be specified more than once")
    _, mac = _settings(options, Aggregation(()), "lL")
    if not any(letter in options for letter in "PulLT"):
        raise Fatal("at least one of the -PulT options must be specified")
    text = options.required_operand()
    if call.deferred(options):
        return 0
    with call.failing_as("modify operation failed"):
        name = _target(call, text)
        call.require_privilege()
        call.links.aggregations.modify(
            name, lambda old: _settings(options, old, "lL")[0], mac, temporary="t" in options
        )
    return 0


# Showing -----------------------------------------------------------------------------------------


def show_aggr(call: Call) -> int:
    """dladm show-aggr [-PLx] [-s [-i secs]] [[-p] -o field,...] [NAME]"""
    long = {"lacp": "L", "extended": "x", "statistics": "s", "interval": "i", "persistent": "P"}
    long |= {"parseable": "p", "parsable": "p", "output": "o"}
    options = call.options(":LpPxsi:o:", once="LpPxsi", long=long)
    _check_show(call, options)
    name = options.operand()
    persistent = "P" in options
    by_mode = {"L": LACP_FIELDS, "x": PORT_FIELDS, "s": TRAFFIC_FIELDS}
    columns = next((columns for letter, columns in by_mode.items() if letter in options), FIELDS)
    shown = [] if name is None else [_shown(call, name, persistent)]
    output = call.output(columns, options)
    for link in shown or (call.records() if persistent else call.visible()):
        if link.aggregation is None:
            continue
        if "s" in options:
            _print_traffic(call, output, link, link.aggregation, named=name is not None)
        else:
            _print(call, output, options, link, link.aggregation)
    return 0


def _check_show(call: Call, options: Options) -> None:
    if "p" in options and "o" not in options:
        raise Fatal("-p requires -o")
    if "p" in options and (options.get("o") or "").lower() == "all":
        raise Fatal('"-o all" is invalid with -p')
    check_interval(call, options)
    for letter, others in (("s", "LpxP"), ("L", "P"), ("x", "LP")):
        if letter in options and (other := next((other for other in others if other in options), None)):
            raise Fatal(f"the option -{other} cannot be used with -{letter}")


def _shown(call: Call, name: str, persistent: bool) -> Link:
    try:
        found = _target(call, name)
    except DladmError as error:
        raise Fatal(f"non-existent aggregation '{name}'") from error
    link = call.find_record(found) if persistent else call.find(found)
    if link is None or link.aggregation is None:
        raise Fatal(f"failed to show aggr {name}: {status.NOT_FOUND}")
    return link


def _print(call: Call, output: Output, options: Options, link: Link, own: Aggregation) -> None:
    if "L" in options:
        for number, port in enumerate(own.ports):
            output.print({"LINK": "" if number else link.name, "PORT": port} | _lacp_row(own))
    elif "x" in options:
        row = {"SPEED": "1000Mb", "DUPLEX": "full", "STATE": link.state, "ADDRESS": link.mac}
        output.print({"LINK": link.name} | row)
        for port in own.ports:
            name = link.name if "p" in options else " "
            output.print({"LINK": name, "PORT": port} | _port_row(call, port))
    else:
        fixed = link.mac_type == aggregations.FIXED
        output.print(
            {
                "LINK": link.name,
                "POLICY": ",".join(own.policy),
                "ADDRPOLICY": f"fixed ({link.mac})" if fixed else aggregations.AUTO,
                "LACPACTIVITY": own.lacp,
                "LACPTIMER": own.timer,
                "FLAGS": "f----" if own.force else "-----",
            }
        )


def _print_traffic(call: Call, output: Output, link: Link, own: Aggregation, *, named: bool) -> None:
    """The sum over the ports, and each of them with its part of the packets."""
    ports = [call.links.get(name) for name in own.ports]
    if not all(port and port.link_class == PHYS for port in ports):
        # dladm asks for the card behind each port, and a simnet has none.
        if named:
            raise Fatal(f"failed to show aggr {link.name}: {status.INVALID_ARGUMENT}")
        return
    counts = [call.host.kernel.traffic(name) for name in own.ports]
    names = ("ipackets", "rbytes", "opackets", "obytes")
    total = {name: sum(getattr(each, name) for each in counts) for name in names}
    output.print({"LINK": link.name} | {name.upper(): str(total[name]) for name in names})
    for port, count in zip(own.ports, counts, strict=True):
        row = {name.upper(): str(getattr(count, name)) for name in names}
        row |= {
            "IPKTDIST": _percent(count.ipackets, total["ipackets"]),
            "OPKTDIST": _percent(count.opackets, total["opackets"]),
        }
        output.print({"PORT": port} | row)


def _percent(part: int, whole: int) -> str:
    # Of nothing it is no number, with the sign that the processor gives it.
    return f"{part / whole * 100:<6.1f}" if whole else "-NaN  "


def _lacp_row(own: Aggregation) -> dict[str, str]:
    agreed = "no" if own.lacp == "off" else "yes"
    return {
        "AGGREGATABLE": "yes",
        "SYNC": agreed,
        "COLL": agreed,
        "DIST": agreed,
        "DEFAULTED": "no",
        "EXPIRED": "no",
    }


def _port_row(call: Call, name: str) -> dict[str, str]:
    port = call.links.get(name)
    row = {"ADDRESS": port.mac if port else "", "PORTSTATE": "attached"}
    if port is None or not port.device:
        # dladm asks for the device of a port, and a simnet has none.
        return row | {"SPEED": "0Mb", "DUPLEX": "unknown", "STATE": "?"}
    return row | {"SPEED": "1000Mb", "DUPLEX": "full", "STATE": "up"}
