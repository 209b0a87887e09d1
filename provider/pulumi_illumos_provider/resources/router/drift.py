"""What others changed of a router zone, found by comparing it with the design that it was built to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pulumi_illumos_provider.illumos import fragments, ifconfig, route, smf
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.router import render, services
from pulumi_illumos_provider.resources.router.design import Design

_TOLD_OTHERWISE = frozenset({"etc/resolv.conf", "etc/defaultrouter"})
"""Files that properties are read from."""


def found(design: Design, zone: ZoneSeen, now: Snapshot) -> list[str]:
    """What is not as the router zone's own records say, in words."""
    if not zone.files:
        return []
    seen = [*_files(design, zone, now.distribution)]
    seen += rules(fragments.NAT, render.nat_rules(design), zone)
    seen += rules(fragments.FILTER, render.filter_rules(design), zone)
    seen += rules(fragments.FILTER6, render.filter6_rules(design), zone)
    if steps.is_running(zone) and "addresses" in zone.live:
        seen += _live(design, zone, now)
    return seen


def _files(design: Design, zone: ZoneSeen, distribution: Distribution) -> Iterator[str]:
    config = distribution.dnsmasq.config.lstrip("/")
    wanted = render.files(design) | {config: render.name_server(design, distribution)}
    for path, text in wanted.items():
        if path not in _TOLD_OTHERWISE and zone.files.get(path) != text:
            yield f"/{path} was changed" if path in zone.files else f"/{path} is missing"
    for path in (config, render.NDPD):
        if f"{path}.old" in zone.files:
            yield f"a change of /{path} was cut off"


def rules(kind: fragments.Rules, wanted: Sequence[str], zone: ZoneSeen) -> Iterator[str]:
    """What is not as it should be of the router's own rules, in words."""
    own = fragments.read(zone.files, kind).get(fragments.ROUTER, ())
    if own != tuple(wanted):
        yield f"/{kind.directory}/{fragments.ROUTER} was changed"
    lost = fragments.missing(kind, fragments.ROUTER, zone.files, zone.live)
    yield from (f"not in force: {rule}" for rule in lost)


def _live(design: Design, zone: ZoneSeen, now: Snapshot) -> Iterator[str]:
    if services.forwarding_is_off(zone):
        yield "forwarding is off"
    if design.settings.firewall.enabled and services.policy(zone) != smf.CUSTOM:
        yield f"IPFilter's policy is {services.policy(zone)}: it does not read the filter's rules"
    have = ifconfig.parse_addresses(zone.live["addresses"])
    for vnic, addresses in design.addresses.items():
        link = now.links.get(vnic)
        if link is None or link.zone != zone.name:
            yield f"the zone does not have its vnic {vnic}"
        elif have.get(vnic) != frozenset(addresses):
            yield f"{vnic} has other addresses"
    table = route.parse_table(zone.live.get("routes", ""))
    persistent = route.parse_static(zone.files.get(route.STATIC_ROUTES, ""))
    for static in render.routes(design):
        if static not in persistent or not route.in_table(static, table):
            yield f"there is no route to {static.destination}"
    gateways = {gateway for destination, gateway in table if destination == "default"}
    if gateways != ({str(design.public.gateway)} if design.public.gateway else set()):
        yield "the default route is another"
