"""dladm(8): command lines, and what its parseable output says."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from pulumi_illumos_provider.illumos import ofmt
from pulumi_illumos_provider.illumos.listing import not_listed
from pulumi_illumos_provider.plan import Command, sh

DLADM = "/usr/sbin/dladm"
FLOWADM = "/usr/sbin/flowadm"

SHOW_LINKS = Command((DLADM, "show-link", "-p", "-o", "link,class,mtu,over"))
# The zone column came with OmniOS; a dladm that does not know it refuses the whole command.
SHOW_VNICS = sh(
    f"{DLADM} show-vnic -p -o link,over,macaddress,vid,zone 2>/dev/null || "
    f"{DLADM} show-vnic -p -o link,over,macaddress,vid"
)
SHOW_PROTECTION = Command(
    (
        DLADM,
        "show-linkprop",
        "-c",
        "-o",
        "link,property,value",
        "-p",
        "zone,protection,allowed-ips,maxbw,priority",
    )
)

DHCP_PROTECTION = ("mac-nospoof", "ip-nospoof", "dhcp-nospoof")
"""Link protection for a DHCP client: ip-nospoof learns the address from the exchange."""


@dataclass(frozen=True)
class Link:
    """A datalink as the global zone sees it.

    Attributes:
        name: link name, without the zone.
        link_class: ``phys``, ``vnic``, ``etherstub`` ...
        mtu: bytes.
        over: the link underneath; empty for none or when it cannot be told.
        mac: canonical MAC address of a vnic, else empty.
        vid: VLAN tag of a vnic; 0 is untagged.
        zone: the zone it is lent to; empty for the global zone.
        protection: link protection in force.
        allowed_ips: addresses that it may send from.
        max_bandwidth: cap in bits a second; None for none.
        priority: ``low``, ``medium`` or ``high``.
    """

    name: str
    link_class: str
    mtu: int
    over: str = ""
    mac: str = ""
    vid: int = 0
    zone: str = ""
    protection: tuple[str, ...] = ()
    allowed_ips: tuple[str, ...] = ()
    max_bandwidth: int | None = None
    priority: str = "high"


def parse(links: str, vnics: str, properties: str) -> dict[str, Link]:
    """Links by name from `SHOW_LINKS`, `SHOW_VNICS` and `SHOW_PROTECTION`.

    Several zones may have a link of one name: then, and where dladm itself says ``ZONE/LINK``, the key is
    ``ZONE/LINK``, and the plain name stands for the global zone's link only.
    """
    values: dict[tuple[str, str], str] = {
        (link, name): value for link, name, value in ofmt.rows(properties, 3)
    }
    details = _details(vnics)
    found = {}
    for name, link_class, mtu, over in ofmt.rows(links, 4):
        if not mtu.isdigit():
            continue
        rows = details.get(name) or [("", over, "", "0")]
        for zone, lower, mac, vid in rows:
            if len(rows) == 1:
                zone = zone or _known(values.get((name, "zone"), ""))
            key = f"{zone}/{name}" if zone and len(rows) > 1 else name
            found[key] = Link(
                name=name.rsplit("/", 1)[-1],
                link_class=link_class,
                mtu=int(mtu),
                over=_known(lower),
                mac=padded_mac(mac) if mac.count(":") == 5 else "",
                vid=int(vid) if vid.isdigit() else 0,
                zone=zone,
                protection=_many(values.get((name, "protection"), "")),
                allowed_ips=_many(values.get((name, "allowed-ips"), "")),
                max_bandwidth=_bits(values.get((name, "maxbw"), "")),
                priority=_known(values.get((name, "priority"), "")) or "high",
            )
    return found


def _details(vnics: str) -> dict[str, list[tuple[str, str, str, str]]]:
    """Zone, lower link, MAC address and VLAN tag of every vnic of a name."""
    found: dict[str, list[tuple[str, str, str, str]]] = {}
    for fields in ofmt.rows(vnics, 5) or [[*row, ""] for row in ofmt.rows(vnics, 4)]:
        name, over, mac, vid, zone = fields
        within, slash, _ = name.rpartition("/")
        found.setdefault(name, []).append((within if slash else _known(zone), over, mac, vid))
    return found


def _known(value: str) -> str:
    """A value, or nothing for ``--`` (none) and ``?`` (cannot be told from here)."""
    return "" if value in ("--", "?") else value


def _many(value: str) -> tuple[str, ...]:
    return tuple(value.split(",")) if _known(value) else ()


def _bits(value: str) -> int | None:
    """Bits a second of a bandwidth as dladm shows it: Mb/s, blanks in front, thousandths if any."""
    try:
        return int(Decimal(value.strip()) * 1000**2) or None
    except InvalidOperation:
        return None


def padded_mac(mac: str) -> str:
    """``02:08:20:0a:b0:0c`` for dladm's ``2:8:20:a:b0:c``."""
    return ":".join(f"{int(octet, 16):02x}" for octet in mac.split(":"))


# Questions, for `Step.done` ----------------------------------------------------------------------


def link_exists(name: str, link_class: str) -> Command:
    """Succeeds when a link of that class exists."""
    return sh(f'[ "$({DLADM} show-link -p -o class "$1" 2>/dev/null)" = "$2" ]', name, link_class)


def link_absent(name: str) -> Command:
    """Succeeds when no link has that name."""
    return not_listed((DLADM, "show-link", "-p", "-o", "link"), name)


def has_property(name: str, prop: str, value: str, zone: str = "") -> Command:
    """Succeeds when a link property has that value (empty for the default)."""
    option = ' -z "$4"' if zone else ""
    return sh(
        f'[ "$({DLADM} show-linkprop{option} -c -o value -p "$2" "$1" 2>/dev/null | tr -d " ")" = "$3" ]',
        name,
        prop,
        value,
        *_within(zone)[1:],
    )


def bandwidth(bits: int) -> str:
    """A bandwidth for the property maxbw, whose numbers are whole."""
    return f"{bits // 1000}K"


def shown_bandwidth(bits: int | None) -> str:
    """A bandwidth as dladm shows it, without the blanks in front: Mb/s, with thousandths if need be."""
    if bits is None:
        return ""
    whole, thousandths = divmod(bits // 1000, 1000)
    return f"{whole}.{thousandths:03d}" if thousandths else str(whole)


# Changes -----------------------------------------------------------------------------------------


def create_etherstub(name: str) -> Command:
    """Persistent etherstub."""
    return Command((DLADM, "create-etherstub", name))


def delete_etherstub(name: str) -> Command:
    """Fails while vnics are over it."""
    return Command((DLADM, "delete-etherstub", name))


def create_vnic(name: str, over: str, mac: str | None = None, vid: int = 0) -> Command:
    """Persistent vnic; the host chooses the MAC address unless one is given."""
    options = ["-l", over]
    if mac:
        options += ["-m", mac]
    if vid:
        options += ["-v", str(vid)]
    return Command((DLADM, "create-vnic", *options, name))


def delete_vnic(name: str) -> Command:
    """Fails with "link busy" while it is plumbed or lent to a zone. Its flows (flowadm(8)) go first."""
    script = f"""
flows=$({FLOWADM} show-flow -p -o flow -l "$1" 2>/dev/null)
[ -z "$flows" ] || {FLOWADM} remove-flow -l "$1" || exit
{DLADM} delete-vnic "$1"
"""
    return sh(script, name)


def set_property(name: str, prop: str, *values: str, zone: str = "") -> Command:
    """Set one link property: a list of several is not atomic, and its status is that of the last.

    Args:
        zone: whose link is meant, where several zones have one of that name.
    """
    return Command((DLADM, "set-linkprop", *_within(zone), "-p", f"{prop}={','.join(values)}", name))


def reset_property(name: str, prop: str, zone: str = "") -> Command:
    """Back to the default."""
    return Command((DLADM, "reset-linkprop", *_within(zone), "-p", prop, name))


def _within(zone: str) -> tuple[str, ...]:
    return ("-z", zone) if zone else ()
