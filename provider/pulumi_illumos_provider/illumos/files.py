"""Files on a host and in the roots of its zones."""

from __future__ import annotations

from pulumi_illumos_provider.plan import Command, sh

_INSIDE = """
root=$1 path=$2
part=$root
IFS=/
for name in $path; do
    part=$part/$name
    if [ -h "$part" ]; then
        echo "$part is a symbolic link: it is not followed" >&2
        exit 1
    fi
done
unset IFS
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
cat >"$root/$path.new" && chmod "$3" "$root/$path.new" && mv -f "$root/$path.new" "$root/$path"
"""
    )
    return sh(script, root, path, mode, "700" if mode == "600" else "755", stdin=text)


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
cd "$1/etc" || exit
[ ! -f nsswitch.dns ] || grep '^hosts:.*dns' nsswitch.conf >/dev/null 2>&1 ||
    { cat nsswitch.dns >nsswitch.conf.new && mv -f nsswitch.conf.new nsswitch.conf; }
"""
    return sh(script, root)
