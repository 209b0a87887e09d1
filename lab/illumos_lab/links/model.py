"""What a datalink is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

PHYS = "phys"
VNIC = "vnic"
ETHERSTUB = "etherstub"
VLAN = "vlan"
SIMNET = "simnet"
OVERLAY = "overlay"
AGGR = "aggr"
BRIDGE = "bridge"
IPTUN = "iptun"

ETHERSTUB_MTU = 9000
"""MTU that an etherstub is born with."""


@dataclass(frozen=True)
class Aggregation:
    """What makes a link an aggregation (IEEE 802.1AX).

    Attributes:
        ports: links that it spreads its traffic over, in the order in which they came.
        policy: headers that decide on the port: ``L2``, ``L3``, ``L4``.
        lacp: ``off``, ``active`` or ``passive``.
        timer: ``short`` or ``long``.
        key: number that it was made by instead of a name; 0 for none.
        force: ports need not tell whether they are up.
    """

    ports: tuple[str, ...]
    policy: tuple[str, ...] = ("L4",)
    lacp: str = "off"
    timer: str = "short"
    key: int = 0
    force: bool = False


@dataclass(frozen=True)
class Bridging:
    """The spanning tree parameters of a bridge (IEEE 802.1D-2004, 17.13); times in seconds."""

    protect: str = "stp"
    priority: int = 32768
    max_age: int = 20
    hello_time: int = 2
    forward_delay: int = 15
    force_protocol: int = 3


@dataclass(frozen=True)
class Tunnel:
    """The ends of an IP tunnel.

    Attributes:
        kind: ``ipv4`` or ``ipv6``, after the packets outside, or ``6to4``.
        local, remote: addresses of the ends; empty while not set.
    """

    kind: str
    local: str = ""
    remote: str = ""

    @property
    def complete(self) -> bool:
        """Packets can be sent."""
        return bool(self.local and (self.remote or not self.point_to_point))

    @property
    def point_to_point(self) -> bool:
        """There is one other end; a 6to4 tunnel leads to as many as there are addresses."""
        return self.kind != "6to4"


@dataclass
class Link:
    """A datalink as it is now, or as datalink.conf has it.

    Attributes:
        name: link name.
        link_class: ``phys``, ``vnic``, ``etherstub``, ``vlan``, ``simnet``, ``overlay``, ``aggr``,
            ``bridge`` or ``iptun``.
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
        aggregation, bridging, tunnel: what makes the link an aggregation, a bridge or an IP tunnel.
        bridge: name of the bridge that the link is a port of.
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
    aggregation: Aggregation | None = None
    bridging: Bridging | None = None
    tunnel: Tunnel | None = None
    bridge: str = ""
    properties: dict[str, list[str]] = field(default_factory=dict)

    @property
    def ports(self) -> tuple[str, ...]:
        """The ports of an aggregation; none of other links."""
        return self.aggregation.ports if self.aggregation else ()

    @property
    def state(self) -> str:
        """``up``; ``down`` for a tunnel that lacks an end."""
        return "up" if self.tunnel is None or self.tunnel.complete else "down"

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
            "aggregation": self.aggregation and asdict(self.aggregation),
            "bridging": self.bridging and asdict(self.bridging),
            "tunnel": self.tunnel and asdict(self.tunnel),
            "bridge": self.bridge,
            "properties": self.properties,
        }
        return {key: value for key, value in values.items() if value}

    @classmethod
    def from_record(cls, record: dict[str, Any], linkid: int) -> Link:
        """Read what `record` wrote."""
        values = dict(record)
        if (found := values.get("aggregation")) is not None:
            listed = {key: tuple(found[key]) for key in ("ports", "policy")}
            values["aggregation"] = Aggregation(**(found | listed))
        if (found := values.get("bridging")) is not None:
            values["bridging"] = Bridging(**found)
        if (found := values.get("tunnel")) is not None:
            values["tunnel"] = Tunnel(**found)
        return cls(link_class=values.pop("class"), linkid=linkid, persistent=True, **values)
