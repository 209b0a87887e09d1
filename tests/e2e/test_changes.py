"""Changes: in place where illumos allows it, announced when they reboot, replaced in the right order."""

import pytest

from illumos_lab.testing import Lab

from .programs import LAN, site, web, zone
from .stack import PulumiFailed, Stack


def boots(host, name):
    """How often a zone was booted so far."""
    return sum("boot" in e["argv"] and name in e["argv"] for e in host.journal()["commands"])


def uuid(host, name):
    return host.run(f"zoneadm -z {name} list -p | cut -d: -f5").stdout.strip()


def mac(host, link):
    return host.run(f"dladm show-vnic -p -o macaddress {link}").stdout.strip()


def test_properties_change_in_place_and_only_some_reboot_the_zone(host, stack):
    shop = stack()
    shop.write(site(web=web(memory="512M"))).up()
    identity = (uuid(host, "web"), mac(host, "web_0"))
    booted = boots(host, "web")

    shop.write(site(web=web(memory="512M", autoboot=False, attributes={"note": "it's 2 o'clock; $HOME"})))
    assert "rebooted" not in shop.preview()
    shop.up()
    assert boots(host, "web") == booted
    assert "autoboot: false" in host.run("zonecfg -z web info autoboot").stdout
    assert "it's 2 o'clock; $HOME" in host.run("zonecfg -z web info attr name=note").stdout

    shop.write(site(web=web(memory="1G", cpus=0.29)))
    assert "rebooted" not in shop.preview()
    shop.up()
    assert boots(host, "web") == booted
    assert "limit=29," in host.run("zonecfg -z web export").stdout

    shop.write(site(web=web(memory="1G", cpus=0.29, bootargs="-m verbose")))
    assert "zone web will be rebooted" in shop.preview()
    shop.up()
    assert boots(host, "web") > booted
    assert host.run("zlogin web echo up").stdout == "up\n"

    assert (uuid(host, "web"), mac(host, "web_0")) == identity
    shop.expect_no_change()
    shop.destroy()


def test_another_spelling_is_no_change_and_the_users_own_is_kept(host, stack):
    shop = stack()
    nics = [{"router": "${gw.id}", "address": "10.10.0.5", "mac": "2:8:20:A:B0:C"}]
    shop.write(site(web=zone("web", nics=nics, memory="1G", swap="2G"))).up()
    shop.expect_no_change()
    nics = [{"router": "gw", "address": "10.10.0.5/255.255.255.0", "mac": "02:08:20:0a:b0:0c"}]
    shop.write(site(web=zone("web", nics=nics, memory="1024M", swap="2048m")))
    shop.preview("--expect-no-changes")
    shop.refresh("--expect-no-changes")
    assert shop.resources()["web"]["inputs"]["memory"] == "1G"
    shop.destroy()


def test_an_address_is_changed_in_place_with_its_reservation(host, stack):
    shop = stack()
    shop.write(site(web=web())).up()
    shop.write(site(web=zone("web", address="10.10.0.6", router="${gw.id}"))).up()
    fragments = host.run("cat /zones/gw/root/etc/dnsmasq.hosts.d/*").stdout
    assert fragments.count("\n") == 1
    assert ",web,10.10.0.6," in fragments
    assert "10.10.0.6/24" in host.run("zlogin web ipadm show-addr -p -o addr").stdout
    shop.expect_no_change()
    shop.destroy()


def test_another_brand_replaces_the_zone_and_the_old_one_goes_first(host, stack):
    shop = stack()
    shop.write(site(web=web(brand="lipkg"))).up()
    before = uuid(host, "web")
    shop.write(site(web=web(brand="ipkg")))
    assert "replace" in shop.preview()
    shop.up()
    assert ":ipkg:" in host.run("zoneadm -z web list -p").stdout
    assert uuid(host, "web") != before
    assert host.run("zoneadm list -c | grep -c web").stdout == "1\n"
    shop.destroy()


def test_an_etherstub_moves_to_another_host_under_its_name(tmp_path):
    with Lab.start(hosts=("gz1", "gz2"), time_scale=0.05) as lab:
        one, two = lab.hosts.values()
        before = [one.dump(), two.dump()]
        shop = Stack(tmp_path, {}, {"ILLUMOS_SSH_CONFIG": str(lab.ssh_config)})

        def moved_to(host):
            return shop.write({"lan": {**LAN, "properties": {"name": "lan0", "host": host, "mtu": 1500}}})

        moved_to("gz1").up()
        # What uses it keeps it where it is.
        one.run("dladm create-vnic -l lan0 other0").check()
        assert "replace" in moved_to("gz2").preview()
        with pytest.raises(PulumiFailed, match="still carries other0"):
            shop.up()
        one.run("dladm delete-vnic other0").check()
        shop.up()
        assert one.dump() == before[0]
        assert two.run("dladm show-link -p -o mtu lan0").stdout == "1500\n"
        shop.expect_no_change()
        shop.destroy()
        assert two.dump() == before[1]


def test_all_of_it_moves_with_the_providers_host(tmp_path):
    with Lab.start(hosts=("gz1", "gz2"), time_scale=0.05) as lab:
        one, two = lab.hosts.values()
        before = [one.dump(), two.dump()]
        shop = Stack(tmp_path, {"illumos:host": "gz1"}, {"ILLUMOS_SSH_CONFIG": str(lab.ssh_config)})
        shop.write(site(web=web())).up()
        shop.run("config", "set", "illumos:host", "gz2")
        assert "3 to replace" in shop.preview()
        shop.up()
        assert one.dump() == before[0]
        assert two.run("zlogin web ping 10.10.0.1 5").status == 0
        shop.expect_no_change()
        shop.destroy()
        assert two.dump() == before[1]


def test_renaming_the_resource_without_an_alias_does_not_touch_the_zone(host, stack):
    shop = stack()
    shop.write(site(web=web())).up()
    before = uuid(host, "web")
    shop.write(site(shop=web()))
    with pytest.raises(PulumiFailed, match="zone web exists already"):
        shop.up()
    assert uuid(host, "web") == before
    assert host.run("zlogin web echo up").stdout == "up\n"
    shop.write(site(web=web())).up()
    shop.destroy()


def test_a_zone_is_halted_and_started_by_its_state(host, stack):
    shop = stack()
    shop.write(site(web=web(state="halted"))).up()
    assert ":installed:" in host.run("zoneadm -z web list -p").stdout
    shop.write(site(web=web())).up()
    assert ":running:" in host.run("zoneadm -z web list -p").stdout
    shop.destroy()


def test_a_router_makes_and_owns_its_etherstub_and_takes_a_second_network(host, stack):
    shop = stack()

    def gw(*networks):
        properties = {"name": "gw", "publicAddress": "192.0.2.100/24", "networks": list(networks)}
        return {"type": "illumos:RouterZone", "properties": properties}

    first = {"subnet": "10.10.0.0/24"}
    second = {"subnet": "10.20.0.0/26", "address": "10.20.0.62", "domain": "lan.example"}
    shop.write({"gw": gw(first)}).up()
    shop.expect_no_change()
    db = zone("db", address="10.20.0.5", router="${gw.id}")
    shop.write({"gw": gw(second, first), "db": db})
    assert "rebooted" not in shop.preview("--target", "urn:pulumi:test::test::illumos:index:RouterZone::gw")
    shop.up()
    assert host.run("zlogin db ping 10.10.0.1").stdout == "10.10.0.1 is alive\n"
    shop.expect_no_change()
    shop.destroy()


def test_shared_ip_and_exclusive_ip_zones_on_one_network_reach_each_other(host, stack):
    shop = stack()
    other = zone("old", address="10.10.0.7", router="${gw.id}", ipType="shared")
    shop.write(site(web=web(), old=other)).up()
    assert host.run("zlogin old ping 10.10.0.5").stdout == "10.10.0.5 is alive\n"
    assert host.run("zlogin web ping 10.10.0.7").stdout == "10.10.0.7 is alive\n"
    shop.expect_no_change()
    shop.destroy()


def test_nics_can_be_described_one_by_one_and_changed(host, stack):
    shop = stack()
    nics = [
        {"link": "e1000g0", "address": "192.0.2.150", "allowedAddress": False},
        {"router": "${gw.id}", "address": "10.10.0.8"},
    ]
    shop.write(site(db=zone("db", nics=nics))).up()
    assert host.run("zlogin db ping 198.51.100.80").stdout == "198.51.100.80 is alive\n"
    assert host.run("zlogin db ping 10.10.0.1").stdout == "10.10.0.1 is alive\n"
    shop.expect_no_change()
    first = mac(host, "db_0")
    nics = [
        {"link": "e1000g0", "dhcp": True},
        {"etherstub": "${gw.networks[0].etherstub}", "address": "10.10.0.9"},
    ]
    shop.write(site(db=zone("db", nics=nics[1:], hostname="www"))).up()
    assert "db_1" not in host.run("dladm show-vnic -p -o link").stdout
    assert mac(host, "db_0") != first
    assert host.run("zlogin db uname -n").stdout == "www\n"
    assert host.run("zlogin db ping 10.10.0.1").stdout == "10.10.0.1 is alive\n"
    shop.expect_no_change()
    shop.destroy()


def test_a_zone_asks_a_server_on_the_hosts_own_network_for_its_address(host, stack):
    shop = stack()
    shop.write({"db": zone("db", nics=[{"link": "e1000g0", "dhcp": True}])}).up()
    protection = host.run("dladm show-linkprop -c -o value -p protection db_0").stdout.strip()
    assert set(protection.split(",")) == {"mac-nospoof", "ip-nospoof", "dhcp-nospoof"}
    shop.expect_no_change()
    shop.destroy()


def test_keys_and_resolvers_are_written_and_changed_without_a_reboot(host, stack):
    shop = stack()
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5vdEFLZXk= me@example"
    shop.write(site(web=web(sshAuthorizedKeys=[key], dnsServers=["198.51.100.80"]))).up()
    root = "/zones/web/root"
    assert host.run(f"cat {root}/root/.ssh/authorized_keys").stdout == f"{key}\n"
    assert host.run(f"ls -l {root}/root/.ssh/authorized_keys").stdout.startswith("-rw-------")
    assert host.run(f"cat {root}/etc/resolv.conf").stdout == "nameserver 198.51.100.80\n"
    booted = boots(host, "web")
    shop.write(site(web=web(sshAuthorizedKeys=[], dnsServers=["10.10.0.1"]))).up()
    assert host.run(f"ls {root}/root/.ssh/authorized_keys").status != 0
    assert host.run(f"cat {root}/etc/resolv.conf").stdout == "nameserver 10.10.0.1\n"
    assert boots(host, "web") == booted
    shop.expect_no_change()
    shop.destroy()
