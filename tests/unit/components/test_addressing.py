"""Addresses that follow from names."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import assume, given
from hypothesis import strategies as st

from pulumi_illumos_provider.components.addressing import choose, router_address

LAN = IPv4Network("10.10.0.0/24")

NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), unique=True, max_size=40)
SUBNETS = st.builds(
    lambda address, prefix: IPv4Network((address, prefix), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(4, 30),
)


def chosen(names: list[str], taken: set[IPv4Address] = frozenset(), subnet: IPv4Network = LAN):  # type: ignore[assignment]
    return dict(zip(names, choose(subnet, names, taken), strict=True))


def test_an_address_is_the_same_for_ever() -> None:
    # Another one would move zones that run.
    assert chosen(["web", "db"]) == {"web": IPv4Address("10.10.0.100"), "db": IPv4Address("10.10.0.18")}


@given(SUBNETS, NAMES, st.data())
def test_addresses_are_hosts_of_the_subnet_and_differ(
    subnet: IPv4Network, names: list[str], data: st.DataObject
) -> None:
    offsets = data.draw(st.sets(st.integers(2, min(40, subnet.num_addresses - 2)), max_size=5))
    taken = {subnet.network_address + offset for offset in offsets}
    found = [address for address in choose(subnet, names, taken) if address is not None]
    assert len(set(found)) == len(found)
    assert not taken.intersection(found)
    for address in found:
        assert address in subnet
        assert address not in (subnet.network_address, subnet.broadcast_address, router_address(subnet))


@given(NAMES, st.data())
def test_a_zone_at_the_end_moves_nobody(names: list[str], data: st.DataObject) -> None:
    assume(names)
    assert chosen(names[:-1]).items() <= chosen(names).items()


@given(NAMES, st.integers(0, 39))
def test_a_zone_in_the_middle_moves_those_only_whose_address_it_has(names: list[str], place: int) -> None:
    assume("x1" not in names)
    before = chosen(names)
    after = chosen([*names[:place], "x1", *names[place:]])
    moved = {name for name in names if before[name] != after[name]}
    assert moved <= set(names[place:])
    assert bool(moved) == (after["x1"] in before.values())


def test_of_two_names_with_one_address_the_first_of_the_list_has_it() -> None:
    wish = chosen(["web"])["web"]
    rival = next(name for name in map("z{}".format, range(10_000)) if chosen([name])[name] == wish)
    assert chosen(["web", rival]) == {"web": wish, rival: wish + 1}
    assert chosen([rival, "web"]) == {rival: wish, "web": wish + 1}


def test_low_addresses_are_left_for_those_that_are_given_by_hand() -> None:
    names = [f"z{n}" for n in range(245)]
    found = choose(LAN, names, ())
    assert set(found) == {LAN.network_address + n for n in range(10, 255)}


def test_a_small_subnet_is_used_up_to_the_last_address() -> None:
    small = IPv4Network("192.0.2.0/29")
    names = ["a", "b", "c", "d", "e", "f"]
    found = choose(small, names, ())
    assert {str(address) for address in found[:5]} == {f"192.0.2.{n}" for n in range(2, 7)}
    assert found[5] is None


def test_a_large_subnet_takes_no_longer() -> None:
    assert choose(IPv4Network("10.0.0.0/8"), ["web"], ())[0] in IPv4Network("10.0.0.0/8")
