"""zonecfg(8): writing its commands, and reading what ``export`` prints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.plan import Command, sh

ZONECFG = "/usr/sbin/zonecfg"


KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "admin": ("user",),
    "attr": ("name",),
    "dataset": ("name",),
    "device": ("match",),
    "fs": ("dir",),
    "net": ("physical", "address", "allowed-address"),
    "rctl": ("name",),
}
"""The properties that tell resources of a kind apart; other kinds occur once in a zone."""

MEMORY_RCTLS: Final = frozenset({"zone.max-swap", "zone.max-locked-memory"})
"""Resource controls that zonecfg shows as part of ``capped-memory``."""


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

    @property
    def key(self) -> str:
        """What tells it from others of its kind; empty where a zone has one only."""
        return " ".join(self.values[name] for name in KEYS.get(self.kind, ()) if name in self.values)


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

    def resource(self, kind: str, key: str = "") -> Resource | None:
        """The resource of a kind that a key names, as `Resource.key` has it."""
        return next((r for r in self.of_kind(kind) if r.key == key), None)

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
    for line in split_lines(text):
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


def attribute(name: str, value: str) -> Resource:
    """A string attribute."""
    return Resource("attr", {"name": name, "type": "string", "value": value})


def rctl(name: str, limit: int, *, deny: bool = True) -> Resource:
    """A resource control with one value, which denies what goes beyond it or only counts.

    ``capped-cpu`` would lose a hundredth for many numbers, and sizes would be rounded when printed;
    the resource control behind them is exact.
    """
    value = f"(priv=privileged,limit={limit},action={'deny' if deny else 'none'})"
    return Resource("rctl", {"name": name}, (("value", value),))


@dataclass(frozen=True)
class Draft:
    """A wanted configuration. What it does not speak of is left as it is.

    Attributes:
        properties: global properties; an empty value clears one.
        resources: the wanted resources.
        scope: the resources it speaks of: ``(kind, None)`` for all of a kind, ``(kind, key)`` for one.
    """

    properties: Mapping[str, str]
    resources: tuple[Resource, ...]
    scope: frozenset[tuple[str, str | None]]

    def covers(self, resource: Resource) -> bool:
        """Whether it speaks of a resource."""
        return (resource.kind, None) in self.scope or (resource.kind, resource.key) in self.scope


def add_resource(resource: Resource) -> list[str]:
    """Add a resource with everything that it has."""
    lines = [f"add {resource.kind}"]
    for name, value in resource.values.items():
        lines += set_property(name, value)
    return [*lines, *(f"add {name} {_word(text)}" for name, text in resource.lists), "end"]


def remove_resource(resource: Resource) -> str:
    """Remove one resource; its key tells which."""
    words = [
        f"{name}={quoted(resource.values[name])}"
        for name in KEYS.get(resource.kind, ())
        if name in resource.values
    ]
    return " ".join(["remove", resource.kind, *words])


def changes(present: ZoneConfig, wanted: Draft) -> list[str]:
    """Commands that bring a configuration to what is wanted; none when it says so already.

    A resource that differs is removed and added again; of the net resources, whose order counts, all
    from the first one that differs. ``capped-memory`` can neither be added beside the resource controls
    that it shows, nor be removed alone: these are rebuilt with it.
    """
    lines = [
        f"set {name}={quoted(value)}" if value else f"clear {name}"
        for name, value in wanted.properties.items()
        if present.properties.get(name, "") != value
    ]
    have = [r for r in present.resources if wanted.covers(r)]
    want = list(wanted.resources)
    stay = _undisturbed(have, want)
    gone = [r for r in have if not any(same(r, other) for other in stay)]
    new = [r for r in want if not any(same(r, other) for other in stay)]
    if any(r.kind == "capped-memory" for r in (*gone, *new)):
        shown = [r for r in present.of_kind("rctl") if r.key in MEMORY_RCTLS]
        back = [r for r in shown if not wanted.covers(r)]
        back += [r for r in want if r.kind == "rctl" and r.key in MEMORY_RCTLS]
        gone = [*shown, *(r for r in gone if r not in shown)]
        new = [*(r for r in new if r not in back), *back]
    return [*lines, *map(remove_resource, gone), *(line for r in new for line in add_resource(r))]


def _undisturbed(have: list[Resource], want: list[Resource]) -> list[Resource]:
    """The resources that are there and stay as they are."""
    stay = [r for r in want if r.kind != "net" and any(same(r, other) for other in have)]
    nets = zip((r for r in have if r.kind == "net"), (r for r in want if r.kind == "net"), strict=False)
    return stay + [new for _, new in takewhile(lambda pair: same(*pair), nets)]


def keeping(wanted: Resource, present: Iterable[Resource], known: frozenset[str]) -> Resource:
    """A wanted resource with what the present one of its name has beyond the known properties.

    Args:
        known: properties that wanted decides about: those it lacks are taken away. Lists are kept unless
            it has entries of the same name.
    """
    name = KEYS.get(wanted.kind, ("",))[0]
    alike = [r for r in present if r.kind == wanted.kind and r.values.get(name) == wanted.values.get(name)]
    old = next((r for r in alike if r.key == wanted.key), alike[0] if alike else None)
    if old is None:
        return wanted
    values = {**wanted.values, **{n: v for n, v in old.values.items() if n not in known}}
    own = {name for name, _ in wanted.lists}
    kept = tuple(entry for entry in old.lists if entry[0] not in own | known)
    return Resource(wanted.kind, values, (*wanted.lists, *kept))


def same(one: Resource, other: Resource) -> bool:
    """Whether two resources say the same, in whatever order."""
    return (one.kind, one.values, sorted(map(_spelled, one.lists))) == (
        other.kind,
        other.values,
        sorted(map(_spelled, other.lists)),
    )


def _spelled(entry: tuple[str, str]) -> tuple[str, str]:
    """An entry of a list without what does not count: the order of ``name=value``, quotes."""
    name, text = entry
    if text.startswith("(") and text.endswith(")"):
        text = "(" + ",".join(sorted(p.strip().replace('"', "") for p in text[1:-1].split(","))) + ")"
    return name, text


def _word(text: str) -> str:
    return text if text.startswith("(") else quoted(text)


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


def lacks(zone: str, *lines: str) -> Command:
    """Succeeds when ``export`` prints none of the lines; they are given without quotes."""
    script = f"""
zone=$1
shift
text=$({ZONECFG} -z "$zone" export) || exit 1
for line; do
    ! printf '%s\\n' "$text" | tr -d '"' | grep -F -x -e "$line" >/dev/null || exit 1
done
"""
    return sh(script, zone, *lines)


def info_line(name: str, value: str) -> str:
    """The line that ``info`` prints for a property of a resource: quoted when it has a blank."""
    return f'\t{name}: "{value}"' if " " in value else f"\t{name}: {value}"
