"""Random sessions of zonecfg: a fault undoes nothing that came before it, and none brings zonecfg down."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from illumos_lab.profile import PROFILES
from illumos_lab.zonecfg.xmlfile import load
from tests.lab.fakes_zones import zone_host

SETTINGS = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
NAMES = st.text("abcdefghij", min_size=1, max_size=6)
NUMBERS = st.integers(0, 9999)


def _resource(*commands: str) -> tuple[str, ...]:
    return (*commands, "end")


LEGAL = st.one_of(
    st.sampled_from(
        [
            ("set autoboot=true",),
            ("clear autoboot",),
            ("set bootargs=-v",),
            ("clear bootargs",),
            ("set max-lwps=2000",),
            ("set limitpriv=default,dtrace_user",),
            _resource("add net", "set physical=net0"),
            _resource("add net", "set physical=net1", "set allowed-address=10.0.0.5/24"),
        ]
    ),
    NAMES.map(lambda n: _resource("add attr", f"set name={n}", "set type=string", f"set value={n}")),
    NAMES.map(lambda n: _resource("add fs", f"set dir=/{n}", f"set special=/x/{n}", "set type=lofs")),
    NUMBERS.map(lambda n: (f"set cpu-shares={n}",)),
)
"""Commands that are accepted in the global scope, some of them only once."""

REFUSED = st.sampled_from(
    [
        "set autoboot=maybe",
        "set ip-type=any",
        "set hostid=zz",
        "set max-lwps=few",
        "clear zonepath",
        "remove attr name=nobody",
        "select fs dir=/nobody",
        "add nothing",
        "frobnicate",
        "set",
        "end",
        "cancel",
        ";;= ]",
        "set physical=net9",
        "info nothing",
    ]
)
"""Commands that are refused in the global scope, and leave everything as it is."""

Group = tuple[str, ...]


class Sessions:
    """A host on which one zone after the other is configured."""

    def __init__(self, directory: str, profile: str = "omnios") -> None:
        self.host = zone_host(Path(directory), PROFILES[profile])
        self.count = 0

    def new(self) -> str:
        """Another zone, configured with no more than what it needs."""
        self.count += 1
        zone = f"z{self.count}"
        brand = self.host.profile.brands[0].name
        head = f"create -b; set zonepath=/zones/z; set brand={brand}; set ip-type=exclusive"
        assert self.host.run("zonecfg", "-z", zone, head) == (0, "", "")
        return zone

    def export(self, zone: str) -> str:
        result = self.host.run("zonecfg", "-z", zone, "export")
        assert (result.exit, result.stderr) == (0, "")
        text = str(result.stdout)
        return "\n".join(line for line in text.splitlines() if not line.startswith("set uuid="))

    def run(self, zone: str, mode: str, commands: list[str]) -> Any:
        """Carry out commands in one of zonecfg's modes."""
        text = "".join(command + "\n" for command in commands)
        match mode:
            case "argument":
                return self.host.run("zonecfg", "-z", zone, "; ".join(commands))
            case "stdin":
                return self.host.run("zonecfg", "-z", zone, stdin=text)
            case "file":
                self.host.path("global", "/commands").write_text(text)
                return self.host.run("zonecfg", "-z", zone, "-f", "/commands")
        raise AssertionError(mode)


def _flat(groups: list[Group]) -> list[str]:
    return [command for group in groups for command in group]


def _distinct(groups: list[Group]) -> list[Group]:
    """A resource that is there already would be refused."""
    seen: set[str] = set()
    kept = []
    for group in groups:
        key = " ".join(group[:2])
        if key not in seen:
            seen.add(key)
            kept.append(group)
    return kept


GROUPS = st.lists(LEGAL, min_size=1, max_size=5).map(_distinct)


@pytest.mark.parametrize("mode", ["argument", "stdin"])
@SETTINGS
@given(groups=GROUPS, faults=st.lists(st.tuples(st.integers(0, 5), REFUSED), min_size=1, max_size=3))
def test_a_refused_command_leaves_all_others_as_they_are(
    mode: str, groups: list[Group], faults: list[tuple[int, str]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        sessions = Sessions(directory)
        good, mixed = sessions.new(), sessions.new()
        assert sessions.run(good, mode, _flat(groups)).exit in (0, 1)
        with_faults: list[Group] = list(groups)
        for place, fault in faults:
            with_faults.insert(min(place, len(with_faults)), (fault,))
        result = sessions.run(mixed, mode, _flat(with_faults))
        assert result.exit == 1
        assert result.stderr
        assert sessions.export(mixed) == sessions.export(good)


@SETTINGS
@given(before=GROUPS, fault=REFUSED, after=GROUPS)
def test_a_file_of_commands_ends_at_the_first_fault(
    before: list[Group], fault: str, after: list[Group]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        sessions = Sessions(directory)
        good, mixed = sessions.new(), sessions.new()
        clean = sessions.run(good, "file", _flat(before))
        result = sessions.run(mixed, "file", [*_flat(before), fault, *_flat(after)])
        assert (clean.exit, result.exit) in ((0, 1), (1, 1))
        assert sessions.export(mixed) == sessions.export(good)


@SETTINGS
@given(groups=GROUPS, name=NAMES, mode=st.sampled_from(["argument", "stdin", "file"]))
def test_a_resource_that_stays_open_keeps_everything_from_being_saved(
    groups: list[Group], name: str, mode: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        sessions = Sessions(directory)
        zone = sessions.new()
        before = sessions.export(zone)
        result = sessions.run(zone, mode, [*_flat(groups), "add attr", f"set name={name}"])
        assert result.exit == 1
        assert "Resource incomplete.\n" in result.stderr
        assert sessions.export(zone) == before


@SETTINGS
@given(groups=GROUPS, last=st.sampled_from(["set autoboot=true", "set bootargs=-x", "add net"]))
def test_a_last_line_without_its_end_is_dropped(groups: list[Group], last: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        sessions = Sessions(directory)
        whole, cut = sessions.new(), sessions.new()
        text = "".join(command + "\n" for command in _flat(groups))
        first = sessions.host.run("zonecfg", "-z", whole, stdin=text)
        second = sessions.host.run("zonecfg", "-z", cut, stdin=text + last)
        assert first.exit == second.exit
        assert sessions.export(whole) == sessions.export(cut)


@pytest.mark.parametrize("profile", sorted(PROFILES))
@SETTINGS
@given(groups=GROUPS)
def test_what_is_exported_makes_the_same_zone(profile: str, groups: list[Group]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        sessions = Sessions(directory, profile)
        zone = sessions.new()
        sessions.run(zone, "stdin", _flat(groups))
        exported = sessions.export(zone) + "\n"
        made = sessions.host.run("zonecfg", "-z", "copy", "-f", "-", stdin=exported)
        assert (made.exit, made.stderr) == (0, "")
        assert sessions.export("copy") + "\n" == exported


# Noise -------------------------------------------------------------------------------------------

NOISE = st.sampled_from(
    [*";=,()[]{}\"'\\ \t\n#?-*$%", "\x00", "é", "end", "add ", "set ", "select ", "remove "]
)
EDIT = st.tuples(st.integers(0, 400), st.integers(0, 3), NOISE)


def _corrupted(text: str, edits: list[tuple[int, int, str]]) -> str:
    for place, removed, noise in edits:
        at = place % (len(text) + 1)
        text = text[:at] + noise + text[at + removed :]
    return text


def test_a_value_ends_where_a_string_of_c_ends() -> None:
    with tempfile.TemporaryDirectory() as directory:
        sessions = Sessions(directory)
        zone = sessions.new()
        sessions.run(zone, "stdin", ["add fs", "set dir=/a", "set special=/x\0/a", "set type=lofs", "end"])
        assert 'set special="/x"' in sessions.export(zone)


@pytest.mark.parametrize("profile", sorted(PROFILES))
@SETTINGS
@given(
    groups=GROUPS,
    edits=st.lists(EDIT, min_size=1, max_size=6),
    mode=st.sampled_from(["argument", "stdin", "file"]),
)
def test_noise_brings_nothing_down(
    profile: str, groups: list[Group], edits: list[tuple[int, int, str]], mode: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        sessions = Sessions(directory, profile)
        zone = sessions.new()
        noisy = _corrupted("\n".join(_flat(groups)), edits)
        result = sessions.run(zone, mode, noisy.split("\n"))
        assert result.exit in (0, 1, 2)
        # Whatever was kept can be read again, and leads nowhere else.
        for file in sessions.host.path("global", "/etc/zones").glob("*.xml"):
            load(file)
        entries = sessions.host.zones.store.index.entries()
        assert all(entry.state in ("configured", "installed") for entry in entries)
        again = sessions.host.run("zonecfg", "-z", zone, "info")
        assert again.exit == 0 or zone not in sessions.host.zones.names()
