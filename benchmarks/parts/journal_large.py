"""A journal of 1,000,000 decided items, keys sorted and shuffled.

Measured are its size; the time to open it and find the undecided items, to look up every key and to read all entries;
the peak memory. ``--size`` is the number of items.
"""

from __future__ import annotations

import random
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octoffm_async.journal import OutgoingItem, SQLiteJournal, State, payload_hash

from ..bench import Bench
from ..measuring import MIB, Memory
from ..rounds import Case, Column, Result, Table
from .journal import PAYLOAD, REMOTE_ID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..child import Child
    from ..options import Options

ROWS = 1_000_000
CHUNK = 1000
LOOK_UP = 256
SORTED, SHUFFLED = "sorted keys", "shuffled keys"


class LargeJournal:
    """See :class:`~benchmarks.child.Subject`."""

    async def open(self) -> None:
        """See Subject."""

    async def measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        """See Subject."""
        keys = [f"ORDER-{index:08d}" for index in range(order["rows"])]
        if order["shuffled"]:
            random.Random(7).shuffle(keys)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "orders.sqlite"
            return await _write(path, keys) | await _read(path, keys)

    async def close(self) -> None:
        """See Subject."""


async def _write(path: Path, keys: Sequence[str]) -> dict[str, float]:
    started = time.perf_counter()
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="outbound.create")
        for start in range(0, len(keys), CHUNK):
            part = keys[start : start + CHUNK]
            await journal_run.mark_sent([OutgoingItem(key, payload_hash(PAYLOAD), PAYLOAD) for key in part])
            for key in part:
                journal_run.record_outcome(key, State.CREATED, remote_id=REMOTE_ID)
        await journal_run.finish()
    size = path.stat().st_size  # noqa: ASYNC240  (nothing else runs here)
    return {"written": time.perf_counter() - started, "bytes": size / len(keys)}


async def _read(path: Path, keys: Sequence[str]) -> dict[str, float]:
    memory = Memory()
    times = [time.perf_counter()]
    async with SQLiteJournal(path) as journal:
        journal_run = await journal.begin_run(seller="S", operation="outbound.create")
        await journal_run.undecided()
        written = (await journal.runs())[0].id
        times.append(time.perf_counter())
        found = 0
        for start in range(0, len(keys), LOOK_UP):
            found += sum(entry is not None for entry in await journal_run.look_up(keys[start : start + LOOK_UP]))
        times.append(time.perf_counter())
        seen = 0
        async for _ in journal.entries(written):
            seen += 1
        times.append(time.perf_counter())
    if not found == seen == len(keys):
        raise RuntimeError(f"{found} of {len(keys)} keys found, {seen} seen")
    opened, looked_up, walked = (after - before for before, after in pairwise(times))
    return {"opened": opened, "looked_up": looked_up, "walked": walked, "memory": memory.peak() / MIB}


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    rows = options.size or ROWS
    with Bench(options) as bench:
        children = {name: bench.child("benchmarks.parts.journal_large:LargeJournal", {}) for name in (SORTED, SHUFFLED)}
        measured = bench.interleave([_case(name, child, rows) for name, child in children.items()], 1)
    columns = [
        Column("written", "written s"),
        Column("bytes", "bytes/row", 0),
        Column("opened", "opened s", 3),
        Column("looked_up", "all looked up s", 2),
        Column("walked", "walked s", 2),
        Column("memory", "MiB while read"),
    ]
    table = Table(
        name="large",
        title=f"A journal of {rows:,} decided items",
        columns=columns,
        figures=measured.figures,
        order=measured.order,
        lead="written",
        plot=False,
    )
    return Result(part="journal_large", tables=[table])


def _case(name: str, child: Child, rows: int) -> Case:
    return Case(name, lambda: child.measure(rows=rows, shuffled=name == SHUFFLED))
