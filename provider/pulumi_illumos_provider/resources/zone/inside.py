"""What is set up inside a zone, before it boots for the first time and later."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import accounts, belongings, brands, files, first_boot, records
from pulumi_illumos_provider.illumos.belongings import Belongings
from pulumi_illumos_provider.illumos.brands import Brand, Family
from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen, parse_resolvers
from pulumi_illumos_provider.model.zone.inside import (
    HostsEntry,
    HostsEntryState,
    InsideInputs,
    InsideState,
    ZoneFile,
    ZoneUser,
)
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.network import network_files
from pulumi_illumos_provider.resources.zone.side import Side
from pulumi_illumos_provider.resources.zone.users_and_files import (
    belongings_steps,
    files_satisfied,
    parse_keys,
    read_files,
    read_users,
    recorded,
    spell_file,
    spell_user,
    users_satisfied,
)

_KEYS = "root/.ssh/authorized_keys"
_RESOLVER = "etc/resolv.conf"
_HOSTS = "etc/inet/hosts"
_INIT = "etc/default/init"
_LIVE = (_RESOLVER, _KEYS)

_ZONEINFO = "/usr/share/lib/zoneinfo"
_DEFAULT_TIMEZONE = "UTC"

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
        job.inside += writes + _hosts_steps(wanted, job) + belongings_steps(wanted, job)
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
        return {
            "first_boot_status": first_boot.parse_status(zone.live.get("first-boot", "")),
            "files": read_files(zone),
            "users": read_users(zone),
            "hosts": _read_hosts(zone),
            "timezone": _read_timezone(zone),
            "dns_search": _words(resolver, "search"),
            "dns_domain": next(iter(_words(resolver, "domain")), None),
            "dns_servers": parse_resolvers(resolver),
            "hostname": _read_hostname(zone),
            "ssh_authorized_keys": parse_keys(zone.files.get(_KEYS, "")),
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
                return files_satisfied(value, state.files)
            case "users":
                return users_satisfied(value, state.users)
            case _:
                return value is None or bool(value == getattr(state, field))

    def spell(self, state: InsideState) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        if state.files:
            spelled["files"] = [spell_file(file) for file in state.files]
        if state.users:
            spelled["users"] = [spell_user(user) for user in state.users]
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
    if user.name in there and user.name not in recorded(job).users:
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
    lines = [words for line in split_lines(text) if (words := line.split())]
    last = next((words for words in reversed(lines) if words[0] in ("domain", "search")), [""])
    return last[1:] if last[0] == keyword else []


def _allow_root_login(job: Job, writes: list[Step]) -> list[Step]:
    if job.installed and not any(_KEYS in step.say for step in writes):
        return []
    return [Step(f"letting root log into zone {job.name} with a key", files.allow_root_login(job.root))]


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
    for line in split_lines(zone.files.get(_INIT, "")):
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
    elif (status := first_boot.parse_status(progress)) is not None:
        if status:
            job.warnings.append(
                f"the script of the first boot of zone {job.name} ended with status {status}: see "
                f"/{first_boot.LOG} in the zone; it is not run again"
            )
        return
    elif not recorded(job).first_boot or (not progress and job.running):
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
