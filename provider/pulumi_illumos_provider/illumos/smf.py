"""svcs(1) and svcadm(8) for the services of a zone."""

from __future__ import annotations

from pulumi_illumos_provider.illumos.zlogin import REACH, inside
from pulumi_illumos_provider.plan import Command, sh

_ON = f"zone=$1{REACH}"

MULTI_USER = "svc:/milestone/multi-user-server:default"
FORWARDING = "svc:/network/ipv4-forwarding:default"
FORWARDING6 = "svc:/network/ipv6-forwarding:default"
ROUTER_ADVERTISEMENTS = "svc:/network/routing/ndp:default"
IPFILTER = "svc:/network/ipfilter:default"


def online(zone: str, fmri: str) -> Command:
    """Succeeds when a service of a running zone is online."""
    return sh(f'{_ON}[ "$(/usr/bin/svcs $on -H -o state "$2" 2>/dev/null)" = online ]', zone, fmri)


_WAIT = f"""{_ON}
while :; do
    state=$(/usr/bin/svcs $on -H -o state "$2" 2>&1)
    case $state in
    online | degraded) exit 0 ;;
    maintenance)
        echo "$2 in zone $1 is in maintenance; see /var/svc/log in the zone" >&2
        exit 1 ;;
    esac
    sleep 0.2 2>/dev/null || sleep 1
done
"""

_WAIT_WITHIN = """
zone=$1
@REACH@
left=$(($3 * 5))
while [ $left -gt 0 ]; do
    if state=$(/usr/bin/svcs $on -H -o state "$2" 2>/dev/null); then
        case $state in
        online | degraded) exit 0 ;;
        maintenance) break ;;
        esac
    elif /usr/sbin/zoneadm -z "$1" list -p | cut -d: -f3 | grep installed >/dev/null; then
        echo "zone $1 has gone down again" >&2
        exit 1
    fi
    sleep 0.2 2>/dev/null || { sleep 1; left=$((left - 4)); }
    left=$((left - 1))
done
{
    echo "$2 in zone $1 is ${state:-not known yet}; what hinders it:"
    /usr/bin/svcs $on -x 2>&1 | sed -n 1,40p
} >&2
exit 1
""".replace("@REACH@", REACH)


def wait_online(zone: str, fmri: str, limit: int | None = None) -> Command:
    """Wait until a service is online; give up at once when it is in maintenance.

    Args:
        limit: seconds; when they are over, the services that hinder it are named. None for the step's
            own time limit alone: ``svcadm enable -s`` waits without limit.
    """
    if limit is not None:
        return sh(_WAIT_WITHIN, zone, fmri, str(limit))
    return sh(_WAIT, zone, fmri)


def enable(zone: str, fmri: str) -> Command:
    """Enable a service of a running zone persistently and wait until it is online.

    One that is in maintenance is cleared first. The step's time limit bounds the waiting.
    """
    clear = f"""{_ON}
[ "$(/usr/bin/svcs $on -H -o state "$2" 2>/dev/null)" != maintenance ] ||
    /usr/sbin/svcadm $on clear "$2" || exit
/usr/sbin/svcadm $on enable "$2" || exit
"""
    return sh(clear + _WAIT, zone, fmri)


def restart(zone: str, fmri: str) -> Command:
    """Restart a service and wait until it is online. The step's time limit bounds the waiting."""
    return sh(f'{_ON}/usr/sbin/svcadm $on restart "$2" || exit\nsleep 1\n{_WAIT}', zone, fmri)


def disable(zone: str, fmri: str) -> Command:
    """Disable a service persistently and wait until it has stopped; one that is not there is fine."""
    script = f"""{_ON}
/usr/bin/svcs $on -H "$2" >/dev/null 2>&1 || exit 0
/usr/sbin/svcadm $on disable -s "$2"
"""
    return sh(script, zone, fmri)


def disabled(zone: str, fmri: str) -> Command:
    """Succeeds when a service is disabled, or not there."""
    script = f"""{_ON}
case $(/usr/bin/svcs $on -H -o state "$2" 2>/dev/null) in disabled | "") ;; *) exit 1 ;; esac
"""
    return sh(script, zone, fmri)


# IPFilter and forwarding -------------------------------------------------------------------------

CUSTOM = "custom"
"""The policy with which IPFilter's service reads ``ipf.conf``; with any other the file has no effect."""

_POLICY = "firewall_config_default/policy"


def set_custom_policy(zone: str) -> Command:
    """Let IPFilter's service read ``ipf.conf``. A service that runs loads everything anew."""
    script = f"""{_ON}
/usr/sbin/svccfg $on -s "$2" setprop {_POLICY} = astring: {CUSTOM} &&
    /usr/sbin/svcadm $on refresh "$2"
"""
    return sh(script, zone, IPFILTER)


def has_custom_policy(zone: str) -> Command:
    """Succeeds when IPFilter's service reads ``ipf.conf``."""
    script = f'{_ON}[ "$(/usr/bin/svcprop $on -p {_POLICY} "$2" 2>/dev/null)" = {CUSTOM} ]'
    return sh(script, zone, IPFILTER)


_FORWARDS = '[ "$(/usr/sbin/ipadm show-prop -c -o current -p forwarding ipv4 2>/dev/null)" = on ]'


def forwards(zone: str) -> Command:
    """Succeeds when the kernel of a running zone forwards IPv4, whatever the service says."""
    return inside(zone, _FORWARDS)


def forward_again(zone: str) -> Command:
    """Let the forwarding service, which is online, do its work again. The step's time limit bounds it."""
    script = f"""
/usr/sbin/svcadm refresh {FORWARDING} || exit
until {_FORWARDS}; do
    sleep 0.2 2>/dev/null || sleep 1
done
"""
    return inside(zone, script)
