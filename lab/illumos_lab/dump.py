"""A stable description of everything that exists on a host, made to be compared.

Two dumps of a host are equal when nothing that an administrator would care for has changed between
them: what a real system churns by itself (logs, locks, times, process and link ids, uuids) is left out.
Live state comes from the emulated commands themselves, files from the upper layers of the overlays.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from illumos_lab import commands, image
from illumos_lab.files import PRISTINE
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.smf import NoRepositoryError

if TYPE_CHECKING:
    from illumos_lab.linux import LinuxRuntime

# Repositories whose contents the other sections tell in words, and what churns.
_LEFT_OUT = re.compile(
    r"""
    ^(/zones[^/]*|/export/zones)?                   # of the global zone, or of a zone's root
    (.*/root)?
    /(
      etc/dladm/datalink\.conf | etc/ipadm/ipadm\.conf | etc/zones/index | etc/zones/did\.txt
    | etc/svc/repository\.db.* | etc/zfs/.* | etc/mnttab
    | var/(run|tmp|log|adm|svc/log|cache|spool|mail)(/.*)? | tmp(/.*)? | dev(/.*)? | proc(/.*)?
    | system/lab(/.*)? | root/\.[a-z_]*hist[a-z_]* | home/[^/]*/\.[a-z_]*hist[a-z_]*
    | usr/.*/__pycache__(/.*)?
    )$
    """,
    re.VERBOSE,
)


_PATIENCE = 30.0
"""Seconds for which services that are in transition are waited for."""


def collect(host: Host, runtime: LinuxRuntime, directory: Path) -> dict[str, Any]:
    """The dump of a running host, once its services have come to rest.

    Returns:
        Sections by name; most are lists of lines, ``zones`` maps zone names to sections, and
        ``files`` maps paths to what is there (see `changed_files`).
    """
    pristine = json.loads((directory / PRISTINE).read_text())
    for zone in host.smf.zones():
        _let_settle(host, zone)
    return {
        "links": _links(host),
        "network": _network(host, "global"),
        "datasets": _lines(host, "/sbin/zfs", "list", "-H", "-o", "name,mountpoint"),
        "services": _services(host, "global"),
        "zones": {zone: _zone(host, zone) for zone in sorted(host.zones.names())},
        "files": changed_files(directory, runtime, pristine),
    }


def as_text(sections: dict[str, Any], indent: str = "") -> str:
    """A dump as lines for people and for diff(1)."""
    text = ""
    for name, value in sections.items():
        if isinstance(value, dict):
            text += f"{indent}{name}:\n{as_text(value, indent + '  ')}"
        elif isinstance(value, list):
            text += f"{indent}{name}:\n" + "".join(f"{indent}  {line}\n" for line in value)
        else:
            text += f"{indent}{name}: {value}\n"
    return text


# Live state --------------------------------------------------------------------------------------


def _run(host: Host, path: str, *argv: str, zone: str = "global") -> str:
    """Standard output of an emulated command, run in a zone as root."""
    with tempfile.TemporaryFile() as out, Path(os.devnull).open("r+b") as null:
        run = Invocation(
            path=path,
            argv=list(argv),
            env={"PATH": "/usr/sbin:/usr/bin:/sbin", "LC_ALL": "C"},
            cwd="/",
            uid=0,
            zone=zone,
            stdin=null.fileno(),
            stdout=out.fileno(),
            stderr=null.fileno(),
        )
        result = commands.find(path)(host, run)
        assert isinstance(result, int)
        out.seek(0)
        return out.read().decode(errors="replace")


def _lines(host: Host, path: str, *argv: str, zone: str = "global") -> list[str]:
    return sorted(_run(host, path, *argv, zone=zone).splitlines())


def _links(host: Host) -> dict[str, list[str]]:
    def dladm(*argv: str) -> list[str]:
        return _lines(host, "/sbin/dladm", *argv)

    aggregation = "link,policy,addrpolicy,lacpactivity,lacptimer,flags"
    return {
        "active": dladm("show-link", "-p", "-o", "link,class,mtu,state,bridge,over"),
        "persistent": dladm("show-link", "-P", "-p", "-o", "link,class,bridge,over"),
        "vnics": dladm("show-vnic", "-p", "-o", "link,over,macaddress,vid"),
        "aggregations": dladm("show-aggr", "-p", "-o", aggregation),
        "persistent aggregations": dladm("show-aggr", "-P", "-p", "-o", aggregation),
        "bridges": dladm(
            *("show-bridge", "-p", "-o", "bridge,protect,priority,bmaxage,bhellotime,bfwddelay,forceproto")
        ),
        "tunnels": dladm("show-iptun", "-p", "-o", "link,type,local,remote"),
        "persistent tunnels": dladm("show-iptun", "-P", "-p", "-o", "link,type,local,remote"),
        "overlays": [
            line
            for line in dladm("show-overlay", "-p", "-o", "link,property,value")
            if line.split(":")[1] != "varpd/id"
        ],
        "properties": [
            line
            for line in dladm("show-linkprop", "-c", "-o", "link,property,perm,value,default")
            if _is_set(line)
        ],
        "flows": _lines(host, "/sbin/flowadm", "show-flow"),
    }


def _is_set(line: str) -> bool:
    """Whether a line of show-linkprop tells of a property that somebody has set."""
    _, _, permission, value, default = re.split(r"(?<!\\):", line)
    return permission == "rw" and value not in ("", default)


def _network(host: Host, zone: str) -> dict[str, list[str]]:
    if zone not in host.stacks:
        return {}

    def lines(path: str, *argv: str) -> list[str]:
        return _lines(host, path, *argv, zone=zone)

    def ipadm(*argv: str) -> list[str]:
        return lines("/sbin/ipadm", *argv)

    return {
        "addresses": ipadm("show-addr", "-p", "-o", "addrobj,type,state,addr"),
        "interfaces": ipadm("show-if", "-p", "-o", "ifname,state,current,persistent"),
        "forwarding": ipadm(
            *("show-ifprop", "-c", "-p", "forwarding", "-m", "ipv4", "-o", "ifname,current")
        ),
        "groups": lines("/usr/sbin/ipmpstat", "-g", "-P", "-o", "group,groupname,interfaces"),
        "persistent": _ipadm_records(host.path(zone, "/etc/ipadm/ipadm.conf")),
        "routes": _routes(_run(host, "/usr/bin/netstat", "-rn", zone=zone)),
        "nat": _nat_rules(_run(host, "/usr/sbin/ipnat", "-l", zone=zone)),
    }


def _ipadm_records(conf: Path) -> list[str]:
    """What ipmgmtd remembers; the order is that of creation, and says nothing."""
    if not conf.exists():
        return []
    return sorted(line for line in conf.read_text().splitlines() if not line.startswith("#"))


def _nat_rules(listing: str) -> list[str]:
    """The rules in their order, which matters; the sessions churn."""
    rules, _, _ = listing.partition("\nList of active sessions:")
    return rules.splitlines()[1:]


def _routes(listing: str) -> list[str]:
    """Destination, gateway, flags and interface of each route; reference and use counts churn."""
    routes = []
    for line in listing.splitlines():
        words = line.split()
        if len(words) >= 5 and re.match(r"(default|[0-9a-f.:]+)", words[0]):
            routes.append(" ".join([*words[:3], *words[5:6]]))
    return sorted(routes)


def _services(host: Host, zone: str) -> list[str]:
    argv = ["-H", "-a", "-o", "state,fmri"]
    if zone != "global":
        argv = ["-z", zone, *argv]
    lines = _run(host, "/usr/bin/svcs", *argv).splitlines()
    return sorted(" ".join(line.split()) for line in lines)


def _let_settle(host: Host, zone: str) -> None:
    """Wait until no service of a zone is in transition, or it seems to stay so."""
    with contextlib.suppress(NoRepositoryError):
        restarter = host.smf.restarter(zone)
        restarter.wait(lambda: not any(each.busy for each in restarter.instances.values()), _PATIENCE)


def _zone(host: Host, zone: str) -> dict[str, Any]:
    state = host.zones.state(zone)
    return {
        "state": state,
        "zonepath": host.zones.zonepath(zone),
        "configuration": _run(host, "/usr/sbin/zonecfg", "-z", zone, "export").splitlines(),
        "network": _network(host, zone),
        "services": _services(host, zone) if state == "running" else [],
    }


# Files -------------------------------------------------------------------------------------------


def record_pristine(directory: Path, target: Path) -> None:
    """Remember what a freshly made host has changed by its first boot."""
    target.write_text(json.dumps(_layer_files(directory / "state", "")))


def changed_files(directory: Path, runtime: LinuxRuntime, pristine: dict[str, str]) -> dict[str, str]:
    """Files that differ from those of a pristine host.

    Returns:
        By path: ``file MODE UID:GID HASH``, ``directory MODE UID:GID``, ``link TARGET``, or ``removed``.
    """
    images = directory / "image"
    found = _compare(directory / "state", images / "host", images / "host-usr", "", pristine)
    for zonepath, store in runtime.zone_stores().items():
        prefix = f"{zonepath}/root"
        lower, usr = image.trees(json.loads((store / "zone.json").read_text())["brand"])
        found |= _compare(store, images / lower, images / (usr or "zone-usr"), prefix, {})
    return dict(sorted(found.items()))


def _compare(
    store: Path, lower: Path, lower_usr: Path, prefix: str, pristine: dict[str, str]
) -> dict[str, str]:
    now = _layer_files(store, prefix)
    changed = {}
    for path, description in now.items():
        inside = path.removeprefix(prefix)
        before = pristine.get(path) or _describe_lower(inside, lower, lower_usr)
        if description != (before or "removed"):
            changed[path] = description
    for path in pristine.keys() - now.keys():
        changed[path] = _describe_lower(path, lower, lower_usr) or "removed"
    return changed


def _layer_files(store: Path, prefix: str) -> dict[str, str]:
    """What the upper layers of a root hold, by path in the host."""
    found: dict[str, str] = {}
    for layer, place in ((store / "upper", ""), (store / "usr-upper", "/usr")):
        for folder, folders, files in os.walk(layer):
            for name in sorted(folders + files):
                file = Path(folder, name)
                inside = f"{place}/{file.relative_to(layer)}"
                if inside == "/usr" or _LEFT_OUT.match(inside):
                    continue
                found[prefix + inside] = _describe(file)
    return {path: text for path, text in found.items() if not _LEFT_OUT.match(path)}


def _describe_lower(inside: str, lower: Path, lower_usr: Path) -> str | None:
    """What a path was before it was changed; None when it was not there."""
    if inside.startswith("/usr/"):
        candidates = [lower_usr / inside.removeprefix("/usr/"), Path(inside)]
    else:
        candidates = [lower / inside.lstrip("/")]
    for file in candidates:
        if os.path.lexists(file):
            description = _describe(file)
            return None if description == "removed" else description
    return None


def _describe(file: Path) -> str:
    status = file.lstat()
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
        return "removed"
    owner = f"{stat.S_IMODE(status.st_mode):o} {status.st_uid}:{status.st_gid}"
    if stat.S_ISLNK(status.st_mode):
        return f"link {file.readlink()}"
    if stat.S_ISDIR(status.st_mode):
        return f"directory {owner}"
    if stat.S_ISREG(status.st_mode):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        return f"file {owner} {digest}"
    return f"special {owner}"
