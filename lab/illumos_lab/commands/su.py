"""su(8): become another user; only the super-user may, since nobody has a password."""

from __future__ import annotations

from illumos_lab import accounts
from illumos_lab.conffile import default
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation, Spawn


def main(host: Host, run: Invocation) -> int | Spawn:
    """``su [-] [user [shell arguments]]``."""
    words = list(run.argv)
    login = bool(words) and words[0] == "-"
    if login:
        words.pop(0)
    name = words.pop(0) if words else "root"
    account = accounts.by_name(host.zone_root(run.zone), name)
    if account is None:
        run.err(f"su: Unknown id: {name}\n")
        return 1
    if run.uid not in (0, account.uid):
        run.err("su: Sorry\n")
        return 1
    env = dict(run.env)
    shipped, wanted = ("/usr/bin:", "PATH") if account.uid else ("/usr/sbin:/usr/bin", "SUPATH")
    path = default(host.path(run.zone, "/etc/default/su"), wanted) or shipped
    if login:
        env = {"TERM": run.env["TERM"]} if "TERM" in run.env else {}
        env |= {"LOGNAME": name, "USER": name, "SHELL": account.shell}
    if login or account.uid == 0:
        # Whoever becomes root looks for programs where root does.
        env["PATH"] = path
    env["HOME"] = account.home
    return Spawn(
        argv=(account.shell, *(["-l"] if login else []), *words),
        zone=run.zone,
        uid=account.uid,
        env=env,
        cwd=account.home if login else run.cwd,
    )
