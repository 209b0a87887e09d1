"""IPMP: ipadm's subcommands for groups, ifconfig's words, ipmpstat and if_mpadm."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from ipaddress import ip_interface
from pathlib import Path

import pytest

from illumos_lab.linux import LinuxKernel
from illumos_lab.linux.netns import Netns
from illumos_lab.linux.network import BRIDGE_OPTIONS
from tests.lab.fakes import FakeHost, Result, fake_host


def run(host: FakeHost, line: str, privileged: bool = True) -> Result:
    program, *words = line.split()
    return host.run(program, *words, privileged=privileged)


def do(host: FakeHost, *lines: str) -> None:
    for line in lines:
        assert run(host, line) == (0, "", ""), line


def shown(host: FakeHost, *fields: str) -> list[str]:
    return run(host, f"ipadm show-if -p -o {','.join(fields)}").stdout.splitlines()[1:]


def addresses(host: FakeHost) -> list[str]:
    show = "ipadm show-addr -p -o addrobj,type,state,current,addr"
    return [line for line in run(host, show).stdout.splitlines() if not line.startswith("lo0/")]


def carried(host: FakeHost) -> dict[str, str]:
    """The link of each address that is on the machine underneath."""
    found: dict[str, str] = {}
    for method, _, link, address in [call for call in host.kernel.calls if "_address" in call[0]]:
        if method == "add_address":
            found[address] = link
        else:
            del found[address]
    return {address: link for address, link in found.items() if link != "lo0"}


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host whose vnics v0 and v1 are in the group ipmp0."""
    host = fake_host(tmp_path)
    do(host, "dladm create-vnic -l e1000g0 v0", "dladm create-vnic -l e1000g0 v1")
    do(host, "dladm create-vnic -l e1000g0 v2")
    do(host, "ipadm create-ip v0", "ipadm create-ip v1", "ipadm create-ipmp -i v0,v1 ipmp0")
    return host


# Groups ------------------------------------------------------------------------------------------


def test_a_group_and_what_is_below_it_are_listed(host: FakeHost) -> None:
    do(host, "ipadm create-addr -T static -a 192.0.2.30/24 ipmp0/data")
    assert run(host, "ipadm show-if").stdout == (
        "IFNAME     CLASS     STATE    CURRENT      PERSISTENT\n"
        "lo0        VIRTUAL   ok       -m-v------46 ---\n"
        "v0         IP        ok       bm--------46 -46\n"
        "v1         IP        ok       bm--------46 -46\n"
        "ipmp0      IPMP      ok       bm--I-----46 -46\n"
    )
    assert addresses(host) == ["ipmp0/data:static:ok:U----:192.0.2.30/24"]
    assert carried(host) == {"192.0.2.30/24": "v0"}


def test_a_group_without_an_interface_has_failed(host: FakeHost) -> None:
    do(host, "ipadm create-ipmp ipmp1", "ipadm create-addr -T static -a 198.51.100.1/24 ipmp1/d")
    assert shown(host, "ifname", "state", "current")[-1] == "ipmp1:failed:-m--I-----46"
    assert addresses(host) == ["ipmp1/d:static:inaccessible:U----:198.51.100.1/24"]
    assert carried(host) == {}
    assert run(host, "ifconfig ipmp1").stdout == (
        "ipmp1: flags=8011000801<UP,MULTICAST,IPv4,FAILED,IPMP> mtu 68 index 5\n"
        "\tinet 198.51.100.1 netmask ffffff00 \n"
        "\tgroupname ipmp1\n"
    )


def test_an_address_goes_to_another_interface_with_its_routes(host: FakeHost) -> None:
    do(host, "ipadm create-addr -T static -a 192.0.2.30/24 ipmp0/data")
    assert run(host, "route add default 192.0.2.1 -ifp ipmp0").exit == 0
    assert host.kernel.called("add_route")[-1] == ("global", "0.0.0.0/0", "192.0.2.1", "v0")
    do(host, "if_mpadm -d v0")
    assert carried(host) == {"192.0.2.30/24": "v1"}
    assert host.kernel.called("delete_route")[-1] == ("global", "0.0.0.0/0", "192.0.2.1", "v0")
    assert host.kernel.called("add_route")[-1] == ("global", "0.0.0.0/0", "192.0.2.1", "v1")
    assert shown(host, "ifname", "state") == ["v0:offline", "v1:ok", "ipmp0:ok"]
    do(host, "if_mpadm -r v0")
    assert shown(host, "ifname", "state") == ["v0:ok", "v1:ok", "ipmp0:ok"]


def test_addresses_are_spread_over_the_interfaces(host: FakeHost) -> None:
    for number in range(4):
        do(host, f"ipadm create-addr -T static -a 192.0.2.{30 + number}/24 ipmp0/d{number}")
    assert sorted(carried(host).values()) == ["v0", "v0", "v1", "v1"]
    do(host, "ifconfig v1 failed")
    assert set(carried(host).values()) == {"v0"}
    assert shown(host, "ifname", "state") == ["v0:ok", "v1:failed", "ipmp0:ok"]
    do(host, "ifconfig v1 -failed")
    assert sorted(carried(host).values()) == ["v0", "v0", "v1", "v1"]


@pytest.mark.parametrize(
    "line", ["ipadm disable-if -t v0", "ipadm delete-if v0", "ipadm remove-ipmp -i v0 ipmp0"]
)
def test_the_address_stays_when_its_interface_goes(host: FakeHost, line: str) -> None:
    do(host, "ipadm create-addr -T static -a 192.0.2.30/24 ipmp0/data", line)
    assert carried(host) == {"192.0.2.30/24": "v1"}
    assert addresses(host) == ["ipmp0/data:static:ok:U----:192.0.2.30/24"]
    assert run(host, "ipmpstat -g -P -o interfaces").stdout == "v1\n"


def test_a_disabled_interface_joins_again(host: FakeHost) -> None:
    do(host, "ipadm disable-if -t v1", "ipadm enable-if -t v1")
    assert run(host, "ipmpstat -g -P -o interfaces").stdout == "v1 v0\n"


def test_a_group_lasts_over_a_reboot(host: FakeHost) -> None:
    do(
        host,
        "ipadm create-addr -T static -a 192.0.2.30/24 ipmp0/data",
        "ipadm create-addr -T static -a 192.0.2.31/24 v1/test",
        "ipadm set-ifprop -p standby=on -m ip v1",
        "ipadm create-ip v2",
        "ipadm add-ipmp --temporary -i v2 ipmp0",
    )
    before = [line for line in shown(host, "ifname", "class", "state", "current") if "v2" not in line]
    listed = addresses(host)
    host.kernel.calls.clear()
    host.boot_network()
    after = [line for line in shown(host, "ifname", "class", "state", "current") if "v2" not in line]
    assert sorted(after) == sorted(before)
    assert sorted(addresses(host)) == sorted(listed)
    assert carried(host) == {"192.0.2.30/24": "v0", "192.0.2.31/24": "v1"}
    # What was temporary is gone.
    assert run(host, "ipmpstat -g -P -o interfaces").stdout == "v0 (v1)\n"


def test_a_standby_carries_only_in_place_of_another(host: FakeHost) -> None:
    do(host, "ipadm create-addr -T static -a 192.0.2.30/24 ipmp0/data")
    do(host, "ipadm set-ifprop -p standby=on -m ip v0")
    assert carried(host) == {"192.0.2.30/24": "v1"}
    assert shown(host, "ifname", "current", "persistent")[0] == "v0:bm---si---46:s46"
    assert run(host, "ifconfig v0").stdout.splitlines()[0] == (
        "v0: flags=61000843<UP,BROADCAST,RUNNING,MULTICAST,IPv4,STANDBY,INACTIVE> mtu 1500 index 2"
    )
    do(host, "if_mpadm -d v1")
    assert carried(host) == {"192.0.2.30/24": "v0"}
    assert shown(host, "ifname", "current")[0] == "v0:bm---s----46"
    do(host, "ipadm reset-ifprop -p standby -m ip v0")
    assert shown(host, "ifname", "current", "persistent")[0] == "v0:bm--------46:-46"


def test_addresses_below_a_group_are_test_addresses(host: FakeHost) -> None:
    do(
        host,
        "ipadm create-addr -T static -a 192.0.2.31/24 v0/test",
        "ipadm create-addr -T static -a 192.0.2.42/24 v2/kept",
        "ipadm create-addr -t -T static -a 192.0.2.43/24 v2/gone",
        "ipadm add-ipmp -i v2 ipmp0",
    )
    assert addresses(host) == [
        "v0/test:static:ok:U---d:192.0.2.31/24",
        "v2/kept:static:ok:U---d:192.0.2.42/24",
    ]
    assert "DEPRECATED,IPv4,NOFAILOVER>" in run(host, "ifconfig v0").stdout
    do(host, "ipadm remove-ipmp -i v2 ipmp0")
    assert addresses(host)[-1] == "v2/kept:static:ok:U----:192.0.2.42/24"
    do(host, "if_mpadm -d v0")
    assert addresses(host)[0] == "v0/test:static:down:----d:192.0.2.31/24"


def test_properties_tell_the_group(host: FakeHost) -> None:
    show = "ipadm show-ifprop -c -o property,current,persistent -p group,standby"
    assert run(host, f"{show} v0").stdout == "group:ipmp0:ipmp0\nstandby:off:\n"
    do(host, "ipadm create-ip v2", "ipadm set-ifprop -p group=ipmp0 -m ip v2")
    assert run(host, "ipmpstat -g -P -o interfaces").stdout == "v2 v1 v0\n"
    do(host, "ipadm reset-ifprop -p group -m ip v2")
    assert run(host, "ipmpstat -g -P -o interfaces").stdout == "v1 v0\n"
    assert run(host, "ipadm set-ifprop -p group=none0 -m ip v2").stderr == (
        "ipadm: set-ifprop: group: Object not found"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("create-ipmp ipmp0", "Could not create ipmp0 : Interface already exists"),
        ("create-ipmp v0", "Could not create v0 : Interface already exists"),
        ("create-ipmp -i v2 ipmp1", "Cannot add interface 'v2' to IPMP interface 'ipmp1': …"),
        ("add-ipmp -i v2 ipmp0", "Cannot add interface 'v2' to IPMP interface 'ipmp0': …"),
        ("add-ipmp -i v0 ipmp9", "Cannot add interface 'v0' to IPMP interface 'ipmp9': …"),
        (
            "add-ipmp -i v0 ipmp0",
            "Cannot add interface 'v0' to IPMP interface 'ipmp0': Interface already in use",
        ),
        (
            "add-ipmp -i v0 v1",
            "Cannot add interface 'v0' to IPMP interface 'v1': Invalid argument provided",
        ),
        (
            "remove-ipmp -i lo0 ipmp0",
            "Cannot remove interface 'lo0' from IPMP interface 'ipmp0': Invalid argument provided",
        ),
        ("delete-ipmp ipmp0", "Could not delete ipmp0: IPMP group is not empty"),
        ("delete-if ipmp0", "Could not delete ipmp0: IPMP group is not empty"),
        ("disable-if -t ipmp0", "Could not disable ipmp0: IPMP group is not empty"),
        ("delete-ipmp nope0", "Could not delete nope0: Interface does not exist"),
        ("create-ipmp", "Usage: \tcreate-ipmp\t[-t] [-i <interface>"),
        ("add-ipmp ipmp0", "option '-i' requires a value\nusage: \tadd-ipmp\t[-t] -i"),
        ("delete-ipmp -f ipmp0", "unrecognized option '-f'\nusage: \tdelete-ipmp\t<ipmp-interface>"),
    ],
)
def test_what_ipadm_refuses(host: FakeHost, line: str, message: str) -> None:
    result = run(host, f"ipadm {line}")
    assert (result.exit, result.stdout) == (1, "\n")
    text = message.replace("…", "Operation not supported on disabled object")
    assert result.stderr.startswith(f"ipadm: {text}")
    assert run(host, "ipmpstat -g -P -o interfaces").stdout.splitlines()[-1] == "v1 v0"


def test_only_an_empty_group_can_go(host: FakeHost) -> None:
    do(host, "ipadm create-addr -T static -a 192.0.2.30/24 ipmp0/data")
    do(host, "ipadm remove-ipmp -i v0 -i v1 ipmp0", "ipadm delete-ipmp ipmp0")
    assert shown(host, "ifname") == ["v0", "v1"]
    assert carried(host) == {}
    host.boot_network()
    assert shown(host, "ifname") == ["v0", "v1"]
    # Only links are plumbed on the machine.
    assert {link for _, link in host.kernel.called("plumb")} == {"lo0", "v0", "v1"}


def test_a_persistent_group_takes_no_temporary_interface(host: FakeHost) -> None:
    do(host, "ipadm create-ip -t v2")
    refused = run(host, "ipadm add-ipmp -i v2 ipmp0")
    assert refused.stderr.endswith(": Persistent operation on temporary object")
    do(host, "ipadm add-ipmp -t -i v2 ipmp0")


def test_changes_need_the_authorization(host: FakeHost) -> None:
    for line in ("create-ipmp ipmp1", "add-ipmp -i v2 ipmp0", "remove-ipmp -i v0 ipmp0"):
        denied = run(host, f"ipadm {line}", privileged=False)
        assert denied.stderr.endswith(": Insufficient user authorizations"), line
    assert run(host, "if_mpadm -d v0", privileged=False).exit == 1
    assert run(host, "ipmpstat -g", privileged=False).exit == 0


def test_what_joins_a_group_forwards_as_that_does(host: FakeHost) -> None:
    do(host, "ipadm set-ifprop -p forwarding=on -m ipv4 ipmp0")
    assert host.kernel.called("set_forwarding") == [("global", "v0", True), ("global", "v1", True)]
    do(host, "ipadm create-ip v2", "ipadm add-ipmp -i v2 ipmp0")
    assert host.kernel.called("set_forwarding")[-1] == ("global", "v2", True)


# ipmpstat and if_mpadm ---------------------------------------------------------------------------


def test_ipmpstat_shows_groups_interfaces_and_addresses(host: FakeHost) -> None:
    (host.root / "etc/inet/hosts").write_text("192.0.2.30 service\n")
    do(host, "ipadm create-addr -T static -a 192.0.2.30/24 ipmp0/data", "ipadm create-ip v2")
    do(host, "ipadm set-ifprop -p standby=on -m ip v2", "ipadm add-ipmp -i v2 ipmp0", "if_mpadm -d v0")
    assert run(host, "ipmpstat -g").stdout == (
        "GROUP       GROUPNAME   STATE     FDT       INTERFACES\n"
        "ipmp0       ipmp0       degraded  --        v2 v1 [v0]\n"
    )
    assert run(host, "ipmpstat -i").stdout == (
        "INTERFACE   ACTIVE  GROUP       FLAGS     LINK      PROBE     STATE\n"
        "v2          yes     ipmp0       -s-----   up        disabled  ok\n"
        "v1          yes     ipmp0       --mbM--   up        disabled  ok\n"
        "v0          no      ipmp0       -----d-   up        disabled  offline\n"
    )
    assert run(host, "ipmpstat -a").stdout == (
        "ADDRESS                   STATE  GROUP       INBOUND     OUTBOUND\n"
        "::                        down   ipmp0       --          --\n"
        "service                   up     ipmp0       v1          v2 v1\n"
    )
    assert run(host, "ipmpstat -anP -o address,inbound").stdout == "\\:\\::\n192.0.2.30:v1\n"
    do(host, "if_mpadm -r v0")
    assert run(host, "ipmpstat -gP -o state,interfaces").stdout == "ok:v1 v0 (v2)\n"
    assert run(host, "ipmpstat -tP -o interface,mode").stdout == ("v2:disabled\nv1:disabled\nv0:disabled\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ipmpstat", "usage: ipmpstat [-n] [-o <field> [-P]] -a|-g|-i|-p|-t\n"),
        ("ipmpstat -g x", "usage: ipmpstat "),
        ("ipmpstat -ga", "ipmpstat: only one output format may be specified\n"),
        ("ipmpstat -p", "ipmpstat: probe-based failure detection is disabled\n"),
        ("ipmpstat -gP", "ipmpstat: output fields must be specified in parsable mode\n"),
        ("ipmpstat -gP -o x", "ipmpstat: unknown output field: `x'\n"),
        ("if_mpadm", "Usage: if_mpadm [-d | -r] <interface>\n"),
        ("if_mpadm -r v0", "if_mpadm: fatal: interface v0 is not offline\n"),
        (
            "if_mpadm -d nope0",
            "if_mpadm: fatal: cannot get interface flags on nope0: No such device or address\n",
        ),
        (
            "if_mpadm -d ipmp0",
            "if_mpadm: fatal: cannot offline ipmp0: not a physical interface or not in an IPMP group\n",
        ),
    ],
)
def test_what_the_programs_refuse(host: FakeHost, line: str, message: str) -> None:
    result = run(host, line)
    assert (result.exit, result.stdout) == (1, "")
    assert result.stderr.startswith(message)


def test_the_last_interface_of_a_group_stays_in_service(host: FakeHost) -> None:
    do(host, "if_mpadm -d v0")
    assert run(host, "if_mpadm -d v0").stderr == "if_mpadm: fatal: interface v0 is already offline\n"
    assert run(host, "if_mpadm -d v1").stderr == (
        "if_mpadm: fatal: cannot offline v1: no other functioning interfaces are in its IPMP group\n"
    )


# ifconfig ----------------------------------------------------------------------------------------


def test_ifconfig_makes_a_group_with_its_first_interface(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    do(host, "dladm create-vnic -l e1000g0 v0", "ifconfig v0 plumb 192.0.2.30/24 up")
    do(host, "ifconfig v0 group production")
    # The data address has moved, and ipadm does not know what that is.
    assert addresses(host) == ["ipmp0/?:static:ok:U----:192.0.2.30/24"]
    assert carried(host) == {"192.0.2.30/24": "v0"}
    assert run(host, "ifconfig ipmp0").stdout == (
        "ipmp0: flags=8001000843<UP,BROADCAST,RUNNING,MULTICAST,IPv4,IPMP> mtu 1500 index 3\n"
        "\tinet 192.0.2.30 netmask ffffff00 broadcast 192.0.2.255\n"
        "\tgroupname production\n"
    )
    assert "\tgroupname production\n\tether " in run(host, "ifconfig v0").stdout
    assert run(host, "ipmpstat -gP -o group,groupname").stdout == "ipmp0:production\n"
    do(host, "ifconfig v0 -failover 192.0.2.31/24 up")
    assert addresses(host)[0] == "v0/?:static:ok:U---d:192.0.2.31/24"
    assert run(host, "ifconfig ipmp0 unplumb").stderr == (
        "ifconfig: cannot unplumb ipmp0: IPMP group is not empty\n"
    )
    assert host.run("ifconfig", "v0", "group", "") == (0, "", "")
    assert "groupname" not in run(host, "ifconfig v0").stdout
    do(host, "ifconfig ipmp0 unplumb")
    assert carried(host) == {"192.0.2.31/24": "v0"}


def test_ifconfig_keeps_what_dhcp_manages_out_of_groups(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    host.kernel.leases["global", "v0"] = ip_interface("192.0.2.40/24")
    do(host, "dladm create-vnic -l e1000g0 v0", "ifconfig v0 plumb", "ifconfig v0 dhcp start")
    assert run(host, "ifconfig v0 group g").stderr == (
        "ifconfig: cannot join IPMP group: v0 has data addresses managed by dhcpagent(1M)\n"
    )


def test_files_of_ifconfig_make_a_group_at_boot(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    do(host, "dladm create-vnic -l e1000g0 v0", "dladm create-vnic -l e1000g0 v1")
    (host.root / "etc/hostname.ipmp5").write_text("ipmp group prod 192.0.2.30/24 up\n")
    for name in ("v0", "v1"):
        (host.root / f"etc/hostname.{name}").write_text("group prod up\n")
    host.boot_network()
    assert run(host, "ipmpstat -gP -o group,groupname,interfaces").stdout == "ipmp5:prod:v1 v0\n"
    assert carried(host) == {"192.0.2.30/24": "v0"}


# On the wire -------------------------------------------------------------------------------------


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[FakeHost]:
    """A host on a wire whose only other station is 192.0.2.1."""
    wire = Netns.create()
    wire.ip(
        f"link add wire0 type bridge {BRIDGE_OPTIONS}",
        "addr add 192.0.2.1/24 dev wire0",
        "link set wire0 up",
    )
    host = fake_host(tmp_path)
    kernel = LinuxKernel(wire, 13)
    kernel.create_physical("e1000g0", "8:0:27:1:2:3", 1500)
    host.kernel = kernel  # type: ignore[assignment]
    host.boot_network()
    yield host
    kernel.close()
    wire.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces as root")
def test_packets_take_the_interface_that_is_left(wired: FakeHost) -> None:
    do(
        wired,
        "dladm create-vnic -l e1000g0 v0",
        "dladm create-vnic -l e1000g0 v1",
        "ipadm create-ip v0",
        "ipadm create-ip v1",
        "ipadm create-ipmp -i v0,v1 ipmp0",
        "ipadm create-addr -T static -a 192.0.2.30/24 ipmp0/data",
    )
    netns = wired.kernel.netns("global")  # type: ignore[attr-defined]
    ping = ["ping", "-n", "-c", "1", "-W", "2", "192.0.2.1"]
    for line in ("ipadm show-if", "if_mpadm -d v0", "if_mpadm -r v0", "ipadm disable-if -t v1"):
        assert run(wired, line).exit == 0
        assert netns.call(lambda: subprocess.run(ping, capture_output=True)).returncode == 0, line
