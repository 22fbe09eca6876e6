"""polars: rows of answers are a data frame as they are."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from octoffm_async import FulfillmentClient, Localization, OutboundShipment, Quantities, Refusal, Stock
from octoffm_async.sandbox import Sandbox
from octoffm_async.tabular import as_rows
from tests.support.items import order

STOCK_SCHEMA = {
    "id": pl.String,
    "product_id": pl.String,
    "product_state": pl.String,
    "product_condition": pl.String,
    "gtin": pl.String,
    "updated_at": pl.Datetime("us", "UTC"),
    "available": pl.Int64,
    "allocated": pl.Int64,
    "blocked": pl.Int64,
    "litigation": pl.Int64,
    "removal": pl.Int64,
    "return": pl.Int64,
    "logistic_operations": pl.Int64,
    "available_by_country": pl.String,
}


async def test_all_stocks_and_orders_are_a_frame() -> None:
    async with Sandbox(seed=7, catalogue=5, stock=4) as sandbox, FulfillmentClient(sandbox.config()) as client:
        await client.outbound.create(order("ORDER-1", product="SKU-00001"))
        stocks = pl.DataFrame(await client.stocks.list().rows())
        orders = pl.DataFrame(await client.outbound.list().rows())
        references = pl.DataFrame(await client.products.references().rows())
        none = pl.DataFrame(await client.returns.list().rows())
    assert stocks.schema == STOCK_SCHEMA
    assert stocks["available"].sum() == 20
    assert orders.select("reference", "status", "delivery_address_city").rows() == [("ORDER-1", "Created", "Paris")]
    assert orders.schema["created_at"] == pl.Datetime("us", "UTC")
    lines = orders["lines"].str.json_decode(pl.List(pl.Struct({"quantity": pl.Int64})))
    assert lines.explode().struct.field("quantity").to_list() == [1]
    assert references.height == 5
    assert (none.height, none.schema["return_id"]) == (0, pl.String)


def test_types_do_not_depend_on_what_the_first_rows_hold() -> None:
    gaps = [Stock(id=f"S-{number}") for number in range(500)]
    full = Stock(id="S", gtin="2000000000015", quantities=Quantities(available=3), updated_at=datetime.now(UTC))
    frame = pl.DataFrame(as_rows([*gaps, full]))
    assert frame.schema == STOCK_SCHEMA
    assert frame["available"].null_count() == 500
    assert frame.row(-1, named=True)["gtin"] == "2000000000015"


def test_rows_are_dictionaries_with_a_column_for_each_quantity() -> None:
    places = [
        Localization(storage_country="FR", quantities=Quantities(available=3)),
        Localization(storage_country="ES"),
    ]
    rows = as_rows([Stock(id="S", quantities=Quantities(available=3, return_=1), localizations=places)])
    assert dict(rows[0]) == dict.fromkeys(STOCK_SCHEMA) | {
        "id": "S",
        "available": 3,
        "return": 1,
        "available_by_country": "FR=3 ES=?",
    }
    (refused,) = as_rows([OutboundShipment(outbound_shipment_id="1", refusal=Refusal(code="X"))])
    assert (refused["refusal_code"], refused["refusal_message"], refused["lines"]) == ("X", None, "[]")
    assert refused["delivery_address_city"] is None
