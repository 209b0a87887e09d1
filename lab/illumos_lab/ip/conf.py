"""The persistent configuration of ipadm: /etc/ipadm/ipadm.conf of a zone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from illumos_lab.conffile import replace_file
from illumos_lab.ip import status
from illumos_lab.ip.model import Address
from illumos_lab.ip.status import IpadmError

PATH = "etc/ipadm/ipadm.conf"
_HEADER = "# Kept by ipmgmtd. Do not edit.\n"


@dataclass
class IpadmConf:
    """What a zone's ipmgmtd remembers; every change is written at once by `write`.

    Attributes:
        interfaces: names, in order of creation.
        addresses: address objects, in order of creation.
        ifprops: interface properties by (interface, protocol, name).
        props: protocol properties by (protocol, name).
        groups: names of the interfaces below each IPMP interface.
    """

    path: Path
    interfaces: list[str] = field(default_factory=list)
    addresses: list[Address] = field(default_factory=list)
    ifprops: dict[tuple[str, str, str], str] = field(default_factory=dict)
    props: dict[tuple[str, str], str] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, root: Path) -> IpadmConf:
        """Read the file of a zone's root; absent means that nothing is configured."""
        conf = cls(root / PATH)
        if conf.path.exists():
            for line in conf.path.read_text().splitlines():
                if line and not line.startswith("#"):
                    conf._take(json.loads(line))
        return conf

    def _take(self, record: dict[str, Any]) -> None:
        kind = record.pop("object")
        if kind == "interface":
            self.interfaces.append(record["name"])
            if "members" in record:
                self.groups[record["name"]] = record["members"]
        elif kind == "address":
            text = record.pop("address", None)
            address = ip_interface(text) if text else None
            self.addresses.append(Address(**record, address=address, persistent=True))
        elif kind == "ifprop":
            self.ifprops[record["interface"], record["protocol"], record["name"]] = record["value"]
        else:
            self.props[record["protocol"], record["name"]] = record["value"]

    def write(self) -> None:
        """Replace the file.

        Raises:
            IpadmError: it cannot be written.
        """
        records: list[dict[str, Any]] = [
            {"object": "interface", "name": name}
            | ({"members": self.groups[name]} if name in self.groups else {})
            for name in self.interfaces
        ]
        records += [_address_record(address) for address in self.addresses]
        records += [
            {"object": "ifprop", "interface": name, "protocol": proto, "name": prop, "value": value}
            for (name, proto, prop), value in self.ifprops.items()
        ]
        records += [
            {"object": "prop", "protocol": proto, "name": prop, "value": value}
            for (proto, prop), value in self.props.items()
        ]
        lines = [json.dumps(record) + "\n" for record in records]
        try:
            replace_file(self.path, _HEADER + "".join(lines))
        except OSError as error:
            raise IpadmError(status.FAILED) from error

    def address(self, interface: str, name: str) -> Address | None:
        """The persistent address object of that name."""
        return next(
            (item for item in self.addresses if (item.interface, item.name) == (interface, name)),
            None,
        )

    def forget_interface(self, name: str) -> None:
        """Drop an interface with everything on it."""
        self.interfaces = [item for item in self.interfaces if item != name]
        self.addresses = [item for item in self.addresses if item.interface != name]
        self.ifprops = {key: value for key, value in self.ifprops.items() if key[0] != name}
        self.groups.pop(name, None)
        for members in self.groups.values():
            if name in members:
                members.remove(name)

    def group_of(self, name: str) -> str:
        """The IPMP interface that an interface is below of; empty for none."""
        return next((group for group, members in self.groups.items() if name in members), "")


def _address_record(address: Address) -> dict[str, Any]:
    record: dict[str, Any] = {
        "object": "address",
        "interface": address.interface,
        "name": address.name,
        "kind": address.kind,
        "up": address.up,
    }
    if address.address is not None and address.kind != "addrconf":
        record["address"] = str(address.address)
    if address.peer:
        record["peer"] = address.peer
    if address.text:
        record["text"] = address.text
    if address.primary:
        record["primary"] = True
    if address.properties:
        record["properties"] = address.properties
    if address.interface_id:
        record["interface_id"] = address.interface_id
    record |= {name: False for name in ("stateless", "stateful") if not getattr(address, name)}
    return record
