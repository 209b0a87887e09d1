"""roles(1), auths(1): the roles and the authorizations of users of the caller's zone."""

from __future__ import annotations

from pathlib import Path

from illumos_lab import accounts, rbac
from illumos_lab.accounts_files import USER_ATTR, Table, attributes
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_EVERYTHING = ("*", "solaris.*")


def main(host: Host, run: Invocation) -> int:
    """Show those of the caller, or of each user named; 1 when there is one whose cannot be shown."""
    root = host.zone_root(run.zone)
    status = 0
    users = run.argv
    if not users:
        account = accounts.by_uid(root, run.uid)
        if account is None:
            run.err(f"{run.name}: No passwd entry\n")
            return 1
        users = [account.name]
    for user in users:
        if accounts.by_name(root, user) is None:
            run.err(f"{run.name}: {user} : No such user\n")
            status = 1
            continue
        shown = _roles(root, user) if run.name == "roles" else _authorizations(root, user)
        if shown:
            run.out(f"{user} : {shown}\n" if len(users) > 1 else f"{shown}\n")
        else:
            run.err(f"auths: {user} : No authorizations\n")
            status = 1
    return status


def _roles(root: Path, user: str) -> str:
    return attributes(Table(root, USER_ATTR).find(user)).get("roles", "No roles")


def _authorizations(root: Path, user: str) -> str:
    own = attributes(Table(root, USER_ATTR).find(user)).get("auths", "")
    lists = [own, *(rbac.authorizations(root, profile) for profile in rbac.profiles(root, user))]
    found = list(dict.fromkeys(word for text in lists for word in text.split(",") if word))
    return "solaris.*" if any(word in _EVERYTHING for word in found) else ",".join(found)
