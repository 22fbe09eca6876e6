"""``octoffm stocks export``: all stocks as a file for a spreadsheet, a program or a data frame."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from ..bulk.references import References
from .exits import ExitCode
from .filters import country_option, period_options
from .remote import remote_command
from .row_files import ending_of, rows_output
from .rows import print_json_line
from .saving import atomic_replace
from .stocks_sinks import sink_for

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from .remote import Remote


@click.command()
@rows_output(required=True)
@country_option
@period_options("updated")
@click.option("--references", is_flag=True, help="Add your own reference to each stock; all references are read first.")
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

    CSV and Parquet have one row a stock, with its total quantities and, in available_by_country, the countries that it
    can be shipped from; there a question mark stands for a value that the API does not give, elsewhere an empty cell.
    JSON lines hold all fields that the API gives. The CSV form is safe to open in a spreadsheet: text that it could
    take for a formula gets an apostrophe before it. Parquet needs the extra "tabular".

    With --references, a stock whose reference is not certain gets none.
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
        with atomic_replace(output) as partial, sink_for(ending_of(output), partial, look) as write:
            async for page in stocks.pages():
                write(page.items)
                count += len(page.items)
    if remote.as_json:
        print_json_line({"file": str(output), "stocks": count})
    else:
        click.echo(f"{output}: {count:,} stock{'' if count == 1 else 's'}")
    return ExitCode.DONE
