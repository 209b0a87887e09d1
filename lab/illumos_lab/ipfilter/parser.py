"""The grammar of ipnat.conf(5), read one token ahead and only where the grammar needs to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from illumos_lab.ipfilter import names
from illumos_lab.ipfilter.lexer import (
    COMMENT,
    END,
    HEX,
    IN_RANGE,
    IPV6,
    NUMBER,
    OUT_RANGE,
    STRING,
)
from illumos_lab.ipfilter.reader import Reader, Resolver, localhost_only
from illumos_lab.ipfilter.rules import BAD_MASK, BOTH, COMPARISONS, Address, Flags, PortTest, Rule, signed

_INTERFACE_LENGTH = 31
_TAG_LENGTH = 16
_UNKNOWN_PROTOCOL = -1
_FULL4, _FULL6 = 0xFFFFFFFF, (1 << 128) - 1


@dataclass(frozen=True)
class Parsed:
    """A rule, and a warning that came with it.

    Attributes:
        rule: the rule.
        line: number of the line that the reader has reached.
        warning: text for standard error.
    """

    rule: Rule
    line: int
    warning: str = ""


def parse(text: str, resolve: Resolver = localhost_only) -> Iterator[Parsed]:
    """The rules of a file, each as soon as it is complete.

    Raises:
        ParseError: the rest cannot be read; rules that came before it count.
    """
    if text:
        yield from _Parser(text, resolve).file()


class _Parser(Reader):
    def __init__(self, text: str, resolve: Resolver) -> None:
        super().__init__(text)
        self._resolve = resolve
        self._rule = Rule("map")
        self._family = 0

    # The file ----------------------------------------------------------------------------------
    def file(self) -> Iterator[Parsed]:
        rules = {"map": self._map, "bimap": self._map, "map-block": self._map_block, "rdr": self._rdr}
        empty = True
        while empty or self.peek() != END:
            token = self.take(*rules, STRING, COMMENT)
            empty = False
            if token.kind == STRING:
                self._assign(token.text)
            elif token.kind != COMMENT:
                self._rule, self._family = Rule(token.kind), 0
                rules[token.kind]()
                self.accept(";")
                self._settle_family()
                yield Parsed(self._rule, self.lexer.line, self.warnings)
                self.warnings = ""

    def _assign(self, name: str) -> None:
        self.take("=")
        self.lexer.variable_next = True
        value = self.take(STRING)
        self.take(";")
        self.lexer.variables[name] = value.text

    # Rules -------------------------------------------------------------------------------------
    def _map(self) -> None:
        rule = self._rule
        self._interfaces()
        plain = self.peek() != "from"
        if plain:
            rule.source = self._address()
        else:
            self._from_to()
        self.take("->")
        self._map_target()
        ported = self.peek() in ("portmap", "icmpidmap")
        if ported:
            self._portmap()
        elif self.peek() == "proxy":
            self._proxy()
        self._options("round-robin", "frag", "age", "mssclamp", "tag")
        self._map_protocol()
        self._agree((2 if ported else 1) + (0 if plain else 2), rule.source, rule.target)
        if not rule.flags & (BOTH | Flags.ICMP_ID if ported else BOTH):
            rule.set_protocol(rule.protocol)

    def _map_block(self) -> None:
        rule = self._rule
        self._interfaces()
        rule.source = self._address()
        self.take("->")
        rule.target = self._address()
        if self.accept("ports"):
            token = self.take(NUMBER, "auto")
            if token.kind == "auto":
                rule.flags |= Flags.AUTO
            else:
                rule.low = token.number & 0xFFFF
        self._options("round-robin", "frag", "age", "mssclamp", "tag")
        self._map_protocol()
        self._agree(5, rule.source, rule.target)
        if not rule.flags & BOTH:
            rule.set_protocol(rule.protocol)

    def _rdr(self) -> None:
        rule = self._rule
        self._interfaces()
        number, with_ports = 7, True
        if self.peek() in ("from", "!"):
            if self.accept("!"):
                rule.flags |= Flags.NOT_SOURCE
            self._from_to()
        else:
            rule.destination = self._address()
            with_ports = self.peek() == "port"
            number = 6 if with_ports else 8
            if with_ports:
                self._redirected_ports()
        left = rule.source if number == 7 else rule.destination
        self.take("->")
        self._rdr_target()
        if with_ports:
            self.take("port")
            if self.accept("="):
                rule.flags |= Flags.FIXED_PORT
            rule.target_port = self._port()
        self._protocol()
        self._options("round-robin", "frag", "age", "sticky", "mssclamp", "proxy", "tag")
        self._agree(number, left, rule.target)
        ported = rule.low or rule.high or rule.target_port
        if with_ports and not rule.protocol and not rule.flags & BOTH and ported:
            rule.set_protocol(names.TCP)

    def _interfaces(self) -> None:
        found = [self.take(STRING).text[:_INTERFACE_LENGTH]]
        if self.accept(","):
            found.append(self.take(STRING).text[:_INTERFACE_LENGTH])
        self.lexer.expect_address = True
        self._rule.interfaces = tuple(dict.fromkeys(found))

    def _agree(self, number: int, left: Address, right: Address) -> None:
        if left.family and right.family and left.family != right.family:
            raise self.error(f"{number}.address family mismatch")

    def _settle_family(self) -> None:
        """What could be of either family is of the rule's."""
        rule, family = self._rule, self._family or 4
        for side in ("source", "destination", "target", "target2"):
            address: Address | None = getattr(rule, side)
            if address is not None:
                setattr(rule, side, address.of_family(family))

    # Addresses ---------------------------------------------------------------------------------
    def _address(self) -> Address:
        """An address with or without a mask, host bits cleared."""
        if self.accept("any"):
            address = Address(0, 0, self._family)
        else:
            address = self._masked_host()
            if self._last.kind == HEX:
                # After a hexadecimal mask the reader goes on as if an address were to come.
                return address
        self.lexer.expect_address = False
        return address

    def _masked_host(self) -> Address:
        host = self._host()
        slash = self.accept("/")
        if not slash and not self.accept("mask"):
            return host
        if self.peek() == HEX:
            return Address(host.value, self.take(HEX).number, 4).masked
        if self.peek() == IPV6:
            return self._with_mask(host, Address(self.take(IPV6).number, 0, 6), slash)
        number = self.take(NUMBER).number
        if self.peek() == "." or not slash:
            return self._with_mask(host, Address(self._dotted(number), 0, 4), slash)
        family = host.family
        if not family:
            if number not in (0, 32, 128):
                raise self.error("invalid mask")
            family = self._family = 6 if number == 128 else 4
        width = 128 if family == 6 else 32
        mask = BAD_MASK[family] if number > width else ((1 << number) - 1) << (width - number)
        return Address(host.value, mask, family).masked

    def _with_mask(self, host: Address, mask: Address, slash: bool) -> Address:
        if host.family != mask.family:
            raise self.error(f"{1 if slash else 2}.address family mismatch")
        return Address(host.value, mask.value, host.family).masked

    def _host(self) -> Address:
        """One address; its family is 0 for a bare 0 while the rule's is not known."""
        token = self.take(STRING, NUMBER, IPV6)
        if token.kind == NUMBER and self.peek() == IPV6:
            # A number before it is read and forgotten, and the rule learns nothing of the family.
            return Address(self.take(IPV6).number, _FULL6, 6)
        family = 4
        match token.kind:
            case "IPv6 address":
                family, value = 6, token.number
            case "number":
                dotted = self.peek() == "."
                value = self._dotted(token.number) if dotted else token.number
                family = 4 if dotted or value else self._family
            case _:
                found = self._resolve(token.text, 4)
                if found is None:
                    found, family = self._resolve(token.text, 6), 6
                if found is None:
                    raise self.error("Unknown hostname")
                value = found
        self._family = family or self._family
        return Address(value, _FULL6 if family == 6 else _FULL4, family)

    def _dotted(self, first: int) -> int:
        """Four numbers with dots, of which the first has been read."""
        octets = [first]
        for _ in range(3):
            self.take(".")
            octets.append(self.take(NUMBER).number)
        if max(octets) > 255:
            raise self.error("Invalid octet string for IP address")
        return int.from_bytes(octets, "big")

    def _map_target(self) -> None:
        rule = self._rule
        if not self.accept("range"):
            rule.target = self._address()
            return
        low = self._host()
        self.take("-")
        high = self._host()
        if low.family and high.family and low.family != high.family:
            raise self.error("9.address family mismatch")
        rule.flags |= Flags.RANGE
        rule.target = Address(low.value, high.value, low.family or high.family)

    def _rdr_target(self) -> None:
        rule = self._rule
        rule.target = self._host()
        if self.accept("/"):
            rule.target = self._zero_target(rule.target, self.take(NUMBER).number)
        elif self.accept(","):
            self.lexer.expect_address = True
            rule.target2 = self._host()
            if rule.target.family != rule.target2.family:
                raise self.error("10.address family mismatch")
            rule.flags |= Flags.SPLIT
            self.lexer.expect_address = False

    def _zero_target(self, host: Address, length: int) -> Address:
        """A target with a length, which only the address of the interface and ``0/0`` have."""
        family = host.family or {0: 4, 32: 4, 128: 6}.get(length, 0)
        width = 128 if family == 6 else 32
        # Of an IPv6 address only the beginning is looked at.
        if host.family and (host.value >> (width - 32) or length not in (0, width)):
            raise self.error("Invalid mask for dip")
        self._family = family
        mask = ((1 << length) - 1) << (width - length) if family else 0
        return Address(host.value, mask, family)

    def _from_to(self) -> None:
        rule = self._rule
        number = 11
        if rule.kind == "rdr":
            number = 14 if Flags.NOT_SOURCE in rule.flags else 13
        self.take("from")
        self.lexer.expect_address = True
        rule.flags |= Flags.FROM_TO
        rule.source = self._address()
        rule.source_port = self._port_test()
        if rule.kind != "rdr" and self.accept("!"):
            rule.flags |= Flags.NOT_DESTINATION
            number = 12
        self.take("to")
        rule.destination = self._address()
        rule.destination_port = self._port_test()
        if rule.kind == "rdr" and rule.destination_port is not None:
            rule.low = rule.destination_port.low
        self._agree(number, rule.source, rule.destination)

    # Ports and protocols -----------------------------------------------------------------------
    def _port(self) -> int:
        token = self.take(NUMBER, STRING)
        number = token.number if token.kind == NUMBER else names.port_number(token.text)
        if number is None or number > 65535:
            raise self.error("invalid port number")
        return number

    def _port_test(self) -> PortTest | None:
        if not self.accept("port"):
            return None
        if self.peek() in COMPARISONS or self.peek() == "=":
            operator = self.take("=", *COMPARISONS).kind
            return PortTest("eq" if operator == "=" else operator, self._port())
        low = self._port()
        operator = self.take(IN_RANGE, OUT_RANGE).kind
        return PortTest(operator, low, self._port())

    def _redirected_ports(self) -> None:
        rule = self._rule
        self.take("port")
        rule.low = rule.high = self._port()
        if self.peek() in ("-", ":"):
            self.take("-", ":")
            rule.high = self._port()

    def _portmap(self) -> None:
        rule = self._rule
        if self.accept("icmpidmap"):
            word = self.take(STRING).text
            rule.low = self.take(NUMBER).number
            self.take(":")
            rule.high = self.take(NUMBER).number
            if word != "icmp":
                raise self.error("icmpidmap not followed by icmp")
            if max(rule.low, rule.high) > 65535:
                raise self.error("invalid ICMP Id number")
            # The program forgets what it knew of the left side and of a range.
            rule.flags = Flags.ICMP_ID
            return
        self.take("portmap")
        if self.peek() in ("tcp", "udp", "tcpudp"):
            self._tcp_udp()
        if self.accept("auto"):
            rule.flags |= Flags.AUTO
            rule.low, rule.high = 1024, 65535
        else:
            rule.low = self._port()
            self.take(":")
            rule.high = self._port()
        if self.accept("sequential"):
            rule.flags |= Flags.SEQUENTIAL

    def _tcp_udp(self) -> None:
        """``tcp``, ``udp``, ``tcpudp`` or ``tcp/udp``."""
        rule = self._rule
        kind = self.take("tcp", "udp", "tcpudp").kind
        if kind == "udp":
            rule.set_protocol(names.UDP)
        elif kind == "tcpudp" or self.accept("/"):
            if kind == "tcp":
                self.take("udp")
            rule.flags |= BOTH
            rule.protocol = 0
        else:
            rule.set_protocol(names.TCP)

    def _single_protocol(self) -> int:
        token = self.take(NUMBER, STRING, "tcp", "udp")
        if token.kind == NUMBER:
            return signed(token.number)
        if token.kind == STRING:
            return names.PROTOCOLS.get(token.text, _UNKNOWN_PROTOCOL)
        return names.PROTOCOLS[token.kind]

    def _protocol(self) -> bool:
        """A protocol if there is one."""
        if self.peek() in ("tcp", "udp", "tcpudp"):
            self._tcp_udp()
        elif self.peek() in (NUMBER, STRING):
            self._rule.set_protocol(self._single_protocol())
        else:
            return False
        return True

    def _map_protocol(self) -> None:
        rule = self._rule
        before = rule.protocol != 0 or bool(rule.flags & BOTH)
        if self._protocol() and before:
            raise self.error("protocol set twice")

    # Options -----------------------------------------------------------------------------------
    def _options(self, *order: str) -> None:
        readers = {
            "round-robin": self._round_robin,
            "frag": self._frag,
            "age": self._age,
            "sticky": self._sticky,
            "mssclamp": self._mssclamp,
            "proxy": self._rdr_proxy,
            "tag": self._tag,
        }
        for word in order:
            if self.peek() == word:
                readers[word]()

    def _round_robin(self) -> None:
        self.take("round-robin")
        self._rule.flags |= Flags.ROUND_ROBIN

    def _frag(self) -> None:
        self.take("frag")
        self._rule.flags |= Flags.FRAG

    def _age(self) -> None:
        self.take("age")
        first = self.take(NUMBER).number
        second = self.take(NUMBER).number if self.accept("/") else first
        self._rule.age = (first, second)

    def _sticky(self) -> None:
        self.take("sticky")
        if self._rule.flags & (Flags.ROUND_ROBIN | Flags.SPLIT):
            self._rule.flags |= Flags.STICKY
        else:
            self.warnings += "'sticky' for use with round-robin/IP splitting only\n"

    def _mssclamp(self) -> None:
        self.take("mssclamp")
        self._rule.mssclamp = self.take(NUMBER).number

    def _tag(self) -> None:
        self.take("tag")
        self._rule.tag = self.take(STRING).text[:_TAG_LENGTH]

    def _rdr_proxy(self) -> None:
        rule = self._rule
        self.take("proxy")
        if self.peek() == "port":
            self._proxy_port()
            rule.low = rule.high = rule.target_port = rule.proxy_port
        else:
            rule.proxy = self.take(STRING).text[:_TAG_LENGTH]
            rule.proxy_port = rule.target_port
            if rule.destination_port is not None:
                rule.destination_port = replace(rule.destination_port, low=rule.target_port)

    def _proxy(self) -> None:
        self.take("proxy")
        self._proxy_port()

    def _proxy_port(self) -> None:
        """``port PORT LABEL/PROTOCOL``; a named port is looked up for that protocol."""
        rule = self._rule
        self.take("port")
        port = self.take(NUMBER, STRING)
        if port.kind == NUMBER and port.number > 65535:
            raise self.error("invalid port number")
        rule.proxy = self.take(STRING).text[:_TAG_LENGTH]
        self.take("/")
        protocol = self._single_protocol()
        if port.kind == NUMBER:
            test = rule.destination_port
            if test is not None and test.low != port.number:
                raise self.error("proxy port numbers not consistant")
            number: int | None = port.number
        else:
            number = names.port_number(port.text, None if protocol == _UNKNOWN_PROTOCOL else protocol)
        if number is None:
            raise self.error("invalid port number")
        if port.kind != NUMBER and rule.destination_port is not None:
            # The port of the condition is in the same place, with its bytes the other way round.
            number = int.from_bytes(number.to_bytes(2, "little"), "big")
            rule.destination_port = replace(rule.destination_port, low=number)
        rule.proxy_port = number
        rule.set_protocol(protocol)
