"""What zoneadmd(8) mounts into a zone: its fs resources, delegated datasets, and devices."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from illumos_lab.image import SPARSE_BRANDS
from illumos_lab.zone_states import GLOBAL, ActiveZone, ZoneadmdError
from illumos_lab.zonecfg.model import Filesystem

if TYPE_CHECKING:
    from illumos_lab.datasets import Dataset
    from illumos_lab.host import Host

# Directories of a sparse zone's image, which come with its root.
_IMAGE_DIRECTORIES = ("/usr", "/sbin", "/platform", "/lib")


def mount_filesystems(host: Host, active: ActiveZone) -> None:
    """Mount fs resources in the order of their directories, then the datasets that are delegated.

    Raises:
        ZoneadmdError: one cannot be mounted; those before it are.
    """
    sparse = host.zones.store.brand_of(active.configuration) in SPARSE_BRANDS
    for filesystem in sorted(active.configuration.filesystems(), key=lambda each: each.dir):
        if sparse and filesystem.dir in _IMAGE_DIRECTORIES:
            continue
        source = _source(host, filesystem)
        read_only = "ro" in filesystem.options
        _mount(host, active, source, filesystem.dir, filesystem.special, read_only)
    for name in active.configuration.datasets():
        _delegate(host, active, name)


def _source(host: Host, filesystem: Filesystem) -> Path | None:
    match filesystem.type:
        case "lofs":
            return host.path(GLOBAL, filesystem.special)
        case "tmpfs":
            return None
        case "zfs":
            dataset = host.datasets.get(filesystem.special)
            if dataset is None:
                raise ZoneadmdError(f"cannot mount {filesystem.special}: dataset does not exist")
            home = host.datasets.home(dataset)
            home.mkdir(parents=True, exist_ok=True)
            return home
        case kind:
            raise ZoneadmdError(f"fs resources of type {kind} are not emulated by illumos-lab")


def _delegate(host: Host, active: ActiveZone, name: str) -> None:
    """From now on the dataset is the zone's to administer, and mounted there with what is below it."""
    dataset = host.datasets.get(name)
    if dataset is None:
        raise ZoneadmdError(f"unable to open dataset '{name}': dataset does not exist")
    if host.datasets.value(dataset, "zoned") != "on":
        host.datasets.set(name, {"zoned": "on"})
    for each in delegated(host, active):
        each.mounted = host.datasets.value(each, "canmount") == "on"
    follow_datasets(host, active)


def delegated(host: Host, active: ActiveZone) -> list[Dataset]:
    """The file systems that a zone administers, those above first."""
    names = active.configuration.datasets()
    return [
        each
        for each in host.datasets.all()
        if each.type == "filesystem" and any(f"{each.name}/".startswith(f"{name}/") for name in names)
    ]


def follow_datasets(host: Host, active: ActiveZone) -> None:
    """Let the mounts of a zone follow what has become of its own datasets.

    Raises:
        ZoneadmdError: one cannot be mounted.
    """
    wanted = {
        each.name: host.path(active.name, place)
        for each in delegated(host, active)
        if each.mounted and (place := host.datasets.zone_place(each))
    }
    for name, target in reversed(list(active.datasets.items())):
        if wanted.get(name) != target:
            with contextlib.suppress(OSError):
                host.runtime.unmount(target)
            active.mounts.remove(target)
            del active.datasets[name]
    for name, target in wanted.items():
        if name not in active.datasets:
            dataset = host.datasets.require(name)
            home = host.datasets.home(dataset)
            home.mkdir(parents=True, exist_ok=True)
            read_only = host.datasets.value(dataset, "readonly") == "on"
            _mount(host, active, home, host.datasets.zone_place(dataset), name, read_only)
            active.datasets[name] = target


def _mount(
    host: Host, active: ActiveZone, source: Path | None, directory: str, special: str, read_only: bool
) -> None:
    target = host.path(active.name, directory)
    try:
        if target.resolve() != target.absolute():
            raise ZoneadmdError(f"{directory}: symbolic links are not allowed in a mount point.")
        if source is not None and source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        else:
            target.mkdir(parents=True, exist_ok=True)
        host.runtime.mount(source, target, read_only=read_only)
    except OSError as error:
        raise ZoneadmdError(f"cannot mount {special} on {directory}: {error.strerror}") from error
    active.mounts.append(target)


def add_devices(host: Host, active: ActiveZone) -> None:
    """Show the global zone's devices that device resources match in the zone's /dev."""
    for element in active.configuration.resources("device"):
        pattern = element.get("match").lstrip("/")
        for source in sorted(host.root.glob(pattern)):
            target = host.zone_root(active.name) / source.relative_to(host.root)
            if source.is_dir() or target.exists():
                continue
            with contextlib.suppress(OSError):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch()
                host.runtime.mount(source, target)
                active.mounts.append(target)


def unmount_all(host: Host, active: ActiveZone) -> None:
    """Undo it all, the last mount first."""
    for target in reversed(active.mounts):
        # What was below another mount has gone with that.
        with contextlib.suppress(OSError):
            host.runtime.unmount(target)
    active.mounts.clear()
    for name in active.datasets:
        dataset = host.datasets.get(name)
        if dataset is not None:
            dataset.mounted = False
    active.datasets.clear()
