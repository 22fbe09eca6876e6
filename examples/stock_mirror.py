"""A mirror of the warehouse's stocks in SQLite, updated with changes only, for a shop that reads stocks all day.

``python examples/stock_mirror.py`` shows it on a sandbox in this process. With the ``OCTOFFM_…`` variables exported it
mirrors the real API (or ``octoffm sandbox``) into ``stocks.sqlite``, every 30 seconds (or the number of seconds in the
first argument) until Ctrl-C. Kill it at any moment: the rows and the time up to which they are complete (the watermark)
are saved in one transaction, so it continues exactly where it stopped. Readers see the old state or the new one, never
a part of it::

    sqlite3 stocks.sqlite "SELECT available FROM product JOIN stock USING (stock_id) WHERE reference = 'SKU-000001'"
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from octoffm_async import CallError, FulfillmentClient, Stock
from octoffm_async.sandbox import Sandbox

if TYPE_CHECKING:
    from octoffm_async import SellerClient

FILE = "stocks.sqlite"
EVERY = 30.0  # seconds; the API sends no notifications, so the mirror polls it
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
SCHEMA = """
PRAGMA journal_mode = WAL;  -- so that readers never wait for a refresh
CREATE TABLE IF NOT EXISTS stock (stock_id TEXT PRIMARY KEY, gtin TEXT, available INTEGER, updated_at TEXT);
CREATE TABLE IF NOT EXISTS product (reference TEXT PRIMARY KEY, stock_id TEXT);
CREATE TABLE IF NOT EXISTS watermark (only INTEGER PRIMARY KEY CHECK (only = 1), at TEXT NOT NULL);
"""
Row = tuple[str, str | None, int | None, str | None]


def open_mirror(path: str = FILE) -> sqlite3.Connection:
    """Open the mirror's file, which is created if it does not exist."""
    mirror = sqlite3.connect(path)
    mirror.executescript(SCHEMA)
    return mirror


def watermark_of(mirror: sqlite3.Connection) -> datetime:
    """Return the time up to which the mirror is complete."""
    row = mirror.execute("SELECT at FROM watermark").fetchone()
    return datetime.fromisoformat(row[0]) if row else BEGINNING


async def refresh(client: SellerClient, mirror: sqlite3.Connection) -> int:
    """Take over the changes since the last time and return the number of changed stocks.

    The feed is made anew from the saved watermark each time. It reads from a minute earlier, so changes that were taken
    over already may come again and have no effect.
    """
    feed = client.changes(watermark_of(mirror), kinds=["stocks"])
    changed = unknown = 0
    with mirror:  # one transaction: all of it is saved, or nothing
        async for change in feed:
            if isinstance(change.item, Stock):
                known = mirror.execute("SELECT * FROM stock WHERE stock_id = ?", (change.id,)).fetchone()
                row = row_of(change.item)
                unknown += known is None
                if known != row:
                    changed += 1
                    mirror.execute("INSERT OR REPLACE INTO stock VALUES (?, ?, ?, ?)", row)
        if unknown:  # a stock does not carry the seller's reference: references are read when there are new stocks
            async for page in client.products.references().pages():
                pairs = [(known.seller_product_reference, known.stock_id) for known in page.items]
                mirror.executemany("INSERT OR REPLACE INTO product VALUES (?, ?)", pairs)
        mark = feed.watermark["stocks"].isoformat()
        mirror.execute("INSERT OR REPLACE INTO watermark VALUES (1, ?)", (mark,))
    return changed


def row_of(stock: Stock) -> Row:
    """Return a stock as a row of the mirror."""
    at = None if stock.updated_at is None else stock.updated_at.isoformat()
    return stock.id, stock.gtin, stock.quantities.available, at


def available(mirror: sqlite3.Connection, reference: str) -> int | None:
    """Return the quantity of a product that the shop can sell, without a call to the API; None if it is unknown."""
    query = "SELECT available FROM product JOIN stock USING (stock_id) WHERE reference = ?"
    row = mirror.execute(query, (reference,)).fetchone()
    return None if row is None else row[0]


async def follow(client: SellerClient, mirror: sqlite3.Connection, every: float) -> None:
    """Refresh for ever; an outage is waited out."""
    while True:
        try:
            changed = await refresh(client, mirror)
            print(f"{changed} stocks changed; complete up to {watermark_of(mirror):%H:%M:%S} UTC", flush=True)
        except CallError as error:
            if not error.retryable:
                raise
            print(f"{error}; trying again", file=sys.stderr)
        await asyncio.sleep(every)


async def show() -> None:
    """Show two refreshes against a sandbox with 50 products, and a delivery in between."""
    async with Sandbox(seed=7, catalogue=50, stock=100) as sandbox, FulfillmentClient(sandbox.config()) as client:
        with closing(open_mirror(":memory:")) as mirror:
            for _ in range(2):
                print(f"{await refresh(client, mirror)} stocks changed")
                print(f"SKU-000001: {available(mirror, 'SKU-000001')} available")
                sandbox.add_stock("SKU-000001", quantity=25)


async def main() -> None:
    """Mirror the real API for ever when its variables are set, else show how it works."""
    if not any(name.startswith("OCTOFFM_") for name in os.environ):
        await show()
        return
    async with FulfillmentClient.from_env() as client:
        with closing(open_mirror()) as mirror:
            await follow(client, mirror, float(sys.argv[1]) if len(sys.argv) > 1 else EVERY)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("stopped; start it again and it continues from there", file=sys.stderr)
