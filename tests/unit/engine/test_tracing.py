"""Values that are passed on, with what Pulumi knows of them."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format, struct_pb2

from pulumi_illumos_provider.components.given import Given, record
from pulumi_illumos_provider.engine.properties import UNKNOWN, trace, untrace

SIGNATURE = "4dabf18193072939515e22adb298388d"


def struct(values: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())


def secret(value: Any) -> dict[str, Any]:
    return {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": value}


def output(value: Any = None, *dependencies: str, secret: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {SIGNATURE: "d0e6a833031e9bbcd3f4e8bde6ca49a4", "secret": secret}
    found["dependencies"] = list(dependencies)
    return found if value is None else {**found, "value": value}


def test_plain_values_are_plain() -> None:
    traced = trace(struct({"a": 1, "b": [True, "x"], "c": {"d": None, "e": 1.5}}))
    assert traced.get("a") == Given(1)
    assert traced.get("b").parts == (Given(True), Given("x"))
    assert traced.get("c").value == {"e": Given(1.5)}
    assert traced.get("c").get("d").absent
    assert traced.get("z").absent


def test_unknown_values_are_found_at_every_depth() -> None:
    traced = trace(struct({"a": UNKNOWN, "b": [{"c": UNKNOWN}], "d": output()}))
    assert not traced.get("a").known
    assert not traced.get("b").parts[0].get("c").known
    assert not traced.get("d").known
    assert not traced.get("d").get("x").known


def test_what_is_true_of_a_value_is_true_of_everything_in_it() -> None:
    traced = trace(struct({"a": output([{"b": "x"}], "urn:1", secret=True), "c": secret({"d": 1})}))
    inner = traced.get("a").parts[0].get("b")
    assert inner == Given("x", secret=True, dependencies=frozenset({"urn:1"}))
    assert traced.get("c").get("d") == Given(1, secret=True)


def test_a_value_inside_keeps_to_itself_what_is_true_of_it_alone() -> None:
    traced = trace(struct({"zones": [{"name": "web", "memory": output("1G", "urn:1", secret=True)}]}))
    zone = traced.get("zones").parts[0]
    assert zone.get("name") == Given("web")
    assert zone.get("memory") == Given("1G", secret=True, dependencies=frozenset({"urn:1"}))
    assert traced.get("zones").holds_secret
    assert traced.get("zones").all_dependencies == {"urn:1"}


def test_dependencies_that_come_apart_are_those_of_values_without_any() -> None:
    values = struct({"a": "x", "b": [output("y", "urn:1")]})
    traced = trace(values, {"a": ["urn:2"], "b": ["urn:1", "urn:2"]})
    assert traced.get("a").dependencies == {"urn:2"}
    assert traced.get("b").all_dependencies == {"urn:1"}


def test_a_resource_stands_for_its_id() -> None:
    reference = {SIGNATURE: "5cf8f73096256a8f31e491e813e4eb8e", "urn": "urn:1"}
    traced = trace(struct({"a": {**reference, "id": "gz1/gw"}, "b": {**reference, "id": ""}}))
    assert traced.get("a") == Given("gz1/gw")
    assert not traced.get("b").known


def test_values_are_written_as_they_were_read() -> None:
    values = {"a": secret(1.0), "b": UNKNOWN, "c": [{"d": "x"}]}
    traced = trace(struct(values))
    assert json_format.MessageToDict(untrace(traced.value)) == values


def test_a_property_with_a_secret_inside_is_secret_as_a_whole() -> None:
    inner = record(b=Given("x", secret=True), c=Given())
    assert json_format.MessageToDict(untrace({"a": inner, "d": Given(1), "e": Given()}, ["d"])) == {
        "a": secret({"b": "x"}),
        "d": secret(1.0),
    }
