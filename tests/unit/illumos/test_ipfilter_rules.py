"""Rules that publish ports, against what the real programs answered to rule files."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_illumos_provider.illumos import fragments, ipfilter_rules, sharing
from pulumi_illumos_provider.illumos.fragments import BEGIN, END, FILTER, NAT
from pulumi_illumos_provider.illumos.ipfilter_rules import Published

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "data" / "ipfilter-corpus.jsonl").read_text().splitlines()
]
READ = [
    case
    for case in RECORDED
    if case["tool"] == "ipnat"
    and {"-n", "-v", "-f"} <= set(case["args"])
    and (case["input"] or "").endswith("\n")
]
WEB = Published("tcp", IPv4Address("192.0.2.100"), 8080, 8080, IPv4Address("10.10.0.5"), 80)


def rules_of(case):
    return [line for line in case["input"].splitlines() if line and not line.startswith("#")]


def test_what_is_taken_for_plain_is_listed_as_it_is_written():
    plain = [case for case in READ if ipfilter_rules.listed(rules_of(case)) and rules_of(case)]
    assert len(plain) >= 4
    for case in plain:
        assert case["exit"] == 0, case
        assert "\n".join(case["rules"]) == ipfilter_rules.listed(rules_of(case)), case


def test_what_the_programs_read_otherwise_is_not_taken_for_plain():
    changed = [case for case in READ if case["exit"] != 0 or case["rules"] != rules_of(case)]
    assert len(changed) > 100
    assert [
        case["id"] for case in changed if rules_of(case) and ipfilter_rules.listed(rules_of(case))
    ] == []


@pytest.mark.parametrize(
    "rule",
    [
        "map net0 10.0.0.0/24 -> 192.0.2.1/32 portmap tcp/udp 30000:10000",
        "map net0 10.0.0.1/24 -> 192.0.2.1/32",
        "map net0 10/8 -> 192.0.2.1/32",
        "map net0 10.0.0.0/24 -> 192.0.2.1/32 sequental",
        "rdr net0 192.0.2.1/32 port 8010-8000 -> 10.0.0.5 port 80 tcp",
        "rdr net0 192.0.2.1/32 port 0 -> 10.0.0.5 port 0 tcp",
        "rdr net0 192.0.2.1/32 port 65000-65535 -> 10.0.0.5 port 65001 tcp",
        "rdr net0 192.0.2.300/32 port 80 -> 10.0.0.5 port 80 tcp",
        "rdr net0 192.0.2.1/32 port 80 -> 10.0.0.5 port 80",
    ],
)
def test_a_rule_with_a_trap_is_not_taken_for_plain(rule):
    assert ipfilter_rules.listed([rule]) is None


ports = st.integers(1, 65535)


@given(st.sampled_from(["tcp", "udp"]), ports, ports, ports)
def test_what_is_generated_is_plain(protocol, one, two, own):
    first, last = sorted((one, two))
    last = min(last, first + 65535 - own)
    published = Published(protocol, WEB.address, first, last, WEB.target, own)
    rules = [
        ipfilter_rules.redirect("gw_0", published),
        ipfilter_rules.way_back("gw_1", IPv4Network("10.10.0.0/24"), IPv4Address("10.10.0.1"), published),
    ]
    assert ipfilter_rules.listed(rules) == "\n".join(rules)


@given(ports, ports, ports)
def test_a_condition_on_ports_means_exactly_the_range(one, two, port):
    first, last = sorted((one, two))
    words = ipfilter_rules.admit(
        "gw_0", Published("udp", WEB.address, first, last, WEB.target, first)
    ).split()
    test = words[words.index("port") + 1 : words.index("keep")]
    holds = {
        "=": lambda n: port == n,
        ">=": lambda n: port >= n,
        "<=": lambda n: port <= n,
        "><": lambda n: int(test[0]) < port < n,
    }[test[-2]](int(test[-1]))
    assert holds == (first <= port <= last)
    assert all(0 <= int(word) <= 65535 for word in test if word.isdecimal())


# Fragments ---------------------------------------------------------------------------------------

RULE = ipfilter_rules.redirect("gw_0", WEB)
FILES = {
    "etc/ipf/ipnat.d/00-router": "map gw_0 10.10.0.0/24 -> 192.0.2.100/32\n",
    "etc/ipf/ipnat.d/50-forward-web": f"# owner: urn:one\n# ports: tcp 192.0.2.100 8080 8080\n{RULE}\n",
    "etc/ipf/ipnat.conf": f"map gw_0 10.9.0.0/24 -> 0/32\n{BEGIN}\n"
    f"map gw_0 10.10.0.0/24 -> 192.0.2.100/32\n{RULE}\n{END}\nrdr gw_0 0/0 port 1 -> 10.9.0.1 port 1 tcp\n",
}


def test_fragments_are_read_with_their_notes():
    assert fragments.read(FILES, NAT)["50-forward-web"] == (RULE,)
    assert sharing.owner(fragments.notes(FILES, NAT)["50-forward-web"]) == "urn:one"
    assert fragments.read(FILES, FILTER) == {}
    assert fragments.attached_fragments(FILES) == ["forward web (urn:one)"]


def test_taken_ports_are_read():
    (taken,) = sharing.taken(FILES)
    assert taken.owner == "urn:one"
    assert taken.overlaps("tcp", WEB.address, 8000, 9000)
    assert not taken.overlaps("udp", WEB.address, 8000, 9000)
    assert not taken.overlaps("tcp", WEB.address, 8081, 9000)
    assert not taken.overlaps("tcp", WEB.target, 8080, 8080)


@pytest.mark.parametrize("ports", ["tcp 999.1.1.1 80 80", "tcp 192.0.2.100 1 123456", "tcp 192.0.2.100"])
def test_a_note_of_ports_that_is_damaged_takes_nothing(ports):
    assert sharing.taken({"etc/ipf/ipnat.d/50-forward-web": f"# ports: {ports}\n"}) == []


def test_what_the_kernel_lists_is_compared_in_its_own_form():
    meant = "map gw_0 10.10.0.0/24 -> 192.0.2.100/32\nrdr gw_0 ITS FORM\n"
    live = {"ipnat": f"List of active MAP/Redirect filters:\n{meant}", "ipnat-meant": meant}
    assert fragments.missing(NAT, "50-forward-web", FILES, live) == []
    lost = live | {
        "ipnat": "List of active MAP/Redirect filters:\nmap gw_0 10.10.0.0/24 -> 192.0.2.100/32\n"
    }
    assert fragments.missing(NAT, "50-forward-web", FILES, lost) == [RULE]
    assert fragments.missing(NAT, "00-router", FILES, lost) == []
    # A filter that does not run has no list.
    assert fragments.missing(NAT, "50-forward-web", FILES, {}) == []


def test_numbers_of_listed_filter_rules_do_not_count():
    rule = "pass in quick on gw_0 from any to any"
    files = {"etc/ipf/ipf.d/00-router": f"{rule}\n", "etc/ipf/ipf.conf": f"{BEGIN}\n{rule}\n{END}\n"}
    live = {"ipf": f"@1 {rule}\n", "ipf-meant": f"{rule}\n"}
    assert fragments.missing(FILTER, "00-router", files, live) == []
    assert fragments.missing(FILTER, "00-router", files, live | {"ipf": ""}) == [rule]


@pytest.mark.parametrize("rules", [["a\nb"], ["rdr # comment"], [""], ["x" * 9000]])
def test_what_is_no_rule_of_one_line_is_no_fragment(rules):
    with pytest.raises(ValueError, match=r"line|comment"):
        fragments.text(rules)


def test_a_name_cannot_lead_elsewhere():
    with pytest.raises(ValueError, match="cannot be the name"):
        fragments.remove(NAT, "gw", "/zones/gw/root", "../../passwd")
