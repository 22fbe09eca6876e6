"""Cold starts without a ceiling, in real time: hidden quotas over HTTP on both loops, with latencies and callers.

Each case is a new client of a server in a process of its own. *Used* is what was accepted from the tenth second on,
over what the quota allowed then; *429s* is their part in all requests; *failed* are calls that raised an error. Every
round tries one kind of server: a sliding log, fixed windows, a bucket of one window's tokens. Cases of slow quotas are
tried side by side; ``--only`` chooses cases by words of their names (``"uvloop fixed 5/s 30 ms 20 callers"``).
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from octoffm_async import FulfillmentClient
from octoffm_async.errors import CallError
from octoffm_async.sandbox.http.rate_limit import SlidingLog

from ..rounds import Column, Result, Table
from ..traffic.api import STOCK, FixedWindow, config

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from multiprocessing.connection import Connection

    from ..options import Options
    from ..traffic.api import Quota

SETTLING, SECONDS = 10.0, 60.0
RATES, LATENCIES, CALLERS = (5, 20, 100, 500), (0.0, 0.03, 0.15), (1, 20, 200)
MARGIN = 1.2
"""The factor by which callers must be able to exceed a quota."""
IN_FLIGHT = 50
BESIDE = 200
"""Requests per second of the quotas that are tried side by side, at most."""


class Bucket:
    """A bucket of ``most`` tokens that is refilled within ``period``."""

    def __init__(self, most: int, period: float) -> None:
        self._most, self._period, self._left, self._then = most, period, float(most), 0.0

    def admit(self, now: float) -> float:
        """See :class:`~benchmarks.traffic.api.Quota`."""
        refilled = (now - self._then) * self._most / self._period
        self._left, self._then = min(float(self._most), self._left + refilled), now
        if self._left < 1.0:
            return (1.0 - self._left) * self._period / self._most
        self._left -= 1.0
        return 0.0


KINDS: dict[str, Callable[[int, float], Quota]] = {"log": SlidingLog, "fixed": FixedWindow, "bucket": Bucket}


class Case(NamedTuple):
    """A quota of ``rate`` per second, responses after ``latency`` seconds (a tenth more or less), callers."""

    kind: str
    rate: int
    latency: float
    callers: int
    loop: str

    @property
    def is_reachable(self) -> bool:
        """True if the callers can use the quota up."""
        return self.latency == 0 or min(self.callers, IN_FLIGHT) / self.latency >= MARGIN * self.rate

    @property
    def name(self) -> str:
        """The name for tables."""
        return f"{self.loop} {self.kind} {self.rate}/s {self.latency * 1e3:.0f} ms {self.callers} callers"


class _Connection(asyncio.Protocol):
    """A keep-alive connection of requests without a body, or with a small one, one at a time."""

    def __init__(self, quota: Quota, latency: float, counts: list[tuple[float, int]]) -> None:
        self._quota, self._latency, self._counts = quota, latency, counts

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        status, body, half = "200 OK", STOCK, self._latency / 2 * random.uniform(0.9, 1.1)
        if data.startswith(b"POST"):
            body = b'{"access_token": "token", "expires_in": 7200}'
            self._answer(status, body)
            return
        loop = asyncio.get_running_loop()
        loop.call_later(half, self._serve, half)

    def _serve(self, half: float) -> None:
        now = time.monotonic()
        wait = self._quota.admit(now)
        self._counts.append((now, 429 if wait else 200))
        answer = partial(self._answer, *(("429 Too Many Requests", b"{}") if wait else ("200 OK", STOCK)))
        asyncio.get_running_loop().call_later(half, answer)

    def _answer(self, status: str, body: bytes) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def _listen(case: Case, pipe: Connection) -> None:
    counts: list[tuple[float, int]] = []
    quota = KINDS[case.kind](case.rate, 1.0)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(quota, case.latency, counts), "127.0.0.1", 0, backlog=512
    )
    pipe.send(server.sockets[0].getsockname()[1])
    await asyncio.to_thread(pipe.recv)
    pipe.send(counts)


def _serve(case: Case, pipe: Connection) -> None:
    asyncio.run(_listen(case, pipe))


@contextmanager
def _server(case: Case) -> Generator[Connection]:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(case, theirs), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        process.join(10.0)


async def _start(case: Case, pipe: Connection, seconds: float) -> tuple[float, float, int]:
    port, failed = pipe.recv(), 0
    url = f"http://127.0.0.1:{port}"

    async def work(client: FulfillmentClient) -> None:
        nonlocal failed
        while True:
            try:
                await client.stocks.get("00000000-0000-0000-0000-000000000001")
            except CallError:
                failed += 1

    settings = config().with_(base_url=f"{url}/seller/v2", token_url=f"{url}/token", max_in_flight=IN_FLIGHT)
    async with FulfillmentClient(settings, logging=False) as client:
        began = time.monotonic()
        tasks = [asyncio.create_task(work(client)) for _ in range(case.callers)]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)
    pipe.send(None)
    counts = pipe.recv()
    used = sum(status == 200 and SETTLING <= at - began < seconds for at, status in counts)
    return (
        used / (case.rate * (seconds - SETTLING)),
        sum(status == 429 for _, status in counts) / max(1, len(counts)),
        failed,
    )


def measure(case: Case, seconds: float = SECONDS) -> tuple[float, float, int]:
    """Run one case; return the used part, the part of 429s, and the number of failed calls."""
    factory = None
    if case.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with _server(case) as pipe, asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_start(case, pipe, seconds))


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    kinds = list(KINDS)[: max(1, options.rounds)]
    cases = [Case(*cell) for cell in product(kinds, RATES, LATENCIES, CALLERS, ("asyncio", "uvloop"))]
    cases = [case for case in cases if case.is_reachable and all(word in case.name for word in options.only)]
    figures: dict[str, dict[str, list[float]]] = {}
    for rate in RATES:
        some = [case for case in cases if case.rate == rate]
        with ProcessPoolExecutor(max(1, min(8, BESIDE // rate)), multiprocessing.get_context("spawn")) as pool:
            for case, (used, refused, failed) in zip(some, pool.map(measure, some), strict=True):
                figures[case.name] = {"used": [100 * used], "refused": [100 * refused], "failed": [float(failed)]}
    columns = [Column("used", "used %"), Column("refused", "429s %", 2), Column("failed", "failed", 0)]
    title = "Cold starts: at least 90 % used from second 10 on, at most 2.5 % refused"
    table = Table(
        name="cold_start",
        title=title,
        columns=columns,
        figures=figures,
        order=list(figures),
        lead="used",
        sort=False,
        plot=False,
    )
    return Result(part="cold_start", tables=[table])
