"""Components, declared to an engine's resource monitor over gRPC on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import (
    alias_pb2,
    errors_pb2,
    provider_pb2,
    resource_pb2,
    resource_pb2_grpc,
    status_pb2,
)

from .conftest import UNKNOWN, Provider, failure, plain, secret, struct

TOKEN = "illumos:index:VirtualDatacenter"
REFERENCE = "urn:pulumi:dev::site::pulumi:providers:illumos::default::123"


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:dev::site::{token}::{name}"


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """An engine that makes whatever is declared.

    Attributes:
        declared: the declarations by name.
        outputs: what was told of components, by URN.
        failing: names of resources that cannot be made, with the status.
        preview: whether ids are unknown.
        gate: resources of the names in it wait until it is open.
    """

    def __init__(self) -> None:
        self.address = ""
        self.declared: dict[str, resource_pb2.RegisterResourceRequest] = {}
        self.outputs: dict[str, struct_pb2.Struct] = {}
        self.failing: dict[str, grpc.StatusCode] = {}
        self.preview = False
        self.gate = asyncio.Barrier(1)

    async def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest, context: Any
    ) -> resource_pb2.RegisterResourceResponse:
        self.declared[request.name] = request
        if request.name.endswith("-lan"):
            await self.gate.wait()
        if request.name in self.failing:
            await context.abort(self.failing[request.name], "no room on the host")
        name = f"{request.name}0"
        return resource_pb2.RegisterResourceResponse(
            urn=urn(request.type, request.name),
            id="" if self.preview or not request.custom else f"gz1/{name}",
            object=struct({"name": name, "publicAddress": UNKNOWN if self.preview else "192.0.2.100/24"}),
        )

    async def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest, context: Any
    ) -> empty_pb2.Empty:
        self.outputs[request.urn] = request.outputs
        return empty_pb2.Empty()


@pytest.fixture
async def monitor() -> AsyncIterator[Monitor]:
    monitor = Monitor()
    server = grpc.aio.server()
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    monitor.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield monitor
    await server.stop(None)


def request(monitor: Monitor, name: str = "shop", **more: Any) -> provider_pb2.ConstructRequest:
    inputs = struct({"publicAddress": "192.0.2.100", "zones": [{"name": "web"}], **more.pop("inputs", {})})
    return provider_pb2.ConstructRequest(
        type=TOKEN, name=name, inputs=inputs, monitorEndpoint=monitor.address, **more
    )


async def test_a_component_is_declared_with_its_children(provider: Provider, monitor: Monitor) -> None:
    made = await provider.stub.Construct(request(monitor))
    assert made.urn == urn(TOKEN, "shop")
    parents = {name: declared.parent for name, declared in monitor.declared.items()}
    assert parents == {"shop": ""} | dict.fromkeys(("shop-lan", "shop-gw", "shop-web"), made.urn)
    assert not monitor.declared["shop"].custom
    assert plain(monitor.declared["shop"].object) == plain(request(monitor).inputs)
    assert plain(monitor.declared["shop-web"].object) == {
        "address": "10.10.0.100",
        "hostname": "web",
        "router": "shop-gw0",
    }
    router = urn("illumos:index:RouterZone", "shop-gw")
    assert list(monitor.declared["shop-web"].dependencies) == [router]
    assert list(monitor.declared["shop-web"].propertyDependencies["router"].urns) == [router]
    assert plain(made.state) == {
        "router": "gz1/shop-gw0",
        "etherstub": "shop-lan0",
        "publicAddress": "192.0.2.100/24",
        "addresses": {"web": "10.10.0.100"},
        "zoneIds": {"web": "gz1/shop-web0"},
    }
    assert monitor.outputs == {made.urn: made.state}
    assert list(made.stateDependencies["router"].urns) == [router]


async def test_options_hold_for_the_component_and_reach_the_children(
    provider: Provider, monitor: Monitor
) -> None:
    other, old = urn("illumos:index:Etherstub", "other"), urn(TOKEN, "old")
    await provider.stub.Construct(
        request(
            monitor,
            parent=urn("my:Site", "site"),
            protect=True,
            retainOnDelete=False,
            dependencies=[other],
            aliases=[alias_pb2.Alias(urn=old)],
            deletedWith=other,
            ignoreChanges=["domain"],
            customTimeouts=provider_pb2.ConstructRequest.CustomTimeouts(create="10m", delete="5m"),
            resource_hooks=provider_pb2.ConstructRequest.ResourceHooksBinding(before_create=["told"]),
            stack_trace_handle="7",
        )
    )
    own = monitor.declared["shop"]
    assert (own.parent, own.protect, own.retainOnDelete) == (urn("my:Site", "site"), True, False)
    assert own.HasField("retainOnDelete")
    assert not own.deleteBeforeReplaceDefined
    assert [alias.urn for alias in own.aliases] == [old]
    assert (own.deletedWith, list(own.ignoreChanges)) == (other, ["domain"])
    assert list(own.hooks.before_create) == ["told"]
    for name in ("shop", "shop-lan", "shop-gw", "shop-web"):
        declared = monitor.declared[name]
        assert other in declared.dependencies
        assert (declared.customTimeouts.create, declared.customTimeouts.delete) == ("10m", "5m")
        assert declared.parentStackTraceHandle == "7"
    # The engine hands the others down.
    assert not monitor.declared["shop-web"].HasField("protect")


async def test_options_that_are_not_given_stay_so(provider: Provider, monitor: Monitor) -> None:
    await provider.stub.Construct(request(monitor))
    own = monitor.declared["shop"]
    for name in ("protect", "retainOnDelete", "customTimeouts", "hooks", "replacement_trigger"):
        assert not own.HasField(name), name


async def test_children_are_made_by_the_provider_that_declares_them(
    provider: Provider, monitor: Monitor
) -> None:
    provider_urn, _, id = REFERENCE.rpartition("::")
    await provider.stub.Configure(
        provider_pb2.ConfigureRequest(args=struct({"host": "gz1"}), urn=provider_urn, id=id)
    )
    await provider.stub.Construct(request(monitor))
    assert monitor.declared["shop"].provider == ""
    assert {monitor.declared[f"shop-{name}"].provider for name in ("lan", "gw", "web")} == {REFERENCE}


async def test_children_are_made_by_the_provider_that_the_program_names(
    provider: Provider, monitor: Monitor
) -> None:
    provider_urn, _, id = REFERENCE.rpartition("::")
    await provider.stub.Configure(
        provider_pb2.ConfigureRequest(args=struct({"host": "gz1"}), urn=provider_urn, id=id)
    )
    named = REFERENCE.replace("default", "named")
    await provider.stub.Construct(request(monitor, providers={"illumos": named}))
    assert monitor.declared["shop"].providers == {"illumos": named}
    assert {monitor.declared[f"shop-{name}"].provider for name in ("lan", "gw", "web")} == {""}


async def test_secrets_and_dependencies_go_where_the_value_goes(
    provider: Provider, monitor: Monitor
) -> None:
    size = urn("random:index:Size", "size")
    deps = provider_pb2.ConstructRequest.PropertyDependencies(urns=[size])
    await provider.stub.Construct(
        request(
            monitor,
            inputs={"domain": "lan.example", "zones": [{"name": "web", "memory": secret("1G")}]},
            inputDependencies={"domain": deps},
        )
    )
    assert plain(monitor.declared["shop"].object)["zones"] == [{"name": "web", "memory": secret("1G")}]
    assert list(monitor.declared["shop"].propertyDependencies["domain"].urns) == [size]
    assert plain(monitor.declared["shop-web"].object)["memory"] == secret("1G")
    assert size in monitor.declared["shop-gw"].propertyDependencies["networks"].urns
    assert size not in monitor.declared["shop-lan"].dependencies


async def test_a_preview_tells_what_it_knows(provider: Provider, monitor: Monitor) -> None:
    monitor.preview = True
    made = await provider.stub.Construct(
        request(monitor, dryRun=True, inputs={"zones": [{"name": "web", "memory": UNKNOWN}]})
    )
    assert plain(monitor.declared["shop-web"].object)["memory"] == UNKNOWN
    assert plain(made.state) == {
        "router": UNKNOWN,
        "etherstub": "shop-lan0",
        "publicAddress": UNKNOWN,
        "addresses": {"web": "10.10.0.100"},
        "zoneIds": {"web": UNKNOWN},
    }


async def test_additional_secret_outputs_are_secret(provider: Provider, monitor: Monitor) -> None:
    made = await provider.stub.Construct(request(monitor, additionalSecretOutputs=["router"]))
    assert plain(made.state)["router"] == secret("gz1/shop-gw0")


async def test_two_components_are_declared_at_the_same_time_beside_other_work(
    ready: Provider, monitor: Monitor
) -> None:
    # Nobody goes on before both have come as far as their switch.
    monitor.gate = asyncio.Barrier(2)
    one, two, box = await asyncio.gather(
        ready.stub.Construct(request(monitor, "one")),
        ready.stub.Construct(request(monitor, "two")),
        ready.create({"name": "box0", "size": "1K"}),
    )
    assert plain(one.state)["router"] == "gz1/one-gw0"
    assert plain(two.state)["router"] == "gz1/two-gw0"
    assert box.id == "gz1/box0"
    assert monitor.declared["one-web"].parent == one.urn
    assert monitor.declared["two-web"].parent == two.urn


async def test_invalid_inputs_are_told_each_with_its_property(provider: Provider, monitor: Monitor) -> None:
    inputs = {"gateway": "nowhere", "zones": [{"name": "web", "cpus": 0}, {"name": secret("db")}]}
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await provider.stub.Construct(request(monitor, inputs=inputs))
    assert failure(error)[0] is grpc.StatusCode.INVALID_ARGUMENT
    trailers: dict[Any, Any] = dict(error.value.trailing_metadata() or ())  # type: ignore[arg-type]
    (packed,) = status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details
    detail = errors_pb2.InputPropertiesError()
    assert packed.Unpack(detail)
    reasons = {fault.property_path: fault.reason for fault in detail.errors}
    assert set(reasons) == {"gateway", "zones[0].cpus", "zones[1].name"}
    assert "write 192.0.2.1" in reasons["gateway"]
    assert monitor.declared == {}


async def test_a_child_that_cannot_be_made_is_named(provider: Provider, monitor: Monitor) -> None:
    monitor.failing["shop-gw"] = grpc.StatusCode.INTERNAL
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await provider.stub.Construct(request(monitor))
    assert failure(error) == (grpc.StatusCode.UNKNOWN, "shop-gw: no room on the host")
    assert "shop-web" not in monitor.declared


async def test_an_engine_that_ends_is_no_fault_of_the_component(
    provider: Provider, monitor: Monitor
) -> None:
    monitor.failing["shop-web"] = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await provider.stub.Construct(request(monitor))
    assert failure(error)[1] == "shop-web: the engine has stopped"


async def test_nothing_is_declared_once_the_engine_has_asked_to_stop(
    provider: Provider, monitor: Monitor
) -> None:
    await provider.stub.Cancel(empty_pb2.Empty())
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await provider.stub.Construct(request(monitor))
    assert "asked to stop" in failure(error)[1]
    assert monitor.declared == {}
