"""Arguments that a zone boots with, as zoneadmd and the zone's init read them (zoneadm(8), kernel(8))."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_INIT = "/sbin/init"
_SINGLE_USER = "single-user"


@dataclass(frozen=True)
class BootArguments:
    """What a zone was asked to do at its boot.

    Attributes:
        text: the arguments as given.
        init: program to start.
        milestone: how far the services go, as ``svcadm milestone`` takes it; empty for all the way.
        unused: arguments that mean nothing, which are warned of.
    """

    text: str = ""
    init: str = DEFAULT_INIT
    milestone: str = ""
    unused: str = ""


def parse(text: str) -> BootArguments:
    """Read boot arguments. The name of a kernel may stand in front, as at a machine's boot."""
    words = text.split()
    if words and not words[0].startswith("-"):
        del words[0]
    init, milestone, unknown = DEFAULT_INIT, "", ""
    while words and words[0].startswith("-"):
        letters = words.pop(0)[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in "im" and (letters or words):
                value, letters = letters or words.pop(0), ""
                if letter == "i":
                    init = value
                else:
                    milestone = _milestone(value) or milestone
            elif letter == "s":
                milestone = _SINGLE_USER
            elif letter != "f":
                unknown += f" -{letter}"
    # Options that mean nothing are told of only together with words that do.
    return BootArguments(text, init, milestone, f"{unknown} {' '.join(words)}" if words else "")


def _milestone(value: str) -> str:
    """The milestone among the words of -m; the others are about what is printed."""
    words = (word.partition("=") for word in value.split(","))
    return next((name for key, _, name in words if key == "milestone"), "")
