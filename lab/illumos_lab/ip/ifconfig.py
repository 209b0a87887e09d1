"""The words of ifconfig(8), applied to an interface of a stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, ip_interface
from itertools import pairwise
from typing import TYPE_CHECKING

from illumos_lab.ip import ipmp, parse
from illumos_lab.ip.model import ADDRCONF, DHCP, LOOPBACK, STATIC, Address, IpInterface
from illumos_lab.ip.status import GROUP_NOT_EMPTY, IF_EXISTS, IpadmError
from illumos_lab.kernel import Interface

if TYPE_CHECKING:
    from illumos_lab.ip.stack import IpStack

_IGNORED_TEXT = "trailers -trailers auto-revarp local -local preferred -preferred debug verbose"
_IGNORED = frozenset(_IGNORED_TEXT.split())
_IGNORED_VALUES = frozenset({"broadcast"})
"""The broadcast address follows from the mask."""

_NOT_EMULATED_TEXT = """
all-zones anycast -anycast auth_algs configinfo encaplimit -encaplimit encr_algs encr_auth_algs
ether index modinsert modlist modremove subnet tdst thoplimit token tsrc usesrc zone -zone
"""
_NOT_EMULATED = frozenset(_NOT_EMULATED_TEXT.split())

_ADDRESS_FLAGS = {
    "private": ("private", "on"),
    "-private": ("private", None),
    "deprecated": ("deprecated", "on"),
    "-deprecated": ("deprecated", None),
    "xmit": ("transmit", None),
    "-xmit": ("transmit", "off"),
}
"""Property of an address object that a word sets, and its value; None is the default."""

_INTERFACE_FLAGS = {
    "arp": (("ipv4", "arp"), None),
    "-arp": (("ipv4", "arp"), "off"),
    "nud": (("ipv6", "nud"), None),
    "-nud": (("ipv6", "nud"), "off"),
}
"""Property of an interface that a word sets, and its value; None is the default."""

_FAMILY = dict.fromkeys(("arp", "-arp", "netmask", "broadcast", "auto-revarp"), True) | dict.fromkeys(
    ("nud", "-nud", "preferred", "-preferred", "token"), False
)
"""Words of one family only: whether that is IPv4."""

DHCP_WAIT = 120.0
"""Seconds that ``dhcp start`` waits for a lease without ``wait``."""

_DHCP_REQUESTS = frozenset({"start", "drop", "extend", "release"})
_DHCP_NOT_EMULATED = frozenset({"ping", "status", "inform"})
_DHCP_FAILURE, _DHCP_BAD_ARGUMENTS = 2, 3


class IfconfigError(Exception):
    """ifconfig failed; the text is the message after ``ifconfig: ``, empty for its usage.

    Attributes:
        status: exit status.
    """

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Outcome:
    """What ifconfig has to say.

    Attributes:
        output: for standard output.
        warning: what went wrong without being a failure, after ``ifconfig: ``.
        lease: a DHCP address to wait for, and for how many seconds.
    """

    output: str = ""
    warning: str = ""
    lease: tuple[Address, float] | None = None


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


def configure(stack: IpStack, name: str, words: list[str]) -> Outcome:
    """Apply the words that follow the interface's name.

    Raises:
        IfconfigError: a word is not understood, or the operation fails.
    """
    return _Words(stack, name, words).apply()


class _Words:
    def __init__(self, stack: IpStack, name: str, words: list[str]) -> None:
        self._stack = stack
        self._origin = self._name = name
        self._rest = list(words)
        self._v4 = True
        # The mask counts for every address of the call, wherever it stands.
        masks = [mask for word, mask in pairwise(words) if word == "netmask"]
        self._netmask = masks[-1] if masks else ""
        self._addresses = 0
        self._outcome = Outcome()

    def apply(self) -> Outcome:
        while self._rest:
            word = self._rest.pop(0)
            if word in ("inet", "inet6"):
                self._v4 = word == "inet"
            elif word in ("dhcp", "auto-dhcp"):
                self._dhcp()
            else:
                self._apply(word)
        return self._outcome

    def _apply(self, word: str) -> None:
        if _FAMILY.get(word, self._v4) != self._v4:
            raise IfconfigError(f"Operation {word} not supported for {'inet' if self._v4 else 'inet6'}")
        if word in _NOT_EMULATED:
            raise IfconfigError(f"{word}: not emulated by the lab")
        if word in _ADDRESS_FLAGS:
            self._flag_address(*_ADDRESS_FLAGS[word])
        elif word in _INTERFACE_FLAGS:
            self._flag_interface(*_INTERFACE_FLAGS[word])
        elif word in _IGNORED_VALUES:
            self._value(word)
        elif word in _METHODS:
            _METHODS[word](self)
        elif word not in _IGNORED:
            self._set_address(word)

    def _value(self, word: str) -> str:
        if not self._rest:
            raise IfconfigError(f"no argument for {word}")
        return self._rest.pop(0)

    # Looking up ----------------------------------------------------------------------------------

    def _interface(self, operation: str) -> IpInterface:
        """The interface behind the logical one that is worked on, which must exist."""
        name, number = logical(self._name)
        interface = self._stack.interfaces.get(name)
        if interface is None or not (interface.v4 if self._v4 else interface.v6):
            raise IfconfigError(f"{operation}: {self._name}: no such interface")
        if number and self._address() is None:
            raise IfconfigError(f"{operation}: {self._name}: no such interface")
        return interface

    def _address(self) -> Address | None:
        return find(self._stack, self._name, v4=self._v4)

    def _parsed(self, text: str) -> Interface:
        """An address of the family that is worked on, with the mask that was given or is usual."""
        host, _, length = text.partition("/")
        longest = 32 if self._v4 else 128
        # A slash with nothing behind it is read as no prefix, as elsewhere.
        if length and not (length.isdigit() and int(length) <= longest):
            raise IfconfigError(f"Bad prefix length in {text}")
        new = parse.with_prefix(self._stack.root, text)
        if new is None or (new.version == 4) != self._v4:
            raise IfconfigError(f"{host}: bad address")
        if self._v4 and not length and self._netmask not in ("", "+"):
            return ip_interface(f"{new.ip}/{_mask_length(self._netmask)}")
        return new

    # Interfaces ----------------------------------------------------------------------------------

    def _plumb(self) -> None:
        name, number = logical(self._name)
        plumbed = self._stack.interfaces.get(name)
        if number:
            self._plumb_logical(name, number)
            return
        if plumbed and (plumbed.v4 if self._v4 else plumbed.v6):
            self._outcome.warning = f"cannot plumb {name}: {IF_EXISTS}"
            return
        try:
            self._stack.plumb(name, v4=self._v4, v6=not self._v4)
            if not self._v4:
                self._stack.activate(Address(name, "", ADDRCONF, up=False))
        except IpadmError as error:
            raise IfconfigError(f"cannot plumb {self._name}: {error.status}") from error

    def _plumb_logical(self, name: str, number: int) -> None:
        interface = self._stack.interfaces.get(name)
        if interface is None or not interface.v4:
            raise IfconfigError(f"cannot plumb {self._name}: Interface does not exist")
        if not self._v4:
            raise IfconfigError("plumbing a logical interface for inet6: not emulated by the lab")
        if self._address() is not None:
            self._outcome.warning = f"cannot plumb {self._name}: {IF_EXISTS}"
            return
        self._stack.activate(Address(name, "", STATIC, up=False), number)

    def _unplumb(self) -> None:
        name, number = logical(self._name)
        plumbed = self._stack.interfaces.get(name)
        address = self._address()
        if plumbed is None or not (plumbed.v4 if self._v4 else plumbed.v6) or (number and address is None):
            raise IfconfigError(f"cannot unplumb {self._name}: Interface does not exist")
        if number and address is not None:
            self._stack.deactivate(address)
            return
        try:
            if not (plumbed.v4 and plumbed.v6):
                self._stack.unplumb(name)
                return
            if plumbed.members:
                raise IpadmError(GROUP_NOT_EMPTY)
        except IpadmError as error:
            raise IfconfigError(f"cannot unplumb {self._name}: {error.status}") from error
        for each in self._stack.on(name):
            if each.is_v4 == self._v4:
                self._stack.deactivate(each)
        plumbed.v4, plumbed.v6 = plumbed.v4 and not self._v4, plumbed.v6 and self._v4

    def _ipmp(self) -> None:
        try:
            if self._name in self._stack.interfaces or ipmp.find(self._stack, self._name):
                raise IpadmError(IF_EXISTS)
        except IpadmError as error:
            raise IfconfigError(f"cannot create IPMP interface {self._name}: {error.status}") from error
        self._stack.plumb_group(self._name, self._name, v4=self._v4, v6=not self._v4)

    def _group(self) -> None:
        name = self._value("group")
        interface = self._interface("SIOCSLIFGROUPNAME")
        if interface.ipmp:
            for each in (interface, *ipmp.members(self._stack, interface)):
                each.group = name
            return
        if not name:
            if interface.group:
                ipmp.leave(self._stack, interface)
            return
        group = ipmp.find(self._stack, name) or self._new_group(name, interface)
        group.v4 |= interface.v4
        group.v6 |= interface.v6
        try:
            ipmp.move(self._stack, group, interface)
        except ipmp.ManagedAddressError as error:
            text = f"cannot join IPMP group: {interface.name} has data addresses managed by {error}"
            raise IfconfigError(text) from error

    def _new_group(self, name: str, member: IpInterface) -> IpInterface:
        """A group that comes to be with its first interface: its IPMP interface has the first free name."""
        number = 0
        while f"ipmp{number}" in self._stack.interfaces:
            number += 1
        return self._stack.plumb_group(f"ipmp{number}", name, v4=member.v4, v6=member.v6)

    def _flag_interface(self, key: tuple[str, str], value: str | None) -> None:
        interface = self._interface("setifflags: SIOCGLIFFLAGS")
        interface.properties.pop(key, None)
        if value is not None:
            interface.properties[key] = value

    def _standby(self) -> None:
        ipmp.set_standby(self._stack, self._interface("setifflags: SIOCGLIFFLAGS"), "on")

    def _not_standby(self) -> None:
        ipmp.set_standby(self._stack, self._interface("setifflags: SIOCGLIFFLAGS"), None)

    def _failed(self) -> None:
        ipmp.set_failed(self._stack, self._interface("setifflags: SIOCGLIFFLAGS"), True)

    def _not_failed(self) -> None:
        ipmp.set_failed(self._stack, self._interface("setifflags: SIOCGLIFFLAGS"), False)

    def _router(self) -> None:
        self._set_router(True)

    def _not_router(self) -> None:
        self._set_router(False)

    def _set_router(self, on: bool) -> None:
        stack, interface = self._stack, self._interface("setifflags: SIOCGLIFFLAGS")
        protocol = "ipv4" if self._v4 else "ipv6"
        interface.properties[protocol, "forwarding"] = "on" if on else "off"
        for link in interface.members if interface.ipmp else [interface.name]:
            stack.host.kernel.set_forwarding(stack.zone, link, on, 4 if self._v4 else 6)

    def _mtu(self) -> None:
        text = self._value("mtu")
        interface = self._interface("setifmtu: SIOCSLIFMTU")
        link = self._stack.link(interface.name)
        lowest, highest = 68 if self._v4 else 1280, link.mtu if link else 0
        if not text.isdigit() or not lowest <= int(text) <= highest:
            raise IfconfigError(f"setifmtu: SIOCSLIFMTU: {self._name}: Invalid argument")
        interface.properties["ipv4" if self._v4 else "ipv6", "mtu"] = text

    def _metric(self) -> None:
        text = self._value("metric")
        interface = self._interface("setifmetric: SIOCSLIFMETRIC")
        interface.properties["ipv4" if self._v4 else "ipv6", "metric"] = text

    # Addresses -----------------------------------------------------------------------------------

    def _set_address(self, word: str) -> None:
        if word.startswith("/"):
            self._set_length(word)
            return
        if self._addresses:
            raise IfconfigError("cannot configure more than two addresses in one command")
        self._interface("error")
        new = self._parsed(word)
        peer = self._second_address()
        self._addresses += 1
        address = self._address()
        try:
            if address is not None:
                self._stack.change_address(address, new, peer)
            else:
                self._stack.activate(Address(self._name, "", STATIC, new, up=False, peer=peer))
        except IpadmError as error:
            raise IfconfigError(f"could not create address:{error.status}") from error

    def _second_address(self) -> str:
        """What follows an address without a word before it is the other end of a tunnel; empty for none."""
        if not self._rest or self._rest[0] in _KNOWN:
            return ""
        return str(self._parsed(self._rest.pop(0)).ip)

    def _destination(self) -> None:
        text = self._value("destination")
        interface = self._interface("setifdstaddr: SIOCSLIFDSTADDR")
        address, peer = self._address(), self._parsed(text)
        tunnel = self._stack.tunnel(interface.name)
        if tunnel is None or not tunnel.point_to_point or address is None or address.address is None:
            raise IfconfigError(f"setifdstaddr: SIOCSLIFDSTADDR: {self._name}: Invalid argument")
        self._stack.change_address(address, address.address, str(peer.ip))

    def _set(self) -> None:
        self._set_address(self._value("set"))

    def _addif(self) -> None:
        text = self._value("addif")
        self._name = self._origin
        interface, _ = logical(self._name)
        if ":" in self._name:
            raise IfconfigError(f"addif: bad physical interface name {self._name}")
        self._interface("addif: SIOCLIFADDIF")
        new = self._parsed(text)
        peer = self._second_address()
        taken = {a.lif for a in self._stack.on(interface) if a.is_v4 == self._v4}
        number = next(n for n in range(1, len(taken) + 2) if n not in taken)
        try:
            self._stack.activate(Address(interface, "", STATIC, new, up=False, peer=peer), number)
        except IpadmError as error:
            raise IfconfigError(f"could not create address:{error.status}") from error
        self._name = f"{interface}:{number}"
        self._addresses = 1
        self._outcome.output += f"Created new logical interface {self._name}\n"

    def _removeif(self) -> None:
        text = self._value("removeif")
        if ":" in self._name:
            raise IfconfigError(f"removeif: bad physical interface name {self._name}")
        interface = self._interface("removeif: SIOCLIFREMOVEIF")
        if "/" in text:
            raise IfconfigError(f"{text}: unexpected '/'")
        old = self._parsed(text)
        for address in self._stack.on(interface.name):
            if address.address is not None and address.address.ip == old.ip:
                if not address.lif:
                    raise IfconfigError(f"removeif: cannot remove interface: {self._name}")
                self._stack.deactivate(address)
                return
        name = interface.name
        raise IfconfigError(f"removeif: SIOCLIFREMOVEIF: {name}: Cannot assign requested address")

    def _netmask_word(self) -> None:
        text = self._value("netmask")
        self._interface("SIOCSLIFNETMASK")
        address = self._address()
        value = address.address if address else None
        if address is None or not isinstance(value, IPv4Interface):
            return
        length = parse.known_prefix(self._stack.root, value.ip) if text == "+" else _mask_length(text)
        if length is None:
            return
        if text == "+":
            mask = IPv4Network(f"0.0.0.0/{length}").netmask
            self._outcome.output += f"Setting netmask of {self._name} to {mask}\n"
        self._change_length(address, value, length)

    def _set_length(self, word: str) -> None:
        length = word.removeprefix("/")
        if not length.isdigit() or int(length) > (32 if self._v4 else 128):
            raise IfconfigError(f"Bad prefix length in {word}")
        self._interface("SIOCSLIFNETMASK")
        address = self._address()
        if address is not None and address.address is not None:
            self._change_length(address, address.address, int(length))

    def _change_length(self, address: Address, value: IPv4Interface | IPv6Interface, length: int) -> None:
        if length != value.network.prefixlen:
            self._stack.change_address(address, ip_interface(f"{value.ip}/{length}"))

    def _flag_address(self, name: str, value: str | None) -> None:
        self._interface("setifflags: SIOCGLIFFLAGS")
        address = self._address()
        if address is not None:
            address.properties.pop(name, None)
            if value is not None:
                address.properties[name] = value

    def _up(self) -> None:
        self._set_up(True)

    def _down(self) -> None:
        self._set_up(False)

    def _set_up(self, up: bool) -> None:
        interface = self._interface("setifflags: SIOCGLIFFLAGS")
        address = self._address()
        if address is None:
            return
        try:
            self._stack.set_up(address, up)
        except IpadmError as error:
            text = f"setifflags: SIOCSLIFFLAGS: {self._name}: {error.status}"
            raise IfconfigError(text) from error
        if up and interface.underlying:
            ipmp.move_data_address(self._stack, interface, address)

    def _test_address(self) -> None:
        self._set_test(True)

    def _data_address(self) -> None:
        self._set_test(False)

    def _set_test(self, test: bool) -> None:
        interface = self._interface("setifflags: SIOCGLIFFLAGS")
        address = self._address()
        if address is None and self._v4:
            # The flag waits for an address that is set later.
            address = Address(interface.name, "", STATIC, up=False)
            self._stack.activate(address)
        if address is not None:
            address.test = test
            if interface.underlying and address.up:
                ipmp.move_data_address(self._stack, interface, address)

    # DHCP ----------------------------------------------------------------------------------------

    def _dhcp(self) -> None:
        """What follows ``dhcp`` belongs to it, to the end."""
        name, _ = logical(self._name)
        request, seconds, primary = "start", DHCP_WAIT, False
        while self._rest:
            word = self._rest.pop(0)
            if word == "wait":
                seconds = self._seconds()
            elif word == "primary":
                primary = True
            elif word in _DHCP_NOT_EMULATED or not self._v4:
                raise IfconfigError(f"dhcp {word}: not emulated by the lab")
            elif word in _DHCP_REQUESTS:
                request = word
            else:
                raise IfconfigError("", _DHCP_BAD_ARGUMENTS)
        interface = self._stack.interfaces.get(name)
        running = next((a for a in self._stack.on(name) if a.kind == DHCP), None)
        if interface is None or not interface.v4 or name == LOOPBACK:
            text = f"{name}: interface does not exist or cannot be managed using DHCP"
            raise IfconfigError(text, _DHCP_FAILURE)
        if interface.ipmp:
            raise IfconfigError("dhcp on an IPMP interface: not emulated by the lab")
        if request != "start" and running is None:
            raise IfconfigError(f"{name}: interface is not under DHCP control", _DHCP_FAILURE)
        if request == "extend":
            self._stack.host.kernel.renew_dhcp_lease(self._stack.zone, name)
        elif request != "start" and running is not None:
            self._stack.deactivate(running)
        else:
            address = running or Address(name, "", DHCP, primary=primary)
            if running is None:
                self._stack.activate(address)
            self._outcome.lease = (address, seconds)

    def _seconds(self) -> float:
        text = self._rest.pop(0) if self._rest else ""
        if text == "forever":
            return float("inf")
        if not text.isdigit():
            raise IfconfigError("", _DHCP_BAD_ARGUMENTS)
        return float(text)


def _mask_length(text: str) -> int:
    try:
        mask = str(IPv4Address(int(text, 16))) if text.startswith("0x") else text
        return IPv4Network(f"0.0.0.0/{mask}").prefixlen
    except ValueError as error:
        raise IfconfigError(f"{text}: bad address") from error


_METHODS: dict[str, Callable[[_Words], None]] = {
    "plumb": _Words._plumb,
    "unplumb": _Words._unplumb,
    "ipmp": _Words._ipmp,
    "group": _Words._group,
    "standby": _Words._standby,
    "-standby": _Words._not_standby,
    "failed": _Words._failed,
    "-failed": _Words._not_failed,
    "failover": _Words._data_address,
    "-failover": _Words._test_address,
    "router": _Words._router,
    "-router": _Words._not_router,
    "mtu": _Words._mtu,
    "metric": _Words._metric,
    "set": _Words._set,
    "destination": _Words._destination,
    "addif": _Words._addif,
    "removeif": _Words._removeif,
    "netmask": _Words._netmask_word,
    "up": _Words._up,
    "down": _Words._down,
}

_KNOWN = (
    frozenset(_METHODS)
    | _IGNORED
    | _IGNORED_VALUES
    | _NOT_EMULATED
    | set(_ADDRESS_FLAGS)
    | set(_INTERFACE_FLAGS)
    | {"inet", "inet6", "dhcp", "auto-dhcp"}
)
