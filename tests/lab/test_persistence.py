"""A reboot of a zone and of a host keeps exactly what is persistent."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from illumos_lab.testing import Host, Lab

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces as root")

ON_THE_HOST = """
dladm create-etherstub stub0
dladm create-etherstub -t stub9
dladm create-vnic -l stub0 kept0
dladm create-vnic -l stub0 back0
dladm create-vnic -t -l stub0 gone0
dladm delete-vnic -t back0
dladm create-etherstub -R / later0
dladm set-linkprop -p maxbw=50 kept0
dladm set-linkprop -t -p priority=low kept0
flowadm add-flow -l kept0 -a transport=tcp keptflow
flowadm add-flow -t -l kept0 -a transport=udp goneflow
ipadm create-if kept0
ipadm create-addr -T static -a 10.1.0.1/24 kept0/v4
ipadm create-addr -t -T static -a 10.1.0.2/24 kept0/gone
ipadm set-ifprop -p forwarding=on -m ipv4 kept0
ipadm set-prop -p ttl=99 ipv4
ipadm set-prop -t -p hostmodel=strong ipv4
route -p add -net 10.2.0.0/16 10.1.0.9
route add -net 10.3.0.0/16 10.1.0.9
svcadm enable rcap
svcadm enable -t varpd
svcadm disable cron
svcadm disable -t system-log
zfs create rpool/export/kept
zfs set atime=off rpool/export/kept
echo kept > /etc/motd
echo gone > /tmp/mark
echo gone > /var/run/mark
"""

IN_THE_ZONE = """
ipadm create-if web0
ipadm create-addr -T static -a 10.1.0.20/24 web0/v4
ipadm create-addr -t -T static -a 10.1.0.21/24 web0/gone
route -p add default 10.1.0.1
route add -net 10.4.0.0/16 10.1.0.9
svcadm enable ipv4-forwarding
svcadm enable -t rpc/bind
svcadm disable cron
svcadm disable -t system-log
echo kept > /etc/motd
echo gone > /tmp/mark
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab.start(time_scale=0) as lab:
        lab.host.run("set -e\n" + ON_THE_HOST).check()
        for zone, autoboot in (("web", "true"), ("off", "false")):
            net = (
                "add net; set physical=web0; end; add capped-cpu; set ncpus=2; end" if zone == "web" else ""
            )
            lines = f"create -t lipkg; set zonepath=/zones/{zone}; set autoboot={autoboot}; {net}"
            lab.host.run("dladm create-vnic -l stub0 web0 2>/dev/null")
            lab.host.run(["/usr/sbin/zonecfg", "-z", zone, lines]).check()
            lab.host.run(f"zoneadm -z {zone} install && zoneadm -z {zone} boot").check()
            await_up(lab.host, zone)
        lab.host.run(["/usr/sbin/zlogin", "web", "/bin/sh"], input="set -e\n" + IN_THE_ZONE).check()
        lab.host.run("prctl -n zone.cpu-cap -r -v 77 -i zone web").check()
        yield lab.host


def await_up(host: Host, zone: str) -> None:
    host.run(
        f"until svcs -z {zone} -H -o state milestone/multi-user-server 2>/dev/null | grep online;"
        " do sleep 0.05; done"
    ).check()


def lines(host: Host, command: str) -> list[str]:
    return host.run(command).check().stdout.splitlines()


def check_zone(host: Host) -> None:
    """What the zone has after any reboot."""

    def inside(command: str) -> list[str]:
        return lines(host, f"zlogin web '{command}'")

    assert inside("ipadm show-addr -p -o addrobj,addr") == [
        "lo0/v4:127.0.0.1/8", "web0/v4:10.1.0.20/24", "lo0/v6:\\:\\:1/128",
    ]  # fmt: skip
    routes = "\n".join(inside("netstat -rn -f inet"))
    assert "default" in routes
    assert "10.4.0.0" not in routes
    assert inside("svcs -H -o state ipv4-forwarding rpc/bind cron system-log") == [
        "disabled", "disabled", "online", "online",
    ]  # fmt: skip
    assert inside("cat /etc/motd; ls /tmp") == ["kept"]
    assert lines(host, "prctl -P -n zone.cpu-cap -t privileged -i zone web")[-1].split()[2] == "200"


def test_a_zone_keeps_what_is_persistent(host: Host) -> None:
    assert "10.1.0.21/24" in host.run("zlogin web ipadm show-addr").stdout
    host.run("zoneadm -z web reboot").check()
    await_up(host, "web")
    check_zone(host)


def test_a_host_keeps_what_is_persistent(host: Host) -> None:
    assert "10.1.0.2/24" in host.run("ipadm show-addr").stdout
    host.reboot()
    await_up(host, "web")
    assert lines(host, "dladm show-link -p -o link") == [
        "e1000g0", "stub0", "kept0", "back0", "web0", "later0",
    ]  # fmt: skip
    assert lines(host, "dladm show-linkprop -c -o value -p maxbw,priority kept0") == ["   50", "high"]
    # What was called for the root with -R has been done once, at this boot.
    assert lines(host, "ls /var/svc/profile") == []
    assert lines(host, "flowadm show-flow -p -o flow") == ["keptflow"]
    assert lines(host, "ipadm show-addr -p -o addr kept0/") == ["10.1.0.1/24"]
    assert lines(host, "ipadm show-ifprop -c -o current -p forwarding -m ipv4 kept0") == ["on"]
    assert lines(host, "ipadm show-prop -c -o current -p ttl,hostmodel ipv4") == ["99", "weak"]
    routes = host.run("netstat -rn -f inet").stdout
    assert "10.2.0.0" in routes
    assert "10.3.0.0" not in routes
    assert lines(host, "svcs -H -o state rcap") == ["online"]
    assert lines(host, "svcs -H -o state varpd") == ["disabled"]
    assert lines(host, "svcs -H -o state cron") == ["disabled"]
    assert lines(host, "svcs -H -o state system-log") == ["online"]
    assert lines(host, "zfs get -H -o value atime rpool/export/kept") == ["off"]
    assert lines(host, "cat /etc/motd; ls /tmp/mark /var/run/mark 2>/dev/null; true") == ["kept"]
    assert lines(host, "zoneadm list -i") == ["global", "web", "off"]
    assert lines(host, "zoneadm list") == ["global", "web"]
    check_zone(host)


def test_another_reboot_changes_nothing(host: Host) -> None:
    before = host.dump()
    host.reboot()
    await_up(host, "web")
    assert host.dump() == before
