"""Diff: by meaning, with unknowns, ignored properties and states of other versions."""

from __future__ import annotations

from typing import Any

from pulumi_illumos_provider.engine.comparing import Diff, diff
from pulumi_illumos_provider.engine.properties import Bag

from .toy import BOX

STATE: dict[str, Any] = {
    "host": "gz1",
    "name": "box0",
    "size": "1G",
    "brand": "acme",
    "ports": [{"number": 1, "mac": "2:0:1"}],
    "serial": "S-1",
    "sealed": True,
}
INPUTS: dict[str, Any] = {"name": "box0", "size": "1G", "ports": [{"number": 1}]}


def compare(
    news: Bag, state: dict[str, Any] = STATE, inputs: dict[str, Any] | None = INPUTS, **more: Any
) -> Diff:
    old_inputs = None if inputs is None else Bag(inputs)
    return diff(BOX, Bag(state), news, old_inputs=old_inputs, default_host="gz1", **more)


def told(found: Diff) -> dict[str, tuple[str, bool]]:
    return {change.property: (change.kind, change.replace) for change in found.properties}


def test_another_spelling_is_no_change() -> None:
    assert told(compare(Bag({**INPUTS, "size": "1024m"}))) == {}


def test_kinds_of_changes() -> None:
    news = Bag({"name": "box0", "size": "2G", "memory": "1G", "ports": []})
    assert told(compare(news)) == {
        "size": ("update", False),
        "memory": ("add", False),
        "ports": ("update", False),
    }


def test_a_change_says_whether_it_takes_a_reboot_or_a_replacement() -> None:
    found = compare(Bag({**INPUTS, "memory": "1G", "brand": "other"}))
    assert [(c.property, c.reboot, c.replace) for c in found.properties] == [
        ("memory", True, False),
        ("brand", False, True),
    ]
    assert found.replaces


def test_another_name_or_host_is_a_replacement() -> None:
    assert told(compare(Bag({**INPUTS, "name": "box1"}))) == {"name": ("update", True)}
    assert told(compare(Bag({**INPUTS, "host": "gz2"}))) == {"host": ("add", True)}
    assert told(compare(Bag({**INPUTS, "host": "gz1"}))) == {}


def test_a_resource_that_names_no_host_moves_with_the_providers() -> None:
    found = diff(BOX, Bag(STATE), Bag(INPUTS), default_host="gz9")
    assert told(found) == {"host": ("update", True)}
    assert told(diff(BOX, Bag(STATE), Bag(INPUTS), default_host=None)) == {}


def test_an_unknown_value_is_a_change_of_its_property_alone() -> None:
    news = Bag({"name": "box0", "ports": [{"number": 1}]}, frozenset({"size"}))
    assert told(compare(news)) == {"size": ("update", False)}
    nested = Bag({"name": "box0", "size": "1G", "ports": [{}]}, frozenset({"ports[0].number"}))
    assert told(compare(nested)) == {"ports": ("update", False)}
    brand = Bag(INPUTS, frozenset({"brand"}))
    assert told(compare(brand)) == {"brand": ("add", True)}


def test_drift_is_told_apart_from_what_the_user_changed() -> None:
    drifted = {**STATE, "size": "4G"}
    (change,) = compare(Bag(INPUTS), drifted).properties
    assert (change.property, change.of_inputs) == ("size", False)
    (change,) = compare(Bag({**INPUTS, "size": "2G"})).properties
    assert change.of_inputs


def test_ignored_properties_are_no_change_even_when_the_host_differs() -> None:
    assert told(compare(Bag(INPUTS), {**STATE, "size": "4G"}, ignore=["size"])) == {}
    assert told(compare(Bag({**INPUTS, "size": "2G"}), ignore=["*"])) == {}


def test_in_a_refresh_the_read_state_is_old_and_the_recorded_inputs_are_new() -> None:
    read = {**STATE, "memory": "2G"}
    assert told(compare(Bag(INPUTS), read, None)) == {"memory": ("delete", False)}


def test_stable_outputs_are_those_that_only_a_replacement_changes() -> None:
    assert compare(Bag(INPUTS)).stable == ("host", "name", "brand")


def test_a_state_of_a_newer_version_is_read_without_what_this_one_does_not_know() -> None:
    newer = {
        **STATE,
        "colour": "red",
        "ports": [{"number": 1, "mac": "2:0:1", "speed": 10}],
    }
    assert told(compare(Bag(INPUTS), newer)) == {}


def test_an_incomplete_state_is_compared_by_what_the_user_wrote() -> None:
    cut = {"host": "gz1", "name": "box0"}
    assert told(compare(Bag(INPUTS), cut)) == {}
    assert told(compare(Bag({**INPUTS, "size": "2G"}), cut)) == {"size": ("update", False)}
