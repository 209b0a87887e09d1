"""flowadm: flows, their rules and listings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.fakes import FakeHost, fake_host


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with one flow on a vnic."""
    host = fake_host(tmp_path)
    host.run("dladm", "create-vnic", "-l", "e1000g0", "v0")
    line = "add-flow -l v0 -a local_ip=10.0.0.5 -p maxbw=10M,priority=low f1"
    assert host.run("flowadm", *line.split()) == (0, "", "")
    return host


def test_addresses_have_a_label_and_two_blanks(host: FakeHost) -> None:
    show = ("flowadm", "show-flow", "-p", "-o")
    assert host.run(*show, "ipaddr").stdout == "LCL:10.0.0.5/32  \n"
    assert host.run(*show, "flow,link,ipaddr").stdout == "f1:v0:LCL\\:10.0.0.5/32  \n"
    shown = host.run("flowadm", "show-flowprop", "-c", "-o", "property,value,default", "f1")
    assert shown.stdout == "maxbw:   10:\npriority:low:medium\n"


def test_attributes_and_properties_may_come_one_by_one(host: FakeHost) -> None:
    host.run("flowadm", "remove-flow", "f1")
    line = "add-flow -l v0 -a transport=tcp -a local_port=80 -p maxbw=10M -p priority=low f2"
    assert host.run("flowadm", *line.split()) == (0, "", "")
    shown = host.run("flowadm", "show-flow", "-p", "-o", "proto,lport", "f2")
    assert shown.stdout == "tcp:80\n"
    line = "set-flowprop -p maxbw=20M -p priority=high f2"
    assert host.run("flowadm", *line.split()) == (0, "", "")
    shown = host.run("flowadm", "show-flowprop", "-c", "-o", "property,value", "f2")
    assert shown.stdout == "maxbw:   20\npriority:high\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("add-flow -a transport=tcp f2", "link is required"),
        ("add-flow -l nope0 -a transport=tcp f2", "invalid link 'nope0'"),
        ("add-flow -l v0 -a transport=tcp", "flow name is required"),
        ("add-flow -l v0 -a transport=tcp " + "f" * 128, "flow name too long"),
        ("add-flow -l v0 -a colour=red f2", "invalid flow attribute specified"),
        ("add-flow -l v0 -a local_ip=10.0.0.5 f1", "add flow failed: object already exists"),
        (
            "add-flow -l v0 -a local_ip=10.0.0.5/32 f2",
            "add flow failed: a flow with identical attributes exists",
        ),
        (
            "add-flow -l v0 -a transport=tcp f2",
            "add flow failed: flow(s) with incompatible attributes exists",
        ),
        (
            "add-flow -l v0 -a local_port=80 f2",
            "add flow failed: local or remote port requires transport",
        ),
        ("add-flow -l v0 -a transport=quic f2", "add flow failed: invalid IP protocol"),
        ("remove-flow nope", "invalid flow: 'nope'"),
        ("set-flowprop -p maxbw=1K f1", "cannot set flow property on 'f1': minimum value"),
        ("set-flowprop -p priority=x f1", "flow property 'priority' must be one of: low,medium"),
        ("set-flowprop -p x=1 f1", "warning: invalid flow property 'x'"),
        ("show-flow nope", "invalid flow: 'nope'"),
    ],
)
def test_failures(host: FakeHost, line: str, message: str) -> None:
    result = host.run("flowadm", *line.split())
    assert (result.exit, result.stdout) == (1, "")
    assert result.stderr.startswith(f"flowadm: {message}")


def test_a_link_with_flows_is_not_deleted(host: FakeHost) -> None:
    assert host.run("dladm", "delete-vnic", "v0").stderr == (
        "dladm: vnic deletion failed: link still has flows\n"
    )
    assert host.run("flowadm", "remove-flow", "-l", "v0").exit == 0
    assert host.run("dladm", "delete-vnic", "v0").exit == 0


def test_flows_persist_unless_temporary(host: FakeHost) -> None:
    host.run("flowadm", *["add-flow", "-t", "-l", "v0", "-a", "local_ip=10.0.0.6", "f2"])
    host.run("flowadm", *["set-flowprop", "-t", "-p", "maxbw=20M", "f1"])
    host.boot_network()
    assert host.run("flowadm", "show-flow", "-p", "-o", "flow").stdout == "f1\n"
    shown = host.run("flowadm", "show-flowprop", "-c", "-o", "value", "-p", "maxbw", "f1")
    assert shown.stdout == "   10\n"
