"""The service management facility of every running zone (smf(7))."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from illumos_lab import services
from illumos_lab.image import STARTD
from illumos_lab.ipfilter.state import filters
from illumos_lab.service import Service
from illumos_lab.smf import fmri as names
from illumos_lab.smf import manifest, methods
from illumos_lab.smf.manifest import Delivered, ManifestError
from illumos_lab.smf.repository import Properties, Property, Repository
from illumos_lab.smf.restarter import Restarter, kill

if TYPE_CHECKING:
    from illumos_lab.host import Host

_ZONES = "svc:/system/zones:default"
REPOSITORY_DELAY = 0.2
"""Seconds from the start of a zone's init until its repository answers."""


class NoRepositoryError(Exception):
    """There is no repository to talk to; the text is what svcs says after its name."""


class Smf:
    """Services of all zones of a host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._restarters: dict[str, Restarter | None] = {}
        self._lock = threading.Lock()

    # Life of a zone ----------------------------------------------------------------------------
    def start(self, zone: str, milestone: str = "") -> None:
        """Start svc.configd and svc.startd of a zone that has just booted; returns at once.

        A zone whose brand has no SMF (bhyve, lx ...) never gets a repository, nor does one whose
        inittab starts something else.

        Args:
            zone: the zone.
            milestone: how far to go, as ``svcadm milestone`` takes it; empty for what is usual there.
        """
        if not self._has_smf(zone):
            return
        if zone == "global":
            self._host.packages.boot()
        with self._lock:
            self._restarters[zone] = None
        thread = threading.Thread(
            target=self._come_up, args=(zone, milestone), name=f"{zone} svc.startd", daemon=True
        )
        thread.start()

    def stop(self, zone: str) -> None:
        """End the services of a zone that goes down: no stop methods, as at ``zoneadm halt``."""
        with self._lock:
            restarter = self._restarters.pop(zone, None)
        if restarter is not None:
            for process in restarter.close():
                kill(process)
        filters(self._host).forget(zone)

    def _has_smf(self, zone: str) -> bool:
        if zone == "global":
            return True
        zones = self._host.zones
        brand = zones.store.brand_of(zones.config(zone))
        if not all(each.native for each in self._host.profile.brands if each.name == brand):
            return False
        try:
            return STARTD in self._host.path(zone, "/etc/inittab").read_text()
        except FileNotFoundError:
            # What was unpacked over the root directory need not be a whole system.
            return True

    def shut_down(self, zone: str) -> None:
        """Stop the services of a zone in an orderly way; returns when they are down, or the zone is."""
        with self._lock:
            restarter = self._restarters.get(zone)
        if restarter is not None:
            restarter.shut_down()

    def shutdown_limit(self) -> float:
        """Seconds that zones are given to shut down."""
        try:
            found = self.restarter("global").composed(_ZONES)["stop/timeout_seconds"]
        except (NoRepositoryError, KeyError):
            return 60.0
        return float(found.values[0])

    def _come_up(self, zone: str, milestone: str) -> None:
        time.sleep(REPOSITORY_DELAY * self._host.time_scale)
        with self._lock:
            if self._restarters.get(zone, self) is not None:
                return
            repository = Repository.load(self._host.zone_root(zone))
            delivered = self._delivered(zone, repository)
            full = names.milestone(milestone) or ""
            restarter = Restarter(self._host, zone, repository, delivered, full)
            self._restarters[zone] = restarter
        self._host.packages.make_devices(zone)
        restarter.begin()

    def _delivered(self, zone: str, repository: Repository) -> list[Service]:
        """The services of a zone: the distribution's, its packages', and those of manifests."""
        own = services.delivered(self._host.profile, zone, repository.installed)
        delivered = map(Delivered.from_data, repository.manifests.values())
        return [*own, *(methods.service(_as_it_is(repository, each)) for each in delivered)]

    # What the commands use ---------------------------------------------------------------------
    def restarter(self, zone: str) -> Restarter:
        """The services of a running zone.

        Raises:
            NoRepositoryError: the zone does not run, has no SMF, or is not yet that far.
        """
        with self._lock:
            restarter = self._restarters.get(zone)
            known = zone in self._restarters
        if restarter is not None:
            return restarter
        if zone == "global":
            raise NoRepositoryError("Could not bind to repository server: repository server unavailable.")
        if known or self._runs(zone):
            raise NoRepositoryError(
                f"Could not bind to repository server for zone {zone}: repository server unavailable."
            )
        raise NoRepositoryError(f"zone '{zone}': not found")

    def _runs(self, zone: str) -> bool:
        return zone in self._host.zones.names() and self._host.zones.state(zone) == "running"

    def zones(self) -> list[str]:
        """The zones whose repository answers, the global zone first."""
        with self._lock:
            up = [zone for zone, restarter in self._restarters.items() if restarter is not None]
        return sorted(up, key=lambda zone: (zone != "global", zone))

    def state(self, zone: str, fmri: str) -> str:
        """State of an instance, full or abbreviated FMRI.

        Raises:
            NoRepositoryError: see `restarter`.
            KeyError: there is no such instance.
        """
        restarter = self.restarter(zone)
        found = names.match(fmri, restarter.instances)
        if not found:
            raise KeyError(fmri)
        return restarter.instances[found[0]].state

    def enabled(self, zone: str, fmri: str) -> bool:
        """Whether an instance is enabled, by the zone's repository on disk when the zone is down."""
        try:
            restarter = self.restarter(zone)
        except NoRepositoryError:
            repository = Repository.load(self._host.zone_root(zone))
            delivered = self._delivered(zone, repository)
            default = next((each.enabled for each in delivered if each.fmri == fmri), False)
            return repository.enabled.get(fmri, default)
        instance = restarter.instances.get(fmri)
        return instance is not None and restarter.is_enabled(instance)

    def set_enabled(self, zone: str, fmri: str, enabled: bool, *, temporary: bool = False) -> None:
        """Enable or disable an instance, as svcadm without ``-s`` does.

        Raises:
            NoRepositoryError: see `restarter`.
            KeyError: there is no such instance.
        """
        self.restarter(zone).set_enabled(fmri, enabled, temporary=temporary)

    def wait(
        self, zone: str, fmri: str, states: Iterable[str] = ("online",), timeout: float = 30.0
    ) -> bool:
        """Wait until an instance is stable in one of some states; False when time is up."""
        until = time.monotonic() + timeout
        while (restarter := self._restarters.get(zone)) is None:
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        instance, wanted = restarter.instances[fmri], frozenset(states)
        return restarter.wait(
            lambda: instance.state in wanted and not instance.busy, until - time.monotonic()
        )

    def processes(self, zone: str) -> dict[str, int]:
        """Daemons of a zone's services: program name to process id on this machine."""
        try:
            restarter = self.restarter(zone)
        except NoRepositoryError:
            return {}
        with restarter.changed:
            return {
                names.service_name(item.fmri).rpartition("/")[2]: item.process.pid
                for item in restarter.instances.values()
                if item.process is not None
            }

    def install_service(self, zone_root: Path, service: Service | str) -> None:
        """Make a service known below a root directory, and to the zone that runs from it.

        Args:
            zone_root: the root directory.
            service: an instance of the catalogue, or its FMRI.
        """
        if isinstance(service, str):
            service = services.by_fmri(self._host.profile, service)
        running = self._running_from(zone_root)
        repository = running[0].repository if running else Repository.load(zone_root)
        if service.fmri not in repository.installed:
            repository.installed.append(service.fmri)
            repository.save()
        for restarter in running:
            restarter.add(service)

    def remove_service(self, zone_root: Path, service: Service) -> None:
        """Stop a service that a package brought, and make it unknown below a root directory."""
        running = self._running_from(zone_root)
        for restarter in running:
            restarter.remove(service.fmri)
        repository = running[0].repository if running else Repository.load(zone_root)
        if service.fmri in repository.installed:
            repository.forget(service.fmri)

    def set_instance(self, fmri: str, properties: Mapping[str, tuple[str, str]]) -> None:
        """Make an instance of a service that comes without any to the global zone, or change it.

        Args:
            fmri: the instance.
            properties: type and value by ``group/name``.
        """
        self.install_service(self._host.zone_root("global"), fmri)
        with contextlib.suppress(NoRepositoryError):
            restarter = self.restarter("global")
            with restarter.changed:
                own = restarter.repository.properties.setdefault(fmri, {})
                own |= {name: Property(kind, (value,)) for name, (kind, value) in properties.items()}
                restarter.repository.save()
                restarter.request(fmri, refresh=True)

    def delete_instance(self, fmri: str) -> None:
        """Stop an instance that `set_instance` made, and forget it."""
        self.remove_service(self._host.zone_root("global"), services.by_fmri(self._host.profile, fmri))

    # Manifests ---------------------------------------------------------------------------------
    def import_manifest(self, zone: str, text: str) -> list[str]:
        """Take up the services of a manifest; gives their instances.

        A property that somebody has changed since the last import stays as it is.

        Raises:
            NoRepositoryError: see `restarter`.
            ManifestError: it is none, or is about a service that the system itself delivers.
        """
        restarter = self.restarter(zone)
        found = manifest.read(text)
        with restarter.changed:
            own = restarter.repository.manifests
            for delivered in found:
                if delivered.fmri in restarter.instances and delivered.fmri not in own:
                    raise ManifestError(f"{delivered.fmri} of the system: not emulated by illumos-lab")
            for delivered in found:
                _take_up(restarter.repository, delivered)
            restarter.repository.save()
            for delivered in found:
                restarter.redefine(methods.service(delivered))
                restarter.request(delivered.fmri, refresh=True)
        return [delivered.fmri for delivered in found]

    def import_directories(self, zone: str, note: Callable[[str], None]) -> None:
        """What the service manifest-import does: read manifests that are new or changed since.

        Services whose manifest is gone go as well.

        Args:
            zone: the zone.
            note: told what cannot be imported, for the service's log.
        """
        self.delete_without_manifest(zone)
        repository = self.restarter(zone).repository
        for name, path in self._manifests(zone).items():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if repository.imported.get(name, [""])[0] == digest:
                continue
            try:
                repository.imported[name] = [digest, *self.import_manifest(zone, path.read_text())]
            except (ManifestError, UnicodeDecodeError) as error:
                note(f"svccfg import warnings: {name}: {error}")
        repository.save()

    def delete_without_manifest(self, zone: str) -> None:
        """Forget the services whose manifest has gone from the directories of manifests."""
        repository = self.restarter(zone).repository
        for name in repository.imported.keys() - self._manifests(zone).keys():
            for fmri in repository.imported.pop(name)[1:]:
                self.delete_service(zone, fmri)
        repository.save()

    def _manifests(self, zone: str) -> dict[str, Path]:
        """The files of manifests of a zone, by their paths there."""
        root = self._host.zone_root(zone)
        return {f"/{path.relative_to(root)}": path for path in _manifests(root)}

    def take_up_properties(self, zone: str, fmri: str) -> None:
        """Let an instance that a manifest delivered run by its present properties from now on."""
        restarter = self.restarter(zone)
        data = restarter.repository.manifests.get(fmri)
        if data is not None:
            delivered = _as_it_is(restarter.repository, Delivered.from_data(data))
            restarter.redefine(methods.service(delivered))

    def delete_service(self, zone: str, fmri: str) -> None:
        """Stop an instance that a manifest delivered, and forget it."""
        restarter = self.restarter(zone)
        restarter.remove(fmri)
        restarter.repository.forget(fmri)

    def _running_from(self, zone_root: Path) -> list[Restarter]:
        with self._lock:
            return [
                restarter
                for zone, restarter in self._restarters.items()
                if restarter is not None and self._host.zone_root(zone) == zone_root
            ]


def _as_it_is(repository: Repository, delivered: Delivered) -> Delivered:
    """An instance with the properties that it has by now, its methods among them."""
    own = repository.properties.get(delivered.fmri, {})
    return replace(delivered, properties=delivered.properties | own)


def _take_up(repository: Repository, delivered: Delivered) -> None:
    """Write down what a manifest delivers, over what its last version did."""
    fmri = delivered.fmri
    own = repository.properties.setdefault(fmri, {})
    before: Properties = {}
    if fmri in repository.manifests:
        before = Delivered.from_data(repository.manifests[fmri]).properties
    for name, value in before.items():
        if own.get(name) == value:
            del own[name]
    repository.properties[fmri] = delivered.properties | own
    repository.groups.setdefault(fmri, {}).update(delivered.groups)
    repository.manifests[fmri] = delivered.as_data()


def _manifests(root: Path) -> list[Path]:
    places = (root / place for place in ("lib/svc/manifest", "var/svc/manifest"))
    return sorted(path for place in places for path in place.rglob("*.xml"))
