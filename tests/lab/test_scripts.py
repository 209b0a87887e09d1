"""Scripts as an administrator writes them build, check, reboot and destroy a router and its zones."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from illumos_lab.testing import Host, Lab

SCRIPTS = Path(__file__).with_name("scripts")
ROUTERS = {"tribblix": "tribblix-router.ksh", "omnios": "omnios-router.sh"}
BOOT_SECONDS = 60
INVENTORIES = {
    "tribblix": """\
gz1 (Tribblix m38), default route 192.0.2.1
dhc: whole-root, excl, running, autoboot: true
  dataset rpool/export/zones/dhc
  znic3 over zrstub0, of zone 'dhc'
  znic3 dhcp 10.1.2.20/24
  default route 10.1.2.1
gw: whole-root, excl, running, autoboot: true
  dataset rpool/export/zones/gw
  znic0 over e1000g0, of zone 'gw'
  znic1 over zrstub0, of zone 'gw'
  znic0 static 192.0.2.100/24
  znic1 static 10.1.2.1/24
  default route 192.0.2.1
  svc:/network/ipfilter:default online
  svc:/network/dnsmasq:default online
shr: whole-root, shared, running, autoboot: true
  dataset rpool/export/zones/shr
  snic0 over zrstub0, of zone ''
web: whole-root, excl, running, autoboot: true
  dataset rpool/export/zones/web
  znic2 over zrstub0, of zone 'web'
  znic2 from-gz 10.1.2.10/24
  default route 10.1.2.1
""",
    "omnios": """\
gz1 (OmniOS v11 r151054), default route 192.0.2.1
dyn: lipkg, excl, running, autoboot: true
  dataset rpool/zones/dyn
  dyn0 over lan0, of zone 'dyn'
  dyn0 dhcp 10.20.0.20/16
  default route 10.20.0.1
old: lipkg, shared, running, autoboot: true
  dataset rpool/zones/old
  gz_lan0 over lan0, of zone ''
router: lipkg, excl, running, autoboot: true
  dataset rpool/zones/router
  router_ext0 over e1000g0, of zone 'router'
  router_int0 over lan0, of zone 'router'
  router_ext0 static 192.0.2.101/24
  router_int0 static 10.20.0.1/16
  default route 192.0.2.1
  svc:/network/ipv4-forwarding:default online
  svc:/network/ipfilter:default online
  svc:/network/dns/dnsmasq:default online
www: lipkg, excl, running, autoboot: true
  dataset rpool/zones/www
  www0 over lan0, of zone 'www'
  www0 from-gz 10.20.0.10/16
  default route 10.20.0.1
""",
}


def _wait_until_back(host: Host, mark: str) -> None:
    """Wait until the host has booted again: what it held in memory only is gone."""
    deadline = time.monotonic() + BOOT_SECONDS
    while host.ssh(f"test ! -e {mark}").status != 0:
        assert time.monotonic() < deadline, "the host does not come back"
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("profile", "name"), [*ROUTERS.items(), ("openindiana", "openindiana-two-routers.ksh")]
)
def test_a_script_runs_on_a_host_made_for_it(profile: str, name: str) -> None:
    script = SCRIPTS / name
    command = f"run --profile {profile} --time-scale 0 --copy {script}:/root/x -- /root/x all"
    done = subprocess.run(
        [sys.executable, "-m", "illumos_lab.cli", *command.split()], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "x: " not in done.stderr


def test_two_hosts_share_a_network() -> None:
    kept = ("links", "network", "datasets", "services", "zones")
    with Lab.start(hosts=("left", "right"), profile="omnios", time_scale=0) as lab:
        hosts = list(lab.hosts.values())
        ends = ["1 192.0.2.11 192.0.2.12", "2 192.0.2.12 192.0.2.11"]
        before = [host.dump() for host in hosts]
        for host in hosts:
            _send(host, "omnios-overlay.sh", "/root/overlay")
        for verb in ("build", "check", "destroy"):
            for host, arguments in zip(hosts, ends, strict=True):
                host.ssh(f"/root/overlay {verb} {arguments}").check()
        for host, empty in zip(hosts, before, strict=True):
            after = host.dump()
            assert {key: after[key] for key in kept} == {key: empty[key] for key in kept}


def _send(host: Host, name: str, target: str) -> None:
    """Copy a script as a user does."""
    source = str(SCRIPTS / name)
    subprocess.run(
        ["scp", "-q", "-p", "-F", str(host.ssh_config), source, f"{host.name}:{target}"], check=True
    )


@pytest.mark.parametrize("profile", ROUTERS)
def test_a_script_over_ssh_finds_everything_again_after_the_host_rebooted(profile: str) -> None:
    with Lab.start(profile=profile, time_scale=0) as lab:
        host = lab.host
        # What a script brings besides stays.
        host.run({"tribblix": "zap install TRIBnet-ipfilter"}.get(profile, "true")).check()
        _send(host, ROUTERS[profile], "/root/router")
        _send(host, "inventory.ksh", "/root/inventory")
        before = host.dump()
        host.ssh("/root/router build").check()
        host.ssh("/root/router check").check()
        inventory = host.ssh("/root/inventory").check()
        assert (inventory.stdout, inventory.stderr) == (INVENTORIES[profile], "")
        host.ssh("touch /var/run/mark; init 6")
        _wait_until_back(host, "/var/run/mark")
        host.ssh("/root/router check").check()
        assert host.ssh("/root/inventory") == inventory
        host.ssh("/root/router destroy").check()
        assert host.dump() == before
