"""Names that we make are always legal, and never meet."""

from hypothesis import given
from hypothesis import strategies as st

from pulumi_illumos_provider.illumos import names
from pulumi_illumos_provider.model.values import link_name_fault, zone_name_fault

zone_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", fullmatch=True)
pulumi_names = st.text(min_size=1, max_size=80)
suffixes = st.from_regex(r"[0-9a-f]{7}", fullmatch=True)


@given(zone_names, st.integers(0, 99))
def test_links_of_a_zone_have_legal_names(zone, number):
    for make in (names.vnic, names.shared_vnic, names.owned_etherstub):
        assert link_name_fault(make(zone, number)) is None


@given(zone_names, zone_names, st.integers(0, 9))
def test_links_of_different_zones_have_different_names(one, two, number):
    if one != two:
        assert names.vnic(one, number) != names.vnic(two, number)


@given(pulumi_names, suffixes)
def test_automatic_names_are_legal(name, suffix):
    assert link_name_fault(names.automatic_link(name, suffix)) is None
    assert zone_name_fault(names.automatic_zone(name, suffix)) is None


def test_names_are_readable_when_they_can_be():
    assert names.vnic("web", 0) == "web_0"
    assert names.shared_vnic("gw", 1) == "gw_s1"
    assert names.owned_etherstub("gw", 0) == "gw_lan0"
    assert names.automatic_zone("web", "3fa9c1d") == "web-3fa9c1d"
    assert names.automatic_link("lan", "3fa9c1d").startswith("lan_")
