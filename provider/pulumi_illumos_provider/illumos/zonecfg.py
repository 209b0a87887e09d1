"""zonecfg(8): writing its commands, and reading what ``export`` prints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pulumi_illumos_provider.plan import Command, sh

ZONECFG = "/usr/sbin/zonecfg"


# Reading -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resource:
    """A resource of a zone configuration (``add net`` ... ``end``).

    Attributes:
        kind: ``net``, ``attr``, ``rctl`` ...
        values: its simple properties.
        lists: what was added to its lists (``add value``, ``add options``, ``add property``), as printed.
    """

    kind: str
    values: dict[str, str] = field(default_factory=dict)
    lists: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ZoneConfig:
    """A zone's configuration.

    Attributes:
        properties: global properties; empty ones left out.
        resources: in the order of the configuration.
    """

    properties: dict[str, str] = field(default_factory=dict)
    resources: tuple[Resource, ...] = ()

    def of_kind(self, kind: str) -> list[Resource]:
        """All resources of one kind."""
        return [resource for resource in self.resources if resource.kind == kind]

    @property
    def attributes(self) -> dict[str, str]:
        """Values of the ``attr`` resources by name."""
        return {a.values.get("name", ""): a.values.get("value", "") for a in self.of_kind("attr")}

    def rctl_limit(self, name: str) -> int | None:
        """Limit of a resource control with exactly one value."""
        for rctl in self.of_kind("rctl"):
            if rctl.values.get("name") == name:
                limits = [_LIMIT.search(text) for what, text in rctl.lists if what == "value"]
                return int(limits[0][1]) if len(limits) == 1 and limits[0] else None
        return None


_LIMIT = re.compile(r"limit=(\d+)")


def parse_export(text: str) -> ZoneConfig:
    """Read ``zonecfg export``. Values come quoted or bare, bare ones with any ``=`` inside."""
    properties: dict[str, str] = {}
    resources: list[Resource] = []
    values: dict[str, str] | None = None
    lists: list[tuple[str, str]] = []
    kind = ""
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "set":
            name, _, value = rest.partition("=")
            target = properties if values is None else values
            if _unquoted(value):
                target[name.strip()] = _unquoted(value)
        elif word == "add" and values is None:
            kind, values, lists = rest.strip(), {}, []
        elif word == "add":
            name, _, value = rest.partition(" ")
            lists.append((name, _unquoted(value)))
        elif word == "end" and values is not None:
            resources.append(Resource(kind, values, tuple(lists)))
            values = None
    return ZoneConfig(properties, tuple(resources))


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value


# Writing -----------------------------------------------------------------------------------------


def quoted(value: str) -> str:
    """A value for zonecfg. There are no escapes: a double quote or a line break cannot be said.

    Raises:
        ValueError: the value has one of these, or is too long for a token.
    """
    if any(character in value for character in '"\n\r\0') or len(value) > 1000:
        raise ValueError(f"{value!r} cannot be stored by zonecfg")
    return f'"{value}"'


def set_property(name: str, value: str) -> list[str]:
    """``set`` one property in the present scope."""
    return [f"set {name}={quoted(value)}"]


def add(kind: str, lists: Sequence[str] = (), /, **values: str | None) -> list[str]:
    """Add a resource; underscores in names stand for dashes, None leaves a property out."""
    lines = [f"add {kind}"]
    for name, value in values.items():
        if value is not None:
            lines += set_property(name.replace("_", "-"), value)
    return [*lines, *(f"add {text}" for text in lists), "end"]


def add_attribute(name: str, value: str) -> list[str]:
    """Add a string attribute."""
    return add("attr", name=name, type="string", value=value)


def add_rctl(name: str, limit: int) -> list[str]:
    """Add a resource control that denies above a limit.

    ``capped-cpu`` would lose a hundredth for many numbers, and sizes would be rounded when printed;
    the resource control behind them is exact.
    """
    return add("rctl", [f"value (priv=privileged,limit={limit},action=deny)"], name=name)


def edit(zone: str, commands: Iterable[str]) -> Command:
    """Run commands from a file: unlike standard input, it stops at the first error.

    The file ends with a line feed, without which the last command would be dropped silently.
    """
    script = f"""
umask 077
file=$(/usr/bin/mktemp /tmp/zonecfg.XXXXXX) || exit
trap 'rm -f "$file"' 0
cat >"$file" && {ZONECFG} -z "$1" -f "$file"
"""
    return sh(script, zone, stdin="".join(f"{line}\n" for line in commands))


def delete(zone: str) -> Command:
    """Delete the configuration; without ``-F`` it never works without a terminal."""
    return Command((ZONECFG, "-z", zone, "delete", "-F"))


def holds(zone: str, *expected: tuple[str, str]) -> Command:
    """Succeeds when ``info WHAT`` prints each expected line; an empty line means it prints nothing.

    Needed after every edit: zonecfg refuses many things with exit status 0.
    """
    script = f"""
zone=$1
shift
while [ $# -ge 2 ]; do
    text=$({ZONECFG} -z "$zone" info $1 2>/dev/null) || exit 1
    if [ -n "$2" ]; then
        printf '%s\\n' "$text" | grep -F -x -e "$2" >/dev/null || exit 1
    else
        [ -z "$text" ] || exit 1
    fi
    shift 2
done
"""
    return sh(script, zone, *(word for pair in expected for word in pair))


def info_line(name: str, value: str) -> str:
    """The line that ``info`` prints for a property of a resource: quoted when it has a blank."""
    return f'\t{name}: "{value}"' if " " in value else f"\t{name}: {value}"
