"""All of 1,000,000 stocks at 50 ms latency: the list read by cursor, and by windows of time.

``bulk.scan_stocks`` and the first scan of ``client.changes`` read by windows.

All have the same limit of 200 requests a second. Every row is counted once and none may be missing.
"""

from __future__ import annotations

import dataclasses
import http.client
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from octoffm_async import FulfillmentClient, Limit

from ..answers import PAGE, TOKEN_PATH
from ..bench import START_PATIENCE, Bench, StubProcess, WrongWorkError
from ..child import end, read_line, spawn
from ..measuring import MIB, Memory, timed
from ..peers.base import Target
from ..peers.ours import config_for
from ..rounds import Case, Column, Result, Table
from ..stub import Start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from octoffm_async import Stock

    from ..child import Child
    from ..options import Options

ROWS, LATENCY = 1_000_000, 0.05
LIMIT = Limit(200, per=1.0)
WALK = "the list, page after page"
CHANGES = "changes(), first scan"
CONCURRENCY = (4, 8, 16)


class WindowedProcess(StubProcess):
    """A stub that answers windows of time, see :mod:`benchmarks.windowed`."""

    def __init__(self, cpus: list[int]) -> None:
        self._stack = ExitStack()
        self._process = spawn("benchmarks.windowed", Start(cpus=cpus))
        self._stack.callback(end, self._process)
        port = int(read_line(self._process, START_PATIENCE))
        self._control = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._stack.callback(self._control.close)
        self.target = Target(f"http://127.0.0.1:{port}", TOKEN_PATH)


class Scans:
    """See :class:`~benchmarks.child.Subject`."""

    def __init__(self, target: list[Any]) -> None:
        config = dataclasses.replace(config_for(Target(*target)), limit=LIMIT)
        self._client = FulfillmentClient(config, logging=False)

    async def open(self) -> None:
        """See Subject."""
        await self._client.open()
        await self._client.check()

    async def measure(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """See Subject."""
        self._seen = bytearray(order["rows"])
        self._given = 0
        memory = Memory()
        at_once = order["at_once"]
        ways = {WALK: self._walk, CHANGES: self._follow}
        spent = await timed(ways.get(order["way"], lambda: self._scan(at_once)))
        return {**spent, "peak": memory.peak(), "given": self._given, "distinct": sum(self._seen)}

    async def close(self) -> None:
        """See Subject."""
        await self._client.close()

    async def _walk(self) -> None:
        async for page in self._client.stocks.list().pages():
            self._take(page.items)

    async def _scan(self, at_once: int) -> None:
        pages: AsyncIterator[list[Stock]] = self._client.bulk.scan_stocks(concurrency=at_once).pages()
        async for rows in pages:
            self._take(rows)

    async def _follow(self) -> None:
        async for change in self._client.changes(datetime(2000, 1, 1, tzinfo=UTC), kinds=["stocks"]):
            self._seen[int(change.id[-12:], 16)] = 1
            self._given += 1

    def _take(self, rows: Iterable[Stock]) -> None:
        for stock in rows:
            self._seen[int(stock.id[-12:], 16)] = 1
            self._given += 1


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    pages = max(1, (options.size or ROWS) // PAGE)
    stub = WindowedProcess(options.processors().stub)
    try:
        with Bench(options) as bench:
            stub.set(pages=pages, latency=LATENCY)
            child = bench.child("benchmarks.parts.scan:Scans", {"target": stub.target})
            ways = {WALK: None} | {f"scan_stocks, {count} at a time": count for count in CONCURRENCY} | {CHANGES: None}
            measured = bench.interleave([_case(way, child, stub, pages, count) for way, count in ways.items()], 1)
    finally:
        stub.close()
    table = Table(
        name="scan",
        title=f"Reading {pages * PAGE:,} stocks at {LATENCY * 1e3:.0f} ms of latency, {LIMIT.calls} requests/s at most",
        columns=[
            Column("wall", "wall s"),
            Column("wall", "× wall", 3, WALK),
            Column("faster", "times faster"),
            Column("requests", "requests", 0),
            Column("cpu", "CPU s"),
            Column("peak", "MiB above idle"),
        ],
        figures=measured.figures,
        order=measured.order,
        lead="wall",
        highlight=[way for way in ways if way != WALK],
    )
    walked = table.median(WALK, "wall") or 0.0
    for way in ways:
        table.figures[way]["faster"] = [walked / wall for wall in table.figures[way]["wall"]]
    return Result(part="scan", tables=[table], notes=["Memory of the reader's own list of rows, a byte each, included"])


def _case(way: str, child: Child, stub: StubProcess, pages: int, at_once: int | None) -> Case:
    def measure() -> dict[str, float]:
        before = stub.counts()
        spent = child.measure(rows=pages * PAGE, way=way, at_once=at_once)
        after = stub.counts()
        if not spent["given"] == spent["distinct"] == pages * PAGE:
            raise WrongWorkError(f"{way}: {spent['given']} rows, {spent['distinct']} of them distinct")
        return {
            "wall": spent["wall"],
            "cpu": spent["cpu"],
            "peak": spent["peak"] / MIB,
            "requests": after.pages - before.pages,
        }

    return Case(way, measure)
