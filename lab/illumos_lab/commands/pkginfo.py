"""pkginfo(1): SVR4 packages, which Tribblix is made of."""

from __future__ import annotations

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.packages import Package

_USAGE = (
    "usage:\npkginfo [-q] [-pi] [-x|l] [options] [pkg ...]\npkginfo -d device [-q] [-x|l] [options]"
    " [pkg ...]\n"
)


def main(host: Host, run: Invocation) -> int:
    """Run pkginfo; exit status 1 when a package is not installed."""
    try:
        options, names = getopt(run.argv, "qxlpiR:d:", permute=False)
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE)
        return 1
    given = dict(options)
    if "d" in given:
        run.err(f"{run.name}: -d: not emulated by illumos-lab\n")
        return 1
    root = host.path(run.zone, given["R"]) if "R" in given else host.zone_root(run.zone)
    installed = []
    if host.profile.package_manager == "zap":
        installed = host.packages.all_installed(root)
    known = {package.name: package for package in installed}
    missing = [name for name in names if name not in known]
    if "q" not in given:
        chosen = [known[name] for name in names if name in known] if names else installed
        run.out("".join(_show(package, given) for package in chosen))
        for name in missing:
            run.err(f'ERROR: information for "{name}" was not found\n')
    if missing or (not names and not installed):
        return 1
    return 0


def _show(package: Package, given: dict[str, str]) -> str:
    if "l" in given:
        lines = {
            "PKGINST": package.name,
            "NAME": package.summary,
            "CATEGORY": "system",
            "ARCH": "i386",
            "VERSION": package.version,
            "BASEDIR": "/",
            "STATUS": "completely installed",
        }
        return "".join(f"{name:>10}:  {value}\n" for name, value in lines.items()) + "\n"
    if "x" in given:
        return f"{package.name:<12}  {package.summary}\n{'':14}(i386) {package.version}\n"
    return f"{'system':<11} {package.name:<16} {package.summary}\n"
