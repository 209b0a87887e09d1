"""dladm's subcommands for overlays."""

from __future__ import annotations

import re

from illumos_lab import linkname
from illumos_lab.commands.dladm.call import Call, Options
from illumos_lab.kernel import OverlayTarget
from illumos_lab.links import OVERLAY, DladmError, Link, overlays, properties, status
from illumos_lab.links.overlays import OverlayError
from illumos_lab.ofmt import fields
from illumos_lab.subcommand import Fatal

FIELDS = fields(
    ("LINK", 19),
    ("PROPERTY", 19),
    ("PERM", 5),
    ("REQ", 4),
    ("VALUE", 11),
    ("DEFAULT", 10),
    ("POSSIBLE", 10),
)
FMA_FIELDS = fields(("LINK", 20), ("STATUS", 8), ("DETAILS", 52))
TARGET_FIELDS = fields(("LINK", 20), ("TARGET", 18), ("DESTINATION", 42))
MODIFY_LONG = {"delete-entry": "d", "flush-table": "f", "set-entry": "s"}
SHOW_LONG = {"fma": "f", "target": "t", "parsable": "p", "parseable": "p", "output": "o"}
_VNETID = re.compile(r"\s*[+-]?[0-9]+")


def create_overlay(call: Call) -> int:
    """dladm create-overlay [-t] -e ENCAP -s SEARCH -v VNETID [-p prop=val,...] NAME"""
    options = call.options(":te:s:v:p:")
    for text in options.all("v"):
        if not _VNETID.fullmatch(text):
            raise Fatal(f"couldn't parse virtual networkd id: {text}")
        # What is below zero is read as a huge number.
        if not 0 <= int(text) <= overlays.MAX_VNETID:
            raise Fatal(f"virtual networkd id too large: {text}")
    needed = {"v": "virtual network id", "e": "encapsulation plugin", "s": "search plugin"}
    for letter, what in needed.items():
        if letter not in options:
            raise Fatal(f"missing required {what}")
    if len(options.operands) != 1:
        raise Fatal("missing device name")
    name = call.checked_name(options.operands[0])
    vnetid = int(options.get("v") or 0)
    listed = ",".join(options.all("p"))
    try:
        wanted = {key: ",".join(values) for key, values in properties.parse_list(listed)} if listed else {}
    except ValueError as error:
        raise Fatal("invalid overlay property") from error
    encap, search = options.get("e") or "", options.get("s") or ""
    try:
        call.require_privilege()
        if call.find(name) or call.find_record(name):
            raise DladmError(status.EXISTS)
        varpd = call.host.smf.enabled("global", overlays.VARPD)
        link = overlays.make(name, encap, search, vnetid, wanted, varpd)
        call.links.create_overlay(link, temporary="t" in options)
    except OverlayError as error:
        for detail in error.details:
            call.warn(detail)
        raise Fatal(f"overlay creation failed: {error.status}") from error
    except DladmError as error:
        raise Fatal(f"overlay creation failed: {error.status}") from error
    return 0


def delete_overlay(call: Call) -> int:
    """dladm delete-overlay [-t] NAME"""
    options = call.options(":t")
    name = options.required_operand()
    link = call.find(name) or call.find_record(name)
    with call.failing_as(f"failed to delete {name}"):
        if link is None:
            raise DladmError(status.NOT_FOUND)
        if link.link_class != OVERLAY:
            raise DladmError(status.INVALID_ARGUMENT)
        call.require_privilege()
        call.links.delete(name, temporary="t" in options)
    return 0


def modify_overlay(call: Call) -> int:
    """dladm modify-overlay {-d MAC | -f | -s MAC=IP:PORT|MAC=drop} NAME"""
    options = call.options(":d:fs:", once="dfs", long=MODIFY_LONG)
    for letter, text in options.pairs:
        key, sign, _ = text.partition("=")
        if letter == "s" and not sign:
            # There dladm dies, on the way to this message.
            raise Fatal(f"malformed value, expected mac=dest, got: {text}\n")
        if letter != "f" and linkname.parse_mac(key if letter == "s" else text) is None:
            raise Fatal(f"invalid mac address: {key if letter == 's' else text}\n")
    if not options.pairs:
        raise Fatal("need to specify one of -d, -f, or -s")
    if len(options.pairs) > 1:
        raise Fatal("only one of -d, -f, or -s may be used")
    if not options.operands:
        raise Fatal("missing required overlay device\n")
    if len(options.operands) > 1:
        raise Fatal("only one overlay device may be specified\n")
    name = options.operands[0]
    link = call.find(name)
    if link is None:
        raise Fatal(f"failed to find overlay {name}: {status.NOT_FOUND}")
    ((letter, text),) = options.pairs
    # dladm prints a pointer that getopt_long(3C) has cleared by then.
    what = {
        "f": f"flush target cache for overlay {name}",
        "d": f"flush target (null) from overlay target cache {name}",
        "s": f"set target (null) for overlay target cache {name}",
    }[letter]
    with call.failing_as(f"failed to {what}"):
        call.require_privilege()
        if link.link_class != OVERLAY or not _varpd(call):
            raise DladmError(status.NOT_FOUND)
        if letter != "s":
            _forget(call, link, linkname.parse_mac(text))
        elif (target := _target(text)) is not None:
            _require_table(link)
            call.links.set_overlay_target(link, target)
    return 0


def _varpd(call: Call) -> bool:
    return call.host.smf.enabled("global", overlays.VARPD)


def _require_table(link: Link) -> None:
    if link.overlay["search"] == "direct":
        # There is one target only, and nothing to remember of it.
        raise DladmError(status.NOT_SUPPORTED)


def _forget(call: Call, link: Link, mac: str | None) -> None:
    _require_table(link)
    if mac is None:
        call.links.reload_overlay(link)
    else:
        call.links.forget_overlay_target(link, mac)


def _target(text: str) -> OverlayTarget | None:
    """What ``-s`` says; None for a destination that libdladm passes over without a word."""
    key, _, value = text.partition("=")
    mac = linkname.parse_mac(key) or ""
    if value.lower() == "drop":
        return OverlayTarget(mac, "", 0)
    address, colon, port = value.partition(":")
    # The first colon ends the address, so IPv6 cannot be given.
    if not colon or not overlays.is_address(address):
        return None
    if not port.isdigit() or not 0 < int(port) <= 65535:
        raise DladmError(status.INVALID_ARGUMENT)
    return OverlayTarget(mac, address, int(port))


# Showing -----------------------------------------------------------------------------------------


def show_overlay(call: Call) -> int:
    """dladm show-overlay [-f | -t] [[-p] -o field,...] [NAME...]"""
    options = call.options(":ftpo:", long=SHOW_LONG)
    mode = next((letter for letter, _ in reversed(options.pairs) if letter in "ft"), "")
    columns = {"f": FMA_FIELDS, "t": TARGET_FIELDS}.get(mode, FIELDS)
    if (options.get("o") or "").lower() == "all":
        options = Options([pair for pair in options.pairs if pair[0] != "o"], options.operands)
    output = call.output(columns, options, wrap=True)
    failed, varpd = False, _varpd(call)
    for link in _chosen(call, options.operands, mode):
        if isinstance(link, str):
            call.warn(link)
            failed = True
        elif mode == "f":
            output.print({"LINK": link.name, "STATUS": "ONLINE", "DETAILS": "-"})
        elif mode == "t":
            for target in call.links.overlay_targets(link) if varpd else ():
                output.print({"LINK": link.name, **_target_row(target)})
        else:
            for row in _property_rows(link, varpd):
                output.print({"LINK": link.name, **row})
    return int(failed)


def _chosen(call: Call, names: list[str], mode: str) -> list[Link | str]:
    """The overlays that were asked for; a text tells why one cannot be shown."""
    if not names:
        return [link for link in call.visible() if link.link_class == OVERLAY]
    chosen: list[Link | str] = []
    for name in names:
        link = call.find(name)
        if link is None:
            chosen.append(f"failed to find {name}: {status.NOT_FOUND}")
        else:
            if link.link_class != OVERLAY and mode == "f":
                raise Fatal(f"datalink {name} is not an overlay device\n")
            chosen.append(link if link.link_class == OVERLAY else f"{name} is not an overlay")
    return chosen


def _target_row(target: OverlayTarget) -> dict[str, str]:
    return {
        "TARGET": target.mac or "*:*:*:*:*:*",
        # What is dropped has no address.
        "DESTINATION": f"{target.address or '::'}:{target.port}",
    }


def _property_rows(link: Link, varpd: bool) -> list[dict[str, str]]:
    """The properties; those of the search plugin are its daemon's."""
    own = link.overlay | {"mtu": str(link.mtu), "varpd/id": str(link.linkid)}
    rows = [
        _row("mtu", "rw", own["mtu"], str(overlays.MTU), "576-9000"),
        _row("vnetid", "r-", own["vnetid"]),
        _row("encap", "r-", own["encap"], possible=own["encap"]),
        _row("varpd/id", "r-", own["varpd/id"]),
    ]
    rows += [_setting(prop, own) for prop in overlays.ENCAPSULATION]
    if varpd:
        rows.append(_row("search", "r-", own["search"], possible=",".join(overlays.SEARCH)))
        rows += [_setting(prop, own) for prop in overlays.SEARCH[own["search"]]]
    return rows


def _setting(prop: overlays.OverlayProperty, own: dict[str, str]) -> dict[str, str]:
    row = _row(prop.name, "rw", own.get(prop.name, prop.default), prop.default, prop.possible)
    return row | {"REQ": "y"}


def _row(name: str, perm: str, value: str, default: str = "", possible: str = "") -> dict[str, str]:
    return {
        "PROPERTY": name,
        "PERM": perm,
        "REQ": "-",
        "VALUE": value,
        "DEFAULT": default,
        "POSSIBLE": possible,
    }
