"""What a router zone keeps of an attached zone: one DHCP reservation for each vnic, in one fragment."""

from __future__ import annotations

from ipaddress import IPv4Address

from pulumi_illumos_provider.illumos import dnsmasq, files
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.plan import Command, Step, sh
from pulumi_illumos_provider.resources.placement import Placed
from pulumi_illumos_provider.resources.zone_steps import is_installed, is_running

# The vnic's MAC address is asked for on the host: it may not exist yet when the plan is made.
# dladm leaves out leading zeros; the DHCP server gets two digits an octet.
_RESERVE = """
mac=$(/usr/sbin/dladm show-vnic -p -o macaddress "$1") || exit
old_ifs=$IFS
IFS=:
set -- "$1" "$2" "$3" "$4" $mac
IFS=$old_ifs
[ $# -eq 10 ] || { echo "vnic $1 has no MAC address: $mac" >&2; exit 1; }
vnic=$1 zone=$2 address=$3 directory=$4
shift 4
mac=$(printf '%02x:%02x:%02x:%02x:%02x:%02x' 0x$1 0x$2 0x$3 0x$4 0x$5 0x$6)
file=$directory/pulumi-$vnic
for other in "$directory"/*; do
    [ "$other" != "$file" ] && [ -f "$other" ] || continue
    case $(cat "$other") in
    *",$address,"*)
        echo "$address is reserved by ${other##*/} already" >&2
        exit 1 ;;
    esac
done
line=$mac,$zone,$address,infinite
"""
_WRITE = '[ -d "$directory" ] && printf "%s\\n" "$line" >"$file.new" && mv -f "$file.new" "$file"'
_SAME = '[ "$(cat "$file" 2>/dev/null)" = "$line" ]'

# dnsmasq keeps leases in memory and in a file: one that contradicts the reservations has to be taken out
# of both. With stale leases only; a running server with none is just told to read its hosts again.
_DROP_LEASES = """
root=$1 lease_file=$2 router=$3 fmri=$4 running=$5 directory=$6
shift 6
stale=
for address in "$@"; do
    keep=$(cat "$directory"/* 2>/dev/null | sed -n "s/^\\([^,]*\\),[^,]*,$address,.*/\\1/p")
    found=$(sed -n "s/^[0-9]* \\([0-9a-fA-F:]*\\) $address .*/\\1/p" "$root$lease_file" 2>/dev/null)
    [ -z "$found" ] || [ "$found" = "$keep" ] || stale="$stale $address"
done
if [ -n "$stale" ]; then
    [ "$running" = no ] || /usr/sbin/svcadm -z "$router" disable -s -t "$fmri" || exit
    for address in $stale; do
        sed "/ $address /d" "$root$lease_file" >"$root$lease_file.new" &&
            cat "$root$lease_file.new" >"$root$lease_file" && rm -f "$root$lease_file.new" || exit
    done
    [ "$running" = no ] || /usr/sbin/svcadm -z "$router" enable "$fmri"
elif [ "$running" = yes ]; then
    # Nothing to tell when the server does not run: it reads its hosts when it starts.
    /usr/bin/pkill -HUP -x -z "$router" dnsmasq || :
fi
"""


def reservation_steps(zone: str, placed: list[Placed], now: Snapshot) -> list[Step]:
    """Reserve the address of every nic behind a router, and tell its DHCP server once.

    A shared-ip zone has no MAC address of its own, and asks nobody for its address.
    """
    steps: list[Step] = []
    told: dict[str, tuple[ZoneSeen, list[IPv4Address]]] = {}
    for nic in placed:
        if nic.router is None or nic.address is None or nic.shared or not is_installed(nic.router):
            continue
        if _reserved(zone, nic, now):
            continue
        router = nic.router
        arguments = (nic.vnic, zone, str(nic.address.ip), _directory(router))
        steps.append(
            Step(
                f"reserving {nic.address.ip} for zone {zone} in router zone {router.name}",
                sh(_RESERVE + _WRITE, *arguments),
                done=sh(_RESERVE + _SAME, *arguments),
            )
        )
        told.setdefault(router.name, (router, []))[1].append(nic.address.ip)
    return steps + [_tell(router, addresses, now) for router, addresses in told.values()]


def release_steps(zone: str, now: Snapshot, keep: list[Placed] | None = None) -> list[Step]:
    """Remove a zone's reservations and leases from every router zone, except those of kept nics."""
    kept = {(nic.router.name, nic.vnic, nic.address.ip) for nic in keep or [] if nic.router and nic.address}
    steps: list[Step] = []
    for router in now.routers:
        gone = [
            r
            for r in router.reservations
            if r.name == zone
            and r.file.startswith(dnsmasq.fragment_name(""))
            and (router.name, r.file.removeprefix(dnsmasq.fragment_name("")), r.address) not in kept
        ]
        for reservation in gone:
            path = f"{dnsmasq.HOSTS_DIRECTORY.lstrip('/')}/{reservation.file}"
            if not _replaced(router, reservation, kept):
                steps.append(
                    Step(
                        f"releasing {reservation.address} of zone {zone} in router zone {router.name}",
                        files.remove_zone_file(router.root, path),
                        done=files.zone_file_absent(router.root, path),
                    )
                )
        if gone:
            steps.append(_tell(router, [r.address for r in gone], now))
    return steps


def _replaced(
    router: ZoneSeen,
    reservation: dnsmasq.Reservation,
    kept: set[tuple[str, str, IPv4Address]],
) -> bool:
    """The fragment is going to be rewritten with another address."""
    vnic = reservation.file.removeprefix(dnsmasq.fragment_name(""))
    return any((router.name, vnic) == (name, other) for name, other, _ in kept)


def _reserved(zone: str, nic: Placed, now: Snapshot) -> bool:
    link = now.links.get(nic.vnic)
    if nic.router is None or nic.address is None or link is None or link.over != nic.over:
        return False
    if nic.mac and link.mac != nic.mac:
        return False
    return any(
        r.file == dnsmasq.fragment_name(nic.vnic)
        and (r.mac, r.name, r.address) == (link.mac, zone, nic.address.ip)
        for r in nic.router.reservations
    )


def _directory(router: ZoneSeen) -> str:
    return router.root + dnsmasq.HOSTS_DIRECTORY


def _tell(router: ZoneSeen, addresses: list[IPv4Address], now: Snapshot) -> Step:
    package = now.distribution.dnsmasq
    return Step(
        f"telling the DHCP server of router zone {router.name}",
        _drop_leases(router, addresses, now.distribution),
        remedy=f"see /var/svc/log and svcs -z {router.name} -xv {package.fmri}",
    )


def _drop_leases(router: ZoneSeen, addresses: list[IPv4Address], distribution: Distribution) -> Command:
    package = distribution.dnsmasq
    return sh(
        _DROP_LEASES,
        router.root,
        package.lease_file,
        router.name,
        package.fmri,
        "yes" if is_running(router) else "no",
        _directory(router),
        *(str(address) for address in addresses),
    )
