"""``Construct``: declare the resources that a component is made of.

A component is declared like a program declares it: over the engine's resource monitor
(``pulumirpc.ResourceMonitor``), whose address comes with the request. The monitor is spoken to
directly, and not through the runtime of Pulumi's Python SDK: nothing here is shared between two calls,
nor with the operations on resources that the same process serves meanwhile.

What holds for the component (``protect``, ``retainOnDelete``, ``deletedWith``, aliases, providers) is
told to the engine with the component itself; the engine hands it down to the children.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar, cast

import grpc
import grpc.aio
from pulumi.runtime.proto import provider_pb2, resource_pb2, resource_pb2_grpc

from pulumi_illumos_provider.components.component import Child, Component
from pulumi_illumos_provider.components.given import Given
from pulumi_illumos_provider.engine.failing import Interrupted
from pulumi_illumos_provider.engine.properties import carry, decode, trace, untrace
from pulumi_illumos_provider.errors import Failure, ProviderError
from pulumi_illumos_provider.model.base import check

_PACKAGE: Final = "illumos"

_OPTIONS: Final = (("grpc.max_receive_message_length", 400 * 1024 * 1024),)
"""As the engine's own side has them."""

_ENDED: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
"""What a monitor answers that is shutting down."""

_T = TypeVar("_T")


class InvalidInputs(ProviderError):
    """Inputs of a component that are not valid (``InputPropertiesError``).

    Attributes:
        failures: all of them.
    """

    def __init__(self, subject: str, failures: list[Failure]) -> None:
        told = "; ".join(f"{failure.property} {failure.reason}" for failure in failures)
        super().__init__(f"{subject}: {told}")
        self.failures = tuple(failures)


async def construct(
    component: Component, request: provider_pb2.ConstructRequest, provider: str
) -> provider_pb2.ConstructResponse:
    """Declare a component and its children.

    Args:
        provider: reference (``URN::ID``) to the provider resource that this process serves; the children
            are made by it unless the program names another one. May be empty.

    Raises:
        InvalidInputs: with all faults at once; nothing was declared.
        Interrupted: the engine has ended.
        ProviderError: a resource could not be made.
    """
    given = _given(component, request)
    async with grpc.aio.insecure_channel(request.monitorEndpoint, options=_OPTIONS) as channel:
        monitor = cast(
            "resource_pb2_grpc.ResourceMonitorAsyncStub", resource_pb2_grpc.ResourceMonitorStub(channel)
        )
        own = await _answer(monitor.RegisterResource(_component(request)), request.name)
        outputs = await component.compose(
            request.name, given, _Declaring(monitor, request, own.urn, provider)
        )
        state = untrace(outputs, secret=request.additionalSecretOutputs)
        told = resource_pb2.RegisterResourceOutputsRequest(urn=own.urn, outputs=state)
        await _answer(monitor.RegisterResourceOutputs(told), request.name)
    return provider_pb2.ConstructResponse(
        urn=own.urn,
        state=state,
        stateDependencies={
            name: provider_pb2.ConstructResponse.PropertyDependencies(urns=sorted(output.all_dependencies))
            for name, output in outputs.items()
        },
    )


class _Declaring:
    """Declares the children of one component.

    Args:
        monitor: the engine's resource monitor.
        request: what was asked for the component.
        parent: the component's URN.
        provider: reference to the provider that makes them, where the request names none.
    """

    def __init__(
        self,
        monitor: resource_pb2_grpc.ResourceMonitorAsyncStub,
        request: provider_pb2.ConstructRequest,
        parent: str,
        provider: str,
    ) -> None:
        self._monitor = monitor
        self._request = request
        self._parent = parent
        # The engine finds the one that the program has named by itself, with the component.
        self._provider = "" if _PACKAGE in request.providers else provider

    async def declare(self, token: str, name: str, properties: Mapping[str, Given]) -> Child:
        """Declare a child, and wait for it."""
        present = {key: value for key, value in properties.items() if not value.absent}
        dependencies = {key: value.all_dependencies for key, value in present.items()}
        request = resource_pb2.RegisterResourceRequest(
            type=token,
            name=name,
            parent=self._parent,
            provider=self._provider,
            custom=True,
            object=untrace(present),
            dependencies=sorted(frozenset(self._request.dependencies).union(*dependencies.values())),
            propertyDependencies=_property_dependencies(dependencies),
            customTimeouts=_timeouts(self._request),
            acceptSecrets=True,
            supportsPartialValues=True,
            aliasSpecs=True,
            parentStackTraceHandle=self._request.stack_trace_handle,
        )
        made = await _answer(self._monitor.RegisterResource(request), name)
        here = frozenset({made.urn})
        id = Given(made.id or None, known=bool(made.id), dependencies=here)
        outputs = trace(made.object, everything=here)
        return Child(id, Given(outputs.value, not made.unknown, dependencies=here))


def _given(component: Component, request: provider_pb2.ConstructRequest) -> Given:
    """The inputs, looked at.

    Raises:
        InvalidInputs: with all faults at once.
    """
    bag = decode(request.inputs)
    given = trace(request.inputs, {name: found.urns for name, found in request.inputDependencies.items()})
    failures = [
        *bag.failures,
        *check(component.inputs, bag.known, bag.unknown)[1],
        *component.faults(given),
    ]
    if failures:
        raise InvalidInputs(request.name, [bag.redact_failure(failure) for failure in failures])
    return given


def _component(request: provider_pb2.ConstructRequest) -> resource_pb2.RegisterResourceRequest:
    """The declaration of the component itself, with all its options."""
    declaration = resource_pb2.RegisterResourceRequest(
        type=request.type,
        name=request.name,
        parent=request.parent,
        object=carry(request.inputs),
        dependencies=request.dependencies,
        propertyDependencies=_property_dependencies(
            {name: found.urns for name, found in request.inputDependencies.items()}
        ),
        providers=request.providers,
        aliases=request.aliases,
        deletedWith=request.deletedWith,
        replace_with=request.replace_with,
        ignoreChanges=request.ignoreChanges,
        replaceOnChanges=request.replaceOnChanges,
        additionalSecretOutputs=request.additionalSecretOutputs,
        customTimeouts=_timeouts(request),
        acceptSecrets=True,
        supportsPartialValues=True,
        aliasSpecs=True,
        parentStackTraceHandle=request.stack_trace_handle,
    )
    for name in ("protect", "retainOnDelete"):
        if request.HasField(name):
            setattr(declaration, name, getattr(request, name))
    if request.HasField("deleteBeforeReplace"):
        declaration.deleteBeforeReplace = request.deleteBeforeReplace
        declaration.deleteBeforeReplaceDefined = True
    if request.HasField("replacement_trigger"):
        declaration.replacement_trigger.CopyFrom(request.replacement_trigger)
    if request.HasField("resource_hooks"):
        # Two messages of one form.
        declaration.hooks.MergeFromString(request.resource_hooks.SerializeToString())
    return declaration


def _timeouts(
    request: provider_pb2.ConstructRequest,
) -> resource_pb2.RegisterResourceRequest.CustomTimeouts | None:
    """The component's time limits, which are meant for its children."""
    if not request.HasField("customTimeouts"):
        return None
    limits = request.customTimeouts
    return resource_pb2.RegisterResourceRequest.CustomTimeouts(
        create=limits.create, update=limits.update, delete=limits.delete, read=limits.read
    )


def _property_dependencies(
    dependencies: Mapping[str, Any],
) -> dict[str, resource_pb2.RegisterResourceRequest.PropertyDependencies]:
    return {
        name: resource_pb2.RegisterResourceRequest.PropertyDependencies(urns=sorted(urns))
        for name, urns in dependencies.items()
    }


async def _answer(call: Awaitable[_T], name: str) -> _T:
    """The monitor's answer about a resource."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        if error.code() in _ENDED:
            raise Interrupted(f"{name}: the engine has stopped") from None
        raise ProviderError(f"{name}: {error.details()}") from None
