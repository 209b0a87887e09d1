"""Which object on which host an operation is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """An object on a host.

    Attributes:
        noun: what it is: ``router zone``.
        host: the host as it is written in the id.
        name: the object's name on it, as its id has it.
        key: the host as `HostAccess` wants it: None for the provider's own.
    """

    noun: str
    host: str
    name: str
    key: str | None

    @property
    def id(self) -> str:
        """``HOST/NAME``."""
        return f"{self.host}/{self.name}"

    @property
    def own_name(self) -> str:
        """The object's ``name`` property."""
        return self.name.rsplit("/", 1)[-1]

    def __str__(self) -> str:
        return f"{self.noun} {self.name} on {self.host}"
