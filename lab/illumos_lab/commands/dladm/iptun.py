"""dladm's subcommands for IP tunnels."""

from __future__ import annotations

from collections.abc import Iterator

from illumos_lab import linkname
from illumos_lab.commands.dladm.call import Call, Options
from illumos_lab.ip import parse
from illumos_lab.links import DladmError, Link, status, tunnels
from illumos_lab.links.model import Tunnel
from illumos_lab.ofmt import fields
from illumos_lab.subcommand import Fatal

FIELDS = fields(("LINK", 16), ("TYPE", 6), ("FLAGS", 7), ("LOCAL", 20), ("REMOTE", 20))
LONG = {
    "output": "o",
    "tunnel-type": "T",
    "address": "a",
    "root-dir": "R",
    "parsable": "p",
    "parseable": "p",
    "persistent": "P",
}
MAX_ADDRESS = 255


def create_iptun(call: Call) -> int:
    """dladm create-iptun [-t] [-R root-dir] -T TYPE [-a {local|remote}=ADDR,...] NAME"""
    options = call.options(":a:R:tT:", long=LONG)
    ends, kind = _read(options)
    name = _name(options)
    if call.deferred(options):
        return 0
    with call.failing_as("could not create tunnel"):
        if not kind:
            raise DladmError(status.TUNNEL_TYPE_REQUIRED)
        call.require_privilege()
        if not linkname.valid(name):
            raise DladmError(status.INVALID_ARGUMENT)
        local, remote = _resolved(call, ends)
        call.links.tunnels.create(name, Tunnel(kind, local, remote), temporary="t" in options)
    return 0


def modify_iptun(call: Call) -> int:
    """dladm modify-iptun [-t] [-R root-dir] -a {local|remote}=ADDR,... NAME"""
    options = call.options(":a:R:t", long=LONG)
    ends, _ = _read(options)
    name = _name(options)
    if call.deferred(options):
        return 0
    with call.failing_as("could not modify tunnel"):
        _check_visible(call, name)
        call.require_privilege()
        local, remote = _resolved(call, ends)
        call.links.tunnels.modify(name, local, remote, temporary="t" in options)
    return 0


def delete_iptun(call: Call) -> int:
    """dladm delete-iptun [-t] [-R root-dir] NAME"""
    options = call.options(":R:t", long=LONG)
    name = _name(options)
    if call.deferred(options):
        return 0
    with call.failing_as("could not delete tunnel"):
        _check_visible(call, name)
        call.require_privilege()
        call.links.tunnels.delete(name, temporary="t" in options)
    return 0


def _name(options: Options) -> str:
    name = options.required_operand()
    if linkname.too_long(name):
        raise Fatal("tunnel name is too long")
    return name


def _check_visible(call: Call, name: str) -> None:
    if call.find(name) is None and call.find_record(name) is None:
        raise DladmError(status.NOT_FOUND)


def _read(options: Options) -> tuple[dict[str, str], str]:
    """What ``-a`` and ``-T`` say.

    Raises:
        Fatal: another word than local and remote, or a type that does not exist.
    """
    ends: dict[str, str] = {}
    kind = ""
    for letter, text in options.pairs:
        if letter == "a":
            ends.update(_ends(text))
        elif letter == "T":
            # What follows the type's name is not looked at.
            kind = next((known for known in tunnels.KINDS if text.startswith(known)), "")
            if not kind:
                raise Fatal(f"unknown tunnel type: {text}")
    return ends, kind


def _ends(text: str) -> Iterator[tuple[str, str]]:
    nouns = {"local": "source", "remote": "destination"}
    for word in text.split(","):
        key, _, value = word.partition("=")
        if key not in nouns:
            raise Fatal(f"invalid address type: {word}")
        if len(value) > MAX_ADDRESS:
            raise Fatal(f"tunnel {nouns[key]} address is too long")
        yield key, value


def _resolved(call: Call, ends: dict[str, str]) -> tuple[str, str]:
    """Both ends, host names as addresses."""
    root = call.host.zone_root("global")
    found = {key: str(parse.resolve(root, text) or text) for key, text in ends.items()}
    return found.get("local", ""), found.get("remote", "")


def show_iptun(call: Call) -> int:
    """dladm show-iptun [-P] [[-p] -o field,...] [NAME]"""
    options = call.options(":pPo:", long=LONG)
    if len(options.operands) > 1:
        raise Fatal(call.usage_text)
    name = options.operand()
    output = call.output(FIELDS, options)
    persistent = "P" in options
    links = call.records() if persistent else call.visible()
    if name is not None:
        links = [_shown(call, name, persistent)]
    for link in links:
        if link.tunnel is not None:
            output.print(
                {
                    "LINK": link.name,
                    "TYPE": link.tunnel.kind,
                    "FLAGS": "--",
                    "LOCAL": link.tunnel.local,
                    "REMOTE": link.tunnel.remote,
                }
            )
    return 0


def _shown(call: Call, name: str, persistent: bool) -> Link:
    known = call.find(name) or call.find_record(name)
    link = call.find_record(name) if persistent else call.find(name)
    failure = status.NOT_FOUND
    if persistent and known is not None and known.tunnel is None:
        failure = status.INVALID_LINK
    if link is None or link.tunnel is None:
        raise Fatal(f"unable to obtain tunnel status: {failure}")
    return link
