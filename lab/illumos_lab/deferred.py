"""Output that waits until the host's lock is free again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

from illumos_lab.invocation import Invocation


class _Deferred(Invocation):
    """An invocation that keeps what is written, in order."""

    def __init__(self, run: Invocation) -> None:
        super().__init__(**{field.name: getattr(run, field.name) for field in fields(Invocation)})
        self._kept: list[tuple[bool, str]] = []

    def out(self, text: str) -> None:
        self._kept.append((False, text))

    def err(self, text: str) -> None:
        self._kept.append((True, text))

    def flush(self, run: Invocation) -> None:
        for is_error, text in self._kept:
            (run.err if is_error else run.out)(text)


@contextmanager
def deferred_output(run: Invocation) -> Iterator[Invocation]:
    """An invocation in the caller's place whose output is written when the block ends.

    A caller that does not read (``dladm show-link | less``) would otherwise stop a command in the
    middle of a listing, with the host's lock held. Enter this before the lock.
    """
    kept = _Deferred(run)
    try:
        yield kept
    finally:
        kept.flush(run)
