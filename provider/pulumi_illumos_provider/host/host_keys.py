"""Host keys: which are trusted, and what to tell when a server shows another one.

There is no way to switch the check off: ``StrictHostKeyChecking no`` is not heeded, and
``UserKnownHostsFile none`` means that no host is known.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

SSH_PORT: Final = 22

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trust:
    """What is trusted to be one host's key.

    Attributes:
        keys, authorities, revoked: host keys; keys that sign host certificates; keys never to accept.
        source: where they are from, for people.
        name: how the host is called there: ``gz1``, ``[gz1]:2222``.
        pinned: whether the key comes from the settings.
    """

    keys: Sequence[asyncssh.SSHKey]
    authorities: Sequence[asyncssh.SSHKey]
    revoked: Sequence[asyncssh.SSHKey]
    source: str
    name: str
    pinned: bool = False

    @property
    def algorithms(self) -> list[str]:
        """Algorithms to ask the server for: those of trusted keys first.

        The others follow, so that a server with a key of another kind gets its key refused by
        fingerprint, rather than the connection by the lack of a common algorithm.
        """
        wanted = list(get_default_certificate_algs()) if self.authorities else []
        for key in self.keys:
            wanted += key.sig_algorithms
        wanted += get_default_public_key_algs()
        return [algorithm.decode("ascii") for algorithm in dict.fromkeys(wanted)]


def pinned_key(text: str, name: str) -> Trust:
    """Trust in one key alone, written as in an authorized_keys or known_hosts file, without the host.

    Raises:
        asyncssh.KeyImportError: it is no public key.
    """
    return Trust([asyncssh.import_public_key(text.strip())], [], [], "hostKey", name, pinned=True)


def known_keys(files: Sequence[Path], host: str, port: int, alias: str | None) -> Trust:
    """Trust as known_hosts files have it, for the name (not the address) that the user gave.

    Missing files are empty, and lines that cannot be read are ignored, as OpenSSH does.

    Args:
        alias: ``HostKeyAlias``; it stands for the name whatever the port.
    """
    entries = asyncssh.SSHKnownHosts()
    for file in files:
        try:
            lines = file.read_text(errors="replace").splitlines()
        except OSError as error:
            _log.debug("known hosts: %s: %s", file, error.strerror)
            continue
        for line in lines:
            try:
                entries.load(line)
            except ValueError:
                _log.debug("known hosts: a line of %s cannot be read", file)
    wanted = alias or host.lower()
    numbered = port if port != SSH_PORT and not alias else None
    keys, authorities, revoked, *_ = entries.match(wanted, "", numbered)
    return Trust(
        keys,
        authorities,
        revoked,
        " and ".join(str(file) for file in files) or "no known_hosts file",
        f"[{wanted}]:{port}" if numbered else wanted,
    )


def refusal(
    trust: Trust, offered: asyncssh.SSHKey | None, where: str, login: str, reason: str, hop: bool
) -> str:
    """What to tell the user of a key that is not trusted.

    Args:
        offered: the key that the server showed; None when it showed no plain key.
        where: the host.
        login: what to write after ``ssh`` to get there.
        reason: what the SSH library said.
        hop: it is a jump host, for which hostKey does not count.
    """
    if offered is None:
        return f"the host key of {where} cannot be trusted: {reason}"
    shows = _fingerprint(offered)
    if offered in trust.revoked:
        return f"the host key of {where} is marked as revoked in {trust.source}: it shows {shows}"
    public = " ".join(offered.export_public_key().decode().split()[:2])
    pin = "" if hop else f", or set hostKey to {public!r}"
    if not trust.keys:
        return (
            f"the host key of {where} is not known: it shows {shows}, and {trust.source} has no key for "
            f"{trust.name}. Compare it with what ssh-keygen -lf prints for the key on the host's console, "
            f"then accept it by connecting once with {login}{pin}"
        )
    known = ", ".join(_fingerprint(key) for key in trust.keys)
    if trust.pinned:
        accept = f"set hostKey to {public!r}"
    else:
        accept = f"forget the old key with ssh-keygen -R '{trust.name}' and connect once with {login}{pin}"
    return (
        f"the host key of {where} is not the known one: it shows {shows}, but {trust.source} says {known}. "
        f"Somebody may be between you and the host. If the host was installed anew, compare the key with "
        f"what ssh-keygen -lf prints on its console, then {accept}"
    )


def _fingerprint(key: asyncssh.SSHKey) -> str:
    return f"{key.get_algorithm()} {key.get_fingerprint()}"
