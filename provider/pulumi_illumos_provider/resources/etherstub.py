"""Etherstub: observe and plan."""

from __future__ import annotations

from typing import Any, ClassVar

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import dladm, names, ownership, records
from pulumi_illumos_provider.illumos.snapshot import Snapshot
from pulumi_illumos_provider.model.base import Inputs
from pulumi_illumos_provider.model.etherstub import DEFAULT_MTU, EtherstubInputs, EtherstubOutputs
from pulumi_illumos_provider.plan import Step
from pulumi_illumos_provider.resources.kind import Kind, Owner, Plan


class EtherstubKind(Kind[EtherstubInputs, EtherstubOutputs]):
    """A virtual switch."""

    token: ClassVar[str] = "illumos:index:Etherstub"
    inputs: type[EtherstubInputs] = EtherstubInputs
    outputs: type[EtherstubOutputs] = EtherstubOutputs

    def autoname(self, name: str, suffix: str) -> str:
        return names.automatic_link(name, suffix)

    def plan(
        self,
        wanted: EtherstubInputs,
        now: Snapshot,
        owner: Owner,
        state: EtherstubOutputs | None,
    ) -> Plan:
        name = _name(wanted)
        link = now.links.get(name)
        if link is None:
            steps = create_steps(name, owner)
            mtu = DEFAULT_MTU
        else:
            if state is None:
                refuse_foreign(link, now, owner)
            steps = []
            mtu = link.mtu
        if mtu != wanted.mtu:
            steps.append(
                Step(
                    f"setting the MTU of etherstub {name} to {wanted.mtu}",
                    dladm.set_property(name, "mtu", str(wanted.mtu)),
                    done=dladm.has_property(name, "mtu", str(wanted.mtu)),
                )
            )
        return Plan(tuple(steps))

    def plan_delete(self, name: str, now: Snapshot, state: EtherstubOutputs) -> Plan:
        if name in now.links:
            refuse_used(name, now)
        return Plan(tuple(delete_steps(name)))

    def read(self, host: str, name: str, now: Snapshot) -> EtherstubOutputs | None:
        link = now.links.get(name)
        if link is None or link.link_class != "etherstub":
            return None
        return EtherstubOutputs(host=host, name=name, mtu=link.mtu)

    def importable(self, name: str, now: Snapshot) -> None:
        link = now.links.get(name)
        if link is not None and link.link_class != "etherstub":
            raise Refused(f"{name} is not an etherstub: it is a link of class {link.link_class}")

    def satisfied(self, field: str, wanted: EtherstubInputs, state: EtherstubOutputs) -> bool:
        value = getattr(wanted, field)
        return value is None or value == getattr(state, field)

    def spell(self, state: EtherstubOutputs) -> dict[str, Any]:
        spelled: dict[str, Any] = {"name": state.name}
        if state.mtu != DEFAULT_MTU:
            spelled["mtu"] = state.mtu
        return spelled


def create_steps(name: str, owner: Owner) -> list[Step]:
    """Record the owner, then create: a cut between the two is known as ours."""
    return [
        Step(
            f"recording the owner of etherstub {name}",
            ownership.record(name, records.owner_value(owner.urn)),
        ),
        Step(
            f"creating etherstub {name}",
            dladm.create_etherstub(name),
            done=dladm.link_exists(name, "etherstub"),
        ),
    ]


def delete_steps(name: str) -> list[Step]:
    """Delete an etherstub and forget its owner; what is gone counts as done."""
    return [
        Step(
            f"deleting etherstub {name}",
            dladm.delete_etherstub(name),
            done=dladm.link_absent(name),
            attempts=5,
        ),
        Step(f"forgetting the owner of etherstub {name}", ownership.forget(name)),
    ]


def refuse_foreign(link: dladm.Link, now: Snapshot, owner: Owner) -> None:
    """Refuse to take over a link that somebody else made."""
    if link.link_class != "etherstub":
        raise Refused(
            f"a link {link.name} of class {link.link_class} exists already: choose another name",
            "name",
        )
    if now.owners.get(link.name) != records.owner_value(owner.urn):
        raise Refused(
            f"etherstub {link.name} exists already and is not this resource's: choose another name, "
            f"or take it over with: pulumi import {EtherstubKind.token} NAME HOST/{link.name}",
            "name",
        )


def refuse_used(name: str, now: Snapshot) -> None:
    """Refuse to delete an etherstub that still carries vnics, naming them and their zones."""
    over = now.links_over(name)
    if not over:
        return
    users = []
    for link in over:
        zone = now.user_of_link(link.name)
        users.append(f"{link.name} ({f'zone {zone}' if zone else 'no zone'})")
    raise Refused(
        f"etherstub {name} still carries {', '.join(users)}: delete what uses it first; "
        "vnics that this provider did not make are not removed"
    )


def _name(wanted: Inputs) -> str:
    if wanted.name is None:
        raise ValueError("the automatic name is filled in before planning")
    return wanted.name
