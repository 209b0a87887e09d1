"""A router zone that is changed while traffic flows, disturbed by hand, and rebooted."""

import time

import pytest

from .programs import zone
from .stack import PulumiFailed
from .test_changes import boots

OPEN = """
exec 3<>/dev/tcp/198.51.100.80/80
printf 'GET / HTTP/1.0\\r\\n' >&3
touch /tmp/open
until [ -e /tmp/go ]; do printf 'Still: here\\r\\n' >&3; sleep 0.5; done
printf '\\r\\n' >&3
cat <&3 >/tmp/answer.new
mv /tmp/answer.new /tmp/answer
"""
"""Opens a session to the outside world, asks a long question, and ends it when it is told to."""

LAN = {"subnet": "10.10.0.0/24", "domain": "lan.example"}
DMZ = {"subnet": "10.20.0.0/26", "address": "10.20.0.62", "domain": "dmz.example", "isolated": True}


def router(*networks, **more):
    properties = {"name": "gw", "publicAddress": "192.0.2.100/24", "networks": list(networks), **more}
    return {"type": "illumos:RouterZone", "properties": properties}


def eventually(check, seconds=60):
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def exists(host, path):
    return host.run(f"test -e {path}").status == 0


def resolved(host, name):
    """Address and name, as zone web gets them."""
    return host.run(f"zlogin web getent hosts {name}").stdout.split()


def reaches(host, name, address):
    return "alive" in host.run(f"zlogin {name} ping {address} 2").stdout


def test_networks_rules_and_names_change_while_a_session_is_open(host, stack, lab):
    shop = stack()
    web = zone("web", address="10.10.0.5", router="${gw.id}")
    shop.write({"gw": router(LAN), "web": web}).up()
    host.run("zlogin web 'cat >/tmp/open.sh'", input=OPEN)
    host.run("zlogin web 'nohup bash /tmp/open.sh >/dev/null 2>&1 </dev/null &'")
    eventually(lambda: exists(host, "/zones/web/root/tmp/open"))
    booted = boots(host, "gw")

    db = zone("db", address="10.20.0.5", router="${gw.id}")
    more = {
        "publicAddresses": ["192.0.2.101"],
        "routes": [{"destination": "10.50.0.0/16", "gateway": "10.10.0.5"}],
        "dnsRecords": [
            {"name": "www.example.com", "address": "10.10.0.5"},
            {"name": "shop.lan.example", "alias": "web.lan.example"},
        ],
        "firewall": {"inbound": [{"protocol": "icmp"}, {"port": "22"}]},
    }
    everything = {"gw": router(DMZ, LAN, **more), "web": web, "db": db}
    shop.write(everything)
    assert "rebooted" not in shop.preview()
    shop.up()
    assert boots(host, "gw") == booted
    host.run("touch /zones/web/root/tmp/go")
    eventually(lambda: exists(host, "/zones/web/root/tmp/answer"))
    assert "192.0.2.100" in host.run("cat /zones/web/root/tmp/answer").stdout
    shop.expect_no_change()

    assert resolved(host, "web") == ["10.10.0.5", "web"]
    assert resolved(host, "db.dmz.example") == ["10.20.0.5", "db.dmz.example"]
    assert resolved(host, "10.20.0.5") == ["10.20.0.5", "db.dmz.example"]
    assert resolved(host, "10.10.0.5") == ["10.10.0.5", "web.lan.example"]
    assert resolved(host, "www.example.com")[0] == "10.10.0.5"
    assert resolved(host, "shop.lan.example")[0] == "10.10.0.5"

    assert reaches(host, "db", "198.51.100.80")
    assert not reaches(host, "db", "10.10.0.5")
    assert not reaches(host, "web", "10.20.0.5")
    assert lab.outside("ping", "-c", "1", "-W", "5", "192.0.2.101").status == 0

    # What others change is seen, and put right while the router runs.
    host.run(
        "zlogin gw ipadm set-prop -p forwarding=off ipv4; ipnat -z gw -C; "
        "zlogin gw route -p delete -net 10.50.0.0/16 10.10.0.5; zlogin gw ifconfig gw_2 unplumb; "
        "svcadm -z gw disable -s network/dns/dnsmasq"
    )
    seen = shop.refresh()
    for words in ("forwarding is off", "not in force: map gw_0", "no route to 10.50", "gw_2 has other"):
        assert words in seen
    shop.up()
    assert boots(host, "gw") == booted
    assert reaches(host, "db", "198.51.100.80")
    shop.expect_no_change()

    # The host's files are the truth: everything comes back without Pulumi.
    host.reboot()
    eventually(lambda: resolved(host, "www.example.com")[:1] == ["10.10.0.5"], 180)
    eventually(lambda: reaches(host, "db", "198.51.100.80"))
    assert not reaches(host, "web", "10.20.0.5")
    shop.expect_no_change()

    shop.write({"gw": router(LAN), "web": web, "db": db})
    with pytest.raises(PulumiFailed, match="still serves db"):
        shop.up()
    shop.write(everything | {"db": db}).up()
    del everything["db"]
    shop.write(everything).up()
    shop.write({"gw": router(LAN), "web": web}).up()
    assert "gw_2" not in host.run("dladm show-link -p -o link").stdout
    assert reaches(host, "web", "198.51.100.80")
    shop.expect_no_change()
    shop.destroy()


def test_a_configuration_that_dnsmasq_refuses_leaves_the_former_one_at_work(host, stack):
    shop = stack()
    web = zone("web", address="10.10.0.5", router="${gw.id}")
    shop.write({"gw": router(LAN), "web": web}).up()
    shop.write({"gw": router(LAN | {"dhcpOptions": {"no-such-option": "1"}}), "web": web})
    with pytest.raises(PulumiFailed, match=r"keeps the one it has(.|\n)*bad dhcp-option"):
        shop.up()
    assert resolved(host, "web.lan.example") == ["10.10.0.5", "web.lan.example"]
    shop.write({"gw": router(LAN, publicLink="e1000g0"), "web": web}).up()
    shop.expect_no_change()
    shop.destroy()
