"""The Linux network underneath: packets flow where illumos would let them, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from illumos_lab.kernel import NatRule
from illumos_lab.linux import LinuxKernel
from illumos_lab.linux.netns import Netns
from illumos_lab.linux.network import BRIDGE_OPTIONS

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces as root")

DEFAULT = IPv4Network("0.0.0.0/0")
INSIDE = IPv4Network("10.0.0.0/24")
GATEWAY = "192.0.2.1"
# Longer than Linux allows.
LONG_NAME = "a_very_long_link_name0"
MAC = "2:8:20:a:b:c"


class Net:
    """A kernel whose wire is a single gateway, with pings."""

    def __init__(self) -> None:
        self.wire = Netns.create()
        self.wire.ip(
            f"link add wire0 type bridge {BRIDGE_OPTIONS}",
            f"addr add {GATEWAY}/24 dev wire0",
            "link set wire0 up",
        )
        self.kernel = LinuxKernel(self.wire, 11)
        self.kernel.create_physical("e1000g0", "8:0:27:0:0:b", 1500)

    def zone(self, name: str, addresses: dict[str, str], router: str) -> None:
        """A zone with addresses by link, and a default route."""
        self.kernel.create_stack(name)
        for link, address in addresses.items():
            self.kernel.move_link(link, name)
            self.kernel.plumb(name, link)
            self.kernel.add_address(name, link, IPv4Interface(address))
        if router:
            self.kernel.add_route(name, DEFAULT, router)

    def pings(self, zone: str, address: str) -> bool:
        """Whether an address answers a zone."""
        netns = self.kernel.netns(zone)
        command = ["ping", "-n", "-c", "1", "-W", "1", address]
        return netns.call(lambda: subprocess.run(command, capture_output=True)).returncode == 0


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.kernel.close()
    net.wire.close()


@pytest.fixture
def routed(net: Net) -> Net:
    """A zone ``web`` on an etherstub behind a zone ``gw`` that does nothing yet."""
    net.kernel.create_etherstub("stub0", 9000)
    net.kernel.create_vnic(LONG_NAME, "stub0", MAC, 0, 9000)
    net.kernel.create_vnic("r0", "stub0", "2:8:20:a:b:d", 0, 9000)
    net.kernel.create_vnic("p0", "e1000g0", "2:8:20:a:b:e", 0, 1500)
    net.zone("web", {LONG_NAME: "10.0.0.5/24"}, "10.0.0.1")
    net.zone("gw", {"r0": "10.0.0.1/24", "p0": "192.0.2.100/24"}, GATEWAY)
    return net


def test_the_physical_link_reaches_the_wire_at_once(net: Net) -> None:
    net.kernel.plumb("global", "e1000g0")
    net.kernel.add_address("global", "e1000g0", IPv4Interface("192.0.2.11/24"))
    assert net.pings("global", GATEWAY)


def test_nat_needs_forwarding_on_both_interfaces_and_a_rule(routed: Net) -> None:
    kernel = routed.kernel
    assert routed.pings("web", "10.0.0.1")
    kernel.set_nat("gw", (NatRule("map", "p0", INSIDE),))
    assert not routed.pings("web", GATEWAY)
    kernel.set_forwarding("gw", "r0", True)
    assert not routed.pings("web", GATEWAY)
    kernel.set_forwarding("gw", "p0", True)
    assert routed.pings("web", GATEWAY)
    kernel.set_nat("gw", ())
    assert not routed.pings("web", GATEWAY)


def test_a_link_may_send_from_allowed_addresses_only(routed: Net) -> None:
    kinds = frozenset({"ip-nospoof", "mac-nospoof", "restricted", "dhcp-nospoof"})
    routed.kernel.set_protection(LONG_NAME, kinds, ("10.0.0.5",), MAC)
    assert routed.pings("web", "10.0.0.1")
    routed.kernel.set_protection(LONG_NAME, kinds, ("10.0.0.6",), MAC)
    assert not routed.pings("web", "10.0.0.1")
    routed.kernel.set_protection(LONG_NAME, frozenset(), (), MAC)
    assert routed.pings("web", "10.0.0.1")


def test_vlans_of_one_etherstub_are_apart(net: Net) -> None:
    net.kernel.create_etherstub("stub0", 9000)
    for name, vid in (("a0", 0), ("b0", 5), ("c0", 5)):
        net.kernel.create_vnic(name, "stub0", f"2:8:20:0:{vid}:{ord(name[0]):x}", vid, 9000)
    net.zone("a", {"a0": "10.0.0.1/24"}, "")
    net.zone("b", {"b0": "10.0.0.2/24"}, "")
    net.zone("c", {"c0": "10.0.0.3/24"}, "")
    assert net.pings("b", "10.0.0.3")
    assert not net.pings("a", "10.0.0.3")


def test_a_link_keeps_nothing_of_the_zone_it_leaves(routed: Net) -> None:
    kernel = routed.kernel
    kernel.move_link("r0", "global")
    kernel.plumb("global", "r0")
    assert "10.0.0.1" not in kernel.netns("global").run(["ip", "addr"])
    kernel.delete_link("r0")
    with pytest.raises(FileNotFoundError):
        kernel.plumb("global", "r0")


def test_a_lease_brings_address_and_route_and_goes_with_the_client(routed: Net, tmp_path: Path) -> None:
    kernel = routed.kernel
    server = kernel.netns("gw").call(
        lambda: subprocess.Popen(
            [
                *("/usr/sbin/dnsmasq", "-k", "-C", "/dev/null", "-u", "root", "-p", "0"),
                *("--interface=r0", "--dhcp-range=10.0.0.50,10.0.0.60,255.255.255.0,120"),
                *(f"--dhcp-leasefile={tmp_path}/leases", f"--pid-file={tmp_path}/pid", "--no-ping"),
            ],
            stderr=subprocess.DEVNULL,
        )
    )
    try:
        kernel.unplumb("web", LONG_NAME)
        kernel.plumb("web", LONG_NAME)
        kernel.start_dhcp_client("web", LONG_NAME)
        deadline = time.monotonic() + 60
        while kernel.dhcp_lease("web", LONG_NAME) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        lease = kernel.dhcp_info("web", LONG_NAME)
        assert lease is not None
        assert lease.address.network == INSIDE
        assert lease.routers == ("10.0.0.1",)
        assert routed.pings("web", "10.0.0.1")
        kernel.stop_dhcp_client("web", LONG_NAME)
        assert kernel.dhcp_lease("web", LONG_NAME) is None
        netns = kernel.netns("web")
        assert "10.0.0" not in netns.run(["ip", "addr"]) + netns.run(["ip", "route"])
    finally:
        server.terminate()
        server.wait()
