"""Who has which hardware address: the neighbour table of a network namespace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_address

from illumos_lab.kernel import IpAddress, Neighbour
from illumos_lab.linux.netns import Netns

_STATES = {"PERMANENT": "REACHABLE", "NOARP": "REACHABLE", "FAILED": "UNREACHABLE"}


def read(netns: Netns, links: Mapping[str, str]) -> tuple[Neighbour, ...]:
    """The neighbours of some interfaces, in the order of their addresses.

    Args:
        netns: network namespace of a zone.
        links: link names by the Linux names of their interfaces.
    """
    found = []
    for entry in json.loads(netns.run(["ip", "-json", "neighbour", "show"])):
        if entry["dev"] not in links or "NOARP" in entry["state"]:
            continue
        state = entry["state"][0]
        found.append(
            Neighbour(
                links[entry["dev"]],
                ip_address(entry["dst"]),
                entry.get("lladdr", ""),
                _STATES.get(state, state),
                static=state == "PERMANENT",
            )
        )
    return tuple(sorted(found, key=lambda each: (each.address.version, int(each.address))))


def put(netns: Netns, interface: str, address: IpAddress, mac: str, static: bool) -> None:
    """Say what hardware address a neighbour has.

    Raises:
        OSError: the machine refuses.
    """
    kind = "permanent" if static else "reachable"
    netns.ip(f"neighbour replace {address} lladdr {mac} dev {interface} nud {kind}")


def forget(netns: Netns, interface: str, address: IpAddress) -> None:
    """Forget the hardware address of a neighbour.

    Raises:
        OSError: it was not known.
    """
    netns.ip(f"neighbour del {address} dev {interface}")
