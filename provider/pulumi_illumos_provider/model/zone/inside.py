"""What is set up inside a zone, before it boots for the first time and later."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from pulumi_illumos_provider.model.base import Change, Faults, Properties, prop
from pulumi_illumos_provider.model.values import AbsolutePath, Address, Domain, SshKey

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_USER_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_GROUP_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,31}")
_TIMEZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*)*")
_MODE = re.compile(r"0*[0-7]{1,4}")
_NOT_IN_A_FIELD = re.compile(r"[:\n\r\0]")

_PROVIDED = {
    "/etc/nodename": "hostname",
    "/etc/resolv.conf": "dnsServers, dnsDomain or dnsSearch",
    "/etc/inet/hosts": "hosts",
    "/etc/hosts": "hosts",
    "/etc/default/init": "timezone",
    "/etc/TIMEZONE": "timezone",
    "/etc/passwd": "users",
    "/etc/shadow": "users",
    "/etc/group": "users",
    "/etc/user_attr": "users",
    "/root/.ssh/authorized_keys": "sshAuthorizedKeys",
    "/etc/defaultrouter": "gateway",
}
"""Files that are said with properties of their own."""


def _ip(value: Any) -> IPv4Address | IPv6Address:
    if isinstance(value, IPv4Address | IPv6Address):
        return value
    try:
        return ip_address(value.strip() if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address: write 192.0.2.1 or 2001:db8::1") from None


def _matching(pattern: re.Pattern[str], what: str) -> BeforeValidator:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"{value!r} is not {what}")
        return value

    return BeforeValidator(read)


def _group(value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not (text.isdecimal() or _GROUP_NAME.fullmatch(text)):
        raise ValueError(f"{value!r} is not the name or the number of a user or a group")
    return text


def _mode(value: Any) -> str:
    if not isinstance(value, str) or not _MODE.fullmatch(value):
        raise ValueError(f"{value!r} is not a mode: write octal digits in quotes, as in '644'")
    return value.lstrip("0") or "0"


def _field(value: Any) -> str:
    if not isinstance(value, str) or _NOT_IN_A_FIELD.search(value):
        raise ValueError("is not a text without colon and line break, as files of users hold")
    return value


def _inner_path(value: Any) -> str:
    text = str(value)
    if any(part in (".", "..") for part in text.split("/")):
        raise ValueError(f"{text!r} has a part . or ..: write the path without it")
    if text != text.strip() or any(not character.isprintable() for character in text):
        raise ValueError(f"{text!r} has blanks at an end, or characters that do not show")
    return text


def _role(value: Any) -> str:
    text = _field(value)
    if not text.strip() or any(character in text for character in ",;="):
        raise ValueError(f"{value!r} is not the name of a profile or role")
    return text


IpAddress = Annotated[
    IPv4Address | IPv6Address,
    BeforeValidator(_ip),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string"}),
]
HostName = Annotated[str, _matching(_HOST_NAME, "a host name")]
UserName = Annotated[
    str, _matching(_USER_NAME, "a user name: a lower-case letter, then letters, digits, '_' and '-'")
]
GroupName = Annotated[str, BeforeValidator(_group)]
FieldText = Annotated[str, BeforeValidator(_field)]
Mode = Annotated[str, BeforeValidator(_mode)]
InnerPath = Annotated[AbsolutePath, BeforeValidator(_inner_path)]
RoleName = Annotated[str, BeforeValidator(_role)]
Timezone = Annotated[str, _matching(_TIMEZONE, "a time zone: write UTC or Europe/Zurich")]


class HostsEntry(Properties):
    """A line of ``/etc/inet/hosts``."""

    address: IpAddress = prop("The address.")
    names: list[HostName] = prop("Its names, the canonical one first.", min_length=1)


class ZoneUser(Properties):
    """A user of a zone."""

    name: UserName = prop("Name of the user.")
    uid: int | None = prop(
        "Number of the user. Default: the next free one from 1000 on.",
        default=None,
        ge=100,
        le=2147483647,
        strict=True,
    )
    group: GroupName | None = prop(
        "Name or number of the primary group; one that is missing in the zone is made. "
        "Default: `other`, number 1.",
        default=None,
    )
    comment: FieldText | None = prop("The user's full name, or another comment.", default=None)
    home: AbsolutePath | None = prop(
        "Home directory; it is made. Default: `/export/home/NAME`.", default=None
    )
    shell: AbsolutePath | None = prop("Login shell. Default: `/bin/sh`.", default=None)
    password_hash: FieldText | None = prop(
        "Hash of the password as in shadow(5): make it with `openssl passwd -6`. "
        "Default: a new user has no password, and logs in with a key.",
        default=None,
        secret=True,
        min_length=1,
    )
    ssh_authorized_keys: list[SshKey] | None = prop(
        "Public SSH keys that may log in as the user. Default: the file is left alone.", default=None
    )
    from_host: bool = prop(
        "Whether a new user gets number, primary group, comment, shell and password of the host's user "
        "of that name, where they are not given. What changes on the host later is not followed.",
        default=False,
        strict=True,
    )
    profiles: list[RoleName] | None = prop(
        "Rights profiles, such as `Network Management`. Default: they are left alone.", default=None
    )
    roles: list[RoleName] | None = prop(
        "Roles that the user may take. Default: they are left alone.", default=None
    )

    @property
    def has_attributes(self) -> bool:
        """Whether something is said of what stands in user_attr(5)."""
        return self.profiles is not None or self.roles is not None


class ZoneFile(Properties):
    """A file inside a zone."""

    path: InnerPath = prop("Absolute path in the zone. Missing directories are made.")
    content: str | None = prop(
        "The content; it may be a secret. Default: the file must be there, and its content is left alone.",
        default=None,
    )
    mode: Mode = prop("Permissions, in octal digits.", default="644")
    owner: GroupName = prop("Owner: a name that the zone knows, or a number.", default="root")
    group: GroupName = prop("Group: a name that the zone knows, or a number.", default="root")


class InsideInputs(Properties):
    """Host name, name servers, keys, users, files and a script for the first boot."""

    first_boot_script: str | None = prop(
        "A script that runs once, as root, when the zone boots for the first time: a shell script, or "
        "what its first line `#!` names. What it prints goes to "
        "`/var/log/pulumi-illumos-first-boot.log` in the zone; when it fails, the zone is reported with "
        "the end of that: so it should print no secrets. It counts when the zone is installed: to change "
        "it later does nothing.",
        default=None,
        min_length=1,
    )
    files: list[ZoneFile] | None = prop(
        "Files inside. Files that were made and are dropped from the program are removed; those that "
        "were there before stay as they are. Default: none.",
        default=None,
    )
    users: list[ZoneUser] | None = prop(
        "Users inside. Those that are dropped from the program are removed, their home directories stay. "
        "Default: none beside the system's own.",
        default=None,
    )
    hosts: list[HostsEntry] | None = prop(
        "Further entries of `/etc/inet/hosts`; other lines of the file stay as they are. Default: none.",
        default=None,
    )
    timezone: Timezone | None = prop(
        "Time zone, such as `Europe/Zurich`. Default: it is left alone.", change=Change.REBOOT, default=None
    )
    dns_search: list[Domain] | None = prop(
        "Domains in which names are looked up. Default: none.", default=None, max_length=6
    )
    dns_domain: Domain | None = prop(
        "The domain that the zone is in, and in which names are looked up. Default: none.", default=None
    )
    dns_servers: list[Address] | None = prop(
        "Name servers. Default: the router's address behind a router, else the host's.",
        default=None,
    )
    hostname: str | None = prop(
        "Host name inside the zone. Default: the zone's name.",
        change=Change.REBOOT,
        default=None,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$",
    )
    ssh_authorized_keys: list[SshKey] | None = prop(
        "Public SSH keys that may log in as root. Default: the file is left alone.", default=None
    )

    def examine_inside(self, faults: Faults, known: bool) -> None:
        """Rules across these properties."""
        if known and self.dns_domain and self.dns_search:
            faults.add("dnsSearch", "goes without dnsDomain: put that domain first into dnsSearch")
        _examine_files(self.files or [], faults)
        _examine_users(self.users or [], faults)


def _examine_files(files: list[ZoneFile], faults: Faults) -> None:
    for number in _repeated(file.path for file in files):
        faults.add(f"files[{number}].path", f"{files[number].path} is another file of this zone already")
    for number, file in enumerate(files):
        if (better := _PROVIDED.get(file.path)) is not None:
            faults.add(
                f"files[{number}].path", f"{file.path} is written from other properties: use {better}"
            )


def _examine_users(users: list[ZoneUser], faults: Faults) -> None:
    for number in _repeated(user.name for user in users):
        faults.add(f"users[{number}].name", f"{users[number].name} is another user of this zone already")
    for number in _repeated(user.uid for user in users if user.uid is not None):
        faults.add(f"users[{number}].uid", f"{users[number].uid} is the number of another user already")
    for number, user in enumerate(users):
        if user.name == "root":
            faults.add(f"users[{number}].name", "root is there already; its keys are sshAuthorizedKeys")


def _repeated(values: Iterable[Any]) -> list[int]:
    """Places of values that have come before."""
    seen: set[Any] = set()
    found = []
    for number, value in enumerate(values):
        if value in seen:
            found.append(number)
        seen.add(value)
    return found


# As the host has it ------------------------------------------------------------------------------


class HostsEntryState(Properties):
    """A line of ``/etc/inet/hosts`` as the zone has it."""

    address: str = Field(description="The address.")
    names: list[str] = Field(description="Its names, the canonical one first.")


class ZoneUserState(Properties):
    """A user of a zone as the zone has it."""

    name: str = Field(description="Name of the user.")
    uid: int = Field(description="Number of the user.")
    group: str = Field(description="Primary group: its name, or its number where it has none.")
    gid: int = Field(description="Number of the primary group.")
    comment: str = Field("", description="The user's full name, or another comment.")
    home: str = Field(description="Home directory.")
    shell: str = Field("", description="Login shell.")
    password_digest: str | None = Field(
        None, description="SHA-256 digest of the hash of the password, in hexadecimal digits."
    )
    ssh_authorized_keys: list[str] = Field([], description="Public SSH keys that may log in as the user.")
    profiles: list[str] = Field([], description="Rights profiles.")
    roles: list[str] = Field([], description="Roles that the user may take.")


class ZoneFileState(Properties):
    """A file inside a zone as the zone has it."""

    path: str = Field(description="Absolute path in the zone.")
    mode: str = Field(description="Permissions, in octal digits.")
    owner: str = Field(description="Owner: its name in the zone, or its number where it has none.")
    uid: int = Field(description="Number of the owner.")
    group: str = Field(description="Group: its name in the zone, or its number where it has none.")
    gid: int = Field(description="Number of the group.")
    sha256: str = Field(description="SHA-256 digest of the content, in hexadecimal digits.")


class InsideState(Properties):
    """What is set up inside, as the host has it."""

    first_boot_status: int | None = Field(
        None, description="Exit status of the script of the first boot, once it has ended."
    )
    files: list[ZoneFileState] = Field([], description="Files inside that this provider made or changed.")
    users: list[ZoneUserState] = Field([], description="Users inside that this provider made.")
    hosts: list[HostsEntryState] = Field([], description="Further entries of `/etc/inet/hosts`.")
    timezone: str | None = Field(None, description="Time zone.")
    dns_search: list[str] = Field([], description="Domains in which names are looked up.")
    dns_domain: str | None = Field(None, description="The domain that the zone is in.")
    dns_servers: list[Address] = Field(description="Name servers.")
    hostname: str = Field(description="Host name inside the zone.")
    ssh_authorized_keys: list[str] = Field(description="Public SSH keys that may log in as root.")
