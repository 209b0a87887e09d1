"""What a program gives to a component: values, with what Pulumi knows about each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Given:
    """A value on its way from a program, or from one resource, to another resource.

    Attributes:
        value: a plain value, a mapping from names to `Given`, or a tuple of them; None when it is absent
            or not known.
        known: False for a value that is only known once a resource is made (preview).
        secret: whether it is kept encrypted and shown to nobody.
        dependencies: URNs of the resources that it comes from.
    """

    value: Any = None
    known: bool = True
    secret: bool = False
    dependencies: frozenset[str] = frozenset()

    @property
    def absent(self) -> bool:
        """Whether nothing was given."""
        return self.known and self.value is None

    @property
    def parts(self) -> tuple[Given, ...]:
        """The elements of a list, or the values of a mapping; none of anything else."""
        if isinstance(self.value, Mapping):
            return tuple(self.value.values())
        return self.value if isinstance(self.value, tuple) else ()

    def get(self, name: str) -> Given:
        """A property of an object; what is true of the object is true of it as well."""
        if isinstance(self.value, Mapping):
            return self.value.get(name) or replace(self, value=None)
        return replace(self, value=None)

    def or_else(self, default: Any) -> Given:
        """Itself, or a default where nothing was given."""
        return replace(self, value=default) if self.absent else self

    def after(self, other: Given) -> Given:
        """Itself, to be used once what the other one comes from is there as well."""
        return replace(self, dependencies=self.dependencies | other.dependencies)

    @property
    def holds_secret(self) -> bool:
        """Whether it is secret, or something in it is."""
        return any(given.secret for given in self._all())

    @property
    def all_dependencies(self) -> frozenset[str]:
        """The resources that it, or something in it, comes from."""
        return frozenset().union(*(given.dependencies for given in self._all()))

    def _all(self) -> Iterator[Given]:
        yield self
        for part in self.parts:
            yield from part._all()


def record(**properties: Given) -> Given:
    """An object of these properties; absent ones are left out."""
    return Given({name: value for name, value in properties.items() if not value.absent})


def listed(items: Sequence[Given]) -> Given:
    """A list of these elements."""
    return Given(tuple(items))
