"""Commands of the zonecfg(8) language.

The rules are those of a parser that decides with one word of look-ahead and acts on a rule as soon as it is
complete, because the line number in its messages depends on what has been read by then.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from illumos_lab.zonecfg.lexer import Lexer, Token

Complex = tuple[tuple[str, str], ...]
"""Value in parentheses: names and values in order."""

Value = str | Complex | list["str | Complex"]
"""Value of a property: simple, complex or list."""

_MAX_PAIRS = 3
_MAX_ARGUMENTS = {
    "add": 1, "cancel": 1, "commit": 1, "create": 3, "delete": 1, "end": 1, "exit": 1, "export": 2,
    "help": 1, "revert": 1, "verify": 1,
}  # fmt: skip
_UNQUALIFIED_SELECT = ("dedicated-cpu", "capped-cpu", "capped-memory")


@dataclass
class Command:
    """One command of the language.

    Attributes:
        name: its word.
        arguments: the words that are no resource, property or value, such as options.
        resource: the resource type that it names.
        property: the property that it names alone.
        pairs: properties with values.
    """

    name: str
    arguments: list[str] = field(default_factory=list)
    resource: str | None = None
    property: str | None = None
    pairs: list[tuple[str, Value]] = field(default_factory=list)


class SyntaxFault(Exception):
    """A word stands where the language does not allow it; `token` is that word."""

    def __init__(self, token: Token) -> None:
        super().__init__(token.text)
        self.token = token


class UsageFault(Exception):
    """A command lacks what it needs, or names an unknown thing; its usage is to be shown."""

    def __init__(self, command: str, synopsis_only: bool = False) -> None:
        super().__init__(command)
        self.command = command
        self.synopsis_only = synopsis_only


class EndOfInput(Exception):
    """The input ended; an unfinished command is dropped."""


class Parser:
    """Reads commands from a lexer.

    The values of a command that breaks off before it is complete stay behind, and the next command takes
    them for its own: the program keeps them in one place, and forgets them with the end of a command only.
    """

    def __init__(self, lexer: Lexer) -> None:
        self._lexer = lexer
        self._ahead: Token | None = None
        self._values: list[Value] = []
        self._items: list[str | Complex] = []

    def parse(self) -> Command | None:
        """The next command, or None for an empty one.

        Raises:
            SyntaxFault, UsageFault: call `recover` before the next `parse`.
            EndOfInput: at the end of the input.
        """
        token = self._take()
        if token.kind == "end":
            return None
        if token.kind != "command":
            raise SyntaxFault(token)
        command = self._command(token.value)
        command.pairs = [
            (name, value) for (name, _), value in zip(command.pairs, self._values, strict=False)
        ]
        self._values, self._items = [], []
        token = self._take()
        if token.kind != "end":
            raise SyntaxFault(token)
        return command

    def recover(self) -> None:
        """Skip the rest of a faulty command."""
        try:
            while self._take().kind != "end":
                pass
        except EndOfInput:
            return

    def _peek(self) -> Token:
        if self._ahead is None:
            self._ahead = self._lexer.next()
        return self._ahead

    def _take(self, *kinds: str) -> Token:
        token = self._peek()
        if token.kind == "eof":
            raise EndOfInput
        if kinds and token.kind not in kinds:
            raise SyntaxFault(token)
        self._ahead = None
        return token

    def _command(self, name: str) -> Command:
        command = Command(name)
        match name:
            case "add":
                self._add(command)
            case "info":
                self._info(command)
            case "remove":
                self._remove(command)
            case "select":
                self._select(command)
            case "set":
                self._set(command)
            case "clear":
                self._clear(command)
            case _:
                self._words(command)
        return command

    def _words(self, command: Command) -> None:
        while self._peek().kind == "word" and len(command.arguments) < _MAX_ARGUMENTS[command.name]:
            command.arguments.append(self._take().value)

    def _add(self, command: Command) -> None:
        match self._peek().kind:
            case "word":
                command.arguments.append(self._take().value)
            case "resource":
                command.resource = self._take().value
            case "property":
                name = self._take().value
                command.pairs.append((name, self._value()))
            case _:
                raise UsageFault("add")

    def _info(self, command: Command) -> None:
        match self._peek().kind:
            case "word":
                self._take()
                raise UsageFault("info")
            case "resource":
                command.resource = self._take().value
                self._qualifiers(command)
            case "property" if self._peek().value in self._lexer.dialect.info_properties:
                command.property = self._take().value

    def _remove(self, command: Command) -> None:
        match self._peek().kind:
            case "word":
                command.arguments.append(self._take().value)
                if self._peek().kind != "resource":
                    raise UsageFault("remove")
                command.resource = self._take().value
                if self._lexer.dialect.forked:
                    self._qualifiers(command)
            case "resource":
                command.resource = self._take().value
                self._qualifiers(command)
            case "property":
                name = self._take().value
                command.pairs.append((name, self._value()))
            case _:
                raise UsageFault("remove")

    def _select(self, command: Command) -> None:
        match self._peek().kind:
            case "word":
                self._take()
                raise UsageFault("select")
            case "resource":
                command.resource = self._take().value
                self._qualifiers(command)
                if not command.pairs and command.resource not in _UNQUALIFIED_SELECT:
                    raise UsageFault("select", synopsis_only=True)
            case _:
                raise UsageFault("select")

    def _set(self, command: Command) -> None:
        match self._peek().kind:
            case "word":
                command.arguments.append(self._take().value)
                token = self._take("property")
                if token.value != "zonepath":
                    raise SyntaxFault(token)
                self._take("=")
                command.pairs.append((token.value, self._value()))
            case "property":
                name = self._take().value
                self._take("=")
                command.pairs.append((name, self._value(empty_list=True)))
            case _:
                raise UsageFault("set")

    def _clear(self, command: Command) -> None:
        match self._peek().kind:
            case "word":
                self._take()
                raise UsageFault("clear")
            case "property":
                command.property = self._take().value
            case _:
                raise UsageFault("clear")

    def _qualifiers(self, command: Command) -> None:
        while self._peek().kind == "property" and len(command.pairs) < _MAX_PAIRS:
            name = self._take().value
            self._take("=")
            command.pairs.append((name, self._value()))

    def _value(self, empty_list: bool = False) -> Value:
        value: Value
        match self._peek().kind:
            case "(":
                value = self._complex()
            case "[":
                value = self._list(empty_list)
                if value == []:
                    self._values[:1] = [value]
                    return value
            case _:
                value = self._take("word", "resource", "property").value
        self._items = []
        self._values.append(value)
        return value

    def _complex(self) -> Complex:
        self._take("(")
        pieces = []
        while True:
            name = self._take("property").value
            self._take("=")
            pieces.append((name, self._take("word", "resource", "property").value))
            if self._take(",", ")").kind == ")":
                return tuple(pieces)

    def _list(self, empty_allowed: bool) -> list[str | Complex]:
        self._take("[")
        if empty_allowed and self._peek().kind == "]":
            self._take()
            return []
        while True:
            if self._peek().kind == "(":
                self._items.append(self._complex())
            else:
                self._items.append(self._take("word", "resource", "property").value)
            if self._take(",", "]").kind == "]":
                return self._items
