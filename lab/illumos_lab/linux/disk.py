"""The disk of a host whose files are kept in memory: it can be made to be full for every program.

The world mounts one file system for all that can change on the host and in its zones. Its size is limited
where it stands, so programs meet the kernel's own ENOSPC.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from illumos_lab.linux import syscalls

PLACE = "disk"
"""Where it is mounted, below the host's directory."""

LAYERS = ("state", "zones")
"""Directories of the host that lie on it."""


# The machine's own defaults, spelled out because they are to be restored.
_WHOLE = "size=50%,nr_inodes=4000000"


def mount(directory: Path) -> None:
    """Keep the changed files of a host in memory from now on."""
    place = directory / PLACE
    place.mkdir(exist_ok=True)
    syscalls.mount("illumos-lab", str(place), "tmpfs", 0, f"mode=755,{_WHOLE}")
    for name in LAYERS:
        (place / name).mkdir()
        (directory / name).mkdir(exist_ok=True)
        syscalls.bind(str(place / name), str(directory / name))


def unmount(directory: Path) -> None:
    """Forget everything that changed on a host; nothing happens when it was not kept in memory."""
    if os.path.ismount(directory / PLACE):
        for name in (*LAYERS, PLACE):
            syscalls.unmount(str(directory / name))


class Disk:
    """The disk of one host.

    Args:
        directory: the host's directory.

    Attributes:
        limited: its size has been set.
    """

    def __init__(self, directory: Path) -> None:
        self._place = directory / PLACE
        self.limited = False
        if os.path.ismount(self._place):
            self.restore()

    def set_free(self, free: int) -> None:
        """Leave so many bytes free; with 0, also no file can be made.

        Raises:
            OSError: the host has no disk of its own, or has not got so much.
        """
        if not os.path.ismount(self._place):
            raise OSError(errno.ENOTSUP, "this host keeps its files on the machine's own disk")
        if free < 0:
            raise ValueError(f"no disk has {free} bytes free")
        now = os.statvfs(self._place)
        options = f"size={(now.f_blocks - now.f_bfree) * now.f_frsize + free}"
        if free == 0:
            options += f",nr_inodes={now.f_files - now.f_ffree}"
        self.restore()
        self._remount(options)
        self.limited = True

    def restore(self) -> None:
        """Give it its own size again."""
        self._remount(_WHOLE)
        self.limited = False

    def free(self) -> int:
        """Bytes that are free now."""
        now = os.statvfs(self._place)
        return now.f_bfree * now.f_frsize

    def _remount(self, options: str) -> None:
        syscalls.mount("illumos-lab", str(self._place), "tmpfs", syscalls.MS_REMOUNT, options)
