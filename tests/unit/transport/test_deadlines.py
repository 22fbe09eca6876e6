"""Deadlines by one timer: as exact as asyncio's own, and nothing of them stays behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async import ClosedError, DeadlineExceededError, Limit, is_outcome_unknown
from octoffm_async.contract.operations import Group
from octoffm_async.errors import CallError, ConnectionLostError
from octoffm_async.transport.deadlines import GRAIN, CancellableTask, Deadlines
from tests.support.fakes import Answer, Sent, answer
from tests.support.items import on_virtual_time, order
from tests.unit.session.test_session import CREATED, ORDER, STOCK, Opened, in_turn
from tests.unit.sizes import tries

pytestmark = pytest.mark.virtual_time


def current() -> asyncio.Task[object]:
    """The running task."""
    task = asyncio.current_task()
    assert task is not None
    return task


class LateError(Exception):
    """Ended by the deadline under test."""


async def ours(seconds: float, work: Callable[[], Awaitable[Any]], deadlines: Deadlines) -> Any:
    """Work under a deadline as the pipeline sets it."""
    watched = CancellableTask(current(), asyncio.get_running_loop().time() + seconds, current().cancelling())
    deadlines.add(seconds, watched)
    try:
        return await work()
    except asyncio.CancelledError as error:
        if watched.is_own_cancellation():
            raise LateError from error
        raise
    finally:
        watched.take_back()
        deadlines.done(seconds, watched)


async def theirs(seconds: float, work: Callable[[], Awaitable[Any]], _: Deadlines) -> Any:
    """The same with :func:`asyncio.timeout`."""
    try:
        async with asyncio.timeout(seconds):
            return await work()
    except TimeoutError as error:
        raise LateError from error


async def fate(bound: Callable[..., Awaitable[Any]], seconds: float, *, works: float, cancels: list[float]) -> Any:
    """How a task under a deadline ends that is cancelled from outside, its cancellation count, and when."""
    loop = asyncio.get_running_loop()
    counts: list[int] = []

    async def run() -> str:
        task = asyncio.current_task()
        assert task is not None
        try:
            await bound(seconds, lambda: asyncio.sleep(works), Deadlines())
        except LateError:
            return "late"
        except asyncio.CancelledError:
            return "cancelled"
        finally:
            counts.append(task.cancelling())
        return "done"

    started = loop.time()
    task = asyncio.create_task(run())
    for moment in cancels:
        loop.call_later(moment, task.cancel)
    how = await task
    return how, counts[0], round(loop.time() - started, 2)


TENTHS = st.integers(1, 30).map(lambda tenths: tenths / 10)


@settings(max_examples=tries(150))
@given(seconds=TENTHS, works=TENTHS, cancels=st.lists(TENTHS, max_size=2))
def test_a_deadline_ends_a_task_as_asyncio_timeout_does(seconds: float, works: float, cancels: list[float]) -> None:
    # Moments that coincide are decided by the order of timers, which is not ours to promise.
    moments = [seconds, works, *cancels]
    if len(set(moments)) < len(moments):
        return
    mine = on_virtual_time(lambda: fate(ours, seconds, works=works, cancels=cancels))
    assert mine == on_virtual_time(lambda: fate(theirs, seconds, works=works, cancels=cancels))


@pytest.mark.parametrize("bound", [ours, theirs])
async def test_a_cancellation_in_the_same_moment_as_the_deadline_wins(bound: Any) -> None:
    how, count, _ = await fate(bound, 1.0, works=5.0, cancels=[1.0])
    assert (how, count) == ("cancelled", 1)


async def slow_get(opened: Opened, deadline: float = 5.0) -> Any:
    return await opened.client.with_options(deadline=deadline).stocks.get("S-1")


async def within(seconds: float, work: Awaitable[Any]) -> Any:
    async with asyncio.timeout(seconds):
        return await work


async def test_a_task_group_of_the_caller_lives_on_after_a_deadline() -> None:
    async with Opened(in_turn(STOCK), latency=100.0) as opened:
        opened.transport.token_script = in_turn(answer(200, {"access_token": "t", "expires_in": 7200}))
        done: list[str] = []

        async def one() -> None:
            with pytest.raises(DeadlineExceededError):
                await slow_get(opened)
            await asyncio.sleep(1)
            done.append("one")

        async with asyncio.TaskGroup() as group:
            group.create_task(one())
            group.create_task(one())
        assert done == ["one", "one"]


async def test_a_failing_sibling_cancels_a_call_and_no_deadline_is_reported() -> None:
    async with Opened(in_turn(STOCK)) as opened:
        await opened.client.check()
        opened.transport.latency = 100.0

        async def fail() -> None:
            await asyncio.sleep(5.0)
            raise LookupError

        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(slow_get(opened, 50.0))
                group.create_task(fail())

        with pytest.raises(ExceptionGroup) as caught:
            await both()
        assert [type(error) for error in caught.value.exceptions] == [LookupError]
        assert opened.left_behind()[1] == 0


@pytest.mark.parametrize(("outer", "error"), [(2.0, TimeoutError), (8.0, DeadlineExceededError)])
async def test_the_shorter_of_the_callers_timeout_and_the_deadline_counts(outer: float, error: type) -> None:
    async with Opened(in_turn(STOCK), latency=100.0) as opened:
        task = asyncio.current_task()
        assert task is not None
        with pytest.raises(error) as caught:
            await within(outer, slow_get(opened))
        assert isinstance(caught.value, CallError) == (error is DeadlineExceededError)
        assert task.cancelling() == 0


@pytest.mark.parametrize(("outer", "late"), [(2.0, False), (8.0, True)])
async def test_anyio_scopes_of_the_caller_work(outer: float, late: bool) -> None:
    async with Opened(in_turn(STOCK), latency=100.0) as opened:
        errors: list[BaseException] = []
        with anyio.move_on_after(outer) as scope:
            try:
                await slow_get(opened)
            except DeadlineExceededError as error:
                errors.append(error)
                await anyio.sleep(0.1)
        assert bool(errors) == late
        assert scope.cancelled_caught == (not late)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await anyio.sleep(0.1)


async def test_a_shielded_call_ends_by_its_own_deadline() -> None:
    async with Opened(in_turn(STOCK), latency=100.0) as opened:
        call = asyncio.ensure_future(slow_get(opened, 5.0))
        waiting = asyncio.create_task(asyncio.wait_for(asyncio.shield(call), 1.0))
        with pytest.raises(TimeoutError):
            await waiting
        assert not call.done()
        with pytest.raises(DeadlineExceededError):
            await call


async def test_calls_after_one_that_expired_have_deadlines_of_their_own() -> None:
    async with Opened(in_turn(STOCK), deadline=5.0) as opened:
        await opened.client.check()
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        for _ in range(3):
            opened.transport.latency = 100.0
            started = loop.time()
            with pytest.raises(DeadlineExceededError):
                await opened.client.stocks.get("S-1")
            assert loop.time() - started == pytest.approx(5.0, abs=2 * GRAIN)
            assert task.cancelling() == 0
            opened.transport.latency = 1.0
            assert (await opened.client.stocks.get("S-1")).id == "S-1"
            await asyncio.sleep(20.0)


async def test_a_creation_under_way_at_the_deadline_is_unknown_and_one_that_waits_is_not() -> None:
    async with Opened(in_turn(CREATED), latency=1.0, limit=Limit(1, per=100.0), deadline=5.0) as opened:
        await opened.client.check()
        opened.transport.latency = 100.0
        with pytest.raises(DeadlineExceededError) as travelling:
            await opened.client.outbound.create(order("A"))
        assert travelling.value.outcome_unknown
        with pytest.raises(CallError) as waiting:
            await opened.client.outbound.create(order("B"))
        assert not waiting.value.outcome_unknown
        assert len(opened.transport.sent) == 1


async def test_a_transport_that_swallows_the_deadline_leaves_no_cancellation_behind() -> None:
    async with Opened(in_turn(STOCK), deadline=5.0) as opened:
        await opened.client.check()
        send = opened.transport.send

        async def swallowing(*arguments: Any) -> Any:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                raise ConnectionLostError("cut while it was cancelled") from None
            return await send(*arguments)

        opened.transport.send = swallowing  # type: ignore[method-assign]
        task = asyncio.current_task()
        assert task is not None
        with pytest.raises(CallError):
            await opened.client.outbound.create(ORDER)
        assert task.cancelling() == 0
        with pytest.raises(TimeoutError):  # a count that was left would make a cancellation of it
            async with asyncio.timeout(1.0):
                await asyncio.sleep(10.0)


def entries(opened: Opened) -> tuple[int, int]:
    deadlines = opened.client._scope.session._deadlines
    return sum(map(len, deadlines._schedules.values())), len(deadlines._timers)


async def test_deadlines_of_unusual_length_leave_nothing_behind() -> None:
    deadlines = Deadlines(60.0)
    loop = asyncio.get_running_loop()
    for number in range(100_000):
        seconds = 60.0 if number % 3 else 1.0 + number / 1000
        watched = CancellableTask(current(), loop.time() + seconds, 0)
        deadlines.add(seconds, watched)
        deadlines.done(seconds, watched)
        if number % 100 == 0:
            await asyncio.sleep(0)
    assert list(deadlines._schedules) == [60.0]
    assert list(deadlines._timers) == [60.0]
    assert len(loop._scheduled) < 1000  # type: ignore[attr-defined]
    await asyncio.sleep(61)
    assert not deadlines._timers


async def test_many_calls_with_two_lengths_end_each_in_its_time() -> None:
    rng = random.Random(1)
    async with Opened(in_turn(STOCK), latency=1000.0, max_in_flight=500) as opened:
        opened.transport.token_script = in_turn(answer(200, {"access_token": "t", "expires_in": 7200}))
        opened.transport.latency = 0.0
        await opened.client.check()
        opened.transport.latency = 1000.0
        loop = asyncio.get_running_loop()

        async def one(seconds: float) -> float:
            started = loop.time()
            with pytest.raises(DeadlineExceededError):
                await slow_get(opened, seconds)
            return loop.time() - started - seconds

        calls: list[asyncio.Task[float]] = []
        for _ in range(200):
            calls.append(asyncio.create_task(one(rng.choice([3.0, 7.0]))))
            await asyncio.sleep(rng.random() / 10)
        lateness = await asyncio.gather(*calls)
        assert min(lateness) >= -GRAIN
        assert max(lateness) <= 2 * GRAIN
        assert entries(opened) == (0, 1)  # the timer of the token call's deadline, which is a usual one


@pytest.mark.parametrize("seed", range(10))
async def test_random_cancellations_and_deadlines_leave_no_entry(seed: int) -> None:
    rng = random.Random(seed)

    def script(sent: Sent) -> Answer:
        return rng.choice([STOCK, answer(500), answer(429), answer(401), STOCK])

    async with Opened(script, latency=0.5, limit=Limit(10, per=1.0), max_in_flight=5) as opened:
        calls = [asyncio.create_task(slow_get(opened, rng.choice([0.3, 2.0, 2.5, 60.0]))) for _ in range(60)]
        for call in rng.sample(calls, 20):
            await asyncio.sleep(rng.random() * 0.2)
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert opened.left_behind() == (0, 0)
        assert entries(opened)[0] == 0


@pytest.mark.parametrize("wait", ["limit", "pause", "back-off", "wire"])
async def test_a_call_that_outlives_the_drain_ends_soon_after_the_close(wait: str) -> None:
    script = in_turn(answer(503, Retry_After="200")) if wait == "back-off" else in_turn(STOCK)
    limit = Limit(1, per=500.0) if wait == "limit" else None
    opened = Opened(script, limit=limit, latency=0.1, deadline=600.0)
    await opened.client.open()
    loop = asyncio.get_running_loop()
    if wait != "back-off":
        await opened.client.stocks.get("S-1")
    limiter = opened.client._scope.session._limiters.of("12345", Group.STOCKS)
    if wait == "pause":
        limiter.pause(loop.time() + 200)
    if wait == "wire":
        opened.transport.latency = 100.0
    call = asyncio.create_task(opened.client.stocks.get("S-1"))
    await asyncio.sleep(1.0)
    started = loop.time()
    await opened.client.close(drain=2.0)
    (result,) = await asyncio.gather(call, return_exceptions=True)
    assert loop.time() - started <= 202.0
    if wait in ("limit", "pause"):
        assert loop.time() - started <= 2.1
    assert isinstance(result, ClosedError | CallError) or wait == "wire"
    assert opened.left_behind() == (0, 0)
    assert {task.get_name() for task in asyncio.all_tasks()} & {"octoffm_async limit", "octoffm_async token"} == set()


async def test_the_deadline_holds_beyond_the_close() -> None:
    opened = Opened(in_turn(CREATED), latency=0.1, deadline=20.0)
    await opened.client.open()
    await opened.client.check()
    opened.transport.latency = 1000.0
    loop = asyncio.get_running_loop()
    started = loop.time()
    call = asyncio.create_task(opened.client.outbound.create(ORDER))
    await asyncio.sleep(1.0)
    await opened.client.close(drain=2.0)
    with pytest.raises(DeadlineExceededError) as caught:
        await call
    assert caught.value.outcome_unknown
    assert loop.time() - started == pytest.approx(20.0, abs=0.1)


@pytest.mark.parametrize("closed", [True, False])
def test_deadlines_hold_on_the_next_loop(closed: bool) -> None:
    opened = Opened(in_turn(STOCK), deadline=5.0)

    async def first() -> None:
        await opened.client.open()
        await opened.client.stocks.get("S-1")
        if closed:
            await opened.client.close()

    async def second() -> None:
        await opened.client.open()
        opened.transport.latency = 100.0
        loop = asyncio.get_running_loop()
        started = loop.time()
        with pytest.raises(DeadlineExceededError):
            await opened.client.stocks.get("S-1")
        assert loop.time() - started == pytest.approx(5.0, abs=0.1)
        await opened.client.close()

    on_virtual_time(first)
    on_virtual_time(second)


async def test_a_hook_that_raises_a_cancellation_leaves_no_deadline_behind() -> None:
    def hook(event: object) -> None:
        if type(event).__name__ == "AttemptFinished":
            raise asyncio.CancelledError

    async with Opened(in_turn(CREATED), latency=0.1) as opened:
        await opened.client.check()
        opened.client._scope.session.events._hooks = (hook,)
        with pytest.raises(asyncio.CancelledError) as caught:
            await opened.client.outbound.create(ORDER)
        assert not is_outcome_unknown(caught.value) or opened.transport.sent
        assert opened.left_behind() == (0, 0)
        assert entries(opened)[0] == 0
