"""A host at one moment: everything that the resources need to know, from one set of probes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from pulumi_illumos_provider.errors import HostError, Refused
from pulumi_illumos_provider.illumos import (
    belongings,
    distribution,
    dladm,
    dnsmasq,
    fragments,
    haproxy,
    ipadm,
    ownership,
    pending,
    records,
    route,
    zap_records,
    zfs,
    zlogin,
    zoneadm,
    zonecfg,
)
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.plan import Completed, Probes, Results, sh

_ZONES = """
focus=$1 pending=$2 belongings=$3 asked=$4 root=.
# A zone that has run is not to be trusted: a link of it could lead to a file of the global zone, and the
# name of a file could hold lines that look like ours.
show() {
    case $1 in
    *"
"*) return 0 ;;
    esac
    [ "$zone" = global ] || plain "$1" || return 0
    [ -f "$1" ] || return 0
    printf '#file %s\\n' "$1"
    sed 's/^/\t/' "$1"
    printf '\\n'
}
ours() {
    sed -n '/^@BEGIN@$/,/^@END@$/p' "$1" 2>/dev/null
}
@SHOW_INSIDE@
# What is asked of a router, in its root: $name is the router, $zone the zone that it is in.
show_router() {
    @REACH@
    for file in etc/ipf/ipnat.conf etc/ipf/ipf.conf etc/ipf/ipf6.conf etc/ipf/ipnat.d/* \
        etc/ipf/ipf.d/* etc/ipf/ipf6.d/* \
        etc/dnsmasq.conf etc/dnsmasq.conf.old etc/dnsmasq.records.d/router \
        etc/opt/ooce/dnsmasq/dnsmasq.conf etc/opt/ooce/dnsmasq/dnsmasq.conf.old \
        etc/dnsmasq.hosts.d/* etc/dnsmasq.names.d/* etc/dnsmasq.d/* etc/haproxy/haproxy.cfg \
        etc/opt/ooce/haproxy/haproxy.cfg etc/haproxy.d/* etc/haproxy.d/*/* \
        etc/inet/ndpd.conf etc/inet/ndpd.conf.old etc/inet/static_routes etc/pulumi-illumos/router.json; do
        show "$file"
    done
    # While somebody is at work on it, haproxy has not loaded its configuration yet.
    [ -f "/var/run/pulumi-illumos/$zone.lock" ] || show @UNLOADED@
    if text=$(/usr/sbin/ipnat $on -l </dev/null 2>/dev/null); then
        printf '#live ipnat\n'
        printf '%s\\n' "$text" | sed '/^$/q; s/^/\t/'
        printf '#live ipf\n'
        /usr/sbin/ipfstat $on -ion </dev/null 2>/dev/null | sed 's/^/\t/'
        printf '#live ipf6\n'
        /usr/sbin/ipfstat $on -6 -ion </dev/null 2>/dev/null | sed 's/^/\t/'
        printf '#live ipnat-meant\n'
        ours etc/ipf/ipnat.conf | /usr/sbin/ipnat -n -v -f - 2>/dev/null | sed 's/^/\t/'
        printf '#live ipf-meant\n'
        ours etc/ipf/ipf.conf | /usr/sbin/ipf -n -v -f - 2>/dev/null | sed 's/^/\t/'
        printf '#live ipf6-meant\n'
        ours etc/ipf/ipf6.conf | /usr/sbin/ipf -6 -n -v -f - 2>/dev/null | sed 's/^/\t/'
    fi
    /usr/bin/svcs $on -H -o state,fmri svc:/network/ipv4-forwarding:default \
        svc:/network/ipfilter:default svc:/network/dnsmasq:default \
        svc:/network/dns/dnsmasq:default svc:/network/haproxy:default \
        svc:/network/haproxy2:default svc:/ooce/network/haproxy:default \
        svc:/network/ipv6-forwarding:default svc:/network/routing/ndp:default svc:/network/physical:nwam \
        </dev/null 2>/dev/null | sed 's/^/#service /'
    if [ "$name" = "$focus" ]; then
        printf '#live policy\\n'
        /usr/bin/svcprop $on -p firewall_config_default/policy svc:/network/ipfilter:default \
            </dev/null 2>/dev/null | sed 's/^/\t/'
        inside '
            echo "#live addresses"
            /usr/sbin/ipadm show-addr -p -o addrobj,addr
            echo "#live forwarding"
            /usr/sbin/ipadm show-prop -c -o current -p forwarding ipv4
            echo "#live routes"
            /usr/bin/netstat -rn -f inet' </dev/null 2>/dev/null |
            sed -e '/^#live addresses$/b' -e '/^#live forwarding$/b' -e '/^#live routes$/b' -e 's/^/\t/'
    fi
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
    grep "^zone:[ ]*$zone[ ]*\\$" /var/zap/zones/rconfig.* >/dev/null 2>&1 && router=yes
    [ "$router" = yes ] || [ "$zone" = "$focus" ] || continue
    if [ "$zone" = "$focus" ] && text=$(/usr/bin/prctl -P -i zone "$zone" </dev/null 2>/dev/null); then
        printf '#live rctls\\n'
        printf '%s\\n' "$text" | sed 's/^/\t/'
    fi
    if [ -f "$pending/$zone" ]; then
        printf '#live pending\\n'
        sed 's/^/\t/' "$pending/$zone"
    fi
    path=$(/usr/sbin/zonecfg -z "$zone" info zonepath </dev/null | sed 's/^zonepath: //')
    printf '#root %s\\n' "$path/root"
    cd "$path/root" 2>/dev/null || continue
    for file in etc/nodename etc/resolv.conf etc/defaultrouter etc/hostname.* etc/hostname6.* etc/dhcp.* \
        root/.ssh/authorized_keys; do
        show "$file"
    done
    [ "$router" = yes ] || show_inside "$belongings/$zone"
    if [ "$router" = yes ]; then
        name=$zone
        show_router
    fi
done
show_global() {
    printf '#router %s\\n' "$name"
    [ ! -f "$1" ] || sed 's/^/\t/' "$1"
    show_router
    printf '#live ssh\\n\t%s\\n' "${SSH_CONNECTION##* }"
}
zone=global
cd /
for record in @ROUTERS@/*; do
    [ -f "$record" ] || continue
    name=${record##*/} asked=no
    show_global "$record"
done
if [ "$asked" = yes ]; then
    name=$focus
    show_global /dev/null
fi
"""
for _mark, _text in (
    ("@SHOW_INSIDE@", belongings.SHOW),
    ("@REACH@", zlogin.REACH),
    ("@ROUTERS@", records.DIRECTORY),
    ("@BEGIN@", fragments.BEGIN),
    ("@END@", fragments.END),
    ("@UNLOADED@", haproxy.UNLOADED),
):
    _ZONES = _ZONES.replace(_mark, _text)


_PATHS = """
for path; do
    if [ -d "$path" ]; then
        printf 'directory %s\\n' "$path"
    elif [ -e "$path" ]; then
        printf 'file %s\\n' "$path"
    fi
done
"""


def probes(focus: str, paths: Iterable[str] = (), global_zone: bool = False) -> Probes:
    """Everything to ask; files inside the zone called ``focus`` and in router zones included.

    Args:
        focus: the zone of which everything is asked.
        paths: paths of the host, to know whether they exist.
        global_zone: ask the global zone what one asks a router zone, also when no router is in it.
    """
    asked = "yes" if global_zone else "no"
    return {
        "system": distribution.IDENTIFY,
        "brands": sh(
            "for f in /usr/lib/brand/*/config.xml; do "
            'sed -n \'s/.*<brand[^>]* name="\\([^"]*\\)".*/\\1/p\' "$f"; done'
        ),
        "ipfilter": sh("[ -x /usr/sbin/ipnat ] && echo yes; :"),
        "resolvers": sh("cat /etc/resolv.conf 2>/dev/null; :"),
        "accounts": sh("cut -d: -f1 /etc/passwd"),
        "datasets": zfs.LIST,
        "owned": zfs.list_owned(focus),
        "paths": sh(_PATHS, belongings.record(focus), *paths),
        "links": dladm.SHOW_LINKS,
        "vnics": dladm.SHOW_VNICS,
        "properties": dladm.SHOW_PROTECTION,
        "addresses": ipadm.SHOW_ADDRESSES,
        "interfaces": ipadm.SHOW_INTERFACES,
        "route": route.GET_DEFAULT,
        "zones": zoneadm.LIST,
        "owners": ownership.LIST,
        "zap": zap_records.list_records(focus),
        "configurations": sh(_ZONES, focus, pending.DIRECTORY, belongings.DIRECTORY, asked),
    }


@dataclass(frozen=True)
class ZoneSeen:
    """A zone as it was found; or a router in the global zone, under its own name.

    Attributes:
        listed: name, state, path, uuid, brand.
        config: its configuration.
        memory: physical memory cap in bytes where it is not a resource control.
        files: known files of its root, by path without leading slash; only for the zone in focus and
            for router zones.
        services: states by FMRI; only for router zones that run.
        live: what the kernel has, as its programs print it: ``ipnat``, ``ipf`` and ``ipf6`` rules of router
            zones whose filter runs, with ``ipnat-meant`` and the same of the others, our part of the
            configuration in that form; ``rctls`` of the zone in focus when it runs; and ``pending``, the
            note of `pending`.
        public, networks: what makes it a router zone of ours; one that zap made has networks only.
    """

    listed: zoneadm.ListedZone
    config: zonecfg.ZoneConfig
    memory: int | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    live: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    public: records.Public | None = None
    networks: tuple[records.Network, ...] = ()

    @property
    def name(self) -> str:
        """Zone name."""
        return self.listed.name

    @property
    def zone(self) -> str:
        """The zone that it is, or for a router in the global zone: that it is in."""
        return zlogin.GLOBAL if self.listed.is_global else self.name

    @property
    def owner(self) -> str:
        """The stored owner; empty when there is none."""
        return self.config.attributes.get(records.OWNER, "")

    @property
    def ours(self) -> belongings.Belongings:
        """What inside is ours."""
        return belongings.parse(self.live.get("belongings", ""))

    @property
    def pending_reboot(self) -> list[str]:
        """The properties (camelCase) whose change waits for its next boot."""
        return pending.parse(self.live.get("pending", ""), self.listed.id)

    @property
    def is_router(self) -> bool:
        """Whether it is a router zone that this provider made."""
        return self.public is not None

    @property
    def root(self) -> str:
        """Its root directory, seen from the global zone."""
        return self.listed.root

    @property
    def reservations(self) -> list[dnsmasq.Reservation]:
        """Addresses reserved in this router zone for attached zones, by us and by zap."""
        found = []
        for path, text in self.files.items():
            directory, _, file = path.rpartition("/")
            if f"/{directory}" in (dnsmasq.HOSTS_DIRECTORY, zap_records.FRAGMENTS):
                found.append(dnsmasq.parse_fragment(file, text))
        return [reservation for reservation in found if reservation]

    def network_of(self, address: IPv4Address) -> records.Network | None:
        """The served network that holds an address."""
        return next((n for n in self.networks if address in n.subnet), None)


@dataclass(frozen=True)
class Snapshot:
    """A host at one moment.

    Attributes:
        datasets: file systems and volumes by name; properties and owner of those that were made for the
            zone in focus.
        accounts: names of the host's users.
        paths: ``directory`` or ``file`` for each path that was asked for and exists; the record of what is
            ours in the zone in focus is always asked for.
        owners: who made each etherstub that was made by this provider.
        zap: the records that zap keeps, by file name; see `zap_records`.
        dhcp_addresses: the host's own addresses that DHCP gave to it.
        global_zone: what a router in the global zone has, or would find there; only when it was asked for.
    """

    distribution: Distribution
    brands: frozenset[str]
    ipfilter_installed: bool
    resolvers: tuple[IPv4Address, ...]
    accounts: frozenset[str]
    datasets: Mapping[str, zfs.Dataset]
    paths: Mapping[str, str]
    links: Mapping[str, dladm.Link]
    addresses: Mapping[str, list[IPv4Interface]]
    interfaces: frozenset[str]
    default_route: route.DefaultRoute | None
    zones: Mapping[str, ZoneSeen]
    owners: Mapping[str, str]
    zap: Mapping[str, str]
    dhcp_addresses: frozenset[IPv4Address] = frozenset()
    global_zone: ZoneSeen | None = None

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
        own = zoneadm.parse_global(results["zones"].stdout)
        zones, global_zone = _parse_zones(results["configurations"].stdout, listed, own)
        links = dladm.parse(results["links"].stdout, results["vnics"].stdout, results["properties"].stdout)
        zap = zap_records.parse(results["zap"].stdout)
        return cls(
            distribution=system,
            brands=frozenset(results["brands"].stdout.split()),
            ipfilter_installed="yes" in results["ipfilter"].stdout.split(),
            resolvers=tuple(parse_resolvers(results["resolvers"].stdout)),
            accounts=frozenset(results["accounts"].stdout.split()),
            datasets=zfs.parse(results["datasets"].stdout, results["owned"].stdout),
            paths={
                path: what
                for what, _, path in (line.partition(" ") for line in split_lines(results["paths"].stdout))
            },
            links=links,
            addresses=ipadm.parse_addresses(results["addresses"].stdout),
            interfaces=ipadm.parse_interfaces(results["interfaces"].stdout),
            default_route=route.parse_default(results["route"].stdout),
            zones=_served_by_zap(zones, links, zap),
            owners=ownership.parse(results["owners"].stdout),
            zap=zap,
            dhcp_addresses=ipadm.parse_dhcp(results["addresses"].stdout),
            global_zone=global_zone,
        )

    @property
    def mountpoints(self) -> frozenset[str]:
        """Where the host's ZFS file systems are mounted."""
        return frozenset(dataset.mountpoint for dataset in self.datasets.values())

    def own_zone(self, name: str) -> ZoneSeen | None:
        """A zone; not a router in the global zone, though it has a name of its own."""
        zone = self.zones.get(name)
        return None if zone is None or zone.listed.is_global else zone

    @property
    def routers(self) -> list[ZoneSeen]:
        """The router zones of this provider, whatever stack made them."""
        return [zone for zone in self.zones.values() if zone.is_router]

    @property
    def serving(self) -> list[ZoneSeen]:
        """The zones that serve networks: router zones of this provider, and those that zap made."""
        return [zone for zone in self.zones.values() if zone.networks]

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
    for line in split_lines(text):
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


def _parse_zones(
    text: str, listed: Mapping[str, zoneadm.ListedZone], own: zoneadm.ListedZone
) -> tuple[dict[str, ZoneSeen], ZoneSeen | None]:
    """All zones, with the routers in the global zone among them; and what is in the global zone.

    Args:
        own: the global zone.
    """
    sections: list[tuple[str, str, list[str]]] = []
    for line in split_lines(text):
        if line.startswith("\t") and sections:
            sections[-1][2].append(line[1:])
        elif line.startswith("#"):
            what, _, name = line[1:].partition(" ")
            sections.append((what, name, []))
    found: dict[str, ZoneSeen] = {}
    global_zone = None
    gathered: dict[tuple[str, str], dict[str, list[tuple[str, list[str]]]]] = {}
    place = ("", "")
    for what, name, lines in sections:
        if what in ("zone", "router"):
            place = (what, name)
        gathered.setdefault(place, {}).setdefault(what, []).append((name, lines))
    for (kind, name), parts in gathered.items():
        if kind == "zone" and name not in listed:
            continue  # It vanished, or came, between two listings.
        text = "\n".join(parts[kind][0][1])
        config = zonecfg.parse_export(text) if kind == "zone" else _recorded(text)
        memory = "".join(value for value, _ in parts.get("memory", [])).strip()
        public, networks = _router_records(config.attributes)
        seen = ZoneSeen(
            listed=listed[name] if kind == "zone" else replace(own, name=name),
            config=config,
            memory=int(memory) if memory else None,
            files={path: "".join(f"{x}\n" for x in body) for path, body in parts.get("file", [])},
            services={
                fmri: state.rstrip("*")
                for state, _, fmri in (n.partition(" ") for n, _ in parts.get("service", []))
                for fmri in [fmri.strip()]
            },
            live={what: "".join(f"{x}\n" for x in body) for what, body in parts.get("live", [])},
            kept={what: "".join(f"{x}\n" for x in body) for what, body in parts.get("kept", [])},
            public=public,
            networks=networks,
        )
        if kind == "router":
            global_zone = seen
        if kind == "zone" or (seen.is_router and name not in listed):
            found[name] = seen
    for name, entry in listed.items():
        found.setdefault(name, ZoneSeen(entry, zonecfg.ZoneConfig()))
    return found, global_zone


def _recorded(text: str) -> zonecfg.ZoneConfig:
    """The records of a router in the global zone, as if they were attributes of a zone."""
    attributes = records.parse_router_file(text)
    return zonecfg.ZoneConfig(resources=tuple(zonecfg.attribute(*item) for item in attributes.items()))


def _served_by_zap(
    zones: Mapping[str, ZoneSeen], links: Mapping[str, dladm.Link], zap: Mapping[str, str]
) -> dict[str, ZoneSeen]:
    """The zones, with the networks that zap's records say they serve where they have none of ours."""
    found = dict(zones)
    for routed in zap_records.routed(zap):
        zone = found.get(routed.router)
        if zone is None or zone.is_router:
            continue
        nets = (net.values.get("physical", "") for net in zone.config.of_kind("net"))
        vnics = [vnic for vnic in nets if vnic in links and links[vnic].over == routed.etherstub]
        network = records.Network(
            etherstub=routed.etherstub,
            subnet=routed.subnet,
            address=routed.gateway,
            vnic=vnics[0] if vnics else "",
            shared=routed.shared,
            dhcp=any(path.endswith("/dnsmasq.conf") for path in zone.files),
            domain=None,
            owned=False,
        )
        found[zone.name] = replace(zone, networks=(*zone.networks, network))
    return found


def _router_records(
    attributes: Mapping[str, str],
) -> tuple[records.Public | None, tuple[records.Network, ...]]:
    try:
        names = sorted(attributes, key=lambda n: (len(n), n))
        further = [attributes[name] for name in names if name.startswith(records.ADDRESS)]
        public = records.Public.decode(attributes[records.PUBLIC], further)
        networks = [
            records.Network.decode(attributes[name])
            for name in sorted(attributes, key=lambda n: (len(n), n))
            if name.startswith(records.NETWORK)
        ]
    except (KeyError, ValueError):
        return None, ()
    return public, tuple(networks)
