"""ipf, ipfstat and the service that loads their rules."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from illumos_lab.ipfilter import filter_words
from illumos_lab.ipfilter.filter_parser import FilterParser, ParsedRule
from illumos_lab.ipfilter.filter_rules import FilterRule
from illumos_lab.ipfilter.reader import ParseError
from illumos_lab.ipfilter.translate import filter_obstacle, filter_to_kernel
from illumos_lab.kernel import PacketRule, PortRange
from tests.lab.fakes_smf import ServiceHost, service_host

IPFILTER = "svc:/network/ipfilter:default"


@pytest.fixture
def host(tmp_path: Path) -> ServiceHost:
    host = service_host(tmp_path)
    host.run("ipf", "-E")
    return host


@pytest.fixture
def router(tmp_path: Path) -> ServiceHost:
    host = service_host(tmp_path)
    host.boot_zone("gw")
    host.packages.make_devices("gw")
    host.path("gw", "/etc/ipf").mkdir(parents=True, exist_ok=True)
    return host


def rules(text: str, version: int = 4) -> list[FilterRule]:
    parsed = FilterParser(text, version).rules()
    return [each.rule for each in parsed if isinstance(each, ParsedRule)]


def shown(text: str) -> str:
    return "".join(rule.text() + "\n" for rule in rules(text))


def packets(text: str) -> tuple[PacketRule, ...]:
    return filter_to_kernel(rules(text), lambda link: None)


# Reading and showing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("block in proto tcp/udp from any to any port 10:20\n",) * 2,
        (
            "pass in tos (1, 0x2) all\n",
            "pass in tos 0x1 from any to any\npass in tos 0x2 from any to any\n",
        ),
        (
            "pass in proto icmp all icmp-type (echo, 3) code 1\n",
            "pass in proto icmp from any to any icmp-type echo code 1\n"
            "pass in proto icmp from any to any icmp-type unreach code 1\n",
        ),
        (
            "pass in proto tcp from any to any with not opt rr short, oow mcast\n",
            "pass in proto tcp from any to any with not opt rr short,oow,mcast\n",
        ),
        ("pass in all with oow mcast\n", "pass in from any to any with oow mcast\n"),
        ("block in on net0,net1 out-via net2,net3 all\n", "block in on net0,net1 out-via net2 ,net3all\n"),
        ("pass in proto tcp all flags SW/SA\n", "pass in proto tcp from any to any flags SC/SA\n"),
        ("pass in from net0 to any\n", None),
        ("pass in on net0 from net0 to net0/broadcast\n", "pass in on net0 from net0/32 to net0//bcast\n"),
        ("pass in all keep frags(strict)\n", "pass in all keep frags ( strict )\n"),
        ("count in log all\n7 skip 2 in log quick all\n", "count in log all\n7 skip 2 in log quick all\n"),
        ("pass in proto tcp from 10.1 to any\n", "pass in proto tcp from 10.1.0.0/32 to any\n"),
    ],
)
def test_rules_come_back_as_they_are_printed(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(Exception, match='unknown name "net0"\nUnknown hostname error at "net0"'):
            shown(text)
    else:
        assert shown(text) == expected


def test_a_protocol_that_is_none_loses_the_rule_without_a_word_at_the_end_of_the_file(
    host: ServiceHost,
) -> None:
    assert host.run("ipf", "-n", "-v", "-f", "-", stdin="pass in proto udp/tcp\n") == (0, "", "")


def test_blank_lines_alone_are_an_error(host: ServiceHost) -> None:
    result = host.run("ipf", "-n", "-f", "-", stdin="\n\n")
    assert result == (1, "", 'syntax error error at "", line 1\n')


WORDS = [*filter_words.WORDS, *filter_words.ADDRESS_WORDS, *filter_words.MASK_WORDS]
PIECES = [
    *WORDS,
    *"/(),={};!:.-",
    "><",
    "!=",
    "10.0.0.1",
    "fd00::1",
    "24",
    "80",
    "net0",
    "S",
    '"q"',
    "# x\n",
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=12),
    st.sampled_from(["", "pass in ", "block out quick on net0 proto tcp from any to any "]),
    st.sampled_from([4, 6]),
)
@settings(max_examples=300, deadline=None)
def test_no_text_makes_the_reader_crash(pieces: list[str], start: str, version: int) -> None:
    with contextlib.suppress(ParseError):
        for rule in rules(start + " ".join(pieces) + "\n", version):
            assert rule.text()
            filter_obstacle(rule)


# ipf and ipfstat ---------------------------------------------------------------------------------


def test_lists_are_out_before_in_and_numbered_on_their_own(host: ServiceHost) -> None:
    text = "block in all head 1\npass in quick proto tcp from any to any port = 22 group 1\npass out all\n"
    assert host.run("ipf", "-f", "-", stdin=text) == (0, "", "")
    assert host.run("ipfstat", "-ion").stdout == (
        "@1 pass out all\n@1 block in all head 1\n"
        "@1 pass in quick proto tcp from any to any port = ssh group 1\n"
    )
    assert host.run("ipfstat", "-ih").stdout.startswith("0 block in all head 1\n")
    assert host.run("ipfstat", "-R", "-i").stdout.endswith("port = 22 group 1\n")


def test_empty_lists_are_told_on_standard_error_even_while_the_filter_is_off(host: ServiceHost) -> None:
    host.run("ipf", "-D")
    text = "empty list for ipfilter(out)\nempty list for ipfilter(in)\n"
    assert host.run("ipfstat", "-io") == (0, "", text)
    assert host.run("ipfstat", "-Iia").stderr == "empty list for inactive ipacct(in)\n"


def test_options_act_in_their_order(host: ServiceHost) -> None:
    host.run("ipf", "-f", "-", stdin="block in all\n")
    result = host.run("ipf", "-I", "-f", "-", "-s", stdin="pass out all\n")
    assert result == (0, "Set 0 now inactive\n", "")
    assert host.run("ipfstat", "-io") == (0, "pass out all\n", "empty list for ipfilter(in)\n")
    assert host.run("ipfstat", "-Ii").stdout == "block in all\n"
    assert host.run("ipf", "-s", "-Fi").stdout == "Set 1 now inactive\n"
    assert host.run("ipfstat", "-i").stderr == "empty list for ipfilter(in)\n"


def test_two_v_make_an_n(host: ServiceHost) -> None:
    assert host.run("ipf", "-v", "-v", "-f", "-", stdin="block in all\n") == (0, "", "")
    assert host.run("ipfstat", "-i").stdout == ""


def test_rules_are_inserted_removed_and_not_doubled(host: ServiceHost) -> None:
    assert host.run(
        "ipf", "-f", "-", stdin="block in all\npass in proto udp all\n@0 pass in proto tcp all\n"
    )
    assert host.run("ipfstat", "-i").stdout.startswith("pass in proto tcp from any to any\nblock in all\n")
    doubled = host.run("ipf", "-f", "-", stdin="block in all\n")
    assert doubled == (0, "", "1:ioctl(add/insert rule): File exists\n")
    assert host.run("ipf", "-rf", "-", stdin="block in all\npass out all\n") == (0, "", "")
    assert "block" not in host.run("ipfstat", "-i").stdout


def test_flushing_tells_with_v_what_it_removed(host: ServiceHost) -> None:
    host.run("ipf", "-f", "-", stdin="block in all\npass out all\n")
    assert host.run("ipf", "-v", "-Fa").stdout == "remove flags IO (49152)\nremoved 2 filter rules\n"


def test_a_filter_that_is_off_refuses_rules_and_exits_with_0(host: ServiceHost) -> None:
    host.run("ipf", "-D")
    text = "block in all\n"
    assert host.run("ipf", "-f", "-", stdin=text) == (0, "", "1:ioctl(add/insert rule): I/O error\n")
    assert host.run("ipf", "-y") == (0, "", "SIOCFRSYN: I/O error\n")
    assert host.run("ipf", "-s") == (0, "", "ioctl(SIOCSWAPA): I/O error\n")


def test_a_group_needs_its_head(host: ServiceHost) -> None:
    result = host.run("ipf", "-f", "-", stdin="pass in all group 5\n")
    assert result == (0, "", "1:ioctl(add/insert rule): No such process\n")


@pytest.mark.parametrize(
    ("text", "obstacle"),
    [
        ("pass in on net0 to net1:10.0.0.1 all\n", "to"),
        ("pass in all with opt cipso\n", "with opt cipso"),
        ("skip 1 in all\n", "skip"),
        ("pass in proto tcp all keep state (limit 3)\n", "limit"),
        ("block return-icmp(needfrag) in all\n", "ICMP code 4"),
        ("set intercept_loopback true;\n", "packets within a zone"),
    ],
)
def test_what_cannot_be_enforced_is_refused_aloud(host: ServiceHost, text: str, obstacle: str) -> None:
    result = host.run("ipf", "-f", "-", stdin=text)
    assert result.exit == 1
    assert result.stderr.endswith(f": {obstacle}: not emulated by illumos-lab\n")
    assert host.run("ipfstat", "-i").stdout == ""
    assert host.run("ipf", "-n", "-f", "-", stdin=text).exit == 0


def test_nat_that_cannot_be_enforced_is_refused_aloud(host: ServiceHost) -> None:
    result = host.run("ipnat", "-f", "-", stdin="map net0 fd00::/64 -> 2001:db8::7/128\n")
    assert result.exit == 1
    assert "NAT of IPv6: not emulated" in result.stderr


# What reaches the kernel -------------------------------------------------------------------------


def test_a_rule_is_translated_for_the_kernel() -> None:
    text = "block return-rst in quick on net0 proto tcp from !10.0.0.0/8 to any port 20 >< 30 flags S/SA\n"
    assert packets(text) == (
        PacketRule(
            "in", "block", "net0", quick=True, answer="rst", protocols=(6,),
            source=IPv4Network("10.0.0.0/8"), not_source=True, destination_port=PortRange(21, 29),
            flags=(2, 18),
        ),
    )  # fmt: skip


def test_ports_without_a_protocol_are_those_of_tcp_and_udp() -> None:
    (rule,) = packets("pass in from any to any port != 53\n")
    assert (rule.protocols, rule.destination_port) == ((6, 17), PortRange(53, 53, outside=True))


def test_rules_that_match_nothing_are_left_out() -> None:
    assert packets("block in quick all with short\npass in from any to any port 1 >< 2\n") == ()
    assert packets("pass in all with not frag\n") != ()
    assert packets("pass in on net0 from net0 to any\n") == ()


def test_ordinary_rules_have_no_obstacle() -> None:
    text = """
        pass in log quick on net0 proto tcp/udp from 10/8 to any port = 53 keep state keep frags
        block return-icmp-as-dest(port-unr) in log body proto udp all
        block in quick all with ipopts
        count out all
    """
    assert [filter_obstacle(rule) for rule in rules(text)] == [""] * 4


# The service -------------------------------------------------------------------------------------


def enable(host: ServiceHost) -> int:
    status = host.run("svcadm", "-z", "gw", "enable", "-s", IPFILTER).exit
    assert isinstance(status, int)
    return status


def filter_lists(host: ServiceHost) -> str:
    return host.run("ipfstat", "-io", zone="gw").stdout


def policy(host: ServiceHost) -> str:
    return host.run("svcprop", "-p", "firewall_config_default/policy", IPFILTER, zone="gw").stdout.strip()


def test_the_first_start_adopts_rules_that_are_there(router: ServiceHost) -> None:
    router.path("gw", "/etc/ipf/ipf.conf").write_text("# mine\nblock in all\n")
    assert enable(router) == 0
    assert policy(router) == "custom"
    assert filter_lists(router) == "block in all\n"


def test_later_rules_are_read_only_with_the_custom_policy(router: ServiceHost) -> None:
    assert enable(router) == 0
    router.path("gw", "/etc/ipf/ipf.conf").write_text("block in all\n")
    router.run("svcadm", "-z", "gw", "restart", IPFILTER)
    router.wait_for("gw", IPFILTER, "online")
    assert filter_lists(router) == ""
    setting = ["setprop", "firewall_config_default/policy", "=", "astring:", "custom"]
    assert router.run("svccfg", "-s", IPFILTER, *setting, zone="gw").exit == 0
    assert router.run("svcadm", "refresh", IPFILTER, zone="gw").exit == 0
    router.wait_for("gw", IPFILTER, "online")
    assert router.smf.restarter("gw").wait(lambda: filter_lists(router) != "", 10)
    assert filter_lists(router) == "block in all\n"


def test_a_failing_refresh_leads_to_maintenance_and_leaves_the_old_rules(router: ServiceHost) -> None:
    router.path("gw", "/etc/ipf/ipf.conf").write_text("block in all\n")
    assert enable(router) == 0
    router.path("gw", "/etc/ipf/ipf.conf").write_text("pass out all\nblock on net0\n")
    router.run("svcadm", "refresh", IPFILTER, zone="gw")
    router.wait_for("gw", IPFILTER, "maintenance")
    assert filter_lists(router) == "block in all\n"
    router.path("gw", "/etc/ipf/ipf.conf").write_text("pass out all\n")
    router.run("svcadm", "clear", IPFILTER, zone="gw")
    router.wait_for("gw", IPFILTER, "online")
    assert filter_lists(router) == "pass out all\n"


def test_without_files_the_custom_policy_leaves_the_filter_off(router: ServiceHost) -> None:
    router.path("gw", "/etc/ipf/ipf.conf").write_text("pass in all\n")
    assert enable(router) == 0
    router.run("svcadm", "disable", "-s", IPFILTER, zone="gw")
    router.path("gw", "/etc/ipf/ipf.conf").unlink()
    assert router.run("svcadm", "enable", "-s", IPFILTER, zone="gw").exit == 0
    assert router.run("ipnat", "-l", zone="gw").stderr == "ioctl(SIOCGNATS): I/O error\n"
