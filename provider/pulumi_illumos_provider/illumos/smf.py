"""svcs(1) and svcadm(8) for the services of a zone."""

from __future__ import annotations

from pulumi_illumos_provider.plan import Command, sh

MULTI_USER = "svc:/milestone/multi-user-server:default"
SINGLE_USER = "svc:/milestone/single-user:default"
FORWARDING = "svc:/network/ipv4-forwarding:default"
IPFILTER = "svc:/network/ipfilter:default"


def online(zone: str, fmri: str) -> Command:
    """Succeeds when a service of a running zone is online."""
    return sh('[ "$(/usr/bin/svcs -z "$1" -H -o state "$2" 2>/dev/null)" = online ]', zone, fmri)


_WAIT = """
while :; do
    state=$(/usr/bin/svcs -z "$1" -H -o state "$2" 2>&1)
    case $state in
    online | degraded) exit 0 ;;
    maintenance)
        echo "$2 in zone $1 is in maintenance; see /var/svc/log in the zone" >&2
        exit 1 ;;
    esac
    sleep 0.2 2>/dev/null || sleep 1
done
"""


def wait_online(zone: str, fmri: str) -> Command:
    """Wait until a service is online; give up at once when it is in maintenance.

    The step's time limit bounds it: ``svcadm enable -s`` waits without limit.
    """
    return sh(_WAIT, zone, fmri)


def enable(zone: str, fmri: str) -> Command:
    """Enable a service of a running zone persistently and wait until it is online.

    One that is in maintenance is cleared first. The step's time limit bounds the waiting.
    """
    clear = """
[ "$(/usr/bin/svcs -z "$1" -H -o state "$2" 2>/dev/null)" != maintenance ] ||
    /usr/sbin/svcadm -z "$1" clear "$2" || exit
/usr/sbin/svcadm -z "$1" enable "$2" || exit
"""
    return sh(clear + _WAIT, zone, fmri)


def restart(zone: str, fmri: str) -> Command:
    """Restart a service and wait until it is online. The step's time limit bounds the waiting."""
    return sh(f'/usr/sbin/svcadm -z "$1" restart "$2" || exit\nsleep 1\n{_WAIT}', zone, fmri)
