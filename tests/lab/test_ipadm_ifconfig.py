"""ifconfig: its options, its words, and what it says when it cannot."""

from __future__ import annotations

import threading
from ipaddress import ip_interface
from pathlib import Path

import pytest

from tests.lab.fakes import FakeHost, Result, fake_host


def run(host: FakeHost, line: str, privileged: bool = True) -> Result:
    return host.run("ifconfig", *line.split(), privileged=privileged)


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with 10.0.0.11/24 on its physical link, and a vnic that is not plumbed."""
    host = fake_host(tmp_path)
    host.run("ipadm", *["create-addr", "-T", "static", "-a", "10.0.0.11/24", "e1000g0/v4"])
    host.run("dladm", "create-vnic", "-l", "e1000g0", "v0")
    return host


def names(result: Result) -> list[str]:
    return [line.split(" ")[0] for line in result.stdout.splitlines() if not line.startswith("\t")]


# Showing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("-a", ["lo0:", "e1000g0:", "v0:", "lo0:", "e1000g0:"]),
        ("-a4", ["lo0:", "e1000g0:", "v0:"]),
        ("-a6", ["lo0:", "e1000g0:"]),
        ("-au", ["lo0:", "e1000g0:", "lo0:"]),
        ("-ad4", ["v0:"]),
        ("-a4D", ["lo0:", "e1000g0:"]),
        ("-aZ inet", ["lo0:", "e1000g0:", "v0:"]),
        ("-a inet6", ["lo0:", "e1000g0:"]),
    ],
)
def test_options_choose_what_is_shown(host: FakeHost, options: str, expected: list[str]) -> None:
    run(host, "v0 plumb")
    if "D" in options:
        run(host, "v0 dhcp wait 0")
    assert names(run(host, options)) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-4", "ifconfig: -4: no such interface\n"),
        ("-ax", "usage: ifconfig <interface> | -a[ 4 | 6 | D ][ u | d ][ Z ]\n"),
        ("-ah", "usage: ifconfig "),
        ("", "usage: ifconfig "),
        ("nope0", "ifconfig: status: SIOCGLIFFLAGS: nope0: no such interface\n"),
        ("v0 inet6", "ifconfig: status: SIOCGLIFFLAGS: v0: no such interface\n"),
        ("e1000g0:4", "ifconfig: status: SIOCGLIFFLAGS: e1000g0:4: no such interface\n"),
    ],
)
def test_what_cannot_be_shown(host: FakeHost, line: str, message: str) -> None:
    result = run(host, line)
    assert (result.exit, result.stdout) == (1, "")
    assert result.stderr.startswith(message)


def test_the_hardware_address_is_shown_without_a_family_only(host: FakeHost) -> None:
    assert "\tether 8:0:27:1:2:3 \n" in run(host, "e1000g0").stdout
    assert run(host, "e1000g0 inet").stdout == (
        "e1000g0: flags=1000843<UP,BROADCAST,RUNNING,MULTICAST,IPv4> mtu 1500 index 2\n"
        "\tinet 10.0.0.11 netmask ffffff00 broadcast 10.0.0.255\n"
    )
    assert run(host, "e1000g0 inet6").stdout == (
        "e1000g0: flags=2000840<RUNNING,MULTICAST,IPv6> mtu 1500 index 2\n\tinet6 ::/0 \n"
    )


# Words -------------------------------------------------------------------------------------------


def test_an_interface_is_plumbed_and_unplumbed_for_each_family(host: FakeHost) -> None:
    assert run(host, "v0 plumb") == (0, "", "")
    # That it is there already is no failure.
    assert run(host, "v0 plumb up") == (0, "", "ifconfig: cannot plumb v0: Interface already exists\n")
    assert run(host, "v0 inet6 plumb up") == (0, "", "")
    assert "\tinet6 fe80::" in run(host, "v0 inet6").stdout
    assert run(host, "v0 unplumb") == (0, "", "")
    assert run(host, "v0 inet").exit == 1
    assert run(host, "v0 inet6 unplumb") == (0, "", "")
    assert run(host, "v0 unplumb").stderr == "ifconfig: cannot unplumb v0: Interface does not exist\n"
    assert run(host, "v9 plumb").stderr == "ifconfig: cannot plumb v9: Could not open DLPI link\n"


def test_all_links_are_plumbed_at_once(host: FakeHost) -> None:
    host.run("dladm", "create-etherstub", "stub0")
    done = run(host, "-a plumb")
    assert done == (0, "", "ifconfig: cannot plumb e1000g0: Interface already exists\n")
    assert names(run(host, "-a4")) == ["lo0:", "e1000g0:", "v0:"]


def test_words_are_applied_to_all_interfaces(host: FakeHost) -> None:
    run(host, "v0 plumb 10.1.0.1/24")
    assert run(host, "-ad4 up") == (0, "", "")
    assert "flags=1000843<UP," in run(host, "v0").stdout
    assert run(host, "-a4 metric 3").exit == 0
    assert " metric 3 mtu 1500 index 3\n" in run(host, "v0").stdout


def test_logical_interfaces_come_and_go(host: FakeHost) -> None:
    added = run(host, "e1000g0 addif 10.0.0.12/24 up addif 10.0.1.12 netmask 255.255.255.0 up")
    assert added.stdout == (
        "Created new logical interface e1000g0:1\nCreated new logical interface e1000g0:2\n"
    )
    assert "\tinet 10.0.1.12 netmask ffffff00 broadcast 10.0.1.255\n" in run(host, "e1000g0:2").stdout
    assert run(host, "e1000g0:5 plumb 10.0.2.12/24 up") == (0, "", "")
    assert names(run(host, "-a4")) == ["lo0:", "e1000g0:", "e1000g0:1:", "e1000g0:2:", "e1000g0:5:"]
    assert run(host, "e1000g0 removeif 10.0.0.12") == (0, "", "")
    assert run(host, "e1000g0:2 unplumb") == (0, "", "")
    assert run(host, "e1000g0:5 unplumb") == (0, "", "")
    assert names(run(host, "-a4")) == ["lo0:", "e1000g0:"]


def test_a_logical_interface_may_be_without_an_address(host: FakeHost) -> None:
    assert run(host, "e1000g0:1 plumb") == (0, "", "")
    assert "\tinet 0.0.0.0 netmask 0 \n" in run(host, "e1000g0:1").stdout
    assert "?" not in host.run("ipadm", "show-addr").stdout
    assert run(host, "e1000g0:1 10.0.0.13 netmask 255.255.255.0 up") == (0, "", "")
    assert "e1000g0/?" in host.run("ipadm", "show-addr").stdout


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("10.1.0.1", "\tinet 10.1.0.1 netmask ff000000 broadcast 10.255.255.255\n"),
        ("10.1.0.1 netmask 255.255.0.0", "\tinet 10.1.0.1 netmask ffff0000 "),
        ("netmask 0xffff0000 10.1.0.1", "\tinet 10.1.0.1 netmask ffff0000 "),
        ("10.1.0.1/24 netmask + broadcast +", "\tinet 10.1.0.1 netmask ffffff00 "),
        ("set 10.1.0.1/24", "\tinet 10.1.0.1 netmask ffffff00 "),
    ],
)
def test_the_mask_of_an_address(host: FakeHost, words: str, shown: str) -> None:
    run(host, "v0 plumb")
    assert run(host, f"v0 {words} up") == (0, "", "")
    assert shown in run(host, "v0").stdout


def test_a_mask_can_be_given_alone(host: FakeHost) -> None:
    assert run(host, "e1000g0 /28") == (0, "", "")
    assert "netmask fffffff0 broadcast 10.0.0.15\n" in run(host, "e1000g0").stdout
    assert run(host, "e1000g0 netmask 255.255.0.0") == (0, "", "")
    assert "netmask ffff0000 broadcast 10.0.255.255\n" in run(host, "e1000g0").stdout


def test_a_plus_takes_the_mask_from_the_database(host: FakeHost) -> None:
    (host.root / "etc/inet/netmasks").write_text("172.16.0.0 255.255.255.0\n")
    assert run(host, "v0 plumb 172.16.5.1 netmask + up").stdout == (
        "Setting netmask of v0 to 255.255.255.0\n"
    )
    assert "netmask ffffff00" in run(host, "v0").stdout


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        ("router", "ROUTER"),
        ("private", "PRIVATE"),
        ("deprecated", "DEPRECATED"),
        ("-xmit", "NOXMIT"),
        ("-arp", "NOARP"),
        ("-failover", "NOFAILOVER"),
        ("standby", "STANDBY"),
        ("failed", "FAILED"),
        ("inet6 -nud", "NONUD"),
    ],
)
def test_flags_are_set_and_cleared(host: FakeHost, words: str, flag: str) -> None:
    family = "inet6" if "inet6" in words else ""
    word = words.split()[-1]
    assert run(host, f"e1000g0 {words}") == (0, "", "")
    assert f"{flag}" in run(host, f"e1000g0 {family}").stdout.split(">")[0].split("<")[1].split(",")
    opposite = word.removeprefix("-") if word.startswith("-") else f"-{word}"
    assert run(host, f"e1000g0 {family} {opposite}") == (0, "", "")
    assert f"{flag}" not in run(host, f"e1000g0 {family}").stdout.split(">")[0].split("<")[1].split(",")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nope0 up", "setifflags: SIOCGLIFFLAGS: nope0: no such interface"),
        ("nope0 mtu 1400", "setifmtu: SIOCSLIFMTU: nope0: no such interface"),
        ("nope0 10.0.0.9/24 up", "error: nope0: no such interface"),
        ("nope0 addif 10.0.0.9/24", "addif: SIOCLIFADDIF: nope0: no such interface"),
        ("nope0 netmask 255.0.0.0", "SIOCSLIFNETMASK: nope0: no such interface"),
        ("nope0 group g", "SIOCSLIFGROUPNAME: nope0: no such interface"),
        ("e1000g0 mtu 9000", "setifmtu: SIOCSLIFMTU: e1000g0: Invalid argument"),
        ("e1000g0 mtu 67", "setifmtu: SIOCSLIFMTU: e1000g0: Invalid argument"),
        ("e1000g0 mtu", "no argument for mtu"),
        ("e1000g0 10.0.0.300/24", "10.0.0.300: bad address"),
        ("e1000g0 10.0.0.9/33", "Bad prefix length in 10.0.0.9/33"),
        ("e1000g0 2001:db8::1", "2001:db8::1: bad address"),
        ("e1000g0 10.0.0.9/24 10.0.0.10 up", "could not create address:Invalid argument provided"),
        ("e1000g0 destination 10.0.0.9", "setifdstaddr: SIOCSLIFDSTADDR: e1000g0: Invalid argument"),
        ("e1000g0 inet6 netmask 255.0.0.0", "Operation netmask not supported for inet6"),
        ("e1000g0 -nud", "Operation -nud not supported for inet"),
        ("e1000g0:1 addif 10.0.0.9/24", "addif: bad physical interface name e1000g0:1"),
        ("e1000g0 removeif 10.0.0.11", "removeif: cannot remove interface: e1000g0"),
        (
            "e1000g0 removeif 10.0.0.99",
            "removeif: SIOCLIFREMOVEIF: e1000g0: Cannot assign requested address",
        ),
        ("e1000g0:7 unplumb", "cannot unplumb e1000g0:7: Interface does not exist"),
        ("e1000g0 modlist", "modlist: not emulated by the lab"),
        ("e1000g0 ipmp", "cannot create IPMP interface e1000g0: Interface already exists"),
    ],
)
def test_what_is_refused(host: FakeHost, line: str, message: str) -> None:
    before = run(host, "-a").stdout
    assert run(host, line) == (1, "", f"ifconfig: {message}\n")
    assert run(host, "-a").stdout == before


def test_changes_need_privileges(host: FakeHost) -> None:
    for line, message in (
        ("e1000g0 down", "setifflags: SIOCSLIFFLAGS: e1000g0: permission denied"),
        ("v0 plumb", "cannot plumb v0: Insufficient user authorizations"),
        ("e1000g0 unplumb", "cannot unplumb e1000g0: Insufficient user authorizations"),
    ):
        assert run(host, line, privileged=False) == (1, "", f"ifconfig: {message}\n")


# DHCP --------------------------------------------------------------------------------------------


def test_dhcp_starts_and_is_given_up(host: FakeHost) -> None:
    run(host, "v0 plumb")
    assert run(host, "v0 dhcp wait 0") == (0, "", "")
    assert "DHCP" in run(host, "v0").stdout
    host.kernel.leases["global", "v0"] = ip_interface("198.51.100.7/24")
    assert run(host, "v0 dhcp start wait forever primary") == (0, "", "")
    assert run(host, "v0 dhcp extend") == (0, "", "")
    assert host.kernel.called("renew_dhcp_lease") == [("global", "v0")]
    for word in ("release", "drop"):
        assert run(host, f"v0 dhcp {word}").exit == 0
        assert "DHCP" not in run(host, "v0").stdout
        assert run(host, f"v0 dhcp {word}") == (
            2,
            "",
            "ifconfig: v0: interface is not under DHCP control\n",
        )
        run(host, "v0 auto-dhcp")
    assert host.kernel.called("stop_dhcp_client") == [("global", "v0")] * 2


def test_dhcp_waits_for_the_lease_without_the_lock(host: FakeHost) -> None:
    run(host, "v0 plumb")

    def grant() -> None:
        with host.lock:
            host.kernel.leases["global", "v0"] = ip_interface("198.51.100.7/24")

    timer = threading.Timer(0.2, grant)
    timer.start()
    assert run(host, "v0 dhcp") == (0, "", "")
    timer.join()
    assert "\tinet 198.51.100.7 " in run(host, "v0").stdout


def test_dhcp_fails_with_statuses_of_its_own(host: FakeHost) -> None:
    text = "interface does not exist or cannot be managed using DHCP"
    assert run(host, "nope0 dhcp") == (2, "", f"ifconfig: nope0: {text}\n")
    assert run(host, "e1000g0 dhcp bogus").exit == 3
    assert run(host, "e1000g0 dhcp wait soon").exit == 3
    run(host, "v0 plumb")
    timed_out = "ifconfig: v0: wait timed out, operation still pending...\n"
    assert run(host, "v0 dhcp wait 1") == (4, "", timed_out)
