"""What the root directories of a host and of its zones contain before anybody changes them.

Two directory trees are built for each: one for the root, and one that lies over this machine's /usr.
They are the lower layers of overlays, so a changed file is one that stands in the upper layer. The
places are those of illumos; programs that the lab does not emulate are this machine's.
"""

from __future__ import annotations

import os
import shutil
import stat
from ipaddress import ip_interface
from pathlib import Path

from illumos_lab.commands import LINKS, ONLY_ON, OPTIONAL, PATHS
from illumos_lab.links.flows import CONF as FLOWS
from illumos_lab.links.flows import HEADER as NO_FLOWS
from illumos_lab.profile import Profile
from illumos_lab.zone_templates import FIRMWARE, add_firmware, install_templates

GATEWAY = "192.0.2.1"
NAME_SERVER = "198.51.100.80"

SPARSE_BRANDS = frozenset({"sparse", "sparse-root"})
"""Brands whose zones see the global zone's /usr read-only."""

LINUX_BRANDS = frozenset({"lx"})
"""Brands whose zones have the userland of a Linux distribution, for which this machine's stands in."""

VIRTUAL_BRANDS = frozenset({"bhyve", "kvm", "emu"})
"""Brands whose zones hold nothing but the process of a virtual machine."""

LINUX = ("linux", "linux-usr")
"""Trees of a Linux system; also what the guest of a virtual machine runs from."""

STARTD = "/lib/svc/bin/svc.startd"
"""What the init of an illumos system runs first, as long as its inittab says so; see inittab(5)."""

KERNEL_VERSION = "/system/lab/kernel-version"
"""File of a running zone with the version of Linux that it is to show."""

MACHINE_FILES = {"linux": "/usr", "alternatives": "/etc/alternatives", "ssl": "/etc/ssl"}
"""This machine's directories, by their name below /system/lab of every zone."""

DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
    "console": "null",
}

# Debian's own configuration that its libraries and shells need.
_DEBIAN_ETC = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "services",
    "protocols",
    "rpc",
    "localtime",
    "bash.bashrc",
    "inputrc",
    "csh.cshrc",
    "csh.login",
    "ca-certificates.conf",
    "mime.types",
    "terminfo",
)

# Programs in Debian's /usr/bin that would make a script believe that it is on Linux, or that stand
# where illumos has a program that the lab has not got.
_HIDDEN_PREFIXES = ("apt", "dpkg", "deb", "systemd", "lx", "docker", "pyenv")
_HIDDEN_PROGRAMS = """
systemctl journalctl loginctl networkctl resolvectl hostnamectl timedatectl busctl ip ss bridge
nstat rtmon tc nft unshare nsenter lsns ping ping4 ping6 su sudo mount umount findmnt lsblk snap
flatpak lsb_release chattr lsattr free vmstat arch
"""

_DIRECTORIES = """
dev etc/default etc/dladm etc/inet etc/init.d etc/ipadm etc/ipf etc/opt etc/rc2.d etc/rc3.d
etc/rcS.d etc/security etc/ssh etc/svc/profile etc/zfs etc/zones export home mnt opt proc root
sbin system/lab tmp usr var/adm var/cache var/crash var/cron var/log var/mail var/run var/spool/cron
var/svc/log var/svc/manifest var/svc/profile var/tmp var/opt var/sadm/pkg var/lib/misc var/empty
"""

_LINUX_DIRECTORIES = """
dev etc home mnt opt proc root srv system/lab tmp usr var/cache var/lib var/log var/run var/tmp
"""

_VIRTUAL_DIRECTORIES = "dev etc proc sbin system/lab tmp usr var/log var/run"

_PASSWD = """\
root:x:0:0:Super-User:/root:/usr/bin/bash
daemon:x:1:1::/:
bin:x:2:2::/usr/bin:
sys:x:3:3::/:
adm:x:4:4:Admin:/var/adm:
lp:x:71:8:Line Printer Admin:/:
uucp:x:5:5:uucp Admin:/usr/lib/uucp:
dladm:x:15:65:Datalink Admin:/:
netadm:x:16:65:Network Admin:/:
netcfg:x:17:65:Network Configuration Admin:/:
smmsp:x:25:25:SendMail Message Submission Program:/:
listen:x:37:4:Network Admin:/usr/net/nls:
webservd:x:80:80:WebServer Reserved UID:/:
nobody:x:60001:60001:NFS Anonymous Access User:/:
noaccess:x:60002:60002:No Access User:/:
nobody4:x:65534:65534:SunOS 4.x NFS Anonymous Access User:/:
"""

_LINUX_PASSWD = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""

_LINUX_GROUP = """\
root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
sudo:x:27:
users:x:100:
nogroup:x:65534:
"""

_LINUX_UNAME = f"""\
#!/bin/sh
# The machine underneath is a Linux, too, of another version.
real=/system/lab/linux/bin/uname
[ -f {KERNEL_VERSION} ] || exec "$real" "$@"
read -r version < {KERNEL_VERSION}
"$real" "$@" | sed "s|$("$real" -r)|$version|; s|$("$real" -v)|BrandZ virtual linux|"
"""

_USERS = """\
admin:x:1001:10:Administrator:/home/admin:/usr/bin/ksh93
jack:x:1002:10:Default Administrator:/home/jack:/usr/bin/bash
"""

_GROUP = """\
root::0:
other::1:root
bin::2:root,daemon
sys::3:root,bin,adm
adm::4:root,daemon
uucp::5:root
mail::6:root
tty::7:root,adm
lp::8:root,adm
nuucp::9:root
staff::10:
daemon::12:root
sysadmin::14:
smmsp::25:
dip::30:
netadm::65:
webservd::80:
nobody::60001:
noaccess::60002:
nogroup::65534:
"""

_USER_ATTR = """\
root::::auths=solaris.*,solaris.grant;profiles=All;lock_after_retries=no;min_label=admin_low
adm::::profiles=Log Management
dladm::::auths=solaris.smf.manage.wpa,solaris.smf.modify
admin::::type=normal;profiles=Primary Administrator
jack::::type=normal
"""

_ZONE_USER_ATTR = "root::::auths=solaris.*,solaris.grant;profiles=All\n"

_PROF_ATTR = """\
All:::Execute any command as the user or role:
Primary Administrator:::Can perform all administrative tasks:auths=solaris.*,solaris.grant
Zone Management:::Zones Virtual Application Environment Administration:
Zone Security:::Zones Virtual Application Environment Security:auths=solaris.zone.*
Network Management:::Manage the host and network configuration:auths=solaris.network.*
Network Link Security:::Manage network link security:auths=solaris.network.link.security
IP Filter Management:::IP Filter Administration:
File System Management:::Manage, mount, share file systems:
ZFS File System Management:::Create and Manage ZFS File Systems:
ZFS Storage Management:::Create and Manage ZFS Storage Pools:
Service Operator:::Administer services:auths=solaris.smf.manage,solaris.smf.modify.framework
Service Management:::Manage services:auths=solaris.smf.manage,solaris.smf.modify
"""

_EXEC_ATTR = """\
All:suser:cmd:::*:
Primary Administrator:suser:cmd:::*:uid=0;gid=0
Zone Management:solaris:cmd:::/usr/sbin/zlogin:euid=0
Zone Management:solaris:cmd:::/usr/sbin/zoneadm:euid=0
Zone Security:solaris:cmd:::/usr/sbin/txzonemgr:uid=0
Zone Security:solaris:cmd:::/usr/sbin/zonecfg:uid=0
Network Management:solaris:cmd:::/sbin/dladm:euid=dladm;egid=netadm;privs=sys_dl_config,net_rawaccess,proc_audit
Network Management:solaris:cmd:::/sbin/dlstat:euid=dladm;egid=sys
Network Management:solaris:cmd:::/sbin/flowadm:euid=dladm;egid=sys;privs=sys_dl_config,net_rawaccess,proc_audit
Network Management:solaris:cmd:::/sbin/flowstat:euid=dladm;egid=sys
Network Management:suser:cmd:::/sbin/ifconfig:uid=0
Network Management:solaris:cmd:::/sbin/ipadm:euid=netadm;egid=netadm;privs=sys_ip_config,net_rawaccess
Network Management:suser:cmd:::/sbin/route:privs=sys_ip_config
Network Management:solaris:cmd:::/sbin/routeadm:euid=0;privs=proc_chroot,proc_owner,sys_ip_config
ZFS File System Management:solaris:cmd:::/sbin/zfs:euid=0
ZFS Storage Management:solaris:cmd:::/sbin/zpool:uid=0
Network Link Security:solaris:cmd:::/sbin/dladm:euid=dladm;egid=sys;privs=sys_dl_config,net_rawaccess,proc_audit
IP Filter Management:solaris:cmd:::/usr/sbin/ipf:privs=sys_ip_config
IP Filter Management:solaris:cmd:::/usr/sbin/ipfs:privs=sys_ip_config
IP Filter Management:solaris:cmd:::/usr/sbin/ipmon:privs=sys_ip_config
IP Filter Management:solaris:cmd:::/usr/sbin/ipfstat:privs=sys_ip_config;gid=sys
IP Filter Management:solaris:cmd:::/usr/sbin/ipnat:privs=sys_ip_config;gid=sys
IP Filter Management:solaris:cmd:::/usr/sbin/ippool:privs=sys_ip_config;gid=sys
"""  # noqa: E501

_POLICY = """\
AUTHS_GRANTED=
PROFS_GRANTED=Basic Solaris User
CONSOLE_USER=Console User
CRYPT_ALGORITHMS_ALLOW=1,2a,md5,5,6
CRYPT_DEFAULT=5
"""

# Python on illumos says so. Programs that it starts ask uname(1), which is emulated.
_PYTHON_SITE = """\
import os
import sys

_uname = os.uname


def uname():
    return os.uname_result(("SunOS", _uname().nodename, "5.11", {version!r}, "i86pc"))


os.uname = uname
sys.platform = "sunos5"
"""

SUDOERS = "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"
"""/etc/sudoers as it is shipped."""

_SHELLS = """
/usr/bin/sh /usr/bin/bash /usr/bin/csh /usr/bin/ksh /usr/bin/ksh93 /bin/sh /bin/bash /bin/csh /bin/ksh
/bin/ksh93 /sbin/sh
"""

_NSSWITCH = """\
passwd:     files
group:      files
shadow:     files
hosts:      {hosts}
networks:   files
protocols:  files
rpc:        files
ethers:     files
netmasks:   files
services:   files
"""


def build(target: Path, profile: Profile, hostname: str, address: str) -> None:
    """Fill ``target`` with the trees of `trees`, and with ``host`` and ``host-usr``.

    Args:
        target: an empty directory.
        profile: the distribution.
        hostname: name of the host.
        address: address with prefix length of its physical link.
    """
    stub = target / "stub"
    shutil.copyfile(Path(__file__).with_name("stub.py"), stub)
    stub.chmod(0o755)
    for name in ("host", "zone"):
        root, usr = target / name, target / f"{name}-usr"
        _build_root(root, profile)
        _build_usr(usr, profile)
        _link_stubs(stub, root, usr, profile)
    _build_host(target / "host", profile, hostname, address)
    # /usr is a tree of its own.
    (target / "host/usr/lib/brand").rename(target / "host-usr/lib/brand")
    (target / "host/usr/lib").rmdir()
    _build_zone(target / "zone", profile)
    _build_linux(target / "linux")
    _build_linux_usr(target / "linux-usr")
    _make_directories(target / "virtual", _VIRTUAL_DIRECTORIES)


def trees(brand: str) -> tuple[str, str | None]:
    """The trees that a zone of a brand is made of: its root's, and its own for /usr.

    Without the latter the zone has the global zone's /usr.
    """
    if brand in LINUX_BRANDS:
        return LINUX
    if brand in VIRTUAL_BRANDS:
        return "virtual", None
    return "zone", None if brand in SPARSE_BRANDS else "zone-usr"


def _write(root: Path, path: str, text: str, mode: int = 0o644) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def _make_directories(root: Path, names: str) -> None:
    for directory in names.split():
        (root / directory).mkdir(parents=True, exist_ok=True)
    for name, mode in (("root", 0o700), ("var/tmp", 0o1777)):
        if (root / name).exists():
            (root / name).chmod(mode)


def _add_machine_files(root: Path) -> None:
    """What programs of this machine need of its root directory."""
    for name in ("bin", "lib", "lib32", "lib64", "libx32"):
        source = Path("/", name)
        if source.is_symlink():
            (root / name).symlink_to(source.readlink())
    (root / "run").symlink_to("var/run")
    for name in _DEBIAN_ETC:
        source = Path("/etc", name)
        if source.is_dir():
            shutil.copytree(source, root / "etc" / name, symlinks=True)
        elif source.exists():
            shutil.copyfile(source, root / "etc" / name)
    for name in ("alternatives", "ssl"):
        (root / "etc" / name).symlink_to(f"/system/lab/{name}")


def _build_linux(root: Path) -> None:
    _make_directories(root, _LINUX_DIRECTORIES)
    _add_machine_files(root)
    (root / "sbin").symlink_to("usr/sbin")
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    _write(root, "etc/passwd", _LINUX_PASSWD)
    _write(root, "etc/group", _LINUX_GROUP)
    names = [line.split(":")[0] for line in _LINUX_PASSWD.splitlines()]
    _write(root, "etc/shadow", "".join(f"{name}:*:19000:0:99999:7:::\n" for name in names), 0o640)
    _write(root, "etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
    _write(root, "etc/hostname", "localhost\n")
    _write(root, "etc/nsswitch.conf", _NSSWITCH.format(hosts="files dns"))


def _build_linux_usr(usr: Path) -> None:
    # Where this lab is not root, only directories that are its own can be changed in a zone.
    _make_directories(usr, "bin lib lib64 libexec local/bin sbin share")
    _write(usr, "bin/uname", _LINUX_UNAME, 0o755)


def _build_root(root: Path, profile: Profile) -> None:
    _make_directories(root, _DIRECTORIES)
    _add_machine_files(root)
    (root / "sbin/sh").symlink_to("../usr/bin/ksh93")
    (root / "etc/hosts").symlink_to("inet/hosts")
    _write(root, "etc/release", profile.release)
    if profile.os_release is not None:
        _write(root, "etc/os-release", profile.os_release)
    # As shipped, illumos leaves it to sshd and su where programs are looked for.
    search = "#PATH=/usr/bin:\n#SUPATH=/usr/sbin:/usr/bin\n"
    if profile.user_search_path:
        search = f"PATH={profile.user_search_path}\nSUPATH={profile.search_path}\n"
    _write(root, "etc/default/login", "CONSOLE=/dev/console\nPASSREQ=YES\n" + search)
    _write(root, "etc/default/su", search)
    _write(root, "etc/default/passwd", "MAXWEEKS=\nMINWEEKS=\nPASSLENGTH=6\n")
    _write(root, "etc/default/init", "TZ=UTC\n")
    _write(root, "etc/default/useradd", "MANAGE_ZFS=NO\n")
    _write(root, "etc/inittab", f"smf::sysinit:{STARTD} >/dev/msglog 2<>/dev/msglog </dev/console\n")
    _write(root, "etc/default/dhcpagent", "RELEASE_ON_SIGTERM=no\n")
    _write(root, "etc/skel/.profile", "PATH=/usr/bin:/usr/sbin:/sbin\nexport PATH\n")
    _write(root, "etc/profile", 'trap "" 2 3\nexport LOGNAME PATH\ntrap 2 3\n')
    _write(root, "etc/.login", "umask 022\n")
    _write(root, "etc/inet/netmasks", "")
    _write(root, "etc/shells", "".join(f"{shell}\n" for shell in _SHELLS.split()))
    if profile.name in ONLY_ON["/usr/bin/sudo"]:
        _write(root, "etc/sudoers", SUDOERS, 0o440)
        (root / "etc/sudoers.d").mkdir()
    _write(root, "etc/nsswitch.dns", _NSSWITCH.format(hosts="files dns"))
    _write(root, "etc/nsswitch.files", _NSSWITCH.format(hosts="files"))
    _write(root, "etc/group", _GROUP)
    _write(root, "etc/security/prof_attr", _PROF_ATTR)
    _write(root, "etc/security/exec_attr", _EXEC_ATTR)
    _write(root, "etc/security/policy.conf", _POLICY)
    _write(root, "etc/security/auth_attr", "solaris.*:::Primary Administrator::\n")


def _accounts(root: Path, passwd: str, user_attr: str, *, open_root: bool = False) -> None:
    """Write users who have no password, but for root's, which can be empty."""
    _write(root, "etc/passwd", passwd)
    names = [line.split(":")[0] for line in passwd.splitlines()]
    passwords = dict.fromkeys(names, "NP") | ({"root": ""} if open_root else {})
    shadow = "".join(f"{name}:{password}:6445::::::\n" for name, password in passwords.items())
    _write(root, "etc/shadow", shadow, 0o400)
    _write(root, "etc/user_attr", user_attr)


def _build_host(root: Path, profile: Profile, hostname: str, address: str) -> None:
    ip = ip_interface(address).ip
    _accounts(root, _PASSWD + _USERS, _USER_ATTR)
    for name, uid in (("admin", 1001), ("jack", 1002)):
        home = root / "home" / name
        home.mkdir(mode=0o755)
        _chown(home, uid, 10)
    _write(root, "etc/nodename", f"{hostname}\n")
    hosts = f"::1 {hostname} localhost\n127.0.0.1 localhost loghost\n{ip} {hostname}\n"
    _write(root, "etc/inet/hosts", hosts)
    _write(root, "etc/defaultrouter", f"{GATEWAY}\n")
    _write(root, FLOWS, NO_FLOWS)
    _write(root, "etc/resolv.conf", f"nameserver {NAME_SERVER}\n")
    _write(root, "etc/nsswitch.conf", _NSSWITCH.format(hosts="files dns"))
    _write_sshd(root, profile.host_root_login)
    install_templates(root, profile)


def _write_sshd(root: Path, root_login: str) -> None:
    _write(root, "etc/ssh/sshd_config", f"Port 22\nPermitRootLogin {root_login}\n")


def _chown(path: Path, uid: int, gid: int) -> None:
    # In a user namespace with a single user there is nobody else to own anything.
    try:
        os.chown(path, uid, gid)
    except OSError:
        path.chmod(0o777)


def _build_zone(root: Path, profile: Profile) -> None:
    # Where OmniOS installs a zone, root has an empty password.
    _accounts(root, _PASSWD, _ZONE_USER_ATTR, open_root=profile.name == "omnios")
    _write(root, "etc/inet/hosts", "::1 localhost\n127.0.0.1 localhost loghost\n")
    _write(root, "etc/nsswitch.conf", _NSSWITCH.format(hosts="files"))
    _write_sshd(root, profile.zone_root_login)


_SMF_INCLUDE = """\
# Constants and functions for methods of services (smf_method(7)).
SMF_EXIT_OK=0
SMF_EXIT_NODAEMON=94
SMF_EXIT_ERR_FATAL=95
SMF_EXIT_ERR_CONFIG=96
SMF_EXIT_MON_DEGRADE=97
SMF_EXIT_MON_OFFLINE=98
SMF_EXIT_ERR_NOSMF=99
SMF_EXIT_ERR_PERM=100

smf_present() {
    [ -n "$SMF_FMRI" ]
}

smf_zonename() {
    echo "${SMF_ZONENAME:=$(/sbin/zonename)}"
}

smf_is_globalzone() {
    [ "$(smf_zonename)" = global ]
}

smf_is_nonglobalzone() {
    [ "$(smf_zonename)" != global ]
}
"""


def _build_usr(usr: Path, profile: Profile) -> None:
    for directory in ("bin", "sbin", "lib/ssh", "lib/zones", "xpg4/bin"):
        (usr / directory).mkdir(parents=True)
    _write(usr, "lib/svc/share/smf_include.sh", _SMF_INCLUDE)
    for name in _names("/usr/sbin"):
        _hide(usr / "sbin" / name)
    hidden = _HIDDEN_PROGRAMS.split()
    for name in _names("/usr/bin"):
        if name in hidden or name.startswith(_HIDDEN_PREFIXES):
            _hide(usr / "bin" / name)
    for name in ("local", "games", "src"):
        if Path("/usr", name).exists():
            _hide(usr / name)
    _hide(usr / "lib/os-release")
    for name in ("sh", "ksh"):
        (usr / "bin" / name).symlink_to("ksh93")
    (usr / "share/lib").mkdir(parents=True)
    (usr / "share/lib/zoneinfo").symlink_to("../zoneinfo")
    (usr / "gnu").mkdir()
    (usr / "gnu/bin").symlink_to("../bin")
    for name in ("sh", "id", "grep", "sed", "awk", "tail"):
        (usr / "xpg4/bin" / name).symlink_to(f"../../bin/{name}")
    # Nobody types on the console: what waits for a login there only sleeps.
    (usr / "lib/saf").mkdir()
    (usr / "lib/saf/ttymon").symlink_to("../../bin/sleep")
    if "bhyve" in (brand.name for brand in profile.brands if not brand.overlay):
        add_firmware(usr / FIRMWARE.removeprefix("usr/"))
    for library in Path("/usr/lib").glob("python3.*"):
        _write(
            usr,
            f"lib/{library.name}/sitecustomize.py",
            _PYTHON_SITE.format(version=profile.uname_version),
        )
    server = Path("/usr/lib/openssh/sftp-server")
    if server.exists():
        (usr / "lib/ssh/sftp-server").symlink_to("../openssh/sftp-server")


def _names(directory: str) -> list[str]:
    return [entry.name for entry in Path(directory).iterdir()]


def _hide(path: Path) -> None:
    # A character device 0/0 is overlayfs' mark for a name that is not there.
    os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))


def _link_stubs(stub: Path, root: Path, usr: Path, profile: Profile) -> None:
    for path in PATHS:
        if path in OPTIONAL or profile.name not in ONLY_ON.get(path, {profile.name}):
            continue
        place = _place(path, root, usr)
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(stub, place)
    for path, target in LINKS.items():
        place = _place(path, root, usr)
        place.unlink(missing_ok=True)
        place.symlink_to(target)


def has_directory(path: str) -> bool:
    """Whether every fresh root directory holds a directory, given relative to it."""
    return any(known == path or known.startswith(f"{path}/") for known in _DIRECTORIES.split())


def install_program(root: Path, path: str) -> None:
    """Put an emulated program at its path in the root directory of a zone.

    Raises:
        OSError: the directory is read-only, as /usr of a sparse zone is.
    """
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(__file__).with_name("stub.py"), place)
    place.chmod(0o755)


def _place(path: str, root: Path, usr: Path) -> Path:
    if path.startswith("/usr/"):
        return usr / path.removeprefix("/usr/")
    return root / path.lstrip("/")
