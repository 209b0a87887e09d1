"""Users and files inside a zone that are ours: what is noted of them, made, compared and removed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from pulumi_illumos_provider.illumos import accounts, belongings, files
from pulumi_illumos_provider.illumos.belongings import Belongings
from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.illumos.snapshot import ZoneSeen
from pulumi_illumos_provider.model.zone.inside import (
    InsideInputs,
    ZoneFile,
    ZoneFileState,
    ZoneUser,
    ZoneUserState,
)
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources.zone.job import Job

_DEFAULT_GROUP = "1"


def belongings_steps(wanted: InsideInputs, job: Job) -> list[Step]:
    """Remove what is not wanted any more, note what will be made, and make it."""
    present = recorded(job)
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
    users = {user.name: user for user in read_users(seen)} if seen else {}
    kept = {file.path: file for file in read_files(seen)} if seen else {}
    for user in wanted.users or []:
        found += _user_steps(user, users.get(user.name), job)
    for file in wanted.files or []:
        found += _file_steps(file, kept.get(file.path), job)
    return found


def recorded(job: Job) -> Belongings:
    """What is ours in the zone, as the host has noted it."""
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


def read_files(zone: ZoneSeen) -> list[ZoneFileState]:
    """The files that are ours, as they are."""
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


def read_users(zone: ZoneSeen) -> list[ZoneUserState]:
    """The users that are ours, as they are."""
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
                ssh_authorized_keys=parse_keys(keys),
                profiles=said.get("profiles", []),
                roles=said.get("roles", []),
            )
        )
    return found


def files_satisfied(wanted: Sequence[ZoneFile] | None, present: Sequence[ZoneFileState]) -> bool:
    """Whether exactly the wanted files are there, each as it is wanted."""
    return _all_satisfied(wanted, present, "path", _file_satisfied)


def users_satisfied(wanted: Sequence[ZoneUser] | None, present: Sequence[ZoneUserState]) -> bool:
    """Whether exactly the wanted users are there, each as it is wanted."""
    return _all_satisfied(wanted, present, "name", _user_satisfied)


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


def spell_file(file: ZoneFileState) -> dict[str, Any]:
    """A file as a user would write it; its content is never read back."""
    spelled = {"path": file.path}
    spelled |= {"mode": file.mode} if file.mode != "644" else {}
    spelled |= {"owner": file.owner} if file.owner != "root" else {}
    spelled |= {"group": file.group} if file.group != "root" else {}
    return spelled


def spell_user(user: ZoneUserState) -> dict[str, Any]:
    """A user as a user would write it; a password is never read back."""
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


def parse_keys(text: str) -> list[str]:
    """The keys of an authorized_keys file."""
    return [line.strip() for line in split_lines(text) if line.strip() and not line.startswith("#")]
