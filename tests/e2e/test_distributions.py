"""The same program on each distribution."""

import pytest

from illumos_lab.testing import Lab

from .programs import HTTP, site, web, zone
from .stack import Stack


@pytest.mark.parametrize("profile", ["tribblix", "openindiana"])
def test_a_datacenter_on_another_distribution(profile, tmp_path):
    with Lab.start(profile=profile, time_scale=0.05) as lab:
        host = lab.host
        environment = {"ILLUMOS_SSH_CONFIG": str(lab.ssh_config)}
        shop = Stack(tmp_path / "stack", {"illumos:host": "gz1"}, environment)
        app = zone("app", nics=[{"router": "${gw.id}", "dhcp": True}])
        shop.write(site(web=web(memory="12800M", swap="2G"), app=app)).up()
        assert host.run(f"zlogin web /bin/sh -s <<'E'\n{HTTP}\nE").stdout.strip() == "192.0.2.100"
        shop.expect_no_change()
        shop.write(site(web=web(memory="1G"), app=app)).up()
        shop.expect_no_change()
        shop.destroy()
        assert host.run("zoneadm list -cn").stdout == ""
        assert "phys" in host.run("dladm show-link -p -o link,class").stdout
        assert host.run("dladm show-vnic -p -o link").stdout == ""
