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
        ("add-flow -l v0 -a transport=tcp f2 f3", "flow name is required"),
        ("add-flow -l v0 -a transport=tcp local_port", "flow name is required"),
        ("add-flow -l v0 -a local_ip=10.0.0.6 -p priority=x f2", "add flow failed: invalid value\n"),
        ("add-flow -l v0 -a local_ip=10.0.0.6 -p x=1 f2", "invalid flow property specified\n"),
        ("remove-flow nope", "remove flow failed: object not found\n"),
        ("remove-flow -z f1", "unrecognized option '-z'\n"),
        ("remove-flow -l", "option '-l' requires a value\n"),
        (
            "set-flowprop -p maxbw=1K f1",
            "warning: cannot set flow property 'maxbw' on 'f1': minimum value for maxbw is 1200K\n",
        ),
        ("set-flowprop -p maxbw=x f1", "warning: x is an invalid value for flow property maxbw\n"),
        (
            "set-flowprop -p priority=x f1",
            "warning: flow property 'priority' must be one of: low,medium,high\n",
        ),
        ("set-flowprop -p priority f1", "warning: no value specified for 'priority'\n"),
        ("set-flowprop -p x=1 f1", "warning: invalid flow property 'x'\n"),
        ("set-flowprop -p maxbw=5M", "flow name must be specified\n"),
        ("set-flowprop f1", "flow property must be specified\n"),
        ("show-flow nope", "invalid flow: 'nope'"),
    ],
)
def test_failures(host: FakeHost, line: str, message: str) -> None:
    result = host.run("flowadm", *line.split())
    assert (result.exit, result.stdout) == (1, "")
    assert result.stderr.startswith(f"flowadm: {message}")


def test_each_property_is_set_on_its_own(host: FakeHost) -> None:
    line = "set-flowprop -p maxbw=x,priority=high f1"
    assert host.run("flowadm", *line.split()).exit == 1
    shown = host.run("flowadm", "show-flowprop", "-c", "-o", "value", "f1")
    assert shown.stdout == "   10\nhigh\n"
    assert host.run("flowadm", "reset-flowprop", "f1").exit == 0
    shown = host.run("flowadm", "show-flowprop", "-c", "-o", "value", "f1")
    assert shown.stdout == "\nmedium\n"


def test_an_unknown_property_is_shown_with_question_marks(host: FakeHost) -> None:
    shown = host.run(
        "flowadm", "show-flowprop", "-c", "-o", "flow,property,value,default,possible", "-p", "x", "f1"
    )
    assert shown == (0, "f1:x:?:?:?\n", "flowadm: warning: invalid flow property 'x'\n")


@pytest.mark.parametrize("line", ["", "nope", "remove-flow", "remove-flow -l v0 f1"])
def test_usage(host: FakeHost, line: str) -> None:
    result = host.run("flowadm", *line.split())
    assert result.exit == 1
    assert "usage: flowadm <subcommand> <args>...\n    add-flow       [-t] -l <link>" in result.stderr


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
