"""One emulated host: its state, and the way from a zone's path to the file behind it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from illumos_lab.console import Consoles
    from illumos_lab.console_terminal import Terminal
    from illumos_lab.datasets import Datasets
    from illumos_lab.ip import IpStack
    from illumos_lab.kernel import Kernel
    from illumos_lab.links import LinkTable
    from illumos_lab.packages import Packages
    from illumos_lab.profile import Profile
    from illumos_lab.smf import Smf
    from illumos_lab.zones import Zones


class Runtime(Protocol):
    """Processes and file systems of zones; realised with Linux namespaces."""

    def create_stack(self, zone: str) -> None:
        """Make an exclusive-ip zone's own IP stack (at ready)."""
        ...

    def destroy_stack(self, zone: str) -> None:
        """Its links must have been returned to the global zone before."""
        ...

    def create_share(self, zone: str) -> None:
        """Let a shared-ip zone take part in the global zone's IP stack (at ready)."""
        ...

    def destroy_share(self, zone: str) -> None:
        """Take it out again, with what addresses it has; no-op when it has no part in it."""
        ...

    def start_zone(self, zone: str, root: Path, exclusive_ip: bool) -> None:
        """Start the zone's init: mount, pid, host name and network namespaces."""
        ...

    def start_guest(self, zone: str, hostname: str) -> Path:
        """Start, in place of the zone's init, the guest of its virtual machine: a Linux system.

        Returns:
            Its root directory, seen from outside; it is a fresh one each time.
        """
        ...

    def stop_zone(self, zone: str) -> None:
        """Kill every process of the zone and release its namespaces and mounts."""
        ...

    def run(
        self,
        zone: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a real program inside a zone and wait for it."""
        ...

    def start(
        self,
        zone: str,
        argv: Sequence[str],
        log: Path,
        *,
        uid: int = 0,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
    ) -> subprocess.Popen[bytes]:
        """Start a long-running real program (a daemon in the foreground) inside a zone."""
        ...

    def popen(
        self,
        zone: str,
        argv: Sequence[str],
        *,
        uid: int = 0,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        stderr: int = subprocess.DEVNULL,
        terminal: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start a real program in a zone as the leader of a new session, perhaps on a terminal."""
        ...

    def open_terminal(self, zone: str) -> Terminal:
        """A new pseudo terminal of a running zone.

        Raises:
            OSError: there is none left.
        """
        ...

    def open_console(self, zone: str) -> Terminal:
        """The terminal that is /dev/console in a zone that has just been started; once for each start.

        Raises:
            OSError: there is none left.
        """
        ...

    def processes(self, zone: str) -> list[int]:
        """Process ids, as the machine underneath counts them, of all processes of a zone."""
        ...

    def create_zone_root(self, zonepath: str, brand: str, saved: str = "") -> None:
        """Fill ZONEPATH/root with a fresh image of the brand, mounted (``zoneadm install``).

        With the name that `save_zone_root` was given it is what that root directory was.
        """
        ...

    def save_zone_root(self, zonepath: str, name: str) -> None:
        """Keep what is in ZONEPATH/root, where there is one, under a name that is new."""
        ...

    def forget_zone_root(self, name: str) -> None:
        """Remove what `save_zone_root` has kept."""
        ...

    def mount_zone_root(self, zonepath: str) -> None:
        """Mount an installed zone's root again, after the host booted; no-op when it is mounted."""
        ...

    def destroy_zone_root(self, zonepath: str) -> None:
        """Unmount and remove everything that `create_zone_root` made (``zoneadm uninstall``)."""
        ...

    def move_zone_root(self, zonepath: str, new: str) -> None:
        """Unmount a zone's root and remember it for another zonepath (``zoneadm move``)."""
        ...

    def mount(self, source: Path | None, target: Path, *, read_only: bool = False) -> None:
        """Show a directory or file at a second place; without a source, a file system in memory."""
        ...

    def unmount(self, target: Path) -> None:
        """Undo `mount`."""
        ...


class Sshd(Protocol):
    """The sshd of zones; that of the global zone always runs."""

    def listen(self, zone: str, root: Path) -> None:
        """Let users log in to a zone that runs, whose root directory is given as seen from outside.

        Raises:
            OSError: its port is taken.
        """
        ...

    def leave(self, zone: str) -> None:
        """Accept no more connections to a zone; those that are there stay."""
        ...


class Host:
    """An emulated illumos machine.

    Attributes:
        name: host name, also the lab's name for it.
        profile: the distribution that it plays.
        root: the global zone's root directory, seen from outside. Persistent state lives in real files
            below it, in illumos' own places (``/etc/zones/index``, ``/etc/dladm/datalink.conf`` ...).
        kernel: network operations.
        runtime: processes and file systems of zones.
        lock: guards the state; hold it for moments only, never while sleeping or waiting for a program.
        links: the datalinks (`illumos_lab.links`).
        stacks: IP state for each zone with a stack of its own, ``global`` included (`illumos_lab.ip`).
        zones: configurations, states and locks (`illumos_lab.zones`).
        smf: services of every zone that runs (`illumos_lab.smf`).
        datasets: ZFS (`illumos_lab.datasets`).
        packages: installed packages of each zone (`illumos_lab.packages`).
        consoles: the zones' consoles (`illumos_lab.console`).
        sshd: logins over the zones' networks (`illumos_lab.ssh_server`).
        time_scale: factor on the durations of slow operations (0 makes them immediate).
        power: end the machine, ``reboot`` or ``off``; returns at once.
    """

    name: str
    profile: Profile
    root: Path
    kernel: Kernel
    runtime: Runtime
    lock: threading.RLock
    links: LinkTable
    stacks: dict[str, IpStack]
    zones: Zones
    smf: Smf
    datasets: Datasets
    packages: Packages
    consoles: Consoles
    sshd: Sshd
    time_scale: float
    power: Callable[[str], None]

    def zone_root(self, zone: str) -> Path:
        """Where the root directory of a zone is, seen from outside (``ZONEPATH/root``)."""
        if zone == "global":
            return self.root
        return self.root / self.zones.zonepath(zone).lstrip("/") / "root"

    def path(self, zone: str, path: str) -> Path:
        """The file behind an absolute path of a zone, seen from outside."""
        return self.zone_root(zone) / path.lstrip("/")

    def nodename(self, zone: str) -> str:
        """What ``uname -n`` says in a zone: /etc/nodename, by default the zone's own name."""
        try:
            name = self.path(zone, "/etc/nodename").read_text().strip()
        except OSError:
            name = ""
        return name or (self.name if zone == "global" else zone)
