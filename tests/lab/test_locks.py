"""A second zoneadm on a zone waits for the first; other zones do not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fakes_zones import configure, zone_host

PATIENCE = 0.2


@pytest.fixture
def host(tmp_path: Path) -> Any:
    made = zone_host(tmp_path)
    for zone in ("web", "db"):
        configure(made, zone)
        assert made.run("zoneadm", "-z", zone, "install").exit == 0
    return made


class InThread(threading.Thread):
    """Runs something in a thread and keeps its result."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.result: Any = None
        self.start()

    def run(self) -> None:
        self.result = self._work()

    def finished(self, seconds: float) -> bool:
        self.join(seconds)
        return not self.is_alive()


@pytest.mark.parametrize(
    "subcommand", ["boot", "ready", "halt", "uninstall -F", "detach", "mark incomplete"]
)
def test_a_second_zoneadm_waits(host: Any, subcommand: str) -> None:
    with host.zones.locked("web"):
        second = InThread(lambda: host.run("zoneadm", "-z", "web", *subcommand.split()))
        assert not second.finished(PATIENCE)
        assert host.zones.state("web") == "installed"
    assert second.finished(60)
    assert second.result.exit == 0


def test_other_zones_and_readers_do_not_wait(host: Any) -> None:
    with host.zones.locked("web"):
        for words in (
            ("-z", "db", "boot"),
            ("list", "-cv"),
            ("-z", "web", "list"),
            ("-z", "web", "verify"),
        ):
            other = InThread(lambda words=words: host.run("zoneadm", *words))  # type: ignore[misc]
            assert other.finished(60)
            assert other.result.exit == 0
        edit = InThread(lambda: host.run("zonecfg", "-z", "web", "set autoboot=true"))
        assert edit.finished(60)


def test_of_two_boots_one_finds_the_zone_booted(host: Any) -> None:
    with host.zones.locked("web"):
        racers = [InThread(lambda: host.run("zoneadm", "-z", "web", "boot")) for _ in range(2)]
    assert all(racer.finished(60) for racer in racers)
    assert sorted(racer.result for racer in racers) == [
        (0, "", ""), (0, "", "zone 'web': zone is already booted\n"),
    ]  # fmt: skip
