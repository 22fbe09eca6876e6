"""Processes that call for the same sellers and share their limits by a store, and the sandbox's view of them."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self
from unittest.mock import patch

from octoffm_async import FulfillmentClient, Limit, OctoffmError, StoreError
from octoffm_async.config import Config
from octoffm_async.ratelimit.shared.store import KeyValueLimits
from octoffm_async.sandbox.http.rate_limit import RequestLimits
from octoffm_async.sandbox.thread import SandboxThread
from octoffm_async.stores.open import open_store

from .child import Child

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from octoffm_async.contract.operations import Group
    from octoffm_async.ratelimit.shared.store import LimitStore

JITTER = 0.02


def store_at(address: str, *, processes: int = 10) -> LimitStore:
    """Return the limit store at an address."""
    return KeyValueLimits(open_store(address), processes=processes)


class Caller:
    """See :class:`~benchmarks.child.Subject`: calls as fast as its limits allow, for the ordered time."""

    def __init__(self, store: str, config: dict[str, Any], limit: tuple[int, float], jitter: float = JITTER) -> None:
        self._config = Config(**config, limit=Limit(limit[0], per=limit[1]), limit_jitter=jitter)
        self._store = store

    async def open(self) -> None:
        """See Subject."""
        self._client = await FulfillmentClient(self._config, logging=False, store=self._store).open()
        await self._client.check()

    async def measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        """See Subject."""
        cut_off = asyncio.create_task(_cut_off(*order["cut_off"]))
        try:
            return await self._measure(order)
        finally:
            cut_off.cancel()

    async def _measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        loop = asyncio.get_running_loop()
        ends, done, failed = loop.time() + order["seconds"], 0, 0

        async def call(seller: str) -> None:
            nonlocal done, failed
            client = self._client.seller(seller)
            while loop.time() < ends:
                try:
                    await client.request("GET", "/stocks", params={"limit": "1"})
                except OctoffmError:
                    failed += 1
                else:
                    done += 1

        tasks = [asyncio.create_task(call(seller)) for seller in order["sellers"] for _ in range(order["workers"])]
        await asyncio.sleep(order["seconds"])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        stats = self._client.stats()
        return {"done": done, "failed": failed, "throttled": stats.throttled, "void": sum(k.void for k in stats.keys)}

    async def close(self) -> None:
        """See Subject."""
        await self._client.close()


async def _cut_off(begins: float, ends: float) -> None:
    """Let this process not reach the limit store between two moments from now."""

    async def exchange(*_: object) -> NoReturn:
        raise StoreError("cut off", away=True)

    await asyncio.sleep(begins)
    with patch.object(KeyValueLimits, "exchange", exchange):
        await asyncio.sleep(ends - begins)


class Seen(NamedTuple):
    """The sandbox's view of one key: requests, the most in any window, and the used part of the limit."""

    requests: int
    highest: int
    used: float


class Arrivals:
    """The times at which requests came to the sandbox, by seller; on its own clock."""

    def __init__(self) -> None:
        self.moments: dict[str, list[float]] = defaultdict(list)
        self.stall: float = 0.0
        """The most seconds for which this process was not run, though it could: so much later it notes requests."""

    @contextmanager
    def recorded(self) -> Generator[None]:
        """Record while the block lasts."""
        admit, ended = RequestLimits.admit, Event()

        def watch() -> None:
            before = time.monotonic()
            while not ended.wait(0.005):
                now = time.monotonic()
                before, self.stall = now, max(self.stall, now - before - 0.005)

        def note(limits: RequestLimits, seller: str, group: Group, now: float) -> float:
            self.moments[seller].append(now)
            return admit(limits, seller, group, now)

        with patch.object(RequestLimits, "admit", note), ThreadPoolExecutor(1) as watcher:
            watcher.submit(watch)
            try:
                yield
            finally:
                ended.set()

    def seen(self, seller: str, limit: tuple[int, float], *, since: float = 0.0) -> Seen:
        """Return the view of one seller, from so many seconds after its first request on."""
        moments, (calls, per) = self.moments[seller], limit
        moments = [moment for moment in moments if moment >= moments[0] + since]
        span = moments[-1] - moments[0] if len(moments) > 1 else per
        return Seen(len(moments), highest_window(moments, per), (len(moments) - 1) / span / (calls / per))


def highest_window(moments: Sequence[float], per: float) -> int:
    """Return the most moments that any window of this length holds."""
    first = highest = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= per:
            first += 1
        highest = max(highest, last - first + 1)
    return highest


class Fleet:
    """A sandbox in a thread of this process, and the processes that call it. ``limit`` is what all of them share."""

    def __init__(
        self, store: str, *, processes: int, sellers: int, limit: tuple[int, float], jitter: float = JITTER
    ) -> None:
        self.sellers = [f"S{number}" for number in range(sellers)]
        self.limit = limit
        self._stack = ExitStack()
        self.sandbox = self._stack.enter_context(SandboxThread(sellers=self.sellers))
        config = {
            name: getattr(self.sandbox, name)
            for name in ("client_id", "client_secret", "seller_id", "base_url", "token_url")
        }
        settings = {"store": store, "config": config, "limit": limit, "jitter": jitter}
        self.children: list[Child] = [
            self._stack.enter_context(Child("benchmarks.fleet:Caller", settings)) for _ in range(processes)
        ]
        for child in self.children:
            child.wait_ready()

    def run(
        self, *, seconds: float, workers: int, cut_off: int = 0, outage: tuple[float, float] = (0.0, 0.0)
    ) -> tuple[list[Seen], list[dict[str, float]]]:
        """Let all call at once; return the view of each seller, and the figures of each process.

        The first ``cut_off`` processes cannot reach the store between the two moments of ``outage``.
        """
        self.arrivals: Arrivals = Arrivals()
        order = {"sellers": self.sellers, "seconds": seconds, "workers": workers}

        def measure(number: int) -> dict[str, float]:
            return self.children[number].measure(**order, cut_off=outage if number < cut_off else (seconds, seconds))

        with self.arrivals.recorded(), ThreadPoolExecutor(len(self.children)) as pool:
            told = list(pool.map(measure, range(len(self.children))))
        return [self.arrivals.seen(seller, self.limit) for seller in self.sellers], told

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
