"""dladm set-linkprop, reset-linkprop and show-linkprop."""

from __future__ import annotations

from illumos_lab.commands.dladm.call import Call, Options, UsageError
from illumos_lab.commands.dladm.show import select
from illumos_lab.links import DladmError, Link, properties, status
from illumos_lab.links.properties import NotOneOfError, Values
from illumos_lab.ofmt import Output, fields
from illumos_lab.subcommand import Fatal

FIELDS = fields(
    ("LINK", 13), ("PROPERTY", 16), ("PERM", 5), ("VALUE", 15), ("DEFAULT", 15), ("POSSIBLE", 20)
)


def set_linkprop(call: Call) -> int:
    """dladm set-linkprop [-t] [-R root-dir] -p prop=val,... LINK"""
    options, wanted = _parse(call)
    if not wanted:
        raise Fatal("link property must be specified")
    return _change(call, options, wanted, reset=False)


def reset_linkprop(call: Call) -> int:
    """dladm reset-linkprop [-t] [-R root-dir] [-p prop,...] LINK"""
    options, wanted = _parse(call)
    return _change(call, options, wanted, reset=True)


def _parse(call: Call) -> tuple[Options, list[tuple[str, Values]]]:
    options = call.options(":tR:p:z:" if call.forked else ":tR:p:")
    if len(options.operands) != 1:
        raise UsageError
    text = ",".join(options.all("p"))
    try:
        return options, properties.parse_list(text) if "p" in options else []
    except ValueError as error:
        raise Fatal("invalid link properties specified") from error


def _change(call: Call, options: Options, wanted: list[tuple[str, Values]], *, reset: bool) -> int:
    name = options.operands[0]
    link = call.find(name, options.get("z"))
    if link is None:
        raise Fatal(f"link {name} is not valid: {status.NOT_FOUND}")
    if call.deferred(options):
        return 0
    temporary = "t" in options
    if not wanted:
        return _reset_all(call, link, temporary)
    # Each property is set on its own, and the exit status tells of the last one only.
    failed = False
    for key, values in wanted:
        if not reset and not values:
            raise Fatal(f"no value specified for '{key}'")
        failed = not _change_one(call, link, key, None if reset else values, temporary)
    return int(failed)


def _change_one(call: Call, link: Link, key: str, values: Values | None, temporary: bool) -> bool:
    prop = properties.BY_NAME.get(key)
    if prop is None or prop not in properties.of(link):
        call.warn(f"invalid link property '{key}'")
        return False
    try:
        call.require_privilege()
        if values is None:
            call.links.reset_property(link.name, prop, temporary=temporary)
        else:
            call.links.set_property(link.name, prop, values, temporary=temporary)
    except NotOneOfError as error:
        call.warn(f"link property '{key}' must be one of: {','.join(error.choices)}")
        return False
    except DladmError as error:
        if error.status == status.INVALID_VALUE and values:
            # dladm names the value here, not the property.
            call.warn(f"invalid link property '{values[0]}'")
        else:
            verb = "reset" if values is None else "set"
            call.warn(f"cannot {verb} link property '{key}' on '{link.name}': {error.status}")
        return False
    return True


def _reset_all(call: Call, link: Link, temporary: bool) -> int:
    failed = False
    for prop in properties.of(link):
        touched = prop.name in link.properties or (prop.name == "zone" and link.zone)
        record = call.links.get_record(link.name)
        kept = record is not None and prop.name in record.properties
        if touched or (kept and not temporary):
            failed = not _change_one(call, link, prop.name, None, temporary)
    return int(failed)


def show_linkprop(call: Call) -> int:
    """dladm show-linkprop [-P] [-c] [-o field,...] [-p prop,...] [LINK]"""
    options = call.options(":cPo:p:z:" if call.forked else ":cPo:p:", once="pcPo")
    persistent = "P" in options
    names = [name for name in (options.get("p") or "").split(",") if name]
    if "p" in options and not names:
        raise Fatal("invalid link properties specified")
    links = select(call, options.operand(), persistent)
    if (zone := options.get("z")) is not None:
        links = [link for link in links if (link.zone or "global") == zone]
    output = call.output(FIELDS, options, parseable="c", wrap=True)
    failed = False
    for link in links:
        for name in names or [prop.name for prop in properties.of(link)]:
            failed |= not _show_one(call, output, link, name, persistent)
    return int(failed)


def _show_one(call: Call, output: Output, link: Link, name: str, persistent: bool) -> bool:
    prop = properties.BY_NAME.get(name)
    if prop is None:
        call.warn(f"cannot get link property '{name}' for {link.name}: {status.NOT_FOUND}")
        return False
    if prop not in properties.of(link):
        # Known to dladm, but not to links of this class: nothing to show.
        return True
    shown = properties.shown_persistent if persistent else properties.shown
    output.print(
        {
            "LINK": link.name,
            "PROPERTY": prop.name,
            "PERM": prop.permissions,
            "VALUE": shown(link, prop),
            "DEFAULT": prop.default(link),
            "POSSIBLE": prop.possible_values(link),
        }
    )
    return True
