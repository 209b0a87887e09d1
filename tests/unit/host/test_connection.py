"""Connecting, as far as no server is needed for it."""

import threading

import pytest

from pulumi_illumos_provider.host import ConnectionSettings, Hosts, connection
from pulumi_illumos_provider.host.errors import Misconfigured
from pulumi_illumos_provider.plan import Command


async def test_settings_that_cannot_be_read_in_time_are_told(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(connection, "_ROUTE_LIMIT", 0.01)
    monkeypatch.setattr(connection, "find_route", lambda settings, hop: over.wait())
    try:
        with pytest.raises(Misconfigured, match=r"settings for gz1 could not be read within 0.01 s"):
            await Hosts(ConnectionSettings("gz1")).read(None, {"x": Command(("/usr/bin/true",))})
    finally:
        over.set()
