"""What the annotations of a model say about the values on the wire."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import TypeAdapter
from pydantic_core import PydanticUndefined

from pulumi_illumos_provider.model.base import Properties


def annotation(model: type[Properties], field: str) -> Any:
    """The full annotation of a field; pydantic keeps its type and its metadata apart."""
    info = model.model_fields[field]
    if not info.metadata:
        return info.annotation
    return Annotated[(info.annotation, *info.metadata)]


def bare(hint: Any) -> Any:
    """A type without ``Annotated`` and without ``None``; a union of several types stays one."""
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            hint = get_args(hint)[0]
        elif origin in (Union, types.UnionType):
            members = [member for member in get_args(hint) if member is not type(None)]
            if len(members) != 1:
                return hint
            hint = members[0]
        else:
            return hint


def item(hint: Any) -> Any:
    """The type of a list's elements, or None for what is not a list."""
    hint = bare(hint)
    if get_origin(hint) in (list, tuple, set, frozenset, Sequence):
        return get_args(hint)[0]
    return None


def nested(hint: Any) -> type[Properties] | None:
    """The model of an object, or of a list's elements; None for other types."""
    hint = bare(item(hint) or hint)
    return hint if isinstance(hint, type) and issubclass(hint, Properties) else None


@lru_cache(maxsize=512)
def adapter(model: type[Properties], field: str) -> TypeAdapter[Any]:
    """Validates and dumps the values of one field."""
    return TypeAdapter(annotation(model, field))


def default(model: type[Properties], field: str) -> Any:
    """The value of a field that is not given; None when it has none."""
    value = model.model_fields[field].get_default(call_default_factory=True, validated_data={})
    return None if value is PydanticUndefined else value


def secret_names(model: type[Properties]) -> frozenset[str]:
    """Names of the properties that are declared secret."""
    return frozenset(
        model.property_name(field) for field in model.model_fields if model.metadata(field).get("secret")
    )


def secret_paths(model: type[Properties]) -> Iterator[str]:
    """What is declared secret, at any depth, as paths in which lists are not spelled."""
    yield from secret_names(model)
    for field in model.model_fields:
        inner = nested(annotation(model, field))
        if inner is not None:
            yield from (f"{model.property_name(field)}.{path}" for path in secret_paths(inner))


def prune(model: type[Properties], values: Mapping[str, Any]) -> dict[str, Any]:
    """A bag without the properties, at any depth, that the model does not have.

    State that another version of the provider wrote may have more than this version knows.
    """
    result = {}
    for field in model.model_fields:
        name = model.property_name(field)
        if name not in values:
            continue
        value = values[name]
        inner = nested(annotation(model, field))
        if inner and isinstance(value, Mapping):
            value = prune(inner, value)
        elif inner and isinstance(value, list):
            value = [prune(inner, v) if isinstance(v, Mapping) else v for v in value]
        result[name] = value
    return result


def empty(hint: Any) -> Any:
    """The empty value of a type; None for types that have none."""
    base = bare(hint)
    origin = get_origin(base) or base
    if origin in (list, dict, str, bool, int, float):
        return origin()
    return None
