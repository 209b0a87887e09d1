"""The emulated commands: one module for each illumos program."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from illumos_lab.invocation import Command

_PROGRAMS = {
    # Links and addresses
    "/sbin/dladm": "dladm",
    "/sbin/dlstat": "dlstat",
    "/sbin/flowadm": "flowadm",
    "/sbin/ipadm": "ipadm",
    "/sbin/ifconfig": "ifconfig",
    "/sbin/if_mpadm": "if_mpadm",
    "/usr/sbin/ipmpstat": "ipmpstat",
    "/sbin/route": "route",
    "/sbin/routeadm": "routeadm",
    "/usr/bin/netstat": "netstat",
    "/usr/sbin/ping": "ping",
    "/usr/sbin/arp": "arp",
    "/usr/sbin/ndp": "ndp",
    "/usr/sbin/traceroute": "traceroute",
    "/sbin/dhcpinfo": "dhcpinfo",
    # Zones
    "/usr/sbin/zoneadm": "zoneadm",
    "/usr/sbin/zonecfg": "zonecfg",
    "/usr/sbin/zlogin": "zlogin",
    "/sbin/zonename": "zonename",
    # Services and packages
    "/usr/sbin/svcadm": "svcadm",
    "/usr/sbin/svccfg": "svccfg",
    "/usr/bin/svcs": "svcs",
    "/usr/bin/svcprop": "svcprop",
    "/usr/bin/pkg": "pkg",
    "/usr/bin/pkginfo": "pkginfo",
    "/usr/bin/zap": "zap",
    "/usr/sbin/ipf": "ipf",
    "/usr/sbin/ipfstat": "ipfstat",
    "/usr/sbin/ipnat": "ipnat",
    # File systems
    "/sbin/zfs": "zfs",
    "/sbin/zpool": "zpool",
    # The machine and its users
    "/sbin/uname": "uname",
    "/usr/bin/digest": "digest",
    "/usr/bin/pfexec": "pfexec",
    "/usr/bin/profiles": "profiles",
    "/usr/bin/sudo": "sudo",
    "/usr/bin/getent": "getent",
    "/usr/bin/hostid": "hostid",
    "/usr/bin/isainfo": "isainfo",
    "/usr/bin/prctl": "prctl",
    "/usr/bin/rcapstat": "rcapstat",
    "/usr/sbin/prtconf": "prtconf",
    "/usr/sbin/psrinfo": "psrinfo",
    "/usr/sbin/rcapadm": "rcapadm",
    "/usr/bin/su": "su",
    "/usr/bin/passwd": "passwd",
    "/usr/bin/roles": "roles",
    "/usr/bin/auths": "roles",
    "/usr/bin/logins": "logins",
    "/usr/sbin/useradd": "users",
    "/usr/sbin/usermod": "users",
    "/usr/sbin/userdel": "users",
    "/usr/sbin/roleadd": "users",
    "/usr/sbin/rolemod": "users",
    "/usr/sbin/roledel": "users",
    "/usr/sbin/groupadd": "groups",
    "/usr/sbin/groupmod": "groups",
    "/usr/sbin/groupdel": "groups",
    "/usr/bin/pgrep": "pgrep",
    "/usr/bin/pkill": "pgrep",
    "/usr/bin/ps": "ps",
    "/usr/bin/kstat": "kstat",
    "/usr/sbin/prtdiag": "prtdiag",
    "/sbin/swap": "swap",
    "/usr/bin/domainname": "domainname",
    "/usr/bin/getconf": "getconf",
    "/usr/bin/pagesize": "pagesize",
    "/usr/sbin/bhyvectl": "bhyvectl",
    "/usr/sbin/dispadmin": "dispadmin",
    "/usr/sbin/tzreload": "tzreload",
    "/usr/sbin/shutdown": "power",
    "/sbin/init": "power",
    "/usr/sbin/reboot": "power",
    "/usr/sbin/halt": "power",
    "/usr/sbin/poweroff": "power",
}

_NOT_EMULATED = """
/sbin/flowstat /sbin/mount /sbin/umount /usr/sbin/beadm
/usr/sbin/dtrace /usr/sbin/fwadm /usr/sbin/imgadm /usr/sbin/ipfs
/usr/sbin/ipmon /usr/sbin/ippool /usr/sbin/modinfo /usr/sbin/nictagadm
/usr/sbin/pkgadd /usr/sbin/pkgchk /usr/sbin/pkgrm /usr/sbin/smbios /usr/sbin/snoop /usr/sbin/vmadm
/usr/sbin/zdump /usr/bin/ppriv /usr/bin/prstat /usr/bin/zonestat
/usr/bin/truss /usr/bin/vmstat
"""

PATHS: dict[str, str] = {
    path: f"illumos_lab.commands.{module}:main" for path, module in _PROGRAMS.items()
} | dict.fromkeys(_NOT_EMULATED.split(), "illumos_lab.commands.refused:main")
"""Program by absolute path: the function that plays it."""

LINKS: dict[str, str] = {
    f"/usr/sbin/{name}": f"../../sbin/{name}"
    for name in (
        *("dladm", "dlstat", "flowadm", "flowstat", "ipadm", "route", "routeadm", "ifconfig", "if_mpadm"),
        *("zfs", "zpool", "mount", "umount", "swap", "init"),
    )
} | {"/usr/bin/uname": "../../sbin/uname", "/usr/bin/zonename": "../../sbin/zonename"}
"""Symbolic links by which some programs can be reached as well."""

OPTIONAL = frozenset(f"/usr/sbin/{name}" for name in ("ipf", "ipfs", "ipfstat", "ipmon", "ipnat", "ippool"))
"""Programs that come with a package and so are not in a pristine root."""

ONLY_ON = {
    "/usr/bin/pkg": frozenset({"omnios", "openindiana"}),
    "/usr/bin/sudo": frozenset({"omnios", "openindiana"}),
    "/usr/bin/zap": frozenset({"tribblix"}),
    "/usr/sbin/fwadm": frozenset({"smartos"}),
    "/usr/sbin/imgadm": frozenset({"smartos"}),
    "/usr/sbin/nictagadm": frozenset({"smartos"}),
    "/usr/sbin/vmadm": frozenset({"smartos"}),
}
"""Programs that only some distributions have."""

_REAL_NAMES = {path: path for path in PATHS} | {
    link: f"/sbin/{target.rsplit('/', 1)[1]}" for link, target in LINKS.items()
}


def find(path: str) -> Command:
    """The function that plays the program of a path.

    Raises:
        LookupError: no program of that path is emulated.
        ImportError: its module is broken or missing.
    """
    if path.startswith("/bin/"):  # a link to usr/bin
        path = f"/usr{path}"
    module, _, function = PATHS[_REAL_NAMES[path]].partition(":")
    return cast(Command, getattr(import_module(module), function))
