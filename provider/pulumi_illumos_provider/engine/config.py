"""The provider's own configuration: how to reach hosts.

Serves ``CheckConfig``, ``DiffConfig`` and ``Configure`` of the Pulumi provider protocol.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

from pydantic import BeforeValidator

from pulumi_illumos_provider.engine import shapes
from pulumi_illumos_provider.engine.properties import Bag, top_level
from pulumi_illumos_provider.errors import Failure
from pulumi_illumos_provider.host import ConnectionSettings, Elevate
from pulumi_illumos_provider.model.base import Change, Properties, check, prop

ENVIRONMENT: Final[Mapping[str, str]] = {
    "host": "ILLUMOS_HOST",
    "user": "ILLUMOS_USER",
    "port": "ILLUMOS_PORT",
    "privateKey": "ILLUMOS_PRIVATE_KEY",
    "privateKeyPassphrase": "ILLUMOS_PRIVATE_KEY_PASSPHRASE",
    "hostKey": "ILLUMOS_HOST_KEY",
    "connectTimeout": "ILLUMOS_CONNECT_TIMEOUT",
    "elevate": "ILLUMOS_ELEVATE",
    "sshConfig": "ILLUMOS_SSH_CONFIG",
}
"""The environment variable that a setting comes from when the program does not give it."""

_ENGINE_KEYS: Final = frozenset({"version", "pluginDownloadURL", "pluginChecksums"})
"""What the engine keeps for itself among a provider's inputs."""


ENUM_VALUES: Final[Mapping[type[enum.StrEnum], Mapping[str, str]]] = {
    Elevate: {
        "none": "Commands run as the login user, which is root.",
        "pfexec": "Commands run with the rights profiles of the login user.",
        "sudo": "Commands run through sudo, which must not ask for a password.",
    }
}
"""What each value of each enum means, for the schema."""


def _number(value: Any) -> Any:
    """The engine hands numbers of a provider's configuration over as strings."""
    if isinstance(value, bool):
        raise ValueError(f"{value!r} must be a number")
    if isinstance(value, str):
        try:
            return int(value) if value.strip().lstrip("-").isdigit() else float(value)
        except ValueError:
            raise ValueError(f"{value!r} must be a number") from None
    return value


def _destination(value: Any) -> Any:
    if isinstance(value, str):
        ConnectionSettings("").at(value)
    return value


class Configuration(Properties):
    """How to reach hosts.

    Raises:
        pydantic.ValidationError: with all faults at once; use `check_config`.
    """

    host: Annotated[str, BeforeValidator(_destination)] | None = prop(
        "The host for resources that name none: an alias from the SSH configuration, `name` or "
        "`user@name:port`.",
        change=Change.REPLACE,
        default=None,
        min_length=1,
        pattern=r"^[^\s/]+$",
    )
    user: str | None = prop(
        "Login user. Default: what the SSH configuration says, else root.",
        default=None,
        min_length=1,
    )
    port: Annotated[int, BeforeValidator(_number)] | None = prop(
        "Port of the SSH server. Default: what the SSH configuration says, else 22.",
        default=None,
        ge=1,
        le=65535,
    )
    private_key: str | None = prop(
        "Private key to log in with: its text, or the path of its file. Default: the keys of the "
        "SSH configuration and of the SSH agent.",
        secret=True,
        default=None,
        min_length=1,
    )
    private_key_passphrase: str | None = prop(
        "Passphrase of the private key.", secret=True, default=None, min_length=1
    )
    host_key: str | None = prop(
        "The public key that the host must show, as in a known_hosts file without the name: "
        "`ssh-ed25519 AAAA...`. Default: what the known_hosts files say.",
        default=None,
        min_length=1,
    )
    connect_timeout: Annotated[float, BeforeValidator(_number)] | None = prop(
        "Seconds that connecting to a host may take, login included. Default: 30.",
        default=None,
        gt=0,
        le=3600,
    )
    elevate: Elevate | None = prop(
        "How commands get the right to administer zones. Default: `none` for root, else `pfexec`.",
        default=None,
    )
    ssh_config: str | None = prop(
        "Path of an OpenSSH client configuration file. Default: `~/.ssh/config`.",
        default=None,
        min_length=1,
    )


SECRET: Final = shapes.secret_names(Configuration)
"""Names of the settings that are secret whoever writes them."""


@dataclass(frozen=True)
class Checked:
    """A configuration that was looked at.

    Attributes:
        configuration: the settings, environment included; None while some are unknown or wrong.
        failures: all that is wrong.
    """

    configuration: Configuration | None
    failures: tuple[Failure, ...]


def check_config(bag: Bag, environment: Mapping[str, str] | None = None) -> Checked:
    """Validate settings; the environment fills in what is not given.

    Args:
        bag: the provider's inputs.
        environment: variables, for tests; the process's own when left out.
    """
    variables = os.environ if environment is None else environment
    settings = _own(bag.known)
    borrowed = {}
    for name, variable in ENVIRONMENT.items():
        value = variables.get(variable)
        if value and name not in settings and name not in bag.unknown_names:
            settings[name] = borrowed[name] = value
    configuration, failures = check(Configuration, settings, bag.unknown)
    told = [bag.redact_failure(failure) for failure in (*bag.failures, *failures)]
    return Checked(
        cast("Configuration | None", configuration),
        tuple(_name_source(failure, borrowed) for failure in told),
    )


def changed_settings(olds: Bag, news: Bag) -> list[str]:
    """Names of settings whose value differs, unknown new values included."""
    old, new = _own(olds.known), _own(news.known)
    names = [Configuration.property_name(field) for field in Configuration.model_fields]
    return [
        name
        for name in names
        if name in news.unknown_names or _spelled(old.get(name)) != _spelled(new.get(name))
    ]


def replaces_provider(name: str, olds: Bag, news: Bag) -> bool:
    """Whether a changed setting makes another provider: objects made on one host are not on another.

    A host that is given for the first time, taken away, or not known yet leaves all objects where they
    are: the id of each tells its host.
    """
    return name == "host" and name in olds.known and name in news.known


def _own(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in values.items()
        if name not in _ENGINE_KEYS and not name.startswith("__")
    }


def _spelled(value: Any) -> str | None:
    """``22`` and ``"22"`` are one port: the engine hands numbers over as strings, or not."""
    return None if value is None else str(value)


def _name_source(failure: Failure, borrowed: Mapping[str, str]) -> Failure:
    name = top_level(failure.property)
    if name not in borrowed:
        return failure
    reason = failure.reason
    if name in SECRET:
        reason = reason.replace(borrowed[name], "[secret]")
    return Failure(
        failure.property, f"{reason} (it comes from the environment variable {ENVIRONMENT[name]})"
    )
