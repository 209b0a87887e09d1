"""What ``info`` and ``export`` of zonecfg(8) print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from illumos_lab.zonecfg import lookup, values
from illumos_lab.zonecfg.grammar import Command
from illumos_lab.zonecfg.model import (
    DEFAULT_LIMIT_LENGTH,
    RESOURCES,
    Configuration,
    IncompatibleRctlError,
    items_of,
    properties_of,
)
from illumos_lab.zonecfg.values import bytes_to_size, strtoull
from illumos_lab.zonecfg.xmlfile import Element

if TYPE_CHECKING:
    from illumos_lab.zonecfg.editing import Editor
    from illumos_lab.zonecfg.scope import Scope
    from illumos_lab.zonecfg.session import Session

_LIMITED = ("bootargs", "pool", "scheduling-class")
_GLOBAL_ZONE_PROPERTIES = ("zonename", "pool")
_INFO_RESOURCES = (
    "fs", "net", "device", "dedicated-cpu", "capped-cpu", "capped-memory", "attr", "dataset", "admin",
    "rctl", "security-flags",
)  # fmt: skip
_HOSTID_LENGTH = 10
_AUTOBOOT_LENGTH = 5
_SIZED = ("max-shm-memory", "physical", "swap", "locked")
_INFO_RESOURCES_OF_GLOBAL = ("dedicated-cpu", "capped-cpu", "capped-memory", "rctl", "security-flags")
_SHOWN = {
    "fs": ("dir", "special", "raw", "type"),
    "net": ("address", "allowed-address", "physical", "defrouter"),
    "device": ("match",),
    "rctl": ("name",),
    "attr": ("name", "type", "value"),
    "dataset": ("name",),
    "admin": ("user", "auths"),
    "security-flags": ("default", "lower", "upper"),
}
_FORK_NET_SHOWN = (
    "address", "allowed-address", "defrouter", "global-nic", "mac-addr", "physical", "vlan-id",
)  # fmt: skip
_FORK_NET_EXPORTED = (
    "address", "allowed-address", "physical", "mac-addr", "vlan-id", "global-nic", "defrouter",
)  # fmt: skip


# info --------------------------------------------------------------------------------------------


def info(session: Editor, command: Command) -> None:
    """Carry out ``info`` in the global scope."""
    if command.property is not None:
        if session.is_global and command.property not in ("pool", *session.dialect.aliases):
            session.say(f"{command.property} is not a valid property for the global zone.")
        else:
            _info_property(session, command.property)
        return
    if command.resource is not None:
        _info_resource(session, command)
        return
    for name in session.dialect.info_properties:
        if not session.is_global or name in (*_GLOBAL_ZONE_PROPERTIES, *session.dialect.aliases):
            _info_property(session, name)
    for resource in _INFO_RESOURCES_OF_GLOBAL if session.is_global else _INFO_RESOURCES:
        for element in _all(session, resource):
            session.run.out(_resource_block(session, resource, element))


def _info_property(session: Session, name: str) -> None:
    configuration = session.current
    if name in session.dialect.aliases:
        session.run.out(_alias_line(configuration, name, ""))
        return
    match name:
        case "brand":
            value = session.store.brand_of(configuration)
        case "ip-type":
            value = configuration.ip_type
            if value not in ("shared", "exclusive"):
                session.error(f"{session.zone}: Invalid argument")
                return
        case "zonename" | "zonepath" if not configuration.has(name):
            session.run.out(f"{name} not specified\n")
            return
        case "uuid":
            value = configuration.uuid
        case _:
            value = configuration.get(name)
    problem = _unreadable(name, value)
    if problem is not None:
        session.error(f"{session.zone}: {problem}")
        return
    session.run.out(f"{name}: {value}\n")


def _unreadable(name: str, value: str) -> str | None:
    """Why a value that the file has is not shown."""
    if name in _LIMITED and len(value) > DEFAULT_LIMIT_LENGTH:
        return "Arg list too long"
    match name:
        case "autoboot" if len(value) > _AUTOBOOT_LENGTH:
            return "Arg list too long"
        case "autoboot" if value not in ("true", "false"):
            return "Bad document property"
        case "hostid" if len(value) > _HOSTID_LENGTH:
            return "Arg list too long"
        case "hostid" if value and not values.valid_hostid(value):
            return "Specified property is invalid"
        case "fs-allowed" if not values.valid_fs_allowed(value):
            return "Specified property is invalid"
    return None


def _alias_line(configuration: Configuration, name: str, indent: str) -> str:
    try:
        value = configuration.alias(name)
    except IncompatibleRctlError:
        return ""
    if value is None:
        return ""
    shown = bytes_to_size(value) if name in _SIZED else str(value)
    if name == "ncpus":
        shown = values.cpus_of_cap(value)
    return f"{indent}[{name}: {shown}]\n"


def _all(session: Session, resource: str) -> list[Element | None]:
    """The elements that ``info`` shows for a resource type; None stands for one without element."""
    configuration = session.current
    forked = session.dialect.forked
    match resource:
        case "dedicated-cpu":
            return [e for e in [configuration.single("pset")] if e is not None]
        case "capped-cpu":
            return [None] if configuration.has_alias("ncpus") else []
        case "capped-memory":
            return [None] if configuration.has_memory_cap(forked) else []
        case "security-flags":
            return [e for e in [configuration.single("security-flags")] if e is not None]
    return [*configuration.readable(resource)]


def _info_resource(session: Editor, command: Command) -> None:
    resource = command.resource
    assert resource is not None
    if session.is_global and resource in ("fs", "net", "device", "attr", "dataset"):
        session.say(f"{resource} is not a valid resource for the global zone.")
        return
    elements = _all(session, resource)
    singleton = resource in ("dedicated-cpu", "capped-cpu", "capped-memory", "security-flags")
    if command.pairs and not singleton:
        # The qualifiers are read anew for every resource, and complained of as often.
        found: list[Element | None] = []
        for element in elements:
            picked = session.qualifiers(resource, command.pairs)
            if element is not None and picked is not None and lookup.shown(resource, element, picked):
                found.append(element)
        if not found:
            session.run.out(f"No such {resource} resource.\n")
        elements = found
    for element in elements:
        session.run.out(_resource_block(session, resource, element))


def scope(session: Session, open_scope: Scope) -> str:
    """What ``info`` prints of the resource that is being edited."""
    resource = open_scope.resource
    properties = open_scope.properties
    match resource:
        case "dedicated-cpu":
            return _dedicated_block(properties.get("ncpus", ""), properties.get("importance", ""))
        case "capped-cpu":
            cap = _alias_line(session.current, "ncpus", "\t")
            return "capped-cpu:\n" + cap if cap else ""
        case "capped-memory":
            return _memory_block(session, properties.get("physical", ""))
    return _block(session, resource, properties, open_scope.items)


def _resource_block(session: Session, resource: str, element: Element | None) -> str:
    if element is None:
        if resource == "capped-cpu":
            return "capped-cpu:\n" + _alias_line(session.current, "ncpus", "\t")
        mcap = session.current.single("mcap")
        return _memory_block(session, mcap.get("physcap") if mcap is not None else "")
    if resource == "dedicated-cpu":
        cpus = session.current.dedicated_cpu()
        return _dedicated_block(cpus["ncpus"], cpus.get("importance", ""))
    return _block(session, resource, properties_of(RESOURCES[resource], element), items_of(element))


def _dedicated_block(ncpus: str, importance: str) -> str:
    text = f"dedicated-cpu:\n\tncpus: {ncpus}\n"
    return text + (f"\timportance: {importance}\n" if importance else "")


def _memory_block(session: Session, physical: str) -> str:
    text = "capped-memory:\n"
    if physical:
        text += f"\tphysical: {bytes_to_size(strtoull(physical)[0])}\n"
    names = ("physical", "swap", "locked") if session.dialect.forked else ("swap", "locked")
    return text + "".join(_alias_line(session.current, name, "\t") for name in names)


def _block(session: Session, resource: str, properties: dict[str, str], items: list[Element]) -> str:
    forked_net = resource == "net" and session.dialect.forked
    lines = [f"{resource}:"]
    for name in _FORK_NET_SHOWN if forked_net else _SHOWN[resource]:
        value = properties.get(name, "")
        if not value:
            lines.append(f"\t{name} not specified")
        else:
            lines.append(f'\t{name}: "{value}"' if " " in value else f"\t{name}: {value}")
    match resource:
        case "fs":
            options = (item.get("name") for item in items)
            shown = ",".join(f'"{o}"' if "=" in o else o for o in options)
            lines.append(f"\toptions: [{shown}]")
        case "rctl":
            lines += [f"\tvalue: {_rctl_value(item)}" for item in items]
        case "net" | "device":
            lines += [f"\tproperty: {_free_property(item)}" for item in items]
    return "\n".join(lines) + "\n"


def _rctl_value(item: Element) -> str:
    return f"(priv={item.get('priv')},limit={item.get('limit')},action={item.get('action')})"


def _free_property(item: Element) -> str:
    return f'(name={item.get("name")},value="{item.get("value")}")'


# export ------------------------------------------------------------------------------------------


def export(session: Session) -> str:
    """The commands that make the configuration."""
    configuration = session.current
    lines = ["create -b"]
    lines += _export_properties(session)
    resources = ["fs", "net", "device", "capped-memory", "rctl", "attr", "dataset"]
    for resource in [*resources, "dedicated-cpu", "admin", "security-flags"]:
        match resource:
            case "capped-memory":
                mcap = configuration.single("mcap")
                if mcap is not None:
                    size = bytes_to_size(strtoull(mcap.get("physcap"))[0])
                    lines += ["add capped-memory", f"set physical={size}", "end"]
            case "dedicated-cpu":
                lines += _export_dedicated_cpu(configuration)
            case _:
                for element in _all(session, resource):
                    assert element is not None
                    lines += _export_resource(session, resource, element)
    return "\n".join(lines) + "\n"


def _export_properties(session: Session) -> list[str]:
    configuration = session.current
    found = {
        "zonepath": configuration.zonepath,
        "brand": session.store.saved_brand(session.zone),
        "autoboot": configuration.get("autoboot"),
        "bootargs": configuration.get("bootargs"),
        "pool": configuration.get("pool"),
        "limitpriv": configuration.get("limitpriv"),
        "scheduling-class": configuration.get("scheduling-class"),
        "ip-type": configuration.ip_type if configuration.ip_type in ("shared", "exclusive") else "",
        "hostid": configuration.get("hostid"),
        "fs-allowed": configuration.get("fs-allowed"),
        "uuid": configuration.uuid,
    }
    return [
        f"set {name}={value}"
        for name, value in found.items()
        if value and _unreadable(name, value) is None and (name, value) != ("brand", "native")
    ]


def _export_resource(session: Session, resource: str, element: Element) -> list[str]:
    forked_net = resource == "net" and session.dialect.forked
    properties = properties_of(RESOURCES[resource], element)
    lines = [f"add {resource}"]
    lines += [
        f"set {name}={_quoted(properties[name], session.dialect.smartos)}"
        for name in (_FORK_NET_EXPORTED if forked_net else _SHOWN[resource])
        if name in properties
    ]
    for item in items_of(element):
        match resource:
            case "fs":
                option = item.get("name")
                lines.append(f'add options "{option}"' if "=" in option else f"add options {option}")
            case "rctl":
                lines.append(f"add value {_rctl_value(item)}")
            case _:
                lines.append(f"add property {_free_property(item)}")
    return [*lines, "end"]


def _quoted(value: str, only_blanks: bool) -> str:
    return f'"{value}"' if " " in value or not only_blanks else value


def _export_dedicated_cpu(configuration: Configuration) -> list[str]:
    cpus = configuration.dedicated_cpu()
    if not cpus:
        return []
    return ["add dedicated-cpu", *(f"set {name}={value}" for name, value in cpus.items()), "end"]
