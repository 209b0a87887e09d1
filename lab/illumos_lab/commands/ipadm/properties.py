"""ipadm's subcommands for properties of interfaces, protocols and address objects."""

from __future__ import annotations

from ipaddress import ip_interface

from illumos_lab.commands.ipadm.addresses import broadcast
from illumos_lab.commands.ipadm.call import Call, Fatal
from illumos_lab.getopt import Options
from illumos_lab.ip import IpadmError, props, status
from illumos_lab.ip.model import Address, IpInterface
from illumos_lab.ip.props import Property
from illumos_lab.ofmt import Output, fields

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
    if "," in texts[0] and ("=" in texts[0].split(",")[1] or not value):
        raise Fatal("cannot specify more than one prop=val at a time.")
    name, equals, text = texts[0].partition("=")
    if value and not equals:
        raise Fatal(f"Invalid arguments: no value for '{name}'")
    return name, text if equals else None


def _selected(options: Options) -> list[str]:
    return [name for name in (options.get("p") or "").split(",") if name]


# Interfaces --------------------------------------------------------------------------------------


def set_ifprop(call: Call) -> int:
    """set-ifprop [-t] -p prop=<value[,...]> -m <protocol> interface"""
    return _change_ifprop(call, reset=False)


def reset_ifprop(call: Call) -> int:
    """reset-ifprop [-t] -p prop -m <protocol> interface"""
    return _change_ifprop(call, reset=True)


def _change_ifprop(call: Call, *, reset: bool) -> int:
    options = call.options(":tp:m:")
    name, value = _one_property(call, options, value=not reset)
    protocol = options.get("m")
    if protocol is None:
        call.usage()
    interface = call.operand(options)
    _check_protocol(protocol)
    try:
        call.require_authorization()
        prop = _find(props.IFPROPS, name, protocol)
        new = None if reset else value
        call.stack.set_ifprop(interface, prop, new, temporary="t" in options)
    except IpadmError as error:
        raise Fatal(f"{call.subcommand}: {name}: {error.status}") from error
    return 0


def _check_protocol(protocol: str) -> None:
    if protocol not in props.PROTOCOLS:
        raise Fatal(f"invalid protocol '{protocol}' specified")


def _find(table: tuple[Property, ...], name: str, protocol: str) -> Property:
    for prop in table:
        if (prop.name, prop.protocol) == (name, protocol):
            return prop
    raise IpadmError(status.UNKNOWN_PROPERTY)


def show_ifprop(call: Call) -> int:
    """show-ifprop [[-c] -o field[,...]] [-p prop,...] [-m <protocol>] [interface]"""
    options = call.options(":co:p:m:")
    if len(options.operands) > 1:
        call.usage()
    protocol = options.get("m") or "ip"
    _check_protocol(protocol)
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
        for name in names:
            if not any(prop.name == name for prop in table):
                call.warn(f"{call.subcommand}: {name}: {status.UNKNOWN_PROPERTY}")
                failed = True
        for prop in table:
            if not names or prop.name in names:
                _print_ifprop(call, output, call.stack.interfaces[interface], prop, kept)
    return int(failed)


def _print_ifprop(
    call: Call,
    output: Output,
    interface: IpInterface,
    prop: Property,
    kept: dict[tuple[str, str, str], str],
) -> None:
    stack = call.stack
    default = stack.default(interface, prop)
    output.print(
        {
            "IFNAME": interface.name,
            "PROPERTY": prop.name,
            "PROTO": prop.protocol,
            "PERM": "rw" if prop.settable else "r-",
            "CURRENT": interface.properties.get((prop.protocol, prop.name), default),
            "PERSISTENT": kept.get((interface.name, prop.protocol, prop.name), ""),
            "DEFAULT": default,
            "POSSIBLE": stack.possible(interface, prop),
        }
    )


# Protocols ---------------------------------------------------------------------------------------


def set_prop(call: Call) -> int:
    """set-prop [-t] -p prop[+|-]=<value[,...]> <protocol>"""
    return _change_prop(call, reset=False)


def reset_prop(call: Call) -> int:
    """reset-prop [-t] -p prop <protocol>"""
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
    """show-prop [[-c] -o field[,...]] [-p prop,...] [protocol]"""
    options = call.options(":co:p:")
    if len(options.operands) > 1:
        call.usage()
    names = _selected(options)
    if names and not options.operands:
        raise Fatal("protocol must be specified when property name is used")
    protocol = options.operands[0] if options.operands else None
    if protocol is not None:
        _check_protocol(protocol)
    table = [prop for prop in props.PROPS if protocol is None or props.in_family(prop, protocol)]
    kept = {} if call.shared else call.stack.conf().props
    output = call.output(PROP_FIELDS, options, parseable="c", wrap=True)
    failed = False
    for name in names:
        if not any(prop.name == name for prop in table):
            call.warn(f"{call.subcommand}: {name}: {status.UNKNOWN_PROPERTY}")
            failed = True
    for prop in table:
        if not names or prop.name in names:
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
    return int(failed)


# Address objects ---------------------------------------------------------------------------------


def set_addrprop(call: Call) -> int:
    """set-addrprop [-t] -p prop=<value[,...]> addrobj"""
    return _change_addrprop(call, reset=False)


def reset_addrprop(call: Call) -> int:
    """reset-addrprop [-t] -p prop addrobj"""
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
        address = call.stack.find(interface, part)
        if address is None or not part:
            raise IpadmError(status.NO_OBJECT)
        _apply_addrprop(call, address, name, None if reset else value, "t" in options)
    except IpadmError as error:
        raise Fatal(f"{call.subcommand}: {name}: {error.status}") from error
    return 0


def _apply_addrprop(call: Call, address: Address, name: str, value: str | None, temporary: bool) -> None:
    kept_conf = call.stack.conf()
    kept = kept_conf.address(address.interface, address.name)
    if not temporary and kept is None:
        raise IpadmError(status.TEMPORARY_OBJECT)
    targets = [address] if temporary or kept is None else [address, kept]
    if name == "prefixlen":
        current = address.address
        if current is None or value is None:
            raise IpadmError(status.NOT_SUPPORTED)
        if not value.isdigit() or not 1 <= int(value) <= current.max_prefixlen:
            raise IpadmError(status.OUT_OF_RANGE)
        new = ip_interface(f"{current.ip}/{int(value)}")
        call.stack.change_address(address, new)
        for target in targets:
            target.address, target.text = new, str(new)
    elif name in props.ADDRPROP_SETTABLE:
        if value is not None and value not in props.ADDRPROP_SETTABLE[name].split(","):
            raise IpadmError(status.NO_VALUE)
        for target in targets:
            target.properties.pop(name, None)
            if value is not None:
                target.properties[name] = value
    else:
        raise IpadmError(status.NOT_SUPPORTED)
    if not temporary:
        kept_conf.write()


def show_addrprop(call: Call) -> int:
    """show-addrprop [[-c] -o field[,...]] [-p prop,...] [addrobj]"""
    options = call.options(":co:p:")
    if len(options.operands) > 1:
        call.usage()
    addresses = call.visible()
    if options.operands:
        wanted = options.operands[0]
        addresses = [address for address in addresses if address.addrobj == wanted]
        if not addresses:
            raise Fatal(f"no such object '{wanted}': {status.NO_OBJECT}")
    names = _selected(options)
    output = call.output(ADDRPROP_FIELDS, options, parseable="c", wrap=True)
    failed = False
    for address in addresses:
        for name in names or props.ADDRPROPS:
            if name not in props.ADDRPROPS:
                call.warn(f"{call.subcommand}: {name}: {status.UNKNOWN_PROPERTY}")
                failed = True
            elif name != "broadcast" or address.is_v4:
                output.print(_addrprop_row(call, address, name))
    return int(failed)


def _addrprop_row(call: Call, address: Address, name: str) -> dict[str, str]:
    value = call.stack.current(address)
    kept = None if call.shared else call.stack.conf().address(address.interface, address.name)
    row = {"ADDROBJ": address.addrobj, "PROPERTY": name, "PERM": "rw"}
    if name == "broadcast":
        text = broadcast(address)
        return row | {"PERM": "r-", "CURRENT": text, "DEFAULT": text}
    if name == "prefixlen":
        length = str(value.network.prefixlen) if value else ""
        kept_length = kept.address.network.prefixlen if kept and kept.address else ""
        possible = "1-30,32" if address.is_v4 else "1-126,128"
        return row | {
            "CURRENT": length,
            "PERSISTENT": str(kept_length),
            "DEFAULT": length,
            "POSSIBLE": possible,
        }
    if name == "zone":
        zone = address.zone or call.stack.zone
        return row | {"CURRENT": zone, "DEFAULT": call.stack.zone}
    default = "on" if name == "transmit" else "off"
    return row | {
        "CURRENT": address.properties.get(name, default),
        "PERSISTENT": kept.properties.get(name, "") if kept else "",
        "DEFAULT": default,
        "POSSIBLE": props.ADDRPROP_SETTABLE[name],
    }
