"""From the provider's configuration to access to hosts."""

from __future__ import annotations

from pathlib import Path

from pulumi_illumos_provider.engine.config import Configuration
from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.host import ConnectionSettings, Hosts
from pulumi_illumos_provider.host.settings import DEFAULT_CONNECT_TIMEOUT


def connect(configuration: Configuration) -> Hosts:
    """Access to the configured host, and to others in the same way. Nothing is connected yet.

    Raises:
        Refused: the file of the private key cannot be read.
    """
    return Hosts(settings(configuration))


def settings(configuration: Configuration) -> ConnectionSettings:
    """The way to the configured host; without one, what holds for all hosts.

    Raises:
        Refused: the file of the private key cannot be read.
    """
    common = ConnectionSettings(
        host="",
        user=configuration.user,
        port=configuration.port,
        private_key=_private_key(configuration.private_key),
        private_key_passphrase=configuration.private_key_passphrase,
        host_key=configuration.host_key,
        connect_timeout=configuration.connect_timeout or DEFAULT_CONNECT_TIMEOUT,
        elevate=configuration.elevate,
        ssh_config=configuration.ssh_config,
    )
    return common if configuration.host is None else common.at(configuration.host)


def _private_key(value: str | None) -> str | None:
    """The key's text; a value of one line is the path of its file."""
    if value is None or "\n" in value.strip():
        return value
    path = Path(value.strip()).expanduser()
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise Refused(
            "illumos:privateKey is neither the text of a private key nor the path of its file "
            f"({reason}): give one of them",
            "privateKey",
        ) from None
