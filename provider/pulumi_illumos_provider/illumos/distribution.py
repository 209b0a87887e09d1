"""What differs between illumos distributions, as data, and how to tell which one a host runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pulumi_illumos_provider.illumos import brands
from pulumi_illumos_provider.illumos.brands import Brand, Family
from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.plan import Command, sh

IDENTIFY = sh(
    "/usr/bin/uname -s; /usr/bin/uname -o 2>/dev/null; /sbin/zonename; /usr/bin/uname -v; "
    "cat /etc/os-release 2>/dev/null || head -1 /etc/release"
)


@dataclass(frozen=True)
class Dnsmasq:
    """How a distribution packages dnsmasq.

    Attributes:
        package: package name.
        fmri: service.
        program: path of the program.
        config: path of its configuration.
        lease_file: where leases are kept; its directory is made when it is missing.
        user: account it runs as, when the configuration must say so.
        uid: numeric owner of the lease directory.
        fragments: directory in which the distribution's own tools write further configuration, when it has
            such tools.
    """

    package: str
    fmri: str
    program: str
    config: str
    lease_file: str
    uid: int
    user: str | None = None
    fragments: str | None = None


@dataclass(frozen=True)
class Haproxy:
    """How a distribution packages haproxy.

    Attributes:
        package: package name.
        fmri: service.
        program: path of the program.
        config: path of its configuration.
        reloads: its service has a refresh method, by which connections go on; else it is restarted.
        uid: account that reads the keys: root, or the one that the service starts as.
        user: account and group to change to after the start, when the configuration must say so.
    """

    package: str
    fmri: str
    program: str
    config: str
    reloads: bool
    uid: int = 0
    user: str | None = None


@dataclass(frozen=True)
class Distribution:
    """One illumos distribution.

    Attributes:
        name: for messages.
        zones: directory that zones are made in.
        brand: default brand of a zone.
        router_brand: default brand of a router zone.
        brands: the brands that it can have, by name.
        ipfilter_package: package name.
        install_package: command that installs a package in the zone where it runs.
        has_package: command that succeeds where a package is installed.
        router_install: options of ``zoneadm install`` for a router zone with these packages.
        dnsmasq, haproxy: their packaging.
        memory_is_rctl: zonecfg keeps the physical memory cap as a resource control.
        net_properties: a net resource can have global-nic, mac-addr, vlan-id and free properties.
        zones_need_dataset: the parent of a zonepath must be a mounted ZFS dataset.
        guest_files_inside: files that attributes of a virtual machine name are below its zone's root.
    """

    name: str
    zones: str
    brand: str
    router_brand: str
    brands: Mapping[str, Brand]
    ipfilter_package: str
    install_package: Callable[[str], Command]
    has_package: Callable[[str], Command]
    router_install: Callable[[tuple[str, ...]], tuple[str, ...]]
    dnsmasq: Dnsmasq
    haproxy: Haproxy
    memory_is_rctl: bool = False
    net_properties: bool = False
    zones_need_dataset: bool = True
    guest_files_inside: bool = False

    def known(self, brand: str) -> Brand:
        """What is known of a brand; of one that the distribution does not ship, only its name."""
        return self.brands.get(brand) or Brand(brand, Family.OTHER)

    @property
    def native_brands(self) -> frozenset[str]:
        """Brands with illumos userland and SMF, which are set up from their files."""
        return frozenset(name for name, brand in self.brands.items() if brand.native)


def _pkg_install(package: str) -> Command:
    # pkg exits 4 when there is nothing to do.
    return sh('/usr/bin/pkg install "$1" || [ $? -eq 4 ]', package)


def _pkg_has(package: str) -> Command:
    return Command(("/usr/bin/pkg", "list", "-Hq", package))


def _zap_install(package: str) -> Command:
    # It succeeds also when there is no such package: who wants to know asks `has_package`.
    return Command(("/usr/bin/zap", "install", package))


def _zap_has(package: str) -> Command:
    return Command(("/usr/bin/pkginfo", "-q", package))


def _ips_extras(packages: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for package in packages for word in ("-e", package))


def _tribblix_extras(packages: tuple[str, ...]) -> tuple[str, ...]:
    return ("-o", "base", *(word for package in packages for word in ("-P", package)))


OMNIOS = Distribution(
    name="OmniOS",
    zones="/zones",
    brand="lipkg",
    router_brand="lipkg",
    brands=brands.OMNIOS,
    ipfilter_package="network/ipfilter",
    install_package=_pkg_install,
    has_package=_pkg_has,
    router_install=_ips_extras,
    dnsmasq=Dnsmasq(
        package="ooce/network/dnsmasq",
        fmri="svc:/network/dns/dnsmasq:default",
        program="/opt/ooce/sbin/dnsmasq",
        config="/etc/opt/ooce/dnsmasq/dnsmasq.conf",
        lease_file="/var/opt/ooce/dnsmasq/dnsmasq.leases",
        uid=56,
    ),
    haproxy=Haproxy(
        package="ooce/server/haproxy",
        fmri="svc:/ooce/network/haproxy:default",
        program="/opt/ooce/sbin/haproxy",
        config="/etc/opt/ooce/haproxy/haproxy.cfg",
        reloads=False,
        uid=72,
    ),
    memory_is_rctl=True,
    net_properties=True,
)

TRIBBLIX = Distribution(
    name="Tribblix",
    zones="/export/zones",
    brand="sparse-root",
    router_brand="whole-root",
    brands=brands.TRIBBLIX,
    ipfilter_package="TRIBnet-ipfilter",
    install_package=_zap_install,
    has_package=_zap_has,
    router_install=_tribblix_extras,
    dnsmasq=Dnsmasq(
        package="TRIBdnsmasq",
        fmri="svc:/network/dnsmasq:default",
        program="/usr/sbin/dnsmasq",
        config="/etc/dnsmasq.conf",
        lease_file="/var/dnsmasq/dnsmasq.leases",
        uid=132,
        user="dnsmasq",
        fragments="/etc/dnsmasq.d",
    ),
    haproxy=Haproxy(
        package="TRIBblix-haproxy2",
        fmri="svc:/network/haproxy2:default",
        program="/opt/tribblix/haproxy/sbin/haproxy",
        config="/etc/haproxy/haproxy.cfg",
        reloads=True,
        user="haproxy",
    ),
    zones_need_dataset=False,
    guest_files_inside=True,
)

OPENINDIANA = Distribution(
    name="OpenIndiana",
    zones="/zones",
    brand="ipkg",
    router_brand="ipkg",
    brands=brands.OPENINDIANA,
    ipfilter_package="network/ipfilter",
    install_package=_pkg_install,
    has_package=_pkg_has,
    router_install=_ips_extras,
    dnsmasq=Dnsmasq(
        package="service/network/dnsmasq",
        fmri="svc:/network/dnsmasq:default",
        program="/usr/lib/inet/dnsmasq",
        config="/etc/dnsmasq.conf",
        lease_file="/var/dnsmasq/dnsmasq.leases",
        uid=1,
    ),
    haproxy=Haproxy(
        package="web/loadbalancer/haproxy",
        fmri="svc:/network/haproxy:default",
        program="/usr/sbin/haproxy",
        config="/etc/haproxy/haproxy.cfg",
        reloads=True,
        user="haproxy",
    ),
)


def identify(text: str) -> Distribution | str:
    """The distribution from the answer to `IDENTIFY`, or why the host cannot be administered."""
    lines = [line.strip() for line in split_lines(text) if line.strip()]
    if "SunOS" not in lines:
        return "it does not run illumos: uname -s does not say SunOS"
    if "illumos" not in lines:
        return "it runs another SunOS than illumos: uname -o does not say illumos"
    if "global" not in lines:
        return "it is not the global zone: connect to the machine itself, not to one of its zones"
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    by_id = {"omnios": OMNIOS, "tribblix": TRIBBLIX}
    identifier = values.get("ID", "").strip("\"'")
    if identifier in by_id:
        return by_id[identifier]
    if any(line.startswith("OpenIndiana") for line in lines):
        return OPENINDIANA
    release = values.get("PRETTY_NAME", lines[-1]).strip("\"'")
    return f"its distribution is not known yet: {release}"
