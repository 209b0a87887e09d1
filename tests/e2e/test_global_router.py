"""A router in the global zone of a host with a single public address, with real packets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from illumos_lab.testing import Lab

from .programs import HTTP, zone
from .stack import PulumiFailed, Stack
from .test_port_forward import CLIENT, Net, eventually, forward, named

OWN = "192.0.2.11"
LAN = {"subnet": "10.10.0.0/24", "domain": "lan.example"}
DMZ = {"subnet": "10.20.0.0/26", "domain": "dmz.example"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A host that has the package of dnsmasq: packages stay when a router goes."""
    with Lab.start(time_scale=0.05) as lab:
        lab.host.run("pkg install ooce/network/dnsmasq").check()
        yield lab


def router(*networks, **more):
    properties = {"name": "gw", "globalZone": True, "networks": list(networks), **more}
    return {"type": "illumos:RouterZone", "properties": properties}


def resolved(host, name):
    """Address and name, as zone web gets them."""
    return host.run(f"zlogin web getent hosts {name}").stdout.split()


def seen_as(host, name):
    """The address under which the outside world sees a zone."""
    return host.run(f"zlogin {name} bash", input=HTTP).stdout


def services(host):
    return host.run("svcs -H -o state ipv4-forwarding ipfilter dns/dnsmasq").stdout.split()


def answer(lab, port):
    """What the outside world is told at a port of the host's address."""
    return lab.outside("python3", "-c", CLIENT, "SOCK_STREAM", OWN, str(port)).stdout.strip()


def test_zones_share_the_hosts_only_address(host, stack, lab):
    net = Net(host, lab)
    host.run("cat >>/etc/ipf/ipnat.conf", input="# of the administrator\n").check()
    shop = stack()
    behind = {
        "web": zone("web", address="10.10.0.5", router="${gw.id}"),
        "app": zone("app", nics=[{"router": "${gw.id}", "dhcp": True}]),
        "old": zone("old", address="10.10.0.7", router="${gw.id}", ipType="shared"),
        **named(www=forward(8080, "${web.id}", 80, "${gw.id}")),
    }
    shop.write({"gw": router(LAN), **behind}).up()
    assert services(host) == ["online"] * 3
    assert "ipf.conf" not in host.run("ls /etc/ipf").stdout.split(), "the host is not filtered"

    # Out, by address and by lease; in, by a forward; names.
    net.serve("web", 80)
    for name in ("web", "app"):
        assert OWN in seen_as(host, name)
    assert answer(lab, 8080).startswith("web 80 ")
    assert host.run(f"zlogin app python3 - SOCK_STREAM {OWN} 8080", input=CLIENT).stdout.startswith(
        "web 80 "
    )
    lease = host.run("zlogin app ipadm show-addr -p -o addr").stdout
    assert shop.resources()["app"]["outputs"]["address"].split("/")[0] in lease
    assert resolved(host, "app.lan.example")[1:] == ["app.lan.example"]
    assert "alive" in host.run("zlogin web ping 10.10.0.7 5").stdout

    # A second network comes while everything goes on, and is mended when others take it down.
    db = zone("db", address="10.20.0.5", router="${gw.id}")
    shop.write({"gw": router(LAN, DMZ), **behind, "db": db}).up()
    assert OWN in seen_as(host, "db")
    assert resolved(host, "db.dmz.example") == ["10.20.0.5", "db.dmz.example"]
    host.run("svcadm disable -s ipv4-forwarding; ipnat -C; ipadm delete-addr gw_2/router").check()
    told = shop.refresh()
    for words in ("forwarding is off", "not in force: map e1000g0", "gw_2 has other addresses"):
        assert words in told
    # The forward is told of the new network, too.
    assert "not in force: rdr gw_2" in told
    shop.up()
    assert OWN in seen_as(host, "db")
    shop.expect_no_change()

    # The host's own files bring everything back.
    host.reboot()
    eventually(lambda: OWN in seen_as(host, "db"))
    eventually(lambda: resolved(host, "db.dmz.example") == ["10.20.0.5", "db.dmz.example"])
    net.serve("web", 80)
    assert answer(lab, 8080).startswith("web 80 ")
    address = shop.resources()["app"]["outputs"]["address"].split("/")[0]
    eventually(lambda: address in host.run("zlogin app ipadm show-addr -p -o addr").stdout)
    shop.expect_no_change()

    shop.destroy()
    assert host.run("cat /etc/ipf/ipnat.conf").stdout == "# of the administrator\n"
    host.run("rm /etc/ipf/ipnat.conf").check()
    assert services(host) == ["disabled"] * 3


def test_on_tribblix_which_configures_its_network_itself_until_told_otherwise(tmp_path):
    with Lab.start(profile="tribblix", time_scale=0.05) as lab:
        host = lab.host
        host.run("zap install TRIBnet-ipfilter && zap install TRIBdnsmasq").check()
        host.run("mkdir -p /var/zap/zones").check()  # where zap keeps its records of zones
        before = host.dump()
        environment = {"ILLUMOS_SSH_CONFIG": str(lab.ssh_config)}
        shop = Stack(tmp_path / "stack", {"illumos:host": "gz1"}, environment)
        web = zone("web", address="10.10.0.5", router="${gw.id}")
        shop.write({"gw": router(LAN), "web": web})
        host.run("svcadm enable -s network/physical:nwam").check()
        with pytest.raises(PulumiFailed, match=r"globalZone: (.|\n)*zap staticnet"):
            shop.preview()
        host.run("svcadm disable -s network/physical:nwam").check()
        shop.up()
        shop.preview("--expect-no-changes")
        assert OWN in seen_as(host, "web")
        assert resolved(host, "web.lan.example") == ["10.10.0.5", "web.lan.example"]
        shop.destroy()
        assert host.dump() == before
