"""The steps that make a router zone of its own, or bring the one that is there to another design."""

from __future__ import annotations

from pulumi_illumos_provider.illumos import (
    files,
    fragments,
    ipfilter,
    ndpd,
    records,
    zonecfg,
)
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.illumos.snapshot import ZoneSeen
from pulumi_illumos_provider.illumos.zlogin import inside, script_of
from pulumi_illumos_provider.plan import Step, sh
from pulumi_illumos_provider.resources import zap
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.kind import Plan
from pulumi_illumos_provider.resources.router import (
    equipment,
    links,
    render,
    routes,
    services,
)
from pulumi_illumos_provider.resources.router.design import (
    SETTINGS,
    Design,
    attributes,
    recorded,
)
from pulumi_illumos_provider.resources.zone.job import Job


class Work:
    """From a design and what is there to steps.

    Args:
        design: what the router zone is to be.
        retired: networks that it has, and is to lose.
        job: what the sides that it shares with other zones want done.
    """

    def __init__(self, design: Design, retired: tuple[records.Network, ...], job: Job) -> None:
        self._design = design
        self._retired = retired
        self._job = job
        self._now = job.now
        self._zone = job.zone
        self._vnics = links.vnic_steps(design, job.now)
        self._stops = job.zone is not None and job.zone.listed.active and self._must_stop(job.zone)
        self._live = job.running and not self._stops

    def _must_stop(self, zone: ZoneSeen) -> bool:
        """A link that the zone has cannot be made anew under it; a new one can be lent to it."""
        present = {net.values.get("physical") for net in zone.config.of_kind("net")}
        changed = any(needed for vnic, needed in self._vnics.items() if vnic in present)
        return changed or bool(self._job.reboot) or not steps.is_running(zone)

    def plan(self) -> Plan:
        """Everything in order."""
        job, design, zone = self._job, self._design, self._zone
        plan: list[Step] = [
            *equipment.ipfilter_steps(self._now),
            *steps.clear_incomplete_steps(design.name, zone),
        ]
        plan += job.before
        # What goes stays in the configuration until it is gone: a run that is cut off knows of it.
        plan += self._configure(self._retired, zone)
        if self._stops:
            plan += steps.stop_steps(design.name, zone)
        plan += links.etherstub_steps(design, zone, self._now, job.owner)
        plan += [step for needed in self._vnics.values() for step in needed]
        plan += links.shared_steps(design, self._now)
        plan += job.links
        plan += self._install()
        plan += self._write()
        plan += self._run() if self._live else self._boot()
        plan += self._retire()
        plan += zap.router_steps(
            design.name,
            [n.record for n in design.networks],
            [address.ip for address in design.public.addresses],
            self._now,
        )
        # What was done before is known by this file: so it comes last.
        plan += steps.file_steps(design.name, design.root, {SETTINGS: design.stored}, zone)
        return Plan(tuple(plan), self._warnings())

    def _warnings(self) -> tuple[str, ...]:
        warnings = list(self._job.warnings)
        if self._stops and self._job.running:
            warnings.append(f"router zone {self._design.name} will be rebooted")
        return tuple(warnings)

    def _configure(self, also: tuple[records.Network, ...], present: ZoneSeen | None) -> list[Step]:
        job, design = self._job, self._design
        own = attributes(design, also)
        own[records.OWNER] = records.owner_value(job.owner.urn)
        vnics = [*design.vnics, *(n.vnic for n in also)]
        draft = zonecfg.Draft(
            job.properties,
            (
                *links.nets(vnics, job.config),
                *job.resources,
                *(zonecfg.attribute(*attribute) for attribute in own.items()),
            ),
            frozenset(job.scope | {("net", None), ("attr", None)}),
        )
        template = job.kind.template
        return steps.configure_steps(design.name, draft, template, present)

    def _install(self) -> list[Step]:
        design, zone, distribution = self._design, self._zone, self._now.distribution
        if self._live:
            return equipment.directory_steps(design, distribution) if self._serves_anew() else []
        packages = (distribution.ipfilter_package, distribution.dnsmasq.package)
        options = distribution.router_install((*packages, *design.settings.packages))
        return [
            *steps.install_steps(design.name, zone, options),
            *_equipment_steps(design, distribution),
        ]

    def _serves_anew(self) -> bool:
        zone, distribution = self._zone, self._now.distribution
        path = distribution.dnsmasq.config.lstrip("/")
        return zone is not None and zone.files.get(path) != render.name_server(self._design, distribution)

    def _write(self) -> list[Step]:
        """Write what the zone reads when it boots."""
        design, zone, distribution = self._design, self._zone, self._now.distribution
        contents = {path: text for path, text in render.files(design).items() if path != SETTINGS}
        if not self._live:
            contents[distribution.dnsmasq.config.lstrip("/")] = render.name_server(design, distribution)
            contents[f"{distribution.dnsmasq.config.lstrip('/')}.old"] = None
            contents[ndpd.FORMER] = None
        else:
            del contents[ndpd.CONFIG]
        kept = {f"etc/{kind}.{n.vnic}" for n in self._retired for kind in ("hostname", "hostname6")}
        for path in zone.files if zone else ():
            if path.startswith(("etc/hostname.", "etc/hostname6.")) and path not in kept:
                contents.setdefault(path, None)
        return steps.file_steps(design.name, design.root, contents, zone)

    def _boot(self) -> list[Step]:
        design = self._design
        return [
            *self._rules(),
            *routes.route_steps(design, self._zone, live=False),
            *self._job.inside,
            *steps.boot_steps(design.name, native=True),
            _device_step(design.name, self._now.distribution),
            *services.enable_steps(design, self._now.distribution),
            *self._packages(),
            *self._job.booted,
        ]

    def _run(self) -> list[Step]:
        """Let the running zone follow; rules after links, because they are bound to the links' names."""
        design, zone, distribution = self._design, self._zone, self._now.distribution
        assert zone is not None
        return [
            *links.live_steps(design, zone, self._now),
            *routes.default_steps(design, zone),
            *routes.route_steps(design, zone, live=True),
            *self._packages(),
            *self._rules(),
            *services.mend_steps(design, zone, distribution),
            *services.advertisement_steps(design, zone),
            *services.name_server_steps(design, zone, distribution),
            *self._job.live,
        ]

    def _packages(self) -> list[Step]:
        zone = self._zone
        if zone is None or not steps.is_installed(zone):
            return []
        return _package_steps(self._design, zone, self._now.distribution)

    def _rules(self) -> list[Step]:
        design, zone = self._design, self._zone
        found = [] if zone is None else _former_rules_steps(design, zone)
        for kind, what, rules in (
            (fragments.NAT, "address translation", render.nat_rules(design)),
            (fragments.FILTER, "packet filter", render.filter_rules(design)),
            (fragments.FILTER6, "packet filter for IPv6", render.filter6_rules(design)),
        ):
            found += equipment.rules_steps(kind, what, rules, design, zone)
        return found

    def _retire(self) -> list[Step]:
        if self._zone is None or not self._retired:
            return []
        name, first = self._design.name, len(self._design.networks)
        networks = [f"{records.NETWORK}{first + number}" for number in range(len(self._retired))]
        gone = [zonecfg.attribute(network, "") for network in networks]
        gone += [steps.net(n.vnic) for n in self._retired]
        subnets = ", ".join(str(n.subnet) for n in self._retired)
        return [
            *links.retire_steps(self._retired, self._zone, self._now, self._live),
            Step(
                f"removing {subnets} from the configuration of zone {name}",
                zonecfg.edit(name, map(zonecfg.remove_resource, gone)),
                done=zonecfg.lacks(
                    name,
                    *(f"set name={network}" for network in networks),
                    *(f"set physical={n.vnic}" for n in self._retired),
                ),
            ),
        ]


def _equipment_steps(design: Design, distribution: Distribution) -> list[Step]:
    """Never trust a package manager's exit status: look whether the programs are there."""
    package = distribution.dnsmasq
    script = """
root=$1
shift
while [ $# -ge 2 ]; do
    [ -x "$root$1" ] || { echo "package $2 is missing in the zone: there is no $1" >&2; exit 1; }
    shift 2
done
"""
    words = ("/usr/sbin/ipnat", distribution.ipfilter_package, package.program, package.package)
    return [
        Step(
            f"looking for IPFilter and dnsmasq in zone {design.name}",
            sh(script, design.root, *words),
            remedy="see that the host's package repositories offer the package, then run again",
        ),
        *equipment.directory_steps(design, distribution),
        Step(f"letting zone {design.name} use DNS", files.use_dns(design.root)),
    ]


def _device_step(zone: str, distribution: Distribution) -> Step:
    """A zone gets copies of the devices that the global zone had when the zone was booted."""
    script = """
[ -e /dev/ipnat ] || {
    echo "there is no /dev/ipnat: package $1 was not in the global zone when the zone was booted" >&2
    exit 1
}
"""
    return Step(
        f"looking for IPFilter's devices in zone {zone}",
        inside(zone, script, distribution.ipfilter_package),
        remedy=f"install {distribution.ipfilter_package} in the global zone, and reboot the zone",
    )


def _package_steps(design: Design, zone: ZoneSeen, distribution: Distribution) -> list[Step]:
    """Install packages that are wanted since the zone was installed; none is ever removed."""
    before = recorded(zone)
    had = before.settings.packages if before else []
    return [
        Step(
            f"installing package {package} in zone {design.name}",
            inside(design.name, *script_of(distribution.install_package(package))),
            done=inside(design.name, *script_of(distribution.has_package(package))),
            timeout=steps.INSTALL_LIMIT,
            remedy=f"see that the host's package repositories offer {package}, then run again",
        )
        for package in design.settings.packages
        if package not in had
    ]


def _former_rules_steps(design: Design, zone: ZoneSeen) -> list[Step]:
    """Take away a file that an earlier version wrote as a whole: its rules come back as a fragment."""
    text = zone.files.get(fragments.NAT.config, "")
    before = recorded(zone)
    if before is None or fragments.ROUTER in fragments.read(zone.files, fragments.NAT):
        return []
    former = ipfilter.nat_rules(
        before.public.vnic, before.public.address.ip, (n.record.subnet for n in before.networks)
    )
    if split_lines(text) != former:
        return []
    path = fragments.NAT.config
    return [
        Step(
            f"making room for the rules of several owners in zone {design.name}",
            files.remove_zone_file(design.root, path),
        )
    ]
