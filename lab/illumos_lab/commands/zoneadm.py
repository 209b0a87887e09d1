"""zoneadm(8): administer zones."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from illumos_lab import zone_images, zone_life, zoneadm_usage
from illumos_lab.datasets import Dataset, DatasetError
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.image import VIRTUAL_BRANDS
from illumos_lab.invocation import Invocation
from illumos_lab.ipfilter.call import read_file, system_error
from illumos_lab.zone_brands import (
    BRANDS,
    NOT_A_DATASET,
    Brand,
    BrandUsageError,
    InstallPlan,
)
from illumos_lab.zone_states import (
    CONFIGURED,
    GLOBAL,
    INCOMPLETE,
    INSTALLED,
    READY,
    RUNNING,
    ZoneadmdError,
)
from illumos_lab.zone_verify import Verifier
from illumos_lab.zonecfg.model import Configuration
from illumos_lab.zonecfg.xmlfile import InvalidDocumentError, parse, render

_OK, _ERROR, _USAGE = range(3)


class _Failed(Exception):
    """The command ends with a message of its own.

    Attributes:
        status: exit status.
    """

    def __init__(self, text: str, status: int = _ERROR) -> None:
        super().__init__(text)
        self.status = status


class _WrongUsage(Exception):
    """The usage of the subcommand is to be shown; the text comes before it."""


@dataclass
class _Call:
    """One run of a subcommand.

    Attributes:
        host, run: where and by whom.
        zone: the zone; empty when none was named.
        name: the subcommand.
        words: its arguments.
    """

    host: Host
    run: Invocation
    zone: str
    name: str
    words: list[str]

    @property
    def state(self) -> str:
        """The zone's state now."""
        return self.host.zones.state(self.zone)

    @property
    def is_active(self) -> bool:
        """The zone exists in the kernel."""
        return self.host.zones.kernel_state(self.zone) is not None

    def fail(self, text: str) -> _Failed:
        """An error about the zone, or about none when none was named."""
        zone = f"zone '{self.zone}': " if self.zone else ""
        return _Failed(f"zoneadm: {zone}{text}\n")

    def check_inactive(self) -> None:
        """What the subcommand does cannot be done to a zone that exists in the kernel."""
        if self.is_active:
            raise self.fail(f"{self.name} operation is invalid for {self.state} zones.")

    def relay(self, text: str) -> None:
        """Print a line of zoneadmd."""
        self.run.err(f"zone '{self.zone}': {text}\n")

    def options(self, short: str) -> tuple[dict[str, str], list[str]]:
        """Options and operands of the subcommand.

        Raises:
            _WrongUsage: an option that it has not got.
        """
        if self.words[:1] == ["-?"]:
            raise _Failed(usage(self.name), _OK)
        try:
            found, operands = getopt(self.words, short, permute=False)
        except UnknownOptionError as error:
            raise _WrongUsage(f"{self.words[0]}: illegal option -- {str(error)[1:]}\n") from error
        except MissingValueError as error:
            raise _WrongUsage(
                f"{self.words[0]}: option requires an argument -- {str(error)[1:]}\n"
            ) from error
        return dict(found), operands


def main(host: Host, run: Invocation) -> int:
    """Run zoneadm; returns 0, 1 for an error, or 2 for wrong usage."""
    words = list(run.argv)
    zone: str | None = None
    while words and words[0].startswith("-") and len(words[0]) > 1:
        word = words.pop(0)
        letter, value = word[1], word[2:]
        if letter == "?":
            run.out(full_usage())
            return _OK
        if letter not in "zu" or not (value or words):
            complaint = "option requires an argument" if letter in "zu" else "illegal option"
            run.err(f"{run.path}: {complaint} -- {letter}\n{short_usage()}")
            return _USAGE
        value = value or words.pop(0)
        if letter == "z":
            zone = value
            continue
        try:
            zone = _zone_of_uuid(host, str(UUID(value))) or zone
        except ValueError:
            run.err("zoneadm: illegal UUID value specified\n")
            return _ERROR
    if not words:
        run.err(short_usage())
        return _USAGE
    name, arguments = words[0], words[1:]
    if name == "help":
        return _help(run, arguments)
    command = SUBCOMMANDS.get(name)
    if command is None:
        run.err(short_usage())
        return _USAGE
    call = _Call(host, run, zone or "", name, arguments)
    try:
        return _dispatch(call, command, named=zone is not None)
    except _WrongUsage as wrong:
        run.err(str(wrong) + usage(name))
        return _USAGE
    except _Failed as failed:
        run.err(str(failed))
        return failed.status


def _dispatch(call: _Call, command: Callable[[_Call], int], named: bool) -> int:
    if call.name == "list":
        if named and not _is_readable(call):
            raise _Failed(f"zoneadm: {call.zone}: No such zone configured\n")
        return _list(call, named)
    if not named and call.name == "attach" and "-n" in call.words:
        return command(call)
    if not named:
        if call.name == "install":
            raise _WrongUsage("")
        _check_caller(call)
        raise call.fail("no zone specified")
    if call.zone != GLOBAL and not call.host.zones.exists(call.zone):
        raise _Failed(f"zoneadm: {call.zone}: No such zone configured\n")
    _check_caller(call)
    return command(call)


def _is_readable(call: _Call) -> bool:
    zones = call.host.zones
    if call.zone == GLOBAL:
        return True
    if call.run.zone != GLOBAL:
        return call.zone == call.run.zone
    return zones.exists(call.zone) and zones.store.path(call.zone).exists()


def _check_caller(call: _Call) -> None:
    """Who may do it, and not to the global zone."""
    if call.run.zone != GLOBAL:
        if call.name in ("halt", "shutdown", "reboot"):
            raise call.fail(f"use {call.name}(8) to {call.name} this zone.")
        raise call.fail(f"must be in the global zone to {call.name} a zone.")
    if not call.run.privileged and not (call.name == "detach" and "-n" in call.words):
        raise call.fail(f"only a privileged user may {call.name} a zone.")
    if call.zone == GLOBAL:
        raise call.fail(f"{call.name} operation is invalid for the global zone.")
    if call.zone.startswith("SUNW"):
        raise call.fail(f"{call.name} operation is invalid for zones starting with SUNW.")


def _zone_of_uuid(host: Host, identity: str) -> str | None:
    entries = host.zones.store.index.entries()
    return next((entry.name for entry in entries if entry.uuid == identity), None)


# Usage -------------------------------------------------------------------------------------------


def usage(name: str) -> str:
    """Synopsis and description of a subcommand."""
    synopsis, description = zoneadm_usage.SUBCOMMANDS[name]
    return f"usage:\t{synopsis}\n{description}"


def short_usage() -> str:
    """The synopses of all subcommands."""
    lines = (f"{synopsis}\n" for synopsis, _ in zoneadm_usage.SUBCOMMANDS.values())
    return zoneadm_usage.HEAD + "Subcommands:\n\n" + "".join(lines) + "\n"


def full_usage() -> str:
    """The whole help text."""
    blocks = (f"{s}\n{description}\n" for s, description in zoneadm_usage.SUBCOMMANDS.values())
    return zoneadm_usage.HEAD + "Subcommands:\n\n" + "".join(blocks)


def _help(run: Invocation, words: list[str]) -> int:
    if not words:
        run.out(full_usage())
        return _OK
    if words[0] not in zoneadm_usage.SUBCOMMANDS:
        run.err(short_usage())
        return _USAGE
    run.err(usage(words[0]))
    return _OK


# list --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    zone_id: str
    name: str
    state: str
    zonepath: str
    uuid: str
    brand: str
    ip_type: str
    debug_id: str


def _list(call: _Call, named: bool) -> int:
    options, operands = call.options("pv" if named else "cinpv")
    if named and operands:
        raise _WrongUsage("")
    if "p" in options and "v" in options:
        raise call.fail("list -p and -v are mutually exclusive.")
    host, run = call.host, call.run
    names = [call.zone] if named else _listed(call, options)
    brands = host.zones.store.brands()
    lines = [_line(call, name, brands) for name in names]
    if "v" in options:
        run.out(_verbose("ID", "NAME", "STATUS", "PATH", "BRAND", "IP"))
    status = _OK
    for line in lines:
        if line is None:
            status = _ERROR if named else _OK
            continue
        if "v" in options:
            run.out(_verbose(line.zone_id, line.name, line.state, line.zonepath, line.brand, line.ip_type))
        elif "p" in options:
            path = line.zonepath.replace(":", "\\:")
            fields = [line.zone_id, line.name, line.state, path, line.uuid, line.brand]
            fields.append(line.ip_type)
            if host.profile.list_has_debug_id:
                fields.append(line.debug_id)
            run.out(":".join(fields) + "\n")
        else:
            run.out(line.name + "\n")
    return status


def _verbose(*columns: str) -> str:
    zone_id, name, state, path, brand, ip_type = columns
    return f"{zone_id:>4} {name:<16} {state:<10} {path:<30} {brand:<8} {ip_type:<6}\n"


def _listed(call: _Call, options: dict[str, str]) -> list[str]:
    zones = call.host.zones
    if call.run.zone != GLOBAL:
        return [call.run.zone]
    active = [zone.name for zone in zones.all_active()]
    names = active if "n" in options else [GLOBAL, *active]
    wanted = {"c": (CONFIGURED, INCOMPLETE, INSTALLED), "i": (INSTALLED,)}
    states = {state for letter in options for state in wanted.get(letter, ())}
    if call.host.profile.smartos_zonecfg:
        entries = zones.store.index.entries()
        return [entry.name for entry in entries if entry.name in names or entry.state in states]
    return names + [
        entry.name
        for entry in zones.store.index.entries()
        if entry.name not in (GLOBAL, *active) and entry.state in states
    ]


def _line(call: _Call, name: str, brands: Container[str]) -> _Line | None:
    """What is known of a zone; None, with or without a word, when it cannot be read."""
    zones = call.host.zones
    entry = zones.entry(name)
    identity = entry.uuid if entry else ""
    if name == GLOBAL:
        return _Line("0", GLOBAL, RUNNING, "/", identity, "ipkg", "shared", "0")
    active = zones.active(name)
    try:
        configuration = active.configuration if active else zones.config(name)
    except LookupError:
        call.run.err(f"zoneadm: {name}: could not get brand name: Wrong document type\n")
        return None
    brand = zones.store.brand_of(configuration)
    if brand not in brands:
        return None
    zone_id = str(active.zone_id) if active else "-"
    ip_type = "excl" if configuration.exclusive_ip else "shared"
    path = "/" if call.run.zone == name else configuration.zonepath
    debug_id = configuration.root.get("debugid")
    return _Line(zone_id, name, zones.state(name), path, identity, brand, ip_type, debug_id)


# verify ------------------------------------------------------------------------------------------


def _verify(call: _Call) -> int:
    _, operands = call.options("")
    if operands:
        raise _WrongUsage("")
    if call.state == INCOMPLETE:
        raise call.fail("zone is incomplete; uninstall required.")
    _check_configuration(call)
    return _OK


def _check_configuration(call: _Call) -> Configuration:
    """The zone's configuration, found to be fit for this host.

    Raises:
        _Failed: it is not.
    """
    try:
        configuration = call.host.zones.config(call.zone)
    except LookupError as error:
        raise _Failed(f"zoneadm: {call.zone}: No such zone configured\n") from error
    brand = call.host.zones.store.brand_of(configuration)
    if brand not in call.host.zones.store.brands():
        raise call.fail("missing or invalid brand")
    if not _verifier(call).verify(configuration):
        raise _Failed("")
    return configuration


def _verifier(call: _Call) -> Verifier:
    return Verifier(call.host, call.zone, call.name, call.run.out, call.run.err)


# install, clone, uninstall -----------------------------------------------------------------------


def _check_fresh(call: _Call) -> None:
    """The state that install, clone and attach need."""
    call.check_inactive()
    if call.state == INSTALLED:
        raise call.fail("is already installed.")
    if call.state == INCOMPLETE:
        raise call.fail("zone is incomplete; uninstall required.")


def _brand_of(call: _Call, configuration: Configuration) -> Brand:
    name = call.host.zones.store.brand_of(configuration)
    brand = BRANDS.get(name)
    # SmartOS' virtual machines are vmadm's, with attributes of another kind.
    if brand is None or (call.host.profile.smartos_zonecfg and name in VIRTUAL_BRANDS):
        raise call.fail(f"installing brand '{name}' is not emulated by illumos-lab")
    return brand


def _install(call: _Call) -> int:
    if "-?" in call.words:
        call.run.err(usage(call.name) + _brand_of(call, call.host.zones.config(call.zone)).usage)
        return _OK
    _check_fresh(call)
    configuration = _check_configuration(call)
    brand = _brand_of(call, configuration)
    with call.host.zones.locked(call.zone):
        if call.state == INSTALLED:
            # The one that was waited for has done it; the real program would install once more.
            raise call.fail("is already installed.")
        call.host.zones.set_state(call.zone, INCOMPLETE)
        _make_zonepath(call, configuration.zonepath)
        try:
            plan = brand.parse_install(call.words)
        except BrandUsageError as wrong:
            call.run.err(str(wrong) + usage(call.name))
            return _ERROR
        if not _run_brand_install(call, configuration, brand, plan):
            return _ERROR
        call.host.zones.set_state(call.zone, INSTALLED)
    return _OK


def _run_brand_install(call: _Call, configuration: Configuration, brand: Brand, plan: InstallPlan) -> bool:
    host, zonepath = call.host, configuration.zonepath
    if brand.needs_dataset and host.datasets.by_mountpoint(zonepath) is None:
        call.run.err(NOT_A_DATASET)
        return False
    if not plan.silent:
        call.run.out(f"Preparing image of brand {brand.name}.\n")
    zone_life.pause(host, brand.seconds)
    if plan.image and not zone_images.exists(host, plan.image):
        call.run.err(f"ERROR: {plan.image}: no such dataset, snapshot, file or directory\n")
        return False
    host.runtime.create_zone_root(zonepath, brand.name)
    root = host.zone_root(call.zone)
    if brand.native:
        try:
            host.packages.populate(
                root, brand.name, plan.packages, overlays=plan.overlays, partial=plan.partial
            )
        except (LookupError, OSError) as error:
            call.run.err(f"ERROR: failed to install package: {error}\n")
            return False
    if plan.image:
        zone_images.unpack(host, plan.image, root)
    if plan.unconfigure:
        zone_images.unconfigure(root)
    if brand.sysidcfg:
        zone_images.make_solaris10(host, root, ask=plan.unconfigure)
    if brand.name in VIRTUAL_BRANDS:
        zone_images.identify(root, host.zones.require(call.zone).uuid)
    if not plan.silent:
        call.run.out(f"Installation of zone {call.zone} complete.\n")
    return True


def _make_zonepath(call: _Call, zonepath: str) -> None:
    host = call.host
    path = host.root / zonepath.lstrip("/")
    if host.datasets.by_mountpoint(zonepath) is None:
        parent, _, name = zonepath.rpartition("/")
        dataset = host.datasets.by_mountpoint(parent or "/")
        if dataset is not None and not (path.exists() and any(path.iterdir())):
            _make_dataset(call, f"{dataset.name}/{name}")
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)


def _make_dataset(call: _Call, name: str) -> None:
    """A dataset that cannot be made is only told of; the zone then lives in a plain directory."""
    try:
        call.host.datasets.create(name, {}, False)
    except DatasetError as error:
        call.run.err(f"zoneadm: zone '{call.zone}': {error}\n")
    else:
        call.run.out("A ZFS file system has been created for this zone.\n")


def _clone(call: _Call) -> int:
    options, operands = call.options("m:s:")
    if len(operands) != 1:
        raise _WrongUsage("")
    if options.get("m", "copy") != "copy":
        raise _WrongUsage("")
    source = operands[0]
    zones = call.host.zones
    _check_fresh(call)
    configuration = _check_configuration(call)
    if source == GLOBAL:
        raise call.fail("clone operation is invalid for the global zone.")
    if source.startswith("SUNW"):
        raise call.fail("clone operation is invalid for zones starting with SUNW.")
    if not zones.exists(source):
        raise _Failed(f"zoneadm: {source}: could not get state: No such zone configured\n")
    active = zones.kernel_state(source)
    if active is not None:
        raise call.fail(f"clone operation is invalid for {active} zones.")
    if zones.state(source) != INSTALLED:
        raise _Failed(f"zoneadm: zone {source} is {zones.state(source)}; {INSTALLED} is required.\n")
    origin = zones.config(source)
    if zones.store.brand_of(origin) != zones.store.brand_of(configuration):
        raise _Failed(f"zoneadm: Zones '{source}' and '{call.zone}' have different brand types.\n")
    _warn_of_shared_settings(call, configuration, origin)
    brand = _brand_of(call, configuration)
    with zones.locked(call.zone):
        snapshot = _snapshot_of(call, options, origin, configuration)
        zones.set_state(call.zone, INCOMPLETE)
        zone_life.pause(call.host, brand.seconds / 2)
        if snapshot is None:
            _make_zonepath(call, configuration.zonepath)
            call.run.out(f"Copying {origin.zonepath}...\n")
            zone_images.copy_zone(call.host, origin.zonepath, configuration.zonepath, brand.name)
        else:
            _clone_dataset(call, snapshot, configuration.zonepath, brand)
        _unconfigure(call, brand)
        zones.set_state(call.zone, INSTALLED)
    return _OK


def _snapshot_of(
    call: _Call, options: dict[str, str], origin: Configuration, configuration: Configuration
) -> str | None:
    """The snapshot to clone, a new one unless one is named; None when files are to be copied."""
    datasets = call.host.datasets
    source = datasets.by_mountpoint(origin.zonepath)
    parent = datasets.by_mountpoint(configuration.zonepath.rpartition("/")[0] or "/")
    if "s" in options:
        named = options["s"]
        if source is None or named.partition("@")[0] != source.name or datasets.get(named) is None:
            raise call.fail(f"{named} is no snapshot of zone {origin.name}.")
        return named
    taken = call.host.path(GLOBAL, configuration.zonepath).exists()
    if "m" in options or source is None or parent is None or taken:
        return None
    free = (f"{source.name}@SUNWzone{number}" for number in itertools.count(1))
    name = next(name for name in free if datasets.get(name) is None)
    datasets.snapshot(name)
    return name


def _clone_dataset(call: _Call, snapshot: str, zonepath: str, brand: Brand) -> None:
    datasets = call.host.datasets
    parent, _, name = zonepath.rpartition("/")
    above = datasets.by_mountpoint(parent or "/")
    if above is None:
        raise call.fail(f"the parent directory of {zonepath} is no ZFS file system.")
    call.run.out(f"Cloning snapshot {snapshot}\n")
    try:
        datasets.clone(snapshot, f"{above.name}/{name}")
    except DatasetError as error:
        raise call.fail(str(error)) from error
    call.run.out("Instead of copying, a ZFS clone has been created for this zone.\n")
    call.host.path(GLOBAL, zonepath).chmod(0o700)
    call.host.runtime.create_zone_root(zonepath, brand.name, datasets.require(snapshot).contents)


def _unconfigure(call: _Call, brand: Brand) -> None:
    """What the brand's own script does to a copy: take the identity of the original out of it."""
    root = call.host.zone_root(call.zone)
    if brand.native:
        zone_images.unconfigure(root)
    if brand.ipkg_family:
        zone_images.close(root)
    if brand.name in VIRTUAL_BRANDS:
        zone_images.identify(root, call.host.zones.require(call.zone).uuid)


def _warn_of_shared_settings(call: _Call, configuration: Configuration, origin: Configuration) -> None:
    theirs = {net.address or net.allowed_address for net in origin.nets()}
    for net in configuration.nets():
        address = net.address or net.allowed_address
        if address and address in theirs:
            call.run.err(f"WARNING: network address '{address}' is configured in both zones.\n")


def _uninstall(call: _Call) -> int:
    options, _ = call.options("F")
    call.check_inactive()
    if call.state == CONFIGURED:
        raise call.fail(f"is already in state '{CONFIGURED}'.")
    if "F" not in options:
        if not call.run.stdin_isatty():
            raise call.fail("Input not from terminal and -F not specified: uninstall not done.")
        call.run.out(f"Are you sure you want to uninstall zone {call.zone} (y/[n])? ")
        if not _answer(call.run):
            return _OK
    with call.host.zones.locked(call.zone):
        call.host.consoles.notice(call.zone, "Zone is being uninstalled.  Disconnecting...", last=True)
        zonepath = call.host.zones.zonepath(call.zone)
        _check_unmounted(call, f"{zonepath}/root")
        call.host.zones.set_state(call.zone, INCOMPLETE)
        call.host.runtime.destroy_zone_root(zonepath)
        _remove_zonepath(call, zonepath)
        call.host.zones.set_state(call.zone, CONFIGURED)
    return _OK


def _check_unmounted(call: _Call, root: str) -> None:
    """Nothing of the global zone may be mounted below the root directory of a zone that goes."""
    datasets = call.host.datasets
    places = (datasets.value(each, "mountpoint") for each in datasets.all() if each.mounted)
    if inside := [place for place in places if place.startswith(f"{root}/")]:
        lines = [f"These file systems are mounted on subdirectories of {root}.\n"]
        lines += [f"  {place}\n" for place in inside]
        raise _Failed("".join(str(call.fail(line)) for line in lines))


def _answer(run: Invocation) -> bool:
    return os.read(run.stdin, 64)[:1].lower() == b"y"


def _remove_zonepath(call: _Call, zonepath: str) -> None:
    host = call.host
    dataset = host.datasets.by_mountpoint(zonepath)
    if dataset is not None:
        try:
            _destroy_dataset(host, dataset)
        except DatasetError as error:
            call.run.err(f"zoneadm: zone '{call.zone}': {error}\n")
    path = host.root / zonepath.lstrip("/")
    if not path.exists():
        return
    shutil.rmtree(path / "root", ignore_errors=True)
    try:
        path.rmdir()
    except OSError:
        call.run.err(
            f"WARNING: Unable to completely remove {zonepath}\n"
            "because it contains additional user data.  Only the standard directory\n"
            "entries have been removed.\n"
        )


def _destroy_dataset(host: Host, dataset: Dataset) -> None:
    """Destroy a zonepath's dataset: its clones live on, and a snapshot that was taken for it goes, too."""
    datasets = host.datasets
    while clones := datasets.clones(dataset.name):
        datasets.promote(clones[0].name)
    origin = dataset.origin
    datasets.destroy(dataset.name, True)
    if "@SUNWzone" in origin and not datasets.clones(origin):
        datasets.destroy(origin)


# attach, detach, move, mark ----------------------------------------------------------------------


def _check_installed(call: _Call) -> None:
    call.check_inactive()
    if call.state != INSTALLED:
        raise call.fail(f"must be installed before {call.name}.")


def _detach(call: _Call) -> int:
    options, _ = call.options("n")
    if "n" in options:
        call.run.out(render(call.host.zones.config(call.zone).document))
        return _OK
    _check_installed(call)
    configuration = _check_configuration(call)
    with call.host.zones.locked(call.zone):
        zonepath = call.host.root / configuration.zonepath.lstrip("/")
        (zonepath / "SUNWdetached.xml").write_text(render(configuration.document))
        call.host.zones.set_state(call.zone, CONFIGURED)
    return _OK


def _attach(call: _Call) -> int:
    options, operands = call.options("Fn:uU")
    if operands:
        raise _WrongUsage("")
    if "F" in options and "n" in options:
        raise call.fail("-F and -n flags are mutually exclusive")
    if "n" in options:
        return _try_attach(call, options["n"])
    call.check_inactive()
    if call.state == INSTALLED:
        raise call.fail("is already installed.")
    if call.state == INCOMPLETE and not {"F", "U"} & options.keys():
        raise call.fail("zone is incomplete; uninstall required.")
    configuration = _check_configuration(call)
    zonepath = call.host.root / configuration.zonepath.lstrip("/")
    manifest = zonepath / "SUNWdetached.xml"
    if not manifest.exists() and "F" not in options:
        raise _Failed(f"zoneadm: could not read manifest: {configuration.zonepath}\n")
    with call.host.zones.locked(call.zone):
        try:
            call.host.runtime.mount_zone_root(configuration.zonepath)
        except OSError as error:
            raise call.fail(f"could not mount {configuration.zonepath}/root") from error
        if manifest.exists():
            if "F" in options:
                manifest.rename(zonepath / "SUNWattached.xml")
            else:
                manifest.unlink()
        call.host.zones.set_state(call.zone, INSTALLED)
    return _OK


def _try_attach(call: _Call, name: str) -> int:
    """Look at the manifest of a detached zone, which need not be configured here."""
    try:
        text = read_file(call.host, call.run, name)
    except OSError as error:
        where = "" if name.startswith("/") else f"{call.run.cwd}/"
        raise call.fail(f"could not open manifest path {where}{name}: {system_error(error)}") from error
    try:
        configuration = Configuration(parse(text))
    except InvalidDocumentError as error:
        what = "Input is not a valid XML file" if name == "-" else f"{name} is not an XML file"
        raise call.fail(what) from error
    if call.host.zones.store.brand_of(configuration) not in call.host.zones.store.brands():
        raise call.fail("missing or invalid brand")
    return _OK


def _mark(call: _Call) -> int:
    """``mark incomplete``; with the private -F any state. Wrong usage is not told of."""
    try:
        options, operands = getopt(call.words, "F", permute=False)
    except UnknownOptionError:
        return _USAGE
    states = {INCOMPLETE, CONFIGURED, INSTALLED} if options else {INCOMPLETE}
    if len(operands) != 1 or operands[0] not in states:
        return _USAGE
    call.check_inactive()
    with call.host.zones.locked(call.zone):
        call.host.zones.set_state(call.zone, operands[0])
    return _OK


def _move(call: _Call) -> int:
    _, operands = call.options("")
    if len(operands) != 1:
        raise _WrongUsage("")
    _check_installed(call)
    configuration = _check_configuration(call)
    old, new = configuration.zonepath, operands[0].rstrip("/")
    if not _verifier(call).verify_zonepath(new):
        return _ERROR
    host = call.host
    target = host.path(GLOBAL, new)
    if target.exists() and any(target.iterdir()):
        raise _Failed(f"could not move zone to {new}: directory not empty\n")
    with host.zones.locked(call.zone):
        host.runtime.move_zone_root(old, new)
        try:
            _move_files(host, old, new)
        except (DatasetError, OSError) as error:
            host.runtime.move_zone_root(new, old)
            host.runtime.mount_zone_root(old)
            raise call.fail(f"could not move zone: {error}") from error
        configuration.root.attributes["zonepath"] = new
        host.zones.store.save(configuration, call.zone)
        host.runtime.mount_zone_root(new)
    return _OK


def _move_files(host: Host, old: str, new: str) -> None:
    """Rename the zonepath's dataset when the new place is below a dataset too, else its directory."""
    source, target = host.path(GLOBAL, old), host.path(GLOBAL, new)
    if target.exists():
        target.rmdir()
    parent, _, name = new.rpartition("/")
    dataset = host.datasets.by_mountpoint(old)
    above = host.datasets.by_mountpoint(parent or "/")
    if dataset is None:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
    elif above is not None and "mountpoint" not in dataset.local:
        host.datasets.rename(dataset.name, f"{above.name}/{name}")
    else:
        host.datasets.set(dataset.name, {"mountpoint": new})


# boot, ready, halt, shutdown, reboot -------------------------------------------------------------


def _relayed(call: _Call, work: Callable[[Host, str], None], *, call_failed: bool = False) -> int:
    """Let zoneadmd do something, and pass on what it says when it fails."""
    try:
        work(call.host, call.zone)
    except ZoneadmdError as error:
        for line in error.lines:
            call.relay(line)
        if call_failed:
            raise call.fail("call to zoneadmd failed") from error
        return _ERROR
    return _OK


def _no_operands(call: _Call) -> None:
    _, operands = call.options("")
    if operands:
        raise _WrongUsage("")


def _boot(call: _Call) -> int:
    """``boot [-s] [-- ARGS]``; -s is an old way to give it as an argument."""
    options, operands = call.options("s")
    # There is no space after it: that is so in the original.
    text = ("-s" if "s" in options else "") + " ".join(operands)
    if call.state == RUNNING:
        call.relay("zone is already booted")
        return _OK
    if call.state not in (INSTALLED, READY):
        raise call.fail("must be installed before boot.")
    _check_configuration(call)
    with call.host.zones.locked(call.zone):
        if call.state == RUNNING:
            call.relay("zone is already booted")
            return _OK
        work = partial(zone_life.boot, text=text, warn=call.relay)
        return _relayed(call, work, call_failed=True)


def _ready(call: _Call) -> int:
    _no_operands(call)
    if call.state == READY:
        call.relay("zone is already ready")
        return _OK
    if call.state not in (INSTALLED, RUNNING):
        raise call.fail("must be installed before ready.")
    _check_configuration(call)
    with call.host.zones.locked(call.zone):
        zone_life.halt(call.host, call.zone)
        return _relayed(call, zone_life.ready, call_failed=True)


def _halt(call: _Call) -> int:
    _no_operands(call)
    if call.state in (CONFIGURED, INCOMPLETE):
        call.relay(f"halt operation is invalid for zones in state '{call.state}'")
        return _ERROR
    with call.host.zones.locked(call.zone):
        if call.state == INSTALLED:
            call.relay("zone is already halted")
            return _OK
        return _relayed(call, zone_life.halt)


def _shutdown(call: _Call) -> int:
    options, operands = call.options("r")
    _check_running(call)
    status = _relayed(call, zone_life.shutdown)
    if status != _OK or "r" not in options:
        return status
    return _relayed(call, partial(zone_life.boot, text=" ".join(operands), warn=call.relay))


def _reboot(call: _Call) -> int:
    _, operands = call.options("")
    _check_running(call)
    if call.state == RUNNING:
        _check_configuration(call)
    return _relayed(call, partial(zone_life.reboot, text=" ".join(operands), warn=call.relay))


def _check_running(call: _Call) -> None:
    if not call.is_active:
        raise call.fail("not running")
    if call.state == READY:
        raise _Failed(f"zone '{call.zone}': {call.name} operation is invalid for zones in state 'ready'\n")


def _sysboot(call: _Call) -> int:
    if call.state != INSTALLED:
        raise call.fail(f"sysboot operation is invalid for {call.state} zones.")
    call.host.runtime.mount_zone_root(call.host.zones.zonepath(call.zone))
    return _OK


SUBCOMMANDS: dict[str, Callable[[_Call], int]] = {
    "attach": _attach,
    "boot": _boot,
    "clone": _clone,
    "detach": _detach,
    "halt": _halt,
    "install": _install,
    "list": lambda call: _list(call, named=True),
    "mark": _mark,
    "move": _move,
    "ready": _ready,
    "reboot": _reboot,
    "shutdown": _shutdown,
    "sysboot": _sysboot,
    "uninstall": _uninstall,
    "verify": _verify,
}
"""What the lab emulates."""

SYNOPSES = {name: synopsis for name, (synopsis, _) in zoneadm_usage.SUBCOMMANDS.items()}
"""How each is called."""
