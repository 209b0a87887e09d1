"""Reading: the user's spelling is kept while its meaning holds, and real differences show."""

import pytest

from pulumi_illumos_provider.errors import Refused

from .hosts import ETHERSTUB, ROUTER, ROUTER_INPUTS, ZONE, FakeHost
from .test_plans import WEB, WEB_CONFIG, with_web

CAPPED = (
    WEB_CONFIG
    + """\
add rctl
set name="zone.max-swap"
add value (priv=privileged,limit=2147483648,action=deny)
end
add rctl
set name="zone.cpu-cap"
add value (priv=privileged,limit=150,action=deny)
end
add rctl
set name="zone.max-physical-memory"
add value (priv=privileged,limit=1073741824,action=deny)
end
"""
)


def differences(kind, raw, host):
    state = kind.read("gz", raw["name"], host.snapshot())
    return [d.property for d in kind.differences(kind.inputs.model_validate(raw), state)]


@pytest.mark.parametrize("memory", ["1G", "1024M", "1024m", "1073741824"])
@pytest.mark.parametrize("swap", ["2G", "2048m"])
def test_caps_differ_by_meaning_only(memory, swap):
    raw = WEB | {"memory": memory, "swap": swap, "cpus": 1.5}
    host = with_web(config=CAPPED)
    assert differences(ZONE, raw, host) == []
    state = ZONE.read("gz", "web", host.snapshot())
    assert ZONE.respell(state, raw) == raw


def test_a_cap_changed_by_hand_is_a_difference():
    host = with_web(config=CAPPED.replace("limit=150", "limit=200"))
    assert differences(ZONE, WEB | {"memory": "1G", "swap": "2G", "cpus": 1.5}, host) == ["cpus"]


@pytest.mark.parametrize("address", ["10.9.1.20", "10.9.1.20/24", "10.9.1.20/255.255.255.0"])
def test_an_address_differs_by_meaning_only(address):
    assert differences(ZONE, WEB | {"address": address}, with_web()) == []


def test_a_mac_address_differs_by_meaning_only():
    nics = [{"router": "gw", "address": "10.9.1.20", "mac": "2:8:20:0:0:4"}]
    assert differences(ZONE, {"name": "web", "nics": nics}, with_web()) == []
    nics[0]["mac"] = "02:08:20:00:00:05"
    assert differences(ZONE, {"name": "web", "nics": nics}, with_web()) == ["nics"]


def test_a_stopped_zone_is_a_difference():
    assert differences(ZONE, WEB, with_web("installed")) == ["state"]


def test_an_incomplete_zone_is_never_shown_as_healthy():
    assert "status" in differences(ZONE, WEB, with_web("incomplete"))


def test_networks_of_a_router_have_no_order():
    host = FakeHost().router(whole=True)
    assert differences(ROUTER, ROUTER_INPUTS, host) == []
    spelled = ROUTER_INPUTS | {
        "networks": [{"subnet": "10.9.1.0/255.255.255.0", "etherstub": "lan0", "address": "10.9.1.254"}]
    }
    assert differences(ROUTER, spelled, host) == []


def test_removing_a_cap_from_the_program_is_a_difference():
    assert differences(ZONE, WEB, with_web(config=CAPPED)) == ["cpus", "memory", "swap"]


@pytest.mark.parametrize(
    ("kind", "name", "host"),
    [
        (ETHERSTUB, "lan0", FakeHost().etherstub("lan0")),
        (ROUTER, "gw", FakeHost().router(whole=True)),
        (ZONE, "web", with_web(config=CAPPED)),
        (ZONE, "web", with_web("installed")),
    ],
)
def test_an_import_gives_inputs_that_make_no_difference(kind, name, host):
    state = kind.read("gz", name, host.snapshot())
    assert differences(kind, kind.respell(state, None), host) == []


@pytest.mark.parametrize(
    ("kind", "name", "host", "reason"),
    [
        (ZONE, "global", FakeHost(), "host itself"),
        (ZONE, "gw", FakeHost().router(), "RouterZone"),
        (ROUTER, "web", with_web(), "not a router zone"),
        (ZONE, "web", with_web("incomplete"), "incomplete"),
        (ETHERSTUB, "igb0", FakeHost(), "class phys"),
    ],
)
def test_what_must_not_be_imported_is_refused(kind, name, host, reason):
    with pytest.raises(Refused, match=reason):
        kind.importable(name, host.snapshot())


def test_attributes_of_the_field_are_read_without_loss():
    config = WEB_CONFIG + (
        "add attr\nset name=cloud-note\nset type=string\nset value=cmVnaXN0cnk=\nend\n"
        'add attr\nset name=vm-opts\nset type=string\nset value="LWMgMSAtbSA0Zw=="\nend\n'
    )
    state = ZONE.read("gz", "web", with_web(config=config).snapshot())
    assert state is not None
    assert state.attributes == {"cloud-note": "cmVnaXN0cnk=", "vm-opts": "LWMgMSAtbSA0Zw=="}
