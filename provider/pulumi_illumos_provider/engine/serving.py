"""Serving the provider: the gRPC server, signals, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from typing import Final, TextIO

import grpc.aio
from pulumi.runtime.proto import provider_pb2_grpc

from pulumi_illumos_provider.engine.connecting import connect
from pulumi_illumos_provider.engine.engine_log import EngineLog
from pulumi_illumos_provider.engine.servicer import Servicer
from pulumi_illumos_provider.resources import KINDS
from pulumi_illumos_provider.schema import text as schema_text

DEBUG: Final = "ILLUMOS_DEBUG"
"""Environment variable: log everything, with stack traces, to standard error."""

END_LIMIT: Final = 4.0
"""Seconds for what runs to end after a signal. The engine waits five, then it kills."""

WATCH: Final = 2.0
"""Seconds between two looks at whether the engine is still there."""

_MISSED: Final = 2
"""Looks in vain after which the engine is taken for gone."""

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 400 * 1024 * 1024),
    # A request may wait while the machine is busy; it must not be dropped for that.
    ("grpc.server_max_unrequested_time_in_server", 30 * 60),
)
"""As the engine's own side has them: pulumi/pulumi, sdk/python, runtime/_grpc_settings.py."""

_LOG: Final = logging.getLogger("pulumi_illumos_provider")


async def serve(engine: str, port_file: TextIO) -> int:
    """Serve until the engine goes or a signal comes.

    Args:
        engine: the engine's address; empty when the provider was started by hand.
        port_file: where the port is printed.

    Returns:
        The exit status.
    """
    debug = bool(os.environ.get(DEBUG))
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING)
    log = EngineLog()
    await log.connect(engine)
    servicer = Servicer(KINDS, connect, log, schema_text)
    server = grpc.aio.server(options=_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    end = asyncio.Event()
    _end_on_signals(end)
    watch = asyncio.create_task(_end_without_engine(engine, end))
    with port_file:
        print(port, file=port_file)
    await end.wait()
    watch.cancel()
    servicer.interrupt()
    await servicer.busy.idle(END_LIMIT)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await servicer.close()
    await server.stop(0.1)
    await log.close()
    return 0


def _end_on_signals(end: asyncio.Event) -> None:
    """First signal: an orderly end. Second one: at once."""

    def ended(number: int) -> None:
        if end.is_set():
            os._exit(128 + number)
        end.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, ended, number)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda got, _: loop.call_soon_threadsafe(ended, got))


async def _end_without_engine(engine: str, end: asyncio.Event) -> None:
    """End when the engine is gone: nobody would hear of what is done from then on."""
    if not engine:
        return
    missed = 0
    while missed < _MISSED:
        await asyncio.sleep(WATCH)
        missed = 0 if await _answers(engine) else missed + 1
    _LOG.warning("the engine at %s is gone: stopping", engine)
    end.set()


async def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(WATCH):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, TimeoutError, ValueError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
