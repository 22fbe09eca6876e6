"""The journal in PostgreSQL against that in SQLite and none: whole runs against the sandbox, and the cost of an item.

PostgreSQL runs beside it and forces each commit to disk, as in production. ``--size`` is the number of orders in a run.
The last table keeps 100,000 items, and shows the space of a million (ten times as much).
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.servers import PostgresServer
from octoffm_async import FulfillmentClient, Journal
from octoffm_async.journal import OutgoingItem, State, payload_hash
from octoffm_async.sandbox import SandboxProcess

from ..bench import Bench
from ..journaled_run import orders
from ..rounds import Case, Column, Result, Table
from .journal import PAYLOAD, REMOTE_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..child import Child
    from ..options import Options

ORDERS = 1500
ROWS = 100_000
CHUNK = 256
NONE, SQLITE, POSTGRES = KINDS = ("none", "SQLite", "PostgreSQL")
_TICKS = os.sysconf("SC_CLK_TCK")


class ClusterJournal:
    """See :class:`~benchmarks.child.Subject`."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._first = 0
        self._databases = 0

    async def open(self) -> None:
        """See Subject."""
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._server = self._stack.enter_context(PostgresServer())
        with psycopg.connect(self._server.address(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = on")
            connection.execute("SELECT pg_reload_conf()")
        sandbox = await self._stack.enter_async_context(SandboxProcess(seed=1))
        self._client = await self._stack.enter_async_context(FulfillmentClient(sandbox.config()))
        await self.measure({"way": NONE, "orders": 300})

    async def measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        """See Subject."""
        if "rows" in order:
            return await self._fill(order["way"], order["rows"])
        first, self._first = self._first, self._first + order["orders"]
        return await self._run(order["way"], first, order["orders"])

    async def close(self) -> None:
        """See Subject."""
        await self._stack.aclose()

    def _journal(self, way: str, name: str) -> Journal:
        if way == SQLITE:
            return Journal.open(self._folder / f"{name}.sqlite")
        return Journal.open(self._server.address(name))

    async def _run(self, way: str, first: int, count: int) -> dict[str, float]:
        async with AsyncExitStack() as stack:
            journal = None if way == NONE else await stack.enter_async_context(self._journal(way, "runs"))
            wall, cpu, database = time.perf_counter(), time.process_time(), self._database_time()
            async with self._client.bulk.create_outbound(orders(first, count), concurrency=50, journal=journal) as run:
                await run.wait()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            database = self._database_time() - database
        if run.summary.created != count:
            raise RuntimeError(f"not all orders were created: {run.summary}")
        return {
            "rate": count / wall,
            "wall": wall / count * 1e6,
            "cpu": cpu / count * 1e6,
            "db": database / count * 1e6,
        }

    async def _fill(self, way: str, rows: int) -> dict[str, float]:
        self._databases += 1
        name = f"fill_{self._databases}"
        keys = [f"ORDER-{number:08d}" for number in range(rows)]
        async with self._journal(way, name) as journal:
            journal_run = await journal.begin_run(seller="S", operation="outbound.create")
            wall, cpu, database = time.perf_counter(), time.process_time(), self._database_time()
            for start in range(0, rows, CHUNK):
                part = keys[start : start + CHUNK]
                await journal_run.mark_sent([OutgoingItem(key, payload_hash(PAYLOAD), PAYLOAD) for key in part])
                for key in part:
                    journal_run.record_outcome(key, State.CREATED, remote_id=REMOTE_ID)
            await journal_run.flush()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            database = self._database_time() - database
        figures = {"wall": wall / rows * 1e6, "cpu": cpu / rows * 1e6, "db": database / rows * 1e6}
        return figures | {"million": self._size(way, name) / rows}  # bytes an item are MB a million

    def _size(self, way: str, name: str) -> float:
        if way == SQLITE:
            return sum(file.stat().st_size for file in self._folder.glob(f"{name}.sqlite"))
        with psycopg.connect(self._server.address(name), autocommit=True) as connection:
            connection.execute("VACUUM octoffm_journal_entries, octoffm_journal_payloads")
            found = connection.execute(
                "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c "
                "WHERE c.relname LIKE 'octoffm_journal%' AND c.relkind = 'r'"
            ).fetchone()
        return 0.0 if found is None else float(found[0])

    def _database_time(self) -> float:
        """Return the CPU seconds of the server and of its processes, ended ones included."""
        postmaster = self._server.pid
        seconds = 0.0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(folder.name) == postmaster:
                seconds += sum(map(int, fields[11:15])) / _TICKS
            elif int(fields[1]) == postmaster:
                seconds += sum(map(int, fields[11:13])) / _TICKS
        return seconds


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    count = options.size or ORDERS
    rows = ROWS if options.size is None else min(ROWS, count * 50)
    with Bench(options) as bench:
        child = bench.child("benchmarks.parts.cluster_journal:ClusterJournal", {})
        runs = bench.interleave([_case(way, child, {"orders": count}) for way in KINDS])
        filled = bench.interleave([_case(way, child, {"rows": rows}) for way in (SQLITE, POSTGRES)], 1)
    costs = [Column("wall", "wall µs/item"), Column("cpu", "client CPU µs/item"), Column("db", "database CPU µs/item")]
    whole = Table(
        name="cluster-journal-runs",
        title=f"A bulk run of {count:,} orders against the sandbox, by journal",
        columns=[Column("rate", "orders/s", 0), *costs, Column("wall", "× wall", 2, NONE)],
        figures=runs.figures,
        order=runs.order,
        lead="wall",
        highlight=[POSTGRES],
    )
    alone = Table(
        name="cluster-journal",
        title=f"The journal alone: {rows:,} items sent {CHUNK} at a time, and created",
        columns=[*costs, Column("million", "MB a million", 0)],
        figures=filled.figures,
        order=filled.order,
        lead="wall",
        highlight=[POSTGRES],
    )
    return Result(part="cluster_journal", tables=[whole, alone])


def _case(way: str, child: Child, order: dict[str, Any]) -> Case:
    return Case(way, lambda: child.measure(way=way, **order))
