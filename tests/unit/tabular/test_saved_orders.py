"""Orders as spreadsheets, data frames and shops write them, under ``saved/orders``: each with its right rows beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from octoffm_async import ConfigurationError
from octoffm_async.tabular.cells.readers import ReadingOptions
from octoffm_async.tabular.column_plan import plan_for
from octoffm_async.tabular.exports import NAMES, exports_of, read_export
from octoffm_async.tabular.formats.open import open_table
from octoffm_async.tabular.item_reader import ItemReader
from octoffm_async.tabular.item_types import ORDERS, PRODUCTS

from .files import GOOD, ORDER_VALUES, problem_texts, reading

SAVED = Path(__file__).parent / "saved" / "orders"
FILES = sorted(path for path in SAVED.iterdir() if path.suffix != ".json")


def by_export(path, name, faulty, target=ORDERS):
    export = read_export(name, target.plural)
    table = open_table(path, delimiter=export.delimiter, quoted=export.quoted)
    options = ReadingOptions(statuses=export.rules(table.columns))
    values = ORDER_VALUES if target is ORDERS else {}
    plan = plan_for(table, target, export.mapping(table.columns), values, options, by_name=False)
    return ItemReader(table, replace(plan, unused=export.unknown(plan.unused)), faulty.append)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_orders_as_programs_save_them_are_read_right(path):
    expected = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
    how, faulty = expected["how"], []
    left_out, unknown = how.pop("left_out", 0), how.pop("unknown", [])
    if "from" in how:
        items = by_export(path, how["from"], faulty)
    else:
        items = reading(path, ORDERS, faulty.append, values=ORDER_VALUES, **how)
    found = list(items)
    assert problem_texts(faulty) == []
    assert [fields(one) for one in found] == expected["orders"]
    assert items.left_out == left_out
    if "from" in how:
        assert items.notes.facts.get("columns not used", "") == ", ".join(unknown)


def fields(order):
    to = order.delivery_address
    names = ("first_name", "last_name", "address_line1", "postal_code", "city", "country_code", "phone")
    lines = [[line.seller_product_reference, line.quantity] for line in order.lines]
    return {"reference": order.reference, "lines": lines} | {name: getattr(to, name) for name in names}


def test_every_file_has_a_guess_that_is_told():
    for path in FILES:
        if path.suffix not in {".jsonl", ".ndjson"}:
            guesses = open_table(path, encoding="mac_roman" if "mac" in path.name else None).guesses
            assert guesses.keys() == {"encoding", "delimiter"}


def changed(tmp_path, name, before, after):
    path = tmp_path / name
    text = (SAVED / name).read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("shopify", ",unfulfilled,", ",partial,"), ("shopify", ",paid,", ",partially_refunded,"),
     ("woocommerce", ",Processing,", ",Dispatched,"), ("magento", '"processing"', '"shipped by us"')],
)  # fmt: skip
def test_a_status_that_nobody_knows_is_refused(tmp_path, name, before, after):
    faulty = []
    items = by_export(changed(tmp_path, f"{name}.csv", before, after), name, faulty)
    assert list(items) == []
    assert all("is a status that does not say if the order must be sent" in text for text in problem_texts(faulty))


@pytest.mark.parametrize("name", ["Madonna", "Probe, Ana"])
def test_a_full_name_that_cannot_be_split_is_refused(tmp_path, name):
    faulty = []
    found = list(by_export(changed(tmp_path, "shopify.csv", "Łukasz Żak", f'"{name}"'), "shopify", faulty))
    assert [one.reference for one in found] == ["#1001"]
    assert "is not a first and a last name" in problem_texts(faulty)[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_description_names_fields_and_all_that_an_order_needs(name):
    for plural, export in exports_of(name).items():
        target = {"orders": ORDERS, "products": PRODUCTS}[plural]
        assert {target.full_name(field) for field in export.columns} == export.columns.keys()
        given = export.columns.keys() | {"delivery_mode", "storage_country"}
        split = {part for whole, parts in target.parts_of.items() if whole in given for part in parts}
        assert target.needed <= given | split
        assert export.about.strip()


def test_a_kind_that_a_shop_does_not_export_is_refused():
    with pytest.raises(ConfigurationError, match="--from amazon describes orders, no products"):
        read_export("amazon", "products")


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [("shopify", "Handle,Title,Variant SKU,Variant Barcode", f"mug,Mug,M-1,'{GOOD}"),
     ("woocommerce", 'SKU,"GTIN, UPC, EAN, or ISBN",Name', f"M-1,{GOOD},Mug"),
     ("prestashop", "id_product,reference,ean13,name", f"1,M-1,{GOOD},Mug")],
)  # fmt: skip
def test_products_of_shops(tmp_path, name, header, row):
    path = tmp_path / "p.csv"
    path.write_text(f"{header}\n{row}\n")
    faulty = []
    (product,) = by_export(path, name, faulty, PRODUCTS)
    assert (product.gtin, product.seller_product_reference) == (GOOD, "M-1")
