"""``octoffm stocks lookup FILE``: the stock of each reference in a file."""

from __future__ import annotations

from contextlib import contextmanager
from operator import itemgetter, methodcaller
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, cast

import click

from ...bulk.outcomes import Found
from ...client import FulfillmentClient
from ...tabular.item_reader import ItemReader
from ...tabular.item_types import REFERENCES
from ...text import printable
from ..commands.stocks_export import REFERENCE, STOCK_COLUMNS, row_of_all
from ..contract.drift_option import recording_drift
from ..output import Column, TablePrinter, as_fields, json_line, print_json_line
from ..progress import counts_text
from ..row_files import atomic_replace, ending_of, rows_file, rows_output
from ..runtime import check_stdout, run_async
from .bars import FileDisplay, LimitUsage, file_display_for
from .opening import notes_fact, open_file
from .options import file_options, reading_options
from .tally import FileCounts, outcome_text

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ...bulk.outcomes import Outcome, Summary
    from ...bulk.stocks.lookup import StockLookupMethod
    from ...tabular.flat_rows import ColumnTypes
    from ...tabular.item_reader import RejectedItem
    from ...tabular.rows import TableRow
    from ..contract.drift_option import DriftRecorder
    from .options import FileOptions

_COLUMNS: ColumnTypes = {REFERENCE: "text", "outcome": "text", "message": "text", "stocks": "count", **STOCK_COLUMNS}
_SHOWN = (
    Column("reference", itemgetter(REFERENCE)),
    Column("outcome", itemgetter("outcome")),
    Column("available", methodcaller("get", "available"), right=True),
    Column("allocated", methodcaller("get", "allocated"), right=True),
    Column("blocked", methodcaller("get", "blocked"), right=True),
    Column("gtin", methodcaller("get", "gtin")),
    Column("by country", methodcaller("get", "available_by_country")),
    Column("why", itemgetter("message")),
)
OutcomeWriter: TypeAlias = "Callable[[Outcome, int | None], None]"


@click.command(short_help="Look up the stock of each reference in a file.")
@rows_output(required=False)
@click.option(
    "--how", type=click.Choice(["auto", "get", "scan", "filter"]), default="auto", show_default=True, help="See above."
)
@reading_options
def lookup(**options: Any) -> int:
    """Look up the stock of each reference in FILE: CSV, JSON lines (.jsonl), Parquet or a workbook (.xlsx, .ods, .xls).

    The column is seller_product_reference, or the one that --map seller_product_reference=COLUMN names. A reference
    that is unknown, or has no stock, gets a row that says so. An older output file is replaced when all is written. CSV
    is safe to open in a spreadsheet; Parquet needs the extra "tabular". Without -o the command prints a table, or with
    --json one object a line.

    A row sums up all stocks of its reference. A value that the API does not give is an empty cell, never 0; in
    available_by_country it is a question mark.

    The API is asked for each reference (filter), if it proves to obey that filter. Otherwise the references are read
    first; then each stock is read on its own (get), or all stocks are (scan). The default (auto) takes the way that
    costs the fewest calls.

    Exits with 0 if all were found, 1 if some are missing, failed or are faulty in the file.
    """
    with file_options(**options) as given, recording_drift(given.drift_file) as noticed:
        return run_async(_lookup(given, noticed))


async def _lookup(given: FileOptions, noticed: DriftRecorder) -> int:
    output = given.output
    given.check_paths(journal=False, rejects=False)
    table, plan = open_file(given, REFERENCES)
    config = given.config()
    check_stdout()
    tally, limit = FileCounts(), LimitUsage()
    show = file_display_for("Stocks", json=given.as_json) if output is not None else FileDisplay()

    def faulty(one: RejectedItem) -> None:
        tally.faulty += 1
        for problem in one.problems:
            show.print_message(printable(f"{given.file}, {problem}"))

    items = ItemReader(table, plan, faulty, keep=True)
    how = cast("StockLookupMethod", given.how)
    try:
        with _sink(output, as_json=given.as_json) as write:
            async with FulfillmentClient(config, hooks=[noticed]) as client:

                def progress(summary: Summary) -> None:
                    show.progress(items.share, tally.titled, summary.per_second, limit(client.stats()))

                more: dict[str, Any] = {} if given.concurrency is None else {"concurrency": given.concurrency}
                async with client.bulk.lookup_stocks(items, how=how, on_progress=progress, **more) as run:
                    async for outcome in run:
                        rows = items.release(outcome.key)
                        tally.add(outcome_text(outcome))
                        write(outcome, _line(rows))
                stats, seconds = client.stats(), run.summary.seconds
    finally:
        show.close()
        items.close()
    facts: dict[str, Any] = {
        "rows": items.rows,
        "calls": stats.calls,
        "seconds": round(seconds, 1),
        "drift": stats.drift,
        "read as": items.notes.as_fields() if given.as_json else notes_fact(items.notes),
    }
    if output is not None:
        facts["file"] = str(output)
    if given.as_json:
        print_json_line({"event": "summary", "counts": tally.counts, **facts})
    elif output is not None:
        show.end("stocks", tally.titled, facts)
    else:
        click.echo(f"octoffm: {counts_text(tally.titled)}", err=True)
    return tally.exit_code()


def _line(rows: tuple[TableRow, ...]) -> int | None:
    return rows[0].line if rows else None


@contextmanager
def _sink(output: Path | None, *, as_json: bool) -> Generator[OutcomeWriter]:
    """Open the destination of outcomes: a file, in the format of its suffix, or standard output."""
    if output is None and as_json:
        yield lambda outcome, line: print_json_line({"event": "outcome", **_fields(outcome, line)})
    elif output is None:
        rows = TablePrinter(_SHOWN)
        try:
            yield lambda outcome, _line: rows.add(_row(outcome))
        finally:
            rows.close()
    else:
        ending = ending_of(output)
        with atomic_replace(output, private=False) as file:
            if ending == ".jsonl":
                yield _json_sink(file)
            else:
                with rows_file(ending, file, _COLUMNS) as write:
                    yield lambda outcome, _line: write([_row(outcome)])


def _row(outcome: Outcome) -> dict[str, Any]:
    text = outcome_text(outcome)
    stock = row_of_all(outcome.stocks) if isinstance(outcome, Found) else {}
    return {REFERENCE: outcome.key, "outcome": text.what, "message": text.message, **stock}


def _json_sink(file: BinaryIO) -> OutcomeWriter:
    def write(outcome: Outcome, line: int | None) -> None:
        file.write(json_line(_fields(outcome, line)).encode() + b"\n")

    return write


def _fields(outcome: Outcome, line: int | None) -> dict[str, Any]:
    text = outcome_text(outcome)
    fields: dict[str, Any] = {REFERENCE: outcome.key, "outcome": text.what, "line": line}
    if isinstance(outcome, Found):
        stocks = [as_fields(stock) for stock in outcome.stocks]
        fields |= {"quantities": as_fields(outcome.quantities), "stocks": stocks}
        return fields | {"stock": stocks[0]} if len(stocks) == 1 else fields
    return fields | {"message": text.message}
