"""What a router zone keeps of an attached zone: one DHCP reservation for each vnic, in one fragment."""

from __future__ import annotations

from ipaddress import IPv4Address

from pulumi_illumos_provider.illumos import dnsmasq, files
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.illumos.files import PLAIN, REFUSE_LINKS
from pulumi_illumos_provider.illumos.sharing import LOCK
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.illumos.zap_records import FRAGMENTS, remove_file
from pulumi_illumos_provider.illumos.zlogin import REACH
from pulumi_illumos_provider.plan import Command, Step, sh
from pulumi_illumos_provider.resources.placement import Placed
from pulumi_illumos_provider.resources.router.names import STEP_LIMIT, forget_steps, name_steps
from pulumi_illumos_provider.resources.zone_steps import is_installed, is_running

# One change at a time of what a router keeps of zones: an address is looked for, and then taken.
_ALONE = 'lock "$7.zones"\n'
# The vnic's MAC address is asked for on the host: it may not exist yet when the plan is made.
# dladm leaves out leading zeros; the DHCP server gets two digits an octet.
_RESERVE = """
mac=$(/usr/sbin/dladm show-vnic -p -o macaddress "$1") || exit
old_ifs=$IFS
IFS=:
set -- "$1" "$2" "$3" "$4" "$5" "$6" $mac
IFS=$old_ifs
[ $# -eq 12 ] || { echo "vnic $1 has no MAC address: $mac" >&2; exit 1; }
zone=$2 address=$3 directory=$4 name=$5 keyword=$6
shift 6
for part in "${directory%/*}" "$directory"; do
    [ ! -h "$part" ] || { echo "$part is a symbolic link: it is not followed" >&2; exit 1; }
done
mac=$(printf '%02x:%02x:%02x:%02x:%02x:%02x' 0x$1 0x$2 0x$3 0x$4 0x$5 0x$6)
file=$directory/$name
for other in "$directory"/*; do
    [ "$other" != "$file" ] && [ -f "$other" ] || continue
    case $(cat "$other") in
    *",$address,"*)
        echo "$address is reserved in $other already: choose another address" >&2
        exit 1 ;;
    esac
done
line=$keyword$mac,$zone,$address,infinite
new=$directory/.$name.new
"""
# dnsmasq reads every file of the directory but those that start with a dot.
_WRITE = """
[ -d "$directory" ] && rm -f "$new" || exit
set -C
printf '%s\\n' "$line" >"$new" && mv -f "$new" "$file"
"""
_SAME = '[ "$(cat "$file" 2>/dev/null)" = "$line" ]'

# dnsmasq keeps leases in memory and in a file: one that contradicts the reservations has to be taken out
# of both. With stale leases only; a running server with none is just told to read its hosts again, or
# started again where they are part of its configuration.
_DROP_LEASES = (
    PLAIN
    + REFUSE_LINKS
    + """
root=$1 lease_file=$2 router=$3 fmri=$4 running=$5 directory=$6
shift 6
zone=$router
@REACH@
[ "$zone" = global ] || refuse_links "${lease_file#/}"
lock "$zone.zones"
stale=
for address in "$@"; do
    keep=$(cat "$directory"/* 2>/dev/null |
        sed -n "s/^dhcp-host=//; s/^\\([^,]*\\),[^,]*,$address,.*/\\1/p")
    found=$(sed -n "s/^[0-9]* \\([0-9a-fA-F:]*\\) $address .*/\\1/p" "$root$lease_file" 2>/dev/null)
    [ -z "$found" ] || [ "$found" = "$keep" ] || stale="$stale $address"
done
if [ -n "$stale" ]; then
    [ "$running" = no ] || /usr/sbin/svcadm $on disable -s -t "$fmri" || exit
    for address in $stale; do
        rm -f "$root$lease_file.new" || exit
        sed "/ $address /d" "$root$lease_file" >"$root$lease_file.new" &&
            cat "$root$lease_file.new" >"$root$lease_file" && rm -f "$root$lease_file.new" || exit
    done
    [ "$running" = no ] || /usr/sbin/svcadm $on enable "$fmri"
elif [ "$running" = restart ]; then
    /usr/sbin/svcadm $on restart "$fmri"
elif [ "$running" = yes ]; then
    # Nothing to tell when the server does not run: it reads its hosts when it starts.
    /usr/bin/pkill -HUP -x -z "$zone" dnsmasq || :
fi
""".replace("@REACH@", REACH)
)


def reservation_steps(zone: str, placed: list[Placed], now: Snapshot) -> list[Step]:
    """Reserve the address of every nic behind a router, name the zone there, and tell its server once.

    A shared-ip zone has no MAC address of its own, and asks nobody for its address.
    """
    steps: list[Step] = []
    told: dict[str, tuple[ZoneSeen, list[IPv4Address]]] = {}
    for nic in placed:
        if nic.router is None or nic.address is None or nic.shared or not is_installed(nic.router):
            continue
        router = nic.router
        if _reserved(zone, nic, now):
            if nic.dhcp and not is_running(now.zones.get(zone)):
                # A run that was cut off may have reserved it without telling.
                told.setdefault(router.name, (router, []))[1].append(nic.address.ip)
            continue
        keyword = "" if router.is_router else "dhcp-host="
        name = _fragment(router, nic.vnic)
        arguments = (nic.vnic, zone, str(nic.address.ip), _directory(router), name, keyword, router.zone)
        steps.append(
            Step(
                f"reserving {nic.address.ip} for zone {zone} in router zone {router.name}",
                sh(LOCK + _ALONE + _RESERVE + _WRITE, *arguments),
                done=sh(_RESERVE + _SAME, *arguments),
                timeout=STEP_LIMIT,
            )
        )
        told.setdefault(router.name, (router, []))[1].append(nic.address.ip)
    for name, naming in name_steps(zone, placed, now).items():
        steps += naming
        told.setdefault(name, (now.zones[name], []))
    if not is_installed(now.zones.get(zone)):
        # Of a run that was cut off, the names may be there without having been told.
        behind = [nic.router for nic in placed if nic.router and nic.router.is_router and nic.address]
        told |= {r.name: (r, []) for r in behind if is_installed(r) and r.name not in told}
    return steps + [_tell(router, addresses, now) for router, addresses in told.values()]


def claim_steps(zone: str, placed: list[Placed], now: Snapshot) -> list[Step]:
    """Claim a zone's addresses behind routers of ours, before all else."""
    fresh = zone not in now.zones
    return [step for steps in name_steps(zone, placed, now, fresh=fresh).values() for step in steps]


def release_steps(zone: str, now: Snapshot, keep: list[Placed] | None = None) -> list[Step]:
    """Remove a zone's reservations, leases and names from every router zone, except those of kept nics."""
    kept = {(nic.router.name, nic.vnic, nic.address.ip) for nic in keep or [] if nic.router and nic.address}
    steps: list[Step] = []
    for router in now.serving:
        gone = [
            r
            for r in router.reservations
            if r.name == zone and r.vnic and (router.name, r.vnic, r.address) not in kept
        ]
        for reservation in gone:
            path = f"{_place(router)}/{reservation.file}"
            if not _replaced(router, reservation, kept):
                steps.append(
                    Step(
                        f"releasing {reservation.address} of zone {zone} in router zone {router.name}",
                        files.remove_zone_file(router.root, path),
                        done=files.zone_file_absent(router.root, path),
                    )
                )
        forgetting = forget_steps(zone, router, keep)
        steps += forgetting
        if gone or forgetting:
            steps.append(_tell(router, [r.address for r in gone], now))
    return steps


def cleanup_lines(zone: str, placed: list[Placed], now: Snapshot) -> list[str]:
    """Lines of a shell script that release the reservations of a zone that was removed without us."""
    lines: list[str] = []
    for nic in placed:
        router = nic.router
        if router is None:
            continue
        if nic.address is not None and not nic.shared:
            lines.append(remove_file(f"{_directory(router)}/{_fragment(router, nic.vnic)}"))
        if router.is_router:
            lines.append(remove_file(f"{router.root}{dnsmasq.NAMES_DIRECTORY}/{zone}"))
            lines.append(f"/usr/bin/pkill -HUP -x -z {router.zone} dnsmasq")
        else:
            lines.append(f"/usr/sbin/svcadm -z {router.name} restart {now.distribution.dnsmasq.fmri}")
    return lines


def _replaced(
    router: ZoneSeen,
    reservation: dnsmasq.Reservation,
    kept: set[tuple[str, str, IPv4Address]],
) -> bool:
    """The fragment is going to be rewritten with another address."""
    return any((router.name, reservation.vnic) == (name, other) for name, other, _ in kept)


def _reserved(zone: str, nic: Placed, now: Snapshot) -> bool:
    link = now.link_of(zone, nic.vnic)
    if nic.router is None or nic.address is None or link is None or link.over != nic.over:
        return False
    if nic.mac and link.mac != nic.mac:
        return False
    return any(
        r.file == _fragment(nic.router, nic.vnic)
        and (r.mac, r.name, r.address) == (link.mac, zone, nic.address.ip)
        for r in nic.router.reservations
    )


def _place(router: ZoneSeen) -> str:
    """Where reservations stand below a router zone's root."""
    directory = dnsmasq.HOSTS_DIRECTORY if router.is_router else FRAGMENTS
    return directory.lstrip("/")


def _directory(router: ZoneSeen) -> str:
    return f"{router.root}/{_place(router)}"


def _fragment(router: ZoneSeen, vnic: str) -> str:
    """Name of a vnic's fragment; beside zap's own ones, which are called ``ZONE.conf``."""
    return dnsmasq.fragment_name(vnic) + ("" if router.is_router else ".conf")


def _tell(router: ZoneSeen, addresses: list[IPv4Address], now: Snapshot) -> Step:
    package = now.distribution.dnsmasq
    return Step(
        f"telling the DHCP server of router zone {router.name}",
        _drop_leases(router, addresses, now.distribution),
        timeout=STEP_LIMIT,
        remedy=f"see /var/svc/log and svcs -z {router.zone} -xv {package.fmri}",
    )


def _drop_leases(router: ZoneSeen, addresses: list[IPv4Address], distribution: Distribution) -> Command:
    package = distribution.dnsmasq
    running = "yes" if router.is_router else "restart"
    return sh(
        LOCK + _DROP_LEASES,
        router.root,
        package.lease_file,
        router.zone,
        package.fmri,
        running if is_running(router) else "no",
        _directory(router),
        *(str(address) for address in addresses),
    )
