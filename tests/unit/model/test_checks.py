"""Bad input is refused with the property's path and a remedy; all of it at once."""

import pytest

from pulumi_illumos_provider.model.base import Inputs, check
from pulumi_illumos_provider.model.etherstub import EtherstubInputs
from pulumi_illumos_provider.model.router_zone import RouterZoneInputs
from pulumi_illumos_provider.model.zone import ZoneInputs

ROUTER = {"publicAddress": "192.0.2.100", "networks": [{"subnet": "10.10.0.0/24"}]}
ZONE = {"address": "10.10.0.5"}


def failures(model, raw, unknown=()):
    return {f.property: f.reason for f in check(model, raw, frozenset(unknown))[1]}


ETHERSTUB_FAULTS = [
    ({"name": "web-net0"}, "name", "not a link name"),
    ({"name": "0stub"}, "name", "not a link name"),
    ({"name": "stub"}, "name", "ends in a number"),
    ({"name": "stub01"}, "name", "not a link name"),
    ({"name": "s" * 31 + "0"}, "name", "32 characters"),
    ({"mtu": 100}, "mtu", "576"),
    ({"mtu": 9001}, "mtu", "9000"),
    ({"mtu": "9000"}, "mtu", "integer"),
    ({"mut": 1500}, "mut", "did you mean mtu"),
    ({"host": "a/b"}, "host", "pattern"),
    ({"host": ""}, "host", "at least 1"),
]

ROUTER_FAULTS = [
    ({"publicAddress": "192.0.2"}, "publicAddress", "192.0.2.10/24"),
    ({"publicAddress": "192.0.2.1/33"}, "publicAddress", "not an IPv4 address"),
    ({"publicLink": "net-0"}, "publicLink", "not a link name"),
    ({"gateway": "192.0.2.1/24"}, "gateway", "not an IPv4 address"),
    ({"networks": []}, "networks", "at least 1"),
    ({"networks": [{}]}, "networks[0].subnet", "required"),
    ({"networks": [{"subnet": "10.10.0.5/24"}]}, "networks[0].subnet", "write 10.10.0.0/24"),
    ({"networks": [{"subnet": "10.10.0.0"}]}, "networks[0].subnet", "write 10.10.0.0/24"),
    ({"networks": [{"subnet": "10.10.0.0/31"}]}, "networks[0].subnet", "/30"),
    (
        {"networks": [{"subnet": "10.10.0.0/24", "address": "10.11.0.1"}]},
        "networks[0].address",
        "outside 10.10.0.0/24",
    ),
    (
        {"networks": [{"subnet": "10.10.0.0/24", "address": "10.10.0.255"}]},
        "networks[0].address",
        "broadcast",
    ),
    (
        {"networks": [{"subnet": "10.10.0.0/24", "etherstub": "lan"}]},
        "networks[0].etherstub",
        "ends in a number",
    ),
    ({"networks": [{"subnet": "10.10.0.0/24", "dhcp": "yes"}]}, "networks[0].dhcp", "boolean"),
    ({"networks": [{"subnet": "10.10.0.0/24", "domain": "a b"}]}, "networks[0].domain", "domain"),
    (
        {"networks": [{"subnet": "10.10.0.0/16"}, {"subnet": "10.10.7.0/24"}]},
        "networks[1].subnet",
        "overlaps networks[0]",
    ),
    (
        {
            "networks": [
                {"subnet": "10.1.0.0/24", "etherstub": "lan0"},
                {"subnet": "10.2.0.0/24", "etherstub": "lan0"},
            ]
        },
        "networks[1].etherstub",
        "already carries",
    ),
    ({"networks": [{"subnet": "192.0.2.0/24"}]}, "networks[0].subnet", "public address"),
    ({"zonepath": "zones/gw"}, "zonepath", "absolute"),
    ({"autoboot": "yes"}, "autoboot", "boolean"),
    ({"dnsServers": ["one.one"]}, "dnsServers[0]", "not an IPv4 address"),
    ({"name": "global"}, "name", "reserved"),
]

ZONE_FAULTS = [
    ({"name": "global"}, "name", "reserved"),
    ({"name": "a:b"}, "name", "not a zone name"),
    ({"name": ".web"}, "name", "not a zone name"),
    ({"name": "SUNWx"}, "name", "reserved"),
    ({"name": "w" * 64}, "name", "64 characters"),
    ({"autobot": True}, "autobot", "did you mean autoboot"),
    ({"zonepath": "/"}, "zonepath", "absolute"),
    ({"autoboot": "yes"}, "autoboot", "boolean"),
    ({"address": "10.10.0"}, "address", "not an IPv4 address"),
    ({"address": None}, "address", "give an address, or nics"),
    ({"nics": []}, "nics", "excludes address"),
    ({"address": None, "nics": [], "router": "gw"}, "router", "goes with address"),
    ({"cpus": 0}, "cpus", "at least 0.01"),
    ({"cpus": 1.234}, "cpus", "two decimals"),
    ({"cpus": "many"}, "cpus", "not a number"),
    ({"memory": "1X"}, "memory", "not a size"),
    ({"memory": "100K"}, "memory", "at least 1M"),
    ({"swap": "1M"}, "swap", "at least 50M"),
    ({"ipType": "own"}, "ipType", "exclusive"),
    ({"state": "paused"}, "state", "running"),
    ({"hostname": "a_b"}, "hostname", "pattern"),
    ({"dnsServers": ["x"]}, "dnsServers[0]", "not an IPv4 address"),
    ({"sshAuthorizedKeys": ["AAAA"]}, "sshAuthorizedKeys[0]", "not a public SSH key"),
    ({"attributes": {"a_b": "x"}}, "attributes", "not an attribute name"),
    ({"attributes": {"a": 'say "x"'}}, "attributes", "double quote"),
    ({"attributes": {"a": "x" * 256}}, "attributes", "255"),
    ({"attributes": {"pulumi-owner": "x"}}, "attributes", "kept for the provider"),
]

NIC_FAULTS = [
    ({}, "nics[0]", "exactly one of link, etherstub and router"),
    ({"link": "e0", "router": "gw", "address": "10.0.0.5/24"}, "nics[0]", "exactly one"),
    ({"link": "net-0"}, "nics[0].link", "not a link name"),
    ({"router": "gw"}, "nics[0].address", "needs an address, or dhcp"),
    ({"link": "e0", "dhcp": True, "allowedAddress": True}, "nics[0].allowedAddress", "excludes dhcp"),
    ({"link": "e0", "dhcp": True, "gateway": "10.0.0.1"}, "nics[0].gateway", "comes from DHCP"),
    ({"link": "e0", "dhcp": True, "address": "10.0.0.5/24"}, "nics[0].address", "only behind a router"),
    ({"link": "e0", "allowedAddress": True}, "nics[0].allowedAddress", "needs an address"),
    ({"link": "e0", "gateway": "10.0.0.1"}, "nics[0].gateway", "needs an address"),
    ({"link": "e0", "vlanId": 4095}, "nics[0].vlanId", "4094"),
    ({"link": "e0", "vlanId": 0}, "nics[0].vlanId", "1"),
    ({"link": "e0", "mac": "02:08:20:0a:b0"}, "nics[0].mac", "not a MAC address"),
    ({"link": "e0", "mac": "03:08:20:0a:b0:0c"}, "nics[0].mac", "unicast"),
    ({"link": "e0", "vlan": 5}, "nics[0].vlan", "did you mean vlanId"),
]


@pytest.mark.parametrize(("raw", "path", "words"), ETHERSTUB_FAULTS)
def test_a_wrong_etherstub_property_is_named_with_its_rule(raw, path, words):
    assert words in failures(EtherstubInputs, raw)[path]


@pytest.mark.parametrize(("raw", "path", "words"), ROUTER_FAULTS)
def test_a_wrong_router_zone_property_is_named_with_its_rule(raw, path, words):
    assert words in failures(RouterZoneInputs, ROUTER | raw)[path]


@pytest.mark.parametrize(("raw", "path", "words"), ZONE_FAULTS)
def test_a_wrong_zone_property_is_named_with_its_rule(raw, path, words):
    inputs = {k: v for k, v in (ZONE | raw).items() if v is not None}
    assert words in failures(ZoneInputs, inputs)[path]


@pytest.mark.parametrize(("nic", "path", "words"), NIC_FAULTS)
def test_a_wrong_nic_property_is_named_with_its_rule(nic, path, words):
    assert words in failures(ZoneInputs, {"nics": [nic]})[path]


def test_every_property_of_every_resource_has_a_fault_in_these_tables():
    faulted: dict[type[Inputs], set[str]] = {
        EtherstubInputs: {path.split("[")[0] for _, path, _ in ETHERSTUB_FAULTS},
        RouterZoneInputs: {path.split("[")[0] for _, path, _ in ROUTER_FAULTS},
        ZoneInputs: {path.split("[")[0] for _, path, _ in ZONE_FAULTS} | {"nics"},
    }
    # A brand is checked against the host; the host is one property of all three.
    for model, paths in faulted.items():
        names = {model.property_name(field) for field in model.model_fields}
        assert names - paths - {"brand", "host"} == set()


def test_all_failures_are_reported_at_once():
    raw = {"name": "a:b", "address": "x", "memory": "1X", "autobot": True}
    assert set(failures(ZoneInputs, raw)) == {"name", "address", "memory", "autobot"}


@pytest.mark.parametrize("name", ["a.b-c_1", "4402--edge-7.pop3.example.net", "w" * 63])
def test_legal_zone_names_pass(name):
    assert failures(ZoneInputs, ZONE | {"name": name}) == {}


@pytest.mark.parametrize("name", ["r2.d2_net0", "web_1", "web1", "l" * 30 + "0", "net10"])
def test_legal_link_names_pass(name):
    assert failures(EtherstubInputs, {"name": name}) == {}


def test_an_unknown_value_is_never_judged_and_never_missed():
    assert failures(RouterZoneInputs, {"networks": [{}]}, ["publicAddress", "networks[0].subnet"]) == {}
    assert failures(ZoneInputs, {}, ["address"]) == {}


def test_a_wrong_known_value_fails_beside_an_unknown_one():
    assert set(failures(ZoneInputs, {"name": "a:b"}, ["address"])) == {"name"}


def test_nothing_is_taken_for_valid_while_something_is_unknown():
    model, found = check(ZoneInputs, {"name": "web"}, frozenset({"address"}))
    assert model is None
    assert found == []
