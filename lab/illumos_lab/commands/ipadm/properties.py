"""ipadm's subcommands for properties of interfaces, protocols and address objects."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_interface

from illumos_lab.commands.ipadm.addresses import broadcast
from illumos_lab.commands.ipadm.call import Call
from illumos_lab.getopt import Options
from illumos_lab.ip import IpadmError, parse, props, status
from illumos_lab.ip.model import ADDRCONF, DHCP, Address, IpInterface
from illumos_lab.ip.props import Property
from illumos_lab.ofmt import UNKNOWN, Field, Output, fields
from illumos_lab.subcommand import Fatal

IFPROP_FIELDS = fields(
    ("IFNAME", 12),
    ("PROPERTY", 16),
    ("PROTO", 6),
    ("PERM", 5),
    ("CURRENT", 11),
    ("PERSISTENT", 11),
    ("DEFAULT", 11),
    ("POSSIBLE", 16),
)
PROP_FIELDS = fields(
    ("PROTO", 6),
    ("PROPERTY", 22),
    ("PERM", 5),
    ("CURRENT", 13),
    ("PERSISTENT", 13),
    ("DEFAULT", 13),
    ("POSSIBLE", 15),
)
ADDRPROP_FIELDS = fields(
    ("ADDROBJ", 18),
    ("PROPERTY", 11),
    ("PERM", 5),
    ("CURRENT", 16),
    ("PERSISTENT", 16),
    ("DEFAULT", 16),
    ("POSSIBLE", 15),
)


def _one_property(call: Call, options: Options, *, value: bool) -> tuple[str, str | None]:
    """The property that ``-p`` names: one per call.

    Raises:
        Fatal: none, several, or one without a value.
    """
    texts = options.all("p")
    if not texts:
        call.usage()
    if len(texts) > 1:
        raise Fatal("-p must be specified once only")
    name, equals, text = texts[0].partition("=")
    if equals and not value:
        raise Fatal(f"incorrect syntax used for -p.\n{call.usage_text}")
    if value and not text:
        raise Fatal(f"please specify the value to be set.\n{call.usage_text}")
    if "=" in text:
        raise Fatal(f"cannot specify more than one prop=val at a time.\n{call.usage_text}")
    return name, text if equals else None


def _selected(options: Options) -> list[str]:
    return [name for name in (options.get("p") or "").split(",") if name]


_KNOWN_OF_ALL = frozenset({"IFNAME", "PROTO", "ADDROBJ", "PROPERTY"})
"""Fields that also a property that does not exist has; the others cannot be obtained."""


def _print_unknown(output: Output, options: Options, columns: Sequence[Field], row: dict[str, str]) -> bool:
    """Print the row of a property that does not exist; whether that is a failure."""
    output.print(dict.fromkeys((field.name for field in columns), UNKNOWN) | row)
    shown = {name.upper() for name in (options.get("o") or "all").split(",")}
    return not shown <= _KNOWN_OF_ALL


# Interfaces --------------------------------------------------------------------------------------


def set_ifprop(call: Call) -> int:
    """set-ifprop [-t] -p <prop>=<value[,...]> -m <protocol> <interface>"""
    return _change_ifprop(call, reset=False)


def reset_ifprop(call: Call) -> int:
    """reset-ifprop [-t] -p <prop> -m <protocol> <interface>"""
    return _change_ifprop(call, reset=True)


def _change_ifprop(call: Call, *, reset: bool) -> int:
    options = call.options(":tp:m:")
    name, value = _one_property(call, options, value=not reset)
    if len(options.all("m")) > 1:
        raise Fatal("-m must be specified once only")
    protocol = options.get("m")
    if protocol is None:
        call.usage()
    interface = call.operand(options)
    _check_protocol(protocol)
    try:
        call.require_authorization()
        prop = _find(props.IFPROPS, name, props.PROTOCOL_ALIASES.get(protocol, protocol))
        new = None if reset else value
        call.stack.set_ifprop(interface, prop, new, temporary="t" in options)
    except IpadmError as error:
        raise Fatal(f"{call.subcommand}: {name}: {error.status}") from error
    return 0


def _check_protocol(protocol: str) -> None:
    if protocol not in (*props.PROTOCOLS, *props.PROTOCOL_ALIASES):
        raise Fatal(f"invalid protocol '{protocol}' specified")


def _find(table: tuple[Property, ...], name: str, protocol: str) -> Property:
    for prop in table:
        if (prop.name, prop.protocol) == (name, protocol):
            return prop
    raise IpadmError(status.UNKNOWN_PROPERTY)


def show_ifprop(call: Call) -> int:
    """show-ifprop [[-c] -o <field>,...] [-p <prop>,...] [-m <protocol>] [interface]"""
    options = call.options(":co:p:m:")
    if len(options.all("m")) > 1:
        raise Fatal("cannot specify more than one -m")
    if len(options.operands) > 1:
        call.usage()
    protocol = options.get("m") or "ip"
    _check_protocol(protocol)
    protocol = props.PROTOCOL_ALIASES.get(protocol, protocol)
    active = call.visible_interfaces()
    wanted = options.operands[0] if options.operands else None
    if wanted is not None and wanted not in active:
        raise Fatal(f"no such object '{wanted}': {status.NO_IF}")
    table = [prop for prop in props.IFPROPS if props.in_family(prop, protocol)]
    names = _selected(options)
    output = call.output(IFPROP_FIELDS, options, parseable="c", wrap=True)
    kept = {} if call.shared else call.stack.conf().ifprops
    failed = False
    for interface in [wanted] if wanted else active:
        for name in names or [""]:
            chosen = [prop for prop in table if prop.name == name or not name]
            for prop in chosen:
                _print_ifprop(call, output, call.stack.interfaces[interface], prop, kept)
            if not chosen:
                row = {"IFNAME": interface, "PROPERTY": name, "PROTO": protocol}
                failed |= _print_unknown(output, options, IFPROP_FIELDS, row)
    return int(failed)


def _print_ifprop(
    call: Call,
    output: Output,
    interface: IpInterface,
    prop: Property,
    kept: dict[tuple[str, str, str], str],
) -> None:
    stack = call.stack
    persistent = kept.get((interface.name, prop.protocol, prop.name), "")
    if prop.name == "group":
        persistent = stack.conf().group_of(interface.name)
    output.print(
        {
            "IFNAME": interface.name,
            "PROPERTY": prop.name,
            "PROTO": prop.protocol,
            "PERM": "rw" if prop.settable else "r-",
            "CURRENT": stack.ifprop(interface, prop),
            "PERSISTENT": persistent,
            "DEFAULT": stack.default(interface, prop),
            "POSSIBLE": stack.possible(interface, prop),
        }
    )


# Protocols ---------------------------------------------------------------------------------------


def set_prop(call: Call) -> int:
    """set-prop [-t] -p <prop>[+|-]=<value[,...]> <protocol>"""
    return _change_prop(call, reset=False)


def reset_prop(call: Call) -> int:
    """reset-prop [-t] -p <prop> <protocol>"""
    return _change_prop(call, reset=True)


def _change_prop(call: Call, *, reset: bool) -> int:
    options = call.options(":tp:")
    name, value = _one_property(call, options, value=not reset)
    protocol = call.operand(options)
    _check_protocol(protocol)
    operation = name[-1:] if name.endswith(("+", "-")) else ""
    name = name.removesuffix(operation) if operation else name
    try:
        call.require_authorization()
        prop = _find(props.PROPS, name, protocol)
        if operation:
            value = _changed_list(call, prop, operation, value or "")
        call.stack.set_prop(prop, None if reset else value, temporary="t" in options)
    except IpadmError as error:
        raise Fatal(f"{call.subcommand}: {name}: {error.status}") from error
    return 0


def _changed_list(call: Call, prop: Property, operation: str, values: str) -> str:
    """The present values of a property with some added (``+``) or taken away (``-``).

    Raises:
        IpadmError: it has a single value, or one to add is there, or one to take away is not.
    """
    if not prop.several:
        raise IpadmError(status.INVALID_ARGUMENT)
    present = call.stack.props.get((prop.protocol, prop.name), prop.default).split(",")
    for value in values.split(","):
        if (value in present) == (operation == "+"):
            raise IpadmError(status.EXISTS if operation == "+" else status.NO_VALUE)
        present = [*present, value] if operation == "+" else [each for each in present if each != value]
    return ",".join(present)


def show_prop(call: Call) -> int:
    """show-prop [[-c] -o <field>,...] [-p <prop>,...] [protocol]"""
    options = call.options(":co:p:")
    if len(options.all("p")) > 1:
        raise Fatal("-p must be specified once only")
    if len(options.operands) > 1:
        call.usage()
    names = _selected(options)
    if names and not options.operands:
        raise Fatal("protocol must be specified when property name is used")
    protocol = options.operands[0] if options.operands else None
    if protocol is not None:
        _check_protocol(protocol)
        protocol = props.PROTOCOL_ALIASES.get(protocol, protocol)
    table = [prop for prop in props.PROPS if protocol is None or props.in_family(prop, protocol)]
    kept = {} if call.shared else call.stack.conf().props
    output = call.output(PROP_FIELDS, options, parseable="c", wrap=True)
    failed = False
    for name in names or [""]:
        chosen = [prop for prop in table if prop.name == name or not name]
        for prop in chosen:
            _print_prop(call, output, prop, kept)
        if not chosen:
            row = {"PROTO": protocol or "", "PROPERTY": name}
            failed |= _print_unknown(output, options, PROP_FIELDS, row)
    return int(failed)


def _print_prop(call: Call, output: Output, prop: Property, kept: dict[tuple[str, str], str]) -> None:
    key = (prop.protocol, prop.name)
    output.print(
        {
            "PROTO": prop.protocol,
            "PROPERTY": prop.name,
            "PERM": "rw" if prop.settable else "r-",
            "CURRENT": call.stack.props.get(key, prop.default),
            "PERSISTENT": kept.get(key, ""),
            "DEFAULT": prop.default,
            "POSSIBLE": prop.possible,
        }
    )


# Address objects ---------------------------------------------------------------------------------


def set_addrprop(call: Call) -> int:
    """set-addrprop [-t] -p <prop>=<value[,...]> <addrobj>"""
    return _change_addrprop(call, reset=False)


def reset_addrprop(call: Call) -> int:
    """reset-addrprop [-t] -p <prop> <addrobj>"""
    return _change_addrprop(call, reset=True)


def _change_addrprop(call: Call, *, reset: bool) -> int:
    options = call.options(":tp:")
    name, value = _one_property(call, options, value=not reset)
    addrobj = call.operand(options)
    interface, _, part = addrobj.partition("/")
    try:
        call.require_authorization()
        if name not in props.ADDRPROPS:
            raise IpadmError(status.UNKNOWN_PROPERTY)
        if name in props.ADDRPROP_READ_ONLY:
            raise IpadmError(status.NOT_SUPPORTED)
        address = call.stack.find(interface, part) if part else None
        if address is None:
            kept = call.stack.conf().address(interface, part)
            raise IpadmError(status.DISABLED_OBJECT if kept else status.NO_OBJECT)
        _apply_addrprop(call, address, name, None if reset else value, "t" in options)
    except IpadmError as error:
        raise Fatal(f"{call.subcommand}: {name}: {error.status}") from error
    return 0


def _apply_addrprop(call: Call, address: Address, name: str, value: str | None, temporary: bool) -> None:
    kept_conf = call.stack.conf()
    kept = kept_conf.address(address.interface, address.name)
    if not temporary and kept is None:
        raise IpadmError(status.TEMPORARY_OBJECT)
    if address.kind == ADDRCONF or (address.kind == DHCP and name in ("prefixlen", "deprecated")):
        raise IpadmError(status.NOT_SUPPORTED)
    targets = [address] if temporary or kept is None else [address, kept]
    if name == "prefixlen":
        current = address.address
        if current is None:
            raise IpadmError(status.NOT_SUPPORTED)
        length = value or str(parse.default_prefix(call.stack.root, current.ip))
        longest = current.max_prefixlen
        if not length.isdigit() or int(length) in (0, longest - 1) or int(length) > longest:
            raise IpadmError(status.INVALID_ARGUMENT)
        new = ip_interface(f"{current.ip}/{int(length)}")
        call.stack.change_address(address, new)
        for target in targets:
            target.address, target.text = new, str(new)
    elif name in props.ADDRPROP_SETTABLE:
        if value is not None and value not in props.ADDRPROP_SETTABLE[name].split(","):
            raise IpadmError(status.INVALID_ARGUMENT)
        for target in targets:
            target.properties.pop(name, None)
            if value is not None:
                target.properties[name] = value
    elif name == "reqhost" and address.kind == DHCP:
        for target in targets:
            target.properties.pop(name, None)
            if value:
                target.properties[name] = value
        call.host.kernel.renew_dhcp_lease(call.stack.zone, address.interface)
    else:
        raise IpadmError(status.NOT_SUPPORTED)
    if not temporary:
        kept_conf.write()


def show_addrprop(call: Call) -> int:
    """show-addrprop [[-c] -o <field>,...] [-p <prop>,...] <addrobj>"""
    options = call.options(":co:p:")
    if len(options.operands) > 1:
        call.usage()
    # What ifconfig made has no name to ask by, and addrconf has no properties.
    addresses = [address for address in call.visible() if address.name]
    wanted = options.operands[0] if options.operands else None
    if wanted is not None:
        interface, slash, name = wanted.partition("/")
        if not slash:
            raise Fatal("invalid addrobj name provided")
        addresses = [each for each in addresses if each.interface == interface and name in ("", each.name)]
        if name and not addresses:
            raise Fatal(f"addrobj not found: {wanted}")
    addresses = [address for address in addresses if address.kind != ADDRCONF]
    names = _selected(options)
    output = call.output(ADDRPROP_FIELDS, options, parseable="c", wrap=True)
    failed = False
    for address in addresses:
        for name in names or props.ADDRPROPS:
            if name in props.ADDRPROPS:
                output.print(_addrprop_row(call, address, name))
            else:
                row = {"ADDROBJ": address.addrobj, "PROPERTY": name}
                failed |= _print_unknown(output, options, ADDRPROP_FIELDS, row)
    return int(failed)


def _addrprop_row(call: Call, address: Address, name: str) -> dict[str, str]:
    value = call.stack.current(address)
    kept = None if call.shared else call.stack.conf().address(address.interface, address.name)
    row = {"ADDROBJ": address.addrobj, "PROPERTY": name, "PERM": "rw"}
    default_length = str(parse.default_prefix(call.stack.root, value.ip)) if value else ""
    if name == "broadcast":
        usual = ip_interface(f"{value.ip}/{default_length}") if value else None
        row |= {"PERM": "r-", "CURRENT": broadcast(address, value)}
        return row | {"DEFAULT": broadcast(address, usual)}
    if name == "primary":
        states = {True: "on", False: "off"} if address.kind == DHCP else {True: "", False: ""}
        return row | {"PERM": "r-", "CURRENT": states[address.primary], "DEFAULT": states[False]}
    if name == "reqhost":
        current = address.properties.get(name, "")
        return row | {"CURRENT": current, "PERSISTENT": kept.properties.get(name, "") if kept else ""}
    if name == "prefixlen":
        length = str(value.network.prefixlen) if value else ""
        kept_length = kept.address.network.prefixlen if kept and kept.address else ""
        possible = "1-30,32" if address.is_v4 else "1-126,128"
        return row | {
            "CURRENT": length,
            "PERSISTENT": str(kept_length),
            "DEFAULT": default_length,
            "POSSIBLE": possible,
        }
    if name == "zone":
        # Only the global zone has addresses of others.
        own = call.stack.zone if call.run.zone == "global" else ""
        return row | {"CURRENT": (address.zone or own) if own else "", "DEFAULT": own}
    default = "on" if name == "transmit" else "off"
    return row | {
        "CURRENT": address.properties.get(name, default),
        "PERSISTENT": kept.properties.get(name, "") if kept else "",
        "DEFAULT": default,
        "POSSIBLE": props.ADDRPROP_SETTABLE[name],
    }
