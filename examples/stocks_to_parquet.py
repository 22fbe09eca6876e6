"""All stocks as one Parquet file, a row for each stock and country, for a data frame or a data warehouse.

``pip install 'octoffm-async[tabular]'``, then ``python examples/stocks_to_parquet.py [FILE]``: against a sandbox in
this process, or with the ``OCTOFFM_…`` variables exported against the real API. For any number of stocks, ten thousand
rows are in memory: they are written in parts, which polars then streams into one file, a row group each. A stock that
changes during the export may be there twice: ``updated_at`` shows which rows are newer. (``octoffm stocks export -o
stocks.parquet`` writes a row for each stock without a line of code.)
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from octoffm_async import FulfillmentClient
from octoffm_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from octoffm_async import Stock

PART = 10_000  # rows of one row group
SCHEMA = {
    "stock_id": pl.String(),
    "gtin": pl.String(),
    "country": pl.String(),
    "available": pl.Int64(),
    "allocated": pl.Int64(),
    "blocked": pl.Int64(),
    "updated_at": pl.Datetime("us", "UTC"),
}
Row = tuple[object, ...]


@asynccontextmanager
async def open_client() -> AsyncGenerator[FulfillmentClient]:
    """Open a client of the real API when its variables are set, else of a sandbox with two thousand products."""
    if any(name.startswith("OCTOFFM_") for name in os.environ):
        async with FulfillmentClient.from_env() as client:
            yield client
    else:
        async with Sandbox(seed=7, catalogue=2000) as sandbox, FulfillmentClient(sandbox.config()) as client:
            sandbox.add_stock(quantity=5, country="ES")
            yield client


def rows_of(stock: Stock) -> Iterator[Row]:
    """Yield a row for each country in which the stock lies."""
    for part in stock.localizations:
        counts = part.quantities
        yield (
            stock.id,
            stock.gtin,
            part.storage_country,
            counts.available,
            counts.allocated,
            counts.blocked,
            part.updated_at,
        )


async def export(client: FulfillmentClient, path: Path) -> None:
    """Read all stocks, several calls at a time, and write them as they come."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        parts: list[Path] = []

        def put_away() -> None:
            parts.append(Path(folder, f"{len(parts):06d}.parquet"))
            pl.DataFrame(rows, SCHEMA, orient="row").write_parquet(parts[-1])
            rows.clear()

        async for stock in client.bulk.scan_stocks():
            rows.extend(rows_of(stock))
            if len(rows) >= PART:
                put_away()
        put_away()
        pl.scan_parquet(parts).sink_parquet(path, row_group_size=PART)


async def main(path: Path) -> None:
    """Export, then show."""
    async with open_client() as client:
        await export(client, path)
    show(path)


def show(path: Path) -> None:
    """Query the file and print the result."""
    stocks_there: Any = pl.scan_parquet(path)
    by_country = stocks_there.group_by("country").agg(pl.len().alias("stocks"), pl.col("available").sum())
    for country, stocks, available in by_country.sort("country").collect().iter_rows():
        print(f"{country}: {stocks} stocks, {available} items available")
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "stocks.parquet")))
