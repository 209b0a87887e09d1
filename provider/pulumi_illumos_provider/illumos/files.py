"""Files on a host and in the roots of its zones."""

from __future__ import annotations

import stat

from pulumi_illumos_provider.illumos.fragments import BEGIN, END
from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.plan import Command, sh

PLAIN = """
plain() {
    part=$root
    set -f
    IFS=/
    for piece in $1; do
        part=$part/$piece
        [ ! -h "$part" ] || { unset IFS; set +f; return 1; }
    done
    unset IFS
    set +f
}
"""
"""Shell function: whether nothing on the way to a path below ``$root`` is a symbolic link."""

REFUSE_LINKS = """
refuse_links() {
    plain "$1" || { echo "$part is a symbolic link: it is not followed" >&2; exit 1; }
}
"""
"""Shell function, after `PLAIN`: end with an error where something on the way to a path is one."""

_INSIDE = f"""{PLAIN}{REFUSE_LINKS}
root=$1 path=$2
refuse_links "$path"
"""

_NUMBERS = """
number_of() {
    while IFS=: read -r name password number group rest; do
        [ "$name" != "$2" ] || return 0
    done <"$root/etc/$1"
    case $2 in
    *[!0-9]*)
        echo "$2 is not in /etc/$1 of the zone" >&2
        exit 1 ;;
    esac
    number=$2 group=1
}
number_of passwd "$3"
uid=$number gid=$group
[ -z "$4" ] || { number_of group "$4"; gid=$number; }
"""
"""Sets ``uid`` and ``gid`` for an owner ``$3`` and a group ``$4``, whose names are those of the zone.

Without a group it is the primary one of the owner.
"""


def write_file(path: str, text: str, mode: str = "644") -> Command:
    """Write a whole file: to a temporary name, then renamed. Its directory is made when missing."""
    script = """
mkdir -p "${1%/*}" && umask 077 && cat >"$1.new" && chmod "$2" "$1.new" && mv -f "$1.new" "$1"
"""
    return sh(script, path, mode, stdin=text)


def write_zone_file(root: str, path: str, text: str, mode: str = "644") -> Command:
    """Write a file below a zone's root; ``path`` has no leading slash.

    A symbolic link on the way is refused: a zone that has run could point it at the global zone's files.
    """
    script = (
        _INSIDE
        + """
directory=$root/$path
directory=${directory%/*}
[ -d "$directory" ] || mkdir -p -m "$4" "$directory" || exit
umask 077
rm -f "$root/$path.new" || exit
set -C
cat >"$root/$path.new" && chmod "$3" "$root/$path.new" && mv -f "$root/$path.new" "$root/$path"
"""
    )
    return sh(script, root, path, mode, "700" if mode == "600" else "755", stdin=text)


def below(root: str, path: str, script: str, *args: str, stdin: str | None = None) -> Command:
    """A script on a file below a zone's root, ``$root/$path``; its own arguments start at ``$3``.

    A symbolic link on the way is refused, as by `write_zone_file`.
    """
    return sh(_INSIDE + script, root, path, *args, stdin=stdin)


def remove_zone_file(root: str, path: str) -> Command:
    """Remove a file below a zone's root; a missing one is fine."""
    return sh(_INSIDE + 'rm -f "$root/$path"', root, path)


def zone_file_is(root: str, path: str, text: str) -> Command:
    """Succeeds when a file below a zone's root has exactly that content."""
    return sh('cmp -s - "$1/$2"', root, path, stdin=text)


def zone_file_absent(root: str, path: str) -> Command:
    """Succeeds when there is no such file below a zone's root."""
    return sh('[ ! -f "$1/$2" ]', root, path)


def use_dns(root: str) -> Command:
    """Let the zone resolve names by DNS: distributions ship the right nsswitch.conf beside the default."""
    script = """
refuse_links "$path.dns"
file=$root/$path
[ -f "$file.dns" ] || exit 0
grep '^hosts:.*dns' "$file.conf" >/dev/null 2>&1 && exit
rm -f "$file.conf.new" || exit
set -C
cat "$file.dns" >"$file.conf.new" && mv -f "$file.conf.new" "$file.conf"
"""
    return below(root, "etc/nsswitch", script)


def allow_root_login(root: str) -> Command:
    """Let root log in with a key, never with a password: some distributions refuse root altogether."""
    script = """
file=$root/$path
grep '^PermitRootLogin no' "$file" >/dev/null 2>&1 || exit 0
rm -f "$file.new" && cp -p "$file" "$file.new" &&
    sed 's/^PermitRootLogin no.*/PermitRootLogin without-password/' "$file" >"$file.new" &&
    mv -f "$file.new" "$file"
"""
    return below(root, "etc/ssh/sshd_config", script)


# Files with an owner -----------------------------------------------------------------------------


def put_zone_file(
    root: str, path: str, text: str | None, mode: str, owner: str = "root", group: str = "root"
) -> Command:
    """Write a file below a zone's root, with an owner of the zone; ``path`` has no leading slash.

    Args:
        text: the content; None to leave the one that it has.
        mode: octal digits.
        owner, group: names as the zone knows them, or numbers; an empty group is the owner's own.
    """
    write = """
umask 022
directory=$root/$path
directory=${directory%/*}
[ -d "$directory" ] || mkdir -p "$directory" || exit
[ ! -d "$root/$path" ] || { echo "/$path is a directory in the zone" >&2; exit 1; }
umask 077
rm -f "$root/$path.new" || exit
set -C
cat >"$root/$path.new" && chown "$uid:$gid" "$root/$path.new" && chmod "$5" "$root/$path.new" &&
    mv -f "$root/$path.new" "$root/$path"
"""
    keep = """
[ -f "$root/$path" ] || { echo "there is no file /$path in the zone: give it content" >&2; exit 1; }
chown "$uid:$gid" "$root/$path" && chmod "$5" "$root/$path"
"""
    script = _INSIDE + _NUMBERS + (keep if text is None else write)
    return sh(script, root, path, owner, group, mode, stdin=text)


def zone_file_is_put(
    root: str, path: str, text: str | None, mode: str, owner: str = "root", group: str = "root"
) -> Command:
    """Succeeds when a file below a zone's root is as `put_zone_file` makes it."""
    script = """
[ -f "$root/$path" ] || exit 1
[ "$6" = any ] || cmp -s - "$root/$path" || exit 1
mode=$5
set -- $(ls -ldn "$root/$path")
case $1 in
"$mode" | "$mode"[+.@]) ;;
*) exit 1 ;;
esac
[ "$3:$4" = "$uid:$gid" ]
"""
    letters = stat.filemode(stat.S_IFREG | int(mode, 8))
    what = "any" if text is None else "content"
    return sh(_INSIDE + _NUMBERS + script, root, path, owner, group, letters, what, stdin=text)


# Parts of files ----------------------------------------------------------------------------------

_REWRITE = """
file=$root/$path
[ -f "$file" ] || : >"$file" || exit
rm -f "$file.new" && cp -p "$file" "$file.new" || exit
"""
"""Prepares ``$file.new`` with owner and mode of ``$file``."""

_OUR_PART = f"sed -n '/^{BEGIN}$/,/^{END}$/p'"


def block(lines: list[str]) -> str:
    """Our part of a file; empty without lines."""
    return "".join(f"{line}\n" for line in (BEGIN, *lines, END)) if lines else ""


def block_lines(text: str) -> list[str]:
    """The lines of our part of a file."""
    lines = split_lines(text)
    if BEGIN not in lines:
        return []
    ours = lines[lines.index(BEGIN) + 1 :]
    return ours[: ours.index(END)] if END in ours else ours


def put_block(root: str, path: str, text: str) -> Command:
    """Have a `block` at the end of a file below a zone's root, or none; other lines stay as they are."""
    script = f"""
{_REWRITE}
{{ grep '' "$file" | sed '/^{BEGIN}$/,/^{END}$/d'; cat; }} >"$file.new" && mv -f "$file.new" "$file"
"""
    return sh(_INSIDE + script, root, path, stdin=text)


def has_block(root: str, path: str, text: str) -> Command:
    """Succeeds when our part of a file below a zone's root is this one."""
    return sh(_INSIDE + f'[ "$({_OUR_PART} "$root/$path")" = "$(cat)" ]', root, path, stdin=text)


def put_setting(root: str, path: str, name: str, value: str) -> Command:
    """Set ``NAME=VALUE`` in a file below a zone's root; other lines stay as they are.

    Args:
        value: nothing that sed(1) gives a meaning to in a replacement, and no ``|``.
    """
    script = f"""
{_REWRITE}
if grep "^$3=" "$file" >/dev/null; then
    sed "s|^$3=.*|$3=$4|" "$file" >"$file.new"
else
    {{ grep '' "$file"; printf '%s=%s\\n' "$3" "$4"; }} >"$file.new"
fi && mv -f "$file.new" "$file"
"""
    return sh(_INSIDE + script, root, path, name, value)


def has_setting(root: str, path: str, name: str, value: str) -> Command:
    """Succeeds when a file below a zone's root sets ``NAME=VALUE``."""
    return sh(_INSIDE + '[ "$(sed -n "s/^$3=//p" "$root/$path")" = "$4" ]', root, path, name, value)
