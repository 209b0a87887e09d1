"""zap: packages of Tribblix. Its commands for zones are scripts of their own and not emulated."""

from __future__ import annotations

from collections.abc import Callable

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.packages import OVERLAYS, UnknownPackageError

_USAGE = "Usage: zap command [options ...]\n"


def main(host: Host, run: Invocation) -> int:
    """Run zap install, install-overlay, list or version."""
    if not run.argv:
        run.err(_USAGE)
        return 1
    command, *operands = run.argv
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
    unknown = [name for name in names if name not in OVERLAYS]
    for name in unknown:
        run.err(f"ERROR: Unknown overlay {name}\n")
    if unknown:
        return 1
    for name in names:
        run.out(f"Installing overlay {name}\n")
    return 0


SUBCOMMANDS: dict[str, Callable[[Host, Invocation, list[str]], int]] = {
    "install": _install,
    "install-pkg": _install,
    "install-overlay": _install_overlays,
    "list": _list,
    "version": _version,
}
"""What the lab emulates."""
