"""CheckConfig, DiffConfig, Configure."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from .conftest import UNKNOWN, Provider, failure, plain, secret, struct

URN = "urn:pulumi:dev::site::pulumi:providers:illumos::default"
SOME, NONE = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE


async def check(provider: Provider, news: dict[str, Any]) -> provider_pb2.CheckResponse:
    return await provider.stub.CheckConfig(provider_pb2.CheckRequest(urn=URN, news=struct(news)))


async def diff(provider: Provider, olds: dict[str, Any], news: dict[str, Any]) -> provider_pb2.DiffResponse:
    return await provider.stub.DiffConfig(
        provider_pb2.DiffRequest(urn=URN, olds=struct(olds), old_inputs=struct(olds), news=struct(news))
    )


async def test_settings_come_back_as_they_were_written_and_keys_are_secret(provider: Provider) -> None:
    checked = await check(
        provider, {"host": "gz1", "port": "2222", "privateKey": "KEY", "version": "1.0.0"}
    )
    assert plain(checked.inputs) == {
        "host": "gz1",
        "port": "2222",
        "privateKey": secret("KEY"),
        "version": "1.0.0",
    }
    assert list(checked.failures) == []


async def test_all_failures_come_with_their_paths(provider: Provider) -> None:
    checked = await check(provider, {"port": 0, "elevate": "doas", "connectTimeout": "soon"})
    assert {failure.property for failure in checked.failures} == {"port", "elevate", "connectTimeout"}


async def test_unknown_settings_are_tolerated(provider: Provider) -> None:
    checked = await check(provider, {"host": UNKNOWN, "privateKey": UNKNOWN})
    assert plain(checked.inputs)["host"] == UNKNOWN
    assert list(checked.failures) == []


@pytest.mark.parametrize(
    ("olds", "news", "changes", "replaces"),
    [
        ({"host": "gz1"}, {"host": "gz1"}, [], []),
        ({"host": "gz1", "port": 22}, {"host": "gz1", "port": "22"}, [], []),
        ({"host": "gz1"}, {"host": "gz2"}, ["host"], ["host"]),
        ({"host": "gz1"}, {"host": UNKNOWN}, ["host"], []),
        ({}, {"host": "gz1"}, ["host"], []),
        (
            {"host": "gz1", "privateKey": "a", "user": "me"},
            {"host": "gz1", "privateKey": "b", "elevate": "sudo"},
            ["user", "privateKey", "elevate"],
            [],
        ),
    ],
)
async def test_only_another_host_replaces_the_provider(
    provider: Provider, olds: dict[str, Any], news: dict[str, Any], changes: list[str], replaces: list[str]
) -> None:
    found = await diff(provider, olds, news)
    assert found.changes == (SOME if changes else NONE)
    assert list(found.diffs) == changes
    assert list(found.replaces) == replaces
    assert found.hasDetailedDiff
    assert set(found.detailedDiff) == set(changes)


async def test_kinds_of_changes_of_settings(provider: Provider) -> None:
    found = await diff(provider, {"host": "a", "user": "u"}, {"host": "b", "port": 22})
    kinds = {name: provider_pb2.PropertyDiff.Kind.Name(d.kind) for name, d in found.detailedDiff.items()}
    assert kinds == {"host": "UPDATE_REPLACE", "user": "DELETE", "port": "ADD"}


async def test_settings_are_read_from_the_arguments(provider: Provider) -> None:
    await provider.configure(port="2222", privateKey=secret("KEY"))
    (found,) = provider.configured
    assert (found.host, found.port, found.private_key) == ("gz1", 2222, "KEY")


async def test_wrong_settings_are_reported_together(provider: Provider) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await provider.configure(port=0, elevate="doas")
    text = failure(caught)[1]
    assert "illumos:port" in text
    assert "illumos:elevate" in text


async def test_nothing_is_connected_while_settings_are_unknown(provider: Provider) -> None:
    await provider.configure(privateKey=UNKNOWN)
    made = await provider.create({"name": "box0"}, preview=True)
    assert (provider.configured, provider.hosts.reads) == ([], [])
    assert plain(made.properties)["serial"] == UNKNOWN


async def test_a_new_configuration_closes_the_connections_of_the_old_one(provider: Provider) -> None:
    await provider.configure()
    await provider.configure(user="other")
    assert provider.hosts.closed
