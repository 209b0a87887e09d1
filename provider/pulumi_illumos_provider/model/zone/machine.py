"""What is set up for guests that are no illumos: virtual machines, Linux, Solaris 10."""

from __future__ import annotations

import enum
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from pulumi_illumos_provider.model.base import Change, Faults, Properties, Self, all_known, prop
from pulumi_illumos_provider.model.common import ENUM_VALUES
from pulumi_illumos_provider.model.values import AbsolutePath, Size

MEBIBYTE = 1024**2

_CPUS = re.compile(
    r"[1-9][0-9]?|(cpus|sockets|cores|threads)=[1-9][0-9]*(,(cpus|sockets|cores|threads)=[1-9][0-9]*)*"
)
_DATASET = re.compile(r"[A-Za-z][A-Za-z0-9._:-]*(/[A-Za-z0-9][A-Za-z0-9._:-]*)+|/[A-Za-z0-9._:/-]+")
_VALUE = re.compile(r'[^"\n\r\0]{1,255}')


def _vcpus(value: Any) -> str:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not _CPUS.fullmatch(text) or (text.isdigit() and int(text) > 32):
        raise ValueError(
            f"{value!r} is not a number of virtual CPUs: write 1 to 32, or sockets=1,cores=2,threads=2"
        )
    return text


def _dataset(value: Any) -> str:
    if not isinstance(value, str) or not _DATASET.fullmatch(value):
        raise ValueError(f"{value!r} is not a dataset or a path: write rpool/vm/web, or an absolute path")
    return value


def _value(value: Any) -> str:
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise ValueError(
            f"{value!r} cannot be stored by zonecfg: it has 1 to 255 characters, no double quote and no "
            "line break"
        )
    return value


def _cloud_init(value: Any) -> str:
    text = _value(value)
    if text not in ("on", "off") and not text.startswith(("/", "http://", "https://")):
        raise ValueError(f"{value!r} is not on, off, an absolute path or the address of a web server")
    return text


Vcpus = Annotated[str, BeforeValidator(_vcpus)]
Dataset = Annotated[str, BeforeValidator(_dataset)]
Value = Annotated[str, BeforeValidator(_value)]
CloudInit = Annotated[str, BeforeValidator(_cloud_init)]


class GuestType(enum.StrEnum):
    """What kind of guest a virtual machine is made for."""

    GENERIC = "generic"
    OPENBSD = "openbsd"
    WINDOWS = "windows"


ENUM_VALUES[GuestType] = {
    "generic": "Most systems.",
    "openbsd": "OpenBSD.",
    "windows": "Microsoft Windows.",
}


class Disk(Properties):
    """A disk of a virtual machine."""

    dataset: Dataset = prop("The volume (zvol), such as `rpool/vm/web`, or the path of a device.")
    size: Size | None = prop(
        "Size of the volume: it is made when it is missing, and removed with the zone. Default: the "
        "volume must be there.",
        default=None,
    )
    image: AbsolutePath | None = prop(
        "A raw disk image of the host, written to the volume when that is made.", default=None
    )
    interface: Value | None = prop(
        "How the guest sees it: `virtio`, `ahci`, `nvme` or another device type of bhyve.", default=None
    )

    @model_validator(mode="after")
    def _makes_sense(self, info: ValidationInfo) -> Self:
        faults = Faults()
        if all_known(info):
            if self.image and self.size is None:
                faults.add("image", "needs size: it is written to a volume that is made for it")
            if self.size is not None and self.dataset.startswith("/"):
                faults.add("size", "goes with a dataset: a volume is made from its name, not from a path")
        faults.raise_if_any()
        return self


class Machine(Properties):
    """A virtual machine."""

    ram: Size | None = prop(
        "Memory of the guest; the cap `memory` of the zone must leave room for more than that. "
        "Default: the brand's, 1G.",
        default=None,
    )
    vcpus: Vcpus | None = prop(
        "Virtual CPUs: a number, or `sockets=1,cores=2,threads=2`. Default: 1.", default=None
    )
    cdroms: list[AbsolutePath] | None = prop(
        "CD images of the host, read-only in the zone. Default: none.", default=None
    )
    bootrom: Value | None = prop("Firmware: a name or a path. Default: the brand's.", default=None)
    bootorder: Value | None = prop(
        "What to boot from, such as `cdrom0,bootdisk`. Default: the brand's.", default=None
    )
    hostbridge: Value | None = prop("Host bridge, such as `q35`. Default: `i440fx`.", default=None)
    disk_interface: Value | None = prop(
        "How the guest sees disks that do not say it themselves. Default: `virtio`.", default=None
    )
    nic_interface: Value | None = prop(
        "How the guest sees its network interfaces. Default: `virtio-net-viona`.", default=None
    )
    type: GuestType | None = prop("What kind of guest it is. Default: `generic`.", default=None)
    vnc: Value | None = prop(
        "Graphical console: `on`, `wait`, `off`, or `unix=PATH,w=1024,h=768`. Default: `off`.", default=None
    )
    acpi: bool | None = prop("Whether the guest has ACPI tables. Default: yes.", default=None, strict=True)
    cloud_init: CloudInit | None = prop(
        "How the guest learns its name, addresses, keys and password: `on`, `off`, the path of a "
        "user-data file on the host, or the address of a server that gives all of it. Default: `on` "
        "when `sshAuthorizedKeys` or `guestPassword` are given.",
        default=None,
    )
    extra: list[Value] | None = prop("Further arguments for bhyve. Default: none.", default=None)
    bootdisk: Disk | None = prop("The disk to boot from.", default=None)
    disks: list[Disk] | None = prop("Further disks.", default=None)

    @model_validator(mode="after")
    def _makes_sense(self, info: ValidationInfo) -> Self:
        faults = Faults()
        if self.ram is not None and (self.ram < MEBIBYTE or self.ram % MEBIBYTE):
            faults.add("ram", "is a whole number of mebibytes, as in 2G or 512M")
        if all_known(info):
            taken: set[str] = set()
            for path, disk in self.all_disks():
                if disk.dataset in taken:
                    faults.add(f"{path}.dataset", f"{disk.dataset} is another disk of this machine already")
                taken.add(disk.dataset)
        faults.raise_if_any()
        return self

    def all_disks(self) -> list[tuple[str, Disk]]:
        """Every disk with the path of its property."""
        found = [("bootdisk", self.bootdisk)] if self.bootdisk else []
        return found + [(f"disks[{number}]", disk) for number, disk in enumerate(self.disks or [])]


class DiskState(Properties):
    """A disk of a virtual machine as the host has it."""

    dataset: str = Field(description="The volume, or the path of a device.")
    interface: str | None = Field(None, description="How the guest sees it.")
    size: Size | None = Field(None, description="Size of the volume, where it was made for the zone.")


class MachineState(Properties):
    """A virtual machine as the host has it; whatever stands there, the brand's boot judges it."""

    ram: Size | None = Field(None, description="Memory of the guest.")
    vcpus: str | None = Field(None, description="Virtual CPUs.")
    cdroms: list[str] = Field([], description="CD images of the host.")
    bootrom: str | None = Field(None, description="Firmware.")
    bootorder: str | None = Field(None, description="What to boot from.")
    hostbridge: str | None = Field(None, description="Host bridge.")
    disk_interface: str | None = Field(
        None, description="How the guest sees disks that do not say it themselves."
    )
    nic_interface: str | None = Field(None, description="How the guest sees its network interfaces.")
    type: str | None = Field(None, description="What kind of guest it is.")
    vnc: str | None = Field(None, description="Graphical console.")
    acpi: bool | None = Field(None, description="Whether the guest has ACPI tables.")
    cloud_init: str | None = Field(
        None, description="How the guest learns its name, addresses, keys and password."
    )
    extra: list[str] = Field([], description="Further arguments for bhyve.")
    bootdisk: DiskState | None = Field(None, description="The disk to boot from.")
    disks: list[DiskState] = Field([], description="Further disks.")


class MachineInputs(Properties):
    """What guests that are no illumos need to be told."""

    vm: Machine | None = prop(
        "The virtual machine: brands `bhyve`, `kvm` and `emu`.", change=Change.REBOOT, default=None
    )
    guest_password: str | None = prop(
        "Password, or its hash, of the default user of a virtual machine's image. It counts at the "
        "guest's first boot. It is kept in a file that only the host's root can read.",
        secret=True,
        default=None,
        min_length=1,
    )
    user_data: str | None = prop(
        "What cloud-init does in a virtual machine at its first boot, such as a `#cloud-config` text. It "
        "stands in place of what the host would make of `sshAuthorizedKeys` and `guestPassword`, and "
        "excludes them and `vm.cloudInit`.",
        secret=True,
        default=None,
        min_length=1,
    )
    kernel_version: Value | None = prop(
        "Version of the Linux kernel that programs of the zone see, such as `5.10`: brand `lx`. "
        "Default: the brand's.",
        change=Change.REBOOT,
        default=None,
    )
    root_password_hash: Value | None = prop(
        "Hash of root's password: brand `solaris10`, where it is set at the first boot unless "
        "`install.keepIdentity` is true.",
        secret=True,
        default=None,
    )

    def examine_machine(self, faults: Faults, known: bool) -> None:
        """Rules across these properties."""
        if not known or self.user_data is None:
            return
        if self.guest_password is not None:
            faults.add("guestPassword", "excludes userData: say it there (password)")
        if getattr(self, "ssh_authorized_keys", None):
            faults.add("sshAuthorizedKeys", "excludes userData: say it there (ssh_authorized_keys)")
        if self.vm is not None and self.vm.cloud_init is not None:
            faults.add("vm.cloudInit", "excludes userData, which is given to cloud-init anyway")


class MachineOutputs(Properties):
    """What guests that are no illumos were told."""

    vm: MachineState | None = Field(None, description="The virtual machine.")
    kernel_version: str | None = Field(
        None, description="Version of the Linux kernel that programs of the zone see."
    )
