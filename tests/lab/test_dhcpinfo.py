"""dhcpinfo: names and numbers of parameters, spellings of their values, and what it fails for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab.fakes import FakeHost, fake_host

OPTIONS = {
    1: bytes([255, 255, 255, 0]),
    2: b"\xff\xff\xff\xff",
    3: bytes([10, 0, 0, 1, 10, 0, 0, 2]),
    12: b"web1",
    26: b"\x05\xdc",
    33: bytes([10, 1, 0, 0, 10, 0, 0, 9]),
    51: b"\x00\x00\x0e\x10",
    61: b"\x01\x02\xab",
}


@dataclass
class Lease:
    routers: tuple[str, ...] = ()
    dns_servers: tuple[str, ...] = ()
    options: dict[int, bytes] = field(default_factory=lambda: dict(OPTIONS))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host with a lease on one interface, none yet on another, and a third without DHCP."""
    host = fake_host(tmp_path)

    def dhcp_info(zone: str, link: str) -> Lease | None:
        return Lease() if link == "v0" else None

    monkeypatch.setattr(host.kernel, "dhcp_info", dhcp_info, raising=False)
    for line in ("create-etherstub stub0", "create-vnic -l stub0 v0", "create-vnic -l stub0 v1"):
        assert host.run("dladm", *line.split()).exit == 0
    return host


def lease(host: FakeHost, *links: str) -> None:
    for link in links:
        assert host.run("ifconfig", link, "plumb").exit == 0
        host.run("ifconfig", link, "dhcp", "start", "wait", "0")


@pytest.mark.parametrize(
    ("line", "output"),
    [
        ("router", "10.0.0.1\n10.0.0.2\n"),
        ("ROUTER", "10.0.0.1\n10.0.0.2\n"),
        ("3", "10.0.0.1\n10.0.0.2\n"),
        ("-n 1 Router", "10.0.0.1\n"),
        ("-i v0 Subnet", "255.255.255.0\n"),
        ("Hostname", "web1\n"),
        ("MTU", "1500\n"),
        ("LeaseTim", "3600\n"),
        ("UTCoffst", "-1\n"),
        ("StaticRt", "10.1.0.0 10.0.0.9\n"),
        ("ClientID", "0x01\n0x02\n0xAB\n"),
        ("-c MTU", "0x05\n0xDC\n"),
        ("DNSserv", ""),
    ],
)
def test_values(host: FakeHost, line: str, output: str) -> None:
    lease(host, "v0", "v1")
    assert host.run("dhcpinfo", *line.split()) == (0, output, "")


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        ("-i e1000g0 router", 2, "dhcpinfo: interface is not under DHCP control\n"),
        ("-i v1 router", 2, "dhcpinfo: interface not in appropriate state for command\n"),
        ("nope", 3, "dhcpinfo: unknown identifier `nope'\n"),
        ("81", 3, "dhcpinfo: unknown code `81'\n"),
        ("-v 6 router", 2, "dhcpinfo: -v 6: not emulated by the lab\n"),
        ("", 3, "usage: dhcpinfo [-c] [-i interface] [-n limit] [-v {4|6}] code\n"),
        ("-x router", 3, "usage: dhcpinfo"),
        ("-v 5 router", 3, "usage: dhcpinfo"),
    ],
)
def test_failures(host: FakeHost, line: str, status: int, message: str) -> None:
    lease(host, "v0", "v1")
    result = host.run("dhcpinfo", *line.split())
    assert (result.exit, result.stdout) == (status, "")
    assert result.stderr.startswith(message)


def test_without_dhcp_there_is_no_agent_to_ask(host: FakeHost) -> None:
    assert host.run("dhcpinfo", "router") == (2, "", "dhcpinfo: Connection refused\n")
