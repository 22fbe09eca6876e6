import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import ConfigurationError
from octoffm_async.disk.first_lines import FirstOccurrences
from octoffm_async.tabular import item_reader as items_module
from octoffm_async.tabular.item_types import ORDERS, PRODUCTS, REFERENCES, SUPPLIES

from .files import GOOD, ORDER_HEADER, ORDER_VALUES, OTHER, order_row, problem_texts, read, reading


@pytest.fixture
def orders(tmp_path):
    def read_rows(*rows, **settings):
        path = tmp_path / "orders.csv"
        path.write_text("\n".join([ORDER_HEADER, *rows, ""]))
        return read(path, ORDERS, values=ORDER_VALUES, **settings)

    return read_rows


def test_rows_with_the_same_reference_are_one_order(orders):
    found, faulty = orders(order_row("A"), order_row("A", "P-2", 3), order_row("B"))
    assert not faulty
    assert [
        (one.reference, [(line.seller_product_reference, line.quantity) for line in one.lines]) for one in found
    ] == [
        ("A", [("P-1", 1), ("P-2", 3)]),
        ("B", [("P-1", 1)]),
    ]
    assert (found[0].delivery_address.city, found[0].delivery_mode) == ("Paris", "TrackedHomeDelivery")


@pytest.mark.parametrize(
    ("one", "other"),
    [("A-1", "A\u200b-1"), ("A-1", '"=""A-1"""'), ("1001", "1001.0"), ("L’1", "L\x921"), ("B-1", "'B-1")],
)
def test_a_reference_that_comes_back_in_another_form_is_seen(orders, one, other):
    found, faulty = orders(order_row(one), order_row("B"), order_row(other))
    assert [order.reference for order in found] == ["B"]
    assert len(faulty) == 2


@pytest.mark.parametrize("second", ["P-2", "P-1"])
def test_rows_of_one_order_that_do_not_stand_together_are_all_refused_before_one_leaves(orders, second):
    found, faulty = orders(
        order_row("A"), order_row("B"), order_row("A", second), order_row("C"), order_row("A", "P-3")
    )
    assert [one.reference for one in found] == ["B", "C"]
    reason = "comes back, on lines 2, 4, 6: the rows of one order must stand together; none is sent"
    assert problem_texts(faulty) == [f"line {line}, column reference = 'A': {reason}" for line in (2, 4, 6)]


def test_rows_of_an_order_that_disagree_are_an_error_that_names_both_lines(orders):
    found, faulty = orders(order_row("A"), order_row("A", city="Lyon"))
    assert not found
    expected = "differs from 'Paris' on line 2, which is of the same order"
    assert problem_texts(faulty) == [f"line 3, column city (delivery_address.city) = 'Lyon': {expected}"]


def test_cells_that_repeat_nothing_agree(orders):
    found, faulty = orders(order_row("A"), "A,P-2,2,,,,,,")
    assert not faulty
    assert len(found[0].lines) == 2


def test_a_wrong_line_is_reported_with_its_own_line_and_takes_the_order_with_it(orders):
    found, faulty = orders(order_row("A"), order_row("A", "P-2", "two"), order_row("A", "P-3", 0), order_row("B"))
    assert [one.reference for one in found] == ["B"]
    assert problem_texts(faulty) == [
        "line 3, column quantity (lines.quantity) = 'two': is not a whole number, such as 2"
    ]
    assert [row.line for row in faulty[0].rows] == [2, 3, 4]
    _, faulty = orders(order_row("A"), order_row("A", "P-3", 0))
    assert problem_texts(faulty)[0].startswith(
        "line 3, column quantity (lines.quantity) = '0': is not a whole number from 1"
    )


def test_an_order_without_end_is_not_held(orders, monkeypatch):
    monkeypatch.setattr(items_module, "MOST_ROWS", 5)
    found, faulty = orders(*(order_row("A") for _ in range(12)), order_row("B"))
    assert [one.reference for one in found] == ["A", "B"]  # the last two rows are few enough
    assert all("5 rows or more" in text for text in problem_texts(faulty))


def test_a_column_that_is_needed_and_not_there_is_reported_at_once(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(f"{ORDER_HEADER}\n{order_row('A')}\n")
    with pytest.raises(ConfigurationError, match="no column is mapped to delivery_mode, storage_country"):
        read(path, ORDERS)


def test_json_lines_hold_nested_orders_in_either_spelling(tmp_path):
    path = tmp_path / "orders.jsonl"
    address = {"firstName": "Zoé", "lastName": "M", "addressLine1": "1", "postalCode": "75002", "city": "Paris"}
    lines = [{"sellerProductReference": "P-1", "quantity": 2}, {"seller_product_reference": "P-2", "quantity": 1.0}]
    first = {"reference": "A", "deliveryAddress": address | {"countryCode": "FR"}, "lines": lines}
    flat = {"reference": "B", "quantity": "1", "lines.seller_product_reference": "P", "phone": "+33"}
    flat |= {f"delivery_address.{name}": "x" for name in ("first_name", "last_name", "address_line1", "postal_code")}
    flat |= {"delivery_address.city": "London", "delivery_address.country_code": "GB"}
    wrong = {"reference": "C", "lines": [{"quantity": 1}]}
    path.write_text("\n".join(map(json.dumps, [first, flat, wrong])) + "\n[1]\n{\n")
    found, faulty = read(path, ORDERS, values=ORDER_VALUES)
    assert [(one.reference, len(one.lines)) for one in found] == [("A", 2), ("B", 1)]
    assert [one.line for one in faulty] == [3, 4, 5]
    assert "line 3, column delivery_address.city = '': is missing" in problem_texts(faulty)
    assert "line 4: is list, not a JSON object" in problem_texts(faulty)


def test_names_in_json_lines_that_are_no_fields_are_told(tmp_path):
    path = tmp_path / "p.jsonl"
    rows = [
        {"gtin": GOOD, "Tilte": "Pen", "octoffm_line": 1},
        {"gtin": OTHER, "title": "Cup", "packaging": {"colour": 1}},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    items = reading(path, PRODUCTS, lambda _: None)
    items.prepare()
    assert items.notes.facts["columns not used"] == "Tilte, packaging.colour"


def test_the_same_reference_in_two_json_objects_is_an_error(tmp_path):
    path = tmp_path / "supply.jsonl"
    one = {"reference": "A", "storage_country": "FR", "lines": [{"seller_product_reference": "P", "quantity": 1}]}
    path.write_text(json.dumps(one) + "\n" + json.dumps(one) + "\n")
    found, faulty = read(path, SUPPLIES)
    assert len(found) == 1
    assert "came before, on line 1" in problem_texts(faulty)[0]


def test_products_whose_reference_came_before_name_the_line(tmp_path):
    path = tmp_path / "products.csv"
    path.write_text(
        f"gtin;title;length;width;height;weight\n{GOOD};Pen;1,5;2;3;4\n{OTHER};Cup;1;2;3;4\n{GOOD};P;1;2;3;4\n"
    )
    found, faulty = read(path, PRODUCTS, mapping={f"{name}": name.partition("_")[0] for name in MEASURES})
    assert [one.gtin for one in found] == [GOOD, OTHER]
    assert found[0].packaging.length_cm == 1.5
    where, reason = problem_texts(faulty)[0].split(": ", 1)
    assert where == f"line 4, column gtin (seller_product_reference) = '{GOOD}'"
    assert (
        reason == "came before, on line 2, with another payload (different: title, packaging); only the first is sent"
    )


MEASURES = ("length_cm", "width_cm", "height_cm", "weight_g")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("4,00638E+12", "a spreadsheet shortened the number; format the column as text"),
        ("4.00638e12", "a spreadsheet shortened the number"),
        ("24000012313", "did a spreadsheet drop leading zeros of 024000012313?"),
        ("123", "has 3 digits, not 8, 12, 13 or 14"),
        ("4006381333932", "check digit is 2, should be 1"),
    ],
)
def test_what_spreadsheets_make_of_a_gtin_is_refused_with_its_reason(tmp_path, cell, reason):
    path = tmp_path / "products.csv"
    path.write_text(f"gtin;title\n{cell};Pen\n")
    found, faulty = read(path, PRODUCTS)
    assert not found
    assert reason in problem_texts(faulty)[0]
    assert problem_texts(faulty)[0].startswith(f"line 2, column gtin = '{cell}': ")


def test_the_decimals_of_a_gtin_are_mended_and_told(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(f"gtin,title\n{GOOD}.0,Pen\n")
    items = reading(path, PRODUCTS, lambda _: None)
    assert [one.gtin for one in items] == [GOOD]
    assert [(change.field, change.before, change.after) for change in items.notes.changes] == [
        ("gtin", f"{GOOD}.0", GOOD)
    ]


def test_references_are_read_once_each(tmp_path):
    path = tmp_path / "wanted.csv"
    path.write_text("sku\nA\nB\nA\n\n")
    found, faulty = read(path, REFERENCES, mapping={"seller_product_reference": "sku"})
    assert found == ["A", "B"]
    assert problem_texts(faulty) == ["line 4, column sku (seller_product_reference) = 'A': came before, on line 2"]


@given(st.lists(st.sampled_from("abcdefghij"), max_size=60), st.integers(1, 5))
def test_first_lines_are_exact_however_little_is_held(keys, in_memory):
    lines, expected = FirstOccurrences(in_memory=in_memory), {}
    for line, key in enumerate(keys):
        assert lines.add(key, line) == expected.get(key)
        expected.setdefault(key, (line, b""))
    lines.close()


def written(folder, *lines):
    path = folder / "orders.csv"
    path.write_text("\n".join([*lines, ""]))
    return path


EXTRA = {"extra.giftWrap": "true", "extra.channel": "CDISFR", "extra.code": '"007"', "extra.tags": '[{"a": null}]'}


def test_extra_members_are_json_where_the_text_is_some_and_text_where_it_is_none(tmp_path):
    (tmp_path / "p.csv").write_text(f"gtin,title,wrap,note\n{GOOD},Pen,true,5\n{OTHER},Cup,,\n")
    mapping = {"extra.note": "note", "extra.Wrap": "wrap"}
    found, faulty = read(tmp_path / "p.csv", PRODUCTS, values=EXTRA, mapping=mapping)
    assert faulty == []
    every = {"giftWrap": True, "channel": "CDISFR", "code": "007", "tags": [{"a": None}]}
    assert [one.extra for one in found] == [{**every, "note": "5", "Wrap": "true"}, every]
    assert [(one.title, one.seller_product_reference) for one in found] == [("Pen", GOOD), ("Cup", OTHER)]


@pytest.mark.parametrize(
    ("given", "value"),
    [("1.5", 1.5), ("-3", -3), ("null", None), ("0123", "0123"), ("NaN", "NaN"), ('{"a"', '{"a"'), ('"1"', "1")],
)
def test_what_an_extra_member_is_set_to(tmp_path, given, value):
    (tmp_path / "p.csv").write_text(f"gtin\n{GOOD}\n")
    ((product,), _) = read(tmp_path / "p.csv", PRODUCTS, values={"extra.it": given})
    assert product.extra == {"it": value}
    assert type(product.extra["it"]) is type(value)


def test_extra_members_come_in_one_order_whatever_order_they_were_named_in(tmp_path):
    path = written(tmp_path, ORDER_HEADER + ",gift", order_row("A-1") + ",red")
    twice = [{"extra.b": "1", "extra.a": "2"}, {"extra.a": "2", "extra.b": "1"}]
    found = [
        read(path, ORDERS, values=ORDER_VALUES | extra, mapping={"extra.aGift": "gift"})[0][0].extra for extra in twice
    ]
    assert [list(extra.items()) for extra in found] == [[("a", 2), ("aGift", "red"), ("b", 1)]] * 2


def test_json_lines_have_extra_members_that_are_mapped(tmp_path):
    line = {"reference": "I-1", "storageCountry": "FR", "gift": {"wrapNow": True}}
    lines = [{"sellerProductReference": "P-1", "quantity": 1}]
    (tmp_path / "i.jsonl").write_text(json.dumps(line | {"lines": lines}))
    ((supply,), _) = read(tmp_path / "i.jsonl", SUPPLIES, mapping={"extra.wrapNow": "gift.wrapNow"})
    assert supply.extra == {"wrapNow": "true"}


def test_rows_of_an_order_that_disagree_on_an_extra_member_are_an_error(tmp_path):
    path = written(tmp_path, ORDER_HEADER + ",gift", order_row("A-1") + ",red", order_row("A-1", "P-2") + ",blue")
    found, faulty = read(path, ORDERS, values=ORDER_VALUES, mapping={"extra.gift": "gift"})
    assert found == []
    assert ["differs from 'red' on line 2" in line for line in problem_texts(faulty)] == [True]


@pytest.mark.parametrize(
    ("target", "name", "message"),
    [
        (PRODUCTS, "extra.title", "field title"),
        (PRODUCTS, "extra.SellerProduct-Reference", "field seller_product_reference"),
        (ORDERS, "extra.storageCountry", "field storage_country"),
        (SUPPLIES, "extra.lines", "field lines"),
        (SUPPLIES, "extra.", "empty name"),
        (ORDERS, "extra.gift.wrap", 'extra.gift={"wrap": …}'),
        (REFERENCES, "extra.gift", "no request"),
    ],
)
@pytest.mark.parametrize("how", ["values", "mapping"])
def test_a_name_that_no_extra_member_can_have_is_refused_before_a_row_is_read(tmp_path, target, name, message, how):
    path = written(tmp_path, ORDER_HEADER, order_row("A-1"))
    with pytest.raises(ConfigurationError) as refused:
        read(path, target, **{how: {name: "city"}})
    assert message in str(refused.value)


def test_changes_of_numbers_are_told_as_texts(tmp_path):
    polars = pytest.importorskip("polars")
    row = dict(zip(ORDER_HEADER.split(","), order_row("A").split(","), strict=True))
    path = tmp_path / "o.parquet"
    polars.DataFrame([row | {"phone": float("nan")}, row | {"reference": "B", "phone": 33.0}]).write_parquet(path)
    items = reading(path, ORDERS, pytest.fail, values=ORDER_VALUES)
    assert [one.delivery_address.phone for one in items] == [None, "33"]
    assert [change["before"] for change in items.notes.as_fields()["mended"]] == ["nan"]


def test_problems_of_references_that_are_numbers_hold_texts(tmp_path):
    path = tmp_path / "o.jsonl"
    row = dict(zip(ORDER_HEADER.split(","), order_row("").split(","), strict=True))
    path.write_text("".join(json.dumps(row | {"reference": one}) + "\n" for one in (1001, "O-2", 1001.0)))
    found, faulty = read(path, ORDERS, values=ORDER_VALUES)
    assert [one.reference for one in found] == ["O-2"]
    assert [[type(problem.value) for problem in one.problems] for one in faulty] == [[str], [str]]
