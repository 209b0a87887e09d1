"""What a preview can tell of the real resources."""

from __future__ import annotations

from pulumi_illumos_provider.engine.foresight import echo, filled, read_state
from pulumi_illumos_provider.engine.properties import COMPUTED, Bag
from pulumi_illumos_provider.resources import KINDS

ZONE = KINDS["illumos:index:Zone"]
ROUTER = KINDS["illumos:index:RouterZone"]


def test_an_address_without_prefix_is_completed_by_the_host() -> None:
    told = echo(ZONE, Bag({"name": "web", "address": "10.10.0.5"}), "gz1")
    assert told["address"] is COMPUTED
    full = echo(ZONE, Bag({"name": "web", "address": "10.10.0.5/24"}), "gz1")
    assert full["address"] == "10.10.0.5/24"


def test_what_the_host_may_spell_differently_is_unknown() -> None:
    told = echo(ZONE, Bag({"name": "web", "router": "gz1/gw", "memory": "1024m"}), "gz1")
    assert (told["router"], told["memory"], told["mac" if "mac" in told else "uuid"]) == (
        COMPUTED,
        "1G",
        COMPUTED,
    )


def test_nested_objects_have_parts_that_the_host_chooses() -> None:
    news = Bag({"name": "gw", "networks": [{"subnet": "10.10.0.0/24"}]})
    assert echo(ROUTER, news, "gz1")["networks"] is COMPUTED


def test_defaults_are_told() -> None:
    told = echo(ZONE, Bag({"name": "web"}), None)
    assert (told["autoboot"], told["state"], told["host"]) == (True, "running", COMPUTED)


def test_an_incomplete_state_can_be_filled_with_nothing() -> None:
    for kind in KINDS.values():
        recorded = {"host": "gz1", "name": "x0"}
        if read_state(kind, recorded) is None:
            state = filled(kind.outputs, recorded)
            assert (state.host, state.name) == ("gz1", "x0")
