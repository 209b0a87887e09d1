"""A host at one moment: everything that the resources need to know, from one set of probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from pulumi_illumos_provider.errors import HostError, Refused
from pulumi_illumos_provider.illumos import (
    distribution,
    dladm,
    dnsmasq,
    ipadm,
    ownership,
    records,
    route,
    zoneadm,
    zonecfg,
)
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.plan import Command, Completed, Probes, Results, sh

_ZONES = """
focus=$1
show() {
    [ -f "$1" ] || return 0
    printf '#file %s\\n' "$1"
    sed 's/^/\t/' "$1"
    printf '\\n'
}
/usr/sbin/zoneadm list -cn | while read -r zone; do
    config=$(/usr/sbin/zonecfg -z "$zone" export </dev/null)
    printf '#zone %s\\n' "$zone"
    printf '%s\\n' "$config" | sed 's/^/\t/'
    printf '#memory %s\\n' \
        "$(sed -n 's/.*<mcap[^>]*physcap="\\([0-9]*\\)".*/\\1/p' "/etc/zones/$zone.xml")"
    case $config in
    *pulumi-network-*) router=yes ;;
    *) router=no ;;
    esac
    [ "$router" = yes ] || [ "$zone" = "$focus" ] || continue
    path=$(/usr/sbin/zonecfg -z "$zone" info zonepath </dev/null | sed 's/^zonepath: //')
    printf '#root %s\\n' "$path/root"
    cd "$path/root" 2>/dev/null || continue
    for file in etc/nodename etc/resolv.conf etc/defaultrouter etc/hostname.* etc/dhcp.* \
        root/.ssh/authorized_keys; do
        show "$file"
    done
    if [ "$router" = yes ]; then
        for file in etc/ipf/ipnat.conf etc/ipf/ipf.conf etc/ipf/ipf6.conf etc/ipf/ipnat.d/* \
            etc/ipf/ipf.d/* etc/dnsmasq.conf etc/opt/ooce/dnsmasq/dnsmasq.conf \
            etc/dnsmasq.hosts.d/* etc/dnsmasq.names.d/* etc/haproxy/haproxy.cfg \
            etc/opt/ooce/haproxy/haproxy.cfg etc/haproxy.d/* etc/haproxy.d/*/* \
            etc/inet/ndpd.conf etc/inet/static_routes; do
            show "$file"
        done
        printf '#live ipnat\n'
        /usr/sbin/ipnat -z "$zone" -l </dev/null 2>/dev/null | sed '/^$/q; s/^/\t/'
        printf '#live ipf\n'
        /usr/sbin/ipfstat -z "$zone" -ion </dev/null 2>/dev/null | sed 's/^/\t/'
        /usr/bin/svcs -z "$zone" -H -o state,fmri svc:/network/ipv4-forwarding:default \
            svc:/network/ipfilter:default svc:/network/dnsmasq:default \
            svc:/network/dns/dnsmasq:default svc:/network/haproxy:default \
            svc:/network/haproxy2:default svc:/ooce/network/haproxy:default \
            svc:/network/ipv6-forwarding:default svc:/network/routing/ndp:default </dev/null 2>/dev/null | sed 's/^/#service /'
    fi
done
"""


def probes(focus: str) -> Probes:
    """Everything to ask; files inside the zone called ``focus`` and in router zones included."""
    return {
        "system": distribution.IDENTIFY,
        "brands": sh(
            "for f in /usr/lib/brand/*/config.xml; do "
            'sed -n \'s/.*<brand[^>]* name="\\([^"]*\\)".*/\\1/p\' "$f"; done'
        ),
        "ipfilter": sh("[ -x /usr/sbin/ipnat ] && echo yes; :"),
        "resolvers": sh("cat /etc/resolv.conf 2>/dev/null; :"),
        "datasets": Command(("/usr/sbin/zfs", "list", "-H", "-t", "filesystem", "-o", "name,mountpoint")),
        "links": dladm.SHOW_LINKS,
        "vnics": dladm.SHOW_VNICS,
        "properties": dladm.SHOW_PROTECTION,
        "addresses": ipadm.SHOW_ADDRESSES,
        "interfaces": ipadm.SHOW_INTERFACES,
        "route": route.GET_DEFAULT,
        "zones": zoneadm.LIST,
        "owners": ownership.LIST,
        "configurations": sh(_ZONES, focus),
    }


@dataclass(frozen=True)
class ZoneSeen:
    """A zone as it was found.

    Attributes:
        listed: name, state, path, uuid, brand.
        config: its configuration.
        memory: physical memory cap in bytes where it is not a resource control.
        files: known files of its root, by path without leading slash; only for the zone in focus and
            for router zones.
        services: states by FMRI; only for router zones that run.
        live: what the kernel has, as its programs print it: ``ipnat`` and ``ipf`` rules; only for router
            zones that run.
        public, networks: what makes it a router zone of ours.
    """

    listed: zoneadm.ListedZone
    config: zonecfg.ZoneConfig
    memory: int | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    live: Mapping[str, str] = field(default_factory=dict)
    public: records.Public | None = None
    networks: tuple[records.Network, ...] = ()

    @property
    def name(self) -> str:
        """Zone name."""
        return self.listed.name

    @property
    def owner(self) -> str:
        """The stored owner; empty when there is none."""
        return self.config.attributes.get(records.OWNER, "")

    @property
    def is_router(self) -> bool:
        """Whether it is a router zone that this provider made."""
        return self.public is not None

    @property
    def root(self) -> str:
        """Its root directory, seen from the global zone."""
        return f"{self.listed.zonepath}/root"

    @property
    def reservations(self) -> list[dnsmasq.Reservation]:
        """Addresses reserved in this router zone for attached zones."""
        prefix = dnsmasq.HOSTS_DIRECTORY.lstrip("/") + "/"
        found = (
            dnsmasq.parse_fragment(path.removeprefix(prefix), text)
            for path, text in self.files.items()
            if path.startswith(prefix)
        )
        return [reservation for reservation in found if reservation]

    def network_of(self, address: IPv4Address) -> records.Network | None:
        """The served network that holds an address."""
        return next((n for n in self.networks if address in n.subnet), None)


@dataclass(frozen=True)
class Snapshot:
    """A host at one moment."""

    distribution: Distribution
    brands: frozenset[str]
    ipfilter_installed: bool
    resolvers: tuple[IPv4Address, ...]
    mountpoints: frozenset[str]
    links: Mapping[str, dladm.Link]
    addresses: Mapping[str, list[IPv4Interface]]
    interfaces: frozenset[str]
    default_route: route.DefaultRoute | None
    zones: Mapping[str, ZoneSeen]
    owners: Mapping[str, str]

    @classmethod
    def parse(cls, results: Results) -> Snapshot:
        """Read the answers to `probes`.

        Raises:
            Refused: the host is no illumos global zone that we know.
            HostError: a listing that everything rests on failed.
        """
        system = distribution.identify(results["system"].stdout)
        if isinstance(system, str):
            raise Refused(f"this host cannot be administered: {system}")
        for name in ("links", "vnics", "zones", "interfaces", "addresses", "configurations"):
            _require(name, results[name])
        listed = zoneadm.parse_list(results["zones"].stdout)
        return cls(
            distribution=system,
            brands=frozenset(results["brands"].stdout.split()),
            ipfilter_installed="yes" in results["ipfilter"].stdout.split(),
            resolvers=tuple(parse_resolvers(results["resolvers"].stdout)),
            mountpoints=frozenset(
                line.split("\t")[1]
                for line in results["datasets"].stdout.splitlines()
                if line.count("\t") == 1
            ),
            links=dladm.parse(
                results["links"].stdout, results["vnics"].stdout, results["properties"].stdout
            ),
            addresses=ipadm.parse_addresses(results["addresses"].stdout),
            interfaces=ipadm.parse_interfaces(results["interfaces"].stdout),
            default_route=route.parse_default(results["route"].stdout),
            zones=_parse_zones(results["configurations"].stdout, listed),
            owners=ownership.parse(results["owners"].stdout),
        )

    @property
    def routers(self) -> list[ZoneSeen]:
        """The router zones of this provider, whatever stack made them."""
        return [zone for zone in self.zones.values() if zone.is_router]

    def link_of_network(self, address: IPv4Address) -> tuple[str, IPv4Network] | None:
        """The physical link whose own network holds an address."""
        for interface, addresses in self.addresses.items():
            link = self.links.get(interface)
            if link and link.link_class in ("phys", "aggr", "vlan"):
                for own in addresses:
                    if address in own.network:
                        return interface, own.network
        return None

    def link_of(self, zone: str, name: str) -> dladm.Link | None:
        """The link that a zone calls by a name: its own, or one that is free for it."""
        own = self.links.get(f"{zone}/{name}")
        if own is not None:
            return own
        link = self.links.get(name)
        return link if link and link.zone in ("", zone) else None

    def user_of_link(self, name: str) -> str | None:
        """The zone that holds a link: lent to it now, or named in its configuration."""
        link = self.links.get(name)
        if link and link.zone:
            return link.zone
        for zone in self.zones.values():
            if any(n.values.get("physical") == name for n in zone.config.of_kind("net")):
                return zone.name
        return None

    def links_over(self, name: str) -> list[dladm.Link]:
        """The links that are over another one, by name."""
        return sorted((x for x in self.links.values() if x.over == name), key=lambda x: x.name)


def parse_resolvers(text: str) -> list[IPv4Address]:
    """IPv4 name servers of a resolv.conf."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                found.append(IPv4Address(words[1]))
            except ValueError:
                continue
    return found


def _require(name: str, completed: Completed) -> None:
    if completed.status != 0 and not (name == "vnics" and not completed.stderr.strip()):
        raise HostError(
            f"the host did not list its {name}: exit status {completed.status}, "
            f"{completed.stderr.strip() or 'no message'}"
        )


def _parse_zones(text: str, listed: Mapping[str, zoneadm.ListedZone]) -> dict[str, ZoneSeen]:
    sections: list[tuple[str, str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("\t") and sections:
            sections[-1][2].append(line[1:])
        elif line.startswith("#"):
            what, _, name = line[1:].partition(" ")
            sections.append((what, name, []))
    found: dict[str, ZoneSeen] = {}
    gathered: dict[str, dict[str, list[tuple[str, list[str]]]]] = {}
    zone = ""
    for what, name, lines in sections:
        if what == "zone":
            zone = name
        gathered.setdefault(zone, {}).setdefault(what, []).append((name, lines))
    for name, parts in gathered.items():
        if name not in listed:
            continue  # It vanished, or came, between two listings.
        config = zonecfg.parse_export("\n".join(parts["zone"][0][1]))
        memory = "".join(value for value, _ in parts.get("memory", [])).strip()
        public, networks = _router_records(config.attributes)
        found[name] = ZoneSeen(
            listed=listed[name],
            config=config,
            memory=int(memory) if memory else None,
            files={path: "".join(f"{x}\n" for x in body) for path, body in parts.get("file", [])},
            services={
                fmri: state.rstrip("*")
                for state, _, fmri in (n.partition(" ") for n, _ in parts.get("service", []))
                for fmri in [fmri.strip()]
            },
            live={what: "".join(f"{x}\n" for x in body) for what, body in parts.get("live", [])},
            public=public,
            networks=networks,
        )
    for name, entry in listed.items():
        found.setdefault(name, ZoneSeen(entry, zonecfg.ZoneConfig()))
    return found


def _router_records(
    attributes: Mapping[str, str],
) -> tuple[records.Public | None, tuple[records.Network, ...]]:
    try:
        public = records.Public.decode(attributes[records.PUBLIC])
        networks = [
            records.Network.decode(attributes[name])
            for name in sorted(attributes, key=lambda n: (len(n), n))
            if name.startswith(records.NETWORK)
        ]
    except (KeyError, ValueError):
        return None, ()
    return public, tuple(networks)
