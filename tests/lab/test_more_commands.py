"""prctl, rcapadm, getent and what tells of the machine; what zones get mounted; moved and cloned zones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from illumos_lab.commands.prctl import scaled
from illumos_lab.profile import OMNIOS, OPENINDIANA, SMARTOS
from illumos_lab.testing import Lab
from tests.lab.fakes import fake_host
from tests.lab.fakes_zones import configure, zone_host

ON_LINUX = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces as root")
PRCTL = "/usr/bin/prctl"
HEADING = "NAME    PRIVILEGE       VALUE    FLAG   ACTION                       RECIPIENT\n"


@pytest.fixture
def host(tmp_path: Path) -> Any:
    """A host whose zone ``web`` runs with caps of processor and memory."""
    made = zone_host(tmp_path)
    caps = ("add capped-cpu", "set ncpus=3.5", "end", "add capped-memory", "set physical=512M", "end")
    configure(made, "web", *caps)
    assert made.run("zoneadm", "-z", "web", "install", "-s").exit in (0, 1)
    assert made.run("zoneadm", "-z", "web", "boot") == (0, "", "")
    return made


def prctl(host: Any, *argv: str, **options: Any) -> Any:
    return host.run(PRCTL, *argv, **options)


def limit(host: Any, name: str = "zone.cpu-cap") -> str:
    shown = prctl(host, "-P", "-n", name, "-t", "privileged", "-i", "zone", "web").stdout
    return str(shown.splitlines()[-1].split()[2])


# prctl -------------------------------------------------------------------------------------------


def test_a_cap_of_a_running_zone_is_shown(host: Any) -> None:
    assert prctl(host, "-n", "zone.cpu-cap", "-i", "zone", "web") == (
        0,
        "zone: 1: web\n" + HEADING + "zone.cpu-cap\n"
        "        usage               0    \n"
        "        privileged        350       -   deny                                 -\n"
        "        system          4.29G     inf   deny                                 -\n",
        "",
    )
    assert prctl(host, "-P", "-n", "zone.max-physical-memory", "-i", "zone", "1") == (
        0,
        "zone: 1: web\n"
        "zone.max-physical-memory usage 0 - - -\n"
        "zone.max-physical-memory privileged 536870912 - deny -\n"
        "zone.max-physical-memory system 18446744073709551615 max deny -\n",
        "",
    )


def test_without_a_name_all_are_listed(host: Any) -> None:
    shown = prctl(host, "-i", "zone", "web").stdout
    names = [line for line in shown.splitlines() if line.startswith("zone.")]
    assert names[-2:] == ["zone.cpu-cap", "zone.cpu-shares"]
    assert "zone.max-physical-memory" in names
    assert "        privileged          1       -   none                                 -\n" in shown


def test_a_change_lasts_until_the_zone_reboots(host: Any) -> None:
    assert prctl(host, "-n", "zone.cpu-cap", "-v", "100", "-r", "-i", "zone", "web") == (0, "", "")
    assert limit(host) == "100"
    assert "limit=350" in host.run("zonecfg", "-z", "web", "info", "rctl").stdout
    assert host.run("zoneadm", "-z", "web", "reboot").exit == 0
    assert limit(host) == "350"


def test_values_can_be_added_deleted_and_given_actions(host: Any) -> None:
    lwps = ("-n", "zone.max-lwps", "-i", "zone", "web")
    assert prctl(host, "-t", "priv", "-s", "-v", "1K", "-e", "deny", *lwps) == (0, "", "")
    assert prctl(host, "-t", "priv", "-e", "signal=term", "-v", "1000", *lwps) == (0, "", "")
    assert "privileged      1.00K       -   deny,signal=TERM" in prctl(host, *lwps).stdout
    assert prctl(host, "-t", "priv", "-d", "all", "-v", "1000", *lwps) == (0, "", "")
    assert "privileged      1.00K       -   none" in prctl(host, *lwps).stdout
    assert prctl(host, "-t", "priv", "-x", *lwps) == (0, "", "")
    assert "privileged" not in prctl(host, *lwps).stdout
    again = prctl(host, "-t", "priv", "-x", *lwps)
    assert (again.exit, again.stderr.splitlines()[1]) == (
        1, "prctl: no matching resource control found for deletion",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "no arguments specified"),
        (["-i", "house", "x"], "unknown idtype house"),
        (["-t", "king", "x"], "unknown privilege king"),
        (["-v", "1", "x"], "-n is required with -s, -r, -x, -e, or -d"),
        (["-n", "zone.cpu-cap", "-r", "x"], "option -r requires use of option -v"),
        (["-n", "zone.cpu-cap", "-s", "-x", "x"], "options -s, -r, and -x are exclusive"),
        (["-n", "zone.cpu-cap", "-e", "deny", "-d", "deny", "x"], "options -d and -e are exclusive"),
        (
            ["-P", "-n", "zone.cpu-cap", "-r", "-v", "1", "x"],
            "-P not valid when manipulating resource control values",
        ),
        (["-n", "zone.cpu-cap", "-r", "-v", "much", "x"], "invalid -v value much"),
        (
            ["-n", "zone.max-msg-ids", "-r", "-v", "1G", "x"],
            "-v value 1G exceeds system limit for resource control: zone.max-msg-ids",
        ),
        (["-n", "zone.cpu-cap", "-t", "system", "-r", "-v", "1", "x"], "cannot modify system values"),
        (
            ["-n", "zone.cpu-cap", "-v", "1", "-i", "zone", "x"],
            "-p pid required when setting or replacing task or project rctl",
        ),
        (
            ["-n", "zone.cpu-shares", "-e", "deny", "-i", "zone", "x"],
            "unable to enable deny on rctl with global flag 'no-deny'",
        ),
        (["-p", "7", "x"], "-p pid requires -s, -r, -x, -e, or -d"),
    ],
)  # fmt: skip
def test_wrong_calls_show_the_usage(host: Any, argv: list[str], message: str) -> None:
    result = prctl(host, *argv)
    assert (result.exit, result.stdout) == (2, "")
    assert result.stderr.startswith(f"prctl: {message}\nusage:\n")


def test_what_prctl_cannot_reach(host: Any) -> None:
    assert prctl(host, "-i", "zone", "nowhere") == (1, "", "prctl: nowhere: unknown zone\n")
    nobody = "No controllable process found in task, project, or zone.\n"
    assert prctl(host, "-i", "zone", "web", privileged=False) == (1, "", f"prctl: web: {nobody}")
    assert prctl(host, "1") == (1, "", "prctl: -i process: not emulated by the lab\n")
    inside = prctl(host, "-n", "zone.cpu-cap", "-r", "-v", "5", "-i", "zone", "web", zone="web")
    assert (inside.exit, "Not owner" in inside.stderr) == (1, True)
    assert limit(host) == "350"


@pytest.mark.parametrize(
    ("number", "in_bytes", "text"),
    [
        (999, False, "999"),
        (1024, False, "1.02K"),
        (65535, False, "65.5K"),
        (16777216, False, "16.8M"),
        (4294967295, False, "4.29G"),
        (2**64 - 1, False, "18.4E"),
        (2**64 - 1, True, "16.0E"),
        (512 * 2**20, True, "512M"),
        (1023, True, "1023"),
    ],
)
def test_numbers_are_scaled(number: int, in_bytes: bool, text: str) -> None:
    assert scaled(number, in_bytes) == text


# Machine and databases ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["/usr/bin/isainfo"], (0, "amd64 i386\n", "")),
        (["/usr/bin/isainfo", "-k"], (0, "amd64\n", "")),
        (["/usr/bin/isainfo", "-b"], (0, "64\n", "")),
        (["/usr/bin/isainfo", "-kv"], (0, "64-bit amd64 kernel modules\n", "")),
        (["/usr/bin/isainfo", "-n", "-b"], (1, "", "usage: isainfo [ -v ] [ -b | -n | -k | -x ]\n")),
        (["/usr/sbin/psrinfo", "-p"], (0, "1\n", "")),
        (["/usr/sbin/psrinfo", "-s", "1"], (0, "1\n", "")),
        (["/usr/sbin/psrinfo", "-t"], (0, "2\n", "")),
        (["/usr/sbin/psrinfo", "-t", "-S", "on-line"], (0, "2\n", "")),
        (["/usr/sbin/psrinfo", "-t", "-S", "off-line"], (0, "0\n", "")),
        (["/usr/sbin/psrinfo", "9"], (2, "", "psrinfo: processor 9: No such device or address\n")),
        (["/usr/sbin/prtconf", "-m"], (0, "8192\n", "")),
        (["/usr/sbin/tzreload"], (0, "", "")),
        (["/usr/sbin/tzreload", "-x"], (1, "", "Usage: tzreload [-a]\n")),
        (["/usr/sbin/prtconf", "-D"], (1, "", "prtconf: -D: not emulated by the lab\n")),
    ],
)
def test_what_tells_of_the_machine(tmp_path: Path, argv: list[str], expected: tuple[int, str, str]) -> None:
    assert fake_host(tmp_path).run(argv[0], *argv[1:]) == expected


def test_the_processors_are_listed_in_full(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    lines = host.run("/usr/sbin/psrinfo").stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [["0", "on-line", "since"], ["1", "on-line", "since"]]
    assert "Memory size: 8192 Megabytes\n" in host.run("/usr/sbin/prtconf").stdout
    assert host.run("/usr/sbin/psrinfo", "-pv").stdout.startswith(
        "The physical processor has 2 virtual processors (0-1)\n"
    )


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["passwd", "root"], (0, "root:x:0:0:Super-User:/root:/usr/bin/bash\n", "")),
        (["passwd", "0"], (0, "root:x:0:0:Super-User:/root:/usr/bin/bash\n", "")),
        (["passwd", "nobody"], (2, "", "")),
        (["group", "10"], (0, "staff::10:\n", "")),
        (["services", "www"], (0, "http\t80/tcp www\n", "")),
        (["services", "53/udp"], (0, "domain\t53/udp\n", "")),
        (["hosts", "gw"], (0, "10.0.0.1\tgateway gw\n", "")),
        (["hosts", "10.0.0.1", "none"], (2, "10.0.0.1\tgateway gw\n", "")),
        (["hosts"], (0, "10.0.0.1\tgateway gw\n", "")),
        (["fish"], (1, "", "Unknown database: fish\nusage: getent database [ key ... ]\n")),
        ([], (1, "", "usage: getent database [ key ... ]\n")),
    ],
)
def test_getent_reads_the_files(tmp_path: Path, argv: list[str], expected: tuple[int, str, str]) -> None:
    host = fake_host(tmp_path)
    host.path("global", "/etc/group").write_text("root::0:\nstaff::10:\n")
    host.path("global", "/etc/services").write_text(
        "# names\ndomain 53/tcp\ndomain 53/udp\nhttp 80/tcp www # web\n"
    )
    host.path("global", "/etc/inet/hosts").write_text("10.0.0.1 gateway gw\n")
    assert host.run("/usr/bin/getent", *argv) == expected


# Zones -------------------------------------------------------------------------------------------


def test_the_memory_cap_of_upstream_is_rcapds(tmp_path: Path) -> None:
    host = zone_host(tmp_path, OPENINDIANA)
    configure(host, "web", "add capped-memory", "set physical=1G", "end", brand="ipkg")
    host.run("zfs", "create", "rpool/zones/web")
    assert host.run("zoneadm", "-z", "web", "install").exit == 0
    assert host.run("/usr/sbin/rcapadm", "-z", "web", "-m", "2G") == (1, "", "zone 'web' must be running\n")
    assert host.run("zoneadm", "-z", "web", "boot") == (0, "", "")
    assert host.zones.active("web").memory_cap == 2**30
    assert host.run("/usr/sbin/rcapadm", "-z", "web", "-m", "2G") == (0, "", "")
    assert host.zones.active("web").memory_cap == 2**31
    assert host.run("/usr/sbin/rcapadm", "-z", "web", "-m", "x") == (1, "", "invalid max-rss value\n")
    assert host.run("/usr/sbin/rcapadm", "-z", "web").exit == 2
    assert "zone.max-physical-memory" not in prctl(host, "-i", "zone", "web").stdout


def test_filesystems_are_mounted_when_a_zone_becomes_ready_and_gone_when_it_halts(tmp_path: Path) -> None:
    host = zone_host(tmp_path)
    host.path("global", "/export/data").mkdir(parents=True)
    data = (
        "add fs",
        "set dir=/data/in",
        "set special=/export/data",
        "set type=lofs",
        "add options ro",
        "end",
    )
    fast = ("add fs", "set dir=/cache", "set special=swap", "set type=tmpfs", "end")
    configure(host, "web", *data, *fast)
    assert host.run("zoneadm", "-z", "web", "install").exit == 0
    assert host.run("zoneadm", "-z", "web", "ready") == (0, "", "")
    root = host.zone_root("web")
    source = host.path("global", "/export/data")
    assert host.runtime.called("mount") == [
        (None, root / "cache", False),
        (source, root / "data/in", True),
    ]
    assert host.run("zoneadm", "-z", "web", "halt") == (0, "", "")
    assert host.runtime.called("unmount") == [(root / "data/in",), (root / "cache",)]


def test_a_filesystem_of_another_type_is_refused(tmp_path: Path) -> None:
    host = zone_host(tmp_path)
    for disk in ("/dev/dsk/x", "/dev/rdsk/x"):
        host.path("global", disk).parent.mkdir(parents=True)
        host.path("global", disk).touch()
    special = ("set special=/dev/dsk/x", "set raw=/dev/rdsk/x")
    configure(host, "web", "add fs", "set dir=/mnt", *special, "set type=ufs", "end")
    assert host.run("zoneadm", "-z", "web", "install").exit == 0
    result = host.run("zoneadm", "-z", "web", "boot")
    assert (result.exit, "type ufs are not emulated by illumos-lab" in result.stderr) == (1, True)
    assert host.zones.state("web") == "installed"


def test_a_delegated_dataset_is_the_zones(tmp_path: Path) -> None:
    host = zone_host(tmp_path)
    assert host.run("zfs", "create", "-o", "mountpoint=/tank", "rpool/tank").exit == 0
    configure(host, "web", "add dataset", "set name=rpool/tank", "end")
    assert host.run("zoneadm", "-z", "web", "install").exit == 0
    assert host.run("zoneadm", "-z", "web", "boot") == (0, "", "")
    assert host.run("/sbin/zfs", "get", "-H", "-o", "value", "zoned", "rpool/tank").stdout == "on\n"
    assert host.run("/sbin/zfs", "list", "-H", "-o", "name", zone="web").stdout == "rpool\nrpool/tank\n"
    home = host.datasets.home(host.datasets.require("rpool/tank"))
    assert host.runtime.called("mount") == [(home, host.path("web", "/tank"), False)]


def test_a_zone_moves(host: Any) -> None:
    old, new = "/zones/web", "/zones/www"
    assert host.run("zoneadm", "-z", "web", "move", new).stderr == (
        "zoneadm: zone 'web': move operation is invalid for running zones.\n"
    )
    assert host.run("zoneadm", "-z", "web", "halt").exit == 0
    host.path("global", new).mkdir(mode=0o700)
    assert host.run("zoneadm", "-z", "web", "move", "zones").stderr == "zones is not an absolute path.\n"
    (host.path("global", new) / "keep").touch()
    assert host.run("zoneadm", "-z", "web", "move", new) == (
        1,
        "",
        f"could not move zone to {new}: directory not empty\n",
    )
    (host.path("global", new) / "keep").unlink()
    (host.path("web", "/etc") / "mine").touch()
    assert host.run("zoneadm", "-z", "web", "move", new) == (0, "", "")
    assert host.zones.zonepath("web") == new
    assert host.path("web", "/etc/mine").exists()
    assert not host.path("global", old).exists()
    assert f"zonepath: {new}\n" in host.run("zonecfg", "-z", "web", "info", "zonepath").stdout
    assert host.runtime.called("mount_zone_root")[-1] == (new,)
    assert host.datasets.by_mountpoint(new).name == "rpool/zones/www"
    assert host.run("zoneadm", "-z", "web", "move").exit == 2


# Alternate roots ---------------------------------------------------------------------------------


def test_zones_below_another_root(tmp_path: Path) -> None:
    host = zone_host(tmp_path)
    (host.path("global", "/a/etc/zones")).mkdir(parents=True)
    for name in ("SUNWblank.xml", "SUNWdefault.xml"):
        (host.path("global", f"/a/etc/zones/{name}")).write_text(
            host.path("global", f"/etc/zones/{name}").read_text()
        )
    other = ("-R", "/a", "-z", "z1")
    create = "create -b; set zonepath=/a/zones/z1; set brand=lipkg"
    assert host.run("zonecfg", *other, create) == (
        1,
        "",
        "z1: Problem updating index file\nConfiguration not saved.\n",
    ), "that root has no index"
    (host.path("global", "/a/etc/zones/index")).touch()
    assert host.run("zonecfg", *other, create) == (0, "", "")
    assert host.zones.names() == []
    assert "z1:configured:/zones/z1:" in host.path("global", "/a/etc/zones/index").read_text()
    assert "set zonepath=/a/zones/z1\n" in host.run("zonecfg", *other, "export").stdout
    assert host.run("zonecfg", *other, "set -F zonepath=/a/zones/z2") == (0, "", "")
    assert "z1:configured:/zones/z2:" in host.path("global", "/a/etc/zones/index").read_text()
    assert host.run("zonecfg", *other, "delete -F") == (0, "", "")
    assert host.run("zonecfg", "-R", "a", "-z", "z1", "info") == (2, "", "root path must be absolute: a\n")
    assert host.run("zonecfg", "-R", "/no", "-z", "z1", "info").exit == 2


# SmartOS -----------------------------------------------------------------------------------------

UUID = "11223344-5566-4788-99aa-bbccddeeff10"


@pytest.fixture
def smartos(tmp_path: Path) -> Any:
    return zone_host(tmp_path, SMARTOS)


def test_smartos_keeps_the_uuid_in_a_longer_index(smartos: Any) -> None:
    configure(smartos, "web", f"set uuid={UUID}", "set ip-type=exclusive", brand="joyent")
    index = smartos.path("global", "/etc/zones/index")
    assert index.read_text().splitlines()[-1] == f"web:configured:/zones/web:{UUID}:joyent:ex:1"
    assert UUID not in smartos.path("global", "/etc/zones/web.xml").read_text()
    assert f"uuid: {UUID}\n" in smartos.run("zonecfg", "-z", "web", "info").stdout
    assert smartos.run("zonecfg", "-u", UUID, "set brand=joyent-minimal") == (0, "", "")
    assert index.read_text().splitlines()[-1].endswith(f"{UUID}:joyent-minimal:ex:1")
    assert smartos.run("zonecfg", "-u", UUID, "-z", "web", "info").exit == 2
    assert smartos.run("zonecfg", "-z", "web", "set uuid=x").exit == 1
    assert smartos.run("zoneadm", "list", "-cp").stdout.splitlines()[-1] == (
        f"-:web:configured:/zones/web:{UUID}:joyent-minimal:excl:1"
    )


def test_smartos_makes_a_uuid_itself(smartos: Any) -> None:
    configure(smartos, "web", brand="joyent")
    exported = smartos.run("zonecfg", "-z", "web", "export").stdout
    assert len(exported.partition("set uuid=")[2].splitlines()[0]) == 36


def test_smartos_quotes_only_what_has_blanks(smartos: Any) -> None:
    attr = ("add attr", "set name=a", "set type=string", 'set value="two words"', "end")
    configure(smartos, "web", *attr, brand="joyent")
    exported = smartos.run("zonecfg", "-z", "web", "export").stdout
    assert "set name=a\n" in exported
    assert 'set value="two words"\n' in exported


def test_what_smartos_exports_makes_the_same_zone_again(smartos: Any) -> None:
    lines = [
        "create -b",
        "set zonepath=/zones/vm",
        "set brand=kvm",
        "set autoboot=false",
        "set ip-type=exclusive",
        f"set uuid={UUID}",
        "add net",
        "set physical=net0",
        "set mac-addr=02:08:20:01:02:03",
        "set vlan-id=5",
        "set global-nic=external",
        'add property (name=ip,value="192.0.2.5")',
        'add property (name=primary,value="true")',
        "end",
        "add device",
        "set match=/dev/zvol/rdsk/zones/vm-disk0",
        'add property (name=boot,value="true")',
        "end",
        "add rctl",
        "set name=zone.zfs-io-priority",
        "add value (priv=privileged,limit=100,action=none)",
        "end",
        "add rctl",
        "set name=zone.max-physical-memory",
        "add value (priv=privileged,limit=268435456,action=deny)",
        "end",
        "add attr",
        "set name=ram",
        "set type=string",
        "set value=1024",
        "end",
    ]
    text = "".join(f"{line}\n" for line in lines)
    smartos.path("global", "/tmp").mkdir(exist_ok=True)
    smartos.path("global", "/tmp/vm").write_text(text)
    assert smartos.run("zonecfg", "-z", "vm", "-f", "/tmp/vm") == (0, "", "")
    assert smartos.run("zonecfg", "-z", "vm", "export") == (0, text, "")
    info = smartos.run("zonecfg", "-u", UUID, "info").stdout
    assert "[zfs-io-priority: 100]\n" in info
    assert "capped-memory:\n\t[physical: 256M]\n" in info
    assert '\tproperty: (name=ip,value="192.0.2.5")\n' in info
    assert "zoneadm: zone 'vm': installing brand 'kvm' is not emulated" in (
        smartos.run("zoneadm", "-z", "vm", "install").stderr
    )


def test_smartos_adopts_a_configuration(smartos: Any) -> None:
    configure(smartos, "web", brand="joyent")
    index = smartos.path("global", "/etc/zones/index")
    index.write_text("global:installed:/:\n")
    assert smartos.run("zonecfg", "-z", "web", "create -X; set autoboot=true") == (0, "", "")
    assert index.read_text().splitlines()[-1].startswith("web:configured:/zones/web:")
    assert "autoboot: true\n" in smartos.run("zonecfg", "-z", "web", "info").stdout


def test_the_other_distributions_have_none_of_that(tmp_path: Path) -> None:
    host = zone_host(tmp_path, replace(OMNIOS))
    configure(host, "web")
    assert host.run("zonecfg", "-u", UUID, "info").exit == 2
    assert "syntax error" in host.run("zonecfg", "-z", "web", f"set uuid={UUID}").stderr
    assert host.run("zonecfg", "-z", "new", "create -X").exit == 1


# On the real lab ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(time_scale=0) as started:
        yield started


@ON_LINUX
def test_a_zone_sees_what_it_was_given(lab: Lab) -> None:
    host = lab.host
    host.run("mkdir -p /export/data && echo hello > /export/data/file").check()
    host.run("zfs create -o mountpoint=/tank rpool/tank && touch /tank/mine").check()
    lines = """
        create -t lipkg
        set zonepath=/zones/web
        add fs
        set dir=/data
        set special=/export/data
        set type=lofs
        add options ro
        end
        add dataset
        set name=rpool/tank
        end
        add device
        set match=/dev/ipnat*
        end
        add capped-cpu
        set ncpus=2
        end
    """
    host.run("zonecfg -z web", input=lines).check()
    host.run("zoneadm -z web install && zoneadm -z web boot").check()
    assert host.run("zlogin web cat /data/file").stdout == "hello\n"
    assert host.run("zlogin web touch /data/new").status != 0
    assert host.run("zlogin web 'zfs list -H -o name; ls /tank'").stdout == "rpool\nrpool/tank\nmine\n"
    assert host.run("prctl -P -n zone.cpu-cap -t privileged -i zone web").stdout.splitlines()[-1] == (
        "zone.cpu-cap privileged 200 - deny -"
    )
    assert host.run("zlogin web prctl -n zone.cpu-cap -i zone web").stdout.startswith("zone: ")
    assert host.run("zlogin web getent passwd root").stdout.startswith("root:x:0:0:")
    host.run("zoneadm -z web halt").check()
    assert host.run("ls /zones/web/root/data").stdout == ""
    host.run("zoneadm -z web boot").check()
    assert host.run("zlogin web cat /data/file").stdout == "hello\n"


@ON_LINUX
def test_a_zone_moves_with_its_files_and_a_clone_keeps_its_programs(lab: Lab) -> None:
    host = lab.host
    host.run("zonecfg -z one 'create -t lipkg; set zonepath=/zones/one'").check()
    host.run("zoneadm -z one install -e ooce/network/dnsmasq").check()
    host.run("touch /zones/one/root/etc/mine").check()
    host.run("zoneadm -z one move /zones/uno").check()
    assert host.run("ls /zones/uno/root/etc/mine /zones/one 2>/dev/null").stdout.split() == [
        "/zones/uno/root/etc/mine"
    ]
    host.run("zonecfg -z two 'create -t lipkg; set zonepath=/zones/two'").check()
    host.run("zoneadm -z two clone one").check()
    host.run("zoneadm -z two boot && zoneadm -z one boot").check()
    assert host.run("zlogin two ls /opt/ooce/sbin/dnsmasq /usr/sbin/ipnat").status == 0
    assert host.run("zlogin one ls /etc/mine").stdout == "/etc/mine\n"


@ON_LINUX
def test_getent_asks_the_name_servers(lab: Lab) -> None:
    assert lab.host.run("getent hosts gz1").stdout.split()[1] == "gz1"
    found = lab.host.run("getent hosts outside.example")
    assert found.stdout.split()[1:] == ["outside.example"]
    assert lab.host.run("getent hosts no.such.name.example").status == 2


@ON_LINUX
def test_an_address_that_goes_leaves_the_others_of_its_network(lab: Lab) -> None:
    host = lab.host
    host.run("dladm create-etherstub st0 && dladm create-vnic -l st0 n0 && ipadm create-if n0").check()
    for number in (1, 2):
        host.run(f"ipadm create-addr -T static -a 10.9.0.{number}/24 n0/a{number}").check()
    host.run("ipadm delete-addr n0/a1").check()
    assert host.run("ping 10.9.0.2 1").status == 0
    addresses = "/system/lab/linux/bin/ip -o addr show n0 | awk '{print $4}'"
    assert host.run(addresses).stdout == "10.9.0.2/24\n"
    # Link-local addresses are made by ipadm alone.
    host.run("ipadm create-addr -T addrconf n0/v6").check()
    host.run("ipadm create-addr -T static -a fd00::5/64 n0/w6").check()
    assert len(host.run(addresses).stdout.split()) == 3
    host.run("ipadm delete-addr n0/w6 && ipadm delete-addr n0/v6").check()
    assert host.run(addresses).stdout == "10.9.0.2/24\n"


@ON_LINUX
def test_a_smartos_host_runs() -> None:
    with Lab.start(time_scale=0, profile="smartos") as lab:
        host = lab.host
        assert host.run("uname -v").stdout.startswith("joyent_")
        assert "SmartOS" in host.run("head -1 /etc/release").stdout
        assert host.run("ls /etc/os-release").status != 0
        host.run("zonecfg -z web 'create -b; set zonepath=/zones/web; set brand=joyent'").check()
        assert host.run("zoneadm list -cp").stdout.splitlines()[-1].split(":")[5] == "joyent"
        datasets = "zones /zones\nzones/config legacy\nzones/opt /opt\n"
        assert host.run("zfs list -Ho name,mountpoint | tr '\\t' ' '").stdout == datasets
        assert host.run("zpool list -Ho name; zpool get -Ho value bootfs zones").stdout == "zones\n-\n"
        assert host.run("swap -l").stdout.splitlines()[1].split()[0] == "/dev/zvol/dsk/zones/swap"
        assert host.run("ls /opt /zones").status == 0
        assert "not emulated" in host.run("zoneadm -z web install").stderr
        assert "not emulated" in host.run("vmadm list").stderr


@ON_LINUX
def test_memory_caps_have_a_service(lab: Lab) -> None:
    host = lab.host
    assert (
        host.run("rcapadm").stdout.splitlines()[0]
        == "                                      state: disabled"
    )
    host.run("rcapadm -E -i scan=30,report=10 -c 50").check()
    shown = host.run("rcapadm").stdout
    assert "state: enabled\n" in shown
    assert "process scan rate (sec): 30\n" in shown
    assert "memory cap enforcement threshold: 50%\n" in shown
    assert host.run("svcprop -p config/walk_interval rcap").stdout == "30\n"
    assert host.run("rcapstat -z 1 1").stdout.startswith("    id zone            nproc    vm   rss   cap")
    host.run("rcapadm -n -D").check()
    assert "state: enabled (disabled at next boot)\n" in host.run("rcapadm").stdout
    assert host.run("rcapadm -x").status == 2
