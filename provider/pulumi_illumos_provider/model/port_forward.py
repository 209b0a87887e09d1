"""PortForward: ports of a router's public address that lead to a zone."""

from __future__ import annotations

import enum
import re
from ipaddress import IPv4Address
from typing import Annotated, Any, ClassVar

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from pulumi_illumos_provider.model import examples
from pulumi_illumos_provider.model.base import (
    Change,
    Faults,
    Inputs,
    Outputs,
    Self,
    all_known,
    prop,
)
from pulumi_illumos_provider.model.common import ENUM_VALUES, host_property
from pulumi_illumos_provider.model.examples import Example
from pulumi_illumos_provider.model.router_values import Ports, parse_ports
from pulumi_illumos_provider.model.values import Address

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_REFERENCE = re.compile(r"([^\s/]+/)?[A-Za-z0-9][A-Za-z0-9_.-]*")
_NUMBERS = re.compile(r"[0-9.]+")
_WITH_PREFIX = re.compile(r"[0-9]+(\.[0-9]+){3}/[0-9]+")


class ForwardProtocol(enum.StrEnum):
    """What travels to the ports."""

    TCP = "tcp"
    UDP = "udp"


ENUM_VALUES[ForwardProtocol] = {
    "tcp": "Connections of TCP.",
    "udp": "Packets of UDP.",
}


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a name: at most 63 letters, digits, '-', '_' and '.', "
            "starting with a letter or digit"
        )
    return value


def _zone(value: Any) -> str:
    if not isinstance(value, str) or not _REFERENCE.fullmatch(value):
        raise ValueError(f"{value!r} is not the name or the id of a zone: write web, or gz1/web")
    return value


def _target(value: Any) -> str:
    if isinstance(value, str) and _WITH_PREFIX.fullmatch(value):
        value = value.partition("/")[0]  # a zone's `address` has one
    text = _zone(value)
    if _NUMBERS.fullmatch(text):
        try:
            return str(IPv4Address(text))
        except ValueError:
            raise ValueError(f"{value!r} is not an IPv4 address: write 10.10.0.5, or a zone") from None
    return text


def _spell_ports(ports: Ports) -> int | str:
    return ports.first if ports.first == ports.last else str(ports)


OneOrMorePorts = Annotated[
    Ports,
    BeforeValidator(parse_ports),
    PlainSerializer(_spell_ports, return_type=int | str),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]}),
]
"""A number, or ``8000-8010``."""

OwnName = Annotated[str, BeforeValidator(_name), WithJsonSchema({"type": "string"})]
Reference = Annotated[str, BeforeValidator(_zone), WithJsonSchema({"type": "string"})]
"""A zone by its name, or by its id HOST/NAME."""
Target = Annotated[str, BeforeValidator(_target), WithJsonSchema({"type": "string"})]
"""A zone by its name or id, or an address."""


def target_address(target: str) -> IPv4Address | None:
    """The address that a target is; None when it is a zone."""
    return IPv4Address(target) if _NUMBERS.fullmatch(target) else None


class PortForwardInputs(Inputs):
    """Ports of a router's public address that lead to a zone behind it."""

    DESCRIPTION: ClassVar[str] = (
        "Ports of a router zone's public address that lead to a zone behind it.\n\n"
        "Each forward is one fragment in the router zone, so that any number of programs can add, change "
        "and remove forwards of one router at the same time; only what differs is given to the running "
        "router, and open connections of others live on. Two forwards that want the same port of the same "
        "address are refused, in one program or in several."
    )
    EXAMPLES: ClassVar[tuple[Example, ...]] = examples.PORT_FORWARD

    host: str | None = host_property()
    router: Reference = prop("The router zone: its name, or its id.", change=Change.REPLACE)
    name: OwnName | None = prop(
        "Name of the forward, unique on its router. Default: derived from the resource's name.",
        change=Change.REPLACE,
        default=None,
    )
    protocol: ForwardProtocol = prop("What is forwarded.", default=ForwardProtocol.TCP)
    public_port: OneOrMorePorts = prop("The port to the world, or a range such as `8000-8010`.")
    public_address: Address | None = prop(
        "One of the router's addresses to the world. Default: its `publicAddress`.", default=None
    )
    target: Target = prop(
        "Who gets it: a zone behind the router, by name or id, or an address in one of the router's "
        "networks. Of a zone, the address is looked up."
    )
    target_port: OneOrMorePorts | None = prop(
        "The target's port, or a range as long as `publicPort`. Default: the same as `publicPort`.",
        default=None,
    )
    hairpin: bool = prop(
        "Whether zones behind the router reach the target by the public address, too.",
        default=True,
        strict=True,
    )

    @property
    def target_ports(self) -> Ports:
        """The target's ports, worked out when they were not given."""
        return self.target_port or self.public_port

    @model_validator(mode="after")
    def _as_long(self, info: ValidationInfo) -> Self:
        if not all_known(info):
            return self
        faults = Faults()
        public, own = self.public_port, self.target_ports
        if own.last - own.first != public.last - public.first:
            faults.add(
                "targetPort",
                f"{own} is not as long as publicPort {public}: each port leads to one of the target's, "
                f"write {_as_long_as(public, own)}",
            )
        faults.raise_if_any()
        return self


def _as_long_as(public: Ports, own: Ports) -> str:
    last = own.first + public.last - public.first
    return str(Ports(own.first, last)) if last <= 65535 else f"a range of {last - own.first + 1} ports"


class PortForwardOutputs(Outputs):
    """A forward as the router has it."""

    host: str = Field(description="The host that the router zone is on.")
    router: str = Field(description="Name of the router zone.")
    name: str = Field(description="Name of the forward.")
    protocol: ForwardProtocol = Field(description="What is forwarded.")
    public_port: OneOrMorePorts = Field(description="The port to the world, or a range of them.")
    public_address: Address = Field(description="The router's address that the ports are of.")
    router_address: Address = Field(description="The router's own `publicAddress`.")
    target: str = Field(
        description="The zone that gets it; its address, when the forward does not lead to a zone, or "
        "leads to an address that the zone does not have any more."
    )
    target_address: Address = Field(description="The address that gets it.")
    target_port: OneOrMorePorts = Field(description="The target's port, or a range of them.")
    hairpin: bool = Field(
        description="Whether zones behind the router reach the target by the public address, too."
    )
    deviations: list[str] = Field(
        description="What is wrong with the forward's rules in the router: such as are not in force, and "
        "such as nobody asked for."
    )
