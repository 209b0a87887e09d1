"""A zone's global settings: the properties and attributes of its configuration."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from pulumi_illumos_provider.model.base import Change, Faults, Properties, prop
from pulumi_illumos_provider.model.common import autoboot_property
from pulumi_illumos_provider.model.values import Attributes, zonecfg_fault

_PRIVILEGE = re.compile(r"default|!?[a-z][a-z0-9_]*")
_HOST_ID = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{1,8})")
_FILE_SYSTEM = re.compile(r"[A-Za-z0-9-]+")
_FLAG = re.compile(r"-?[A-Za-z]+")
AUTHORIZATIONS = ("login", "manage", "clonefrom")


def _privileges(value: Any) -> list[str]:
    return _words(value, _PRIVILEGE, "a privilege: write default, dtrace_proc or !sys_time")


def _file_systems(value: Any) -> list[str]:
    return _words(value, _FILE_SYSTEM, "a type of file systems: write nfs or pcfs")


def _flags(value: Any) -> list[str]:
    words = [word.lower() for word in _words(value, _FLAG, "a security flag: write aslr, all or none")]
    if "default" in words or "current" in words:
        raise ValueError("'default' and 'current' cannot be used in a zone: name the flags")
    return words


def _words(value: Any, form: re.Pattern[str], what: str) -> list[str]:
    """A list of words, also from zonecfg's own spelling with commas."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list):
        raise ValueError(f"{value!r} must be a list of strings")
    words = [item.strip() if isinstance(item, str) else item for item in items]
    for word in words:
        if not isinstance(word, str) or not form.fullmatch(word):
            raise ValueError(f"{word!r} is not {what}")
    return words


def _host_id(value: Any) -> str:
    match = _HOST_ID.fullmatch(value) if isinstance(value, str) else None
    if not match or int(match[1], 16) == 0xFFFFFFFF:
        raise ValueError(
            f"{value!r} is not a host id: write up to eight hexadecimal digits, as in 8f2a31b0"
        )
    return match[1].lower().lstrip("0") or "0"


def _line(value: Any) -> str:
    """Text that zonecfg stores and prints again unquoted."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} must be a text that is not empty")
    if fault := zonecfg_fault(value):
        raise ValueError(fault)
    if len(value) > 255:
        raise ValueError(f"has {len(value)} characters: zonecfg keeps at most 255")
    return value.strip()


_STRINGS = WithJsonSchema({"type": "array", "items": {"type": "string"}})

Privileges = Annotated[list[str], BeforeValidator(_privileges), _STRINGS]
FileSystems = Annotated[list[str], BeforeValidator(_file_systems), _STRINGS]
Flags = Annotated[list[str], BeforeValidator(_flags), _STRINGS]
HostId = Annotated[str, BeforeValidator(_host_id), WithJsonSchema({"type": "string"})]
Line = Annotated[str, BeforeValidator(_line), WithJsonSchema({"type": "string"})]


class Admin(Properties):
    """A user of the host who may do something with the zone (zonecfg `admin`)."""

    user: str = prop("The user's name on the host.", pattern=r"^[A-Za-z_][A-Za-z0-9._-]*$")
    auths: list[str] = prop("What the user may do: `login`, `manage`, `clonefrom`.", min_length=1)


class SecurityFlags(Properties):
    """Security flags of the zone's processes (security-flags(7)). What is left out is the system's."""

    default: Flags | None = prop("Flags that processes start with.", change=Change.REBOOT, default=None)
    lower: Flags | None = prop("Flags that no process can do without.", change=Change.REBOOT, default=None)
    upper: Flags | None = prop("Flags that processes may have.", change=Change.REBOOT, default=None)


class SettingsInputs(Properties):
    """Settings of a zone as a whole."""

    autoboot: bool = autoboot_property()
    bootargs: Line | None = prop(
        "Boot arguments, such as `-m verbose`. Default: none.", change=Change.REBOOT, default=None
    )
    limitpriv: Privileges | None = prop(
        "Privileges that processes in the zone can have, such as `[default, dtrace_proc]`. Default: the "
        "brand's; what the configuration has is left alone.",
        change=Change.REBOOT,
        default=None,
    )
    pool: Line | None = prop(
        "Resource pool that the zone is bound to. Default: none.", change=Change.REBOOT, default=None
    )
    scheduling_class: Line | None = prop(
        "Default scheduling class, such as `FSS`. Default: the system's.",
        change=Change.REBOOT,
        default=None,
    )
    fs_allowed: FileSystems | None = prop(
        "Types of file systems that may be mounted in the zone. Default: the brand's; what the "
        "configuration has is left alone.",
        change=Change.REBOOT,
        default=None,
    )
    hostid: HostId | None = prop(
        "Host id that the zone sees, in hexadecimal. Default: the host's.",
        change=Change.REBOOT,
        default=None,
    )
    security_flags: SecurityFlags | None = prop(
        "Security flags. Default: what the configuration has is left alone.",
        change=Change.REBOOT,
        default=None,
    )
    admins: list[Admin] | None = prop(
        "Users of the host who may log into the zone or manage it. Default: what the configuration has "
        "is left alone.",
        default=None,
    )
    attributes: Attributes = prop("Attributes stored with the zone (zonecfg `attr`).", default={})

    def examine_settings(self, faults: Faults, known: bool) -> None:
        """Rules across these properties."""
        if self.pool is not None and self.pool.startswith("SUNW"):
            faults.add("pool", f"{self.pool} is reserved by the system: choose another pool")
        if self.pool is not None and getattr(self, "dedicated_cpus", None) is not None:
            faults.add("pool", "excludes dedicatedCpus: leave one of them out")
        shares = getattr(self, "cpu_shares", None)
        if shares is not None and self.scheduling_class not in (None, "FSS"):
            faults.add("schedulingClass", "must be FSS where cpuShares are given: shares mean nothing else")
        users = set()
        for index, admin in enumerate(self.admins or []):
            if admin.user in users:
                faults.add(
                    f"admins[{index}].user", f"{admin.user} is named twice: put all auths in one entry"
                )
            users.add(admin.user)
            for auth in admin.auths:
                if auth not in AUTHORIZATIONS:
                    faults.add(
                        f"admins[{index}].auths",
                        f"{auth!r} is not one of {', '.join(AUTHORIZATIONS)}",
                    )


class SettingsState(Properties):
    """Settings as the host has them."""

    autoboot: bool = Field(description="Whether the zone boots with the host.")
    bootargs: str | None = Field(None, description="Boot arguments.")
    limitpriv: list[str] = Field([], description="Privileges that processes in the zone can have.")
    pool: str | None = Field(None, description="Resource pool that the zone is bound to.")
    scheduling_class: str | None = Field(None, description="Default scheduling class.")
    fs_allowed: list[str] = Field([], description="Types of file systems that may be mounted in the zone.")
    hostid: str | None = Field(None, description="Host id that the zone sees, in hexadecimal.")
    security_flags: SecurityFlags | None = Field(None, description="Security flags.")
    admins: list[Admin] = Field([], description="Users of the host who may do something with the zone.")
    attributes: dict[str, str] = Field(description="Attributes stored with the zone.")
