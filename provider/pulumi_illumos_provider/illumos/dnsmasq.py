"""DHCP and DNS for a router's networks with dnsmasq: its configuration and its fragments."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from pulumi_illumos_provider.illumos import files
from pulumi_illumos_provider.illumos.distribution import Dnsmasq
from pulumi_illumos_provider.illumos.dladm import padded_mac
from pulumi_illumos_provider.illumos.zlogin import REACH
from pulumi_illumos_provider.plan import Command, sh

HEADER = "# Written by pulumi-illumos: changes are overwritten."
"""First line of the configuration."""

HOSTS_DIRECTORY = "/etc/dnsmasq.hosts.d"
"""One file for each attached zone; dnsmasq reads it again when it gets SIGHUP, without a restart."""

RECORDS = "/etc/dnsmasq.records.d/router"
"""Further names, like ``/etc/hosts``. An address that has several names is said to have the one that was
read first. Of directories, the last that the configuration names is read first, and all of them after
single files: so this is a file in a directory of its own, named before that of the zones' names."""

NAMES_DIRECTORY = "/etc/dnsmasq.names.d"
"""One file for each attached zone, like ``/etc/hosts``; read again on SIGHUP as well."""


@dataclass(frozen=True)
class Served:
    """A network that dnsmasq serves: the router's vnic on it and what clients are told.

    Attributes:
        pool: first and last address for clients without a reservation.
        options: further DHCP options, by name or number.
        lease: how long an address of the pool is kept, as dnsmasq writes it.
        mtu: told to clients when it is not the usual one.
    """

    vnic: str
    subnet: IPv4Network
    address: IPv4Address
    dhcp: bool
    domain: str | None
    pool: tuple[IPv4Address, IPv4Address] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    lease: str | None = None
    mtu: int | None = None


@dataclass(frozen=True)
class Names:
    """What the DNS server knows beside the attached zones.

    Attributes:
        router: name of the router zone.
        servers: where it asks what it does not know.
        forward: domains that are asked elsewhere, and where.
        addresses: further names and their addresses.
        aliases: names that stand for others.
    """

    router: str
    servers: Sequence[IPv4Address] = ()
    forward: Sequence[tuple[str, Sequence[IPv4Address]]] = ()
    addresses: Sequence[tuple[str, IPv4Address]] = ()
    aliases: Sequence[tuple[str, str]] = ()


def config(package: Dnsmasq, networks: Sequence[Served], names: Names) -> str:
    """The whole configuration file.

    dnsmasq answers only on the private vnics. Replies are broadcast, because on illumos it may not have
    the privilege to enter a client without address into the ARP table. Names without a domain, those of the
    networks' domains and addresses that are private everywhere are never asked of the world.
    """
    lines = [
        HEADER,
        f"dhcp-hostsfile={HOSTS_DIRECTORY}",
        f"dhcp-leasefile={package.lease_file}",
        "dhcp-authoritative",
        "dhcp-broadcast",
        "no-ping",
        "no-resolv",
        "no-hosts",
        # With other names this line changes too, and the server is restarted.
        f"addn-hosts={RECORDS.rpartition('/')[0]} # {_digest(records_file(names.addresses))}",
        f"addn-hosts={NAMES_DIRECTORY}",
        "domain-needed",
        "bogus-priv",
    ]
    if package.user:
        lines.append(f"user={package.user}")
    lines += [f"server={server}" for server in names.servers]
    for domain, servers in names.forward:
        lines += [f"server=/{domain}/{server}" for server in servers]
    lines += [f"local=/{domain}/" for domain in sorted({n.domain for n in networks if n.domain})]
    lines += [f"cname={name},{target}" for name, target in names.aliases]
    if package.fragments:
        lines.append(f"conf-dir={package.fragments}")
    for number, network in enumerate(networks):
        lines += _network(network, f"net{number}", names.router)
    return "".join(f"{line}\n" for line in lines)


def _network(network: Served, tag: str, router: str) -> list[str]:
    own = ",".join([*([f"{router}.{network.domain}"] if network.domain else []), router])
    lines = [f"interface={network.vnic}", f"host-record={own},{network.address}"]
    if not network.dhcp:
        return [*lines, f"no-dhcp-interface={network.vnic}"]
    subnet = network.subnet
    if network.pool:
        first, last = network.pool
        words = [f"set:{tag}", str(first), str(last), str(subnet.netmask)]
    else:
        words = [f"set:{tag}", str(subnet.network_address), "static", str(subnet.netmask)]
    lines.append("dhcp-range=" + ",".join([*words, *([network.lease] if network.lease else [])]))
    options = {"router": str(network.address), "dns-server": str(network.address)}
    if network.domain:
        options["domain-name"] = network.domain
    if network.mtu:
        options["mtu"] = str(network.mtu)
    for name, value in (options | dict(network.options)).items():
        word = name if name.isdigit() else f"option:{name}"
        lines.append(f"dhcp-option=tag:{tag},{word},{value}")
    if network.domain:
        lines.append(f"domain={network.domain},{subnet}")
    return lines


def records_file(addresses: Iterable[tuple[str, IPv4Address]]) -> str:
    """The content of `RECORDS`."""
    return "".join(f"{address} {name}\n" for name, address in addresses)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def names_file(zone: str, addresses: Iterable[tuple[IPv4Address, str | None]]) -> str:
    """The names of an attached zone: ``10.10.0.5 web.lan.example web`` for each address and its domain."""
    return "".join(
        f"{address} {f'{zone}.{domain} ' if domain else ''}{zone}\n" for address, domain in addresses
    )


_REPLACE = """
zone=$3 fmri=$4 program=$5 own=$root/$path
@REACH@
state() {
    /usr/bin/svcs $on -H -o state "$fmri" 2>/dev/null
}
settled() {
    while :; do
        case $(state) in
        online | degraded) return 0 ;;
        maintenance) return 1 ;;
        esac
        sleep 0.2 2>/dev/null || sleep 1
    done
}
begin() {
    case $(state) in
    maintenance) /usr/sbin/svcadm $on clear "$fmri" ;;
    online | degraded) /usr/sbin/svcadm $on restart "$fmri" && sleep 1 ;;
    esac
    /usr/sbin/svcadm $on enable "$fmri" && settled
}
umask 022
refuse_links "$path.new"
refuse_links "$path.old"
cat >"$own.new" || exit
if ! said=$(inside "$program --test -C /$path.new" </dev/null 2>&1); then
    rm -f "$own.new"
    echo "dnsmasq does not accept the new configuration, and keeps the one it has: $said" >&2
    exit 1
fi
# One that is there is of a change that was cut off: it is the one that last worked.
[ -f "$own.old" ] || [ ! -f "$own" ] || cp -p "$own" "$own.old" || exit
mv -f "$own.new" "$own" || exit
if begin; then
    rm -f "$own.old"
    exit 0
fi
if [ -f "$own.old" ]; then
    mv -f "$own.old" "$own"
    begin || { echo "dnsmasq runs neither with the new configuration nor with the former one" >&2; exit 1; }
    echo "dnsmasq did not start with the new configuration; it runs with the former one again" >&2
else
    echo "dnsmasq did not start with its configuration" >&2
fi
exit 1
""".replace("@REACH@", REACH)


def replace_config(package: Dnsmasq, zone: str, root: str, text: str) -> Command:
    """Let the server of a running zone use another configuration.

    It is tested before it takes the place of the former one, and that one is put back when the server does
    not come online. The step's time limit bounds the waiting.
    """
    path = package.config.lstrip("/")
    return files.below(root, path, _REPLACE, zone, package.fmri, package.program, stdin=text)


def runs_with(package: Dnsmasq, zone: str, root: str, text: str) -> Command:
    """Succeeds when the server of a running zone is online with that configuration."""
    script = """
zone=$2
@REACH@
cmp -s - "$1" && [ ! -f "$1.old" ] && [ "$(/usr/bin/svcs $on -H -o state "$3" 2>/dev/null)" = online ]
""".replace("@REACH@", REACH)
    return sh(script, root + package.config, zone, package.fmri, stdin=text)


@dataclass(frozen=True)
class Reservation:
    """An address kept for one vnic of an attached zone.

    Attributes:
        file: name of the fragment.
        mac: canonical MAC address.
        name: zone name.
        address: the address.
    """

    file: str
    mac: str
    name: str
    address: IPv4Address

    @property
    def vnic(self) -> str:
        """The vnic that a fragment of ours is for; empty for any other."""
        prefix = fragment_name("")
        return self.file.removeprefix(prefix).removesuffix(".conf") if self.file.startswith(prefix) else ""


def fragment_name(vnic: str) -> str:
    """Name of the fragment of a vnic; vnic names are unique on a host."""
    return f"pulumi-{vnic}"


def parse_fragment(file: str, text: str) -> Reservation | None:
    """Read ``MAC,NAME,ADDRESS,infinite``; None when it is something else.

    zap's own fragments are configuration, ``dhcp-host=`` and the same, with the octets as dladm prints
    them.
    """
    fields = text.strip().removeprefix("dhcp-host=").split(",")
    try:
        return Reservation(file, padded_mac(fields[0]), fields[1], IPv4Address(fields[2]))
    except (IndexError, ValueError):
        return None
