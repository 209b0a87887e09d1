"""ipadm: rules of address objects and properties that scripts come across."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_interface
from pathlib import Path

import pytest

from illumos_lab.kernel import AdvertisedPrefix, Advertisement
from illumos_lab.linux import LinuxKernel
from illumos_lab.linux.netns import Netns
from illumos_lab.linux.network import BRIDGE_OPTIONS
from tests.lab.fakes import FakeHost, Result, fake_host


def run(host: FakeHost, line: str, privileged: bool = True) -> Result:
    return host.run("ipadm", *line.split(), privileged=privileged)


def do(host: FakeHost, *lines: str) -> None:
    for line in lines:
        assert run(host, line) == (0, "", ""), line


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with a static address on its physical link, and a vnic."""
    host = fake_host(tmp_path)
    do(host, "create-addr -T static -a 192.0.2.11/24 e1000g0/v4")
    host.run("dladm", "create-vnic", "-l", "e1000g0", "-m", "2:8:20:1:2:3", "v0")
    return host


def failures(host: FakeHost, line: str) -> str:
    """The message of a command that fails, which leaves its newline on standard output."""
    result = run(host, line)
    assert (result.exit, result.stdout) == (1, "\n"), line
    return result.stderr.removeprefix("ipadm: ")


# Autoconfigured addresses ------------------------------------------------------------------------


def test_an_interface_identifier_ends_the_addresses(host: FakeHost) -> None:
    do(host, "create-addr -T addrconf -i ::1a:2b:3c:4d/64 v0/v6")
    assert host.kernel.called("set_autoconf") == [("global", "v0", True, "::1a:2b:3c:4d")]
    assert run(host, "show-addr -p -o addr v0/v6").stdout == "fe80::1a:2b:3c:4d%v0/10\n"
    host.boot_network()
    assert run(host, "show-addr -p -o addr v0/v6").stdout == "fe80::1a:2b:3c:4d%v0/10\n"
    assert host.kernel.called("set_autoconf")[-1] == ("global", "v0", True, "::1a:2b:3c:4d")


def test_the_way_to_addresses_can_be_chosen(host: FakeHost) -> None:
    do(host, "create-addr -T addrconf -p stateless=no,stateful=yes v0/v6")
    assert host.kernel.called("set_autoconf") == []
    assert run(host, "show-addr -p -o addr v0/v6").stdout.startswith("fe80::8:20ff:fe01:203")
    host.boot_network()
    assert host.kernel.called("set_autoconf") == []


def test_another_addrconf_object_needs_another_identifier(host: FakeHost) -> None:
    do(host, "create-addr -T addrconf v0/v6")
    assert failures(host, "create-addr -T addrconf v0/b") == (
        "Could not create address: Addrconf already in progress"
    )
    do(host, "create-addr -T addrconf -i ::2/64 v0/b")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("-i ::1a:2b:3c:4d", "Error in setting interface ID: Invalid argument provided"),
        ("-i ::1/129", "Error in setting interface ID: Invalid argument provided"),
        ("-i 10.0.0.1/24", "Error in setting interface ID: Invalid argument provided"),
        ("-i bogus/64", "Error in setting interface ID: Invalid argument provided"),
        ("-p stateless=maybe", "Invalid argument"),
        ("-p stateless", "Invalid argument"),
        ("-p stateless=no,stateless=no", "Duplicate option"),
        ("-a 10.0.0.1/24", "Invalid arguments for type addrconf\nusage: \tcreate-addr\t"),
    ],
)
def test_options_of_addrconf_that_are_refused(host: FakeHost, options: str, message: str) -> None:
    assert failures(host, f"create-addr -T addrconf {options} v0/v6").startswith(message)
    assert not host.stacks["global"].is_plumbed("v0")


@pytest.fixture
def router(tmp_path: Path) -> Iterator[FakeHost]:
    """A host whose zone ``rtr`` advertises 2001:db8:5::/64 on an etherstub, with vnics r0 and v0 on it."""
    wire = Netns.create()
    wire.ip(f"link add wire0 type bridge {BRIDGE_OPTIONS}", "link set wire0 up")
    host = fake_host(tmp_path)
    kernel = LinuxKernel(wire, 14)
    kernel.create_physical("e1000g0", "8:0:27:1:2:3", 1500)
    host.kernel = kernel  # type: ignore[assignment]
    host.boot_network()
    host.run("dladm", "create-etherstub", "stub0")
    for name in ("r0", "v0"):
        host.run("dladm", "create-vnic", "-l", "stub0", name)
    host.add_zone("rtr")
    kernel.create_stack("rtr")
    host.links.lend("r0", "rtr", [])
    assert host.run("ipadm", "create-addr", "-T", "addrconf", "r0/v6", zone="rtr").exit == 0
    prefix = AdvertisedPrefix(ip_interface("2001:db8:5::/64").network)  # type: ignore[arg-type]
    kernel.set_advertisements("rtr", (Advertisement("r0", (prefix,)),))
    yield host
    kernel.close()
    wire.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces as root")
def test_an_advertised_network_gets_the_identifier(router: FakeHost) -> None:
    do(router, "create-addr -T addrconf -i ::1a:2b:3c:4d/64 v0/v6")
    netns: Netns = router.kernel.netns("global")  # type: ignore[attr-defined]
    name = router.kernel.linux_name("v0")  # type: ignore[attr-defined]
    # Comes back with the first address that is not the link-local one.
    watched = f"until ip -6 addr show dev {name} dynamic | grep -q inet6; do sleep 0.05; done"
    netns.run(["timeout", "20", "sh", "-c", watched])
    assert run(router, "show-addr -p -o addr v0/v6").stdout.splitlines() == [
        "fe80::1a:2b:3c:4d%v0/10",
        "2001:db8:5:0:1a:2b:3c:4d/64",
    ]


# Address objects ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("create-addr -a 10.0.0.1/24 v0/a", "Invalid arguments\nusage: \tcreate-addr\t[-t] -T static"),
        ("create-addr -T static -a 10.0.0.1/24", "Invalid arguments\nusage: "),
        ("create-addr -T static -a 10.0.0.1/24 v0", "invalid address object name: v0\nusage: "),
        ("create-addr -T static -a 10.0.0.1/24 v0/", "invalid address object name: v0/\nusage: "),
        ("create-addr -T static -a 0.0.0.0/24 v0/a", "Could not create address: Invalid address"),
        (
            "create-addr -T static -a 10.0.0.1/x v0/a",
            "Error in setting local address: Invalid argument provided",
        ),
        (
            "create-addr -T static -a two v0/a",
            "Error in setting local address: Hostname maps to multiple IP addresses",
        ),
        (
            "create-addr -T static -a local=10.0.0.1,local=10.0.0.2 v0/a",
            "Multiple local addresses provided",
        ),
        ("create-addr -T static -a remote=10.0.0.1 v0/a", "Missing local address\nusage: "),
        (
            "create-addr -T static -a local=10.0.0.1,remote=10.0.0.2/24 v0/a",
            "Error in setting remote address: Invalid address",
        ),
        ("create-addr -T dhcp -w soon v0/a", "Invalid argument"),
        ("create-addr -t -T dhcp lo0/a", "Could not create address: Operation not supported"),
        ("delete-addr v0", "could not delete address: Object not found"),
        ("up-addr e1000g0/nope", "Could not mark the address up: Object not found"),
        ("down-addr e1000g0/t", "Could not mark the address down: Persistent operation on temporary"),
        ("up-addr e1000g0/v6", "Could not mark the address up: Operation not supported"),
        ("down-addr e1000g0/dhcp", "Could not mark the address down: Operation not supported"),
        ("refresh-addr e1000g0/nope", "could not refresh address Object not found"),
        ("refresh-addr e1000g0/v6", "could not refresh address Operation not supported"),
        ("refresh-addr -i e1000g0/dhcp", "could not refresh address Invalid argument provided"),
        ("disable-addr -t e1000g0/nope", "could not disable address: Object not found"),
        ("disable-if -t nope0", "Could not disable nope0: Interface does not exist"),
    ],
)
def test_what_is_refused(host: FakeHost, line: str, message: str) -> None:
    (host.root / "etc/inet/hosts").write_text("10.0.0.1 two\n10.0.0.2 two\n")
    do(
        host,
        "create-addr -t -T static -a 192.0.2.12/24 e1000g0/t",
        "create-addr -T addrconf e1000g0/v6",
        "create-addr -T dhcp -w 0 e1000g0/dhcp",
    )
    before = run(host, "show-addr").stdout
    assert failures(host, line).startswith(message)
    assert run(host, "show-addr").stdout == before


def test_an_address_that_somebody_else_has_is_not_marked_up(host: FakeHost) -> None:
    host.add_zone("web")
    host.links.lend("v0", "web", [])
    made = "create-addr -T static -a 192.0.2.11/24 v0/v4"
    assert host.run("ipadm", *made.split(), zone="web").exit == 0
    assert host.run("ipadm", "up-addr", "-t", "v0/v4", zone="web").stderr == (
        "ipadm: Could not mark the address up: Duplicate address detected"
    )
    do(host, "delete-addr e1000g0/v4")
    assert host.run("ipadm", "refresh-addr", "v0/v4", zone="web").exit == 0
    assert host.run("ipadm", "show-addr", "-p", "-o", "state", "v0/", zone="web").stdout == "ok\n"


def test_a_warning_has_its_newline(host: FakeHost) -> None:
    late = run(host, "create-addr -T dhcp -w 1 v0/dhcp")
    assert late == (0, "", "ipadm: warning: Communication with dhcpagent timed out\n")
    do(host, "delete-addr v0/dhcp")
    # Who does not wait has not waited in vain.
    do(host, "create-addr -T dhcp -w 0 v0/dhcp")


def test_what_lasts_needs_a_link_that_lasts(host: FakeHost) -> None:
    host.run("dladm", "create-vnic", "-t", "-l", "e1000g0", "tmp0")
    assert failures(host, "create-if tmp0") == (
        "Could not create tmp0 : Persistent operation on temporary object"
    )
    assert failures(host, "create-addr -T static -a 10.0.0.1/24 tmp0/v4") == (
        "Could not create address: Persistent operation on temporary object"
    )
    do(host, "create-addr -t -T static -a 10.0.0.1/24 tmp0/v4")


def test_a_disabled_interface_cannot_be_made_again(host: FakeHost) -> None:
    do(host, "disable-if -t e1000g0")
    refused = "Could not create e1000g0 : Operation not supported on disabled object"
    assert failures(host, "create-if e1000g0") == refused
    assert failures(host, "create-if -t e1000g0") == refused
    do(host, "enable-if -t e1000g0")


def test_a_change_is_denied_before_anything_else_is_looked_at(host: FakeHost) -> None:
    for line in ("delete-addr -r e1000g0/v4", "delete-addr e1000g0/no", "refresh-addr e1000g0/no"):
        denied = run(host, line, privileged=False)
        assert denied.stderr.endswith("Insufficient user authorizations"), line


# Properties --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("set-ifprop -p mtu -m ipv4 e1000g0", "please specify the value to be set.\n\tset-ifprop\t"),
        ("set-ifprop -p mtu= -m ipv4 e1000g0", "please specify the value to be set.\n"),
        ("reset-ifprop -p mtu=1 -m ipv4 e1000g0", "incorrect syntax used for -p.\n\treset-ifprop\t"),
        ("set-ifprop -p mtu=1400 -m ipv4 -m ip e1000g0", "-m must be specified once only"),
        ("show-ifprop -m ipv4 -m ip", "cannot specify more than one -m"),
        ("show-prop -p ttl -p ttl ipv4", "-p must be specified once only"),
        ("set-ifprop -p arp=maybe -m ipv4 e1000g0", "set-ifprop: arp: Invalid argument provided"),
        ("set-prop -p ttl=999 ipv4", "set-prop: ttl: Value is outside the allowed range"),
        ("set-prop -p ttl=x ipv4", "set-prop: ttl: Invalid argument provided"),
        ("set-prop -p hostmodel=5 ipv4", "set-prop: hostmodel: Invalid argument provided"),
        ("set-addrprop -p broadcast=10.0.0.1 e1000g0/v4", "set-addrprop: broadcast: Operation not"),
        ("set-addrprop -p primary=on e1000g0/v4", "set-addrprop: primary: Operation not supported"),
        ("set-addrprop -p prefixlen=31 e1000g0/v4", "set-addrprop: prefixlen: Invalid argument"),
        ("set-addrprop -p prefixlen=33 e1000g0/v4", "set-addrprop: prefixlen: Invalid argument"),
        ("set-addrprop -p private=x e1000g0/v4", "set-addrprop: private: Invalid argument provided"),
        ("set-addrprop -p private=on e1000g0/no", "set-addrprop: private: Object not found"),
        ("set-addrprop -p private=on e1000g0/v6", "set-addrprop: private: Operation not supported"),
        ("show-addrprop e1000g0", "invalid addrobj name provided"),
        ("show-addrprop e1000g0/no", "addrobj not found: e1000g0/no"),
    ],
)
def test_what_is_refused_of_properties(host: FakeHost, line: str, message: str) -> None:
    do(host, "create-addr -T addrconf e1000g0/v6")
    assert failures(host, line).startswith(message)


def test_a_property_that_does_not_exist_is_listed_as_unknown(host: FakeHost) -> None:
    result = run(host, "show-ifprop -c -o ifname,property,current -p bogus,mtu -m ipv4 e1000g0")
    assert result == (1, "e1000g0:bogus:?\ne1000g0:mtu:1500\n", "")
    assert run(host, "show-prop -c -o property,perm -p bogus tcp") == (1, "bogus:?\n", "")
    assert run(host, "show-addrprop -c -o property,current -p bogus e1000g0/v4") == (1, "bogus:?\n", "")
    # Nothing is unknown of the name itself.
    assert run(host, "show-prop -c -o property -p bogus tcp") == (0, "bogus\n", "")


def test_properties_come_in_the_order_asked_for(host: FakeHost) -> None:
    show = "show-ifprop -c -o property -m ipv4 -p mtu,arp e1000g0"
    assert run(host, show).stdout == "mtu\narp\n"
    assert run(host, "show-prop -c -o property -p ttl,forwarding ipv4").stdout == "ttl\nforwarding\n"


def test_address_properties_as_they_are_listed(host: FakeHost) -> None:
    do(host, "set-addrprop -p prefixlen=26 e1000g0/v4")
    show = "show-addrprop -c -o property,perm,current,persistent,default,possible e1000g0/v4"
    assert run(host, show).stdout.splitlines() == [
        "broadcast:r-:192.0.2.63::192.0.2.255:",
        "deprecated:rw:off::off:on,off",
        "prefixlen:rw:26:26:24:1-30,32",
        "primary:r-::::",
        "private:rw:off::off:on,off",
        "reqhost:rw::::",
        "transmit:rw:on::on:on,off",
        "zone:rw:global::global:",
    ]
    do(host, "reset-addrprop -p prefixlen e1000g0/v4")
    assert run(host, "show-addrprop -c -o current -p prefixlen e1000g0/v4").stdout == "24\n"


def test_only_named_objects_have_properties(host: FakeHost) -> None:
    do(host, "create-addr -T addrconf e1000g0/v6")
    host.run("ifconfig", "e1000g0", "addif", "192.0.2.77/24", "up")
    assert run(host, "show-addrprop -c -o addrobj -p private e1000g0/").stdout == "e1000g0/v4\n"
    assert run(host, "show-addrprop -c -o addrobj -p private e1000g0/v6") == (0, "", "")


def test_the_host_name_of_a_dhcp_object(host: FakeHost) -> None:
    do(host, "create-addr -T dhcp -1 -h first -w 0 v0/dhcp")
    show = "show-addrprop -c -o current,persistent -p primary,reqhost v0/dhcp"
    assert run(host, show).stdout == "on:\nfirst:first\n"
    do(host, "set-addrprop -p reqhost=second v0/dhcp")
    assert host.kernel.called("renew_dhcp_lease") == [("global", "v0")]
    host.boot_network()
    assert run(host, show).stdout == "on:\nsecond:second\n"
