"""The lab's own pieces that need no machine underneath."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from illumos_lab import commands, dump, rbac
from illumos_lab.faults import Fault, Faults
from illumos_lab.files import LabFiles
from illumos_lab.journal import Entry, Journal
from illumos_lab.kernel import NatRule, PacketRule
from illumos_lab.linux import nft
from illumos_lab.linux.dhcp_client import parse_answer
from illumos_lab.linux.network import pad_mac
from illumos_lab.protocol import LabError
from illumos_lab.world import dns_answer

INSIDE = IPv4Network("10.1.2.0/24")


def test_a_portmap_rule_translates_ports_of_its_protocols_only() -> None:
    rule = NatRule(
        "map", "p0", INSIDE, to_address="192.0.2.100", ports=(1000, 2000), protocols=("tcp", "udp")
    )
    text = nft.nat_table([rule, NatRule("map", "p0", INSIDE)], {"p0": "p0"}).chains["postrouting"]
    assert text.splitlines()[1:] == [
        'oifname "p0" ip saddr 10.1.2.0/24 meta l4proto { tcp, udp } counter name added'
        " snat to 192.0.2.100:1000-2000",
        'oifname "p0" ip saddr 10.1.2.0/24 counter name added masquerade',
    ]


def test_a_rule_for_an_absent_interface_is_left_out_and_its_counter_stays() -> None:
    rule = NatRule("map", "p0", INSIDE, to_address="192.0.2.1", counter="rule_3")
    table = nft.nat_table([rule], {}, frozenset(("rule_3",)))
    assert len(table.chains["postrouting"].splitlines()) == 1
    assert "rule_3" in table.counters


def test_a_redirected_range_moves_port_by_port() -> None:
    outer = IPv4Network("192.0.2.100/32")
    rule = NatRule("rdr", "p0", None, outer, "10.1.2.5", (8080, 8081), (80, 81), ("tcp",), counter="rule_1")
    text = nft.nat_table([rule], {"p0": "p0"}).chains["prerouting"]
    assert (
        'iifname "p0" ip daddr 192.0.2.100/32 meta l4proto { tcp } th dport 80-81 counter name added'
        " counter name rule_1 dnat to 10.1.2.5 : th dport map { 80 : 8080, 81 : 8081 }"
    ) in text


def test_what_exceeds_a_rate_is_blocked() -> None:
    table = nft.filter_table([PacketRule("in", "pass", per_second=5)], {}, 1)
    assert table.chains["verdict_1"].splitlines() == [
        "limit rate over 5/second burst 5 packets counter name in_blocked drop",
        "accept",
    ]


def test_a_table_removes_what_only_the_previous_one_had() -> None:
    previous = nft.Table("ip t", {"a": "accept\n", "b": "drop\n"}, frozenset(("x", "y")))
    table = nft.Table("ip t", {"a": "drop\n"}, frozenset(("y", "z")))
    assert table.script(previous) == (
        "table ip t\nflush table ip t\ndelete chain ip t b\ndelete counter ip t x\n"
        "table ip t {\ncounter y { }\ncounter z { }\nchain a {\ndrop\n}\n}\n"
    )


def test_a_prescribed_address_forbids_dhcp() -> None:
    kinds = frozenset({"ip-nospoof"})
    text = nft.protection_table("p1", nft.Protection(kinds, ("10.1.2.5",), "02:08:20:0a:0b:0c"))
    assert "udp sport { 67, 68 } drop" in text
    assert "ip saddr != { 0.0.0.0, 10.1.2.5 } drop" in text


def test_without_prescribed_address_a_lease_is_learned() -> None:
    kinds = frozenset({"ip-nospoof"})
    text = nft.protection_table("p1", nft.Protection(kinds, (), "02:08:20:0a:0b:0c", "10.1.2.9"))
    assert "udp" not in text
    assert "ip saddr != { 0.0.0.0, 10.1.2.9 } drop" in text


def test_mac_addresses_are_padded_for_linux() -> None:
    assert pad_mac("2:8:20:a:b0:c") == "02:08:20:0a:b0:0c"


def test_a_fault_hits_the_nth_match_as_often_as_told() -> None:
    faults = Faults()
    faults.add(Fault("zoneadm .* install", nth=2, times=2, status=1))
    line = "/usr/sbin/zoneadm -z web install"
    assert [faults.match(line) is not None for _ in range(4)] == [False, True, True, False]
    assert faults.match("/usr/sbin/zoneadm list") is None


def test_a_fault_without_end_hits_always() -> None:
    faults = Faults()
    faults.add(Fault("dladm", times=None, status=1))
    assert all(faults.match("/sbin/dladm show-link") for _ in range(5))


def test_a_wrapped_command_counts_once() -> None:
    faults = Faults()
    faults.add(Fault("zoneadm list", status=1))
    assert faults.match("/usr/bin/pfexec /usr/sbin/zoneadm list") is None
    assert faults.match("/usr/sbin/zoneadm list") is not None
    faults.add(Fault("pfexec .*dladm", status=1))
    assert faults.match("/usr/bin/pfexec /usr/sbin/dladm") is not None


def test_a_bad_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="bad pattern"):
        Faults().add(Fault("("))


def test_the_journal_survives_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert journal.connection_opened() == 1
    assert journal.channel_opened() == 1
    entry = Entry(["/sbin/dladm"], "global", 0, 1.0, 0.1, 0, 1, 1)
    journal.add(entry)
    again = Journal(tmp_path / "journal")
    assert again.entries == [entry]
    assert (again.connections, again.channels) == (1, 1)


def test_hosts_keep_number_and_profile(tmp_path: Path) -> None:
    files = LabFiles(tmp_path)
    assert files.declare_hosts([], None, None) == ["gz1"]
    assert files.declare_hosts(["b"], "tribblix", 0) == ["b"]
    assert files.declare_hosts([], None, None) == ["gz1", "b"]
    hosts = files.load()["hosts"]
    assert (hosts["gz1"]["number"], hosts["gz1"]["profile"]) == (11, "omnios")
    assert (hosts["b"]["number"], hosts["b"]["time_scale"]) == (12, 0)
    with pytest.raises(LabError, match="cannot become"):
        files.declare_hosts(["b"], "omnios", None)
    with pytest.raises(LabError, match="not a host name"):
        files.declare_hosts(["../x"], None, None)


def test_ssh_files_name_every_host_that_has_started(tmp_path: Path) -> None:
    files = LabFiles(tmp_path)
    files.declare_hosts(["a", "b"], None, None)
    files.host_started("a", 2201, "ssh-ed25519 KEY")
    assert "Host a\n" in files.ssh_config.read_text()
    assert "Host b\n" not in files.ssh_config.read_text()
    known = (tmp_path / "known_hosts").read_text()
    assert known == "[127.0.0.1]:2201,192.0.2.11 ssh-ed25519 KEY\n"


def _query(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def test_the_outside_knows_its_own_name_only() -> None:
    answer = dns_answer(_query("Outside.example", 1))
    assert answer[-4:] == socket.inet_aton("198.51.100.80")
    assert struct.unpack("!H", answer[6:8]) == (1,)
    assert dns_answer(_query("outside.example", 28))[3] & 15 == 0
    assert dns_answer(_query("example.org", 1))[3] & 15 == 3
    with pytest.raises((ValueError, IndexError, struct.error)):
        dns_answer(b"nonsense")


def test_an_answer_to_somebody_else_is_no_lease() -> None:
    assert parse_answer(b"", 1, bytes(6)) is None
    assert parse_answer(bytes(400), 1, bytes(6)) is None


def test_profiles_decide_what_runs_privileged(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    (etc / "security").mkdir(parents=True)
    (etc / "passwd").write_text("ann:x:100:10::/home/ann:/bin/sh\nbob:x:101:10::/home/bob:/bin/sh\n")
    (etc / "user_attr").write_text("# users\nann::::profiles=Zone Management\n")
    (etc / "security/exec_attr").write_text(
        "Zone Management:solaris:cmd:::/usr/sbin/zoneadm:euid=0\nAll:suser:cmd:::*:\n"
    )
    assert rbac.grants_privilege(tmp_path, 100, "/usr/sbin/zoneadm")
    assert not rbac.grants_privilege(tmp_path, 100, "/sbin/dladm")
    assert not rbac.grants_privilege(tmp_path, 101, "/usr/sbin/zoneadm")
    assert not rbac.grants_privilege(tmp_path, 999, "/usr/sbin/zoneadm")


def test_every_program_of_the_table_can_be_found() -> None:
    for path in [*commands.PATHS, *commands.LINKS]:
        assert callable(commands.find(path)), path


def test_a_dump_reads_as_indented_lines() -> None:
    text = dump.as_text({"zones": {"web": {"state": "running", "services": ["online x"]}}})
    assert text == "zones:\n  web:\n    state: running\n    services:\n      online x\n"
