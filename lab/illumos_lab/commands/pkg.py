"""pkg(1): packages of OmniOS and OpenIndiana."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.package_actions import PUBLISHED, Action, actions, fmri, missing, search
from illumos_lab.packages import Package, Publisher, match, publishers

_OK, _OOPS, _BADOPT, _PARTIAL, _NOP = 0, 1, 2, 3, 4

_USAGE = """\
Usage:
        pkg [options] command [cmd_options] [operands]

Basic subcommands:
        pkg contents [-Hr] [-o attribute,...] [-t action_name,...] [pkg_fmri_pattern ...]
        pkg info [-lqr] [pkg_fmri_pattern ...]
        pkg install [-nvq] [--accept] pkg_fmri_pattern ...
        pkg list [-Hafnqsuv] [pkg_fmri_pattern ...]
        pkg search [-HIaflpr] query
        pkg uninstall [-nvq] pkg_fmri_pattern ...
        pkg update [-fnvq] [--accept] [pkg_fmri_pattern ...]
        pkg verify [-Hqv] [pkg_fmri_pattern ...]
        pkg publisher [-HPn] [-F format] [publisher ...]
"""
_NOT_EMULATED_WORDS = """
    fix revert version clean dehydrate rehydrate update-format
    history freeze unfreeze mediator set-mediator unset-mediator variant facet change-variant change-facet
    image-create attach-linked detach-linked list-linked sync-linked audit-linked
    exact-install avoid unavoid property set-property unset-property add-property-value
    remove-property-value purge-history rebuild-index apply-hot-fix autoremove flag
"""
NOT_EMULATED = frozenset(_NOT_EMULATED_WORDS.split())
"""What illumos has besides."""
_INSTALLING = """\
           Packages to install: {count:2}
       Create boot environment: No
Create backup boot environment: No
"""
_INSTALLED = """\

DOWNLOAD                                PKGS         FILES    XFER (MB)   SPEED
Completed                          {progress:>9}         {progress}      0.1/0.1  --

PHASE                                          ITEMS
Installing new actions                         {progress}
Updating package state database                 Done
Updating package cache                           0/0
Updating image state                            Done
Creating fast lookup database                   Done
"""

_REMOVING = """\
            Packages to remove: {count:2}
       Create boot environment: No
Create backup boot environment: No
"""
_REMOVED = """\

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
        words = (
            "accept=A no-refresh=N licenses=L license=L full=f search-first=P add-origin=g enable=e"
            " disable=d no-index=I deny-new-be=D no-backup-be=B reject=J"
        )
        long = dict(word.split("=") for word in words.split())
        options, operands = getopt(
            self.argv, letters, {name: letter for name, letter in long.items() if letter in letters}
        )
        return dict(options), operands

    def error(self, text: str) -> None:
        self.run.err(f"pkg {self.command}: {text}\n")

    def bad(self, text: str) -> int:
        """A wrong call."""
        self.error(f"{text}\n{_USAGE.rstrip()}")
        return _BADOPT

    def nothing_to_do(self) -> int:
        """The exit status when nothing was done, which the caller's environment may want to be 0."""
        return _OK if self.run.env.get("PKG_SUCCESS_ON_NOP") else _NOP

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
        elif option in ("-?", "-h", "--help"):
            run.out(_USAGE)
            return _OK
        else:
            run.err(f"pkg: illegal global option -- {option.lstrip('-')}\n{_USAGE}")
            return _BADOPT
    if not argv:
        run.err(f"pkg: no subcommand specified\n{_USAGE}")
        return _BADOPT
    command, *rest = argv
    if command == "help":
        run.out(_USAGE)
        return _OK
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


def _installed_matches(call: _Call, patterns: list[str]) -> dict[str, list[Package]]:
    installed = call.host.packages.all_installed(call.root)
    return {pattern: match(pattern, installed) for pattern in patterns}


def _list(call: _Call) -> int:
    """``list [-Hafnqsuv] [pattern ...]``"""
    given, patterns = call.options("HaqvnsufN")
    if "f" in given and "a" not in given:
        return call.bad("-f may only be used in combination with -a")
    if both := [pair for pair in ("au", "an", "nu", "sv") if set(pair) <= given.keys()]:
        return call.bad(f"-{both[0][0]} and -{both[0][1]} may not be combined")
    packages = call.host.packages
    installed = packages.all_installed(call.root)
    known = [] if "u" in given else installed
    if "a" in given or "n" in given:
        offered = [package for package in packages.offered(call.root) if package not in installed]
        known = sorted([*installed, *offered], key=lambda package: package.name)
    found = {pattern: match(pattern, known) for pattern in patterns}
    unmatched = sorted(pattern for pattern in patterns if not found[pattern])
    chosen = [each for each in known if not patterns or any(each in some for some in found.values())]
    if "q" not in given:
        layout = _LAYOUTS[next((letter for letter in "sv" if letter in given), "")]
        if chosen and "H" not in given:
            call.run.out(layout.format(**_HEADERS))
        for package in chosen:
            call.run.out(layout.format(**_fields(call, package, package in installed)))
        if unmatched:
            call.run.err(f" \n{_no_match(call, given, unmatched)}\n")
        elif not chosen:
            call.run.err("no packages have newer versions available\n")
    if unmatched:
        return _PARTIAL if chosen else _OOPS
    return _OK if chosen else _OOPS


def _no_match(call: _Call, given: dict[str, str], patterns: list[str]) -> str:
    listed = "".join(f"\n  {pattern}" for pattern in patterns)
    if "f" in given or "n" in given:
        return f"pkg list: no known packages matching:{listed}"
    if "a" in given:
        return (
            "pkg list: no packages matching the following patterns are allowed by installed "
            f"incorporations, or image variants that are known or installed{listed}\n"
            "Use -af to allow all versions."
        )
    none = "no packages matching the following patterns are installed:"
    if "u" not in given:
        return f"pkg list: {none}{listed}"
    there = _installed_matches(call, patterns)
    absent = "".join(f"\n  {pattern}" for pattern in patterns if not there[pattern])
    stems = "".join(f"\n  {package.name}" for some in there.values() for package in some)
    current = f"no updates are available for the following packages:{stems}"
    return "pkg list: " + (f"{none}{absent}" if absent else "") + (current if stems else "")


_LAYOUTS = {
    "": "{namepub:<49} {version:<26} {flags}\n",
    "s": "{namepub:<55} {summary}\n",
    "v": "{fmri:<76} {flags}\n",
}
_HEADERS = {
    "namepub": "NAME (PUBLISHER)",
    "version": "VERSION",
    "summary": "SUMMARY",
    "fmri": "FMRI",
    "flags": "IFO",
}


def _fields(call: _Call, package: Package, installed: bool) -> dict[str, str]:
    preferred = next((each.name for each in call.host.packages.publishers(call.root)), "")
    foreign = f" ({package.publisher})" if package.publisher != preferred else ""
    return {
        "namepub": package.name + foreign,
        "version": package.version,
        "summary": package.summary,
        "fmri": fmri(package),
        "flags": f"{'i' if installed else '-'}--",
    }


def _install(call: _Call) -> int:
    given, patterns = call.options("nvqANLIDBC:g:J:")
    if not patterns:
        return call.bad("at least one package name required")
    if "g" in given or "J" in given:
        call.error("other origins and rejected packages: not emulated by illumos-lab")
        return _OOPS
    if not call.may_change():
        return _OOPS
    packages = call.host.packages
    found = {pattern: packages.find(pattern, call.root) for pattern in patterns}
    unmatched = [pattern for pattern in patterns if not found[pattern]]
    if unmatched:
        listed = "\n".join(f"        {pattern}" for pattern in unmatched)
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
        return call.nothing_to_do()
    return _carry_out(call, given, new, (_INSTALLING, _INSTALLED), packages.install)


def _carry_out(
    call: _Call,
    given: dict[str, str],
    chosen: list[Package],
    texts: tuple[str, str],
    change: Callable[[Path, str], bool],
) -> int:
    """Show a plan, and follow it unless it is only asked for."""
    shown = [texts[0]]
    if "n" not in given:
        for package in chosen:
            change(call.root, package.name)
        shown.append(texts[1])
    if "q" not in given:
        number = len(chosen)
        call.run.out("".join(shown).format(count=number, progress=f"{number}/{number}"))
    return _OK


def _update(call: _Call) -> int:
    """``update [-fnvq] [pattern ...]``: there is never anything newer."""
    given, patterns = call.options("fnvqANLIDBC:g:J:")
    if not call.may_change():
        return _OOPS
    if unmatched := [name for name, some in _installed_matches(call, patterns).items() if not some]:
        listed = "\n".join(f"'{name}' matches no installed packages" for name in unmatched)
        call.run.err(f"\npkg update: {listed}\n")
        return _OOPS
    if "q" not in given:
        call.run.out("No updates available for this image.\n")
    return call.nothing_to_do()


def _uninstall(call: _Call) -> int:
    given, patterns = call.options("nvqNIDBC:")
    if not patterns:
        return call.bad("at least one package name required")
    if not call.may_change():
        return _OOPS
    packages = call.host.packages
    found = _installed_matches(call, patterns)
    unmatched = [pattern for pattern in patterns if not found[pattern]]
    if unmatched:
        listed = "\n".join(f"        {pattern}" for pattern in unmatched)
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
    return _carry_out(call, given, doomed, (_REMOVING, _REMOVED), packages.uninstall)


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
    """``info [-lqr] [pattern ...]``"""
    given, patterns = call.options("lrqL")
    if "r" in given and not patterns:
        return call.bad("must request remote info for specific packages")
    if "L" in given:
        call.error("--license: not emulated by illumos-lab")
        return _OOPS
    installed = call.host.packages.all_installed(call.root)
    chosen, unmatched = _chosen(call, patterns, remote="r" in given)
    if "q" not in given:
        call.run.out("\n".join(_about(package, package in installed) for package in chosen))
        if unmatched:
            _say_unmatched(call, unmatched, "r" in given, blank=bool(chosen))
    if unmatched:
        return _PARTIAL if chosen else _OOPS
    return _OK


def _chosen(call: _Call, patterns: list[str], *, remote: bool) -> tuple[list[Package], list[str]]:
    """The packages that some patterns, or none, name, and the patterns that name none."""
    packages = call.host.packages
    known = packages.offered(call.root) if remote else packages.all_installed(call.root)
    found = {pattern: match(pattern, known) for pattern in patterns}
    chosen = [each for each in known if not patterns or any(each in some for some in found.values())]
    return chosen, sorted(pattern for pattern in patterns if not found[pattern])


def _say_unmatched(call: _Call, patterns: list[str], remote: bool, *, blank: bool) -> None:
    where = (
        "found in the catalog.  Try relaxing the patterns, refreshing, and/or\nexamining the catalogs:"
        if remote
        else "installed on the system.  Try querying remotely instead:"
    )
    if call.command == "contents" and not remote:
        where = "installed on the system.  Try specifying -r to query remotely:"
    was = "were" if remote else "are"
    listed = "".join(f"        {pattern}\n" for pattern in patterns)
    call.run.err(
        f"{chr(10) if blank else ''}pkg: {call.command}: no packages matching the following patterns you "
        f"specified {was}\n{where}\n\n{listed}"
    )


def _about(package: Package, installed: bool) -> str:
    version, _, branch = package.version.partition("-")
    size = sum(len(text) for _, text in package.files)
    lines = {
        "Name": package.name,
        "Summary": package.summary,
        "State": "Installed" if installed else "Not installed",
        "Publisher": package.publisher,
        "Version": version,
        "Branch": branch,
        "Packaging Date": f"{datetime.strptime(PUBLISHED, '%Y%m%dT%H%M%SZ'):%B %e, %Y at %I:%M:%S %p}",
        "Size": f"{size:.2f} B",
        "FMRI": fmri(package),
    }
    return "".join(f"{name:>14}: {value}\n" for name, value in lines.items())


_CONTENTS_KEYS = {"depend": "fmri", "dir": "path", "file": "path", "link": "path", "set": "name"} | {
    "user": "username",
    "group": "groupname",
    "hardlink": "path",
    "driver": "name",
    "legacy": "pkg",
    "license": "license",
    "signature": "value",
}


def _contents(call: _Call) -> int:
    """``contents [-Hr] [-o attribute,...] [-t action,...] [pattern ...]``"""
    given, patterns = call.options("Hrfo:t:ms:a:g:")
    if unplayed := given.keys() & set("msag"):
        call.error(f"-{min(unplayed)}: not emulated by illumos-lab")
        return _OOPS
    if "r" in given and not patterns:
        return call.bad("contents: must request remote contents for specific packages")
    kinds = given["t"].split(",") if "t" in given else []
    if kinds and not set(kinds) & _CONTENTS_KEYS.keys():
        return call.bad("no valid action types specified")
    attributes = given["o"].split(",") if "o" in given else ["path"]
    if "t" in given and "o" not in given:
        attributes = list(dict.fromkeys(_CONTENTS_KEYS[kind] for kind in kinds if kind in _CONTENTS_KEYS))
        attributes += ["value"] if "set" in kinds else []
    chosen, unmatched = _chosen(call, patterns, remote="r" in given)
    rows = [
        tuple(_attribute(package, action, name) for name in attributes)
        for package in chosen
        for action in actions(package)
        if not kinds or action.name in kinds
    ]
    rows = sorted(row for row in rows if any(row))
    call.run.out(_table([name.upper() for name in attributes], rows, "H" not in given))
    if chosen and not rows:
        these = "These packages deliver" if len(patterns) != 1 else "This package delivers"
        call.run.err(
            f"pkg: {these} no filesystem content, but may contain metadata. Use\n"
            "the -o option to specify fields other than 'path', or use the -m option to show\n"
            "the raw package manifests.\n"
        )
    if unmatched:
        _say_unmatched(call, unmatched, "r" in given, blank=bool(chosen))
        return _OOPS
    return _OK


def _attribute(package: Package, action: Action, name: str) -> str:
    """A column of ``contents``."""
    special = {
        "action.name": action.name,
        "action.key": action.attributes[action.key],
        "pkg.name": package.name,
        "pkg.publisher": package.publisher,
        "pkg.fmri": fmri(package),
        "pkg.shortfmri": f"pkg:/{package.name}@{package.version}",
    }
    return special.get(name) or action.attributes.get(name, "")


def _search(call: _Call) -> int:
    """``search [-HIaflpr] query``: packages that have a word in their name or summary, or as a file."""
    given, words = call.options("HIaflprs:o:")
    if not words:
        return call.bad("at least one search term must be provided")
    if "s" in given or "o" in given or len(words) > 1 or set(words[0]) & set("*?:<>()"):
        call.error("queries of more than a word: not emulated by illumos-lab")
        return _OOPS
    packages, _ = _chosen(call, [], remote="l" not in given)
    found = [hit for package in packages for hit in search(package, words[0], exact_case="I" in given)]
    header = ["INDEX", "ACTION", "VALUE", "PACKAGE"]
    rows: list[tuple[str, ...]] = [
        (hit.index, hit.action, hit.value, f"pkg:/{hit.package.name}@{hit.package.version}")
        for hit in found
    ]
    if "p" in given:
        header = ["PACKAGE", "PUBLISHER"]
        hits = dict.fromkeys(hit.package for hit in found)
        rows = [(f"pkg:/{each.name}@{each.version}", each.publisher) for each in hits]
    call.run.out(_table(header, rows, "H" not in given))
    return _OK if rows else _OOPS


def _table(header: list[str], rows: list[tuple[str, ...]], headed: bool) -> str:
    """Columns of just the width that they need; without a header, tabs."""
    if not rows or not headed:
        return "".join("\t".join(row).rstrip() + "\n" for row in rows)
    lines = [tuple(header), *rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(header))]
    return "".join(
        " ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def _verify(call: _Call) -> int:
    """``verify [-Hqv] [pattern ...]``: whether what packages brought is still there."""
    given, patterns = call.options("Hqv")
    if not call.may_change():
        return _OOPS
    chosen, unmatched = _chosen(call, patterns, remote=False)
    if unmatched:
        listed = "\n".join(f"'{name}' matches no installed packages" for name in unmatched)
        call.run.err(f"\npkg verify: {listed}\n")
        return _OOPS
    lines, status = [], _OK
    for package in chosen:
        lost = missing(call.root, package)
        if lost or "v" in given:
            name = f"pkg://{package.publisher}/{package.name}"
            lines.append(f"{name:<70} {'ERROR' if lost else 'OK':>7}\n")
        for action in lost:
            kind = "directory" if action.name == "dir" else "regular file"
            lines.append(f"\t{action.name}: {action.attributes['path']}\n")
            lines.append(f"\t\tERROR: missing: {kind} does not exist\n")
            status = _OOPS
    if lines and "q" not in given:
        header = "" if "H" in given else f"{'PACKAGE':<70} {'STATUS':>7}\n"
        call.run.out(header + "".join(lines))
    return status


SUBCOMMANDS: dict[str, Callable[[_Call], int]] = {
    "list": _list,
    "install": _install,
    "uninstall": _uninstall,
    "update": _update,
    "publisher": _publisher,
    "set-publisher": _set_publisher,
    "unset-publisher": _unset_publisher,
    "refresh": _refresh,
    "info": _info,
    "contents": _contents,
    "search": _search,
    "verify": _verify,
}
"""What the lab emulates."""
