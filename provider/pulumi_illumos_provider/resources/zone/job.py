"""What is to be done with one zone: the sides of a zone add their parts, `ZoneKind` puts them in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from pulumi_illumos_provider.illumos import zonecfg
from pulumi_illumos_provider.illumos.brands import Brand
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.plan import Command, Step
from pulumi_illumos_provider.resources import zone_steps
from pulumi_illumos_provider.resources.kind import Owner
from pulumi_illumos_provider.resources.placement import Placed

W = TypeVar("W", covariant=True)


@dataclass
class Job:
    """One zone, what is there of it, and what the sides of it want done.

    Attributes:
        name, brand, zonepath: of the zone.
        owner: who asks.
        zone: the zone as it is; None when it does not exist.
        now: the host.
        placed: its nics, worked out.
        properties, resources, scope: the wanted configuration, see `zonecfg.Draft`.
        files: what gives the zone its files; None for a plain installation.
        filing: the verb for it: "installing", "cloning".
        before: what the configuration or the installation needs to be there (datasets).
        links: changes of links, for which the zone must not run.
        inside: what is written below the zone's root, before it boots when it has to.
        attached: what others keep of the zone (reservations).
        live: changes of a running zone; left out when it is booted anyway.
        booted: what can only be done once it is up; only after a boot.
        reboot: the properties (camelCase) for which a running zone has to boot again.
        warnings: for the user.
    """

    name: str
    brand: str
    zonepath: str
    owner: Owner
    zone: ZoneSeen | None
    now: Snapshot
    placed: list[Placed] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    resources: list[zonecfg.Resource] = field(default_factory=list)
    scope: set[tuple[str, str | None]] = field(default_factory=set)
    files: Command | None = None
    filing: str = "installing"
    before: list[Step] = field(default_factory=list)
    links: list[Step] = field(default_factory=list)
    inside: list[Step] = field(default_factory=list)
    attached: list[Step] = field(default_factory=list)
    live: list[Step] = field(default_factory=list)
    booted: list[Step] = field(default_factory=list)
    reboot: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def root(self) -> str:
        """The zone's root, seen from the global zone."""
        return f"{self.zonepath}/root"

    @property
    def native(self) -> bool:
        """Whether the zone has illumos userland and SMF, and is set up from its files."""
        return self.kind.native

    @property
    def kind(self) -> Brand:
        """What is known of the zone's brand."""
        return self.now.distribution.known(self.brand)

    @property
    def config(self) -> zonecfg.ZoneConfig:
        """The zone's configuration as it is; empty when it does not exist."""
        return self.zone.config if self.zone else zonecfg.ZoneConfig()

    @property
    def installed(self) -> bool:
        """Whether the zone has files that may be used."""
        return zone_steps.is_installed(self.zone)

    @property
    def copied(self) -> bool:
        """Whether its files are to be those of another zone, or of an earlier one."""
        return not self.installed and self.filing != "installing"

    @property
    def running(self) -> bool:
        """Whether the zone is up."""
        return zone_steps.is_running(self.zone)

    @property
    def draft(self) -> zonecfg.Draft:
        """The wanted configuration."""
        return zonecfg.Draft(self.properties, tuple(self.resources), frozenset(self.scope))

    @property
    def moves(self) -> bool:
        """Whether the zone is installed, and in another directory than is wanted."""
        return self.installed and self.zone is not None and self.zone.listed.zonepath != self.zonepath

    def want(self, kind: str, key: str, *resources: zonecfg.Resource) -> None:
        """Have these resources, or none, in the place of the one that a key names."""
        self.scope.add((kind, key))
        self.resources += resources

    def want_all(self, kind: str, *resources: zonecfg.Resource) -> None:
        """Have these resources of a kind, and no others."""
        self.scope.add((kind, None))
        self.resources += resources

    def reboot_for(self, name: str) -> None:
        """A running zone has to boot again for a property."""
        if name not in self.reboot:
            self.reboot.append(name)
