"""A fake host with real services, packages and datasets, and daemons that live until they are ended."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from illumos_lab.datasets import Datasets
from illumos_lab.packages import Packages
from illumos_lab.profile import OMNIOS, Profile
from illumos_lab.smf import Smf
from tests.lab.fakes import FakeHost, FakeRuntime, FakeZones, fake_host


class Daemon:
    """A process that runs until it gets a signal, or until the test ends it with `die`."""

    def __init__(self, argv: Sequence[str], pid: int) -> None:
        self.args = list(argv)
        self.pid = pid
        self.returncode: int | None = None
        self._ended = threading.Event()

    def die(self, status: int) -> None:
        self.returncode = status
        self._ended.set()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._ended.wait(timeout)
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        self.die(-15)

    def kill(self) -> None:
        self.die(-9)


class DaemonRuntime(FakeRuntime):
    """Starts `Daemon`s.

    Attributes:
        daemons: all that were started, but what waits on the console of each zone.
        exit_at_once: status with which the next daemons end at once.
    """

    def __init__(self, host: FakeHost) -> None:
        super().__init__(host)
        self.daemons: list[Daemon] = []
        self.exit_at_once: int | None = None

    def start(self, zone: str, argv: Sequence[str], log: Path) -> Any:
        self.calls.append(("start", zone, tuple(argv), log))
        if "ttymon" in argv[-1]:
            return Daemon(argv, 999)
        daemon = Daemon(argv, 1000 + len(self.daemons))
        self.daemons.append(daemon)
        if self.exit_at_once is not None:
            daemon.die(self.exit_at_once)
            return daemon
        for word in argv:
            if word.startswith("--pid-file="):
                pid_file = self.host.path(zone, word.removeprefix("--pid-file="))
                pid_file.parent.mkdir(parents=True, exist_ok=True)
                pid_file.write_text("1\n")
        return daemon


class Configuration:
    """As much of a zone's configuration as services look at."""

    def __init__(self, brand: str) -> None:
        self.brand = brand

    def datasets(self) -> list[str]:
        return []


class Store:
    def brand_of(self, configuration: Configuration) -> str:
        return configuration.brand


class BrandedZones(FakeZones):
    """Zones with a brand."""

    def __init__(self, host: FakeHost) -> None:
        super().__init__(host)
        self.store = Store()
        self.brands: dict[str, str] = {}
        self.booted = 0

    def config(self, zone: str) -> Configuration:
        return Configuration(self.brands.get(zone, self.host.profile.brands[0].name))

    def boot(self) -> None:
        self.booted += 1

    def halt_all(self) -> None:
        pass


class ServiceHost(FakeHost):
    """A host whose services are real."""

    runtime: DaemonRuntime

    def boot_zone(self, zone: str, brand: str | None = None, *packages: str) -> Path:
        """Make a zone with packages and boot it up to its last milestone; gives its root."""
        root = self.add_zone(zone)
        brand = brand or self.profile.brands[0].name
        self.zones.brands[zone] = brand  # type: ignore[attr-defined]
        self.packages.populate(root, brand, packages)
        self.restart_zone(zone)
        return root

    def restart_zone(self, zone: str) -> None:
        """Boot a zone again, with the services that its root remembers."""
        self.smf.stop(zone)
        self.smf.start(zone)
        last = "system/zones" if zone == "global" else "milestone/multi-user-server"
        assert self.smf.wait(zone, f"svc:/{last}:default", timeout=60)

    def wait_for(self, zone: str, fmri: str, *states: str) -> None:
        """Wait until a service is stable in one of some states."""
        assert self.smf.wait(zone, fmri, states, timeout=60), self.smf.state(zone, fmri)


def service_host(tmp_path: Path, profile: Profile = OMNIOS) -> ServiceHost:
    """A host whose global zone is up."""
    host = fake_host(tmp_path, profile)
    host.__class__ = ServiceHost
    assert isinstance(host, ServiceHost)
    host.runtime = DaemonRuntime(host)
    host.zones = BrandedZones(host)  # type: ignore[assignment]
    host.datasets = Datasets(host)
    host.datasets.boot()
    host.packages = Packages(host)
    host.smf = Smf(host)
    host.restart_zone("global")
    return host
