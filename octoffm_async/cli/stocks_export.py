"""``octoffm stocks export``: all stocks as a file for a spreadsheet, a program or a data frame."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from ..bulk.seen import temporary_database
from .exits import Exit
from .filters import country_option, period_options
from .remote import remote_command
from .row_files import ending_of, rows_output
from .rows import tell_json
from .saving import replacing
from .stocks_sinks import sink_for

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from .remote import Remote


class KnownReferences:
    """The seller's references by the ids of their stocks, in a temporary file that vanishes."""

    def __init__(self) -> None:
        self._database = temporary_database("CREATE TABLE known (stock TEXT PRIMARY KEY, reference TEXT) WITHOUT ROWID")

    async def read(self, remote: Remote) -> None:
        """Read all of them."""
        async for page in remote.client.products.references().pages():
            rows = [(one.stock_id, one.seller_product_reference) for one in page.items if one.stock_id is not None]
            self._database.executemany("INSERT OR REPLACE INTO known VALUES (?, ?)", rows)

    def of(self, stock_id: str) -> str | None:
        """The reference of a stock."""
        row = self._database.execute("SELECT reference FROM known WHERE stock = ?", (stock_id,)).fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        """Forget all."""
        self._database.close()


@click.command()
@rows_output(required=True)
@country_option
@period_options("updated")
@click.option("--references", is_flag=True, help="Put your own reference beside each stock; they are all read first.")
@remote_command
async def export(
    remote: Remote,
    *,
    output: Path,
    country: str | None,
    updated_since: datetime | None,
    updated_until: datetime | None,
    references: bool,
) -> int:
    """Write all stocks to a file. An older file is replaced when all is written, and kept if something fails.

    CSV and Parquet have one row a stock, with its total quantities and, in available_by_country, where it can be
    shipped from. JSON lines hold all that the API tells. The CSV form is safe to open in a spreadsheet: text that it
    could take for a formula gets an apostrophe before it. Parquet needs the extra "tabular".
    """
    stocks = remote.client.stocks.list(
        storage_country=country, updated_at_min=updated_since, updated_at_max=updated_until
    )
    count = 0
    with closing(KnownReferences()) as known:
        if references:
            await known.read(remote)
        look = known.of if references else None
        with replacing(output) as partial, sink_for(ending_of(output), partial, look) as write:
            async for page in stocks.pages():
                write(page.items)
                count += len(page.items)
    if remote.as_json:
        tell_json({"file": str(output), "stocks": count})
    else:
        click.echo(f"{output}: {count:,} stock{'' if count == 1 else 's'}")
    return Exit.DONE
