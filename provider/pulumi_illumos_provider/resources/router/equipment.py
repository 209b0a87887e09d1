"""What a router needs, in a zone of its own or in the global zone: IPFilter, directories, its rules."""

from __future__ import annotations

from pulumi_illumos_provider.illumos import dnsmasq, fragments, sharing
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.plan import Step, sh
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.router.design import Design

RULES_LIMIT = sharing.LOCK_LIMIT + 60.0


def ipfilter_steps(now: Snapshot) -> list[Step]:
    """A zone gets copies of the global zone's devices: the package must be there before it boots."""
    if now.ipfilter_installed:
        return []
    package = now.distribution.ipfilter_package
    return [
        Step(
            f"installing package {package} in the global zone",
            now.distribution.install_package(package),
            done=sh("[ -x /usr/sbin/ipnat ]"),
            timeout=steps.INSTALL_LIMIT,
            remedy=f"see that the host's package repositories offer {package}, then run again",
        )
    ]


def directory_steps(design: Design, distribution: Distribution) -> list[Step]:
    """The directories that dnsmasq reads, and that of its leases."""
    package = distribution.dnsmasq
    leases = package.lease_file.rsplit("/", 1)[0]
    script = """
root=$1 leases=$2 uid=$3
shift 3
for path; do
    mkdir -p "$root$path" || exit
done
[ -d "$root$leases" ] || { mkdir -p "$root$leases" && chown "$uid" "$root$leases"; }
"""
    there = """
root=$1
shift
for path; do
    [ -d "$root$path" ] || exit
done
"""
    read = [dnsmasq.HOSTS_DIRECTORY, dnsmasq.NAMES_DIRECTORY]
    read += [package.fragments] if package.fragments else []
    return [
        Step(
            f"preparing the directories of dnsmasq in zone {design.zone}",
            sh(script, design.root, leases, str(package.uid), *read),
            done=sh(there, design.root, leases, *read),
        )
    ]


def rules_steps(
    kind: fragments.Rules, what: str, rules: list[str], design: Design, zone: ZoneSeen | None
) -> list[Step]:
    """Have the router's own rules of a kind in force."""
    name, root, own = design.zone, design.root, fragments.ROUTER
    seen = zone.files if zone else {}
    present = fragments.read(seen, kind)
    remedy = f"look at {root}/{kind.config}, where an administrator may have written"
    if not rules:
        if own not in present:
            return []
        return [
            Step(
                f"removing the router's rules of {what} in zone {name}",
                fragments.remove(kind, name, root, own),
                done=fragments.absent(kind, name, root, own),
                timeout=RULES_LIMIT,
                remedy=remedy,
            )
        ]
    lost = fragments.missing(kind, own, seen, zone.live if zone else {})
    if present.get(own) == tuple(rules) and not lost:
        return []
    return [
        Step(
            f"setting the router's rules of {what} in zone {name}",
            fragments.put(kind, name, root, own, rules),
            done=fragments.in_force(kind, name, root, own, rules),
            timeout=RULES_LIMIT,
            remedy=remedy,
        )
    ]
