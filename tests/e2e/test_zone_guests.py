"""Guests behind a router, with packets: Linux zones and virtual machines, and whom they can fool."""

import time

from .programs import LAN, zone

NETWORK = {"etherstub": "${lan.name}", "subnet": "10.9.1.0/26", "address": "10.9.1.62"}
GW = {
    "type": "illumos:RouterZone",
    "properties": {"name": "gw", "publicAddress": "192.0.2.100", "networks": [NETWORK]},
}
WORLD = "curl -s -m 5 http://198.51.100.80/"


def machine(name, **nic):
    """A virtual machine with one nic behind the router."""
    vm = {
        "bootdisk": {"dataset": f"rpool/{name}", "size": "64M", "image": "/images/disk.raw"},
        "cloudInit": "on",
    }
    return zone(name, brand="bhyve", nics=[{"router": "${gw.id}", **nic}], vm=vm)


def site():
    linux = zone(
        "linux",
        brand="lx",
        nics=[{"router": "${gw.id}", "address": "10.9.1.5"}],
        install={"image": "/images/linux.tar.gz"},
    )
    return {
        "lan": LAN,
        "gw": GW,
        "linux": linux,
        "told": machine("told", address="10.9.1.6"),
        "asks": machine("asks", address="10.9.1.7", dhcp=True),
    }


def until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def test_guests_behind_a_router_have_addresses_names_and_the_world(host, stack):
    host.run(
        "mkdir -p /images && echo disk >/images/disk.raw"
        " && cd / && tar -czf /images/linux.tar.gz etc/release"
    ).check()
    shop = stack().write(site())
    shop.up()
    told, asks = host.guest("told"), host.guest("asks")

    def linux(line):
        return host.run(f"zlogin linux {line}")

    # Static: the Linux zone by a property of its nic, the machine by cloud-init; by DHCP: as reserved.
    assert 'property (name=ips,value="10.9.1.5/26")' in host.run("zonecfg -z linux export").stdout
    for number, name, run in ((5, "linux", linux), (6, "told", told.run), (7, "asks", asks.run)):
        until(lambda n=number, run=run: f" 10.9.1.{n}/26" in run("ip -4 addr").stdout, f"{name}: address")
        until(lambda run=run: "default via 10.9.1.62 " in run("ip route").stdout, f"{name}: route")
    for guest in (told, asks):
        assert guest.run(WORLD).stdout == "192.0.2.100\n"
        assert guest.run("ping -c1 -W5 10.9.1.5").status == 0
    assert host.run("zlogin linux ping -c1 -W5 10.9.1.7").status == 0
    for number, name in enumerate(("linux", "told", "asks"), 5):
        assert linux(f"getent hosts {name}").stdout.split()[:1] == [f"10.9.1.{number}"], name

    # The host lets none of them send from an address that another one has.
    for name, guest in (("told", told), ("asks", asks)):
        guest.run(f"ip addr add 10.9.1.5/26 dev {name}_0").check()
        assert guest.run("ping -n -c1 -W2 -I 10.9.1.5 10.9.1.62").status != 0, name
        guest.run(f"ip addr del 10.9.1.5/26 dev {name}_0").check()
        assert guest.run("ping -n -c1 -W5 10.9.1.62").status == 0, name
    shop.preview("--expect-no-changes")

    # A guest that reboots loses its protection; that is seen, and it stays what it is.
    host.run("zoneadm -z asks reboot").check()
    until(lambda: " 10.9.1.7/26" in asks.run("ip -4 addr").stdout, "address of asks after its reboot")
    shop.expect_no_change()
    assert shop.resources()["asks"]["outputs"]["unprotectedLinks"] == ["asks_0"]
    shop.destroy()
    host.run("rm -r /images").check()
