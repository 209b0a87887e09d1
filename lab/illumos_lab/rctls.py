"""Resource controls of zones: what the kernel knows of each, and the values that a zone has.

See resource_controls(7). A zone gets its values from its configuration when it becomes ready; prctl(1)
changes them in the kernel only, so that they are gone when the zone halts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from illumos_lab.zonecfg.model import Configuration

if TYPE_CHECKING:
    from illumos_lab.host import Host
    from illumos_lab.profile import Profile

PRIVILEGED, SYSTEM = "privileged", "system"
_UINT64_MAX = 2**64 - 1
_INT_MAX = 2**31 - 1
_IPC_MAX = 2**24


@dataclass(frozen=True)
class Value:
    """One value of a resource control.

    Attributes:
        privilege: ``privileged`` or ``system``.
        limit: the amount.
        deny: refuse what goes beyond it.
        signal: name of the signal to send then, without ``SIG``; empty for none.
        maximal: it is the system's limit.
    """

    privilege: str
    limit: int
    deny: bool = True
    signal: str = ""
    maximal: bool = False

    @property
    def action(self) -> str:
        """The action as prctl shows it."""
        words = ["deny"] if self.deny else []
        words += [f"signal={self.signal}"] if self.signal else []
        return ",".join(words) or "none"


@dataclass(frozen=True)
class Rctl:
    """A resource control of zones.

    Attributes:
        name: its name.
        most: the system's limit.
        in_bytes: amounts are sizes.
        infinite: the system's limit means that there is none.
        deny: whether its values refuse: ``always``, ``never``, or empty when each says.
        signals: its values may send signals.
        initial: value that every zone has unless it is configured; None for none.
        forked: only SmartOS and OmniOS have it.
    """

    name: str
    most: int
    in_bytes: bool = False
    infinite: bool = False
    deny: str = "always"
    signals: bool = True
    initial: int | None = None
    forked: bool = False

    @property
    def system(self) -> Value:
        """The system's own value, always the last."""
        return Value(SYSTEM, self.most, self.deny != "never", maximal=True)


TABLE = (
    Rctl("zone.zfs-io-priority", 1024, deny="never", signals=False, initial=1, forked=True),
    Rctl("zone.max-lofi", _UINT64_MAX),
    Rctl("zone.max-swap", _UINT64_MAX, in_bytes=True),
    Rctl("zone.max-physical-memory", _UINT64_MAX, in_bytes=True, forked=True),
    Rctl("zone.max-locked-memory", _UINT64_MAX, in_bytes=True),
    Rctl("zone.max-shm-memory", _UINT64_MAX, in_bytes=True),
    Rctl("zone.max-shm-ids", _IPC_MAX),
    Rctl("zone.max-sem-ids", _IPC_MAX),
    Rctl("zone.max-msg-ids", _IPC_MAX),
    Rctl("zone.max-processes", _INT_MAX, deny=""),
    Rctl("zone.max-lwps", _INT_MAX, deny=""),
    Rctl("zone.cpu-cap", 2**32 - 1, infinite=True, signals=False),
    Rctl("zone.cpu-shares", 65535, deny="never", signals=False, initial=1),
)
"""Every resource control, in the order in which prctl lists them."""

Values = dict[str, list[Value]]
"""The values of one zone by name, those of the system left out."""


def known(profile: Profile) -> dict[str, Rctl]:
    """The resource controls of a distribution by name."""
    return {rctl.name: rctl for rctl in TABLE if profile.forked_zonecfg or not rctl.forked}


def initial(profile: Profile, configuration: Configuration | None) -> Values:
    """The values with which a zone comes up; without a configuration those of the global zone."""
    values: Values = {
        name: [Value(PRIVILEGED, rctl.initial, rctl.deny != "never")]
        for name, rctl in known(profile).items()
        if rctl.initial is not None
    }
    elements = configuration.root.elements("rctl") if configuration is not None else ()
    for element in elements:
        name = element.get("name")
        if name in known(profile):
            values[name] = in_order(
                Value(item.get("priv"), int(item.get("limit")), item.get("action") == "deny")
                for item in element.elements("rctl-value")
            )
    return values


def in_order(values: Iterable[Value]) -> list[Value]:
    """Values as the kernel keeps them, the smallest first."""
    return sorted(values, key=lambda value: value.limit)


def of_zone(host: Host, zone: str) -> Values:
    """The values that a zone has in the kernel now; a change to the mapping is a change there.

    Raises:
        LookupError: the zone is not in the kernel.
    """
    if zone == "global":
        return host.zones.global_rctls
    active = host.zones.active(zone)
    if active is None:
        raise LookupError(zone)
    return active.rctls


def enforced(value: Value, rctl: Rctl) -> Value:
    """A value with the action that its resource control insists on."""
    return replace(value, deny=True) if rctl.deny == "always" else value
