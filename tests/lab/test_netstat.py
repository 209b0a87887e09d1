"""netstat and arp: sockets, interfaces and neighbours."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from illumos_lab.kernel import Neighbour, Socket
from tests.lab.fakes import FakeHost, fake_host


def _socket(protocol: str, local: str, remote: str, state: str) -> Socket:
    ends = [(ip_address(end.rpartition(" ")[0]), int(end.rpartition(" ")[2])) for end in (local, remote)]
    return Socket(protocol, ends[0], ends[1], state)


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with addresses of both families, some sockets and two neighbours."""
    host = fake_host(tmp_path)
    host.run("ipadm", *["create-addr", "-T", "static", "-a", "10.0.0.11/24", "e1000g0/v4"])
    host.run("ipadm", *["create-addr", "-T", "addrconf", "e1000g0/v6"])
    host.run("ipadm", *["create-addr", "-T", "static", "-a", "2001:db8::11/64", "e1000g0/v6s"])
    host.kernel.open_sockets["global"] = (
        _socket("tcp", "0.0.0.0 22", "0.0.0.0 0", "LISTEN"),
        _socket("tcp", "10.0.0.11 22", "10.0.0.1 50000", "ESTABLISHED"),
        _socket("tcp", ":: 22", ":: 0", "LISTEN"),
        _socket("tcp", ":: 8080", ":: 0", "LISTEN"),
        _socket("udp", "0.0.0.0 67", "0.0.0.0 0", "CLOSED"),
        _socket("udp", "10.0.0.11 40000", "10.0.0.1 53", "ESTABLISHED"),
    )
    host.kernel.known_neighbours["global"] = (
        Neighbour("e1000g0", ip_address("10.0.0.1"), "02:08:20:0a:00:01", "REACHABLE"),
        Neighbour("e1000g0", ip_address("10.0.0.9"), "", "INCOMPLETE"),
        Neighbour("e1000g0", ip_address("fe80::1"), "02:08:20:0a:00:01", "STALE"),
    )
    return host


def test_connections_are_listed_and_with_a_all_sockets(host: FakeHost) -> None:
    assert host.run("netstat", "-n", "-f", "inet").stdout == (
        "\nUDP: IPv4\n"
        "   Local Address        Remote Address      State\n"
        "-------------------- -------------------- ----------\n"
        "10.0.0.11.40000      10.0.0.1.53          Connected\n"
        "\nTCP: IPv4\n"
        "   Local Address        Remote Address    Swind Send-Q Rwind Recv-Q    State\n"
        "-------------------- -------------------- ----- ------ ----- ------ -----------\n"
        "10.0.0.11.22         10.0.0.1.50000       128000      0 128000      0 ESTABLISHED\n"
    )
    shown = host.run("netstat", "-an", "-P", "tcp", "-f", "inet").stdout.splitlines()[4:]
    assert shown == [
        "      *.22                 *.*                0      0 128000      0 LISTEN",
        "10.0.0.11.22         10.0.0.1.50000       128000      0 128000      0 ESTABLISHED",
        # Listens for both families.
        "      *.8080               *.*                0      0 128000      0 LISTEN",
    ]
    assert host.run("netstat", "-an", "-P", "udp").stdout.splitlines()[4:] == [
        f"{'      *.67':<41} Idle",
        "10.0.0.11.40000      10.0.0.1.53          Connected",
    ]
    shown = host.run("netstat", "-an", "-P", "tcp", "-f", "inet6").stdout.splitlines()
    assert (shown[1], len(shown)) == ("TCP: IPv6", 6)
    assert shown[5].split() == ["*.8080", "*.*", "0", "0", "128000", "0", "LISTEN"]
    assert "Active UNIX domain sockets" in host.run("netstat", "-a").stdout
    assert host.run("netstat", "-f", "inet6").stdout == ""


def test_names_of_ports_and_hosts(host: FakeHost) -> None:
    (host.root / "etc/services").write_text("ssh 22/tcp\nbootps 67/udp dhcps\n")
    (host.root / "etc/inet/hosts").write_text("10.0.0.1 gate\n10.0.0.11 gz1 loghost\n")
    assert "gz1.ssh              gate.50000 " in host.run("netstat", "-f", "inet").stdout
    assert "      *.bootps " in host.run("netstat", "-a").stdout
    assert "e1000g0 gate " in host.run("arp", "-a").stdout


def test_interfaces_of_both_families(host: FakeHost) -> None:
    host.run("ifconfig", *["e1000g0", "addif", "10.0.5.1/24", "up"])
    own, counts = "fe80::a00:27ff:fe01:203", "0      0     0      0     0     "
    assert host.run("netstat", "-in").stdout == (
        "Name  Mtu  Net/Dest      Address        Ipkts  Ierrs Opkts  Oerrs Collis Queue \n"
        "lo0   8232 127.0.0.0     127.0.0.1      0      0     0      0     0      0     \n"
        "e1000g0 1500 10.0.0.0      10.0.0.11      0      0     0      0     0      0     \n"
        "\n"
        f"Name  Mtu  {'Net/Dest':<27} {'Address':<27} Ipkts  Ierrs Opkts  Oerrs Collis\n"
        f"lo0   8252 {'::1':<27} {'::1':<27} {counts}\n"
        f"e1000g0 1500 {own + '/10':<27} {own:<27} {counts}\n"
    )
    assert host.run("netstat", "-n", "-I", "lo0", "-f", "inet").stdout.splitlines()[1:] == [
        "lo0   8232 127.0.0.0     127.0.0.1      0      0     0      0     0      0     "
    ]
    shown = host.run("netstat", "-ian", "-I", "e1000g0:1", "-f", "inet").stdout
    assert shown.splitlines()[1:] == [
        "e1000g0:1 1500 10.0.5.0      10.0.5.1       0      N/A   0      N/A   N/A    0     "
    ]


def test_neighbours(host: FakeHost) -> None:
    v4 = (
        "Net to Media Table: IPv4\n"
        "Device   IP Address               Mask      Flags      Phys Addr\n"
        "------ -------------------- --------------- -------- ---------------\n"
        "e1000g0 10.0.0.1             255.255.255.255          02:08:20:0a:00:01\n"
        "e1000g0 10.0.0.9             255.255.255.255 U        \n"
        "e1000g0 10.0.0.11            255.255.255.255 SPLA     08:00:27:01:02:03\n"
        "e1000g0 224.0.0.0            240.0.0.0       SM       01:00:5e:00:00:00\n"
    )
    assert host.run("arp", "-an") == (0, v4, "")
    shown = host.run("netstat", "-pn").stdout
    assert shown.startswith(v4 + "\nNet to Media Table: IPv6\n")
    assert shown.splitlines()[-4:-1] == [
        "e1000g0 02:08:20:0a:00:01  dynamic STALE        fe80::1                    ",
        "e1000g0 08:00:27:01:02:03  local   REACHABLE    fe80::a00:27ff:fe01:203    ",
        "e1000g0 08:00:27:01:02:03  local   REACHABLE    2001:db8::11               ",
    ]


@pytest.mark.parametrize(
    ("line", "status", "stdout", "stderr"),
    [
        ("10.0.0.1", 0, "10.0.0.1 (10.0.0.1) at 2:8:20:a:0:1 temp\n", ""),
        ("10.0.0.9", 0, "10.0.0.9 (10.0.0.9) at (incomplete) temp\n", ""),
        ("10.0.0.11", 0, "10.0.0.11 (10.0.0.11) at 8:0:27:1:2:3 pub permanent\n", ""),
        ("10.0.0.7", 1, "10.0.0.7 (10.0.0.7) -- no entry\n", ""),
        ("nope", 1, "", "arp: nope: unknown host\n"),
        ("-d 10.0.0.1", 0, "10.0.0.1 (10.0.0.1) deleted\n", ""),
        ("-d 10.0.0.7", 1, "10.0.0.7 (10.0.0.7) -- no entry\n", ""),
        ("-s 10.0.0.5 2:8:20:a:b:c", 0, "", ""),
        ("-s 10.0.0.5 2:8:20:a:b:zz", 1, "", "arp: invalid link layer address '2:8:20:a:b:zz'\n"),
        ("-s 10.9.0.5 2:8:20:a:b:c", 1, "", "10.9.0.5: No such device or address\n"),
        ("-s 10.0.0.5 2:8:20:a:b:c forever", 1, "", "arp: unknown keyword 'forever'\n"),
        (
            "-s 10.0.0.5 2:8:20:a:b:c temp permanent",
            1,
            "",
            "arp: 'temp' and 'permanent' flags are not usable together.\n",
        ),
        ("-f /nope", 1, "", "arp: cannot open /nope\n"),
    ],
)
def test_arp(host: FakeHost, line: str, status: int, stdout: str, stderr: str) -> None:
    assert host.run("arp", *line.split()) == (status, stdout, stderr)


def test_entries_of_arp_reach_the_machine(host: FakeHost) -> None:
    (host.root / "entries").write_text("10.0.0.5 2:8:20:a:b:c\n10.0.0.6\n10.0.0.7 2:8:20:a:b:d temp\n")
    assert host.run("arp", "-f", "/entries") == (1, "", "arp: bad line: 10.0.0.6\n\n")
    assert host.kernel.called("put_neighbour") == [
        ("global", "e1000g0", "10.0.0.5", "2:8:20:a:b:c", True),
        ("global", "e1000g0", "10.0.0.7", "2:8:20:a:b:d", False),
    ]
    host.run("arp", "-d", "10.0.0.1")
    assert host.kernel.called("forget_neighbour") == [("global", "e1000g0", "10.0.0.1")]
    denied = host.run("arp", "-d", "10.0.0.1", privileged=False)
    assert denied == (1, "", "SIOCDXARP: Not owner\n")
    assert host.run("arp").stdout.startswith("Usage: arp hostname\n")


@pytest.mark.parametrize(
    ("line", "status", "stdout", "stderr"),
    [
        ("-i e1000g0 fe80::1", 0, "fe80::1 (fe80::1) at 2:8:20:a:0:1 temp\n", ""),
        ("fe80::1%e1000g0", 0, "fe80::1 (fe80::1) at 2:8:20:a:0:1 temp\n", ""),
        ("2001:db8::7", 1, "2001:db8::7 (2001:db8::7) -- no entry\n", ""),
        (
            "fe80::1",
            1,
            "",
            "ndp: Link-scope addresses should specify an interface with a zone ID, or with -i.\n",
        ),
        ("-d fe80::1", 1, "", "ndp: -d: not emulated by the lab\n"),
    ],
)
def test_ndp(host: FakeHost, line: str, status: int, stdout: str, stderr: str) -> None:
    assert host.run("ndp", *line.split()) == (status, stdout, stderr)


def test_ndp_lists_what_netstat_does(host: FakeHost) -> None:
    assert host.run("ndp", "-an") == host.run("netstat", "-pn", "-f", "inet6")
    assert host.run("ndp").stderr.startswith("Usage: ndp [-n] [-i iface] hostname\n")


def test_own_and_discarding_routes_are_marked(host: FakeHost) -> None:
    host.run("route", "add", *["-net", "10.0.0.0/8", "127.0.0.1", "-blackhole"])
    host.run("route", "add", *["10.9.9.9", "127.0.0.1", "-reject"])
    rows = [line.split()[:3] for line in host.run("netstat", "-rn", "-f", "inet").stdout.splitlines()]
    assert ["10.0.0.0", "127.0.0.1", "UGB"] in rows
    assert ["10.9.9.9", "127.0.0.1", "UGHR"] in rows
    rows = [line.split()[:3] for line in host.run("netstat", "-ran", "-f", "inet").stdout.splitlines()]
    assert ["10.0.0.11", "10.0.0.11", "UHL"] in rows
    assert ["10.0.0.255", "10.0.0.11", "UHb"] in rows


@pytest.mark.parametrize(
    ("line", "stderr"),
    [
        ("-f inet9", "inet9: unknown address family.\n"),
        ("-P quic", "quic: unknown protocol.\n"),
        ("-s", "netstat: not emulated by the lab: -s\n"),
        ("-rn -f outif:e1000g0", "netstat: not emulated by the lab: -rn -f outif:e1000g0\n"),
        ("-i 5", "netstat: not emulated by the lab: -i 5\n"),
    ],
)
def test_failures(host: FakeHost, line: str, stderr: str) -> None:
    assert host.run("netstat", *line.split()) == (1, "", stderr)
