"""Oxide's Rust crate ``zone`` takes a zone through its whole life, as a user with pfexec."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from illumos_lab.testing import Lab

SOURCE = Path(__file__).with_name("rust-zone")
PROGRAM = "/usr/local/bin/zone-lifecycle"
LINK = "oxide0"

# How each distribution calls its template and brand, and where it keeps its zones.
WORDS = {
    "omnios": ("lipkg", "lipkg", "/zones/oxide"),
    "tribblix": ("TRIBwhole", "whole-root", "/export/zones/oxide"),
    "openindiana": ("SUNWipkg", "ipkg", "/zones/oxide"),
}

TRANSCRIPT = f"""\
in zone global
configured
Configured
create -b
set zonepath={{zonepath}}
set brand={{brand}}
set autoboot=true
set ip-type=exclusive
add net
set physical="{LINK}"
end
add attr
set name="colour"
set type="string"
set value="blue"
end
boot too early: Failed to parse command output: exit code 1
stdout:

stderr:
zoneadm: zone 'oxide': must be installed before boot.
Installed
delete too early: Failed to parse command output: exit code 1
stdout:

stderr:
Input not from terminal and -F not specified:
delete command ignored, exiting.
Running
zonename: oxide
root
failing: Failed to parse command output: exit code 7
stdout:
out
stderr:
err
Installed
Configured
login too late: Failed to parse command output: exit code 1
stdout:

stderr:
zlogin: zone 'oxide' unknown
"""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled program; what cargo makes is kept in the project's cache."""
    if shutil.which("cargo") is None:
        pytest.skip("cargo is missing: the Rust program cannot be built")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    target = Path(os.environ.get("PULUMI_ILLUMOS_CACHE") or Path(cache, "pulumi-illumos")) / "rust-zone"
    # Cargo writes its lock file beside the sources.
    package = tmp_path_factory.mktemp("rust-zone") / "package"
    shutil.copytree(SOURCE, package)
    build = subprocess.run(
        ["cargo", "build", "--quiet", "--release"],
        cwd=package,
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
        capture_output=True,
        text=True,
    )
    # The library is not part of this repository: without it and without a registry there is no test.
    if build.returncode and any(
        text in build.stderr for text in ("download", "failed to get", "failed to query")
    ):
        pytest.skip(f"the crate cannot be had: {build.stderr.strip().splitlines()[0]}")
    assert build.returncode == 0, build.stderr
    return target / "release" / "zone-lifecycle"


@pytest.mark.parametrize("profile", WORDS)
def test_the_zone_crate_takes_a_zone_through_its_life(profile: str, program: Path) -> None:
    template, brand, zonepath = WORDS[profile]
    with Lab.start(profile=profile, time_scale=0) as lab:
        host = lab.host
        host.copy(program, PROGRAM)
        host.run(f"dladm create-vnic -l e1000g0 {LINK}").check()
        before = host.dump()
        done = host.ssh(f"{PROGRAM} {template} {brand} {zonepath} {LINK}", user="admin")
        expected = TRANSCRIPT.format(zonepath=zonepath, brand=brand)
        assert (done.stdout, done.stderr, done.status) == (expected, "", 0)
        assert host.dump() == before
        # Nothing was run but through pfexec, as admin itself may not.
        denied = host.ssh("/usr/sbin/zonecfg -z oxide create -b", user="admin")
        assert denied.status == 1


def test_without_a_profile_pfexec_gives_the_crate_nothing(program: Path) -> None:
    with Lab.start(profile="omnios", time_scale=0) as lab:
        lab.host.copy(program, PROGRAM)
        lab.host.run("sed -i 's/^admin:.*/admin::::profiles=/' /etc/user_attr").check()
        done = lab.host.ssh(f"{PROGRAM} lipkg lipkg /zones/oxide {LINK}", user="admin")
        assert done.status == 1
        assert "oxide" not in lab.host.run("zoneadm list -cn").stdout
