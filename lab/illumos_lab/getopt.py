"""Command-line options as getopt(3C) and getopt_long(3C) read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class UnknownOptionError(Exception):
    """An option that the command does not have; the text is as typed, dashes included."""


class MissingValueError(Exception):
    """An option came without the value that it needs; the text is as typed, dashes included."""


@dataclass(frozen=True)
class Options:
    """Options and operands of one call.

    Attributes:
        pairs: (letter, value) in order of appearance.
        operands: what is left.
    """

    pairs: list[tuple[str, str]]
    operands: list[str]

    def __contains__(self, letter: str) -> bool:
        return any(name == letter for name, _ in self.pairs)

    def get(self, letter: str) -> str | None:
        """The last value of an option; None when it was not given."""
        return next((value for name, value in reversed(self.pairs) if name == letter), None)

    def all(self, letter: str) -> list[str]:
        """Every value of an option that may be repeated."""
        return [value for name, value in self.pairs if name == letter]


def getopt(
    argv: Sequence[str],
    short: str,
    long: Mapping[str, str] | None = None,
    *,
    permute: bool = True,
) -> tuple[list[tuple[str, str]], list[str]]:
    """Separate options from operands.

    Args:
        argv: the arguments after the program and subcommand.
        short: option letters; ``:`` after a letter means that it takes a value.
        long: long option names and the letters that they stand for.
        permute: look for options after operands too, as getopt_long does.

    Returns:
        (letter, value) pairs in order of appearance, and the operands.

    Raises:
        UnknownOptionError, MissingValueError: see there.
    """
    options: list[tuple[str, str]] = []
    operands: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return options, operands + rest
        if word.startswith("--"):
            options.append(_long_option(word, rest, short, long or {}))
        elif word.startswith("-") and word != "-":
            options += _short_options(word, rest, short)
        elif permute:
            operands.append(word)
        else:
            return options, [word, *rest]
    return options, operands


def _takes_value(letter: str, short: str) -> bool:
    return short[short.index(letter) + 1 :].startswith(":")


def _short_options(word: str, rest: list[str], short: str) -> list[tuple[str, str]]:
    found = []
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter == ":" or letter not in short:
            raise UnknownOptionError(f"-{letter}")
        if not _takes_value(letter, short):
            found.append((letter, ""))
            continue
        if not letters and not rest:
            raise MissingValueError(f"-{letter}")
        found.append((letter, letters or rest.pop(0)))
        break
    return found


def _long_option(word: str, rest: list[str], short: str, long: Mapping[str, str]) -> tuple[str, str]:
    name, equals, value = word[2:].partition("=")
    matches = [known for known in long if known == name] or [
        known for known in long if name and known.startswith(name)
    ]
    if len({long[known] for known in matches}) != 1:
        raise UnknownOptionError(word)
    letter = long[matches[0]]
    if not _takes_value(letter, short):
        if equals:
            raise UnknownOptionError(word)
        return letter, ""
    if equals:
        return letter, value
    if not rest:
        raise MissingValueError(word)
    return letter, rest.pop(0)
