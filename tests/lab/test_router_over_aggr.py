"""A host whose network card is a port of an aggregation: its own address, and a router zone, over that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from illumos_lab.testing import Host, Lab

TRUNK = """
set -o errexit
ipadm delete-if e1000g0
dladm create-aggr -L active -l e1000g0 aggr0
ipadm create-if aggr0
ipadm create-addr -T static -a 192.0.2.11/24 aggr0/v4
route add default 192.0.2.1
dladm create-simnet sim0
dladm add-aggr -l sim0 aggr0
"""

BUILD = """
set -o errexit
dladm create-etherstub lan0
dladm create-vnic -l aggr0 p0
for link in r0 a0; do dladm create-vnic -l lan0 $link; done
make_zone() {
  printf 'create -b\\nset brand=lipkg\\nset zonepath=/zones/%s\\nset ip-type=exclusive\\n' $1 >/tmp/$1.cfg
  printf 'set autoboot=true\\n' >>/tmp/$1.cfg
  for link in $2; do printf 'add net\\nset physical=%s\\nend\\n' $link >>/tmp/$1.cfg; done
  zonecfg -z $1 -f /tmp/$1.cfg
  zoneadm -z $1 install
}
make_zone gw "p0 r0"
make_zone a a0
R=/zones/gw/root/etc
echo 192.0.2.100/24 >$R/hostname.p0
echo 192.0.2.1 >$R/defaultrouter
echo 10.0.0.1/24 >$R/hostname.r0
echo 'map p0 10.0.0.0/24 -> 0/32' >$R/ipf/ipnat.conf
echo 10.0.0.5/24 >/zones/a/root/etc/hostname.a0
echo 10.0.0.1 >/zones/a/root/etc/defaultrouter
for zone in gw a; do zoneadm -z $zone boot; done
for zone in gw a; do
  until [ "$(svcs -z $zone -H -o state multi-user-server)" = online ]; do sleep 0.05; done
done
zlogin gw routeadm -u -e ipv4-forwarding
svcadm -z gw enable -s svc:/network/ipfilter:default
"""

WORLD = "198.51.100.80"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(time_scale=0.0) as lab:
        lab.host.ssh("ksh93 -s", input=TRUNK).check()
        yield lab


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def reaches(host: Host, where: str = "") -> bool:
    return host.run(f"{where} ping {WORLD} 2").stdout == f"{WORLD} is alive\n"


def as_the_world_sees_it(host: Host) -> str:
    """The address that a web server out there is asked from by zone a."""
    return host.run(f"zlogin a curl -s -m 5 http://{WORLD}/").stdout


def test_the_address_of_the_host_moves_to_an_aggregation(lab: Lab) -> None:
    host = lab.host
    links = "dladm show-link -p -o link,class,over"
    assert host.run(links).stdout == "e1000g0:phys:\naggr0:aggr:e1000g0,sim0\nsim0:simnet:\n"
    assert "aggr0/v4:192.0.2.11/24\n" in host.run("ipadm show-addr -p -o addrobj,addr").stdout
    assert "e1000g0" not in host.run("ipadm show-if -p -o ifname").stdout
    assert host.run(f"curl -s -m 5 http://{WORLD}/").stdout == "192.0.2.11\n"
    assert lab.outside("ping", "-c", "1", "-W", "5", "192.0.2.11").status == 0
    # The card belongs to the aggregation now.
    taken = host.run("ipadm create-if e1000g0")
    assert (taken.status, taken.stdout) == (1, "\n")


def test_a_router_over_the_aggregation_leads_its_zones_to_the_world_also_after_a_reboot(lab: Lab) -> None:
    host = lab.host
    host.run(BUILD).check()
    eventually(lambda: as_the_world_sees_it(host) == "192.0.2.100\n")
    assert reaches(host)
    assert reaches(host, "zlogin a")
    # Two vnics over one aggregation, or the host itself: it is a switch like any other.
    assert host.run("zlogin gw ping 192.0.2.11 2").stdout == "192.0.2.11 is alive\n"

    host.reboot()
    assert host.run("dladm show-vnic -p -o over p0").stdout == "aggr0\n"
    assert reaches(host)
    eventually(lambda: as_the_world_sees_it(host) == "192.0.2.100\n")

    # Another port carries the packets from now on, and leads nowhere.
    host.run("dladm remove-aggr -l e1000g0 aggr0").check()
    assert not reaches(host)
    assert not reaches(host, "zlogin a")
    host.run("dladm add-aggr -l e1000g0 aggr0; dladm remove-aggr -l sim0 aggr0").check()
    eventually(lambda: reaches(host, "zlogin a"))
    assert reaches(host)
