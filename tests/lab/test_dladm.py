"""dladm: messages, streams, exit codes, and the rules between links."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest

from illumos_lab.commands import dladm
from illumos_lab.invocation import Invocation
from illumos_lab.links import LinkError
from illumos_lab.profile import OPENINDIANA
from tests.lab.fakes import FakeHost, fake_host


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with an etherstub, a vnic over it and a vnic over the physical link."""
    host = fake_host(tmp_path)
    for line in (
        "create-etherstub stub0",
        "create-vnic -l stub0 -m 02:08:20:00:0a:01 v0",
        "create-vnic -l e1000g0 pub0",
    ):
        assert host.run("dladm", *line.split()) == (0, "", "")
    return host


@pytest.fixture
def gate(tmp_path: Path) -> FakeHost:
    """The same on a distribution close to illumos-gate."""
    host = fake_host(tmp_path, OPENINDIANA)
    host.run("dladm", "create-etherstub", "stub0")
    host.run("dladm", "create-vnic", "-l", "stub0", "v0")
    return host


def test_links_are_listed_in_order_of_their_ids(host: FakeHost) -> None:
    assert host.run("dladm").stdout == (
        "LINK        CLASS     MTU    STATE    BRIDGE     OVER\n"
        "e1000g0     phys      1500   up       --         --\n"
        "stub0       etherstub 9000   up       --         --\n"
        "v0          vnic      9000   up       --         stub0\n"
        "pub0        vnic      1500   up       --         e1000g0\n"
    )
    assert host.run("dladm", "show-link", "-P", "v0").stdout == (
        "LINK        CLASS     BRIDGE     OVER\nv0          vnic      --         stub0\n"
    )


def test_macs_have_no_leading_zeros_and_are_escaped_among_other_fields(host: FakeHost) -> None:
    show = ("dladm", "show-vnic", "-p", "-o")
    assert host.run(*show, "macaddress", "v0").stdout == "2:8:20:0:a:1\n"
    assert host.run(*show, "link,macaddress,vid,zone", "v0").stdout == ("v0:2\\:8\\:20\\:0\\:a\\:1:0:--\n")
    assert host.run(*show, "macaddress", "pub0").stdout.startswith("2:8:20:")


def test_gate_has_no_zone_column(gate: FakeHost) -> None:
    show = ("dladm", "show-vnic", "-p", "-o", "zone")
    assert gate.run(*show) == (1, "", "dladm: unknown output field: `zone'\n")
    assert gate.run("dladm", "show-vnic").stdout.splitlines()[0] == (
        "LINK         OVER         SPEED    MACADDRESS        MACADDRTYPE         VID"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("frobnicate-link", "unknown subcommand 'frobnicate-link'\nusage:  dladm <subcommand>"),
        ("show-link nope0", "link nope0 is not valid: object not found\n"),
        ("show-link -p", "-p requires -o\n"),
        ("show-link -p -o all", '"-o all" is invalid with -p\n'),
        ("show-link -i 1", "the option -i can be used only with -s\n"),
        ("show-link -s -i 0", "invalid interval value '0'\n"),
        (
            "show-link -S",
            "unrecognized option '-S'\nusage: show-link [-P] [-s [-i secs]] [[-p] -o field,...] [LINK]\n",
        ),
        ("show-link -s -P", "the option -P cannot be used with -s\n"),
        ("show-link -p nope0", "link nope0 is not valid: object not found\n"),
        ("show-linkmap x", "invalid arguments\n"),
        ("show-ether v0", "invalid link specified\n"),
        ("show-ether -p", "output fields must be specified in parsable mode\n"),
        ("show-ether -x", "show-ether -x: not emulated by the lab\n"),
        ("show-phys nope0", "link nope0 is not valid: object not found\n"),
        ("show-phys v0", "failed to show physical link v0: invalid argument\n"),
        ("show-phys -m -P", "-m not compatible with -P\n"),
        ("show-phys -p -o all", '"-o all" is invalid with -p\n'),
        ("show-link -o", "option '-o' requires a value\nusage: "),
        ("show-link -Q", "unrecognized option '-Q'\nusage: "),
        ("show-link -z x", "unrecognized option '-z'\nusage: "),
        ("show-link -P -P", "the option -P cannot be specified more than once\n"),
        ("show-phys -m -H", "-m cannot combine with -H\n"),
        ("create-etherstub stub0", "etherstub creation failed: object already exists\n"),
        ("create-etherstub e1000g0", "etherstub creation failed: object already exists\n"),
        ("create-etherstub bad-name0", "invalid link name 'bad-name0'\n"),
        ("create-etherstub " + "a" * 31 + "0", "link name too long '" + "a" * 31 + "0'\n"),
        ("delete-etherstub nope0", "invalid link name 'nope0'\n"),
        ("delete-etherstub v0", "'v0' is not an etherstub\n"),
        ("delete-etherstub stub0", "vnic deletion failed: link busy\n"),
        ("show-etherstub nope0", "invalid etherstub name 'nope0': object not found\n"),
        ("show-etherstub v0", "datalink v0 is not an etherstub: found class vnic\n"),
        ("show-etherstub -l v0", "option not supported for this command\n"),
        ("create-vnic -l nope0 v1", "invalid link name 'nope0'\n"),
        ("create-vnic -l stub0 v01", "invalid link name 'v01'\n"),
        ("create-vnic -l stub0 v0", "vnic creation over stub0 failed: object already exists\n"),
        ("create-vnic -l v0 v1", "vnic creation over v0 failed: invalid argument\n"),
        ("create-vnic -l stub0 -m fixed v1", "'fixed' is not a valid MAC address\n"),
        ("create-vnic -l stub0 -m 1:2 v1", "invalid MAC address\n"),
        ("create-vnic -l stub0 -m auto -m auto v1", "cannot specify -m option twice\n"),
        ("create-vnic -l stub0 -v 0 v1", "invalid VLAN identifier '0'\n"),
        ("create-vnic -l stub0 -v 4095 v1", "invalid VLAN identifier '4095'\n"),
        ("create-vnic -l stub0 -f v1", "-f option can only be used with -v\n"),
        ("create-vnic -l stub0 -m factory -n x v1", "invalid slot number\n"),
        ("create-vnic -l stub0 -p ,mtu=1500 v1", "invalid vnic property\n"),
        (
            "create-vnic -l stub0 -m 2:8:20:0:a:1 v1",
            "vnic creation over stub0 failed: MAC address is already in use\n",
        ),
        (
            "create-vnic -l stub0 -p mtu=99999 v1",
            "warning: failed to set property mtu: "
            "MTU check failed, MTU outside of device's supported range\n"
            "dladm: vnic creation over stub0 failed: ",
        ),
        ("create-vnic v1", "usage:"),
        ("delete-vnic nope0", "invalid link name 'nope0'\n"),
        ("delete-vnic stub0", "'stub0' is not a vnic\n"),
        ("delete-vnic e1000g0", "vnic deletion failed: invalid argument\n"),
        ("show-vnic nope0", "invalid vnic name 'nope0': object not found\n"),
        ("show-vnic e1000g0", "datalink e1000g0 is not a vnic: found class phys\n"),
        ("show-vnic -p", "output fields must be specified in parsable mode\n"),
        ("modify-vnic v0", "unknown subcommand 'modify-vnic'\nusage:"),
        ("create-vlan -l e1000g0 -v x", "invalid VLAN identifier 'x'\n"),
        ("create-vlan -l nope0 -v 5", "invalid link name 'nope0'\n"),
        ("create-vlan -l e1000g0 -v 5 -p ,x=1", "invalid vlan property\n"),
        ("create-vlan -l e1000g0 -v 5 " + "v" * 31 + "0", "vlan name too long '" + "v" * 31 + "0'\n"),
        ("create-vlan -l e1000g0 -v 5 bad-0", "create operation failed: invalid argument\n"),
        ("create-vlan -l e1000g0 -v 5 v0", "create operation failed: object already exists\n"),
        ("delete-vlan nope0", "delete operation failed: object not found\n"),
        ("delete-vlan v0", "delete operation failed: invalid argument\n"),
        ("show-vlan nope0", "link nope0 is not valid: object not found\n"),
        ("show-vlan v0", "failed to show vlan v0: object not found\n"),
        ("delete-simnet nope0", "simnet 'nope0' not found\n"),
        ("rename-link nope0 new0", "rename operation failed: object not found\n"),
        ("rename-link v0 pub0", "rename operation failed: object already exists\n"),
        ("rename-link v0 bad-0", "rename operation failed: invalid argument\n"),
        ("set-linkprop v0", "link property must be specified\n"),
        ("set-linkprop -p , v0", "invalid link properties specified\n"),
        ("set-linkprop -p mtu v0", "no value specified for 'mtu'\n"),
        ("set-linkprop -p mtu=1500 nope0", "link nope0 is not valid: object not found\n"),
        ("set-linkprop -p wings=2 v0", "warning: invalid link property 'wings'\n"),
        (
            "set-linkprop -p priority=urgent v0",
            "warning: link property 'priority' must be one of: low,medium,high\n",
        ),
        ("set-linkprop -p maxbw=fast v0", "warning: invalid link property 'fast'\n"),
        (
            "set-linkprop -p maxbw=1M v0",
            "warning: cannot set link property 'maxbw' on 'v0': minimum value for maxbw is 1200K\n",
        ),
        (
            "set-linkprop -p speed=100 e1000g0",
            "warning: cannot set link property 'speed' on 'e1000g0': read-only property\n",
        ),
        (
            "set-linkprop -p zone=z v0",
            "warning: cannot set link property 'zone' on 'v0': change cannot be persistent\n",
        ),
        (
            "set-linkprop -p allowed-ips=10.0.0.1/24 v0",
            "warning: cannot set link property 'allowed-ips' on 'v0': invalid IP address\n",
        ),
        (
            "show-linkprop -p wings v0",
            "warning: cannot get link property 'wings' for v0: object not found\n",
        ),
        ("up-aggr", "up-aggr: not emulated by the lab\n"),
    ],
)
def test_failures(host: FakeHost, line: str, message: str) -> None:
    before = [link.name for link in host.links.all()]
    result = host.run("dladm", *line.split())
    assert result.exit == 1
    assert result.stdout == ""
    expected = message if message.startswith("usage:") else f"dladm: {message}"
    assert result.stderr.startswith(expected)
    assert [link.name for link in host.links.all()] == before


def test_gate_says_vnic_of_etherstubs_and_nothing_of_other_classes(gate: FakeHost) -> None:
    message = "dladm: invalid vnic name 'nope0': object not found\n"
    assert gate.run("dladm", "show-etherstub", "nope0") == (1, "", message)
    assert gate.run("dladm", "show-etherstub", "v0") == (0, "", "")
    assert gate.run("dladm", "show-vnic", "stub0") == (0, "", "")


def test_help_is_usage_and_success(host: FakeHost) -> None:
    result = host.run("dladm", "help")
    assert (result.exit, result.stdout) == (0, "")
    assert result.stderr.startswith("usage:  dladm <subcommand> <args> ...\n")


def test_changes_need_privilege(host: FakeHost) -> None:
    for line, message in (
        ("create-etherstub s1", "etherstub creation failed: permission denied"),
        ("create-vnic -l stub0 v1", "vnic creation over stub0 failed: permission denied"),
        ("delete-vnic v0", "vnic deletion failed: permission denied"),
        ("rename-link v0 v9", "rename operation failed: permission denied"),
    ):
        result = host.run("dladm", *line.split(), privileged=False)
        assert result == (1, "", f"dladm: {message}\n")
    assert host.run("dladm", "show-link", privileged=False).exit == 0


def test_persistent_over_temporary_is_refused(host: FakeHost) -> None:
    host.run("dladm", "create-etherstub", "-t", "tmp0")
    assert host.run("dladm", "create-vnic", "-l", "tmp0", "v1").stderr == (
        "dladm: vnic creation over tmp0 failed: can't create persistent object on top of temporary object\n"
    )
    assert host.run("dladm", "create-vnic", "-t", "-l", "tmp0", "v1").exit == 0
    assert host.run("dladm", "show-link", "-P", "tmp0").stderr == (
        "dladm: link tmp0 is a temporary link: invalid argument\n"
    )


def test_what_is_persistent_returns_at_boot(host: FakeHost) -> None:
    host.run("dladm", "create-etherstub", "-t", "tmp0")
    host.run("dladm", "set-linkprop", "-p", "maxbw=100M", "v0")
    host.run("dladm", "set-linkprop", "-t", "-p", "priority=low", "v0")
    host.run("dladm", "delete-vnic", "-t", "pub0")
    assert host.run("dladm", "show-link", "pub0").stderr == (
        "dladm: link pub0 is temporarily removed: invalid argument\n"
    )
    assert host.run("dladm", "create-etherstub", "pub0").exit == 1
    mac = host.run("dladm", "show-vnic", "-p", "-o", "macaddress", "v0").stdout
    host.boot_network()
    assert [link.name for link in host.links.all()] == ["e1000g0", "stub0", "v0", "pub0"]
    assert host.run("dladm", "show-vnic", "-p", "-o", "macaddress", "v0").stdout == mac
    values = host.run("dladm", "show-linkprop", "-c", "-o", "value", "-p", "maxbw,priority", "v0")
    assert values.stdout == "  100\nhigh\n"


def test_removing_a_record_that_is_not_active_is_silent(host: FakeHost) -> None:
    host.run("dladm", "delete-vnic", "-t", "v0")
    assert host.run("dladm", "delete-vnic", "v0") == (0, "", "")
    assert host.run("dladm", "show-link", "-P", "v0").exit == 1


def test_a_renamed_link_keeps_its_users(host: FakeHost) -> None:
    assert host.run("dladm", "rename-link", "stub0", "lan0").exit == 0
    assert host.run("dladm", "show-link", "-p", "-o", "over", "v0").stdout == "lan0\n"
    host.run("dladm", "rename-link", "e1000g0", "net0")
    host.boot_network()
    assert host.run("dladm", "show-phys", "-p", "-o", "link,device").stdout == "net0:e1000g0\n"
    assert host.run("dladm", "show-link", "-p", "-o", "over", "pub0").stdout == "net0\n"


def test_a_vnic_with_the_address_of_a_virtual_router(host: FakeHost) -> None:
    show = ("dladm", "show-vnic", "-p", "-o", "macaddress,macaddrtype")
    for family, address in (("inet", "0:0:5e:0:1:a"), ("inet6", "0:0:5e:0:2:a")):
        options = ["-m", "vrrp", "-V", "10", "-A", family]
        assert host.run("dladm", "create-vnic", *options, "-l", "stub0", f"{family}v1") == (0, "", "")
        escaped = address.replace(":", "\\:")
        assert host.run(*show, f"{family}v1").stdout == f"{escaped}:vrrp, 10/{family}\n"
    host.boot_network()
    assert host.run(*show, "inetv1").stdout.endswith(":vrrp, 10/inet\n")
    for options in (["-m", "vrrp", "-V", "10"], ["-m", "vrrp", "-V", "256", "-A", "inet"], ["-V", "1"]):
        refused = host.run("dladm", "create-vnic", *options, "-l", "stub0", "w1")
        assert (refused.exit, refused.stderr.startswith("usage:")) == (1, True)


def test_root_option_defers_to_the_next_boot(host: FakeHost) -> None:
    root = host.root / "a"
    (root / "var/svc/profile").mkdir(parents=True)
    assert host.run("dladm", "create-etherstub", "-R", "/a", "s9") == (0, "", "")
    assert (root / "var/svc/profile/upgrade").read_text() == (
        "/sbin/dladm create-etherstub s9 # added by dladm(8)\n"
    )
    (root / "etc/dladm").mkdir(parents=True)
    (root / "etc/dladm/datalink.conf").touch()
    host.run("dladm", "create-vnic", "-R/a", "-l", "stub0", "v8")
    assert (root / "var/svc/profile/upgrade_datalink").exists()
    assert host.links.get("s9") is None
    assert host.run("dladm", "create-etherstub", "-R", "/none", "s9").stderr == (
        "dladm: operation not supported on /none\n"
    )


def test_a_list_of_properties_is_not_atomic_and_the_last_one_decides(host: FakeHost) -> None:
    result = host.run("dladm", "set-linkprop", "-p", "wings=2,priority=low", "v0")
    assert result == (0, "", "dladm: warning: invalid link property 'wings'\n")
    link = host.links.get("v0")
    assert link is not None
    assert link.properties == {"priority": ["low"]}


def test_protection_reaches_the_wire(host: FakeHost) -> None:
    given = "allowed-ips=10.0.0.5,10.0.0.6,protection=ip-nospoof,mac-nospoof"
    assert host.run("dladm", "set-linkprop", "-p", given, "v0").exit == 0
    expected = frozenset({"ip-nospoof", "mac-nospoof"})
    assert host.kernel.called("set_protection")[-1] == (
        "v0",
        expected,
        ("10.0.0.5", "10.0.0.6"),
        "2:8:20:0:a:1",
    )
    shown = host.run("dladm", "show-linkprop", "-c", "-o", "value", "-p", "allowed-ips", "v0")
    assert shown.stdout == "10.0.0.5,10.0.0.6\n"
    host.run("dladm", "reset-linkprop", "-p", "protection,allowed-ips", "v0")
    assert host.kernel.called("set_protection")[-1][1:3] == (frozenset(), ())


def test_a_plumbed_or_lent_link_is_busy(host: FakeHost) -> None:
    host.run("ipadm", "create-if", "pub0")
    busy = (1, "", "dladm: vnic deletion failed: link busy\n")
    assert host.run("dladm", "delete-vnic", "pub0") == busy
    host.run("ipadm", "delete-if", "pub0")
    host.add_zone("web")
    assert host.run("dladm", "set-linkprop", "-t", "-p", "zone=web", "pub0").exit == 0
    assert host.run("dladm", "delete-vnic", "pub0") == busy
    assert host.run("dladm", "show-vnic", "-p", "-o", "zone", "pub0").stdout == "web\n"
    show = ("dladm", "show-linkprop", "-c", "-o", "value", "-p", "zone", "pub0")
    assert host.run(*show).stdout == "web\n"
    host.run("dladm", "reset-linkprop", "-t", "-p", "zone", "pub0")
    assert host.run(*show).stdout == "\n"
    assert host.kernel.called("move_link") == [("pub0", "web"), ("pub0", "global")]


def test_a_zone_sees_only_its_own_links(host: FakeHost) -> None:
    host.add_zone("web")
    host.links.lend("v0", "web", [])
    assert host.run("dladm", "show-link", "-p", "-o", "link,over", zone="web").stdout == "v0:?\n"
    assert host.run("dladm", "show-link", "stub0", zone="web").exit == 1
    denied = host.run("dladm", "create-etherstub", "s1", zone="web")
    assert denied.stderr == "dladm: etherstub creation failed: permission denied\n"


def test_zoneadmd_lends_and_takes_back(host: FakeHost) -> None:
    host.add_zone("web")
    host.links.lend("v0", "web", ["10.0.0.5/24"])
    link = host.links.get("v0")
    assert link is not None
    assert link.properties == {"protection": ["ip-nospoof"], "allowed-ips": ["10.0.0.5"]}
    host.links.take_back("v0")
    assert (link.zone, link.properties) == ("", {})


def test_zoneadmd_refusals(host: FakeHost) -> None:
    host.add_zone("web")
    host.run("ipadm", "create-if", "pub0")
    host.run("dladm", "set-linkprop", "-p", "protection=mac-nospoof", "v0")
    for name, message, failure in (
        (
            "nope0",
            "WARNING: skipping network interface 'nope0': object not found",
            "failed to add network device",
        ),
        (
            "pub0",
            "WARNING: skipping network interface 'pub0' which is used in the global zone",
            "failed to add network device",
        ),
        ("v0", "Protection is already set", "failed to add address"),
    ):
        with pytest.raises(LinkError) as caught:
            host.links.lend(name, "web", ["10.0.0.5"])
        assert (caught.value.message, caught.value.failure) == (message, failure)


def test_vlans_and_simnets(host: FakeHost) -> None:
    assert host.run("dladm", "create-vlan", "-l", "e1000g0", "-v", "5").exit == 0
    shown = host.run("dladm", "show-vlan", "-p", "-o", "link,vid,over")
    assert shown.stdout == "e1000g5000:5:e1000g0\n"
    assert host.run("dladm", "create-vlan", "-l", "e1000g0", "-v", "5").exit == 1
    assert host.run("dladm", "create-vlan", "-l", "e1000g0", "-v", "6", "-p", "mtu=1400", "six0").exit == 0
    assert host.run("dladm", "show-link", "-p", "-o", "mtu,over", "six0").stdout == "1400:e1000g0\n"
    assert host.run("dladm", "create-simnet", "sim0").exit == 0
    assert host.run("dladm", "create-vnic", "-l", "sim0", "v5").exit == 0
    assert host.run("dladm", "delete-simnet", "sim0").stderr == (
        "dladm: simnet deletion failed: link busy\n"
    )
    assert host.run("dladm", "delete-vlan", "e1000g5000") == (0, "", "")


def test_mtu_follows_the_lower_link(host: FakeHost) -> None:
    host.run("dladm", "create-vnic", "-l", "stub0", "-p", "mtu=1400", "v1")
    assert host.run("dladm", "show-link", "-p", "-o", "mtu", "v1").stdout == "1400\n"
    assert host.run("dladm", "set-linkprop", "-p", "mtu=9000", "pub0").exit == 1
    host.run("ipadm", "create-if", "e1000g0")
    assert host.run("dladm", "set-linkprop", "-p", "mtu=9000", "e1000g0").stderr == (
        "dladm: warning: cannot set link property 'mtu' on 'e1000g0': link busy\n"
    )


def test_a_refusal_of_the_machine_leaves_nothing_behind(host: FakeHost) -> None:
    host.kernel.failures["create_vnic"] = OSError(16, "busy")
    assert host.run("dladm", "create-vnic", "-l", "stub0", "v7").stderr == (
        "dladm: VLAN over 'stub0' may not use default_tag ID (see dladm(8))\n"
    )
    assert host.links.get("v7") is None
    assert host.links.get_record("v7") is None


def test_show_phys(host: FakeHost) -> None:
    assert host.run("dladm", "show-phys").stdout == (
        "LINK         MEDIA                STATE      SPEED    DUPLEX   DEVICE\n"
        "e1000g0      Ethernet             up         1000     full     e1000g0\n"
    )
    assert host.run("dladm", "show-phys", "-m", "-p", "-o", "address").stdout == "8:0:27:1:2:3\n"


def test_the_one_ring_of_the_card_is_everybodys(host: FakeHost) -> None:
    assert host.run("dladm", "show-phys", "-H").stdout == (
        "LINK         RINGTYPE RINGS                CLIENTS\n"
        "e1000g0      RX       0                    <default,mcast>pub0 \n"
    )
    host.run("ipadm", "create-if", "e1000g0")
    shown = host.run("dladm", "show-phys", "-H", "-p", "-o", "ringtype,clients", "e1000g0")
    assert shown == (0, "RX:<default,mcast>e1000g0,pub0 \n", "")


def test_a_reader_that_stalls_does_not_hold_up_the_host(host: FakeHost) -> None:
    for number in range(60):
        host.run("dladm", "create-vnic", "-t", "-l", "stub0", f"x{number}")
    reading, writing = os.pipe()
    run = Invocation("/sbin/dladm", ["show-linkprop"], {}, "/", 0, "global", 0, writing, writing)
    listing = threading.Thread(target=dladm.main, args=(host, run))
    listing.start()
    # More is to come than the pipe holds; meanwhile others get their turn.
    first = os.read(reading, 1)
    assert host.run("dladm", "show-link", "v0").exit == 0
    assert listing.is_alive()
    assert first == b"L"
    # At the end there may be nothing to read any more.
    os.set_blocking(reading, False)
    while listing.is_alive():
        with contextlib.suppress(BlockingIOError):
            os.read(reading, 65536)
        listing.join(0.01)
    os.close(reading)
    os.close(writing)


def test_a_link_with_an_interface_stays_in_its_zone(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    host.add_zone("web")
    host.run("dladm", "create-vnic", "-l", "e1000g0", "v0")
    assert host.run("dladm", "set-linkprop", "-t", "-p", "zone=web", "v0").exit == 0
    assert host.run("ipadm", "create-if", "-t", "v0", zone="web").exit == 0
    busy = "dladm: warning: cannot {} link property 'zone' on 'v0': link busy\n"
    for verb, words in (("reset", ("zone",)), ("set", ("zone=global",))):
        result = host.run("dladm", f"{verb}-linkprop", "-t", "-p", *words, "v0")
        assert (result.exit, result.stderr) == (1, busy.format(verb))
    assert host.run("ipadm", "delete-if", "v0", zone="web").exit == 0
    assert host.run("dladm", "reset-linkprop", "-t", "-p", "zone", "v0").exit == 0


def test_a_bandwidth_reaches_the_machine_and_is_there_after_a_boot(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    host.run("dladm", "create-vnic", "-l", "e1000g0", "-p", "maxbw=2M", "v0")
    host.run("dladm", "set-linkprop", "-p", "maxbw=10", "v0")
    assert host.kernel.called("set_bandwidth") == [("v0", 2000), ("v0", 10000)]
    again = fake_host(tmp_path)
    assert again.kernel.called("set_bandwidth") == [("v0", 10000)]
    host.run("dladm", "reset-linkprop", "-p", "maxbw", "v0")
    assert host.kernel.called("set_bandwidth")[-1] == ("v0", 0)


def test_show_ether(host: FakeHost) -> None:
    assert host.run("dladm", "show-ether").stdout == (
        "LINK            PTYPE    STATE    AUTO  SPEED-DUPLEX                    PAUSE\n"
        "e1000g0         current  up       yes   1G-f                            bi\n"
    )
    assert host.run("dladm", "show-ether", "-p", "-o", "link,rem_fault").stdout == "e1000g0:none\n"


def test_the_map_of_links(host: FakeHost) -> None:
    host.run("dladm", "create-etherstub", "-t", "tmp0")
    host.run("dladm", "delete-vnic", "-t", "pub0")
    host.run("dladm", "create-iptun", "-T", "ipv4", "tun0")
    assert host.run("dladm", "show-linkmap") == (
        0,
        "NAME          LINKID  CLASS       MEDIA                 FLAGS\n"
        "e1000g0            1  phys        Ethernet                  3\n"
        "stub0              2  etherstub   Ethernet                  3\n"
        "v0                 3  vnic        Ethernet                  3\n"
        "pub0               4  vnic        Ethernet                  2\n"
        "tmp0               5  etherstub   Ethernet                  1\n"
        "tun0               6  iptun       IPv4 Tunnel               3\n",
        "",
    )
