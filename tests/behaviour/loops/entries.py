"""The public entries of an entered client, and what each of them does where the client does not belong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from octoffm_async import (
    ClosedError,
    DeliveryAddress,
    FulfillmentClient,
    FulfillmentProduct,
    OutboundShipmentRequest,
    ShipmentLine,
)

Entry: TypeAlias = Callable[[], Awaitable[object]]


def order(reference: str) -> OutboundShipmentRequest:
    """An order."""
    address = DeliveryAddress(
        first_name="Ada",
        last_name="Lovelace",
        address_line1="1 rue de la Paix",
        postal_code="75002",
        city="Paris",
        country_code="FR",
    )
    lines = [ShipmentLine(quantity=1, seller_product_reference="SKU-1")]
    return OutboundShipmentRequest(
        reference=reference,
        lines=lines,
        delivery_address=address,
        delivery_mode="TrackedHomeDelivery",
        storage_country="FR",
    )


async def _first(items: Any) -> object:
    return await anext(aiter(items))


async def _outcomes(run: Any) -> object:
    async with run:
        return [outcome async for outcome in run]


async def _entered(client: FulfillmentClient) -> None:
    async with client:
        pass


def entries_of(client: FulfillmentClient) -> Mapping[str, Entry]:
    """The entries that begin something, by name; each sends a request where the client belongs."""
    other, quick, bulk = client.seller("98980"), client.with_options(deadline=5), client.bulk
    product = FulfillmentProduct(gtin="4006381333931", seller_product_reference="SKU-9", product_condition="New")
    return {
        "count": client.outbound.count,
        "create": lambda: client.outbound.create(order("ELSEWHERE-1")),
        "products": lambda: client.products.create([product]),
        "references": lambda: _first(client.products.references()),
        "pages": lambda: _first(client.stocks.list().pages()),
        "first page": lambda: _awaited(client.stocks.list()),
        "seller": other.outbound.count,
        "options": quick.outbound.count,
        "request": lambda: client.request("GET", "/outbound-shipments/count"),
        "check": client.check,
        "changes": lambda: _first(client.changes(datetime(2026, 1, 1, tzinfo=UTC))),
        "scan": lambda: _first(bulk.scan_stocks()),
        "filter": bulk.prove_stock_filter,
        "orders": lambda: _outcomes(bulk.create_outbound([order("ELSEWHERE-2")])),
        "lookup": lambda: _outcomes(bulk.lookup_stocks(["SKU-1"])),
        "enter": lambda: _entered(client),
        "close": client.close,
    }


async def _awaited(pager: Any) -> object:
    return await pager


async def begun_entries(client: FulfillmentClient) -> Mapping[str, Entry]:
    """Entries that continue what began where the client belongs."""
    references: AsyncIterator[Any] = aiter(client.products.references(limit=1))
    await anext(references)
    pages = aiter(client.stocks.list(limit=1).pages())
    await anext(pages)
    stocks = aiter(client.bulk.scan_stocks(limit=1))
    run = client.bulk.create_outbound([order(f"BEGUN-{number}") for number in range(3)], concurrency=1)
    await run.__aenter__()
    await anext(run)
    return {
        "begun references": lambda: anext(references),
        "begun pages": lambda: anext(pages),
        "begun scan": lambda: anext(stocks),
        "begun run": lambda: anext(run),
        "end of a begun run": run.wait,
        "leaving a begun run": lambda: run.__aexit__(None, None, None),
    }


async def refusals(entries: Mapping[str, Entry]) -> dict[str, str]:
    """What each entry raised: the message of a ClosedError, or the name of what came instead."""
    found: dict[str, str] = {}
    for name, begin in entries.items():
        try:
            async with asyncio.timeout(5):
                found[name] = f"returned {await begin()!r}"
        except ClosedError as error:
            found[name] = str(error)
        except Exception as error:  # noqa: BLE001  (told)
            found[name] = f"raised {error!r}"
    return found
