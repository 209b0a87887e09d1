"""dladm, ipadm and route on the real network underneath: what they say is true on the wire."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from illumos_lab.linux import LinuxKernel
from illumos_lab.linux.netns import Netns
from illumos_lab.linux.network import BRIDGE_OPTIONS
from tests.lab.fakes import FakeHost, fake_host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces as root")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeHost]:
    """A host on a wire whose only other station is 192.0.2.1."""
    wire = Netns.create()
    wire.ip(
        f"link add wire0 type bridge {BRIDGE_OPTIONS}",
        "addr add 192.0.2.1/24 dev wire0",
        "link set wire0 up",
    )
    host = fake_host(tmp_path)
    kernel = LinuxKernel(wire, 12)
    kernel.create_physical("e1000g0", "8:0:27:1:2:3", 1500)
    host.kernel = kernel  # type: ignore[assignment]
    host.boot_network()
    yield host
    kernel.close()
    wire.close()


def run(host: FakeHost, *lines: str, zone: str = "global") -> None:
    for line in lines:
        result = host.run(*line.split(), zone=zone)
        assert result.exit == 0, f"{line}: {result}"


def reaches(host: FakeHost, zone: str, address: str) -> bool:
    netns = host.kernel.netns(zone)  # type: ignore[attr-defined]
    command = ["ping", "-n", "-c", "1", "-W", "1", address]
    done: int = netns.call(lambda: subprocess.run(command, capture_output=True)).returncode
    return done == 0


def add_zone(host: FakeHost, zone: str, *links: str) -> Path:
    root = host.add_zone(zone)
    host.kernel.create_stack(zone)  # type: ignore[attr-defined]
    for link in links:
        host.links.lend(link, zone, [])
    return root


def test_a_zone_behind_a_forwarding_zone(host: FakeHost) -> None:
    run(
        host,
        "dladm create-etherstub stub0",
        "dladm create-vnic -l e1000g0 pub0",
        "dladm create-vnic -l stub0 lan0",
        "dladm create-vnic -l stub0 web0",
    )
    gateway = add_zone(host, "gw", "pub0", "lan0")
    (gateway / "etc/hostname.pub0").write_text("192.0.2.10/24\n")
    (gateway / "etc/hostname.lan0").write_text("10.0.0.1/24\n")
    (gateway / "etc/defaultrouter").write_text("192.0.2.1\n")
    web = add_zone(host, "web", "web0")
    (web / "etc/hostname.web0").write_text("10.0.0.5/24\n")
    (web / "etc/defaultrouter").write_text("10.0.0.1\n")
    assert host.stacks["gw"].boot() == host.stacks["web"].boot() == []
    assert reaches(host, "gw", "192.0.2.1")
    assert reaches(host, "web", "10.0.0.1")
    run(host, "ipadm create-addr -T static -a 192.0.2.20/24 e1000g0/v4")
    run(host, "route add -net 10.0.0.0/24 192.0.2.10")
    assert not reaches(host, "web", "192.0.2.20")
    for link in ("pub0", "lan0"):
        run(host, f"ipadm set-ifprop -t -p forwarding=on -m ipv4 {link}", zone="gw")
    assert reaches(host, "web", "192.0.2.20")
    run(host, "route delete -net 10.0.0.0/24 192.0.2.10")
    assert not reaches(host, "web", "192.0.2.20")


def test_addresses_and_routes_follow_the_commands(host: FakeHost) -> None:
    run(
        host,
        "ipadm create-addr -T static -a 192.0.2.20/24 e1000g0/v4",
        "route add default 192.0.2.1",
    )
    assert reaches(host, "global", "192.0.2.1")
    run(host, "ipadm down-addr e1000g0/v4")
    assert not reaches(host, "global", "192.0.2.1")
    run(
        host,
        "ipadm up-addr e1000g0/v4",
        "route -n get default",
        "ipadm create-addr -T addrconf e1000g0/v6",
        "ipadm create-addr -T static -a 2001:db8::20/64 e1000g0/g",
    )
    assert reaches(host, "global", "192.0.2.1")
    run(host, "ipadm delete-if e1000g0", "dladm rename-link e1000g0 net0", "ipadm create-if net0")


def test_links_are_made_changed_and_removed(host: FakeHost) -> None:
    run(
        host,
        "dladm create-etherstub -t stub0",
        "dladm create-vnic -t -l stub0 -v 7 -p mtu=1400,maxbw=100M,protection=mac-nospoof v0",
        "dladm create-vlan -l e1000g0 -v 5 vlan5",
        "dladm create-simnet sim0",
        "dladm create-vnic -l sim0 a_name_longer_than_linux_has0",
        "dladm rename-link v0 v1",
        "dladm reset-linkprop v1",
        "dladm set-linkprop -p mtu=9000 e1000g0",
        "dladm delete-vnic a_name_longer_than_linux_has0",
        "dladm delete-simnet sim0",
        "dladm delete-vlan vlan5",
        "dladm delete-vnic v1",
        "dladm delete-etherstub stub0",
    )


def test_shared_ip_addresses(host: FakeHost) -> None:
    run(host, "ipadm create-if e1000g0")
    host.stacks["global"].add_logical("e1000g0", "192.0.2.50/24", "shared")
    assert reaches(host, "global", "192.0.2.1")
    host.stacks["global"].remove_logical("e1000g0", "192.0.2.50/24")
    assert not reaches(host, "global", "192.0.2.1")
