"""Virtual machines in zones, see bhyve(7): which parts of a zone's configuration are theirs.

Everything about a machine is an ``attr`` of its zone; each disk needs a ``device`` beside its attribute,
each CD image an ``fs``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pulumi_illumos_provider.illumos.brands import Brand, Family
from pulumi_illumos_provider.illumos.zonecfg import Resource, ZoneConfig
from pulumi_illumos_provider.plan import Command, sh

RAW_DISKS = "/dev/zvol/rdsk/"
PASSWORD_INSIDE = "password"
"""Path below the zone's root of the password, where the brand looks for it there."""

_NOTES = "/etc/pulumi-illumos/guests"

_TRUE = ("true", "yes", "on", "1")
_DISK = re.compile(r"disk(\d*)")
_CDROM = re.compile(r"cdrom(\d*)")
_EXTRA = re.compile(r"extra(\d*)")

_DNS = ("resolvers", "dns-domain")
_MACHINE = re.compile(
    r"ram|vcpus|bootdisk|bootdiskif|diskif\d*|disk\d*|cdrom\d*|bootrom|bootorder|hostbridge|netif|type|vnc|"
    r"acpi|cloud-init|password|sshkey|extra\d*|" + "|".join(_DNS)
)
_LX = re.compile("kernel-version|" + "|".join(_DNS))


def is_own_attribute(brand: Brand, name: str) -> bool:
    """Whether an attribute is said with a property of its own in zones of a brand."""
    if brand.family is Family.MACHINE:
        return _MACHINE.fullmatch(name) is not None
    return brand.family is Family.LX and _LX.fullmatch(name) is not None


def is_true(value: str) -> bool:
    """Whether an attribute's value means yes."""
    return value.lower() in _TRUE


def disks(attributes: Mapping[str, str]) -> dict[str, str]:
    """The further disks by the name of their attribute, in their order."""
    return _numbered(attributes, _DISK)


def cdroms(attributes: Mapping[str, str]) -> dict[str, str]:
    """The CD images by the name of their attribute, in their order."""
    return _numbered(attributes, _CDROM)


def extras(attributes: Mapping[str, str]) -> dict[str, str]:
    """Further arguments of bhyve by the name of their attribute, in their order."""
    return _numbered(attributes, _EXTRA)


def _numbered(attributes: Mapping[str, str], pattern: re.Pattern[str]) -> dict[str, str]:
    found = [(int(m[1] or -1), name) for name in attributes if (m := pattern.fullmatch(name))]
    return {name: attributes[name] for _, name in sorted(found)}


def interface_attribute(disk: str) -> str:
    """The attribute that says how the guest sees a disk."""
    return "bootdiskif" if disk == "bootdisk" else disk.replace("disk", "diskif", 1)


def device_of(disk: str) -> str:
    """Path of a disk that is given as a dataset or a path."""
    return disk if disk.startswith("/") else RAW_DISKS + disk


def device(disk: str) -> Resource:
    """The resource that lets a zone have a disk."""
    return Resource("device", {"match": device_of(disk)})


def cdrom(image: str) -> Resource:
    """The resource that shows a CD image to a zone, read-only, under its own path."""
    return Resource("fs", {"dir": image, "special": image, "type": "lofs"}, (("options", "ro"),))


def password_file(zone: str) -> str:
    """Where the host keeps the password for a guest."""
    return f"{_NOTES}/{zone}/password"


def user_data_file(zone: str) -> str:
    """Where the host keeps what cloud-init is to do in a guest."""
    return f"{_NOTES}/{zone}/user-data"


def forget_files(zone: str) -> Command:
    """Remove these files, and their directories when they are empty."""
    script = 'rm -f "$1/$2/password" "$1/$2/user-data" && { rmdir "$1/$2" "$1" "${1%/*}" 2>/dev/null; :; }'
    return sh(script, _NOTES, zone)


def without_own(config: ZoneConfig, brand: Brand) -> ZoneConfig:
    """A configuration without what properties of the machine (or of the Linux guest) say already."""
    if brand.family not in (Family.MACHINE, Family.LX):
        return config
    attributes = config.attributes
    own = {("attr", name) for name in attributes if is_own_attribute(brand, name)}
    if brand.family is Family.MACHINE:
        used = [attributes.get("bootdisk", ""), *disks(attributes).values()]
        own |= {("device", device_of(disk)) for disk in used}
        own |= {("fs", image) for image in cdroms(attributes).values()}
    return ZoneConfig(config.properties, tuple(r for r in config.resources if (r.kind, r.key) not in own))
