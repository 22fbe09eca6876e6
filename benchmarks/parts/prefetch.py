"""Pages of a server that takes 20 ms, with 15 ms of awaited work on each, with and without prefetch of the next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..bench import Bench
from ..measuring import timed
from ..peers.base import Target
from ..peers.ours import client_for
from ..rounds import Case, Column, Result, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..child import Child
    from ..options import Options

PAGES, LATENCY, WORK = 20, 0.02, 0.015
ONE_BY_ONE = "one page after the other"


class Pages:
    """See :class:`~benchmarks.child.Subject`."""

    def __init__(self, target: list[Any]) -> None:
        self._client = client_for(Target(*target))

    async def open(self) -> None:
        """See Subject."""
        await self._client.open()
        await self._client.check()

    async def measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        """See Subject."""
        return await timed(self._one_by_one if order["way"] == ONE_BY_ONE else self._ahead)

    async def close(self) -> None:
        """See Subject."""
        await self._client.close()

    async def _ahead(self) -> None:
        async for _ in self._client.stocks.list().pages():
            await asyncio.sleep(WORK)

    async def _one_by_one(self) -> None:
        cursor: str | None = None
        while True:
            page = await self._client.stocks.list(resume_from=cursor)
            await asyncio.sleep(WORK)
            if (cursor := page.next_cursor) is None:
                return


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    pages = options.size or PAGES
    with Bench(options) as bench:
        stub = bench.stub()
        stub.set(pages=pages, latency=LATENCY)
        child = bench.child("benchmarks.parts.prefetch:Pages", {"target": stub.target})
        measured = bench.interleave([_case(way, child, pages) for way in (ONE_BY_ONE, "the next page ahead")])
    table = Table(
        name="prefetch",
        title=f"Walking {pages} pages: {LATENCY * 1e3:.0f} ms of latency and {WORK * 1e3:.0f} ms of work a page",
        columns=[
            Column("wall", "wall ms/page"),
            Column("wall", "× wall", 2, ONE_BY_ONE),
            Column("cpu", "CPU ms/page", 2),
        ],
        figures=measured.figures,
        order=measured.order,
        lead="wall",
        highlight=["the next page ahead"],
    )
    return Result(part="prefetch", tables=[table])


def _case(way: str, child: Child, pages: int) -> Case:
    def measure() -> dict[str, float]:
        spent = child.measure(way=way)
        return {key: spent[key] / pages * 1e3 for key in ("wall", "cpu")}

    return Case(way, measure)
