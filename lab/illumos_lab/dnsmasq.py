"""The dnsmasq service: the real program, run the way illumos' build of it would.

The program in the lab is built for Linux. What an illumos build refuses is refused here before it starts.
The names of links longer than the kernel underneath allows are translated in a copy of the configuration;
files that the daemon re-reads on SIGHUP stay the administrator's own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from illumos_lab import accounts, linkname
from illumos_lab.profile import DnsmasqProfile
from illumos_lab.service import Context, MethodError

PROGRAM = "/system/lab/linux/sbin/dnsmasq"
"""The real program, in every zone."""

EXIT_CONFIG, EXIT_FILES = 1, 3
"""Exit statuses of dnsmasq: bad configuration, trouble with a file."""

_COPIES = "/var/run/lab-dnsmasq"
_PID_FILE = "/var/run/dnsmasq.pid"
_START_SECONDS = 5.0

_REFUSED = {
    "dhcp-hostsdir": "dhcp-hostsdir, dhcp-optsdir and hostsdir are not supported on this platform",
    "dhcp-optsdir": "dhcp-hostsdir, dhcp-optsdir and hostsdir are not supported on this platform",
    "hostsdir": "dhcp-hostsdir, dhcp-optsdir and hostsdir are not supported on this platform",
    "bind-dynamic": "bind-dynamic is not supported on this platform",
    "log-async": "asynchronous logging is not available under Solaris",
}

# Options whose value is a link name, or a list of them.
_LINK_OPTIONS = frozenset(
    ("interface", "except-interface", "no-dhcp-interface", "bridge-interface", "shared-network")
)
_ACCOUNT_OPTIONS = frozenset(("user", "group"))


@dataclass(frozen=True)
class Line:
    """A line of a configuration file that sets an option."""

    option: str
    value: str


def read_line(text: str) -> Line | None:
    """The option that a line sets; None for blank lines and comments."""
    # A comment begins at a # after white space, or at the line's start.
    stripped = re.sub(r"(^|\s)#.*", "", text).strip()
    if not stripped:
        return None
    option, _, value = stripped.partition("=")
    return Line(option.strip(), value.strip().strip('"'))


class Configuration:
    """A configuration file and the files that it includes.

    Attributes:
        files: lines of each file, by path, in the order of reading.
        directories: directories of ``conf-dir`` that exist.

    Args:
        find: gives the file behind a path of the zone.
        path: the main file.
    """

    def __init__(self, find: Callable[[str], Path], path: str) -> None:
        self._find = find
        self.files: dict[str, list[str]] = {}
        self.directories: list[str] = []
        self._read(path)

    def options(self) -> Iterator[Line]:
        """All options in the order of the files."""
        for lines in self.files.values():
            for text in lines:
                line = read_line(text)
                if line is not None:
                    yield line

    def value(self, option: str) -> str | None:
        """The last value of an option."""
        found = [line.value for line in self.options() if line.option == option]
        return found[-1] if found else None

    def has(self, option: str) -> bool:
        """The option is set."""
        return any(line.option == option for line in self.options())

    def _read(self, path: str) -> None:
        file = self._find(path)
        if path in self.files or not file.is_file():
            return
        lines = file.read_text(errors="surrogateescape").splitlines()
        self.files[path] = lines
        for text in lines:
            line = read_line(text)
            if line is None:
                continue
            if line.option == "conf-file":
                self._read(line.value)
            elif line.option == "conf-dir":
                for name in self._in_directory(line.value):
                    self._read(name)

    def _in_directory(self, value: str) -> list[str]:
        """The files that ``conf-dir=DIR[,SUFFIX...]`` reads, in alphabetical order."""
        directory, *suffixes = value.split(",")
        wanted = tuple(word[1:] for word in suffixes if word.startswith("*"))
        unwanted = tuple(word for word in suffixes if word and not word.startswith("*"))
        place = self._find(directory)
        if place.is_dir():
            self.directories.append(directory)
        return [
            f"{directory.rstrip('/')}/{path.name}"
            for path in sorted(place.iterdir() if place.is_dir() else ())
            if path.is_file()
            and not path.name.endswith(("~", *unwanted))
            and not path.name.startswith(".")
            and not (path.name.startswith("#") and path.name.endswith("#"))
            and (not wanted or path.name.endswith(wanted))
        ]


def translate(
    configuration: Configuration, link_name: Callable[[str], str], keep_account: bool
) -> dict[str, str] | None:
    """The configuration in terms of the machine underneath: text of each copy by its path.

    Args:
        configuration: as the administrator wrote it.
        link_name: the machine's own name of a link.
        keep_account: whether ``user=`` and ``group=`` can be obeyed.

    Returns:
        None when the original will do.
    """
    changed = False
    copies = {}
    for path, lines in configuration.files.items():
        texts = []
        for text in lines:
            new = _translate_line(text, link_name, keep_account)
            changed |= new != text
            texts.append(_include_copies(configuration, new))
        copies[_COPIES + path] = "\n".join(texts) + "\n"
    return copies if changed else None


def _translate_line(text: str, link_name: Callable[[str], str], keep_account: bool) -> str:
    line = read_line(text)
    if line is None:
        return text
    if line.option in _LINK_OPTIONS:
        written = [word.strip() for word in line.value.split(",")]
        words = [link_name(word) if linkname.valid(word) else word for word in written]
        return text if words == written else f"{line.option}={','.join(words)}"
    if line.option in _ACCOUNT_OPTIONS and not keep_account:
        return ""
    return text


def _include_copies(configuration: Configuration, text: str) -> str:
    line = read_line(text)
    if line is None:
        return text
    if line.option == "conf-file" and line.value in configuration.files:
        return f"conf-file={_COPIES}{line.value}"
    if line.option == "conf-dir":
        directory, *suffixes = line.value.split(",")
        if directory in configuration.directories:
            return f"conf-dir={','.join([_COPIES + directory, *suffixes])}"
    return text


def start_dnsmasq(context: Context) -> None:
    """Start the daemon, and wait until it serves or has died."""
    host, zone, profile = context.host, context.zone, context.host.profile.dnsmasq

    def find(path: str) -> Path:
        return host.path(zone, path)

    configuration = Configuration(find, profile.config)
    _refuse(configuration)
    alone = not can_change_user()
    _check_leases(context, configuration, profile, alone)
    copies = translate(configuration, _link_namer(context), not alone)
    path = profile.config
    if host.profile.name == "openindiana" and not find(path).exists():
        path = "/dev/null"  # the method names no file, and the built-in one may be absent
    if copies is not None:
        path = _COPIES + profile.config
        shutil.rmtree(find(_COPIES), ignore_errors=True)
        for directory in configuration.directories:
            find(_COPIES + directory).mkdir(parents=True, exist_ok=True)
        for place, text in copies.items():
            find(place).parent.mkdir(parents=True, exist_ok=True)
            find(place).write_text(text, errors="surrogateescape")
    host.kernel.set_unicast_offers(zone, _can_reach_clients(context, profile))
    pid_file = configuration.value("pid-file") or _PID_FILE
    find(pid_file).unlink(missing_ok=True)
    argv = [PROGRAM, "-k", f"--pid-file={pid_file}", f"--dhcp-leasefile={profile.lease_file}"]
    if alone:
        argv += ["--user=", "--group="]
    elif not configuration.has("user"):
        argv.append(f"--user={'nobody' if profile.starts_as_root else profile.user}")
    process = host.runtime.start(zone, [*argv, "-C", path], context.log)
    context.process = process
    _await(process, find(pid_file))


def _link_namer(context: Context) -> Callable[[str], str]:
    """What programs of the machine underneath call a link; a link that is not there keeps its name."""
    linux_name: Callable[[str], str] | None = getattr(context.host.kernel, "linux_name", None)

    def name_of(link: str) -> str:
        if linux_name is None:
            return link
        try:
            return linux_name(link)
        except (LookupError, OSError):
            return link

    return name_of


def _await(process: subprocess.Popen[bytes], pid_file: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while process.poll() is None and not pid_file.exists() and time.monotonic() < until:
        time.sleep(0.02)
    if process.poll() is None:
        # It changes its user after the pid file is written.
        time.sleep(0.02)
    status = process.poll()
    if status is not None:
        raise MethodError(status if status > 0 else 5)


def _can_reach_clients(context: Context, profile: DnsmasqProfile) -> bool:
    """Whether it may tell the stack the hardware address of a client that has no address yet.

    Without the privilege the answer is lost, unless it is broadcast.
    """
    return profile.starts_as_root or "sys_ip_config" in (context.get("start/privileges") or "")


def _refuse(configuration: Configuration) -> None:
    for line in configuration.options():
        if line.option in _REFUSED:
            raise MethodError(EXIT_CONFIG, f"\ndnsmasq: {_REFUSED[line.option]}")


def _check_leases(
    context: Context, configuration: Configuration, profile: DnsmasqProfile, alone: bool
) -> None:
    """Where SMF starts it as another user than root, that user must be able to write the leases."""
    if profile.starts_as_root or alone or not configuration.has("dhcp-range"):
        return
    path = configuration.value("dhcp-leasefile") or profile.lease_file
    file = context.host.path(context.zone, path)
    account = accounts.by_name(context.host.zone_root(context.zone), profile.user)
    place = file if file.exists() else file.parent
    if account is None or not place.exists():
        return
    about = place.stat()
    if about.st_uid == account.uid or about.st_mode & 0o002:
        # The program underneath starts as root: without this the file that it makes would be root's.
        file.touch()
        os.chown(file, account.uid, account.gid)
        return
    raise MethodError(EXIT_FILES, f"\ndnsmasq: cannot open or create lease file {path}: Permission denied")


def can_change_user() -> bool:
    """Whether this machine lets a program take another user id than root's."""
    return any(int(line.split()[2]) > 1 for line in Path("/proc/self/uid_map").read_text().splitlines())
