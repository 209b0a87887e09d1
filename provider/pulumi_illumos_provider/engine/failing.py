"""Errors of operations, and how they are told."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pulumi_illumos_provider.errors import ProviderError

ISSUES: Final = "https://github.com/pulumi-illumos/pulumi-illumos/issues"
"""Where an internal error is reported."""


class Interrupted(ProviderError):
    """The engine asked to stop (``Cancel``)."""


class NoEffect(ProviderError):
    """All steps succeeded, and the host is not as it was asked to be."""


class TimedOut(ProviderError):
    """The time that the program allows for the operation is over."""


class PartialFailure(ProviderError):
    """The object exists, but is not finished (``ErrorResourceInitFailed``).

    Attributes:
        id: the resource's id.
        state: its outputs, read back from the host where that was possible.
        inputs: its inputs.
        reasons: what went wrong, each complete.
    """

    def __init__(
        self, id: str, state: Mapping[str, Any], inputs: Mapping[str, Any], reasons: Sequence[str]
    ) -> None:
        super().__init__("\n".join(reasons))
        self.id = id
        self.state = dict(state)
        self.inputs = dict(inputs)
        self.reasons = tuple(reasons)


def describe(error: BaseException) -> str:
    """An error in words for the user.

    Of an error that is a fault of this provider, only its class and place are told: its text may hold
    values that are secret.
    """
    if isinstance(error, ProviderError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return (
        f"internal error: {type(error).__name__}{place}; please report it at {ISSUES}, "
        "with what ILLUMOS_DEBUG=1 makes the provider log"
    )
