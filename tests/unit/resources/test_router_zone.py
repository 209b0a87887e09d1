"""Router zones: what changes in place, what drifts, what is refused, and what the files and rules say."""

import json
import subprocess
from typing import Any

import pytest

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import fragments, records
from pulumi_illumos_provider.model.base import Change
from pulumi_illumos_provider.resources.kind import Owner

from .hosts import OWNER, ROUTER, ROUTER_INPUTS, ZONE, FakeHost, built, plan, says, text_of

LAN: dict[str, Any] = {"subnet": "10.9.1.0/24", "etherstub": "lan0", "address": "10.9.1.254"}
SECOND = {"subnet": "10.20.0.0/26", "address": "10.20.0.62"}
OURS = Owner("urn:pulumi:dev::site::illumos:index:RouterZone::gw")
DNSMASQ = "etc/opt/ooce/dnsmasq/dnsmasq.conf"


def changed(host=None, **more):
    """The steps of an update of the running router."""
    return plan(ROUTER, ROUTER_INPUTS | more, host or FakeHost().router(whole=True), OURS, update=True)


def drift(**more):
    """What is seen of a router on which something was changed by hand."""
    host = FakeHost().router(whole=True, **more)
    state = ROUTER.read("gz", "gw", host.snapshot())
    assert state is not None
    wanted = ROUTER.inputs.model_validate(ROUTER_INPUTS)
    return state.drift, [d.property for d in ROUTER.differences(wanted, state)], host


def configuration(**more):
    """The name server's configuration of a new router."""
    steps = plan(ROUTER, {"name": "gw", "publicAddress": "192.0.2.100", **more}, FakeHost())
    return next(step.run.stdin for step in steps if "dnsmasq.conf" in step.say)


def rules(what, **more):
    """The rules of a new router."""
    steps = plan(ROUTER, {"name": "gw", "publicAddress": "192.0.2.100", **more}, FakeHost())
    return next(step.run.stdin.splitlines() for step in steps if what in step.say)


# Changes in place --------------------------------------------------------------------------------


def test_a_router_that_is_as_wanted_needs_no_step():
    assert changed() == ()


def test_a_network_is_added_while_the_router_runs():
    order = says(changed(networks=[SECOND, LAN]))
    assert not [say for say in order if "shutting" in say or "booting" in say]
    after = (
        "changing the configuration of zone gw",
        "creating etherstub gw_lan1",
        "creating vnic gw_2 over gw_lan1",
        "lending vnic gw_2 to zone gw",
        "giving gw_2 of zone gw the address 10.20.0.62/26",
        "setting the router's rules of address translation in zone gw",
        "changing the configuration of dnsmasq in zone gw",
    )
    assert [order.index(say) for say in after] == sorted(order.index(say) for say in after)
    assert "giving gw_1 of zone gw the address 10.9.1.254/24" not in order


def test_a_network_that_goes_stays_in_the_configuration_until_its_links_are_gone():
    steps = changed(networks=[SECOND])
    order = says(steps)
    first = steps[0].run.stdin
    assert 'add net\nset physical="gw_1"' in first
    assert "subnet=10.9.1.0/24" in first
    last = order.index("removing 10.9.1.0/24 from the configuration of zone gw")
    assert order.index("deleting vnic gw_1") < last
    assert 'remove net physical="gw_1"' in steps[last].run.stdin
    assert "deleting etherstub lan0" not in order, "it is not the router's own"


def test_a_network_with_another_subnet_on_its_etherstub_keeps_its_links():
    order = says(changed(networks=[LAN | {"subnet": "10.9.0.0/23", "address": "10.9.1.254"}]))
    assert "giving gw_1 of zone gw the address 10.9.1.254/23" in order
    assert not [say for say in order if "creating" in say or "deleting" in say]


def test_the_public_address_changes_while_the_router_runs():
    order = says(changed(publicAddress="192.0.2.120", publicAddresses=["192.0.2.121"]))
    assert "giving gw_0 of zone gw the addresses 192.0.2.120/24, 192.0.2.121/24" in order
    assert "booting zone gw" not in order
    assert ROUTER.inputs.change("public_address") is Change.LIVE


def test_another_public_link_needs_a_reboot_and_says_so():
    host = FakeHost().router(whole=True)
    host.links.append("igb1:phys:1500:")
    now = host.snapshot()
    wanted = ROUTER.inputs.model_validate(
        ROUTER_INPUTS | {"publicAddress": "192.0.2.100/24", "publicLink": "igb1"}
    )
    found = ROUTER.plan(wanted, now, OWNER, ROUTER.read("gz", "gw", now))
    assert found.warnings == ("router zone gw will be rebooted",)
    order = says(found.steps)
    assert order.index("shutting down zone gw") < order.index("deleting vnic gw_0")


def test_routes_are_added_and_ours_alone_removed():
    (step,) = [
        s
        for s in changed(routes=[{"destination": "10.50.0.0/16", "gateway": "10.9.1.9"}])
        if "the route" in s.say
    ]
    assert step.run.argv[-3:] == ("-net", "10.50.0.0/16", "10.9.1.9")
    stored = json.loads(built()["etc/pulumi-illumos/router.json"])
    stored["router"]["routes"] = [{"destination": "10.50.0.0/16", "gateway": "10.9.1.9"}]
    files = {
        "etc/pulumi-illumos/router.json": json.dumps(stored, sort_keys=True) + "\n",
        "etc/inet/static_routes": "-net 10.50.0.0/16 10.9.1.9\n-net 10.60.0.0/16 10.9.1.9\n",
    }
    live = {"routes": "default 192.0.2.1 UG\n10.50.0.0 10.9.1.9 UG\n10.60.0.0 10.9.1.9 UG"}
    host = FakeHost().router(whole=True, files=files, live=live)
    assert [s for s in says(changed(host)) if "the route" in s] == [
        "removing the route to 10.50.0.0/16 from zone gw"
    ]


# Drift -------------------------------------------------------------------------------------------


def test_a_router_as_it_was_made_has_no_drift():
    assert drift()[:2] == ([], [])


@pytest.mark.parametrize(
    ("more", "seen", "mended"),
    [
        ({"live": {"forwarding": "off"}}, "forwarding is off", "switching forwarding on again in zone gw"),
        (
            {"live": {"policy": "none"}},
            "IPFilter's policy is none: it does not read the filter's rules",
            "letting IPFilter read the filter's rules in zone gw",
        ),
        (
            {"live": {"addresses": "gw_0/?:192.0.2.100/24"}},
            "gw_1 has other addresses",
            "giving gw_1 of zone gw the address 10.9.1.254/24",
        ),
        ({"live": {"routes": ""}}, "the default route is another", "setting the default route of zone gw"),
        (
            {"files": {DNSMASQ: "port=0\n"}},
            f"/{DNSMASQ} was changed",
            "changing the configuration of dnsmasq in zone gw",
        ),
        (
            {"files": {f"{DNSMASQ}.old": "port=0\n"}},
            f"a change of /{DNSMASQ} was cut off",
            "changing the configuration of dnsmasq in zone gw",
        ),
        (
            {"files": {"etc/ipf/ipf.d/00-router": "pass in from any to any\n"}},
            "/etc/ipf/ipf.d/00-router was changed",
            "setting the router's rules of packet filter in zone gw",
        ),
    ],
)
def test_what_was_changed_by_hand_is_seen_and_mended_in_place(more, seen, mended):
    found, properties, host = drift(**more)
    assert seen in found
    assert properties == ["drift"]
    order = says(changed(host))
    assert mended in order
    assert "shutting down zone gw" not in order


def test_a_zone_without_its_link_gets_it_back():
    host = FakeHost().router(whole=True)
    host.properties = [p.replace("gw_1:zone:gw", "gw_1:zone:") for p in host.properties]
    state = ROUTER.read("gz", "gw", host.snapshot())
    assert state is not None
    assert state.drift == ["the zone does not have its vnic gw_1"]
    assert "lending vnic gw_1 to zone gw" in says(changed(host))


def test_what_an_administrator_wrote_beside_our_rules_is_no_drift():
    text = f"block in from 198.51.100.7 to any\n{built()['etc/ipf/ipf.conf']}"
    assert drift(files={"etc/ipf/ipf.conf": text})[0] == []


def test_rules_that_an_earlier_version_wrote_as_a_whole_make_room_for_fragments():
    old = (
        "map gw_0 10.9.1.0/24 -> 192.0.2.100/32 portmap tcp/udp 10000:32767\n"
        "map gw_0 10.9.1.0/24 -> 192.0.2.100/32\n"
    )
    host = FakeHost().router(files={"etc/ipf/ipnat.conf": old})
    order = says(changed(host))
    first = order.index("making room for the rules of several owners in zone gw")
    assert first < order.index("setting the router's rules of address translation in zone gw")
    theirs = FakeHost().router(
        files={"etc/ipf/ipnat.conf": f"rdr gw_0 0/0 port 1 -> 10.9.1.2 port 1\n{old}"}
    )
    assert not [say for say in says(changed(theirs)) if "making room" in say]


# Refusals and claims -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "path", "reason"),
    [
        ({"publicAddresses": ["192.0.2.11"]}, "publicAddresses[0]", "taken by the host itself"),
        (
            {"routes": [{"destination": "10.5.0.0/16", "gateway": "10.7.0.1"}]},
            "routes[0].gateway",
            "on no network",
        ),
        ({"networks": [LAN | {"mtu": 1500}]}, "networks[0].mtu", "set mtu of the Etherstub"),
        (
            {"name": "gw2", "publicAddress": "192.0.2.101", "networks": [{"subnet": "10.9.0.0/16"}]},
            "networks[0].subnet",
            "overlaps 10.9.1.0/24 of router zone gw",
        ),
        (
            {"name": "gw2", "publicAddress": "203.0.113.9/24", "networks": [{"subnet": "192.0.2.64/26"}]},
            "networks[0].subnet",
            "overlaps 192.0.2.0/24, the public network of router zone gw",
        ),
    ],
)
def test_what_does_not_fit_is_refused(more, path, reason):
    host = FakeHost().router(whole=True)
    with pytest.raises(Refused, match=reason) as refused:
        plan(ROUTER, ROUTER_INPUTS | more, host, update=more.get("name") is None)
    assert refused.value.property == path


def test_a_network_that_serves_zones_is_not_taken_down_and_they_are_named():
    files = {"etc/dnsmasq.hosts.d/pulumi-web_0": "02:08:20:00:00:04,web,10.9.1.20,infinite\n"}
    host = FakeHost().router(whole=True, files=files).zone("web", "running", "create -b\n")
    with pytest.raises(Refused, match=r"10\.9\.1\.0/24 of router zone gw still serves web"):
        changed(host, networks=[SECOND])


def test_a_router_with_rules_of_others_is_not_deleted_and_they_are_named():
    files = {
        "etc/ipf/ipnat.d/50-forward-ssh": "# owner: urn:x\nrdr gw_0 0/0 port 22 -> 10.9.1.2 port 22 tcp\n"
    }
    now = FakeHost().router(whole=True, files=files).snapshot()
    assert fragments.attached_fragments(now.zones["gw"].files)
    with pytest.raises(Refused, match=r"still serves .*ssh"):
        ROUTER.plan_delete("gw", now, ROUTER.read("gz", "gw", now))


def test_what_a_router_has_for_itself_is_claimed():
    def claims(**more):
        return ROUTER.claims(ROUTER.inputs.model_validate(ROUTER_INPUTS | more))

    one = claims(publicAddresses=["192.0.2.101"])
    other = claims(name="gw2", publicAddress="192.0.2.101", networks=[{"subnet": "10.9.0.0/16"}])
    assert {(a.property, b.property) for a in one for b in other if a.conflicts(b)} == {
        ("publicAddresses[0]", "publicAddress"),
        ("networks[0].subnet", "networks[0].subnet"),
    }


def test_further_public_addresses_are_stored_one_by_one():
    steps = plan(ROUTER, ROUTER_INPUTS | {"publicAddresses": ["192.0.2.101"]}, FakeHost().etherstub("lan0"))
    assert 'set name="pulumi-address-0"\nset type="string"\nset value="192.0.2.101/24"' in text_of(steps)
    public = records.Public.decode(
        "link=igb0 vnic=gw_0 address=192.0.2.100/24 gateway=-", ["192.0.2.101/24"]
    )
    assert [str(address) for address in public.addresses] == ["192.0.2.100/24", "192.0.2.101/24"]


# Files and rules ---------------------------------------------------------------------------------


def test_the_filter_lets_in_answers_and_pings_and_what_is_allowed():
    networks = [{"subnet": "10.10.0.0/24"}, {"subnet": "10.20.0.0/24", "isolated": True}]
    firewall = {
        "inbound": [{"port": "22", "source": "198.51.100.0/24"}],
        "rules": [
            {
                "action": "pass",
                "on": "10.20.0.0/24",
                "destination": "10.10.0.5",
                "protocol": "tcp",
                "port": "80-81",
            }
        ],
        "rawRules": ["block out quick from any to 203.0.113.7"],
    }
    assert rules("packet filter", networks=networks, firewall=firewall) == [
        "block in on gw_0 from any to any",
        "pass out quick on gw_0 from any to any keep state keep frags",
        "block in on gw_1 from any to 10.20.0.0/24",
        "block in on gw_2 from any to 10.10.0.0/24",
        "pass in quick on gw_2 proto tcp from any to 10.10.0.5/32 port 79 >< 82 keep state",
        "pass in quick on gw_0 proto icmp from any to any icmp-type echo keep state",
        "pass in quick on gw_0 proto tcp from 198.51.100.0/24 to 192.0.2.100/32 port = 22 keep state",
        "block out quick from any to 203.0.113.7",
    ]


def test_a_routed_network_is_not_translated_and_a_router_without_rules_still_has_a_filter():
    networks = [{"subnet": "10.10.0.0/24", "nat": False}]
    assert rules("address translation", networks=[*networks, {"subnet": "10.20.0.0/24"}]) == [
        "map gw_0 10.20.0.0/24 -> 192.0.2.100/32 portmap tcp/udp 10000:32767",
        "map gw_0 10.20.0.0/24 -> 192.0.2.100/32",
    ]
    off = {"networks": networks, "firewall": {"enabled": False}}
    assert rules("packet filter", **off) == ["pass out from any to any"]


def test_the_name_server_is_told_pools_options_names_and_other_servers():
    text = configuration(
        networks=[
            {
                "subnet": "10.10.0.0/24",
                "domain": "lan.example",
                "dhcpRange": "10.10.0.100-10.10.0.199",
                "dhcpOptions": {"router": "10.10.0.2", "42": "10.10.0.3"},
                "leaseTime": "12h",
                "mtu": 1500,
            },
            {"subnet": "10.20.0.0/26", "dhcp": False},
        ],
        dnsServers=["198.51.100.53"],
        dnsRecords=[{"name": "shop.lan.example", "alias": "web.lan.example"}],
        dnsForward=[{"domain": "corp.example", "servers": ["10.10.0.9"]}],
    )
    lines = text.splitlines()
    for line in (
        "server=198.51.100.53",
        "server=/corp.example/10.10.0.9",
        "local=/lan.example/",
        "cname=shop.lan.example,web.lan.example",
        "host-record=gw.lan.example,gw,10.10.0.1",
        "dhcp-range=set:net0,10.10.0.100,10.10.0.199,255.255.255.0,43200",
        "dhcp-option=tag:net0,option:router,10.10.0.2",
        "dhcp-option=tag:net0,option:mtu,1500",
        "dhcp-option=tag:net0,42,10.10.0.3",
        "domain=lan.example,10.10.0.0/24",
        "no-dhcp-interface=gw_2",
    ):
        assert line in lines


def test_ipv6_is_announced_by_the_systems_daemon():
    networks = [{"subnet": "10.10.0.0/24", "subnet6": "2001:db8:10::/64"}]
    steps = plan(ROUTER, {"name": "gw", "publicAddress": "192.0.2.100", "networks": networks}, FakeHost())
    written = {step.say: step.run.stdin for step in steps}
    assert written["writing /etc/hostname6.gw_1 in zone gw"] == "addif 2001:db8:10::1/64 up\n"
    assert written["writing /etc/inet/ndpd.conf in zone gw"] == (
        "if gw_1 AdvSendAdvertisements on\n"
        "prefix 2001:db8:10::/64 gw_1 AdvOnLinkFlag on AdvAutonomousFlag on\n"
    )
    assert {"enabling ipv6-forwarding in zone gw", "enabling ndp in zone gw"} <= set(says(steps))


def test_ipv6_is_filtered_like_ipv4():
    networks = [
        {"subnet": "10.10.0.0/24", "subnet6": "2001:db8:10::/64"},
        {"subnet": "10.20.0.0/24", "subnet6": "2001:db8:20::/64", "isolated": True},
        {"subnet": "10.30.0.0/24"},
    ]
    apart = [
        "block in on gw_1 from any to 2001:db8:20::/64",
        "block in on gw_2 from any to 2001:db8:10::/64",
        "block in on gw_3 from any to 2001:db8:20::/64",
    ]
    start = ["block in on gw_0 from any to any", "pass out quick on gw_0 from any to any keep state"]
    end = ["pass in quick on gw_0 proto ipv6-icmp from any to any"]
    assert rules("packet filter for IPv6", networks=networks) == [*start, *apart, *end]

    # A rule without addresses holds for both; neighbours go on telling each other of themselves.
    general = {"action": "block", "on": "10.10.0.0/24"}
    only_four = [{**general, "destination": "10.20.0.5"}, {**general, "protocol": "icmp"}]
    found = rules("packet filter for IPv6", networks=networks, firewall={"rules": [general, *only_four]})
    assert found[-2:] == ["block in quick on gw_1 from any to any", *end]
    assert "pass in quick proto ipv6-icmp from any to ff02::/16" in found[:-2]

    with pytest.raises(StopIteration):
        rules("packet filter for IPv6", networks=networks[2:])
    with pytest.raises(StopIteration):
        rules("packet filter for IPv6", networks=networks, firewall={"enabled": False})


def test_announcing_another_prefix_in_a_running_zone_is_one_step():
    (step,) = [s for s in changed(networks=[LAN | {"subnet6": "2001:db8:9::/64"}]) if "advert" in s.say]
    assert step.say == "changing the router advertisements of zone gw"
    assert "prefix 2001:db8:9::/64 gw_1" in step.run.stdin
    # What was cut off between the file and the daemon is seen, and done again.
    found, properties, host = drift(files={"etc/inet/ndpd.conf.old": ""})
    assert found == ["a change of /etc/inet/ndpd.conf was cut off"]
    assert properties == ["drift"]
    assert says(changed(host)) == ["changing the router advertisements of zone gw"]


def test_a_shared_ip_zone_is_named_and_has_no_reservation():
    host = FakeHost().router(whole=True)
    steps = plan(ZONE, {"name": "old", "address": "10.9.1.7", "ipType": "shared"}, host)
    naming = [step for step in steps if "naming" in step.say]
    assert {step.run.stdin for step in naming} == {"10.9.1.7 old\n"}
    assert not [say for say in says(steps) if "reserving" in say]


def test_every_setting_survives_being_written_and_read():
    raw = ROUTER_INPUTS | {
        "networks": [
            LAN | {"nat": False, "isolated": True, "leaseTime": "1d", "dhcpOptions": {"42": "10.9.1.1"}}
        ],
        "routes": [{"destination": "10.50.0.0/16", "gateway": "10.9.1.9"}],
        "firewall": {"inbound": [{"port": "22"}]},
        "dnsRecords": [{"name": "www.example", "address": "10.9.1.20"}],
        "dnsForward": [{"domain": "corp.example", "servers": ["10.9.1.20"]}],
        "packages": ["diagnostic/top"],
    }
    host = FakeHost().router(whole=True)
    stored = next(s.run.stdin for s in plan(ROUTER, raw, host, update=True) if "router.json" in s.say)
    after = FakeHost().router(whole=True, files={"etc/pulumi-illumos/router.json": stored})
    state = ROUTER.read("gz", "gw", after.snapshot())
    wanted = ROUTER.inputs.model_validate(raw)
    assert {d.property for d in ROUTER.differences(wanted, state)} == {"drift"}
    respelled = ROUTER.inputs.model_validate(ROUTER.respell(state, None))
    assert {d.property for d in ROUTER.differences(respelled, state)} == {"drift"}


# What is missing ---------------------------------------------------------------------------------


def test_a_program_that_a_package_manager_did_not_install_is_named_with_its_package(tmp_path):
    raw = {"name": "gw", "publicAddress": "192.0.2.100", "networks": [{"subnet": "10.10.0.0/24"}]}
    (step,) = [s for s in plan(ROUTER, raw, FakeHost()) if "looking for IPFilter and dnsmasq" in s.say]
    shell, option, script, name, _, *packages = step.run.argv

    def look():
        command = [shell, option, script, name, str(tmp_path), *packages]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert "package network/ipfilter is missing in the zone" in look().stderr
    for program in ("usr/sbin/ipnat", "opt/ooce/sbin/dnsmasq"):
        assert look().returncode == 1
        path = tmp_path / program
        path.parent.mkdir(parents=True)
        path.touch(mode=0o755)
    assert look().returncode == 0


def test_the_packages_and_the_devices_are_looked_for_before_the_services_are_enabled():
    raw = {"name": "gw", "publicAddress": "192.0.2.100", "networks": [{"subnet": "10.10.0.0/24"}]}
    order = says(plan(ROUTER, raw, FakeHost()))
    assert (
        order.index("looking for IPFilter and dnsmasq in zone gw")
        < order.index("booting zone gw")
        < order.index("looking for IPFilter's devices in zone gw")
        < order.index("enabling ipfilter in zone gw")
    )


def test_whether_a_package_came_is_asked_of_the_zone():
    raw = ROUTER_INPUTS | {"packages": ["diagnostic/top"]}
    steps = plan(ROUTER, raw, FakeHost().router(whole=True), update=True)
    (step,) = [step for step in steps if step.say == "installing package diagnostic/top in zone gw"]
    assert step.done is not None
    assert step.done.argv[-4:] == ("/usr/bin/pkg", "list", "-Hq", "diagnostic/top")
