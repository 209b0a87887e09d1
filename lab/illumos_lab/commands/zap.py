"""zap: packages and zones of Tribblix."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from illumos_lab.commands import pkginfo
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.packages import OVERLAYS, UnknownOverlayError
from illumos_lab.zap.create import create_zone
from illumos_lab.zap.destroy import destroy_zone
from illumos_lab.zap.programs import Programs

_ALIASES = {
    **dict.fromkeys(("i", "install-recursive", "add"), "install"),
    "ip": "install-pkg",
    "up": "update",
    **dict.fromkeys(("d", "dp", "del", "delete"), "uninstall"),
    **dict.fromkeys(("io", "add-overlay"), "install-overlay"),
    "uo": "update-overlay",
    **dict.fromkeys(("do", "delete-overlay"), "uninstall-overlay"),
    "lo": "list-overlays",
    "lp": "list-packages",
    "vp": "verify-packages",
    "ua": "update-all-packages",
    "ue": "update-everything",
    **dict.fromkeys(("refresh-overlays", "refresh-catalog", "refresh-filelist"), "refresh"),
    "cz": "create-zone",
    "dz": "destroy-zone",
}


def main(host: Host, run: Invocation) -> int:
    """Run a subcommand; each has exit statuses of its own."""
    if not run.argv:
        run.out("Usage: /usr/bin/zap subcommand [arguments]\n")
        return 2
    command, *operands = run.argv
    command = _ALIASES.get(command, command)
    function = SUBCOMMANDS.get(command)
    package_option = bool(operands) and operands[0] in ("-C", "-R", "-s") and "zone" not in command
    if command in NOT_EMULATED or command in ("-C", "-z") or package_option:
        run.err(f"zap {' '.join(run.argv)}: not emulated by illumos-lab\n")
        return 1
    if function is None:
        run.out(f"Unrecognized subcommand {command}\n")
        return 2
    return function(host, run, operands)


def _version(host: Host, run: Invocation, operands: list[str]) -> int:
    """zap version"""
    run.out(f"{host.profile.uname_version}\n")
    return 0


def _list_packages(host: Host, run: Invocation, names: list[str]) -> int:
    """zap list-packages [package ...]"""
    return pkginfo.main(host, replace(run, path="/usr/bin/pkginfo", argv=sorted(set(names))))


def _describe_packages(host: Host, run: Invocation, names: list[str]) -> int:
    """zap describe-package package ..."""
    return pkginfo.main(host, replace(run, path="/usr/bin/pkginfo", argv=["-l", *sorted(set(names))]))


def _install(host: Host, run: Invocation, names: list[str]) -> int:
    """zap install package ...

    The status tells nothing of packages that there are not.
    """
    if not names:
        run.out("Usage: /usr/lib/zap/install-recursive [-R alt-root] [ -s source] package [package...]\n")
        return 2
    packages, root = host.packages, host.zone_root(run.zone)
    for name in names:
        if name in OVERLAYS and not packages.has_overlay(root, name):
            run.out(f"Installing matching overlay {name}\n")
            _install_overlay(host, run, [name])
    new = []
    for name in names:
        if packages.installed(root, name):
            run.out(f"Package {name} already installed\n")
        elif name in packages.catalogue:
            new.append(name)
        elif name in OVERLAYS:
            run.out(f"Skipping overlay {name}\n")
        else:
            run.out(f"Invalid package {name}\n")
            _suggest(host, run, name)
    if not new:
        run.out("Nothing to install\n")
        return 0
    if len(new) > 1:
        listed = "\n".join(sorted(set(new)))
        run.out(f"\nInstalling {len(set(new))} packages:\n{listed}\n\n")
    return _install_exactly(host, run, sorted(set(new)))


def _install_exactly(host: Host, run: Invocation, names: list[str]) -> int:
    """zap install-pkg package ...

    The status is the number of packages that could not be had.
    """
    if not names:
        run.out("Usage: /usr/lib/zap/install-pkg [-R alt-root] [ -s source] package [package...]\n")
        return 2
    packages, root = host.packages, host.zone_root(run.zone)
    installed = failed = 0
    for name in names:
        if packages.installed(root, name):
            run.out(f"Package {name} already installed\n")
        elif name not in packages.catalogue or not run.privileged:
            # Who may not write the cache cannot fetch anything.
            run.out(f"No source for package {name}\n")
            _suggest(host, run, name)
            failed += 1
        else:
            (root / "var/zap/cache").mkdir(parents=True, exist_ok=True)
            packages.install(root, name)
            run.out(f"Installing {name}\n\nInstallation of <{name}> was successful.\n")
            installed += 1
    run.out(f"Installed {installed} packages{f', {failed} failed' if failed else ''}\n")
    return failed


def _suggest(host: Host, run: Invocation, pattern: str) -> None:
    root = host.zone_root(run.zone)
    for name in _matching(host, pattern):
        state = "already" if host.packages.installed(root, name) else "not"
        run.out(f"Did you mean {name} ({state} installed)?\n")


def _matching(host: Host, pattern: str) -> list[str]:
    """The packages of the catalogue in whose name a regular expression is found."""
    try:
        return [name for name in host.packages.catalogue if re.search(pattern, name)]
    except re.error:
        return []


def _uninstall(host: Host, run: Invocation, names: list[str]) -> int:
    """zap uninstall package ...

    What is not installed is passed over without a word.
    """
    root = host.zone_root(run.zone)
    status = 0
    for name in names:
        if not host.packages.installed(root, name):
            continue
        run.out(f"Removing {name}\n")
        if host.packages.catalogue[name].base or not run.privileged:
            run.err(
                f"zap uninstall {name}: of the base system or unprivileged: not emulated by illumos-lab\n"
            )
            status = 1
            continue
        host.packages.uninstall(root, name)
        run.out(f"\nRemoval of <{name}> was successful.\n")
    return status


def _install_overlay(host: Host, run: Invocation, names: list[str]) -> int:
    """zap install-overlay overlay"""
    if len(names) != 1:
        run.out("Usage: /usr/lib/zap/install-overlay [-C|-R alt-root] [-s pkg_source] overlay\n")
        return 2
    name, root = names[0], host.zone_root(run.zone)
    if host.packages.has_overlay(root, name):
        return 0
    if name in OVERLAYS and not run.privileged:
        run.out(f"Errors in installation of overlay {name}\n")
        return 0
    try:
        host.packages.install_overlay(root, name)
    except UnknownOverlayError:
        run.out(f"ERROR: invalid overlay {name}\n")
        return 1
    run.out(f"Installed 0 packages\nOverlay {name} installation succeeded\n")
    return 0


def _update(host: Host, run: Invocation, names: list[str]) -> int:
    """zap update package ...

    There is nothing newer; what is not installed is installed.
    """
    root = host.zone_root(run.zone)
    for name in names:
        if name in OVERLAYS:
            if host.packages.has_overlay(root, name):
                run.out(f"Updating matching overlay {name}\n")
        elif not host.packages.installed(root, name):
            _install_exactly(host, run, [name])
    return 0


def _update_overlay(host: Host, run: Invocation, names: list[str]) -> int:
    """zap update-overlay {overlay | -a}"""
    if len(names) != 1:
        run.out("Usage: /usr/lib/zap/update-overlay [-R|-C alt-root] [-s pkg_source] overlay | -a\n")
        return 2
    return 0


def _nothing_newer(host: Host, run: Invocation, operands: list[str]) -> int:
    """What is installed is what the repositories have."""
    return 0


def _list_overlays(host: Host, run: Invocation, options: list[str]) -> int:
    """zap list-overlays [-iuv]"""
    letters = {letter for word in options if word.startswith("-") for letter in word[1:]}
    if {"i", "u"} <= letters:
        run.out("ERROR: both -i and -u supplied\n")
        return 2
    root = host.zone_root(run.zone)
    for name in sorted(OVERLAYS):
        installed = host.packages.has_overlay(root, name)
        if ("i" in letters and not installed) or ("u" in letters and installed):
            continue
        state = "" if letters & {"i", "u"} else f"({'Installed' if installed else 'Not installed'})"
        title = f" [{name}]" if "v" in letters else ""
        run.out(f"{name}{title} {state}\n")
    return 0


def _describe_overlays(host: Host, run: Invocation, names: list[str]) -> int:
    """zap describe-overlay overlay ..."""
    root = host.zone_root(run.zone)
    for name in names:
        if name not in OVERLAYS:
            run.out(f"ERROR: no such overlay {name}\n\n")
            continue
        state = "Installed" if host.packages.has_overlay(root, name) else "Not installed"
        run.out(f"OVERLAY: {name}\nNAME={name}\nSTATUS={state}\n\n")
    return 0


def _search(host: Host, run: Invocation, words: list[str]) -> int:
    """zap search search_term"""
    if len(words) != 1:
        run.out("Usage: zap search [ -R altroot] search_term\n")
        return 2
    root, word = host.zone_root(run.zone), words[0]
    if word in OVERLAYS:
        state = "Installed" if host.packages.has_overlay(root, word) else "Uninstalled"
        run.out(f"{state} overlay {word}\nNAME={word}\n\n")
    for name in _matching(host, word):
        state = "Installed" if host.packages.installed(root, name) else "Uninstalled"
        run.out(f"{state} package {name}\n")
    return 0


def _static_network(host: Host, run: Invocation, operands: list[str]) -> int:
    """zap staticnet [-y]

    For a host with nwam, which those of the lab are not.
    """
    if host.path(run.zone, "/etc/defaultrouter").exists():
        run.out("ERROR: already configured manually\n")
    else:
        run.err("zap staticnet: without /etc/defaultrouter: not emulated by illumos-lab\n")
    return 1


def _zone_command(
    function: Callable[[Host, Invocation, list[str]], int],
) -> Callable[[Host, Invocation, list[str]], int]:
    """A subcommand that changes zones: only in the global zone, and here only for its administrator."""

    def checked(host: Host, run: Invocation, operands: list[str]) -> int:
        if run.zone != "global":
            run.out("ERROR: zone management is only possible in the global zone\n")
            return 1
        if not run.privileged:
            run.err(f"zap {' '.join(run.argv)}: without privileges: not emulated by illumos-lab\n")
            return 1
        return function(host, run, operands)

    return checked


def _list_zones(host: Host, run: Invocation, operands: list[str]) -> int:
    """zap list-zones"""
    if run.zone == "global":
        return Programs(host, run).run("/usr/sbin/zoneadm", "list", "-icnv")
    run.out(f"You are in zone {run.zone}\n")
    return Programs(host, run).run("/usr/sbin/zoneadm", "list", "-v")


def _describe_zone(host: Host, run: Invocation, operands: list[str]) -> int:
    """zap describe-zone [-z] zone_name"""
    words = operands[1:] if operands[:1] == ["-z"] and len(operands) == 2 else operands
    if len(words) != 1:
        run.out("Usage: /usr/lib/zap/describe-zone -z zone_name\n")
        return 2
    zone = words[0]
    if run.zone != "global":
        run.out(f"Zones can only be described in the global zone\nYou are in zone {run.zone}\n")
        return 0
    if not host.path("global", f"/etc/zones/{zone}.xml").is_file():
        run.out(f"No such zone {zone}\n")
        return 1
    programs = Programs(host, run)
    state = programs.output("/usr/sbin/zoneadm", "-z", zone, "list", "-p").split(":")[2]
    programs.say(f"Zone {zone} is {state}\nConfiguration follows:\n{'=' * 22}")
    return programs.run("/usr/sbin/zonecfg", "-z", zone, "info")


SYNOPSES = {
    "create-zone": """\
create-zone -z zone_name [-t whole|sparse|router|alien] [-i ip_address] [-x ip_address]
            [-R ip_network/prefix] [-o overlay] [-O overlay] [-p package] [-P package]
            [-d extra_dir] [-s|-S shared_dir] [-D dataset] [-U user] [-m ram_size] [-c cpus]
            [-F flow_props] [-k sshkey_file] [-I image_file] [-n number_of_zones]""",
    "destroy-zone": "destroy-zone -z zone_name",
}
"""How the subcommands with scripts of their own are called, as far as the lab plays them."""

SUBCOMMANDS: dict[str, Callable[[Host, Invocation, list[str]], int]] = {
    "install": _install,
    "install-pkg": _install_exactly,
    "uninstall": _uninstall,
    "update": _update,
    "update-all-packages": _nothing_newer,
    "update-everything": _nothing_newer,
    "verify-packages": _nothing_newer,
    "refresh": _nothing_newer,
    "list-packages": _list_packages,
    "describe-package": _describe_packages,
    "search": _search,
    "install-overlay": _install_overlay,
    "update-overlay": _update_overlay,
    "list-overlays": _list_overlays,
    "describe-overlay": _describe_overlays,
    "create-zone": _zone_command(create_zone),
    "destroy-zone": _zone_command(destroy_zone),
    "list-zones": _list_zones,
    "describe-zone": _describe_zone,
    "staticnet": _static_network,
    "version": _version,
}
"""What the lab emulates."""

_NOT_EMULATED_WORDS = """
    upgrade r get retrieve uninstall-overlay verify-overlay vo check-package pkgchk dependencies pkgdep
    show-licenses autoupdate clean-cache set-hostname set-timezone manage-firewall global-router appstack
    zssh ssh-zone create-zone-template list-zone-templates destroy-zone-template list-services
    show-services enable-services disable-services add-locale remove-locale installed-locales
    list-locales useradd create-user userdel delete-user ddu manage-cacerts whatprovides
    list-package-repos list-overlay-repos describe-package-repo describe-overlay-repo
    remove-package-repo remove-overlay-repo add-package-repo add-overlay-repo modify-package-repo
    modify-overlay-repo copy-package-repo copy-overlay-repo unconfigure sys-unconfig remove-cd
    remove-cdrom remove-iso audio h help -help --help
"""
NOT_EMULATED = frozenset(_NOT_EMULATED_WORDS.split())
"""What zap has besides."""
