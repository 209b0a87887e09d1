"""Handshake, schema, log, cancel, and the methods that this provider does not have."""

from __future__ import annotations

import asyncio
import logging

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2

from pulumi_illumos_provider import __version__
from pulumi_illumos_provider.plan import Probes, Results

from .conftest import FakeEngine, Provider, failure, secret, struct, unfinished, urn

EMPTY = empty_pb2.Empty()


async def test_handshake_and_configure_agree_on_the_protocol(provider: Provider) -> None:
    shaken = await provider.stub.Handshake(provider_pb2.ProviderHandshakeRequest())
    configured = await provider.configure()
    assert (shaken.accept_secrets, shaken.accept_outputs, shaken.accept_resources) == (True, True, False)
    assert configured.acceptSecrets == shaken.accept_secrets
    assert configured.acceptOutputs == shaken.accept_outputs
    assert configured.acceptResources == shaken.accept_resources
    assert configured.supports_autonaming_configuration == shaken.supports_autonaming_configuration is True
    assert configured.supportsPreview


async def test_the_plugin_tells_its_version_and_schema(provider: Provider) -> None:
    assert (await provider.stub.GetPluginInfo(EMPTY)).version == __version__
    schema = await provider.stub.GetSchema(provider_pb2.GetSchemaRequest())
    assert schema.schema == '{"name": "illumos"}'


async def test_mappings_are_answered_with_none(provider: Provider) -> None:
    mapping = await provider.stub.GetMapping(provider_pb2.GetMappingRequest(key="terraform"))
    assert (mapping.provider, mapping.data) == ("", b"")
    assert list((await provider.stub.GetMappings(provider_pb2.GetMappingsRequest())).providers) == []


@pytest.mark.parametrize(
    ("method", "request_", "text"),
    [
        ("Call", provider_pb2.CallRequest(tok="illumos:index:Box/open"), "no method"),
        ("Construct", provider_pb2.ConstructRequest(type="illumos:index:Site"), "no component"),
        ("Parameterize", provider_pb2.ParameterizeRequest(), "not a parameterized package"),
    ],
)
async def test_what_the_provider_does_not_have_is_unimplemented(
    provider: Provider, method: str, request_: object, text: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(provider.stub, method)(request_)
    code, message = failure(caught)
    assert code == grpc.StatusCode.UNIMPLEMENTED
    assert text in message


async def test_listing_is_unimplemented(provider: Provider) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in provider.stub.List(provider_pb2.ListRequest(token="illumos:index:Box")):
            pass
    assert failure(caught)[0] == grpc.StatusCode.UNIMPLEMENTED


async def test_an_unknown_function_is_a_clear_error(ready: Provider) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.stub.Invoke(provider_pb2.InvokeRequest(tok="illumos:index:getHost"))
    assert failure(caught)[1] == "illumos has no function 'illumos:index:getHost'"


async def test_an_unknown_resource_is_a_clear_error(ready: Provider) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.stub.Create(provider_pb2.CreateRequest(urn=urn("a", "illumos:index:Bxo")))
    assert "illumos has no resource 'illumos:index:Bxo'; it has illumos:index:Box" in failure(caught)[1]


async def test_an_unconfigured_provider_says_so(provider: Provider) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await provider.create({"name": "box0"})
    assert failure(caught) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "the provider is not configured: the engine must call Configure first",
    )


async def test_a_fault_of_the_provider_is_one_line_without_values(ready: Provider) -> None:
    ready.hosts.worlds[None]["box0"] = {"hunter2": "hunter2"}  # misses what the kind reads
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.read(properties={"name": "box0"})
    code, text = failure(caught)
    assert code == grpc.StatusCode.INTERNAL
    assert text.startswith("internal error: KeyError in toy.py:")
    assert "please report it" in text
    assert "hunter2" not in text


async def test_what_is_logged_of_a_fault_has_a_place_and_no_secrets(
    ready: Provider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def read(host: str | None, probes: Probes) -> Results:
        raise RuntimeError("opensesame is not understood")

    monkeypatch.setattr(ready.hosts, "read", read)
    with caplog.at_level(logging.DEBUG, "pulumi_illumos_provider"), pytest.raises(grpc.aio.AioRpcError):
        await ready.create({"name": "box0", "token": secret("opensesame")})
    assert "RuntimeError: [secret] is not understood" in caplog.text
    assert "opensesame" not in caplog.text


async def test_progress_goes_to_the_engines_log_as_passing_messages(ready: Provider) -> None:
    await ready.create({"name": "box0"})
    await ready.logged()
    assert ready.engine.told(ephemeral=True) == [
        ("INFO", "making box box0"),
        ("INFO", "filling box box0"),
        ("INFO", "sealing box box0"),
    ]
    assert {message.urn for message in ready.engine.messages} == {urn("a")}


async def test_warnings_go_to_the_engines_log_and_stay(ready: Provider) -> None:
    await ready.create({"name": "box0", "size": "2T"}, preview=True)
    await ready.logged()
    assert ready.engine.told() == [("WARNING", "box is very large")]


async def test_an_engine_that_attaches_gets_the_log(ready: Provider) -> None:
    await ready.stub.Attach(plugin_pb2.PluginAttach(address=ready.engine_address))
    await ready.create({"name": "box0", "size": "2T"})
    await ready.logged()
    assert ("WARNING", "box is very large") in ready.engine.told()


async def test_an_engine_that_takes_no_messages_breaks_nothing(ready: Provider) -> None:
    await ready.stub.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1"))
    assert (await ready.create({"name": "box0", "size": "2T"})).id == "gz1/box0"


async def test_cancel_ends_what_runs_with_what_is_there_and_lets_nothing_begin(ready: Provider) -> None:
    ready.hosts.hang = "sealing"
    running = asyncio.ensure_future(ready.create({"name": "box0"}))
    await ready.hosts.hanging.wait()
    await ready.stub.Cancel(EMPTY)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running
    detail = unfinished(caught)
    assert (detail.id, list(detail.reasons)) == ("gz1/box0", ["cancelled while sealing box box0"])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ready.create({"name": "box1"}, "b")
    assert "cancelled" in failure(caught)[1]
    assert "box1" not in ready.hosts.world


async def test_the_servicer_knows_when_it_is_idle(ready: Provider) -> None:
    assert await ready.servicer.busy.idle(0.1)
    ready.hosts.hang = "making"
    running = asyncio.ensure_future(ready.create({"name": "box0"}))
    await ready.hosts.hanging.wait()
    assert not await ready.servicer.busy.idle(0.01)
    ready.servicer.interrupt()
    assert await ready.servicer.busy.idle(1)
    with pytest.raises(grpc.aio.AioRpcError):
        await running


def test_the_fake_engine_tells_passing_messages_apart() -> None:
    assert FakeEngine().told() == []
    assert struct({}) is not None
