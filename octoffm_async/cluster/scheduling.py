"""Scheduling of a partition's chunks: which chunk comes next, how long a worker processes it, and what follows.

A *partition* is one seller and one kind of creation. Its chunks are processed one at a time. The queue holds at most
one job of a partition; a worker that fetches it leases the partition's next chunk. Leasing a chunk is one transaction.
Ending it is one too: the chunk, the counts of its job, the queue job that ends and the partition's next queue job
change together, and only if the worker still holds its claim on the queue job.

The policy
==========
*Round-robin.* The queue is first in, first out; the queue job that ends queues the partition's next one behind all that
wait. Within a partition the jobs alternate too: the one whose last chunk was started the longest ago comes next. So a
seller with a thousand chunks waits as long for each as a seller with a single chunk, a seller that comes late waits one
round and not for the files of others, and nothing starves.

*Time slices.* A worker ends a queue job with its chunk, or after :data:`CHUNK_SECONDS` seconds: it puts off the items
that it has not read by then to the partition's next queue job. Without that, sellers with low limits would occupy every
place of a busy fleet, for their chunks take longest.

*Why the queue does not hold all chunks*, with the chunk's number in its partition as priority: it does the same for
files that come at once, but a seller that comes late goes before everybody until it has caught up, and procrastinate's
choice of the next job looks through all that wait. Measured on two cores, one choice costs 0.3 ms with 1,000 waiting
jobs of as many partitions, 1 ms with 10,000, and 5 ms with 200,000 chunks of 10,000 partitions; ten billion items are
20 million chunks.

``benchmarks/fleet_simulation.py`` simulates a fleet with a clock of its own. With 10,000 sellers (of which a hundredth
has a hundred times as much as the others, and another hundredth comes late) ``tests/unit/cluster/test_fairness.py``
holds it to what is said above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

import msgspec
from procrastinate import exceptions

from ..errors import OctoffmError
from . import queue
from .jobs import COUNTED, ChunkState, ItemCounts, JobOptions, partition_lock

if TYPE_CHECKING:
    from procrastinate import App

    from ..stores.database import Connection, Database
    from .queue import JobClaim

CHUNK_TASK: Final = "octoffm.turn"
CHUNK_SECONDS: Final = 30.0
"""Seconds after which a worker reads no more items of a chunk."""
MAX_CHUNK_ATTEMPTS: Final = 5
"""Failed attempts at a chunk after which its undecided items wait for a person."""
MAX_CHUNK_STARTS: Final = 50
"""Starts of one chunk in a row without an end: a chunk whose workers die so often is set aside as stuck."""
FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 300.0

_WITH_NEXT: LiteralString = """
SELECT job.job, chunk.number FROM octoffm_jobs job CROSS JOIN LATERAL (
    SELECT number FROM octoffm_chunks
    WHERE octoffm_chunks.job = job.job AND state IN ('ready', 'running') AND ready_at <= now()
    ORDER BY number LIMIT 1) chunk
WHERE job.lane = %s AND job.state = 'open'
ORDER BY job.turned_at NULLS FIRST, job.submitted_at LIMIT 1
"""
"""The next chunk of a partition: of its open jobs, the one whose last chunk was started the longest ago."""
_BEGIN: LiteralString = """
UPDATE octoffm_chunks SET state = CASE WHEN begun < %(most)s THEN 'running' ELSE 'stuck' END, begun = begun + 1
WHERE job = %(job)s AND number = %(number)s
RETURNING state, payload, items, tries, created, already, refused, failed, unknown, unsent
"""
_JOB_OF_CHUNK: LiteralString = """
UPDATE octoffm_jobs SET turned_at = clock_timestamp(), began_at = coalesce(began_at, now())
FROM octoffm_lanes WHERE job = %s AND octoffm_lanes.lane = octoffm_jobs.lane
RETURNING seller, operation, source, how, run, chunks - ended
"""
_SET: LiteralString = ", ".join(f"{name} = %({name})s" for name in COUNTED)  # pyright: ignore[reportAssignmentType]
_OLD: LiteralString = ", ".join(COUNTED)  # pyright: ignore[reportAssignmentType]
_END: LiteralString = f"""
WITH before AS (
    SELECT state, {_OLD} FROM octoffm_chunks WHERE job = %(job)s AND number = %(number)s FOR UPDATE
), after AS (
    UPDATE octoffm_chunks SET state = %(state)s, begun = 0, tries = %(tries)s, problem = %(problem)s,
        ready_at = now() + make_interval(secs => %(pause)s),
        ended_at = CASE WHEN %(state)s <> 'ready' THEN now() END, {_SET}
    WHERE job = %(job)s AND number = %(number)s
)
SELECT state, {_OLD} FROM before
"""  # noqa: S608  (names of columns)
_ADD: LiteralString = ", ".join(f"{name} = {name} + %({name})s" for name in COUNTED)  # pyright: ignore[reportAssignmentType]
_COUNT: LiteralString = f"""
UPDATE octoffm_jobs SET ended = ended + %(ended)s, stuck = stuck + %(stuck)s, {_ADD},
    state = CASE WHEN state = 'open' AND ended + %(ended)s >= chunks THEN 'done' ELSE state END,
    ended_at = CASE WHEN ended + %(ended)s >= chunks THEN now() END
WHERE job = %(job)s RETURNING state
"""  # noqa: S608
_NEXT_AT: LiteralString = """
SELECT CASE WHEN EXISTS (
    SELECT FROM octoffm_jobs job CROSS JOIN LATERAL (
        SELECT FROM octoffm_chunks
        WHERE octoffm_chunks.job = job.job AND state IN ('ready', 'running') AND ready_at <= now() LIMIT 1) first
    WHERE job.lane = %(lane)s AND job.state = 'open')
THEN now() ELSE (
    SELECT min(ready_at) FROM octoffm_jobs job JOIN octoffm_chunks chunk USING (job)
    WHERE job.lane = %(lane)s AND job.state = 'open' AND chunk.state IN ('ready', 'running')) END
"""
"""The time at which the partition's next chunk can start; NULL if there is none."""
_QUEUED: LiteralString = """
SELECT FROM procrastinate_jobs WHERE queueing_lock = %s AND status = 'todo'
    AND (scheduled_at IS NULL OR scheduled_at <= %s)
"""
_ORPHANS: LiteralString = """
SELECT DISTINCT lane FROM octoffm_jobs WHERE state = 'open' AND NOT EXISTS (
    SELECT FROM procrastinate_jobs
    WHERE queue_name = %s AND status IN ('todo', 'doing') AND lock = 'octoffm:' || octoffm_jobs.lane)
LIMIT 1000
"""


_OPEN: LiteralString = "SELECT EXISTS (SELECT FROM octoffm_jobs WHERE state = 'open')"


class LostLeaseError(OctoffmError):
    """The error of a worker whose queue job another worker holds by now: nothing of its chunk's end was written."""


class ChunkLease(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that a worker leased, with all that it needs to process it."""

    claim: queue.JobClaim
    partition: int
    job: str
    number: int
    tries: int
    items: int
    payload: bytes
    seller: str
    operation: str
    source: str
    how: JobOptions
    run: str | None
    counts: ItemCounts
    """The counts of the last attempt."""
    is_last: bool
    """True if all other chunks of the job have ended."""


class ChunkReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of processing a chunk.

    ``is_postponed``: it ended early for reasons outside the chunk. ``is_incomplete``: perhaps not all outcomes were
    written.
    """

    counts: ItemCounts
    problem: str = ""
    is_postponed: bool = False
    is_incomplete: bool = False
    again_in: float | None = None
    """Seconds after which the chunk is processed again although nothing failed: it follows the orders of its job."""
    is_final: bool = False
    """True if the chunk is done whatever it counts: its job's orders are no longer followed."""


class ChunkScheduler:
    """The scheduler of chunks: leases and ends them in one database, for one procrastinate app."""

    def __init__(self, database: Database, app: App, manager: queue.ResilientJobManager) -> None:
        self._database = database
        self._app = app
        self._manager = manager

    async def lease_next_chunk(self, claim: JobClaim, partition: int) -> ChunkLease | None:
        """Lease the partition's next chunk; return ``None`` if there is none, and then the queue job has ended.

        Raises:
            LostLeaseError: another worker holds the queue job by now.
        """
        async with self._database.connection() as connection, connection.transaction():
            await self._own(connection, claim, partition)
            while True:
                found = await (await connection.execute(_WITH_NEXT, (partition,))).fetchone()
                if found is None:
                    await self._pass_on(connection, claim, partition)
                    lease = None
                    break
                if (lease := await self._begin(connection, claim, partition, found)) is not None:
                    return lease
        self._manager.ended(claim)
        return lease

    async def end_chunk(self, lease: ChunkLease, report: ChunkReport) -> None:
        """Write the result of a chunk, end its queue job and queue the partition's next one.

        Raises:
            LostLeaseError: another worker holds the queue job by now.
        """
        async with self._database.connection() as connection, connection.transaction():
            await self._own(connection, lease.claim, lease.partition)
            await self._write(connection, lease.job, lease.number, lease.tries, report)
            await self._pass_on(connection, lease.claim, lease.partition)
        self._manager.ended(lease.claim)

    async def queue_partition(self, connection: Connection, partition: int) -> None:
        """Queue a job for a partition that has open chunks, unless one is queued; in the caller's transaction."""
        await connection.execute("SELECT FROM octoffm_lanes WHERE lane = %s FOR UPDATE", (partition,))
        running = await connection.execute(
            "SELECT FROM procrastinate_jobs WHERE lock = %s AND status = 'doing'", (partition_lock(partition),)
        )
        if await running.fetchone() is None:  # else its end queues the next one
            await self._queue_next(connection, partition)

    async def queue_idle_partitions(self) -> int:
        """Queue a job for each partition that has an open job and none in the queue; return their number."""
        async with self._database.connection() as connection:
            partitions = await (await connection.execute(_ORPHANS, (queue.QUEUE,))).fetchall()
            for (partition,) in partitions:
                async with connection.transaction():
                    await self.queue_partition(connection, partition)
        return len(partitions)

    async def all_done(self) -> bool:
        """Return True if no job has anything left to do."""
        async with self._database.connection() as connection:
            row = await (await connection.execute(_OPEN)).fetchone()
        return row is not None and not row[0]

    async def set_run(self, job: str, run: str) -> str:
        """Store the journal's run of a job; return the stored one, which another worker may have stored before."""
        async with self._database.connection() as connection:
            found = await connection.execute(
                "UPDATE octoffm_jobs SET run = coalesce(run, %s) WHERE job = %s RETURNING run", (run, job)
            )
            row = await found.fetchone()
        return run if row is None else str(row[0])

    async def _own(self, connection: Connection, claim: JobClaim, partition: int) -> None:
        # A worker that was suspended may have lost its queue job to another one: see the docstring of :mod:`.queue`.
        if not await queue.holds_claim(connection, claim):
            raise LostLeaseError(f"another worker took over the queue job of partition {partition}")
        await connection.execute("SELECT FROM octoffm_lanes WHERE lane = %s FOR UPDATE", (partition,))

    async def _begin(
        self, connection: Connection, claim: JobClaim, partition: int, found: tuple[Any, ...]
    ) -> ChunkLease | None:
        job, number = found
        named = {"job": job, "number": number, "most": MAX_CHUNK_STARTS}
        row = await (await connection.execute(_BEGIN, named)).fetchone()
        assert row is not None  # noqa: S101  (the partition is locked)
        state, payload, items, tries, *counted = row
        if state == "stuck":
            problem = f"{MAX_CHUNK_STARTS} workers died over it"
            report = ChunkReport(counts=ItemCounts(unknown=items), problem=problem)
            await self._write(connection, job, number, MAX_CHUNK_ATTEMPTS, report)
            return None
        row = await (await connection.execute(_JOB_OF_CHUNK, (job,))).fetchone()
        assert row is not None  # noqa: S101
        seller, operation, source, how, run, chunks_left = row
        return ChunkLease(
            claim=claim,
            partition=partition,
            job=job,
            number=number,
            tries=tries,
            items=items,
            payload=bytes(payload),
            seller=seller,
            operation=operation,
            source=source,
            how=msgspec.convert(how, JobOptions),
            run=run,
            counts=ItemCounts(**dict(zip(COUNTED, counted, strict=True))),
            is_last=chunks_left == 1,
        )

    async def _write(self, connection: Connection, job: str, number: int, tries: int, report: ChunkReport) -> None:
        """Write the chunk's new state and counts, and those of its job."""
        found = await connection.execute("SELECT state FROM octoffm_jobs WHERE job = %s FOR UPDATE", (job,))
        row = await found.fetchone()
        if row is None:  # forgotten meanwhile
            return
        new = report.counts.as_dict()
        state, tried, pause = chunk_decision(report, tries)
        if state != "done" and row[0] == "cancelled":
            state = "cancelled"
        fields = {"job": job, "number": number, "state": state, "tries": tried, "pause": pause} | new
        before = await (await connection.execute(_END, fields | {"problem": report.problem[:1000]})).fetchone()
        if before is None:
            return
        over = state != "ready"
        deltas = {name: new[name] - was for name, was in zip(COUNTED, before[1:], strict=True)}
        await connection.execute(_COUNT, {"job": job, "ended": int(over), "stuck": int(state == "stuck")} | deltas)

    async def _pass_on(self, connection: Connection, claim: JobClaim, partition: int) -> None:
        await queue.finish(connection, claim)
        await self._queue_next(connection, partition)

    async def _queue_next(self, connection: Connection, partition: int) -> None:
        row = await (await connection.execute(_NEXT_AT, {"lane": partition})).fetchone()
        if row is None or row[0] is None:
            return
        lock = partition_lock(partition)
        if await (await connection.execute(_QUEUED, (lock, row[0]))).fetchone() is not None:
            return
        await connection.execute(
            "DELETE FROM procrastinate_jobs WHERE queueing_lock = %s AND status = 'todo'", (lock,)
        )  # it is scheduled too late
        deferrer = self._app.configure_task(
            CHUNK_TASK, queue=queue.QUEUE, lock=lock, queueing_lock=lock, schedule_at=row[0], connection=connection
        )
        try:
            async with connection.transaction():
                await deferrer.defer_async(lane=partition)
        except exceptions.AlreadyEnqueued:
            pass


def chunk_decision(report: ChunkReport, tries: int) -> tuple[ChunkState, int, float]:
    """Return a chunk's new state, its failed attempts so far, and its back-off in seconds.

    A result that was put off is no failed attempt, unless items failed: these cause a back-off, but count as an attempt
    only if no item was decided.
    """
    counts = report.counts
    if report.again_in is not None:
        return "ready", tries, report.again_in
    if report.is_final or not (counts.left or report.is_incomplete):
        return "done", tries, 0.0
    if report.is_postponed and not counts.failed + counts.unknown:
        return "ready", tries, 0.0
    tried = tries + (not report.is_postponed or not counts.decided)
    return ("stuck" if tried >= MAX_CHUNK_ATTEMPTS else "ready"), tried, chunk_backoff(tried)


def chunk_backoff(tries: int) -> float:
    """Return the seconds of back-off after a number of failed attempts at a chunk: 2, 8, 32, 128, then 300."""
    return min(FIRST_PAUSE * 4.0 ** max(0, tries - 1), LONGEST_PAUSE)
