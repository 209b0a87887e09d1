"""What a service is: its instance, what it depends on, and what starting it means."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from illumos_lab.host import Host

# Exit statuses of methods that svc.startd tells apart (smf_method(7)).
EXIT_ERR_FATAL = 95
EXIT_ERR_CONFIG = 96
EXIT_ERR_NOSMF = 99
EXIT_ERR_PERM = 100
HOPELESS = frozenset({EXIT_ERR_FATAL, EXIT_ERR_CONFIG, EXIT_ERR_NOSMF, EXIT_ERR_PERM})
"""Statuses after which a method is not tried again."""


class MethodError(Exception):
    """A method failed.

    Attributes:
        status: its exit status.
        output: what it wrote, for the service's log.
    """

    def __init__(self, status: int, output: str = "") -> None:
        super().__init__(f"exit status {status}")
        self.status = status
        self.output = output


class Daemon(Protocol):
    """What keeps a service online: a process, or several that are looked at as one.

    Attributes:
        pid: number by which it is shown.
    """

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


@dataclass
class Context:
    """What a running method has at hand.

    Attributes:
        host: the machine.
        zone: the zone of the service.
        fmri: its instance.
        log: its log file, seen from outside.
        process: the daemon that belongs to the service; the start method sets it, and so may a refresh
            method that puts another in its place.
        daemon: the daemon that runs already.
        get: value of a property in the running snapshot, None when it is not set.
        put: set a property of the instance.
        legacy: note that a legacy script ran.
    """

    host: Host
    zone: str
    fmri: str
    log: Path
    get: Callable[[str], str | None]
    put: Callable[[str, str, str], None]
    legacy: Callable[[str], None]
    process: Daemon | None = None
    daemon: Daemon | None = None

    def note(self, text: str) -> None:
        """Append a method's own output to the log."""
        # A zone that is being removed has lost the directory.
        with contextlib.suppress(FileNotFoundError), self.log.open("a") as file:
            file.write(text if text.endswith("\n") or not text else text + "\n")

    def run(self, argv: Sequence[str]) -> int:
        """Run a program in the zone, its output going to the log; its exit status."""
        done = self.host.runtime.run(self.zone, argv)
        self.note(done.stdout + done.stderr)
        return done.returncode


Method = Callable[[Context], None]
"""A start, stop or refresh method; raises `MethodError` when it fails."""


@dataclass(frozen=True)
class Dependency:
    """One dependency of an instance (smf(7)).

    Attributes:
        fmris: services or instances, or files as ``file://localhost/PATH``.
        grouping: ``require_all``, ``require_any``, ``optional_all`` or ``exclude_all``.
        restart_on: ``none``, ``error``, ``restart`` or ``refresh``.
    """

    fmris: tuple[str, ...]
    grouping: str = "require_all"
    restart_on: str = "none"


@dataclass(frozen=True)
class Service:
    """An instance as its manifest delivers it.

    Attributes:
        fmri: the instance.
        title: its common name.
        enabled: the delivered instance is enabled.
        in_global, in_zones: where it is delivered.
        package: the package that delivers it; empty for the base system.
        dependencies: what must be there before it starts.
        start, stop, refresh: its methods; None is ``:true`` (for stop of a daemon ``:kill``).
        exec: text of the start method, as the log shows it.
        properties: delivered properties, by ``group/name``: type and value.
    """

    fmri: str
    title: str
    enabled: bool = True
    in_global: bool = True
    in_zones: bool = True
    package: str = ""
    dependencies: tuple[Dependency, ...] = ()
    start: Method | None = None
    stop: Method | None = None
    refresh: Method | None = None
    exec: str = ":true"
    properties: Mapping[str, tuple[str, str]] = field(default_factory=dict)
