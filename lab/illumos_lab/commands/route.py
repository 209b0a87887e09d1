"""route(8): change and show the routing table.

The result of a change goes to standard output, also when it failed, and the exit status is illumos'
error number; only usage errors and trouble with the file of ``-p`` go to standard error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from pathlib import Path

from illumos_lab.deferred import deferred_output
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip import IpStack, parse, static_routes
from illumos_lab.ip.model import Route
from illumos_lab.ip.routes import EEXIST, EHOSTUNREACH, EINVAL, ENETUNREACH, EPERM, ESRCH, RouteError
from illumos_lab.ip.static_routes import RouteSpec, RouteSyntaxError
from illumos_lab.kernel import Network

_USAGE = "usage: route [ -fnpqv ] [ -R <root-dir> ] cmd [[ -<qualifers> ] args ]\n"
SUBCOMMANDS = ("add", "delete", "change", "get", "show", "flush")
"""What the lab emulates."""

NOT_EMULATED = ("monitor",)
"""What illumos has besides."""

_EACCES = 13
_RESULTS = {
    EPERM: "insufficient privileges",
    EEXIST: "entry exists",
    ESRCH: "not in table",
    16: "entry in use",
    55: "routing table overflow",
    12: "routing table overflow",
    ENETUNREACH: "Network is unreachable",
    EHOSTUNREACH: "No route to host",
    EINVAL: "Invalid argument",
}


class _UsageError(Exception):
    """The command ends with the usage; the text is the word that was not understood, if any."""


@dataclass
class _Call:
    host: Host
    run: Invocation
    stack: IpStack
    shared: bool
    flags: set[str] = field(default_factory=set)
    root: Path = field(default_factory=Path)
    version: int = 4

    @property
    def updates_table(self) -> bool:
        """With both ``-p`` and ``-R`` only the file is changed."""
        return not self.flags >= {"p", "R"}

    def say(self, text: str) -> None:
        self.run.out(text + "\n")

    def complain(self, text: str, status: int = 1) -> int:
        self.run.err(f"{self.run.name}: {text}\n")
        return status

    def parse(self, words: list[str]) -> RouteSpec:
        own = [connected.address for connected in self.stack.connected()]
        if self.version == 6:
            words = ["-inet6", *words]
        return static_routes.parse(self.host.zone_root(self.run.zone), words, own)

    def name(self, address: str) -> str:
        """An address as it is shown: by its name in the hosts file, but with ``-n``."""
        if ip_address(address).is_unspecified:
            return "default"
        if "n" in self.flags:
            return address
        return parse.host_name(self.host.zone_root(self.run.zone), address) or address


def main(host: Host, run: Invocation) -> int:
    """Run route; the exit status is an error number of illumos."""
    shared = run.zone not in host.stacks
    stack = host.stacks["global" if shared else run.zone]
    call = _Call(host, run, stack, shared, root=host.zone_root(run.zone))
    words = list(run.argv)
    with deferred_output(run) as later:
        call.run = later
        try:
            _read_flags(call, words)
            if refused := call.flags & set("vdt"):
                return call.complain(f"-{min(refused)}: not emulated by the lab")
            with host.lock:
                # A lease may have come in the meantime.
                stack.routes.follow_addresses()
                return _act(call, words)
        except _UsageError as error:
            if str(error):
                call.complain(f"botched keyword: {error}")
            later.err(_USAGE)
        except RouteSyntaxError as error:
            later.err(f"{error}\n")
    return 1


def _read_flags(call: _Call, words: list[str]) -> None:
    if not words:
        raise _UsageError
    while words and words[0].startswith("-"):
        word = words.pop(0)
        for position, letter in enumerate(word[1:], 2):
            if letter not in "fnpqvRdt":
                raise _UsageError
            call.flags.add(letter)
            if letter == "R":
                value = word[position:] or (words.pop(0) if words else "")
                if not value:
                    raise _UsageError
                call.root = call.host.path(call.run.zone, value)
                break


def _act(call: _Call, words: list[str]) -> int:
    if "f" in call.flags:
        if words and words[0] in ("inet", "inet6"):
            call.version = 6 if words.pop(0) == "inet6" else 4
        if status := _flush(call):
            return status
    if not words:
        if "f" not in call.flags:
            raise _UsageError
        return 0
    command, *rest = words
    if command == "flush":
        if rest:
            if len(rest) > 1 or rest[0] not in ("-inet", "-inet6"):
                raise _UsageError(rest[0])
            call.version = 6 if rest[0] == "-inet6" else 4
        return _flush(call)
    if command == "show":
        if "p" not in call.flags:
            return call.complain("show command requires -p")
        return call.complain("invalid arguments for show") if rest else _show(call)
    if command in NOT_EMULATED:
        return call.complain(f"{command}: not emulated by the lab")
    if command not in SUBCOMMANDS:
        if "f" in call.flags:
            return 0
        raise _UsageError(command)
    return _one_route(call, command, rest)


# One route ---------------------------------------------------------------------------------------


def _one_route(call: _Call, command: str, words: list[str]) -> int:
    spec = call.parse(words)
    if command in ("add", "delete") and not spec.gateway:
        return call.complain("gateway required for add or delete command")
    number = 0
    if call.updates_table:
        if spec.ifp is not None and spec.ifp not in call.stack.interfaces:
            return call.complain(f"{spec.ifp}: no such interface")
        number = _get(call, spec) if command == "get" else _change(call, command, spec)
    if "p" not in call.flags or number not in (0, EEXIST, ESRCH):
        return number
    return _in_file(call, command, words, spec)


def _label(call: _Call, spec: RouteSpec) -> str:
    text = f"{spec.noun} {spec.typed}"
    if spec.gateway:
        text += f": gateway {spec.gateway if 'n' in call.flags else spec.typed_gateway}"
    return text


def _change(call: _Call, command: str, spec: RouteSpec) -> int:
    number = _change_kernel(call, command, spec)
    text = _RESULTS.get(number, f"Error {number}")
    if number and number not in _RESULTS.keys() - {EINVAL}:
        call.run.err(f"writing to routing socket: {text}\n")
    call.say(f"{command} {_label(call, spec)}" + (f": {text}" if number else ""))
    return number


def _change_kernel(call: _Call, command: str, spec: RouteSpec) -> int:
    if not call.run.privileged or call.shared:
        return EPERM
    routes = call.stack.routes
    try:
        if command == "add":
            if any(_same(route, spec) for route in call.stack.all_routes()):
                return EEXIST
            if spec.direct and spec.gateway not in _own_addresses(call.stack):
                return ENETUNREACH
            routes.add(spec.destination, spec.gateway, spec.ifp, spec.discard)
        elif command == "delete":
            routes.delete(spec.destination, spec.gateway, spec.ifp)
        else:
            _replace_gateway(call.stack, spec)
    except RouteError as error:
        return error.errno or EINVAL
    return 0


def _same(route: Route, spec: RouteSpec) -> bool:
    return (route.destination, route.gateway) == (spec.destination, spec.gateway) and spec.ifp in (
        None,
        route.ifp,
        route.interface,
    )


def _replace_gateway(stack: IpStack, spec: RouteSpec) -> None:
    """Give the first route to a destination another gateway; metrics are not kept."""
    old = next((route for route in stack.routes.all() if route.destination == spec.destination), None)
    if old is None:
        raise RouteError(ESRCH)
    if spec.gateway in ("", old.gateway):
        return
    stack.routes.add(spec.destination, spec.gateway, spec.ifp or old.ifp, old.discard)
    stack.routes.delete(old.destination, old.gateway, old.ifp)


def _own_addresses(stack: IpStack) -> set[str]:
    return {str(connected.address.ip) for connected in stack.connected()}


# The file ----------------------------------------------------------------------------------------


def _in_file(call: _Call, command: str, words: list[str], spec: RouteSpec) -> int:
    lines = static_routes.read(call.root)
    matching = static_routes.find(call.root, spec)
    label = _label(call, spec)
    if not call.run.privileged:
        return call.complain("failed to open route file: Permission denied", _EACCES)
    if command == "change":
        return call.complain("change command not supported with -p")
    if command == "get":
        for line in matching:
            call.say(f"persistent: route add {line}")
        if not matching:
            call.say(f"get persistent {label}: not in file")
        return 0
    if command == "add" and matching:
        call.run.err(f"add persistent {label}: entry exists\n")
        return 1
    if command == "delete":
        if not matching:
            call.run.err(f"delete persistent {label}: not in file\n")
            return 1
        call.run.out(f"delete persistent {label}\n" * len(matching))
        lines = [line for line in lines if line not in matching]
    else:
        lines.append(" ".join((["-inet6"] if call.version == 6 else []) + words))
    if status := _write(call, lines):
        return status
    if command == "add":
        call.say(f"add persistent {label}")
    return 0


def _write(call: _Call, lines: list[str]) -> int:
    try:
        static_routes.write(call.root, lines)
    except OSError as error:
        return call.complain(f"failed to open route file: {error.strerror}", error.errno or 1)
    return 0


def _show(call: _Call) -> int:
    lines = static_routes.read(call.root)
    if not lines:
        call.say("No persistent routes are defined")
    for line in sorted(lines, key=_is_v6):
        call.say(f"persistent: route add {line}")
    return 0


def _is_v6(line: str) -> bool:
    return "-inet6" in line.split()


def _flush(call: _Call) -> int:
    """Remove the gateway routes of one family, with ``-p`` from the file first."""
    if "p" in call.flags:
        kept = []
        for line in static_routes.read(call.root):
            if _is_v6(line) != (call.version == 6):
                kept.append(line)
                continue
            spec = static_routes.parse(call.root, line)
            call.say(f"delete persistent {_label(call, spec)}")
        if not call.run.privileged:
            return call.complain("failed to open route file: Permission denied", _EACCES)
        if status := _write(call, kept):
            return status
    if not call.updates_table:
        return 0
    if not call.run.privileged or call.shared:
        return call.complain("flush: insufficient privileges", _EACCES)
    own = _own_addresses(call.stack)
    for route in call.stack.routes.all():
        if route.destination.version != call.version or (route.gateway in own and not route.discard):
            continue
        call.stack.routes.delete(route.destination, route.gateway, route.ifp)
        if "q" not in call.flags:
            shown = call.name if route.is_host else _net_name
            where = shown(str(route.destination.network_address))
            call.say(f"{where:<20.20} {call.name(route.gateway):<20.20} done")
    return 0


def _net_name(address: str) -> str:
    """A network without the zero bytes at its end."""
    if ip_address(address).is_unspecified:
        return "default"
    if ":" in address:
        return address
    parts = address.split(".")
    while len(parts) > 1 and parts[-1] == "0":
        parts.pop()
    return ".".join(parts)


# Looking up --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """What a lookup gives: an address is a host's, a network's, or unspecified for a default route."""

    network: Network
    gateway: str | None
    interface: str
    flags: tuple[str, ...]


def _get(call: _Call, spec: RouteSpec) -> int:
    found = _look_up(call.stack, spec)
    numeric = str(spec.destination.network_address)
    if found is None:
        call.run.out(f" {numeric}" if "n" in call.flags else spec.typed)
        call.run.out(": not in table\n")
        return ESRCH
    mask: IPv4Address | IPv6Address = found.network.netmask
    rows = [
        ("route to", call.name(numeric)),
        ("destination", call.name(str(found.network.network_address))),
    ]
    rows.append(("mask", "default" if mask.is_unspecified else str(mask)))
    if found.gateway is not None:
        rows.append(("gateway", call.name(found.gateway)))
    rows += [("interface", found.interface), ("flags", f"<{','.join(found.flags)}>")]
    text = "".join(f"{label:>11}: {value}\n" for label, value in rows)
    mtu = call.stack.mtu(found.interface, v4=spec.destination.version == 4)
    text += " recvpipe  sendpipe  ssthresh    rtt,ms rttvar,ms  hopcount      mtu     expire\n"
    text += "".join(f"{number:8d}  " for number in (0, 0, 0, 0, 0, 0, mtu))
    call.run.out(f"{text}{0:8d} \n")
    return 0


def _look_up(stack: IpStack, spec: RouteSpec) -> _Found | None:
    """The most specific route towards a destination; of one with a mask, the route to just that."""
    target = spec.destination.network_address
    best: _Found | None = None
    for found in _candidates(stack):
        network = found.network
        if network.version != spec.destination.version or target not in network:
            continue
        if spec.prefix is not None and network != spec.destination:
            continue
        if spec.gateway and spec.gateway != found.gateway:
            continue
        if spec.ifp not in (None, found.interface):
            continue
        if best is None or network.prefixlen > best.network.prefixlen:
            best = found
    return best


def _candidates(stack: IpStack) -> list[_Found]:
    found = []
    for connected in stack.connected():
        own = ip_interface(str(connected.address.ip)).network
        for network in dict.fromkeys((own, connected.network)):
            host = network.prefixlen == network.max_prefixlen
            set_flags = ("UP", "HOST", "DONE") if host else ("UP", "DONE")
            found.append(_Found(network, None, connected.interface, set_flags))
    local = _own_addresses(stack)
    for route in stack.all_routes():
        gateway = route.gateway if route.discard or route.gateway not in local else None
        flags = {
            "UP": True,
            "GATEWAY": gateway is not None,
            "HOST": route.is_host,
            "REJECT": route.discard == "reject",
            "DONE": True,
            "STATIC": True,
            "BLACKHOLE": route.discard == "blackhole",
        }
        shown = tuple(name for name, is_set in flags.items() if is_set)
        found.append(_Found(route.destination, gateway, route.interface, shown))
    return found
