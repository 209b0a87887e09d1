"""Rules of NAT: what they say, how they are printed, and when two are the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Flag, auto
from ipaddress import IPv4Address
from socket import AF_INET6, inet_ntop

from illumos_lab.ipfilter import names


class Flags(Flag):
    """Properties of a rule that are on or off."""

    NONE = 0
    TCP = auto()
    UDP = auto()
    FROM_TO = auto()
    NOT_SOURCE = auto()
    NOT_DESTINATION = auto()
    RANGE = auto()
    ICMP_ID = auto()
    AUTO = auto()
    SEQUENTIAL = auto()
    ROUND_ROBIN = auto()
    FRAG = auto()
    STICKY = auto()
    FIXED_PORT = auto()
    SPLIT = auto()


BOTH = Flags.TCP | Flags.UDP
PROXIES = frozenset(("ftp", "rcmd", "raudio", "h323", "ipsec", "netbios", "pptp"))
"""Application proxies that the kernel has."""


@dataclass(frozen=True)
class Address:
    """An address and a mask, as numbers.

    Attributes:
        value, mask: bits.
        family: 4 or 6; 0 for ``any`` and a bare 0, which fit both.
    """

    value: int
    mask: int
    family: int = 4

    @property
    def masked(self) -> Address:
        """Without the bits that the mask leaves out."""
        return Address(self.value & self.mask, self.mask, self.family)

    def host(self) -> str:
        """The address alone."""
        if self.family == 6:
            return inet_ntop(AF_INET6, self.value.to_bytes(16, "big"))
        return str(IPv4Address(self.value))

    def __str__(self) -> str:
        return f"{self.host()}/{self.length()}"

    def length(self) -> str:
        """The length of the mask, or an IPv4 mask with gaps."""
        length = self.mask.bit_count()
        # Of an IPv6 mask the bits are only counted, wherever they stand.
        if self.family == 6 or self.mask == ((1 << length) - 1) << (32 - length):
            return str(length)
        return str(IPv4Address(self.mask))

    def of_family(self, family: int) -> Address:
        """The same bits read as an address of a family; an address of both families is zero."""
        if not self.family:
            full = (1 << 128) - 1 if family == 6 else 0xFFFFFFFF
            return Address(0, full if self.mask else 0, family)
        if self.family == family:
            return self
        if family == 6:
            return Address(self.value << 96, self.mask << 96, 6)
        return Address(self.value >> 96, self.mask >> 96, 4)


BAD_MASK = {4: 4 << 24, 6: 6 << 120}
"""What a length that is too long leaves in the mask, by family: the number of the family."""

COMPARISONS = {"eq": "=", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">="}


@dataclass(frozen=True)
class PortTest:
    """A condition on a port: a comparison with one number, or ``><``, ``<>`` with two."""

    operator: str
    low: int
    high: int = 0

    def text(self, protocol: int, resolve: bool) -> str:
        """As a rule shows it."""
        if self.operator in COMPARISONS:
            name = names.port_name(self.low, protocol) if resolve else str(self.low)
            return f" port {COMPARISONS[self.operator]} {name}"
        return f" port {self.low} {self.operator} {self.high}"


ANY = Address(0, 0, 0)


def signed(number: int) -> int:
    """A number of 32 bits as the programs print it."""
    return number - (1 << 32) if number >= 1 << 31 else number


@dataclass
class Rule:
    """One rule.

    Attributes:
        kind: ``map``, ``bimap``, ``map-block`` or ``rdr``.
        interfaces: one or two link names.
        source: left side; for from/to rules the source.
        destination: destination of from/to rules; left side of a plain rdr.
        source_port, destination_port: conditions of from/to rules.
        target: right side; with RANGE the value is the first and the mask the last address.
        target2: second address of an rdr.
        protocol: number, 0 for none or several, -1 for an unknown name.
        low, high: ports: those translated to (map), or those that are redirected (rdr).
        target_port: port that an rdr redirects to.
        age: time-outs in half seconds, as written.
        proxy, proxy_port: application proxy.
        mssclamp, tag, flags: options.
        counter: name of the kernel's counter for the rule; empty until the rule is in force.
    """

    kind: str
    interfaces: tuple[str, ...] = ()
    source: Address = ANY
    destination: Address = ANY
    source_port: PortTest | None = None
    destination_port: PortTest | None = None
    target: Address = ANY
    target2: Address | None = None
    protocol: int = 0
    low: int = 0
    high: int = 0
    target_port: int = 0
    age: tuple[int, int] = (0, 0)
    proxy: str = ""
    proxy_port: int = 0
    mssclamp: int = 0
    tag: str = ""
    flags: Flags = field(default=Flags.NONE)
    counter: str = field(default="", compare=False)

    def set_protocol(self, number: int) -> None:
        """Limit the rule to one protocol; one without ports makes the rule forget its ports."""
        self.protocol = number
        if number in (names.TCP, names.UDP):
            self.flags &= ~BOTH
            self.flags |= Flags.TCP if number == names.TCP else Flags.UDP
        elif number == names.ICMP:
            self.flags &= ~BOTH
            if Flags.ICMP_ID not in self.flags:
                self.source_port = self.destination_port = None
                self.low = self.high = self.target_port = 0
        elif self.kind != "map-block":
            if self.destination_port is not None and not self.destination_port.low:
                self.destination_port = None
            if self.source_port is not None and not self.source_port.low:
                self.source_port = None
            self.low = self.high = self.target_port = 0
            self.flags &= ~BOTH
        if not self.flags & BOTH:
            self.flags &= ~Flags.FIXED_PORT

    def key(self) -> tuple[object, ...]:
        """Two rules with the same key are duplicates for the kernel."""
        return (
            self.kind, self.interfaces, self.source, self.destination, self.source_port,
            self.destination_port, self.target, self.target2, self.protocol, self.low, self.high,
            self.target_port, self.age, self.proxy, self.proxy_port, self.mssclamp, self.tag,
            self.flags,
        )  # fmt: skip

    def refusal(self) -> str | None:
        """The system error by which the kernel refuses the rule for its values."""
        if self.kind in ("map", "bimap") and self.low > self.high:
            return "Invalid argument"
        if self.age[0] == 0 and self.age[1] != 0:
            return "Invalid argument"
        if self.proxy and self.proxy not in PROXIES:
            return "No such file or directory"
        return None

    def text(self, resolve: bool = True) -> str:
        """The rule as ``ipnat -l`` prints it; ``resolve`` shows ports by name (not with -R)."""
        second = f",{self.interfaces[1]} " if len(self.interfaces) > 1 else ""
        start = f"{self.kind} {self.interfaces[0]}{second} "
        if self.kind == "rdr":
            return start + self._redirection(resolve)
        return start + self._mapping(resolve)

    def _from_to(self, resolve: bool) -> str:
        inverted = Flags.NOT_SOURCE in self.flags
        text = "! from " if inverted else "from "
        text += self._side(self.source, self.source_port, resolve)
        text += " ! to " if Flags.NOT_DESTINATION in self.flags else " to "
        return text + self._side(self.destination, self.destination_port, resolve)

    def _side(self, address: Address, port: PortTest | None, resolve: bool) -> str:
        text = "any" if address.family != 6 and not address.mask else str(address)
        return text + (port.text(self.protocol, resolve) if port else "")

    def _protocol_text(self) -> str:
        if self.flags & BOTH:
            both = self.flags & BOTH == BOTH
            return "tcp/udp" if both else "tcp" if Flags.TCP in self.flags else "udp"
        if Flags.ICMP_ID in self.flags:
            return "icmp"
        return names.protocol_name(self.protocol)

    def _tail(self) -> str:
        text = ""
        if Flags.FRAG in self.flags:
            text += " frag"
        if any(self.age):
            text += f" age {signed(self.age[0])}/{signed(self.age[1])}"
        return text

    def _mapping(self, resolve: bool) -> str:
        text = self._from_to(resolve) if Flags.FROM_TO in self.flags else str(self.source)
        if Flags.RANGE in self.flags:
            last = Address(self.target.mask, 0, self.target.family)
            text += f" -> range {self.target.host()}-{last.host()}"
        else:
            text += f" -> {self.target}"
        if self.proxy:
            port: object = names.port_name(self.proxy_port, self.protocol) if resolve else self.proxy_port
            port = port if self.proxy_port else ""
            text += f" proxy port {port} {self.proxy}/{names.protocol_name(self.protocol)}"
        elif self.kind == "map-block":
            automatic = Flags.AUTO in self.flags and not self.low
            text += " ports auto" if automatic else f" ports {self.low}"
        elif self.low or self.high:
            if Flags.ICMP_ID in self.flags:
                text += " icmpidmap"
            else:
                text += " portmap"
            text += f" {self._protocol_text()}"
            text += " auto" if Flags.AUTO in self.flags else f" {self.low}:{self.high}"
        elif self.flags & BOTH or self.protocol:
            text += f" {self._protocol_text()}"
        text += self._tail()
        if self.mssclamp:
            text += f" mssclamp {signed(self.mssclamp)}"
        if self.tag:
            text += f" tag {self.tag}"
        if Flags.SEQUENTIAL in self.flags:
            text += " sequential"
        return text

    def _redirection(self, resolve: bool) -> str:
        ports = bool(self.flags & BOTH)
        if Flags.FROM_TO in self.flags:
            text = self._from_to(resolve)
        else:
            text = str(self.destination)
            if ports:
                text += f" port {self.low}"
                if self.high != self.low:
                    text += f"-{self.high}"
        text += f" -> {self.target.host()}"
        if Flags.SPLIT in self.flags and self.target2 is not None:
            text += f",{self.target2.host()}"
            if not self.target.value:
                # The second address is in the place of the mask that goes with an address of zero.
                text += "/" + Address(0, self.target2.value, self.target.family).length()
        elif not self.target.value:
            text = text.removesuffix(self.target.host()) + str(self.target)
        if ports:
            text += f" port {'= ' if Flags.FIXED_PORT in self.flags else ''}{self.target_port}"
        text += f" {self._protocol_text()}"
        if Flags.ROUND_ROBIN in self.flags:
            text += " round-robin"
        text += self._tail()
        if Flags.STICKY in self.flags:
            text += " sticky"
        if self.mssclamp:
            text += f" mssclamp {signed(self.mssclamp)}"
        if self.proxy:
            text += f" proxy {self.proxy}"
        if self.tag:
            text += f" tag {self.tag}"
        return text
