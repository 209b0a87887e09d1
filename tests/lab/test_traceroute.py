"""traceroute: what it prints, with the machine's own ping played."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.lab.fakes import FakeHost, fake_host

WAY = ["10.0.0.1", "", "198.51.100.80"]


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with a way of three hops, the second of which does not answer."""
    host = fake_host(tmp_path)
    (host.root / "etc/inet/hosts").write_text("10.0.0.1 gate\n198.51.100.80 far\n")

    def linux_ping(argv: Sequence[str]) -> tuple[int, str, str]:
        hop = int(argv[argv.index("-t") + 1])
        if not WAY[hop - 1]:
            return 1, "", ""
        if WAY[hop - 1] == argv[-1]:
            return 0, f"64 bytes from {argv[-1]}: icmp_seq=1 ttl=62 time=0.1 ms\n", ""
        return 1, f"From {WAY[hop - 1]} icmp_seq=1 Time to live exceeded\n", ""

    host.runtime.programs["/system/lab/linux/bin/ping"] = linux_ping
    return host


def _without_times(text: str) -> str:
    return re.sub(r"\d+\.\d{3} ms", "T ms", text)


def test_a_line_for_each_hop(host: FakeHost) -> None:
    result = host.run("traceroute", "far")
    assert (result.exit, _without_times(result.stdout), result.stderr) == (
        0,
        " 1  gate (10.0.0.1)  T ms  T ms  T ms\n 2  * * *\n 3  far (198.51.100.80)  T ms  T ms  T ms\n",
        "traceroute to far (198.51.100.80), 30 hops max, 40 byte packets\n",
    )


def test_numbers_hops_and_probes(host: FakeHost) -> None:
    result = host.run("traceroute", *["-n", "-q", "1", "-m", "2", "198.51.100.80"])
    assert _without_times(result.stdout) == " 1  10.0.0.1  T ms\n 2  *\n"
    result = host.run("traceroute", *["-n", "-q", "1", "-f", "3", "198.51.100.80"])
    assert _without_times(result.stdout) == " 3  198.51.100.80  T ms\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nope", "traceroute: unknown host nope\n"),
        ("-m 0 far", "traceroute: bad max hop: 0\n"),
        ("-g 10.0.0.1 far", "traceroute: option -g is not emulated by illumos-lab\n"),
        ("", "Usage: traceroute ["),
    ],
)
def test_failures(host: FakeHost, line: str, message: str) -> None:
    result = host.run("traceroute", *line.split())
    assert (result.exit, result.stdout) == (1, "")
    assert result.stderr.startswith(message)
