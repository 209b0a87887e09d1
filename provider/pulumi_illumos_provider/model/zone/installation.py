"""How a zone is installed: brand, place and what its brand needs."""

from __future__ import annotations

import enum
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from pulumi_illumos_provider.model.base import Change, Faults, Properties, Self, all_known, prop
from pulumi_illumos_provider.model.common import ENUM_VALUES, brand_property
from pulumi_illumos_provider.model.values import AbsolutePath, ZoneName

_PUBLISHER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_WORD = re.compile(r"[A-Za-z0-9/][A-Za-z0-9@%+=:,./_-]*")


def _word(value: Any) -> str:
    """zoneadm joins the install options to one line for a shell: only plain words come through."""
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise ValueError(
            f"{value!r} cannot be given to zoneadm: it may have letters, digits and @%+=:,./_- only, "
            "and begins with a letter, a digit or /"
        )
    return value


Word = Annotated[str, BeforeValidator(_word)]


class Attach(enum.StrEnum):
    """How a directory that is a zone already is attached."""

    VERIFY = "verify"
    UPDATE = "update"
    FORCE = "force"


ENUM_VALUES[Attach] = {
    "verify": "The brand checks that the zone fits the host.",
    "update": "The brand updates the zone's packages to those of the host.",
    "force": "Nothing is checked.",
}


class Install(Properties):
    """Where a zone's files come from. Each brand understands some of these only."""

    packages: list[Word] | None = prop(
        "Packages to install besides the brand's own: brands `ipkg`, `lipkg`, `nlipkg`, `whole-root` "
        "and `appstack`.",
        default=None,
    )
    overlays: list[Word] | None = prop(
        "Overlays to install: brands `whole-root` and `appstack` of Tribblix.", default=None
    )
    publishers: dict[str, Word] | None = prop(
        "Package publishers, name to address: brands `ipkg`, `lipkg` and `nlipkg`. Default: those of "
        "the host.",
        default=None,
    )
    image: Word | None = prop(
        "What the zone is made from: a file of the host (archive or ZFS stream), or with brands "
        "`illumos` and `lx` a dataset or snapshot too. Brands `illumos`, `lx`, `solaris10` and "
        "`alien-root` need it; `ipkg`, `lipkg` and `nlipkg` take an archive.",
        default=None,
    )
    directory: AbsolutePath | None = prop(
        "A directory of the host to copy instead of an image: brands `solaris10`, `ipkg`, `lipkg` and "
        "`nlipkg`.",
        default=None,
    )
    template: AbsolutePath | None = prop(
        "A template directory of the host: brand `sparse-root` of Tribblix.", default=None
    )
    keep_identity: bool = prop(
        "Whether a zone made from an archive or a directory keeps the host name, addresses and "
        "passwords of the original.",
        default=False,
        strict=True,
    )
    clone: ZoneName | None = prop("A zone of the same brand to clone: installed and halted.", default=None)
    attach: Attach | None = prop(
        "Use what is in `zonepath` already, a zone that was detached or received from another host, "
        "instead of installing.",
        default=None,
    )

    @model_validator(mode="after")
    def _makes_sense(self, info: ValidationInfo) -> Self:
        if not all_known(info):
            return self
        faults = Faults()
        for name in self.publishers or ():
            if not _PUBLISHER.fullmatch(name):
                faults.add("publishers", f"{name!r} is not the name of a publisher")
        sources = [
            self.property_name(field)
            for field in ("image", "directory", "template", "clone", "attach")
            if getattr(self, field) is not None
        ]
        for extra in sources[1:]:
            faults.add(extra, f"excludes {sources[0]}: a zone comes from one place")
        if self.clone or self.attach:
            for field in ("packages", "overlays", "publishers"):
                if getattr(self, field) is not None:
                    faults.add(
                        self.property_name(field), f"excludes {sources[0]}: nothing is installed then"
                    )
        faults.raise_if_any()
        return self

    def describe(self) -> str:
        """What it says in one line, the same for all that mean the same; remembered with the zone."""
        said = self.wire()
        if not said.get("keepIdentity"):
            said.pop("keepIdentity", None)
        return " ".join(f"{name}={_flat(value)}" for name, value in sorted(said.items())) or "-"


def _flat(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(sorted(value))
    if isinstance(value, dict):
        return ",".join(f"{key}={text}" for key, text in sorted(value.items()))
    return str(value)


class InstallationInputs(Properties):
    """Brand, directory and installation of a zone."""

    brand: str | None = brand_property()
    zonepath: AbsolutePath | None = prop(
        "Directory of the zone; a zone that has another one is moved. Default: the usual place of the "
        "host's distribution.",
        change=Change.HALT,
        default=None,
    )
    install: Install | None = prop(
        "Where the zone's files come from. It counts when the zone is made: another value makes the "
        "zone anew; leaving it out later changes nothing. Of a zone that this provider did not "
        "install it is not known, and not compared. Default: what the brand does by itself.",
        change=Change.REPLACE,
        default=None,
    )

    def examine_installation(self, faults: Faults, known: bool) -> None:
        """Rules across these properties."""
        if known and self.install and self.install.attach and self.zonepath is None:
            faults.add("zonepath", "is needed with install.attach: it says where the zone is")


class InstallationState(Properties):
    """Brand, directory and installation as the host has them."""

    uuid: str | None = Field(None, description="The zone's UUID, once it is installed.")
    brand: str = Field(description="Zone brand.")
    zonepath: str = Field(description="Directory of the zone.")
    installed_from: str | None = Field(
        None, description="How the zone was installed, as it is recorded with it."
    )
