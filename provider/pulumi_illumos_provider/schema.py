"""The package schema, generated from the models.

``python -m pulumi_illumos_provider.schema`` prints ``schema.json``; the plugin serves the same text
(``GetSchema``). The form is Pulumi's metaschema: pulumi/pulumi, pkg/codegen/schema/pulumi.json.
"""

from __future__ import annotations

import enum
import inspect
import json
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, get_args, get_origin

from pydantic import TypeAdapter, WithJsonSchema

from pulumi_illumos_provider import __version__
from pulumi_illumos_provider.components import COMPONENTS
from pulumi_illumos_provider.components.component import Component
from pulumi_illumos_provider.engine import config, shapes
from pulumi_illumos_provider.model import common
from pulumi_illumos_provider.model.base import Change, Inputs, Outputs, Properties
from pulumi_illumos_provider.model.examples import Example
from pulumi_illumos_provider.resources import KINDS
from pulumi_illumos_provider.resources.kind import Kind

NAME: Final = "illumos"

REPOSITORY: Final = "https://github.com/pulumi-illumos/pulumi-illumos"

_PACKAGE: Final[Mapping[str, Any]] = {
    "name": NAME,
    "displayName": "illumos",
    "version": __version__,
    "description": (
        "Zone networks on illumos hosts: etherstubs, router zones with NAT and DHCP, and the zones "
        "behind them."
    ),
    "keywords": [
        "pulumi",
        "illumos",
        "omnios",
        "tribblix",
        "openindiana",
        "zones",
        "kind/native",
        "category/network",
    ],
    "homepage": REPOSITORY,
    "license": "Apache-2.0",
    "repository": REPOSITORY,
    "publisher": "pulumi-illumos",
    "pluginDownloadURL": "github://api.github.com/pulumi-illumos/pulumi-illumos",
}

_LANGUAGES: Final[Mapping[str, Any]] = {
    "csharp": {
        "respectSchemaVersion": True,
        "rootNamespace": "PulumiIllumos",
        "packageReferences": {"Pulumi": "3.*"},
    },
    "go": {
        "respectSchemaVersion": True,
        "generateResourceContainerTypes": True,
        "importBasePath": "github.com/pulumi-illumos/pulumi-illumos/sdk/go/illumos",
    },
    "java": {
        "respectSchemaVersion": True,
        "basePackage": "com.pulumi.illumos",
        "buildFiles": "gradle",
    },
    "nodejs": {
        "respectSchemaVersion": True,
        "packageName": "pulumi-illumos",
        "packageDescription": "Zone networks on illumos hosts as part of a Pulumi program.",
    },
    "python": {
        "respectSchemaVersion": True,
        "packageName": "pulumi_illumos",
        "pyproject": {"enabled": True},
        "requires": {"pulumi": ">=3.200.0,<4.0.0"},
    },
}

_FENCES: Final = ("typescript", "python", "go", "csharp", "java", "yaml")


class SchemaError(Exception):
    """A model lacks what the schema must say."""


@lru_cache(maxsize=1)
def text() -> str:
    """The schema as JSON text.

    Raises:
        SchemaError: a resource, a property or a value of an enum has no description.
    """
    return json.dumps(build(KINDS, COMPONENTS), indent=2) + "\n"


def build(
    kinds: Mapping[str, Kind[Any, Any]], components: Mapping[str, Component] | None = None
) -> dict[str, Any]:
    """The schema of a package with these kinds of resources, and these components.

    Raises:
        SchemaError: a resource, a property or a value of an enum has no description.
    """
    types = _Types()
    settings = _settings(types)
    resources = {token: _resource(kind, types) for token, kind in kinds.items()}
    resources |= {token: _component(component, types) for token, component in (components or {}).items()}
    return {
        **_PACKAGE,
        "language": _LANGUAGES,
        "config": {"variables": settings},
        "types": dict(sorted(types.specs.items())),
        "provider": {
            "description": (
                "How to reach illumos hosts. One provider serves any number of hosts; a resource names "
                "its host where it is not the provider's own."
            ),
            "inputProperties": settings,
        },
        "resources": dict(sorted(resources.items())),
    }


class _Types:
    """Named types, found while properties are described."""

    def __init__(self) -> None:
        self.specs: dict[str, Any] = {}
        self._values = {**common.ENUM_VALUES, **config.ENUM_VALUES}

    def describe(self, hint: Any, where: str) -> dict[str, Any]:
        """The type of a property.

        Args:
            hint: its annotation.
            where: the property, for errors.
        """
        if not any(isinstance(part, WithJsonSchema) for part in _metadata(hint)):
            base = shapes.bare(hint)
            if (item := shapes.item(base)) is not None:
                return {"type": "array", "items": self.describe(item, where)}
            if isinstance(base, type) and issubclass(base, enum.Enum):
                return self._enum(base)
            if isinstance(base, type) and issubclass(base, Properties):
                return self._object(base)
            if get_origin(base) is dict:
                values = self.describe(get_args(base)[1], where)
                return {"type": "object", "additionalProperties": values}
        return _plain(TypeAdapter(hint).json_schema(mode="serialization"), where)

    def _enum(self, values: type[enum.Enum]) -> dict[str, Any]:
        token = f"{NAME}:index:{values.__name__}"
        told = self._values[values] if issubclass(values, enum.StrEnum) and values in self._values else {}
        missing = [member.value for member in values if not told.get(member.value)]
        if missing:
            raise SchemaError(f"{values.__name__}: no description of {', '.join(missing)}")
        self.specs[token] = {
            "description": _first_paragraph(values),
            "type": "string",
            "enum": [
                {
                    "name": "".join(part.capitalize() for part in member.name.split("_")),
                    "value": member.value,
                    "description": told[member.value],
                }
                for member in values
            ],
        }
        return {"$ref": f"#/types/{token}"}

    def _object(self, model: type[Properties]) -> dict[str, Any]:
        token = f"{NAME}:index:{model.__name__}"
        if token not in self.specs:
            self.specs[token] = {}  # so that a type may refer to itself
            self.specs[token] = {
                "description": _first_paragraph(model),
                "type": "object",
                "properties": _properties(model, self),
                "required": _required(model),
            }
        return {"$ref": f"#/types/{token}"}


def _settings(types: _Types) -> dict[str, Any]:
    """The provider's settings: the same as configuration and as inputs of a provider resource."""
    settings = _properties(config.Configuration, types)
    for name, variable in config.ENVIRONMENT.items():
        settings[name]["defaultInfo"] = {"environment": [variable]}
    for setting in settings.values():
        setting.pop("replaceOnChanges", None)
        setting.pop("willReplaceOnChanges", None)
    return settings


def _resource(kind: Kind[Any, Any], types: _Types) -> dict[str, Any]:
    inputs: type[Inputs] = kind.inputs
    outputs: type[Outputs] = kind.outputs
    return {
        "description": _page(inputs, _import(kind)),
        "inputProperties": _properties(inputs, types, top=True),
        "requiredInputs": _required(inputs),
        "properties": _properties(outputs, types),
        "required": _required(outputs),
    }


def _component(component: Component, types: _Types) -> dict[str, Any]:
    return {
        "description": _page(component.inputs),
        "isComponent": True,
        "inputProperties": _properties(component.inputs, types),
        "requiredInputs": _required(component.inputs),
        "properties": _properties(component.outputs, types),
        "required": _required(component.outputs),
    }


def _properties(model: type[Properties], types: _Types, *, top: bool = False) -> dict[str, Any]:
    """The properties of a model.

    Args:
        top: whether they are a resource's own inputs, which replace it when they change.
    """
    described = {}
    for field, info in model.model_fields.items():
        name = model.property_name(field)
        where = f"{model.__name__}.{field}"
        if not info.description:
            raise SchemaError(f"{where}: no description")
        spec = types.describe(shapes.annotation(model, field), where)
        spec["description"] = info.description
        default = shapes.default(model, field)
        if isinstance(default, enum.Enum):
            default = default.value
        if isinstance(default, bool | int | float | str):
            spec["default"] = default
        if model.metadata(field).get("secret"):
            spec["secret"] = True
        if top and model.change(field) is Change.REPLACE:
            spec["replaceOnChanges"] = True
            spec["willReplaceOnChanges"] = True
        described[name] = spec
    return described


def _required(model: type[Properties]) -> list[str]:
    return [model.property_name(name) for name, info in model.model_fields.items() if info.is_required()]


def _page(inputs: type[Properties], *more: str) -> str:
    """A resource's page in the registry.

    Args:
        more: what comes after the examples.
    """
    description: str = getattr(inputs, "DESCRIPTION", "") or _first_paragraph(inputs)
    examples: Iterable[Example] = getattr(inputs, "EXAMPLES", ())
    parts = [description.strip(), *_examples(examples), *more]
    return "\n\n".join(parts) + "\n"


def _examples(examples: Iterable[Example]) -> list[str]:
    """The programs that a model lists in ``EXAMPLES``, in the form of the registry."""
    blocks = []
    for example in examples:
        fences = [
            f"```{language}\n{example.code[language].strip()}\n```"
            for language in _FENCES
            if language in example.code
        ]
        title = f"### {example.title}"
        blocks.append("\n\n".join(["{{% example %}}", title, *fences, "{{% /example %}}"]))
    if not blocks:
        return []
    return ["\n\n".join(["{{% examples %}}", "## Example Usage", *blocks, "{{% /examples %}}"])]


def _import(kind: Kind[Any, Any]) -> str:
    places = [f"the name of the {part.replace('_', ' ')}" for part in kind.parts[:-1]]
    named = ", ".join(["the host as the provider or the resource names it", *places])
    form = "/".join(["HOST", *(part.upper() for part in kind.parts[:-1]), "NAME_ON_HOST"])
    return (
        f"## Import\n\nThe id is {named}, and the name on the host, with slashes between them:\n\n"
        f"```sh\n$ pulumi import {kind.token} NAME {form}\n```"
    )


def _metadata(hint: Any) -> tuple[Any, ...]:
    """What is attached to a type, also inside of ``X | None``."""
    members = [hint, *(member for member in get_args(hint) if member is not type(None))]
    return tuple(part for member in members for part in getattr(member, "__metadata__", ()))


def _plain(found: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A Pulumi type for a JSON schema of plain values."""
    choices = [choice for choice in found.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        return _plain(choices[0], where)
    if choices:
        return {"oneOf": [_plain(choice, where) for choice in choices]}
    match found.get("type"):
        case "string" | "integer" | "number" | "boolean":
            return {"type": found["type"]}
        case "array":
            return {"type": "array", "items": _plain(found["items"], where)}
        case "object" if isinstance(found.get("additionalProperties"), Mapping):
            values = _plain(found["additionalProperties"], where)
            return {"type": "object", "additionalProperties": values}
    raise SchemaError(f"{where}: no Pulumi type for {json.dumps(found)}")


def _first_paragraph(subject: type) -> str:
    """The first paragraph of a class's own docstring."""
    own = subject.__doc__ if "__doc__" in vars(subject) else None
    if not own:
        raise SchemaError(f"{subject.__name__}: no description")
    return inspect.cleandoc(own).split("\n\n")[0].replace("\n", " ").replace("``", "`")


def main() -> int:
    """Print the schema."""
    try:
        sys.stdout.write(text())
    except SchemaError as error:
        print(f"schema: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
