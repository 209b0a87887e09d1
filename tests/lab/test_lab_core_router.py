"""The whole machine: a router zone built by hand works, survives reboots, and leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from illumos_lab.testing import Host, Lab

BUILD = Path(__file__).with_name("router-zone.ksh")
REMOVE = Path(__file__).with_name("router-zone-down.ksh")
OUTSIDE = "http://outside.example/"
ROUTER = "192.0.2.100"


def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _works(host: Host) -> bool:
    """The static zone gets out through NAT and the router's DNS, and the DHCP zone has its lease."""
    static = host.run(f"zlogin web curl -s -m 5 {OUTSIDE}")
    dynamic = host.run(f"zlogin dhc curl -s -m 5 {OUTSIDE}")
    lease = host.run("zlogin dhc ipadm show-addr -p -o type,addr")
    return (
        static.stdout == dynamic.stdout == f"{ROUTER}\n"
        and "dhcp:10.1.2.20/24" in lease.stdout.splitlines()
    )


@pytest.mark.parametrize("profile", ["omnios", "tribblix", "openindiana"])
def test_a_router_zone_built_by_hand(profile: str) -> None:
    with Lab.start(profile=profile, time_scale=0) as lab:
        host = lab.host
        # What the distribution needs in its global zone stays there.
        host.run({"tribblix": "zap install TRIBnet-ipfilter"}.get(profile, "true")).check()
        host.run({"openindiana": "pkg install network/ipfilter"}.get(profile, "true")).check()
        before = host.dump()
        host.copy(BUILD, "/root/router-zone.ksh")
        host.run(["/usr/bin/ksh93", "/root/router-zone.ksh", profile]).check()
        _eventually(lambda: _works(host))

        # The outside reaches the router, and nothing behind it.
        assert lab.outside("ping", "-c", "1", "-W", "5", ROUTER).status == 0
        assert lab.outside("ping", "-c", "1", "-W", "1", "10.1.2.10").status != 0

        # A zone that must go through the router is cut off without it.
        host.run("zoneadm -z gw halt").check()
        assert host.run("zlogin web ping 198.51.100.80 1").status == 1
        host.run("zoneadm -z gw boot").check()
        _eventually(lambda: _works(host))

        host.reboot()
        _eventually(lambda: _works(host))

        host.run("rm /root/router-zone.ksh")
        host.copy(REMOVE, "/tmp/down.ksh")
        host.run("ksh93 /tmp/down.ksh").check()
        assert host.dump() == before
