"""What a zone has of the host's file systems, datasets and devices."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from pulumi_illumos_provider.model.base import Change, Faults, Properties, prop
from pulumi_illumos_provider.model.values import AbsolutePath, zonecfg_fault

_DATASET = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*(?:/[A-Za-z0-9_.:-]+)+")
_REFUSED_TYPES = ("proc", "mntfs", "autofs", "nfs")


def _dataset_name(value: Any) -> str:
    if not isinstance(value, str) or not _DATASET.fullmatch(value):
        raise ValueError(
            f"{value!r} is not the name of a dataset below a pool: write rpool/data/web, "
            "without a leading slash"
        )
    return value


def _option(value: Any) -> str:
    if not isinstance(value, str) or not value or re.search(r"[\s,]", value):
        raise ValueError(f"{value!r} is not a mount option: write one of them, such as ro")
    if fault := zonecfg_fault(value):
        raise ValueError(fault)
    return value


def _device(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/dev/"):
        raise ValueError(
            f"{value!r} is not a path or pattern below /dev, such as /dev/zvol/rdsk/rpool/disk0"
        )
    if fault := zonecfg_fault(value):
        raise ValueError(fault)
    return value


_TEXT = WithJsonSchema({"type": "string"})
DatasetName = Annotated[str, BeforeValidator(_dataset_name), _TEXT]
MountOption = Annotated[str, BeforeValidator(_option), _TEXT]
DevicePattern = Annotated[str, BeforeValidator(_device), _TEXT]


class FileSystem(Properties):
    """A file system that is mounted in the zone when it boots (zonecfg `fs`)."""

    dir: AbsolutePath = prop("Where it is mounted in the zone.", change=Change.REBOOT)
    special: str = prop(
        "What is mounted: a directory of the host for `lofs`, a dataset for `zfs`, a device for others.",
        change=Change.REBOOT,
        min_length=1,
    )
    type: str = prop(
        "Type of the file system: `lofs` shares a directory of the host.",
        change=Change.REBOOT,
        default="lofs",
        pattern=r"^[A-Za-z0-9_-]{1,15}$",
    )
    options: list[MountOption] = prop(
        "Mount options, such as `ro` or `nodevices`.", change=Change.REBOOT, default=[]
    )
    raw: AbsolutePath | None = prop(
        "Raw device to check before mounting, for types that have one.",
        change=Change.REBOOT,
        default=None,
    )


class Dataset(Properties):
    """A ZFS dataset that is delegated to the zone, which administers it (zonecfg `dataset`)."""

    name: DatasetName = prop("Name of the dataset, such as `rpool/data/web`.", change=Change.REBOOT)
    create: bool = prop(
        "Whether it is made when it does not exist. One that was made goes with the zone, unless "
        "`retainData` is set.",
        change=Change.REBOOT,
        default=False,
        strict=True,
    )
    properties: dict[str, str] = prop(
        "ZFS properties of a dataset that is made, such as `quota: 10G`. Its `mountpoint`, in the zone, is "
        "its name with a leading slash unless another is given.",
        default={},
    )


class DatasetState(Properties):
    """A delegated dataset as the host has it."""

    name: str = Field(description="Name of the dataset.")
    created: bool = Field(False, description="Whether it was made for the zone, and goes with it.")
    properties: dict[str, str] = Field(
        {}, description="ZFS properties that are set on it, of a dataset that was made for the zone."
    )


class StorageInputs(Properties):
    """File systems, datasets and devices of a zone."""

    filesystems: list[FileSystem] = prop(
        "File systems that are mounted in the zone.", change=Change.REBOOT, default=[]
    )
    datasets: list[Dataset] = prop(
        "ZFS datasets that are delegated to the zone.", change=Change.REBOOT, default=[]
    )
    devices: list[DevicePattern] = prop(
        "Devices of the host that the zone has: paths or patterns.", change=Change.REBOOT, default=[]
    )

    def examine_storage(self, faults: Faults, known: bool) -> None:
        """Rules across these properties."""
        mounted: set[str] = set()
        for index, filesystem in enumerate(self.filesystems):
            path = f"filesystems[{index}]"
            if filesystem.dir in mounted:
                faults.add(f"{path}.dir", f"{filesystem.dir} has a file system already: choose another")
            mounted.add(filesystem.dir)
            if filesystem.type in _REFUSED_TYPES:
                faults.add(f"{path}.type", f"{filesystem.type} cannot be mounted in a zone from outside")
            if filesystem.type == "lofs" and not filesystem.special.startswith("/"):
                faults.add(f"{path}.special", "must be an absolute path of a directory of the host")
            if fault := zonecfg_fault(filesystem.special):
                faults.add(f"{path}.special", fault)
        for index, dataset in enumerate(self.datasets):
            if any(other.name == dataset.name for other in self.datasets[:index]):
                faults.add(f"datasets[{index}].name", f"{dataset.name} is named twice: leave one out")
            if dataset.properties and not dataset.create:
                faults.add(
                    f"datasets[{index}].properties",
                    "are set on a dataset that is made for the zone only: set create, or leave them out",
                )
            for name in dataset.properties:
                if name == "zoned" or not re.fullmatch(r"[a-z0-9]+", name):
                    faults.add(f"datasets[{index}].properties", f"{name!r} cannot be set here")
        for index, device in enumerate(self.devices):
            if device in self.devices[:index]:
                faults.add(f"devices[{index}]", f"{device} is named twice: leave one out")


class StorageState(Properties):
    """File systems, datasets and devices as the host has them."""

    filesystems: list[FileSystem] = Field([], description="File systems that are mounted in the zone.")
    datasets: list[DatasetState] = Field([], description="ZFS datasets that are delegated to the zone.")
    devices: list[str] = Field([], description="Devices of the host that the zone has.")
