"""Zones of every brand as they run: guests of virtual machines, lx, Solaris 10, datasets, first boots."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from illumos_lab.protocol import LabError
from illumos_lab.testing import Host, Lab, Result


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(time_scale=0) as lab:
        lab.host.run(
            "dladm create-etherstub lan0;"
            " for nic in gw0 dhcp0 vm0 vm1 lx0 lx1; do dladm create-vnic -l lan0 $nic || exit; done;"
            " ipadm create-addr -T static -a 10.0.0.1/24 gw0/v4 &&"
            " zfs create -V 1G rpool/disk"
        ).check()
        yield lab


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def attr(name: str, value: str) -> str:
    return f'add attr; set name={name}; set type=string; set value="{value}"; end; '


def prop(name: str, value: str) -> str:
    return f'add property (name={name},value="{value}"); '


def make(host: Host, zone: str, template: str, net: str = "", more: str = "", install: str = "") -> Result:
    """Configure, install and boot a zone."""
    add_net = f"add net; {net}; end; " if net else ""
    place = f"set zonepath=/zones/{zone}; "
    host.run(["zonecfg", "-z", zone, f"create -t {template}; {place}{add_net}{more}"]).check()
    host.run(f"zoneadm -z {zone} install {install}").check()
    return host.run(f"zoneadm -z {zone} boot").check()


def remove(host: Host, *zones: str) -> None:
    for zone in zones:
        host.run(f"zoneadm -z {zone} halt; zoneadm -z {zone} uninstall -F").check()
        host.run(f"zonecfg -z {zone} delete -F").check()


def test_guests_and_lx_zones_are_on_the_network(lab: Lab) -> None:
    host = lab.host
    before = host.dump()
    make(
        *(host, "vm", "bhyve"),
        "set physical=vm0; set allowed-address=10.0.0.5/24; set defrouter=10.0.0.1",
        "add device; set match=/dev/zvol/rdsk/rpool/disk; end; "
        + attr("bootdisk", "rpool/disk")
        + attr("cloud-init", "on")
        + attr("resolvers", "10.0.0.1"),
    )
    guest = host.guest("vm")
    assert guest.run("hostname; uname -s; cat /etc/resolv.conf").check().stdout == (
        "vm\nLinux\nnameserver 10.0.0.1\n"
    )
    assert "default via 10.0.0.1 dev vm0" in guest.run("ip route").stdout
    assert guest.run("ping -c1 -W5 10.0.0.1").status == 0
    assert host.run("ping 10.0.0.5").stdout == "10.0.0.5 is alive\n"
    assert '"10.0.0.5/24"' in guest.seed()["network-config"]
    # The zone itself has none of what the guest has.
    assert host.run("ls /zones/vm/root/etc").stdout.split() == ["bhyve.cfg", "uuid"]
    assert host.run("zlogin vm id").status == 1
    assert host.run("svcs -z vm").status == 1
    # Link protection holds for it.
    guest.run("ip addr add 10.0.0.66/24 dev vm0").check()
    assert guest.run("ping -c1 -W1 -I 10.0.0.66 10.0.0.1").status != 0
    make(
        *(host, "web", "lx"),
        "set physical=lx0; "
        + prop("ips", "10.0.0.7/24")
        + prop("gateway", "10.0.0.1")
        + prop("primary", "true"),
        attr("kernel-version", "5.10") + attr("resolvers", "10.0.0.1") + attr("dns-domain", "example.org"),
        install="-s rpool/disk",
    )
    shown = host.run("zlogin web 'uname -sr; cat /etc/resolv.conf; ip route'").check().stdout
    assert shown.startswith(
        "Linux 5.10\nsearch example.org\nnameserver 10.0.0.1\ndefault via 10.0.0.1 dev lx0"
    )
    assert host.run("zlogin web ping -c1 -W5 10.0.0.5").status == 0
    assert host.run("svcs -z web").status == 1
    host.run("zoneadm -z vm shutdown").check()
    assert host.run("ping 10.0.0.5 1").status != 0
    with pytest.raises(LabError, match="runs no virtual machine"):
        guest.run("true")
    remove(host, "vm", "web")
    assert host.dump() == before


def test_guests_without_addresses_ask_for_a_lease(lab: Lab) -> None:
    host = lab.host
    # A guest that serves DHCP to the others; with an allowed-address it could not.
    make(host, "server", "kvm", "set physical=dhcp0")
    host.guest("server").run(
        "ip addr add 10.0.0.2/24 dev dhcp0 &&"
        " dnsmasq --conf-file=/dev/null --port=0 --interface=dhcp0 --dhcp-authoritative"
        " --dhcp-range=10.0.0.50,10.0.0.59,1h --dhcp-option=3,10.0.0.1 --dhcp-option=6,10.0.0.1"
        " --dhcp-leasefile=/tmp/leases --pid-file=/tmp/pid --user= --group="
    ).check()
    make(host, "client", "emu", "set physical=vm1")
    guest = host.guest("client")
    until(lambda: "10.0.0.1" in guest.run("cat /etc/resolv.conf").stdout, "no lease for the guest")
    assert " 10.0.0.5" in guest.run("ip -4 addr show dev vm1").stdout
    assert guest.run("ping -c1 -W5 10.0.0.1").status == 0
    mac = host.run("dladm show-vnic -p -o macaddress vm1").stdout.strip()
    padded = ":".join(octet.zfill(2) for octet in mac.replace("\\", "").split(":"))
    assert padded in host.guest("server").run("cat /tmp/leases").stdout
    make(host, "linux", "lx", "set physical=lx1; " + prop("ips", "dhcp"), install="-t rpool/disk")
    until(
        lambda: " 10.0.0.5" in host.run("zlogin linux ip -4 addr show dev lx1").stdout,
        "no lease for the lx zone",
    )
    remove(host, "client", "linux", "server")


def test_datasets_and_file_systems_of_a_zone(lab: Lab) -> None:
    host = lab.host
    host.run(
        "zfs create rpool/data; echo gz > /rpool/data/old; zfs create -o mountpoint=legacy rpool/leg;"
        " mkdir -p /export/shared; echo hello > /export/shared/file"
    ).check()
    lofs = "add fs; set special=/export/shared; set type=lofs; "
    make(
        *(host, "db", "lipkg"),
        more="add dataset; set name=rpool/data; end; "
        f"{lofs} set dir=/ro; add options ro; end; {lofs} set dir=/rw; end; "
        "add fs; set dir=/leg; set special=rpool/leg; set type=zfs; end; "
        "add fs; set dir=/mem; set special=swap; set type=tmpfs; end",
    )

    def zone(command: str) -> Result:
        return host.run(["zlogin", "db", command])

    assert zone("cat /ro/file /rpool/data/old").stdout == "hello\ngz\n"
    assert zone("touch /ro/new").status != 0
    zone("touch /rw/new /mem/new /leg/new").check()
    assert host.run("ls /export/shared").stdout.split() == ["file", "new"]
    # The dataset is the zone's, and the global zone's no longer.
    assert host.run("zfs get -H -o value zoned rpool/data").stdout == "on\n"
    assert host.run("ls /rpool/data").status != 0
    assert host.run("zfs mount rpool/data").stderr == (
        "cannot mount 'rpool/data': dataset is exported to a local zone\n"
    )
    assert zone("zfs list -H -o name").stdout == "rpool\nrpool/data\n"
    zone("zfs create rpool/data/pg && echo row > /rpool/data/pg/table").check()
    zone("zfs set mountpoint=/srv rpool/data").check()
    assert zone("cat /srv/old /srv/pg/table").stdout == "gz\nrow\n"
    assert host.run("cat /zones/db/root/srv/pg/table").stdout == "row\n"
    assert host.run("zfs get -H -o value mountpoint rpool/data/pg").stdout == "/srv/pg\n"
    for refused in (
        "set quota=1G rpool/data",
        "set zoned=off rpool/data",
        "create rpool/x",
        "destroy rpool",
    ):
        assert zone(f"zfs {refused}").stderr.endswith("permission denied\n"), refused
    zone("zfs set quota=1G rpool/data/pg && zfs snapshot rpool/data/pg@one && rm /srv/pg/table").check()
    zone("zfs rollback rpool/data/pg@one && cat /srv/pg/table").check()
    zone("zfs unmount rpool/data/pg && test ! -e /srv/pg/table && zfs mount rpool/data/pg").check()
    host.run("zoneadm -z db halt").check()
    assert host.run("ls /zones/db/root/srv").stdout == ""
    host.run("zoneadm -z db boot").check()
    assert zone("cat /srv/pg/table; ls /leg").stdout == "row\nnew\n"
    zone("zfs destroy -r rpool/data/pg && test ! -e /srv/pg/table").check()
    remove(host, "db")
    host.run("zfs set zoned=off rpool/data && zfs mount rpool/data").check()
    assert host.run("cat /srv/old").stdout == "gz\n"
    host.run("zfs destroy rpool/data; zfs destroy rpool/leg; rm -r /export/shared").check()


def test_zones_are_cloned_renamed_moved_detached_and_attached(lab: Lab) -> None:
    host = lab.host
    before = host.dump()["datasets"]
    make(host, "one", "lipkg")
    host.run("zoneadm -z one halt && echo one > /zones/one/root/etc/motd").check()
    host.run("cd /zones/one/root/etc && rm shells && rm -r default && mkdir default").check()
    host.run("zonecfg -z two 'create -t lipkg; set zonepath=/zones/two'").check()
    assert "Cloning snapshot rpool/zones/one@SUNWzone1\n" in host.run("zoneadm -z two clone one").stdout
    host.run("zoneadm -z one uninstall -F && zoneadm -z two boot").check()
    assert (
        host.run("zlogin two 'cat /etc/motd; ls -A /etc/default /etc/shells'").stdout
        == "one\n/etc/default:\n"
    )
    host.run("zoneadm -z two halt && zonecfg -z two set zonename=three").check()
    host.run("zoneadm -z three move /zones/three && zoneadm -z three detach").check()
    assert host.run("zoneadm -z three attach -n /zones/none").status == 1
    host.run("zoneadm -z three attach -n /zones/three/SUNWdetached.xml").check()
    host.run("zoneadm -z three attach -u").check()
    host.run("zoneadm -z three boot").check()
    assert host.run("zlogin three cat /etc/motd").stdout == "one\n"
    remove(host, "three")
    host.run("zonecfg -z one delete -F").check()
    assert host.dump()["datasets"] == before


def test_a_first_boot_runs_what_was_left_for_it(lab: Lab) -> None:
    host = lab.host
    host.run(
        ["zonecfg", "-z", "fresh", "create -t lipkg; set zonepath=/zones/fresh; set hostid=1234abcd"]
    ).check()
    host.run("zoneadm -z fresh install").check()
    host.run("echo 'echo once >> /etc/marks' > /zones/fresh/root/.initialboot").check()
    host.run("echo TZ=Asia/Tokyo > /zones/fresh/root/etc/default/init").check()
    for _ in range(2):
        host.run("zoneadm -z fresh boot").check()
        _await_online(host, "fresh")
        assert host.run(["zlogin", "fresh", "cat /etc/marks; hostid; echo $TZ"]).stdout == (
            "once\n1234abcd\nAsia/Tokyo\n"
        )
        host.run("zoneadm -z fresh halt").check()
    for name in ("passwd", "shadow", "group", "shells", "ssh/sshd_config", "nsswitch.dns", "inet/hosts"):
        assert host.run(f"test -s /zones/fresh/root/etc/{name}").status == 0, name
    remove(host, "fresh")


ANSWERS = """\
system_locale=C
terminal=xterms
network_interface=primary {hostname=sol ip_address=10.0.0.9 netmask=255.255.255.0 protocol_ipv6=no}
security_policy=NONE
name_service=NONE
nfs4_domain=dynamic
root_password=abcdefghijklm
"""


def test_solaris_10_asks_what_its_file_does_not_say() -> None:
    with Lab.start(time_scale=0, profile="tribblix") as lab:
        host = lab.host
        host.run(
            "dladm create-etherstub lan0 && dladm create-vnic -l lan0 sol0 && dladm create-vnic -l lan0 gw0"
            " && ipadm create-addr -T static -a 10.0.0.1/24 gw0/v4 && tar -cf /tmp/s10.tar -C / etc/release"
        ).check()
        net = "set ip-type=exclusive; add net; set physical=sol0; end"
        place = "set zonepath=/export/zones/sol"
        host.run(["zonecfg", "-z", "sol", f"create -t SUNWsolaris10; {place}; {net}"]).check()
        host.run("zoneadm -z sol install -a /tmp/s10.tar -u").check()
        host.run("cat > /export/zones/sol/root/etc/sysidcfg", input=ANSWERS).check()
        host.run("zoneadm -z sol boot").check()
        states = "svcs -z sol -H -o state sysidtool:system multi-user"
        until(lambda: host.run(states).stdout.split() == ["offline", "offline*"], "it does not ask")
        assert host.run("zlogin sol uname -r").stdout == "5.10\n"
        host.run("zoneadm -z sol halt").check()
        host.run("cat >> /export/zones/sol/root/etc/sysidcfg", input="timezone=Europe/Berlin\n").check()
        host.run("zoneadm -z sol boot").check()
        _await_online(host, "sol")
        assert host.run(["zlogin", "sol", "uname -n; echo $TZ"]).stdout == "sol\nEurope/Berlin\n"
        assert host.run("ping 10.0.0.9").stdout == "10.0.0.9 is alive\n"


def _await_online(host: Host, zone: str) -> None:
    state = f"svcs -z {zone} -H -o state multi-user-server"
    until(lambda: host.run(state).stdout == "online\n", f"zone {zone} does not come up")
