"""What a zone's configuration says: limits in force at once, file systems and datasets, drift, import."""

import pytest

from .programs import zone
from .stack import PulumiFailed


def boots(host, name):
    """How often a zone was booted so far."""
    return sum("boot" in e["argv"] and name in e["argv"] for e in host.journal()["commands"])


def live(host, control):
    """The privileged values of a resource control in the running zone."""
    lines = host.run(f"prctl -P -t privileged -n {control} -i zone box").stdout.splitlines()
    return [line.split()[2] for line in lines if " privileged " in line]


def test_limits_are_changed_while_the_zone_runs_and_drift_is_seen(host, stack):
    shop = stack()

    def box(**properties):
        return shop.write({"box": zone("box", nics=[], **properties)})

    box(memory="512M", cpus=0.29, maxLwps=1000).up()
    assert (live(host, "zone.cpu-cap"), live(host, "zone.max-lwps")) == (["29"], ["1000"])
    booted = boots(host, "box")

    box(memory="1G", cpus=1.5, swap="2G", cpuShares=20, maxProcesses=500)
    assert "rebooted" not in shop.preview()
    shop.up()
    assert boots(host, "box") == booted
    assert live(host, "zone.cpu-cap") == ["150"]
    assert live(host, "zone.max-physical-memory") == [str(2**30)]
    assert live(host, "zone.max-swap") == [str(2**31)]
    assert live(host, "zone.cpu-shares") == ["20"]
    assert live(host, "zone.max-lwps") == []
    assert "limit=150," in host.run("zonecfg -z box export").stdout
    shop.expect_no_change()

    # By hand in the running zone, and in the configuration only.
    assert host.run("prctl -n zone.cpu-cap -t privileged -r -v 400 -i zone box").status == 0
    assert host.run("zonecfg -z box 'set max-processes=600; set bootargs=-v'").status == 0
    shop.refresh()
    preview = shop.preview("--diff")
    assert "liveLimits" in preview
    assert "maxProcesses" in preview
    assert "bootargs" in preview
    shop.up()
    assert live(host, "zone.cpu-cap") == ["150"]
    assert live(host, "zone.max-processes") == ["500"]
    assert "bootargs: \n" in host.run("zonecfg -z box info bootargs").stdout
    shop.destroy()


def test_shared_directories_and_datasets_are_there_and_go_as_they_were_asked(host, stack):
    shop = stack()
    host.run("mkdir -p '/export/the data' && echo from the host >'/export/the data/note'")
    shared = [{"dir": "/mnt/data", "special": "/export/the data", "options": ["ro"]}]
    datasets = [{"name": "rpool/box", "create": True, "properties": {"quota": "10G", "atime": "off"}}]

    missing = [{"dir": "/mnt/data", "special": "/export/nothing"}]
    shop.write({"box": zone("box", nics=[], filesystems=missing)})
    with pytest.raises(PulumiFailed, match="there is no directory /export/nothing"):
        shop.preview()

    shop.write({"box": zone("box", nics=[], filesystems=shared, datasets=datasets)}).up()
    assert host.run("zlogin box cat /mnt/data/note").stdout == "from the host\n"
    assert host.run("zlogin box 'echo x >/mnt/data/mine'").status != 0
    assert host.run("zfs get -Hp -o value quota rpool/box").stdout == f"{10 * 2**30}\n"
    shop.expect_no_change()

    assert host.run("zfs set quota=20G rpool/box").status == 0
    shop.refresh()
    assert "datasets" in shop.preview("--diff")
    shop.up()
    assert host.run("zfs get -Hp -o value quota rpool/box").stdout == f"{10 * 2**30}\n"

    shop.write({"box": zone("box", nics=[], datasets=datasets, retainData=True)})
    assert "zone box will be rebooted" in shop.preview()
    shop.up()
    assert host.run("zlogin box ls /mnt/data/note").status != 0
    shop.destroy()
    assert host.run("zfs list -H -o name rpool/box").stdout == "rpool/box\n"
    assert host.run("zfs destroy -r rpool/box").status == 0

    shop.write({"box": zone("box", nics=[], datasets=datasets)}).up()
    shop.destroy()
    assert host.run("zfs list -H -o name rpool/box").status != 0
    host.run("rm -r '/export/the data'; rmdir /export 2>/dev/null")


LIVE = {
    "autoboot": (False, "autoboot: false"),
    "attributes": ({"note": "x"}, "value: x"),
    "admins": ([{"user": "root", "auths": ["login"]}], "user: root"),
    "cpus": (0.5, "zone.cpu-cap"),
    "cpuShares": (7, "zone.cpu-shares"),
    "memory": ("768M", "zone.max-physical-memory"),
    "swap": ("1G", "zone.max-swap"),
    "lockedMemory": ("256M", "zone.max-locked-memory"),
    "maxLwps": (900, "zone.max-lwps"),
    "maxProcesses": (800, "zone.max-processes"),
    "maxShmMemory": ("64M", "zone.max-shm-memory"),
    "maxShmIds": (11, "zone.max-shm-ids"),
    "maxMsgIds": (12, "zone.max-msg-ids"),
    "maxSemIds": (13, "zone.max-sem-ids"),
    "resourceControls": ([{"name": "zone.max-lofi", "limit": 14}], "zone.max-lofi"),
}
"""Properties that change in place, each with what tells of it."""

REBOOT = {
    "bootargs": ("-m verbose", "bootargs: -m verbose"),
    "limitpriv": (["default", "dtrace_proc"], "limitpriv: default,dtrace_proc"),
    "schedulingClass": ("FSS", "scheduling-class: FSS"),
    "fsAllowed": (["pcfs"], "fs-allowed: pcfs"),
    "hostid": ("8f2a31b0", "hostid: 8f2a31b0"),
    "securityFlags": ({"default": ["aslr"]}, "default: aslr"),
    "devices": (["/dev/dtrace*"], "match: /dev/dtrace*"),
    "filesystems": ([{"dir": "/mnt/etc", "special": "/etc", "options": ["ro"]}], "special: /etc"),
}


def test_every_change_has_its_effect_at_once_or_by_one_reboot(host, stack):
    # zonecfg writes the rights of `admins` there.
    host.run("cp -p /etc/user_attr /var/tmp/user_attr").check()
    shop = stack().write({"box": zone("box", nics=[])})
    shop.up()
    booted = boots(host, "box")

    changed = {name: value for name, (value, _) in LIVE.items()}
    shop.write({"box": zone("box", nics=[], **changed)})
    preview = shop.preview()
    assert "rebooted" not in preview
    assert all(name in preview for name in LIVE)
    shop.up()
    assert boots(host, "box") == booted
    told = host.run("zonecfg -z box info").stdout
    in_force = {name for name in {words for _, words in LIVE.values()} if name.startswith("zone.")}
    assert [words for _, words in LIVE.values() if words not in told] == []
    assert {name for name in in_force if not live(host, name)} == set()
    assert live(host, "zone.max-lofi") == ["14"]
    shop.preview("--expect-no-changes")

    changed |= {name: value for name, (value, _) in REBOOT.items()}
    shop.write({"box": zone("box", nics=[], **changed)})
    preview = shop.preview()
    assert "zone box will be rebooted" in preview
    assert all(name in preview for name in REBOOT)
    shop.up()
    assert boots(host, "box") == booted + 1
    told = host.run("zonecfg -z box info").stdout
    assert [words for _, words in REBOOT.values() if words not in told] == []
    assert host.run("zlogin box hostid").stdout == "8f2a31b0\n"
    assert host.run("zlogin box ls /mnt/etc/release").status == 0
    shop.expect_no_change()

    shop.write({"box": zone("box", nics=[])}).up()
    assert {name for name in in_force - {"zone.cpu-shares", "zone.max-lofi"} if live(host, name)} == set()
    shop.destroy()
    assert "zone" not in host.run("cat /etc/user_attr").stdout
    host.run("mv /var/tmp/user_attr /etc/user_attr").check()
