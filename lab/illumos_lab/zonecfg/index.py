"""The index of all zones, /etc/zones/index: states below running, zonepaths, universal ids."""

from __future__ import annotations

import fcntl
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from illumos_lab.zonecfg.xmlfile import write_atomically

_THREADS = threading.Lock()
_STATES = ("configured", "incomplete", "installed")
_NAME_MAX = 63


class IndexUpdateError(Exception):
    """The index could not be changed: an entry is missing or its text is damaged."""


@dataclass(frozen=True)
class Entry:
    """One zone of the index.

    Attributes:
        name: zone name.
        state: ``configured``, ``incomplete`` or ``installed``.
        zonepath: its directory.
        uuid: universal id, empty until the zone has left ``configured``.
        extra: what SmartOS has behind that: brand, ``sh`` or ``ex``, and debug id, with colons between.
    """

    name: str
    state: str
    zonepath: str
    uuid: str = ""
    extra: str = ""


def parse_line(line: str) -> Entry | None:
    """The entry that a line holds; None for comments, blank and damaged lines."""
    if line.startswith("#"):
        return None
    entry = _split(re.split(r"[\r\n]", line, maxsplit=1)[0])
    if not 0 < len(entry.name) <= _NAME_MAX or entry.state not in _STATES:
        return None
    return entry


def _split(text: str) -> Entry:
    """The fields of a line, whatever they say; each may stand in double quotes."""
    fields = []
    rest = text
    for _ in range(4):
        if rest.startswith('"'):
            field, _, rest = rest[1:].partition('"')
            rest = rest.partition(":")[2]
        else:
            field, _, rest = rest.partition(":")
        fields.append(field)
    name, state, zonepath, identity = fields
    return Entry(name, state, zonepath, identity, rest)


def format_entry(entry: Entry, extended: bool = False) -> str:
    """The line of an entry, line feed included; further fields are written when it is `extended`."""
    zonepath = f'"{entry.zonepath}"' if ":" in entry.zonepath else entry.zonepath
    extra = f":{entry.extra}" if extended and entry.extra else ""
    return f"{entry.name}:{entry.state}:{zonepath}:{entry.uuid}{extra}\n"


class _Parsed:
    """The entries of a content of the file."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        found = (parse_line(line) for line in content.decode("utf-8", "surrogateescape").split("\n"))
        self.entries = tuple(entry for entry in found if entry is not None)
        # The first one counts where there are several.
        self.by_name = {entry.name: entry for entry in reversed(self.entries)}


class Index:
    """The index file of one host; every change is made under the lock that other processes honour too.

    Args:
        root: root directory of the global zone.
        extended: lines keep what SmartOS adds to them.
    """

    def __init__(self, root: Path, extended: bool = False) -> None:
        self._extended = extended
        self.path = root / "etc/zones/index"
        self._lock_path = root / "var/run/zones/index.lock"
        self._parsed: _Parsed | None = None

    def entries(self) -> list[Entry]:
        """All entries in file order; a missing file has none."""
        return list(self._read().entries)

    def get(self, name: str) -> Entry | None:
        """The entry of a zone."""
        return self._read().by_name.get(name)

    def _read(self) -> _Parsed:
        """What the file says now. It is read anew each time, and parsed when it has changed."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            content = b""
        parsed = self._parsed
        if parsed is None or parsed.content != content:
            parsed = self._parsed = _Parsed(content)
        return parsed

    def add(self, entry: Entry) -> None:
        """Append a zone, or give its present entry the new content.

        Raises:
            IndexUpdateError: the file is damaged, in the zone's own line too, or a zone without zonepath
                would be new in it.
        """
        if self.get(entry.name) is not None:
            self._rewrite(entry.name, lambda _old: entry)
        elif not entry.zonepath:
            raise IndexUpdateError(f"no zonepath of {entry.name}")
        else:
            self._rewrite(entry.name, None, append=entry)

    def update(self, zone: str, **changes: str) -> None:
        """Change fields of an entry, its name included.

        Raises:
            IndexUpdateError: there is no such entry, or the file is damaged.
        """
        self._rewrite(zone, lambda old: replace(old, **changes))

    def remove(self, name: str) -> None:
        """Take a zone out; nothing happens when it is not there."""
        self._rewrite(name, lambda _old: None, required=False)

    def _rewrite(
        self,
        name: str,
        change: Callable[[Entry], Entry | None] | None,
        append: Entry | None = None,
        required: bool = True,
    ) -> None:
        """Write the file anew.

        Args:
            name: zone whose lines are changed.
            change: makes the new entry of an old one, None to take it out; without it there may be none.
            append: entry to add.
            required: there has to be a line of the zone, unless one is added.
        """
        with self._locked():
            try:
                text = self.path.read_bytes().decode("utf-8", "surrogateescape")
            except FileNotFoundError:
                if not required:
                    return
                raise IndexUpdateError("no index") from None
            lines = []
            found = False
            for line in re.findall(r"[^\n]*\n|[^\n]+", text):
                if not line.startswith(f"{name}:"):
                    lines.append(line)
                    continue
                if not line.endswith("\n"):
                    # Taken for a line that is too long to be read, and dropped.
                    continue
                entry = _split(line.rstrip("\r\n"))
                if not entry.state or change is None:
                    raise IndexUpdateError(f"damaged: {line}")
                found = True
                changed = change(entry)
                if changed is not None:
                    lines.append(self._line(changed))
            if append is not None:
                lines.append(self._line(append))
            elif required and not found:
                raise IndexUpdateError(f"no entry for {name}")
            write_atomically(self.path, "".join(lines))

    def _line(self, entry: Entry) -> str:
        if entry.state != "configured" and not entry.uuid:
            entry = replace(entry, uuid=str(uuid.uuid4()))
        return format_entry(entry, self._extended)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        # The file's lock holds off other processes only, not the other threads of this one.
        with _THREADS, self._lock_path.open("w") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX)
            yield
