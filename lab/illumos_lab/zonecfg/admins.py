"""Delegated administration: the admin resource and the global zone's /etc/user_attr.

Functions take the root directory of the global zone.
"""

from __future__ import annotations

from pathlib import Path

from illumos_lab.zonecfg.model import Configuration
from illumos_lab.zonecfg.xmlfile import Element, write_atomically

_AUTHS = ("login", "manage", "clonefrom")
_PREFIX = "solaris.zone."
_PROFILE = "Zone Management"


def user_exists(root: Path, user: str) -> bool:
    """The user has an account in the global zone."""
    try:
        text = (root / "etc/passwd").read_text("utf-8", "replace")
    except FileNotFoundError:
        return False
    return any(line.split(":")[0] == user for line in text.splitlines())


def valid_auth(auth: str) -> bool:
    """The word is a right that an admin resource can give."""
    return auth in _AUTHS


def _admins(configuration: Configuration) -> dict[str, str]:
    return {e.get("user"): e.get("auths") for e in configuration.resources("admin")}


def authorize(root: Path, configuration: Configuration) -> None:
    """Give the users of the admin resources their rights, and take those of others."""
    _rewrite(root, configuration.name, _admins(configuration))


def deauthorize(root: Path, configuration: Configuration) -> None:
    """Take all rights to a zone."""
    if configuration.resources("admin"):
        _rewrite(root, configuration.name, {})


def update_from_rbac(root: Path, configuration: Configuration) -> bool:
    """Bring the admin resources up to date with a newer /etc/user_attr; whether they changed."""
    path = root / "etc/user_attr"
    file = root / f"etc/zones/{configuration.name}.xml"
    wanted = _admins(configuration)
    if not wanted or not path.exists() or not file.exists():
        return False
    if path.stat().st_mtime <= file.stat().st_mtime:
        return False
    present = {}
    for line in path.read_text("utf-8", "replace").splitlines():
        user, attributes = _parse(line)
        auths = _zone_auths(attributes, configuration.name)
        if auths:
            present[user] = ",".join(auths)
    if {u: set(a.split(",")) for u, a in present.items()} == {
        u: set(a.split(",")) for u, a in wanted.items()
    }:
        return False
    configuration.remove(configuration.resources("admin"))
    for user, text in present.items():
        configuration.add(Element("admin", {"user": user, "auths": text}))
    return True


def _parse(line: str) -> tuple[str, dict[str, str]]:
    fields = line.split(":")
    if line.startswith("#") or len(fields) < 5:
        return "", {}
    pairs = (pair.partition("=") for pair in fields[4].split(";") if pair)
    return fields[0], {name: value for name, _, value in pairs}


def _zone_auths(attributes: dict[str, str], zone: str) -> list[str]:
    words = attributes.get("auths", "").split(",")
    return [
        word[len(_PREFIX) : -len(zone) - 1]
        for word in words
        if word.startswith(_PREFIX) and word.endswith(f"/{zone}")
    ]


def _rewrite(root: Path, zone: str, wanted: dict[str, str]) -> None:
    path = root / "etc/user_attr"
    text = path.read_text("utf-8", "surrogateescape") if path.exists() else ""
    lines = []
    done = set()
    for line in text.splitlines():
        user, attributes = _parse(line)
        if not user:
            lines.append(line)
            continue
        done.add(user)
        lines.append(_format(user, attributes, zone, wanted.get(user, "")) or line)
    lines += [
        made
        for user, auths in wanted.items()
        if user not in done and (made := _format(user, {}, zone, auths))
    ]
    new = "".join(line + "\n" for line in lines)
    if new != text:
        write_atomically(path, new)


def _format(user: str, attributes: dict[str, str], zone: str, auths: str) -> str | None:
    """The line of a user with rights to a zone; None when nothing changes."""
    words = [w for w in attributes.get("auths", "").split(",") if w]
    kept = [w for w in words if not (w.startswith(_PREFIX) and w.endswith(f"/{zone}"))]
    kept += [f"{_PREFIX}{auth}/{zone}" for auth in auths.split(",") if auth]
    if kept == words:
        return None
    attributes["auths"] = ",".join(kept)
    profiles = [p for p in attributes.get("profiles", "").split(",") if p]
    if auths and _PROFILE not in profiles:
        attributes["profiles"] = ",".join([*profiles, _PROFILE])
    pairs = ";".join(f"{name}={value}" for name, value in attributes.items() if value)
    return f"{user}::::{pairs}"
