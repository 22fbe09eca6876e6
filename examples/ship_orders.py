"""Ship the orders of a CSV file, once each, and print their parcels with tracking numbers.

``python examples/ship_orders.py`` runs against a sandbox in this process; with the ``OCTOFFM_…`` variables exported it
runs against the real API, and then orders are real. An order that was placed is never placed again: start the program
again after a crash. Exit code 1 means that something needs a person's attention.
"""

from __future__ import annotations

import asyncio
import csv
import os
import sys
import tempfile
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octoffm_async import (
    Created,
    DeliveryAddress,
    FulfillmentClient,
    OutboundShipmentRequest,
    ProductRows,
    ShipmentLine,
    Skipped,
)
from octoffm_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

HERE = Path(__file__).parent
ORDERS = HERE / "orders.csv"


@asynccontextmanager
async def open_client() -> AsyncGenerator[tuple[FulfillmentClient, Path]]:
    """Open a client and its journal: of the real API when its variables are set, else of a sandbox that has the goods.

    In the sandbox an hour passes in a second, so that parcels are shipped while the program waits.
    """
    if any(name.startswith("OCTOFFM_") for name in os.environ):
        async with FulfillmentClient.from_env() as client:
            yield client, Path(f"{ORDERS.stem}.journal")
    else:
        with tempfile.TemporaryDirectory() as folder:
            async with Sandbox(seed=7, speed=3600) as sandbox, FulfillmentClient(sandbox.config()) as client:
                async with client.bulk.create_products(
                    ProductRows(HERE / "catalogue.csv", mapping={"gtin": "ean", "title": "name"})
                ) as run:
                    await run.wait()
                sandbox.add_stock(quantity=100)
                yield client, Path(folder, "once.journal")


def read_orders(path: Path) -> Iterator[OutboundShipmentRequest]:
    """Yield the orders of a CSV file with a row for each line; rows of one order follow each other."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for reference, group in groupby(csv.DictReader(file), key=lambda row: row["reference"]):
            rows = list(group)
            columns = (name for name in DeliveryAddress.__struct_fields__ if name != "extra")
            address: dict[str, Any] = {name: rows[0][name] for name in columns if rows[0].get(name)}
            yield OutboundShipmentRequest(
                reference=reference,
                lines=[ShipmentLine(seller_product_reference=r["product"], quantity=int(r["quantity"])) for r in rows],
                delivery_address=DeliveryAddress(**address),
                delivery_mode="TrackedHomeDelivery",
                storage_country="FR",
            )


async def ship(client: FulfillmentClient, journal: Path) -> set[str]:
    """Place the orders, wait until each is shipped or refused, and return the ids of the shipped ones."""
    shipped: set[str] = set()
    async with client.bulk.create_outbound(read_orders(ORDERS), journal=journal, follow="shipped") as run:
        async for outcome in run:
            match outcome:
                case Created(id=order) | Skipped(earlier=Created(id=order)):
                    shipped.add(order)
                case _:
                    print(f"not shipped: {outcome}")
    return shipped


async def main() -> int:
    """Ship, then print the parcels."""
    async with open_client() as (client, journal):
        print(f"against {client.config.base_url}, seller {client.seller_id}")
        shipped = await ship(client, journal)
        count = parcels = 0
        async for order in client.outbound.list(state="Valid"):
            if order.outbound_shipment_id in shipped:
                count += 1
                parcels += len(order.parcels)
                if count <= 3:
                    numbers = ", ".join(f"{parcel.carrier} {parcel.tracking_number}" for parcel in order.parcels)
                    print(f"{order.reference}: {numbers}")
        print(f"{count} orders shipped in {parcels} parcels")
    return 0 if count == sum(1 for _ in read_orders(ORDERS)) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
