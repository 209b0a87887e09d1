"""Overlays: Ethernet networks across hosts, carried in UDP (overlay(7), overlay_files(5)).

An overlay has an encapsulation, which is always vxlan, and a search plugin, which knows to which host a
frame must go: ``direct`` sends all to one host, ``files`` looks the receiver up in a file of JSON.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any, NoReturn

from illumos_lab import linkname
from illumos_lab.kernel import OverlayTarget
from illumos_lab.links import status
from illumos_lab.links.model import OVERLAY, Link
from illumos_lab.links.status import DladmError

VARPD = "svc:/network/varpd:default"
MTU = 1400
MAX_VNETID = 2**24 - 1


class _RefusedError(ValueError):
    """A value that can be read, but that the property does not take."""


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


_COMPATIBLE = IPv6Network("::/96")
_6TO4 = IPv6Network("2002::/16")


def _destination(text: str) -> str:
    address = ip_address(text)
    if isinstance(address, IPv6Address) and (
        address in _6TO4 or (address in _COMPATIBLE and int(address) > 1)
    ):
        raise _RefusedError(text)
    return str(address)


def _listener(text: str) -> str:
    if ip_address(text).is_multicast:
        raise _RefusedError(text)
    return _destination(text)


def _number(text: str, low: int, high: int) -> str:
    """The number that a text begins with, as strtol(3C) reads it: 0 when it begins with none."""
    found = re.match(r"\s*([+-]?\d+)", text)
    value = int(found[1]) if found else 0
    if not low <= value <= high:
        raise _RefusedError(text)
    return str(value)


def _refuse(text: str) -> NoReturn:
    raise _RefusedError(text)


@dataclass(frozen=True)
class OverlayProperty:
    """A property of an overlay.

    Attributes:
        name: its name, for most ``module/name``.
        read: a value in its own spelling; ValueError for what is none.
        default: its value when it is not set; empty when it must be set.
        possible: the POSSIBLE column.
    """

    name: str
    read: Callable[[str], str]
    default: str = ""
    possible: str = ""


ENCAPSULATION = (
    OverlayProperty("vxlan/listen_ip", _listener),
    OverlayProperty("vxlan/listen_port", lambda text: _number(text, 0, 65535), "4789", "0-65535"),
)
DEVICE = (
    OverlayProperty("mtu", lambda text: _number(text, 576, 9000), str(MTU), "576-9000"),
    OverlayProperty("vnetid", _refuse),
    OverlayProperty("encap", _refuse),
    OverlayProperty("varpd/id", _refuse),
)
"""Properties of every overlay; some can be read only."""

SEARCH = {
    "direct": (
        OverlayProperty("direct/dest_ip", _destination),
        OverlayProperty("direct/dest_port", lambda text: _number(text, 1, 65535), possible="1-65535"),
    ),
    "files": (OverlayProperty("files/config", str),),
}
"""Properties of each search plugin."""


class OverlayError(DladmError):
    """An overlay cannot be made.

    Attributes:
        details: what went wrong, in the order in which it is told.
    """

    def __init__(self, reason: str, *details: str) -> None:
        super().__init__(reason)
        self.details = details


def make(name: str, encap: str, search: str, vnetid: int, wanted: dict[str, str], varpd: bool) -> Link:
    """A link for an overlay that is not active yet.

    Args:
        wanted: its properties.
        varpd: the daemon that the search plugins belong to is there.

    Raises:
        OverlayError: something is unknown, wrong or missing.
    """
    if encap != "vxlan":
        raise OverlayError(status.NOT_FOUND)
    plugins_own = [key for key in wanted if key.startswith(f"{search}/")]
    device = {prop.name: prop for prop in (*DEVICE, *ENCAPSULATION)}
    kept = {"encap": encap, "search": search, "vnetid": str(vnetid)}
    for key in (key for key in wanted if key not in plugins_own):
        try:
            if key not in device:
                raise OverlayError(status.NOT_FOUND, f"failed to set property {key}")
            kept[key] = device[key].read(wanted[key])
        except _RefusedError as error:
            # libdladm gives back what ioctl(2) returned, which is no status.
            raise OverlayError(status.UNKNOWN, f"failed to set property {key}") from error
        except ValueError as error:
            raise OverlayError(status.INVALID_ARGUMENT, f"failed to set property {key}") from error
    if not varpd:
        raise OverlayError(status.NOT_FOUND, "failed to create libvarpd handle: No such file or directory")
    if search not in SEARCH:
        raise OverlayError(status.NOT_FOUND, "failed to create varpd instance: No such file or directory")
    plugin = {prop.name: prop for prop in SEARCH[search]}
    for key in plugins_own:
        # libdladm takes its own status for an error number here: that of an invalid argument is EPERM's,
        # that of an object not found is EIO's.
        if key not in plugin:
            raise OverlayError(status.IO_ERROR, f"failed to set varpd prop: {key}\n")
        try:
            kept[key] = plugin[key].read(wanted[key])
        except ValueError as error:
            raise OverlayError(status.DENIED, f"failed to set varpd prop: {key}\n") from error
    _require(SEARCH[search], wanted, status.TRY_AGAIN, "varpd instance: Resource temporarily unavailable")
    _require(ENCAPSULATION, wanted, status.INVALID_ARGUMENT, "device: Invalid argument")
    return Link(name, OVERLAY, mtu=int(kept.pop("mtu", MTU)), overlay=kept)


def _require(
    properties: tuple[OverlayProperty, ...], wanted: dict[str, str], reason: str, what: str
) -> None:
    missing = [prop.name for prop in properties if not prop.default and prop.name not in wanted]
    if missing:
        details = (f"unset required propert: {name}" for name in missing)
        raise OverlayError(reason, f"failed to activate {what}", *details)


def listen(link: Link) -> tuple[str, int]:
    """Address and UDP port at which an overlay takes its traffic."""
    return link.overlay["vxlan/listen_ip"], int(link.overlay.get("vxlan/listen_port", "4789"))


class TargetTable:
    """What an overlay knows of its receivers.

    On illumos the search plugin is asked as the first frame to a receiver is sent, and the table has what
    it was asked for; here it is whole from the start.
    """

    def __init__(self, targets: tuple[OverlayTarget, ...]) -> None:
        self._plugin = {target.mac: target for target in targets}
        self._known = {mac: target for mac, target in self._plugin.items() if target.address}
        self._dropped: set[str] = set()

    def sorted(self) -> list[OverlayTarget]:
        """All targets in the order of the receivers' addresses; what is dropped from the start has none."""
        return sorted(self._known.values(), key=lambda target: linkname.octets(target.mac))

    def put(self, target: OverlayTarget) -> OverlayTarget:
        """Set a target; without an address its frames are dropped, until it is removed.

        Returns:
            What its frames meet now.
        """
        if target.address or target.mac not in self._known:
            self._known[target.mac] = target
        if not target.address:
            self._dropped.add(target.mac)
        return replace(target, address="", port=0) if target.mac in self._dropped else target

    def forget(self, mac: str) -> OverlayTarget:
        """Ask the search plugin for a receiver again; it has not read its file again.

        Returns:
            What its frames meet now.

        Raises:
            DladmError: it is not known.
        """
        if mac not in self._known:
            raise DladmError(status.NOT_FOUND)
        del self._known[mac]
        self._dropped.discard(mac)
        found = self._plugin.get(mac, OverlayTarget(mac, "", 0))
        return self.put(found) if found.address else found

    def reread(self, targets: tuple[OverlayTarget, ...]) -> list[OverlayTarget]:
        """Take what a search plugin that has started anew says of all receivers but those set by hand.

        Returns:
            What the frames to these receivers meet now.
        """
        old, self._plugin = self._plugin, {target.mac: target for target in targets}
        changed = []
        for mac in old.keys() | self._plugin.keys():
            if mac in self._dropped or self._known.get(mac) not in (None, old.get(mac)):
                continue
            self._known.pop(mac, None)
            found = self._plugin.get(mac, OverlayTarget(mac, "", 0))
            changed.append(self.put(found) if found.address else found)
        return changed


def targets(link: Link, root: Path) -> tuple[OverlayTarget, ...]:
    """Where an overlay's frames go, as its search plugin finds out when it is activated.

    Args:
        root: root directory of the global zone.

    Raises:
        OverlayError: the file of the ``files`` plugin is missing or wrong.
    """
    if link.overlay["search"] == "direct":
        return (OverlayTarget("", link.overlay["direct/dest_ip"], int(link.overlay["direct/dest_port"])),)
    path = root / _VARPD_DIRECTORY / link.overlay["files/config"].lstrip("/")
    if link.overlay["files/config"].startswith("/"):
        path = root / link.overlay["files/config"].lstrip("/")
    try:
        _check_readable(path, root)
        text = path.read_text()
    except FileNotFoundError as error:
        raise _inactive("No such file or directory", status.NOT_FOUND) from error
    except OSError as error:
        raise _inactive("Permission denied", status.DENIED) from error
    try:
        data = json.loads(text, parse_float=_refuse)
    except ValueError as error:
        # The parser's failure is no error number.
        raise _inactive("Unknown error", status.FAILED) from error
    try:
        return tuple(_entry(mac, entry) for mac, entry in data.items())
    except (ValueError, AttributeError) as error:
        raise _inactive("Invalid argument", status.INVALID_ARGUMENT) from error


_VARPD_DIRECTORY = "var/run/varpd"
_NETADM_UID, _NETADM_GID = 16, 65


def _check_readable(path: Path, root: Path) -> None:
    """The daemon runs as netadm, without the privilege to read other users' files.

    Raises:
        PermissionError: netadm may not read the file, or not search one of its directories.
        FileNotFoundError: there is no such file.
    """
    for each in (path, *path.parents):
        if each == root:
            return
        needed = os.R_OK if each == path else os.X_OK
        found = each.stat()
        shift = 6 if found.st_uid == _NETADM_UID else 3 if found.st_gid == _NETADM_GID else 0
        if not stat.S_IMODE(found.st_mode) >> shift & needed:
            raise PermissionError(str(each))


def _inactive(reason: str, word: str) -> OverlayError:
    return OverlayError(word, f"failed to activate varpd instance: {reason}")


def _entry(mac: str, entry: Any) -> OverlayTarget:
    """One entry of the file; one without a valid address and port is there, but nothing is sent to it.

    Raises:
        ValueError: the key is no MAC address, or the value holds no values.
    """
    key = linkname.parse_mac(mac)
    if key is None or not isinstance(entry, dict | list):
        raise ValueError(mac)
    values = entry if isinstance(entry, dict) else {}
    if "dhcp-proxy" in values:
        detail = f"dhcp-proxy of {mac} in the files of an overlay: not emulated by the lab"
        raise OverlayError(status.NOT_SUPPORTED, detail)
    own = _own(values.get("arp"), 4), _own(values.get("ndp"), 6)
    ip, number = values.get("ip"), values.get("port")
    if isinstance(ip, str) and is_address(ip) and type(number) is int and 0 < number <= 65535:
        return OverlayTarget(key, ip, number, *own)
    return OverlayTarget(key, "", 0, *own)


def _own(text: Any, version: int) -> str:
    """An address of a receiver; what is none is passed over."""
    valid = isinstance(text, str) and is_address(text) and ip_address(text).version == version
    return text if valid else ""
