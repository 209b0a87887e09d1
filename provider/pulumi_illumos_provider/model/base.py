"""The common ground of all models: property declarations, and checks that collect every failure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic.alias_generators import to_camel

from pulumi_illumos_provider.errors import Failure


class Change(enum.Enum):
    """What it takes to change a property."""

    LIVE = "live"
    """In place, at once."""
    REBOOT = "reboot"
    """In place; the zone is rebooted for it when it runs."""
    HALT = "halt"
    """In place; the zone is halted for it when it runs, and booted again afterwards."""
    REPLACE = "replace"
    """The object is deleted and made anew."""

    @property
    def stops(self) -> bool:
        """Whether a zone that runs does not go on running through it."""
        return self in (Change.REBOOT, Change.HALT)


def prop(
    description: str,
    *,
    change: Change = Change.LIVE,
    secret: bool = False,
    default: Any = ...,
    **more: Any,
) -> Any:
    """Declare a property.

    Args:
        description: for the user, in the schema and in the documentation.
        change: what changing it takes.
        secret: Pulumi keeps it encrypted.
        default: makes it optional; leave it out for a required property.
        more: further arguments of pydantic's Field.
    """
    extra: dict[str, Any] = {"change": change.value, "secret": secret}
    return Field(default=default, description=description, json_schema_extra=extra, **more)


class Faults(ValueError):
    """What is wrong across properties, collected so that the user sees all of it at once.

    Attributes:
        failures: each with a path relative to the model that found it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[Failure] = []

    def add(self, path: str, reason: str) -> None:
        """Note a fault of the property at ``path`` (empty: the object as a whole)."""
        self.failures.append(Failure(path, reason))

    def raise_if_any(self) -> None:
        """Raise itself when something was noted."""
        if self.failures:
            raise self

    def __str__(self) -> str:
        return "; ".join(f"{f.property}: {f.reason}" for f in self.failures)


class Properties(BaseModel):
    """A bag of properties, written in camelCase by users and in snake_case by Python."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
    )

    @classmethod
    def property_name(cls, field: str) -> str:
        """The name that users write for a field."""
        return cls.model_fields[field].alias or field

    @classmethod
    def metadata(cls, field: str) -> Mapping[str, Any]:
        """What `prop` declared: ``change`` and ``secret``."""
        extra = cls.model_fields[field].json_schema_extra
        return extra if isinstance(extra, dict) else {}

    @classmethod
    def change(cls, field: str) -> Change:
        """What it takes to change a field."""
        return Change(cls.metadata(field).get("change", Change.LIVE.value))

    def wire(self) -> dict[str, Any]:
        """The properties as plain JSON values under their camelCase names; absent ones left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Inputs(Properties):
    """Inputs of a resource; the values are meanings (bytes, addresses), not spellings."""

    host: str | None = None
    name: str | None = None


class Outputs(Properties):
    """Outputs of a resource: what was read back from the host."""

    host: str
    name: str


def all_known(info: ValidationInfo) -> bool:
    """For rules across properties: False while some property is not known yet (preview)."""
    return not (info.context or {}).get("unknown")


def check(
    model: type[Properties], raw: Mapping[str, Any], unknown: frozenset[str] = frozenset()
) -> tuple[Properties | None, list[Failure]]:
    """Validate inputs; all failures at once.

    Args:
        raw: known inputs (camelCase); unknown ones are left out.
        unknown: paths of unknown values (``address``, ``nics[0].address``), which are never judged.

    Returns:
        The model when everything is known and right, else None; and the failures.
    """
    try:
        valid = model.model_validate(dict(raw), context={"unknown": bool(unknown)})
    except ValidationError as error:
        failures = []
        for item in error.errors(include_url=False):
            path = property_path(model, item["loc"])
            if item["type"] == "missing" and _covered(path, unknown):
                continue
            cause = item.get("ctx", {}).get("error")
            if isinstance(cause, Faults):
                failures += [Failure(_join(path, f.property), f.reason) for f in cause.failures]
            else:
                failures.append(Failure(path, _reason(model, item, path)))
        return None, failures
    return (None if unknown else valid), []


def property_path(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """``networks[0].subnet`` for pydantic's ``("networks", 0, "subnet")``."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.startswith(("function-", "list[", "dict[", "lax-or-strict")):
            continue
        else:
            path += f".{part}" if path else part
    return path


def _join(path: str, more: str) -> str:
    return f"{path}.{more}" if path and more and not more.startswith("[") else path + more


def _covered(path: str, unknown: frozenset[str]) -> bool:
    return any(path == u or path.startswith((u + ".", u + "[")) for u in unknown)


def _reason(model: type[Properties], item: Mapping[str, Any], path: str) -> str:
    kind = item["type"]
    if kind == "value_error":
        return str(item["ctx"]["error"])
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return f"is not a property that exists here; {_nearest(_owner(model, item['loc']), path)}"
    return f"{item['msg'][0].lower()}{item['msg'][1:]} (found {item['input']!r})"


def _owner(model: type[Properties], location: tuple[int | str, ...]) -> type[Properties]:
    """The model that the last part of a location belongs to."""
    for part in location[:-1]:
        for field in model.model_fields.values():
            if part == field.alias:
                nested = _properties_in(field.annotation)
                model = nested or model
    return model


def _properties_in(annotation: Any) -> type[Properties] | None:
    if isinstance(annotation, type) and issubclass(annotation, Properties):
        return annotation
    found = (_properties_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model), None)


def _nearest(model: type[Properties], path: str) -> str:
    import difflib

    names = [model.property_name(field) for field in model.model_fields]
    close = difflib.get_close_matches(path.rsplit(".", 1)[-1], names, 1)
    if close:
        return f"did you mean {close[0]}?"
    return "known ones are " + ", ".join(names)


__all__ = [
    "Change",
    "Faults",
    "Inputs",
    "Outputs",
    "Properties",
    "Self",
    "all_known",
    "check",
    "prop",
]
