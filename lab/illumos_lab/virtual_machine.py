"""Virtual machines of the brands bhyve, kvm and emu: what the attributes of their zones say; see bhyve(7).

The zone's configuration takes any attribute; the brand's boot script reads them, and fails on what it
cannot use. The words of its failures are the lab's own.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from illumos_lab import cloud_init
from illumos_lab.cloud_init import Nic, Seed
from illumos_lab.zone_states import GLOBAL, ActiveZone
from illumos_lab.zonecfg.model import Net

if TYPE_CHECKING:
    from illumos_lab.host import Host

RAW_DISKS = "/dev/zvol/rdsk/"
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_DISK = re.compile(r"bootdisk|disk(\d*)")
_CDROM = re.compile(r"cdrom(\d*)")
_LAST = {"disk": 15, "cdrom": 7}
_INTERFACES = {"virtio": "virtio-blk", "ahci": "ahci-hd"}


class MachineError(Exception):
    """The boot script fails; the text is what it says."""


@dataclass(frozen=True)
class Machine:
    """A virtual machine that is fit to be started.

    Attributes:
        uuid: its identity.
        seed: what cloud-init is to find on its CD; None for nothing.
        serial: serial number, in which cloud-init looks for its data source; empty for none.
        settings: lines of bhyve's configuration file.
        nics: its network interfaces, in the order of the configuration.
    """

    uuid: str
    seed: Seed | None
    serial: str
    settings: tuple[str, ...]
    nics: tuple[Nic, ...] = field(default=())


# Values ------------------------------------------------------------------------------------------


def _is_boolean(value: str) -> bool:
    return value.lower() in (*_TRUE, *_FALSE)


def is_true(value: str) -> bool:
    """Whether an attribute's value means yes."""
    return value.lower() in _TRUE


def _is_size(value: str) -> bool:
    return re.fullmatch(r"[1-9]\d*[KMGTkmgt]?", value) is not None


def _is_cpus(value: str) -> bool:
    if value.isdigit():
        return 1 <= int(value) <= 32
    return all(re.fullmatch(r"(cpus|sockets|cores|threads)=[1-9]\d*", word) for word in value.split(","))


def _is_vnc(value: str) -> bool:
    words = value.split(",")
    known = re.compile(r"on|wait|unix=/.+|(w|h)=\d+|password=.+")
    return _is_boolean(value) or all(known.fullmatch(word) for word in words)


def _is_uuid(value: str) -> bool:
    try:
        return str(UUID(value)) == value.lower()
    except ValueError:
        return False


def _is_word(value: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_./,=-]+", value) is not None


def _among(*values: str) -> Callable[[str], bool]:
    return values.__contains__


_VALID: dict[str, tuple[Callable[[str], bool], str]] = {
    "ram": (_is_size, "a size, such as 2G"),
    "vcpus": (_is_cpus, "a number from 1 to 32, or sockets=,cores=,threads="),
    "diskif": (_is_word, "a device type"),
    "bootdiskif": (_is_word, "a device type"),
    "netif": (_is_word, "a device type"),
    "bootrom": (_is_word, "a firmware's name or path"),
    "hostbridge": (_among("i440fx", "q35", "amd", "netapp", "none"), "a host bridge"),
    "vnc": (_is_vnc, "on, off, wait, or unix=,w=,h=,password="),
    "type": (_among("generic", "openbsd", "windows"), "generic, openbsd or windows"),
    "uuid": (_is_uuid, "a UUID"),
    **dict.fromkeys(
        ("acpi", "xhci", "uefivars", "rng", "memreserve", "debug.persist"), (_is_boolean, "on or off")
    ),
}
"""Which values of an attribute are good, and what to say of the others."""


# Reading -----------------------------------------------------------------------------------------


def read(host: Host, active: ActiveZone) -> Machine:
    """The virtual machine that a zone's attributes describe.

    Raises:
        MachineError: an attribute cannot be used, or something that it names is missing.
    """
    attrs = active.configuration.attrs()
    for name, value in attrs.items():
        valid, wanted = _VALID.get(re.sub(r"^(diskif)\d+$", r"\1", name), (None, ""))
        if valid is not None and not valid(value):
            raise MachineError(f"ERROR: attr {name}: '{value}' is not {wanted}")
    disks = _disks(host, active, attrs)
    media = _media(host, active, attrs)
    _check_passed_through(host, active, attrs)
    identity = attrs.get("uuid", "").lower() or _recorded_uuid(host, active.name)
    nics = tuple(_nics(host, active))
    seed, serial = _cloud_init(host, active, attrs, identity, nics)
    return Machine(
        identity, seed, serial, tuple(_settings(active, attrs, identity, disks, media, serial)), nics
    )


def _numbered(attrs: Mapping[str, str], pattern: re.Pattern[str], kind: str) -> dict[str, str]:
    """Attributes such as ``disk`` and ``disk3``; the number has an end."""
    found = {}
    for name, value in attrs.items():
        match = pattern.fullmatch(name)
        if match is None:
            continue
        number = match[1] if match.groups() else ""
        if number and int(number) > _LAST[kind]:
            raise MachineError(f"ERROR: attr {name}: the last one is {kind}{_LAST[kind]}")
        found[name] = value
    return found


def _disks(host: Host, active: ActiveZone, attrs: Mapping[str, str]) -> dict[str, str]:
    """Paths of the disks, by attribute."""
    disks = {}
    for name, value in _numbered(attrs, _DISK, "disk").items():
        path = value if value.startswith("/") else RAW_DISKS + value
        dataset = re.sub(r"^/dev/zvol/r?dsk/", "", path)
        if dataset == path:
            _check_visible(host, active, name, path)
        else:
            _check_volume(host, active, name, dataset, path)
        disks[name] = path
    return disks


def _check_volume(host: Host, active: ActiveZone, attr: str, dataset: str, path: str) -> None:
    found = host.datasets.get(dataset)
    if found is None or found.type != "volume":
        raise MachineError(f"ERROR: attr {attr}: there is no volume {dataset}")
    _check_device(active, attr, path)


def _check_device(active: ActiveZone, attr: str, path: str) -> None:
    """A device resource has to let the zone see it."""
    patterns = [element.get("match") for element in active.configuration.resources("device")]
    if not any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns):
        raise MachineError(f"ERROR: attr {attr}: the zone has no device resource that matches {path}")


def _check_visible(host: Host, active: ActiveZone, attr: str, path: str) -> None:
    if not host.path(active.name, path).exists():
        raise MachineError(f"ERROR: attr {attr}: {path} is not there in the zone")


def _media(host: Host, active: ActiveZone, attrs: Mapping[str, str]) -> dict[str, str]:
    """Paths of the CD images, by attribute; an fs resource has to show each in the zone."""
    media = _numbered(attrs, _CDROM, "cdrom")
    for name, path in media.items():
        _check_visible(host, active, name, path)
    return media


def _check_passed_through(host: Host, active: ActiveZone, attrs: Mapping[str, str]) -> None:
    for name, value in attrs.items():
        if re.fullmatch(r"ppt\d+", name):
            if not (_is_boolean(value) or re.fullmatch(r"slot\d+", value)):
                raise MachineError(f"ERROR: attr {name}: '{value}' is not on, off or slotN")
            if value.lower() not in _FALSE:
                _check_device(active, name, f"/dev/{name}")
        elif re.fullmatch(r"virtfs\d*", name):
            label, _, rest = value.partition(",")
            if not label or not rest.startswith("/"):
                raise MachineError(f"ERROR: attr {name}: '{value}' is not NAME,PATH[,ro]")
            _check_visible(host, active, name, rest.removesuffix(",ro"))


def _recorded_uuid(host: Host, zone: str) -> str:
    """What the installation has left in the zone's root."""
    try:
        return host.path(zone, "/etc/uuid").read_text().strip()
    except OSError as error:
        raise MachineError("ERROR: could not read /etc/uuid of the zone") from error


def _nics(host: Host, active: ActiveZone) -> list[Nic]:
    groups: dict[str, list[Net]] = {}
    for net in active.configuration.nets():
        groups.setdefault(net.physical, []).append(net)
    nics = []
    for physical, group in groups.items():
        link = host.links.get(physical)
        configured = next((net.mac_addr for net in group if net.mac_addr), "")
        mac = configured or (link.mac if link is not None else "")
        addresses = [word for net in group for word in net.allowed_address.split(",") if word]
        router = next((net.defrouter for net in group if net.defrouter), "")
        nics.append(Nic(physical, _padded(mac), tuple(addresses), router))
    return nics


def _padded(mac: str) -> str:
    return ":".join(octet.rjust(2, "0") for octet in mac.lower().split(":"))


# cloud-init --------------------------------------------------------------------------------------


def _cloud_init(
    host: Host, active: ActiveZone, attrs: Mapping[str, str], identity: str, nics: tuple[Nic, ...]
) -> tuple[Seed | None, str]:
    """The seed, and the serial number that tells the guest where to look for it."""
    wanted = attrs.get("cloud-init", "off")
    if wanted.lower() in _FALSE:
        return None, ""
    if re.match(r"https?://", wanted):
        return None, f"ds=nocloud-net;s={wanted};i={identity}"
    tribblix = host.profile.package_manager == "zap"
    if wanted.startswith("/"):
        text = _file(host, GLOBAL, "cloud-init", wanted)
    elif is_true(wanted):
        # Tribblix' script runs inside the zone, OmniOS' outside.
        place = active.name if tribblix else GLOBAL
        secrets = {name: attrs[name] for name in ("password", "sshkey") if name in attrs}
        for name, value in secrets.items():
            secrets[name] = _file(host, place, name, value).strip() if value.startswith("/") else value
        text = cloud_init.user_data(secrets, misspelt=tribblix)
    else:
        raise MachineError(f"ERROR: attr cloud-init: '{wanted}' is not on, off, a file or a URL")
    seed = Seed(
        *(identity, active.name, text, tuple(nic for nic in nics if nic.addresses)),
        attrs.get("dns-domain", ""),
        tuple(word.strip() for word in attrs.get("resolvers", "").split(",") if word.strip()),
    )
    return seed, f"ds=nocloud;i={identity}"


def _file(host: Host, zone: str, attr: str, path: str) -> str:
    place: Path = host.path(zone, path)
    try:
        return place.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise MachineError(f"ERROR: attr {attr}: could not read {path}") from error


# bhyve's own configuration -----------------------------------------------------------------------


def _settings(
    active: ActiveZone,
    attrs: Mapping[str, str],
    identity: str,
    disks: Mapping[str, str],
    media: Mapping[str, str],
    serial: str,
) -> list[str]:
    ram = attrs.get("ram", "1G")
    lines = [
        f"name={active.name}",
        f"uuid={identity}",
        f"cpus={attrs.get('vcpus', '1')}",
        f"memory.size={ram if not ram.isdigit() else ram + 'M'}",
        f"lpc.bootrom={attrs.get('bootrom', 'BHYVE_RELEASE_CSM')}",
        f"lpc.com1.path={attrs.get('console', '/dev/zconsole')}",
    ]
    lines += [f"system.serial_number={serial}"] if serial else []
    devices = [(_disk_type(attrs, name), f"path={path}") for name, path in disks.items()]
    devices += [("ahci-cd", f"path={path}") for path in media.values()]
    devices += [
        (net.properties.get("netif", attrs.get("netif", "virtio-net-viona")), f"vnic={net.physical}")
        for net in active.configuration.nets()
    ]
    for number, (device, place) in enumerate(devices):
        lines += [f"pci.0.4.{number}.device={device}", f"pci.0.4.{number}.{place}"]
    return lines


def _disk_type(attrs: Mapping[str, str], disk: str) -> str:
    name = "bootdiskif" if disk == "bootdisk" else disk.replace("disk", "diskif", 1)
    value = attrs.get(name) or attrs.get("diskif", "virtio-blk")
    return _INTERFACES.get(value, value)
