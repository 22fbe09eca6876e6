"""The engine, procrastinate, over the database that the fleet shares; and what this package asks of it beyond its own.

- Its statements run on the connections of :class:`~octoffm_async.cluster.database.Database`. A database that is away
  stops no worker: what is asked every few seconds (heartbeat, fetching, listening) is asked again a little later.
- A worker ends only what it still holds. The engine itself would let a process that slept through its time end, as
  failed, the job that another one has taken over: here a job is ended or given back only by the taking it was for.
- What a dead worker held is given to others within seconds (:func:`rescue`), not by a periodic job, which would itself
  wait for a free place.
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

    from .database import Connection, Database

QUEUE: Final = "octoffm"
"""The engine's queue of all that is done here: other users of the same engine keep theirs."""
AGAIN: Final = 1.0
"""Seconds after which what the database did not answer is asked again."""
_LISTEN: Final = 30.0
_PART: Final = "engine"
_NEEDED: Final = ("procrastinate_fetch_job_v2", "procrastinate_retry_job_v2", "procrastinate_finish_job_v1")

_HOLD: LiteralString = """
SELECT id FROM procrastinate_jobs
WHERE id = %(id)s AND status = 'doing' AND attempts = %(attempts)s AND worker_id = %(worker)s FOR UPDATE
"""
_RESCUE: LiteralString = """
WITH stalled AS (
    SELECT job.id FROM procrastinate_jobs job
    WHERE job.status = 'doing' AND job.queue_name = %(queue)s AND NOT EXISTS (
        SELECT FROM procrastinate_workers worker
        WHERE worker.id = job.worker_id AND worker.last_heartbeat >= now() - make_interval(secs => %(seconds)s))
    ORDER BY job.id FOR UPDATE SKIP LOCKED
), rescued AS MATERIALIZED (
    SELECT id, procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL) FROM stalled
)
SELECT id, pg_notify('procrastinate_queue_v1#' || %(queue)s,
    json_build_object('type', 'job_inserted', 'job_id', id)::text) FROM rescued
"""
_BEAT: LiteralString = "UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %(worker)s RETURNING id"
logger = logging.getLogger("octoffm_async")


class Held(NamedTuple):
    """One taking of an engine's job. When the job is taken again, its attempts are others."""

    id: int
    attempts: int
    worker: int

    @classmethod
    def of(cls, job: jobs.Job) -> Held:
        """How a worker holds a job that it fetched."""
        return cls(job.id or 0, job.attempts, job.worker_id or 0)


class Connector(BaseAsyncConnector):
    """The engine's way to the database: ours. Opening and closing are the owner's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get_sync_connector(self) -> Connector:
        return self

    async def open_async(self, pool: Any = None) -> None:
        """Nothing to open."""

    async def close_async(self) -> None:
        """Nothing to close."""

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
        """Tell of notifications for ever, through whatever happens to the connection."""
        names = list(channels)
        while True:
            try:
                async with self._database.connection() as connection:
                    for name in names:
                        await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(name)))
                    try:
                        while True:
                            async for told in connection.notifies(timeout=_LISTEN):
                                await on_notification(channel=told.channel, payload=told.payload)
                            await connection.execute("SELECT 1")
                    finally:
                        await connection.close()  # or its next user would be told
            except StoreError as error:
                logger.debug("not listening to the queue: %s", error)
                await asyncio.sleep(AGAIN)


class SteadyManager(JobManager):
    """The engine's statements, made to bear a database that is away and a process that slept through its time."""

    def __init__(self, database: Database, *, turn: str) -> None:
        super().__init__(Connector(database))
        self._database = database
        self._turn = turn
        self._ended: set[Held] = set()

    def ended(self, held: Held) -> None:
        """This taking was ended in a transaction of its holder's: there is nothing more to write."""
        self._ended.add(held)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> jobs.Job | None:
        try:
            return await super().fetch_job(queues, worker_id)
        except exceptions.UniqueViolation:  # another worker took a job of the same lock in this instant
            return None
        except StoreError as error:
            if not error.away:
                raise
            logger.warning("cannot ask for work now: %s", error)
            await asyncio.sleep(AGAIN)
            return None

    async def update_heartbeat(self, worker_id: int) -> None:
        """Say that the worker lives.

        Raises:
            WorkerForgottenError: the others have given it up; it must be registered anew.
        """
        try:
            rows = await self.connector.execute_query_all_async(_BEAT, worker=worker_id)
        except StoreError as error:
            logger.debug("no heartbeat now: %s", error)
            return
        if not rows:
            raise WorkerForgottenError(f"worker {worker_id} was silent for so long that it is forgotten")

    async def defer_periodic_job(self, job: jobs.Job, periodic_id: str, defer_timestamp: int) -> int | None:
        try:
            return await super().defer_periodic_job(job, periodic_id, defer_timestamp)
        except StoreError as error:
            logger.warning("a periodic job of %s is left out: %s", job.task_name, error)
            return None

    async def finish_job(self, job: jobs.Job, status: jobs.Status, delete_job: bool) -> None:  # noqa: ARG002, FBT001
        """End a job if it is still held; a turn that ended by itself is over, one that broke off is for others."""
        held = Held.of(job)
        if held in self._ended:
            self._ended.discard(held)
            return
        try:
            if job.task_name == self._turn:
                await self._give_back(held)
                return
            async with self._database.connection() as connection, connection.transaction():
                if await still_held(connection, held):
                    await finish(connection, held)
        except StoreError as error:  # the job stays this worker's until others take it for dead
            logger.warning("the end of a job is not written: %s", error)

    async def unregister_worker(self, worker_id: int) -> None:
        try:
            await super().unregister_worker(worker_id)
        except StoreError as error:
            logger.debug("worker %d stays registered: %s", worker_id, error)

    async def _give_back(self, held: Held) -> None:
        async with self._database.connection() as connection, connection.transaction():
            if await still_held(connection, held):
                await connection.execute(
                    "SELECT procrastinate_retry_job_v2(%s, now() + make_interval(secs => %s), NULL, NULL, NULL)",
                    (held.id, AGAIN),
                )


class WorkerForgottenError(Exception):
    """The engine has taken this worker for dead."""


def engine_app(database: Database, *, turn: str) -> tuple[App, SteadyManager]:
    """The engine over a database. ``turn`` is the task whose jobs end in their own transaction."""
    manager = SteadyManager(database, turn=turn)
    app = App(connector=manager.connector)
    app.job_manager = manager
    return app, manager


async def prepare(database: Database) -> None:
    """Make the engine's tables, unless this database has them from elsewhere.

    Raises:
        ConfigurationError: it has them in a version that is not known here.
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


async def still_held(connection: Connection, held: Held) -> bool:
    """Whether a taking still counts; if so, until the end of the transaction."""
    found = await connection.execute(_HOLD, held._asdict())
    return await found.fetchone() is not None


async def finish(connection: Connection, held: Held) -> None:
    """End what is held: the engine forgets it."""
    await connection.execute(sql.queries["finish_job"], {"job_id": held.id, "status": "succeeded", "delete_job": True})


async def rescue(database: Database, *, silent: float) -> int:
    """Give to others what workers hold that said nothing for ``silent`` seconds; how many jobs."""
    async with database.connection() as connection:
        found = await connection.execute(_RESCUE, {"queue": QUEUE, "seconds": silent})
        return len(await found.fetchall())


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
