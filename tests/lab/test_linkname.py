"""Names of datalinks and MAC addresses."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from illumos_lab import linkname

SAFE = re.compile(r"[A-Za-z]([A-Za-z0-9_]*[A-Za-z_])?(0|[1-9][0-9]*)")


@pytest.mark.parametrize("name", ["net0", "vnic10", "web1", "web_1", "e1000g0", "a1", "x.y0", "_a0", ".0"])
def test_valid_names(name: str) -> None:
    assert linkname.valid(name)


@pytest.mark.parametrize(
    "name",
    ["", "0", "net", "net00", "net01", "web01", "web-1", "1net0", "a/b0", "é0", "a" * 31 + "0"],
)
def test_invalid_names(name: str) -> None:
    assert not linkname.valid(name)


def test_the_number_has_a_limit() -> None:
    assert linkname.valid("a4294967294")
    assert not linkname.valid("a4294967295")


@given(st.from_regex(SAFE, fullmatch=True).filter(lambda name: len(name) <= 12))
def test_names_made_by_the_safe_rule_are_valid(name: str) -> None:
    driver, number = linkname.split(name)
    assert linkname.valid(name) or number > linkname.MAX_NUMBER
    assert f"{driver}{number}" == name


@given(st.lists(st.integers(0, 255), min_size=6, max_size=6))
def test_mac_addresses_lose_leading_zeros_only(octets: list[int]) -> None:
    padded = ":".join(f"{octet:02X}" for octet in octets)
    short = ":".join(f"{octet:x}" for octet in octets)
    assert linkname.parse_mac(padded) == short == linkname.parse_mac(short)


@pytest.mark.parametrize("text", ["", "1:2:3:4:5", "1:2:3:4:5:6:7", "1:2:3:4:5:g", "001:2:3:4:5:6"])
def test_malformed_mac_addresses(text: str) -> None:
    assert linkname.parse_mac(text) is None


def test_random_mac_keeps_its_prefix() -> None:
    assert linkname.random_mac([2, 8, 0x20]).startswith("2:8:20:")
