"""ipadm's subcommands for interfaces."""

from __future__ import annotations

from typing import NoReturn

from illumos_lab import linkname
from illumos_lab.commands.ipadm.call import Call
from illumos_lab.ip import IpadmError, IpStack, ipmp, status
from illumos_lab.ip.model import LOOPBACK, IpInterface
from illumos_lab.ofmt import fields
from illumos_lab.subcommand import Fatal

IF_FIELDS = fields(("IFNAME", 11), ("CLASS", 10), ("STATE", 9), ("CURRENT", 13), ("PERSISTENT", 11))
NO_FLAGS = "-" * 12


def fail(text: str, error: IpadmError) -> NoReturn:
    """End with a message and the status of what failed.

    Raises:
        Fatal: always.
    """
    raise Fatal(f"{text}: {error.status}") from error


def create_if(call: Call) -> int:
    """create-if [-t] <interface>"""
    options = call.options(":t")
    if len(options.operands) != 1:
        raise Fatal(f"usage: {call.usage_text}")
    name = options.operands[0]
    try:
        call.require_authorization()
        if name != LOOPBACK and not linkname.valid(name):
            raise IpadmError(status.INVALID_NAME)
        call.stack.create_interface(name, temporary="t" in options)
    except IpadmError as error:
        # The blank before the colon is ipadm's.
        fail(f"Could not create {name} ", error)
    return 0


def delete_if(call: Call) -> int:
    """delete-if <interface>"""
    return delete_named(call)


def delete_named(call: Call) -> int:
    """Delete the interface that the operand names."""
    name = call.operand(call.options(":"))
    try:
        call.require_authorization()
        call.stack.delete_interface(name)
    except IpadmError as error:
        fail(f"Could not delete {name}", error)
    return 0


def _temporary_only(call: Call) -> str:
    options = call.options(":t")
    name = call.operand(options)
    if "t" not in options:
        raise Fatal(f"persistent operation not supported for {call.subcommand}")
    return name


def enable_if(call: Call) -> int:
    """enable-if -t <interface>"""
    name = _temporary_only(call)
    try:
        call.require_authorization()
        call.stack.enable_interface(name)
    except IpadmError as error:
        fail(f"Could not enable {name} ", error)
    return 0


def disable_if(call: Call) -> int:
    """disable-if -t <interface>"""
    name = _temporary_only(call)
    try:
        call.require_authorization()
        if name not in call.stack.interfaces or name == LOOPBACK:
            raise IpadmError(status.NO_IF)
        if call.stack.interfaces[name].from_gz:
            raise IpadmError(status.FROM_GZ)
        call.stack.unplumb(name)
    except IpadmError as error:
        fail(f"Could not disable {name}", error)
    return 0


def show_if(call: Call) -> int:
    """show-if [[-p] -o <field>,...] [<interface>]"""
    options = call.options(":po:")
    if len(options.operands) > 1:
        call.usage()
    wanted = options.operands[0] if options.operands else None
    active = call.visible_interfaces()
    kept = [] if call.shared else call.stack.conf().interfaces
    names = [*active, *(name for name in kept if name not in active)]
    if wanted is not None and wanted not in names:
        raise Fatal(f"Could not get interface(s): {status.NO_IF}")
    output = call.output(IF_FIELDS, options)
    for name in names:
        if wanted in (None, name):
            output.print(_row(call, name, persistent=name in kept))
    return 0


def _row(call: Call, name: str, *, persistent: bool) -> dict[str, str]:
    interface = call.stack.interfaces.get(name)
    conf = call.stack.conf()
    is_group = interface.ipmp if interface else name in conf.groups
    standby = "s" if conf.ifprops.get((name, "ip", "standby")) == "on" else "-"
    return {
        "IFNAME": name,
        "CLASS": "VIRTUAL" if name == LOOPBACK else "IPMP" if is_group else "IP",
        "STATE": _state(call.stack, interface) if interface else "disabled",
        "CURRENT": _flags(call.stack, interface) if interface else NO_FLAGS,
        "PERSISTENT": f"{standby}46" if persistent else "---",
    }


def _state(stack: IpStack, interface: IpInterface) -> str:
    if interface.failed or (interface.ipmp and not ipmp.active(stack, interface)):
        return "failed"
    if interface.offline:
        return "offline"
    # An interface of a group needs no address of its own.
    up = interface.underlying or any(address.effective for address in stack.on(interface.name))
    return "ok" if up else "down"


def _flags(stack: IpStack, interface: IpInterface) -> str:
    loopback = interface.name == LOOPBACK
    empty = interface.ipmp and not ipmp.active(stack, interface)
    tunnel = stack.tunnel(interface.name)
    point_to_point = tunnel is not None and tunnel.point_to_point
    return "".join(
        letter if on else "-"
        for letter, on in (
            ("b", not loopback and not empty and tunnel is None),
            ("m", tunnel is None or point_to_point),
            ("p", point_to_point),
            ("v", loopback),
            ("I", interface.ipmp),
            ("s", interface.standby),
            ("i", ipmp.is_inactive(stack, interface)),
            ("V", False),
            ("a", False),
            ("Z", interface.from_gz),
            ("4", interface.v4),
            ("6", interface.v6),
        )
    )
