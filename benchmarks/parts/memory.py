"""Peak memory above the idle client: a bulk run of 1,000,000 orders and scans of 1,000,000 stocks.

Each is done once, in a fresh process; ``--size`` is the number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from octoffm_async import OutboundShipmentRequest

from ..answers import ORDER, PAGE
from ..bench import Bench
from ..measuring import MIB, Memory, timed
from ..peers.base import Target
from ..peers.ours import client_for
from ..rounds import Case, Column, Lines, Result, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..child import Child
    from ..options import Options

ITEMS = 1_000_000
SAMPLES = 40
RUN, ITEM_SCAN, PAGE_SCAN = "bulk run of orders", "scan of stocks, item by item", "scan of stocks, page by page"


class Growth:
    """See :class:`~benchmarks.child.Subject`."""

    def __init__(self, target: list[Any], in_flight: int) -> None:
        self._client = client_for(Target(*target))
        self._in_flight = in_flight
        self._order = msgspec.convert(ORDER, OutboundShipmentRequest)

    async def open(self) -> None:
        """See Subject."""
        await self._client.open()
        await self._client.check()

    async def measure(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """See Subject."""
        way, items = order["way"], order["items"]
        self._memory, self._every = Memory(), max(1, items // SAMPLES)
        self._points: list[tuple[int, float]] = [(0, 0.0)]
        self._done = 0
        ways = {RUN: lambda: self._run(items), ITEM_SCAN: self._scan, PAGE_SCAN: self._scan_pages}
        spent = await timed(ways[way])
        return {**spent, "peak": self._memory.peak(), "points": self._points, "done": self._done}

    async def close(self) -> None:
        """See Subject."""
        await self._client.close()

    async def _run(self, items: int) -> None:
        async with self._client.bulk.create_outbound(self._orders(items), concurrency=self._in_flight) as run:
            async for _ in run:
                self._count(1)

    async def _scan(self) -> None:
        async for _ in self._client.stocks.list():
            self._count(1)

    async def _scan_pages(self) -> None:
        async for page in self._client.stocks.list().pages():
            self._count(len(page.items))

    def _orders(self, count: int) -> Iterator[OutboundShipmentRequest]:
        for number in range(count):
            yield msgspec.structs.replace(self._order, reference=f"ORDER-{number:08d}")

    def _count(self, new: int) -> None:
        self._done += new
        if self._done % self._every < new:
            self._points.append((self._done, self._memory.now() / MIB))


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    items = options.size or ITEMS
    series: dict[str, list[tuple[float, float]]] = {}
    with Bench(options) as bench:
        stub = bench.stub()
        stub.set(pages=max(1, items // PAGE))
        settings = {"target": stub.target, "in_flight": options.in_flight}
        children = {way: bench.child("benchmarks.parts.memory:Growth", settings) for way in (RUN, ITEM_SCAN, PAGE_SCAN)}
        measured = bench.interleave([_case(way, child, items, series) for way, child in children.items()], 1)
    table = Table(
        name="memory",
        title=f"Peak memory above the idle client, {items:,} items",
        columns=[Column("peak", "MiB above idle"), Column("cpu", "CPU µs/item", 2), Column("wall", "wall s", 1)],
        figures=measured.figures,
        order=measured.order,
        lead="peak",
        highlight=[RUN, ITEM_SCAN, PAGE_SCAN],
    )
    lines = Lines(
        name="growth",
        title=f"Memory above the idle client over {items:,} items",
        x_label="items done",
        y_label="MiB above the idle client",
        series=series,
    )
    return Result(part="memory", tables=[table], lines=[lines])


def _case(way: str, child: Child, items: int, series: dict[str, list[tuple[float, float]]]) -> Case:
    def measure() -> dict[str, float]:
        spent = child.measure(way=way, items=items)
        if spent["done"] < items // PAGE * PAGE:
            raise RuntimeError(f"{way}: {spent['done']} of {items} items")
        series[way] = [(x, y) for x, y in spent["points"]]
        return {"peak": spent["peak"] / MIB, "cpu": spent["cpu"] / spent["done"] * 1e6, "wall": spent["wall"]}

    return Case(way, measure)
