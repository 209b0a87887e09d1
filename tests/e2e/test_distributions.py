"""The same program on each distribution."""

import pytest

from illumos_lab.testing import Lab

from .programs import HTTP, web, zone
from .stack import PulumiFailed, Stack

PACKAGES = {
    "tribblix": ("TRIBnet-ipfilter", "zap install TRIBnet-ipfilter"),
    "openindiana": ("network/ipfilter", "pkg install network/ipfilter"),
}
"""The package that such a host lacks for a router, and the command that brings it."""

DIRECTORIES = {"tribblix": "mkdir -p /var/zap/zones /var/zap/cache /zonelib/lib", "openindiana": ":"}


def router(domain, *more, packages=()):
    networks = [{"subnet": "10.10.0.0/24", "domain": domain}, *more]
    properties = {"name": "gw", "publicAddress": "192.0.2.100", "networks": networks}
    if packages:
        properties["packages"] = list(packages)
    return {"type": "illumos:RouterZone", "properties": properties}


@pytest.mark.parametrize("profile", PACKAGES)
def test_a_datacenter_on_another_distribution(profile, tmp_path):
    package, install = PACKAGES[profile]
    with Lab.start(profile=profile, time_scale=0.05) as lab:
        host = lab.host

        def resolved(name):
            return host.run(f"zlogin web getent hosts {name}").stdout.split()

        environment = {"ILLUMOS_SSH_CONFIG": str(lab.ssh_config)}
        shop = Stack(tmp_path / "stack", {"illumos:host": "gz1"}, environment)
        app = zone("app", nics=[{"router": "${gw.id}", "dhcp": True}])
        zones = {"web": web(memory="12800M", swap="2G"), "app": app}
        shop.write({"gw": router("lan.example"), **zones})
        # A package manager that says success and brings nothing is found out before anything is made.
        host.fault(install, status=0)
        with pytest.raises(PulumiFailed, match=f"installing package {package} in the global zone"):
            shop.up()
        assert host.run("zoneadm list -cn").stdout == ""
        # What stays when the last zone has gone: the package, zap's directories, and capping of memory.
        host.run(f"{install} && rcapadm -E && {DIRECTORIES[profile]}").check()
        before = host.dump()
        shop.up()
        assert host.run(f"zlogin web /bin/sh -s <<'E'\n{HTTP}\nE").stdout.strip() == "192.0.2.100"
        assert resolved("app.lan.example")[1] == "app.lan.example"
        assert resolved("gw.lan.example") == ["10.10.0.1", "gw.lan.example"]
        shop.expect_no_change()

        # In place: other names, another network.
        more = {"subnet": "10.20.0.0/24", "isolated": True}
        web_too = {**zones, "web": web(memory="1G")}
        shop.write({"gw": router("new.example", more), **web_too})
        assert "router zone gw will be rebooted" not in shop.preview()
        shop.up()
        assert resolved("web.new.example") == ["10.10.0.5", "web.new.example"]
        assert "gw_2" in host.run("ipfstat -z gw -io").stdout
        shop.expect_no_change()
        # Of a package that nobody offers, zap says so and succeeds.
        shop.write({"gw": router("new.example", more, packages=["TRIBnothing"]), **web_too})
        with pytest.raises(PulumiFailed, match="installing package TRIBnothing in zone gw"):
            shop.up()
        shop.write({"gw": router("new.example", more), **web_too}).up()
        shop.expect_no_change()
        shop.destroy()
        assert host.dump() == before
