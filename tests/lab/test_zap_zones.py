"""zap create-zone and destroy-zone: a router and zones behind it, the records, and what is refused."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from illumos_lab.testing import Host, Lab

OUTSIDE = "http://198.51.100.80/"
RECORDS = "/var/zap/zones"
ROOT = "/export/zones"
ROUTER_DESTROY = f"""\
#!/bin/sh
/bin/rm -f {RECORDS}/zconfig.gw
/usr/sbin/dladm delete-vnic znic0
/usr/sbin/dladm delete-vnic znic1
/usr/sbin/ipadm delete-if snic0
/usr/sbin/dladm delete-vnic snic0
/usr/sbin/dladm delete-etherstub zrstub0
rm {RECORDS}/rconfig.10.1.2
/usr/bin/rm -f {RECORDS}/zonecfg.gw
"""
ROUTER_RC = """\
#!/bin/sh
/usr/sbin/ipadm set-ifprop -t -p forwarding=on -m ipv4 znic0
/usr/sbin/ipadm set-ifprop -t -p forwarding=on -m ipv4 znic1
/usr/sbin/svcadm enable network/ipfilter
/usr/sbin/svcadm enable network/dnsmasq
"""
WEB_ZONECFG = """\
create -t TRIBwhole
set autoboot=true
set zonepath=/export/zones/web
set ip-type=exclusive
add net
set physical=znic2
set allowed-address=10.1.2.10/
set defrouter=10.1.2.1
end
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab.start(profile="tribblix", time_scale=0) as lab:
        # What zap brings once and leaves.
        lab.host.run(
            "zap install TRIBnet-ipfilter && mkdir -p /var/zap/zones /var/zap/cache /zonelib/lib"
        ).check()
        yield lab.host


def _read(host: Host, path: str) -> str:
    return host.run(["/usr/bin/cat", path]).check().stdout


def _eventually(host: Host, command: str, expected: str) -> None:
    deadline = time.monotonic() + 60
    while (got := host.run(command)).stdout != expected:
        assert time.monotonic() < deadline, f"{command}: {got}"
        time.sleep(0.2)


def test_a_router_and_zones_behind_it_live_and_leave_nothing(host: Host) -> None:
    before = host.dump()
    host.ssh("zap create-zone -t router -z gw -x 192.0.2.100 -R 10.1.2.0/24").check()
    host.ssh("zap create-zone -t whole -z web -x 10.1.2.10").check()
    host.ssh("zap create-zone -z shr -i 10.1.2.30").check()

    assert _read(host, f"{RECORDS}/rconfig.10.1.2") == (
        "interface: zrstub0\nshared-interface: snic0\ngateway: 10.1.2.1\n"
        "zone: gw\npublic-ip:  192.0.2.100\n"
    )
    assert _read(host, f"{RECORDS}/zconfig.gw") == (
        "brand: TRIBwhole\nzone: gw\nip-type: exclusive\naddress: 192.0.2.100\n"
    )
    assert _read(host, f"{RECORDS}/zconfig.shr") == (
        "brand: TRIBsparse\nzone: shr\nip-type: shared\naddress: 10.1.2.30\nparent_zone: gw\n"
    )
    assert _read(host, f"{RECORDS}/destroy.gw") == ROUTER_DESTROY
    # The prefix of a zone behind a router is missing: the value that zap looks up has two lines.
    assert _read(host, f"{RECORDS}/zonecfg.web").startswith(WEB_ZONECFG)
    assert _read(host, f"{ROOT}/web/root/etc/hostname.znic2") == "10.1.2.10/\n"
    assert _read(host, f"{ROOT}/gw/root/etc/rc2.d/S83router") == ROUTER_RC
    assert _read(host, f"{ROOT}/gw/root/etc/ipf/ipnat.conf") == (
        "map znic0 10.1.2.0/24 -> 0/32 portmap tcp/udp auto\nmap znic0 10.1.2.0/24 -> 0/32\n"
    )
    mac = host.run("dladm show-vnic -p -o macaddress znic2").check().stdout.strip()
    assert _read(host, f"{ROOT}/gw/root/etc/dnsmasq.d/web.conf") == (
        f"dhcp-host={mac},web,10.1.2.10,infinite\n"
    )

    for service in ("ipfilter", "dnsmasq"):
        _eventually(host, f"svcs -z gw -H -o state network/{service}", "online\n")
    _eventually(host, f"zlogin -n web curl -s -m 5 {OUTSIDE}", "192.0.2.100\n")
    assert host.run("ifconfig snic0:1").stdout.splitlines()[1:2] == ["\tzone shr"]

    refused = host.ssh("zap destroy-zone -z gw")
    assert (refused.status, refused.stdout.splitlines()[2:]) == (1, ["  shr", "  web"])
    for zone in ("web", "shr", "gw"):
        assert host.ssh(f"zap destroy-zone -z {zone}").check().stdout == (
            f"Halted zone {zone}\nUninstalled zone {zone}\nDeleted zone {zone}\n"
            f"Cleaned up after zone {zone}\n"
        )
    assert host.dump() == before


def test_a_zone_gets_what_its_options_ask_for(host: Host) -> None:
    before = host.dump()
    host.run("echo 'ssh-ed25519 AAAA me' > /root/key.pub").check()
    command = "zap create-zone -z app -t whole -x 192.0.2.120 -m 512M -c 1.5 -F maxbw=50 -s /mnt -d /data"
    host.ssh(f"{command} -U jack -k /root/key.pub -O perl").check()
    net = host.run("zonecfg -z app info net").stdout
    assert "\tallowed-address: 192.0.2.120/24\n" in net
    assert "\tdefrouter: 192.0.2.1\n" in net
    assert "\tphysical: 512M\n" in host.run("zonecfg -z app info capped-memory").stdout
    assert "\t[ncpus: 1.50]\n" in host.run("zonecfg -z app info capped-cpu").stdout
    assert host.run("zlogin -n app ls -d /data /mnt /home/jack").stdout == "/data\n/home/jack\n/mnt\n"
    assert host.run("zlogin -n app id -u jack").stdout == "1002\n"
    assert _read(host, f"{ROOT}/app/root/root/.ssh/authorized_keys") == "ssh-ed25519 AAAA me\n"
    assert host.run("flowadm show-flow -p -o flow,link").stdout == "znic0flow:znic0\n"
    assert _read(host, f"{RECORDS}/zconfig.app").splitlines()[-3:] == [
        *("admin_user: jack", "memory: 512M", "cpus: 1.5")
    ]
    host.ssh("zap destroy-zone -z app").check()
    assert host.run("zfs list -H -o name rpool/export/zonedata/app").status == 0
    host.run("rm /root/key.pub; zfs destroy -r rpool/export/zonedata").check()
    after = host.dump()
    # The account's attributes stay, with nothing about the zone.
    assert "app" not in _read(host, "/etc/user_attr")
    assert {**after, "files": {}} == {**before, "files": {}}


def test_zones_in_a_row_count_names_and_addresses_up(host: Host) -> None:
    made = host.ssh("zap create-zone -n 2 -z row -x 192.0.2.130").check()
    assert made.stdout.splitlines()[0] == "Creating zone row1"
    assert "address: 192.0.2.131\n" in _read(host, f"{RECORDS}/zconfig.row2")
    listed = host.ssh("zap list-zones").check()
    assert {"NAME", "row1", "row2"} <= {line.split()[1] for line in listed.stdout.splitlines()}
    assert "Zone row1 is running\n" in host.ssh("zap describe-zone row1").check().stdout
    for zone in ("row1", "row2"):
        host.ssh(f"zap destroy-zone -z {zone}").check()


def test_a_step_that_fails_is_told_and_the_rest_goes_on(host: Host) -> None:
    before = host.dump()
    host.fault("zoneadm -z bad install", status=1, stderr="no space\n")
    done = host.ssh("zap create-zone -z bad -x 192.0.2.140")
    host.clear_faults()
    assert done.status == 0
    assert "no space\n" in done.stderr
    assert host.run("zoneadm -z bad list -p").stdout.split(":")[2] == "configured"
    host.ssh("zap destroy-zone -z bad").check()
    assert host.dump() == before


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ("", 2, "ERROR: zone name must be specified"),
        ("-z global", 1, "ERROR: the name global is reserved"),
        ("-z r -t router -x 192.0.2.9", 2, "ERROR: Must specify a network with -R for a router zone"),
        ("-z r -t router -R 10.1.2.0/24", 2, "ERROR: router zones require a primary interface"),
        (
            "-z r -t router -x 1.2.3.4 -R 10.1.2.0/24 -o base",
            2,
            "ERROR: cannot specify overlays for",
        ),
        ("-z r -t router -x 1.2.3.4 -R 10.1.2.0/20", 2, "Invalid proxy prefix /20\n"),
        (
            "-z r -t router -x 1.2.3.4 -R 10.1.2.0/16",
            2,
            "Invalid proxy network 10.1.2.0/16\n  third",
        ),
        ("-z r -t router -x 1.2.3.4 -R 224.0.0.0/8", 2, "Invalid proxy network 224.0.0.0/8\n  first octet"),
        ("-z r -x 1.2.3.4 -i 1.2.3.5", 2, "ERROR: cannot specify both -i and -x"),
        ("-z r -x 1.2.3.4 -x 1.2.3.4", 2, "ERROR: duplicate ip(s) 1.2.3.4 \n"),
        ("-z r -o base", 2, "ERROR: cannot specify overlays for sparse-root zones"),
        ("-z r -t whole -o perl", 1, "ERROR: overlay perl is not installed in the global zone"),
        ("-z r -t whole -O nosuch", 1, "ERROR: unrecognized overlay nosuch"),
        ("-z r -t whole -p nosuch", 1, "ERROR: unrecognized package nosuch"),
        ("-z r -m 512", 2, "ERROR: -m must be in G or M or T"),
        ("-z r -m 8T", 2, "ERROR: -m request exceeds available memory 7257.6M"),
        ("-z r -c 3", 2, "ERROR: -c request exceeds available cpus 2"),
        ("-z r -U who", 1, "ERROR: user who doesn't exist, cannot share"),
        ("-z r -S /none", 1, "ERROR: shared directory /none not found"),
        ("-z r -D rpool", 1, "ERROR: dataset cannot be a top-level pool"),
        ("-z r -n 9 -i 192.0.2.250", 2, "ERROR: that many zones won't fit after 192.0.2.250"),
        ("-z r -t bhyve", 2, "ERROR: bhyve not found\n  To install, zap install-overlay bhyve"),
        ("-z r -t lx", 2, "ERROR: lx zones are only supported on omnitribblix"),
        ("-z r -T none", 1, "ERROR: no such template none"),
        ("-z r -t what", 2, "ERROR: unrecognized brand what"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_happens(
    host: Host, arguments: str, status: int, text: str
) -> None:
    host.journal(clear=True)
    refused = host.run(f"zap create-zone {arguments}")
    assert (refused.status, refused.stderr) == (status, "")
    assert refused.stdout.startswith(text)
    programs = {entry["argv"][0] for entry in host.journal()["commands"]}
    assert programs <= {"/usr/bin/zap", "/usr/sbin/zoneadm"}


@pytest.mark.parametrize("option", ["-6", "-B", "-K x=y", "-t appstack"])
def test_what_the_lab_does_not_play_is_refused(host: Host, option: str) -> None:
    refused = host.run(f"zap create-zone -z r {option}")
    assert (refused.status, refused.stdout) == (1, "")
    assert re.search(r"not emulated by illumos-lab\n$", refused.stderr)


def test_networks_that_overlap_enclosing_ones_are_refused(host: Host) -> None:
    record = "interface: zrstub0\nzone: other\n"
    host.run(f"cat > {RECORDS}/rconfig.10.7", input=record).check()
    refused = host.run("zap create-zone -z r -t router -x 192.0.2.9 -R 10.7.3.0/24")
    host.run(f"rm {RECORDS}/rconfig.10.7").check()
    assert (refused.status, refused.stdout) == (
        2,
        "ERROR: parent network 10.7.0.0/16 for 10.7.3.0/24 is already in use by zone other\n",
    )


def test_only_the_global_zone_has_zones(host: Host) -> None:
    assert host.run("zap destroy-zone -z global").stdout == "ERROR: unable to delete the global zone\n"
    assert host.run("zap destroy-zone").status == 2
    assert host.run("zap destroy-zone -z none").check().stdout == "ERROR: No such zone none\n"
