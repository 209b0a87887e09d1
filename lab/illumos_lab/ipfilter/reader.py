"""What the readers of ipf.conf(5) and ipnat.conf(5) have in common: tokens, one ahead, and errors.

How far a reader has come when it finds an error decides which rules have already been loaded and which
token the message shows, so `Reader.peek` is called exactly where a decision depends on the next token.
"""

from __future__ import annotations

from collections.abc import Callable

from illumos_lab.ipfilter.lexer import (
    END,
    HEX,
    KEYWORDS,
    NUMBER,
    STRING,
    Lexer,
    Token,
    Words,
)

SYNTAX = "syntax error"
_UNKNOWN = "<unknown>"

Resolver = Callable[[str, int], int | None]
"""The address of a host name, of a version of IP, as a number."""


class ParseError(Exception):
    """The text is no valid file; the message is the whole line for standard error."""


def localhost_only(name: str, version: int) -> int | None:
    """A resolver for machines without a name service."""
    return 0x7F000001 if (name, version) == ("localhost", 4) else None


class Reader:
    """Reads tokens.

    Attributes:
        lexer: where they come from.
        warnings: text for standard error that has not been shown yet.
    """

    def __init__(self, text: str, words: Words = KEYWORDS) -> None:
        self.lexer = Lexer(text, words)
        self.warnings = ""
        self._ahead: Token | None = None
        self._last = Token(END, "")

    def peek(self) -> str:
        """The kind of the next token."""
        if self._ahead is None:
            self._ahead = self._last = self.lexer.next()
            self.warnings += self.lexer.warning
            self.lexer.warning = ""
        return self._ahead.kind

    def take(self, *kinds: str) -> Token:
        """The next token, which must be one of some kinds."""
        if self.peek() not in kinds:
            raise self.error(SYNTAX)
        assert self._ahead is not None
        token, self._ahead = self._ahead, None
        return token

    def accept(self, kind: str) -> bool:
        """Take the next token if it is of a kind."""
        if self.peek() != kind:
            return False
        self._ahead = None
        return True

    def error(self, message: str) -> ParseError:
        """An error at the token that was read last, behind what has not been shown yet."""
        text = f'{self.warnings}{message} error at "{self._shown()}", line {self.lexer.line}\n'
        return ParseError(text)

    def _shown(self) -> str:
        """The token as messages show it: a keyword by the first word that means the same now."""
        kind = self._last.kind
        if kind in (STRING, NUMBER, HEX, END) or len(kind) == 1:
            return self._last.text
        words = self.lexer.words or {}
        return next((word for word, meaning in words.items() if meaning == kind), _UNKNOWN)
