"""``octoffm stocks``: how many of each product lie in the warehouses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..contract.stocks import QuantityType, SortOrder
from .exits import Exit
from .fields import as_fields
from .filters import Known, country_option, limit_option, period_options, upper
from .remote import remote_command
from .rows import Column, tell_facts, tell_json, tell_rows, tell_table
from .stocks_export import export
from .stocks_watch import watch

if TYPE_CHECKING:
    from datetime import datetime

    from .remote import Remote

group = click.Group("stocks", help="Stocks: how many of each product lie in the warehouses.")

COLUMNS = (
    Column("id", lambda row: row.id),
    Column("gtin", lambda row: row.gtin),
    Column("condition", lambda row: row.product_condition),
    Column("available", lambda row: row.quantities.available, right=True),
    Column("allocated", lambda row: row.quantities.allocated, right=True),
    Column("blocked", lambda row: row.quantities.blocked, right=True),
    Column("updated (UTC)", lambda row: row.updated_at),
    Column("product id", lambda row: row.product_id),
)
_QUANTITIES = tuple(
    Column(field.replace("_", " ").strip(), lambda part, field=field: getattr(part.quantities, field), right=True)
    for field in ("available", "allocated", "blocked", "litigation", "removal", "return_", "logistic_operations")
)
_COUNTRIES = (
    Column("country", lambda part: part.storage_country),
    *_QUANTITIES,
    Column("updated (UTC)", lambda part: part.updated_at),
    Column("why", lambda part: part.update_reason),
)


@group.command("list")
@country_option
@click.option("--delivery-country", metavar="CODE", help="What can be delivered there; goes with no other filter.")
@period_options("updated")
@click.option("--sort", type=Known(QuantityType), help="By this quantity.")
@click.option("--order", type=Known(SortOrder), help="Least or most first.")
@limit_option
@remote_command
async def list_stocks(
    remote: Remote,
    country: str | None,
    delivery_country: str | None,
    updated_since: datetime | None,
    updated_until: datetime | None,
    sort: str | None,
    order: str | None,
    limit: int | None,
) -> int:
    """List stocks. They carry the GTIN, not your reference: see "octoffm products references"."""
    stocks = remote.client.stocks.list(
        storage_country=country,
        delivery_country=upper(delivery_country),
        updated_at_min=updated_since,
        updated_at_max=updated_until,
        sort=sort,
        order=order,
        max_items=limit,
    )
    await tell_rows(remote, aiter(stocks), COLUMNS, nothing="no stock is like that")
    return Exit.DONE


@group.command("show")
@click.argument("stock_id", metavar="ID")
@remote_command
async def show(remote: Remote, stock_id: str) -> int:
    """Show a stock: its quantities by type and by country, with the last change of each."""
    stock = await remote.client.stocks.get(stock_id)
    if remote.as_json:
        tell_json(as_fields(stock))
        return Exit.DONE
    facts: dict[str, object] = {
        "id": stock.id,
        "product id": stock.product_id,
        "gtin": stock.gtin,
        "state": stock.product_state,
        "condition": stock.product_condition,
        "updated": stock.updated_at,
    }
    tell_facts(facts | {column.title: column.of(stock) for column in _QUANTITIES})
    tell_table(stock.localizations, _COUNTRIES)
    return Exit.DONE


group.add_command(export)
group.add_command(watch)
