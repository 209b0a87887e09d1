"""pkg, zap and pkginfo."""

from __future__ import annotations

from pathlib import Path

import pytest

from illumos_lab.image import build
from illumos_lab.packages import UnknownPackageError
from illumos_lab.profile import OMNIOS, OPENINDIANA, TRIBBLIX
from tests.lab.fakes_smf import ServiceHost, service_host


@pytest.fixture
def omnios(tmp_path: Path) -> ServiceHost:
    return service_host(tmp_path, OMNIOS)


@pytest.fixture
def tribblix(tmp_path: Path) -> ServiceHost:
    return service_host(tmp_path, TRIBBLIX)


def pkg(host: ServiceHost, *argv: str, zone: str = "global", privileged: bool = True):
    return host.run("/usr/bin/pkg", *argv, zone=zone, privileged=privileged)


def test_a_package_is_asked_for_by_its_exit_status(omnios: ServiceHost) -> None:
    assert pkg(omnios, "list", "-Hq", "network/ipfilter") == (0, "", "")
    assert pkg(omnios, "list", "-Hq", "ooce/network/dnsmasq") == (1, "", "")
    assert pkg(omnios, "list", "ooce/network/dnsmasq").stderr == (
        "pkg list: no packages matching the following patterns are installed:\n  ooce/network/dnsmasq\n"
    )


def test_some_found_and_some_not_is_status_3(omnios: ServiceHost) -> None:
    assert pkg(omnios, "list", "-Hq", "ipfilter", "dnsmasq").exit == 3


def test_install_brings_program_service_and_user(omnios: ServiceHost) -> None:
    root = omnios.boot_zone("gw", "lipkg")
    result = pkg(omnios, "install", "-q", "ooce/network/dnsmasq", zone="gw")
    assert result == (0, "", "")
    binary = root / "opt/ooce/sbin/dnsmasq"
    assert str(binary.readlink()) == "/system/lab/linux/sbin/dnsmasq"
    assert "dnsmasq:x:56:56:" in (root / "etc/passwd").read_text()
    assert omnios.smf.state("gw", "svc:/network/dns/dnsmasq:default") == "disabled"
    assert not omnios.packages.installed(omnios.root, "ooce/network/dnsmasq")


def test_nothing_to_do_is_status_4(omnios: ServiceHost) -> None:
    assert pkg(omnios, "install", "network/ipfilter") == (
        4,
        "No updates necessary for this image.\n",
        "",
    )


def test_a_publisher_can_be_switched_off_removed_and_set_again(omnios: ServiceHost) -> None:
    extra = "https://pkg.omnios.org/r151054/extra"
    names = ["omnios", "extra.omnios"]

    def listed() -> list[str]:
        return [line.split()[0] for line in pkg(omnios, "publisher", "-Hn").stdout.splitlines()]

    assert listed() == names
    assert pkg(omnios, "set-publisher", "--disable", "extra.omnios") == (0, "", "")
    assert listed() == ["omnios"]
    assert "extra.omnios (disabled)" in pkg(omnios, "publisher", "-H").stdout
    assert pkg(omnios, "unset-publisher", "extra.omnios") == (0, "", "")
    assert "extra.omnios" not in pkg(omnios, "publisher", "-H").stdout
    assert pkg(omnios, "install", "ooce/network/dnsmasq").exit == 1
    # A new zone has the publishers of the global zone.
    omnios.boot_zone("web", "lipkg")
    assert pkg(omnios, "install", "ooce/network/dnsmasq", zone="web").exit == 1
    with pytest.raises(UnknownPackageError):
        omnios.packages.populate(omnios.path("global", "/other"), "lipkg", ["ooce/network/dnsmasq"])
    assert pkg(omnios, "set-publisher", "-g", extra, "extra.omnios") == (0, "", "")
    assert listed() == names
    assert pkg(omnios, "install", "-q", "ooce/network/dnsmasq").exit == 0


def test_a_publisher_needs_a_repository_and_a_privileged_caller(omnios: ServiceHost) -> None:
    result = pkg(omnios, "set-publisher", "-g", "https://pkg.example.org/", "other")
    assert result.exit == 1
    assert "do not appear to point to a valid pkg repository" in result.stderr
    assert pkg(omnios, "unset-publisher", "other").exit == 1
    assert pkg(omnios, "set-publisher", "-d", "extra.omnios", privileged=False).exit == 1
    assert pkg(omnios, "unset-publisher", "extra.omnios", privileged=False).exit == 1
    assert len(pkg(omnios, "publisher", "-Hn").stdout.splitlines()) == 2
    assert pkg(omnios, "refresh", "--full") == (0, "", "")


def test_an_unknown_package_is_refused(omnios: ServiceHost) -> None:
    result = pkg(omnios, "install", "nosuch")
    assert result.exit == 1
    assert "did not match any allowable packages" in result.stderr


def test_trial_run_and_ordinary_user_install_nothing(omnios: ServiceHost) -> None:
    assert pkg(omnios, "install", "-n", "dnsmasq").exit == 0
    assert pkg(omnios, "install", "dnsmasq", privileged=False).exit == 1
    assert pkg(omnios, "list", "-Hq", "dnsmasq").exit == 1


def test_list_names_the_publisher_when_it_is_not_the_preferred_one(omnios: ServiceHost) -> None:
    pkg(omnios, "install", "dnsmasq")
    line = pkg(omnios, "list", "-H", "dnsmasq").stdout
    assert line == f"{'ooce/network/dnsmasq (extra.omnios)':<49} {'2.90-151054.0':<26} i--\n"


def test_publishers(omnios: ServiceHost) -> None:
    words = [line.split() for line in pkg(omnios, "publisher", "-H").stdout.splitlines()]
    assert [line[0] for line in words] == ["omnios", "extra.omnios"]
    assert words[1][-1] == "https://pkg.omnios.org/r151054/extra/"


def test_info(omnios: ServiceHost) -> None:
    assert "          Name: network/ipfilter\n" in pkg(omnios, "info", "ipfilter").stdout
    assert pkg(omnios, "info", "nosuch").exit == 1


@pytest.mark.parametrize(
    ("argv", "status"), [([], 2), (["frobnicate"], 2), (["install"], 2), (["uninstall", "x"], 1)]
)
def test_what_pkg_cannot_do_is_an_error(omnios: ServiceHost, argv: list[str], status: int) -> None:
    assert pkg(omnios, *argv).exit == status


def test_another_root(omnios: ServiceHost) -> None:
    omnios.add_zone("gw")
    assert pkg(omnios, "-R", "/zones/gw/root", "install", "-q", "dnsmasq").exit == 0
    assert omnios.packages.installed(omnios.zone_root("gw"), "ooce/network/dnsmasq")


def test_a_new_zone_gets_what_its_brand_shares(omnios: ServiceHost) -> None:
    root = omnios.add_zone("web")
    omnios.packages.populate(root, "lipkg", [])
    assert omnios.packages.installed(root, "network/ipfilter")
    assert (root / "usr/sbin/ipnat").exists()
    with pytest.raises(UnknownPackageError):
        omnios.packages.populate(root, "lipkg", ["nosuch"])


def test_without_ipfilter_in_the_global_zone_none_in_zones(tmp_path: Path) -> None:
    host = service_host(tmp_path, OPENINDIANA)
    root = host.add_zone("web")
    host.packages.populate(root, "ipkg", [])
    assert not host.packages.installed(root, "network/ipfilter")


def test_zap_installs_and_leaves_pkginfo(tribblix: ServiceHost) -> None:
    record = tribblix.path("global", "/var/sadm/pkg/TRIBnet-ipfilter/pkginfo")
    assert not record.exists()
    assert tribblix.run("/usr/bin/pkginfo", "-q", "TRIBnet-ipfilter").exit == 1
    assert tribblix.run("/usr/bin/zap", "install", "TRIBnet-ipfilter").exit == 0
    assert "PKG=TRIBnet-ipfilter\n" in record.read_text()
    assert tribblix.run("/usr/bin/pkginfo", "-q", "TRIBnet-ipfilter") == (0, "", "")
    assert tribblix.path("global", "/dev/ipnat").exists()
    assert tribblix.smf.state("global", "ipfilter") == "disabled"


def test_zap_refuses_what_it_does_not_know(tribblix: ServiceHost) -> None:
    assert tribblix.run("/usr/bin/zap", "install", "TRIBnosuch").exit == 1
    assert tribblix.run("/usr/bin/zap", "install-overlay", "nosuch").exit == 1
    assert tribblix.run("/usr/bin/zap", "zssh", "web").exit == 1
    assert tribblix.run("/usr/bin/zap", "version").stdout == "tribblix-m38\n"


def test_a_router_zone_of_zap_can_be_populated(tribblix: ServiceHost) -> None:
    root = tribblix.add_zone("gw")
    wanted = ["base", "TRIBnet-ipfilter", "TRIBdnsmasq", "TRIBblix-haproxy2"]
    tribblix.packages.populate(root, "whole-root", wanted)
    assert (root / "var/dnsmasq").is_dir()
    assert not (root / "etc/dnsmasq.conf").exists()


def test_pkginfo_of_unknown_packages(tribblix: ServiceHost) -> None:
    result = tribblix.run("/usr/bin/pkginfo", "TRIBzap", "nosuch")
    assert result == (
        1,
        "system      TRIBzap          Tribblix package and zone management\n",
        'ERROR: information for "nosuch" was not found\n',
    )


def test_omnios_says_where_its_users_look_for_programs_and_where_it_comes_from(tmp_path: Path) -> None:
    build(tmp_path, OMNIOS, "gz1", "192.0.2.10/24")
    login = (tmp_path / "host/etc/default/login").read_text().splitlines()
    assert "PATH=/usr/bin:/usr/sbin:/sbin:/opt/ooce/bin:/usr/gnu/bin" in login
    assert "SUPATH=/usr/sbin:/sbin:/opt/ooce/sbin:/usr/bin:/opt/ooce/bin" in login
    names = [line.partition("=")[0] for line in (tmp_path / "host/etc/os-release").read_text().splitlines()]
    assert {"HOME_URL", "SUPPORT_URL", "BUG_REPORT_URL"} <= set(names)
