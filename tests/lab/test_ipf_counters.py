"""What ipf, ipfstat and ipnat show of their counters, with a kernel that has counted what the test says."""

from __future__ import annotations

from pathlib import Path

import pytest

from illumos_lab.kernel import Count
from tests.lab.fakes_smf import ServiceHost, service_host

NO_MEMORY = "openkmem:open: No such file or directory\n"


@pytest.fixture
def host(tmp_path: Path) -> ServiceHost:
    host = service_host(tmp_path)
    host.run("ipf", "-E")
    return host


def count(host: ServiceHost, **packets: int) -> None:
    """Let each packet have a hundred bytes."""
    host.kernel.counted["global"] = {name: Count(number, 100 * number) for name, number in packets.items()}


# Rules -------------------------------------------------------------------------------------------


def test_hits_are_those_of_the_rule_whatever_comes_before_it(host: ServiceHost) -> None:
    host.run("ipf", "-f", "-", stdin="block in all\npass in on net0 all\ncount out all\n")
    count(host, rule_0=7, rule_1=2, rule_2=3, rule_3=5)
    assert host.run("ipfstat", "-hi").stdout == "7 block in all\n2 pass in on net0 all\n"
    assert host.run("ipfstat", "-ao").stdout == "300 count out all\n"
    assert host.run("ipfstat", "-aoh").stdout == "3 300 count out all\n"
    host.run("ipf", "-f", "-", stdin="@0 pass in quick on net1 all\n")
    assert host.run("ipfstat", "-hin").stdout == (
        "5 @1 pass in quick on net1 all\n7 @2 block in all\n2 @3 pass in on net0 all\n"
    )


def test_a_rule_that_comes_again_starts_at_zero(host: ServiceHost) -> None:
    host.run("ipf", "-f", "-", stdin="block in all\n")
    count(host, rule_0=7)
    host.run("ipf", "-Fa", "-f", "-", stdin="block in all\n")
    assert host.run("ipfstat", "-hi").stdout == "0 block in all\n"


def test_the_inactive_set_keeps_its_hits(host: ServiceHost) -> None:
    host.run("ipf", "-f", "-", stdin="block in all\n")
    count(host, rule_0=7)
    host.run("ipf", "-s")
    assert host.run("ipfstat", "-hIi").stdout == "7 block in all\n"


def test_ipf_z_tells_the_hits_of_rules_and_resets_them(host: ServiceHost) -> None:
    host.run("ipf", "-f", "-", stdin="block in all\npass in on net0 all\n")
    count(host, rule_0=7, rule_1=2)
    result = host.run("ipf", "-z", "-f", "-", stdin="block in all\npass in on net9 all\n")
    assert result == (0, "hits 7 bytes 700 block in all\n", "1:ioctl(SIOCZRLST): No such process\n")
    assert host.run("ipfstat", "-hi").stdout == "0 block in all\n2 pass in on net0 all\n"
    count(host, rule_0=8, rule_1=2)
    assert host.run("ipfstat", "-hi").stdout == "1 block in all\n2 pass in on net0 all\n"


def test_rules_of_the_global_zones_own_plane_count_nothing(host: ServiceHost) -> None:
    host.boot_zone("gw")
    host.packages.make_devices("gw")
    host.run("ipf", "-GE", "gw")
    host.run("ipf", "-Gf", "-", "gw", stdin="block in all\n")
    host.kernel.counted["gw"] = {"rule_0": Count(7, 700)}
    assert host.run("ipfstat", "-hi", "-G", "gw").stdout == "0 block in all\n"


def test_ipnat_shows_hits_with_the_rules(host: ServiceHost) -> None:
    host.run(
        "ipnat", "-f", "-", stdin="map net0 10.0.0.0/8 -> 0/32 portmap tcp 1:9\nmap net0 0/0 -> 0/32\n"
    )
    count(host, rule_0=12, rule_1=1)
    lines = host.run("ipnat", "-lh").stdout.splitlines()
    assert lines[1:3] == [
        "12 map net0 10.0.0.0/8 -> 0.0.0.0/32 portmap tcp 1:9",
        "1 map net0 0.0.0.0/0 -> 0.0.0.0/32",
    ]


# Totals ------------------------------------------------------------------------------------------


def test_ipfstat_shows_the_totals(host: ServiceHost) -> None:
    count(
        host, in_seen=100, in_ipv6=3, in_blocked=20, in_nomatch=30, counted=4, in_whole=5, in_kept=6,
        out_seen=90, out_ipv6=2, out_blocked=10, out_nomatch=40, out_kept=8, unreachables=9, resets=11,
        in_logged=12, out_logged=13, in_logged_passed=14, in_logged_blocked=15, out_logged_passed=16,
    )  # fmt: skip
    shown = host.run("ipfstat").stdout
    ticks = next(line for line in shown.splitlines(keepends=True) if line.startswith("IPF Ticks:\t"))
    assert shown.replace(ticks, "") == (
        "bad packets:\t\tin 0\tout 0\n"
        " IPv6 packets:\t\tin 3 out 2\n"
        " input packets:\t\tblocked 20 passed 80 nomatch 30 counted 4 short 0\n"
        "output packets:\t\tblocked 10 passed 80 nomatch 40 counted 0 short 0\n"
        " input packets logged:\tblocked 15 passed 14\n"
        "output packets logged:\tblocked 0 passed 16\n"
        " packets logged:\tinput 12 output 13\n"
        " log failures:\t\tinput 0 output 0\n"
        "fragment state(in):\tkept 0\tlost 0\tnot fragmented 5\n"
        "fragment state(out):\tkept 0\tlost 0\tnot fragmented 5\n"
        "packet state(in):\tkept 6\tlost 0\n"
        "packet state(out):\tkept 8\tlost 0\n"
        "ICMP replies:\t9\tTCP RSTs sent:\t11\n"
        "Invalid source(in):\t0\n"
        "Result cache hits(in):\t0\t(out):\t0\n"
        "IN Pullups succeeded:\t0\tfailed:\t0\n"
        "OUT Pullups succeeded:\t0\tfailed:\t0\n"
        "Fastroute successes:\t0\tfailures:\t0\n"
        "TCP cksum fails(in):\t0\t(out):\t0\n"
        "Packet log flags set: (0)\n\tnone\n"
    )


def test_zeroing_shows_the_totals_and_resets_them_but_no_rule(host: ServiceHost) -> None:
    host.run("ipf", "-f", "-", stdin="block in all\n")
    count(host, rule_0=7, in_seen=9, in_blocked=7, in_nomatch=2, counted=1, hits=5)
    assert host.run("ipf", "-Z") == (
        0,
        "bad packets:\t\tin 0\tout 0\n"
        " input packets:\t\tblocked 7 passed 2 nomatch 2 counted 1\n"
        "output packets:\t\tblocked 0 passed 0 nomatch 0 counted 1\n"
        " input packets logged:\tblocked 0 passed 0\n"
        "output packets logged:\tblocked 0 passed 0\n"
        " packets logged:\tinput 0-0 output 0-0\n",
        "",
    )
    assert "blocked 0 passed 0 nomatch 0 counted 0" in host.run("ipfstat").stdout
    assert host.run("ipfstat", "-hi").stdout == "7 block in all\n"
    assert "\t5 hits\n" in host.run("ipfstat", "-s").stdout


def test_ipfstat_s_shows_the_table_of_states(host: ServiceHost) -> None:
    count(host, kept_tcp=5, kept_udp=4, kept_icmp=3, hits=60, misses=7)
    host.kernel.states["global"] = 287
    assert host.run("ipfstat", "-s").stdout == (
        "IP states added:\n\t5 TCP\n\t4 UDP\n\t3 ICMP\n\t60 hits\n\t7 misses\n"
        "\t0 maximum\n\t0 no memory\n\t287 active\n\t0 expired\n\t0 closed\n\t0 orphans\n"
        "State logging enabled\n\nState table bucket statistics:\n\t287 in use\n\t0 max bucket\n"
        "\t5.00% bucket usage\n\t0 minimal length\n\t1 maximal length\n\t1.000 average length\n\n"
    )


def test_ipnat_s_shows_what_was_translated(host: ServiceHost) -> None:
    host.run("ipnat", "-f", "-", stdin="map net0 10.0.0.0/8 -> 0/32\n")
    count(host, mapped_in=5, mapped_out=6, added=3)
    assert host.run("ipnat", "-s").stdout == (
        "mapped\tin\t5\tout\t6\nadded\t3\texpired\t0\nno memory\t0\tbad nat\t0\n"
        "inuse\t0\norphans\t0\nrules\t1\nwilds\t0\n"
    )


def test_groups_are_listed_once(host: ServiceHost) -> None:
    text = "block in all head 2\nblock out all head 2\npass in all head 1\ncount in all head 3\n"
    host.run("ipf", "-f", "-", stdin=text)
    assert host.run("ipfstat", "-g").stdout == (
        "Filter groups (active):\n2\n1\nFilter groups (inactive):\n"
        "Accounting groups (active):\n3\nAccounting groups (inactive):\n"
        "Authentication groups (active):\nAuthentication groups (inactive):\n"
    )


def test_a_zone_does_not_see_the_kernels_memory(host: ServiceHost) -> None:
    host.boot_zone("gw")
    host.packages.make_devices("gw")
    host.run("ipf", "-E", zone="gw")
    host.run("ipf", "-f", "-", zone="gw", stdin="block in all head 2\n")
    assert host.run("ipfstat", "-s", zone="gw") == (0, "", NO_MEMORY)
    assert host.run("ipfstat", "-f", zone="gw").stderr == NO_MEMORY
    assert host.run("ipfstat", "-g", zone="gw").stderr == NO_MEMORY
    assert host.run("ipfstat", "-s", "-z", "gw").stdout.startswith("IP states added:\n")


@pytest.mark.parametrize(
    ("option", "request_name"), [("-s", "state:SIOCGETFS"), ("-f", "SIOCGFRST"), ("-A", "SIOCATHST")]
)
def test_some_statistics_need_the_filter_to_be_on(
    host: ServiceHost, option: str, request_name: str
) -> None:
    assert host.run("ipfstat", option).exit == 0
    host.run("ipf", "-D")
    assert host.run("ipfstat", option) == (255, "", f"ioctl({request_name}): I/O error\n")
    assert host.run("ipfstat").stdout.startswith("bad packets:\t\tin 0\tout 0\n")
    assert host.run("ipf", "-Z") == (255, "", "ioctl(SIOCFRZST): I/O error\n")


@pytest.mark.parametrize("option", ["-t", "-v", "-d", "-sl", "-M/core"])
def test_what_has_nothing_behind_it_is_refused(host: ServiceHost, option: str) -> None:
    result = host.run("ipfstat", option)
    assert (result.exit, result.stderr) == (1, "ipfstat: that option: not emulated by illumos-lab\n")


# Parameters --------------------------------------------------------------------------------------


def test_parameters_are_listed_with_their_limits(host: ServiceHost) -> None:
    lines = host.run("ipf", "-T", "list").stdout.splitlines()
    assert lines[:8] == [
        "fr_flags\tmin 0\tmax 0xffffffff\tcurrent 0",
        "fr_active\tmin 0\tmax 0\tcurrent 0",
        "fr_control_forwarding\tmin 0\tmax 0x1\tcurrent 0",
        "fr_update_ipid\tmin 0\tmax 0x1\tcurrent 0",
        "fr_chksrc\tmin 0\tmax 0x1\tcurrent 0",
        "fr_minttl\tmin 0\tmax 0x1\tcurrent 4",
        "fr_icmpminfragmtu\tmin 0\tmax 0x1\tcurrent 68",
        "fr_pass\tmin 0\tmax 0xffffffff\tcurrent 134217730",
    ]
    assert lines[-1] == "ipl_logsize\tmin 0\tmax 0x80000\tcurrent 8192"
    shown = host.run("ipf", "-T", "fr_tcpidletimeout,fr_state_maxbucket").stdout
    assert shown == (
        "fr_tcpidletimeout\tmin 0x1\tmax 0x7fffffff\tcurrent 864000\n"
        "fr_state_maxbucket\tmin 0x1\tmax 0x7fffffff\tcurrent 26\n"
    )


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("nothing", (0, "", "ioctl(SIOCIPFGET): No such process\n")),
        ("nothing=1", (0, "", "ioctl(SIOCIPFSET): No such process\n")),
        ("fr_chksrc=on", (0, "", "invalid value 'fr_chksrc'\n")),
        ("fr_statesize=9", (0, "", "ioctl(SIOCIPFSET): Device busy\n")),
        ("fr_chksrc=2", (0, "", "ioctl(SIOCIPFSET): Invalid argument\n")),
        ("fr_chksrc=1", (1, "", "ipf: -T fr_chksrc=1: not emulated by illumos-lab\n")),
    ],
)
def test_a_parameter_is_not_changed_in_silence(
    host: ServiceHost, what: str, expected: tuple[int, str, str]
) -> None:
    assert host.run("ipf", "-T", what) == expected


@pytest.mark.parametrize("arguments", [["-cc"], ["-d"], ["-lpass"], ["-P"]])
def test_other_options_of_ipf_are_refused(host: ServiceHost, arguments: list[str]) -> None:
    result = host.run("ipf", *arguments)
    assert (result.exit, result.stderr) == (1, f"ipf: {arguments[0][:2]}: not emulated by illumos-lab\n")


def test_half_seconds_pass_only_after_the_filter_was_switched_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = service_host(tmp_path)
    monkeypatch.setattr("illumos_lab.ipfilter.state.time.monotonic", lambda: 50.0)
    assert "IPF Ticks:\t0\n" in host.run("ipfstat").stdout
    host.run("ipf", "-E")
    monkeypatch.setattr("illumos_lab.ipfilter.state.time.monotonic", lambda: 60.25)
    assert "IPF Ticks:\t20\n" in host.run("ipfstat").stdout
