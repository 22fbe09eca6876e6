"""Rules: which are certain, which assumed, and that all problems of an item are found at once."""

import math
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from octoffm_async.contract.checks import FieldProblem
from octoffm_async.contract.common import ShipmentLine
from octoffm_async.contract.filters import filter_problems
from octoffm_async.contract.outbound import DeliveryAddress, OutboundFilters, OutboundShipmentRequest
from octoffm_async.contract.products import FulfillmentProduct, Packaging, ReferenceFilters
from octoffm_async.contract.stocks import StockFilters
from octoffm_async.contract.validation import (
    gtin_check_digit,
    outbound_problems,
    product_problems,
    wire_path,
)

BOX = Packaging(length_cm=1, width_cm=2.5, height_cm=3, weight_g=4)
PRODUCT = FulfillmentProduct(gtin="4006381333931", seller_product_reference="R-1", title="Pen", packaging=BOX)
ADDRESS = DeliveryAddress(
    first_name="Ada", last_name="Lovelace", address_line1="1", postal_code="33000", city="B", country_code="FR"
)
LINE = ShipmentLine(quantity=1, seller_product_reference="R-1")
ORDER = OutboundShipmentRequest(
    reference="O-1", lines=[LINE], delivery_address=ADDRESS, delivery_mode="TrackedHomeDelivery", storage_country="FR"
)
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def fields(problems: list[FieldProblem]) -> list[str]:
    return [problem.field for problem in problems]


@pytest.mark.parametrize("assumed", [False, True])
def test_good_items_have_no_problem(assumed) -> None:
    assert product_problems(PRODUCT, assumed=assumed) == []
    assert outbound_problems(ORDER, assumed=assumed) == []


@pytest.mark.parametrize(
    ("gtin", "reason"),
    [
        ("96385074", ""),
        ("036000291452", ""),
        ("4006381333931", ""),
        ("14006381333938", ""),
        ("00000000", ""),
        ("4006381333932", "should be 1"),
        ("400638133393", "check digit"),
        ("", "digits only"),
        ("4006381333 31", "digits only"),
        ("400638133393X", "digits only"),
        ("-006381333931", "digits only"),
        ("٤٠٠٦٣٨١٣٣٣٩٣١", "digits only"),
        ("²006381333931", "digits only"),
        ("1", "has 1 digits"),
        ("123456789", "has 9 digits"),
        ("1" * 11, "has 11 digits"),
        ("1" * 15, "has 15 digits"),
        (4006381333931, "is int, not text"),
        (None, "is NoneType, not text"),
    ],
)
def test_gtins(gtin, reason) -> None:
    problems = product_problems(replace(PRODUCT, gtin=gtin))
    assert fields(problems) == (["gtin"] if reason else [])
    assert all(reason in problem.reason for problem in problems)


@given(length=st.sampled_from([7, 11, 12, 13]), data=st.data())
def test_any_digits_pass_with_their_check_digit_and_with_no_other(length, data) -> None:
    body = data.draw(st.text("0123456789", min_size=length, max_size=length))
    right = gtin_check_digit(body)
    for digit in range(10):
        found = fields(product_problems(replace(PRODUCT, gtin=f"{body}{digit}")))
        assert found == ([] if digit == right else ["gtin"])


@given(body=st.text("0123456789", min_size=12, max_size=12), data=st.data())
def test_any_single_wrong_digit_is_found(body, data) -> None:
    gtin = f"{body}{gtin_check_digit(body)}"
    place = data.draw(st.integers(0, 12))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != gtin[place]]))
    assert fields(product_problems(replace(PRODUCT, gtin=gtin[:place] + other + gtin[place + 1 :]))) == ["gtin"]


@pytest.mark.parametrize(
    ("field", "value", "certain", "assumed"),
    [
        ("seller_product_reference", "x" * 50, 0, 0),
        ("seller_product_reference", "x" * 51, 1, 1),
        ("seller_product_reference", "", 1, 1),
        ("seller_product_reference", " \t", 1, 1),
        ("seller_product_reference", 7, 1, 1),
        ("product_condition", "Dented", 0, 0),
        ("product_condition", "", 1, 1),
        ("product_condition", None, 1, 1),
        ("title", None, 0, 0),
        ("title", "", 1, 1),
        ("title", "x" * 132, 0, 0),
        ("title", "x" * 133, 0, 1),
        ("title", 5, 1, 1),
        ("packaging", None, 0, 0),
        ("origin_country", "FR", 0, 0),
        ("origin_country", "fr", 0, 1),
        ("origin_country", "FRA", 0, 1),
        ("customs_code", "960810", 0, 0),
        ("customs_code", "9608101234", 0, 0),
        ("customs_code", "96081", 0, 1),
        ("customs_code", "96081012345", 0, 1),
        ("customs_code", "960810\n", 0, 1),
        ("un_code", "1263", 0, 0),
        ("un_code", "UN1263", 0, 1),
        ("un_code", "١٢٦٣", 0, 1),
        ("icpe_code", "anything", 0, 0),
    ],
)
def test_rules_for_products(field, value, certain, assumed) -> None:
    product = replace(PRODUCT, **{field: value})
    assert fields(product_problems(product)) == [field] * certain
    assert fields(product_problems(product, assumed=True)) == [field] * assumed


@pytest.mark.parametrize("field", Packaging.__struct_fields__)
@pytest.mark.parametrize(
    ("value", "fine"),
    [
        (1, True),
        (0.001, True),
        (0, False),
        (-1, False),
        (math.nan, False),
        (math.inf, False),
        ("1", False),
        (True, False),
        (None, False),
    ],
)
def test_measures_are_numbers_above_zero(field, value, fine) -> None:
    found = fields(product_problems(replace(PRODUCT, packaging=replace(BOX, **{field: value}))))
    assert found == ([] if fine else [f"packaging.{field}"])


def test_a_measure_beyond_all_measure_is_a_problem() -> None:
    assert fields(product_problems(replace(PRODUCT, packaging=replace(BOX, length_cm=10**400)))) == [
        "packaging.length_cm"
    ]


def test_all_problems_of_a_product_are_found_at_once() -> None:
    bad = FulfillmentProduct(
        gtin="1",
        seller_product_reference="",
        product_condition="",
        title="",
        packaging=Packaging(length_cm=0, width_cm=1, height_cm=1, weight_g=-1),
        un_code="x",
    )
    certain = ["gtin", "seller_product_reference", "product_condition", "title"]
    certain += ["packaging.length_cm", "packaging.weight_g"]
    assert fields(product_problems(bad)) == certain
    assert fields(product_problems(bad, assumed=True)) == [*certain, "un_code"]


@pytest.mark.parametrize(
    ("field", "value", "certain", "assumed"),
    [
        ("reference", "x" * 50, 0, 0),
        ("reference", "x" * 51, 0, 1),
        ("reference", "", 1, 1),
        ("reference", 12, 1, 1),
        ("storage_country", "", 1, 1),
        ("storage_country", "ZZ", 0, 0),
        ("delivery_mode", " ", 1, 1),
        ("delivery_mode", "DroneDelivery", 0, 0),
        ("lines", [], 1, 1),
        ("lines", (), 1, 1),
        ("lines", [LINE] * 100, 0, 0),
        ("lines", [LINE] * 101, 0, 1),
    ],
)
def test_rules_for_orders(field, value, certain, assumed) -> None:
    order = replace(ORDER, **{field: value})
    assert fields(outbound_problems(order)) == [field] * certain
    assert fields(outbound_problems(order, assumed=True)) == [field] * assumed


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ({"quantity": 1, "seller_product_reference": "R"}, None),
        ({"quantity": 1, "product_id": "P", "product_condition": "New"}, None),
        ({"quantity": 1, "seller_product_reference": "R", "product_id": "P"}, None),
        ({"quantity": 0, "seller_product_reference": "R"}, ".quantity"),
        ({"quantity": -1, "seller_product_reference": "R"}, ".quantity"),
        ({"quantity": 1.0, "seller_product_reference": "R"}, ".quantity"),
        ({"quantity": True, "seller_product_reference": "R"}, ".quantity"),
        ({"quantity": "1", "seller_product_reference": "R"}, ".quantity"),
        ({"quantity": 1}, ""),
        ({"quantity": 1, "product_id": "P"}, ""),
        ({"quantity": 1, "product_condition": "New"}, ""),
        ({"quantity": 1, "seller_product_reference": ""}, ""),
        pytest.param({"quantity": 1, "seller_product_reference": "  "}, ""),
    ],
)
def test_rules_for_lines(line, path) -> None:
    order = replace(ORDER, lines=[LINE, ShipmentLine(**line)])
    assert fields(outbound_problems(order)) == ([] if path is None else [f"lines[1]{path}"])


@pytest.mark.parametrize("name", DeliveryAddress.__struct_fields__)
def test_which_parts_of_an_address_are_needed(name) -> None:
    order = replace(ORDER, delivery_address=replace(ADDRESS, **{name: " "}))
    always = name in {"address_line1", "city", "country_code"}
    assumed = always or name in {"first_name", "last_name", "postal_code"}
    assert fields(outbound_problems(order)) == [f"delivery_address.{name}"] * always
    assert fields(outbound_problems(order, assumed=True)) == [f"delivery_address.{name}"] * assumed


def test_all_problems_of_an_order_are_found_at_once() -> None:
    bad = OutboundShipmentRequest(
        reference="",
        lines=[ShipmentLine(quantity=0), LINE, ShipmentLine(quantity=0, seller_product_reference="R")],
        delivery_address=replace(ADDRESS, city="", first_name=""),
        delivery_mode="",
        storage_country="",
    )
    certain = ["reference", "storage_country", "delivery_mode", "lines[0].quantity", "lines[0]", "lines[2].quantity"]
    certain += ["delivery_address.city"]
    assert fields(outbound_problems(bad)) == certain
    assert fields(outbound_problems(bad, assumed=True)) == [*certain, "delivery_address.first_name"]


@pytest.mark.parametrize("change", [{"reference": "a\ud800"}, {"storage_country": "\udcff"}])
def test_text_that_cannot_be_encoded_is_a_problem(change) -> None:
    assert fields(outbound_problems(replace(ORDER, **change))) == list(change)


@pytest.mark.parametrize("filters", [StockFilters, OutboundFilters, ReferenceFilters])
@pytest.mark.parametrize(
    ("limit", "fine"),
    [(1, True), (1000, True), (0, False), (1001, False), (-1, False), (True, False), (1.0, False), ("5", False)],
)
def test_limits_of_a_page(filters, limit, fine) -> None:
    assert fields(filter_problems(filters(limit=limit))) == ([] if fine else ["limit"])


@pytest.mark.parametrize(("filters", "stem"), [(StockFilters, "updated_at"), (OutboundFilters, "status_updated_at")])
@pytest.mark.parametrize(
    ("low", "high", "wrong"),
    [
        (None, None, ""),
        (NOON, NOON, ""),
        (NOON, None, ""),
        (NOON, NOON + timedelta(1), ""),
        (NOON + timedelta(microseconds=1), NOON, "min"),
        (NOON.replace(tzinfo=None), NOON, "min"),
        (NOON, NOON.replace(tzinfo=None), "max"),
        (NOON.replace(tzinfo=None), NOON.replace(tzinfo=None), "min max"),
    ],
)
def test_periods(filters, stem, low, high, wrong) -> None:
    problems = filter_problems(filters(**{f"{stem}_min": low, f"{stem}_max": high}))
    assert fields(problems) == [f"{stem}_{end}" for end in wrong.split()]


@pytest.mark.parametrize(
    "change",
    [
        {"updated_at_min": NOON},
        {"updated_at_max": NOON},
        {"storage_country": "FR"},
        {"sort": "Available"},
        {"order": "Asc"},
        {"updated_at_min": NOON, "storage_country": "FR", "sort": "Return", "order": "Desc"},
    ],
)
def test_what_goes_with_a_delivery_country(change) -> None:
    assert fields(filter_problems(StockFilters(delivery_country="ES", **change))) == list(change)
    assert filter_problems(StockFilters(**change)) == []
    assert filter_problems(StockFilters(delivery_country="ES", cursor="c", limit=3)) == []


@pytest.mark.parametrize(
    ("path", "wire"),
    [
        ("gtin", "gtin"),
        ("seller_product_reference", "sellerProductReference"),
        ("packaging.length_cm", "packaging.length"),
        ("packaging.weight_g", "packaging.weight"),
        ("lines", "lines"),
        ("lines[0]", "lines[0]"),
        ("lines[12].product_id", "lines[12].productId"),
        ("delivery_address.address_line1", "deliveryAddress.addressLine1"),
        ("status_updated_at_min", "statusUpdatedAtMin"),
        ("updated_at_max", "updatedAtMax"),
        ("something_else", "something_else"),
        ("", ""),
    ],
)
def test_wire_paths(path, wire) -> None:
    assert wire_path(path) == wire


@pytest.mark.parametrize(
    "struct",
    [
        FulfillmentProduct,
        Packaging,
        OutboundShipmentRequest,
        ShipmentLine,
        DeliveryAddress,
        StockFilters,
        OutboundFilters,
        ReferenceFilters,
    ],
)
def test_every_field_of_a_request_has_its_wire_path(struct) -> None:
    for name, wire in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True):
        assert wire_path(name) == wire


def test_a_problem_tells_field_value_and_reason_and_stays_short() -> None:
    assert str(FieldProblem("gtin", "1", "is short")) == "gtin = '1': is short"
    assert re.fullmatch(r"title = 'x{56}…: is long", str(FieldProblem("title", "x" * 10_000, "is long")))
