"""Errors that reach a user: each says what could not be done, to which object, where, why, and what to try.

ProviderError
 +-- Refused          the host's present state forbids it, or the request does not fit the host
 +-- HostError        something between us and the host (see `pulumi_illumos_provider.host`)
"""

from __future__ import annotations

from dataclasses import dataclass


class ProviderError(Exception):
    """The root: its text is complete and meant for the user; never show a stack trace for it."""


class Refused(ProviderError):
    """The host as it is does not allow what was asked; nothing was changed.

    Attributes:
        property: path of the property at fault (``networks[0].subnet``), or empty.
    """

    def __init__(self, message: str, property: str = "") -> None:
        super().__init__(message)
        self.property = property


class HostError(ProviderError):
    """A host could not be reached, or did not do what it was told."""


@dataclass(frozen=True)
class Failure:
    """One failed check of an input.

    Attributes:
        property: path such as ``nics[2].vlanId``.
        reason: what was found, what is allowed and how to mend it, in one sentence.
    """

    property: str
    reason: str
