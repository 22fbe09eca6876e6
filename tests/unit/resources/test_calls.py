"""Every method of every resource: what it sends, what it makes of the answer, and what it refuses to send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from octoffm_async import (
    CallError,
    ConflictError,
    ConnectionLostError,
    FulfillmentClient,
    FulfillmentProduct,
    InboundShipmentRequest,
    RegistrationStatus,
    ReturnRequest,
    ShipmentLine,
    UnusableAnswerError,
    ValidationError,
)
from octoffm_async.transport.response import Response
from tests.support.fakes import FakeTransport, Sent, answer, config
from tests.support.items import accepted, fake, order, product, products

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
AT_NOON = "2025-03-01T12:00:00Z"
LINE = ShipmentLine(quantity=2, seller_product_reference="R")
SUPPLY = InboundShipmentRequest(reference="I-1", storage_country="FR", lines=[LINE], expected_delivery_date=NOON)
RETURN = ReturnRequest(reason="Damaged", lines=[LINE], reference="O-1", comment="broken")
CREATED_AND_UPDATED = {
    "created_at_min": NOON,
    "created_at_max": NOON,
    "updated_at_min": NOON,
    "updated_at_max": NOON,
}
THEIR_QUERY = dict.fromkeys(["createdAtMin", "createdAtMax", "updatedAtMin", "updatedAtMax"], AT_NOON)
STATUS_UPDATED = {"status_updated_at_min": NOON, "status_updated_at_max": NOON}
ITS_QUERY = {"statusUpdatedAtMin": AT_NOON, "statusUpdatedAtMax": AT_NOON}

Act = Callable[[FulfillmentClient], Awaitable[Any]]


def reading(**fields: Any) -> Response:
    return answer(200, {"outboundShipmentId": "S", "inboundShipmentId": "I", "returnId": "B", "id": "K", **fields})


GETS: dict[str, tuple[Act, str, Callable[[Any], str]]] = {
    "stock": (lambda c: c.stocks.get("K"), "/stocks/K", lambda found: found.id),
    "inbound": (lambda c: c.inbound.get("I"), "/inbound-shipments/I", lambda found: found.inbound_shipment_id),
    "outbound": (lambda c: c.outbound.get("S"), "/outbound-shipments/S", lambda found: found.outbound_shipment_id),
    "return": (lambda c: c.returns.get("B"), "/returns/B", lambda found: found.return_id),
}

CREATIONS: dict[str, tuple[Act, str, str, dict[str, Any]]] = {
    "inbound": (
        lambda c: c.inbound.create(SUPPLY),
        "/inbound-shipments",
        "inboundShipmentId",
        {
            "reference": "I-1",
            "storageCountry": "FR",
            "lines": [{"quantity": 2, "sellerProductReference": "R"}],
            "expectedDeliveryDate": AT_NOON,
        },
    ),
    "return": (
        lambda c: c.returns.create(RETURN),
        "/returns",
        "returnId",
        {
            "reason": "Damaged",
            "lines": [{"quantity": 2, "sellerProductReference": "R"}],
            "reference": "O-1",
            "comment": "broken",
        },
    ),
    "cancellation": (
        lambda c: c.outbound.request_cancellation("S", reason="why"),
        "/outbound-cancellation-requests",
        "outboundCancellationRequestId",
        {"outboundShipmentId": "S", "reason": "why"},
    ),
}

QUERIES: dict[str, tuple[Callable[..., Any], str, dict[str, Any], dict[str, str]]] = {
    "stocks": (
        lambda c, **filters: c.stocks.list(**filters),
        "/stocks",
        {"storage_country": "FR", "sort": "Available", "order": "Desc", "updated_at_min": NOON, "updated_at_max": NOON},
        {
            "storageCountry": "FR",
            "sort": "Available",
            "order": "Desc",
            "updatedAtMin": AT_NOON,
            "updatedAtMax": AT_NOON,
        },
    ),
    "references": (lambda c, **filters: c.products.references(**filters), "/stock-seller-references", {}, {}),
    "inbound": (
        lambda c, **filters: c.inbound.list(**filters),
        "/inbound-shipments",
        {"status": "Accepted", "storage_country": "FR", **CREATED_AND_UPDATED},
        {"status": "Accepted", "storageCountry": "FR", **THEIR_QUERY},
    ),
    "outbound": (
        lambda c, **filters: c.outbound.list(**filters),
        "/outbound-shipments",
        {"state": "Valid", **STATUS_UPDATED},
        {"state": "Valid", **ITS_QUERY},
    ),
    "returns": (
        lambda c, **filters: c.returns.list(**filters),
        "/returns",
        {"type": "Customer", "status": "Pending", **CREATED_AND_UPDATED},
        {"type": "Customer", "status": "Pending", **THEIR_QUERY},
    ),
}
COUNTS: dict[str, Callable[..., Awaitable[int]]] = {
    "inbound": lambda c, **filters: c.inbound.count(**filters),
    "outbound": lambda c, **filters: c.outbound.count(**filters),
    "returns": lambda c, **filters: c.returns.count(**filters),
}


def asked(sent: Sent) -> tuple[str, str, dict[str, str]]:
    parts = urlsplit(sent.url)
    return sent.method, parts.path.removeprefix("/seller/v2"), dict(parse_qsl(parts.query))


@pytest.mark.parametrize("name", GETS)
async def test_reading_one(name: str) -> None:
    act, path, key = GETS[name]
    client, transport = fake(lambda sent: reading(colour="red"))
    async with client:
        assert path.endswith(f"/{key(await act(client))}")
    assert [asked(sent) for sent in transport.sent] == [("GET", path, {})]
    assert transport.sent[0].body is None


@pytest.mark.parametrize("name", GETS)
@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b'"x"', b"{", b"<html>"])
async def test_what_is_no_row_is_told(name: str, body: bytes) -> None:
    client, _ = fake(lambda sent: answer(200, body))
    async with client:
        with pytest.raises(UnusableAnswerError) as caught:
            await GETS[name][0](client)
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize("name", CREATIONS)
@pytest.mark.parametrize("where", ["body", "text", "Location", "Content-Location"])
@pytest.mark.parametrize("status", [200, 201, 202])
async def test_creating_one(name: str, where: str, status: int) -> None:
    act, path, identifier, body = CREATIONS[name]
    given = {
        "body": answer(status, {identifier: "X-7"}),
        "text": answer(status, "X-7"),
        "Location": answer(status, Location=f"/seller/v2{path}/X-7"),
        "Content-Location": answer(status, Content_Location=f"{path}/X-7/"),
    }[where]
    client, transport = fake(lambda sent: given)
    async with client:
        assert await act(client) == "X-7"
    assert [asked(sent) for sent in transport.sent] == [("POST", path, {})]
    assert msgspec.json.decode(transport.sent[0].body or b"") == body


@pytest.mark.parametrize("name", CREATIONS)
@pytest.mark.parametrize("failure", [answer(500), ConnectionLostError("cut"), answer(201, {}), answer(201, {"id": ""})])
async def test_a_creation_whose_answer_was_lost_is_unknown_and_sent_once(name: str, failure: Any) -> None:
    client, transport = fake(lambda sent: failure)
    async with client:
        with pytest.raises(CallError, match="OUTCOME UNKNOWN"):
            await CREATIONS[name][0](client)
    assert len(transport.sent) == 1


async def test_a_cancellation_that_comes_too_late_is_a_conflict() -> None:
    client, _ = fake(lambda sent: answer(409, {"title": "Shipped already"}))
    async with client:
        with pytest.raises(ConflictError, match="Shipped already") as caught:
            await client.outbound.request_cancellation("S")
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize("wrong", [None, {"email": "jo@roy.example"}, 5, "R", [], LINE, order("A"), object()])
async def test_what_is_no_request_is_refused_before_anything_is_sent_and_not_shown(wrong: Any) -> None:
    client, transport = fake()
    async with client:
        for create in (client.inbound.create, client.returns.create):
            with pytest.raises(ValidationError, match="item") as caught:
                await create(wrong)
            assert "jo@roy" not in f"{caught.value} {caught.value!r}"
            assert ("from_dict" in str(caught.value)) == isinstance(wrong, dict)
    assert transport.sent == transport.token_calls == []


async def test_all_problems_of_a_request_are_told_with_its_key() -> None:
    client, transport = fake()
    async with client:
        with pytest.raises(ValidationError, match="supply order 'I-1'") as supply:
            await client.inbound.create(msgspec.structs.replace(SUPPLY, storage_country="", lines=[]))
        with pytest.raises(ValidationError, match="return 'O-1'") as returned:
            await client.returns.create(msgspec.structs.replace(RETURN, reason="", lines=[]))
    assert [problem.field for problem in supply.value.problems] == ["storage_country", "lines"]
    assert [problem.field for problem in returned.value.problems] == ["reason", "lines"]
    assert transport.sent == []


@pytest.mark.parametrize("name", QUERIES)
async def test_filters_of_a_list(name: str) -> None:
    listing, path, filters, query = QUERIES[name]
    client, transport = fake(lambda sent: answer(200, []))
    async with client:
        assert [row async for row in listing(client)] == []
        await listing(client, **filters, limit=7, resume_from="a+b &=", max_items=3)
    assert [asked(sent) for sent in transport.sent] == [
        ("GET", path, {"limit": "1000"}),
        ("GET", path, {**query, "limit": "3", "cursor": "a+b &="}),
    ]


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize(
    ("body", "count"),
    [(0, 0), (7, 7), ({"count": 7}, 7), ({"total_item_count": 7}, 7), ({"count": None, "total_item_count": 0}, 0)],
)
async def test_filters_of_a_count(name: str, body: Any, count: int) -> None:
    _, path, filters, query = QUERIES[name]
    client, transport = fake(lambda sent: answer(200, body))
    async with client:
        assert await COUNTS[name](client) == count
        assert await COUNTS[name](client, **filters) == count
    assert [asked(sent) for sent in transport.sent] == [("GET", f"{path}/count", {}), ("GET", f"{path}/count", query)]


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize(
    "body", [b"", b"-1", b"1.5", b'"seven"', b"true", b"null", b"{}", b"[7]", b'{"count": -1}', b"<html>"]
)
async def test_what_is_no_count_is_told(name: str, body: bytes) -> None:
    client, _ = fake(lambda sent: answer(200, body))
    async with client:
        with pytest.raises(UnusableAnswerError):
            await COUNTS[name](client)


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("value", ["", 5, [], {}, "\ud800", date(2025, 3, 1), NOON.replace(tzinfo=None)], ids=ascii)
async def test_a_filter_of_a_wrong_type_is_refused_before_anything_is_sent(name: str, value: Any) -> None:
    listing, _, filters, _ = QUERIES[name]
    client, transport = fake()
    async with client:
        for filter_name in filters:
            text = not filter_name.endswith(("_min", "_max"))
            if text and isinstance(value, date):
                continue
            with pytest.raises(ValidationError, match=filter_name):
                listing(client, **{filter_name: value})
            if name in COUNTS:
                with pytest.raises(ValidationError, match=filter_name):
                    await COUNTS[name](client, **{filter_name: value})
    assert transport.sent == transport.token_calls == []


@pytest.mark.parametrize("name", QUERIES)
async def test_a_bad_cursor_is_told_by_the_name_of_its_argument(name: str) -> None:
    client, _ = fake()
    async with client:
        with pytest.raises(ValidationError, match="resume_from"):
            QUERIES[name][0](client, resume_from="")


async def test_products_from_a_generator_are_sent_or_refused() -> None:
    client, transport = fake(accepted)
    async with client:
        try:
            await client.products.create(product(number) for number in range(3))  # type: ignore[arg-type]
        except ValidationError:
            return
    assert len(msgspec.json.decode(transport.sent[0].body or b"")) == 3


@pytest.mark.parametrize("wrong", [None, 5, product(1), []], ids=lambda value: type(value).__name__)
async def test_what_is_no_list_of_products_is_refused(wrong: Any) -> None:
    client, transport = fake(accepted)
    async with client:
        with pytest.raises(ValidationError):
            await client.products.create(wrong)
    assert transport.sent == []


async def test_a_reference_is_added_with_its_identity_alone() -> None:
    one = product(1)
    client, transport = fake(accepted)
    async with client:
        result = await client.products.add_reference(gtin=one.gtin, seller_product_reference="MINE")
        with pytest.raises(ValidationError, match="gtin"):
            await client.products.add_reference(gtin="1", seller_product_reference="MINE")
    assert (result.seller_product_reference, result.status) == ("MINE", "Accepted")
    (sent,) = transport.sent
    read = msgspec.json.decode(sent.body or b"", type=list[FulfillmentProduct])
    assert read == [FulfillmentProduct(gtin=one.gtin, seller_product_reference="MINE")]
    assert set(msgspec.json.decode(sent.body or b"")[0]) <= {"gtin", "sellerProductReference", "productCondition"}


async def test_a_reference_that_the_answer_does_not_name_is_unconfirmed() -> None:
    client, _ = fake(lambda sent: answer(202, {"items": [{"sellerProductReference": "OTHER", "status": "Accepted"}]}))
    async with client:
        result = await client.products.add_reference(gtin=product(1).gtin, seller_product_reference="MINE")
    assert (result.seller_product_reference, result.status) == ("MINE", RegistrationStatus.UNCONFIRMED)


async def test_products_are_read_back_no_further_than_needed() -> None:
    def script(sent: Sent) -> Response:
        if sent.method == "POST":
            return answer(202)
        start = int(dict(parse_qsl(urlsplit(sent.url).query)).get("cursor", "0"))
        rows = [{"sellerProductReference": f"P-{number}"} for number in range(start, start + 2)]
        return answer(200, rows, Link=f'<?cursor={start + 2}>; rel="next"')

    client, transport = fake(script)
    async with client:
        results = await client.products.create(products(3))
    assert [result.status for result in results] == ["Accepted"] * 3
    assert len(transport.sent) <= 1 + 2 + 1


@pytest.mark.virtual_time
async def test_one_deadline_covers_a_document_and_its_address() -> None:
    def script(sent: Sent) -> Response:
        if sent.url.endswith("labels"):
            return answer(200, {"url": "/files/1"})
        return answer(200, b"%PDF-", Content_Type="application/pdf")

    transport = FakeTransport(script, latency=4.0)
    async with FulfillmentClient(config(), transport=transport, hooks=()) as client:
        await client.check()
        started = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await client.with_options(deadline=5.0).returns.label("B")
        assert asyncio.get_running_loop().time() - started <= 5.1
