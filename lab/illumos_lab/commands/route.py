"""route(8): change and show the routing table.

The result of a change goes to standard output, also when it failed, and the exit status is illumos'
error number; only usage errors and trouble with the file of ``-p`` go to standard error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_interface
from pathlib import Path

from illumos_lab.deferred import deferred_output
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip import IpStack, static_routes
from illumos_lab.ip.model import Route
from illumos_lab.ip.routes import (
    EEXIST,
    EHOSTUNREACH,
    EINVAL,
    ENETUNREACH,
    ENXIO,
    EPERM,
    ESRCH,
    RouteError,
)
from illumos_lab.ip.static_routes import RouteSpec, RouteSyntaxError
from illumos_lab.kernel import Network

_USAGE = "usage: route [-fnpqv] [-R root-dir] cmd [[-<qualifiers>] args]\n"
SUBCOMMANDS = ("add", "delete", "get", "show", "flush")
"""What the lab emulates."""

NOT_EMULATED = ("change", "monitor")
"""What illumos has besides."""

_RESULTS = {
    EPERM: "insufficient privileges",
    EEXIST: "entry exists",
    ESRCH: "not in table",
    16: "entry in use",
    55: "routing table overflow",
    12: "routing table overflow",
    ENETUNREACH: "Network is unreachable",
    EHOSTUNREACH: "No route to host",
    ENXIO: "No such device or address",
    EINVAL: "Invalid argument",
}


@dataclass
class _Call:
    host: Host
    run: Invocation
    stack: IpStack
    shared: bool
    flags: set[str] = field(default_factory=set)
    root: Path = field(default_factory=Path)

    def result(self, text: str) -> None:
        if "q" not in self.flags:
            self.run.out(text + "\n")

    def complain(self, text: str) -> int:
        self.run.err(f"{self.run.name}: {text}\n")
        return 1


def main(host: Host, run: Invocation) -> int:
    """Run route; the exit status is an error number of illumos."""
    shared = run.zone not in host.stacks
    stack = host.stacks["global" if shared else run.zone]
    call = _Call(host, run, stack, shared, root=host.zone_root(run.zone))
    words = list(run.argv)
    while words and words[0].startswith("-"):
        word = words.pop(0)
        for position, letter in enumerate(word[1:], 2):
            if letter not in "fnpqvRdt":
                run.err(_USAGE)
                return 1
            if letter == "R":
                value = word[position:] or (words.pop(0) if words else "")
                if not value:
                    run.err(_USAGE)
                    return 1
                call.root = host.path(run.zone, value)
                call.flags |= {"R", "p"}
                break
            call.flags.add(letter)
    if refused := call.flags & set("vdt"):
        return call.complain(f"-{min(refused)}: not emulated by the lab")
    if not words and "f" not in call.flags:
        run.err(_USAGE)
        return 1
    with deferred_output(run) as later, host.lock:
        call.run = later
        # A lease may have come in the meantime.
        stack.routes.follow_addresses()
        if "f" in call.flags:
            _flush(call)
        return _dispatch(call, words) if words else 0


def _dispatch(call: _Call, words: list[str]) -> int:
    command = next((name for name in (*SUBCOMMANDS, *NOT_EMULATED) if name == words[0]), None)
    if command is None:
        call.run.err(_USAGE)
        return 1
    rest = words[1:]
    if command == "flush":
        return _flush(call)
    if command == "show":
        return _show(call) if "p" in call.flags else _refuse(call, "show without -p")
    if command == "change" and "p" in call.flags:
        return call.complain("change command not supported with -p")
    if command in NOT_EMULATED:
        return _refuse(call, command)
    if command == "get" and "p" in call.flags:
        return call.complain("get command not supported with -p")
    try:
        return _get(call, rest) if command == "get" else _change(call, command, rest)
    except RouteSyntaxError as error:
        return call.complain(str(error))


def _refuse(call: _Call, what: str) -> int:
    return call.complain(f"{what}: not emulated by the lab")


# Changes -----------------------------------------------------------------------------------------


def _change(call: _Call, command: str, words: list[str]) -> int:
    spec = static_routes.parse(call.root, words)
    if not spec.gateway:
        return call.complain("gateway required for add or delete command")
    label = f"{spec.noun} {spec.typed}: gateway {_typed_gateway(words, spec)}"
    if "R" in call.flags:
        return _change_file(call, command, words, spec, label)
    number = _change_kernel(call, command, spec)
    suffix = f": {_RESULTS.get(number, f'error {number}')}" if number else ""
    call.result(f"{command} {label}{suffix}")
    if "p" in call.flags and number in (0, EEXIST, ESRCH):
        return _change_file(call, command, words, spec, label)
    return number


def _typed_gateway(words: list[str], spec: RouteSpec) -> str:
    """The gateway as the caller spelled it: the word after the destination."""
    after = words[words.index(spec.typed) + 1 :]
    return next((word for word in after if not word.startswith("-")), spec.gateway)


def _change_kernel(call: _Call, command: str, spec: RouteSpec) -> int:
    if not call.run.privileged or call.shared:
        return EPERM
    routes = call.stack.routes
    try:
        if command == "add":
            if spec.ifp is not None and spec.ifp not in call.stack.interfaces:
                return ENXIO
            if any(_same(route, spec) for route in call.stack.all_routes()):
                return EEXIST
            routes.add(spec.destination, spec.gateway, spec.ifp)
        else:
            routes.delete(spec.destination, spec.gateway, spec.ifp)
    except RouteError as error:
        return error.errno or EINVAL
    return 0


def _same(route: Route, spec: RouteSpec) -> bool:
    return (route.destination, route.gateway) == (spec.destination, spec.gateway) and spec.ifp in (
        None,
        route.ifp,
        route.interface,
    )


def _change_file(call: _Call, command: str, words: list[str], spec: RouteSpec, label: str) -> int:
    line = static_routes.find(call.root, spec)
    lines = static_routes.read(call.root)
    if command == "add":
        if line is not None:
            call.run.err(f"add persistent {label}: entry exists\n")
            return 1
        lines.append(" ".join(words))
    else:
        if line is None:
            call.run.err(f"delete persistent {label}: not in file\n")
            return 1
        lines.remove(line)
    try:
        if not call.run.privileged:
            raise PermissionError(13, "Permission denied")
        static_routes.write(call.root, lines)
    except OSError as error:
        return call.complain(f"failed to open {static_routes.PATH} file: {error.strerror}")
    call.result(f"{command} persistent {label}")
    return 0


def _show(call: _Call) -> int:
    lines = static_routes.read(call.root)
    if not lines:
        call.result("No persistent routes are defined")
    for line in sorted(lines, key=lambda line: "-inet6" in line.split()):
        call.result(f"persistent: route add {line}")
    return 0


def _flush(call: _Call) -> int:
    if not call.run.privileged or call.shared:
        return call.complain("insufficient privileges")
    for route in call.stack.routes.all():
        call.stack.routes.delete(route.destination, route.gateway, route.ifp)
        shown = "default" if route.is_default else str(route.destination.network_address)
        call.result(f"{shown:<20} {route.gateway:<20} done")
    return 0


# Looking up --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """What a lookup gives."""

    destination: str
    mask: str | None
    gateway: str | None
    interface: str
    flags: tuple[str, ...]


def _get(call: _Call, words: list[str]) -> int:
    spec = static_routes.parse(call.root, words)
    found = _look_up(call.stack, spec)
    if found is None:
        numeric = str(spec.destination.network_address)
        call.run.out(f" {numeric}" if "n" in call.flags else spec.typed)
        call.run.out(": not in table\n")
        return ESRCH
    rows = [("route to", spec.typed), ("destination", found.destination)]
    if found.mask is not None:
        rows.append(("mask", found.mask))
    if found.gateway is not None:
        rows.append(("gateway", found.gateway))
    rows += [("interface", found.interface), ("flags", f"<{','.join(found.flags)}>")]
    text = "".join(f"{label:>11}: {value}\n" for label, value in rows)
    mtu = call.stack.mtu(found.interface, v4=spec.destination.version == 4)
    text += " recvpipe  sendpipe  ssthresh    rtt,ms rttvar,ms  hopcount      mtu     expire\n"
    text += "".join(f"{number:8d}  " for number in (0, 0, 0, 0, 0, 0, mtu))
    call.run.out(f"{text}{0:8d} \n")
    return 0


def _look_up(stack: IpStack, spec: RouteSpec) -> _Found | None:
    """The most specific route towards a destination; of a network, the route to just that."""
    whole_network = spec.exact and spec.noun == "net"
    target = spec.destination.network_address
    best: tuple[int, _Found] | None = None
    for network, found in _candidates(stack):
        if network.version != spec.destination.version or target not in network:
            continue
        if whole_network and network != spec.destination:
            continue
        if spec.gateway and spec.gateway != found.gateway:
            continue
        if spec.ifp not in (None, found.interface):
            continue
        if best is None or network.prefixlen > best[0]:
            best = (network.prefixlen, found)
    return best[1] if best else None


def _candidates(stack: IpStack) -> list[tuple[Network, _Found]]:
    found: list[tuple[Network, _Found]] = []
    for connected in stack.connected():
        own = ip_interface(str(connected.address.ip)).network
        for network in dict.fromkeys((own, connected.network)):
            host = network.prefixlen == network.max_prefixlen
            flags = ("UP", "HOST", "DONE") if host else ("UP", "DONE")
            found.append((network, _found(network, None, connected.interface, flags)))
    local = {str(connected.address.ip) for connected in stack.connected()}
    for route in stack.all_routes():
        flags = ("UP", *(("GATEWAY",) if route.gateway not in local else ()))
        flags += (*(("HOST",) if route.is_host else ()), "DONE", "STATIC")
        gateway = route.gateway if route.gateway not in local else None
        found.append((route.destination, _found(route.destination, gateway, route.interface, flags)))
    return found


def _found(network: Network, gateway: str | None, interface: str, flags: tuple[str, ...]) -> _Found:
    if network.prefixlen == 0:
        return _Found("default", "default", gateway, interface, flags)
    mask = str(network.netmask)
    return _Found(str(network.network_address), mask, gateway, interface, flags)
