"""Software packages: IPS on OmniOS and OpenIndiana, SVR4 packages under zap on Tribblix.

The catalogue holds what router zones need and enough of a base system to be looked at. What is installed is
recorded where the real tools record it. See pkg(1), pkginfo(1).
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import shutil
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from illumos_lab import dnsmasq, haproxy, services
from illumos_lab.commands import OPTIONAL
from illumos_lab.conffile import replace_file
from illumos_lab.image import SPARSE_BRANDS, SUDOERS, has_directory, install_program
from illumos_lab.zone_templates import install_brand, install_machines

if TYPE_CHECKING:
    from illumos_lab.host import Host
    from illumos_lab.profile import Profile

_IPS_RECORD = "var/pkg/state/installed/catalog.base.C"
_IPS_PUBLISHERS = "var/pkg/pkg5.image"
_SVR4_RECORDS = "var/sadm/pkg"

FILTER_DEVICES = ("ipf", "ipauth", "ipl", "iplookup", "ipnat", "ipscan", "ipstate", "ipsync")
"""Devices of IPFilter, below /dev of a stack of its own."""

_EXAMPLE = "# Configuration file for dnsmasq.\n#\n# Format is one option per line.\n"

_HAPROXY_EXAMPLE = """\
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s

frontend main
    bind *:5000
"""


class UnknownPackageError(LookupError):
    """No publisher has the package; the text is its name."""


class UnknownOverlayError(LookupError):
    """There is no such overlay; the text is its name."""


@dataclass(frozen=True)
class User:
    """An account that a package brings."""

    name: str
    uid: int
    home: str = "/"


@dataclass(frozen=True)
class Directory:
    """A directory that a package brings, and who owns it."""

    path: str
    owner: int = 0


@dataclass(frozen=True)
class Package:
    """One package.

    Attributes:
        name: its name, without publisher and version.
        version: version.
        summary: one line.
        publisher: who publishes it (IPS).
        base: part of every image.
        programs: emulated programs that it brings.
        links: symbolic links, path to target.
        files: text files, path to contents.
        directories, user: more that it brings.
    """

    name: str
    version: str
    summary: str
    publisher: str = ""
    base: bool = False
    programs: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    directories: tuple[Directory, ...] = ()
    user: User | None = None

    @property
    def in_opt(self) -> bool:
        """Whether it is installed below /opt, which zones of Tribblix do not get from the global zone."""
        return any(path.startswith("/opt/") for path, _ in self.links)


_OVERLAY_NAMES = """
    base core-tribblix networked-system base-iso live-iso kitchen-sink kitchen-sink-x11 develop
    retro-desktop x11 x11-minimal x11-dev bhyve qemu java python perl php webserver postfix
"""
OVERLAYS = frozenset(_OVERLAY_NAMES.split())
"""Overlays of Tribblix: names of sets of packages. Their packages do not matter in the lab."""

_OVERLAY_RECORDS = "var/sadm/overlays"
_INSTALLED_OVERLAYS = ("base", "core-tribblix", "networked-system")


@dataclass(frozen=True)
class Publisher:
    """A publisher of IPS packages.

    Attributes:
        name: its name.
        origin: URI of its repository.
        enabled: packages are looked for there.
    """

    name: str
    origin: str
    enabled: bool = True


def publishers(profile: Profile) -> tuple[Publisher, ...]:
    """The publishers of a distribution, the preferred one first."""
    match profile.name:
        case "omnios":
            release = profile.uname_version.split("-")[1]
            return (
                Publisher("omnios", f"https://pkg.omnios.org/{release}/core/"),
                Publisher("extra.omnios", f"https://pkg.omnios.org/{release}/extra/"),
            )
        case "openindiana":
            return (Publisher("openindiana.org", "https://pkg.openindiana.org/hipster/"),)
        case _:
            return ()


def catalogue(profile: Profile) -> dict[str, Package]:
    """Every package that can be installed on a distribution, by name."""
    makers = {"omnios": _omnios, "openindiana": _openindiana, "smartos": _smartos}
    return {package.name: package for package in makers.get(profile.name, _tribblix)(profile)}


_FILTER_PROGRAMS = tuple(sorted(OPTIONAL))


def _omnios(profile: Profile) -> Iterable[Package]:
    release = "11-151054.0"
    for name, summary in (
        ("SUNWcs", "core Solaris"),
        ("SUNWcsd", "core Solaris devices"),
        ("entire", "Minimal set of core system packages"),
        ("network/openssh-server", "OpenSSH server and associated utilities"),
        ("package/pkg", "Image Packaging System"),
        ("release/name", "release version information"),
        ("security/sudo", "sudo - authority delegation tool"),
        ("shell/ksh93", "Ksh93 - The AT&T Korn Shell"),
        ("system/zones", "zones configuration and administration"),
        ("system/zones/brand/ipkg", "ipkg zone brand"),
        ("system/zones/brand/lipkg", "lipkg zone brand"),
        ("system/zones/brand/sparse", "sparse zone brand"),
        ("system/zones/brand/pkgsrc", "pkgsrc zone brand"),
        ("system/zones/brand/illumos", "illumos zone brand"),
        ("system/zones/brand/lx", "lx zone brand"),
        ("system/zones/brand/bhyve", "bhyve zone brand"),
        ("system/zones/brand/kvm", "kvm zone brand"),
        ("system/zones/brand/emu", "emu zone brand"),
    ):
        yield Package(name, release, summary, "omnios", base=True)
    yield _filter(profile, release, "omnios")
    yield Package(
        profile.dnsmasq.package,
        "2.90-151054.0",
        "dnsmasq - network services for small networks",
        "extra.omnios",
        links=((profile.dnsmasq.binary, dnsmasq.PROGRAM),),
        files=((profile.dnsmasq.config, _EXAMPLE),),
        directories=(Directory("/var/opt/ooce/dnsmasq", 56), Directory("/var/cache")),
        user=User("dnsmasq", 56),
    )
    yield _haproxy(profile, "extra.omnios")


def _smartos(profile: Profile) -> Iterable[Package]:
    # The platform image holds everything; IPFilter is part of it.
    yield _filter(profile, profile.uname_version.removeprefix("joyent_"), "platform")


def _openindiana(profile: Profile) -> Iterable[Package]:
    release = "0.5.11-2024.0.0.22489"
    publisher = "openindiana.org"
    for name, summary in (
        ("SUNWcs", "Core Solaris"),
        ("SUNWcsd", "Core Solaris Devices"),
        ("entire", "Incorporation to constrain core system packages"),
        ("package/pkg", "Image Packaging System"),
        ("security/sudo", "sudo - authority delegation tool"),
        ("service/network/ssh", "OpenSSH server"),
        ("system/zones", "Zones Configuration and Administration"),
        ("system/zones/brand/ipkg", "ipkg zone brand"),
        ("system/zones/brand/nlipkg", "nlipkg zone brand"),
        ("system/zones/brand/s10", "solaris10 zone brand"),
    ):
        yield Package(name, release, summary, publisher, base=True)
    yield _filter(profile, release, publisher)
    yield Package(
        profile.dnsmasq.package,
        "2.89-2024.0.0.0",
        "A lightweight DHCP and caching DNS server",
        publisher,
        links=((profile.dnsmasq.binary, dnsmasq.PROGRAM),),
        files=((f"{profile.dnsmasq.config}.example", _EXAMPLE),),
    )
    yield _haproxy(profile, publisher)


def _tribblix(profile: Profile) -> Iterable[Package]:
    for name, version, summary in (
        ("SUNWcs", "0.5.11", "core Solaris"),
        ("SUNWcsd", "0.5.11", "core Solaris devices"),
        ("TRIBsys-zones", "0.38.0", "Zones configuration and administration"),
        ("TRIBblix-zones", "0.38.0", "Brands of Tribblix zones"),
        ("TRIBzap", "0.2026.7", "Tribblix package and zone management"),
        ("TRIBopenssh", "9.9.2", "OpenSSH"),
    ):
        yield Package(name, version, summary, base=True)
    yield Package(
        "TRIBsudo",
        "1.9.15.5",
        "sudo - execute commands as another user",
        programs=("/usr/bin/sudo",),
        files=(("/etc/sudoers", SUDOERS),),
        directories=(Directory("/etc/sudoers.d"),),
    )
    yield _filter(profile, "0.38.0", "")
    yield Package(
        profile.dnsmasq.package,
        "2.89",
        "dnsmasq - lightweight DNS and DHCP server",
        links=((profile.dnsmasq.binary, dnsmasq.PROGRAM),),
        directories=(Directory("/var/dnsmasq", 132), Directory("/etc/dnsmasq.d")),
        user=User("dnsmasq", 132),
    )
    yield _haproxy(profile, "")


def _haproxy(profile: Profile, publisher: str) -> Package:
    shipped = profile.haproxy
    folder = shipped.config.rpartition("/")[0]
    directories = [Directory(folder)]
    if profile.name == "omnios":
        directories.append(Directory("/var/opt/ooce/haproxy/run", shipped.uid))
    if profile.name == "openindiana":
        directories.append(Directory("/var/haproxy", shipped.uid))
    return Package(
        shipped.package,
        shipped.version,
        "HAProxy - the reliable, high performance TCP/HTTP load balancer",
        publisher,
        links=((shipped.binary, haproxy.PROGRAM),),
        files=((shipped.config, _HAPROXY_EXAMPLE),) if profile.name == "openindiana" else (),
        directories=tuple(directories),
        user=User(shipped.user, shipped.uid) if shipped.user else None,
    )


def _filter(profile: Profile, version: str, publisher: str) -> Package:
    return Package(
        profile.ipfilter_package,
        version,
        "IP Filter",
        publisher,
        programs=_FILTER_PROGRAMS,
        directories=(Directory("/etc/ipf"),),
    )


class Packages:
    """The packages of a host's global zone and of its zones, each known by its root directory."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._lock = threading.RLock()
        self.catalogue = catalogue(host.profile)

    def boot(self) -> None:
        """Lay out the global zone's packages when the host starts for the first time."""
        if self._recorded(self._host.root):
            return
        names = [package.name for package in self.catalogue.values() if package.base]
        if self._host.profile.ipfilter_in_global_zone:
            names.append(self._host.profile.ipfilter_package)
        for name in names:
            self.install(self._host.root, name)
        if self._svr4:
            self._describe_overlays(self._host.root)
            for overlay in _INSTALLED_OVERLAYS:
                self.install_overlay(self._host.root, overlay)

    # Reading -----------------------------------------------------------------------------------
    def installed(self, zone_root: Path, package: str) -> bool:
        """Whether a package, named in full, is installed below a root directory."""
        return package in self._recorded(zone_root)

    def all_installed(self, zone_root: Path) -> list[Package]:
        """The installed packages in alphabetical order."""
        recorded = self._recorded(zone_root)
        return [self.catalogue[name] for name in sorted(recorded) if name in self.catalogue]

    def has_overlay(self, zone_root: Path, name: str) -> bool:
        """Whether an overlay is installed below a root directory."""
        return (zone_root / _OVERLAY_RECORDS / "installed" / name).exists()

    def find(self, pattern: str, root: Path | None = None) -> list[Package]:
        """The packages of the catalogue that an operand of pkg names: in full, by its end, or a glob.

        Args:
            pattern: the operand.
            root: look only where the image below this directory gets packages from.
        """
        return match(pattern, self.catalogue.values() if root is None else self.offered(root))

    def offered(self, root: Path) -> list[Package]:
        """The packages that the publishers of an image have."""
        if self._host.profile.package_manager != "pkg":
            return list(self.catalogue.values())
        origins = {each.origin for each in self.publishers(root) if each.enabled}
        known = {each.name for each in publishers(self._host.profile) if each.origin in origins}
        return [package for package in self.catalogue.values() if package.publisher in known]

    def publishers(self, root: Path) -> tuple[Publisher, ...]:
        """The publishers of an image, the preferred one first."""
        path = root / _IPS_PUBLISHERS
        if not path.exists():
            return publishers(self._host.profile)
        return tuple(Publisher(**each) for each in json.loads(path.read_text()))

    def set_publishers(self, root: Path, chosen: Sequence[Publisher]) -> None:
        """Let an image get its packages elsewhere from now on."""
        text = json.dumps([asdict(each) for each in chosen], indent=1)
        replace_file(root / _IPS_PUBLISHERS, text + "\n")

    def _recorded(self, root: Path) -> frozenset[str]:
        if self._svr4:
            directory = root / _SVR4_RECORDS
            if not directory.is_dir():
                return frozenset()
            return frozenset(path.parent.name for path in directory.glob("*/pkginfo"))
        try:
            record = json.loads((root / _IPS_RECORD).read_text())
        except FileNotFoundError:
            return frozenset()
        return frozenset(name for key, names in record.items() if not key.startswith("_") for name in names)

    @property
    def _svr4(self) -> bool:
        return self._host.profile.package_manager == "zap"

    # Changing ----------------------------------------------------------------------------------
    def install(self, zone_root: Path, name: str) -> bool:
        """Install a package, named in full; False when it is there already.

        Raises:
            UnknownPackageError: there is no such package.
        """
        package = self.catalogue.get(name)
        if package is None:
            raise UnknownPackageError(name)
        with self._lock:
            if self.installed(zone_root, name):
                return False
            self._put_files(zone_root, package)
            self._record(zone_root, package)
        for service in services.catalogue(self._host.profile):
            if service.package == name:
                self._host.smf.install_service(zone_root, service)
        if name == self._host.profile.ipfilter_package and zone_root == self._host.root:
            self.make_devices("global")
        return True

    def install_overlay(self, zone_root: Path, name: str) -> None:
        """Record that an overlay is installed; of what is in it only zone brands matter in the lab.

        Raises:
            UnknownOverlayError: there is no such overlay.
        """
        if name not in OVERLAYS:
            raise UnknownOverlayError(name)
        replace_file(zone_root / _OVERLAY_RECORDS / "installed" / name, "")
        for brand in self._host.profile.brands:
            if brand.overlay == name:
                install_brand(zone_root, brand.name)
                install_machines(zone_root, brand.name)

    def uninstall(self, zone_root: Path, name: str) -> bool:
        """Remove a package, named in full, with its services, files and user; False when it is not there.

        What others left in its directories keeps those.
        """
        package = self.catalogue.get(name)
        if package is None or not self.installed(zone_root, name):
            return False
        for service in services.catalogue(self._host.profile):
            if service.package == name:
                self._host.smf.remove_service(zone_root, service)
        with self._lock:
            self._take_files(zone_root, package)
            self._strike(zone_root, package)
        return True

    def populate(
        self,
        zone_root: Path,
        brand: str,
        packages: Sequence[str],
        *,
        overlays: Sequence[str] = (),
        partial: bool = False,
    ) -> None:
        """Give a new zone its packages: the base system, what its brand shares, and those asked for.

        Args:
            zone_root: the zone's root directory.
            brand: its brand.
            packages: packages that it gets besides.
            overlays: overlays that it gets (Tribblix).
            partial: it has these alone, of what else the global zone has nothing.

        Raises:
            UnknownPackageError: one of them does not exist; nothing has been installed.
        """
        wanted = [package.name for package in self.catalogue.values() if package.base]
        there = [
            each.name for each in self.all_installed(self._host.root) if not (self._svr4 and each.in_opt)
        ]
        if brand in SPARSE_BRANDS or (brand == "whole-root" and not partial):
            wanted += there
        elif self._host.profile.ipfilter_package in there and not self._svr4:
            # IPS keeps it in zones exactly when the global zone has it.
            wanted.append(self._host.profile.ipfilter_package)
        for name in packages:
            if self._svr4 and name in OVERLAYS:
                continue
            found = self.find(name, self._host.root)
            if not found:
                raise UnknownPackageError(name)
            wanted.append(found[0].name)
        for name in wanted:
            self.install(zone_root, name)
        if self._svr4:
            self._lay_out_overlays(zone_root, brand, overlays, partial)
        if (self._host.root / _IPS_PUBLISHERS).exists():
            # A new zone has the publishers of the global zone.
            self.set_publishers(zone_root, self.publishers(self._host.root))

    def _lay_out_overlays(self, root: Path, brand: str, overlays: Sequence[str], partial: bool) -> None:
        """Tell a zone of Tribblix which overlays there are, and which of them it has."""
        if brand not in SPARSE_BRANDS and brand != "whole-root":
            return
        self._describe_overlays(root)
        for overlay in sorted(OVERLAYS):
            inherited = overlay == "base" if partial else self.has_overlay(self._host.root, overlay)
            if inherited or overlay in overlays:
                replace_file(root / _OVERLAY_RECORDS / "installed" / overlay, "")

    def _describe_overlays(self, root: Path) -> None:
        for overlay in OVERLAYS:
            replace_file(root / _OVERLAY_RECORDS / f"{overlay}.ovl", f"NAME={overlay}\n")

    def make_devices(self, zone: str) -> None:
        """Make the devices of IPFilter in a stack that has just come up.

        They are copies of the global zone's, so they need the package there; a shared-ip zone has none.
        """
        package = self._host.profile.ipfilter_package
        if zone not in self._host.stacks or not self.installed(self._host.root, package):
            return
        directory = self._host.path(zone, "/dev")
        directory.mkdir(exist_ok=True)
        for name in FILTER_DEVICES:
            (directory / name).touch()

    def _record(self, root: Path, package: Package) -> None:
        if self._svr4:
            text = (
                f"PKG={package.name}\nNAME={package.summary}\nARCH=i386\nVERSION={package.version}\n"
                "CATEGORY=system\nBASEDIR=/\nPSTAMP=tribblix\nVENDOR=Tribblix\n"
            )
            replace_file(root / _SVR4_RECORDS / package.name / "pkginfo", text)
            return
        path = root / _IPS_RECORD
        record = json.loads(path.read_text()) if path.exists() else {}
        versions = record.setdefault(package.publisher, {})
        versions[package.name] = [{"version": package.version}]
        replace_file(path, json.dumps(record, indent=1) + "\n")

    def _put_files(self, root: Path, package: Package) -> None:
        if package.user is not None:
            _add_user(root, package.user)
        for directory in package.directories:
            place = root / directory.path.lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
            if directory.owner:
                _give(place, directory.owner)
        for path, text in package.files:
            place = root / path.lstrip("/")
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text)
        # In a sparse zone /usr is the global zone's and read-only: what is in there comes with it.
        for program in package.programs:
            with contextlib.suppress(OSError):
                install_program(root, program)
        for path, target in package.links:
            place = root / path.lstrip("/")
            with contextlib.suppress(OSError):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.unlink(missing_ok=True)
                place.symlink_to(target)

    def _strike(self, root: Path, package: Package) -> None:
        if self._svr4:
            shutil.rmtree(root / _SVR4_RECORDS / package.name)
            return
        path = root / _IPS_RECORD
        record = json.loads(path.read_text())
        del record[package.publisher][package.name]
        if not record[package.publisher]:
            del record[package.publisher]
        replace_file(path, json.dumps(record, indent=1) + "\n")

    def _take_files(self, root: Path, package: Package) -> None:
        paths = [*package.programs, *(path for path, _ in (*package.links, *package.files))]
        for path in paths:
            # In a sparse zone /usr is the global zone's and read-only.
            with contextlib.suppress(OSError):
                (root / path.lstrip("/")).unlink(missing_ok=True)
        folders = [path.rpartition("/")[0] for path in paths]
        for path in [*folders, *(directory.path for directory in package.directories)]:
            _remove_empty(root, path.lstrip("/"))
        if package.user is not None:
            _remove_user(root, package.user)


def match(pattern: str, packages: Iterable[Package]) -> list[Package]:
    """The packages that a pattern names; a full name goes before names that end in it."""
    stem = pattern.removeprefix("pkg:").lstrip("/")
    publisher, slash, rest = stem.partition("/")
    known = {package.publisher for package in packages if package.publisher}
    if pattern.startswith("pkg://") and slash and publisher in known:
        stem = rest
    stem = stem.partition("@")[0]
    exact = [package for package in packages if package.name == stem]
    if exact:
        return exact
    return [
        package
        for package in packages
        if fnmatch.fnmatchcase(package.name, stem) or fnmatch.fnmatchcase(package.name, f"*/{stem}")
    ]


def _add_user(root: Path, user: User) -> None:
    for path, line in (
        ("etc/passwd", f"{user.name}:x:{user.uid}:{user.uid}:{user.name}:{user.home}:\n"),
        ("etc/group", f"{user.name}::{user.uid}:\n"),
        ("etc/shadow", f"{user.name}:NP:6445::::::\n"),
    ):
        file = root / path
        text = file.read_text() if file.exists() else ""
        if not any(known.startswith(f"{user.name}:") for known in text.splitlines()):
            file.parent.mkdir(parents=True, exist_ok=True)
            mode = file.stat().st_mode if file.exists() else 0o644
            replace_file(file, text + line)
            file.chmod(mode & 0o777)


def _remove_user(root: Path, user: User) -> None:
    for path in ("etc/passwd", "etc/group", "etc/shadow"):
        file = root / path
        mode = file.stat().st_mode
        lines = file.read_text().splitlines(keepends=True)
        replace_file(file, "".join(line for line in lines if not line.startswith(f"{user.name}:")))
        file.chmod(mode & 0o777)


def _remove_empty(root: Path, path: str) -> None:
    """Remove a directory and those above it, as far as they are empty and not the base system's."""
    while path and not has_directory(path):
        try:
            (root / path).rmdir()
        except OSError:
            return
        path = path.rpartition("/")[0]


def _give(path: Path, uid: int) -> None:
    # In a user namespace with a single user nobody else can own anything.
    try:
        os.chown(path, uid, uid)
    except OSError:
        path.chmod(0o777)
