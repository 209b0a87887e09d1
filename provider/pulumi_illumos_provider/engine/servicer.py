"""The gRPC front door: ``pulumirpc.ResourceProvider``, served with grpc.aio.

The servicer translates messages; what they ask for is done by `operations`. An error leaves here as one
clean message, never as a stack trace. Its status code matters to the engine: with UNKNOWN and INTERNAL it
takes the resource's state for uncertain, with others for what it was.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, Final, NoReturn, TypeVar

import grpc
import grpc.aio
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from pulumi_illumos_provider import __version__
from pulumi_illumos_provider.components import COMPONENTS
from pulumi_illumos_provider.components.component import Component
from pulumi_illumos_provider.engine import config, shapes
from pulumi_illumos_provider.engine.aborting import (
    abort_invalid,
    abort_unfinished,
    abort_with,
    unimplemented,
)
from pulumi_illumos_provider.engine.checking import check_inputs
from pulumi_illumos_provider.engine.constructing import InvalidInputs, construct
from pulumi_illumos_provider.engine.engine_log import EngineLog
from pulumi_illumos_provider.engine.execution import HostAccess
from pulumi_illumos_provider.engine.failing import Interrupted, PartialFailure, describe
from pulumi_illumos_provider.engine.messages import (
    CHANGES,
    diff_response,
    failures_on_wire,
    naming,
    optional,
    outputs_on_wire,
    redacted,
    some_changes,
    urn_name,
    urn_type,
)
from pulumi_illumos_provider.engine.operations import AnyKind, Operations
from pulumi_illumos_provider.engine.properties import (
    carry,
    decode,
    encode,
)
from pulumi_illumos_provider.errors import ProviderError, Refused
from pulumi_illumos_provider.resources.kind import Owner

_LOG: Final = logging.getLogger("pulumi_illumos_provider")

Connect = Callable[[config.Configuration], HostAccess]
"""Makes the access to hosts from a configuration."""

_Method = TypeVar("_Method", bound=Callable[..., Awaitable[Any]])


class Busy:
    """Counts what is going on."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> None:
        self._count += 1
        self._idle.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._idle.set()

    async def idle(self, within: float) -> bool:
        """Wait until nothing goes on; False when that takes longer than ``within`` seconds."""
        try:
            async with asyncio.timeout(within):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True


def _clean(method: _Method) -> _Method:
    """Let a method's errors out as one message each, and know of the method while it runs."""

    @wraps(method)
    async def guarded(self: Servicer, request: Any, context: Any) -> Any:
        with self.busy:
            try:
                return await method(self, request, context)
            except PartialFailure as failure:
                kind = self._kinds.get(request.type or urn_type(request.urn))
                await abort_unfinished(context, request, failure, kind)
            except InvalidInputs as invalid:
                await abort_invalid(context, invalid)
            except Refused as refusal:
                code, text = grpc.StatusCode.FAILED_PRECONDITION, str(refusal)
            except ProviderError as error:
                code, text = grpc.StatusCode.UNKNOWN, str(error)
            except (grpc.aio.AbortError, asyncio.CancelledError):
                raise
            except Exception as error:
                told = redacted(request, "".join(traceback.format_exception(error)))
                _LOG.debug("%s failed: %s", method.__name__, told)
                code, text = grpc.StatusCode.INTERNAL, describe(error)
            return await context.abort(code, redacted(request, text))

    return guarded  # type: ignore[return-value]


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """The provider, as the engine talks to it.

    Args:
        kinds: kinds of resources by type token.
        connect: makes the access to hosts, once the provider is configured.
        log: the engine's log.
        schema: gives the package schema.
        environment: variables for the configuration; the process's own when left out.
        components: components by type token.
    """

    def __init__(
        self,
        kinds: Mapping[str, AnyKind],
        connect: Connect,
        log: EngineLog,
        schema: Callable[[], str],
        environment: Mapping[str, str] | None = None,
        components: Mapping[str, Component] = COMPONENTS,
    ) -> None:
        self.busy = Busy()
        """What the servicer is doing."""
        self._kinds = kinds
        self._connect = connect
        self._log = log
        self._schema = schema
        self._environment = environment
        self._components = components
        self._configured: Operations | None = None
        self._reference = ""
        self._existing: set[str] = set()
        self._interrupted = False

    def interrupt(self) -> None:
        """Stop: no new operation begins, the running ones end with what they have done."""
        self._interrupted = True
        if self._configured is not None:
            self._configured.interrupt()

    async def close(self) -> None:
        """Close the connections to all hosts."""
        if self._configured is not None:
            await self._configured.close()

    # The plugin

    @_clean
    async def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: Any
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Agree on the protocol's options; the same as in the answer to Configure."""
        await self._log.connect(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True,
            accept_resources=False,
            accept_outputs=True,
            supports_autonaming_configuration=True,
        )

    @_clean
    async def Attach(self, request: plugin_pb2.PluginAttach, context: Any) -> empty_pb2.Empty:
        """An engine has found a provider that was started by hand."""
        await self._log.connect(request.address)
        return empty_pb2.Empty()

    @_clean
    async def GetPluginInfo(self, request: empty_pb2.Empty, context: Any) -> plugin_pb2.PluginInfo:
        """The provider's version."""
        return plugin_pb2.PluginInfo(version=__version__)

    @_clean
    async def GetSchema(
        self, request: provider_pb2.GetSchemaRequest, context: Any
    ) -> provider_pb2.GetSchemaResponse:
        """The package schema."""
        return provider_pb2.GetSchemaResponse(schema=self._schema())

    @_clean
    async def Cancel(self, request: empty_pb2.Empty, context: Any) -> empty_pb2.Empty:
        """The user pressed Ctrl-C, or the engine is done."""
        self.interrupt()
        return empty_pb2.Empty()

    # Configuration

    @_clean
    async def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: Any
    ) -> provider_pb2.CheckResponse:
        """Validate settings. What the environment gives is looked at, but not put into the state."""
        checked = config.check_config(decode(request.news), self._environment)
        return provider_pb2.CheckResponse(
            inputs=carry(request.news, secret=config.SECRET), failures=failures_on_wire(checked.failures)
        )

    @_clean
    async def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: Any
    ) -> provider_pb2.DiffResponse:
        """Compare settings: only another host makes another provider."""
        olds = decode(request.old_inputs if request.HasField("old_inputs") else request.olds)
        news = decode(request.news)
        changed = config.changed_settings(olds, news)
        replaces = [name for name in changed if config.replaces_provider(name, olds, news)]
        detailed = {}
        for name in changed:
            has = name in news.known or name in news.unknown_names
            verb = "update" if (name in olds.known) == has else ("add" if has else "delete")
            detailed[name] = provider_pb2.PropertyDiff(kind=CHANGES[verb, name in replaces], inputDiff=True)
        return provider_pb2.DiffResponse(
            changes=some_changes(changed),
            diffs=changed,
            replaces=replaces,
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    @_clean
    async def Configure(
        self, request: provider_pb2.ConfigureRequest, context: Any
    ) -> provider_pb2.ConfigureResponse:
        """Take the settings; connections are made when they are needed."""
        bag = decode(request.args)
        checked = config.check_config(bag, self._environment)
        if checked.failures:
            raise Refused(
                "; ".join(f"illumos:{fault.property} {fault.reason}" for fault in checked.failures)
            )
        await self.close()
        settings = checked.configuration
        hosts = None if settings is None else self._connect(settings)
        self._configured = Operations(hosts, settings.host if settings else None)
        self._reference = f"{request.urn}::{request.id}" if request.urn and request.id else ""
        if self._interrupted:
            self._configured.interrupt()
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True,
            supportsPreview=True,
            acceptResources=False,
            acceptOutputs=True,
            supports_autonaming_configuration=True,
        )

    # Resources

    @_clean
    async def Check(self, request: provider_pb2.CheckRequest, context: Any) -> provider_pb2.CheckResponse:
        """Validate inputs, all failures at once; add the automatic name."""
        kind = self._kind(request.urn, request.type)
        old_name = decode(request.olds).known.get("name")
        checked = check_inputs(
            kind,
            decode(request.news),
            old_name=old_name,
            resource_name=request.name or urn_name(request.urn),
            seed=request.randomSeed or request.urn.encode(),
            naming=naming(request),
        )
        more = {} if checked.name is None else {"name": checked.name}
        return provider_pb2.CheckResponse(
            inputs=carry(request.news, more, shapes.secret_paths(kind.inputs)),
            failures=failures_on_wire(checked.failures),
        )

    @_clean
    async def Diff(self, request: provider_pb2.DiffRequest, context: Any) -> provider_pb2.DiffResponse:
        """Compare meaning, property by property."""
        kind = self._kind(request.urn, request.type)
        self._existing.add(request.urn)
        found = self._operations().diff(
            kind,
            decode(request.olds),
            decode(request.news),
            old_inputs=optional(request, "old_inputs"),
            ignore=request.ignoreChanges,
        )
        return diff_response(found)

    @_clean
    async def Create(
        self, request: provider_pb2.CreateRequest, context: Any
    ) -> provider_pb2.CreateResponse:
        """Make an object, or tell what would be made."""
        kind = self._kind(request.urn, request.type)
        news = decode(request.properties)
        owner, listener = Owner(request.urn), self._log.about(request.urn)
        within = request.timeout or None
        if request.preview:
            made = await self._operations().preview_create(
                kind,
                news,
                owner,
                listener=listener,
                within=within,
                replacing=request.urn in self._existing,
            )
        else:
            made = await self._operations().create(kind, news, owner, listener=listener, within=within)
        return provider_pb2.CreateResponse(
            id=made.id or "", properties=outputs_on_wire(kind, made.outputs, news)
        )

    @_clean
    async def Read(self, request: provider_pb2.ReadRequest, context: Any) -> provider_pb2.ReadResponse:
        """Read an object: for a refresh, for an import (nothing but the id is given), for a getter."""
        kind = self._kind(request.urn, request.type)
        state, inputs = decode(request.properties), decode(request.inputs)
        imported = not request.properties.fields and not request.inputs.fields
        found = await self._operations().read(
            kind,
            request.id,
            inputs=None if imported else inputs,
            within=request.timeout or None,
        )
        if found is None:
            return provider_pb2.ReadResponse()
        properties = outputs_on_wire(kind, found.outputs, inputs, state)
        secret = inputs.secret | shapes.secret_names(kind.inputs)
        told = encode(found.inputs, secret)
        if found.reasons:
            unfinished = provider_pb2.ErrorResourceInitFailed(
                id=found.id, properties=properties, inputs=told, reasons=found.reasons
            )
            await abort_with(context, unfinished)
        return provider_pb2.ReadResponse(id=found.id, properties=properties, inputs=told)

    @_clean
    async def Update(
        self, request: provider_pb2.UpdateRequest, context: Any
    ) -> provider_pb2.UpdateResponse:
        """Change an object in place, or tell what would be changed."""
        kind = self._kind(request.urn, request.type)
        olds, news = decode(request.olds), decode(request.news)
        owner, listener = Owner(request.urn), self._log.about(request.urn)
        within = request.timeout or None
        if request.preview:
            made = await self._operations().preview_update(
                kind,
                request.id,
                olds,
                news,
                owner,
                old_inputs=optional(request, "old_inputs"),
                ignore=request.ignoreChanges,
                listener=listener,
                within=within,
            )
        else:
            made = await self._operations().update(
                kind, request.id, olds, news, owner, listener=listener, within=within
            )
        return provider_pb2.UpdateResponse(properties=outputs_on_wire(kind, made.outputs, news, olds))

    @_clean
    async def Delete(self, request: provider_pb2.DeleteRequest, context: Any) -> empty_pb2.Empty:
        """Remove an object; one that is gone is a success."""
        kind = self._kind(request.urn, request.type)
        await self._operations().delete(
            kind,
            request.id,
            decode(request.properties),
            listener=self._log.about(request.urn),
            within=request.timeout or None,
        )
        return empty_pb2.Empty()

    # Components

    @_clean
    async def Construct(
        self, request: provider_pb2.ConstructRequest, context: Any
    ) -> provider_pb2.ConstructResponse:
        """Declare the resources that a component is made of."""
        component = self._components.get(request.type)
        if component is None:
            await unimplemented(context, f"illumos has no component {request.type!r}")
        if self._interrupted:
            raise Interrupted(f"{request.name}: the engine has asked to stop")
        return await construct(component, request, self._reference)

    # What this provider does not have

    @_clean
    async def Invoke(
        self, request: provider_pb2.InvokeRequest, context: Any
    ) -> provider_pb2.InvokeResponse:
        """No functions yet."""
        raise Refused(f"illumos has no function {request.tok!r}")

    @_clean
    async def Call(self, request: provider_pb2.CallRequest, context: Any) -> NoReturn:
        """No methods."""
        await unimplemented(context, f"illumos has no method {request.tok!r}")

    @_clean
    async def Parameterize(self, request: provider_pb2.ParameterizeRequest, context: Any) -> NoReturn:
        """No parameters."""
        await unimplemented(context, "illumos is not a parameterized package")

    async def List(self, request: provider_pb2.ListRequest, context: Any) -> NoReturn:  # type: ignore[override]
        """No listing."""
        await unimplemented(context, "illumos does not list resources")

    @_clean
    async def GetMapping(
        self, request: provider_pb2.GetMappingRequest, context: Any
    ) -> provider_pb2.GetMappingResponse:
        """Nothing to convert from."""
        return provider_pb2.GetMappingResponse()

    @_clean
    async def GetMappings(
        self, request: provider_pb2.GetMappingsRequest, context: Any
    ) -> provider_pb2.GetMappingsResponse:
        """Nothing to convert from."""
        return provider_pb2.GetMappingsResponse()

    # Parts

    def _operations(self) -> Operations:
        if self._configured is None:
            raise Refused("the provider is not configured: the engine must call Configure first")
        return self._configured

    def _kind(self, urn: str, token: str) -> AnyKind:
        token = token or urn_type(urn)
        if token not in self._kinds:
            known = ", ".join(sorted(self._kinds))
            raise Refused(f"illumos has no resource {token!r}; it has {known}")
        return self._kinds[token]
