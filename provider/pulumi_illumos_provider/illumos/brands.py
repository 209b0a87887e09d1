"""Zone brands: what each is, what its zones are installed from, and what can be said of them.

See zones(7), brands(7) and the pages of the brands: ipkg(7), lx(7), bhyve(7), solaris10(7).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


class Family(enum.Enum):
    """What runs in the zones of a brand; the value is for messages."""

    NATIVE = "illumos"
    LX = "Linux"
    SOLARIS10 = "Solaris 10"
    MACHINE = "a virtual machine"
    OTHER = "something that this provider does not know"


@dataclass(frozen=True)
class Brand:
    """A zone brand of one distribution.

    Attributes:
        name: value of the ``brand`` property.
        family: what runs in its zones.
        template: what to create a configuration from, where a blank one does not do.
        options: what its install script takes, by property of ``install``: the option's letter. The first
            and the further values of ``overlays`` have letters of their own.
        needs_image: it is installed from an image only.
        unconfigures: with an image, it wants to be told whether to take the identity out of the copy.
        brought_by: what installs the brand, for messages; empty when every host has it.
    """

    name: str
    family: Family = Family.NATIVE
    template: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    needs_image: bool = False
    unconfigures: bool = False
    brought_by: str = ""

    @property
    def native(self) -> bool:
        """Whether its zones have illumos userland and SMF, and are set up from their files."""
        return self.family is Family.NATIVE

    @property
    def has_smf(self) -> bool:
        """Whether its zones have services to wait for."""
        return self.family in (Family.NATIVE, Family.SOLARIS10)

    @property
    def is_machine(self) -> bool:
        """Whether its zones are virtual machines."""
        return self.family is Family.MACHINE

    @property
    def exclusive_only(self) -> bool:
        """Whether its zones need an IP stack and links of their own."""
        return self.family in (Family.LX, Family.MACHINE)

    @property
    def resolvers_in_attributes(self) -> bool:
        """Whether its zones learn their name servers from the attributes of the configuration."""
        return self.family in (Family.LX, Family.MACHINE)


def _by_name(*brands: Brand) -> dict[str, Brand]:
    return {brand.name: brand for brand in brands}


def _package(brand: str) -> str:
    return f"package system/zones/brand/{brand} (pkg install system/zones/brand/{brand})"


_COPIES = {"image": "-a", "directory": "-d"}
_IPKG = {"packages": "-e", "publishers": "-P", **_COPIES}

OMNIOS = _by_name(
    Brand("ipkg", options=_IPKG, unconfigures=True),
    Brand("lipkg", options=_IPKG, unconfigures=True),
    Brand("sparse", brought_by=_package("sparse")),
    Brand("pkgsrc", brought_by=_package("pkgsrc")),
    Brand("illumos", options={"image": "-s"}, needs_image=True, brought_by=_package("illumos")),
    Brand("lx", Family.LX, options={"image": "-s"}, needs_image=True, brought_by=_package("lx")),
    Brand("bhyve", Family.MACHINE, brought_by=_package("bhyve")),
    Brand("kvm", Family.MACHINE, brought_by=_package("kvm")),
    Brand("emu", Family.MACHINE, brought_by=_package("emu")),
)

TRIBBLIX = _by_name(
    Brand("sparse-root", template="TRIBsparse", options={"template": "-T"}),
    Brand("whole-root", template="TRIBwhole", options={"overlays": "-o -O", "packages": "-P"}),
    Brand("alien-root", template="TRIBalien", options={"image": "-i"}, needs_image=True),
    Brand("appstack", template="TRIBappstack", options={"overlays": "-a -A", "packages": "-P"}),
    Brand(
        "solaris10",
        Family.SOLARIS10,
        template="SUNWsolaris10",
        options=_COPIES,
        needs_image=True,
        unconfigures=True,
    ),
    Brand(
        "lx",
        Family.LX,
        template="SUNWlx",
        options={"image": "-t"},
        needs_image=True,
        brought_by="the variant OmniTribblix",
    ),
    Brand("bhyve", Family.MACHINE, brought_by="overlay bhyve (zap install-overlay bhyve)"),
    Brand("emu", Family.MACHINE, brought_by="overlay qemu (zap install-overlay qemu)"),
)

OPENINDIANA = _by_name(
    Brand("ipkg", options=_IPKG, unconfigures=True),
    Brand("nlipkg", options=_IPKG, unconfigures=True),
    Brand(
        "solaris10",
        Family.SOLARIS10,
        template="SUNWsolaris10",
        options=_COPIES,
        needs_image=True,
        unconfigures=True,
        brought_by=_package("s10"),
    ),
)


def with_option(known: Mapping[str, Brand], option: str) -> str:
    """The brands of a distribution that take an install option, for messages."""
    return words(name for name, brand in known.items() if option in brand.options)


def words(names: Iterable[str]) -> str:
    """A list for messages; ``none`` when it is empty."""
    return ", ".join(sorted(names)) or "none"
