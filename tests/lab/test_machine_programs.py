"""Programs by which tools find out what machine they are on, and what runs there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from illumos_lab.testing import Host, Lab

TTYMON = "/usr/lib/saf/ttymon -g -d /dev/console -l console -m ldterm,ttcompat -h -p"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab.start(time_scale=0) as lab:
        host = lab.host
        host.run(
            "zonecfg -z web1 'create -b; set brand=lipkg; set zonepath=/zones/web1; set ip-type=exclusive'"
        ).check()
        host.run("zoneadm -z web1 install && zoneadm -z web1 boot").check()
        host.run("svcadm -z web1 enable -s svc:/system/console-login:default").check()
        yield host


# ps ----------------------------------------------------------------------------------------------


def test_ps_sees_the_processes_of_a_zone(host: Host) -> None:
    lines = host.run("ps -z web1 -o args").check().stdout.splitlines()

    assert lines == ["COMMAND", f"{TTYMON} web1 console login:"[:80]]


def test_ps_sets_numbers_and_zones_to_the_right_and_commands_to_the_left(host: Host) -> None:
    lines = host.run("ps -e -o pid,zone,user,fname,args").check().stdout.splitlines()

    assert lines[0] == "  PID     ZONE     USER COMMAND  COMMAND"
    assert lines[1] == "    1   global     root init     /sbin/init"
    assert any(
        re.fullmatch(r" *\d+     web1     root ttymon   /usr/lib/saf/ttymon .*", line) for line in lines
    )


def test_ps_headers_may_be_renamed_or_left_out(host: Host) -> None:
    assert host.run("ps -p 1 -o pid=NUMBER").check().stdout == "NUMBER\n     1\n"
    assert host.run("ps -p 1 -o pid= -o comm=").check().stdout == "    1 /sbin/init\n"


def test_ps_in_a_zone_sees_that_zone_only(host: Host) -> None:
    lines = host.run("zlogin web1 ps -e -o zone,fname").check().stdout.splitlines()

    assert {line.split()[0] for line in lines[1:]} == {"web1"}
    assert any(line.endswith(" init") for line in lines)


def test_ps_full_listing(host: Host) -> None:
    lines = host.run("ps -ef").check().stdout.splitlines()

    assert lines[0] == "     UID   PID  PPID   C    STIME TTY         TIME CMD"
    assert re.fullmatch(r"    root     1     0   0 \d\d:\d\d:\d\d \?           0:00 /sbin/init", lines[1])
    assert lines[-1].endswith(" /usr/bin/ps -ef")


@pytest.mark.parametrize(
    ("command", "first"),
    [
        ("ps -o colour", "ps: unknown output format: -o colour"),
        ("ps -z nowhere", "ps: unknown zone nowhere"),
        ("ps -x", "ps: illegal option -- x"),
        ("ps -o", "ps: option requires an argument -- o"),
        ("ps aux", "ps: options without a dash are not emulated by illumos-lab"),
        ("ps -eL", "ps: option -L is not emulated by illumos-lab"),
    ],
)
def test_ps_complains(host: Host, command: str, first: str) -> None:
    result = host.run(command)

    assert (result.status, result.stdout) == (1, "")
    assert result.stderr.splitlines()[0] == first


def test_ps_finds_nothing(host: Host) -> None:
    result = host.run("ps -p 99999")

    assert (result.status, result.stdout) == (1, "   PID TTY         TIME CMD\n")


# kstat -------------------------------------------------------------------------------------------


def test_kstat_for_programs(host: Host) -> None:
    assert host.run("kstat -p unix:0:system_misc:ncpus").check().stdout == "unix:0:system_misc:ncpus\t2\n"
    assert host.run("kstat -C -m unix -s ncpus").check().stdout == "unix:0:system_misc:ncpus:2\n"
    assert host.run("kstat -l cpu_info:::/_id$/").check().stdout.splitlines() == [
        f"cpu_info:{number}:cpu_info{number}:{name}"
        for number in (0, 1)
        for name in ("cache_id", "chip_id", "core_id", "vendor_id")
    ]


def test_kstat_for_people(host: Host) -> None:
    text = host.run("kstat -n cpu_info1 -s 'c*_id'").check().stdout

    assert text == (
        "module: cpu_info                        instance: 1     \n"
        "name:   cpu_info1                       class:    misc\n"
        "\tcache_id                        0\n"
        "\tchip_id                         0\n"
        "\tcore_id                         1\n"
        "\n"
    )


def test_kstat_tells_by_its_status_whether_anything_matched(host: Host) -> None:
    assert host.run("kstat -q unix:::").status == 0
    assert host.run("kstat -p nothing:::") == host.run("kstat -q nothing:::")
    assert host.run("kstat -q nothing:::").status == 1
    assert host.run("kstat -p -m unix unix:0::").status == 2


# The rest ----------------------------------------------------------------------------------------


def test_swap(host: Host) -> None:
    words = host.run("swap -s").check().stdout.split()

    assert words[::2] == ["total:", "bytes", "+", "reserved", "327680k", "9109504k"]
    assert (
        host.run("swap -l")
        .check()
        .stdout.startswith("swapfile             dev    swaplo   blocks     free\n")
    )
    assert host.run("swap -q").status == 2


def test_bin_is_another_name_of_usr_bin(host: Host) -> None:
    assert host.run("PATH=/bin; svcs -H -o state ssh; /bin/hostid").check().stdout == "online\n00a1b2c3\n"


def test_the_policy_names_what_everybody_may_do(host: Host) -> None:
    line = host.run("grep PROFS_GRANTED= /etc/security/policy.conf").check().stdout
    assert line == "PROFS_GRANTED=Basic Solaris User\n"


def test_getconf(host: Host) -> None:
    assert host.run("getconf NPROCESSORS_ONLN; getconf PAGESIZE").check().stdout == "2\n4096\n"
    assert host.run("cd /var; getconf NAME_MAX tmp").check().stdout == "255\n"
    assert host.run("getconf NAME_MAX /nowhere") == host.run("printf /nowhere; exit 1")
    assert host.run("getconf COLOURS").stderr == "getconf: Invalid argument (COLOURS)\n"
    assert [host.run(f"getconf {words}").status for words in ("", "NAME_MAX", "PAGESIZE /")] == [2, 2, 2]


def test_pagesize(host: Host) -> None:
    assert host.run("pagesize; pagesize -a").check().stdout == "4096\n4096\n2097152\n"
    assert host.run("pagesize -b").status == 1


def test_domainname(host: Host) -> None:
    assert host.run("domainname").check().stdout == "\n"
    host.run("echo example.com > /etc/defaultdomain").check()
    assert host.run("domainname; rm /etc/defaultdomain").check().stdout == "example.com\n"


def test_dispadmin(host: Host) -> None:
    unset = host.run("dispadmin -d")
    assert (unset.status, unset.stderr) == (1, "dispadmin: Default scheduling class is not set\n")
    wrong = host.run("dispadmin -d SLOW")
    assert (wrong.status, wrong.stderr) == (1, "dispadmin: Invalid or unconfigured class SLOW\n")
    assert host.run("dispadmin -d FSS && dispadmin -d").check().stdout == "FSS\t(Fair Share)\n"
    assert host.run("grep -v '#' /etc/dispadmin.conf").check().stdout == "DEFAULT_SCHEDULER=FSS\n"


def test_bhyvectl_ends_virtual_machines(host: Host) -> None:
    host.run(
        "zonecfg -z vm1 'create -b; set brand=bhyve; set zonepath=/zones/vm1; set ip-type=exclusive'"
    ).check()
    gone = host.run("bhyvectl --vm=vm1 --force-poweroff")
    assert (gone.status, gone.stderr) == (1, "VM:vm1 is not created.\n")
    host.run("zoneadm -z vm1 install && zoneadm -z vm1 boot").check()
    host.run("bhyvectl --vm=vm1 --force-reset").check()
    assert host.run("zoneadm -z vm1 list -p").check().stdout.split(":")[2] == "running"
    host.run("bhyvectl --force-poweroff --vm vm1").check()
    assert host.run("zoneadm -z vm1 list -p").check().stdout.split(":")[2] == "installed"
    assert host.run("bhyvectl --vm=web1 --force-poweroff").stderr == "VM:web1 is not created.\n"
    assert host.run("bhyvectl --force-poweroff").stderr.startswith("Usage: bhyvectl --vm=<vmname>\n")


def test_the_firmware_that_a_virtual_machine_may_name(host: Host) -> None:
    names = host.run("cd /usr/share/bhyve/firmware && ls BHYVE_RELEASE*.fd && readlink BHYVE.fd").check()
    assert names.stdout.split() == ["BHYVE_RELEASE.fd", "BHYVE_RELEASE_CSM.fd", "BHYVE_RELEASE.fd"]


def test_python_is_that_of_illumos(host: Host) -> None:
    code = "import os, platform, sys; print(sys.platform, *platform.uname()[:3], os.uname().machine)"

    assert host.run(["/usr/bin/python3", "-c", code]).check().stdout == "sunos5 SunOS gz1 5.11 i86pc\n"
    code = "import platform; print(platform.node())"
    assert host.run(f"zlogin web1 \"/usr/bin/python3 -c '{code}'\"").check().stdout == "web1\n"


def test_a_package_goes_with_all_that_it_brought(host: Host) -> None:
    before = host.dump()
    host.run("pkg install -q dnsmasq").check()
    assert host.run("svcs -H -o state dns/dnsmasq").check().stdout == "disabled\n"

    host.run("svcadm enable dns/dnsmasq").check()
    text = host.run("pkg uninstall dnsmasq").check().stdout

    assert text.startswith("            Packages to remove:  1\n")
    assert host.run("svcs dns/dnsmasq").status == 1
    assert host.dump() == before
    assert host.run("pkg uninstall -q dnsmasq").status == 1
