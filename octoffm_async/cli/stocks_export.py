"""``octoffm stocks export``: all stocks as a file for a spreadsheet, a program or a data frame."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from ..bulk.references import References
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
    shipped from; a question mark stands there for what the API does not tell, and an empty cell elsewhere. JSON lines
    hold all that the API tells. The CSV form is safe to open in a spreadsheet: text that it could take for a formula
    gets an apostrophe before it. Parquet needs the extra "tabular".

    With --references, a stock has no reference beside it if nothing tells for sure which one it belongs to.
    """
    stocks = remote.client.stocks.list(
        storage_country=country, updated_at_min=updated_since, updated_at_max=updated_until
    )
    count = 0
    with closing(References()) as known:
        if references:
            async for some in remote.client.products.references().pages():
                known.add(some.items)
            known.sort()
        look = known.reference_of if references else None
        with replacing(output) as partial, sink_for(ending_of(output), partial, look) as write:
            async for page in stocks.pages():
                write(page.items)
                count += len(page.items)
    if remote.as_json:
        tell_json({"file": str(output), "stocks": count})
    else:
        click.echo(f"{output}: {count:,} stock{'' if count == 1 else 's'}")
    return Exit.DONE
