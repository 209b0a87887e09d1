"""Zones that share the global zone's IP stack: what they reach, whose ports they have, how they get out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from illumos_lab.testing import Host, Lab

OUTSIDE = "http://198.51.100.80/"
OWN, PUBLIC = "192.0.2.11", "192.0.2.100"
ZONES = {"one": "10.0.0.31", "two": "10.0.0.32"}

BUILD = """
set -o errexit
dladm create-etherstub lan0
for link in r0 a0 s0; do dladm create-vnic -l lan0 $link; done
dladm create-vnic -l e1000g0 p0
ipadm create-if s0
make_zone() {
  zonecfg -z $1 "create -b; set brand=lipkg; set zonepath=/zones/$1; set ip-type=$2; $3"
  zoneadm -z $1 install
}
make_zone gw exclusive "add net; set physical=p0; end; add net; set physical=r0; end"
make_zone a exclusive "add net; set physical=a0; end"
make_zone one shared "add net; set physical=s0; set address=10.0.0.31/24; end"
make_zone two shared "add net; set physical=s0; set address=10.0.0.32/24; end"
echo 192.0.2.100/24 >/zones/gw/root/etc/hostname.p0
echo 10.0.0.1/24 >/zones/gw/root/etc/hostname.r0
echo 192.0.2.1 >/zones/gw/root/etc/defaultrouter
echo 10.0.0.5/24 >/zones/a/root/etc/hostname.a0
echo 'map p0 10.0.0.0/24 -> 0/32' >/zones/gw/root/etc/ipf/ipnat.conf
for zone in gw a one two; do zoneadm -z $zone boot; done
for zone in gw a one two; do
  until [ "$(svcs -z $zone -H -o state multi-user-server)" = online ]; do sleep 0.05; done
done
zlogin gw routeadm -u -e ipv4-forwarding
svcadm -z gw enable -s svc:/network/ipfilter:default
"""

# Tells whoever connects its name and the address that it is asked from.
SERVER = """
import socket, sys
listening = socket.create_server(("", 8080))
print("ready", flush=True)
while True:
    connection, sender = listening.accept()
    connection.sendall(f"{sys.argv[1]} {sender[0]}".encode())
    connection.close()
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(profile="omnios", time_scale=0) as lab:
        lab.host.run(BUILD).check()
        yield lab


@pytest.fixture(scope="module")
def host(lab: Lab) -> Host:
    return lab.host


def reaches(host: Host, zone: str, address: str) -> bool:
    prefix = "" if zone == "global" else f"zlogin -n {zone} "
    return host.run(f"{prefix}ping {address} 1").status == 0


def seen_as(host: Host, zone: str) -> str:
    """The address under which a zone is seen outside; empty when it is not."""
    prefix = "" if zone == "global" else f"zlogin -n {zone} "
    return host.run(f"{prefix}curl -s -m 2 {OUTSIDE}").stdout.strip()


def contains(host: Host, command: str, text: str) -> bool:
    return text in host.run(command).stdout


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_zones_reach_their_network_each_other_and_the_global_zone(host: Host) -> None:
    for zone in ZONES:
        for target in (*ZONES.values(), "10.0.0.1", "10.0.0.5", OWN):
            assert reaches(host, zone, target), (zone, target)
        assert reaches(host, "a", ZONES[zone])
        assert reaches(host, "global", ZONES[zone])
    # The zones' network is not the global zone's.
    assert not reaches(host, "global", "10.0.0.5")


def test_a_route_whose_router_is_in_no_network_of_a_zone_is_not_for_it(host: Host) -> None:
    assert seen_as(host, "global") == OWN
    assert seen_as(host, "one") == ""
    host.run("zonecfg -z one 'select net physical=s0; set defrouter=10.0.0.1; end'").check()
    host.run("zoneadm -z one reboot").check()
    assert seen_as(host, "one") == PUBLIC
    assert seen_as(host, "two") == PUBLIC
    assert seen_as(host, "global") == OWN
    host.run("zonecfg -z one 'select net physical=s0; clear defrouter; end'; zoneadm -z one reboot").check()
    host.run("route delete default 10.0.0.1").check()
    assert seen_as(host, "one") == ""


def test_a_zone_sends_from_its_address_on_the_way_out(host: Host) -> None:
    net = "add net; set physical=e1000g0; set address=192.0.2.61/24; end"
    host.run(f"zonecfg -z two '{net}'; zoneadm -z two reboot").check()
    assert seen_as(host, "two") == "192.0.2.61"
    assert seen_as(host, "one") == ""
    host.run("zonecfg -z two remove net physical=e1000g0; zoneadm -z two reboot").check()
    assert seen_as(host, "two") == ""


def test_each_zone_has_ports_of_its_own(lab: Lab, host: Host) -> None:
    for zone in ZONES:
        host.run(f"zlogin {zone} 'cat > /tmp/server.py'", input=SERVER).check()
        host.run(f"zlogin {zone} 'python3 /tmp/server.py {zone} > /tmp/log 2>&1 &'").check()
        command = f"zlogin {zone} cat /tmp/log"
        eventually(partial(contains, host, command, "ready"))
    for zone, address in ZONES.items():
        ask = f"zlogin -n a curl -s -m 2 --http0.9 http://{address}:8080/"
        assert host.run(ask).stdout == f"{zone} 10.0.0.5"
    assert host.run(f"curl -s -m 2 --http0.9 http://{OWN}:8080/").status == 7
    assert host.run("zlogin -n one netstat -an -P tcp").stdout.count("*.8080 ") == 1
    assert host.run("netstat -an -P tcp").stdout.count("*.8080 ") == 2
    host.run("for zone in one two; do zlogin $zone pkill -f server.py; done").check()


def test_the_filter_of_the_global_zone_sees_what_comes_from_outside_its_stack(host: Host) -> None:
    host.run("ipf -E; echo 'block in on s0 all' | ipf -f -").check()
    assert not reaches(host, "a", ZONES["one"])
    assert reaches(host, "two", ZONES["one"])
    assert reaches(host, "global", ZONES["one"])
    host.run("ipf -D").check()
    assert reaches(host, "a", ZONES["one"])


def test_nothing_is_left_of_a_zone_that_halts(host: Host) -> None:
    ip = "/system/lab/linux/bin/ip"
    look = f"for v in -4 -6; do {ip} $v rule; {ip} $v route show table all; done; {ip} addr"
    host.run("zoneadm -z two halt").check()
    before = host.run(look).stdout
    host.run("zoneadm -z two boot").check()
    assert host.run(look).stdout != before
    host.run("zoneadm -z two halt").check()
    assert host.run(look).stdout == before
    assert not reaches(host, "a", ZONES["two"])
    assert reaches(host, "a", ZONES["one"])
