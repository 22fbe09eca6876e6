"""The client of this package, the full call: token, limit (too high to bind), retries and deadline on."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, cast

import msgspec

from octoffm_async import (
    Config,
    DeliveryAddress,
    FulfillmentClient,
    Limit,
    LoggingHook,
    OutboundShipmentRequest,
    ShipmentLine,
    Stock,
)
from octoffm_async.contract.contract_file.model import ContractFile, FieldMapping
from octoffm_async.contract.contract_file.registry import fields_of
from octoffm_async.contract.stocks import Localization, Quantities

from ..answers import API, ORDER, PASCAL_API, RENAMED_API, RENAMES, SELLER_ID, STOCK_ID
from .base import MOST_IN_FLIGHT, Spread, Target, Walked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from octoffm_async import Hook
    from octoffm_async.transport.aiohttp_transport import Transport

NEVER_BINDS = Limit(1_000_000, per=1.0)
RENAMED = (OutboundShipmentRequest, DeliveryAddress, ShipmentLine, Stock, Localization, Quantities)


def config_for(target: Target, api: str = API, contract: ContractFile | None = None) -> Config:
    """Return settings to reach the stub, under the base path of the usual names or another one."""
    return Config(
        client_id="bench",
        client_secret="bench",
        seller_id=SELLER_ID,
        base_url=target.origin + api,
        token_url=target.origin + target.token_path,
        limit=NEVER_BINDS,
        max_in_flight=MOST_IN_FLIGHT,
        contract=contract,
    )


def client_for(
    target: Target, hooks: Sequence[Hook] = (), transport: Transport | None = None, config: Config | None = None
) -> FulfillmentClient:
    """Return a client of the stub."""
    return FulfillmentClient(
        config or config_for(target), ssl_context=target.ssl_context(), hooks=hooks, logging=False, transport=transport
    )


class Ours(Spread):
    """See :class:`~benchmarks.peers.base.Peer`."""

    def __init__(
        self,
        hooks: Sequence[Hook] = (LoggingHook(),),
        *,
        item_by_item: bool = False,
        api: str = API,
        contract: ContractFile | None = None,
    ) -> None:
        self._hooks = hooks
        self._item_by_item = item_by_item
        self._api, self._contract = api, contract
        self._order = msgspec.convert(ORDER, OutboundShipmentRequest)

    async def open(self, target: Target) -> None:
        """See Peer."""
        config = config_for(target, self._api, self._contract)
        self._client = await client_for(target, self._hooks, config=config).open()

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
    """Make a peer without a hook."""
    return Ours(())


def with_telemetry() -> Ours:
    """Make a peer with the OpenTelemetry hook, and an SDK that makes every span and metric and exports none."""
    telemetry: Any = importlib.import_module("octoffm_async.telemetry")
    tracing: Any = importlib.import_module("opentelemetry.sdk.trace")
    metering: Any = importlib.import_module("opentelemetry.sdk.metrics")
    readers: Any = importlib.import_module("opentelemetry.sdk.metrics.export")
    meters = metering.MeterProvider([readers.InMemoryMetricReader()])
    return Ours([cast("Hook", telemetry.OpenTelemetryHook(tracing.TracerProvider(), meters))])


def item_by_item() -> Ours:
    """Make a peer without a hook that reads lists as items and not as pages."""
    return Ours((), item_by_item=True)


def learned() -> Ours:
    """Make a peer without a hook for an API with all names in PascalCase, which the first response shows."""
    return Ours((), api=PASCAL_API)


def with_contract() -> Ours:
    """Make a peer without a hook for an API with other names, which a contract file gives."""
    return Ours((), api=RENAMED_API, contract=renames())


def renames() -> ContractFile:
    """Return a contract file that gives fields other names and does nothing else."""
    fields = {
        struct.__name__: {
            name: FieldMapping(path=(RENAMES[field.encode_name],))
            for name, field in fields_of(struct).items()
            if field.encode_name in RENAMES
        }
        for struct in RENAMED
    }
    return ContractFile(fields=fields)
