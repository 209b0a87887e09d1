"""svccfg(8): properties of services, their manifests and profiles."""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ipfilter.call import read_file, system_error
from illumos_lab.smf import NoRepositoryError, manifest, methods
from illumos_lab.smf import fmri as names
from illumos_lab.smf.manifest import Delivered, ManifestError
from illumos_lab.smf.repository import Properties, Property
from illumos_lab.smf.restarter import UP, Restarter

_OK, _ERROR, _USAGE = 0, 1, 2
_USAGE_TEXT = (
    "Usage:\tsvccfg [-v] [-z zone] [-s FMRI] [command [args]]\n"
    "\tsvccfg [-v] [-z zone] [-s FMRI] -f command-file\n"
    "\tsvccfg [-?]\n"
)
_NOT_EMULATED_WORDS = """
    extract archive restore repository describe editprop delnotify setnotify listnotify delhash
"""
NOT_EMULATED = frozenset(_NOT_EMULATED_WORDS.split())
"""What illumos has besides."""
_SNAPSHOTS = ("initial", "running")
"""Snapshots that every instance has."""

_TYPES_WORDS = """
    boolean count integer time astring ustring opaque host hostname net_address net_address_v4
    net_address_v6 uri fmri
"""
_TYPES = frozenset(_TYPES_WORDS.split())


class _Failed(Exception):
    """The text is the message after the program's name."""


@dataclass
class _Session:
    """A run of svccfg: a repository, and the entity that is selected."""

    host: Host
    run: Invocation
    restarter: Restarter
    entity: str = ""
    snapshot: str = ""
    """The snapshot of the selected instance that is looked at; empty for what is set now."""

    def services(self) -> list[str]:
        """Those that have instances, and those that have none yet."""
        used = (names.split(fmri)[0] for fmri in self.restarter.instances)
        return list(dict.fromkeys([*used, *self.restarter.repository.services]))

    def selected(self) -> str:
        if not self.entity:
            raise _Failed("An entity is not selected.")
        return self.entity

    def own(self) -> Properties:
        """What was set on the selected entity itself."""
        return self.restarter.repository.properties.setdefault(self.selected(), {})

    def view(self) -> Properties:
        """All properties of the selected entity."""
        entity = self.selected()
        if self.snapshot:
            return self.at(self.snapshot)
        if entity in self.restarter.instances:
            return self.restarter.composed(entity)
        own = (fmri for fmri in self.restarter.instances if names.split(fmri)[0] == entity)
        first = next(own, None)
        delivered = self.restarter.instances[first].service.properties if first else {}
        properties = {name: Property(kind, (value,)) for name, (kind, value) in delivered.items()}
        return properties | self.own()

    def at(self, snapshot: str) -> Properties:
        """The properties that the selected instance had when a snapshot was taken."""
        instance = self.restarter.instances[self.entity]
        if snapshot == "running":
            return dict(instance.running)
        delivered = {
            name: Property(kind, (value,)) for name, (kind, value) in instance.service.properties.items()
        }
        data = self.restarter.repository.manifests.get(self.entity)
        return delivered | (dict(Delivered.from_data(data).properties) if data else {})

    def save(self) -> None:
        self.restarter.repository.save()

    def privileged(self) -> None:
        if not self.run.privileged:
            raise _Failed("Permission denied.")

    def writable(self) -> None:
        """Complain unless the caller may change what is selected."""
        self.privileged()
        if self.snapshot:
            raise _Failed("Cannot modify snapshots.")


def main(host: Host, run: Invocation) -> int:
    """Run svccfg; exit status 0, 1 for failures, 2 for wrong usage."""
    try:
        options, words = getopt(run.argv, "vs:f:z:", permute=False)
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE_TEXT)
        return _USAGE
    given = dict(options)
    if "f" in given and words:
        run.err(_USAGE_TEXT)
        return _USAGE
    try:
        session = _Session(host, run, host.smf.restarter(given.get("z", run.zone)))
        if "s" in given:
            _select(session, [given["s"]])
    except (NoRepositoryError, _Failed) as error:
        run.err(f"svccfg: {error}\n")
        return _ERROR
    if words:
        return _command(session, words)
    try:
        text = read_file(host, run, given.get("f", "-"))
    except OSError as error:
        run.err(f"svccfg: Could not open {given['f']}: {system_error(error)}\n")
        return _ERROR
    status = _OK
    for line in text.splitlines():
        try:
            parts = shlex.split(line, comments=True)
        except ValueError:
            run.err("svccfg: Syntax error.\n")
            return _ERROR
        if parts and parts[0] in ("exit", "quit", "end"):
            break
        if parts:
            status = max(status, _command(session, parts))
    return status


def _command(session: _Session, words: list[str]) -> int:
    name, *arguments = words
    command = SUBCOMMANDS.get(name)
    try:
        if name in NOT_EMULATED:
            raise _Failed(f"{name}: not emulated by illumos-lab")
        if command is None:
            raise _Failed("Syntax error.")
        with session.restarter.changed:
            command(session, arguments)
    except _Failed as error:
        session.run.err(f"svccfg: {error}\n")
        return _ERROR
    return _OK


def _select(session: _Session, arguments: list[str]) -> None:
    if len(arguments) != 1:
        raise _Failed("Syntax error.")
    session.snapshot = ""
    wanted = arguments[0]
    child = f"{session.entity}:{wanted}"
    if child in session.restarter.instances:
        session.entity = child
        return
    services = session.services()
    instances = names.match(wanted, session.restarter.instances)
    explicit = ":" in wanted.removeprefix("svc:/")
    found = instances if explicit else [each for each in services if _names_service(wanted, each)]
    found = found or instances
    if not found:
        raise _Failed(f"Pattern '{wanted}' doesn't match any instances or services")
    if len(found) > 1:
        listed = "".join(f"\n\t{fmri}" for fmri in found)
        raise _Failed(f"Pattern '{wanted}' matches multiple entities:{listed}")
    session.entity = found[0]


def _names_service(wanted: str, service: str) -> bool:
    return service == wanted or f"/{service}".endswith("/" + wanted.lstrip("/"))


def _unselect(session: _Session, arguments: list[str]) -> None:
    session.selected()
    if session.snapshot:
        raise _Failed("unselect in a snapshot: not emulated by illumos-lab")
    entity = session.entity
    session.entity = names.split(entity)[0] if entity in session.restarter.instances else ""


def _list(session: _Session, arguments: list[str]) -> None:
    pattern = arguments[0] if arguments else "*"
    if session.entity:
        found = [
            names.split(fmri)[1]
            for fmri in session.restarter.instances
            if names.split(fmri)[0] == session.entity
        ]
        found = [":properties", *found]
    else:
        found = [service.removeprefix(names.SCHEME) for service in session.services()]
    session.run.out("".join(f"{each}\n" for each in found if fnmatch.fnmatchcase(each, pattern)))


def _list_properties(session: _Session, arguments: list[str]) -> None:
    """``listprop [pattern]``"""
    _show_properties(session, arguments, groups_only=False)


def _list_groups(session: _Session, arguments: list[str]) -> None:
    """``listpg [pattern]``"""
    _show_properties(session, arguments, groups_only=True)


def _show_properties(session: _Session, arguments: list[str], *, groups_only: bool) -> None:
    if len(arguments) > 1:
        raise _Failed("Syntax error.")
    pattern = arguments[0] if arguments else "*"
    properties = session.view()
    groups = session.restarter.repository.groups.get(session.entity, {})
    rows: list[tuple[str, str]] = []
    for group in sorted({name.partition("/")[0] for name in properties} | groups.keys()):
        whole = fnmatch.fnmatchcase(group, pattern)
        if whole:
            rows.append((group, groups.get(group, "framework" if group == "general" else "application")))
        for name in sorted(properties) if not groups_only else ():
            if name.partition("/")[0] == group and (whole or fnmatch.fnmatchcase(name, pattern)):
                value = properties[name]
                rows.append((name, f"{value.type:<7} {_shown(value)}"))
    wide = max((len(name) for name, _ in rows), default=0)
    session.run.out("".join(f"{name:<{wide}}  {text}\n" for name, text in rows))


def _shown(value: Property) -> str:
    """Each value with a space in front, in quotes where it could be taken for something else."""
    several = len(value.values) > 1 and value.type in ("astring", "ustring")
    text = ""
    for each in value.values:
        if several or set(each) & set(' \t\n"()'):
            each = '"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"'
        text += f" {each}"
    return text


def _set_property(session: _Session, arguments: list[str]) -> None:
    """``setprop group/name = [type:] value``, several values in parentheses."""
    session.writable()
    text = " ".join(arguments)
    match = re.fullmatch(r"\s*(\S+?)\s*=\s*(?:([a-z_0-9]+):\s*)?(.*)", text, re.DOTALL)
    if match is None or "/" not in match[1]:
        raise _Failed("Syntax error.")
    name, kind, rest = match[1], match[2], match[3]
    before = session.view().get(name)
    if kind is not None and kind not in _TYPES:
        if before is None:
            raise _Failed(f'Unknown type "{kind}".')
        rest, kind = f"{kind}:{rest}", None
    if kind is None:
        if before is None:
            raise _Failed("Type required for new properties.")
        kind = before.type
    _check_group(session, name)
    values = _values(rest)
    for value in values:
        _check_value(kind, value)
    session.own()[name] = Property(kind, values)
    session.save()


def _check_group(session: _Session, name: str) -> None:
    group = name.partition("/")[0]
    known = {each.partition("/")[0] for each in session.view()}
    known |= session.restarter.repository.groups.get(session.entity, {}).keys()
    if group not in known:
        raise _Failed(f'No such property group "{group}".')


def _values(text: str) -> tuple[str, ...]:
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        try:
            return tuple(shlex.split(text[1:-1]))
        except ValueError as error:
            raise _Failed("Syntax error.") from error
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return (text,)


def _check_value(kind: str, value: str) -> None:
    numbers = {"count": r"\d+", "integer": r"-?\d+", "boolean": r"true|false|0|1"}
    pattern = numbers.get(kind)
    if pattern is not None and not re.fullmatch(pattern, value):
        raise _Failed(f'Invalid "{kind}" value "{value}".')


def _delete_property(session: _Session, arguments: list[str]) -> None:
    session.writable()
    if len(arguments) != 1:
        raise _Failed("Syntax error.")
    name = arguments[0]
    own = session.own()
    groups = session.restarter.repository.groups.setdefault(session.entity, {})
    doomed = [each for each in own if each == name or each.startswith(f"{name}/")]
    if not doomed and name not in groups:
        raise _Failed("No such property group or property." if "/" not in name else "Not found.")
    for each in doomed:
        del own[each]
    groups.pop(name, None)
    session.save()


def _add_group(session: _Session, arguments: list[str]) -> None:
    session.writable()
    if len(arguments) not in (2, 3):
        raise _Failed("Syntax error.")
    name, kind = arguments[:2]
    groups = session.restarter.repository.groups.setdefault(session.selected(), {})
    if name in groups or any(each.startswith(f"{name}/") for each in session.view()):
        raise _Failed(f'Property group "{name}" already exists.')
    groups[name] = kind
    session.save()


def _change_values(session: _Session, arguments: list[str], add: bool) -> None:
    session.writable()
    if len(arguments) < 2:
        raise _Failed("Syntax error.")
    name, *rest = arguments
    kind, colon, _ = rest[0].partition(":")
    typed = bool(colon) and kind in _TYPES
    value = " ".join(rest)
    if typed:
        value = value.partition(":")[2].strip()
    before = session.view().get(name)
    if before is None:
        if not (add and typed):
            raise _Failed(f'No such property "{name}".')
        _check_group(session, name)
        before = Property(kind, ())
    values = tuple(each for each in before.values if each != value)
    if not add and values == before.values:
        raise _Failed(f'No such value "{value}".')
    if add:
        _check_value(before.type, value)
        values = (*values, value)
    session.own()[name] = Property(before.type, values)
    session.save()


def _add_value(session: _Session, arguments: list[str]) -> None:
    _change_values(session, arguments, True)


def _delete_value(session: _Session, arguments: list[str]) -> None:
    _change_values(session, arguments, False)


def _refresh(session: _Session, arguments: list[str]) -> None:
    entity = session.selected()
    if entity not in session.restarter.instances:
        raise _Failed("An instance is not selected.")
    session.privileged()
    session.host.smf.take_up_properties(session.restarter.zone, entity)
    session.restarter.request(entity, refresh=True)


# Environment, snapshots, new entities -------------------------------------------------------------


def _set_environment(session: _Session, arguments: list[str]) -> None:
    """``setenv [-s | -i | -m method] NAME value``"""
    _change_environment(session, arguments, setting=True)


def _unset_environment(session: _Session, arguments: list[str]) -> None:
    """``unsetenv [-s | -i | -m method] NAME``"""
    _change_environment(session, arguments, setting=False)


def _change_environment(session: _Session, arguments: list[str], *, setting: bool) -> None:
    session.writable()
    try:
        pairs, operands = getopt(arguments, "sim:", permute=False)
    except (UnknownOptionError, MissingValueError) as error:
        raise _Failed("Syntax error.") from error
    options = dict(pairs)
    if options.keys() >= {"s", "i"} or len(operands) != (2 if setting else 1):
        raise _Failed("Syntax error.")
    is_instance = session.selected() in session.restarter.instances
    if "i" in options and not is_instance:
        raise _Failed("No instance is selected.")
    before = session.entity
    if "s" in options and is_instance:
        session.entity = names.split(before)[0]
    method = options.get("m") or ("method_context" if options.keys() & {"s", "i"} else "start")
    properties = session.view()
    if "m" in options and f"{method}/exec" not in properties:
        raise _Failed(f'Couldn\'t find the method "{method}".')
    if method == "start" and "start/exec" not in properties:
        raise _Failed("Couldn't find start method; please specify a method with '-m'.")
    if method == "method_context":
        session.restarter.repository.groups.setdefault(session.entity, {}).setdefault(method, "framework")
    key, name = f"{method}/environment", operands[0]
    old = properties[key].values if key in properties else ()
    kept = tuple(each for each in old if not each.startswith(f"{name}="))
    if setting:
        kept = (*kept, f"{name}={operands[1]}")
    session.own()[key] = Property("astring", kept)
    session.entity = before
    session.save()


def _instance(session: _Session) -> str:
    if session.entity not in session.restarter.instances:
        raise _Failed("Instance not selected.")
    return session.entity


def _list_snapshots(session: _Session, arguments: list[str]) -> None:
    """``listsnap``"""
    if arguments:
        raise _Failed("Syntax error.")
    _instance(session)
    session.run.out("".join(f"{name}\n" for name in _SNAPSHOTS))


def _select_snapshot(session: _Session, arguments: list[str]) -> None:
    """``selectsnap [snapshot]``: look at a snapshot; without one, at what is set now."""
    if len(arguments) > 1:
        raise _Failed("Syntax error.")
    _instance(session)
    if arguments and arguments[0] not in _SNAPSHOTS:
        raise _Failed(f'No such snapshot "{arguments[0]}".')
    session.snapshot = arguments[0] if arguments else ""


def _revert(session: _Session, arguments: list[str]) -> None:
    """``revert [snapshot]``: properties become again what they were; whether it is enabled stays."""
    session.privileged()
    fmri = _instance(session)
    wanted = arguments[0] if arguments else session.snapshot
    if not wanted:
        raise _Failed("No snapshot selected.")
    if wanted not in _SNAPSHOTS:
        raise _Failed("No such snapshot.")
    session.snapshot = ""
    repository, instance = session.restarter.repository, session.restarter.instances[fmri]
    for entity in (fmri, names.split(fmri)[0]):
        repository.properties.pop(entity, None)
    if fmri in repository.manifests:
        repository.properties[fmri] = dict(Delivered.from_data(repository.manifests[fmri]).properties)
    if wanted == "running":
        delivered = session.restarter.composed(fmri)
        own = repository.properties.setdefault(fmri, {})
        own |= {
            name: value
            for name, value in instance.running.items()
            if name != "general/enabled" and delivered.get(name) != value
        }
    session.save()


def _add(session: _Session, arguments: list[str]) -> None:
    """``add name``: a service, or an instance of the selected service."""
    session.privileged()
    if len(arguments) != 1:
        raise _Failed("Syntax error.")
    name, service, restarter = arguments[0], session.entity, session.restarter
    if service in restarter.instances:
        raise _Failed("Cannot add entities to an instance.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_,.-]*" if service else manifest.SERVICE_NAME, name):
        raise _Failed("Invalid name.")
    if not service:
        if f"{names.SCHEME}{name}" in session.services():
            raise _Failed("Service already exists.")
        restarter.repository.services.append(f"{names.SCHEME}{name}")
        session.save()
        return
    fmri = f"{service}:{name}"
    if fmri in restarter.instances:
        raise _Failed("Instance already exists.")
    restarter.repository.manifests[fmri] = Delivered(fmri).as_data()
    session.save()
    restarter.redefine(methods.service(Delivered(fmri)))


# Manifests and profiles --------------------------------------------------------------------------


def _read(session: _Session, name: str) -> str:
    try:
        return read_file(session.host, session.run, name)
    except OSError as error:
        raise _Failed(f"Could not open {name}: {system_error(error)}") from error


def _import(session: _Session, arguments: list[str]) -> None:
    """``import file...``"""
    session.privileged()
    if not arguments:
        raise _Failed("Syntax error.")
    for name in arguments:
        try:
            session.host.smf.import_manifest(session.restarter.zone, _read(session, name))
        except ManifestError as error:
            raise _Failed(f"{name}: {error}") from error


def _validate(session: _Session, arguments: list[str]) -> None:
    """``validate [file | FMRI]``; nothing in the lab has a template that values must obey."""
    if len(arguments) > 1:
        raise _Failed("Syntax error.")
    if not arguments:
        if session.entity not in session.restarter.instances:
            raise _Failed("No instance selected")
        return
    if arguments[0].startswith(names.SCHEME):
        if not names.match(arguments[0], session.restarter.instances):
            raise _Failed(f"Pattern '{arguments[0]}' doesn't match any instances")
        return
    try:
        manifest.read(_read(session, arguments[0]))
    except ManifestError as error:
        raise _Failed(f"{arguments[0]}: {error}") from error


def _cleanup(session: _Session, arguments: list[str]) -> None:
    """``cleanup [-a]``: services whose manifest is gone go, too."""
    session.privileged()
    if arguments not in ([], ["-a"]):
        raise _Failed("Syntax error.")
    session.host.smf.delete_without_manifest(session.restarter.zone)


def _set(session: _Session, arguments: list[str]) -> None:
    """``set [-vV]``: how much svccfg tells, which is the same here."""
    if any(word not in ("-v", "-V", "-vV", "-Vv") for word in arguments):
        raise _Failed("Syntax error.")


def _inventory(session: _Session, arguments: list[str]) -> None:
    """``inventory file``: the instances of a manifest, then its services."""
    if len(arguments) != 1:
        raise _Failed("Syntax error.")
    try:
        found = [each.fmri for each in manifest.read(_read(session, arguments[0]))]
    except ManifestError as error:
        raise _Failed(f"{arguments[0]}: {error}") from error
    services = dict.fromkeys(names.split(fmri)[0] for fmri in found)
    session.run.out("".join(f"{fmri}\n" for fmri in [*found, *services]))


def _apply(session: _Session, arguments: list[str]) -> None:
    """``apply file``"""
    session.privileged()
    if len(arguments) != 1:
        raise _Failed("Syntax error.")
    try:
        wanted = manifest.read_profile(_read(session, arguments[0]))
    except ManifestError as error:
        raise _Failed(f"{arguments[0]}: {error}") from error
    restarter = session.restarter
    known = set(session.services()) | set(restarter.instances)
    # A profile may be about services that are not there.
    for each in [each for each in wanted if each.entity in known]:
        restarter.repository.properties.setdefault(each.entity, {}).update(each.properties)
        session.save()
        for fmri in [fmri for fmri in restarter.instances if each.entity in (fmri, names.split(fmri)[0])]:
            restarter.request(fmri, refresh=True)
        if each.enabled is not None:
            restarter.set_enabled(each.entity, each.enabled)


def _export(session: _Session, arguments: list[str]) -> None:
    """``export [-a] service``"""
    wanted = [word for word in arguments if word != "-a"]
    if len(wanted) != 1:
        raise _Failed("Syntax error.")
    _select(session, wanted)
    service = session.entity
    if service in session.restarter.instances:
        raise _Failed(f"Instance '{wanted[0]}' cannot be exported on its own.")
    delivered = session.restarter.repository.manifests
    instances = [fmri for fmri in session.restarter.instances if names.split(fmri)[0] == service]
    if not delivered.keys() >= set(instances):
        raise _Failed(f"export of {service}: not emulated by illumos-lab")
    session.run.out(
        manifest.render(
            service,
            [
                (
                    Delivered.from_data(delivered[fmri]),
                    session.restarter.is_enabled(session.restarter.instances[fmri]),
                    session.restarter.composed(fmri),
                )
                for fmri in instances
            ],
        )
    )


def _delete(session: _Session, arguments: list[str]) -> None:
    """``delete [-f] name``"""
    session.privileged()
    wanted = [word for word in arguments if word != "-f"]
    _select(session, wanted)
    restarter = session.restarter
    doomed = [fmri for fmri in restarter.instances if session.entity in (fmri, names.split(fmri)[0])]
    service, session.entity = session.entity, ""
    if service in restarter.repository.services and not doomed:
        restarter.repository.services.remove(service)
        restarter.repository.forget(service)
        return
    if not restarter.repository.manifests.keys() >= set(doomed):
        raise _Failed(f"delete {wanted[0]}: not emulated by illumos-lab")
    for fmri in doomed:
        if "-f" not in arguments and restarter.instances[fmri].state in UP:
            raise _Failed(f'Instance "{fmri}" is in {restarter.instances[fmri].state} state.  (Use -f.)')
    for fmri in doomed:
        session.host.smf.delete_service(restarter.zone, fmri)
    if service in restarter.repository.services:
        restarter.repository.services.remove(service)
        session.save()


SUBCOMMANDS: dict[str, Callable[[_Session, list[str]], None]] = {
    "import": _import,
    "validate": _validate,
    "apply": _apply,
    "export": _export,
    "delete": _delete,
    "select": _select,
    "unselect": _unselect,
    "list": _list,
    "listprop": _list_properties,
    "setprop": _set_property,
    "delprop": _delete_property,
    "delpropgroup": _delete_property,
    "delpg": _delete_property,
    "addpg": _add_group,
    "addpropvalue": _add_value,
    "delpropvalue": _delete_value,
    "refresh": _refresh,
    "listpg": _list_groups,
    "setenv": _set_environment,
    "unsetenv": _unset_environment,
    "listsnap": _list_snapshots,
    "selectsnap": _select_snapshot,
    "revert": _revert,
    "add": _add,
    "inventory": _inventory,
    "cleanup": _cleanup,
    "set": _set,
}
"""What the lab emulates."""
