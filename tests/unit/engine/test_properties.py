"""Property values on the wire: secrets, unknowns, output values, references, assets."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from pulumi_illumos_provider.engine.properties import (
    COMPUTED,
    UNKNOWN,
    Bag,
    carry,
    decode,
    encode,
    top_level,
)
from pulumi_illumos_provider.errors import Failure

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
ASSET = "c44067f5952c0a294b673a41bacd8c17"


def struct(values: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())


def plain(message: struct_pb2.Struct) -> dict[str, Any]:
    return json_format.MessageToDict(message)


def secret(value: Any) -> dict[str, Any]:
    return {SIGNATURE: SECRET, "value": value}


def output(**fields: Any) -> dict[str, Any]:
    return {SIGNATURE: OUTPUT, **fields}


values = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_plain_values_come_back_as_they_went(bag: dict[str, Any]) -> None:
    assert decode(encode(bag)).known == bag


@given(st.dictionaries(st.text(min_size=1, max_size=5), values, min_size=1, max_size=4), st.data())
def test_secrets_stay_secret_on_a_round_trip(bag: dict[str, Any], data: st.DataObject) -> None:
    hidden = data.draw(st.sets(st.sampled_from(sorted(bag))))
    assert decode(encode(bag, hidden)).secret == hidden


def test_whole_numbers_are_integers() -> None:
    known = decode(struct({"port": 22, "cpus": 1.5})).known
    assert (known, type(known["port"])) == ({"port": 22, "cpus": 1.5}, int)


def test_nulls_are_absent_at_every_depth() -> None:
    assert decode(struct({"a": None, "b": {"c": None, "d": 1}})).known == {"b": {"d": 1}}


@pytest.mark.parametrize(
    "marker",
    [
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    ],
)
def test_every_marker_is_an_unknown_value_and_never_a_string(marker: str) -> None:
    bag = decode(struct({"address": marker, "nics": [{"address": marker, "dhcp": True}]}))
    assert bag.known == {"nics": [{"dhcp": True}]}
    assert bag.unknown == {"address", "nics[0].address"}
    assert bag.unknown_names == {"address", "nics"}


def test_a_list_with_an_unknown_element_is_unknown_as_a_whole() -> None:
    bag = decode(struct({"servers": ["192.0.2.1", UNKNOWN], "nics": [{"x": UNKNOWN}, UNKNOWN]}))
    assert bag.known == {}
    assert bag.unknown == {"servers", "nics"}


def test_a_secret_inside_makes_its_property_secret() -> None:
    bag = decode(struct({"nics": [{"key": secret("hunter2")}], "name": "web"}))
    assert bag.known == {"nics": [{"key": "hunter2"}], "name": "web"}
    assert bag.secret == {"nics"}


def test_a_secret_that_is_unknown_is_both() -> None:
    bag = decode(struct({"key": secret(UNKNOWN)}))
    assert bag.known == {}
    assert bag.unknown == bag.secret == {"key"}


def test_output_values_are_the_values_that_they_stand_for() -> None:
    bag = decode(
        struct(
            {
                "known": output(value=1, dependencies=["urn:a"]),
                "hidden": output(value="hunter2", secret=True),
                "unknown": output(dependencies=["urn:a"]),
            }
        )
    )
    assert bag.known == {"known": 1, "hidden": "hunter2"}
    assert bag.unknown == {"unknown"}
    assert bag.secret == {"hidden"}


def test_a_reference_to_a_resource_is_its_id() -> None:
    bag = decode(
        struct(
            {
                "router": {SIGNATURE: RESOURCE, "urn": "urn:gw", "id": "gz1/gw"},
                "later": {SIGNATURE: RESOURCE, "urn": "urn:gw", "id": UNKNOWN},
                "empty": {SIGNATURE: RESOURCE, "urn": "urn:gw", "id": ""},
            }
        )
    )
    assert bag.known == {"router": "gz1/gw"}
    assert bag.unknown == {"later", "empty"}


def test_assets_are_refused_with_their_path() -> None:
    bag = decode(struct({"nics": [{"file": {SIGNATURE: ASSET, "text": "x"}}]}))
    assert bag.failures == (Failure("nics[0].file", "is an asset; a plain value is expected"),)


def test_computed_values_are_encoded_as_the_marker_and_absent_ones_left_out() -> None:
    told = plain(encode({"mac": COMPUTED, "gone": None, "nics": [{"mac": COMPUTED}]}))
    assert told == {"mac": UNKNOWN, "nics": [{"mac": UNKNOWN}]}


def test_a_carried_bag_keeps_secrets_and_unknowns_in_place() -> None:
    given_ = {"nics": [{"key": secret("x")}, {"key": UNKNOWN}], "gone": None, "size": "1g"}
    assert plain(carry(struct(given_), {"name": "web"})) == {
        "nics": [{"key": secret("x")}, {"key": UNKNOWN}],
        "size": "1g",
        "name": "web",
    }


def test_a_carried_bag_has_no_output_values_and_hides_what_is_declared_secret() -> None:
    given_ = {"a": output(value=1), "b": output(value=2, secret=True), "c": output(), "key": "x"}
    assert plain(carry(struct(given_), secret=["key", "b"])) == {
        "a": 1,
        "b": secret(2),
        "c": UNKNOWN,
        "key": secret("x"),
    }


def test_a_carried_bag_hides_what_is_declared_secret_inside_of_lists() -> None:
    users = [{"name": "a", "hash": "x"}, {"name": "b"}, {"name": "c", "hash": secret("y")}, UNKNOWN]
    told = plain(carry(struct({"users": users, "vm": {"hash": "z"}}), secret=["users.hash", "vm.hash"]))
    assert told == {
        "users": [
            {"name": "a", "hash": secret("x")},
            {"name": "b"},
            {"name": "c", "hash": secret("y")},
            UNKNOWN,
        ],
        "vm": {"hash": secret("z")},
    }
    whole = {"users": secret(users)}
    assert plain(carry(struct(whole), secret=["users.hash", "none.hash"])) == whole


def test_secrets_are_taken_out_of_texts_in_each_spelling() -> None:
    bag = decode(struct({"key": secret("pass\nword-1"), "name": "web"}))
    assert bag.redact("wrong key 'pass\\nword-1' for web") == "wrong key '[secret]' for web"
    assert bag.redact("line pass and word-1") == "line [secret] and [secret]"


def test_a_failure_about_a_secret_that_cannot_be_searched_for_is_told_without_its_reason() -> None:
    bag = decode(struct({"pin": secret(4711)}))
    told = bag.redact_failure(Failure("pin", "4711 is too long"))
    assert told == Failure("pin", "is not valid (its value is secret and not shown)")
    assert bag.redact_failure(Failure("size", "0 is too small")).reason == "0 is too small"


def test_what_contains_a_secret_is_tainted() -> None:
    bag = decode(struct({"address": secret("192.0.2.7")}))
    assert bag.taints([{"rule": "map 192.0.2.7/32"}])
    assert not bag.taints("192.0.2.70"[:-2])


def test_a_bag_does_not_show_its_secrets() -> None:
    assert "hunter2" not in repr(Bag({}, frozenset(), frozenset({"key"}), (), ("hunter2",)))


@pytest.mark.parametrize(("path", "name"), [("a", "a"), ("a[0].b", "a"), ("a.b[1]", "a"), ("", "")])
def test_the_top_level_of_a_path(path: str, name: str) -> None:
    assert top_level(path) == name
