"""What the brands of the distributions do at installation: options, packages, durations; see brands(7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt


class BrandUsageError(Exception):
    """The brand's script refuses its options; the text is its usage."""


@dataclass(frozen=True)
class Brand:
    """How zones of a brand are installed.

    Attributes:
        name: value of the ``brand`` property.
        options: option letters of its install script, a colon after those with a value.
        usage: what the script prints when it is called wrongly.
        package_options: options whose values are packages to install.
        overlay_options: options whose values are overlays; with the first one the zone has no more of the
            global zone's packages than these need.
        image_options: options of which one must name an image.
        extra_options: options that may name an image.
        identity_options: an image is unconfigured (``u``) or preserved (``p``), which has to be said.
        seconds: how long an installation takes.
        needs_dataset: the parent of the zonepath must be a ZFS dataset.
        native: it runs illumos userland and SMF.
        exclusive_ip: its zones need an IP stack of their own.
        sysidcfg: its zones ask on the console for what a sysidcfg file does not say.
        ipkg_family: it has OmniOS' or OpenIndiana's shared scripts, with their DNS attributes.
    """

    name: str
    options: str = "h"
    usage: str = ""
    package_options: str = ""
    overlay_options: str = ""
    image_options: str = ""
    extra_options: str = ""
    identity_options: bool = False
    seconds: float = 3.0
    needs_dataset: bool = False
    native: bool = True
    exclusive_ip: bool = False
    sysidcfg: bool = False
    ipkg_family: bool = False

    def parse_install(self, arguments: Sequence[str]) -> InstallPlan:
        """Read the arguments of ``zoneadm install``.

        Raises:
            BrandUsageError: wrong options, or help was asked for.
        """
        try:
            options, operands = getopt(arguments, self.options, permute=False)
        except UnknownOptionError as error:
            raise BrandUsageError(f"{self.name}: unknown option {error}\n{self.usage}") from error
        except MissingValueError as error:
            raise BrandUsageError(
                f"{self.name}: option {error} requires an argument\n{self.usage}"
            ) from error
        letters = [letter for letter, _ in options]
        if self.identity_options and len({"u", "p"} & set(letters)) != 1:
            raise BrandUsageError(self.usage)
        if operands or "h" in letters:
            raise BrandUsageError(self.usage)
        if self.image_options and not any(letter in self.image_options for letter in letters):
            raise BrandUsageError(self.usage)
        packages = [
            word
            for letter, value in options
            if letter in self.package_options
            for word in value.replace(",", " ").split()
        ]
        wanted = self.image_options + self.extra_options
        images = [value for letter, value in options if letter in wanted]
        return InstallPlan(
            packages=packages,
            silent="s" in letters and "s" not in self.image_options,
            image=images[-1] if images else "",
            unconfigure="u" in letters,
            overlays=[value for letter, value in options if letter in self.overlay_options],
            partial=self.overlay_options[:1] in letters,
        )


@dataclass(frozen=True)
class InstallPlan:
    """What an installation was asked to do.

    Attributes:
        packages: packages beyond the brand's own.
        silent: print no progress.
        image: what the zone is made from: a dataset, a snapshot, a file or a directory; empty for none.
        unconfigure: take the identity of the original out of it.
        overlays: overlays that it is to have.
        partial: leave out what else the global zone has.
    """

    packages: list[str]
    silent: bool = False
    image: str = ""
    unconfigure: bool = False
    overlays: Sequence[str] = ()
    partial: bool = False


_IPKG_USAGE = (
    "usage:\tinstall {-a archive|-d path} {-p|-u} [-s|-v]\n"
    "\tinstall [-P publisher=uri [-k keyfile -c certfile]] [-e extrapkg]\n"
)
_SPARSE_USAGE = "usage:\tinstall [-hsv]\n"
_IMAGE_USAGE = "usage:\tinstall -s|-t <dataset|snapshot|archive>\n"
_S10_USAGE = "usage:\tinstall {-a archive|-d path} {-p|-u} [-s|-v]\n"
_NO_OPTIONS_USAGE = "usage:\tinstall\n"

BRANDS = {
    brand.name: brand
    for brand in (
        Brand(
            "ipkg", "a:c:d:e:hk:P:p:suv", _IPKG_USAGE, package_options="e", extra_options="ad",
            seconds=4, needs_dataset=True, ipkg_family=True,
        ),
        Brand(
            "lipkg", "a:c:d:e:hk:P:p:suv", _IPKG_USAGE, package_options="e", extra_options="ad",
            seconds=3, needs_dataset=True, ipkg_family=True,
        ),
        Brand(
            "nlipkg", "a:c:d:e:hk:P:p:suv", _IPKG_USAGE, package_options="e", extra_options="ad",
            seconds=4, needs_dataset=True, ipkg_family=True,
        ),
        Brand("sparse", "hsv", _SPARSE_USAGE, seconds=1, needs_dataset=True, ipkg_family=True),
        Brand("pkgsrc", "hsv", _SPARSE_USAGE, seconds=2, needs_dataset=True, ipkg_family=True),
        Brand("illumos", "hs:t:", _IMAGE_USAGE, image_options="st", ipkg_family=True),
        Brand(
            "lx", "hs:t:", _IMAGE_USAGE, image_options="st", seconds=2, native=False, exclusive_ip=True
        ),
        Brand(
            "solaris10", "a:d:Fhpsuv", _S10_USAGE, image_options="ad", identity_options=True,
            seconds=4, sysidcfg=True,
        ),
        Brand("bhyve", "h", _NO_OPTIONS_USAGE, seconds=1, native=False),
        Brand("kvm", "h", _NO_OPTIONS_USAGE, seconds=1, native=False),
        Brand("emu", "h", _NO_OPTIONS_USAGE, seconds=1, native=False),
        Brand(
            "whole-root", "o:O:p:P:h",
            "usage:\tinstall [-o overlay] [-O overlay] [-p package] [-P package]\n",
            package_options="pP", overlay_options="oO", seconds=3,
        ),
        Brand("sparse-root", "T:h", "usage:\tinstall [-T template]\n", extra_options="T", seconds=1),
        Brand("alien-root", "i:h", "usage:\tinstall -i image\n", image_options="i"),
        Brand(
            "appstack", "a:A:P:h", "usage:\tinstall [-a stack] [-A stack] [-P package]\n",
            package_options="P", seconds=1,
        ),
    )
}  # fmt: skip
"""The brands that the lab can install."""

NOT_A_DATASET = (
    "ERROR: The zonepath must be a ZFS dataset.\n"
    "The parent directory of the zonepath must be a ZFS dataset so that the\n"
    "zonepath ZFS dataset can be created properly.\n"
)
