"""Check: validation, and automatic names."""

from __future__ import annotations

import pytest

from pulumi_illumos_provider.engine.checking import Checked, Naming, check_inputs
from pulumi_illumos_provider.engine.properties import Bag
from pulumi_illumos_provider.errors import Failure

from .toy import BOX


def check(news: Bag, old_name: str | None = None, naming: Naming | None = None) -> Checked:
    return check_inputs(BOX, news, old_name=old_name, resource_name="box", seed=b"seed", naming=naming)


def test_the_same_seed_gives_the_same_name() -> None:
    one, two = check(Bag()), check(Bag())
    assert one == two
    assert (one.name or "").startswith("box_")
    other = check_inputs(BOX, Bag(), old_name=None, resource_name="box", seed=b"other")
    assert other.name != one.name


def test_a_name_that_the_user_wrote_is_kept() -> None:
    assert check(Bag({"name": "lan0"}), old_name="old0").name is None


def test_a_name_that_is_not_known_yet_is_left_alone() -> None:
    assert check(Bag({}, frozenset({"name"}))) == Checked(None, ())


def test_an_automatic_name_stays_as_it_was() -> None:
    assert check(Bag(), old_name="box_77").name == "box_77"


def test_a_proposed_name_is_taken_when_it_is_legal() -> None:
    assert check(Bag(), naming=Naming("propose", "site-box0")).name != "site-box0"
    assert check(Bag(), naming=Naming("propose", "site_box0")).name == "site_box0"


def test_an_enforced_name_is_taken_or_fails() -> None:
    assert check(Bag(), naming=Naming("enforce", "site_box0")) == Checked("site_box0", ())
    checked = check(Bag(), naming=Naming("enforce", "site-box"))
    assert [failure.property for failure in checked.failures] == ["name"]
    assert "is enforced" in checked.failures[0].reason


def test_without_automatic_names_the_user_must_give_one() -> None:
    checked = check(Bag(), naming=Naming("disable"))
    assert checked.name is None
    assert checked.failures == (
        Failure("name", "is required: automatic names are switched off (pulumi:autonaming)"),
    )
    assert check(Bag({"name": "lan0"}), naming=Naming("disable")) == Checked(None, ())


def test_all_failures_come_at_once_with_their_paths() -> None:
    news = Bag({"name": "no-digit", "size": "much", "ports": [{"number": 1}, {"number": 12}], "colour": 1})
    assert {failure.property for failure in check(news).failures} == {
        "name",
        "size",
        "ports[1].number",
        "colour",
    }


def test_unknown_values_are_not_judged_and_wrong_known_ones_are() -> None:
    news = Bag({"ports": [{}], "size": "much"}, frozenset({"ports[0].number"}))
    assert [failure.property for failure in check(news).failures] == ["size"]


def test_what_no_property_can_be_is_a_failure() -> None:
    news = Bag(failures=(Failure("size", "is an asset; a plain value is expected"),))
    assert check(news).failures == news.failures


def test_a_failure_does_not_show_a_secret() -> None:
    news = Bag({"size": "hunter2"}, secret=frozenset({"size"}), _secrets=("hunter2",))
    (failure,) = check(news).failures
    assert "hunter2" not in failure.reason


@pytest.mark.parametrize("name", ["lan0", "a.b_1"])
def test_legal_names_pass(name: str) -> None:
    assert check(Bag({"name": name})).failures == ()
