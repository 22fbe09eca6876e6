"""``octoffm stocks lookup FILE``: the stock of each reference in a file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

import click

from ...bulk.outcomes import Found, total
from ...client import FulfillmentClient
from ...contract.stocks import Quantities, Stock
from ...tabular.flat_rows import available_by_country, columns_of, flat_row
from ...tabular.item_reader import ItemReader
from ...tabular.item_types import REFERENCES
from ...text import printable
from ..commands.stocks import REFERENCE
from ..contract.drift_option import recording_drift
from ..options import note
from ..output import Column, as_fields
from ..progress import (
    CommandResults,
    LimitUsage,
    QuietDisplay,
    counts_table,
    counts_text,
    display_for,
    refreshing,
    wait_text,
)
from ..rows.target import RowKind, open_rows, rows_options
from ..runtime import check_stdout, run_async
from .opening import notes_fact, open_file
from .options import file_options, reading_options
from .tally import FileCounts, outcome_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...bulk.outcomes import Outcome
    from ...bulk.stocks.lookup import StockLookupMethod
    from ...tabular.flat_rows import ColumnTypes
    from ...tabular.item_reader import RejectedItem
    from ..contract.drift_option import DriftRecorder
    from .options import FileOptions


@click.command(short_help="Look up the stock of each reference in a file.")
@rows_options()
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
    target = given.target
    given.check_paths(journal=False, rejects=False)
    table, plan = open_file(given, REFERENCES)
    config = given.config()
    check_stdout()
    tally, limit = FileCounts(), LimitUsage()
    show = QuietDisplay() if target.file is None and not given.as_json else display_for(json=given.as_json)
    kind = LOOKED_UP
    if target.file is None and given.as_json:
        kind = kind._replace(fields=_event)

    def faulty(one: RejectedItem) -> None:
        tally.faulty += 1
        for problem in one.problems:
            show.message(printable(f"{given.file}, {problem}"))

    items = ItemReader(table, plan, faulty, keep=True)
    how = cast("StockLookupMethod", given.how)
    try:
        with open_rows(target, kind, as_json=given.as_json) as write:
            async with FulfillmentClient(config, hooks=[noticed]) as client:

                def show_state() -> None:
                    stats, summary = client.stats(), run.summary
                    waits = wait_text(stats, summary, deadline=client.config.bulk_deadline, patience=0, follow_for=0)
                    text = f"{summary.per_second:,.0f}/s · {waits or limit(stats)}"
                    show.progress(tally.share(items), tally.titled, text)

                more: dict[str, Any] = {} if given.concurrency is None else {"concurrency": given.concurrency}
                show.begin("Stocks")
                async with client.bulk.lookup_stocks(items, how=how, **more) as run, refreshing(show_state):
                    async for outcome in run:
                        rows = items.release(outcome.key)
                        tally.add(outcome_text(outcome))
                        write((LookedUp(outcome, rows[0].line if rows else None),))
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
    if target.file is not None:
        facts["file"] = str(target.file)
    if target.file is not None or (given.as_json and target.form_for(as_json=True) == "jsonl"):
        counts = counts_table("stocks", tally.titled)
        show.summary(CommandResults(counts, {"what": "stocks", "counts": tally.counts}, facts))
    else:
        note(counts_text(tally.titled))
    return tally.exit_code()


@dataclass(frozen=True)
class LookedUp:
    """An outcome, and the line of its reference in the file."""

    outcome: Outcome
    line: int | None

    @cached_property
    def row(self) -> dict[str, Any]:
        """The outcome as a flat row."""
        text = outcome_text(self.outcome)
        stock = row_of_all(self.outcome.stocks) if isinstance(self.outcome, Found) else {}
        return {REFERENCE: self.outcome.key, "outcome": text.what, "message": text.message, **stock}

    @property
    def fields(self) -> dict[str, Any]:
        """The outcome with all fields of its stocks."""
        text = outcome_text(self.outcome)
        fields: dict[str, Any] = {REFERENCE: self.outcome.key, "outcome": text.what, "line": self.line}
        if isinstance(self.outcome, Found):
            stocks = [as_fields(stock) for stock in self.outcome.stocks]
            fields |= {"quantities": as_fields(self.outcome.quantities), "stocks": stocks}
            return fields | {"stock": stocks[0]} if len(stocks) == 1 else fields
        return fields | {"message": text.message}


def row_of_all(stocks: Sequence[Stock]) -> dict[str, Any]:
    """Return all stocks of one reference as one flat row: their number, their ids, the sums of their quantities."""
    rows = [flat_row(stock) for stock in stocks]
    texts = {name: " ".join(dict.fromkeys(row[name] for row in rows if row[name] is not None)) for name in _TEXTS}
    changed = [stock.updated_at for stock in stocks if stock.updated_at is not None]
    quantities = flat_row(total(stocks))
    return {
        "stocks": len(stocks),
        **{name: text or None for name, text in texts.items()},
        "updated_at": max(changed, default=None),
        **{name: quantities[name] for name in columns_of(Quantities)},
        "available_by_country": available_by_country(stocks),
    }


def _event(one: LookedUp) -> dict[str, Any]:
    return {"event": "outcome", **one.fields}


def _in_row(name: str) -> Callable[[LookedUp], object]:
    return lambda one: one.row.get(name)


STOCK_COLUMNS: ColumnTypes = columns_of(Stock)
_TEXTS = tuple(name for name, kind in STOCK_COLUMNS.items() if kind == "text" and name != "available_by_country")
LOOKED_UP = RowKind(
    "reference",
    "references",
    {REFERENCE: "text", "outcome": "text", "message": "text", "stocks": "count", **STOCK_COLUMNS},
    (
        Column("reference", "outcome.key"),
        Column("outcome", _in_row("outcome")),
        Column("available", _in_row("available"), right=True),
        Column("allocated", _in_row("allocated"), right=True),
        Column("blocked", _in_row("blocked"), right=True),
        Column("gtin", _in_row("gtin")),
        Column("by country", _in_row("available_by_country")),
        Column("why", _in_row("message")),
    ),
    flat=attrgetter("row"),
    fields=attrgetter("fields"),
    private=False,
)
