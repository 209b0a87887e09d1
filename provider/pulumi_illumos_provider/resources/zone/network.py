"""A zone's network interfaces: how they are brought about; `nics` reads what is there."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import dladm, names, records, zap_records, zonecfg
from pulumi_illumos_provider.illumos.brands import Brand, Family
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.illumos.zlogin import GLOBAL, inside
from pulumi_illumos_provider.model.base import Change
from pulumi_illumos_provider.model.common import IpType
from pulumi_illumos_provider.model.values import HostAddress
from pulumi_illumos_provider.model.zone.network import NetworkInputs, NetworkState, Nic, host_of
from pulumi_illumos_provider.plan import Step, sh
from pulumi_illumos_provider.resources import zap
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.attachment import (
    claim_steps,
    cleanup_lines,
    release_steps,
    reservation_steps,
)
from pulumi_illumos_provider.resources.kind import Claim, local_name
from pulumi_illumos_provider.resources.placement import (
    Interface,
    Placed,
    addresses_of,
    links_of,
    net_properties,
)
from pulumi_illumos_provider.resources.zone import nics
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.side import Side

_SILENT = """
if /usr/sbin/ping "$1" 1 </dev/null >/dev/null 2>&1; then
    echo "a machine on the network of $2 answers at $1: choose another address, or stop that machine" >&2
    exit 1
fi
"""

_ROUTE = "etc/defaultrouter"


class Network(Side[NetworkInputs, NetworkState]):
    """Where a zone is plugged in. Its nics were placed when the job was made."""

    inputs: type[NetworkInputs] = NetworkInputs
    outputs: type[NetworkState] = NetworkState
    follows: ClassVar[dict[str, frozenset[str]]] = {
        "address": frozenset({"nics"}),
        "router": frozenset({"address", "nics"}),
        "nics": frozenset({"address", "router", "ipType"}),
    }

    def plan(self, wanted: NetworkInputs, job: Job) -> None:
        exclusive = wanted.ip_type is IpType.EXCLUSIVE
        for nic in job.placed:
            _refuse_unsupported(nic, job.kind, job.now.distribution)
        job.properties["ip-type"] = wanted.ip_type.value
        present = job.config.of_kind("net")
        nets = [net for nic in job.placed for net in _nets(nic, job)]
        job.want_all("net", *nets)
        if job.zone is not None:
            same = len(present) == len(nets) and all(map(zonecfg.same, present, nets))
            if not same or job.zone.listed.exclusive != exclusive or _asks_for_another(job):
                job.reboot_for("nics")
        job.want("attr", records.DHCP, *_dhcp_record(job))
        job.before += claim_steps(job.name, job.placed, job.now)
        job.before += _vacancy_steps(job)
        job.links += _link_steps(job, exclusive)
        for nic in job.placed:
            job.attached += _tuning_steps(nic, job)
        job.attached += release_steps(job.name, job.now, keep=job.placed)
        job.attached += reservation_steps(job.name, job.placed, job.now)
        job.attached += zap.zone_steps(_zap_record(job, exclusive), job.now)

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        found = nics.read(zone, now)
        return {
            "address": found[0].address if found else None,
            "router": found[0].router if found else None,
            "nics": found,
            "ip_type": IpType.EXCLUSIVE if zone.listed.exclusive else IpType.SHARED,
            "unprotected_links": nics.unprotected(found, zone, now),
        }

    def satisfied(self, field: str, wanted: NetworkInputs, state: NetworkState) -> bool:
        value = getattr(wanted, field)
        match field:
            case "router":
                unknown = state.router is None and any(map(nics.is_somewhere, state.nics[:1]))
                return value is None or unknown or local_name(value) == state.router
            case "address":
                return value is None or nics.has_address(value, state)
            case "nics":
                return nics.satisfied(wanted, state)
            case _:
                return bool(value == getattr(state, field))

    def change(self, field: str, wanted: NetworkInputs, state: NetworkState) -> Change:
        if field == "nics" and nics.differ_in_tuning_only(wanted, state):
            return Change.LIVE
        return super().change(field, wanted, state)

    def removal(self, name: str, zone: ZoneSeen | None, now: Snapshot, state: NetworkState) -> list[Step]:
        exclusive = state.ip_type is IpType.EXCLUSIVE
        recorded = [nic.vnic for nic in state.nics if exclusive and not nic.global_nic]
        found: list[Step] = []
        for vnic in dict.fromkeys([*own_vnics(name, zone, now), *recorded]):
            link = now.links.get(vnic)
            free = f"{name}/{vnic}" not in now.links and now.user_of_link(vnic) in (None, name)
            if link and link.link_class == "vnic" and free:
                found += steps.delete_vnic_steps(vnic)
        if zone is not None:
            found += _leftover_steps(zone)
        return [*found, *release_steps(name, now), *zap.zone_removal_steps(name, now)]

    def spell(self, state: NetworkState) -> dict[str, Any]:
        spelled = nics.spell(state)
        if state.ip_type is not IpType.EXCLUSIVE:
            spelled["ipType"] = state.ip_type.value
        return spelled


# What excludes others ----------------------------------------------------------------------------


def claims(wanted: NetworkInputs) -> list[Claim]:
    """The addresses and MAC addresses of a zone, which no other zone of the program can have.

    Networks behind routers do not overlap, so an address there is unique on the host; on a link it is only
    on that link and VLAN.
    """
    if wanted.address is not None:
        return [_claim("address", wanted.address.address, "address")]
    found = []
    for index, nic in enumerate(wanted.nics or []):
        path = f"nics[{index}]"
        space = _space(nic)
        if nic.address is not None:
            found.append(_claim(space, nic.address.address, f"{path}.address"))
        for number, further in enumerate(nic.addresses or []):
            found.append(_claim(space, host_of(further), f"{path}.addresses[{number}]"))
        if nic.mac is not None:
            number = int(nic.mac.replace(":", ""), 16)
            found.append(Claim("MAC address", number, number, f"MAC address {nic.mac}", f"{path}.mac"))
    return found


def _space(nic: Nic) -> str:
    if nic.router is not None:
        return "address"
    place = nic.link or nic.etherstub or nic.global_nic
    return f"address on {place}" + (f" VLAN {nic.vlan_id}" if nic.vlan_id else "")


def _claim(space: str, address: Any, path: str) -> Claim:
    family = "IPv6 " if address.version == 6 else ""
    return Claim(family + space, int(address), int(address), str(address), path)


# What it takes -----------------------------------------------------------------------------------


def _refuse_unsupported(nic: Placed, brand: Brand, distribution: Distribution) -> None:
    """Refuse what the brand of a zone, or the host's zonecfg, does not have."""
    if nic.properties is not None and not distribution.net_properties:
        raise Refused(
            f"net resources on {distribution.name} have no free properties (OmniOS has them)",
            f"{nic.path}.properties",
        )
    if brand.family is Family.LX and not distribution.net_properties and not nic.protected:
        raise Refused(
            f"on {distribution.name} a zone of brand lx gets its address as an allowed address only: "
            "give a static address, and leave dhcp, addrconf and allowedAddress out",
            nic.path,
        )
    if brand.family not in (Family.NATIVE, Family.LX):
        if nic.addrconf:
            raise Refused(
                f"brand {brand.name} is not told to take an address by addrconf (native brands and lx "
                "are): set it up inside",
                f"{nic.path}.addrconf",
            )
        if nic.statics and not (nic.protected or nic.shared):
            raise Refused(
                f"what runs in a zone of brand {brand.name} learns a static address as an allowed "
                "address only: leave allowedAddress out, or use dhcp",
                f"{nic.path}.allowedAddress",
            )


def _asks_for_another(job: Job) -> bool:
    """Whether a DHCP client has to ask again: another address is reserved for it from now on."""
    had = {nic.vnic: nic.address for nic in nics.read(job.zone, job.now) if nic.dhcp} if job.zone else {}
    return any(
        nic.address.ip != old.address
        for nic in job.placed
        if nic.dhcp and nic.address and (old := had.get(nic.vnic))
    )


def _nets(nic: Placed, job: Job) -> list[zonecfg.Resource]:
    """The net resources of a nic: one for each address that the host enforces, else one."""
    if nic.shared:
        found = [zonecfg.Resource("net", _values(nic, address=address)) for address in nic.statics]
    elif nic.protected:
        found = [zonecfg.Resource("net", _values(nic, allowed=address)) for address in nic.statics]
    else:
        found = [zonecfg.Resource("net", _values(nic))]
    first, *others = found
    properties = _properties(nic, job)
    with_properties = zonecfg.Resource(
        "net",
        first.values,
        tuple(("property", f'(name={name},value="{value}")') for name, value in properties.items()),
    )
    return [_keeping(net, nic, job) for net in (with_properties, *others)]


def _dhcp_record(job: Job) -> list[zonecfg.Resource]:
    """What is noted of a guest that asks for its addresses: the files of the others say so themselves."""
    if job.kind.family in (Family.NATIVE, Family.LX):
        return []
    asking = [nic.vnic for nic in job.placed if nic.dhcp and not nic.global_nic]
    return [zonecfg.attribute(records.DHCP, ",".join(asking))] if asking else []


def _values(
    nic: Placed, address: Interface | None = None, allowed: Interface | None = None
) -> dict[str, str]:
    gateway = nic.gateway if allowed is not None and allowed == nic.address else None
    values: dict[str, object] = {
        "physical": nic.vnic,
        "address": address,
        "allowed-address": allowed,
        "defrouter": gateway,
    }
    if nic.global_nic:
        values |= {"global-nic": nic.global_nic, "mac-addr": nic.mac, "vlan-id": nic.vid or None}
    return {name: str(value) for name, value in values.items() if value is not None}


def _properties(nic: Placed, job: Job) -> dict[str, str]:
    """The free properties of a nic's first net resource; a Linux is told its addresses by them."""
    present = next((n for n in job.config.of_kind("net") if n.values.get("physical") == nic.vnic), None)
    kept = net_properties(present) if present is not None else {}
    if job.kind.family is not Family.LX:
        return kept if nic.properties is None else nic.properties
    others = {n: v for n, v in kept.items() if n not in nics.LX_PROPERTIES}
    if not job.now.distribution.net_properties:
        return {}
    words = [str(address) for address in nic.statics]
    words += ["dhcp"] * nic.dhcp + ["addrconf"] * nic.addrconf
    told = {"ips": ",".join(words)} if words else {}
    if nic.gateway is not None:
        told |= {"gateway": str(nic.gateway), "primary": "true"}
    return told | (others if nic.properties is None else nic.properties)


def _keeping(net: zonecfg.Resource, nic: Placed, job: Job) -> zonecfg.Resource:
    """A net resource with what the present one has beyond what a nic decides about."""
    known = {"physical", "address", "allowed-address", "global-nic", "vlan-id", "property"}
    if not nic.shared:
        known.add("defrouter")
    if nic.mac or not nic.global_nic:
        known.add("mac-addr")  # The brand writes the one that it chose into the configuration.
    return zonecfg.keeping(net, job.config.of_kind("net"), frozenset(known))


def _vacancy_steps(job: Job) -> list[Step]:
    """See that nobody uses an address that the zone is going to have, whatever the configurations say."""
    held = {a for nic in (nics.read(job.zone, job.now) if job.zone else ()) for a in nics.addresses(nic)}
    return [
        Step(
            f"seeing that {address.ip} is free on {nic.over}",
            inside(nic.router.zone if nic.router else GLOBAL, _SILENT, str(address.ip), nic.over),
            asks=True,
        )
        for nic in job.placed
        for address in nic.statics
        if address.ip not in held and _can_be_asked(address, nic, job.now)
    ]


def _can_be_asked(address: Interface, nic: Placed, now: Snapshot) -> bool:
    """Whether the router zone that runs, or the host itself, is on the network of an address."""
    if nic.vid:
        return False
    if nic.router is not None and nic.network is not None:
        return steps.is_running(nic.router) and address.ip in nic.network.subnet
    return any(address.ip in own.network for own in now.addresses.get(nic.over, []))


def _link_steps(job: Job, exclusive: bool) -> list[Step]:
    found: list[Step] = []
    kept = set()
    for nic in job.placed if exclusive else ():
        kept.add(nic.vnic)
        if nic.made and not _at_work(nic, job):
            found += steps.vnic_steps(
                nic.vnic,
                nic.over,
                job.now,
                mac=nic.mac or _kept_mac(nic, job),
                vid=nic.vid,
                dhcp_protection=nic.asking,
                zone=job.name,
            )
        if not nic.global_nic:
            found += _mtu_steps(nic, job)
    for vnic in own_vnics(job.name, job.zone, job.now):
        if vnic not in kept:
            found += steps.delete_vnic_steps(vnic)
    return found


def protecting_steps(job: Job) -> list[Step]:
    """Protect the links of DHCP clients again: it went when the zone was halted (zoneadmd)."""
    again = [steps.protect_step(nic.vnic) for nic in job.placed if nic.made and nic.asking]
    return [step for step in again if step not in job.links]


def _kept_mac(nic: Placed, job: Job) -> str | None:
    """The MAC address that a vnic keeps when it is made anew: its lower link or its address is the same."""
    link = job.now.link_of(job.name, nic.vnic)
    if link is None or not link.mac:
        return None
    nets = [net for net in job.config.of_kind("net") if net.values.get("physical") == nic.vnic]
    same_address = any(address.ip in addresses_of(net) for net in nets for address in nic.statics)
    return link.mac if link.over == nic.over or same_address else None


def _stays(nic: Placed, job: Job) -> dladm.Link | None:
    """The link that a nic has, when it is not going to be made anew."""
    link = job.now.link_of(job.name, nic.vnic)
    if link is None or not nic.made:
        return link
    remade = link.over not in ("", nic.over) or link.vid != nic.vid or (nic.mac and link.mac != nic.mac)
    return None if remade else link


def _at_work(nic: Placed, job: Job) -> bool:
    """Whether a zone that runs uses the nic's link as it is to be used: its protection is left alone."""
    if job.zone is None or not job.zone.listed.active or _stays(nic, job) is None:
        return False
    return any(
        nic.vnic == had.vnic and (nic.dhcp, nic.protected) == (had.dhcp, had.allowed_address)
        for had in nics.read(job.zone, job.now)
    )


def _mtu_steps(nic: Placed, job: Job) -> list[Step]:
    if nic.mtu is None:
        return []
    below = job.now.links.get(nic.over)
    if below is not None and nic.made and nic.mtu > below.mtu:
        raise Refused(
            f"{nic.over} carries packets of up to {below.mtu} bytes: choose an MTU of at most that",
            f"{nic.path}.mtu",
        )
    link = _stays(nic, job)
    if link is not None and link.mtu == nic.mtu:
        return []
    # Setting it at creation is sometimes not honoured.
    return [
        Step(
            f"setting the MTU of {nic.vnic} to {nic.mtu}",
            dladm.set_property(nic.vnic, "mtu", str(nic.mtu)),
            done=dladm.has_property(nic.vnic, "mtu", str(nic.mtu)),
        )
    ]


def _tuning_steps(nic: Placed, job: Job) -> list[Step]:
    """Bandwidth cap and priority, which are changed while the zone runs."""
    if nic.shared or nic.global_nic:
        return []
    link = _stays(nic, job) or dladm.Link(nic.vnic, "vnic", 0)
    zone = job.name if f"{job.name}/{nic.vnic}" in job.now.links else ""
    found = []
    if link.max_bandwidth != nic.max_bandwidth:
        shown = dladm.shown_bandwidth(nic.max_bandwidth)
        found.append(
            Step(
                f"capping the bandwidth of {nic.vnic}"
                if nic.max_bandwidth
                else f"taking the bandwidth cap off {nic.vnic}",
                dladm.set_property(nic.vnic, "maxbw", dladm.bandwidth(nic.max_bandwidth), zone=zone)
                if nic.max_bandwidth
                else dladm.reset_property(nic.vnic, "maxbw", zone),
                done=dladm.has_property(nic.vnic, "maxbw", shown, zone),
            )
        )
    if link.priority != nic.priority.value:
        found.append(
            Step(
                f"setting the priority of {nic.vnic} to {nic.priority.value}",
                dladm.set_property(nic.vnic, "priority", nic.priority.value, zone=zone),
                done=dladm.has_property(nic.vnic, "priority", nic.priority.value, zone),
            )
        )
    return found


def _zap_record(job: Job, exclusive: bool) -> zap_records.ZoneRecord:
    addresses = [nic.address for nic in job.placed if nic.address]
    further = [address for nic in job.placed for address in nic.further]
    vnics = [nic.vnic for nic in job.placed if nic.made]
    return zap_records.ZoneRecord(
        zone=job.name,
        brand=job.kind.template or job.brand,
        exclusive=exclusive,
        addresses=[str(address.ip) for address in (*addresses, *further)],
        parents=list(dict.fromkeys(nic.router.zone for nic in job.placed if nic.router)),
        cleanup=[*map(zap_records.delete_vnic, vnics), *cleanup_lines(job.name, job.placed, job.now)],
    )


# Files of the zone's root ------------------------------------------------------------------------


def network_files(job: Job) -> dict[str, str | None]:
    """The files that set up the links of a native zone from inside; None for those that must not be there.

    An allowed-address is set up from the global zone, and wins over them. hostname.IF has words of
    ifconfig(8) in each line; an empty hostname6.IF lets in.ndpd find an address.
    """
    contents: dict[str, str | None] = {}
    gateway = None
    for nic in job.placed:
        if nic.shared:
            continue
        inside = () if nic.protected else nic.statics
        old = [address for address in inside if isinstance(address, IPv4Interface)]
        new = [address for address in inside if isinstance(address, IPv6Interface)]
        lines = [*map(str, old[:1]), *(f"addif {address} up" for address in old[1:])]
        lines6 = [f"addif {address} up" for address in new]
        contents |= _file(f"etc/hostname.{nic.vnic}", lines, old, nic.dhcp, job)
        contents |= _file(f"etc/hostname6.{nic.vnic}", lines6, new, nic.addrconf, job)
        contents[f"etc/dhcp.{nic.vnic}"] = "" if nic.dhcp else None
        if inside:
            gateway = gateway or nic.gateway
    present = job.zone.files.get(_ROUTE, "") if job.zone else ""
    if gateway:
        contents[_ROUTE] = present if present.split() == [str(gateway)] else f"{gateway}\n"
    elif job.zone and any(had.gateway and not had.allowed_address for had in nics.read(job.zone, job.now)):
        contents[_ROUTE] = None
    links = {*own_names(job.name, job.zone), *links_of(job.config)}
    for path in job.zone.files if job.zone else ():
        stem, _, link = path.partition(".")
        if stem in ("etc/hostname", "etc/hostname6", "etc/dhcp") and link in links:
            contents.setdefault(path, None)
    return contents


def _file(
    path: str, lines: list[str], addresses: Sequence[Interface], empty: bool, job: Job
) -> dict[str, str | None]:
    """A file with these lines, the present one where it says the same in other words; or none.

    Args:
        empty: have it without lines, too.
    """
    present = job.zone.files.get(path, "") if job.zone else ""
    meant = nics.addresses_of_file(present)
    if addresses and len(meant) == len(addresses) and all(map(_means, meant, addresses)):
        return {path: present}
    return {path: "".join(f"{line}\n" for line in lines) if lines or empty else None}


def _means(said: nics.Spelled, address: Interface) -> bool:
    if isinstance(said, IPv6Interface):
        return said == address
    return said.matches(HostAddress(IPv4Address(address.ip), address.network.prefixlen))


# What belongs to it ------------------------------------------------------------------------------


def own_names(name: str, zone: ZoneSeen | None) -> set[str]:
    """The names that we give to this zone's vnics."""
    nets = zone.config.of_kind("net") if zone else []
    return {names.vnic(name, number) for number in range(len(nets) + 16)}


def own_vnics(name: str, zone: ZoneSeen | None, now: Snapshot) -> list[str]:
    """The vnics of a zone: those of its configuration, and those that carry the names that we give.

    What the brand makes on demand is left out, and what another zone uses.
    """
    found = own_names(name, zone)
    if zone is not None and zone.listed.exclusive:
        found |= set(links_of(zone.config)) - on_demand_links(zone)
    return [vnic for vnic in sorted(found) if _is_own(name, vnic, now)]


def on_demand_links(zone: ZoneSeen) -> set[str]:
    """The links of a zone that its brand makes at boot."""
    return {n.values.get("physical", "") for n in zone.config.of_kind("net") if n.values.get("global-nic")}


def _is_own(name: str, vnic: str, now: Snapshot) -> bool:
    if f"{name}/{vnic}" in now.links:
        return False  # Others have a link of that name, and dladm would delete one of theirs.
    link = now.link_of(name, vnic)
    return link is not None and link.link_class == "vnic" and now.user_of_link(vnic) == name


def _leftover_steps(zone: ZoneSeen) -> list[Step]:
    """Tell the user of vnics that the zone's brand made and has not removed when the zone halted."""
    script = """
if /usr/sbin/dladm show-link -p -o link "$1" >/dev/null 2>&1; then
    echo "vnic $1, which the brand made for zone $2, is still there: dladm delete-vnic $1 removes it" >&2
fi
"""
    return [
        Step(f"looking whether vnic {vnic} is gone", sh(script, vnic, zone.name), warns=True)
        for vnic in sorted(on_demand_links(zone))
    ]
