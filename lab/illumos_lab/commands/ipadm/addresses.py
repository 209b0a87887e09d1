"""ipadm's subcommands for address objects."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import NoReturn

from illumos_lab import linkname
from illumos_lab.commands.ipadm.call import Call, Fatal
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
from illumos_lab.ofmt import fields

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
    """create-addr [-t] -T static [-d] -a{local|remote=}addr[/prefixlen] addrobj
    create-addr [-t] -T dhcp [-w seconds | forever] [-1] [-h hostname] addrobj
    create-addr [-t] -T addrconf [-i interface-id] [-p stateful=yes|no,...] addrobj"""
    options = call.options(":tT:a:dw:1h:i:p:")
    addrobj = call.operand(options)
    kind = options.get("T")
    if kind is None:
        call.usage()
    if kind not in _OPTIONS_OF_TYPE:
        raise Fatal(f"Invalid address type {kind}")
    if any(letter not in _OPTIONS_OF_TYPE[kind] for letter, _ in options.pairs):
        raise Fatal(f"Invalid arguments for type {kind}")
    interface, slash, name = addrobj.partition("/")
    if not slash:
        raise Fatal(f"invalid address object name: {addrobj}")
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
    elif options.get("i") is not None:
        raise Fatal("create-addr -i: not emulated by the lab")
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
        raise Fatal(f"Invalid argument {text} for -w")
    return float(text)


def _static(call: Call, options: Options, address: Address) -> None:
    """Read ``-a``.

    Raises:
        Fatal: missing, no address, or the far end of a link that has only one peer.
    """
    elements = [part for text in options.all("a") for part in text.split(",")]
    if not elements:
        raise Fatal(f"Invalid arguments for type {STATIC}")
    for element in elements:
        key, equals, value = element.partition("=")
        if not equals:
            key, value = "local", element
        if key == "remote":
            # No link of the lab is point-to-point.
            _fail("Could not create address", IpadmError(status.INVALID_ARGUMENT))
        parsed = parse.with_prefix(call.stack.root, value)
        if key != "local" or parsed is None:
            _fail("Error in setting local address", IpadmError(status.INVALID_ADDRESS))
        if parsed.ip.is_unspecified or parsed.ip.is_multicast:
            _fail("Error in setting local address", IpadmError(status.INVALID_ADDRESS))
        address.address, address.text = parsed, value


def delete_addr(call: Call) -> int:
    """delete-addr [-r] addrobj"""
    options = call.options(":r")
    interface, name = _addrobj(call, options)
    active = call.stack.find(interface, name)
    if "r" in options and active is not None and active.kind != DHCP:
        raise Fatal(f"could not delete address: {status.NOT_SUPPORTED}")
    try:
        call.require_authorization()
        call.stack.delete_address(interface, name)
    except IpadmError as error:
        # This message alone begins in lower case.
        _fail("could not delete address", error)
    return 0


def _addrobj(call: Call, options: Options) -> tuple[str, str]:
    addrobj = call.operand(options)
    interface, slash, name = addrobj.partition("/")
    if not slash or not interface or not name:
        raise Fatal(f"invalid address object name: {addrobj}")
    return interface, name


def _active(call: Call, options: Options, failure: str) -> Address:
    interface, name = _addrobj(call, options)
    try:
        call.require_authorization()
        address = call.stack.find(interface, name)
        if address is None:
            kept = call.stack.conf().address(interface, name)
            raise IpadmError(status.DISABLED_OBJECT if kept else status.NO_OBJECT)
        if address.kind == FROM_GZ:
            raise IpadmError(status.FROM_GZ)
    except IpadmError as error:
        _fail(failure, error)
    return address


def up_addr(call: Call) -> int:
    """up-addr [-t] addrobj"""
    return _set_up(call, True, "Could not mark the address up")


def down_addr(call: Call) -> int:
    """down-addr [-t] addrobj"""
    return _set_up(call, False, "Could not mark the address down")


def _set_up(call: Call, up: bool, failure: str) -> int:
    options = call.options(":t")
    address = _active(call, options, failure)
    try:
        call.stack.set_up(address, up)
    except IpadmError as error:
        _fail(failure, error)
    if "t" not in options and address.persistent:
        conf = call.stack.conf()
        kept = conf.address(address.interface, address.name)
        if kept is not None:
            kept.up = up
            conf.write()
    return 0


def refresh_addr(call: Call) -> int:
    """refresh-addr [-i] addrobj"""
    options = call.options(":i")
    failure = "Could not refresh address"
    address = _active(call, options, failure)
    if address.kind == ADDRCONF:
        _fail(failure, IpadmError(status.NOT_SUPPORTED))
    if address.kind == DHCP:
        call.host.kernel.renew_dhcp_lease(call.stack.zone, address.interface)
    if address.kind == STATIC and address.up:
        # Ask again whether somebody else has the address.
        call.stack.set_up(address, False)
        call.stack.set_up(address, True)
    return 0


def enable_addr(call: Call) -> int:
    """enable-addr -t addrobj"""
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
    """disable-addr -t addrobj"""
    options = call.options(":t")
    if "t" not in options:
        _addrobj(call, options)
        raise Fatal(f"persistent operation not supported for {call.subcommand}")
    call.stack.deactivate(_active(call, options, "could not disable address"))
    return 0


def show_addr(call: Call) -> int:
    """show-addr [[-p] -o field[,...]] [addrobj]"""
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
    else:
        shown = show_address(current, address.interface)
    return {
        "ADDROBJ": address.addrobj,
        "TYPE": address.kind,
        "STATE": _state(address, active, current is not None),
        "CURRENT": _current_flags(address) if active else "-----",
        "PERSISTENT": _persistent_flags(address),
        "ADDR": shown,
    }


def _state(address: Address, active: bool, known: bool) -> str:
    if not active:
        return "disabled"
    if address.duplicate:
        return "duplicate"
    return "ok" if address.up and known else "down"


def _current_flags(address: Address) -> str:
    private = address.properties.get("private") == "on"
    deprecated = address.properties.get("deprecated") == "on"
    up = "U" if address.effective else "-"
    return f"{up}-{'p' if private else '-'}-{'d' if deprecated else '-'}"


def _persistent_flags(address: Address) -> str:
    if not address.persistent:
        return "---"
    private = address.properties.get("private") == "on"
    deprecated = address.properties.get("deprecated") == "on"
    return f"{'U' if address.up else '-'}{'p' if private else '-'}{'d' if deprecated else '-'}"


def broadcast(address: Address) -> str:
    """The broadcast address of an IPv4 address object; empty for others."""
    value = address.address
    if value is None or not isinstance(value.ip, IPv4Address) or address.interface == LOOPBACK:
        return ""
    return str(value.network.broadcast_address)
