"""Router advertisements on one interface of a zone: what in.ndpd sends (RFC 4861)."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time

from illumos_lab.kernel import AdvertisedPrefix, Advertisement
from illumos_lab.linux.netns import Netns
from illumos_lab.processes import wait_readable

_ALL_NODES, _ALL_ROUTERS = "ff02::1", "ff02::2"
_SOLICITATION, _ADVERTISEMENT = 133, 134
_PREFIX_OPTION, _MTU_OPTION, _LINK_LAYER_OPTION = 3, 5, 1
_MANAGED, _OTHER = 0x80, 0x40
_ON_LINK, _AUTONOMOUS = 0x80, 0x40
_FIRST_SECONDS, _FIRST_TIMES = 16.0, 3
_FILTER_OPTION = 1  # ICMP6_FILTER


class RouterAdvertiser:
    """Advertises until it is stopped, of itself now and then and to whoever asks.

    Args:
        netns: network namespace of the zone.
        interface: Linux name of the interface, which must have a link-local address.
        mac: its hardware address.
        advertisement: what to say.

    Raises:
        OSError: there is no such interface.
    """

    def __init__(self, netns: Netns, interface: str, mac: str, advertisement: Advertisement) -> None:
        self._mac = bytes.fromhex(mac.replace(":", ""))
        self._advertisement = advertisement
        self._wake_read, self._wake_write = os.pipe()
        self._socket = netns.call(lambda: _listen(interface))
        self._index = netns.call(lambda: socket.if_nametoindex(interface))
        self._thread = threading.Thread(target=self._run, name=f"in.ndpd {interface}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say that this is no router any more, and end."""
        os.write(self._wake_write, b"x")
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            self._advertise_till_stopped()
        finally:
            self._socket.close()
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _advertise_till_stopped(self) -> None:
        sent = 0
        due = time.monotonic()
        while True:
            if time.monotonic() >= due:
                self._send(self._advertisement.lifetime)
                sent += 1
                wait = self._advertisement.interval
                due = time.monotonic() + (min(wait, _FIRST_SECONDS) if sent < _FIRST_TIMES else wait)
            ready = wait_readable([self._socket.fileno(), self._wake_read], due - time.monotonic())
            if self._wake_read in ready:
                self._send(0)
                return
            if ready and self._solicited():
                self._send(self._advertisement.lifetime)

    def _solicited(self) -> bool:
        # The interface may vanish under the socket, for example when its zone is halted.
        try:
            return self._socket.recv(1500)[:1] == bytes((_SOLICITATION,))
        except OSError:
            return False

    def _send(self, lifetime: int) -> None:
        with contextlib.suppress(OSError):
            packet = encode(self._advertisement, lifetime, self._mac)
            self._socket.sendto(packet, (_ALL_NODES, 0, 0, self._index))


def _listen(interface: str) -> socket.socket:
    index = socket.if_nametoindex(interface)
    channel = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    # Hosts believe only what has not come through a router.
    channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    group = socket.inet_pton(socket.AF_INET6, _ALL_ROUTERS) + struct.pack("=I", index)
    channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    only = bytearray(b"\xff" * 32)
    only[_SOLICITATION // 8 // 4 * 4 : _SOLICITATION // 8 // 4 * 4 + 4] = struct.pack(
        "=I", 0xFFFFFFFF & ~(1 << _SOLICITATION % 32)
    )
    channel.setsockopt(socket.IPPROTO_ICMPV6, _FILTER_OPTION, bytes(only))
    return channel


def encode(advertisement: Advertisement, lifetime: int, mac: bytes) -> bytes:
    """The ICMPv6 message; the kernel fills its checksum in."""
    flags = (_MANAGED if advertisement.managed else 0) | (_OTHER if advertisement.other else 0)
    message = struct.pack("!BBHBBHII", _ADVERTISEMENT, 0, 0, advertisement.hop_limit, flags, lifetime, 0, 0)
    message += struct.pack("!BB6s", _LINK_LAYER_OPTION, 1, mac)
    if advertisement.mtu:
        message += struct.pack("!BBHI", _MTU_OPTION, 1, 0, advertisement.mtu)
    return message + b"".join(map(_prefix_option, advertisement.prefixes))


def _prefix_option(prefix: AdvertisedPrefix) -> bytes:
    flags = (_ON_LINK if prefix.on_link else 0) | (_AUTONOMOUS if prefix.autonomous else 0)
    network = prefix.network
    return struct.pack(
        "!BBBBIII16s",
        *(_PREFIX_OPTION, 4, network.prefixlen, flags, prefix.valid, prefix.preferred, 0),
        network.network_address.packed,
    )
