"""Finding one resource of a configuration by some of its properties.

The searches are those of libzonecfg, with their quirks: of several properties the last one has the last
word, and what decides differs between `find`, which ``select``, ``remove`` and the search for doubles use,
and `shown`, which ``info`` uses.
"""

from __future__ import annotations

from illumos_lab.zonecfg.model import RESOURCES, Configuration, properties_of
from illumos_lab.zonecfg.xmlfile import Element

Table = dict[str, str]
"""Properties of a resource by their names in the language; absent or empty when they are not set."""

NO_ENTRY = "No such entry"
NO_RESOURCE_ID = "No such resource with that id"
INSUFFICIENT_SPEC = "Insufficient specification"
INVALID_ARGUMENT = "Invalid argument"

QUALIFIERS = {
    "fs": ("dir", "special", "raw", "type"),
    "net": ("address", "allowed-address", "physical", "defrouter"),
    "device": ("match",),
    "rctl": ("name",),
    "attr": ("name", "type", "value"),
    "dataset": ("name",),
    "admin": ("user", "auths"),
    "security-flags": ("default", "lower", "upper"),
}
"""Properties that may be named to pick a resource, in the order in which they are compared."""

_COMPARED = {**QUALIFIERS, "admin": ("user",)}
_SHOWN_BY = {**_COMPARED, "fs": ("dir", "special", "type"), "net": ("physical", "address")}
_IDENTITY = {**_COMPARED, "net": ("address", "allowed-address", "physical")}
_ADDRESSES = ("address", "allowed-address", "defrouter")


class LookupFailure(Exception):
    """There is no such resource, or not just one; the text is what zonecfg says."""


def same_address(one: str, other: str) -> bool:
    """Two network addresses are written alike; a prefix counts only when both have one."""
    if one == other:
        return True
    if ("/" in one) == ("/" in other):
        return False
    return one.partition("/")[0] == other.partition("/")[0]


def find(configuration: Configuration, resource: str, picked: Table) -> Table:
    """All properties of the one resource that has the given ones.

    Raises:
        LookupFailure: there is none, or more than one.
    """
    elements = configuration.resources(resource)
    match resource:
        case "net":
            return _find_net(configuration, picked)
        case "security-flags":
            # There is one at most, so what it has does not matter.
            if not elements:
                raise LookupFailure(NO_ENTRY)
            return properties_of(RESOURCES[resource], elements[0])
        case "rctl":
            if not picked.get("name"):
                raise LookupFailure(INVALID_ARGUMENT)
            elements = [e for e in elements if e.get("name") == picked["name"]][:1]
        case _:
            elements = _single(elements, resource, picked)
    if not elements:
        raise LookupFailure(NO_RESOURCE_ID)
    return properties_of(RESOURCES[resource], elements[0])


def _single(elements: list[Element], resource: str, picked: Table) -> list[Element]:
    attributes = RESOURCES[resource].attributes
    wanted = [(attributes[name], picked[name]) for name in _COMPARED[resource] if picked.get(name)]
    found: Element | None = None
    for element in elements:
        for attribute, value in wanted:
            if element.get(attribute) == value:
                if found is not None and found is not element:
                    raise LookupFailure(INSUFFICIENT_SPEC)
                found = element
            elif found is element:
                found = None
    return [] if found is None else [found]


def _find_net(configuration: Configuration, picked: Table) -> Table:
    if picked.get("address") and picked.get("allowed-address"):
        raise LookupFailure(INVALID_ARGUMENT)
    if not any(picked.values()):
        raise LookupFailure(INSUFFICIENT_SPEC)
    if configuration.ip_type not in ("shared", "exclusive"):
        raise LookupFailure(INVALID_ARGUMENT)
    # Which of the two addresses counts depends on the zone's ip-type; the other is not even looked at.
    ignored = "address" if configuration.exclusive_ip else "allowed-address"
    wanted = {name: value for name, value in picked.items() if value and name != ignored}
    found = [
        element
        for element in configuration.resources("net")
        if all(_same(name, element.get(name), value) for name, value in wanted.items())
    ]
    if len(found) > 1:
        raise LookupFailure(INSUFFICIENT_SPEC)
    if not found:
        raise LookupFailure(NO_RESOURCE_ID)
    table = properties_of(RESOURCES["net"], found[0])
    table[ignored] = picked.get(ignored, "")
    return table


def _same(name: str, one: str, other: str) -> bool:
    return same_address(one, other) if name in _ADDRESSES else one == other


def locate(configuration: Configuration, resource: str, table: Table) -> Element:
    """The element of the resource with these properties.

    Raises:
        LookupFailure: there is none.
    """
    attributes = RESOURCES[resource].attributes
    for element in configuration.resources(resource):
        if all(element.get(attributes[name]) == table.get(name, "") for name in _IDENTITY[resource]):
            return element
    raise LookupFailure(NO_RESOURCE_ID)


def shown(resource: str, element: Element, picked: Table) -> bool:
    """``info`` with these properties shows the resource."""
    attributes = RESOURCES[resource].attributes
    return all(
        _same(name, element.get(attributes[name]), picked[name])
        for name in _SHOWN_BY[resource]
        if picked.get(name)
    )
