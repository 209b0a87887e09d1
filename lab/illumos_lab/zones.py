"""The zones of a host: their configurations, states and locks."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

from illumos_lab import rctls, zone_life
from illumos_lab.zone_states import (
    CONFIGURED,
    GLOBAL,
    INSTALLED,
    RUNNING,
    ActiveZone,
    ZoneadmdError,
)
from illumos_lab.zonecfg.index import Entry
from illumos_lab.zonecfg.model import Configuration
from illumos_lab.zonecfg.store import NoSuchZoneError, Store
from illumos_lab.zonecfg.xmlfile import InvalidDocumentError

if TYPE_CHECKING:
    from illumos_lab.host import Host


class Zones:
    """All zones of a host.

    Attributes:
        store: their configurations and templates.
        global_rctls: resource controls of the global zone.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.store = Store(host)
        self._active: dict[str, ActiveZone] = {}
        self._next_id = 1
        self._locks: dict[str, threading.RLock] = {}
        self.global_rctls = rctls.initial(host.profile, None)

    # Reading -------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """All zones but the global one, in the order of the index."""
        return [e.name for e in self.store.index.entries() if e.name != GLOBAL]

    def entry(self, zone: str) -> Entry | None:
        """What the index says of a zone."""
        return self.store.index.get(zone)

    def exists(self, zone: str) -> bool:
        """The zone is known to the host."""
        return zone == GLOBAL or zone in self._active or self.entry(zone) is not None

    def zonepath(self, zone: str) -> str:
        """Where a zone lives; ``/`` for the global zone.

        Raises:
            LookupError: there is no such zone.
        """
        if zone == GLOBAL:
            return "/"
        return self.require(zone).zonepath

    def require(self, zone: str) -> Entry:
        """The index entry of a zone.

        Raises:
            LookupError: there is no such zone.
        """
        entry = self.entry(zone)
        if entry is None:
            raise LookupError(f"{zone}: No such zone configured")
        return entry

    def kernel_state(self, zone: str) -> str | None:
        """The state of a zone that exists in the kernel; None when it does not."""
        if zone == GLOBAL:
            return RUNNING
        active = self._active.get(zone)
        return active.state if active else None

    def state(self, zone: str) -> str:
        """The state of a zone.

        Raises:
            LookupError: there is no such zone.
        """
        return self.kernel_state(zone) or self.require(zone).state

    def zone_id(self, zone: str) -> int | None:
        """The number of an active zone, 0 for the global one; None when it is not active."""
        if zone == GLOBAL:
            return 0
        active = self._active.get(zone)
        return active.zone_id if active else None

    def active(self, zone: str) -> ActiveZone | None:
        """The zone as it exists in the kernel."""
        return self._active.get(zone)

    def all_active(self) -> list[ActiveZone]:
        """All zones in the kernel but the global one, in the order in which they came up."""
        return sorted(self._active.values(), key=lambda zone: zone.zone_id)

    def config(self, zone: str) -> Configuration:
        """The saved configuration of a zone.

        Raises:
            LookupError: there is none that can be read.
        """
        try:
            return self.store.load(zone)
        except (NoSuchZoneError, InvalidDocumentError) as error:
            raise LookupError(f"{zone}: No such zone configured") from error

    # Changes -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self, zone: str) -> Iterator[None]:
        """Hold a zone's lock, as every zoneadm that changes the zone does; others wait.

        The one who holds it may take it again.
        """
        with self._host.lock:
            lock = self._locks.setdefault(zone, threading.RLock())
            path = self._host.root / f"var/run/zones/{zone}.zoneadm.lock"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        with lock:
            yield

    def set_state(self, zone: str, state: str) -> None:
        """Record ``configured``, ``incomplete`` or ``installed``.

        A zone gets a new universal id when it leaves ``configured`` and loses it when it falls back.
        """
        entry = self.require(zone)
        identity = entry.uuid or str(uuid.uuid4())
        if state == CONFIGURED and not self._host.profile.forked_zonecfg:
            identity = ""
        self.store.index.update(zone, state=state, uuid=identity)

    def enter_kernel(self, zone: str, configuration: Configuration) -> ActiveZone:
        """Make a zone exist in the kernel, in state ready."""
        with self._host.lock:
            mcap = configuration.single("mcap")
            made = ActiveZone(
                zone,
                self._next_id,
                configuration,
                rctls=rctls.initial(self._host.profile, configuration),
                memory_cap=int(mcap.get("physcap")) if mcap is not None else None,
            )
            self._next_id += 1
            self._active[zone] = made
        return made

    def leave_kernel(self, zone: str) -> None:
        """The zone no longer exists in the kernel."""
        with self._host.lock:
            self._active.pop(zone, None)

    # The host boots and halts --------------------------------------------------------------------

    def boot(self) -> None:
        """What svc:/system/zones:default does: mount installed zones' roots, boot those with autoboot."""
        for zone in self.names():
            if self.state(zone) == INSTALLED:
                with contextlib.suppress(OSError):
                    self._host.runtime.mount_zone_root(self.zonepath(zone))
        for zone in self.names():
            try:
                wanted = self.state(zone) == INSTALLED and self.config(zone).autoboot
                if wanted:
                    zone_life.boot(self._host, zone)
            except (LookupError, ZoneadmdError):
                continue  # one bad zone does not keep the others down

    def shut_down_all(self) -> None:
        """What svc:/system/zones:default does when it stops: shut the zones down, halt what is left."""
        limit = self._host.smf.shutdown_limit() * 3 / 4
        going = [
            threading.Thread(target=self._shut_down, args=(active.name, limit), daemon=True)
            for active in self.all_active()
            if active.state == RUNNING
        ]
        for thread in going:
            thread.start()
        for thread in going:
            thread.join()
        self.halt_all()

    def _shut_down(self, zone: str, limit: float) -> None:
        with contextlib.suppress(ZoneadmdError):
            zone_life.shutdown(self._host, zone, limit)

    def halt_all(self) -> None:
        """Halt every active zone."""
        for active in reversed(self.all_active()):
            zone_life.halt(self._host, active.name)
