"""What a zone has of the host's file systems, datasets and devices."""

from __future__ import annotations

from typing import Any, Final

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import zfs, zonecfg
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.values import parse_size
from pulumi_illumos_provider.model.zone.storage import (
    Dataset,
    DatasetState,
    FileSystem,
    StorageInputs,
    StorageState,
)
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.side import Side

_OF_THE_BRAND: Final = frozenset({"/usr", "/sbin", "/lib", "/platform"})
"""Directories that the templates of sparse zones share with the host, read-only."""

_KNOWN_OF_DEVICES: Final = frozenset({"match"})


class Storage(Side[StorageInputs, StorageState]):
    """File systems, datasets and devices."""

    inputs: type[StorageInputs] = StorageInputs
    outputs: type[StorageState] = StorageState

    def paths(self, wanted: StorageInputs) -> list[str]:
        return [fs.special for fs in wanted.filesystems if fs.type == "lofs"]

    def plan(self, wanted: StorageInputs, job: Job) -> None:
        _filesystems(job, wanted.filesystems)
        _datasets(job, wanted.datasets)
        devices = job.config.of_kind("device")
        _have(
            job,
            "devices",
            "device",
            [
                zonecfg.keeping(zonecfg.Resource("device", {"match": match}), devices, _KNOWN_OF_DEVICES)
                for match in wanted.devices
            ],
            devices,
        )

    def removal(self, name: str, zone: ZoneSeen | None, now: Snapshot, state: StorageState) -> list[Step]:
        if getattr(state, "retain_data", False):
            return []
        delegated = {dataset.name for dataset in state.datasets} | {
            resource.key for resource in (zone.config.of_kind("dataset") if zone else [])
        }
        return [
            Step(
                f"destroying dataset {dataset.name} of zone {name}",
                zfs.destroy(dataset.name),
                done=zfs.absent(dataset.name),
                attempts=5,
                remedy="see what uses it with zfs list -t all -r, and zfs get origin for clones of it",
            )
            for dataset in now.datasets.values()
            if dataset.owner == name and dataset.name in delegated
        ]

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        config = zone.config
        return {
            "filesystems": [_read_filesystem(r) for r in config.of_kind("fs") if not _implied(r)],
            "datasets": [_read_dataset(r.key, zone, now) for r in config.of_kind("dataset")],
            "devices": [resource.key for resource in config.of_kind("device")],
        }

    def satisfied(self, field: str, wanted: StorageInputs, state: StorageState) -> bool:
        value, has = getattr(wanted, field), getattr(state, field)
        match field:
            case "filesystems":
                return {fs.dir: _meaning(fs) for fs in value} == {fs.dir: _meaning(fs) for fs in has}
            case "datasets":
                found = {dataset.name: dataset for dataset in has}
                return {d.name for d in value} == set(found) and all(
                    _properties_hold(dataset, found[dataset.name].properties)
                    for dataset in value
                    if found[dataset.name].created
                )
            case _:
                return set(value) == set(has)

    def spell(self, state: StorageState) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        if state.filesystems:
            spelled["filesystems"] = [_spell_filesystem(fs) for fs in state.filesystems]
        if state.datasets:
            spelled["datasets"] = [_spell_dataset(dataset) for dataset in state.datasets]
        if state.devices:
            spelled["devices"] = list(state.devices)
        return spelled


def _have(
    job: Job,
    name: str,
    kind: str,
    wanted: list[zonecfg.Resource],
    present: list[zonecfg.Resource],
) -> None:
    """Have exactly these resources of a kind; the present ones are those that are ours to change."""
    for resource in present:
        job.want(kind, resource.key)
    for resource in wanted:
        job.want(kind, resource.key, resource)
    same = len(wanted) == len(present) and all(
        any(zonecfg.same(resource, other) for other in present) for resource in wanted
    )
    if job.zone is not None and not same:
        job.reboot_for(name)


# File systems ------------------------------------------------------------------------------------


def _filesystems(job: Job, wanted: list[FileSystem]) -> None:
    present = [r for r in job.config.of_kind("fs") if not _implied(r)]
    for index, filesystem in enumerate(wanted):
        what = job.now.paths.get(filesystem.special)
        if filesystem.type == "lofs" and what is None:
            raise Refused(
                f"there is no directory {filesystem.special} on the host: make it, or name another",
                f"filesystems[{index}].special",
            )
        if filesystem.type == "zfs" and filesystem.special not in job.now.datasets:
            raise Refused(
                f"there is no dataset {filesystem.special} on the host: make it, or name another",
                f"filesystems[{index}].special",
            )
    _have(job, "filesystems", "fs", [_fs(fs, present) for fs in wanted], present)


def _implied(resource: zonecfg.Resource) -> bool:
    """Whether a file system comes with the brand's template."""
    options = [text for name, text in resource.lists if name == "options"]
    return resource.key in _OF_THE_BRAND and resource.values.get("type") == "lofs" and "ro" in options


def _fs(filesystem: FileSystem, present: list[zonecfg.Resource]) -> zonecfg.Resource:
    """A file system as a resource; the present one where it means the same."""
    old = next((r for r in present if r.key == filesystem.dir), None)
    if old is not None and _meaning(_read_filesystem(old)) == _meaning(filesystem):
        return old
    values = {"dir": filesystem.dir, "special": filesystem.special, "type": filesystem.type}
    if filesystem.raw is not None:
        values["raw"] = filesystem.raw
    return zonecfg.Resource("fs", values, tuple(("options", option) for option in filesystem.options))


def _meaning(filesystem: FileSystem) -> tuple[object, ...]:
    # The order of mount options counts only where they contradict each other.
    return (
        filesystem.special,
        filesystem.type,
        filesystem.raw,
        frozenset(filesystem.options),
    )


def _read_filesystem(resource: zonecfg.Resource) -> FileSystem:
    # Not validated: a host may have what we would not write.
    return FileSystem.model_construct(
        dir=resource.key,
        special=resource.values.get("special", ""),
        type=resource.values.get("type", "lofs"),
        raw=resource.values.get("raw"),
        options=[text for name, text in resource.lists if name == "options"],
    )


def _spell_filesystem(filesystem: FileSystem) -> dict[str, Any]:
    spelled: dict[str, Any] = {"dir": filesystem.dir, "special": filesystem.special}
    if filesystem.type != "lofs":
        spelled["type"] = filesystem.type
    if filesystem.options:
        spelled["options"] = list(filesystem.options)
    if filesystem.raw is not None:
        spelled["raw"] = filesystem.raw
    return spelled


# Datasets ----------------------------------------------------------------------------------------


def _datasets(job: Job, wanted: list[Dataset]) -> None:
    for index, dataset in enumerate(wanted):
        _dataset_steps(job, dataset, f"datasets[{index}]")
    present = job.config.of_kind("dataset")
    resources = [zonecfg.Resource("dataset", {"name": dataset.name}) for dataset in wanted]
    _have(job, "datasets", "dataset", resources, present)


def _dataset_steps(job: Job, dataset: Dataset, path: str) -> None:
    """Make a dataset where that was asked, and set the properties of one that was made."""
    found = job.now.datasets.get(dataset.name)
    for other in job.now.zones.values():
        if other.name != job.name and other.config.resource("dataset", dataset.name):
            raise Refused(f"dataset {dataset.name} is delegated to zone {other.name}", f"{path}.name")
    if found is not None:
        if found.owner == job.name:
            _set_properties(job, dataset, found)
        return
    if not dataset.create:
        raise Refused(
            f"there is no dataset {dataset.name} on the host: set create, or make it with zfs create",
            f"{path}.name",
        )
    parent = dataset.name.rsplit("/", 1)[0]
    if parent not in job.now.datasets and "/" in parent:
        raise Refused(
            f"there is no dataset {parent} on the host to make {dataset.name} in: make it with zfs create",
            f"{path}.name",
        )
    job.before.append(
        Step(
            f"creating dataset {dataset.name} for zone {job.name}",
            # zoneadm refuses to delegate a dataset that inherits its mountpoint.
            zfs.create(dataset.name, job.name, {"mountpoint": f"/{dataset.name}", **dataset.properties}),
            done=zfs.exists(dataset.name),
        )
    )


def _set_properties(job: Job, dataset: Dataset, found: zfs.Dataset) -> None:
    for key, value in dataset.properties.items():
        if not _equal(value, found.properties.get(key)):
            job.before.append(
                Step(f"setting {key} of dataset {dataset.name}", zfs.set_property(dataset.name, key, value))
            )


def _properties_hold(dataset: Dataset, has: dict[str, str]) -> bool:
    return all(_equal(value, has.get(key)) for key, value in dataset.properties.items())


def _equal(wanted: str, has: str | None) -> bool:
    """Whether a ZFS property has a value: sizes are listed in bytes, and ``none`` as 0."""
    if has is None or wanted == has:
        return wanted == has
    if wanted == "none":
        return has == "0"
    try:
        return parse_size(wanted) == parse_size(has)
    except ValueError:
        return False


def _read_dataset(name: str, zone: ZoneSeen, now: Snapshot) -> DatasetState:
    found = now.datasets.get(name)
    if found is None or found.owner != zone.name:
        return DatasetState(name=name, created=False, properties={})
    properties = {
        key: value
        for key, value in found.properties.items()
        if ":" not in key and key != "zoned" and (key, value) != ("mountpoint", f"/{name}")
    }
    return DatasetState(name=name, created=True, properties=properties)


def _spell_dataset(dataset: DatasetState) -> dict[str, Any]:
    spelled: dict[str, Any] = {"name": dataset.name}
    if dataset.created:
        spelled["create"] = True
        if dataset.properties:
            spelled["properties"] = dict(dataset.properties)
    return spelled
