"""dladm's subcommands for overlays."""

from __future__ import annotations

from illumos_lab import linkname
from illumos_lab.commands.dladm.call import Call, Fatal, UsageError
from illumos_lab.kernel import OverlayTarget
from illumos_lab.links import OVERLAY, DladmError, Link, overlays, properties, status
from illumos_lab.links.overlays import OverlayError
from illumos_lab.ofmt import fields

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


def create_overlay(call: Call) -> int:
    """dladm create-overlay [-t] -e ENCAP -s SEARCH -v VNETID [-p prop=val,...] NAME"""
    options = call.options(":te:s:v:p:", once="tesv")
    text = options.get("v")
    if text is not None and not text.isdigit():
        raise Fatal(f"couldn't parse virtual networkd id: {text}")
    needed = {"v": "virtual network id", "e": "encapsulation plugin", "s": "search plugin"}
    for letter, what in needed.items():
        if letter not in options:
            raise Fatal(f"missing required {what}")
    if len(options.operands) != 1:
        raise Fatal("missing device name")
    name = call.checked_name(options.operands[0])
    vnetid = int(text or 0)
    if vnetid > overlays.MAX_VNETID:
        raise Fatal(f"virtual networkd id too large: {text}")
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
    try:
        if link is None:
            raise DladmError(status.NOT_FOUND)
        if link.link_class != OVERLAY:
            raise DladmError(status.INVALID_ARGUMENT)
        call.require_privilege()
        call.links.delete(name, temporary="t" in options)
    except DladmError as error:
        raise Fatal(f"failed to delete {name}: {error.status}") from error
    return 0


def modify_overlay(call: Call) -> int:
    """dladm modify-overlay {-d MAC | -f | -s MAC=IP:PORT|MAC=drop} NAME"""
    options = call.options(":d:fs:", once="dfs")
    chosen = [letter for letter in "dfs" if letter in options]
    if not chosen:
        raise Fatal("need to specify one of -d, -f, or -s")
    if len(chosen) > 1:
        raise Fatal("only one of -d, -f, or -s may be used")
    name = options.required_operand()
    link = call.find(name)
    if link is None:
        raise Fatal(f"failed to find {name}: {status.NOT_FOUND}")
    if link.link_class != OVERLAY:
        raise Fatal(f"{name} is not an overlay")
    what = {"f": "flush target cache", "d": "delete cache entry", "s": "set cache entry"}[chosen[0]]
    try:
        call.require_privilege()
        if link.overlay["search"] == "direct":
            # There is one target only, and nothing to remember of it.
            raise DladmError(status.NOT_SUPPORTED)
        match chosen[0]:
            case "f":
                call.links.reload_overlay(link)
            case "d":
                call.links.forget_overlay_target(link, _mac(options.get("d") or ""))
            case _:
                call.links.set_overlay_target(link, _target(options.get("s") or ""))
    except DladmError as error:
        raise Fatal(f"failed to {what} for overlay {name}: {error.status}") from error
    return 0


def _mac(text: str) -> str:
    mac = linkname.parse_mac(text)
    if mac is None:
        raise DladmError(status.INVALID_ARGUMENT)
    return mac


def _target(text: str) -> OverlayTarget:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError
    mac = _mac(key)
    if value.lower() == overlays.DROP:
        return OverlayTarget(mac, "", 0)
    address, _, port = value.rpartition(":")
    listen_ip, listen_port = overlays.ENCAPSULATION
    if not listen_ip.valid(address) or not listen_port.valid(port) or port == "0":
        raise DladmError(status.INVALID_ARGUMENT)
    return OverlayTarget(mac, address, int(port))


# Showing -----------------------------------------------------------------------------------------


def show_overlay(call: Call) -> int:
    """dladm show-overlay [-f | -t] [[-p] -o field,...] [NAME...]"""
    options = call.options(":ftpo:", once="ftp")
    if "f" in options and "t" in options:
        raise UsageError
    columns = FMA_FIELDS if "f" in options else TARGET_FIELDS if "t" in options else FIELDS
    output = call.output(columns, options, wrap=True)
    failed = False
    for link in _chosen(call, options.operands):
        if isinstance(link, str):
            call.warn(link)
            failed = True
        elif "f" in options:
            output.print({"LINK": link.name, "STATUS": "ONLINE", "DETAILS": "-"})
        elif "t" in options:
            for target in call.links.overlay_targets(link):
                output.print({"LINK": link.name, **_target_row(target)})
        else:
            for row in _property_rows(link):
                output.print({"LINK": link.name, **row})
    return int(failed)


def _chosen(call: Call, names: list[str]) -> list[Link | str]:
    """The overlays that were asked for; a text tells why one cannot be shown."""
    if not names:
        return [link for link in call.visible() if link.link_class == OVERLAY]
    chosen: list[Link | str] = []
    for name in names:
        link = call.find(name)
        if link is None:
            chosen.append(f"failed to find {name}: {status.NOT_FOUND}")
        else:
            chosen.append(link if link.link_class == OVERLAY else f"{name} is not an overlay")
    return chosen


def _target_row(target: OverlayTarget) -> dict[str, str]:
    destination = f"{target.address}:{target.port}" if target.address else overlays.DROP
    return {"TARGET": target.mac or "*:*:*:*:*:*", "DESTINATION": destination}


def _property_rows(link: Link) -> list[dict[str, str]]:
    own = link.overlay
    rows = [
        _row("mtu", "rw", str(link.mtu), str(overlays.MTU), "576-9000"),
        _row("vnetid", "r-", own["vnetid"]),
        _row("encap", "r-", own["encap"], possible=own["encap"]),
        _row("varpd/id", "r-", str(link.linkid)),
    ]
    searching = overlays.SEARCH[own["search"]]
    for prop in overlays.ENCAPSULATION:
        rows.append(_setting(prop, own))
    rows.append(_row("search", "r-", own["search"], possible=own["search"]))
    return rows + [_setting(prop, own) for prop in searching]


def _setting(prop: overlays.OverlayProperty, own: dict[str, str]) -> dict[str, str]:
    row = _row(prop.name, "rw", own.get(prop.name, prop.default), prop.default, prop.possible)
    return row | {"REQ": "-" if prop.default else "y"}


def _row(name: str, perm: str, value: str, default: str = "", possible: str = "") -> dict[str, str]:
    return {
        "PROPERTY": name,
        "PERM": perm,
        "REQ": "-",
        "VALUE": value,
        "DEFAULT": default,
        "POSSIBLE": possible,
    }
