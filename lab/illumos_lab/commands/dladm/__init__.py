"""dladm(8): administer datalinks."""

from __future__ import annotations

from collections.abc import Callable

from illumos_lab.commands.dladm import aggr, bridge, create, iptun, linkprop, overlay, show
from illumos_lab.commands.dladm.call import Call, UsageError
from illumos_lab.deferred import deferred_output
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.links import DladmError
from illumos_lab.subcommand import Fatal

SUBCOMMANDS: dict[str, Callable[[Call], int]] = {
    "rename-link": create.rename_link,
    "show-link": show.show_link,
    "show-phys": show.show_phys,
    "show-linkmap": show.show_linkmap,
    "show-ether": show.show_ether,
    "create-aggr": aggr.create_aggr,
    "delete-aggr": aggr.delete_aggr,
    "add-aggr": aggr.add_aggr,
    "remove-aggr": aggr.remove_aggr,
    "modify-aggr": aggr.modify_aggr,
    "show-aggr": aggr.show_aggr,
    "set-linkprop": linkprop.set_linkprop,
    "reset-linkprop": linkprop.reset_linkprop,
    "show-linkprop": linkprop.show_linkprop,
    "create-etherstub": create.create_etherstub,
    "delete-etherstub": create.delete_etherstub,
    "show-etherstub": create.show_etherstub,
    "create-vnic": create.create_vnic,
    "delete-vnic": create.delete_vnic,
    "show-vnic": create.show_vnic,
    "create-vlan": create.create_vlan,
    "delete-vlan": create.delete_vlan,
    "show-vlan": create.show_vlan,
    "create-simnet": create.create_simnet,
    "modify-simnet": create.modify_simnet,
    "delete-simnet": create.delete_simnet,
    "show-simnet": create.show_simnet,
    "create-iptun": iptun.create_iptun,
    "delete-iptun": iptun.delete_iptun,
    "modify-iptun": iptun.modify_iptun,
    "show-iptun": iptun.show_iptun,
    "create-bridge": bridge.create_bridge,
    "modify-bridge": bridge.modify_bridge,
    "delete-bridge": bridge.delete_bridge,
    "add-bridge": bridge.add_bridge,
    "remove-bridge": bridge.remove_bridge,
    "show-bridge": bridge.show_bridge,
    "create-overlay": overlay.create_overlay,
    "delete-overlay": overlay.delete_overlay,
    "modify-overlay": overlay.modify_overlay,
    "show-overlay": overlay.show_overlay,
}
"""What the lab emulates."""

_NOT_EMULATED_TEXT = """
delete-phys init-phys show-attr show-dev show-usage
up-aggr up-iptun down-iptun
scan-wifi connect-wifi disconnect-wifi show-wifi
create-secobj delete-secobj show-secobj init-secobj
create-part delete-part show-part up-part show-ib
up-overlay
init-linkprop up-vlan up-vnic up-simnet
"""
NOT_EMULATED = frozenset(_NOT_EMULATED_TEXT.split())
"""What illumos has besides."""

_INTERNAL = frozenset({"modify-simnet", "create-simnet", "delete-simnet", "show-simnet", "show-linkmap"})


def main(host: Host, run: Invocation) -> int:
    """Run dladm; exit status 0 or 1."""
    subcommand, argv = (run.argv[0], run.argv[1:]) if run.argv else ("show-link", [])
    if subcommand == "help":
        run.err(_usage())
        return 0
    if subcommand in NOT_EMULATED:
        run.err(f"{run.name}: {subcommand}: not emulated by the lab\n")
        return 1
    function = SUBCOMMANDS.get(subcommand)
    if function is None:
        run.err(f"{run.name}: unknown subcommand '{subcommand}'\n{_usage()}")
        return 1
    synopsis = _synopsis(function)
    with deferred_output(run) as later:
        call = Call(host, later, subcommand, argv, synopsis)
        try:
            with host.lock:
                result = function(call)
            for work in call.afterwards:
                work()
            return result
        except UsageError:
            later.err(_usage())
        except Fatal as error:
            later.err(f"{run.name}: {error}\n")
        except DladmError as error:
            later.err(f"{run.name}: {error.status}\n")
    return 1


def _synopsis(function: Callable[[Call], int]) -> str:
    # The docstring of each subcommand is its synopsis.
    return (function.__doc__ or "").removeprefix("dladm ")


def _usage() -> str:
    lines = [
        f"        {_synopsis(function)}\n"
        for name, function in SUBCOMMANDS.items()
        if name not in _INTERNAL
    ]
    return "usage:  dladm <subcommand> <args> ...\n" + "".join(lines)
