"""The servicer in process, spoken to over gRPC on loopback, as the engine does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import any_pb2, empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

from pulumi_illumos_provider.engine.config import Configuration
from pulumi_illumos_provider.engine.engine_log import EngineLog
from pulumi_illumos_provider.engine.servicer import Servicer

from ..unit.engine.toy import KINDS, FakeHosts

SIGNATURE = "4dabf18193072939515e22adb298388d"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def struct(values: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())


def plain(message: struct_pb2.Struct) -> dict[str, Any]:
    return json_format.MessageToDict(message)


def secret(value: Any) -> dict[str, Any]:
    return {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": value}


def urn(name: str, token: str = "illumos:index:Box") -> str:
    return f"urn:pulumi:dev::site::{token}::{name}"


@dataclass
class FakeEngine(engine_pb2_grpc.EngineServicer):
    """An engine that keeps what is logged."""

    messages: list[engine_pb2.LogRequest] = field(default_factory=list)

    async def Log(self, request: engine_pb2.LogRequest, context: Any) -> empty_pb2.Empty:
        self.messages.append(request)
        return empty_pb2.Empty()

    def told(self, *, ephemeral: bool = False) -> list[tuple[str, str]]:
        return [
            (engine_pb2.LogSeverity.Name(message.severity), message.message)
            for message in self.messages
            if message.ephemeral == ephemeral
        ]


@dataclass
class Provider:
    """The provider as the engine sees it.

    Attributes:
        stub: its methods.
        hosts: what it works on.
        engine: where it logs to.
        configured: the configurations that it was given.
    """

    stub: Any
    servicer: Servicer
    hosts: FakeHosts
    engine: FakeEngine
    log: EngineLog
    engine_address: str
    configured: list[Configuration]

    async def configure(self, **args: Any) -> provider_pb2.ConfigureResponse:
        given = struct({"host": "gz1", **args})
        return await self.stub.Configure(provider_pb2.ConfigureRequest(args=given))

    async def check(self, name: str = "a", **more: Any) -> provider_pb2.CheckResponse:
        news, olds = struct(more.pop("news", {})), struct(more.pop("olds", {}))
        request = provider_pb2.CheckRequest(
            urn=urn(name), name=name, type="illumos:index:Box", news=news, olds=olds, **more
        )
        return await self.stub.Check(request)

    async def create(self, properties: dict[str, Any], name: str = "a", **more: Any) -> Any:
        request = provider_pb2.CreateRequest(urn=urn(name), properties=struct(properties), **more)
        return await self.stub.Create(request)

    async def diff(self, olds: dict[str, Any], news: dict[str, Any], **more: Any) -> Any:
        if "old_inputs" in more:
            more["old_inputs"] = struct(more["old_inputs"])
        request = provider_pb2.DiffRequest(
            id="gz1/box0", urn=urn("a"), olds=struct(olds), news=struct(news), **more
        )
        return await self.stub.Diff(request)

    async def update(self, olds: dict[str, Any], news: dict[str, Any], **more: Any) -> Any:
        request = provider_pb2.UpdateRequest(
            id="gz1/box0", urn=urn("a"), olds=struct(olds), news=struct(news), **more
        )
        return await self.stub.Update(request)

    async def delete(self, properties: dict[str, Any], id: str = "gz1/box0", **more: Any) -> Any:
        request = provider_pb2.DeleteRequest(id=id, urn=urn("a"), properties=struct(properties), **more)
        return await self.stub.Delete(request)

    async def read(self, id: str = "gz1/box0", **more: Any) -> Any:
        for name in {"properties", "inputs"} & more.keys():
            more[name] = struct(more[name])
        return await self.stub.Read(provider_pb2.ReadRequest(id=id, urn=urn("a"), **more))

    async def logged(self) -> None:
        """Wait until the engine has what was logged so far."""
        await self.log._messages.join()
        await asyncio.sleep(0)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """A provider that has shaken hands with an engine, and is not configured."""
    engine, hosts, log, configured = FakeEngine(), FakeHosts(), EngineLog(), []

    def connect(configuration: Configuration) -> FakeHosts:
        configured.append(configuration)
        return hosts

    servicer = Servicer(KINDS, connect, log, lambda: '{"name": "illumos"}', environment={})
    server = grpc.aio.server()
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        await stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=address))
        yield Provider(stub, servicer, hosts, engine, log, address, configured)
        await servicer.close()
        await log.close()
    await server.stop(None)


@pytest.fixture
async def ready(provider: Provider) -> Provider:
    """A provider that is configured for host gz1."""
    await provider.configure()
    return provider


def failure(error: pytest.ExceptionInfo[grpc.aio.AioRpcError]) -> tuple[grpc.StatusCode, str]:
    """Status and message of an error; the message is one that a user can be shown."""
    text = error.value.details() or ""
    assert "Traceback" not in text
    assert 'File "' not in text
    return error.value.code(), text


def unfinished(
    error: pytest.ExceptionInfo[grpc.aio.AioRpcError],
) -> provider_pb2.ErrorResourceInitFailed:
    """The detail of an error that reports an object which exists and is not finished."""
    trailers: dict[Any, Any] = dict(error.value.trailing_metadata() or ())  # type: ignore[arg-type]
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == error.value.code().value[0]
    (packed,) = status.details
    assert isinstance(packed, any_pb2.Any)
    detail = provider_pb2.ErrorResourceInitFailed()
    assert packed.Unpack(detail)
    return detail
