"""From bytes to results: every shape, every place an id may be."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.contract.operations import (
    CREATE_OUTBOUND,
    CREATE_PRODUCTS,
    CREATE_TOKEN,
    GET_OUTBOUND,
    GET_STOCK,
    LIST_OUTBOUND,
    LIST_REFERENCES,
    LIST_STOCKS,
    OPERATIONS,
    Shape,
)
from octoffm_async.contract.outbound import OutboundShipment
from octoffm_async.contract.products import SellerReference
from octoffm_async.contract.stocks import Stock
from octoffm_async.session.decoding.answers import UnusableError
from tests.support.fakes import answer
from tests.support.fakes import read_twice as decode

NOT_JSON = [b"<html>", b"{", b'{"id": "a"', b"\xff", b"[" * 100_000, b'{"id": "\xff}', b"nul", b'{"id": NaN}']


def test_an_object() -> None:
    assert decode(GET_STOCK, answer(200, {"id": "S", "quantities": {}})) == Stock(id="S")
    assert decode(GET_OUTBOUND, answer(200, {"outboundShipmentId": "O"})) == OutboundShipment(outbound_shipment_id="O")
    assert decode(CREATE_TOKEN, answer(200, {"access_token": "t", "expires_in": 60})).expires_in == 60


@pytest.mark.parametrize("operation", [GET_STOCK, LIST_STOCKS, CREATE_TOKEN], ids=str)
@pytest.mark.parametrize("body", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_not_json_cannot_be_used(operation, body) -> None:
    with pytest.raises(UnusableError, match=r"not JSON|not what is expected|the body is empty"):
        decode(operation, answer(200, body))


@pytest.mark.parametrize(
    "body", [b"", b" ", b"null", b"[]", b'{"items": null}', b'{"Items": []}', b'{"data": null}', b"{}"]
)
def test_an_empty_list_has_many_forms(body) -> None:
    assert decode(LIST_STOCKS, answer(200, body)) == []
    assert decode(LIST_STOCKS, answer(200, b"\xef\xbb\xbf" + body)) == []


@pytest.mark.parametrize("body", [[], {}, {"id": [5]}, {"id": None}, {"id": True}, "S", 5, None])
def test_json_of_another_type_cannot_be_used(body) -> None:
    with pytest.raises(UnusableError, match="not what is expected"):
        decode(GET_STOCK, answer(200, b"null" if body is None else body))


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n"])
def test_an_optional_body_may_be_empty(body) -> None:
    assert decode(CREATE_PRODUCTS, answer(202, body)) is None


def test_an_optional_body_may_be_there() -> None:
    found = decode(CREATE_PRODUCTS, answer(202, {"items": [{"sellerProductReference": "A", "status": "Accepted"}]}))
    assert found is not None
    assert [item.seller_product_reference for item in found.items] == ["A"]
    with pytest.raises(UnusableError):
        decode(CREATE_PRODUCTS, answer(202, b"accepted"))


@pytest.mark.parametrize("around", ["data", "Data", "Items", ""])
def test_results_stand_in_items_or_data_or_bare(around) -> None:
    rows = [{"sellerProductReference": "A", "status": "Refused"}]
    found = decode(CREATE_PRODUCTS, answer(202, {around: rows, "page": 1} if around else rows))
    assert [(item.seller_product_reference, item.status) for item in found.items] == [("A", "Refused")]


ITEM = {"sellerProductReference": "A"}


@pytest.mark.parametrize(
    "body",
    [[ITEM], {"items": [ITEM]}, {"itemsPerPage": 1, "items": [ITEM]}, {"itemsPerPage": None, "items": [ITEM], "x": {}}],
)
def test_a_page_is_an_object_with_items_or_a_bare_array(body) -> None:
    assert decode(LIST_REFERENCES, answer(200, body)) == [SellerReference(seller_product_reference="A")]


@pytest.mark.parametrize("operation", [LIST_REFERENCES, LIST_STOCKS, LIST_OUTBOUND], ids=str)
@pytest.mark.parametrize("body", [[], {"items": []}])
def test_a_page_may_be_empty(operation, body) -> None:
    assert decode(operation, answer(200, body)) == []


@pytest.mark.parametrize("body", [{"items": {}}, {"value": []}, {"title": "Sorry", "status": 500}, [1], [[]], 3, "x"])
def test_a_page_without_items_cannot_be_used(body) -> None:
    with pytest.raises(UnusableError, match="not what is expected"):
        decode(LIST_STOCKS, answer(200, body))


def test_an_identifier() -> None:
    assert decode(CREATE_OUTBOUND, answer(201, {"outboundShipmentId": "S-1"})) == "S-1"
    with pytest.raises(UnusableError, match="no outboundShipmentId"):
        decode(CREATE_OUTBOUND, answer(201, b"{}"))


@given(st.sampled_from(OPERATIONS), st.binary(max_size=60))
def test_any_bytes_are_a_result_or_unusable(operation, body) -> None:
    reason = ""
    try:
        decode(operation, answer(200, body))
    except UnusableError as error:
        reason = str(error)
    beginning = {Shape.IDENTIFIER: "no ", Shape.DOCUMENT: "it "}.get(operation.shape, "not ")
    assert reason == "" or reason.startswith((beginning, "the JSON", "not ", "the body is empty"))


@pytest.mark.parametrize("field", ["lines", "parcels"])
def test_null_where_a_list_should_be_means_none_of_them(field: str) -> None:
    body = msgspec.json.encode({"items": [{"outboundShipmentId": "S", field: None}, {"outboundShipmentId": "T"}]})
    first, second = decode(LIST_OUTBOUND, answer(200, body))
    assert list(getattr(first, field)) == []
    assert second.outbound_shipment_id == "T"


def test_null_where_an_identity_must_be_is_not_forgiven() -> None:
    with pytest.raises(UnusableError, match="no outbound_shipment_id"):
        decode(LIST_OUTBOUND, answer(200, b'[{"outboundShipmentId": null, "lines": null}]'))
