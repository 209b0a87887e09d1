"""Tokens of ipf.conf(5) and ipnat.conf(5): what a word is depends on what stands before it.

A word that the end of the file cuts off is lost, a number is not. A value in quotes leaves the next word
without its meaning as a keyword.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address

END, STRING, NUMBER, HEX, IPV6, COMMENT, BAD = (
    "end of file",
    "string",
    "number",
    "hexadecimal number",
    "IPv6 address",
    "comment",
    "bad character",
)

IN_RANGE, OUT_RANGE = "><", "<>"

_WORDS = """
    age any auto bimap frag from icmpidmap mask map map-block mssclamp netmask port portmap ports proxy
    range rdr round-robin sequential sticky tag tcp tcpudp to udp - -> eq ne lt gt le ge
"""
KEYWORDS = {word: word for word in _WORDS.split()}
"""The words of ipnat.conf, each its own kind of token."""

Words = Mapping[str, str]
"""A dictionary: the kind of token that each keyword makes."""

_PUNCTUATION = "=,/;{}()@"
_HEX_DIGITS = frozenset(string.hexdigits)
_DIGITS = frozenset(string.digits)
_LETTERS = frozenset(string.ascii_letters)
_BLANKS = frozenset(" \t\r\n")
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
    """

    def __init__(self, text: str, words: Words = KEYWORDS) -> None:
        self.line = 1
        self.expect_address = False
        self.break_on_dot = False
        self.variable_next = False
        self.variables: dict[str, str] = {}
        self.warning = ""
        self.words: Words | None = words
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
        return token

    def _next(self) -> Token:
        self._skip_blanks()
        character = self._peek()
        if not character:
            self.line = 1
            self.expect_address = self.variable_next = False
            return Token(END, "")
        if character == "#":
            return self._comment()
        if character == "$" and self._variable():
            return self._next()
        if character in "'\"":
            return self._quoted(character)
        if character in _PUNCTUATION or character == ".":
            return self._single()
        symbol = self._symbol()
        if symbol is not None:
            return symbol
        return self._address() or self._number() or self._word()

    def _skip_blanks(self) -> None:
        while self._peek():
            if self._peek() in _BLANKS:
                self._take()
            elif self._peek() == "\\":
                self._take()
                if self._peek() not in _BLANKS:
                    self._take()
            else:
                return

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

    def _variable(self) -> bool:
        """Put the value of ``$name`` or ``${name}`` in its place; False when there is none."""
        length = 1
        if self._peek(1) == "{":
            end = self._text.find("}", self._place)
            length = end + 1 - self._place
            name = self._text[self._place + 2 : end]
        elif self._peek(1) in _LETTERS:
            while self._peek(length) in _LETTERS | _DIGITS | {"_"}:
                length += 1
            name = self._text[self._place + 1 : self._place + length]
        else:
            return False
        value = self.variables.get(name)
        if value is None:
            self.warning += f"{self.line}: unknown variable '{name}'\n"
            return False
        self._text = value + self._text[self._place + length :]
        self._place = 0
        return True

    def _quoted(self, quote: str) -> Token:
        self._take()
        end = self._text.find(quote, self._place)
        if end < 0:
            return self._endless()
        text = self._take(end - self._place)
        self._take()
        return Token(STRING, text.replace("\n", " "))

    def _endless(self) -> Token:
        """Something is never closed: the program shows the byte 254."""
        self._take(len(self._text) - self._place)
        return Token(BAD, "\udcfe")

    def _symbol(self) -> Token | None:
        pair = self._peek() + self._peek(1)
        if pair == "!=":
            return Token("ne", self._take(2))
        if pair[0] == "!":
            return self._single()
        if self.expect_address:
            return None
        if pair[0] == "-" and pair != "->":
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
        while (
            self._peek(length)
            and (self._peek(length) in _HEX_DIGITS or self._peek(length) in ":.")
            and length < _LONGEST_IPV6
        ):
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
        return Token(IPV6, _UNKNOWN, int(value))

    def _number(self) -> Token | None:
        digits, kind = _DIGITS, NUMBER
        length = 0
        if self._peek() == "0" and self._peek(1) == "x":
            digits, kind, length = _HEX_DIGITS, HEX, 2
        while self._peek(length) and self._peek(length) in digits:
            length += 1
        if not length:
            return None
        text = self._take(length)
        value = int(text[2:] or "0", 16) if kind == HEX else int(text)
        return Token(kind, text, value & 0xFFFFFFFF)

    def _word(self) -> Token:
        text = ""
        while True:
            character = self._peek()
            if not character:
                # The end of the file comes before the word is looked at.
                return self._next()
            stops = _PUNCTUATION if text.startswith("${") else _PUNCTUATION + "$"
            if character in _BLANKS or character in "#'\"" or (text and character in stops):
                break
            if text and (character in "!:" or (character == "." and self.break_on_dot)):
                break
            if text and character in "<>" and not self.expect_address and text != "-":
                break
            if character == "\\":
                self._take()
                self._take()
                continue
            text += self._take()
        kind = None if self.variable_next else self._keyword(text.lower())
        self.variable_next = False
        return Token(STRING, text) if kind is None else Token(kind, text.lower())

    def _keyword(self, word: str) -> str | None:
        if self.words is None:
            return None
        if word not in self.words:
            self.pop()
        return None if self.words is None else self.words.get(word)
