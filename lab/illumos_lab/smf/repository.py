"""The service repository of one root directory: what survives a reboot.

A file of JSON at illumos' own place holds what differs from the services as delivered: services that
packages added, which instances are enabled, and properties that somebody set.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from illumos_lab.conffile import replace_file

PLACE = "etc/svc/repository.db"


@dataclass(frozen=True)
class Property:
    """A property's type (``astring``, ``boolean``, ``count`` ...) and its values."""

    type: str
    values: tuple[str, ...]


Properties = dict[str, Property]
"""Properties by ``group/name``."""


@dataclass
class Repository:
    """The persistent part of a repository.

    Attributes:
        path: the file.
        installed: instances that packages added to the delivered ones.
        enabled: what an administrator decided, by instance.
        comments: why an instance was disabled.
        groups: property groups that were added, by entity: name to type.
        properties: properties that were set, by entity; an entity is a service or an instance.
        manifests: instances that manifests delivered, as `Delivered` keeps them, by FMRI.
        services: services that svccfg added, which need no instance.
        imported: what the service manifest-import has read: by path a hash of the file, then its instances.
    """

    path: Path
    installed: list[str] = field(default_factory=list)
    enabled: dict[str, bool] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    groups: dict[str, dict[str, str]] = field(default_factory=dict)
    properties: dict[str, Properties] = field(default_factory=dict)
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    services: list[str] = field(default_factory=list)
    imported: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, root: Path) -> Repository:
        """The repository below a root directory; an empty one when there is none yet."""
        path = root / PLACE
        try:
            data = json.loads(path.read_text())
        except FileNotFoundError:
            return cls(path)
        return cls(
            path,
            list(data["installed"]),
            dict(data["enabled"]),
            dict(data["comments"]),
            {entity: dict(groups) for entity, groups in data["groups"].items()},
            {
                entity: {name: Property(kind, tuple(values)) for name, (kind, values) in items.items()}
                for entity, items in data["properties"].items()
            },
            dict(data.get("manifests", {})),
            list(data.get("services", [])),
            dict(data.get("imported", {})),
        )

    def forget(self, fmri: str) -> None:
        """Drop an instance that a package added, with its service and all that was set on them."""
        if fmri in self.installed:
            self.installed.remove(fmri)
        self.manifests.pop(fmri, None)
        for entity in (fmri, fmri.rpartition(":")[0]):
            for settings in (self.enabled, self.comments, self.groups, self.properties):
                settings.pop(entity, None)
        self.save()

    def save(self) -> None:
        """Write the file."""
        data = {
            "installed": self.installed,
            "enabled": self.enabled,
            "comments": self.comments,
            "groups": self.groups,
            "properties": {
                entity: {name: [value.type, list(value.values)] for name, value in items.items()}
                for entity, items in self.properties.items()
            },
            "manifests": self.manifests,
            "services": self.services,
            "imported": self.imported,
        }
        replace_file(self.path, json.dumps(data, indent=1) + "\n")
