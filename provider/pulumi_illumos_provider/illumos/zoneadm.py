"""zoneadm(8): states of zones, and the commands that change them."""

from __future__ import annotations

from dataclasses import dataclass

from pulumi_illumos_provider.illumos import ofmt
from pulumi_illumos_provider.illumos.listing import not_listed
from pulumi_illumos_provider.plan import Command, sh

ZONEADM = "/usr/sbin/zoneadm"

LIST = Command((ZONEADM, "list", "-cp"))

CONFIGURED = "configured"
INCOMPLETE = "incomplete"
INSTALLED = "installed"
RUNNING = "running"
STATES = (CONFIGURED, INCOMPLETE, INSTALLED, "ready", "mounted", RUNNING, "shutting_down", "down")


@dataclass(frozen=True)
class ListedZone:
    """A zone as ``zoneadm list -p`` tells it.

    Attributes:
        name: zone name.
        state: one of `STATES`.
        zonepath: directory.
        uuid: empty while it is configured.
        brand: brand name.
        exclusive: whether it has an IP stack of its own.
    """

    name: str
    state: str
    zonepath: str
    uuid: str
    brand: str
    exclusive: bool

    @property
    def active(self) -> bool:
        """Whether it exists in the kernel."""
        return self.state not in (CONFIGURED, INCOMPLETE, INSTALLED)


def parse_list(text: str) -> dict[str, ListedZone]:
    """All zones but the global one, by name. Distributions append columns; seven are common."""
    found = {}
    for line in text.splitlines():
        fields = ofmt.split(line)
        if len(fields) < 7 or fields[2] not in STATES or fields[1] == "global":
            continue
        _, name, state, zonepath, uuid, brand, ip_type = fields[:7]
        found[name] = ListedZone(name, state, zonepath, uuid, brand, ip_type.startswith("excl"))
    return found


_STATE_OF = f'state=$({ZONEADM} -z "$1" list -p 2>/dev/null | cut -d: -f3)\n'


def in_state(zone: str, *states: str) -> Command:
    """Succeeds when the zone is in one of the states."""
    return sh(
        f'{_STATE_OF}case " $2 " in *" $state "*) [ -n "$state" ] ;; *) exit 1 ;; esac',
        zone,
        " ".join(states),
    )


def absent(zone: str) -> Command:
    """Succeeds when there is no such zone."""
    return not_listed((ZONEADM, "list", "-c"), zone)


def install(zone: str, options: tuple[str, ...] = ()) -> Command:
    """Install a configured zone. zoneadm re-joins the options for a shell: they must be plain words."""
    return Command((ZONEADM, "-z", zone, "install", *options))


def uninstall(zone: str) -> Command:
    """Remove the zone's files; ``-F`` because there is no terminal to ask."""
    return Command((ZONEADM, "-z", zone, "uninstall", "-F"))


def boot(zone: str) -> Command:
    """Boot; returns when init was started, not when services are up."""
    return Command((ZONEADM, "-z", zone, "boot"))


def stop(zone: str) -> Command:
    """Shut down gracefully, and halt when that does not work."""
    return sh(f'{ZONEADM} -z "$1" shutdown || {ZONEADM} -z "$1" halt', zone)
