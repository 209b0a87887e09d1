"""in.ndpd(8), which announces a router's IPv6 prefixes: its configuration in a running zone.

The daemon reads ``/etc/inet/ndpd.conf`` when it starts, and never again.
"""

from __future__ import annotations

from pulumi_illumos_provider.illumos import files, smf
from pulumi_illumos_provider.illumos.zlogin import REACH
from pulumi_illumos_provider.plan import Command, sh

CONFIG = "etc/inet/ndpd.conf"
"""Path of the configuration below a zone's root, without leading slash."""

FORMER = f"{CONFIG}.old"
"""While the daemon is told, the former configuration, empty when there was none. One that is there
afterwards is of a change that was cut off."""

_REPLACE = f"""
zone=$3 fmri=$4 remove=$5 own=$root/$path
{REACH}
umask 022
refuse_links "$path.new"
refuse_links "$path.old"
if [ ! -f "$own.old" ]; then
    if [ -f "$own" ]; then cp -p "$own" "$own.old"; else : >"$own.old"; fi || exit
fi
if [ "$remove" = yes ]; then
    rm -f "$own"
else
    cat >"$own.new" && mv -f "$own.new" "$own"
fi || exit
case $(/usr/bin/svcs $on -H -o state "$fmri" 2>/dev/null) in
maintenance)
    /usr/sbin/svcadm $on clear "$fmri" || exit ;;
online | degraded)
    /usr/sbin/svcadm $on restart "$fmri" || exit
    sleep 1 ;;
*)
    if [ "$remove" = yes ]; then
        rm -f "$own.old"
        exit
    fi ;;
esac
/usr/sbin/svcadm $on enable "$fmri" || exit
while :; do
    case $(/usr/bin/svcs $on -H -o state "$fmri" 2>/dev/null) in
    online | degraded) break ;;
    maintenance)
        echo "$fmri is in maintenance" >&2
        exit 1 ;;
    esac
    sleep 0.2 2>/dev/null || sleep 1
done
rm -f "$own.old"
"""


def replace_config(zone: str, root: str, text: str | None) -> Command:
    """Let the daemon of a running zone announce something else; None announces nothing.

    The step's time limit bounds the waiting.
    """
    words = (zone, smf.ROUTER_ADVERTISEMENTS, "yes" if text is None else "no")
    return files.below(root, CONFIG, _REPLACE, *words, stdin=text)


def runs_with(zone: str, root: str, text: str | None) -> Command:
    """Succeeds when the daemon of a running zone is online, and was started with that configuration."""
    script = f"""
zone=$2
{REACH}
[ ! -f "$1.old" ] || exit
if [ "$4" = yes ]; then
    [ ! -f "$1" ]
    exit
fi
cmp -s - "$1" && [ "$(/usr/bin/svcs $on -H -o state "$3" 2>/dev/null)" = online ]
"""
    words = (zone, smf.ROUTER_ADVERTISEMENTS, "yes" if text is None else "no")
    return sh(script, f"{root}/{CONFIG}", *words, stdin=text)
