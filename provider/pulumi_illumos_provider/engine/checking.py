"""``Check``: validate inputs, and choose a name where the user gives none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from pulumi_illumos_provider.engine.properties import Bag, top_level
from pulumi_illumos_provider.errors import Failure
from pulumi_illumos_provider.model.base import check
from pulumi_illumos_provider.resources.kind import Kind


@dataclass(frozen=True)
class Naming:
    """The engine's wish about an automatic name (``AutonamingOptions`` of ``CheckRequest``).

    Attributes:
        mode: ``propose``: may be changed; ``enforce``: as it is or not at all; ``disable``: the user
            must give a name.
        proposed: the name.
    """

    mode: Literal["propose", "enforce", "disable"] = "propose"
    proposed: str = ""


@dataclass(frozen=True)
class Checked:
    """Inputs that were looked at.

    Attributes:
        name: the automatic name to add to the inputs, if any.
        failures: all that is wrong.
    """

    name: str | None
    failures: tuple[Failure, ...]


def check_inputs(
    kind: Kind[Any, Any],
    news: Bag,
    *,
    old_name: str | None,
    resource_name: str,
    seed: bytes,
    naming: Naming | None = None,
) -> Checked:
    """Validate inputs and choose an automatic name (``Check``). No host is asked.

    Args:
        old_name: the name that the resource has; it is kept when the user gives none.
        resource_name: the name in the program.
        seed: makes automatic names differ; the same seed gives the same name.
        naming: the engine's wish.
    """
    failures: list[Failure] = list(news.failures)
    name = None
    known = dict(news.known)
    if "name" not in known and "name" not in news.unknown_names:
        name = old_name or _automatic_name(kind, resource_name, seed, naming)
        if name is None:
            failures.append(
                Failure("name", "is required: automatic names are switched off (pulumi:autonaming)")
            )
        else:
            known["name"] = name
    failures += check(kind.inputs, known, news.unknown)[1]
    failures = [news.redact_failure(failure) for failure in failures]
    if name is not None and naming is not None and naming.mode == "enforce" and name != old_name:
        failures = [
            Failure("name", f"the automatic name is enforced, but: {failure.reason}")
            if failure.property == "name"
            else failure
            for failure in failures
        ]
    return Checked(name, tuple(failures))


def _automatic_name(
    kind: Kind[Any, Any], resource_name: str, seed: bytes, naming: Naming | None
) -> str | None:
    suffix = hashlib.sha256(seed).hexdigest()[:7]
    if naming is None:
        return kind.autoname(resource_name, suffix)
    if naming.mode == "disable":
        return None
    if naming.mode == "enforce":
        return naming.proposed
    if not naming.proposed:
        return kind.autoname(resource_name, suffix)
    faults = check(kind.inputs, {"name": naming.proposed}, frozenset())[1]
    if any(top_level(fault.property) == "name" for fault in faults):
        return kind.autoname(naming.proposed, suffix)
    return naming.proposed
