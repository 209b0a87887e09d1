"""The engine's log, where a provider's messages reach the user (``pulumirpc.Engine.Log``)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final, cast

import grpc
import grpc.aio
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

_LOG: Final = logging.getLogger("pulumi_illumos_provider")

_SEND_LIMIT: Final = 10.0
"""Seconds that the engine gets to take a message."""

_LEVELS: Final = {
    engine_pb2.DEBUG: logging.DEBUG,
    engine_pb2.INFO: logging.INFO,
    engine_pb2.WARNING: logging.WARNING,
    engine_pb2.ERROR: logging.ERROR,
}


class EngineLog:
    """A client of the engine's log.

    Messages are sent one by one, in order, in the background: no operation waits for them, and none
    fails because of them. Without an engine (a provider started by hand) they go to stderr.
    """

    def __init__(self) -> None:
        self._address = ""
        self._channel: grpc.aio.Channel | None = None
        self._messages: asyncio.Queue[engine_pb2.LogRequest] = asyncio.Queue()
        self._sender: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """``HOST:PORT`` of the engine; empty when there is none."""
        return self._address

    async def connect(self, address: str) -> None:
        """Send to this engine from now on; called again, for another one (``Attach``)."""
        if not address or address == self._address:
            return
        await self._disconnect()
        self._address = address
        self._channel = grpc.aio.insecure_channel(address)
        stub = engine_pb2_grpc.EngineStub(self._channel)
        asynchronous = cast("engine_pb2_grpc.EngineAsyncStub", stub)
        self._sender = asyncio.create_task(self._send_all(asynchronous))

    async def close(self) -> None:
        """Send what is waiting, within limits, and hang up."""
        if self._sender is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._messages.join()
        await self._disconnect()

    def log(
        self,
        severity: engine_pb2.LogSeverity.ValueType,
        text: str,
        urn: str = "",
        *,
        ephemeral: bool = False,
    ) -> None:
        """Send a message.

        Args:
            urn: the resource that it is about.
            ephemeral: whether it tells of this moment only, and is not kept.
        """
        _LOG.log(_LEVELS[severity] if not self._address else logging.DEBUG, "%s", text)
        if self._address:
            self._messages.put_nowait(
                engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=ephemeral)
            )

    def about(self, urn: str) -> ResourceLog:
        """A listener for the operations on one resource."""
        return ResourceLog(self, urn)

    async def _send_all(self, stub: engine_pb2_grpc.EngineAsyncStub) -> None:
        while True:
            message = await self._messages.get()
            try:
                await stub.Log(message, timeout=_SEND_LIMIT)
            except grpc.aio.AioRpcError as error:
                _LOG.debug("the engine did not take a message: %s", error.details())
            finally:
                self._messages.task_done()

    async def _disconnect(self) -> None:
        if self._sender is not None:
            self._sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sender
            self._sender = None
        if self._channel is not None:
            await self._channel.close(None)
            self._channel = None
        self._address = ""


class ResourceLog:
    """What is told of one resource.

    Args:
        log: the engine's log.
        urn: the resource.
    """

    def __init__(self, log: EngineLog, urn: str) -> None:
        self._log = log
        self._urn = urn

    def status(self, text: str) -> None:
        """Progress: shown beside the resource until the next one comes."""
        self._log.log(engine_pb2.INFO, text, self._urn, ephemeral=True)

    def note(self, text: str) -> None:
        """Information that stays."""
        self._log.log(engine_pb2.INFO, text, self._urn)

    def warn(self, text: str) -> None:
        """A warning that stays."""
        self._log.log(engine_pb2.WARNING, text, self._urn)
