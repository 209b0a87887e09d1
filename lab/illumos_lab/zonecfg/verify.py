"""Checking a whole configuration, and saving it: ``verify`` and ``commit`` of zonecfg(8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from illumos_lab.zonecfg import admins, values
from illumos_lab.zonecfg.model import ALIASES, RESOURCES, items_of, properties_of
from illumos_lab.zonecfg.privileges import privilege_problem
from illumos_lab.zonecfg.scope import check_auths, check_physical, check_security_flags
from illumos_lab.zonecfg.store import IndexUpdateError, NoFileError

if TYPE_CHECKING:
    from illumos_lab.zonecfg.session import Session

REQD_RESOURCE_MISSING = "Required resource missing"
REQD_PROPERTY_MISSING = "Required property missing"
INVALID = "Invalid argument"
INCOMPATIBLE = "Incompatible settings"
BAD_PROPERTY = "Bad document property"
INSUFFICIENT_SPEC = "Insufficient specification"
_HOSTID_LENGTH = 10


class _Stop(Exception):
    """The check ends early without the usual summary."""


class _Check:
    """One check of a session's configuration; `first` is the kind of the first problem."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.configuration = session.current
        self.first: str | None = None

    def problem(self, text: str, kind: str) -> None:
        """Say a problem; the first one gives the summary its reason."""
        self.session.error(text)
        self.first = self.first or kind

    def run(self) -> None:
        self._zonepath()
        self._brand()
        self._ip_type()
        self._privileges()
        self._hostid()
        for name in ("fs", "net", "rctl"):
            getattr(self, f"_{name}")()
        self._cpu()
        for name in ("attr", "dataset", "admin", "security_flags"):
            getattr(self, f"_{name}")()
        if self.session.scope is not None:
            self.problem("resource specification incomplete", INSUFFICIENT_SPEC)

    def _zonepath(self) -> None:
        if not self.configuration.zonepath and not self.session.is_global:
            fault = "cannot be empty." if self.configuration.has("zonepath") else "not specified"
            self.problem(f"zonepath {fault}", REQD_RESOURCE_MISSING)

    def _brand(self) -> None:
        session = self.session
        brand = session.store.brand_of(self.configuration)
        if not session.is_global and brand not in session.store.brands():
            session.error(f"{session.zone}: unknown brand.\n")
            session.error(f"{session.zone}: Invalid document")
            raise _Stop

    def _ip_type(self) -> None:
        if self.configuration.ip_type not in ("shared", "exclusive"):
            self.session.error("cannot get ip-type")
            # The check of privileges fails for the same reason, without having one to name.
            self.session.say(f"{self.session.zone}: invalid privilege: (null)")
            raise _Stop

    def _privileges(self) -> None:
        word = privilege_problem(self.configuration.get("limitpriv"), self.configuration.exclusive_ip)
        if word is not None:
            self.session.say(f"{self.session.zone}: invalid privilege: {word}")
            raise _Stop

    def _hostid(self) -> None:
        session = self.session
        hostid = self.configuration.get("hostid")
        if hostid and len(hostid) <= _HOSTID_LENGTH and not values.valid_hostid(hostid):
            session.say(f"{session.zone}: invalid hostid: {hostid}")
            raise _Stop
        allowed = self.configuration.get("fs-allowed")
        if not values.valid_fs_allowed(allowed):
            session.say(f"{session.zone}: invalid fs-allowed: {allowed}")
            raise _Stop

    def _required(self, resource: str) -> list[dict[str, str]]:
        kind = RESOURCES[resource]
        found = [properties_of(kind, e) for e in self.configuration.readable(resource)]
        for properties in found:
            for name in kind.required:
                if not properties.get(name):
                    self.problem(f"{resource}: {name} not specified", REQD_PROPERTY_MISSING)
        return found

    def _fs(self) -> None:
        self._required("fs")

    def _net(self) -> None:
        exclusive = self.configuration.exclusive_ip
        has_address: dict[str, bool] = {}
        has_router: dict[str, bool] = {}
        for net in [properties_of(RESOURCES["net"], e) for e in self.configuration.readable("net")]:
            physical = net.get("physical", "")
            if not physical:
                self.problem("net: physical not specified", REQD_PROPERTY_MISSING)
            try:
                check_physical(self.session, physical)
            except values.BadValue as error:
                self.problem(str(error), INVALID)
            if not exclusive:
                if not net.get("address"):
                    self.problem("net: address not specified", REQD_PROPERTY_MISSING)
                if net.get("allowed-address"):
                    self.problem("net: allowed-address cannot be specified for a shared IP type", INVALID)
            elif net.get("address"):
                self.problem("net: address cannot be specified for an exclusive IP type", INVALID)
            else:
                has_address[physical] = has_address.get(physical, False) or "allowed-address" in net
                has_router[physical] = has_router.get(physical, False) or "defrouter" in net
        for physical in reversed(has_router):
            if has_router[physical] and not has_address[physical]:
                self.session.error(
                    f"net: defrouter for {physical} cannot be specified without allowed-address "
                    "for an exclusive IP type"
                )
                self.first = INVALID

    def _rctl(self) -> None:
        for element in self.configuration.readable("rctl"):
            if not element.get("name"):
                self.problem("rctl: name not specified", REQD_PROPERTY_MISSING)
            if not items_of(element):
                self.problem("rctl: no value specified", REQD_PROPERTY_MISSING)

    def _cpu(self) -> None:
        configuration = self.configuration
        has_shares = configuration.has_rctl(ALIASES["cpu-shares"].rctl)
        dedicated = configuration.single("pset") is not None
        scheduling = configuration.get("scheduling-class")
        if dedicated and has_shares:
            self.problem("rctl zone.cpu-shares and dedicated-cpu are incompatible.", INCOMPATIBLE)
        if has_shares and scheduling and scheduling != "FSS":
            self.problem(
                f"WARNING: rctl zone.cpu-shares and scheduling-class={scheduling} are incompatible",
                INCOMPATIBLE,
            )
        if dedicated and configuration.has_rctl(ALIASES["ncpus"].rctl):
            self.problem("rctl zone.cpu-cap and the dedicated-cpu are incompatible.", INCOMPATIBLE)

    def _attr(self) -> None:
        self._required("attr")

    def _dataset(self) -> None:
        for properties in self._required("dataset"):
            if properties.get("name") and not values.dataset_name(properties["name"]):
                self.problem("dataset: name invalid", BAD_PROPERTY)

    def _admin(self) -> None:
        for element in self.configuration.readable("admin"):
            user, auths = element.get("user"), element.get("auths")
            if not user:
                self.problem("admin: user not specified", REQD_PROPERTY_MISSING)
            if not auths:
                self.problem("admin: auths not specified", REQD_PROPERTY_MISSING)
            if self.first is None and not admins.user_exists(self.session.store.root, user):
                self.session.say(f"user {user} is not a valid username")
                self.first = BAD_PROPERTY
            if self.first is None and not check_auths(self.session, auths):
                self.first = BAD_PROPERTY

    def _security_flags(self) -> None:
        element = self.configuration.single("security-flags")
        if element is not None:
            properties = properties_of(RESOURCES["security-flags"], element)
            if not check_security_flags(self.session, properties):
                self.first = BAD_PROPERTY


def verify(session: Session, save: bool) -> None:
    """Check the session's configuration, say what is wrong, and save it when all is well.

    Args:
        session: whose configuration.
        save: save it.
    """
    check = _Check(session)
    try:
        check.run()
    except _Stop:
        return
    reason = check.first
    if save:
        if reason is None:
            reason = _save(session)
        else:
            session.error(f"Zone {session.zone} failed to verify")
    if reason is not None:
        session.error(f"{session.zone}: {reason}")


def _save(session: Session) -> str | None:
    if not session.current.has("zonename"):
        return BAD_PROPERTY
    # What the file calls the zone counts, whatever the file's own name is.
    renamed = session.zone != session.saved_name
    try:
        session.store.save(session.current, session.saved_name if renamed else session.current.name)
    except NoFileError:
        return "Miscellaneous file system error"
    except IndexUpdateError:
        return "Problem updating index file"
    except OSError:
        return "Problem saving file"
    if session.current.resources("admin"):
        admins.authorize(session.store.root, session.current)
    session.saved()
    return None
