"""The queue: procrastinate over the fleet's database, with what the promises of this package need besides.

========================  ============================================================================================
part                      whose
========================  ============================================================================================
tables, order, locks      procrastinate's: one lock for each partition, one queueing lock, priorities and schedules
choice of the next job    procrastinate's; a lost race for a lock means "none now", not the end of the worker
worker, polling, stop     procrastinate's :class:`~procrastinate.worker.Worker`
registration, heartbeat   procrastinate's; a worker whose registration was deleted cannot fetch, and begins anew
detection of dead workers procrastinate's ``get_stalled_jobs``
return of their jobs      ours, around procrastinate's function: two workers find the same job, and a job that was
                          returned and fetched again must not be returned once more; and at once, where procrastinate
                          proposes a periodic job, which would itself wait for a free worker, and polling
end and retry of a job    ours: procrastinate lets a process that was suspended past its heartbeat end a job that
                          another worker holds by now. A claim (:class:`JobClaim`) names the worker and the attempt;
                          only the claim that still counts ends or returns a job, in one transaction with what the
                          job did
retry after a failure     ours, of chunks (:mod:`.scheduling`): a chunk that failed must not hold up its partition
connections               ours (:class:`~octoffm_async.stores.Database`): chunk, counts and queue job change in one
                          transaction, errors say whether the database is away and never show its password, and a worker
                          needs one pool. A database that is away ends no worker: its periodic statements are repeated
========================  ============================================================================================
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, LiteralString, NamedTuple, cast

import psycopg
import psycopg.sql
from procrastinate import App, exceptions, jobs, sql
from procrastinate.connector import BaseAsyncConnector
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ..errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procrastinate.connector import Notify

    from ..stores.database import Connection, Database

QUEUE: Final = "octoffm"
"""The name of the package's procrastinate queue: other users of the same tables have their own."""
RETRY_SECONDS: Final = 1.0
"""Seconds after which a worker repeats a statement that the database did not answer."""
_LISTEN: Final = 30.0
_PART: Final = "engine"
_NEEDED: Final = ("procrastinate_fetch_job_v2", "procrastinate_retry_job_v2", "procrastinate_finish_job_v1")

_HOLD: LiteralString = """
SELECT id FROM procrastinate_jobs
WHERE id = %(id)s AND status = 'doing' AND attempts = %(attempts)s AND worker_id IS NOT DISTINCT FROM %(worker)s
FOR UPDATE
"""
_RETURN: LiteralString = """
SELECT procrastinate_retry_job_v2(%(id)s, now() + make_interval(secs => %(seconds)s), NULL, NULL, NULL),
    pg_notify('procrastinate_queue_v1#' || %(queue)s,
        json_build_object('type', 'job_inserted', 'job_id', %(id)s)::text)
"""
logger: logging.Logger = logging.getLogger("octoffm_async")


class JobClaim(NamedTuple):
    """A worker's claim on a queue job. Each fetch of the job raises its ``attempts``, so old claims differ."""

    id: int
    attempts: int
    worker: int | None
    """``None`` if the worker's registration was deleted."""

    @classmethod
    def of(cls, job: jobs.Job) -> JobClaim:
        """Return the claim of the worker that fetched a job."""
        return cls(job.id or 0, job.attempts, job.worker_id)


class Connector(BaseAsyncConnector):
    """Procrastinate's connector over our :class:`Database`, whose owner opens and closes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get_sync_connector(self) -> Connector:
        return self

    async def open_async(self, pool: Any = None) -> None:
        """Do nothing: the owner opens the database."""

    async def close_async(self) -> None:
        """Do nothing: the owner closes the database."""

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        await self.execute_query_all_async(query, **arguments)

    async def execute_query_one_async(self, query: LiteralString, **arguments: Any) -> dict[str, Any]:
        return _first(await self.execute_query_all_async(query, **arguments))

    async def execute_query_all_async(self, query: LiteralString, **arguments: Any) -> list[dict[str, Any]]:
        async with self._database.connection() as connection:
            return await self.execute_query_all_async_with_connection(connection, query, **arguments)

    async def execute_query_one_async_with_connection(
        self, connection: Connection, query: LiteralString, **arguments: Any
    ) -> dict[str, Any]:
        return _first(await self.execute_query_all_async_with_connection(connection, query, **arguments))

    async def execute_query_all_async_with_connection(
        self, connection: Connection, query: LiteralString, **arguments: Any
    ) -> list[dict[str, Any]]:
        wrapped = {name: _wrapped(value) for name, value in arguments.items()}
        try:
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(query, wrapped)
                return await cursor.fetchall() if cursor.description else []
        except psycopg.errors.UniqueViolation as error:
            name = error.diag.constraint_name
            raise exceptions.UniqueViolation(constraint_name=name, queueing_lock=None) from error

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Call ``on_notification`` for each notification, for ever; reconnect when the connection is lost."""
        names = list(channels)
        while True:
            try:
                async with self._database.connection() as connection:
                    for name in names:
                        await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(name)))
                    try:
                        while True:
                            async for notification in connection.notifies(timeout=_LISTEN):
                                await on_notification(channel=notification.channel, payload=notification.payload)
                            await connection.execute("SELECT 1")
                    finally:
                        await connection.close()  # else its next user would get the notifications
            except StoreError as error:
                logger.debug("not listening to the queue: %s", error)
                await asyncio.sleep(RETRY_SECONDS)


class ResilientJobManager(JobManager):
    """A procrastinate job manager that tolerates an unreachable database and a process that was suspended."""

    def __init__(self, database: Database, *, chunk_task: str) -> None:
        super().__init__(Connector(database))
        self._database = database
        self._chunk_task = chunk_task
        self._ended: set[JobClaim] = set()

    def ended(self, claim: JobClaim) -> None:
        """Note that the holder of a claim ended its job in a transaction of its own: nothing remains to be written."""
        self._ended.add(claim)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> jobs.Job | None:
        try:
            return await super().fetch_job(queues, worker_id)
        except exceptions.UniqueViolation:  # another worker fetched a job of the same lock at the same time
            return None
        except StoreError as error:
            if not error.away:
                raise
            logger.warning("the worker cannot fetch a job now: %s", error)
            await asyncio.sleep(RETRY_SECONDS)
            return None

    async def update_heartbeat(self, worker_id: int) -> None:
        try:
            await super().update_heartbeat(worker_id)
        except StoreError as error:
            logger.debug("no heartbeat now: %s", error)

    async def defer_periodic_job(self, job: jobs.Job, periodic_id: str, defer_timestamp: int) -> int | None:
        try:
            return await super().defer_periodic_job(job, periodic_id, defer_timestamp)
        except StoreError as error:
            logger.warning("a periodic job of %s is skipped: %s", job.task_name, error)
            return None

    async def finish_job(self, job: jobs.Job, status: jobs.Status, delete_job: bool) -> None:  # noqa: ARG002, FBT001
        """End a job if this worker still holds it; return a chunk's job to the queue unless the chunk ended itself."""
        claim = JobClaim.of(job)
        if claim in self._ended:
            self._ended.discard(claim)
            return
        try:
            if job.task_name == self._chunk_task:
                await self._return_to_queue(claim, seconds=RETRY_SECONDS)
                return
            async with self._database.connection() as connection, connection.transaction():
                if await holds_claim(connection, claim):
                    await finish(connection, claim)
        except StoreError as error:  # the worker keeps the job until another worker finds its heartbeat overdue
            logger.warning("the end of a queue job was not written: %s", error)

    async def unregister_worker(self, worker_id: int) -> None:
        try:
            await super().unregister_worker(worker_id)
        except StoreError as error:
            logger.debug("worker %d stays registered: %s", worker_id, error)

    async def requeue_stalled_jobs(self, *, silent: float) -> int:
        """Return the jobs of workers without a heartbeat for ``silent`` seconds to the queue; return their number."""
        stalled = await self.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=silent)
        return sum([await self._return_to_queue(JobClaim.of(job), seconds=0.0) for job in stalled])

    async def _return_to_queue(self, claim: JobClaim, *, seconds: float) -> bool:
        """Let the job of a claim that still counts be fetched again, and wake the workers; return False otherwise."""
        async with self._database.connection() as connection, connection.transaction():
            if counts := await holds_claim(connection, claim):
                await connection.execute(_RETURN, {"id": claim.id, "seconds": seconds, "queue": QUEUE})
        return counts


def queue_app(database: Database, *, chunk_task: str) -> tuple[App, ResilientJobManager]:
    """Return a procrastinate app on a database. ``chunk_task``: the task whose jobs end in their own transaction."""
    manager = ResilientJobManager(database, chunk_task=chunk_task)
    app = App(connector=manager.connector)
    app.job_manager = manager
    return app, manager


async def prepare(database: Database) -> None:
    """Create procrastinate's tables, unless the database has them already.

    Raises:
        ConfigurationError: the database has them in an unsupported version.
    """
    async with database.connection() as connection:
        there = await connection.execute("SELECT to_regclass('procrastinate_jobs') IS NOT NULL")
        is_there = bool((await there.fetchone() or (False,))[0])
    schema: LiteralString = SchemaManager.get_schema()
    await database.prepare(_PART, 1, () if is_there else (schema,))
    async with database.connection() as connection:
        found = await connection.execute(
            "SELECT DISTINCT proname FROM pg_proc WHERE proname = ANY(%s)", (list(_NEEDED),)
        )
        if len(await found.fetchall()) < len(_NEEDED):
            raise ConfigurationError(
                f"{database.name}: its procrastinate tables are of another version: apply procrastinate's migrations"
            )


async def holds_claim(connection: Connection, claim: JobClaim) -> bool:
    """Return True if a claim still counts, and lock its job until the end of the transaction."""
    found = await connection.execute(_HOLD, claim._asdict())
    return await found.fetchone() is not None


async def finish(connection: Connection, claim: JobClaim) -> None:
    """End the job of a claim, and delete it from the queue."""
    await connection.execute(sql.queries["finish_job"], {"job_id": claim.id, "status": "succeeded", "delete_job": True})


def _first(rows: list[dict[str, Any]]) -> dict[str, Any]:
    if not rows:
        raise exceptions.NoResult
    return rows[0]


def _wrapped(value: Any) -> Any:
    match value:
        case dict():
            return Jsonb(cast("dict[str, Any]", value))
        case list() | tuple():
            parts: list[Any] = [_wrapped(part) for part in cast("list[object]", value)]
            return parts if isinstance(value, list) else tuple(parts)
        case _:
            return value
