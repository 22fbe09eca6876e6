"""Flat rows: their columns, for every list of the API, and what no row can be made of."""

from __future__ import annotations

import csv
import io

import msgspec
import pytest

from octoffm_async import FulfillmentClient, OutboundShipment, Quantities, ShipmentLine, Stock
from octoffm_async.contract.operations import OPERATIONS
from octoffm_async.tabular import as_rows
from octoffm_async.tabular.flat_rows import columns_of, flat_row
from tests.support.fakes import FakeTransport, answer, config

LISTED = [operation.row for operation in OPERATIONS if operation.row is not None]


@pytest.mark.parametrize("kind", LISTED, ids=lambda kind: kind.__name__)
def test_every_row_has_exactly_the_columns_of_its_kind(kind) -> None:
    made = kind(**{field.name: "x" for field in msgspec.structs.fields(kind) if field.required})
    assert list(flat_row(made)) == list(columns_of(kind))
    assert set(columns_of(kind).values()) <= {"text", "count", "number", "flag", "moment"}


def test_rows_in_the_apis_own_spelling_are_the_same() -> None:
    assert columns_of(Stock)["return"] == "count"
    assert flat_row(Stock(id="S", quantities=Quantities(return_=2)))["return"] == 2


async def test_a_list_that_is_empty_still_names_its_columns() -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(lambda _: answer(200, {"items": []}))) as client:
        rows = await client.outbound.list().rows()
    assert len(rows) == 0
    assert list(rows.columns) == list(columns_of(OutboundShipment))
    assert as_rows([]).columns == {}
    assert repr(as_rows([Stock(id="S")])).startswith("<Rows: 1 of id, product_id")


async def test_rows_of_another_spelling_come_out_alike() -> None:
    body = {"items": [{"ID": "S-1", "Quantities": {"AVAILABLE": "3"}, "brandNew": 1}]}
    async with FulfillmentClient(config(), transport=FakeTransport(lambda _: answer(200, body))) as client:
        for _ in range(3):
            rows = await client.stocks.list().rows()
    assert rows == [dict.fromkeys(columns_of(Stock)) | {"id": "S-1", "available": 3, "available_by_country": ""}]
    file = io.StringIO()
    writer = csv.DictWriter(file, rows.columns)
    writer.writeheader()
    writer.writerows(rows)
    assert file.getvalue().splitlines()[1].startswith("S-1,,,,,,3,")


def test_items_of_two_kinds_and_other_objects_are_refused() -> None:
    with pytest.raises(TypeError, match="a row is made of Stock, not of ShipmentLine"):
        as_rows([Stock(id="S"), ShipmentLine(quantity=1)])
    with pytest.raises(TypeError, match="a row is made of an answer of the API, not of dict"):
        as_rows([{"id": "S"}])  # type: ignore[list-item]
