"""Values compare by meaning, whatever their spelling."""

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_illumos_provider.model.values import (
    format_size,
    link_name_fault,
    parse_host_address,
    parse_mac,
    parse_size,
    parse_subnet,
    zone_name_fault,
)


@pytest.mark.parametrize("text", ["1G", "1g", "1024M", "1024m", "1048576K", "1073741824", "1.0G", "1GiB"])
def test_one_gigabyte_has_many_spellings(text):
    assert parse_size(text) == 2**30


@given(st.integers(min_value=0, max_value=2**50))
def test_a_size_survives_being_written_and_read(size):
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize("text", ["", "G", "1 0M", "-1G", "1P", True, None, "1,5G"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@pytest.mark.parametrize(
    "text", ["02:08:20:0A:B0:0C", "2:8:20:a:b0:c", "02-08-20-0a-b0-0c", "2:8:20:A:B0:C"]
)
def test_a_mac_address_has_neither_case_nor_padding(text):
    assert parse_mac(text) == "02:08:20:0a:b0:0c"


@pytest.mark.parametrize("text", ["10.10.0.0/24", "10.10.0.0/255.255.255.0", " 10.10.0.0/24 "])
def test_a_network_has_many_spellings(text):
    assert parse_subnet(text) == IPv4Network("10.10.0.0/24")


def test_an_address_matches_itself_with_and_without_prefix():
    assert parse_host_address("10.0.0.5").matches(parse_host_address("10.0.0.5/24"))
    assert parse_host_address("10.0.0.5/255.255.255.0").matches(parse_host_address("10.0.0.5/24"))
    assert not parse_host_address("10.0.0.5/16").matches(parse_host_address("10.0.0.5/24"))
    assert not parse_host_address("10.0.0.6").matches(parse_host_address("10.0.0.5/24"))


@pytest.mark.parametrize("name", ["net00", "net01", "stub", "1net0", "a/b0", "a-b0", "", "x" * 32])
def test_illegal_link_names_have_a_fault(name):
    assert link_name_fault(name)


@pytest.mark.parametrize("name", ["", "-a", "_a", "a b", "global", "SUNWa", "a/b"])
def test_illegal_zone_names_have_a_fault(name):
    assert zone_name_fault(name)
