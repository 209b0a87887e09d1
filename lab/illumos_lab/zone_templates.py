"""Templates of zone configurations and the brands' own files, as a distribution installs them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from illumos_lab.profile import Profile
from illumos_lab.zonecfg.xmlfile import Document, Element, render

_SPARSE_FILESYSTEMS = (
    ("/usr", "/usr"),
    ("/sbin", "/sbin"),
    ("/platform", "/platform"),
    ("/zonelib/lib", "/lib"),
)
FIRMWARE = "usr/share/bhyve/firmware"
"""Where the files are that the attribute bootrom of a virtual machine may name, below a root directory."""
_TEMPLATE_ATTRS = {"OMNIlx26": {"kernel-version": "2.6"}}
_BRAND_CONFIG = """\
<?xml version="1.0"?>
<!DOCTYPE brand PUBLIC "-//Sun Microsystems Inc//DTD Brands//EN"
    "file:///usr/share/lib/xml/dtd/brand.dtd.1">
<brand name="{name}">
</brand>
"""
_BRAND_PLATFORM = """\
<?xml version="1.0"?>
<!DOCTYPE platform PUBLIC "-//Sun Microsystems Inc//Zones Platform//EN"
    "file:///usr/share/lib/xml/dtd/zone_platform.dtd.1">
<platform name="{name}" allow-exclusive-ip="true">
</platform>
"""


def install_templates(host_root: Path, profile: Profile) -> None:
    """Write /etc/zones/*.xml and /usr/lib/brand of a pristine host.

    Args:
        host_root: root directory of the global zone; both directories are made below it.
        profile: the distribution.
    """
    zones = host_root / "etc/zones"
    zones.mkdir(parents=True, exist_ok=True)
    default = profile.default_template_brand
    for name in ("blank", "default"):
        _write_template(zones / f"SUNW{name}.xml", name, default, "", ())
    # All of OmniOS' own templates are for zones with an IP stack of their own.
    ip_type = "exclusive" if profile.forked_zonecfg else ""
    for brand in profile.brands:
        for template in brand.templates:
            filesystems = _SPARSE_FILESYSTEMS if brand.name == "sparse-root" else ()
            attrs = _TEMPLATE_ATTRS.get(template, {})
            path = zones / f"{template}.xml"
            _write_template(path, template[4:], brand.name, ip_type, filesystems, attrs)
    index = zones / "index"
    if not index.exists():
        index.write_text("global:installed:/:\n")
    for brand in profile.brands:
        if not brand.overlay:
            install_brand(host_root, brand.name)


def install_brand(host_root: Path, name: str) -> None:
    """Write the files by which a brand is present on a host."""
    directory = host_root / "usr/lib/brand" / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.xml").write_text(_BRAND_CONFIG.format(name=name))
    (directory / "platform.xml").write_text(_BRAND_PLATFORM.format(name=name))


def install_machines(host_root: Path, name: str) -> None:
    """Write what comes with a brand of virtual machines in an overlay: firmware, emulators."""
    if name == "bhyve":
        add_firmware(host_root / FIRMWARE)
    elif name == "emu":
        programs = host_root / "usr/bin"
        programs.mkdir(parents=True, exist_ok=True)
        for arch in ("aarch64", "i386", "x86_64"):
            (programs / f"qemu-system-{arch}").touch(0o755)


def add_firmware(directory: Path) -> None:
    """What bhyve may boot from; there is nothing in it."""
    directory.mkdir(parents=True)
    for name in ("BHYVE_RELEASE", "BHYVE_RELEASE_CSM", "BHYVE_DEBUG", "BHYVE_DEBUG_CSM", "BHYVE_VARS"):
        (directory / f"{name}.fd").touch()
    for name in ("BHYVE", "BHYVE_CSM"):
        (directory / f"{name}.fd").symlink_to(f"{name.replace('BHYVE', 'BHYVE_RELEASE')}.fd")


def _write_template(
    path: Path,
    name: str,
    brand: str,
    ip_type: str,
    filesystems: tuple[tuple[str, str], ...],
    attrs: Mapping[str, str] = MappingProxyType({}),
) -> None:
    root = Element("zone", {"name": name, "zonepath": "", "autoboot": "false", "brand": brand})
    if ip_type:
        root.attributes["ip-type"] = ip_type
    for special, directory in filesystems:
        root.children.append(
            Element(
                "filesystem",
                {"special": special, "directory": directory, "type": "lofs"},
                [Element("fsoption", {"name": "ro"}), Element("fsoption", {"name": "nodevices"})],
            )
        )
    for attr, value in attrs.items():
        root.children.append(Element("attr", {"name": attr, "type": "string", "value": value}))
    path.write_text(render(Document(root)))
