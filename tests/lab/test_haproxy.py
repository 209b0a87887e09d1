"""haproxy as a service: the real program in a zone, run the way each distribution runs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from illumos_lab.profile import OMNIOS, OPENINDIANA, PROFILES, TRIBBLIX, Profile
from illumos_lab.testing import Host, Lab
from tests.lab.fakes_smf import Daemon, ServiceHost, service_host

BRANDS = {"omnios": "lipkg", "tribblix": "whole-root", "openindiana": "ipkg"}

CONFIGURATION = """\
global
    maxconn 50
    user haproxy
    group haproxy
    daemon
defaults
    mode http
    timeout connect 1s
    timeout client 2s
    timeout server 2s
frontend web
    bind 192.0.2.100:80
    http-request return status 200 content-type text/plain string "{answer}"
"""


# Methods -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [OMNIOS, TRIBBLIX, OPENINDIANA], ids=lambda profile: profile.name)
def test_the_package_brings_program_service_and_account(tmp_path: Path, profile: Profile) -> None:
    host = service_host(tmp_path, profile)
    host.packages.install(host.root, profile.haproxy.package)
    haproxy = profile.haproxy
    assert host.run("svcs", "-H", "-o", "state", haproxy.fmri).stdout == "disabled\n"
    assert host.path("global", haproxy.binary).is_symlink()
    assert f"haproxy:x:{haproxy.uid}:" in host.path("global", "/etc/passwd").read_text()
    # Only one of them ships a file to start with.
    assert host.path("global", haproxy.config).exists() == (profile is OPENINDIANA)
    assert host.path("global", haproxy.config).parent.is_dir()


@pytest.fixture
def tribblix(tmp_path: Path) -> ServiceHost:
    host = service_host(tmp_path, TRIBBLIX)
    host.packages.install(host.root, TRIBBLIX.haproxy.package)
    return host


def processes(host: ServiceHost) -> list[Daemon]:
    """All that were started of haproxy."""
    return [each for each in host.runtime.daemons if host.profile.haproxy.binary in each.args]


def check_answers(host: ServiceHost, status: int) -> None:
    host.runtime.programs[host.profile.haproxy.binary] = lambda argv: (status, "", "")


def test_a_bad_file_is_found_before_the_start(tribblix: ServiceHost) -> None:
    check_answers(tribblix, 1)
    assert tribblix.run("svcadm", "enable", "-s", TRIBBLIX.haproxy.fmri).exit == 3
    assert tribblix.smf.state("global", TRIBBLIX.haproxy.fmri) == "maintenance"
    assert processes(tribblix) == []


def test_a_refresh_with_a_bad_file_leaves_the_old_process_running(tribblix: ServiceHost) -> None:
    fmri = TRIBBLIX.haproxy.fmri
    assert tribblix.run("svcadm", "enable", "-s", fmri).exit == 0
    check_answers(tribblix, 1)
    tribblix.run("svcadm", "refresh", fmri)
    tribblix.wait_for("global", fmri, "maintenance")
    (old,) = processes(tribblix)
    assert old.poll() is None
    check_answers(tribblix, 0)
    tribblix.run("svcadm", "clear", fmri)
    tribblix.wait_for("global", fmri, "online")
    assert processes(tribblix)[1].args[-2:] == ["-sf", str(old.pid)]


def test_where_nothing_is_checked_a_daemon_that_ends_is_what_fails(tmp_path: Path) -> None:
    host = service_host(tmp_path, OMNIOS)
    host.packages.install(host.root, OMNIOS.haproxy.package)
    host.runtime.exit_at_once = 1
    assert host.run("svcadm", "enable", "-s", OMNIOS.haproxy.fmri).exit == 3
    first, *more = processes(host)
    assert len(more) == 2
    # SMF starts it as the account of the package.
    assert "--reuid=72" in first.args


# The real program --------------------------------------------------------------------------------


@dataclass
class Ingress:
    """A zone with haproxy on a real lab."""

    lab: Lab
    host: Host
    profile: Profile

    @property
    def fmri(self) -> str:
        return self.profile.haproxy.fmri

    def configure(self, text: str) -> None:
        place = f"{self.profile.zones_parent}/gw/root{self.profile.haproxy.config}"
        self.host.run(f"cat >{place}", input=text).check()

    def state(self) -> str:
        return self.host.run(f"svcs -z gw -H -o state {self.fmri}").stdout.strip()

    def answer(self) -> str:
        return self.lab.outside("curl", "-s", "-m", "5", "http://192.0.2.100/").stdout


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(params=list(BRANDS))
def ingress(request: pytest.FixtureRequest) -> Iterator[Ingress]:
    if not Path("/usr/sbin/haproxy").exists():
        pytest.skip("haproxy is not installed")
    profile = PROFILES[request.param]
    package = profile.haproxy.package
    options = f"-o base -P {package}" if profile is TRIBBLIX else f"-e {package}"
    with Lab.start(profile=profile.name, time_scale=0) as lab:
        place = f"{profile.zones_parent}/gw"
        zone = (
            f"create -b; set brand={BRANDS[profile.name]}; set zonepath={place}; set ip-type=exclusive;"
            " add net; set physical=p0; end"
        )
        for command in (
            "dladm create-vnic -l e1000g0 p0",
            f"zonecfg -z gw '{zone}'",
            f"zoneadm -z gw install {options}",
            f"echo 192.0.2.100/24 >{place}/root/etc/hostname.p0",
            f"echo 192.0.2.1 >{place}/root/etc/defaultrouter",
            "zoneadm -z gw boot",
        ):
            lab.host.run(command).check()
        eventually(
            lambda: lab.host.run("svcs -z gw -H -o state multi-user-server").stdout.strip() == "online"
        )
        yield Ingress(lab, lab.host, profile)


def test_the_real_program_serves_and_follows_its_file(ingress: Ingress) -> None:
    host = ingress.host
    ingress.configure(CONFIGURATION.format(answer="one"))
    host.run(f"svcadm -z gw enable -s {ingress.fmri}").check()
    # The method has started it; it may not listen yet.
    eventually(lambda: ingress.answer() == "one")

    ingress.configure(CONFIGURATION.format(answer="two"))
    host.run(f"svcadm -z gw refresh {ingress.fmri}").check()
    if ingress.profile is OMNIOS:
        log = f"zlogin gw cat /var/svc/log/{ingress.fmri.removeprefix('svc:/').replace('/', '-')}.log"
        eventually(lambda: "Treating as :true." in host.run(log).stdout)
        assert ingress.answer() == "one"
        host.run(f"svcadm -z gw restart {ingress.fmri}").check()
    eventually(lambda: ingress.answer() == "two")

    ingress.configure("nonsense\n")
    verb = "restart" if ingress.profile is OMNIOS else "refresh"
    host.run(f"svcadm -z gw {verb} {ingress.fmri}").check()
    eventually(lambda: ingress.state() == "maintenance")
    assert ingress.answer() == ("" if ingress.profile is OMNIOS else "two")

    ingress.configure(CONFIGURATION.format(answer="three"))
    host.run(f"svcadm -z gw clear {ingress.fmri}").check()
    if ingress.profile is TRIBBLIX:
        # The new process takes over from the one that was left behind.
        eventually(lambda: ingress.answer() == "three")
    eventually(lambda: ingress.state() == "online")
    host.run(f"svcadm -z gw disable -s {ingress.fmri}").check()
    if ingress.profile is not OPENINDIANA:
        assert ingress.answer() == ""
