"""Windows of requests that travel unevenly. Pure: the clock is a number."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from octoffm_async import Limit
from octoffm_async.contract.operations import Group
from octoffm_async.ratelimit.registry import LimiterRegistry
from octoffm_async.ratelimit.shared.store import MemoryLimits
from octoffm_async.ratelimit.window import LATE_MOST, LATE_MOST_WHEN_BUSY, TERM, SlidingWindow
from tests.support.fakes import config
from tests.unit.ratelimit.test_limiter import worst_window

LIMITS = st.builds(Limit, st.integers(1, 40), per=st.sampled_from([0.5, 1.0, 10.0]))


def sent(
    window: SlidingWindow, travels: list[float], *, answered: bool = True, lag: float = 0.0
) -> list[tuple[float, float]]:
    """Send requests as soon as the window allows it, with timers that lag; return when each left and arrived."""
    now, moments = 1000.0, list[tuple[float, float]]()
    for travel in travels:
        window.woke_late(lag, now)
        now += max(0.0, window.wait(now))
        window.add(now)
        moments.append((now, now + travel))
        if answered:
            window.answered(travel, now + travel)
    return moments


@given(LIMITS, st.floats(0.0, 0.2), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8), st.floats(0.0, 0.5))
def test_no_window_of_the_server_holds_more_if_round_trips_show_how_unevenly_requests_travel(
    limit: Limit, fastest: float, delays: list[float], timer: float
) -> None:
    window = SlidingWindow(limit, jitter=0.0)
    window.woke_late(timer * limit.per, 1000.0)
    most = window.late_most
    assert LATE_MOST <= most / limit.per <= LATE_MOST_WHEN_BUSY
    cycle = [fastest, fastest + most, *(fastest + most * delay for delay in delays)]
    assume(len(cycle) * limit.per / limit.calls < 0.8 * TERM)  # else a term does not show the fastest
    arrived = [at for _, at in sent(window, cycle * 4, lag=timer * limit.per)]
    assert worst_window(arrived[len(cycle) :], limit.per - 1e-6) <= limit.calls


@given(LIMITS, st.lists(st.none() | st.floats(0.0, 0.9), min_size=1, max_size=60))
def test_a_request_that_waits_for_its_connection_counts_from_its_response(
    limit: Limit, waits: list[float | None]
) -> None:
    """A cold start: connecting takes several round trips, and the requests behind it go over warm connections."""
    window, now, arrived = SlidingWindow(limit, jitter=0.0), 1000.0, list[float]()
    responses: list[tuple[float, float]] = []
    for wait in waits:
        while True:
            due = now + max(0.0, window.wait(now))
            if not responses or min(responses)[0] > due:
                break
            now, sent_at = responses.pop(responses.index(min(responses)))
            window.connected(sent_at, now)
        now = due
        window.add(now)
        arrived.append(now + (wait or 0.0) * limit.per)
        if wait is not None:
            responses.append((arrived[-1], now))
    assert worst_window(arrived, limit.per - 1e-6) <= limit.calls


def test_if_late_requests_did_not_count_a_window_would_hold_one_more() -> None:
    limit, travels = Limit(5, per=1.0), [0.0, 2 * LATE_MOST, 0.0] * 10
    for answered, worst in ((True, 5), (False, 6)):
        moments = sent(SlidingWindow(limit, jitter=LATE_MOST), travels, answered=answered)
        assert worst_window([at for _, at in moments], 1.0 - 1e-6) == worst


@pytest.mark.parametrize("travel", [0.0, 0.3, 4.0])
def test_even_travel_costs_nothing(travel: float) -> None:
    moments = [at for at, _ in sent(SlidingWindow(Limit(10, per=1.0), jitter=0.02), [travel] * 500)]
    assert moments[-1] - moments[0] == pytest.approx(49 * 1.02)


def test_responses_that_take_the_api_long_cost_no_more_than_a_part_of_the_limit() -> None:
    moments = [at for at, _ in sent(SlidingWindow(Limit(10, per=1.0), jitter=0.02), [0.01, 9.0] * 250)]
    assert 499 / (moments[-1] - moments[0]) >= 0.97 * 10


def test_a_late_request_costs_no_more_than_its_own_window() -> None:
    window = SlidingWindow(Limit(10, per=10.0), jitter=0.0)
    for at, travel, late in (
        (0.0, 0.03, 0.0),
        (0.5, 0.01, 0.02),
        (1.0, 0.06, 0.05),
        (3.0, 0.03, 0.05),
        (11.2, 0.01, 0.02),
        (13.2, 0.02, 0.01),
    ):
        window.answered(travel, at)
        assert window.late(at) == pytest.approx(late)


def test_the_fastest_is_known_for_as_long_as_the_slowest_counts() -> None:
    window = SlidingWindow(Limit(10, per=600.0), jitter=0.0)
    window.answered(0.0, 0.0)
    window.answered(5.0, 1.0)
    for at in range(2, 600, 20):
        window.woke_late(0.0, at)
        assert window.late(at) == 5.0


def test_late_timers_are_forgotten_after_two_terms_without_them() -> None:
    window = SlidingWindow(Limit(10, per=1.0), jitter=0.0)
    for at, timer, most in ((1.0, 0.04, 0.04), (2.0, 0.9, 0.1), (TERM + 1.0, 0.0, 0.1), (2 * TERM + 2.0, 0.002, 0.01)):
        window.woke_late(timer, at)
        window.answered(0.0, at)
        window.answered(0.5, at)
        assert window.late(at) == pytest.approx(most)


@pytest.mark.parametrize("shared", [False, True])
def test_who_waits_for_a_permit_on_uvloop_leaves_the_processor_to_others(shared: bool) -> None:
    """Its timers end early by up to a millisecond: what waits here for the exact time would look in every turn."""
    uvloop = pytest.importorskip("uvloop")

    async def spent(wait: Callable[[], Awaitable[object]]) -> float:
        started = time.process_time()
        for _ in range(200):
            await wait()
        return time.process_time() - started

    async def ratio() -> float:
        limiters = LimiterRegistry(config(limit=Limit(1300)), MemoryLimits() if shared else None)
        limiters.rebind()
        limiter = limiters.of("1", Group.STOCKS)

        async def acquire() -> None:
            await limiter.acquire("bulk")
            limiter.release()

        permits = await spent(acquire)
        limiters.close()
        await limiters.return_leases()
        return permits / await spent(partial(asyncio.sleep, 0.001))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ratio()) < 3.0


def test_a_window_is_remembered_for_as_long_as_its_requests_count() -> None:
    window = SlidingWindow(Limit(1, per=1.0), jitter=0.0)
    window.answered(0.0, 1000.0)
    window.answered(LATE_MOST, 1000.0)
    window.add(1000.0)
    assert window.wait(1001.0) > 0.0
    assert not window.idle(1001.0)
    assert window.idle(1001.0 + LATE_MOST)
