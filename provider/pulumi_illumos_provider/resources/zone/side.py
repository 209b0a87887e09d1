"""A side of a zone: some of its properties, how they are brought about and how they are read back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.base import Change, Properties
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources.kind import Difference
from pulumi_illumos_provider.resources.zone.job import Job

W = TypeVar("W", bound=Properties)
S = TypeVar("S", bound=Properties)


class Side(ABC, Generic[W, S]):
    """Some properties of a zone. Pure: nothing here does I/O.

    ``W`` has the inputs, ``S`` the outputs that the side answers for; each is a base of the zone's (or of
    the router zone's) models.
    """

    inputs: type[W]
    outputs: type[S]
    follows: ClassVar[dict[str, frozenset[str]]] = {}
    """See `Kind.follows`."""

    @property
    def fields(self) -> frozenset[str]:
        """The inputs (python names) that the side answers for."""
        return frozenset(self.inputs.model_fields)

    @abstractmethod
    def plan(self, wanted: W, job: Job) -> None:
        """Add to the job what it takes to have what is wanted.

        Raises:
            Refused: the host does not allow it.
        """

    def paths(self, wanted: W) -> list[str]:
        """Paths of the host of which `plan` must know whether they exist; see `Kind.paths`."""
        return []

    def removal(self, name: str, zone: ZoneSeen | None, now: Snapshot, state: S) -> list[Step]:
        """Remove what the side made outside of the zone, once the zone is uninstalled.

        Args:
            zone: the zone as it is; None when it is gone.
            state: the zone's recorded outputs (of the whole zone, ``retain_data`` among them).
        """
        return []

    @abstractmethod
    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        """The side's outputs (python names) as the host has them."""

    def satisfied(self, field: str, wanted: W, state: S) -> bool:
        """Whether the state already means what the field of wanted asks."""
        return bool(getattr(wanted, field) == getattr(state, field))

    def change(self, field: str, wanted: W, state: S) -> Change:
        """What it takes to change a field that is not satisfied."""
        return self.inputs.change(field)

    def drift(self, state: S) -> list[Difference]:
        """What the host has, and nobody can have wanted."""
        return []

    @abstractmethod
    def spell(self, state: S) -> dict[str, Any]:
        """Inputs (camelCase) as a user would write them for this state: defaults left out."""
