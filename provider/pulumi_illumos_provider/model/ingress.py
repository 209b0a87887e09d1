"""Ingress: names and ports of a router's public address that zones answer to."""

from __future__ import annotations

import enum
import re
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from pulumi_illumos_provider.model import certificates, examples
from pulumi_illumos_provider.model.base import (
    Change,
    Faults,
    Inputs,
    Outputs,
    Properties,
    Self,
    all_known,
    prop,
)
from pulumi_illumos_provider.model.common import ENUM_VALUES, host_property
from pulumi_illumos_provider.model.examples import Example
from pulumi_illumos_provider.model.port_forward import OwnName, Reference, Target
from pulumi_illumos_provider.model.values import Address

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_HOSTNAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_LONGEST_HOSTNAME = 253
_PATH = re.compile(r"/[A-Za-z0-9/._~!&()*+,;=:@%?-]*")
_STATUS = r"[1-5][0-9][0-9](-[1-5][0-9][0-9])?"
_STATUSES = re.compile(rf"{_STATUS}(,{_STATUS})*")


class IngressMode(enum.StrEnum):
    """What the router understands of what passes."""

    HTTP = "http"
    TCP = "tcp"


class IngressBalance(enum.StrEnum):
    """How a backend is chosen for what comes in."""

    ROUNDROBIN = "roundrobin"
    LEASTCONN = "leastconn"
    SOURCE = "source"
    FIRST = "first"
    RANDOM = "random"


ENUM_VALUES[IngressMode] = {
    "http": "Requests of HTTP, told apart by their `Host` header.",
    "tcp": "Connections as they are; those of TLS can be told apart by the name that the client asks for.",
}
ENUM_VALUES[IngressBalance] = {
    "roundrobin": "One after the other, each as often as its weight says.",
    "leastconn": "The one with the fewest connections.",
    "source": "The same one for the same client.",
    "first": "The first one that is up.",
    "random": "By chance.",
}


def _hostname(value: Any) -> str:
    text = value.strip().lower().removesuffix(".") if isinstance(value, str) else ""
    if not _HOSTNAME.fullmatch(text) or len(text) > _LONGEST_HOSTNAME or text.replace(".", "").isdigit():
        raise ValueError(
            f"{value!r} is not a host name: write www.example.org, or *.example.org for all names "
            "below it; names in other scripts in their form xn--"
        )
    return text


def _path(value: Any) -> str:
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        raise ValueError(f"{value!r} is not a path: write /healthz")
    return value


def _statuses(value: Any) -> str:
    text = str(value).replace(" ", "") if isinstance(value, str | int | float) else ""
    text = text.removesuffix(".0")
    if not _STATUSES.fullmatch(text):
        raise ValueError(f"{value!r} is not a status of HTTP: write 200, 200-399 or 200,204")
    return text


_TEXT = WithJsonSchema({"type": "string"})

Hostname = Annotated[str, BeforeValidator(_hostname), _TEXT]
Path = Annotated[str, BeforeValidator(_path), _TEXT]
Statuses = Annotated[str, BeforeValidator(_statuses), _TEXT]
Chain = Annotated[str, AfterValidator(certificates.parse_chain), _TEXT]
Key = Annotated[str, AfterValidator(certificates.parse_key), _TEXT]
Port = Annotated[int, Field(ge=1, le=65535)]


class IngressTls(Properties):
    """A certificate, with which TLS ends at the router."""

    certificate: Chain = prop("The certificate as PEM, followed by those that vouch for it.")
    key: Key = prop("Its private key as PEM, without passphrase.", secret=True)


class IngressBackend(Properties):
    """One server that answers."""

    target: Target = prop(
        "A zone behind the router, by name or id, or an address in one of the router's networks. Of a "
        "zone, the address is looked up."
    )
    port: Port = prop("The port that it listens on.")
    weight: int = prop("Its share of what comes in, 0 for none.", default=1, ge=0, le=256)
    check: bool = prop(
        "Whether it is checked, and left out while it does not answer.", default=True, strict=True
    )


class IngressHealthCheck(Properties):
    """How the backends are checked."""

    path: Path | None = prop(
        "Path that is asked for by HTTP. Default: it is enough that a backend accepts connections.",
        default=None,
    )
    hostname: Hostname | None = prop("The host name that is asked for.", default=None)
    expect: Statuses = prop("The statuses that are right.", default="200-399")
    interval: int = prop("Seconds between two checks.", default=5, ge=1, le=3600)
    fall: int = prop("Checks in a row that must fail until a backend is down.", default=3, ge=1, le=100)
    rise: int = prop("Checks in a row that must succeed until it is up again.", default=2, ge=1, le=100)


class IngressInputs(Inputs):
    """Names and ports of a router's public address that zones behind it answer to."""

    DESCRIPTION: ClassVar[str] = (
        "Names and ports of a router zone's public address that zones behind it answer to, by haproxy in "
        "the router zone.\n\n"
        "Each ingress is one fragment in the router zone, so that any number of programs can share one "
        "port by host name, and add, change and remove their ingresses at the same time. The first one "
        "installs haproxy, the last one that goes disables it. A configuration takes effect only when "
        "haproxy accepts it. On OpenIndiana and Tribblix open connections live on through a change; on "
        "OmniOS, whose haproxy cannot be reloaded, they are cut."
    )
    EXAMPLES: ClassVar[tuple[Example, ...]] = examples.INGRESS

    host: str | None = host_property()
    router: Reference = prop("The router zone: its name, or its id.", change=Change.REPLACE)
    name: OwnName | None = prop(
        "Name of the ingress, unique on its router. Default: derived from the resource's name.",
        change=Change.REPLACE,
        default=None,
    )
    address: Address | None = prop(
        "One of the router's addresses to the world. Default: its `publicAddress`.", default=None
    )
    port: Port = prop("The port to the world, which ingresses with other host names may have as well.")
    mode: IngressMode = prop("What passes.", default=IngressMode.HTTP)
    hostnames: list[Hostname] = prop(
        "The host names that this ingress answers to; `*.example.org` stands for all names below it. Exact "
        "names go before wildcards, longer ones before shorter ones. Default: all that no other ingress of "
        "the port answers to. In mode `tcp` it is the name that a client of TLS asks for.",
        default=[],
    )
    tls: IngressTls | None = prop(
        "End TLS at the router, with this certificate. Several ingresses of one port each have their own.",
        secret=True,
        default=None,
    )
    backends: list[IngressBackend] = prop("Who answers.", min_length=1)
    balance: IngressBalance = prop("How one of them is chosen.", default=IngressBalance.ROUNDROBIN)
    health_check: IngressHealthCheck = prop(
        "How they are checked. Default: whether they accept connections.", default=IngressHealthCheck()
    )
    send_proxy: bool = prop(
        "Tell the backends the client's address by the PROXY protocol, version 2, which they must expect.",
        default=False,
        strict=True,
    )

    @model_validator(mode="after")
    def _together(self, info: ValidationInfo) -> Self:
        if not all_known(info):
            return self
        faults = Faults()
        for index, hostname in enumerate(self.hostnames):
            if hostname in self.hostnames[:index]:
                faults.add(f"hostnames[{index}]", f"{hostname} is there twice: leave one out")
        for index, backend in enumerate(self.backends):
            if any((b.target, b.port) == (backend.target, backend.port) for b in self.backends[:index]):
                faults.add(
                    f"backends[{index}]",
                    f"port {backend.port} of {backend.target} is there twice: leave one out",
                )
        check = self.health_check
        if check.path is None and (check.hostname is not None or check.expect != "200-399"):
            faults.add("healthCheck.path", "is needed: without it nothing is asked by HTTP")
        if self.tls and not certificates.belong_together(self.tls.certificate, self.tls.key):
            faults.add(
                "tls.key", "is not the key of the (first) certificate: give the one that belongs to it"
            )
        faults.raise_if_any()
        return self


class IngressBackendState(Properties):
    """One server that answers."""

    target: str = Field(
        description="The zone; its address, when it was not found by a zone, or the zone does not have the "
        "address any more."
    )
    address: Address = Field(description="Its address.")
    port: int = Field(description="Its port.")
    weight: int = Field(description="Its share.")
    check: bool = Field(description="Whether it is checked.")


class IngressCertificate(Properties):
    """What the certificate tells."""

    fingerprint: str = Field(description="Its SHA-256.")
    expires: str = Field(description="Until when it is valid, as in 2030-01-31T12:00:00Z.")
    names: list[str] = Field(description="The host names that it is for.")
    key_digest: str = Field(description="SHA-256 of its key.")


class IngressOutputs(Outputs):
    """An ingress as the router has it."""

    host: str = Field(description="The host that the router zone is on.")
    router: str = Field(description="Name of the router zone.")
    name: str = Field(description="Name of the ingress.")
    address: Address = Field(description="The router's address where it listens.")
    router_address: Address = Field(description="The router's own `publicAddress`.")
    port: int = Field(description="The port to the world.")
    mode: IngressMode = Field(description="What passes.")
    hostnames: list[str] = Field(description="The host names that it answers to.")
    url: str | None = Field(None, description="Where it is found; absent in mode `tcp`.")
    certificate: str | None = Field(None, description="The certificates, as PEM.")
    certificate_info: IngressCertificate | None = Field(None, description="What the certificate tells.")
    backends: list[IngressBackendState] = Field(description="Who answers.")
    balance: IngressBalance = Field(description="How one of them is chosen.")
    health_check: IngressHealthCheck = Field(description="How they are checked.")
    send_proxy: bool = Field(description="Whether they are told the client's address.")
    deviations: list[str] = Field(
        description="What is wrong with the ingress in the router: such as is not in force, and a service "
        "that does not run."
    )
