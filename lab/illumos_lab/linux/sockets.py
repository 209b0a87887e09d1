"""The TCP and UDP sockets of a network namespace, read from /proc."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from illumos_lab.kernel import IpAddress, Socket
from illumos_lab.linux.netns import Netns

_PROC = Path("/proc/thread-self/net")
_STATES = {
    "01": "ESTABLISHED",
    "02": "SYN_SENT",
    "03": "SYN_RECEIVED",
    "04": "FIN_WAIT_1",
    "05": "FIN_WAIT_2",
    "06": "TIME_WAIT",
    "07": "CLOSED",
    "08": "CLOSE_WAIT",
    "09": "LAST_ACK",
    "0A": "LISTEN",
    "0B": "CLOSING",
    "0C": "SYN_RECEIVED",
}


def read(netns: Netns) -> tuple[Socket, ...]:
    """All sockets, those of IPv4 first."""
    found: list[Socket] = []
    for protocol in ("tcp", "udp"):
        for table in (protocol, f"{protocol}6"):
            found += _parse(protocol, netns.call((_PROC / table).read_text))
    return tuple(found)


def _parse(protocol: str, text: str) -> Iterator[Socket]:
    for line in text.splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        sending, _, received = queues.partition(":")
        yield Socket(
            protocol,
            _end(local),
            _end(remote),
            _STATES[state],
            int(sending, 16),
            # Of a listening socket Linux says how many connections wait.
            0 if state == "0A" else int(received, 16),
        )


def _end(text: str) -> tuple[IpAddress, int]:
    digits, _, port = text.partition(":")
    # Each group of eight digits is a number in the machine's byte order.
    packed = b"".join(struct.pack("=I", int(digits[at : at + 8], 16)) for at in range(0, len(digits), 8))
    address: IpAddress = IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address, int(port, 16)
