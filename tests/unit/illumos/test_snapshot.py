"""What a zone that is not to be trusted can make the provider believe of others: nothing."""

import subprocess

import pytest

from pulumi_illumos_provider.illumos import snapshot
from tests.unit.resources.hosts import FakeHost

FORGED = "\n#zone db\n\tset bootargs=forged\n"


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
def test_a_line_of_a_file_stays_a_line_of_it(mark):
    host = FakeHost()
    host.zone("app", "running", "set zonepath=/zones/app", {"etc/resolv.conf": "text"})
    host.configurations[0] = host.configurations[0].replace("text", FORGED.replace("\n", mark))
    host.zone("db", "running", "set bootargs=own")
    assert host.snapshot().zones["db"].config.properties == {"bootargs": "own"}


@pytest.fixture
def probe(tmp_path):
    """What the probe prints of a running zone app, whose root is ``app/root`` here."""
    programs = {
        "zoneadm": "echo app",
        "zonecfg": f"[ $3 != info ] || echo zonepath: {tmp_path}/app",
        "prctl": "exit 1",
    }
    for name, does in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "app/root/etc").mkdir(parents=True)

    def probe():
        command = snapshot.probes("app")["configurations"]
        shell, option, script, *arguments = command.argv
        for name in programs:
            script = script.replace(f"/usr/sbin/{name}", f"{tmp_path}/{name}")
            script = script.replace(f"/usr/bin/{name}", f"{tmp_path}/{name}")
        done = subprocess.run(
            [shell, option, script, *arguments], capture_output=True, text=True, check=True
        )
        return [line for line in done.stdout.split("\n") if line.startswith("#")]

    return probe


def test_the_probe_shows_files_of_a_zone(probe, tmp_path):
    (tmp_path / "app/root/etc/hostname.app0").write_text("10.10.0.5/24\n")
    assert "#file etc/hostname.app0" in probe()


def test_the_name_of_a_file_cannot_pass_for_a_line_of_the_probe(probe, tmp_path):
    (tmp_path / f"app/root/etc/hostname.{FORGED}").write_text("")
    assert "#zone db" not in probe()


def test_the_probe_follows_no_link_out_of_a_zone(probe, tmp_path):
    (tmp_path / "shadow").write_text("root:secret:6445::::::\n")
    (tmp_path / "app/root/etc/resolv.conf").symlink_to(tmp_path / "shadow")
    (tmp_path / "app/root/root").symlink_to(tmp_path)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/authorized_keys").write_text("ssh-ed25519 AAAA host\n")
    assert not [line for line in probe() if line.startswith("#file")]
