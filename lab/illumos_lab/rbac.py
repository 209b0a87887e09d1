"""Who may run what with which privileges: user_attr(5), prof_attr(5), exec_attr(5)."""

from __future__ import annotations

from pathlib import Path

from illumos_lab import accounts

_DEFAULT_PROFILES = ("Basic Solaris User", "All")
_PRIVILEGED = ("uid=", "euid=", "privs=")


def profiles(root: Path, user: str) -> list[str]:
    """The rights profiles of a user in the zone with this root, the strongest first."""
    granted: list[str] = []
    for name, attributes in _records(root / "etc/user_attr"):
        if name == user:
            for item in attributes[-1].split(";"):
                key, _, value = item.partition("=")
                if key == "profiles":
                    granted += value.split(",")
    return granted + [profile for profile in _DEFAULT_PROFILES if profile not in granted]


def authorizations(root: Path, profile: str) -> str:
    """The authorizations that a rights profile gives, between commas."""
    for name, fields in _records(root / "etc/security/prof_attr"):
        if name == profile:
            pairs = (item.partition("=") for item in fields[-1].split(";"))
            return next((value for key, _, value in pairs if key == "auths"), "")
    return ""


def grants_privilege(root: Path, uid: int, program: str) -> bool:
    """Whether one of the user's profiles runs a program with more than the user's own rights.

    Args:
        root: the zone's root directory.
        uid: the user.
        program: absolute path of the program, symbolic links resolved.
    """
    account = accounts.by_uid(root, uid)
    if account is None:
        return False
    entries = _records(root / "etc/security/exec_attr")
    for profile in profiles(root, account.name):
        for name, fields in entries:
            if name != profile or len(fields) < 6 or fields[4] not in (program, "*"):
                continue
            # The first profile that lists the program decides.
            return fields[5].startswith(_PRIVILEGED)
    return False


def _records(path: Path) -> list[tuple[str, list[str]]]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    records = [line.split(":") for line in lines if line and not line.startswith("#")]
    return [(fields[0], fields[1:]) for fields in records]
