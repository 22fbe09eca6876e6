"""Interactive calls on a key that a bulk run saturates: their waits for a permit, and the share that bulk still gets.

The wait is the time of a call before it was sent, as a part of the limit's interval (1 / rate).
"""

from __future__ import annotations

import asyncio
import random
from statistics import quantiles
from typing import TYPE_CHECKING, NamedTuple

from octoffm_async import Limit
from octoffm_async.events import CallFinished
from octoffm_async.session.options import CallOptions

from .api import Latency, SimulatedApi, config, sliding
from .clock import simulate
from .load import call, saturated, session_on

if TYPE_CHECKING:
    from octoffm_async import Config
    from octoffm_async.events import Event

RATES = (5, 20, 100, 500)
SHARE = 0.1
CALLS = 2000
INTERACTIVE = CallOptions(lane="interactive", deadline=60.0)
WAIT_MOST = 1.2


class Waits(NamedTuple):
    """Intervals that interactive calls waited; ``used`` is the part of the limit that all calls used."""

    p50: float
    p99: float
    longest: float
    used: float
    bulk: float
    calls: int


NAME = "interactive"


class Waited:
    """A hook that notes the waits of calls in tasks of this name."""

    events = frozenset({CallFinished})

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, event: Event) -> None:
        """See Hook."""
        task = asyncio.current_task()
        if isinstance(event, CallFinished) and task is not None and task.get_name() == NAME:
            self.seconds.append(event.waited)


def measure(rate: int, *, seed: int = 1, calls: int = CALLS) -> Waits:
    """Measure interactive calls at a tenth of the rate, at random moments (Poisson)."""
    return simulate(_poisson(rate, seed, calls))


def measure_flood(rate: int, *, seed: int = 1, seconds: float = 60.0) -> Waits:
    """Measure interactive calls that ask for the whole limit."""
    return simulate(_flood(rate, seed, seconds))


async def _poisson(rate: int, seed: int, calls: int) -> Waits:
    rng, loop = random.Random(seed), asyncio.get_running_loop()
    api, hook = _api(rate, rng), Waited()
    async with session_on(api, _config(rate), seed=seed, hooks=[hook]) as session, saturated(session, 60):
        await asyncio.sleep(5)
        began, tasks = loop.time(), set[asyncio.Task[None]]()
        for _ in range(calls):
            await asyncio.sleep(rng.expovariate(rate * SHARE))
            tasks.add(asyncio.create_task(call(session, options=INTERACTIVE), name=NAME))
        ended = loop.time()
        await asyncio.gather(*tasks)
    return _waits(hook, api, rate, began=began, ended=ended)


async def _flood(rate: int, seed: int, seconds: float) -> Waits:
    loop = asyncio.get_running_loop()
    api, hook = _api(rate, random.Random(seed)), Waited()

    async def ask() -> None:
        while loop.time() < began + seconds:
            await call(session, options=INTERACTIVE)

    async with session_on(api, _config(rate), seed=seed, hooks=[hook]) as session, saturated(session, 60):
        await asyncio.sleep(5)
        began = loop.time()
        await asyncio.gather(*(asyncio.create_task(ask(), name=NAME) for _ in range(60)))
        ended = loop.time()
    return _waits(hook, api, rate, began=began, ended=ended)


def _api(rate: int, rng: random.Random) -> SimulatedApi:
    api = SimulatedApi(Latency(0.03, 0.06, rng))
    api.quota = sliding(rate, 1.0)
    return api


def _config(rate: int) -> Config:
    return config(limit=Limit(rate, per=1.0), max_in_flight=200)


def _waits(hook: Waited, api: SimulatedApi, rate: int, *, began: float, ended: float) -> Waits:
    waits = sorted(seconds * rate for seconds in hook.seconds)
    sent = api.count(began, ended)
    percentiles = quantiles(waits, n=100)
    return Waits(
        p50=percentiles[49],
        p99=percentiles[98],
        longest=waits[-1],
        used=sent / (rate * (ended - began)),
        bulk=1 - len(waits) / sent,
        calls=len(waits),
    )
