"""How errors leave the gRPC front door: a status code, one message, and details that the engine reads."""

from __future__ import annotations

from typing import Any, Final, NoReturn

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from pulumi.runtime.proto import errors_pb2, provider_pb2, status_pb2

from pulumi_illumos_provider.engine import shapes
from pulumi_illumos_provider.engine.constructing import InvalidInputs
from pulumi_illumos_provider.engine.failing import PartialFailure
from pulumi_illumos_provider.engine.messages import outputs_on_wire, redacted
from pulumi_illumos_provider.engine.operations import AnyKind
from pulumi_illumos_provider.engine.properties import decode, encode

_DETAILS: Final = "grpc-status-details-bin"
"""The trailer in which gRPC carries a ``google.rpc.Status`` with details."""


async def abort_unfinished(
    context: Any, request: Any, failure: PartialFailure, kind: AnyKind | None
) -> NoReturn:
    """Report an object that exists and is not finished, with what it is."""
    assert kind is not None
    fields = ("properties", "news", "olds")
    bags = [decode(getattr(request, field)) for field in fields if hasattr(request, field)]
    await abort_with(
        context,
        provider_pb2.ErrorResourceInitFailed(
            id=failure.id,
            properties=outputs_on_wire(kind, failure.state, *bags),
            inputs=encode(
                failure.inputs, shapes.secret_names(kind.inputs).union(*(b.secret for b in bags))
            ),
            reasons=[redacted(request, reason) for reason in failure.reasons],
        ),
    )


async def abort_invalid(context: Any, invalid: InvalidInputs) -> NoReturn:
    """Report a component's invalid inputs, each with its property."""
    detail = errors_pb2.InputPropertiesError(
        errors=[
            errors_pb2.InputPropertiesError.PropertyError(
                property_path=failure.property, reason=failure.reason
            )
            for failure in invalid.failures
        ]
    )
    await _abort_detailed(context, grpc.StatusCode.INVALID_ARGUMENT, "its inputs are not valid", detail)


async def abort_with(context: Any, detail: provider_pb2.ErrorResourceInitFailed) -> NoReturn:
    """Report an object that is not finished."""
    await _abort_detailed(context, grpc.StatusCode.UNKNOWN, "\n".join(detail.reasons), detail)


async def _abort_detailed(context: Any, code: grpc.StatusCode, text: str, detail: Message) -> NoReturn:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status = status_pb2.Status(code=code.value[0], message=text, details=[packed])
    await context.abort(code, text, ((_DETAILS, status.SerializeToString()),))
    raise AssertionError("abort raises")


async def unimplemented(context: Any, text: str) -> NoReturn:
    """Say that this provider does not have what was asked for."""
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)
    raise AssertionError("abort raises")
