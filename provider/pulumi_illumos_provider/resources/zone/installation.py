"""Brand, directory and installation of a zone."""

from __future__ import annotations

from typing import Any

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import brands, records, zoneadm, zonecfg
from pulumi_illumos_provider.illumos.brands import Brand
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.zone.installation import (
    Attach,
    Install,
    InstallationInputs,
    InstallationState,
)
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.side import Side

_SOURCES = ("image", "directory", "clone", "attach")
_ATTACH_OPTIONS: dict[Attach, tuple[str, ...]] = {
    Attach.VERIFY: (),
    Attach.UPDATE: ("-u",),
    Attach.FORCE: ("-F",),
}


class Installation(Side[InstallationInputs, InstallationState]):
    """How a zone gets its files. Brand and directory were chosen when the job was made."""

    inputs: type[InstallationInputs] = InstallationInputs
    outputs: type[InstallationState] = InstallationState

    def plan(self, wanted: InstallationInputs, job: Job) -> None:
        if job.zone is None:
            job.properties["brand"] = job.brand
        if not job.installed:
            job.properties["zonepath"] = job.zonepath
            _plan_files(wanted.install or Install(), job)
        _remember(wanted.install, job)

    def paths(self, wanted: InstallationInputs) -> list[str]:
        install = wanted.install or Install()
        asked = [install.image, install.directory, install.template]
        asked += [wanted.zonepath] if install.attach else []
        return [path for path in asked if path is not None and path.startswith("/")]

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        listed = zone.listed
        return {
            "uuid": listed.uuid or None,
            "brand": listed.brand,
            "zonepath": listed.zonepath,
            "installed_from": zone.config.attributes.get(records.INSTALL),
        }

    def satisfied(self, field: str, wanted: InstallationInputs, state: InstallationState) -> bool:
        value = getattr(wanted, field)
        if field == "install":
            unknown = value is None or state.installed_from is None
            return unknown or state.installed_from == records.bounded(value.describe())
        return value is None or value == getattr(state, field)

    def spell(self, state: InstallationState) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        if state.brand:
            spelled["brand"] = state.brand
        spelled["zonepath"] = state.zonepath
        return spelled


def _remember(install: Install | None, job: Job) -> None:
    """Note with the zone how it was installed: nothing else on the host tells it."""
    present = job.config.resource("attr", records.INSTALL)
    if job.installed:
        noted = [present] if present else []
    else:
        text = records.bounded((install or Install()).describe())
        noted = [zonecfg.attribute(records.INSTALL, text)]
    job.want("attr", records.INSTALL, *noted)


def _plan_files(install: Install, job: Job) -> None:
    _refuse_misunderstood(install, job.kind, job)
    _refuse_missing(install, job)
    if install.clone is not None:
        job.files, job.filing = zoneadm.clone(job.name, install.clone), "cloning"
    elif install.attach is not None:
        job.files, job.filing = zoneadm.attach(job.name, _ATTACH_OPTIONS[install.attach]), "attaching"
    else:
        job.files = zoneadm.install(job.name, tuple(install_options(install, job.kind)))


def install_options(install: Install, brand: Brand) -> list[str]:
    """Options of the brand's install script."""
    options: list[str] = []
    for package in install.packages or []:
        options += [brand.options["packages"], package]
    for number, overlay in enumerate(install.overlays or []):
        first, further = brand.options["overlays"].split()
        options += [further if number else first, overlay]
    for name, address in sorted((install.publishers or {}).items()):
        options += [brand.options["publishers"], f"{name}={address}"]
    for field in ("image", "directory", "template"):
        if (value := getattr(install, field)) is not None:
            options += [brand.options[field], value]
    if brand.unconfigures and (install.image or install.directory):
        options.append("-p" if install.keep_identity else "-u")
    return options


# What cannot work --------------------------------------------------------------------------------


def _refuse_misunderstood(install: Install, brand: Brand, job: Job) -> None:
    known = job.now.distribution.brands
    for field in ("packages", "overlays", "publishers", "image", "directory", "template"):
        if getattr(install, field) is not None and field not in brand.options:
            raise Refused(
                f"brand {brand.name} does not take {field}; on {job.now.distribution.name} these do: "
                f"{brands.with_option(known, field)}",
                f"install.{field}",
            )
    if install.keep_identity and not (brand.unconfigures and (install.image or install.directory)):
        able = brands.words(name for name, other in known.items() if other.unconfigures)
        raise Refused(
            "it goes with an image or a directory of a brand that asks whether the copy keeps the "
            f"identity of the original; on {job.now.distribution.name} these do: {able}",
            "install.keepIdentity",
        )
    if brand.needs_image and not any(getattr(install, field) for field in _SOURCES):
        takes = " or ".join(field for field in ("image", "directory") if field in brand.options)
        raise Refused(
            f"a zone of brand {brand.name} is made from an image: give {takes}, or a zone to clone",
            "install.image",
        )


def _refuse_missing(install: Install, job: Job) -> None:
    for field in ("image", "directory", "template"):
        value = getattr(install, field)
        if value is not None and not _is_there(value, job.now):
            raise Refused(
                f"{value} is not there on the host: bring it there first, or correct the name",
                f"install.{field}",
            )
    if install.directory is not None and job.now.paths.get(install.directory) != "directory":
        raise Refused(f"{install.directory} is not a directory: give it as image", "install.directory")
    if install.attach is not None and job.now.paths.get(job.zonepath) != "directory":
        raise Refused(
            f"there is no directory {job.zonepath} on the host to attach: bring the zone there first "
            "(zfs receive), or correct zonepath",
            "install.attach",
        )
    if install.clone is not None:
        _refuse_bad_source(install.clone, job)


def _is_there(source: str, now: Snapshot) -> bool:
    if source.startswith("/"):
        return source in now.paths
    return source.partition("@")[0] in now.datasets


def _refuse_bad_source(source: str, job: Job) -> None:
    zone = job.now.zones.get(source)
    if zone is None:
        raise Refused(f"there is no zone {source} to clone", "install.clone")
    if zone.listed.brand != job.brand:
        raise Refused(
            f"zone {source} has brand {zone.listed.brand}, and not {job.brand}: only zones of the same "
            "brand can be cloned",
            "install.clone",
        )
    if zone.listed.state != zoneadm.INSTALLED:
        raise Refused(
            f"zone {source} is {zone.listed.state}: a zone that is cloned is installed and halted; give "
            "it state halted",
            "install.clone",
        )
