"""Firewall files beside a zone, which OmniOS' brands load when they make the zone ready (zadm(1), ``fw``).

They are the global zone's rules for the zone, see option -G of ipf(8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from illumos_lab.ipfilter.call import resolver
from illumos_lab.ipfilter.load import FilterLoad, load_text
from illumos_lab.ipfilter.state import filters
from illumos_lab.zone_states import GLOBAL, ActiveZone, ZoneadmdError

if TYPE_CHECKING:
    from illumos_lab.host import Host

_DIRECTORIES = ("etc", "config")


def load(host: Host, active: ActiveZone) -> None:
    """Load the files below the zonepath of a zone whose stack has just been made.

    Without ``ipf.conf`` the others are not read.

    Raises:
        ZoneadmdError: a file has an error, or there is no filter to load it into.
    """
    zonepath = active.configuration.zonepath
    places = (host.path(GLOBAL, f"{zonepath}/{name}") for name in _DIRECTORIES)
    directory = next((place for place in places if (place / "ipf.conf").is_file()), None)
    if directory is None:
        return
    if active.name not in host.stacks or not filters(host).has_device(GLOBAL):
        raise ZoneadmdError("error flushing ipf (IPv4)")
    plane = filters(host).plane(active.name, from_global=True)
    plane.enable()
    find = resolver(host, GLOBAL)
    for name, what in (
        ("ipf.conf", "ipf config for IPv4"),
        ("ipf6.conf", "ipf config for IPv6"),
        ("ipnat.conf", "ipnat config"),
    ):
        file = directory / name
        if not file.is_file():
            continue
        text = file.read_text(errors="surrogateescape")
        if name == "ipnat.conf":
            loaded = load_text(plane.rules, text, resolve=find)
        else:
            loaded = FilterLoad(plane.filter_set()).read(text, 6 if name == "ipf6.conf" else 4, find)
        if loaded.status:
            raise ZoneadmdError(*loaded.stderr.splitlines(), f"error loading {what}")
