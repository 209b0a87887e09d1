"""haproxy in a router zone: a fragment for each ingress, and the configuration built from them.

``etc/haproxy.d/NAME`` below the zone's root holds what one ingress needs: after lines of comment (whose it
is, which port it has, and what it was made from) a line ``listen`` with its place, lines ``route`` that
send host names to it, and the lines of its backend. Ingresses of one place share a frontend, in which exact
host names come first, longer wildcards before shorter ones, and the one without host names last. The
fragments are the truth; the configuration is built from all of them on the host, under the lock of
`sharing.LOCK`, so that any number of programs may change one router at the same time.

A certificate and its key are one file in ``etc/haproxy.certs``, named after its content: those of the
former configuration stay until the new one is in force.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address

from pydantic import TypeAdapter

from pulumi_illumos_provider.illumos import sharing
from pulumi_illumos_provider.illumos.distribution import Haproxy
from pulumi_illumos_provider.illumos.lines import split_lines

DIRECTORY = "etc/haproxy.d"
"""Fragments, below the root of the router zone."""

UNLOADED = f"{DIRECTORY}/.unloaded"
"""File that is there while haproxy has not loaded its configuration."""

TCP, HTTP = "tcp", "http"

_RECORD = "ingress: "


@dataclass(frozen=True)
class Server:
    """One server of a backend.

    Attributes:
        zone: the zone that the address was looked up for; empty when it was given.
        address, port: where it listens.
        weight: its share, from 0 (none) to 256.
        check: whether it is checked, and left out while it does not answer.
    """

    zone: str
    address: str
    port: int
    weight: int = 1
    check: bool = True

    @property
    def name(self) -> str:
        """Its name in the configuration, unique in its backend."""
        return f"{self.zone or self.address}:{self.port}"


@dataclass(frozen=True)
class Health:
    """How servers are checked.

    Attributes:
        path: what is asked of them by HTTP; None to see only whether they accept connections.
        host: the ``Host`` header of the question.
        expect: the statuses that are right, such as ``200`` or ``200-399``.
        interval: seconds between two checks.
        fall, rise: how many checks in a row must fail, or succeed, until it counts.
    """

    path: str | None = None
    host: str | None = None
    expect: str = "200-399"
    interval: int = 5
    fall: int = 3
    rise: int = 2


@dataclass(frozen=True)
class Tls:
    """A certificate for a frontend that ends TLS.

    Attributes:
        chain: the certificate and those that vouch for it, as PEM.
        key_digest: SHA-256 of its key.
    """

    chain: str
    key_digest: str

    @property
    def file(self) -> str:
        """What its file is called after the name of the ingress."""
        return hashlib.sha256(f"{self.chain}{self.key_digest}".encode()).hexdigest()[:16] + ".pem"


@dataclass(frozen=True)
class Ingress:
    """An ingress with everything worked out.

    Attributes:
        address, port: where it listens, on the router.
        mode: ``tcp`` or ``http``.
        hostnames: which it answers to; empty for all that no other answers to. ``*.`` stands for any names
            before the rest.
        tls: set when TLS ends at the router.
        servers: who answers.
        balance: how a server is chosen.
        health: how servers are checked.
        send_proxy: tell the servers the client's address by the PROXY protocol.
    """

    address: IPv4Address
    port: int
    mode: str
    hostnames: tuple[str, ...]
    tls: Tls | None
    servers: tuple[Server, ...]
    balance: str
    health: Health
    send_proxy: bool

    @property
    def place(self) -> str:
        """Where it listens."""
        return f"{self.address}:{self.port}"

    @property
    def kind(self) -> str:
        """What all ingresses of one place must have in common."""
        return f"{self.mode} {'tls' if self.tls else 'plain'}"

    def encode(self) -> str:
        """The note that stands in the fragment. It holds no key."""
        return _RECORD + json.dumps(asdict(self) | {"address": str(self.address)})

    @classmethod
    def decode(cls, notes: Sequence[str]) -> Ingress | None:
        """Read it from a fragment's notes; None when it is not there, or damaged."""
        text = next((note.removeprefix(_RECORD) for note in notes if note.startswith(_RECORD)), "")
        try:
            return _INGRESS.validate_json(text)
        except ValueError:
            return None


_INGRESS = TypeAdapter(Ingress)


# Fragments ---------------------------------------------------------------------------------------


def fragment(name: str, ingress: Ingress, owner: str) -> str:
    """The fragment of an ingress.

    Args:
        owner: whose it is.
    """
    lines = [
        f"# {sharing.owner_note(owner)}",
        f"# {sharing.ports_note('tcp', ingress.address, ingress.port, ingress.port)}",
        f"# {ingress.encode()}",
        f"listen {ingress.place} {ingress.kind}",
    ]
    if ingress.tls:
        lines.append(" ".join(("certificate", f"{name}-{ingress.tls.file}", *ingress.hostnames)))
    lines += [
        f"route {host} {rank} {text}"
        for (host, rank), text in zip(_ranks(ingress), routes(name, ingress), strict=True)
    ]
    lines += [f"    {line}" for line in backend(ingress)]
    return "".join(f"{line}\n" for line in lines)


def _ranks(ingress: Ingress) -> list[tuple[str, str]]:
    """For each route its host name, and what puts it in order among those of one frontend."""
    if not ingress.hostnames:
        return [("-", "c")]
    # The longer a wildcard, the less it leaves open. A host name has at most 253 characters.
    return [(h, f"b{999 - len(h)}" if h.startswith("*.") else "a") for h in ingress.hostnames]


def routes(name: str, ingress: Ingress) -> list[str]:
    """The lines of the frontend that send what an ingress answers to on to its backend."""
    if not ingress.hostnames:
        return [f"default_backend {name}"]
    if ingress.mode == HTTP:
        asked = "req.hdr(host),field(1,:)"
    else:
        asked = "ssl_fc_sni" if ingress.tls else "req.ssl_sni"
    return [
        f"use_backend {name} if {{ {asked} -i {f'-m end {h[1:]}' if h.startswith('*.') else h} }}"
        for h in ingress.hostnames
    ]


def backend(ingress: Ingress) -> list[str]:
    """The lines of the backend of an ingress."""
    health = ingress.health
    lines = [f"mode {ingress.mode}", f"balance {ingress.balance}"]
    if ingress.mode == HTTP:
        lines.append("option forwardfor")
        lines.append(f"http-request set-header X-Forwarded-Proto {'https' if ingress.tls else 'http'}")
    if health.path:
        host = f" ver HTTP/1.1 hdr Host {health.host}" if health.host else ""
        lines.append("option httpchk")
        lines.append(f"http-check send meth GET uri {health.path}{host}")
        lines.append(f"http-check expect status {health.expect}")
    lines.append(f"default-server inter {health.interval}s fall {health.fall} rise {health.rise}")
    for server in ingress.servers:
        more = (" check" if server.check else "") + (" send-proxy-v2" if ingress.send_proxy else "")
        lines.append(f"server {server.name} {server.address}:{server.port} weight {server.weight}{more}")
    return lines


def read(files: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The notes of each fragment, by the name of its ingress.

    Args:
        files: of a router zone (`snapshot.ZoneSeen.files`).
    """
    found = {}
    for path, text in sorted(files.items()):
        directory, _, name = path.rpartition("/")
        if directory == DIRECTORY and not name.startswith("."):
            found[name] = sharing.notes(text)
    return found


def missing(package: Haproxy, name: str, ingress: Ingress, files: Mapping[str, str]) -> list[str]:
    """Lines of an ingress that the configuration lacks, in words; and whether it is not loaded."""
    has = {line.strip() for line in split_lines(files.get(package.config.lstrip("/"), ""))}
    meant = [*routes(name, ingress), *backend(ingress)]
    lacking = [f"not in {package.config}: {line}" for line in meant if line not in has]
    if UNLOADED in files:
        lacking.append(f"{package.config} was not loaded by haproxy")
    return lacking
