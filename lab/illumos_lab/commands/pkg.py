"""pkg(1): packages of OmniOS and OpenIndiana."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.packages import Package, Publisher, match, publishers

_OK, _OOPS, _BADOPT, _PARTIAL, _NOP = 0, 1, 2, 3, 4

_USAGE = """\
Usage:
        pkg [options] command [cmd_options] [operands]

Basic subcommands:
        pkg info [pkg_fmri_pattern ...]
        pkg install [-nvq] [--accept] pkg_fmri_pattern ...
        pkg list [-Haqv] [pkg_fmri_pattern ...]
        pkg uninstall [-nvq] pkg_fmri_pattern ...
        pkg publisher [-HPn] [-F format] [publisher ...]
"""
_NOT_EMULATED_WORDS = """
    update contents search verify fix revert
    history freeze unfreeze mediator set-mediator variant facet change-variant change-facet
    image-create attach-linked detach-linked list-linked sync-linked audit-linked
    exact-install avoid unavoid property set-property purge-history rebuild-index
    apply-hot-fix autoremove flag verify-linked
"""
NOT_EMULATED = frozenset(_NOT_EMULATED_WORDS.split())
"""What illumos has besides."""
_INSTALLED = """\
           Packages to install: {count:2}
       Create boot environment: No
Create backup boot environment: No

DOWNLOAD                                PKGS         FILES    XFER (MB)   SPEED
Completed                          {progress:>9}         {progress}      0.1/0.1  --

PHASE                                          ITEMS
Installing new actions                         {progress}
Updating package state database                 Done
Updating package cache                           0/0
Updating image state                            Done
Creating fast lookup database                   Done
"""

_REMOVED = """\
            Packages to remove: {count:2}
       Create boot environment: No
Create backup boot environment: No

PHASE                                          ITEMS
Removing old actions                           {progress}
Updating package state database                 Done
Updating package cache                         {progress}
Updating image state                            Done
Creating fast lookup database                   Done
"""


@dataclass
class _Call:
    host: Host
    run: Invocation
    root: Path
    command: str
    argv: list[str]

    def options(self, letters: str) -> tuple[dict[str, str], list[str]]:
        words = "accept=A no-refresh=N licenses=L full=f search-first=P add-origin=g enable=e disable=d"
        long = dict(word.split("=") for word in words.split())
        options, operands = getopt(
            self.argv, letters, {name: letter for name, letter in long.items() if letter in letters}
        )
        return dict(options), operands

    def error(self, text: str) -> None:
        self.run.err(f"pkg {self.command}: {text}\n")

    def may_change(self) -> bool:
        """Whether the caller may change the image; complains when not."""
        if not self.run.privileged:
            self.error(
                "Insufficient access to complete the requested operation.\n"
                "Please try the operation again as a privileged user."
            )
        return self.run.privileged


def main(host: Host, run: Invocation) -> int:
    """Run pkg; exit status 0, 1 for failures, 2 usage, 3 partial, 4 nothing to do."""
    root = host.zone_root(run.zone)
    argv = list(run.argv)
    while argv and argv[0].startswith("-"):
        option = argv.pop(0)
        if option == "-R" and argv:
            root = host.path(run.zone, argv.pop(0))
        elif option in ("-?", "--help"):
            run.out(_USAGE)
            return _OK
        else:
            run.err(f"pkg: illegal global option -- {option.lstrip('-')}\n{_USAGE}")
            return _BADOPT
    if not argv:
        run.err(f"pkg: no subcommand specified\n{_USAGE}")
        return _BADOPT
    command, *rest = argv
    if command in NOT_EMULATED:
        run.err(f"pkg {command}: not emulated by illumos-lab\n")
        return _OOPS
    function = SUBCOMMANDS.get(command)
    if function is None:
        run.err(f"pkg: unknown subcommand '{command}'\n{_USAGE}")
        return _BADOPT
    try:
        return function(_Call(host, run, root, command, rest))
    except UnknownOptionError as error:
        run.err(f"pkg {command}: illegal option -- {str(error).lstrip('-')}\n{_USAGE}")
        return _BADOPT
    except MissingValueError as error:
        run.err(f"pkg {command}: option {error} requires argument\n{_USAGE}")
        return _BADOPT


def _list(call: _Call) -> int:
    given, patterns = call.options("HaqvnsufN")
    if unsupported := given.keys() & set("nsuf"):
        call.error(f"-{min(unsupported)}: not emulated by illumos-lab")
        return _OOPS
    packages = call.host.packages
    installed = packages.all_installed(call.root)
    known = packages.offered(call.root) if "a" in given else installed
    if patterns:
        found = {pattern: match(pattern, known) for pattern in patterns}
        missing = [pattern for pattern in patterns if not found[pattern]]
        chosen = [each for each in known if any(each in some for some in found.values())]
    else:
        chosen, missing = known, []
    if "q" not in given:
        if chosen and "H" not in given:
            call.run.out(f"{'NAME (PUBLISHER)':<49} {'VERSION':<26} IFO\n")
        for package in chosen:
            call.run.out(_line(call, package, package in installed))
        if missing:
            what = "known" if "a" in given else "installed"
            listed = "".join(f"  {pattern}\n" for pattern in missing)
            if chosen:
                call.run.err("\n")
            call.run.err(f"pkg list: no packages matching the following patterns are {what}:\n{listed}")
    if missing:
        return _PARTIAL if chosen else _OOPS
    return _OK


def _line(call: _Call, package: Package, installed: bool) -> str:
    preferred = next((each.name for each in call.host.packages.publishers(call.root)), "")
    name = package.name
    if package.publisher != preferred:
        name += f" ({package.publisher})"
    return f"{name:<49} {package.version:<26} {'i' if installed else '-'}--\n"


def _install(call: _Call) -> int:
    given, patterns = call.options("nvqAN")
    if not patterns:
        call.error(f"at least one package name required\n{_USAGE.rstrip()}")
        return _BADOPT
    if not call.may_change():
        return _OOPS
    packages = call.host.packages
    found = {pattern: packages.find(pattern, call.root) for pattern in patterns}
    missing = [pattern for pattern in patterns if not found[pattern]]
    if missing:
        listed = "\n".join(f"        {pattern}" for pattern in missing)
        call.run.err(
            "\npkg install: The following pattern(s) did not match any allowable packages.  Try\n"
            f"using a different matching pattern, or refreshing publisher information:\n\n{listed}\n"
        )
        return _OOPS
    for pattern, some in found.items():
        if len(some) > 1 and "*" not in pattern:
            listed = "\n".join(f"        {package.name}" for package in some)
            call.run.err(
                f"\npkg install: '{pattern}' matches multiple packages\n{listed}\n\n"
                "Please provide one of the package FMRIs listed above to the install command.\n"
            )
            return _OOPS
    wanted = [package for some in found.values() for package in some]
    new = [package for package in wanted if not packages.installed(call.root, package.name)]
    if not new:
        if "q" not in given:
            call.run.out("No updates necessary for this image.\n")
        return _NOP
    if "n" not in given:
        for package in new:
            packages.install(call.root, package.name)
    if "q" not in given:
        call.run.out(_INSTALLED.format(count=len(new), progress=f"{len(new)}/{len(new)}"))
    return _OK


def _uninstall(call: _Call) -> int:
    given, patterns = call.options("nvqN")
    if not patterns:
        call.error(f"at least one package name required\n{_USAGE.rstrip()}")
        return _BADOPT
    if not call.may_change():
        return _OOPS
    packages = call.host.packages
    found = {pattern: match(pattern, packages.all_installed(call.root)) for pattern in patterns}
    missing = [pattern for pattern in patterns if not found[pattern]]
    if missing:
        listed = "\n".join(f"        {pattern}" for pattern in missing)
        call.run.err(
            "\npkg uninstall: The following pattern(s) did not match any packages installed on the\n"
            f"system.\n\n{listed}\n"
        )
        return _OOPS
    doomed = [package for some in found.values() for package in some]
    base = [package.name for package in doomed if package.base]
    if base:
        call.error(f"{base[0]}: removing packages of the base system is not emulated by illumos-lab")
        return _OOPS
    if "n" not in given:
        for package in doomed:
            packages.uninstall(call.root, package.name)
    if "q" not in given:
        call.run.out(_REMOVED.format(count=len(doomed), progress=f"{len(doomed)}/{len(doomed)}"))
    return _OK


def _publisher(call: _Call) -> int:
    given, names = call.options("HPnF:")
    if given.get("F", "default") not in ("default", "tsv"):
        call.error(f"Unrecognized format {given['F']}.")
        return _BADOPT
    known = call.host.packages.publishers(call.root)
    unknown = [name for name in names if name not in [each.name for each in known]]
    if unknown:
        call.run.err(f"pkg publisher: Unknown publisher '{unknown[0]}'.\n")
        return _OOPS
    tsv = given.get("F") == "tsv"
    if "H" not in given:
        header = ("PUBLISHER", "STICKY", "SYSPUB", "ENABLED", "TYPE", "STATUS", "URI", "PROXY")
        call.run.out(
            "\t".join(header) + "\n" if tsv else f"{'PUBLISHER':<27} {'TYPE':<8} {'STATUS':<6} P LOCATION\n"
        )
    for each in known[:1] if "P" in given else known:
        if (names and each.name not in names) or ("n" in given and not each.enabled):
            continue
        if tsv:
            enabled = str(each.enabled).lower()
            fields = (each.name, "true", "false", enabled, "origin", "online", each.origin, "-")
            call.run.out("\t".join(fields) + "\n")
        else:
            name = each.name if each.enabled else f"{each.name} (disabled)"
            call.run.out(f"{name:<27} {'origin':<8} {'online':<6} F {each.origin}\n")
    return _OK


def _set_publisher(call: _Call) -> int:
    """``set-publisher [-P] [-e|-d] [-g origin] [-G origin|*] name``: make, change or switch a publisher."""
    given, names = call.options("Pedg:G:O:N")
    if len(names) != 1:
        call.error(f"only one publisher name may be specified\n{_USAGE.rstrip()}")
        return _BADOPT
    if not call.may_change():
        return _OOPS
    packages, name = call.host.packages, names[0]
    chosen = {each.name: each for each in packages.publishers(call.root)}
    before = chosen.get(name)
    origin = given.get("g") or given.get("O") or (before.origin if before else "")
    origin = origin.rstrip("/") + "/" if origin else ""
    if origin not in (each.origin for each in publishers(call.host.profile)):
        call.run.err(
            f"\npkg set-publisher: The origin URIs for '{name}' do not appear to point to a valid pkg "
            "repository.\n"
        )
        return _OOPS
    enabled = "d" not in given and ("e" in given or before is None or before.enabled)
    new = Publisher(name, origin, enabled)
    others = [each for each in chosen.values() if each.name != name]
    first = "P" in given or (bool(chosen) and name == next(iter(chosen)))
    packages.set_publishers(call.root, [new, *others] if first else [*others, new])
    return _OK


def _unset_publisher(call: _Call) -> int:
    """``unset-publisher name ...``"""
    _, names = call.options("")
    if not names:
        call.error(f"at least one publisher must be specified\n{_USAGE.rstrip()}")
        return _BADOPT
    if not call.may_change():
        return _OOPS
    packages = call.host.packages
    before = packages.publishers(call.root)
    packages.set_publishers(call.root, [each for each in before if each.name not in names])
    unknown = [name for name in names if name not in [each.name for each in before]]
    if not unknown:
        return _OK
    listed = "".join(f"\nRemoval failed for '{name}': Unknown publisher '{name}'." for name in unknown)
    call.run.err(f"pkg unset-publisher: {listed}\n")
    return _OOPS if len(unknown) == len(names) else _PARTIAL


def _refresh(call: _Call) -> int:
    """``refresh [--full] [publisher ...]``: there is never anything new."""
    call.options("fq")
    return _OK if call.may_change() else _OOPS


def _info(call: _Call) -> int:
    given, patterns = call.options("lrqL")
    packages = call.host.packages
    installed = packages.all_installed(call.root)
    known = packages.offered(call.root) if "r" in given else installed
    missing = [pattern for pattern in patterns if not match(pattern, known)]
    chosen = (
        [each for each in known if any(each in match(pattern, known) for pattern in patterns)]
        if patterns
        else known
    )
    if "q" not in given:
        texts = [_about(package, package in installed) for package in chosen]
        call.run.out("\n".join(texts))
        if missing:
            listed = "".join(f"        {pattern}\n" for pattern in missing)
            call.run.err(
                "pkg: info: no packages matching the following patterns you specified are\n"
                "installed on the system.  Try querying remotely instead using -r:\n\n" + listed
            )
    if missing:
        return _PARTIAL if chosen else _OOPS
    return _OK


def _about(package: Package, installed: bool) -> str:
    version, _, branch = package.version.partition("-")
    state = "Installed" if installed else "Not installed"
    lines = {
        "Name": package.name,
        "Summary": package.summary,
        "State": state,
        "Publisher": package.publisher,
        "Version": version,
        "Branch": branch,
        "FMRI": f"pkg://{package.publisher}/{package.name}@{package.version}",
    }
    return "".join(f"{name:>14}: {value}\n" for name, value in lines.items())


SUBCOMMANDS: dict[str, Callable[[_Call], int]] = {
    "list": _list,
    "install": _install,
    "uninstall": _uninstall,
    "publisher": _publisher,
    "set-publisher": _set_publisher,
    "unset-publisher": _unset_publisher,
    "refresh": _refresh,
    "info": _info,
}
"""What the lab emulates."""
