"""Products and references on the wire."""

from datetime import UTC, datetime

import msgspec
import pytest

from octoffm_async.contract.products import (
    FulfillmentProduct,
    Packaging,
    ProductCondition,
    ProductResults,
    ReferenceFilters,
    RegistrationStatus,
    SellerReference,
)


def wire(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))


def test_units_are_in_python_names_and_not_on_the_wire() -> None:
    measures = Packaging(length_cm=30, width_cm=20.5, height_cm=10, weight_g=450)
    assert wire(measures) == {"length": 30, "width": 20.5, "height": 10, "weight": 450}


def test_absent_options_are_left_out_and_the_condition_is_always_sent() -> None:
    product = FulfillmentProduct(gtin="4006381333931", seller_product_reference="R-1")
    assert wire(product) == {
        "gtin": "4006381333931",
        "sellerProductReference": "R-1",
        "productCondition": "New",
    }


@pytest.mark.parametrize("condition", [ProductCondition.NEW, "New", "LikeNew", "Dented"])
def test_the_condition_goes_out_as_it_was_given(condition) -> None:
    product = FulfillmentProduct(gtin="4006381333931", seller_product_reference="R", product_condition=condition)
    assert wire(product)["productCondition"] == str(condition)


def test_a_whole_product_on_the_wire() -> None:
    product = FulfillmentProduct(
        gtin="4006381333931",
        seller_product_reference="R-1",
        title="Pen",
        product_condition=ProductCondition.LIKE_NEW,
        packaging=Packaging(length_cm=1, width_cm=2, height_cm=3, weight_g=4),
        origin_country="FR",
        customs_code="960810",
        un_code="1263",
        icpe_code="4331",
        is_traceable=False,
    )
    sent = {
        "gtin": "4006381333931",
        "sellerProductReference": "R-1",
        "title": "Pen",
        "productCondition": "LikeNew",
        "packaging": {"length": 1, "width": 2, "height": 3, "weight": 4},
        "originCountry": "FR",
        "customsCode": "960810",
        "unCode": "1263",
        "icpeCode": "4331",
        "isTraceable": False,
    }
    assert wire(product) == sent
    assert msgspec.convert(sent, FulfillmentProduct) == product


@pytest.mark.parametrize("body", [b"{}", b'{"items": []}', b'{"items": [], "more": {"x": [1]}}'])
def test_results_may_be_empty(body) -> None:
    assert list(msgspec.json.decode(body, type=ProductResults).items) == []


def test_results_report_item_by_item() -> None:
    body = b"""{"items": [
        {"sellerProductReference": "A", "status": "accepted", "new": 1},
        {"sellerProductReference": "B", "status": "Refused", "code": "QuotaExceeded", "message": "no"},
        {"sellerProductReference": "C", "status": "Queued", "code": null}]}"""
    first, second, third = msgspec.json.decode(body, type=ProductResults).items
    assert (first.seller_product_reference, first.status) == ("A", RegistrationStatus.ACCEPTED)
    assert (second.status, second.code, second.message) == (RegistrationStatus.REFUSED, "QuotaExceeded", "no")
    assert (third.status, third.status.known, third.code) == ("Queued", False, None)


def test_a_reference_needs_only_itself() -> None:
    reference = msgspec.json.decode(b'{"sellerProductReference": "A", "shelf": 3}', type=SellerReference)
    assert reference == SellerReference(seller_product_reference="A")


def test_a_whole_reference() -> None:
    body = b"""{"sellerProductReference": "A", "productId": "P", "stockId": "S", "gtin": "1",
        "productCondition": "likenew", "createdAt": "2025-03-01T10:00:00Z"}"""
    assert msgspec.json.decode(body, type=SellerReference) == SellerReference(
        seller_product_reference="A",
        product_id="P",
        stock_id="S",
        gtin="1",
        product_condition=ProductCondition.LIKE_NEW,
        created_at=datetime(2025, 3, 1, 10, tzinfo=UTC),
    )


def test_filters_always_carry_a_limit() -> None:
    assert wire(ReferenceFilters()) == {"limit": 1000}
    assert wire(ReferenceFilters(limit=1, cursor="c")) == {"limit": 1, "cursor": "c"}
