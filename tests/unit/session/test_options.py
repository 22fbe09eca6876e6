"""Options of calls: what they bound, who keeps them, and what a bad one is told."""

from __future__ import annotations

import asyncio
import logging
import math
import pickle
from collections.abc import Mapping
from typing import Any

import pytest

from octoffm_async import (
    AuthenticationError,
    BadRowError,
    CallError,
    ConfigurationError,
    ConnectError,
    ConnectionLostError,
    DeadlineExceededError,
    FulfillmentClient,
    Limit,
    NotFoundError,
    RateLimitedError,
    ServerError,
)
from octoffm_async.session.options import DEFAULTS, CallOptions
from octoffm_async.transport.response import Response
from tests.support.fakes import Answer, FakeTransport, Sent, answer, config
from tests.support.items import order
from tests.unit.session.test_session import CREATED, ORDER, STOCK, Opened, in_turn

pytestmark = pytest.mark.virtual_time

GOOD: dict[str, Any] = {"deadline": 1.0, "timeout": 2, "retries": 0, "lane": "bulk", "on_response": print}
BAD = [
    *(("deadline", value) for value in (0, -1, math.inf, math.nan, True, "5", [])),
    *(("timeout", value) for value in (0, -0.5, math.inf, math.nan, True, "5")),
    *(("retries", value) for value in (-1, 1.0, True, False, "1", math.inf)),
    *(("lane", value) for value in ("", "Bulk", "fast", 1, [], True)),
    *(("on_response", value) for value in ("print", 5, [], False)),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_option_is_told_by_name(name, value) -> None:
    with pytest.raises(ConfigurationError, match=name):
        CallOptions(**{name: value})
    with pytest.raises(ConfigurationError, match=name):
        CallOptions(**GOOD).changed(**{name: value})
    client = FulfillmentClient(config(), transport=FakeTransport())
    with pytest.raises(ConfigurationError, match=name):
        client.with_options(**{name: value})


def test_an_async_listener_is_refused() -> None:
    async def listen(response: Response) -> None:
        raise NotImplementedError

    with pytest.raises(ConfigurationError, match="on_response"):
        CallOptions(on_response=listen)


def test_options_are_merged_and_none_stands_for_the_configured_value() -> None:
    whole = DEFAULTS
    for name, value in GOOD.items():
        whole = whole.changed(**{name: value})
    assert whole == CallOptions(**GOOD)
    assert whole.changed(**dict.fromkeys(GOOD)) == DEFAULTS
    assert whole.changed() == whole
    assert whole.changed(retries=3).retries == 3
    assert CallOptions() == DEFAULTS


def test_options_of_a_bulk_run() -> None:
    settings = config(bulk_deadline=700.0)
    assert CallOptions().for_bulk(settings) == CallOptions(deadline=700.0, lane="bulk")
    mine = CallOptions(deadline=5, lane="interactive", retries=0, timeout=1, on_response=print)
    assert mine.for_bulk(settings) == mine


async def test_a_deadline_bounds_waits_and_attempts() -> None:
    async with Opened(in_turn(answer(500)), max_attempts=1000) as opened:
        started = asyncio.get_running_loop().time()
        with pytest.raises((ServerError, DeadlineExceededError), match="deadline"):  # by chance of the back-off
            await opened.client.with_options(deadline=3.0).stocks.get("S-1")
        assert asyncio.get_running_loop().time() - started <= 3.01


async def test_a_deadline_bounds_the_wire_and_may_be_longer_than_the_configured_one() -> None:
    async with Opened(in_turn(STOCK), latency=10.0, deadline=30.0) as opened:
        await opened.client.check()
        with pytest.raises(DeadlineExceededError, match="deadline of 4 s"):
            await opened.client.with_options(deadline=4).stocks.get("S-1")
        opened.transport.latency = 50.0
        assert (await opened.client.with_options(deadline=100).stocks.get("S-1")).id == "S-1"
        with pytest.raises(DeadlineExceededError, match="deadline of 30 s"):
            await opened.client.stocks.get("S-1")


async def test_a_deadline_bounds_the_wait_for_a_token() -> None:
    async with Opened(in_turn(STOCK), latency=10.0) as opened:
        with pytest.raises(DeadlineExceededError):
            await opened.client.with_options(deadline=1).stocks.get("S-1")
        assert (await opened.client.stocks.get("S-1")).id == "S-1"
        assert len(opened.transport.token_calls) == 1


class Listening(FakeTransport):
    """Keeps the read time-outs of API calls."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.timeouts: list[float] = []

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, read_timeout: float = -1.0
    ) -> Response:
        if not url.endswith("/token"):
            self.timeouts.append(read_timeout)
        return await super().send(method, url, headers, body, read_timeout)


async def test_a_timeout_reaches_the_transport() -> None:
    transport = Listening(lambda sent: answer(200, []) if "limit" in sent.url else STOCK)
    async with FulfillmentClient(config(read_timeout=17.0), transport=transport) as client:
        await client.stocks.get("S-1")
        await client.with_options(timeout=0.25).stocks.get("S-1")
        await client.with_options(timeout=0.25).seller("98980").with_options(retries=1).stocks.get("S-1")
        await client.with_options(timeout=3).stocks.list()
        await client.with_options(timeout=4).request("GET", "/x")
    assert transport.timeouts == [17.0, 0.25, 0.25, 3, 4]


@pytest.mark.parametrize("retries", [0, 1, 2, 9])
@pytest.mark.parametrize("status", [500, 429, None])
async def test_a_safe_call_is_repeated_as_often_as_asked(status: int | None, retries: int) -> None:
    def script(sent: Sent) -> Answer:
        return ConnectError("refused") if status is None else answer(status)

    async with Opened(script, max_attempts=4, deadline=1000.0) as opened:
        with pytest.raises(CallError) as caught:
            await opened.client.with_options(retries=retries).stocks.get("S-1")
        assert caught.value.attempts == len(opened.transport.sent) == retries + 1
        assert not caught.value.outcome_unknown


@pytest.mark.parametrize("failure", [answer(429), ConnectError("refused"), answer(500), ConnectionLostError("cut")])
async def test_a_creation_without_retries_still_tells_whether_it_may_have_happened(failure: Answer) -> None:
    lost = isinstance(failure, ConnectionLostError) or (isinstance(failure, Response) and failure.status == 500)
    async with Opened(in_turn(failure)) as opened:
        with pytest.raises(CallError) as caught:
            await opened.client.with_options(retries=0).outbound.create(ORDER)
        assert caught.value.outcome_unknown is lost
        assert len(opened.transport.sent) == 1


async def test_a_token_is_renewed_even_without_retries() -> None:
    async with Opened(in_turn(answer(401), CREATED)) as opened:
        assert await opened.client.with_options(retries=0).outbound.create(ORDER) == "S-1"
    async with Opened(in_turn(answer(401))) as opened:
        with pytest.raises(AuthenticationError):
            await opened.client.with_options(retries=0).outbound.create(ORDER)
        assert len(opened.transport.sent) == 2


@pytest.mark.parametrize(("retries", "sent"), [(0, 2), (1, 3), (2, 4)])
async def test_a_renewed_token_is_not_one_of_the_retries(retries: int, sent: int) -> None:
    async with Opened(in_turn(answer(401), answer(500))) as opened:
        with pytest.raises(ServerError):
            await opened.client.with_options(retries=retries).stocks.get("S-1")
        assert len(opened.transport.sent) == sent


async def test_two_retries_are_enough_for_two_mishaps_of_any_kind() -> None:
    async with Opened(in_turn(answer(429, Retry_After="1"), answer(500), STOCK)) as opened:
        assert (await opened.client.with_options(retries=2).stocks.get("S-1")).id == "S-1"
    async with Opened(in_turn(answer(429, Retry_After="1"), answer(500), STOCK)) as opened:
        with pytest.raises(ServerError):
            await opened.client.with_options(retries=1).stocks.get("S-1")


async def test_a_429_without_retries_holds_the_key_for_the_others() -> None:
    async with Opened(in_turn(answer(429, Retry_After="5"), STOCK)) as opened:
        with pytest.raises(RateLimitedError, match="no retry is left"):
            await opened.client.with_options(retries=0).stocks.get("S-1")
        thrown = asyncio.get_running_loop().time()
        await opened.client.stocks.get("S-1")
        assert asyncio.get_running_loop().time() - thrown >= 4.9


async def test_a_429_without_retries_and_without_a_time_holds_the_key_as_well() -> None:
    async with Opened(in_turn(*[answer(429)] * 5, STOCK), latency=0.0) as opened:
        for _ in range(5):
            with pytest.raises(RateLimitedError):
                await opened.client.with_options(retries=0).stocks.get("S-1")
        moments = [sent.at for sent in opened.transport.sent]
        assert moments[-1] - moments[0] > 0.1


async def test_a_listener_is_given_every_answer_of_every_attempt() -> None:
    received: list[Response] = []
    answers = [answer(500, b"<html>"), ConnectionLostError("cut"), answer(429), answer(401), STOCK]
    async with Opened(in_turn(*answers)) as opened:
        stock = await opened.client.with_options(on_response=received.append).stocks.get("S-1")
        assert stock.id == "S-1"
        await opened.client.stocks.get("S-1")
    assert [response.status for response in received] == [500, 429, 401, 200]  # no token call among them
    assert received[0].body == b"<html>"
    assert received[-1].json() == {"id": "S-1"}


async def test_a_listener_is_given_pages_documents_and_refusals() -> None:
    received: list[str] = []
    pdf = answer(200, b"%PDF-", Content_Type="application/pdf")

    def script(sent: Sent) -> Answer:
        return pdf if sent.url.endswith("labels") else answer(200, []) if "limit" in sent.url else answer(404)

    async with Opened(script) as opened:
        client = opened.client.with_options(on_response=lambda response: received.append(response.url))
        assert [stock async for stock in client.stocks.list()] == []
        await client.returns.label("R")
        with pytest.raises(NotFoundError):
            await client.outbound.get("S")
    assert [url.rpartition("/")[2].partition("?")[0] for url in received] == ["stocks", "labels", "S"]


@pytest.mark.parametrize("mistake", [ValueError("mine"), KeyError("mine"), TimeoutError("mine"), ConnectError("mine")])
async def test_a_listeners_mistake_loses_no_answer(mistake: Exception, caplog: pytest.LogCaptureFixture) -> None:
    def listen(response: Response) -> None:
        raise mistake

    async with Opened(in_turn(CREATED)) as opened:
        with caplog.at_level(logging.ERROR):
            assert await opened.client.with_options(on_response=listen).outbound.create(ORDER) == "S-1"
        assert len(opened.transport.sent) == 1
        assert opened.left_behind() == (0, 0)
    assert "on_response failed" in caplog.text


async def test_seller_keeps_options_and_options_keep_the_seller() -> None:
    received: list[Response] = []
    async with Opened(in_turn(answer(500))) as opened:
        view = (
            opened.client.with_options(retries=0, on_response=received.append).seller("98980").with_options(deadline=9)
        )
        assert view.seller_id == "98980"
        with pytest.raises(ServerError) as caught:
            await view.stocks.get("S-1")
        assert caught.value.seller_id == "98980"
        assert len(opened.transport.sent) == len(received) == 1
        assert opened.client._scope.options == DEFAULTS


async def test_views_share_token_limit_and_stats() -> None:
    async with Opened(in_turn(STOCK), limit=Limit(1, per=10.0)) as opened:
        client = opened.client
        await client.check()
        started = asyncio.get_running_loop().time()
        for view in (
            client,
            client.with_options(retries=0),
            client.with_options(deadline=99).with_options(lane="bulk"),
        ):
            await view.stocks.get("S-1")
        assert asyncio.get_running_loop().time() - started >= 20.0
        assert len(opened.transport.token_calls) == 1
        assert client.stats().calls == 3


async def test_a_view_is_open_and_closed_with_its_client() -> None:
    opened = Opened(in_turn(STOCK))
    view = opened.client.with_options(retries=1)
    async with opened:
        assert (await view.stocks.get("S-1")).id == "S-1"
    with pytest.raises(RuntimeError, match="not open"):
        await view.stocks.get("S-1")


async def test_a_bulk_run_keeps_the_options_of_its_view() -> None:
    received: list[Response] = []
    async with Opened(in_turn(answer(429, Retry_After="1"), CREATED)) as opened:
        async with opened.client.with_options(on_response=received.append).bulk.create_outbound([order("A")]) as run:
            outcomes = [type(outcome).__name__ async for outcome in run]
    assert outcomes == ["Created"]
    assert [response.status for response in received] == [429, 201]


LANES = {"in flight is free": 100, "all slots are taken": 50}


@pytest.mark.parametrize("max_in_flight", LANES.values(), ids=LANES.keys())
async def test_an_interactive_call_goes_next_although_bulk_calls_wait(max_in_flight: int) -> None:
    async with Opened(in_turn(STOCK), latency=0.0, limit=Limit(1, per=10.0), max_in_flight=max_in_flight) as opened:
        bulk = opened.client.with_options(lane="bulk", deadline=10_000.0)
        waiting = [asyncio.create_task(bulk.stocks.get(f"B-{number}")) for number in range(51)]
        await asyncio.sleep(25)
        before = len(opened.transport.sent)
        await opened.client.with_options(deadline=1000.0).stocks.get("I")
        # One bulk call stands at the bucket already; where all slots are taken, one more must end first.
        between = len(opened.transport.sent) - before - 1
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert between <= 1
        assert opened.left_behind() == (0, 0)


async def test_bulk_gets_a_quarter_while_interactive_calls_never_cease() -> None:
    async with Opened(in_turn(STOCK), latency=0.0, limit=Limit(1, per=1.0), max_in_flight=500) as opened:
        patient = opened.client.with_options(deadline=10_000.0)
        calls = [asyncio.create_task(patient.with_options(lane="bulk").stocks.get("B")) for _ in range(100)]
        calls += [asyncio.create_task(patient.stocks.get("I")) for _ in range(100)]
        await asyncio.sleep(80)
        sent = [request.url[-1] for request in opened.transport.sent]
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
    share = sent[5:].count("B") / len(sent[5:])
    assert 0.2 <= share <= 0.3


def test_headers_are_joined_and_their_values_are_not_shown() -> None:
    options = DEFAULTS.with_headers({"X-Key": "very-secret"}).with_headers({"x-key": "other-secret", "X-B": "1"})
    assert dict(options.headers) == {"x-key": "other-secret", "X-B": "1"}
    assert repr(options) == "CallOptions(fresh=False, headers=['x-key', 'X-B'])"
    assert options.with_headers(None).headers == ()


async def test_rows_without_an_identity_are_told_once_with_the_rest_of_the_answer_or_left_out() -> None:
    body = [{"id": "S-1", "quantities": {}}, {"quantities": {}}]
    transport = FakeTransport(lambda _: answer(200, body, **{"X-Request-Id": "R-1"}))
    async with FulfillmentClient(config(), transport=transport) as client:
        with pytest.raises(BadRowError) as caught:
            await client.stocks.list()
        assert [row.id for row in (await client.with_options(on_bad_row="skip").stocks.list()).items] == ["S-1"]
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):  # noqa: S301  (our own bytes)
        assert ([row.id for row in error.rows], error.places) == (["S-1"], (1,))
        assert (error.status, error.trace_id, error.headers["x-request-id"]) == (200, "R-1", "R-1")
        assert (error.operation, error.attempts) == ("stocks.list", 1)
        assert str(error).count("R-1") == 1
        assert '"S-1"' in error.body
