"""What ipnat, ipf and ipfstat have in common: the file that they read, and the zone that they act on."""

from __future__ import annotations

import os
import posixpath
from contextlib import suppress
from ipaddress import ip_address

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ipfilter.reader import Resolver
from illumos_lab.ipfilter.state import filters


class ZoneError(Exception):
    """The zone of -z or -G cannot be worked on; the text is the whole line for standard error."""


class DeviceError(Exception):
    """The device cannot be opened; the text is the system error."""


def read_file(host: Host, run: Invocation, name: str) -> str:
    """The text of a file, or of standard input for ``-``.

    Raises:
        OSError: it cannot be read.
    """
    if name == "-" or run.descriptor(name) == run.stdin:
        return run.read_stdin()
    path = host.path(run.zone, posixpath.join(run.cwd, name))
    return path.read_bytes().decode("utf-8", "surrogateescape")


def system_error(error: OSError) -> str:
    """The system's text for an error."""
    return os.strerror(error.errno) if error.errno else str(error)


def resolver(host: Host, zone: str) -> Resolver:
    """Finds host names in the zone's own hosts file."""

    def resolve(name: str, version: int) -> int | None:
        try:
            lines = host.path(zone, "/etc/inet/hosts").read_text().splitlines()
        except OSError:
            lines = ["127.0.0.1 localhost"]
        for line in lines:
            address, *known = line.split("#")[0].split() or [""]
            with suppress(ValueError):
                if name in known and (found := ip_address(address)).version == version:
                    return int(found)
        return None

    return resolve


def target_zone(host: Host, run: Invocation, zone: str | None, from_global: bool) -> str:
    """The zone to act on.

    Args:
        host: the machine.
        run: the caller.
        zone: value of -z or -G; None for the caller's own stack.
        from_global: it was -G.

    Raises:
        ZoneError: not from here, or it does not run with a stack of its own.
    """
    if zone is None:
        return run.zone if run.zone in host.stacks else "global"
    if run.zone != "global":
        raise ZoneError(f"Permission denied setting zone: {zone}\n")
    if zone == "global" and from_global:
        raise ZoneError("-G cannot be used with the global zone\n")
    if zone not in host.stacks:
        raise ZoneError(f"Could not find running zone: {zone}\n")
    return zone


def check_device(host: Host, run: Invocation) -> None:
    """Open the caller's device.

    Raises:
        DeviceError: it is not there, or not for the caller.
    """
    if run.zone not in host.stacks or not filters(host).has_device(run.zone):
        raise DeviceError("No such file or directory")
    if not run.privileged:
        raise DeviceError("Permission denied")
