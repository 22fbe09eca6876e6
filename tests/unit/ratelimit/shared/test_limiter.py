"""Gates that share a limit by a store, on a clock that jumps: several clients, and stores that are slow, or away."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async import ClosedError, ConfigurationError, Limit, OverloadedError
from octoffm_async.contract.operations import Group
from octoffm_async.ratelimit.limiter import RateLimiter
from octoffm_async.ratelimit.registry import LimiterRegistry
from octoffm_async.ratelimit.shared.limiter import SharedRateLimiter
from octoffm_async.ratelimit.shared.store import LeaseReply, LeaseRequest, LimitStore, MemoryLimits
from octoffm_async.sandbox.http.rate_limit import SlidingLog
from octoffm_async.stores.base import MemoryStore
from tests.support.fakes import config
from tests.support.items import on_virtual_time
from tests.unit.ratelimit.test_limiter import worst_window
from tests.unit.sizes import tries

pytestmark = pytest.mark.virtual_time


class RemoteLimits(MemoryLimits):
    """Limits that are a round trip away; ``fail`` is what an exchange raises, ``forget`` makes it lose all."""

    def __init__(self, *, trip: float = 0.001, processes: int = 10) -> None:
        loop = asyncio.get_running_loop()
        self._clock = lambda: loop.time() + 5e8
        super().__init__(processes=processes, clock=self._clock)
        self.trip = trip
        self.fail: Exception | None = None
        self.requests: list[LeaseRequest] = []
        self.users = 0

    def open(self) -> None:
        super().open()
        self.users += 1

    async def close(self) -> None:
        await super().close()
        self.users -= 1

    async def exchange(self, requests: Sequence[LeaseRequest]) -> Sequence[LeaseReply]:
        await asyncio.sleep(self.trip / 2)
        if self.fail is not None:
            raise self.fail
        self.requests += requests
        replies = await super().exchange(requests)
        await asyncio.sleep(self.trip / 2)
        return replies

    def forget(self) -> None:
        self._store = MemoryStore(clock=self._clock)


class Client:
    """One process of a fleet: its limiters, and when calls left."""

    def __init__(self, store: LimitStore, **settings: Any) -> None:
        self.limiters = LimiterRegistry(config(**settings), store)
        self.limiters.rebind()
        self.limiter = self.limiters.of("1", Group.STOCKS)
        assert isinstance(self.limiter, SharedRateLimiter)

    async def close(self) -> None:
        self.limiters.close()
        await self.limiters.return_leases()

    async def call(self, left: list[float], latency: float = 0.05) -> None:
        loop = asyncio.get_running_loop()
        probe = await self.limiter.acquire("bulk")
        left.append(sent := loop.time())
        epoch = self.limiter.epoch_of(probe=probe)
        try:
            await asyncio.sleep(latency)
        finally:
            self.limiter.release(probe=probe)
        self.limiter.on_accepted(epoch=epoch, sent_at=sent, now=loop.time())


@asynccontextmanager
async def clients(count: int, store: LimitStore, **settings: Any) -> AsyncIterator[list[Client]]:
    fleet = [Client(store, **settings) for _ in range(count)]
    try:
        yield fleet
    finally:
        for client in fleet:
            await client.close()


async def saturate(fleet: Sequence[Client], seconds: float, *, workers: int = 8) -> list[list[float]]:
    """Let every client call as fast as it may; when calls left, client by client."""
    left: list[list[float]] = [[] for _ in fleet]

    async def work(client: Client, moments: list[float]) -> None:
        while True:
            await client.call(moments)

    tasks = [
        asyncio.create_task(work(client, moments))
        for client, moments in zip(fleet, left, strict=True)
        for _ in range(workers)
    ]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return left


def together(left: list[list[float]]) -> list[float]:
    return sorted(moment for moments in left for moment in moments)


@pytest.mark.parametrize("count", [1, 8])
@pytest.mark.parametrize(
    ("limit", "seconds"),
    [(Limit(50), 8.0), (Limit(50, per=10.0), 40.0), (Limit(400), 2.0), (Limit(2, per=10.0), 200.0)],
)
async def test_a_fleet_uses_its_limit_and_no_more(count: int, limit: Limit, seconds: float) -> None:
    async with clients(count, RemoteLimits(), limit=limit) as fleet:
        moments = together(await saturate(fleet, seconds, workers=max(8, 24 // count)))
    assert worst_window(moments, limit.per) <= limit.calls
    assert len(moments) >= 0.95 * limit.calls * seconds / limit.per


async def test_everybody_gets_a_share() -> None:
    async with clients(8, RemoteLimits(), limit=Limit(50)) as fleet:
        left = await saturate(fleet, 20.0)
    assert min(map(len, left)) >= 0.8 * max(map(len, left))


async def test_without_a_store_a_fleet_would_use_the_limit_many_times_over() -> None:
    fleet = [LimiterRegistry(config(limit=Limit(50))) for _ in range(8)]
    left: list[float] = []

    async def work(limiter: RateLimiter) -> None:
        for _ in range(50):
            await limiter.acquire()
            left.append(asyncio.get_running_loop().time())
            limiter.release()

    await asyncio.gather(*(work(limiters.of("1", Group.STOCKS)) for limiters in fleet))
    assert worst_window(sorted(left), 1.0) > 300


@pytest.mark.parametrize("trip", [0.001, 0.01])
async def test_a_high_rate_costs_few_questions(trip: float) -> None:
    store = RemoteLimits(trip=trip)
    async with clients(1, store, limit=Limit(1000), max_in_flight=100) as fleet:
        moments = together(await saturate(fleet, 1.0, workers=80))
    assert len(moments) >= 0.9 * 1000
    assert len(store.requests) <= len(moments) / 10


async def test_fast_calls_that_need_not_wait_cost_few_questions_too() -> None:
    store, left = RemoteLimits(), list[float]()
    async with clients(1, store, limit=Limit(1000), max_in_flight=100) as fleet:
        tasks = list[asyncio.Task[None]]()
        for _ in range(400):
            await asyncio.sleep(0.0025)
            tasks.append(asyncio.create_task(fleet[0].call(left)))
        started = asyncio.get_running_loop().time()
        await asyncio.gather(*tasks)
    assert left[-1] - started < 0.01
    assert len(store.requests) <= 60


@pytest.mark.parametrize("seed", range(6))
async def test_cancelled_calls_leak_no_slot(seed: int) -> None:
    rng, store = random.Random(seed), RemoteLimits()
    async with clients(2, store, limit=Limit(10), max_in_flight=4) as fleet:
        left: list[float] = []
        calls = [asyncio.create_task(fleet[number % 2].call(left, rng.random())) for number in range(60)]
        for call in rng.sample(calls, 45):
            await asyncio.sleep(rng.random() * 0.05)
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert all(client.limiter.in_flight == 0 for client in fleet)
        await asyncio.sleep(3)
        assert all(client.limiter.stats("1", Group.STOCKS, 0.0).waiting == 0 for client in fleet)
        started = asyncio.get_running_loop().time()
        await fleet[0].limiter.acquire()
        assert asyncio.get_running_loop().time() - started < 0.01
    assert worst_window(sorted(left), 1.0) <= 10


async def test_slots_that_nobody_waits_for_are_given_back() -> None:
    store = RemoteLimits()
    async with clients(2, store, limit=Limit(100)) as (first, second):
        calls = [asyncio.create_task(first.limiter.acquire()) for _ in range(30)]
        await asyncio.sleep(0.005)
        for call in calls:
            call.cancel()
        await asyncio.sleep(0.03)
        assert any(request.back_to > 0 for request in store.requests)
        started = asyncio.get_running_loop().time()
        await second.limiter.acquire()
        assert asyncio.get_running_loop().time() - started <= 0.02


async def test_a_closed_client_gives_back_what_it_holds_and_lets_go_of_the_store() -> None:
    store = RemoteLimits()
    client = Client(store, limit=Limit(1000))
    calls = [asyncio.create_task(client.limiter.acquire()) for _ in range(60)]
    await asyncio.sleep(0.003)
    await client.close()
    assert any(request.back_to > request.back_from > 0 for request in store.requests)
    assert store.requests[-1].leaves
    assert store.users == 0
    assert sum(isinstance(ended, ClosedError) for ended in await asyncio.gather(*calls, return_exceptions=True)) > 50


async def test_a_429_pauses_every_client_within_a_quarter_of_a_second() -> None:
    async with clients(4, RemoteLimits(), limit=Limit(50)) as fleet:
        loop = asyncio.get_running_loop()
        work = asyncio.create_task(saturate(fleet, 8.0))
        await asyncio.sleep(2.0)
        at = loop.time()
        assert fleet[0].limiter.on_throttled(epoch=fleet[0].limiter.control.epoch, now=at)
        fleet[0].limiter.pause(at + 3.0)
        left = await work
    for moments in left:
        assert not [moment for moment in moments if at + 0.26 < moment < at + 3.0]
        assert [moment for moment in moments if moment < at]


class Hidden:
    """A limit that only shows itself by 429s, at the other end of the wire."""

    def __init__(self, calls: int, per: float) -> None:
        self.log = SlidingLog(calls, per)
        self.refused: list[float] = []
        self.accepted: list[float] = []

    async def call(self, limiter: RateLimiter, rng: random.Random) -> None:
        loop = asyncio.get_running_loop()
        probe = await limiter.acquire("bulk")
        sent, epoch = loop.time(), limiter.epoch_of(probe=probe)
        await asyncio.sleep(0.02)
        wait = self.log.admit(loop.time())
        await asyncio.sleep(0.02)
        limiter.release(probe=probe)
        now = loop.time()
        if wait:
            self.refused.append(sent)
            if limiter.on_throttled(epoch=epoch, now=now):
                limiter.pause(now + rng.uniform(0.0, min(20.0, 0.1 * 2 ** (limiter.control.throttlings - 1))))
        else:
            self.accepted.append(sent)
            limiter.on_accepted(epoch=epoch, sent_at=sent, now=now)


@pytest.mark.parametrize(("limit", "calls", "per"), [(Limit(200), 20, 1.0), (None, 20, 10.0), (Limit(200), 100, 60.0)])
async def test_a_fleet_finds_a_limit_that_nobody_told(limit: Limit | None, calls: int, per: float) -> None:
    random.seed(2)
    rng, hidden = random.Random(2), Hidden(calls, per)
    seconds = {1.0: 180.0, 10.0: 450.0, 60.0: 900.0}[per]
    async with clients(4, RemoteLimits(), limit=limit) as fleet:

        async def work(client: Client) -> None:
            while True:
                await hidden.call(client.limiter, rng)

        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(work(client)) for client in fleet for _ in range(6)]
        await asyncio.sleep(seconds / 3)
        since = loop.time()
        await asyncio.sleep(seconds * 2 / 3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    accepted = sum(moment >= since for moment in hidden.accepted)
    refused = sum(moment >= since for moment in hidden.refused)
    assert accepted >= 0.92 * calls * (loop.time() - since) / per
    assert refused <= 0.02 * accepted


async def test_several_429s_of_one_moment_cut_the_rate_once() -> None:
    async with clients(4, RemoteLimits(), limit=Limit(100)) as fleet:
        await saturate(fleet, 3.0)
        loop = asyncio.get_running_loop()
        now = loop.time()
        for client in fleet:
            client.limiter.on_throttled(epoch=client.limiter.control.epoch, now=now)
            client.limiter.pause(now + 0.1)
        await saturate(fleet, 3.0)
        rates = {client.limiter.control.rate(loop.time()) for client in fleet}
        assert all(client.limiter.control.learned for client in fleet)
        assert min(rate for rate in rates if rate) >= 0.95 * 97
        assert fleet[0].limiter.control.throttlings == 1


async def test_interactive_calls_go_first_among_those_of_their_client() -> None:
    async with clients(1, RemoteLimits(), limit=Limit(10)) as (client,):
        loop, waits = asyncio.get_running_loop(), list[float]()
        bulk = asyncio.create_task(saturate([client], 10.0, workers=40))
        await asyncio.sleep(1.0)
        for _ in range(10):
            started = loop.time()
            await client.limiter.acquire("interactive")
            waits.append(loop.time() - started)
            client.limiter.release()
            await asyncio.sleep(0.4)
        await bulk
    assert max(waits) <= 0.22


async def test_a_call_whose_turn_in_the_fleet_comes_too_late_is_refused_at_once() -> None:
    async with clients(6, RemoteLimits(), limit=Limit(1, per=5.0)) as fleet:
        others = [asyncio.create_task(client.limiter.acquire()) for client in fleet]
        await asyncio.sleep(0.1)
        loop = asyncio.get_running_loop()
        started = loop.time()
        with pytest.raises(OverloadedError, match="with the calls of other processes"):
            await fleet[-1].limiter.acquire(until=started + 10.0)
        assert loop.time() == started
        for call in others:
            call.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def test_no_more_than_max_in_flight_are_under_way() -> None:
    async with clients(1, RemoteLimits(), limit=Limit(1000), max_in_flight=3) as (client,):
        moments = together(await saturate([client], 2.0, workers=20))
    assert len(moments) == pytest.approx(3 * 2.0 / 0.05, abs=6)


async def test_without_a_limit_calls_do_not_wait_for_the_store_but_pauses_are_shared() -> None:
    store = RemoteLimits()
    async with clients(2, store, limit=None) as (first, second):
        moments = together(await saturate([first], 2.0))
        assert len(moments) == pytest.approx(8 * 2.0 / 0.05, rel=0.05)
        assert len(store.requests) <= 25
        loop = asyncio.get_running_loop()
        now = loop.time()
        first.limiter.on_throttled(epoch=first.limiter.control.epoch, now=now)
        first.limiter.pause(now + 2.0)
        await asyncio.sleep(0.01)
        await second.limiter.acquire()
        assert loop.time() >= now + 2.0


async def test_while_the_store_is_away_a_tenth_is_let_through_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "octoffm_async")
    store = RemoteLimits()
    async with clients(3, store, limit=Limit(50)) as fleet:
        await saturate(fleet, 2.0)
        store.fail = ConnectionError("redis://user:secret@host")
        alone = await saturate(fleet, 10.0)
        assert [client.limiter.stats("1", Group.STOCKS, 0.0).shared for client in fleet] == [False] * 3
        assert [client.limiter.stats("1", Group.STOCKS, 0.0).rate for client in fleet] == [
            pytest.approx(5.0, rel=0.03)
        ] * 3
        store.fail = None
        back = await saturate(fleet, 10.0)
        assert together(back)[-1] - together(back)[-200] <= 200 / (0.9 * 50)
    assert worst_window(together(alone), 1.0) <= 50
    for moments in alone:
        assert 30 <= len(moments) <= 36  # for the first seconds its share is not reserved yet
    assert worst_window(together(alone) + together(back), 1.0) <= 50
    reported = [record.getMessage() for record in caplog.records]
    assert sum("going on with 1/10 of each limit" in text for text in reported) == 3
    assert sum("can be used again" in text for text in reported) == 3
    assert "secret" not in caplog.text


async def test_a_store_that_forgot_all_does_not_make_a_fleet_exceed_the_limit() -> None:
    store = RemoteLimits()
    async with clients(3, store, limit=Limit(50)) as fleet:
        work = asyncio.create_task(saturate(fleet, 12.0))
        for _ in range(2):
            await asyncio.sleep(3.0)
            store.fail = ConnectionError()
            await asyncio.sleep(0.7)
            store.fail = None
            store.forget()
        moments = together(await work)
    assert worst_window(moments, 1.0) <= 50


async def test_a_store_that_does_not_answer_is_held_for_away() -> None:
    store = RemoteLimits(trip=1e6)
    async with clients(1, store, limit=Limit(50)) as (client,):
        started = asyncio.get_running_loop().time()
        await client.limiter.acquire()
        assert 2.0 <= asyncio.get_running_loop().time() - started <= 2.6


async def test_a_reply_that_is_late_once_makes_no_client_exceed_the_limit_beside_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As where one process is so busy that it reads its reply too late."""
    store = RemoteLimits()
    async with clients(3, store, limit=Limit(50)) as fleet:
        work = asyncio.create_task(saturate(fleet, 12.0))
        for _ in range(2):
            await asyncio.sleep(3.0)
            store.trip = 4.0
            await asyncio.sleep(0.05)
            store.trip = 0.001
        moments = together(await work)
    assert worst_window(moments, 1.0) <= 50
    assert len(moments) >= 0.7 * 50 * 12
    assert "cannot be used" not in caplog.text


async def test_a_store_that_is_too_far_away_is_of_no_use(caplog: pytest.LogCaptureFixture) -> None:
    async with clients(1, RemoteLimits(trip=0.2), limit=Limit(50)) as fleet:
        assert len(together(await saturate(fleet, 20.0))) > 50
    assert "cannot be used" in caplog.text


async def test_without_a_limit_one_call_a_second_is_let_through_while_the_store_is_away() -> None:
    store = RemoteLimits()
    store.fail = OSError()
    async with clients(1, store, limit=None) as fleet:
        assert 8 <= len(together(await saturate(fleet, 10.0))) <= 11


async def test_pauses_hold_and_429s_count_while_the_store_is_away() -> None:
    store = RemoteLimits()
    store.fail = OSError()
    async with clients(1, store, limit=Limit(50)) as (client,):
        loop = asyncio.get_running_loop()
        for throttlings in (1, 2):
            probe = await client.limiter.acquire()
            epoch = client.limiter.epoch_of(probe=probe)
            client.limiter.release(probe=probe)
            assert client.limiter.on_throttled(epoch=epoch, now=loop.time())
            assert client.limiter.control.throttlings == throttlings
            client.limiter.pause(loop.time() + 5.0)
            await asyncio.sleep(0)
        started = loop.time()
        await client.limiter.acquire()
        assert loop.time() - started >= 5.0
        assert client.limiter.on_accepted(epoch=client.limiter.control.epoch, sent_at=loop.time(), now=loop.time())
        assert client.limiter.control.throttlings == 0


async def test_a_store_that_is_set_up_wrongly_is_told_to_the_callers() -> None:
    store = RemoteLimits()
    store.fail = ConfigurationError("no such table")
    async with clients(1, store, limit=Limit(50)) as (client,):
        with pytest.raises(ConfigurationError, match="no such table"):
            await client.limiter.acquire()


async def test_many_keys_are_asked_for_together() -> None:
    store, exchanges = RemoteLimits(trip=0.005), 0
    exchange = store.exchange

    async def count(requests: Sequence[LeaseRequest]) -> Sequence[LeaseReply]:
        nonlocal exchanges
        exchanges += 1
        return await exchange(requests)

    store.exchange = count  # type: ignore[method-assign]
    async with clients(1, store, limit=Limit(50)) as (client,):
        limiters = [client.limiters.of(str(number), Group.STOCKS) for number in range(100)]
        await asyncio.gather(*(limiter.acquire() for limiter in limiters))
    assert exchanges <= 10
    assert {request.key for request in store.requests} >= {
        f"http://127.0.0.1:9/seller/v2 {number} stocks" for number in range(100)
    }


@pytest.mark.parametrize(("workers", "calls"), [(1, 490), (40, 1900)])
async def test_a_client_that_is_alone_asks_a_dozen_times_a_second(workers: int, calls: int) -> None:
    store = RemoteLimits()
    async with clients(2, store, limit=Limit(2000)) as (busy, other):
        left: list[float] = []

        async def work() -> None:
            while True:
                await busy.call(left, latency=0.002)

        tasks = [asyncio.create_task(work()) for _ in range(workers)]
        await asyncio.sleep(0.2)
        left.clear()
        store.requests.clear()
        await asyncio.sleep(1.0)
        assert len(left) >= calls
        assert sum(not request.client for request in store.requests) <= 16
        began = asyncio.get_running_loop().time()
        await other.limiter.acquire()
        assert asyncio.get_running_loop().time() - began <= 0.15
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_token_calls_are_not_leased() -> None:
    limiters = LimiterRegistry(config(), RemoteLimits())
    assert not isinstance(limiters.of("", Group.TOKEN), SharedRateLimiter)


async def test_a_limiter_that_was_not_used_for_long_is_idle() -> None:
    async with clients(1, RemoteLimits(), limit=Limit(50)) as (client,):
        await client.limiter.acquire()
        client.limiter.release()
        now = asyncio.get_running_loop().time
        await asyncio.sleep(5)
        assert not client.limiter.idle(now())
        await asyncio.sleep(30)
        assert client.limiter.idle(now())


async def test_a_client_may_be_opened_again() -> None:
    store = RemoteLimits()
    client = Client(store, limit=Limit(50))
    await client.limiter.acquire()
    client.limiter.release()
    await client.close()
    with pytest.raises(ClosedError):
        await client.limiter.acquire()
    client.limiters.rebind()
    await client.limiter.acquire()
    await client.close()
    assert store.users == 0


MISHAPS: list[Callable[[RemoteLimits, Client, random.Random], None]] = [
    lambda store, client, rng: None,
    lambda store, client, rng: setattr(store, "trip", rng.choice([0.0001, 0.002, 0.004])),
    lambda store, client, rng: client.limiter.pause(asyncio.get_running_loop().time() + rng.choice([0.01, 0.5])),
    lambda store, client, rng: client.limiter.restart(),
]


@settings(max_examples=tries(40))
@given(
    seed=st.integers(0, 10**6),
    limit=st.builds(Limit, st.integers(1, 40), per=st.sampled_from([0.5, 1.0, 5.0]), burst=st.sampled_from([None, 3])),
)
def test_whatever_happens_no_window_holds_more_than_the_limit(seed: int, limit: Limit) -> None:
    async def fleet_of_three() -> None:
        rng, left = random.Random(seed), list[float]()
        store = RemoteLimits()
        async with clients(3, store, limit=limit, limit_jitter=0.0, max_in_flight=5) as fleet:
            tasks = list[asyncio.Task[None]]()
            for _ in range(120):
                client = rng.choice(fleet)
                if rng.random() < 0.2:
                    rng.choice(MISHAPS)(store, client, rng)
                elif rng.random() < 0.2 and tasks:
                    rng.choice(tasks).cancel()
                else:
                    tasks.append(asyncio.create_task(client.call(left, rng.choice([0.0, 0.01, 0.3]))))
                await asyncio.sleep(rng.choice([0.0, 0.0, 0.001, 0.05]))
            await asyncio.gather(*tasks, return_exceptions=True)
            assert all(client.limiter.in_flight == 0 for client in fleet)
        assert worst_window(sorted(left), limit.per) <= limit.calls

    on_virtual_time(fleet_of_three)
