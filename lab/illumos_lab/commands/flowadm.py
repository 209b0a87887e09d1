"""flowadm(8): administer flows over datalinks."""

from __future__ import annotations

from collections.abc import Callable

from illumos_lab.commands.dladm.call import Call, Fatal, Options, UsageError
from illumos_lab.deferred import deferred_output
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.links import DladmError, properties
from illumos_lab.links.flows import ATTRIBUTES, Flow, normalise
from illumos_lab.links.properties import PRIORITIES, Values
from illumos_lab.ofmt import fields

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


def _list(text: str, message: str) -> list[tuple[str, Values]]:
    try:
        return properties.parse_list(text)
    except ValueError as error:
        raise Fatal(message) from error


def add_flow(call: Call) -> int:
    """add-flow [-t] [-R root-dir] -l LINK -a attr=val,... [-p prop=val,...] FLOW"""
    options = call.options(":tR:l:a:p:", long=_LONG)
    link = options.get("l")
    if link is None:
        raise Fatal("link is required")
    if call.find(link) is None:
        raise Fatal(f"invalid link '{link}'")
    if not options.operands:
        raise Fatal("flow name is required")
    name = options.required_operand()
    if len(name) > MAX_NAME:
        raise Fatal("flow name too long")
    attributes = _attributes(options)
    text = ",".join(options.all("p"))
    wanted = _list(text, "invalid flow property specified") if text else []
    if call.deferred(options):
        return 0
    flow = Flow(name, link, attributes, persistent="t" not in options)
    try:
        for key, values in wanted:
            flow.properties[key] = _checked(key, values)
        call.require_privilege()
        flow.attributes = normalise(attributes)
        call.links.flows.add(flow)
    except DladmError as error:
        raise Fatal(f"add flow failed: {error.status}") from error
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
        Fatal: no such property, or (priority) none of its values.
        DladmError: a bad bandwidth.
    """
    if key not in ("maxbw", "priority") or len(values) != 1:
        raise Fatal("invalid flow property specified")
    if key == "maxbw":
        return properties.bandwidth(values)
    if values[0] not in PRIORITIES:
        raise Fatal(f"flow property '{key}' must be one of: {','.join(PRIORITIES)}")
    return values


def remove_flow(call: Call) -> int:
    """remove-flow [-t] [-R root-dir] {-l LINK | FLOW}"""
    options = call.options(":tR:l:", long=_LONG)
    link, name = options.get("l"), options.operand()
    if (link is None) == (name is None):
        raise UsageError
    if link is not None and call.find(link) is None:
        raise Fatal(f"invalid link '{link}'")
    if call.deferred(options):
        return 0
    flows = call.links.flows
    chosen = flows.over(link) if link else [_existing(call, name or "")]
    try:
        call.require_privilege()
    except DladmError as error:
        raise Fatal(f"remove flow failed: {error.status}") from error
    for flow in chosen:
        flows.remove(flow, temporary="t" in options)
    return 0


def _existing(call: Call, name: str) -> Flow:
    flow = call.links.flows.get(name)
    if flow is None:
        raise Fatal(f"invalid flow: '{name}'")
    return flow


def show_flow(call: Call) -> int:
    """show-flow [-P] [-l LINK] [-s [-i secs]] [[-p] -o field,...] [FLOW]"""
    options = call.options(":pPl:si:o:", long=_LONG)
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
    options = call.options(":tR:p:", long=_LONG)
    if not options.operands:
        raise Fatal("flow name must be specified")
    flow = _existing(call, options.required_operand())
    if "p" not in options and not reset:
        raise Fatal("flow property must be specified")
    text = ",".join(options.all("p")) or ",".join(flow.properties)
    wanted = _list(text, "invalid flow property specified") if text else []
    if call.deferred(options):
        return 0
    try:
        call.require_privilege()
        for key, values in wanted:
            if key not in ("maxbw", "priority"):
                call.warn(f"invalid flow property '{key}'")
                return 1
            new = None if reset else _checked(key, values)
            call.links.flows.set_property(flow, key, new, temporary="t" in options)
            flow = _existing(call, flow.name)
    except DladmError as error:
        verb = "reset" if reset else "set"
        raise Fatal(f"cannot {verb} flow property on '{flow.name}': {error.status}") from error
    return 0


def show_flowprop(call: Call) -> int:
    """show-flowprop [-c] [-P] [-l LINK] [-o field,...] [-p prop,...] [FLOW]"""
    options = call.options(":cPl:o:p:", long=_LONG)
    names = [name for name in (options.get("p") or "maxbw,priority").split(",") if name]
    flows = _selected(call, options)
    output = call.output(FLOWPROP_FIELDS, options, parseable="c")
    failed = False
    for flow in flows:
        for name in names:
            if name not in ("maxbw", "priority"):
                call.warn(f"invalid flow property '{name}'")
                failed = True
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
    return int(failed)


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
    subcommand, argv = (run.argv[0], run.argv[1:]) if run.argv else ("show-flow", [])
    if subcommand in NOT_EMULATED:
        run.err(f"{run.name}: {subcommand}: not emulated by the lab\n")
        return 1
    function = SUBCOMMANDS.get(subcommand)
    if function is None:
        run.err(f"{run.name}: unknown subcommand '{subcommand}'\n{_usage()}")
        return 1
    synopsis = function.__doc__ or ""
    with deferred_output(run) as later:
        try:
            with host.lock:
                return function(Call(host, later, subcommand, argv, synopsis))
        except UsageError:
            later.err(_usage())
        except Fatal as error:
            later.err(f"{run.name}: {error}\n")
        except DladmError as error:
            later.err(f"{run.name}: {error.status}\n")
    return 1


def _usage() -> str:
    lines = [f"        {function.__doc__}\n" for function in SUBCOMMANDS.values()]
    return "usage: flowadm <subcommand> <args> ...\n" + "".join(lines)
