"""ifconfig(8) in a running router zone: interfaces that ``/etc/hostname.IF`` describes for the next boot.

The files hold words of ifconfig, and what it makes is what they would make; ipadm(8) keeps a memory of its
own, which the files override. So changes of a running zone are made with ifconfig too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from pulumi_illumos_provider.illumos import ofmt
from pulumi_illumos_provider.illumos.zlogin import inside
from pulumi_illumos_provider.plan import Command, sh

Interface = IPv4Interface | IPv6Interface


def hostname_file(addresses: Sequence[Interface]) -> str:
    """``/etc/hostname.IF``: the first address, then the further ones as logical interfaces."""
    first, *others = addresses
    return "".join([f"{first}\n", *(f"addif {other} up\n" for other in others)])


def hostname6_file(addresses: Sequence[Interface]) -> str:
    """``/etc/hostname6.IF``: the link-local address comes by itself, ours beside it."""
    return "".join(f"addif {address} up\n" for address in addresses)


def parse_addresses(text: str) -> dict[str, frozenset[Interface]]:
    """Addresses by interface from ``ipadm show-addr -p -o addrobj,addr``; link-local ones left out."""
    found: dict[str, set[Interface]] = {}
    for name, text_of_address in ofmt.rows(text, 2):
        interface = name.split("/")[0]
        found.setdefault(interface, set())
        try:
            address = ip_interface(text_of_address)
        except ValueError:
            continue  # a scope, or an address that is not there yet
        if not address.ip.is_link_local and interface != "lo0":
            found[interface].add(address)
    return {name: frozenset(addresses) for name, addresses in found.items()}


# ``have`` prints the interface's addresses, one a line.
_HAVE = r"""
link=$1
shift
have() {
    /usr/sbin/ipadm show-addr -p -o addrobj,addr 2>/dev/null | sed -n "s|^$link/[^:]*:||p" |
        sed -e 's/\\//g' -e '/%/d' -e '/^fe80/d'
}
"""

# What is new is added before what is old goes.
_SET = (
    _HAVE
    + r"""
has() {
    have | grep -F -x -e "$1" >/dev/null
}
six=
for address; do
    case $address in *:*) six=yes ;; esac
done
if ! /usr/sbin/ifconfig "$link" inet >/dev/null 2>&1; then
    /usr/sbin/ifconfig "$link" plumb "$1" up || exit
fi
if [ -n "$six" ] && ! /usr/sbin/ifconfig "$link" inet6 >/dev/null 2>&1; then
    /usr/sbin/ifconfig "$link" inet6 plumb up || exit
fi
# The first address is that of the interface itself, so that the system takes it as the source.
if ! has "$1"; then
    /usr/sbin/ifconfig "$link" "$1" up || exit
fi
for address; do
    has "$address" && continue
    case $address in
    *:*) /usr/sbin/ifconfig "$link" inet6 addif "$address" up ;;
    *) /usr/sbin/ifconfig "$link" addif "$address" up ;;
    esac >/dev/null || exit
done
for old in $(have); do
    for address; do
        [ "$address" != "$old" ] || continue 2
    done
    case $old in
    *:*) /usr/sbin/ifconfig "$link" inet6 removeif "${old%/*}" ;;
    *) /usr/sbin/ifconfig "$link" removeif "${old%/*}" ;;
    esac || exit
done
"""
)

_HAS = (
    _HAVE
    + r"""
found=$(have | sort)
[ -n "$found" ] && [ "$found" = "$(printf '%s\n' "$@" | sort)" ]
"""
)


def set_addresses(zone: str, link: str, addresses: Sequence[Interface]) -> Command:
    """Give an interface of a running zone exactly these addresses; it is plumbed when it is not."""
    return inside(zone, _SET, link, *map(str, addresses))


def has_addresses(zone: str, link: str, addresses: Iterable[Interface]) -> Command:
    """Succeeds when an interface of a running zone has exactly these addresses."""
    return inside(zone, _HAS, link, *map(str, addresses))


def unplumb(zone: str, link: str) -> Command:
    """Take an interface out of a running zone's IP stack, with all its addresses."""
    script = """
for family in inet6 inet; do
    ! /usr/sbin/ifconfig "$1" $family >/dev/null 2>&1 || /usr/sbin/ifconfig "$1" $family unplumb || exit
done
"""
    return inside(zone, script, link)


def unplumbed(zone: str, link: str) -> Command:
    """Succeeds when a running zone has no such interface."""
    return inside(
        zone, '! /usr/sbin/ipadm show-if -p -o ifname 2>/dev/null | grep -F -x -e "$1" >/dev/null', link
    )


def lend(zone: str, link: str) -> Command:
    """Lend a link to a running zone, until it halts: zoneadm does the same at each boot."""
    return Command(("/usr/sbin/dladm", "set-linkprop", "-t", "-p", f"zone={zone}", link))


def lent(zone: str, link: str) -> Command:
    """Succeeds when the zone has the link; an empty name is the global zone."""
    return sh(
        '[ "$(/usr/sbin/dladm show-linkprop -c -o value -p zone "$2" 2>/dev/null)" = "$1" ]', zone, link
    )


def take_back(link: str) -> Command:
    """Take a link back from the running zone that has it; it must not be plumbed there any more."""
    return Command(("/usr/sbin/dladm", "reset-linkprop", "-t", "-p", "zone", link))
