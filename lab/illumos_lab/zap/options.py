"""What ``zap create-zone`` is asked for, and what it refuses before it touches anything."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from illumos_lab.commands.psrinfo import PROCESSORS
from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.memory import MEMORY_MEGABYTES
from illumos_lab.zap.records import Records, short_network

PROGRAM = "/usr/lib/zap/create-zone"
LETTERS = "6a:A:Bc:Cd:D:f:F:i:I:k:K:L:m:M:n:o:O:p:P:R:s:S:t:T:U:v:V:x:z:"
"""The options of create-zone."""

ROUTER_PACKAGES = ("TRIBnet-ipfilter", "TRIBdnsmasq", "TRIBblix-haproxy2")

_TEMPLATES = {
    "sparse": "TRIBsparse",
    "whole": "TRIBwhole",
    "alien": "TRIBalien",
    "appstack": "TRIBappstack",
    "s10": "SUNWsolaris10",
    "solaris10": "SUNWsolaris10",
    "lx": "SUNWlx",
    "bhyve": "bhyve",
    "emu": "emu",
}
_STYLES = {"TRIBsparse": "sparse-root", "TRIBwhole": "whole-root", "TRIBalien": "alien"}
_REFUSED_LETTERS = {
    "6": "IPv6",
    "B": "blank zones",
    "K": "the konfigurator",
}
_MEGABYTES = {"M": 1, "G": 1024, "T": 1024 * 1024}
_RESERVED_MEGABYTES = 128


class RefusedError(Exception):
    """The request is refused; the text is what is printed.

    Attributes:
        status: exit status.
        usage: the usage follows.
    """

    def __init__(self, text: str, status: int = 2, *, usage: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.usage = usage


@dataclass
class Request:
    """A zone that is asked for.

    Attributes:
        zone: its name.
        template: of its configuration, such as ``TRIBwhole``.
        router: it is completely managed by zap, DHCP and DNS included.
        shared, exclusive: addresses without prefix.
        networks: those that it routes for, as address and length.
        overlays, extra_overlays: the install options ``-o`` and ``-O``.
        packages, extra_packages: ``-p`` and ``-P``.
        image: archive that an alien zone is made of.
        directories: created for the zone.
        datasets: delegated to the zone.
        shares: directories of the global zone, and whether the zone may only read them.
        users: accounts of the global zone that the zone gets, with their homes.
        memory, cpus: caps; empty for none.
        flow: properties of a flow on each of its links; empty for none.
        ssh_key: file with a key for root; empty for none.
    """

    zone: str
    template: str
    router: bool = False
    shared: list[str] = field(default_factory=list)
    exclusive: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    overlays: list[str] = field(default_factory=list)
    extra_overlays: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    extra_packages: list[str] = field(default_factory=list)
    image: str = ""
    directories: list[str] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)
    shares: list[tuple[str, bool]] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    memory: str = ""
    cpus: str = ""
    flow: str = ""
    ssh_key: str = ""


def usage() -> str:
    """How create-zone is called."""
    letters = re.findall(r"(\w)(:?)", LETTERS)
    listed = [f"[-{letter}{' value' if value else ''}]" for letter, value in letters if letter != "z"]
    return f"Usage: {PROGRAM} -z zone_name\n  {' '.join(listed)}\n"


def read(argv: Sequence[str]) -> tuple[Options, str]:
    """Read the options.

    Returns:
        the options; complaints about those that do not exist, which are passed over as ksh93 does.
    """
    rest = list(argv)
    complaints = ""
    while True:
        try:
            return Options(*getopt(rest, LETTERS, permute=False)), complaints
        except UnknownOptionError as error:
            complaints += f"{PROGRAM}: {error}: unknown option\n"
            rest = _without(str(error)[1:], rest)
        except MissingValueError as error:
            complaints += f"{PROGRAM}: {error}: argument expected\n"
            rest.pop()


def _without(letter: str, words: list[str]) -> list[str]:
    """The words without the first option of that letter."""
    position = next(index for index, word in enumerate(words) if word.startswith("-") and letter in word)
    shorter = words[position].replace(letter, "", 1)
    return [*words[:position], *([shorter] if shorter != "-" else []), *words[position + 1 :]]


def parse(options: Options, host: Host) -> Request:
    """What the options ask for.

    Raises:
        RefusedError: they do not make a zone, or one that the lab cannot play.
    """
    if "z" not in options:
        raise RefusedError("ERROR: zone name must be specified", usage=True)
    for letter, what in _REFUSED_LETTERS.items():
        if letter in options:
            raise RefusedError(f"{PROGRAM}: -{letter}: {what}: not emulated by illumos-lab", 1)
    request = _request(options)
    if request.zone == "global":
        raise RefusedError("ERROR: the name global is reserved", 1)
    if request.router:
        _check_router(request, options)
    _check_brand(request, options, host)
    _check_combinations(request, options)
    return request


def _request(options: Options) -> Request:
    kind = options.get("t") or "sparse"
    template = "TRIBwhole" if kind == "router" else _TEMPLATES.get(kind, kind)
    if template not in _TEMPLATES.values():
        raise RefusedError(f"ERROR: unrecognized brand {kind}", usage=True)
    return Request(
        zone=options.get("z") or "",
        template=template,
        router=kind == "router",
        shared=options.all("i"),
        exclusive=options.all("x"),
        networks=options.all("R"),
        overlays=options.all("o"),
        extra_overlays=options.all("O"),
        packages=options.all("p"),
        extra_packages=options.all("P"),
        image=options.get("I") or "",
        directories=options.all("d"),
        datasets=options.all("D"),
        shares=[(path, False) for path in options.all("S")] + [(path, True) for path in options.all("s")],
        users=options.all("U"),
        memory=options.get("m") or "",
        cpus=options.get("c") or "",
        flow=options.get("F") or "",
        ssh_key=options.get("k") or "",
    )


def _check_router(request: Request, options: Options) -> None:
    """A router zone is zap's own: the caller chooses name, addresses and networks."""
    wrong = {
        "Must specify a network with -R for a router zone": not request.networks,
        "router zones require -x, not -i": bool(request.shared),
        "router zones require a primary interface be specified with -x": not request.exclusive,
        "cannot build multiple router zones": "n" in options,
        "cannot specify overlays for router zones": "o" in options or "O" in options,
        "cannot specify packages for router zones": "p" in options or "P" in options,
    }
    _refuse_first(wrong)
    request.overlays = ["base"]
    request.extra_packages = list(ROUTER_PACKAGES)


def _check_brand(request: Request, options: Options, host: Host) -> None:
    template = request.template
    if template == "SUNWlx":
        raise RefusedError("ERROR: lx zones are only supported on omnitribblix", usage=True)
    if template in ("bhyve", "emu"):
        software = "bhyve" if template == "bhyve" else "qemu"
        if not host.path("global", f"/var/sadm/overlays/installed/{software}").is_file():
            hint = f"  To install, zap install-overlay {software}"
            raise RefusedError(f"ERROR: {software} not found\n{hint}", usage=True)
    if template not in _STYLES:
        raise RefusedError(f"{PROGRAM}: -t {options.get('t')}: not emulated by illumos-lab", 1)
    style = _STYLES[template]
    whole = template == "TRIBwhole"
    _refuse_first(
        {
            f"cannot specify overlays for {style} zones": not whole and ("o" in options or "O" in options),
            f"cannot specify packages for {style} zones": not whole and ("p" in options or "P" in options),
            "templates must be sparse-root": template != "TRIBsparse" and "T" in options,
            f"cannot install a {style} zone from an image": template != "TRIBalien" and "I" in options,
            "an alien zone requires an image to be specified": template == "TRIBalien"
            and not request.image,
        }
    )
    if "T" in options:
        raise RefusedError(f"ERROR: no such template {options.get('T')}", 1)
    if request.image and not request.image.startswith("/"):
        raise RefusedError(f"{PROGRAM}: -I {request.image}: downloads: not emulated by illumos-lab", 1)


def _check_combinations(request: Request, options: Options) -> None:
    _refuse_first(
        {
            "cannot specify both -i and -x": bool(request.exclusive and request.shared),
            "flow properties require a primary interface be specified with -x": (
                bool(request.flow) and not request.exclusive
            ),
            "proxy zones require -x, not -i": bool(request.networks and request.shared),
            "proxy zones require a primary interface be specified with -x": (
                bool(request.networks) and not request.exclusive
            ),
            "proxy zones must not be of type alien": bool(
                request.networks and request.template == "TRIBalien"
            ),
            "cannot build multiple proxy zones": bool(request.networks) and "n" in options,
            "-v option only valid for bhyve or emu": "v" in options,
            "-V option only valid for bhyve or emu": "V" in options,
            "-a option only valid for appstack zones": "a" in options,
            "-A option only valid for appstack zones": "A" in options,
        }
    )
    if request.memory:
        _check_memory(request.memory)
    # What is no number is left to zonecfg.
    if re.fullmatch(r"[\d.]+", request.cpus) and float(request.cpus) > PROCESSORS:
        raise RefusedError(f"ERROR: -c request exceeds available cpus {PROCESSORS}", usage=True)


def _check_memory(size: str) -> None:
    if size[-1] not in _MEGABYTES or not size[:-1].isdigit():
        raise RefusedError("ERROR: -m must be in G or M or T", usage=True)
    available = 0.9 * (MEMORY_MEGABYTES - _RESERVED_MEGABYTES)
    if int(size[:-1]) * _MEGABYTES[size[-1]] > available:
        raise RefusedError(f"ERROR: -m request exceeds available memory {available:g}M", usage=True)


def _refuse_first(wrong: dict[str, bool]) -> None:
    for text, refused in wrong.items():
        if refused:
            raise RefusedError(f"ERROR: {text}", usage=True)


# What depends on the host ------------------------------------------------------------------------


def check_host(request: Request, host: Host, records: Records) -> None:
    """Compare a request with what is on the host.

    Raises:
        RefusedError: it asks for what is taken, or for what is not there.
    """
    if request.ssh_key and not host.path("global", request.ssh_key).is_file():
        raise RefusedError(f"ERROR: ssh key file {request.ssh_key} does not exist", usage=True)
    if records.programs.succeeds("/usr/sbin/zoneadm", "-z", request.zone, "list"):
        raise RefusedError(f"ERROR: zone {request.zone} already exists", 1)
    for network in request.networks:
        _check_network(network, records)
    for path, _ in request.shares:
        if not host.path("global", path).is_dir():
            raise RefusedError(f"ERROR: shared directory {path} not found", 1)
    for dataset in request.datasets:
        if dataset.startswith("/"):
            raise RefusedError("ERROR: dataset cannot be a directory", 1)
        if "/" not in dataset:
            raise RefusedError("ERROR: dataset cannot be a top-level pool", 1)
    for user in request.users:
        if user not in accounts(host):
            raise RefusedError(f"ERROR: user {user} doesn't exist, cannot share", 1)
    _check_software(request, host)
    _check_repetitions(request)
    if request.image and not host.path("global", request.image).is_file():
        raise RefusedError("ERROR: specified image not found", usage=True)


def accounts(host: Host) -> dict[str, list[str]]:
    """The global zone's own accounts: the fields of /etc/passwd by name."""
    lines = host.path("global", "/etc/passwd").read_text().splitlines()
    return {line.split(":")[0]: line.split(":") for line in lines}


def _check_network(network: str, records: Records) -> None:
    """A network that can be routed is a /8, /16 or /24 whose enclosing networks are not routed yet."""
    address, slash, prefix = network.partition("/")
    octets = address.split(".")
    if len(octets) != 4 or not slash or not all(octet.isdigit() for octet in octets):
        what = "network" if len(octets) > 4 or "/" in prefix else "address"
        raise RefusedError(f"Invalid proxy {what} {network}\n  Expected a.b.c.d/prefix")
    if prefix not in ("8", "16", "24"):
        raise RefusedError(f"Invalid proxy prefix /{prefix}\n  Supported values: /8 /16 /24")
    numbers = [int(octet) for octet in octets]
    names = ("first", "second", "third", "fourth")
    for position, (name, number) in enumerate(zip(names, numbers, strict=True)):
        low, high = (1, 223) if position == 0 else (0, 255)
        if position >= int(prefix) // 8 and number:
            wanted = "0" if position == 3 else f"zero for /{prefix}"
            problem = f"{name} octet {number} out of range, must be {wanted}"
            raise RefusedError(f"Invalid proxy network {network}\n  {problem}")
        if not low <= number <= high:
            raise RefusedError(f"Invalid proxy network {network}\n  {name} octet {number} out of range")
    for length in (8, 16, 24)[: int(prefix) // 8]:
        short = short_network(address, length)
        if records.file("rconfig", short).is_file():
            owner = "\n".join(records.values(short, "zone:"))
            parent = f"parent network {short}{'.0' * (4 - length // 8)}/{length} for "
            what = "network " if length == int(prefix) else parent
            raise RefusedError(f"ERROR: {what}{network} is already in use by zone {owner}")


def _check_software(request: Request, host: Host) -> None:
    def there(path: str) -> bool:
        return host.path("global", path).is_file()

    for overlay in [*request.overlays, *request.extra_overlays]:
        if not there(f"/var/sadm/overlays/{overlay}.ovl"):
            raise RefusedError(f"ERROR: unrecognized overlay {overlay}", 1)
    for overlay in request.overlays:
        if not there(f"/var/sadm/overlays/installed/{overlay}"):
            raise RefusedError(f"ERROR: overlay {overlay} is not installed in the global zone", 1)
    for package in request.packages:
        if not there(f"/var/sadm/pkg/{package}/pkginfo"):
            raise RefusedError(f"ERROR: unrecognized package {package}", 1)


def _check_repetitions(request: Request) -> None:
    groups = {
        "ip": [*request.shared, *request.exclusive, *request.networks],
        "overlay": [*request.overlays, *request.extra_overlays],
        "package": [*request.packages, *request.extra_packages],
        "directory": request.directories,
        "dataset": request.datasets,
        "share": [path for path, _ in request.shares],
        "user": request.users,
    }
    for what, words in groups.items():
        twice = sorted(word for word, times in Counter(words).items() if times > 1)
        if twice:
            raise RefusedError(f"ERROR: duplicate {what}(s) {' '.join(twice)} ")
