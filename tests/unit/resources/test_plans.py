"""Plans: what is done from what is there, in which order, and what is refused."""

import pytest

from pulumi_illumos_provider.errors import Refused

from .hosts import (
    ETHERSTUB,
    GW_CONFIG,
    OTHER,
    OWNER,
    ROUTER,
    ROUTER_INPUTS,
    TRIBBLIX,
    ZONE,
    FakeHost,
    plan,
    says,
    text_of,
)

WEB_CONFIG = f"""\
create -b
set zonepath=/zones/web
set brand=lipkg
set autoboot=true
set ip-type=exclusive
add net
set allowed-address="10.9.1.20/24"
set physical="web_0"
set defrouter="10.9.1.254"
end
add attr
set name="pulumi-owner"
set type="string"
set value="{OWNER.urn}"
end
"""
WEB_FILES = {"etc/nodename": "web\n", "etc/resolv.conf": "nameserver 10.9.1.254\n"}
WEB = {"name": "web", "address": "10.9.1.20"}
RESERVED = {
    "etc/dnsmasq.hosts.d/pulumi-web_0": "02:08:20:00:00:04,web,10.9.1.20,infinite\n",
    "etc/dnsmasq.names.d/web": "10.9.1.20 web\n",
}


def with_web(state="running", config=WEB_CONFIG, reserved=True):
    host = FakeHost().router(files=RESERVED if reserved else {})
    host.vnic("web_0", "lan0", "web", "ip-nospoof", "10.9.1.20")
    return host.zone("web", state, config, WEB_FILES)


# Etherstub ---------------------------------------------------------------------------------------


def test_an_etherstub_is_recorded_as_ours_before_it_is_made():
    assert says(plan(ETHERSTUB, {"name": "lan0"}, FakeHost())) == [
        "recording the owner of etherstub lan0",
        "creating etherstub lan0",
    ]


def test_an_etherstub_of_somebody_else_is_refused_with_the_import_command():
    with pytest.raises(Refused, match="pulumi import illumos:index:Etherstub NAME HOST/lan0"):
        plan(ETHERSTUB, {"name": "lan0"}, FakeHost().etherstub("lan0"))


def test_a_cut_off_create_of_an_etherstub_is_finished():
    host = FakeHost().etherstub("lan0", OWNER.urn)
    assert says(plan(ETHERSTUB, {"name": "lan0", "mtu": 1500}, host)) == [
        "setting the MTU of etherstub lan0 to 1500"
    ]


def test_an_etherstub_that_carries_vnics_is_not_deleted_and_they_are_named():
    host = FakeHost().etherstub("lan0").vnic("web1n0", "lan0", "web1").vnic("probe0", "lan0")
    now = host.snapshot()
    with pytest.raises(Refused, match=r"lan0 still carries probe0 \(no zone\), web1n0 \(zone web1\)"):
        ETHERSTUB.plan_delete("lan0", now, ETHERSTUB.read("gz", "lan0", now))


# Zone --------------------------------------------------------------------------------------------


def test_a_zone_is_found_its_network_from_its_address_alone():
    steps = plan(ZONE, WEB, FakeHost().router())
    assert says(steps) == [
        "naming zone web in router zone gw",
        "seeing that 10.9.1.20 is free on lan0",
        "configuring zone web",
        "creating vnic web_0 over lan0",
        "installing zone web",
        "writing /etc/nodename in zone web",
        "writing /etc/resolv.conf in zone web",
        "letting zone web use DNS",
        "reserving 10.9.1.20 for zone web in router zone gw",
        "naming zone web in router zone gw",
        "telling the DHCP server of router zone gw",
        "booting zone web",
        "waiting for zone web to be up",
    ]
    text = text_of(steps)
    assert 'set allowed-address="10.9.1.20/24"\nset defrouter="10.9.1.254"' in text
    assert "nameserver 10.9.1.254" in text


def test_a_zone_on_the_hosts_own_network_goes_to_the_physical_link():
    steps = plan(ZONE, {"name": "web", "address": "192.0.2.150"}, FakeHost())
    assert "creating vnic web_0 over igb0" in says(steps)
    assert 'set defrouter="192.0.2.1"' in text_of(steps)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.9.1.254", "taken by router zone gw"),
        ("10.9.1.0", "network address"),
        ("10.9.1.255", "broadcast"),
        ("10.9.2.5", "no network on the host"),
        ("10.9.1.20/16", "another prefix"),
        ("192.0.2.11", "taken by the host itself"),
        ("192.0.2.1", "gateway"),
        ("192.0.2.100", "taken by router zone gw"),
    ],
)
def test_an_address_that_cannot_work_is_refused(address, reason):
    with pytest.raises(Refused, match=reason) as refused:
        plan(ZONE, {"name": "web", "address": address}, FakeHost().router())
    assert refused.value.property == "address"


def test_an_address_that_another_zone_has_is_refused():
    with pytest.raises(Refused, match=r"10\.9\.1\.20 is taken by zone web"):
        plan(ZONE, {"name": "web2", "address": "10.9.1.20"}, with_web(), OTHER)


def test_the_first_host_address_is_free_when_the_router_has_another():
    plan(ZONE, {"name": "web", "address": "10.9.1.1"}, FakeHost().router())


def test_a_dhcp_zone_gets_protection_that_lets_dhcp_pass_and_no_allowed_address():
    nics = [{"router": "gz/gw", "dhcp": True, "address": "10.9.1.30"}]
    steps = plan(ZONE, {"name": "app", "nics": nics}, FakeHost().router())
    text = text_of(steps)
    assert "protection=mac-nospoof,ip-nospoof,dhcp-nospoof app_0" in text
    assert "allowed-address" not in text
    assert "reserving 10.9.1.30 for zone app in router zone gw" in says(steps)


def test_a_dhcp_zone_that_names_no_address_keeps_the_one_reserved_for_it():
    reserved = {"etc/dnsmasq.hosts.d/pulumi-app_0": "02:08:20:00:00:09,app,10.9.1.77,infinite\n"}
    host = FakeHost().router(files=reserved)
    steps = plan(ZONE, {"name": "app", "nics": [{"router": "gw", "dhcp": True}]}, host)
    assert "reserving 10.9.1.77 for zone app in router zone gw" in says(steps)


def test_a_shared_ip_zone_uses_the_shared_vnic_of_the_network():
    steps = plan(ZONE, WEB | {"ipType": "shared"}, FakeHost().router())
    text = text_of(steps)
    assert 'set physical="gw_s0"\nset address="10.9.1.20/24"' in text
    assert not any("vnic" in say for say in says(steps))


def test_a_zone_that_is_as_wanted_needs_no_step():
    assert says(plan(ZONE, WEB, with_web(), update=True)) == []


def test_caps_are_written_exactly():
    text = text_of(plan(ZONE, WEB | {"cpus": 0.29, "swap": "64M", "memory": "12800M"}, FakeHost().router()))
    assert 'set name="zone.cpu-cap"\nadd value (priv=privileged,limit=29,action=deny)' in text
    assert f'set name="zone.max-swap"\nadd value (priv=privileged,limit={64 * 2**20},action=deny)' in text
    assert f"limit={12800 * 2**20}" in text


def test_changing_a_cap_needs_no_reboot_and_touches_nothing_else():
    steps = plan(ZONE, WEB | {"cpus": 1.5}, with_web(), update=True)
    assert says(steps) == [
        "changing the configuration of zone web",
        "setting zone.cpu-cap of the running zone web to 150",
    ]


def test_changing_the_boot_arguments_reboots_the_zone_and_touches_nothing_else():
    steps = plan(ZONE, WEB | {"bootargs": "-v"}, with_web(), update=True)
    assert says(steps) == [
        "changing the configuration of zone web",
        "shutting down zone web",
        "booting zone web",
        "waiting for zone web to be up",
    ]


def test_changing_autoboot_or_an_attribute_needs_no_reboot():
    changed = WEB | {"autoboot": False, "attributes": {"note": "it's 2 o'clock; $HOME"}}
    steps = plan(ZONE, changed, with_web(), update=True)
    assert says(steps) == ["changing the configuration of zone web"]
    assert "set value=\"it's 2 o'clock; $HOME\"" in steps[0].run.stdin


def test_an_update_keeps_what_the_model_does_not_know():
    config = WEB_CONFIG.replace(
        'set defrouter="10.9.1.254"\n',
        'set defrouter="10.9.1.254"\nadd property (name=promiscphys,value="on")\n',
    )
    steps = plan(ZONE, WEB | {"autoboot": False}, with_web(config=config), update=True)
    assert "net" not in steps[0].run.stdin


def test_a_foreign_zone_is_never_touched():
    with pytest.raises(Refused, match="exists already; it belongs to urn"):
        plan(ZONE, WEB, with_web(), OTHER)


def test_an_incomplete_zone_of_ours_is_cleared_and_installed_again():
    host = FakeHost().router().vnic("web_0", "lan0").zone("web", "incomplete", WEB_CONFIG)
    steps = says(plan(ZONE, WEB, host))
    assert steps[0] == "uninstalling zone web"
    assert "installing zone web" in steps


def test_an_incomplete_zone_of_somebody_else_is_left_alone():
    host = FakeHost().router().zone("web", "incomplete", WEB_CONFIG)
    with pytest.raises(Refused, match="incomplete"):
        plan(ZONE, WEB, host, OTHER)


def test_a_halted_zone_is_wanted_halted():
    assert says(plan(ZONE, WEB | {"state": "halted"}, with_web(), update=True)) == [
        "shutting down zone web"
    ]


def test_a_brand_that_the_host_lacks_is_refused_with_those_it_has():
    with pytest.raises(Refused, match=r"brand sparce is not installed .* ipkg, lipkg, sparse"):
        plan(ZONE, WEB | {"brand": "sparce"}, FakeHost().router())


def test_deleting_a_zone_names_everything_until_the_end():
    now = with_web().snapshot()
    steps = ZONE.plan_delete("web", now, ZONE.read("gz", "web", now)).steps
    assert says(steps) == [
        "shutting down zone web",
        "uninstalling zone web",
        "looking for what is left of zone web",
        "deleting vnic web_0",
        "releasing 10.9.1.20 of zone web in router zone gw",
        "forgetting the name of zone web in router zone gw",
        "telling the DHCP server of router zone gw",
        "deleting the configuration of zone web",
    ]


def test_deleting_a_zone_that_is_gone_removes_what_is_left_of_it():
    state = ZONE.read("gz", "web", with_web().snapshot())
    now = FakeHost().router(files=RESERVED).vnic("web_0", "lan0").snapshot()
    assert says(ZONE.plan_delete("web", now, state).steps) == [
        "deleting vnic web_0",
        "releasing 10.9.1.20 of zone web in router zone gw",
        "forgetting the name of zone web in router zone gw",
        "telling the DHCP server of router zone gw",
    ]
    assert ZONE.plan_delete("web", FakeHost().snapshot(), state).steps == ()


def test_a_link_of_the_same_name_that_another_zone_uses_is_not_deleted():
    state = ZONE.read("gz", "web", with_web().snapshot())
    now = FakeHost().router().vnic("web_0", "lan0", "beta").snapshot()
    assert says(ZONE.plan_delete("web", now, state).steps) == []


# RouterZone --------------------------------------------------------------------------------------


def test_a_router_zone_needs_a_name_a_public_address_and_a_subnet():
    raw = {"name": "gw", "publicAddress": "192.0.2.100", "networks": [{"subnet": "10.9.1.0/24"}]}
    steps = plan(ROUTER, raw, FakeHost())
    assert says(steps) == [
        "configuring zone gw",
        "recording the owner of etherstub gw_lan0",
        "creating etherstub gw_lan0",
        "creating vnic gw_0 over igb0",
        "creating vnic gw_1 over gw_lan0",
        "creating vnic gw_s0 over gw_lan0",
        "plumbing gw_s0 for shared-ip zones",
        "installing zone gw",
        "looking for IPFilter and dnsmasq in zone gw",
        "preparing the directories of dnsmasq in zone gw",
        "letting zone gw use DNS",
        "writing /etc/nodename in zone gw",
        "writing /etc/resolv.conf in zone gw",
        "writing /etc/hostname.gw_0 in zone gw",
        "writing /etc/defaultrouter in zone gw",
        "writing /etc/dnsmasq.records.d/router in zone gw",
        "writing /etc/hostname.gw_1 in zone gw",
        "writing /etc/opt/ooce/dnsmasq/dnsmasq.conf in zone gw",
        "setting the router's rules of address translation in zone gw",
        "setting the router's rules of packet filter in zone gw",
        "booting zone gw",
        "waiting for zone gw to be up",
        "looking for IPFilter's devices in zone gw",
        "letting IPFilter read the filter's rules in zone gw",
        "enabling forwarding in zone gw",
        "enabling ipfilter in zone gw",
        "enabling dnsmasq in zone gw",
        "writing /etc/pulumi-illumos/router.json in zone gw",
    ]
    text = text_of(steps)
    assert "map gw_0 10.9.1.0/24 -> 192.0.2.100/32 portmap tcp/udp 10000:32767\n" in text
    assert "interface=gw_1" in text
    assert "interface=gw_0" not in text
    assert "dhcp-broadcast" in text


def test_a_router_has_neither_allowed_address_nor_protection_on_any_vnic():
    text = text_of(plan(ROUTER, ROUTER_INPUTS, FakeHost().etherstub("lan0")))
    assert "allowed-address" not in text
    assert "protection" not in text


def test_protection_switched_on_by_hand_is_a_difference_and_is_taken_off():
    host = FakeHost().router(whole=True)
    host.properties = [p.replace("gw_1:protection:", "gw_1:protection:ip-nospoof") for p in host.properties]
    state = ROUTER.read("gz", "gw", host.snapshot())
    wanted = ROUTER.inputs.model_validate(ROUTER_INPUTS)
    assert [d.property for d in ROUTER.differences(wanted, state)] == ["linkProtection"]
    steps = plan(ROUTER, ROUTER_INPUTS, host, update=True)
    assert "taking link protection off vnic gw_1" in says(steps)


def test_on_tribblix_the_zone_comes_from_its_template_and_the_packages_from_zap():
    host = FakeHost(TRIBBLIX)
    raw = {"name": "gw", "publicAddress": "192.0.2.100", "networks": [{"subnet": "10.9.1.0/24"}]}
    text = text_of(plan(ROUTER, raw, host))
    assert "create -t TRIBwhole\n" in text
    assert "install -o base -P TRIBnet-ipfilter -P TRIBdnsmasq" in text
    assert 'set zonepath="/export/zones/gw"' in text


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"publicAddress": "192.0.2.11"}, "publicAddress", "taken by the host itself"),
        ({"publicAddress": "192.0.2.1"}, "publicAddress", "gateway"),
        ({"publicAddress": "203.0.113.9"}, "publicAddress", "prefix length"),
        ({"publicLink": "igb7"}, "publicLink", "no link igb7"),
        ({"gateway": "203.0.113.1"}, "gateway", "must be another address of 192.0.2.0/24"),
        (
            {"networks": [{"subnet": "10.9.1.0/24", "etherstub": "lan9"}]},
            "networks[0].etherstub",
            "no etherstub",
        ),
        ({"networks": [{"subnet": "192.0.2.128/25"}]}, "networks[0].subnet", "overlaps"),
        ({"brand": "lx"}, "brand", "not installed"),
        ({"zonepath": "/data/gw"}, "zonepath", "ZFS dataset"),
    ],
)
def test_what_the_host_does_not_allow_is_refused_with_the_property(change, path, reason):
    with pytest.raises(Refused, match=reason) as refused:
        plan(ROUTER, ROUTER_INPUTS | change, FakeHost().etherstub("lan0"))
    assert refused.value.property == path


def test_a_second_router_cannot_have_the_same_addresses():
    raw = {"name": "gw2", "publicAddress": "192.0.2.101", "networks": [{"subnet": "10.9.0.0/16"}]}
    with pytest.raises(Refused, match=r"10\.9\.0\.0/16 overlaps 10\.9\.1\.0/24 of router zone gw"):
        plan(ROUTER, raw, FakeHost().router(), OTHER)


def test_a_router_that_still_serves_zones_is_not_deleted():
    now = with_web().snapshot()
    with pytest.raises(Refused, match="router zone gw still serves web"):
        ROUTER.plan_delete("gw", now, ROUTER.read("gz", "gw", now))


def test_deleting_a_router_removes_its_shared_vnic_and_leaves_a_foreign_etherstub():
    now = FakeHost().router().snapshot()
    said = says(ROUTER.plan_delete("gw", now, ROUTER.read("gz", "gw", now)).steps)
    assert "unplumbing gw_s0" in said
    assert "deleting vnic gw_s0" in said
    assert not any("etherstub" in say for say in said)
    assert said[-1] == "deleting the configuration of zone gw"


def test_a_missing_ipfilter_package_is_installed_in_the_global_zone_first():
    host = FakeHost()
    now = host.snapshot()
    object.__setattr__(now, "ipfilter_installed", False)
    wanted = ROUTER.inputs.model_validate(
        {"name": "gw", "publicAddress": "192.0.2.100", "networks": [{"subnet": "10.9.1.0/24"}]}
    )
    steps = ROUTER.plan(wanted, now, OWNER, None).steps
    assert says(steps)[0] == "installing package network/ipfilter in the global zone"


def test_the_routers_own_configuration_is_understood():
    now = FakeHost().router().snapshot()
    state = ROUTER.read("gz", "gw", now)
    assert state is not None
    assert "pulumi-network-0" in GW_CONFIG
    assert str(state.networks[0].address) == "10.9.1.254"
    assert state.services == {"forwarding": "online", "ipfilter": "online", "dnsmasq": "online"}
