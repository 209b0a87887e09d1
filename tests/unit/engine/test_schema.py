"""The package schema, and that it says everything."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pulumi_illumos_provider import __version__, schema
from pulumi_illumos_provider.components import COMPONENTS
from pulumi_illumos_provider.engine import config
from pulumi_illumos_provider.model.base import Inputs, prop
from pulumi_illumos_provider.resources import KINDS

from .toy import BoxKind

SCHEMA: dict[str, Any] = json.loads(schema.text())


def properties(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of every type, resource and setting."""
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key in ("properties", "inputProperties", "variables"):
            for name, spec in value.items():
                yield f"{path}.{name}", spec
        elif key not in ("default", "description"):
            yield from properties(value, f"{path}.{key}")


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)


def test_what_is_printed_is_what_the_plugin_serves() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "pulumi_illumos_provider.schema"], capture_output=True, text=True, check=True
    )
    assert printed.stdout == schema.text()


def test_the_schema_in_the_repository_is_fresh() -> None:
    path = Path(__file__).parents[3] / "schema.json"
    assert path.read_text() == schema.text(), "run make schema"


def test_the_head_is_what_the_registry_wants() -> None:
    assert (SCHEMA["name"], SCHEMA["version"]) == ("illumos", __version__)
    assert "kind/native" in SCHEMA["keywords"]
    assert sum(word.startswith("category/") for word in SCHEMA["keywords"]) == 1
    assert SCHEMA["pluginDownloadURL"].startswith("github://api.github.com/")
    assert set(SCHEMA["language"]) == {"csharp", "go", "java", "nodejs", "python"}
    assert all(block["respectSchemaVersion"] for block in SCHEMA["language"].values())


def test_every_property_has_a_description() -> None:
    found = list(properties(SCHEMA))
    assert len(found) > 60
    assert [path for path, spec in found if not spec.get("description")] == []


def test_every_value_of_an_enum_has_a_description() -> None:
    enums = {token: spec for token, spec in SCHEMA["types"].items() if "enum" in spec}
    assert set(enums) >= {"illumos:index:ZoneState", "illumos:index:Elevate"}
    for spec in enums.values():
        assert all(value["description"] and value["name"] for value in spec["enum"])


def test_every_reference_leads_somewhere() -> None:
    found = set(references(SCHEMA))
    assert {reference.removeprefix("#/types/") for reference in found} == set(SCHEMA["types"])


def test_resources_and_kinds_name_the_same_properties() -> None:
    assert set(SCHEMA["resources"]) == {*KINDS, *COMPONENTS}
    for token, kind in KINDS.items():
        spec = SCHEMA["resources"][token]
        inputs = {kind.inputs.property_name(field) for field in kind.inputs.model_fields}
        outputs = {kind.outputs.property_name(field) for field in kind.outputs.model_fields}
        assert (set(spec["inputProperties"]), set(spec["properties"])) == (inputs, outputs)
        assert set(spec["requiredInputs"]) <= inputs
        assert {"host", "name"} <= set(spec["required"]) <= outputs


def test_components_are_marked_and_are_not_imported() -> None:
    assert {token for token, spec in SCHEMA["resources"].items() if spec.get("isComponent")} == set(
        COMPONENTS
    )
    for token, component in COMPONENTS.items():
        spec = SCHEMA["resources"][token]
        inputs = {component.inputs.property_name(field) for field in component.inputs.model_fields}
        outputs = {component.outputs.property_name(field) for field in component.outputs.model_fields}
        assert (set(spec["inputProperties"]), set(spec["properties"])) == (inputs, outputs)
        assert set(spec["required"]) == outputs
        assert "## Import" not in spec["description"]


def test_names_are_as_pulumi_wants_them() -> None:
    reserved = {"pulumi", "urn", "id", "provider"}
    for path, _ in properties(SCHEMA):
        name = path.rsplit(".", 1)[-1]
        assert re.fullmatch(r"[a-z][A-Za-z0-9]*", name), path
        assert name not in reserved, path
    for token in (*SCHEMA["types"], *SCHEMA["resources"]):
        assert re.fullmatch(r"illumos:index:[A-Z][A-Za-z0-9]*", token)


def test_replacing_inputs_are_marked() -> None:
    zone = SCHEMA["resources"]["illumos:index:Zone"]["inputProperties"]
    marked = {name for name, spec in zone.items() if spec.get("willReplaceOnChanges")}
    assert {"host", "name", "brand"} <= marked
    assert "zonepath" not in marked
    assert marked == {name for name, spec in zone.items() if spec.get("replaceOnChanges")}
    assert "memory" not in marked


def test_settings_of_configuration_and_provider_are_the_same_with_their_environment() -> None:
    variables = SCHEMA["config"]["variables"]
    assert SCHEMA["provider"]["inputProperties"] == variables
    environment = {name: spec["defaultInfo"]["environment"] for name, spec in variables.items()}
    assert environment == {name: [variable] for name, variable in config.ENVIRONMENT.items()}
    assert {name for name, spec in variables.items() if spec.get("secret")} == config.SECRET


def test_every_resource_tells_how_it_is_imported() -> None:
    for token in KINDS:
        spec = SCHEMA["resources"][token]
        assert "## Import" in spec["description"]
        assert f"pulumi import {token} NAME HOST/" in spec["description"]


@dataclass
class Example:
    title: str
    code: dict[str, str]


def test_examples_are_shown_in_every_language_that_they_are_written_in() -> None:
    class Shown(Inputs):
        """A thing."""

        host: str | None = prop("Where it is.", default=None)
        name: str | None = prop("Its name.", default=None)
        EXAMPLES: ClassVar[tuple[Example, ...]] = (
            Example("The least", {"yaml": "name: a\n", "python": "a()\n"}),
        )

    class ShownKind(BoxKind):
        inputs = Shown  # type: ignore[assignment]

    page = schema.build({BoxKind.token: ShownKind()})["resources"][BoxKind.token]["description"]
    assert page.startswith("A thing.\n\n{{% examples %}}\n\n## Example Usage\n\n{{% example %}}")
    assert "### The least\n\n```python\na()\n```\n\n```yaml\nname: a\n```\n\n{{% /example %}}" in page
    assert page.index("{{% /examples %}}") < page.index("## Import")


def test_a_property_without_description_is_an_error() -> None:
    class Silent(Inputs):
        """A thing."""

        host: str | None = prop("Where it is.", default=None)
        name: str | None = None

    class SilentKind(BoxKind):
        inputs = Silent  # type: ignore[assignment]

    with pytest.raises(schema.SchemaError, match=r"Silent\.name: no description"):
        schema.build({BoxKind.token: SilentKind()})


def test_a_resource_without_description_is_an_error() -> None:
    class Silent(Inputs):
        host: str | None = prop("Where it is.", default=None)
        name: str | None = prop("Its name.", default=None)

    class SilentKind(BoxKind):
        inputs = Silent  # type: ignore[assignment]

    with pytest.raises(schema.SchemaError, match="Silent: no description"):
        schema.build({BoxKind.token: SilentKind()})


def test_defaults_are_told_and_nested_objects_are_named_types() -> None:
    built = schema.build({BoxKind.token: BoxKind()})
    inputs = built["resources"][BoxKind.token]["inputProperties"]
    assert inputs["brand"]["default"] == "acme"
    assert inputs["token"]["secret"] is True
    assert inputs["size"] == {"type": "string", "description": "How much goes in.", "default": 1024}
    assert inputs["ports"]["items"] == {"$ref": "#/types/illumos:index:Port"}
    assert built["types"]["illumos:index:Port"]["required"] == ["number"]
