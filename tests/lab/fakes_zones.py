"""A fake host with real zones and datasets, and stand-ins for services and packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from illumos_lab.datasets import Datasets
from illumos_lab.profile import OMNIOS, Profile
from illumos_lab.zone_templates import install_templates
from illumos_lab.zones import Zones
from tests.lab.fakes import fake_host


class FakeSmf:
    """Records which zones' services were started and stopped."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def start(self, zone: str, milestone: str = "") -> None:
        self.calls.append(("start", f"{zone} {milestone}".strip()))

    def shut_down(self, zone: str) -> None:
        self.calls.append(("shut_down", zone))

    def shutdown_limit(self) -> float:
        return 60.0

    def stop(self, zone: str) -> None:
        self.calls.append(("stop", zone))


class FakePackages:
    """Records the packages that a zone was filled with.

    Attributes:
        missing: packages that no repository has.
    """

    def __init__(self) -> None:
        self.populated: list[tuple[str, list[str]]] = []
        self.missing: set[str] = set()

    def all_installed(self, zone_root: Path) -> list[Any]:
        return []

    def populate(self, zone_root: Path, brand: str, packages: list[str], **overlays: object) -> None:
        for package in packages:
            if package in self.missing:
                raise LookupError(package)
        self.populated.append((brand, list(packages)))


def zone_host(tmp_path: Path, profile: Profile = OMNIOS) -> Any:
    """A fake host with its templates, brands and the directory for zones, and no zone yet."""
    host: Any = fake_host(tmp_path, profile)
    install_templates(host.root, profile)
    host.path("global", profile.zones_parent).mkdir(parents=True)
    host.zones = Zones(host)
    host.datasets = Datasets(host)
    host.datasets.boot()
    host.smf = FakeSmf()
    host.packages = FakePackages()
    return host


def configure(host: Any, zone: str, *commands: str, brand: str = "lipkg") -> None:
    """Configure a zone below the host's usual directory."""
    text = "; ".join(
        ["create -b", f"set zonepath={host.profile.zones_parent}/{zone}", f"set brand={brand}", *commands]
    )
    result = host.run("zonecfg", "-z", zone, text)
    assert (result.exit, result.stderr) == (0, "")
