"""The services of a router zone: enabled for good, so that they come back after each boot."""

from __future__ import annotations

from collections.abc import Mapping

from pulumi_illumos_provider.illumos import dnsmasq, ndpd, smf
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.illumos.snapshot import ZoneSeen
from pulumi_illumos_provider.illumos.zlogin import GLOBAL
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.router import render
from pulumi_illumos_provider.resources.router.design import Design

LIMIT = 180.0
"""Seconds that a service may take to come online."""


def fmris(design: Design, distribution: Distribution) -> dict[str, str]:
    """The services that the router needs, by what they do."""
    six = {"ipv6-forwarding": smf.FORWARDING6, "ndp": smf.ROUTER_ADVERTISEMENTS}
    return {
        "forwarding": smf.FORWARDING,
        "ipfilter": smf.IPFILTER,
        "dnsmasq": distribution.dnsmasq.fmri,
        **(six if design.has_ipv6 else {}),
    }


def states(design: Design, zone: ZoneSeen, distribution: Distribution) -> Mapping[str, str]:
    """The state of each service of a running router zone."""
    if not steps.is_running(zone):
        return {}
    return {
        service: zone.services.get(fmri, "absent") for service, fmri in fmris(design, distribution).items()
    }


def enable_steps(design: Design, distribution: Distribution) -> list[Step]:
    """After a boot: have every service online."""
    return [
        *([_policy_step(design.zone)] if design.settings.firewall.enabled else []),
        *(
            _enable_step(design.zone, service, fmri)
            for service, fmri in fmris(design, distribution).items()
        ),
    ]


def mend_steps(design: Design, zone: ZoneSeen, distribution: Distribution) -> list[Step]:
    """In a running zone: put right what is not as it should be."""
    name = design.zone
    online = states(design, zone, distribution)
    found = []
    if design.settings.firewall.enabled and policy(zone) != smf.CUSTOM:
        found.append(_policy_step(name))
    for service, fmri in fmris(design, distribution).items():
        if online[service] != "online":
            found.append(_enable_step(name, service, fmri))
    if forwarding_is_off(zone) and online["forwarding"] == "online":
        found.append(
            Step(
                f"switching forwarding on again in zone {name}",
                smf.forward_again(name),
                done=smf.forwards(name),
                timeout=LIMIT,
                remedy=_remedy(name, smf.FORWARDING),
            )
        )
    return found


def advertisement_steps(design: Design, zone: ZoneSeen) -> list[Step]:
    """In a running zone: have the networks' prefixes announced, and no others."""
    text = render.advertisements(design)
    if zone.files.get(ndpd.CONFIG) == text and ndpd.FORMER not in zone.files:
        return []
    return [
        Step(
            f"changing the router advertisements of zone {design.zone}",
            ndpd.replace_config(design.zone, design.root, text),
            done=ndpd.runs_with(design.zone, design.root, text),
            timeout=LIMIT,
            remedy=_remedy(design.zone, smf.ROUTER_ADVERTISEMENTS),
        )
    ]


def name_server_steps(design: Design, zone: ZoneSeen, distribution: Distribution) -> list[Step]:
    """In a running zone: let dnsmasq have its configuration, tested before it counts."""
    package = distribution.dnsmasq
    text = render.name_server(design, distribution)
    path = package.config.lstrip("/")
    if zone.files.get(path) == text and f"{path}.old" not in zone.files:
        return []
    return [
        Step(
            f"changing the configuration of dnsmasq in zone {design.zone}",
            dnsmasq.replace_config(package, design.zone, design.root, text),
            done=dnsmasq.runs_with(package, design.zone, design.root, text),
            timeout=LIMIT,
            remedy=_remedy(design.zone, package.fmri),
        )
    ]


def forwarding_is_off(zone: ZoneSeen) -> bool:
    """Whether the kernel of a running zone does not forward, whatever the service says."""
    return zone.live.get("forwarding", "on").strip() != "on"


def policy(zone: ZoneSeen) -> str:
    """Where IPFilter's service takes the filter from."""
    return zone.live.get("policy", smf.CUSTOM).strip()


def _policy_step(zone: str) -> Step:
    return Step(
        f"letting IPFilter read the filter's rules in zone {zone}",
        smf.set_custom_policy(zone),
        done=smf.has_custom_policy(zone),
        remedy=_remedy(zone, smf.IPFILTER),
    )


def _enable_step(zone: str, service: str, fmri: str) -> Step:
    return Step(
        f"enabling {service} in zone {zone}",
        smf.enable(zone, fmri),
        done=smf.online(zone, fmri),
        timeout=LIMIT,
        remedy=_remedy(zone, fmri),
    )


def _remedy(zone: str, fmri: str) -> str:
    where = "" if zone == GLOBAL else f"-z {zone} "
    return f"look at it with svcs {where}-xv {fmri}"
