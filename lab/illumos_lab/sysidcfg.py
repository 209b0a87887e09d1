"""sysidcfg(5): answers to the questions that a Solaris 10 system asks at its first boot."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Interface, ip_address, ip_interface
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from illumos_lab.host import Host
    from illumos_lab.zonecfg.model import Configuration

UNCONFIGURED = "/etc/.UNCONFIGURED"
"""File that is there until the questions have been answered."""
PLACE = "/etc/sysidcfg"

_REQUIRED = (
    "system_locale", "terminal", "network_interface", "security_policy", "name_service",
    "nfs4_domain", "timezone", "root_password",
)  # fmt: skip
_QUESTIONS = {
    "system_locale": "Select a Locale",
    "terminal": "What type of terminal are you using?",
    "network_interface": "Host Name",
    "security_policy": "Configure Security Policy",
    "name_service": "Name Service",
    "nfs4_domain": "NFSv4 Domain Name",
    "timezone": "Time Zone",
    "root_password": "Root Password",
}
"""Titles of what is asked on the console for each keyword, in the order of `_REQUIRED`."""
_OPTIONAL = ("timeserver", "keyboard", "service_profile")
_ENTRY = re.compile(r"\s*(\w+)\s*=\s*(\"[^\"]*\"|[^\s{}]+)(?:\s*\{([^{}]*)\})?")
_DEPENDENT = re.compile(r"\s*(\w+)(?:\s*=\s*(\"[^\"]*\"|[^\s{}]+))?")
_SEVERAL = "network_interface"


class SysidcfgError(Exception):
    """The file is wrong or leaves something open; the text says what."""


@dataclass(frozen=True)
class Answer:
    """One keyword: its value, and the keywords in braces behind it, all in lower case."""

    value: str
    dependents: dict[str, str]


def parse(text: str) -> dict[str, list[Answer]]:
    """The answers by keyword; only network_interface may be there more than once.

    Raises:
        SysidcfgError: a line is wrong, or a keyword unknown, doubled or missing.
    """
    text = re.sub(r"(?m)^\s*#.*$", "", text).rstrip()
    answers: dict[str, list[Answer]] = {}
    at = 0
    while at < len(text):
        match = _ENTRY.match(text, at)
        if match is None:
            raise SysidcfgError(f"syntax error at: {text[at:].strip().splitlines()[0]}")
        at = match.end()
        keyword = match[1].lower()
        if keyword not in _REQUIRED and keyword not in _OPTIONAL:
            raise SysidcfgError(f"unknown keyword {match[1]}")
        if keyword in answers and keyword != _SEVERAL:
            raise SysidcfgError(f"keyword {keyword} is there twice")
        answers.setdefault(keyword, []).append(Answer(match[2].strip('"'), _dependents(match[3] or "")))
    missing = [keyword for keyword in _REQUIRED if keyword not in answers]
    if missing:
        raise SysidcfgError(f"no answer for {', '.join(missing)}")
    return answers


def _dependents(text: str) -> dict[str, str]:
    found = {match[1].lower(): (match[2] or "").strip('"') for match in _DEPENDENT.finditer(text)}
    if _DEPENDENT.sub("", text).strip():
        raise SysidcfgError(f"syntax error in braces: {text.strip()}")
    return found


def question(host: Host, zone: str) -> str:
    """What a zone asks first on its console, ended by a line feed."""
    try:
        text = host.path(zone, PLACE).read_text()
    except OSError:
        text = ""
    given = {match[1].lower() for match in _ENTRY.finditer(text)}
    # A file that answers everything, but wrongly, is as good as none.
    open_ = next((keyword for keyword in _REQUIRED if keyword not in given), _REQUIRED[0])
    return f"{_QUESTIONS[open_]}\n"


def configure(host: Host, zone: str, configuration: Configuration) -> None:
    """Answer the questions of a zone from its file, before it boots.

    Raises:
        SysidcfgError: the file does not answer all of them; the zone will wait on its console.
    """
    etc = host.path(zone, "/etc")
    try:
        text = (etc / "sysidcfg").read_text()
    except OSError as error:
        raise SysidcfgError("there is no file") from error
    answers = parse(text)
    physical = next((net.physical for net in configuration.nets()), "")
    for answer in answers[_SEVERAL]:
        _configure_interface(etc, answer, physical)
    _configure_names(etc, answers["name_service"][0])
    _set_lines(
        etc / "default/init",
        {"TZ": answers["timezone"][0].value, "LANG": answers["system_locale"][0].value},
    )
    _set_password(etc / "shadow", answers["root_password"][0].value)
    host.path(zone, UNCONFIGURED).unlink(missing_ok=True)


def _configure_interface(etc: Path, answer: Answer, physical: str) -> None:
    given = answer.dependents
    if "hostname" in given:
        (etc / "nodename").write_text(f"{given['hostname']}\n")
    if answer.value.lower() == "none":
        return
    name = physical if answer.value.lower() == "primary" else answer.value
    if "dhcp" in given and name:
        (etc / f"dhcp.{name}").touch()
    if "ip_address" in given and name:
        address = _address(given)
        (etc / f"hostname.{name}").write_text(f"{address}\n")
        if "hostname" in given:
            with (etc / "inet/hosts").open("a") as hosts:
                hosts.write(f"{address.ip} {given['hostname']}\n")
    router = given.get("default_route", "none")
    if router.lower() != "none":
        try:
            (etc / "defaultrouter").write_text(f"{ip_address(router)}\n")
        except ValueError as error:
            raise SysidcfgError(f"default_route={router} is no address") from error


def _address(given: dict[str, str]) -> IPv4Interface:
    try:
        address = ip_interface(f"{given['ip_address']}/{given.get('netmask', '')}".rstrip("/"))
    except ValueError as error:
        raise SysidcfgError(f"ip_address={given['ip_address']} with its netmask is no address") from error
    if not isinstance(address, IPv4Interface) or "netmask" not in given:
        raise SysidcfgError("an address needs a netmask")
    return address


def _configure_names(etc: Path, answer: Answer) -> None:
    dns = answer.value.lower() == "dns"
    source = etc / ("nsswitch.dns" if dns else "nsswitch.files")
    if source.exists():
        (etc / "nsswitch.conf").write_text(source.read_text())
    if dns:
        given = answer.dependents
        lines = [f"domain {given['domain_name']}\n"] if "domain_name" in given else []
        servers = given.get("name_server", "").split("(")[0].split(",")
        lines += [f"nameserver {server.strip()}\n" for server in servers if server.strip()]
        (etc / "resolv.conf").write_text("".join(lines))


def _set_lines(file: Path, values: dict[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = file.read_text().splitlines() if file.exists() else []
    kept = [line for line in lines if line.partition("=")[0] not in values]
    file.write_text("".join(f"{line}\n" for line in [*(f"{k}={v}" for k, v in values.items()), *kept]))


def _set_password(shadow: Path, password: str) -> None:
    if shadow.exists():
        shadow.write_text(
            re.sub(r"(?m)^root:[^:]*:", lambda match: f"root:{password}:", shadow.read_text())
        )
