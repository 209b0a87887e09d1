"""profiles(1): the rights profiles of a user."""

from __future__ import annotations

from illumos_lab import accounts, rbac
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation


def main(host: Host, run: Invocation) -> int:
    """List the profiles of the caller, or of each user named."""
    root = host.zone_root(run.zone)
    if any(word.startswith("-") for word in run.argv):
        run.err(f"profiles: options are not emulated by illumos-lab: {' '.join(run.argv)}\n")
        return 1
    if not run.argv:
        account = accounts.by_uid(root, run.uid)
        names = rbac.profiles(root, account.name) if account else []
        run.out("".join(f"{name}\n" for name in names))
        return 0
    status = 0
    for user in run.argv:
        if accounts.by_name(root, user) is None:
            run.err(f"profiles: {user}: No such user\n")
            status = 1
            continue
        if len(run.argv) > 1:
            run.out(f"{user}:\n")
        indent = "          "
        run.out("".join(f"{indent}{name}\n" for name in rbac.profiles(root, user)))
    return status
