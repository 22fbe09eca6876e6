"""A quota that the client does not know, and has to find and hold; and one that is configured.

A case runs for :data:`SETTLING` simulated seconds (with a change of quota: before it, and again after it), then the
requests that arrive at the API are counted for :data:`MEASURED` seconds. *Used* is the accepted requests over those
that the quota allowed. *Refused* is the part answered 429. *Converged* is the time from the start, or the change, to
the beginning of the first minute that met the promise.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from octoffm_async import Limit, MemoryLimits

from .api import FixedWindow, Latency, SimulatedApi, config, sliding
from .clock import simulate
from .load import saturated, session_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from octoffm_async.ratelimit import LeaseReply, LeaseRequest

SETTLING, MEASURED, MINUTE = 240.0, 300.0, 60.0
RATES, PERIODS = (5, 20, 100, 500), (1.0, 10.0, 60.0)
PROCESSES = (2, 4, 8)
CHANGES = ((5, 100), (100, 5), (500, 5), (5, 500), (20, 100))
USED_LEAST, REFUSED_MOST = 0.92, 0.02
USED_LEAST_TOLD = 0.97
TRIP = 0.002
"""Seconds of a round trip to the store of several processes."""


class RemoteLimits(MemoryLimits):
    """Limits in a store that is a round trip away."""

    async def exchange(self, requests: Sequence[LeaseRequest]) -> Sequence[LeaseReply]:
        """See :class:`~octoffm_async.LimitStore`."""
        await asyncio.sleep(TRIP / 2)
        replies = await super().exchange(requests)
        await asyncio.sleep(TRIP / 2)
        return replies


class Case(NamedTuple):
    """A hidden quota of ``rate`` per second over windows of ``period``, and later ``then``.

    Without ``processes`` one client learns it; else so many learn it together, through a store.
    """

    rate: int
    period: float
    then: int | None = None
    told: bool = False
    ceiling: Limit | None = None
    latency: tuple[float, float] = (0.03, 0.06)
    fixed: bool = False
    seed: int = 1
    processes: int = 0
    tells_seconds: bool = False

    @property
    def name(self) -> str:
        """The name for tables."""
        change = "" if self.then is None else f"→{self.then}"
        least, most = (f"{seconds * 1e3:.0f}" for seconds in self.latency)
        latency = "" if self.latency == (0.03, 0.06) else f", {least}-{most} ms"
        kind = ", fixed windows" if self.fixed else ""
        fleet = f", {self.processes} processes" if self.processes else ""
        fleet += ", Retry-After" if self.tells_seconds else ""
        return f"{self.rate}{change}/s in {self.period:.0f} s{kind}{latency}{fleet}"


class Figures(NamedTuple):
    """The figures of the module's docstring; ``history`` is accepted requests by simulated second."""

    used: float
    refused: float
    refusals: int
    converged: float | None
    history: list[tuple[float, float]]


def measure(case: Case) -> Figures:
    """Run one case."""
    return simulate(_run(case))


async def _run(case: Case) -> Figures:
    api = SimulatedApi(Latency(*case.latency, random.Random(case.seed)))
    loop = asyncio.get_running_loop()
    began = changed = loop.time()
    rate = case.rate
    quota = FixedWindow(round(rate * case.period), case.period) if case.fixed else sliding(rate, case.period)
    api.quota, api.tells_seconds = quota, case.tells_seconds
    limit = Limit(round(rate * case.period), per=case.period) if case.told else case.ceiling
    in_flight = max(50, round(2 * max(case.rate, case.then or 0) * case.latency[1]))
    settings = config(limit=limit, max_in_flight=in_flight)
    store = RemoteLimits(clock=lambda: loop.time() + 5e8) if case.processes else None
    random.seed(case.seed)
    async with AsyncExitStack() as stack:
        for number in range(max(1, case.processes)):
            session = await stack.enter_async_context(
                session_on(api, settings, seed=case.seed + 1000 * number, limits=store)
            )
            await stack.enter_async_context(saturated(session, ceil((in_flight + 10) / max(1, case.processes))))
        await asyncio.sleep(SETTLING)
        if case.then is not None:
            rate, changed = case.then, loop.time()
            quota.most = round(rate * case.period)
            await asyncio.sleep(SETTLING)
        await asyncio.sleep(MEASURED)
    return _figures(api, rate, began=began, changed=changed)


def _figures(api: SimulatedApi, rate: float, *, began: float, changed: float) -> Figures:
    accepted, refused = Counter[int](), Counter[int]()
    for at, status in zip(api.arrived_at, api.statuses, strict=True):
        (accepted if status == 200 else refused)[int(at - began)] += 1
    first, last = int(changed - began + SETTLING), int(changed - began + SETTLING + MEASURED)
    used, part = _over(accepted, refused, rate, first, last)
    return Figures(
        used=used,
        refused=part,
        refusals=sum(refused[second] for second in range(first, last)),
        converged=next(
            (
                float(second - int(changed - began))
                for second in range(int(changed - began), last - int(MINUTE))
                if _keeps(_over(accepted, refused, rate, second, second + int(MINUTE)))
            ),
            None,
        ),
        history=[(float(second), float(accepted[second])) for second in range(last)],
    )


def _over(accepted: Counter[int], refused: Counter[int], rate: float, first: int, last: int) -> tuple[float, float]:
    good = sum(accepted[second] for second in range(first, last))
    bad = sum(refused[second] for second in range(first, last))
    return good / (rate * (last - first)), bad / max(1, good + bad)


def _keeps(figures: tuple[float, float]) -> bool:
    used, refused = figures
    return used >= USED_LEAST and refused <= REFUSED_MOST
