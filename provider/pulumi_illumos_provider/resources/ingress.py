"""Ingress: observe and plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import (
    fragments,
    haproxy,
    haproxy_service,
    ipfilter_rules,
    names,
    records,
    sharing,
)
from pulumi_illumos_provider.illumos.distribution import Distribution
from pulumi_illumos_provider.illumos.fragments import FILTER, NAT
from pulumi_illumos_provider.illumos.haproxy import Health, Server, Tls
from pulumi_illumos_provider.illumos.ipfilter_rules import Published
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.model import certificates
from pulumi_illumos_provider.model.base import Change
from pulumi_illumos_provider.model.ingress import (
    IngressBackend,
    IngressBackendState,
    IngressBalance,
    IngressCertificate,
    IngressHealthCheck,
    IngressInputs,
    IngressMode,
    IngressOutputs,
)
from pulumi_illumos_provider.model.port_forward import target_address
from pulumi_illumos_provider.model.router_values import Ports
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources import zone_steps
from pulumi_illumos_provider.resources.kind import Claim, Difference, Kind, Owner, Plan, local_name
from pulumi_illumos_provider.resources.port_forward import (
    STEP_LIMIT,
    address_behind,
    port_claim,
    public_address,
    router_of,
)

SERVICE_LIMIT = STEP_LIMIT + 4.0 * haproxy_service.LIMIT
"""Seconds for a step that may wait for haproxy, and take back what it did, besides."""

_PREFIX = "60-ingress"
_USUAL_PORTS = {"http": 80, "https": 443}


class IngressKind(Kind[IngressInputs, IngressOutputs]):
    """Names and ports of a router's public address that zones answer to."""

    token: ClassVar[str] = "illumos:index:Ingress"
    inputs: type[IngressInputs] = IngressInputs
    outputs: type[IngressOutputs] = IngressOutputs
    parts: ClassVar[tuple[str, ...]] = ("router", "name")
    uncertain: ClassVar[frozenset[str]] = frozenset({"router", "backends"})
    follows: ClassVar[Mapping[str, frozenset[str]]] = {
        "url": frozenset({"address", "port", "mode", "hostnames", "tls"}),
        "certificate": frozenset({"tls"}),
        "certificateInfo": frozenset({"tls"}),
        "deviations": frozenset({"deviations"}),
    }

    def autoname(self, name: str, suffix: str) -> str:
        return names.automatic_zone(name, suffix)

    def claims(self, wanted: IngressInputs) -> list[Claim]:
        port = port_claim(wanted.router, "tcp", wanted.address, Ports(wanted.port, wanted.port), "port")
        common = f"{wanted.mode.value}{' with tls' if wanted.tls else ''}"
        own = [(f"host name {h}", "hostnames") for h in wanted.hostnames]
        return [
            replace(port, shared=common),
            *(
                Claim(
                    f"{what} on {port.space}", wanted.port, wanted.port, f"{what} on {port.what}", property
                )
                for what, property in own or [("what has no host name of its own", "hostnames")]
            ),
        ]

    # Planning ------------------------------------------------------------------------------------

    def plan(
        self, wanted: IngressInputs, now: Snapshot, owner: Owner, state: IngressOutputs | None
    ) -> Plan:
        router = router_of(wanted.router, wanted.host, now)
        if state is None:
            _refuse_foreign(router, wanted, owner)
        if not zone_steps.is_running(router):
            raise Refused(
                f"router zone {router.name} does not run: start it, since haproxy is installed and tested "
                "in it",
                "router",
            )
        ingress = _work_out(wanted, router, now)
        _refuse_taken(router, wanted.name or "", ingress)
        whose = records.owner_value(owner.urn)
        return Plan(
            (
                _install_step(router, now.distribution),
                _put_step(router, wanted, ingress, whose, now.distribution, fresh=state is None),
                _admit_step(router, wanted, ingress, whose),
            ),
            tuple(_warnings(wanted)),
        )

    def plan_delete(self, name: str, now: Snapshot, state: IngressOutputs) -> Plan:
        place, own = name.split("/")
        router = now.zones.get(place)
        if router is None or not zone_steps.is_installed(router):
            return Plan()
        position = (now.distribution.haproxy, router.zone, router.root, own)
        filter_position = (FILTER, router.zone, router.root, _fragment(own))
        return Plan(
            (
                Step(
                    f"removing ingress {own} of router zone {place}",
                    haproxy_service.remove(*position),
                    done=haproxy_service.absent(*position),
                    timeout=SERVICE_LIMIT,
                ),
                Step(
                    f"letting the filter forget ingress {own} of router zone {place}",
                    fragments.remove(*filter_position),
                    done=fragments.absent(*filter_position),
                    timeout=STEP_LIMIT,
                ),
            )
        )

    # Reading -------------------------------------------------------------------------------------

    def read(self, host: str, name: str, now: Snapshot) -> IngressOutputs | None:
        place, own = name.split("/")
        router = now.zones.get(place)
        if router is None or router.public is None:
            return None
        ingress = haproxy.Ingress.decode(haproxy.read(router.files).get(own, ()))
        if ingress is None:
            return None
        try:
            return _outputs(own, ingress, router, host, now)
        except ValueError:
            return None  # Damaged: the zone's root may have written what the model does not allow.

    def importable(self, name: str, now: Snapshot) -> None:
        place, own = name.split("/")
        router = router_of(place, None, now)
        notes = haproxy.read(router.files).get(own)
        if notes is not None and haproxy.Ingress.decode(notes) is None:
            raise Refused(
                f"{router.root}/{haproxy.DIRECTORY}/{own} is damaged: remove it, and make the ingress anew"
            )

    def differences(self, wanted: IngressInputs, state: IngressOutputs) -> list[Difference]:
        found = super().differences(wanted, state)
        if state.deviations:
            found.append(Difference("deviations", Change.LIVE, "delete"))
        return found

    def satisfied(self, field: str, wanted: IngressInputs, state: IngressOutputs) -> bool:
        match field:
            case "router":
                return local_name(wanted.router) == state.router
            case "address":
                return state.address == (wanted.address or state.router_address)
            case "hostnames":
                return set(wanted.hostnames) == set(state.hostnames)
            case "tls":
                return _same_tls(wanted, state)
            case "backends":
                pairs = zip(wanted.backends, state.backends, strict=False)
                same_length = len(wanted.backends) == len(state.backends)
                return same_length and all(_same_backend(one, other) for one, other in pairs)
            case _:
                value = getattr(wanted, field)
                return value is None or bool(value == getattr(state, field))

    def spell(self, state: IngressOutputs) -> dict[str, Any]:
        """Inputs for a state; a key is never read back, and must be added."""
        wire = state.wire()
        spelled = {key: wire[key] for key in ("router", "name", "port")}
        defaults = {"mode": "http", "hostnames": [], "balance": "roundrobin", "sendProxy": False}
        spelled |= {key: wire[key] for key, usual in defaults.items() if wire[key] != usual}
        if state.address != state.router_address:
            spelled["address"] = wire["address"]
        if state.certificate:
            spelled["tls"] = {"certificate": state.certificate}
        if state.health_check != IngressHealthCheck():
            spelled["healthCheck"] = _without(wire["healthCheck"], IngressHealthCheck().wire())
        usual_backend = {"weight": 1, "check": True}
        spelled["backends"] = [
            _without({key: value for key, value in backend.items() if key != "address"}, usual_backend)
            for backend in wire["backends"]
        ]
        return spelled


def _without(values: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if usual.get(key) != value}


# Steps -------------------------------------------------------------------------------------------


def _fragment(name: str) -> str:
    return fragments.fragment_name(_PREFIX, name)


def _install_step(router: ZoneSeen, distribution: Distribution) -> Step:
    package = distribution.haproxy
    return Step(
        f"installing package {package.package} in zone {router.name}",
        haproxy_service.install(router.zone, package, distribution.install_package(package.package)),
        done=haproxy_service.installed(router.zone, package),
        timeout=zone_steps.INSTALL_LIMIT,
        attempts=3,  # Somebody else may be installing it at this moment.
        remedy=f"see that the package repositories offer {package.package}, then run again",
    )


def _put_step(
    router: ZoneSeen,
    wanted: IngressInputs,
    ingress: haproxy.Ingress,
    whose: str,
    distribution: Distribution,
    *,
    fresh: bool,
) -> Step:
    name = wanted.name or ""
    position = (distribution.haproxy, router.zone, router.root, name)
    text = haproxy.fragment(name, ingress, whose)
    pem = wanted.tls.certificate + wanted.tls.key if wanted.tls else ""
    return Step(
        f"making ingress {name} in router zone {router.name}",
        haproxy_service.put(*position, text, pem, fresh=fresh),
        done=haproxy_service.in_force(*position, text, pem),
        timeout=SERVICE_LIMIT,
        remedy=f"look at it with svcs -z {router.zone} -xv {distribution.haproxy.fmri}",
    )


def _admit_step(router: ZoneSeen, wanted: IngressInputs, ingress: haproxy.Ingress, whose: str) -> Step:
    name = wanted.name or ""
    position = (FILTER, router.zone, router.root, _fragment(name))
    rules, notes = _filter_rules(ingress, router), [sharing.owner_note(whose)]
    return Step(
        f"letting the filter pass ingress {name} in router zone {router.name}",
        fragments.put(*position, rules, notes),
        done=fragments.in_force(*position, rules, notes),
        timeout=STEP_LIMIT,
    )


def _filter_rules(ingress: haproxy.Ingress, router: ZoneSeen) -> list[str]:
    """haproxy is a program of the router: what it gets is for the router's own address."""
    assert router.public is not None
    address, port = ingress.address, ingress.port
    own = Published("tcp", address, port, port, address, port)
    links = [router.public.vnic, *(network.vnic for network in router.networks)]
    return [ipfilter_rules.admit(link, own) for link in links]


# Working out -------------------------------------------------------------------------------------


def _work_out(wanted: IngressInputs, router: ZoneSeen, now: Snapshot) -> haproxy.Ingress:
    check = wanted.health_check
    return haproxy.Ingress(
        address=public_address(wanted.address, router, "address"),
        port=wanted.port,
        mode=wanted.mode.value,
        hostnames=tuple(sorted(wanted.hostnames)),
        tls=Tls(wanted.tls.certificate, certificates.key_digest(wanted.tls.key)) if wanted.tls else None,
        servers=tuple(
            _server(backend, f"backends[{index}].target", router, wanted.host, now)
            for index, backend in enumerate(wanted.backends)
        ),
        balance=wanted.balance.value,
        health=Health(check.path, check.hostname, check.expect, check.interval, check.fall, check.rise),
        send_proxy=wanted.send_proxy,
    )


def _server(
    backend: IngressBackend, property: str, router: ZoneSeen, host: str | None, now: Snapshot
) -> Server:
    address = address_behind(backend.target, router, host, now, property)
    zone = "" if target_address(backend.target) else local_name(backend.target)
    return Server(zone, str(address), backend.port, backend.weight, backend.check)


def _outputs(
    own: str, ingress: haproxy.Ingress, router: ZoneSeen, host: str, now: Snapshot
) -> IngressOutputs:
    assert router.public is not None
    return IngressOutputs(
        host=host,
        router=router.name,
        name=own,
        address=ingress.address,
        router_address=router.public.address.ip,
        port=ingress.port,
        mode=IngressMode(ingress.mode),
        hostnames=list(ingress.hostnames),
        url=_url(ingress),
        certificate=ingress.tls.chain if ingress.tls else None,
        certificate_info=_certificate(ingress.tls) if ingress.tls else None,
        backends=[_backend(server, router, host, now) for server in ingress.servers],
        balance=IngressBalance(ingress.balance),
        health_check=IngressHealthCheck(
            path=ingress.health.path,
            hostname=ingress.health.host,
            expect=ingress.health.expect,
            interval=ingress.health.interval,
            fall=ingress.health.fall,
            rise=ingress.health.rise,
        ),
        send_proxy=ingress.send_proxy,
        deviations=_deviations(own, ingress, router, now.distribution),
    )


def _backend(server: Server, router: ZoneSeen, host: str, now: Snapshot) -> IngressBackendState:
    return IngressBackendState.model_validate(
        {
            "target": server.zone if _follows(server, router, host, now) else server.address,
            "address": server.address,
            "port": server.port,
            "weight": server.weight,
            "check": server.check,
        }
    )


def _follows(server: Server, router: ZoneSeen, host: str, now: Snapshot) -> bool:
    """Whether the zone that a server was found by still has its address."""
    if not server.zone:
        return False
    try:
        return str(address_behind(server.zone, router, host, now, "")) == server.address
    except Refused:
        return False


def _url(ingress: haproxy.Ingress) -> str | None:
    if ingress.mode != haproxy.HTTP:
        return None
    scheme = "https" if ingress.tls else "http"
    named = [h for h in ingress.hostnames if not h.startswith("*.")]
    port = "" if ingress.port == _USUAL_PORTS[scheme] else f":{ingress.port}"
    return f"{scheme}://{named[0] if named else ingress.address}{port}/"


def _certificate(tls: Tls) -> IngressCertificate:
    told = certificates.told(tls.chain)
    return IngressCertificate(
        fingerprint=told.fingerprint,
        expires=told.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        names=list(told.names),
        key_digest=tls.key_digest,
    )


def _same_tls(wanted: IngressInputs, state: IngressOutputs) -> bool:
    if wanted.tls is None or state.certificate_info is None:
        return wanted.tls is None and state.certificate_info is None
    same_key = certificates.key_digest(wanted.tls.key) == state.certificate_info.key_digest
    return same_key and wanted.tls.certificate == state.certificate


def _same_backend(wanted: IngressBackend, state: IngressBackendState) -> bool:
    address = target_address(wanted.target)
    same = address == state.address if address else local_name(wanted.target) == state.target
    more = ("port", "weight", "check")
    return same and all(getattr(wanted, name) == getattr(state, name) for name in more)


def _deviations(
    name: str, ingress: haproxy.Ingress, router: ZoneSeen, distribution: Distribution
) -> list[str]:
    """What is wrong with an ingress, in words."""
    package = distribution.haproxy
    found = haproxy.missing(package, name, ingress, router.files)
    meant = _filter_rules(ingress, router)
    written = fragments.read(router.files, FILTER).get(_fragment(name), ())
    lacking = [rule for rule in meant if rule not in written]
    lacking += fragments.missing(FILTER, _fragment(name), router.files, router.live)
    found += [f"not in force: {rule}" for rule in dict.fromkeys(lacking)]
    found += [f"not asked for: {rule}" for rule in written if rule not in meant]
    state = router.services.get(package.fmri, "absent")
    # A service that is restarted for another ingress is offline for a moment.
    if zone_steps.is_running(router) and state not in ("online", "degraded", "offline"):
        found.append(f"{package.fmri} is {state}")
    return found


def _warnings(wanted: IngressInputs) -> list[str]:
    if wanted.tls is None:
        return []
    told = certificates.told(wanted.tls.certificate)
    found = []
    if certificates.expired(told):
        found.append(f"the certificate of ingress {wanted.name} expired on {told.expires:%Y-%m-%d}")
    bare = [h for h in wanted.hostnames if not told.covers(h)]
    if bare:
        found.append(f"the certificate of ingress {wanted.name} is not for {', '.join(bare)}")
    return found


# Refusing ----------------------------------------------------------------------------------------


def _refuse_foreign(router: ZoneSeen, wanted: IngressInputs, owner: Owner) -> None:
    notes = haproxy.read(router.files).get(wanted.name or "")
    if notes is not None and sharing.owner(notes) != records.owner_value(owner.urn):
        raise Refused(
            f"router zone {router.name} has an ingress {wanted.name} already, which is not this resource's "
            f"but {sharing.owner(notes) or 'nobody'}'s: choose another name, or take it over with: "
            f"pulumi import {IngressKind.token} NAME HOST/{router.name}/{wanted.name}",
            "name",
        )


def _refuse_taken(router: ZoneSeen, own: str, ingress: haproxy.Ingress) -> None:
    _refuse_forwarded(router, ingress)
    for name, notes in haproxy.read(router.files).items():
        other = haproxy.Ingress.decode(notes)
        if name != own and other is not None and other.place == ingress.place:
            _refuse_shared(ingress, other, f"{sharing.owner(notes) or name} on router zone {router.name}")


def _refuse_forwarded(router: ZoneSeen, ingress: haproxy.Ingress) -> None:
    for other in sharing.taken(router.files):
        forwarded = other.path.startswith(f"{NAT.directory}/")
        if forwarded and other.overlaps("tcp", ingress.address, ingress.port, ingress.port):
            raise Refused(
                f"tcp port {ingress.port} of {ingress.address} is forwarded by "
                f"{other.owner or other.path} on router zone {router.name}: choose another port",
                "port",
            )


def _refuse_shared(ingress: haproxy.Ingress, other: haproxy.Ingress, whose: str) -> None:
    """Refuse what two ingresses of one place cannot both have."""
    if ingress.mode != other.mode:
        raise Refused(
            f"port {ingress.port} of {ingress.address} is in mode {other.mode} for {whose}: "
            "choose the same mode, or another port",
            "mode",
        )
    if ingress.kind != other.kind:
        has = "with" if other.tls else "without"
        raise Refused(
            f"port {ingress.port} of {ingress.address} is {has} TLS for {whose}: "
            "do the same, or choose another port",
            "tls",
        )
    common = sorted(set(ingress.hostnames) & set(other.hostnames))
    if common:
        raise Refused(
            f"{common[0]} on port {ingress.port} of {ingress.address} is taken by {whose}: "
            "choose other host names",
            "hostnames",
        )
    if not ingress.hostnames and not other.hostnames:
        raise Refused(
            f"whatever no ingress of port {ingress.port} of {ingress.address} answers to goes to {whose} "
            "already: say which host names are meant",
            "hostnames",
        )
