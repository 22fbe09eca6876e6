"""The heartbeat of a worker: writes its counters, notices cancelled jobs, and rescues the jobs of dead workers.

One worker at a time also vacuums the tables of requests and chunks. Requests are deleted as soon as their items are
decided, chunks when their job is forgotten. PostgreSQL's own vacuum comes late to tables that grow for hours, and never
where an administrator has turned it off: the file of the table would grow by each item's request. It also has the table
of items counted (ANALYZE) as it grows: while the server takes it for a small one, each batch reads the whole of it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from typing import TYPE_CHECKING, Any, Final, LiteralString

import msgspec
from psycopg import sql

from ..errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..stores.database import Database
    from .queue import ResilientJobManager
    from .scheduling import ChunkScheduler

TICK: Final = 1.0
"""Seconds between two heartbeats."""
ORPHANS_EVERY: Final = 30.0
VACUUM_EVERY: Final = 10.0
DEAD_ROWS: Final = 10_000
"""Dead rows of a table, besides a fifth of its live ones, from which on it is vacuumed; or changed ones: counted."""
_VACUUMING: Final = 0x6F637661
"""The key of the advisory lock of the worker that vacuums."""
_VACUUMED: Final = ("octoffm_journal_payloads", "octoffm_chunks")
_COUNTED: Final = ("octoffm_journal_entries",)
_FORGOTTEN_AFTER: Final = 86_400.0

_SIGN_ON: LiteralString = """
WITH gone AS (DELETE FROM octoffm_workers WHERE seen_at < now() - make_interval(secs => %s))
INSERT INTO octoffm_workers (machine, pid, places) VALUES (%s, %s, %s) RETURNING worker
"""
_SEEN: LiteralString = """
UPDATE octoffm_workers SET turns = %(turns)s, items = %(items)s, per_second = %(per_second)s, calls = %(calls)s,
    throttled = %(throttled)s, seen_at = now() WHERE worker = %(worker)s
"""
_CANCELLED: LiteralString = "SELECT job FROM octoffm_jobs WHERE job = ANY(%s) AND state = 'cancelled'"
_DUE: LiteralString = """
SELECT relname, relname = ANY(%(vacuumed)s) FROM pg_stat_user_tables
WHERE relid = to_regclass(relname) AND CASE WHEN relname = ANY(%(vacuumed)s) THEN n_dead_tup
    WHEN relname = ANY(%(counted)s) THEN n_mod_since_analyze END > %(rows)s + n_live_tup / 5
"""
logger: logging.Logger = logging.getLogger("octoffm_async")


class WorkerCounters(msgspec.Struct, kw_only=True):
    """The counters of a worker: chunks in work, items decided, calls of the API, and 429s among them."""

    turns: int = 0
    items: int = 0
    calls: int = 0
    throttled: int = 0


class Heartbeat:
    """The periodic task of a worker: updates its row in the database, and rescues the jobs of dead workers.

    ``counters`` returns the worker's counters, ``jobs`` the jobs that it processes; it calls ``cancel`` with a job that
    was cancelled, and ``on_all_done`` when no job has anything left to do. ``silent`` is in seconds: a worker without
    a heartbeat for that long counts as dead.
    """

    def __init__(
        self,
        database: Database,
        scheduler: ChunkScheduler,
        manager: ResilientJobManager,
        *,
        places: int,
        silent: float,
        counters: Callable[[], WorkerCounters],
        jobs: Callable[[], Iterable[str]],
        cancel: Callable[[str], object],
        on_all_done: Callable[[], object] | None = None,
    ) -> None:
        self._database = database
        self._scheduler = scheduler
        self._manager = manager
        self._places = places
        self._silent = silent
        self._counters = counters
        self._jobs = jobs
        self._cancel = cancel
        self._on_all_done = on_all_done
        self._worker: int | None = None
        self._items = 0
        self._at = 0.0

    async def keep(self) -> None:
        """Run until cancelled."""
        vacuuming = asyncio.create_task(_keep_vacuumed(self._database), name="octoffm_async vacuum")
        try:
            await self._keep_ticking()
        finally:
            vacuuming.cancel()
            await asyncio.wait([vacuuming])

    async def _keep_ticking(self) -> None:
        now = asyncio.get_running_loop().time
        orphans_at = rescue_at = now()
        while True:
            try:
                await self._write(now())
                if now() >= rescue_at:
                    rescue_at = now() + self._silent / 4 * random.uniform(0.8, 1.2)
                    if rescued := await self._manager.requeue_stalled_jobs(silent=self._silent):
                        logger.warning("%d jobs of workers without a heartbeat were returned to the queue", rescued)
                if now() >= orphans_at:
                    orphans_at = now() + ORPHANS_EVERY * random.uniform(0.8, 1.2)
                    await self._scheduler.queue_idle_partitions()
                if at := list(self._jobs()):
                    await self._stop_cancelled(at)
                if self._on_all_done is not None and await self._scheduler.all_done():
                    self._on_all_done()
            except StoreError as error:
                logger.debug("the heartbeat is not written now: %s", error)
            await asyncio.sleep(TICK)

    async def sign_off(self) -> None:
        """Delete the worker's row."""
        if self._worker is None:
            return
        try:
            async with self._database.connection() as connection:
                await connection.execute("DELETE FROM octoffm_workers WHERE worker = %s", (self._worker,))
        except StoreError as error:
            logger.debug("the worker's row stays: %s", error)

    async def _write(self, now: float) -> None:
        done = self._counters()
        rate = (done.items - self._items) / (now - self._at) if self._at else 0.0
        self._items, self._at = done.items, now
        async with self._database.connection() as connection:
            if self._worker is None:
                here = (_FORGOTTEN_AFTER, socket.gethostname(), os.getpid(), self._places)
                row = await (await connection.execute(_SIGN_ON, here)).fetchone()
                self._worker = None if row is None else int(row[0])
            fields: dict[str, Any] = msgspec.to_builtins(done) | {"worker": self._worker, "per_second": rate}
            await connection.execute(_SEEN, fields)

    async def _stop_cancelled(self, at: list[str]) -> None:
        async with self._database.connection() as connection:
            for (job,) in await (await connection.execute(_CANCELLED, (at,))).fetchall():
                self._cancel(job)


async def _keep_vacuumed(database: Database) -> None:
    while True:
        await asyncio.sleep(VACUUM_EVERY * random.uniform(0.5, 1.5))
        await vacuum(database)


async def vacuum(database: Database, *, dead_rows: int = DEAD_ROWS) -> list[str]:
    """Vacuum the tables with many dead rows, and count those with many new ones, unless another worker does.

    Return their names.
    """
    done: list[str] = []
    try:
        async with database.connection() as connection:
            taken = await connection.execute("SELECT pg_try_advisory_lock(%s)", (_VACUUMING,))
            if await taken.fetchone() != (True,):
                return []
            try:
                given = {"vacuumed": list(_VACUUMED), "counted": list(_COUNTED), "rows": dead_rows}
                for table, is_vacuumed in await (await connection.execute(_DUE, given)).fetchall():
                    order = "VACUUM (SKIP_LOCKED) {}" if is_vacuumed else "ANALYZE (SKIP_LOCKED) {}"
                    await connection.execute(sql.SQL(order).format(sql.Identifier(table)))
                    done.append(table)
            finally:
                await connection.execute("SELECT pg_advisory_unlock(%s)", (_VACUUMING,))
    except StoreError as error:
        logger.debug("not vacuumed now: %s", error)
    return done
