"""What others did to the host is seen, mended or respected; a host that is away is not taken for empty."""

import re

import pytest

from .programs import GW, LAN, site, web, zone
from .stack import PulumiFailed


def test_refresh_sees_what_was_changed_by_hand_and_up_mends_it(host, stack):
    shop = stack()
    shop.write(site(web=web(cpus=1.5))).up()
    host.run("zoneadm -z web halt")
    host.run("zonecfg -z web 'remove rctl name=zone.cpu-cap'")
    seen = shop.refresh()
    assert "cpus" in seen
    assert "state" in seen
    shop.up()
    assert host.run("zlogin web echo up").stdout == "up\n"
    assert "limit=150," in host.run("zonecfg -z web export").stdout
    shop.expect_no_change()
    shop.destroy()


def test_link_protection_on_a_router_shows_as_drift_and_is_taken_off(host, stack):
    shop = stack()
    shop.write(site()).up()
    host.run("dladm set-linkprop -p protection=ip-nospoof gw_1")
    shop.refresh()
    assert "linkProtection" in shop.preview()
    shop.up()
    assert host.run("dladm show-linkprop -c -o value -p protection gw_1").stdout.strip() in ("", "--")
    shop.expect_no_change()
    shop.destroy()


def test_what_was_removed_by_hand_counts_as_deleted(host, stack):
    shop = stack()
    shop.write(site(web=web(), app=zone("app", address="10.10.0.6", router="${gw.id}"))).up()
    host.run("zoneadm -z web halt && zoneadm -z web uninstall -F && zonecfg -z web delete -F")
    host.run("zoneadm -z app halt && dladm delete-vnic app_0 && dladm delete-vnic web_0")
    shop.destroy()


def test_an_etherstub_removed_by_hand_is_made_again(host, stack):
    shop = stack()
    shop.write({"lan": LAN}).up()
    host.run("dladm delete-etherstub lan0")
    shop.refresh()
    shop.up()
    assert host.run("dladm show-etherstub -p lan0").stdout == "lan0\n"
    host.run("dladm delete-etherstub lan0").check()
    shop.destroy()


def test_an_etherstub_that_carries_foreign_vnics_is_not_deleted(host, stack):
    shop = stack()
    shop.write({"lan": LAN}).up()
    host.run("dladm create-vnic -l lan0 probe0")
    with pytest.raises(PulumiFailed, match=r"lan0 still carries probe0 \(no zone\)"):
        shop.destroy()
    assert "lan" in shop.resources()
    host.run("dladm delete-vnic probe0")
    shop.destroy()


def test_what_exists_is_refused_and_can_be_imported(host, stack):
    host.run("dladm create-etherstub lan0")
    shop = stack()
    shop.write({"lan": LAN})
    with pytest.raises(PulumiFailed, match="etherstub lan0 exists already"):
        shop.up()
    shop.run(
        "import", "--yes", "--protect=false", "illumos:index:Etherstub", "lan", "gz1/lan0", "--skip-preview"
    )
    shop.preview("--expect-no-changes")
    shop.destroy()


@pytest.mark.parametrize(
    ("identity", "reason"),
    [("gz1/nosuch", "nosuch"), ("gz1/global", "host itself"), ("web", "HOST/NAME")],
)
def test_what_cannot_be_imported_says_why_and_leaves_no_state(identity, reason, host, stack):
    shop = stack().write({})
    with pytest.raises(PulumiFailed, match=reason):
        shop.run("import", "--yes", "illumos:index:Zone", "web", identity, "--skip-preview")
    assert shop.resources() == {}


def test_zones_made_by_hand_and_by_another_stack_are_imported_without_a_difference(host, stack, tmp_path):
    owner = stack()
    owner.write(site(web=web(memory="512M", attributes={"note": "LWMgMSAtbSA0Zw=="}))).up()
    taker = stack()
    taker.write({})
    for token, name, identity in (
        ("Etherstub", "lan", "gz1/lan0"),
        ("RouterZone", "gw", "gz1/gw"),
        ("Zone", "web", "gz1/web"),
    ):
        code = tmp_path / f"{name}.yaml"
        taker.run(
            "import",
            "--yes",
            "--protect=false",
            f"illumos:index:{token}",
            name,
            identity,
            "--skip-preview",
            "--out",
            str(code),
        )
    taken = taker.resources()
    program = {
        name: {"type": taken[name]["type"].replace(":index:", ":"), "properties": taken[name]["inputs"]}
        for name in ("lan", "gw", "web")
    }
    taker.write(program)
    taker.preview("--expect-no-changes")
    owner.destroy()


def test_a_host_that_cannot_be_reached_is_not_read_as_empty(host, stack, lab, tmp_path):
    shop = stack()
    shop.write({"lan": LAN}).up()
    away = tmp_path / "ssh_config"
    away.write_text(re.sub(r"Port \d+", "Port 1", lab.ssh_config.read_text()))
    config = shop.environment["ILLUMOS_SSH_CONFIG"]
    shop.environment["ILLUMOS_SSH_CONFIG"] = str(away)
    try:
        with pytest.raises(PulumiFailed, match="gz1"):
            shop.refresh()
        with pytest.raises(PulumiFailed, match="gz1"):
            shop.destroy()
        assert "lan" in shop.resources()
    finally:
        shop.environment["ILLUMOS_SSH_CONFIG"] = config
    shop.destroy()


def test_two_stacks_attach_zones_to_one_router(host, stack):
    one, two = stack(), stack()
    one.write({"lan": LAN, "gw": GW}).up()
    two.write({"db": zone("db", address="10.10.0.9")}).up()
    with pytest.raises(PulumiFailed, match="router zone gw still serves db"):
        one.destroy()
    two.destroy()
    one.up()
    one.destroy()
