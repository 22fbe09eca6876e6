"""Rate headers: what they say in each form, what is not believed, and what the client makes of them."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from octoffm_async import Limit, RateLimitedError
from octoffm_async.contract.operations import Group
from octoffm_async.events import RateChanged
from octoffm_async.ratelimit.limiter import RateLimiter
from octoffm_async.transport.headers import RateAdvice, rate_advice
from tests.support.fakes import Answer, Sent, answer
from tests.unit.ratelimit.test_limiter import worst_window
from tests.unit.session.test_session import STOCK, Opened, in_turn

WALL = 1_800_000_000.0


def advice(**headers: str) -> RateAdvice | None:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return rate_advice(named, wall_now=WALL)


@pytest.mark.parametrize(
    ("headers", "rate", "exhausted_for"),
    [
        ({"RateLimit_Policy": "100;w=60"}, 100 / 60, 0),
        ({"RateLimit_Policy": '"default";q=100;w=60'}, 100 / 60, 0),
        ({"RateLimit_Policy": '"a,b";q=100;w=60'}, 100 / 60, 0),
        ({"RateLimit_Policy": "10;w=1, 100;w=60"}, 100 / 60, 0),
        ({"RateLimit_Policy": '"burst";q=5;w=1,"day";q=8640;w=86400'}, 0.1, 0),
        ({"X_RateLimit_Limit": "100, 100;w=60"}, 100 / 60, 0),
        ({"RateLimit": "limit=100, remaining=9, reset=5"}, 9 / 5, 0),
        ({"RateLimit": '"default";r=9;t=5'}, 9 / 5, 0),
        ({"RateLimit": "limit=100, remaining=0, reset=5"}, None, 5),
        ({"RateLimit": '"default";r=0;t=5'}, None, 5),
        ({"RateLimit_Limit": "100", "RateLimit_Remaining": "9", "RateLimit_Reset": "5"}, 9 / 5, 0),
        ({"X_RateLimit_Limit": "100", "X_RateLimit_Remaining": "9", "X_RateLimit_Reset": "5"}, 9 / 5, 0),
        ({"x_ratelimit_limit": "100", "x_ratelimit_remaining": "9", "x_ratelimit_reset": "5"}, 9 / 5, 0),
        ({"RATELIMIT": "LIMIT=100, REMAINING=0, RESET=5"}, None, 5),
        ({"X_RateLimit_Limit": "1", "X_RateLimit_Remaining": "8", "X_RateLimit_Reset": str(int(WALL) + 4)}, 2.0, 0),
        ({"X_RateLimit_Limit": "1", "X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str(int(WALL) + 40)}, None, 40),
        ({"X_RateLimit_Limit": "1", "X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "86400"}, None, 86400),
        ({"RateLimit_Policy": "100;w=60", "RateLimit": '"x";r=0;t=5'}, 100 / 60, 5),
    ],
)
def test_all_forms_that_are_in_use_are_understood(
    headers: dict[str, str], rate: float | None, exhausted_for: float
) -> None:
    found = advice(**headers)
    assert found is not None
    assert found.rate == (None if rate is None else pytest.approx(rate))
    assert found.exhausted_for == exhausted_for


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"RateLimit_Limit": "100"},
        {"RateLimit": ""},
        {"RateLimit": "garbage"},
        {"RateLimit": ";;;,,,==="},
        {"RateLimit_Policy": "100"},
        {"RateLimit_Policy": "100;w="},
        {"RateLimit_Policy": "100;w=0"},
        {"RateLimit_Policy": "0;w=60"},
        {"RateLimit_Policy": "-5;w=60"},
        {"RateLimit_Policy": "nan;w=60"},
        {"RateLimit_Policy": "100;w=nan"},
        {"RateLimit_Policy": "inf;w=60"},
        {"RateLimit_Policy": "100;w=inf"},
        {"RateLimit_Policy": "100;w=1e-320"},
        {"RateLimit_Policy": "1e308;w=1e-300"},
        {"RateLimit_Policy": "1e-300;w=1e300"},
        {"RateLimit_Policy": "1;w=1e9"},
        {"RateLimit_Limit": "100", "RateLimit_Remaining": "1", "RateLimit_Reset": "1e-320"},
        {"RateLimit_Limit": "100", "RateLimit_Remaining": "1e-300", "RateLimit_Reset": "60"},
        {"RateLimit_Limit": "100", "RateLimit_Remaining": "-1", "RateLimit_Reset": "60"},
        {"RateLimit_Limit": "100", "RateLimit_Remaining": "0", "RateLimit_Reset": "0"},
        {"RateLimit_Limit": "100", "RateLimit_Remaining": "0", "RateLimit_Reset": "-1"},
        {"RateLimit_Limit": "100", "RateLimit_Remaining": "0", "RateLimit_Reset": str(int(WALL) - 5)},
        {"RateLimit_Limit": "100", "RateLimit_Remaining": "0", "RateLimit_Reset": str(int(WALL) * 1000)},
        {"RateLimit_Limit": "100", "RateLimit_Remaining": "0", "RateLimit_Reset": str(int(WALL) + 90_000)},
        {"RateLimit_Limit": "100", "RateLimit_Remaining": "0", "RateLimit_Reset": "Thu, 01 Jan 2026 00:00:00 GMT"},
        {"RateLimit_Limit": "9" * 5000, "RateLimit_Remaining": "9" * 5000, "RateLimit_Reset": "9" * 5000},
    ],
    ids=str,
)
def test_what_cannot_be_meant_says_nothing(headers: dict[str, str]) -> None:
    assert advice(**headers) is None


NAMES = [
    "RateLimit",
    "RateLimit_Policy",
    *(f"{x}RateLimit_{n}" for x in ("", "X_") for n in ["Limit", "Remaining", "Reset"]),
]
PIECES = st.sampled_from([
    *("limit=", "remaining=", "reset=", "r=", "t=", "q=", "w=", ";", ",", '"', "=", " ", "-", "\t"),
    *("0", "1", "60", "1e308", "1e-308", "1e400", "nan", "inf", "1_0", "0x10", "١٢", "1800000060", "\x00"),
])  # fmt: skip
JUNK = st.dictionaries(st.sampled_from(NAMES), st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=40))


@given(JUNK)
def test_whatever_headers_say_the_advice_can_be_followed(headers: dict[str, str]) -> None:
    found = advice(**headers)
    if found is None:
        return
    assert found.rate is None or (1 / 86_400 <= found.rate < math.inf)
    assert 0 <= found.exhausted_for <= 86_400
    limiter = RateLimiter(None, jitter=0.0, max_in_flight=1)
    limiter.on_rate_headers(found, 0.0)
    assert limiter.control.rate(0.0) is None or found.rate is not None


@pytest.mark.parametrize("piece", ["1;w=1,", ",", ";", "=", "w=1;", '"', "q=1;w=1;", "1", "remaining=,", "r=0;t=1,"])
def test_eight_kilobytes_of_it_are_read_in_no_time(piece: str) -> None:
    header = (piece * 8192)[:8192]
    started = time.process_time()
    for _ in range(5):
        advice(RateLimit=header, RateLimit_Policy=header, RateLimit_Remaining=header, RateLimit_Reset=header)
    assert (time.process_time() - started) / 5 < 0.05


# What the client makes of it.


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (Limit(10, per=1.0), "5;w=1", 5.0),
        (Limit(5, per=1.0), "10;w=1", 5.0),
        (None, "5;w=1", 5.0),
    ],
)
async def test_the_lower_of_theirs_and_ours_holds(ours: Limit | None, theirs: str, expected: float) -> None:
    stock = answer(200, {"id": "S-1"}, RateLimit_Policy=theirs)
    async with Opened(in_turn(stock), limit=ours, limit_jitter=0.0) as opened:
        await opened.client.stocks.get("S-1")
        (key,) = (key for key in opened.client.stats().keys if key.group == "stocks")
        assert key.rate == key.ceiling == pytest.approx(expected)
        loop = asyncio.get_running_loop()
        started = loop.time()
        await asyncio.gather(*(opened.client.stocks.get("S-1") for _ in range(50)))
        assert loop.time() - started == pytest.approx(50 / expected, rel=0.05)


@pytest.mark.virtual_time
async def test_a_limit_that_is_only_told_by_what_is_left_is_held() -> None:
    # 20 per 10 s, in windows that begin every 10 s: remaining and reset change with every answer.
    used: dict[int, int] = {}

    def script(sent: Sent) -> Answer:
        window = int(sent.at // 10)
        used[window] = used.get(window, 0) + 1
        if used[window] > 20:
            return answer(429)
        reset = 10 - sent.at % 10
        left = str(20 - used[window])
        return answer(
            200, {"id": "S-1"}, RateLimit_Limit="20", RateLimit_Remaining=left, RateLimit_Reset=f"{reset:.3f}"
        )

    async with Opened(script, latency=0.05, deadline=500.0) as opened:
        await opened.client.check()
        await opened.client.stocks.get("S-1")
        loop = asyncio.get_running_loop()
        started = loop.time()
        await asyncio.gather(*(opened.client.stocks.get("S-1") for _ in range(200)))
        assert opened.client.stats().throttled <= 2
        moments = [sent.at for sent in opened.transport.sent]
        assert worst_window(moments, 1.0) <= 8, "no pacing within the window"
        assert loop.time() - started < 120


@pytest.mark.virtual_time
async def test_a_rate_that_moves_all_the_time_is_held_all_the_same() -> None:
    limiter, loop = RateLimiter(None, jitter=0.0, max_in_flight=1000), asyncio.get_running_loop()
    moments: list[float] = []

    async def one(number: int) -> None:
        limiter.on_rate_headers(RateAdvice(10.0 * (1.01 if number % 2 else 1.0), 0.0), loop.time())
        await limiter.acquire()
        moments.append(loop.time())
        limiter.on_rate_headers(RateAdvice(10.0 * (1.0 if number % 2 else 1.01), 0.0), loop.time())
        limiter.release()

    await asyncio.gather(*(one(number) for number in range(200)))
    assert worst_window(moments, 1.0) <= 13
    assert moments[-1] - moments[0] == pytest.approx(200 / 10.05, rel=0.05)


@pytest.mark.virtual_time
async def test_advice_that_goes_away_is_forgotten_after_a_while() -> None:
    slow = answer(200, {"id": "S-1"}, RateLimit_Policy="60;w=60")
    async with Opened(in_turn(slow, STOCK), limit=Limit(50, per=1.0)) as opened:
        await opened.client.stocks.get("S-1")
        limiter = opened.client._scope.session._limiters.of("12345", Group.STOCKS)
        assert limiter.control.ceiling == 1.0
        await opened.client.stocks.get("S-1")
        assert limiter.control.ceiling == 1.0, "one answer without headers is no change of policy"
        await asyncio.sleep(61)
        await opened.client.stocks.get("S-1")
        assert limiter.control.ceiling == limiter._configured
        reasons = [event.reason for event in opened.events if isinstance(event, RateChanged)]
        assert reasons == ["headers", "headers"]


@pytest.mark.virtual_time
async def test_an_exhausted_limit_pauses_the_key_until_the_reset_and_no_other() -> None:
    spent = answer(200, {"id": "S-1"}, RateLimit_Limit="100", RateLimit_Remaining="0", RateLimit_Reset="30")
    async with Opened(in_turn(spent, STOCK)) as opened:
        loop = asyncio.get_running_loop()
        await opened.client.stocks.get("S-1")
        started = loop.time()
        await opened.client.seller("98980").stocks.get("S-1")
        assert loop.time() - started < 1
        await opened.client.stocks.get("S-1")
        assert loop.time() - started == pytest.approx(30, abs=0.1)


@pytest.mark.virtual_time
async def test_a_far_reset_is_believed_for_max_retry_after_and_fails_what_cannot_wait_for_it() -> None:
    spent = answer(200, {"id": "S-1"}, RateLimit_Limit="100", RateLimit_Remaining="0", RateLimit_Reset="80000")
    async with Opened(in_turn(spent, STOCK)) as opened:
        await opened.client.stocks.get("S-1")
        with pytest.raises(RateLimitedError, match="ends in 300 s") as caught:
            await opened.client.stocks.get("S-1")
        assert caught.value.retry_after == pytest.approx(opened.client.config.max_retry_after, abs=1)
        assert len(opened.transport.sent) == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize("value", ["\x00", "9" * 8192, "nan;w=nan", "1e308;w=1e-308", "-1;w=-1", "1e-300;w=1e300"])
async def test_junk_disturbs_no_call(value: str) -> None:
    junk: Any = answer(200, {"id": "S-1"}, RateLimit=value, RateLimit_Policy=value, X_RateLimit_Reset=value)
    async with Opened(in_turn(junk)) as opened:
        loop = asyncio.get_running_loop()
        started = loop.time()
        for _ in range(10):
            await opened.client.stocks.get("S-1")
        assert loop.time() - started < 1
