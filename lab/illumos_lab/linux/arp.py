"""ARP announcements: who had asked for an address before learns who has it now (RFC 5227)."""

from __future__ import annotations

import contextlib
import socket
import struct
from ipaddress import IPv4Address

from illumos_lab.linux.netns import Netns

_ETH_P_ARP = 0x0806
_BROADCAST = b"\xff" * 6
_REQUEST = 1


def announce(netns: Netns, interface: str, mac: str, address: IPv4Address) -> None:
    """Tell the network of an interface that an address is here; one that is down tells nobody.

    Args:
        netns: network namespace of the zone.
        interface: Linux name of the interface.
        mac: its hardware address, padded.
        address: its address.
    """
    own = bytes.fromhex(mac.replace(":", ""))
    packet = struct.pack("!6s6sH", _BROADCAST, own, _ETH_P_ARP)
    packet += struct.pack("!HHBBH", 1, 0x0800, 6, 4, _REQUEST)
    packet += own + address.packed + bytes(6) + address.packed

    def send() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as channel:
            channel.sendto(packet, (interface, _ETH_P_ARP))

    with contextlib.suppress(OSError):
        netns.call(send)
