"""What OpenSSH's conventions say of a destination: names, jump hosts, keys, known hosts."""

from __future__ import annotations

import getpass
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncssh

from pulumi_illumos_provider.host.errors import Misconfigured
from pulumi_illumos_provider.host.host_keys import SSH_PORT, Trust, known_keys, pinned_key
from pulumi_illumos_provider.host.settings import ConnectionSettings, Destination, parse_destination

_DEFAULT_USER: Final = "root"
_KNOWN_HOSTS: Final = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_SYSTEM_KNOWN_HOSTS: Final = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")

_DEFAULT_KEYS: Final = ("id_ed25519_sk", "id_ecdsa_sk", "id_ed25519", "id_ecdsa", "id_rsa")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Route:
    """A destination, with everything that is needed to connect to it.

    Attributes:
        name: what the user calls it.
        host, port, user: where it is, and the login.
        jumps: jump hosts on the way, the nearest first.
        proxy_command: program that connects in our place.
        trust: host keys that are accepted.
        options: further options of asyncssh.
    """

    name: str
    host: str
    port: int
    user: str
    jumps: tuple[str, ...]
    proxy_command: str | None
    trust: Trust
    options: Mapping[str, Any] = field(repr=False)

    @property
    def aliased(self) -> bool:
        """Whether the name is one of the OpenSSH configuration's own."""
        return self.name != self.host

    @property
    def where(self) -> str:
        """The host for people: its name, and its address when that is another."""
        if self.aliased:
            return f"{self.name} ({self.host} port {self.port})"
        return self.name if self.port == SSH_PORT else f"{self.name} port {self.port}"

    @property
    def login(self) -> str:
        """The ssh command to get there."""
        port = "" if self.aliased or self.port == SSH_PORT else f"-p {self.port} "
        return f"ssh {port}{self.user}@{self.name}"


def find_route(settings: ConnectionSettings, *, hop: bool = False) -> Route:
    """Work out the way to a host. Reads files, and may run commands (``Match exec``): it can take a while.

    Args:
        settings: with a host.
        hop: the host is a jump host: it gets none of the settings' keys, and its default login is the
            local user, as for ssh.

    Raises:
        Misconfigured: the settings or a file cannot be used.
    """
    files = _config_files(settings)
    try:
        config = _read_config(settings, files)
        user = settings.user or _text(config.get("User"))
        if not user:
            user = getpass.getuser() if hop else _DEFAULT_USER
        host = _text(config.get("Hostname")) or settings.host
        port = settings.port or int(str(config.get("Port") or SSH_PORT))
        tokens = {"h": host, "n": settings.host, "p": str(port), "r": user, "d": str(Path.home()), "%": "%"}
        trust = _trust(settings, config, host, port, tokens)
        return Route(
            name=settings.host,
            host=host,
            port=port,
            user=user,
            jumps=_jumps(_text(config.get("ProxyJump")), tokens),
            proxy_command=_text(config.get("ProxyCommand")),
            trust=trust,
            options={
                "config": files,
                "username": user,
                "port": port,
                **_algorithms(config, trust),
                **_keys(settings, config, hop),
            },
        )
    except Misconfigured:
        raise
    except (asyncssh.Error, OSError, ValueError) as error:
        # Parsing errors name the file and the line.
        raise Misconfigured(
            f"the SSH settings for {settings.host} cannot be used: {_reason(error)}"
        ) from None


def _config_files(settings: ConnectionSettings) -> list[str]:
    if settings.ssh_config:
        file = Path(settings.ssh_config).expanduser()
        if not os.access(file, os.R_OK):
            raise Misconfigured(f"sshConfig names {file}, which cannot be read")
        return [str(file)]
    usual = (Path("~/.ssh/config").expanduser(), Path("/etc/ssh/ssh_config"))
    return [str(file) for file in usual if os.access(file, os.R_OK)]


def _read_config(settings: ConnectionSettings, files: Sequence[str]) -> Any:
    given: dict[str, Any] = {"config": list(files), "host": settings.host, "client_keys": None}
    if settings.user:
        given["username"] = settings.user
    if settings.port:
        given["port"] = settings.port
    return asyncssh.SSHClientConnectionOptions(**given).config


def _jumps(text: str | None, tokens: Mapping[str, str]) -> tuple[str, ...]:
    if not text:
        return ()
    jumps = [_expand(word.strip(), tokens) for word in text.split(",")]
    for jump in jumps:
        parse_destination(jump)
    return tuple(jumps)


def _trust(
    settings: ConnectionSettings, config: Any, host: str, port: int, tokens: Mapping[str, str]
) -> Trust:
    if settings.host_key:
        try:
            return pinned_key(settings.host_key, host)
        except asyncssh.KeyImportError:
            raise Misconfigured(
                "hostKey is not a public key: write it as in a known_hosts file, without the host's "
                "name: ssh-ed25519 AAAA..."
            ) from None
    files = [*_names(config, "UserKnownHostsFile", _KNOWN_HOSTS)]
    files += _names(config, "GlobalKnownHostsFile", _SYSTEM_KNOWN_HOSTS)
    paths = [Path(_expand(file, tokens)).expanduser() for file in files]
    return known_keys(paths, host, port, _text(config.get("HostKeyAlias")))


def _algorithms(config: Any, trust: Trust) -> dict[str, Any]:
    return {} if config.get("HostKeyAlgorithms") else {"server_host_key_algs": trust.algorithms}


def _keys(settings: ConnectionSettings, config: Any, hop: bool) -> dict[str, Any]:
    """The keys to offer: the one that was given, or those of OpenSSH's configuration and of the agent."""
    if settings.private_key and not hop:
        return {"client_keys": [_given_key(settings)], "agent_path": None}
    passphrase = None if hop else settings.private_key_passphrase
    names = [_expand_home(name) for name in config.get("IdentityFile") or ()]
    names = names or [_expand_home(f"~/.ssh/{name}") for name in _DEFAULT_KEYS]
    pairs: list[asyncssh.SSHKeyPair] = []
    identities: list[bytes] = []
    for name in names:
        identities += _public_part(name)
        try:
            pairs += asyncssh.load_keypairs([name], passphrase, skip_public=True, ignore_encrypted=True)
        except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            _log.debug("key %s is not used: %s", name, _reason(error))
    options: dict[str, Any] = {"client_keys": pairs}
    if config.get("IdentitiesOnly"):
        identities += [pair.key_public_data for pair in pairs]
        options |= {"agent_identities": identities} if identities else {"agent_path": None}
    return options


def _given_key(settings: ConnectionSettings) -> asyncssh.SSHKey:
    # Secrets that passed through an environment variable or a web form have lost their line ends.
    text = settings.private_key or ""
    text = text.replace("\r\n", "\n").strip() + "\n"
    try:
        return asyncssh.import_private_key(text, settings.private_key_passphrase)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        if "bcrypt" in str(error):
            reason = "it is encrypted, and the Python package bcrypt, which that needs, is not installed"
        elif settings.private_key_passphrase is None and "passphrase" in str(error).lower():
            reason = "it is encrypted: set privateKeyPassphrase"
        elif settings.private_key_passphrase is not None:
            reason = "it is damaged, or privateKeyPassphrase is not its passphrase"
        else:
            reason = "it is not an unharmed private key in a form that OpenSSH writes"
        raise Misconfigured(f"privateKey cannot be used for {settings.host}: {reason}") from None


def _public_part(name: str) -> list[bytes]:
    for file in (f"{name}.pub", name):
        try:
            return [asyncssh.read_public_key(file).public_data]
        except (OSError, asyncssh.KeyImportError):
            continue
    return []


def hop_settings(settings: ConnectionSettings, hop: str) -> ConnectionSettings:
    """The settings for a jump host: nothing but its own name, and where the OpenSSH configuration is."""
    destination: Destination = parse_destination(hop)
    return ConnectionSettings(
        destination.name,
        user=destination.user,
        port=destination.port,
        connect_timeout=settings.connect_timeout,
        ssh_config=settings.ssh_config,
    )


def _names(config: Any, option: str, default: Sequence[str]) -> Sequence[str]:
    value = config.get(option)
    return default if value is None else [str(name) for name in value]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    return re.sub(r"%(.)", lambda match: tokens.get(match[1], match[0]), text)


def _expand_home(name: object) -> str:
    return str(Path(str(name)).expanduser())


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)
