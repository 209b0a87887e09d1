"""Link properties of dladm(8): which exist for which class, their defaults, and what may be set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address

from illumos_lab import linkname
from illumos_lab.links import status
from illumos_lab.links.model import AGGR, ETHERSTUB, IPTUN, OVERLAY, PHYS, SIMNET, VLAN, VNIC, Link
from illumos_lab.links.status import DladmError

Values = list[str]
PROTECTIONS = ("mac-nospoof", "restricted", "ip-nospoof", "dhcp-nospoof")
PRIORITIES = ("low", "medium", "high")
MIN_BANDWIDTH_K = 1200
MAX_LIST = 32
"""Most entries of allowed-ips and allowed-dhcp-cids."""

_ETHERNET = (PHYS, VNIC, VLAN, SIMNET, AGGR)
_ALL = (*_ETHERNET, ETHERSTUB, OVERLAY, IPTUN)
_LENDABLE = (*_ETHERNET, IPTUN)
_SWITCHED = (PHYS, AGGR)
_ON_OFF = ("off", "on")


class NotOneOfError(DladmError):
    """The value is not in the property's set of values."""

    def __init__(self, choices: tuple[str, ...]) -> None:
        super().__init__(status.INVALID_VALUE)
        self.choices = choices


def _as_given(values: Values) -> Values:
    return values


def _no_default(_link: Link) -> str:
    return ""


@dataclass(frozen=True)
class Property:
    """A link property.

    Attributes:
        name: as in dladm(8).
        classes: link classes that have it.
        choices: the enumerated values; empty when it has none.
        multiple: takes a list.
        settable: ``rw`` rather than ``r-``.
        check: gives the values as they are kept; raises `DladmError`.
        default: the DEFAULT column.
        possible: the POSSIBLE column.
        current: the value when nothing was set; None means that it is the default.
    """

    name: str
    classes: tuple[str, ...] = _ALL
    choices: tuple[str, ...] = ()
    multiple: bool = False
    settable: bool = True
    check: Callable[[Values], Values] = _as_given
    default: Callable[[Link], str] = _no_default
    possible: Callable[[Link], str] | None = None
    current: Callable[[Link], str] | None = None

    @property
    def permissions(self) -> str:
        """The PERM column."""
        return "rw" if self.settable else "r-"

    def possible_values(self, link: Link) -> str:
        """The POSSIBLE column."""
        return self.possible(link) if self.possible else ",".join(self.choices)

    def validated(self, values: Values) -> Values:
        """The values as they are kept.

        Raises:
            NotOneOfError: not in the enumerated set.
            DladmError: any other fault of the values, or a read-only property.
        """
        if not self.settable:
            raise DladmError(status.READ_ONLY)
        if not self.multiple and len(values) != 1:
            raise DladmError(status.VALUE_COUNT)
        if self.choices and not set(values) <= set(self.choices):
            raise NotOneOfError(self.choices)
        return self.check(values)


def bandwidth(values: Values) -> Values:
    """Check a maxbw value: whole number with K, M or G, Mb/s without; kept in Kb/s.

    Raises:
        DladmError: no number, or below the least bandwidth.
    """
    text = values[0]
    scale = {"K": 1, "M": 1000, "G": 1000000}.get(text[-1:].upper())
    digits = text[:-1] if scale else text
    if not (digits.isascii() and digits.isdigit()):
        raise DladmError(status.INVALID_VALUE)
    kilobits = int(digits) * (scale or 1000)
    if 0 < kilobits < MIN_BANDWIDTH_K:
        raise DladmError(status.MAXBW_TOO_SMALL)
    return [str(kilobits)]


def format_bandwidth(kilobits: str) -> str:
    """A kept bandwidth as listings show it: Mb/s, right-aligned in five places."""
    whole, fraction = divmod(int(kilobits), 1000)
    return f"{whole:5d}.{fraction:03d}" if fraction else f"{whole:5d}"


def _allowed_ip(text: str) -> str:
    address, slash, length = text.partition("/")
    try:
        if ":" in address:
            # No prefix form for IPv6.
            if slash or IPv6Address(address).is_unspecified:
                raise DladmError(status.INVALID_IP)
            return text
        if IPv4Address(address) == IPv4Address(0):
            raise DladmError(status.INVALID_IP)
        if slash:
            if not length.isdigit() or not 1 <= int(length) <= 32:
                raise DladmError(status.INVALID_IP)
            IPv4Network(text)
    except (AddressValueError, ValueError) as error:
        raise DladmError(status.INVALID_IP) from error
    return text


def _allowed_ips(values: Values) -> Values:
    if len(values) > MAX_LIST:
        raise DladmError(status.VALUE_COUNT)
    return [_allowed_ip(value) for value in values]


def _at_most_32(values: Values) -> Values:
    if len(values) > MAX_LIST:
        raise DladmError(status.VALUE_COUNT)
    return values


def _macs(values: Values) -> Values:
    macs = [linkname.parse_mac(value) for value in values]
    if None in macs:
        raise DladmError(status.INVALID_MAC)
    return [mac for mac in macs if mac]


def _number(low: int, high: int) -> Callable[[Values], Values]:
    def check(values: Values) -> Values:
        if not values[0].isdigit() or not low <= int(values[0]) <= high:
            raise DladmError(status.INVALID_VALUE)
        return [str(int(values[0]))]

    return check


def _always(text: str) -> Callable[[Link], str]:
    return lambda _link: text


def mtu_range(link: Link) -> tuple[int, int]:
    """Least and greatest MTU that the link's class allows."""
    if link.tunnel is not None:
        return _TUNNEL_MTU[link.tunnel.kind]
    return (1500, 9000) if link.link_class in (PHYS, AGGR) else (576, 9000)


_DEFAULT_MTU = {ETHERSTUB: 9000, OVERLAY: 1400}
# The largest packet of the version outside, less its header; the least that the version inside needs.
_TUNNEL_MTU = {"ipv4": (576, 65515), "ipv6": (1280, 65495), "6to4": (1280, 65515)}


def _default_mtu(link: Link) -> int:
    return mtu_range(link)[1] if link.tunnel else _DEFAULT_MTU.get(link.link_class, 1500)


def _mtu_possible(link: Link) -> str:
    low, high = mtu_range(link)
    return f"{low}-{high}"


TABLE: tuple[Property, ...] = (
    Property("speed", (PHYS,), settable=False, current=_always("1000"), default=_always("1000")),
    Property("autopush", _LENDABLE),
    Property("zone", _LENDABLE, current=lambda link: link.zone),
    Property(
        "duplex", (PHYS,), ("half", "full"),
        settable=False, current=_always("full"), default=_always("full"),
    ),
    Property(
        "state", _ALL, ("up", "down"),
        settable=False, current=lambda link: link.state, default=_always("up"),
    ),
    Property("adv_autoneg_cap", (PHYS,), ("1", "0"), default=_always("1"), possible=_always("1,0")),
    Property(
        "mtu", _ALL,
        current=lambda link: str(link.mtu),
        default=lambda link: str(_default_mtu(link)),
        possible=_mtu_possible,
    ),
    Property("flowctrl", (PHYS,), ("no", "tx", "rx", "bi"), default=_always("bi")),
    Property("secondary-macs", (VNIC,), multiple=True, check=_macs),
    Property("maxbw", _ALL, check=bandwidth),
    Property("cpus", _ALL, multiple=True),
    Property("cpus-effective", _ALL, settable=False),
    Property("pool", _ALL),
    Property("pool-effective", _ALL, settable=False),
    Property("priority", _ALL, PRIORITIES, default=_always("high")),
    Property("tagmode", _SWITCHED, ("normal", "vlanonly"), default=_always("vlanonly")),
    Property("forward", _SWITCHED, ("1", "0"), default=_always("1")),
    Property("default_tag", _SWITCHED, check=_number(0, 4094), default=_always("1")),
    Property("learn_limit", _SWITCHED, check=_number(0, 2**32 - 1), default=_always("1000")),
    Property("learn_decay", _SWITCHED, check=_number(0, 2**32 - 1), default=_always("200")),
    Property(
        "hoplimit", (IPTUN,), check=_number(1, 255), default=_always("64"), possible=_always("1-255")
    ),
    Property("protection", _ALL, PROTECTIONS, multiple=True),
    Property("promisc-filtered", (VNIC,), _ON_OFF, default=_always("on")),
    Property("allowed-ips", _ALL, multiple=True, check=_allowed_ips),
    Property("allowed-dhcp-cids", _ALL, multiple=True, check=_at_most_32),
    Property("rxrings", _ETHERNET),
    Property("rxrings-effective", _ETHERNET, settable=False),
    Property("txrings", _ETHERNET),
    Property("txrings-effective", _ETHERNET, settable=False),
    Property("txrings-available", (PHYS,), settable=False, current=_always("0")),
    Property("rxrings-available", (PHYS,), settable=False, current=_always("0")),
    Property("rxhwclnt-available", (PHYS,), settable=False, current=_always("0")),
    Property("txhwclnt-available", (PHYS,), settable=False, current=_always("0")),
)  # fmt: skip
"""Every property, in the order of ``dladm show-linkprop``."""

BY_NAME = {prop.name: prop for prop in TABLE}


def of(link: Link) -> list[Property]:
    """The properties that a link has, in listing order."""
    return [prop for prop in TABLE if link.link_class in prop.classes]


def shown(link: Link, prop: Property) -> str:
    """The VALUE column of an active link; empty when nothing is set."""
    values = link.properties.get(prop.name)
    if values:
        return format_bandwidth(values[0]) if prop.name == "maxbw" else ",".join(values)
    return prop.current(link) if prop.current else prop.default(link)


def shown_persistent(record: Link, prop: Property) -> str:
    """The VALUE column of a persistent record; empty when it was never set."""
    values = record.properties.get(prop.name, [])
    if values and prop.name == "maxbw":
        return format_bandwidth(values[0])
    return ",".join(values)


def parse_list(text: str) -> list[tuple[str, Values]]:
    """Take ``a=1,b=2,3`` apart: an element that holds ``=`` starts the next property.

    Raises:
        ValueError: an empty element, or a value that belongs to no property.
    """
    found: list[tuple[str, Values]] = []
    for element in text.split(","):
        name, equals, value = element.partition("=")
        if not element or (equals and not name):
            raise ValueError(text)
        if equals:
            found.append((name, [value] if value else []))
        elif found and found[-1][1]:
            found[-1][1].append(element)
        else:
            found.append((name, []))
    return found
