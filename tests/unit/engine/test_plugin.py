"""The plugin as a process: what it prints, and how it ends."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2_grpc

from pulumi_illumos_provider import __version__
from pulumi_illumos_provider.engine.plugin import _engine_address

COMMAND = [sys.executable, "-m", "pulumi_illumos_provider.engine.plugin"]

# Python keeps what start-up files print until we can lead it elsewhere, unless it is told not to: then only
# a launcher that is no Python program helps.
NOISY = {"PYTHONUNBUFFERED": "", "PYTHONWARNINGS": "always", "ILLUMOS_DEBUG": "1"}

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts plugins; they are gone afterwards."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, command: list[str] = COMMAND, **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def port(process: subprocess.Popen[bytes]) -> int:
    """The first line of standard output, read as the engine does."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 60)
    assert ready, "nothing printed"
    return int(process.stdout.readline())


def answers(number: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{number}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        return bool(stub.GetPluginInfo(empty_pb2.Empty(), timeout=60).version == __version__)


def end(process: subprocess.Popen[bytes], number: int) -> tuple[int, bytes, bytes]:
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_port_and_nothing_else_and_ends_on_a_signal(start: Start, number: int) -> None:
    process = start()
    assert answers(port(process))
    assert end(process, number) == (0, b"", b"")


def test_whatever_is_printed_goes_to_standard_error(start: Start, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('Welcome to blue42')\n")
    (tmp_path / "asyncssh.py").write_text(
        "import os\nprint('from python')\nos.system('echo from a child')\nraise SystemExit(3)\n"
    )
    process = start(PYTHONPATH=str(tmp_path), **NOISY)
    out, err = process.communicate(timeout=60)
    assert out == b""
    assert b"Welcome to blue42" in err
    assert b"from python" in err
    assert b"from a child" in err


def test_start_up_output_does_not_reach_the_engine(start: Start, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('Welcome to blue42')\nprint(':::')\n")
    process = start(PYTHONPATH=str(tmp_path), **NOISY)
    assert answers(port(process))
    status, out, err = end(process, signal.SIGTERM)
    assert (status, out) == (0, b"")
    assert b"Welcome to blue42" in err


def test_a_launcher_can_keep_standard_output_out_of_reach(start: Start, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('Welcome', flush=True)\n")  # kept by no buffer
    launcher = f'exec "{sys.executable}" -m pulumi_illumos_provider.engine.plugin --port-fd 3 "$@" 3>&1 >&2'
    process = start(command=["/bin/sh", "-c", launcher, "sh"], PYTHONPATH=str(tmp_path))
    assert answers(port(process))
    assert end(process, signal.SIGTERM)[:2] == (0, b"")


def test_a_missing_dependency_is_told_in_words(start: Start, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['asyncssh'] = None\n")
    process = start(PYTHONPATH=str(tmp_path))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, b"")
    text = err.decode()
    assert text.startswith("pulumi-resource-illumos: the Python package 'asyncssh' is missing")
    assert "pip install" in text
    assert "Traceback" not in text


def test_it_ends_when_the_engine_is_gone(start: Start, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import pulumi_illumos_provider.engine.serving as serving\nserving.WATCH = 0.1\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as engine:
        process = start(f"127.0.0.1:{engine.getsockname()[1]}", PYTHONPATH=str(tmp_path))
        port(process)
        time.sleep(0.5)
        assert process.poll() is None
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"")
    assert b"is gone: stopping" in err


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ([], ""),
        (["127.0.0.1:4000"], "127.0.0.1:4000"),
        (["--logtostderr", "-v=9", "--tracing=file:x", "127.0.0.1:4000"], "127.0.0.1:4000"),
        (["--port-fd", "3", "127.0.0.1:4000"], "127.0.0.1:4000"),
        (["--port-fd", "3"], ""),
    ],
)
def test_the_engines_address_is_the_argument_that_is_no_flag(arguments: list[str], address: str) -> None:
    assert _engine_address(arguments) == address
