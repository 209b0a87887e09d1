"""useradd(8), usermod(8), userdel(8), roleadd(8), rolemod(8), roledel(8): users of the caller's zone.

Nobody counts as logged in.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from illumos_lab.accounts_files import (
    GROUP,
    PASSWD,
    SHADOW,
    USER_ATTR,
    Line,
    Table,
    attributes,
    is_reserved,
    next_number,
    number_of,
    set_attributes,
    set_memberships,
    today,
)
from illumos_lab.commands.groups import name_warnings
from illumos_lab.conffile import default
from illumos_lab.datasets import DatasetError
from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_NO_PERMISSION, _SYNTAX, _BAD_ARGUMENT, _ID_EXISTS, _INCONSISTENT, _NO_SUCH_NAME = 1, 2, 3, 4, 5, 6
_NAME_EXISTS, _NOT_UPDATED, _HOME = 9, 10, 12
_HIGHEST = 2147483647
_LONGEST, _TRADITIONAL = 32, 8
_LOCKED = "*LK*"
_PARENT, _SKELETON = "/home", "/etc/skel"
_DEFAULT_GROUP, _DEFAULT_SHELL, _ROLE_SHELL = 1, "/bin/sh", "/bin/pfsh"
_ROLES_BY_ROLEMOD = "Roles must be modified with ``rolemod''."
_DATES = ("%m/%d/%y", "%m/%d/%Y", "%d%b%y", "%b %d, %Y", "%B %d, %Y", "%Y-%m-%d")

_ADD, _MODIFY, _DELETE = "b:c:Dd:e:f:G:g:k:mop:s:u:A:P:R:K:zZ", "c:d:e:f:G:g:l:mop:s:u:A:P:R:K:zZ", "r"
SUBCOMMANDS = {
    "useradd": _ADD,
    "usermod": _MODIFY,
    "userdel": _DELETE,
    "roleadd": _ADD,
    "rolemod": _MODIFY,
    "roledel": _DELETE,
}
"""Options of each program."""
_ADD_SYNOPSIS = """\
 [-u uid [-o] | -g group | -G group[[,group]...] |-d dir | -b base_dir |
\t\t-s shell | -c comment | -m [-z|Z] [-k skel_dir] |-f inactive |
\t\t-e expire | -A authorization [, authorization ...] |
\t\t-P profile [, profile ...] | -R role [, role ...] |
\t\t-K key=value | -p project [, project ...]] login
\tuseradd -D [-g group | -b base_dir | -f inactive | -e expire
\t\t-A authorization [, authorization ...] |
\t\t-P profile [, profile ...] | -R role [, role ...] |
\t\t-K key=value ... -p project] | [-s shell] | [-k skel_dir]
"""
_ROLE_SYNOPSIS = """\
 [-u uid [-o] | -g group | -G group[[,group]...] |-d dir |
\t\t-s shell | -c comment | -m [-k skel_dir] | -f inactive |
\t\t-e expire | -A authorization [, authorization ...] |
\t\t-P profile [, profile ...] | -K key=value ] login
\troleadd -D [-g group | -b base_dir | -f inactive | -e expire
\t\t-A authorization [, authorization ...] |
\t\t-P profile [, profile ...]]
"""
_MODIFY_SYNOPSIS = """\
 -u uid [-o] | -g group | -G group[[,group]...] |
\t\t-d dir [-m [-z|Z]] | -s shell | -c comment |
\t\t-l new_logname | -f inactive | -e expire |
\t\t-A authorization [, authorization ...] | -K key=value ... |
\t\t-P profile [, profile ...] | -R role [, role ...] login
"""
_MODIFY_ROLE_SYNOPSIS = """\
 -u uid [-o] | -g group | -G group[[,group]...] |
\t\t-d dir [-m] | -s shell | -c comment |
\t\t-l new_logname | -f inactive | -e expire |
\t\t-A authorization [, authorization ...] | -K key=value |
\t\t-P profile [, profile ...] login
"""
SYNOPSES = {
    "useradd": "useradd" + _ADD_SYNOPSIS,
    "usermod": "usermod" + _MODIFY_SYNOPSIS,
    "userdel": "userdel [-r] login\n",
    "roleadd": "roleadd" + _ROLE_SYNOPSIS,
    "rolemod": "rolemod" + _MODIFY_ROLE_SYNOPSIS,
    "roledel": "roledel [-r] login\n",
}

_KEYS = {
    "type": "user type",
    "auths": "authorization",
    "profiles": "profile name",
    "roles": "role name",
    "project": "project name",
    "limitpriv": "privilege set",
    "defaultpriv": "privilege set",
    "lock_after_retries": "lock_after_retries value",
    "clearance": "label",
    "min_label": "label",
    "audit_flags": "audit mask",
}
"""Attributes that can be set, in the order in which they are stored, and what each is called."""
_BY_LETTER = {"A": "auths", "P": "profiles", "R": "roles"}


class _Failed(Exception):
    """The program ends; the text is what it says behind its name."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class _Call:
    """One run of one of the programs.

    Attributes:
        root: root directory of the zone, seen from outside.
    """

    host: Host
    run: Invocation
    options: Options
    root: Path

    @property
    def login(self) -> str:
        return self.options.operands[0]

    @property
    def is_role(self) -> bool:
        return self.run.name.startswith("role")

    def path(self, name: str) -> Path:
        """The file behind a path of the zone."""
        return self.host.path(self.run.zone, name)

    def say(self, text: str) -> None:
        self.run.err(f"UX: {self.run.name}: {text}\n")

    def wrong_usage(self) -> NoReturn:
        word = "invalid" if self.run.name.endswith("add") else "Invalid"
        raise _Failed(_SYNTAX, f"{word} syntax.\nusage:  {SYNOPSES[self.run.name].rstrip()}")


def main(host: Host, run: Invocation) -> int:
    """Add, change or remove a user; exit statuses are those of the manual pages."""
    call = _Call(host, run, Options([], []), host.zone_root(run.zone))
    try:
        if not run.privileged:
            raise _Failed(_NO_PERMISSION, "Permission denied.")
        try:
            options = Options(*getopt(run.argv, SUBCOMMANDS[run.name], permute=False))
        except (UnknownOptionError, MissingValueError):
            call.wrong_usage()
        call = _Call(host, run, options, call.root)
        with host.lock:
            _WORK[run.name[4:]](call)
    except _Failed as failure:
        call.say(f"ERROR: {failure}")
        return failure.status
    return 0


# Adding ------------------------------------------------------------------------------------------


def _add(call: _Call) -> None:
    options = call.options
    values = _attributes(call)
    if "D" in options:
        _show_defaults(call)
        return
    if len(options.operands) != 1 or ("k" in options and "m" not in options):
        call.wrong_usage()
    _refuse(call)
    passwd, shadow = Table(call.root, PASSWD), Table(call.root, SHADOW)
    _check_name(call, passwd, call.login)
    number = _number(call, passwd)
    if number is None:
        number = next_number(passwd)
    group = _group(call) if "g" in options else _DEFAULT_GROUP
    groups = _groups(call, group)
    parent = options.get("b")
    if parent is not None:
        _check_path(call, parent, "directory")
    home = options.get("d") or f"{parent or _PARENT}/{call.login}"
    if not home.startswith("/"):
        raise _Failed(_BAD_ARGUMENT, f"{home} is not a full path name.  Choose another.")
    shell = options.get("s")
    if shell is not None:
        _check_path(call, shell, "shell")
    skeleton = options.get("k")
    if skeleton is not None:
        _check_path(call, skeleton, "directory")
    if shadow.find(call.login) is not None:
        raise _Failed(_INCONSISTENT, "Inconsistent password files.  See pwconv(1M).")
    default_shell = _ROLE_SHELL if call.is_role else _DEFAULT_SHELL
    comment = options.get("c") or ""
    passwd.add([call.login, "x", str(number), str(group), comment, home, shell or default_shell])
    shadow.add([call.login, _LOCKED, "", "", "", "", _inactive(call), _expiry(call), ""])
    _save(call, "created", passwd, shadow)
    if call.is_role:
        values = {"profiles": "All"} | values
    if values or call.is_role:
        _set_attributes(call, values, "created")
    if groups:
        set_memberships(call.root, call.login, groups, keep=True)
    if "m" in options and not call.path(home).exists():
        _make_home(call, home, skeleton or _SKELETON, number, group)


def _refuse(call: _Call) -> None:
    letters = [letter for letter, _ in call.options.pairs]
    told = {"z", "Z"} & set(letters)
    if len(told) == 2 or (told and letters.count("m") != 1):
        call.wrong_usage()
    if "p" in call.options:
        raise _Failed(_SYNTAX, "-p: not emulated by illumos-lab")


def _show_defaults(call: _Call) -> None:
    options = call.options
    if options.operands or any(letter in options for letter in "uoGdmc"):
        call.wrong_usage()
    if any(letter != "D" for letter, _ in options.pairs):
        raise _Failed(_SYNTAX, "other defaults: not emulated by illumos-lab")
    shown = {
        "group": "other,1",
        "project": "default,3",
        "basedir": _PARENT,
        "skel": _SKELETON,
        "shell": _ROLE_SHELL if call.is_role else _DEFAULT_SHELL,
        "inactive": "0",
        "expire": "",
        "auths": "",
        "profiles": "All" if call.is_role else "",
        **({} if call.is_role else {"roles": ""}),
        "limitpriv": "",
        "defaultpriv": "",
        "lock_after_retries": "",
    }
    line = ""
    for name, value in shown.items():
        line += f"{name}={value}  "
        # A line ends with the word that makes it longer than this.
        if len(line) > 40 and name != "lock_after_retries":
            call.run.out(line + "\n")
            line = ""
    call.run.out(line + "\n")


def _make_home(call: _Call, home: str, skeleton: str, number: int, group: int) -> None:
    place = call.path(home)
    try:
        _make_directory(call, home)
    except (OSError, DatasetError) as error:
        _undo(call)
        raise _Failed(_HOME, f"Unable to create the home directory: {_reason(error)}.") from error
    source = call.path(skeleton)
    size = 0
    if source.is_dir():
        shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True)
        size = sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
    # cpio(1) copies, and counts.
    call.run.err(f"{(size + 511) // 512} blocks\n")
    _give(place, number, group)


def _make_directory(call: _Call, home: str) -> None:
    """Make a directory, or with ``-z`` a file system where the directory above is the top of one.

    Raises:
        OSError, DatasetError: it cannot be made.
    """
    parent, _, name = home.rstrip("/").rpartition("/")
    if _manages_zfs(call):
        above = call.host.datasets.by_mountpoint(parent or "/") if call.run.zone == "global" else None
        if above is not None:
            call.host.datasets.create(f"{above.name}/{name}")
            call.path(home).chmod(0o755)
            return
        call.say(
            f"WARNING: Avoided creating ZFS filesystem as parent directory {parent or '/'} is not"
            " a ZFS mount point."
        )
    call.path(home).mkdir(mode=0o755)


def _manages_zfs(call: _Call) -> bool:
    """Whether home directories are file systems: by ``-z`` or ``-mm``, else by /etc/default/useradd."""
    letters = [letter for letter, _ in call.options.pairs]
    if "z" in letters or letters.count("m") > 1:
        return True
    if "Z" in letters:
        return False
    return (default(call.path("/etc/default/useradd"), "MANAGE_ZFS") or "").lower().startswith("y")


def _reason(error: OSError | DatasetError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else str(error)


def _undo(call: _Call) -> None:
    for path in (PASSWD, SHADOW, USER_ATTR):
        table = Table(call.root, path)
        table.remove(call.login)
        table.save()
    set_memberships(call.root, call.login, [])


def _give(place: Path, number: int, group: int) -> None:
    for path in (place, *place.rglob("*")):
        try:
            os.chown(path, number, group, follow_symlinks=False)
        except OSError:
            # In a user namespace with a single user nobody else can own anything.
            if not path.is_symlink():
                path.chmod(0o777)


# Changing ----------------------------------------------------------------------------------------


def _modify(call: _Call) -> None:
    options = call.options
    values = _attributes(call)
    if len(options.operands) != 1 or not options.pairs:
        call.wrong_usage()
    if ("o" in options and "u" not in options) or ("m" in options and "d" not in options):
        call.wrong_usage()
    _refuse(call)
    passwd, shadow = Table(call.root, PASSWD), Table(call.root, SHADOW)
    known = attributes(Table(call.root, USER_ATTR).find(call.login))
    if (known.get("type") == "role") != call.is_role:
        right = "Users must be modified with ``usermod''." if call.is_role else _ROLES_BY_ROLEMOD
        raise _Failed(_SYNTAX, right)
    line = passwd.find(call.login)
    if line is None:
        raise _Failed(_NO_SUCH_NAME, f"{call.login} does not exist.")
    entry = shadow.find(call.login)
    if entry is None:
        raise _Failed(_INCONSISTENT, "Inconsistent password files.  See pwconv(1M).")
    name = options.get("l") or call.login
    if name != call.login:
        _check_name(call, passwd, name)
    number = _number(call, passwd, number_of(line))
    group = _group(call) if "g" in options else int(line[3])
    groups = _groups(call, group)
    changed = list(line)
    changed[0] = name
    changed[2] = line[2] if number is None else str(number)
    changed[3] = str(group)
    changed[4] = line[4] if options.get("c") is None else options.get("c") or ""
    _change_paths(call, line, changed)
    if "f" in options:
        entry[6] = _inactive(call)
    if "e" in options:
        entry[7] = _expiry(call)
    if "G" in options:
        set_memberships(call.root, call.login, groups, name=name)
    if changed != line or values or "f" in options or "e" in options:
        line[:] = changed
        entry[0] = name
        _save(call, "modified", passwd, shadow)
    if values or name != call.login:
        if values:
            known = {"type": "role" if call.is_role else "normal"} | {
                key: values.get(key, known.get(key, "")) for key in _KEYS if key in known or key in values
            }
        set_attributes(call.root, call.login, known, name=name)


def _change_paths(call: _Call, line: Line, changed: Line) -> None:
    """Home directory, whose files may move, and shell."""
    options = call.options
    home, shell = options.get("d"), options.get("s")
    if home is not None:
        if not home.startswith("/"):
            raise _Failed(_BAD_ARGUMENT, f"{home} is not a full path name.  Choose another.")
        changed[5] = home
    if shell is not None and shell != line[6]:
        if not shell.startswith("/"):
            raise _Failed(_BAD_ARGUMENT, f"{shell} is not a full path name.  Choose another.")
        if not _is_program(call.path(shell)):
            raise _Failed(_BAD_ARGUMENT, f"{shell} is not a valid shell.  Choose another.")
        changed[6] = shell
    if "m" in options and changed[5] != line[5]:
        _move_home(call, line[5], changed)


def _move_home(call: _Call, old: str, changed: Line) -> None:
    source, target = call.path(old), call.path(changed[5])
    try:
        if not target.exists():
            _make_directory(call, changed[5])
        for entry in source.iterdir():
            shutil.move(entry, target / entry.name)
        source.rmdir()
    except (OSError, DatasetError) as error:
        raise _Failed(_HOME, f"Unable to create the home directory: {_reason(error)}.") from error
    _give(target, int(changed[2]), int(changed[3]))


# Removing ----------------------------------------------------------------------------------------


def _delete(call: _Call) -> None:
    if len(call.options.operands) != 1:
        call.wrong_usage()
    passwd, shadow = Table(call.root, PASSWD), Table(call.root, SHADOW)
    line = passwd.find(call.login)
    if line is None:
        raise _Failed(_NO_SUCH_NAME, f"{call.login} does not exist.")
    if "r" in call.options:
        home = call.path(line[5])
        if not home.exists():
            reason = "find status about home directory: No such file or directory"
            raise _Failed(_HOME, f"Unable to {reason}.")
        try:
            _remove_home(call, line[5])
        except (OSError, DatasetError) as error:
            raise _Failed(_HOME, "Unable to remove files from home directory.") from error
    passwd.remove(call.login)
    shadow.remove(call.login)
    _save(call, "deleted", passwd, shadow)
    users = Table(call.root, USER_ATTR)
    users.remove(call.login)
    for other in users.entries():
        values = attributes(other)
        if call.login in values.get("roles", "").split(","):
            values["roles"] = ",".join(role for role in values["roles"].split(",") if role != call.login)
            other[4] = ";".join(f"{key}={value}" for key, value in values.items() if value)
    users.save()
    set_memberships(call.root, call.login, [])


def _remove_home(call: _Call, home: str) -> None:
    place = call.path(home)
    dataset = call.host.datasets.by_mountpoint(home) if call.run.zone == "global" else None
    if dataset is None:
        shutil.rmtree(place)
    elif _manages_zfs(call):
        call.host.datasets.destroy(dataset.name)
    else:
        # rm(1) empties it, and cannot remove the place where it is mounted.
        for entry in place.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        call.run.err(f"rm: Unable to remove directory {home}: Device busy\n")
        raise OSError(errno.EBUSY, "Device busy")


# What is given -----------------------------------------------------------------------------------


def _check_name(call: _Call, passwd: Table, name: str) -> None:
    if not name or not name.isprintable() or ":" in name:
        raise _Failed(_BAD_ARGUMENT, f"{name} is not a valid login name.  Choose another.")
    if len(name) > _LONGEST:
        raise _Failed(_BAD_ARGUMENT, f"{name} is too long.  Choose another.")
    if passwd.find(name) is not None:
        raise _Failed(_NAME_EXISTS, f"{name} is already in use.  Choose another.")
    if len(name) > _TRADITIONAL:
        call.say(f"{name} name too long.")
    if not all(each.isascii() and (each.isalnum() or each in "_-.") for each in name):
        call.say(f"{name} name should be all alphanumeric, '-', '_', or '.'")
    if not (name[0].isascii() and name[0].isalpha()):
        call.say(f"{name} name first character should be alphabetic.")
    if not any(each.islower() for each in name):
        call.say(f"{name} name should have at least one lower case character.")


def _number(call: _Call, passwd: Table, own: int | None = None) -> int | None:
    """The user id that is asked for; None when it is left to the program, or is what it was."""
    text = call.options.get("u")
    if text is None:
        return None
    number = _integer(text)
    if number is None:
        raise _Failed(_BAD_ARGUMENT, f"{text} is not a valid user id.  Choose another.")
    if number == own:
        return None
    if not 0 <= number <= _HIGHEST:
        raise _Failed(_BAD_ARGUMENT, f"uid {number} is too big.  Choose another.")
    taken = any(number_of(line) == number for line in passwd.entries())
    if taken and "o" not in call.options:
        raise _Failed(_ID_EXISTS, f"uid {number} is already in use.  Choose another.")
    if not taken and is_reserved(number):
        call.say(f"WARNING: uid {number} is reserved.")
    return number


def _group(call: _Call) -> int:
    """The id of the primary group that is asked for."""
    text = call.options.get("g") or ""
    line = _find_group(call, text)
    if line is None:
        raise _Failed(_NO_SUCH_NAME, f"group {text} does not exist.  Choose another.")
    return number_of(line)


def _groups(call: _Call, primary: int) -> list[int]:
    """Ids of the other groups that are asked for."""
    found: list[int] = []
    wrong: list[str] = []
    for text in filter(None, (call.options.get("G") or "").split(",")):
        line = _find_group(call, text)
        if line is None:
            wrong.append(f"group {text} does not exist.  Choose another.")
        elif number_of(line) not in (primary, *found):
            found.append(number_of(line))
    if wrong:
        for text in wrong[:-1]:
            call.say(f"ERROR: {text}")
        raise _Failed(_BAD_ARGUMENT, wrong[-1])
    return found


def _find_group(call: _Call, text: str) -> Line | None:
    table = Table(call.root, GROUP)
    if text.isdigit():
        return next((line for line in table.entries() if number_of(line) == int(text)), None)
    line = table.find(text)
    if line is not None:
        for warning in name_warnings(text):
            call.say(warning)
    return line


def _check_path(call: _Call, path: str, what: str) -> None:
    if not path.startswith("/"):
        raise _Failed(_BAD_ARGUMENT, f"{path} is not a full path name.  Choose another.")
    place = call.path(path)
    if not place.exists():
        raise _Failed(_BAD_ARGUMENT, f"{path} is not a valid path.  Choose another.")
    if not (_is_program(place) if what == "shell" else place.is_dir()):
        raise _Failed(_BAD_ARGUMENT, f"{path} is not a valid {what}.  Choose another.")


def _is_program(path: Path) -> bool:
    return path.is_file() and path.stat().st_mode & 0o555 == 0o555


def _inactive(call: _Call) -> str:
    """Days of inactivity for shadow; empty for none."""
    text = call.options.get("f")
    if text is None:
        return ""
    days = _integer(text)
    if days is None or days < 0:
        raise _Failed(_BAD_ARGUMENT, f"{text} is not a valid inactivity period.  Choose another.")
    return str(days or "")


def _expiry(call: _Call) -> str:
    """Day of expiry for shadow; empty for none."""
    text = call.options.get("e")
    if not text:
        return ""
    for form in _DATES:
        try:
            day = int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp() // 86400)
        except ValueError:
            continue
        if day > today():
            return str(day)
    raise _Failed(_BAD_ARGUMENT, f"{text} is not a valid expiration date.  Choose another.")


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _attributes(call: _Call) -> dict[str, str]:
    """The attributes that are asked for, in the order in which they are stored."""
    given: dict[str, str] = {}
    for letter, value in call.options.pairs:
        if letter == "R" and call.is_role:
            call.wrong_usage()
        if letter == "K":
            key, equals, value = value.partition("=")
            if not equals:
                raise _Failed(_BAD_ARGUMENT, "Missing value specification.")
        elif letter in _BY_LETTER:
            key = _BY_LETTER[letter]
        else:
            continue
        if key not in _KEYS:
            raise _Failed(_BAD_ARGUMENT, "Invalid key.")
        if key in given:
            raise _Failed(_BAD_ARGUMENT, f"Multiple definitions of key ``{key}''.")
        wrong = _wrong_value(call, key, value)
        if wrong is not None:
            raise _Failed(_BAD_ARGUMENT, f"{wrong} is not a valid {_KEYS[key]}.  Choose another.")
        given[key] = value
    return {key: given[key] for key in _KEYS if key in given}


def _wrong_value(call: _Call, key: str, value: str) -> str | None:
    """The part of an attribute's value that is wrong."""
    words = [word for word in value.split(",") if word]
    match key:
        case "type" if value not in ("normal", "role"):
            return value
        case "profiles":
            known = _names(call, "/etc/security/prof_attr")
            return next((word for word in words if word not in known), None)
        case "auths":
            known = _names(call, "/etc/security/auth_attr")
            return next((word for word in words if not _is_authorization(word, known)), None)
        case "roles":
            table = Table(call.root, USER_ATTR)
            return next((w for w in words if attributes(table.find(w)).get("type") != "role"), None)
        case "lock_after_retries" if value.lower() not in ("yes", "no", ""):
            return value
    return None


def _is_authorization(word: str, known: set[str]) -> bool:
    name = word.partition("/")[0]
    # The lab's database has one entry for all of them.
    wildcards = tuple(each.removesuffix("*") for each in known if each.endswith(".*"))
    return name in known or name.endswith(".*") or name.startswith(wildcards)


def _names(call: _Call, path: str) -> set[str]:
    try:
        lines = call.path(path).read_text().splitlines()
    except OSError:
        return set()
    return {line.partition(":")[0] for line in lines if line and not line.startswith("#")}


def _set_attributes(call: _Call, values: dict[str, str], done: str) -> None:
    try:
        kind = "role" if call.is_role else "normal"
        set_attributes(call.root, call.login, {"type": kind} | values)
    except OSError as error:
        raise _Failed(_NOT_UPDATED, f"Cannot update system files - login cannot be {done}.") from error


def _save(call: _Call, done: str, *tables: Table) -> None:
    try:
        for table in tables:
            table.save()
    except OSError as error:
        raise _Failed(_NOT_UPDATED, f"Cannot update system files - login cannot be {done}.") from error


_WORK: dict[str, Callable[[_Call], None]] = {"add": _add, "mod": _modify, "del": _delete}
