"""Rules of ipf and ipnat with real packets: a router zone between an outside host and zones behind it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from illumos_lab.testing import Host, Lab

BUILD = """
set -o errexit
dladm create-etherstub stub0
for link in r0 a0 b0; do dladm create-vnic -l stub0 $link; done
dladm create-vnic -l e1000g0 p0
dladm create-vnic -l e1000g0 o0
make_zone() {
  printf 'create -b\\nset brand=lipkg\\nset zonepath=/zones/%s\\nset ip-type=exclusive\\n' $1 >/tmp/$1.cfg
  for link in $2; do printf 'add net\\nset physical=%s\\nend\\n' $link >>/tmp/$1.cfg; done
  zonecfg -z $1 -f /tmp/$1.cfg
  zoneadm -z $1 install
}
make_zone gw "p0 r0"
make_zone a a0
make_zone b b0
make_zone out o0
R=/zones/gw/root/etc
echo 192.0.2.100/24 >$R/hostname.p0
echo 10.0.0.1/24 >$R/hostname.r0
for zone in a:10.0.0.5:a0 b:10.0.0.6:b0; do
  name=${zone%%:*}; rest=${zone#*:}
  echo ${rest%:*}/24 >/zones/$name/root/etc/hostname.${rest#*:}
  echo 10.0.0.1 >/zones/$name/root/etc/defaultrouter
done
echo 192.0.2.50/24 >/zones/out/root/etc/hostname.o0
for zone in gw a b out; do zoneadm -z $zone boot; done
for zone in gw a b out; do
  until [ "$(svcs -z $zone -H -o state multi-user-server)" = online ]; do sleep 0.05; done
done
zlogin gw routeadm -u -e ipv4-forwarding
zlogin gw ipadm create-addr -t -T static -a 192.0.2.101/24 p0/second
svcadm -z gw enable -s svc:/network/ipfilter:default
"""

# Answers on tcp and udp with its own name and the address that it was asked from.
SERVER = """
import socket, sys, threading
name, port = sys.argv[1], int(sys.argv[2])
tcp = socket.create_server(("0.0.0.0", port))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", port))
def serve_udp():
    while True:
        _, sender = udp.recvfrom(100)
        udp.sendto(f"{name} {sender[0]}".encode(), sender)
threading.Thread(target=serve_udp, daemon=True).start()
print("up", flush=True)
while True:
    connection, sender = tcp.accept()
    connection.sendall(f"{name} {sender[0]}".encode())
    connection.close()
"""

CLIENT = """
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
try:
    if kind == "tcp":
        talk = socket.create_connection((address, port), 0.5)
    else:
        talk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        talk.settimeout(2)
        talk.connect((address, port))
        talk.send(b"x")
    print(talk.recv(100).decode())
except OSError as error:
    print(type(error).__name__)
"""

SERVERS = (("a", 80), ("a", 81), ("b", 80), ("out", 80), ("out", 443), ("gw", 25))


class Net:
    """The zones, and questions that they ask each other."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def serve(self) -> None:
        for zone in ("gw", "a", "b", "out"):
            self.host.run(f"zlogin {zone} 'cat >/tmp/server.py'", input=SERVER).check()
            self.host.run(f"zlogin {zone} 'cat >/tmp/client.py'", input=CLIENT).check()
        for zone, port in SERVERS:
            log = f"/tmp/log.{port}"
            command = f"nohup python3 /tmp/server.py {zone} {port} >{log} 2>&1 </dev/null &"
            self.host.run(f"zlogin {zone} '{command}'").check()
            deadline = time.monotonic() + 60
            while "up" not in self.host.run(f"zlogin {zone} cat {log}").stdout:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def ask(self, zone: str, kind: str, address: str, port: int) -> str:
        """What a server answers, or the name of the error."""
        command = f"zlogin {zone} python3 /tmp/client.py {kind} {address} {port}"
        return self.host.run(command).stdout.strip()

    def pings(self, zone: str, address: str) -> bool:
        return self.host.run(f"zlogin {zone} ping {address} 2").status == 0

    def filter(self, *rules: str) -> None:
        """Replace the filter rules, and forget which connections were let through."""
        text = "".join(f"{rule}\n" for rule in rules)
        result = self.host.run("zlogin gw ipf -Fa -FS -f -", input=text).check()
        assert result.stderr == ""

    def nat(self, *rules: str) -> None:
        """Replace the NAT rules."""
        text = "".join(f"{rule}\n" for rule in rules)
        result = self.host.run("zlogin gw ipnat -CF -f -", input=text).check()
        assert result.stderr == ""


@pytest.fixture(scope="module")
def built() -> Iterator[Net]:
    with Lab.start(time_scale=0) as lab:
        lab.host.run(["/usr/bin/ksh93", "-c", BUILD]).check()
        net = Net(lab.host)
        net.serve()
        yield net


@pytest.fixture
def net(built: Net) -> Net:
    built.filter()
    built.nat("map p0 10.0.0.0/24 -> 0/32 portmap tcp/udp 20000:30000", "map p0 10.0.0.0/24 -> 0/32")
    return built


# ipf ---------------------------------------------------------------------------------------------


def test_the_last_match_wins_unless_an_earlier_one_is_quick(net: Net) -> None:
    net.filter("block in on p0 all", "pass in on p0 proto tcp from any to any port = 25")
    assert net.ask("out", "tcp", "192.0.2.100", 25) == "gw 192.0.2.50"
    net.filter("pass in on p0 proto tcp from any to any port = 25", "block in on p0 all")
    assert net.ask("out", "tcp", "192.0.2.100", 25) == "TimeoutError"
    net.filter("pass in quick on p0 proto tcp from any to any port = 25", "block in on p0 all")
    assert net.ask("out", "tcp", "192.0.2.100", 25) == "gw 192.0.2.50"
    assert not net.pings("out", "192.0.2.100")


def test_keep_state_lets_answers_in_and_nothing_else(net: Net) -> None:
    net.filter("block in on p0 all")
    assert net.ask("a", "tcp", "192.0.2.50", 80) == "TimeoutError"
    net.filter("block in on p0 all", "pass out quick on p0 proto tcp from any to any flags S/SA keep state")
    assert net.ask("a", "tcp", "192.0.2.50", 80) == "out 192.0.2.100"
    assert net.ask("a", "udp", "192.0.2.50", 80) == "TimeoutError"
    assert net.ask("out", "tcp", "192.0.2.100", 25) == "TimeoutError"


def test_a_blocked_client_is_answered_as_the_rule_says(net: Net) -> None:
    net.filter("block return-rst in quick on p0 proto tcp all", "block return-icmp(port-unr) in on p0 all")
    assert net.ask("out", "tcp", "192.0.2.100", 25) == "ConnectionRefusedError"
    assert net.ask("out", "udp", "192.0.2.100", 25) == "ConnectionRefusedError"
    net.filter("block return-rst out quick on p0 proto tcp from any to any port = 443")
    assert net.ask("gw", "tcp", "192.0.2.50", 443) == "ConnectionRefusedError"
    assert net.ask("a", "tcp", "192.0.2.50", 443) == "ConnectionRefusedError"
    assert net.ask("a", "tcp", "192.0.2.50", 80) == "out 192.0.2.100"


def test_icmp_is_told_apart_by_type(net: Net) -> None:
    net.filter("block in quick on r0 proto icmp all icmp-type echo")
    assert not net.pings("a", "192.0.2.50")
    net.filter("block in quick on r0 proto icmp all icmp-type timest")
    assert net.pings("a", "192.0.2.50")


def test_addresses_and_ports_select(net: Net) -> None:
    net.filter("block return-rst in on r0 proto tcp from !10.0.0.5/32 to any port 70 >< 90")
    assert net.ask("a", "tcp", "192.0.2.50", 80) == "out 192.0.2.100"
    assert net.ask("b", "tcp", "192.0.2.50", 80) == "ConnectionRefusedError"
    assert net.ask("b", "tcp", "192.0.2.50", 443) == "out 192.0.2.100"


def test_groups_refine_their_head(net: Net) -> None:
    net.filter(
        "block return-rst in quick on p0 proto tcp from any to any head 7",
        "pass in from any to any port = 25 group 7",
        "block return-rst in proto tcp from any to any port = 81",
    )
    assert net.ask("out", "tcp", "192.0.2.100", 25) == "gw 192.0.2.50"
    assert net.ask("out", "tcp", "192.0.2.100", 23) == "ConnectionRefusedError"


def test_the_inactive_set_filters_nothing_before_the_swap(net: Net) -> None:
    host = net.host
    host.run("zlogin gw ipf -IFa -f -", input="block return-rst in proto tcp all\n").check()
    assert net.ask("out", "tcp", "192.0.2.100", 25) == "gw 192.0.2.50"
    host.run("zlogin gw ipf -s").check()
    assert net.ask("out", "tcp", "192.0.2.100", 25) == "ConnectionRefusedError"
    host.run("zlogin gw ipf -IFa -s").check()


# Counters ----------------------------------------------------------------------------------------
# Of UDP each question is one packet of 29 bytes; connections of other tests send none any more.


def totals(text: str) -> dict[str, list[int]]:
    """The numbers of each line of statistics, by what stands before the first of them."""
    lines = (re.match(r"[^\d]+", line) for line in text.splitlines())
    return {
        line[0].strip(): [int(number) for number in re.findall(r"\d+", line.string)]
        for line in lines
        if line
    }


def number(text: str, label: str) -> int:
    """The number on the line of a label that stands behind it."""
    return int(text.partition(f" {label}\n")[0].rpartition("\t")[2])


def test_a_rule_counts_what_it_matches_and_goes_on_when_others_come(net: Net) -> None:
    rules = [
        "count in on p0 proto udp from any to any port = 25",
        "log in on p0 proto udp from any to any port = 25",
        "block in on p0 proto udp from any to any port = 23",
        "pass in on p0 proto udp from any to any port 20 >< 30 head 5",
        "pass in proto udp from any to any port = 25 group 5",
    ]
    net.filter(*rules)
    assert net.ask("out", "udp", "192.0.2.100", 25) == "gw 192.0.2.50"
    assert net.ask("out", "udp", "192.0.2.100", 25) == "gw 192.0.2.50"
    run = net.host.run
    assert run("zlogin gw ipfstat -R -aih").stdout == f"2 58 {rules[0]}\n"
    others = "".join(f"{hits} {rule}\n" for hits, rule in zip((2, 0, 2, 2), rules[1:], strict=True))
    assert run("zlogin gw ipfstat -R -ih").stdout == others
    run("zlogin gw ipf -f -", input="pass out on p0 proto udp from any to any port = 1\n").check()
    run("zlogin gw ipf -rf -", input=rules[2] + "\n").check()
    run("zlogin gw ipf -s").check()
    assert net.ask("out", "udp", "192.0.2.100", 25) == "gw 192.0.2.50"
    run("zlogin gw ipf -s").check()
    assert net.ask("out", "udp", "192.0.2.100", 25) == "gw 192.0.2.50"
    reset = run("zlogin gw ipf -R -z -f -", input=rules[0] + "\n").stdout
    assert reset == f"hits 3 bytes 87 {rules[0]}\n"
    assert net.ask("out", "udp", "192.0.2.100", 25) == "gw 192.0.2.50"
    assert run("zlogin gw ipfstat -R -aih").stdout == f"1 29 {rules[0]}\n"
    assert run("zlogin gw ipfstat -R -ih").stdout.splitlines()[0] == f"4 {rules[1]}"


def test_outbound_rules_count_what_leaves(net: Net) -> None:
    net.filter("count out on p0 proto udp all", "block out on p0 proto udp from any to any port = 443")
    assert net.ask("a", "udp", "192.0.2.50", 443) == "TimeoutError"
    assert net.ask("a", "udp", "192.0.2.50", 80) == "out 192.0.2.100"
    assert (
        net.host.run("zlogin gw ipfstat -aoh").stdout == "1 29 count out on p0 proto udp from any to any\n"
    )


def test_totals_tell_what_became_of_packets(net: Net) -> None:
    net.filter(
        "pass in proto tcp all",
        "pass out proto tcp all",
        "pass in quick on p0 proto udp from any to any port = 25 keep state",
        "block return-icmp(port-unr) in log quick on p0 proto udp from any to any port = 23",
    )
    run = net.host.run
    before = run("ipfstat -s -z gw").check().stdout
    run("zlogin gw ipf -Z").check()
    assert net.ask("out", "udp", "192.0.2.100", 25) == "gw 192.0.2.50"
    assert net.ask("out", "udp", "192.0.2.100", 23) == "ConnectionRefusedError"
    assert net.ask("a", "udp", "192.0.2.50", 80) == "out 192.0.2.100"
    after = totals(run("zlogin gw ipfstat").check().stdout)
    blocked, passed, nomatch, _, _ = after["input packets:\t\tblocked"]
    # Without a rule came the question of a on r0, and its answer on p0.
    assert (blocked, nomatch) == (1, 2)
    assert passed >= 3
    assert after["input packets logged:\tblocked"][0] == 1
    assert after["packet state(in):\tkept"][0] == 1
    assert after["ICMP replies:"][0] == 1
    states = run("ipfstat -s -z gw").check().stdout
    assert number(states, "UDP") - number(before, "UDP") == 1
    assert number(states, "hits") - number(before, "hits") == 1
    assert number(states, "active") == 1
    run("zlogin gw ipf -FS").check()
    assert "\t0 active\n" in run("ipfstat -s -z gw").stdout


def test_translated_connections_and_packets_are_counted(net: Net) -> None:
    net.filter()
    maps = [
        "map p0 10.0.0.5/32 -> 0.0.0.0/32 portmap udp 20000:30000",
        "map p0 10.0.0.0/24 -> 0.0.0.0/32 udp",
    ]
    net.nat(*maps)
    run = net.host.run
    before = totals(run("zlogin gw ipnat -s").stdout)
    for zone in ("a", "b", "a"):
        assert net.ask(zone, "udp", "192.0.2.50", 80) == "out 192.0.2.100"
    assert run("zlogin gw ipnat -lh").stdout.splitlines()[1:3] == [f"2 {maps[0]}", f"1 {maps[1]}"]
    after = totals(run("zlogin gw ipnat -s").stdout)
    mapped = [now - then for now, then in zip(after["mapped\tin"], before["mapped\tin"], strict=True)]
    assert mapped == [3, 3]
    assert after["added"][0] - before["added"][0] == 3
    assert (after["inuse"], after["rules"]) == ([3], [2])
    run("zlogin gw ipnat -f -", input="rdr p0 192.0.2.101/32 port 1 -> 10.0.0.5 port 1 tcp\n").check()
    assert net.ask("a", "udp", "192.0.2.50", 80) == "out 192.0.2.100"
    assert run("zlogin gw ipnat -lh").stdout.splitlines()[1:3] == [f"3 {maps[0]}", f"1 {maps[1]}"]


def test_redirections_in_turn_have_hits_each(net: Net) -> None:
    net.filter()
    rdrs = [f"rdr p0 192.0.2.100/32 port 8080 -> 10.0.0.{n} port 80 tcp round-robin" for n in (5, 6)]
    net.nat(*rdrs)
    answers = [net.ask("out", "tcp", "192.0.2.100", 8080) for _ in range(4)]
    assert sorted(answers) == ["a 192.0.2.50"] * 2 + ["b 192.0.2.50"] * 2
    shown = net.host.run("zlogin gw ipnat -lh").stdout.splitlines()[1:3]
    assert shown == [f"2 {rdr}" for rdr in rdrs]


def test_totals_outlive_switching_off(net: Net) -> None:
    net.filter("block return-icmp(port-unr) in quick on p0 proto udp from any to any port = 23")
    net.host.run("zlogin gw ipf -Z").check()
    assert net.ask("out", "udp", "192.0.2.100", 23) == "ConnectionRefusedError"
    net.host.run("zlogin gw ipf -D").check()
    assert net.ask("out", "udp", "192.0.2.100", 25) == "gw 192.0.2.50"
    net.host.run("zlogin gw ipf -E").check()
    assert "blocked 1 " in net.host.run("zlogin gw ipfstat").stdout


# ipnat -------------------------------------------------------------------------------------------


def test_redirection_of_both_protocols_precedes_the_filter(net: Net) -> None:
    net.nat("rdr p0 192.0.2.100/32 port 8080 -> 10.0.0.5 port 80 tcp/udp", "map p0 10.0.0.0/24 -> 0/32")
    # The filter sees the translated address.
    net.filter("block in on p0 all", "pass in quick on p0 from any to 10.0.0.5/32 port = 80 keep state")
    assert net.ask("out", "tcp", "192.0.2.100", 8080) == "a 192.0.2.50"
    assert net.ask("out", "udp", "192.0.2.100", 8080) == "a 192.0.2.50"


def test_redirected_ranges_and_rule_order(net: Net) -> None:
    net.nat(
        "rdr p0 192.0.2.100/32 port 9001 -> 10.0.0.6 port 80 tcp",
        "rdr p0 192.0.2.100/32 port 9000-9001 -> 10.0.0.5 port 80 tcp",
        "rdr p0 192.0.2.100/32 port 9010-9011 -> 10.0.0.5 port 80 tcp",
        "rdr p0 192.0.2.101/32 port 9000-9005 -> 10.0.0.6 port = 80 udp",
    )
    assert net.ask("out", "tcp", "192.0.2.100", 9000) == "a 192.0.2.50"
    assert net.ask("out", "tcp", "192.0.2.100", 9001) == "b 192.0.2.50"
    assert net.ask("out", "tcp", "192.0.2.100", 9011) == "a 192.0.2.50"
    assert net.ask("out", "udp", "192.0.2.101", 9003) == "b 192.0.2.50"
    assert net.ask("out", "tcp", "192.0.2.101", 9003) == "ConnectionRefusedError"


@pytest.mark.parametrize(
    "rules",
    [
        ["rdr p0 192.0.2.100/32 port 8080 -> 10.0.0.5,10.0.0.6 port 80 tcp sticky"],
        [f"rdr p0 192.0.2.100/32 port 8080 -> 10.0.0.{n} port 80 tcp round-robin" for n in (5, 6)],
    ],
)
def test_two_targets_take_turns(net: Net, rules: list[str]) -> None:
    net.nat(*rules)
    answers = [net.ask("out", "tcp", "192.0.2.100", 8080) for _ in range(4)]
    assert sorted(set(answers)) == ["a 192.0.2.50", "b 192.0.2.50"]


def test_a_redirection_may_select_the_client(net: Net) -> None:
    net.nat("rdr p0 from 192.0.2.50/32 to 192.0.2.100/32 port = 8080 -> 10.0.0.5 port 80 tcp")
    assert net.ask("out", "tcp", "192.0.2.100", 8080) == "a 192.0.2.50"
    net.nat("rdr p0 ! from 192.0.2.50/32 to 192.0.2.100/32 port = 8080 -> 10.0.0.5 port 80 tcp")
    assert net.ask("out", "tcp", "192.0.2.100", 8080) == "ConnectionRefusedError"


def test_bimap_translates_both_ways(net: Net) -> None:
    net.nat("bimap p0 10.0.0.5/32 -> 192.0.2.101/32", "map p0 10.0.0.0/24 -> 192.0.2.100/32")
    assert net.ask("a", "tcp", "192.0.2.50", 80) == "out 192.0.2.101"
    assert net.ask("b", "tcp", "192.0.2.50", 80) == "out 192.0.2.100"
    assert net.ask("out", "udp", "192.0.2.101", 80) == "a 192.0.2.50"


def test_bimap_of_a_network_keeps_the_last_bits(net: Net) -> None:
    net.nat("bimap p0 10.0.0.4/31 -> 192.0.2.100/31")
    # 10.0.0.5 is the second of its pair.
    assert net.ask("a", "tcp", "192.0.2.50", 80) == "out 192.0.2.101"
    assert net.ask("out", "udp", "192.0.2.101", 80) == "a 192.0.2.50"


def test_an_exemption_leaves_packets_alone(net: Net) -> None:
    # The outside host knows the way back, so that untranslated packets are answered.
    net.host.run("zlogin out route add -net 10.0.0.0/24 192.0.2.100").check()
    net.nat("map p0 from any to 192.0.2.50/32 port = 443 -> 0/0 tcp", "map p0 10.0.0.0/24 -> 0/32")
    assert net.ask("a", "tcp", "192.0.2.50", 443) == "out 10.0.0.5"
    assert net.ask("a", "tcp", "192.0.2.50", 80) == "out 192.0.2.100"
    net.nat("map p0 10.0.0.5/32 -> 0/0", "map p0 10.0.0.0/24 -> 0/32")
    assert net.ask("a", "udp", "192.0.2.50", 80) == "out 10.0.0.5"
    assert net.ask("b", "udp", "192.0.2.50", 80) == "out 192.0.2.100"
    net.host.run("zlogin out route delete -net 10.0.0.0/24 192.0.2.100").check()


def test_a_map_may_select_source_and_destination(net: Net) -> None:
    net.host.run("zlogin out route add -net 10.0.0.0/24 192.0.2.100").check()
    net.nat("map p0 from 10.0.0.0/24 ! to 192.0.2.50/32 -> 0/32")
    assert net.ask("a", "tcp", "192.0.2.50", 80) == "out 10.0.0.5"
    net.nat("map p0 from 10.0.0.0/24 to 192.0.2.50/32 port < 100 -> 192.0.2.101/32 tcp")
    assert net.ask("a", "tcp", "192.0.2.50", 80) == "out 192.0.2.101"
    assert net.ask("a", "tcp", "192.0.2.50", 443) == "out 10.0.0.5"
    net.nat("map r0 10.0.0.0/24 -> 192.0.2.101/32")
    assert net.ask("a", "tcp", "192.0.2.50", 80) == "out 10.0.0.5"
    net.host.run("zlogin out route delete -net 10.0.0.0/24 192.0.2.100").check()


def test_switching_the_filter_off_lets_everything_through_untranslated(net: Net) -> None:
    net.filter("block return-rst in on p0 proto tcp all")
    net.host.run("zlogin gw ipf -D").check()
    assert net.ask("out", "tcp", "192.0.2.100", 25) == "gw 192.0.2.50"
    assert net.ask("a", "tcp", "192.0.2.50", 80) == "TimeoutError"
    net.host.run("zlogin gw ipf -E").check()
