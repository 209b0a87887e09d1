"""Networks of zones with packets: nics and addresses, link protection, reservations, coexistence."""

import time

import pytest

from illumos_lab.testing import Lab

from .programs import site, zone
from .stack import PulumiFailed, Stack

HOSTS = "/zones/gw/root/etc/dnsmasq.hosts.d"
LEASES = "/zones/gw/root/var/opt/ooce/dnsmasq/dnsmasq.leases"


def boots(host, name):
    """How often a zone was booted so far."""
    return sum("boot" in e["argv"] and name in e["argv"] for e in host.journal()["commands"])


def mac(host, link):
    """The padded MAC address of a vnic."""
    text = host.run(f"dladm show-vnic -p -o macaddress {link}").check().stdout.strip()
    return ":".join(f"{int(octet, 16):02x}" for octet in text.split(":"))


def addresses(host, name):
    """Kind and address of every address in a zone but its loopback ones."""
    lines = host.run(f"zlogin {name} ipadm show-addr -p -o type,addr").check().stdout.splitlines()
    found = (line.replace("\\:", ":").partition(":")[::2] for line in lines)
    return {(kind, address) for kind, address in found if not address.startswith(("127.", "::1"))}


def prop(host, link, name):
    return host.run(f"dladm show-linkprop -c -o value -p {name} {link}").check().stdout.strip()


def alive(host, name, address):
    return host.run(f"zlogin {name} ping {address} 3").stdout == f"{address} is alive\n"


def eventually(host, command, expected):
    deadline = time.monotonic() + 60
    while (got := host.run(command)).stdout != expected:
        assert time.monotonic() < deadline, f"{command}: {got}"
        time.sleep(0.2)


def test_nics_with_everything_live_change_and_go(host, stack):
    shop = stack()
    lan = {
        "router": "${gw.id}",
        "address": "10.10.0.5",
        "addresses": ["10.10.0.15", "2001:db8:1::5/64"],
        "mtu": 1400,
        "maxBandwidth": "100M",
        "priority": "low",
    }
    outer = {
        "link": "e1000g0",
        "address": "192.0.2.150/24",
        "addresses": ["192.0.2.151"],
        "allowedAddress": False,
        "mac": "2:8:20:a:b0:c",
    }
    app = zone("app", nics=[{"router": "${gw.id}", "dhcp": True, "address": "10.10.0.30"}])
    old = zone("old", address="10.10.0.7", router="${gw.id}", ipType="shared")
    zones = {"app": app, "old": old}
    shop.write(site(web=zone("web", nics=[lan, outer]), **zones)).up()
    assert {
        ("from-gz", "10.10.0.5/24"),
        ("from-gz", "10.10.0.15/24"),
        ("from-gz", "2001:db8:1::5/64"),
        ("static", "192.0.2.150/24"),
        ("static", "192.0.2.151/24"),
    } <= addresses(host, "web")
    assert ("dhcp", "10.10.0.30/24") in addresses(host, "app")
    assert (prop(host, "web_0", "maxbw"), prop(host, "web_0", "priority")) == ("100", "low")
    assert prop(host, "web_0", "mtu") == "1400"
    assert mac(host, "web_1") == "02:08:20:0a:b0:0c"
    for target in ("10.10.0.15", "10.10.0.30", "10.10.0.7"):
        asking = "web" if target != "10.10.0.15" else "app"
        assert alive(host, asking, target), target
    assert alive(host, "old", "10.10.0.5")
    # What carries an allowed-address sends from it alone, whatever the zone says of itself.
    ping = "/system/lab/linux/bin/ping -n -c 1 -w 2"
    assert host.run(f"zlogin web {ping} -I 10.10.0.15 10.10.0.30").status == 0
    host.run("dladm set-linkprop -t -p allowed-ips=10.10.0.5 web_0").check()
    assert host.run(f"zlogin web {ping} -I 10.10.0.15 10.10.0.30").status != 0
    host.run("dladm set-linkprop -t -p allowed-ips=10.10.0.5,10.10.0.15,2001:db8:1::5 web_0").check()
    theirs = "/system/lab/linux/bin/ip addr {} 10.10.0.7/24 dev web_0"  # That is the address of zone old.
    host.run(f"zlogin web {theirs.format('add')}").check()
    assert host.run(f"zlogin web {ping} -I 10.10.0.7 10.10.0.30").status != 0
    host.run(f"zlogin web {theirs.format('del')}").check()
    shop.expect_no_change()

    # At what address somebody answers of whom the configurations know nothing, the preview finds out.
    host.run("dladm reset-linkprop -t -p protection app_0").check()
    for name, address, link in (("app", "10.10.0.44", "app_0"), ("web", "192.0.2.177", "web_1")):
        host.run(f"zlogin {name} /system/lab/linux/bin/ip addr add {address}/24 dev {link}").check()
        shop.write(site(web=zone("web", nics=[lan, outer]), more=zone("more", address=address), **zones))
        with pytest.raises(PulumiFailed, match=f"answers at {address}: choose another"):
            shop.preview()
        host.run(f"zlogin {name} /system/lab/linux/bin/ip addr del {address}/24 dev {link}").check()
    host.run("dladm set-linkprop -t -p protection=mac-nospoof,ip-nospoof,dhcp-nospoof app_0").check()

    booted, kept = boots(host, "web"), mac(host, "web_0")
    tuned = {**lan, "maxBandwidth": "1500K"}
    del tuned["priority"]
    shop.write(site(web=zone("web", nics=[tuned, outer]), **zones))
    assert "rebooted" not in shop.preview()
    shop.up()
    assert boots(host, "web") == booted
    assert (prop(host, "web_0", "maxbw"), prop(host, "web_0", "priority")) == ("1.500", "high")

    moved = {**tuned, "addresses": ["10.10.0.16"], "mtu": 1300}
    shop.write(site(web=zone("web", nics=[moved, {**outer, "vlanId": 7, "gateway": "none"}]), **zones))
    assert "zone web will be rebooted" in shop.preview()
    shop.up()
    assert mac(host, "web_0") == kept
    assert host.run("dladm show-vnic -p -o vid web_1").stdout == "7\n"
    assert alive(host, "app", "10.10.0.16")
    shop.expect_no_change()

    host.run("dladm set-linkprop -p maxbw=50M web_0").check()
    assert "nics" in shop.refresh()
    shop.up()
    assert prop(host, "web_0", "maxbw") == "1.500"
    shop.destroy()


def test_reservations_follow_the_zones_and_old_leases_go(host, stack):
    shop = stack()

    def client(name, address):
        return zone(name, nics=[{"router": "${gw.id}", "dhcp": True, "address": address}])

    def reserved():
        return host.run(f"cat {HOSTS}/*").stdout

    def expect(name, address):
        assert reserved() == f"{mac(host, f'{name}_0')},{name},{address},infinite\n"
        eventually(host, f"zlogin {name} ipadm show-addr -p -o addr | grep 10.10", f"{address}/24\n")
        assert host.run("svcs -z gw -H -o state svc:/network/dns/dnsmasq:default").stdout == "online\n"
        leases = [line.split()[1:4] for line in host.run(f"cat {LEASES}").stdout.splitlines()]
        assert leases == [[mac(host, f"{name}_0"), address, name]]

    shop.write(site(app1=client("app1", "10.10.0.20"))).up()
    expect("app1", "10.10.0.20")
    shop.write(site()).up()
    assert reserved() == ""
    assert host.run(f"cat {LEASES}").stdout == ""
    shop.write(site(app2=client("app2", "10.10.0.20"))).up()
    expect("app2", "10.10.0.20")
    shop.write(site(app2=client("app2", "10.10.0.21"))).up()
    expect("app2", "10.10.0.21")

    shop.write(site(app2=client("app2", "10.10.0.21"), app3=client("app3", "10.10.0.21")))
    with pytest.raises(PulumiFailed, match=r"10\.10\.0\.21 is (claimed|taken) by"):
        shop.preview()
    with pytest.raises(PulumiFailed, match=r"10\.10\.0\.21"):
        shop.up()
    expect("app2", "10.10.0.21")

    # Its router is stopped, later it is gone: the zone can still be deleted.
    shop.write(site(app2=client("app2", "10.10.0.21"), app3=client("app3", "10.10.0.22"))).up()
    host.run("zoneadm -z gw halt").check()
    shop.write(site(app2=client("app2", "10.10.0.21")))
    shop.up("--target-dependents", "--target", "urn:pulumi:test::test::illumos:index:Zone::app3")
    assert ",app3," not in reserved()
    host.run("zoneadm -z gw uninstall -F && zonecfg -z gw delete -F").check()
    shop.destroy()


def test_a_vnic_on_demand_comes_and_goes_with_the_zone(host, stack):
    shop = stack()
    nic = {"globalNic": "auto", "vnic": "od0", "address": "192.0.2.160"}
    shop.write({"web": zone("web", nics=[nic])}).up()
    assert alive(host, "web", "192.0.2.1")
    shop.expect_no_change()
    shop.write({"web": zone("web", nics=[nic], state="halted")}).up()
    assert "od0" not in host.run("dladm show-link -p -o link").stdout
    shop.expect_no_change()
    host.run("dladm create-vnic -l e1000g0 od0").check()
    assert "od0" in shop.destroy()
    host.run("dladm delete-vnic od0").check()


BY_HAND = """\
create -b
set zonepath=/zones/edge
set brand=lipkg
set autoboot=false
set ip-type=exclusive
add net
set physical=web1n0
set allowed-address=192.0.2.170/24
set defrouter=192.0.2.1
end
add net
set physical=edge7_ext0
add property (name=promiscphys,value="on")
add property (name=allow_ip_spoofing,value="true")
end
add capped-memory
set physical=1G
end
add rctl
set name=zone.max-swap
add value (priv=privileged,limit=2147483648,action=deny)
end
add rctl
set name=zone.cpu-cap
add value (priv=privileged,limit=150,action=deny)
end
add attr
set name=cloud-note
set type=string
set value="cmVnaXN0cnk="
end
"""
EDGE = "4402--edge-7.pop3.example.net"
"""A zone that a site's own tools made, with the site's way of naming zones."""


def test_a_zone_made_by_hand_is_imported_as_it_is_and_stays_so(host, stack):
    host.run("dladm create-vnic -l e1000g0 web1n0 && dladm create-vnic -l e1000g0 edge7_ext0").check()
    host.run(f"zonecfg -z {EDGE} -f -", input=BY_HAND).check()
    host.run(f"zoneadm -z {EDGE} install && zoneadm -z {EDGE} boot").check()
    shop = stack().write({})
    shop.run(
        "import", "--yes", "--protect=false", "illumos:index:Zone", "edge", f"gz1/{EDGE}", "--skip-preview"
    )
    inputs = shop.resources()["edge"]["inputs"]

    def program(**more):
        return {"edge": {"type": "illumos:Zone", "properties": {**inputs, **more}}}

    def as_it_is():
        """What an update that has nothing to do with it leaves alone."""
        config = host.run(f"zonecfg -z {EDGE} export").check().stdout
        own = config.index('add attr\nset name="pulumi-') if "pulumi-" in config else len(config)
        links = host.run("dladm show-vnic -p -o link,over,macaddress").stdout
        inside = host.run(
            "cd /zones/edge/root/etc && ls -l nodename resolv.conf defaultrouter; cat inet/hosts"
        )
        return config[:own].replace("autoboot=true", "autoboot=false"), links, inside, boots(host, EDGE)

    shop.write(program()).preview("--expect-no-changes")
    shop.write(program(memory="1024M", swap="2048m", cpus=1.5)).preview("--expect-no-changes")
    before = as_it_is()
    shop.write(program(autoboot=True)).up()
    assert host.run(f"zonecfg -z {EDGE} info autoboot").stdout == "autoboot: true\n"
    assert as_it_is() == before
    shop.write(program(autoboot=True, shutdownTimeout=60)).up()
    assert as_it_is() == before
    host.run(
        f"zonecfg -z {EDGE} 'select rctl name=zone.cpu-cap; remove value "
        "(priv=privileged,limit=150,action=deny); add value (priv=privileged,limit=200,action=deny); end'"
    ).check()
    assert "cpus" in shop.refresh()
    shop.destroy()


@pytest.fixture(scope="module")
def tribblix():
    with Lab.start(profile="tribblix", time_scale=0) as lab:
        lab.host.run(
            "zap install TRIBnet-ipfilter && mkdir -p /var/zap/zones /var/zap/cache /zonelib/lib"
        ).check()
        yield lab


def test_zones_attach_to_a_router_that_zap_made_and_zap_knows_them(tribblix, tmp_path):
    host = tribblix.host
    before = host.dump()
    host.ssh("zap create-zone -t router -z zgw -x 192.0.2.100 -R 10.1.2.0/24").check()
    environment = {"ILLUMOS_SSH_CONFIG": str(tribblix.ssh_config)}
    shop = Stack(tmp_path / "stack", {"illumos:host": "gz1"}, environment)
    app = zone("app", nics=[{"router": "zgw", "dhcp": True, "address": "10.1.2.30"}])
    shop.write({"web": zone("web", address="10.1.2.5"), "app": app}).up()
    eventually(host, "zlogin app ipadm show-addr -p -o addr | grep 10.1", "10.1.2.30/24\n")
    eventually(host, "zlogin -n web curl -s -m 5 http://198.51.100.80/", "192.0.2.100\n")
    shop.expect_no_change()

    assert "web" in host.ssh("zap list-zones").check().stdout
    assert "Zone web is running" in host.ssh("zap describe-zone web").check().stdout
    refused = host.ssh("zap destroy-zone -z zgw")
    assert (refused.status, refused.stdout.splitlines()[2:]) == (1, ["  app", "  web"])

    host.ssh("zap destroy-zone -z web").check()
    assert "web_0" not in host.run("dladm show-vnic -p -o link").stdout
    assert host.run("ls /export/zones/zgw/root/etc/dnsmasq.d").stdout == "pulumi-app_0.conf\n"
    shop.refresh()
    assert "web" not in shop.resources()
    shop.destroy()
    assert host.run("ls /var/zap/zones | grep app").stdout == ""
    host.ssh("zap destroy-zone -z zgw").check()
    assert host.dump() == before


def test_zap_attaches_zones_to_our_router(tribblix, tmp_path):
    host = tribblix.host
    before = host.dump()
    environment = {"ILLUMOS_SSH_CONFIG": str(tribblix.ssh_config)}
    shop = Stack(tmp_path / "stack", {"illumos:host": "gz1"}, environment)
    properties = {"name": "gw", "publicAddress": "192.0.2.101", "networks": [{"subnet": "10.3.4.0/24"}]}
    ours = zone("ours", address="10.3.4.5", router="${gw.id}")
    shop.write({"gw": {"type": "illumos:RouterZone", "properties": properties}, "ours": ours}).up()
    host.ssh("zap create-zone -t whole -z theirs -x 10.3.4.10").check()
    eventually(host, "zlogin -n theirs curl -s -m 5 http://198.51.100.80/", "192.0.2.101\n")
    assert alive(host, "theirs", "10.3.4.5")
    shop.expect_no_change()

    # Our router reads what zap writes for its DHCP server: a zone that asks gets the same address.
    nic = host.run("zonecfg -z theirs info net | sed -n 's/.*physical: //p'").stdout.strip()
    host.run(
        f"zonecfg -z theirs 'remove net physical={nic}; add net; set physical={nic}; end' && "
        f"cd /export/zones/theirs/root/etc && rm hostname.{nic} defaultrouter && touch dhcp.{nic} && "
        "zoneadm -z theirs reboot"
    ).check()
    eventually(host, "zlogin theirs ipadm show-addr -p -o type,addr | grep dhcp", "dhcp:10.3.4.10/24\n")
    eventually(host, "zlogin ours getent hosts theirs", "10.3.4.10\ttheirs\n")

    refused = host.ssh("zap destroy-zone -z gw")
    assert (refused.status, refused.stdout.splitlines()[2:]) == (1, ["  ours", "  theirs"])
    with pytest.raises(PulumiFailed, match="router zone gw still serves theirs"):
        shop.destroy()
    host.ssh("zap destroy-zone -z theirs").check()
    shop.destroy()
    assert host.dump() == before
