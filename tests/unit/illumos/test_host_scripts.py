"""Scripts for the host that can be run anywhere: what they do, and what they say."""

import subprocess

import pytest

from pulumi_illumos_provider.illumos import machines, pending, sysidcfg, zoneadm
from pulumi_illumos_provider.plan import Command


def run(command: Command) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command.argv, input=command.stdin or "", capture_output=True, text=True, check=False
    )


def test_what_is_left_below_a_zonepath_is_told(tmp_path):
    assert run(zoneadm.report_leftovers(f"{tmp_path}/gone")).stderr == ""
    assert run(zoneadm.report_leftovers(str(tmp_path))).stderr == ""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/todo list").touch()
    done = run(zoneadm.report_leftovers(str(tmp_path)))
    assert done.returncode == 0
    first, *rest = done.stderr.splitlines()
    assert str(tmp_path) in first
    assert sorted(rest) == ["./notes", "./notes/todo list"]


def test_a_note_of_what_waits_is_written_read_and_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(pending, "DIRECTORY", f"{tmp_path}/var/pending")
    assert run(pending.note("web", "7", ["memory", "vm"])).returncode == 0
    text = (tmp_path / "var/pending/web").read_text()
    assert pending.parse(text, "7") == ["memory", "vm"]
    assert run(pending.forget("web")).returncode == 0
    assert not (tmp_path / "var").exists()
    assert run(pending.forget("web")).returncode == 0


def test_a_note_of_another_zone_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(pending, "DIRECTORY", f"{tmp_path}/var/pending")
    for zone in ("web", "db"):
        run(pending.note(zone, "7", ["memory"]))
    run(pending.forget("web"))
    assert [path.name for path in (tmp_path / "var/pending").iterdir()] == ["db"]


def test_files_for_a_guest_are_forgotten_with_their_directories(tmp_path, monkeypatch):
    monkeypatch.setattr(machines, "_NOTES", f"{tmp_path}/etc/zones")
    (tmp_path / "etc/zones/vm").mkdir(parents=True)
    for path in (machines.password_file("vm"), machines.user_data_file("vm")):
        (tmp_path / path).touch()
    assert run(machines.forget_files("vm")).returncode == 0
    assert not (tmp_path / "etc").exists()


@pytest.mark.parametrize(
    "keyword",
    [
        "system_locale",
        "terminal",
        "network_interface",
        "security_policy",
        "name_service",
        "nfs4_domain",
        "timezone",
        "root_password",
    ],
)
def test_no_question_of_solaris_10_stays_open(keyword):
    assert f"\n{keyword}=" in "\n" + sysidcfg.content("web", "Europe/Berlin", "hash")
