"""Values of zonecfg(8) properties: what is accepted, and how sizes and numbers are read and shown."""

from __future__ import annotations

import ipaddress
import re
import struct

SECURITY_FLAGS = ("aslr", "forbidnullmap", "noexecstack")
"""All process security flags; see security-flags(7)."""

_ZONENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_ZONENAME_MAX = 63
_SIZE_UNITS = "kmgt"
_C_NUMBER = re.compile(
    r"[ \t\n\v\f\r]*[+-]?(?:0[xX][0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?(?:[pP][+-]?\d+)?"
    r"|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
)
_UINT64_MAX = (1 << 64) - 1
_INT64_MAX = (1 << 63) - 1
_FS_TYPE_MAX = 15
_NET_ADDRESS_MAX = 45
_LINK_MAX = 31
_ATTR_VALUE_MAX = 255
_ATTR_NAME_MAX = 255
_RCTL_NAME = re.compile(r"zone\.[a-z-]+")
_FS_ALLOWED = re.compile(r"[A-Za-z0-9-]+(,[A-Za-z0-9-]+)*")
_FS_ALLOWED_MAX = 1024
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_HOSTID_MAX = 0xFFFFFFFE


class BadValue(ValueError):
    """A value is refused; the text is what zonecfg says."""


def valid_zonename(name: str) -> bool:
    """The name may be given to a new zone; ``global`` and ``SUNW...`` may not."""
    return (
        bool(_ZONENAME.fullmatch(name))
        and len(name) <= _ZONENAME_MAX
        and name != "global"
        and not name.startswith("SUNW")
    )


def zonepath(value: str) -> str:
    """A zonepath without repeated and trailing slashes.

    Raises:
        BadValue: it is not absolute, or the root directory.
    """
    if not value.startswith("/"):
        raise BadValue(f"{value} is not an absolute path.")
    path = re.sub("/+", "/", value)
    if path == "/":
        raise BadValue("/ is not allowed as a zonepath.")
    return path.rstrip("/")


def valid_uuid(value: str) -> bool:
    """A universal id in its usual form."""
    return bool(re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", value))


def valid_hostid(value: str) -> bool:
    """A 32-bit hexadecimal number other than all ones."""
    digits = value.removeprefix("0x").removeprefix("0X") if len(value) > 1 else value
    return bool(re.fullmatch(r"[0-9A-Fa-f]+", digits)) and int(digits, 16) <= _HOSTID_MAX


def valid_fs_allowed(value: str) -> bool:
    """A comma list of file system types."""
    return not value or (len(value) <= _FS_ALLOWED_MAX and bool(_FS_ALLOWED.fullmatch(value)))


def fs_type(value: str) -> str:
    """A file system type, cut to its greatest length.

    Raises:
        BadValue: it cannot be a directory below /usr/lib/fs.
    """
    if value in ("", ".", "..") or "/" in value:
        raise BadValue(f'"{value}" is not a valid type.')
    return value[:_FS_TYPE_MAX]


def net_address(value: str) -> str:
    """An address for ``address`` and ``allowed-address``, cut to its greatest length.

    Raises:
        BadValue: no address and no host name; an empty text means that the help on addresses belongs to it.
    """
    value = value[:_NET_ADDRESS_MAX]
    host, slash, prefix = value.partition("/")
    version = _ip_version(host)
    if version == 6:
        if not slash:
            raise BadValue(f"{value}: IPv6 addresses require /prefix-length suffix.")
        if not 0 <= _atoi(prefix) <= 128:
            raise BadValue(f"{value}: IPv6 address prefix lengths must be 0 - 128.")
        return value
    if slash and not 0 <= _atoi(prefix) <= 32:
        raise BadValue(f"{value}: IPv4 address prefix lengths must be 0 - 32.")
    if version is None and not _HOST.fullmatch(host):
        raise BadValue(f"{value}: bogus host name or network address syntax")
    return value


def _ip_version(host: str) -> int | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if "%" in host else address.version


def _atoi(text: str) -> int:
    found = re.match(r"\s*([+-]?\d+)", text)
    return int(found[1]) if found else 0


def datalink_name(value: str) -> bool:
    """A name that a datalink can have: starts with a letter, ends in a number without leading zero."""
    found = re.fullmatch(r"([A-Za-z](?:[A-Za-z0-9_]*[A-Za-z_])?)(0|[1-9]\d*)", value)
    return bool(found) and len(value) <= _LINK_MAX


def shared_interface(value: str) -> str:
    """An interface of the global zone.

    Raises:
        BadValue: it cannot be one, or names a logical interface.
    """
    name, colon, _unit = value.partition(":")
    found = re.fullmatch(r"[^0-9].*?(0|[1-9]\d*)", name)
    if not found or len(name) > _LINK_MAX or not re.search(r"[^0-9]0$|[1-9]\d*$", name):
        raise BadValue(f"{value}: invalid physical interface name")
    if colon:
        raise BadValue(f"{value}: LUNs not allowed in physical interface names")
    return value


def exclusive_link(value: str) -> str:
    """A datalink that is lent to a zone.

    Raises:
        BadValue: it cannot be one, or names a logical interface.
    """
    if ":" in value:
        raise BadValue(f"{value}: physical interface name required; logical interface name not allowed")
    if not datalink_name(value):
        raise BadValue(f"{value}: invalid physical interface name")
    return value


def rctl_name(value: str) -> str:
    """The name of a zone-wide resource control.

    Raises:
        BadValue: it is none.
    """
    if not _RCTL_NAME.fullmatch(value):
        raise BadValue(f"'{value}' is not a valid zone rctl name.")
    return value


def attr_name_problem(name: str) -> str | None:
    """What is wrong with the name of an attr resource."""
    if not name or len(name) > _ATTR_NAME_MAX or not re.match(r"[A-Za-z0-9]", name):
        return f"Invalid attr name {name}: must start with an alpha-numeric character."
    if not re.fullmatch(r"[A-Za-z0-9.-]+", name):
        return f"Invalid attr name {name}: can only contain alpha-numeric characters, plus '-' and '.'."
    return None


def attr_problem(kind: str, value: str) -> str | None:
    """What is wrong with type and value of an attr resource."""
    valid = {
        "boolean": lambda: value in ("true", "false"),
        "int": lambda: _is_integer(value) and -(1 << 63) <= int(value) < 1 << 63,
        "uint": lambda: _is_integer(value) and int(value) <= _UINT64_MAX,
        "string": lambda: len(value) <= _ATTR_VALUE_MAX,
    }.get(kind)
    if valid is None:
        return f"invalid attr type '{kind}'"
    return None if valid() else f"invalid attr value for type={kind}"


def _is_integer(text: str) -> bool:
    return bool(re.fullmatch(r"\s*[+-]?\d+", text))


def dataset_name(name: str) -> bool:
    """A name that a ZFS dataset can have; see zfs(8)."""
    return (
        len(name) < 256
        and bool(re.match(r"[A-Za-z0-9]", name))
        and all(
            part and re.fullmatch(r"[A-Za-z0-9_.: %-]+", part) and part not in (".", "..")
            for part in name.split("/")
        )
    )


def security_flags(value: str) -> frozenset[str] | None:
    """The set of flags that a list means; None when it is relative to others.

    Raises:
        BadValue: a word is no flag.
    """
    result: frozenset[str] = frozenset()
    relative = False
    for word in value.lower().split(","):
        name = word.lstrip("-!")
        if name == "current":
            relative = True
            continue
        if name == "all":
            flags = frozenset(SECURITY_FLAGS)
        elif name == "none":
            flags = frozenset()
            if name == word:
                result = flags
                continue
        elif name in SECURITY_FLAGS:
            flags = frozenset({name})
        else:
            raise BadValue(value)
        result = result - flags if name != word else result | flags
    return None if relative else result


def size_to_bytes(text: str) -> int | None:
    """A number with an optional unit K, M, G or T (powers of 1024); None when it is none.

    An empty text counts as zero.
    """
    found = _C_NUMBER.match(text)
    if not found:
        return 0 if not text else None
    rest = text[found.end() :]
    number = _c_float(found[0])
    if not rest:
        factor = 1
    elif len(rest) == 1 and rest.lower() in _SIZE_UNITS:
        factor = 1024 ** (_SIZE_UNITS.index(rest.lower()) + 1)
    else:
        return None
    if number < 0:
        return None
    product = number * factor
    if product >= _UINT64_MAX and factor == 1:
        return _UINT64_MAX
    # A product beyond 64 bits becomes zero, as it does on the processors that illumos runs on.
    return int(product) if product < _UINT64_MAX else 0


def _c_float(text: str) -> float:
    text = text.strip()
    return float.fromhex(text) if re.match(r"[+-]?0[xX]", text) else float(text)


def bytes_to_size(number: int) -> str:
    """A size as zonecfg shows it: rounded, at most one decimal."""
    if number < 1024:
        return str(number)
    value = previous = min(number, _INT64_MAX)
    unit = -1
    while value >= 1024 and unit < len(_SIZE_UNITS) - 1:
        previous = value
        value = (value + 512) >> 10
        unit += 1
    letter = _SIZE_UNITS[unit].upper()
    if previous < 10 * 1024 and previous % 1024:
        return f"{previous / 1024:.1f}{letter}"
    return f"{value}{letter}"


def cpu_cap(text: str, rounded: bool) -> int | None:
    """The limit of zone.cpu-cap for a number of CPUs, None when it is no number.

    Args:
        text: a decimal number of CPUs.
        rounded: round the product; otherwise cut it, after reading the number with single precision.
    """
    found = _C_NUMBER.fullmatch(text)
    if not found:
        return None
    number = _c_float(text)
    if rounded:
        return int(number * 100 + 0.5)
    single: float = struct.unpack("f", struct.pack("f", number))[0]
    return int(struct.unpack("d", struct.pack("d", single * 100))[0])


def cpu_range(text: str) -> tuple[str, str] | None:
    """Least and greatest number of CPUs of ``N`` or ``N-M``; None when it is none."""
    low, dash, high = text.partition("-")
    if not re.fullmatch(r"\s*\d+", low) or (dash and not re.fullmatch(r"\s*\d+", high)):
        return None
    upper = high if dash else low
    if int(low) < 1 or int(upper) < int(low):
        return None
    return low, upper


def unsigned(text: str) -> int | None:
    """A plain number of decimal digits; the empty text is zero, None when it is no number."""
    if not text:
        return 0
    return int(text) if re.fullmatch(r"\d+", text) and int(text) <= _UINT64_MAX else None
