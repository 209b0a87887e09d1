"""The distributions that a host can play, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BrandProfile:
    """A zone brand that the distribution ships.

    Attributes:
        name: value of the ``brand`` property.
        templates: names below /etc/zones (without .xml) that carry it.
        native: it runs illumos userland and SMF.
        overlay: overlay of Tribblix that brings it; empty when a fresh host has it.
    """

    name: str
    templates: tuple[str, ...] = ()
    native: bool = True
    overlay: str = ""


@dataclass(frozen=True)
class DnsmasqProfile:
    """How the distribution packages dnsmasq."""

    package: str
    fmri: str
    binary: str
    config: str
    lease_file: str
    user: str
    starts_as_root: bool


@dataclass(frozen=True)
class HaproxyProfile:
    """How the distribution packages haproxy.

    Attributes:
        package, version, fmri, binary, config: its names and places.
        user, uid: the account that the package brings; empty for none.
        starts_as_user: the service starts it as that account, not as root.
        checks: the methods check the configuration before they use it.
        refresh: ``takeover`` (a new process ends the old one), ``signal`` (the master process is told),
            or empty where there is no refresh method.
        pid_file: where the number of the process is kept; empty for nowhere.
        master_socket: socket of a master process; empty for none.
    """

    package: str
    version: str
    fmri: str
    binary: str
    config: str
    user: str = ""
    uid: int = 0
    starts_as_user: bool = False
    checks: bool = False
    refresh: str = ""
    pid_file: str = ""
    master_socket: str = ""


@dataclass(frozen=True)
class Profile:
    """One distribution.

    Attributes:
        name: ``omnios``, ``tribblix``, ``openindiana``, ``smartos``.
        release: text of /etc/release.
        os_release: text of /etc/os-release, or None where it has none.
        uname_version: what ``uname -v`` prints.
        forked_zonecfg: zonecfg has the SmartOS/OmniOS additions (net global-nic, mac-addr, vlan-id,
            property; physical memory cap as an rctl; zfs-io-priority; quoted strings in parentheses).
        smartos_zonecfg: it has SmartOS' own besides (uuid, ``-u``, ``create -X``, a longer index).
        list_has_debug_id: ``zoneadm list -p`` prints an eighth field.
        show_vnic_has_zone: ``dladm show-vnic`` knows the ZONE column and class errors in OmniOS' wording.
        boots_from_pool: the root file system is in the pool, not a RAM disk.
        zones_parent: dataset mountpoint below which zones are made.
        brands: the installed brands.
        default_template_brand: brand of SUNWdefault.
        package_manager: ``pkg``, ``zap`` or ``pkgin``.
        ipfilter_package: name of the package.
        ipfilter_in_global_zone: installed on a pristine host.
        dnsmasq: how dnsmasq is packaged.
        haproxy: how haproxy is packaged.
        search_path: ``PATH`` of root where it logs in.
        user_search_path: that of other users; empty where the distribution sets neither, so that both
            have what sshd falls back on.
        host_root_login: ``PermitRootLogin`` of the host's sshd. Where the distribution ships ``no``, the
            host's owner has let root in by key.
        zone_root_login: that of a new zone, as shipped.
    """

    name: str
    release: str
    os_release: str | None
    uname_version: str
    forked_zonecfg: bool
    list_has_debug_id: bool
    show_vnic_has_zone: bool
    zones_parent: str
    zones_dataset: str
    brands: tuple[BrandProfile, ...]
    default_template_brand: str
    package_manager: str
    ipfilter_package: str
    ipfilter_in_global_zone: bool
    dnsmasq: DnsmasqProfile
    haproxy: HaproxyProfile
    search_path: str = "/usr/bin:/bin:/usr/sbin:/sbin"
    user_search_path: str = ""
    host_root_login: str = "without-password"
    zone_root_login: str = "without-password"
    smartos_zonecfg: bool = False
    boots_from_pool: bool = True

    @property
    def pool(self) -> str:
        """Name of the host's only pool."""
        return self.zones_dataset.partition("/")[0]


_OMNIOS_BRANDS = (
    BrandProfile("ipkg", ("SUNWipkg", "OMNIipkg")),
    BrandProfile("lipkg", ("OMNIlipkg",)),
    BrandProfile("sparse", ("OMNIsparse",)),
    BrandProfile("pkgsrc", ("OMNIpkgsrc",)),
    BrandProfile("illumos", ("OMNIillumos",)),
    BrandProfile("lx", ("OMNIlx", "OMNIlx26"), native=False),
    BrandProfile("bhyve", ("OMNIbhyve",), native=False),
    BrandProfile("kvm", ("OMNIkvm",), native=False),
    BrandProfile("emu", ("OMNIemu",), native=False),
)

OMNIOS = Profile(
    name="omnios",
    release="  OmniOS v11 r151054\n",
    os_release=(
        'NAME="OmniOS"\nPRETTY_NAME="OmniOS Community Edition v11 r151054"\n'
        "ID=omnios\nVERSION=r151054\nVERSION_ID=r151054\nBUILD_ID=151054.0.2025.05.05\n"
        'CPE_NAME="cpe:/o:omniosce:omnios:11:151054:0"\n'
        'HOME_URL="https://omnios.org/"\nSUPPORT_URL="https://omnios.org/"\n'
        'BUG_REPORT_URL="https://github.com/omniosorg/omnios-build/issues/new"\n'
    ),
    uname_version="omnios-r151054-1a2b3c4d5e",
    forked_zonecfg=True,
    list_has_debug_id=True,
    show_vnic_has_zone=True,
    zones_parent="/zones",
    zones_dataset="rpool/zones",
    brands=_OMNIOS_BRANDS,
    default_template_brand="ipkg",
    package_manager="pkg",
    ipfilter_package="network/ipfilter",
    ipfilter_in_global_zone=True,
    dnsmasq=DnsmasqProfile(
        package="ooce/network/dnsmasq",
        fmri="svc:/network/dns/dnsmasq:default",
        binary="/opt/ooce/sbin/dnsmasq",
        config="/etc/opt/ooce/dnsmasq/dnsmasq.conf",
        lease_file="/var/cache/dnsmasq.leases",
        user="dnsmasq",
        starts_as_root=False,
    ),
    haproxy=HaproxyProfile(
        package="ooce/server/haproxy",
        version="3.4.3-151054.0",
        fmri="svc:/ooce/network/haproxy:default",
        binary="/opt/ooce/sbin/haproxy",
        config="/etc/opt/ooce/haproxy/haproxy.cfg",
        user="haproxy",
        uid=72,
        starts_as_user=True,
    ),
    search_path="/usr/sbin:/sbin:/opt/ooce/sbin:/usr/bin:/opt/ooce/bin",
    user_search_path="/usr/bin:/usr/sbin:/sbin:/opt/ooce/bin:/usr/gnu/bin",
    zone_root_login="no",
)

TRIBBLIX = Profile(
    name="tribblix",
    release="Tribblix m38\n",
    os_release=(
        "NAME=Tribblix\nVERSION=m38\nID=tribblix\nID_LIKE=illumos\n"
        "HOME_URL=http://www.tribblix.org/\nVARIANT_ID=tribblix\n"
    ),
    uname_version="tribblix-m38",
    forked_zonecfg=False,
    list_has_debug_id=False,
    show_vnic_has_zone=False,
    zones_parent="/export/zones",
    zones_dataset="rpool/export/zones",
    brands=(
        BrandProfile("sparse-root", ("TRIBsparse",)),
        BrandProfile("whole-root", ("TRIBwhole",)),
        BrandProfile("alien-root", ("TRIBalien",)),
        BrandProfile("appstack", ("TRIBappstack",)),
        BrandProfile("solaris10", ("SUNWsolaris10",)),
        BrandProfile("bhyve", native=False, overlay="bhyve"),
        BrandProfile("emu", native=False, overlay="qemu"),
    ),
    default_template_brand="ipkg",
    package_manager="zap",
    ipfilter_package="TRIBnet-ipfilter",
    ipfilter_in_global_zone=False,
    dnsmasq=DnsmasqProfile(
        package="TRIBdnsmasq",
        fmri="svc:/network/dnsmasq:default",
        binary="/usr/sbin/dnsmasq",
        config="/etc/dnsmasq.conf",
        lease_file="/var/dnsmasq/dnsmasq.leases",
        user="dnsmasq",
        starts_as_root=True,
    ),
    haproxy=HaproxyProfile(
        package="TRIBblix-haproxy2",
        version="2.6.31",
        fmri="svc:/network/haproxy2:default",
        binary="/opt/tribblix/haproxy/sbin/haproxy",
        config="/etc/haproxy/haproxy.cfg",
        user="haproxy",
        uid=126,
        checks=True,
        refresh="takeover",
        pid_file="/var/run/haproxy.pid",
    ),
)

OPENINDIANA = Profile(
    name="openindiana",
    release=(
        "             OpenIndiana Hipster 2024.10 (powered by illumos)\n"
        "        OpenIndiana Project, part of The Illumos Foundation (C) 2010-2024\n"
        "                        Use is subject to license terms.\n"
        "                           Assembled 27 October 2024\n"
    ),
    os_release=None,
    uname_version="illumos-93bf8f2a5b",
    forked_zonecfg=False,
    list_has_debug_id=False,
    show_vnic_has_zone=False,
    zones_parent="/zones",
    zones_dataset="rpool/zones",
    brands=(
        BrandProfile("ipkg", ("SUNWipkg",)),
        BrandProfile("nlipkg", ("SUNWnlipkg",)),
        BrandProfile("solaris10", ("SUNWsolaris10",)),
    ),
    default_template_brand="ipkg",
    package_manager="pkg",
    ipfilter_package="network/ipfilter",
    ipfilter_in_global_zone=False,
    dnsmasq=DnsmasqProfile(
        package="service/network/dnsmasq",
        fmri="svc:/network/dnsmasq:default",
        binary="/usr/lib/inet/dnsmasq",
        config="/etc/dnsmasq.conf",
        lease_file="/var/lib/misc/dnsmasq.leases",
        user="daemon",
        starts_as_root=False,
    ),
    haproxy=HaproxyProfile(
        package="web/loadbalancer/haproxy",
        version="2.8.10-2024.0.0.0",
        fmri="svc:/network/haproxy:default",
        binary="/usr/sbin/haproxy",
        config="/etc/haproxy/haproxy.cfg",
        user="haproxy",
        uid=78,
        checks=True,
        refresh="signal",
        master_socket="/var/run/haproxy-master.sock",
    ),
    zone_root_login="no",
)

SMARTOS = Profile(
    name="smartos",
    release=(
        "                      SmartOS 20250501T000155Z x86_64\n"
        "              Copyright 2010 Sun Microsystems, Inc.  All Rights Reserved.\n"
        "              Copyright 2015 Joyent, Inc.  All Rights Reserved.\n"
        "                       Use is subject to license terms.\n"
        '   [ { "repo": "smartos-live", "branch": "release-20250501", "rev": "8d2c1e5f3a" } ]\n'
    ),
    os_release=None,
    uname_version="joyent_20250501T000155Z",
    forked_zonecfg=True,
    list_has_debug_id=True,
    show_vnic_has_zone=True,
    zones_parent="/zones",
    zones_dataset="zones",
    brands=(
        BrandProfile("joyent"),
        BrandProfile("joyent-minimal"),
        BrandProfile("ipkg"),
        *(BrandProfile(name, native=False) for name in ("lx", "bhyve", "kvm")),
    ),
    default_template_brand="joyent",
    package_manager="pkgin",
    ipfilter_package="network/ipfilter",
    ipfilter_in_global_zone=True,
    dnsmasq=DnsmasqProfile(
        package="dnsmasq",
        fmri="svc:/pkgsrc/dnsmasq:default",
        binary="/opt/local/sbin/dnsmasq",
        config="/opt/local/etc/dnsmasq.conf",
        lease_file="/var/lib/misc/dnsmasq.leases",
        user="dnsmasq",
        starts_as_root=True,
    ),
    haproxy=HaproxyProfile(
        package="haproxy",
        version="2.8.10",
        fmri="svc:/pkgsrc/haproxy:default",
        binary="/opt/local/sbin/haproxy",
        config="/opt/local/etc/haproxy.cfg",
    ),
    smartos_zonecfg=True,
    boots_from_pool=False,
    host_root_login="yes",
)
"""As far as zonecfg is used there; zones of its own brands come from images, which the lab has not got."""

PROFILES = {profile.name: profile for profile in (OMNIOS, TRIBBLIX, OPENINDIANA, SMARTOS)}
