"""``octoffm stocks export``: all stocks as a file for a spreadsheet, a program or a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .exits import Exit
from .filters import country_option, period_options
from .remote import remote_command
from .rows import tell_json
from .saving import output_option, replacing
from .stocks_sinks import ENDINGS, sink_for

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from .remote import Remote


def _checked(context: click.Context, option: click.Parameter, given: Path) -> Path:
    if given.suffix.lower() not in ENDINGS:
        raise click.BadParameter(f"{given} ends in none of {', '.join(ENDINGS)}", context, option)
    if not given.parent.is_dir():
        raise click.BadParameter(f"there is no folder {given.parent}", context, option)
    return given


@click.command()
@output_option("stocks.csv, .jsonl or .parquet: the ending says what it becomes.", required=True, callback=_checked)
@country_option
@period_options("updated")
@remote_command
async def export(
    remote: Remote, output: Path, country: str | None, updated_since: datetime | None, updated_until: datetime | None
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
    with replacing(output) as partial, sink_for(output.suffix.lower(), partial) as write:
        async for page in stocks.pages():
            write(page.items)
            count += len(page.items)
    if remote.as_json:
        tell_json({"file": str(output), "stocks": count})
    else:
        click.echo(f"{output}: {count:,} stock{'' if count == 1 else 's'}")
    return Exit.DONE
