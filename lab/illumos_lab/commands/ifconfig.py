"""ifconfig(8): show and configure interfaces without ipadm's memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from ipaddress import IPv4Interface

from illumos_lab.deferred import deferred_output
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip import IpStack, ifconfig, ipmp, parse, status
from illumos_lab.ip.ifconfig import IfconfigError, Outcome
from illumos_lab.ip.model import DHCP, LOOPBACK, Address, IpInterface
from illumos_lab.links.model import Tunnel

_UP, _BROADCAST, _LOOPBACK, _POINTOPOINT, _RUNNING, _NOARP, _MULTICAST = 1, 2, 8, 0x10, 0x40, 0x80, 0x800
_DHCP, _PRIVATE, _NOXMIT, _DEPRECATED, _ADDRCONF = 0x4000, 0x8000, 0x10000, 0x40000, 0x80000
_ROUTER, _NONUD, _IPV4, _IPV6 = 0x100000, 0x200000, 0x1000000, 0x2000000
_NOFAILOVER, _FAILED, _STANDBY, _INACTIVE = 0x8000000, 0x10000000, 0x20000000, 0x40000000
_OFFLINE, _VIRTUAL, _DUPLICATE, _IPMP = 0x80000000, 0x2000000000, 0x4000000000, 0x8000000000
_L3PROTECT = 0x40000000000

_FLAGS = (
    (_UP, "UP"),
    (_BROADCAST, "BROADCAST"),
    (_LOOPBACK, "LOOPBACK"),
    (_POINTOPOINT, "POINTOPOINT"),
    (_RUNNING, "RUNNING"),
    (_NOARP, "NOARP"),
    (_MULTICAST, "MULTICAST"),
    (_DHCP, "DHCP"),
    (_PRIVATE, "PRIVATE"),
    (_NOXMIT, "NOXMIT"),
    (_DEPRECATED, "DEPRECATED"),
    (_ADDRCONF, "ADDRCONF"),
    (_ROUTER, "ROUTER"),
    (_NONUD, "NONUD"),
    (_IPV4, "IPv4"),
    (_IPV6, "IPv6"),
    (_NOFAILOVER, "NOFAILOVER"),
    (_FAILED, "FAILED"),
    (_STANDBY, "STANDBY"),
    (_INACTIVE, "INACTIVE"),
    (_OFFLINE, "OFFLINE"),
    (_VIRTUAL, "VIRTUAL"),
    (_DUPLICATE, "DUPLICATE"),
    (_IPMP, "IPMP"),
    (_L3PROTECT, "L3PROTECT"),
)
_USAGE = "usage: ifconfig <interface> | -a[ 4 | 6 | D ][ u | d ][ Z ]\n"
_SELECTING = "audhDXZ46v"
_TIMED_OUT = 4
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class _Logical:
    """A line of the listing: an interface, its number, and the address there (if any)."""

    interface: IpInterface
    number: int
    v4: bool
    address: Address | None

    @property
    def name(self) -> str:
        return f"{self.interface.name}:{self.number}" if self.number else self.interface.name


@dataclass(frozen=True)
class _Caller:
    """Who asks, and what there is to see."""

    run: Invocation
    stack: IpStack

    @property
    def shared(self) -> bool:
        """The zone uses the stack of the global zone."""
        return self.stack.zone != self.run.zone

    def sees(self, logical: _Logical) -> bool:
        """Whether the zone has to do with a logical interface."""
        mine = logical.address is not None and logical.address.zone == self.run.zone
        return not self.shared or mine or logical.interface.name == LOOPBACK


def main(host: Host, run: Invocation) -> int:
    """Run ifconfig; exit status 0, 1, or for DHCP 2 to 4."""
    if not run.argv:
        run.err(_USAGE)
        return 1
    name, *words = run.argv
    # Only right behind the interface a family says what is shown.
    family = words[0] if words[:1] in (["inet"], ["inet6"]) else ""
    outcomes: list[Outcome] = []
    with deferred_output(run) as later, host.lock:
        stack = host.stacks.get(run.zone) or host.stacks["global"]
        caller = _Caller(later, stack)
        try:
            if name.startswith("-"):
                _every(caller, name.removeprefix("-"), words, family, outcomes)
            elif words in ([], [family]):
                _show_one(caller, name, family)
            else:
                _configure(caller, name, words, outcomes)
        except IfconfigError as error:
            later.err(f"{run.name}: {error}\n" if str(error) else _USAGE)
            return error.status
    for outcome in outcomes:
        if not _await_lease(run, stack, outcome):
            return _TIMED_OUT
    return 0


def _await_lease(run: Invocation, stack: IpStack, outcome: Outcome) -> bool:
    """Wait for the lease that was asked for; false when it has not come in time."""
    if outcome.lease is None or not outcome.lease[1]:
        return True
    address, seconds = outcome.lease
    deadline = time.monotonic() + seconds
    while stack.current(address) is None:
        if time.monotonic() >= deadline:
            run.err(f"{run.name}: {address.interface}: wait timed out, operation still pending...\n")
            return False
        time.sleep(_POLL_SECONDS)
    return True


# Choosing ----------------------------------------------------------------------------------------


def _every(caller: _Caller, letters: str, words: list[str], family: str, outcomes: list[Outcome]) -> None:
    """``ifconfig -a...``: show the logical interfaces that the letters choose, or apply words to each.

    Raises:
        IfconfigError: the letters are wrong, or one of the interfaces refuses.
    """
    try:
        given = "".join(letter for letter, _ in getopt([f"-{letters}"], _SELECTING)[0])
    except (UnknownOptionError, MissingValueError) as error:
        raise IfconfigError("") from error
    if "h" in given:
        raise IfconfigError("")
    if "a" not in given:
        raise IfconfigError(f"-{letters}: no such interface")
    rest = words[1:] if family else words
    if rest[:1] == ["plumb"]:
        _plumb_every(caller, words, outcomes)
        return
    stack = caller.stack
    chosen = [*_logicals(stack, True), *_logicals(stack, False)]
    for logical in chosen:
        bits = _bits(stack, logical)
        unwanted = ("u" in given and not bits & _UP) or ("d" in given and bits & _UP)
        unwanted |= bool("D" in given and bits & _DHCP)
        unwanted |= ("4" in given and not logical.v4) or ("6" in given and logical.v4)
        if unwanted or not caller.sees(logical) or (family and (family == "inet") != logical.v4):
            continue
        if rest:
            _configure(caller, logical.name, ["inet" if logical.v4 else "inet6", *rest], outcomes)
        else:
            caller.run.out(_show(caller, logical, ether=not family))


def _plumb_every(caller: _Caller, words: list[str], outcomes: list[Outcome]) -> None:
    stack = caller.stack
    for link in stack.host.links.all():
        if stack.link(link.name) is not None and stack.host.links.carries_ip(link):
            _configure(caller, link.name, words, outcomes)


def _configure(caller: _Caller, name: str, words: list[str], outcomes: list[Outcome]) -> None:
    run = caller.run
    if not run.privileged or caller.shared:
        _deny(name, words)
    outcome = ifconfig.configure(caller.stack, name, words)
    run.out(outcome.output)
    if outcome.warning:
        run.err(f"{run.name}: {outcome.warning}\n")
    outcomes.append(outcome)


def _deny(name: str, words: list[str]) -> None:
    for word in ("plumb", "unplumb"):
        if word in words:
            raise IfconfigError(f"cannot {word} {name}: {status.NO_AUTHORIZATION}")
    raise IfconfigError(f"setifflags: SIOCSLIFFLAGS: {name}: permission denied")


# Showing -----------------------------------------------------------------------------------------


def _show_one(caller: _Caller, name: str, family: str) -> None:
    for logical in _logicals(caller.stack, family != "inet6"):
        if logical.name == name and caller.sees(logical):
            caller.run.out(_show(caller, logical, ether=not family))
            return
    raise IfconfigError(f"status: SIOCGLIFFLAGS: {name}: no such interface")


def _logicals(stack: IpStack, v4: bool) -> list[_Logical]:
    found = []
    for interface in stack.interfaces.values():
        if not (interface.v4 if v4 else interface.v6):
            continue
        numbered = {a.lif: a for a in stack.on(interface.name) if a.is_v4 == v4}
        for number in sorted({0, *numbered}):
            found.append(_Logical(interface, number, v4, numbered.get(number)))
    return found


def _show(caller: _Caller, logical: _Logical, *, ether: bool) -> str:
    stack, interface = caller.stack, logical.interface
    bits = _bits(stack, logical)
    names = ",".join(name for bit, name in _FLAGS if bits & bit)
    name = interface.name
    metric = interface.properties.get(("ipv4" if logical.v4 else "ipv6", "metric"), "0")
    shown = f" metric {metric}" if metric != "0" else ""
    shown += f" mtu {stack.mtu(name, v4=logical.v4)} index {interface.index}"
    lines = [f"{logical.name}: flags={bits:x}<{names}>{shown}"]
    if logical.address is not None and logical.address.zone and not caller.shared:
        lines.append(f"\tzone {logical.address.zone}")
    tunnel = stack.tunnel(name)
    if tunnel is not None and not logical.number:
        lines += _tunnel_lines(stack, name, tunnel)
    current = stack.current(logical.address) if logical.address else None
    peer = ""
    if bits & _POINTOPOINT:
        far = logical.address.peer if logical.address else ""
        peer = f"--> {far or ('0.0.0.0' if logical.v4 else '::')} "
    if logical.v4:
        value = current if isinstance(current, IPv4Interface) else None
        mask = parse.netmask_hex(value) if value else "0"
        # ifconfig leaves a blank behind everything but a broadcast address.
        line = f"\tinet {value.ip if value else '0.0.0.0'} {peer}netmask {mask} "
        if bits & _BROADCAST and value:
            line += f"broadcast {value.network.broadcast_address}"
        lines.append(line)
    else:
        lines.append(f"\tinet6 {current or '::/0'} {peer}")
    if interface.group and not logical.number:
        lines.append(f"\tgroupname {interface.group}")
    link = stack.link(name)
    if ether and caller.run.privileged and link is not None and tunnel is None and not logical.number:
        lines.append(f"\tether {link.mac} ")
    return "".join(f"{line}\n" for line in lines)


def _tunnel_lines(stack: IpStack, link: str, tunnel: Tunnel) -> list[str]:
    v6 = tunnel.kind == "ipv6"
    far = f"tunnel dst {tunnel.remote}" if tunnel.remote else ""
    found = stack.link(link)
    (limit,) = found.properties.get("hoplimit", ["64"]) if found else ["64"]
    return [
        f"\t{'inet6' if v6 else 'inet'} tunnel src {tunnel.local or ('::' if v6 else '0.0.0.0')} {far}",
        f"\ttunnel hop limit {limit} ",
    ]


def _bits(stack: IpStack, logical: _Logical) -> int:
    return _interface_bits(stack, logical) | _address_bits(logical)


def _interface_bits(stack: IpStack, logical: _Logical) -> int:
    interface, protocol = logical.interface, "ipv4" if logical.v4 else "ipv6"
    empty = interface.ipmp and not ipmp.active(stack, interface)
    tunnel = stack.tunnel(interface.name)
    bits = _IPV4 if logical.v4 else _IPV6
    if tunnel is None or tunnel.point_to_point:
        bits |= _MULTICAST
    if interface.name == LOOPBACK:
        bits |= _LOOPBACK | _VIRTUAL
    elif tunnel is not None:
        # There is nobody to be found by ARP or neighbour discovery.
        bits |= _NOARP if logical.v4 else _NONUD
        bits |= _POINTOPOINT if tunnel.point_to_point else 0
    elif logical.v4 and not empty:
        bits |= _BROADCAST
    set_when = {
        _RUNNING: not empty,
        _NOARP: interface.properties.get(("ipv4", "arp")) == "off" and logical.v4,
        _NONUD: interface.properties.get(("ipv6", "nud")) == "off" and not logical.v4,
        _ROUTER: interface.properties.get((protocol, "forwarding")) == "on",
        _FAILED: interface.failed or empty,
        _STANDBY: interface.standby,
        _INACTIVE: ipmp.is_inactive(stack, interface),
        _OFFLINE: interface.offline,
        _IPMP: interface.ipmp,
        _L3PROTECT: interface.from_gz,
    }
    return bits | sum(bit for bit, on in set_when.items() if on)


def _address_bits(logical: _Logical) -> int:
    address, underlying = logical.address, logical.interface.underlying
    if address is None:
        # An interface of a group is up for its link to be watched.
        return _UP if underlying and not logical.interface.offline else 0
    set_when = {
        _UP: address.effective,
        _DHCP: address.kind == DHCP,
        _PRIVATE: address.properties.get("private") == "on",
        _NOXMIT: address.properties.get("transmit") == "off",
        _DEPRECATED: address.properties.get("deprecated") == "on" or (address.test and underlying),
        _NOFAILOVER: address.test,
        _DUPLICATE: address.duplicate,
    }
    return sum(bit for bit, on in set_when.items() if on)
