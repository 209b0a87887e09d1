"""The links of a router zone: made, lent to it while it runs, and taken down."""

from __future__ import annotations

from collections.abc import Iterable

from pulumi_illumos_provider.illumos import dladm, files, ifconfig, ipadm, records, zonecfg
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources import etherstub
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.kind import Owner
from pulumi_illumos_provider.resources.router.design import Design


def nets(vnics: Iterable[str], config: zonecfg.ZoneConfig) -> list[zonecfg.Resource]:
    """The ``net`` resources of a router zone.

    Without an allowed-address: with one, the host would drop every packet that the router forwards inwards.
    """
    known = frozenset({"address", "allowed-address", "defrouter"})
    return [zonecfg.keeping(steps.net(vnic), config.of_kind("net"), known) for vnic in vnics]


def retired(design: Design, zone: ZoneSeen | None) -> tuple[records.Network, ...]:
    """The networks that a router zone has and shall not have any more."""
    return tuple(n for n in (zone.networks if zone else ()) if n.vnic not in design.vnics)


# Making ------------------------------------------------------------------------------------------


def etherstub_steps(design: Design, zone: ZoneSeen | None, now: Snapshot, owner: Owner) -> list[Step]:
    """The etherstubs that the router zone makes itself.

    Raises:
        Refused: a link of somebody else has the name.
    """
    found: list[Step] = []
    before = {n.etherstub for n in zone.networks if n.owned} if zone else set()
    for net in design.networks:
        stub = net.record.etherstub
        if not net.record.owned:
            continue
        link = now.links.get(stub)
        if link is None:
            found += etherstub.create_steps(stub, owner)
        elif stub not in before:
            etherstub.refuse_foreign(link, now, owner)
        if net.settings.mtu is not None and (link is None or link.mtu != net.settings.mtu):
            mtu = str(net.settings.mtu)
            found.append(
                Step(
                    f"setting the MTU of etherstub {stub} to {mtu}",
                    dladm.set_property(stub, "mtu", mtu),
                    done=dladm.has_property(stub, "mtu", mtu),
                )
            )
    return found


def vnic_steps(design: Design, now: Snapshot) -> dict[str, list[Step]]:
    """What it takes to have each of the zone's vnics as designed; nothing for one that is right."""
    return {vnic: steps.vnic_steps(vnic, over, now) for vnic, over in design.vnics.items()}


def shared_steps(design: Design, now: Snapshot) -> list[Step]:
    """A plumbed vnic without address over each etherstub: shared-ip zones get theirs on it."""
    found: list[Step] = []
    for net in design.networks:
        shared, stub = net.record.shared, net.record.etherstub
        link = now.links.get(shared)
        if link and link.over != stub:
            found += delete_shared_steps(shared, now)
            link = None
        if link is None:
            found += steps.vnic_steps(shared, stub, now)
        if link is None or shared not in now.interfaces:
            found.append(
                Step(
                    f"plumbing {shared} for shared-ip zones",
                    ipadm.create_interface(shared),
                    done=ipadm.interface_exists(shared),
                )
            )
    return found


# In a running zone -------------------------------------------------------------------------------


def live_steps(design: Design, zone: ZoneSeen, now: Snapshot) -> list[Step]:
    """Lend a running zone the links that it lacks, and give each the addresses that it shall have."""
    found: list[Step] = []
    have = ifconfig.parse_addresses(zone.live.get("addresses", ""))
    for vnic, addresses in design.addresses.items():
        link = now.links.get(vnic)
        lent = link is not None and link.zone == zone.name
        if not lent:
            found.append(
                Step(
                    f"lending vnic {vnic} to zone {zone.name}",
                    ifconfig.lend(zone.name, vnic),
                    done=ifconfig.lent(zone.name, vnic),
                )
            )
        if not lent or have.get(vnic) != frozenset(addresses):
            found.append(
                Step(
                    f"giving {vnic} of zone {zone.name} the address{'es' if len(addresses) > 1 else ''} "
                    + ", ".join(map(str, addresses)),
                    ifconfig.set_addresses(zone.name, vnic, addresses),
                    done=ifconfig.has_addresses(zone.name, vnic, addresses),
                )
            )
    return found


# Taking down -------------------------------------------------------------------------------------


def retire_steps(
    networks: Iterable[records.Network], zone: ZoneSeen, now: Snapshot, live: bool
) -> list[Step]:
    """Take networks down that a router zone had.

    Args:
        live: the zone runs, and its interfaces have to go first.
    """
    found: list[Step] = []
    for network in networks:
        vnic = network.vnic
        link = now.links.get(vnic)
        if live and link is not None and link.zone == zone.name:
            found.append(
                Step(
                    f"taking {vnic} out of zone {zone.name}",
                    ifconfig.unplumb(zone.name, vnic),
                    done=ifconfig.unplumbed(zone.name, vnic),
                )
            )
            found.append(
                Step(
                    f"taking vnic {vnic} back from zone {zone.name}",
                    ifconfig.take_back(vnic),
                    done=ifconfig.lent("", vnic),
                    attempts=20,
                )
            )
        for path in (f"etc/hostname.{vnic}", f"etc/hostname6.{vnic}"):
            if path in zone.files:
                found.append(
                    Step(
                        f"removing /{path} from zone {zone.name}",
                        files.remove_zone_file(zone.root, path),
                        done=files.zone_file_absent(zone.root, path),
                    )
                )
        if link is not None:
            found += steps.delete_vnic_steps(vnic)
        found += delete_shared_steps(network.shared, now)
        if network.owned:
            found += etherstub.delete_steps(network.etherstub)
    return found


def delete_shared_steps(vnic: str, now: Snapshot) -> list[Step]:
    """Remove a vnic that is plumbed for shared-ip zones."""
    if vnic not in now.links:
        return []
    return [
        Step(
            f"unplumbing {vnic}",
            ipadm.delete_interface(vnic),
            done=ipadm.interface_absent(vnic),
        ),
        *steps.delete_vnic_steps(vnic),
    ]
