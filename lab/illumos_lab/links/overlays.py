"""Overlays: Ethernet networks across hosts, carried in UDP (overlay(7), overlay_files(5)).

An overlay has an encapsulation, which is always vxlan, and a search plugin, which knows to which host a
frame must go: ``direct`` sends all to one host, ``files`` looks the receiver up in a file of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, ip_address
from pathlib import Path
from typing import Any

from illumos_lab import linkname
from illumos_lab.kernel import OverlayTarget
from illumos_lab.links import status
from illumos_lab.links.model import OVERLAY, Link
from illumos_lab.links.status import DladmError

VARPD = "svc:/network/varpd:default"
MTU = 1400
MAX_VNETID = 2**24 - 1
DROP = "drop"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_port(text: str) -> bool:
    return text.isdigit() and int(text) <= 65535


def _is_path(text: str) -> bool:
    return text.startswith("/")


@dataclass(frozen=True)
class OverlayProperty:
    """A property of an overlay that may be set.

    Attributes:
        name: ``module/name``.
        valid: whether a text is a value.
        default: its value when it is not set; empty when it must be set.
        possible: the POSSIBLE column.
    """

    name: str
    valid: Callable[[str], bool]
    default: str = ""
    possible: str = ""


ENCAPSULATION = (
    OverlayProperty("vxlan/listen_ip", _is_address),
    OverlayProperty("vxlan/listen_port", _is_port, "4789", "0-65535"),
)
SEARCH = {
    "direct": (
        OverlayProperty("direct/dest_ip", _is_address),
        OverlayProperty("direct/dest_port", _is_port, possible="0-65535"),
    ),
    "files": (OverlayProperty("files/config", _is_path),),
}
"""Properties of each search plugin."""


class OverlayError(DladmError):
    """An overlay cannot be made.

    Attributes:
        details: what went wrong, the innermost first.
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
    own = {key: value for key, value in wanted.items() if not key.startswith(f"{search}/")}
    mtu = MTU
    for key, value in own.items():
        if key == "mtu" and value.isdigit() and 576 <= int(value) <= 9000:
            mtu = int(value)
            continue
        known = next((prop for prop in ENCAPSULATION if prop.name == key), None)
        if known is None or not known.valid(value):
            reason = status.NOT_FOUND if known is None and key != "mtu" else status.INVALID_ARGUMENT
            raise OverlayError(reason, f"failed to set property {key}")
    if not varpd:
        raise OverlayError(status.NOT_FOUND, "failed to create libvarpd handle: No such file or directory")
    if search not in SEARCH:
        raise OverlayError(status.NOT_FOUND, "failed to create varpd instance: No such file or directory")
    plugin = {prop.name: prop for prop in SEARCH[search]}
    for key in wanted.keys() - own.keys():
        if key not in plugin or not plugin[key].valid(wanted[key]):
            reason = status.NOT_FOUND if key not in plugin else status.INVALID_ARGUMENT
            raise OverlayError(reason, f"failed to set varpd prop: {key}\n")
    _require(SEARCH[search], wanted, status.TRY_AGAIN, "varpd instance: Resource temporarily unavailable")
    _require(ENCAPSULATION, wanted, status.INVALID_ARGUMENT, "device: Invalid argument")
    kept = {key: value for key, value in wanted.items() if key != "mtu"}
    kept |= {"encap": encap, "search": search, "vnetid": str(vnetid)}
    return Link(name, OVERLAY, mtu=mtu, overlay=kept)


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


def targets(link: Link, root: Path) -> tuple[OverlayTarget, ...]:
    """Where an overlay's frames go, as its search plugin finds out when it is activated.

    Args:
        root: root directory of the global zone.

    Raises:
        OverlayError: the file of the ``files`` plugin is missing or wrong.
    """
    if link.overlay["search"] == "direct":
        return (OverlayTarget("", link.overlay["direct/dest_ip"], int(link.overlay["direct/dest_port"])),)
    path = root / link.overlay["files/config"].lstrip("/")
    try:
        data = json.loads(path.read_text())
        return tuple(_entry(mac, entry) for mac, entry in data.items())
    except FileNotFoundError as error:
        raise _inactive("No such file or directory", status.NOT_FOUND) from error
    except (ValueError, AttributeError, OSError) as error:
        raise _inactive("Invalid argument", status.INVALID_ARGUMENT) from error


def _inactive(reason: str, word: str) -> OverlayError:
    return OverlayError(word, f"failed to activate varpd instance: {reason}")


def _entry(mac: str, entry: Any) -> OverlayTarget:
    """One entry of the file; one without a port is there, but nothing is sent to it."""
    key = linkname.parse_mac(mac)
    if key is None or not isinstance(entry, dict) or not isinstance(entry.get("ip"), str):
        raise ValueError(mac)
    ip_address(entry["ip"])
    port = entry.get("port", 0)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
        raise ValueError(mac)
    arp = entry.get("arp")
    if arp is not None:
        try:
            IPv4Address(arp)
        except AddressValueError as error:
            raise ValueError(mac) from error
    return OverlayTarget(key, entry["ip"], port, arp or "")
