"""What is set up inside a zone, before it boots for the first time and later."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import accounts, belongings, brands, files, first_boot, records
from pulumi_illumos_provider.illumos.belongings import Belongings
from pulumi_illumos_provider.illumos.brands import Brand, Family
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen, parse_resolvers
from pulumi_illumos_provider.model.zone.inside import (
    HostsEntry,
    HostsEntryState,
    InsideInputs,
    InsideState,
    ZoneFile,
    ZoneFileState,
    ZoneUser,
    ZoneUserState,
)
from pulumi_illumos_provider.plan import Step, sh
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.network import network_files
from pulumi_illumos_provider.resources.zone.side import Side

_KEYS = "root/.ssh/authorized_keys"
_RESOLVER = "etc/resolv.conf"
_HOSTS = "etc/inet/hosts"
_INIT = "etc/default/init"
_LIVE = (_RESOLVER, _KEYS)

_ZONEINFO = "/usr/share/lib/zoneinfo"
_DEFAULT_TIMEZONE = "UTC"
_DEFAULT_GROUP = "1"

_READ_ONLY = ("/usr", "/lib", "/sbin")
"""What zones of sparse brands have from the global zone."""


class Inside(Side[InsideInputs, InsideState]):
    """Files of the zone's root; only brands that are set up from their files have them."""

    inputs: type[InsideInputs] = InsideInputs
    outputs: type[InsideState] = InsideState
    follows: ClassVar[dict[str, frozenset[str]]] = {
        "dnsServers": frozenset({"address", "router", "nics"}),
        "firstBootStatus": frozenset({"state"}),
    }

    def plan(self, wanted: InsideInputs, job: Job) -> None:
        _refuse_misplaced(wanted, job)
        if job.kind.has_smf:
            job.inside += _timezone_steps(wanted, job)
        if not job.native:
            return
        contents = _files(wanted, job)
        writes = steps.file_steps(job.name, job.root, contents, job.zone)
        boot_contents = {path: text for path, text in contents.items() if path not in _LIVE}
        if steps.file_steps(job.name, job.root, boot_contents, job.zone):
            job.reboot_for("hostname")
        if not job.installed:
            writes.append(Step(f"letting zone {job.name} use DNS", files.use_dns(job.root)))
        if wanted.ssh_authorized_keys:
            writes += _allow_root_login(job, writes)
        job.inside += writes + _hosts_steps(wanted, job) + _belongings_steps(wanted, job)
        _plan_first_boot(wanted, job)

    def paths(self, wanted: InsideInputs) -> list[str]:
        return [] if wanted.timezone is None else [_ZONEINFO, f"{_ZONEINFO}/{wanted.timezone}"]

    def removal(self, name: str, zone: ZoneSeen | None, now: Snapshot, state: InsideState) -> list[Step]:
        if belongings.record(name) not in now.paths:
            return []
        return [Step(f"forgetting what was made in zone {name}", belongings.forget(name))]

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        told = now.distribution.known(zone.listed.brand).has_smf
        resolver = zone.files.get(_RESOLVER, "") if told else ""
        status = zone.live.get("first-boot", "").strip()
        return {
            "first_boot_status": int(status) if status.isdecimal() else None,
            "files": _read_files(zone),
            "users": _read_users(zone),
            "hosts": _read_hosts(zone),
            "timezone": _read_timezone(zone),
            "dns_search": _words(resolver, "search"),
            "dns_domain": next(iter(_words(resolver, "domain")), None),
            "dns_servers": parse_resolvers(resolver),
            "hostname": _read_hostname(zone),
            "ssh_authorized_keys": _keys(zone.files.get(_KEYS, "")),
        }

    def satisfied(self, field: str, wanted: InsideInputs, state: InsideState) -> bool:
        value = getattr(wanted, field)
        match field:
            case "hostname":
                name = getattr(wanted, "name", None) or getattr(state, "name", "")
                return bool((value or name) == state.hostname)
            case "ssh_authorized_keys":
                return value is None or set(value) == set(state.ssh_authorized_keys)
            case "first_boot_script":
                return True  # It counts at the first boot.
            case "dns_domain" | "dns_search":
                return bool((value or None) == (getattr(state, field) or None))
            case "hosts":
                return _meant_hosts(value or []) == _meant_hosts(state.hosts)
            case "files":
                return _all_satisfied(value, state.files, "path", _file_satisfied)
            case "users":
                return _all_satisfied(value, state.users, "name", _user_satisfied)
            case _:
                return value is None or bool(value == getattr(state, field))

    def spell(self, state: InsideState) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        if state.files:
            spelled["files"] = [_spell_file(file) for file in state.files]
        if state.users:
            spelled["users"] = [_spell_user(user) for user in state.users]
        if state.hosts:
            spelled["hosts"] = [entry.wire() for entry in state.hosts]
        if state.timezone not in (None, _DEFAULT_TIMEZONE):
            spelled["timezone"] = state.timezone
        if state.dns_search:
            spelled["dnsSearch"] = list(state.dns_search)
        elif state.dns_domain:
            spelled["dnsDomain"] = state.dns_domain
        if state.dns_servers:
            spelled["dnsServers"] = [str(server) for server in state.dns_servers]
        if state.hostname != getattr(state, "name", ""):
            spelled["hostname"] = state.hostname
        if state.ssh_authorized_keys:
            spelled["sshAuthorizedKeys"] = list(state.ssh_authorized_keys)
        return spelled


# What cannot be ----------------------------------------------------------------------------------


_ABLE: dict[str, Callable[[Brand], bool]] = {
    "files": lambda brand: brand.native,
    "users": lambda brand: brand.native,
    "hosts": lambda brand: brand.native,
    "first_boot_script": lambda brand: brand.native,
    "timezone": lambda brand: brand.has_smf,
    "dns_search": lambda brand: brand.has_smf,
    "dns_domain": lambda brand: brand.has_smf or brand.resolvers_in_attributes,
}
"""Which brands can be told each of these."""


def _refuse_misplaced(wanted: InsideInputs, job: Job) -> None:
    for field, able in _ABLE.items():
        if getattr(wanted, field) and not able(job.kind):
            names = (name for name, brand in job.now.distribution.brands.items() if able(brand))
            remedy = " (or say it in userData)" if job.kind.family is Family.MACHINE else ""
            raise Refused(
                f"zones of brand {job.brand} cannot be told it by their files; on "
                f"{job.now.distribution.name} it goes with {brands.words(names)}{remedy}",
                InsideInputs.property_name(field),
            )
    known = job.now.paths
    if wanted.timezone and _ZONEINFO in known and known.get(f"{_ZONEINFO}/{wanted.timezone}") != "file":
        raise Refused(
            f"the host knows no time zone {wanted.timezone}: see {_ZONEINFO} for those that it knows",
            "timezone",
        )
    for number, user in enumerate(wanted.users or []):
        _refuse_user(user, f"users[{number}]", job)
    for number, file in enumerate(wanted.files or []):
        _refuse_file(file, f"files[{number}]", job)


def _refuse_user(user: ZoneUser, place: str, job: Job) -> None:
    if user.from_host and user.name not in job.now.accounts:
        raise Refused(
            f"there is no user {user.name} on the host: leave fromHost out, or correct the name",
            f"{place}.name",
        )
    zone = job.zone if job.installed else None
    there = accounts.parse_passwd(zone.files.get("etc/passwd", "")) if zone else {}
    if user.name in there and user.name not in _belongings(job).users:
        raise Refused(
            f"user {user.name} is in zone {job.name} already, and was not made by this provider: "
            "leave it out, or choose another name",
            f"{place}.name",
        )


def _refuse_file(file: ZoneFile, place: str, job: Job) -> None:
    if job.brand.startswith("sparse") and file.path.startswith(tuple(f"{d}/" for d in _READ_ONLY)):
        raise Refused(
            f"zones of brand {job.brand} have {', '.join(_READ_ONLY)} from the global zone, read-only: "
            "choose another place",
            f"{place}.path",
        )
    for resource in job.resources:
        mounted = resource.values.get("dir", "") if resource.kind == "fs" else ""
        if mounted and f"{file.path}/".startswith(f"{mounted}/"):
            raise Refused(
                f"{mounted} is mounted into the zone: put {file.path} where that comes from",
                f"{place}.path",
            )


# Name services, host name, keys ------------------------------------------------------------------


def _files(wanted: InsideInputs, job: Job) -> dict[str, str | None]:
    """Files of the zone's root, by path; None for those that must not be there."""
    contents: dict[str, str | None] = {}
    hostname = wanted.hostname or job.name
    if job.zone is None or not job.installed or _read_hostname(job.zone) != hostname:
        contents["etc/nodename"] = f"{hostname}\n"
    resolver = _resolver(wanted, job)
    if resolver is not None:
        contents[_RESOLVER] = resolver
    if wanted.ssh_authorized_keys is not None:
        keys = wanted.ssh_authorized_keys
        contents[_KEYS] = "".join(f"{key}\n" for key in keys) if keys else None
    contents |= network_files(job)
    return contents


def _read_hostname(zone: ZoneSeen) -> str:
    """The host name: that of the zone, where no file says another."""
    return zone.files.get("etc/nodename", "").strip() or zone.name


def _resolver(wanted: InsideInputs, job: Job) -> str | None:
    """The resolver's configuration; None where the zone has one that means the same."""
    present = job.zone.files.get(_RESOLVER, "") if job.zone is not None and job.installed else ""
    servers = wanted.dns_servers
    if servers is None and _settled(job) and not parse_resolvers(present):
        servers = []
    if servers is None:
        routed = [nic.network.address for nic in job.placed if nic.network]
        servers = routed[:1] or list(job.now.resolvers)
    text = steps.resolv_conf(servers, wanted.dns_domain, wanted.dns_search or ())
    return None if job.installed and _meant_resolver(present) == _meant_resolver(text) else text


def _settled(job: Job) -> bool:
    """Whether what a zone lacks is not ours to write: it has booted, or somebody else installed it."""
    if job.zone is None or not job.installed:
        return False
    return job.zone.listed.active or records.INSTALL not in job.zone.config.attributes


def _meant_resolver(text: str) -> tuple[Any, ...]:
    return parse_resolvers(text), _words(text, "domain"), _words(text, "search")


def _words(text: str, keyword: str) -> list[str]:
    """The words after ``domain`` or ``search`` of resolv.conf(5), of which the last line counts."""
    lines = [words for line in text.splitlines() if (words := line.split())]
    last = next((words for words in reversed(lines) if words[0] in ("domain", "search")), [""])
    return last[1:] if last[0] == keyword else []


def _keys(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _allow_root_login(job: Job, writes: list[Step]) -> list[Step]:
    """Let root log in with a key, never with a password: some distributions refuse root altogether."""
    if job.installed and not any(_KEYS in step.say for step in writes):
        return []
    script = """
cd "$1/etc/ssh" 2>/dev/null && grep '^PermitRootLogin no' sshd_config >/dev/null || exit 0
sed 's/^PermitRootLogin no.*/PermitRootLogin without-password/' sshd_config >sshd_config.new &&
    cat sshd_config.new >sshd_config && rm -f sshd_config.new
"""
    return [Step(f"letting root log into zone {job.name} with a key", sh(script, job.root))]


# Time zone and hosts -----------------------------------------------------------------------------


def _timezone_steps(wanted: InsideInputs, job: Job) -> list[Step]:
    if wanted.timezone is None:
        return []
    if job.zone is not None and job.installed:
        if _read_timezone(job.zone) == wanted.timezone:
            return []
        job.reboot_for("timezone")
    return [
        Step(
            f"setting the time zone of zone {job.name} to {wanted.timezone}",
            files.put_setting(job.root, _INIT, "TZ", wanted.timezone),
            done=files.has_setting(job.root, _INIT, "TZ", wanted.timezone),
        )
    ]


def _read_timezone(zone: ZoneSeen) -> str | None:
    for line in zone.files.get(_INIT, "").splitlines():
        if line.startswith("TZ="):
            return line.removeprefix("TZ=").strip().strip("\"'") or None
    return None


def _hosts_steps(wanted: InsideInputs, job: Job) -> list[Step]:
    entries = wanted.hosts or []
    present = _read_hosts(job.zone) if job.zone is not None and job.installed else []
    if _meant_hosts(entries) == _meant_hosts(present) and not job.copied:
        return []
    text = files.block([f"{entry.address}\t{' '.join(entry.names)}" for entry in entries])
    return [
        Step(
            f"writing entries into /{_HOSTS} of zone {job.name}",
            files.put_block(job.root, _HOSTS, text),
            done=files.has_block(job.root, _HOSTS, text),
        )
    ]


def _read_hosts(zone: ZoneSeen) -> list[HostsEntryState]:
    lines = (line.split() for line in files.block_lines(zone.files.get(_HOSTS, "")))
    return [HostsEntryState(address=words[0], names=words[1:]) for words in lines if len(words) > 1]


def _meant_hosts(entries: Iterable[HostsEntry | HostsEntryState]) -> list[tuple[str, list[str]]]:
    return [(str(entry.address), list(entry.names)) for entry in entries]


# Files and users ---------------------------------------------------------------------------------


def _belongings_steps(wanted: InsideInputs, job: Job) -> list[Step]:
    """Remove what is not wanted any more, note what will be made, and make it."""
    present = _belongings(job)
    paths = [file.path for file in wanted.files or []]
    names = [user.name for user in wanted.users or []]
    left = Belongings(
        tuple(path for path in present.files if path in paths),
        tuple(path for path in present.changed if path in paths),
        tuple(name for name in present.users if name in names),
        present.first_boot,
    )
    new = Belongings(
        files=tuple(path for path in paths if path not in (*left.files, *left.changed)),
        users=tuple(name for name in names if name not in left.users),
    )
    found = _removals(present, left, job)
    if left != present:
        found.append(Step(f"noting what is left in zone {job.name}", belongings.keep(job.name, left)))
    if new.lines:
        say = f"noting what is made in zone {job.name}"
        found.append(Step(say, belongings.add(job.name, job.root, new)))
    seen = job.zone if job.installed else None
    users = {user.name: user for user in _read_users(seen)} if seen else {}
    kept = {file.path: file for file in _read_files(seen)} if seen else {}
    for user in wanted.users or []:
        found += _user_steps(user, users.get(user.name), job)
    for file in wanted.files or []:
        found += _file_steps(file, kept.get(file.path), job)
    return found


def _belongings(job: Job) -> Belongings:
    return job.zone.ours if job.zone is not None and job.installed else Belongings()


def _removals(present: Belongings, left: Belongings, job: Job) -> list[Step]:
    found = [
        Step(
            f"removing {path} from zone {job.name}",
            files.remove_zone_file(job.root, path.lstrip("/")),
            done=files.zone_file_absent(job.root, path.lstrip("/")),
        )
        for path in present.files
        if path not in left.files
    ]
    found += [
        Step(
            f"removing user {name} from zone {job.name}",
            accounts.remove(job.root, name),
            done=accounts.removed(job.root, name),
        )
        for name in present.users
        if name not in left.users
    ]
    for path in present.changed:
        if path not in left.changed:
            job.warnings.append(
                f"{path} was in zone {job.name} before it was changed: it stays there as it is now"
            )
    return found


def _file_steps(file: ZoneFile, state: ZoneFileState | None, job: Job) -> list[Step]:
    if state is not None and _file_satisfied(file, state):
        return []
    what = (job.root, file.path.lstrip("/"), file.content, file.mode, file.owner, file.group)
    return [
        Step(
            f"writing {file.path} in zone {job.name}",
            files.put_zone_file(*what),
            done=files.zone_file_is_put(*what),
        )
    ]


def _user_steps(user: ZoneUser, state: ZoneUserState | None, job: Job) -> list[Step]:
    if state is not None and _user_satisfied(user, state):
        return []
    home = user.home or (state.home if state else f"{accounts.HOMES}/{user.name}")
    if f"{home}/".startswith(accounts.AUTOMOUNTED):
        job.warnings.append(
            f"{home} of user {user.name} is where the automounter of zone {job.name} may put other "
            f"directories: {accounts.HOMES}/{user.name} is not"
        )
    attributes = None
    if user.has_attributes:
        profiles = user.profiles if user.profiles is not None else (state.profiles if state else [])
        roles = user.roles if user.roles is not None else (state.roles if state else [])
        attributes = accounts.attributes_line(user.name, profiles, roles)
    put = accounts.put(
        job.root,
        user.name,
        uid=user.uid,
        group=user.group,
        comment=user.comment,
        home=user.home,
        shell=user.shell,
        attributes=attributes,
        password_hash=user.password_hash,
        from_host=user.from_host,
    )
    keys = f"{home.lstrip('/')}/.ssh/authorized_keys"
    make = accounts.make_home(job.root, user.name, home, for_keys=bool(user.ssh_authorized_keys))
    found = [
        Step(f"making user {user.name} in zone {job.name}", put),
        Step(f"making the home directory of user {user.name} in zone {job.name}", make),
    ]
    if user.ssh_authorized_keys:
        text = "".join(f"{key}\n" for key in user.ssh_authorized_keys)
        what = (job.root, keys, text, "600", user.name, "")
        found.append(
            Step(
                f"writing the keys of user {user.name} in zone {job.name}",
                files.put_zone_file(*what),
                done=files.zone_file_is_put(*what),
            )
        )
    elif user.ssh_authorized_keys is not None:
        say = f"removing the keys of user {user.name} from zone {job.name}"
        found.append(Step(say, files.remove_zone_file(job.root, keys)))
    return found


def _read_files(zone: ZoneSeen) -> list[ZoneFileState]:
    users = accounts.parse_passwd(zone.files.get("etc/passwd", ""))
    owners = {account.uid: account.name for account in reversed(users.values())}
    groups = accounts.parse_group(zone.files.get("etc/group", ""))
    found = []
    for path in (*zone.ours.files, *zone.ours.changed):
        kept = belongings.parse_kept(zone.kept.get(path, ""))
        if kept is not None:
            found.append(
                ZoneFileState(
                    path=path,
                    mode=kept.mode,
                    owner=owners.get(kept.uid, str(kept.uid)),
                    uid=kept.uid,
                    group=groups.get(kept.gid, str(kept.gid)),
                    gid=kept.gid,
                    sha256=kept.sha256,
                )
            )
    return found


def _read_users(zone: ZoneSeen) -> list[ZoneUserState]:
    users = accounts.parse_passwd(zone.files.get("etc/passwd", ""))
    groups = accounts.parse_group(zone.files.get("etc/group", ""))
    attributes = zone.files.get("etc/user_attr", "")
    found = []
    for name in zone.ours.users:
        account = users.get(name)
        if account is None:
            continue
        said = accounts.parse_attributes(attributes, name)
        keys = zone.files.get(f"{account.home.lstrip('/')}/.ssh/authorized_keys", "")
        found.append(
            ZoneUserState(
                name=name,
                uid=account.uid,
                group=groups.get(account.gid, str(account.gid)),
                gid=account.gid,
                comment=account.comment,
                home=account.home,
                shell=account.shell,
                password_digest=zone.kept.get(f"password:{name}", "").strip() or None,
                ssh_authorized_keys=_keys(keys),
                profiles=said.get("profiles", []),
                roles=said.get("roles", []),
            )
        )
    return found


def _all_satisfied(wanted: Any, present: Any, key: str, satisfied: Any) -> bool:
    """Whether exactly the wanted things are there, each as it is wanted."""
    asked = {getattr(thing, key): thing for thing in wanted or []}
    have = {getattr(thing, key): thing for thing in present}
    return asked.keys() == have.keys() and all(satisfied(asked[name], have[name]) for name in asked)


def _file_satisfied(file: ZoneFile, state: ZoneFileState) -> bool:
    return (
        (file.content is None or _digest(file.content) == state.sha256)
        and file.mode == state.mode
        and file.owner in (state.owner, str(state.uid))
        and file.group in (state.group, str(state.gid))
    )


def _user_satisfied(user: ZoneUser, state: ZoneUserState) -> bool:
    plain = ("uid", "comment", "home", "shell")
    lists = ("ssh_authorized_keys", "profiles", "roles")
    return (
        all(getattr(user, name) in (None, getattr(state, name)) for name in plain)
        and all(
            getattr(user, name) is None or set(getattr(user, name)) == set(getattr(state, name))
            for name in lists
        )
        and user.group in (None, state.group, str(state.gid))
        and (user.password_hash is None or _digest(user.password_hash) == state.password_digest)
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _spell_file(file: ZoneFileState) -> dict[str, Any]:
    spelled = {"path": file.path}
    spelled |= {"mode": file.mode} if file.mode != "644" else {}
    spelled |= {"owner": file.owner} if file.owner != "root" else {}
    spelled |= {"group": file.group} if file.group != "root" else {}
    return spelled


def _spell_user(user: ZoneUserState) -> dict[str, Any]:
    spelled: dict[str, Any] = {"name": user.name, "uid": user.uid, "shell": user.shell}
    if str(user.gid) != _DEFAULT_GROUP:
        spelled["group"] = user.group
    if user.comment:
        spelled["comment"] = user.comment
    if user.home != f"{accounts.HOMES}/{user.name}":
        spelled["home"] = user.home
    for field, name in (
        ("ssh_authorized_keys", "sshAuthorizedKeys"),
        ("profiles", "profiles"),
        ("roles", "roles"),
    ):
        if getattr(user, field):
            spelled[name] = list(getattr(user, field))
    return spelled


# The script of the first boot --------------------------------------------------------------------


def _plan_first_boot(wanted: InsideInputs, job: Job) -> None:
    """Have the script run at the zone's first boot, and see how it ends.

    That the zone is to have one is noted before it is installed: without the note, a zone that is
    installed has booted already, for all we know.
    """
    if job.copied:
        say = f"clearing what the original of zone {job.name} was told for its first boot"
        job.inside.append(Step(say, first_boot.clear(job.root), done=first_boot.cleared(job.root)))
    if wanted.first_boot_script is None:
        return
    progress = job.zone.live.get("first-boot", "").strip() if job.zone is not None else ""
    if not job.installed:
        note = belongings.keep(job.name, Belongings(first_boot=True))
        job.before.append(Step(f"noting that zone {job.name} has a script for its first boot", note))
        progress = ""
    elif progress.isdecimal():
        if progress != "0":
            job.warnings.append(
                f"the script of the first boot of zone {job.name} ended with status {progress}: see "
                f"/{first_boot.LOG} in the zone; it is not run again"
            )
        return
    elif not _belongings(job).first_boot or (not progress and job.running):
        return
    if not progress:
        job.inside += _script_steps(wanted.first_boot_script, job)
    wait = Step(
        f"waiting for the script of the first boot of zone {job.name}",
        first_boot.wait(job.root, int(steps.BOOT_LIMIT)),
        timeout=steps.BOOT_LIMIT + steps.WAIT_MARGIN,
        remedy="put right by hand what it left undone, or correct it and make the zone anew "
        "(pulumi up --replace URN)",
    )
    job.booted.append(wait)
    job.live.append(wait)


def _script_steps(script: str, job: Job) -> list[Step]:
    return [
        Step(
            f"writing the script of the first boot of zone {job.name}",
            files.put_zone_file(job.root, first_boot.SCRIPT, script, "700"),
        ),
        # It comes last: with it, the script is complete.
        Step(
            f"letting zone {job.name} run it at its first boot",
            files.put_zone_file(
                job.root, first_boot.STARTER, first_boot.STARTER_TEXT, "744", "root", "sys"
            ),
        ),
    ]
