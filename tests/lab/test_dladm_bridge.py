"""dladm's bridges: messages, streams, exit codes, listings, and the rules between links."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.fakes import FakeHost, fake_host
from tests.lab.fakes_smf import service_host


def run(host: FakeHost, *lines: str) -> None:
    for line in lines:
        assert host.run("dladm", *line.split()) == (0, "", ""), line


def show(host: FakeHost, line: str) -> str:
    result = host.run("dladm", *line.split())
    assert (result.exit, result.stderr) == (0, "")
    return result.stdout


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with a bridge between its network card and a simnet, and what is on none."""
    host = fake_host(tmp_path)
    run(
        host,
        "create-simnet -u 2:8:20:0:0:1 sim0",
        "create-simnet sim1",
        "create-simnet -t tmp0",
        "create-simnet -m wifi radio0",
        "create-etherstub stub0",
        "create-vnic -l stub0 v0",
        "create-bridge -l e1000g0 -l sim0 br",
    )
    return host


def test_a_bridge_is_a_link_over_its_ports(host: FakeHost) -> None:
    run(host, "add-bridge -l stub0 br")
    assert show(host, "show-link -p -o link,class,bridge,over").splitlines() == [
        "e1000g0:phys:br:",
        # Of a simnet show-link does not tell.
        "sim0:simnet::",
        "sim1:simnet::",
        "tmp0:simnet::",
        "radio0:simnet::",
        "stub0:etherstub:br:",
        "v0:vnic::stub0",
        "br0:bridge::e1000g0,sim0,stub0",
    ]
    assert host.kernel.called("connect")[-1] == ("br0", ("e1000g0", "sim0", "stub0"))


def test_listings(host: FakeHost) -> None:
    assert show(host, "show-bridge") == (
        "BRIDGE      PROTECT ADDRESS            PRIORITY DESROOT\n"
        "br          stp     32768/8:0:27:1:2:3 32768    32768/8:0:27:1:2:3\n"
    )
    run(host, "modify-bridge -p 5000 -m 10 -h 1 -d 12 -f 2 br")
    fields = "priority,bmaxage,bhellotime,bfwddelay,forceproto,maxage,hellotime,fwddelay"
    assert show(host, f"show-bridge -p -o {fields} br") == "4096:10:1:12:2:10:1:12\n"
    assert show(host, "show-bridge -l br") == (
        "LINK        STATE       UPTIME  DESROOT\n"
        "e1000g0     forwarding  0       4096/8:0:27:1:2:3\n"
        "sim0        forwarding  0       4096/8:0:27:1:2:3\n"
    )
    host.kernel.macs["br0"] = (("2:8:20:0:0:9", "sim0"), ("8:0:27:1:2:3", "e1000g0"))
    assert show(host, "show-bridge -f br") == (
        "DEST             AGE    FLAGS OUTPUT\n"
        "8:0:27:1:2:3     --     L     e1000g0\n"
        "2:8:20:0:0:1     --     L     sim0\n"
        "2:8:20:0:0:9      0.000 --    sim0\n"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("create-bridge", "usage:"),
        ("create-bridge br", "create operation failed: object already exists"),
        ("create-bridge stub", "create operation failed: object already exists"),
        ("create-bridge br1", "invalid bridge name 'br1'"),
        ("create-bridge b-r", "invalid bridge name 'b-r'"),
        ("create-bridge -P none x", "protection none: invalid argument"),
        ("create-bridge -P trill x", "create operation failed: optional software not installed"),
        ("create-bridge -p 61441 x", "incorrect priority"),
        ("create-bridge -m 5 x", "incorrect max age"),
        ("create-bridge -h 11 x", "incorrect hello time"),
        ("create-bridge -d 31 x", "incorrect forwarding delay"),
        ("create-bridge -f no x", "incorrect force protocol"),
        ("create-bridge -p 0 -p 0 x", "priority set more than once"),
        ("create-bridge -l nope0 x", "invalid link name 'nope0'"),
        ("create-bridge -l v0 x", "vnic v0 cannot be bridged"),
        ("create-bridge -l radio0 x", "WiFi interface radio0 cannot be bridged"),
        ("create-bridge -l sim0 x", "unable to add link sim0 to bridge x: object already exists"),
        ("create-bridge -l sim1 -l tmp0 x", "unable to add link tmp0 to bridge x: object not found"),
        (
            "create-bridge -h 10 -d 4 x",
            "warning: illegal forward delay / max age / hello time combination\n"
            "dladm: no max age possible: need forward delay >= 12 or hello time <= 2",
        ),
        (
            "create-bridge -m 6 -h 4 x",
            "warning: illegal forward delay / max age / hello time combination\n"
            "dladm: max age too small: need age >= 10 and <= 28 or hello time <= 2",
        ),
        (
            "create-bridge -m 40 x",
            "warning: illegal forward delay / max age / hello time combination\n"
            "dladm: max age too large: need age <= 28 or forward delay >= 21",
        ),
        ("modify-bridge nope", "create operation failed: object not found"),
        ("modify-bridge -l sim1 br", "unrecognized option '-l'\nusage: modify-bridge"),
        ("delete-bridge nope", "delete operation failed: invalid argument"),
        ("delete-bridge br0", "delete operation failed: invalid link"),
        ("delete-bridge stub", "delete operation failed: invalid argument"),
        ("delete-bridge br", "delete operation failed: link busy"),
        ("add-bridge -l sim0 br", "unable to add link sim0 to bridge br: object already exists"),
        ("add-bridge -p 0 -l sim1 br", "unrecognized option '-p'\nusage: add-bridge"),
        ("remove-bridge br", "usage:"),
        ("remove-bridge -l nope0 br", "invalid link name 'nope0'"),
        ("remove-bridge -l sim1 br", "link sim1 is not on bridge br"),
        ("show-bridge nope", "bridge nope is not valid: object not found"),
        ("show-bridge stub", "stub is not a bridge"),
        ("show-bridge -l", "bridge name required for -l, -f, or -t"),
        ("show-bridge -l -f br", "-f is incompatible with -l or -t"),
        ("show-bridge -i 1 br", "the -i option can be used only with -s"),
        ("show-bridge -f -s br", "the -f/-t and -s options cannot be used together"),
        ("show-bridge -t br", "bridge br is not running TRILL"),
        ("show-bridge -p br", "output fields must be specified in parsable mode"),
        ("delete-simnet sim0", "simnet deletion failed: link busy"),
        ("create-aggr -l sim0 aggr0", "create operation failed: link busy"),
        ("create-vnic -l br0 v1", "vnic creation over br0 failed: invalid argument"),
        ("rename-link br0 net0", "rename operation failed: link busy"),
    ],
)
def test_failures(host: FakeHost, line: str, message: str) -> None:
    before = show(host, "show-link"), show(host, "show-bridge -o all")
    result = host.run("dladm", *line.split())
    assert (result.exit, result.stdout) == (1, "")
    assert result.stderr.startswith(message if message.startswith("usage:") else f"dladm: {message}")
    assert (show(host, "show-link"), show(host, "show-bridge -o all")) == before


def test_changes_need_privilege(host: FakeHost) -> None:
    for line, message in (
        ("create-bridge x", "create operation failed: permission denied"),
        ("modify-bridge -p 0 br", "create operation failed: permission denied"),
        ("delete-bridge br", "delete operation failed: permission denied"),
        ("add-bridge -l sim1 br", "unable to add link sim1 to bridge br: permission denied"),
        (
            "remove-bridge -l sim0 br",
            "warning: cannot remove link sim0 from bridge br: permission denied\n"
            "dladm: unable to remove any links from bridge br",
        ),
    ):
        result = host.run("dladm", *line.split(), privileged=False)
        assert result == (1, "", f"dladm: {message}\n")


def test_what_closes_a_ring_does_not_forward(host: FakeHost) -> None:
    run(host, "add-bridge -l sim1 br", "modify-simnet -p sim1 sim0")
    states = "e1000g0:forwarding\nsim0:forwarding\nsim1:discarding\n"
    assert show(host, "show-bridge -l -p -o link,state br") == states
    assert host.kernel.called("connect")[-1] == ("br0", ("e1000g0", "sim0"))
    run(host, "modify-simnet -p none sim0")
    assert host.kernel.called("connect")[-1] == ("br0", ("e1000g0", "sim0", "sim1"))


def test_a_bridge_returns_at_boot_with_its_ports(host: FakeHost) -> None:
    run(host, "rename-link e1000g0 net0", "modify-bridge -p 0 br")
    host.boot_network()
    assert show(host, "show-bridge -p -o bridge,priority") == "br:0\n"
    assert show(host, "show-link -p -o over br0") == "net0,sim0\n"
    run(host, "remove-bridge -l net0 -l sim0 br", "delete-bridge br", "create-aggr -l sim0 aggr0")
    assert show(host, "show-bridge") == ""


def test_a_bridge_has_a_service_and_passes_nothing_without_it(tmp_path: Path) -> None:
    host, bridge = service_host(tmp_path), "svc:/network/bridge:br"
    run(host, "create-bridge -p 4096 -l e1000g0 br")
    host.wait_for("global", bridge, "online")
    priority = ("svcprop", "-p", "config/priority", bridge)
    assert host.run(*priority) == (0, "4096\n", "")
    run(host, "modify-bridge -p 8192 -h 3 br")
    assert host.run(*priority) == (0, "8192\n", "")
    assert host.run("svcprop", "-p", "config/hello-time", bridge) == (0, "768\n", "")

    state = "show-bridge -l -p -o link,state br"
    assert host.run("svcadm", "disable", "-s", bridge).exit == 0
    assert show(host, state) == "e1000g0:discarding\n"
    host.boot_network()
    assert show(host, state) == "e1000g0:discarding\n"
    assert host.run("svcadm", "enable", "-s", bridge).exit == 0
    assert show(host, state) == "e1000g0:forwarding\n"
    host.restart_zone("global")
    host.wait_for("global", bridge, "online")

    run(host, "remove-bridge -l e1000g0 br", "delete-bridge br")
    assert host.run("svcs", bridge).exit == 1
