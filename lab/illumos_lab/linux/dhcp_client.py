"""A DHCPv4 client for one interface of a zone: what dhcpagent does on the wire (RFC 2131).

Like illumos' dhcpagent on Ethernet it leaves the broadcast flag clear.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface

from illumos_lab.linux.netns import Netns
from illumos_lab.processes import wait_readable

_ETH_P_IP = 0x0800
_MAGIC = b"\x63\x82\x53\x63"
_DISCOVER, _OFFER, _REQUEST, _ACK, _NAK, _RELEASE = 1, 2, 3, 5, 6, 7
_RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)
_INFINITE = 0xFFFFFFFF


@dataclass(frozen=True)
class Lease:
    """What a server has granted.

    Attributes:
        address: address with the prefix of its subnet.
        routers: default gateways, the preferred one first.
        dns_servers: name servers.
        server: identifier of the server.
        seconds: duration; None for ever.
        options: all options as received, by number.
    """

    address: IPv4Interface
    routers: tuple[str, ...]
    dns_servers: tuple[str, ...]
    server: str
    seconds: int | None
    options: dict[int, bytes] = field(default_factory=dict)


class DhcpClient:
    """Asks until it has a lease, keeps it renewed, and says so through two callbacks.

    Args:
        netns: network namespace of the zone.
        interface: Linux name of the interface, which must be up.
        mac: its hardware address.
        bound: called with each new lease.
        lost: called with a lease that has expired or was given up.
    """

    def __init__(
        self,
        netns: Netns,
        interface: str,
        mac: str,
        bound: Callable[[Lease], None],
        lost: Callable[[Lease], None],
    ) -> None:
        self._mac = bytes.fromhex(mac.replace(":", ""))
        self._bound = bound
        self._lost = lost
        self._lease: Lease | None = None
        self._xid = 0
        self._stopping = False
        self._wake_read, self._wake_write = os.pipe()
        self._socket = netns.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0))
        try:
            self._socket.bind((interface, _ETH_P_IP))
        except OSError:
            self._close()
            raise
        self._interface = interface
        self._thread = threading.Thread(target=self._run, name=f"dhcp {interface}", daemon=True)
        self._thread.start()

    @property
    def lease(self) -> Lease | None:
        """The lease held now."""
        return self._lease

    def stop(self) -> None:
        """Give the lease back and end."""
        self._stopping = True
        os.write(self._wake_write, b"x")
        self._thread.join(timeout=5)

    def renew(self) -> None:
        """Ask at once for the lease to be extended; without a lease nothing changes."""
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"x")

    def _close(self) -> None:
        self._socket.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _run(self) -> None:
        # The interface may vanish under the client, for example when its zone is halted.
        with contextlib.suppress(OSError):
            while not self._stopping:
                lease = self._acquire()
                if lease is None:
                    break
                self._hold(lease)
        self._close()

    def _acquire(self) -> Lease | None:
        attempt = 0
        while not self._stopping:
            self._xid = secrets.randbits(32)
            wait = _RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)]
            attempt += 1
            self._send(_DISCOVER, {})
            offer = self._receive({_OFFER}, wait)
            if offer is None:
                continue
            lease = self._request(offer[1])
            if lease is not None:
                return lease
        return None

    def _request(self, offer: Lease) -> Lease | None:
        wanted = {50: offer.address.ip.packed, 54: IPv4Address(offer.server).packed}
        self._send(_REQUEST, wanted)
        answer = self._receive({_ACK, _NAK}, 4.0)
        return answer[1] if answer is not None and answer[0] == _ACK else None

    def _hold(self, lease: Lease) -> None:
        self._bound(lease)
        self._lease = lease
        while True:
            started = time.monotonic()
            if not self._stopping:
                self._sleep(None if lease.seconds is None else lease.seconds / 2)
            if self._stopping:
                self._send(_RELEASE, {54: IPv4Address(lease.server).packed}, ciaddr=lease)
                break
            renewed = self._renew(lease, started)
            if renewed is None:
                break
            if renewed.address != lease.address:
                self._lost(lease)
                self._bound(renewed)
            self._lease = lease = renewed
        self._lease = None
        self._lost(lease)

    def _renew(self, lease: Lease, started: float) -> Lease | None:
        """The extended lease; None when the server refuses, or when time is over."""
        wait = 10.0 if lease.seconds is None else min(10.0, lease.seconds / 8)
        while lease.seconds is None or time.monotonic() < started + lease.seconds:
            self._xid = secrets.randbits(32)
            self._send(_REQUEST, {}, ciaddr=lease)
            answer = self._receive({_ACK, _NAK}, wait)
            if answer is not None:
                return answer[1] if answer[0] == _ACK else None
            if self._stopping:
                return lease
        return None

    def _sleep(self, seconds: float | None) -> None:
        """Wait for a time, or until somebody wants something."""
        if wait_readable([self._wake_read], seconds):
            os.read(self._wake_read, 100)

    def _send(self, kind: int, options: dict[int, bytes], ciaddr: Lease | None = None) -> None:
        client = ciaddr.address.ip.packed if ciaddr else bytes(4)
        bootp = struct.pack(
            "!BBBBIHH4s4s4s4s16s64s128s",
            *(1, 1, 6, 0, self._xid, 0, 0, client, bytes(4), bytes(4), bytes(4)),
            *(self._mac, b"", b""),
        )
        payload = bootp + _MAGIC + bytes((53, 1, kind))
        for number, value in options.items():
            payload += bytes((number, len(value))) + value
        payload += bytes((55, 6, 1, 3, 6, 12, 15, 28)) + b"\xff"
        packet = _udp(client, payload.ljust(300, b"\0"))
        self._socket.sendto(packet, (self._interface, _ETH_P_IP, 0, 0, b"\xff" * 6))

    def _receive(self, kinds: set[int], seconds: float) -> tuple[int, Lease] | None:
        """The first answer to our last message, with its type; None after the time, or to end."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            watched = [self._socket.fileno(), self._wake_read]
            ready = wait_readable(watched, left)
            if self._wake_read in ready:
                os.read(self._wake_read, 100)
                if self._stopping:
                    return None
            if self._socket.fileno() not in ready:
                continue
            found = parse_answer(self._socket.recv(4096), self._xid, self._mac)
            if found is not None and found[0] in kinds:
                return found
        return None


def _udp(source: bytes, payload: bytes) -> bytes:
    # A UDP checksum of zero means none, which IPv4 allows.
    udp = struct.pack("!HHHH", 68, 67, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, source, b"\xff" * 4)
    words = struct.unpack("!10H", header)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return header[:10] + struct.pack("!H", checksum) + header[12:] + udp


def parse_answer(packet: bytes, xid: int, mac: bytes) -> tuple[int, Lease] | None:
    """Message type and lease in an IPv4 packet that answers our transaction; None for others."""
    if len(packet) < 20 or packet[9] != 17:
        return None
    udp = packet[(packet[0] & 15) * 4 :]
    if len(udp) < 8 + 240 or struct.unpack("!HH", udp[:4]) != (67, 68):
        return None
    bootp = udp[8:]
    if bootp[0] != 2 or struct.unpack("!I", bootp[4:8])[0] != xid or bootp[28:34] != mac:
        return None
    options = _options(bootp[240:])
    kind = options.get(53, b"\0")[0]
    mask = IPv4Address(options.get(1, b"\xff" * 4)[:4])
    seconds = struct.unpack("!I", options.get(51, b"\xff" * 4)[:4])[0]
    lease = Lease(
        address=IPv4Interface(f"{IPv4Address(bootp[16:20])}/{mask}"),
        routers=_addresses(options.get(3, b"")),
        dns_servers=_addresses(options.get(6, b"")),
        server=str(IPv4Address(options.get(54, bootp[20:24])[:4])),
        seconds=None if seconds == _INFINITE else max(seconds, 2),
        options=options,
    )
    return kind, lease


def _options(data: bytes) -> dict[int, bytes]:
    options: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        if at + 1 >= len(data):
            break
        length = data[at + 1]
        options[data[at]] = data[at + 2 : at + 2 + length]
        at += 2 + length
    return options


def _addresses(data: bytes) -> tuple[str, ...]:
    return tuple(str(IPv4Address(data[at : at + 4])) for at in range(0, len(data) - 3, 4))
