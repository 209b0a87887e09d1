"""zfs(8): file systems of the host's pool."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from illumos_lab import zone_mounts
from illumos_lab.datasets import (
    AVAILABLE,
    PROPERTIES,
    READ_ONLY,
    REFERENCED,
    USED,
    VOLUME_BLOCK,
    WRONG_TYPE,
    Dataset,
    DatasetError,
    nice_size,
    parse_size,
)
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.table import format_table
from illumos_lab.zone_states import GLOBAL

_OK, _ERROR, _USAGE = 0, 1, 2

SYNOPSES = {
    "create": (
        "create [-p] [-o property=value] ... <filesystem>\n"
        "\tcreate [-ps] [-b blocksize] [-o property=value] ... -V <size> <volume>\n"
    ),
    "destroy": "destroy [-fnpRrv] <filesystem|volume>\n\tdestroy [-dnpRrv] <snapshot>\n",
    "snapshot": "snapshot|snap [-r] [-o property=value] ... <filesystem@snapname> ...\n",
    "clone": "clone [-p] [-o property=value] ... <snapshot> <filesystem|volume>\n",
    "promote": "promote <clone-filesystem>\n",
    "rollback": "rollback [-rRf] <snapshot>\n",
    "rename": "rename [-f] <filesystem|volume|snapshot> <filesystem|volume|snapshot>\n",
    "list": (
        "list [-Hp] [-r|-d max] [-o property[,...]] [-s property]...\n"
        "\t    [-S property]... [-t type[,...]] [filesystem|volume|snapshot|path] ...\n"
    ),
    "set": "set <property=value> ... <filesystem|volume|snapshot> ...\n",
    "get": (
        'get [-crHp] [-d max] [-o "all" | field[,...]]\n'
        "\t    [-t type[,...]] [-s source[,...]]\n"
        '\t    <"all" | property[,...]> [filesystem|volume|snapshot|bookmark] ...\n'
    ),
    "inherit": "inherit [-rS] <property> <filesystem|volume|snapshot> ...\n",
    "mount": "mount\n\tmount [-vO] [-o opts] <-a | filesystem>\n",
    "unmount": "unmount [-f] <-a | filesystem|mountpoint>\n",
}
"""How each subcommand is called."""
_ALIASES = {"snap": "snapshot", "umount": "unmount"}
_NOT_EMULATED_WORDS = """
    upgrade userspace groupspace projectspace share unshare send
    receive recv allow unallow hold holds release diff bookmark program remap load-key
    unload-key change-key wait redact
"""
NOT_EMULATED = frozenset(_NOT_EMULATED_WORDS.split())
"""What illumos has besides."""
_SHORT = {"avail": "available", "refer": "referenced", "mountpoint": "mountpoint"}
_HEADERS = {"available": "AVAIL", "referenced": "REFER", "compressratio": "RATIO"}
_NUMBERS = frozenset(
    (
        *("used", "available", "referenced", "compressratio", "volsize", "written", "logicalused"),
        *("usedbysnapshots", "usedbydataset", "usedbychildren", "recordsize"),
        *("quota", "reservation", "refquota", "refreservation"),
    )
)
_CHANGING = ("create", "destroy", "clone", "rename", "set", "inherit", "mount", "unmount")
_TYPES = {
    "filesystem": ("filesystem",),
    "volume": ("volume",),
    "snapshot": ("snapshot",),
    "snap": ("snapshot",),
    "fs": ("filesystem",),
    "vol": ("volume",),
    "all": ("filesystem", "volume", "snapshot"),
}


class _UsageError(Exception):
    """The call is wrong; the text explains."""


@dataclass
class _Call:
    host: Host
    run: Invocation
    command: str
    argv: Sequence[str]

    def options(self, letters: str) -> tuple[list[tuple[str, str]], list[str]]:
        try:
            return getopt(self.argv, letters, permute=False)
        except UnknownOptionError as error:
            raise _UsageError(f"invalid option '{str(error).lstrip('-')}'") from error
        except MissingValueError as error:
            raise _UsageError(f"missing argument for '{str(error).lstrip('-')}' option") from error

    def visible(self) -> list[Dataset]:
        """What the caller's zone sees: the datasets that are its own, what is below and above them."""
        every = self.host.datasets.all()
        if self.run.zone == GLOBAL:
            return every
        return [
            each
            for each in every
            if self._is_own(each.name) or any(name.startswith(f"{each.name}/") for name in self._own())
        ]

    def _own(self) -> list[str]:
        """Names of the datasets that were delegated to the caller's zone."""
        active = self.host.zones.active(self.run.zone)
        return active.configuration.datasets() if active is not None else []

    def _is_own(self, dataset: str) -> bool:
        return any(dataset == name or dataset.startswith((f"{name}/", f"{name}@")) for name in self._own())

    def find(self, name: str) -> Dataset:
        """The dataset of that name, or the one that holds a path."""
        if name.startswith(("/", "./", "../")):
            return self._holder(name)
        for dataset in self.visible():
            if dataset.name == name:
                return dataset
        raise DatasetError(f"cannot open '{name}': dataset does not exist")

    def _holder(self, name: str) -> Dataset:
        path = posixpath.normpath(posixpath.join(self.run.cwd, name))
        if not self.host.path(self.run.zone, path).exists():
            raise DatasetError(f"cannot open '{name}': No such file or directory")
        while True:
            found = self._mounted_at(path)
            if found is not None:
                return found
            path = posixpath.dirname(path)

    def _mounted_at(self, path: str) -> Dataset | None:
        if self.run.zone == GLOBAL:
            return self.host.datasets.by_mountpoint(path)
        own = [each for each in self.visible() if each.mounted and self._is_own(each.name)]
        found = next((each for each in own if self.host.datasets.zone_place(each) == path), None)
        if found is None and path == "/":
            raise DatasetError(f"cannot open '{path}': not a ZFS filesystem")
        return found

    def privileged(self, dataset: str, failed: str) -> None:
        """Refuse callers who may not change a dataset: a zone only changes its own."""
        if not self.run.privileged or (self.run.zone != GLOBAL and not self._is_own(dataset)):
            raise DatasetError(f"{failed}permission denied")

    def allowed(self, dataset: str, names: Iterable[str], failed: str) -> None:
        """Refuse changes of properties that are not a zone's to change."""
        fixed = {"zoned"} | ({"quota"} if dataset in self._own() else set())
        if self.run.zone != GLOBAL and fixed & set(names):
            raise DatasetError(f"{failed}permission denied")


def main(host: Host, run: Invocation) -> int:
    """Run zfs; exit status 0, 1 for failures, 2 for wrong usage."""
    if not run.argv:
        run.err("missing command\n" + _usage())
        return _USAGE
    name = _ALIASES.get(run.argv[0], run.argv[0])
    if name in ("-?", "help", "-h", "--help"):
        run.out(_usage())
        return _OK
    if name in NOT_EMULATED:
        run.err(f"zfs {name}: not emulated by illumos-lab\n")
        return _ERROR
    command = SUBCOMMANDS.get(name)
    if command is None:
        run.err(f"unrecognized command '{run.argv[0]}'\n" + _usage())
        return _USAGE
    try:
        status = command(_Call(host, run, name, run.argv[1:]))
        if name in _CHANGING:
            for active in host.zones.all_active():
                zone_mounts.follow_datasets(host, active)
        return status
    except DatasetError as error:
        run.err(f"{error}\n")
        return _ERROR
    except _UsageError as error:
        run.err(f"{error}\nusage:\n\t{SYNOPSES[name]}")
        return _USAGE


def _usage() -> str:
    lines = "".join(f"\t{text}\n" for text in SYNOPSES.values())
    return f"usage: zfs command args ...\nwhere 'command' is one of the following:\n\n{lines}"


def _properties(pairs: list[str]) -> dict[str, str]:
    properties: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise _UsageError("missing '=' for -o option")
        if name in properties:
            raise DatasetError(f"property '{name}' specified multiple times")
        properties[name] = value
    return properties


# Changing ----------------------------------------------------------------------------------------


def _create(call: _Call) -> int:
    options, operands = call.options("pso:b:V:")
    given = dict(options)
    if not operands:
        noun = "volume" if "V" in given else "filesystem"
        raise _UsageError(f"missing {noun} argument")
    if len(operands) > 1:
        raise _UsageError("too many arguments")
    name = operands[0]
    call.privileged(name.rpartition("/")[0], f"cannot create '{name}': ")
    size = 0
    if "V" in given:
        size = parse_size(given["V"]) or 0
        if not size:
            raise DatasetError(f"bad volume size '{given['V']}': invalid numeric value")
    block = VOLUME_BLOCK
    if "b" in given:
        block = parse_size(given["b"]) or 0
        if not block:
            raise DatasetError(f"bad volume block size '{given['b']}': invalid numeric value")
    properties = _properties([value for letter, value in options if letter == "o"])
    call.allowed(name, properties, f"cannot create '{name}': ")
    call.host.datasets.create(name, properties, "p" in given, size=size, block=block)
    return _OK


def _destroy(call: _Call) -> int:
    options, operands = call.options("fnprRdv")
    given = dict(options)
    if not operands:
        raise _UsageError("missing dataset argument")
    if len(operands) > 1:
        raise _UsageError("too many arguments")
    name = operands[0]
    found = call.find(name)
    call.privileged(found.name, f"cannot destroy '{name}': ")
    below = call.host.datasets.children(found.name)
    recursive = bool(given.keys() & {"r", "R"})
    if not recursive and below:
        call.host.datasets.destroy(found.name)
    if "v" in given or ("n" in given and "p" not in given and "v" in given):
        for dataset in [found, *below]:
            verb = "would destroy" if "n" in given else "will destroy"
            call.run.out(f"{verb} {dataset.name}\n")
    if "n" not in given:
        call.host.datasets.destroy(found.name, recursive, dependents="R" in given)
    return _OK


def _clone(call: _Call) -> int:
    options, operands = call.options("po:")
    if len(operands) < 2:
        raise _UsageError(f"missing {'target' if operands else 'source'} dataset argument")
    if len(operands) > 2:
        raise _UsageError("too many arguments")
    snapshot, name = operands
    call.find(snapshot)
    call.privileged(name.rpartition("/")[0], f"cannot create '{name}': ")
    properties = _properties([value for letter, value in options if letter == "o"])
    call.host.datasets.clone(snapshot, name, properties)
    return _OK


def _promote(call: _Call) -> int:
    _, operands = call.options("")
    if not operands:
        raise _UsageError("missing clone filesystem argument")
    if len(operands) > 1:
        raise _UsageError("too many arguments")
    found = call.find(operands[0])
    call.privileged(found.name, f"cannot promote '{found.name}': ")
    call.host.datasets.promote(found.name)
    return _OK


def _rollback(call: _Call) -> int:
    options, operands = call.options("rRf")
    if not operands:
        raise _UsageError("missing dataset argument")
    if len(operands) > 1:
        raise _UsageError("too many arguments")
    found = call.find(operands[0])
    if found.type != "snapshot":
        raise DatasetError(f"cannot open '{found.name}': {WRONG_TYPE}")
    call.privileged(found.name, f"cannot rollback '{found.parent}': ")
    if {"r", "R"} & {letter for letter, _ in options}:
        for each in call.host.datasets.later(found):
            call.host.datasets.destroy(each.name, dependents="R" in dict(options))
    call.host.datasets.rollback(found.name)
    return _OK


def _snapshot(call: _Call) -> int:
    options, operands = call.options("ro:")
    if not operands:
        raise _UsageError("missing snapshot argument")
    for name in operands:
        if "@" not in name:
            raise _UsageError(f"cannot create snapshot '{name}': missing '@' delimiter in snapshot name")
        call.privileged(name.partition("@")[0], f"cannot create snapshot '{name}': ")
        call.host.datasets.snapshot(name, "r" in dict(options))
    return _OK


def _rename(call: _Call) -> int:
    options, operands = call.options("fpru")
    if len(operands) < 2:
        noun = "target" if operands else "source"
        raise _UsageError(f"missing {noun} dataset argument")
    if len(operands) > 2:
        raise _UsageError("too many arguments")
    old, new = operands
    if "r" in dict(options):
        raise DatasetError("rename -r: not emulated by illumos-lab")
    call.find(old)
    call.privileged(old, f"cannot rename '{old}': ")
    call.privileged(new.rpartition("/")[0], f"cannot rename '{old}': ")
    call.host.datasets.rename(old, new)
    return _OK


def _set(call: _Call) -> int:
    _, operands = call.options("")
    pairs = [word for word in operands if "=" in word]
    names = [word for word in operands if "=" not in word]
    if not pairs:
        raise _UsageError("missing property=value argument(s)" if operands else "missing arguments")
    if not names:
        raise _UsageError("missing dataset name(s)")
    for name in names:
        dataset = call.find(name)
        prop = pairs[0].partition("=")[0]
        failed = f"cannot set property for '{name}': "
        call.privileged(dataset.name, f"{failed}'{prop}' ")
        properties = _properties(pairs)
        call.allowed(dataset.name, properties, failed)
        call.host.datasets.set(dataset.name, properties)
    return _OK


def _inherit(call: _Call) -> int:
    options, operands = call.options("rS")
    if len(operands) < 2:
        raise _UsageError("missing dataset argument" if operands else "missing property argument")
    prop, *names = operands
    if ":" not in prop and prop not in PROPERTIES:
        raise _UsageError(f"invalid property '{prop}'")
    if ":" not in prop and not PROPERTIES[prop].inherited:
        raise DatasetError(f"'{prop}' property cannot be inherited")
    for name in names:
        dataset = call.find(name)
        call.privileged(dataset.name, f"cannot inherit {prop} for '{name}': ")
        call.allowed(dataset.name, [prop], f"cannot inherit {prop} for '{name}': ")
        below = call.host.datasets.children(dataset.name) if "r" in dict(options) else []
        for each in [dataset, *below]:
            call.host.datasets.inherit(each.name, prop)
    return _OK


def _mount(call: _Call) -> int:
    options, operands = call.options("avOo:")
    datasets = call.host.datasets
    if "a" in dict(options):
        for dataset in call.visible():
            wanted = datasets.mount_place(dataset) is not None
            if wanted and datasets.value(dataset, "canmount") == "on" and not dataset.mounted:
                datasets.mount(dataset.name)
        return _OK
    if operands:
        found = call.find(operands[0])
        call.privileged(found.name, f"cannot mount '{found.name}': ")
        if call.run.zone == GLOBAL and datasets.value(found, "zoned") == "on":
            raise DatasetError(f"cannot mount '{found.name}': dataset is exported to a local zone")
        datasets.mount(found.name)
        return _OK
    boot = datasets.by_mountpoint("/")
    for dataset in call.visible():
        if dataset.mounted or dataset is boot:
            call.run.out(f"{dataset.name:<30}  {datasets.value(dataset, 'mountpoint')}\n")
    return _OK


def _unmount(call: _Call) -> int:
    options, operands = call.options("af")
    if "a" in dict(options):
        raise DatasetError("unmount -a: not emulated by illumos-lab")
    if not operands:
        raise _UsageError("missing filesystem argument")
    name = operands[0] if call.run.zone == GLOBAL else call.find(operands[0]).name
    call.privileged(name, f"cannot unmount '{operands[0]}': ")
    call.host.datasets.unmount(name)
    return _OK


# Showing -----------------------------------------------------------------------------------------


def _value(call: _Call, dataset: Dataset, name: str, exact: bool) -> str:
    """A property's value, sizes as bytes when they are wanted exactly."""
    datasets = call.host.datasets
    name = _SHORT.get(name, name)
    size = str if exact else nice_size
    if name in PROPERTIES or ":" in name:
        return _settable(call, dataset, name, exact)
    below = [each for each in datasets.children(dataset.name) if each.type != "snapshot"]
    boot = datasets.by_mountpoint("/")
    # fmt: off
    values: dict[str, Callable[[], str]] = {
        "name": lambda: dataset.name,
        "type": lambda: dataset.type,
        "creation": lambda: str(dataset.created) if exact
        else time.strftime("%a %b %e %H:%M %Y", time.gmtime(dataset.created)),
        "used": lambda: size(0 if dataset.type == "snapshot" else USED * (1 + len(below))),
        "available": lambda: "-" if dataset.type == "snapshot" else size(AVAILABLE),
        "referenced": lambda: size(REFERENCED),
        "logicalused": lambda: size(REFERENCED),
        "written": lambda: size(0 if dataset.type == "snapshot" else REFERENCED),
        "usedbysnapshots": lambda: size(0),
        "usedbydataset": lambda: size(REFERENCED),
        "usedbychildren": lambda: size(USED * len(below)),
        "compressratio": lambda: "1.00x",
        "mounted": lambda: "-" if dataset.type != "filesystem"
        else "yes" if dataset.mounted or dataset is boot else "no",
        "origin": lambda: dataset.origin or "-",
        "volsize": lambda: size(dataset.size) if dataset.type == "volume" else "-",
        "volblocksize": lambda: size(dataset.block) if dataset.type == "volume" else "-",
    }
    # fmt: on
    return values[name]()


def _settable(call: _Call, dataset: Dataset, name: str, exact: bool) -> str:
    value = call.host.datasets.value(dataset, name)
    if ":" in name:
        return value
    if dataset.type != "filesystem" and name in ("mountpoint", "canmount", "quota", "zoned"):
        return "-"
    known = PROPERTIES[name]
    if not known.size:
        return value
    number = parse_size(value) or 0
    if exact:
        return str(number)
    return nice_size(number) if number else "none"


def _known(name: str) -> bool:
    return ":" in name or name in PROPERTIES or name in READ_ONLY


def _selection(
    call: _Call, operands: list[str], depth: int, types: tuple[str, ...] | None
) -> tuple[list[Dataset], bool]:
    """The datasets asked for, and whether all of them could be found."""
    visible = call.visible()
    if not operands:
        return [each for each in visible if each.type in (types or ("filesystem", "volume"))], True
    chosen: dict[str, Dataset] = {}
    complete = True
    for name in operands:
        try:
            top = call.find(name)
        except DatasetError as error:
            call.run.err(f"{error}\n")
            complete = False
            continue
        wanted = types or (("filesystem", "volume") if top.type != "snapshot" else ("snapshot",))
        if not depth and top.type not in wanted and types is not None and wanted != ("snapshot",):
            call.run.err(f"cannot open '{name}': operation not applicable to datasets of this type\n")
            complete = False
            continue
        reach = max(depth, 1) if wanted == ("snapshot",) and top.type != "snapshot" else depth
        for each in [top, *call.host.datasets.children(top.name)]:
            below = each.name[len(top.name) :]
            if below.count("/") + below.count("@") <= reach and each.type in wanted:
                chosen[each.name] = each
    return [each for each in visible if each.name in chosen], complete


def _depth(given: dict[str, str]) -> int:
    if "d" not in given:
        return 10**6 if "r" in given else 0
    if not given["d"].isdigit():
        raise _UsageError(f"invalid depth '{given['d']}'")
    return int(given["d"])


def _types(given: dict[str, str]) -> tuple[str, ...] | None:
    if "t" not in given:
        return None
    found: list[str] = []
    for word in given["t"].split(","):
        if word not in _TYPES:
            raise _UsageError(f"invalid type '{word}'")
        found += _TYPES[word]
    return tuple(found)


def _list(call: _Call) -> int:
    options, operands = call.options("Hprd:o:t:s:S:")
    given = dict(options)
    columns = given.get("o", "name,used,available,referenced,mountpoint").split(",")
    columns = [_SHORT.get(name, name) for name in columns]
    for name in columns:
        if not _known(name):
            raise _UsageError(f"bad property list: invalid property '{name}'")
    datasets, complete = _selection(call, operands, _depth(given), _types(given))
    for letter, name in reversed(options):
        if letter in "sS":
            if not _known(name):
                raise _UsageError(f"invalid property '{name}'")
            datasets.sort(key=lambda each: _sort_value(call, each, name), reverse=letter == "S")
    if not datasets:
        if not operands:
            call.run.err("no datasets available\n")
        return _OK if complete else _ERROR
    rows = [[_value(call, each, name, "p" in given) for name in columns] for each in datasets]
    header = [_HEADERS.get(name, name.upper()) for name in columns]
    right = frozenset(n for n, name in enumerate(columns) if name in _NUMBERS)
    widths = [5 if name in _NUMBERS else 0 for name in columns]
    call.run.out(format_table(header, rows, scripted="H" in given, right=right, widths=widths))
    return _OK if complete else _ERROR


def _sort_value(call: _Call, dataset: Dataset, name: str) -> tuple[int, str]:
    value = _value(call, dataset, name, True)
    return (int(value), "") if value.isdigit() else (0, value)


def _source(call: _Call, dataset: Dataset, name: str) -> str:
    if ":" in name:
        source = call.host.datasets.source(dataset, name)
        return "-" if source == "default" else source
    if name == "volsize" and dataset.type == "volume":
        return "local"
    if name not in PROPERTIES or _settable(call, dataset, name, True) == "-":
        return "-"
    return call.host.datasets.source(dataset, name)


def _get(call: _Call) -> int:
    options, operands = call.options("crHpd:o:s:t:")
    given = dict(options)
    if not operands:
        raise _UsageError("missing property argument")
    fields = given.get("o", "name,property,value,source").split(",")
    if fields == ["all"]:
        fields = ["name", "property", "value", "received", "source"]
    for field in fields:
        if field not in ("name", "property", "value", "received", "source"):
            raise _UsageError(f"invalid column name '{field}'")
    wanted, *names = operands
    every = [name for name in (*READ_ONLY, *PROPERTIES) if name not in ("name", "avail", "refer")]
    asked = every if wanted == "all" else wanted.split(",")
    for name in asked:
        if not _known(name):
            raise _UsageError(f"bad property list: invalid property '{name}'")
    types = _types(given)
    if types is None and not names:
        types = ("filesystem", "volume", "snapshot")
    datasets, complete = _selection(call, names, _depth(given), types)
    sources = given["s"].split(",") if "s" in given else None
    rows = []
    for dataset in datasets:
        local = [name for name in dataset.local if ":" in name] if wanted == "all" else []
        for name in [*asked, *local]:
            name = _SHORT.get(name, name)
            source = _source(call, dataset, name)
            if sources is not None and (source.split()[0].replace("-", "none")) not in sources:
                continue
            value = _value(call, dataset, name, "p" in given)
            if wanted == "all" and value == "-":
                continue
            row = {
                "name": dataset.name,
                "property": name,
                "value": value,
                "received": "-",
                "source": source,
            }
            rows.append([row[field] for field in fields])
    if rows:
        header = [field.upper() for field in fields]
        call.run.out(format_table(header, rows, scripted="H" in given))
    return _OK if complete else _ERROR


SUBCOMMANDS: dict[str, Callable[[_Call], int]] = {
    "create": _create,
    "destroy": _destroy,
    "clone": _clone,
    "promote": _promote,
    "rollback": _rollback,
    "snapshot": _snapshot,
    "rename": _rename,
    "set": _set,
    "inherit": _inherit,
    "mount": _mount,
    "unmount": _unmount,
    "list": _list,
    "get": _get,
}
"""What the lab emulates."""
