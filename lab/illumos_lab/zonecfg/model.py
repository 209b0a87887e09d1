"""The configuration of a zone: the meaning of its XML document.

Names, defaults and limits are those of zonecfg(8); where the file says something in another word (a
filesystem's ``directory`` is zonecfg's ``dir``), the tables of this module translate.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile

from illumos_lab.zonecfg.values import strtoull
from illumos_lab.zonecfg.xmlfile import Comment, Document, Element

DEFAULT_LIMIT_LENGTH = 255
"""Longest bootargs, pool and scheduling-class that can be read back."""


@dataclass(frozen=True)
class ResourceType:
    """How a resource of the language is kept in the document.

    Attributes:
        name: its word in the language.
        tag: element of the document.
        attributes: property name to attribute name, in the order in which a new element gets them.
        required: properties that ``end`` insists on.
        keys: properties that make a duplicate.
        optional: attributes that are left out when they are empty.
        child: element that holds one value of a list property.
    """

    name: str
    tag: str
    attributes: dict[str, str]
    required: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    child: str = ""

    def has_all(self, element: Element) -> bool:
        """The element has all attributes that the document type gives no default."""
        return element.attributes.keys() >= set(self.attributes.values()) - self.optional


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


RESOURCES = {
    resource.name: resource
    for resource in (
        ResourceType(
            "fs",
            "filesystem",
            {"special": "special", "raw": "raw", "dir": "directory", "type": "type"},
            required=("dir", "special", "type"),
            keys=("dir",),
            optional=frozenset({"raw"}),
            child="fsoption",
        ),
        ResourceType(
            "net",
            "network",
            _same(
                "address", "allowed-address", "physical", "global-nic", "mac-addr", "vlan-id", "defrouter",
            ),
            required=("physical",),
            optional=frozenset(
                {"address", "allowed-address", "global-nic", "mac-addr", "vlan-id", "defrouter"}
            ),
            child="net-attr",
        ),
        ResourceType("device", "device", _same("match"), ("match",), ("match",), child="net-attr"),
        ResourceType("rctl", "rctl", _same("name"), ("name",), ("name",), child="rctl-value"),
        ResourceType("attr", "attr", _same("name", "type", "value"), ("name", "type", "value"), ("name",)),
        ResourceType("dataset", "dataset", _same("name"), ("name",), ("name",)),
        ResourceType("admin", "admin", _same("user", "auths"), ("user", "auths"), ("user",)),
        ResourceType(
            "security-flags",
            "security-flags",
            _same("default", "lower", "upper"),
        ),
    )
}  # fmt: skip
"""Resources that are one element of the document."""


@dataclass(frozen=True)
class Alias:
    """A property that stands for a resource control.

    Attributes:
        rctl: name of the resource control.
        action: its action.
        minimum: least value.
    """

    rctl: str
    action: str = "deny"
    minimum: int = 0


ALIASES = {
    "max-lwps": Alias("zone.max-lwps", minimum=100),
    "max-processes": Alias("zone.max-processes", minimum=100),
    "max-shm-memory": Alias("zone.max-shm-memory"),
    "max-shm-ids": Alias("zone.max-shm-ids"),
    "max-msg-ids": Alias("zone.max-msg-ids"),
    "max-sem-ids": Alias("zone.max-sem-ids"),
    "cpu-shares": Alias("zone.cpu-shares", action="none"),
    "zfs-io-priority": Alias("zone.zfs-io-priority", action="none"),
    "ncpus": Alias("zone.cpu-cap", minimum=1),
    "swap": Alias("zone.max-swap"),
    "locked": Alias("zone.max-locked-memory"),
    "physical": Alias("zone.max-physical-memory"),
}
"""Global properties, and properties of capped-cpu and capped-memory, that are resource controls."""

_PRIVILEGED = "privileged"
_RCTL_VALUE = frozenset({"priv", "limit", "action"})


class IncompatibleRctlError(Exception):
    """A resource control has a form that its alias cannot express."""


@dataclass(frozen=True)
class Net:
    """One net resource; empty strings for what is not set.

    Attributes:
        physical: link (exclusive-ip) or interface (shared-ip).
        address: address of a shared-ip zone.
        allowed_address: address that an exclusive-ip zone is confined to.
        defrouter: default router.
        global_nic: link over which the brand makes `physical` at boot.
        mac_addr: its link-layer address.
        vlan_id: its VLAN.
        properties: free properties of a brand.
    """

    physical: str
    address: str = ""
    allowed_address: str = ""
    defrouter: str = ""
    global_nic: str = ""
    mac_addr: str = ""
    vlan_id: str = ""
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Filesystem:
    """One fs resource."""

    dir: str
    special: str
    type: str
    raw: str
    options: tuple[str, ...]


class Configuration:
    """A zone's configuration.

    Attributes:
        document: its XML document, which all accessors read and change.
        is_new: it was made by ``create`` and has not been saved since.
        uuid: universal id of the zone where zonecfg knows it (SmartOS); it is kept in the index.
    """

    def __init__(self, document: Document, is_new: bool = False) -> None:
        self.document = document
        self.is_new = is_new
        self.uuid = ""

    @classmethod
    def from_template(cls, template: Document, name: str) -> Configuration:
        """A new configuration that copies another one under a new name."""
        made = cls(copy.deepcopy(template), is_new=True)
        made.root.attributes["name"] = name
        return made

    @classmethod
    def blank(cls, name: str, brand: str, ip_type: str = "") -> Configuration:
        """A configuration with nothing but its name and brand."""
        attributes = {"name": name, "zonepath": "", "autoboot": "false", "brand": brand}
        if ip_type:
            attributes["ip-type"] = ip_type
        return cls(Document(Element("zone", attributes)), is_new=True)

    @property
    def root(self) -> Element:
        """The zone element."""
        return self.document.root

    def has(self, name: str) -> bool:
        """The file has a global property, be it empty."""
        return ("name" if name == "zonename" else name) in self.root.attributes

    def get(self, name: str) -> str:
        """A global property as the file has it; empty when it is unset."""
        return self.root.get("name" if name == "zonename" else name)

    def set(self, name: str, value: str) -> None:
        """Set a global property; a shared ip-type is what an absent attribute means."""
        if (name, value) == ("ip-type", "shared"):
            self.clear(name)
        else:
            self.root.attributes["name" if name == "zonename" else name] = value

    def clear(self, name: str) -> None:
        """Take a global property out."""
        self.root.attributes.pop(name, None)

    @property
    def name(self) -> str:
        """The zone's name."""
        return self.root.get("name")

    @property
    def zonepath(self) -> str:
        """The zone's directory."""
        return self.root.get("zonepath")

    @property
    def brand(self) -> str:
        """The brand's name; may be empty."""
        return self.root.get("brand")

    @property
    def autoboot(self) -> bool:
        """Boot the zone when the host boots."""
        return self.root.get("autoboot") == "true"

    @property
    def ip_type(self) -> str:
        """``shared`` or ``exclusive``."""
        return self.root.get("ip-type") or "shared"

    @property
    def exclusive_ip(self) -> bool:
        """The zone has an IP stack of its own."""
        return self.ip_type == "exclusive"

    def resources(self, name: str) -> list[Element]:
        """All elements of a resource type, in document order."""
        return list(self.root.elements(RESOURCES[name].tag))

    def readable(self, name: str) -> list[Element]:
        """The elements of a resource type that are listed: up to the first that lacks an attribute."""
        return list(takewhile(RESOURCES[name].has_all, self.resources(name)))

    def nets(self) -> list[Net]:
        """All net resources, in document order."""
        return [
            Net(
                physical=e.get("physical"),
                address=e.get("address"),
                allowed_address=e.get("allowed-address"),
                defrouter=e.get("defrouter"),
                global_nic=e.get("global-nic"),
                mac_addr=e.get("mac-addr"),
                vlan_id=e.get("vlan-id"),
                properties={c.get("name"): c.get("value") for c in e.elements("net-attr")},
            )
            for e in self.resources("net")
        ]

    def filesystems(self) -> list[Filesystem]:
        """All fs resources, in document order."""
        return [
            Filesystem(
                dir=e.get("directory"),
                special=e.get("special"),
                type=e.get("type"),
                raw=e.get("raw"),
                options=tuple(o.get("name") for o in e.elements("fsoption")),
            )
            for e in self.resources("fs")
        ]

    def attrs(self) -> dict[str, str]:
        """Values of all attr resources by name."""
        return {e.get("name"): e.get("value") for e in self.resources("attr")}

    def datasets(self) -> list[str]:
        """Names of all delegated datasets."""
        return [e.get("name") for e in self.resources("dataset")]

    def single(self, tag: str) -> Element | None:
        """The first element of a tag."""
        return next(self.root.elements(tag), None)

    def add(self, element: Element) -> None:
        """Append a resource."""
        self.root.children.append(element)

    def remove(self, elements: Iterable[Element]) -> None:
        """Take elements out."""
        gone = [id(element) for element in elements]
        self.root.children = [child for child in self.root.children if id(child) not in gone]

    # Resource controls that stand behind a property ------------------------------------------------

    def dedicated_cpu(self) -> dict[str, str]:
        """The properties of dedicated-cpu; empty when there is none."""
        pset, pool = self.single("pset"), self.single("tmp_pool")
        if pset is None:
            return {}
        low, high = pset.get("ncpu_min"), pset.get("ncpu_max")
        found = {"ncpus": low if low == high else f"{low}-{high}"}
        if pool is not None and pool.get("importance"):
            found["importance"] = pool.get("importance")
        return found

    def remove_dedicated_cpu(self) -> None:
        """Take dedicated-cpu out."""
        self.remove([*self.root.elements("pset"), *self.root.elements("tmp_pool")])

    def has_rctl(self, name: str) -> bool:
        """There is a resource control of that name."""
        return any(e.get("name") == name for e in self.root.elements("rctl"))

    def alias(self, name: str) -> int | None:
        """The value of an aliased property; None when it is unset.

        Raises:
            IncompatibleRctlError: the resource control has another form.
        """
        alias = ALIASES[name]
        rctls = [e for e in self.root.elements("rctl") if e.get("name") == alias.rctl]
        if not rctls:
            return None
        # Whatever stands in the resource control is taken for a value.
        values = [value for rctl in rctls for value in rctl.children if isinstance(value, Element)]
        if (
            len(rctls) != 1
            or len(values) != 1
            or not values[0].attributes.keys() >= _RCTL_VALUE
            or values[0].get("priv") != _PRIVILEGED
            or values[0].get("action") != alias.action
        ):
            raise IncompatibleRctlError(alias.rctl)
        return strtoull(values[0].get("limit"))[0]

    def has_alias(self, name: str) -> bool:
        """The property is set in a form that the alias can express."""
        try:
            return self.alias(name) is not None
        except IncompatibleRctlError:
            return False

    def set_alias(self, name: str, value: int) -> None:
        """Set an aliased property; its resource control moves to the end of the document.

        Raises:
            IncompatibleRctlError: the resource control has another form.
        """
        self.alias(name)
        alias = ALIASES[name]
        self._drop_rctl(alias.rctl)
        self.add(
            Element(
                "rctl",
                {"name": alias.rctl},
                [rctl_value(_PRIVILEGED, str(value), alias.action)],
            )
        )

    def clear_alias(self, name: str) -> None:
        """Unset an aliased property.

        Raises:
            IncompatibleRctlError: the resource control has another form.
        """
        self.alias(name)
        self._drop_rctl(ALIASES[name].rctl)

    def memory_aliases(self, forked: bool) -> list[str]:
        """The properties of capped-memory that are set as resource controls."""
        names = ("physical", "swap", "locked") if forked else ("swap", "locked")
        return [name for name in names if self.has_alias(name)]

    def has_memory_cap(self, forked: bool) -> bool:
        """There is something that capped-memory shows."""
        return self.single("mcap") is not None or bool(self.memory_aliases(forked))

    def _drop_rctl(self, name: str) -> None:
        self.remove([e for e in self.root.elements("rctl") if e.get("name") == name])


def rctl_value(priv: str, limit: str, action: str) -> Element:
    """One value of a resource control."""
    return Element("rctl-value", {"priv": priv, "limit": limit, "action": action})


def build(resource: ResourceType, properties: dict[str, str], items: list[Element]) -> Element:
    """A new element for a resource with its properties and list items."""
    attributes = {
        attribute: properties.get(name, "")
        for name, attribute in resource.attributes.items()
        if properties.get(name) or attribute not in resource.optional
    }
    children: list[Element | Comment] = [*items]
    return Element(resource.tag, attributes, children)


def properties_of(resource: ResourceType, element: Element) -> dict[str, str]:
    """The properties of a resource by their names in the language; empty ones are left out."""
    return {
        name: element.get(attribute)
        for name, attribute in resource.attributes.items()
        if element.get(attribute)
    }


def valid_rctl_value(value: Element) -> bool:
    """A zone's resource control can have that value; see rctlblk_set_value(3C)."""
    limit = value.get("limit")
    return (
        value.attributes.keys() >= _RCTL_VALUE
        and value.get("priv") == _PRIVILEGED
        and value.get("action") in ("none", "deny")
        and not limit.startswith("-")
        and not strtoull(limit, 0)[1]
    )


def items_of(element: Element) -> list[Element]:
    """Elements for the values of a resource's list property, up to the first that cannot be one."""
    children = [child for child in element.children if isinstance(child, Element)]
    if element.tag == "rctl":
        return list(takewhile(valid_rctl_value, children))
    return list(takewhile(lambda child: "name" in child.attributes, children))
