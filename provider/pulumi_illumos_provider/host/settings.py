"""How to reach a host, as the user says it."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field, replace
from typing import Final

DEFAULT_CONNECT_TIMEOUT: Final = 30.0

_DESTINATION: Final = re.compile(
    r"(?:(?P<user>[^@\s/]+)@)?"
    r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+(?:%[^\s\]]+)?)\](?::(?P<port6>[0-9]+))?"
    r"|(?P<address>[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(?:%[^\s/]+)?)"
    r"|(?P<name>[^-@:\s\[\]/][^@:\s\[\]/]*)(?::(?P<port>[0-9]+))?)"
)


class Elevate(enum.StrEnum):
    """How commands get the rights of root."""

    NONE = "none"
    PFEXEC = "pfexec"
    SUDO = "sudo"


@dataclass(frozen=True)
class Destination:
    """Whom to connect to.

    Attributes:
        name: alias, host name or address.
        user, port: None when they were not said.
    """

    name: str
    user: str | None = None
    port: int | None = None


@dataclass(frozen=True)
class ConnectionSettings:
    """One host and the way to it. What is None is left to the OpenSSH configuration.

    Attributes:
        host: alias, name or address; empty when these are the settings for whatever host.
        user: login; without it, and without one in the OpenSSH configuration, root.
        port: port of the SSH server.
        private_key: text of the one private key to log in with; nothing else is offered then.
        private_key_passphrase: its passphrase.
        host_key: the only host key to accept, as in a known_hosts file without the name. Known hosts are
            not looked at then.
        connect_timeout: seconds for one connection, from the first packet to the end of the login. Each
            jump host on the way has as many for itself.
        elevate: None chooses: none for root, pfexec for everybody else.
        ssh_config: an OpenSSH client configuration file in place of the user's and the system's.
    """

    host: str
    user: str | None = None
    port: int | None = None
    private_key: str | None = field(default=None, repr=False)
    private_key_passphrase: str | None = field(default=None, repr=False)
    host_key: str | None = None
    connect_timeout: float = DEFAULT_CONNECT_TIMEOUT
    elevate: Elevate | None = None
    ssh_config: str | None = None

    def at(self, destination: str) -> ConnectionSettings:
        """The same settings for another destination, written as for ssh: see `parse_destination`.

        Raises:
            ValueError: it is no destination.
        """
        parsed = parse_destination(destination)
        return replace(self, host=parsed.name, user=parsed.user or self.user, port=parsed.port or self.port)


def parse_destination(text: str) -> Destination:
    """Read what OpenSSH takes for a destination.

    Those are ``name``, ``user@name``, ``user@name:port``, an address, ``[v6 address]:port``, and each of
    them after ``ssh://``. A name may be an alias of the OpenSSH configuration.

    Raises:
        ValueError: it is none of these.
    """
    rest = text.strip()
    if rest.lower().startswith("ssh://"):
        rest = rest[len("ssh://") :].removesuffix("/")
    match = _DESTINATION.fullmatch(rest)
    if match:
        digits = match["port"] or match["port6"]
        name = match["name"] or match["bracketed"] or match["address"]
        if digits is None or 0 < int(digits) < 65536:
            return Destination(name, match["user"], int(digits) if digits else None)
    raise ValueError(
        f"{text!r} is no host: write name, user@name or user@name:port, with an IPv6 address in brackets"
    )
