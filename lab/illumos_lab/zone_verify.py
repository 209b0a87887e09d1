"""Whether the configuration of a zone fits this host: what ``zoneadm verify`` finds (zoneadm(8))."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from illumos_lab.host import Host
from illumos_lab.zone_brands import BRANDS
from illumos_lab.zone_states import CONFIGURED, GLOBAL, INCOMPLETE
from illumos_lab.zonecfg.model import Configuration, Filesystem, Net
from illumos_lab.zonecfg.privileges import privilege_problem

_REFUSED_FS_TYPES = frozenset({"proc", "mntfs", "autofs", "nfs"})
_FS_TYPES = frozenset(
    [
        "ctfs",
        "dev",
        "fd",
        "hsfs",
        "lofs",
        "objfs",
        "pcfs",
        "sharefs",
        "smbfs",
        "tmpfs",
        "udfs",
        "ufs",
        "zfs",
    ]
)
_CHECKED_FS_TYPES = frozenset({"pcfs", "udfs", "ufs"})
"""File systems that fsck(8) knows, and that need a raw device."""

_MAKERS = frozenset({"install", "clone", "move"})
"""Subcommands that make the zonepath when it is not there."""

_ABSENT = """\
WARNING: {0} does not exist, so it could not be verified.
When 'zoneadm install' is run, 'install' will try to create
{0}, and 'verify' will be tried again,
but the 'verify' may fail if:
the parent directory of {0} is group- or other-writable
or
{0} overlaps with any other installed zones.
"""
_OWNER = ((0o400, "owner readable"), (0o200, "owner writable"), (0o100, "owner executable"))
_OTHERS = (
    *((0o040, "group readable"), (0o020, "group writable"), (0o010, "group executable")),
    *((0o004, "world readable"), (0o002, "world writable"), (0o001, "world executable")),
)


class _Unfit(Exception):
    """Nothing more can be said of the zonepath; the text is what is wrong with it, line by line."""


@dataclass(frozen=True)
class Verifier:
    """Looks at a zone for a subcommand of zoneadm.

    Attributes:
        host: the machine.
        zone: the zone.
        command: the subcommand that is about to run.
        out, err: told the lines.
    """

    host: Host
    zone: str
    command: str
    out: Callable[[str], None]
    err: Callable[[str], None]

    def verify(self, configuration: Configuration) -> bool:
        """Tell all that is wrong, and whether anything is. A missing interface is only warned of."""
        fit = self.command == "attach" or self.verify_zonepath(configuration.zonepath)
        if not fit:
            self.err(f"could not verify zonepath {configuration.zonepath} because of the above errors.\n")
        for net in configuration.nets():
            warning = self._network_warning(net, exclusive=configuration.exclusive_ip)
            if warning:
                self.err(f"WARNING: skipping network interface '{net.physical}'{warning}\n")
        for problem in self._problems(configuration):
            self.err(f"{problem}\n")
            fit = False
        if not fit:
            self.err(f"zoneadm: zone {self.zone} failed to verify\n")
        return fit

    # The zonepath --------------------------------------------------------------------------------

    def verify_zonepath(self, zonepath: str) -> bool:
        """Tell what is wrong with a zonepath, and whether anything is."""
        try:
            return self._zonepath_fits(zonepath)
        except _Unfit as error:
            self.err(f"{error}\n")
            return False

    def _zonepath_fits(self, zonepath: str) -> bool:
        if not zonepath.startswith("/"):
            raise _Unfit(f"{zonepath} is not an absolute path.")
        root = self.host.root
        path = root / zonepath.lstrip("/")
        if path.resolve() != root.resolve() / zonepath.strip("/") or zonepath != "/" + zonepath.strip("/"):
            raise _Unfit(f"zoneadm: {zonepath}: Resolved path mismatch")
        absent = not path.exists()
        if absent and self.command == "verify":
            self.err(_ABSENT.format(zonepath))
            return True
        if absent and self.command not in _MAKERS:
            raise _Unfit(f"zoneadm: {zonepath}: No such file or directory")
        if not absent and not path.is_dir():
            raise _Unfit(f"{zonepath} is not a directory.")
        self._check_overlaps(zonepath)
        fit = absent or self._mode_fits(path, zonepath)
        problems = list(_mode_problems(path.parent, zonepath.rpartition("/")[0] or "/", 0o022))
        for problem in problems if path.parent.exists() else ():
            self.err(f"{problem}\n")
            fit = False
        if not absent and self.host.zones.state(self.zone) == CONFIGURED and self.command != "attach":
            self._check_leftovers(path, zonepath)
        return fit

    def _check_overlaps(self, zonepath: str) -> None:
        for entry in self.host.zones.store.index.entries():
            if entry.name in (GLOBAL, self.zone) or entry.state in (CONFIGURED, INCOMPLETE):
                continue
            if not (self.host.root / entry.zonepath.lstrip("/")).exists():
                self.out(
                    f"WARNING: zone {entry.name} is installed, "
                    f"but its zonepath {entry.zonepath} does not exist.\n"
                )
            elif f"{zonepath}/".startswith(f"{entry.zonepath}/") or f"{entry.zonepath}/".startswith(
                f"{zonepath}/"
            ):
                raise _Unfit(
                    f"{self.zone} zonepath ({zonepath}) and "
                    f"{entry.name} zonepath ({entry.zonepath}) overlap."
                )

    def _mode_fits(self, path: Path, zonepath: str) -> bool:
        """Nobody but its owner may enter a zonepath. All subcommands but verify see to that."""
        problems = list(_mode_problems(path, zonepath, 0o077))
        for problem in problems:
            self.err(f"{problem}\n")
        if problems and self.command != "verify":
            self.err(f"{zonepath}: changing permissions to 0700.\n")
            path.chmod(0o700)
            return True
        return not problems

    def _check_leftovers(self, path: Path, zonepath: str) -> None:
        """A zone that is not installed must not have the root directory of another."""
        root = path / "root"
        if not root.exists():
            return
        if (path / "SUNWdetached.xml").exists():
            raise _Unfit(
                f"Cannot {self.command} detached zone.\nUse attach or remove {zonepath} directory."
            )
        if not root.is_dir():
            raise _Unfit(f"{zonepath}/root is not a directory.")
        if root.stat().st_mode & 0o777 != 0o755:
            raise _Unfit(f"{zonepath}/root mode is not 0755.")

    # The resources -------------------------------------------------------------------------------

    def _network_warning(self, net: Net, *, exclusive: bool) -> str:
        link = self.host.links.get(net.physical)
        plumbed = self.host.stacks[GLOBAL].is_plumbed(net.physical)
        if net.physical == "lo0" or (net.global_nic and link is None):
            return ""
        if not exclusive:
            return "" if plumbed else " which may not be present/plumbed in the global zone."
        if plumbed:
            return " which is used in the global zone."
        if link is None:
            return ": object not found"
        if link.zone not in ("", self.zone):
            return f" which is used by the non-global zone '{link.zone}'."
        return ""

    def _problems(self, configuration: Configuration) -> Iterator[str]:
        brand = self.host.zones.store.brand_of(configuration)
        for filesystem in configuration.filesystems():
            if problem := self._filesystem_problem(filesystem, brand):
                yield problem
        known = BRANDS.get(brand)
        if known is not None and known.exclusive_ip and not configuration.exclusive_ip:
            yield f"zones of brand {brand} need ip-type exclusive."
        for name in configuration.datasets():
            if problem := self._dataset_problem(name):
                yield f"could not verify zfs dataset {name}: {problem}"
        word = privilege_problem(configuration.get("limitpriv"), configuration.exclusive_ip)
        if word is not None:
            yield f'privilege "{word}" is not permitted within the zone\'s privilege set'

    def _filesystem_problem(self, filesystem: Filesystem, brand: str) -> str:
        place, kind, special = filesystem.dir, filesystem.type, filesystem.special
        absent = "No such file or directory"
        if kind in _REFUSED_FS_TYPES:
            return f"cannot verify fs {place}: type {kind} is not allowed."
        if kind not in _FS_TYPES:
            return f"could not verify fs {place}: could not access /usr/lib/fs/{kind}/mount: {absent}"
        if filesystem.raw and kind not in _CHECKED_FS_TYPES:
            return (
                f"cannot verify fs {place}: 'raw' device specified but no fsck executable exists for {kind}"
            )
        source = self.host.path(GLOBAL, special)
        if kind in _CHECKED_FS_TYPES and not filesystem.raw and not source.is_file():
            return f"could not verify fs {place}: must specify 'raw' device for {kind} file systems"
        if kind == "zfs":
            return self._zfs_problem(filesystem)
        # The directories of a sparse zone's image come with its root; a tmpfs has no device.
        if kind != "tmpfs" and brand != "sparse-root" and not source.exists():
            return f"could not verify fs {place}: could not access {special}: {absent}"
        if filesystem.raw and not self.host.path(GLOBAL, filesystem.raw).exists():
            return f"could not verify fs {place}: could not access {filesystem.raw}: {absent}"
        return ""

    def _zfs_problem(self, filesystem: Filesystem) -> str:
        datasets, special = self.host.datasets, filesystem.special
        dataset = datasets.get(special)
        if dataset is None:
            return f"could not verify fs {filesystem.dir}: could not access zfs dataset '{special}'"
        if dataset.type != "filesystem":
            return f"cannot verify fs {filesystem.dir}: '{special}' is not a file system"
        if datasets.value(dataset, "mountpoint") != "legacy":
            return f"could not verify fs {filesystem.dir}: zfs '{special}' mountpoint is not \"legacy\""
        return ""

    def _dataset_problem(self, name: str) -> str:
        dataset = self.host.datasets.get(name)
        if dataset is None:
            return "dataset does not exist"
        if dataset.type == "volume":
            return "volume cannot be specified as a dataset"
        if self.host.datasets.source(dataset, "mountpoint").startswith("inherited"):
            return "mountpoint cannot be inherited"
        return ""


def _mode_problems(path: Path, name: str, forbidden: int) -> Iterator[str]:
    """What is wrong with the mode of a directory that its owner must be able to use."""
    if not path.exists():
        return
    mode = path.stat().st_mode
    for bit, text in _OWNER:
        if not mode & bit:
            yield f"{name} must be {text}."
    for bit, text in _OTHERS:
        if mode & bit & forbidden:
            yield f"{name} must not be {text}."
