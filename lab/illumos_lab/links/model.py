"""What a datalink is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PHYS = "phys"
VNIC = "vnic"
ETHERSTUB = "etherstub"
VLAN = "vlan"
SIMNET = "simnet"
OVERLAY = "overlay"

ETHERSTUB_MTU = 9000
"""MTU that an etherstub is born with."""


@dataclass
class Link:
    """A datalink as it is now, or as datalink.conf has it.

    Attributes:
        name: link name.
        link_class: ``phys``, ``vnic``, ``etherstub``, ``vlan``, ``simnet`` or ``overlay``.
        linkid: its place in every listing.
        over: lower link of a vnic or vlan; empty otherwise.
        mac: address without leading zeros; empty for an etherstub.
        mac_type: ``fixed``, ``random``, ``factory, slot N`` or ``vrrp, N/inet``.
        vid: VLAN identifier, 0 when untagged.
        mtu: bytes.
        persistent: datalink.conf has a record of it.
        zone: the zone that it is lent to; empty while it is the global zone's.
        device: device behind a physical link.
        media: link layer of a simnet.
        peer: the simnet that a simnet is paired with.
        overlay: properties of an overlay, by name.
        properties: link properties that were set (each a list of values), besides mtu and zone.
    """

    name: str
    link_class: str
    linkid: int = 0
    over: str = ""
    mac: str = ""
    mac_type: str = ""
    vid: int = 0
    mtu: int = 1500
    persistent: bool = False
    zone: str = ""
    device: str = ""
    media: str = "Ethernet"
    peer: str = ""
    overlay: dict[str, str] = field(default_factory=dict)
    properties: dict[str, list[str]] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """The link as a line of datalink.conf holds it."""
        values = {
            "class": self.link_class,
            "name": self.name,
            "over": self.over,
            "mac": self.mac,
            "mac_type": self.mac_type,
            "vid": self.vid,
            "mtu": self.mtu,
            "device": self.device,
            "media": self.media,
            "peer": self.peer,
            "overlay": self.overlay,
            "properties": self.properties,
        }
        return {key: value for key, value in values.items() if value}

    @classmethod
    def from_record(cls, record: dict[str, Any], linkid: int) -> Link:
        """Read what `record` wrote."""
        values = dict(record)
        return cls(link_class=values.pop("class"), linkid=linkid, persistent=True, **values)
