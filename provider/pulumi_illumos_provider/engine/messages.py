"""Between the messages of the provider protocol and what `operations` takes and gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2

from pulumi_illumos_provider.engine import shapes
from pulumi_illumos_provider.engine.checking import Naming
from pulumi_illumos_provider.engine.comparing import Diff
from pulumi_illumos_provider.engine.operations import AnyKind
from pulumi_illumos_provider.engine.properties import Bag, decode, encode
from pulumi_illumos_provider.errors import Failure

CHANGES: Final = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}
"""How a changed property is told: by what happens to it, and whether it takes a replacement."""

_MODES: Final[Mapping[int, Any]] = {
    provider_pb2.CheckRequest.AutonamingOptions.PROPOSE: "propose",
    provider_pb2.CheckRequest.AutonamingOptions.ENFORCE: "enforce",
    provider_pb2.CheckRequest.AutonamingOptions.DISABLE: "disable",
}


def urn_name(urn: str) -> str:
    """The name in the program, out of a URN."""
    return urn.rsplit("::", 1)[-1]


def urn_type(urn: str) -> str:
    """The own type out of ``urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME``."""
    parts = urn.split("::", 3)
    return parts[2].rsplit("$", 1)[-1] if len(parts) > 3 else ""


def naming(request: provider_pb2.CheckRequest) -> Naming | None:
    """The engine's wish about an automatic name."""
    if not request.HasField("autonaming"):
        return None
    return Naming(_MODES[request.autonaming.mode], request.autonaming.proposed_name)


def optional(request: Any, field: str) -> Bag | None:
    """A bag of a request that older engines do not send."""
    return decode(getattr(request, field)) if request.HasField(field) else None


def outputs_on_wire(kind: AnyKind, outputs: Mapping[str, Any], *bags: Bag) -> struct_pb2.Struct:
    """Outputs on the wire; what comes from something secret is secret."""
    secret = shapes.secret_names(kind.outputs) | shapes.secret_names(kind.inputs)
    for bag in bags:
        secret |= bag.secret
        secret |= {name for name, value in outputs.items() if bag.taints(value)}
    return encode(outputs, secret)


def failures_on_wire(failures: Iterable[Failure]) -> list[provider_pb2.CheckFailure]:
    """Failed checks as messages."""
    return [
        provider_pb2.CheckFailure(property=failure.property, reason=failure.reason) for failure in failures
    ]


def some_changes(changed: Iterable[Any]) -> provider_pb2.DiffResponse.DiffChanges.ValueType:
    """Whether there is any change."""
    some = any(True for _ in changed)
    return provider_pb2.DiffResponse.DIFF_SOME if some else provider_pb2.DiffResponse.DIFF_NONE


def diff_response(diff: Diff) -> provider_pb2.DiffResponse:
    """The answer to Diff."""
    return provider_pb2.DiffResponse(
        changes=some_changes(diff.properties),
        diffs=[change.property for change in diff.properties],
        replaces=[change.property for change in diff.properties if change.replace],
        stables=diff.stable,
        detailedDiff={
            change.property: provider_pb2.PropertyDiff(
                kind=CHANGES[change.kind, change.replace], inputDiff=change.of_inputs
            )
            for change in diff.properties
        },
        hasDetailedDiff=True,
        # Names are unique on a host, whatever the reason of a replacement, the engine's own included.
        deleteBeforeReplace=True,
    )


def redacted(request: Any, text: str) -> str:
    """An error text without the secrets of the request that it answers.

    The inputs tell exactly what is secret. In a state the engine holds a whole list for secret when one of
    its items is, so that any word of it would be taken out: it serves only where no inputs came with it.
    """
    found = {
        field: struct
        for field in ("news", "inputs", "args", "old_inputs", "properties", "olds")
        if isinstance(struct := getattr(request, field, None), struct_pb2.Struct) and struct.fields
    }
    states = ("properties", "olds") if found.keys() & {"inputs", "old_inputs"} else ()
    for field, struct in found.items():
        if field not in states:
            text = decode(struct).redact(text)
    return text
