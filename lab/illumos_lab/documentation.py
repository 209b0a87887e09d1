"""What the lab emulates and what not, read out of its own code: ``illumos-lab docs``, ``docs/lab.md``.

Programs come from the table of programs; subcommands, how each is called, and what is refused from the
modules: ``SUBCOMMANDS``, ``SYNOPSES``, ``NOT_EMULATED``, the letters given to getopt, and every message
that says ``not emulated``. Only where the rules were looked up stands here.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from illumos_lab import commands, image, services
from illumos_lab.profile import PROFILES, Profile
from illumos_lab.zone_brands import BRANDS, Brand
from illumos_lab.zonecfg import lexer
from illumos_lab.zonecfg.scope import PROPERTIES

_PACKAGE = Path(__file__).parent
_REFUSED = "illumos_lab.commands.refused"
_PHRASE = "not emulated"

_GATE = "illumos-gate `usr/src/"
_CHECKED = {
    "dladm": (
        f"{_GATE}cmd/dladm`, `lib/libdladm`, `cmd/dlmgmtd`, `lib/libinetutil` and OmniOS' own versions",
        "test_dladm test_dladm_aggr test_dladm_bridge test_dladm_iptun test_overlay test_traffic "
        "test_mistakes test_net_on_linux test_router_live test_router_over_aggr test_scripts",
    ),
    "dlstat": (f"{_GATE}cmd/dlstat`", "test_traffic"),
    "ipadm": (
        f"{_GATE}cmd/cmd-inet/usr.sbin/ipadm`, `lib/libipadm`",
        "test_ipadm test_ipadm_audit test_ipmp test_ip_boot test_router_live test_mistakes test_scripts",
    ),
    "ipmpstat": (f"{_GATE}cmd/cmd-inet/usr.sbin/ipmpstat`", "test_ipmp"),
    "if_mpadm": (f"{_GATE}cmd/cmd-inet/usr.sbin/if_mpadm.c`", "test_ipmp"),
    "flowadm": (f"{_GATE}cmd/flowadm`, `lib/libdladm`", "test_flowadm test_scripts"),
    "route": (f"{_GATE}cmd/cmd-inet/usr.sbin/route.c`", "test_route test_mistakes test_scripts"),
    "routeadm": (f"{_GATE}cmd/cmd-inet/usr.sbin/routeadm`", "test_route test_lab_core_router"),
    "netstat": (f"{_GATE}cmd/cmd-inet/usr.bin/netstat`", "test_netstat test_route test_router_live"),
    "arp": (f"{_GATE}cmd/cmd-inet/usr.sbin/arp.c`", "test_netstat test_router_live"),
    "dhcpinfo": (f"{_GATE}cmd/cmd-inet/sbin/dhcpinfo`", "test_dhcpinfo"),
    "ndp": (f"{_GATE}cmd/cmd-inet/usr.sbin/ndp.c`", "test_netstat"),
    "ping": (f"{_GATE}cmd/cmd-inet/usr.sbin/ping`", "test_ping test_scripts"),
    "traceroute": ("the manual page", "test_traceroute test_scripts"),
    "ifconfig": (f"{_GATE}cmd/cmd-inet/usr.sbin/ifconfig`", "test_ipadm_ifconfig test_route test_scripts"),
    "zonecfg": (
        f"{_GATE}cmd/zonecfg`, `lib/libzonecfg`; 880 sessions recorded from the real program"
        " (`tests/data/zonecfg-corpus.jsonl`)",
        "test_zonecfg test_zonecfg_corpus test_zonecfg_rules test_zones_files test_mistakes test_rust_zone",
    ),
    "zoneadm": (
        f"{_GATE}cmd/zoneadm`, `cmd/zoneadmd`, brand scripts of the distributions",
        "test_zoneadm test_zone_brands test_zone_brands_on_linux test_mistakes test_scripts test_rust_zone",
    ),
    "zlogin": (
        f"{_GATE}cmd/zlogin`, `cmd/zoneadmd`",
        "test_console test_lab_core_host test_mistakes test_rust_zone",
    ),
    "useradd": (f"{_GATE}cmd/oamuser`, `cmd/passmgmt`", "test_accounts test_accounts_ansible"),
    "groupadd": (f"{_GATE}cmd/oamuser`", "test_accounts test_accounts_ansible"),
    "passwd": (f"{_GATE}cmd/passwd`, `lib/passwdutil`", "test_accounts"),
    "logins": (f"{_GATE}cmd/logins`", "test_accounts"),
    "roles": (f"{_GATE}cmd/roles`, `cmd/auths`", "test_accounts"),
    "svcs": (f"{_GATE}cmd/svc/svcs`", "test_smf test_site_services test_mistakes test_scripts"),
    "svcadm": (f"{_GATE}cmd/svc/svcadm`", "test_smf test_mistakes test_scripts"),
    "svccfg": (f"{_GATE}cmd/svc/svccfg`", "test_smf test_site_services"),
    "svcprop": (f"{_GATE}cmd/svc/svcprop`", "test_smf test_site_services"),
    "ipnat": (
        f"{_GATE}cmd/ipf`; rule files that the real programs read (`tests/data/ipfilter-corpus.jsonl`)",
        "test_ipnat test_ipf_grammar test_ipf_counters test_ipf_on_linux test_router_live test_mistakes "
        "test_scripts",
    ),
    "ipf": (
        f"{_GATE}cmd/ipf`; rule files that the real programs read (`tests/data/ipfilter-corpus.jsonl`)",
        "test_ipf test_ipnat test_ipf_grammar test_ipf_on_linux test_router_live test_mistakes",
    ),
    "ipfstat": (f"{_GATE}cmd/ipf`", "test_ipf_counters test_ipf_on_linux"),
    "zfs": (f"{_GATE}cmd/zfs`, `lib/libzfs`", "test_zfs test_zone_brands test_mistakes test_scripts"),
    "zpool": (f"{_GATE}cmd/zpool`", "test_zfs"),
    "bhyvectl": (f"{_GATE}cmd/bhyvectl`", "test_machine_programs"),
    "dispadmin": (f"{_GATE}cmd/dispadmin`", "test_machine_programs"),
    "domainname": ("the manual page", "test_machine_programs"),
    "getconf": (f"{_GATE}cmd/getconf`", "test_machine_programs"),
    "pagesize": (f"{_GATE}cmd/pagesize`", "test_machine_programs"),
    "pkg": ("pkg(1) of OmniOS' pkg5", "test_packages"),
    "zap": ("Tribblix' zap", "test_packages test_scripts test_zap_zones"),
    "sudo": ("the manual page", "test_sudo test_lab_core_host"),
    "pfexec": (f"{_GATE}cmd/pfexec`, `lib/libsecdb`", "test_lab_core_host test_rust_zone"),
}
"""Where the rules of a program were looked up, and the modules of tests/lab that hold it to them."""

_INTRODUCTION = """\
# What the lab emulates

<!-- Written by `make docs-lab` from the code of illumos_lab. -->

`illumos-lab` plays illumos hosts on a Linux machine. What an illumos program does is taken from its
sources and its manual page; what the lab does not play is refused with `not emulated` and a failure, never
passed over. This page is generated from the code: `illumos-lab docs` prints it, `illumos-lab docs PROGRAM`
the part about one program.

Real are: SSH, processes, files, `/bin/sh` (ksh93) and the other shells, the packets, DHCP, DNS, NAT. Base
utilities (`ls`, `sed`, `awk` ...) are those of the machine underneath, so scripts may rely on what POSIX
says, and on no more.

An overlay's table of targets (`dladm show-overlay -t`) holds all receivers from the start; on illumos it
holds those that something was sent to.
"""


@cache
def _program_modules() -> dict[str, list[str]]:
    """Module of each emulated program, with the paths of the programs that it plays."""
    modules: dict[str, list[str]] = {}
    for path, target in commands.PATHS.items():
        module = target.partition(":")[0]
        if module != _REFUSED:
            modules.setdefault(module, []).append(path)
    return modules


def programs() -> list[str]:
    """Names of the emulated programs, by which `page` takes one."""
    return sorted(_name(path) for paths in _program_modules().values() for path in paths)


def page(program: str = "") -> str:
    """The documentation in Markdown.

    Args:
        program: only the part about this program.

    Raises:
        LookupError: no program of that name is emulated.
    """
    modules = _program_modules()
    if program:
        for module, paths in modules.items():
            if program in map(_name, paths):
                return _program(import_module(module), paths)
        raise LookupError(program)
    return "\n".join(
        [
            _INTRODUCTION,
            _distributions(),
            _zones(),
            "## Programs\n",
            *(_program(import_module(module), paths) for module, paths in modules.items()),
            _refused_programs(),
            _zone_configuration(),
            _services(),
            _refused_elsewhere(modules),
        ]
    )


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = list(header)
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


# Programs ----------------------------------------------------------------------------------------


def _program(module: ModuleType, paths: list[str]) -> str:
    names = [_name(path) for path in paths]
    aliases = [link for link, target in commands.LINKS.items() if _name(target) in names]
    where = _code(paths) + (f" (also {_code(aliases)})" if aliases else "")
    notes = [where]
    if paths[0] in commands.OPTIONAL:
        notes.append("comes with a package")
    if paths[0] in commands.ONLY_ON:
        notes.append("only on " + ", ".join(sorted(commands.ONLY_ON[paths[0]])))
    text = (inspect.getdoc(module) or "").replace("``", "`")
    parts = [f"### {', '.join(names)}\n", text + "\n", "; ".join(notes) + ".\n"]
    subcommands: Iterable[str] = getattr(module, "SUBCOMMANDS", ())
    if subcommands:
        listed = "".join(f"{_synopsis(module, name)}\n" for name in subcommands)
        parts.append(f"```\n{listed}```\n")
    elif letters := _own_letters(module):
        parts.append(f"Options: {_options(letters)}\n")
    missing: Iterable[str] = getattr(module, "NOT_EMULATED", ())
    if missing:
        parts.append(f"Not emulated: {_code(sorted(missing))}.\n")
    if refusals := _refusals(_files(module)):
        parts.append("Refused: " + "; ".join(refusals) + ".\n")
    sources, tests = _CHECKED.get(names[0], ("the manual page only", ""))
    held = f" Held to it by {_code(tests.split())}." if tests else ""
    parts.append(f"Checked against: {sources}.{held}\n")
    return "\n".join(parts)


def _synopsis(module: ModuleType, name: str) -> str:
    """How a subcommand is called: as its usage says, else its name and the options that it reads."""
    synopses: Mapping[str, str] = getattr(module, "SYNOPSES", {})
    if name in synopses:
        return "\n".join(line.strip() for line in synopses[name].strip().splitlines())
    subcommands = module.SUBCOMMANDS
    entry = subcommands[name] if isinstance(subcommands, Mapping) else None
    function, letters = entry if isinstance(entry, tuple) else (entry, None)
    if function is None:
        return name
    # Where a usage text is made of the docstrings, they are the synopses.
    documented = (inspect.getdoc(function) or "").split("\n\n")[0]
    documented = documented.removeprefix(f"{module.__name__.rpartition('.')[2]} ")
    if documented.startswith(f"{name} ") or documented == name:
        return documented
    if letters is None:
        letters = _first_letters(ast.parse(inspect.cleandoc("\n" + inspect.getsource(function))))
    return f"{name} {_options(letters or '', code=False)}".rstrip()


def _options(letters: str, *, code: bool = True) -> str:
    """The options of a getopt string, as `-a` or `-b ARG`."""
    found = re.findall(r"([A-Za-z0-9?])(:?)", letters.lstrip(":"))
    shown = [f"-{letter} ARG" if value else f"-{letter}" for letter, value in found]
    return _code(shown) + "." if code else " ".join(f"[{each}]" for each in shown)


def _own_letters(module: ModuleType) -> str:
    return _first_letters(ast.parse(inspect.getsource(module))) or ""


def _first_letters(tree: ast.AST) -> str | None:
    """The first constant string that is given to a function named getopt or options."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("getopt", "options"):
                for argument in node.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        return argument.value
    return None


# What is refused ---------------------------------------------------------------------------------


def _files(module: ModuleType) -> list[Path]:
    file = Path(inspect.getfile(module))
    return sorted(file.parent.glob("*.py")) if file.name == "__init__.py" else [file]


def _refusals(files: Iterable[Path]) -> list[str]:
    """Every message in the sources that says that something is not emulated."""
    found: list[str] = []
    for file in files:
        tree = ast.parse(file.read_text())
        skipped: set[ast.AST] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr):
                skipped.add(node.value)
            if isinstance(node, ast.JoinedStr):
                skipped.update(node.values)
        for node in ast.walk(tree):
            if node in skipped or not isinstance(node, ast.JoinedStr | ast.Constant):
                continue
            text = _text(node)
            # A message that is all variable tells nothing here.
            if _PHRASE in text and re.search(r"[A-Za-z-]", _tidy(text).partition(_PHRASE)[0]):
                found.append(f"`{_tidy(text)}`")
    return list(dict.fromkeys(found))


def _text(node: ast.JoinedStr | ast.Constant) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    pieces = (each.value if isinstance(each, ast.Constant) else "…" for each in node.values)
    return "".join(map(str, pieces))


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip().removeprefix("…: ").removesuffix("…").strip()
    return text.replace("`", "'")


def _refused_programs() -> str:
    refused = [path for path, target in commands.PATHS.items() if target.startswith(_REFUSED)]
    here = [path for path in refused if commands.ONLY_ON.get(path, {"any"})]
    return (
        "## Programs that are there and refuse\n\n"
        f"They print `not emulated` and exit with 1: {_code(here)}.\n\n"
        "A program that neither illumos' nor the machine's own `/usr/bin` has is simply not found.\n"
    )


def _refused_elsewhere(modules: Mapping[str, list[str]]) -> str:
    of_commands = {file for module in modules for file in _files(import_module(module))}
    rows = []
    for file in sorted(_PACKAGE.rglob("*.py")):
        name = file.relative_to(_PACKAGE).as_posix()
        if file in of_commands or name in ("documentation.py", "commands/refused.py", "commandserver.py"):
            continue
        rows += [(f"`{name}`", text) for text in _refusals([file])]
    return "## Refused by other parts\n\n" + _table(("where", "message"), rows)


# The rest ----------------------------------------------------------------------------------------


def _distributions() -> str:
    def row(profile: Profile) -> tuple[str, ...]:
        return (
            f"`{profile.name}`",
            profile.release.splitlines()[0].strip(),
            f"`{profile.uname_version}`",
            _code(brand.name for brand in profile.brands),
            f"`{profile.zones_parent}`",
        )

    header = ("profile", "/etc/release", "uname -v", "brands", "zones below")
    return "## Distributions\n\n" + _table(header, map(row, PROFILES.values())) + f"\n{_LOGINS}"


_LOGINS = """\
Root logs in by key everywhere: as it comes on SmartOS, Tribblix and the cloud images of OmniOS, and on
OpenIndiana, which ships `PermitRootLogin no`, because whoever set up the host has changed that. What
`/etc/ssh/sshd_config` says of it counts from the next login on. Besides there are `admin`, with the
profile Primary Administrator, and `jack`, without any. sudo is on OmniOS and OpenIndiana, on Tribblix
after `zap install TRIBsudo`; as shipped it serves root alone, and no password can be typed for it.
"""


_ZONES = """\
Zones of the brands {others}, and SmartOS' virtual machines, can only be configured.

What is unpacked at installation is a real tar archive or a directory, over a fresh root directory; a
dataset, a snapshot or a stream of ZFS has to be there, and is not looked into.

A virtual machine is made from the zone's attributes as the brand's boot script reads them, and does not
boot when one of them is wrong, a disk's volume or its device resource is missing, or a file is not
there. `root/etc/bhyve.cfg` and, with cloud-init on, the CD `root/cloud-init.iso` are made anew at each
boot. Its guest is a Linux system with this machine's programs in the zone's own network namespace,
whatever the disk holds. It has a fresh file system at each boot, so it configures itself each time:
from the seed's network configuration, else by DHCP on every interface. `illumos_lab.testing.Host.guest`
runs commands in it. Its console is not there.

Zones of brand lx have this machine's userland, too, under what was unpacked. Addresses come from the
net properties `ips`, `gateway` (of the net that is `primary`), else from `allowed-address` and
`defrouter`.

Shared-ip zones have ports and sockets of their own, send from their own addresses, and use the routes
whose router is in one of their networks. A packet of theirs makes one hop more than on illumos.

OmniOS loads the firewall files beside a zone into the rules of option `-G`; packets do not meet these.

Solaris 10 zones ask, after `-u`, what `/etc/sysidcfg` does not say, and wait for the answer.

A zonepath below a dataset is cloned by snapshot and clone. Snapshots are copies of files; space is not
accounted for. What is delegated is mounted in the zone; fs resources are of type `lofs`, `tmpfs` or
`zfs`.

Resource controls and caps can be seen with `prctl`, the host identifier with `hostid`. These are
stored, and have no effect: `pool`, `dedicated-cpu`, `scheduling-class`, `limitpriv`, `fs-allowed`,
`bootargs`, `security-flags`.
"""


def _zones() -> str:
    def row(brand: Brand) -> tuple[str, ...]:
        on = [name for name, profile in PROFILES.items() if _plays(profile, brand)]
        usage = brand.usage.removeprefix("usage:").split("\n")
        synopses = [line.strip().replace("|", "\\|") for line in usage if line.strip()]
        return (
            f"`{brand.name}`",
            ", ".join(on) or "none",
            " or ".join(f"`{s}`" for s in synopses),
            _runs(brand),
        )

    known = [brand.name for profile in PROFILES.values() for brand in profile.brands]
    others = [name for name in dict.fromkeys(known) if name not in BRANDS]
    header = ("brand", "on", "zoneadm", "what runs")
    return (
        "## Zones\n\n"
        + _table(header, map(row, BRANDS.values()))
        + "\n"
        + _ZONES.format(others=_code(others))
    )


def _plays(profile: Profile, brand: Brand) -> bool:
    """Whether a distribution has the brand; SmartOS' virtual machines are not played."""
    if profile.smartos_zonecfg and brand.name in image.VIRTUAL_BRANDS:
        return False
    return any(each.name == brand.name for each in profile.brands)


def _runs(brand: Brand) -> str:
    if brand.name in image.VIRTUAL_BRANDS:
        return "a virtual machine"
    if brand.name in image.LINUX_BRANDS:
        return "a Linux system, without SMF"
    return "Solaris 10, with SMF" if brand.sysidcfg else "illumos, with SMF"


def _zone_configuration() -> str:
    rows = [(f"`{resource}`", _code(properties)) for resource, properties in PROPERTIES.items()]
    return (
        "## Zone configurations\n\n"
        f"Global properties: {_code((*lexer.GLOBAL_PROPERTIES, *lexer.ALIASES))}.\n"
        f"Only on OmniOS and SmartOS: {_code(lexer.FORK_PROPERTIES)}.\n\n"
        + _table(("resource", "properties"), rows)
    )


def _services() -> str:
    known: dict[str, tuple[str, list[str]]] = {}
    for profile in PROFILES.values():
        for service in services.catalogue(profile):
            known.setdefault(service.fmri, (service.title, []))[1].append(profile.name)
    rows = [
        (f"`{fmri}`", title, "all" if len(on) == len(PROFILES) else ", ".join(on))
        for fmri, (title, on) in sorted(known.items())
    ]
    return "## Services\n\n" + _table(("service", "what", "distributions"), rows)
