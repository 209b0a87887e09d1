"""The names of attached zones: one file for each zone in every router zone of ours that it is behind.

The file is also the zone's claim to its addresses there. It is written before anything else of the zone is
made, under a lock and with a look at the claims of others: of several programs that want an address at the
same moment one gets it, and the others are refused before they have done anything.
"""

from __future__ import annotations

from pulumi_illumos_provider.illumos import dnsmasq, files
from pulumi_illumos_provider.illumos.sharing import LOCK, LOCK_LIMIT
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources.placement import Placed
from pulumi_illumos_provider.resources.zone_steps import is_installed

STEP_LIMIT = LOCK_LIMIT + 60.0
"""Seconds for a step that waits for other programs' changes of what a router keeps of zones."""

_CLAIM = (
    LOCK
    + r"""
zone=$3 hosts=$5 fresh=$6
lock "$4.zones"
own=$root/$path new=$root/${path%/*}/.$zone.new
trap 'rm -f "$lock" "$new"' 0
[ -d "${own%/*}" ] || mkdir -m 755 "${own%/*}" || exit
umask 022
rm -f "$new" || exit
set -C
cat >"$new" || exit
if [ -n "$fresh" ] && /usr/sbin/zoneadm -z "$zone" list >/dev/null 2>&1; then
    echo "zone $zone was made in the meantime by somebody else: choose another name" >&2
    exit 1
fi
while read -r address names; do
    for other in "${own%/*}"/*; do
        [ "$other" != "$own" ] && [ -f "$other" ] && grep "^$address " "$other" >/dev/null || continue
        echo "$address is taken by zone ${other##*/} (named in $other): choose another address" >&2
        exit 1
    done
    others=$(cat "$hosts"/* 2>/dev/null | nawk -F, -v "own=$zone" -v "address=$address" '
        $3 == address && $2 != own { print $2; exit }')
    if [ -n "$others" ]; then
        echo "$address is taken by zone $others (reserved in $hosts): choose another address" >&2
        exit 1
    fi
done <"$new"
mv -f "$new" "$own"
"""
)


def name_steps(
    zone: str, placed: list[Placed], now: Snapshot, *, fresh: bool = False
) -> dict[str, list[Step]]:
    """Let every router that a zone is behind know it by its name, static and shared-ip zones included.

    They come before all else of a zone, and, for one that is made, once more when it is there: until then
    another program may have begun to make a zone of the same name.

    Args:
        fresh: the zone does not exist yet.

    Returns:
        The steps by router zone; its DHCP and DNS server has to be told after them.
    """
    found: dict[str, list[Step]] = {}
    for router in now.routers:
        own = [nic for nic in placed if nic.router is not None and nic.router.name == router.name]
        text = dnsmasq.names_file(
            zone,
            [(nic.address.ip, nic.network.domain) for nic in own if nic.address and nic.network],
        )
        path = _path(zone)
        if text and is_installed(router) and router.files.get(path) != text:
            step = Step(
                f"naming zone {zone} in router zone {router.name}",
                files.below(
                    router.root,
                    path,
                    _CLAIM,
                    zone,
                    router.zone,
                    router.root + dnsmasq.HOSTS_DIRECTORY,
                    "fresh" if fresh else "",
                    stdin=text,
                ),
                done=files.zone_file_is(router.root, path, text),
                timeout=STEP_LIMIT,
            )
            found[router.name] = [step]
    return found


def forget_steps(zone: str, router: ZoneSeen, keep: list[Placed] | None) -> list[Step]:
    """Let a router forget a zone's names, unless one of the kept nics is behind it."""
    path = _path(zone)
    behind = any(nic.router is not None and nic.router.name == router.name for nic in keep or [])
    if behind or path not in router.files:
        return []
    return [
        Step(
            f"forgetting the name of zone {zone} in router zone {router.name}",
            files.remove_zone_file(router.root, path),
            done=files.zone_file_absent(router.root, path),
        )
    ]


def _path(zone: str) -> str:
    return f"{dnsmasq.NAMES_DIRECTORY.lstrip('/')}/{zone}"
