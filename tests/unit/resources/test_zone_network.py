"""Networks of a zone: what each kind of nic takes, how it is read, and what hand-made ones keep."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import dladm, zap_records
from pulumi_illumos_provider.model.base import Change, check
from pulumi_illumos_provider.model.values import format_bandwidth, parse_bandwidth
from pulumi_illumos_provider.model.zone import ZoneInputs

from .hosts import OMNIOS, OWNER, ROUTER, TRIBBLIX, ZONE, FakeHost, plan, says, text_of
from .test_plans import WEB, WEB_CONFIG, WEB_FILES, with_web

HEAD = "create -b\nset zonepath=/zones/web\nset brand=BRAND\nset autoboot=true\nset ip-type=exclusive\n"
OWNED = f"""\
add attr
set name="pulumi-owner"
set type="string"
set value="{OWNER.urn}"
end
"""


def net(*lines):
    """A net resource as zonecfg exports it: ``name=value`` pairs and whole ``add`` lines."""
    body = (
        line if line.startswith("add ") else 'set {}="{}"'.format(*line.split("=", 1)) for line in lines
    )
    return "\n".join(["add net", *body, "end", ""])


def config(*nets, brand="lipkg", owned=True):
    return HEAD.replace("BRAND", brand) + "".join(nets) + (OWNED if owned else "")


def fresh(*nics, host=None, **more):
    """What is planned for a new zone with these nics."""
    return plan(ZONE, {"name": "web", "nics": list(nics), **more}, host or FakeHost().router())


def state_of(host):
    return ZONE.read("gz", "web", host.snapshot())


def differences(raw, host):
    return ZONE.differences(ZoneInputs.model_validate({"name": "web", **raw}), state_of(host))


def faults(*nics, **more):
    _, found = check(ZoneInputs, {"name": "web", "nics": list(nics), **more})
    return {failure.property: failure.reason for failure in found}


# What cannot be -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nic", "path", "reason"),
    [
        (
            {"addrconf": True, "allowedAddress": True, "address": "10.0.0.5/24"},
            "allowedAddress",
            "addrconf",
        ),
        ({"dhcp": True, "addresses": ["10.0.0.5/24"]}, "addresses", "exclude dhcp"),
        ({"address": "10.0.0.5/24", "addresses": ["10.0.0.5"]}, "addresses[0]", "given twice"),
        ({"addresses": ["2001:db8::5"]}, "addresses[0]", "with prefix"),
        ({"maxBandwidth": "1000K"}, "maxBandwidth", "at least 1200K"),
        ({"maxBandwidth": 100}, "maxBandwidth", "at least 1200K"),
        ({"maxBandwidth": "fast"}, "maxBandwidth", "not a bandwidth"),
        ({"priority": "urgent"}, "priority", "low"),
        ({"mtu": 500}, "mtu", "576"),
        ({"vnic": "web-0"}, "vnic", "not a link name"),
        ({"vnic": "e0", "vlanId": 5}, "vlanId", "needs a vnic"),
        ({"gateway": "nobody", "address": "10.0.0.5/24"}, "gateway", "not an IPv4 address"),
        ({"properties": {"mtu": 'a"b'}}, "properties.mtu", "double quotes"),
    ],
)
def test_a_nic_that_cannot_work_is_refused_with_its_property(nic, path, reason):
    assert reason in faults({"link": "e0", **nic})[f"nics[0].{path}"]


@pytest.mark.parametrize(
    ("nic", "path", "reason"),
    [
        ({"globalNic": "auto"}, "globalNic", "give a static address"),
        ({"globalNic": "auto", "dhcp": True}, "globalNic", "give a static address"),
        ({"globalNic": "e-0"}, "globalNic", "nor auto"),
        ({"globalNic": "e0", "mtu": 1400}, "mtu", "comes and goes"),
        ({"globalNic": "e0", "priority": "low"}, "priority", "comes and goes"),
        (
            {"globalNic": "e0", "address": "10.0.0.5/24", "addresses": ["10.0.0.6/24"]},
            "addresses",
            "use link",
        ),
    ],
)
def test_a_nic_on_demand_has_what_its_brand_can_do(nic, path, reason):
    assert reason in faults(nic)[f"nics[0].{path}"]


def test_addresses_and_link_names_are_unique_in_a_zone():
    nic = {"link": "e0", "address": "10.0.0.5/24", "vnic": "web0"}
    other = {"link": "e0", "addresses": ["10.0.0.5/24"], "vnic": "web0"}
    found = faults(nic, other)
    assert "used by another nic" in found["nics[1].addresses[0]"]
    assert "used by another nic" in found["nics[1].vnic"]


@pytest.mark.parametrize(
    "name", ["dhcp", "addrconf", "mac", "vlanId", "mtu", "gateway", "vnic", "properties"]
)
def test_a_shared_ip_zone_has_no_link_of_its_own(name):
    values = {"mac": "2:8:20:0:0:9", "vlanId": 5, "mtu": 1400, "gateway": "10.0.0.1", "vnic": "web0"}
    value = values.get(name, {"a": "b"} if name == "properties" else True)
    address = {} if name == "dhcp" else {"address": "10.0.0.5/24"}
    found = faults({"link": "e0", name: value, **address}, ipType="shared")
    assert "needs ipType exclusive" in found[f"nics[0].{name}"]


def test_two_zones_of_a_program_that_want_one_address_exclude_each_other():
    def claims(**raw):
        return ZONE.claims(ZoneInputs.model_validate({"name": "web", **raw}))

    alone = claims(address="10.9.1.20")
    routed = claims(nics=[{"router": "gz1/gw", "address": "10.9.1.20/24"}])
    linked = claims(nics=[{"link": "igb0", "address": "10.9.1.20/24", "mac": "2:8:20:0:0:9"}])
    tagged = claims(nics=[{"link": "igb0", "vlanId": 7, "addresses": ["10.9.1.20/24"]}])
    assert alone[0].conflicts(routed[0])
    assert not alone[0].conflicts(linked[0])
    assert not linked[0].conflicts(tagged[0])
    assert linked[0].conflicts(linked[0])
    again = claims(nics=[{"etherstub": "lan0", "dhcp": True, "mac": "02:08:20:00:00:09"}])
    assert [c.property for c in again if c.conflicts(linked[1])] == ["nics[0].mac"]


def test_a_router_of_another_host_is_refused():
    with pytest.raises(Refused, match="router zone gw is on host gz2, and the zone on gz1"):
        plan(ZONE, {**WEB, "router": "gz2/gw", "host": "gz1"}, FakeHost().router())
    assert plan(ZONE, {**WEB, "router": "gz1/gw", "host": "gz1"}, FakeHost().router())


def test_without_a_router_the_error_says_what_is_missing():
    with pytest.raises(Refused, match=r"no network on the host holds 10\.9\.1\.20.*say so with router="):
        plan(ZONE, WEB, FakeHost())


@pytest.mark.parametrize("further", ["192.0.2.11", "192.0.2.1", "192.0.2.100", "192.0.2.255"])
def test_a_further_address_that_cannot_work_is_refused(further):
    with pytest.raises(Refused) as refusal:
        fresh({"link": "igb0", "address": "192.0.2.150", "addresses": [further]})
    assert refusal.value.property == "nics[0].addresses[0]"


@pytest.mark.parametrize("address", ["2001:db8::5/64", "10.7.7.7/24"])
def test_a_further_address_of_another_zone_is_refused(address):
    host = FakeHost().router().vnic("db0", "lan0", "db")
    host.zone("db", "running", config(net(f"allowed-address={address}", "physical=db0")))
    with pytest.raises(Refused, match="taken by zone db"):
        fresh({"etherstub": "lan0", "address": "10.9.1.20", "addresses": [address]}, host=host)


# What it takes ------------------------------------------------------------------------------------


def test_every_enforced_address_has_a_net_resource_of_its_own():
    steps = fresh({"router": "gw", "address": "10.9.1.20", "addresses": ["10.9.1.21", "2001:db8::5/64"]})
    assert (
        'add net\nset physical="web_0"\nset allowed-address="10.9.1.20/24"\n'
        'set defrouter="10.9.1.254"\nend\n'
        'add net\nset physical="web_0"\nset allowed-address="10.9.1.21/24"\nend\n'
        'add net\nset physical="web_0"\nset allowed-address="2001:db8::5/64"\nend\n'
    ) in text_of(steps)


def test_free_addresses_are_set_up_inside_the_zone():
    steps = fresh(
        {
            "link": "igb0",
            "address": "192.0.2.150",
            "addresses": ["192.0.2.151", "2001:db8::5/64"],
            "allowedAddress": False,
        }
    )
    files = {s.say: s.run.stdin for s in steps if s.say.startswith("writing")}
    assert files["writing /etc/hostname.web_0 in zone web"] == "192.0.2.150/24\naddif 192.0.2.151/24 up\n"
    assert files["writing /etc/hostname6.web_0 in zone web"] == "addif 2001:db8::5/64 up\n"
    assert files["writing /etc/defaultrouter in zone web"] == "192.0.2.1\n"
    assert 'add net\nset physical="web_0"\nend' in text_of(steps)


def test_a_zone_that_listens_for_router_advertisements_may_use_what_it_hears():
    steps = fresh({"router": "gw", "address": "10.9.1.20", "addrconf": True})
    files = {s.say: s.run.stdin for s in steps if s.say.startswith("writing")}
    assert files["writing /etc/hostname6.web_0 in zone web"] == ""
    assert "allowed-address" not in text_of(steps)


def test_a_shared_ip_zone_has_one_net_resource_for_each_address():
    nic = {"router": "gw", "address": "10.9.1.20", "addresses": ["10.9.1.21"]}
    text = text_of(fresh(nic, ipType="shared"))
    assert 'set physical="gw_s0"\nset address="10.9.1.20/24"\nend' in text
    assert 'set physical="gw_s0"\nset address="10.9.1.21/24"\nend' in text


def test_bandwidth_priority_and_mtu_are_set_on_the_vnic_one_by_one():
    nic = {"router": "gw", "address": "10.9.1.20", "maxBandwidth": "1.5M", "priority": "low", "mtu": 1400}
    steps = fresh(nic)
    text = text_of(steps)
    assert "set-linkprop -p maxbw=1500K web_0" in text
    assert "set-linkprop -p priority=low web_0" in text
    order = says(steps)
    assert order.index("setting the MTU of web_0 to 1400") < order.index("installing zone web")


def test_an_mtu_above_that_of_the_link_below_is_refused():
    with pytest.raises(Refused, match="igb0 carries packets of up to 1500 bytes"):
        fresh({"link": "igb0", "address": "192.0.2.150", "mtu": 9000})


def test_the_gateway_can_be_left_out():
    assert "defrouter" not in text_of(fresh({"router": "gw", "address": "10.9.1.20", "gateway": "none"}))


def questions(address, host):
    """What a preview asks of the host for a new zone, once it knows the plan."""
    return [step for step in plan(ZONE, {"name": "web", "address": address}, host) if step.asks]


@pytest.mark.parametrize(
    ("address", "host", "asked_by"),
    [
        ("192.0.2.150", FakeHost(), "/bin/sh"),
        ("10.9.1.20", FakeHost().router(), "/usr/sbin/zlogin -S gw /bin/sh"),
    ],
)
def test_whether_a_machine_answers_at_a_new_address_is_asked_in_its_network(address, host, asked_by):
    (step,) = questions(address, host)
    order = says(plan(ZONE, {"name": "web", "address": address}, host))
    assert order.index(step.say) < order.index("configuring zone web")
    assert step.say.startswith(f"seeing that {address} is free on ")
    assert " ".join(step.run.argv).startswith(asked_by)


def test_behind_a_router_that_is_halted_nobody_can_be_asked():
    assert questions("10.9.1.20", FakeHost().router(state="installed")) == []


def test_an_address_that_a_zone_has_is_not_asked_for_again():
    assert not any(step.asks for step in plan(ZONE, {**WEB, "autoboot": False}, with_web(), update=True))


# On demand ----------------------------------------------------------------------------------------

ON_DEMAND = net(
    "allowed-address=192.0.2.150/24", "physical=od0", "global-nic=auto", "mac-addr=02:08:20:aa:bb:cc"
)
ON_DEMAND_NIC = {"globalNic": "auto", "vnic": "od0", "address": "192.0.2.150", "gateway": "none"}


def halted_on_demand():
    return FakeHost().zone("web", "installed", config(ON_DEMAND), WEB_FILES)


def test_a_vnic_on_demand_is_left_to_the_brand():
    steps = fresh({k: v for k, v in ON_DEMAND_NIC.items() if k != "gateway"})
    assert not any("creating vnic" in say for say in says(steps))
    assert 'set defrouter="192.0.2.1"\nset global-nic="auto"' in text_of(steps)


def test_a_halted_zone_whose_vnic_is_made_on_demand_has_no_drift():
    raw = {"nics": [ON_DEMAND_NIC], "state": "halted"}
    assert differences(raw, halted_on_demand()) == []
    assert ZONE.spell(state_of(halted_on_demand()))["nics"] == [
        {"globalNic": "auto", "vnic": "od0", "gateway": "none", "address": "192.0.2.150/24"}
    ]


def test_the_mac_address_that_the_brand_chose_is_kept_by_an_update():
    raw = {"name": "web", "nics": [ON_DEMAND_NIC], "state": "halted", "autoboot": False}
    steps = plan(ZONE, raw, halted_on_demand(), update=True)
    assert "add net" not in text_of(steps)
    assert "remove net" not in text_of(steps)


def test_a_vnic_that_the_brand_left_is_reported_and_never_deleted():
    host = halted_on_demand()
    steps = ZONE.plan_delete("web", host.snapshot(), state_of(host)).steps
    assert "looking whether vnic od0 is gone" in says(steps)
    assert not any("deleting vnic" in say for say in says(steps))


def test_where_zonecfg_has_no_global_nic_and_no_properties_it_is_said():
    tribblix = FakeHost(TRIBBLIX)
    with pytest.raises(Refused, match="OmniOS"):
        fresh({"globalNic": "igb0", "address": "192.0.2.150"}, host=tribblix)
    with pytest.raises(Refused, match="OmniOS"):
        fresh(
            {"link": "igb0", "address": "192.0.2.150", "properties": {"promiscphys": "on"}}, host=tribblix
        )


# Brands -------------------------------------------------------------------------------------------


def branded(brand):
    host = FakeHost().router()
    host.brands += f" {brand}"
    return host


def test_a_linux_is_told_its_addresses_by_properties():
    nics = [{"router": "gw", "address": "10.9.1.20", "addresses": ["10.9.1.21"]}]
    host = branded("lx").vnic("web_0", "lan0", "web", "ip-nospoof", "10.9.1.20")
    lines = [
        'add property (name=ips,value="10.9.1.20/24,10.9.1.21/24")',
        'add property (name=gateway,value="10.9.1.254")',
        'add property (name=primary,value="true")',
    ]
    nets = [
        net("allowed-address=10.9.1.20/24", "physical=web_0", "defrouter=10.9.1.254", *lines),
        net("allowed-address=10.9.1.21/24", "physical=web_0"),
    ]
    host.zone("web", "running", config(*nets, brand="lx"), brand="lx")
    wanted = ZoneInputs.model_validate({"name": "web", "nics": nics, "brand": "lx"})
    assert ZONE.satisfied("nics", wanted, state_of(host))
    moved = [{**nics[0], "address": "10.9.1.22"}]
    text = text_of(plan(ZONE, {"name": "web", "nics": moved, "brand": "lx"}, host, update=True))
    assert 'add property (name=ips,value="10.9.1.22/24,10.9.1.21/24")' in text
    assert 'add property (name=gateway,value="10.9.1.254")' in text


def test_a_guest_learns_a_static_address_as_an_allowed_one_only():
    nic = {"router": "gw", "address": "10.9.1.20"}
    for wrong in ({"allowedAddress": False}, {"addrconf": True}):
        host = branded("bhyve").vnic("web_0", "lan0", "web")
        host.zone("web", "installed", config(net("physical=web_0"), brand="bhyve"), brand="bhyve")
        with pytest.raises(Refused, match="bhyve"):
            plan(ZONE, {"name": "web", "nics": [nic | wrong], "brand": "bhyve"}, host, update=True)


# One zone, one link -------------------------------------------------------------------------------


def two_zones_with_a_net0():
    host = FakeHost()
    host.links += ["net0:vnic:1500:igb0", "net0:vnic:1500:igb0"]
    host.vnics += ["net0:igb0:2\\:8\\:20\\:0\\:0\\:a:0:db", "net0:igb0:2\\:8\\:20\\:0\\:0\\:b:7:web"]
    host.zone("db", "running", config(net("physical=net0")))
    files = {**WEB_FILES, "etc/hostname.net0": "192.0.2.160/24\n"}
    return host.zone("web", "running", config(net("physical=net0")), files)


def test_a_nic_is_identified_by_zone_and_link_together():
    nic = state_of(two_zones_with_a_net0()).nics[0]
    assert (nic.vnic, nic.mac, nic.vlan_id) == ("net0", "02:08:20:00:00:0b", 7)


def test_changing_one_net0_never_touches_the_other():
    host = two_zones_with_a_net0()
    raw = {"link": "igb0", "vlanId": 7, "address": "192.0.2.160/24", "allowedAddress": False}
    steps = plan(ZONE, {"name": "web", "nics": [raw | {"maxBandwidth": "50M"}]}, host, update=True)
    assert "set-linkprop -z web -p maxbw=50000K net0" in text_of(steps)
    assert not any("vnic" in say and "bandwidth" not in say for say in says(steps))


def test_deleting_a_zone_never_deletes_a_link_of_the_same_name():
    host = two_zones_with_a_net0()
    steps = ZONE.plan_delete("web", host.snapshot(), state_of(host)).steps
    assert not any("deleting vnic" in say for say in says(steps))


# Reading and import -------------------------------------------------------------------------------


def hand_made(*nets, vnics=("web1n0",), over="lan0", files=None):
    host = FakeHost().router()
    for vnic in vnics:
        host.vnic(vnic, over, "web")
    text = config(*nets, owned=False)
    return host.zone("web", "running", text, files)


HAND_MADE = {
    "behind our router": hand_made(
        net("allowed-address=10.9.1.20/24", "physical=web1n0", "defrouter=10.9.1.254")
    ),
    "without a gateway": hand_made(net("allowed-address=10.9.1.20/24", "physical=web1n0")),
    "with another gateway": hand_made(
        net("allowed-address=10.9.1.20/24", "physical=web1n0", "defrouter=10.9.1.7")
    ),
    "set up inside": hand_made(
        net("physical=web1n0"),
        over="igb0",
        files={
            "etc/hostname.web1n0": "192.0.2.160 netmask 255.255.255.0 up\n",
            "etc/defaultrouter": "192.0.2.1\n",
        },
    ),
    "by dhcp": hand_made(
        net("physical=web1n0"),
        over="igb0",
        files={"etc/hostname.web1n0": "", "etc/dhcp.web1n0": ""},
    ),
    "addrconf": hand_made(net("physical=web1n0"), over="igb0", files={"etc/hostname6.web1n0": ""}),
    "without address": hand_made(net("physical=web1n0"), over="igb0"),
    "several": hand_made(
        net("allowed-address=10.9.1.20/24", "physical=net0"),
        net("allowed-address=10.9.1.21/24", "physical=net0"),
        net("physical=web7", 'add property (name=promiscphys,value="on")'),
        vnics=("net0", "web7"),
    ),
    "no network": hand_made(),
    "with files that say what is usual": hand_made(
        net("allowed-address=10.9.1.20/24", "physical=web1n0", "defrouter=10.9.1.254"),
        files={
            "etc/nodename": "web\n",
            "etc/resolv.conf": "domain old.example\nsearch lan.example\nnameserver 10.9.1.254\n",
            "etc/defaultrouter": "10.9.1.254\n",
            "etc/inet/hosts": "10.9.1.9 db\n",
        },
    ),
    "with a domain and no name server": hand_made(
        net("allowed-address=10.9.1.20/24", "physical=web1n0"),
        files={"etc/nodename": "www\n", "etc/resolv.conf": "domain lan.example\n"},
    ),
}


@pytest.mark.parametrize("host", HAND_MADE.values(), ids=HAND_MADE)
def test_an_imported_zone_previews_empty_and_an_update_leaves_its_nics_alone(host):
    state = state_of(host)
    raw = ZONE.spell(state)
    wanted = ZoneInputs.model_validate(raw)
    assert [d.property for d in ZONE.differences(wanted, state)] == []
    raw["autoboot"] = False
    steps = ZONE.plan(ZoneInputs.model_validate(raw), host.snapshot(), OWNER, state).steps
    # The router learns of it, and what is in the zone stays as it is.
    in_the_zone = [say for say in says(steps) if not say.endswith("router zone gw")]
    assert in_the_zone == ["changing the configuration of zone web"]
    text = text_of(steps)
    assert "set autoboot" in text
    assert not any(word in text for word in ("add net", "remove net"))


def test_an_imported_zone_that_has_a_physical_link_to_itself_keeps_it():
    host = FakeHost()
    host.links.append("igb1:phys:1500:")
    files = {"etc/nodename": "web\n", "etc/hostname.igb1": "198.51.100.9/24\n"}
    host.zone("web", "running", config(net("physical=igb1")), files)
    state = state_of(host)
    raw = ZONE.spell(state)
    assert raw["nics"][0] == {
        "link": "igb1",
        "vnic": "igb1",
        "allowedAddress": False,
        "address": "198.51.100.9/24",
    }
    assert ZONE.differences(ZoneInputs.model_validate(raw), state) == []
    assert not any("igb1" in say for say in says(ZONE.plan_delete("web", host.snapshot(), state).steps))


def test_only_bandwidth_and_priority_change_while_the_zone_runs():
    nic = {"router": "gw", "address": "10.9.1.20"}
    for tuned in ({"maxBandwidth": "100M"}, {"priority": "low"}):
        found = differences({"nics": [nic | tuned]}, with_web())
        assert [(d.property, d.change) for d in found] == [("nics", Change.LIVE)]
        steps = plan(ZONE, {"name": "web", "nics": [nic | tuned]}, with_web(), update=True)
        assert not any("shutting down" in say or "booting" in say for say in says(steps))
    for moved in ({"vlanId": 7}, {"mtu": 1400}, {"mac": "2:8:20:0:0:99"}):
        found = differences({"nics": [nic | moved]}, with_web())
        assert [(d.property, d.change) for d in found] == [("nics", Change.REBOOT)]


def test_a_cap_set_by_hand_is_a_difference_and_is_taken_off():
    host = with_web()
    host.properties += ["web_0:maxbw:   50", "web_0:priority:low"]
    assert [d.change for d in differences(WEB, host)] == [Change.LIVE]
    assert "reset-linkprop -p maxbw web_0" in text_of(plan(ZONE, WEB, host, update=True))


def test_a_default_route_removed_by_hand_is_a_difference():
    bare = WEB_CONFIG.replace('set defrouter="10.9.1.254"\n', "")
    assert [d.property for d in differences(WEB, with_web(config=bare))] == ["nics"]


def test_a_vnic_keeps_its_mac_address_when_it_is_made_anew():
    nic = {"etherstub": "lan0", "address": "10.9.1.20/24", "vlanId": 7}
    text = text_of(plan(ZONE, {"name": "web", "nics": [nic]}, with_web(), update=True))
    assert "create-vnic -l lan0 -m 02:08:20:00:00:04 -v 7 web_0" in text


def test_the_order_of_nics_stands_in_the_configuration():
    nics = [{"router": "gw", "address": "10.9.1.22"}, {"link": "igb0", "address": "192.0.2.150"}]
    two = config(
        net("allowed-address=10.9.1.20/24", "physical=web_0", "defrouter=10.9.1.254"),
        net("allowed-address=192.0.2.150/24", "physical=web_1"),
    )
    host = with_web(config=two).vnic("web_1", "igb0", "web")
    text = text_of(plan(ZONE, {"name": "web", "nics": nics}, host, update=True))
    assert text.index("10.9.1.22/24") < text.index('add net\nset physical="web_1"')


@given(st.integers(min_value=1200, max_value=10**8))
def test_a_bandwidth_survives_being_written_and_shown(kilobits):
    bits = parse_bandwidth(f"{kilobits}K")
    assert parse_bandwidth(bits) == parse_bandwidth(format_bandwidth(bits)) == bits
    shown = f"web_0:maxbw:{dladm.shown_bandwidth(bits):>9}"
    links = dladm.parse("web_0:vnic:1500:igb0", "web_0:igb0:2\\:8\\:20\\:0\\:0\\:1:0", shown)
    assert links["web_0"].max_bandwidth == bits


def test_a_dhcp_client_boots_again_when_another_address_is_reserved_for_it():
    reserved = {"etc/dnsmasq.hosts.d/pulumi-web_0": "02:08:20:00:00:04,web,10.9.1.20,infinite\n"}
    host = FakeHost().router(files=reserved)
    host.vnic("web_0", "lan0", "web", ",".join(dladm.DHCP_PROTECTION))
    files = {**WEB_FILES, "etc/hostname.web_0": "", "etc/dhcp.web_0": ""}
    host.zone("web", "running", config(net("physical=web_0")), files)
    nic = {"router": "gw", "dhcp": True, "address": "10.9.1.21"}
    steps = says(plan(ZONE, {"name": "web", "nics": [nic]}, host, update=True))
    asked = [steps.index(say) for say in steps if "reserving 10.9.1.21" in say or "booting" in say]
    assert steps.index("shutting down zone web") < asked[0] < asked[1]
    # What zoneadmd took off the link when it halted the zone is there again when it boots.
    assert steps.index("protecting vnic web_0 for DHCP") < asked[1]


# zap ----------------------------------------------------------------------------------------------

RCONFIG = [
    "rconfig.10.1.2:interface:  zrstub0",
    "rconfig.10.1.2:shared-interface: snic0",
    "rconfig.10.1.2:gateway: 10.1.2.1 ",
    "rconfig.10.1.2:zone: zgw",
    "rconfig.10.1.2:public-ip:  192.0.2.100",
    "rconfig.10.7:zone: nobody",
]
ZGW = "create -b\nset zonepath=/zones/zgw\nset brand=whole-root\nset ip-type=exclusive\n" + "".join(
    net(f"physical=znic{n}") for n in (0, 1)
)


def zap_host():
    host = (
        FakeHost(TRIBBLIX).etherstub("zrstub0").vnic("znic0", "igb0", "zgw").vnic("znic1", "zrstub0", "zgw")
    )
    host.vnic("snic0", "zrstub0")
    host.interfaces.append("snic0:ok")
    host.zap = list(RCONFIG)
    files = {
        "etc/dnsmasq.conf": "conf-dir=/etc/dnsmasq.d\n",
        "etc/dnsmasq.d/db.conf": "dhcp-host=2:8:20:a:b:c,db,10.1.2.9,infinite\n",
    }
    return host.zone("zgw", "running", ZGW, files, brand="whole-root")


def test_a_zone_finds_a_network_that_zap_routes_from_its_address():
    steps = plan(ZONE, {"name": "web", "address": "10.1.2.5"}, zap_host())
    text = text_of(steps)
    assert "creating vnic web_0 over zrstub0" in says(steps)
    assert 'set allowed-address="10.1.2.5/24"\nset defrouter="10.1.2.1"' in text
    reserve = next(s for s in steps if s.say == "reserving 10.1.2.5 for zone web in router zone zgw")
    expected = ("/zones/zgw/root/etc/dnsmasq.d", "pulumi-web_0.conf", "dhcp-host=", "zgw")
    assert reserve.run.argv[-4:] == expected


def test_zap_is_told_how_to_describe_and_destroy_a_zone():
    steps = plan(ZONE, {"name": "web", "address": "10.1.2.5"}, zap_host())
    told = {s.say.rpartition(" ")[2]: s.run.stdin for s in steps if s.say.startswith("telling zap")}
    assert told["zconfig.web"] == (
        "brand: TRIBsparse\nzone: web\nip-type: exclusive\naddress: 10.1.2.5\nparent_zone: zgw\n"
    )
    assert told["destroy.web"] == (
        "#!/bin/sh\n"
        "/usr/bin/rm -f /var/zap/zones/zconfig.web\n"
        "/usr/sbin/dladm delete-vnic web_0\n"
        "/usr/bin/rm -f /zones/zgw/root/etc/dnsmasq.d/pulumi-web_0.conf\n"
        "/usr/sbin/svcadm -z zgw restart svc:/network/dnsmasq:default\n"
    )


def test_an_address_that_zap_gave_away_is_taken():
    with pytest.raises(Refused, match=r"taken by zone db \(reserved in router zone zgw\)"):
        plan(ZONE, {"name": "web", "address": "10.1.2.9"}, zap_host())


@pytest.mark.parametrize("kind", [ZONE, ROUTER])
def test_a_router_that_zap_made_is_not_imported(kind):
    with pytest.raises(Refused, match=r"router that zap made.*with router: zgw"):
        kind.importable("zgw", zap_host().snapshot())


def test_without_zap_there_are_no_records():
    steps = plan(ZONE, WEB, FakeHost(OMNIOS).router())
    assert not any("zap" in say for say in says(steps))


def test_records_that_lack_something_are_left_out():
    found = zap_records.routed(zap_records.parse("\n".join(RCONFIG)))
    assert [(str(r.subnet), r.etherstub, r.shared, r.router) for r in found] == [
        ("10.1.2.0/24", "zrstub0", "snic0", "zgw")
    ]


@pytest.mark.parametrize(
    ("name", "subnet"), [("10", "10.0.0.0/8"), ("10.1", "10.1.0.0/16"), ("10.1.2", "10.1.2.0/24")]
)
def test_a_record_is_read_in_whatever_order_it_stands(name, subnet):
    text = "shared-interface: snic0\n  gateway:   10.0.0.1\nzone: old\nzone: zgw \ninterface: zrstub0\n\n"
    [network] = zap_records.routed({f"rconfig.{name}": text})
    assert (str(network.subnet), network.etherstub, network.shared) == (subnet, "zrstub0", "snic0")
    assert (str(network.gateway), network.router) == ("10.0.0.1", "zgw")


def test_zap_finds_the_switch_before_the_vnic_for_shared_ip_zones():
    gw = {"name": "gw", "publicAddress": "192.0.2.100", "networks": [{"subnet": "10.3.4.0/24"}]}
    told = {
        step.say.rpartition(" ")[2]: step.run.stdin
        for step in plan(ROUTER, gw, FakeHost(TRIBBLIX))
        if step.say.startswith("telling zap")
    }
    keys = [line.split(":")[0] for line in told["rconfig.10.3.4"].splitlines()]
    assert keys == ["interface", "shared-interface", "gateway", "zone", "public-ip"]


@pytest.mark.parametrize(
    ("subnet", "gateway", "name"),
    [
        ("10.0.0.0/8", "10.0.0.1", "10"),
        ("10.1.0.0/16", "10.1.0.1", "10.1"),
        ("10.1.2.0/24", "10.1.2.1", "10.1.2"),
        ("10.1.2.0/26", "10.1.2.1", None),
        ("10.1.2.0/24", "10.1.2.254", None),
    ],
)
def test_zap_knows_networks_of_whole_octets_with_the_router_at_one(subnet, gateway, name):
    assert zap_records.short_name(IPv4Network(subnet), IPv4Address(gateway)) == name


# As hosts print it --------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["02:08:20:0A:B0:0C", "2:8:20:a:b0:c", "02-08-20-0a-b0-0c"])
def test_a_mac_address_has_no_spelling(spelling):
    host = FakeHost().router()
    host.links.append("web_0:vnic:9000:lan0")
    host.vnics.append("web_0:lan0:2\\:8\\:20\\:a\\:b0\\:c:0")
    host.properties += ["web_0:zone:web", "web_0:allowed-ips:10.9.1.20"]
    at = net("allowed-address=10.9.1.20/24", "physical=web_0", "defrouter=10.9.1.254")
    host.zone("web", "running", config(at), WEB_FILES)
    nic = {"router": "gw", "address": "10.9.1.20", "mac": spelling}
    assert differences({"nics": [nic]}, host) == []
    text = text_of(plan(ZONE, {"name": "web", "nics": [nic]}, host, update=True))
    assert "create-vnic" not in text
    assert "delete-vnic" not in text


@pytest.mark.parametrize(
    "raw",
    [
        {"address": "10.9.1.20", "router": "gw"},
        {"nics": [{"etherstub": "lan0", "address": "10.9.1.20"}]},
    ],
)
def test_a_lower_link_that_cannot_be_told_is_not_another_one(raw):
    host = with_web()
    host.links = [line.replace("web_0:vnic:9000:lan0", "web_0:vnic:9000:?") for line in host.links]
    host.vnics = [line.replace("web_0:lan0:", "web_0:?:") for line in host.vnics]
    assert differences(raw, host) == []
    steps = plan(ZONE, {"name": "web", **raw, "autoboot": False}, host, update=True)
    assert not any("vnic" in say or "shutting down" in say for say in says(steps))


FIREWALL = "4402--edge-7.pop3.example.net"


def test_a_zone_with_a_sites_own_name_empty_fields_and_free_properties():
    host = branded("bhyve").vnic("edge7_ext0", "igb0", FIREWALL)
    text = HEAD.replace("BRAND", "bhyve") + "set bootargs=\nset limitpriv=\n"
    extra = [f'add property (name={n},value="{v}")' for n, v in FREE.items()]
    at = net("physical=edge7_ext0", *extra)
    host.zone(FIREWALL, "installed", text + at, brand="bhyve")
    state = ZONE.read("gz", FIREWALL, host.snapshot())
    assert state is not None
    assert (state.bootargs, state.nics[0].properties) == (None, FREE)
    raw = ZONE.spell(state)
    assert not {"bootargs", "limitpriv"} & set(raw)
    assert ZONE.differences(ZoneInputs.model_validate(raw), state) == []
    raw["autoboot"] = False
    steps = ZONE.plan(ZoneInputs.model_validate(raw), host.snapshot(), OWNER, state).steps
    assert "set autoboot" in text_of(steps)
    assert not any(word in text_of(steps) for word in ("select net", "add net", "remove net"))


FREE = {"promiscphys": "on", "allow_ip_spoofing": "true"}


def test_a_dhcp_client_is_protected_again_before_it_boots_and_not_where_ipv6_would_suffer():
    nic = {"link": "igb0", "dhcp": True}
    assert "protecting vnic web_0 for DHCP" in says(fresh(nic))
    assert "protecting vnic web_0 for DHCP" not in says(fresh(nic | {"addrconf": True}))


@pytest.mark.parametrize(
    ("protection", "missing"), [("", ["web_0"]), (",".join(dladm.DHCP_PROTECTION), [])]
)
def test_a_guest_that_rebooted_by_itself_still_asks_for_its_address(protection, missing):
    nic = {"link": "igb0", "dhcp": True}
    made = text_of(plan(ZONE, {"name": "web", "brand": "bhyve", "nics": [nic]}, branded("bhyve")))
    assert 'set name="pulumi-dhcp"\nset type="string"\nset value="web_0"' in made
    notes = "".join(
        f'add attr\nset name="{name}"\nset type="string"\nset value="{value}"\nend\n'
        for name, value in (("pulumi-dhcp", "web_0"), ("resolvers", "192.0.2.53"))
    )
    host = branded("bhyve").vnic("web_0", "igb0", "web", protection)
    host.zone("web", "running", config(net("physical=web_0"), brand="bhyve") + notes, brand="bhyve")
    state = state_of(host)
    assert state.unprotected_links == missing
    assert set(ZONE.spell(state).get("attributes", {})) <= {"resolvers"}
    raw = {"brand": "bhyve", "nics": [nic]}
    assert differences(raw, host) == []
    # The client goes on with the address that it has; to be protected it would have to ask for it again.
    steps = says(plan(ZONE, {"name": "web", **raw}, host, update=True))
    assert not any("protecting" in say or "booting" in say for say in steps)
    assert "pulumi-dhcp" in text_of(
        plan(ZONE, {"name": "web", "brand": "bhyve", "nics": []}, host, update=True)
    )


def test_the_files_of_a_native_zone_say_what_it_asks_for():
    assert "pulumi-dhcp" not in text_of(fresh({"link": "igb0", "dhcp": True}))
    files = {**WEB_FILES, "etc/hostname.web_0": "", "etc/dhcp.web_0": ""}
    host = FakeHost().vnic("web_0", "igb0", "web")
    host.zone("web", "running", config(net("physical=web_0")), files)
    assert state_of(host).unprotected_links == ["web_0"]
    host.zones[-1] = host.zones[-1].replace(":running:", ":installed:")
    assert state_of(host).unprotected_links == []
