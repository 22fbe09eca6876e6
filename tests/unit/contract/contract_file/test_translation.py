"""Messages through a contract file, both ways, and the bytes of requests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import FulfillmentClient, ValidationError
from octoffm_async.contract.common import ShipmentLine
from octoffm_async.contract.contract_file.encoding import RequestEncoder
from octoffm_async.contract.contract_file.parser import parse_contract
from octoffm_async.contract.contract_file.translation import Translation, scaled
from octoffm_async.contract.operations import (
    COUNT_OUTBOUND,
    CREATE_OUTBOUND,
    CREATE_PRODUCTS,
    GET_OUTBOUND,
    LIST_INBOUND,
    LIST_OUTBOUND,
    LIST_STOCKS,
)
from octoffm_async.contract.outbound import DeliveryAddress, OutboundShipment, OutboundShipmentRequest
from octoffm_async.contract.products import (
    FulfillmentProduct,
    Packaging,
    ProductResult,
    ProductResults,
    RegistrationStatus,
)
from octoffm_async.session.decoding.answers import UnusableError
from tests.support.fakes import FakeTransport, answer, config, read_twice

DEEP = """
[fields.OutboundShipmentRequest]
delivery_address = "shippingAddress"
delivery_mode = "shipping.mode"
reference = "orderNumber"
[fields.DeliveryAddress]
postal_code = "zipCode"
[fields.FulfillmentProduct]
packaging = "."
[fields.Packaging]
weight_g = { name = "packagedWeight", scale = 0.001 }
length_cm = { name = "sizes.length", scale = 10 }
[values.DeliveryMode]
TrackedHomeDelivery = "TRACKED"
[values.OutboundStatus]
Refused = "Declined"
[operations."products.create"]
body = { wrap = "products" }
[operations."outbound.list"]
query = { status_updated_at_min = "changedFrom", cursor = "pageToken" }
items = "result.rows"
[extra.OutboundShipmentRequest]
salesChannel = "CDISFR"
"""
NAMES = '[fields.OutboundShipmentRequest]\nreference = "orderNumber"\n[fields.DeliveryAddress]\npostal_code = "zip"\n'
ADDRESS = DeliveryAddress(
    first_name="A", last_name="B", address_line1="C", postal_code="75011", city="Paris", country_code="FR"
)


def order(**changes: Any) -> OutboundShipmentRequest:
    fields: dict[str, Any] = {
        "reference": "R-1",
        "lines": [ShipmentLine(quantity=2, seller_product_reference="S-1")],
        "delivery_address": ADDRESS,
        "delivery_mode": "TrackedHomeDelivery",
        "storage_country": "FR",
    }
    return OutboundShipmentRequest(**fields | changes)


def sent(contract: str, operation: Any, body: Any) -> Any:
    return msgspec.json.decode(RequestEncoder(Translation(parse_contract(contract))).encode(operation, body))


def test_a_request_takes_the_names_paths_values_and_extra_members_of_the_api() -> None:
    assert sent(DEEP, CREATE_OUTBOUND, order()) == {
        "orderNumber": "R-1",
        "lines": [{"quantity": 2, "sellerProductReference": "S-1"}],
        "shippingAddress": {
            "firstName": "A",
            "lastName": "B",
            "addressLine1": "C",
            "zipCode": "75011",
            "city": "Paris",
            "countryCode": "FR",
        },
        "shipping": {"mode": "TRACKED"},
        "storageCountry": "FR",
        "salesChannel": "CDISFR",
    }


def test_a_nested_object_may_be_spread_and_its_numbers_scaled() -> None:
    box = Packaging(length_cm=12.5, width_cm=2, height_cm=3, weight_g=350)
    product = FulfillmentProduct(gtin="3560070123452", seller_product_reference="S-1", packaging=box)
    assert sent(DEEP, CREATE_PRODUCTS, [product]) == {
        "products": [
            {
                "gtin": "3560070123452",
                "sellerProductReference": "S-1",
                "productCondition": "New",
                "sizes": {"length": 125},
                "width": 2,
                "height": 3,
                "packagedWeight": 0.35,
            }
        ]
    }


@pytest.mark.parametrize("contract", ["", NAMES, DEEP])
def test_what_is_written_by_a_contract_is_read_back_by_it(contract) -> None:
    translation = Translation(parse_contract(contract))
    for operation, body in (
        (CREATE_OUTBOUND, order(extra={"gift": True})),
        (CREATE_PRODUCTS, [FulfillmentProduct(gtin="3560070123452", seller_product_reference="S-1", title="T")]),
    ):
        wire = msgspec.json.decode(RequestEncoder(translation).encode(operation, body))
        plain = msgspec.json.decode(RequestEncoder(Translation()).encode(operation, body))
        read = translation.request_from_wire(operation, wire)
        if isinstance(read, dict):
            read.pop("salesChannel", None)
        assert read == plain


def test_extra_members_stand_beside_the_others_at_each_level() -> None:
    request = order(
        extra={"gift": {"text": 'He said "extra":{'}},
        lines=[ShipmentLine(quantity=1, seller_product_reference="S", extra={"wrap": True})],
        delivery_address=msgspec.structs.replace(ADDRESS, extra={"door": None}),
    )
    for contract in ("", NAMES, DEEP):
        body = sent(contract, CREATE_OUTBOUND, request)
        assert body["gift"] == {"text": 'He said "extra":{'}
        assert body["lines"] == [{"quantity": 1, "sellerProductReference": "S", "wrap": True}]
        assert (body.get("deliveryAddress") or body["shippingAddress"])["door"] is None
        assert "extra" not in body


@given(st.text(), st.text(), st.text())
def test_names_are_exchanged_in_no_text(reference: str, city: str, tail: str) -> None:
    odd = f'"reference":"{tail}"postalCode":'
    try:
        request = order(reference=odd + reference, delivery_address=msgspec.structs.replace(ADDRESS, city=odd + city))
        body = sent(NAMES, CREATE_OUTBOUND, request)
    except (UnicodeEncodeError, msgspec.EncodeError):
        return
    assert body["orderNumber"] == odd + reference
    assert (body["deliveryAddress"]["city"], body["deliveryAddress"]["zip"]) == (odd + city, "75011")


def test_names_that_change_places_are_not_exchanged_twice() -> None:
    contract = '[fields.DeliveryAddress]\ncity = "postalCode"\npostal_code = "city"\n'
    body = sent(contract, CREATE_OUTBOUND, order())
    assert (body["deliveryAddress"]["postalCode"], body["deliveryAddress"]["city"]) == ("Paris", "75011")


def test_one_name_may_be_exchanged_in_one_struct_and_stay_in_another() -> None:
    contract = '[fields.ShipmentLine]\nextra_note = "x"\n'
    with pytest.raises(ValueError, match="extra_note"):
        parse_contract(contract)
    body = sent('[fields.FulfillmentProduct]\ntitle = "label"\n', CREATE_OUTBOUND, order())
    assert body == msgspec.to_builtins(order())


def test_json_of_the_journal_is_translated_like_the_request() -> None:
    for contract in ("", NAMES, DEEP):
        encoder = RequestEncoder(Translation(parse_contract(contract)))
        raw = msgspec.Raw(msgspec.json.encode(order()))
        assert encoder.encode(CREATE_OUTBOUND, raw) == encoder.encode(CREATE_OUTBOUND, order())


def test_a_query_takes_the_names_and_values_of_the_api_and_comes_back() -> None:
    translation = Translation(parse_contract(DEEP + '[values.InboundStatus]\nReceived = "DONE"\n'))
    query = {"limit": "10", "cursor": "c", "statusUpdatedAtMin": "2026-01-01T00:00:00Z"}
    wire = translation.query_to_wire(LIST_OUTBOUND, query)
    assert wire == {"limit": "10", "pageToken": "c", "changedFrom": "2026-01-01T00:00:00Z"}
    assert translation.query_from_wire(LIST_OUTBOUND, wire) == query
    assert translation.query_from_wire(LIST_OUTBOUND, {"PageToken": "d", "x": "1"}) == {"cursor": "d", "x": "1"}
    assert translation.query_to_wire(LIST_INBOUND, {"status": "received"}) == {"status": "DONE"}
    assert translation.query_from_wire(LIST_INBOUND, {"status": "done"}) == {"status": "Received"}
    assert translation.query_to_wire(COUNT_OUTBOUND, {"state": "Valid"}) == {"state": "Valid"}


@pytest.mark.parametrize(("ours", "scale"), [(350, "0.001"), (0.1, "0.001"), (12.5, "10"), (1, "3"), (10**15, "0.1")])
def test_scaling_there_and_back_gives_the_same_number(ours, scale) -> None:
    wire = scaled(ours, Decimal(scale), divide=False)
    assert scaled(wire, Decimal(scale), divide=True) == pytest.approx(ours, rel=1e-15)


@pytest.mark.parametrize("value", ["heavy", None, True, [1], "NaN", "1e999999999"])
def test_what_is_no_number_is_not_scaled(value) -> None:
    assert scaled(value, Decimal("0.001"), divide=True) == value


async def test_extra_members_under_a_name_of_the_contract_file_are_refused_before_anything_is_sent() -> None:
    transport = FakeTransport(lambda sent: answer(201, {"outboundShipmentId": "O-1"}))
    settings = config(contract=parse_contract(DEEP))
    twice = order(
        extra={"OrderNumber": "x", "gift": 1},
        lines=[ShipmentLine(quantity=1, seller_product_reference="S", extra={"ok": 1})],
        delivery_address=msgspec.structs.replace(ADDRESS, extra={"zip_code": "1"}),
    )
    async with FulfillmentClient(settings, transport=transport, hooks=()) as client:
        with pytest.raises(ValidationError) as caught:
            await client.outbound.create(twice)
        assert [problem.field for problem in caught.value.problems] == ["extra", "delivery_address.extra"]
        async with client.bulk.create_outbound([twice, order()]) as run:
            outcomes = [outcome async for outcome in run]
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Created", "Refused"]
    assert len(transport.sent) == 1


# Answers

READ = """
[fields.OutboundShipment]
outbound_shipment_id = "orderId"
reference = "orderNumber"
delivery_address = "."
delivery_mode = "shipping.mode"
[fields.ShippedTo]
postal_code = "zip"
[values.OutboundStatus]
Refused = "Declined"
[operations."outbound.list"]
items = "result.rows"
[operations."stocks.get"]
result = "payload.stock"
"""


def test_an_answer_is_read_through_paths_spread_objects_and_values() -> None:
    row = {
        "orderId": 7,
        "OrderNumber": "R-1",
        "reference": "of somebody else",
        "city": "Paris",
        "ZIP": "75011",
        "shipping": {"mode": "TrackedHomeDelivery", "cost": 3},
        "status": "declined",
        "lines": [{"quantity": "2"}],
    }
    (found,) = read_twice(LIST_OUTBOUND, answer(200, {"result": {"rows": [row]}}), parse_contract(READ))
    assert isinstance(found, OutboundShipment)
    assert (found.outbound_shipment_id, found.reference, found.status) == ("7", "R-1", "Refused")
    assert (found.delivery_address.city, found.delivery_address.postal_code) == ("Paris", "75011")
    assert (found.delivery_mode, found.lines[0].quantity) == ("TrackedHomeDelivery", 2)
    assert found.extra == {"reference": "of somebody else", "shipping": {"cost": 3}}


def test_a_name_that_the_contract_file_moved_is_read_nowhere_else() -> None:
    contract = parse_contract('[fields.Stock]\ngtin = "ean"\n')
    row = {"id": "S", "quantities": {"Available": 1}, "gtin": "not ours", "ean": "3560070123452"}
    (found,) = read_twice(LIST_STOCKS, answer(200, [row]), contract)
    assert (found.gtin, found.extra) == ("3560070123452", {"gtin": "not ours"})
    del row["ean"]
    (found,) = read_twice(LIST_STOCKS, answer(200, [row]), contract)
    assert (found.gtin, found.extra) == (None, {"gtin": "not ours"})


def test_a_list_that_is_not_where_the_contract_file_says_is_no_empty_list() -> None:
    for body in ({"items": []}, {"result": {}}, {"result": {"rows": 5}}, None):
        with pytest.raises(Exception, match=r"no list|not what is expected"):
            read_twice(LIST_OUTBOUND, answer(200, body if body is not None else b"5"), parse_contract(READ))


@pytest.mark.parametrize("place", ["results", "result.rows"])
def test_the_results_of_a_registration_stand_where_the_contract_file_says(place) -> None:
    contract = f"""
[operations."products.create"]
items = "{place}"
[fields.ProductResult]
seller_product_reference = "sku"
[values.RegistrationStatus]
Refused = "REJECTED"
"""
    rows: Any = [{"sku": "A", "status": "REJECTED", "code": "Taken"}, {"sku": "B", "status": "Accepted"}]
    for name in reversed(place.split(".")):
        rows = {name: rows}
    file = parse_contract(contract)
    found = read_twice(CREATE_PRODUCTS, answer(202, rows), file)
    assert [(one.seller_product_reference, str(one.status), one.code) for one in found.items] == [
        ("A", "Refused", "Taken"),
        ("B", "Accepted", None),
    ]
    ours = {"items": [{"sellerProductReference": "A", "status": "Refused"}]}
    theirs = Translation(file).answer_to_wire(CREATE_PRODUCTS, ours)
    assert read_twice(CREATE_PRODUCTS, answer(202, theirs), file) == ProductResults(
        items=[ProductResult(seller_product_reference="A", status=RegistrationStatus.REFUSED)]
    )


@pytest.mark.parametrize("body", [{"result": {"order_id": "S-1"}}, {"Result": {"orderId": 17}, "id": "another"}])
def test_the_id_of_a_creation_stands_where_the_contract_file_says(body) -> None:
    file = parse_contract('[operations."outbound.create"]\nid = "result.order_id"\npath = "/shipping_orders"\n')
    assert read_twice(CREATE_OUTBOUND, answer(201, body), file) in {"S-1", "17"}
    with pytest.raises(UnusableError):
        read_twice(CREATE_OUTBOUND, answer(201, {}, Location="/shipping_orders"), file)


def test_scales_of_answers_are_undone() -> None:
    contract = parse_contract('[fields.Quantities]\navailable = { name = "Available", scale = 1000 }\n')
    (found,) = read_twice(LIST_STOCKS, answer(200, [{"id": "S", "quantities": {"Available": 3000}}]), contract)
    assert found.quantities.available == 3


def test_what_cannot_be_scaled_back_is_kept_as_it_came() -> None:
    contract = parse_contract('[fields.Quantities]\navailable = { name = "free.units", scale = 10 }\n')
    for written in (375, "37x", True):
        row = {"id": "S", "quantities": {"free": {"units": written, "since": 1}}}
        (found,) = read_twice(LIST_STOCKS, answer(200, [row]), contract)
        assert found.quantities.available is None
        assert found.quantities.extra == {"free": {"since": 1}, "free.units": written}


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_places_of_a_contract_file_are_found_in_any_spelling(spell) -> None:
    contract = parse_contract(
        '[operations."outbound.list"]\nitems = "data.rows"\n[operations."outbound.get"]\nresult = "data.row"\n'
    )
    row = {"outboundShipmentId": "O-1"}
    page = {spell("data"): {spell("rows"): [row, row | {"new": 1}]}}
    first, second = read_twice(LIST_OUTBOUND, answer(200, page), contract)
    assert (first.outbound_shipment_id, second.extra) == ("O-1", {"new": 1})
    found = read_twice(GET_OUTBOUND, answer(200, {spell("data"): {spell("row"): row}}), contract)
    assert found.outbound_shipment_id == "O-1"


def test_a_bare_list_is_read_though_the_contract_file_says_where_it_stands() -> None:
    contract = parse_contract('[operations."outbound.list"]\nitems = "data.rows"\n')
    first, second = read_twice(
        LIST_OUTBOUND, answer(200, [{"outboundShipmentId": "1"}, {"outboundShipmentId": 2}]), contract
    )
    assert (first.outbound_shipment_id, second.outbound_shipment_id) == ("1", "2")


def test_of_results_only_those_are_left_out_that_say_nothing() -> None:
    rows = [{"sellerProductReference": "A", "status": "Accepted"}, {"sellerProductReference": "B"}]
    found = read_twice(CREATE_PRODUCTS, answer(202, {"items": rows}))
    assert [(one.seller_product_reference, one.status) for one in found.items] == [("A", "Accepted")]


def test_the_result_of_one_product_may_stand_alone() -> None:
    found = read_twice(CREATE_PRODUCTS, answer(202, {"SellerProductReference": "A", "Status": "Refused", "code": "X"}))
    assert [(one.seller_product_reference, one.status, one.code) for one in found.items] == [("A", "Refused", "X")]


@pytest.mark.parametrize("spelled", ["LikeNew", "like_new", "LIKENEW"])
def test_a_value_of_a_request_is_translated_however_it_is_spelled(spelled: str) -> None:
    encoder = RequestEncoder(Translation(parse_contract('[values.ProductCondition]\nLikeNew = "AS_NEW"\n')))
    product = FulfillmentProduct(gtin="12345670", seller_product_reference="A", product_condition=spelled)
    (sent,) = msgspec.json.decode(encoder.encode(CREATE_PRODUCTS, [product]))
    assert sent["productCondition"] == "AS_NEW"


def test_the_names_that_an_object_has_at_the_api_lead_to_its_fields() -> None:
    translation = Translation(parse_contract(DEEP))
    orders, products = translation.names_of(OutboundShipmentRequest), translation.names_of(FulfillmentProduct)
    assert orders["shippingaddress"] == "delivery_address"
    assert orders["shipping"] == "delivery_mode"  # it stands deeper, in an object of that name
    assert "deliveryaddress" not in orders
    assert products["packagedweight"] == "packaging.weight_g"
    assert products["sizes"] == "packaging.length_cm"
    assert "packaging" not in products
    assert Translation().names_of(ShipmentLine)["sellerproductreference"] == "seller_product_reference"


@pytest.mark.parametrize("text", ["", DEEP])
def test_one_item_is_encoded_as_it_stands_among_others(text: str) -> None:
    encoder = RequestEncoder(Translation(parse_contract(text)))
    box = Packaging(length_cm=1, width_cm=2, height_cm=3, weight_g=350)
    product = FulfillmentProduct(
        gtin="4006381333931", seller_product_reference="R-1", packaging=box, extra={"brandId": 7}
    )
    body = msgspec.json.decode(encoder.encode(CREATE_PRODUCTS, [product]))
    (listed,) = body["products"] if text else body
    assert msgspec.json.decode(encoder.encode_item(CREATE_PRODUCTS, product)) == listed
    assert listed["brandId"] == 7
