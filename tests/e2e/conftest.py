"""The real engine, and emulated hosts to work on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from illumos_lab.testing import Host, Lab

from .stack import Stack


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    if shutil.which("pulumi") is None:
        pytest.fail("no pulumi on PATH: run these tests with make test-e2e")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One emulated OmniOS host, gz1, for all tests of a module; each leaves it as it was."""
    with Lab.start(time_scale=0.05) as lab:
        yield lab


@pytest.fixture
def host(lab: Lab) -> Iterator[Host]:
    """The host; it must be left exactly as it was found."""
    host = lab.host
    host.clear_faults()
    before = host.dump()
    yield host
    host.clear_faults()
    assert host.dump() == before


@pytest.fixture
def stack(tmp_path: Path, lab: Lab) -> Callable[..., Stack]:
    """Makes stacks on the lab's host."""
    count = iter(range(100))

    def make(**config: str) -> Stack:
        settings = {"illumos:host": "gz1"} | {k.replace("__", ":"): v for k, v in config.items()}
        environment = {"ILLUMOS_SSH_CONFIG": str(lab.ssh_config)}
        return Stack(tmp_path / f"stack{next(count)}", settings, environment)

    return make
