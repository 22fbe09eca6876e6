"""This package, the full call: token, limit (too high to bind), retries and deadline on."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, cast

import msgspec

from octoffm_async import Config, FulfillmentClient, Limit, LoggingHook, OutboundShipmentRequest

from ..answers import API, ORDER, SELLER_ID, STOCK_ID
from .base import MOST_IN_FLIGHT, Spread, Target, Walked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from octoffm_async import Hook, Stock
    from octoffm_async.session.transport import Transport

NEVER_BINDS = Limit(1_000_000, per=1.0)


def config_for(target: Target) -> Config:
    """Settings to reach the stub."""
    return Config(
        client_id="bench",
        client_secret="bench",
        seller_id=SELLER_ID,
        base_url=target.origin + API,
        token_url=target.origin + target.token_path,
        limit=NEVER_BINDS,
        max_in_flight=MOST_IN_FLIGHT,
    )


def client_for(target: Target, hooks: Sequence[Hook] = (), transport: Transport | None = None) -> FulfillmentClient:
    """A client of the stub."""
    return FulfillmentClient(config_for(target), ssl_context=target.ssl_context(), hooks=hooks, transport=transport)


class Ours(Spread):
    """See :class:`~benchmarks.peers.base.Peer`."""

    def __init__(self, hooks: Sequence[Hook] = (), *, item_by_item: bool = False) -> None:
        self._hooks = hooks
        self._item_by_item = item_by_item
        self._order = msgspec.convert(ORDER, OutboundShipmentRequest)

    async def open(self, target: Target) -> None:
        """See Peer."""
        self._client = await client_for(target, self._hooks).open()

    async def post(self) -> str:
        """See Peer."""
        return await self._client.outbound.create(self._order)

    async def get(self) -> Stock:
        """See Peer."""
        return await self._client.stocks.get(STOCK_ID)

    async def page_walk(self) -> Walked:
        """See Peer."""
        rows, last = 0, None
        if self._item_by_item:
            async for stock in self._client.stocks.list():
                rows, last = rows + 1, stock
        else:
            async for page in self._client.stocks.list().pages():
                rows, last = rows + len(page.items), page.items[-1]
        return Walked(rows, last)

    async def close(self) -> None:
        """See Peer."""
        await self._client.close()


def without_hook() -> Ours:
    """Nobody listens."""
    return Ours()


def with_logging() -> Ours:
    """The standard hook, its logger at the usual level."""
    return Ours([LoggingHook()])


def with_telemetry() -> Ours:
    """The OpenTelemetry hook, with an SDK that makes every span and metric and exports none."""
    telemetry: Any = importlib.import_module("octoffm_async.telemetry")
    tracing: Any = importlib.import_module("opentelemetry.sdk.trace")
    metering: Any = importlib.import_module("opentelemetry.sdk.metrics")
    readers: Any = importlib.import_module("opentelemetry.sdk.metrics.export")
    meters = metering.MeterProvider([readers.InMemoryMetricReader()])
    return Ours([cast("Hook", telemetry.OpenTelemetryHook(tracing.TracerProvider(), meters))])


def item_by_item() -> Ours:
    """Nobody listens; lists are read as items and not as pages."""
    return Ours(item_by_item=True)
