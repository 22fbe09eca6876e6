"""The id of what was created: every place where it may be, and everything that is none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import Config, FulfillmentClient, UnusableAnswerError
from octoffm_async.contract.operations import CREATE_OUTBOUND, OPERATIONS, REQUEST_CANCELLATION, Shape
from octoffm_async.session.decoding.identifiers import LONGEST, identifier_of
from octoffm_async.session.decoding.unusable import UnusableError
from octoffm_async.transport.response import Response
from tests.support.fakes import FakeTransport, answer, config
from tests.support.items import order

ID = "5eed0000-0000-4000-8000-000000000009"
NIL = "00000000-0000-0000-0000-000000000000"
HERE = {"Location": "/seller/v2/outbound-shipments/S-2"}
HTML = "text/html; charset=utf-8"
PROBLEM = "application/problem+json"
PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"


def answered(body: Any, headers: dict[str, str] | None = None, status: int = 201) -> Response:
    response = answer(status, body)
    response.headers.update(headers or {})
    return response


@pytest.mark.parametrize(
    ("body", "headers", "found"),
    [
        ({"outboundShipmentId": "S-1"}, {}, "S-1"),
        ({"outboundShipmentId": 17}, {}, "17"),
        ({"outboundShipmentId": "S-1", "more": 1}, HERE, "S-1"),
        *(
            ({"outboundShipmentId": odd}, HERE, odd)
            for odd in ("-Nx7abc", "a1b", "10", "1a", "0a0", "S-10", ID[:-1] + "a")
        ),
        ({"outboundShipmentId": "accepted"}, HERE, "S-2"),
        ({"outboundShipmentId": f" {ID}\n"}, {}, ID),
        ({"OutboundShipmentId": "S-1"}, {}, "S-1"),
        ({"outboundShipmentId": "S-1", "status": "Created"}, {}, "S-1"),
        ({"outboundShipmentId": "S-1", "status": 201, "errors": [], "error": None, "success": True}, {}, "S-1"),
        ({"outbound_shipment_id": "S-1"}, {}, "S-1"),
        ({"outbound-shipment-id": 17}, {}, "17"),
        ({"id": "S-1"}, {}, "S-1"),
        ({"ID": 17}, {}, "17"),
        ({"id": "S-1", "errors": [], "error": None, "success": True, "status": 201}, {}, "S-1"),
        ({"id": "S-1", "outboundShipmentId": "S-3"}, {}, "S-3"),
        ({"id": "S-1"}, {"Location": "/seller/v2/outbound-shipments"}, "S-1"),
        ({"id": "S-1"}, HERE, "S-1"),
        ({"data": {"outboundShipmentId": "S-1"}}, {}, "S-1"),
        ({"Result": {"id": "S-1"}}, {}, "S-1"),
        ([{"outboundShipmentId": "S-1"}], {}, "S-1"),
        (b'\xef\xbb\xbf{"outboundShipmentId": "S-1"}', {}, "S-1"),
        (b'\xef\xbb\xbf \r\n"S-1"', {}, "S-1"),
        (b'{"outboundShipmentId": "S-1"}', {"Content-Type": HTML}, "S-1"),
        (b'"S-1"', {}, "S-1"),
        (f'"{ID}"'.encode(), {}, ID),
        (b'"5eed00000000400080000000000000AB"', {}, "5eed00000000400080000000000000AB"),
        (b"170017", {}, "170017"),
        (b'"170017"', {}, "170017"),
        (b"", HERE, "S-2"),
        (b"", {"Location": f"https://x/y/outbound-shipments/{ID}?api-version=2"}, ID),
        (b" ", {"Content-Location": "/outbound-shipments/S-3"}, "S-3"),
        (b"", HERE | {"Content-Location": "/outbound-shipments/S-3"}, "S-2"),
        (b"", {"Location": "/operations/7", "Content-Location": "/outbound-shipments/S-3"}, "S-3"),
        ({}, HERE, "S-2"),
        ({"outboundShipmentId": None}, HERE, "S-2"),
        ({"outboundShipmentId": ""}, HERE, "S-2"),
        ({"outboundShipmentId": True}, HERE, "S-2"),
        ({"outboundShipmentId": 1.5}, HERE, "S-2"),
        ({"outboundShipmentId": ["S-1"]}, HERE, "S-2"),
        ({"outboundShipmentId": "00000000-0000-0000-0000-000000000000"}, HERE, "S-2"),
        (b"null", HERE, "S-2"),
        (b"true", HERE, "S-2"),
        (b'"Created"', HERE, "S-2"),
        (b"Created", HERE | {"Content-Type": "text/plain"}, "S-2"),
        (b"", HERE | {"Content-Type": HTML}, "S-2"),
        (b"<r/>", HERE | {"Content-Type": "application/xml"}, "S-2"),
        (b"1" * 5000, HERE, "S-2"),
    ],
)
def test_where_an_identifier_is_found(body: Any, headers: dict[str, str], found: str) -> None:
    assert identifier_of(CREATE_OUTBOUND, answered(body, headers)) == found


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        # words and numbers that are no ids
        *(
            (body, {})
            for body in (
                b"",
                b"{}",
                b"[]",
                b'""',
                b"false",
                b"true",
                b"null",
                b"0",
                b"1",
                b"200",
                b"202",
                b"-7",
                '"¹²"'.encode(),
            )
        ),
        *(
            (body, {})
            for body in (b'"OK"', b'"Accepted"', b'"200"', b'"Service temporarily unavailable"', b'"order 17"')
        ),
        *(
            (body, {})
            for body in (b'"2026-11-30"', b'"2026-11-30T10:00:00Z"', b'"<p>1</p>"', b'"/x/1"', b"1.5", b"1e3")
        ),
        (msgspec.json.encode("S1" * LONGEST), {}),
        (b"[" * 100_000, {}),
        (b"1" * 5000, {}),
        ({"outboundShipmentId": "S" * 5000}, {}),
        ({"outboundShipmentId": "in progress"}, {}),
        ({"outboundShipmentId": "S-1\nS-2"}, {}),
        ({"outboundShipmentId": "S\u202e1"}, {}),
        ({"outboundShipmentId": 0}, {}),
        ({"outboundShipmentId": -1}, {}),
        ({"outboundShipmentId": "00000000-0000-0000-0000-000000000000"}, {}),
        *(({"outboundShipmentId": word}, {}) for word in ("null", "None", "undefined", "NaN", "true", "N/A")),
        # words without a digit and numbers from zero down, wherever they stand
        *(({"outboundShipmentId": word}, {}) for word in ("accepted", "in-progress", "a" * 36, "aaaaaaaa-b", "OK")),
        *(({"outboundShipmentId": number}, {}) for number in ("0", "00", "-1", "-17", "-1.5", "-1e3", "0.0", "-")),
        *(({"id": word}, {}) for word in ("accepted", "0", "-1")),
        *(([{"data": {"outboundShipmentId": word}}], {}) for word in ("accepted", "-1")),
        *((b"", {"Location": f"/seller/v2/outbound-shipments/{word}"}) for word in ("count", "documents", "-1", "0")),
        (b"", {"Content-Location": "/seller/v2/outbound-shipments/cancellations"}),
        *((msgspec.json.encode(nil), {}) for nil in (NIL, f"{{{NIL}}}", NIL.replace("-", ""))),
        *(({"outboundShipmentId": nil}, {}) for nil in (f"{{{NIL}}}", NIL.replace("-", ""))),
        ({"id": "null"}, {}),
        ({"outboundShipmentId": {"id": "S-1"}}, {}),
        ([{"outboundShipmentId": "S-1"}, {"outboundShipmentId": "S-2"}], {}),
        ({"items": [{"id": "S-1"}]}, {}),
        ({"orderId": "S-1", "shipmentId": "S-1", "identifier": "S-1"}, {}),
        (b'{"outboundShipmentId": "S-1"', {}),
        (b"<r><outboundShipmentId>S-1</outboundShipmentId></r>", {"Content-Type": "application/xml"}),
        # pages and problems, whatever their headers say
        (PAGE, {"Content-Type": HTML}),
        (PAGE, HERE | {"Content-Type": HTML}),
        (PAGE, HERE | {"Content-Type": "application/json"}),
        (b"<HTML>", HERE | {"Content-Type": "application/json"}),
        (b"Sign in", HERE | {"Content-Type": HTML}),
        ({"title": "Bad request"}, HERE | {"Content-Type": PROBLEM}),
        ({"id": "S-1"}, HERE | {"Content-Type": PROBLEM}),
        ({"title": "no stock", "status": 422}, HERE),
        ({"id": "S-1", "status": 400}, HERE),
        ({"id": "S-1", "errors": ["no stock"]}, HERE),
        ({"id": "S-1", "Success": False}, HERE),
        ({"outboundShipmentId": None, "errors": {"lines": ["no stock"]}}, HERE),
        # a problem beside an id
        *(
            ({"outboundShipmentId": ID} | told, {})
            for told in (
                {"errors": [{"code": "QuotaExceeded"}]},
                {"error": "no stock"},
                {"error": 1},
                {"success": False},
                {"status": 409},
                {"Errors": {"lines": ["no stock"]}},
                {"ERROR": "no stock"},
                {"Success": False},
                {"Status": 500},
            )
        ),
        ({"data": {"outboundShipmentId": ID, "errors": ["no stock"]}}, {}),
        ([{"outboundShipmentId": ID, "success": False}], {}),
        ({"error": "no stock"}, HERE),
        # addresses of something else
        *((b"", {"Location": location}) for location in ("", "/", "https://api.example/", "S-1", "/x/S-1")),
        (b"", {"Location": "/seller/v2/outbound-shipments"}),
        (b"", {"Content-Location": "/seller/v2/outbound-shipments/"}),
        (b"", {"Location": "/seller/v2/operations/op-77"}),
        (b"", {"Location": "/seller/v2/outbound-shipments/S-1/status"}),
        (b"", {"Location": "/seller/v2/outbound-shipments/a%20b"}),
        (b"", {"Location": f"/seller/v2/outbound-shipments/{'x' * 5000}"}),
        (b"", {"Location": "https://[/outbound-shipments/S-1"}),
        ({"id": "op-77"}, {"Location": "/seller/v2/operations/op-77"}),
    ],
)
def test_what_is_no_identifier(body: Any, headers: dict[str, str]) -> None:
    with pytest.raises(UnusableError, match=r"^no outboundShipmentId"):
        identifier_of(CREATE_OUTBOUND, answered(body, headers))


def test_each_creation_has_its_own_name_and_collection() -> None:
    assert identifier_of(REQUEST_CANCELLATION, answered({"outboundCancellationRequestId": "C-1"})) == "C-1"
    with pytest.raises(UnusableError, match=r"^no outboundCancellationRequestId"):
        identifier_of(REQUEST_CANCELLATION, answered({"outboundShipmentId": "S-1"}, HERE))


CREATIONS = [operation for operation in OPERATIONS if operation.shape is Shape.IDENTIFIER]
texts = st.text(st.characters(codec="utf-8"), max_size=120)


@given(st.sampled_from(CREATIONS), st.binary(max_size=60) | texts.map(msgspec.json.encode), texts)
def test_whatever_comes_an_identifier_is_one_short_word(operation: Any, body: bytes, location: str) -> None:
    headers = {"Location": f"{operation.path}/{location}"}
    try:
        found = identifier_of(operation, answered(body, headers))
    except UnusableError:
        return
    assert found.split() == [found]
    assert found.isprintable()
    assert len(found) <= LONGEST


@given(st.sampled_from(CREATIONS), texts)
def test_a_named_identifier_is_given_as_it_is_or_not_at_all(operation: Any, value: str) -> None:
    try:
        found = identifier_of(operation, answered({operation.identifier: value}))
    except UnusableError:
        return
    assert found == value.strip()


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b'"OK"', {}), (PAGE, HERE | {"Content-Type": HTML}), (b"", {"Location": "/seller/v2/operations/op-77"})],
)
async def test_a_creation_without_an_id_that_can_be_one_is_unknown(body: bytes, headers: dict[str, str]) -> None:
    transport = FakeTransport(lambda _: answered(body, headers, status=202))
    settings: Config = config()
    async with FulfillmentClient(settings, transport=transport, hooks=()) as client:
        with pytest.raises(UnusableAnswerError, match="no outbound") as caught:
            await client.outbound.create(order("O-1"))
        assert caught.value.outcome_unknown
        assert len(transport.sent) == 1
        with pytest.raises(UnusableAnswerError) as caught:
            await client.outbound.request_cancellation("S-1")
        assert caught.value.outcome_unknown


@pytest.mark.parametrize("theirs", ["ANOTHER-9", "O-11", "", None, 7])
@pytest.mark.parametrize("name", ["reference", "Reference"])
async def test_the_response_to_another_order_is_believed_for_none(theirs: object, name: str) -> None:
    """Its reference shows it: responses came out of step, or a cache answered."""
    transport = FakeTransport(lambda _: answered({"outboundShipmentId": ID, name: theirs}))
    async with FulfillmentClient(config(), transport=transport, hooks=()) as client:
        if theirs not in ("ANOTHER-9", "O-11"):  # it has none
            assert await client.outbound.create(order("O-12")) == ID
            return
        with pytest.raises(UnusableAnswerError, match="the reference of another order") as caught:
            await client.outbound.create(order("O-12"))
    assert caught.value.outcome_unknown
    assert len(transport.sent) == 1


@pytest.mark.parametrize("theirs", ["O-12", " o-12 ", "O12", "SHOP/O-12", "O-12_1", "o\u200b-12"])
async def test_an_api_may_keep_a_reference_in_another_spelling(theirs: str) -> None:
    transport = FakeTransport(lambda _: answered({"outboundShipmentId": ID, "reference": theirs}))
    async with FulfillmentClient(config(), transport=transport, hooks=()) as client:
        assert await client.outbound.create(order("O-12")) == ID
