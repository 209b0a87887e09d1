"""What every component offers to the engine's side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from pulumi_illumos_provider.components.given import Given
from pulumi_illumos_provider.errors import Failure
from pulumi_illumos_provider.model.base import Properties


@dataclass(frozen=True)
class Child:
    """A resource that a component has declared.

    Attributes:
        id: its id; not known in a preview that makes it.
        outputs: its outputs, by name (camelCase); each depends on the resource.
    """

    id: Given
    outputs: Given


class Children(Protocol):
    """Declares the resources that a component is made of."""

    async def declare(self, token: str, name: str, properties: Mapping[str, Given]) -> Child:
        """Declare a resource, and wait until Pulumi has made it (or has foreseen it, in a preview).

        Args:
            token: type token.
            name: Pulumi name.
            properties: inputs by name (camelCase); absent ones are left out.

        Raises:
            ProviderError: it could not be made.
        """


class Component(ABC):
    """A component resource: resources that are declared as one. It does no I/O of its own."""

    token: ClassVar[str]
    """Pulumi type token, ``illumos:index:VirtualDatacenter``."""
    inputs: ClassVar[type[Properties]]
    outputs: ClassVar[type[Properties]]

    def faults(self, given: Given) -> list[Failure]:
        """What is wrong with valid inputs for a reason that only Pulumi knows, such as secrecy."""
        return []

    @abstractmethod
    async def compose(self, name: str, given: Given, children: Children) -> Mapping[str, Given]:
        """Declare the children.

        Args:
            name: the component's Pulumi name.
            given: its inputs, an object with names in camelCase; what is known of them is valid.

        Returns:
            The component's outputs by name (camelCase).

        Raises:
            ProviderError: a child could not be made.
        """
