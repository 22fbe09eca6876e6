"""``octoffm stocks``: quantities of each product in the warehouses."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from ...bulk.stocks.references import References
from ...contract.stocks import QuantityType, SortOrder, Stock
from ...tabular.flat_rows import flat_row
from ..errors import ExitCode
from ..filters import OpenEnumParam, country_option, period_options, reference_option, upper_case
from ..lazy import Later, LazyGroup
from ..output import Column, as_fields, print_item
from ..remote import remote_command
from ..rows.target import each_alone, kind_of, list_options, print_rows, rows_options
from .stocks_watch import watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..remote import Remote
    from ..rows.target import RowKind, RowTarget

group: LazyGroup = LazyGroup(
    "stocks",
    help="Stocks: quantities of each product in the warehouses.",
    later={
        "lookup": Later("octoffm_async.cli.files.lookup:lookup", "Look up the stock of each reference in a file."),
    },
)

COLUMNS = (
    Column("id", "id"),
    Column("gtin", "gtin"),
    Column("condition", "product_condition"),
    Column("available", "quantities.available", right=True),
    Column("allocated", "quantities.allocated", right=True),
    Column("blocked", "quantities.blocked", right=True),
    Column("updated (UTC)", "updated_at"),
    Column("product id", "product_id"),
)
STOCKS = kind_of(Stock, "stock", "stocks", COLUMNS, private=False)
REFERENCE = "seller_product_reference"
_QUANTITIES = tuple(
    Column(field.replace("_", " ").strip(), f"quantities.{field}", right=True)
    for field in ("available", "allocated", "blocked", "litigation", "removal", "return_", "logistic_operations")
)
_COUNTRIES = (
    Column("country", "storage_country"),
    *_QUANTITIES,
    Column("updated (UTC)", "updated_at"),
    Column("why", "update_reason"),
)


@group.command("list")
@reference_option
@country_option
@click.option(
    "--delivery-country", metavar="CODE", callback=upper_case, help="Deliverable there; excludes all other filters."
)
@period_options("updated")
@click.option("--sort", type=OpenEnumParam(QuantityType), help="Sort by this quantity.")
@click.option("--order", type=OpenEnumParam(SortOrder), help="Least or most first.")
@list_options
@remote_command
async def list_stocks(remote: Remote, target: RowTarget, *, reference: str | None, **filters: Any) -> int:
    """List stocks. They carry no reference of yours: "octoffm stocks export --references" puts it beside them.

    With --reference, the command first tests that the API obeys the filter; if not, "octoffm stocks lookup" finds the
    stock.
    """
    if reference is not None and not (proof := await remote.client.bulk.prove_stock_filter()).obeyed:
        message = f"--reference cannot be used: {proof.reason}; octoffm stocks lookup finds stocks in another way"
        raise click.ClickException(message)
    stocks = remote.client.stocks.list(seller_product_reference=reference, **filters)
    return await print_rows(remote, target, each_alone(aiter(stocks)), STOCKS)


@group.command("export")
@rows_options(required=True)
@country_option
@period_options("updated")
@click.option("--references", is_flag=True, help="Add your own reference to each stock; all references are read first.")
@remote_command
async def export(remote: Remote, target: RowTarget, *, references: bool, **filters: Any) -> int:
    """Write all stocks to a file. An older file is replaced when all is written, and kept if something fails.

    CSV, Parquet and XLSX have one row a stock, with its total quantities and, in available_by_country, the countries
    that it can be shipped from; there a question mark stands for a value that the API does not give, elsewhere an empty
    cell. JSON lines hold all fields that the API gives. The CSV form is safe to open in a spreadsheet: text that it
    could take for a formula gets an apostrophe before it. Parquet needs the extra "tabular".

    With --references, a stock whose reference is not certain gets none.
    """
    pages = (page.items async for page in remote.client.stocks.list(**filters).pages())
    if not references:
        return await print_rows(remote, target, pages, STOCKS)
    with closing(References()) as known:
        kind = referenced(known.reference_of)
        kind.only(target.columns)  # a wrong one is reported before anything is read
        async for some in remote.client.products.references().pages():
            known.add(some.items)
        known.sort()
        return await print_rows(remote, target, pages, kind)


def referenced(look: Callable[[Stock], str | None]) -> RowKind:
    """Return the kind of rows of stocks that begin with the seller's reference, where ``look`` knows it."""

    def flat(stock: Stock) -> dict[str, Any]:
        return {REFERENCE: look(stock), **flat_row(stock)}

    def fields(stock: Stock) -> dict[str, Any]:
        return {REFERENCE: look(stock), **as_fields(stock)}

    return STOCKS._replace(columns={REFERENCE: "text", **STOCKS.columns}, flat=flat, fields=fields)


@group.command("show", short_help="Show the quantities of a stock.")
@click.argument("stock_id", metavar="ID")
@remote_command
async def show(remote: Remote, stock_id: str) -> int:
    """Show a stock: its quantities by type and by country, with the last change of each."""
    stock = await remote.client.stocks.get(stock_id)
    facts: dict[str, object] = {
        "id": stock.id,
        "product id": stock.product_id,
        "gtin": stock.gtin,
        "state": stock.product_state,
        "condition": stock.product_condition,
        "updated": stock.updated_at,
    }
    facts |= {column.title: column.text(stock) for column in _QUANTITIES}
    print_item(stock, facts, (stock.localizations, _COUNTRIES), as_json=remote.as_json)
    return ExitCode.DONE


group.add_command(watch)
