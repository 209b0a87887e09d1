"""One SSH connection, as OpenSSH would make it; and the channels over it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncssh

from pulumi_illumos_provider.errors import HostError
from pulumi_illumos_provider.host.errors import (
    AuthenticationFailed,
    ConnectionLost,
    HostKeyRefused,
    Unreachable,
)
from pulumi_illumos_provider.host.settings import ConnectionSettings, Elevate

KEEPALIVE_INTERVAL = 15
KEEPALIVE_COUNT = 4
"""A host that freezes is noticed within a minute; a command that is silent for hours is not cut off."""

_CHANNEL_PATIENCE = 120.0
_SSH_PORT = 22

logging.getLogger("asyncssh").setLevel(logging.ERROR)


class _KeyWitness(asyncssh.SSHClient):
    """Remembers the host key that a server offered and that was not known, and those that were."""

    def __init__(self, known_hosts: Any) -> None:
        self._known_hosts = known_hosts
        self.offered: asyncssh.SSHKey | None = None
        self.known: Sequence[asyncssh.SSHKey] = ()
        self.name = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = key
        self.name = host if port == _SSH_PORT else f"[{host}]:{port}"
        self.known = asyncssh.match_known_hosts(self._known_hosts, host, addr, port)[0]
        return False


class Connection:
    """An open connection to one host."""

    def __init__(
        self,
        ssh: asyncssh.SSHClientConnection,
        settings: ConnectionSettings,
        hops: Sequence[asyncssh.SSHClientConnection] = (),
    ) -> None:
        self._ssh = ssh
        self._hops = hops
        user = ssh.get_extra_info("username")
        elevate = settings.elevate
        if elevate is None:
            elevate = Elevate.NONE if user == "root" else Elevate.PFEXEC
        self.elevate = elevate
        self.user = user

    @property
    def closed(self) -> bool:
        """Whether it cannot be used any more."""
        return bool(self._ssh.is_closed())

    async def shell(self) -> asyncssh.SSHClientProcess[bytes]:
        """A POSIX shell with the rights of root that reads its script from standard input.

        The command line is understood by every login shell. A server that has no channel left
        (MaxSessions) is asked again until it has one.

        Raises:
            ConnectionLost: the connection ended.
        """
        prefix = {Elevate.NONE: "", Elevate.PFEXEC: "/usr/bin/pfexec ", Elevate.SUDO: "sudo -n "}
        loop = asyncio.get_running_loop()
        end = loop.time() + _CHANNEL_PATIENCE
        pause = 0.05
        while True:
            try:
                return await self._ssh.create_process(
                    f"exec {prefix[self.elevate]}/bin/sh -s", encoding=None
                )
            except asyncssh.ChannelOpenError as error:
                if self.closed or loop.time() > end:
                    raise ConnectionLost(f"no channel could be opened: {error.reason}") from None
                await asyncio.sleep(pause)
                pause = min(1.0, pause * 2)
            except (asyncssh.Error, OSError) as error:
                raise ConnectionLost(f"the connection ended: {error}") from None

    async def close(self) -> None:
        """End the connection, and those to its jump hosts."""
        for connection in (self._ssh, *reversed(self._hops)):
            await _close(connection)


async def connect(settings: ConnectionSettings) -> Connection:
    """Connect and log in, through the jump hosts that the OpenSSH configuration names.

    A jump host is reached with the user's own keys only, and its host key is checked like any other.

    Raises:
        Unreachable, HostKeyRefused, AuthenticationFailed: see `pulumi_illumos_provider.host.errors`.
    """
    options = _options(settings)
    hops: list[asyncssh.SSHClientConnection] = []
    try:
        if isinstance(options.tunnel, str):
            for hop in options.tunnel.split(","):
                way = ConnectionSettings(
                    "", connect_timeout=settings.connect_timeout, ssh_config=settings.ssh_config
                ).at(hop)
                try:
                    hops.append(await _dial(way, _options(way), hops[-1] if hops else None))
                except HostError as error:
                    raise type(error)(f"jump host {hop} on the way to {settings.host}: {error}") from None
        ssh = await _dial(settings, options, hops[-1] if hops else None)
    except BaseException:
        for connection in reversed(hops):
            await _close(connection)
        raise
    return Connection(ssh, settings, hops)


async def _close(ssh: asyncssh.SSHClientConnection) -> None:
    ssh.close()
    await ssh.wait_closed()


async def _dial(
    settings: ConnectionSettings,
    options: asyncssh.SSHClientConnectionOptions,
    tunnel: asyncssh.SSHClientConnection | None,
) -> asyncssh.SSHClientConnection:
    witness = _KeyWitness(options.known_hosts)
    where = settings.host if settings.port is None else f"{settings.host}:{settings.port}"
    behind = f" (behind {tunnel.get_extra_info('peername')[0]})" if tunnel else ""
    try:
        async with asyncio.timeout(settings.connect_timeout):
            ssh, _ = await asyncssh.create_connection(
                lambda: witness, settings.host, tunnel=tunnel or (), options=options
            )
    except TimeoutError:
        raise Unreachable(
            f"{where}{behind} did not answer within {settings.connect_timeout:g} s: see that the host is "
            "up and that the name and the port are right (connectTimeout sets the limit)"
        ) from None
    except asyncssh.HostKeyNotVerifiable as error:
        raise HostKeyRefused(_key_text(where, settings, witness, error)) from None
    except asyncssh.PermissionDenied as error:
        raise AuthenticationFailed(
            f"{where} refused the login of {options.username}: {error.reason}. See that "
            f"ssh {settings.host} works; set privateKey, or load the key into your agent"
        ) from None
    except asyncssh.ChannelOpenError as error:
        raise Unreachable(
            f"{where} cannot be reached from its jump host: {error.reason}. See that the jump host allows "
            "forwarding, and that name and port are right as seen from there"
        ) from None
    except (asyncssh.Error, OSError) as error:
        raise Unreachable(
            f"{where}{behind} cannot be reached: {error}. See that the host is up and that name and port "
            "are right"
        ) from None
    return ssh


def _options(settings: ConnectionSettings) -> asyncssh.SSHClientConnectionOptions:
    given: dict[str, Any] = {
        "host": settings.host,
        "keepalive_interval": KEEPALIVE_INTERVAL,
        "keepalive_count_max": KEEPALIVE_COUNT,
        "connect_timeout": settings.connect_timeout,
        "login_timeout": settings.connect_timeout,
        "request_pty": False,
    }
    if settings.ssh_config:
        given["config"] = [str(Path(settings.ssh_config).expanduser())]
    if settings.user:
        given["username"] = settings.user
    if settings.port:
        given["port"] = settings.port
    try:
        if settings.private_key:
            key = asyncssh.import_private_key(settings.private_key, settings.private_key_passphrase)
            given |= {"client_keys": [key], "agent_path": None}
        if settings.host_key:
            given["known_hosts"] = ([asyncssh.import_public_key(settings.host_key)], [], [])
        options = asyncssh.SSHClientConnectionOptions(**given)
        if not options.known_hosts:
            # asyncssh would take "no known hosts" for "check nothing".
            options = asyncssh.SSHClientConnectionOptions(**given, known_hosts=b"")
    except (asyncssh.Error, OSError, ValueError) as error:
        raise AuthenticationFailed(
            f"the SSH settings for {settings.host} cannot be used: {error}"
        ) from None
    return options


def _key_text(where: str, settings: ConnectionSettings, witness: _KeyWitness, error: Exception) -> str:
    offered = witness.offered
    if offered is None:
        return f"the host key of {where} cannot be trusted: {error}"
    shows = f"{offered.get_algorithm()} {offered.get_fingerprint()}"
    public = offered.export_public_key().decode().strip()
    if not witness.known:
        return (
            f"the host key of {where} is not known: it shows {shows}, and none is known. Compare it with "
            f"the host's own, then accept it with: ssh {settings.host}, or set hostKey to {public!r}"
        )
    known = ", ".join(f"{key.get_algorithm()} {key.get_fingerprint()}" for key in witness.known)
    accept = "set hostKey to the new key" if settings.host_key else f"ssh-keygen -R {witness.name}"
    return (
        f"the host key of {where} is not the one that is known: it shows {shows}, known is {known}. "
        f"If the host was installed anew: {accept}; else somebody may be between you and the host"
    )
