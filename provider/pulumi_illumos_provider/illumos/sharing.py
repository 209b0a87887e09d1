"""What several programs do to one router zone: a lock on the host, and whose a fragment and a port are.

A fragment starts with notes, which are lines of comment: ``# owner: URN``, and for ports of the router that
it has for itself alone ``# ports: PROTOCOL ADDRESS FIRST LAST``.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from pulumi_illumos_provider.illumos.lines import split_lines

LOCK_LIMIT = 120
"""Seconds to wait for another change of the same router; give steps more time than that."""

_PLACES = ("etc/ipf/ipnat.d/", "etc/haproxy.d/")
"""Where fragments with ports are, below the zone's root."""

_PORTS = re.compile(r"ports: (tcp|udp) ([0-9]+(?:\.[0-9]+){3}) ([0-9]{1,5}) ([0-9]{1,5})")


LOCK = r"""
# One change of a router at a time. The lock is a hard link to a file that holds its owner's process id.
# Only one process can succeed a dead owner: the one that makes the link named after it.
lock() {
    locks=/var/run/pulumi-illumos
    mkdir -p "$locks" || exit
    lock=$locks/$1.lock
    ticket=$lock.$$
    printf '%s\n' "$$" >"$ticket" || exit
    trap 'rm -f "$ticket"' 0
    trap 'exit 1' 1 2 13 15
    if sleep 0.1 2>/dev/null; then
        nap=0.1 naps=$((LIMIT * 10))
    else
        nap=1 naps=LIMIT
    fi
    until ln "$ticket" "$lock" 2>/dev/null; do
        holder=$(cat "$lock" 2>/dev/null)
        if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null &&
            ln "$ticket" "$lock.after.$holder" 2>/dev/null; then
            if [ "$(cat "$lock" 2>/dev/null)" = "$holder" ]; then
                mv -f "$ticket" "$lock" && rm -f "$lock.after.$holder"
                break
            fi
            rm -f "$lock.after.$holder"
        fi
        naps=$((naps - 1))
        if [ "$naps" -le 0 ]; then
            echo "process ${holder:-?} changes router zone $1 and does not end:" \
                "end it, or remove $lock when there is no such process" >&2
            exit 1
        fi
        sleep "$nap"
    done
    rm -f "$ticket"
    trap 'rm -f "$lock"' 0
    for ticket in "$lock".[0-9]*; do
        kill -0 "${ticket##*.}" 2>/dev/null || rm -f "$ticket"
    done
}
""".replace("LIMIT", str(LOCK_LIMIT))
"""Shell function ``lock ZONE``: waits until no other process of ours changes that router zone.

The lock ends with the script; a script that sets another trap for its end removes ``$lock`` there. For
other files of a router zone that are built from fragments, too.
"""


TAKEN = r"""
# Refuses ports that the note "ports" of a new fragment names and that of another fragment names, too.
# usage: refuse_taken NEW OWN FRAGMENT...
refuse_taken() {
    taker=$1 replaced=$2
    shift 2
    other=$(
        for each in "$taker" "$@"; do
            [ "$each" = "$replaced" ] || [ ! -f "$each" ] || sed -n "s|^# ports: |$each |p" "$each"
        done | nawk -v "new=$taker" '
            $1 == new { protocol[++n] = $2; address[n] = $3; first[n] = $4; last[n] = $5; next }
            {
                for (i = 1; i <= n; i++)
                    if ($2 == protocol[i] && $3 == address[i] &&
                        $4 + 0 <= last[i] + 0 && first[i] + 0 <= $5 + 0) { print $1; exit }
            }'
    )
    if [ -n "$other" ]; then
        echo "ports of it were taken in the meantime by $(sed -n 's/^# owner: //p' "$other") ($other)" >&2
        exit 1
    fi
}
"""
"""Shell function ``refuse_taken NEW OWN FRAGMENT...``: ends the script when another one has the same ports.

NEW is the file of the new fragment with its `ports_note`, OWN the one that it replaces. Call it under the
`LOCK`.
"""


FOREIGN = r"""
# Refuses to make a fragment that somebody else has made in the meantime.
# usage: refuse_foreign NEW OWN
refuse_foreign() {
    [ -f "$2" ] || return 0
    whose=$(sed -n 's/^# owner: //p' "$2")
    if [ "$whose" != "$(sed -n 's/^# owner: //p' "$1")" ]; then
        echo "its name was taken in the meantime by ${whose:-nobody that is known} ($2)" >&2
        exit 1
    fi
}
"""
"""Shell function ``refuse_foreign NEW OWN``: ends the script when OWN has another owner than NEW.

NEW is the file of a fragment that is made, OWN the one that it would replace. Call it under the `LOCK`.
"""


def ports_note(protocol: str, address: IPv4Address, first: int, last: int) -> str:
    """The note that tells which ports of the router a fragment has for itself alone."""
    return f"ports: {protocol} {address} {first} {last}"


def owner_note(owner: str) -> str:
    """The note that tells whose a fragment is."""
    return f"owner: {owner}"


@dataclass(frozen=True)
class Taken:
    """Ports of a router's address that a fragment has for itself alone.

    Attributes:
        path: the fragment below the zone's root.
        owner: whose it is; empty when it does not say.
        protocol: ``tcp`` or ``udp``.
        address: the router's address.
        first, last: both included.
    """

    path: str
    owner: str
    protocol: str
    address: IPv4Address
    first: int
    last: int

    def overlaps(self, protocol: str, address: IPv4Address, first: int, last: int) -> bool:
        """Whether one of these ports is among those."""
        same = (self.protocol, self.address) == (protocol, address)
        return same and self.first <= last and first <= self.last


def taken(files: Mapping[str, str]) -> list[Taken]:
    """All ports that the fragments of a router zone have, those of forwards and those of ingresses."""
    found = []
    for path, text in sorted(files.items()):
        if path.startswith(_PLACES):
            lines = notes(text)
            for line in lines:
                if match := _PORTS.fullmatch(line):
                    protocol, address, first, last = match.groups()
                    with contextlib.suppress(ValueError):  # A note that is damaged takes nothing.
                        own = IPv4Address(address)
                        found.append(Taken(path, owner(lines), protocol, own, int(first), int(last)))
    return found


def owner(of: Sequence[str]) -> str:
    """The owner among a fragment's notes; empty when there is none."""
    return next((note[len("owner: ") :] for note in of if note.startswith("owner: ")), "")


def notes(text: str) -> tuple[str, ...]:
    """The notes of a fragment."""
    return tuple(line[1:].strip() for line in split_lines(text) if line.startswith("#"))
