"""ipadm(8): administer IP interfaces, addresses and their properties."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from illumos_lab.commands.ipadm import addresses, groups, interfaces, properties
from illumos_lab.commands.ipadm.call import Call
from illumos_lab.deferred import deferred_output
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.subcommand import Fatal

SUBCOMMANDS: dict[str, Callable[[Call], int]] = {
    "create-if": interfaces.create_if,
    "create-ip": interfaces.create_if,
    "delete-if": interfaces.delete_if,
    "delete-ip": interfaces.delete_if,
    "create-ipmp": groups.create_ipmp,
    "delete-ipmp": groups.delete_ipmp,
    "add-ipmp": groups.add_ipmp,
    "remove-ipmp": groups.remove_ipmp,
    "enable-if": interfaces.enable_if,
    "disable-if": interfaces.disable_if,
    "show-if": interfaces.show_if,
    "set-ifprop": properties.set_ifprop,
    "reset-ifprop": properties.reset_ifprop,
    "show-ifprop": properties.show_ifprop,
    "create-addr": addresses.create_addr,
    "delete-addr": addresses.delete_addr,
    "show-addr": addresses.show_addr,
    "up-addr": addresses.up_addr,
    "down-addr": addresses.down_addr,
    "enable-addr": addresses.enable_addr,
    "disable-addr": addresses.disable_addr,
    "refresh-addr": addresses.refresh_addr,
    "set-addrprop": properties.set_addrprop,
    "reset-addrprop": properties.reset_addrprop,
    "show-addrprop": properties.show_addrprop,
    "set-prop": properties.set_prop,
    "reset-prop": properties.reset_prop,
    "show-prop": properties.show_prop,
}
"""What the lab emulates."""

_POLL_SECONDS = 0.1


def main(host: Host, run: Invocation) -> int:
    """Run ipadm; exit status 0 or 1."""
    subcommand, argv = (run.argv[0], run.argv[1:]) if run.argv else ("show-addr", [])
    if subcommand == "help":
        run.err(_usage())
        return 0
    function = SUBCOMMANDS.get(subcommand)
    if function is None:
        run.err(f"{run.name}: unknown subcommand '{subcommand}'\n{_usage()}")
        return 1
    with deferred_output(run) as later:
        call = Call(host, later, subcommand, argv, _synopsis(function))
        try:
            with host.lock:
                status = function(call)
        except Fatal as error:
            call.die(str(error))
            return 1
    _await_lease(replace(call, run=run))
    return status


def _await_lease(call: Call) -> None:
    """Wait for the lease that create-addr asked for; without one it only warns."""
    if call.await_lease is None or not call.await_lease[1]:
        return
    address, seconds = call.await_lease
    deadline = time.monotonic() + seconds
    while call.stack.current(address) is None:
        if time.monotonic() >= deadline:
            call.warn("Communication with dhcpagent timed out")
            return
        time.sleep(_POLL_SECONDS)


def _synopsis(function: Callable[[Call], int]) -> str:
    # The docstring of each subcommand is its synopsis.
    return function.__doc__ or ""


def _usage() -> str:
    seen = dict.fromkeys(SUBCOMMANDS.values())
    lines = [f"\t{line.strip()}\n" for function in seen for line in _synopsis(function).split("\n")]
    return "usage:  ipadm <subcommand> <args> ...\n" + "".join(lines)
