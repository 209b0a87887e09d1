"""A zone's global settings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, Final

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import records, zonecfg
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.zone.settings import (
    Admin,
    SecurityFlags,
    SettingsInputs,
    SettingsState,
)
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.side import Side
from pulumi_illumos_provider.resources.zone_steps import boolean

_TEXTS: Final = {
    "bootargs": "bootargs",
    "pool": "pool",
    "scheduling_class": "scheduling-class",
    "hostid": "hostid",
}
"""Properties that are one text, by python name; not given means that the zone has none."""

_LISTS: Final = {"limitpriv": "limitpriv", "fs_allowed": "fs-allowed"}
"""Properties that are lists; not given means that the brand decides."""

_FLAGS: Final = ("default", "lower", "upper")


class Settings(Side[SettingsInputs, SettingsState]):
    """Properties and attributes of the configuration."""

    inputs: type[SettingsInputs] = SettingsInputs
    outputs: type[SettingsState] = SettingsState

    def plan(self, wanted: SettingsInputs, job: Job) -> None:
        job.properties["autoboot"] = boolean(wanted.autoboot)
        for field, name in _TEXTS.items():
            _have(job, field, name, _kept_spelling(job, field, name, getattr(wanted, field)))
        for field, name in _LISTS.items():
            words = getattr(wanted, field)
            if words is not None and _meaning(words) != _meaning(_list(job.config, name)):
                _have(job, field, name, ",".join(words))
        if wanted.security_flags is not None:
            _flags(job, wanted.security_flags)
        if wanted.admins is not None:
            admins = [_admin(admin, job.config) for admin in wanted.admins]
            job.want_all("admin", *admins)
        job.want_all("attr", *(_attribute(*item, job.config) for item in wanted.attributes.items()))

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        config = zone.config
        flags = config.resource("security-flags")
        return {
            "autoboot": config.properties.get("autoboot") == "true",
            **{field: config.properties.get(name) or None for field, name in _TEXTS.items()},
            **{field: _list(config, name) for field, name in _LISTS.items()},
            "security_flags": _read_flags(flags) if flags else None,
            "admins": [
                Admin(user=r.key, auths=r.values.get("auths", "").split(","))
                for r in config.of_kind("admin")
            ],
            "attributes": {
                key: value for key, value in config.attributes.items() if not key.startswith(records.PREFIX)
            },
        }

    def satisfied(self, field: str, wanted: SettingsInputs, state: SettingsState) -> bool:
        value, has = getattr(wanted, field), getattr(state, field)
        match field:
            case "limitpriv" | "fs_allowed":
                return value is None or _meaning(value) == _meaning(has)
            case "hostid":
                return bool(value == (None if has is None else _number(has)))
            case "security_flags":
                return value is None or _all_flags(value) == _all_flags(has)
            case "admins":
                return value is None or _all_admins(value) == _all_admins(has)
            case _:
                return bool(value == has)

    def spell(self, state: SettingsState) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        if not state.autoboot:
            spelled["autoboot"] = False
        for field in _TEXTS:
            if value := getattr(state, field):
                spelled[SettingsInputs.property_name(field)] = value
        for field in _LISTS:
            if _meaning(words := getattr(state, field)) != _meaning([]):
                spelled[SettingsInputs.property_name(field)] = words
        if state.security_flags is not None:
            spelled["securityFlags"] = state.security_flags.wire()
        if state.admins:
            spelled["admins"] = [admin.wire() for admin in state.admins]
        if state.attributes:
            spelled["attributes"] = dict(state.attributes)
        return spelled


def _have(job: Job, field: str, name: str, value: str) -> None:
    if job.config.properties.get(name, "") != value:
        job.properties[name] = value
        if job.zone is not None:
            job.reboot_for(SettingsInputs.property_name(field))


def _kept_spelling(job: Job, field: str, name: str, value: str | None) -> str:
    """The value to store; the present one where it means the same."""
    present = job.config.properties.get(name, "")
    if field == "hostid" and value and present and _number(present) == value:
        return present
    return value or ""


def _number(hostid: str) -> str:
    """A host id as the model has it."""
    with contextlib.suppress(ValueError):
        return f"{int(hostid, 16):x}"
    return hostid


def _list(config: zonecfg.ZoneConfig, name: str) -> list[str]:
    return [word for word in config.properties.get(name, "").split(",") if word]


def _meaning(words: Iterable[str]) -> set[str]:
    """A list without order; ``default`` alone is what a zone has without any."""
    return set(words) or {"default"}


def _flags(job: Job, wanted: SecurityFlags) -> None:
    present = job.config.resource("security-flags")
    if present and _all_flags(_read_flags(present)) == _all_flags(wanted):
        job.want("security-flags", "", present)
        return
    for low, high in (("lower", "default"), ("default", "upper"), ("lower", "upper")):
        small, large = getattr(wanted, low), getattr(wanted, high)
        if small and large and "all" not in large and not set(small) - {"none"} <= set(large):
            raise Refused(f"the {low} flags must be among the {high} ones", "securityFlags")
    values = {name: ",".join(getattr(wanted, name)) for name in _FLAGS if getattr(wanted, name)}
    job.want("security-flags", "", *([zonecfg.Resource("security-flags", values)] if values else []))
    if job.zone is not None:
        job.reboot_for("securityFlags")


def _read_flags(resource: zonecfg.Resource) -> SecurityFlags:
    # Not validated: a host may know flags that we do not.
    lists: dict[str, Any] = {
        name: resource.values[name].split(",") if resource.values.get(name) else None for name in _FLAGS
    }
    return SecurityFlags.model_construct(**lists)


def _all_flags(flags: SecurityFlags | None) -> dict[str, set[str]]:
    found = {name: getattr(flags, name, None) for name in _FLAGS}
    return {name: {word.lower() for word in words} for name, words in found.items() if words}


def _admin(admin: Admin, config: zonecfg.ZoneConfig) -> zonecfg.Resource:
    present = config.resource("admin", admin.user)
    if present and set(present.values.get("auths", "").split(",")) == set(admin.auths):
        return present
    return zonecfg.Resource("admin", {"user": admin.user, "auths": ",".join(admin.auths)})


def _all_admins(admins: list[Admin]) -> dict[str, set[str]]:
    return {admin.user: set(admin.auths) for admin in admins}


def _attribute(name: str, value: str, config: zonecfg.ZoneConfig) -> zonecfg.Resource:
    """An attribute; one that somebody stored as a number or boolean with this value stays one."""
    present = config.resource("attr", name)
    return present if present and present.values.get("value") == value else zonecfg.attribute(name, value)
