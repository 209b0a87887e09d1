"""What svc:/network/physical, ipmgmtd and routing-setup do when a stack comes up."""

from __future__ import annotations

import contextlib
import shlex
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import TYPE_CHECKING

from illumos_lab.ip import ifconfig, parse, static_routes
from illumos_lab.ip.ifconfig import IfconfigError
from illumos_lab.ip.model import (
    ADDRCONF,
    DEFAULT_V4,
    DEFAULT_V6,
    DHCP,
    FROM_GZ,
    LOOPBACK,
    STATIC,
    Address,
)
from illumos_lab.ip.routes import RouteError
from illumos_lab.ip.status import IpadmError

if TYPE_CHECKING:
    from illumos_lab.ip.stack import IpStack

_ADDROBJ_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def boot(stack: IpStack) -> list[str]:
    """Configure a stack from what the global zone hands in and from the files of its zone.

    What is up already stays as it is, so that network/physical can be started again.

    Returns:
        Console messages.
    """
    console: list[str] = []
    if LOOPBACK not in stack.interfaces:
        _loopback(stack)
    _from_gz(stack, console)
    for (protocol, name), value in stack.conf().props.items():
        stack.apply_prop(protocol, name, value)
    _ipadm(stack, console)
    _hostname_files(stack, console)
    _dhcp_files(stack, console)
    _routes(stack, console)
    return console


def _loopback(stack: IpStack) -> None:
    stack.plumb(LOOPBACK)
    stack.activate(Address(LOOPBACK, "v4", STATIC, ip_interface("127.0.0.1/8")))
    stack.activate(Address(LOOPBACK, "v6", STATIC, ip_interface("::1/128")))


def _from_gz(stack: IpStack, console: list[str]) -> None:
    for link, addresses in stack.from_gz.items():
        if link in stack.interfaces:
            continue
        try:
            stack.plumb(link).from_gz = True
            for letter, text in zip(_ADDROBJ_LETTERS, addresses, strict=False):
                # What is missing was worked out by zoneadmd, which reads the global zone's netmasks.
                address = parse.with_prefix(stack.host.zone_root("global"), text)
                if address is not None:
                    stack.activate(Address(link, f"_{letter}", FROM_GZ, address, text=text))
        except IpadmError as error:
            console.append(f"could not configure {link}: {error.status}")


def _interfaces_with(root: Path, kind: str) -> list[str]:
    """Interfaces that have a file /etc/KIND.IF; a name ends in a digit."""
    return sorted(path.name.removeprefix(f"{kind}.") for path in root.glob(f"etc/{kind}.*[0-9]"))


def _ipadm(stack: IpStack, console: list[str]) -> None:
    by_file = {name for kind in ("hostname", "hostname6") for name in _interfaces_with(stack.root, kind)}
    for name in stack.conf().interfaces:
        if name in stack.interfaces:
            continue
        if name in by_file:
            console.append(
                f"warning: /etc/hostname.{name} exists: ipadm's configuration of {name} is ignored"
            )
            continue
        try:
            stack.enable_interface(name)
        except IpadmError as error:
            console.append(f"could not enable {name}: {error.status}")


def _hostname_files(stack: IpStack, console: list[str]) -> None:
    for kind, family in (("hostname", "inet"), ("hostname6", "inet6")):
        # IPMP interfaces come first, for others to join them.
        names = _interfaces_with(stack.root, kind)
        for name in sorted(names, key=lambda each: "ipmp" not in _words_of(stack, kind, each)):
            interface = stack.interfaces.get(name)
            if interface is not None and interface.from_gz:
                console.append(f"warning: /etc/{kind}.{name} is ignored: addresses from global zone")
                continue
            if interface is not None and (interface.v4 if family == "inet" else interface.v6):
                continue
            try:
                if "ipmp" not in _words_of(stack, kind, name):
                    stack.plumb(name, v4=family == "inet", v6=family == "inet6")
                _apply_file(stack, name, family, stack.root / f"etc/{kind}.{name}")
            except (IfconfigError, IpadmError) as error:
                console.append(f"could not configure {name}: {error}")


def _words_of(stack: IpStack, kind: str, name: str) -> list[str]:
    return shlex.split((stack.root / f"etc/{kind}.{name}").read_text(), comments=True)


def _apply_file(stack: IpStack, name: str, family: str, path: Path) -> None:
    if family == "inet6" and name in stack.interfaces:
        stack.activate(Address(name, "", ADDRCONF))
    for line in path.read_text().splitlines():
        words = shlex.split(line, comments=True)
        if words:
            # A bare address means: with its netmask and broadcast, and up.
            implied = [family, "netmask", "+", "broadcast", "+", "up"]
            given = [family, *words] if words[0] != family else words
            ifconfig.configure(stack, name, [*implied[:1], *given[1:], *implied[1:]])


def _dhcp_files(stack: IpStack, console: list[str]) -> None:
    for name in _interfaces_with(stack.root, "dhcp"):
        if any(address.kind == DHCP for address in stack.addresses if address.interface == name):
            continue
        try:
            stack.plumb(name, v6=False)
            stack.activate(Address(name, "", DHCP))
        except IpadmError as error:
            console.append(f"could not configure {name}: {error.status}")


def _routes(stack: IpStack, console: list[str]) -> None:
    routers = [stack.from_gz_router] if stack.from_gz_router else []
    path = stack.root / "etc/defaultrouter"
    if path.exists():
        for line in path.read_text().splitlines():
            routers += line.partition("#")[0].split()[:1]
    for text in routers:
        gateway = parse.resolve(stack.root, text)
        if gateway is None:
            console.append(f"defaultrouter {text}: bad value")
            continue
        destination = DEFAULT_V4 if ip_address(gateway).version == 4 else DEFAULT_V6
        with contextlib.suppress(RouteError):
            stack.routes.add(destination, str(gateway))
    for line in static_routes.read(stack.root):
        with contextlib.suppress(RouteError, static_routes.RouteSyntaxError):
            spec = static_routes.parse(stack.root, line)
            stack.routes.add(spec.destination, spec.gateway, spec.ifp, spec.discard)
