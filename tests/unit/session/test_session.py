"""The pipeline: what is sent, what is sent again, what is raised, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any, Self

import msgspec
import pytest
from aioresponses import aioresponses

from octoffm_async import (
    AnswerTimeoutError,
    AuthenticationError,
    BadRequestError,
    CallError,
    CircuitOpenError,
    ClosedError,
    ConnectError,
    ConnectionLostError,
    DeadlineExceededError,
    FulfillmentClient,
    Limit,
    NotFoundError,
    RateLimitedError,
    ServerError,
    TLSError,
    UnprocessableError,
    UnusableAnswerError,
    is_outcome_unknown,
)
from octoffm_async.contract.operations import Group
from octoffm_async.transport.response import Response
from tests.support.fakes import SECRET, Answer, FakeTransport, Sent, answer, config
from tests.support.items import order

ORDER = order("ORDER-1")
CREATED = answer(201, {"outboundShipmentId": "S-1"})
STOCK = answer(200, {"id": "S-1"})


def in_turn(*answers: Answer) -> Callable[[Sent], Answer]:
    """A script of answers, the last of which repeats."""
    left = list(answers)
    return lambda sent: left.pop(0) if len(left) > 1 else left[0]


class Opened:
    """An open client on a fake transport."""

    def __init__(self, script: Callable[[Sent], Answer], *, latency: float = 0.01, **settings: Any) -> None:
        self.transport = FakeTransport(script, latency=latency)
        self.events: list[Any] = []
        self.client = FulfillmentClient(config(**settings), transport=self.transport, hooks=[self.events.append])

    async def __aenter__(self) -> Self:
        await self.client.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    def left_behind(self) -> tuple[int, int]:
        """Calls under way, and slots taken at any limiter."""
        session = self.client._scope.session
        taken = sum(limiter.in_flight for limiter in session._limiters._limiters.values())
        return session._calls_running, taken


pytestmark = pytest.mark.virtual_time


async def test_a_call_carries_token_seller_and_media_types() -> None:
    async with Opened(in_turn(CREATED), sales_channel_id="CDISFR") as opened:
        assert await opened.client.outbound.create(ORDER) == "S-1"
        sent = opened.transport.sent[0]
    assert sent.method == "POST"
    assert sent.url == "http://127.0.0.1:9/seller/v2/outbound-shipments"
    headers = dict(sent.headers)
    assert headers.pop("User-Agent").startswith("octoffm-async/")
    assert headers == {
        "Accept": "application/json",
        "Authorization": "Bearer token-1",
        "Content-Type": "application/json",
        "SalesChannelId": "CDISFR",
        "SellerId": "12345",
    }
    assert msgspec.json.decode(sent.body or b"")["reference"] == "ORDER-1"


async def test_the_token_call_is_a_form_without_a_bearer() -> None:
    async with Opened(in_turn(STOCK)) as opened:
        await opened.client.stocks.get("S-1")
        call = opened.transport.token_calls[0]
    assert call.body == f"client_id=client&client_secret={SECRET}&grant_type=client_credentials".encode()
    assert "Authorization" not in call.headers


PART = answer(206, b'{"id": "S-1', Content_Range="bytes 0-10/99")


@pytest.mark.parametrize(
    "failure", [answer(500), answer(503, b"<html>"), answer(408), PART, answer(101), ConnectionLostError("cut")]
)
async def test_a_safe_call_is_sent_again_after_a_failure(failure: Answer) -> None:
    async with Opened(in_turn(failure, failure, STOCK)) as opened:
        assert (await opened.client.stocks.get("S-1")).id == "S-1"
        assert len(opened.transport.sent) == 3
        assert opened.client.stats().retries == 2


@pytest.mark.parametrize(
    "failure",
    [
        answer(500),
        answer(502, b""),
        answer(503, b"<html>"),
        answer(408),
        answer(206, b'{"outboundShipmentId": "S-1"}'),
        answer(226, b'{"outboundShipmentId": "S-1"}'),
        answer(101),
        ConnectionLostError("cut"),
        AnswerTimeoutError("late"),
    ],
)
async def test_a_creation_whose_answer_was_lost_is_unknown_and_never_sent_again(failure: Answer) -> None:
    async with Opened(in_turn(failure, CREATED)) as opened:
        with pytest.raises(CallError, match="OUTCOME UNKNOWN") as caught:
            await opened.client.outbound.create(ORDER)
        assert caught.value.outcome_unknown
        assert is_outcome_unknown(caught.value)
        assert len(opened.transport.sent) == 1


@pytest.mark.parametrize("body", [b"12", b'{"count": 12}', b"[]"])
async def test_a_part_of_an_answer_is_no_value(body: bytes) -> None:
    """12 may be the beginning of 1234, and an empty list that of a list whose rows came in another part."""
    async with Opened(in_turn(*[answer(206, body)] * 2), max_attempts=2) as opened:
        with pytest.raises(UnusableAnswerError, match="206, a part of an answer, which was not asked for") as caught:
            await opened.client.outbound.count()
        assert caught.value.retryable


@pytest.mark.parametrize("harmless", [answer(429), answer(429, Retry_After="3"), answer(401), ConnectError("refused")])
async def test_a_creation_that_was_surely_not_carried_out_is_sent_again(harmless: Answer) -> None:
    async with Opened(in_turn(harmless, CREATED)) as opened:
        assert await opened.client.outbound.create(ORDER) == "S-1"
        assert len(opened.transport.sent) == 2


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"outboundShipmentId": null}', b"[1, 2]", b"{"])
async def test_a_creation_without_a_readable_id_is_unknown(body: bytes) -> None:
    async with Opened(in_turn(answer(201, body))) as opened:
        with pytest.raises(UnusableAnswerError) as caught:
            await opened.client.outbound.create(ORDER)
        assert caught.value.outcome_unknown


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, BadRequestError), (404, NotFoundError), (415, BadRequestError), (422, UnprocessableError)],
)
async def test_a_refusal_is_raised_at_once(status: int, error: type[CallError]) -> None:
    async with Opened(in_turn(answer(status))) as opened:
        with pytest.raises(error) as caught:
            await opened.client.outbound.create(ORDER)
        assert not caught.value.outcome_unknown
        assert len(opened.transport.sent) == 1


async def test_a_redirect_is_not_followed_and_leaves_a_creation_unknown() -> None:
    async with Opened(in_turn(answer(303, Location="/elsewhere"))) as opened:
        with pytest.raises(UnusableAnswerError) as read:
            await opened.client.stocks.get("S-1")
        assert not read.value.outcome_unknown
        with pytest.raises(UnusableAnswerError) as created:
            await opened.client.outbound.create(ORDER)
        assert created.value.outcome_unknown
        assert len(opened.transport.sent) == 2


async def test_a_tls_failure_is_not_tried_again() -> None:
    async with Opened(in_turn(TLSError("bad certificate"))) as opened:
        with pytest.raises(TLSError):
            await opened.client.stocks.get("S-1")
        assert len(opened.transport.sent) == 1


async def test_an_unreachable_host_is_told_with_attempts_and_time() -> None:
    async with Opened(in_turn(ConnectError("no connection to 127.0.0.1:9")), max_attempts=4) as opened:
        with pytest.raises(
            ConnectError, match=r"stocks\.get, seller 12345, 4 attempts, .* s on the wire, .* s waiting"
        ):
            await opened.client.stocks.get("S-1")


async def test_a_token_endpoint_that_cannot_be_reached_is_told_as_such() -> None:
    async with Opened(in_turn(STOCK), max_attempts=3) as opened:
        opened.transport.token_script = in_turn(ConnectError("no connection to 127.0.0.1:9"))
        with pytest.raises(ConnectError, match=r"\[token\.create, 3 attempts") as caught:
            await opened.client.outbound.create(ORDER)
        assert not caught.value.outcome_unknown
        assert not opened.transport.sent


async def test_one_401_renews_the_token_once_and_a_second_one_is_raised() -> None:
    async with Opened(in_turn(answer(401), STOCK)) as opened:
        await opened.client.stocks.get("S-1")
        assert [sent.headers["Authorization"] for sent in opened.transport.sent] == ["Bearer token-1", "Bearer token-2"]
    async with Opened(in_turn(answer(401))) as opened:
        with pytest.raises(AuthenticationError):
            await opened.client.stocks.get("S-1")
        assert len(opened.transport.sent) == 2


async def test_a_burst_of_401s_renews_the_token_once() -> None:
    def script(sent: Sent) -> Answer:
        return answer(401) if sent.headers["Authorization"] == "Bearer token-1" else STOCK

    async with Opened(script) as opened:
        await asyncio.gather(*(opened.client.stocks.get("S-1") for _ in range(40)))
        assert len(opened.transport.token_calls) == 2


async def test_wrong_credentials_make_one_call_and_one_clear_error() -> None:
    async with Opened(in_turn(STOCK)) as opened:
        refusal = {"error": "unauthorized_client", "error_description": "Invalid client or Invalid client credentials"}
        opened.transport.token_script = in_turn(answer(401, refusal))
        results = await asyncio.gather(*(opened.client.stocks.get("S-1") for _ in range(50)), return_exceptions=True)
        assert all(isinstance(result, AuthenticationError) for result in results)
        assert "check client_id and client_secret" in str(results[0])
        assert len(opened.transport.token_calls) == 1
        assert not opened.transport.sent


@pytest.mark.parametrize("reported", ["7", "Thu, 01 Jan 1970 00:00:00 GMT", None])
async def test_a_429_pauses_all_calls_of_its_key_and_no_other(reported: str | None) -> None:
    headers = {} if reported is None else {"Retry_After": reported}
    throttle = answer(429, **headers)
    left: dict[str, list[Answer]] = {"12345": [throttle, STOCK], "98980": [STOCK]}

    def script(sent: Sent) -> Answer:
        mine = left[sent.headers["SellerId"]]
        return mine.pop(0) if len(mine) > 1 else mine[0]

    async with Opened(script, limit=Limit(1000)) as opened:
        loop = asyncio.get_running_loop()
        first = asyncio.create_task(opened.client.stocks.get("S-1"))
        await asyncio.sleep(0.03)
        started = loop.time()
        await opened.client.seller("98980").stocks.get("S-1")
        assert loop.time() - started < 0.1
        pause = opened.client._scope.session._limiters.of("12345", Group.STOCKS).paused_until
        await asyncio.gather(first, *(opened.client.stocks.get("S-1") for _ in range(5)))
        after = [sent.at for sent in opened.transport.sent if sent.headers["SellerId"] == "12345"][1:]
        assert len(after) == 6
        assert min(after) >= min(pause, started + 7 if reported == "7" else pause)
        assert opened.client.stats().throttled == 1


async def test_a_retry_after_beyond_the_bound_is_raised_and_holds_the_key() -> None:
    async with Opened(in_turn(answer(429, Retry_After="4000"), STOCK)) as opened:
        with pytest.raises(RateLimitedError, match="max_retry_after") as caught:
            await opened.client.stocks.get("S-1")
        assert caught.value.retry_after == 4000
        with pytest.raises(RateLimitedError, match="not sent"):
            await opened.client.stocks.get("S-1")
        assert len(opened.transport.sent) == 1


ABSURD = ["1000000000", "30000", "1e12", "Sun, 01 Nov 2099 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"]
UNREADABLE = ["-5", "nan", "inf", "1e400", "soon", "", "0", "Sun, 01 Nov 1999 00:00:00 GMT", "99999999-99-99", "0x10"]


@pytest.mark.parametrize("stated", ABSURD + UNREADABLE)
async def test_an_absurd_pause_ends_with_one_probe_after_the_longest_that_is_believed(stated: str) -> None:
    async with Opened(in_turn(answer(429, Retry_After=stated), STOCK), max_retry_after=40.0) as opened:
        loop, stocks = asyncio.get_running_loop(), opened.client.stocks
        begun = loop.time()
        if stated in ABSURD:
            with pytest.raises(RateLimitedError, match="longer than max_retry_after"):
                await stocks.get("S-1")
            with pytest.raises(RateLimitedError, match="not sent"):
                await stocks.get("S-1")
            await asyncio.sleep(40)
        else:
            await stocks.get("S-1")
        asked = len(opened.transport.sent)
        await asyncio.gather(*(stocks.get("S-1") for _ in range(20)))
        probe, *others = [sent.at for sent in opened.transport.sent[asked:]]
        assert probe - begun <= 40.1
        assert stated in UNREADABLE or min(others) > probe
        assert loop.time() - begun < 50


@pytest.mark.parametrize("reset", ["30000", "86400", "nan", "-1", "1e400", "1763000000000", "", "tomorrow"])
@pytest.mark.parametrize("name", ["X-RateLimit-Reset", "RateLimit-Reset"])
async def test_an_absurd_reset_holds_no_key_longer_than_the_longest_pause(name: str, reset: str) -> None:
    told = answer(200, {"id": "S-1"}, **{name: reset, "RateLimit-Limit": "100", "RateLimit-Remaining": "0"})
    async with Opened(in_turn(told, STOCK), max_retry_after=40.0) as opened:
        begun = asyncio.get_running_loop().time()
        await opened.client.stocks.get("S-1")
        await opened.client.stocks.get("S-1")
        assert asyncio.get_running_loop().time() - begun <= 41


async def test_one_deadline_covers_attempts_and_waits() -> None:
    async with Opened(in_turn(answer(500)), max_attempts=1000, deadline=12.0) as opened:
        loop = asyncio.get_running_loop()
        started = loop.time()
        with pytest.raises((ServerError, DeadlineExceededError), match="deadline"):  # by chance of the back-off
            await opened.client.stocks.get("S-1")
        assert loop.time() - started <= 12.01


async def test_a_deadline_met_on_the_wire_leaves_a_creation_unknown() -> None:
    async with Opened(in_turn(CREATED), latency=100.0, deadline=5.0) as opened:
        opened.transport.token_script = in_turn(answer(200, {"access_token": "t", "expires_in": 7200}))
        opened.transport.latency = 1.0
        await opened.client.check()
        opened.transport.latency = 100.0
        with pytest.raises(DeadlineExceededError) as caught:
            await opened.client.outbound.create(ORDER)
        assert caught.value.outcome_unknown
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.travelled == pytest.approx(5.0, abs=0.1)


async def test_a_deadline_met_while_waiting_for_the_limit_leaves_a_creation_undone() -> None:
    async with Opened(in_turn(CREATED), limit=Limit(1, per=60.0), deadline=5.0) as opened:
        await opened.client.outbound.create(ORDER)
        with pytest.raises(DeadlineExceededError) as caught:
            await opened.client.outbound.create(ORDER)
        assert not caught.value.outcome_unknown
        assert caught.value.attempts == 0


async def test_an_outage_costs_no_more_retries_than_the_budget() -> None:
    async with Opened(in_turn(answer(500)), retry_budget=50, deadline=1000.0) as opened:
        results = await asyncio.gather(*(opened.client.stocks.get("S-1") for _ in range(200)), return_exceptions=True)
        assert all(isinstance(result, ServerError | CircuitOpenError) for result in results)
        assert len(opened.transport.sent) <= 50 + 50 // 5  # those under way when it began, and what the budget pays for
        assert opened.client.stats().circuit == "open"


async def test_permits_are_not_spent_while_a_token_is_awaited() -> None:
    # Otherwise the calls that wait for the token would leave in one bunch.
    async with Opened(in_turn(STOCK), limit=Limit(10, per=1.0)) as opened:
        opened.transport.latency = 5.0
        calls = [asyncio.create_task(opened.client.stocks.get("S-1")) for _ in range(30)]
        await asyncio.sleep(5.0)
        opened.transport.latency = 0.0
        await asyncio.gather(*calls)
        moments = [sent.at for sent in opened.transport.sent]
        assert all(later - earlier >= 1.0 for earlier, later in zip(moments, moments[10:], strict=False))


@pytest.mark.parametrize("latency", [0.01, 3.0])
@pytest.mark.parametrize("seed", range(15))
async def test_cancelling_at_any_moment_leaves_nothing_behind(seed: int, latency: float) -> None:
    rng = random.Random(seed)

    def script(sent: Sent) -> Answer:
        return rng.choice([CREATED, answer(401), answer(429, Retry_After="2"), answer(500), ConnectError("x"), CREATED])

    async with Opened(script, latency=latency, limit=Limit(20, per=1.0), max_in_flight=5) as opened:
        calls = [asyncio.create_task(opened.client.outbound.create(ORDER)) for _ in range(40)]
        for call in calls:
            await asyncio.sleep(rng.random() * 0.3)
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert opened.left_behind() == (0, 0)
        cancelled = [result for result in results if isinstance(result, asyncio.CancelledError)]
        assert cancelled
        opened.transport.script = in_turn(CREATED)
        assert await opened.client.outbound.create(ORDER) == "S-1"


async def test_a_cancelled_creation_says_whether_it_was_under_way() -> None:
    async with Opened(in_turn(CREATED), latency=10.0, limit=Limit(1, per=100.0), deadline=500.0) as opened:
        opened.transport.latency = 0.0
        await opened.client.check()
        opened.transport.latency = 10.0
        sending = asyncio.create_task(opened.client.outbound.create(ORDER))
        await asyncio.sleep(1)
        waiting = asyncio.create_task(opened.client.outbound.create(ORDER))
        await asyncio.sleep(1)
        sending.cancel()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError) as under_way:
            await sending
        with pytest.raises(asyncio.CancelledError) as not_sent:
            await waiting
    assert is_outcome_unknown(under_way.value)
    assert not is_outcome_unknown(not_sent.value)


async def test_a_client_that_is_not_open_says_so() -> None:
    opened = Opened(in_turn(STOCK))
    with pytest.raises(ClosedError, match="not open"):
        await opened.client.stocks.get("S-1")
    async with opened:
        await opened.client.stocks.get("S-1")
    with pytest.raises(ClosedError, match="not open"):
        await opened.client.stocks.get("S-1")
    async with opened:
        await opened.client.stocks.get("S-1")


async def test_closing_lets_calls_under_way_finish() -> None:
    opened = Opened(in_turn(CREATED), latency=3.0)
    await opened.client.open()
    await opened.client.check()
    call = asyncio.create_task(opened.client.outbound.create(ORDER))
    await asyncio.sleep(1)
    await opened.client.close()
    assert await call == "S-1"


async def test_events_tell_attempts_retries_and_the_end() -> None:
    async with Opened(in_turn(answer(500), answer(429), STOCK)) as opened:
        await opened.client.stocks.get("S-1")
        kinds = [type(event).__name__ for event in opened.events]
    assert kinds.count("AttemptFinished") == 4  # the token's too
    assert kinds.count("RetryScheduled") == 2
    assert kinds.count("Throttled") == 1
    assert kinds.count("TokenFetched") == 1
    assert kinds[-1] == "CallFinished"


@pytest.mark.parametrize(
    "echo",
    [
        lambda sent: answer(400, {"title": f"you sent {dict(sent.headers)}", "detail": str(sent.body)}),
        lambda sent: answer(400, {"title": "x", "errors": {"token": [sent.headers.get("Authorization", "")]}}),
        lambda sent: answer(500, str(dict(sent.headers)).encode()),
        lambda sent: answer(200, str(dict(sent.headers)).encode()),
    ],
)
async def test_no_secret_reaches_logs_reprs_or_errors(
    echo: Callable[[Sent], Response], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    transport = FakeTransport(echo, latency=0.01)
    client = FulfillmentClient(config(), transport=transport)
    shown: list[str] = []
    async with client:
        for call in (client.stocks.get("S-1"), client.outbound.create(ORDER)):
            with pytest.raises(CallError) as caught:
                await call
            shown += [str(caught.value), repr(caught.value), repr(vars(caught.value))]
        transport.token_script = lambda sent: answer(
            400, {"error": "invalid_request", "error_description": str(sent.body)}
        )
        client._scope.session.tokens.invalidate(await client._scope.session.tokens.get())
        with pytest.raises(AuthenticationError) as refused:
            await client.check()
        shown += [str(refused.value), repr(vars(refused.value))]
        shown += [repr(client), repr(client.config), str(client.config), repr(client._scope.session.tokens._token)]
    text = "\n".join(shown) + caplog.text
    assert SECRET not in text
    assert "token-1" not in text
    assert "Bearer ***" in text or "***" in text


async def test_a_broken_token_answer_shows_nothing_of_itself() -> None:
    async with Opened(in_turn(STOCK)) as opened:
        opened.transport.token_script = in_turn(answer(200, b'{"access_token": "very-secret-token", "expires_in": '))
        with pytest.raises(UnusableAnswerError) as caught:
            await opened.client.stocks.get("S-1")
    assert "very-secret-token" not in str(caught.value) + repr(vars(caught.value))


@pytest.mark.one_loop
async def test_the_pipeline_works_over_a_mocked_session(responses: aioresponses) -> None:
    settings = config()
    responses.post(settings.token_url, payload={"access_token": "t", "expires_in": 7200})
    responses.get(f"{settings.base_url}/stocks/S-1", status=503, body="<html>", content_type="text/html")
    responses.get(f"{settings.base_url}/stocks/S-1", payload={"id": "S-1", "new": {"field": 1}})
    async with FulfillmentClient(settings) as client:
        assert (await client.stocks.get("S-1")).id == "S-1"


async def test_a_call_under_way_may_renew_its_token_while_the_client_closes() -> None:
    opened = Opened(in_turn(answer(401), STOCK), latency=1.0)
    await opened.client.open()
    await opened.client.check()
    call = asyncio.create_task(opened.client.stocks.get("S-1"))
    await asyncio.sleep(0.5)
    await opened.client.close(drain=10.0)
    assert (await call).id == "S-1"
    with pytest.raises(ClosedError):
        await opened.client.stocks.get("S-1")


async def test_a_call_that_outlived_a_close_does_not_disturb_the_reopened_client() -> None:
    opened = Opened(in_turn(STOCK), latency=0.01, deadline=20.0, max_in_flight=2)
    await opened.client.open()
    await opened.client.check()
    opened.transport.latency = 50.0
    old = asyncio.create_task(opened.client.stocks.get("S-1"))
    await asyncio.sleep(1.0)
    await opened.client.close(drain=0.0)
    await opened.client.open()
    opened.transport.latency = 0.01
    for _ in range(50):
        await opened.client.stocks.get("S-1")
        await asyncio.sleep(1.0)
    with pytest.raises(DeadlineExceededError):
        await old
    assert opened.left_behind() == (0, 0)
    await opened.client.close()


async def test_an_error_that_is_nobodys_leaves_nothing_behind() -> None:
    async with Opened(in_turn(LookupError("a mistake of the transport"), LookupError("and one more"), STOCK)) as opened:
        with pytest.raises(LookupError) as caught:
            await opened.client.outbound.create(ORDER)
        assert is_outcome_unknown(caught.value)
        with pytest.raises(LookupError):
            await opened.client.stocks.get("S-1")
        assert opened.left_behind() == (0, 0)
        assert opened.events[-1].error == "LookupError"
        assert (await opened.client.stocks.get("S-1")).id == "S-1"
