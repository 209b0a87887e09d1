"""Addresses for zones that were given none.

An address follows from the zone's name, not from its place in the list: so it stays what it is when other
zones come and go. Only where two names lead to the same address does the list decide: the first one has
it, the other one takes the next that is free.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Final

_LOWEST: Final = 10
"""Automatic addresses start here, so that some are left for what is addressed by hand."""

_ROOMY: Final = 64
"""Smaller networks have nothing to leave."""


def router_address(subnet: IPv4Network) -> IPv4Address:
    """The address that a router zone takes by itself: the first one."""
    return subnet.network_address + 1


def choose(
    subnet: IPv4Network, names: Sequence[str], taken: Collection[IPv4Address]
) -> list[IPv4Address | None]:
    """Choose an address for each name.

    Args:
        names: in the order of the list.
        taken: addresses that were given by hand.

    Returns:
        One for each name; None where the subnet is full.
    """
    lowest = _LOWEST if subnet.num_addresses >= _ROOMY else 2
    room = subnet.num_addresses - 1 - lowest  # without the broadcast address
    used = {router_address(subnet), *taken}
    chosen: list[IPv4Address | None] = []
    for name in names:
        wish = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % room
        # One step more than there are addresses in use always finds a free one, if there is any.
        steps = range(min(room, len(used) + 1))
        places = (subnet.network_address + lowest + (wish + step) % room for step in steps)
        address = next((place for place in places if place not in used), None)
        if address is not None:
            used.add(address)
        chosen.append(address)
    return chosen
