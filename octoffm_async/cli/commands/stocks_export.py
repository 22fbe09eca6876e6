"""``octoffm stocks export``: all stocks as a file for a spreadsheet, a program or a data frame."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import click

from ...bulk.outcomes import total
from ...bulk.stocks.references import References
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

    from ...contract.stocks import Stock
    from ..remote import Remote
    from ..row_files import ColumnType, ColumnTypes


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

QUANTITIES = ("available", "allocated", "blocked", "litigation", "removal", "return", "logistic_operations")
TEXTS = ("id", "product_id", "product_state", "product_condition", "gtin")
REFERENCE = "seller_product_reference"
COLUMNS = (*TEXTS, "updated_at", *QUANTITIES, "available_by_country")


def _kind(column: str) -> ColumnType:
    return "count" if column in QUANTITIES else "moment" if column == "updated_at" else "text"


STOCK_COLUMNS: ColumnTypes = {column: _kind(column) for column in COLUMNS}


def columns_of(look: ReferenceLookup | None) -> ColumnTypes:
    """Return the columns of a flat row; with ``look``, the seller's reference is the first."""
    return STOCK_COLUMNS if look is None else {REFERENCE: "text", **STOCK_COLUMNS}


def _own(stock: Stock, look: ReferenceLookup | None) -> dict[str, Any]:
    return {} if look is None else {REFERENCE: look(stock)}


def row_of(stock: Stock, look: ReferenceLookup | None = None) -> dict[str, Any]:
    """Return a stock as one flat row."""
    fields = as_fields(stock)
    row = _own(stock, look)
    row |= {name: fields[name] for name in TEXTS} | {"updated_at": stock.updated_at}
    row |= {name: fields["quantities"][name] for name in QUANTITIES}
    return row | {"available_by_country": _by_country([stock])}


def row_of_all(stocks: Sequence[Stock]) -> dict[str, Any]:
    """Return all stocks of one reference as one flat row: their number, their ids, the sums of their quantities."""
    rows = [row_of(stock) for stock in stocks]
    texts = {name: " ".join(dict.fromkeys(row[name] for row in rows if row[name] is not None)) for name in TEXTS}
    changed = [stock.updated_at for stock in stocks if stock.updated_at is not None]
    quantities = as_fields(total(stocks))
    return {
        "stocks": len(stocks),
        **{name: text or None for name, text in texts.items()},
        "updated_at": max(changed, default=None),
        **{name: quantities[name] for name in QUANTITIES},
        "available_by_country": _by_country(stocks),
    }


def _by_country(stocks: Sequence[Stock]) -> str:
    """Return a text such as ``FR=30 ES=7``; ``?`` stands for a country or a quantity that the API did not give."""
    places: dict[str, int | None] = {}
    for part in (part for stock in stocks for part in stock.localizations):
        country, more = part.storage_country or "?", part.quantities.available
        before = places.get(country, 0)
        places[country] = None if before is None or more is None else before + more
    return " ".join(f"{country}={'?' if number is None else number}" for country, number in places.items())


@contextmanager
def csv_sink(file: BinaryIO, look: ReferenceLookup | None = None) -> Generator[StockWriter]:
    """Open a CSV file with a row for each stock."""
    with csv_file(file, columns_of(look)) as write:
        yield lambda stocks: write(row_of(stock, look) for stock in stocks)


@contextmanager
def parquet_sink(file: BinaryIO, look: ReferenceLookup | None = None) -> Generator[StockWriter]:
    """Open a Parquet file with a row for each stock."""
    with parquet_file(file, columns_of(look)) as write:
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
