"""Editing one resource: the subcommands inside a resource scope of zonecfg(8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from illumos_lab.zonecfg import admins, usage, values
from illumos_lab.zonecfg.grammar import Command, Complex, Value
from illumos_lab.zonecfg.lookup import LookupFailure, Table, find, locate
from illumos_lab.zonecfg.model import (
    RESOURCES,
    IncompatibleRctlError,
    build,
    items_of,
    rctl_value,
    valid_rctl_value,
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
_PIECES = ("priv", "limit", "action")
_MEGABYTE = 1 << 20
_NO_MEMORY_CAP = "No property was specified.  One of physical, swap or locked is required."
_BAD_HANDLE = "Bad handle"
_VLAN_MAX = 4094
_KEYS = {
    "fs": "dir", "device": "match", "rctl": "name", "attr": "name", "dataset": "name", "admin": "user",
}  # fmt: skip
_LENGTHS = {
    ("net", "address"): 45,
    ("net", "allowed-address"): 45,
    ("net", "defrouter"): 45,
    ("rctl", "name"): 255,
    ("attr", "name"): 255,
    ("attr", "type"): 255,
    ("dataset", "name"): 255,
    ("admin", "user"): 31,
}
"""Lengths to which values are cut."""


class Scope:
    """The resource being edited.

    Attributes:
        resource: its type.
        properties: its properties so far.
        items: its list values so far: fs options, rctl values, free properties.
    """

    def __init__(self, session: Editor, resource: str, selected: Table | None = None) -> None:
        self.resource = resource
        self.properties: dict[str, str] = dict(selected or {})
        self.items: list[Element] = []
        self._session = session
        self._selected = selected
        forked = session.dialect.forked
        self._lists = _FORK_LIST_PROPERTIES if forked else _LIST_PROPERTIES
        self._clearable = _FORK_CLEARABLE if forked else _CLEARABLE
        if selected is not None and resource in self._lists:
            try:
                self.items = items_of(locate(session.current, resource, selected))
            except LookupFailure:
                # The search took properties from the command that the resource does not have; see lookup.
                self.items = []

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
            self.properties[name] = checked[: _LENGTHS.get((self.resource, name))]

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
                return check_physical(self._session, value)
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
                if values.unsigned(value) is None:
                    raise values.BadValue("importance property is out of range.")
            case "capped-cpu", "ncpus":
                cap = values.cpu_cap(value, rounded=self._session.dialect.forked)
                self._session.set_alias("ncpus", cap)
                return None
            case "capped-memory", _:
                return self._memory(name, value)
        return value

    def _default_router(self, value: str) -> str:
        host, slash, _prefix = value.partition("/")
        if slash:
            self._session.say(
                f"Warning: prefix length in {value} is not required and will be ignored. "
                "The default host-prefix length will be used"
            )
        values.host_address(host)
        return value

    def _memory(self, name: str, value: str) -> str | None:
        is_alias = name != "physical" or self._session.dialect.forked
        if is_alias and not self._session.alias_allowed(name):
            return None
        size = values.size_to_bytes(value)
        if size is None:
            kind = "non-negative" if name == "locked" else "positive"
            line_break = "\n" if name == "locked" else " "
            raise values.BadValue(
                f"A {kind} number with a required scale suffix (K, M, G or T) was expected{line_break}here."
            )
        least = {"physical": 1, "swap": 100 if self._session.is_global else 50}.get(name, 0)
        if size < least * _MEGABYTE:
            raise values.BadValue(f"{name} value is too small.  It must be at least {least}M.")
        if not is_alias:
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
                if not isinstance(item, str):
                    return
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
        item = rctl_value(found["priv"], found["limit"], found["action"])
        if not valid_rctl_value(item):
            self._session.say("Invalid rctl value specification")
            return
        self.items.append(item)

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
            self.properties.pop("defrouter", None)
        elif self.resource not in self._lists and self.resource != "net":
            self._session.wrong_resource("remove", self.resource)
        elif not self.accepts_list(name):
            self._session.wrong_property("remove", name)
        elif self.resource == "fs":
            self._remove_options(value)
        elif not isinstance(value, tuple):
            self._session.error("A complex value was expected here.")
        elif self.resource == "rctl":
            self._remove_rctl_value(value)
        else:
            self._remove_items(name, dict(value))

    def _remove_rctl_value(self, pieces: Complex) -> None:
        if any(piece not in _PIECES for piece, _ in pieces):
            self._session.wrong_property("add", "value")
        else:
            self._remove_items("value", dict.fromkeys(_PIECES, "") | dict(pieces))

    def _remove_options(self, value: Value) -> None:
        if isinstance(value, tuple):
            self._list_expected(simple=True)
            return
        for option in value if isinstance(value, list) else [value]:
            if not isinstance(option, str):
                return
            self._remove_items("options", {"name": option})

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
            self._session.unsaved = True

    # end -----------------------------------------------------------------------------------------

    def end(self) -> bool:
        """Carry out ``end``; returns whether the scope is closed."""
        if self._session.configuration is None:
            self._end_without_configuration()
            return False
        match self.resource:
            case "dedicated-cpu":
                return self._end_dedicated_cpu()
            case "capped-cpu":
                return self._end_capped_cpu()
            case "capped-memory":
                return self._end_capped_memory()
        if not self._complete() or self._duplicate():
            return False
        configuration = self._session.current
        if self._selected is not None:
            try:
                configuration.remove([locate(configuration, self.resource, self._selected)])
            except LookupFailure as failure:
                self._session.error(f"{self._session.zone}: {failure}")
                return False
        configuration.add(build(RESOURCES[self.resource], self.properties, self.items))
        return True

    def _end_without_configuration(self) -> None:
        """Say why a resource that was selected in a zone that does not exist cannot be ended.

        None of its properties can have been set.
        """
        session = self._session
        match self.resource:
            case "dedicated-cpu" | "capped-cpu":
                session.error("ncpus not specified")
            case "capped-memory":
                session.error(_NO_MEMORY_CAP)
            case _ if self._complete():
                session.error(f"{session.zone}: {_BAD_HANDLE}")

    def _complete(self) -> bool:
        match self.resource:
            case "fs":
                problems = [
                    problem
                    for name in ("dir", "special", "raw", "type")
                    if (problem := self._fs_problem(name)) is not None
                ]
            case "security-flags":
                fine = check_security_flags(self._session, self.properties)
                self._session.failed = self._session.failed or not fine
                return fine
            case "admin":
                return self._admin_complete()
            case _:
                required = RESOURCES[self.resource].required
                problems = [f"{name} not specified" for name in required if not self.properties.get(name)]
        match self.resource:
            case "rctl" if not self.items:
                problems.append("no value specified")
            case "attr":
                kind, value = self.properties.get("type", ""), self.properties.get("value", "")
                found = [
                    values.attr_name_problem(self.properties.get("name", "")),
                    values.attr_problem(kind, value),
                ]
                problems += [problem for problem in found if problem is not None]
        for problem in problems:
            self._session.error(problem)
        return not problems

    def _fs_problem(self, name: str) -> str | None:
        value = self.properties.get(name, "")
        if not value:
            return None if name == "raw" else f"{name} not specified"
        if name in ("dir", "raw") and not value.startswith("/"):
            return f"{name} {value} is not an absolute path."
        return None

    def _admin_complete(self) -> bool:
        user, auths = self.properties.get("user", ""), self.properties.get("auths", "")
        fine = True
        if not user:
            self._session.error("user not specified")
            fine = False
        elif not admins.user_exists(self._session.store.root, user):
            self._session.error(f"user {user} is not a valid username")
            fine = False
        if not auths:
            self._session.error("auths not specified")
            fine = False
        elif not check_auths(self._session, auths):
            self._session.failed = True
            fine = False
        return fine

    def _duplicate(self) -> bool:
        if self._selected is not None or self.resource == "security-flags":
            return False  # a selected resource may become equal to another one
        key = _KEYS.get(self.resource)
        wanted = self.properties if key is None else {key: self.properties[key]}
        try:
            find(self._session.current, self.resource, wanted)
        except LookupFailure:
            # Also several of them are no obstacle.
            return False
        article = "An" if self.resource == "attr" else "A"
        if key is not None:
            described = f"with the {key} '{self.properties[key]}'"
        else:
            which = "address" if self.properties.get("address") else "allowed-address"
            address = self.properties.get(which, "")
            described = f"with the physical '{self.properties['physical']}', and {which} '{address}'"
        self._session.error(f"{article} {self.resource} resource {described} already exists.")
        return True

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
        configuration.remove_dedicated_cpu()
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
            session.error(_NO_MEMORY_CAP)
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
        session.current.remove([*session.current.root.elements("mcap")])
        if physical:
            session.current.add(Element("mcap", {"physcap": physical}))
        return True


def check_physical(session: Session, value: str) -> str | None:
    """The name of a net resource's interface; None when the zone's ip-type is wrong, which has been said.

    Raises:
        values.BadValue: the ip-type does not allow such a name.
    """
    match session.current.ip_type:
        case "exclusive":
            return values.exclusive_link(value)
        case "shared":
            return values.shared_interface(value)
    session.error("zone configuration has an invalid or nonexistent ip-type property")
    return None


def check_auths(session: Session, auths: str) -> bool:
    """All words of an admin resource's auths are rights; says which are not."""
    wrong = [auth for auth in auths.split(",") if auth and not admins.valid_auth(auth)]
    for auth in wrong:
        session.run.err(f"zone '{session.zone}': '{auth}' is not a valid authorization\n")
    return not wrong


def check_security_flags(session: Session, properties: dict[str, str]) -> bool:
    """Check the default, lower and upper sets of a security-flags resource; says what is wrong.

    A set that is relative to others is complained of, but no fault; like a faulty one it counts as empty.
    """
    sets = {
        "default": frozenset[str](),
        "upper": frozenset(values.SECURITY_FLAGS),
        "lower": frozenset[str](),
    }
    relative = set()
    fine = True
    for name in sets:
        text = properties.get(name)
        if not text:
            continue
        flags = None
        try:
            flags = values.security_flags(text)
        except values.BadValue:
            session.say(f"{name} security flags '{text}' are invalid")
            fine = False
        if flags is None:
            relative.add(name)
        sets[name] = flags or frozenset()
    for name in ("default", "lower", "upper"):
        if name in relative:
            session.say(f"only assignment of security flags is allowed ({name}: {properties[name]})")
    for inner, outer, problem in (
        ("default", "upper", "default secflags must be within the upper limit"),
        ("lower", "default", "default secflags must be above the lower limit"),
        ("lower", "upper", "lower secflags must be within the upper limit"),
    ):
        if not sets[inner] <= sets[outer]:
            session.say(problem)
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
