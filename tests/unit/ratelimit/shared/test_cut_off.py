"""Clients that are cut off from the store that others reach, killed, idle, and back: the limit in every window."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async import Limit
from octoffm_async.ratelimit.shared.store import LeaseReply, LeaseRequest, LimitStore
from tests.support.items import on_virtual_time
from tests.unit.ratelimit.shared.test_limiter import Client, RemoteLimits
from tests.unit.ratelimit.test_limiter import worst_window
from tests.unit.sizes import tries

pytestmark = pytest.mark.virtual_time
OUTAGES = ("refused", "hanging", "deaf", "late")
KILLED_FOR = 2.0
"""Seconds for which a client that was killed counts among the ``processes``."""


class Link:
    """One client's way to the store: it may refuse, hang, lose replies, or deliver requests when it is too late."""

    def __init__(self, store: LimitStore) -> None:
        self.store = store
        self.processes = store.processes
        self.state = "up"
        self.late = set[asyncio.Task[Sequence[LeaseReply]]]()

    def open(self) -> None:
        self.store.open()

    async def close(self) -> None:
        for task in self.late:
            task.cancel()
        await self.store.close()

    async def exchange(self, requests: Sequence[LeaseRequest]) -> Sequence[LeaseReply]:
        if self.state == "refused":
            raise ConnectionError
        if self.state == "late":
            self.late.add(asyncio.create_task(self.deliver(requests)))
        if self.state == "deaf":
            await self.store.exchange(requests)
        if self.state != "up":
            await asyncio.sleep(1e6)
        return await self.store.exchange(requests)

    async def deliver(self, requests: Sequence[LeaseRequest]) -> Sequence[LeaseReply]:
        await asyncio.sleep(random.uniform(0.0, 5.0))
        return await self.store.exchange(requests)


class Caller:
    """A client of the fleet, which calls as fast as it may while it is ``busy``."""

    def __init__(self, store: LimitStore, limit: Limit, moments: list[float]) -> None:
        self.link = Link(store)
        self.client = Client(self.link, limit=limit, limit_jitter=0.0)
        self.busy = asyncio.Event()
        self.busy.set()
        self.tasks = [asyncio.create_task(self.work(moments)) for _ in range(4)]

    async def work(self, moments: list[float]) -> None:
        while True:
            await self.busy.wait()
            await self.client.call(moments, random.choice([0.0, 0.02, 0.1]))

    async def leave(self, *, killed: bool = False) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if killed:
            self.link.state = "hanging"
        await self.client.close()


@pytest.mark.parametrize("cut_off", [0, 1, 4, 8])
async def test_a_partial_outage_leaves_a_limit_whole_and_in_use(cut_off: int) -> None:
    limit, moments, loop = Limit(50), list[float](), asyncio.get_running_loop()
    store = RemoteLimits(processes=8)
    fleet = [Caller(store, limit, moments) for _ in range(8)]
    await asyncio.sleep(3.0)
    for number, caller in enumerate(fleet[:cut_off]):
        caller.link.state = OUTAGES[number % 2]
    since = loop.time()
    await asyncio.sleep(8.0)
    for caller in fleet:
        caller.link.state = "up"
    await asyncio.sleep(8.5)
    until = loop.time()
    for caller in fleet:
        await caller.leave()

    def used(begin: float, end: float) -> float:
        return sum(begin <= moment < end for moment in moments) / (50 * (end - begin))

    assert worst_window(moments, 1.0) <= 50
    assert used(since - 2.0, since) >= 0.95
    assert used(since + 4.0, since + 8.0) >= (0.94 if cut_off else 0.95)
    assert used(until - 3.0, until) >= 0.95


@settings(max_examples=tries(45))
@given(seed=st.integers(0, 10**6))
def test_whoever_is_cut_off_killed_or_idle_no_window_holds_more_than_the_limit(seed: int) -> None:
    async def fleet_of(processes: int, limit: Limit, rng: random.Random) -> None:
        loop, moments, killed = asyncio.get_running_loop(), list[float](), list[float]()
        store = RemoteLimits(processes=processes, trip=rng.choice([0.0005, 0.01]))
        fleet = [Caller(store, limit, moments) for _ in range(rng.randint(1, processes))]
        leaving = list[asyncio.Task[None]]()
        for _ in range(rng.randint(3, 10)):
            await asyncio.sleep(rng.choice([0.05, 0.3, 1.0, 3.0, 5.0]))
            event = rng.choice(["cut", "cut", "back", "back", "idle", "busy", "join", "kill", "quit"])
            if event == "join":
                dead = sum(loop.time() - moment <= KILLED_FOR + store.trip for moment in killed)
                if len(fleet) + dead < processes:
                    fleet.append(Caller(store, limit, moments))
            elif fleet:
                caller = rng.choice(fleet)
                if event == "cut":
                    caller.link.state = rng.choice(OUTAGES)
                elif event == "back":
                    caller.link.state = "up"
                elif event == "busy":
                    caller.busy.set()
                elif event == "idle":
                    caller.busy.clear()
                else:
                    fleet.remove(caller)
                    killed.append(loop.time())
                    leaving.append(asyncio.create_task(caller.leave(killed=event == "kill")))
        for caller in fleet:
            await caller.leave()
        await asyncio.gather(*leaving)
        assert worst_window(moments, limit.per - 1e-9) <= limit.calls

    rng, processes = random.Random(seed), 1 + seed % 6
    random.seed(seed)
    calls, per, burst = rng.randint(processes + 2, 40), rng.choice([0.5, 1.0, 5.0]), rng.choice([None, 3])
    on_virtual_time(lambda: fleet_of(processes, Limit(calls, per=per, burst=burst), rng))
