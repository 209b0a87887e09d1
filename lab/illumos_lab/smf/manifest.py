"""Service manifests and profiles (service_bundle(5)): XML read into instances, and written again.

Methods become properties of their instance, as in the real repository: what svccfg sets there later is what
runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from illumos_lab.service import Dependency
from illumos_lab.smf.repository import Properties, Property

_HEAD = """\
<?xml version='1.0'?>
<!DOCTYPE service_bundle SYSTEM '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>
"""
_METHODS = ("start", "stop", "refresh")
_CREDENTIAL = ("user", "group", "supp_groups", "privileges", "limit_privileges")
_GROUPINGS = frozenset({"require_all", "require_any", "optional_all", "exclude_all"})
SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_,./-]*")


class ManifestError(ValueError):
    """The document is no manifest or profile that can be used; the text says what is wrong."""


@dataclass(frozen=True)
class Delivered:
    """One instance, as a manifest delivers it.

    Attributes:
        fmri: the instance.
        title: its common name.
        enabled: it is enabled unless an administrator decides otherwise.
        dependencies: its own and its service's.
        groups: type of each property group.
        properties: by ``group/name``, its service's included.
    """

    fmri: str
    title: str = ""
    enabled: bool = False
    dependencies: tuple[Dependency, ...] = ()
    groups: dict[str, str] = field(default_factory=dict)
    properties: Properties = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """This instance as JSON can hold it."""
        return {
            "fmri": self.fmri,
            "title": self.title,
            "enabled": self.enabled,
            "dependencies": [
                [list(each.fmris), each.grouping, each.restart_on] for each in self.dependencies
            ],
            "groups": self.groups,
            "properties": {
                name: [value.type, list(value.values)] for name, value in self.properties.items()
            },
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Delivered:
        """The instance that `as_data` was made of."""
        return cls(
            data["fmri"],
            data["title"],
            data["enabled"],
            tuple(Dependency(tuple(fmris), *rest) for fmris, *rest in data["dependencies"]),
            dict(data["groups"]),
            {name: Property(kind, tuple(values)) for name, (kind, values) in data["properties"].items()},
        )


@dataclass(frozen=True)
class Applied:
    """What a profile says about one service or instance.

    Attributes:
        entity: its FMRI.
        enabled: whether an instance shall run; None to leave that alone.
        properties: to be set on it.
    """

    entity: str
    enabled: bool | None
    properties: Properties


def read(text: str) -> list[Delivered]:
    """The instances of a manifest.

    Raises:
        ManifestError: it is none, or uses what the lab does not play.
    """
    bundle = _parse(text, "manifest")
    found = [instance for service in bundle.iter("service") for instance in _service(service)]
    if not found:
        raise ManifestError("no service instance is in the manifest")
    return found


def read_profile(text: str) -> list[Applied]:
    """What a profile asks for.

    Raises:
        ManifestError: it is none.
    """
    found = []
    for service in _parse(text, "profile").iter("service"):
        name = f"svc:/{service.get('name', '')}"
        found.append(Applied(name, None, _properties(service)[1]))
        for instance in service.findall("instance"):
            enabled = instance.get("enabled")
            wanted = None if enabled is None else enabled == "true"
            entity = f"{name}:{instance.get('name', '')}"
            found.append(Applied(entity, wanted, _properties(instance)[1]))
    return [each for each in found if each.enabled is not None or each.properties]


def _parse(text: str, kind: str) -> ElementTree.Element:
    try:
        bundle = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ManifestError(f"couldn't parse document: {error}") from error
    if bundle.tag != "service_bundle" or bundle.get("type") not in ("manifest", "profile"):
        raise ManifestError("document is not a service bundle")
    if bundle.get("type") != kind:
        raise ManifestError(f"document is a {bundle.get('type')}, not a {kind}")
    if any(element.get("type") == "restarter" for element in bundle.iter("service")):
        raise ManifestError("a restarter of its own: not emulated by illumos-lab")
    for tag in ("notification_parameters", "dependent"):
        if bundle.find(f".//{tag}") is not None:
            raise ManifestError(f"<{tag}>: not emulated by illumos-lab")
    return bundle


def _service(service: ElementTree.Element) -> Iterator[Delivered]:
    name = service.get("name", "")
    if not SERVICE_NAME.fullmatch(name):
        raise ManifestError(f"{name!r} is not the name of a service")
    groups, properties = _properties(service)
    title = _title(service)
    shared = _dependencies(service)
    default = service.find("create_default_instance")
    if default is not None:
        enabled = default.get("enabled") == "true"
        yield Delivered(f"svc:/{name}:default", title, enabled, shared, groups, properties)
    for instance in service.findall("instance"):
        own_groups, own = _properties(instance)
        yield Delivered(
            f"svc:/{name}:{instance.get('name', '')}",
            _title(instance) or title,
            instance.get("enabled") == "true",
            (*shared, *_dependencies(instance)),
            groups | own_groups,
            properties | own,
        )


def _title(element: ElementTree.Element) -> str:
    text = element.findtext("template/common_name/loctext") or ""
    return " ".join(text.split())


def _dependencies(element: ElementTree.Element) -> tuple[Dependency, ...]:
    found = []
    for dependency in element.findall("dependency"):
        grouping = dependency.get("grouping", "")
        if dependency.get("delete") == "true":
            continue
        if grouping not in _GROUPINGS:
            raise ManifestError(f"{grouping!r} is not a grouping of dependencies")
        fmris = tuple(node.get("value", "") for node in dependency.findall("service_fmri"))
        found.append(Dependency(fmris, grouping, dependency.get("restart_on", "none")))
    return tuple(found)


def _properties(element: ElementTree.Element) -> tuple[dict[str, str], Properties]:
    """Property groups and properties of a service or instance, its methods among them."""
    groups: dict[str, str] = {}
    properties: Properties = {}
    for group in element.findall("property_group"):
        name = group.get("name", "")
        groups[name] = group.get("type", "application")
        properties |= {f"{name}/{key}": value for key, value in _group(group)}
    context = element.find("method_context")
    for method in element.findall("exec_method"):
        name = method.get("name", "")
        groups[name] = "method"
        own = method.find("method_context")
        values = {
            "exec": Property("astring", (method.get("exec", ""),)),
            "timeout_seconds": Property("count", (_seconds(method.get("timeout_seconds", "0")),)),
            "type": Property("astring", ("method",)),
            **_context(context if own is None else own),
        }
        properties |= {f"{name}/{key}": value for key, value in values.items()}
    return groups, properties


def _seconds(text: str) -> str:
    """A time limit; -1 is an old way to say that there is none."""
    if not re.fullmatch(r"-1|\d+", text):
        raise ManifestError(f"{text!r} is not a number of seconds")
    return "0" if text == "-1" else text


def _group(group: ElementTree.Element) -> Iterator[tuple[str, Property]]:
    for single in group.findall("propval"):
        kind = single.get("type", "astring")
        yield single.get("name", ""), Property(kind, (single.get("value", ""),))
    for several in group.findall("property"):
        values = tuple(node.get("value", "") for node in several.iter("value_node"))
        yield several.get("name", ""), Property(several.get("type", "astring"), values)


def _context(context: ElementTree.Element | None) -> Properties:
    """What a method_context says about user, directory and environment of a method."""
    if context is None:
        return {}
    found: Properties = {}
    if context.find("method_profile") is not None:
        raise ManifestError("<method_profile>: not emulated by illumos-lab")
    if directory := context.get("working_directory"):
        found["working_directory"] = Property("astring", (directory,))
    credential = context.find("method_credential")
    if credential is not None:
        for key in _CREDENTIAL:
            if (value := credential.get(key)) is not None:
                found[key] = Property("astring", (value,))
    variables = context.findall("method_environment/envvar")
    if variables:
        values = tuple(f"{each.get('name')}={each.get('value')}" for each in variables)
        found["environment"] = Property("astring", values)
    return found


# Writing -----------------------------------------------------------------------------------------


def render(service: str, instances: Sequence[tuple[Delivered, bool, Properties]]) -> str:
    """The manifest of a service.

    Args:
        service: its FMRI.
        instances: what was delivered, whether it is enabled, and its present properties.
    """
    name = quoteattr(service.removeprefix("svc:/"))
    lines = ["<service_bundle type='manifest' name='export'>"]
    lines.append(f"  <service name={name} type='service' version='0'>")
    for delivered, enabled, properties in instances:
        instance = quoteattr(delivered.fmri.rpartition(":")[2])
        lines.append(f"    <instance name={instance} enabled={quoteattr(str(enabled).lower())}>")
        lines += _rendered_dependencies(delivered.dependencies)
        for group in sorted({key.partition("/")[0] for key in properties} - {"general"}):
            inside = {
                key.partition("/")[2]: value
                for key, value in sorted(properties.items())
                if key.partition("/")[0] == group
            }
            lines += _rendered_group(group, delivered.groups.get(group, "application"), inside)
        if delivered.title:
            lines += [
                "      <template>",
                "        <common_name>",
                f"          <loctext xml:lang='C'>{escape(delivered.title)}</loctext>",
                "        </common_name>",
                "      </template>",
            ]
        lines.append("    </instance>")
    lines += ["    <stability value='Unstable'/>", "  </service>", "</service_bundle>"]
    return _HEAD + "".join(f"{line}\n" for line in lines)


def _rendered_dependencies(dependencies: Sequence[Dependency]) -> Iterator[str]:
    for number, each in enumerate(dependencies):
        kind = "path" if each.fmris and each.fmris[0].startswith("file:") else "service"
        yield (
            f"      <dependency name='dependency-{number}' grouping='{each.grouping}'"
            f" restart_on='{each.restart_on}' type='{kind}'>"
        )
        yield from (f"        <service_fmri value={quoteattr(fmri)}/>" for fmri in each.fmris)
        yield "      </dependency>"


def _rendered_group(group: str, kind: str, values: Properties) -> Iterator[str]:
    if kind == "method" and group in _METHODS and "exec" in values:
        yield from _rendered_method(group, values)
        return
    yield f"      <property_group name={quoteattr(group)} type={quoteattr(kind)}>"
    for name, value in values.items():
        if len(value.values) == 1:
            shown = quoteattr(value.values[0])
            yield f"        <propval name={quoteattr(name)} type='{value.type}' value={shown}/>"
            continue
        yield f"        <property name={quoteattr(name)} type='{value.type}'>"
        yield f"          <{value.type}_list>"
        yield from (f"            <value_node value={quoteattr(each)}/>" for each in value.values)
        yield f"          </{value.type}_list>"
        yield "        </property>"
    yield "      </property_group>"


def _rendered_method(name: str, values: Properties) -> Iterator[str]:
    def one(key: str) -> str:
        return quoteattr(values[key].values[0]) if key in values and values[key].values else "'0'"

    yield (
        f"      <exec_method name='{name}' type='method' exec={one('exec')}"
        f" timeout_seconds={one('timeout_seconds')}>"
    )
    if context := list(_rendered_context(values)):
        yield from context
    yield "      </exec_method>"


def _rendered_context(values: Properties) -> Iterator[str]:
    credential = [f"{key}={quoteattr(values[key].values[0])}" for key in _CREDENTIAL if key in values]
    directory = values.get("working_directory")
    environment = values.get("environment")
    if not credential and directory is None and environment is None:
        return
    where = f" working_directory={quoteattr(directory.values[0])}" if directory else ""
    yield f"        <method_context{where}>"
    if credential:
        yield f"          <method_credential {' '.join(credential)}/>"
    if environment:
        yield "          <method_environment>"
        for assignment in environment.values:
            name, _, value = assignment.partition("=")
            yield f"            <envvar name={quoteattr(name)} value={quoteattr(value)}/>"
        yield "          </method_environment>"
    yield "        </method_context>"
