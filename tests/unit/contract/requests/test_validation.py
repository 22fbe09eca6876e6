"""Rules: which are certain, which assumed, and that all problems of an item are found at once."""

import math
from datetime import UTC, date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from octoffm_async.contract.base import modelled_fields
from octoffm_async.contract.common import ShipmentLine
from octoffm_async.contract.inbound import InboundCountFilters, InboundFilters, InboundShipmentRequest
from octoffm_async.contract.outbound import (
    DeliveryAddress,
    OutboundCancellationRequest,
    OutboundCountFilters,
    OutboundFilters,
    OutboundShipmentRequest,
)
from octoffm_async.contract.products import FulfillmentProduct, Packaging, ReferenceFilters
from octoffm_async.contract.requests.checks import FieldProblem
from octoffm_async.contract.requests.fingerprints import fingerprint
from octoffm_async.contract.requests.validation import (
    cancellation_problems,
    gtin_check_digit,
    inbound_problems,
    outbound_problems,
    plain_order,
    product_problems,
    return_problems,
    wire_path,
)
from octoffm_async.contract.returns import ReturnCountFilters, ReturnFilters, ReturnRequest
from octoffm_async.contract.stocks import StockFilters

BOX = Packaging(length_cm=1, width_cm=2.5, height_cm=3, weight_g=4)
PRODUCT = FulfillmentProduct(gtin="4006381333931", seller_product_reference="R-1", title="Pen", packaging=BOX)
ADDRESS = DeliveryAddress(
    first_name="Ada", last_name="Lovelace", address_line1="1", postal_code="33000", city="B", country_code="FR"
)
LINE = ShipmentLine(quantity=1, seller_product_reference="R-1")
ORDER = OutboundShipmentRequest(
    reference="O-1", lines=[LINE], delivery_address=ADDRESS, delivery_mode="TrackedHomeDelivery", storage_country="FR"
)
SUPPLY = InboundShipmentRequest(reference="I-1", storage_country="FR", lines=[LINE])
RETURN = ReturnRequest(reason="Damaged", lines=[LINE], outbound_shipment_id="S-1")
CANCELLATION = OutboundCancellationRequest(outbound_shipment_id="S-1")
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def fields(problems: list[FieldProblem]) -> list[str]:
    return [problem.field for problem in problems]


@pytest.mark.parametrize("assumed", [False, True])
def test_good_items_have_no_problem(assumed) -> None:
    assert product_problems(PRODUCT, assumed=assumed) == []
    assert outbound_problems(ORDER, assumed=assumed) == []
    assert inbound_problems(SUPPLY, assumed=assumed) == []
    assert inbound_problems(replace(SUPPLY, expected_delivery_date=NOON), assumed=assumed) == []
    assert return_problems(RETURN, assumed=assumed) == []
    assert return_problems(replace(RETURN, outbound_shipment_id=None, reference="O-1"), assumed=assumed) == []
    assert cancellation_problems(CANCELLATION) == []


@pytest.mark.parametrize(
    ("gtin", "reason"),
    [
        ("96385074", ""),
        ("036000291452", ""),
        ("4006381333931", ""),
        ("14006381333938", ""),
        ("00000000", "zeros only"),
        ("00000000000000", "zeros only"),
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
    body = data.draw(st.text("0123456789", min_size=length, max_size=length).filter(int))
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


@pytest.mark.parametrize("field", modelled_fields(Packaging))
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


@pytest.mark.parametrize("name", modelled_fields(DeliveryAddress))
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
        ("created_at_min", "createdAtMin"),
        ("expected_delivery_date", "expectedDeliveryDate"),
        ("outbound_shipment_id", "outboundShipmentId"),
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
        OutboundCountFilters,
        OutboundCancellationRequest,
        ReferenceFilters,
        InboundShipmentRequest,
        InboundFilters,
        InboundCountFilters,
        ReturnRequest,
        ReturnFilters,
        ReturnCountFilters,
    ],
)
def test_every_field_of_a_request_has_its_wire_path(struct) -> None:
    for name, wire in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True):
        assert wire_path(name) == wire


NOT_LINES = [None, 5, "R-1", {"quantity": 1}, {LINE}, object()]


@pytest.mark.parametrize(
    ("field", "value", "certain", "assumed"),
    [
        ("reference", "x" * 50, 0, 0),
        ("reference", "x" * 51, 0, 1),
        *(("reference", value, 1, 1) for value in ("", " ", None, 12, ["I-1"], {}, b"I-1")),
        ("storage_country", "GB", 0, 0),
        ("storage_country", "ZZ", 0, 0),
        *(("storage_country", value, 1, 1) for value in ("", None, 12, ["FR"], {})),
        *(("lines", value, 1, 1) for value in ([], (), *NOT_LINES)),
        ("lines", (LINE,) * 1000, 0, 0),
        ("lines", [LINE] * 1001, 0, 1),
        ("expected_delivery_date", None, 0, 0),
        *(("expected_delivery_date", value, 1, 1) for value in ("2025-03-01", 5, date(2025, 3, 1), {})),
        ("expected_delivery_date", NOON.replace(tzinfo=None), 1, 1),
    ],
)
def test_rules_for_supply_orders(field, value, certain, assumed) -> None:
    supply = replace(SUPPLY, **{field: value})
    assert set(fields(inbound_problems(supply))) == {field} if certain else inbound_problems(supply) == []
    found = inbound_problems(supply, assumed=True)
    assert set(fields(found)) == {field} if assumed else found == []


@pytest.mark.parametrize(
    ("field", "value", "certain"),
    [
        ("reason", "Something else", 0),
        *(("reason", value, 1) for value in ("", " ", None, 5, {}, ["Damaged"])),
        *(("outbound_shipment_id", value, 1) for value in ("", " ", None, 5, {}, ["S-1"])),
        *(("lines", value, 1) for value in ([], (), *NOT_LINES)),
        ("comment", None, 0),
        ("comment", "broken", 0),
        ("reference", "O-1", 0),
    ],
)
@pytest.mark.parametrize("assumed", [False, True])
def test_rules_for_returns(field, value, certain, assumed) -> None:
    found = return_problems(replace(RETURN, **{field: value}), assumed=assumed)
    assert set(fields(found)) == {field} if certain else found == []


def test_how_many_lines_a_return_has_is_assumed() -> None:
    assert return_problems(replace(RETURN, lines=[LINE] * 101)) == []
    assert return_problems(replace(RETURN, lines=[LINE] * 100), assumed=True) == []
    assert fields(return_problems(replace(RETURN, lines=[LINE] * 101), assumed=True)) == ["lines"]


@pytest.mark.parametrize(("item", "problems"), [(SUPPLY, inbound_problems), (RETURN, return_problems)])
@pytest.mark.parametrize(
    ("line", "certain", "assumed"),
    [
        ({"quantity": 1, "product_id": "P", "product_condition": "New"}, [], [".seller_product_reference"]),
        ({"quantity": 1}, [""], [".seller_product_reference"]),
        ({"quantity": 1, "seller_product_reference": " "}, [""], [".seller_product_reference"]),
        ({"quantity": 1, "seller_product_reference": 5}, [".seller_product_reference"], [".seller_product_reference"]),
        *(
            ({"quantity": quantity, "seller_product_reference": "R"}, [".quantity"], [".quantity"])
            for quantity in (0, -1, 1.0, True, None, "1", [], {})
        ),
        ({"quantity": 0}, [".quantity", ""], [".quantity", ".seller_product_reference"]),
    ],
)
def test_rules_for_lines_of_supply_orders_and_returns(item, problems, line, certain, assumed) -> None:
    some = replace(item, lines=[LINE, ShipmentLine(**line)])
    assert fields(problems(some)) == [f"lines[1]{path}" for path in certain]
    assert fields(problems(some, assumed=True)) == [f"lines[1]{path}" for path in assumed]


@pytest.mark.parametrize(("item", "problems"), [(SUPPLY, inbound_problems), (RETURN, return_problems)])
def test_what_is_no_line_is_reported_by_its_place(item, problems) -> None:
    some = replace(item, lines=[{"quantity": 1}, LINE, None, 5, "R", [LINE]])
    found = problems(some)
    assert fields(found) == ["lines[0]", "lines[2]", "lines[3]", "lines[4]", "lines[5]"]
    assert all("not ShipmentLine" in problem.reason for problem in found)


def test_all_problems_of_a_supply_order_are_found_at_once() -> None:
    bad = InboundShipmentRequest(
        reference="",
        storage_country=5,  # type: ignore[arg-type]
        lines=[ShipmentLine(quantity=0), {}],  # type: ignore[list-item]
        expected_delivery_date=NOON.replace(tzinfo=None),
    )
    assert fields(inbound_problems(bad)) == [
        "reference",
        "storage_country",
        "lines[0].quantity",
        "lines[0]",
        "lines[1]",
        "expected_delivery_date",
    ]


def test_all_problems_of_a_return_are_found_at_once() -> None:
    bad = ReturnRequest(reason="", lines=[ShipmentLine(quantity=0)], comment=object())  # type: ignore[arg-type]
    assert fields(return_problems(bad)) == [
        "reason",
        "outbound_shipment_id",
        "comment",
        "lines[0].quantity",
        "lines[0]",
    ]


@pytest.mark.parametrize("value", ["", " ", None, 5, {}, ["S-1"], b"S-1", "\ud800"])
def test_a_cancellation_names_a_shipment(value) -> None:
    assert fields(cancellation_problems(replace(CANCELLATION, outbound_shipment_id=value))) == ["outbound_shipment_id"]


@pytest.mark.parametrize(
    ("item", "problems", "change", "path"),
    [
        (SUPPLY, inbound_problems, {"reference": "a\ud800"}, "reference"),
        (SUPPLY, inbound_problems, {"lines": [replace(LINE, product_id="\ud800")]}, "lines[0].product_id"),
        (RETURN, return_problems, {"comment": "\ud800"}, "comment"),
        (RETURN, return_problems, {"reason": "\ud800"}, "reason"),
        (CANCELLATION, cancellation_problems, {"reason": "\ud800"}, "reason"),
    ],
)
def test_text_that_cannot_be_encoded_is_a_problem_everywhere(item, problems, change, path) -> None:
    assert fields(problems(replace(item, **change))) == [path]


OPTIONAL = [
    (RETURN, return_problems, "comment"),
    (replace(RETURN, reference="O-1"), return_problems, "outbound_shipment_id"),
    (RETURN, return_problems, "reference"),
    (CANCELLATION, cancellation_problems, "reason"),
]


@pytest.mark.parametrize(("item", "problems", "field"), OPTIONAL)
@pytest.mark.parametrize("value", [5, {"a": 1}, ["x"]])
def test_what_is_optional_is_text_as_well(item, problems, field, value) -> None:
    assert fields(problems(replace(item, **{field: value}))) == [field]


@pytest.mark.parametrize("field", ["product_id", "product_condition"])
@pytest.mark.parametrize(("item", "problems"), [(SUPPLY, inbound_problems), (ORDER, outbound_problems)])
def test_all_identities_of_a_line_are_text(item, problems, field) -> None:
    assert problems(replace(item, lines=[replace(LINE, **{field: 5})]))


def test_a_quantity_beyond_all_measure_is_a_problem() -> None:
    assert inbound_problems(replace(SUPPLY, lines=[replace(LINE, quantity=10**5000)]))


def test_lines_that_hold_themselves_are_a_problem() -> None:
    lines: list[object] = []
    lines.append(lines)
    assert inbound_problems(replace(SUPPLY, lines=lines))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5) | st.just(LINE),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
    st.sampled_from([(SUPPLY, inbound_problems), (RETURN, return_problems), (CANCELLATION, cancellation_problems)]),
    st.data(),
)
def test_whatever_stands_in_a_field_is_fine_or_reported(value, kind, data) -> None:
    item, problems = kind
    field = data.draw(st.sampled_from(item.__struct_fields__))
    changed = replace(item, **{field: value})
    found = problems(changed)
    assert all(str(problem).startswith(problem.field) for problem in found)
    if not found:
        msgspec.json.encode(changed)


OF_EACH = [
    (product_problems, PRODUCT, "title"),
    (outbound_problems, ORDER, "deliveryMode"),
    (inbound_problems, SUPPLY, "storage_country"),
    (return_problems, RETURN, "Outbound-Shipment-ID"),
    (cancellation_problems, CANCELLATION, "REASON"),
]


@pytest.mark.parametrize(("problems", "item", "own"), OF_EACH, ids=lambda value: getattr(value, "__name__", ""))
def test_extra_members_are_named_by_text_that_is_no_name_of_the_items_own(problems, item, own) -> None:
    assert problems(replace(item, extra={"giftWrap": True, "more": {own: [1, None]}})) == []
    assert problems(replace(item, extra={})) == []
    for wrong in ({own: 1}, {"ok": 1, 7: 2}, {" ": 1}, "giftWrap", [("giftWrap", True)], {"ok": object()}):
        assert set(fields(problems(replace(item, extra=wrong)))) == {"extra"}, wrong
    (problem,) = problems(replace(item, extra={own: "a customer's name"}))
    assert problem.value == own
    assert "customer" not in str(problem)


@pytest.mark.parametrize("wrong", [{"length_cm": 1}, {"Length": 1}])
def test_extra_members_have_neither_the_python_nor_the_wire_name_of_a_field(wrong) -> None:
    product = replace(PRODUCT, packaging=replace(BOX, extra=wrong))
    assert fields(product_problems(product)) == ["packaging.extra"]
    assert product_problems(replace(PRODUCT, extra=wrong)) == []  # the product itself has no such name


def test_extra_members_of_nested_items_are_looked_at_where_the_rest_is_plain() -> None:
    for wrong in ({"quantity": 1}, "no mapping"):
        bad = replace(LINE, extra=wrong)
        for problems, item in ((outbound_problems, ORDER), (inbound_problems, SUPPLY), (return_problems, RETURN)):
            assert fields(problems(replace(item, lines=[LINE, bad]))) == ["lines[1].extra"]
    order = replace(ORDER, delivery_address=replace(ADDRESS, extra={"zip_code": 1, "postal-code": 1}))
    assert fields(outbound_problems(order)) == ["delivery_address.extra"]


def in_full(order: OutboundShipmentRequest) -> list[FieldProblem]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("octoffm_async.contract.requests.validation.plain_order", lambda _: None)
        return outbound_problems(order)


TEXTS = st.text(max_size=3) | st.sampled_from(
    [None, 7, 0, b"", ["\0"], "é", "\u200b", "a\x7f", "\\", '"', "\ud800", " x"]
)


@given(st.sampled_from(modelled_fields(DeliveryAddress)), TEXTS)
def test_what_the_quick_check_lets_through_the_full_one_does(field: str, value: object) -> None:
    address = replace(ADDRESS, **{field: value})
    line = replace(LINE, seller_product_reference=value)
    parts = {"delivery_address": address}, {"lines": [LINE, line]}, {"reference": value}, {"storage_country": value}
    for changed in parts:
        order = replace(ORDER, **changed)
        if (encoded := plain_order(order)) is not None:
            assert in_full(order) == []
            assert encoded == msgspec.json.encode(order)
            assert fingerprint(encoded) == fingerprint(order)


def test_usual_orders_need_the_quick_check_only() -> None:
    for text in ("12 quai de la Paix", "Łódź", "東京", "O'Brien & Sons", "!b"):
        assert plain_order(replace(ORDER, delivery_address=replace(ADDRESS, city=text))) is not None
    for lines in ([], (LINE,), [replace(LINE, quantity=0)], [replace(LINE, quantity=True)], None, "x"):
        assert plain_order(replace(ORDER, lines=lines)) is None
