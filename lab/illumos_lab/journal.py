"""What ran on a host: every emulated command, and the SSH connections and channels they came by."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One emulated command that has ended.

    Attributes:
        argv: program as invoked, and its arguments.
        zone: zone that it ran in.
        uid: user id of the caller.
        started: seconds since the epoch.
        seconds: how long it took.
        status: exit status; negative is the number of a signal.
        connection: number of the SSH connection that it came by, from 1; None when by none.
        channel: number of the exec or shell channel on the host, from 1.
    """

    argv: list[str]
    zone: str
    uid: int
    started: float
    seconds: float
    status: int
    connection: int | None
    channel: int | None


class Journal:
    """The host's record, kept in a file so that it survives a reboot of the host.

    Events come from many threads; each is one line, written by one call.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self.entries: list[Entry] = []
        self.connections = 0
        self.channels = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._load(path)

    def _load(self, path: Path) -> None:
        text = path.read_text()
        for line in text.splitlines():
            # The end of a line is missing where the machine went down in the midst of it.
            with contextlib.suppress(ValueError):
                self._load_record(json.loads(line))
        if not text.endswith("\n") and text:
            os.write(self._file, b"\n")

    def _load_record(self, record: dict[str, Any]) -> None:
        match record.pop("event"):
            case "command":
                self.entries.append(Entry(**record))
            case "connection":
                self.connections += 1
            case "channel":
                self.channels += 1

    def _append(self, event: str, **fields: Any) -> None:
        os.write(self._file, json.dumps({"event": event, **fields}).encode() + b"\n")

    def add(self, entry: Entry) -> None:
        """Record a command."""
        with self._lock:
            self.entries.append(entry)
            self._append("command", **vars(entry))

    def connection_opened(self) -> int:
        """Record an SSH connection whose user has logged in; its number."""
        with self._lock:
            self.connections += 1
            self._append("connection")
            return self.connections

    def channel_opened(self) -> int:
        """Record an exec, shell or subsystem channel; its number."""
        with self._lock:
            self.channels += 1
            self._append("channel")
            return self.channels

    def clear(self) -> None:
        """Forget everything so far."""
        with self._lock:
            self.entries.clear()
            self.connections = self.channels = 0
            os.ftruncate(self._file, 0)

    def as_json(self) -> dict[str, Any]:
        """The record with its totals."""
        with self._lock:
            entries, connections, channels = list(self.entries), self.connections, self.channels
        return {
            "commands": [vars(entry) for entry in entries],
            "connections": connections,
            "channels": channels,
        }
