"""Where an operation tells what the user may want to know while it goes on."""

from __future__ import annotations

from typing import Final, Protocol

from pulumi_illumos_provider.engine.properties import Bag


class Listener(Protocol):
    """Where an operation tells what the user may want to know meanwhile."""

    def status(self, text: str) -> None:
        """What is going on at this moment; the next status replaces it."""

    def note(self, text: str) -> None:
        """Something that stays on the screen."""

    def warn(self, text: str) -> None:
        """Something that may be a mistake."""


class Silent:
    """A listener that tells nobody."""

    def status(self, text: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""


SILENT: Final = Silent()


class Discreet:
    """A listener that keeps the secrets of a bag."""

    def __init__(self, listener: Listener, bag: Bag) -> None:
        self._listener = listener
        self._bag = bag

    def status(self, text: str) -> None:
        self._listener.status(self._bag.redact(text))

    def note(self, text: str) -> None:
        self._listener.note(self._bag.redact(text))

    def warn(self, text: str) -> None:
        self._listener.warn(self._bag.redact(text))
