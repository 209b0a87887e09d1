"""ipnat, ipf and ipfstat against what the real programs answered (tests/data/ipfilter-corpus.jsonl)."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from illumos_lab.ipfilter.load import load_text
from illumos_lab.ipfilter.rules import Rule
from illumos_lab.ipfilter.state import filters
from illumos_lab.ipfilter.translate import to_kernel
from illumos_lab.kernel import NatRule, NatSession, PortRange
from tests.lab.fakes_smf import ServiceHost, service_host

DATA = Path(__file__).parents[1] / "data"
RECORDED: list[dict[str, Any]] = [
    json.loads(line) for line in (DATA / "ipfilter-corpus.jsonl").read_text().splitlines()
]
CASES = [case for case in RECORDED if case["exit"] is not None]
"""All but those inputs on which the real program never ends: ours does."""

RECORDED_WITHOUT_DEVICE = frozenset({"ipf-295"})
"""Cases that came as far as the device although they were meant to read a file only."""


@pytest.fixture
def host(tmp_path: Path) -> ServiceHost:
    return service_host(tmp_path)


def answers(host: ServiceHost, case: dict[str, Any]) -> list[str]:
    """What differs between our answer and the real one."""
    zone = host.add_zone("labz")
    host.packages.make_devices("labz")
    (host.root / "rules.conf").unlink(missing_ok=True)
    text = case["input"]
    if text is not None and not case.get("stdin"):
        (host.root / "rules.conf").write_text(text, newline="", errors="surrogateescape")
    state = filters(host)
    # With -z the stand-in's one table belongs to the zone.
    target = "labz" if "-z" in case["args"] or "labz" in case["args"] else "global"
    for each in ("global", "labz"):
        state.set_enabled(each, case.get("device") != "disabled")
        state.plane(each).forget()
    load_text(state.plane(target).rules, case.get("preload") or "")
    caller = "global"
    device = "missing" if case["id"] in RECORDED_WITHOUT_DEVICE else case.get("device")
    match device:
        case "missing":
            for device in (host.root / "dev").iterdir():
                device.unlink()
        case "nozone":
            del host.stacks["labz"]
        case "zoneperm":
            caller = "labz"
            (zone / "rules.conf").write_text(text or "")
    result = host.run(
        case["tool"],
        *case["args"],
        zone=caller,
        privileged=case.get("device") != "perm",
        stdin=text if case.get("stdin") else "",
    )
    stderr = case["stderr"]
    if case.get("encoding") == "latin-1":
        stderr = stderr.encode("latin-1").decode("utf-8", "surrogateescape")
    wrong = []
    if (result.exit, result.stdout, result.stderr) != (case["exit"], case["stdout"], stderr):
        wrong.append(f"answered {result}")
    if "table_after" in case:
        table = [rule.text() for rule in state.plane(target).rules]
        if table != case["table_after"]:
            wrong.append(f"left {table}")
    return wrong


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_it_answers_as_the_real_program_does(host: ServiceHost, case: dict[str, Any]) -> None:
    assert answers(host, case) == []


def test_rules_reach_the_kernel_when_the_filter_is_enabled(host: ServiceHost) -> None:
    host.run("ipf", "-E")
    host.run("ipnat", "-f", "-", stdin="map net0 10.1.2.0/24 -> 0/32 portmap tcp/udp auto\n")
    host.run("ipf", "-D")
    rule = NatRule(
        "map", "net0", source=IPv4Network("10.1.2.0/24"), ports=(1024, 65535), protocols=("tcp", "udp")
    )
    sets = [rules for zone, rules in host.kernel.called("set_nat") if zone == "global"]
    assert sets == [(), (rule,), ()]


def no_address(link: str) -> None:
    return None


def rules(text: str) -> list[Rule]:
    table: list[Rule] = []
    assert load_text(table, text).stderr == ""
    return table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "map net0 10.0.0.0/8 -> 192.0.2.7/32\n",
            NatRule("map", "net0", IPv4Network("10.0.0.0/8"), to_address="192.0.2.7/32"),
        ),
        ("map net0 any -> 0/32 icmp\n", NatRule("map", "net0", protocols=("icmp",))),
        (
            "rdr net0 192.0.2.7/32 port 8000-8010 -> 10.0.0.5 port 80 tcp\n",
            NatRule(
                "rdr", "net0", destination=IPv4Network("192.0.2.7/32"), to_address="10.0.0.5",
                ports=(80, 90), match_ports=(8000, 8010), protocols=("tcp",),
            ),
        ),
        (
            "rdr net0 0/0 port 80-90 -> 10.0.0.5 port = 8080 tcp\n",
            NatRule(
                "rdr", "net0", to_address="10.0.0.5", ports=(8080, 8080), match_ports=(80, 90),
                protocols=("tcp",),
            ),
        ),
        ("map net0 10.0.0.0/8 -> 0/0\n", NatRule("map", "net0", IPv4Network("10.0.0.0/8"), unchanged=True)),
        (
            "map net0 from 10.0.0.0/8 port > 1023 ! to 10.0.0.0/8 -> 0/32 tcp\n",
            NatRule(
                "map", "net0", IPv4Network("10.0.0.0/8"), IPv4Network("10.0.0.0/8"), protocols=("tcp",),
                not_destination=True, source_port=PortRange(1024, 65535),
            ),
        ),
        (
            "bimap net0 10.0.0.5/32 -> 192.0.2.5/32\n",
            NatRule("bimap", "net0", IPv4Network("10.0.0.5/32"), to_address="192.0.2.5/32"),
        ),
    ],
)  # fmt: skip
def test_a_rule_is_translated_for_the_kernel(text: str, expected: NatRule) -> None:
    assert to_kernel(rules(text), no_address) == (expected,)


def test_redirections_of_the_same_packets_take_turns() -> None:
    text = "".join(
        f"rdr net0 {outer} port 80 -> 10.0.0.{n} port 80 tcp round-robin\n"
        for n, outer in ((5, "192.0.2.7/32"), (6, "192.0.2.8/32"), (7, "192.0.2.7/32"))
    )
    found = [(rule.to_address, rule.turns) for rule in to_kernel(rules(text), no_address)]
    assert found == [("10.0.0.5", 2), ("10.0.0.7", 1), ("10.0.0.6", 1)]


def test_rules_that_match_no_ipv4_packet_stay_out_of_the_kernel() -> None:
    for text in (
        "map net0 10.0.0.0/8 -> 0/32 oops\n",
        "map net0 from 10.0.0.0/8 port 5 >< 6 to any -> 0/32 tcp\n",
        "bimap net0 10.0.0.5/32 -> 0/32\n",
        "rdr net0 0/32 port 80 -> 10.0.0.5 port 80 tcp\n",
    ):
        assert to_kernel(rules(text), no_address) == ()


def test_an_interfaces_own_address_is_the_one_that_it_has_now(host: ServiceHost) -> None:
    host.run("ipf", "-E")
    rule = "rdr e1000g0 0/32 port 80 -> 10.0.0.5 port 80 tcp\n"
    host.run("ipnat", "-f", "-", stdin=rule)
    assert host.kernel.called("set_nat")[-1] == ("global", ())
    host.run("ipadm", "create-if", "e1000g0")
    host.run("ipadm", "create-addr", "-T", "static", "-a", "192.0.2.7/24", "e1000g0/v4")
    assert host.run("ipf", "-y").stdout == "filter sync'd\n"
    _, applied = host.kernel.called("set_nat")[-1]
    assert applied[0].destination == IPv4Network("192.0.2.7/32")


# Sessions ----------------------------------------------------------------------------------------

WEB = (IPv4Address("10.1.2.5"), 1025)
OUTER = (IPv4Address("192.0.2.7"), 20000)
PEER = (IPv4Address("198.51.100.80"), 80)


@pytest.mark.parametrize(
    ("text", "session", "line"),
    [
        (
            "map net0 10.1.2.0/24 -> 0/32\n",
            NatSession("map", 6, WEB, OUTER, PEER),
            "MAP 10.1.2.5        1025  <- -> 192.0.2.7       20000 [198.51.100.80 80]",
        ),
        (
            "map-block net0 10.1.2.0/24 -> 192.0.2.0/28\n",
            NatSession("map", 1, WEB, OUTER, PEER),
            "MAP-BLOCK 10.1.2.5        <- -> 192.0.2.7       [198.51.100.80]",
        ),
        (
            "map net0 10.9.0.0/16 -> 0/32\nbimap net0 10.1.2.5/32 -> 192.0.2.7/32\n",
            NatSession("rdr", 17, WEB, OUTER, PEER),
            "BIMAP 10.1.2.5        1025  <- -> 192.0.2.7       20000 [198.51.100.80 80]",
        ),
        (
            "map net0 10.1.2.0/24 -> 0/32\n",
            NatSession("rdr", 6, WEB, OUTER, PEER),
            "RDR 10.1.2.5        1025  <- -> 192.0.2.7       20000 [198.51.100.80 80]",
        ),
    ],
)
def test_a_session_is_listed_as_its_rule_made_it(
    host: ServiceHost, text: str, session: NatSession, line: str
) -> None:
    host.run("ipf", "-E")
    host.run("ipnat", "-f", "-", stdin=text)
    host.kernel.sessions["global"] = (session,)
    assert host.run("ipnat", "-l").stdout.endswith(f"\n\nList of active sessions:\n{line}\n")
    assert "inuse\t1\n" in host.run("ipnat", "-s").stdout
    assert host.run("ipnat", "-CF").stdout == (
        f"1 entries flushed from NAT table\n{text.count('->')} entries flushed from NAT list\n"
    )
    assert host.run("ipnat", "-l").stdout.endswith("List of active sessions:\n")
