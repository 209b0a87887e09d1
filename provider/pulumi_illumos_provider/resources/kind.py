"""What every kind of resource offers to the engine's side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pulumi_illumos_provider.illumos.snapshot import Snapshot, probes
from pulumi_illumos_provider.model.base import Change, Inputs, Outputs
from pulumi_illumos_provider.plan import Probes, Results, Step

I = TypeVar("I", bound=Inputs)  # noqa: E741
O = TypeVar("O", bound=Outputs)  # noqa: E741


@dataclass(frozen=True)
class Difference:
    """A property whose wanted value the host does not have.

    Attributes:
        property: top-level property name as the user writes it (camelCase).
        change: how it is brought about.
        kind: ``add``, ``update`` or ``delete``, as Pulumi's detailed diff names it.
    """

    property: str
    change: Change
    kind: str = "update"


@dataclass(frozen=True)
class Owner:
    """Who asks: stored with a zone so that a cut-off create is known as ours.

    Attributes:
        urn: the resource's URN (or an equal for dynamic resources).
    """

    urn: str


@dataclass(frozen=True)
class Claim:
    """Something that only one resource of a host can have: an address, a port.

    The preview compares the claims of all resources of a program, so that two that exclude each other are
    refused before the first of them is made.

    Attributes:
        space: what the numbers count: ``address``, ``tcp port of 203.0.113.10 in gw``.
        first, last: the claimed numbers.
        what: it, for messages: ``10.10.0.5``.
        property: the property that claims it.
        shared: what all must have in common that want it as well; empty when nobody else can have it.
    """

    space: str
    first: int
    last: int
    what: str
    property: str
    shared: str = ""

    def conflicts(self, other: Claim) -> bool:
        """Whether both cannot be had."""
        same = self.space == other.space and self.first <= other.last and other.first <= self.last
        return same and not (self.shared and self.shared == other.shared)


@dataclass(frozen=True)
class Plan:
    """What to do on the host, and what to tell the user beforehand.

    Attributes:
        steps: in order; empty when nothing has to change.
        warnings: for the preview: things that will probably fail, or a reboot that is implied.
    """

    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()


def local_name(reference: str) -> str:
    """The name of an object given by name or by id (``HOST/NAME``)."""
    return reference.rsplit("/", 1)[-1]


class Kind(ABC, Generic[I, O]):
    """A kind of resource: pure functions from what is wanted and what is there to a plan.

    One instance serves all resources of the kind. Nothing here does I/O: the engine's side sends
    `probes`, hands the answers to `observe`, and carries out the plans.
    """

    token: ClassVar[str]
    """Pulumi type token, ``illumos:index:Zone``."""
    inputs: type[I]
    outputs: type[O]
    uncertain: ClassVar[frozenset[str]] = frozenset()
    """Output fields (python names) that may differ from the input of the same name."""
    follows: ClassVar[Mapping[str, frozenset[str]]] = {}
    """For an output, the inputs (both camelCase) that change it when they change."""

    parts: ClassVar[tuple[str, ...]] = ("name",)
    """The inputs (python names) that the object's name in an id is made of: ``HOST/ROUTER/NAME``."""

    attaching: ClassVar[frozenset[str]] = frozenset({"address", "router", "nics"})
    """The inputs (camelCase) that say what the object is attached to."""
    serves: ClassVar[bool] = False
    """Whether others are attached to it, by their address alone if need be."""

    @abstractmethod
    def autoname(self, name: str, suffix: str) -> str:
        """A legal name on the host from the Pulumi name and a random hexadecimal suffix."""

    def identity(self, wanted: I) -> str:
        """The object's name in its id: the values of `parts`, joined by slashes."""
        return "/".join(local_name(str(getattr(wanted, part))) for part in self.parts)

    def claims(self, wanted: I) -> list[Claim]:
        """What the object will have for itself alone, as far as the inputs tell it."""
        return []

    def probes(self, name: str, wanted: I | None = None) -> Probes:
        """What must be asked to know everything about the object called ``name`` and around it."""
        return probes(name, self.paths(wanted) if wanted is not None else ())

    def paths(self, wanted: I) -> list[str]:
        """Paths of the host of which `plan` must know whether they exist."""
        return []

    def observe(self, name: str, results: Results) -> Snapshot:
        """Read the answers. Raises HostError when an answer cannot be understood."""
        return Snapshot.parse(results)

    @abstractmethod
    def plan(self, wanted: I, now: Snapshot, owner: Owner, state: O | None) -> Plan:
        """Steps from what is there to what is wanted (``wanted.name`` is set).

        Args:
            state: the recorded outputs for an update; None for a create, where an object that exists
                is refused unless it carries this owner (a create that was cut off).

        Raises:
            Refused: the host does not allow it.
        """

    @abstractmethod
    def plan_delete(self, name: str, now: Snapshot, state: O) -> Plan:
        """Steps that remove everything that belongs to the object; what is gone counts as done.

        Raises:
            Refused: others depend on it.
        """

    @abstractmethod
    def read(self, host: str, name: str, now: Snapshot) -> O | None:
        """The outputs as the host has them; None when no such object exists."""

    def unfinished(self, state: O) -> list[str]:
        """Why an object that was read is not complete; empty when it is."""
        return []

    @abstractmethod
    def importable(self, name: str, now: Snapshot) -> None:
        """Raise Refused when the object exists but must not be imported (``global``, incomplete)."""

    @abstractmethod
    def satisfied(self, field: str, wanted: I, state: O) -> bool:
        """Whether the host's state already means what the field (python name) of wanted asks."""

    def change(self, field: str, wanted: I, state: O) -> Change:
        """What it takes to change a field (python name) that is not satisfied."""
        return self.inputs.change(field)

    @abstractmethod
    def spell(self, state: O) -> dict[str, Any]:
        """Inputs (camelCase) as a user would write them for this state: defaults left out."""

    def differences(self, wanted: I, state: O) -> list[Difference]:
        """All properties whose meaning differs, in the order of the model."""
        found = []
        for field in self.inputs.model_fields:
            if self.satisfied(field, wanted, state):
                continue
            had = getattr(state, field, None) not in (None, [], {})
            has = getattr(wanted, field) not in (None, [], {})
            kind = "update" if had == has else ("add" if has else "delete")
            change = self.change(field, wanted, state)
            found.append(Difference(self.inputs.property_name(field), change, kind))
        return found

    def respell(self, state: O, old: Mapping[str, Any] | None) -> dict[str, Any]:
        """Inputs for a state, in the user's own spelling wherever its meaning still holds.

        Args:
            old: the recorded inputs, or None (import).
        """
        spelled = self.spell(state)
        if not old:
            return spelled
        wanted = self.inputs.model_validate(dict(old))
        result: dict[str, Any] = {}
        for field in self.inputs.model_fields:
            key = self.inputs.property_name(field)
            if self.satisfied(field, wanted, state):
                if key in old:
                    result[key] = old[key]
            elif key in spelled:
                result[key] = spelled[key]
        return result
