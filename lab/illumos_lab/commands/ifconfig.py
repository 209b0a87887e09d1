"""ifconfig(8): show and configure interfaces without ipadm's memory."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface

from illumos_lab.deferred import deferred_output
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip import IpStack, ifconfig, parse
from illumos_lab.ip.ifconfig import IfconfigError
from illumos_lab.ip.model import DHCP, LOOPBACK, Address, IpInterface

_FLAGS = (
    (0x1, "UP"),
    (0x2, "BROADCAST"),
    (0x8, "LOOPBACK"),
    (0x40, "RUNNING"),
    (0x800, "MULTICAST"),
    (0x4000, "DHCP"),
    (0x40000, "DEPRECATED"),
    (0x80000, "ADDRCONF"),
    (0x100000, "ROUTER"),
    (0x1000000, "IPv4"),
    (0x2000000, "IPv6"),
    (0x2000000000, "VIRTUAL"),
    (0x4000000000, "DUPLICATE"),
    (0x40000000000, "L3PROTECT"),
)
_USAGE = "usage: ifconfig <interface> | -a[ 4 | 6 | D ] [ <options> ]\n"


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


def main(host: Host, run: Invocation) -> int:
    """Run ifconfig; exit status 0 or 1."""
    if not run.argv:
        run.err(_USAGE)
        return 1
    shared = run.zone not in host.stacks
    stack = host.stacks["global" if shared else run.zone]
    name, *words = run.argv
    with deferred_output(run) as later, host.lock:
        if name in ("-a", "-a4", "-a6"):
            families = {"-a": (True, False), "-a4": (True,), "-a6": (False,)}[name]
            if words in (["inet"], ["inet6"]):
                families, words = (words == ["inet"],), []
            if words:
                later.err(f"{run.name}: -a with options: not emulated by the lab\n")
                return 1
            for v4 in families:
                for logical in _logicals(stack, v4):
                    if not shared or _in_zone(logical, run.zone):
                        later.out(_show(run, stack, logical, shared))
            return 0
        if name.startswith("-"):
            later.err(f"{run.name}: {name}: not emulated by the lab\n")
            return 1
        if not words or words in (["inet"], ["inet6"]):
            return _show_one(later, stack, name, v4=words != ["inet6"], shared=shared)
        return _configure(later, stack, name, words, shared)


def _configure(run: Invocation, stack: IpStack, name: str, words: list[str], shared: bool) -> int:
    interface = ifconfig.logical(name)[0]
    if not run.privileged or shared:
        run.err(f"{run.name}: setifflags: SIOCSLIFFLAGS: {name}: permission denied\n")
        return 1
    if interface not in stack.interfaces and not {"plumb", "unplumb"} & set(words):
        return _no_interface(run, name)
    try:
        ifconfig.configure(stack, name, words)
    except IfconfigError as error:
        run.err(f"{run.name}: {error}\n")
        return 1
    if "addif" in words:
        added = stack.on(interface)[-1]
        run.out(f"Created new logical interface {interface}:{added.lif}\n")
    return 0


def _no_interface(run: Invocation, name: str) -> int:
    run.err(f"{run.name}: status: SIOCGLIFFLAGS: {name}: no such interface\n")
    return 1


def _show_one(run: Invocation, stack: IpStack, name: str, *, v4: bool, shared: bool) -> int:
    for logical in _logicals(stack, v4):
        if logical.name == name and (not shared or _in_zone(logical, run.zone)):
            run.out(_show(run, stack, logical, shared))
            return 0
    return _no_interface(run, name)


def _in_zone(logical: _Logical, zone: str) -> bool:
    return logical.interface.name == LOOPBACK or (
        logical.address is not None and logical.address.zone == zone
    )


def _logicals(stack: IpStack, v4: bool) -> list[_Logical]:
    found = []
    for interface in stack.interfaces.values():
        if not (interface.v4 if v4 else interface.v6):
            continue
        numbered = {a.lif: a for a in stack.on(interface.name) if a.is_v4 == v4}
        for number in sorted({0, *numbered}):
            found.append(_Logical(interface, number, v4, numbered.get(number)))
    return found


def _show(run: Invocation, stack: IpStack, logical: _Logical, shared: bool) -> str:
    bits = _bits(stack, logical)
    names = ",".join(name for bit, name in _FLAGS if bits & bit)
    name = logical.interface.name
    mtu = stack.mtu(name, v4=logical.v4)
    lines = [f"{logical.name}: flags={bits:x}<{names}> mtu {mtu} index {logical.interface.index}"]
    if logical.address is not None and logical.address.zone and not shared:
        lines.append(f"\tzone {logical.address.zone}")
    current = stack.current(logical.address) if logical.address else None
    if logical.v4:
        value = current if isinstance(current, IPv4Interface) else None
        mask = parse.netmask_hex(value) if value else "0"
        line = f"\tinet {value.ip if value else '0.0.0.0'} netmask {mask}"
        if name != LOOPBACK and value:
            line += f" broadcast {value.network.broadcast_address}"
        # ifconfig leaves a blank at the end of an address line.
        lines.append(f"{line} ")
    else:
        lines.append(f"\tinet6 {current or '::/0'} ")
    link = stack.link(name)
    if run.privileged and link is not None and logical.number == 0:
        lines.append(f"\tether {link.mac} ")
    return "".join(f"{line}\n" for line in lines)


def _bits(stack: IpStack, logical: _Logical) -> int:
    interface, address = logical.interface, logical.address
    loopback = interface.name == LOOPBACK
    bits = 0x40 | 0x800 | (0x1000000 if logical.v4 else 0x2000000)
    if loopback:
        bits |= 0x8 | 0x2000000000
    elif logical.v4:
        bits |= 0x2
    if interface.properties.get(("ipv4" if logical.v4 else "ipv6", "forwarding")) == "on":
        bits |= 0x100000
    if address is not None:
        bits |= 0x1 if address.effective else 0
        bits |= 0x4000 if address.kind == DHCP else 0
        bits |= 0x40000 if address.properties.get("deprecated") == "on" else 0
        bits |= 0x4000000000 if address.duplicate else 0
    if interface.from_gz:
        bits |= 0x40000000000
    return bits
