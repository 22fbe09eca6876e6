"""Fan-out of very many items to a function that does nothing: the cost and memory of the fan-out alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio

from ..bench import Bench
from ..measuring import MIB, Memory, spread_over, timed
from ..rounds import Case, Column, Result, Table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ..child import Child
    from ..options import Options

ITEMS = 50_000
WORKERS = 50
WORKERS_NAME = "workers on one iterator"


async def nothing(item: object) -> object:
    """Do nothing but yield to the event loop, as anything that waits does."""
    await asyncio.sleep(0)
    return item


async def workers(items: int) -> None:
    """Run tasks that share one iterator: the way of this package."""
    await spread_over(nothing, range(items), WORKERS)


async def gather(items: int) -> None:
    """Run a task for each item."""
    await asyncio.gather(*(nothing(item) for item in range(items)))


async def gather_bounded(items: int) -> None:
    """Run a task for each item, bounded by a semaphore."""
    places = asyncio.Semaphore(WORKERS)

    async def work(item: object) -> None:
        async with places:
            await nothing(item)

    await asyncio.gather(*(work(item) for item in range(items)))


async def queue(items: int) -> None:
    """Run workers that are fed through an asyncio queue."""
    pending: asyncio.Queue[object] = asyncio.Queue(WORKERS)

    async def work() -> None:
        while (item := await pending.get()) is not None:
            await nothing(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(work())
        for item in range(1, items + 1):
            await pending.put(item)
        for _ in range(WORKERS):
            await pending.put(None)


async def streams(items: int) -> None:
    """Run workers that are fed through an anyio memory stream."""
    send, receive = anyio.create_memory_object_stream[int](WORKERS)

    async def work() -> None:
        async for item in receive.clone():
            await nothing(item)

    async with anyio.create_task_group() as group:
        for _ in range(WORKERS):
            group.start_soon(work)
        async with send:
            for item in range(items):
                await send.send(item)
        receive.close()


WAYS: dict[str, Callable[[int], Awaitable[None]]] = {
    WORKERS_NAME: workers,
    "gather over everything": gather,
    "gather with a semaphore": gather_bounded,
    "workers on an asyncio queue": queue,
    "workers on an anyio stream": streams,
}


class FanOut:
    """See :class:`~benchmarks.child.Subject`."""

    def __init__(self, way: str) -> None:
        self._way = WAYS[way]

    async def open(self) -> None:
        """See Subject."""
        await self._way(1000)

    async def measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        """See Subject."""
        memory = Memory()
        spent = await timed(lambda: self._way(order["items"]))
        return {**spent, "memory": memory.peak()}

    async def close(self) -> None:
        """See Subject."""


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    items = options.size or max(1000, round(ITEMS * min(1.0, options.seconds / 0.4)))
    with Bench(options) as bench:
        cases = [_case(way, bench.child("benchmarks.parts.fan_out:FanOut", {"way": way}), items) for way in WAYS]
        measured = bench.interleave(cases)
    columns = [
        Column("cpu", "CPU µs/item", 2),
        Column("wall", "wall µs/item", 2),
        Column("memory", "MiB above idle", 1),
        Column("cpu", "× workers", 1, WORKERS_NAME),
    ]
    table = Table(
        name="fan-out",
        title=f"Fanning {items:,} items out to {WORKERS} workers that do nothing, {options.loop}",
        columns=columns,
        figures=measured.figures,
        order=measured.order,
        lead="cpu",
        highlight=[WORKERS_NAME],
    )
    return Result(part="fan_out", tables=[table])


def _case(way: str, child: Child, items: int) -> Case:
    def measure() -> dict[str, float]:
        spent = child.measure(items=items)
        return {
            "cpu": spent["cpu"] / items * 1e6,
            "wall": spent["wall"] / items * 1e6,
            "memory": spent["memory"] / MIB,
        }

    return Case(way, measure)
