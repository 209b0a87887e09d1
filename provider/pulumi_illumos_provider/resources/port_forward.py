"""PortForward: observe and plan."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import fragments, ipfilter_rules, names, records, sharing
from pulumi_illumos_provider.illumos.fragments import FILTER, NAT
from pulumi_illumos_provider.illumos.ipfilter_rules import Published
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model.base import Change
from pulumi_illumos_provider.model.common import address_fault
from pulumi_illumos_provider.model.port_forward import (
    ForwardProtocol,
    PortForwardInputs,
    PortForwardOutputs,
    target_address,
)
from pulumi_illumos_provider.model.router_values import Ports
from pulumi_illumos_provider.model.values import HostAddress
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources import zone_steps
from pulumi_illumos_provider.resources.kind import Claim, Difference, Kind, Owner, Plan, local_name
from pulumi_illumos_provider.resources.router.global_zone import refuse_own_login

STEP_LIMIT = sharing.LOCK_LIMIT + 60.0
"""Seconds for a step that waits for other programs' changes of the router first."""

_PREFIX = "50-forward"
_RECORD = "forward: "


@dataclass(frozen=True)
class Forward:
    """A forward with everything worked out.

    Attributes:
        published: ports, address and target.
        zone: the zone that the target's address was looked up for; empty when it was given.
        hairpin: whether zones behind the router reach it by the public address.
    """

    published: Published
    zone: str
    hairpin: bool

    def encode(self) -> str:
        """The note that stands in the fragment."""
        p = self.published
        return _RECORD + json.dumps(
            {
                "protocol": p.protocol,
                "address": str(p.address),
                "first": p.first,
                "last": p.last,
                "target": str(p.target),
                "port": p.port,
                "zone": self.zone,
                "hairpin": self.hairpin,
            }
        )

    @classmethod
    def decode(cls, notes: Sequence[str]) -> Forward | None:
        """Read it from a fragment's notes; None when it is not there, or damaged."""
        text = next((note.removeprefix(_RECORD) for note in notes if note.startswith(_RECORD)), "")
        try:
            v = json.loads(text)
            published = Published(
                str(ForwardProtocol(v["protocol"])),
                IPv4Address(v["address"]),
                int(v["first"]),
                int(v["last"]),
                IPv4Address(v["target"]),
                int(v["port"]),
            )
            return cls(published, str(v["zone"]), bool(v["hairpin"]))
        except (KeyError, TypeError, ValueError):
            return None


class PortForwardKind(Kind[PortForwardInputs, PortForwardOutputs]):
    """Ports of a router's public address that lead to a zone."""

    token: ClassVar[str] = "illumos:index:PortForward"
    inputs: type[PortForwardInputs] = PortForwardInputs
    outputs: type[PortForwardOutputs] = PortForwardOutputs
    parts: ClassVar[tuple[str, ...]] = ("router", "name")
    uncertain: ClassVar[frozenset[str]] = frozenset({"router", "target"})
    follows: ClassVar[Mapping[str, frozenset[str]]] = {
        "targetAddress": frozenset({"target"}),
        "deviations": frozenset({"deviations"}),
    }

    def autoname(self, name: str, suffix: str) -> str:
        return names.automatic_zone(name, suffix)

    def claims(self, wanted: PortForwardInputs) -> list[Claim]:
        return [
            port_claim(
                wanted.router,
                wanted.protocol.value,
                wanted.public_address,
                wanted.public_port,
                "publicPort",
            )
        ]

    # Planning ------------------------------------------------------------------------------------

    def plan(
        self,
        wanted: PortForwardInputs,
        now: Snapshot,
        owner: Owner,
        state: PortForwardOutputs | None,
    ) -> Plan:
        router = router_of(wanted.router, wanted.host, now)
        if state is None:
            _refuse_foreign(router, wanted, owner)
        forward = _work_out(wanted, router, now)
        _refuse_taken(router, _fragment(wanted.name or ""), forward.published)
        p = forward.published
        refuse_own_login(router, p.protocol, p.first, p.last, "publicPort")
        whose = sharing.owner_note(records.owner_value(owner.urn))
        ports = sharing.ports_note(p.protocol, p.address, p.first, p.last)
        fresh = state is None
        # The rules with the ports come first: who is too late for them leaves nothing behind.
        making = _nat_rules(forward, router), [whose, ports, forward.encode()]
        passing = _filter_rules(forward, router), [whose]
        return Plan(
            (
                _step("making", NAT, router, wanted, *making, fresh=fresh),
                _step("letting the filter pass", FILTER, router, wanted, *passing, fresh=fresh),
            )
        )

    def plan_delete(self, name: str, now: Snapshot, state: PortForwardOutputs) -> Plan:
        place, own = name.split("/")
        router = now.zones.get(place)
        if router is None or not zone_steps.is_installed(router):
            return Plan()
        return Plan(
            tuple(
                Step(
                    f"{say} {own} of router zone {place}",
                    fragments.remove(kind, router.zone, router.root, _fragment(own)),
                    done=fragments.absent(kind, router.zone, router.root, _fragment(own)),
                    timeout=STEP_LIMIT,
                )
                for say, kind in (
                    ("removing forward", NAT),
                    ("letting the filter forget forward", FILTER),
                )
            )
        )

    # Reading -------------------------------------------------------------------------------------

    def read(self, host: str, name: str, now: Snapshot) -> PortForwardOutputs | None:
        place, own = name.split("/")
        router = now.zones.get(place)
        if router is None or router.public is None:
            return None
        forward = Forward.decode(fragments.notes(router.files, NAT).get(_fragment(own), ()))
        if forward is None:
            return None
        p = forward.published
        follows = forward.zone and _addresses(forward.zone, router, now) == [p.target]
        return PortForwardOutputs(
            host=host,
            name=own,
            router=place,
            protocol=ForwardProtocol(p.protocol),
            public_port=Ports(p.first, p.last),
            public_address=p.address,
            router_address=router.public.address.ip,
            target=forward.zone if follows else str(p.target),
            target_address=p.target,
            target_port=Ports(p.port, p.last_port),
            hairpin=forward.hairpin,
            deviations=_deviations(own, forward, router),
        )

    def importable(self, name: str, now: Snapshot) -> None:
        place, own = name.split("/")
        router = now.zones.get(place)
        if router is None or not router.is_router:
            raise Refused(_unknown_router(place, now), "router")
        notes = fragments.notes(router.files, NAT).get(_fragment(own))
        if notes is not None and Forward.decode(notes) is None:
            raise Refused(
                f"{router.root}/{NAT.directory}/{_fragment(own)} is damaged: remove it, and make the "
                "forward anew"
            )

    def differences(self, wanted: PortForwardInputs, state: PortForwardOutputs) -> list[Difference]:
        found = super().differences(wanted, state)
        if state.deviations:
            found.append(Difference("deviations", Change.LIVE, "delete"))
        return found

    def satisfied(self, field: str, wanted: PortForwardInputs, state: PortForwardOutputs) -> bool:
        match field:
            case "router":
                return local_name(wanted.router) == state.router
            case "public_address":
                return state.public_address == (wanted.public_address or state.router_address)
            case "target":
                address = target_address(wanted.target)
                return address == state.target_address or local_name(wanted.target) == state.target
            case "target_port":
                return wanted.target_ports == state.target_port
            case _:
                value = getattr(wanted, field)
                return value is None or bool(value == getattr(state, field))

    def spell(self, state: PortForwardOutputs) -> dict[str, Any]:
        wire = state.wire()
        spelled = {key: wire[key] for key in ("router", "name", "publicPort", "target")}
        if state.protocol is not ForwardProtocol.TCP:
            spelled["protocol"] = wire["protocol"]
        if state.public_address != state.router_address:
            spelled["publicAddress"] = wire["publicAddress"]
        if state.target_port != state.public_port:
            spelled["targetPort"] = wire["targetPort"]
        if not state.hairpin:
            spelled["hairpin"] = False
        return spelled


def _step(
    say: str,
    kind: fragments.Rules,
    router: ZoneSeen,
    wanted: PortForwardInputs,
    rules: list[str],
    notes: list[str],
    *,
    fresh: bool,
) -> Step:
    place = (kind, router.zone, router.root, _fragment(wanted.name or ""))
    return Step(
        f"{say} forward {wanted.name} in router zone {router.name}",
        fragments.put(*place, rules, notes, fresh=fresh),
        done=fragments.in_force(*place, rules, notes),
        timeout=STEP_LIMIT,
    )


# For every resource that has ports of a router -----------------------------------------------------


def port_claim(
    router: str, protocol: str, address: IPv4Address | None, ports: Ports, property: str
) -> Claim:
    """Ports of a router for one resource alone.

    Args:
        router: its name or id.
        address: its address to the world; None for its own ``publicAddress``.
    """
    name = local_name(router)
    space = f"{protocol} port of {f'{address} in {name}' if address else name}"
    return Claim(space, ports.first, ports.last, f"{protocol} port {ports} of router zone {name}", property)


def router_of(reference: str, host: str | None, now: Snapshot) -> ZoneSeen:
    """The router zone that a resource names.

    Raises:
        Refused: there is none of that name, or it is on another host.
    """
    refuse_elsewhere(reference, host, "router")
    name = local_name(reference)
    router = now.zones.get(name)
    if router is None or not router.is_router:
        raise Refused(_unknown_router(name, now), "router")
    if not zone_steps.is_installed(router):
        raise Refused(f"router zone {name} is not installed yet", "router")
    return router


def refuse_elsewhere(reference: str, host: str | None, property: str) -> None:
    """Refuse an id HOST/NAME of another host than the resource's own."""
    place, slash, name = reference.rpartition("/")
    if slash and host is not None and place != host:
        raise Refused(f"zone {name} is on host {place}, and this resource on {host}: set host", property)


def public_address(wanted: IPv4Address | None, router: ZoneSeen, property: str) -> IPv4Address:
    """The router's address that a resource means.

    Raises:
        Refused: the router does not have it.
    """
    own = [interface.ip for interface in router.public.addresses] if router.public else []
    if wanted is None:
        return own[0]
    if wanted not in own:
        known = ", ".join(str(address) for address in own)
        raise Refused(f"router zone {router.name} does not have {wanted} (it has {known})", property)
    return wanted


def address_behind(
    target: str, router: ZoneSeen, host: str | None, now: Snapshot, property: str
) -> IPv4Address:
    """The address behind a router that a target means: its own, or that of the zone.

    Raises:
        Refused: it is no address of the router's networks, or the zone has none or several there.
    """
    served = ", ".join(str(network.subnet) for network in router.networks)
    address = target_address(target)
    if address is not None:
        network = router.network_of(address)
        if network is None:
            raise Refused(f"{address} is in no network of router zone {router.name} ({served})", property)
        if address == network.address:
            raise Refused(f"{address} is router zone {router.name} itself: name a zone behind it", property)
        if fault := address_fault(HostAddress(address), network.subnet):
            raise Refused(fault, property)
        return address
    refuse_elsewhere(target, host, property)
    name = local_name(target)
    if name not in now.zones:
        raise Refused(f"there is no zone {name} on the host", property)
    found = _addresses(name, router, now)
    if not found:
        raise Refused(
            f"zone {name} has no address in a network of router zone {router.name} ({served})", property
        )
    if len(found) > 1:
        raise Refused(
            f"zone {name} has several addresses behind router zone {router.name}: "
            f"say which one ({', '.join(map(str, found))})",
            property,
        )
    return found[0]


def _addresses(zone: str, router: ZoneSeen, now: Snapshot) -> list[IPv4Address]:
    """The addresses that a zone has behind a router, as configured or reserved."""
    found = {r.address for r in router.reservations if r.name == zone}
    seen = now.zones.get(zone)
    for net in seen.config.of_kind("net") if seen else ():
        text = net.values.get("allowed-address") or net.values.get("address") or ""
        try:
            found.add(IPv4Address(text.partition("/")[0]))
        except ValueError:
            continue  # IPv6, or none: the zone asks for its address
    return sorted(address for address in found if router.network_of(address))


# Working out -------------------------------------------------------------------------------------


def _fragment(name: str) -> str:
    return fragments.fragment_name(_PREFIX, name)


def _work_out(wanted: PortForwardInputs, router: ZoneSeen, now: Snapshot) -> Forward:
    published = Published(
        protocol=wanted.protocol.value,
        address=public_address(wanted.public_address, router, "publicAddress"),
        first=wanted.public_port.first,
        last=wanted.public_port.last,
        target=address_behind(wanted.target, router, wanted.host, now, "target"),
        port=wanted.target_ports.first,
    )
    zone = "" if target_address(wanted.target) else local_name(wanted.target)
    return Forward(published, zone, wanted.hairpin)


def _nat_rules(forward: Forward, router: ZoneSeen) -> list[str]:
    assert router.public is not None
    rules = [ipfilter_rules.redirect(router.public.vnic, forward.published)]
    if not forward.hairpin:
        return rules
    for network in router.networks:
        rules.append(ipfilter_rules.redirect(network.vnic, forward.published))
    own = router.network_of(forward.published.target)
    if own is not None:
        rules.append(ipfilter_rules.way_back(own.vnic, own.subnet, own.address, forward.published))
    return rules


def _filter_rules(forward: Forward, router: ZoneSeen) -> list[str]:
    assert router.public is not None
    links = [router.public.vnic]
    if forward.hairpin:
        links += [network.vnic for network in router.networks]
    return [ipfilter_rules.admit(link, forward.published) for link in links]


def _deviations(name: str, forward: Forward, router: ZoneSeen) -> list[str]:
    """What is wrong with a forward's rules, in words."""
    found = []
    for kind, meant in ((NAT, _nat_rules(forward, router)), (FILTER, _filter_rules(forward, router))):
        written = fragments.read(router.files, kind).get(_fragment(name), ())
        lacking = [rule for rule in meant if rule not in written]
        lacking += fragments.missing(kind, _fragment(name), router.files, router.live)
        found += [f"not in force: {rule}" for rule in dict.fromkeys(lacking)]
        found += [f"not asked for: {rule}" for rule in written if rule not in meant]
    return found


# Refusing ----------------------------------------------------------------------------------------


def _unknown_router(name: str, now: Snapshot) -> str:
    known = ", ".join(zone.name for zone in now.routers) or "none"
    return f"there is no router zone {name} on the host (known: {known})"


def _refuse_foreign(router: ZoneSeen, wanted: PortForwardInputs, owner: Owner) -> None:
    notes = fragments.notes(router.files, NAT).get(_fragment(wanted.name or ""))
    if notes is not None and sharing.owner(notes) != records.owner_value(owner.urn):
        raise Refused(
            f"router zone {router.name} has a forward {wanted.name} already, which is not this resource's "
            f"but {sharing.owner(notes) or 'nobody'}'s: choose another name, or take it over with: "
            f"pulumi import {PortForwardKind.token} NAME HOST/{router.name}/{wanted.name}",
            "name",
        )


def _refuse_taken(router: ZoneSeen, own: str, published: Published) -> None:
    p = published
    for other in sharing.taken(router.files):
        if other.path != f"{NAT.directory}/{own}" and other.overlaps(
            p.protocol, p.address, p.first, p.last
        ):
            raise Refused(
                f"{p.protocol} port {Ports(other.first, other.last)} of {p.address} is taken by "
                f"{other.owner or other.path} on router zone {router.name}: choose another port",
                "publicPort",
            )
