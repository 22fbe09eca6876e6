"""The front door: views for sellers and options, and calls that the package does not model."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import (
    AuthenticationError,
    BadRequestError,
    CallError,
    ConfigurationError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    ContractDrift,
    FulfillmentClient,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    UnprocessableError,
    UnusableAnswerError,
    ValidationError,
)
from octoffm_async.contract.operations import Group
from tests.support.fakes import Answer, FakeTransport, Sent, answer, config
from tests.support.items import on_virtual_time, order, serving
from tests.unit.resources.test_documents import TOKEN, http, over_http
from tests.unit.session.test_session import CREATED, Opened, in_turn
from tests.unit.transport.test_aiohttp_transport import OK, Server

BASE = "http://127.0.0.1:9/seller/v2"
virtual = pytest.mark.virtual_time


@pytest.mark.parametrize("seller_id", ["", " ", "a b", "é", "a\r\nX: y", None])
def test_a_seller_that_cannot_stand_in_a_header_is_refused(seller_id: Any) -> None:
    with pytest.raises(ConfigurationError, match="seller_id"):
        FulfillmentClient(config(), transport=FakeTransport()).seller(seller_id)


@pytest.mark.parametrize("seller_id", [98980, 1.5, ["98980"], b"98980"])
def test_a_seller_that_is_no_text_is_refused(seller_id: Any) -> None:
    with pytest.raises(ConfigurationError, match="seller_id"):
        FulfillmentClient(config(), transport=FakeTransport()).seller(seller_id)


def test_a_view_shows_whose_it_is_and_no_secret() -> None:
    client = FulfillmentClient(config(), transport=FakeTransport())
    assert repr(client) == f"<FulfillmentClient seller 12345 at {BASE}>"
    assert repr(client.seller("98980").with_options(retries=1)) == f"<SellerClient seller 98980 at {BASE}>"


def test_an_aiohttp_session_and_a_tls_context_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match="ssl_context"):
        FulfillmentClient(config(), session=object(), ssl_context=object())  # type: ignore[arg-type]


@virtual
async def test_a_request_carries_what_every_call_carries() -> None:
    async with Opened(in_turn(answer(200, {"x": 1})), sales_channel_id="CDISFR") as opened:
        response = await opened.client.request(
            "post", "/stocks/a%2Fb/moves", json={"n": 1, "to": ["é"]}, params={"q": "a b&c", "n": "1"}
        )
        (sent,) = opened.transport.sent
    assert (response.status, response.json(), response.headers["content-type"]) == (200, {"x": 1}, "application/json")
    assert sent.url == f"{BASE}/stocks/a%2Fb/moves?q=a+b%26c&n=1"
    assert (sent.method, msgspec.json.decode(sent.body or b"")) == ("POST", {"n": 1, "to": ["é"]})
    accept = sent.headers["Accept"]
    assert accept.startswith("application/json")
    assert sent.headers["User-Agent"].startswith("octoffm-async/")
    assert {name: value for name, value in sent.headers.items() if name not in ("Accept", "User-Agent")} == {
        "Authorization": "Bearer token-1",
        "Content-Type": "application/json",
        "SalesChannelId": "CDISFR",
        "SellerId": "12345",
    }


@virtual
@pytest.mark.parametrize("json", [None, 0, False, "", [], {}])
async def test_only_none_is_no_body(json: Any) -> None:
    async with Opened(in_turn(answer(204))) as opened:
        await opened.client.request("PUT", "/x", json=json)
        (sent,) = opened.transport.sent
    assert sent.body == (None if json is None else msgspec.json.encode(json))
    assert ("Content-Type" in sent.headers) is (json is not None)


@virtual
@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("/stocks", Group.STOCKS),
        ("/stocks/1/x", Group.STOCKS),
        ("/fulfillment-products", Group.PRODUCTS),
        ("/stock-seller-references/1", Group.PRODUCTS),
        ("/inbound-shipments/1/delivery-notes", Group.INBOUND),
        ("/outbound-cancellation-requests/1", Group.OUTBOUND),
        ("/outbound-shipments", Group.OUTBOUND),
        ("/returns/count", Group.RETURNS),
        ("/orders/1", Group.OTHER),
        ("/stocksx", Group.OTHER),
        ("/orders/stocks", Group.OTHER),
    ],
)
async def test_the_limit_goes_by_the_path(path: str, group: Group) -> None:
    async with Opened(in_turn(answer(200))) as opened:
        await opened.client.seller("98980").request("GET", path)
        used = {key for key in opened.client._scope.session._limiters._limiters if key[1] is not Group.TOKEN}
        assert used == {("98980", group)}
        assert opened.transport.sent[0].url == BASE + path


def test_the_limit_of_other_calls_can_be_set() -> None:
    assert config(limits={"other": None}).limit_for(Group.OTHER) is None


@virtual
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (422, UnprocessableError),
        (500, ServerError),
        (302, UnusableAnswerError),
    ],
)
async def test_errors_are_typed_and_say_what_was_called(status: int, error: type[CallError]) -> None:
    async with Opened(in_turn(answer(status, {"title": "No", "errors": {"a": ["b"]}})), max_attempts=1) as opened:
        with pytest.raises(error) as caught:
            await opened.client.request("GET", "/orders/1")
    assert (caught.value.operation, caught.value.seller_id) == ("GET /orders/1", "12345")
    assert not caught.value.outcome_unknown


@virtual
@pytest.mark.parametrize("method", ["GET", "get", "HEAD"])
@pytest.mark.parametrize("failure", [answer(500), ConnectionLostError("cut"), ConnectError("refused"), answer(429)])
async def test_reading_is_repeated(method: str, failure: Answer) -> None:
    async with Opened(in_turn(failure, answer(200, {"x": 1}))) as opened:
        assert (await opened.client.request(method, "/orders")).status == 200
        assert len(opened.transport.sent) == 2


@virtual
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "delete"])
async def test_writing_is_not_repeated_after_a_lost_answer(method: str) -> None:
    for failure in (answer(500), answer(303, Location="/x"), ConnectionLostError("cut")):
        async with Opened(in_turn(failure, answer(200))) as opened:
            with pytest.raises(CallError, match="OUTCOME UNKNOWN") as caught:
                await opened.client.request(method, "/orders")
            assert caught.value.outcome_unknown
            assert len(opened.transport.sent) == 1
    for harmless in (answer(429), answer(401), ConnectError("refused")):
        async with Opened(in_turn(harmless, answer(200))) as opened:
            await opened.client.request(method, "/orders")
            assert len(opened.transport.sent) == 2


BAD_PATHS = [
    "",
    "stocks",
    "./stocks",
    "..",
    "/",
    "//stocks",
    "/stocks//1",
    "/..",
    "/.",
    "/../token",
    "/stocks/../../token",
    "/%2e%2e/token",
    "/.%2E/token",
    "/stocks/%2e",
    "http://evil",
    "http://evil/stocks",
    "//user:pw@evil:8000/x y",
    "/stocks?x",
    "/stocks?",
    "/stocks#x",
    "/a b",
    "/a\tb",
    "/a\nb",
    "/a\x00b",
    "/é",
    "/\udcff",
    "/a\\b",
    "/a%",
    "/a%4",
    "/a%zz",
    "/{id}",
    "/a\n",
    '/"',
    None,
    5,
    b"/stocks",
    ["/stocks"],
]


@virtual
@pytest.mark.parametrize("path", BAD_PATHS, ids=repr)
async def test_a_bad_path_is_refused_before_anything_is_sent(path: Any) -> None:
    async with Opened(in_turn(answer(200))) as opened:
        with pytest.raises(ValidationError, match="path"):
            await opened.client.request("GET", path)
        assert opened.transport.sent == opened.transport.token_calls == []


@virtual
@pytest.mark.parametrize("path", ["/..%2ftoken", "/stocks/..%2F..%2F..%2Ftoken", "/%2e%2e%5ctoken", "/a%2f../x"])
async def test_a_path_that_leads_out_behind_an_encoded_slash_is_refused(path: str) -> None:
    async with Opened(in_turn(answer(200))) as opened:
        with pytest.raises(ValidationError):
            await opened.client.request("GET", path)


@virtual
@pytest.mark.parametrize("path", ["//stocks/1", "/%73tocks/1"])
async def test_no_spelling_of_a_path_evades_its_limit(path: str) -> None:
    async with Opened(in_turn(answer(200))) as opened:
        try:
            await opened.client.request("GET", path)
        except ValidationError:
            return
        assert ("12345", Group.OTHER) not in opened.client._scope.session._limiters._limiters


@given(st.text() | st.text("/.%2eEfF\\:@#?a", max_size=12).map("/".__add__))
def test_no_path_leads_elsewhere(path: str) -> None:
    async def main() -> list[Sent]:
        async with Opened(in_turn(answer(200))) as opened:
            try:
                await opened.client.request("GET", path)
            except ValidationError:
                assert opened.transport.sent == []
            return opened.transport.sent

    for sent in on_virtual_time(main):
        assert sent.url == BASE + path
        assert sent.url.isascii()
        parts = urlsplit(sent.url)
        assert (parts.netloc, parts.query, parts.fragment) == ("127.0.0.1:9", "", "")
        assert ".." not in parts.path.split("/")


@virtual
@pytest.mark.parametrize("method", ["", "GET ", "CONNECT", "TRACE", "OPTIONS", "GET\r\nX: y", "get/", None, 5, b"GET"])
async def test_a_bad_method_is_refused_before_anything_is_sent(method: Any) -> None:
    async with Opened(in_turn(answer(200))) as opened:
        with pytest.raises(ValidationError, match="method"):
            await opened.client.request(method, "/stocks")
        assert opened.transport.sent == opened.transport.token_calls == []


def nested() -> list[Any]:
    inside: list[Any] = []
    inside.append(inside)
    return inside


@virtual
@pytest.mark.parametrize("json", [object(), "\ud800", {"a": {"b": [lambda: 1]}}, {(1, 2): 3}, nested()])
async def test_what_json_cannot_carry_is_refused_before_anything_is_sent(json: Any) -> None:
    async with Opened(in_turn(answer(200))) as opened:
        with pytest.raises(ValidationError, match="json"):
            await opened.client.request("POST", "/stocks", json=json)
        assert opened.transport.sent == []


@virtual
@pytest.mark.parametrize("params", [5, "a=b", ["a"], [("a",)], {"a": "\ud800"}, object(), iter([("a", "b")])])
async def test_what_a_query_cannot_carry_is_refused_before_anything_is_sent(params: Any) -> None:
    async with Opened(in_turn(answer(200))) as opened:
        with pytest.raises(ValidationError, match="params"):
            await opened.client.request("GET", "/stocks", params=params)
        assert opened.transport.sent == []


@virtual
async def test_all_problems_of_a_request_are_told_at_once() -> None:
    async with Opened(in_turn(answer(200))) as opened:
        with pytest.raises(ValidationError) as caught:
            await opened.client.request("X", "y", json=object(), params=5)  # type: ignore[arg-type]
    assert [problem.field for problem in caught.value.problems] == ["method", "path", "json", "params"]


@virtual
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"x":', b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_json_is_told_when_it_is_read_as_json(body: bytes) -> None:
    async with Opened(in_turn(answer(200, body))) as opened:
        response = await opened.client.request("GET", "/stocks")
    assert response.body == body
    with pytest.raises(UnusableAnswerError, match="JSON"):
        response.json()


@virtual
async def test_a_body_can_be_read_as_a_type() -> None:
    async with Opened(in_turn(answer(200, [1, 2]))) as opened:
        response = await opened.client.request("GET", "/stocks")
    assert response.json(list[int]) == response.json() == [1, 2]
    with pytest.raises(UnusableAnswerError, match="JSON"):
        response.json(list[str])


@virtual
async def test_a_request_is_heard_and_bounded_by_options() -> None:
    received: list[int] = []
    async with Opened(in_turn(answer(500))) as opened:
        view = opened.client.with_options(retries=1, on_response=lambda response: received.append(response.status))
        with pytest.raises(ServerError):
            await view.request("GET", "/stocks")
    assert received == [500, 500]


async def test_requests_against_a_real_server() -> None:
    async with serving() as (sandbox, client):
        shipment_id = await client.outbound.create(order("A"))
        response = await client.request("GET", f"/outbound-shipments/{shipment_id}")
        assert response.json()["reference"] == "A"
        listed = await client.request("GET", "/outbound-shipments", params={"limit": "1"})
        assert len(listed.json()["items"]) == 1
        with pytest.raises(NotFoundError):
            await client.request("GET", "/outbound-shipments/a%2Fb")
        with pytest.raises(CallError):
            await client.request("GET", "/nowhere/at/all")
        created = await client.request("POST", "/outbound-shipments", json=order("B"))
        assert created.status == 201
        assert sandbox.effects.outbound["B"] == 1


@pytest.mark.parametrize(
    "length",
    [10, 5000],
)
async def test_an_answer_to_head_has_no_body_to_be_too_large(length: int) -> None:
    head = OK + f"Content-Length: {length}\r\n\r\n".encode()
    async with Server(http(TOKEN)) as tokens, Server(head) as server:
        async with over_http(server, tokens, max_answer_bytes=1000) as client:
            response = await client.request("HEAD", "/files/1")
    assert (response.status, response.body, response.headers["Content-Length"]) == (200, b"", str(length))


@virtual
async def test_a_creation_through_a_view_is_made_once() -> None:
    async with Opened(in_turn(CREATED)) as opened:
        assert await opened.client.seller("98980").with_options(retries=5).outbound.create(order("A")) == "S-1"
        assert [sent.headers["SellerId"] for sent in opened.transport.sent] == ["98980"]


async def test_what_answers_differed_in_can_be_asked_for() -> None:
    usual = {"quantities": {"Available": 1}, "localizations": []}
    rows = [{"id": "1", "zone": 1, "aisle": "A-7 of a customer"} | usual, {"id": "2", "zone": "B"} | usual]
    transport = FakeTransport(lambda sent: answer(200, {"items": rows}))
    async with FulfillmentClient(config(), transport=transport) as client:
        assert client.drift == ()
        assert [stock.extra.get("zone") async for stock in client.seller("98980").stocks.list()] == [1, "B"]
        assert [(one.operation, one.path, one.kind) for one in client.drift] == [
            ("stocks.list", "aisle", "unknown"),
            ("stocks.list", "zone", "unknown"),
        ]
        assert all(type(one) is ContractDrift for one in client.drift)
        assert len(client.drift) == client.stats().drift
        assert "customer" not in repr(client.drift)
