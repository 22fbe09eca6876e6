"""Overload and outages: what fails at once, what waits, and that no creation is ever sent twice."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async import (
    CallError,
    CircuitOpenError,
    ClosedError,
    ConnectError,
    DeadlineExceededError,
    Limit,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    ServerError,
)
from octoffm_async.contract.operations import Group
from octoffm_async.errors import ConnectionLostError, UnusableAnswerError
from octoffm_async.ratelimit.limiter import RateLimiter
from octoffm_async.session.retry.circuit_breaker import Circuit
from octoffm_async.session.retry.policy import RetryBudget
from tests.support.fakes import Answer, Sent, answer, config
from tests.support.items import accepted, all_of, fake, on_virtual_time, order, orders, posted
from tests.unit.session.test_session import CREATED, STOCK, Opened, in_turn
from tests.unit.sizes import tries

pytestmark = pytest.mark.virtual_time


class Fate:
    """What became of one call that asked a limiter: when it was let through, or how long it was told to wait."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.entered: float | None = None
        self.refused: OverloadedError | None = None


async def load(
    limit: Limit, arrivals: list[tuple[float, float, bool]], *, pause: float, in_flight: int, share: float
) -> list[Fate]:
    """What becomes of calls with deadlines."""
    limiter = RateLimiter(limit, jitter=0.0, max_in_flight=in_flight, bulk_share=share)
    loop = asyncio.get_running_loop()
    fates: list[Fate] = []
    limiter.pause(loop.time() + pause)

    async def one(fate: Fate, patience: float, *, bulk: bool) -> None:
        try:
            await limiter.acquire("bulk" if bulk else "interactive", until=fate.at + patience)
        except OverloadedError as error:
            fate.refused = error
            return
        except RateLimitedError:
            return
        fate.entered = loop.time()
        await asyncio.sleep(0.05)
        limiter.release()

    async with asyncio.TaskGroup() as group:
        for gap, patience, bulk in arrivals:
            await asyncio.sleep(gap)
            fates.append(fate := Fate(loop.time()))
            group.create_task(one(fate, patience, bulk=bulk))
    return fates


ARRIVAL = st.tuples(st.sampled_from([0.0, 0.0, 0.0, 0.1]), st.floats(0.05, 30.0), st.booleans())
LOADS = st.lists(ARRIVAL, min_size=1, max_size=60)


@settings(max_examples=tries(150))
@given(
    limit=st.builds(Limit, st.integers(1, 20), per=st.sampled_from([1.0, 10.0]), burst=st.none() | st.integers(1, 10)),
    arrivals=LOADS,
    pause=st.sampled_from([0.0, 3.0]),
    in_flight=st.sampled_from([1, 2, 1000]),
    share=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    which=st.integers(0, 59),
)
def test_no_call_is_refused_that_would_have_made_it(  # noqa: PLR0917  (hypothesis passes them by name)
    limit: Limit,
    arrivals: list[tuple[float, float, bool]],
    pause: float,
    in_flight: int,
    share: float,
    which: int,
) -> None:
    def fates(patience: dict[int, float]) -> list[Fate]:
        loads = [(gap, patience.get(place, 1e9), bulk) for place, (gap, _, bulk) in enumerate(arrivals)]
        return on_virtual_time(lambda: load(limit, loads, pause=pause, in_flight=in_flight, share=share))

    place = which % len(arrivals)
    entered = (patient := fates({}))[place].entered
    assert entered is not None
    needed = entered - patient[place].at + 0.01
    assert fates({place: needed})[place].refused is None


async def test_a_wait_beyond_the_deadline_fails_at_once_and_says_how_long() -> None:
    async with Opened(in_turn(STOCK), limit=Limit(60, per=60.0), limit_jitter=0.0) as opened:
        await opened.client.check()
        loop = asyncio.get_running_loop()
        calls = [asyncio.create_task(opened.client.stocks.get("S-1")) for _ in range(31)]
        await asyncio.sleep(0.5)
        started = loop.time()
        with pytest.raises(OverloadedError) as caught:
            await opened.client.with_options(deadline=10.0).stocks.get("S-1")
        assert loop.time() == pytest.approx(started, abs=1e-3)
        waiting = opened.client.stats().keys[-1].waiting
        assert f"{waiting} calls go before it at 1 per second" in str(caught.value)
        assert caught.value.wait == pytest.approx(waiting, abs=1.5)
        assert caught.value.retryable
        assert caught.value.attempts == 0
        assert not caught.value.outcome_unknown
        await asyncio.gather(*calls)


async def test_only_so_many_wait_and_cancelled_ones_are_none() -> None:
    limiter = RateLimiter(Limit(1, per=100.0), jitter=0.0, max_in_flight=10, max_waiting=5)
    until = asyncio.get_running_loop().time() + 1e6
    await limiter.acquire()
    waiting = [asyncio.create_task(limiter.acquire(until=until)) for _ in range(5)]
    await asyncio.sleep(0.01)
    with pytest.raises(OverloadedError, match="5 calls wait for this limit already"):
        await limiter.acquire(until=until)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert limiter.stats("1", Group.STOCKS, 0.0).waiting == 0
    await limiter.acquire(until=until)


async def test_calls_that_gave_up_are_not_counted_as_ahead() -> None:
    limiter, loop = RateLimiter(Limit(10, per=10.0), jitter=0.0, max_in_flight=10), asyncio.get_running_loop()
    limiter.pause(loop.time() + 5)
    waiting = [asyncio.create_task(limiter.acquire(until=loop.time() + 100)) for _ in range(50)]
    await asyncio.sleep(0.01)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await limiter.acquire(until=loop.time() + 6)


async def test_who_goes_first_is_not_refused_for_those_behind() -> None:
    limiter, loop = RateLimiter(Limit(10, per=10.0), jitter=0.0, max_in_flight=100), asyncio.get_running_loop()
    limiter.pause(loop.time() + 1)
    behind = [asyncio.create_task(limiter.acquire(until=loop.time() + 100)) for _ in range(50)]
    await asyncio.sleep(0)
    await limiter.acquire(until=loop.time() + 3, first=True)
    for task in behind:
        task.cancel()
    await asyncio.gather(*behind, return_exceptions=True)


# The circuit.


async def opened_circuit(opened: Opened, failure: Answer | None = None) -> None:
    """Fail until the circuit opens."""
    opened.transport.script = in_turn(failure or answer(500))
    await asyncio.gather(*(opened.client.stocks.get("S-1") for _ in range(40)), return_exceptions=True)
    assert opened.client.stats().circuit == "open"


def outage(**settings: Any) -> Opened:
    settings.setdefault("retry_budget", 20)
    return Opened(in_turn(STOCK), **settings)


async def test_interactive_calls_fail_at_once_and_bulk_ones_wait_for_the_probe() -> None:
    async with outage() as opened:
        await opened_circuit(opened)
        loop, sent = asyncio.get_running_loop(), len(opened.transport.sent)
        started = loop.time()
        with pytest.raises(CircuitOpenError, match=r"the next try is in [01]\.\d s") as caught:
            await opened.client.stocks.get("S-1")
        assert loop.time() == pytest.approx(started, abs=1e-3)
        assert 0 < caught.value.wait <= 1.0
        assert len(opened.transport.sent) == sent
        opened.transport.script = in_turn(STOCK)
        bulk = opened.client.with_options(lane="bulk")
        found = await asyncio.gather(*(bulk.stocks.get("S-1") for _ in range(10)))
        assert len(found) == 10
        assert 0 < loop.time() - started < 3
        assert opened.client.stats().circuit == "closed"


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        (answer(401), "closed"),
        (answer(403), "closed"),
        (answer(404), "closed"),
        (answer(429, Retry_After="1"), "closed"),
        (answer(303, Location="/x"), "closed"),
        (answer(200, b"<html>"), "closed"),
        (UnusableAnswerError("too large", status=200), "closed"),
        (answer(503), "open"),
        (ConnectError("refused"), "open"),
        (ConnectionLostError("cut"), "open"),
    ],
    ids=lambda value: str(getattr(value, "status", value)),
)
async def test_any_answer_of_the_api_to_the_probe_closes_the_circuit(shown: Answer, state: str) -> None:
    async with outage() as opened:
        await opened_circuit(opened)
        opened.transport.script = in_turn(shown)
        await asyncio.sleep(1.5)
        with pytest.raises(CallError):
            await opened.client.with_options(retries=0).stocks.get("S-1")
        assert opened.client.stats().circuit == state


@pytest.mark.parametrize("end", ["cancelled", "deadline", "hook"])
async def test_a_probe_that_shows_nothing_makes_room_for_the_next(end: str) -> None:
    async with outage() as opened:
        await opened_circuit(opened)
        opened.transport.script = in_turn(STOCK)
        await asyncio.sleep(1.5)
        if end == "hook":

            def hook(event: object) -> None:
                if type(event).__name__ == "AttemptFinished":
                    raise asyncio.CancelledError

            opened.client._scope.session.events._hooks = (hook,)
            with pytest.raises(asyncio.CancelledError):
                await opened.client.stocks.get("S-1")
            opened.client._scope.session.events._hooks = ()
        else:
            opened.transport.latency = 100.0
            probe = asyncio.create_task(opened.client.with_options(deadline=5.0).stocks.get("S-1"))
            await asyncio.sleep(1.0)
            assert opened.client.stats().circuit == "probing"
            with pytest.raises(CircuitOpenError, match="the next try is under way"):
                await opened.client.stocks.get("S-1")
            if end == "cancelled":
                probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)
        assert opened.client.stats().circuit == "open"
        opened.transport.latency = 0.01
        assert (await opened.client.stocks.get("S-1")).id == "S-1"
        assert opened.client.stats().circuit == "closed"


async def test_a_bulk_call_waits_for_the_circuit_no_longer_than_its_deadline() -> None:
    async with outage(backoff_cap=60.0) as opened:
        await opened_circuit(opened)
        loop = asyncio.get_running_loop()
        started = loop.time()
        with pytest.raises(CallError) as caught:
            await opened.client.with_options(lane="bulk", deadline=20.0).stocks.get("S-1")
        assert loop.time() - started <= 20.01
        assert isinstance(caught.value, CircuitOpenError | DeadlineExceededError | ServerError)


async def test_closing_the_client_ends_those_who_wait_for_the_circuit() -> None:
    opened = outage(backoff_cap=100.0)
    await opened.client.open()
    await opened_circuit(opened)
    opened.client._scope.session._retries.circuit.failed("for long")
    opened.client._scope.session._retries.circuit._probe_at += 100
    bulk = opened.client.with_options(lane="bulk", deadline=900.0)
    calls = [asyncio.create_task(bulk.stocks.get("S-1")) for _ in range(20)]
    await asyncio.sleep(0.1)
    loop = asyncio.get_running_loop()
    started = loop.time()
    await opened.client.close(drain=1.0)
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, ClosedError) for result in results)
    assert loop.time() - started <= 1.1
    assert opened.left_behind() == (0, 0)


def test_an_open_circuit_works_on_the_next_loop() -> None:
    opened = outage()

    async def first() -> None:
        await opened.client.open()
        await opened_circuit(opened)
        waiting = asyncio.create_task(opened.client.with_options(lane="bulk").stocks.get("S-1"))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await opened.client.close()

    async def second() -> None:
        opened.transport.script = in_turn(STOCK)
        async with opened.client:
            bulk = opened.client.with_options(lane="bulk")
            await asyncio.gather(*(bulk.stocks.get("S-1") for _ in range(3)))
            assert opened.client.stats().circuit == "closed"

    on_virtual_time(first)
    on_virtual_time(second)


async def test_a_probe_does_not_queue_behind_those_that_are_held_back() -> None:
    async with outage(limit=Limit(5, per=1.0), max_in_flight=500) as opened:
        await opened.client.check()
        opened.transport.script = in_turn(answer(500))
        bulk = opened.client.with_options(lane="bulk", deadline=900.0)
        calls = [asyncio.create_task(bulk.stocks.get("S-1")) for _ in range(400)]
        loop = asyncio.get_running_loop()
        await asyncio.sleep(5.0)
        assert opened.client.stats().circuit != "closed"
        opened.transport.script = in_turn(STOCK)
        started = loop.time()
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert opened.client.stats().circuit == "closed"
        assert loop.time() - started < 25, "the queue holds 80 seconds' worth"
        await asyncio.gather(*calls)


async def test_a_throttled_seller_does_not_hold_up_the_probe_of_all() -> None:
    async with outage() as opened:
        await opened_circuit(opened)
        opened.transport.script = in_turn(STOCK)
        loop = asyncio.get_running_loop()
        opened.client._scope.session._limiters.of("12345", Group.STOCKS).pause(loop.time() + 200)
        paused = asyncio.create_task(opened.client.with_options(lane="bulk", deadline=900.0).stocks.get("S-1"))
        await asyncio.sleep(2.0)
        started = loop.time()
        other = opened.client.seller("98980").with_options(lane="bulk", deadline=900.0)
        await other.stocks.get("S-1")
        assert loop.time() - started < 5
        await paused


async def test_one_call_that_always_fails_does_not_keep_the_circuit_open_for_all() -> None:
    async with outage() as opened:
        await opened_circuit(opened)
        opened.transport.script = lambda sent: answer(500) if sent.url.endswith("/BAD") else STOCK
        bad = asyncio.create_task(opened.client.with_options(lane="bulk", deadline=900.0).stocks.get("BAD"))
        loop = asyncio.get_running_loop()
        started = loop.time()
        while loop.time() - started < 300:
            await asyncio.sleep(0.3)
            try:
                await opened.client.stocks.get("S-1")
            except CircuitOpenError:
                continue
            break
        assert loop.time() - started < 60
        bad.cancel()


async def test_the_keys_begin_with_few_in_flight_after_an_outage() -> None:
    async with outage(max_in_flight=64) as opened:
        await opened_circuit(opened)
        opened.transport.script = in_turn(STOCK)
        opened.transport.latency = 1.0
        bulk = opened.client.with_options(lane="bulk", deadline=900.0)
        sent = len(opened.transport.sent)
        await asyncio.gather(*(bulk.stocks.get("S-1") for _ in range(300)))
        moments = [call.at for call in opened.transport.sent[sent:]]
        assert sum(moment < moments[0] + 1.9 for moment in moments) <= 4, "a storm at the recovery"
        assert moments[-1] - moments[0] < 60


async def test_a_circuit_with_thousands_of_waiters_costs_each_of_them_little() -> None:
    def seconds(count: int) -> float:
        async def wait() -> None:
            circuit = Circuit(config(), random.Random(1), lambda *_: None)
            loop = asyncio.get_running_loop()
            circuit.failed("test")
            probes = 0

            async def one() -> None:
                nonlocal probes
                if await circuit.enter("bulk", loop.time() + 1e6):
                    probes += 1
                    await asyncio.sleep(0.1)
                    if probes < 4:
                        circuit.failed("test")
                        await one()
                    else:
                        circuit.succeeded()

            await asyncio.gather(*(one() for _ in range(count)))
            assert probes == 4

        started = time.process_time()
        on_virtual_time(wait)
        return time.process_time() - started

    await asyncio.to_thread(seconds, 200)
    few, many = await asyncio.to_thread(seconds, 500), await asyncio.to_thread(seconds, 4000)
    assert many < 8 * few * 5 + 0.1


@given(st.integers(0, 100), st.lists(st.sampled_from([1, 5, 10, -5, -10]), max_size=200))
def test_the_budget_stays_between_nothing_and_its_capacity(capacity: int, moves: list[int]) -> None:
    budget = RetryBudget(capacity)
    for move in moves:
        if move > 0:
            budget.refund(move)
        elif budget.affords(-move):
            budget.spend(-move)
        assert 0 <= budget.left <= capacity


# Creations.


FATAL = (500, 502, 503, 504, 408, "lost")


@settings(max_examples=tries(60))
@given(
    script=st.lists(st.sampled_from([201, 401, 429, "refused", *FATAL]), min_size=1, max_size=120),
    budget=st.sampled_from([0, 10, 500]),
    retries=st.none() | st.integers(0, 3),
    cuts=st.lists(st.floats(0.0, 3.0), max_size=10),
)
def test_a_creation_is_never_sent_again_after_one_whose_outcome_is_unknown(
    script: list[Any], budget: int, retries: int | None, cuts: list[float]
) -> None:
    async def main() -> None:
        left, fatal, twice = list(script), set[str](), list[str]()

        def decide(sent: Sent) -> Answer:
            (key,) = posted(sent)
            if key in fatal:
                twice.append(key)
            what = left.pop(0) if left else 201
            if what in FATAL or what == 201:
                fatal.add(key)
            if what == "refused":
                return ConnectError("refused")
            return ConnectionLostError("cut") if what == "lost" else CREATED if what == 201 else answer(what)

        async with Opened(decide, latency=0.2, retry_budget=budget, limit=Limit(20, per=1.0)) as opened:
            lanes = [opened.client.with_options(retries=retries, lane=lane) for lane in ("bulk", "interactive")]
            calls = [asyncio.create_task(lanes[n % 2].outbound.create(order(f"O-{n}"))) for n in range(30)]
            for place, cut in enumerate(cuts):
                asyncio.get_running_loop().call_later(cut, calls[place * 3 % 30].cancel)
            await asyncio.gather(*calls, return_exceptions=True)
            assert opened.left_behind() == (0, 0)
        assert not twice

    on_virtual_time(main)


async def test_no_retries_means_one_sending_but_for_a_new_token() -> None:
    for failure, sendings in [(answer(500), 1), (answer(429), 1), (ConnectError("x"), 1), (answer(401), 2)]:
        async with Opened(in_turn(failure)) as opened:
            for lane in ("interactive", "bulk"):
                opened.transport.sent.clear()
                with pytest.raises(CallError):
                    await opened.client.with_options(retries=0, lane=lane).stocks.get("S-1")  # type: ignore[arg-type]
                assert len(opened.transport.sent) == sendings


@pytest.mark.parametrize("down", ["token", "api"])
async def test_a_bulk_run_sits_out_five_minutes_without_connections(down: str) -> None:
    ends = 0.0
    effects: Counter[str] = Counter()

    def is_down(what: str) -> bool:
        return down == what and 1002 <= asyncio.get_running_loop().time() < ends

    def script(sent: Sent) -> Answer:
        if is_down("api"):
            return ConnectError("no connection")
        effects.update(posted(sent))
        return accepted(sent)

    client, transport = fake(script, latency=0.05, limit=Limit(20, per=1.0), deadline=60.0)
    transport.token_life = 20.0
    token = transport.token_script
    transport.token_script = lambda sent: ConnectError("no connection") if is_down("token") else token(sent)
    async with client:
        loop = asyncio.get_running_loop()
        ends = loop.time() + 300.0
        found, error = await all_of(client.bulk.create_outbound(orders(2000), journal=None))
        assert error is None
        assert Counter(type(outcome).__name__ for outcome in found) == {"Created": 2000}
        assert set(effects.values()) == {1}
        assert len(effects) == 2000
        extra = len(transport.sent) - 2000
        assert extra <= 200, "more than a tenth of what the run sends anyway"
        assert len(transport.token_calls) < 250
        assert loop.time() < ends + 60 + 2000 / 20


async def test_a_refusal_says_how_the_api_is_and_is_no_error_of_the_item() -> None:
    async with Opened(in_turn(answer(404))) as opened:
        for _ in range(200):
            with pytest.raises(NotFoundError):
                await opened.client.stocks.get("S-1")
        assert opened.client.stats().circuit == "closed"
        assert opened.client.stats().retry_budget_left == 500
