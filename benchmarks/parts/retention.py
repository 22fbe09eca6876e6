"""Pruning a journal of 1,000,000 decided items, half of them old, made by SQL. ``--size`` is the number of items.

Measured are the file's size; the time to open it and look up a key, to prune the old half, and the longest that another
writer waited meanwhile to write one item; the peak memory.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octoffm_async.journal import OutgoingItem, SQLiteJournal, payload_hash

from ..bench import Bench
from ..measuring import MIB, Memory
from ..rounds import Case, Column, Result, Table
from .journal import PAYLOAD, REMOTE_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..options import Options

ROWS = 1_000_000
AGE = timedelta(days=90)
NAMES: dict[str, Any] = {"seller": "S", "operation": "outbound.create"}
_FILL = """
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
    INSERT INTO entries (scope_id, key, state, run_id, payload_hash, sent_at, changed_at, remote_id)
    SELECT 1, CAST(printf('ORDER-%010d', i) AS BLOB), 2, 1, ?, ?, ? + (i % 2) * ?, ? FROM n"""


class Pruning:
    """See :class:`~benchmarks.child.Subject`."""

    async def open(self) -> None:
        """See Subject."""

    async def measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        """See Subject."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "orders.sqlite"
            await _fill(path, order["rows"])
            return await _prune(path, order["rows"])

    async def close(self) -> None:
        """See Subject."""


async def _fill(path: Path, rows: int) -> None:
    async with SQLiteJournal(path) as journal:
        await (await journal.begin_run(**NAMES)).finish()
    now, old = int(time.time() * 1000), 100 * 86_400_000
    with closing(sqlite3.connect(path)) as connection:
        values = (rows, payload_hash(PAYLOAD), now - old, now - old, old, REMOTE_ID.encode())
        connection.execute(_FILL, values)
        connection.execute("UPDATE runs SET created = ?, finished_at = ?", (rows, now - old))
        connection.commit()


async def _prune(path: Path, rows: int) -> dict[str, float]:
    memory = Memory()
    size = path.stat().st_size  # noqa: ASYNC240  (nothing else runs here)
    started = time.perf_counter()
    async with SQLiteJournal(path) as journal, SQLiteJournal(path) as other:
        journal_run = await other.begin_run(**NAMES)
        await journal_run.look_up(["ORDER-0000000001"])
        opened = time.perf_counter() - started
        pruning = asyncio.ensure_future(journal.prune(older_than=AGE))
        started = time.perf_counter()
        waited = 0.0
        number = 0
        while not pruning.done():
            asked = time.perf_counter()
            await journal_run.mark_sent([OutgoingItem(f"NEW-{number}", payload_hash(PAYLOAD), PAYLOAD)])
            waited = max(waited, time.perf_counter() - asked)
            number += 1
            await asyncio.sleep(0.01)
        gone = await pruning
        pruned = time.perf_counter() - started
    if gone != rows // 2:
        raise RuntimeError(f"{gone} of {rows} items were pruned")
    return {
        "bytes": size / rows,
        "opened": opened,
        "pruned": pruned,
        "waited": waited * 1000,
        "memory": memory.peak() / MIB,
    }


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    rows = options.size or ROWS
    with Bench(options) as bench:
        child = bench.child("benchmarks.parts.retention:Pruning", {})
        measured = bench.interleave([Case("half of them old", lambda: child.measure(rows=rows))], 1)
    columns = [
        Column("bytes", "bytes/row", 0),
        Column("opened", "opened s", 3),
        Column("pruned", "pruned s", 2),
        Column("waited", "longest wait ms", 0),
        Column("memory", "MiB"),
    ]
    table = Table(
        name="retention",
        title=f"Pruning a journal of {rows:,} decided items",
        columns=columns,
        figures=measured.figures,
        order=measured.order,
        lead="pruned",
        plot=False,
    )
    return Result(part="retention", tables=[table])
