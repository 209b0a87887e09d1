"""ipadm(8): command lines, and what its parseable output says."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

from pulumi_illumos_provider.illumos import ofmt
from pulumi_illumos_provider.illumos.listing import not_listed
from pulumi_illumos_provider.plan import Command, sh

IPADM = "/usr/sbin/ipadm"

SHOW_ADDRESSES = Command((IPADM, "show-addr", "-p", "-o", "addrobj,type,state,addr"))
SHOW_INTERFACES = Command((IPADM, "show-if", "-p", "-o", "ifname,state"))


def parse_addresses(text: str) -> dict[str, list[IPv4Interface]]:
    """IPv4 addresses of the global zone by interface; loopback left out."""
    found: dict[str, list[IPv4Interface]] = {}
    for addrobj, _, _, address in ofmt.rows(text, 4):
        interface = addrobj.split("/")[0]
        if interface == "lo0" or "->" in address:
            continue
        try:
            own = IPv4Interface(address)
        except ValueError:
            continue  # IPv6, or a DHCP address that is not there yet
        found.setdefault(interface, []).append(own)
    return found


def parse_dhcp(text: str) -> frozenset[IPv4Address]:
    """The addresses of the global zone that DHCP gave to it."""
    found = set()
    for _, kind, _, address in ofmt.rows(text, 4):
        if kind == "dhcp":
            try:
                found.add(IPv4Interface(address).ip)
            except ValueError:
                continue  # IPv6, or one that is not there yet
    return frozenset(found)


def parse_interfaces(text: str) -> frozenset[str]:
    """Names of the plumbed interfaces of the global zone."""
    return frozenset(name for name, _ in ofmt.rows(text, 2))


def interface_exists(name: str) -> Command:
    """Succeeds when the interface is plumbed in the global zone."""
    return sh(f'{IPADM} show-if -p -o ifname 2>/dev/null | grep -F -x -e "$1" >/dev/null', name)


def interface_absent(name: str) -> Command:
    """Succeeds when it is not plumbed in the global zone."""
    return not_listed((IPADM, "show-if", "-p", "-o", "ifname"), name)


def create_interface(name: str) -> Command:
    """Plumb an interface without an address, persistently."""
    return Command((IPADM, "create-if", name))


# An address object keeps its name when it gets another address.
_SET_ADDRESS = f"""
has() {{
    {IPADM} show-addr -p -o "$1" "$object" 2>/dev/null
}}
object=$1
[ -z "$(has addrobj)" ] || {IPADM} delete-addr "$object" || exit
{IPADM} create-addr -T static -a "$2" "$object"
"""


def set_address(name: str, address: IPv4Interface) -> Command:
    """Give an address object ``IF/NAME`` of the global zone its address, persistently.

    The interface is plumbed when it is not.
    """
    return sh(_SET_ADDRESS, name, str(address))


def has_address(name: str, address: IPv4Interface) -> Command:
    """Succeeds when an address object of the global zone has that address and can use it."""
    script = f'[ "$({IPADM} show-addr -p -o state,addr "$1" 2>/dev/null)" = "ok:$2" ]'
    return sh(script, name, str(address))


def delete_interface(name: str) -> Command:
    """Unplumb an interface with all its addresses."""
    return Command((IPADM, "delete-if", name))
