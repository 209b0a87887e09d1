"""What in.ndpd tells a network's hosts about its prefixes: ndpd.conf(5), and the service's start method."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Network

from illumos_lab.ip.model import LOOPBACK
from illumos_lab.kernel import AdvertisedPrefix, Advertisement
from illumos_lab.service import Context, MethodError

CONF = "/etc/inet/ndpd.conf"

_SWITCH = {"on": 1, "true": 1, "1": 1, "off": 0, "false": 0, "0": 0}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_CONTINUED = re.compile(r"\\\n")

_Reader = Callable[[str], int]


def _switch(text: str) -> int:
    return _SWITCH[text.lower()]


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d+)([smhd]?)", text)
    if found is None:
        raise ValueError(text)
    return int(found[1]) * _SECONDS[found[2]]


_INTERFACE_VARIABLES: dict[str, tuple[str, _Reader]] = {
    "advsendadvertisements": ("send", _switch),
    "maxrtradvinterval": ("interval", _seconds),
    "advmanagedflag": ("managed", _switch),
    "advotherconfigflag": ("other", _switch),
    "advlinkmtu": ("mtu", int),
    "advcurhoplimit": ("hop_limit", int),
    "advdefaultlifetime": ("lifetime", _seconds),
}
_PREFIX_VARIABLES: dict[str, tuple[str, _Reader]] = {
    "advvalidlifetime": ("valid", _seconds),
    "advonlinkflag": ("on_link", _switch),
    "advpreferredlifetime": ("preferred", _seconds),
    "advautonomousflag": ("autonomous", _switch),
}
# Known, and without a meaning for who advertises here.
_WITHOUT_EFFECT = frozenset(
    [
        "dupaddrdetecttransmits",
        "minrtradvinterval",
        "advreachabletime",
        "advretranstimer",
        "statelessaddrconf",
        "statefuladdrconf",
        "tmpaddrsenabled",
        "tmpvalidlifetime",
        "tmppreferredlifetime",
        "tmpregenadvance",
        "tmpmaxdesyncfactor",
    ]
)

_INTERFACE_DEFAULTS = {
    "send": 0, "interval": 600, "managed": 0, "other": 0, "mtu": 0, "hop_limit": 0, "lifetime": 1800,
}  # fmt: skip
_PREFIX_DEFAULTS = {"valid": 2592000, "on_link": 1, "preferred": 604800, "autonomous": 1}


class _ConfigurationError(Exception):
    """A line cannot be understood."""


@dataclass
class Configuration:
    """What ndpd.conf says.

    Attributes:
        interfaces: variables of the interfaces that are named.
        prefixes: the prefixes of each interface.
        defaults: variables of the interfaces that are not named.
        complaints: lines that were passed over, and why.
    """

    interfaces: dict[str, dict[str, int]] = field(default_factory=dict)
    prefixes: dict[str, list[AdvertisedPrefix]] = field(default_factory=dict)
    defaults: dict[str, int] = field(default_factory=lambda: dict(_INTERFACE_DEFAULTS))
    complaints: list[str] = field(default_factory=list)

    def advertisements(self, interfaces: Sequence[str]) -> tuple[Advertisement, ...]:
        """What is advertised on those of the interfaces on which anything is."""
        found = []
        for name in interfaces:
            values = self.interfaces.get(name, self.defaults)
            if values["send"]:
                found.append(
                    Advertisement(
                        interface=name,
                        prefixes=tuple(self.prefixes.get(name, ())),
                        lifetime=values["lifetime"],
                        interval=values["interval"],
                        managed=bool(values["managed"]),
                        other=bool(values["other"]),
                        mtu=values["mtu"],
                        hop_limit=values["hop_limit"],
                    )
                )
        return tuple(found)


def parse(text: str) -> Configuration:
    """Read a file; as in.ndpd does, what cannot be understood is passed over with a complaint."""
    configuration = Configuration()
    prefix_defaults = dict(_PREFIX_DEFAULTS)
    for line in _CONTINUED.sub("", text).splitlines():
        try:
            words = shlex.split(line, comments=True)
            if words:
                _take(configuration, prefix_defaults, words[0], words[1:])
        except (_ConfigurationError, ValueError, KeyError) as error:
            configuration.complaints.append(f"in.ndpd: {line.strip()}: {error}")
    return configuration


def _take(
    configuration: Configuration, prefix_defaults: dict[str, int], command: str, words: list[str]
) -> None:
    named = configuration.interfaces or configuration.prefixes
    if command in ("ifdefault", "prefixdefault"):
        if named:
            raise _ConfigurationError(f"{command} after non-default command")
        if command == "ifdefault":
            configuration.defaults.update(_variables(words, _INTERFACE_VARIABLES))
        else:
            prefix_defaults.update(_variables(words, _PREFIX_VARIABLES))
    elif command == "if" and words:
        values = configuration.interfaces.setdefault(words[0], dict(configuration.defaults))
        values.update(_variables(words[1:], _INTERFACE_VARIABLES))
    elif command == "prefix" and len(words) > 1:
        values = prefix_defaults | _variables(words[2:], _PREFIX_VARIABLES)
        prefix = AdvertisedPrefix(
            IPv6Network(words[0], strict=False),
            valid=values["valid"],
            preferred=values["preferred"],
            on_link=bool(values["on_link"]),
            autonomous=bool(values["autonomous"]),
        )
        configuration.prefixes.setdefault(words[1], []).append(prefix)
    else:
        raise _ConfigurationError(f"Unknown command: {command}")


def _variables(words: list[str], known: dict[str, tuple[str, _Reader]]) -> dict[str, int]:
    if len(words) % 2:
        raise _ConfigurationError(f"no value for {words[-1]}")
    values = {}
    for variable, value in zip(words[::2], words[1::2], strict=True):
        if variable.lower() in _WITHOUT_EFFECT:
            continue
        if variable.lower() not in known:
            raise _ConfigurationError(f"Unknown variable: <{variable}>")
        name, read = known[variable.lower()]
        values[name] = read(value)
    return values


def start(context: Context) -> None:
    """Start in.ndpd: from now on the networks hear what the file says. Only a start reads it."""
    stack = context.host.stacks.get(context.zone)
    if stack is None:
        return
    file = context.host.path(context.zone, CONF)
    configuration = parse(file.read_text(errors="replace") if file.is_file() else "")
    context.note("".join(f"{complaint}\n" for complaint in configuration.complaints))
    with context.host.lock:
        # Who has no address on a link cannot speak there.
        speaking = {each.interface for each in stack.addresses if not each.is_v4 and each.effective}
        # What is told to an IPMP group is not emulated.
        own = [each.name for each in stack.interfaces.values() if not each.ipmp]
        names = [name for name in own if name in speaking - {LOOPBACK}]
        announced = configuration.advertisements(names)
        try:
            context.host.kernel.set_advertisements(context.zone, announced)
        except OSError as error:
            raise MethodError(1, f"in.ndpd: {error}") from error


def stop(context: Context) -> None:
    """Stop in.ndpd: the hosts hear that this router is none any more."""
    if context.zone in context.host.stacks:
        context.host.kernel.set_advertisements(context.zone, ())
