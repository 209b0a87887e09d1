"""zap, Tribblix' administration tool, knows what this provider makes: steps that keep its records."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from pulumi_illumos_provider.illumos import files, names, zap_records
from pulumi_illumos_provider.illumos.distribution import TRIBBLIX
from pulumi_illumos_provider.illumos.records import Network
from pulumi_illumos_provider.illumos.snapshot import Snapshot
from pulumi_illumos_provider.illumos.zap_records import ZoneRecord
from pulumi_illumos_provider.plan import Step


def zone_steps(record: ZoneRecord, now: Snapshot) -> list[Step]:
    """Let zap describe and destroy a zone, and know whom it depends on."""
    if not _kept(now):
        return []
    found = _write_steps(f"zconfig.{record.zone}", record.description, "644", record.zone, now)
    return found + _write_steps(f"destroy.{record.zone}", record.script, "755", record.zone, now)


def zone_removal_steps(name: str, now: Snapshot) -> list[Step]:
    """Let zap forget a zone."""
    return _remove_steps([f"destroy.{name}", f"zconfig.{name}"], name, now)


def router_steps(
    name: str,
    networks: Iterable[Network],
    public_addresses: Iterable[IPv4Address],
    now: Snapshot,
) -> list[Step]:
    """Let zap attach zones to a router zone, describe and destroy it; nothing where there is no zap.

    A network that zap cannot describe has no record. To be done once the zone is installed.

    Args:
        name: name of the router zone.
        networks: the networks that it serves.
        public_addresses: its addresses to the world.
    """
    if not _kept(now):
        return []
    networks, public = list(networks), [str(address) for address in public_addresses]
    rconfigs = {
        f"rconfig.{short}": zap_records.rconfig(name, network, public)
        for network in networks
        if (short := zap_records.short_name(network.subnet, network.address))
    }
    stale = [file for file in _rconfigs_of(name, now) if file not in rconfigs]
    found: list[Step] = []
    for file, text in rconfigs.items():
        found += _write_steps(file, text, "644", name, now)
    found += _remove_steps(stale, name, now)
    seen = now.zones.get(name)
    vnic = seen.public.vnic if seen and seen.public else names.vnic(name, 0)
    record = ZoneRecord(name, "TRIBwhole", True, public, (), _router_cleanup(vnic, networks, rconfigs))
    return found + zone_steps(record, now)


def router_removal_steps(name: str, now: Snapshot) -> list[Step]:
    """Let zap forget a router zone and its networks."""
    return _remove_steps(_rconfigs_of(name, now), name, now) + zone_removal_steps(name, now)


def _router_cleanup(vnic: str, networks: Iterable[Network], rconfigs: Iterable[str]) -> list[str]:
    lines = [zap_records.delete_vnic(vnic)]
    for network in networks:
        lines += [
            zap_records.delete_vnic(network.vnic),
            f"/usr/sbin/ipadm delete-if {network.shared}",
            zap_records.delete_vnic(network.shared),
        ]
        if network.owned:
            lines.append(f"/usr/sbin/dladm delete-etherstub {network.etherstub}")
    return [*lines, *(f"/usr/bin/rm -f {zap_records.PLACE}/{file}" for file in rconfigs)]


def _rconfigs_of(router: str, now: Snapshot) -> list[str]:
    return [
        file
        for file, text in now.zap.items()
        if file.startswith("rconfig.") and zap_records.values(text).get("zone") == router
    ]


def _write_steps(file: str, text: str, mode: str, zone: str, now: Snapshot) -> list[Step]:
    if now.zap.get(file) == text:
        return []
    return [
        Step(
            f"telling zap about zone {zone}: {file}",
            files.write_file(f"{zap_records.PLACE}/{file}", text, mode),
            done=files.zone_file_is(zap_records.PLACE, file, text),
        )
    ]


def _remove_steps(found: Iterable[str], zone: str, now: Snapshot) -> list[Step]:
    return [
        Step(
            f"letting zap forget zone {zone}: {file}",
            files.remove_zone_file(zap_records.PLACE, file),
            done=files.zone_file_absent(zap_records.PLACE, file),
        )
        for file in found
        if file in now.zap
    ]


def _kept(now: Snapshot) -> bool:
    """Whether the host has zap, and with it these records."""
    return now.distribution is TRIBBLIX
