"""Corners of the grammars of ipnat.conf(5) and ipf.conf(5), and of how rules are printed.

What is expected follows from illumos-gate: usr/src/cmd/ipf/tools (lexer.c, ipnat_y.y, ipf_y.y) and
usr/src/cmd/ipf/lib/common (printnat.c, printfr.c, optprintv6.c, portname.c, var.c), and from the names in
usr/src/cmd/cmd-inet/etc (services, protocols).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from illumos_lab.ipfilter import names
from tests.lab.fakes_smf import ServiceHost, service_host

NAT: list[tuple[str, int, str, str]] = [
    ("map net0 80 fd00::/64 -> ::/128\n", 0, "map net0 fd00::/64 -> ::/128\n", ""),
    ("map net0 fd00::1/129 -> ::/128\n", 0, "map net0 400::/2 -> ::/128\n", ""),
    ("map net0 from fd00::/64 to any -> ::/128\n", 0, "map net0 from fd00::/64 to ::/0 -> ::/128\n", ""),
    (
        "rdr net0 ::ffff:1.2.3.4/128 port 80 -> fd00::2 port 80 tcp\n",
        0,
        "rdr net0 ::ffff:1.2.3.4/128 port 80 -> fd00::2 port 80 tcp\n",
        "",
    ),
    (
        "map net0 10.0.0.0/8 -> 0/32 age 0/4294967295\n",
        0,
        "map net0 10.0.0.0/8 -> 0.0.0.0/32 age 0/-1\n",
        "",
    ),
    (
        "map net0 10.0.0.0/8 -> 0/32 icmpidmap icmp 1:9 255\n",
        0,
        "map net0 10.0.0.0/8 -> 0.0.0.0/32 icmp\n",
        "",
    ),
    (
        "map net0 from 10.0.0.0/0xff000000 port > 80 to any -> 0/32\n",
        1,
        "",
        'invalid port number error at ">", line 1\n',
    ),
    (
        "map net0 from 10.0.0.0/8 to any port = 21 -> 0/32 proxy port ftp ftp/tcp\n",
        0,
        "map net0 from 10.0.0.0/8 to any port = 5376 -> 0.0.0.0/32 proxy port 5376 ftp/tcp\n",
        "",
    ),
    (
        "rdr net0 from any to 10.0.0.1 port = 21 -> 10.0.0.2 port 2121 tcp proxy ftp\n",
        0,
        "rdr net0 from any to 10.0.0.1/32 port = 2121 -> 10.0.0.2 port 2121 tcp proxy ftp\n",
        "",
    ),
    (
        "rdr net0 0/0 port 80 -> 0,10.0.0.2 port 80 tcp\n",
        0,
        "rdr net0 0.0.0.0/0 port 80 -> 0.0.0.0,10.0.0.2/10.0.0.2 port 80 tcp\n",
        "",
    ),
    ("rdr net0 any -> ::1/0 tcp\n", 0, "rdr net0 ::/0 port 0 -> ::1 port 0 tcp\n", ""),
    ("map net0 10.0.0.0/8 -> range 0-10.0.0.9\n", 0, "map net0 10.0.0.0/8 -> range 0.0.0.0-10.0.0.9\n", ""),
    (
        "map net0 10.0.0.0/8 -> 0/32 proxy port 0 ftp/tcp\n",
        0,
        "map net0 10.0.0.0/8 -> 0.0.0.0/32 proxy port  ftp/tcp\n",
        "",
    ),
    (
        "map net0 10.0.0.0/8 -> 0/32 proxy port mysql ftp/nosuch\n",
        0,
        "map net0 10.0.0.0/8 -> 0.0.0.0/32 proxy port mysql ftp/-1\n",
        "",
    ),
    ("map net0 10.0.0.0/8 -> 0/32 GRE\n", 0, "map net0 10.0.0.0/8 -> 0.0.0.0/32 gre\n", ""),
    ("map net0 10.0.0.0/8 -> 0/32 Gre\n", 0, "map net0 10.0.0.0/8 -> 0.0.0.0/32 -1\n", ""),
    ("map net0 10.0.0.0/8 -> 0/32 OSPFIGP\n", 0, "map net0 10.0.0.0/8 -> 0.0.0.0/32 ospf\n", ""),
    (
        "map net0 from 10.0.0.0/8 port = webcache to any port = microsoft-ds -> 0/32 tcp\n",
        0,
        "map net0 from 10.0.0.0/8 port = http-alt to any port = microsoft-ds -> 0.0.0.0/32 tcp\n",
        "",
    ),
    ("map net0 10.0.0.0/8 netmask -> 0/32\n", 1, "", 'syntax error error at "mask", line 1\n'),
    ("map ne\\t0 10.0.0.0/8 -> 0/32\n", 0, "map net0 10.0.0.0/8 -> 0.0.0.0/32\n", ""),
    ("\\map net0 10.0.0.0/8 -> 0/32\n", 1, "", 'syntax error error at "net0", line 1\n'),
    ("map net0 10.0.0.0\\\n/8 -> 0/32\n", 0, "map net0 10.0.0.0/8 -> 0.0.0.0/32\n", ""),
    ("map net0 1\\\n0.0.0.0/8 -> 0/32\n", 0, "map net0 10.0.0.0/8 -> 0.0.0.0/32\n", ""),
    (
        "map ${none} 10.0.0.0/8 -> 0/32\n",
        0,
        "map ${none} 10.0.0.0/8 -> 0.0.0.0/32\n",
        "1: unknown variable 'none}'\n",
    ),
    ('a=net0; b="$a";\nmap $b 10.0.0.0/8 -> 0/32\n', 1, "", 'syntax error error at "net0", line 2\n'),
    ("map net0 10.0.0.0/8 ->0/32\n", 1, "", 'syntax error error at "->0", line 1\n'),
    ('map net0" 10.0.0.0/8 -> 0/32\n', 0, 'map net0" 10.0.0.0/8 -> 0.0.0.0/32\n', ""),
    (
        'map net0 10.0.0.0/8 -> 0/32\nmap "net1\n',
        1,
        "map net0 10.0.0.0/8 -> 0.0.0.0/32\n",
        'syntax error error at "\udcfe", line 3\n',
    ),
    ('map net0 10.0.0.0/8 -> 0/32 "\n', 0, "map net0 10.0.0.0/8 -> 0.0.0.0/32\n", ""),
    (
        "map net0 from 10.0.0.0/8 to fd00::1 port = 80 -> 0/32\n",
        1,
        "",
        '11.address family mismatch error at "80", line 1\n',
    ),
]
"""Text, exit status, standard output, standard error."""

FILTER: list[tuple[str, str, int, str, str]] = [
    (
        "pass in from hash=(1.2.3.4,1.2.4.0/24) to any\n",
        "",
        0,
        "table role = ipf type = hash number =  size = 3\n\t{ 1.2.4.0/24; 1.2.3.4/32; };\n"
        "pass in from hash/0 to any\n",
        "",
    ),
    (
        "pass in from pool=(10.0.0.0/8) port = nosuch to any\n",
        "",
        1,
        "table role = ipf type = tree number = \n\t{ 10.0.0.0/8; };\n",
        'service unknown error at "nosuch", line 1\n',
    ),
    ("pass in all pps 4294967295\n", "", 0, "pass in all pps -1\n", ""),
    (
        "pass in from any to any with opt tr\n",
        "-6",
        0,
        "pass in from ::/0 to ::/0 with v6hdrs dstopts\n",
        "",
    ),
    (
        "pass in from any to any with not opt sec-class secret\n",
        "-6",
        0,
        "pass in from ::/0 to ::/0 with not v6hdrs\n",
        "",
    ),
    (
        "pass in from any to any with v6hdrs dstopts,ah,none\n",
        "-6",
        1,
        "",
        'syntax error error at "none", line 1\n',
    ),
    (
        "pass in all head abc group averyverylonggroup\n",
        "",
        0,
        "pass in all head abc group averyverylonggroabc\n",
        "",
    ),
    ("log in log body level info all\n", "", 0, "log body level local0.info in all\n", ""),
    ("pass in log level kern.info all\n", "", 0, "pass in log level info all\n", ""),
    ("pass in all set-tag(log=0, nat=a)\n", "", 0, "pass in all set-tag(nat=a)\n", ""),
    ("pass in all with not ipopts\n", "", 0, "pass in from any to any with not ipopts\n", ""),
    ("pass ipopts\n", "", 1, "", 'syntax error error at "ipopt", line 1\n'),
    (
        "pass in proto sctp from any port = ftp to any\n",
        "",
        0,
        "pass in proto sctp from any port = ftp to any\n",
        "",
    ),
    ("pass in proto TCP from any to any\n", "", 0, "pass in proto tcp from any to any\n", ""),
    ("pass in proto Tcp from any to any\n", "", 1, "", 'protocol unknown error at "from", line 1\n'),
    (
        "pass in to any port = rsync\n",
        "",
        1,
        "pass in to any all\n",
        'syntax error error at "port", line 1\n',
    ),
    (
        "pass in proto 200 from any to any port = rsync\n",
        "",
        0,
        "pass in proto 200 from any to any port = 873\n",
        "",
    ),
    (
        "pass in proto tcp/udp from any port = 514 to any port = 8080\n",
        "",
        0,
        "pass in proto tcp/udp from any port = 514 to any port = http-alt\n",
        "",
    ),
    (
        "pass in on net0 from (net0/24, 10.0.0.1) to any\n",
        "",
        0,
        "pass in on net0 from net0/24 to any\npass in on net0 from net0/32 to any\n",
        "",
    ),
    (
        "pass in from fd00:20:30::5 to 10.0.0.1\n",
        "-6",
        0,
        "pass in from fd00:20:30::5/128 to a00:1:30::5/128\n",
        "",
    ),
    ("pass in from ::ffff:1.2.3.4 to any\n", "-6", 0, "pass in from ::ffff:1.2.3.4/128 to ::/0\n", ""),
    (
        "pass in from localhost to any\n",
        "-6",
        1,
        "",
        'unknown name "localhost"\nUnknown hostname error at "localhost", line 1\n',
    ),
    ('pass in "all\n', "", 0, "pass in all\n", ""),
]
"""Text, option, exit status, standard output, standard error."""


@pytest.fixture
def host(tmp_path: Path) -> ServiceHost:
    return service_host(tmp_path)


@pytest.mark.parametrize(("text", "status", "stdout", "stderr"), NAT)
def test_nat_rules_are_read_and_printed(
    host: ServiceHost, text: str, status: int, stdout: str, stderr: str
) -> None:
    assert host.run("ipnat", "-n", "-v", "-f", "-", stdin=text) == (status, stdout, stderr)


@pytest.mark.parametrize(("text", "option", "status", "stdout", "stderr"), FILTER)
def test_filter_rules_are_read_and_printed(
    host: ServiceHost, text: str, option: str, status: int, stdout: str, stderr: str
) -> None:
    options = [option] if option else []
    assert host.run("ipf", *options, "-n", "-v", "-f", "-", stdin=text) == (status, stdout, stderr)


def test_a_host_of_ipv6_is_found_by_its_name(host: ServiceHost) -> None:
    hosts = host.path("global", "/etc/inet/hosts")
    hosts.parent.mkdir(parents=True, exist_ok=True)
    hosts.write_text("::1 localhost\n192.0.2.1 localhost\nfd00::7 web\n")
    nat = host.run(
        "ipnat", "-n", "-v", "-f", "-", stdin="map net0 web -> ::/128\nmap net0 localhost -> 0/32\n"
    )
    assert nat.stdout == "map net0 fd00::7/128 -> ::/128\nmap net0 192.0.2.1/32 -> 0.0.0.0/32\n"
    found = host.run("ipf", "-6", "-n", "-v", "-f", "-", stdin="pass in from localhost to web\n")
    assert found == (0, "pass in from ::1/128 to fd00::7/128\n", "")


@pytest.mark.parametrize(
    ("name", "protocol", "port"),
    [
        ("cmd", None, 514),
        ("cmd", names.TCP, 514),
        ("webcache", names.TCP, 8080),
        ("webcache", names.UDP, None),
        ("nfs", names.PROTOCOLS["sctp"], 2049),
        ("syslog", names.BOTH, None),
        ("https", names.BOTH, 443),
        ("HTTP", None, None),
    ],
)
def test_services_have_ports_by_name_other_name_and_protocol(
    name: str, protocol: int | None, port: int | None
) -> None:
    assert names.port_number(name, protocol) == port
