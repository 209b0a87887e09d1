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


def test_a_zone_on_an_aggregation_reaches_the_outside(host: FakeHost) -> None:
    run(
        host,
        "dladm create-simnet sim0",
        "dladm create-aggr -l e1000g0 -l sim0 aggr0",
        "dladm create-vnic -l aggr0 pub0",
    )
    gateway = add_zone(host, "gw", "pub0")
    (gateway / "etc/hostname.pub0").write_text("192.0.2.10/24\n")
    assert host.stacks["gw"].boot() == []
    assert reaches(host, "gw", "192.0.2.1")
    run(host, "ipadm create-addr -T static -a 192.0.2.20/24 aggr0/v4")
    assert reaches(host, "global", "192.0.2.1")
    assert reaches(host, "global", "192.0.2.10")
    # What is left leads nowhere.
    run(host, "dladm remove-aggr -l e1000g0 aggr0")
    assert not reaches(host, "gw", "192.0.2.1")
    assert reaches(host, "gw", "192.0.2.20")
    run(host, "dladm add-aggr -l e1000g0 aggr0", "dladm remove-aggr -l sim0 aggr0")
    assert reaches(host, "gw", "192.0.2.1")


def test_a_simnet_has_the_address_that_is_shown(host: FakeHost) -> None:
    run(
        host,
        "dladm create-simnet -u 2:8:20:0:0:9 sim0",
        "dladm create-simnet sim1",
        "dladm modify-simnet -p sim1 sim0",
        "ipadm create-addr -T static -a 10.0.0.1/24 sim0/v4",
    )
    add_zone(host, "web", "sim1")
    host.stacks["web"].boot()
    run(host, "ipadm create-addr -T static -a 10.0.0.2/24 sim1/v4", zone="web")
    assert reaches(host, "web", "10.0.0.1")
    netns = host.kernel.netns("web")  # type: ignore[attr-defined]
    assert "10.0.0.1 dev sim1 lladdr 02:08:20:00:00:09" in netns.run(["ip", "neigh"])


def test_vlans_pass_an_aggregation(host: FakeHost) -> None:
    run(
        host,
        "dladm create-simnet sim0",
        "dladm create-simnet sim1",
        "dladm modify-simnet -p sim1 sim0",
        "dladm create-aggr -l sim0 aggr0",
        "dladm create-vlan -l aggr0 -v 5 vlan5",
        "dladm create-vnic -l sim1 -v 5 v5",
        "dladm create-vnic -l sim1 -v 6 v6",
        "ipadm create-addr -T static -a 10.0.5.1/24 vlan5/v4",
    )
    for zone, link in (("five", "v5"), ("six", "v6")):
        add_zone(host, zone, link)
        host.stacks[zone].boot()
        run(host, f"ipadm create-addr -T static -a 10.0.5.2/24 {link}/v4", zone=zone)
    assert reaches(host, "five", "10.0.5.1")
    assert not reaches(host, "six", "10.0.5.1")


def test_a_bridge_forwards_between_its_ports(host: FakeHost) -> None:
    run(
        host,
        "dladm create-simnet sim0",
        "dladm create-simnet sim1",
        "dladm modify-simnet -p sim1 sim0",
        "dladm create-vnic -l sim1 v0",
        "dladm create-bridge -l e1000g0 -l sim0 br",
    )
    add_zone(host, "web", "v0")
    host.stacks["web"].boot()
    run(host, "ipadm create-addr -T static -a 192.0.2.30/24 v0/v4", zone="web")
    assert reaches(host, "web", "192.0.2.1")
    mac = host.run("dladm", "show-vnic", "-p", "-o", "macaddress", "v0").stdout.strip()
    table = host.run("dladm", "show-bridge", "-f", "-p", "-o", "output,dest", "br").stdout
    assert f"sim0:{mac}\n" in table.replace("\\", "")
    # A link that would close a ring carries nothing.
    run(host, "dladm add-bridge -l sim1 br")
    states = host.run("dladm", "show-bridge", "-l", "-p", "-o", "link,state", "br").stdout
    assert states == "e1000g0:forwarding\nsim0:forwarding\nsim1:discarding\n"
    assert reaches(host, "web", "192.0.2.1")
    run(host, "dladm remove-bridge -l sim1 br", "dladm remove-bridge -l e1000g0 br")
    assert not reaches(host, "web", "192.0.2.1")
    run(host, "dladm remove-bridge -l sim0 br", "dladm delete-bridge br")


def test_packets_pass_a_tunnel_between_two_hosts(host: FakeHost, tmp_path: Path) -> None:
    wire = host.kernel._wire  # type: ignore[attr-defined]
    other = fake_host(tmp_path / "other")
    kernel = LinuxKernel(wire, 13)
    try:
        kernel.create_physical("e1000g0", "8:0:27:1:2:4", 1500)
        other.kernel = kernel  # type: ignore[assignment]
        other.boot_network()
        for each, own, far in ((host, 20, 21), (other, 21, 20)):
            run(
                each,
                f"ipadm create-addr -T static -a 192.0.2.{own}/24 e1000g0/v4",
                f"dladm create-iptun -T ipv4 -a local=192.0.2.{own},remote=192.0.2.99 tun0",
                f"ipadm create-addr -T static -a local=10.9.0.{own},remote=10.9.0.{far} tun0/v4",
            )
            run(each, f"dladm modify-iptun -a remote=192.0.2.{far} tun0")
        assert reaches(host, "global", "10.9.0.21")
        run(other, "dladm modify-iptun -a remote=192.0.2.99 tun0")
        assert not reaches(host, "global", "10.9.0.21")
        run(other, "ipadm delete-if tun0", "dladm delete-iptun tun0")
    finally:
        kernel.close()
