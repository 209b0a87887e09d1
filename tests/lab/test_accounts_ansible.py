"""Ansible's modules for users and groups, as they come from PyPI, on an illumos host."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from illumos_lab.testing import Host, Lab
from tests.lab.test_ansible import TOOL, Ansible, play_twice

# The first run on a machine installs Ansible.


@pytest.fixture(scope="module")
def playbooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ansible]:
    installed = subprocess.run([TOOL], stdout=subprocess.PIPE, text=True, check=True)
    with Lab.start(time_scale=0.02) as lab:
        yield Ansible(lab, tmp_path_factory.mktemp("ansible"), Path(installed.stdout.strip()))


def entries(host: Host, database: str) -> list[str]:
    return host.run(f"getent {database}").check().stdout.splitlines()


def test_users_and_groups(playbooks: Ansible) -> None:
    host = playbooks.lab.host
    before = {database: entries(host, database) for database in ("passwd", "group")}

    play_twice(playbooks, "accounts", "create")

    assert entries(host, "passwd ann bob") == [
        "ann:x:2001:300:Ann:/home/ann:/usr/bin/bash",
        "bob:x:2002:1::/home/bob:/bin/sh",
    ]
    assert entries(host, "group ops web staff") == ["ops::300:", "web::301:ann", "staff::10:ann"]
    assert host.run("stat -c %U:%G /home/ann /home/ann/.profile").stdout == "ann:ops\nann:ops\n"
    assert host.run("ls -d /home/bob").status != 0
    assert host.run("profiles ann").check().stdout.split("\n")[0].strip() == "Zone Management"
    assert host.run("grep ^ann: /etc/shadow | cut -d: -f2").stdout == "$5$rounds=10000$saltsalt$hash\n"

    play_twice(playbooks, "accounts", "change")

    assert entries(host, "passwd ann") == ["ann:x:2001:300:Ann O.:/export/ann:/usr/bin/ksh93"]
    assert entries(host, "group web staff ops") == ["web::310:", "staff::10:ann", "ops::300:bob"]
    assert host.run("stat -c %U /export/ann/.profile").stdout == "ann\n"

    play_twice(playbooks, "accounts", "remove")

    assert {database: entries(host, database) for database in ("passwd", "group")} == before
    assert host.run("grep -E '^(ann|bob):' /etc/shadow /etc/user_attr; ls -d /export/ann").stdout == ""
