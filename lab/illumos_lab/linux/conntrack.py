"""Connections that a network namespace tracks, over netlink (subsystem ctnetlink)."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from illumos_lab.linux.netns import Netns

_NETLINK_NETFILTER = 12
_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")
_NESTED, _TYPE_MASK = 0x8000, 0x3FFF
_BUFFER = 1 << 18
_RECEIVE_SECONDS = 5.0

# Attributes of a connection, of a tuple, of its addresses, of its protocol.
_ORIGINAL, _REPLY, _STATUS, _MARK = 1, 2, 3, 8
_ADDRESSES, _PROTOCOL = 1, 2
_SOURCE, _DESTINATION = 1, 2
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3

_SOURCE_CHANGED, _DESTINATION_CHANGED = 0x10, 0x20


@dataclass(frozen=True)
class Flow:
    """One direction of a connection; ports are 0 where the protocol has none."""

    source: IPv4Address
    destination: IPv4Address
    source_port: int
    destination_port: int


@dataclass(frozen=True)
class Connection:
    """A connection of which an address or port is translated.

    Attributes:
        protocol: number of the IP protocol.
        original: packets of the side that began, as they came in.
        reply: packets of the other side, as they come in.
        source_changed, destination_changed: what the translation acts on.
        key: what the kernel knows the connection by.
    """

    protocol: int
    original: Flow
    reply: Flow
    source_changed: bool
    destination_changed: bool
    key: bytes


def translated(netns: Netns) -> list[Connection]:
    """The IPv4 connections that are translated now.

    Raises:
        OSError: the kernel refuses.
    """
    found = []
    for body in _ask(netns, _GET, _DUMP, b""):
        connection = _connection(body)
        if connection is not None:
            found.append(connection)
    return found


def marked(netns: Netns, mark: int) -> int:
    """How many connections of both IP versions carry a mark.

    Raises:
        OSError: the kernel refuses.
    """
    wanted = mark.to_bytes(4)
    return sum(
        _attributes(body).get(_MARK) == wanted
        for family in (socket.AF_INET, socket.AF_INET6)
        for body in _ask(netns, _GET, _DUMP, b"", family)
    )


def forget(netns: Netns, connections: list[Connection]) -> None:
    """Drop the states of connections; one that has ended meanwhile is passed over.

    Raises:
        OSError: the kernel refuses.
    """
    for connection in connections:
        with contextlib.suppress(FileNotFoundError):
            list(_ask(netns, _DELETE, _ACK, connection.key))


def _ask(
    netns: Netns, kind: int, flags: int, attributes: bytes, family: int = socket.AF_INET
) -> Iterator[bytes]:
    """Send a request and give the body of every message that answers it."""
    body = _FAMILY.pack(family, 0, 0) + attributes
    with netns.call(
        lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    ) as channel:
        channel.settimeout(_RECEIVE_SECONDS)
        channel.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, 1, 0) + body)
        while True:
            data = channel.recv(_BUFFER)
            while data:
                length, answer, _, _, _ = _HEADER.unpack_from(data)
                if answer == _DONE:
                    return
                if answer == _ERROR:
                    number = -struct.unpack_from("=i", data, _HEADER.size)[0]
                    if number:
                        raise OSError(number, os.strerror(number), "ctnetlink")
                    return
                yield data[_HEADER.size + _FAMILY.size : length]
                data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        found[kind & _TYPE_MASK] = data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]
    return found


def _connection(data: bytes) -> Connection | None:
    """A connection, when it is one that is translated."""
    fields = _attributes(data)
    status = struct.unpack("!I", fields[_STATUS])[0]
    if not status & (_SOURCE_CHANGED | _DESTINATION_CHANGED):
        return None
    original = fields[_ORIGINAL]
    return Connection(
        protocol=_attributes(_attributes(original)[_PROTOCOL])[_NUMBER][0],
        original=_flow(original),
        reply=_flow(fields[_REPLY]),
        source_changed=bool(status & _SOURCE_CHANGED),
        destination_changed=bool(status & _DESTINATION_CHANGED),
        key=_ATTRIBUTE.pack(_ATTRIBUTE.size + len(original), _ORIGINAL | _NESTED) + original,
    )


def _flow(data: bytes) -> Flow:
    parts = _attributes(data)
    addresses, protocol = _attributes(parts[_ADDRESSES]), _attributes(parts[_PROTOCOL])
    return Flow(
        IPv4Address(addresses[_SOURCE]),
        IPv4Address(addresses[_DESTINATION]),
        int.from_bytes(protocol.get(_SOURCE_PORT, b"")),
        int.from_bytes(protocol.get(_DESTINATION_PORT, b"")),
    )
