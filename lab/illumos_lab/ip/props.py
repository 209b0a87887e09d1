"""Properties of interfaces, protocols and addresses, as ipadm(8) lists them."""

from __future__ import annotations

from dataclasses import dataclass

ON_OFF = "on,off"


@dataclass(frozen=True)
class Property:
    """A property of an interface or a protocol.

    Attributes:
        name: as in ipadm(8).
        protocol: ``ip``, ``ipv4``, ``ipv6``, ``tcp`` ...
        default: value when it was never set.
        possible: enumerated values or a range; empty when anything goes.
        settable: ``rw`` rather than ``r-``.
        several: it has a list of values, to which one can be added.
    """

    name: str
    protocol: str
    default: str
    possible: str = ""
    settable: bool = True
    several: bool = False

    @property
    def ranged(self) -> bool:
        """Its values are the numbers of a range."""
        low, dash, high = self.possible.partition("-")
        return bool(dash) and low.isdigit() and high.isdigit()

    def accepts(self, value: str, possible: str) -> bool:
        """Whether a value is among the enumerated ones, or within the range; of a list, each."""
        if self.several and "," in value:
            return all(self.accepts(each, possible) for each in value.split(","))
        if not possible:
            return True
        low, dash, high = possible.partition("-")
        if dash and low.isdigit() and high.isdigit():
            return value.isdigit() and int(low) <= int(value) <= int(high)
        return value in possible.split(",")


IFPROPS = (
    Property("arp", "ipv4", "on", ON_OFF),
    Property("forwarding", "ipv4", "off", ON_OFF),
    Property("metric", "ipv4", "0"),
    Property("mtu", "ipv4", "1500", "68-1500"),
    Property("exchange_routes", "ipv4", "on", ON_OFF),
    Property("usesrc", "ipv4", "none"),
    Property("forwarding", "ipv6", "off", ON_OFF),
    Property("metric", "ipv6", "0"),
    Property("mtu", "ipv6", "1500", "1280-1500"),
    Property("nud", "ipv6", "on", ON_OFF),
    Property("exchange_routes", "ipv6", "on", ON_OFF),
    Property("usesrc", "ipv6", "none"),
    Property("group", "ip", ""),
    Property("standby", "ip", "off", ON_OFF),
)
"""Interface properties, in listing order; the MTU's default and range follow the datalink."""

PROPS = (
    Property("forwarding", "ipv4", "off", ON_OFF),
    Property("ttl", "ipv4", "255", "1-255"),
    Property("send_redirects", "ipv4", "on", ON_OFF),
    Property("hostmodel", "ipv4", "weak", "strong,src-priority,weak"),
    Property("forwarding", "ipv6", "off", ON_OFF),
    Property("hoplimit", "ipv6", "255", "1-255"),
    Property("send_redirects", "ipv6", "on", ON_OFF),
    Property("hostmodel", "ipv6", "weak", "strong,src-priority,weak"),
    Property("max_buf", "icmp", "262144", "65536-1073741824"),
    Property("recv_buf", "icmp", "8192", "4096-65536"),
    Property("send_buf", "icmp", "8192", "4096-65536"),
    Property("ecn", "tcp", "passive", "never,passive,active"),
    Property("extra_priv_ports", "tcp", "2049,4045", "1-65535", several=True),
    Property("largest_anon_port", "tcp", "65535", "32768-65535"),
    Property("max_buf", "tcp", "1048576", "128000-1073741824"),
    Property("recv_buf", "tcp", "128000", "2048-1048576"),
    Property("sack", "tcp", "active", "never,passive,active"),
    Property("send_buf", "tcp", "49152", "4096-1048576"),
    Property("smallest_anon_port", "tcp", "32768", "1024-65535"),
    Property("smallest_nonpriv_port", "tcp", "1024", "1024-32768"),
    Property("extra_priv_ports", "udp", "2049,4045", "1-65535", several=True),
    Property("largest_anon_port", "udp", "65535", "32768-65535"),
    Property("max_buf", "udp", "2097152", "65536-1073741824"),
    Property("recv_buf", "udp", "57344", "128-2097152"),
    Property("send_buf", "udp", "57344", "1024-2097152"),
    Property("smallest_anon_port", "udp", "32768", "1024-65535"),
    Property("smallest_nonpriv_port", "udp", "1024", "1024-32768"),
    Property("extra_priv_ports", "sctp", "2049,4045", "1-65535", several=True),
    Property("largest_anon_port", "sctp", "65535", "32768-65535"),
    Property("smallest_anon_port", "sctp", "32768", "1024-65535"),
)
"""Protocol properties, in listing order."""

PROTOCOLS = ("ip", "ipv4", "ipv6", "icmp", "tcp", "udp", "sctp")

PROTOCOL_ALIASES = {"arp": "ip"}
"""Further names of protocols."""

ADDRPROPS = ("broadcast", "deprecated", "prefixlen", "primary", "private", "reqhost", "transmit", "zone")
"""Address properties, in listing order."""

ADDRPROP_READ_ONLY = frozenset({"broadcast", "primary"})
"""Address properties that cannot be set."""

ADDRPROP_SETTABLE = {"deprecated": ON_OFF, "private": ON_OFF, "transmit": ON_OFF}
"""Address properties that take one of the enumerated values."""


def in_family(prop: Property, protocol: str) -> bool:
    """Whether a property is listed for a protocol; ``ip`` stands for both versions."""
    return protocol == prop.protocol or (protocol == "ip" and prop.protocol in ("ipv4", "ipv6"))
