"""Limits that processes share: the cost of the store for a call at a high rate, and a fleet's use of a limit.

The first table is of one client: a key of 2,000 calls a second whose permits are acquired as fast as possible
(``full``), and 500 times a second (``spaced``), without a store and with each. The others are of eight real processes
that call the sandbox as fast as their shared limits allow, by one key and by 200 at once: the used part of the limit,
and the most requests that the sandbox saw in any window. The stores are a SQLite file, Redis and PostgreSQL; the
servers are started for it, from installed programs.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.servers import PostgresServer, RedisServer
from octoffm_async import Config, Limit
from octoffm_async.contract.operations import Group
from octoffm_async.ratelimit.registry import LimiterRegistry

from ..bench import Bench
from ..fleet import Fleet, store_at
from ..measuring import spread, timed
from ..rounds import Case, Column, Measured, Result, Table, interleave

if TYPE_CHECKING:
    from collections.abc import Mapping

    from octoffm_async.ratelimit.limiter import RateLimiter

    from ..child import Child
    from ..options import Options

RATE, SPACED, IN_FLIGHT, LATENCY = 2000, 500, 50, 0.005
NONE = "no store"
PROCESSES, SECONDS = 8, 20.0


class Passing:
    """See :class:`~benchmarks.child.Subject`: acquires permits of one limiter, many times."""

    def __init__(self, store: str | None) -> None:
        config = Config(
            client_id="client", client_secret="secret", seller_id="1", limit=Limit(RATE), max_in_flight=2 * IN_FLIGHT
        )  # fmt: skip
        self._limiters = LimiterRegistry(config, None if store is None else store_at(store))

    async def open(self) -> None:
        """See Subject."""
        self._limiters.rebind()
        self._limiter = self._limiters.of("1", Group.STOCKS)
        await self._full(200)

    async def measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        """See Subject."""
        work = self._full if order["way"] == "full" else self._spaced
        return await timed(lambda: work(order["calls"]))

    async def close(self) -> None:
        """See Subject."""
        self._limiters.close()
        await self._limiters.return_leases()

    async def _full(self, calls: int) -> None:
        await spread(lambda: _pass(self._limiter, "bulk", LATENCY), calls, IN_FLIGHT)

    async def _spaced(self, calls: int) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with asyncio.TaskGroup() as group:
            for number in range(calls):
                await asyncio.sleep(started + number / SPACED - loop.time())
                group.create_task(_pass(self._limiter, "interactive", 0.0))


async def _pass(limiter: RateLimiter, lane: Any, latency: float) -> None:
    loop = asyncio.get_running_loop()
    sent = loop.time()
    probe = await limiter.acquire(lane, now=sent, until=sent + 60.0)
    if latency:
        await asyncio.sleep(latency)
    limiter.release(probe=probe)
    limiter.on_accepted(epoch=limiter.control.epoch, sent_at=sent, now=loop.time())


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    with ExitStack() as stack:
        redis, postgres = stack.enter_context(RedisServer()), stack.enter_context(PostgresServer())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stores = {"SQLite": f"{folder}/state.sqlite", "Redis": redis.address, "PostgreSQL": postgres.address("limits")}
        cost = _cost(options, stores)
        fleets = [
            _fleet(options, stores, sellers=1, limit=(50, 1.0), jitter=0.02),
            _fleet(options, stores, sellers=200, limit=(50, 10.0), jitter=0.1),
        ]
    return Result(part="shared_limits", tables=[cost, *fleets])


def _cost(options: Options, stores: dict[str, str]) -> Table:
    subject = "benchmarks.parts.shared_limits:Passing"
    with Bench(options) as bench:
        children = {name: bench.child(subject, {"store": address}) for name, address in {NONE: None, **stores}.items()}
        cases = [_case(name, way, child) for way in ("full", "spaced") for name, child in children.items()]
        measured = bench.interleave(cases)
    columns = [Column("cpu", "CPU µs/call"), Column("rate", "calls/s", 0)]
    title = f"Permits of a limit of {RATE:,} calls a second, at full speed and {SPACED} times a second, {options.loop}"
    return Table(
        name="cost",
        title=title,
        columns=columns,
        figures=measured.figures,
        order=measured.order,
        lead="cpu",
        sort=False,
    )


def _case(name: str, way: str, child: Child) -> Case:
    calls = RATE if way == "full" else SPACED

    def measure() -> dict[str, float]:
        spent = child.measure(way=way, calls=calls)
        return {"cpu": spent["cpu"] / calls * 1e6, "rate": calls / spent["wall"]}

    return Case(f"{way}, {name}", measure)


def _fleet(options: Options, stores: dict[str, str], *, sellers: int, limit: tuple[int, float], jitter: float) -> Table:
    def case(name: str, address: str) -> Case:
        def measure() -> dict[str, float]:
            with Fleet(address, processes=PROCESSES, sellers=sellers, limit=limit, jitter=jitter) as fleet:
                seen, told = fleet.run(seconds=SECONDS, workers=4 if sellers == 1 else 1)
            return {
                "used": 100 * statistics.median(each.used for each in seen),
                "least": 100 * min(each.used for each in seen),
                "highest": max(each.highest for each in seen),
                "void": sum(each["void"] for each in told),
            }

        return Case(name, measure)

    measured: Measured = interleave([case(name, address) for name, address in stores.items()], min(options.rounds, 2))
    return Table(
        name=f"fleet-{sellers}",
        title=f"{PROCESSES} processes, {sellers} keys of {limit[0]} calls in {limit[1]:g} s, {SECONDS:g} s",
        columns=[
            Column("used", "used %"),
            Column("least", "least used key %"),
            Column("highest", "most in a window", 0),
            Column("void", "slots lost", 0),
        ],
        figures=measured.figures,
        order=measured.order,
        lead="used",
        sort=False,
        plot=False,
    )
