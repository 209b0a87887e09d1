"""Zones of several brands, and the life of zones, with the real engine: on one host of the lab."""

from __future__ import annotations

import pytest

from illumos_lab.testing import Lab

from .programs import LAN, zone
from .stack import PulumiFailed, Stack

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHhVr0aMYDXhkQh9mCRgNwRjBKdvSRMFgWzNhbT8Zl5d me"
PASSWORD = "correct horse"
GUEST_MAC = "02:08:20:00:00:05"


def nic(address, **more):
    return [{"etherstub": "${lan.name}", "address": address, **more}]


def guest(ram="1G", **more):
    vm = {
        "ram": ram,
        "vcpus": 2,
        "bootdisk": {"dataset": "rpool/guest", "size": "64M", "image": "/images/disk.raw"},
        **more,
    }
    return zone(
        "guest",
        brand="bhyve",
        nics=nic("10.10.0.5/24", mac=GUEST_MAC),
        dnsServers=["10.10.0.1"],
        sshAuthorizedKeys=[KEY],
        guestPassword=PASSWORD,
        vm=vm,
    )


LINUX = zone(
    "linux",
    brand="lx",
    nics=nic("10.10.0.6/24"),
    install={"image": "/images/linux.tar.gz"},
    kernelVersion="5.10",
    dnsServers=["10.10.0.1"],
)


def test_guests_of_several_brands(host, stack):
    host.run(
        "mkdir -p /images /tmp/tree/etc && cd /tmp/tree && echo here >etc/mark"
        " && tar -czf /images/linux.tar.gz etc && echo 'the disk' >/images/disk.raw && rm -r /tmp/tree"
    ).check()
    before = host.dump()
    shop = stack().write({"lan": LAN, "linux": LINUX, "guest": guest()})
    printed = shop.up()
    assert PASSWORD not in printed + shop.run("stack", "export")
    assert host.guest("guest").run("hostname").stdout == "guest\n"
    assert KEY in host.guest("guest").seed()["user-data"]
    assert host.guest("guest").run("ping -c1 -W5 10.10.0.6").status == 0
    assert host.run("zlogin linux 'uname -r; cat /etc/mark'").stdout == "5.10\nhere\n"
    assert host.run("dd if=/dev/zvol/rdsk/rpool/guest bs=8 count=1 2>/dev/null").stdout == "the disk"
    assert host.run("zonecfg -z guest export").stdout.count(PASSWORD) == 0
    shop.expect_no_change()
    # The virtual hardware changes with a reboot; the disk, the address and the seed stay.
    number = number_of(host, "guest")
    shop.write({"lan": LAN, "linux": LINUX, "guest": guest("2G")})
    assert "will be rebooted: vm" in shop.preview()
    shop.up()
    assert number_of(host, "guest") != number
    assert host.run("zonecfg -z guest info attr name=ram").stdout.count("2G") == 1
    # What the guest was told is read by an import, too.
    shop.run("state", "delete", "--yes", urn(shop, "guest"))
    host.run("zonecfg -z guest remove attr name=pulumi-owner").check()
    shop.run("import", "illumos:index:Zone", "guest", "gz1/guest", "--yes", "--protect=false")
    imported = shop.resources()["guest"]
    assert imported["inputs"]["vm"]["ram"] == "2G"
    assert "attributes" not in imported["inputs"]
    # Back in the program, it goes on running.
    number = number_of(host, "guest")
    shop.up()
    assert number_of(host, "guest") == number
    # An image that is missing is found out before anything is done.
    missing = {"install": {"image": "/images/other.tar.gz"}, "name": "other", "nics": nic("10.10.0.7/24")}
    other = {**LINUX, "properties": {**LINUX["properties"], **missing}}
    shop.write({"lan": LAN, "linux": LINUX, "guest": guest("2G"), "other": other})
    with pytest.raises(PulumiFailed, match=r"install\.image.*is not there on the host"):
        shop.preview()
    shop.destroy()
    assert host.dump() == before
    host.run("rm -r /images").check()


def number_of(host, name):
    """The zone's number in the kernel: another one after each boot."""
    return host.run(f"zoneadm -z {name} list -p").check().stdout.split(":")[0]


def urn(shop, name):
    return shop.resources()[name]["urn"]


def test_the_life_of_native_zones(host, stack):
    gold = zone("gold", nics=[], state="halted")
    copy = zone("copy", nics=[], install={"clone": "gold"}, shutdownTimeout=2)

    def program(**more):
        return {
            "gold": gold,
            "copy": {
                **copy,
                "properties": {**copy["properties"], **more},
                "options": {"dependsOn": ["${gold}"]},
            },
        }

    shop = stack().write(program())
    # The zone that is cloned will be there by then.
    shop.preview()
    shop.up()
    assert "SUNWzone1" in host.run("zfs get -H -o value origin rpool/zones/copy").stdout
    # A change that must not reboot the zone waits, and is shown until the zone has booted.
    number = number_of(host, "copy")
    shop.write(program(hostname="www", rebootPolicy="never"))
    assert "waits for its next boot: hostname" in shop.preview()
    shop.up()
    assert number_of(host, "copy") == number
    assert host.run("zlogin copy hostname").stdout == "copy\n"
    assert shop.resources()["copy"]["outputs"]["pendingReboot"] == ["hostname"]
    shop.expect_no_change()
    with pytest.raises(PulumiFailed, match=r"rebootPolicy.*must not run"):
        shop.write(program(hostname="www", rebootPolicy="never", zonepath="/zones/moved")).preview()
    host.run("zoneadm -z copy reboot").check()
    shop.write(program(hostname="www", rebootPolicy="never")).refresh()
    assert shop.resources()["copy"]["outputs"]["pendingReboot"] == []
    assert host.run("zlogin copy hostname").stdout == "www\n"
    # The other policy reboots for what waits; another directory is a move.
    shop.write(program(hostname="app", rebootPolicy="never")).up()
    number = number_of(host, "copy")
    shop.write(program(hostname="app", zonepath="/zones/moved")).up()
    assert number_of(host, "copy") != number
    assert host.run("zlogin copy hostname").stdout == "app\n"
    assert ":running:/zones/moved:" in host.run("zoneadm -z copy list -p").stdout
    shop.expect_no_change()
    # What hinders a zone is named.
    host.run("svcadm -z copy disable svc:/milestone/multi-user:default").check()
    shop.write(program(hostname="slow", zonepath="/zones/moved", waitTimeout=6))
    with pytest.raises(PulumiFailed, match=r"what hinders it(.|\n)*multi-user is disabled"):
        shop.up()
    # One that takes too long to shut down is halted.
    host.fault("zoneadm -z copy shutdown", delay=120.0)
    host.journal(clear=True)
    shop.destroy()
    ran = [" ".join(command["argv"]) for command in host.journal()["commands"]]
    assert "/usr/sbin/zoneadm -z copy halt" in ran


def test_guests_on_tribblix(tmp_path):
    """Solaris 10 gets its answers, a virtual machine the files that are looked for inside its zone."""
    with Lab.start(profile="tribblix", time_scale=0.05) as lab:
        host = lab.host
        host.run("mkdir /images && cd / && tar -cf /images/s10.tar etc/release").check()
        environment = {"ILLUMOS_SSH_CONFIG": str(lab.ssh_config)}
        shop = Stack(tmp_path / "stack", {"illumos:host": "gz1"}, environment)
        solaris = zone(
            "sol",
            brand="solaris10",
            install={"image": "/images/s10.tar"},
            nics=nic("10.10.0.9/24"),
            rootPasswordHash="$5$salt$hash",
        )
        shop.write({"lan": LAN, "solaris": solaris})
        shop.up()
        assert "10.10.0.9/24" in host.run("zlogin sol ipadm show-addr -p -o addr").stdout
        machine = zone(
            "guest",
            brand="bhyve",
            nics=nic("10.10.0.5/24"),
            guestPassword=PASSWORD,
            vm={"bootdisk": {"dataset": "rpool/guest", "size": "64M"}},
        )
        program = {"lan": LAN, "solaris": solaris, "machine": machine}
        with pytest.raises(PulumiFailed, match="zap install-overlay bhyve"):
            shop.write(program).preview()
        host.run("zap install-overlay bhyve").check()
        shop.up()
        assert PASSWORD in host.guest("guest").seed()["user-data"]
        shop.expect_no_change()
        shop.destroy()
        assert host.run("zoneadm list -cn").stdout == ""
        assert "rpool/guest" not in host.run("zfs list -H -o name").stdout


def test_an_emulated_machine_and_a_directory_that_is_a_zone_already(host, stack):
    host.run(
        "zonecfg -z old 'create -b; set brand=lipkg; set zonepath=/zones/kept; set ip-type=exclusive'"
        " && zoneadm -z old install && echo kept >/zones/kept/root/etc/mark"
        " && zoneadm -z old detach && zonecfg -z old delete -F"
    ).check()
    machine = {"ram": "1G", "vcpus": 1, "bootdisk": {"dataset": "rpool/emulated", "size": "64M"}}
    shop = stack().write(
        {
            "lan": LAN,
            "emulated": zone("emulated", brand="emu", nics=nic("10.10.0.7/24"), vm=machine),
            "kept": zone("kept", nics=[], zonepath="/zones/kept", install={"attach": "verify"}),
        }
    )
    shop.up()
    assert ":running:" in host.run("zoneadm -z emulated list -p").stdout
    assert host.run("zlogin kept cat /etc/mark").stdout == "kept\n"
    shop.expect_no_change()
    host.run("flowadm add-flow -l emulated_0 -a transport=tcp slow0").check()
    shop.destroy()
    assert host.run("flowadm show-flow -p -o flow").stdout == ""
