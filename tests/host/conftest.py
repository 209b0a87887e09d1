"""Servers to talk to, and settings for them."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from pulumi_illumos_provider.host import ConnectionSettings, Elevate, Hosts
from pulumi_illumos_provider.host.connection import Keepalive
from tests.host.server import KEY, USER, Conduct, Relay, Server, public


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home without SSH files, and no agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    return tmp_path


@pytest.fixture
async def stack():
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def start(stack):
    """Starts servers."""

    async def start(**conduct):
        return await stack.enter_async_context(Server(Conduct(**conduct)))

    return start


@pytest.fixture
def relay(stack):
    """Starts something between us and a server that can freeze."""

    async def relay(server):
        return await stack.enter_async_context(Relay(server.port))

    return relay


@pytest.fixture
def settings():
    """Settings for a server: its key pinned, ours given."""

    def settings(server, **more):
        given = {
            "host": "127.0.0.1",
            "port": server.port,
            "user": USER,
            "private_key": KEY.export_private_key().decode(),
            "host_key": public(server.conduct.host_key),
            "connect_timeout": 60.0,
            "elevate": Elevate.NONE,
        }
        return ConnectionSettings(**{**given, **more})

    return settings


@pytest.fixture
def reach(stack, settings):
    """Access to a server's host."""

    async def reach(server, *, keepalive=None, channels=4, **more):
        hosts = Hosts(settings(server, **more), keepalive=keepalive or Keepalive(), channels=channels)
        return await stack.enter_async_context(hosts)

    return reach
