"""How to reach a host, as the user says it."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field, replace

DEFAULT_CONNECT_TIMEOUT = 30.0


class Elevate(enum.StrEnum):
    """How commands get the rights of root."""

    NONE = "none"
    PFEXEC = "pfexec"
    SUDO = "sudo"


@dataclass(frozen=True)
class ConnectionSettings:
    """One host and the way to it. What is None is left to the OpenSSH configuration.

    Attributes:
        host: alias, name or address; never empty.
        user, port: login and port.
        private_key: private key as text, and its passphrase.
        host_key: the only host key to accept, as in a known_hosts file without the name.
        connect_timeout: seconds for connecting, banner and authentication together.
        elevate: None chooses: nothing for root, pfexec for everybody else.
        ssh_config: an OpenSSH client configuration file in place of the user's own.
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
        """The same way to another destination, written as for ssh: ``user@name:port``, ``[v6]:port``.

        Raises:
            ValueError: it is no destination.
        """
        match = _DESTINATION.fullmatch(destination.removeprefix("ssh://"))
        if not match:
            raise ValueError(f"{destination!r} is no host: write name, user@name or user@name:port")
        port = match["port"]
        return replace(
            self,
            host=match["v6"] or match["name"],
            user=match["user"] or self.user,
            port=int(port) if port else self.port,
        )


_DESTINATION = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<name>[^@:\s\[\]/]+))(?::(?P<port>\d{1,5}))?"
)
