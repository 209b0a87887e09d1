"""A lab ends with who started it, however that ends and whatever the lab is doing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from illumos_lab import lab as labs
from illumos_lab.protocol import LabError
from illumos_lab.testing import Lab


def _processes(directory: Path) -> list[str]:
    """Command lines that name a lab's directory; a killed one whose parent has not noticed counts not."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_text().replace("\0", " ")
                if f"illumos_lab.world {directory}" in line or f"illumos_lab.daemon {directory}" in line:
                    found.append(line)
    return found


def _gone(directory: Path, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while _processes(directory) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _processes(directory)


_SCRIPT = """
    import os, signal, sys, threading, time
    from pathlib import Path
    from illumos_lab.testing import Lab

    lab = Lab.start(directory=Path(sys.argv[1]), time_scale=1.0)
    host = lab.host
    host.run("zonecfg -z slow 'create -b; set zonepath=/zones/slow; set brand=sparse'")
    host.fault("zoneadm -z slow install", delay=3600)
    # A zone operation that takes long, asked for by another thread.
    threading.Thread(target=host.run, args=("zoneadm -z slow install",), daemon=True).start()
    while not host.run("pgrep -f '[s]low install'").stdout:
        time.sleep(0.02)
    print("busy", flush=True)
"""

_ENDS = {
    "raises": "raise SystemExit(RuntimeError('a failed script'))",
    "is killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "exits hard": "os._exit(3)",
    "raises in with": "with lab: raise ValueError",
    "cannot stop": """
        def fails(*_):
            raise OSError("stop fails")
        lab.stop = lab._lab.down = fails
        with lab: raise ValueError
    """,
}


@pytest.mark.parametrize("end", _ENDS)
def test_a_lab_ends_with_a_script_that(end: str, tmp_path: Path) -> None:
    script = textwrap.dedent(_SCRIPT) + textwrap.dedent(_ENDS[end])
    directory = tmp_path / "lab"
    done = subprocess.run(
        [sys.executable, "-c", script, str(directory)], capture_output=True, text=True, timeout=240
    )
    assert done.stdout == "busy\n", done.stderr
    assert _gone(directory), _processes(directory)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab.start(directory=tmp_path / "lab", time_scale=0)
    yield lab
    lab.stop()


def _pid(directory: Path, part: str) -> int:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_text().split("\0")
                if f"illumos_lab.{part}" in words and str(directory) in words and "setpriv" not in words[0]:
                    return int(entry.name)
    raise LookupError(part)


def test_hosts_end_with_a_killed_world(lab: Lab) -> None:
    os.kill(_pid(lab.directory, "world"), signal.SIGKILL)
    assert _gone(lab.directory)


def test_a_daemon_that_does_not_answer_is_ended(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    # Stopped, it takes no notice of SIGTERM; the world does not wait for ever.
    os.kill(_pid(lab.directory, "daemon"), signal.SIGSTOP)
    lab.stop()
    assert _gone(lab.directory)


def test_a_world_that_does_not_answer_is_ended(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labs, "_DOWN_SECONDS", 0.5)
    world = _pid(lab.directory, "world")
    monkeypatch.setattr(lab._lab, "_ask", lambda *_: {})
    os.kill(world, signal.SIGSTOP)
    lab.stop()
    assert _gone(lab.directory)


def test_a_lab_that_does_not_come_up_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="not a host name"):
        Lab.start(hosts=("bad name",), directory=tmp_path / "lab")
    assert _gone(tmp_path / "lab")
