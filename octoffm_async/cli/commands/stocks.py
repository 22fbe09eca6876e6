"""``octoffm stocks``: quantities of each product in the warehouses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ...contract.stocks import QuantityType, SortOrder
from ..errors import ExitCode
from ..filters import OpenEnumParam, country_option, limit_option, period_options, reference_option, upper_case
from ..lazy import Later, LazyGroup
from ..output import Column, as_fields, print_facts, print_json_line, print_rows, print_table
from ..remote import remote_command
from .stocks_export import export
from .stocks_watch import watch

if TYPE_CHECKING:
    from datetime import datetime

    from ..remote import Remote

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
@limit_option
@remote_command
async def list_stocks(
    remote: Remote,
    *,
    reference: str | None,
    country: str | None,
    delivery_country: str | None,
    updated_since: datetime | None,
    updated_until: datetime | None,
    sort: str | None,
    order: str | None,
    limit: int | None,
) -> int:
    """List stocks. They carry no reference of yours: "octoffm stocks export --references" puts it beside them.

    With --reference, the command first tests that the API obeys the filter; if not, "octoffm stocks lookup" finds the
    stock.
    """
    if reference is not None and not (proof := await remote.client.bulk.prove_stock_filter()).obeyed:
        message = f"--reference cannot be used: {proof.reason}; octoffm stocks lookup finds stocks in another way"
        raise click.ClickException(message)
    stocks = remote.client.stocks.list(
        seller_product_reference=reference,
        storage_country=country,
        delivery_country=delivery_country,
        updated_at_min=updated_since,
        updated_at_max=updated_until,
        sort=sort,
        order=order,
        max_items=limit,
    )
    await print_rows(remote, aiter(stocks), COLUMNS, nothing="no stock matches")
    return ExitCode.DONE


@group.command("show")
@click.argument("stock_id", metavar="ID")
@remote_command
async def show(remote: Remote, stock_id: str) -> int:
    """Show a stock: its quantities by type and by country, with the last change of each."""
    stock = await remote.client.stocks.get(stock_id)
    if remote.as_json:
        print_json_line(as_fields(stock))
        return ExitCode.DONE
    facts: dict[str, object] = {
        "id": stock.id,
        "product id": stock.product_id,
        "gtin": stock.gtin,
        "state": stock.product_state,
        "condition": stock.product_condition,
        "updated": stock.updated_at,
    }
    print_facts(facts | {column.title: column.text(stock) for column in _QUANTITIES})
    print_table(stock.localizations, _COUNTRIES)
    return ExitCode.DONE


group.add_command(export)
group.add_command(watch)
