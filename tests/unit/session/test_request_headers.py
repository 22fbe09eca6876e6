"""The headers of requests: the right ones for each call, made once, and never of a token that is gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.auth.source import Token
from octoffm_async.config import Secret
from octoffm_async.contract.operations import CREATE_OUTBOUND, OPERATIONS, Operation, Shape
from octoffm_async.session.request_headers import _KEPT_MOST, RequestHeaders
from tests.support.fakes import FakeTransport, Sent, answer, config
from tests.support.items import accepted, order
from tests.unit.session.test_session import STOCK, Opened, in_turn

BY_NAME = {operation.name: operation for operation in OPERATIONS}
GET_STOCK = BY_NAME["stocks.get"]


def token(text: str) -> Token:
    return Token(secret=Secret(text), asked_at=0.0, renew_at=1e9, expires_at=1e9)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@pytest.mark.parametrize("with_body", [True, False])
def test_each_call_has_the_headers_that_the_api_wants(operation: Operation[Any], with_body: bool) -> None:
    head = RequestHeaders(config()).of(operation, "42", token("t"), with_body=with_body)
    assert head["Authorization"] == "Bearer t"
    assert head["SellerId"] == "42"
    assert "application/json" in head["Accept"]
    assert ("application/pdf" in head["Accept"]) == (operation.shape is Shape.DOCUMENT)
    assert ("Content-Type" in head) == with_body
    assert "SalesChannelId" not in head


def test_the_sales_channel_is_sent_if_there_is_one() -> None:
    head = RequestHeaders(config(sales_channel_id="CDISFR")).of(GET_STOCK, "42", token("t"), with_body=False)
    assert head["SalesChannelId"] == "CDISFR"


CALLS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from(OPERATIONS), st.booleans()))


@given(CALLS)
def test_no_call_ever_gets_the_headers_of_another(calls: list[tuple[int, int, Operation[Any], bool]]) -> None:
    kept, tokens = RequestHeaders(config()), [token(f"t-{number}") for number in range(4)]
    for which, seller, operation, with_body in calls:
        fresh = RequestHeaders(config()).of(operation, str(seller), tokens[which], with_body=with_body)
        assert kept.of(operation, str(seller), tokens[which], with_body=with_body) == fresh


def test_a_call_that_must_be_fresh_tells_caches_so_and_no_other_does() -> None:
    heads, one = RequestHeaders(config()), token("t")
    reported = [
        heads.of(GET_STOCK, "1", one, with_body=False, fresh=fresh).get("Cache-Control") for fresh in (True, False)
    ]
    assert reported == ["no-cache", None]


def test_they_are_made_once_and_forgotten_with_the_token() -> None:
    heads, one, two = RequestHeaders(config()), token("one"), token("two")
    assert heads.of(GET_STOCK, "1", one, with_body=False) is heads.of(GET_STOCK, "1", one, with_body=False)
    heads.of(GET_STOCK, "1", two, with_body=False)
    assert all("one" not in head["Authorization"] for head in heads._kept.values())


def test_a_token_of_the_same_text_is_another_token() -> None:
    heads = RequestHeaders(config())
    first = heads.of(GET_STOCK, "1", token("t"), with_body=False)
    assert heads.of(GET_STOCK, "1", token("t"), with_body=False) == first


def test_thousands_of_sellers_do_not_fill_the_memory() -> None:
    heads, one = RequestHeaders(config()), token("t")
    for number in range(3 * _KEPT_MOST):
        assert heads.of(CREATE_OUTBOUND, str(number), one, with_body=True)["SellerId"] == str(number)
    assert len(heads._kept) <= _KEPT_MOST


@pytest.mark.virtual_time
async def test_many_sellers_and_a_token_that_changes_meet_in_no_request() -> None:
    def script(sent: Sent) -> Any:
        if sent.headers["Authorization"] == "Bearer token-1" and sent.at > 1000.5:
            return answer(401)
        return accepted(sent) if sent.method == "POST" else STOCK

    transport_of = FakeTransport.send
    async with Opened(script, latency=0.1) as opened:
        sellers = [opened.client.seller(str(number)) for number in range(20)]

        async def work(number: int) -> None:
            for turn in range(10):
                if turn % 2:
                    await sellers[number].stocks.get(f"S-{number}")
                else:
                    await sellers[number].outbound.create(order(f"O-{number}-{turn}"))

        await asyncio.gather(*(work(number) for number in range(20)))
        assert transport_of is FakeTransport.send
        for sent in opened.transport.sent:
            number = sent.headers["SellerId"]
            named = sent.url.rpartition("/S-")[2] if sent.method == "GET" else (sent.body or b"").decode()
            assert named == number if sent.method == "GET" else f'"O-{number}-' in named
            assert ("Content-Type" in sent.headers) == (sent.method == "POST")
        late = [sent for sent in opened.transport.sent if sent.at > 1001.0]
        assert late
        assert {sent.headers["Authorization"] for sent in late} == {"Bearer token-2"}


@pytest.mark.virtual_time
async def test_a_transport_that_changes_the_headers_is_the_only_way_to_spoil_them() -> None:
    async with Opened(in_turn(STOCK)) as opened:
        await opened.client.stocks.get("S-1")
        await opened.client.stocks.get("S-1")
        first, second = opened.transport.sent
        assert first.headers is second.headers
