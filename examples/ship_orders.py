"""Ship the orders of a CSV file, once each, and print their parcels with tracking numbers.

``python examples/ship_orders.py`` runs against a sandbox in this process; with the ``OCTOFFM_…`` variables exported it
runs against the real API, and then orders are real. An order that was placed is never placed again: start the program
again after a crash. Exit code 1 means that something needs a person's attention.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from octoffm_async import Created, FulfillmentClient, Skipped
from octoffm_async.sandbox import Sandbox
from octoffm_async.tabular import read_orders, read_products

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

HERE = Path(__file__).parent
ORDERS = HERE / "orders.csv"
MAPPING = {"seller_product_reference": "product"}  # the other columns have the fields' own names
VALUES = {"delivery_mode": "TrackedHomeDelivery", "storage_country": "FR"}


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
                    read_products(HERE / "catalogue.csv", mapping={"gtin": "ean", "title": "name"})
                ) as run:
                    await run.wait()
                sandbox.add_stock(quantity=100)
                yield client, Path(folder, "once.journal")


async def ship(client: FulfillmentClient, journal: Path) -> tuple[set[str], int]:
    """Place the orders, wait until each is shipped or refused; return the shipped ones' ids, and the number of all."""
    shipped: set[str] = set()
    async with (
        read_orders(ORDERS, mapping=MAPPING, values=VALUES) as orders,
        client.bulk.create_outbound(orders, journal=journal, follow="shipped") as run,
    ):
        async for outcome in run:
            match outcome:
                case Created(id=order) | Skipped(earlier=Created(id=order)):
                    shipped.add(order)
                case _:
                    print(f"not shipped: {outcome}")
    return shipped, run.summary.total + run.summary.rejected


async def main() -> int:
    """Ship, then print the parcels."""
    async with open_client() as (client, journal):
        print(f"against {client.config.base_url}, seller {client.seller_id}")
        shipped, orders = await ship(client, journal)
        count = parcels = 0
        async for order in client.outbound.list(state="Valid"):
            if order.outbound_shipment_id in shipped:
                count += 1
                parcels += len(order.parcels)
                if count <= 3:
                    numbers = ", ".join(f"{parcel.carrier} {parcel.tracking_number}" for parcel in order.parcels)
                    print(f"{order.reference}: {numbers}")
        print(f"{count} orders shipped in {parcels} parcels")
    return 0 if count == orders else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
