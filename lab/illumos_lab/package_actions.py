"""What an IPS package delivers, as the actions of its manifest (pkg(7))."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from illumos_lab.packages import Package

PUBLISHED = "20250505T120000Z"
"""When every package of the lab was published, as versions end."""


@dataclass(frozen=True)
class Action:
    """One action of a manifest.

    Attributes:
        name: ``set``, ``dir``, ``file``, ``link``, ``user``.
        attributes: by name; ``path`` is relative to the image's root.
        key: name of the attribute that tells it from others of its kind.
    """

    name: str
    key: str
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Match:
    """Where a word was found.

    Attributes:
        package: the package.
        index: name of the index, such as ``basename`` or ``pkg.summary``.
        action: name of the action.
        value: what is shown of it.
    """

    package: Package
    index: str
    action: str
    value: str


def fmri(package: Package, *, published: bool = True) -> str:
    """The package's full name, with the time of its publication or without."""
    version = f"{package.version}:{PUBLISHED}" if published else package.version
    return f"pkg://{package.publisher}/{package.name}@{version}"


def actions(package: Package) -> list[Action]:
    """The actions of a package."""
    found = [
        Action("set", "name", {"name": "pkg.fmri", "value": fmri(package)}),
        Action("set", "name", {"name": "pkg.summary", "value": package.summary}),
    ]
    for directory in package.directories:
        place = directory.path.lstrip("/")
        owner = package.user.name if package.user and package.user.uid == directory.owner else "root"
        found.append(
            Action("dir", "path", {"path": place, "owner": owner, "group": _group(owner), "mode": "0755"})
        )
    for paths, mode in ((package.programs, "0555"), ([path for path, _ in package.files], "0644")):
        for path in paths:
            attributes = {"path": path.lstrip("/"), "owner": "root", "group": "bin", "mode": mode}
            found.append(Action("file", "path", attributes))
    # A program that the lab has from the machine below it is a file on illumos.
    for path, _ in package.links:
        attributes = {"path": path.lstrip("/"), "owner": "root", "group": "bin", "mode": "0555"}
        found.append(Action("file", "path", attributes))
    if package.user is not None:
        user = package.user
        attributes = {"username": user.name, "uid": str(user.uid), "home-dir": user.home}
        found.append(Action("user", "username", attributes))
    return found


def _group(owner: str) -> str:
    return "sys" if owner == "root" else owner


def search(package: Package, word: str, *, exact_case: bool = False) -> Iterator[Match]:
    """Where a package has a word: in its name, in its summary, or as a file."""

    def same(text: str) -> bool:
        return text == word if exact_case else text.lower() == word.lower()

    if any(same(name) for name in (package.name, *package.name.split("/"))):
        yield Match(package, "pkg.fmri", "set", f"{package.publisher}/{package.name}")
    if any(same(token.strip(",.")) for token in package.summary.split()):
        yield Match(package, "pkg.summary", "set", package.summary)
    for action in actions(package):
        path = action.attributes.get("path")
        if path is None:
            continue
        if same(posixpath.basename(path)):
            yield Match(package, "basename", action.name, path)
        elif same(path) or same(f"/{path}"):
            yield Match(package, "path", action.name, path)


def missing(root: Path, package: Package) -> list[Action]:
    """The files and directories of a package that are not below a root directory."""
    wanted = [action for action in actions(package) if "path" in action.attributes]
    return [action for action in wanted if not _exists(root / action.attributes["path"])]


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()
