"""What the resources of one program have to do with each other, remembered while they are previewed.

The engine previews one resource after the other: what an earlier one is going to make is not on the host
yet when a later one needs it, and what two of them want for themselves alone shows nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi_illumos_provider.engine.listening import Listener
from pulumi_illumos_provider.engine.properties import Bag, top_level
from pulumi_illumos_provider.engine.target import Target
from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.resources.kind import Claim, Kind


@dataclass(frozen=True)
class _Promise:
    """What a run is going to work on: whether others are attached to it, whether it is there already."""

    serves: bool
    exists: bool


class Program:
    """The promises and claims of the resources that were previewed so far, by host."""

    def __init__(self) -> None:
        self._promised: dict[str, dict[str, _Promise]] = {}
        self._claimed: dict[str, list[tuple[Target, Claim]]] = {}

    def promise(self, kind: Kind[Any, Any], host: Any, name: Any, *, exists: bool = False) -> None:
        """Remember that an object will be made, or (it exists) changed. One without a name is left out."""
        if isinstance(host, str) and isinstance(name, str):
            self._promised.setdefault(host, {})[name] = _Promise(kind.serves, exists)

    def claim(self, target: Target, own: Sequence[Claim]) -> None:
        """Compare what a resource has for itself alone with what the program's others have.

        Raises:
            Refused: two of them exclude each other.
        """
        others = self._claimed.setdefault(target.host, [])
        others[:] = [(owner, claim) for owner, claim in others if owner != target]
        for claim in own:
            for owner, other in others:
                if claim.conflicts(other):
                    raise Refused(
                        f"{claim.what} is claimed by {owner} in the same program: choose another",
                        claim.property,
                    )
        others += [(target, claim) for claim in own]

    def excuse(
        self, kind: Kind[Any, Any], refusal: Refused, target: Target, news: Bag, listener: Listener
    ) -> None:
        """Let a refusal pass when it misses what this very run is going to make or change before.

        Raises:
            Refused: the refusal itself, when it does not.
        """
        promised = self._promised.get(target.host, {})
        referred = {
            text.rsplit("/", 1)[-1]
            for key, value in news.known.items()
            if key not in ("name", "host")
            for text in _strings(value)
        }
        missed = [name for name in promised if name in referred and _mentions(str(refusal), name)]
        if any(not promised[name].exists for name in missed):
            return
        serving = [name for name in promised if promised[name].serves]
        waiting = missed or (serving if top_level(refusal.property) in kind.attaching else [])
        if not waiting:
            raise refusal
        listener.warn(f"cannot be judged before this run's work on {', '.join(waiting)}: {refusal}")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", text) is not None
