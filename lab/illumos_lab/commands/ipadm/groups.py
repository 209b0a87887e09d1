"""ipadm's subcommands for IPMP groups."""

from __future__ import annotations

from collections.abc import Callable

from illumos_lab import linkname
from illumos_lab.commands.ipadm.call import Call
from illumos_lab.commands.ipadm.interfaces import delete_named, fail
from illumos_lab.getopt import Options
from illumos_lab.ip import IpadmError, IpStack, ipmp, status
from illumos_lab.subcommand import Fatal

_Action = Callable[..., None]


def create_ipmp(call: Call) -> int:
    """create-ipmp [-t] [-i <interface>[,<interface>]...] <ipmp-interface>"""
    options = call.options(":ti:")
    name = call.operand(options)
    try:
        call.require_authorization()
        if not linkname.valid(name):
            raise IpadmError(status.INVALID_NAME)
        call.stack.create_group(name, temporary="t" in options)
    except IpadmError as error:
        # The blank before the colon is ipadm's.
        fail(f"Could not create {name} ", error)
    _each(call, options, name, ipmp.add, "Cannot add interface '{}' to IPMP interface '{}'")
    return 0


def delete_ipmp(call: Call) -> int:
    """delete-ipmp <ipmp-interface>"""
    return delete_named(call)


def add_ipmp(call: Call) -> int:
    """add-ipmp [-t] -i <interface>[,<interface>]... <ipmp-interface>"""
    options, name = _members(call)
    _each(call, options, name, ipmp.add, "Cannot add interface '{}' to IPMP interface '{}'")
    return 0


def remove_ipmp(call: Call) -> int:
    """remove-ipmp [-t] -i <interface>[,<interface>]... <ipmp-interface>"""
    options, name = _members(call)
    _each(call, options, name, ipmp.remove, "Cannot remove interface '{}' from IPMP interface '{}'")
    return 0


def _members(call: Call) -> tuple[Options, str]:
    options = call.options(":ti:")
    name = call.operand(options)
    if "i" not in options:
        raise Fatal(f"option '-i' requires a value\nusage: {call.usage_text}")
    return options, name


def _each(call: Call, options: Options, group: str, action: _Action, failure: str) -> None:
    """Do something with each interface that ``-i`` names; those before a failure stay as they are.

    Raises:
        Fatal: one cannot be added or removed.
    """
    names = [name for text in options.all("i") for name in text.split(",") if name]
    stack: IpStack = call.stack
    for name in names:
        try:
            call.require_authorization()
            action(stack, group, name, temporary="t" in options)
        except IpadmError as error:
            fail(failure.format(name, group), error)
