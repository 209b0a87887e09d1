"""getent(8): entries of the system's databases, from the files of the caller's zone.

Host names are asked of the name servers too, where the zone's nsswitch.conf says so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_OK, _BAD_DATABASE, _NOT_FOUND = range(3)
_LINUX_GETENT = "/system/lab/linux/bin/getent"
_COLONS = {
    "passwd": ("/etc/passwd", 7),
    "group": ("/etc/group", 4),
    "project": ("/etc/project", 6),
}
"""Databases whose lines have fields between colons, by name: file and number of fields."""
_BLANKS = {
    "services": "/etc/services",
    "protocols": "/etc/protocols",
    "rpc": "/etc/rpc",
    "networks": "/etc/inet/networks",
    "netmasks": "/etc/inet/netmasks",
    "ethers": "/etc/ethers",
}
_HOSTS = ("hosts", "ipnodes")
_USAGE = "usage: getent database [ key ... ]\n"


@dataclass(frozen=True)
class _Query:
    host: Host
    run: Invocation
    database: str

    def lines(self, path: str, *, comments: bool = True) -> Iterator[str]:
        """The lines of a file of the zone, without empty ones, and without comments where there are any."""
        try:
            text = self.host.path(self.run.zone, path).read_text(errors="replace")
        except OSError:
            return
        for line in text.splitlines():
            stripped = line.partition("#")[0].strip() if comments else line
            if stripped:
                yield stripped


def main(host: Host, run: Invocation) -> int:
    """Print entries; returns 0, 1 for an unknown database, 2 when a key is not there."""
    if not run.argv or run.argv[0].startswith("-"):
        run.err(_USAGE)
        return _BAD_DATABASE
    database, *keys = run.argv
    query = _Query(host, run, database)
    find: Callable[[_Query, str | None], list[str]]
    if database in _HOSTS:
        find = _hosts
    elif database in _COLONS:
        find = _colons
    elif database in _BLANKS:
        find = _blanks
    else:
        run.err(f"Unknown database: {database}\n{_USAGE}")
        return _BAD_DATABASE
    status = _OK
    wanted: list[str | None] = [*keys] or [None]
    for key in wanted:
        found = find(query, key)
        run.out("".join(line + "\n" for line in found))
        if key is not None and not found:
            status = _NOT_FOUND
    return status


def _colons(query: _Query, key: str | None) -> list[str]:
    path, count = _COLONS[query.database]
    found = []
    for line in query.lines(path, comments=False):
        fields = line.split(":")
        if len(fields) < count or line.startswith("#"):
            continue
        if key is None or key == fields[0] or (key.isdigit() and key == fields[2 - (count == 6)]):
            found.append(line)
            if key is not None:
                break
    return found


def _blanks(query: _Query, key: str | None) -> list[str]:
    found = []
    for line in query.lines(_BLANKS[query.database]):
        name, *rest = line.split()
        if not rest:
            continue
        value, *aliases = rest
        wanted, _, protocol = (key or "").partition("/")
        own = value.partition("/")
        names = (name, *aliases, own[0])
        if key is None or (wanted in names and protocol in ("", own[2])):
            found.append(_shown(query.database, name, value, aliases))
            if key is not None:
                break
    return found


def _shown(database: str, name: str, value: str, aliases: list[str]) -> str:
    if database == "netmasks" or database == "ethers":
        return f"{name}\t{value}"
    gap = "\t" if database in ("services", "protocols", "rpc") else "\t\t"
    return f"{name}{gap}{value}" + "".join(f" {alias}" for alias in aliases)


def _hosts(query: _Query, key: str | None) -> list[str]:
    version = 4 if query.database == "hosts" else None
    entries = []
    for line in query.lines("/etc/inet/hosts"):
        address, *names = line.split()
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            continue
        entries.append((parsed, names))
    wanted = _address(key)
    found = [
        _host_line(str(address), names)
        for address, names in entries
        if key is None or address == wanted or (key in names and version in (None, address.version))
    ]
    if not found and key is not None and wanted is None:
        # A name that has only an address of the other family.
        found = [_host_line(str(address), names) for address, names in entries if key in names]
    if found or key is None:
        return found if key is None else found[:1]
    return _from_dns(query, key)


def _address(key: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(key or "")
    except ValueError:
        return None


def _host_line(address: str, names: list[str]) -> str:
    return f"{address}\t{' '.join(names)}"


def _from_dns(query: _Query, key: str) -> list[str]:
    order = next((line for line in query.lines("/etc/nsswitch.conf") if line.startswith("hosts:")), "")
    if "dns" not in order.split():
        return []
    database = "hosts" if _address(key) else "ahostsv4"
    done = query.host.runtime.run(query.run.zone, [_LINUX_GETENT, "-s", "dns", database, key])
    for line in done.stdout.splitlines():
        words = line.split()
        if database == "hosts":
            return [_host_line(words[0], words[1:])]
        return [_host_line(words[0], [key])]
    return []
