"""Ten thousand sellers on one client: memory and time of each, and the waits that they cause each other."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
from statistics import median
from time import process_time
from typing import NamedTuple

from octoffm_async import Limit

from .api import Latency, SimulatedApi, config, sliding
from .clock import simulate
from .load import call, saturated, session_on

SELLERS = 10_000
ROUNDS, CALLS = 7, 2000
FORGOTTEN_AFTER = 600.0
THROTTLED, OTHER = "throttled", "other"


class Memory(NamedTuple):
    """Bytes per seller after one call each, and ten minutes later."""

    idle: float
    forgotten: float
    keys_idle: int
    keys_forgotten: int


class Throttled(NamedTuple):
    """The parts of its limit that a seller got with and without another one that was throttled all the time."""

    alone: float
    beside: float
    refused: int


def memory(sellers: int = SELLERS) -> Memory:
    """Measure the memory of idle sellers, before and after they are forgotten."""
    return simulate(_memory(sellers))


def overhead(sellers: int = SELLERS, *, rounds: int = ROUNDS, calls: int = CALLS) -> dict[str, list[float]]:
    """Measure the µs of a call with one seller and with many, in interleaved rounds."""
    return simulate(_overhead(sellers, rounds, calls))


def throttled(rate: int = 20) -> Throttled:
    """Measure a seller's use of its limit beside one whose hidden quota is far below its requests."""
    alone, _ = simulate(_beside(rate, with_throttled=False))
    beside, refused = simulate(_beside(rate, with_throttled=True))
    return Throttled(alone, beside, refused)


def _api() -> SimulatedApi:
    return SimulatedApi(Latency(0.0, 0.0, random.Random(1)))


async def _memory(sellers: int) -> Memory:
    async with session_on(_api(), config(limit=Limit(20)), seed=1) as session:
        await call(session, "first")
        gc.collect()
        tracemalloc.start()
        base = tracemalloc.get_traced_memory()[0]
        for number in range(sellers):
            await call(session, f"seller-{number}")
        gc.collect()
        idle = tracemalloc.get_traced_memory()[0] - base
        keys_idle = len(session.snapshot().keys)
        await asyncio.sleep(FORGOTTEN_AFTER)
        await call(session, "another")
        gc.collect()
        forgotten = tracemalloc.get_traced_memory()[0] - base
        tracemalloc.stop()
        return Memory(idle / sellers, forgotten / sellers, keys_idle, len(session.snapshot().keys))


async def _overhead(sellers: int, rounds: int, calls: int) -> dict[str, list[float]]:
    names = [f"seller-{number}" for number in range(sellers)]
    spent: dict[str, list[float]] = {"1 seller": [], f"{sellers:,} sellers": []}
    settings = config(limit=Limit(1_000_000))
    async with session_on(_api(), settings, seed=1) as one, session_on(_api(), settings, seed=1) as many:
        for name in names:
            await call(many, name)
        for at in range(rounds):
            begin = at * calls % sellers
            picked = (names * (1 + (begin + calls) // sellers))[begin : begin + calls]
            for name, session, asked in (("1 seller", one, names[:1] * calls), (f"{sellers:,} sellers", many, picked)):
                gc.collect()
                started = process_time()
                for seller in asked:
                    await call(session, seller)
                spent[name].append((process_time() - started) / calls * 1e6)
    return spent


async def _beside(rate: int, *, with_throttled: bool) -> tuple[float, int]:
    api = SimulatedApi(Latency(0.03, 0.06, random.Random(1)))
    api.quotas = {THROTTLED: sliding(1, 10.0), OTHER: sliding(rate, 1.0)}
    done = 0

    async def count() -> None:
        nonlocal done
        while True:
            await call(session, OTHER)
            done += 1

    async with (
        session_on(api, config(limit=Limit(rate)), seed=1) as session,
        saturated(session, 60 if with_throttled else 0, THROTTLED),
    ):
        tasks = [asyncio.create_task(count()) for _ in range(20)]
        await asyncio.sleep(10)
        before = done
        await asyncio.sleep(120)
        used = (done - before) / (rate * 120)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return used, sum(status == 429 for status in api.statuses)


def ratio(spent: dict[str, list[float]]) -> float:
    """Return the median of the ratios within each round."""
    one, many = spent.values()
    return median(b / a for a, b in zip(one, many, strict=True))
