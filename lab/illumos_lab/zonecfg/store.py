"""Where configurations are kept: /etc/zones of a host, its brands, and the states of zones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from illumos_lab.zonecfg import values
from illumos_lab.zonecfg.index import Entry, Index, IndexUpdateError
from illumos_lab.zonecfg.model import Configuration
from illumos_lab.zonecfg.xmlfile import Comment, Document, InvalidDocumentError, load, save

if TYPE_CHECKING:
    from illumos_lab.host import Host

_BRAND_NAME = re.compile(r'<brand\s[^>]*?\bname="([^"]+)"')
_EXCLUSIVE_ALLOWED = re.compile(r'allow-exclusive-ip="true"')


class NoSuchZoneError(Exception):
    """There is no configuration of that name."""


class ZoneStateError(Exception):
    """The zone's state forbids it."""


class ZoneNameError(Exception):
    """No zone may have that name."""


class NoFileError(Exception):
    """The file of a configuration that has been saved before is gone."""


class ZoneInUseError(Exception):
    """Another zone has that name."""


class Store:
    """The zone configurations of one host, or of a system below an alternate root.

    There nothing runs, zonepaths are seen with the root before them, and brands are the running system's.

    Args:
        alternate: that root's directory; empty for the running system.

    Attributes:
        root: root directory of the system, seen from outside.
        index: its zones.
    """

    def __init__(self, host: Host, alternate: str = "") -> None:
        self._host = host
        self._prefix = alternate.rstrip("/")
        self.root = host.path("global", alternate or "/")
        self._directory = self.root / "etc/zones"
        self._brand_directory = host.root / "usr/lib/brand"
        self.index = Index(self.root, host.profile.smartos_zonecfg)

    @property
    def is_alternate(self) -> bool:
        """It is about a system below an alternate root."""
        return bool(self._prefix)

    def path(self, name: str) -> Path:
        """The file of a configuration or template."""
        return self._directory / f"{name}.xml"

    def load_document(self, name: str) -> Document:
        """The document of a zone or template.

        Raises:
            NoSuchZoneError, xmlfile.InvalidDocumentError
        """
        try:
            document = load(self.path(name))
        except OSError as error:
            raise NoSuchZoneError(name) from error
        if self._prefix:
            document.root.attributes["zonepath"] = self._prefix + document.root.get("zonepath")
        return document

    def load(self, name: str) -> Configuration:
        """The saved configuration of a zone.

        Raises:
            NoSuchZoneError, xmlfile.InvalidDocumentError
        """
        configuration = Configuration(self.load_document(name))
        entry = self.index.get(name) if self._host.profile.smartos_zonecfg else None
        configuration.uuid = entry.uuid if entry is not None else ""
        return configuration

    def load_detached(self, zonepath: str) -> Document:
        """The manifest that ``zoneadm detach`` left in a zonepath, without what it says on software.

        Raises:
            NoSuchZoneError, xmlfile.InvalidDocumentError
        """
        directory = self._host.path("global", zonepath)
        try:
            document = load(directory / "SUNWdetached.xml")
        except OSError as error:
            raise NoSuchZoneError(zonepath) from error
        if not (directory / "root").is_dir():
            raise NoSuchZoneError(zonepath)
        root = document.root
        root.children = [c for c in root.children if isinstance(c, Comment) or c.tag != "package"]
        return document

    def template_name(self, name: str) -> str:
        """The file name behind ``create -t``; OmniOS puts its prefix before names in lower case."""
        profile = self._host.profile
        if profile.forked_zonecfg and not profile.smartos_zonecfg and not name[:1].isupper():
            return f"OMNI{name}"
        return name

    def exists(self, zone: str) -> bool:
        """The zone is known to the host."""
        return self.index.get(zone) is not None

    def state_at_least_installed(self, zone: str) -> bool:
        """The zone is installed or in a higher state; what the kernel says goes before the index."""
        if not self.is_alternate and self._is_active(zone):
            return True
        entry = self.index.get(zone)
        return entry is not None and entry.state == "installed"

    def _is_active(self, zone: str) -> bool:
        if self.is_alternate:
            return zone == "global"
        return zone == "global" or self._host.zones.kernel_state(zone) is not None

    # Brands --------------------------------------------------------------------------------------

    def brands(self) -> dict[str, Path]:
        """Installed brands and their directories."""
        found = {}
        for config in sorted(self._brand_directory.glob("*/config.xml")):
            name = _BRAND_NAME.search(config.read_text("utf-8", "replace"))
            if name:
                found[name[1]] = config.parent
        return found

    def brand_of(self, configuration: Configuration) -> str:
        """The brand of a zone; that of the default template when none is set."""
        if configuration.brand:
            return configuration.brand
        try:
            return self.load_document("SUNWdefault").root.get("brand")
        except NoSuchZoneError:
            return self._host.profile.default_template_brand

    def saved_brand(self, zone: str) -> str:
        """The brand of a zone's saved configuration; empty when it has none that can be read."""
        if zone == "global":
            return self.brand_of(Configuration.blank(zone, ""))
        try:
            return self.brand_of(Configuration(self.load_document(zone)))
        except (NoSuchZoneError, InvalidDocumentError):
            return ""

    def contains(self, zonepath: str) -> bool:
        """The zonepath is below the alternate root, if there is one."""
        return zonepath.startswith(self._prefix + "/")

    def allows_exclusive_ip(self, brand: str) -> bool:
        """Zones of the brand may have an IP stack of their own."""
        platform = self.brands()[brand] / "platform.xml"
        return not platform.exists() or bool(
            _EXCLUSIVE_ALLOWED.search(platform.read_text("utf-8", "replace"))
        )

    # Changes -------------------------------------------------------------------------------------

    def save(self, configuration: Configuration, old_name: str) -> None:
        """Write a configuration and bring the index up to date.

        Args:
            configuration: what to save.
            old_name: name that it had before; its file goes when the zone has been renamed.

        Raises:
            NoFileError: it is neither new nor renamed, and has no file under its name.
            IndexUpdateError: the index cannot be changed; nothing has been saved.
        """
        name = configuration.name
        if not configuration.is_new and name == old_name and not self.path(name).exists():
            raise NoFileError(name)
        zonepath = configuration.zonepath
        if self._prefix:
            configuration.root.attributes["zonepath"] = zonepath.removeprefix(self._prefix)
        try:
            self._update_index(configuration, old_name)
            save(self.path(name), configuration.document)
        finally:
            if self._prefix:
                configuration.root.attributes["zonepath"] = zonepath
        if name != old_name and not configuration.is_new:
            self.path(old_name).unlink(missing_ok=True)
        configuration.is_new = False

    def _update_index(self, configuration: Configuration, old_name: str) -> None:
        zonepath = configuration.zonepath
        if configuration.name == "global" and (not configuration.is_new or self.exists("global")):
            return
        if configuration.is_new:
            if self._host.profile.list_has_debug_id:
                configuration.root.attributes["debugid"] = str(self._take_debug_id())
            extra = self._extra(configuration)
            self.index.add(Entry(configuration.name, "configured", zonepath, configuration.uuid, extra))
            return
        changes = {"name": configuration.name, "zonepath": zonepath}
        if self._host.profile.smartos_zonecfg:
            changes |= {"uuid": configuration.uuid, "extra": self._extra(configuration)}
        self.index.update(old_name, **changes)

    def _extra(self, configuration: Configuration) -> str:
        """What SmartOS adds to a line of the index."""
        if not self._host.profile.smartos_zonecfg:
            return ""
        ip_type = "ex" if configuration.exclusive_ip else "sh"
        return f"{self.brand_of(configuration)}:{ip_type}:{configuration.root.get('debugid')}"

    def _take_debug_id(self) -> int:
        """A number that no zone of the host has had; /etc/zones/did.txt keeps the last one."""
        counter = self._directory / "did.txt"
        with self._host.lock:
            number = int(counter.read_text()) + 1 if counter.exists() else 1
            counter.write_text(f"{number}\n")
        return number

    def destroy(self, zone: str, force: bool) -> None:
        """Remove a zone's configuration; its files stay.

        Raises:
            NoSuchZoneError: there is neither a file nor an entry in the index.
            ZoneStateError: it is active, or without `force` not in state configured.
            IndexUpdateError: the index cannot be changed, and there is no `force`.
        """
        entry = self.index.get(zone)
        if entry is None and not self._is_active(zone) and not self.path(zone).exists():
            raise NoSuchZoneError(zone)
        if self._is_active(zone) or (entry and entry.state != "configured" and not force):
            raise ZoneStateError(zone)
        try:
            self.index.remove(zone)
        except IndexUpdateError:
            if not force:
                raise
        self.path(zone).unlink(missing_ok=True)

    def check_rename(self, configuration: Configuration, old: str, new: str) -> None:
        """Check that a configuration may get a new name.

        Raises:
            ZoneStateError, ZoneNameError, ZoneInUseError
        """
        if new == configuration.name:
            return
        if not values.valid_zonename(new):
            raise ZoneNameError(new)
        if new == old and not configuration.is_new:
            return
        if self._is_active(new) or self.exists(new):
            raise ZoneInUseError(new)
        if not configuration.is_new and self._is_active(old):
            raise ZoneStateError(new)


__all__ = [
    "IndexUpdateError",
    "NoFileError",
    "NoSuchZoneError",
    "Store",
    "ZoneInUseError",
    "ZoneNameError",
    "ZoneStateError",
]
