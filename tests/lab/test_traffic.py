"""What links have carried: dladm's, dlstat's, kstat's and netstat's view of the counts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from illumos_lab.kernel import Traffic
from illumos_lab.testing import Host, Lab
from tests.lab.fakes import FakeHost, fake_host

ON_LINUX = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces as root")


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    made = fake_host(tmp_path)
    made.kernel.carried["e1000g0"] = Traffic(12, 3456, 1, 7, 8901234, 2)
    return made


def test_show_link_tells_the_counts(host: FakeHost) -> None:
    assert host.run("dladm", "create-etherstub", "stub0").exit == 0
    assert host.run("dladm", "show-link", "-s") == (
        0,
        "LINK           IPACKETS  RBYTES  IERRORS   OPACKETS    OBYTES      OERRORS\n"
        "e1000g0        12        3456    1         7           8901234     2\n"
        "stub0          0         0       0         0           0           0\n",
        "",
    )
    assert host.run("dladm", "show-link", "-s", "-p", "-o", "obytes,link", "e1000g0").stdout == (
        "8901234:e1000g0\n"
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["show-link", "-s", "-P"], "the option -P cannot be used with -s"),
        (["show-link", "-i", "5"], "the option -i can be used only with -s"),
        (["show-link", "-s", "-i", "0"], "invalid interval value '0'"),
        (["show-link", "-s", "-i", "5"], "show-link -i: not emulated by the lab"),
        (["show-vnic", "-i", "5"], "the option -i can be used only with -s"),
        (["show-vnic", "-s", "-l", "e1000g0"], "device e1000g0 has no vnics"),
        (["show-aggr", "-s", "-i", "5"], "show-aggr -i: not emulated by the lab"),
        (["show-bridge", "-s"], "show-bridge -s: not emulated by the lab"),
        (["show-bridge", "-i", "5"], "the -i option can be used only with -s"),
    ],
)
def test_what_cannot_be_shown(host: FakeHost, argv: list[str], message: str) -> None:
    result = host.run("dladm", *argv)
    assert (result.exit, result.stderr) == (1, f"dladm: {message}\n")


def test_show_vnic_takes_the_last_vnic_for_the_sum(host: FakeHost) -> None:
    for name in ("v0", "v1"):
        assert host.run("dladm", "create-vnic", "-l", "e1000g0", name).exit == 0
    host.kernel.carried["v0"] = Traffic(ipackets=1, rbytes=60, opackets=5, obytes=300)
    host.kernel.carried["v1"] = Traffic(ipackets=4, rbytes=240)
    assert host.run("dladm", "show-vnic", "-s", "-l", "e1000g0") == (
        0,
        "e1000g0\tipackets  rbytes      opackets  obytes          %ipkts  %opkts\n"
        "Total\t4         240         0         0           \n"
        "v0\t1         60          5         300         \t25.0  \t-\n"
        "v1\t4         240         0         0           \t100.0 \t-\n",
        "",
    )
    assert host.run("dladm", "show-vnic", "-s").stdout.splitlines()[0] == (
        "\tipackets  rbytes      opackets  obytes          "
    )


def test_show_aggr_tells_each_ports_part(host: FakeHost) -> None:
    assert host.run("dladm", "create-aggr", "-l", "e1000g0", "aggr0").exit == 0
    assert host.run("dladm", "show-aggr", "-s") == (
        0,
        "LINK        PORT      IPACKETS RBYTES OPACKETS OBYTES IPKTDIST OPKTDIST\n"
        "aggr0       --        12      3456    7       8901234 --       --\n"
        "--          e1000g0   12      3456    7       8901234 100.0    100.0 \n",
        "",
    )


def test_dlstat_scales_the_counts(host: FakeHost) -> None:
    assert host.run("dlstat") == (
        0,
        "           LINK    IPKTS   RBYTES    OPKTS   OBYTES\n"
        "        e1000g0       12    3.46K        7    8.90M\n",
        "",
    )
    assert host.run("dlstat", "-u", "K", "e1000g0").stdout.splitlines()[1] == (
        "        e1000g0    0.01K    3.46K    0.01K  8901.23K"
    )
    assert host.run("dlstat", "-p", "-o", "link,rbytes").stdout == "e1000g0:3456\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["show-phys"], "show-phys: not emulated by the lab"),
        (["show-link", "-r"], "show-link: not emulated by the lab"),
        (["-i", "1"], "-i: not emulated by the lab"),
        (["-r", "-t"], "the options -t and -r are not compatible"),
        (["-p"], "-p requires -o"),
        (["-u", "X"], "invalid unit value 'X',unit must be R|K|M|G|T|P"),
        (["net9"], "link net9 is not valid: object not found"),
    ],
)
def test_what_dlstat_refuses(host: FakeHost, argv: list[str], message: str) -> None:
    assert host.run("dlstat", *argv) == (1, "", f"dlstat: {message}\n")


def test_kstat_has_the_counts_of_links(host: FakeHost) -> None:
    host.kernel.carried["e1000g0"] = Traffic(ipackets=3, rbytes=2**32 + 5)
    assert host.run("kstat", "-p", "link:0:e1000g0:/^(ipack|rbytes|ifspeed|link_)/").stdout == (
        "link:0:e1000g0:ifspeed\t1000000000\n"
        "link:0:e1000g0:ipackets\t3\n"
        "link:0:e1000g0:ipackets64\t3\n"
        "link:0:e1000g0:link_duplex\t2\n"
        "link:0:e1000g0:link_state\t1\n"
        "link:0:e1000g0:rbytes\t5\n"
        "link:0:e1000g0:rbytes64\t4294967301\n"
    )


def test_netstat_counts_packets(host: FakeHost) -> None:
    assert host.run("ipadm", "create-addr", "-T", "static", "-a", "192.0.2.11/24", "e1000g0/v4").exit == 0
    shown = host.run("netstat", "-in", "-I", "e1000g0", "-f", "inet").stdout
    assert shown.splitlines()[1].split() == [
        *("e1000g0", "1500", "192.0.2.0", "192.0.2.11"),
        *("12", "1", "7", "2", "0", "0"),
    ]


# Packets -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(hosts=("gz1", "gz2"), time_scale=0) as started:
        yield started


def packets(host: Host, link: str) -> int:
    shown = host.run(f"dladm show-link -s -p -o ipackets,opackets {link}").check().stdout
    return min(map(int, shown.strip().split(":")))


@ON_LINUX
def test_what_a_vnic_carries_is_counted_on_it_and_on_its_card(lab: Lab) -> None:
    one, two = lab.hosts.values()
    for number, host in enumerate((one, two), 1):
        host.run("dladm create-vnic -l e1000g0 v0 && ipadm create-if v0").check()
        host.run(f"ipadm create-addr -T static -a 10.80.0.{number}/24 v0/v4").check()
    before = packets(one, "v0"), packets(one, "e1000g0")
    for _ in range(5):
        one.run(["/usr/sbin/ping", "10.80.0.2", "1"]).check()
    assert packets(one, "v0") >= before[0] + 5
    assert packets(one, "e1000g0") >= before[1] + 5
