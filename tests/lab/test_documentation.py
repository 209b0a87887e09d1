"""What the lab says of itself is what its code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from illumos_lab import cli, commands, documentation
from illumos_lab.testing import Lab

ROOT = Path(__file__).parents[2]


def test_the_page_in_the_repository_is_the_generated_one() -> None:
    page = ROOT / "docs" / "lab.md"
    assert page.read_text() == documentation.page(), "stale: run `make docs-lab`"


def test_every_program_has_its_part() -> None:
    page = documentation.page()
    for path, target in commands.PATHS.items():
        assert f"`{path}`" in page or not commands.ONLY_ON.get(path, {"some"}), path
        if "refused" not in target:
            assert documentation.page(path.rpartition("/")[2]).startswith("### ")


def test_every_test_that_is_named_exists() -> None:
    for name in re.findall(r"`(test_\w+)`", documentation.page()):
        assert (ROOT / "tests" / "lab" / f"{name}.py").is_file(), name


def test_a_command_is_told_with_its_subcommands_and_with_what_it_refuses() -> None:
    dladm = documentation.page("dladm")
    assert "create-vnic [-t] [-R root-dir] -l LINK" in dladm
    assert "`create-secobj`" in dladm.partition("Not emulated: ")[2]
    assert "enable [-r] [-s] [-t]\n" in documentation.page("svcadm")
    assert "not emulated" in documentation.page("svcprop")
    with pytest.raises(LookupError):
        documentation.page("sed")


def _lab(*arguments: str) -> Any:
    return CliRunner().invoke(cli.app, arguments)


def test_docs_prints_the_page() -> None:
    assert _lab("docs").stdout == documentation.page()
    assert _lab("docs", "zpool").stdout == documentation.page("zpool")
    command = [sys.executable, "-m", "illumos_lab.cli", "docs", "sed"]
    wrong = subprocess.run(command, capture_output=True, text=True)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("illumos-lab: sed is not emulated; what is: arp, ")


def test_what_is_listed_as_not_emulated_is_refused() -> None:
    with Lab.start(profile="omnios", time_scale=0) as lab:
        for program in ("dladm", "flowadm", "zfs", "zpool", "svccfg", "pkg", "route"):
            page = documentation.page(program)
            listed = re.search(r"^Not emulated: (.*)\.$", page, re.MULTILINE)
            assert listed is not None
            names = re.findall(r"`([^`]+)`", listed[1])
            script = "".join(f"{program} {name} </dev/null; echo {name} $?\n" for name in names)
            result = lab.host.run(script)
            assert result.stdout.splitlines() == [f"{name} 1" for name in names]
            assert result.stderr.count("not emulated") == len(names), result.stderr


def test_help_tells_of_every_command_and_of_exit_statuses() -> None:
    text = _lab("--help").stdout
    names = re.findall(r"^│ ([a-z]+) ", text, re.MULTILINE)
    assert {"up", "down", "status", "docs", "ssh", "run", "journal", "fault"} <= set(names)
    assert "Exit status" in text
    for name in names:
        done = _lab(name, "--help")
        assert done.exit_code == 0
        assert f" {name} [OPTIONS]" in done.stdout
    assert _lab("frobnicate").exit_code == 2


def test_status_tells_of_hosts_and_zones(tmp_path: Path) -> None:
    nothing = _lab("status", "--dir", str(tmp_path))
    assert str(nothing.exception) == f"no lab runs in {tmp_path}"
    with Lab.start(hosts=["north", "south"], profile="tribblix", time_scale=0, directory=tmp_path) as lab:
        lab.hosts["south"].run(
            "zonecfg -z web 'create -t TRIBwhole; set zonepath=/export/zones/web'"
        ).check()
        lines = _lab("status", "--dir", str(tmp_path)).stdout.splitlines()
        assert lines[0].split() == ["host", "state", "profile", "address", "ssh", "port", "zones"]
        rows = {line.split()[0]: line.split() for line in lines[1:]}
        assert rows["north"][1:3] == ["running", "tribblix"]
        assert rows["north"][-1] == "none"
        assert rows["south"][-4:] == ["0", "of", "1", "run"]
        assert '"name": "north"' in _lab("status", "--json", "--dir", str(tmp_path)).stdout
