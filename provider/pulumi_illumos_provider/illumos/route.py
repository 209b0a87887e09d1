"""route(8): the way to the world."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.illumos.zlogin import inside
from pulumi_illumos_provider.plan import Command, sh

ROUTE = "/usr/sbin/route"

GET_DEFAULT = Command((ROUTE, "-n", "get", "-inet", "default"))


@dataclass(frozen=True)
class DefaultRoute:
    """Where the host sends what is for the world.

    Attributes:
        gateway: next hop.
        interface: link; empty when the route is not bound to one.
    """

    gateway: IPv4Address
    interface: str


def parse_default(text: str) -> DefaultRoute | None:
    """Read the answer to `GET_DEFAULT`; None without a default route."""
    values = {}
    for line in split_lines(text):
        label, colon, value = line.partition(": ")
        if colon:
            values[label.strip()] = value.strip()
    try:
        return DefaultRoute(IPv4Address(values["gateway"]), values.get("interface", ""))
    except (KeyError, ValueError):
        return None


# Static routes of a zone -------------------------------------------------------------------------

STATIC_ROUTES = "etc/inet/static_routes"
"""Where route(8) keeps persistent routes, below a zone's root; one line each: the words after ``add``."""


@dataclass(frozen=True)
class StaticRoute:
    """A persistent route.

    Attributes:
        destination: network, or one host.
        gateway: next hop.
    """

    destination: IPv4Network
    gateway: IPv4Address

    @property
    def words(self) -> tuple[str, ...]:
        """The words for route(8)."""
        if self.destination.prefixlen == 32:
            return ("-host", str(self.destination.network_address), str(self.gateway))
        return ("-net", str(self.destination), str(self.gateway))


def parse_static(text: str) -> set[StaticRoute]:
    """The IPv4 routes of `STATIC_ROUTES`, with whatever options; other lines are passed over."""
    found = set()
    for line in split_lines(text):
        words = [word for word in line.split() if not word.startswith("-")]
        try:
            found.add(StaticRoute(IPv4Network(words[0]), IPv4Address(words[1])))
        except (IndexError, ValueError):
            continue
    return found


def parse_table(text: str) -> set[tuple[str, str]]:
    """Destination and gateway of each route from ``netstat -rn``, which shows no masks."""
    return {(words[0], words[1]) for line in split_lines(text) if len(words := line.split()) >= 3}


def in_table(route: StaticRoute, table: set[tuple[str, str]]) -> bool:
    """Whether a routing table has a route."""
    return (str(route.destination.network_address), str(route.gateway)) in table


_IN_FILE = """
has_line() {
    sed -e 's/-net //' -e 's/-host //' -e 's/-inet //' -e 's|/32 | |' "$2" 2>/dev/null |
        grep -F -x -e "$1" >/dev/null
}
"""


def _line(route: StaticRoute) -> str:
    return " ".join(route.words[1:]).replace("/32 ", " ")


def add_live(zone: str, route: StaticRoute) -> Command:
    """Add a route to a running zone, now and for every boot; one that is there already is fine."""
    return inside(zone, '/usr/sbin/route -p add "$@" >/dev/null 2>&1 || :', *route.words)


def has_live(zone: str, route: StaticRoute) -> Command:
    """Succeeds when a running zone has a route, now and for every boot."""
    script = """
has_line "$1 $2" /etc/inet/static_routes && /usr/bin/netstat -rn -f inet |
    awk -v "to=$3" -v "via=$2" '$1 == to && $2 == via { found = 1 } END { exit !found }'
"""
    to, via = _line(route).split()
    return inside(zone, _IN_FILE + script, to, via, str(route.destination.network_address))


def remove_live(zone: str, route: StaticRoute) -> Command:
    """Remove a route from a running zone, now and for every boot; one that is gone already is fine."""
    return inside(zone, '/usr/sbin/route -p delete "$@" >/dev/null 2>&1 || :', *route.words)


def add_to_file(root: str, route: StaticRoute) -> Command:
    """Add a route to a zone that does not run."""
    return Command((ROUTE, "-p", "-R", root, "add", *route.words))


def remove_from_file(root: str, route: StaticRoute) -> Command:
    """Remove a route from a zone that does not run."""
    return Command((ROUTE, "-p", "-R", root, "delete", *route.words))


def in_file(root: str, route: StaticRoute) -> Command:
    """Succeeds when a zone will have the route at its next boot."""
    return sh(_IN_FILE + 'has_line "$1" "$2"', _line(route), f"{root}/{STATIC_ROUTES}")


def not_in_file(root: str, route: StaticRoute) -> Command:
    """Succeeds when a zone will not have the route at its next boot."""
    return sh(_IN_FILE + '! has_line "$1" "$2"', _line(route), f"{root}/{STATIC_ROUTES}")


_DEFAULT = """
wanted=$1
for old in $(/usr/bin/netstat -rn -f inet | awk '$1 == "default" { print $2 }'); do
    [ "$old" = "$wanted" ] && have=yes || gone="$gone $old"
done
[ "$wanted" = none ] || [ -n "$have" ] || /usr/sbin/route add default "$wanted" >/dev/null || exit
for old in $gone; do
    /usr/sbin/route delete default "$old" >/dev/null || exit
done
"""


def set_default(zone: str, gateway: IPv4Address | None) -> Command:
    """Let a running zone have exactly one default route, or none; ``/etc/defaultrouter`` counts at boot."""
    return inside(zone, _DEFAULT, str(gateway or "none"))


def has_default(zone: str, gateway: IPv4Address | None) -> Command:
    """Succeeds when a running zone has exactly that default route."""
    script = """
[ "$(/usr/bin/netstat -rn -f inet | awk '$1 == "default" { print $2 }')" = "${1#none}" ]
"""
    return inside(zone, script, str(gateway or "none"))
