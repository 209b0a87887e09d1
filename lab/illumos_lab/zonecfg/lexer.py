"""Words of the zonecfg(8) language.

What a character means depends on where it stands: at the start of a command, after its name, inside
``[ ]`` and inside ``( )``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

COMMAND_WORDS = (
    "add", "cancel", "commit", "create", "delete", "end", "exit", "export", "help", "info", "remove",
    "revert", "select", "set", "clear", "verify",
)  # fmt: skip
RESOURCE_TYPES = (
    "fs", "net", "device", "rctl", "attr", "dataset", "dedicated-cpu", "capped-cpu", "capped-memory",
    "admin", "security-flags",
)  # fmt: skip
ALIASES = (
    "max-lwps", "max-processes", "max-shm-memory", "max-shm-ids", "max-msg-ids", "max-sem-ids",
    "cpu-shares",
)  # fmt: skip
GLOBAL_PROPERTIES = (
    "zonename", "zonepath", "brand", "autoboot", "bootargs", "pool", "limitpriv", "scheduling-class",
    "ip-type", "hostid", "fs-allowed",
)  # fmt: skip
RESOURCE_PROPERTIES = (
    "dir", "special", "raw", "type", "options", "address", "allowed-address", "physical", "defrouter",
    "match", "name", "value", "ncpus", "importance", "swap", "locked", "user", "auths", "default",
    "lower", "upper", "priv", "limit", "action",
)  # fmt: skip
FORK_PROPERTIES = ("zfs-io-priority", "global-nic", "mac-addr", "vlan-id", "property")


@dataclass(frozen=True)
class Dialect:
    """Which illumos the language is of.

    Attributes:
        forked: has the additions that SmartOS and OmniOS made.
        smartos: has those of SmartOS alone.
    """

    forked: bool
    smartos: bool = False

    @property
    def aliases(self) -> tuple[str, ...]:
        """Global properties that stand for resource controls."""
        return (*ALIASES, "zfs-io-priority") if self.forked else ALIASES

    @property
    def info_properties(self) -> tuple[str, ...]:
        """Properties that ``info`` shows alone."""
        uuid = ("uuid",) if self.smartos else ()
        return (*GLOBAL_PROPERTIES, *uuid, *self.aliases)

    @property
    def properties(self) -> frozenset[str]:
        """All property words."""
        words = (*GLOBAL_PROPERTIES, *ALIASES, *RESOURCE_PROPERTIES)
        uuid = ("uuid",) if self.smartos else ()
        return frozenset((*words, *FORK_PROPERTIES, *uuid) if self.forked else words)


@dataclass(frozen=True)
class Token:
    """One word.

    Attributes:
        kind: ``command``, ``resource``, ``property``, ``word``, ``end`` (of the command: line feed
            or ``;``), ``eof``, or the character itself for punctuation and for what no rule knows.
        text: the text as it stands in the input, quotes included.
        value: the text without quotes.
    """

    kind: str
    text: str
    value: str


_START, _ARGUMENTS, _LIST, _COMPLEX = range(4)
_BLANK = re.compile(r"[ \t]+")
_COMMENT = re.compile(r"#[^\n]*")
_QUOTED = re.compile(r'"[^"\n]*["\n]')
_WORDS = {
    _ARGUMENTS: re.compile(r'[^ \t\n";=\[\]()]+'),
    _LIST: re.compile(r'[^ \t\n",;=\[\]()]+'),
    _COMPLEX: re.compile(r'[^ \t\n",;=()]+'),
}
_COMMAND = re.compile("|".join(sorted(COMMAND_WORDS, key=len, reverse=True)))


class Lexer:
    """Reads tokens from lines of text, which `read_line` supplies with their line feeds, empty at the end.

    Attributes:
        line: number of the line that is being read, the first is 1; a line feed counts as soon as it
            has been read.
    """

    def __init__(self, read_line: Callable[[], str], dialect: Dialect) -> None:
        self.line = 1
        self._read_line = read_line
        self._text = ""
        self._at = 0
        self.dialect = dialect
        self._properties = dialect.properties
        self._quotes_in_complex = dialect.forked
        self._place = _START
        self._outer = _ARGUMENTS

    def next(self) -> Token:
        """The next token; of kind ``eof`` at the end, again and again."""
        self._skip_blanks()
        if self._at >= len(self._text):
            return Token("eof", "", "")
        token = self._match()
        self._at += len(token.text)
        if token.text == "\n":
            # A line feed that ends an open quote is not counted.
            self.line += 1
        self._move(token)
        return token

    def _skip_blanks(self) -> None:
        if self._at >= len(self._text):
            # No word runs over the end of a line, so the next one is not read before it is needed.
            self._text = self._read_line()
            self._at = 0
        while found := _BLANK.match(self._text, self._at) or (
            _COMMENT.match(self._text, self._at) if self._place == _START else None
        ):
            self._at = found.end()

    def _match(self) -> Token:
        char = self._text[self._at]
        if char in "\n;":
            return Token("end", char, char)
        if self._place == _START:
            if char == "?":
                return Token("command", char, "help")
            found = _COMMAND.match(self._text, self._at)
            return Token("command", found[0], found[0]) if found else Token(char, char, char)
        if char == '"' and (self._place != _COMPLEX or self._quotes_in_complex):
            found = _QUOTED.match(self._text, self._at)
            if found:
                return Token("word", found[0], found[0][1:-1])
        found = _WORDS[self._place].match(self._text, self._at)
        if not found:
            return Token(char, char, char)
        word = found[0]
        return Token(self._kind(word), word, word)

    def _kind(self, word: str) -> str:
        if word in RESOURCE_TYPES:
            return "resource"
        return "property" if word in self._properties else "word"

    def _move(self, token: Token) -> None:
        """Follow the token into the place where the next one stands."""
        match token.kind:
            case "end":
                self._place = _START
            case "command":
                self._place = _ARGUMENTS
            case "[" if self._place == _ARGUMENTS:
                self._place = _LIST
            case "]" if self._place == _LIST:
                self._place = _ARGUMENTS
            case "(" if self._place in (_ARGUMENTS, _LIST):
                self._outer = self._place
                self._place = _COMPLEX
            case ")" if self._place == _COMPLEX:
                self._place = self._outer
