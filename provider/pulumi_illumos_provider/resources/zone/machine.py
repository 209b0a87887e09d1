"""Guests that are no illumos: virtual machines, Linux, Solaris 10."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Interface
from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import brands, files, machines, sysidcfg, volumes, zfs, zonecfg
from pulumi_illumos_provider.illumos.brands import Family
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen, parse_resolvers
from pulumi_illumos_provider.model.values import format_size, parse_size
from pulumi_illumos_provider.model.zone import ZoneInputs, ZoneOutputs
from pulumi_illumos_provider.model.zone.machine import (
    MEBIBYTE,
    Disk,
    DiskState,
    Machine,
    MachineInputs,
    MachineState,
)
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.side import Side

_PLAIN = {
    "bootrom": "bootrom",
    "bootorder": "bootorder",
    "hostbridge": "hostbridge",
    "disk_interface": "diskif",
    "nic_interface": "netif",
    "vnc": "vnc",
    "vcpus": "vcpus",
}
"""Fields whose value is that of an attribute as it stands."""

_DEFAULTS: dict[str, Any] = {
    "vcpus": "1",
    "vnc": "off",
    "type": "generic",
    "acpi": True,
    "ram": 1024**3,
}
"""What the brand does when an attribute is missing."""


class Guest(Side[ZoneInputs, ZoneOutputs]):
    """What the brand tells the guest: by attributes, by cloud-init, by a file of answers."""

    inputs: type[ZoneInputs] = ZoneInputs
    outputs: type[ZoneOutputs] = ZoneOutputs
    follows: ClassVar[dict[str, frozenset[str]]] = {"vm": frozenset({"sshAuthorizedKeys"})}

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(MachineInputs.model_fields)

    def plan(self, wanted: ZoneInputs, job: Job) -> None:
        _refuse_misplaced(wanted, job)
        match job.kind.family:
            case Family.MACHINE:
                _plan_names(wanted, job)
                _plan_machine(wanted, job)
            case Family.LX:
                _plan_names(wanted, job)
                _attribute(job, "kernelVersion", "kernel-version", wanted.kernel_version)
            case Family.SOLARIS10:
                _plan_solaris10(wanted, job)

    def paths(self, wanted: ZoneInputs) -> list[str]:
        if wanted.vm is None and wanted.guest_password is None and wanted.user_data is None:
            return []
        vm = wanted.vm or Machine()
        asked = [disk.image for _, disk in vm.all_disks()]
        asked += [disk.dataset for _, disk in vm.all_disks()]
        asked += [*(vm.cdroms or []), vm.cloud_init]
        asked += [machines.password_file(wanted.name or ""), machines.user_data_file(wanted.name or "")]
        return [path for path in asked if path is not None and path.startswith("/")]

    def removal(self, name: str, zone: ZoneSeen | None, now: Snapshot, state: ZoneOutputs) -> list[Step]:
        if not now.distribution.known(state.brand).is_machine:
            return []
        found = [
            Step(
                f"destroying volume {dataset.name} of zone {name}",
                zfs.destroy(dataset.name),
                done=zfs.absent(dataset.name),
                attempts=5,
                remedy="see what uses it with zfs list -t all -r, and zfs get origin for clones of it",
            )
            for dataset in now.datasets.values()
            if dataset.kind == "volume" and dataset.owner == name and not state.retain_data
        ]
        forget = f"forgetting what the guest of zone {name} was told"
        return [*found, Step(forget, machines.forget_files(name))]

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        brand = now.distribution.known(zone.listed.brand)
        attributes = zone.config.attributes
        values: dict[str, Any] = {"vm": None, "kernel_version": None}
        if brand.resolvers_in_attributes:
            values["hostname"] = zone.name
            servers = attributes.get("resolvers", "").split(",")
            values["dns_servers"] = parse_resolvers("".join(f"nameserver {s.strip()}\n" for s in servers))
            values["dns_domain"] = attributes.get("dns-domain")
        if brand.is_machine:
            values["vm"] = _read_machine(attributes, now)
            key = attributes.get("sshkey", "")
            values["ssh_authorized_keys"] = [key] if key and not key.startswith("/") else []
        if brand.family is Family.LX:
            values["kernel_version"] = attributes.get("kernel-version")
        return {name: value for name, value in values.items() if name in ZoneOutputs.model_fields}

    def satisfied(self, field: str, wanted: ZoneInputs, state: ZoneOutputs) -> bool:
        match field:
            case "vm":
                return _machine_satisfied(wanted, state)
            case "guest_password" | "user_data" | "root_password_hash":
                return True  # They count at the first boot.
            case _:
                return bool(getattr(wanted, field) == getattr(state, field))

    def spell(self, state: ZoneOutputs) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        if state.vm is not None:
            spelled["vm"] = _spell_machine(state.vm)
        if state.kernel_version is not None:
            spelled["kernelVersion"] = state.kernel_version
        return spelled


# What does not fit -------------------------------------------------------------------------------


def _refuse_misplaced(wanted: ZoneInputs, job: Job) -> None:
    """Refuse what guests of the brand cannot be told."""
    family = job.kind.family
    for field, able in (
        ("vm", Family.MACHINE),
        ("guest_password", Family.MACHINE),
        ("user_data", Family.MACHINE),
        ("kernel_version", Family.LX),
        ("root_password_hash", Family.SOLARIS10),
    ):
        if getattr(wanted, field) is not None and family is not able:
            names = (name for name, brand in job.now.distribution.brands.items() if brand.family is able)
            raise Refused(
                f"zones of brand {job.brand} run {family.value}; on {job.now.distribution.name} it goes "
                f"with {brands.words(names)}",
                MachineInputs.property_name(field),
            )
    for name in wanted.attributes:
        if machines.is_own_attribute(job.kind, name):
            raise Refused(
                f"attribute {name} has a property of its own with brand {job.brand}: say it in "
                f"{_property_of(name)}",
                "attributes",
            )
    if family in (Family.LX, Family.MACHINE) and wanted.hostname not in (None, job.name):
        raise Refused(
            f"zones of brand {job.brand} are told the name of their zone, {job.name}: leave hostname out"
            + (", or set it in userData" if family is Family.MACHINE else ""),
            "hostname",
        )
    if family in (Family.LX, Family.SOLARIS10) and wanted.ssh_authorized_keys:
        raise Refused(
            f"keys are not brought into zones of brand {job.brand}: put them into the image",
            "sshAuthorizedKeys",
        )


def _property_of(attribute: str) -> str:
    """The property that says an attribute."""
    return {
        "resolvers": "dnsServers",
        "dns-domain": "dnsDomain",
        "kernel-version": "kernelVersion",
        "sshkey": "sshAuthorizedKeys",
    }.get(attribute, "vm")


# Attributes --------------------------------------------------------------------------------------


def _attribute(job: Job, name: str, key: str, value: str | None) -> None:
    """Have an attribute, or none; the guest learns it at its next boot."""
    present = job.config.resource("attr", key)
    if present is not None and present.values.get("value") == value:
        job.want("attr", key, present)  # It may be of another type than string.
        return
    if present is not None or value is not None:
        job.reboot_for(name)
    job.want("attr", key, *([] if value is None else [zonecfg.attribute(key, value)]))


def _plan_names(wanted: ZoneInputs, job: Job) -> None:
    servers = ",".join(map(str, _name_servers(wanted, job)))
    _attribute(job, "dnsServers", "resolvers", servers or None)
    domain = getattr(wanted, "dns_domain", None) or job.config.attributes.get("dns-domain")
    _attribute(job, "dnsDomain", "dns-domain", domain)


def _name_servers(wanted: ZoneInputs, job: Job) -> Sequence[object]:
    """What is asked for; else what the zone has; else the router's address, or the host's own servers."""
    if wanted.dns_servers is not None:
        return wanted.dns_servers
    present = job.config.attributes.get("resolvers")
    if present:
        return present.split(",")
    routed = [nic.network.address for nic in job.placed if nic.network]
    return routed[:1] or list(job.now.resolvers)


# Virtual machines --------------------------------------------------------------------------------


def _plan_machine(wanted: ZoneInputs, job: Job) -> None:
    vm = wanted.vm or Machine()
    _refuse_missing(vm, job)
    for key, value in _attributes(vm, wanted, job).items():
        _attribute(job, "vm", key, value)
    for _, disk in vm.all_disks():
        job.before += _volume_steps(disk, job)
        _want_unless_there(job, machines.device(disk.dataset))
    for image in vm.cdroms or []:
        _want_unless_there(job, machines.cdrom(image))
    job.before += _secret_steps(wanted, job)


def _attributes(vm: Machine, wanted: ZoneInputs, job: Job) -> dict[str, str | None]:
    """Every attribute of a machine: the value that is wanted, or None for those that must not be there."""
    present = job.config.attributes
    found: dict[str, str | None] = {
        name: None for name in present if machines.is_own_attribute(job.kind, name)
    }
    for dns in ("resolvers", "dns-domain"):
        found.pop(dns, None)  # They are planned already.
    found |= {key: getattr(vm, field) for field, key in _PLAIN.items()}
    found["ram"] = format_size(vm.ram) if vm.ram is not None else None
    if vm.ram is not None and _memory(present.get("ram", "")) == vm.ram:
        found["ram"] = present["ram"]
    found["type"] = vm.type.value if vm.type else None
    found["acpi"] = None if vm.acpi is None else ("on" if vm.acpi else "off")
    if vm.acpi is not None and "acpi" in present and machines.is_true(present["acpi"]) == vm.acpi:
        found["acpi"] = present["acpi"]
    for name, disk in _named_disks(vm, present):
        found[name] = disk.dataset
        found[machines.interface_attribute(name)] = disk.interface
    found |= _named("cdrom", vm.cdroms or [], machines.cdroms(present))
    found |= _named("extra", vm.extra or [], machines.extras(present))
    found["cloud-init"] = _cloud_init(wanted)
    found["sshkey"] = _key(wanted)
    found["password"] = None
    if wanted.guest_password is not None:
        found["password"] = (
            f"/{machines.PASSWORD_INSIDE}" if _inside(job) else machines.password_file(job.name)
        )
    return found


def _named_disks(vm: Machine, present: dict[str, str]) -> list[tuple[str, Disk]]:
    """Each disk with its attribute."""
    further = vm.disks or []
    names = _named("disk", [disk.dataset for disk in further], machines.disks(present))
    boot = [("bootdisk", vm.bootdisk)] if vm.bootdisk else []
    return [*boot, *zip(names, further, strict=True)]


def _named(kind: str, values: Sequence[str], present: dict[str, str]) -> dict[str, str]:
    """Numbered attributes for values; those that say the same already keep their names."""
    if list(present.values()) == list(values):
        return present
    return {f"{kind}{number}": value for number, value in enumerate(values)}


def _want_unless_there(job: Job, resource: zonecfg.Resource) -> None:
    """Have a resource, where neither the program nor the present configuration has one that does it."""
    same = [r for r in job.resources if (r.kind, r.key) == (resource.kind, resource.key)]
    patterns = [r.key for r in job.resources if r.kind == "device"]
    if same or (resource.kind == "device" and any(fnmatch.fnmatchcase(resource.key, p) for p in patterns)):
        return
    if job.config.resource(resource.kind, resource.key) is None:
        job.reboot_for("vm")
    present = job.config.resource(resource.kind, resource.key)
    job.want(resource.kind, resource.key, present or resource)


def _cloud_init(wanted: ZoneInputs) -> str | None:
    """The attribute: what is asked for, or on when there is something to tell."""
    vm = wanted.vm or Machine()
    if wanted.user_data is not None:
        return machines.user_data_file(wanted.name or "")
    if vm.cloud_init is not None:
        return vm.cloud_init
    return "on" if wanted.guest_password or wanted.ssh_authorized_keys else None


def _key(wanted: ZoneInputs) -> str | None:
    keys = wanted.ssh_authorized_keys or []
    if len(keys) > 1:
        raise Refused(
            "the host gives one key to a virtual machine: leave one, or give all of them in userData "
            "(ssh_authorized_keys)",
            "sshAuthorizedKeys",
        )
    if keys and len(keys[0]) > 255:
        raise Refused(
            "a key of a virtual machine has at most 255 characters, as zonecfg stores it: use an ed25519 "
            "key, or give it in userData (ssh_authorized_keys)",
            "sshAuthorizedKeys",
        )
    return keys[0] if keys else None


# Volumes and secrets -----------------------------------------------------------------------------


def _refuse_missing(vm: Machine, job: Job) -> None:
    now = job.now
    for path, disk in vm.all_disks():
        there = disk.dataset in (now.paths if disk.dataset.startswith("/") else now.datasets)
        if not there and disk.size is None:
            raise Refused(
                f"there is no {disk.dataset} on the host: make it first, or give size to have it made",
                f"vm.{path}.dataset",
            )
        dataset = now.datasets.get(disk.dataset)
        if dataset is not None and dataset.kind != "volume":
            raise Refused(f"{disk.dataset} is a file system, and no volume", f"vm.{path}.dataset")
        if not there and disk.dataset.rsplit("/", 1)[0] not in now.datasets:
            raise Refused(
                f"{disk.dataset} cannot be made: there is no dataset {disk.dataset.rsplit('/', 1)[0]}",
                f"vm.{path}.dataset",
            )
        if disk.image is not None and not there and now.paths.get(disk.image) != "file":
            raise Refused(f"there is no file {disk.image} on the host", f"vm.{path}.image")
        size = _volume_size(disk.dataset, now)
        if size is not None and disk.size is not None and disk.size < size:
            raise Refused(
                f"{disk.dataset} has {format_size(size)}: a volume is not made smaller, it would lose data",
                f"vm.{path}.size",
            )
    for number, image in enumerate(vm.cdroms or []):
        if image not in now.paths:
            raise Refused(f"there is no file {image} on the host", f"vm.cdroms[{number}]")
    told = vm.cloud_init
    if told is not None and told.startswith("/") and told not in now.paths:
        raise Refused(f"there is no file {told} on the host", "vm.cloudInit")


def _volume_size(name: str, now: Snapshot) -> int | None:
    """Size in bytes of a volume that was made for the zone in focus."""
    dataset = now.datasets.get(name)
    text = dataset.properties.get("volsize", "") if dataset else ""
    return int(text) if text.isdigit() else None


def _volume_steps(disk: Disk, job: Job) -> list[Step]:
    """Make a volume when it is missing, and write its image to it once."""
    if disk.size is None:
        return []
    name, dataset = disk.dataset, job.now.datasets.get(disk.dataset)
    found = []
    if dataset is None:
        found.append(
            Step(
                f"creating volume {name}",
                zfs.create(name, job.name, {}, disk.size),
                done=zfs.exists(name),
            )
        )
    elif (size := _volume_size(name, job.now)) is not None and disk.size > size:
        found.append(Step(f"growing volume {name}", zfs.set_property(name, "volsize", str(disk.size))))
        job.reboot_for("vm")
    ours = dataset is None or dataset.owner == job.name
    if disk.image and ours and not (dataset and dataset.properties.get(volumes.FILLED)):
        found.append(
            Step(
                f"writing {disk.image} to volume {name}",
                volumes.fill(name, disk.image),
                done=volumes.is_filled(name),
                timeout=steps.INSTALL_LIMIT,
            )
        )
    return found


def _inside(job: Job) -> bool:
    """Whether the brand looks for files below the zone's root, and not on the host (Tribblix)."""
    return job.now.distribution.guest_files_inside


def _secret_steps(wanted: ZoneInputs, job: Job) -> list[Step]:
    """Files that the brand reads at each boot. They count at the guest's first one."""
    found = []
    for path, text in (
        (machines.password_file(job.name), wanted.guest_password),
        (machines.user_data_file(job.name), wanted.user_data),
    ):
        if text is not None and not (job.installed and path in job.now.paths):
            found.append(
                Step(
                    f"writing what the guest of zone {job.name} is told",
                    files.write_file(path, text, "600"),
                )
            )
    if wanted.guest_password is not None and _inside(job) and not job.installed:
        job.inside.append(
            Step(
                f"writing the password for the guest of zone {job.name}",
                files.write_zone_file(job.root, machines.PASSWORD_INSIDE, wanted.guest_password, "600"),
            )
        )
    return found


# Reading a machine -------------------------------------------------------------------------------


def _memory(text: str) -> int | None:
    """Bytes; a number without unit counts mebibytes."""
    try:
        return int(text) * MEBIBYTE if text.isdigit() else parse_size(text)
    except ValueError:
        return None


def _read_machine(attributes: dict[str, str], now: Snapshot) -> MachineState:
    def disk(name: str) -> DiskState:
        dataset = attributes[name]
        interface = attributes.get(machines.interface_attribute(name))
        return DiskState(dataset=dataset, interface=interface, size=_volume_size(dataset, now))

    plain: dict[str, Any] = {field: attributes.get(key) for field, key in _PLAIN.items()}
    return MachineState(
        **plain,
        ram=_memory(attributes.get("ram", "")),
        type=attributes.get("type"),
        acpi=machines.is_true(attributes["acpi"]) if "acpi" in attributes else None,
        cloud_init=attributes.get("cloud-init"),
        cdroms=list(machines.cdroms(attributes).values()),
        extra=list(machines.extras(attributes).values()),
        bootdisk=disk("bootdisk") if "bootdisk" in attributes else None,
        disks=[disk(name) for name in machines.disks(attributes)],
    )


def _meaning(field: str, options: Machine | MachineState) -> Any:
    value = getattr(options, field)
    return value if value not in (None, []) else _DEFAULTS.get(field)


def _machine_satisfied(wanted: ZoneInputs, state: ZoneOutputs) -> bool:
    if state.vm is None:
        return wanted.vm is None
    vm = wanted.vm or Machine()
    plain = set(MachineState.model_fields) - {"cloud_init", "bootdisk", "disks"}
    if any(_meaning(field, vm) != _meaning(field, state.vm) for field in plain):
        return False
    if (_cloud_init(wanted) or "off") != (state.vm.cloud_init or "off"):
        return False
    asked = [vm.bootdisk] if vm.bootdisk else []
    have = [state.vm.bootdisk] if state.vm.bootdisk else []
    asked, have = [*asked, *(vm.disks or [])], [*have, *state.vm.disks]
    same_boot = (vm.bootdisk is None) == (state.vm.bootdisk is None)
    return same_boot and len(asked) == len(have) and all(map(_disk_satisfied, asked, have))


def _disk_satisfied(disk: Disk, state: DiskState) -> bool:
    unknown = disk.size is None or state.size is None
    return (disk.dataset, disk.interface) == (state.dataset, state.interface) and (
        unknown or disk.size == state.size
    )


def _spell_machine(vm: MachineState) -> dict[str, Any]:
    spelled = {name: value for name, value in vm.wire().items() if value not in (None, [], "")}
    for field, default in _DEFAULTS.items():
        name = vm.property_name(field)
        if name in spelled and getattr(vm, field) == default:
            del spelled[name]
    if spelled.get("cloudInit") == "off":
        del spelled["cloudInit"]
    return spelled


# Solaris 10 --------------------------------------------------------------------------------------


def _plan_solaris10(wanted: ZoneInputs, job: Job) -> None:
    hostname = wanted.hostname or job.name
    contents: dict[str, str | None] = {
        "etc/nodename": f"{hostname}\n",
        "etc/resolv.conf": steps.resolv_conf(
            _servers_in_files(wanted, job), wanted.dns_domain, wanted.dns_search or ()
        ),
    }
    job.inside += steps.file_steps(job.name, job.root, contents, job.zone)
    if job.installed:
        return
    job.inside.append(Step(f"letting zone {job.name} use DNS", files.use_dns(job.root)))
    if wanted.install and wanted.install.keep_identity:
        return
    if wanted.root_password_hash is None:
        raise Refused(
            "a zone of brand solaris10 asks for root's password at its console: give its hash",
            "rootPasswordHash",
        )
    first = next(iter(job.placed), None)
    address = first.address if first and not first.shared else None
    text = sysidcfg.content(
        hostname,
        wanted.timezone or "UTC",
        wanted.root_password_hash,
        address=IPv4Interface(str(address)) if address and first and not first.dhcp else None,
        gateway=first.gateway if first else None,
        dhcp=bool(first and first.dhcp),
    )
    job.inside.append(
        Step(
            f"writing the answers for the first boot of zone {job.name}",
            files.write_zone_file(job.root, sysidcfg.PATH, text, "600"),
        )
    )


def _servers_in_files(wanted: ZoneInputs, job: Job) -> Iterable[object]:
    if wanted.dns_servers is None and job.installed and job.zone is not None:
        return parse_resolvers(job.zone.files.get("etc/resolv.conf", ""))
    return _name_servers(wanted, job)
