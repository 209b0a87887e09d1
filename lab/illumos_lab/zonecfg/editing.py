"""Changing a configuration in the global scope of zonecfg(8): add, select, remove, set, clear."""

from __future__ import annotations

from illumos_lab.zonecfg import output, usage, values
from illumos_lab.zonecfg.grammar import Command, Value
from illumos_lab.zonecfg.model import ALIASES, IncompatibleRctlError
from illumos_lab.zonecfg.scope import Scope
from illumos_lab.zonecfg.session import (
    NO_PROPERTY_TYPE,
    NO_RESOURCE_TYPE,
    USAGE_RESOURCES,
    Session,
)
from illumos_lab.zonecfg.store import ZoneInUseError, ZoneNameError, ZoneStateError
from illumos_lab.zonecfg.xmlfile import Element

NO_ENTRY = "No such entry"
NO_RESOURCE_ID = "No such resource with that id"
INSUFFICIENT_SPEC = "Insufficient specification"
CLEAR_DISALLOWED = "Clearing this property is not allowed"
INVALID_PROPERTY = "Specified property is invalid"
ALIAS_DISALLOWED = "An incompatible rctl already exists for this property"
BAD_ZONE_STATE = "Zone state is invalid for the requested operation"
BOGUS_ZONE_NAME = "Bogus zone name"

_NOT_FOR_GLOBAL = (
    "zonename", "zonepath", "brand", "autoboot", "bootargs", "limitpriv", "scheduling-class", "ip-type",
    "hostid", "fs-allowed", "uuid",
)  # fmt: skip
_RESOURCES_NOT_FOR_GLOBAL = ("fs", "net", "device", "attr", "dataset")
_SINGLETONS = ("dedicated-cpu", "capped-cpu", "capped-memory", "security-flags")
_GLOBAL_RCTL_WARNING = (
    "WARNING: Setting a global zone resource control too low could deny\n"
    "service to even the root user; this could render the system impossible\n"
    "to administer.  Please use caution."
)
_GLOBAL_MEMORY_WARNING = (
    "WARNING: Setting a global zone memory cap too low could deny\n"
    "service to even the root user; this could render the system impossible\n"
    "to administer.  Please use caution."
)
_MULTIPLE = (
    "There are multiple instances of this resource.  Either qualify the resource to\n"
    "remove a single instance or use the -F option to remove all instances."
)


class Editor(Session):
    """A session with the subcommands that change a configuration in the global scope."""

    def _add(self, command: Command) -> None:
        if self._options(command, "") is None or self._refuse_edit("add") or not self._ready():
            return
        if self.scope is not None:
            self.scope.add(command)
            return
        if command.resource is None:
            self.long_usage("add")
            return
        if self.is_global and command.resource in _RESOURCES_NOT_FOR_GLOBAL:
            self.error(f"Cannot add a {command.resource} resource to the global zone.")
            return
        if self._may_add(command.resource):
            self.scope = Scope(self, command.resource)

    def _may_add(self, resource: str) -> bool:
        configuration = self.current
        has_dedicated = configuration.single("pset") is not None
        has_capped = configuration.has_alias("ncpus") or (
            configuration.rctl(ALIASES["ncpus"].rctl) is not None
        )
        match resource:
            case "dedicated-cpu":
                if configuration.get("pool"):
                    self.error(
                        "The pool property is already set.  A persistent pool is incompatible with\n"
                        "the dedicated-cpu resource."
                    )
                    return False
                if has_dedicated:
                    self.say("The dedicated-cpu resource already exists.")
                    return False
                if has_capped:
                    self.say("The capped-cpu resource already exists.")
                    return False
            case "capped-cpu":
                if has_dedicated:
                    self.say("The dedicated-cpu resource already exists.")
                    return False
                if has_capped:
                    self.say("The capped-cpu resource already exists.")
                    return False
            case "capped-memory":
                if configuration.has_memory_cap(self.dialect.forked):
                    self.say("The capped-memory resource or a related resource control already exists.")
                    return False
                if self.is_global:
                    self.say(_GLOBAL_MEMORY_WARNING)
            case "security-flags":
                if configuration.single("security-flags") is not None:
                    self.say("The security-flags resource already exists.")
            case "rctl" if self.is_global:
                self.say(_GLOBAL_RCTL_WARNING)
        return True

    def _select(self, command: Command) -> None:
        if self._refuse_edit("select"):
            return
        if self.scope is not None:
            self.error("The select command only makes sense in the global scope.")
            return
        resource = command.resource
        assert resource is not None
        if not self._ready():
            # The scope opens all the same, which the end of the session then complains about.
            self.scope = Scope(self, resource)
            return
        problem = self._select_resource(resource, command)
        if problem is not None:
            self.error(f"select {resource}: {problem}")

    def _select_resource(self, resource: str, command: Command) -> str | None:
        configuration = self.current
        match resource:
            case "dedicated-cpu":
                element = configuration.single("pset")
                if element is None:
                    return NO_ENTRY
                self.scope = Scope(self, resource, [element])
                return None
            case "capped-cpu":
                try:
                    if configuration.alias("ncpus") is None:
                        return NO_ENTRY
                except IncompatibleRctlError:
                    return ALIAS_DISALLOWED
                self.scope = Scope(self, resource, [])
                return None
            case "capped-memory":
                if not configuration.has_memory_cap(self.dialect.forked):
                    return NO_RESOURCE_TYPE
                mcap = configuration.single("mcap")
                self.scope = Scope(self, resource, [mcap] if mcap is not None else [])
                return None
        found = self.find(resource, command.pairs)
        if isinstance(found, str):
            return found
        self.scope = Scope(self, resource, [found])
        return None

    def qualifiers(self, resource: str, pairs: list[tuple[str, Value]]) -> dict[str, str] | None:
        """The properties that pick a resource; None when they cannot be, which has been said."""
        picked: dict[str, str] = {}
        allowed = output.QUALIFIERS[resource]
        for name, value in pairs:
            if name not in allowed:
                self.error(f"{name}: {NO_PROPERTY_TYPE}")
                return None
            if not isinstance(value, str):
                self.error("A simple value was expected here.")
                return None
            picked[name] = value
        return picked

    def find(self, resource: str, pairs: list[tuple[str, Value]]) -> Element | str:
        """The one resource that has the given properties, or what is wrong with them."""
        picked = self.qualifiers(resource, pairs)
        if picked is None:
            return INSUFFICIENT_SPEC
        matching = output.matching(self.current, resource, picked)
        if not matching:
            return NO_RESOURCE_ID
        return matching[0] if len(matching) == 1 else INSUFFICIENT_SPEC

    def _remove(self, command: Command) -> None:
        options = self._options(command, "F")
        if options is None or self._refuse_edit("remove"):
            return
        if command.resource is None and not command.pairs:
            self.short_usage("remove", USAGE_RESOURCES)
            return
        if not self._ready():
            return
        if self.scope is not None:
            if command.resource is not None:
                self.long_usage("remove")
            else:
                self.scope.remove(command)
            return
        if command.resource is None:
            self.long_usage("remove")
            return
        self._remove_resource(command.resource, command.pairs, "F" in options)

    def _remove_resource(self, resource: str, pairs: list[tuple[str, Value]], force: bool) -> None:
        if self.is_global and resource in _RESOURCES_NOT_FOR_GLOBAL:
            self.error(f"{resource} is not a valid resource for the global zone.")
            return
        if resource in _SINGLETONS:
            self._remove_singleton(resource)
            return
        if pairs:
            found = self.find(resource, pairs)
            if isinstance(found, str):
                if not (force and found == NO_RESOURCE_ID):
                    self.error(f"remove {resource}: {found}")
                return
            doomed = [found]
        else:
            doomed = self.current.resources(resource)
            if not doomed:
                if not (force and self.dialect.forked):
                    self.error(f"remove {resource}: {NO_ENTRY}")
                return
            if len(doomed) > 1 and not force and not self._remove_all(resource):
                return
        self.current.remove(doomed)
        self.unsaved = True

    def _remove_all(self, resource: str) -> bool:
        answer = None
        if self._interactive:
            answer = self.ask(f"Are you sure you want to remove ALL '{resource}' resources")
        if answer is None:
            self.error(_MULTIPLE)
            return False
        return answer

    def _remove_singleton(self, resource: str) -> None:
        configuration = self.current
        match resource:
            case "dedicated-cpu":
                doomed = [*configuration.root.elements("pset")]
                doomed += configuration.root.elements("tmp_pool")
                if not doomed:
                    self.error(f"remove {resource}: {NO_ENTRY}")
                    return
                configuration.remove(doomed)
            case "capped-cpu":
                if not configuration.has_alias("ncpus"):
                    self.error(f"remove {resource}: {NO_RESOURCE_TYPE}")
                    return
                configuration.clear_alias("ncpus")
            case "capped-memory":
                if not configuration.has_memory_cap(self.dialect.forked):
                    self.error(f"remove {resource}: {NO_RESOURCE_TYPE}")
                    return
                configuration.remove([*configuration.root.elements("mcap")])
                for name in configuration.memory_aliases(self.dialect.forked):
                    configuration.clear_alias(name)
            case "security-flags":
                element = configuration.single(resource)
                if element is None:
                    self.say(f"remove {resource}: {NO_RESOURCE_TYPE}")
                    return
                configuration.remove([element])
        self.unsaved = True

    def _clear(self, command: Command) -> None:
        name = command.property
        assert name is not None
        if self._refuse_edit("clear"):
            return
        if self.scope is None and self.is_global and name in _NOT_FOR_GLOBAL:
            self.error(f"{name} is not a valid property for the global zone.")
            return
        if not self._ready():
            return
        if self.scope is not None:
            self.scope.clear(name)
            return
        if name in ("zonename", "zonepath", "brand", "uuid"):
            self.error(f"{name}: {CLEAR_DISALLOWED}")
            return
        if name in self.dialect.aliases:
            self.clear_alias(name)
            return
        if name not in self.dialect.info_properties:
            self.wrong_property("clear", name)
            return
        if name == "autoboot":
            self.current.set(name, "false")
        else:
            self.current.clear(name)
        self.unsaved = True

    def clear_alias(self, name: str) -> None:
        """Unset a property that is a resource control."""
        try:
            if self.current.alias(name) is None:
                self.error(f"clear {name}: {NO_ENTRY}")
                return
            self.current.clear_alias(name)
        except IncompatibleRctlError:
            self.error(f"clear {name}: {ALIAS_DISALLOWED}")
            return
        self.unsaved = True

    def set_alias(self, name: str, value: int | None) -> bool:
        """Set a property that is a resource control; says why it cannot be."""
        alias = ALIASES[name]
        if value is None or value < alias.minimum:
            self.error(f"{name} property is out of range.")
            return False
        try:
            self.current.set_alias(name, value)
        except IncompatibleRctlError:
            self.error(f"{name}: {ALIAS_DISALLOWED}")
            return False
        self.unsaved = True
        return True

    def _set(self, command: Command) -> None:
        # From the first set on, getopt keeps silent about unknown options, of other commands too.
        self._options_reported = False
        options = self._options(command, "F")
        if options is None or self._refuse_edit("set"):
            return
        name, value = command.pairs[0]
        if self.scope is None:
            if name not in self.dialect.info_properties:
                self.error("Cannot set a resource-specific property from the global scope.")
                return
            if self.is_global and name in _NOT_FOR_GLOBAL:
                self.error(f"{name} is not a valid property for the global zone.")
                return
        if "F" in options:
            if self.scope is not None:
                self.error("Only zonepath setting can be forced.")
                return
            if not self.store.is_alternate:
                self.error("Zonepath is changeable only in an alternate root.")
                return
        accepts_others = self.scope is not None and self.scope.accepts_list(name)
        if not isinstance(value, str) and not accepts_others:
            self.error("A simple value was expected here.")
            return
        if (
            self.scope is None
            and name == "zonename"
            and self.configuration is None
            and not self.store.exists(self.zone)
        ):
            self._rename_before_create(str(value))
            return
        if not self._ready():
            return
        if self.scope is not None:
            self.scope.set(name, value)
        else:
            self._set_global(name, str(value), forced="F" in options)

    def _rename_before_create(self, name: str) -> None:
        if values.valid_zonename(name):
            self.zone = name
        else:
            self._zone_name_error(name, BOGUS_ZONE_NAME)

    def _zone_name_error(self, name: str, text: str) -> None:
        self.error(f"{name}: {text}")
        self.run.err("\n" + usage.ZONE_SYNTAX)

    def _set_global(self, name: str, value: str, *, forced: bool = False) -> None:
        if name in ALIASES:
            if self.is_global:
                self.say(_GLOBAL_RCTL_WARNING)
            if name == "max-shm-memory":
                size = values.size_to_bytes(value)
                if size is None:
                    self.error(
                        "A non-negative number with a required scale suffix "
                        "(K, M, G or T) was expected\nhere."
                    )
                else:
                    self.set_alias(name, size)
            else:
                self.set_alias(name, values.unsigned(value))
            return
        match name:
            case "zonename":
                self._rename(value)
                return
            case "uuid":
                if not values.valid_uuid(value):
                    self.error(f"uuid: {INVALID_PROPERTY}")
                    return
                self.current.uuid = value.lower()
                self.unsaved = True
                return
            case "zonepath" | "brand":
                if self._is_installed() and not forced:
                    self.say(f"Zone {self.zone} already installed; set {name} not allowed.")
                    return
                if name == "zonepath":
                    try:
                        value = values.zonepath(value)
                    except values.BadValue as problem:
                        self.error(str(problem))
                        return
            case "autoboot" if value not in ("true", "false"):
                self.error("autoboot value must be 'true' or 'false'.")
                return
            case "ip-type" if value not in ("shared", "exclusive"):
                self.error("ip-type value must be 'shared' or 'exclusive'.")
                return
            case "pool":
                if value.startswith("SUNW"):
                    self.error("pool names starting with SUNW are reserved.")
                    return
                if self.current.single("pset") is not None:
                    self.error(
                        "The dedicated-cpu resource already exists.  "
                        "A persistent pool is incompatible\nwith the dedicated-cpu resource."
                    )
                    return
            case "hostid":
                if len(value) > 10:
                    self.error(f"hostid string is too large: {value}")
                    return
                if value and not values.valid_hostid(value):
                    self.error(f"hostid: {INVALID_PROPERTY}")
                    return
            case "fs-allowed" if not values.valid_fs_allowed(value):
                self.error(f"{self.zone}: {INVALID_PROPERTY}")
                return
        self.current.set(name, value)
        self.unsaved = True

    def _rename(self, name: str) -> None:
        try:
            self.store.check_rename(self.current, self._saved_name, name)
        except ZoneStateError:
            self._zone_name_error(name, BAD_ZONE_STATE)
            return
        except ZoneNameError:
            self._zone_name_error(name, BOGUS_ZONE_NAME)
            return
        except ZoneInUseError:
            self._zone_name_error(name, "Zone name already in use")
            return
        self.current.set("zonename", name)
        self.zone = name
        self.unsaved = True
