"""The cost of scheduling a chunk in the database, by waiting partitions: choose one, lease its chunk, end it."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING

from octoffm_async.cluster import queue as engine
from octoffm_async.cluster.cluster import Cluster
from octoffm_async.cluster.jobs import ItemCounts
from octoffm_async.cluster.queue import QUEUE, JobClaim
from octoffm_async.cluster.scheduling import CHUNK_TASK, ChunkReport, ChunkScheduler
from octoffm_async.cluster.submission import Numbered, pack
from octoffm_async.stores.database import Database

from .journaled_run import orders

if TYPE_CHECKING:
    from octoffm_async.stores.database import Connection

CHUNKS = 20
"""Chunks of each partition."""
_LANES = (
    "INSERT INTO octoffm_lanes (seller, operation) SELECT 'S' || n, 'outbound.create' FROM generate_series(1, %s) n"
)
_JOBS = """
INSERT INTO octoffm_jobs (job, lane, state, source, how, items, chunks)
SELECT 'job-' || lane, lane, 'open', '', '{}', %(chunks)s * 500, %(chunks)s FROM octoffm_lanes
"""
_CHUNKS = """
INSERT INTO octoffm_chunks (job, number, items, payload)
SELECT job, number, 500, %(payload)s FROM octoffm_jobs, generate_series(0, %(chunks)s - 1) number
"""
_QUEUE = """
INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args)
SELECT %s, %s, 'octoffm:' || lane, 'octoffm:' || lane, jsonb_build_object('lane', lane) FROM octoffm_lanes ORDER BY lane
"""


def turns(address: str, *, lanes: int, count: int) -> dict[str, float]:
    """Return the milliseconds of each step, one chunk after another, and the bytes of WAL a chunk."""
    return asyncio.run(_turns(address, lanes, count))


async def _turns(address: str, lanes: int, count: int) -> dict[str, float]:
    async with Database(address) as database, Cluster(database):
        async with database.connection() as connection:
            await _fill(connection, lanes)
        app, manager = engine.queue_app(database, chunk_task=CHUNK_TASK)
        work = ChunkScheduler(database, app, manager)
        worker = await manager.register_worker()
        spent = [0.0, 0.0, 0.0]
        before = await _written(database)
        for _ in range(count):
            moments = [time.perf_counter()]
            job = await manager.fetch_job([QUEUE], worker)
            moments.append(time.perf_counter())
            turn = (
                None
                if job is None
                else await work.lease_next_chunk(JobClaim.of(job), int(str(job.task_kwargs["lane"])))
            )
            moments.append(time.perf_counter())
            if turn is None:
                raise RuntimeError("there is no turn")
            await work.end_chunk(turn, ChunkReport(counts=ItemCounts(created=turn.items)))
            moments.append(time.perf_counter())
            spent = [sum(all_of_one) for all_of_one in zip(spent, _steps(moments), strict=True)]
        wal = await _written(database) - before
    fetch, take, end = (1000 * seconds / count for seconds in spent)
    return {"fetch": fetch, "take": take, "end": end, "sum": fetch + take + end, "wal": wal / count}


def _steps(moments: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(moments)]


async def _fill(connection: Connection, lanes: int) -> None:
    """Insert partitions with work, each with its job in the queue."""
    payload = pack([Numbered(0, one) for one in orders(0, 500)])
    await connection.execute(_LANES, (lanes,))
    await connection.execute(_JOBS, {"chunks": CHUNKS})
    await connection.execute(_CHUNKS, {"chunks": CHUNKS, "payload": payload})
    await connection.execute(_QUEUE, (QUEUE, CHUNK_TASK))
    await connection.execute("ANALYZE")


async def _written(database: Database) -> float:
    async with database.connection() as connection:
        row = await (await connection.execute("SELECT pg_current_wal_lsn() - '0/0'")).fetchone()
    return float(row[0]) if row else 0.0
