"""Ansible as it comes from PyPI, with its modules for illumos, over SSH: what administrators do with it.

The playbooks are in ``ansible/``. Those of a directory make something, change it, give it back its
defaults and remove it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from illumos_lab.testing import Lab

PLAYBOOKS = Path(__file__).with_name("ansible")
TOOL = Path(__file__).parents[2] / "tools/ansible-venv"

# The first run on a machine installs Ansible.

_CONFIGURATION = """\
[defaults]
inventory = {directory}/hosts
home = {directory}/home
local_tmp = {directory}/home/tmp
# Where the host forgets it.
remote_tmp = /tmp/.ansible
interpreter_python = auto_silent
stdout_callback = json
deprecation_warnings = false
[ssh_connection]
pipelining = true
ssh_args = -o ControlMaster=auto -o ControlPersist=60s
control_path_dir = {directory}/c
"""


@dataclass(frozen=True)
class Task:
    """A task that ran on the host.

    Attributes:
        name: its title.
        result: what its module returned; ``results`` holds those of a loop.
    """

    name: str
    result: dict[str, Any]

    @property
    def changed(self) -> bool:
        return bool(self.result.get("changed"))


class Ansible:
    """Runs playbooks against a lab."""

    def __init__(self, lab: Lab, directory: Path, programs: Path) -> None:
        self.lab = lab
        self._directory = directory
        self._program = programs / "ansible-playbook"
        (directory / "ansible.cfg").write_text(_CONFIGURATION.format(directory=directory))
        (directory / "hosts").write_text(f"{lab.host.name} ansible_ssh_common_args='-F {lab.ssh_config}'\n")

    def play(self, *playbooks: str, **variables: str) -> list[list[Task]]:
        """The tasks of each playbook, all of which must succeed."""
        given = [word for item in variables.items() for word in ("--extra-vars", "=".join(item))]
        done = subprocess.run(
            [self._program, *given, *(PLAYBOOKS / f"{name}.yml" for name in playbooks)],
            env={**os.environ, "ANSIBLE_CONFIG": str(self._directory / "ansible.cfg")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr
        plays = _last_document(done.stdout)["plays"]
        host = self.lab.host.name
        return [
            [Task(task["task"]["name"], task["hosts"][host]) for task in play["tasks"]] for play in plays
        ]


def _last_document(text: str) -> dict[str, Any]:
    """After each playbook Ansible prints everything so far."""
    decoder = json.JSONDecoder()
    document: dict[str, Any] = {}
    start = text.find("{")
    while start >= 0:
        document, end = decoder.raw_decode(text, start)
        start = text.find("{", end)
    return document


@pytest.fixture(scope="module")
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ansible]:
    installed = subprocess.run([TOOL], stdout=subprocess.PIPE, text=True, check=True)
    with Lab.start(time_scale=0.02) as lab:
        yield Ansible(lab, tmp_path_factory.mktemp("ansible"), Path(installed.stdout.strip()))


def without_change(tasks: list[Task]) -> list[str]:
    return [task.name for task in tasks if not task.changed]


def with_change(tasks: list[Task]) -> list[str]:
    return [task.name for task in tasks if task.changed]


def test_facts_are_those_of_an_illumos_host(ansible: Ansible) -> None:
    ansible.play("facts", distribution="OmniOS")


def play_twice(ansible: Ansible, subject: str, *phases: str) -> None:
    """Play each playbook twice: everything is done the first time, and nothing the second."""
    plays = ansible.play(*(f"{subject}/{phase}" for phase in phases for _ in range(2)))
    assert [without_change(play) for play in plays[0::2]] == [[] for _ in phases]
    assert [with_change(play) for play in plays[1::2]] == [[] for _ in phases]


def test_links_addresses_and_properties(ansible: Ansible) -> None:
    host = ansible.lab.host
    before = host.dump()

    play_twice(ansible, "network", "create", "change")

    links = host.run("dladm show-vnic -p -o link,over,macaddress anvnic0").check().stdout
    assert links == "anvnic0:anstub0:2\\:8\\:20\\:0\\:0\\:1\n"
    properties = host.run("dladm show-linkprop -c -o value -p allowed-ips,priority anvnic0").check()
    assert properties.stdout == "10.99.0.1,10.99.0.2\nmedium\n"
    persistent = host.run("dladm show-link -P -p -o link").check().stdout.split()
    assert {"anvnic0", "anvnic1", "anvnic2"} & set(persistent) == {"anvnic0", "anvnic1"}
    addresses = host.run("ipadm show-addr -p -o addrobj,type,state,addr anvnic0/v4").check().stdout
    assert addresses == "anvnic0/v4:static:ok:10.99.0.1/25\n"
    assert host.run("ipadm show-if -p -o state anvnic1").check().stdout == "disabled\n"
    assert host.run("ipadm show-prop -c -o current -p ecn tcp").check().stdout == "never\n"

    play_twice(ansible, "network", "reset", "remove")

    assert host.dump() == before


def test_zones(ansible: Ansible) -> None:
    host = ansible.lab.host
    before = host.dump()

    play_twice(ansible, "zones", "create")

    states = [line.split(":")[1:3] for line in host.run("zoneadm list -cnp").check().stdout.splitlines()]
    assert sorted(states) == [["anz1", "configured"], ["anz2", "installed"], ["anz3", "running"]]
    shadow = host.run("grep ^root: /zones/anz3/root/etc/shadow").check().stdout
    assert shadow.startswith("root:$5$rounds=10000$saltsalt$")

    play_twice(ansible, "zones", "change", "reset", "remove")

    assert host.dump() == before


def test_file_systems(ansible: Ansible) -> None:
    host = ansible.lab.host
    before = host.dump()

    play_twice(ansible, "storage", "create", "change")

    assert host.run("cat /export/moved/kept").check().stdout == "kept\nmoved\n"

    play_twice(ansible, "storage", "remove")

    assert host.dump() == before


def test_services_packages_and_files(ansible: Ansible) -> None:
    host = ansible.lab.host
    before = host.dump()

    play_twice(ansible, "services", "create", "change")

    states = host.run("svcs -H -o state rpc/bind cron dns/dnsmasq ipv4-forwarding").check().stdout
    assert sorted(states.split()) == ["disabled", "disabled", "online", "online"]

    play_twice(ansible, "services", "reset", "remove")

    assert host.dump() == before


def test_what_is_asked_for_each_time_and_what_is_refused(ansible: Ansible) -> None:
    host = ansible.lab.host
    before = host.dump()

    (tasks,) = ansible.play("toggles")

    results = {task.name: task.result for task in tasks}
    for name in ("The address through all its states", "A flow, twice", "It stops, twice"):
        assert all(item["changed"] for item in results[name]["results"])
    assert [item["changed"] for item in results["The flow goes, twice"]["results"]] == [True, False]
    assert results["A tunnel"]["changed"]
    assert results["The tunnel"]["stdout"] == "antun0:ipv4:192.0.2.11:192.0.2.12"
    assert [item["changed"] for item in results["The tunnel goes, twice"]["results"]] == [True, False]
    assert results["The state of the address"]["stdout"] == "ok:10.99.0.1/24"
    assert results["Its properties"]["stdout_lines"] == ["maxbw:  100", "priority:high"]
    assert results["Its attributes"]["stdout"] == "anflow:anvnic1:tcp:80"
    refused = {name: result["msg"] for name, result in results.items() if result.get("failed")}
    wrong = refused.pop("Wrong lines in a configuration")
    assert "syntax error on line 3 at '='" in wrong
    assert refused == {
        "A refresh of an address that is not from DHCP": (
            'state "refreshed" cannot be used with "static" addrtype'
        ),
        "A flow of another kind beside it": (
            'Error while creating flow: "flowadm: add flow failed: '
            'flow(s) with incompatible attributes exists\n"'
        ),
        "An interface is removed temporarily": (
            "ipadm: unrecognized option '-t'\nusage: \tdelete-if\t<interface>"
        ),
        "A read-only property": 'Property "state" is read-only!',
        "An unknown property": 'Unknown property "colour" on link anvnic0',
        "A property of a protocol beyond its range": (
            "ipadm: set-prop: ttl: Value is outside the allowed range"
        ),
        "A switch that is in use": "dladm: vnic deletion failed: link busy\n",
        "The same tunnel": "Failed to query tunnel interface antun0 properties",
        "A service of daemontools": "[Errno 2] No such file or directory: b'/service/cron'",
        "A service that does not exist": ("svcs: Pattern 'network/nothing' doesn't match any instances\n"),
    }
    assert host.dump() == before
