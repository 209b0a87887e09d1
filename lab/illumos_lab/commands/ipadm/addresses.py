"""ipadm's subcommands for address objects."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import NoReturn

from illumos_lab import linkname
from illumos_lab.commands.ipadm.call import Call
from illumos_lab.getopt import Options
from illumos_lab.ip import IpadmError, parse, status
from illumos_lab.ip.model import (
    ADDRCONF,
    DHCP,
    FROM_GZ,
    LOOPBACK,
    STATIC,
    Address,
    show_address,
)
from illumos_lab.kernel import Interface
from illumos_lab.ofmt import fields
from illumos_lab.subcommand import Fatal

ADDR_FIELDS = fields(
    ("ADDROBJ", 18),
    ("TYPE", 9),
    ("STATE", 13),
    ("CURRENT", 8),
    ("PERSISTENT", 11),
    ("ADDR", 46),
)
ADDR_DEFAULT = ("ADDROBJ", "TYPE", "STATE", "ADDR")
MAX_NAME = 31
DHCP_WAIT = 120.0
"""Seconds that create-addr waits for a lease without ``-w``."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_OPTIONS_OF_TYPE = {STATIC: "tTda", DHCP: "tTw1h", ADDRCONF: "tTip"}


def _fail(text: str, error: IpadmError) -> NoReturn:
    raise Fatal(f"{text}: {error.status}") from error


def create_addr(call: Call) -> int:
    """create-addr [-t] -T static [-d] -a{local|remote}=addr[/prefixlen] <addrobj>
    create-addr [-t] -T dhcp [-w <seconds> | forever] [-1] [-h <hostname>] <addrobj>
    create-addr [-t] -T addrconf [-i interface-id] [-p {stateful|stateless}={yes|no}] <addrobj>"""
    options = call.options(":tT:a:dw:1h:i:p:")
    kind = options.get("T")
    if kind is None or len(options.operands) != 1:
        raise Fatal(f"Invalid arguments\nusage: {call.usage_text}")
    addrobj = options.operands[0]
    interface, _, name = addrobj.partition("/")
    if not name:
        raise Fatal(f"invalid address object name: {addrobj}\nusage: {call.usage_text}")
    if kind not in _OPTIONS_OF_TYPE:
        raise Fatal(f"Invalid address type {kind}")
    if any(letter not in _OPTIONS_OF_TYPE[kind] for letter, _ in options.pairs):
        raise Fatal(f"Invalid arguments for type {kind}\nusage: {call.usage_text}")
    wait = _wait(options)
    address = Address(
        interface,
        name,
        kind,
        up="d" not in options,
        persistent="t" not in options,
        primary="1" in options,
    )
    if "h" in options:
        address.properties["reqhost"] = options.get("h") or ""
    try:
        if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
            raise IpadmError(status.INVALID_NAME)
        if interface != LOOPBACK and not linkname.valid(interface):
            raise IpadmError(status.INVALID_NAME)
    except IpadmError as error:
        _fail("Could not create address", error)
    if kind == STATIC:
        _static(call, options, address)
    elif kind == ADDRCONF:
        _addrconf(call, options, address)
    found = call.stack.interfaces.get(interface)
    if kind != STATIC and found is not None and found.ipmp:
        raise Fatal(f"create-addr -T {kind} on an IPMP interface: not emulated by the lab")
    try:
        call.require_authorization()
        call.stack.create_address(address)
    except IpadmError as error:
        _fail("Could not create address", error)
    if kind == DHCP:
        call.await_lease = (address, wait)
    return 0


def _wait(options: Options) -> float:
    text = options.get("w")
    if text is None:
        return DHCP_WAIT
    if text == "forever":
        return float("inf")
    if not text.isdigit():
        raise Fatal("Invalid argument")
    return float(text)


def _static(call: Call, options: Options, address: Address) -> None:
    """Read ``-a``.

    Raises:
        Fatal: missing, or no address.
    """
    text = options.get("a")
    if text is None:
        raise Fatal(f"Invalid arguments for type {STATIC}\nusage: {call.usage_text}")
    given: dict[str, str] = {}
    for element in text.split(","):
        key, equals, value = element.partition("=")
        key, value = (key, value) if equals and key in ("local", "remote") else ("", element)
        if key in given:
            name = f"Multiple {key} addresses provided"
            raise Fatal(name if key else f"Invalid address provided\nusage: {call.usage_text}")
        given[key] = value
    local = given.get("local", given.get("") if "remote" not in given else None)
    if local is None:
        raise Fatal(f"Missing local address\nusage: {call.usage_text}")
    address.address, address.text = _resolved(call, local), local
    if "remote" in given:
        # A mask means nothing for the one address at the other end.
        remote = None if "/" in given["remote"] else parse.resolve(call.stack.root, given["remote"])
        if remote is None:
            _fail("Error in setting remote address", IpadmError(status.INVALID_ADDRESS))
        address.peer = str(remote)
        address.text = f"{local.partition('/')[0]}->{given['remote']}"
    if address.address.ip.is_unspecified:
        _fail("Could not create address", IpadmError(status.INVALID_ADDRESS))


def _resolved(call: Call, text: str) -> Interface:
    root = call.stack.root
    host, _, length = text.partition("/")
    failure = "Error in setting local address"
    if length and not length.isdigit():
        _fail(failure, IpadmError(status.INVALID_ARGUMENT))
    if len(parse.lookup_host(root, host)) > 1:
        _fail(failure, IpadmError(status.AMBIGUOUS_HOST))
    parsed = parse.with_prefix(root, text)
    if parsed is None or parsed.ip.is_multicast:
        _fail(failure, IpadmError(status.INVALID_ADDRESS))
    return parsed


def _addrconf(call: Call, options: Options, address: Address) -> None:
    """Read ``-i`` and ``-p``.

    Raises:
        Fatal: no interface identifier, or options that are not understood.
    """
    text = options.get("i")
    if text is not None:
        identifier = parse.interface_id(text)
        if identifier is None:
            _fail("Error in setting interface ID", IpadmError(status.INVALID_ARGUMENT))
        address.interface_id = identifier
    methods = options.get("p")
    if methods is None:
        return
    if not methods:
        raise Fatal("Invalid arguments for option -p")
    given: dict[str, bool] = {}
    for element in methods.split(","):
        name, _, value = element.partition("=")
        if name not in ("stateless", "stateful"):
            raise Fatal(f"unrecognized option '-p'\nusage: {call.usage_text}")
        if name in given:
            raise Fatal("Duplicate option")
        if value not in ("yes", "no"):
            raise Fatal("Invalid argument")
        given[name] = value == "yes"
    address.stateless, address.stateful = given.get("stateless", True), given.get("stateful", True)


def delete_addr(call: Call) -> int:
    """delete-addr [-r] <addrobj>"""
    options = call.options(":r")
    interface, name = _addrobj(call, options)
    try:
        call.require_authorization()
        active = call.stack.find(interface, name)
        if "r" in options and active is not None and active.kind != DHCP:
            raise IpadmError(status.NOT_SUPPORTED)
        call.stack.delete_address(interface, name)
    except IpadmError as error:
        # This message alone begins in lower case.
        _fail("could not delete address", error)
    return 0


def _addrobj(call: Call, options: Options) -> tuple[str, str]:
    interface, _, name = call.operand(options).partition("/")
    return interface, name


def _active(call: Call, interface: str, name: str) -> Address:
    """The active address object of that name, for a change.

    Raises:
        IpadmError: it is not there, not active, or not ours to change.
    """
    call.require_authorization()
    address = call.stack.find(interface, name) if name else None
    if address is None:
        kept = call.stack.conf().address(interface, name)
        raise IpadmError(status.DISABLED_OBJECT if kept else status.NO_OBJECT)
    if address.kind == FROM_GZ:
        raise IpadmError(status.FROM_GZ)
    return address


def up_addr(call: Call) -> int:
    """up-addr [-t] <addrobj>"""
    return _set_up(call, True, "Could not mark the address up")


def down_addr(call: Call) -> int:
    """down-addr [-t] <addrobj>"""
    return _set_up(call, False, "Could not mark the address down")


def _set_up(call: Call, up: bool, failure: str) -> int:
    options = call.options(":t")
    name = _addrobj(call, options)
    temporary = "t" in options
    try:
        address = _active(call, *name)
        if not temporary and not address.persistent:
            raise IpadmError(status.TEMPORARY_OBJECT)
        if address.kind == ADDRCONF or (address.kind == DHCP and not temporary):
            raise IpadmError(status.NOT_SUPPORTED)
        if up and address.duplicate:
            raise IpadmError(status.DUPLICATE)
        call.stack.set_up(address, up)
    except IpadmError as error:
        _fail(failure, error)
    if not temporary:
        conf = call.stack.conf()
        kept = conf.address(address.interface, address.name)
        if kept is not None:
            kept.up = up
            conf.write()
    return 0


def refresh_addr(call: Call) -> int:
    """refresh-addr [-i] <addrobj>"""
    options = call.options(":i")
    name = _addrobj(call, options)
    try:
        address = _active(call, *name)
        if "i" in options and address.kind != STATIC:
            raise IpadmError(status.INVALID_ARGUMENT)
        if address.kind == ADDRCONF:
            raise IpadmError(status.NOT_SUPPORTED)
    except IpadmError as error:
        # No colon, as ipadm has it.
        raise Fatal(f"could not refresh address {error.status}") from error
    if "i" in options:
        raise Fatal("refresh-addr -i: not emulated by the lab")
    if address.kind == DHCP:
        call.host.kernel.renew_dhcp_lease(call.stack.zone, address.interface)
    elif address.duplicate:
        # Ask again whether somebody else has the address.
        call.stack.set_up(address, False)
        call.stack.set_up(address, True)
    return 0


def enable_addr(call: Call) -> int:
    """enable-addr -t <addrobj>"""
    options = call.options(":t")
    interface, name = _addrobj(call, options)
    if "t" not in options:
        raise Fatal(f"persistent operation not supported for {call.subcommand}")
    failure = "could not enable address"
    try:
        call.require_authorization()
        kept = call.stack.conf().address(interface, name)
        if kept is None:
            raise IpadmError(status.NO_OBJECT)
        if call.stack.find(interface, name):
            raise IpadmError(status.ADDROBJ_EXISTS)
        if interface not in call.stack.interfaces:
            call.stack.plumb(interface, persistent=True)
        call.stack.activate(kept)
    except IpadmError as error:
        _fail(failure, error)
    return 0


def disable_addr(call: Call) -> int:
    """disable-addr -t <addrobj>"""
    options = call.options(":t")
    name = _addrobj(call, options)
    if "t" not in options:
        raise Fatal(f"persistent operation not supported for {call.subcommand}")
    try:
        call.stack.deactivate(_active(call, *name))
    except IpadmError as error:
        _fail("could not disable address", error)
    return 0


def show_addr(call: Call) -> int:
    """show-addr [[-p] -o <field>,...] [<addrobj>]"""
    options = call.options(":po:")
    if len(options.operands) > 1:
        call.usage()
    if "p" in options and "o" not in options:
        raise Fatal("-p requires -o")
    wanted = options.operands[0] if options.operands else None
    if wanted is not None and "/" not in wanted:
        raise Fatal("Invalid address object name provided")
    active = call.visible()
    names = {address.addrobj for address in active}
    kept = [] if call.shared else call.stack.conf().addresses
    chosen = [(address, True) for address in active]
    chosen += [(address, False) for address in kept if address.addrobj not in names]
    if wanted is not None:
        whole_interface = wanted.endswith("/")
        chosen = [
            (address, is_active)
            for address, is_active in chosen
            if address.addrobj == wanted or (whole_interface and address.interface == wanted[:-1])
        ]
        if not chosen:
            raise Fatal(f"Could not get address: {status.NO_OBJECT}")
    output = call.output(ADDR_FIELDS, options, default=ADDR_DEFAULT)
    for address, is_active in chosen:
        row = _row(call, address, is_active)
        output.print(row)
        for more in call.stack.autoconf(address) if is_active else ():
            output.print({**row, "ADDR": show_address(more, address.interface)})
    return 0


def _row(call: Call, address: Address, active: bool) -> dict[str, str]:
    current = call.stack.current(address) if active else address.address
    if current is None:
        shown = "?"
    elif not active and address.text:
        shown = address.text
    elif address.peer:
        shown = f"{show_address(current, address.interface).partition('/')[0]}->{address.peer}"
    else:
        shown = show_address(current, address.interface)
    return {
        "ADDROBJ": address.addrobj,
        "TYPE": address.kind,
        "STATE": _state(call, address, active, current is not None),
        "CURRENT": _current_flags(call, address) if active else "-----",
        "PERSISTENT": _persistent_flags(address),
        "ADDR": shown,
    }


def _state(call: Call, address: Address, active: bool, known: bool) -> str:
    if not active:
        return "disabled"
    if address.duplicate:
        return "duplicate"
    if not (address.up and known):
        return "down"
    interface = call.stack.interfaces[address.interface]
    return "inaccessible" if interface.ipmp and not address.carrier else "ok"


def _current_flags(call: Call, address: Address) -> str:
    private = address.properties.get("private") == "on"
    test = address.test and call.stack.interfaces[address.interface].underlying
    deprecated = address.properties.get("deprecated") == "on" or test
    up = "U" if address.effective else "-"
    return f"{up}-{'p' if private else '-'}-{'d' if deprecated else '-'}"


def _persistent_flags(address: Address) -> str:
    if not address.persistent:
        return "---"
    private = address.properties.get("private") == "on"
    deprecated = address.properties.get("deprecated") == "on"
    return f"{'U' if address.up else '-'}{'p' if private else '-'}{'d' if deprecated else '-'}"


def broadcast(address: Address, value: Interface | None) -> str:
    """The broadcast address of an IPv4 address object; empty for others."""
    if value is None or not isinstance(value.ip, IPv4Address):
        return ""
    if address.interface == LOOPBACK or address.peer:
        return ""
    return str(value.network.broadcast_address)
