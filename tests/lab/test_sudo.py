"""sudo: who may become root by /etc/sudoers."""

from __future__ import annotations

from pathlib import Path

import pytest

from illumos_lab.image import SUDOERS, build
from illumos_lab.invocation import Spawn
from illumos_lab.profile import OMNIOS, SMARTOS, TRIBBLIX
from tests.lab.fakes_smf import ServiceHost, service_host

PASSWD = """\
root:x:0:0:Super-User:/root:/usr/bin/bash
daemon:x:1:1::/:
ann:x:100:10:Ann:/home/ann:/usr/bin/ksh93
"""


@pytest.fixture
def host(tmp_path: Path) -> ServiceHost:
    host = service_host(tmp_path)
    for path, text in {
        "/etc/passwd": PASSWD,
        "/etc/group": "root::0:\nstaff::10:\nops::50:ann\n",
        "/etc/sudoers": SUDOERS,
        "/usr/bin/id": "",
        "/usr/sbin/zoneadm": "",
    }.items():
        file = host.path("global", path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return host


def grant(host: ServiceHost, *lines: str) -> None:
    file = host.path("global", "/etc/sudoers.d/site")
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines))


def sudo(host: ServiceHost, *argv: str, privileged: bool = False, **env: str):
    env = {"PATH": "/usr/bin:/usr/sbin", **env}
    return host.run("/usr/bin/sudo", *argv, privileged=privileged, env=env, cwd="/tmp")


def test_a_user_whom_no_file_names_is_asked_for_a_password(host: ServiceHost) -> None:
    assert sudo(host, "-n", "id") == (1, "", "sudo: a password is required\n")
    typed = sudo(host, "id")
    assert typed.exit == 1
    assert typed.stderr.startswith("sudo: a terminal is required to read the password")
    grant(host, "ann ALL=(ALL) ALL")
    assert sudo(host, "-n", "id").stderr == "sudo: a password is required\n"
    assert sudo(host, "-nv").exit == 1


def test_without_a_password_root_runs_the_command(host: ServiceHost) -> None:
    grant(host, "# everybody in ops", "%ops ALL=(ALL) NOPASSWD: ALL")
    done = sudo(host, "-n", "VAR=x", "id", "-u", TERM="vt100", SECRET="1")
    assert isinstance(done.exit, Spawn)
    assert done.exit.argv == ("/usr/bin/id", "-u")
    assert (done.exit.uid, done.exit.cwd) == (0, "/tmp")
    assert done.exit.env == {
        "TERM": "vt100",
        "PATH": "/usr/bin:/usr/sbin",
        "HOME": "/root",
        "MAIL": "/var/mail/root",
        "SHELL": "/usr/bin/bash",
        "USER": "root",
        "LOGNAME": "root",
        "SUDO_COMMAND": "/usr/bin/id -u",
        "SUDO_USER": "ann",
        "SUDO_UID": "100",
        "SUDO_GID": "10",
        "VAR": "x",
    }
    assert sudo(host, "-nl") == (
        0,
        "User ann may run the following commands on lab:\n    (ALL) NOPASSWD: ALL\n",
        "",
    )
    assert sudo(host, "-nv").exit == 0


def test_as_another_user_and_by_a_shell(host: ServiceHost) -> None:
    grant(host, "ann ALL=(ALL) NOPASSWD: ALL")
    other = sudo(host, "-u", "daemon", "id").exit
    assert isinstance(other, Spawn)
    assert other.uid == 1
    shell = sudo(host, "-i", "echo", "a b").exit
    # The shell itself is looked for like any program.
    assert shell == 1
    file = host.path("global", "/usr/bin/bash")
    file.write_text("")
    shell = sudo(host, "-i", "echo", "a b").exit
    assert isinstance(shell, Spawn)
    assert shell.argv == ("/usr/bin/bash", "-l", "-c", "echo 'a b'")
    assert shell.cwd == "/root"
    assert sudo(host, "-u", "nobody", "id").stderr == "sudo: unknown user nobody\n"
    assert sudo(host, "nosuch").stderr == "sudo: nosuch: command not found\n"


def test_the_last_rule_that_covers_a_command_decides(host: ServiceHost) -> None:
    zoneadm = "NOPASSWD: /usr/sbin/zoneadm list*, !/usr/sbin/zoneadm list -i"
    grant(host, f"ann ALL=(root) {zoneadm}", 'Defaults secure_path="/usr/sbin"')
    allowed = sudo(host, "-n", "zoneadm", "list", "-cp").exit
    assert isinstance(allowed, Spawn)
    assert allowed.env["PATH"] == "/usr/sbin"
    assert sudo(host, "-n", "zoneadm", "list", "-i") == (
        1,
        "",
        "Sorry, user ann is not allowed to execute '/usr/sbin/zoneadm list -i' as root on lab.\n",
    )
    assert sudo(host, "-n", "zoneadm", "halt").stderr == "sudo: a password is required\n"
    assert sudo(host, "-n", "-u", "daemon", "/usr/sbin/zoneadm", "list").exit == 1


def test_what_the_lab_does_not_read_is_refused(host: ServiceHost) -> None:
    grant(host, "User_Alias OPS = ann")
    refused = sudo(host, "-n", "id")
    assert refused.exit == 1
    assert "User_Alias OPS = ann: not emulated" in refused.stderr


def test_who_has_it(tmp_path: Path) -> None:
    for profile, there in ((OMNIOS, True), (TRIBBLIX, False), (SMARTOS, False)):
        (tmp_path / profile.name).mkdir()
        build(tmp_path / profile.name, profile, "gz1", "192.0.2.10/24")
        program = tmp_path / profile.name / "host-usr/bin/sudo"
        assert program.is_file() == there
        assert (tmp_path / profile.name / "host/etc/sudoers").exists() == there


def test_tribblix_gets_it_from_a_package(tmp_path: Path) -> None:
    host = service_host(tmp_path, TRIBBLIX)
    assert host.run("/usr/bin/zap", "install", "TRIBsudo").exit == 0
    assert host.path("global", "/usr/bin/sudo").is_file()
    assert host.path("global", "/etc/sudoers").read_text() == SUDOERS
