"""Bad input is refused with the property's path and a remedy; all of it at once."""

import re

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
    ({"globalZone": "yes"}, "globalZone", "boolean"),
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
    *(
        ({"networks": [{"subnet": "10.10.0.0/24"} | raw]}, f"networks[0].{path}", words)
        for raw, path, words in (
            ({"nat": "no"}, "nat", "boolean"),
            ({"isolated": 1}, "isolated", "boolean"),
            ({"mtu": 9001}, "mtu", "9000"),
            ({"dhcpRange": "10.10.0.9"}, "dhcpRange", "not a range"),
            ({"dhcpRange": "10.10.0.9-10.10.0.5"}, "dhcpRange", "smaller address first"),
            ({"dhcpRange": "10.10.0.9-10.10.1.5"}, "dhcpRange", "outside 10.10.0.0/24"),
            ({"dhcpRange": "10.10.0.1-10.10.0.5"}, "dhcpRange", "router's own address"),
            ({"dhcpRange": "10.10.0.2-10.10.0.5", "dhcp": False}, "dhcpRange", "without dhcp"),
            ({"dhcpOptions": {"NTP": "10.10.0.1"}}, "dhcpOptions", "not a DHCP option"),
            ({"leaseTime": "soon"}, "leaseTime", "lease time"),
            ({"leaseTime": "90s"}, "leaseTime", "two minutes"),
            ({"subnet6": "2001:db8::/48"}, "subnet6", "/64"),
            ({"subnet6": "2001:db8::/64", "mtu": 1000}, "mtu", "1280"),
        )
    ),
    ({"publicAddresses": ["192.0.2.300"]}, "publicAddresses[0]", "IPv4 address"),
    ({"publicAddresses": ["192.0.2.100"]}, "publicAddresses[0]", "already"),
    *(
        ({"routes": [{"destination": to, "gateway": via}]}, f"routes[0].{path}", words)
        for to, via, path, words in (
            ("10.5.0.1/16", "10.10.0.9", "destination", "network"),
            ("0.0.0.0/0", "10.10.0.9", "destination", "gateway"),
            ("10.10.0.9", "10.10.0.9", "destination", "no route"),
            ("10.5.0.0/16", "10.10.0.1", "gateway", "itself"),
        )
    ),
    ({"firewall": {"inbound": [{"port": 0}]}}, "firewall.inbound[0].port", "1 to 65535"),
    ({"firewall": {"inbound": [{"port": "9-8"}]}}, "firewall.inbound[0].port", "smaller port first"),
    ({"firewall": {"inbound": [{"port": 8, "protocol": "icmp"}]}}, "firewall.inbound[0].port", "icmp"),
    ({"firewall": {"rules": [{"action": "deny"}]}}, "firewall.rules[0].action", "block"),
    ({"firewall": {"rules": [{"action": "block", "port": 80}]}}, "firewall.rules[0].port", "tcp or udp"),
    ({"firewall": {"rules": [{"action": "block", "on": "lan"}]}}, "firewall.rules[0].on", "10.10.0.0/24"),
    ({"firewall": {"rawRules": ["drop everything"]}}, "firewall.rawRules[0]", "ipf(5)"),
    ({"dnsRecords": [{"name": "a.example"}]}, "dnsRecords[0]", "an address or an alias"),
    ({"dnsForward": [{"domain": "a.example", "servers": []}]}, "dnsForward[0].servers", "at least 1"),
    ({"packages": ["a b"]}, "packages[0]", "package"),
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

CONFIGURATION_FAULTS = [
    ({"bootargs": " "}, "bootargs", "not empty"),
    ({"bootargs": 'a "b"'}, "bootargs", "double quote"),
    ({"bootargs": "x" * 256}, "bootargs", "at most 255"),
    ({"limitpriv": ["Default"]}, "limitpriv", "not a privilege"),
    ({"pool": "SUNWpool"}, "pool", "reserved"),
    ({"pool": "p", "dedicatedCpus": {"count": 2}}, "pool", "excludes dedicatedCpus"),
    ({"schedulingClass": "TS", "cpuShares": 5}, "schedulingClass", "must be FSS"),
    ({"fsAllowed": ["nfs,"]}, "fsAllowed", "not a type"),
    ({"hostid": "FFFFFFFF"}, "hostid", "not a host id"),
    ({"hostid": "1234567890"}, "hostid", "not a host id"),
    ({"securityFlags": {"default": ["default"]}}, "securityFlags.default", "cannot be used"),
    ({"admins": [{"user": "al", "auths": ["own"]}]}, "admins[0].auths", "not one of login"),
    (
        {"admins": [{"user": "al", "auths": ["login"]}, {"user": "al", "auths": ["manage"]}]},
        "admins[1].user",
        "named twice",
    ),
    ({"cpuShares": 0}, "cpuShares", "1"),
    ({"dedicatedCpus": {"count": "4-1"}}, "dedicatedCpus.count", "range"),
    ({"cpus": 1, "dedicatedCpus": {"count": 2}}, "cpus", "excludes dedicatedCpus"),
    ({"memory": "1G", "lockedMemory": "2G"}, "lockedMemory", "more than memory"),
    ({"maxLwps": 10}, "maxLwps", "100"),
    ({"maxProcesses": 10}, "maxProcesses", "100"),
    ({"maxShmMemory": "x"}, "maxShmMemory", "not a size"),
    ({"maxShmIds": -1}, "maxShmIds", "0"),
    ({"maxMsgIds": "5"}, "maxMsgIds", "integer"),
    ({"maxSemIds": 1.5}, "maxSemIds", "integer"),
    (
        {"resourceControls": [{"name": "zone.cpu-cap", "limit": 5}]},
        "resourceControls[0].name",
        "use cpus",
    ),
    ({"resourceControls": [{"name": "max-lofi", "limit": 5}]}, "resourceControls[0].name", "pattern"),
    ({"filesystems": [{"dir": "data", "special": "/x"}]}, "filesystems[0].dir", "absolute"),
    ({"filesystems": [{"dir": "/data", "special": "x"}]}, "filesystems[0].special", "absolute"),
    (
        {"filesystems": [{"dir": "/data", "special": "/x"}, {"dir": "/data/", "special": "/y"}]},
        "filesystems[1].dir",
        "already",
    ),
    (
        {"filesystems": [{"dir": "/data", "special": "h:/x", "type": "nfs"}]},
        "filesystems[0].type",
        "cannot be mounted",
    ),
    (
        {"filesystems": [{"dir": "/data", "special": "/x", "options": ["ro,nosuid"]}]},
        "filesystems[0].options[0]",
        "one of them",
    ),
    ({"datasets": [{"name": "/rpool/x"}]}, "datasets[0].name", "leading slash"),
    ({"datasets": [{"name": "rpool"}]}, "datasets[0].name", "below a pool"),
    (
        {"datasets": [{"name": "rpool/x", "properties": {"quota": "1G"}}]},
        "datasets[0].properties",
        "create",
    ),
    ({"devices": ["zvol/x"]}, "devices[0]", "below /dev"),
]

INSTALLATION_FAULTS: list[tuple[dict[str, object], str, str]] = [
    ({"install": {"package": ["nano"]}}, "install.package", "did you mean packages"),
    ({"install": {"packages": ["two words"]}}, "install.packages[0]", "cannot be given to zoneadm"),
    ({"install": {"image": "/a", "clone": "gold"}}, "install.clone", "excludes image"),
    ({"install": {"publishers": {"a b": "https://x"}}}, "install.publishers", "name of a publisher"),
    ({"install": {"attach": "force"}}, "zonepath", "install.attach"),
    ({"vm": {"ram": "1000"}}, "vm.ram", "mebibytes"),
    ({"vm": {"vcpus": 0}}, "vm.vcpus", "virtual CPUs"),
    ({"vm": {"bootdisk": {"dataset": "no pool"}}}, "vm.bootdisk.dataset", "dataset"),
    ({"vm": {"extra": ['-s "0"']}}, "vm.extra[0]", "double quote"),
    ({"guestPassword": ""}, "guestPassword", "at least 1"),
    ({"userData": ""}, "userData", "at least 1"),
    ({"guestPassword": "x", "userData": "y"}, "guestPassword", "userData"),
    ({"kernelVersion": ""}, "kernelVersion", "255 characters"),
    ({"rootPasswordHash": "a\nb"}, "rootPasswordHash", "line break"),
    ({"waitFor": "login"}, "waitFor", "multiUser"),
    ({"waitTimeout": 0}, "waitTimeout", "greater than or equal to 1"),
    ({"waitFor": "none", "waitTimeout": 5}, "waitTimeout", "nothing to wait for"),
    ({"rebootPolicy": "sometimes"}, "rebootPolicy", "never"),
    ({"shutdownTimeout": 0}, "shutdownTimeout", "greater than or equal to 1"),
    ({"retainData": "yes"}, "retainData", "boolean"),
]

FILE = {"path": "/etc/motd", "content": "x"}
INSIDE_FAULTS = [
    ({"timezone": "../UTC"}, "timezone", "Europe/Zurich"),
    ({"dnsDomain": "a b"}, "dnsDomain", "not a domain name"),
    ({"dnsSearch": ["a b"]}, "dnsSearch[0]", "not a domain name"),
    ({"dnsSearch": ["a.example"], "dnsDomain": "b.example"}, "dnsSearch", "goes without dnsDomain"),
    ({"firstBootScript": ""}, "firstBootScript", "at least 1"),
    ({"hosts": [{"address": "10.0.0.300", "names": ["a"]}]}, "hosts[0].address", "not an IP address"),
    ({"hosts": [{"address": "10.0.0.3", "names": []}]}, "hosts[0].names", "at least 1"),
    ({"hosts": [{"address": "::1", "names": ["a b"]}]}, "hosts[0].names[0]", "not a host name"),
    ({"files": [{**FILE, "path": "etc/motd"}]}, "files[0].path", "absolute"),
    ({"files": [{**FILE, "path": "/etc/../root/x"}]}, "files[0].path", "a part . or .."),
    ({"files": [{**FILE, "path": "/etc/a\tb"}]}, "files[0].path", "do not show"),
    ({"files": [FILE, {**FILE, "path": "/etc//motd"}]}, "files[1].path", "already"),
    ({"files": [{**FILE, "path": "/etc/passwd"}]}, "files[0].path", "users"),
    ({"files": [{**FILE, "mode": "888"}]}, "files[0].mode", "octal"),
    ({"files": [{**FILE, "mode": 644}]}, "files[0].mode", "in quotes"),
    ({"files": [{**FILE, "owner": "a:b"}]}, "files[0].owner", "name or the number"),
    ({"users": [{"name": "Web"}]}, "users[0].name", "lower-case"),
    ({"users": [{"name": "root"}]}, "users[0].name", "sshAuthorizedKeys"),
    ({"users": [{"name": "a"}, {"name": "a"}]}, "users[1].name", "already"),
    ({"users": [{"name": "a", "uid": 500}, {"name": "b", "uid": 500}]}, "users[1].uid", "already"),
    ({"users": [{"name": "a", "uid": 5}]}, "users[0].uid", "greater than or equal to 100"),
    ({"users": [{"name": "a", "comment": "a:b"}]}, "users[0].comment", "without colon"),
    ({"users": [{"name": "a", "passwordHash": "a\nb"}]}, "users[0].passwordHash", "without colon"),
    ({"users": [{"name": "a", "profiles": ["a,b"]}]}, "users[0].profiles[0]", "profile"),
]

NIC_FAULTS = [
    ({}, "nics[0]", "exactly one of link, etherstub, router and globalNic"),
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


@pytest.mark.parametrize(
    ("raw", "path", "words"), ZONE_FAULTS + CONFIGURATION_FAULTS + INSTALLATION_FAULTS + INSIDE_FAULTS
)
def test_a_wrong_zone_property_is_named_with_its_rule(raw, path, words):
    inputs = {k: v for k, v in (ZONE | raw).items() if v is not None}
    assert words in failures(ZoneInputs, inputs)[path]


@pytest.mark.parametrize(("nic", "path", "words"), NIC_FAULTS)
def test_a_wrong_nic_property_is_named_with_its_rule(nic, path, words):
    assert words in failures(ZoneInputs, {"nics": [nic]})[path]


def test_every_property_of_every_resource_has_a_fault_in_these_tables():
    faulted: dict[type[Inputs], set[str]] = {
        EtherstubInputs: {re.split(r"[.[]", path)[0] for _, path, _ in ETHERSTUB_FAULTS},
        RouterZoneInputs: {re.split(r"[.[]", path)[0] for _, path, _ in ROUTER_FAULTS},
        ZoneInputs: {
            re.split(r"[.[]", path)[0]
            for _, path, _ in ZONE_FAULTS + CONFIGURATION_FAULTS + INSTALLATION_FAULTS + INSIDE_FAULTS
        }
        | {"nics"},
    }
    # A router zone has some properties of a zone; they are in the zone's tables.
    faulted[RouterZoneInputs] |= faulted[ZoneInputs]
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
