"""flowadm(8): administer flows over datalinks."""

from __future__ import annotations

from collections.abc import Callable

from illumos_lab.commands.dladm.call import Call, Options, UsageError
from illumos_lab.deferred import deferred_output
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.links import DladmError, properties, status
from illumos_lab.links.flows import ATTRIBUTES, Flow, normalise
from illumos_lab.links.properties import PRIORITIES, Values
from illumos_lab.ofmt import fields
from illumos_lab.subcommand import Fatal

FLOW_FIELDS = fields(
    ("FLOW", 12),
    ("LINK", 12),
    ("IPADDR", 25),
    ("PROTO", 7),
    ("LPORT", 8),
    ("RPORT", 8),
    ("DSFLD", 10),
)
FLOWPROP_FIELDS = fields(("FLOW", 13), ("PROPERTY", 16), ("VALUE", 15), ("DEFAULT", 15), ("POSSIBLE", 21))
MAX_NAME = 127
_PROPERTIES = ("maxbw", "priority")
_USAGE = """\
usage: flowadm <subcommand> <args>...
    add-flow       [-t] -l <link> -a <attr>=<value>[,...]
\t\t   [-p <prop>=<value>,...] <flow>
    remove-flow    [-t] {-l <link> | <flow>}
    show-flow      [-p] [-l <link>] [<flow>]

    set-flowprop   [-t] -p <prop>=<value>[,...] <flow>
    reset-flowprop [-t] [-p <prop>,...] <flow>
    show-flowprop  [-cP] [-l <link>] [-p <prop>,...] [<flow>]
"""
_LONG = {
    "temporary": "t",
    "root-dir": "R",
    "link": "l",
    "attr": "a",
    "prop": "p",
    "persistent": "P",
    "parsable": "p",
    "parseable": "p",
    "output": "o",
    "statistics": "s",
    "interval": "i",
}


def _options(call: Call, letters: str) -> Options:
    """The options of a subcommand; a wrong one is told without the usage.

    Raises:
        Fatal: unknown or incomplete options.
    """
    try:
        return call.options(letters, long=_LONG)
    except Fatal as error:
        raise Fatal(str(error).partition("\n")[0]) from error


def _list(text: str, message: str) -> list[tuple[str, Values]]:
    try:
        return properties.parse_list(text)
    except ValueError as error:
        raise Fatal(message) from error


def add_flow(call: Call) -> int:
    """add-flow [-t] [-R root-dir] -l LINK -a attr=val,... [-p prop=val,...] FLOW"""
    options = _options(call, ":tR:l:a:p:")
    link = options.get("l")
    if link is None:
        raise Fatal("link is required")
    if call.find(link) is None:
        raise Fatal(f"invalid link '{link}'")
    name = options.operands[0] if len(options.operands) == 1 else ""
    if not name or name in ATTRIBUTES:
        raise Fatal("flow name is required")
    if len(name) > MAX_NAME:
        raise Fatal("flow name too long")
    attributes = _attributes(options)
    text = ",".join(options.all("p"))
    message = "invalid flow property specified"
    wanted = _list(text, message) if text else []
    if any(key not in _PROPERTIES or len(values) != 1 for key, values in wanted):
        raise Fatal(message)
    if call.deferred(options):
        return 0
    flow = Flow(name, link, attributes, persistent="t" not in options)
    with call.failing_as("add flow failed"):
        for key, values in wanted:
            flow.properties[key] = _checked(key, values)
        call.require_privilege()
        flow.attributes = normalise(attributes)
        call.links.flows.add(flow)
    return 0


def _attributes(options: Options) -> dict[str, str]:
    if "a" not in options:
        raise Fatal("invalid flow attribute specified")
    message = "invalid flow attribute specified"
    found = {}
    for key, values in _list(",".join(options.all("a")), message):
        if key not in ATTRIBUTES or len(values) != 1:
            raise Fatal(message)
        found[key] = values[0]
    return found


def _checked(key: str, values: Values) -> Values:
    """The value of a flow property as it is kept.

    Raises:
        DladmError: none of its values.
    """
    if key == "maxbw":
        return properties.bandwidth(values)
    if values[0] not in PRIORITIES:
        raise DladmError(status.INVALID_VALUE)
    return values


def remove_flow(call: Call) -> int:
    """remove-flow [-t] [-R root-dir] {-l LINK | FLOW}"""
    options = _options(call, ":tR:l:")
    link, name = options.get("l"), options.operand()
    if (link is None) == (name is None):
        raise UsageError
    if link is not None and call.find(link) is None:
        raise Fatal(f"invalid link '{link}'")
    if call.deferred(options):
        return 0
    flows = call.links.flows
    with call.failing_as("remove flow failed"):
        call.require_privilege()
        for flow in flows.over(link) if link else [_existing(call, name or "")]:
            flows.remove(flow, temporary="t" in options)
    return 0


def _existing(call: Call, name: str) -> Flow:
    """An active flow.

    Raises:
        DladmError: there is none of that name.
    """
    flow = call.links.flows.get(name)
    if flow is None:
        raise DladmError(status.NOT_FOUND)
    return flow


def show_flow(call: Call) -> int:
    """show-flow [-P] [-l LINK] [-s [-i secs]] [[-p] -o field,...] [FLOW]"""
    options = _options(call, ":pPl:si:o:")
    if "s" in options:
        call.not_emulated("show-flow -s")
    flows = _selected(call, options)
    output = call.output(FLOW_FIELDS, options)
    for flow in flows:
        attributes = flow.attributes
        address = ""
        for key, label in (("local_ip", "LCL"), ("remote_ip", "RMT")):
            if key in attributes:
                # The two blanks are the original's.
                address = f"{label}:{attributes[key]}  "
        output.print(
            {
                "FLOW": flow.name,
                "LINK": flow.link,
                "IPADDR": address,
                "PROTO": attributes.get("transport", ""),
                "LPORT": attributes.get("local_port", ""),
                "RPORT": attributes.get("remote_port", ""),
                "DSFLD": attributes.get("dsfield", ""),
            }
        )
    return 0


def _selected(call: Call, options: Options) -> list[Flow]:
    link, name = options.get("l"), options.operand()
    if link is not None and call.find(link) is None:
        raise Fatal(f"invalid link '{link}'")
    table = call.links.flows
    flows = table.all_records() if "P" in options else table.all()
    if name is not None and not any(flow.name == name for flow in flows):
        raise Fatal(f"invalid flow: '{name}'")
    return [flow for flow in flows if link in (None, flow.link) and name in (None, flow.name)]


def set_flowprop(call: Call) -> int:
    """set-flowprop [-t] [-R root-dir] -p prop=val,... FLOW"""
    return _change(call, reset=False)


def reset_flowprop(call: Call) -> int:
    """reset-flowprop [-t] [-R root-dir] [-p prop,...] FLOW"""
    return _change(call, reset=True)


def _change(call: Call, *, reset: bool) -> int:
    options = _options(call, ":tR:p:")
    name = options.operand()
    if name is None:
        raise Fatal("flow name must be specified")
    text = ",".join(options.all("p"))
    if not text and not reset:
        raise Fatal("flow property must be specified")
    wanted = _list(text or ",".join(_PROPERTIES), "invalid flow property specified")
    if call.deferred(options):
        return 0
    failed = False
    for key, values in wanted:
        if not values and not reset:
            call.warn(f"no value specified for '{key}'")
            failed = True
            continue
        try:
            call.require_privilege()
            if key not in _PROPERTIES:
                raise DladmError(status.NOT_FOUND)
            flow = _existing(call, name)
            new = None if reset else _checked(key, values)
            call.links.flows.set_property(flow, key, new, temporary="t" in options)
        except DladmError as error:
            call.warn(_refusal(name, key, values, error.status, reset=reset))
            failed = True
    return int(failed)


def _refusal(name: str, key: str, values: Values, why: str, *, reset: bool) -> str:
    if why == status.NOT_FOUND:
        return f"invalid flow property '{key}'"
    if why == status.INVALID_VALUE and key == "priority":
        return f"flow property '{key}' must be one of: {','.join(PRIORITIES)}"
    if why == status.INVALID_VALUE:
        return f"{values[0]} is an invalid value for flow property {key}"
    return f"cannot {'reset' if reset else 'set'} flow property '{key}' on '{name}': {why}"


def show_flowprop(call: Call) -> int:
    """show-flowprop [-c] [-P] [-l LINK] [-o field,...] [-p prop,...] [FLOW]"""
    options = _options(call, ":cPl:o:p:")
    names = [name for name in (options.get("p") or ",".join(_PROPERTIES)).split(",") if name]
    flows = _selected(call, options)
    output = call.output(FLOWPROP_FIELDS, options, parseable="c")
    for flow in flows:
        for name in names:
            if name not in _PROPERTIES:
                call.warn(f"invalid flow property '{name}'")
                unknown = dict.fromkeys(("VALUE", "DEFAULT", "POSSIBLE"), "?")
                output.print({"FLOW": flow.name, "PROPERTY": name, **unknown})
                continue
            values = flow.properties.get(name, [])
            shown = "".join(values)
            if values and name == "maxbw":
                shown = properties.format_bandwidth(values[0])
            priority = name == "priority"
            output.print(
                {
                    "FLOW": flow.name,
                    "PROPERTY": name,
                    "VALUE": shown or ("medium" if priority else ""),
                    "DEFAULT": "medium" if priority else "",
                    "POSSIBLE": ",".join(PRIORITIES) if priority else "",
                }
            )
    return 0


SUBCOMMANDS: dict[str, Callable[[Call], int]] = {
    "add-flow": add_flow,
    "remove-flow": remove_flow,
    "set-flowprop": set_flowprop,
    "reset-flowprop": reset_flowprop,
    "show-flow": show_flow,
    "show-flowprop": show_flowprop,
}
"""What the lab emulates."""

NOT_EMULATED = frozenset({"init-flow", "show-usage"})
"""What illumos has besides."""


def main(host: Host, run: Invocation) -> int:
    """Run flowadm; exit status 0 or 1."""
    if not run.argv:
        run.err(_USAGE)
        return 1
    subcommand, *argv = run.argv
    if subcommand in NOT_EMULATED:
        run.err(f"{run.name}: {subcommand}: not emulated by the lab\n")
        return 1
    function = SUBCOMMANDS.get(subcommand)
    if function is None:
        run.err(f"{run.name}: unknown subcommand '{subcommand}'\n{_USAGE}")
        return 1
    synopsis = function.__doc__ or ""
    with deferred_output(run) as later:
        try:
            with host.lock:
                return function(Call(host, later, subcommand, argv, synopsis))
        except UsageError:
            later.err(_USAGE)
        except Fatal as error:
            later.err(f"{run.name}: {error}\n")
        except DladmError as error:
            later.err(f"{run.name}: {error.status}\n")
    return 1
