"""sudo(8): run a program as another user, by /etc/sudoers.

Nobody can type a password, so what needs one is refused, as it is where there is no terminal.
"""

from __future__ import annotations

import shlex

from illumos_lab import accounts, sudoers
from illumos_lab.accounts import Account
from illumos_lab.commands.pfexec import find_program
from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation, Spawn

_USAGE = """\
usage: sudo [-EHinSs] [-u user] [VAR=value] [command [arg ...]]
usage: sudo [-n] {-l | -v | -k | -K}
"""
_LONG = {
    "non-interactive": "n",
    "user": "u",
    "login": "i",
    "shell": "s",
    "preserve-env": "E",
    "set-home": "H",
    "stdin": "S",
    "list": "l",
    "validate": "v",
    "reset-timestamp": "k",
    "remove-timestamp": "K",
}
_KEPT = ("TERM", "PATH", "LANG", "TZ", "DISPLAY")


def main(host: Host, run: Invocation) -> int | Spawn:
    """Run sudo; exit status 1 when it refuses."""
    try:
        options = Options(*getopt(run.argv, "nu:isEHSlvkK", _LONG, permute=False))
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE)
        return 1
    words = list(options.operands)
    root = host.zone_root(run.zone)
    caller = accounts.by_uid(root, run.uid)
    name = options.get("u") or "root"
    target = accounts.by_uid(root, int(name[1:])) if name[1:].isdigit() else accounts.by_name(root, name)
    if caller is None:
        run.err("sudo: you do not exist in the passwd database\n")
        return 1
    if target is None:
        run.err(f"sudo: unknown user {name}\n")
        return 1
    variables = {}
    while words and "=" in words[0].partition("/")[0]:
        key, _, value = words.pop(0).partition("=")
        variables[key] = value
    if "K" in options or ("k" in options and not words):
        return 0
    if not words and not any(letter in options for letter in "islv"):
        run.err(_USAGE)
        return 1
    try:
        known = sudoers.read(root)
    except OSError:
        run.err("sudo: unable to open /etc/sudoers: No such file or directory\n")
        return 1
    except sudoers.UnknownRuleError as error:
        run.err(f"sudo: sudoers: {error}: not emulated by illumos-lab\n")
        return 1
    rules = [rule for rule in known.rules if rule.is_for(caller, _groups(host, run, caller))]
    if "l" in options or "v" in options:
        return _tell(host, run, options, caller, rules)
    path = known.secure_path or run.env.get("PATH", "/usr/bin:/usr/sbin")
    argv = _command(options, words, target)
    program = find_program(root, argv[0], path, run.cwd)
    if program is None:
        run.err(f"sudo: {argv[0]}: command not found\n")
        return 1
    argv = [program, *argv[1:]]
    rule = next((rule for rule in reversed(rules) if rule.covers(target.name, argv)), None)
    allowed = rule is not None and not rule.command.startswith("!")
    if caller.uid != 0 and (rule is None or rule.password):
        return _ask(run, options)
    if not allowed:
        command = shlex.join(argv)
        run.err(
            f"Sorry, user {caller.name} is not allowed to execute '{command}' as {target.name} on "
            f"{host.nodename(run.zone)}.\n"
        )
        return 1
    kept = run.env if "E" in options else {key: run.env[key] for key in _KEPT if key in run.env}
    identity = {
        "PATH": path,
        "HOME": target.home,
        "MAIL": f"/var/mail/{target.name}",
        "SHELL": target.shell,
        "USER": target.name,
        "LOGNAME": target.name,
        "SUDO_COMMAND": " ".join(argv),
        "SUDO_USER": caller.name,
        "SUDO_UID": str(caller.uid),
        "SUDO_GID": str(caller.gid),
    }
    cwd = target.home if "i" in options else run.cwd
    return Spawn(tuple(argv), run.zone, target.uid, {**kept, **identity, **variables}, cwd)


def _groups(host: Host, run: Invocation, account: Account) -> list[str]:
    lines = (host.zone_root(run.zone) / "etc/group").read_text().splitlines()
    numbers = {account.gid, *account.groups}
    fields = [line.split(":") for line in lines]
    return [each[0] for each in fields if len(each) > 3 and int(each[2]) in numbers]


def _command(options: Options, words: list[str], target: Account) -> list[str]:
    if "i" not in options and "s" not in options:
        return words
    shell = [target.shell, *(["-l"] if "i" in options else [])]
    return [*shell, "-c", shlex.join(words)] if words else shell


def _ask(run: Invocation, options: Options) -> int:
    if "n" not in options:
        run.err(
            "sudo: a terminal is required to read the password; either use the -S option to read from "
            "standard input or configure an askpass helper\n"
        )
    run.err("sudo: a password is required\n")
    return 1


def _tell(host: Host, run: Invocation, options: Options, caller: Account, rules: list[sudoers.Rule]) -> int:
    """``-l``: what the caller may run. ``-v``: whether a password is needed."""
    free = [not rule.password for rule in rules]
    enough = all(free) if "v" in options else any(free)
    if caller.uid != 0 and not (free and enough):
        return _ask(run, options)
    if "l" in options:
        run.out(f"User {caller.name} may run the following commands on {host.nodename(run.zone)}:\n")
        for rule in rules:
            tag = "" if rule.password else "NOPASSWD: "
            run.out(f"    ({rule.run_as.replace(',', ', ')}) {tag}{rule.command}\n")
    return 0
