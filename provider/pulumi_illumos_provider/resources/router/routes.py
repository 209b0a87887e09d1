"""The routes of a router zone, for the next boot and while it runs."""

from __future__ import annotations

from pulumi_illumos_provider.illumos import ifconfig, route
from pulumi_illumos_provider.illumos.snapshot import ZoneSeen
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources.router import render
from pulumi_illumos_provider.resources.router.design import Design, recorded


def route_steps(design: Design, zone: ZoneSeen | None, live: bool) -> list[Step]:
    """Have the static routes of the design, and not those that the zone had of us before.

    Routes that an administrator added stay.

    Args:
        live: the zone runs and is not going to be booted.
    """
    name, root = design.name, design.root
    wanted = render.routes(design)
    before = recorded(zone) if zone else None
    had = render.routes(before) if before else []
    persistent = route.parse_static(zone.files.get(route.STATIC_ROUTES, "")) if zone else set()
    table = route.parse_table(zone.live.get("routes", "")) if zone else set()
    found = []
    for old in had:
        if old not in wanted and (old in persistent or (live and route.in_table(old, table))):
            run = route.remove_live(name, old) if live else route.remove_from_file(root, old)
            found.append(
                Step(
                    f"removing the route to {old.destination} from zone {name}",
                    run,
                    done=route.not_in_file(root, old),
                )
            )
    for new in wanted:
        if live and not (new in persistent and route.in_table(new, table)):
            done = route.has_live(name, new)
            say = f"adding the route to {new.destination} to zone {name}"
            found.append(Step(say, route.add_live(name, new), done=done))
        elif not live and new not in persistent:
            say = f"adding the route to {new.destination} to zone {name}"
            found.append(Step(say, route.add_to_file(root, new), done=route.in_file(root, new)))
    return found


def default_steps(design: Design, zone: ZoneSeen) -> list[Step]:
    """Have exactly the default route of the design in a running zone; at boot its file counts."""
    gateway = design.public.gateway
    table = route.parse_table(zone.live.get("routes", ""))
    have = {hop for destination, hop in table if destination == "default"}
    addresses = ifconfig.parse_addresses(zone.live.get("addresses", ""))
    # Routes may go with the address that they were made for: then one looks again.
    stays = addresses.get(design.public.vnic) == frozenset(design.public.addresses)
    if stays and have == ({str(gateway)} if gateway else set()):
        return []
    return [
        Step(
            f"setting the default route of zone {design.name}",
            route.set_default(design.name, gateway),
            done=route.has_default(design.name, gateway),
        )
    ]
