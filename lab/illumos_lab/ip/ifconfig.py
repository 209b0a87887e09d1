"""The words of ifconfig(8), applied to an interface of a stack."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, ip_interface
from typing import TYPE_CHECKING

from illumos_lab.ip import parse
from illumos_lab.ip.model import ADDRCONF, DHCP, LOOPBACK, STATIC, Address
from illumos_lab.ip.status import IpadmError
from illumos_lab.kernel import Interface

if TYPE_CHECKING:
    from illumos_lab.ip.stack import IpStack

_IGNORED_TEXT = """
trailers -trailers arp -arp auto-revarp private -private local -local preferred -preferred
deprecated -deprecated xmit -xmit nud -nud anycast -anycast -failover failover
"""
_IGNORED = frozenset(_IGNORED_TEXT.split())


class IfconfigError(Exception):
    """ifconfig failed; the text is the message after ``ifconfig: ``."""


def logical(name: str) -> tuple[str, int]:
    """Interface and number of a (logical) interface name: ``net0:2`` is ("net0", 2)."""
    interface, _, number = name.partition(":")
    return interface, int(number) if number.isdigit() else 0


def find(stack: IpStack, name: str, *, v4: bool) -> Address | None:
    """The address of a logical interface."""
    interface, number = logical(name)
    return next(
        (a for a in stack.on(interface) if a.is_v4 == v4 and a.lif == number),
        None,
    )


def configure(stack: IpStack, name: str, words: list[str]) -> None:
    """Apply the words that follow the interface's name.

    Raises:
        IfconfigError: a word is not understood, or the operation fails.
    """
    _Words(stack, name, words).apply()


class _Words:
    def __init__(self, stack: IpStack, name: str, words: list[str]) -> None:
        self._stack = stack
        self._name = name
        self._rest = list(words)
        self._v4 = True
        self._address: Interface | None = None

    def apply(self) -> None:
        while self._rest:
            word = self._rest.pop(0)
            method = getattr(self, f"_do_{word}", None) if word.isalnum() else None
            if method is not None:
                method()
            elif word in _IGNORED:
                continue
            elif word in ("router", "-router"):
                self._set_router(word == "router")
            elif word == "auto-dhcp":
                self._do_dhcp()
            else:
                self._set_address(word)

    def _value(self, word: str) -> str:
        if not self._rest:
            raise IfconfigError(f"{word}: no argument")
        return self._rest.pop(0)

    def _current(self) -> Address:
        address = find(self._stack, self._name, v4=self._v4)
        if address is None:
            raise IfconfigError(f"{self._name}: no such interface")
        return address

    def _do_inet(self) -> None:
        self._v4 = True

    def _do_inet6(self) -> None:
        self._v4 = False

    def _do_plumb(self) -> None:
        interface, _ = logical(self._name)
        plumbed = self._stack.interfaces.get(interface)
        if plumbed and (plumbed.v4 if self._v4 else plumbed.v6):
            raise IfconfigError(f"SIOCSLIFNAME for ip: {interface}: already exists")
        try:
            self._stack.plumb(interface, v4=self._v4, v6=not self._v4)
            if not self._v4:
                self._stack.activate(Address(interface, "", ADDRCONF, up=False))
        except IpadmError as error:
            raise IfconfigError(f'cannot open link "{interface}": DLPI link does not exist') from error

    def _do_unplumb(self) -> None:
        interface, number = logical(self._name)
        plumbed = self._stack.interfaces.get(interface)
        if number:
            self._stack.deactivate(self._current())
            return
        if plumbed is None or not (plumbed.v4 if self._v4 else plumbed.v6):
            raise IfconfigError(f"cannot unplumb {self._name}: Interface does not exist")
        for address in self._stack.on(interface):
            if address.is_v4 == self._v4:
                self._stack.deactivate(address)
        if self._v4:
            plumbed.v4 = False
        else:
            plumbed.v6 = False
        if not (plumbed.v4 or plumbed.v6):
            self._stack.unplumb(interface)

    def _do_addif(self) -> None:
        interface, _ = logical(self._name)
        new = self._parsed(self._value("addif"))
        self._add(Address(interface, "", STATIC, new, up=False))
        added = self._stack.on(interface)[-1]
        self._name = f"{interface}:{added.lif}"
        self._address = new

    def _do_removeif(self) -> None:
        interface, _ = logical(self._name)
        old = self._parsed(self._value("removeif"))
        for address in self._stack.on(interface):
            if address.address is not None and address.address.ip == old.ip:
                self._stack.deactivate(address)
                return
        raise IfconfigError(f"removeif: no matching address: {old.ip}")

    def _do_netmask(self) -> None:
        text = self._value("netmask")
        if text == "+":
            return
        address = self._current()
        try:
            mask = str(IPv4Address(int(text, 16))) if text.startswith("0x") else text
            length = IPv4Network(f"0.0.0.0/{mask}").prefixlen
        except ValueError as error:
            raise IfconfigError(f"{text}: bad address") from error
        if isinstance(address.address, IPv4Interface):
            self._change(address, ip_interface(f"{address.address.ip}/{length}"))

    def _do_broadcast(self) -> None:
        # The broadcast address follows from the mask.
        self._value("broadcast")

    def _do_mtu(self) -> None:
        interface = self._stack.interfaces[logical(self._name)[0]]
        text = self._value("mtu")
        if not text.isdigit():
            raise IfconfigError(f"SIOCSLIFMTU: {self._name}: Invalid argument")
        interface.properties["ipv4" if self._v4 else "ipv6", "mtu"] = text

    def _do_metric(self) -> None:
        self._value("metric")

    def _do_up(self) -> None:
        self._set_up(True)

    def _do_down(self) -> None:
        self._set_up(False)

    def _set_up(self, up: bool) -> None:
        address = find(self._stack, self._name, v4=self._v4)
        if address is None:
            return
        try:
            self._stack.set_up(address, up)
        except IpadmError as error:
            raise IfconfigError(f"SIOCSLIFFLAGS: {self._name}: {error.status}") from error

    def _do_dhcp(self) -> None:
        interface, _ = logical(self._name)
        command = "start"
        while self._rest:
            word = self._rest.pop(0)
            if word == "wait":
                self._value("wait")
            elif word != "primary":
                command = word
        running = next((a for a in self._stack.on(interface) if a.kind == DHCP), None)
        if command == "start":
            if running is None:
                self._add(Address(interface, "", DHCP))
        elif command in ("release", "drop"):
            if running is None:
                raise IfconfigError(f"{interface}: interface is not under DHCP control")
            self._stack.deactivate(running)
        elif command == "extend":
            if running is None:
                raise IfconfigError(f"{interface}: interface is not under DHCP control")
            self._stack.host.kernel.renew_dhcp_lease(self._stack.zone, interface)
        else:
            raise IfconfigError(f"dhcp {command}: not emulated by the lab")

    def _set_router(self, on: bool) -> None:
        stack, interface = self._stack, self._stack.interfaces[logical(self._name)[0]]
        protocol = "ipv4" if self._v4 else "ipv6"
        interface.properties[protocol, "forwarding"] = "on" if on else "off"
        stack.host.kernel.set_forwarding(stack.zone, interface.name, on, 4 if self._v4 else 6)

    def _set_address(self, word: str) -> None:
        new = self._parsed(word)
        address = find(self._stack, self._name, v4=new.version == 4)
        if address is not None:
            self._change(address, new)
            return
        interface, number = logical(self._name)
        if number or interface == LOOPBACK:
            raise IfconfigError(f"{self._name}: no such interface")
        self._add(Address(interface, "", STATIC, new, up=False))

    def _parsed(self, text: str) -> Interface:
        new = parse.with_prefix(self._stack.root, text)
        if new is None:
            raise IfconfigError(f"{text}: bad address")
        self._v4 = new.version == 4
        return new

    def _add(self, address: Address) -> None:
        try:
            self._stack.activate(address)
        except IpadmError as error:
            raise IfconfigError(f"SIOCSLIFADDR: {address.interface}: {error.status}") from error

    def _change(self, address: Address, new: Interface) -> None:
        try:
            self._stack.change_address(address, new)
        except IpadmError as error:
            raise IfconfigError(f"SIOCSLIFADDR: {self._name}: {error.status}") from error
