"""zoneadm(8): states of zones, and the commands that change them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pulumi_illumos_provider.illumos import ofmt
from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.illumos.listing import not_listed
from pulumi_illumos_provider.illumos.zlogin import GLOBAL
from pulumi_illumos_provider.plan import Command, sh

ZONEADM = "/usr/sbin/zoneadm"

LIST = Command((ZONEADM, "list", "-cp"))

CONFIGURED = "configured"
INCOMPLETE = "incomplete"
INSTALLED = "installed"
READY = "ready"
RUNNING = "running"
STATES = (CONFIGURED, INCOMPLETE, INSTALLED, READY, "mounted", RUNNING, "shutting_down", "down")


@dataclass(frozen=True)
class ListedZone:
    """A zone as ``zoneadm list -p`` tells it.

    Attributes:
        name: zone name.
        state: one of `STATES`, or what a later system may call it.
        zonepath: directory.
        uuid: empty while it is configured.
        brand: brand name.
        exclusive: whether it has an IP stack of its own.
        id: number of the zone in the kernel, another one after each boot; ``-`` when it is not there.
    """

    name: str
    state: str
    zonepath: str
    uuid: str
    brand: str
    exclusive: bool
    id: str = "-"

    @property
    def is_global(self) -> bool:
        """Whether it is the global zone, whatever it is called."""
        return self.zonepath == "/"

    @property
    def root(self) -> str:
        """Its root directory, seen from the global zone; empty for the global zone itself."""
        return "" if self.is_global else f"{self.zonepath}/root"

    @property
    def active(self) -> bool:
        """Whether it exists in the kernel."""
        return self.state not in (CONFIGURED, INCOMPLETE, INSTALLED)

    @property
    def understood(self) -> bool:
        """Whether we know what its state means."""
        return self.state in STATES


def parse_list(text: str) -> dict[str, ListedZone]:
    """All zones but the global one, by name. Distributions append columns; seven are common."""
    return {zone.name: zone for zone in _listed(text) if zone.name != GLOBAL}


def parse_global(text: str) -> ListedZone:
    """The global zone in the same list."""
    usual = ListedZone(GLOBAL, RUNNING, "/", "", "", False, "0")
    return next((zone for zone in _listed(text) if zone.name == GLOBAL), usual)


def _listed(text: str) -> Iterator[ListedZone]:
    for line in split_lines(text):
        fields = ofmt.split(line)
        if len(fields) >= 7:
            number, name, state, zonepath, uuid, brand, ip_type = fields[:7]
            yield ListedZone(name, state, zonepath, uuid, brand, ip_type.startswith("excl"), number)


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


def clone(zone: str, source: str) -> Command:
    """Install a configured zone as a copy of another one, which is halted."""
    return Command((ZONEADM, "-z", zone, "clone", source))


def attach(zone: str, options: tuple[str, ...] = ()) -> Command:
    """Take what is in the zonepath of a configured zone for its files."""
    return Command((ZONEADM, "-z", zone, "attach", *options))


def move(zone: str, zonepath: str) -> Command:
    """Give a halted zone another directory: the dataset is renamed, or the files are copied."""
    return Command((ZONEADM, "-z", zone, "move", zonepath))


def is_at(zone: str, zonepath: str) -> Command:
    """Succeeds when the zone has that directory."""
    script = f'{ZONEADM} -z "$1" list -p | grep -F ":$2:" >/dev/null'
    return sh(script, zone, zonepath.replace(":", "\\:"))


def uninstall(zone: str) -> Command:
    """Remove the zone's files; ``-F`` because there is no terminal to ask."""
    return Command((ZONEADM, "-z", zone, "uninstall", "-F"))


def boot(zone: str) -> Command:
    """Boot; returns when init was started, not when services are up."""
    return Command((ZONEADM, "-z", zone, "boot"))


_STOP_WITHIN = f"""
{ZONEADM} -z "$1" shutdown &
shutdown=$!
left=$(($2 * 5))
while [ $left -gt 0 ] && kill -0 $shutdown 2>/dev/null; do
    sleep 0.2 2>/dev/null || {{ sleep 1; left=$((left - 4)); }}
    left=$((left - 1))
done
if kill -0 $shutdown 2>/dev/null; then
    {ZONEADM} -z "$1" halt
    status=$?
    kill $shutdown 2>/dev/null
    exit $status
fi
wait $shutdown || {ZONEADM} -z "$1" halt
"""


_WAIT_RUNNING = _STATE_OF.join(
    (
        "left=$(($2 * 5))\nwhile :; do\n",
        """
    [ "$state" != running ] || exit 0
    [ "$state" != installed ] && [ $left -gt 0 ] || break
    sleep 0.2 2>/dev/null || { sleep 1; left=$((left - 4)); }
    left=$((left - 1))
done
echo "zone $1 is $state" >&2
exit 1
""",
    )
)


def wait_running(zone: str, limit: int) -> Command:
    """Wait until a zone that was booted runs; give up when it is down, or after ``limit`` seconds."""
    return sh(_WAIT_RUNNING, zone, str(limit))


def stop(zone: str, limit: int | None = None) -> Command:
    """Shut down gracefully, and halt when that does not work.

    Args:
        limit: seconds that the shutdown may take; None for as long as the host's zones service allows.
    """
    if limit is not None:
        return sh(_STOP_WITHIN, zone, str(limit))
    return sh(f'{ZONEADM} -z "$1" shutdown || {ZONEADM} -z "$1" halt', zone)


_LEFTOVERS = """
[ -d "$1" ] && [ -n "$(ls -A "$1")" ] || exit 0
{
    echo "files stay in $1 that the system did not install and did not remove:"
    cd "$1" && find . | sed -n '2,20p'
} >&2
"""


def report_leftovers(zonepath: str) -> Command:
    """Say on standard error what is left below a zonepath."""
    return sh(_LEFTOVERS, zonepath)
