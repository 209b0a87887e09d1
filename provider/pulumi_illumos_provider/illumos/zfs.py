"""zfs(8): the host's datasets, and those that were made for a zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.plan import Command, sh

ZFS = "/usr/sbin/zfs"

OWNER = "pulumi-illumos:zone"
"""User property of a dataset that was made for a zone; its value is the zone's name."""

LIST = Command((ZFS, "list", "-H", "-t", "filesystem,volume", "-o", "name,type,mountpoint"))

# Children inherit user properties: only where it is set itself was the dataset made by us.
_OWNED = f"""
tab=$(printf '\\t')
{ZFS} get -H -s local -t filesystem,volume -o name,value {OWNER} 2>/dev/null |
    while IFS=$tab read -r name zone; do
        [ "$zone" = "$1" ] || continue
        {ZFS} get -H -p -s local -o name,property,value all "$name"
        {ZFS} get -H -p -o name,property,value volsize "$name" 2>/dev/null
    done
"""


@dataclass(frozen=True)
class Dataset:
    """A dataset of a pool.

    Attributes:
        name: full name, ``rpool/data/web``.
        kind: ``filesystem`` or ``volume``.
        mountpoint: directory; ``-``, ``none`` or ``legacy`` for none.
        owner: the zone that it was made for; empty when it was not, or for another zone than the one in
            focus.
        properties: those that are set on it itself, sizes in bytes; only where there is an owner.
    """

    name: str
    kind: str
    mountpoint: str
    owner: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


def list_owned(zone: str) -> Command:
    """The datasets that were made for a zone, with the properties that are set on them."""
    return sh(_OWNED, zone)


def parse(listed: str, owned: str) -> dict[str, Dataset]:
    """Datasets by name from `LIST` and `list_owned`."""
    properties: dict[str, dict[str, str]] = {}
    for line in split_lines(owned):
        fields = line.split("\t")
        if len(fields) == 3 and fields[2] != "-":
            properties.setdefault(fields[0], {})[fields[1]] = fields[2]
    found = {}
    for line in split_lines(listed):
        fields = line.split("\t")
        if len(fields) == 3:
            own = properties.get(fields[0], {})
            found[fields[0]] = Dataset(fields[0], fields[1], fields[2], own.get(OWNER, ""), own)
    return found


def exists(name: str) -> Command:
    """Succeeds when there is such a dataset."""
    return sh(f'{ZFS} list -H -o name "$1" >/dev/null 2>&1', name)


def absent(name: str) -> Command:
    """Succeeds when there is no such dataset; decided by listing all, not by a message."""
    return sh(
        f"all=$({ZFS} list -H -t filesystem,volume -o name) || exit\n"
        'printf "%s\\n" "$all" | grep -F -x -e "$1" >/dev/null && exit 1; exit 0',
        name,
    )


def create(name: str, zone: str, properties: Mapping[str, str], size: int | None = None) -> Command:
    """Make a dataset for a zone, a volume when a size (bytes) is given. Its parent must exist."""
    options = [f"{key}={value}" for key, value in {OWNER: zone, **properties}.items()]
    volume = ["-V", str(size)] if size is not None else []
    words = [word for option in options for word in ("-o", option)]
    return Command((ZFS, "create", *words, *volume, name))


def set_property(name: str, key: str, value: str) -> Command:
    """Set one property."""
    return Command((ZFS, "set", f"{key}={value}", name))


def inherit(name: str, key: str) -> Command:
    """Take a property back to the inherited value."""
    return Command((ZFS, "inherit", key, name))


def destroy(name: str) -> Command:
    """Destroy a dataset with everything in it: snapshots and children."""
    return Command((ZFS, "destroy", "-r", name))
