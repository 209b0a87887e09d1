"""zonecfg and ``zoneadm list`` against recorded runs of the real programs.

``tests/data/zonecfg-corpus.jsonl`` holds the runs. A case that fails must be listed in
``tests/data/zonecfg-known-failing.txt``, and the list may only shrink: a listed case that passes is a
failure.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from illumos_lab.commands import zoneadm, zonecfg
from illumos_lab.invocation import Invocation
from illumos_lab.profile import OPENINDIANA, BrandProfile
from illumos_lab.zone_states import ActiveZone
from illumos_lab.zone_templates import install_templates
from illumos_lab.zones import Zones

DATA = Path(__file__).parent.parent / "data"
CASES: list[dict[str, Any]] = [
    json.loads(line) for line in (DATA / "zonecfg-corpus.jsonl").read_text().splitlines()
]
KNOWN_FAILING = frozenset((DATA / "zonecfg-known-failing.txt").read_text().split())

UPSTREAM = replace(
    OPENINDIANA,
    brands=(
        BrandProfile("ipkg"),
        BrandProfile("sn1", ("SUNWsn1",)),
        BrandProfile("labeled"),
        BrandProfile("solaris10", ("SUNWsolaris10",)),
    ),
    default_template_brand="ipkg",
)
"""The machine that the recordings were made on."""

_OWN_FILES = ("/usr/lib/brand/", "/var/run/", "/etc/passwd", "/etc/user_attr", "/etc/zones/SUNW")


class UpstreamHost:
    """As much of a host as the two programs look at."""

    def __init__(self, root: Path, case: dict[str, Any]) -> None:
        self.root = root
        self.profile = UPSTREAM
        (root / "var/run/zones").mkdir(parents=True)
        (root / "tmp").mkdir()
        (root / "data").mkdir()
        install_templates(root, UPSTREAM)
        self._write("/etc/passwd", "root:x:0:0::/:/bin/sh\nalice:x:100:1::/:\nbob:x:101:1::/:\n")
        self._write("/etc/user_attr", case.get("user_attr", "root::::auths=solaris.*\n"))
        newer = case.get("user_attr_newer_than_config", False)
        moment = time.time() + 3600 if newer else 1
        os.utime(root / "etc/user_attr", (moment, moment))
        (root / "etc/zones/index").unlink()
        for path, text in case["files_before"].items():
            self._write(path, text)
        if "command_file" in case:
            self._write(case["command_file"]["path"], case["command_file"]["text"])
        host: Any = self
        self.zones = Zones(host)
        for line in case.get("kernel_zones", "").splitlines():
            zone_id, name, state = line.split()
            configuration = self.zones.config(name)
            self.zones._active[name] = ActiveZone(name, int(zone_id), configuration, state)

    def _write(self, path: str, text: str) -> None:
        file = self.path("global", path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8", "surrogateescape"))

    def path(self, _zone: str, path: str) -> Path:
        return self.root / path.lstrip("/")

    def files(self) -> dict[str, str]:
        """All files that the program may have written."""
        found = {}
        for file in self.root.rglob("*"):
            path = f"/{file.relative_to(self.root)}"
            if file.is_file() and not path.startswith(_OWN_FILES):
                found[path] = file.read_bytes().decode("utf-8", "surrogateescape")
        return found


class CorpusInvocation(Invocation):
    """An invocation whose standard input may pass for a terminal."""

    terminal = False

    def stdin_isatty(self) -> bool:
        return self.terminal


def replay(case: dict[str, Any], root: Path) -> dict[str, Any]:
    """Run a case; what came out, under the names of the corpus."""
    host: Any = UpstreamHost(root, case)
    before = host.files()
    streams = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    os.write(streams[0], case["stdin"].encode())
    os.lseek(streams[0], 0, os.SEEK_SET)
    run = CorpusInvocation(
        path=f"/usr/sbin/{case['program']}",
        argv=list(case["argv"]),
        env=dict(case.get("env", {})),
        cwd="/",
        uid=1001 if "run_as" in case else 0,
        zone="elsewhere" if "simulated_zone_id" in case else "global",
        stdin=streams[0],
        stdout=streams[1],
        stderr=streams[2],
        privileged="run_as" not in case,
    )
    run.terminal = case.get("stdin_is_terminal", False)
    program = {"zonecfg": zonecfg.main, "zoneadm": zoneadm.main}[case["program"]]
    status = program(host, run)
    texts = []
    for stream in streams[1:]:
        os.lseek(stream, 0, os.SEEK_SET)
        texts.append(os.read(stream, 1 << 24).decode("utf-8", "surrogateescape"))
    for stream in streams:
        os.close(stream)
    after = host.files()
    if "command_file" in case:
        before.pop(case["command_file"]["path"])
        after.pop(case["command_file"]["path"])
    return {
        "exit": status,
        "stdout": texts[0],
        "stderr": texts[1],
        "files_after": "unchanged" if after == before else after,
    }


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_the_recorded_run_is_reproduced(case: dict[str, Any], tmp_path: Path) -> None:
    got = replay(case, tmp_path)
    wanted = {name: case[name] for name in got}
    if case["id"] in KNOWN_FAILING:
        assert got != wanted, f"{case['id']} passes now: take it out of the list of known failures"
    else:
        assert got == wanted


def test_known_failures_are_cases_of_the_corpus() -> None:
    assert {case["id"] for case in CASES} >= KNOWN_FAILING
