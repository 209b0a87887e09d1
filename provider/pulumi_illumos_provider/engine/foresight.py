"""What can be told of outputs without, or before, reading them back from the host.

A kind of resource helps with ``uncertain`` and ``follows``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from pulumi_illumos_provider.engine import shapes
from pulumi_illumos_provider.engine.properties import COMPUTED, Bag
from pulumi_illumos_provider.model.base import Inputs, Outputs
from pulumi_illumos_provider.model.values import HostAddress
from pulumi_illumos_provider.resources.kind import Kind


def echo(kind: Kind[Any, Any], news: Bag, default_host: str | None) -> dict[str, Any]:
    """Outputs as far as the inputs alone tell them; the rest is `COMPUTED`."""
    outputs: dict[str, Any] = {}
    for field in kind.outputs.model_fields:
        name = kind.outputs.property_name(field)
        outputs[name] = COMPUTED
        if field in kind.uncertain or field not in kind.inputs.model_fields:
            continue
        if name not in news.unknown_names:
            outputs[name] = _told(kind.inputs, field, news.known.get(name))
    if outputs["host"] is COMPUTED and "host" not in news.unknown_names and default_host:
        outputs["host"] = default_host
    return outputs


def expected(kind: Kind[Any, Any], host: str, name: str, news: Bag) -> dict[str, Any]:
    """The best guess at an object's outputs when the host cannot be asked."""
    told = {output: value for output, value in echo(kind, news, host).items() if value is not COMPUTED}
    return {**told, "host": host, "name": name}


def read_state(kind: Kind[Any, Any], recorded: Mapping[str, Any]) -> Outputs | None:
    """Recorded outputs as a model, or None when they are not complete."""
    try:
        state: Outputs = kind.outputs.model_validate(shapes.prune(kind.outputs, recorded))
    except ValidationError:
        return None
    return state


def filled(model: type[Outputs], recorded: Mapping[str, Any]) -> Outputs:
    """Incomplete outputs as a model, with empty values for what is missing."""
    values: dict[str, Any] = {}
    for field in model.model_fields:
        name = model.property_name(field)
        values[field] = None
        with contextlib.suppress(ValidationError):
            if name in recorded:
                values[field] = shapes.adapter(model, field).validate_python(recorded[name])
        if values[field] is None:
            values[field] = shapes.empty(shapes.annotation(model, field))
    return model.model_construct(**values)


def _told(model: type[Inputs], field: str, raw: Any) -> Any:
    """The output that an input leads to by itself; `COMPUTED` when the host has a say in it."""
    adapter = shapes.adapter(model, field)
    try:
        value = shapes.default(model, field) if raw is None else adapter.validate_python(raw)
    except ValidationError:
        return COMPUTED
    if value is None or _completed_by_host(value):
        return COMPUTED
    return adapter.dump_python(value, mode="json", by_alias=True, exclude_none=True)


def _completed_by_host(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_completed_by_host(item) for item in value)
    if isinstance(value, HostAddress):
        return value.prefix is None
    return isinstance(value, BaseModel)
