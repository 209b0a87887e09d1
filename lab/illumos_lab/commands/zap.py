"""zap: packages and zones of Tribblix."""

from __future__ import annotations

from collections.abc import Callable

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.packages import UnknownOverlayError, UnknownPackageError
from illumos_lab.zap.create import create_zone
from illumos_lab.zap.destroy import destroy_zone
from illumos_lab.zap.programs import Programs

_USAGE = "Usage: zap command [options ...]\n"
_ALIASES = {"cz": "create-zone", "dz": "destroy-zone", "io": "install-overlay", "i": "install"}


def main(host: Host, run: Invocation) -> int:
    """Run a subcommand; each has exit statuses of its own."""
    if not run.argv:
        run.err(_USAGE)
        return 1
    command, *operands = run.argv
    command = _ALIASES.get(command, command)
    function = SUBCOMMANDS.get(command)
    if function is None or (command == "list" and operands):
        run.err(f"zap {' '.join(run.argv)}: not emulated by illumos-lab\n")
        return 1
    return function(host, run, operands)


def _version(host: Host, run: Invocation, operands: list[str]) -> int:
    run.out(f"{host.profile.uname_version}\n")
    return 0


def _list(host: Host, run: Invocation, operands: list[str]) -> int:
    for package in host.packages.all_installed(host.zone_root(run.zone)):
        run.out(f"{package.name} {package.version}\n")
    return 0


def _install(host: Host, run: Invocation, names: list[str]) -> int:
    if not names:
        run.err("Usage: zap install package ...\n")
        return 1
    if not run.privileged:
        run.err("ERROR: you must be root to install packages\n")
        return 1
    root = host.zone_root(run.zone)
    status = 0
    for name in names:
        try:
            new = host.packages.install(root, name)
        except UnknownPackageError:
            run.err(f"ERROR: cannot find package {name}\n")
            status = 1
            continue
        if new:
            run.out(f"Installation of <{name}> was successful.\n")
        else:
            run.out(f"Package {name} is already installed\n")
    return status


def _install_overlays(host: Host, run: Invocation, names: list[str]) -> int:
    if not names:
        run.err("Usage: zap install-overlay overlay ...\n")
        return 1
    if not run.privileged:
        run.err("ERROR: you must be root to install overlays\n")
        return 1
    root = host.zone_root(run.zone)
    for name in names:
        try:
            host.packages.install_overlay(root, name)
        except UnknownOverlayError:
            run.err(f"ERROR: Unknown overlay {name}\n")
            return 1
        run.out(f"Installing overlay {name}\n")
    return 0


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
    "install-pkg": _install,
    "install-overlay": _install_overlays,
    "create-zone": _zone_command(create_zone),
    "destroy-zone": _zone_command(destroy_zone),
    "list-zones": _list_zones,
    "describe-zone": _describe_zone,
    "list": _list,
    "version": _version,
}
"""What the lab emulates."""
