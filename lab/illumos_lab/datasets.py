"""ZFS as far as administrators of zones use it: a tree of file systems, each a directory of the host.

Space is not accounted for; sizes are figures of a fresh system. See zfs(8) and zfsprops(7).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from illumos_lab.conffile import replace_file

if TYPE_CHECKING:
    from illumos_lab.host import Host

PLACE = "etc/zfs/datasets.json"
VOLUMES = "etc/zfs/volumes"
"""Where the contents of volumes are kept."""
FILESYSTEMS = "etc/zfs/filesystems"
"""Where the contents of file systems are kept that are not mounted in the global zone."""
SNAPSHOTS = "etc/zfs/snapshots"
"""Where the contents of snapshots are kept."""
DEVICES = ("dev/zvol/dsk", "dev/zvol/rdsk")
"""Where volumes are seen as devices."""
MOUNTS = "etc/mnttab"
"""Table of the mounted file systems, which on illumos the kernel shows."""

USED, AVAILABLE, REFERENCED = 98304, 34359738368, 98304
VOLUME_BLOCK = 8192
POOL_SIZE, POOL_ALLOCATED = 42681237504, 8321499136

_SYSTEM_MOUNTS = (
    ("/devices", "/devices", "devfs", "dev=9000000"),
    ("/dev", "/dev", "dev", "dev=9040000"),
    ("ctfs", "/system/contract", "ctfs", "dev=90c0001"),
    ("proc", "/proc", "proc", "dev=9080000"),
    ("mnttab", "/etc/mnttab", "mntfs", "dev=9100001"),
    ("swap", "/etc/svc/volatile", "tmpfs", "xattr,dev=9140001"),
    ("objfs", "/system/object", "objfs", "dev=9180001"),
    ("fd", "/dev/fd", "fd", "rw,dev=9240001"),
    ("swap", "/tmp", "tmpfs", "xattr,dev=9140002"),
    ("swap", "/var/run", "tmpfs", "xattr,dev=9140003"),
)
_ZFS_MOUNT = "rw,devices,setuid,nonbmand,exec,xattr,atime,dev={:x}"
_ZFS_DEVICE = 0x4310002

WRONG_TYPE = "operation not applicable to datasets of this type"

_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\- ]*")
_SNAPSHOT = re.compile(r"[A-Za-z0-9_.:\- ]+")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([BKMGTPE]?)B?", re.IGNORECASE)
_UNITS = "BKMGTPE"


class DatasetError(Exception):
    """A dataset cannot be made, changed or removed; the text is the command's whole message."""


def parse_size(text: str) -> int | None:
    """Bytes of a size such as ``10G``; 0 for ``none``; None when it is no size."""
    if text == "none":
        return 0
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    return int(float(match[1]) * 1024 ** _UNITS.index(match[2].upper() or "B"))


def nice_size(number: int) -> str:
    """A size as people read it: at most five characters, such as ``1.50G``."""
    index = 0
    scaled = float(number)
    while scaled >= 1024 and index < len(_UNITS) - 1:
        scaled /= 1024
        index += 1
    unit = _UNITS[index] if index else ""
    if scaled == int(scaled):
        return f"{int(scaled)}{unit}"
    for digits in (2, 1, 0):
        text = f"{scaled:.{digits}f}{unit}"
        if len(text) <= 5:
            break
    return text


@dataclass(frozen=True)
class Property:
    """A property that may be set.

    Attributes:
        default: its value when nobody set it.
        inherited: children take the parent's value.
        valid: tells whether a value is allowed.
        values: what an error message offers.
        size: the value is a number of bytes.
    """

    default: str
    inherited: bool = True
    valid: Callable[[str], bool] = lambda value: True
    values: str = ""
    size: bool = False


def _choice(default: str, *others: str, inherited: bool = True) -> Property:
    allowed = (default, *others)
    return Property(default, inherited, allowed.__contains__, " | ".join(allowed))


def _is_mountpoint(value: str) -> bool:
    return value in ("none", "legacy") or value.startswith("/")


_SIZES = {
    name: Property("none", False, lambda value: parse_size(value) is not None, "<size>", True)
    for name in ("quota", "reservation", "refquota", "refreservation")
}

PROPERTIES: dict[str, Property] = {
    "mountpoint": Property("", True, _is_mountpoint, "<path> | legacy | none"),
    **_SIZES,
    "recordsize": Property("128K", True, lambda value: parse_size(value) is not None, "", True),
    "sharenfs": Property("off"),
    "sharesmb": Property("off"),
    "checksum": _choice("on", "off", "fletcher2", "fletcher4", "sha256", "sha512"),
    "compression": Property(
        "off",
        True,
        lambda value: bool(re.fullmatch(r"on|off|lzjb|gzip(-[1-9])?|zle|lz4|zstd.*", value)),
        "on | off | lzjb | gzip | gzip-[1-9] | zle | lz4",
    ),
    "atime": _choice("on", "off"),
    "devices": _choice("on", "off"),
    "exec": _choice("on", "off"),
    "setuid": _choice("on", "off"),
    "readonly": _choice("off", "on"),
    "zoned": _choice("off", "on"),
    "snapdir": _choice("hidden", "visible"),
    "aclinherit": _choice("restricted", "discard", "noallow", "passthrough", "passthrough-x"),
    "aclmode": _choice("discard", "groupmask", "passthrough", "restricted"),
    "canmount": _choice("on", "off", "noauto", inherited=False),
    "copies": _choice("1", "2", "3"),
    "primarycache": _choice("all", "none", "metadata"),
    "secondarycache": _choice("all", "none", "metadata"),
    "logbias": _choice("latency", "throughput"),
    "dedup": _choice("off", "on", "verify", "sha256"),
    "sync": _choice("standard", "always", "disabled"),
    "nbmand": _choice("off", "on"),
    "xattr": _choice("on", "off"),
    "vscan": _choice("off", "on"),
}
"""Properties of file systems that may be set, in the order of ``zfs get all``."""

READ_ONLY = (
    "type", "creation", "used", "available", "referenced", "compressratio", "mounted", "origin",
    "usedbysnapshots", "usedbydataset", "usedbychildren", "written", "logicalused", "volsize",
    "volblocksize", "name", "avail", "refer",
)  # fmt: skip
"""Properties that only ZFS itself sets."""


@dataclass
class Dataset:
    """One dataset.

    Attributes:
        name: its whole name.
        type: ``filesystem``, ``volume`` or ``snapshot``.
        created: seconds since the epoch.
        local: properties set on it; user properties have a colon in their names.
        mounted: it is mounted.
        size: of a volume, in bytes.
        block: size of a volume's blocks, in bytes.
        origin: snapshot that it is a clone of; empty for none.
        order: of a snapshot, its place among all that were taken.
        contents: of a snapshot, the name under which its contents are kept.
    """

    name: str
    type: str = "filesystem"
    created: int = field(default_factory=lambda: int(time.time()))
    local: dict[str, str] = field(default_factory=dict)
    mounted: bool = False
    size: int = 0
    block: int = VOLUME_BLOCK
    origin: str = ""
    order: int = 0
    contents: str = ""

    @property
    def tag(self) -> str:
        """The part of a snapshot's name that is its own."""
        return self.name.partition("@")[2]

    @property
    def parent(self) -> str:
        """Name of the dataset above; that of the file system for a snapshot."""
        if "@" in self.name:
            return self.name.partition("@")[0]
        return self.name.rpartition("/")[0]


class Datasets:
    """The pool of a host and its datasets."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._datasets: dict[str, Dataset] = {}
        self._lock = threading.RLock()

    def boot(self) -> None:
        """Load what is there, or lay out a fresh pool; mount what is to be mounted."""
        path = self._host.root / PLACE
        if path.exists():
            items = json.loads(path.read_text())
            self._datasets = {item["name"]: Dataset(**item) for item in items}
        else:
            self._lay_out()
            self._save()
        for dataset in self._datasets.values():
            place = self.mount_place(dataset)
            dataset.mounted = place is not None and self.value(dataset, "canmount") == "on"
            if dataset.mounted:
                self._directory(dataset).mkdir(parents=True, exist_ok=True)
            if dataset.type == "volume":
                self._show_volume(dataset)
        self._show_mounts()

    def _lay_out(self) -> None:
        profile = self._host.profile
        pool = profile.pool
        layout: dict[str, dict[str, str]] = {pool: {}}
        if profile.boots_from_pool:
            root = f"{pool}/ROOT"
            layout[root] = {"mountpoint": "legacy"}
            layout[f"{root}/{profile.name}"] = {"mountpoint": "/", "canmount": "noauto"}
            layout[f"{pool}/export"] = {"mountpoint": "/export"}
            layout[f"{pool}/export/home"] = {}
        else:
            layout[f"{pool}/config"] = {"mountpoint": "legacy"}
            layout[f"{pool}/opt"] = {"mountpoint": "/opt"}
        for name, local in layout.items():
            self._datasets[name] = Dataset(name, local=local)
        zones = self._datasets.setdefault(profile.zones_dataset, Dataset(profile.zones_dataset))
        if self.value(zones, "mountpoint") != profile.zones_parent:
            zones.local["mountpoint"] = profile.zones_parent

    # Reading -----------------------------------------------------------------------------------
    def all(self) -> list[Dataset]:
        """Every dataset, parents before children, in alphabetical order."""
        with self._lock:
            return [self._datasets[name] for name in sorted(self._datasets, key=_sort_key)]

    def get(self, name: str) -> Dataset | None:
        """The dataset of that name."""
        with self._lock:
            return self._datasets.get(name)

    def children(self, name: str) -> list[Dataset]:
        """Everything below a dataset, snapshots included, nearest first."""
        return [each for each in self.all() if each.name.startswith((f"{name}/", f"{name}@"))]

    def clones(self, name: str) -> list[Dataset]:
        """Datasets that are clones of a snapshot, or of any snapshot of a dataset or below it."""
        return [
            each
            for each in self.all()
            if each.origin == name or each.origin.startswith((f"{name}@", f"{name}/"))
        ]

    def by_mountpoint(self, path: str) -> Dataset | None:
        """The mounted dataset whose mountpoint is exactly that directory."""
        wanted = path.rstrip("/") or "/"
        with self._lock:
            for dataset in self._datasets.values():
                if dataset.mounted and self.mount_place(dataset) == wanted:
                    return dataset
        boot = self.get(f"{self._host.profile.pool}/ROOT/{self._host.profile.name}")
        return boot if wanted == "/" else None

    def source(self, dataset: Dataset, name: str) -> str:
        """Where a property's value comes from: ``local``, ``default``, ``inherited from X``."""
        if name in dataset.local:
            return "local"
        known = PROPERTIES.get(name)
        if known is None or known.inherited:
            above = self.get(dataset.parent)
            while above is not None:
                if name in above.local:
                    return f"inherited from {above.name}"
                above = self.get(above.parent)
        return "default"

    def value(self, dataset: Dataset, name: str) -> str:
        """Value of a settable or user property, inherited where it may be; ``-`` when there is none."""
        if name in dataset.local:
            return dataset.local[name]
        known = PROPERTIES.get(name)
        if name == "mountpoint":
            return self._inherited_mountpoint(dataset)
        source = self.source(dataset, name)
        if source.startswith("inherited"):
            above = self.get(source.removeprefix("inherited from "))
            assert above is not None
            return above.local[name]
        return known.default if known else "-"

    def _inherited_mountpoint(self, dataset: Dataset) -> str:
        below = ""
        above: Dataset | None = dataset
        while above is not None and "mountpoint" not in above.local:
            below = f"/{above.name.rpartition('/')[2]}{below}"
            above = self.get(above.parent)
        base = above.local["mountpoint"] if above is not None else ""
        return base if base in ("none", "legacy") else base.rstrip("/") + below

    def mount_place(self, dataset: Dataset) -> str | None:
        """Where a file system is to be mounted; None when it is not."""
        if dataset.type != "filesystem" or self.value(dataset, "zoned") == "on":
            return None
        place = self.value(dataset, "mountpoint")
        if place in ("none", "legacy") or self.value(dataset, "canmount") == "off":
            return None
        return place

    def home(self, dataset: Dataset) -> Path:
        """Where the files of a file system are, seen from outside."""
        if self.mount_place(dataset) is not None:
            return self._directory(dataset)
        return self._host.root / FILESYSTEMS / dataset.name.replace("/", "%")

    # Changing ----------------------------------------------------------------------------------
    def create(
        self,
        name: str,
        properties: Mapping[str, str] | None = None,
        parents: bool = False,
        *,
        size: int = 0,
        block: int = VOLUME_BLOCK,
    ) -> Dataset:
        """Create and mount a file system, or a volume when a size is given.

        Raises:
            DatasetError: see zfs(8) create.
        """
        with self._lock:
            failed = f"cannot create '{name}': "
            self._check_name(name, failed)
            if "@" in name:
                raise DatasetError(failed + "snapshot delimiter '@' is not expected here")
            local = dict(properties or {})
            self._check_properties(local, failed)
            if name in self._datasets:
                if parents:
                    return self._datasets[name]
                raise DatasetError(failed + "dataset already exists")
            parent = self.get(name.rpartition("/")[0])
            if parent is None:
                if name.partition("/")[0] != self._host.profile.pool:
                    raise DatasetError(f"{failed}no such pool '{name.partition('/')[0]}'")
                if not parents:
                    raise DatasetError(failed + "parent does not exist")
                parent = self.create(name.rpartition("/")[0], {}, True)
            if parent.type != "filesystem":
                raise DatasetError(failed + "parent is not a filesystem")
            if block.bit_count() != 1 or not 512 <= block <= 131072:
                raise DatasetError(failed + "'volblocksize' must be power of 2 from 512B to 128KB")
            kind = "volume" if size else "filesystem"
            dataset = Dataset(name, kind, local=local, size=size, block=block)
            self._datasets[name] = dataset
            if kind == "volume":
                self._show_volume(dataset)
            elif self.value(dataset, "canmount") == "on":
                self._mount(dataset)
            self._save()
            return dataset

    def clone(self, snapshot: str, name: str, properties: Mapping[str, str] | None = None) -> Dataset:
        """Make a file system or a volume that begins as a snapshot is.

        Raises:
            DatasetError: see zfs(8) clone.
        """
        with self._lock:
            found = self.require(snapshot)
            if found.type != "snapshot":
                raise DatasetError(f"cannot open '{snapshot}': {WRONG_TYPE}")
            of = self.require(found.parent)
            made = self.create(name, properties, size=of.size, block=of.block)
            made.origin = snapshot
            saved = self._saved(snapshot)
            if made.type == "volume":
                _copy(saved / "volume", self._volume(name))
            else:
                home = self.home(made)
                home.mkdir(parents=True, exist_ok=True)
                _copy(f"{saved}/files/.", home)
            self._save()
            return made

    def promote(self, name: str) -> None:
        """Let a clone and the file system that it was made from change places.

        Raises:
            DatasetError: it is no clone.
        """
        with self._lock:
            clone = self.require(name)
            if not clone.origin:
                raise DatasetError(f"cannot promote '{name}': not a cloned filesystem")
            shared = self.require(clone.origin)
            parent = self.require(shared.parent)
            moved = [each for each in self._snapshots(parent.name) if each.order <= shared.order]
            taken = [each.name for each in moved if f"{name}@{each.tag}" in self._datasets]
            if taken:
                raise DatasetError(
                    f"cannot promote '{name}': snapshot name '{taken[0]}' from origin conflicts"
                )
            clone.origin, parent.origin = parent.origin, f"{name}@{shared.tag}"
            for each in moved:
                self._rename_snapshot(each, f"{name}@{each.tag}")
            self._save()

    def rollback(self, name: str) -> None:
        """Make a file system or a volume again what it was at its latest snapshot.

        Raises:
            DatasetError: there are later snapshots.
        """
        with self._lock:
            snapshot = self.require(name)
            later = [each.name for each in self.later(snapshot)]
            if later:
                listed = "\n".join(later)
                raise DatasetError(
                    f"cannot rollback to '{name}': more recent snapshots or bookmarks exist\n"
                    f"use '-r' to force deletion of the following snapshots and bookmarks:\n{listed}"
                )
            dataset = self.require(snapshot.parent)
            if dataset.type == "volume":
                _copy(self._saved(name) / "volume", self._volume(dataset.name))
                return
            home = self.home(dataset)
            kept = self._mountpoints_below(dataset)
            for entry in home.iterdir() if home.exists() else ():
                if not any(entry == place or entry in place.parents for place in kept):
                    shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
            _copy(f"{self._saved(name)}/files/.", home)

    def _mountpoints_below(self, dataset: Dataset) -> list[Path]:
        """The directories among a file system's files where others are mounted."""
        own = self.value(dataset, "mountpoint")
        places = [self.value(each, "mountpoint") for each in self.all() if each.type == "filesystem"]
        below = [place.removeprefix(f"{own}/") for place in places if place.startswith(f"{own}/")]
        return [self.home(dataset) / place for place in below]

    def later(self, snapshot: Dataset) -> list[Dataset]:
        """The snapshots of the same dataset that were taken after one."""
        return [each for each in self._snapshots(snapshot.parent) if each.order > snapshot.order]

    def _snapshots(self, name: str) -> list[Dataset]:
        """The snapshots of one dataset."""
        return [each for each in self.all() if each.type == "snapshot" and each.parent == name]

    def _saved(self, snapshot: str) -> Path:
        """Where the contents of a snapshot are kept: ``files`` or ``volume``."""
        return self._host.root / SNAPSHOTS / self.require(snapshot).contents

    def _rename_snapshot(self, snapshot: Dataset, new: str) -> None:
        old = snapshot.name
        del self._datasets[old]
        snapshot.name = new
        self._datasets[new] = snapshot
        for each in self._datasets.values():
            if each.origin == old:
                each.origin = new

    def destroy(self, name: str, recursive: bool = False, *, dependents: bool = False) -> None:
        """Unmount and remove a dataset.

        Args:
            name: which.
            recursive: all that is below it, too.
            dependents: and every clone of it, wherever that is.

        Raises:
            DatasetError: see zfs(8) destroy.
        """
        with self._lock:
            if name not in self._datasets:
                what = "could not find any snapshots to destroy; check snapshot names."
                raise DatasetError(what if "@" in name else f"cannot open '{name}': dataset does not exist")
            below = self.children(name)
            clones = self._dependents(name, below)
            if name == self._host.profile.pool:
                raise DatasetError(
                    f"cannot destroy '{name}': operation does not apply to pools\n"
                    f"use 'zfs destroy -r {name}' to destroy all datasets in the pool\n"
                    f"use 'zpool destroy {name}' to destroy the pool itself"
                )
            if below and not recursive:
                listed = "\n".join(dataset.name for dataset in below)
                raise DatasetError(
                    f"cannot destroy '{name}': filesystem has children\n"
                    f"use '-r' to destroy the following datasets:\n{listed}"
                )
            if clones and not dependents:
                kind = "snapshot" if "@" in name else "filesystem"
                listed = "\n".join(dataset.name for dataset in clones)
                raise DatasetError(
                    f"cannot destroy '{name}': {kind} has dependent clones\n"
                    f"use '-R' to destroy the following datasets:\n{listed}"
                )
            doomed = [*reversed(clones), *reversed(below), self._datasets[name]]
            for dataset in doomed:
                self._unmount(dataset)
            for dataset in doomed:
                if dataset.type == "filesystem":
                    self._remove_files(dataset)
                if dataset.type == "volume":
                    self._hide_volume(dataset.name)
                    self._volume(dataset.name).unlink(missing_ok=True)
                if dataset.type == "snapshot":
                    shutil.rmtree(self._saved(dataset.name), ignore_errors=True)
                    self._host.runtime.forget_zone_root(dataset.contents)
                del self._datasets[dataset.name]
            self._save()

    def _dependents(self, name: str, below: Sequence[Dataset]) -> list[Dataset]:
        """Clones of what is to go, and what is below them, that are not to go themselves."""
        doomed = {name, *(each.name for each in below)}
        found: dict[str, Dataset] = {}
        waiting = [name]
        while waiting:
            for clone in self.clones(waiting.pop()):
                for each in (clone, *self.children(clone.name)):
                    if each.name not in doomed and each.name not in found:
                        found[each.name] = each
                        waiting.append(each.name)
        return list(found.values())

    def set(self, name: str, properties: Mapping[str, str]) -> None:
        """Set properties of a dataset.

        Raises:
            DatasetError: no such dataset, or a wrong property or value.
        """
        with self._lock:
            dataset = self.require(name)
            local = dict(properties)
            size = local.pop("volsize", None)
            failed = f"cannot set property for '{name}': "
            self._check_properties(local, failed)
            if size is not None:
                self._resize(dataset, size, failed)
            self._change(dataset, lambda: dataset.local.update(local))

    def _resize(self, dataset: Dataset, text: str, failed: str) -> None:
        if dataset.type != "volume":
            raise DatasetError(failed + "'volsize' does not apply to datasets of this type")
        size = parse_size(text)
        if size is None:
            raise DatasetError(f"{failed}bad numeric value '{text}'")
        if not size or size % dataset.block:
            block = nice_size(dataset.block)
            raise DatasetError(f"{failed}'volsize' must be a multiple of volume block size ({block})")
        dataset.size = size
        self._show_volume(dataset)

    def inherit(self, name: str, prop: str) -> None:
        """Forget the local value of a property.

        Raises:
            DatasetError: no such dataset.
        """
        with self._lock:
            dataset = self.require(name)
            self._change(dataset, lambda: dataset.local.pop(prop, None))

    def snapshot(self, name: str, recursive: bool = False) -> None:
        """Take a snapshot ``DATASET@NAME``.

        Raises:
            DatasetError: see zfs(8) snapshot.
        """
        with self._lock:
            of, _, tag = name.partition("@")
            failed = f"cannot create snapshot '{name}': "
            if not _SNAPSHOT.fullmatch(tag):
                raise DatasetError(failed + "invalid character in name")
            dataset = self.require(of)
            every = [dataset]
            if recursive:
                every += [each for each in self.children(of) if each.type != "snapshot"]
            names = [f"{each.name}@{tag}" for each in every]
            taken = next((each for each in names if each in self._datasets), None)
            if taken is not None:
                raise DatasetError(f"cannot create snapshot '{taken}': dataset already exists")
            for each in names:
                number = 1 + max((known.order for known in self._datasets.values()), default=0)
                self._datasets[each] = Dataset(each, "snapshot", order=number, contents=uuid4().hex)
                self._keep(self._datasets[each])
            self._save()

    def _keep(self, snapshot: Dataset) -> None:
        """Copy the contents of a dataset, without those of datasets below it."""
        dataset = self._datasets[snapshot.parent]
        saved = self._saved(snapshot.name)
        saved.mkdir(parents=True)
        if dataset.type == "volume":
            _copy(self._volume(dataset.name), saved / "volume")
            return
        home, files = self.home(dataset), saved / "files"
        files.mkdir()
        if home == self._host.root or not home.exists():
            return
        _copy(f"{home}/.", files)
        for place in self._mountpoints_below(dataset):
            shutil.rmtree(files / place.relative_to(home), ignore_errors=True)
        self._host.runtime.save_zone_root(self.value(dataset, "mountpoint"), snapshot.contents)

    def rename(self, old: str, new: str) -> None:
        """Rename a dataset and all that is below it, with their files.

        Raises:
            DatasetError: see zfs(8) rename.
        """
        with self._lock:
            self.require(old)
            failed = f"cannot rename '{old}': "
            if new in self._datasets:
                raise DatasetError(f"cannot rename to '{new}': dataset already exists")
            self._check_name(new, f"cannot rename to '{new}': ")
            above = new.partition("@")[0] if "@" in new else new.rpartition("/")[0]
            if self.get(above) is None:
                raise DatasetError(failed + "parent does not exist")
            moved = [self._datasets[old], *self.children(old)]
            with self._moving(moved):
                for each in moved:
                    self._rename_one(each, new + each.name[len(old) :])
            self._save()

    def _rename_one(self, dataset: Dataset, new: str) -> None:
        if dataset.type == "snapshot":
            self._rename_snapshot(dataset, new)
            return
        if dataset.type == "volume":
            self._hide_volume(dataset.name)
            self._volume(dataset.name).rename(self._volume(new))
        del self._datasets[dataset.name]
        dataset.name = new
        self._datasets[new] = dataset
        if dataset.type == "volume":
            self._show_volume(dataset)

    def mount(self, name: str) -> None:
        """Mount a file system.

        Raises:
            DatasetError: it cannot be, or is already.
        """
        with self._lock:
            dataset = self.require(name)
            failed = f"cannot mount '{name}': "
            if dataset.type != "filesystem":
                raise DatasetError(f"cannot open '{name}': {WRONG_TYPE}")
            if dataset.mounted:
                raise DatasetError(failed + "filesystem already mounted")
            place = self.value(dataset, "mountpoint")
            if place == "legacy":
                raise DatasetError(failed + "legacy mountpoint\nuse mount(8) to mount this filesystem")
            if place == "none":
                raise DatasetError(failed + "no mountpoint set")
            if self.value(dataset, "canmount") == "off":
                raise DatasetError(failed + "'canmount' property is set to 'off'")
            self._mount(dataset)
            self._show_mounts()

    def unmount(self, name: str) -> None:
        """Unmount a file system, named by itself or by its mountpoint.

        Raises:
            DatasetError: it is not mounted.
        """
        with self._lock:
            found = self.by_mountpoint(name) if name.startswith("/") else self.require(name)
            if found is None or not found.mounted:
                raise DatasetError(f"cannot unmount '{name}': not currently mounted")
            self._unmount(found)
            self._show_mounts()

    def require(self, name: str) -> Dataset:
        """The dataset of that name.

        Raises:
            DatasetError: there is none.
        """
        dataset = self.get(name)
        if dataset is None:
            raise DatasetError(f"cannot open '{name}': dataset does not exist")
        return dataset

    def _change(self, dataset: Dataset, change: Callable[[], object]) -> None:
        """Change properties, and let the mounted file systems below follow their mountpoints."""
        with self._moving([dataset, *self.children(dataset.name)]):
            change()
        self._save()

    @contextlib.contextmanager
    def _moving(self, datasets: Sequence[Dataset]) -> Iterator[None]:
        """Let the files of datasets, which come after those above them, follow their mountpoints.

        What is in the way of a file system leaves it unmounted.
        """
        filesystems = [each for each in datasets if each.type == "filesystem"]
        before = {id(each): (self.home(each), self.mount_place(each)) for each in filesystems}
        yield
        moving = [each for each in filesystems if self.home(each) != before[id(each)][0]]
        aside = self._host.root / FILESYSTEMS / ".moving"
        for number, each in reversed(list(enumerate(moving))):
            _move(before[id(each)][0], aside / str(number))
        for number, each in enumerate(moving):
            place, home = self.mount_place(each), self.home(each)
            if place is None or before[id(each)][1] is None:
                each.mounted = False
            if not _move(aside / str(number), home):
                each.mounted = False
        shutil.rmtree(aside, ignore_errors=True)

    def _check_name(self, name: str, failed: str) -> None:
        if "@" in name:
            if not _SNAPSHOT.fullmatch(name.partition("@")[2]):
                raise DatasetError(failed + "invalid character in name")
            return
        if name.startswith("/"):
            raise DatasetError(failed + "leading slash in name")
        if name.endswith("/"):
            raise DatasetError(failed + "trailing slash in name")
        for component in name.split("/"):
            if not component:
                raise DatasetError(failed + "empty component in name")
            bad = next((each for each in component if not _COMPONENT.fullmatch("a" + each)), None)
            if bad is not None:
                raise DatasetError(f"{failed}invalid character '{bad}' in name")
        if len(name) >= 256:
            raise DatasetError(failed + "name is too long")

    def _check_properties(self, properties: Mapping[str, str], failed: str) -> None:
        for name, value in properties.items():
            if ":" in name:
                continue
            if name in READ_ONLY:
                raise DatasetError(f"{failed}'{name}' is readonly")
            known = PROPERTIES.get(name)
            if known is None:
                raise DatasetError(f"{failed}invalid property '{name}'")
            if name == "mountpoint" and not _is_mountpoint(value):
                raise DatasetError(f"{failed}'{name}' must be an absolute path, 'none', or 'legacy'")
            if known.size and not known.valid(value):
                raise DatasetError(f"{failed}bad numeric value '{value}'")
            if not known.valid(value):
                raise DatasetError(f"{failed}'{name}' must be one of '{known.values}'")

    # Files -------------------------------------------------------------------------------------
    def _directory(self, dataset: Dataset) -> Path:
        return self._host.root / self.value(dataset, "mountpoint").lstrip("/")

    def _mount(self, dataset: Dataset) -> None:
        zoned = self.value(dataset, "zoned") == "on"
        if self.mount_place(dataset) is None and not (zoned and self.zone_place(dataset)):
            return
        self.home(dataset).mkdir(parents=True, exist_ok=True)
        dataset.mounted = True

    def zone_place(self, dataset: Dataset) -> str:
        """Where a zone mounts a file system that is its own; empty when it does not."""
        place = self.value(dataset, "mountpoint")
        return place if dataset.type == "filesystem" and place.startswith("/") else ""

    def _unmount(self, dataset: Dataset) -> None:
        place = self.mount_place(dataset)
        if place is None or not dataset.mounted:
            dataset.mounted = False
            return
        directory = self._directory(dataset)
        if directory != self._host.root and _has_mounts(directory):
            raise DatasetError(f"cannot unmount '{place}': Device busy")
        dataset.mounted = False

    def _remove_files(self, dataset: Dataset) -> None:
        home = self.home(dataset)
        if home != self._host.root:
            shutil.rmtree(home, ignore_errors=True)

    def _volume(self, name: str) -> Path:
        return self._host.root / VOLUMES / name.replace("/", "%")

    def _show_volume(self, dataset: Dataset) -> None:
        """Make a volume's contents as long as it is, and let its devices lead to them."""
        contents = self._volume(dataset.name)
        contents.parent.mkdir(parents=True, exist_ok=True)
        with contents.open("ab") as file:
            file.truncate(dataset.size)
        for directory in DEVICES:
            device = self._host.root / directory / dataset.name
            device.parent.mkdir(parents=True, exist_ok=True)
            device.unlink(missing_ok=True)
            # Followed from inside the host as from outside.
            device.symlink_to(os.path.relpath(contents, device.parent))

    def _hide_volume(self, name: str) -> None:
        for directory in DEVICES:
            (self._host.root / directory / name).unlink(missing_ok=True)

    def _show_mounts(self) -> None:
        """Write mnttab(5): the root first, then what the system has, then what was mounted later."""
        mounted = [
            (place, dataset)
            for dataset in self.all()
            if (place := self.mount_place(dataset)) is not None and (dataset.mounted or place == "/")
        ]
        own = [
            (dataset.name, place, "zfs", _ZFS_MOUNT.format(_ZFS_DEVICE + number), dataset.created)
            for number, (place, dataset) in enumerate(sorted(mounted, key=lambda each: each[0] != "/"))
        ]
        first = 1 if self._host.profile.boots_from_pool else 0
        since = min(dataset.created for dataset in self.all())
        system = [(*entry, since) for entry in _SYSTEM_MOUNTS]
        lines = ("\t".join(map(str, entry)) for entry in (*own[:first], *system, *own[first:]))
        replace_file(self._host.root / MOUNTS, "".join(f"{line}\n" for line in lines))

    def _save(self) -> None:
        self._show_mounts()
        items = [
            {
                "name": each.name,
                "type": each.type,
                "created": each.created,
                "local": each.local,
                "size": each.size,
                "block": each.block,
                "origin": each.origin,
                "order": each.order,
                "contents": each.contents,
            }
            for each in self.all()
        ]
        replace_file(self._host.root / PLACE, json.dumps(items, indent=1) + "\n")


def _copy(source: Path | str, target: Path) -> None:
    """Copy a file, or with ``/.`` at the end what is in a directory; what is mounted there stays out."""
    subprocess.run(["cp", "-ax", source, target], check=True)


def _move(source: Path, target: Path) -> bool:
    """Move a directory, where there is one, to a place that is free; False when that is taken."""
    if not source.exists():
        target.mkdir(parents=True, exist_ok=True)
        return True
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        if any(target.iterdir()):
            return False
        target.rmdir()
    shutil.move(source, target)
    return True


def _sort_key(name: str) -> tuple[list[str], str]:
    base, _, snapshot = name.partition("@")
    return base.split("/"), snapshot


def _has_mounts(directory: Path) -> bool:
    """Something is mounted on or below a directory."""
    wanted = str(directory)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place = line.split()[4].encode().decode("unicode_escape")
        if place == wanted or place.startswith(wanted + "/"):
            return True
    return False
