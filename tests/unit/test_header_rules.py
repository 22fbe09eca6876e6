"""Headers that a program adds: what is sent, what is refused, and that no value is shown."""

from __future__ import annotations

import pickle
import re

import aiohttp
import pytest

from octoffm_async import (
    AnsweredError,
    BadRequestError,
    Config,
    ConfigurationError,
    FulfillmentClient,
    PagingError,
)
from octoffm_async.header_rules import checked_headers
from octoffm_async.sandbox import Sandbox
from tests.support.fakes import FakeTransport, answer, config

STOCK = {"id": "S-1", "quantities": {"Available": 1}}
NAMED = re.compile(r"octoffm-async/\d+\.\d+\.\d+ python/3\.\d+\.\d+\S* aiohttp/3\.\d+\.\d+")


def sent_by(transport: FakeTransport) -> tuple[dict[str, str], dict[str, str]]:
    """The headers of the request for a token, and those of the last call."""
    return dict(transport.token_calls[-1].headers), dict(transport.sent[-1].headers)


@pytest.mark.parametrize("app_info", [None, "shop/1.2 (it@shop.example)"])
async def test_every_request_names_this_package_and_the_program(app_info) -> None:
    transport = FakeTransport(lambda _: answer(200, STOCK))
    async with FulfillmentClient(config(app_info=app_info), transport=transport) as client:
        await client.stocks.get("S-1")
    for headers in sent_by(transport):
        found = headers["User-Agent"]
        assert NAMED.fullmatch(found if app_info is None else found.removesuffix(f" {app_info}"))


async def test_headers_of_configuration_view_and_call_add_up_and_the_nearest_wins() -> None:
    transport = FakeTransport(lambda _: answer(200, STOCK))
    settings = config(headers={"X-Gateway": "one", "X-Shop": "config"})
    async with FulfillmentClient(settings, transport=transport) as client:
        view = client.with_options(headers={"x-shop": "view", "X-View": "1"})
        await view.request("GET", "/stocks/S-1", headers={"X-VIEW": "call"})
        token, called = sent_by(transport)
        await view.stocks.get("S-1")
        viewed = sent_by(transport)[1]
        await view.with_options(headers={"X-More": "2"}).stocks.get("S-1")
        more = sent_by(transport)[1]
        await view.with_options(headers=None).stocks.get("S-1")
        reset = sent_by(transport)[1]
        await view.seller("98980").stocks.get("S-1")
        other = sent_by(transport)[1]
    assert not {name for name in token if name.startswith("X-")}

    def own(headers: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in headers.items() if name.lower().startswith("x-")}

    assert own(called) == {"X-Gateway": "one", "x-shop": "view", "X-VIEW": "call"}
    assert own(viewed) == {"X-Gateway": "one", "x-shop": "view", "X-View": "1"}
    assert own(more) == {"X-Gateway": "one", "x-shop": "view", "X-View": "1", "X-More": "2"}
    assert own(reset) == {"X-Gateway": "one", "X-Shop": "config"}
    assert own(other) == own(viewed)
    assert other["SellerId"] == "98980"
    assert called["Authorization"].startswith("Bearer ")


@pytest.mark.parametrize("through_session", [False, True])
async def test_they_arrive_over_http(through_session) -> None:
    async with Sandbox(seed=7, catalogue=1) as sandbox, aiohttp.ClientSession() as session:
        config = sandbox.config(headers={"traceparent": "a-trace"})  # the one that a sandbox records
        async with FulfillmentClient(config, session=session if through_session else None) as client:
            await client.stocks.list(limit=1)
            await client.with_options(headers={"TraceParent": "another"}).stocks.list(limit=1)
    assert [record.traceparent for record in sandbox.arrivals] == ["", "a-trace", "another"]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"authorization": "Bearer mine"}, "the client sets authorization itself; it holds the token"),
        ({"SellerId": "1"}, "use client.seller"),
        ({"User-Agent": "me"}, "use app_info"),
        ({"range": "bytes=0-9"}, "range"),
        ({"SalesChannelId": "X"}, "use sales_channel_id"),
        ({"Content-Length": "3"}, "leave it out"),
        ({"Transfer-Encoding": "chunked"}, "leave it out"),
        ({"X-A": "one\r\nX-B: two"}, "the value of X-A is not text of printable ASCII"),
        ({"X-A": "one\n"}, "the value of X-A"),
        ({"X-A": " one"}, "the value of X-A"),
        ({"X-A": ""}, "the value of X-A"),
        ({"X-A": "é"}, "the value of X-A"),
        ({"X-A": 1}, "the value of X-A"),
        ({"X-A: 1\r\nX-B": "2"}, "is not a header's name"),
        ({"": "2"}, "is not a header's name"),
        ({1: "2"}, "is not a header's name"),
        ({"X-A": "1", "x-a": "2"}, "x-a is given twice"),
        ([("X-A", "1")], "must map names to values, not be list"),
    ],
)
async def test_what_would_break_a_request_is_refused_wherever_it_is_given(headers, reason) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(reason)) as refused:
        checked_headers("headers", headers)
    assert "mine" not in str(refused.value)
    with pytest.raises(ConfigurationError, match=re.escape(reason)):
        config(headers=headers)
    async with FulfillmentClient(config(), transport=FakeTransport()) as client:
        with pytest.raises(ConfigurationError, match=re.escape(reason)):
            client.with_options(headers=headers)
        with pytest.raises(ConfigurationError, match=re.escape(reason)):
            await client.request("GET", "/stocks", headers=headers)


@pytest.mark.parametrize("app_info", ["shop\r\nX-A: 1", "", "café", 7])
def test_a_name_that_cannot_be_a_header_is_refused(app_info) -> None:
    with pytest.raises(ConfigurationError, match="app_info must be text of printable ASCII"):
        config(app_info=app_info)


def test_values_are_not_shown() -> None:
    settings = config(headers={"X-Gateway-Key": "very-secret"})
    assert "very-secret" not in repr(settings)
    assert isinstance(settings, Config)


async def test_an_error_has_the_headers_of_its_answer_without_cookies_and_secrets() -> None:
    def script(sent):
        key = sent.headers["X-Gateway-Key"]
        return answer(
            400, {"title": f"bad {key}"}, **{"X-Request-Id": "R-7", "Set-Cookie": "a=b", "X-Echo": key, "X-Left": "3"}
        )

    settings = config(headers={"X-Gateway-Key": "very-secret"})
    async with FulfillmentClient(settings, transport=FakeTransport(script)) as client:
        with pytest.raises(BadRequestError) as raised:
            await client.stocks.get("S-1")
    error = pickle.loads(pickle.dumps(raised.value))  # noqa: S301
    for each in (raised.value, error):
        assert (each.headers["x-left"], each.headers["X-Echo"], each.trace_id) == ("3", "***", "R-7")
        assert "Set-Cookie" not in each.headers
        assert "very-secret" not in str(each) + each.body + repr(dict(each.headers))


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 409, 418, 422, 429, 500, 503])
async def test_every_error_with_an_answer_carries_its_headers(status: int) -> None:
    transport = FakeTransport(lambda _: answer(status, b"<html>", **{"X-A": "1"}))
    async with FulfillmentClient(config(), transport=transport) as client:
        with pytest.raises(AnsweredError) as raised:
            await client.with_options(retries=0).stocks.get("S-1")
    assert (raised.value.status, raised.value.headers["x-a"]) == (status, "1")
    assert PagingError("x").headers == {}
