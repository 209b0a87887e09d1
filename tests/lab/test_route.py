"""route, netstat, ifconfig and routeadm."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.fakes import FakeHost, fake_host

GET_TAIL = (
    " recvpipe  sendpipe  ssthresh    rtt,ms rttvar,ms  hopcount      mtu     expire\n"
    "       0         0         0         0         0         0      1500         0 \n"
)


USAGE = "usage: route [ -fnpqv ] [ -R <root-dir> ] cmd [[ -<qualifers> ] args ]\n"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with the address 10.0.0.11/24."""
    host = fake_host(tmp_path)
    host.run("ipadm", *["create-addr", "-T", "static", "-a", "10.0.0.11/24", "e1000g0/v4"])
    return host


@pytest.mark.parametrize(
    ("line", "status", "stdout", "stderr"),
    [
        ("add default 10.0.0.2", 0, "add net default: gateway 10.0.0.2\n", ""),
        ("add net default 10.0.0.2", 0, "add net default: gateway 10.0.0.2\n", ""),
        ("add 10.1.2.3 10.0.0.1", 0, "add host 10.1.2.3: gateway 10.0.0.1\n", ""),
        ("add 10.0.0.0 10.0.0.1", 0, "add net 10.0.0.0: gateway 10.0.0.1\n", ""),
        ("add -net 10.2.0.0/16 10.0.0.1", 0, "add net 10.2.0.0/16: gateway 10.0.0.1\n", ""),
        ("add -host 10.2.0.0 10.0.0.1", 0, "add host 10.2.0.0: gateway 10.0.0.1\n", ""),
        (
            "add -net 10.3.0.0 10.0.0.1 -netmask 255.255.0.0",
            0,
            "add net 10.3.0.0: gateway 10.0.0.1\n",
            "",
        ),
        ("add default 10.0.0.1", 17, "add net default: gateway 10.0.0.1: entry exists\n", ""),
        (
            "add default 10.9.9.9",
            128,
            "add net default: gateway 10.9.9.9: Network is unreachable\n",
            "",
        ),
        (
            "delete default 10.0.0.3",
            3,
            "delete net default: gateway 10.0.0.3: not in table\n",
            "",
        ),
        ("delete default 10.0.0.1", 0, "delete net default: gateway 10.0.0.1\n", ""),
        # Only what flush removes is not told with -q.
        ("-q delete default 10.0.0.1", 0, "delete net default: gateway 10.0.0.1\n", ""),
        ("delete default", 1, "", "route: gateway required for add or delete command\n"),
        ("change default 10.0.0.2", 0, "change net default: gateway 10.0.0.2\n", ""),
        ("change 10.7.0.0 10.0.0.2", 3, "change host 10.7.0.0: gateway 10.0.0.2: not in table\n", ""),
        (
            "-p change default 10.0.0.1",
            1,
            "change net default: gateway 10.0.0.1\n",
            "route: change command not supported with -p\n",
        ),
        ("get 10.200.0.0/16", 3, "10.200.0.0/16: not in table\n", ""),
        ("-p show", 0, "No persistent routes are defined\n", ""),
        ("add default 10.0.0.2 -setsrc 10.0.0.11", 1, "", "route: -setsrc: not emulated by the lab\n"),
        ("add -net 10.5.5.5/32 10.0.0.1", 0, "add net 10.5.5.5/32: gateway 10.0.0.1\n", ""),
        ("add -host 10.5.0.0/16 10.0.0.1", 0, "add net 10.5.0.0/16: gateway 10.0.0.1\n", ""),
        ("add -net 10.1 10.0.0.1", 0, "add net 10.1: gateway 10.0.0.1\n", ""),
        ("add -net 20 -gateway 10.0.0.1", 0, "add net 20: gateway 10.0.0.1\n", ""),
        ("add 10.5.0.0 10.0.0.1 255.255.0.0", 0, "add net 10.5.0.0: gateway 10.0.0.1\n", ""),
        ("-n add default gate", 1, "", "gate: bad value\n"),
        ("add -inet6 default gate", 1, "", "route: gate: bad address\n"),
        ("add default fe80::1", 1, "", "fe80::1: bad value\n"),
        ("add 10.1.0.0/16 10.0.0.1/24", 1, "", "route: 10.0.0.1/24: unexpected '/'\n"),
        ("add /16 10.0.0.1", 1, "", "route: /16: unexpected '/'\n"),
        ("add 10.1.0.0/x 10.0.0.1", 1, "", "route: bad prefix length x\n"),
        ("add 10.1.0.0/33 10.0.0.1", 1, "", "route: prefix length 33 out of range\n"),
        ("add 10.1.0.0 10.0.0.1 -netmask", 1, "", "route: argument required following keyword -netmask\n"),
        ("add -host -net 10.1.0.0 10.0.0.1", 1, "", "route: -host and -net are mutually exclusive\n"),
        ("add 10.1.0.0 10.0.0.1 -via", 1, "", "route: botched keyword: via\n"),
        (
            "add -inet6 2001:db8:: fe80::1 -netmask ffff::",
            1,
            "",
            "route: -netmask not supported for IPv6: use <prefix>/<prefix-length> instead\n",
        ),
        ("add", 1, "", "route: destination required\n"),
        ("add default 10.0.0.1 -ifp nope0", 1, "", "route: nope0: no such interface\n"),
        (
            "add -interface 10.6.0.0 10.0.0.2",
            128,
            "add host 10.6.0.0: gateway 10.0.0.2: Network is unreachable\n",
            "",
        ),
        ("add -interface 20.0.0.0 10.0.0.11", 0, "add net 20.0.0.0: gateway 10.0.0.11\n", ""),
        ("show", 1, "", "route: show command requires -p\n"),
        ("-p show all", 1, "", "route: invalid arguments for show\n"),
        ("replace default 10.0.0.1", 1, "", "route: botched keyword: replace\n" + USAGE),
        ("-x", 1, "", USAGE),
        ("", 1, "", USAGE),
    ],
)
def test_results_and_exit_codes(host: FakeHost, line: str, status: int, stdout: str, stderr: str) -> None:
    assert host.run("route", "add", "default", "10.0.0.1").exit == 0
    assert host.run("route", *line.split()) == (status, stdout, stderr)


def test_no_privilege(host: FakeHost) -> None:
    result = host.run("route", "add", "default", "10.0.0.1", privileged=False)
    message = "add net default: gateway 10.0.0.1: insufficient privileges\n"
    assert result == (1, message, "")


def test_persistent_routes(host: FakeHost) -> None:
    add = ("route", "-p", "add", "default", "10.0.0.1")
    line = "net default: gateway 10.0.0.1"
    assert host.run(*add) == (0, f"add {line}\nadd persistent {line}\n", "")
    assert (host.root / "etc/inet/static_routes").read_text() == (
        "# File generated by route(1M) - do not edit.\ndefault 10.0.0.1\n"
    )
    again = (1, f"add {line}: entry exists\n", f"add persistent {line}: entry exists\n")
    assert host.run(*add) == again
    assert host.run("route", "-p", "show").stdout == "persistent: route add default 10.0.0.1\n"
    host.boot_network()
    assert host.run("route", "-n", "get", "default").exit == 0
    delete = ("route", "-p", "delete", "default", "10.0.0.1")
    assert host.run(*delete) == (0, f"delete {line}\ndelete persistent {line}\n", "")
    assert host.run(*delete) == (
        1,
        f"delete {line}: not in table\n",
        f"delete persistent {line}: not in file\n",
    )


def test_an_entry_missing_in_the_file_only_is_added(host: FakeHost) -> None:
    host.run("route", "add", "default", "10.0.0.1")
    result = host.run("route", "-p", "add", "default", "10.0.0.1")
    assert result.exit == 0
    assert result.stdout.endswith("add persistent net default: gateway 10.0.0.1\n")


def test_a_destination_without_mask_gets_one_as_it_is_spelled(host: FakeHost) -> None:
    for words in (
        "10.1.2.3",
        "-net 10.1",  # 10.0.0.1, in the network of an own address
        "-net 20",
        "-net 172.20.5.0",
        "-net 30.1.2.3",
        "192.168.7.0",
    ):
        assert host.run("route", "add", *words.split(), "10.0.0.2").exit == 0
    assert [call[1] for call in host.kernel.called("add_route")] == [
        "10.1.2.3/32",
        "10.0.0.0/24",
        "20.0.0.0/8",
        "172.20.5.0/24",
        "30.0.0.0/8",
        "192.168.7.0/24",
    ]


def test_packets_can_be_sent_nowhere(host: FakeHost) -> None:
    assert host.run("route", "-p", "add", *["-net", "10.0.0.0/8", "127.0.0.1", "-blackhole"]).exit == 0
    assert host.run("route", "add", *["-net", "172.16.0.0/12", "127.0.0.1", "-reject"]).exit == 0
    assert host.kernel.called("add_route") == [
        ("global", "10.0.0.0/8", "127.0.0.1", None, "blackhole"),
        ("global", "172.16.0.0/12", "127.0.0.1", None, "reject"),
    ]
    assert "flags: <UP,GATEWAY,DONE,STATIC,BLACKHOLE>" in host.run("route", "get", "10.9.9.9").stdout
    assert "flags: <UP,GATEWAY,REJECT,DONE,STATIC>" in host.run("route", "get", "172.16.1.1").stdout
    assert host.run("route", "delete", *["-net", "10.0.0.0/8", "127.0.0.1"]).exit == 0
    assert host.kernel.called("delete_route")[-1][-1] == "blackhole"
    host.boot_network()
    assert host.kernel.called("add_route")[-1][-1] == "blackhole"


def test_flush_takes_the_gateway_routes_of_one_family(host: FakeHost) -> None:
    for words in ("default 10.0.0.1", "-net 10.3.0.0/16 10.0.0.2", "10.4.5.6 10.0.0.2"):
        host.run("route", "-p", "add", *words.split())
    host.run("route", "add", "-interface", "20.0.0.0", "10.0.0.11")
    host.run("route", "-p", "-R", "/", "add", "-inet6", "default", "fe80::1")
    denied = (13, "", "route: flush: insufficient privileges\n")
    assert host.run("route", "flush", privileged=False) == denied
    assert host.run("route", "-p", "flush").stdout == (
        "delete persistent net default: gateway 10.0.0.1\n"
        "delete persistent net 10.3.0.0/16: gateway 10.0.0.2\n"
        "delete persistent host 10.4.5.6: gateway 10.0.0.2\n"
        "default              10.0.0.1             done\n"
        "10.3                 10.0.0.2             done\n"
        "10.4.5.6             10.0.0.2             done\n"
    )
    assert host.run("route", "get", "20.1.1.1").exit == 0
    assert host.run("route", "-p", "show").stdout == "persistent: route add -inet6 default fe80::1\n"


def test_flush_comes_before_the_command(host: FakeHost) -> None:
    host.run("route", "add", "default", "10.0.0.1")
    assert host.run("route", "-fq", "add", "default", "10.0.0.2") == (
        0,
        "add net default: gateway 10.0.0.2\n",
        "",
    )
    assert host.run("route", "-n", "get", "default", "10.0.0.1").exit == 3


def test_the_file_is_searched_for_what_was_written(host: FakeHost) -> None:
    host.run("route", "-p", "add", "-net", "10.2.0.0/16", "10.0.0.1")
    line = "-net 10.2.0.0/16 10.0.0.1"
    get = host.run("route", "-p", "get", "10.2.0.0/16")
    assert get.stdout.endswith(f"       0 \npersistent: route add {line}\n")
    assert host.run("route", "-p", "get", "default").stdout == (
        "default: not in table\nget persistent net default: not in file\n"
    )
    other = host.run("route", "-p", "delete", *["10.2.0.0", "10.0.0.1", "-netmask", "255.255.0.0"])
    assert other == (
        1,
        "delete net 10.2.0.0: gateway 10.0.0.1\n",
        "delete persistent net 10.2.0.0: gateway 10.0.0.1: not in file\n",
    )
    denied = (1, "add net default: gateway 10.0.0.1: insufficient privileges\n", "")
    assert host.run("route", "-p", "add", "default", "10.0.0.1", privileged=False) == denied
    refused = host.run("route", "-p", "-R", "/", "add", "default", "10.0.0.1", privileged=False)
    assert refused == (13, "", "route: failed to open route file: Permission denied\n")


def test_names_are_shown_unless_numbers_are_asked_for(host: FakeHost) -> None:
    with (host.root / "etc/inet/hosts").open("a") as file:
        file.write("10.0.0.1 gate\n")
    assert host.run("route", "add", "default", "gate").stdout == "add net default: gateway gate\n"
    assert "    gateway: gate\n" in host.run("route", "get", "default").stdout
    assert "    gateway: 10.0.0.1\n" in host.run("route", "-n", "get", "default").stdout
    deleted = host.run("route", "-n", "delete", "default", "gate").stdout
    assert deleted == "delete net default: gateway 10.0.0.1\n"


def test_another_root_counts_only_with_the_file(host: FakeHost) -> None:
    (host.root / "a/etc/inet").mkdir(parents=True)
    assert host.run("route", "-R", "/a", "add", "default", "10.0.0.1").exit == 0
    assert host.run("route", "get", "default").exit == 0
    assert not (host.root / "a/etc/inet/static_routes").exists()


def test_unreachable_persistent_route_leaves_the_file_alone(host: FakeHost) -> None:
    assert host.run("route", "-p", "add", "default", "10.9.9.9").exit == 128
    assert not (host.root / "etc/inet/static_routes").exists()


def test_alternate_root_changes_only_its_file(host: FakeHost) -> None:
    (host.root / "a/etc/inet").mkdir(parents=True)
    result = host.run("route", "-p", "-R", "/a", "add", "default", "10.9.9.9")
    assert result == (0, "add persistent net default: gateway 10.9.9.9\n", "")
    assert (host.root / "a/etc/inet/static_routes").read_text().endswith("default 10.9.9.9\n")


def test_get(host: FakeHost) -> None:
    host.run("route", "add", "default", "10.0.0.1")
    assert host.run("route", "-n", "get", "8.8.8.8").stdout == (
        "   route to: 8.8.8.8\n"
        "destination: default\n"
        "       mask: default\n"
        "    gateway: 10.0.0.1\n"
        "  interface: e1000g0\n"
        "      flags: <UP,GATEWAY,DONE,STATIC>\n" + GET_TAIL
    )
    assert host.run("route", "-n", "get", "10.0.0.77").stdout == (
        "   route to: 10.0.0.77\n"
        "destination: 10.0.0.0\n"
        "       mask: 255.255.255.0\n"
        "  interface: e1000g0\n"
        "      flags: <UP,DONE>\n" + GET_TAIL
    )
    # A destination with a mask is looked up as that network, and shown without its mask.
    assert host.run("route", "-n", "get", "10.0.0.0/24").stdout.startswith("   route to: 10.0.0.0\n")
    assert host.run("route", "-n", "get", "10.0.0.0/25") == (3, " 10.0.0.0: not in table\n", "")
    probe = ("route", "-n", "get", "-inet", "default", "-inet")
    assert host.run(*probe, "10.0.0.1", "-ifp", "e1000g0").exit == 0
    assert host.run(*probe, "10.0.0.2", "-ifp", "e1000g0") == (3, " 0.0.0.0: not in table\n", "")


def test_a_route_comes_back_with_the_address_that_reaches_its_gateway(host: FakeHost) -> None:
    host.run("route", "add", "default", "10.0.0.1")
    host.run("ipadm", "down-addr", "-t", "e1000g0/v4")
    assert host.run("route", "-n", "get", "default").exit == 3
    host.run("ipadm", "up-addr", "-t", "e1000g0/v4")
    assert host.run("route", "-n", "get", "default").exit == 0
    host.run("ipadm", "delete-if", "e1000g0")
    host.run("ipadm", *["create-addr", "-T", "static", "-a", "10.0.0.11/24", "e1000g0/v4"])
    assert host.run("route", "-n", "get", "default").exit == 3


def test_several_default_routes(host: FakeHost) -> None:
    host.run("route", "add", "default", "10.0.0.1")
    assert host.run("route", "add", "default", "10.0.0.2").exit == 0
    assert len(host.kernel.called("add_route")) == 2


def test_routing_table(host: FakeHost) -> None:
    host.run("route", "add", "default", "10.0.0.1", "-ifp", "e1000g0")
    assert host.run("netstat", "-rn", "-f", "inet").stdout.splitlines() == [
        "",
        "Routing Table: IPv4",
        "  Destination           Gateway           Flags  Ref     Use     Interface ",
        "-------------------- -------------------- ----- ----- ---------- --------- ",
        "default              10.0.0.1             UG        1          0 e1000g0   ",
        "127.0.0.1            127.0.0.1            UH        1          0 lo0       ",
        "10.0.0.0             10.0.0.11            U         1          0 e1000g0   ",
    ]


def test_routing_table_with_masks(host: FakeHost) -> None:
    host.run("route", "add", "default", "10.0.0.1")
    assert host.run("netstat", "-rnv", "-f", "inet").stdout.splitlines() == [
        "",
        "IRE Table: IPv4",
        "  Destination             Mask           Gateway          Device  MTU  Ref Flg  Out  In/Fwd ",
        "-------------------- --------------- -------------------- ------ ----- --- --- ----- ------ ",
        "default              0.0.0.0         10.0.0.1                        0   1 UG       0      0 ",
        "127.0.0.1            255.255.255.255 127.0.0.1            lo0     8232   1 UH       0      0 ",
        "10.0.0.0             255.255.255.0   10.0.0.11            e1000g0  1500   1 U        0      0 ",
    ]
    assert host.run("netstat", "-rnv", "-f", "inet6").stdout.splitlines() == [
        "",
        "IRE Table: IPv6",
        "  Destination/Mask            Gateway                    If    MTU  Ref Flags  Out   In/Fwd ",
        "--------------------------- --------------------------- ----- ----- --- ----- ------ ------ ",
        "::1                         ::1                         lo0    8252   1 UH         0      0 ",
    ]


def test_ifconfig_shows_interfaces(host: FakeHost) -> None:
    assert host.run("ifconfig", "e1000g0").stdout == (
        "e1000g0: flags=1000843<UP,BROADCAST,RUNNING,MULTICAST,IPv4> mtu 1500 index 2\n"
        "\tinet 10.0.0.11 netmask ffffff00 broadcast 10.0.0.255\n"
        "\tether 8:0:27:1:2:3 \n"
    )
    assert "ether" not in host.run("ifconfig", "e1000g0", privileged=False).stdout
    assert host.run("ifconfig", "-a").stdout.startswith(
        "lo0: flags=2001000849<UP,LOOPBACK,RUNNING,MULTICAST,IPv4,VIRTUAL> mtu 8232 index 1\n"
        "\tinet 127.0.0.1 netmask ff000000 \n"
    )
    missing = "ifconfig: status: SIOCGLIFFLAGS: nope0: no such interface\n"
    assert host.run("ifconfig", "nope0") == (1, "", missing)


def test_ifconfig_configures_without_memory(host: FakeHost) -> None:
    host.run("dladm", "create-vnic", "-l", "e1000g0", "v0")
    line = "v0 plumb 172.16.5.1 netmask 255.255.255.0 up"
    assert host.run("ifconfig", *line.split()) == (0, "", "")
    assert "inet 172.16.5.1 netmask ffffff00" in host.run("ifconfig", "v0").stdout
    added = host.run("ifconfig", "v0", "addif", "172.16.5.2/24", "up")
    assert added.stdout == "Created new logical interface v0:1\n"
    assert host.run("ifconfig", "v0", "router").exit == 0
    assert "ROUTER" in host.run("ifconfig", "v0").stdout
    assert host.run("ifconfig", "v0:1", "unplumb").exit == 0
    assert host.run("ifconfig", "v0", "unplumb").exit == 0
    assert host.kernel.called("unplumb") == [("global", "v0")]
    host.boot_network()
    assert host.run("ifconfig", "v0").exit == 1


def test_routeadm_shows_options_variables_and_daemons(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = {
        "svc:/network/routing/route:default": "disabled",
        "svc:/network/routing/ndp:default": "online",
    }
    monkeypatch.setattr(host.smf, "state", lambda zone, fmri: states[fmri], raising=False)
    lines = host.run("routeadm").stdout.splitlines()
    assert lines[3] == "               IPv4 routing   disabled             disabled"
    assert lines[7:13] == [
        "",
        '           Routing services   "route:default ripng:default"',
        "",
        "Routing daemons:",
        "",
        "                      STATE   FMRI",
    ]
    assert lines[13:] == [
        "                   disabled   svc:/network/routing/route:default",
        "                     online   svc:/network/routing/ndp:default",
    ]
    everything = host.run("routeadm", "-p").stdout.splitlines()
    assert len(everything) == 11
    assert everything[-1] == (
        'routing-svcs persistent="route:default ripng:default" default="route:default ripng:default" '
    )
    assert host.run("routeadm", "-p", "ipv4-routing-daemon").stdout == 'persistent="" default="" \n'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-p nope", "routeadm: no such option/variable nope\n"),
        ("-e nope", "routeadm: invalid option: nope\nusage: routeadm [-p] [-R <root-dir>]\n"),
        ("nope", "usage: routeadm [-p] [-R <root-dir>]\n"),
    ],
)
def test_routeadm_refuses_unknown_options(host: FakeHost, line: str, message: str) -> None:
    result = host.run("routeadm", *line.split())
    assert (result.exit, result.stdout) == (1, "")
    assert result.stderr.startswith(message)


def test_routeadm_waits_for_update_or_boot(host: FakeHost) -> None:
    fmri = "svc:/network/ipv4-forwarding:default"
    assert host.run("routeadm", "-e", "ipv4-forwarding") == (0, "", "")
    assert not host.smf.enabled("global", fmri)
    assert host.run("routeadm", "-p", "ipv4-forwarding").stdout == (
        "persistent=enabled default=disabled current=disabled\n"
    )
    host.boot_network()
    assert host.smf.enabled("global", fmri)
    assert host.run("routeadm", "-u", "-d", "ipv4-forwarding").exit == 0
    assert not host.smf.enabled("global", fmri)
    denied = host.run("routeadm", "-e", "ipv4-forwarding", privileged=False)
    assert denied == (1, "", "routeadm: insufficient privileges\n")
