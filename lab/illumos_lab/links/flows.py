"""Flows over datalinks: attributes, rules and flowadm.conf. Rests on flowadm(8)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Interface, IPv6Interface, ip_interface
from typing import TYPE_CHECKING

from illumos_lab.conffile import replace_file
from illumos_lab.links import status
from illumos_lab.links.status import DladmError

if TYPE_CHECKING:
    from illumos_lab.host import Host

CONF = "/etc/dladm/flowadm.conf"
HEADER = "# Kept by flowadm. Do not edit.\n"
"""What the file of a system without flows says."""
TRANSPORTS = ("tcp", "udp", "sctp", "icmp", "icmpv6")
ATTRIBUTES = ("local_ip", "remote_ip", "transport", "local_port", "remote_port", "dsfield")
_LEGAL = (
    {"local_ip"},
    {"remote_ip"},
    {"transport"},
    {"transport", "local_port"},
    {"transport", "remote_port"},
    {"dsfield"},
)


@dataclass
class Flow:
    """A flow.

    Attributes:
        name: unique on the host.
        link: datalink that it is on.
        attributes: what packets must match, in one spelling.
        properties: ``maxbw`` (kilobits a second) and ``priority`` where set.
        persistent: flowadm.conf has it.
    """

    name: str
    link: str
    attributes: dict[str, str]
    properties: dict[str, list[str]] = field(default_factory=dict)
    persistent: bool = False


def normalise(attributes: dict[str, str]) -> dict[str, str]:
    """Check a flow's attributes and give them in one spelling.

    Raises:
        DladmError: a bad value, or a set of attributes that no flow can have.
    """
    ports = {"local_port", "remote_port"} & attributes.keys()
    if ports and "transport" not in attributes:
        raise DladmError(status.PORT_NEEDS_TRANSPORT)
    if attributes.keys() not in _LEGAL:
        raise DladmError(status.NOT_SUPPORTED)
    return {name: _CHECKS[name](value) for name, value in attributes.items()}


def _address(text: str) -> str:
    address, slash, length = text.partition("/")
    try:
        width = 32 if isinstance(ip_interface(address), IPv4Interface) else 128
    except (AddressValueError, ValueError) as error:
        raise DladmError(status.INVALID_IP) from error
    if slash and (not length.isdigit() or not 1 <= int(length) <= width):
        raise DladmError(status.INVALID_PREFIX_LENGTH)
    whole: IPv4Interface | IPv6Interface = ip_interface(f"{address}/{length or width}")
    return str(whole)


def _transport(text: str) -> str:
    if text not in TRANSPORTS:
        raise DladmError(status.INVALID_PROTOCOL)
    return text


def _port(text: str) -> str:
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise DladmError(status.INVALID_PORT)
    return str(int(text))


def _dsfield(text: str) -> str:
    value, colon, mask = text.partition(":")
    try:
        number = int(value, 0)
    except ValueError as error:
        raise DladmError(status.INVALID_DSFIELD) from error
    try:
        bits = int(mask, 0) if colon else 0xFF
    except ValueError as error:
        raise DladmError(status.INVALID_DSFIELD_MASK) from error
    if not 0 <= number <= 255:
        raise DladmError(status.INVALID_DSFIELD)
    if not 1 <= bits <= 255:
        raise DladmError(status.INVALID_DSFIELD_MASK)
    return f"0x{number:02x}:0x{bits:02x}"


_CHECKS = {
    "local_ip": _address,
    "remote_ip": _address,
    "transport": _transport,
    "local_port": _port,
    "remote_port": _port,
    "dsfield": _dsfield,
}


class FlowTable:
    """All flows of a host; they shape nothing in the lab, but follow flowadm's rules."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._active: dict[str, Flow] = {}
        self._records: dict[str, Flow] = {}

    def get(self, name: str) -> Flow | None:
        """The active flow of that name."""
        return self._active.get(name)

    def all(self) -> list[Flow]:
        """The active flows, oldest first."""
        return list(self._active.values())

    def all_records(self) -> list[Flow]:
        """The persistent flows, oldest first."""
        return list(self._records.values())

    def over(self, link: str) -> list[Flow]:
        """The active flows of a link."""
        return [flow for flow in self._active.values() if flow.link == link]

    def boot(self) -> None:
        """Make the persistent flows active (``flowadm init-flow``)."""
        path = self._host.path("global", CONF)
        if not path.exists():
            return
        for line in path.read_text().splitlines():
            if not line.startswith("#"):
                flow = Flow(**json.loads(line), persistent=True)
                self._records[flow.name] = flow
                self._active[flow.name] = flow

    def add(self, flow: Flow) -> None:
        """Make a flow.

        Raises:
            DladmError: the name or the attributes are taken, or the link's flows are of another
                kind.
        """
        if flow.name in self._active:
            raise DladmError(status.EXISTS)
        if flow.name in self._records:
            raise DladmError(status.PERSISTENT_FLOW_EXISTS)
        for other in self.over(flow.link):
            if other.attributes.keys() != flow.attributes.keys():
                raise DladmError(status.INCOMPATIBLE_FLOW)
            if other.attributes == flow.attributes:
                raise DladmError(status.SAME_FLOW)
        self._active[flow.name] = flow
        if flow.persistent:
            self._records[flow.name] = flow
            try:
                self._write()
            except DladmError:
                del self._active[flow.name], self._records[flow.name]
                raise

    def remove(self, flow: Flow, *, temporary: bool) -> None:
        """Remove a flow; with ``temporary`` its record stays."""
        del self._active[flow.name]
        if not temporary and flow.name in self._records:
            del self._records[flow.name]
            self._write()

    def set_property(self, flow: Flow, name: str, values: list[str] | None, *, temporary: bool) -> None:
        """Set a property of a flow, or reset it (None)."""
        if temporary and flow.name in self._records:
            # The record keeps what it has; only the active flow changes.
            flow = Flow(flow.name, flow.link, flow.attributes, dict(flow.properties), True)
            self._active[flow.name] = flow
        targets = [flow]
        if not temporary and flow.name in self._records:
            targets.append(self._records[flow.name])
        for target in targets:
            if values is None:
                target.properties.pop(name, None)
            else:
                target.properties[name] = values
        if not temporary:
            self._write()

    def _write(self) -> None:
        lines = [
            json.dumps(
                {
                    "name": flow.name,
                    "link": flow.link,
                    "attributes": flow.attributes,
                    "properties": flow.properties,
                }
            )
            + "\n"
            for flow in self._records.values()
        ]
        try:
            replace_file(self._host.path("global", CONF), HEADER + "".join(lines))
        except OSError as error:
            raise status.from_oserror(error) from error
