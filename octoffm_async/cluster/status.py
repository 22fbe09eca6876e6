"""The status of a fleet, read from its database: jobs, workers, and the length of the queue."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, LiteralString

import msgspec

from ..errors import ConfigurationError
from ..journal.base import LOOK_UP_MOST
from ..journal.postgres import queries as reading
from .jobs import COUNTED, ItemCounts, JobRecord, creation_type_of
from .queue import QUEUE
from .submission import unpack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ..journal.states import Entry
    from ..stores.database import Connection, Database
    from .jobs import CreationType

SEEN_WITHIN: Final = 15.0
"""Seconds without a heartbeat after which a worker is left out of the status."""
LAST_JOBS: Final = 20

_COUNTS: LiteralString = ", ".join(f"job.{name}" for name in COUNTED)  # pyright: ignore[reportAssignmentType]
_JOBS: LiteralString = f"""
SELECT job.job, seller, operation, CASE WHEN state <> 'open' THEN state
        WHEN began_at IS NULL THEN 'waiting' ELSE 'running' END AS state,
    source, run, items, faulty, chunks, ended, stuck, submitted_at, began_at, ended_at, {_COUNTS}
FROM octoffm_jobs job JOIN octoffm_lanes USING (lane)
"""  # noqa: S608  (names of columns)
_LAST: LiteralString = """
WHERE state IN ('loading', 'open') OR job IN (SELECT job FROM octoffm_jobs ORDER BY submitted_at DESC LIMIT %s)
ORDER BY job.submitted_at
"""
_WORKERS: LiteralString = """
SELECT worker, machine, pid, places, turns, items, per_second, calls, throttled, began_at, seen_at
FROM octoffm_workers WHERE seen_at > now() - make_interval(secs => %s) ORDER BY worker
"""
_TURNS: LiteralString = """
SELECT count(*) FILTER (WHERE status = 'todo'), count(*) FILTER (WHERE status = 'doing')
FROM procrastinate_jobs WHERE queue_name = %s AND status IN ('todo', 'doing')
"""


class WorkerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's last heartbeat: its concurrency (``places``), chunks in work (``turns``), items decided, and rate."""

    worker: int
    machine: str
    pid: int
    places: int
    turns: int
    items: int
    per_second: float
    calls: int
    throttled: int
    began_at: datetime
    seen_at: datetime


class FleetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a fleet at one moment. ``waiting`` and ``running`` count queue jobs."""

    at: datetime
    jobs: list[JobRecord]
    workers: list[WorkerRecord]
    waiting: int
    running: int

    @property
    def per_second(self) -> float:
        """Items decided per second, over all workers."""
        return sum(worker.per_second for worker in self.workers)


async def status(database: Database, *, last: int = LAST_JOBS) -> FleetStatus:
    """Return all jobs that are not over, the ``last`` submitted jobs, and the workers with a heartbeat."""
    async with database.connection() as connection:
        jobs = await _records(connection, _JOBS + _LAST, (last,))
        cursor = await connection.execute(_WORKERS, (SEEN_WITHIN,))
        names = [column.name for column in cursor.description or ()]
        workers = [WorkerRecord(**dict(zip(names, row, strict=True))) for row in await cursor.fetchall()]
        row = await (await connection.execute(_TURNS, (QUEUE,))).fetchone() or (0, 0)
        now = await (await connection.execute("SELECT now()")).fetchone()
        assert now is not None  # noqa: S101
    return FleetStatus(at=now[0], jobs=jobs, workers=workers, waiting=int(row[0]), running=int(row[1]))


async def find_job(connection: Connection, name: str) -> JobRecord:
    """Return the job whose id is ``name``, or the only job whose id begins with it.

    Raises:
        ConfigurationError: no job, or several; the message names candidates.
    """
    found = await _records(connection, f"{_JOBS} WHERE starts_with(job.job, %s) ORDER BY job.job LIMIT 6", (name,))
    exact = [record for record in found if record.job == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise ConfigurationError(f"job {name!r} may be {', '.join(record.job for record in found)}")
    last = await _records(connection, f"{_JOBS} ORDER BY job.submitted_at DESC LIMIT 5", ())
    there = f"there are {', '.join(record.job for record in last)}" if last else "there are none"
    raise ConfigurationError(f"no job {name!r}: {there}")


async def _records(connection: Connection, statement: LiteralString, values: Sequence[Any]) -> list[JobRecord]:
    cursor = await connection.execute(statement, tuple(values))
    names = [column.name for column in cursor.description or ()]
    records: list[JobRecord] = []
    for row in await cursor.fetchall():
        fields: dict[str, Any] = dict(zip(names, row, strict=True))
        counts = ItemCounts(**{name: fields.pop(name) for name in COUNTED})
        records.append(JobRecord(counts=counts, **fields))
    return records


WAITING = "waiting"
"""The state of an item without an entry in the journal: it was not sent."""


class ItemRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An item of a job. ``state`` is one of the journal's or ``waiting``; ``line`` is 0 for an item without a file."""

    line: int
    key: str
    state: str
    remote_id: str | None = None
    code: str = ""
    message: str = ""
    sent_at: datetime | None = None
    changed_at: datetime | None = None
    run: str = ""


async def export(database: Database, record: JobRecord) -> AsyncIterator[ItemRecord]:
    """Yield the items of a job, read a chunk at a time."""
    creation = creation_type_of(record.operation)
    for number in range(record.chunks):
        async with database.connection() as connection:
            found = await connection.execute(
                "SELECT payload FROM octoffm_chunks WHERE job = %s AND number = %s", (record.job, number)
            )
            row = await found.fetchone()
            if row is None:  # the job was deleted meanwhile
                return
            items = await _chunk(connection, bytes(row[0]), creation, record.run)
        for item in items:
            yield item


async def _chunk(connection: Connection, payload: bytes, creation: CreationType, run: str | None) -> list[ItemRecord]:
    items = [(one.line, str(getattr(one.item, creation.key))) for one in unpack(payload, creation)]
    known: dict[str, Entry] = {}
    if run is not None:
        scope, _ = await reading.run_of(connection, run)
        for start in range(0, len(items), LOOK_UP_MOST):
            keys = [key for _, key in items[start : start + LOOK_UP_MOST]]
            known |= await reading.look_up(connection, scope, keys, shift=reading.NO_SHIFT)
    return [
        ItemRecord(line=line, key=key, state=WAITING) if (entry := known.get(key)) is None else _known(line, entry)
        for line, key in items
    ]


def _known(line: int, entry: Entry) -> ItemRecord:
    return ItemRecord(
        line=line,
        key=entry.key,
        state=entry.state.value,
        remote_id=entry.remote_id,
        code=entry.code,
        message=entry.message,
        sent_at=entry.sent_at,
        changed_at=entry.changed_at,
        run=entry.run,
    )
