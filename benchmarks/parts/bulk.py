"""The cost of a bulk run for an item over the bare call of the same client, with and without a journal.

All ways create the same orders with the same number in flight, each in a process of its own. First over HTTP against
the stub; then with a transport that answers at once, where the network does not blur the difference. The CPU includes
the journal's own thread; ``of it loop`` is the event loop's part.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
from multidict import CIMultiDict, CIMultiDictProxy

from octoffm_async import Journal, OutboundShipmentRequest
from octoffm_async.transport.response import Response

from ..answers import CREATED_BODY, ORDER, TOKEN_BODY
from ..bench import Bench, WrongWorkError
from ..measuring import spread_over, timed
from ..peers.base import Target
from ..peers.ours import client_for
from ..rounds import Case, Column, Result, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..bench import StubProcess
    from ..child import Child
    from ..options import Options

BARE = "bare calls"
WAYS = (BARE, "bulk run", "bulk run, journal (process)", "bulk run, journal (power)")
ITEMS = 3000
_HEADERS = CIMultiDictProxy(CIMultiDict({"Content-Type": "application/json"}))


class Immediate:
    """A transport that answers at once, after one pass of the event loop."""

    _posts = 0

    def open(self) -> None:
        """See Transport."""

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],  # noqa: ARG002
        body: bytes | None,  # noqa: ARG002
        read_timeout: float,  # noqa: ARG002
    ) -> Response:
        """See Transport."""
        await asyncio.sleep(0)
        if url.endswith("/token"):
            return Response(200, _HEADERS, TOKEN_BODY, url)
        self._posts += method == "POST"
        return Response(201 if method == "POST" else 200, _HEADERS, CREATED_BODY % self._posts, url)

    async def close(self) -> None:
        """See Transport."""


class Creations:
    """See :class:`~benchmarks.child.Subject`: creates orders in one of the ``WAYS``."""

    def __init__(self, way: str, target: list[Any], in_flight: int, *, wire: bool) -> None:
        self._way, self._in_flight = way, in_flight
        self._client = client_for(Target(*target), transport=None if wire else Immediate())
        self._order = msgspec.convert(ORDER, OutboundShipmentRequest)
        self._next = 0
        self._folder = tempfile.TemporaryDirectory()

    async def open(self) -> None:
        """See Subject."""
        await self._client.open()
        await self._client.check()
        await self._create(200)

    async def measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        """See Subject."""
        return await timed(lambda: self._create(order["items"]))

    async def close(self) -> None:
        """See Subject."""
        await self._client.close()
        self._folder.cleanup()

    def _orders(self, count: int) -> Iterator[OutboundShipmentRequest]:
        first, self._next = self._next, self._next + count
        for number in range(first, first + count):
            yield msgspec.structs.replace(self._order, reference=f"ORDER-{number:08d}")

    async def _create(self, count: int) -> None:
        if self._way == BARE:
            create = cast("Any", self._client.outbound.create)
            await spread_over(create, self._orders(count), self._in_flight)
            return
        if "journal" not in self._way:
            await self._run(count, None)
            return
        path = Path(self._folder.name) / f"{self._next}.sqlite"
        async with Journal.open(path, durability="power" if "power" in self._way else "process") as journal:
            await self._run(count, journal)

    async def _run(self, count: int, journal: Any) -> None:
        orders = self._orders(count)
        async with self._client.bulk.create_outbound(orders, concurrency=self._in_flight, journal=journal) as run:
            async for _ in run:
                pass
        if run.summary.created != count:
            raise RuntimeError(f"not all were created: {run.summary}")


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    items = options.size or max(200, round(ITEMS * min(1.0, options.seconds / 0.4)))
    return Result(part="bulk", tables=[_table(options, items, wire=True), _table(options, items, wire=False)])


def _table(options: Options, items: int, *, wire: bool) -> Table:
    with Bench(options) as bench:
        stub = bench.stub()
        settings = {"target": stub.target, "in_flight": options.in_flight, "wire": wire}
        children = {way: bench.child("benchmarks.parts.bulk:Creations", {"way": way, **settings}) for way in WAYS}
        cases = [_case(way, child, stub if wire else None, items) for way, child in children.items()]
        measured = bench.interleave(cases)
    for figures in measured.figures.values():
        bare = measured.figures[BARE]["cpu"]
        figures["over"] = [mine - base for mine, base in zip(figures["cpu"], bare, strict=True)]
    columns = [
        Column("cpu", "CPU µs/item"),
        Column("over", "over bare µs"),
        Column("loop", "of it loop µs"),
        Column("wall", "wall µs/item"),
        Column("wall", "× wall", 2, BARE),
    ]
    where = "over HTTP" if wire else "with a transport that answers at once"
    return Table(
        name="http" if wire else "no-wire",
        title=f"Creating {items:,} orders {where}, {options.in_flight} in flight, {options.loop}",
        columns=columns,
        figures=measured.figures,
        order=measured.order,
        lead="cpu",
        highlight=[way for way in WAYS if way != BARE],
        sort=False,
    )


def _case(way: str, child: Child, stub: StubProcess | None, items: int) -> Case:
    def measure() -> dict[str, float]:
        child.wait_ready()
        before = 0 if stub is None else stub.counts().posts
        spent = child.measure(items=items)
        if stub is not None and (done := stub.counts().posts - before) != items:
            raise WrongWorkError(f"{way}: {done} orders instead of {items}")
        return {key: spent[key] / items * 1e6 for key in ("cpu", "wall", "loop")}

    return Case(way, measure)
