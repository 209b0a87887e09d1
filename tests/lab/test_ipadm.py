"""ipadm: messages, the newline that goes astray, and the rules between objects."""

from __future__ import annotations

import threading
from ipaddress import ip_interface
from pathlib import Path

import pytest

from tests.lab.fakes import FakeHost, fake_host


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with a static address on its physical link."""
    host = fake_host(tmp_path)
    line = "create-addr -T static -a 192.0.2.11/24 e1000g0/v4"
    assert host.run("ipadm", *line.split()) == (0, "", "")
    return host


def addresses(host: FakeHost, *operand: str, zone: str = "global") -> list[str]:
    show = ("ipadm", "show-addr", "-p", "-o", "addrobj,type,state,addr")
    return host.run(*show, *operand, zone=zone).stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("create-if e1000g0", "Could not create e1000g0 : Interface already exists"),
        ("create-if nope0", "Could not create nope0 : Could not open DLPI link"),
        ("create-if bad-0", "Could not create bad-0 : Invalid name"),
        ("delete-if nope0", "Could not delete nope0: Interface does not exist"),
        ("enable-if e1000g0", "persistent operation not supported for enable-if"),
        ("disable-if e1000g0", "persistent operation not supported for disable-if"),
        ("enable-if -t nope0", "Could not enable nope0 : Interface does not exist"),
        ("show-if nope0", "Could not get interface(s): Interface does not exist"),
        ("show-if -p", "output fields must be specified in parsable mode"),
        (
            "create-addr -T static -a 192.0.2.12/24 e1000g0/v4",
            "Could not create address: Address object already exists",
        ),
        (
            "create-addr -T static -a 192.0.2.11/24 e1000g0/b",
            "Could not create address: Address already in use",
        ),
        (
            "create-addr -T static -a 10.0.0.1/24 nope0/v4",
            "Could not create address: Could not open DLPI link",
        ),
        (
            "create-addr -T static -a 10.0.0.1/24 e1000g0/a_b",
            "Could not create address: Invalid name",
        ),
        (
            "create-addr -T static -a 10.0.0.1/24 e1000g0/1a",
            "Could not create address: Invalid name",
        ),
        (
            "create-addr -T static -a 10.0.0.300/24 e1000g0/b",
            "Error in setting local address: Invalid address",
        ),
        (
            "create-addr -T static -a local=10.0.0.1,remote=10.0.0.2 e1000g0/b",
            "Could not create address: Invalid argument provided",
        ),
        (
            "create-addr -T static -a 2001:db8::1/64 e1000g0/b",
            "Could not create address: Can't assign requested address",
        ),
        ("create-addr -T bootp e1000g0/b", "Invalid address type bootp"),
        ("create-addr -T dhcp -a 10.0.0.1 e1000g0/b", "Invalid arguments for type dhcp"),
        ("create-addr -T static e1000g0/b", "Invalid arguments for type static"),
        ("delete-addr e1000g0/nope", "could not delete address: Object not found"),
        ("show-addr e1000g0/nope", "Could not get address: Object not found"),
        ("show-addr e1000g0", "Invalid address object name provided"),
        ("show-addr -p", "-p requires -o"),
        ("show-addr -p -o zone", "unknown output field: `zone'"),
        ("enable-addr e1000g0/v4", "persistent operation not supported for enable-addr"),
        ("set-ifprop -p mtu=1 -m ipv4 e1000g0", "set-ifprop: mtu: Invalid argument provided"),
        ("set-ifprop -p x=1 -m ipv4 e1000g0", "set-ifprop: x: Unknown property"),
        ("set-ifprop -p forwarding=on -m ipv4 no0", "set-ifprop: forwarding: Interface does not"),
        ("set-ifprop -p forwarding=on e1000g0", "Usage: \tset-ifprop\t[-t] -p"),
        (
            "set-ifprop -p mtu=1400 -p forwarding=on -m ipv4 e1000g0",
            "-p must be specified once only",
        ),
        (
            "set-ifprop -p mtu=1400,forwarding=on -m ipv4 e1000g0",
            "cannot specify more than one prop=val at a time.",
        ),
        ("show-ifprop nope0", "no such object 'nope0': Interface does not exist"),
        ("set-prop -p forwarding=on smtp", "invalid protocol 'smtp' specified"),
        ("set-prop -p forwarding=maybe ipv4", "set-prop: forwarding: Invalid argument provided"),
        ("show-prop -p forwarding", "protocol must be specified when property name is used"),
        ("create-if", "usage: \tcreate-if\t[-t] <interface>"),
    ],
)
def test_failures_split_their_newline(host: FakeHost, line: str, message: str) -> None:
    result = host.run("ipadm", *line.split())
    assert (result.exit, result.stdout) == (1, "\n")
    assert result.stderr.startswith(f"ipadm: {message}")
    assert not result.stderr.endswith("\n")
    assert addresses(host, "e1000g0/") == ["e1000g0/v4:static:ok:192.0.2.11/24"]


def test_unknown_subcommand_and_help(host: FakeHost) -> None:
    result = host.run("ipadm", "frobnicate")
    assert result.exit == 1
    assert result.stderr.startswith("ipadm: unknown subcommand 'frobnicate'\n")
    assert host.run("ipadm", "help").exit == 0
    assert host.run("ipadm").stdout == host.run("ipadm", "show-addr").stdout


def test_writes_need_an_authorization(host: FakeHost) -> None:
    for line in ("create-if e1000g0", "delete-addr e1000g0/v4", "set-prop -p forwarding=on ipv4"):
        result = host.run("ipadm", *line.split(), privileged=False)
        assert result.exit == 1
        assert result.stderr.endswith("Insufficient user authorizations")
    assert host.run("ipadm", "show-addr", privileged=False).exit == 0


def test_human_listing(host: FakeHost) -> None:
    assert host.run("ipadm", "show-addr").stdout == (
        "ADDROBJ           TYPE     STATE        ADDR\n"
        "lo0/v4            static   ok           127.0.0.1/8\n"
        "e1000g0/v4        static   ok           192.0.2.11/24\n"
        "lo0/v6            static   ok           ::1/128\n"
    )
    assert host.run("ipadm", "show-if").stdout == (
        "IFNAME     CLASS     STATE    CURRENT      PERSISTENT\n"
        "lo0        VIRTUAL   ok       -m-v------46 ---\n"
        "e1000g0    IP        ok       bm--------46 -46\n"
    )


def test_create_addr_plumbs_and_rolls_back(host: FakeHost) -> None:
    host.run("dladm", "create-vnic", "-l", "e1000g0", "v0")
    failed = host.run("ipadm", *["create-addr", "-T", "static", "-a", "192.0.2.11/24", "v0/v4"])
    assert failed.exit == 1
    assert not host.stacks["global"].is_plumbed("v0")
    assert host.run("ipadm", *["create-addr", "-T", "static", "-a", "10.0.0.1", "v0/v4"]).exit == 0
    # Without a length the class decides.
    assert addresses(host, "v0/v4") == ["v0/v4:static:ok:10.0.0.1/8"]


def test_ipv6_needs_a_link_local_address_which_shows_its_scope(host: FakeHost) -> None:
    assert host.run("ipadm", "create-addr", "-T", "addrconf", "e1000g0/v6").exit == 0
    created = host.run("ipadm", *["create-addr", "-T", "static", "-a", "2001:db8::1/64", "e1000g0/g"])
    assert created.exit == 0
    shown = host.run("ipadm", "show-addr", "-p", "-o", "addr", "e1000g0/v6").stdout
    assert shown == "fe80::a00:27ff:fe01:203%e1000g0/10\n"


def test_temporary_objects_are_gone_and_persistent_ones_return(host: FakeHost) -> None:
    host.run("ipadm", *["create-addr", "-t", "-T", "static", "-a", "192.0.2.12/24", "e1000g0/t"])
    host.run("ipadm", *["set-ifprop", "-p", "forwarding=on", "-m", "ipv4", "e1000g0"])
    host.run("ipadm", *["set-ifprop", "-t", "-p", "mtu=1400", "-m", "ipv4", "e1000g0"])
    assert len(addresses(host, "e1000g0/")) == 2
    host.boot_network()
    assert addresses(host, "e1000g0/") == ["e1000g0/v4:static:ok:192.0.2.11/24"]
    show = ("ipadm", "show-ifprop", "-c", "-o", "property,current,persistent", "-m", "ipv4")
    assert host.run(*show, "-p", "forwarding,mtu", "e1000g0").stdout == ("forwarding:on:on\nmtu:1500:\n")
    assert host.kernel.called("set_forwarding")[-1] == ("global", "e1000g0", True)


def test_persistent_over_temporary_is_refused(host: FakeHost) -> None:
    host.run("dladm", "create-vnic", "-l", "e1000g0", "v0")
    host.run("ipadm", "create-if", "-t", "v0")
    result = host.run("ipadm", *["create-addr", "-T", "static", "-a", "10.0.0.1/24", "v0/v4"])
    assert result.stderr == ("ipadm: Could not create address: Persistent operation on temporary object")
    assert host.run("ipadm", *["create-addr", "-t", "-T", "static", "-a", "10.0.0.1/24", "v0/v4"]).exit == 0


def test_disabled_interface_is_still_listed(host: FakeHost) -> None:
    assert host.run("ipadm", "disable-if", "-t", "e1000g0").exit == 0
    assert addresses(host, "e1000g0/") == ["e1000g0/v4:static:disabled:192.0.2.11/24"]
    assert host.run("ipadm", "show-if", "-p", "-o", "state,current", "e1000g0").stdout == (
        "disabled:------------\n"
    )
    assert host.run("ipadm", "enable-if", "-t", "e1000g0").exit == 0
    assert addresses(host, "e1000g0/") == ["e1000g0/v4:static:ok:192.0.2.11/24"]


def test_delete_if_forgets_everything(host: FakeHost) -> None:
    assert host.run("ipadm", "delete-if", "e1000g0") == (0, "", "")
    host.boot_network()
    assert addresses(host) == ["lo0/v4:static:ok:127.0.0.1/8", "lo0/v6:static:ok:\\:\\:1/128"]


def test_addresses_go_down_and_up(host: FakeHost) -> None:
    assert host.run("ipadm", "down-addr", "e1000g0/v4").exit == 0
    assert addresses(host, "e1000g0/v4") == ["e1000g0/v4:static:down:192.0.2.11/24"]
    assert host.kernel.called("delete_address")[-1] == ("global", "e1000g0", "192.0.2.11/24")
    host.boot_network()
    assert addresses(host, "e1000g0/v4") == ["e1000g0/v4:static:down:192.0.2.11/24"]
    assert host.run("ipadm", "up-addr", "e1000g0/v4").exit == 0
    assert host.run("ipadm", "show-addr", "-p", "-o", "current,persistent", "e1000g0/v4") == (
        0,
        "U----:U--\n",
        "",
    )


def test_dhcp_without_a_lease_warns_and_succeeds(host: FakeHost) -> None:
    host.run("dladm", "create-vnic", "-l", "e1000g0", "v0")
    result = host.run("ipadm", *["create-addr", "-T", "dhcp", "-w", "0", "v0/dhcp"])
    assert result.exit == 0
    assert addresses(host, "v0/dhcp") == ["v0/dhcp:dhcp:down:?"]
    host.kernel.leases["global", "v0"] = ip_interface("198.51.100.7/24")
    assert addresses(host, "v0/dhcp") == ["v0/dhcp:dhcp:ok:198.51.100.7/24"]
    assert host.run("ipadm", "delete-addr", "-r", "v0/dhcp").exit == 0
    assert host.kernel.called("stop_dhcp_client") == [("global", "v0")]


def test_an_address_that_another_zone_has_is_a_duplicate(host: FakeHost) -> None:
    host.run("dladm", "create-etherstub", "lan0")
    for vnic in ("a0", "b0"):
        host.run("dladm", "create-vnic", "-l", "lan0", vnic)
    host.add_zone("web")
    host.links.lend("b0", "web", [])
    host.run("ipadm", *["create-addr", "-T", "static", "-a", "10.0.0.1/24", "a0/v4"])
    made = host.run("ipadm", *["create-addr", "-T", "static", "-a", "10.0.0.1/24", "b0/v4"], zone="web")
    assert made.exit == 0
    assert addresses(host, "b0/v4", zone="web") == ["b0/v4:static:duplicate:10.0.0.1/24"]
    assert addresses(host, "a0/v4") == ["a0/v4:static:ok:10.0.0.1/24"]


def test_a_zone_configures_its_own_stack_and_file(host: FakeHost) -> None:
    host.run("dladm", "create-vnic", "-l", "e1000g0", "v0")
    root = host.add_zone("web")
    host.links.lend("v0", "web", [])
    host.run("ipadm", *["create-addr", "-T", "static", "-a", "10.0.0.5/24", "v0/v4"], zone="web")
    assert (root / "etc/ipadm/ipadm.conf").exists()
    assert "10.0.0.5" not in host.run("ipadm", "show-addr").stdout
    assert host.kernel.called("add_address")[-1] == ("web", "v0", "10.0.0.5/24")
    assert host.run("ipadm", "create-if", "v0").stderr == (
        "ipadm: Could not create v0 : Interface already in use"
    )


def test_a_shared_ip_zone_only_looks(host: FakeHost) -> None:
    host.zones.states["shared"] = "running"  # type: ignore[attr-defined]
    name = host.stacks["global"].add_logical("e1000g0", "192.0.2.50/24", "shared")
    assert name == "e1000g0:1"
    assert "e1000g0/?:static:ok:192.0.2.50/24" in addresses(host, zone="shared")
    assert "192.0.2.11" not in host.run("ipadm", "show-addr", zone="shared").stdout
    assert host.run("ipadm", "create-if", "e1000g0", zone="shared").exit == 1
    host.stacks["global"].remove_logical("e1000g0", "192.0.2.50/24")
    assert len(addresses(host, "e1000g0/")) == 1


def test_the_forwarding_switch_of_the_stack_sets_every_interface(host: FakeHost) -> None:
    assert host.run("ipadm", "set-prop", "-p", "forwarding=on", "ipv4").exit == 0
    show = ("ipadm", "show-ifprop", "-c", "-o", "current", "-p", "forwarding", "-m", "ipv4")
    assert host.run(*show, "e1000g0").stdout == "on\n"
    show_prop = ("ipadm", "show-prop", "-c", "-o", "current,persistent", "-p", "forwarding")
    assert host.run(*show_prop, "ipv4").stdout == "on:on\n"
    host.boot_network()
    assert host.run(*show, "e1000g0").stdout == "on\n"
    host.run("ipadm", "reset-prop", "-p", "forwarding", "ipv4")
    assert host.run(*show, "e1000g0").stdout == "off\n"


def test_a_property_with_a_list_takes_and_gives_single_values(host: FakeHost) -> None:
    show = ("ipadm", "show-prop", "-c", "-o", "current,persistent", "-p", "extra_priv_ports", "tcp")
    assert host.run("ipadm", "set-prop", "-p", "extra_priv_ports+=3000", "tcp") == (0, "", "")
    assert host.run(*show).stdout == "2049,4045,3000:2049,4045,3000\n"
    assert host.run("ipadm", "set-prop", "-t", "-p", "extra_priv_ports-=2049", "tcp").exit == 0
    assert host.run(*show).stdout == "4045,3000:2049,4045,3000\n"
    for argument, status in (
        ("extra_priv_ports+=3000", "Already exists"),
        ("extra_priv_ports-=2049", "Value does not exist"),
        ("extra_priv_ports+=70000", "Value is outside the allowed range"),
        ("smallest_anon_port+=40000", "Invalid argument provided"),
    ):
        name = argument.partition("=")[0][:-1]
        refused = host.run("ipadm", "set-prop", "-p", argument, "tcp")
        assert (refused.exit, refused.stderr) == (1, f"ipadm: set-prop: {name}: {status}")
    host.boot_network()
    assert host.run(*show).stdout == "2049,4045,3000:2049,4045,3000\n"


def test_address_properties(host: FakeHost) -> None:
    assert host.run("ipadm", "set-addrprop", "-p", "prefixlen=26", "e1000g0/v4").exit == 0
    assert addresses(host, "e1000g0/v4") == ["e1000g0/v4:static:ok:192.0.2.11/26"]
    host.boot_network()
    show = ("ipadm", "show-addrprop", "-c", "-o", "current,possible", "-p", "prefixlen")
    assert host.run(*show, "e1000g0/v4").stdout == "26:1-30,32\n"


def test_what_cannot_be_remembered_is_undone(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: Path, _text: str) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    result = host.run("ipadm", *["create-addr", "-T", "static", "-a", "192.0.2.12/24", "e1000g0/b"])
    assert result.stderr == "ipadm: Could not create address: Operation failed"
    assert addresses(host, "e1000g0/") == ["e1000g0/v4:static:ok:192.0.2.11/24"]
    made = host.run("dladm", "create-etherstub", "lan0")
    assert made.stderr == "dladm: etherstub creation failed: buffer size too small\n"
    assert host.links.get("lan0") is None


def test_create_addr_waits_for_the_lease_without_the_lock(host: FakeHost) -> None:
    host.run("dladm", "create-vnic", "-l", "e1000g0", "v0")

    def grant() -> None:
        with host.lock:
            host.kernel.leases["global", "v0"] = ip_interface("198.51.100.7/24")

    timer = threading.Timer(0.3, grant)
    timer.start()
    assert host.run("ipadm", *["create-addr", "-T", "dhcp", "-w", "20", "v0/dhcp"]) == (0, "", "")
    timer.join()
    assert addresses(host, "v0/dhcp") == ["v0/dhcp:dhcp:ok:198.51.100.7/24"]
