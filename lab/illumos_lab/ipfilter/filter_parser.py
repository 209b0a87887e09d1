"""The grammar of ipf.conf(5).

A list in parentheses multiplies the rule that is being read, so all that is read is applied to a list of
rules. A rule is handed out once it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from illumos_lab.ipfilter import filter_words, names
from illumos_lab.ipfilter.filter_rules import (
    ALL_TCP_FLAGS,
    BOTH_PROTOCOLS,
    ICMP_CODES,
    ICMP_TYPES,
    NAME_LENGTH,
    PROPERTIES,
    FilterRule,
    Log,
    Side,
    Target,
    flag_bits,
)
from illumos_lab.ipfilter.lexer import COMMENT, END, HEX, IN_RANGE, IPV6, NUMBER, OUT_RANGE, STRING
from illumos_lab.ipfilter.reader import SYNTAX, ParseError, Reader, Resolver, localhost_only
from illumos_lab.ipfilter.rules import COMPARISONS, Address, PortTest, signed

_INTERFACE_LENGTH = 32
_FULL4, _FULL6 = 0xFFFFFFFF, (1 << 128) - 1
_OPTION_OF_WORD = {
    "log": "log", "quick": "quick", "on": "on", "dup-to": "dup", "fastroute": "froute", "to": "proute",
    "route-to": "proute", "reply-to": "replyto",
}  # fmt: skip
_PROPERTY_WORDS = {word: word for word in PROPERTIES} | {"frags": "frag"}


@dataclass(frozen=True)
class ParsedRule:
    """A rule that is complete.

    Attributes:
        rule: the rule.
        line: number of the line that the reader has reached.
    """

    rule: FilterRule
    line: int


@dataclass(frozen=True)
class Shown:
    """Text for standard output: tables that a rule brings along are shown when it is read."""

    text: str


@dataclass(frozen=True)
class Loopback:
    """``set intercept_loopback``: whether packets within the machine are filtered."""

    on: bool


Parsed = ParsedRule | Shown | Loopback


class _Abandoned(Exception):
    """The rule is wrong in a way that makes the program begin anew behind it, with what it has got."""


class FilterParser(Reader):
    """Reads filter rules.

    Args:
        text: the file.
        version: 6 after option -6, else 4.
        resolve: finds the addresses of host names.
        group_heads: rules read before, which heads of groups may be among.
    """

    def __init__(
        self,
        text: str,
        version: int = 4,
        resolve: Resolver = localhost_only,
        group_heads: Sequence[FilterRule] = (),
    ) -> None:
        super().__init__(text, filter_words.WORDS)
        self._empty = not text
        self._version = version
        self._resolve = resolve
        self._done = list(group_heads)
        self._pending: list[FilterRule] = []
        self._tables: list[Parsed] = []
        self._first = 0
        self._start = 0
        self._multiple = 1
        self._continues = False
        self._dynamic = False
        self._dynamic_kind = ""
        self._table = ""
        self._not = False

    def rules(self) -> Iterator[Parsed]:
        """What the file says, piece by piece.

        Raises:
            ParseError: the rest cannot be read; rules that came before it count.
        """
        while not self._empty:
            try:
                yield from self._file()
            except ParseError:
                # The error's message brings the warnings.
                self.warnings = ""
                yield from self._tables
                raise
            except _Abandoned:
                yield from self._tables
                self._tables.clear()
                self._ahead = None
                self._empty = self.lexer.exhausted
            else:
                return

    # The file ----------------------------------------------------------------------------------
    def _file(self, end: str = END) -> Iterator[Parsed]:
        empty = True
        while empty or self.peek() != end:
            empty = False
            kind = self.peek()
            if kind == COMMENT:
                self.take(COMMENT)
            elif kind == "set":
                yield self._set()
            elif kind == STRING:
                self._assign()
            else:
                yield from self._rule()
                yield from self._complete()

    def _assign(self) -> None:
        name = self.take(STRING).text
        self.take("=")
        self.lexer.variable_next = True
        value = self.take(STRING).text
        self.take(";")
        self.lexer.variables[name] = value
        self.lexer.variable_next = False

    def _set(self) -> Loopback:
        self.take("set")
        self.take("intercept_loopback")
        word = self.take(STRING).text
        self.take(";")
        if self._done:
            raise self.error('ipf rules before "set"')
        if word not in ("true", "false"):
            raise self.error("invalid argument for ipf_loopback")
        return Loopback(word == "true")

    def _complete(self) -> Iterator[Parsed]:
        yield from self._tables
        self._tables.clear()
        for rule in self._pending:
            yield ParsedRule(rule, self.lexer.line)
        self._done += self._pending
        self._pending.clear()

    # Rules -------------------------------------------------------------------------------------
    @property
    def _rules(self) -> list[FilterRule]:
        """The rules that are being read."""
        return self._pending[self._first :]

    def _put(self, since: int | None = None, **values: Any) -> None:
        """Set attributes of the rules that are being read, from one on."""
        for rule in self._pending[self._first if since is None else since :]:
            for name, value in values.items():
                setattr(rule, name, value)

    def _rule(self) -> Iterator[Parsed]:
        self._first = self._start = len(self._pending)
        self._multiple = 1
        rule = FilterRule(self._version)
        blank = Address(0, 0, self._version)
        rule.source = rule.destination = Side(blank)
        self._pending.append(rule)
        if self.accept("@"):
            rule.position = self.take(NUMBER).number
        if self.peek() == NUMBER:
            rule.collection = self.take(NUMBER).number
        self._command(rule)
        rule.direction = self.take("in", "out").kind
        self._options(rule)
        self._packet()
        if self.peek() in ("with", "and"):
            self._with()
        if self.peek() == "keep":
            self._keep()
        for word in ("head", "group"):
            if self.peek() == word:
                self._group(word)
        for word in ("set-tag", "match-tag"):
            if self.peek() == word:
                self._tags(word)
        if self.accept("pps"):
            self._put(pps=self.take(NUMBER).number)
        if self.accept("age"):
            first = self.take(NUMBER).number
            self._put(age=(first, self.take(NUMBER).number if self.accept("/") else first))
        if self.accept("{"):
            yield from self._file("}")
            self.take("}")
        self.accept(";")

    def _command(self, rule: FilterRule) -> None:
        rule.command = self.take("block", "pass", "log", "count", "auth", "preauth", "skip", "call").kind
        match rule.command:
            case "block" if self.peek() in ("return-icmp", "return-icmp-as-dest", "return-rst"):
                rule.answer = self.take("return-icmp", "return-icmp-as-dest", "return-rst").kind
                if rule.answer != "return-rst" and self.accept("("):
                    self.lexer.push(filter_words.ICMP_CODE_WORDS)
                    rule.icmp_code = self._icmp_code() & 0xFF
                    self.take(")")
                    self.lexer.pop()
            case "log":
                rule.log = self._log()
            case "auth":
                self.accept("return-rst")
            case "skip":
                rule.argument = self.take(NUMBER).number
            case "call":
                rule.now = self.accept("now")
                self.take(STRING)
                self.take("/")
                rule.argument = self.take(NUMBER).number

    def _log(self) -> Log:
        options: set[str] = set()
        level = None
        while self.peek() in ("body", "first", "or-block", "level"):
            word = self.take("body", "first", "or-block", "level").kind
            if word == "level":
                level = self._level()
            else:
                options.add(word)
        return Log(frozenset(options), level)

    def _level(self) -> tuple[str, str]:
        self.lexer.push(filter_words.LOG_WORDS)
        self.lexer.break_on_dot = True
        priorities = [kind for kind in filter_words.LOG_WORDS.values() if kind.startswith("priority")]
        facilities = [kind for kind in filter_words.LOG_WORDS.values() if kind.startswith("facility")]
        found = self.take(*priorities, *facilities).kind
        facility = "local0"
        if found in facilities:
            facility = found.removeprefix("facility ")
            self.take(".")
            found = self.take(*priorities).kind
        self.lexer.pop()
        self.lexer.break_on_dot = False
        return facility, found.removeprefix("priority ")

    def _options(self, rule: FilterRule) -> None:
        seen = set()
        while (kind := self.peek()) in _OPTION_OF_WORD and (kind != "fastroute" or rule.direction == "in"):
            self.take(kind)
            match kind:
                case "log":
                    rule.log = self._log() if rule.log is None else rule.log.joined(self._log())
                case "quick":
                    rule.quick = True
                case "on":
                    self._on(rule)
                case "fastroute":
                    rule.fast_route = True
                case "dup-to":
                    rule.duplicate = self._target()
                case "reply-to":
                    rule.reply = self._target()
                case _:
                    rule.route = self._target()
            option = _OPTION_OF_WORD[kind]
            if option in seen:
                raise self.error(f"Duplicate {option} option")
            seen.add(option)

    def _on(self, rule: FilterRule) -> None:
        found = [self._interface()]
        if self.accept(","):
            found.append(self._interface())
        rule.interfaces = tuple(found)
        if self.peek() in ("in-via", "out-via"):
            self.take("in-via", "out-via")
            via = [self._name()]
            if self.accept(","):
                via.append(self._name())
            rule.via = tuple(via)

    def _name(self) -> str:
        return self.take(STRING).text[:_INTERFACE_LENGTH]

    def _interface(self) -> str:
        name = self.take(STRING).text
        if self.accept(":"):
            number = self.take(NUMBER).number
            self.warnings += (
                f"{self.lexer.line}: Logical interface {name}:{number} unsupported,"
                f" use the physical interface {name} instead.\n"
            )
        return name[:_INTERFACE_LENGTH]

    def _target(self) -> Target:
        name = self._name()
        if not self.accept(":"):
            return Target(name)
        self.lexer.expect_address = self._continues = True
        self._reset_address()
        if self.peek() == IPV6:
            router = Address(self.take(IPV6).number, _FULL6, 6)
            if self._version == 4:
                router = Address(router.value >> 96, _FULL4, 4)
        else:
            router = self._host()
        self.lexer.expect_address = False
        return Target(name, router)

    # Packets -----------------------------------------------------------------------------------
    def _packet(self) -> None:
        if self.peek() in ("bpf-v4", "bpf-v6"):
            self.take("bpf-v4", "bpf-v6")
            self.take("{")
            self.take(STRING)
            self.take("}")
            raise ParseError(f"{self.warnings}BPF filter expressions not supported\n")
        for word, kinds in (("tos", (NUMBER, HEX)), ("ttl", (NUMBER,))):
            if self.accept(word):
                self._select()
                self._byte(word, kinds)
        if self.accept("proto"):
            self._select()
            self._protocol()
        if self.peek() in ("all", "from", "to"):
            self._from_to()
        if self.peek() == "flags":
            self._flags()
        if self.accept("icmp-type"):
            self._icmp()

    def _select(self) -> None:
        """The rule is for some packets only."""
        self._put(selective=True)
        self._start = self._first

    def _list(self, read: Callable[[], None]) -> None:
        """A list in parentheses, with or without commas: every further item makes copies of the rules."""
        self.take("(")
        self._start, added = self._first, 0
        read()
        while self.peek() != ")":
            self.accept(",")
            copies = [replace(rule) for rule in self._rules[: self._multiple]]
            self._start = len(self._pending)
            self._pending += copies
            added += len(copies)
            if self._continues:
                self.lexer.expect_address = True
            read()
        self.take(")")
        self._multiple += added

    def _item_or_list(self, read: Callable[[], None]) -> None:
        if self.peek() == "(":
            self._list(read)
        else:
            read()

    def _byte(self, name: str, kinds: tuple[str, ...]) -> None:
        def read() -> None:
            self._put(self._start, **{name: self.take(*kinds).number & 0xFF})

        self._item_or_list(read)

    def _protocol(self) -> None:
        self.lexer.push(None)
        token = self.take(NUMBER, STRING)
        if token.kind == NUMBER:
            protocol = token.number & 0xFF
        elif self.peek() == "/":
            self.take("/")
            self.lexer.push(None)
            second = self.take(STRING)
            if (token.text, second.text) != ("tcp", "udp"):
                raise _Abandoned
            protocol = BOTH_PROTOCOLS
        elif token.text == "tcp-udp":
            protocol = BOTH_PROTOCOLS
        else:
            known = names.PROTOCOLS.get(token.text)
            if known is None:
                raise self.error("protocol unknown")
            protocol = known
        self.lexer.pop()
        self._put(protocol=protocol)

    def _from_to(self) -> None:
        if self.accept("all"):
            return
        if self.peek() == "from":
            self.take("from")
            self._select()
            self._side("source")
        if self.accept("to"):
            self._side("destination")
        self.lexer.expect_address = self._continues = False

    def _side(self, name: str) -> None:
        self.lexer.expect_address = self._continues = True
        self.lexer.push(filter_words.ADDRESS_WORDS)
        self._reset_address()
        self._start = self._first
        if self.peek() == "port":
            self.lexer.pop()
            self._port(name)
            return
        negated = self.accept("!")

        def read() -> None:
            self._change(name, self._start, self._address())

        self._item_or_list(read)
        if self.peek() == "port":
            self._port(name)
        if negated:
            for rule in self._rules:
                setattr(rule, name, replace(getattr(rule, name), negated=True))

    def _change(self, name: str, since: int, side: Side) -> None:
        """Put another address in place. What it is the address of stays, unless the new one says that."""
        for rule in self._pending[since:]:
            old: Side = getattr(rule, name)
            if side.dynamic or side.table:
                old = replace(old, dynamic=side.dynamic, table=side.table)
            setattr(rule, name, replace(old, address=side.address))

    # Addresses ---------------------------------------------------------------------------------
    def _reset_address(self) -> None:
        self._dynamic, self._table = False, ""

    def _address(self) -> Side:
        if self.peek() in ("pool", "hash"):
            return self._lookup()
        address = self._masked()
        self.lexer.expect_address = False
        if self._dynamic:
            return Side(address, dynamic=self._dynamic_kind)
        return Side(address, table=self._table)

    def _lookup(self) -> Side:
        kind = self.take("pool", "hash").kind
        self.lexer.expect_address = self._continues = False
        self.lexer.pop()
        self.peek()
        if self.accept("/"):
            number = self.take(NUMBER).number
        else:
            self.take("=")
            self.take("(")
            self._inline_table(kind)
            number = 0
        self._table = kind
        self.lexer.expect_address = False
        return Side(Address(number, _FULL4, 4), table=kind)

    def _inline_table(self, kind: str) -> None:
        nodes: list[str] = []
        while not nodes or self.accept(","):
            negated = kind == "pool" and self.accept("!")
            nodes.append(f"{'! ' if negated else ''}{self._masked()};")
        self.take(")")
        if kind == "hash":
            # The list is built from its end, and the table is of a size in proportion.
            head, nodes = f"hash number =  size = {2 * len(nodes) - 1}", nodes[::-1]
        else:
            head = "tree number = "
        text = f"table role = ipf type = {head}\n\t{{ {' '.join(nodes)} }};\n"
        self._tables.append(Shown(text))

    def _masked(self) -> Address:
        """An address with or without a mask. Host bits are cleared of those written the IPv4 way only."""
        if self.accept("any"):
            self.lexer.pop()
            self.lexer.expect_address = False
            return Address(0, 0, self._version)
        ipv6 = self.peek() == IPV6
        full = _FULL6 if self._version == 6 else _FULL4
        if ipv6:
            value = self.take(IPV6).number
            address = Address(value if self._version == 6 else value >> 96, full, self._version)
        else:
            address = self._host()
        if self.peek() not in ("/", "mask"):
            if ipv6:
                self.lexer.pop()
            self.lexer.expect_address = False
            return address
        self.lexer.pop()
        self.take("/", "mask")
        self.lexer.push(filter_words.MASK_WORDS)
        address = Address(address.value, self._mask(), self._version)
        self.lexer.pop()
        self.lexer.expect_address = False
        return address if ipv6 or self._version == 6 else address.masked

    def _host(self) -> Address:
        token = self.take(NUMBER, HEX, STRING)
        if token.kind == STRING:
            full = _FULL6 if self._version == 6 else _FULL4
            return Address(self._look_up(token.text), full, self._version)
        remnant = self.lexer.remnant
        if token.kind == NUMBER and self.peek() == ".":
            value = self._dotted(token.number)
        else:
            # The number is stored as it is, lowest byte first.
            value = int.from_bytes(token.number.to_bytes(4, "little"), "big")
        if self._version == 6:
            return Address(value << 96 | remnant, _FULL6, 6)
        return Address(value, _FULL4, 4)

    def _look_up(self, name: str) -> int:
        self._reset_address()
        rule = self._pending[self._first]
        if name in (*rule.interfaces, *rule.via):
            self._dynamic, self._dynamic_kind = True, "host"
            return 0
        value = self._resolve(name, self._version)
        if value is None:
            self.warnings += f'unknown name "{name}"\n'
            if self._dynamic_kind != "host":
                raise self.error("Unknown hostname")
        return value or 0

    def _dotted(self, first: int) -> int:
        """Two to four numbers with dots, of which the first has been read."""
        octets = [first]
        while len(octets) < 2 or (len(octets) < 4 and self.peek() == "."):
            self.take(".")
            octets.append(self.take(NUMBER).number)
            if max(octets) > 255:
                raise self.error("Invalid octet string for IP address")
        return int.from_bytes(bytes(octets).ljust(4, b"\0"), "big")

    def _mask(self) -> int:
        width = 128 if self._version == 6 else 32
        token = self.take(NUMBER, HEX, *filter_words.MASK_WORDS.values())
        if token.kind == NUMBER:
            if self.peek() == ".":
                return self._dotted(token.number) << (width - 32)
            if token.number > width:
                raise self.error("Bad value specified for netmask")
            return ((1 << token.number) - 1) << (width - token.number)
        if token.kind == HEX:
            return token.number << (width - 32)
        if self._dynamic_kind != "host":
            raise _Abandoned
        self._dynamic_kind = token.kind
        return 0

    # Ports, flags and types --------------------------------------------------------------------
    def _port(self, side: str) -> None:
        self.take("port")
        kind = self.peek()
        self.lexer.expect_address = self._continues = False
        if kind == "=" or kind in COMPARISONS:
            self.take(kind)
            self.lexer.push(None)
            operator = "eq" if kind == "=" else kind
            if kind == "=" and self.peek() == "(":
                self._list(lambda: self._put_port(side, self._start, "eq", self._port_number()))
            else:
                self._put_port(side, self._first, operator, self._port_number())
        else:
            if kind not in (NUMBER, STRING):
                raise self.error(SYNTAX)
            self.lexer.push(None)
            low = self._port_number()
            operator = self.take(IN_RANGE, OUT_RANGE, ":").kind
            self._put_port(side, self._first, operator, low, self._port_number())
        self.lexer.pop()

    def _put_port(self, side: str, since: int, operator: str, low: int, high: int = 0) -> None:
        for rule in self._pending[since:]:
            setattr(rule, side, replace(getattr(rule, side), port=PortTest(operator, low, high)))

    def _port_number(self) -> int:
        token = self.take(NUMBER, STRING)
        if token.kind == NUMBER:
            if token.number > 65535:
                raise self.error("invalid port number")
            return token.number
        rule = self._rules[0]
        number = names.port_number(token.text, (rule.protocol or 0) if rule.selective else None)
        if number is None:
            raise self.error("service unknown")
        return number

    def _flags(self) -> None:
        self.take("flags")
        rule = self._rules[0]
        if not rule.selective:
            raise self.error("flags with non-ipf type rule")
        if rule.protocol != names.TCP:
            raise self.error("flags with non-TCP rule")
        wanted, mask = 0, ALL_TCP_FLAGS
        if self.peek() != "/":
            wanted = self._flag_set()
        if self.accept("/"):
            mask = self._flag_set()
        self._put(flags=(wanted & 0xFF, mask & 0xFF))

    def _flag_set(self) -> int:
        token = self.take(STRING, HEX, NUMBER)
        return flag_bits(token.text) if token.kind == STRING else token.number

    def _icmp(self) -> None:
        self._select()
        self.lexer.push(filter_words.ICMP_TYPE_WORDS)

        def read_type() -> None:
            self._put(self._start, icmp=self._icmp_type() << 8 & 0xFFFF, icmp_mask=0xFF00)

        def read_code() -> None:
            code = self._icmp_code() & 0xFFFF
            for rule in self._pending[self._start :]:
                rule.icmp |= code
                rule.icmp_mask |= 0xFF

        self._item_or_list(read_type)
        self.lexer.pop()
        if self.accept("code"):
            self.lexer.push(filter_words.ICMP_CODE_WORDS)
            self._start = self._first
            self._item_or_list(read_code)
            self.lexer.pop()

    def _icmp_type(self) -> int:
        token = self.take(NUMBER, *filter_words.ICMP_TYPE_WORDS.values())
        return token.number if token.kind == NUMBER else ICMP_TYPES[token.kind.removeprefix("type ")]

    def _icmp_code(self) -> int:
        token = self.take(NUMBER, *filter_words.ICMP_CODE_WORDS.values())
        if token.kind == NUMBER:
            return token.number
        return ICMP_CODES.index(token.kind.removeprefix("code "))

    # With --------------------------------------------------------------------------------------
    def _with(self) -> None:
        self.take("with", "and")
        self._not = False
        self._put(selective=True)
        starts = ("not", "no", "opt", "v6hdrs", *_PROPERTY_WORDS)
        self._with_one()
        while self.peek() in (",", *starts):
            self.accept(",")
            self._with_one()

    def _with_one(self) -> None:
        negated = self.peek() in ("not", "no")
        if negated:
            self.take("not", "no")
            self._not = True
        words = ["opt", *_PROPERTY_WORDS]
        kind = self.take(*words, *([] if negated else ["v6hdrs"])).kind
        if kind == "opt":
            self.lexer.push(filter_words.OPTION_WORDS)
            self._headers(self._ip_option)
        elif kind == "v6hdrs":
            if self._version != 6:
                raise self.error("only available with IPv6")
            self.lexer.push(filter_words.HEADER_WORDS)
            self._headers(self._ipv6_header)
        else:
            word = frozenset({_PROPERTY_WORDS[kind]})
            for rule in self._rules:
                rule.properties |= word
                if not negated:
                    rule.wanted |= word

    def _headers(self, read: Callable[[], str]) -> None:
        found = {read()}
        while self.accept(","):
            found.add(read())
        found.discard("")
        for rule in self._rules:
            rule.options |= found
            if not self._not:
                rule.wanted_options |= found
        self.lexer.pop()

    def _ip_option(self) -> str:
        kind = self.take("sec-class", *filter_words.OPTION_WORDS.values()).kind
        if kind != "sec-class":
            return kind.removeprefix("option ")
        self.lexer.push(filter_words.CLASS_WORDS)
        classes = {self._security_class()}
        while self.accept(","):
            classes.add(self._security_class())
        for rule in self._rules:
            rule.classes |= classes
            if not self._not:
                rule.wanted_classes |= classes
        self.lexer.pop()
        return ""

    def _security_class(self) -> str:
        return self.take(*filter_words.CLASS_WORDS.values()).kind.removeprefix("class ")

    def _ipv6_header(self) -> str:
        return self.take("ah", *filter_words.HEADER_WORDS.values()).kind.removeprefix("header ")

    # Keep, groups, tags ------------------------------------------------------------------------
    def _keep(self) -> None:
        self.take("keep")
        if self.peek() == "state":
            self._keep_state()
            if self.accept("keep"):
                self._keep_frags()
        else:
            self._keep_frags()
            if self.accept("keep"):
                self._keep_state()

    def _keep_state(self) -> None:
        self.take("state")
        if self.accept("("):
            self._state_option()
            while self.peek() != ")":
                self.accept(",")
                self._state_option()
            self.take(")")
        self._put(keep_state=True)

    def _state_option(self) -> None:
        kind = self.take("limit", "strict", "newisn", "no-icmp-err", "sync").kind
        if kind == "limit":
            self._put(state_limit=self.take(NUMBER).number)
            return
        for rule in self._rules:
            if kind in ("strict", "newisn") and rule.protocol != names.TCP:
                raise _Abandoned
            rule.state_options |= {kind}

    def _keep_frags(self) -> None:
        self.take("frags", "frag")
        if self.accept("("):
            self.take("strict")
            while self.peek() != ")":
                self.accept(",")
                self.take("strict")
            self.take(")")
            self._put(strict_frags=True)
        self._put(keep_frags=True)

    def _group(self, word: str) -> None:
        self.take(word)
        name = self._group_name()
        for rule in self._rules:
            setattr(rule, word, name)
        if word != "group":
            return
        head = next((rule for rule in reversed(self._done) if rule.head == name), None)
        if head is None:
            return
        for rule in self._rules:
            # What the head says of the protocol matters for the ports of its group.
            if head.selective and rule.selective and rule.protocol is None:
                rule.protocol = head.protocol

    def _group_name(self) -> str:
        token = self.take(STRING, NUMBER)
        text = token.text if token.kind == STRING else str(signed(token.number))
        return text[:NAME_LENGTH]

    def _tags(self, word: str) -> None:
        self.take(word)
        self.take("(")
        self._tag()
        while self.accept(","):
            self._tag()
        self.take(")")

    def _tag(self) -> None:
        kind = self.take("log", "nat").kind
        self.take("=")
        if kind == "log":
            self._put(log_tag=self.take(NUMBER).number)
            return
        token = self.take(STRING, NUMBER)
        tag = token.text if token.kind == STRING else str(signed(token.number))
        self._put(nat_tag=tag[:NAME_LENGTH])
