"""ping: what it says, with the machine's own ping played."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from illumos_lab.commands import ping
from illumos_lab.invocation import Invocation
from tests.lab.fakes import FakeHost, fake_host

ANSWERS = {"10.0.0.1": "10.0.0.1", "gate": "10.0.0.1", "2001:db8::1": "2001:db8::1"}


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with an address, whose network has one other machine in it."""
    host = fake_host(tmp_path)
    host.run("ipadm", *["create-addr", "-T", "static", "-a", "10.0.0.11/24", "e1000g0/v4"])
    (host.root / "etc/inet/hosts").write_text("10.0.0.7 quiet\n")
    times: Iterator[str] = iter(["1.5", "2.5", "2.0"])

    def linux_ping(argv: Sequence[str]) -> tuple[int, str, str]:
        target = argv[-1]
        if target == "nope":
            return 2, "", "ping: nope: Name or service not known\n"
        if target == "10.9.9.9":
            return 2, "", "ping: connect: Network is unreachable\n"
        if target not in ANSWERS:
            return 1, "PING\n", ""
        size = int(argv[argv.index("-s") + 1]) if "-s" in argv else 56
        answer = f"{size + 8} bytes from {ANSWERS[target]}: icmp_seq=1 ttl=64 time={next(times)} ms\n"
        return 0, answer, ""

    host.runtime.programs["/system/lab/linux/bin/ping"] = linux_ping
    return host


@pytest.mark.parametrize(
    ("line", "status", "stdout", "stderr"),
    [
        ("10.0.0.1", 0, "10.0.0.1 is alive\n", ""),
        ("10.0.0.1 2", 0, "10.0.0.1 is alive\n", ""),
        ("quiet 1", 1, "no answer from quiet\n", ""),
        ("-A inet6 2001:db8::1", 0, "2001:db8::1 is alive\n", ""),
        ("nope", 1, "", "ping: unknown host nope\n"),
        ("10.9.9.9", 1, "", "ping: sendto Network is unreachable\n"),
        ("10.0.0.1 soon", 1, "", "ping: bad timeout: soon\n"),
        ("-s 10.0.0.1 56 many", 1, "", "ping: bad packet count: many\n"),
        ("-s 10.0.0.1 56 0", 1, "", "ping: packet count 0 out of range\n"),
        ("-s 10.0.0.1 -5 1", 1, "", "ping: bad data size: -5\n"),
        ("-t 256 10.0.0.1", 1, "", "ping: ttl 256 out of range\n"),
        ("-A ipx 10.0.0.1", 1, "", "ping: unknown address family ipx\n"),
        ("-U 10.0.0.1", 1, "", "ping: option -U is not emulated by illumos-lab\n"),
        (
            "-s 10.0.0.1 64 1",
            0,
            "PING 10.0.0.1: 64 data bytes\n"
            "72 bytes from 10.0.0.1: icmp_seq=0. time=1.500 ms\n"
            "\n----10.0.0.1 PING Statistics----\n"
            "1 packets transmitted, 1 packets received, 0% packet loss\n"
            "round-trip (ms)  min/avg/max/stddev = 1.500/1.500/1.500/-NaN\n",
            "",
        ),
        (
            "-I 0 10.0.0.1 56 3",
            0,
            "PING 10.0.0.1: 56 data bytes\n"
            "64 bytes from 10.0.0.1: icmp_seq=0. time=1.500 ms\n"
            "64 bytes from 10.0.0.1: icmp_seq=1. time=2.500 ms\n"
            "64 bytes from 10.0.0.1: icmp_seq=2. time=2.000 ms\n"
            "\n----10.0.0.1 PING Statistics----\n"
            "3 packets transmitted, 3 packets received, 0% packet loss\n"
            "round-trip (ms)  min/avg/max/stddev = 1.500/2.000/2.500/0.50\n",
            "",
        ),
        (
            "-s -n quiet 8 1",
            1,
            "PING quiet (10.0.0.7): 8 data bytes\n"
            "\n----quiet PING Statistics----\n"
            "1 packets transmitted, 0 packets received, 100% packet loss\n",
            "",
        ),
    ],
)
def test_what_it_says(host: FakeHost, line: str, status: int, stdout: str, stderr: str) -> None:
    assert host.run("ping", *line.split()) == (status, stdout, stderr)


def test_names_of_addresses_that_answer(host: FakeHost) -> None:
    with (host.root / "etc/inet/hosts").open("a") as file:
        file.write("10.0.0.1 gate\n")
    line = host.run("ping", "-s", "gate", "56", "1").stdout.splitlines()[1]
    assert line == "64 bytes from gate (10.0.0.1): icmp_seq=0. time=1.500 ms"
    shown = host.run("ping", "-ns", "gate", "56", "1").stdout.splitlines()
    assert shown[:2] == [
        "PING gate (10.0.0.1): 56 data bytes",
        "64 bytes from 10.0.0.1: icmp_seq=0. time=2.500 ms",
    ]


def test_source_and_time_to_live(host: FakeHost) -> None:
    assert host.run("ping", *["-i", "e1000g0", "-t", "3", "10.0.0.1"]).exit == 0
    (_, argv) = host.runtime.called("run")[-1]
    assert argv[1:-1] == ("-n", "-I", "10.0.0.11", "-t", "3", "-c", "1", "-w", "20")
    refused = host.run("ping", "-i", "nope0", "10.0.0.1")
    assert refused == (1, "", "ping: nope0 is an invalid interface\n")


def test_without_a_number_of_packets_it_ends_with_its_caller(host: FakeHost, tmp_path: Path) -> None:
    caller, ours = os.pipe()
    with (tmp_path / "out").open("wb") as out:
        os.close(ours)  # as when the caller has gone
        run = Invocation(
            path="/usr/sbin/ping",
            argv=["-s", "10.0.0.1"],
            env={},
            cwd="/",
            uid=0,
            zone="global",
            stdin=0,
            stdout=out.fileno(),
            stderr=out.fileno(),
            caller=caller,
        )
        assert ping.main(host, run) == 0
    os.close(caller)
    assert "1 packets transmitted, 1 packets received" in (tmp_path / "out").read_text()
