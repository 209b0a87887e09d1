"""What goes wrong is told in one clear message, nothing is lost, and the next run finishes."""

import re

import pytest

from .programs import LAN, site, web, zone
from .stack import PulumiFailed


def failure(run):
    with pytest.raises(PulumiFailed) as failed:
        run()
    output = failed.value.output
    assert "Traceback" not in output
    assert "internal error" not in output
    return output


def test_bad_input_fails_in_the_preview_before_the_host_is_touched(host, stack):
    shop = stack()
    before = host.journal()["connections"]
    shop.write({"web": zone("a:b", address="10.10.0", memory="1X")})
    output = failure(shop.preview)
    assert "a:b" in output
    assert "10.10.0" in output
    assert host.journal()["connections"] == before


def test_what_the_host_lacks_fails_in_the_preview(host, stack):
    shop = stack()
    shop.write(site(web=web(brand="sparce"))).up(
        "--target", "urn:pulumi:test::test::illumos:index:Etherstub::lan"
    )
    output = failure(
        lambda: shop.write(
            {"lan": LAN, "web": zone("web", address="192.0.2.150", brand="sparce")}
        ).preview()
    )
    assert "brand sparce is not installed" in output
    shop.destroy()


def test_a_failed_install_is_recorded_told_and_finished_by_the_next_up(host, stack):
    shop = stack()
    shop.write(site(web=web()))
    host.fault(r"zoneadm -z web install", status=1, stderr="pkg: no space left on device\n", times=1)
    output = failure(shop.up)
    assert "installing zone web" in output
    assert "zoneadm -z web install" in output
    assert "no space left on device" in output
    assert "exit status 1" in output
    assert shop.resources()["web"]["initErrors"]
    shop.up()
    assert host.run("zlogin web echo up").stdout == "up\n"
    shop.expect_no_change()
    shop.destroy()


def test_a_refusal_that_says_success_is_found_out(host, stack):
    shop = stack()
    shop.write(site(web=web())).up()
    shop.write(site(web=web(autoboot=False)))
    host.fault("zonecfg -z web -f", status=0)
    assert "has another value for autoboot" in failure(shop.up)
    assert "autoboot: true" in host.run("zonecfg -z web info autoboot").stdout
    shop.up()
    shop.expect_no_change()
    shop.destroy()


def test_a_half_made_zone_is_removed_by_destroy(host, stack):
    shop = stack()
    shop.write(site(web=web()))
    host.fault(r"zoneadm -z web boot", status=1, stderr="zone 'web': no\n", times=1)
    failure(shop.up)
    shop.destroy()


def test_a_link_that_is_busy_for_a_moment_is_waited_for(host, stack):
    shop = stack()
    shop.write(site(web=web())).up()
    host.fault(
        r"dladm delete-vnic web_0",
        status=1,
        stderr="dladm: vnic deletion failed: link busy\n",
        times=3,
    )
    shop.destroy()


def test_an_incomplete_zone_is_finished_and_a_destroy_that_is_hindered_goes_on_later(host, stack):
    shop = stack()
    properties = {"nics": [{"etherstub": "${lan.name}", "address": "10.10.0.5/24"}]}

    def program(**more):
        made = zone("web", **properties, **more)
        return {"lan": LAN, "web": made | {"options": {"customTimeouts": {"delete": "20s"}}}}

    failure(shop.write(program(install={"packages": ["no/such/package"]})).up)
    assert ":incomplete:" in host.run("zoneadm -z web list -p").stdout
    assert shop.resources()["web"]["initErrors"]
    shop.write(program()).up()
    assert host.run("zlogin web echo up").stdout == "up\n"
    shop.preview("--expect-no-changes")

    host.run("zoneadm -z web halt && zoneadm -z web mark incomplete").check()
    other = stack().write({})
    imports = ("import", "--yes", "illumos:index:Zone", "web", "gz1/web", "--skip-preview")
    assert "incomplete" in failure(lambda: other.run(*imports))
    assert other.resources() == {}

    host.fault("dladm delete-vnic", status=1, stderr="dladm: link busy\n", times=None)
    assert "web_0" in failure(shop.destroy)
    assert "web" in shop.resources()
    host.run("zonecfg -z web delete -F").check()
    host.clear_faults()
    host.fault("zoneadm list", status=1, stderr="zoneadm: Permission denied\n", times=None)
    failure(shop.destroy)
    assert {"lan", "web"} == set(shop.resources())
    host.clear_faults()
    shop.destroy()


def test_noise_of_login_files_changes_nothing(host, stack):
    host.login(noise="Welcome to blue42\n\n:::\n")
    shop = stack()
    shop.write(site(web=web())).up()
    shop.expect_no_change()
    shop.destroy()


def test_an_unprivileged_login_with_the_right_profile_works_through_pfexec(host, stack):
    shop = stack(illumos__user="admin")
    shop.write(site(web=web())).up()
    shop.expect_no_change()
    shop.destroy()


def test_a_login_without_rights_is_told_which_profile_it_needs(host, stack):
    shop = stack(illumos__user="jack").write({"lan": LAN})
    assert "Primary Administrator" in failure(shop.up)


def test_values_that_are_unknown_at_preview_are_shown_so_and_never_used(host, stack):
    shop = stack()
    address = {"fn::join": ["", ["${gw.publicVnic}"]]}
    shop.write(site(web={"type": "illumos:Zone", "properties": {"name": "web", "address": address}}))
    output = shop.preview()
    assert "04da6b54-80e4-46f7-96ec-b56ff0331ba9" not in output
    bad = {"type": "illumos:Zone", "properties": {"name": "a:b", "address": address}}
    assert "a:b" in failure(lambda: shop.write(site(web=bad)).preview())


def test_a_host_that_is_made_in_the_same_program_need_not_exist_at_preview(host, stack):
    shop = stack()
    before = host.journal()["connections"]
    resources = {
        "gw": {
            "type": "illumos:RouterZone",
            "properties": {
                "name": "gw",
                "publicAddress": "192.0.2.100",
                "networks": [{"subnet": "10.1.0.0/24"}],
            },
        },
        "later": {
            "type": "pulumi:providers:illumos",
            "properties": {"host": "${gw.publicVnic}"},
        },
        "lan": {**LAN, "options": {"provider": "${later}"}},
    }
    output = shop.write(resources).preview()
    assert re.search(r"illumos:index:Etherstub", output)
    # Only the known provider looked at its host.
    assert host.journal()["connections"] - before <= 1


def test_an_unknown_host_key_is_refused_with_its_fingerprint(host, stack, lab, tmp_path):
    config = tmp_path / "ssh_config"
    known = tmp_path / "known_hosts"
    known.write_text("")
    config.write_text(
        re.sub(r"UserKnownHostsFile .*", f"UserKnownHostsFile {known}", lab.ssh_config.read_text())
    )
    shop = stack(illumos__sshConfig=str(config)).write({"lan": LAN})
    assert "SHA256:" in failure(shop.up)
