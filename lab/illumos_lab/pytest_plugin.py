"""Emulated hosts as pytest fixtures.

In a conftest.py::

    pytest_plugins = ["illumos_lab.pytest_plugin"]

and in a test::

    def test_something(illumos_host):
        illumos_host.run("dladm create-etherstub lan0").check()

    @pytest.mark.illumos(profile="tribblix", hosts=["north", "south"])
    def test_two_hosts(illumos_lab):
        assert illumos_lab.hosts["south"].ssh("uname -v").stdout == "tribblix-m38\\n"

Every test gets fresh hosts, which start in about a second. What they ran is added to the report of a test
that fails. The distribution of tests that name none is the ini setting ``illumos_profile``, or the option
``--illumos-profile``.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from illumos_lab.profile import PROFILES
from illumos_lab.protocol import LabError
from illumos_lab.testing import Host, Lab

_MARKER = "illumos"
_LAB = pytest.StashKey[Lab]()
_SHOWN = 50


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--illumos-profile`` and the ini setting ``illumos_profile``."""
    names = ", ".join(PROFILES)
    text = f"distribution of emulated hosts, unless the test names one: {names}"
    parser.getgroup("illumos-lab").addoption(
        "--illumos-profile", choices=list(PROFILES), default=None, help=text
    )
    parser.addini("illumos_profile", text, default="omnios")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        f'{_MARKER}(profile="omnios", hosts=("gz1",), time_scale=0): what the fixtures illumos_lab and'
        " illumos_host give: the distribution, names of hosts, and the factor on the durations of slow"
        " operations",
    )


@pytest.fixture
def illumos_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab of the test's own (see `illumos_lab.testing.Lab`), ended and removed after it."""
    config = request.config
    settings: dict[str, Any] = {
        "profile": config.getoption("--illumos-profile") or config.getini("illumos_profile"),
        "time_scale": 0.0,
    }
    marker = request.node.get_closest_marker(_MARKER)
    if marker is not None:
        settings |= marker.kwargs
    if isinstance(settings.get("hosts"), str):
        settings["hosts"] = [settings["hosts"]]
    with Lab.start(**settings) as lab:
        request.node.stash[_LAB] = lab
        yield lab
        del request.node.stash[_LAB]


@pytest.fixture
def illumos_host(illumos_lab: Lab) -> Host:
    """The (first) host of the test's own lab (see `illumos_lab.testing.Host`)."""
    return illumos_lab.host


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the hosts ran to the report of a failure."""
    report = yield
    lab = item.stash.get(_LAB, None)
    if report.failed and report.when == "call" and lab is not None:
        for host in lab.hosts.values():
            report.sections.append((f"commands of illumos host {host.name}", _commands(host)))
    return report


def _commands(host: Host) -> str:
    try:
        entries = host.journal()["commands"]
    except LabError as error:
        return f"{error}\n"
    lines = [f"[{entry['zone']}] {' '.join(entry['argv'])} -> {entry['status']}\n" for entry in entries]
    if len(lines) > _SHOWN:
        lines[:-_SHOWN] = [f"({len(lines) - _SHOWN} more before)\n"]
    return "".join(lines)
