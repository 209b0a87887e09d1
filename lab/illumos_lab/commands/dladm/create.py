"""dladm's subcommands that make, list and remove etherstubs, vnics, VLANs and simnets."""

from __future__ import annotations

from illumos_lab import linkname
from illumos_lab.commands.dladm.call import Call, Options, UsageError, parse_vid
from illumos_lab.commands.dladm.show import check_interval
from illumos_lab.kernel import Traffic
from illumos_lab.links import ETHERSTUB, OVERLAY, SIMNET, VLAN, VNIC, DladmError, Link, properties, status
from illumos_lab.ofmt import fields
from illumos_lab.subcommand import Fatal

ETHERSTUB_FIELDS = fields(("LINK", 20))
VNIC_FIELDS = fields(
    ("LINK", 13), ("OVER", 13), ("SPEED", 9), ("MACADDRESS", 18), ("MACADDRTYPE", 20), ("VID", 7)
)
VNIC_FIELDS_OMNIOS = fields(
    ("LINK", 13),
    ("OVER", 11),
    ("SPEED", 9),
    ("MACADDRESS", 18),
    ("MACADDRTYPE", 12),
    ("VID", 5),
    ("ZONE", 20),
)
VLAN_FIELDS = fields(("LINK", 16), ("VID", 9), ("OVER", 13), ("FLAGS", 7))
SIMNET_FIELDS = fields(("LINK", 12), ("MEDIA", 20), ("MACADDRESS", 18), ("OTHERLINK", 12))

MAX_PROPERTY_LIST = 1024
_MAC_KEYWORDS = ("random", "factory", "auto", "vrrp")
_MAX_SLOT = 2**31 - 1


# Etherstubs --------------------------------------------------------------------------------------


def create_etherstub(call: Call) -> int:
    """dladm create-etherstub [-t] [-R root-dir] NAME"""
    options = call.options(":tR:")
    name = call.checked_name(options.required_operand())
    if call.deferred(options):
        return 0
    with call.failing_as("etherstub creation failed"):
        call.require_privilege()
        call.links.create_etherstub(name, temporary="t" in options)
    return 0


def delete_etherstub(call: Call) -> int:
    """dladm delete-etherstub [-t] [-R root-dir] NAME"""
    options = call.options(":tR:")
    link = _existing(call, options)
    if link.link_class != ETHERSTUB:
        raise Fatal(f"'{link.name}' is not an etherstub")
    return _delete(call, options, link, "vnic deletion failed")


def show_etherstub(call: Call) -> int:
    """dladm show-etherstub [-P] [[-p] -o field,...] [NAME]"""
    if any(word.startswith("-l") for word in call.argv):
        raise Fatal("option not supported for this command")
    options = call.options(":pPo:", once="pP")
    if "p" in options and "o" not in options:
        # Alone among the listers it needs no fields: there is only one.
        options = Options([*options.pairs, ("o", "link")], options.operands)
    noun = "etherstub" if call.forked else "vnic"
    links = _of_class(call, options, ETHERSTUB, noun)
    output = call.output(ETHERSTUB_FIELDS, options)
    for link in links:
        output.print({"LINK": link.name})
    return 0


# Vnics -------------------------------------------------------------------------------------------


def create_vnic(call: Call) -> int:
    """dladm create-vnic [-t] [-R root-dir] -l LINK [-m MAC] [-v VID [-f]] [-p prop=val,...] NAME"""
    options = call.options(":tfR:l:m:n:p:r:v:V:A:")
    if len(options.all("m")) > 1:
        raise Fatal("cannot specify -m option twice")
    mac, prefix, mac_fault = _mac_choice(call, options)
    vid = parse_vid(options.get("v") or "") if "v" in options else 0
    if len(text := ",".join(options.all("p"))) >= MAX_PROPERTY_LIST:
        raise Fatal(f"property list too long '{text}'")
    if "f" in options and "v" not in options:
        raise Fatal("-f option can only be used with -v")
    over = options.get("l")
    if over is None:
        raise UsageError
    name = call.checked_name(options.required_operand())
    lower = call.find(over)
    if lower is None:
        raise Fatal(f"invalid link name '{over}'")
    if vid and lower.link_class == OVERLAY:
        call.not_emulated("create-vnic -v over an overlay")
    try:
        wanted = properties.parse_list(text) if text else []
    except ValueError as error:
        raise Fatal("invalid vnic property") from error
    if call.deferred(options):
        return 0
    temporary = "t" in options
    try:
        call.require_privilege()
        if mac_fault:
            raise DladmError(mac_fault)
        vrrp = "/".join(map(str, _vrrp_router(options))) if "V" in options else ""
        call.links.create_vnic(
            name, over, mac=mac, mac_prefix=prefix, vid=vid, vrrp=vrrp, temporary=temporary
        )
        _set_initial(call, name, wanted, temporary)
    except DladmError as error:
        if error.status == status.BUSY:
            raise Fatal(f"VLAN over '{over}' may not use default_tag ID (see dladm(8))") from error
        if error.status == status.NOT_AVAILABLE:
            call.warn(f"failed to start overlay device; could not open underlay socket: {error.status}")
        raise Fatal(f"vnic creation over {over} failed: {error.status}") from error
    return 0


def _set_initial(call: Call, name: str, wanted: list[tuple[str, list[str]]], temporary: bool) -> None:
    try:
        for key, values in wanted:
            try:
                call.set_property(name, key, values, temporary)
            except DladmError as error:
                call.warn(f"failed to set property {key}: {error.status}")
                raise
    except DladmError:
        call.links.delete(name, temporary=False)
        raise


_VRRP_FAMILIES = {"inet": 1, "inet6": 2}


def _vrrp_router(options: Options) -> tuple[int, str]:
    """Virtual router id and address family that ``-V`` and ``-A`` name.

    Raises:
        UsageError: one is missing or wrong.
    """
    vrid, family = options.get("V") or "", options.get("A") or ""
    if not vrid.isdigit() or not 1 <= int(vrid) <= 255 or family not in _VRRP_FAMILIES:
        raise UsageError
    return int(vrid), family


def _vrrp_mac(options: Options) -> str:
    """The address of a virtual router (RFC 5798, section 7.3)."""
    vrid, family = _vrrp_router(options)
    return f"0:0:5e:0:{_VRRP_FAMILIES[family]}:{vrid:x}"


def _mac_choice(call: Call, options: Options) -> tuple[str | None, list[int] | None, str | None]:
    """What ``-m``, ``-n`` and ``-r`` ask for: an address, a prefix, or a status for later."""
    slot = options.get("n")
    if slot is not None and (not slot.isdigit() or int(slot) > _MAX_SLOT):
        raise Fatal("invalid slot number")
    prefix = None
    if (text := options.get("r")) is not None:
        prefix = linkname.parse_mac_prefix(text)
        if prefix is None:
            return None, None, status.INVALID_MAC_PREFIX
    wanted = options.get("m")
    if wanted is None:
        return None, prefix, None
    keyword = next((word for word in _MAC_KEYWORDS if wanted and word.startswith(wanted)), None)
    if keyword != "vrrp" and ("V" in options or "A" in options):
        raise UsageError
    if keyword == "vrrp":
        return _vrrp_mac(options), None, None
    if keyword == "factory":
        return None, None, status.NO_FACTORY_MAC
    if keyword is not None:
        return None, prefix, None
    if "fixed".startswith(wanted):
        raise Fatal(f"'{wanted}' is not a valid MAC address")
    mac = linkname.parse_mac(wanted)
    if mac is None:
        raise Fatal("invalid MAC address")
    first = int(mac.split(":")[0], 16)
    if first & 1 or set(mac) <= set("0:"):
        return None, None, "invalid MAC address value"
    return mac, None, None


def delete_vnic(call: Call) -> int:
    """dladm delete-vnic [-t] [-R root-dir] NAME"""
    options = call.options(":tR:z:" if call.forked else ":tR:")
    link = _existing(call, options)
    if link.link_class == ETHERSTUB:
        raise Fatal(f"'{link.name}' is not a vnic")
    if link.link_class != VNIC:
        raise Fatal(f"vnic deletion failed: {status.INVALID_ARGUMENT}")
    return _delete(call, options, link, "vnic deletion failed")


def show_vnic(call: Call) -> int:
    """dladm show-vnic [-P] [-l LOWER] [-s [-i secs]] [[-p] -o field,...] [VNIC]"""
    options = call.options(":pPl:si:o:z:" if call.forked else ":pPl:si:o:", once="pPlsi")
    check_interval(call, options)
    persistent = "P" in options
    over = options.get("l")
    if over is not None and call.find(over) is None and call.find_record(over) is None:
        raise Fatal(f"invalid link name '{over}': {status.NOT_FOUND}")
    links = _of_class(call, options, VNIC, "vnic")
    output = call.output(VNIC_FIELDS_OMNIOS if call.forked else VNIC_FIELDS, options)
    links = [link for link in links if over in (None, link.over)]
    if "s" in options:
        _print_vnic_traffic(call, links, over, options.operand())
        return 0
    for link in links:
        output.print(_vnic_row(call, link, persistent))
    return 0


def _print_vnic_traffic(call: Call, links: list[Link], over: str | None, name: str | None) -> None:
    """Counts with each vnic's part of the packets; of all of them, dladm takes the last for their sum."""
    heading = "ipackets  rbytes      opackets  obytes          "
    call.run.out(f"{over or ''}\t{heading}{'%ipkts  %opkts' if over else ''}\n")
    if not links and name is not None:
        raise Fatal(f"non-existent vnic '{name}'")
    if not links and over is not None:
        raise Fatal(f"device {over} has no vnics")
    counts = {link.name: call.host.kernel.traffic(link.name) for link in links}
    total = next(reversed(counts.values()), Traffic())
    if over is not None or name is not None:
        call.run.out(f"Total\t{_counts(total)}\n")
    for vnic, count in counts.items():
        parts = ((count.ipackets, total.ipackets), (count.opackets, total.opackets))
        shares = "".join(f"\t{part / whole * 100:<6.1f}" if whole else "\t-" for part, whole in parts)
        call.run.out(f"{vnic}\t{_counts(count)}{shares}\n")


def _counts(count: Traffic) -> str:
    return f"{count.ipackets:<10}{count.rbytes:<12}{count.opackets:<10}{count.obytes:<12}"


def _vnic_row(call: Call, link: Link, persistent: bool) -> dict[str, str]:
    values = {
        "LINK": link.name,
        "OVER": call.over(link),
        "MACADDRESS": link.mac,
        "MACADDRTYPE": link.mac_type,
        "VID": str(link.vid),
        # The distribution's dladm stores the dashes itself: they are there in parseable output too.
        "ZONE": link.zone or "--",
    }
    if not persistent:
        lower = call.links.get(link.over)
        values["SPEED"] = "0" if lower is None or lower.link_class in (ETHERSTUB, OVERLAY) else "1000"
    return values


# VLANs -------------------------------------------------------------------------------------------


def create_vlan(call: Call) -> int:
    """dladm create-vlan [-f] [-t] [-R root-dir] -l LINK -v VID [-p prop=val,...] [NAME]"""
    options = call.options(":ftR:l:v:p:", once="lv")
    vid = parse_vid(options.get("v") or "") if "v" in options else None
    over = options.get("l")
    if vid is None or over is None:
        raise UsageError
    if len(text := ",".join(options.all("p"))) >= MAX_PROPERTY_LIST:
        raise Fatal(f"property list too long '{text}'")
    name = options.operand() or _vlan_name(over, vid)
    if linkname.too_long(name):
        raise Fatal(f"vlan name too long '{name}'")
    if call.deferred(options):
        return 0
    if call.find(over) is None:
        raise Fatal(f"invalid link name '{over}'")
    try:
        wanted = properties.parse_list(text) if text else []
    except ValueError as error:
        raise Fatal("invalid vlan property") from error
    temporary = "t" in options
    try:
        call.require_privilege()
        if not linkname.valid(name):
            raise DladmError(status.INVALID_ARGUMENT)
        call.links.create_vlan(name, over, vid, temporary=temporary)
        _set_initial(call, name, wanted, temporary)
    except DladmError as error:
        if error.status == status.NOT_SUPPORTED:
            raise Fatal(
                f"VLAN over '{over}' may require lowered MTU; must use -f (see dladm(8))"
            ) from error
        if error.status == status.BUSY:
            raise Fatal(f"VLAN over '{over}' may not use default_tag ID (see dladm(8))") from error
        raise Fatal(f"create operation failed: {error.status}") from error
    return 0


def _vlan_name(over: str, vid: int) -> str:
    """The name of a VLAN that was given none."""
    if not linkname.valid(over) or linkname.split(over)[1] >= 1000:
        raise Fatal(f"invalid link name '{over}'")
    stem, number = linkname.split(over)
    return f"{stem}{vid * 1000 + number}"


def delete_vlan(call: Call) -> int:
    """dladm delete-vlan [-t] [-R root-dir] NAME"""
    options = call.options(":tR:")
    name = options.required_operand()
    if call.deferred(options):
        return 0
    link = call.find(name) or call.find_record(name)
    if link is None:
        raise Fatal(f"delete operation failed: {status.NOT_FOUND}")
    if link.link_class != VLAN:
        raise Fatal(f"delete operation failed: {status.INVALID_ARGUMENT}")
    return _delete(call, options, link, "delete operation failed")


def show_vlan(call: Call) -> int:
    """dladm show-vlan [-P] [[-p] -o field,...] [NAME]"""
    options = call.options(":pPo:", once="pP")
    name = options.operand()
    links = _of_class_or_all(call, "P" in options, name)
    if name is not None:
        if call.find(name) is None and call.find_record(name) is None:
            raise Fatal(f"link {name} is not valid: {status.NOT_FOUND}")
        if not links or links[0].link_class != VLAN:
            raise Fatal(f"failed to show vlan {name}: {status.NOT_FOUND}")
    output = call.output(VLAN_FIELDS, options)
    for link in links:
        if link.link_class == VLAN:
            output.print(
                {
                    "LINK": link.name,
                    "VID": str(link.vid),
                    "OVER": call.over(link),
                    "FLAGS": "-----",
                }
            )
    return 0


# Simnets -----------------------------------------------------------------------------------------


def create_simnet(call: Call) -> int:
    """dladm create-simnet [-t] [-R root-dir] [-m MEDIA] NAME"""
    letters = ":tR:m:u:" if call.forked else ":tR:m:"
    options = call.options(letters, once="m")
    media = options.get("m") or "Ethernet"
    if media.lower() not in ("ethernet", "wifi"):
        raise Fatal(f"media type '{media}' is not supported")
    mac = None
    if (text := options.get("u")) is not None and (mac := linkname.parse_mac(text)) is None:
        raise Fatal(f"'{text}' is not a valid MAC address")
    name = call.checked_name(options.required_operand())
    if call.deferred(options):
        return 0
    with call.failing_as("simnet creation failed"):
        call.require_privilege()
        kind = "Ethernet" if media.lower() == "ethernet" else "WiFi"
        call.links.create_simnet(name, mac=mac, media=kind, temporary="t" in options)
    return 0


def modify_simnet(call: Call) -> int:
    """dladm modify-simnet [-t] [-R root-dir] -p PEER NAME"""
    options = call.options(":tR:p:", once="p")
    if "p" not in options:
        raise UsageError
    name = options.required_operand()
    link, peer = call.find(name), options.get("p") or ""
    if link is None or link.link_class != SIMNET:
        raise Fatal(f"invalid link name '{name}'")
    other = call.find(peer)
    if peer != "none" and (other is None or other.link_class != SIMNET or other is link):
        raise Fatal(f"invalid peer link name '{peer}'")
    if call.deferred(options):
        return 0
    with call.failing_as("simnet modification failed"):
        call.require_privilege()
        call.links.pair(name, "" if peer == "none" else peer, temporary="t" in options)
    return 0


def delete_simnet(call: Call) -> int:
    """dladm delete-simnet [-t] [-R root-dir] NAME"""
    options = call.options(":tR:")
    name = options.required_operand()
    link = call.find(name) or call.find_record(name)
    if link is None or link.link_class != SIMNET:
        raise Fatal(f"simnet '{name}' not found")
    return _delete(call, options, link, "simnet deletion failed")


def show_simnet(call: Call) -> int:
    """dladm show-simnet [-P] [[-p] -o field,...] [NAME]"""
    options = call.options(":pPo:", once="pP")
    name = options.operand()
    links = _of_class_or_all(call, "P" in options, name)
    if name is not None and not links:
        raise Fatal(f"invalid simnet name '{name}': {status.NOT_FOUND}")
    output = call.output(SIMNET_FIELDS, options)
    for link in links:
        if link.link_class == SIMNET:
            output.print(
                {
                    "LINK": link.name,
                    "MEDIA": link.media,
                    "MACADDRESS": link.mac,
                    "OTHERLINK": link.peer,
                }
            )
    return 0


# Shared ------------------------------------------------------------------------------------------


def rename_link(call: Call) -> int:
    """dladm rename-link [-R root-dir] OLD NEW"""
    options = call.options(":R:z:" if call.forked else ":R:")
    if len(options.operands) != 2:
        raise UsageError
    old, new = options.operands
    if call.deferred(options):
        return 0
    with call.failing_as("rename operation failed"):
        call.require_privilege()
        if call.find(old, options.get("z")) is None:
            raise DladmError(status.NOT_FOUND)
        call.links.rename(old, new)
    return 0


def _existing(call: Call, options: Options) -> Link:
    name = options.required_operand()
    zone = options.get("z")
    link = call.find(name, zone) or (call.find_record(name) if zone is None else None)
    if link is None:
        raise Fatal(f"invalid link name '{name}'")
    return link


def _delete(call: Call, options: Options, link: Link, failure: str) -> int:
    if call.deferred(options):
        return 0
    with call.failing_as(failure):
        call.require_privilege()
        call.links.delete(link.name, temporary="t" in options)
    return 0


def _of_class_or_all(call: Call, persistent: bool, name: str | None) -> list[Link]:
    if name is None:
        return call.records() if persistent else call.visible()
    link = call.find_record(name) if persistent else call.find(name)
    return [link] if link else []


def _of_class(call: Call, options: Options, link_class: str, noun: str) -> list[Link]:
    """The links of a class that show-vnic or show-etherstub lists.

    Raises:
        Fatal: the one named does not exist, or (OmniOS) is of another class.
    """
    name = options.operand()
    links = _of_class_or_all(call, "P" in options, name)
    if name is not None:
        if not links:
            raise Fatal(f"invalid {noun} name '{name}': {status.NOT_FOUND}")
        found = links[0].link_class
        if found != link_class and call.forked:
            article = "an" if link_class == ETHERSTUB else "a"
            raise Fatal(f"datalink {name} is not {article} {link_class}: found class {found}")
    zone = options.get("z")
    return [
        link for link in links if link.link_class == link_class and zone in (None, link.zone or "global")
    ]
