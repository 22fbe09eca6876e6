"""A nightly synchronisation: register a catalogue, look its stock up, ship orders, see what became of them.

``python examples/bulk_sync.py`` runs against a sandbox in this process; with the ``OCTOFFM_…`` variables exported it
runs against the real API, and then orders are real. Exit code 1 means that something needs a person's eye.
"""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from octoffm_async import (
    Created,
    DeliveryAddress,
    Found,
    FulfillmentClient,
    OutboundShipmentRequest,
    ProductRows,
    RejectsReport,
    ShipmentLine,
    Summary,
)
from octoffm_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

HERE = Path(__file__).parent
CATALOGUE = HERE / "catalogue.csv"
ORDERS = HERE / "orders.csv"
MAPPING = {"gtin": "ean", "title": "name"}  # length_cm and the like are columns of the fields' own names


@asynccontextmanager
async def open_client() -> AsyncGenerator[tuple[FulfillmentClient, Sandbox | None], None]:
    """A client of the real API when its variables are set, else of a sandbox that lives as long as the block."""
    if any(name.startswith("OCTOFFM_") for name in os.environ):
        async with FulfillmentClient.from_env() as client:
            yield client, None
    else:
        async with Sandbox(seed=7) as sandbox, FulfillmentClient(sandbox.config()) as client:
            yield client, sandbox


def read_orders(path: Path) -> Iterator[OutboundShipmentRequest]:
    """Orders of a CSV file with a row for each line; rows of one order follow each other."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for reference, group in groupby(csv.DictReader(file), key=lambda row: row["reference"]):
            rows = list(group)
            address = {name: rows[0][name] for name in DeliveryAddress.__struct_fields__ if rows[0].get(name)}
            yield OutboundShipmentRequest(
                reference=reference,
                lines=[ShipmentLine(seller_product_reference=r["product"], quantity=int(r["quantity"])) for r in rows],
                delivery_address=DeliveryAddress(**address),
                delivery_mode="TrackedHomeDelivery",
                storage_country="FR",
            )


async def register(client: FulfillmentClient, report: RejectsReport) -> Summary:
    """Register every good row; the others, and what the API refuses, go to the report."""
    products = ProductRows(CATALOGUE, mapping=MAPPING, on_reject=report)
    async with client.bulk.create_products(products) as run:
        async for outcome in run:
            if not isinstance(outcome, Created):
                report.add(outcome.key, str(outcome))
    return run.summary


async def look_up(client: FulfillmentClient) -> int:
    """Items available of all products together. The file is read again rather than kept in memory."""
    references = (product.seller_product_reference for product in ProductRows(CATALOGUE, mapping=MAPPING))
    available = 0
    async with client.bulk.lookup_stocks(references) as run:
        async for outcome in run:
            if isinstance(outcome, Found):
                available += outcome.stock.quantities.available
    return available


async def ship(client: FulfillmentClient) -> dict[str, str]:
    """Order the shipments; their references by the API's ids. Whatever was not created is printed."""
    created: dict[str, str] = {}
    async with client.bulk.create_outbound(read_orders(ORDERS)) as run:
        async for outcome in run:
            if isinstance(outcome, Created):
                created[outcome.id or ""] = outcome.key
            else:
                print(f"  not created: {outcome}")
    return created


async def final_statuses(client: FulfillmentClient, created: dict[str, str]) -> dict[str, str]:
    """Final statuses by reference, for those of the shipments that have one by now."""
    return {
        created[
            shipment.outbound_shipment_id
        ]: f"{shipment.status} {shipment.refusal.message if shipment.refusal else ''}"
        async for shipment in client.outbound.list()
        if shipment.outbound_shipment_id in created and shipment.status and shipment.status.final
    }


async def main() -> int:
    """The whole night."""
    async with open_client() as (client, sandbox):
        print(f"against {'a sandbox' if sandbox else 'the real API'}, seller {client.seller_id}")
        with RejectsReport("catalogue.rejects.csv") as report:
            summary = await register(client, report)
        print(f"registered {summary.created}; {report.rows} rows are in {report.path}")
        if sandbox:
            sandbox.add_stock(quantity=100)
        print(f"available: {await look_up(client)} items")
        created = await ship(client)
        print(f"ordered {len(created)} shipments")
        if sandbox:
            sandbox.clock.advance(60)
        statuses = await final_statuses(client, created)
        refused = {reference: status for reference, status in statuses.items() if status.startswith("Refused")}
        print(
            f"{len(statuses) - len(refused)} shipped, {len(refused)} refused, {len(created) - len(statuses)} on the way"
        )
        for reference, status in refused.items():
            print(f"  {reference}: {status}")
    return 1 if report.rows or refused else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
