"""Values of zonecfg(8) properties: what is accepted, and how sizes and numbers are read and shown."""

from __future__ import annotations

import ipaddress
import re
import struct
from fractions import Fraction

from illumos_lab import linkname

SECURITY_FLAGS = ("aslr", "forbidnullmap", "noexecstack")
"""All process security flags; see security-flags(7)."""

_ZONENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_ZONENAME_MAX = 63
_SIZE_UNITS = "kmgt"
_SIZE_EXPONENT_MAX = 30
_C_NUMBER = re.compile(
    r"[ \t\n\v\f\r]*[+-]?(?:0[xX][0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?(?:[pP][+-]?\d+)?"
    r"|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
)
_C_INTEGER = {
    0: re.compile(r"[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)"),
    10: re.compile(r"[ \t\n\v\f\r]*([+-]?)([0-9]+)"),
    16: re.compile(r"[ \t\n\v\f\r]*([+-]?)(?:0[xX](?=[0-9a-fA-F]))?([0-9a-fA-F]+)"),
}
_UINT64_MAX = (1 << 64) - 1
_INT64_MAX = (1 << 63) - 1
_INT32_MAX = (1 << 31) - 1
_FS_TYPE_MAX = 15
_ATTR_VALUE_MAX = 255
_RCTL_NAME = re.compile(r"zone\.[A-Za-z-]+")
_FS_ALLOWED = re.compile(r"[A-Za-z0-9-]+(,[A-Za-z0-9-]+)*")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_HOSTID_MAX = 0xFFFFFFFE
_HOSTID_LENGTH = 10


class BadValue(ValueError):
    """A value is refused; the text is what zonecfg says."""


def strtoull(text: str, base: int = 10) -> tuple[int, str]:
    """The number that a text starts with, and the rest; a number beyond 64 bits is left in the rest.

    Without a number it is 0 and the whole text, as in strtoul(3C).
    """
    found = _C_INTEGER[base].match(text)
    if not found:
        return 0, text
    sign, digits = found.groups()
    octal = base == 0 and digits.startswith("0") and digits[1:2] not in ("x", "X")
    number = int(digits, 8 if octal else base)
    if number > _UINT64_MAX:
        return _UINT64_MAX, text
    return (-number & _UINT64_MAX if sign == "-" else number), text[found.end() :]


def wellformed_zonename(name: str) -> bool:
    """The name may be one of a zone or of a template."""
    return bool(_ZONENAME.fullmatch(name)) and len(name) <= _ZONENAME_MAX and name != "global"


def valid_zonename(name: str) -> bool:
    """The name may be given to a new zone; ``global`` and ``SUNW...`` may not."""
    return wellformed_zonename(name) and not name.startswith("SUNW")


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
    """A 32-bit hexadecimal number other than all ones.

    Raises:
        BadValue: it has too many digits.
    """
    if not value or re.search(r"[ \t\n\v\f\r]", value):
        return False
    start = 2 if value[:2] in ("0x", "0X") else 0
    found = _C_INTEGER[16].match(value, start)
    end = found.end() if found else start
    if end > _HOSTID_LENGTH:
        raise BadValue(f"hostid string is too large: {value}")
    return end == len(value) and strtoull(value[start:], 16)[0] <= _HOSTID_MAX


def valid_fs_allowed(value: str) -> bool:
    """A comma list of file system types."""
    return not value or bool(_FS_ALLOWED.fullmatch(value))


def fs_type(value: str) -> str:
    """A file system type, cut to its greatest length.

    Raises:
        BadValue: it cannot be a directory below /usr/lib/fs.
    """
    if value in ("", ".", "..") or "/" in value:
        raise BadValue(f'"{value}" is not a valid type.')
    return value[:_FS_TYPE_MAX]


def net_address(value: str) -> str:
    """An address for ``address`` and ``allowed-address``.

    Raises:
        BadValue: no address and no host name.
    """
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
    host_address(host)
    return value


def host_address(host: str) -> str:
    """An address or name of a host, without a prefix.

    Raises:
        BadValue: it is neither.
    """
    if _ip_version(host) is None and not _HOST.fullmatch(host):
        raise BadValue(f"{host}: bogus host name or network address syntax")
    return host


def _ip_version(host: str) -> int | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if "%" in host else address.version


def _atoi(text: str) -> int:
    found = re.match(r"\s*([+-]?\d+)", text)
    return int(found[1]) if found else 0


def shared_interface(value: str) -> str:
    """An interface of the global zone.

    Raises:
        BadValue: it cannot be one, or names a logical interface.
    """
    name, colon, unit = value.partition(":")
    # Nothing but the end is looked at, so that this accepts more than a datalink can be called.
    if (
        len(value) > linkname.MAX_LENGTH
        or not re.search("[0-9]$", name)
        or (colon and not re.fullmatch("[0-9]+", unit))
    ):
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
    if not linkname.valid(value):
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
    if not re.match(r"[A-Za-z0-9]", name):
        return f"Invalid attr name {name}: must start with an alpha-numeric character."
    if not re.fullmatch(r"[A-Za-z0-9.-]+", name):
        return f"Invalid attr name {name}: can only contain alpha-numeric characters, plus '-' and '.'."
    return None


def attr_problem(kind: str, value: str) -> str | None:
    """What is wrong with type and value of an attr resource."""
    valid = {
        "boolean": lambda: value in ("true", "false"),
        "int": lambda: not value or (_is_integer(value) and -(1 << 63) <= int(value) < 1 << 63),
        "uint": lambda: not value or (_is_integer(value) and 0 <= int(value) <= _UINT64_MAX),
        "string": lambda: len(value) <= _ATTR_VALUE_MAX,
    }.get(kind)
    if valid is None:
        return f"invalid attr type '{kind}'"
    return None if valid() else f"invalid attr value for type={kind}"


def _is_integer(text: str) -> bool:
    return bool(re.fullmatch(r"[ \t\n\v\f\r]*[+-]?[0-9]+", text))


def dataset_name(name: str) -> bool:
    """A name that a ZFS dataset can have; see zfs(8)."""
    return len(name) < 256 and all(re.fullmatch(r"[A-Za-z0-9_.: %-]+", part) for part in name.split("/"))


def security_flags(value: str) -> frozenset[str] | None:
    """The set of flags that a list means, whose negatives win; None when it is relative to others.

    Raises:
        BadValue: a word is no flag.
    """
    added: set[str] = set()
    removed: set[str] = set()
    relative = False
    for word in value.lower().split(","):
        match word:
            case "all":
                added.update(SECURITY_FLAGS)
            case "none":
                removed.update(SECURITY_FLAGS)
            case "current":
                relative = True
            case _:
                flag = word[1:] if word[:1] in ("-", "!", "+") else word
                if flag not in SECURITY_FLAGS:
                    raise BadValue(value)
                (removed if word[0] in "-!" else added).add(flag)
    return None if relative else frozenset(added - removed)


def size_to_bytes(text: str) -> int | None:
    """A number with an optional unit K, M, G or T (powers of 1024); None when it is none.

    A text without a number counts as zero.
    """
    found = _C_NUMBER.match(text)
    number = _exact(found[0]) if found else Fraction(0)
    unit = text[found.end() if found else 0 :].lstrip(" \t\n\v\f\r").lower()
    if number < 0 or (unit and (len(unit) != 1 or unit not in _SIZE_UNITS)):
        return None
    product = int(number * 1024 ** (_SIZE_UNITS.index(unit) + 1 if unit else 0))
    if product > _UINT64_MAX and not unit:
        return _UINT64_MAX
    # A product beyond 64 bits becomes zero, as it does on the processors that illumos runs on.
    return product if product <= _UINT64_MAX else 0


def _exact(text: str) -> Fraction:
    text = text.strip()
    if re.match(r"[+-]?0[xX]", text):
        return Fraction(float.fromhex(text))
    mantissa, _, exponent = text.lower().partition("e")
    power = min(max(int(exponent or 0), -_SIZE_EXPONENT_MAX), _SIZE_EXPONENT_MAX)
    return Fraction(mantissa) * Fraction(10) ** power


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
    """The limit of zone.cpu-cap for a number of CPUs; None when it is no number, or too great.

    Args:
        text: a decimal number of CPUs.
        rounded: round the product; otherwise cut it, after reading the number with single precision.
    """
    found = _C_NUMBER.fullmatch(text)
    if not found:
        return None
    number = _c_float(text)
    if abs(number) * 100 > _INT32_MAX:
        return None
    return int(number * 100 + 0.5) if rounded else int(_single(number) * 100)


def cpus_of_cap(cap: int) -> str:
    """A limit of zone.cpu-cap as a number of CPUs, calculated with single precision."""
    return f"{_single(_single(cap) / 100):.2f}"


def _single(number: float) -> float:
    value: float = struct.unpack("f", struct.pack("f", number))[0]
    return value


def cpu_range(text: str) -> tuple[str, str] | None:
    """Least and greatest number of CPUs of ``N`` or ``N-M``; None when it is none."""
    low, dash, high = text.partition("-")
    upper = high if dash else low
    least, most = unsigned(low), unsigned(upper)
    return (low, upper) if least is not None and most is not None and 1 <= least <= most else None


def unsigned(text: str) -> int | None:
    """A number of decimal digits; the empty text is zero, None when it is no number of 64 bits."""
    number, rest = strtoull(text)
    return None if rest or "-" in text else number
