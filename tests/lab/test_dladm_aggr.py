"""dladm's aggregations: messages, streams, exit codes, listings, and the rules between links."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.fakes import FakeHost, fake_host


def run(host: FakeHost, *lines: str) -> None:
    for line in lines:
        assert host.run("dladm", *line.split()) == (0, "", ""), line


def show(host: FakeHost, line: str) -> str:
    result = host.run("dladm", *line.split())
    assert (result.exit, result.stderr) == (0, "")
    return result.stdout


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with an aggregation of its network card and a simnet, and what cannot be a port."""
    host = fake_host(tmp_path)
    run(
        host,
        "create-simnet -u 2:8:20:0:0:1 sim0",
        "create-simnet -u 2:8:20:0:0:2 sim1",
        "create-simnet -u 2:8:20:0:0:3 sim2",
        "create-simnet -t tmp0",
        "create-etherstub stub0",
        "create-vnic -l sim2 v0",
        "create-aggr -l e1000g0 -l sim0 aggr0",
    )
    return host


def test_an_aggregation_is_a_link_over_its_ports(host: FakeHost) -> None:
    assert show(host, "show-link aggr0") == (
        "LINK        CLASS     MTU    STATE    BRIDGE     OVER\n"
        "aggr0       aggr      1500   up       --         e1000g0,sim0\n"
    )
    assert show(host, "show-link -P -p -o link,class,over aggr0") == "aggr0:aggr:e1000g0,sim0\n"
    assert host.kernel.called("create_card")[-1] == ("aggr0", "8:0:27:1:2:3", 1500)
    assert host.kernel.called("connect")[-1] == ("aggr0", ("e1000g0",))


def test_its_listings(host: FakeHost) -> None:
    assert show(host, "show-aggr") == (
        "LINK            POLICY   ADDRPOLICY           LACPACTIVITY  LACPTIMER   FLAGS\n"
        "aggr0           L4       auto                 off           short       -----\n"
    )
    assert show(host, "show-aggr -x aggr0") == (
        "LINK        PORT           SPEED DUPLEX   STATE     ADDRESS            PORTSTATE\n"
        "aggr0       --             1000Mb full    up        8:0:27:1:2:3       --\n"
        "            e1000g0        1000Mb full    up        8:0:27:1:2:3       attached\n"
        "            sim0           0Mb  unknown   ?         2:8:20:0:0:1       attached\n"
    )
    assert show(host, "show-aggr -x -p -o link,port aggr0") == "aggr0:\naggr0:e1000g0\naggr0:sim0\n"
    assert show(host, "show-aggr -L") == (
        "LINK        PORT         AGGREGATABLE SYNC COLL DIST DEFAULTED EXPIRED\n"
        "aggr0       e1000g0      yes          no   no   no   no        no\n"
        "--          sim0         yes          no   no   no   no        no\n"
    )
    run(host, "modify-aggr -P l3,L2 -L ACTIVE -T long -u 2:8:20:0:0:9 aggr0")
    wanted = "show-aggr -P -p -o policy,addrpolicy,lacpactivity,lacptimer"
    assert show(host, wanted) == "L2,L3:fixed (2\\:8\\:20\\:0\\:0\\:9):active:long\n"
    assert show(host, "show-aggr -L -p -o port,sync,coll,dist") == "e1000g0:yes:yes:yes\nsim0:yes:yes:yes\n"
    assert host.kernel.called("set_mac") == [("aggr0", "2:8:20:0:0:9")]
    run(host, "modify-aggr -u auto aggr0")
    assert show(host, "show-aggr -p -o addrpolicy") == "auto\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("create-aggr aggr1", "usage:"),
        ("create-aggr -l sim1", "usage:"),
        ("create-aggr -l sim1 aggr0", "create operation failed: object already exists"),
        ("create-aggr -l sim1 v0", "create operation failed: object already exists"),
        ("create-aggr -l sim1 bad-0", "invalid link name 'bad-0'"),
        ("create-aggr -l sim1 " + "a" * 31 + "0", "link name too long '" + "a" * 31 + "0'"),
        ("create-aggr -l sim1 1000", "create operation failed: invalid key"),
        ("create-aggr -l nope0 aggr1", "invalid link name 'nope0': object not found"),
        ("create-aggr -d nope0 aggr1", "invalid dev name 'nope0': object not found"),
        ("create-aggr -l v0 aggr1", "create operation failed: invalid argument"),
        ("create-aggr -l stub0 aggr1", "create operation failed: invalid argument"),
        ("create-aggr -l aggr0 aggr1", "create operation failed: invalid argument"),
        ("create-aggr -l sim2 aggr1", "create operation failed: link busy"),
        ("create-aggr -l sim0 aggr1", "create operation failed: link busy"),
        ("create-aggr -l sim1 -l sim1 aggr1", "create operation failed: link busy"),
        (
            "create-aggr -l tmp0 aggr1",
            "create operation failed: can't create persistent object on top of temporary object",
        ),
        ("create-aggr -P L5 -l sim1 aggr1", "invalid policy 'L5'"),
        ("create-aggr -P L2 -P L3 -l sim1 aggr1", "the option -P cannot be specified more than once"),
        ("create-aggr -L on -l sim1 aggr1", "invalid LACP mode 'on'"),
        ("create-aggr -l off -L off -l sim1 aggr1", "the option -L cannot be specified more than once"),
        ("create-aggr -T 5s -l sim1 aggr1", "invalid LACP timer value '5s'"),
        ("create-aggr -u 1:0:0:0:0:0 -l sim1 aggr1", "invalid MAC address '1:0:0:0:0:0'"),
        ("create-aggr -Q -l sim1 aggr1", "unrecognized option '-Q'\nusage: create-aggr"),
        ("delete-aggr nope0", "delete operation failed: object not found"),
        ("delete-aggr 0", "delete operation failed: invalid link"),
        ("delete-aggr 7", "delete operation failed: object not found"),
        ("delete-aggr sim1", "delete operation failed: invalid argument"),
        ("add-aggr aggr0", "usage:"),
        ("add-aggr -l nope0 aggr0", "invalid <link> 'nope0': object not found"),
        ("add-aggr -d nope0 aggr0", "invalid <dev> 'nope0': object not found"),
        ("add-aggr -l v0 aggr0", "add operation failed: invalid argument"),
        ("add-aggr -l sim1 nope0", "add operation failed: object not found"),
        ("add-aggr -l sim1 v0", "add operation failed: object not found"),
        ("add-aggr -l sim0 aggr0", "add operation failed: link busy"),
        ("remove-aggr -l sim1 aggr0", "remove operation failed: invalid link"),
        ("remove-aggr -t -l sim1 aggr0", "remove operation failed: object not found"),
        ("remove-aggr -l sim0 -l e1000g0 aggr0", "remove operation failed: invalid argument"),
        ("modify-aggr aggr0", "at least one of the -PulT options must be specified"),
        ("modify-aggr -P L2 nope0", "modify operation failed: object not found"),
        ("modify-aggr -P L2 v0", "modify operation failed: object not found"),
        ("modify-aggr -u nonsense aggr0", "invalid MAC address 'nonsense'"),
        ("show-aggr nope0", "non-existent aggregation 'nope0'"),
        ("show-aggr v0", "failed to show aggr v0: object not found"),
        ("show-aggr -p", "-p requires -o"),
        ("show-aggr -p -o all", '"-o all" is invalid with -p'),
        ("show-aggr -i 1", "the option -i can be used only with -s"),
        ("show-aggr -s -x", "the option -x cannot be used with -s"),
        ("show-aggr -L -P", "the option -P cannot be used with -L"),
        ("show-aggr -x -L", "the option -L cannot be used with -x"),
        ("create-vnic -l sim0 v1", "VLAN over 'sim0' may not use default_tag ID (see dladm(8))"),
        ("rename-link sim0 net1", "rename operation failed: link busy"),
        ("delete-simnet sim0", "simnet deletion failed: link busy"),
        (
            "set-linkprop -p mtu=9000 e1000g0",
            "warning: cannot set link property 'mtu' on 'e1000g0': link busy",
        ),
    ],
)
def test_failures(host: FakeHost, line: str, message: str) -> None:
    before = show(host, "show-link"), show(host, "show-aggr")
    result = host.run("dladm", *line.split())
    assert (result.exit, result.stdout) == (1, "")
    assert result.stderr.startswith(message if message.startswith("usage:") else f"dladm: {message}")
    assert (show(host, "show-link"), show(host, "show-aggr")) == before


def test_changes_need_privilege(host: FakeHost) -> None:
    for line, operation in (
        ("create-aggr -l sim1 aggr1", "create"),
        ("delete-aggr aggr0", "delete"),
        ("add-aggr -l sim1 aggr0", "add"),
        ("remove-aggr -l sim0 aggr0", "remove"),
        ("modify-aggr -P L2 aggr0", "modify"),
    ):
        result = host.run("dladm", *line.split(), privileged=False)
        assert result == (1, "", f"dladm: {operation} operation failed: permission denied\n")


def test_a_number_stands_for_an_aggregation(host: FakeHost) -> None:
    run(host, "create-aggr -l passive -l sim1 5")
    assert show(host, "show-aggr -p -o link,lacpactivity 5") == "aggr5:passive\n"
    run(host, "modify-aggr -l off 5", "delete-aggr 5")
    assert host.run("dladm", "show-aggr", "5").stderr == "dladm: non-existent aggregation '5'\n"


def test_a_device_stands_for_its_link(host: FakeHost) -> None:
    run(host, "delete-aggr aggr0", "rename-link e1000g0 net0", "create-aggr -f -d e1000g0 aggr0")
    assert show(host, "show-link -p -o over aggr0") == "net0\n"
    assert show(host, "show-aggr -p -o flags") == "f----\n"


def test_ports_come_and_go(host: FakeHost) -> None:
    run(host, "create-vlan -l aggr0 -v 5 vlan5", "add-aggr -l sim1 aggr0", "remove-aggr -l e1000g0 aggr0")
    assert show(host, "show-link -p -o over aggr0") == "sim0,sim1\n"
    assert show(host, "show-link -P -p -o over aggr0") == "sim0,sim1\n"
    # The address was that of the port that went; VLANs have their lower link's.
    assert host.kernel.called("set_mac") == [("aggr0", "2:8:20:0:0:1"), ("vlan5", "2:8:20:0:0:1")]
    assert host.kernel.called("connect")[-1] == ("aggr0", ("sim0",))
    run(host, "create-vnic -l e1000g0 pub0")


def test_links_stand_over_an_aggregation_and_hold_it(host: FakeHost) -> None:
    run(host, "create-vnic -l aggr0 -v 7 v1", "create-vlan -l aggr0 -v 5")
    assert show(host, "show-link -p -o link,over").endswith("v1:aggr0\naggr5000:aggr0\n")
    busy = (1, "", "dladm: delete operation failed: link busy\n")
    assert host.run("dladm", "delete-aggr", "aggr0") == busy
    run(host, "delete-vnic v1", "delete-vlan -t aggr5000")
    # The VLAN would come back at the next boot.
    assert host.run("dladm", "delete-aggr", "aggr0") == busy
    run(host, "delete-vlan aggr5000", "delete-aggr aggr0")
    assert host.run("ipadm", "create-if", "e1000g0").exit == 0


def test_a_port_carries_no_ip(host: FakeHost) -> None:
    assert host.run("ipadm", "create-if", "e1000g0").exit == 1
    assert host.run("ipadm", "create-if", "aggr0").exit == 0
    assert host.run("dladm", "delete-aggr", "aggr0").stderr == "dladm: delete operation failed: link busy\n"
    host.run("ipadm", "delete-if", "aggr0")
    run(host, "delete-aggr aggr0")
    host.run("ipadm", "create-if", "e1000g0")
    result = host.run("dladm", "create-aggr", "-l", "e1000g0", "aggr0")
    assert result == (1, "", "dladm: create operation failed: link busy\n")


def test_properties(host: FakeHost) -> None:
    run(host, "delete-aggr aggr0", "create-aggr -l sim0 -l sim1 -p mtu=9000,maxbw=50 aggr0")
    assert show(host, "show-linkprop -c -o value -p maxbw,mtu,zone aggr0") == "   50\n9000\n\n"
    assert show(host, "show-link -p -o link,mtu sim1") == "sim1:9000\n"
    for given, failure in (
        ("wings=2", "could not set property 'wings': object not found"),
        ("speed=10", "could not set property 'speed': operation not supported"),
    ):
        run(host, "delete-aggr aggr0")
        result = host.run("dladm", "create-aggr", "-l", "sim0", "-l", "sim1", "-p", given, "aggr0")
        assert result == (1, "", f"dladm: aggr creation succeeded but {failure}\n")
        assert show(host, "show-aggr -p -o link") == "aggr0\n"


def test_what_is_persistent_returns_at_boot(host: FakeHost) -> None:
    run(
        host,
        "create-vnic -l aggr0 v1",
        "modify-aggr -t -L active aggr0",
        "create-aggr -t -l sim1 aggr1",
        "create-simnet late0",
        "add-aggr -l late0 aggr0",
        "delete-simnet -t tmp0",
    )
    assert host.run("dladm", "show-aggr", "-P", "aggr1").stderr == (
        "dladm: failed to show aggr aggr1: object not found\n"
    )
    host.boot_network()
    assert show(host, "show-aggr -p -o link,lacpactivity") == "aggr0:off\n"
    assert show(host, "show-link -p -o over aggr0") == "e1000g0,sim0,late0\n"
    assert show(host, "show-link -p -o over v1") == "aggr0\n"


def test_at_boot_it_makes_do_with_the_ports_that_are_there(host: FakeHost) -> None:
    run(
        host,
        "create-aggr -l sim1 aggr1",
        "add-aggr -t -l tmp0 aggr1",
        "delete-aggr aggr0",
        "create-aggr -l sim0 -l e1000g0 -p mtu=9000 aggr0",
        "delete-aggr -t aggr0",
        "delete-simnet sim0",
    )
    host.boot_network()
    assert show(host, "show-link -p -o link,mtu,over aggr0") == "aggr0:9000:e1000g0\n"
    assert show(host, "show-link -p -o mtu e1000g0") == "9000\n"
    assert show(host, "show-aggr -x -p -o address aggr0") == "8:0:27:1:2:3\n8:0:27:1:2:3\n"
    assert show(host, "show-link -p -o over aggr1") == "sim1\n"
    run(host, "delete-aggr aggr1", "delete-simnet sim1")


def test_a_record_without_an_active_link(host: FakeHost) -> None:
    run(host, "delete-aggr -t aggr0")
    assert host.run("dladm", "delete-aggr", "-t", "aggr0").stderr == (
        "dladm: delete operation failed: object not found\n"
    )
    assert host.run("dladm", "modify-aggr", "-P", "L2", "aggr0").stderr == (
        "dladm: modify operation failed: object not found\n"
    )
    assert show(host, "show-aggr -P -p -o link,policy") == "aggr0:L4\n"
    run(host, "delete-aggr aggr0")
    assert show(host, "show-aggr -P") == ""
