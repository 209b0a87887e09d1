"""A router in the global zone: what it makes, what it leaves as it was, and where it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import fragments, records, smf
from pulumi_illumos_provider.model.base import Change, check
from pulumi_illumos_provider.model.router_zone import RouterZoneInputs
from pulumi_illumos_provider.resources.kind import Owner
from pulumi_illumos_provider.resources.router import render
from pulumi_illumos_provider.resources.router.design import SETTINGS
from pulumi_illumos_provider.resources.router.global_zone import work_out

from .hosts import OTHER, OWNER, PORT_FORWARD, ROUTER, TRIBBLIX, ZONE, FakeHost, plan, says, text_of

LAN: dict[str, Any] = {"subnet": "10.9.1.0/24", "etherstub": "lan0"}
WANTED = {"name": "gw", "globalZone": True, "networks": [LAN]}
OURS = Owner("urn:pulumi:dev::site::illumos:index:RouterZone::gw")
DNSMASQ = "svc:/network/dns/dnsmasq:default"
CONFIG = "etc/opt/ooce/dnsmasq/dnsmasq.conf"
OFF = dict.fromkeys((smf.FORWARDING, smf.IPFILTER), "disabled")
ON = dict.fromkeys((smf.FORWARDING, smf.IPFILTER, DNSMASQ), "online")
NAT = [
    "map igb0 10.9.1.0/24 -> 192.0.2.11/32 portmap tcp/udp 10000:32767",
    "map igb0 10.9.1.0/24 -> 192.0.2.11/32",
]
RECORDS = records.router_file(
    {
        "pulumi-public": "link=igb0 vnic=igb0 address=192.0.2.11/24 gateway=192.0.2.1",
        "pulumi-network-0": "etherstub=lan0 subnet=10.9.1.0/24 address=10.9.1.1 vnic=gw_1 shared=gw_1 "
        "dhcp=on domain=- owned=no",
        "pulumi-owner": OURS.urn,
        "pulumi-servers": "192.0.2.53",
        "pulumi-switched-on": "forwarding ipfilter dnsmasq",
    }
)


def bare(**more: Any) -> FakeHost:
    """A host without any router, and with a switch."""
    return FakeHost().etherstub("lan0").global_zone(**{"services": OFF, **more})


def built(records: str = RECORDS, **more: Any) -> FakeHost:
    """A host with the whole router gw in its global zone."""
    host = FakeHost().etherstub("lan0").vnic("gw_1", "lan0")
    host.addresses.append("gw_1/router:static:ok:10.9.1.1/24")
    host.interfaces.append("gw_1:ok")
    seen = FakeHost().etherstub("lan0").global_zone(records).snapshot()
    design = work_out(RouterZoneInputs.model_validate(WANTED), seen.zones["gw"], seen)
    nat = fragments.text(render.nat_rules(design))
    files = {
        SETTINGS: design.stored,
        CONFIG: render.name_server(design, seen.distribution),
        "etc/dnsmasq.records.d/router": "",
        f"{fragments.NAT.directory}/{fragments.ROUTER}": nat,
        fragments.NAT.config: f"{fragments.BEGIN}\n{nat}{fragments.END}\n",
    }
    live = {"forwarding": "on", "ssh": "2200"} | more.pop("live", {})
    return host.global_zone(records, files | more.pop("files", {}), ON | more.pop("services", {}), live)


def update(host: FakeHost, **more: Any):
    return plan(ROUTER, WANTED | more, host, OURS, update=True)


def deletion(host: FakeHost):
    now = host.snapshot()
    state = ROUTER.read("gz", "gw", now)
    assert state is not None
    return ROUTER.plan_delete("gw", now, state).steps


def refused(host: FakeHost, **more: Any) -> Refused:
    with pytest.raises(Refused) as refusal:
        plan(ROUTER, WANTED | more, host, OURS)
    return refusal.value


# What it makes -----------------------------------------------------------------------------------


def test_it_is_recorded_first_and_translates_to_the_hosts_own_address():
    steps = plan(
        ROUTER, {"name": "gw", "globalZone": True, "networks": [{"subnet": "10.9.1.0/24"}]}, bare()
    )
    order = says(steps)
    assert order[0] == "recording router gw of the global zone"
    kept = records.parse_router_file(steps[0].run.stdin or "")
    assert kept["pulumi-owner"] == OWNER.urn
    assert kept["pulumi-switched-on"] == "forwarding ipfilter dnsmasq"
    assert "vnic=gw_1 shared=gw_1" in kept["pulumi-network-0"], "shared-ip zones use the router's own vnic"
    after = (
        "installing package ooce/network/dnsmasq in the global zone",
        "creating etherstub gw_lan0",
        "creating vnic gw_1 over gw_lan0",
        "giving gw_1 of the global zone the address 10.9.1.1/24",
        "setting the router's rules of address translation in zone global",
        "changing the configuration of dnsmasq in zone global",
        "enabling forwarding in zone global",
        "enabling ipfilter in zone global",
    )
    assert [order.index(say) for say in after] == sorted(order.index(say) for say in after)
    rules = next(step.run.stdin for step in steps if "address translation" in step.say)
    assert (rules or "").splitlines() == NAT


def test_no_program_is_told_to_go_into_the_global_zone():
    for step in (*plan(ROUTER, WANTED, bare(), OURS), *deletion(built())):
        for command in filter(None, (step.run, step.done)):
            assert "zlogin" not in command.argv[0]
            assert "/root/etc" not in " ".join(command.argv)


def test_the_hosts_packet_filter_is_left_alone():
    assert "ipf.d" not in text_of(plan(ROUTER, WANTED, bare(), OURS))
    assert not [say for say in says(plan(ROUTER, WANTED, bare(), OURS)) if "packet filter" in say]


def test_one_that_is_as_wanted_needs_no_step():
    assert says(update(built())) == []
    state = ROUTER.read("gz", "gw", built().snapshot())
    assert state is not None
    wanted = RouterZoneInputs.model_validate(WANTED)
    assert ROUTER.differences(wanted, state) == []
    assert ROUTER.spell(state) == {
        "globalZone": True,
        "name": "gw",
        "publicLink": "igb0",
        "networks": [{"subnet": "10.9.1.0/24", "etherstub": "lan0"}],
        "dnsServers": ["192.0.2.53"],
    }
    assert str(state.public_address) == "192.0.2.11/24"
    assert state.public_vnic == "igb0"


def test_a_network_that_goes_is_recorded_until_its_links_are_gone():
    steps = update(built(), networks=[{"subnet": "10.20.0.0/24"}])
    order = says(steps)
    record = "recording router gw of the global zone"
    first, last = order.index(record), len(order) - 1 - order[::-1].index(record)
    assert "10.9.1.0/24" in (steps[first].run.stdin or "")
    assert "10.9.1.0/24" not in (steps[last].run.stdin or "")
    assert first < order.index("unplumbing gw_1") < order.index("deleting vnic gw_1") < last
    assert "creating vnic gw_2 over gw_lan1" in order
    assert "deleting etherstub lan0" not in order, "it is not the router's own"


def test_another_address_of_the_host_is_seen_and_put_into_the_rules():
    host = built()
    host.addresses[0] = "igb0/v4:static:ok:192.0.2.12/24"
    state = ROUTER.read("gz", "gw", host.snapshot())
    assert state is not None
    assert state.drift == ["the host does not have 192.0.2.11/24 on igb0 any more"]
    rules = next(step.run.stdin for step in update(host) if "address translation" in step.say)
    assert "-> 192.0.2.12/32" in (rules or "")


def test_what_others_changed_is_told():
    host = built(live={"forwarding": "off"}, files={"etc/dnsmasq.records.d/router": "10.0.0.1 x"})
    host.addresses.pop()
    state = ROUTER.read("gz", "gw", host.snapshot())
    assert state is not None
    assert state.drift == [
        "/etc/dnsmasq.records.d/router was changed",
        "forwarding is off",
        "gw_1 has other addresses",
    ]


# What it leaves as it was ------------------------------------------------------------------------


def test_removal_goes_backwards_and_switches_off_what_was_off():
    order = says(deletion(built()))
    assert order == [
        "switching dnsmasq off in the global zone, as it was",
        "removing the configuration of dnsmasq in the global zone",
        "switching forwarding off in the global zone, as it was",
        "removing the rules of router gw in the global zone",
        "switching ipfilter off in the global zone, as it was",
        "unplumbing gw_1",
        "deleting vnic gw_1",
        "forgetting router gw of the global zone",
    ]


def test_what_was_on_before_stays_on():
    services = {smf.FORWARDING: "disabled", smf.IPFILTER: "online", DNSMASQ: "online"}
    host = bare(services=services, live={"forwarding": "on"})
    kept = records.parse_router_file(plan(ROUTER, WANTED, host, OURS)[0].run.stdin or "")
    assert kept["pulumi-switched-on"] == ""
    mine = RECORDS.replace("forwarding ipfilter dnsmasq", "")
    assert not [say for say in says(deletion(built(mine))) if say.startswith("switching")]
    same = records.parse_router_file(update(built(mine), dnsServers=["192.0.2.9"])[0].run.stdin or "")
    assert same["pulumi-switched-on"] == "", "what is on now is not what was on before"


def test_it_is_not_removed_under_a_zone():
    config = (
        "set ip-type=shared\nadd net\nset address=10.9.1.20/24\nset physical=gw_1\nend\n"
        "set zonepath=/zones/web\n"
    )
    with pytest.raises(Refused, match="still serves web"):
        deletion(built().zone("web", "running", config))


# What is behind it -------------------------------------------------------------------------------


def test_a_zone_is_found_its_network_from_its_address_alone():
    steps = plan(ZONE, {"name": "web", "address": "10.9.1.20"}, built())
    order = says(steps)
    assert "creating vnic web_0 over lan0" in order
    assert "reserving 10.9.1.20 for zone web in router zone gw" in order
    words = [step.run.argv for step in steps if "reserving" in step.say or "telling" in step.say]
    assert "/etc/dnsmasq.hosts.d" in words[0]
    assert "global" in words[1]


def test_a_shared_ip_zone_has_its_address_on_the_routers_own_vnic():
    steps = plan(ZONE, {"name": "web", "address": "10.9.1.20", "ipType": "shared"}, built())
    assert 'set physical="gw_1"' in text_of(steps)
    assert "creating vnic" not in " ".join(says(steps))


def test_a_forward_is_bound_to_the_hosts_own_link():
    wanted = {"name": "www", "router": "gw", "publicPort": 80, "target": "10.9.1.20"}
    rules = plan(PORT_FORWARD, wanted, built())[0]
    assert "rdr igb0 192.0.2.11/32 port 80 -> 10.9.1.20 port 80 tcp" in (rules.run.stdin or "")
    assert rules.run.argv[4] == "global"


@pytest.mark.parametrize("port", [22, "20-30", 2200])
def test_the_hosts_own_login_is_never_forwarded(port):
    wanted = {"name": "ssh", "router": "gw", "publicPort": port, "target": "10.9.1.20"}
    with pytest.raises(Refused, match="locked out"):
        plan(PORT_FORWARD, wanted, built())
    plan(PORT_FORWARD, wanted | {"protocol": "udp"}, built())


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("property", "value"),
    [
        ("publicAddress", "192.0.2.100"),
        ("publicAddresses", ["192.0.2.100"]),
        ("gateway", "192.0.2.1"),
        ("brand", "lipkg"),
        ("zonepath", "/zones/gw"),
        ("autoboot", False),
        ("attributes", {"a": "b"}),
        ("memory", "1G"),
        ("packages", ["x"]),
        ("firewall", {"inbound": [{"port": "22"}]}),
        ("routes", [{"destination": "10.50.0.0/16", "gateway": "10.9.1.20"}]),
    ],
)
def test_what_only_a_zone_can_have_is_refused_by_name(property, value):
    failures = check(RouterZoneInputs, WANTED | {property: value})[1]
    assert [failure.property for failure in failures] == [property]


def test_networks_that_need_a_filter_or_no_translation_are_refused():
    networks = [LAN | {"isolated": True, "subnet6": "fd00:1::/64", "nat": False}]
    failures = [failure.property for failure in check(RouterZoneInputs, WANTED | {"networks": networks})[1]]
    assert {"networks[0].isolated", "networks[0].subnet6", "networks"} <= set(failures)


def test_a_zone_of_its_own_needs_a_public_address():
    failures = check(RouterZoneInputs, {"name": "gw", "networks": [LAN]})[1]
    assert [(f.property, f.reason) for f in failures] == [
        ("publicAddress", "is required, unless globalZone is true")
    ]
    assert check(RouterZoneInputs, WANTED | {"firewall": {"enabled": False}})[1] == []


def test_automatic_networking_is_refused_with_the_remedy():
    refusal = refused(bare(services=OFF | {"svc:/network/physical:nwam": "online"}))
    assert refusal.property == "globalZone"
    assert "zap staticnet" in str(refusal)


def test_an_address_from_dhcp_is_refused_with_the_remedy():
    host = bare()
    host.addresses = ["igb0/dhcp:dhcp:ok:192.0.2.11/24"]
    refusal = refused(host)
    assert refusal.property == "globalZone"
    assert "ipadm create-addr -T static" in str(refusal)


def test_a_link_without_an_address_is_refused():
    assert refused(bare(), publicLink="igb1").property == "publicLink"


def test_rules_that_an_administrator_did_not_switch_on_stay_off():
    files = {"etc/ipf/ipf.conf": "# mine\nblock in all\n"}
    assert "lock you out" in str(refused(bare(files=files)))
    assert "policy is deny" in str(refused(bare(live={"policy": "deny"})))
    plan(ROUTER, WANTED, bare(files=files, services=OFF | {smf.IPFILTER: "online"}), OURS)
    plan(ROUTER, WANTED, bare(files={"etc/ipf/ipf.conf": "# only words\n"}), OURS)


def test_a_name_server_of_the_hosts_own_is_not_replaced():
    assert "configuration of its own" in str(refused(bare(files={CONFIG: "interface=igb0\n"})))
    plan(ROUTER, WANTED, bare(files={CONFIG: "# an example\n#port=53\n"}), OURS)


def test_the_global_zone_has_one_router():
    host = FakeHost().etherstub("lan0").vnic("x_1", "lan0")
    host.global_zone(RECORDS.replace("gw_1", "x_1"), name="x")
    host.global_zone(services=OFF)
    assert "(x)" in str(refused(host, networks=[{"subnet": "10.20.0.0/24"}]))
    zap = FakeHost(TRIBBLIX).etherstub("lan0").global_zone(services=OFF)
    zap.zap = [
        "rconfig.10.1.2:interface: zrstub0",
        "rconfig.10.1.2:gateway: 10.1.2.1",
        "rconfig.10.1.2:zone: global",
    ]
    assert "zap made" in str(refused(zap))
    claims = [ROUTER.claims(RouterZoneInputs.model_validate(WANTED | {"name": n}))[0] for n in ("a", "b")]
    assert claims[0].conflicts(claims[1])


def test_another_owners_router_is_not_taken_over():
    with pytest.raises(Refused, match="pulumi import"):
        plan(ROUTER, WANTED, built(), OTHER)
    assert plan(ROUTER, WANTED, built(), OURS) == (), "a create that was cut off goes on"


def test_a_zone_of_that_name_and_a_router_in_the_global_zone_are_told_apart():
    with pytest.raises(Refused, match="is a router in the global zone already"):
        plan(ROUTER, {"name": "gw", "publicAddress": "192.0.2.100", "networks": [LAN]}, built(), OURS)
    now = built().snapshot()
    assert ZONE.read("gz", "gw", now) is None
    with pytest.raises(Refused, match="RouterZone"):
        ZONE.importable("gw", now)


def test_it_becomes_a_zone_of_its_own_only_by_replacement():
    state = ROUTER.read("gz", "gw", built().snapshot())
    assert state is not None
    wanted = RouterZoneInputs.model_validate(
        {"name": "gw", "publicAddress": "192.0.2.100", "networks": [LAN]}
    )
    changes = {d.property: d.change for d in ROUTER.differences(wanted, state)}
    assert changes["globalZone"] is Change.REPLACE
