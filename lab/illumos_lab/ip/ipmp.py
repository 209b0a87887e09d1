"""IP multipathing: groups of interfaces, and which of them carries which address (in.mpathd(8)).

A group is an IPMP interface with its data addresses, and the interfaces below it. Each data address is on
one of these that is active; when that one goes, another takes the address over. Test addresses stay where
they are. Failures are detected by the link only, so nothing is probed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from illumos_lab.ip import status
from illumos_lab.ip.model import DHCP, STATIC, Address, IpInterface
from illumos_lab.ip.status import IpadmError

if TYPE_CHECKING:
    from illumos_lab.ip.stack import IpStack

EMPTY_MTU = {True: 68, False: 1280}
"""MTU of an IPMP interface without interfaces below it, for IPv4 and IPv6."""


class ManagedAddressError(Exception):
    """An interface cannot join while a daemon manages its data addresses; the text is the daemon's name."""


def find(stack: IpStack, group: str) -> IpInterface | None:
    """The IPMP interface of a group."""
    return next((each for each in stack.interfaces.values() if each.ipmp and each.group == group), None)


def members(stack: IpStack, group: IpInterface) -> list[IpInterface]:
    """The interfaces below an IPMP interface, as they joined."""
    return [stack.interfaces[name] for name in group.members]


def usable(interface: IpInterface) -> bool:
    """Traffic can go through an interface."""
    return not (interface.offline or interface.failed)


def active(stack: IpStack, group: IpInterface) -> list[IpInterface]:
    """The interfaces that carry the traffic of a group: a standby only in place of another one."""
    every = members(stack, group)
    chosen = [each for each in every if usable(each) and not each.standby]
    wanted = max(1, sum(not each.standby for each in every))
    spare = [each for each in every if usable(each) and each.standby]
    return chosen + spare[: wanted - len(chosen)]


def is_inactive(stack: IpStack, interface: IpInterface) -> bool:
    """An interface could carry traffic, but is kept as a standby."""
    group = find(stack, interface.group) if interface.underlying else None
    return group is not None and usable(interface) and interface not in active(stack, group)


def choose(stack: IpStack, group: IpInterface) -> str:
    """The active interface with the fewest addresses of the group; empty when there is none."""
    candidates = [each.name for each in active(stack, group)]
    return min(candidates, key=lambda name: len(_carried(stack, group, name)), default="")


def _carried(stack: IpStack, group: IpInterface, name: str) -> list[Address]:
    return [address for address in stack.on(group.name) if address.carrier == name]


def refresh(stack: IpStack, group: IpInterface) -> None:
    """After interfaces came, went or changed: put every data address on an active one, and spread them."""
    names = [each.name for each in active(stack, group)]
    for address in stack.on(group.name):
        if address.carrier not in names:
            stack.put_again(address)
    counts = {name: _carried(stack, group, name) for name in names}
    while counts and len(max(counts.values(), key=len)) > len(min(counts.values(), key=len)) + 1:
        stack.put_again(max(counts.values(), key=len)[-1])
        counts = {name: _carried(stack, group, name) for name in names}


# Membership --------------------------------------------------------------------------------------


def add(stack: IpStack, group: str, name: str, *, temporary: bool) -> None:
    """Put an interface below an IPMP interface (``ipadm add-ipmp``); its addresses become test addresses.

    Raises:
        IpadmError: one of both is not there, is no such thing, or belongs to a group already.
    """
    owner, member = _both(stack, group, name)
    if member.group:
        raise IpadmError(status.IF_IN_USE)
    _remember(stack, owner, member, temporary=temporary)
    for address in stack.on(name):
        if address.name and not address.persistent:
            # Addresses are taken off and put on again; what is not remembered does not return.
            stack.deactivate(address)
    moving = [each for each in stack.on(name) if not each.name and each.kind == STATIC and not each.test]
    for address in stack.on(name):
        address.test |= address not in moving
    join(stack, owner, member, moving)


def remove(stack: IpStack, group: str, name: str, *, temporary: bool) -> None:
    """Take an interface out of a group (``ipadm remove-ipmp``); its test addresses become ordinary ones.

    Raises:
        IpadmError: one of both is not there, or they do not belong together.
    """
    owner, member = _both(stack, group, name)
    if name not in owner.members:
        raise IpadmError(status.INVALID_ARGUMENT)
    _remember(stack, owner, member, temporary=temporary, forget=True)
    leave(stack, member)


def _both(stack: IpStack, group: str, name: str) -> tuple[IpInterface, IpInterface]:
    owner, member = stack.interfaces.get(group), stack.interfaces.get(name)
    if owner is None or member is None:
        raise IpadmError(status.DISABLED_OBJECT)
    if not owner.ipmp:
        raise IpadmError(status.INVALID_ARGUMENT)
    return owner, member


def _remember(
    stack: IpStack, group: IpInterface, member: IpInterface, *, temporary: bool, forget: bool = False
) -> None:
    if temporary:
        return
    if not (group.persistent and member.persistent):
        raise IpadmError(status.TEMPORARY_OBJECT)
    conf = stack.conf()
    kept = conf.groups.setdefault(group.name, [])
    if forget and member.name in kept:
        kept.remove(member.name)
    elif not forget and member.name not in kept:
        kept.append(member.name)
    conf.write()


def join(stack: IpStack, group: IpInterface, member: IpInterface, moving: list[Address]) -> None:
    """Put an interface below an IPMP interface, to which some of its addresses move."""
    member.group = group.group
    group.members.append(member.name)
    stack.forward_below(group)
    for address in moving:
        move_data_address(stack, member, address)
    refresh(stack, group)


def move_data_address(stack: IpStack, member: IpInterface, address: Address) -> None:
    """Move an address to the IPMP interface of its group, unless it is a test address."""
    group = find(stack, member.group)
    if group is None or address.test or address.kind != STATIC or address.address is None:
        return
    stack.deactivate(address)
    address.interface, address.name = group.name, ""
    stack.activate(address)


def leave(stack: IpStack, member: IpInterface) -> None:
    """Take an interface out of its group, whose addresses go to the others."""
    group = find(stack, member.group)
    member.group, member.offline = "", False
    for address in stack.on(member.name):
        address.test = False
    if group is not None:
        group.members.remove(member.name)
        refresh(stack, group)


def restore(stack: IpStack, name: str) -> None:
    """After an interface came up as ipadm.conf says: join again what is up of its group."""
    for group, kept in stack.conf().groups.items():
        owner = stack.interfaces.get(group)
        for each in kept if owner is not None and owner.ipmp else ():
            member = stack.interfaces.get(each)
            if owner is not None and member is not None and name in (group, each) and not member.group:
                for address in stack.on(each):
                    address.test = True
                join(stack, owner, member, [])


def move(stack: IpStack, group: IpInterface, member: IpInterface) -> None:
    """Put an interface into a group as ifconfig(8) does: its data addresses move to the IPMP interface.

    Raises:
        ManagedAddressError: some of these are managed by a daemon.
    """
    if member.group == group.group:
        return
    if any(address.kind == DHCP and not address.test for address in stack.on(member.name)):
        raise ManagedAddressError("dhcpagent(1M)")
    if member.group:
        leave(stack, member)
    moving = [each for each in stack.on(member.name) if each.kind == STATIC and not each.test]
    for address in stack.on(member.name):
        address.test |= address not in moving
        # ipadm does not follow what ifconfig moves.
        address.name = ""
    join(stack, group, member, moving)


# Taking interfaces out of service ----------------------------------------------------------------


def set_failed(stack: IpStack, interface: IpInterface, failed: bool) -> None:
    """Note that an interface does not work, or works again."""
    interface.failed = failed
    _follow(stack, interface)


def set_standby(stack: IpStack, interface: IpInterface, value: str | None) -> None:
    """Make an interface a standby, or (None or ``off``) not."""
    interface.properties.pop(("ip", "standby"), None)
    if value is not None:
        interface.properties["ip", "standby"] = value
    _follow(stack, interface)


def set_offline(stack: IpStack, interface: IpInterface, offline: bool) -> None:
    """Take an interface below an IPMP interface out of service, or back into it; test addresses too."""
    for address in stack.on(interface.name):
        stack.set_up(address, not offline)
    interface.offline = offline
    _follow(stack, interface)


def _follow(stack: IpStack, interface: IpInterface) -> None:
    group = find(stack, interface.group) if interface.underlying else None
    if group is not None:
        refresh(stack, group)
