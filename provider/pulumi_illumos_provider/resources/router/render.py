"""What a router zone's design means: the files of its root and the rules of its filter."""

from __future__ import annotations

from ipaddress import IPv4Address

from pulumi_illumos_provider.illumos import dnsmasq, ifconfig, ipfilter, ndpd
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.illumos.route import StaticRoute
from pulumi_illumos_provider.model.router_values import Ports
from pulumi_illumos_provider.model.router_zone import PUBLIC_LINK, FirewallRule
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.router.design import SETTINGS, Design, Net

NDPD = ndpd.CONFIG


def files(design: Design) -> dict[str, str | None]:
    """The files that are read at boot; None for one that must not be there.

    The name server's configuration and the rules are not among them: these are tested before they count.
    """
    contents: dict[str, str | None] = {
        "etc/nodename": f"{design.name}\n",
        "etc/resolv.conf": steps.resolv_conf(design.servers),
        f"etc/hostname.{design.public.vnic}": ifconfig.hostname_file(design.public.addresses),
        "etc/defaultrouter": f"{design.public.gateway}\n" if design.public.gateway else None,
        SETTINGS: design.stored,
        NDPD: advertisements(design),
        dnsmasq.RECORDS.lstrip("/"): dnsmasq.records_file(_records(design)),
    }
    for net in design.networks:
        contents[f"etc/hostname.{net.record.vnic}"] = ifconfig.hostname_file((net.interface,))
        six = net.interface6
        contents[f"etc/hostname6.{net.record.vnic}"] = ifconfig.hostname6_file((six,)) if six else None
    return contents


def advertisements(design: Design) -> str | None:
    """``ndpd.conf``: routers announce the networks' prefixes (ndpd.conf(5))."""
    lines = []
    for net in design.networks:
        if net.settings.subnet6:
            link = net.record.vnic
            lines.append(f"if {link} AdvSendAdvertisements on")
            lines.append(f"prefix {net.settings.subnet6} {link} AdvOnLinkFlag on AdvAutonomousFlag on")
    return "".join(f"{line}\n" for line in lines) or None


def name_server(design: Design, distribution: Distribution) -> str:
    """The configuration of dnsmasq."""
    settings = design.settings
    return dnsmasq.config(
        distribution.dnsmasq,
        [_served(net) for net in design.networks],
        dnsmasq.Names(
            router=design.name,
            servers=design.servers,
            forward=[(f.domain, f.servers) for f in settings.dns_forward],
            addresses=_records(design),
            aliases=[(r.name, r.alias) for r in settings.dns_records if r.alias],
        ),
    )


def _records(design: Design) -> list[tuple[str, IPv4Address]]:
    return [(r.name, r.address) for r in design.settings.dns_records if r.address]


def _served(net: Net) -> dnsmasq.Served:
    record, settings = net.record, net.settings
    pool = settings.dhcp_range
    return dnsmasq.Served(
        vnic=record.vnic,
        subnet=record.subnet,
        address=record.address,
        dhcp=record.dhcp,
        domain=record.domain,
        pool=(pool.first, pool.last) if pool else None,
        options=settings.dhcp_options,
        lease=settings.lease_time,
        mtu=settings.mtu,
    )


def nat_rules(design: Design) -> list[str]:
    """The router's own rules of address translation."""
    translated = [n.record.subnet for n in design.networks if n.settings.nat]
    return ipfilter.nat_rules(design.public.vnic, design.public.address.ip, translated)


def filter_rules(design: Design) -> list[str]:
    """The router's own rules of the packet filter; none that blocks when it is switched off."""
    firewall = design.settings.firewall
    if not firewall.enabled:
        # Without any rule of either kind IPFilter's service would come up and stay off.
        return [] if nat_rules(design) else ["pass out from any to any"]
    return ipfilter.filter_rules(_wall(design))


def filter6_rules(design: Design) -> list[str]:
    """The router's own rules of the packet filter for IPv6; none without IPv6, or without filter."""
    if not design.settings.firewall.enabled or not design.has_ipv6:
        return []
    return ipfilter.filter6_rules(_wall(design))


def _wall(design: Design) -> ipfilter.Wall:
    firewall = design.settings.firewall
    return ipfilter.Wall(
        link=design.public.vnic,
        addresses=[address.ip for address in design.public.addresses],
        sides=[
            ipfilter.Side(n.record.vnic, n.record.subnet, n.settings.isolated, n.settings.subnet6)
            for n in design.networks
        ],
        inbound=[
            ipfilter.Inbound(entry.protocol.value, _ends(entry.port), entry.source)
            for entry in firewall.inbound
        ],
        rules=[_rule(rule, design) for rule in firewall.rules],
        raw=firewall.raw_rules,
    )


def _rule(rule: FirewallRule, design: Design) -> ipfilter.Rule:
    links = {str(n.record.subnet): n.record.vnic for n in design.networks}
    links[PUBLIC_LINK] = design.public.vnic
    return ipfilter.Rule(
        action=rule.action.value,
        direction=rule.direction.value,
        link=links.get(rule.on) if rule.on else None,
        source=rule.source,
        destination=rule.destination,
        protocol=rule.protocol.value if rule.protocol else None,
        ports=_ends(rule.port),
    )


def _ends(ports: Ports | None) -> tuple[int, int] | None:
    return (ports.first, ports.last) if ports else None


def routes(design: Design) -> list[StaticRoute]:
    """The static routes."""
    return [StaticRoute(route.destination, route.gateway) for route in design.settings.routes]
