"""Ids that are none, or odd: every call that takes one refuses it by name, or sends it as one segment of its path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from octoffm_async import (
    BadRequestError,
    CallError,
    FulfillmentClient,
    NotFoundError,
    UnprocessableError,
    ValidationError,
)
from tests.support.fakes import FakeTransport, answer, config
from tests.support.items import on_virtual_time
from tests.unit.cases import Cases

Call = Callable[[FulfillmentClient, Any], Awaitable[Any]]

IN_PATH: dict[str, Call] = {
    "stocks.get": lambda client, key: client.stocks.get(key),
    "inbound.get": lambda client, key: client.inbound.get(key),
    "inbound.delivery_note": lambda client, key: client.inbound.delivery_note(key),
    "inbound.wait_for": lambda client, key: client.inbound.wait_for(key),
    "outbound.get": lambda client, key: client.outbound.get(key),
    "outbound.wait_for": lambda client, key: client.outbound.wait_for(key),
    "outbound.get_cancellation": lambda client, key: client.outbound.get_cancellation(key),
    "returns.get": lambda client, key: client.returns.get(key),
    "returns.label": lambda client, key: client.returns.label(key),
}
TEMPLATES = {
    "stocks.get": "/stocks/{}",
    "inbound.get": "/inbound-shipments/{}",
    "inbound.delivery_note": "/inbound-shipments/{}/delivery-notes",
    "inbound.wait_for": "/inbound-shipments/{}",
    "outbound.get": "/outbound-shipments/{}",
    "outbound.wait_for": "/outbound-shipments/{}",
    "outbound.get_cancellation": "/outbound-cancellation-requests/{}",
    "returns.get": "/returns/{}",
    "returns.label": "/returns/{}/labels",
}
NAMES = {
    "stocks": "stockid",
    "inbound": "inboundshipmentid",
    "outbound": "outboundshipmentid",
    "returns": "returnid",
}
REFUSED = ["", " ", "\t", ".", "..", "a\x00b", "a\nb", "\ud800", "\u202e", None, 5, b"S-1", ["S-1"]]
SENT = ["a/b", "%2f", "%2F..%2f..", "a b", "...", "é", "🎉", "a?b#c", "a;b=c", "\\", "{stockId}", "+", "http://evil/"]

calls = pytest.mark.parametrize("name", IN_PATH)


def name_of(call: str) -> str:
    return "outboundcancellationrequestid" if call.endswith("cancellation") else NAMES[call.partition(".")[0]]


@calls
async def test_what_is_no_id_is_refused_by_name_before_anything_is_sent(name: str) -> None:
    transport = FakeTransport()
    async with FulfillmentClient(config(), transport=transport, hooks=()) as client:
        with Cases() as cases:
            for key in REFUSED:
                with cases.case(key):
                    with pytest.raises(ValidationError) as caught:
                        await IN_PATH[name](client, key)
                    (problem,) = caught.value.problems
                    assert problem.field.replace("_", "").lower() == name_of(name)
                    assert str(caught.value).isascii()
                    assert transport.sent == transport.token_calls == []


@calls
async def test_an_id_is_told_by_its_python_name(name: str) -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(), hooks=()) as client:
        with pytest.raises(ValidationError, match=r"_id = ''"):
            await IN_PATH[name](client, "")


@calls
async def test_an_odd_id_stays_one_segment(name: str) -> None:
    transport = FakeTransport(lambda sent: answer(404))
    async with FulfillmentClient(config(), transport=transport, hooks=()) as client:
        with Cases() as cases:
            for key in SENT:
                with cases.case(key):
                    transport.sent.clear()
                    with pytest.raises(NotFoundError):
                        await IN_PATH[name](client, key)
                    path = urlsplit(transport.sent[0].url).path.removeprefix("/seller/v2")
                    assert [unquote(part) for part in path.split("/")] == [
                        key if part == "{}" else part for part in TEMPLATES[name].split("/")
                    ]


@given(st.text(st.characters(codec=None)))
@example("..")
@example("%2e%2e")
def test_any_id_is_one_segment_or_refused(key: str) -> None:
    transport = FakeTransport()

    async def main() -> None:
        async with FulfillmentClient(config(), transport=transport, hooks=()) as client:
            try:
                await client.stocks.get(key)
            except ValidationError:
                assert transport.sent == []

    on_virtual_time(main)
    for sent in transport.sent:
        start, _, segment = sent.url.rpartition("/")
        assert (start, unquote(segment)) == ("http://127.0.0.1:9/seller/v2/stocks", key)
        assert segment not in (".", "..")


@calls
async def test_a_real_server_knows_no_odd_id(pair: Any, name: str) -> None:
    with Cases() as cases:
        for key in [key for key in SENT if "{" not in key]:
            with cases.case(key), pytest.raises(NotFoundError):
                await IN_PATH[name](pair.client, key)


@calls
async def test_a_real_server_refuses_an_endless_id(pair: Any, name: str) -> None:
    with pytest.raises(CallError) as caught:
        await IN_PATH[name](pair.client, "x" * 10_000)
    assert isinstance(caught.value, BadRequestError | NotFoundError)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("key", ["", " ", "\t", "\ud800", None, 5, b"S-1", ["S-1"]], ids=ascii)
async def test_a_cancellation_of_nothing_is_refused_before_anything_is_sent(key: Any) -> None:
    transport = FakeTransport()
    async with FulfillmentClient(config(), transport=transport, hooks=()) as client:
        with pytest.raises(ValidationError) as caught:
            await client.outbound.request_cancellation(key)
    assert [problem.field for problem in caught.value.problems] == ["outbound_shipment_id"]
    assert transport.sent == []


@pytest.mark.parametrize("key", [".", "..", "a/b", "%2f", "x" * 10_000, "é"], ids=lambda key: ascii(key[:9]))
async def test_a_cancellation_of_an_unknown_shipment_is_refused(pair: Any, key: str) -> None:
    with pytest.raises((NotFoundError, UnprocessableError)) as caught:
        await pair.client.outbound.request_cancellation(key, reason="changed my mind")
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize("reason", [object(), "\ud800"])
async def test_a_reason_that_json_cannot_carry_is_refused(reason: Any) -> None:
    transport = FakeTransport()
    async with FulfillmentClient(config(), transport=transport, hooks=()) as client:
        with pytest.raises(ValidationError, match="reason"):
            await client.outbound.request_cancellation("S-1", reason=reason)
    assert transport.sent == []
