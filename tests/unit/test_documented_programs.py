"""What the documentation shows: the models take its programs, and its links lead somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from pulumi_illumos_provider.components import COMPONENTS
from pulumi_illumos_provider.engine import shapes
from pulumi_illumos_provider.model.base import Properties, check
from pulumi_illumos_provider.resources import KINDS

ROOT = Path(__file__).parents[2]
PAGES = sorted({ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/README.md")})
PROGRAMS = sorted({*ROOT.glob("examples/**/Pulumi.yaml"), *ROOT.glob("examples/**/__main__.py")})
MODELS: Mapping[str, type[Properties]] = {
    **{token.rsplit(":", 1)[-1]: kind.inputs for token, kind in KINDS.items()},
    **{token.rsplit(":", 1)[-1]: component.inputs for token, component in COMPONENTS.items()},
}
UNKNOWN = object()
"""Stands for a value that only a run of the program tells."""

_FENCED = re.compile(r"^( *)```(yaml|python)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def programs(text: str) -> Iterator[tuple[str, str]]:
    """The programs of a page, each with its language."""
    for indent, language, code in _FENCED.findall(text):
        yield language, "".join(f"{line.removeprefix(indent)}\n" for line in code.split("\n"))


def in_yaml(code: str) -> Iterator[tuple[str, Any]]:
    """The resources of ours in a program, each with its properties."""
    for resource in (yaml.safe_load(code) or {}).get("resources", {}).values():
        if resource["type"].startswith("illumos:"):
            yield resource["type"].rsplit(":", 1)[-1], without_references(resource.get("properties", {}))


def without_references(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_references(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_references(item) for item in value]
    return UNKNOWN if isinstance(value, str) and "${" in value else value


def in_python(code: str) -> Iterator[tuple[str, Any]]:
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in MODELS:
            given = {word.arg: literal(word.value) for word in node.keywords}
            yield name, {key: value for key, value in given.items() if key not in ("opts", "connection")}


def literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Dict):
        return {ast.literal_eval(k): literal(v) for k, v in zip(node.keys, node.values, strict=True) if k}
    if isinstance(node, ast.List):
        return [literal(item) for item in node.elts]
    return node.value if isinstance(node, ast.Constant) else UNKNOWN


def known(value: Any, model: type[Properties] | None, path: str, unknown: set[str]) -> Any:
    """A value under the names of the wire, without what is unknown in it."""
    if isinstance(value, dict):
        found = {}
        for key, item in value.items():
            field = key if model and key in model.model_fields else None
            name = model.property_name(field) if model and field else key
            inner = shapes.nested(shapes.annotation(model, field)) if model and field else None
            part = known(item, inner, f"{path}.{name}" if path else name, unknown)
            if part is not UNKNOWN:
                found[name] = part
        return found
    if isinstance(value, list):
        parts = [known(item, model, f"{path}[{index}]", unknown) for index, item in enumerate(value)]
        return [part for part in parts if part is not UNKNOWN]
    if value is UNKNOWN:
        unknown.add(path)
    return value


def faults(name: str, properties: Any) -> list[str]:
    model, unknown = MODELS[name], set[str]()
    values = known(properties, model, "", unknown)
    return [f"{f.property} {f.reason}" for f in check(model, values, frozenset(unknown))[1]]


READ = {"yaml": in_yaml, "python": in_python}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_properties_on_a_page_exist_and_have_values_that_are_taken(page):
    for language, code in programs(page.read_text()):
        for name, properties in READ[language](code):
            assert faults(name, properties) == []


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_of_a_page_lead_somewhere(page):
    assert [link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("program", PROGRAMS, ids=[str(program.relative_to(ROOT)) for program in PROGRAMS])
def test_properties_of_an_example_exist_and_have_values_that_are_taken(program):
    read = READ["yaml" if program.suffix == ".yaml" else "python"]
    for name, properties in read(program.read_text()):
        assert faults(name, properties) == []


def test_parts_of_zones_on_their_page_exist_and_have_values_that_are_taken():
    parts = [yaml.safe_load(code) for _, code in programs((ROOT / "docs/zone.md").read_text())]
    parts = [part for part in parts if "resources" not in part]
    assert len(parts) > 3
    for part in parts:
        assert faults("Zone", {"nics": UNKNOWN, **without_references(part)}) == []


def test_what_is_wrong_would_be_found():
    (wrong,) = in_yaml("resources: {a: {type: 'illumos:Zone', properties: {adress: 10.10.0.5, nics: []}}}")
    assert "did you mean address?" in faults(*wrong)[0]
    (right,) = in_python("illumos.PortForward('a', router=r.id, public_port=80, target=z.id)")
    assert faults(*right) == []
    (wrong,) = in_python("illumos.PortForward('a', router=r.id, public_port=0, target=z.id)")
    assert faults(*wrong) != []
