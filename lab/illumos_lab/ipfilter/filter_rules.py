"""Rules of the filter: what they say, and how they are printed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import zip_longest

from illumos_lab.ipfilter import names
from illumos_lab.ipfilter.rules import COMPARISONS, Address, PortTest, signed

TCP_FLAGS = "FSRPAUEC"
"""Letters of the TCP flags, from the lowest bit."""

ALL_TCP_FLAGS = 0x3F
"""The mask of ``flags S``: ECN is left out."""

ICMP_TYPES = {
    "echorep": 0, "unreach": 3, "squench": 4, "redir": 5, "echo": 8, "routerad": 9, "routersol": 10,
    "timex": 11, "paramprob": 12, "timest": 13, "timestrep": 14, "inforeq": 15, "inforep": 16,
    "maskreq": 17, "maskrep": 18,
}  # fmt: skip

ICMP_CODES = (
    "net-unr", "host-unr", "proto-unr", "port-unr", "needfrag", "srcfail", "net-unk", "host-unk",
    "isolate", "net-prohib", "host-prohib", "net-tos", "host-tos", "filter-prohib", "host-preced",
    "preced-cutoff",
)  # fmt: skip
"""Codes of ICMP unreachable messages as they are printed, by number."""

_OPTIONS = """
    nop rr zsu mtup mtur encode ts tr sec lsrr e-sec cipso satid ssrr addext visa imitd eip finn dps sdb
    nsapa rtralrt ump
"""
IP_OPTIONS = tuple(_OPTIONS.split())
"""Options of an IPv4 header in the order in which they are printed."""

SECURITY_CLASSES = (
    "reserv-4", "topsecret", "secret", "reserv-3", "confid", "unclass", "reserv-2", "reserv-1",
)  # fmt: skip

IPV6_HEADERS = ("hopopts", "ipv6", "routing", "frag", "esp", "ah", "none", "dstopts")

PROPERTIES = (
    "ipopts", "short", "frag", "frag-body", "nat", "lowttl", "bad", "bad-src", "bad-nat", "oow", "mcast",
    "bcast", "mbcast", "state",
)  # fmt: skip
"""What ``with`` asks of a packet, in the order in which it is printed."""

_FACILITIES_SHOWN = {"cron": "cron2", "security": "audit"}

_COMMAND_NUMBERS = {"block": 1, "pass": 2, "auth": 3, "preauth": 4, "count": 5, "skip": 6}


NAME_LENGTH = 16
"""Room for the name of a group, and for a tag."""

_ANY = Address(0, 0)


@dataclass(frozen=True)
class Side:
    """Source or destination.

    Attributes:
        address: address and mask; 0/0 for any.
        negated: everything but that.
        dynamic: address of the rule's interface: ``host``, ``net``, ``bcast``, ``netmasked`` or ``peer``.
        table: ``pool`` or ``hash``, whose number is the address.
        port: condition on the port.
    """

    address: Address = _ANY
    negated: bool = False
    dynamic: str = ""
    table: str = ""
    port: PortTest | None = None

    def text(self, interface: str, protocol: int | None, resolve: bool) -> str:
        """As the rule prints it."""
        text = "!" if self.negated else ""
        if self.table:
            text += f"{self.table}/{self.address.value}"
        elif self.dynamic:
            mask = str(self.address).rpartition("/")[2] if self.dynamic == "host" else f"/{self.dynamic}"
            text += f"{interface}/{mask}"
        elif self.address.family == 4 and not self.address.value and not self.address.mask:
            text += "any"
        else:
            text += str(self.address)
        return text + ("" if self.port is None else _port_text(self.port, protocol, resolve))


def _port_text(test: PortTest, protocol: int | None, resolve: bool) -> str:
    if test.operator in COMPARISONS:
        port = names.port_name(test.low, protocol) if resolve else str(test.low)
        return f" port {COMPARISONS[test.operator]} {port}"
    if test.operator == ":":
        return f" port {test.low}:{test.high}"
    return f" port {test.low} {test.operator} {test.high}"


BOTH_PROTOCOLS = -1
"""Protocol of ``tcp/udp``."""


@dataclass(frozen=True)
class Log:
    """What is logged of a packet.

    Attributes:
        options: ``body``, ``first``, ``or-block``.
        level: facility and priority.
    """

    options: frozenset[str] = frozenset()
    level: tuple[str, str] | None = None

    def joined(self, other: Log) -> Log:
        """What both ask for together."""
        return Log(self.options | other.options, other.level or self.level)

    def __str__(self) -> str:
        text = "log" + "".join(f" {each}" for each in ("body", "first", "or-block") if each in self.options)
        if self.level is not None:
            facility, priority = self.level
            # The number of kern is 0, which is taken for none.
            shown = "" if facility == "kern" else f"{_FACILITIES_SHOWN.get(facility, facility)}."
            text += f" level {shown}{priority}"
        return text


@dataclass(frozen=True)
class Target:
    """Where ``to``, ``dup-to`` and ``reply-to`` send a packet."""

    interface: str
    router: Address | None = None

    def __str__(self) -> str:
        router = self.router
        return self.interface + (f":{router.host()}" if router is not None and router.value else "")


@dataclass
class FilterRule:
    """One rule.

    Attributes:
        version: 4 or 6.
        command: ``pass``, ``block``, ``log``, ``count``, ``auth``, ``preauth``, ``skip`` or ``call``.
        argument: number of ``skip`` and ``call``.
        now: ``call now``.
        answer: ``return-rst``, ``return-icmp`` or ``return-icmp-as-dest``.
        icmp_code: code of such an answer.
        position: where the rule is to be inserted; None appends it.
        collection: number before the rule.
        direction: ``in`` or ``out``.
        log: what it logs.
        quick: no later rule is looked at.
        interfaces, via: link names of ``on`` and ``in-via``.
        duplicate, route, reply: targets.
        fast_route: ``fastroute``.
        selective: it asks something of the packet; otherwise it is for ``all``.
        tos, ttl: bytes of the header.
        protocol: number, `BOTH_PROTOCOLS`, or None.
        source, destination: addresses and ports.
        flags: TCP flags and their mask.
        icmp, icmp_mask: type and code of ICMP, eight bits each.
        properties, wanted: of `PROPERTIES`, those asked about and those that must hold.
        options, wanted_options: the same of `IP_OPTIONS` or `IPV6_HEADERS`.
        classes, wanted_classes: the same of `SECURITY_CLASSES`.
        keep_state, keep_frags, strict_frags: ``keep``.
        state_limit, state_options, age: how state is kept.
        head, group: names of groups.
        log_tag, nat_tag: ``set-tag``; a log tag of 0 is none.
        pps: packets per second.
        counter: name of the kernel's counter for the rule; empty until the rule is in force.
    """

    version: int = 4
    command: str = ""
    argument: int = 0
    now: bool = False
    answer: str = ""
    icmp_code: int = 0
    position: int | None = None
    collection: int = 0
    direction: str = ""
    log: Log | None = None
    quick: bool = False
    interfaces: tuple[str, ...] = ()
    via: tuple[str, ...] = ()
    duplicate: Target | None = None
    route: Target | None = None
    reply: Target | None = None
    fast_route: bool = False
    selective: bool = False
    tos: int | None = None
    ttl: int | None = None
    protocol: int | None = None
    source: Side = field(default_factory=Side)
    destination: Side = field(default_factory=Side)
    flags: tuple[int, int] = (0, 0)
    icmp: int = 0
    icmp_mask: int = 0
    properties: frozenset[str] = frozenset()
    wanted: frozenset[str] = frozenset()
    options: frozenset[str] = frozenset()
    wanted_options: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    wanted_classes: frozenset[str] = frozenset()
    keep_state: bool = False
    keep_frags: bool = False
    strict_frags: bool = False
    state_limit: int = 0
    state_options: frozenset[str] = frozenset()
    age: tuple[int, int] = (0, 0)
    head: str = ""
    group: str = ""
    log_tag: int = 0
    nat_tag: str = ""
    pps: int = 0
    counter: str = field(default="", compare=False)

    @property
    def table(self) -> str:
        """The kernel's list that the rule belongs in: ``count`` rules have lists of their own."""
        return "account" if self.command == "count" else "filter"

    def key(self) -> FilterRule:
        """Two rules with the same key are duplicates for the kernel."""
        return replace(self, position=None, collection=0)

    def text(self, resolve: bool = True) -> str:
        """The rule as ``ipfstat`` prints it; ``resolve`` shows ports by name (not with -R)."""
        text = f"{self.collection} " if self.collection else ""
        text += f"{self._command_text()} {self.direction} {self._options_text()}"
        text += self._packet_text(resolve) if self.selective else "all"
        return text + self._keep_text() + self._tail_text()

    def _command_text(self) -> str:
        match self.command:
            case "call":
                # The name is the kernel's to know, and it is not asked here.
                return f"call{' now' if self.now else ''} /{self.argument}"
            case "block" if self.answer:
                code = ""
                if self.icmp_code and self.answer != "return-rst":
                    known = self.icmp_code < len(ICMP_CODES)
                    code = f"({ICMP_CODES[self.icmp_code] if known else self.icmp_code})"
                return f"block {self.answer}{code}"
            case "log":
                return str(self.log)
            case "skip":
                return f"skip {self.argument}"
        return self.command

    def _options_text(self) -> str:
        text = ""
        # Bits of the command that ``pass`` or ``block`` has as well let the log be shown.
        if self.log is not None and _COMMAND_NUMBERS.get(self.command, 0) & 3:
            text += f"{self.log} "
        if self.quick:
            text += "quick "
        if self.interfaces:
            shown = [name for place, name in enumerate(self.interfaces) if not place or name != "*"]
            text += f"on {','.join(shown)} "
        for word, target in (("dup-to", self.duplicate), ("to", self.route), ("reply-to", self.reply)):
            if target is not None:
                text += f"{word} {target} "
        if self.fast_route:
            text += "fastroute "
        if any(name != "*" for name in self.via):
            text += f"{'in-via' if self.direction == 'out' else 'out-via'} {self.via[0]} "
            text += "".join(f",{name}" for name in self.via[1:])
        return text

    def _packet_text(self, resolve: bool) -> str:
        text = ""
        if self.tos is not None:
            text += f"tos {hex(self.tos) if self.tos else 0} "
        if self.ttl is not None:
            text += f"ttl {self.ttl} "
        if self.protocol == BOTH_PROTOCOLS:
            text += "proto tcp/udp "
        elif self.protocol is not None:
            text += f"proto {names.protocol_name(self.protocol)} "
        interface = self.interfaces[0] if self.interfaces else ""
        text += f"from {self.source.text(interface, self.protocol, resolve)}"
        text += f" to {self.destination.text(interface, self.protocol, resolve)}"
        if self.protocol in (names.ICMP, names.ICMP6) and self.icmp_mask:
            text += self._icmp_text()
        if self.protocol == names.TCP and any(self.flags):
            wanted, mask = self.flags
            text += f" flags {flag_letters(wanted)}" + (f"/{flag_letters(mask)}" if mask else "")
        return text + self._with_text()

    def _icmp_text(self) -> str:
        number = self.icmp >> 8
        shown = str(number)
        if self.protocol == names.ICMP:
            shown = next((name for name, value in ICMP_TYPES.items() if value == number), shown)
        return f" icmp-type {shown}" + (f" code {self.icmp & 0xFF}" if self.icmp_mask & 0xFF else "")

    def _with_text(self) -> str:
        if not (self.properties or self.options or self.classes):
            return ""
        text = " with"
        asked = [name for name in PROPERTIES if name in self.properties]
        if self.options or self.classes:
            text += self._headers_text()
            # One that is asked about besides is not shown.
            asked = [name for name in asked if name != "ipopts"]
        comma = " "
        for name in asked:
            text += comma + ("" if name in self.wanted else "not ") + name
            if name != "oow":
                comma = ","
        return text

    def _headers_text(self) -> str:
        if self.version == 6:
            return self._ipv6_headers_text()
        word = "opt"
        wanted = [name for name in IP_OPTIONS if name in self.options & self.wanted_options]
        unwanted = [name for name in IP_OPTIONS if name in self.options - self.wanted_options]
        if self.classes:
            # A security class says more than the option that carries it.
            wanted = [name for name in wanted if name != "sec"]
        text = f" {word} " + ",".join(wanted) if wanted else ""
        if self.classes & self.wanted_classes:
            text += ("," if wanted else f" {word} ") + "sec-class "
            text += ",".join(name for name in SECURITY_CLASSES if name in self.wanted_classes)
        if unwanted or self.classes - self.wanted_classes:
            text += f" not {word}" + (" " + ",".join(unwanted) if unwanted else "")
        if self.classes - self.wanted_classes:
            text += ("," if unwanted else " ") + "sec-class "
            left_out = self.classes - self.wanted_classes
            text += ",".join(name for name in SECURITY_CLASSES if name in left_out)
        return text

    def _ipv6_headers_text(self) -> str:
        # A header and an IPv4 option in the same place of their lists share a bit; classes are not shown.
        both = list(zip_longest(IP_OPTIONS, IPV6_HEADERS, fillvalue=""))

        def listed(found: frozenset[str]) -> str:
            return ",".join(header for option, header in both if header and {option, header} & found)

        wanted = listed(self.options & self.wanted_options)
        text = f" v6hdrs {wanted}" if wanted else ""
        unwanted = self.options - self.wanted_options
        if unwanted or self.classes - self.wanted_classes:
            text += " not v6hdrs" + (f" {listed(unwanted)}" if listed(unwanted) else "")
        return text

    def _keep_text(self) -> str:
        text = ""
        if self.keep_state:
            text += " keep state"
            details = [f"limit {self.state_limit}"] if self.state_limit else []
            order = ("strict", "newisn", "no-icmp-err", "sync")
            details += [name for name in order if name in self.state_options]
            if details or self.age[0]:
                if any(self.age):
                    details.append(f"age {signed(self.age[0])}/{signed(self.age[1])}")
                text += f" ({','.join(details)})"
        if self.keep_frags:
            text += " keep frags" + (" ( strict )" if self.strict_frags else "")
        return text

    def _tail_text(self) -> str:
        text = f" head {self.head}" if self.head else ""
        if self.group:
            # A name without room for its end goes on into the field behind it.
            text += f" group {self.group}" + (self.head if len(self.group) == NAME_LENGTH else "")
        tags = [f"log={self.log_tag}"] if self.log_tag else []
        if self.nat_tag:
            tags.append(f"nat={self.nat_tag}")
        if tags:
            text += f" set-tag({', '.join(tags)})"
        return text + (f" pps {signed(self.pps)}" if self.pps else "")


def flag_letters(bits: int) -> str:
    """The letters of TCP flags."""
    return "".join(letter for place, letter in enumerate(TCP_FLAGS) if bits >> place & 1)


def flag_bits(text: str) -> int:
    """The bits of TCP flags; W is another letter for C. An unknown letter makes all of them none."""
    bits = 0
    for letter in text.replace("W", "C"):
        if letter not in TCP_FLAGS:
            return 0
        bits |= 1 << TCP_FLAGS.index(letter)
    return bits
