"""Limits: the arithmetic by property, the limiter on a clock that jumps."""

from __future__ import annotations

import asyncio
import gc
import logging
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async import ClosedError, FulfillmentClient, Limit, OverloadedError, RateLimitedError
from octoffm_async.contract.operations import Group
from octoffm_async.contract.stocks import Stock
from octoffm_async.ratelimit.limiter import RateLimiter
from octoffm_async.ratelimit.priority_queue import Priority
from octoffm_async.ratelimit.registry import LimiterRegistry
from octoffm_async.ratelimit.window import LeakyBucket, SlidingWindow, burst_for
from octoffm_async.settings.values import TOKEN_LIMIT
from octoffm_async.transport.headers import RateAdvice
from tests.conftest import VirtualTimeLoop
from tests.support.fakes import FakeTransport, config
from tests.support.items import on_virtual_time
from tests.unit.sizes import tries

LIMITS = st.builds(
    Limit,
    st.integers(1, 2000),
    per=st.floats(0.1, 120.0),
    burst=st.none() | st.integers(1, 50),
)


def worst_window(moments: list[float], per: float) -> int:
    """The most moments that any window of length ``per`` holds."""
    ordered, first, worst = sorted(moments), 0, 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= per:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


@given(LIMITS, st.floats(0.0, 0.1), st.lists(st.floats(0.0, 2.0), max_size=300))
def test_no_window_can_hold_more_than_the_limit(limit: Limit, jitter: float, gaps: list[float]) -> None:
    windows, now, left = SlidingWindow(limit, jitter=jitter), 1000.0, []
    for gap in gaps:
        now += gap
        now += windows.wait(now)
        assert windows.wait(now) <= 1e-9
        windows.add(now)
        left.append(now)
    assert worst_window(left, limit.per + jitter - 1e-6) <= limit.calls


def test_a_rounding_error_of_the_clock_lets_nobody_through_twice() -> None:
    windows, left = SlidingWindow(Limit(1, per=23.02058712705984), jitter=0.0), []
    now = 1001.2356517457486995
    for _ in range(3):
        now += windows.wait(now)
        windows.add(now)
        left.append(now)
    assert worst_window(left, 23.0) == 1


@pytest.mark.parametrize("calls", [5, 20, 100, 500])
@pytest.mark.parametrize("per", [1.0, 10.0, 60.0])
def test_the_steady_rate_uses_at_least_98_percent_of_the_limit(calls: int, per: float) -> None:
    assert SlidingWindow(Limit(calls, per=per), jitter=0.02).rate * per >= 0.98 * calls


def test_a_burst_makes_up_for_late_timers_or_is_what_was_asked_for() -> None:
    assert burst_for(500.0) == 6.0
    assert burst_for(0.1) == pytest.approx(1.001)
    assert burst_for(10.0, burst=4) == 4


def admissions(limit: Limit, arrivals: list[float], *, jitter: float = 0.0) -> list[float]:
    """When a limiter lets calls through that arrive after the given gaps, on a loop whose clock jumps."""
    admitted: list[float] = []

    async def arrive() -> None:
        limiter = RateLimiter(limit, jitter=jitter, max_in_flight=10_000)
        loop = asyncio.get_running_loop()

        async def one() -> None:
            await limiter.acquire()
            admitted.append(loop.time())
            limiter.release()

        async with asyncio.TaskGroup() as group:
            for gap in arrivals:
                await asyncio.sleep(gap)
                group.create_task(one())

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(arrive())
    return admitted


@settings(max_examples=tries(60))
@given(
    st.integers(1, 30),
    st.sampled_from([0.5, 1.0, 7.0]),
    st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3, 2.0]), min_size=1, max_size=120),
)
def test_random_arrivals_never_exceed_the_limit_in_any_window(calls: int, per: float, gaps: list[float]) -> None:
    admitted = admissions(Limit(calls, per=per), gaps)
    assert len(admitted) == len(gaps)
    assert worst_window(admitted, per) <= calls


def test_a_saturated_limiter_admits_the_full_rate() -> None:
    admitted = admissions(Limit(50, per=1.0), [0.0] * 1000, jitter=0.02)
    assert 1000 / (admitted[-1] - admitted[0]) >= 0.98 * 50
    assert worst_window(admitted, 1.0) <= 50


def test_a_plain_limiter_would_break_the_promise_that_ours_keeps() -> None:
    # The comparison that makes the property above worth something: N at once, refilled meanwhile.
    from aiolimiter import AsyncLimiter

    admitted: list[float] = []

    async def flood() -> None:
        limiter = AsyncLimiter(50, 1.0)

        async def one() -> None:
            await limiter.acquire()
            admitted.append(asyncio.get_running_loop().time())

        await asyncio.gather(*(one() for _ in range(200)))

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(flood())
    assert worst_window(admitted, 1.0) > 95


@pytest.mark.virtual_time
async def test_a_pause_holds_every_caller_of_the_key() -> None:
    limiter, loop = RateLimiter(None, jitter=0.0, max_in_flight=10), asyncio.get_running_loop()
    started = loop.time()
    limiter.pause(started + 30)
    await asyncio.gather(*(limiter.acquire() for _ in range(5)))
    assert loop.time() - started >= 30


@pytest.mark.virtual_time
async def test_a_pause_that_begins_while_a_permit_is_awaited_holds_that_call_too() -> None:
    limiter, loop = RateLimiter(Limit(1, per=10.0), jitter=0.0, max_in_flight=10), asyncio.get_running_loop()
    await limiter.acquire()
    started = loop.time()
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(1)
    limiter.pause(loop.time() + 60)
    await waiting
    assert loop.time() - started >= 61


@pytest.mark.virtual_time
async def test_a_pause_that_ends_too_late_for_calls_that_wait_fails_them_at_once() -> None:
    limiter, loop = RateLimiter(Limit(1, per=10.0), jitter=0.0, max_in_flight=10), asyncio.get_running_loop()
    await limiter.acquire()
    started = loop.time()
    waiting = [asyncio.create_task(limiter.acquire(until=started + wait)) for wait in (50.0, 3700.0, 50.0)]
    await asyncio.sleep(1)
    waiting.pop().cancel()
    limiter.stated_until = started + 3600
    limiter.pause(started + 60)
    limiter.reject_waiting(loop.time())
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert done == {waiting[0]}
    assert loop.time() == pytest.approx(started + 1)
    with pytest.raises(RateLimitedError, match="ends in 3599 s, 3550 s after the deadline"):
        await waiting[0]
    await waiting[1]
    assert loop.time() == pytest.approx(started + 60, abs=0.01)


@pytest.mark.virtual_time
@pytest.mark.parametrize("is_stated", [True, False])
async def test_only_a_pause_that_the_api_stated_is_called_one_that_it_asked_for(is_stated: bool) -> None:
    limiter, now = RateLimiter(None, jitter=0.0, max_in_flight=1), asyncio.get_running_loop().time()
    if is_stated:
        limiter.on_rate_headers(RateAdvice(rate=None, exhausted_for=30.0), now)
    else:
        limiter.pause(now + 30.0)
    with pytest.raises(RateLimitedError) as caught:
        await limiter.acquire(until=now + 10.0)
    assert ("the API asked" in str(caught.value)) is is_stated


@pytest.mark.virtual_time
async def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    limiter, loop = RateLimiter(None, jitter=0.0, max_in_flight=1), asyncio.get_running_loop()
    limiter.pause(loop.time() + 60)
    limiter.pause(loop.time() + 1)
    assert limiter.paused_until == loop.time() + 60


@pytest.mark.virtual_time
async def test_no_more_than_max_in_flight_are_inside() -> None:
    limiter, inside, most = RateLimiter(None, jitter=0.0, max_in_flight=3), 0, 0

    async def visit() -> None:
        nonlocal inside, most
        await limiter.acquire()
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(1)
        inside -= 1
        limiter.release()

    await asyncio.gather(*(visit() for _ in range(20)))
    assert most == 3


@pytest.mark.virtual_time
@pytest.mark.parametrize("seed", range(20))
async def test_cancelling_waiters_at_random_leaks_no_slot_and_no_permit(seed: int) -> None:
    rng, loop = random.Random(seed), asyncio.get_running_loop()
    limiter = RateLimiter(Limit(5, per=1.0), jitter=0.0, max_in_flight=4)

    async def visit() -> None:
        await limiter.acquire()
        try:
            await asyncio.sleep(rng.random())
        finally:
            limiter.release()

    visitors = [asyncio.create_task(visit()) for _ in range(40)]
    for visitor in rng.sample(visitors, 25):
        await asyncio.sleep(rng.random() * 0.2)
        visitor.cancel()
    await asyncio.gather(*visitors, return_exceptions=True)
    await asyncio.sleep(5)
    started = loop.time()
    for _ in range(4):  # all four slots are free again, and the limit's permits with them
        await limiter.acquire()
    assert loop.time() - started < 1.0


class Usage:
    """Who is inside a limiter, and when each departed."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.departed: list[float] = []


async def disturb(limiter: RateLimiter, kind: int, rng: random.Random) -> None:
    """Something that happens to a limiter while calls wait at it."""
    loop = asyncio.get_running_loop()
    match kind:
        case 0:
            limiter.pause(loop.time() + rng.choice([0.0, 0.2, 3.0]))
        case 1:
            limiter.on_rate_headers(
                RateAdvice(rng.choice([0.5, 3.0, 50.0, None]), rng.choice([0.0, 0.0, 2.0])), loop.time()
            )
        case 3:
            limiter.restart()
        case 4 if rng.random() < 0.2:
            limiter.close()
            if rng.random() < 0.5:
                await asyncio.sleep(0)
            limiter.rebind()
        case _:
            await asyncio.sleep(rng.choice([0.0, 0.01, 1.0]))


async def adversary(limiter: RateLimiter, seed: int, steps: int) -> Usage:
    """Callers of all kinds, cancellations, pauses, 429s, advice, closing and reopening, at random moments."""
    rng, loop, usage = random.Random(seed), asyncio.get_running_loop(), Usage()
    tasks: list[asyncio.Task[None]] = []

    async def call(lane: Priority, stay: float, *, first: bool, throttled: bool) -> None:
        until = loop.time() + rng.choice([0.5, 5.0, 500.0])
        probe = await limiter.acquire(lane, until=rng.choice([None, until]), first=first)
        sent_at, epoch = loop.time(), limiter.epoch_of(probe=probe)
        usage.inside += 1
        usage.most = max(usage.most, usage.inside)
        usage.departed.append(sent_at)
        try:
            await asyncio.sleep(stay)
        finally:
            usage.inside -= 1
            limiter.release(probe=probe)
        if throttled and limiter.on_throttled(epoch=epoch, now=loop.time()):
            limiter.pause(loop.time() + rng.choice([0.0, 0.3, 2.0]))
        elif not throttled:
            limiter.on_accepted(epoch=epoch, sent_at=sent_at, now=loop.time())

    for _ in range(steps):
        kind = rng.randrange(12)
        if kind >= 6:
            lane: Priority = rng.choice(["interactive", "bulk"])
            stay = rng.choice([0.0, 0.1, 1.0])
            first, throttled = rng.random() < 0.1, rng.random() < 0.1
            tasks.append(asyncio.create_task(call(lane, stay, first=first, throttled=throttled)))
        elif kind == 2 and tasks:
            rng.choice(tasks).cancel()
        else:
            await disturb(limiter, kind, rng)
        if rng.random() < 0.3:
            await asyncio.sleep(rng.choice([0.0, 0.05, 0.3]))
    for task in rng.sample(tasks, len(tasks) // 4):
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    expected = (asyncio.CancelledError, OverloadedError, RateLimitedError, ClosedError)
    assert all(result is None or isinstance(result, expected) for result in results), results
    return usage


@settings(max_examples=tries(120))
@given(
    seed=st.integers(0, 2**32),
    limit=st.none() | st.builds(Limit, st.integers(1, 12), per=st.sampled_from([0.5, 2.0, 10.0])),
    in_flight=st.integers(1, 6),
)
def test_nothing_is_leaked_and_no_window_exceeded_whatever_happens(
    seed: int, limit: Limit | None, in_flight: int
) -> None:
    async def main() -> None:
        limiter = RateLimiter(limit, jitter=0.0, max_in_flight=in_flight)
        usage = await adversary(limiter, seed, 60)
        assert usage.most <= in_flight
        assert limiter.in_flight == 0
        assert not limiter._probe_out
        assert limiter.stats("1", Group.STOCKS, 0.0).waiting == 0
        if limit is not None:
            assert worst_window(usage.departed, limit.per - 1e-6) <= limit.calls
        limiter.on_rate_headers(RateAdvice(100.0, 0.0), asyncio.get_running_loop().time())
        await asyncio.sleep(30)
        assert limiter._dispatcher is None, "it waits for nobody"
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
        probe = await asyncio.wait_for(limiter.acquire(), 60)  # it still lets calls through
        limiter.release(probe=probe)

    on_virtual_time(main)


@pytest.mark.virtual_time
async def test_an_error_of_the_dispatcher_reaches_those_who_wait_and_the_next_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limiter = RateLimiter(Limit(1, per=10.0), jitter=0.0, max_in_flight=10)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    await limiter.acquire()

    async def fail() -> None:
        raise LookupError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(RateLimiter, "_next_permit", lambda _: fail())
        results = await asyncio.gather(*(limiter.acquire() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    await limiter.acquire()


@pytest.mark.virtual_time
async def test_a_dispatcher_that_a_stranger_cancels_is_replaced() -> None:
    limiter = RateLimiter(Limit(1, per=10.0), jitter=0.0, max_in_flight=10)
    await limiter.acquire()
    waiting = [asyncio.create_task(limiter.acquire()) for _ in range(2)]
    await asyncio.sleep(1)
    for task in asyncio.all_tasks():
        if task.get_name() == "octoffm_async limit":
            task.cancel()
    await asyncio.wait_for(asyncio.gather(*waiting), 30)
    await asyncio.sleep(0)
    assert limiter._dispatcher is None


@pytest.mark.virtual_time
async def test_a_close_ends_all_who_wait_and_the_dispatcher() -> None:
    limiter = RateLimiter(Limit(1, per=1000.0), jitter=0.0, max_in_flight=10)
    await limiter.acquire()
    waiting = [asyncio.create_task(limiter.acquire()) for _ in range(100)]
    await asyncio.sleep(1)
    limiter.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, ClosedError) for result in results)
    await asyncio.sleep(0)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    with pytest.raises(ClosedError):
        await limiter.acquire()


@pytest.mark.parametrize("while_waiting", [True, False])
def test_closing_leaves_no_task_for_the_loop_to_destroy(while_waiting: bool, caplog: pytest.LogCaptureFixture) -> None:
    client = FulfillmentClient(config(limit=Limit(1, per=1000.0), deadline=900.0), transport=FakeTransport())

    async def main() -> list[BaseException | Stock]:
        await client.open()
        await client.stocks.get("S-1")
        calls = [asyncio.create_task(client.stocks.get("S-1")) for _ in range(10)]
        await asyncio.sleep(1 if while_waiting else 0)
        await client.close(drain=0.1)
        return await asyncio.gather(*calls, return_exceptions=True)

    loop = VirtualTimeLoop()
    results = loop.run_until_complete(main())
    assert asyncio.all_tasks(loop) == set()
    loop.close()
    gc.collect()
    assert {type(result) for result in results} == {ClosedError, OverloadedError}  # two turns come before the deadline
    assert [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.ERROR] == []


def test_a_limiter_goes_on_on_the_next_loop() -> None:
    limiter = RateLimiter(Limit(2, per=5.0), jitter=0.0, max_in_flight=2)

    async def use() -> None:
        limiter.rebind()
        await limiter.acquire()
        await limiter.acquire()
        waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(0.5)
        limiter.close()
        await asyncio.gather(*waiting, return_exceptions=True)
        limiter.release()
        limiter.release()

    for _ in range(3):
        on_virtual_time(use)
    assert limiter.in_flight == 0


@pytest.mark.virtual_time
async def test_a_limit_of_flights_that_shrinks_lets_nobody_in_before_it_is_kept() -> None:
    limiter, loop = RateLimiter(Limit(1000), jitter=0.0, max_in_flight=8), asyncio.get_running_loop()
    for _ in range(8):
        await limiter.acquire()
    limiter.restart()
    waiting = asyncio.create_task(limiter.acquire())
    for _ in range(7):
        await asyncio.sleep(1)
        limiter.release()
        assert not waiting.done()
    await asyncio.sleep(1)
    limiter.release()
    await waiting
    assert loop.time() == pytest.approx(1008.0, abs=0.01)


@pytest.mark.virtual_time
async def test_a_probe_that_is_cancelled_before_it_departs_makes_room_for_another() -> None:
    limiter, loop = RateLimiter(None, jitter=0.0, max_in_flight=8), asyncio.get_running_loop()
    limiter.on_throttled(epoch=limiter.control.epoch, now=loop.time())
    limiter.pause(loop.time() + 1)
    waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
    loop.call_later(1.0, waiting[0].cancel)  # in the moment in which it is let go
    await asyncio.sleep(2)
    assert [task.done() for task in waiting] == [True, True, False]
    assert waiting[1].result() is True
    limiter.release(probe=True)
    assert await waiting[2] is True


@pytest.mark.virtual_time
async def test_who_goes_first_does() -> None:
    limiter, order = RateLimiter(Limit(1, per=1.0), jitter=0.0, max_in_flight=100), list[str]()

    async def one(name: str, lane: Priority, *, first: bool = False) -> None:
        await limiter.acquire(lane, first=first)
        order.append(name)
        limiter.release()

    await one("0", "bulk")
    async with asyncio.TaskGroup() as group:
        group.create_task(one("a", "bulk"))
        group.create_task(one("b", "bulk"))
        await asyncio.sleep(0.1)
        group.create_task(one("c", "bulk", first=True))
    assert order == ["0", "c", "a", "b"]


async def test_keys_are_seller_and_group() -> None:
    limiters = LimiterRegistry(config(limit=Limit(3), limits={"stocks": None}))
    assert limiters.of("A", Group.STOCKS) is limiters.of("A", Group.STOCKS)
    assert limiters.of("A", Group.STOCKS) is not limiters.of("B", Group.STOCKS)
    assert limiters.of("A", Group.STOCKS) is not limiters.of("A", Group.OUTBOUND)


def test_the_token_endpoint_has_the_documented_quota() -> None:
    assert (TOKEN_LIMIT.calls, TOKEN_LIMIT.per) == (500, 3600.0)
    admitted = admissions(TOKEN_LIMIT, [0.0] * 600 + [5.0] * 900)
    assert worst_window(admitted, 3600.0) == 500


@pytest.mark.virtual_time
async def test_a_rate_that_rises_while_a_call_waits_does_not_make_it_wait_for_ever() -> None:
    pacer = LeakyBucket()
    assert pacer.ready(0.1, None)
    await pacer.acquire()
    assert not pacer.ready(0.1, None)
    waiting = asyncio.create_task(pacer.acquire())
    await asyncio.sleep(1)
    pacer.ready(100.0, None)
    await asyncio.wait_for(waiting, 20)


@pytest.mark.virtual_time
async def test_a_rate_that_always_moves_a_little_lets_no_request_too_many_through() -> None:
    pacer, loop = LeakyBucket(), asyncio.get_running_loop()
    started, left = loop.time(), 0
    while loop.time() < started + 100:
        pacer.ready(5.0 + 0.01 * (left % 7), None)
        await pacer.acquire()
        left += 1
    assert left <= 100 * 5.06 + 2


@pytest.mark.virtual_time
async def test_an_interactive_call_goes_at_once_beside_a_bulk_run_and_no_window_holds_more() -> None:
    limiter, loop = RateLimiter(Limit(20, per=1.0), jitter=0.0, max_in_flight=100), asyncio.get_running_loop()
    left: list[float] = []

    async def work() -> None:
        while True:
            await limiter.acquire("bulk")
            left.append(loop.time())
            limiter.release()

    tasks = [asyncio.create_task(work()) for _ in range(10)]
    waits: list[float] = []
    for _ in range(100):
        await asyncio.sleep(0.73)
        asked = loop.time()
        await limiter.acquire("interactive")
        left.append(loop.time())
        limiter.release()
        waits.append(loop.time() - asked)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(wait < 1e-3 for wait in waits) >= 95
    assert worst_window(left, 1.0 - 1e-6) <= 20
    assert len(left) / (left[-1] - left[0]) >= 0.94 * 20


@pytest.mark.virtual_time
async def test_slow_responses_hold_up_no_call_of_a_start_without_a_ceiling() -> None:
    limiter, loop = RateLimiter(None, jitter=0.0, max_in_flight=50), asyncio.get_running_loop()
    started = loop.time()
    await asyncio.gather(*(limiter.acquire() for _ in range(50)))
    assert loop.time() - started == pytest.approx(5 * 0.5, abs=0.01)
