"""What a virtual datacenter is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from pulumi_illumos_provider.components.component import Child
from pulumi_illumos_provider.components.given import Given
from pulumi_illumos_provider.components.virtual_datacenter import VirtualDatacenter, VirtualDatacenterInputs
from pulumi_illumos_provider.errors import ProviderError
from pulumi_illumos_provider.model.base import check

UNKNOWN = Given(known=False)


def given(value: Any) -> Given:
    """Plain values as they come from a program."""
    if isinstance(value, Given):
        return value
    if isinstance(value, dict):
        return Given({name: given(item) for name, item in value.items()})
    if isinstance(value, list):
        return Given(tuple(given(item) for item in value))
    return Given(value)


def plain(value: Given) -> Any:
    if not value.known:
        return "?"
    if isinstance(value.value, Mapping):
        return {name: plain(item) for name, item in value.value.items()}
    if isinstance(value.value, tuple):
        return [plain(item) for item in value.value]
    return value.value


class Program:
    """Keeps what is declared."""

    def __init__(self, *failing: str) -> None:
        self.declared: dict[str, tuple[str, dict[str, Given]]] = {}
        self.finished: list[str] = []
        self._failing = failing

    async def declare(self, token: str, name: str, properties: Mapping[str, Given]) -> Child:
        present = {key: value for key, value in properties.items() if not value.absent}
        self.declared[name] = token, present
        await asyncio.sleep(0)
        if name in self._failing:
            raise ProviderError(f"{name} failed")
        await asyncio.sleep(0)
        self.finished.append(name)
        here = frozenset({f"urn:{name}"})
        outputs = {"name": f"{name}0", "publicAddress": "192.0.2.100/24"}
        return Child(
            Given(f"gz1/{name}0", dependencies=here),
            Given({key: Given(value, dependencies=here) for key, value in outputs.items()}),
        )

    def inputs(self, name: str) -> dict[str, Any]:
        return {key: plain(value) for key, value in self.declared[name][1].items()}


async def compose(program: Program, **inputs: Any) -> dict[str, Any]:
    values = given({"publicAddress": "192.0.2.100", **inputs})
    return dict(await VirtualDatacenter().compose("shop", values, program))


def faults(**inputs: Any) -> dict[str, str]:
    failures = check(VirtualDatacenterInputs, {"publicAddress": "192.0.2.100", **inputs})[1]
    return {failure.property: failure.reason for failure in failures}


async def test_a_public_address_is_enough() -> None:
    program = Program()
    outputs = await compose(program)
    assert {name: token for name, (token, _) in program.declared.items()} == {
        "shop-lan": "illumos:index:Etherstub",
        "shop-gw": "illumos:index:RouterZone",
    }
    assert program.inputs("shop-lan") == {}
    assert program.inputs("shop-gw") == {
        "publicAddress": "192.0.2.100",
        "networks": [{"etherstub": "shop-lan0", "subnet": "10.10.0.0/24"}],
    }
    assert {name: plain(value) for name, value in outputs.items()} == {
        "router": "gz1/shop-gw0",
        "etherstub": "shop-lan0",
        "publicAddress": "192.0.2.100/24",
        "addresses": {},
        "zoneIds": {},
    }


async def test_everything_that_is_given_reaches_the_child_that_it_is_for() -> None:
    program = Program()
    router = {
        "publicLink": "e1000g0",
        "gateway": "192.0.2.1",
        "dnsServers": ["198.51.100.80"],
    }
    zone = {
        "brand": "sparse",
        "cpus": 1.5,
        "memory": "1G",
        "autoboot": False,
        "sshAuthorizedKeys": ["ssh-ed25519 AAAA me"],
        "hostname": "www.example",
        "address": "10.20.0.5/26",
    }
    await compose(
        program,
        host="gz2",
        subnet="10.20.0.0/26",
        domain="shop.example",
        dhcp=False,
        zones=[{"name": "web", **zone}],
        **router,
    )
    assert program.inputs("shop-lan") == {"host": "gz2"}
    network = {"etherstub": "shop-lan0", "subnet": "10.20.0.0/26", "domain": "shop.example", "dhcp": False}
    assert program.inputs("shop-gw") == {
        "host": "gz2",
        "publicAddress": "192.0.2.100",
        "networks": [network],
        **router,
    }
    assert program.inputs("shop-web") == {"host": "gz2", "router": "shop-gw0", **zone}


async def test_zones_come_with_addresses_that_follow_from_their_names() -> None:
    program = Program()
    outputs = await compose(program, zones=[{"name": "web"}, {"name": "db", "address": "10.10.0.100/24"}])
    # 10.10.0.100 would be web's, had db not been given it.
    assert program.inputs("shop-web") == {
        "address": "10.10.0.101",
        "hostname": "web",
        "router": "shop-gw0",
    }
    assert program.inputs("shop-db")["address"] == "10.10.0.100/24"
    assert plain(outputs["addresses"]) == {"web": "10.10.0.101", "db": "10.10.0.100"}
    assert plain(outputs["zoneIds"]) == {"web": "gz1/shop-web0", "db": "gz1/shop-db0"}


async def test_outputs_depend_on_the_children_that_they_tell_of() -> None:
    outputs = await compose(Program(), zones=[{"name": "web"}, {"name": "db"}])
    assert outputs["router"].all_dependencies == {"urn:shop-gw"}
    assert outputs["etherstub"].all_dependencies == {"urn:shop-lan"}
    assert outputs["addresses"].all_dependencies == {"urn:shop-web", "urn:shop-db"}


async def test_a_secret_stays_with_the_property_that_has_it() -> None:
    program = Program()
    zones = [{"name": "web", "memory": Given("1G", secret=True)}, {"name": "db"}]
    outputs = await compose(program, zones=zones)
    secret = {
        (name, key)
        for name, (_, properties) in program.declared.items()
        for key, value in properties.items()
        if value.holds_secret
    }
    assert secret == {("shop-web", "memory")}
    assert not any(value.holds_secret for value in outputs.values())


async def test_an_address_of_a_secret_subnet_is_secret() -> None:
    outputs = await compose(Program(), subnet=Given("10.30.0.0/24", secret=True), zones=[{"name": "web"}])
    assert outputs["addresses"].holds_secret


@pytest.mark.parametrize(
    ("inputs", "address"),
    [
        ({"subnet": UNKNOWN, "zones": [{"name": "web"}]}, "?"),
        ({"zones": [{"name": "web"}, {"name": "db", "address": UNKNOWN}]}, "?"),
        ({"subnet": UNKNOWN, "zones": [{"name": "web", "address": "10.1.0.5"}]}, "10.1.0.5"),
        ({"zones": [{"name": "web"}, {"name": UNKNOWN}]}, "?"),
    ],
)
async def test_no_address_is_chosen_before_everything_is_known(inputs: Any, address: str) -> None:
    program = Program()
    await compose(program, **inputs)
    assert program.inputs("shop-web")["address"] == address


@pytest.mark.parametrize(
    "zones", [UNKNOWN, [{"name": "web"}, {"name": UNKNOWN}], [UNKNOWN, {"name": "web"}]]
)
async def test_zones_without_a_known_name_are_left_for_later(zones: Any) -> None:
    program = Program()
    outputs = await compose(program, zones=zones)
    known = {"shop-lan", "shop-gw"} | ({"shop-web"} if isinstance(zones, list) else set())
    assert set(program.declared) == known
    assert (plain(outputs["addresses"]), plain(outputs["zoneIds"])) == ("?", "?")


async def test_a_failure_waits_for_the_other_zones() -> None:
    program = Program("shop-web")
    with pytest.raises(ProviderError, match="shop-web failed"):
        await compose(program, zones=[{"name": "web"}, {"name": "db"}])
    assert "shop-db" in program.finished


def test_a_secret_name_is_refused() -> None:
    component = VirtualDatacenter()
    values = given({"zones": [{"name": "web"}, {"name": Given("db", secret=True)}]})
    (fault,) = component.faults(values)
    assert fault.property == "zones[1].name"
    assert "secret" in fault.reason


@pytest.mark.parametrize(
    ("inputs", "path", "words"),
    [
        ({"publicAddress": "10.10.0.7"}, "subnet", "contains the public address"),
        ({"subnet": "10.10.0.0/33"}, "subnet", "not an IPv4 network"),
        ({"zones": [{}]}, "zones[0].name", "is required"),
        ({"zones": [{"name": "a_b"}]}, "zones[0].name", "not a host name"),
        ({"zones": [{"name": "web"}, {"name": "Web"}]}, "zones[1].name", "name of zones[0]"),
        (
            {"zones": [{"name": "web", "address": "10.11.0.5"}]},
            "zones[0].address",
            "is outside",
        ),
        ({"zones": [{"name": "web", "address": "10.10.0.1"}]}, "zones[0].address", "address of the router"),
        (
            {"zones": [{"name": "a", "address": "10.10.0.5"}, {"name": "b", "address": "10.10.0.5/24"}]},
            "zones[1].address",
            "address of zones[0]",
        ),
        ({"zones": [{"name": "web", "memroy": "1G"}]}, "zones[0].memroy", "did you mean memory?"),
        (
            {"subnet": "10.10.0.0/30", "zones": [{"name": "a"}, {"name": "b"}]},
            "zones[1].name",
            "no address is left in 10.10.0.0/30",
        ),
    ],
)
def test_bad_input_is_told_with_its_property(inputs: dict[str, Any], path: str, words: str) -> None:
    found = faults(**inputs)
    assert set(found) == {path}
    assert words in found[path]


def test_all_faults_are_told_at_once() -> None:
    assert set(faults(gateway="x", zones=[{"name": "", "cpus": 0}])) == {
        "gateway",
        "zones[0].name",
        "zones[0].cpus",
    }
