"""Tokens of ipf.conf(5) and ipnat.conf(5): what a word is depends on what stands before it.

A word that the end of the file cuts off is lost, a number is not. A value in quotes leaves the next word
without its meaning as a keyword.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address

END, STRING, NUMBER, HEX, IPV6, COMMENT = (
    "end of file",
    "string",
    "number",
    "hexadecimal number",
    "IPv6 address",
    "comment",
)

IN_RANGE, OUT_RANGE = "><", "<>"

_WORDS = """
    age any auto bimap frag from icmpidmap mask map map-block mssclamp netmask port portmap ports proxy
    range rdr round-robin sequential sticky tag tcp tcpudp to udp - -> eq ne lt gt le ge
"""
KEYWORDS = {word: word for word in _WORDS.split()} | {"netmask": "mask"}
"""The words of ipnat.conf, each its own kind of token."""

Words = Mapping[str, str]
"""A dictionary: the kind of token that each keyword makes."""

_PUNCTUATION = "=,/;{}()@"
_HEX_DIGITS = frozenset(string.hexdigits)
_DIGITS = frozenset(string.digits)
_LETTERS = frozenset(string.ascii_letters)
_BLANKS = frozenset(" \t\r\n")
_WORD_ENDS = frozenset(_PUNCTUATION) | _BLANKS | frozenset("#$!:")
_ADDRESS_CHARACTERS = _HEX_DIGITS | frozenset(":.")
_LONGEST_IPV6 = 46
_UNKNOWN = "<unknown>"
_BUFFER = 8192


@dataclass(frozen=True)
class Token:
    """A token.

    Attributes:
        kind: one of the constants above, a keyword, or a character.
        text: what error messages show.
        number: value of numbers.
    """

    kind: str
    text: str
    number: int = 0


class Lexer:
    """Cuts a text into tokens.

    Attributes:
        line: number of the line that has been reached; 1 again after the end of the file.
        expect_address: a dash belongs to the word that follows it.
        break_on_dot: a dot ends a word.
        variable_next: the next word is no keyword.
        variables: values of ``name=value;``.
        warning: complaints that await being shown.
        words: the keywords of the moment; None when there are none.
        remnant: what the last IPv6 address has left in the 96 bits behind a number of 32.
    """

    def __init__(self, text: str, words: Words = KEYWORDS) -> None:
        self.line = 1
        self.expect_address = False
        self.break_on_dot = False
        self.variable_next = False
        self.variables: dict[str, str] = {}
        self.warning = ""
        self.words: Words | None = words
        self.remnant = 0
        self._saved: list[Words | None] = []
        self._text = text
        self._place = 0

    @property
    def exhausted(self) -> bool:
        """Whether the file has no character left but the one that ended the last word."""
        return self._place + 1 >= len(self._text)

    def push(self, words: Words | None) -> None:
        """Use other keywords until further notice."""
        self._saved.append(self.words)
        self.words = words

    def pop(self) -> None:
        """Use the keywords from before the last `push` again, if there was one."""
        if self._saved:
            self.words = self._saved.pop()

    def _peek(self, ahead: int = 0) -> str:
        place = self._place + ahead
        return self._text[place] if place < len(self._text) else ""

    def _take(self, count: int = 1) -> str:
        taken = self._text[self._place : self._place + count]
        self._place += count
        self.line += taken.count("\n")
        return taken

    def next(self) -> Token:
        """The next token. Any word that is no keyword ends the special keywords of `push`."""
        token = self._next()
        if token.kind == STRING:
            self.pop()
            self.remnant &= (1 << 64) - 1
        return token

    def _next(self) -> Token:
        start, plain = self._skip_blanks()
        character = self._peek()
        if not character:
            self.line = 1
            self.expect_address = self.variable_next = False
            return Token(END, "")
        if character == "#":
            return self._comment()
        if character == "$":
            unknown = self._variable()
            if unknown is None:
                return self._next()
            return self._word(unknown, keyword=plain) if unknown else self._endless()
        if character in "'\"":
            return self._quoted(character)
        if character in _PUNCTUATION or character == ".":
            return self._single()
        symbol = self._symbol()
        if symbol is not None:
            return symbol
        return self._address() or self._number(start) or self._word(start, keyword=plain)

    def _skip_blanks(self) -> tuple[str, bool]:
        """Skip blanks and backslashes.

        Returns:
            letters that backslashes stood before, which the next token begins with, and whether the next
            word may be a keyword, as no backslash forbids it.
        """
        start, plain = "", True
        while self._peek():
            if self._peek() in _BLANKS:
                self._take()
                start, plain = "", True
            elif self._peek() == "\\":
                self._take()
                if self._peek().isalnum():
                    start, plain = start + self._take(), plain and bool(start)
                elif self._peek() not in _BLANKS:
                    self._take()
            else:
                break
        return start, plain

    def _joined(self, ahead: int) -> str:
        """A character within a token; a backslash, with the line feed after it, is taken out first."""
        place = self._place + ahead
        if self._text[place : place + 1] == "\\":
            length = 2 if self._text[place + 1 : place + 2] == "\n" else 1
            self.line += length - 1
            self._text = self._text[:place] + self._text[place + length :]
        return self._peek(ahead)

    def _single(self) -> Token:
        character = self._take()
        return Token(character, character)

    def _comment(self) -> Token:
        end = self._text.find("\n", self._place)
        length = (end if end >= 0 else len(self._text)) - self._place
        if length >= _BUFFER:
            # The reader's buffer is full: it goes on in the middle of the comment, with a byte 253.
            self._take(_BUFFER)
            self._text = "\udcfd" + self._text[self._place :]
            self._place = 0
        else:
            self._take(length)
        return Token(COMMENT, _UNKNOWN)

    def _variable(self) -> str | None:
        """Put the value of ``$name`` or ``${name}`` in its place, or take it away when it has no value.

        Returns:
            what was taken away, which begins a word; empty when a brace is not closed; None for a value.
        """
        if self._peek(1) == "{":
            end = self._text.find("}", self._place)
            if end < 0:
                return ""
            length = end + 1 - self._place
        elif self._peek(1) in _LETTERS:
            length = 2
            while self._joined(length) in _LETTERS | _DIGITS | {"_"}:
                length += 1
        else:
            return self._take()
        name = self._text[self._place + 1 : self._place + length]
        value = self._value(name.removeprefix("{"))
        if value is None:
            return self._take(length)
        self._text = value + self._text[self._place + length :]
        self._place = 0
        return None

    def _value(self, name: str) -> str | None:
        """The value of a variable, with the variables that it names in their turn."""
        value = self.variables.get(name.removesuffix("}"))
        if value is None:
            self.warning += f"{self.line}: unknown variable '{name}'\n"
            return None
        before, dollar, rest = value.partition("$")
        while dollar and rest:
            found = re.match(r"\{[^}]*\}|[A-Za-z][A-Za-z0-9_]*", rest)
            if found is None:
                return None
            inner = self._value(found[0].removeprefix("{"))
            if inner is None:
                return None
            more, dollar, rest = rest[found.end() :].partition("$")
            before += inner + more
        return before

    def _quoted(self, quote: str) -> Token:
        length = 1
        while (character := self._joined(length)) != quote:
            if not character:
                return self._endless()
            length += 1
        text = self._take(length + 1)[1:-1]
        return Token(STRING, text.replace("\n", " "))

    def _endless(self) -> Token:
        """Something is never closed: the file ends here, and messages show the byte 254."""
        self._take(len(self._text) - self._place)
        return Token(END, "\udcfe")

    def _symbol(self) -> Token | None:
        pair = self._peek() + self._peek(1)
        if pair == "!=":
            return Token("ne", self._take(2))
        if pair[0] == "!":
            return self._single()
        if self.expect_address:
            return None
        if pair == "->":
            return self._known(self._take(2))
        if pair[0] == "-":
            return self._single()
        symbols = {"<=": "le", ">=": "ge", OUT_RANGE: OUT_RANGE, IN_RANGE: IN_RANGE}
        if pair in symbols:
            self._take(2)
            kind = symbols[pair]
            return Token(kind, kind if kind in KEYWORDS else _UNKNOWN)
        if pair[0] in "<>":
            kind = {"<": "lt", ">": "gt"}[self._take()]
            return Token(kind, kind)
        return None

    def _address(self) -> Token | None:
        """An IPv6 address: the longest run of its characters, if that is one."""
        length = 0
        while length < _LONGEST_IPV6:
            character = self._joined(length) if length else self._peek()
            if not character or character not in _ADDRESS_CHARACTERS or (not length and character == "."):
                break
            length += 1
        text = self._text[self._place : self._place + length]
        if ":" not in text:
            return None
        try:
            value = IPv6Address(text)
        except AddressValueError:
            return self._single() if text[0] == ":" else None
        self._take(length)
        self.expect_address = False
        self.remnant = int(value) & ((1 << 96) - 1)
        return Token(IPV6, _UNKNOWN, int(value))

    def _number(self, start: str) -> Token | None:
        digits, kind = _DIGITS, NUMBER
        length = 0
        if self._peek() == "0" and self._peek(1) == "x":
            digits, kind, length = _HEX_DIGITS, HEX, 2
        while self._peek(length) and (self._joined(length) if length else self._peek()) in digits:
            length += 1
        if not length:
            return None
        text = start + self._take(length)
        value = int(text[2:] or "0", 16) if kind == HEX else int(text)
        return Token(kind, text, value & 0xFFFFFFFF)

    def _word(self, start: str, *, keyword: bool) -> Token:
        text = start
        while True:
            character = self._peek()
            if not character:
                # The end of the file comes before the word is looked at.
                return self._next()
            if character == "\\":
                self._take()
                if self._peek() not in _BLANKS:
                    text += self._take()
                continue
            if character in "'\"" and text:
                text += self._take()
                break
            if character in _WORD_ENDS or (character == "." and self.break_on_dot):
                break
            if character in "<>" and not self.expect_address:
                break
            text += self._take()
        return self._known(text, keyword=keyword)

    def _known(self, word: str, *, keyword: bool = True) -> Token:
        """The token of a word: a keyword, unless it must be none."""
        kind = self._keyword(word.lower()) if keyword and not self.variable_next else None
        self.variable_next = False
        return Token(STRING, word) if kind is None else Token(kind, word.lower())

    def _keyword(self, word: str) -> str | None:
        if self.words is None:
            return None
        if word not in self.words:
            self.pop()
        return None if self.words is None else self.words.get(word)
