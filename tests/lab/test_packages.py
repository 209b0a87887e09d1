"""pkg, zap and pkginfo."""

from __future__ import annotations

from pathlib import Path

import pytest

from illumos_lab.image import build
from illumos_lab.packages import UnknownPackageError
from illumos_lab.profile import OMNIOS, OPENINDIANA, SMARTOS, TRIBBLIX, Profile
from tests.lab.fakes_smf import ServiceHost, service_host


@pytest.fixture
def omnios(tmp_path: Path) -> ServiceHost:
    return service_host(tmp_path, OMNIOS)


@pytest.fixture
def tribblix(tmp_path: Path) -> ServiceHost:
    return service_host(tmp_path, TRIBBLIX)


def pkg(host: ServiceHost, *argv: str, zone: str = "global", privileged: bool = True):
    return host.run("/usr/bin/pkg", *argv, zone=zone, privileged=privileged)


def zap(host: ServiceHost, *argv: str, privileged: bool = True):
    return host.run("/usr/bin/zap", *argv, privileged=privileged)


def test_a_package_is_asked_for_by_its_exit_status(omnios: ServiceHost) -> None:
    assert pkg(omnios, "list", "-Hq", "network/ipfilter") == (0, "", "")
    assert pkg(omnios, "list", "-Hq", "ooce/network/dnsmasq") == (1, "", "")
    assert pkg(omnios, "list", "ooce/network/dnsmasq").stderr == (
        " \npkg list: no packages matching the following patterns are installed:\n  ooce/network/dnsmasq\n"
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
    trial = pkg(omnios, "install", "-n", "dnsmasq")
    assert trial.exit == 0
    assert "Packages to install:  1\n" in trial.stdout
    assert "DOWNLOAD" not in trial.stdout
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
    assert "Packaging Date: May  5, 2025 at 12:00:00 PM\n" in pkg(omnios, "info", "-r", "dnsmasq").stdout
    assert "State: Not installed\n" in pkg(omnios, "info", "-r", "dnsmasq").stdout
    here = pkg(omnios, "info", "nosuch")
    assert (here.exit, here.stdout) == (1, "")
    assert "installed on the system.  Try querying remotely instead:\n\n        nosuch\n" in here.stderr
    assert "\nfound in the catalog." in pkg(omnios, "info", "-r", "nosuch").stderr
    assert pkg(omnios, "info", "-r").exit == 2


def test_list_of_what_can_be_had_and_of_what_is_newer(omnios: ServiceHost) -> None:
    line = f"{'ooce/network/dnsmasq (extra.omnios)':<49} {'2.90-151054.0':<26} ---\n"
    for options in ("-Ha", "-Haf", "-Hn"):
        assert pkg(omnios, "list", options, "dnsmasq").stdout == line
        names = [entry.split()[0] for entry in pkg(omnios, "list", options).stdout.splitlines()]
        assert names == sorted(names)
        assert {"SUNWcs", "ooce/server/haproxy"} <= set(names)
    assert pkg(omnios, "list", "-f").exit == 2
    assert pkg(omnios, "list", "-u") == (1, "", "no packages have newer versions available\n")
    assert pkg(omnios, "list", "-u", "ipfilter").stderr == (
        " \npkg list: no updates are available for the following packages:\n  network/ipfilter\n"
    )
    assert pkg(omnios, "list", "-Hs", "ipfilter").stdout == f"{'network/ipfilter':<55} IP Filter\n"
    full = "pkg://omnios/network/ipfilter@11-151054.0:20250505T120000Z"
    assert pkg(omnios, "list", "-Hv", "ipfilter").stdout == f"{full:<76} i--\n"
    assert "Use -af to allow all versions.\n" in pkg(omnios, "list", "-a", "nosuch").stderr
    assert pkg(omnios, "list", "-af", "nosuch").stderr == (
        " \npkg list: no known packages matching:\n  nosuch\n"
    )


def test_there_is_never_an_update(omnios: ServiceHost) -> None:
    nothing = (4, "No updates available for this image.\n", "")
    assert pkg(omnios, "update") == nothing
    assert pkg(omnios, "update", "-n", "ipfilter") == nothing
    assert pkg(omnios, "update", "dnsmasq") == (
        1,
        "",
        "\npkg update: 'dnsmasq' matches no installed packages\n",
    )
    assert pkg(omnios, "update", privileged=False).exit == 1
    asked = omnios.run("/usr/bin/pkg", "update", "-q", env={"PKG_SUCCESS_ON_NOP": "1"})
    assert asked == (0, "", "")


def test_search_finds_names_summaries_and_files(omnios: ServiceHost) -> None:
    found = pkg(omnios, "search", "-H", "dnsmasq.conf")
    path = "etc/opt/ooce/dnsmasq/dnsmasq.conf"
    package = "pkg:/ooce/network/dnsmasq@2.90-151054.0"
    assert found == (0, f"basename\tfile\t{path}\t{package}\n", "")
    assert pkg(omnios, "search", "-H", f"/{path}").stdout == f"path\tfile\t{path}\t{package}\n"
    assert pkg(omnios, "search", "-p", "dnsmasq").stdout.splitlines() == [
        f"{'PACKAGE':<39} PUBLISHER",
        f"{package} extra.omnios",
    ]
    table = pkg(omnios, "search", "DNSMASQ").stdout.splitlines()
    assert table[0].split() == ["INDEX", "ACTION", "VALUE", "PACKAGE"]
    assert [line.split()[0] for line in table[1:]] == ["pkg.fmri", "pkg.summary", "basename", "basename"]
    assert pkg(omnios, "search", "-I", "DNSMASQ") == (1, "", "")
    assert pkg(omnios, "search", "-l", "dnsmasq") == (1, "", "")
    assert pkg(omnios, "search").exit == 2


def test_contents_lists_what_a_package_brings(omnios: ServiceHost) -> None:
    assert pkg(omnios, "contents", "-r", "dnsmasq").stdout == (
        "PATH\netc/opt/ooce/dnsmasq/dnsmasq.conf\nopt/ooce/sbin/dnsmasq\nvar/cache\nvar/opt/ooce/dnsmasq\n"
    )
    shown = pkg(omnios, "contents", "-H", "-t", "file", "-o", "mode,path", "ipfilter").stdout
    assert "0555\tusr/sbin/ipnat\n" in shown
    assert pkg(omnios, "contents", "-r", "-t", "dir", "-o", "owner,path", "dnsmasq").stdout == (
        "OWNER   PATH\ndnsmasq var/opt/ooce/dnsmasq\nroot    var/cache\n"
    )
    none = pkg(omnios, "contents", "SUNWcs")
    assert (none.exit, none.stdout) == (0, "")
    assert none.stderr.startswith("pkg: This package delivers no filesystem content")
    missing = pkg(omnios, "contents", "dnsmasq")
    assert missing.exit == 1
    assert "Try specifying -r to query remotely:\n\n        dnsmasq\n" in missing.stderr


def test_verify_tells_what_has_gone(omnios: ServiceHost) -> None:
    assert pkg(omnios, "verify", "ipfilter") == (0, "", "")
    omnios.path("global", "/usr/sbin/ipnat").unlink()
    lost = pkg(omnios, "verify")
    assert lost.exit == 1
    assert lost.stdout == (
        f"{'PACKAGE':<70} {'STATUS':>7}\n{'pkg://omnios/network/ipfilter':<70} {'ERROR':>7}\n"
        "\tfile: usr/sbin/ipnat\n\t\tERROR: missing: regular file does not exist\n"
    )


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
    assert not tribblix.path("global", "/var/zap/cache").exists()
    assert tribblix.run("/usr/bin/pkginfo", "-q", "TRIBnet-ipfilter").exit == 1
    assert tribblix.run("/usr/bin/zap", "install", "TRIBnet-ipfilter").exit == 0
    assert "PKG=TRIBnet-ipfilter\n" in record.read_text()
    assert tribblix.path("global", "/var/zap/cache").is_dir()
    assert tribblix.run("/usr/bin/pkginfo", "-q", "TRIBnet-ipfilter") == (0, "", "")
    assert tribblix.path("global", "/dev/ipnat").exists()
    assert tribblix.smf.state("global", "ipfilter") == "disabled"


def test_zap_refuses_what_it_does_not_know(tribblix: ServiceHost) -> None:
    assert zap(tribblix) == (2, "Usage: /usr/bin/zap subcommand [arguments]\n", "")
    assert zap(tribblix, "frobnicate") == (2, "Unrecognized subcommand frobnicate\n", "")
    assert zap(tribblix, "install-overlay", "nosuch") == (1, "ERROR: invalid overlay nosuch\n", "")
    assert zap(tribblix, "install") == (
        2,
        "Usage: /usr/lib/zap/install-recursive [-R alt-root] [ -s source] package [package...]\n",
        "",
    )
    assert zap(tribblix, "zssh", "web") == (1, "", "zap zssh web: not emulated by illumos-lab\n")
    assert zap(tribblix, "version").stdout == "tribblix-m38\n"


def test_zap_install_ends_well_without_the_package(tribblix: ServiceHost) -> None:
    assert zap(tribblix, "install", "dnsmasq") == (
        0,
        "Invalid package dnsmasq\nDid you mean TRIBdnsmasq (not installed)?\nNothing to install\n",
        "",
    )
    assert zap(tribblix, "install-pkg", "TRIBnosuch") == (
        1,
        "No source for package TRIBnosuch\nInstalled 0 packages, 1 failed\n",
        "",
    )
    assert zap(tribblix, "install", "TRIBdnsmasq", privileged=False).exit == 1
    assert not tribblix.packages.installed(tribblix.root, "TRIBdnsmasq")


def test_zap_says_what_it_installs_and_removes(tribblix: ServiceHost) -> None:
    assert zap(tribblix, "install", "TRIBdnsmasq") == (
        0,
        "Installing TRIBdnsmasq\n\nInstallation of <TRIBdnsmasq> was successful.\nInstalled 1 packages\n",
        "",
    )
    assert zap(tribblix, "install", "TRIBdnsmasq").stdout == (
        "Package TRIBdnsmasq already installed\nNothing to install\n"
    )
    assert zap(tribblix, "list-packages", "TRIBdnsmasq") == tribblix.run("/usr/bin/pkginfo", "TRIBdnsmasq")
    assert zap(tribblix, "search", "dnsmasq").stdout == "Installed package TRIBdnsmasq\n"
    assert zap(tribblix, "uninstall", "TRIBdnsmasq", "TRIBnosuch") == (
        0,
        "Removing TRIBdnsmasq\n\nRemoval of <TRIBdnsmasq> was successful.\n",
        "",
    )
    assert zap(tribblix, "search", "dnsmasq").stdout == "Uninstalled package TRIBdnsmasq\n"
    assert zap(tribblix, "uninstall", "TRIBzap").exit == 1
    assert tribblix.packages.installed(tribblix.root, "TRIBzap")


def test_zap_knows_which_overlays_are_installed(tribblix: ServiceHost) -> None:
    assert "java (Not installed)\n" in zap(tribblix, "list-overlays").stdout
    assert zap(tribblix, "install-overlay", "java") == (
        0,
        "Installed 0 packages\nOverlay java installation succeeded\n",
        "",
    )
    assert zap(tribblix, "install-overlay", "java") == (0, "", "")
    assert "java \n" in zap(tribblix, "list-overlays", "-i").stdout
    assert "java \n" not in zap(tribblix, "list-overlays", "-u").stdout
    assert zap(tribblix, "list-overlays", "-iu").exit == 2
    assert "STATUS=Installed\n" in zap(tribblix, "describe-overlay", "java").stdout


def test_zap_staticnet_leaves_a_host_alone_that_has_a_static_network(tribblix: ServiceHost) -> None:
    tribblix.path("global", "/etc/defaultrouter").write_text("192.0.2.1\n")
    assert zap(tribblix, "staticnet", "-y") == (1, "ERROR: already configured manually\n", "")


def test_a_router_zone_of_zap_can_be_populated(tribblix: ServiceHost) -> None:
    root = tribblix.add_zone("gw")
    wanted = ["base", "TRIBnet-ipfilter", "TRIBdnsmasq", "TRIBblix-haproxy2"]
    tribblix.packages.populate(root, "whole-root", wanted)
    assert (root / "var/dnsmasq").is_dir()
    assert not (root / "etc/dnsmasq.conf").exists()


def test_what_a_zone_of_tribblix_gets_of_the_global_zone(tribblix: ServiceHost) -> None:
    zap(tribblix, "install", "TRIBnet-ipfilter", "TRIBblix-haproxy2")
    zap(tribblix, "install-overlay", "java")
    roots = {brand: tribblix.add_zone(brand) for brand in ("whole-root", "sparse-root", "alien-root")}
    for brand, root in roots.items():
        tribblix.packages.populate(root, brand, [])
    partial = tribblix.add_zone("partial")
    tribblix.packages.populate(partial, "whole-root", ["TRIBdnsmasq"], overlays=["perl"], partial=True)

    def added(root: Path) -> set[str]:
        base = {package.name for package in tribblix.packages.catalogue.values() if package.base}
        return {path.name for path in (root / "var/sadm/pkg").iterdir()} - base

    def overlays(root: Path) -> list[str]:
        return sorted(path.name for path in root.glob("var/sadm/overlays/installed/*"))

    # What is below /opt stays where it is.
    everything = ["base", "core-tribblix", "java", "networked-system"]
    for brand in ("whole-root", "sparse-root"):
        assert (added(roots[brand]), overlays(roots[brand])) == ({"TRIBnet-ipfilter"}, everything)
    assert (added(roots["alien-root"]), overlays(roots["alien-root"])) == (set(), [])
    assert (added(partial), overlays(partial)) == ({"TRIBdnsmasq"}, ["base", "perl"])
    assert (partial / "var/sadm/overlays/java.ovl").is_file()


def test_an_overlay_brings_the_machines_of_its_brand(tribblix: ServiceHost) -> None:
    firmware = tribblix.path("global", "/usr/share/bhyve/firmware")
    emulator = tribblix.path("global", "/usr/bin/qemu-system-x86_64")
    assert not firmware.exists()
    assert not emulator.exists()
    zap(tribblix, "install-overlay", "bhyve")
    zap(tribblix, "install-overlay", "qemu")
    assert "BHYVE_RELEASE.fd" in [path.name for path in firmware.iterdir()]
    assert emulator.stat().st_mode & 0o111


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
    assert "PermitRootLogin no\n" in (tmp_path / "zone/etc/ssh/sshd_config").read_text()
    names = [line.partition("=")[0] for line in (tmp_path / "host/etc/os-release").read_text().splitlines()]
    assert {"HOME_URL", "SUPPORT_URL", "BUG_REPORT_URL"} <= set(names)


@pytest.mark.parametrize("profile", [TRIBBLIX, OPENINDIANA, SMARTOS], ids=lambda profile: profile.name)
def test_elsewhere_the_paths_of_logins_are_left_alone(tmp_path: Path, profile: Profile) -> None:
    build(tmp_path, profile, "gz1", "192.0.2.10/24")
    lines = (tmp_path / "host/etc/default/login").read_text().splitlines()
    assert not [line for line in lines if line.startswith(("PATH=", "SUPATH="))]
    assert profile.search_path == "/usr/bin:/bin:/usr/sbin:/sbin"
    login = {"smartos": "yes"}.get(profile.name, "without-password")
    assert f"PermitRootLogin {login}\n" in (tmp_path / "host/etc/ssh/sshd_config").read_text()


def test_openindiana_tells_when_it_was_assembled(tmp_path: Path) -> None:
    build(tmp_path, OPENINDIANA, "gz1", "192.0.2.10/24")
    lines = (tmp_path / "host/etc/release").read_text().splitlines()
    assert lines[0].strip() == "OpenIndiana Hipster 2024.10 (powered by illumos)"
    assert lines[-1].strip() == "Assembled 27 October 2024"
    assert not (tmp_path / "host/etc/os-release").exists()
