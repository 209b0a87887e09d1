"""Users of a zone, kept in its files without running anything in it: passwd(5), shadow(5), user_attr(5)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pulumi_illumos_provider.illumos.files import PLAIN, REFUSE_LINKS, below
from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.plan import Command, sh

HOMES = "/export/home"
AUTOMOUNTED = "/home/"
"""Where automountd(8) of the zone puts other directories over those that are there."""


@dataclass(frozen=True)
class Account:
    """A line of ``/etc/passwd``."""

    name: str
    uid: int
    gid: int
    comment: str
    home: str
    shell: str


def _is_id(text: str) -> bool:
    """Whether it is a number of a user or group; the zone may have written anything."""
    return re.fullmatch(r"[0-9]{1,10}", text) is not None


def parse_passwd(text: str) -> dict[str, Account]:
    """The users of an ``/etc/passwd`` by name; damaged lines are left out."""
    found: dict[str, Account] = {}
    for line in split_lines(text):
        fields = line.split(":")
        if len(fields) == 7 and _is_id(fields[2]) and _is_id(fields[3]):
            name, _, uid, gid, comment, home, shell = fields
            found.setdefault(name, Account(name, int(uid), int(gid), comment, home, shell))
    return found


def parse_group(text: str) -> dict[int, str]:
    """Names of groups by number, from an ``/etc/group``."""
    found: dict[int, str] = {}
    for line in split_lines(text):
        fields = line.split(":")
        if len(fields) == 4 and _is_id(fields[2]):
            found.setdefault(int(fields[2]), fields[0])
    return found


def attributes_line(name: str, profiles: Iterable[str], roles: Iterable[str]) -> str:
    """A user's line in ``/etc/user_attr``; empty when there is nothing to say."""
    said = [
        f"{key}={','.join(values)}"
        for key, values in (("profiles", list(profiles)), ("roles", list(roles)))
        if values
    ]
    return f"{name}::::{';'.join(['type=normal', *said])}" if said else ""


def parse_attributes(text: str, name: str) -> dict[str, list[str]]:
    """What ``/etc/user_attr`` says of a user, by key."""
    for line in split_lines(text):
        fields = line.split(":", 4)
        if len(fields) == 5 and fields[0] == name:
            pairs = (pair.partition("=") for pair in fields[4].split(";"))
            return {key: value.split(",") for key, _, value in pairs if value}
    return {}


_OPEN = f"""{PLAIN}{REFUSE_LINKS}
root=$1 user=$2
for file in etc/passwd etc/shadow etc/group etc/user_attr; do
    refuse_links "$file"
done
cd "$root/etc" || exit
fail() {{
    echo "$1" >&2
    exit 1
}}
replace() {{
    [ -f "$1" ] || return 0
    text=$(grep -v "^$user:" "$1"; [ -z "$2" ] || printf '%s\\n' "$2")
    rm -f "$1.new" && cp -p "$1" "$1.new" && printf '%s\\n' "$text" >"$1.new" && mv -f "$1.new" "$1"
}}
take() {{
    while IFS=: read -r name password uid gid comment home shell; do
        [ "$name" != "$user" ] || return 0
    done <"$1"
    return 1
}}
"""
"""``replace FILE LINE`` has that line for the user, or none; owner and mode of the file stay."""

_PUT = f"""{_OPEN}
fromhost=$3
if take passwd; then
    case $uid in
    ? | ?? | 60001 | 60002 | 65534)
        fail "user $user is one of the system's in the zone: choose another name" ;;
    esac
elif [ "$fromhost" = yes ]; then
    take /etc/passwd || fail "there is no user $user on the host"
    home={HOMES}/$user
else
    uid= gid=1 comment= home={HOMES}/$user shell=/bin/sh
fi

number_in() {{
    number=
    while IFS=: read -r name password number members; do
        [ "$name" != "$2" ] || return 0
    done <"$1"
    number=
    return 1
}}
name_in() {{
    while IFS=: read -r name password number members; do
        [ "$number" != "$2" ] || return 0
    done <"$1"
    return 1
}}
free_in() {{
    number=1000
    while cut -d: -f3 "$1" | grep -x "$number" >/dev/null; do
        number=$((number + 1))
    done
}}
add_group() {{
    rm -f group.new && cp -p group group.new && {{ grep '' group; echo "$1::$2:"; }} >group.new &&
        mv -f group.new group || exit
}}
case $5 in
'') ;;
=*[!0-9]*)
    asked=${{5#=}}
    if ! number_in group "$asked"; then
        number_in /etc/group "$asked"
        gid=$number
        if [ -z "$gid" ] || name_in group "$gid"; then
            free_in group
            gid=$number
        fi
        add_group "$asked" "$gid"
        number=$gid
    fi
    gid=$number ;;
*) gid=${{5#=}} ;;
esac
if [ "$fromhost" = yes ] && ! name_in group "$gid" && name_in /etc/group "$gid"; then
    asked=$name
    number_in group "$asked" || add_group "$asked" "$gid"
fi

[ -z "$4" ] || uid=${{4#=}}
[ -n "$uid" ] || {{ free_in passwd; uid=$number; }}
if other=$(grep -v "^$user:" passwd | cut -d: -f1,3 | grep ":$uid\\$"); then
    fail "uid $uid is that of ${{other%%:*}} in the zone: choose another"
fi
[ -z "$6" ] || comment=${{6#=}}
[ -z "$7" ] || home=${{7#=}}
[ -z "$8" ] || shell=${{8#=}}

hash=$(cat)
rest=$(grep "^$user:" shadow | cut -d: -f3-)
if [ -z "$hash" ]; then
    hash=$(grep "^$user:" shadow | cut -d: -f2)
    [ -n "$hash" ] || [ "$fromhost" != yes ] || hash=$(grep "^$user:" /etc/shadow | cut -d: -f2)
fi
replace shadow "$user:${{hash:-NP}}:${{rest:-::::::}}" || exit
[ -z "$9" ] || replace user_attr "${{9#=}}" || exit
replace passwd "$user:x:$uid:$gid:$comment:$home:$shell"
"""


def put(
    root: str,
    name: str,
    *,
    uid: int | None = None,
    group: str | None = None,
    comment: str | None = None,
    home: str | None = None,
    shell: str | None = None,
    attributes: str | None = None,
    password_hash: str | None = None,
    from_host: bool = False,
) -> Command:
    """Make a user of a zone, or change one. What is None stays as it is, or gets a default.

    A group of a name that the zone has not got is made.

    Args:
        group: name or number of the primary group.
        attributes: the line in ``user_attr``; empty for none.
        password_hash: None for no password where the user has none yet; keys work nevertheless.
        from_host: a new user has number, group, shell, comment and password of the host's user.
    """
    values = (None if uid is None else str(uid), group, comment, home, shell, attributes)
    told = ["" if value is None else f"={value}" for value in values]
    return sh(_PUT, root, name, "yes" if from_host else "no", *told, stdin=password_hash or "")


def remove(root: str, name: str) -> Command:
    """Remove a user of a zone from its files; the home directory stays."""
    script = _OPEN + "replace passwd '' && replace shadow '' && replace user_attr ''"
    return sh(script, root, name)


def removed(root: str, name: str) -> Command:
    """Succeeds when a zone has no such user."""
    return sh('! grep "^$2:" "$1/etc/passwd" "$1/etc/shadow" >/dev/null 2>&1', root, name)


def make_home(root: str, name: str, home: str, *, for_keys: bool) -> Command:
    """Make the home directory of a user of a zone where it is missing.

    Args:
        for_keys: make the directory for its keys as well.
    """
    script = """
while IFS=: read -r name password uid gid rest; do
    [ "$name" != "$3" ] || break
done <"$root/etc/passwd"
make() {
    [ -d "$root/$1" ] || { mkdir -p "$root/$1" && chmod "$2" "$root/$1"; } || exit
    chown "$uid:$gid" "$root/$1"
}
umask 022
make "$path" 755 || exit
[ "$4" = keys ] || exit 0
refuse_links "$path/.ssh"
make "$path/.ssh" 700
"""
    return below(root, home.strip("/"), script, name, "keys" if for_keys else "none")
