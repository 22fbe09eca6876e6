"""Files as items for a program: ``read_orders``, ``read_products`` and ``read_supply_orders``."""

import csv
import json
from datetime import UTC, datetime

import pytest

from octoffm_async import ConfigurationError, Created, FulfillmentClient, ProductRows, RejectsReport
from octoffm_async.sandbox import Sandbox
from octoffm_async.tabular import RejectedItem, read_orders, read_products, read_supply_orders
from octoffm_async.tabular.mapping_file import Mapping, save_mapping

from .files import GOOD, ORDER_HEADER, ORDER_VALUES, OTHER, order_row


@pytest.fixture
def orders(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([ORDER_HEADER, order_row("A"), order_row("A", "P-2"), order_row("B", quantity="x"), ""]))
    return path


def rejected_rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [(row["octoffm_line"], row["reference"], row["octoffm_reason"]) for row in csv.DictReader(file)]


async def test_a_run_takes_a_file_and_its_summary_counts_what_was_rejected(orders, tmp_path):
    rejects = tmp_path / "rejects.csv"
    async with Sandbox(seed=7) as sandbox, FulfillmentClient(sandbox.config(), hooks=()) as client:
        async with read_orders(orders, values=ORDER_VALUES, rejects=rejects) as items:
            async with client.bulk.create_outbound(items, journal=tmp_path / "j.sqlite") as run:
                found = [type(outcome) async for outcome in run]
        assert found == [Created]
        assert (run.summary.total, run.summary.rejected, items.rejected, items.rows) == (1, 1, 1, 3)
        assert sandbox.effects.outbound == {"A": 1}
    ((line, reference, reason),) = rejected_rows(rejects)
    assert (line, reference) == ("4", "B")
    assert "quantity" in reason
    assert any(guess.startswith("encoding") for guess in items.guesses)


async def test_a_run_over_a_list_has_rejected_nothing():
    async with Sandbox(seed=7) as sandbox, FulfillmentClient(sandbox.config(), hooks=()) as client:
        async with client.bulk.create_outbound([]) as run:
            await run.wait()
        assert run.summary.rejected == 0


def test_what_the_api_refused_goes_to_the_rejects_file_too(orders, tmp_path):
    rejects = tmp_path / "rejects.csv"
    with read_orders(orders, values=ORDER_VALUES, rejects=rejects, keep=True) as items:
        (order,) = items
        items.reject(order.reference, "refused: no such product")
        items.reject(order.reference, "a second time")
    assert [row[:2] for row in rejected_rows(rejects)] == [("4", "B"), ("2", "A"), ("3", "A")]


def test_rejects_may_be_a_function(orders):
    rejected: list[RejectedItem] = []
    items = read_orders(orders, values=ORDER_VALUES, rejects=rejected.append)
    assert [order.reference for order in items] == ["A"]
    assert [(one.key, one.line) for one in rejected] == [("B", 4)]


def test_other_formats_and_kinds_are_read_alike(tmp_path):
    products = tmp_path / "p.jsonl"
    products.write_text("".join(json.dumps({"ean": gtin, "name": "Pen"}) + "\n" for gtin in (GOOD, OTHER)))
    found = read_products(products, mapping={"gtin": "ean", "title": "name"}, values={"is_traceable": True})
    assert [(one.gtin, one.title, one.is_traceable) for one in found] == [(GOOD, "Pen", True), (OTHER, "Pen", True)]
    supplies = tmp_path / "s.csv"
    supplies.write_text("reference;sku;quantity;day\nS-1;P-1;1.000;2026-12-01\n")
    saved = tmp_path / "m.toml"
    save_mapping(saved, Mapping({"seller_product_reference": "sku", "expected_delivery_date": "day"}, {}))
    (supply,) = read_supply_orders(supplies, mapping=saved, values={"storage_country": "FR"}, decimal=",")
    assert supply.lines[0].quantity == 1000
    assert supply.expected_delivery_date == datetime(2026, 12, 1, tzinfo=UTC)


def test_the_export_of_a_shop_is_known_by_its_name(tmp_path):
    path = tmp_path / "o.csv"
    path.write_text("\n".join([ORDER_HEADER, order_row("A")]))
    with pytest.raises(ConfigurationError, match="no column is mapped to"):
        read_orders(path, export="shopify")


@pytest.mark.parametrize(
    ("settings", "message"),
    [({}, "delivery_mode"), ({"values": {"nonsense": "1"}}, "no field nonsense"), ({"sheet": "x"}, "is no workbook")],
)
def test_what_cannot_work_is_an_error_at_once(orders, settings, message):
    with pytest.raises(ConfigurationError, match=message):
        read_orders(orders, **settings)


def test_a_file_is_closed_that_was_not_read_to_its_end(orders):
    with read_orders(orders, values=ORDER_VALUES) as items:
        assert next(items).reference == "A"
    assert list(items) == []


def test_the_names_of_before_say_what_to_use(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(f"gtin\n{GOOD}\n")
    with pytest.warns(DeprecationWarning, match="read_products"):
        assert [one.gtin for one in ProductRows(path)] == [GOOD]
    with pytest.warns(DeprecationWarning, match="read_products"):
        RejectsReport(tmp_path / "r.csv")
