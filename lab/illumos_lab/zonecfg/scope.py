"""Editing one resource: the subcommands inside a resource scope of zonecfg(8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from illumos_lab.zonecfg import admins, usage, values
from illumos_lab.zonecfg.grammar import Command, Complex, Value
from illumos_lab.zonecfg.model import (
    RESOURCES,
    IncompatibleRctlError,
    build,
    items_of,
    properties_of,
    rctl_value,
    same_address,
)
from illumos_lab.zonecfg.xmlfile import Element

if TYPE_CHECKING:
    from illumos_lab.zonecfg.editing import Editor
    from illumos_lab.zonecfg.session import Session

_LIST_PROPERTIES = {"fs": "options", "rctl": "value"}
_FORK_LIST_PROPERTIES = {**_LIST_PROPERTIES, "net": "property", "device": "property"}
_CLEARABLE = {
    "fs": ("raw",),
    "dedicated-cpu": ("importance",),
    "capped-memory": ("physical", "swap", "locked"),
    "security-flags": ("default", "lower", "upper"),
}
_FORK_CLEARABLE = {
    **_CLEARABLE,
    "net": ("allowed-address", "defrouter", "global-nic", "mac-addr", "vlan-id"),
}
PROPERTIES = {
    "fs": ("dir", "special", "raw", "type", "options"),
    "net": ("address", "allowed-address", "physical", "defrouter"),
    "device": ("match",),
    "rctl": ("name", "value"),
    "attr": ("name", "type", "value"),
    "dataset": ("name",),
    "dedicated-cpu": ("ncpus", "importance"),
    "capped-cpu": ("ncpus",),
    "capped-memory": ("physical", "swap", "locked"),
    "admin": ("user", "auths"),
    "security-flags": ("default", "lower", "upper"),
}
"""Properties of each resource, in the order of the manual page."""

_FORK_NET_PROPERTIES = ("global-nic", "mac-addr", "vlan-id")
_REQUIRED_ORDER = {"fs": ("dir", "special", "type")}
_PIECES = ("priv", "limit", "action")
_MINIMUM = {"physical": (1 << 20, "1M"), "swap": (50 << 20, "50M")}
_VLAN_MAX = 4094


class Scope:
    """The resource being edited.

    Attributes:
        resource: its type.
        properties: its properties so far.
        items: its list values so far: fs options, rctl values, free properties.
    """

    def __init__(self, session: Editor, resource: str, selected: list[Element] | None = None) -> None:
        self.resource = resource
        self.properties: dict[str, str] = {}
        self.items: list[Element] = []
        self._session = session
        self._selected = selected
        forked = session.dialect.forked
        self._lists = _FORK_LIST_PROPERTIES if forked else _LIST_PROPERTIES
        self._clearable = _FORK_CLEARABLE if forked else _CLEARABLE
        for element in selected or []:
            self._read(element)

    def _read(self, element: Element) -> None:
        match self.resource:
            case "dedicated-cpu":
                low, high = element.get("ncpu_min"), element.get("ncpu_max")
                self.properties["ncpus"] = low if low == high else f"{low}-{high}"
                pool = self._session.current.single("tmp_pool")
                if pool is not None:
                    self.properties["importance"] = pool.get("importance")
            case "capped-memory":
                self.properties["physical"] = element.get("physcap")
            case _:
                self.properties = properties_of(RESOURCES[self.resource], element)
                self.items = list(items_of(element))

    def accepts_list(self, name: str) -> bool:
        """The property takes lists."""
        return self._lists.get(self.resource) == name

    # set -----------------------------------------------------------------------------------------

    def set(self, name: str, value: Value) -> None:
        """Carry out ``set``."""
        known = PROPERTIES[self.resource]
        if self.resource == "net" and self._session.dialect.forked:
            known = (*known, *_FORK_NET_PROPERTIES)
        if name not in known:
            self._session.wrong_property("set", name)
            return
        if self.accepts_list(name):
            self._set_list(name, value)
            return
        assert isinstance(value, str)
        try:
            checked = self._check(name, value)
        except values.BadValue as problem:
            # A bad name of a resource control is the one problem that leaves the exit status alone.
            if self.resource == "rctl":
                self._session.say(str(problem))
                return
            self._session.error(str(problem))
            if "bogus host name" in str(problem):
                self._session.run.err("\n" + usage.NET_ADDRESS_SYNTAX)
            return
        if checked is not None:
            self.properties[name] = checked

    def _check(self, name: str, value: str) -> str | None:
        """The value to keep; None when there is nothing to keep here."""
        match self.resource, name:
            case "fs", "type":
                return values.fs_type(value)
            case "net", "address" | "allowed-address":
                return values.net_address(value)
            case "net", "defrouter":
                return self._default_router(value)
            case "net", "physical":
                ip_type = self._session.current.ip_type
                if ip_type not in ("shared", "exclusive"):
                    self._session.say("zone configuration has an invalid or nonexistent ip-type property")
                    return None
                if ip_type == "exclusive":
                    return values.exclusive_link(value)
                return values.shared_interface(value)
            case "net", "mac-addr":
                return _mac_address(value)
            case "net", "vlan-id":
                if not value.isdecimal() or not 0 <= int(value) <= _VLAN_MAX:
                    raise values.BadValue("vlan-id property is out of range.")
            case "rctl", "name":
                return values.rctl_name(value)
            case "dedicated-cpu", "ncpus":
                cpus = values.cpu_range(value)
                if cpus is None:
                    raise values.BadValue("ncpus property is out of range.")
                return cpus[0] if cpus[0] == cpus[1] else f"{cpus[0]}-{cpus[1]}"
            case "dedicated-cpu", "importance":
                number = values.unsigned(value)
                if number is None:
                    raise values.BadValue("importance property is out of range.")
                return str(number)
            case "capped-cpu", "ncpus":
                cap = values.cpu_cap(value, rounded=self._session.dialect.forked)
                self._session.set_alias("ncpus", cap)
                return None
            case "capped-memory", _:
                return self._memory(name, value)
            case "admin", "user":
                if not admins.user_exists(self._session.store.root, value):
                    raise values.BadValue(f"user {value} is not a valid username")
        return value

    def _default_router(self, value: str) -> str:
        checked = values.net_address(value)
        if "/" in checked:
            self._session.say(
                f"Warning: prefix length in {checked} is not required and will be ignored. "
                "The default host-prefix length will be used"
            )
        return checked

    def _memory(self, name: str, value: str) -> str | None:
        size = values.size_to_bytes(value)
        if size is None:
            kind = "non-negative" if name == "locked" else "positive"
            line_break = "\n" if name == "locked" else " "
            raise values.BadValue(
                f"A {kind} number with a required scale suffix (K, M, G or T) was expected{line_break}here."
            )
        minimum, shown = _MINIMUM.get(name, (0, ""))
        if size < minimum:
            raise values.BadValue(f"{name} value is too small.  It must be at least {shown}.")
        if name == "physical" and not self._session.dialect.forked:
            return str(size)
        self._session.set_alias(name, size)
        return None

    def _set_list(self, name: str, value: Value) -> None:
        simple = self.resource == "fs"
        if isinstance(value, tuple if simple else str):
            self._list_expected(simple)
            return
        self.items = []
        if value != []:
            self._add_value(name, value)

    def _list_expected(self, simple: bool) -> None:
        kind = "simple" if simple else "complex"
        self._session.error(f"A {kind} or list value was expected here.")

    # add and remove ------------------------------------------------------------------------------

    def add(self, command: Command) -> None:
        """Carry out ``add PROPERTY VALUE``."""
        if not command.pairs:
            self._session.long_usage("add")
            return
        name, value = command.pairs[0]
        if self.resource not in self._lists:
            self._session.wrong_resource("add", self.resource)
        elif not self.accepts_list(name):
            self._session.wrong_property("add", name)
        elif isinstance(value, tuple if self.resource == "fs" else str):
            self._list_expected(self.resource == "fs")
        else:
            self._add_value(name, value)

    def _add_value(self, name: str, value: Value) -> None:
        for item in value if isinstance(value, list) else [value]:
            if self.resource == "fs":
                if isinstance(item, str):
                    self.items.append(Element("fsoption", {"name": item}))
            elif self.resource == "rctl":
                self._add_rctl_value(() if isinstance(item, str) else item)
            else:
                self._add_free_property(name, () if isinstance(item, str) else item)

    def _add_rctl_value(self, pieces: Complex) -> None:
        found: dict[str, str] = {}
        for piece, value in pieces:
            if piece not in _PIECES:
                self._session.wrong_property("add", "value")
                return
            if piece in found:
                self._session.say(f"{piece} already specified")
                return
            found[piece] = value
        missing = [piece for piece in _PIECES if piece not in found]
        for piece in missing:
            self._session.say(f"{piece} not specified")
        if missing:
            return
        if (
            found["priv"] != "privileged"
            or found["action"] not in ("none", "deny")
            or values.unsigned(found["limit"] or "x") is None
        ):
            self._session.say("Invalid rctl value specification")
            return
        self.items.append(rctl_value(found["priv"], found["limit"], found["action"]))

    def _add_free_property(self, name: str, pieces: Complex) -> None:
        found = dict(pieces)
        if found.keys() != {"name", "value"}:
            self._session.wrong_property("add", name)
            return
        self.items = [item for item in self.items if item.get("name") != found["name"]]
        self.items.append(Element("net-attr", found))

    def remove(self, command: Command) -> None:
        """Carry out ``remove PROPERTY VALUE``."""
        name, value = command.pairs[0]
        if self.resource == "net" and name == "defrouter":
            self._remove_default_router(value)
        elif self.resource not in self._lists and self.resource != "net":
            self._session.wrong_resource("remove", self.resource)
        elif not self.accepts_list(name):
            self._session.wrong_property("remove", name)
        elif self.resource == "fs":
            self._remove_options(value)
        elif isinstance(value, tuple):
            self._remove_items(name, dict(value))
        else:
            self._session.error("A complex value was expected here.")

    def _remove_default_router(self, value: Value) -> None:
        if not isinstance(value, str):
            self._session.error("A simple value was expected here.")
        else:
            self.properties.pop("defrouter", None)

    def _remove_options(self, value: Value) -> None:
        if isinstance(value, tuple):
            self._list_expected(simple=True)
            return
        for option in value if isinstance(value, list) else [value]:
            self._remove_items("options", {"name": str(option)})

    def _remove_items(self, name: str, wanted: dict[str, str]) -> None:
        for item in self.items:
            if all(item.get(key) == value for key, value in wanted.items()):
                self.items.remove(item)
                return
        self._session.error(f"{name}: No such property with that id")

    # clear ---------------------------------------------------------------------------------------

    def clear(self, name: str) -> None:
        """Carry out ``clear``."""
        if name not in self._clearable.get(self.resource, ()):
            self._session.error(f"{name}: Clearing this property is not allowed")
            return
        is_alias = self.resource == "capped-memory" and (name != "physical" or self._session.dialect.forked)
        if is_alias:
            self._session.clear_alias(name)
        else:
            self.properties.pop(name, None)

    # end -----------------------------------------------------------------------------------------

    def end(self) -> bool:
        """Carry out ``end``; returns whether the scope is closed."""
        match self.resource:
            case "dedicated-cpu":
                return self._end_dedicated_cpu()
            case "capped-cpu":
                return self._end_capped_cpu()
            case "capped-memory":
                return self._end_capped_memory()
        if not self._complete() or self._duplicate():
            return False
        resource = RESOURCES[self.resource]
        self._replace([build(resource, self.properties, self.items)])
        return True

    def _replace(self, elements: list[Element]) -> None:
        configuration = self._session.current
        configuration.remove(self._selected or [])
        for element in elements:
            configuration.add(element)

    def _complete(self) -> bool:
        required = _REQUIRED_ORDER.get(self.resource, RESOURCES[self.resource].required)
        problems = [f"{name} not specified" for name in required if not self.properties.get(name)]
        match self.resource:
            case "fs":
                for name in ("dir", "raw"):
                    path = self.properties.get(name, "")
                    if path and not path.startswith("/"):
                        problems.append(f"{name} {path} is not an absolute path.")
            case "rctl" if not self.items:
                problems.append("no value specified")
            case "attr":
                problems += self._attr_problems()
            case "admin" if not problems:
                return self._admin_valid()
            case "security-flags":
                return self._security_flags_valid()
        for problem in problems:
            self._session.error(problem)
        return not problems

    def _attr_problems(self) -> list[str]:
        name = self.properties.get("name", "")
        kind = self.properties.get("type", "")
        value = self.properties.get("value", "")
        problems = []
        problem = values.attr_name_problem(name)
        if problem:
            problems.append(problem)
        if value or kind not in ("int", "uint", "boolean", "string"):
            problem = values.attr_problem(kind, value)
            if problem:
                problems.append(problem)
        return problems

    def _admin_valid(self) -> bool:
        for auth in self.properties["auths"].split(","):
            if not admins.valid_auth(auth):
                self._session.run.err(
                    f"zone '{self._session.zone}': '{auth}' is not a valid authorization\n"
                )
                self._session.failed = True
                return False
        return True

    def _security_flags_valid(self) -> bool:
        return check_security_flags(self._session, self.properties)

    def _duplicate(self) -> bool:
        resource = RESOURCES[self.resource]
        if self._selected is not None:
            return False  # a selected resource may become equal to another one
        others = [
            properties_of(resource, element) for element in self._session.current.resources(self.resource)
        ]
        if self.resource == "net":
            return self._duplicate_net(others)
        for key in resource.keys:
            value = self.properties.get(key, "")
            if any(other.get(key, "") == value for other in others):
                article = "An" if self.resource == "attr" else "A"
                self._session.error(
                    f"{article} {self.resource} resource with the {key} '{value}' already exists."
                )
                return True
        return False

    def _duplicate_net(self, others: list[dict[str, str]]) -> bool:
        exclusive = self._session.current.exclusive_ip
        key = "allowed-address" if exclusive else "address"
        physical, address = self.properties.get("physical", ""), self.properties.get(key, "")
        for other in others:
            if other.get("physical", "") == physical and (
                not address or same_address(other.get(key, ""), address)
            ):
                self._session.error(
                    f"A net resource with the physical '{physical}', and {key} '{address}' already exists."
                )
                return True
        return False

    def _end_dedicated_cpu(self) -> bool:
        cpus = values.cpu_range(self.properties.get("ncpus", ""))
        if cpus is None:
            self._session.error("ncpus not specified")
            return False
        elements = [Element("pset", {"ncpu_min": cpus[0], "ncpu_max": cpus[1]})]
        importance = self.properties.get("importance")
        if importance:
            elements.append(Element("tmp_pool", {"importance": importance}))
        configuration = self._session.current
        configuration.remove(
            [*configuration.root.elements("pset"), *configuration.root.elements("tmp_pool")]
        )
        for element in elements:
            configuration.add(element)
        return True

    def _end_capped_cpu(self) -> bool:
        if self._session.current.has_alias("ncpus"):
            return True
        self._session.error("ncpus not specified")
        return False

    def _end_capped_memory(self) -> bool:
        session = self._session
        physical = self.properties.get("physical")
        caps = session.current.memory_aliases(session.dialect.forked)
        if not physical and not caps:
            session.error("No property was specified.  One of physical, swap or locked is required.")
            return False
        cap = int(physical) if physical else None
        if "physical" in caps:
            cap = session.current.alias("physical")
        try:
            locked = session.current.alias("locked")
        except IncompatibleRctlError:
            locked = None
        if cap is not None and locked is not None and locked > cap:
            session.error("The locked cap must be less than or equal to the physical cap.")
            return False
        elements = [Element("mcap", {"physcap": physical})] if physical else []
        self._selected = [*session.current.root.elements("mcap")]
        self._replace(elements)
        return True


def check_security_flags(session: Session, properties: dict[str, str]) -> bool:
    """Check the default, lower and upper sets of a security-flags resource; says what is wrong."""
    sets: dict[str, frozenset[str]] = {
        "default": frozenset(),
        "lower": frozenset(),
        "upper": frozenset(values.SECURITY_FLAGS),
    }
    for name in ("default", "lower", "upper"):
        text = properties.get(name)
        if not text:
            continue
        try:
            flags = values.security_flags(text)
        except values.BadValue:
            session.error(f"{name} security flags '{text}' are invalid")
            flags = None
        if flags is None:
            session.say(f"only assignment of security flags is allowed ({name}: {text})")
            return not session.failed
        sets[name] = flags
    fine = True
    if not sets["lower"] <= sets["default"]:
        session.error("default secflags must be above the lower limit")
        fine = False
    if not sets["default"] <= sets["upper"]:
        session.error("default secflags must be within the upper limit")
        fine = False
    if not sets["lower"] <= sets["upper"]:
        session.error("lower secflags must be within the upper limit")
        fine = False
    return fine


def _mac_address(value: str) -> str:
    parts = value.split(":")
    try:
        octets = [int(part, 16) for part in parts]
    except ValueError:
        octets = []
    if len(octets) != 6 or any(not 0 <= octet <= 255 for octet in octets):
        raise values.BadValue(f"{value}: invalid MAC address")
    return ":".join(f"{octet:02x}" for octet in octets)
