"""Changing a configuration in the global scope of zonecfg(8): add, select, remove, set, clear."""

from __future__ import annotations

from illumos_lab.zonecfg import lookup, usage, values
from illumos_lab.zonecfg.grammar import Command, Value
from illumos_lab.zonecfg.lookup import INSUFFICIENT_SPEC, NO_ENTRY, NO_RESOURCE_ID, LookupFailure, Table
from illumos_lab.zonecfg.model import ALIASES, IncompatibleRctlError
from illumos_lab.zonecfg.scope import Scope
from illumos_lab.zonecfg.session import (
    NO_PROPERTY_TYPE,
    NO_RESOURCE_TYPE,
    Session,
)
from illumos_lab.zonecfg.store import ZoneInUseError, ZoneNameError, ZoneStateError

CLEAR_DISALLOWED = "Clearing this property is not allowed"
INVALID_PROPERTY = "Specified property is invalid"
ALIAS_DISALLOWED = "An incompatible rctl already exists for this property"
BAD_PROPERTY = "Bad document property"
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
        match resource:
            case "dedicated-cpu":
                if configuration.single("pset") is not None:
                    self.say("The dedicated-cpu resource already exists.")
                    return False
                if configuration.has_rctl(ALIASES["ncpus"].rctl):
                    self.say("The capped-cpu resource already exists.")
                    return False
                if configuration.get("pool"):
                    self.say(
                        "The pool property is already set.  A persistent pool is incompatible with\n"
                        "the dedicated-cpu resource."
                    )
                    return False
            case "capped-cpu":
                if configuration.single("pset") is not None:
                    self.say("The dedicated-cpu resource already exists.")
                    return False
                if configuration.has_alias("ncpus"):
                    self.say("The capped-cpu resource already exists.")
                    return False
                if configuration.has_rctl(ALIASES["ncpus"].rctl):
                    self.say(f"capped-cpu: {ALIAS_DISALLOWED}")
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
        selected: Table = {}
        match resource:
            case "dedicated-cpu":
                if configuration.single("pset") is None:
                    return NO_ENTRY
                selected = configuration.dedicated_cpu()
            case "capped-cpu":
                try:
                    if configuration.alias("ncpus") is None:
                        return NO_ENTRY
                except IncompatibleRctlError:
                    return ALIAS_DISALLOWED
            case "capped-memory":
                if not configuration.has_memory_cap(self.dialect.forked):
                    return NO_RESOURCE_TYPE
                mcap = configuration.single("mcap")
                if mcap is not None:
                    selected = {"physical": mcap.get("physcap")}
            case _:
                try:
                    selected = self._find(resource, command.pairs)
                except LookupFailure as failure:
                    return str(failure)
        self.scope = Scope(self, resource, selected)
        return None

    def qualifiers(self, resource: str, pairs: list[tuple[str, Value]]) -> Table | None:
        """The properties that pick a resource; None when they cannot be, which has been said."""
        picked: Table = {}
        for name, value in pairs:
            if not isinstance(value, str):
                self.error("A simple value was expected here.")
                return None
            if name not in lookup.QUALIFIERS[resource]:
                self.error(f"{name}: {NO_PROPERTY_TYPE}")
                return None
            picked[name] = value
        return picked

    def _find(self, resource: str, pairs: list[tuple[str, Value]]) -> Table:
        """The one resource that has the given properties.

        Raises:
            LookupFailure: what is wrong with them.
        """
        picked = self.qualifiers(resource, pairs)
        if picked is None:
            raise LookupFailure(INSUFFICIENT_SPEC)
        return lookup.find(self.current, resource, picked)

    def _remove(self, command: Command) -> None:
        if self._refuse_edit("remove"):
            return
        resource = command.resource
        if self.scope is not None:
            self._remove_in_scope(self.scope, command)
            return
        if self.is_global and resource in _RESOURCES_NOT_FOR_GLOBAL:
            self.error(f"{resource} is not a valid resource for the global zone.")
            return
        if resource is None:
            self.long_usage("remove")
            return
        options = self._options(command, "F", takes_words=True)
        if options is not None and self._ready():
            self._remove_resource(resource, command.pairs, "F" in options)

    def _remove_in_scope(self, scope: Scope, command: Command) -> None:
        # What the resource type was is not looked at here.
        match len(command.pairs):
            case 0:
                self.long_usage("remove")
            case 1:
                if self._ready():
                    scope.remove(command)
            case _:
                self.long_usage("add")

    def _remove_resource(self, resource: str, pairs: list[tuple[str, Value]], force: bool) -> None:
        if resource in _SINGLETONS:
            self._remove_singleton(resource)
            return
        if pairs:
            try:
                table = self._find(resource, pairs)
                doomed = [lookup.locate(self.current, resource, table)]
            except LookupFailure as failure:
                if not (force and str(failure) == NO_RESOURCE_ID):
                    self.error(f"remove {resource}: {failure}")
                return
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
        if not self._interactive:
            self.error(_MULTIPLE)
            return False
        answer = self.ask(f"Are you sure you want to remove ALL '{resource}' resources")
        if answer is None:
            self.say("Resource incomplete.")
        return bool(answer)

    def _remove_singleton(self, resource: str) -> None:
        configuration = self.current
        match resource:
            case "dedicated-cpu":
                if configuration.single("pset") is None:
                    self.error(f"remove {resource}: {NO_ENTRY}")
                    return
                configuration.remove_dedicated_cpu()
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

    def set_alias(self, name: str, value: int | None) -> None:
        """Set a property that is a resource control; says why it cannot be."""
        if not self.alias_allowed(name):
            return
        if value is None or value < ALIASES[name].minimum:
            self.error(f"{name} property is out of range.")
            return
        self.current.set_alias(name, value)
        self.unsaved = True

    def alias_allowed(self, name: str) -> bool:
        """No resource control stands in the way of a property that is one; says that one does."""
        try:
            self.current.alias(name)
        except IncompatibleRctlError:
            self.error(f"{name}: {ALIAS_DISALLOWED}")
            return False
        return True

    def _set(self, command: Command) -> None:
        if self._refuse_edit("set"):
            return
        # From the first set on, getopt keeps silent about unknown options, of other commands too.
        self._options_reported = False
        options = self._options(command, "F", synopsis_only=True, takes_words=True)
        if options is None:
            return
        name, value = command.pairs[0]
        if self.scope is None:
            if self.is_global and name in _NOT_FOR_GLOBAL:
                self.error(f"{name} is not a valid property for the global zone.")
                return
            if name not in self.dialect.info_properties:
                self.error("Cannot set a resource-specific property from the global scope.")
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
        if values.wellformed_zonename(name):
            self.zone = name
        else:
            self._zone_name_error(name, BOGUS_ZONE_NAME)

    def _zone_name_error(self, name: str, text: str) -> None:
        self.error(f"{name}: {text}")
        self.run.err("\n" + usage.ZONE_SYNTAX)

    def _set_global(self, name: str, value: str, *, forced: bool = False) -> None:
        if name in ALIASES:
            if self.is_global and name != "cpu-shares":
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
                    if not self.store.contains(value):
                        self.error(f"{self.zone}: {BAD_PROPERTY}")
                        return
            case "autoboot" if value not in ("true", "false"):
                self.error("autoboot value must be 'true' or 'false'.")
                return
            case "ip-type" if value not in ("shared", "exclusive"):
                self.error("ip-type value must be 'shared' or 'exclusive'.")
                return
            case "ip-type" if value == "exclusive" and not self._may_be_exclusive():
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
                try:
                    valid = values.valid_hostid(value)
                except values.BadValue as problem:
                    self.error(str(problem))
                    return
                if not valid:
                    self.error(f"hostid: {INVALID_PROPERTY}")
                    return
            case "fs-allowed" if not values.valid_fs_allowed(value):
                self.error(f"{self.zone}: {INVALID_PROPERTY}")
                return
        self.current.set(name, value)
        self.unsaved = True

    def _may_be_exclusive(self) -> bool:
        brand = self.store.brand_of(self.current)
        if brand not in self.store.brands():
            self.error(f"{self.zone}: unknown brand.\n")
            return False
        if not self.store.allows_exclusive_ip(brand):
            self.error(f"ip-type cannot be 'exclusive' when brand is '{brand}'.")
            return False
        return True

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
