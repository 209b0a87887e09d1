"""haproxy as a service of a router zone: installed, given its fragments, and told to follow them.

A configuration takes the place of another only when the zone's own haproxy accepts it. When the service
does not come online with it, the former fragments are put back, and it runs with them again. While the
configuration is not loaded yet, ``etc/haproxy.d/.unloaded`` tells it: a change that was cut off is finished
by the next one, whoever makes it.
"""

from __future__ import annotations

from pulumi_illumos_provider.illumos import sharing, zlogin
from pulumi_illumos_provider.illumos.distribution import Haproxy
from pulumi_illumos_provider.plan import Command, sh

LIMIT = 60
"""Seconds that the service may take to come online, or to end."""

_MARK = "# Built by pulumi-illumos from the files in /etc/haproxy.d: changes are overwritten."


def install(zone: str, package: Haproxy, command: Command) -> Command:
    """Install haproxy in a running zone. Never trusts the package manager's exit status.

    One at a time, since package managers refuse to work side by side.

    Args:
        command: installs the package in the global zone; it is run in the zone.
    """
    body, *args = zlogin.script_of(command)
    script = f"""
program=$1 package=$2
shift 2
[ ! -x "$program" ] || exit 0
( {body} ) || exit
[ -x "$program" ] || {{
    echo "package $package was installed, and yet there is no $program in the zone" >&2
    exit 1
}}
"""
    inside = zlogin.inside(zone, script, package.program, package.package, *args)
    alone = 'lock "$1.packages"\nshift\n"$@"'
    return sh(sharing.LOCK + alone, zone, *inside.argv, stdin=inside.stdin)


def installed(zone: str, package: Haproxy) -> Command:
    """Succeeds when a running zone has haproxy."""
    return zlogin.inside(zone, '[ -x "$1" ]', package.program)


def put(
    package: Haproxy, zone: str, root: str, name: str, text: str, pem: str = "", *, fresh: bool = False
) -> Command:
    """Make the fragment of an ingress, or replace it, and let haproxy follow.

    Args:
        zone, root: the router zone, which runs, and its root seen from the global zone.
        text: the fragment.
        pem: certificates and key, as PEM, when the fragment names a file for them.
        fresh: it is being made: one of another owner is not replaced.
    """
    arguments = (*_arguments(package, zone, root, name), "fresh" if fresh else "")
    return sh(_SCRIPT + "put", *arguments, stdin=text + pem)


def in_force(package: Haproxy, zone: str, root: str, name: str, text: str, pem: str = "") -> Command:
    """Succeeds when `put` with the same arguments would change nothing."""
    return sh(_SCRIPT + "in_force", *_arguments(package, zone, root, name), stdin=text + pem)


def remove(package: Haproxy, zone: str, root: str, name: str) -> Command:
    """Remove a fragment; with the last one the service is disabled, and its configuration removed."""
    return sh(_SCRIPT + "remove", *_arguments(package, zone, root, name))


def absent(package: Haproxy, zone: str, root: str, name: str) -> Command:
    """Succeeds when `remove` would change nothing."""
    return sh(_SCRIPT + "absent", *_arguments(package, zone, root, name))


def _head(package: Haproxy) -> str:
    """What the configuration starts with."""
    account = f"    user {package.user}\n    group {package.user}\n" if package.user else ""
    return f"""\
{_MARK}
global
    maxconn 4000
    ssl-default-bind-options ssl-min-ver TLSv1.2
{account}
defaults
    option redispatch
    option dontlognull
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout tunnel 1h"""


def _arguments(package: Haproxy, zone: str, root: str, name: str) -> tuple[str, ...]:
    reload = "refresh" if package.reloads else "restart"
    return (
        zone,
        root,
        name,
        package.config.lstrip("/"),
        package.program,
        package.fmri,
        reload,
        str(package.uid),
        _head(package),
    )


_SCRIPT = (
    r"""
zone=$1 root=$2 name=$3 path=$4 program=$5 fmri=$6 reload=$7 reader=$8 head=$9 fresh=${10}
@REACH@
LC_ALL=C
export LC_ALL
umask 022
directory=$root/etc/haproxy.d certs=$root/etc/haproxy.certs config=$root/$path
own=$directory/$name new=$directory/.$name.new unloaded=$directory/.unloaded

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}
follow_no_link() {
    part=$root
    for each in $(printf '%s' "$path" | tr / ' '); do
        part=$part/$each
        [ ! -h "$part" ] || fail "$part is a symbolic link: it is not followed"
    done
    for part in "$config.new" "$config.before" "$directory" "$directory"/* "$directory"/.*.* "$unloaded" \
        "$certs" "$certs"/*; do
        [ ! -h "$part" ] || fail "$part is a symbolic link: it is not followed"
    done
}
begin() {
    follow_no_link
    lock "$zone"
    trap 'tidy; rm -f "$lock"' 0
    leftovers
}
# What a change leaves behind that was cut off.
leftovers() {
    rm -f "$directory"/.*.new "$directory"/.*.in "$certs"/*.new "$config.new"
}
# Removes certificates that no configuration names, and what is empty; what was there before the first
# ingress comes back after the last one.
tidy() {
    leftovers
    for each in "$certs"/*.list; do
        grep "/${each##*/} " "$config" >/dev/null 2>&1 || rm -f "$each"
    done
    for each in "$certs"/*.pem; do
        cat "$certs"/*.list 2>/dev/null | grep "/${each##*/}" >/dev/null || rm -f "$each"
    done
    [ -f "$config" ] || rm -f "$unloaded"
    rmdir "$certs" "$directory" 2>/dev/null
    [ -d "$directory" ] || [ ! -f "$config.before" ] || mv -f "$config.before" "$config"
}

# The service.
running() {
    [ "$(/usr/sbin/zoneadm -z "$zone" list -p | cut -d: -f3)" = running ]
}
state() {
    /usr/bin/svcs $on -H -o state,nstate "$fmri" 2>/dev/null </dev/null | nawk '{ print $1 $2 }'
}
online() {
    case $(state) in
    online- | degraded-) return 0 ;;
    esac
    return 1
}
processes() {
    /usr/bin/pgrep -z "$zone" -x haproxy 2>/dev/null
}
# Tries a condition until it is true, for some seconds.
within() {
    left=$(($1 * 5))
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return
        sleep 0.2 2>/dev/null || { sleep 1; left=$((left - 4)); }
    done
}
none_left() {
    [ -z "$(processes)" ] || {
        /usr/bin/pkill -x -z "$zone" haproxy
        [ -z "$(processes)" ]
    }
}
repaired() {
    case $(state) in maintenance*) return 1 ;; esac
}
logged() {
    file=$root/var/svc/log/$(printf '%s' "${fmri#svc:/}" | tr / -).log
    [ -h "$file" ] || cat "$file" 2>/dev/null
}
# Online, with one process that was not there before, for some time; or beyond hope. A service may be called
# online before its refresh method has found something wrong, and a haproxy that takes over from another one
# tries for two seconds to get its ports.
settled() {
    case $(state) in
    online- | degraded-)
        fresh=
        for each in $(processes); do
            case $former in
            *" $each "*) ;;
            *) fresh="$fresh $each" ;;
            esac
        done
        case "$fresh " in
        *" $steady "*) good=$((good + 1)) ;;
        *) good=0 steady=${fresh##* } ;;
        esac
        [ "$good" -ge "$looks" ] ;;
    maintenance*) good=$looks ;;
    *)
        good=0
        false ;;
    esac
}
serve() {
    former=" $(processes | tr '\n' ' ') " steady=none good=0 looks=4 patience=@LIMIT@
    known=$(logged | wc -l)
    case $(state) in
    online* | degraded*)
        [ "$reload" = restart ] || looks=15 patience=$((@LIMIT@ / 2))
        /usr/sbin/svcadm $on "$reload" "$fmri" || return ;;
    *)
        # What no service looks after any more would hold the ports.
        within @LIMIT@ none_left
        former=" "
        case $(state) in
        maintenance*) /usr/sbin/svcadm $on clear "$fmri" && within @LIMIT@ repaired ;;
        esac
        /usr/sbin/svcadm $on enable "$fmri" || return ;;
    esac
    within "$patience" settled && online && return
    said=$(logged | sed "1,${known}d" | sed -n -e '/ALERT/p' -e '/Method/p')
    return 1
}
disabled() {
    case $(state) in disabled- | '') return 0 ;; esac
    return 1
}
retire() {
    if running; then
        if ! disabled; then
            /usr/sbin/svcadm $on disable "$fmri"
            within @LIMIT@ disabled || fail "service $fmri of zone $zone does not end: it is $(state)"
        fi
        within @LIMIT@ none_left || fail "processes of haproxy in zone $zone do not end: $(processes)"
    fi
    rm -f "$config" "$unloaded"
}

# All fragments in the order of their names, with another file in the place of our own.
gathered() {
    {
        ls "$directory" 2>/dev/null
        printf '%s\n' "$name"
    } | sort -u | while read -r each; do
        file=$directory/$each
        [ "$each" != "$name" ] || file=$1
        [ ! -f "$file" ] || { printf 'ingress %s\n' "$each"; sed '/^#/d' "$file"; }
    done
}
# The configuration with another file in the place of our own fragment; what lists the certificates of a
# frontend is written to the directory $2, if it is given.
composed() {
    all=$(gathered "$1")
    [ -n "$all" ] || return 0
    edition=$(printf '%s\n' "$all" | cksum | nawk '{ print $1 }')
    printf '%s\n' "$head"
    printf '%s\n' "$all" | nawk -v "directory=$2" -v "edition=$edition" '
        $1 == "ingress" { name = $2; opened = 0; next }
        $1 == "listen" {
            place = $2
            if (!(place in mode)) { places[++count] = place; mode[place] = $3; tls[place] = ($4 == "tls") }
            next
        }
        $1 == "certificate" {
            file = "/etc/haproxy.certs/" $2
            hosts = ""
            for (i = 3; i <= NF; i++) hosts = hosts " " $i
            # The first certificate is shown to clients that name no host.
            if (hosts == "") first[place] = file "\n"
            else others[place] = others[place] file hosts "\n"
            next
        }
        $1 == "route" {
            if ($2 != "-") named[place] = 1
            n = ++routes[place]
            order = $3
            text = $4
            for (i = 5; i <= NF; i++) text = text " " $i
            for (; n > 1 && rank[place, n - 1] > order; n--) {
                rank[place, n] = rank[place, n - 1]
                line[place, n] = line[place, n - 1]
            }
            rank[place, n] = order
            line[place, n] = text
            next
        }
        {
            if (!opened) { body = body "\nbackend " name "\n"; opened = 1 }
            body = body $0 "\n"
        }
        END {
            for (p = 1; p <= count; p++) {
                place = places[p]
                print "\nfrontend " place "\n    mode " mode[place]
                if (tls[place]) {
                    list = place "-" edition ".list"
                    sub(/:/, "-", list)
                    if (directory != "") printf "%s%s", first[place], others[place] >(directory "/" list)
                    print "    bind " place " ssl crt-list /etc/haproxy.certs/" list " alpn " \
                        (mode[place] == "http" ? "h2,http/1.1" : "http/1.1")
                } else print "    bind " place
                if (mode[place] == "tcp" && !tls[place] && named[place])
                    print "    tcp-request inspect-delay 5s\n" \
                        "    tcp-request content accept if { req.ssl_hello_type 1 }"
                for (i = 1; i <= routes[place]; i++) print "    " line[place, i]
            }
            printf "%s", body
        }'
}
# Whether the zone's own haproxy accepts a configuration.
accepted() {
    said=$(inside "$program -c -f /$path.new" 2>&1 </dev/null) && return
    said=$(printf '%s\n' "$said" | sed '/^\[NOTICE\]/d')
    return 1
}
# Lets configuration and service follow the fragments.
follow() {
    composed "$own" "$certs" >"$config.new" || fail "$config.new could not be written"
    if [ ! -s "$config.new" ]; then
        retire
        return 0
    fi
    if cmp -s "$config.new" "$config" && [ ! -f "$unloaded" ] && online; then
        return 0
    fi
    : >"$unloaded" || exit
    if running; then
        accepted || return
        mv -f "$config.new" "$config" || return
        serve || return
    else
        mv -f "$config.new" "$config" || return
    fi
    rm -f "$unloaded"
}

# Ports and host names that were free when this was planned.
refuse_shared() {
    other=$(
        { sed '/^#/d' "$new"; echo others; gathered /dev/null; } | nawk '
            $1 == "others" { others = 1 }
            $1 == "ingress" { name = $2 }
            $1 == "listen" { place = $2; kind = $3 " " $4 }
            $1 == "listen" && !others { mine = place; own = kind }
            $1 == "listen" && others && place == mine && kind != own { print name; exit }
            $1 == "route" && !others { has[$2] = 1 }
            $1 == "route" && others && place == mine && ($2 in has) { print name; exit }'
    )
    [ -z "$other" ] ||
        fail "its port, or a host name of it, was taken in the meantime by ingress $other of" \
            "$(sed -n 's/^# owner: //p' "$directory/$other")"
}
# A configuration from before the first ingress gives way only when nothing uses it, and comes back after
# the last one.
set_aside() {
    [ -z "$(ls "$directory")" ] || return 0
    [ -f "$config" ] && [ "$(sed 1q "$config")" != "$(printf '%s\n' "$head" | sed 1q)" ] || return 0
    disabled || fail "haproxy of zone $zone runs with a configuration of somebody else, $config: disable" \
        "the service and move it away, then run again"
    mv -f "$config" "$config.before" || exit
}
# Takes the fragment and the certificate apart, which come together on the standard input.
receive() {
    umask 077
    cat >"$directory/.$name.in" || exit
    umask 022
    sed '/^-----BEGIN/,$d' "$directory/.$name.in" >"$new" || exit
    pem=$(sed -n 's/^certificate \([^ ]*\).*/\1/p' "$new")
    [ -z "$pem" ] || received=$(sed -n '/^-----BEGIN/,$p' "$directory/.$name.in") || exit
    rm -f "$directory/.$name.in"
}
keep_certificate() {
    [ -n "$pem" ] || return 0
    mkdir -p "$certs" || exit
    umask 077
    printf '%s\n' "$received" >"$certs/$pem.new" && chown "$reader" "$certs/$pem.new" &&
        mv -f "$certs/$pem.new" "$certs/$pem" || exit
    umask 022
}

put() {
    begin
    mkdir -p "$directory" "${config%/*}" || exit
    receive
    [ -z "$fresh" ] || refuse_foreign "$new" "$own"
    refuse_taken "$new" "$own" "$root"/etc/ipf/ipnat.d/*
    refuse_shared
    set_aside
    keep_certificate
    composed "$new" "$certs" >"$config.new" || fail "$config.new could not be written"
    accepted || fail "haproxy does not accept the configuration, and keeps the one that it has: $said"
    before=
    [ ! -f "$own" ] || before=$(cat "$own")
    mv -f "$new" "$own" && follow && return
    refused=$said
    if [ -n "$before" ]; then
        printf '%s\n' "$before" >"$new" && mv -f "$new" "$own"
    else
        rm -f "$own"
    fi
    follow || fail "haproxy runs neither with the configuration ($refused) nor with the former one ($said)"
    fail "haproxy did not come online with the configuration, and has the former one again: $refused"
}
remove() {
    [ -d "$directory" ] || return 0
    begin
    [ ! -f "$own" ] || { : >"$unloaded" && rm -f "$own"; } || exit
    follow || fail "haproxy does not run without it: $said"
}
built() {
    meant=$(composed "$1" '')
    if [ -z "$meant" ]; then
        [ ! -f "$unloaded" ] && [ ! -d "$certs" ]
        return
    fi
    [ "$meant" = "$(cat "$config" 2>/dev/null)" ] && [ ! -f "$unloaded" ] || return
    ! running || online
}
in_force() {
    [ -d "$directory" ] || return
    begin
    receive
    cmp -s "$new" "$own" || return
    [ -z "$pem" ] || [ "$received" = "$(cat "$certs/$pem" 2>/dev/null)" ] || return
    built "$own"
}
absent() {
    [ -d "$directory" ] || return 0
    begin
    [ ! -f "$own" ] && built /dev/null
}
""".replace("@LIMIT@", str(LIMIT)).replace("@REACH@", zlogin.REACH)
    + sharing.LOCK
    + sharing.TAKEN
    + sharing.FOREIGN
)
