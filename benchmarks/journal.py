"""What the journal costs an item: ``sent`` awaited and ``settle`` queued, 50 callers at a time, in interleaved rounds.

``python benchmarks/journal.py`` prints wall and CPU per item for both durabilities, and what of it falls on the event
loop's thread. ``--rows 1000000`` also fills a journal with that many decided items and prints its size, the time to
open it, to find the undecided and to look up every key, and the peak of this process's memory.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from octoffm_async.bulk.journal import Sending, SQLiteJournal, State, payload_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from octoffm_async.bulk.journal import Book

ITEMS, CALLERS, ROUNDS = 10_000, 50, 5
PAYLOAD = b"x" * 600  # about an order of two lines with its address
REMOTE_ID = "3f2a3f2a-1111-2222-3333-444455556666"
LOOK_UP = 256


async def spread(book: Book, keys: Sequence[str]) -> None:
    """Send and settle every key, ``CALLERS`` at a time."""
    turns: Iterator[str] = iter(keys)

    async def work() -> None:
        for key in turns:
            await book.sent([Sending(key, payload_hash(PAYLOAD), PAYLOAD)])
            book.settle(key, State.CREATED, remote_id=REMOTE_ID)

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(work())
    await book.flush()


async def price(rounds: int) -> None:
    spent: dict[str, list[tuple[float, float, float]]] = {"process": [], "power": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for durability, figures in spent.items():
                path = Path(folder) / f"{durability}-{number}.sqlite"
                async with SQLiteJournal(path, durability=durability) as journal:
                    book = await journal.book(seller="S", operation="outbound.create")
                    before = time.perf_counter(), time.process_time(), time.thread_time()
                    await spread(book, [f"ORDER-{index:08d}" for index in range(ITEMS)])
                    after = time.perf_counter(), time.process_time(), time.thread_time()
                figures.append((after[0] - before[0], after[1] - before[1], after[2] - before[2]))
    medians = {
        name: [statistics.median(column) / ITEMS * 1e6 for column in zip(*figures, strict=True)]
        for name, figures in spent.items()
    }
    for name, (wall, cpu, loop) in medians.items():
        print(
            f"{name:8} {1e6 / wall:8.0f} items/s  {wall:6.1f} µs wall  {cpu:6.1f} µs CPU an item, "
            f"of which {loop:.1f} on the event loop's thread"
        )
    print(f"ratio of wall, power to process: {medians['power'][0] / medians['process'][0]:.2f}")


async def large(rows: int, *, shuffled: bool) -> None:
    keys = [f"ORDER-{index:08d}" for index in range(rows)]
    if shuffled:
        random.Random(7).shuffle(keys)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.sqlite"
        started = time.perf_counter()
        async with SQLiteJournal(path) as journal:
            book = await journal.book(seller="S", operation="outbound.create")
            for start in range(0, rows, 1000):
                part = keys[start : start + 1000]
                await book.sent([Sending(key, payload_hash(PAYLOAD), PAYLOAD) for key in part])
                for key in part:
                    book.settle(key, State.CREATED, remote_id=REMOTE_ID)
            await book.finish()
        order = "shuffled" if shuffled else "sorted"
        print(f"{rows} rows, {order} keys, written in {time.perf_counter() - started:.1f} s")
        size = path.stat().st_size
        print(f"file            {size / 1e6:8.1f} MB, {size / rows:.0f} bytes a row")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        async with SQLiteJournal(path) as journal:
            book = await journal.book(seller="S", operation="outbound.create")
            await book.undecided()
            await journal.runs()
            print(f"open, undecided, runs {time.perf_counter() - started:8.3f} s")
            started, found = time.perf_counter(), 0
            for start in range(0, rows, LOOK_UP):
                found += sum(entry is not None for entry in await book.look_up(keys[start : start + LOOK_UP]))
            print(f"look-up of all  {time.perf_counter() - started:8.3f} s, {found} found")
            started, found = time.perf_counter(), 0
            async for _ in journal.entries((await journal.runs())[0].id):
                found += 1
            print(f"walk over all   {time.perf_counter() - started:8.3f} s, {found} seen")
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            f"peak memory     {memory / 1024:8.0f} MiB after writing, {grown / 1024:.0f} MiB at the end, keys included"
        )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--shuffled", action="store_true", help="write and look up the keys in random order")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    if arguments.rounds:
        await price(arguments.rounds)
    if arguments.rows:
        await large(arguments.rows, shuffled=arguments.shuffled)


if __name__ == "__main__":
    asyncio.run(main())
