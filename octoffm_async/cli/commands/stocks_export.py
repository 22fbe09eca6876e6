"""``octoffm stocks export``: all stocks as a file for a spreadsheet, a program or a data frame."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import click

from ...bulk.outcomes import total
from ...bulk.stocks.references import References
from ...contract.stocks import Quantities, Stock
from ...tabular.flat_rows import available_by_country, columns_of, flat_row
from ...text import printable
from ..errors import ExitCode
from ..filters import country_option, period_options
from ..output import as_fields, json_line, print_json_line
from ..remote import remote_command
from ..row_files import atomic_replace, csv_file, ending_of, parquet_file, rows_output

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from ...tabular.flat_rows import ColumnTypes
    from ..remote import Remote


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
        with atomic_replace(output, private=False) as file, sink_for(ending_of(output), file, look) as write:
            async for page in stocks.pages():
                write(page.items)
                count += len(page.items)
    if remote.as_json:
        print_json_line({"file": str(output), "stocks": count})
    else:
        click.echo(printable(f"{output}: {count:,} stock{'' if count == 1 else 's'}"))
    return ExitCode.DONE


StockWriter: TypeAlias = "Callable[[Sequence[Stock]], None]"
ReferenceLookup: TypeAlias = "Callable[[Stock], str | None]"
"""A function that returns the seller's reference of a stock, if it is known."""

REFERENCE = "seller_product_reference"
STOCK_COLUMNS: ColumnTypes = columns_of(Stock)
QUANTITIES = tuple(columns_of(Quantities))
TEXTS = tuple(name for name, kind in STOCK_COLUMNS.items() if kind == "text" and name != "available_by_country")


def columns_with(look: ReferenceLookup | None) -> ColumnTypes:
    """Return the columns of a flat row; with ``look``, the seller's reference is the first."""
    return STOCK_COLUMNS if look is None else {REFERENCE: "text", **STOCK_COLUMNS}


def _own(stock: Stock, look: ReferenceLookup | None) -> dict[str, Any]:
    return {} if look is None else {REFERENCE: look(stock)}


def row_of(stock: Stock, look: ReferenceLookup | None = None) -> dict[str, Any]:
    """Return a stock as one flat row; with ``look``, the seller's reference is the first column."""
    return _own(stock, look) | flat_row(stock)


def row_of_all(stocks: Sequence[Stock]) -> dict[str, Any]:
    """Return all stocks of one reference as one flat row: their number, their ids, the sums of their quantities."""
    rows = [row_of(stock) for stock in stocks]
    texts = {name: " ".join(dict.fromkeys(row[name] for row in rows if row[name] is not None)) for name in TEXTS}
    changed = [stock.updated_at for stock in stocks if stock.updated_at is not None]
    quantities = flat_row(total(stocks))
    return {
        "stocks": len(stocks),
        **{name: text or None for name, text in texts.items()},
        "updated_at": max(changed, default=None),
        **{name: quantities[name] for name in QUANTITIES},
        "available_by_country": available_by_country(stocks),
    }


@contextmanager
def csv_sink(file: BinaryIO, look: ReferenceLookup | None = None) -> Generator[StockWriter]:
    """Open a CSV file with a row for each stock."""
    with csv_file(file, columns_with(look)) as write:
        yield lambda stocks: write(row_of(stock, look) for stock in stocks)


@contextmanager
def parquet_sink(file: BinaryIO, look: ReferenceLookup | None = None) -> Generator[StockWriter]:
    """Open a Parquet file with a row for each stock."""
    with parquet_file(file, columns_with(look)) as write:
        yield lambda stocks: write(row_of(stock, look) for stock in stocks)


@contextmanager
def json_sink(file: BinaryIO, look: ReferenceLookup | None = None) -> Generator[StockWriter]:
    """Open a file of one JSON object a line, with all fields that the API gives of a stock."""

    def write(stocks: Sequence[Stock]) -> None:
        file.writelines(json_line(_own(stock, look) | as_fields(stock)).encode() + b"\n" for stock in stocks)

    yield write


_SINKS: dict[str, Callable[[BinaryIO, ReferenceLookup | None], AbstractContextManager[StockWriter]]] = {
    ".csv": csv_sink,
    ".jsonl": json_sink,
    ".parquet": parquet_sink,
}


def sink_for(ending: str, file: BinaryIO, look: ReferenceLookup | None = None) -> AbstractContextManager[StockWriter]:
    """Begin a file in the format of a suffix; the result is a function that writes some stocks."""
    return _SINKS[ending](file, look)
