"""``Diff``: compare what the user wants with the recorded state, by meaning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from pulumi_illumos_provider.engine.foresight import read_state
from pulumi_illumos_provider.engine.properties import Bag
from pulumi_illumos_provider.model.base import Change, Inputs, Outputs
from pulumi_illumos_provider.resources.kind import Difference, Kind


@dataclass(frozen=True)
class PropertyDiff:
    """One changed property.

    Attributes:
        property: its top-level name.
        kind: ``add``, ``update`` or ``delete``.
        replace: whether it takes a replacement.
        reboot: whether the zone is rebooted for it.
        of_inputs: whether the user changed it; else the host differs from what the user wrote.
    """

    property: str
    kind: str
    replace: bool
    reboot: bool
    of_inputs: bool


@dataclass(frozen=True)
class Diff:
    """All changed properties, in the order of the model.

    Attributes:
        properties: the changes.
        stable: names of outputs that stay as they are unless the resource is replaced.
    """

    properties: tuple[PropertyDiff, ...]
    stable: tuple[str, ...]

    @property
    def replaces(self) -> bool:
        """Whether the resource must be replaced."""
        return any(change.replace for change in self.properties)


def diff(
    kind: Kind[Any, Any],
    olds: Bag,
    news: Bag,
    *,
    old_inputs: Bag | None = None,
    default_host: str | None = None,
    ignore: Iterable[str] = (),
) -> Diff:
    """Compare what the user wants with the recorded state.

    Args:
        olds: recorded outputs. In a refresh, the engine puts what was just read here, and what was
            recorded as inputs into ``news``.
        old_inputs: recorded inputs, if the engine sends them.
        default_host: the provider's own host, for resources that name none.
        ignore: property paths of ``ignoreChanges``.
    """
    recorded = olds if old_inputs is None else old_inputs
    before = None if old_inputs is None else old_inputs.known
    # The engine has put the recorded inputs in place of ignored ones already. Where the host differs
    # from those, the user does not want to hear of it either.
    ignored = set(ignore)
    properties = []
    for found in _differences(kind, olds, news, recorded, default_host):
        name = found.property
        if name in ignored or "*" in ignored:
            continue
        unknown = name in news.unknown_names
        of_inputs = before is not None and (unknown or before.get(name) != news.known.get(name))
        verb = found.kind
        if of_inputs and before is not None:
            verb = _verb(name in before, unknown or name in news.known)
        properties.append(
            PropertyDiff(
                name,
                verb,
                # The id holds the host and the name.
                replace=found.change is Change.REPLACE or name in ("host", "name"),
                reboot=found.change.stops,
                of_inputs=of_inputs,
            )
        )
    return Diff(tuple(properties), _stable(kind))


def _differences(
    kind: Kind[Any, Any], olds: Bag, news: Bag, recorded: Bag, default_host: str | None
) -> list[Difference]:
    """What differs, in the order of the model, and what is unknown and may differ."""
    state = read_state(kind, olds.known)
    wanted = None if state is None else _assumed(kind, state, news)
    if state is None or wanted is None:
        # The state is not complete (a create that was cut off, another version of the provider): what
        # the user wrote is all there is to compare.
        found = _raw_differences(kind, news, recorded)
    else:
        found = [f for f in kind.differences(wanted, state) if f.property != "host"]
        host = wanted.host or default_host
        if host is not None and host != state.host:
            found.append(Difference("host", Change.REPLACE))
    by_name = {difference.property: difference for difference in found}
    for field in kind.inputs.model_fields:
        name = kind.inputs.property_name(field)
        if name in news.unknown_names:
            verb = _verb(name in recorded.known, True)
            by_name[name] = Difference(name, kind.inputs.change(field), verb)
    order = [kind.inputs.property_name(field) for field in kind.inputs.model_fields]
    return sorted(
        by_name.values(),
        key=lambda found: order.index(found.property) if found.property in order else len(order),
    )


def _raw_differences(kind: Kind[Any, Any], news: Bag, recorded: Bag) -> list[Difference]:
    found = []
    for field in kind.inputs.model_fields:
        name = kind.inputs.property_name(field)
        if news.known.get(name) != recorded.known.get(name):
            verb = _verb(name in recorded.known, name in news.known)
            found.append(Difference(name, kind.inputs.change(field), verb))
    return found


def _assumed(kind: Kind[Any, Any], state: Outputs, news: Bag) -> Inputs | None:
    """What the user wants, with the present state in place of what is unknown."""
    known = dict(news.known)
    if news.unknown:
        spelled = kind.spell(state)
        for name in news.unknown_names:
            known.pop(name, None)
            if name in spelled:
                known[name] = spelled[name]
    try:
        wanted: Inputs = kind.inputs.model_validate(known, context={"unknown": bool(news.unknown)})
    except ValidationError:
        return None
    return wanted


def _stable(kind: Kind[Any, Any]) -> tuple[str, ...]:
    """Outputs that only a replacement changes."""
    return tuple(
        kind.inputs.property_name(field)
        for field in kind.inputs.model_fields
        if field in kind.outputs.model_fields
        and (field in ("host", "name") or kind.inputs.change(field) is Change.REPLACE)
    )


def _verb(had: bool, has: bool) -> str:
    if had == has:
        return "update"
    return "add" if has else "delete"
